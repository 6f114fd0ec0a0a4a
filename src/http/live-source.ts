import type { Subject } from '../model/access.ts';
import type { Alert } from '../model/alert.ts';
import type { Anomaly, Severity } from '../model/anomaly.ts';
import type { Dispute, DynamicPrice, Invoice, Payment } from '../model/billing.ts';
import type { ChannelName as ContactChannel } from '../model/contact.ts';
import type { MeterState, RegionNow } from '../model/queries.ts';
import type { MeterWindow, RegionWindow } from '../model/window.ts';

/**
 * What the live stream asks of the engine. Times are epoch milliseconds here and ISO 8601 strings on the wire. Objects
 * handed over are the stream's to read until the next turn of the event loop and are never changed by it.
 */

/** Stops a subscription; calling it twice is harmless. */
export type Unsubscribe = () => void;

/** Regions and their recent one-minute curve; in a change, only what is new. */
export interface RegionsPicture {
  regions: RegionNow[];
  /** One-minute windows, each whole (it replaces the one with the same region and windowStart), in any order. */
  windows: RegionWindow[];
}

/** A system beside the engine; `down`: the thread that writes to it is being restarted. */
export interface SinkStatus {
  sink: 'timescale' | 'kafka';
  state: 'connecting' | 'running' | 'waiting' | 'failed' | 'down';
  /** How old the oldest thing is, at most, that it has not taken; null while nobody knows. */
  lagMs: number | null;
  /** Rows that it can never take, left out, since its thread started. */
  setAside: number | null;
  /** Why it is not running, for people; null while it is. */
  problem: string | null;
}

/** Alerts, notifications and their thread. */
export interface AlertsStatus {
  state: ShardState;
  /** Why it is away, for people; null while it is up. */
  problem: string | null;
  /** null while it is away. */
  active: { bySeverity: Record<Severity, number>; suppressed: number } | null;
  /** `off`: without settings. `failing`: its provider does not take messages; they wait, or go another way. */
  channels: { channel: ContactChannel; state: 'on' | 'off' | 'failing' }[];
}

export type ShardState = 'starting' | 'up' | 'restarting' | 'down';

/** The engine's own health, as the header of the dashboard shows it. */
export interface EngineSnapshot {
  /** `degraded`: some shard is not up, its meters get 503. */
  state: 'starting' | 'ready' | 'degraded' | 'stopping';
  version: string;
  startedAt: number;
  /** The engine's clock when the snapshot was taken. */
  now: number;
  shards: { shard: number; state: ShardState }[];
  /** Those that the settings name. */
  sinks: SinkStatus[];
  /** null: this engine runs without them. */
  alerts: AlertsStatus | null;
  meters: number;
  /** Accepted since the start. */
  readingsAccepted: number;
  /** Accepted, rejected: means over the last few seconds. */
  acceptedPerSecond: number;
  rejectedPerSecond: number;
  /** 99th percentile of request to durable acknowledgement over the last minute, or null without requests. */
  ackLatencyP99Ms: number | null;
  /** Where readings are posted, for the hint on an empty page. */
  ingestUrl: string;
}

/** A meter as its panel shows it. */
export interface MeterNow {
  /** `readings` null: not told. */
  meter: Omit<MeterState, 'readings'> & { readings: number | null };
  /** Its open windows, one-minute and quarter-hour. */
  openWindows: MeterWindow[];
  /** The newest that are closed, of each length. */
  closedWindows: MeterWindow[];
}

/** What happened to bills. */
export interface RecentBills {
  invoices: Invoice[];
  payments: Payment[];
  disputes: Dispute[];
}

export interface LiveSource {
  /** All regions with the windows of the last 60 minutes. */
  regions(): RegionsPicture;
  /** `fn` runs on each change; how often does not matter, the stream gathers changes and sends once a second. */
  onRegions(fn: (change: RegionsPicture) => void): Unsubscribe;
  /** One-minute windows of regions that are closed, of the last 60 minutes. */
  closedWindows(): RegionWindow[];
  /** `fn` gets windows once they are closed, and again when they were corrected. */
  onClosedWindows(fn: (closed: readonly RegionWindow[]) => void): Unsubscribe;
  /** The newest episodes, those that go on first among equals; at most ANOMALIES_RECENT_MAX are sent. */
  anomaliesRecent(): Anomaly[];
  /** `fn` gets the episode whole whenever it opens, changes or ends. */
  onAnomaly(fn: (anomaly: Anomaly) => void): Unsubscribe;
  /** Alerts that are open or acknowledged, newest first by openedAt and id; at most ALERTS_ACTIVE_MAX are sent. Empty in an engine without alerts. */
  alertsActive(): readonly Alert[];
  /** `fn` gets alerts whole whenever they open, change or end. */
  onAlerts(fn: (changed: readonly Alert[]) => void): Unsubscribe;
  /** Of all regions that have one, in order of region. Empty in an engine without tariffs. */
  prices(): readonly DynamicPrice[];
  /** `fn` gets prices whenever there are others. */
  onPrices(fn: (changed: readonly DynamicPrice[]) => void): Unsubscribe;
  /** What changed last first; at most BILLS_RECENT_MAX of each are sent. Empty in an engine without tariffs. */
  bills(): RecentBills;
  /** Meter and region of an invoice that `bills` told of, or whose payments or disputes it did; null when it is not known any more. */
  placeOfInvoice(invoiceId: string): Subject | null;
  /** `fn` gets what changed, whole. */
  onBills(fn: (changed: RecentBills) => void): Unsubscribe;
  engine(): EngineSnapshot;
  onEngine(fn: (snapshot: EngineSnapshot) => void): Unsubscribe;
  /**
   * Asked once a second for each meter that somebody watches, never again before it settled. null: no such meter, or none that has sent anything since `since` (null or absent: ever), before which nothing of it is told.
   * Rejects with an OperationalError while the meter's shard is away.
   */
  watchMeter(meterId: string, since?: number | null): Promise<MeterNow | null>;
}
