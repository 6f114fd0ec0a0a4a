import type { AnomalyKind, Severity } from './anomaly.ts';
import type { IntervalQuality } from './energy.ts';
import type { RejectCode } from './reading.ts';
import type { Granularity } from './window.ts';

/** Shapes of what the engine answers. Times are epoch milliseconds, intervals are [from, to). */

/** `nextCursor` is opaque; null on the last page. */
export interface Page<T> {
  data: T[];
  nextCursor: string | null;
}

/** A page of a meter's windows, packed (window-block.ts): thousands of them go through a thread without an object each. */
export interface PackedWindows {
  windows: ArrayBuffer;
  nextCursor: string | null;
}

export interface WindowQuery {
  granularity: Granularity;
  from: number;
  to: number;
  limit: number;
  cursor: string | null;
}

export interface MeterListQuery {
  region: string | null;
  limit: number;
  cursor: string | null;
}

/** Newest first. */
export interface AnomalyQuery {
  meterId: string | null;
  region: string | null;
  kind: AnomalyKind | null;
  severity: Severity | null;
  /** Only episodes that go on. */
  open: boolean;
  from: number;
  to: number;
  limit: number;
  cursor: string | null;
}

/** Newest first. */
export interface DeadLetterQuery {
  code: RejectCode | null;
  meterId: string | null;
  from: number;
  to: number;
  limit: number;
  cursor: string | null;
}

export type MeterHealth = 'reporting' | 'silent' | 'historical';

/** A line of the meters list. */
export interface MeterSummary {
  meterId: string;
  region: string;
  partition: number;
  /** `historical`: its newest reading was old when it came (an import), so silence means nothing. */
  health: MeterHealth;
  newestTimestamp: number;
  lastPowerKw: number;
  openAnomalies: AnomalyKind[];
}

/** Everything the engine keeps about one meter, apart from its windows. */
export interface MeterState extends MeterSummary {
  lastReading: {
    timestamp: number;
    receivedAt: number;
    powerKw: number;
    energyKwh: number | null;
    voltage: number | null;
    current: number | null;
    frequency: number | null;
    powerFactor: number | null;
    seq: number | null;
    status: 'OK' | 'ERROR';
  };
  /** Accepted readings since the meter was first seen. */
  readings: number;
  /** Usual time between its readings, or null before two of them. */
  cadenceMs: number | null;
  baseline: {
    /** Exponentially weighted mean and deviation of the one-minute average. */
    meanKw: number;
    deviationKw: number;
    /** Closed one-minute windows that fed it. */
    windows: number;
    warm: boolean;
    /** The profile by hour of week (0 = Monday 00:00 UTC); empty until enough history exists. */
    hourOfWeek: { hour: number; meanKw: number; deviationKw: number }[];
  };
}

export interface DeadLetter {
  id: string;
  receivedAt: number;
  code: RejectCode;
  message: string;
  /** Position in the request it came with. */
  index: number;
  meterId: string | null;
  /** The reading as it was sent, cut to 512 bytes. */
  raw: string;
  /** The id that it had before another number of shards gave it this one; absent when it has always had this. */
  firstId?: string;
}

/** A region now. */
export interface RegionNow {
  region: string;
  meters: number;
  metersReporting: number;
  metersSilent: number;
  /** Sum of the newest powerKw of the reporting meters. */
  loadKw: number;
  capacityKw: number | null;
  loadPercent: number | null;
  openAnomalies: number;
}

/** Quarter-hours `from` ≤ number < `to`; energy.ts has what their numbers are. */
export interface QuarterSpan {
  from: number;
  to: number;
}

/** A meter's energy of a span, as bills count it: of quarter-hours that are closed, in whole millionths of a kWh. */
export interface SpanEnergy {
  importMicroKwh: number;
  exportMicroKwh: number;
  /** Highest mean power of a quarter-hour; 0 when none was above. */
  peakMicroKw: number;
  /** Number of the first quarter-hour with it; null when there is none. */
  peakQuarter: number | null;
  quality: IntervalQuality;
}

export type ConsumerOrder = 'energy' | 'peak';

export interface TopConsumersQuery {
  span: QuarterSpan;
  order: ConsumerOrder;
  limit: number;
}

export interface TopConsumers {
  /** Most first, then by meterId. Those with nothing are left out. */
  data: (SpanEnergy & { meterId: string })[];
  /** Of the region now; all were looked at. */
  meters: number;
}
