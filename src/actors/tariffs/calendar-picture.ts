import { createRequire } from 'node:module';
import { escapeHtml } from '../notifications/templates/markup.ts';
import { plainLine, shortened } from '../notifications/templates/plain-line.ts';
import { dayNumber } from '../people/local-time.ts';
import { dateOf, TariffCalendar } from './calendar.ts';
import { effectiveWords, viewedPeriods, type ViewedPeriod } from './calendar-view.ts';
import type { Schedule, TariffDocument } from './tariff-document.ts';

/** A tariff's calendar drawn: of each schedule a year, its days from left to right and their hours from top to bottom, in the colours of what a period costs. */

const DAY_WIDTH = 2;
const HOUR_HEIGHT = 9;
const MAP_LEFT = 56;
const MAP_WIDTH = 366 * DAY_WIDTH;
const MAP_HEIGHT = 24 * HOUR_HEIGHT;
const LEGEND_LEFT = MAP_LEFT + MAP_WIDTH + 24;
const WIDTH = LEGEND_LEFT + 300;
const HEAD_HEIGHT = 64;
/** Of a schedule above its map, and below it. */
const ABOVE = 28;
const BELOW = 40;
const LEGEND_LINE = 17;
/** Characters that a line of the legend has room for. */
const LEGEND_CHARS_MAX = 42;
const TITLE_CHARS_MAX = 90;
const HOURS_BETWEEN_LABELS = 6;
/** Periods that the legend has room for beside a map, with their prices; of more it says how many. */
const LEGEND_LINES_MAX = Math.floor((MAP_HEIGHT + BELOW) / LEGEND_LINE) - 1;

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
/** From the cheapest to the dearest; told apart without seeing red or green, and in print. */
const HEAT: readonly (readonly [number, number, number])[] = [
  [254, 240, 178],
  [253, 187, 96],
  [236, 102, 60],
  [150, 20, 56],
];
const INK = '#26323b';
const GREY = '#75828c';
const HOLIDAY = '#2474b5';

