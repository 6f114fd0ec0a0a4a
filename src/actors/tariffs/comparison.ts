import type { Days } from './billed-days.ts';

/** Comparisons of tariffs over many customers: what they are of and what comes of them. Money is decimal text. */

/** Tariffs of one comparison: each rates all months anew. */
export const COMPARED_TARIFFS_MAX = 20;
/** Months of one comparison: a year, and one to see its end. */
export const COMPARED_MONTHS_MAX = 13;
/** Meters that one comparison may name; regions and agreements are without end. As a body of ids with 64 characters each they are half of what one may have. */
export const NAMED_METERS_MAX = 2_000;

/** A version of a tariff for all days, whenever it is in force; null: for each day the one that is in force then. */
export interface ComparedVersion {
  id: string;
  version: number | null;
}

/** Of whom: named meters, all meters of a region, or everybody with an agreement. Who has had an agreement in the time counts for its days, a meter without one for all of it. */
export type ComparisonScope = { kind: 'meters'; meterIds: string[] } | { kind: 'region'; region: string } | { kind: 'agreements' };

export interface NewComparison {
  tariffs: ComparedVersion[];
  /** Months, both included. */
  fromMonth: string;
  toMonth: string;
  of: ComparisonScope;
}

export const COMPARISON_STATES = ['running', 'paused', 'done', 'cancelled', 'failed'] as const;

export interface TariffComparison extends Omit<NewComparison, 'tariffs'> {
  id: string;
  /** `paused`: waits for a part of the engine, and goes on by itself. */
  state: (typeof COMPARISON_STATES)[number];
  startedAt: number;
  startedBy: string;
  endedAt: number | null;
  /** Agreements that are looked at, or meters where some or a region are named; null: not counted yet. */
  all: number | null;
  done: number;
  /** Customers that have been rated, and agreements or meters that could not be. */
  rated: number;
  failed: number;
  /** Why not, the first FAILURE_REASONS_MAX reasons; `meterId` and `message` are of the first one. */
  failures: { code: string; count: number; meterId: string | null; message: string }[];
  currency: string;
  tariffs: TariffSum[];
  /** What those pay now for whom a tariff in the same currency counts. */
  present: { customers: number; total: string };
  /** If each took the cheapest of these tariffs, and stayed with what it has where that is cheaper. */
  saving: { customers: number; total: string };
}

export interface TariffSum {
  tariffId: string;
  /** The last of the days'. */
  version: number;
  /** Of all customers. */
  total: string;
  /** Customers for whom it is the cheapest; of equals it is the first. */
  bestFor: number;
}

/** What one customer's days cost. */
export interface ComparedCustomer extends Days {
  meterId: string;
  /** null: nobody had an agreement. */
  agreementId: string | null;
  /** Under what counts for them; null: nothing does, or in another currency. */
  present: string | null;
  /** In the order of the comparison's tariffs. */
  costs: string[];
  /** Index of the cheapest. */
  best: number;
  /** What it is below `present`; negative: above. */
  saving: string | null;
}

/** Kept; there are about twenty codes in all. */
export const FAILURE_REASONS_MAX = 30;
