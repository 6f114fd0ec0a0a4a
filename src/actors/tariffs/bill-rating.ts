import type { Bill } from '../../model/billing.ts';
import type { Determinants } from '../../model/energy.ts';
import type { TariffPlan } from './tariff-plan.ts';
import type { TariffVersion } from './protocol.ts';

/**
 * Bills from determinants and tariffs. All of it is pure: the same stretches give the same bill, whenever and wherever it is worked out.
 *
 * A bill is made of stretches: days of one calendar month of the zone under one version of one tariff. A month in which the tariff changes has two of them; an estimate over half a year has one at
 * least for each month.
 */

/** A version of a tariff, as far as rating needs it. */
export type RatedTariff = Pick<TariffVersion, 'id' | 'version' | 'document'>;

export interface StretchInput {
  tariff: RatedTariff;
  /** Of days within one month. Its moments: the quarter-hour of the region's peak of the month, where the tariff asks for it (`needsRegionPeak`), it is known and within these days; else none. */
  plan: TariffPlan;
  determinants: Determinants;
  /** Of months before, for ratchets: as `demandOf` gives it, in any order. As many as `lookbackMonths` says and there are. Empty where nothing is looked back at. */
  pastDemand: readonly MonthDemand[];
}

export interface BillInput {
  agreementId: string;
  meterId: string;
  region: string | null;
  /** In order, without gaps, one at least. Their tariffs have one currency and one zone. */
  stretches: readonly StretchInput[];
  /** What the bill before left; NOTHING_CARRIED when there is none. */
  carried: CarriedOver;
  /** The agreement ends with it: credits are settled, nothing is carried on. */
  isLast: boolean;
}

export interface RatedBill {
  bill: Bill;
  /** For the next bill of the agreement. Another one after a correction means that the bills after it change too. */
  carried: CarriedOver;
}

/** What goes on from bill to bill. Decimal numbers as text. */
export interface CarriedOver {
  /** Credits in kWh, by `schedule/period`. Those that are zero are left out. */
  creditKwh: Record<string, string>;
  /** What the customer is owed, 0 or more. */
  creditAmount: string;
  /** By `tariff/charge` of a yearly minimum: what the charges that it covers came to in the year so far, and what its share of the year was. */
  yearMinimums: Record<string, { covered: string; due: string }>;
}

export const NOTHING_CARRIED: CarriedOver = { creditKwh: {}, creditAmount: '0', yearMinimums: {} };

/** Demand of the meter in a month, or a stretch of it, that a ratchet looks back at. */
export interface MonthDemand {
  /** `2026-07` */
  month: string;
  /** By `charge/period` (`*` where the charge has no periods), microKw. */
  microKw: Record<string, number>;
}

/** How many months before a bill's a tariff's ratchets look at; 0: none. */
export function lookbackMonths({ document }: Pick<RatedTariff, 'document'>): number {
  return Math.max(0, ...document.charges.map((charge) => (charge.kind === 'demand' ? (charge.ratchet?.lookbackMonths ?? 0) : 0)));
}

/** Whether the plan of a tariff has to ask for the power at the region's peak. */
export function needsRegionPeak({ document }: Pick<RatedTariff, 'document'>): boolean {
  return document.charges.some((charge) => charge.kind === 'demand' && charge.measure === 'coincident');
}
// First signatures; see below in this file's next version:
// demandOf(tariff: RatedTariff, plan: TariffPlan, determinants: Determinants): MonthDemand
// makeBill(input: BillInput): RatedBill
// explainLine(line: InvoiceLine, currency: string): string (bill-line-text.ts)
