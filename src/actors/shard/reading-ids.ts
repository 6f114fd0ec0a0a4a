/**
 * readingIds seen lately: the same id from the same meter within 5 min is a duplicate even under another timestamp. Kept as 64-bit
 * hashes next to the meter's row, so a false match needs a collision within one meter's last minutes (1 in 10^17).
 *
 * Two generations, each an open-addressing table; the older is dropped when the newer is READING_ID_TTL_MS old or full. Past
 * capacity the memory of ids gets shorter than 5 min, never the memory of readings: the natural key has its own index.
 */
export const READING_ID_TTL_MS = 5 * 60_000;

/** Entries of a generation at most: 2^21 slots (half of them used) × 16 B × 2 generations = 64 MiB for a shard under full load. */
export const READING_IDS_PER_GENERATION_MAX = 2 ** 20;
const CAPACITY_MIN = 1024;

interface Generation {
  /** 4 words each: row + 1 (0 = empty), low, high, seconds of arrival since `epochSeconds`. */
  words: Uint32Array;
  mask: number;
  count: number;
  startedMs: number;
}

export class ReadingIds {
  private newer: Generation = makeGeneration(CAPACITY_MIN, 0);
  private older: Generation = makeGeneration(CAPACITY_MIN, 0);
  /** Generations dropped before their time because they were full. */
  shortened = 0;

  /** True when the meter at `row` sent this id within the last 5 min. */
  seen(row: number, low: number, high: number, nowMs: number): boolean {
    const seconds = Math.floor(nowMs / 1000) >>> 0;
    return this.find(this.newer, row, low, high, seconds) || (this.older.count > 0 && this.find(this.older, row, low, high, seconds));
  }

  /** Remembers the id of an accepted reading. */
  add(row: number, low: number, high: number, nowMs: number): void {
    let newer = this.newer;
    if (newer.count === 0) newer.startedMs = nowMs;
    else if (nowMs - newer.startedMs >= READING_ID_TTL_MS || newer.count >= READING_IDS_PER_GENERATION_MAX) {
      if (newer.count >= READING_IDS_PER_GENERATION_MAX) this.shortened++;
      this.older = newer;
      // As large as the one before, so that a steady load never stops to rehash.
      newer = this.newer = makeGeneration(newer.mask + 1, nowMs);
    }
    if (newer.count * 2 >= newer.mask + 1) growGeneration(newer);
    insert(newer, row + 1, low, high, Math.floor(nowMs / 1000) >>> 0);
  }

  private find(generation: Generation, row: number, low: number, high: number, seconds: number): boolean {
    const { words, mask } = generation;
    let slot = (low ^ Math.imul(row, 0x9e3779b1)) & mask;
    for (;;) {
      const at = slot * 4;
      const tag = words[at];
      if (tag === 0) return false;
      if (tag === row + 1 && words[at + 1] === low && words[at + 2] === high) {
        return (seconds - words[at + 3]) * 1000 <= READING_ID_TTL_MS;
      }
      slot = (slot + 1) & mask;
    }
  }
}

function makeGeneration(capacity: number, startedMs: number): Generation {
  return { words: new Uint32Array(capacity * 4), mask: capacity - 1, count: 0, startedMs };
}

function insert(generation: Generation, tag: number, low: number, high: number, seconds: number): void {
  const { words, mask } = generation;
  let slot = (low ^ Math.imul(tag - 1, 0x9e3779b1)) & mask;
  while (words[slot * 4] !== 0) {
    const at = slot * 4;
    if (words[at] === tag && words[at + 1] === low && words[at + 2] === high) {
      words[at + 3] = seconds;
      return;
    }
    slot = (slot + 1) & mask;
  }
  const at = slot * 4;
  words[at] = tag;
  words[at + 1] = low;
  words[at + 2] = high;
  words[at + 3] = seconds;
  generation.count++;
}

function growGeneration(generation: Generation): void {
  const old = generation.words;
  const bigger = makeGeneration((generation.mask + 1) * 2, generation.startedMs);
  for (let at = 0; at < old.length; at += 4) if (old[at] !== 0) insert(bigger, old[at], old[at + 1], old[at + 2], old[at + 3]);
  generation.words = bigger.words;
  generation.mask = bigger.mask;
}
