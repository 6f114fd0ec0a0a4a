import type { RejectCode } from '../../model/reading.ts';
import type { Span } from '../../runtime/tracing.ts';
import type { IngestError, IngestRefusal, IngestSummary } from './protocol.ts';

/**
 * What has become of one request so far. Its readings lie in batches of several shards; each such part is settled once, and the
 * request is answered when the last one is. One per request, so a batch of single readings holds thousands.
 */
export class RequestTally {
  /** clock.monotonic() when the request came. */
  readonly startedAtMs: number;
  /** Parts in batches that are not yet answered. */
  partsPending = 0;
  accepted = 0;
  duplicates = 0;
  /** null until the first rejected reading: most requests have none. */
  errors: IngestError[] | null = null;
  /** Null: not traced, as most are. */
  readonly trace: Span | null;
  private readonly done: (result: IngestSummary | IngestRefusal) => void;
  private refusal: IngestRefusal | null = null;
  private answered = false;

  constructor(startedAtMs: number, done: (result: IngestSummary | IngestRefusal) => void, trace: Span | null = null) {
    this.startedAtMs = startedAtMs;
    this.done = done;
    this.trace = trace;
  }

  addError(index: number, code: RejectCode, message: string): void {
    (this.errors ??= []).push({ index, code, message });
  }

  /** Answers with `refusal` once every part is settled, whatever the other parts come to. The first one counts. */
  refuseWith(refusal: IngestRefusal): void {
    this.refusal ??= refusal;
  }

  /** Answers when no part is pending. Returns the status it answered with, or 0 when it waits. */
  answerIfSettled(): number {
    if (this.partsPending > 0) return 0;
    if (this.answered) throw new Error('invariant broken: a request was answered twice');
    this.answered = true;
    if (this.refusal !== null) {
      this.done(this.refusal);
      return this.refusal.status;
    }
    const errors = this.errors ?? [];
    // Shards answer in any order, and after the decoder.
    if (errors.length > 1) errors.sort((a, b) => a.index - b.index);
    this.done({ accepted: this.accepted, duplicates: this.duplicates, rejected: errors.length, errors });
    return 202;
  }
}
