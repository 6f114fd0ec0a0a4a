import type { Alert } from '../../model/alert.ts';
import type { Anomaly } from '../../model/anomaly.ts';
import type { DeadLetter } from '../../model/queries.ts';
import type { Granularity, RegionWindow } from '../../model/window.ts';
import type { BillingEvent } from '../tariffs/protocol.ts';

/**
 * What flows out of the shards, and of the supervisors of alerts and of tariffs, to the systems beside the engine. An outbox says what changed, in order; what it holds is the newest state of each thing
 * when it is read, so reading a piece twice is harmless, and a thing that changed often is sent as it is now.
 */

/** A regional window that changed; what it is now is asked of all shards together. */
export interface RegionWindowKey {
  region: string;
  granularity: Granularity;
  /** Epoch milliseconds. */
  windowStart: number;
}

/** A regional window as it is sent. */
export interface SentRegionWindow extends RegionWindow {
  /**
   * How often what it is made of has changed, where several writers may send it and the higher is the newer; null: there is one writer, and the later is. Among nodes no order of asking and
   * writing can be kept. But who asks after the last change, anywhere, gets the highest number there will be, and by then it is all in.
   */
  revision: number | null;
}

/** Ends the name of a consumer that is given the regional windows of another, so that the rest need not wait while some partition, of which regional windows are made, is away. */
export const REGIONS_CONSUMER = '-regions';

/** A position before everything: what a writer says whose system has lost what it had, or never had it. */
export const BEGINNING = 'beginning';

/** The alerts supervisor has an outbox too, and stands among the shards under this number, which none of them has. */
export const ALERTS_LANE = -1;
/** The same of the tariff supervisor. */
export const BILLING_LANE = -2;

/** Who is asked, in words. */
export function laneName(shard: number): string {
  if (shard === ALERTS_LANE) return 'the alerts supervisor';
  return shard === BILLING_LANE ? 'the tariff supervisor' : `shard ${shard}`;
}

/** A piece of one shard's outbox, or of a supervisor's. */
export interface EffectBatch {
  /** ALERTS_LANE, BILLING_LANE: of a supervisor. */
  shard: number;
  /** Where the next piece begins: what a consumer keeps as its cursor. Opaque, at most 200 characters. */
  position: string;
  /** Nothing comes after it for now. */
  isLast: boolean;
  /** Closed and corrected windows of meters, packed (model/window-block.ts). A window occurs once at most. */
  windows: ArrayBuffer;
  windowCount: number;
  regionWindows: RegionWindowKey[];
  /** Episodes that opened, changed or ended. */
  anomalies: Anomaly[];
  deadLetters: DeadLetter[];
  /** Alerts that opened, changed or ended; none from a shard. One occurs once at most. */
  alerts: Alert[];
  /** Of the tariff supervisor: what changed in prices, invoices, payments and disputes. Of a topic an id occurs once at most. */
  billing: BillingEvent[];
  /** traceparents of requests that brought readings of these windows and are traced, each once; absent without any. */
  traces?: string[];
}

/** What a consumer is given to write. */
export interface SinkBatch extends Omit<EffectBatch, 'regionWindows' | 'isLast' | 'traces'> {
  regionWindows: SentRegionWindow[];
  /** Of the span of this write, for whoever reads on the other side; absent: it is not traced. */
  traceparent?: string;
}

/** Why a row was set aside instead of written. */
export interface SetAside {
  /** What it is: `1m window`, `dead letter`, … and its key in words. */
  what: string;
  reason: string;
}

export interface WriteReport {
  /** Rows or messages written. */
  written: number;
  setAside: SetAside[];
}

/**
 * A system beside the engine, behind its adapter. `write` is called for one batch of a shard (or of a supervisor) at a time; those of several go side by side, each in a slot of its own (the shard's number when absent).
 */
export interface SinkWriter {
  readonly name: 'timescale' | 'kafka';
  /**
   * Connects and prepares what it writes to. Gives where each shard's next piece begins, BEGINNING where it holds nothing of the shard, or null where it keeps no
   * cursors (then the engine's own note counts, if there is one, and else everything there is is sent). Rejects with OperationalError `unavailable` (retryable) while the system is away, and with others that say what to do.
   */
  open(): Promise<(shard: number) => string | null>;
  /**
   * Writes all of the batch and moves its cursor, or nothing. Rejects with OperationalError, retryable when the same batch may pass later; a row that can never
   * pass is set aside, not an error.
   */
  write(batch: SinkBatch, slot?: number): Promise<WriteReport>;
  close(): Promise<void>;
}

/** The side of the shards and the supervisors, as the sink thread sees it. Rejects with OperationalError `unavailable` (retryable) while a shard is away. */
export interface EffectSource {
  /** The piece that begins at `position` (null: at what the shard itself remembers of this consumer, else at the beginning of all), with about `windowsMax` windows at most. */
  read(shard: number, consumer: string, position: string | null, windowsMax: number): Promise<EffectBatch>;
  /** Everything before `position` is written for this consumer: the shard may forget it. */
  acknowledge(shard: number, consumer: string, position: string): void;
  /** The windows over all shards, as they are now; one that is no more is left out. */
  regionWindows(keys: readonly RegionWindowKey[]): Promise<SentRegionWindow[]>;
}
