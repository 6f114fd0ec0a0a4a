import { nextEdgeOf, type Principal } from '../model/access.ts';
import type { Clock, TimerHandle, Timers } from '../runtime/clock.ts';

/** When the rights of somebody who is connected change by themselves, as a meter becomes theirs or is theirs no more. */

/** How soon a clock that was set shows: edges are looked for so often at least. */
const LOOK_MS_MAX = 60_000;

export interface RightsEdgeModules {
  clock: Clock;
  timers: Timers;
}

export class RightsEdge {
  readonly #modules: RightsEdgeModules;
  readonly #passed: () => void;
  /** Of the first of them, by the clock; Infinity: of none. */
  #nextMs = Infinity;
  #timer: TimerHandle | null = null;

  /** `passed`: one has come; whoever has more of them is to be heeded anew. */
  constructor(modules: RightsEdgeModules, passed: () => void) {
    this.#modules = modules;
    this.#passed = passed;
  }

  /** Has the rights looked at again when they change next. */
  heed(principal: Principal): void {
    const edgeMs = nextEdgeOf(principal, this.#modules.clock.now());
    if (edgeMs >= this.#nextMs) return;
    this.#nextMs = edgeMs;
    this.#look();
  }

  close(): void {
    this.#timer?.cancel();
  }

  #look(): void {
    const { clock, timers } = this.#modules;
    this.#timer?.cancel();
    this.#timer = null;
    const nowMs = clock.now();
    if (nowMs >= this.#nextMs) {
      this.#nextMs = Infinity;
      this.#passed();
      return;
    }
    this.#timer = timers.after(Math.min(this.#nextMs - nowMs, LOOK_MS_MAX), () => this.#look());
  }
}
