import type { MeterWatch } from './live-meter-watch.ts';
import type { LiveSource } from './live-source.ts';

/** Asks about the meters that somebody watches, all of them in turn. */

/** Meters asked about at once. Each is up to two questions to a shard, which holds 256 unanswered, and others ask as well. */
const ASKED_AT_ONCE_MAX = 32;
/** Meters asked about in a round, so that ten thousand watched ones cost the shards no more than a thousand do; each is then asked about every tenth round. */
const ASKED_PER_ROUND_MAX = 1_000;

export class MeterRounds {
  readonly #source: LiveSource;
  /** In the order in which they were asked about. */
  readonly #watches = new Set<MeterWatch>();
  /** Still to be asked about in this round. */
  readonly #due = new Set<MeterWatch>();
  #asked = 0;

  constructor(source: LiveSource) {
    this.#source = source;
  }

  /** Asks about it as soon as there is room. */
  add(watch: MeterWatch): void {
    this.#watches.add(watch);
    this.#due.add(watch);
    this.#ask();
  }

  remove(watch: MeterWatch): void {
    watch.close();
    this.#watches.delete(watch);
    this.#due.delete(watch);
  }

  /** Begins a round; what is left of the one before goes first. */
  round(): void {
    for (const watch of this.#watches) {
      if (this.#due.size >= ASKED_PER_ROUND_MAX) break;
      this.#due.add(watch);
    }
    this.#ask();
  }

  #ask(): void {
    for (const watch of this.#due) {
      if (this.#asked >= ASKED_AT_ONCE_MAX) return;
      this.#due.delete(watch);
      // Last in line from now on; while it is asked about it is in none.
      this.#watches.delete(watch);
      this.#asked++;
      void watch.ask(this.#source).then(() => {
        this.#asked--;
        if (!watch.isClosed) this.#watches.add(watch);
        this.#ask();
      });
    }
  }
}
