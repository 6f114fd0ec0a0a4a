import type { ReadingBatch } from '../../model/reading-batch.ts';

/**
 * What a reading said, in 32 bits: tells a repeated reading (same fingerprint: duplicate) from one that contradicts an earlier one (conflict).
 * Neither counts, so a collision (1 in 4 × 10^9) only makes a conflict look like a duplicate.
 *
 * Over the bits of powerKw, energyKwh, voltage, current, frequency, powerFactor, the status and the region's name; an absent field is
 * the same whether its column is there or not. Mixing and finish are murmur3's (Austin Appleby, public domain).
 */
export class ReadingFingerprints {
  private columns: (Uint32Array | null)[] = [];
  private values: (Float64Array | null)[] = [];
  private flags: Uint8Array = new Uint8Array(0);
  private region: Uint16Array = new Uint16Array(0);
  private regionHash = new Uint32Array(16);

  /** Looks at another batch (borrowed until the next call). */
  open(batch: ReadingBatch): void {
    this.values = [batch.powerKw, batch.energyKwh, batch.voltage, batch.current, batch.frequency, batch.powerFactor];
    this.columns = this.values.map((column) => (column === null ? null : new Uint32Array(column.buffer, column.byteOffset, column.length * 2)));
    this.flags = batch.flags;
    this.region = batch.region;
    if (this.regionHash.length < batch.regions.length) this.regionHash = new Uint32Array(batch.regions.length * 2);
    for (let r = 0; r < batch.regions.length; r++) this.regionHash[r] = hashText(batch.regions[r]);
  }

  /** Unsigned fingerprint of the batch's i-th reading. */
  of(i: number): number {
    let h = this.regionHash[this.region[i]] ^ (this.flags[i] & 1);
    for (let c = 0; c < 6; c++) {
      const value = this.values[c];
      if (value === null || value[i] !== value[i]) {
        h = Math.imul(h ^ 0x7ff8, 0x85ebca6b) + c;
        continue;
      }
      const words = this.columns[c]!;
      h = mix(mix(h, words[2 * i]), words[2 * i + 1]);
    }
    h ^= h >>> 16;
    h = Math.imul(h, 0x85ebca6b);
    h ^= h >>> 13;
    h = Math.imul(h, 0xc2b2ae35);
    return (h ^ (h >>> 16)) >>> 0;
  }
}

function mix(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  const h = hash ^ Math.imul(k, 0x1b873593);
  return Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64;
}

function hashText(text: string): number {
  let h = 0x811c9dc5;
  for (let k = 0; k < text.length; k++) h = Math.imul(h ^ text.charCodeAt(k), 0x01000193);
  return h >>> 0;
}
