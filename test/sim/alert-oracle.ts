import { alertMatcher } from '../../src/actors/alerts/alert-match.ts';
import type { AlertRules } from '../../src/actors/alerts/rules.ts';
import { SEVERITIES, type Anomaly } from '../../src/model/anomaly.ts';
import type { Alert, AlertDetail, AlertMatch, AlertState } from '../../src/model/alert.ts';
import type { Contact } from '../../src/model/contact.ts';
import type { Delivery, Notice } from '../../src/model/notice.ts';
import { METERS_PER_REGION, REGIONS } from './alert-plan.ts';
import { REPEATS, type Handed } from './alert-providers.ts';
import { regionName, type SimGrid } from './alert-grid.ts';

/** What has to come of what went in, and what was let out so far. Times of the run are those of the meters' clock, which does not jump; `at` of alerts and notices are the engine's. */

/** From when the engine runs without trouble, and what waits is due, until people are told: a few commits. */
const TELL_MS_MAX = 3_000;
/** The shortest groupInterval of the documents. */
const GROUP_INTERVAL_MS_MIN = 60_000;
/** Some time after a notice is made who is to hear of it has been looked up, restarts included. */
const AUDIENCE_MS = 600_000;

const STATE_ORDER: Readonly<Record<AlertState, number>> = { open: 0, acknowledged: 1, resolved: 2 };

interface Deed {
  kind: 'acknowledged' | 'resolved';
  alertId: string;
  by: string;
  /** False: the answer was lost, and it may have been done. */
  isSure: boolean;
}

interface KnownSilence {
  id: string;
  match: AlertMatch;
  from: number;
  to: number;
}

export interface OracleModules {
  grid: SimGrid;
  now(): number;
  fail(problem: string): void;
}

/** What the supervisors say when everything is at rest. */
export interface FinalView {
  alerts: AlertDetail[];
  deliveries: Delivery[];
  notices: Notice[];
}

export class AlertOracle {
  /** Newest state that was let out. */
  readonly alerts = new Map<string, Alert>();
  readonly silences = new Map<string, KnownSilence>();
  /** Rules that were ever in force, the newest last. */
  readonly rules: AlertRules[] = [];
  /** The wall clock jumped at some time: nothing is said of when things happen. */
  jumped = false;
  /** Since when the engine runs without trouble. */
  calmSince = 0;
  private readonly modules: OracleModules;
  private readonly deeds: Deed[] = [];
  private readonly openedAt = new Map<string, number>();
  private readonly resolvedAt = new Map<string, number>();
  private readonly keptBack = new Set<string>();
  private readonly toldGroups = new Set<string>();
  private readonly noticeTimes = new Map<string, { text: string; at: number }>();
  private readonly contacts = new Map<string, { at: number; contact: Contact }[]>();
  private readonly handed: Handed[] = [];
  private readonly sent = new Set<string>();

  constructor(modules: OracleModules) {
    this.modules = modules;
  }

  // What is let out --------------------------------------------------------------------------------------------------------

  changed(alerts: readonly Alert[]): void {
    const { fail, now } = this.modules;
    for (const alert of alerts) {
      const before = this.alerts.get(alert.id);
      this.alerts.set(alert.id, alert);
      if (alert.suppression !== null) this.keptBack.add(alert.id);
      if (alert.state === 'resolved' && before?.state !== 'resolved') this.resolvedAt.set(alert.id, now());
      if (before === undefined) {
        this.openedAt.set(alert.id, now());
        const cause = this.whyNot(alert);
        if (cause !== null) fail(`alert ${alert.id} (${alert.title}) has no cause: ${cause}`);
        continue;
      }
      if (alert.version < before.version || (alert.version === before.version && JSON.stringify(alert) !== JSON.stringify(before))) fail(`alert ${alert.id} went from version ${before.version} to ${alert.version}`);
      // It died before it told of a version, in which a silence may have kept it back.
      if (alert.version > before.version + 1) this.keptBack.add(alert.id);
      const isAgain = alert.occurrences > before.occurrences;
      if (STATE_ORDER[alert.state] < STATE_ORDER[before.state] && !(before.state === 'resolved' && isAgain)) fail(`alert ${alert.id} went from ${before.state} to ${alert.state}`);
      if (before.resolved?.by != null && alert.state !== 'resolved' && alert.meterId !== null && this.rules.length === 1) fail(`alert ${alert.id} was resolved by ${before.resolved.by} and is ${alert.state} again`);
      if (before.acknowledged !== null && alert.acknowledged === null && !isAgain) fail(`alert ${alert.id} is not acknowledged any more`);
    }
  }

