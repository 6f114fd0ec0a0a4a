import type { Bill } from '../../../model/billing.ts';
import { decimalShown, shortDayShown, weekdayOf } from './paper-numbers.ts';
import type { PaperWords } from './paper-words.ts';
import { FAINT, INK, RULE, type Paper } from './paper.ts';

/** What was used on each day, as bars; what was fed in hangs below the line. */

export interface ChartPlace {
  x: number;
  y: number;
  width: number;
  height: number;
  colour: string;
}

const EXPORT = '#3d9a50';
const AXIS_WIDTH = 30;
const LABEL_HEIGHT = 12;
/** Of a day's place, what its bar takes. */
const BAR_SHARE = 0.72;
const GRID_PARTS_MAX = 6;
/** Days with a label under them. */
const LABELS_MAX = 11;
/** A tariff's period and some; of more days a bar would be thinner than a hair. */
const DAYS_MAX = 400;
const SMALL = { size: 7, colour: FAINT } as const;

export function drawConsumption(paper: Paper, { dailyKwh }: Pick<Bill, 'dailyKwh'>, place: ChartPlace, words: PaperWords): void {
  const days = dailyKwh.slice(0, DAYS_MAX).map(({ date, importKwh, exportKwh }) => ({ date, imported: kwh(importKwh), exported: kwh(exportKwh) }));
  const most = days.reduce((max, { imported }) => Math.max(max, imported), 0);
  const mostExported = days.reduce((max, { exported }) => Math.max(max, exported), 0);
  if (most + mostExported === 0) {
    paper.text(words.noUse, place.x, place.y + place.height / 2, { size: 9, colour: FAINT });
    return;
  }
  const step = roundStep((most + mostExported) / GRID_PARTS_MAX);
  const up = Math.ceil(most / step);
  const down = Math.ceil(mostExported / step);
  const left = place.x + AXIS_WIDTH;
  const width = place.width - AXIS_WIDTH;
  const height = place.height - LABEL_HEIGHT;
  const y = (value: number) => place.y + (up - value / step) * (height / (up + down));
  for (let line = -down; line <= up; line++) {
    paper.rule(left, y(line * step), width, { colour: line === 0 ? FAINT : RULE, weight: line === 0 ? 0.7 : 0.4 });
    paper.text(decimalShown(tidy(Math.abs(line) * step), 0, words), place.x, y(line * step) + 2.4, { ...SMALL, align: 'right', width: AXIS_WIDTH - 5 });
  }
  const slot = width / days.length;
  const every = Math.ceil(days.length / LABELS_MAX);
  for (const [i, { date, imported, exported }] of days.entries()) {
    const x = left + (i + (1 - BAR_SHARE) / 2) * slot;
    if (imported > 0) paper.box(x, y(imported), slot * BAR_SHARE, y(0) - y(imported), isWeekend(date) ? lighter(place.colour) : place.colour);
    if (exported > 0) paper.box(x, y(0), slot * BAR_SHARE, y(-exported) - y(0), EXPORT);
    if (i % every === 0 && (i + every < days.length + every / 2)) paper.text(shortDayShown(date, words), left + i * slot + slot / 2 - 25, place.y + place.height, { ...SMALL, align: 'centre', width: 50 });
  }
  const average = days.reduce((sum, { imported }) => sum + imported, 0) / days.length;
  if (average > 0) paper.rule(left, y(average), width, { colour: INK, weight: 0.7, dash: 2.5 });
}

/** Beside the chart's title, from the right: what its colours mean. */
export function drawLegend(paper: Paper, { dailyKwh }: Pick<Bill, 'dailyKwh'>, right: number, baseline: number, colour: string, words: PaperWords): void {
  const { chartLegend, chartAverage } = words;
  const entries = [
    ...(dailyKwh.some(({ exportKwh }) => kwh(exportKwh) > 0) ? [{ text: chartLegend.export, colour: EXPORT }] : []),
    { text: chartAverage, colour: null },
    { text: chartLegend.weekend, colour: lighter(colour) },
    { text: chartLegend.import, colour },
  ];
  let x = right;
  for (const { text, colour: fill } of entries) {
    x -= paper.width(text, SMALL);
    paper.text(text, x, baseline, SMALL);
    x -= 11;
    if (fill === null) paper.rule(x, baseline - 2.5, 8, { colour: INK, weight: 0.7, dash: 2 });
    else paper.box(x, baseline - 5.5, 6, 6, fill);
    x -= 10;
  }
}

/** Of a picture alone. */
function kwh(decimal: string): number {
  const value = Number(decimal);
  return Number.isFinite(value) && value > 0 ? value : 0;
}

function isWeekend(date: string): boolean {
  return weekdayOf(date) % 6 === 0;
}

/** The next of 1, 2, 2.5, 5 and their tenfolds. */
function roundStep(atLeast: number): number {
  const power = 10 ** Math.floor(Math.log10(atLeast));
  return [1, 2, 2.5, 5, 10].find((step) => step * power >= atLeast * 0.999_999)! * power;
}

function tidy(value: number): string {
  return value >= 1e15 ? value.toFixed(0) : value.toFixed(6);
}

/** Half way to white. */
function lighter(colour: string): string {
  const part = (from: number) => Math.round((parseInt(colour.slice(from, from + 2), 16) + 255) / 2).toString(16).padStart(2, '0');
  return `#${part(1)}${part(3)}${part(5)}`;
}
