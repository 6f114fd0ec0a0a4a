/**
 * Which readings of a log record were rejected when it was applied, by their position in the batch: a replay must not take their readingIds for known, or the corrected reading would be a
 * duplicate. One bit each, the lowest first, in as many bytes as the last of them needs.
 */
export type RejectedPositions = Uint8Array;

export const NONE_REJECTED: RejectedPositions = new Uint8Array(0);

/** `positions` ascend. */
export function packPositions(positions: readonly number[]): RejectedPositions {
  if (positions.length === 0) return NONE_REJECTED;
  const packed = new Uint8Array((positions[positions.length - 1] >>> 3) + 1);
  for (const position of positions) packed[position >>> 3] |= 1 << (position & 7);
  return packed;
}

export function isRejected(packed: RejectedPositions, position: number): boolean {
  return position >>> 3 < packed.length && (packed[position >>> 3] & (1 << (position & 7))) !== 0;
}

/** After the last position that `packed` can name. */
export function positionsEnd(packed: RejectedPositions): number {
  return packed.length === 0 ? 0 : packed.length * 8 - Math.clz32(packed[packed.length - 1]) + 24;
}
