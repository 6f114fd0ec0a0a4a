import { invariant } from '../../runtime/errors.ts';

/**
 * readingIds seen lately: the same id from the same meter within 5 min is a duplicate even under another timestamp.
 *
 * A set-associative table: an id's hash names a bucket of 4 entries, one cache line, which are in order of arrival, and a new entry takes the place of the
 * first. So a bucket holds the last four that came, whatever was before them: a replay of the log's end makes the same of it. And a look-up and an insertion
 * touch one line of memory, and nothing is ever rehashed: a table that grew stopped its shard for 40 ms (measured). Entries are the hash of the meter's id and the id's 64-bit hash, mixed with a tag of the meter (meterTag): a false match needs two ids of one meter's last minutes that collide
 * (1 in 10^17), or two meters that agree in both and number their readings alike (1 in 10^7 for a million meters). Meters are not named by their rows, so that a recovery can fill
 * the table from the log alone, without looking each meter up. Under more load than the table is made for the memory of ids gets shorter than 5 min, never the memory of
 * readings, whose natural key has its own index.
 */
export const READING_ID_TTL_MS = 5 * 60_000;

const ENTRIES_PER_BUCKET = 4;
/** Hash of the meter's id, both halves of the readingId's, second of arrival (0 = empty). */
export const WORDS_PER_ENTRY = 4;
const WORDS_PER_BUCKET = ENTRIES_PER_BUCKET * WORDS_PER_ENTRY;
/** 16 MiB, of which a small fleet never touches most: a million ids, 5 min of 3,500 readings/s on one shard. */
export const READING_ID_BUCKETS = 2 ** 18;
const TTL_SECONDS = READING_ID_TTL_MS / 1000;

export class ReadingIds {
  private words: Uint32Array<ArrayBuffer>;
  /** A bucket is the top bits of the scrambled hash. */
  private readonly shift: number;
  /** Second of arrival; 0: none is. */
  private forgottenUpTo = 0;

  /** `buckets`: a power of two. */
  constructor(buckets: number = READING_ID_BUCKETS) {
    this.words = new Uint32Array(buckets * WORDS_PER_BUCKET);
    this.shift = 32 - Math.log2(buckets);
  }

  /** True when the meter sent this id within the last 5 min. `low` and `high` are those of lowOf and highOf. */
  seen(meterHash: number, low: number, high: number, nowMs: number): boolean {
    const words = this.words;
    const bucket = this.bucketOf(low);
    const end = bucket + WORDS_PER_BUCKET;
    for (let at = bucket; at < end; at += WORDS_PER_ENTRY) {
      if (words[at + 1] === low && words[at + 2] === high && words[at] === meterHash && words[at + 3] > this.forgottenUpTo) return secondOf(nowMs) - words[at + 3] <= TTL_SECONDS;
    }
    return false;
  }

  /** Reads the memory of the id's bucket, which may lie across two lines. The number means nothing. */
  peek(low: number): number {
    const bucket = this.bucketOf(low);
    return this.words[bucket] ^ this.words[bucket + WORDS_PER_BUCKET - 1];
  }

  /** Ids that came in that second or before count no more; 0: all do. */
  forget(second: number): void {
    this.forgottenUpTo = second;
  }

  /** Remembers the id of an accepted reading. */
  add(meterHash: number, low: number, high: number, nowMs: number): void {
    const words = this.words;
    const bucket = this.bucketOf(low);
    const end = bucket + WORDS_PER_BUCKET;
    const last = end - WORDS_PER_ENTRY;
    let at = bucket;
    while (at < end && !(words[at + 1] === low && words[at + 2] === high && words[at] === meterHash)) at += WORDS_PER_ENTRY;
    // A new one takes the place of the first; those behind it move up.
    if (at === end) at = bucket;
    for (; at < last; at++) words[at] = words[at + WORDS_PER_ENTRY];
    words[last] = meterHash;
    words[last + 1] = low;
    words[last + 2] = high;
    words[last + 3] = secondOf(nowMs);
  }

  /** The whole memory, to be handed to another of the same size: this one is not to be used any more. */
  give(): Uint32Array<ArrayBuffer> {
    return this.words;
  }

  /** Takes the place of everything remembered so far. */
  take(words: Uint32Array<ArrayBuffer>): void {
    invariant(words.length === this.words.length, 'memories of readingIds have one size');
    this.words = words;
  }

  /** Calls with every id that is remembered, those of a bucket in order of arrival; `second` is that of its arrival. */
  forEach(visit: (meterHash: number, low: number, high: number, second: number) => void): void {
    const { words } = this;
    for (let at = 0; at < words.length; at += WORDS_PER_ENTRY) {
      if (words[at + 3] > this.forgottenUpTo) visit(words[at], words[at + 1], words[at + 2], words[at + 3]);
    }
  }

  private bucketOf(low: number): number {
    return (Math.imul(low, 0x9e3779b1) >>> this.shift) * WORDS_PER_BUCKET;
  }
}

/** Seconds since 1970: 32 bits until 2106. */
function secondOf(nowMs: number): number {
  return Math.floor(nowMs / 1000);
}

/** A second hash of a meter's id, `bytes[start, start + length)`, beside murmur2: FNV-1a. u32. */
export function meterTag(bytes: Uint8Array, start: number, length: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < start + length; at++) hash = Math.imul(hash ^ bytes[at], 0x01000193);
  // Its low bits know little of the last characters, in which meters differ.
  hash ^= hash >>> 15;
  return Math.imul(hash, 0x2c1b3c6d) >>> 0;
}

/** The low half of a readingId's hash as a meter's. */
export function lowOf(readingIdLow: number, tag: number): number {
  return (readingIdLow ^ tag) >>> 0;
}

/** The high half. The tag comes into both, in ways that do not cancel out. */
export function highOf(readingIdHigh: number, tag: number): number {
  return (readingIdHigh ^ Math.imul(tag, 0x85ebca6b)) >>> 0;
}
