import type { Alert, Silence } from '../../src/model/alert.ts';

/** Alerts and silences with plausible figures; `over` overrides. */

export function exampleAlert(over: Partial<Alert> = {}): Alert {
  const openedAt = over.openedAt ?? Date.UTC(2026, 0, 15, 12);
  const startedAt = over.startedAt ?? openedAt - 60_000;
  const fingerprint = over.fingerprint ?? '0123456789abcdef';
  return {
    id: `${fingerprint}-${startedAt.toString(36)}`,
    version: 1,
    fingerprint,
    type: 'REGIONAL_OVERLOAD',
    kind: 'regional_load',
    severity: 'CRITICAL',
    state: 'open',
    rule: 'regional-overload',
    title: 'Region north is at 94 % of its capacity',
    description: 'It was above 90 % in two windows of a minute.',
    region: 'north',
    meterId: null,
    component: null,
    value: 94,
    threshold: 90,
    unit: '%',
    startedAt,
    openedAt,
    changedAt: openedAt,
    acknowledged: null,
    resolved: null,
    affectedMeters: 0,
    occurrences: 1,
    isFlapping: false,
    suppression: null,
    group: null,
    ...over,
  };
}

export function exampleSilence(over: Partial<Silence> = {}): Silence {
  const startsAt = over.startsAt ?? Date.UTC(2026, 0, 15, 12);
  return {
    id: 'silence-1',
    version: 1,
    kind: 'silence',
    match: { types: [], severities: [], rules: [], regions: ['north'], meters: [], components: [] },
    startsAt,
    endsAt: startsAt + 3_600_000,
    createdBy: 'Ada',
    comment: 'works on the line',
    createdAt: startsAt,
    ended: null,
    ...over,
  };
}
