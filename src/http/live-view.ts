import type { ItemFilter } from './live-access.ts';
import type { ChannelShare, LiveChannel } from './live-channel.ts';
import type { LiveItem } from './live-changes.ts';
import type { ChannelName } from './live-names.ts';

/** Readers that are behind at different places; a catch-up is made anew past this. */
const CATCH_UPS_MAX = 256;

/** A message as it goes out, and the seq that a reader is at with it. */
export interface NumberedMessage {
  bytes: Uint8Array;
  seq: number;
}

/** What those read of a channel who may read the same of it: each message is made once, however many get it. */
export class LiveView implements ChannelShare {
  readonly name: ChannelName;
  readonly channel: LiveChannel;
  readonly filter: ItemFilter;
  readers = 0;
  /** The newest seq that brought something that passes, and the one before; a view that is new does not know. */
  #relevantSeq: number;
  #relevantBefore: number;
  /** By the seq that they go on from. Of the channel's present seq, as the snapshot is. */
  readonly #updates = new Map<number, NumberedMessage | null>();
  #snapshot: NumberedMessage | null = null;
  #textsSeq: number;

  constructor(name: ChannelName, channel: LiveChannel, filter: ItemFilter) {
    this.name = name;
    this.channel = channel;
    this.filter = filter;
    this.#relevantSeq = this.#relevantBefore = this.#textsSeq = channel.seq;
    channel.shares.add(this);
  }

  advanced(items: readonly LiveItem[] | null): void {
    if (items !== null && !items.some(({ subject }) => this.filter.passes(subject))) return;
    this.#relevantBefore = this.#relevantSeq;
    this.#relevantSeq = this.channel.seq;
  }

  /** Whether a reader at `seq` has everything. */
  isCurrent(seq: number): boolean {
    return seq >= this.#relevantSeq && seq <= this.channel.seq;
  }

  snapshot(): NumberedMessage {
    this.#refresh();
    const { seq, feed } = this.channel;
    return (this.#snapshot ??= { seq, bytes: this.#bytes('snapshot', null, JSON.stringify(feed.snapshot(this.filter))) });
  }

  /** What brings a reader from `seq` on; a snapshot where changes are not known that far back, or are longer; null where nothing that passes has changed. */
  messageAfter(seq: number): NumberedMessage | null {
    if (this.isCurrent(seq)) return null;
    if (!this.channel.covers(seq)) return this.snapshot();
    this.#refresh();
    // Between the last two changes that pass all readers are at the same place, whatever number they heard of.
    const after = seq >= this.#relevantBefore && seq < this.#relevantSeq ? this.#relevantBefore : seq;
    let message = this.#updates.get(after);
    if (message === undefined) {
      message = this.#update(after);
      if (this.#updates.size < CATCH_UPS_MAX) this.#updates.set(after, message);
    }
    return message;
  }

  /** For a reader at `seq` that asked to go on and has missed nothing: tells it so. */
  nothingAfter(seq: number): NumberedMessage {
    const { lists } = this.channel.feed;
    if (lists === null) return this.snapshot();
    return { seq: this.channel.seq, bytes: this.#bytes('update', seq, `{${lists.map((list) => `"${list}":[]`).join()}}`) };
  }

  close(): void {
    this.channel.shares.delete(this);
  }

  #update(after: number): NumberedMessage | null {
    const changes = this.channel.changesSince(after, this.filter);
    if (changes === null) return this.snapshot();
    return changes.isEmpty ? null : { seq: this.channel.seq, bytes: this.#bytes('update', after, changes.text) };
  }

  /** Texts are of one seq. */
  #refresh(): void {
    if (this.#textsSeq === this.channel.seq) return;
    this.#textsSeq = this.channel.seq;
    this.#updates.clear();
    this.#snapshot = null;
  }

  /** As bytes, because each socket would encode a text anew. */
  #bytes(type: 'snapshot' | 'update', after: number | null, data: string): Uint8Array {
    const { name, channel, filter } = this;
    const head = JSON.stringify({ type, channel: name, seq: channel.seq, after: after ?? undefined, scope: type === 'snapshot' ? (filter.scope ?? undefined) : undefined });
    return Buffer.from(`${head.slice(0, -1)},"data":${data}}`);
  }
}
