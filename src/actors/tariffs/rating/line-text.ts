import type { TariffDocument } from '../tariff-document.ts';
import type { BillingDays } from './billing-days.ts';

/** What a period is called on a bill; null where a schedule has but one, or the charge has no schedule. */
export function periodTitle(document: TariffDocument, schedule: string | undefined, period: string): string | null {
  const found = document.schedules.find(({ name }) => name === schedule);
  if (found === undefined || found.periods.length === 1) return null;
  return found.periods.find(({ name }) => name === period)?.title ?? period;
}

/** Says of which part of the month a price is; null when it is all of it. */
export function partOfMonth({ days, monthDays }: BillingDays): string | null {
  return days === monthDays ? null : `${days} of ${monthDays} days`;
}
