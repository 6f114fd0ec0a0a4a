import type { Clock, TimerHandle, Timers } from '../runtime/clock.ts';

/** When changes are numbered and handed out: soon after the first of them, not too often, and never so long at a time that others on the thread wait. */

/** How long readers are served at a stretch: requests of the API wait behind it. */
const SLICE_MS = 4;
/** Readers between two looks at the clock. */
const READERS_PER_LOOK = 16;

export interface TurnModules<Reader> {
  clock: Clock;
  timers: Timers;
  /** Shortest time from one turn to the next, ms. */
  turnMs: number;
  /** Numbers what changed; false when nothing did. */
  advance(): boolean;
  /** All of them, also those that come and go meanwhile. */
  readers(): Iterable<Reader>;
  serve(reader: Reader): void;
}

export class LiveTurns<Reader> {
  readonly #modules: TurnModules<Reader>;
  #timer: TimerHandle | null = null;
  #isServing = false;
  #isPending = false;
  #isClosed = false;
  #nextMs = -Infinity;

  constructor(modules: TurnModules<Reader>) {
    this.#modules = modules;
  }

  /** Something changed. */
  pending(): void {
    if (this.#isPending || this.#isClosed) return;
    this.#isPending = true;
    if (!this.#isServing) this.#wait();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  /** Not at once, so that what changes in the same moment goes out together. */
  #wait(): void {
    if (this.#isClosed) return;
    const { clock, timers } = this.#modules;
    this.#timer = timers.after(Math.max(0, this.#nextMs - clock.monotonic()), () => this.#turn());
  }

  #turn(): void {
    const { clock, turnMs, advance, readers, serve } = this.#modules;
    this.#isPending = false;
    this.#nextMs = clock.monotonic() + turnMs;
    if (!advance()) return;
    this.#isServing = true;
    serveInSlices(this.#modules, readers()[Symbol.iterator](), serve, () => {
      this.#isServing = false;
      if (this.#isPending) this.#wait();
    });
  }
}

/** Serves one after the other, with pauses in which others on the thread have their turn. */
export function serveInSlices<Reader>(time: { clock: Clock; timers: Timers }, readers: Iterator<Reader>, serve: (reader: Reader) => void, ended: () => void = () => {}): void {
  const { clock, timers } = time;
  const untilMs = clock.monotonic() + SLICE_MS;
  do {
    for (let i = 0; i < READERS_PER_LOOK; i++) {
      const { value, done } = readers.next();
      if (done === true) {
        ended();
        return;
      }
      serve(value);
    }
  } while (clock.monotonic() < untilMs);
  timers.after(0, () => serveInSlices(time, readers, serve, ended));
}
