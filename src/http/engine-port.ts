import type { Anomaly } from '../model/anomaly.ts';
import type { MeterId, RegionId } from '../model/ids.ts';
import type { AnomalyQuery, DeadLetter, DeadLetterQuery, MeterListQuery, MeterState, MeterSummary, PackedWindows, Page, QuarterSpan, RegionNow, SpanEnergy, TopConsumers, TopConsumersQuery, WindowQuery } from '../model/queries.ts';
import type { RegionForecast } from '../model/region-forecast.ts';
import type { MeterWindow, RegionWindow } from '../model/window.ts';
import type { EngineSnapshot, ShardState } from './live-source.ts';

/** Code of an error whose message says, for people, which database does not answer. */
export const HISTORY_AWAY = 'history_away';

/** Spans of a meter's energy that are asked for at once: the days of a leap year. */
export const SPANS_MAX = 366;

/**
 * What the gateway asks of the engine. Every promise settles within the engine's query deadline. Rejections are OperationalErrors:
 * `deadline` becomes 504, any other retryable one 503 (HISTORY_AWAY with its own words), `invalid_cursor` 400, `corrupt` 500.
 */
export interface EnginePort {
  /** Windows that start in [from, to), in order of start, open ones among them; null: no such meter. */
  meterWindows(meterId: MeterId, query: WindowQuery): Promise<Page<MeterWindow> | null>;
  /** The same, packed. */
  packedMeterWindows(meterId: MeterId, query: WindowQuery): Promise<PackedWindows | null>;
  meter(meterId: MeterId): Promise<MeterState | null>;
  /** Where a meter is, by its newest reading; null: no such meter. A hundredth of what `meter` takes. */
  meterRegion(meterId: MeterId): Promise<RegionId | null>;
  /** In order of meterId. */
  meters(query: MeterListQuery): Promise<Page<MeterSummary>>;
  /** In order of name. */
  regions(): Promise<RegionNow[]>;
  /** Windows that start in [from, to), in order of start; null: no such region. */
  regionWindows(region: RegionId, query: WindowQuery): Promise<Page<RegionWindow> | null>;
  /** `zone` is one that is known. Made when asked for, a few at a time; `busy` (retryable) beyond. null: no such region. */
  regionForecast(region: RegionId, zone: string): Promise<RegionForecast | null>;
  /** Of each span, which are SPANS_MAX at most and no longer than PLAN_QUARTERS_MAX each; null: no such meter. */
  energy(meterId: MeterId, spans: readonly QuarterSpan[]): Promise<SpanEnergy[] | null>;
  /** Looks at every meter of the region, in parts: of a large one it takes seconds. Few are answered at once; `busy` (retryable) beyond. null: no such region. */
  topConsumers(region: RegionId, query: TopConsumersQuery): Promise<TopConsumers | null>;
  anomalies(query: AnomalyQuery): Promise<Page<Anomaly>>;
  deadLetters(query: DeadLetterQuery): Promise<Page<DeadLetter>>;
  engineStatus(): Promise<EngineStatus>;
  /** Gathered afresh of all threads. */
  operations(): Promise<OperationsStatus>;
}

export interface ShardStatus {
  shard: number;
  state: ShardState;
  restarts: number;
  /** null while the shard is away. */
  meters: number | null;
  /** Journalled readings that no snapshot covers yet; null while the shard is away. */
  journalLagRecords: number | null;
  /** null before the first snapshot and while the shard is away. */
  checkpointAgeMs: number | null;
}

/** Of engines that share a log in Kafka, as one of them sees it. */
export interface ClusterStatus {
  /** This node's. */
  nodeId: string;
  /** Ascends with each rebalance. */
  generation: number;
  /** False: the group has not heard of this node lately, and it answers for nothing. */
  inTouch: boolean;
  nodes: {
    nodeId: string;
    url: string;
    /** How many it has. */
    partitions: number;
    /** False: it did not answer this node for some seconds. */
    answers: boolean;
  }[];
  /** In order of number. `state` and `lagRecords` are known of this node's own alone. */
  partitions: { partition: number; nodeId: string | null; state: 'taking' | 'ready' | 'refused' | null; lagRecords: number | null }[];
}

/** The live stream's snapshot with more about each shard. */
export interface EngineStatus extends EngineSnapshot {
  /** Where readings lie before they count. */
  log: 'lmdb' | 'kafka';
  partitions: number;
  shards: ShardStatus[];
  /** null with a log of its own. */
  cluster: ClusterStatus | null;
  /** null: this engine runs without tariffs and bills. */
  billing: BillingStatus | null;
  /** As of a second ago at most; of threads that answered. */
  queues: WaitingWork[];
}

export const WAITING_WORK = ['requests', 'readings', 'batches', 'records', 'appends', 'questions', 'effects', 'messages', 'deliveries'] as const;

/** What waits in a part of the engine. */
export interface WaitingWork {
  /** Thread, actor or system beside the engine. */
  part: string;
  /** `records`: in the log and not yet counted. `effects`: questions of sinks for what closed. `deliveries`: messages to people that are not done, those for later included. */
  work: (typeof WAITING_WORK)[number];
  /** Accepted and not yet answered. */
  waiting: number;
  /** The most at a time, and what was not accepted because it was full, since its thread started; null where nobody counts. */
  waitingMax: number | null;
  refused: number | null;
}

/** What keeps the engine running, for who looks after it. */
export interface OperationsStatus {
  version: string;
  nodeVersion: string;
  startedAt: number;
  now: number;
  /** Resident memory of the process. */
  rssBytes: number;
  /** Free on the disk of the data directory; null when it is not known. */
  diskFreeBytes: number | null;
  gateway: { queriesInFlight: number; queriesRefused: number; requestsAborted: number; liveConnections: number };
  /** Threads and actors that are supervised. */
  parts: OperatedPart[];
  /** By thread and actor. */
  queues: OperatedQueue[];
  sinks: EngineSnapshot['sinks'];
  settings: { name: string; value: string | null; isSecret: boolean; isSet: boolean }[];
}

export interface OperatedPart {
  name: string;
  state: 'down' | 'starting' | 'up' | 'backing_off' | 'stopping';
  restarts: number;
  /** How its last incarnation ended; null: none has. */
  lastExit: string | null;
  /** Of threads that answered: how late their event loop came round, and what of memory is theirs. */
  eventLoopDelayP99Ms: number | null;
  heapUsedBytes: number | null;
  externalBytes: number | null;
}

export interface OperatedQueue {
  thread: string;
  queue: string;
  /** Accepted and not yet answered: now, and at most. */
  depth: number;
  depthMax: number;
  handled: number;
  failed: number;
  /** Not accepted because it was full. */
  refused: number;
  /** Means, and the longest, since the thread started. */
  waitMeanMs: number;
  waitMaxMs: number;
  handleMeanMs: number;
  handleMaxMs: number;
}

/** Tariffs, bills and their thread. */
export interface BillingStatus {
  /** `idle`: it starts when somebody asks. */
  state: ShardState | 'idle';
  /** Why it is away, for people; null while it is up. */
  problem: string | null;
  /** Monthly runs that are not done; null while it is away. */
  runsUnderWay: number | null;
}
