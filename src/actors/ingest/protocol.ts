import type { RejectCode } from '../../model/reading.ts';
import type { Span } from '../../runtime/tracing.ts';
import type { ReadingScope } from './reading-scope.ts';

/** What the ingest server (src/http) asks of the ingest actor, on the same thread. */

export type BodyFormat = 'json' | 'ndjson' | 'msgpack';

export interface IngestError {
  index: number;
  code: RejectCode;
  message: string;
}

/** DESIGN's 202 body. */
export interface IngestSummary {
  accepted: number;
  duplicates: number;
  rejected: number;
  /** In order of index, one for each rejected reading. */
  errors: IngestError[];
}

/** Why a whole request was refused. */
export type IngestRefusal =
  /** 400: nothing of the body counts. */
  | { status: 400; code: string; message: string; offset?: number }
  /** 413: more readings than one request may hold. */
  | { status: 413; code: string; message: string }
  /** 429: no credits, queues are full. Nothing of the body was taken. */
  | { status: 429; code: 'overloaded'; message: string; retryAfterSeconds: number }
  /** 503: an owning shard is down, or failed to store; parts may have been counted, sending again is safe. */
  | { status: 503; code: 'unavailable' | 'storage_full'; message: string; retryAfterSeconds: number };

export interface IngestPort {
  /**
   * Decodes and routes one request body. `done` is called exactly once, after the log is on disk or with a refusal, perhaps before
   * this returns. `body` is borrowed until this returns. `trace`: the request's span, where it is traced.
   * `scope`: what the sender may send, where that is not everything.
   */
  ingest(body: Uint8Array, format: BodyFormat, done: (result: IngestSummary | IngestRefusal) => void, trace?: Span | null, scope?: ReadingScope | null): void;
  /** The refusal that any body would meet now, for a request whose body need not be read then; null when some may be taken. Counts as an answer. */
  refuseUnread(): IngestRefusal | null;
}
