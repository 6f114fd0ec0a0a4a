import type { Anomaly } from '../../model/anomaly.ts';
import type { PackedDeterminants } from '../../model/determinants-row.ts';
import type { EnergyQuarter, MeteringPlan } from '../../model/energy.ts';
import type { AnomalyQuery, DeadLetter, DeadLetterQuery, MeterListQuery, MeterState, MeterSummary, Page, WindowQuery } from '../../model/queries.ts';
import type { Granularity, MeterWindow } from '../../model/window.ts';
import type { EffectBatch, RegionWindowKey } from '../sinks/protocol.ts';

/** Messages of the shard actor. Data plane: ingest thread → shard, one request per batch, credits bound what is in flight. */

/** `buffer` is a packed ReadingBatch (model/reading-batch.ts), transferred. */
export interface AppendRequest {
  kind: 'append';
  /** May be longer than the batch. */
  buffer: ArrayBuffer;
  /** Length of the batch. */
  bytes: number;
  /** Beside the batch, which goes to the log as it is: where some of its requests are traced. */
  trace?: BatchTrace;
}

export interface BatchTrace {
  /** Of the span that waits for the answer. */
  traceparent: string;
  /** In batch order; LINKS_MAX (runtime/tracing.ts) at most. */
  parts: readonly TracedPart[];
}

/** Consecutive readings of a batch that came with one traced request. */
export interface TracedPart {
  /** Of the request. */
  traceparent: string;
  from: number;
  count: number;
}

/** Sent after the batch is on disk and counted. */
export interface AppendReply {
  accepted: number;
  duplicates: number;
  /** OUTCOME byte of each reading in batch order; null when all were accepted. Transferred. */
  outcomes: Uint8Array | null;
  /**
   * The request's, given back for another batch. Transferred. At 500 batches a second they would be 25 MB of garbage outside V8's heap, for which it goes
   * through all of the heap once a second (bench/RESULTS.md).
   */
  buffer: ArrayBuffer;
}

/** Questions the gateway asks every shard, or the owner of a meter. */
export type ShardQuery =
  | { kind: 'meterWindows'; meterId: string; query: WindowQuery }
  /** The same, packed. */
  | { kind: 'meterWindowBlock'; meterId: string; query: WindowQuery }
  | { kind: 'meter'; meterId: string }
  | { kind: 'meters'; query: MeterListQuery }
  | { kind: 'anomalies'; query: AnomalyQuery }
  | { kind: 'deadLetters'; query: DeadLetterQuery }
  /** `withOpen`: as if the meters' open windows closed now. Reports are of closed windows alone. */
  | { kind: 'regionParts'; region: string; granularity: Granularity; from: number; to: number; limit: number; withOpen: boolean }
  /** Of these closed windows, the parts that there are. */
  | { kind: 'regionPartsByKey'; keys: readonly RegionWindowKey[] }
  /** Meters at and after a place, in the order of places, `limit` of them where there are so many. */
  | { kind: 'energyMeters'; from: EnergyPlace; limit: number }
  | { kind: 'meterRegion'; meterId: string }
  /** What plans make of meters' energy; `planOf` of each meter is an index into `plans`. */
  | { kind: 'determinants'; meterIds: readonly string[]; planOf: Uint8Array; plans: readonly MeteringPlan[] }
  /** Quarter-hours `from` ≤ number < `to` of a meter. */
  | { kind: 'energyQuarters'; meterId: string; from: number; to: number }
  /** As EffectSource.read and .acknowledge (sinks/protocol.ts). `windowsMax` bounds how long the shard is held up. */
  | { kind: 'effects'; consumer: string; position: string | null; windowsMax: number }
  | { kind: 'acknowledgeEffects'; consumer: string; position: string };

/**
 * Where a meter lies. Places order the meters of all shards, in an order that no number of shards changes: by page in their partition first, so that those that follow each other are of one page, and pages that do
 * of several shards. A meter keeps its place for good.
 */
export interface EnergyPlace {
  page: number;
  partition: number;
  row: number;
}

/** Meters of one page, side by side; the place is the first one's. */
export interface PlacedMeters extends EnergyPlace {
  meterIds: string[];
  regions: string[];
}

/** A page of a meter's windows as its shard has them. */
export interface ShardWindowsPage extends Page<MeterWindow> {
  /** Windows that begin before this, epoch ms, are not with the shard any more; 0: all are. */
  keptFrom: number;
}

/** The same with its windows packed (window-block.ts). */
export interface ShardWindowBlock extends Omit<ShardWindowsPage, 'data'> {
  windows: Uint8Array<ArrayBuffer>;
}

export interface ShardAnswers {
  /** null: no such meter. */
  meterWindows: ShardWindowsPage | null;
  /** null: no such meter. `windows` is transferred. */
  meterWindowBlock: ShardWindowBlock | null;
  meter: MeterState | null;
  /** In order of meterId. */
  meters: Page<MeterSummary>;
  /** Newest first, in order of (startedAt, id). */
  anomalies: Page<Anomaly>;
  /** Newest first, in order of (receivedAt, id). */
  deadLetters: Page<DeadLetter>;
  /** In order of windowStart. */
  regionParts: RegionPart[];
  /** In order of the keys. */
  regionPartsByKey: RegionPart[];
  /** `next`: of the meter that would come after them; null: there is none. */
  energyMeters: { pages: PlacedMeters[]; next: EnergyPlace | null };
  /** null: no such meter. */
  meterRegion: string | null;
  /** `rows` is transferred. */
  determinants: PackedDeterminants;
  /** null: no such meter. */
  energyQuarters: EnergyQuarter[] | null;
  /** `windows` is transferred. */
  effects: EffectBatch;
  acknowledgeEffects: null;
}

/** What one shard's meters add to a regional window. Sums are exact (model/exact-sum.ts); parts of several shards add up. */
export interface RegionPart {
  region: string;
  granularity: Granularity;
  windowStart: number;
  meters: number;
  powerHigh: number;
  powerLow: number;
  energyHigh: number;
  energyLow: number;
  minPowerKw: number;
  maxPowerKw: number;
  /** How often it changed. */
  changes: number;
}

/** One shard's view of a region now. */
export interface RegionLivePart {
  region: string;
  meters: number;
  reporting: number;
  silent: number;
  loadHigh: number;
  loadLow: number;
  /** Reporting meters whose newest power is above the dark threshold. */
  powered: number;
  openAnomalies: number;
}

/** Shard → main thread, every REPORT_INTERVAL_MS while anything changed. */
export interface ShardReport {
  kind: 'report';
  shard: number;
  live: RegionLivePart[];
  /** Parts that changed since the last report, whole (not differences). */
  parts: RegionPart[];
  /** Episodes that opened, changed or ended since the last report. */
  anomalies: Anomaly[];
  /** There were others, more than reports carry: they are in the store. */
  anomaliesMissed?: true;
}

/** Main thread → shard: each region's share of reporting meters that have power now, merged over all shards. */
export interface RegionPicture {
  kind: 'regionPicture';
  regions: { region: string; poweredShare: number; reporting: number }[];
}
