import { MICRO } from '../../../model/energy.ts';

/**
 * Days of a stretch, and which share of their month and year they are. Shares are whole millionths, taken as the difference between two positions in the month: those of the stretches that make up a month
 * add up to exactly one, however it is cut.
 */
export interface BillingDays {
  /** The last day not included. */
  from: string;
  to: string;
  days: number;
  /** `2026-07` */
  month: string;
  /** 1 … 12 */
  monthNumber: number;
  monthDays: number;
  monthShare: bigint;
  yearDays: number;
  yearShare: bigint;
  /** The month ends with the last of these days. */
  endsMonth: boolean;
}

const DAY_MS = 86_400_000;

export function billingDays(from: string, to: string): BillingDays {
  const first = Date.parse(from);
  const end = Date.parse(to);
  const year = Number(from.slice(0, 4));
  const monthNumber = Number(from.slice(5, 7));
  const monthStart = Date.UTC(year, monthNumber - 1, 1);
  const monthEnd = Date.UTC(year, monthNumber, 1);
  if (!(first < end && end <= monthEnd)) throw new RangeError(`expected days of one month, got ${from} to ${to}`);
  const yearStart = Date.UTC(year, 0, 1);
  const yearEnd = Date.UTC(year + 1, 0, 1);
  return {
    from,
    to,
    days: (end - first) / DAY_MS,
    month: from.slice(0, 7),
    monthNumber,
    monthDays: (monthEnd - monthStart) / DAY_MS,
    monthShare: share(first - monthStart, end - monthStart, monthEnd - monthStart),
    yearDays: (yearEnd - yearStart) / DAY_MS,
    yearShare: share(first - yearStart, end - yearStart, yearEnd - yearStart),
    endsMonth: end === monthEnd,
  };
}

/** The day after so many days. */
export function dayAfter(date: string, days: number): string {
  return new Date(Date.parse(date) + days * DAY_MS).toISOString().slice(0, 10);
}

/** Months from `before` to `month`, as `2026-07`. */
export function monthsBetween(before: string, month: string): number {
  return (Number(month.slice(0, 4)) - Number(before.slice(0, 4))) * 12 + Number(month.slice(5, 7)) - Number(before.slice(5, 7));
}

function share(from: number, to: number, whole: number): bigint {
  return BigInt(Math.round((to / whole) * MICRO) - Math.round((from / whole) * MICRO));
}
