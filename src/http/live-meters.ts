import type { MeterId } from '../model/ids.ts';
import { LiveChannel, type ChannelFeed } from './live-channel.ts';
import { MeterRounds } from './live-meter-rounds.ts';
import { MeterWatch, type MeterWatchOutcome } from './live-meter-watch.ts';
import type { LiveReader } from './live-reader.ts';
import type { LiveSource } from './live-source.ts';

/** Meters that somebody watches, and who does. Of those who have one since a day each day is a watch of its own. */

export interface LiveMetersModules {
  source: LiveSource;
  makeChannel(feed: ChannelFeed): LiveChannel;
  /** Its channel has something new, or is there now. */
  changed(watch: MeterWatch, readers: ReadonlySet<LiveReader>): void;
  unknown(watch: MeterWatch, readers: ReadonlySet<LiveReader>): void;
  unavailable(watch: MeterWatch, readers: ReadonlySet<LiveReader>, reason: string): void;
}

interface Watched {
  watch: MeterWatch;
  readers: Set<LiveReader>;
}

export class LiveMeters {
  readonly #watchedMax: number;
  readonly #modules: LiveMetersModules;
  readonly #rounds: MeterRounds;
  readonly #watched = new Map<string, Watched>();

  constructor(watchedMax: number, modules: LiveMetersModules) {
    this.#watchedMax = watchedMax;
    this.#modules = modules;
    this.#rounds = new MeterRounds(modules.source);
  }

  get size(): number {
    return this.#watched.size;
  }

  /** null: too many are watched already. */
  join(meterId: MeterId, since: number | null, reader: LiveReader): MeterWatch | null {
    const key = keyOf(meterId, since);
    let watched = this.#watched.get(key);
    if (watched === undefined) {
      if (this.#watched.size >= this.#watchedMax) return null;
      watched = { watch: new MeterWatch(meterId, since, this.#modules.makeChannel, (watch, outcome) => this.#answered(watch, outcome)), readers: new Set() };
      this.#watched.set(key, watched);
      this.#rounds.add(watched.watch);
    }
    watched.readers.add(reader);
    return watched.watch;
  }

  /** Lets go of a meter that nobody watches any more. */
  leave(meterId: MeterId, since: number | null, reader: LiveReader): void {
    const key = keyOf(meterId, since);
    const { watch, readers } = this.#watched.get(key)!;
    readers.delete(reader);
    if (readers.size > 0) return;
    this.#rounds.remove(watch);
    this.#watched.delete(key);
  }

  watchOf(meterId: MeterId, since: number | null): MeterWatch | null {
    return this.#watched.get(keyOf(meterId, since))?.watch ?? null;
  }

  round(): void {
    this.#rounds.round();
  }

  #answered(watch: MeterWatch, outcome: MeterWatchOutcome): void {
    const { readers } = this.#watched.get(keyOf(watch.meterId, watch.since))!;
    if (outcome === 'changed') this.#modules.changed(watch, readers);
    else if (outcome === 'unknown_meter') this.#modules.unknown(watch, readers);
    else this.#modules.unavailable(watch, readers, outcome.unavailable);
  }
}

function keyOf(meterId: MeterId, since: number | null): string {
  return `${meterId} ${since ?? ''}`;
}