/** SVG of a year; null: the one in which the tariff begins, or the next where that one is under way. Of a checked document. */
export function calendarSvg(document: TariffDocument, year: number | null = null): string {
  const shownYear = year ?? Number(document.effectiveFrom.slice(0, 4)) + (document.effectiveFrom.endsWith('-01-01') ? 0 : 1);
  const calendar = new TariffCalendar(document);
  const blockHeight = ABOVE + MAP_HEIGHT + BELOW;
  const height = HEAD_HEIGHT + document.schedules.length * blockHeight + 8;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="11" fill="${INK}">`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    text(16, 28, shortened(plainLine(document.name), TITLE_CHARS_MAX), 'font-size="17" font-weight="bold"'),
    text(16, 47, plainLine(`${document.id}, ${effectiveWords(document)}, ${document.currency}, clock of ${document.zone}; the year ${shownYear}`), `fill="${GREY}"`),
    ...document.schedules.map((schedule, index) => `<g transform="translate(0 ${HEAD_HEIGHT + index * blockHeight})">${scheduleSvg(document, schedule, calendar, shownYear)}</g>`),
    '</svg>',
  ].join('\n');
}

/** Loaded for the first picture: who checks no tariff needs none. */
let renderer: typeof import('@resvg/resvg-js') | null = null;

/** Twice as large as the SVG says, for sharp screens. */
export function calendarPng(svg: string): Uint8Array {
  const require = createRequire(import.meta.url);
  renderer ??= require('@resvg/resvg-js') as typeof import('@resvg/resvg-js');
  const fontFiles = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((name) => require.resolve(`dejavu-fonts-ttf/ttf/${name}`));
  return new renderer.Resvg(svg, { fitTo: { mode: 'zoom', value: 2 }, font: { loadSystemFonts: false, fontFiles, defaultFontFamily: 'DejaVu Sans' } }).render().asPng();
}

function scheduleSvg(document: TariffDocument, schedule: Schedule, calendar: TariffCalendar, year: number): string {
  const periods = viewedPeriods(document, schedule);
  const first = dayNumber(`${year}-01-01`);
  const days = dayNumber(`${year + 1}-01-01`) - first;
  return [
    text(MAP_LEFT, 18, schedule.name, 'font-size="13" font-weight="bold"'),
    `<g transform="translate(${MAP_LEFT} ${ABOVE})">`,
    ...periods.map((period) => `<path d="${areaOf(schedule.name, period.name, calendar, first, days)}" fill="${colourOf(period)}"/>`),
    ...axes(first, days),
    ...holidayMarks(document, first, days),
    '</g>',
    ...legend(periods),
  ].join('\n');
}

/** All spans of a period in the year, as one path. Days whose hours it has alike are drawn as one. */
function areaOf(schedule: string, period: string, calendar: TariffCalendar, first: number, days: number): string {
  const parts: string[] = [];
  const open = new Map<string, { from: number; to: number; day: number }>();
  const y = (minute: number): number => Math.round((minute / 60) * HOUR_HEIGHT * 100) / 100;
  for (let day = 0; day <= days; day++) {
    const spans = day === days ? [] : calendar.spansOf(schedule, first + day).filter((span) => span.period === period);
    const keys = new Set(spans.map(({ from, to }) => `${from} ${to}`));
    for (const [key, run] of open) {
      if (keys.has(key)) continue;
      open.delete(key);
      parts.push(`M${run.day * DAY_WIDTH} ${y(run.from)}H${day * DAY_WIDTH}V${y(run.to)}H${run.day * DAY_WIDTH}Z`);
    }
    for (const { from, to } of spans) if (!open.has(`${from} ${to}`)) open.set(`${from} ${to}`, { from, to, day });
  }
  return parts.join('');
}

function axes(first: number, days: number): string[] {
  const parts: string[] = [];
  for (let hour = 0; hour <= 24; hour += HOURS_BETWEEN_LABELS) {
    const y = hour * HOUR_HEIGHT;
    parts.push(`<path d="M-5 ${y}H0" stroke="${GREY}"/>`, text(-8, y + 4, `${String(hour).padStart(2, '0')}:00`, `text-anchor="end" fill="${GREY}"`));
  }
  for (let day = 0; day < days; day++) {
    const date = dateOf(first + day);
    if (!date.endsWith('-01')) continue;
    const x = day * DAY_WIDTH;
    parts.push(`<path d="M${x} 0V${MAP_HEIGHT + 5}" stroke="${INK}" stroke-opacity="0.35" stroke-width="0.7"/>`, text(x + 4, MAP_HEIGHT + 16, MONTHS[Number(date.slice(5, 7)) - 1], `fill="${GREY}"`));
  }
  parts.push(`<rect width="${days * DAY_WIDTH}" height="${MAP_HEIGHT}" fill="none" stroke="${GREY}"/>`);
  return parts;
}

function holidayMarks({ holidays }: TariffDocument, first: number, days: number): string[] {
  const marks = holidays.map(({ date }) => dayNumber(date) - first).filter((day) => day >= 0 && day < days);
  if (marks.length === 0) return [];
  const triangles = marks.map((day) => `M${(day + 0.5) * DAY_WIDTH} -1l-3 -6h6Z`).join('');
  return [`<path d="${triangles}" fill="${HOLIDAY}"/>`, text(MAP_WIDTH, -10, `${marks.length} public holidays`, `text-anchor="end" fill="${HOLIDAY}"`)];
}

function legend(periods: readonly ViewedPeriod[]): string[] {
  const lines: { period: ViewedPeriod | null; words: string }[] = periods.flatMap((period) => [
    { period, words: period.title === period.name ? period.name : `${period.name}: ${period.title}` },
    ...period.prices.map((price) => ({ period: null, words: price })),
  ]);
  const shown = lines.slice(0, LEGEND_LINES_MAX);
  if (lines.length > shown.length) shown[shown.length - 1] = { period: null, words: `… and ${lines.length - shown.length + 1} lines more` };
  return shown.flatMap(({ period, words }, index) => {
    const y = ABOVE + 10 + index * LEGEND_LINE;
    const label = text(LEGEND_LEFT + 20, y, shortened(plainLine(words), LEGEND_CHARS_MAX), period === null ? `fill="${GREY}"` : '');
    return period === null ? [label] : [`<rect x="${LEGEND_LEFT}" y="${y - 10}" width="13" height="12" fill="${colourOf(period)}" stroke="${GREY}" stroke-width="0.5"/>`, label];
  });
}

function colourOf({ heat }: ViewedPeriod): string {
  const at = heat * (HEAT.length - 1);
  const index = Math.min(Math.floor(at), HEAT.length - 2);
  const mixed = HEAT[index].map((from, part) => Math.round(from + (HEAT[index + 1][part] - from) * (at - index)));
  return `rgb(${mixed.join(',')})`;
}

function text(x: number, y: number, words: string, more = ''): string {
  return `<text x="${x}" y="${y}" ${more}>${escapeHtml(words)}</text>`;
}
