import type { ClearedSignal, RaisedSignal } from '../../src/actors/alerts/signal.ts';

/** Signals of a meter's outage, or of what is said otherwise. */

export function raised(of: Partial<RaisedSignal> = {}): RaisedSignal {
  const signal = { rule: 'meter-outage', type: 'METER_OUTAGE', kind: 'outage', severity: 'WARN', region: 'north', meterId: null, component: null, startedAt: 0, value: 0, threshold: null, unit: 'kW', affectedMeters: 1, ...of } as const;
  return { state: 'raised', title: `Outage of ${signal.meterId ?? signal.region ?? signal.component}`, description: 'It is out.', ...signal };
}

export function cleared(of: Partial<ClearedSignal> = {}): ClearedSignal {
  return { state: 'cleared', rule: 'meter-outage', kind: 'outage', region: 'north', meterId: null, component: null, startedAt: 0, reason: 'over', ...of };
}
