import { describe, expect, it } from 'vitest';
import { Conditions } from '../../src/actors/alerts/conditions/conditions.ts';
import { DEFAULT_RULES } from '../../src/actors/alerts/rules.ts';
import type { Signal } from '../../src/actors/alerts/signal.ts';
import type { RegionWindow } from '../../src/model/window.ts';
import { activeAfter, MINUTE_MS, observation, rulesOf, START_MS, windowAt } from './alert-observations.ts';

const load = { name: 'load', condition: 'regional_load' };

/** Observes windows a minute after the last of them. */
function feed(conditions: Conditions, ...windows: RegionWindow[]): Signal[] {
  return conditions.observe(observation({ regionWindows: windows }), Math.max(...windows.map(({ windowEnd }) => windowEnd)) + MINUTE_MS);
}

describe('a regional overload', () => {
  it('is said with its figures', () => {
    expect(feed(new Conditions(DEFAULT_RULES), windowAt(0, 90), windowAt(1, 94.04))).toEqual([
      {
        state: 'raised',
        rule: 'regional-overload',
        type: 'REGIONAL_OVERLOAD',
        kind: 'regional_load',
        severity: 'CRITICAL',
        startedAt: START_MS,
        region: 'region-01',
        meterId: null,
        component: null,
        title: 'Region region-01 is at 94 % of its capacity',
        description: 'It drew 18.8 kW of 20 kW on average over a minute, summed over 20 meters. The limit is 90 % for 2 minutes in a row.',
        value: 94.04,
        threshold: 90,
        unit: '%',
        affectedMeters: 0,
      },
    ]);
  });

  it('needs its windows side by side', () => {
    expect(feed(new Conditions(DEFAULT_RULES), windowAt(0, 95), windowAt(2, 95))).toEqual([]);
    expect(feed(new Conditions(DEFAULT_RULES), windowAt(0, 95), windowAt(1, 89), windowAt(2, 95))).toEqual([]);
    expect(feed(new Conditions(DEFAULT_RULES), windowAt(0, 95), windowAt(1, 95, 'region-02'))).toEqual([]);
  });

  it('is not counted twice from a window that comes twice', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    expect(feed(conditions, windowAt(0, 95), windowAt(0, 95))).toEqual([]);
    expect(feed(conditions, windowAt(0, 95))).toEqual([]);
  });

  it('goes on between the limits and is over below the lower one, for as many windows', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    feed(conditions, windowAt(0, 95), windowAt(1, 95));
    const between = feed(conditions, windowAt(2, 86), windowAt(3, 84.9), windowAt(4, 85), windowAt(5, 84), windowAt(7, 84));
    expect(between.every(({ state }) => state === 'raised')).toBe(true);
    expect(feed(conditions, windowAt(8, 83))).toEqual([
      {
        state: 'cleared',
        rule: 'regional-overload',
        kind: 'regional_load',
        startedAt: START_MS,
        region: 'region-01',
        meterId: null,
        component: null,
        reason: 'The load is at 83 %, below 85 % for the 2nd minute in a row.',
      },
    ]);
  });

  it('is said again when the load has moved, not every minute', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    feed(conditions, windowAt(0, 95), windowAt(1, 95));
    expect(feed(conditions, windowAt(2, 96.9), windowAt(3, 93.1))).toEqual([]);
    expect(feed(conditions, windowAt(4, 97))).toMatchObject([{ value: 97, startedAt: START_MS }]);
    expect(feed(conditions, windowAt(5, 98.9))).toEqual([]);
    expect(feed(conditions, windowAt(6, 87))).toMatchObject([{ value: 87, startedAt: START_MS }]);
  });

  it('is none of a region without a capacity, and over when the capacity is taken away', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    expect(feed(conditions, windowAt(0, null), windowAt(1, null))).toEqual([]);
    feed(conditions, windowAt(2, 95), windowAt(3, 95));
    expect(feed(conditions, windowAt(4, null))).toMatchObject([{ state: 'cleared', reason: 'The region has no capacity to measure its load by any more.' }]);
  });

  it('is over when nothing was measured for long while other regions were', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    feed(conditions, windowAt(0, 95), windowAt(1, 95));
    expect(feed(conditions, windowAt(16, 50, 'region-02'))).toEqual([]);
    expect(feed(conditions, windowAt(17, 50, 'region-02'))).toMatchObject([{ state: 'cleared', region: 'region-01', reason: 'Its load is not known: nothing was measured for more than 15 minutes.' }]);
  });

  it('of the past raises nothing', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    const nowMs = START_MS + 86_400_000 + MINUTE_MS + 1;
    expect(conditions.observe(observation({ regionWindows: [windowAt(0, 95), windowAt(1, 95)] }), nowMs)).toEqual([]);
  });
});

