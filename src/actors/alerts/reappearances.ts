import type { RaisedSignal } from './signal.ts';

/** What is said to be over and then, of the same beginning, to go on, is mostly said again by somebody who reads the past anew, and is taken back within seconds. When it is not, it is so, ms. */
export const REAPPEARED_AFTER_MS = 60_000;
/** As many as alerts may stand; what comes beyond is said again some day, or is not so. */
const WAITING_MAX = 120_000;

/** Signals that an alert of the history goes on, by fingerprint. In memory alone: after a restart they are said again. */
export class Reappearances {
  /** In order of sinceMs. */
  private readonly waiting = new Map<string, { signal: RaisedSignal; sinceMs: number }>();

  saw(fingerprint: string, signal: RaisedSignal, nowMs: number): void {
    const known = this.waiting.get(fingerprint);
    if (known !== undefined) known.signal = signal;
    else if (this.waiting.size < WAITING_MAX) this.waiting.set(fingerprint, { signal, sinceMs: nowMs });
  }

  forget(fingerprint: string): void {
    this.waiting.delete(fingerprint);
  }

  nextDueMs(): number {
    for (const { sinceMs } of this.waiting.values()) return sinceMs + REAPPEARED_AFTER_MS;
    return Infinity;
  }

  /** Takes those that have been waiting for long enough. */
  *due(nowMs: number): Generator<{ fingerprint: string; signal: RaisedSignal }> {
    for (const [fingerprint, { signal, sinceMs }] of this.waiting) {
      if (sinceMs + REAPPEARED_AFTER_MS > nowMs) return;
      this.waiting.delete(fingerprint);
      yield { fingerprint, signal };
    }
  }

  /** The clock went back. */
  backTo(nowMs: number): void {
    for (const entry of this.waiting.values()) entry.sinceMs = Math.min(entry.sinceMs, nowMs);
  }
}
