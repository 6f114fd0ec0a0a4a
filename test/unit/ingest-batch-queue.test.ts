import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BatchQueue } from '../../src/actors/ingest/batch-queue.ts';
import { RequestTally } from '../../src/actors/ingest/request-tally.ts';
import { openReadingBatch } from '../../src/model/reading-batch.ts';
import { decoded } from '../support/packed-readings.ts';

const LIMITS = { queuedReadingsMax: 1e6, queuedBytesMax: 1e9 };

it('batches hold what was appended, whatever buffers came back from those before', () => {
  const step = fc.record({ readings: fc.constantFrom(1, 2, 50, 400, 3_000), recycled: fc.nat(3), reversed: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
      const queue = new BatchQueue(LIMITS);
      const taken: { buffer: ArrayBuffer; first: number; readings: number; bytes: number }[] = [];
      let next = 0;
      for (const { readings, recycled, reversed } of steps) {
        const tally = new RequestTally(0, () => {});
        const first = next;
        for (let i = 0; i < readings; i++) queue.appendReading(tally, i, decoded({ meterId: `meter-${next}`, region: 'r', timestamp: next, powerKw: next++ }));
        const { buffer, bytes } = queue.take()!;
        taken.push({ buffer, bytes, first, readings });
        for (const batch of taken) {
          const { count, timestamps, powers } = columns(batch);
          expect([count, timestamps[0], powers.at(-1)]).toEqual([batch.readings, batch.first, batch.first + batch.readings - 1]);
        }
        const back = taken.splice(0, recycled);
        for (const batch of reversed ? back.reverse() : back) queue.recycle(batch.buffer);
      }
    }),
    { numRuns: 50 },
  );
});

function columns({ buffer, bytes }: { buffer: ArrayBuffer; bytes: number }) {
  const batch = openReadingBatch(buffer, 0, bytes);
  return { count: batch.count, timestamps: [...batch.timestamp.subarray(0, batch.count)], powers: [...batch.powerKw.subarray(0, batch.count)] };
}