  told(notices: readonly Notice[]): void {
    const { now } = this.modules;
    for (const notice of notices) {
      this.noticeTimes.set(notice.id, { text: JSON.stringify(notice), at: now() });
      this.checkNotice(notice);
      this.checkFirst(notice);
      this.toldGroups.add(notice.group);
    }
  }

  private checkNotice(notice: Notice): void {
    const { fail } = this.modules;
    for (const { id, state } of notice.alerts) {
      if (state === 'resolved') continue;
      const alert = this.alerts.get(id);
      if (alert === undefined) return fail(`notice ${notice.id} is of ${id}, which nobody has heard of`);
      if (alert.suppression !== null) fail(`notice ${notice.id} (${notice.reason}) tells of ${id}, which ${alert.suppression.by} ${alert.suppression.id} keeps back`);
      for (const silence of this.silences.values()) {
        if (notice.at >= silence.from && notice.at < silence.to && alertMatcher(silence.match)(alert)) fail(`notice ${notice.id} (${notice.reason}) tells of ${id} under silence ${silence.id}`);
      }
      const isPressing = notice.reason === 'escalated' || notice.reason === 'repeated';
      if (isPressing && this.deeds.some(({ alertId, isSure }) => alertId === id && isSure) && alert.occurrences === 1) fail(`notice ${notice.id} is ${notice.reason}, and ${alert.acknowledged?.by ?? alert.resolved?.by} has ${id}`);
    }
  }

  /** The first notice of a group is not later than its wait, whatever restarts there were meanwhile. */
  private checkFirst(notice: Notice): void {
    const { fail, now } = this.modules;
    if (notice.reason !== 'new' || this.toldGroups.has(notice.group) || this.jumped || this.rules.length > 1) return;
    const waitMs = Math.max(...this.rules[0].routes.map(({ groupWait }) => groupWait));
    for (const { id, state } of notice.alerts) {
      const { kind } = this.alerts.get(id)!;
      // Of what somebody took before anybody was told nobody need be told.
      if (state !== 'open' || this.keptBack.has(id) || (kind !== 'outage' && kind !== 'system' && kind !== 'regional_load')) continue;
      const dueMs = Math.max(this.openedAt.get(id)! + waitMs, this.calmSince) + TELL_MS_MAX;
      if (now() > dueMs) fail(`notice ${notice.id} of ${id} is ${now() - dueMs} ms too late`);
    }
  }

  handedOver(handed: Handed): void {
    this.handed.push(handed);
    for (const noticeId of handed.noticeIds) {
      if (this.sent.has(`${noticeId}/${handed.contactId}`)) this.modules.fail(`${handed.contactId} is told ${noticeId} again by ${handed.channel}, when it had been sent`);
    }
  }

  delivered(delivery: Delivery): void {
    if (delivery.state === 'sent') this.sent.add(delivery.id);
    else if (this.sent.has(delivery.id)) this.modules.fail(`delivery ${delivery.id} was sent and is ${delivery.state}`);
  }

  // What people do ---------------------------------------------------------------------------------------------------------

  did(deed: Deed): void {
    this.deeds.push(deed);
  }

  /** `contact` as it may be from now on. */
  contactChanged(contact: Contact): void {
    const versions = this.contacts.get(contact.id);
    if (versions !== undefined && JSON.stringify(versions.at(-1)!.contact) === JSON.stringify(contact)) return;
    const version = { at: this.modules.now(), contact };
    if (versions === undefined) this.contacts.set(contact.id, [version]);
    else versions.push(version);
  }

  contact(id: string): Contact {
    return this.contacts.get(id)!.at(-1)!.contact;
  }

  contactIds(): string[] {
    return [...this.contacts.keys()];
  }

  // Causes -----------------------------------------------------------------------------------------------------------------

  /** null: there is a reason for such an alert. */
  private whyNot(alert: Alert): string | null {
    switch (alert.kind) {
      case 'region_dark': {
        const most = this.modules.grid.mostOut.get(alert.region!) ?? 0;
        return most >= 4 ? null : `never more than ${most} meters were out`;
      }
      case 'regional_load': {
        const windows = this.modules.grid.windows.get(alert.region!)!;
        return [0, 60_000].every((ms) => (windows.get(alert.startedAt + ms) ?? 0) >= 90) ? null : 'the load was below';
      }
      case 'system': {
        const spans = this.modules.grid.componentSpans.filter(({ component, from }) => component === alert.component && from === alert.startedAt);
        return spans.some(({ from, to }) => this.lasted(from, to, 10_000)) ? null : 'it was well, or not away for long enough';
      }
      default:
        return this.whyNotEpisode(alert);
    }
  }

