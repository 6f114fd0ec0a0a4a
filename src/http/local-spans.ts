import { z } from 'zod';
import { DAY_MS, dayNumber, isZone, localTime } from '../actors/people/local-time.ts';
import { dateOf, dayStart } from '../actors/tariffs/calendar.ts';
import { QUARTER_MS } from '../model/energy.ts';
import type { QuarterSpan } from '../model/queries.ts';
import { dateField } from './billing-fields.ts';
import { WRITTEN_AS } from './openapi/schema-book.ts';
import { FAULT_TIME, TIME_WRITTEN, timeParameter } from './query-parameters.ts';

/** Days and months by the clock on the wall of a zone, as quarter-hours. */

export const zoneParameter = z.string().max(64, { error: 'longer than any zone (64 characters)', abort: true }).refine(isZone, 'expected a time zone such as Europe/Berlin').default('UTC');

/** One that comes before: numbers of quarter-hours count from 1970, in zones west of Greenwich from the day before. */
export const FIRST_DATE = '1970-01-02';

/** A moment, epoch ms, or a local day as text, which stands for its beginning: `momentOf` has that. */
export const dayOrTimeParameter = z.string().transform((text, context): number | string => {
  if (text >= FIRST_DATE && dateField.safeParse(text).success) return text;
  const time = timeParameter.safeParse(text);
  if (time.success) return time.data;
  context.issues.push({ code: 'custom', message: `${FAULT_TIME}, or a day such as 2026-07-01`, input: text });
  return z.NEVER;
});
WRITTEN_AS.add(dayOrTimeParameter, {
  anyOf: [{ type: 'string', format: 'date', pattern: '^(19[7-9]|[2-9]\\d\\d)\\d-\\d\\d-\\d\\d$' }, ...TIME_WRITTEN.anyOf],
  description: `A day of \`zone\`, which stands for its beginning, so that as \`to\` it is the first that is not included; or a moment: ${TIME_WRITTEN.description}`,
});

export function momentOf(dayOrTime: number | string, zone: string): number {
  return typeof dayOrTime === 'number' ? dayOrTime : dayStart(zone, dayOrTime);
}

/** Quarter-hours that begin on the local days `from` ≤ day < `to`. All zones' days begin with one since 1972. */
export function spanOfDays(zone: string, from: string, to: string): QuarterSpan {
  return { from: Math.ceil(dayStart(zone, from) / QUARTER_MS), to: Math.ceil(dayStart(zone, to) / QUARTER_MS) };
}

/** What of the span is over. */
export function untilNow({ from, to }: QuarterSpan, nowMs: number): QuarterSpan {
  const end = Math.min(to, Math.floor(nowMs / QUARTER_MS));
  return { from: Math.min(from, end), to: end };
}

export function today(zone: string, nowMs: number): string {
  return dateOf(localTime(zone, nowMs).day);
}

export function daysLater(date: string, days: number): string {
  return dateOf(dayNumber(date) + days);
}

/** How many days `from` ≤ day < `to` are. */
export function daysBetween(from: string, to: string): number {
  return Math.round((Date.parse(to) - Date.parse(from)) / DAY_MS);
}

/** The same day of another year; 28 February for one that has no 29th. */
export function yearsLater(date: string, years: number): string {
  const year = String(Number(date.slice(0, 4)) + years).padStart(4, '0');
  const day = date.slice(5) === '02-29' && dateOf(dayNumber(`${year}-02-28`) + 1).slice(5) === '03-01' ? '02-28' : date.slice(5);
  return `${year}-${day}`;
}

/** `YYYY-MM`, some months later. */
export function monthsLater(month: string, months: number): string {
  const number = Number(month.slice(0, 4)) * 12 + Number(month.slice(5)) - 1 + months;
  return `${String(Math.floor(number / 12)).padStart(4, '0')}-${String((number % 12) + 1).padStart(2, '0')}`;
}

/** How many months `from` ≤ month < `to` are. */
export function monthsBetween(from: string, to: string): number {
  const [a, b] = [from, to].map((month) => Number(month.slice(0, 4)) * 12 + Number(month.slice(5)));
  return b - a;
}
