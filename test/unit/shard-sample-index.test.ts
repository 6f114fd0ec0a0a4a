import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_CHUNK, SampleIndex, SAMPLES_PER_CHUNK } from '../../src/actors/shard/sample-index.ts';

const sample = fc.record({ offsetMs: fc.integer({ min: 0, max: 59_999 }), fingerprint: fc.integer({ min: 0, max: 0xffffffff }) });
const samples = fc.uniqueArray(sample, { selector: ({ offsetMs }) => offsetMs, maxLength: 60 });

function fill(index: SampleIndex, all: readonly { offsetMs: number; fingerprint: number }[]): number {
  return all.reduce((head, { offsetMs, fingerprint }, count) => index.add(head, count, offsetMs, fingerprint), NO_CHUNK);
}

describe('the index of samples', () => {
  it('finds in each list what was added to it and nothing else, also after other lists were given back', () => {
    fc.assert(
      fc.property(fc.array(samples, { maxLength: 12 }), fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }), (lists, freed) => {
        const index = new SampleIndex();
        // The first lot leaves free chunks in odd places.
        lists.map((list) => fill(index, list)).forEach((head) => index.free(head));
        const heads = lists.map((list) => fill(index, list));
        heads.forEach((head, n) => freed[n] && index.free(head));
        const again = lists.map((list, n) => (freed[n] ? fill(index, list) : heads[n]));
        lists.forEach((list, n) => {
          for (const { offsetMs, fingerprint } of list) expect(index.find(again[n], list.length, offsetMs)).toBe(fingerprint);
          const absent = [0, 1, 30_000, 59_999].filter((offset) => list.every(({ offsetMs }) => offsetMs !== offset));
          for (const offsetMs of absent) expect(index.find(again[n], list.length, offsetMs)).toBe(-1);
        });
      }),
    );
  });

  it('reads back what it wrote, in the order of arrival', () => {
    fc.assert(
      fc.property(samples, fc.nat(7), (list, padding) => {
        const index = new SampleIndex();
        const view = new DataView(new ArrayBuffer(padding + list.length * 6));
        expect(index.write(fill(index, list), list.length, view, padding)).toBe(list.length * 6);
        list.forEach(({ offsetMs, fingerprint }, k) => {
          expect([view.getUint32(padding + k * 4, true), view.getUint16(padding + list.length * 4 + k * 2, true)]).toEqual([fingerprint, offsetMs]);
        });
        const other = new SampleIndex();
        const head = other.read(view, padding, list.length);
        for (const { offsetMs, fingerprint } of list) expect(other.find(head, list.length, offsetMs)).toBe(fingerprint);
      }),
    );
  });

  it('uses chunks again that were given back', () => {
    const index = new SampleIndex();
    const list = Array.from({ length: 3 * SAMPLES_PER_CHUNK }, (_, i) => ({ offsetMs: i, fingerprint: i }));
    const highest = fill(index, list);
    index.free(highest);
    for (let round = 0; round < 1_000; round++) {
      const head = fill(index, list);
      expect(head).toBeLessThanOrEqual(highest);
      index.free(head);
    }
  });

  it('grows past its first capacity without losing a sample', () => {
    const index = new SampleIndex();
    const lists = 20_000;
    const list = (n: number) => Array.from({ length: SAMPLES_PER_CHUNK + 1 }, (_, k) => ({ offsetMs: k * 6_000 + (n % 6_000), fingerprint: n * 100 + k }));
    const heads = Array.from({ length: lists }, (_, n) => fill(index, list(n)));
    const wrong = heads.filter((head, n) => list(n).some(({ offsetMs, fingerprint }) => index.find(head, SAMPLES_PER_CHUNK + 1, offsetMs) !== fingerprint));
    expect(wrong).toEqual([]);
  });

  it('is read ahead wherever a list stands, one of nothing and one whose chunk is full as well', () => {
    const index = new SampleIndex();
    for (let count = 0; count <= 2 * SAMPLES_PER_CHUNK; count++) {
      const list = Array.from({ length: count }, (_, k) => ({ offsetMs: k, fingerprint: k }));
      const head = fill(index, list);
      expect(() => index.peek(head, count)).not.toThrow();
      expect(list.map(({ offsetMs }) => index.find(head, count, offsetMs))).toEqual(list.map(({ fingerprint }) => fingerprint));
    }
  });
});
