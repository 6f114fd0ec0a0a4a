import type { Agreement } from '../../model/billing.ts';
import { dayNumber } from '../people/local-time.ts';
import { dateOf } from './calendar.ts';

/** Days and months as texts: 2026-07-01, 2026-07. */

export interface Days {
  from: string;
  /** Not included. */
  to: string;
}

/** From 1970 on, where days and quarter-hours begin to count: nobody has a bill of a month before. */
export const MONTH = /^(19[7-9]\d|[2-9]\d{3})-(0[1-9]|1[0-2])$/;

export function isMonth(text: string): boolean {
  return MONTH.test(text);
}

/** The month so many months later, or before. */
export function monthAfter(month: string, months: number): string {
  const number = Number(month.slice(0, 4)) * 12 + Number(month.slice(5)) - 1 + months;
  return `${String(Math.floor(number / 12)).padStart(4, '0')}-${String((number % 12) + 1).padStart(2, '0')}`;
}

export function daysOfMonth(month: string): Days {
  return { from: `${month}-01`, to: `${monthAfter(month, 1)}-01` };
}

/** Days of the month in which the agreement holds; null: it does in none. */
export function billedDays(agreement: Agreement, month: string): Days | null {
  return daysWithin(agreement, daysOfMonth(month));
}

/** Those of the days in which the agreement holds; null: none. */
export function daysWithin({ movedIn, movedOut }: Pick<Agreement, 'movedIn' | 'movedOut'>, { from, to }: Days): Days | null {
  const days = { from: movedIn > from ? movedIn : from, to: movedOut !== null && movedOut < to ? movedOut : to };
  return days.from < days.to ? days : null;
}

export function dayAfter(date: string): string {
  return dateOf(dayNumber(date) + 1);
}

export function daysBetween({ from, to }: Days): number {
  return dayNumber(to) - dayNumber(from);
}

/** The same stretches of days, cut where months begin. */
export function cutAtMonths<Stretch extends Days>(stretches: readonly Stretch[]): Stretch[] {
  return stretches.flatMap((stretch) => {
    const cut: Stretch[] = [];
    for (let { from } = stretch; from < stretch.to; ) {
      const { to: monthEnd } = daysOfMonth(from.slice(0, 7));
      const to = monthEnd < stretch.to ? monthEnd : stretch.to;
      cut.push({ ...stretch, from, to });
      from = to;
    }
    return cut;
  });
}
