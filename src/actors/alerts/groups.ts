import type { Alert, Decision } from '../../model/alert.ts';
import { NOTICE_MEMBERS_MAX, type Notice, type NoticeReason } from '../../model/notice.ts';
import { utcText } from '../../model/utc-text.ts';
import type { KeyedRecord } from '../../runtime/record-table.ts';
import type { Store } from '../../runtime/store.ts';
import type { AlertBook } from './alert-book.ts';
import type { AlertChange } from './alert-change.ts';
import { DueTimes } from './conditions/due-times.ts';
import { audienceOf, levelOf, longestPause, stepAfter, type Audience, type People } from './escalation.ts';
import { GroupStore } from './group-store.ts';
import { noticeContents } from './group-notice.ts';
import { Group, endsUntold, isUntold, isWaiting, stateOf, type Member } from './group.ts';
import { Routes, type Routed } from './routes.ts';
import type { AlertRoute, AlertRules } from './rules.ts';

/** Notices of one tick at most, a second's work for who makes deliveries of them; the rest are due at once again. */
const TICK_NOTICES_MAX = 500;
/** However often the rules want it: a person who is told every minute looks away. */
const REPEAT_MS_MIN = 60_000;
/** Contacts that a group remembers: ten levels of twenty, over some weeks of turns. */
const TOLD_CONTACTS_MAX = 1_000;

/** What groups need of the alert book. */
export type GroupedAlerts = Pick<AlertBook, 'get' | 'active' | 'setGroup' | 'decide' | 'note'>;

/**
 * Puts alerts into groups by the routes, and decides when people are told of a group and whom: what is new waits for more of its kind, what changed for its interval, what goes on is repeated and escalated until somebody
 * acknowledges it. Notices are durable with what they say was told, so that a restart neither repeats nor forgets one. Where the clock goes back, nothing waits longer than from scratch.
 */
export class GroupBook {
  private readonly store: GroupStore;
  private readonly alerts: GroupedAlerts;
  private readonly people: People;
  private rules: AlertRules;
  private routes: Routes;
  private readonly groups = new Map<string, Group>();
  /** The group that takes the next alert. */
  private readonly byBucket = new Map<string, Group>();
  private readonly due = new DueTimes<Group>();
  private latestMs = -Infinity;

  constructor(rules: AlertRules, { store, alerts, people }: { store: Store; alerts: GroupedAlerts; people: People }) {
    this.rules = rules;
    this.routes = new Routes(rules);
    this.store = new GroupStore(store);
    this.alerts = alerts;
    this.people = people;
  }

  get size(): number {
    return this.groups.size;
  }

  /** Once, when the alert book has loaded. */
  load(nowMs: number): void {
    for (const { record, members } of this.store.load()) {
      const group = new Group(record);
      this.groups.set(record.key, group);
      this.byBucket.set(record.bucket, group);
      for (const { alertId, record: told } of members) {
        const alert = this.alerts.get(alertId);
        if (alert === null) this.store.putMember(record, alertId, null);
        else group.around(alertId, () => group.members.set(alertId, { ...memberOf(alert), told }));
      }
    }
    this.latestMs = nowMs;
    for (const alert of this.alerts.active()) {
      const group = alert.group === null ? undefined : this.groups.get(alert.group);
      if (group !== undefined && !group.members.has(alert.id)) group.around(alert.id, () => group.members.set(alert.id, memberOf(alert)));
    }
    this.route(nowMs);
  }

  /** Queues what changed for the store's next commit; gives the notices in it. */
  flush(): KeyedRecord<Notice>[] {
    return this.store.flush();
  }

  /** Takes over alerts that changed, as the book has them now. */
  apply(changes: readonly Pick<AlertChange, 'alert' | 'what'>[], nowMs: number): void {
    const opened = new Set(changes.filter(({ what }) => what === 'opened').map(({ alert }) => alert.id));
    for (const id of new Set(changes.map(({ alert }) => alert.id))) {
      const alert = this.alerts.get(id);
      if (alert !== null) this.take(alert, opened.has(id), nowMs);
    }
  }

  /** Alerts whose way has changed go to another group, where they are new; the others' times are the new rules' from their next notice on. */
  setRules(rules: AlertRules, nowMs: number): void {
    this.rules = rules;
    this.routes = new Routes(rules);
    this.route(nowMs);
  }

  /** When `tick` has something to do; Infinity: nothing waits for time. */
  nextDueMs(): number {
    return this.due.nextMs;
  }

