import fc from 'fast-check';
import { expect } from 'vitest';

const TRIES_MAX = 12;

/**
 * Runs a property whose cases are drawn at random, and again until the cases have come past everything in `seen`, which counts what they met: a property that
 * meets nothing proves nothing. What one run in fifty thousand misses would otherwise fail a suite that is sound.
 */
export async function assertUntilSeen<T>(property: fc.IAsyncProperty<T>, parameters: fc.Parameters<T>, seen: object): Promise<void> {
  const unseen = (): string[] => Object.entries(seen).filter(([, times]) => times === 0).map(([what]) => what);
  let tries = 0;
  do {
    await fc.assert(property, parameters);
    tries++;
  } while (unseen().length > 0 && tries < TRIES_MAX);
  expect(unseen()).toEqual([]);
}
