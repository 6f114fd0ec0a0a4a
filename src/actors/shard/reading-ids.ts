/**
 * readingIds seen lately: the same id from the same meter within 5 min is a duplicate even under another timestamp.
 *
 * A set-associative table: an id's hash names a bucket of 4 entries, one cache line, and a new entry takes the place of the bucket's
 * oldest. So a look-up and an insertion touch one line of memory, and nothing is ever rehashed: a table that grew stopped its shard for
 * 40 ms (measured). Entries are the meter's row and the id's 64-bit hash: a false match needs a collision within one meter's last minutes
 * (1 in 10^17). Under more load than the table is made for the memory of ids gets shorter than 5 min, never the memory of
 * readings, whose natural key has its own index.
 */
export const READING_ID_TTL_MS = 5 * 60_000;

const ENTRIES_PER_BUCKET = 4;
/** row + 1 (0 = empty), both halves of the hash, second of arrival. */
const WORDS_PER_ENTRY = 4;
const WORDS_PER_BUCKET = ENTRIES_PER_BUCKET * WORDS_PER_ENTRY;
/** 16 MiB, of which a small fleet never touches most: a million ids, 5 min of 3,500 readings/s on one shard. */
export const READING_ID_BUCKETS = 2 ** 18;
const TTL_SECONDS = READING_ID_TTL_MS / 1000;

export class ReadingIds {
  private readonly words: Uint32Array;
  /** A bucket is the top bits of the scrambled hash. */
  private readonly shift: number;

  /** `buckets`: a power of two. */
  constructor(buckets: number = READING_ID_BUCKETS) {
    this.words = new Uint32Array(buckets * WORDS_PER_BUCKET);
    this.shift = 32 - Math.log2(buckets);
  }

  /** True when the meter at `row` sent this id within the last 5 min. */
  seen(row: number, low: number, high: number, nowMs: number): boolean {
    const words = this.words;
    const bucket = this.bucketOf(row, low);
    const end = bucket + WORDS_PER_BUCKET;
    for (let at = bucket; at < end; at += WORDS_PER_ENTRY) {
      if (words[at] === row + 1 && words[at + 1] === low && words[at + 2] === high) return secondOf(nowMs) - words[at + 3] <= TTL_SECONDS;
    }
    return false;
  }

  /** Reads the memory of the id's bucket, which may lie across two lines. The number means nothing. */
  peek(row: number, low: number): number {
    const bucket = this.bucketOf(row, low);
    return this.words[bucket] ^ this.words[bucket + WORDS_PER_BUCKET - 1];
  }

  /** Remembers the id of an accepted reading. */
  add(row: number, low: number, high: number, nowMs: number): void {
    const words = this.words;
    const place = this.placeOf(row, low, high);
    words[place] = row + 1;
    words[place + 1] = low;
    words[place + 2] = high;
    words[place + 3] = secondOf(nowMs);
  }

  /** Calls with every id that is remembered; `second` is that of its arrival. */
  forEach(visit: (row: number, low: number, high: number, second: number) => void): void {
    const { words } = this;
    for (let at = 0; at < words.length; at += WORDS_PER_ENTRY) {
      if (words[at] !== 0) visit(words[at] - 1, words[at + 1], words[at + 2], words[at + 3]);
    }
  }

  private bucketOf(row: number, low: number): number {
    return (Math.imul(low ^ Math.imul(row + 1, 0x85ebca6b), 0x9e3779b1) >>> this.shift) * WORDS_PER_BUCKET;
  }

  /** Where the entry is, or the place of the bucket's oldest. */
  private placeOf(row: number, low: number, high: number): number {
    const words = this.words;
    const bucket = this.bucketOf(row, low);
    const end = bucket + WORDS_PER_BUCKET;
    let oldest = bucket;
    for (let at = bucket; at < end; at += WORDS_PER_ENTRY) {
      if (words[at] === row + 1 && words[at + 1] === low && words[at + 2] === high) return at;
      if (words[at + 3] < words[oldest + 3]) oldest = at;
    }
    return oldest;
  }
}

/** Seconds since 1970: 32 bits until 2106. */
function secondOf(nowMs: number): number {
  return Math.floor(nowMs / 1000);
}
