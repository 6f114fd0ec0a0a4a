import type { ItemFilter } from './live-access.ts';
import { LiveChanges, type LiveItem } from './live-changes.ts';
import type { Unsubscribe } from './live-source.ts';

/** Where a channel's content comes from. Data is in wire form. */
export interface ChannelFeed {
  /** Names of the lists in a message's data, in order; null: the data is one item, of list and key ''. */
  readonly lists: readonly string[] | null;
  /** Items of an update at most: with more a snapshot is shorter. */
  readonly itemsMax: number;
  snapshot(filter: ItemFilter): object;
  /** `changed` is told of each change; what it is given is not changed any more. */
  listen(changed: (item: LiveItem) => void): Unsubscribe;
}

/** Somebody's share of a channel, which hears of each number that is given. */
export interface ChannelShare {
  /** The channel has a new number, for these items; null: for more than are known. */
  advanced(items: readonly LiveItem[] | null): void;
}

/** A channel of the stream: gathers and numbers its changes, however many read it and whichever part of it. */
export class LiveChannel {
  readonly feed: ChannelFeed;
  /** What of it is read, each once. */
  readonly shares = new Set<ChannelShare>();
  readonly #changes: LiveChanges;
  readonly #changesMax: number;
  readonly #onPending: (channel: LiveChannel) => void;
  readonly #stop: Unsubscribe;
  /** Changed since the last number was given, by list and key. */
  readonly #fresh = new Map<string, LiveItem>();
  #seq: number;

  /** `firstSeq`: by chance, so that the seq of another life of the engine is not taken for one of this. `changesMax`: items whose newest change is kept. `onPending` runs when there is something to number, until `advance`. */
  constructor(feed: ChannelFeed, { firstSeq, changesMax }: { firstSeq: number; changesMax: number }, onPending: (channel: LiveChannel) => void) {
    this.feed = feed;
    this.#changesMax = changesMax;
    this.#seq = firstSeq;
    this.#changes = new LiveChanges(changesMax, firstSeq);
    this.#onPending = onPending;
    this.#stop = feed.listen((item) => this.#note(item));
  }

  get seq(): number {
    return this.#seq;
  }

  /** Numbers what changed since the last call, as one change; false when there is nothing. */
  advance(): boolean {
    if (this.#fresh.size === 0) return false;
    this.#seq++;
    const items = this.#fresh.size < this.#changesMax ? [...this.#fresh.values()] : null;
    for (const share of this.shares) share.advanced(items);
    this.#fresh.clear();
    return true;
  }

  /** Whether everything is known that changed after `seq`. */
  covers(seq: number): boolean {
    return seq >= this.#changes.floor && seq <= this.#seq;
  }

  /** JSON of what passes and changed after `seq`; null when a snapshot is shorter. What has no number yet is in it as well, and comes again with it. */
  changesSince(seq: number, filter: ItemFilter): { text: string; isEmpty: boolean } | null {
    const { lists, itemsMax } = this.feed;
    const texts = this.#changes.textsSince(seq, (subject) => filter.passes(subject), itemsMax);
    if (texts === null) return null;
    if (lists === null) return { text: texts.get('')?.[0] ?? '{}', isEmpty: texts.size === 0 };
    return { text: `{${lists.map((list) => `"${list}":[${texts.get(list)?.join() ?? ''}]`).join()}}`, isEmpty: texts.size === 0 };
  }

  close(): void {
    this.#stop();
  }

  #note(item: LiveItem): void {
    const isFirst = this.#fresh.size === 0;
    // Past the bound it may have been anything.
    if (this.#fresh.size < this.#changesMax) this.#fresh.set(`${item.list} ${item.key}`, item);
    this.#changes.note(item, this.#seq + 1);
    if (isFirst) this.#onPending(this);
  }
}
