import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHUNK_BYTES, ChunkMemory } from '../../src/runtime/chunk-memory.ts';
import { pendingKey, pendingKeyParts, PendingWindows } from '../../src/actors/shard/pending-windows.ts';

/** Most are records as they are, some no chunk can hold. */
const lengths = fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 1, max: 400 }) }, { weight: 1, arbitrary: fc.integer({ min: CHUNK_BYTES - 8, max: CHUNK_BYTES + 8 }) });
const put = fc.record({ key: fc.nat(8), record: fc.tuple(lengths, fc.nat(255)).map(([length, first]) => Uint8Array.from({ length }, (_, i) => first + i)) });

function filled(puts: readonly { key: number; record: Uint8Array }[], memory = new ChunkMemory()): PendingWindows {
  const windows = new PendingWindows(memory);
  for (const { key, record } of puts) windows.put(key, record);
  return windows;
}

function contents(windows: PendingWindows): Map<number, number[]> {
  return new Map(Array.from({ length: windows.count }, (_, i) => [windows.keyAt(i), [...windows.recordAt(i)]] as const));
}

describe('pending windows', () => {
  it('hold the newest record of each key, longer or shorter than the one before', () => {
    fc.assert(
      fc.property(fc.array(put, { maxLength: 40 }), (puts) => {
        const windows = filled(puts);
        const expected = new Map(puts.map(({ key, record }) => [key, [...record]] as const));
        expect(windows.count).toBe(expected.size);
        expect(contents(windows)).toEqual(expected);
        for (const key of expected.keys()) expect(windows.keyAt(windows.find(key))).toBe(key);
        expect(windows.find(99)).toBe(-1);
      }),
    );
  });

  it('take back what a failed commit was writing, except where there is something newer', () => {
    fc.assert(
      fc.property(fc.array(put, { maxLength: 20 }), fc.array(put, { maxLength: 20 }), (older, newer) => {
        const windows = filled(newer);
        windows.absorb(filled(older));
        expect(contents(windows)).toEqual(new Map([...contents(filled(older)), ...contents(filled(newer))]));
      }),
    );
  });

  it('hold their own records, also in memory that others gave back', () => {
    const step = fc.record({ page: fc.nat(3), puts: fc.array(put, { maxLength: 30 }), released: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const memory = new ChunkMemory();
        const pages = Array.from({ length: 4 }, () => new PendingWindows(memory));
        const models = pages.map(() => new Map<number, number[]>());
        for (const { page, puts, released } of steps) {
          if (released) {
            pages[page].release();
            models[page].clear();
          }
          for (const { key, record } of puts) {
            pages[page].put(key, record);
            models[page].set(key, [...record]);
          }
          pages.forEach((windows, i) => expect(contents(windows)).toEqual(models[i]));
        }
        for (const windows of pages) windows.release();
        expect(memory.bytesInUse).toBe(0);
      }),
    );
  });

  it('hold more than a chunk has entries', () => {
    const windows = filled(Array.from({ length: 700 }, (_, key) => ({ key: key * 3, record: Uint8Array.of(key, key >> 8) })));
    expect(windows.count).toBe(700);
    for (let key = 0; key < 700; key++) expect([windows.keyAt(windows.find(key * 3)), ...windows.recordAt(windows.find(key * 3))]).toEqual([key * 3, key & 255, key >> 8]);
    expect(windows.find(1)).toBe(-1);
    expect([...windows.sortedKeys()]).toEqual(Array.from({ length: 700 }, (_, key) => key * 3));
  });

  it('keep a copy of the record', () => {
    const record = Uint8Array.of(1, 2);
    const windows = filled([{ key: 5, record }]);
    record[0] = 9;
    expect([...windows.recordAt(0)]).toEqual([1, 2]);
  });

  it('name a window by one number, up to the year 9999', () => {
    fc.assert(
      fc.property(fc.nat(1), fc.integer({ min: 0, max: 4_223_371_680 }), fc.nat(63), (granularity, windowNumber, rowInPage) => {
        const key = pendingKey(granularity, windowNumber, rowInPage);
        expect(Number.isSafeInteger(key)).toBe(true);
        expect(pendingKeyParts(key)).toEqual({ granularity, windowNumber, rowInPage });
      }),
    );
  });
});
