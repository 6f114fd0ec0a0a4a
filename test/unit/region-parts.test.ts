import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeParts, RegionState } from '../../src/actors/region/state.ts';
import type { RegionPart } from '../../src/actors/shard/protocol.ts';

const START_MS = Date.UTC(2026, 2, 1);
const LATENESS_MS = 30_000;
const EMPTY: RegionPart = { region: 'north', granularity: '1m', windowStart: START_MS, meters: 0, powerHigh: 0, powerLow: 0, energyHigh: 0, energyLow: 0, minPowerKw: 5, maxPowerKw: 9, changes: 2 };

const split = (units: number, carry: number) => [Math.floor(units / 2 ** 24) + carry, units - Math.floor(units / 2 ** 24) * 2 ** 24 - carry * 2 ** 24];

const part: fc.Arbitrary<{ part: RegionPart; powerUnits: number; energyUnits: number }> = fc
  .record({ meters: fc.integer({ min: 1, max: 9 }), powerUnits: fc.integer({ min: -1e13, max: 1e13 }), energyUnits: fc.integer({ min: -1e13, max: 1e13 }), low: fc.integer({ min: -50, max: 50 }), span: fc.nat(50), carry: fc.integer({ min: -3, max: 3 }) })
  .map(({ meters, powerUnits, energyUnits, low, span, carry }) => {
    const [powerHigh, powerLow] = split(powerUnits, carry);
    const [energyHigh, energyLow] = split(energyUnits, -carry);
    return { part: { ...EMPTY, meters, powerHigh, powerLow, energyHigh, energyLow, minPowerKw: low, maxPowerKw: low + span }, powerUnits, energyUnits };
  });

describe('a regional window of several shards', () => {
  it('is the sum over its parts, in any order', () => {
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (all) => {
        const parts = [EMPTY, ...all.map(({ part }) => part)];
        const merged = mergeParts(parts, { north: 200 }, START_MS, LATENESS_MS)!;
        const sum = (of: (one: (typeof all)[number]) => number) => all.reduce((total, one) => total + of(one), 0);
        expect(merged).toMatchObject({
          region: 'north',
          windowStart: START_MS,
          windowEnd: START_MS + 60_000,
          metersReporting: sum(({ part }) => part.meters),
          sumPowerKw: sum(({ powerUnits }) => powerUnits) / 1e9,
          energyKwhSum: sum(({ energyUnits }) => energyUnits) / 1e9,
          minPowerKw: Math.min(...all.map(({ part }) => part.minPowerKw)),
          maxPowerKw: Math.max(...all.map(({ part }) => part.maxPowerKw)),
          capacityKw: 200,
          loadPercent: (merged.sumPowerKw / 200) * 100,
        });
        expect(merged.avgPowerKw).toBeCloseTo(merged.sumPowerKw / merged.metersReporting, 8);
        expect(mergeParts([...parts].reverse(), { north: 200 }, START_MS, LATENESS_MS)).toEqual(merged);
      }),
    );
  });

  it('is none when no meter is left in it, and has no load without a capacity', () => {
    expect(mergeParts([], {}, START_MS, LATENESS_MS)).toBeNull();
    expect(mergeParts([EMPTY, EMPTY], {}, START_MS, LATENESS_MS)).toBeNull();
    expect(mergeParts([{ ...EMPTY, meters: 1 }], {}, START_MS, LATENESS_MS)).toMatchObject({ capacityKw: null, loadPercent: null });
  });

  it('is final once a meter that fell silent at its end has been closed by the clock', () => {
    const finalAt = (ms: number) => mergeParts([{ ...EMPTY, meters: 1 }], {}, START_MS + 60_000 + ms, LATENESS_MS)!.final;
    expect([finalAt(0), finalAt(2 * LATENESS_MS), finalAt(2 * LATENESS_MS + 1_000)]).toEqual([false, false, true]);
  });
});

describe('the load of a region now', () => {
  it('is shown to two decimals, and that of a window, by which prices and alerts go, as it is', () => {
    const percents = (kw: number) => {
      const state = new RegionState({ north: 10 });
      const [loadHigh, loadLow] = split(Math.round(kw * 1e9), 0);
      state.report({ kind: 'report', shard: 0, live: [{ region: 'north', meters: 1, reporting: 1, silent: 0, loadHigh, loadLow, powered: 1, openAnomalies: 0 }], parts: [{ ...EMPTY, meters: 1, powerHigh: loadHigh, powerLow: loadLow }], anomalies: [] });
      const [{ loadKw, loadPercent }] = state.regionsNow();
      return [loadKw, loadPercent, state.recentWindows('north', START_MS, LATENESS_MS)[0]?.loadPercent];
    };
    expect(percents(16.594)).toEqual([16.594, 165.94, 165.94000000000003]);
    expect(percents(9.0004)).toEqual([9.0004, 90, 90.004]);
    expect(percents(-0.12345678)).toEqual([-0.12345678, -1.23, -1.2345678]);
    expect(new RegionState({ north: 10 }).regionsNow()[0].loadPercent).toBe(0);
  });
});
