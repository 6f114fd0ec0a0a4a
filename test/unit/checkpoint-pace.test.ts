import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CheckpointPace, fillOf, UNWRITTEN_BYTES, UNWRITTEN_BYTES_PER_METER } from '../../src/actors/shard/checkpoint-pace.ts';

const OPTIONS = { intervalMs: 30_000, journalBytesMax: 1_000_000 };
const PAGES = 1_500;

/** Pages written in `seconds` at so much log a second, in steps of 100 ms, while all pages are dirty. */
function pagesIn(seconds: number, logBytesPerSecond: number, fill = 0): number {
  const pace = new CheckpointPace(OPTIONS, 0);
  let pages = 0;
  for (let step = 1; step <= seconds * 10; step++) {
    pace.took(logBytesPerSecond / 10);
    pages += pace.pagesDue(PAGES, fill, step * 100);
  }
  return pages;
}

describe('a checkpoint\'s pace', () => {
  it('is a round in an interval while little comes', () => {
    expect(pagesIn(30, 0)).toBe(PAGES);
    expect(pagesIn(30, 10_000)).toBe(PAGES);
  });

  it('is a round in half of the log that may be uncovered, however fast that comes', () => {
    expect(pagesIn(10, 50_000)).toBe(PAGES);
    expect(pagesIn(1, 500_000)).toBe(PAGES);
    expect(pagesIn(1, 2_000_000)).toBeGreaterThanOrEqual(3 * PAGES);
  });

  it('is all there is when the bound is near', () => {
    const pace = new CheckpointPace(OPTIONS, 0);
    expect([pace.pagesDue(PAGES, 0.74, 100), pace.pagesDue(PAGES, 0.75, 200)]).toEqual([5, PAGES]);
  });

  it('does not take pages that have just changed for late after a rest', () => {
    const pace = new CheckpointPace(OPTIONS, 0);
    expect(pace.pagesDue(PAGES, 0, 3_600_000)).toBe(PAGES / 30);
  });

  it('has each page written within two intervals, however little is dirty after it', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ steps: fc.integer({ min: 1, max: 500 }), pages: fc.integer({ min: 0, max: 60 }) }), { maxLength: 6 }), fc.integer({ min: 0, max: PAGES }), (stretches, atOnce) => {
        const pace = new CheckpointPace(OPTIONS, 0);
        /** When each became dirty, oldest first. */
        const dirty = Array.from({ length: atOnce }, () => 0);
        let nowMs = 0;
        // Nothing comes at the end: what is left goes in its own time.
        for (const { steps, pages } of [...stretches, { steps: 700, pages: 0 }]) {
          for (let step = 0; step < steps; step++) {
            nowMs += 100;
            dirty.push(...Array.from({ length: pages }, () => nowMs));
            const written = dirty.splice(0, pace.pagesDue(dirty.length, 0, nowMs));
            if (written.length > 0) expect(nowMs - written[0]).toBeLessThanOrEqual(2 * OPTIONS.intervalMs);
          }
        }
        expect(dirty).toEqual([]);
      }),
    );
  });

  it('writes a single page too', () => {
    expect(new CheckpointPace(OPTIONS, 0).pagesDue(1, 0, 100)).toBe(1);
  });
});

describe('what is not written', () => {
  it('fills the bound on log or the one on memory, whichever is nearer', () => {
    expect(fillOf({ logBytes: 500_000, memoryBytes: 0, meters: 0 }, OPTIONS)).toBe(0.5);
    expect(fillOf({ logBytes: 0, memoryBytes: UNWRITTEN_BYTES / 4, meters: 0 }, OPTIONS)).toBe(0.25);
    expect(fillOf({ logBytes: 0, memoryBytes: UNWRITTEN_BYTES + 1_000 * UNWRITTEN_BYTES_PER_METER, meters: 1_000 }, OPTIONS)).toBe(1);
  });

  it('is nothing when there is none, whatever the bound', () => {
    expect(fillOf({ logBytes: 0, memoryBytes: 0, meters: 0 }, { ...OPTIONS, journalBytesMax: 0 })).toBe(0);
    expect(fillOf({ logBytes: 1, memoryBytes: 0, meters: 0 }, { ...OPTIONS, journalBytesMax: 0 })).toBe(Infinity);
  });
});
