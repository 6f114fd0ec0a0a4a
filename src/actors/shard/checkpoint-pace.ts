/**
 * How fast checkpoints go, and how far they may fall behind. What was counted and is not written costs log, which a restart replays, and memory: closed windows and samples.
 * So pages are written in proportion to the work that was taken in: a round over all dirty pages takes the interval, or so much log, whichever is sooner. Whatever the
 * rate, there is no more to write than of one round, and when a load ends there is no debt that the next readings would have to wait for: the round goes on at its pace, so that
 * each page is written within two intervals, on which the readingIds that the log keeps rest (checkpoint-steps.ts). A disk that cannot follow
 * fills the bound, and past it the shard takes nothing.
 */

export interface PaceOptions {
  /** Every dirty page is written about once in this time, ms. */
  intervalMs: number;
  /** Log that pages which are not written may still need, bytes; past it nothing is taken. */
  journalBytesMax: number;
}

/** What was counted and is not written. */
export interface Unwritten {
  /** Log from the first record on that some page needs. */
  logBytes: number;
  /** Closed windows, and samples of open ones. */
  memoryBytes: number;
  meters: number;
}

/** The second round begins before the log of the first may go, so two of them fit into the log. */
const ROUNDS_IN_JOURNAL = 2;
/** Time that counts for one step, ms: steps are closer together unless there was nothing to write, and pages that were clean are not late. */
const SPAN_MS_MAX = 1_000;
/** From this part of a bound on, a step follows the other: there is a disk that is slow, or a shard that was busy for long. */
const HURRY_SHARE = 0.75;
/** Unwritten memory, in all: what few meters need that send very often. */
export const UNWRITTEN_BYTES = 64 * 1024 * 1024;
/** … and of each meter: the samples of two open minutes and a closed window of each kind, at a reading a second. */
export const UNWRITTEN_BYTES_PER_METER = 1_024;

/** How much of a bound is used: 1 or more is full. */
export function fillOf({ logBytes, memoryBytes, meters }: Unwritten, { journalBytesMax }: PaceOptions): number {
  const ofLog = logBytes === 0 ? 0 : logBytes / journalBytesMax;
  return Math.max(ofLog, memoryBytes / (UNWRITTEN_BYTES + meters * UNWRITTEN_BYTES_PER_METER));
}

export class CheckpointPace {
  private readonly options: PaceOptions;
  /** Since the last step: when it was, on the monotonic clock, and the log that came. */
  private sinceMs: number;
  private logBytes = 0;
  /** The round under way: the most pages that were dirty in it, and when it is over. */
  private roundPages = 0;
  private roundEndsMs = -Infinity;

  constructor(options: PaceOptions, nowMs: number) {
    this.options = options;
    this.sinceMs = nowMs;
  }

  /** So much was appended to the log. */
  took(bytes: number): void {
    this.logBytes += bytes;
  }

  /** Pages that the step at hand has to write, of so many dirty ones. */
  pagesDue(dirtyPages: number, fill: number, nowMs: number): number {
    const { intervalMs, journalBytesMax } = this.options;
    const ofTime = Math.min(nowMs - this.sinceMs, SPAN_MS_MAX) / intervalMs;
    const ofLog = this.logBytes === 0 ? 0 : (this.logBytes * ROUNDS_IN_JOURNAL) / journalBytesMax;
    this.sinceMs = nowMs;
    this.logBytes = 0;
    if (dirtyPages > this.roundPages || nowMs >= this.roundEndsMs) {
      this.roundPages = dirtyPages;
      this.roundEndsMs = nowMs + intervalMs;
    }
    return fill >= HURRY_SHARE ? dirtyPages : Math.min(dirtyPages, Math.ceil(this.roundPages * Math.max(ofTime, ofLog)));
  }
}
