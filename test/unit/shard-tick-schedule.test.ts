import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TickSchedule } from '../../src/actors/shard/tick-schedule.ts';

const METERS_MAX = 100;

describe('the schedule of ticks', () => {
  it('looks at everything that was due, in ticks of a bounded number of meters, also while more becomes due', () => {
    const dues = fc.array(fc.nat(150), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(dues, fc.array(fc.tuple(fc.nat(11), fc.nat(150)), { maxLength: 40 }), (atFirst, later) => {
        const due = [...atFirst];
        const ticks = new TickSchedule(due.map((_, partition) => partition), METERS_MAX, (partition) => due[partition]);
        const waiting = new Set([...due.keys()].filter((partition) => due[partition] > 0));
        for (let tick = 0; waiting.size > 0; tick++) {
          // Everyone's turn comes within a round, however much is due elsewhere.
          expect(tick).toBeLessThanOrEqual(due.length);
          const chosen = ticks.begin(0);
          expect(chosen.length === 1 || chosen.reduce((sum, partition) => sum + due[partition], 0) <= METERS_MAX).toBe(true);
          for (const partition of chosen) {
            due[partition] = 0;
            waiting.delete(partition);
          }
          const [partition, meters] = later[tick] ?? [0, 0];
          if (partition < due.length && !waiting.has(partition)) due[partition] = meters;
          expect(ticks.settled() || waiting.size === 0).toBe(true);
        }
      }),
    );
  });

  it('has one tick under way at a time', () => {
    const ticks = new TickSchedule([3, 5], METERS_MAX, () => 60);
    expect(ticks.begin(0)).toEqual([3]);
    expect(ticks.begin(0)).toEqual([]);
    expect(ticks.settled()).toBe(true);
    expect(ticks.begin(0)).toEqual([5]);
  });

  it('is not under way when there was nothing to do', () => {
    let due = 0;
    const ticks = new TickSchedule([0], METERS_MAX, () => due);
    expect(ticks.begin(0)).toEqual([]);
    due = 1;
    expect(ticks.begin(0)).toEqual([0]);
    expect(ticks.settled()).toBe(false);
  });
});
