import { describe, expect, it } from 'vitest';
import { ANOMALIES_PER_REPORT_MAX, MISSED_ANOMALIES_MS_MAX, REPORT_MS, UNREPORTED_ANOMALIES_MAX } from '../../src/actors/shard/actor-bounds.ts';
import { UnreportedAnomalies } from '../../src/actors/shard/unreported-anomalies.ts';
import type { Anomaly } from '../../src/model/anomaly.ts';

function some(count: number, from = 0): Anomaly[] {
  return Array.from({ length: count }, (_, i) => ({ id: `m${from + i}/outage/0` }) as Anomaly);
}

describe('episodes that were not reported', () => {
  it('go into the next reports in order, as many as each holds', () => {
    const unreported = new UnreportedAnomalies();
    const all = some(ANOMALIES_PER_REPORT_MAX + 2);
    unreported.add(all.slice(0, 5), 0);
    unreported.add(all.slice(5), 0);
    expect([unreported.take(0), unreported.take(0), unreported.take(0)]).toEqual([{ anomalies: all.slice(0, -2) }, { anomalies: all.slice(-2) }, { anomalies: [] }]);
  });

  it('are to be read from the store when there are more than reports carry, once there are no more of them', () => {
    const unreported = new UnreportedAnomalies();
    const all = some(UNREPORTED_ANOMALIES_MAX + 1);
    unreported.add(all, 0);
    expect(unreported.take(0)).toEqual({ anomalies: all.slice(0, ANOMALIES_PER_REPORT_MAX) });
    unreported.add(some(UNREPORTED_ANOMALIES_MAX, 10_000), REPORT_MS);
    expect(unreported.take(REPORT_MS).anomalies.length).toBe(ANOMALIES_PER_REPORT_MAX);
    unreported.add(some(1, 20_000), 2 * REPORT_MS);
    // None of those that wait: what the store says of them may be newer.
    expect(unreported.take(2 * REPORT_MS)).toEqual({ anomalies: [], anomaliesMissed: true });
    expect(unreported.take(3 * REPORT_MS)).toEqual({ anomalies: [] });
  });

  it('are to be read now and then while there are ever more', () => {
    const unreported = new UnreportedAnomalies();
    const told: number[] = [];
    for (let atMs = 0; atMs <= 2 * MISSED_ANOMALIES_MS_MAX + REPORT_MS; atMs += REPORT_MS) {
      unreported.add(some(2 * UNREPORTED_ANOMALIES_MAX), atMs);
      if (unreported.take(atMs).anomaliesMissed) told.push(atMs);
    }
    expect(told).toEqual([MISSED_ANOMALIES_MS_MAX, 2 * MISSED_ANOMALIES_MS_MAX + REPORT_MS]);
  });
});
