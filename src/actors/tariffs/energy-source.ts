import type { FoundDeterminants } from '../../model/determinants-row.ts';
import type { EnergyQuarter, MeteringPlan } from '../../model/energy.ts';
import type { MeterPlace } from './protocol.ts';

/** What the tariff supervisor asks of the shards, which keep the energy. Every promise settles within the engine's query deadline; rejections are OperationalErrors, retryable while a shard is away. */
export interface EnergySource {
  /** All meters, shard by shard in the order in which their energy lies on disk, so that determinants of neighbours are cheap. */
  meters(after: string | null, limit: number): Promise<{ meters: MeterPlace[]; next: string | null }>;
  /** null: no such meter. */
  place(meterId: string): Promise<MeterPlace | null>;
  /** METERS_PER_QUESTION_MAX meters at most; `planOf` of each is an index into `plans`. */
  determinants(meterIds: readonly string[], planOf: Uint8Array, plans: readonly MeteringPlan[]): Promise<FoundDeterminants>;
  /** Quarter-hours `from` ≤ number < `to` of a meter, gaps included; null: no such meter. */
  quarters(meterId: string, from: number, to: number): Promise<EnergyQuarter[] | null>;
  /** Number of the quarter-hour in which the region's mean power was highest, of `from` ≤ number < `to`; null: nothing is known of it. */
  regionPeak(region: string, from: number, to: number): Promise<number | null>;
}

export const METERS_PER_QUESTION_MAX = 1_024;
