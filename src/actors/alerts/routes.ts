import { hash } from 'node:crypto';
import type { Alert } from '../../model/alert.ts';
import { alertMatcher } from './alert-match.ts';
import type { AlertRoute, AlertRules } from './rules.ts';

/** Which way an alert goes, and which alerts go together. */

/** 48 bits: names a group together with a number of its own, so that two that agree do no more than share a beginning. */
const BUCKET_DIGITS = 12;

export interface Routed {
  route: AlertRoute;
  /** The same for all alerts of the route that agree in what it groups by. */
  bucket: string;
  /** What they agree in, as `region region-03, type METER_OUTAGE`; empty where the route has one group. */
  labels: string;
}

export class Routes {
  private readonly matched: { route: AlertRoute; matches: (alert: Alert) => boolean }[];

  constructor(rules: AlertRules) {
    this.matched = rules.routes.map((route) => ({ route, matches: alertMatcher(route.match) }));
  }

  /** The first route that matches; null: none does. */
  find(alert: Alert): Routed | null {
    const found = this.matched.find(({ matches }) => matches(alert));
    if (found === undefined) return null;
    const { route } = found;
    const values = [...new Set(route.groupBy)].sort().map((label) => [label, valueOf(alert, label)] as const);
    return {
      route,
      bucket: hash('sha256', JSON.stringify([route.name, values])).slice(0, BUCKET_DIGITS),
      labels: values.map(([label, value]) => (value === null ? `no ${label}` : `${label} ${value}`)).join(', '),
    };
  }
}

function valueOf(alert: Alert, label: AlertRoute['groupBy'][number]): string | null {
  return label === 'meter' ? alert.meterId : alert[label];
}
