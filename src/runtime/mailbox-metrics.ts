/**
 * Counters of one mailbox: how deep it is, how long messages wait in it and how long they are worked on. Plain number fields and
 * typed arrays, so that counting costs nothing worth measuring.
 */

/**
 * Upper bounds of the histogram buckets, milliseconds, inclusive; one more bucket takes what lies above. From a quarter of a millisecond
 * (a message between idle threads) to the length of the default deadline, closest around 10 ms, which is the goal for acks.
 */
export const MAILBOX_BUCKETS_MS: readonly number[] = [0.25, 0.5, 1, 2.5, 5, 7.5, 10, 15, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];

/** Times of many messages. `buckets[i]` counts those in (bound i−1, bound i]; not cumulative; one element more than there are bounds. */
export interface DurationSnapshot {
  sumMs: number;
  maxMs: number;
  buckets: number[];
}

/** Plain data, fit to be cloned to another thread. All counts are since the mailbox was made. */
export interface MailboxSnapshot {
  /** Accepted and not yet answered, now. */
  depth: number;
  depthMax: number;
  /** Answered well. */
  handled: number;
  /** Answered with an error, or ended by a crash. */
  failed: number;
  /** Not accepted because the mailbox was full. */
  refused: number;
  /** From sent to taken up. */
  wait: DurationSnapshot;
  /** From taken up to answered. */
  handle: DurationSnapshot;
}

export class MailboxMetrics {
  private depth = 0;
  private depthMax = 0;
  private handled = 0;
  private failed = 0;
  private refused = 0;
  private readonly wait = new DurationHistogram();
  private readonly handle = new DurationHistogram();

  /** A message was accepted. */
  enqueued(): void {
    if (++this.depth > this.depthMax) this.depthMax = this.depth;
  }

  /** An accepted message was taken up, `waitMs` after it was sent. */
  started(waitMs: number): void {
    this.wait.add(waitMs);
  }

  /** A message was answered `handleMs` after it was taken up. */
  finished(handleMs: number): void {
    this.depth--;
    this.handled++;
    this.handle.add(handleMs);
  }

  /** A message ended in an error `handleMs` after it was taken up. */
  finishedFailed(handleMs: number): void {
    this.depth--;
    this.failed++;
    this.handle.add(handleMs);
  }

  /** A message was turned away. */
  turnedAway(): void {
    this.refused++;
  }

  /** The mailbox closed with messages in it that nobody will take up. */
  abandoned(): void {
    this.depth = 0;
  }

  snapshot(): MailboxSnapshot {
    return {
      depth: this.depth,
      depthMax: this.depthMax,
      handled: this.handled,
      failed: this.failed,
      refused: this.refused,
      wait: this.wait.snapshot(),
      handle: this.handle.snapshot(),
    };
  }
}

/** With MAILBOX_BUCKETS_MS. */
export class DurationHistogram {
  private sumMs = 0;
  private maxMs = 0;
  private readonly buckets = new Float64Array(MAILBOX_BUCKETS_MS.length + 1);

  add(durationMs: number): void {
    // Two threads read the shared clock a hair apart; a message never arrives before it was sent.
    const ms = durationMs > 0 ? durationMs : 0;
    this.sumMs += ms;
    if (ms > this.maxMs) this.maxMs = ms;
    let bucket = 0;
    while (bucket < MAILBOX_BUCKETS_MS.length && ms > MAILBOX_BUCKETS_MS[bucket]) bucket++;
    this.buckets[bucket]++;
  }

  snapshot(): DurationSnapshot {
    return { sumMs: this.sumMs, maxMs: this.maxMs, buckets: Array.from(this.buckets) };
  }
}
