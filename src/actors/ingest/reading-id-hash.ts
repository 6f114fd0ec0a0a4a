/**
 * A 64-bit hash of a readingId in two unsigned halves. `low` is MurmurHash3_x86_32, `high` is the same construction with the constants
 * and rotations of the second lane of MurmurHash3_x86_128, so that ids which meet in one half do not tend to in the other.
 * Source: Austin Appleby, MurmurHash3.cpp (public domain). Not a cryptographic hash: whoever wants two of their own ids to
 * collide can make them, and loses one of their own readings for it.
 */
export class ReadingIdHash {
  low = 0;
  high = 0;

  /** Hashes `bytes[start, end)`, the id in UTF-8 without escapes, into `low` and `high`. */
  hash(bytes: Uint8Array, start: number, end: number): void {
    let low = LOW_SEED;
    let high = HIGH_SEED;
    let p = start;
    for (const blocksEnd = end - 3; p < blocksEnd; p += 4) {
      const block = bytes[p] | (bytes[p + 1] << 8) | (bytes[p + 2] << 16) | (bytes[p + 3] << 24);
      low ^= mixLow(block);
      low = (Math.imul((low << 13) | (low >>> 19), 5) + 0xe6546b64) | 0;
      high ^= mixHigh(block);
      high = (Math.imul((high << 17) | (high >>> 15), 5) + 0x0bcaa747) | 0;
    }
    if (p < end) {
      let block = bytes[p];
      if (p + 1 < end) block |= bytes[p + 1] << 8;
      if (p + 2 < end) block |= bytes[p + 2] << 16;
      low ^= mixLow(block);
      high ^= mixHigh(block);
    }
    this.low = finish(low ^ (end - start));
    this.high = finish(high ^ (end - start));
  }
}

const LOW_SEED = 0;
const HIGH_SEED = 0x2545f491;

function mixLow(block: number): number {
  const k = Math.imul(block, 0xcc9e2d51);
  return Math.imul((k << 15) | (k >>> 17), 0x1b873593);
}

function mixHigh(block: number): number {
  const k = Math.imul(block, 0xab0e9789);
  return Math.imul((k << 16) | (k >>> 16), 0x38b34ae5);
}

function finish(hash: number): number {
  let h = hash;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h ^= h >>> 16;
  return h >>> 0;
}