  /** Tells what is due; the notices are in the store's hands. */
  tick(nowMs: number): Notice[] {
    if (nowMs < this.latestMs) for (const group of this.groups.values()) this.schedule(group, nowMs);
    this.latestMs = nowMs;
    const notices: Notice[] = [];
    while (notices.length < TICK_NOTICES_MAX) {
      const group = this.due.take(nowMs);
      if (group === null) break;
      const notice = this.tell(group, nowMs);
      if (notice !== null) notices.push(notice);
      this.schedule(group, nowMs);
    }
    return notices;
  }

  private route(nowMs: number): void {
    for (const group of this.groups.values()) {
      group.route = this.rules.routes.find(({ name }) => name === group.record.route) ?? null;
      group.policy = this.rules.escalations.find(({ name }) => name === group.route?.escalation) ?? null;
    }
    // In an order that a restart does not change: groups are numbered as they are made.
    for (const alert of [...this.alerts.active()].sort(byAge)) this.take(alert, false, nowMs);
    for (const group of [...this.groups.values()]) this.schedule(group, nowMs);
  }

  private take(alert: Alert, isNew: boolean, nowMs: number): void {
    const present = alert.group === null ? undefined : this.groups.get(alert.group);
    if (alert.state === 'resolved') {
      if (present !== undefined) this.takeResolved(present, alert, nowMs);
      return;
    }
    const routed = this.routes.find(alert);
    const isStaying = present !== undefined && present.members.has(alert.id) && present.record.bucket === routed?.bucket && present.route !== null;
    if (present !== undefined && !isStaying) this.leave(present, alert.id, nowMs);
    if (routed !== null) this.update(isStaying ? present : this.join(routed, alert, nowMs), alert, nowMs);
    else if (alert.group !== null || isNew) this.decide(alert.id, 'route', 'stopped', 'No route matches it: it is shown, and told to nobody.', nowMs);
    if (routed === null && alert.group !== null) this.alerts.setGroup(alert.id, null);
  }

  private takeResolved(group: Group, alert: Alert, nowMs: number): void {
    const member = group.members.get(alert.id);
    if (member === undefined || member.state === 'resolved') return;
    if (endsUntold(member)) {
      const reason = member.told === null ? 'It was over before anybody was told of it: nobody is told that it is.' : 'It ended under a silence: nobody is told.';
      this.decide(alert.id, 'grouping', 'stopped', reason, nowMs);
      this.leave(group, alert.id, nowMs);
      return;
    }
    group.around(alert.id, () => Object.assign(member, { state: 'resolved', resolved: alert }));
    this.schedule(group, nowMs);
  }

  private update(group: Group, alert: Alert, nowMs: number): void {
    const member = group.members.get(alert.id)!;
    const state = stateOf(alert);
    member.keptBackBy = alert.suppression?.by ?? null;
    if (member.state === state && member.severity === alert.severity) return;
    // One that was resolved and goes on after all is what people think it is, if they were not told.
    group.around(alert.id, () => Object.assign(member, { state, severity: alert.severity, resolved: null }));
    // What goes on when its suppression ends is news again.
    if (state === 'suppressed' && member.told !== null && member.told.severity !== null) this.setTold(group, member, { severity: null });
    this.schedule(group, nowMs);
  }

  private join({ route, bucket, labels }: Routed, alert: Alert, nowMs: number): Group {
    let group = this.byBucket.get(bucket);
    if (group === undefined) {
      const key = `${bucket}-${this.store.nextGroupNumber().toString(36)}`;
      group = new Group({
        key,
        bucket,
        route: route.name,
        labels,
        openedAt: nowMs,
        notices: 0,
        toldAt: null,
        changeDueAt: null,
        escalation: null,
        levels: 0,
        toldContacts: [],
        toldSubscribers: false,
      });
      this.groups.set(key, group);
      this.byBucket.set(bucket, group);
    }
    group.route = route;
    group.policy = this.rules.escalations.find(({ name }) => name === route.escalation) ?? null;
    const joined = group;
    joined.around(alert.id, () => joined.members.set(alert.id, memberOf(alert)));
    this.alerts.setGroup(alert.id, joined.record.key);
    this.schedule(joined, nowMs);
    this.decide(alert.id, 'route', 'passed', `Route ${route.name} takes it${route.escalation === null ? ', for subscribers' : `, with escalation ${route.escalation}`}.`, nowMs);
    const due = joined.record.changeDueAt;
    const when = due === null ? 'while it is kept back nobody is told' : `told at ${utcText(due)}`;
    this.decide(alert.id, 'grouping', 'held', `It is in group ${joined.record.key} (${labels === '' ? 'all of the route' : labels}), of ${joined.members.size}; ${when}.`, nowMs);
    return joined;
  }

