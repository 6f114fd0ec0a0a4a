import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pendingKey, pendingKeyParts, PendingWindows } from '../../src/actors/shard/pending-windows.ts';

const put = fc.record({ key: fc.nat(8), record: fc.uint8Array({ minLength: 1, maxLength: 400, size: 'max' }) });

function filled(puts: readonly { key: number; record: Uint8Array }[]): PendingWindows {
  const windows = new PendingWindows();
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
        const pages = Array.from({ length: 4 }, () => new PendingWindows());
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
      }),
    );
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