  private whyNotEpisode(alert: Alert): string | null {
    const episode = this.modules.grid.find(alert.meterId!, alert.kind as Anomaly['kind'], alert.startedAt);
    if (episode === null) return 'there is no such episode';
    const forMs = Math.min(...this.rules.flatMap(({ rules }) => rules).flatMap((rule) => (rule.condition === 'anomaly' && rule.name === alert.rule ? [rule.for] : [])));
    return this.lasted(episode.startedAt, episode.endedAt, forMs) ? null : `it lasted less than ${forMs} ms`;
  }

  private lasted(from: number, to: number | null, ms: number): boolean {
    return this.jumped || (to ?? this.modules.now()) - from >= ms;
  }

  // At rest ----------------------------------------------------------------------------------------------------------------

  /** With conditions that have been what they are for long: what must be open is, and nothing else. */
  checkStanding(active: readonly Alert[], notices: readonly Notice[]): void {
    const { fail, grid } = this.modules;
    const rules = this.rules.at(-1)!;
    for (const alert of active) {
      const why = this.whyOver(alert);
      if (why !== null && !alert.isFlapping) fail(`alert ${alert.id} (${alert.title}) is ${alert.state}: ${why}`);
      if (alert.suppression === null && alert.state === 'open') this.checkTold(alert, rules, notices);
      this.checkSuppression(alert, active);
    }
    for (const episode of grid.open()) this.checkEpisode(episode, rules);
    for (let i = 0; i < REGIONS; i++) {
      const region = regionName(i);
      if (grid.loads[i] >= 90) this.mustStand('overload', ({ kind, region: where }) => kind === 'regional_load' && where === region, 0);
      if (grid.out(region) >= 4) this.mustStand('dark', ({ kind, region: where }) => kind === 'region_dark' && where === region, 0);
    }
    for (const { component, isWell, since } of grid.components) if (!isWell) this.mustStand('engine', ({ component: which }) => which === component, since);
  }

  private checkEpisode(episode: Anomaly, rules: AlertRules): void {
    const rule = rules.rules.find((one) => one.condition === 'anomaly' && one.kinds.includes(episode.kind));
    if (rule?.condition !== 'anomaly' || !rule.enabled) return;
    if (SEVERITIES.indexOf(episode.severity) < SEVERITIES.indexOf(rule.severityMin)) return;
    const isMember = episode.kind === 'outage' && [...this.alerts.values()].some(({ kind, region, state, resolved }) => kind === 'region_dark' && region === episode.region && (state !== 'resolved' || resolved!.by !== null));
    if (!isMember) this.mustStand(rule.name, ({ kind, meterId }) => kind === episode.kind && meterId === episode.meterId, episode.startedAt);
  }

  /** There is an active alert, or one that a person resolved after it began. */
  private mustStand(rule: string, is: (alert: Alert) => boolean, since: number): void {
    const found = [...this.alerts.values()].filter((alert) => alert.rule === rule && is(alert));
    const stands = found.some(({ id, state, resolved }) => state !== 'resolved' || (resolved!.by !== null && this.resolvedAt.get(id)! >= since));
    if (!stands) this.modules.fail(`${rule} has no alert since ${since}: ${JSON.stringify(found.map(({ id, state, resolved }) => ({ id, state, resolved })))}`);
  }

  /** null: its condition goes on. */
  private whyOver(alert: Alert): string | null {
    const { grid } = this.modules;
    switch (alert.kind) {
      case 'region_dark': {
        const out = grid.out(alert.region!);
        return (100 * out) / METERS_PER_REGION >= 10 ? null : `${out} meters are out`;
      }
      case 'regional_load': {
        const percent = grid.loads[Number(alert.region!.slice(1))];
        return percent >= 85 ? null : `the load is at ${percent} %`;
      }
      case 'system':
        return grid.components.some(({ component, isWell }) => component === alert.component && !isWell) ? null : 'it is well';
      default:
        return grid.open().some(({ meterId, kind }) => meterId === alert.meterId && kind === alert.kind) ? null : 'the episode is over';
    }
  }

  private checkTold(alert: Alert, rules: AlertRules, notices: readonly Notice[]): void {
    const isRouted = rules.routes.some(({ match }) => alertMatcher(match)(alert));
    const isTold = notices.some(({ alerts, alertCount }) => alertCount > alerts.length || alerts.some(({ id }) => id === alert.id));
    if (isRouted && !isTold) this.modules.fail(`nobody was told of ${alert.id} (${alert.title})`);
  }

