/** What is said about Kafka as the log: messages of a partition, requests to append to it, and who owns which partition. */

export type LogMessageKind = 'reading' | 'control';
export type LogContentType = 'json' | 'ndjson' | 'msgpack';

/** Header that marks a message of the engine's own, such as the clock's; absent: readings. */
export const KIND_HEADER = 'seg-kind';
export const CONTENT_TYPE_HEADER = 'content-type';
/** Values of CONTENT_TYPE_HEADER; absent or unknown: JSON. */
export const LOG_CONTENT_TYPES: Readonly<Record<LogContentType, string>> = { json: 'application/json', ndjson: 'application/x-ndjson', msgpack: 'application/msgpack' };
/**
 * When a gateway took the readings in, by its own clock, decimal epoch milliseconds: what was acknowledged as not too far in the future must not be judged otherwise
 * by the clock of a broker. Absent: the message's timestamp stands for it.
 */
export const JUDGED_AT_HEADER = 'seg-judged-at';

/** Without a sign of life for this long a member of the group of engines is taken for dead, and stops to answer by itself. Brokers take no less than 6 s by default. */
export const SESSION_TIMEOUT_MS = 10_000;

/** One message as it lies in the log. Bytes are owned by the receiver. */
export interface LogMessage {
  partition: number;
  offset: number;
  /** LogAppendTime: the broker's, so that it is the same for whoever reads it. Epoch milliseconds. */
  timestampMs: number;
  key: Uint8Array | null;
  /** null: a tombstone, which holds no readings. */
  value: Uint8Array | null;
  kind: LogMessageKind;
  contentType: LogContentType;
  /** JUDGED_AT_HEADER; null when it is absent or no number. */
  judgedAtMs: number | null;
}

/** A message to append. `partition` is named, because the key of a batch is only one of its meters. */
export interface LogAppend {
  partition: number;
  key: Uint8Array | null;
  value: Uint8Array;
  kind: LogMessageKind;
  contentType: LogContentType;
  /** Null: the message carries no JUDGED_AT_HEADER. */
  judgedAtMs: number | null;
  /** Where some of its readings are traced (message-trace.ts). */
  traceHeaders?: Readonly<Record<string, string>>;
}

/**
 * Answered with {} when all of them are in the log on all in-sync replicas. Fails with OperationalError `unavailable` (retryable: the brokers are away; some may be in
 * the log nevertheless), `overloaded` (retryable: the queue is full, none is in the log) or `too_large` (a message is larger than the topic takes).
 */
export interface AppendLogRequest {
  messages: LogAppend[];
}

export type AppendLogReply = Record<string, never>;

/** Who owns which partition, as the last rebalance said. */
export interface ClusterMap {
  /** Ascends with each rebalance. */
  generation: number;
  /** nodeId of this node. */
  self: string;
  nodes: { nodeId: string; /** Of its gateway, without a slash at the end. */ url: string }[];
  /** nodeId by partition; null while nobody has it. */
  owners: (string | null)[];
}

export interface ClusterView {
  map(): ClusterMap;
  /** Called after each change of the map, and of what this node is ready to answer for. */
  onChange(listener: () => void): void;
  /** True when this node owns the partition and has brought its state up to date: questions about it can be answered here. */
  ready(partition: number): boolean;
  /** The group is spreading partitions anew: another node may have been given one of this node's, and be ready, before this one hears of it. */
  readonly isJoining: boolean;
}

/** Purpose of the port between an ingest thread and the Kafka log's thread (AppendLogRequest over a request channel). */
export const APPEND_PORT = 'append-log';
