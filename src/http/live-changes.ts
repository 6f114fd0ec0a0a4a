import type { Subject } from '../model/access.ts';

/** What changed last in a channel, the newest of each item: what a reader missed is answered from here, as long as it is known. */

/** A thing that a channel tells of. */
export interface LiveItem {
  /** Of the lists of a message's data, the one that it is in. */
  list: string;
  /** Within its list; a change replaces what was there under it. */
  key: string;
  subject: Subject;
  /** Its wire form; asked for once at most, when somebody reads it. */
  toWire(): object;
}

interface Entry {
  item: LiveItem;
  seq: number;
  text: string | null;
  isReplaced: boolean;
}

/** Entries that were replaced are swept out when they are so many times what is there. */
const REPLACED_FACTOR = 2;
const SWEEP_MIN = 64;

export class LiveChanges {
  /** Nothing is known of changes up to and including this seq. */
  floor: number;
  readonly #itemsMax: number;
  readonly #byKey = new Map<string, Entry>();
  /** In order of seq; those that were replaced since stand there until they are swept out. */
  #entries: Entry[] = [];

  constructor(itemsMax: number, floor: number) {
    this.#itemsMax = itemsMax;
    this.floor = floor;
  }

  /** `item` is as it is from `seq` on, which is not lower than any before. */
  note(item: LiveItem, seq: number): void {
    const key = `${item.list} ${item.key}`;
    const before = this.#byKey.get(key);
    if (before !== undefined) {
      before.isReplaced = true;
      this.#byKey.delete(key);
    }
    const entry: Entry = { item, seq, text: null, isReplaced: false };
    this.#byKey.set(key, entry);
    this.#entries.push(entry);
    if (this.#byKey.size > this.#itemsMax) this.#forgetOldest();
    if (this.#entries.length > SWEEP_MIN + REPLACED_FACTOR * this.#byKey.size) this.#entries = this.#entries.filter(({ isReplaced }) => !isReplaced);
  }

  /** Texts of what passes and changed after `seq`, in the order in which it last changed, by list; null when they are more than `max`. */
  textsSince(seq: number, passes: (subject: Subject) => boolean, max: number): Map<string, string[]> | null {
    const found: Entry[] = [];
    for (let i = this.#entries.length - 1; i >= 0 && this.#entries[i].seq > seq; i--) {
      const entry = this.#entries[i];
      if (entry.isReplaced || !passes(entry.item.subject)) continue;
      if (found.push(entry) > max) return null;
    }
    const texts = new Map<string, string[]>();
    for (const entry of found.reverse()) {
      const text = (entry.text ??= JSON.stringify(entry.item.toWire()));
      const list = texts.get(entry.item.list);
      if (list === undefined) texts.set(entry.item.list, [text]);
      else list.push(text);
    }
    return texts;
  }

  #forgetOldest(): void {
    const [key, oldest] = this.#byKey.entries().next().value!;
    this.#byKey.delete(key);
    oldest.isReplaced = true;
    this.floor = oldest.seq;
  }
}