  private checkSuppression({ id, suppression, region, meterId, type }: Alert, active: readonly Alert[]): void {
    const { fail } = this.modules;
    const isInhibited = active.some((source) => source.id !== id && ((source.rule === 'dark' && source.region === region && meterId !== null) || (source.type === 'METER_OUTAGE' && source.meterId === meterId && meterId !== null && type === 'ANOMALY')));
    if (suppression === null && isInhibited) fail(`alert ${id} is not inhibited`);
    if (suppression?.by === 'inhibition' && !isInhibited) fail(`alert ${id} is inhibited by ${suppression.id}, which is over`);
    if (suppression?.by === 'silence') fail(`alert ${id} is kept back by silence ${suppression.id}, and all have ended`);
  }

  /** With everything over and done. */
  checkFinal({ alerts, deliveries, notices }: FinalView): void {
    for (const detail of alerts) this.checkHistory(detail);
    for (const { alertId, kind, by, isSure } of this.deeds) {
      const lines = alerts.find(({ alert }) => alert.id === alertId)?.history.filter((event) => event.kind === kind && event.by === by).length ?? 0;
      if (lines > 1 || (isSure && lines === 0)) this.modules.fail(`${alertId} was ${kind} by ${by}, and its history says so ${lines} times`);
    }
    this.checkGroups(notices);
    const byId = new Map(deliveries.map((delivery) => [delivery.id, delivery]));
    for (const notice of notices) this.checkAudience(notice, byId);
    for (const delivery of deliveries) this.checkDelivery(delivery, deliveries);
    this.checkRepetitions();
  }

  private checkHistory({ alert, history }: AlertDetail): void {
    const { fail } = this.modules;
    if (!history.every(({ sequence }, i) => sequence === i + 1) || history[0]?.kind !== 'opened') fail(`the history of ${alert.id} has gaps: ${history.map(({ sequence, kind }) => `${sequence} ${kind}`).join(', ')}`);
    if (alert.state === 'resolved' && !history.some(({ kind, by, why }) => kind === 'resolved' && by === alert.resolved!.by && why === alert.resolved!.why)) fail(`the history of ${alert.id} does not say who resolved it`);
    for (const { kind, by } of history) if (by !== null && !this.deeds.some((deed) => deed.alertId === alert.id && deed.by === by && deed.kind === kind)) fail(`${by} has never ${kind} ${alert.id}`);
    // Where a process died between a commit and those who hear of it, it is newer than what they know.
    const known = this.alerts.get(alert.id);
    if (known !== undefined && known.version > alert.version) fail(`alert ${alert.id} was of version ${known.version} and is of ${alert.version}`);
  }

  private checkGroups(notices: readonly Notice[]): void {
    const { fail } = this.modules;
    const groups = new Map<string, Notice[]>();
    for (const notice of notices) groups.set(notice.group, [...(groups.get(notice.group) ?? []), notice]);
    for (const [group, of] of groups) {
      const inOrder = of.toSorted((a, b) => numberOf(a.id) - numberOf(b.id));
      if (!inOrder.every(({ id }, i) => numberOf(id) === i + 1)) fail(`notices of ${group} are ${inOrder.map(({ id }) => id).join(', ')}`);
      if (inOrder.some(({ reason }, i) => reason === 'new' && i > 0)) fail(`group ${group} was new twice`);
      if (this.jumped || this.rules.length > 1) continue;
      let toldAt = -Infinity;
      const known = new Map<string, number>();
      for (const notice of inOrder) {
        const { id, at, reason } = notice;
        if (reason === 'changed' && !this.isNews(notice, known)) fail(`notice ${id} says nothing new`);
        for (const { id: alertId, severity } of notice.alerts) known.set(alertId, SEVERITIES.indexOf(severity));
        if (reason === 'escalated') continue;
        if (at < toldAt + GROUP_INTERVAL_MS_MIN) fail(`notice ${id} (${reason}) comes ${at - toldAt} ms after the one before`);
        toldAt = at;
      }
    }
    for (const [id, { text }] of this.noticeTimes) {
      const kept = notices.find((notice) => notice.id === id);
      if (kept === undefined) fail(`nothing was made of notice ${id}`);
      else if (JSON.stringify(kept) !== text) fail(`notice ${id} is another now`);
    }
  }