describe('a restart', () => {
  const after = (): Conditions => {
    const active = activeAfter(feed(new Conditions(DEFAULT_RULES), windowAt(10, 95), windowAt(11, 95)));
    const conditions = new Conditions(DEFAULT_RULES);
    conditions.resume(active, START_MS + 20 * MINUTE_MS);
    return conditions;
  };

  it('is not confused by windows from before the overload', () => {
    const conditions = after();
    const windows = [null, 50, 50].map((percent, i) => windowAt(i, percent));
    expect(feed(conditions, ...windows, windowAt(10, 95), windowAt(11, 95), windowAt(12, 95))).toEqual([]);
    expect(feed(conditions, windowAt(13, 50), windowAt(14, 50)).at(-1)).toMatchObject({ state: 'cleared', startedAt: START_MS + 10 * MINUTE_MS });
  });

  it('waits for the region, though others are ahead', () => {
    const conditions = after();
    expect(feed(conditions, windowAt(60, 50, 'region-02'))).toEqual([]);
    expect(feed(conditions, windowAt(75, 50, 'region-02'))).toEqual([]);
    expect(feed(conditions, windowAt(76, 50, 'region-02'))).toMatchObject([{ state: 'cleared', region: 'region-01' }]);
  });

  it('clears what no rule wants', () => {
    const active = activeAfter(feed(new Conditions(rulesOf(load)), windowAt(0, 95), windowAt(1, 95)));
    for (const [rules, reason] of [
      [rulesOf(), 'There is no rule load any more.'],
      [rulesOf({ ...load, enabled: false }), 'Rule load is switched off.'],
      [rulesOf({ ...load, regions: ['region-02'] }), 'Rule load no longer watches region-01.'],
    ] as const) {
      const conditions = new Conditions(rules);
      conditions.resume(active, START_MS);
      expect(conditions.tick(START_MS)).toMatchObject([{ state: 'cleared', reason }]);
    }
  });
});

describe('a change of rules', () => {
  it('leaves an alert that still matches, says it by the new limits and clears others', () => {
    const conditions = new Conditions(rulesOf(load, { ...load, name: 'gone' }));
    feed(conditions, windowAt(0, 92), windowAt(1, 92));
    expect(conditions.setRules(rulesOf({ ...load, abovePercent: 95, clearBelowPercent: 93 }), START_MS + 3 * MINUTE_MS)).toMatchObject([{ state: 'cleared', rule: 'gone' }]);
    expect(feed(conditions, windowAt(2, 92))).toMatchObject([{ state: 'raised', rule: 'load', threshold: 95 }]);
    expect(feed(conditions, windowAt(3, 92))).toMatchObject([{ state: 'cleared', rule: 'load' }]);
  });

  it('begins its rows anew', () => {
    const conditions = new Conditions(rulesOf(load));
    feed(conditions, windowAt(0, 92));
    conditions.setRules(rulesOf({ ...load, abovePercent: 95 }), START_MS);
    expect(feed(conditions, windowAt(1, 96))).toEqual([]);
    expect(feed(conditions, windowAt(2, 96))).toMatchObject([{ startedAt: START_MS + MINUTE_MS }]);
  });
});
