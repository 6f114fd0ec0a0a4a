import type { Anomaly } from '../../model/anomaly.ts';
import type { RegionNow } from '../../model/queries.ts';
import { Conditions } from './conditions/conditions.ts';
import { alertId, fingerprintOf } from './fingerprint.ts';
import { DRY_RUN_ALERTS_MAX, type DryRunAlert, type DryRunHistory, type DryRunResult, type Observation } from './protocol.ts';
import type { AlertRules } from './rules.ts';
import type { Signal } from './signal.ts';

/**
 * What rules would have raised in the time from `from` to `to`: the conditions themselves, run over history with a clock of its own. Episodes are seen as they began and as they ended, with the
 * figures that they had in the end; nothing is delayed by the way from the meter, and nothing is history. Regions have the meters that they have today.
 */
export function dryRun(rules: AlertRules, history: DryRunHistory): DryRunResult {
  const run = dryRunInSteps(rules, history);
  for (;;) {
    const step = run.next();
    if (step.done === true) return step.value;
  }
}

/** The same, moment by moment; gives how many rows of the history, or alerts, each had. */
export function* dryRunInSteps(rules: AlertRules, history: DryRunHistory): Generator<number, DryRunResult> {
  const conditions = new Conditions(rules);
  const alerts = new RaisedAlerts(history.from, history.to);
  const regions = Object.entries(history.regionMeters).map(([region, meters]) => regionOf(region, meters));
  const steps = stepsOf(history);
  const startMs = Math.min(history.from, steps[0]?.atMs ?? Infinity);
  alerts.take(conditions.observe({ ...NOTHING, regions }, startMs), startMs);
  for (const { atMs, observation } of steps) {
    if (atMs >= history.to) break;
    yield* tickUntil(conditions, atMs, alerts);
    alerts.take(conditions.observe(observation, atMs), atMs);
    yield observation.anomalies.length + observation.regionWindows.length;
  }
  yield* tickUntil(conditions, history.to, alerts);
  return alerts.result();
}

const NOTHING: Observation = { anomalies: [], regionWindows: [], regions: null, components: null };

function* tickUntil(conditions: Conditions, untilMs: number, alerts: RaisedAlerts): Generator<number, void> {
  for (let due = conditions.nextDueMs(); due < untilMs; due = conditions.nextDueMs()) {
    const signals = conditions.tick(due);
    alerts.take(signals, due);
    yield Math.max(1, signals.length);
  }
}

interface Step {
  atMs: number;
  observation: Observation;
}

/** In order of time; what happened at once is seen at once, ends before beginnings. */
function stepsOf({ anomalies, regionWindows }: DryRunHistory): Step[] {
  const steps = new Map<number, { ends: Anomaly[]; beginnings: Anomaly[]; windows: Observation['regionWindows'] }>();
  const at = (atMs: number) => {
    let step = steps.get(atMs);
    if (step === undefined) steps.set(atMs, (step = { ends: [], beginnings: [], windows: [] }));
    return step;
  };
  for (const anomaly of anomalies) {
    if (anomaly.endedAt === null || anomaly.endedAt > anomaly.startedAt) at(anomaly.startedAt).beginnings.push({ ...anomaly, endedAt: null, endReason: null });
    if (anomaly.endedAt !== null) at(anomaly.endedAt).ends.push(anomaly);
  }
  for (const window of regionWindows) at(window.windowEnd).windows.push(window);
  return [...steps]
    .sort(([a], [b]) => a - b)
    .map(([atMs, { ends, beginnings, windows }]) => ({ atMs, observation: { ...NOTHING, anomalies: [...ends, ...beginnings], regionWindows: windows } }));
}

class RaisedAlerts {
  private readonly from: number;
  private readonly to: number;
  private readonly kept: DryRunAlert[] = [];
  /** Those that go on, by id; null for one that is not kept. */
  private readonly active = new Map<string, DryRunAlert | null>();
  private readonly byRule: Record<string, number> = {};
  private total = 0;

  constructor(from: number, to: number) {
    this.from = from;
    this.to = to;
  }

  take(signals: readonly Signal[], nowMs: number): void {
    for (const signal of signals) {
      const id = alertId(fingerprintOf({ rule: signal.rule, kind: signal.kind, subject: signal }), signal.startedAt);
      const known = this.active.get(id);
      if (signal.state === 'cleared') {
        if (known) known.clearedAt = nowMs;
        this.active.delete(id);
      } else if (known === undefined) {
        this.active.set(id, this.open(signal, nowMs));
      } else if (known !== null) {
        Object.assign(known, { severity: signal.severity, title: signal.title, affectedMeters: Math.max(known.affectedMeters, signal.affectedMeters) });
      }
    }
  }

  result(): DryRunResult {
    return { alerts: this.kept, total: this.total, byRule: this.byRule };
  }

  private open(signal: Extract<Signal, { state: 'raised' }>, nowMs: number): DryRunAlert | null {
    if (nowMs < this.from || nowMs >= this.to) return null;
    this.total++;
    this.byRule[signal.rule] = (this.byRule[signal.rule] ?? 0) + 1;
    if (this.kept.length >= DRY_RUN_ALERTS_MAX) return null;
    const { type, kind, severity, rule, title, region, meterId, component, startedAt, affectedMeters } = signal;
    const alert = { type, kind, severity, rule, title, region, meterId, component, startedAt, openedAt: nowMs, affectedMeters, clearedAt: null };
    this.kept.push(alert);
    return alert;
  }
}

function regionOf(region: string, meters: number): RegionNow {
  return { region, meters, metersReporting: meters, metersSilent: 0, loadKw: 0, capacityKw: null, loadPercent: null, openAnomalies: 0 };
}
