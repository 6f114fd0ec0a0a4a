import type { Alert, Suppression } from '../../model/alert.ts';
import { SEVERITIES, type Severity } from '../../model/anomaly.ts';
import type { Due } from './conditions/due-times.ts';
import type { EscalationStep } from './escalation.ts';
import type { AlertRoute, EscalationPolicy } from './rules.ts';

/** Alerts that people are told of together, and what they have been told. */

/** As it is stored. */
export interface GroupRecord {
  /** `bucket-number`: of no other group, ever. */
  key: string;
  bucket: string;
  route: string;
  labels: string;
  openedAt: number;
  /** Number of its last notice. */
  notices: number;
  /** When all of it was told last: new, changed, repeated or resolved; null: never. */
  toldAt: number | null;
  /** When what changed is told; null: nothing has. */
  changeDueAt: number | null;
  /** null: nobody is waited for. */
  escalation: EscalationStep | null;
  /** Levels of the policy that hear of what changes. */
  levels: number;
  /** Contacts that any notice of it named, to hear when it is over. */
  toldContacts: string[];
  toldSubscribers: boolean;
}

/** Of an alert in a group, as it is stored once people have been told of it. */
export interface MemberRecord {
  /** As they were told; null: they are to be told anew. */
  severity: Severity | null;
}

export interface Member {
  readonly id: string;
  state: 'firing' | 'acknowledged' | 'suppressed' | 'resolved';
  severity: Severity;
  /** What keeps it back, as of when it was last active. */
  keptBackBy: Suppression['by'] | null;
  /** null: people have never been told of it. */
  told: MemberRecord | null;
  /** Of one that is resolved and still to be told of: the book may forget it. */
  resolved: Alert | null;
}

export class Group implements Due {
  readonly record: GroupRecord;
  readonly members = new Map<string, Member>();
  /** By the rules in force; null: there is no such route any more, and the group ends. */
  route: AlertRoute | null = null;
  policy: EscalationPolicy | null = null;
  /** Members that something is to be said about. */
  untold = 0;
  /** Members that people know of and nobody has taken on. */
  waiting = 0;
  dueMs = Infinity;
  position = -1;

  constructor(record: GroupRecord) {
    this.record = record;
  }

  /** Keeps the counts right around a change of a member: `change` may add, alter or remove it. */
  around(id: string, change: () => void): void {
    this.count(this.members.get(id), -1);
    change();
    this.count(this.members.get(id), 1);
  }

  private count(member: Member | undefined, by: 1 | -1): void {
    if (member === undefined) return;
    if (isUntold(member)) this.untold += by;
    if (isWaiting(member)) this.waiting += by;
  }
}

/** Something is to be said about it. Who has taken an alert on before anybody was told needs no telling, and nobody else does. */
export function isUntold({ state, severity, told }: Member): boolean {
  switch (state) {
    case 'firing':
      return told === null || told.severity === null || rank(severity) > rank(told.severity);
    case 'acknowledged':
      return told !== null && told.severity !== null && rank(severity) > rank(told.severity);
    case 'suppressed':
      return false;
    case 'resolved':
      return told !== null;
  }
}

/** People know of it, and nobody has taken it on: it is repeated and escalated. */
export function isWaiting({ state, told }: Member): boolean {
  return state === 'firing' && told !== null && told.severity !== null;
}

export function stateOf(alert: Alert): Member['state'] {
  if (alert.state === 'resolved') return 'resolved';
  if (alert.suppression !== null) return 'suppressed';
  return alert.state === 'acknowledged' ? 'acknowledged' : 'firing';
}

/** Nobody wants to hear that it is over: it was told to nobody, or a silence is on it. What was inhibited or flapping people know of, so they hear. */
export function endsUntold({ told, keptBackBy }: Member): boolean {
  return told === null || keptBackBy === 'silence' || keptBackBy === 'maintenance';
}

export function rank(severity: Severity): number {
  return SEVERITIES.indexOf(severity);
}
