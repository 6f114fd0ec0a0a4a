import type { SharedClock, TimerHandle, Timers } from './clock.ts';
import { invariant } from './errors.ts';

/** Time that stands still until a test or the simulator moves it; equal calls give equal runs. */
export class VirtualTime implements SharedClock, Timers {
  private elapsedMs = 0;
  private readonly startMs: number;
  /** In order of due time, then of setting: a later entry never runs before an earlier one. */
  private readonly pending: PendingTimer[] = [];

  /** `startMs`: what `now()` says before the first advance, epoch milliseconds. */
  constructor(startMs = 0) {
    this.startMs = startMs;
  }

  /** Whole, as those of a system's clock are. */
  now(): number {
    return Math.floor(this.startMs + this.elapsedMs);
  }

  monotonic(): number {
    return this.elapsedMs;
  }

  sharedMonotonic(): number {
    return this.elapsedMs;
  }

  after(delayMs: number, fn: () => void): TimerHandle {
    return this.add({ dueMs: this.elapsedMs + Math.max(0, delayMs), intervalMs: 0, fn });
  }

  every(intervalMs: number, fn: () => void): TimerHandle {
    invariant(intervalMs > 0, `an interval of ${intervalMs} ms would hold virtual time for ever`);
    return this.add({ dueMs: this.elapsedMs + intervalMs, intervalMs, fn });
  }

  /** Timers that are set and have not run; intervals count once. */
  get timersPending(): number {
    return this.pending.length;
  }

  /** Moves time on by `ms` and runs what falls due, in order, each at its own time; also what those timers set in turn. */
  advance(ms: number): void {
    const endMs = this.elapsedMs + ms;
    while (this.runNext(endMs));
    this.elapsedMs = endMs;
  }

  /** As `advance`, and lets promises settle before it starts and after each timer. */
  async advanceSettled(ms: number): Promise<void> {
    const endMs = this.elapsedMs + ms;
    await settled();
    while (this.runNext(endMs)) await settled();
    this.elapsedMs = endMs;
  }

  private runNext(endMs: number): boolean {
    const timer = this.pending[0];
    if (timer === undefined || timer.dueMs > endMs) return false;
    this.pending.shift();
    this.elapsedMs = timer.dueMs;
    if (timer.intervalMs > 0) {
      timer.dueMs += timer.intervalMs;
      this.insert(timer);
    }
    timer.fn();
    return true;
  }

  private add(timer: PendingTimer): TimerHandle {
    this.insert(timer);
    return {
      cancel: () => {
        const index = this.pending.indexOf(timer);
        if (index >= 0) this.pending.splice(index, 1);
      },
    };
  }

  private insert(timer: PendingTimer): void {
    let low = 0;
    let high = this.pending.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.pending[middle].dueMs <= timer.dueMs) low = middle + 1;
      else high = middle;
    }
    this.pending.splice(low, 0, timer);
  }
}

interface PendingTimer {
  dueMs: number;
  /** 0: runs once. */
  intervalMs: number;
  fn: () => void;
}

/** An immediate runs only after every promise reaction that is ready, however long their chain. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
