import { describe, expect, it } from 'vitest';
import { JournalRetention } from '../../src/actors/shard/journal-retention.ts';

const KEEP_MS = 300_000;

/** A record of 100 bytes a second: record n + 1 at second n. */
function retention(seconds: number, keepBytesMax = 1e9): JournalRetention {
  const kept = new JournalRetention({ keepMs: KEEP_MS, keepBytesMax, markBytes: 1e9 }, [{ sequence: 1, bytes: 0 }], 0);
  for (let second = 0; second < seconds; second++) kept.appended(second + 1, 100, second * 1_000);
  return kept;
}

describe('what of the log may go', () => {
  it('is nothing that a page still needs, however old it is', () => {
    const kept = retention(1_000);
    expect(kept.removableBefore(1, 1e9)).toBe(1);
    expect(kept.removableBefore(500, 1e9)).toBeLessThanOrEqual(500);
    expect(kept.removableBefore(500, 1e9)).toBeGreaterThan(490);
  });

  it('is nothing younger than the time it is kept for', () => {
    const kept = retention(1_000);
    const first = kept.removableBefore(1e9, 1_000_000);
    // Record n was appended at second n − 1.
    expect((first - 1) * 1_000).toBeLessThanOrEqual(1_000_000 - KEEP_MS);
    expect((first - 1) * 1_000).toBeGreaterThan(1_000_000 - KEEP_MS - 3_000);
  });

  it('is more when what is kept for its age alone takes too many bytes', () => {
    const kept = retention(200, 5_000);
    const first = kept.removableBefore(1e9, 200_000);
    expect(200 - first).toBeLessThanOrEqual(51);
    expect(kept.bytes).toBeLessThanOrEqual(5_000);
    expect(kept.removableBefore(1e9, 200_000)).toBe(first);
  });

  it('leaves as much before what a page still needs, however much that is', () => {
    const kept = retention(1_000, 5_000);
    // 50,000 bytes from record 501 on are needed; all from record 301 on are young.
    const first = kept.removableBefore(501, 600_000);
    expect(first).toBeGreaterThanOrEqual(450);
    expect(first).toBeLessThanOrEqual(453);
  });

  it('is everything but the newest second when nothing is needed and all is old', () => {
    expect(retention(100).removableBefore(1e9, 1e9)).toBe(100);
  });

  it('is what was there at a start as far as that is more than is kept for its age, and counts for nothing that has to be written', () => {
    const segments = [1, 101, 201, 301].map((sequence) => ({ sequence, bytes: 2_000 }));
    const kept = new JournalRetention({ keepMs: KEEP_MS, keepBytesMax: 5_000, markBytes: 1e9 }, segments, 0);
    for (let second = 0; second < 10; second++) kept.appended(401 + second, 100, second * 1_000);
    expect([kept.bytes, kept.bytesFrom(1)]).toEqual([1_000, 1_000]);
    expect(kept.removableBefore(150, 10_000)).toBe(1);
    // Three of the four are more than 5,000 bytes before what is needed.
    expect(kept.removableBefore(350, 10_000)).toBe(101);
    expect(kept.removableBefore(1e9, 10_000)).toBe(201);
    expect(kept.removableBefore(1e9, KEEP_MS + 20_000)).toBe(410);
  });

  it('never goes back', () => {
    const kept = retention(1_000);
    const first = kept.removableBefore(700, 900_000);
    expect(kept.removableBefore(300, 900_000)).toBe(first);
  });

  it('counts the bytes of the records that stay', () => {
    const kept = retention(1_000);
    const first = kept.removableBefore(600, 1e9);
    expect(kept.bytes).toBe((1_000 - first + 1) * 100);
  });

  it('is measured from a record on, in pieces', () => {
    const kept = new JournalRetention({ keepMs: KEEP_MS, keepBytesMax: 1e9, markBytes: 200 }, [{ sequence: 1, bytes: 0 }], 0);
    for (let sequence = 1; sequence <= 10; sequence++) kept.appended(sequence, 100, 0);
    expect([1, 2, 3, 9, 10, 11].map((sequence) => kept.bytesFrom(sequence))).toEqual([1_000, 1_000, 800, 200, 200, 0]);
    expect(kept.appendedBytes).toBe(1_000);
  });
});
