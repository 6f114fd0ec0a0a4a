import { OUTCOME, OUTCOME_REJECT } from '../../model/reading.ts';
import { invariant } from '../../runtime/errors.ts';
import { LINKS_MAX, type Span } from '../../runtime/tracing.ts';
import type { AppendReply, TracedPart } from '../shard/protocol.ts';
import type { RequestTally } from './request-tally.ts';

/** Doubles up to a full batch; most are far smaller. */
const INITIAL_CAPACITY = 512;

/**
 * Whose readings lie where in one batch: parts in batch order, each a request and the number of consecutive readings that are its,
 * and for every reading its index in its request. Kept here until the shard has answered the batch.
 */
export class BatchManifest {
  readings = 0;
  /** Some part is of a request that is traced, or was before it was taken out again. */
  private isTraced = false;
  /** A request has at most one part in a batch. A part of dead letters alone has no readings. */
  private readonly tallies: RequestTally[] = [];
  private readonly partReadings: number[] = [];
  private indexInRequest = new Uint32Array(INITIAL_CAPACITY);

  get parts(): number {
    return this.tallies.length;
  }

  /** Makes `tally` the owner of what is appended next. */
  openPart(tally: RequestTally): void {
    const last = this.tallies.length - 1;
    if (last >= 0 && this.tallies[last] === tally) return;
    this.tallies.push(tally);
    this.partReadings.push(0);
    if (tally.trace !== null) this.isTraced = true;
    tally.partsPending++;
  }

  /** Notes the next reading of the batch as `index` of the request whose part is open. */
  addReading(index: number): void {
    if (this.readings === this.indexInRequest.length) {
      const grown = new Uint32Array(this.readings * 2);
      grown.set(this.indexInRequest);
      this.indexInRequest = grown;
    }
    this.indexInRequest[this.readings++] = index;
    this.partReadings[this.partReadings.length - 1]++;
  }

  /** Forgets every part from number `parts` on. Their requests are the caller's to answer. */
  truncate(parts: number): void {
    while (this.tallies.length > parts) {
      this.tallies.pop()!.partsPending--;
      this.readings -= this.partReadings.pop()!;
    }
  }

  /** Puts the shard's answer into the tallies and calls `settled` for each part, in order. */
  settle(reply: AppendReply, settled: (tally: RequestTally) => void): void {
    const { outcomes } = reply;
    invariant(outcomes === null || outcomes.length === this.readings, 'a shard answered another number of readings than its batch had');
    let at = 0;
    for (let part = 0; part < this.tallies.length; part++) {
      const tally = this.tallies[part];
      const end = at + this.partReadings[part];
      if (outcomes === null) tally.accepted += end - at;
      else this.settleReadings(tally, outcomes, at, end);
      at = end;
      tally.partsPending--;
      settled(tally);
    }
  }

  /** Calls `failed` for each part, in order. */
  fail(failed: (tally: RequestTally) => void): void {
    for (const tally of this.tallies) {
      tally.partsPending--;
      failed(tally);
    }
  }

  /** Of the requests that are traced the first one's span and, in batch order, which readings are whose; null when none is. */
  traced(): { first: Span; parts: TracedPart[] } | null {
    if (!this.isTraced) return null;
    let first: Span | null = null;
    const parts: TracedPart[] = [];
    let from = 0;
    for (let part = 0; part < this.tallies.length && parts.length < LINKS_MAX; part++) {
      const { trace } = this.tallies[part];
      const count = this.partReadings[part];
      if (trace !== null) {
        first ??= trace;
        parts.push({ traceparent: trace.traceparent, from, count });
      }
      from += count;
    }
    return first === null ? null : { first, parts };
  }

  private settleReadings(tally: RequestTally, outcomes: Uint8Array, start: number, end: number): void {
    for (let i = start; i < end; i++) {
      const outcome = outcomes[i];
      if (outcome === OUTCOME.accepted) tally.accepted++;
      else if (outcome === OUTCOME.duplicate) tally.duplicates++;
      else {
        const reject = OUTCOME_REJECT[outcome];
        invariant(reject, `a shard answered with outcome ${outcome}, which is none`);
        tally.addError(this.indexInRequest[i], reject.code, reject.message);
      }
    }
  }
}
