/**
 * Chance as a function: the same seed and coordinates give the same number, whatever was asked before. So a reading depends on its
 * meter and time alone, and a mode that is switched on does not shift the others.
 */

/** What a number is drawn for; keeps draws at the same coordinates independent. */
export const DRAW = {
  phase: 1,
  household: 2,
  wobble: 3,
  kettle: 4,
  solar: 5,
  cloud: 6,
  voltage: 7,
  frequency: 8,
  powerFactor: 9,
  peakRegion: 10,
  outageRegion: 11,
  outageMeter: 12,
  theft: 13,
  clockDrift: 14,
  duplicate: 15,
  late: 16,
  broken: 17,
} as const;
export type Draw = (typeof DRAW)[keyof typeof DRAW];

/**
 * A number in [0, 1) for whole-number coordinates. The coordinates are folded in with odd constants and mixed by murmur3's finalizer, whose
 * avalanche makes neighbours independent. `a` and `b` may exceed 32 bits.
 * Source of the finalizer: A. Appleby, MurmurHash3, fmix32.
 */
export function draw(seed: number, purpose: Draw, a: number, b = 0): number {
  let h = mix((seed ^ Math.imul(purpose, 0x9e3779b1)) | 0);
  h = mix(h ^ Math.imul(a | 0, 0x85ebca6b) ^ Math.floor(a / 2 ** 32));
  h = mix(h ^ Math.imul(b | 0, 0xc2b2ae35) ^ Math.floor(b / 2 ** 32));
  return (h >>> 0) / 2 ** 32;
}

function mix(value: number): number {
  let h = value;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h ^= h >>> 16;
  return (h + 0x6d2b79f5) | 0;
}