  /** One of its alerts was not told of, is worse, is over, or was kept back or gone meanwhile. */
  private isNews({ alerts, alertCount }: Notice, known: ReadonlyMap<string, number>): boolean {
    const isNew = (id: string): boolean => !known.has(id) || this.keptBack.has(id) || this.alerts.get(id)!.occurrences > 1;
    return alertCount > alerts.length || alerts.some(({ id, state, severity }) => state === 'resolved' || isNew(id) || SEVERITIES.indexOf(severity) > known.get(id)!);
  }

  private checkAudience(notice: Notice, deliveries: ReadonlyMap<string, Delivery>): void {
    const known = this.noticeTimes.get(notice.id);
    // Made by a life that did not live to say so: by the engine's clock, where it can be trusted.
    const at = known?.at ?? (this.jumped ? null : notice.at);
    if (at === null || notice.reason === 'resolved') return;
    for (const contactId of this.contacts.keys()) {
      const isMeant = notice.recipients.includes(contactId) || (notice.subscribers && this.subscribes(contactId, notice, at));
      if (isMeant && !deliveries.has(`${notice.id}/${contactId}`)) this.modules.fail(`${contactId} is to hear of ${notice.id} (${notice.reason}), and there is no delivery`);
    }
  }

  /** Whatever version of the person was in force when it was looked up. */
  private subscribes(contactId: string, { severity, regions }: Notice, at: number): boolean {
    const versions = this.contacts.get(contactId)!;
    const inForce = versions.filter((version, i) => version.at <= at + AUDIENCE_MS && (versions[i + 1]?.at ?? Infinity) >= at);
    return inForce.every(({ contact: { preferences } }) => {
      const { subscription } = preferences;
      if (subscription === null || SEVERITIES.indexOf(severity) < SEVERITIES.indexOf(subscription.severityMin)) return false;
      return subscription.regions.length === 0 || subscription.regions.some((region) => regions.includes(region));
    });
  }

  private checkDelivery(delivery: Delivery, deliveries: readonly Delivery[]): void {
    const { fail } = this.modules;
    const { id, state, contactId, noticeId, group, receipts, severity } = delivery;
    const last = receipts.at(-1);
    if (state === 'sent') {
      if (!this.handed.some((handed) => handed.contactId === contactId && handed.went && handed.noticeIds.includes(noticeId))) fail(`delivery ${id} is sent, and ${contactId} has nothing`);
      return;
    }
    if (state !== 'failed' && state !== 'suppressed') return fail(`delivery ${id} is still ${state}`);
    if (last?.step !== state || last.text === '') fail(`delivery ${id} is ${state} and does not say why: ${JSON.stringify(last)}`);
    if (last?.code === 'replaced' && !deliveries.some((other) => other.group === group && numberOf(other.noticeId) > numberOf(noticeId) && other.contactId === contactId) && !this.isOverSince(delivery)) fail(`delivery ${id} was replaced by nothing`);
    if (last?.code === 'preference' && !this.contacts.get(contactId)!.some(({ contact }) => contact.preferences.channels[severity].length === 0)) fail(`delivery ${id} is not wanted, and ${contactId} wants it`);
    if (state === 'failed' && this.contacts.get(contactId)!.length === 1 && !this.handed.some((handed) => handed.contactId === contactId && handed.noticeIds.includes(noticeId) && handed.answer !== 'accepted')) fail(`delivery ${id} failed, and no provider said no: ${last?.text}`);
  }

  /** It was over before they were told. */
  private isOverSince({ group, noticeId }: Delivery): boolean {
    return [...this.noticeTimes].some(([id, { text }]) => id.startsWith(`${group}/`) && numberOf(id) > numberOf(noticeId) && (JSON.parse(text) as Notice).reason === 'resolved') || this.noticeTimes.size === 0;
  }

  private checkRepetitions(): void {
    const views = new Map<string, Handed[]>();
    for (const handed of this.handed) {
      for (const noticeId of handed.went ? handed.noticeIds : []) {
        const key = `${handed.channel} ${handed.contactId} ${noticeId}`;
        views.set(key, [...(views.get(key) ?? []), handed]);
      }
    }
    for (const [key, handed] of views) {
      const repeats = REPEATS[handed[0].channel];
      const times = repeats === 'safe' ? new Set(handed.map(({ messageId }) => messageId)).size : handed.length;
      if (times > (repeats === 'blind' ? 2 : 1)) this.modules.fail(`${key} was given ${times} times`);
    }
  }
}

function numberOf(noticeId: string): number {
  return Number(noticeId.slice(noticeId.lastIndexOf('/') + 1));
}
