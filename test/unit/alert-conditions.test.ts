import { describe, expect, it } from 'vitest';
import type { Alert } from '../../src/model/alert.ts';
import { Conditions } from '../../src/actors/alerts/conditions/conditions.ts';
import { DEFAULT_RULES } from '../../src/actors/alerts/rules.ts';
import { activeAfter, ended, MINUTE_MS, observation, outage, region, rulesOf, spike, START_MS, windowAt } from './alert-observations.ts';

describe('what is observed', () => {
  it('raises an outage at once and clears it when the meter is back', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    const [raised, ...others] = conditions.observe(observation({ anomalies: [outage('meter-1')] }), START_MS + MINUTE_MS);
    expect(others).toEqual([]);
    expect(raised).toMatchObject({ state: 'raised', rule: 'meter-outage', type: 'METER_OUTAGE', meterId: 'meter-1', startedAt: START_MS, affectedMeters: 1 });
    expect(conditions.observe(observation({ anomalies: [ended(outage('meter-1'), START_MS + MINUTE_MS)] }), START_MS + 2 * MINUTE_MS)).toEqual([
      { state: 'cleared', rule: 'meter-outage', kind: 'outage', startedAt: START_MS, region: 'region-01', meterId: 'meter-1', component: null, reason: 'The meter is back.' },
    ]);
  });

  it('makes one incident of 4,000 outages at once', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    const anomalies = Array.from({ length: 4_000 }, (_, i) => outage(`meter-${i}`));
    const signals = conditions.observe(observation({ regions: [region('region-01', 10_000)], anomalies }), START_MS + MINUTE_MS);
    expect(signals).toHaveLength(1);
    expect(signals[0]).toMatchObject({ kind: 'region_dark', affectedMeters: 4_000, title: 'Region region-01 is dark: 4,000 of 10,000 meters are out' });
    expect(conditions.membersOf('region-01')).toBe(4_000);
    expect(conditions.memberMeters('region-01', 2)).toEqual(['meter-0', 'meter-1']);
  });

  it('raises an overload with its second window', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    expect(conditions.observe(observation({ regionWindows: [windowAt(0, 92)] }), START_MS + 2 * MINUTE_MS)).toEqual([]);
    expect(conditions.observe(observation({ regionWindows: [windowAt(1, 94)] }), START_MS + 3 * MINUTE_MS)).toMatchObject([
      { state: 'raised', kind: 'regional_load', startedAt: START_MS, title: 'Region region-01 is at 94 % of its capacity', value: 94, threshold: 90 },
    ]);
  });

  it('raises a part that has been away for long enough', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    const components = [{ component: 'shard-0', isWell: false, since: START_MS, problem: 'It does not answer.' }];
    expect(conditions.observe(observation({ components }), START_MS)).toEqual([]);
    expect(conditions.nextDueMs()).toBe(START_MS + 10_000);
    expect(conditions.tick(START_MS + 10_000)).toMatchObject([{ state: 'raised', component: 'shard-0', startedAt: START_MS }]);
  });

  it('waits for a rule with a duration', () => {
    const conditions = new Conditions(rulesOf({ name: 'long', condition: 'anomaly', kinds: ['spike'], for: '10m' }));
    expect(conditions.observe(observation({ anomalies: [spike('meter-1')] }), START_MS + MINUTE_MS)).toEqual([]);
    expect(conditions.tick(conditions.nextDueMs())).toMatchObject([{ state: 'raised', rule: 'long', startedAt: START_MS }]);
  });
});

describe('a restart', () => {
  it('clears what is over by then', () => {
    const before = new Conditions(DEFAULT_RULES);
    const active: Alert[] = activeAfter(before.observe(observation({ anomalies: [outage('meter-1')] }), START_MS));
    const after = new Conditions(DEFAULT_RULES);
    after.resume(active, START_MS);
    expect(after.unconfirmed()).toEqual([{ meterId: 'meter-1', kind: 'outage', startedAt: START_MS }]);
    expect(after.observe(observation({ anomalies: [ended(outage('meter-1'), START_MS + 1)] }), START_MS + MINUTE_MS)).toMatchObject([{ state: 'cleared', startedAt: START_MS }]);
    expect(after.unconfirmed()).toEqual([]);
  });
});

