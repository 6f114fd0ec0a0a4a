/**
 * Which readings of a log record did not count when it was applied, rejected ones and duplicates, as far as they have a readingId: those are not remembered, and a replay must not take them for known either. A corrected reading
 * would be a duplicate, and one that was counted would get lost. By position in the batch, one bit each, the lowest first, in as many bytes as the last of them needs.
 */
export type UncountedReadings = Uint8Array;

export const NONE_UNCOUNTED: UncountedReadings = new Uint8Array(0);

/** `positions` ascend. */
export function packPositions(positions: readonly number[]): UncountedReadings {
  if (positions.length === 0) return NONE_UNCOUNTED;
  const packed = new Uint8Array((positions[positions.length - 1] >>> 3) + 1);
  for (const position of positions) packed[position >>> 3] |= 1 << (position & 7);
  return packed;
}

export function isUncounted(packed: UncountedReadings, position: number): boolean {
  return position >>> 3 < packed.length && (packed[position >>> 3] & (1 << (position & 7))) !== 0;
}

/** After the last position that `packed` names. */
export function positionsEnd(packed: UncountedReadings): number {
  return packed.length === 0 ? 0 : packed.length * 8 - Math.clz32(packed[packed.length - 1]) + 24;
}
