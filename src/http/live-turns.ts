import type { Clock, TimerHandle, Timers } from '../runtime/clock.ts';

/** When changes are numbered and handed out: soon after the first of them, to each reader not too often, and never so long at a time that others on the thread wait. */

/** How long readers are served at a stretch: requests of the API wait behind it. */
const SLICE_MS = 4;
/** Readers between two looks at the clock. */
const READERS_PER_LOOK = 16;
/** Changes of so many ms get one number while readers are served: with each, messages are made anew. */
const NUMBERING_MS = 25;

/** What serving takes from whoever runs it. */
export interface SliceTime {
  clock: Clock;
  /** Calls back in a later turn of the event loop, after its sockets and timers had theirs: setImmediate. */
  nextTurn: (fn: () => void) => void;
}

export interface TurnModules<Reader> extends SliceTime {
  timers: Timers;
  /** From one round of readers to the next while changes do not end, ms. After a quiet time two may follow on each other: what changes during the first, which is often, need not wait. */
  turnMs: number;
  /** Numbers what changed; false when nothing did. */
  advance(): boolean;
  /** All of them, also those that come and go meanwhile. */
  readers(): Iterable<Reader>;
  serve(reader: Reader): void;
}

/**
 * Readers are served in rounds, each with the newest there is when it is its turn. What changes during a round gets its number at once: those whose turn is still to come have it in this round, those before them in the next, which
 * begins when this one is over. So nobody waits for longer than a round, however many there are and whenever it changed, and where changes do not end no longer than `turnMs` or a round.
 */
export class LiveTurns<Reader> {
  readonly #modules: TurnModules<Reader>;
  #timer: TimerHandle | null = null;
  #isRound = false;
  /** Changed and without a number. */
  #isPending = false;
  /** Of what was numbered since the round began those before did not hear. */
  #isOwed = false;
  #isClosed = false;
  /** When the rounds so far would have been over at one in `turnMs`. */
  #paidMs = -Infinity;
  #numberedMs = -Infinity;

  constructor(modules: TurnModules<Reader>) {
    this.#modules = modules;
  }

  /** Something changed. */
  pending(): void {
    if (this.#isPending || this.#isClosed) return;
    this.#isPending = true;
    // A round that is owed is waited for already.
    if (!this.#isRound && !this.#isOwed) this.#wait();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  /** Not at once, so that what changes in the same moment goes out together. */
  #wait(): void {
    if (this.#isClosed) return;
    const { clock, timers, turnMs } = this.#modules;
    this.#timer = timers.after(Math.max(0, this.#paidMs - turnMs - clock.monotonic()), () => this.#round());
  }

  #round(): void {
    const { clock, turnMs, readers, serve } = this.#modules;
    const nowMs = clock.monotonic();
    this.#paidMs = Math.max(nowMs, this.#paidMs) + turnMs;
    const hasChanged = this.#isPending && this.#number(nowMs);
    if (!hasChanged && !this.#isOwed) return;
    this.#isRound = true;
    this.#isOwed = false;
    serveInSlices(this.#modules, readers()[Symbol.iterator](), serve, { between: () => this.#numberMeanwhile(), ended: () => this.#ended() });
  }

  #numberMeanwhile(): void {
    const nowMs = this.#modules.clock.monotonic();
    if (this.#isPending && nowMs - this.#numberedMs >= NUMBERING_MS && this.#number(nowMs)) this.#isOwed = true;
  }

  #number(nowMs: number): boolean {
    this.#isPending = false;
    this.#numberedMs = nowMs;
    return this.#modules.advance();
  }

  #ended(): void {
    this.#isRound = false;
    if (this.#isPending || this.#isOwed) this.#wait();
  }
}

/** Serves one after the other, with pauses in which others on the thread have their turn; `between` runs after each pause. */
export function serveInSlices<Reader>(time: SliceTime, readers: Iterator<Reader>, serve: (reader: Reader) => void, { between, ended }: { between?: () => void; ended?: () => void } = {}): void {
  const { clock, nextTurn } = time;
  const untilMs = clock.monotonic() + SLICE_MS;
  do {
    for (let i = 0; i < READERS_PER_LOOK; i++) {
      const { value, done } = readers.next();
      if (done === true) {
        ended?.();
        return;
      }
      serve(value);
    }
  } while (clock.monotonic() < untilMs);
  nextTurn(() => {
    between?.();
    serveInSlices(time, readers, serve, { between, ended });
  });
}
