import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchRecord } from '../../src/actors/shard/log-record.ts';
import { ReadingIds } from '../../src/actors/shard/reading-ids.ts';
import { ReplayedIdsHere, type ReplayedIds } from '../../src/actors/shard/replayed-ids.ts';
import { NONE_UNCOUNTED, packPositions } from '../../src/actors/shard/uncounted-readings.ts';
import { ReplayedIdsBeside } from '../../src/engine/replayed-ids-beside.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { appendOf } from '../support/packed-readings.ts';

/** The readingIds of a log, read by a real thread beside the shard's. */

const AT = Date.UTC(2026, 2, 1);
/** Few, so that entries push each other out: then their order counts. */
const BUCKETS = 8;

interface Batch {
  lows: number[];
  uncounted: number[];
  forgotten: number;
}

type Step = Batch | { words: number[] };

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ lows: fc.array(fc.nat(40), { minLength: 1, maxLength: 12 }), uncounted: fc.uniqueArray(fc.nat(11), { maxLength: 3 }), forgotten: fc.constantFrom(0, AT / 1_000 + 2) }) },
  { weight: 1, arbitrary: fc.record({ words: fc.array(fc.tuple(fc.nat(5), fc.nat(40), fc.nat(3), fc.constant(AT / 1_000)), { maxLength: 5 }).map((entries) => entries.flat()) }) },
);

function recordOf(lows: readonly number[], sequence: number): Uint8Array {
  const readings = lows.map((low, i) => ({ meterId: `meter-${low % 3}`, region: 'r', timestamp: AT + sequence * 1_000 + i, powerKw: 1, ...(low % 7 === 0 ? {} : { readingId: [low, 7] as const }) }));
  return batchRecord(appendOf(readings), AT + sequence * 1_000);
}

function replay(steps: readonly Step[], replayed: ReplayedIds, ids: ReadingIds): { readings: number; entries: string[] } {
  steps.forEach((one, i) => {
    if ('words' in one) replayed.addRemembered(new Uint8Array(Uint32Array.from(one.words).buffer));
    else replayed.addBatch(recordOf(one.lows, i + 1), i + 1, packPositions([...one.uncounted].sort((a, b) => a - b)), one.forgotten);
  });
  const readings = replayed.finish(ids);
  // Whoever goes on with them says what is forgotten by then.
  ids.forget(0);
  const entries: string[] = [];
  ids.forEach((...entry) => entries.push(entry.join(' ')));
  return { readings, entries };
}

describe('readingIds that a thread beside the shard reads', () => {
  it('are those that the shard itself would remember, entry by entry', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const own = new ReadingIds(BUCKETS);
        const taken = new ReadingIds(BUCKETS);
        expect(replay(steps, new ReplayedIdsBeside(BUCKETS), taken)).toEqual(replay(steps, new ReplayedIdsHere(own), own));
      }),
      // Each starts a thread.
      { numRuns: 10 },
    );
  });

  it('leave out what did not count, and count every reading', () => {
    const ids = new ReadingIds(BUCKETS);
    const { readings, entries } = replay([{ lows: [1, 2, 3], uncounted: [1], forgotten: 0 }], new ReplayedIdsBeside(BUCKETS), ids);
    expect([readings, entries.length]).toEqual([3, 2]);
  });

  it('end with the error of a record that fails its checksum', () => {
    const damaged = recordOf([1, 2, 3], 2);
    damaged[damaged.length - 1] ^= 1;
    const replayed = new ReplayedIdsBeside(BUCKETS);
    replayed.addBatch(recordOf([1], 1), 1, NONE_UNCOUNTED, 0);
    replayed.addBatch(damaged, 2, NONE_UNCOUNTED, 0);
    replayed.addBatch(recordOf([4], 3), 3, NONE_UNCOUNTED, 0);
    expect(() => replayed.finish(new ReadingIds(BUCKETS))).toThrow(new OperationalError('corrupt', 'log record 2 fails its checksum'));
  });
});
