import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TickSchedule, type TickSlice } from '../../src/actors/shard/tick-schedule.ts';

const METERS_MAX = 100;
const PAGE_ROWS_MAX = 64;

interface Page {
  nextTickMs: number;
  rowCount: number;
}

const page = fc.record({ nextTickMs: fc.constantFrom(0, Infinity), rowCount: fc.integer({ min: 1, max: PAGE_ROWS_MAX }) });

function pagesIn(partitions: readonly Page[][], slices: readonly TickSlice[]): Page[] {
  return slices.flatMap(({ partition, fromPage, toPage }) => partitions[partition].slice(fromPage, toPage));
}

function schedule(partitions: readonly Page[][]): TickSchedule {
  return new TickSchedule([...partitions.keys()], METERS_MAX, (partition) => partitions[partition]);
}

describe('the schedule of ticks', () => {
  it('looks at every page that was due and at no other, in ticks of a bounded number of meters, also while more becomes due', () => {
    const partitions = fc.array(fc.array(page, { maxLength: 8 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(partitions, fc.array(fc.tuple(fc.nat(5), fc.nat(7)), { maxLength: 60 }), (pages, later) => {
        const ticks = schedule(pages);
        const all = pages.flat();
        const waiting = new Set(all.filter(({ nextTickMs }) => nextTickMs === 0));
        for (let tick = 0; waiting.size > 0; tick++) {
          // Everyone's turn comes within a round, however much is due elsewhere.
          expect(tick).toBeLessThanOrEqual(all.length);
          const chosen = pagesIn(pages, ticks.begin(0));
          expect(chosen.length).toBeGreaterThan(0);
          expect(new Set(chosen).size).toBe(chosen.length);
          expect(chosen.every(({ nextTickMs }) => nextTickMs === 0)).toBe(true);
          expect(chosen.reduce((sum, { rowCount }) => sum + rowCount, 0)).toBeLessThanOrEqual(METERS_MAX);
          for (const one of chosen) {
            one.nextTickMs = Infinity;
            waiting.delete(one);
          }
          expect(ticks.settled()).toBe(all.some(({ nextTickMs }) => nextTickMs === 0));
          const [partition, number] = later[tick] ?? [0, 0];
          const again = pages[partition]?.[number];
          if (again !== undefined && !waiting.has(again) && later[tick] !== undefined) again.nextTickMs = 0;
        }
      }),
    );
  });

  it('names neighbours together, and what lies between them not at all', () => {
    const due = { nextTickMs: 0, rowCount: 10 };
    const notYet = { nextTickMs: 1, rowCount: 10 };
    const ticks = schedule([[due, due, notYet, due], [notYet], [due]]);
    expect(ticks.begin(0)).toEqual([
      { partition: 0, fromPage: 0, toPage: 2 },
      { partition: 0, fromPage: 3, toPage: 4 },
      { partition: 2, fromPage: 0, toPage: 1 },
    ]);
    expect(ticks.settled()).toBe(false);
  });

  it('has one tick under way at a time, and goes on within a partition', () => {
    const ticks = schedule([[{ nextTickMs: 0, rowCount: 60 }, { nextTickMs: 0, rowCount: 60 }]]);
    expect(ticks.begin(0)).toEqual([{ partition: 0, fromPage: 0, toPage: 1 }]);
    expect(ticks.begin(0)).toEqual([]);
    expect(ticks.settled()).toBe(true);
    expect(ticks.begin(0)).toEqual([{ partition: 0, fromPage: 1, toPage: 2 }]);
  });

  it('is not under way when there was nothing to do', () => {
    const only = { nextTickMs: 1, rowCount: 1 };
    const ticks = schedule([[only]]);
    expect(ticks.begin(0)).toEqual([]);
    only.nextTickMs = 0;
    expect(ticks.begin(0)).toEqual([{ partition: 0, fromPage: 0, toPage: 1 }]);
    expect(ticks.settled()).toBe(false);
  });
});
