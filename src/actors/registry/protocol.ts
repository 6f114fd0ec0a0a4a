import type { MeterId, RegionId } from '../../model/ids.ts';
import type { MeterChange, MeterFacts, MeterStatus } from '../../model/registered-meter.ts';

/** What the registry of meters is asked, and what it says. */

export interface RegistryQuery {
  /** null: of all regions. */
  regions: readonly RegionId[] | null;
  customerClass: string | null;
  /** Today. */
  status: MeterStatus | null;
  /** What the id, the serial number, the postal code, the city or the street begins with; the id as it is written, the others in whatever letters. */
  text: string | null;
  limit: number;
  cursor: string | null;
}

/** One change of many. `isRefused`: it was none, and why; it keeps its place among the others. */
export type ImportRow = { meterId: MeterId; change: MeterChange } | { refusal: RowRefusal; meterId: string | null };

/** Why something cannot be so, and the field that is at fault. */
export const REFUSED_FIELDS: Readonly<Record<string, string>> = { serial_taken: 'serial', unknown_region: 'region', region_missing: 'region', bad_days: 'removedOn' };

export interface RowRefusal {
  /** `invalid_row`, or one of REFUSED_FIELDS. */
  code: string;
  /** The field that is at fault, as `address.city`; empty: the row. */
  path: string;
  message: string;
}

export const ROW_OUTCOMES = ['created', 'updated', 'unchanged', 'refused'] as const;
export type RowOutcome = { meterId: string | null; outcome: Exclude<(typeof ROW_OUTCOMES)[number], 'refused'> } | { meterId: string | null; outcome: 'refused'; refusal: RowRefusal };

export interface ImportOptions {
  by: string;
  /** Nothing is written; what is said is what would have come of it. */
  isDryRun: boolean;
  /** Regions of which there is no meter yet are taken, too. */
  takesNewRegions: boolean;
}

/** Every version is that of If-Match: null asks for none, 0 for a meter that is not there yet. */
export interface MeterPut {
  meterId: MeterId;
  facts: MeterFacts;
  version: number | null;
  by: string;
  takesNewRegions: boolean;
}

export interface MeterPatch {
  meterId: MeterId;
  change: MeterChange;
  version: number | null;
  by: string;
}
