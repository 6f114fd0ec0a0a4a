import { plainLine } from '../notifications/templates/plain-line.ts';
import { clock } from './calendar-check.ts';
import { viewedDays, viewedPeriods, type ViewedPeriod } from './calendar-view.ts';
import type { Schedule, TariffDocument } from './tariff-document.ts';

/** A tariff's schedules as heat maps of letters, for a terminal: a row for each kind of day, a column for each half-hour, and the exact edges beside it. */

const COLUMNS = 48;
const COLUMN_MINUTES = 30;
/** From the cheapest to the dearest. With more periods than these each is a letter. */
const SHADES = ['·', '░', '▒', '▓', '█'];
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-';
/** Light yellow to dark red, of a terminal's 256 colours. */
const COLOURS = [229, 222, 215, 208, 202, 160, 124];

export function calendarText(document: TariffDocument, hasColours: boolean): string {
  return document.schedules.map((schedule) => scheduleText(document, schedule, hasColours)).join('\n');
}

function scheduleText(document: TariffDocument, schedule: Schedule, hasColours: boolean): string {
  const periods = viewedPeriods(document, schedule);
  const rows = viewedDays(document, schedule);
  const labels = rows.map(({ season, days }) => `${document.seasons.length === 0 ? '' : `${season}  `}${days}`);
  const width = Math.max(...labels.map((label) => label.length));
  const cell = (period: string | undefined): string => {
    const index = periods.findIndex(({ name }) => name === period);
    return index < 0 ? ' ' : shown(periods, index, hasColours);
  };
  const lines = [`${schedule.name}`, `${''.padEnd(width)}  ${HOURS}`];
  rows.forEach(({ spans }, row) => {
    const cells = Array.from({ length: COLUMNS }, (_, column) => cell(spans.find(({ from, to }) => column * COLUMN_MINUTES >= from && column * COLUMN_MINUTES < to)?.period));
    lines.push(`${labels[row].padEnd(width)}  ${cells.join('')}  ${spans.map(({ from, period }) => `${clock(from)} ${period}`).join(', ')}`);
  });
  const titles = periods.map(({ name, title }) => plainLine(title === name ? name : `${name}: ${title}`));
  const titleWidth = Math.max(...titles.map((title) => title.length));
  periods.forEach(({ prices }, index) => lines.push(`  ${shown(periods, index, hasColours)} ${titles[index].padEnd(titleWidth)}  ${plainLine(prices.join(', '))}`.trimEnd()));
  return lines.map((line) => `${line}\n`).join('');
}

const HOURS = Array.from({ length: 8 }, (_, index) => String(index * 3).padStart(2, '0').padEnd(6)).join('').trimEnd();

function shown(periods: readonly ViewedPeriod[], index: number, hasColours: boolean): string {
  const mark = periods.length > SHADES.length ? LETTERS[index] : SHADES[periods.length === 1 ? 2 : Math.round((index / (periods.length - 1)) * (SHADES.length - 1))];
  return hasColours ? `\u001b[48;5;${COLOURS[Math.round(periods[index].heat * (COLOURS.length - 1))]}m\u001b[30m${mark}\u001b[0m` : mark;
}
