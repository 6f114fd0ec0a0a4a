/**
 * readingIds seen lately: the same id from the same meter within 5 min is a duplicate even under another timestamp.
 *
 * A set-associative table: an id's hash names a bucket of 4 entries, one cache line, and a new entry takes the place of the bucket's
 * oldest. So a look-up and an insertion touch one line of memory, and nothing is rehashed under load but for growing. Entries are the
 * meter's row and the id's 64-bit hash: a false match needs a collision within one meter's last minutes (1 in 10^17). When entries
 * younger than 5 min have to give way the table grows, up to its bound; past it the memory of ids gets shorter, never the
 * memory of readings, whose natural key has its own index.
 */
export const READING_ID_TTL_MS = 5 * 60_000;

const ENTRIES_PER_BUCKET = 4;
/** row + 1 (0 = empty), both halves of the hash, second of arrival. */
const WORDS_PER_ENTRY = 4;
const WORDS_PER_BUCKET = ENTRIES_PER_BUCKET * WORDS_PER_ENTRY;
const BUCKETS_MIN = 2 ** 12;
/** 16 MiB: a million ids, 5 min of 3,500 readings/s on one shard. */
export const READING_ID_BUCKETS_MAX = 2 ** 18;
const TTL_SECONDS = READING_ID_TTL_MS / 1000;
/** Up to this size (4 MiB) the table grows as soon as one young id has to give way, so that a small fleet's memory is exact; */
const EXACT_BUCKETS_MAX = 2 ** 16;
/** beyond it when this share of its entries had to: some buckets are always unlucky. */
const CROWDED_SHARE = 1 / 256;

export class ReadingIds {
  private words = new Uint32Array(BUCKETS_MIN * WORDS_PER_BUCKET);
  /** A bucket is the top bits of the scrambled hash. */
  private shift = 32 - Math.log2(BUCKETS_MIN);
  private crowded = 0;

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

  /** Remembers the id of an accepted reading. */
  add(row: number, low: number, high: number, nowMs: number): void {
    const second = secondOf(nowMs);
    const place = this.placeOf(row, low, high);
    const words = this.words;
    const isTaken = words[place] !== 0 && !(words[place] === row + 1 && words[place + 1] === low && words[place + 2] === high);
    if (isTaken && second - words[place + 3] <= TTL_SECONDS && this.makeRoom()) {
      this.add(row, low, high, nowMs);
      return;
    }
    words[place] = row + 1;
    words[place + 1] = low;
    words[place + 2] = high;
    words[place + 3] = second;
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

  /** A young id would have to give way. True when the table grew instead. */
  private makeRoom(): boolean {
    const buckets = this.words.length / WORDS_PER_BUCKET;
    if (buckets >= READING_ID_BUCKETS_MAX) return false;
    this.crowded++;
    if (buckets >= EXACT_BUCKETS_MAX && this.crowded <= buckets * ENTRIES_PER_BUCKET * CROWDED_SHARE) return false;
    const old = this.words;
    this.words = new Uint32Array(old.length * 2);
    this.shift--;
    this.crowded = 0;
    // A bucket's entries part over two, so none has to give way.
    for (let at = 0; at < old.length; at += WORDS_PER_ENTRY) {
      if (old[at] !== 0) this.words.set(old.subarray(at, at + WORDS_PER_ENTRY), this.placeOf(old[at] - 1, old[at + 1], old[at + 2]));
    }
    return true;
  }
}

/** Seconds since 1970: 32 bits until 2106. */
function secondOf(nowMs: number): number {
  return Math.floor(nowMs / 1000);
}