  private leave(group: Group, alertId: string, nowMs: number): void {
    const member = group.members.get(alertId);
    group.around(alertId, () => group.members.delete(alertId));
    if (member?.told != null) this.store.putMember(group.record, alertId, null);
    this.schedule(group, nowMs);
  }

  private setTold(group: Group, member: Member, told: Member['told']): void {
    group.around(member.id, () => (member.told = told));
    this.store.putMember(group.record, member.id, told);
  }

  /** Puts the group where its next time is, from what it holds; one that holds nothing ends. */
  private schedule(group: Group, nowMs: number): void {
    const { record, policy } = group;
    this.due.remove(group);
    if (group.members.size === 0) {
      this.store.remove(record);
      this.groups.delete(record.key);
      if (this.byBucket.get(record.bucket) === group) this.byBucket.delete(record.bucket);
      return;
    }
    const waitMs = group.route?.groupWait ?? 0;
    const intervalMs = group.route?.groupInterval ?? 0;
    if (record.toldAt !== null) record.toldAt = Math.min(record.toldAt, nowMs);
    if (group.untold === 0) record.changeDueAt = null;
    else {
      const isFirst = record.toldAt === null;
      const soonestMs = nowMs + waitMs + (isFirst ? (policy?.levels[0].after ?? 0) : 0);
      const wantedMs = record.toldAt === null ? soonestMs : Math.max(soonestMs, record.toldAt + intervalMs);
      record.changeDueAt = Math.min(record.changeDueAt ?? wantedMs, wantedMs);
    }
    this.scheduleEscalation(group, nowMs);
    const repeatMs = group.waiting > 0 && group.route !== null ? record.toldAt! + repeatInterval(group.route) : Infinity;
    group.dueMs = Math.min(record.changeDueAt ?? Infinity, repeatMs, record.escalation?.dueAt ?? Infinity);
    if (group.dueMs < Infinity) this.due.add(group);
    this.store.put(record);
  }

  private scheduleEscalation({ record, policy, route, waiting }: Group, nowMs: number): void {
    const pauseMs = route?.groupInterval ?? 0;
    if (policy === null || waiting === 0) record.escalation = null;
    // Told by rules that had no escalation.
    else if (record.escalation === null) record.escalation = stepAfter(policy, 0, nowMs, pauseMs);
    else if (record.escalation.dueAt !== null) record.escalation.dueAt = Math.min(record.escalation.dueAt, nowMs + longestPause(policy, pauseMs));
  }

  private tell(group: Group, nowMs: number): Notice | null {
    const { record, route } = group;
    if (record.changeDueAt !== null && record.changeDueAt <= nowMs) return this.tellChange(group, nowMs);
    if (record.escalation?.dueAt != null && record.escalation.dueAt <= nowMs) return this.escalate(group, nowMs);
    if (group.waiting > 0 && route !== null && record.toldAt! + repeatInterval(route) <= nowMs) return this.repeat(group, nowMs);
    return null;
  }

  private tellChange(group: Group, nowMs: number): Notice | null {
    const { record, policy } = group;
    const untold = [...group.members.values()].filter(isUntold);
    const told = [...group.members.values()].filter(({ state }) => state !== 'suppressed').filter((member) => member.state !== 'resolved' || isUntold(member));
    const isOver = told.every(({ state }) => state === 'resolved');
    const reason: NoticeReason = isOver ? 'resolved' : record.toldAt === null ? 'new' : 'changed';
    const isNews = untold.some(({ state }) => state === 'firing');
    if (policy !== null && isNews && record.escalation === null) {
      record.levels = 1;
      record.escalation = stepAfter(policy, 1, nowMs, group.route!.groupInterval);
    }
    const audience = isOver ? this.audienceSoFar(group) : this.audienceOfLevels(group, nowMs);
    const contents = told.map((member) => this.alertOf(member)).filter((alert) => alert !== null);
    for (const member of told) {
      if (member.state === 'resolved') this.leaveTold(group, member);
      else if (member.told === null || member.told.severity !== member.severity) this.setTold(group, member, { severity: member.severity });
    }
    record.toldAt = nowMs;
    record.changeDueAt = null;
    return this.notify(group, reason, 0, contents, audience, nowMs);
  }

  private leaveTold(group: Group, member: Member): void {
    group.around(member.id, () => group.members.delete(member.id));
    this.store.putMember(group.record, member.id, null);
  }

  private repeat(group: Group, nowMs: number): Notice | null {
    group.record.toldAt = nowMs;
    return this.notify(group, 'repeated', 0, this.waitingAlerts(group), this.audienceOfLevels(group, nowMs), nowMs);
  }

