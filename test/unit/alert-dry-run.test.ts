import { describe, expect, it } from 'vitest';
import { dryRun } from '../../src/actors/alerts/dry-run.ts';
import { DRY_RUN_ALERTS_MAX, type DryRunHistory } from '../../src/actors/alerts/protocol.ts';
import { DEFAULT_RULES } from '../../src/actors/alerts/rules.ts';
import { ended, MINUTE_MS, outage, rulesOf, spike, START_MS, windowAt } from './alert-observations.ts';

const DAY_MS = 86_400_000;
const history = (parts: Partial<DryRunHistory>): DryRunHistory => ({ from: START_MS, to: START_MS + DAY_MS, anomalies: [], regionWindows: [], regionMeters: { 'region-01': 10_000 }, ...parts });

describe('a dry run', () => {
  it('of nothing has no alerts', () => {
    expect(dryRun(DEFAULT_RULES, history({}))).toEqual({ alerts: [], total: 0, byRule: {} });
  });

  it('tells when each alert would have opened and closed', () => {
    const windows = [80, 95, 95, 95, 80, 80].map((percent, i) => windowAt(i, percent));
    const anomalies = [ended(spike('meter-1'), START_MS + MINUTE_MS), spike('meter-2', { startedAt: START_MS + 2 * MINUTE_MS }), spike('meter-3', { severity: 'INFO' })];
    expect(dryRun(DEFAULT_RULES, history({ anomalies, regionWindows: windows }))).toEqual({
      total: 3,
      byRule: { anomaly: 2, 'regional-overload': 1 },
      alerts: [
        expect.objectContaining({ meterId: 'meter-1', openedAt: START_MS, clearedAt: START_MS + MINUTE_MS }),
        expect.objectContaining({ meterId: 'meter-2', openedAt: START_MS + 2 * MINUTE_MS, clearedAt: null }),
        expect.objectContaining({ region: 'region-01', startedAt: START_MS + MINUTE_MS, openedAt: START_MS + 3 * MINUTE_MS, clearedAt: START_MS + 6 * MINUTE_MS }),
      ],
    });
  });

  it('takes durations by the time of what it is run over', () => {
    const rules = rulesOf({ name: 'long', condition: 'anomaly', kinds: ['spike'], for: '10m' });
    const anomalies = [ended(spike('meter-1'), START_MS + 9 * MINUTE_MS), ended(spike('meter-2'), START_MS + 11 * MINUTE_MS), spike('meter-3', { startedAt: START_MS + DAY_MS - 10 * MINUTE_MS })];
    expect(dryRun(rules, history({ anomalies })).alerts).toMatchObject([{ meterId: 'meter-2', openedAt: START_MS + 10 * MINUTE_MS, clearedAt: START_MS + 11 * MINUTE_MS }]);
  });

  it('leaves out what would have opened before, and what began after', () => {
    const before = spike('meter-1', { startedAt: START_MS - 3 * DAY_MS });
    expect(dryRun(DEFAULT_RULES, history({ anomalies: [before, ended(before, START_MS + 1), spike('meter-2', { startedAt: START_MS + DAY_MS })] })).total).toBe(0);
    const waits = rulesOf({ name: 'long', condition: 'anomaly', kinds: ['spike'], for: '3d' });
    expect(dryRun(waits, history({ anomalies: [before] })).alerts).toMatchObject([{ startedAt: before.startedAt, openedAt: START_MS }]);
  });

  it('does not look past the time', () => {
    const anomalies = [ended(spike('meter-1'), START_MS + DAY_MS)];
    expect(dryRun(DEFAULT_RULES, history({ anomalies })).alerts).toMatchObject([{ meterId: 'meter-1', clearedAt: null }]);
  });

  it('has one incident of a dark region, with the most meters that it had', () => {
    const anomalies = Array.from({ length: 4_000 }, (_, i) => ended(outage(`meter-${i}`, { startedAt: START_MS + i * 10 }), START_MS + 10 * MINUTE_MS + i * 10));
    expect(dryRun(DEFAULT_RULES, history({ anomalies }))).toMatchObject({
      byRule: { 'region-dark': 1, 'meter-outage': 2 },
      alerts: [...Array.from({ length: 2 }, () => ({ kind: 'outage' })), { kind: 'region_dark', affectedMeters: 4_000 }],
    });
  });

  it('counts all and names a bounded number', () => {
    const anomalies = Array.from({ length: DRY_RUN_ALERTS_MAX + 5 }, (_, i) => spike(`meter-${i}`, { startedAt: START_MS + i }));
    const result = dryRun(DEFAULT_RULES, history({ anomalies: anomalies.reverse() }));
    expect(result.total).toBe(DRY_RUN_ALERTS_MAX + 5);
    expect(result.alerts).toHaveLength(DRY_RUN_ALERTS_MAX);
    expect(result.alerts[0]).toMatchObject({ meterId: 'meter-0' });
  });

  it('takes an episode without length as one', () => {
    expect(dryRun(DEFAULT_RULES, history({ anomalies: [ended(spike('meter-1'), START_MS)] })).alerts).toMatchObject([{ openedAt: START_MS, clearedAt: START_MS }]);
  });
});
