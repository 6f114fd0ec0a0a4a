import { setImmediate as turn } from 'node:timers/promises';
import { systemTimers, type TimerHandle, type Timers } from '../../src/runtime/clock.ts';

/** Turns of the event loop in which what was written to this machine's own ports arrives and is looked at. */
const TURNS = 10;

/**
 * Timers of what waits for others: deadlines pass when a test says so, and not because the machine was busy. Those that nobody lets pass come when they are due; with a clock of tests they would never, and a
 * test that waits in vain would say nothing.
 */
export class Deadlines implements Timers {
  private readonly due = new Set<() => void>();

  after(delayMs: number, fn: () => void): TimerHandle {
    const timer = systemTimers.after(delayMs, () => pass());
    const cancel = (): void => {
      timer.cancel();
      this.due.delete(pass);
    };
    const pass = (): void => {
      cancel();
      fn();
    };
    this.due.add(pass);
    return { cancel };
  }

  every(intervalMs: number, fn: () => void): TimerHandle {
    return systemTimers.every(intervalMs, fn);
  }

  /** Lets all of them pass once whoever is waited for `isSilent`, and gives what `waiting` comes to. */
  async passOnce<T>(isSilent: () => boolean, waiting: Promise<T>): Promise<T> {
    let isOver = false;
    const over = (): void => void (isOver = true);
    waiting.then(over, over);
    while (!isSilent() && !isOver) await turn();
    for (let i = 0; i < TURNS; i++) await turn();
    for (const pass of [...this.due]) pass();
    return waiting;
  }
}
