import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MeterDirectory, rowOffset, type MeterPage } from '../../src/actors/shard/meter-pages.ts';
import { ROW, SLOT, SLOT_BYTES } from '../../src/actors/shard/page-layout.ts';
import { findInBlock, offsetsInBlock, takeSampleBlocks } from '../../src/actors/shard/sample-blocks.ts';
import { NO_CHUNK, SampleIndex } from '../../src/actors/shard/sample-index.ts';
import { heldSamples } from '../../src/actors/shard/window-accumulator.ts';

const MINUTE_MS = 60_000;
const allocate = (length: number): Uint8Array => new Uint8Array(length);

/** A page whose rows have samples of minutes `even` and `even + 1`. */
function filled(rows: readonly (readonly [even: number, evenSamples: number, oddSamples: number])[], samples: SampleIndex): MeterPage {
  const page = new MeterDirectory().restorePage(0, 0);
  page.rowCount = rows.length;
  page.f64.fill(NaN);
  rows.forEach(([even, ...counts], r) => {
    counts.forEach((count, s) => {
      const at = slotAt(page, r, s);
      page.f64.fill(0, at >> 3, (at + SLOT_BYTES) >> 3);
      page.f64[at >> 3] = (even * 2 + s) * MINUTE_MS;
      page.u32[(at + SLOT.samplesOrRevision) >> 2] = NO_CHUNK;
      for (let k = 0; k < count; k++) add(page, at, k, samples, fingerprintOf(r, s, k));
    });
  });
  return page;
}

const slotAt = (page: MeterPage, r: number, s: number): number => rowOffset(page.rowAt(r)) + ROW.slots + s * SLOT_BYTES;
const fingerprintOf = (r: number, s: number, k: number): number => (r * 1_000_003 + s * 7 + k * 2_654_435) >>> 0;

function add(page: MeterPage, at: number, offsetMs: number, samples: SampleIndex, fingerprint: number): void {
  const headAt = (at + SLOT.samplesOrRevision) >> 2;
  page.u32[headAt] = samples.add(page.u32[headAt], heldSamples(page, at), offsetMs, fingerprint);
  page.u32[(at + SLOT.sampleCount) >> 2]++;
}

it('blocks hold what was in memory of a minute with enough samples, and memory the rest', () => {
  const row = fc.tuple(fc.constantFrom(10, 10, 10, 11), fc.constantFrom(0, 1, 5, 8, 9, 40), fc.constantFrom(0, 3, 20));
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 64 }), fc.constantFrom(1, 30, 200, 1e9), (rows, samplesMin) => {
      const samples = new SampleIndex();
      const page = filled(rows, samples);
      const perMinute = new Map<number, number>();
      rows.forEach(([even, ...counts]) => counts.forEach((count, s) => perMinute.set(even * 2 + s, (perMinute.get(even * 2 + s) ?? 0) + count)));
      const blocks = takeSampleBlocks(page, samples, 7, samplesMin, allocate);
      const expected = [...perMinute].filter(([, count]) => count > 0 && count >= samplesMin).map(([minute]) => minute);
      expect(blocks.map(({ windowNumber }) => windowNumber).sort()).toEqual(expected.sort());
      rows.forEach(([even, ...counts], r) => {
        counts.forEach((count, s) => {
          const at = slotAt(page, r, s);
          const block = blocks.find(({ windowNumber }) => windowNumber === even * 2 + s);
          expect([heldSamples(page, at), page.u32[(at + SLOT.sampleCount) >> 2]]).toEqual([block === undefined ? count : 0, count]);
          for (let k = 0; k <= count; k++) {
            const found = block === undefined ? samples.find(page.u32[(at + SLOT.samplesOrRevision) >> 2], heldSamples(page, at), k) : findInBlock(block.bytes, r, k);
            expect(found).toBe(k < count ? fingerprintOf(r, s, k) : -1);
          }
        });
      });
      const inBlocks = blocks.flatMap(({ bytes }) => [...offsetsInBlock(bytes)]).reduce((sum, { offsetsMs }) => sum + offsetsMs.length, 0);
      expect(inBlocks).toBe(expected.reduce((sum, minute) => sum + perMinute.get(minute)!, 0));
    }),
    { numRuns: 60 },
  );
});

it('gives the memory of what left back, and takes what came since at the next time', () => {
  const samples = new SampleIndex();
  const page = filled([[10, 40, 0], [10, 3, 0]], samples);
  expect(samples.bytes).toBe(6 * 52);
  const [first] = takeSampleBlocks(page, samples, 7, 1, allocate);
  expect(samples.bytes).toBe(0);
  add(page, slotAt(page, 1, 0), 3, samples, 99);
  const [second] = takeSampleBlocks(page, samples, 8, 1, allocate);
  expect([findInBlock(first.bytes, 1, 3), findInBlock(second.bytes, 1, 3), findInBlock(second.bytes, 1, 2), findInBlock(second.bytes, 0, 2)]).toEqual([-1, 99, -1, -1]);
  expect([page.u16[(slotAt(page, 1, 0) + SLOT.samplesInBlocks) >> 1], page.u32[(slotAt(page, 1, 0) + SLOT.sampleCount) >> 2]]).toEqual([4, 4]);
  expect(takeSampleBlocks(page, samples, 9, 1, allocate)).toEqual([]);
});
