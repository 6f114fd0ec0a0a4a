import { alertId, fingerprintOf } from '../../src/actors/alerts/fingerprint.ts';
import type { Observation } from '../../src/actors/alerts/protocol.ts';
import { alertRulesSchema, type AlertRules } from '../../src/actors/alerts/rules.ts';
import type { RaisedSignal, Signal } from '../../src/actors/alerts/signal.ts';
import type { Alert } from '../../src/model/alert.ts';
import type { Anomaly, AnomalyKind } from '../../src/model/anomaly.ts';
import type { RegionNow } from '../../src/model/queries.ts';
import type { RegionWindow } from '../../src/model/window.ts';

/** What the engine sees, for tests of the alerts. */

export const MINUTE_MS = 60_000;
/** A whole minute. */
export const START_MS = Date.UTC(2026, 10, 27, 4);

export function observation(parts: Partial<Observation>): Observation {
  return { anomalies: [], regionWindows: [], regions: null, components: null, ...parts };
}

export function rulesOf(...rules: object[]): AlertRules {
  return alertRulesSchema.parse({ rules, routes: [] });
}

export function episode(kind: AnomalyKind, meterId: string, parts: Partial<Anomaly> = {}): Anomaly {
  const startedAt = parts.startedAt ?? START_MS;
  return {
    id: `${meterId}/${kind}/${startedAt}`,
    meterId,
    region: 'region-01',
    kind,
    severity: 'WARN',
    startedAt,
    endedAt: null,
    endReason: null,
    value: kind === 'outage' ? 0 : 9.2,
    expected: 1.1,
    score: 12,
    message: '9.2 kW where 1.1 kW is usual',
    ...parts,
  };
}

export function outage(meterId: string, parts: Partial<Anomaly> = {}): Anomaly {
  return episode('outage', meterId, { message: 'no readings any more, where 1.1 kW was usual', ...parts });
}

export function spike(meterId: string, parts: Partial<Anomaly> = {}): Anomaly {
  return episode('spike', meterId, parts);
}

export function ended(anomaly: Anomaly, endedAt: number): Anomaly {
  return { ...anomaly, endedAt, endReason: 'recovered' };
}

export function region(name: string, meters: number): RegionNow {
  return { region: name, meters, metersReporting: meters, metersSilent: 0, loadKw: 0, capacityKw: null, loadPercent: null, openAnomalies: 0 };
}

/** The minute that begins so many minutes after START_MS. */
export function windowAt(minute: number, loadPercent: number | null, name = 'region-01'): RegionWindow {
  const windowStart = START_MS + minute * MINUTE_MS;
  const load = loadPercent ?? 50;
  return {
    region: name,
    granularity: '1m',
    windowStart,
    windowEnd: windowStart + MINUTE_MS,
    metersReporting: 20,
    sumPowerKw: load / 5,
    avgPowerKw: load / 100,
    minPowerKw: 0,
    maxPowerKw: 3,
    energyKwhSum: load / 300,
    capacityKw: loadPercent === null ? null : 20,
    loadPercent,
    final: true,
  };
}

/** The alerts that a book has after these signals, as far as conditions look at them. */
export function activeAfter(signals: readonly Signal[]): Alert[] {
  const active = new Map<string, Alert>();
  for (const signal of signals) {
    const id = alertId(fingerprintOf({ rule: signal.rule, kind: signal.kind, subject: signal }), signal.startedAt);
    if (signal.state === 'cleared') active.delete(id);
    else active.set(id, alertOf(id, signal));
  }
  return [...active.values()];
}

function alertOf(id: string, { state: _, ...signal }: RaisedSignal): Alert {
  return {
    ...signal,
    id,
    version: 1,
    fingerprint: id.slice(0, 16),
    state: 'open',
    openedAt: signal.startedAt,
    changedAt: signal.startedAt,
    acknowledged: null,
    resolved: null,
    occurrences: 1,
    isFlapping: false,
    suppression: null,
    group: null,
  };
}
