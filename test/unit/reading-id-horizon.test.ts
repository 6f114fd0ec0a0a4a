import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReadingIdHorizon } from '../../src/actors/shard/reading-id-horizon.ts';

/** Which seconds are forgotten is the same for every record that may be replayed, wherever the log begins. */

const LOG_BYTES = 1_000;

interface Batch {
  sequence: number;
  nowMs: number;
  bytes: number;
}

const log = fc.array(fc.record({ afterMs: fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 0, max: 900 }) }, { weight: 4, arbitrary: fc.integer({ min: 0, max: 90_000 }) }, { weight: 1, arbitrary: fc.integer({ min: -30_000, max: -1 }) }), bytes: fc.integer({ min: 1, max: 700 }), skipped: fc.nat(3) }), { minLength: 1, maxLength: 80 }).map((batches) => {
  let [sequence, nowMs] = [0, 1_772_366_400_000];
  return batches.map(({ afterMs, bytes, skipped }): Batch => ({ sequence: (sequence += 1 + skipped), nowMs: (nowMs += afterMs), bytes }));
});

/** The obvious way: of the seconds that began so much log ago the latest. */
function forgotten(batches: readonly Batch[], at: number): number {
  const before = (n: number): number => batches.slice(0, n).reduce((sum, { bytes }) => sum + bytes, 0);
  let newest = 0;
  batches.slice(0, at + 1).forEach(({ nowMs }, i) => {
    const second = Math.floor(nowMs / 1_000);
    const isFirst = i === 0 || Math.floor(batches[i - 1].nowMs / 1_000) !== second;
    if (isFirst && before(at) - before(i) >= LOG_BYTES) newest = Math.max(newest, second);
  });
  return newest;
}

describe('how far back readingIds count', () => {
  it('is so much log, in whole seconds', () => {
    fc.assert(
      fc.property(log, (batches) => {
        const horizon = new ReadingIdHorizon(LOG_BYTES);
        expect(batches.map(({ sequence, nowMs, bytes }) => horizon.logged(sequence, nowMs, bytes))).toEqual(batches.map((_, at) => forgotten(batches, at)));
      }),
    );
  });

  it('is the same for all that is replayed, wherever the log was cut before it', () => {
    fc.assert(
      fc.property(log, fc.array(fc.tuple(fc.nat(79), fc.nat(79))), (batches, cuts) => {
        const horizon = new ReadingIdHorizon(LOG_BYTES);
        const pages = new Map(cuts.map(([after, needed]) => [after % batches.length, needed]));
        let [begins, replayFrom] = [0, 0];
        batches.forEach(({ sequence, nowMs, bytes }, at) => {
          horizon.logged(sequence, nowMs, bytes);
          const needed = pages.get(at);
          if (needed === undefined) return;
          // A page is waiting since one of the batches so far; it never goes back.
          replayFrom = Math.max(replayFrom, Math.min(at + 1, needed));
          const neededFrom = replayFrom < batches.length ? batches[replayFrom].sequence : sequence + 1;
          const kept = horizon.neededFrom(neededFrom, -Infinity);
          expect(kept).toBeLessThanOrEqual(neededFrom);
          while (batches[begins].sequence < kept) begins++;
        });
        // Where the clock went back the log is kept until it came as far again, or twice as long.
        if (batches.slice(0, begins).some(({ nowMs }) => Math.floor(nowMs / 1_000) > Math.floor(batches[begins].nowMs / 1_000))) {
          expect(batches.slice(begins, replayFrom).reduce((sum, { bytes }) => sum + bytes, 0)).toBeGreaterThanOrEqual(2 * LOG_BYTES);
          return;
        }
        const restarted = new ReadingIdHorizon(LOG_BYTES);
        batches.slice(begins).forEach(({ sequence, nowMs, bytes }, i) => {
          const at = restarted.logged(sequence, nowMs, bytes);
          const live = forgotten(batches, begins + i);
          if (begins + i < replayFrom) return;
          expect(at).toBe(live);
          // What lies before the log is in nothing.
          for (const { nowMs: before } of batches.slice(0, begins)) expect(live).toBeGreaterThanOrEqual(Math.floor(before / 1_000));
        });
      }),
      { numRuns: 500 },
    );
  });

  it('needs nothing of what is older than ids count by the clock', () => {
    const horizon = new ReadingIdHorizon(1e9);
    for (let second = 0; second < 600; second++) horizon.logged(second + 1, second * 1_000, 100);
    expect(horizon.neededFrom(600, 400_000)).toBe(400);
    expect(horizon.neededFrom(600, -Infinity)).toBe(400);
    expect(horizon.neededFrom(100, 400_000), 'a page waits for longer').toBe(100);
  });

  it('has no end without a bound', () => {
    const horizon = new ReadingIdHorizon(Infinity);
    for (let second = 0; second < 600; second++) expect(horizon.logged(second + 1, second * 1_000, 1e9)).toBe(0);
    expect(horizon.neededFrom(600, 0)).toBe(600);
  });
});
