import { describe, expect, it } from 'vitest';
import { READING_ID_BUCKETS, READING_ID_TTL_MS, ReadingIds } from '../../src/actors/shard/reading-ids.ts';

const AT = Date.UTC(2026, 2, 1);

describe('the memory of readingIds', () => {
  it('knows an id for 5 min and forgets it after', () => {
    const ids = new ReadingIds();
    ids.add(1, 10, 20, AT);
    expect([0, 1, READING_ID_TTL_MS].map((ms) => ids.seen(1, 10, 20, AT + ms))).toEqual([true, true, true]);
    expect(ids.seen(1, 10, 20, AT + READING_ID_TTL_MS + 1_000)).toBe(false);
  });

  it('keeps the ids of meters and both halves of the hash apart', () => {
    const ids = new ReadingIds();
    ids.add(1, 10, 20, AT);
    expect([ids.seen(2, 10, 20, AT), ids.seen(1, 11, 20, AT), ids.seen(1, 10, 21, AT), ids.seen(0, 10, 20, AT)]).toEqual([false, false, false, false]);
  });

  it('counts the 5 min anew when the id is used again', () => {
    const ids = new ReadingIds();
    ids.add(1, 10, 20, AT);
    ids.add(1, 10, 20, AT + READING_ID_TTL_MS + 1_000);
    expect(ids.seen(1, 10, 20, AT + 2 * READING_ID_TTL_MS)).toBe(true);
  });

  it('knows every id of the last 5 min while older ones give way', () => {
    const ids = new ReadingIds();
    const stepMs = 1_000;
    for (let n = 0; n < 1_500; n++) {
      ids.add(n % 7, n, n * 3, AT + n * stepMs);
      const first = Math.max(0, n - READING_ID_TTL_MS / stepMs);
      for (const known of [first, Math.floor((first + n) / 2), n]) expect(ids.seen(known % 7, known, known * 3, AT + n * stepMs)).toBe(true);
      if (first > 0) expect(ids.seen((first - 1) % 7, first - 1, (first - 1) * 3, AT + n * stepMs)).toBe(false);
    }
  });

  it('knows every one of ten thousand ids of one moment', () => {
    const ids = new ReadingIds();
    for (let n = 0; n < 10_000; n++) ids.add(n % 100, Math.imul(n, 0x9e3779b1) >>> 0, n, AT);
    for (let n = 0; n < 10_000; n++) expect(ids.seen(n % 100, Math.imul(n, 0x9e3779b1) >>> 0, n, AT)).toBe(true);
    let visited = 0;
    ids.forEach(() => visited++);
    expect(visited).toBe(10_000);
  });

  it('is bounded: past its capacity it remembers less, the newest first', () => {
    const ids = new ReadingIds();
    const capacity = READING_ID_BUCKETS * 4;
    for (let n = 0; n < 2 * capacity; n++) ids.add(3, Math.imul(n, 0x9e3779b1) >>> 0, n, AT + Math.floor((n * 60_000) / capacity));
    let visited = 0;
    ids.forEach(() => visited++);
    expect(visited).toBeLessThanOrEqual(capacity);
    const newest = 2 * capacity - 1;
    expect(ids.seen(3, Math.imul(newest, 0x9e3779b1) >>> 0, newest, AT + 120_000)).toBe(true);
    expect(ids.seen(3, 0, 0, AT + 120_000)).toBe(false);
  });
});
