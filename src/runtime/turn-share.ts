import type { Clock } from './clock.ts';

export interface TurnShareDeps {
  clock: Pick<Clock, 'monotonic'>;
  /** Calls back in a later turn of the event loop, after its timers and ports had theirs: setImmediate. */
  nextTurn(run: () => void): void;
}

/**
 * A share of each turn of the event loop. A port hands out all it has in one turn, so a few hundred questions of 50 ms each would hold timers, heartbeats and
 * other ports up for many seconds. Jobs run at once while this turn's share lasts, the others in the turns that follow, in order.
 *
 * Whoever gives the jobs bounds their number.
 */
export class TurnShare {
  private readonly msMax: number;
  private readonly deps: TurnShareDeps;
  private readonly waiting: (() => void)[] = [];
  private spentMs = 0;
  private turnEndAsked = false;
  private isRunning = false;

  /** `msMax`: no job begins in a turn that has spent this much; at least one runs in each. */
  constructor(msMax: number, deps: TurnShareDeps) {
    this.msMax = msMax;
    this.deps = deps;
  }

  /** A job must not throw: the next ones would be lost with it. One that a job gives waits until that has ended and been counted. */
  run(job: () => void): void {
    if (this.isRunning || this.waiting.length > 0 || this.spentMs >= this.msMax) this.waiting.push(job);
    else this.runNow(job);
  }

  private runNow(job: () => void): void {
    const { clock, nextTurn } = this.deps;
    if (!this.turnEndAsked) {
      this.turnEndAsked = true;
      nextTurn(() => this.turn());
    }
    const startedMs = clock.monotonic();
    this.isRunning = true;
    job();
    this.isRunning = false;
    this.spentMs += clock.monotonic() - startedMs;
  }

  private turn(): void {
    this.turnEndAsked = false;
    this.spentMs = 0;
    while (this.waiting.length > 0 && this.spentMs < this.msMax) this.runNow(this.waiting.shift()!);
  }
}