  private escalate(group: Group, nowMs: number): Notice | null {
    const { record } = group;
    const policy = group.policy!;
    const told = record.escalation!.told;
    const level = levelOf(policy, told);
    record.levels = Math.max(record.levels, level + 1);
    record.escalation = stepAfter(policy, told + 1, nowMs, group.route!.groupInterval);
    return this.notify(group, 'escalated', level, this.waitingAlerts(group), audienceOf(policy.levels[level].notify, this.people, nowMs), nowMs);
  }

  /** Everybody whom a level that has been told names now; of a route without escalation whoever subscribed. */
  private audienceOfLevels({ record, policy }: Group, nowMs: number): Audience {
    if (policy === null) return { contacts: [], subscribers: true, decisions: [] };
    return audienceOf(policy.levels.slice(0, Math.max(1, record.levels)).flatMap(({ notify }) => notify), this.people, nowMs);
  }

  /** Who was told that it began, not who is on call when it ends. */
  private audienceSoFar({ record }: Group): Audience {
    return { contacts: record.toldContacts.filter((id) => this.people.contact(id) !== null), subscribers: record.toldSubscribers, decisions: [] };
  }

  private waitingAlerts(group: Group): Alert[] {
    return [...group.members.values()]
      .filter(isWaiting)
      .map((member) => this.alertOf(member))
      .filter((alert) => alert !== null);
  }

  private alertOf(member: Member): Alert | null {
    return member.resolved ?? this.alerts.get(member.id);
  }

  /** null: it is for nobody, and the next level is told at once. */
  private notify(group: Group, reason: NoticeReason, level: number, alerts: readonly Alert[], audience: Audience, nowMs: number): Notice | null {
    const { record } = group;
    const isForSomebody = audience.contacts.length > 0 || audience.subscribers;
    if (!isForSomebody && record.escalation?.dueAt != null && record.escalation.told % group.policy!.levels.length > 0) record.escalation.dueAt = nowMs;
    const id = `${record.key}/${record.notices + 1}`;
    this.explain(alerts, reason, level, isForSomebody ? id : null, audience, nowMs);
    if (!isForSomebody || alerts.length === 0) return null;
    record.notices++;
    record.toldContacts = [...new Set([...record.toldContacts, ...audience.contacts])].slice(-TOLD_CONTACTS_MAX);
    record.toldSubscribers ||= audience.subscribers;
    const notice: Notice = { id, at: nowMs, reason, group: record.key, ...noticeContents(alerts), level, recipients: audience.contacts, subscribers: audience.subscribers };
    this.store.putNotice(notice);
    return notice;
  }

  private explain(alerts: readonly Alert[], reason: NoticeReason, level: number, noticeId: string | null, audience: Audience, nowMs: number): void {
    const step = reason === 'escalated' ? 'escalation' : 'grouping';
    const who = [...audience.contacts.map((id) => this.people.contact(id)?.name ?? id), ...(audience.subscribers ? ['subscribers'] : [])].join(', ');
    const what = reason === 'escalated' ? `level ${level + 1}` : reason;
    for (const { id } of alerts.slice(0, NOTICE_MEMBERS_MAX)) {
      for (const decision of audience.decisions) this.alerts.decide(id, { at: nowMs, ...decision });
      if (noticeId === null) {
        this.decide(id, step, 'stopped', `There is nobody to tell (${what}).`, nowMs);
        continue;
      }
      this.decide(id, step, 'passed', `Notice ${noticeId} (${what}) goes to ${who}.`, nowMs);
      this.alerts.note(id, reason === 'escalated' ? 'escalated' : 'notified', reason === 'escalated' ? `Nobody acknowledged it: ${what} is told, ${who}.` : `Told to ${who} (${what}).`, nowMs);
    }
  }

  private decide(alertId: string, step: Decision['step'], outcome: Decision['outcome'], reason: string, nowMs: number): void {
    this.alerts.decide(alertId, { at: nowMs, step, outcome, reason, contactId: null });
  }
}

function repeatInterval(route: AlertRoute): number {
  return Math.max(REPEAT_MS_MIN, route.repeatInterval);
}

function byAge(a: Alert, b: Alert): number {
  return a.openedAt - b.openedAt || (a.id < b.id ? -1 : 1);
}

function memberOf(alert: Alert): Member {
  return { id: alert.id, state: stateOf(alert), severity: alert.severity, keptBackBy: alert.suppression?.by ?? null, told: null, resolved: alert.state === 'resolved' ? alert : null };
}
