import type { AnomalyKind, Severity } from './anomaly.ts';

/** What deserves a person. Times are epoch milliseconds. */

export const ALERT_TYPES = ['METER_OUTAGE', 'REGIONAL_OVERLOAD', 'ANOMALY', 'SYSTEM_FAILURE'] as const;
export type AlertType = (typeof ALERT_TYPES)[number];

export const ALERT_STATES = ['open', 'acknowledged', 'resolved'] as const;
export type AlertState = (typeof ALERT_STATES)[number];

/** What is wrong: an anomaly's kind, a region over its capacity, a region without power, or a part of the engine that is away. */
export type AlertKind = AnomalyKind | 'regional_load' | 'region_dark' | 'system';

/** What an alert is about: exactly one of a meter, a region as a whole, or a part of the engine. */
export interface AlertSubject {
  /** Of a meter: where it is now. Null for a part of the engine. */
  region: string | null;
  meterId: string | null;
  /** `shard-0`, `sinks`, `timescale`, `disk`, … */
  component: string | null;
}

/** Who did something and why; `by` is null for the engine itself. */
export interface Deed {
  at: number;
  by: string | null;
  why: string | null;
}

/** Why nobody is told of an alert that goes on. `id` names the silence, the maintenance window, or the alert that inhibits it; of flapping it is the alert's own. */
export interface Suppression {
  by: 'silence' | 'maintenance' | 'inhibition' | 'flapping';
  id: string;
}

export interface Alert extends AlertSubject {
  /** `fingerprint-startedAt` in base 36: what happened once has the same id after every restart. */
  id: string;
  /** Rises with every change; a command that names an older one is refused. */
  version: number;
  /** Of rule, kind and subject, 16 hexadecimal digits: the same trouble of the same thing has the same at any time. */
  fingerprint: string;
  type: AlertType;
  kind: AlertKind;
  severity: Severity;
  state: AlertState;
  /** Name of the rule that raised it. */
  rule: string;
  /** One line, as `Region region-03 is at 94 % of its capacity`. */
  title: string;
  /** A sentence or two with the figures. */
  description: string;
  /** As measured when it last changed, and what the rule allows; null where there is no figure. */
  value: number | null;
  threshold: number | null;
  unit: 'kW' | 'V' | '%' | 'meters' | null;
  /** When the condition began, by the meters' time. */
  startedAt: number;
  /** When it was raised, by the engine's clock. */
  openedAt: number;
  changedAt: number;
  acknowledged: Deed | null;
  resolved: Deed | null;
  /** 1 for a meter's own alert; of a dark region the meters without power. */
  affectedMeters: number;
  /** Times that the trouble came back while the alert was open. */
  occurrences: number;
  isFlapping: boolean;
  suppression: Suppression | null;
  /** The group that its notifications go with (model/notice.ts); null while it is in none. */
  group: string | null;
}

export const ALERT_EVENT_KINDS = ['opened', 'changed', 'recurred', 'acknowledged', 'resolved', 'suppressed', 'unsuppressed', 'notified', 'escalated'] as const;
export type AlertEventKind = (typeof ALERT_EVENT_KINDS)[number];

/** A line of an alert's history. */
export interface AlertEvent extends Deed {
  /** Counts the alert's events from 1. */
  sequence: number;
  kind: AlertEventKind;
  /** One sentence. */
  text: string;
}

export interface AlertDetail {
  alert: Alert;
  /** Oldest first; the oldest go when there are more than the bound. */
  history: AlertEvent[];
}

/** Newest first, in order of (openedAt, id). */
export interface AlertListQuery {
  /** `active`: open and acknowledged ones. */
  state: AlertState | 'active' | null;
  type: AlertType | null;
  severity: Severity | null;
  region: string | null;
  meterId: string | null;
  /** null: both. */
  isSuppressed: boolean | null;
  /** By openedAt, [from, to). */
  from: number;
  to: number;
  limit: number;
  cursor: string | null;
}

export interface AlertStatistics {
  active: { open: number; acknowledged: number; suppressed: number; bySeverity: Record<Severity, number>; byType: Record<AlertType, number> };
  /** Of alerts opened in the time asked for. */
  opened: { total: number; bySeverity: Record<Severity, number>; byType: Record<AlertType, number>; byRegion: Record<string, number> };
  /** Median times from opening, ms, of those acknowledged or resolved; null without any. */
  acknowledgedAfterMs: number | null;
  resolvedAfterMs: number | null;
}

/** Keeps notifications of matching alerts back until it ends. A maintenance window is one that was planned. */
export interface Silence {
  id: string;
  version: number;
  kind: 'silence' | 'maintenance';
  /** An alert matches when every list that is not empty has a pattern for it; `*` stands for any run of characters. */
  match: AlertMatch;
  startsAt: number;
  endsAt: number;
  /** Who made it, and why. */
  createdBy: string;
  comment: string;
  createdAt: number;
  /** Ended before its time. */
  ended: Deed | null;
}

export interface AlertMatch {
  types: AlertType[];
  severities: Severity[];
  /** Patterns. */
  rules: string[];
  regions: string[];
  meters: string[];
  components: string[];
}

/** One decision about an alert, or about one that did not come to be. */
export interface Decision {
  at: number;
  /** The part that decided. */
  step: 'rule' | 'duration' | 'deduplication' | 'flapping' | 'inhibition' | 'silence' | 'route' | 'grouping' | 'acknowledgement' | 'escalation' | 'on_call' | 'preference' | 'quiet_hours' | 'digest' | 'rate_limit' | 'channel' | 'delivery';
  /** Goes on to a person, waits, or ends here. */
  outcome: 'passed' | 'held' | 'stopped';
  /** One sentence with the figures that decided. */
  reason: string;
  /** Of decisions about a person. */
  contactId: string | null;
}
