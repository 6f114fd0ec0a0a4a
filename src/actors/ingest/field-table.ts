/** The fields of a reading: their order, their names, and finding one by the bytes of a key. */

/** Index of each field. Fields whose value is a plain number come last, so that one comparison tells them. */
export const FIELD = {
  meterId: 0,
  region: 1,
  timestamp: 2,
  readingId: 3,
  status: 4,
  userId: 5,
  metadata: 6,
  powerKw: 7,
  energyKwh: 8,
  voltage: 9,
  current: 10,
  frequency: 11,
  powerFactor: 12,
  seq: 13,
} as const;

/** Name of each field, by its index. */
export const FIELD_NAMES = Object.keys(FIELD) as readonly (keyof typeof FIELD)[];
export const FIELD_COUNT = FIELD_NAMES.length;
/** From this index on a field's value is a number and nothing else. */
export const FIRST_NUMBER_FIELD = FIELD.powerKw;
/** A key that is no field: its value is skipped. */
export const FIELD_UNKNOWN = -1;

const NAME_BYTES: readonly Uint8Array[] = FIELD_NAMES.map((name) => new TextEncoder().encode(name));
const NAME_BYTES_MAX = Math.max(...NAME_BYTES.map((name) => name.length));

/** The field named by `bytes[start, start + length)`, or FIELD_UNKNOWN. For keys that took a rare form on the wire. */
export function fieldOfName(bytes: Uint8Array, start: number, length: number): number {
  if (length > NAME_BYTES_MAX) return FIELD_UNKNOWN;
  for (let field = 0; field < FIELD_COUNT; field++) {
    const name = NAME_BYTES[field];
    if (name.length !== length) continue;
    let k = 0;
    while (k < length && bytes[start + k] === name[k]) k++;
    if (k === length) return field;
  }
  return FIELD_UNKNOWN;
}

const WORDS_PER_KEY = 3;
/** Slots of the table that maps a key's first word to a field; four for each field, so that a multiplier without collisions is soon found. */
const SLOT_BITS = 6;
const NO_FIELD = 255;

/**
 * Finds a field from the way its key stands on the wire, by comparing three words of four bytes. Every key, with its closing
 * quote (JSON) or its length byte (MessagePack), fits: the longest, `powerFactor`, takes exactly twelve bytes.
 */
export class WireKeys {
  /** Bytes each field's key takes on the wire, by field. */
  readonly wireBytes: Uint8Array;
  private readonly words = new Int32Array(FIELD_COUNT * WORDS_PER_KEY);
  private readonly masks = new Int32Array(FIELD_COUNT * WORDS_PER_KEY);
  private readonly slots = new Uint8Array(1 << SLOT_BITS).fill(NO_FIELD);
  /** The other field whose key starts with the same word, by field. */
  private readonly sibling = new Uint8Array(FIELD_COUNT).fill(NO_FIELD);
  private readonly multiplier: number;

  /** `spell` gives the bytes of a field's key on the wire, at most twelve. */
  constructor(spell: (name: Uint8Array) => readonly number[]) {
    this.wireBytes = new Uint8Array(FIELD_COUNT);
    for (let field = 0; field < FIELD_COUNT; field++) {
      const wire = spell(NAME_BYTES[field]);
      if (wire.length < 4 || wire.length > WORDS_PER_KEY * 4) throw new Error(`key of ${FIELD_NAMES[field]} takes ${wire.length} bytes, the table holds 4 to 12`);
      this.wireBytes[field] = wire.length;
      for (let i = 0; i < wire.length; i++) {
        const word = field * WORDS_PER_KEY + (i >> 2);
        this.words[word] |= wire[i] << (8 * (i & 3));
        this.masks[word] |= 0xff << (8 * (i & 3));
      }
    }
    const leaders = this.linkSiblings();
    this.multiplier = this.findMultiplier(leaders);
    for (const field of leaders) this.slots[this.slotOf(this.words[field * WORDS_PER_KEY], this.multiplier)] = field;
  }

  /** True when the key of `field` starts at `at`. Reads twelve bytes from there: the view is padded. */
  isAt(view: DataView, at: number, field: number): boolean {
    const w = field * WORDS_PER_KEY;
    const words = this.words;
    const masks = this.masks;
    return (
      view.getInt32(at, true) === words[w] &&
      ((view.getInt32(at + 4, true) ^ words[w + 1]) & masks[w + 1]) === 0 &&
      ((view.getInt32(at + 8, true) ^ words[w + 2]) & masks[w + 2]) === 0
    );
  }

  /** The field whose key starts at `at`, or FIELD_UNKNOWN; reads as `isAt` does. */
  match(view: DataView, at: number): number {
    let field = this.slots[this.slotOf(view.getInt32(at, true), this.multiplier)];
    while (field !== NO_FIELD) {
      if (this.isAt(view, at, field)) return field;
      field = this.sibling[field];
    }
    return FIELD_UNKNOWN;
  }

  private slotOf(word: number, multiplier: number): number {
    return Math.imul(word, multiplier) >>> (32 - SLOT_BITS);
  }

  /** Chains fields that share their first word; returns the first of each chain. */
  private linkSiblings(): number[] {
    const leaders: number[] = [];
    for (let field = 0; field < FIELD_COUNT; field++) {
      let at = leaders.find((leader) => this.words[leader * WORDS_PER_KEY] === this.words[field * WORDS_PER_KEY]);
      if (at === undefined) {
        leaders.push(field);
        continue;
      }
      while (this.sibling[at] !== NO_FIELD) at = this.sibling[at];
      this.sibling[at] = field;
    }
    return leaders;
  }

  private findMultiplier(leaders: readonly number[]): number {
    // Odd multipliers from the golden ratio on; one in ten or so separates fourteen words in sixty-four slots.
    for (let candidate = 0x9e3779b1, tries = 0; tries < 10_000; candidate = (candidate + 0x3c6ef372) | 0, tries++) {
      const taken = new Set(leaders.map((field) => this.slotOf(this.words[field * WORDS_PER_KEY], candidate)));
      if (taken.size === leaders.length) return candidate;
    }
    throw new Error('no multiplier separates the keys of a reading; raise SLOT_BITS');
  }
}

/**
 * Remembers which field came after which, since all readings of a sender have their keys in one order. A right guess spares the search, and
 * lets the processor run ahead of the key's bytes.
 */
export class KeyOrder {
  private readonly after = new Uint8Array(FIELD_COUNT + 1);

  /** The field that came after `previous` the last time; `previous` may be FIELD_UNKNOWN: the start of a reading, or a key that is no field. */
  guess(previous: number): number {
    return this.after[previous + 1];
  }

  learn(previous: number, field: number): void {
    this.after[previous + 1] = field;
  }
}
