/** When a message that did not go is tried again. */

/** Doublings after which every back-off stands at its longest. */
const DOUBLINGS_MAX = 30;

export interface BackOff {
  minMs: number;
  maxMs: number;
}

/** Between attempts on one channel: the first repetition comes within 2 s, as most trouble is a hiccup; at most 5 min, as a provider that comes back is to be noticed. */
export const ATTEMPT_BACK_OFF: BackOff = { minMs: 2_000, maxMs: 300_000 };

/** By chance between 0 and a time that doubles with each failure in a row (full jitter): who failed together does not come back together. `failures` counts from 1, `random` gives from 0 to below 1. */
export function backOffMs({ minMs, maxMs }: BackOff, failures: number, random: () => number): number {
  const ceilingMs = Math.min(maxMs, minMs * 2 ** Math.min(failures - 1, DOUBLINGS_MAX));
  return Math.floor(random() * ceilingMs);
}
