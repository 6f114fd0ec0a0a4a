import type { Alert, AlertDetail, AlertEvent, AlertEventKind, AlertListQuery, AlertStatistics, Decision, Deed, Silence } from '../../model/alert.ts';
import type { Page } from '../../model/queries.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { Store } from '../../runtime/store.ts';
import type { ChangeLogOptions } from '../sinks/change-log.ts';
import type { AlertChange, CommandOutcome } from './alert-change.ts';
import { isActive, isStanding, type AlertRecord, type Entry } from './alert-entry.ts';
import { forgetHistory, listAlerts } from './alert-history.ts';
import { AlertOutbox } from './alert-outbox.ts';
import { AlertStore } from './alert-store.ts';
import { alertId, fingerprintOf } from './fingerprint.ts';
import { Flapping } from './flapping.ts';
import { Inhibitions } from './inhibitions.ts';
import { KeptBack } from './kept-back.ts';
import { BULK_MAX, type AlertAnswers, type NewSilence } from './protocol.ts';
import { Reappearances } from './reappearances.ts';
import type { AlertRules } from './rules.ts';
import type { ClearedSignal, RaisedSignal, Signal } from './signal.ts';
import { Silences } from './silences.ts';
import { AlertCounts } from './statistics.ts';

/** Alerts that may stand at once: 100,000 that a grid may have (210 MB), and some in which to say so. What comes past it is counted and dropped. */
export const STANDING_MAX = 120_000;
/** Of STANDING_MAX: below this the alert that says that there are too many is over. */
const RELIEVED_SHARE = 0.9;
/** The rule that the book raises that alert for; no document has it. */
export const BOOK_RULE = 'alert-book';
/** Between two steps in which old things are forgotten: while there is more to forget, and otherwise. */
const TIDY_BUSY_MS = 1_000;
const TIDY_IDLE_MS = 3_600_000;
/** Affected meters are said in the history again when they have doubled or halved. */
const METERS_FACTOR = 2;

export interface AlertBookOptions {
  /** Systems beside the engine that are told of changes, and how a new outbox is named (alert-outbox.ts). */
  outbox: ChangeLogOptions;
  /** Default STANDING_MAX. */
  standingMax?: number;
}

/**
 * All alerts: what signals and people make of them, who keeps them back, and why. It knows nothing of groups and notices. Every call that takes the time first does what the time asks for, so that what is said
 * never depends on when the last tick was. A clock that goes back makes things late, no more.
 */
export class AlertBook {
  readonly outbox: AlertOutbox;
  private readonly alerts: AlertStore;
  private readonly counts: AlertCounts;
  private readonly silences: Silences;
  private readonly inhibitions: Inhibitions;
  private readonly flapping: Flapping;
  private readonly reappearances = new Reappearances();
  private readonly standingMax: number;
  private readonly keptBack: KeptBack;
  /** What the time did in a call that failed: the next call gives it. */
  private carried: AlertChange[] = [];
  private isFull = false;
  private nowMs = -Infinity;
  private tidyMs = -Infinity;
  private droppedSignals = 0;

  constructor(rules: AlertRules, store: Store, { outbox, standingMax = STANDING_MAX }: AlertBookOptions) {
    this.standingMax = standingMax;
    this.alerts = new AlertStore(store);
    this.counts = new AlertCounts(store);
    this.silences = new Silences(store);
    this.inhibitions = new Inhibitions(rules.inhibitions);
    this.flapping = new Flapping(rules.flapping, store);
    const { alerts, silences, inhibitions, flapping } = this;
    this.keptBack = new KeptBack({ alerts, silences, inhibitions, flapping, replace: (entry, change) => this.replace(entry, change), addEvent: (entry, line) => this.addEvent(entry, line) });
    this.outbox = new AlertOutbox(store, this.alerts, outbox);
  }

  // On disk ----------------------------------------------------------------------------------------------------------------

  /** Takes in what the store has. To be called once, before anything else. */
  load(): void {
    this.alerts.load();
    this.silences.load();
    this.flapping.load(this.alerts.entries());
    this.counts.load(this.active());
    this.outbox.load();
    this.isFull = this.fullEntry()?.holds ?? false;
    for (const entry of this.activeEntries()) {
      this.inhibitions.add(entry);
      this.inhibitions.said(entry, null, entry.alert.suppression);
    }
  }

  /** Queues what changed since the last time in the store, whose commit of that time must have succeeded. */
  flush(): void {
    this.outbox.add(this.alerts.flush());
    this.outbox.flush();
    this.silences.flush();
    this.flapping.flush();
    this.counts.flush();
  }

  // What comes -------------------------------------------------------------------------------------------------------------

  apply(signal: Signal, nowMs: number): AlertChange[] {
    return this.turn(nowMs, (changes) => {
      if (signal.state === 'raised') this.raised(signal, changes);
      else this.cleared(signal, changes);
    }).changes;
  }

  tick(nowMs: number): AlertChange[] {
    const { changes } = this.turn(nowMs, () => {});
    if (nowMs >= this.tidyMs || nowMs < this.tidyMs - TIDY_IDLE_MS) this.tidyMs = nowMs + (this.forget() ? TIDY_BUSY_MS : TIDY_IDLE_MS);
    return changes;
  }

  /** When `tick` has something to do; −Infinity before the first. */
  nextDueMs(): number {
    return this.carried.length > 0 ? -Infinity : Math.min(this.silences.nextDueMs(), this.flapping.nextDueMs(), this.reappearances.nextDueMs(), this.tidyMs);
  }

  setRules(rules: AlertRules, nowMs: number): AlertChange[] {
    return this.turn(nowMs, () => {
      this.flapping.setSettings(rules.flapping);
      this.inhibitions.setRules(rules.inhibitions, this.activeEntries());
    }).changes;
  }

  // Commands ---------------------------------------------------------------------------------------------------------------

  /** `unknown_alert`, `stale_version`, `wrong_state` (it is resolved). Again by another is another who has it. */
  acknowledge(id: string, version: number | null, by: string, why: string | null, nowMs: number): CommandOutcome<Alert> {
    return this.turn(nowMs, (changes) => {
      const entry = this.activeOne(id, version);
      const deed: Deed = { at: nowMs, by, why };
      this.decide(id, { at: nowMs, step: 'acknowledgement', outcome: 'stopped', reason: `${by} has it${why === null ? '' : `: ${why}`}; it is not repeated and goes to nobody else`, contactId: null });
      this.change(entry, { state: 'acknowledged', acknowledged: deed }, { what: 'acknowledged', text: `Acknowledged by ${by}`, deed }, changes);
      return entry.alert;
    });
  }

  /** `unknown_alert`, `stale_version`, `wrong_state`. A condition that still holds raises no new alert until it has cleared once. */
  resolve(id: string, version: number | null, by: string, why: string | null, nowMs: number): CommandOutcome<Alert> {
    return this.turn(nowMs, (changes) => this.resolveByHand(id, version, { at: nowMs, by, why }, changes));
  }

  /** Each by itself. `too_many` past BULK_MAX. */
  resolveAll(ids: readonly string[], by: string, why: string | null, nowMs: number): CommandOutcome<AlertAnswers['resolveAll']> {
    if (ids.length > BULK_MAX) throw new OperationalError('too_many', `${ids.length} alerts are more than the ${BULK_MAX} that may be resolved at once`);
    return this.turn(nowMs, (changes) =>
      ids.map((id) => {
        try {
          return { id, alert: this.resolveByHand(id, null, { at: nowMs, by, why }, changes), error: null };
        } catch (error) {
          if (!(error instanceof OperationalError)) throw error;
          return { id, alert: null, error: { code: error.code, message: error.message } };
        }
      }),
    );
  }

  /** `bad_span`, `too_many_silences`. */
  makeSilence(silence: NewSilence, nowMs: number): CommandOutcome<Silence> {
    return this.turn(nowMs, () => this.silences.make(silence, nowMs));
  }

  /** `unknown_silence`, `stale_version`, `wrong_state` (it has ended), `bad_span`. */
  changeSilence(id: string, version: number | null, change: { endsAt: number | null; comment: string | null }, nowMs: number): CommandOutcome<Silence> {
    return this.turn(nowMs, () => this.silences.change(id, version, change, nowMs));
  }

  /** `unknown_silence`, `stale_version`, `wrong_state`. */
  endSilence(id: string, version: number | null, by: string, why: string | null, nowMs: number): CommandOutcome<Silence> {
    return this.turn(nowMs, () => this.silences.end(id, version, by, why, nowMs));
  }

  // What others know of an alert -------------------------------------------------------------------------------------------

  /** Why something was or was not done about it. One that is not known any more is passed over. */
  decide(alertId: string, decision: Decision): void {
    const entry = this.alerts.take(alertId);
    if (entry !== null) this.alerts.addDecision(entry, decision);
  }

  /** The group that its notifications go with. null: the alert is not known, or is in it already. */
  setGroup(alertId: string, group: string | null): Alert | null {
    const entry = this.alerts.take(alertId);
    if (entry === null || entry.alert.group === group) return null;
    this.replace(entry, { group });
    return entry.alert;
  }

  /** A line of its history; the alert itself stays as it is. null: it is not known. */
  note(alertId: string, kind: 'notified' | 'escalated', text: string, nowMs: number): AlertChange | null {
    const entry = this.alerts.take(alertId);
    return entry === null ? null : { alert: entry.alert, event: this.addEvent(entry, { what: kind, text, deed: { at: nowMs, by: null, why: null } }), what: kind };
  }

  // Questions --------------------------------------------------------------------------------------------------------------

  get(id: string): Alert | null {
    return this.alerts.find(id)?.alert ?? null;
  }

  /** Open and acknowledged ones. */
  *active(): Generator<Alert> {
    for (const { alert } of this.activeEntries()) yield alert;
  }

  /**
   * What Conditions.resume is to be given: alerts whose condition nobody has said to be over, those among them that a person has resolved too. `startedAt` is that of the newest occurrence, as the condition
   * knows it; the id is the alert's own. The book's own alert is not in it.
   */
  *uncleared(): Generator<Alert> {
    for (const { alert, holds, lastStartedAt } of this.alerts.entries()) if (holds && alert.rule !== BOOK_RULE) yield { ...alert, startedAt: lastStartedAt };
  }

  /** `bad_cursor`. A page may be short, or empty, and have a cursor all the same. */
  list(query: AlertListQuery): Page<Alert> {
    return listAlerts(this.alerts, query);
  }

  detail(id: string): AlertDetail | null {
    const entry = this.alerts.find(id);
    return entry === null ? null : { alert: entry.alert, history: this.alerts.eventsOf(entry) };
  }

  /** `unknown_alert`. */
  explain(id: string): { alert: Alert; decisions: Decision[] } {
    const entry = this.knownOne(id);
    return { alert: entry.alert, decisions: this.alerts.decisionsOf(entry) };
  }

  /** The span is counted by whole hours of UTC (statistics.ts). */
  statistics(from: number, to: number): AlertStatistics {
    return this.counts.statistics(from, to);
  }

  silence(id: string): Silence | null {
    return this.silences.get(id);
  }

  silencesPage(query: { kind: Silence['kind'] | null; withEnded: boolean; limit: number; cursor: string | null }): Page<Silence> {
    return this.silences.page(query);
  }

  /** Alerts in memory, those of the history as of the last commit, and signals dropped since the start. */
  figures(): { standing: number; history: number; droppedSignals: number } {
    return { standing: this.alerts.size, history: this.alerts.historyCount, droppedSignals: this.droppedSignals };
  }

  // Signals ----------------------------------------------------------------------------------------------------------------

  private raised(signal: RaisedSignal, changes: AlertChange[]): void {
    const fingerprint = fingerprintOf({ rule: signal.rule, kind: signal.kind, subject: signal });
    const newest = this.alerts.newestOf(fingerprint);
    if (newest === null || signal.startedAt > newest.lastStartedAt) {
      this.reappearances.forget(fingerprint);
      if (newest !== null && isActive(newest.alert)) return this.recurred(newest, signal, changes);
      // It was over in between, though nobody said so.
      if (newest !== null && newest.holds) this.alerts.change(newest, { holds: false });
      return this.opened(fingerprint, signal, changes);
    }
    // An occurrence before the newest: it was told of then.
    if (signal.startedAt < newest.lastStartedAt) return;
    if (!isStanding(newest)) return this.reappearances.saw(fingerprint, signal, this.nowMs);
    if (!isActive(newest.alert)) return;
    if (!newest.holds) this.holdsAgain(newest);
    this.figuresChanged(newest, signal, changes);
  }

  private cleared(signal: ClearedSignal, changes: AlertChange[]): void {
    const fingerprint = fingerprintOf({ rule: signal.rule, kind: signal.kind, subject: signal });
    this.reappearances.forget(fingerprint);
    const entry = this.alerts.newestOf(fingerprint);
    if (entry === null || !entry.holds || signal.startedAt < entry.lastStartedAt) return;
    const { id, isFlapping } = entry.alert;
    const at = this.nowMs;
    if (!isActive(entry.alert)) {
      this.alerts.change(entry, { holds: false });
      this.decide(id, { at, step: 'deduplication', outcome: 'passed', reason: `its condition is over (${signal.reason}): the next time it is a new alert`, contactId: null });
    } else if (isFlapping) {
      this.alerts.change(entry, { holds: false, steadySince: at });
      this.flapping.turned(entry);
      this.decide(id, { at, step: 'flapping', outcome: 'held', reason: `it is well (${signal.reason}), and stays open until it has been so for ${this.flapping.stableForMs / 1_000} s`, contactId: null });
    } else this.over(entry, { at, by: null, why: signal.reason }, { holds: false }, changes);
  }

  private opened(fingerprint: string, signal: RaisedSignal, changes: AlertChange[]): void {
    if (this.alerts.size >= this.standingMax && signal.rule !== BOOK_RULE) {
      this.droppedSignals++;
      return this.full(changes);
    }
    const at = this.nowMs;
    const { openings, isFlapping, text } = this.flapping.opened(fingerprint, at);
    const alert: Alert = {
      id: alertId(fingerprint, signal.startedAt),
      version: 1,
      fingerprint,
      type: signal.type,
      kind: signal.kind,
      state: 'open',
      rule: signal.rule,
      ...figuresOf(signal),
      meterId: signal.meterId,
      component: signal.component,
      startedAt: signal.startedAt,
      openedAt: at,
      changedAt: at,
      acknowledged: null,
      resolved: null,
      occurrences: 1,
      isFlapping,
      suppression: null,
      group: null,
    };
    const entry = this.alerts.add({ alert, lastStartedAt: signal.startedAt, holds: true, steadySince: isFlapping ? at : null, saidMeters: alert.affectedMeters, events: 0, eventRows: 0, decisionRows: 0 });
    if (isFlapping) this.flapping.turned(entry);
    this.counts.changedFrom(null, alert);
    const say = (step: Decision['step'], outcome: Decision['outcome'], reason: string) => this.alerts.addDecision(entry, { at, step, outcome, reason, contactId: null });
    say('rule', 'passed', `rule ${signal.rule} is met: ${signal.title}`);
    say('deduplication', 'passed', 'no alert of the same rule, kind and subject is active');
    say('flapping', isFlapping ? 'held' : 'passed', text);
    this.inhibitions.add(entry);
    // So that nobody sees it without what keeps it back.
    const found = this.keptBack.find(entry);
    if (found !== null) this.alerts.change(entry, { alert: { ...entry.alert, suppression: found.suppression } });
    changes.push({ alert: entry.alert, event: this.addEvent(entry, { what: 'opened', text: `${signal.title}${openings > 1 ? ` (${text})` : ''}`, deed: { at, by: null, why: null } }), what: 'opened' });
    if (found !== null) {
      this.counts.changedFrom(alert, entry.alert);
      this.keptBack.said(entry, null, found, at, changes);
    } else {
      say('silence', 'passed', 'no silence or maintenance window takes it');
      say('inhibition', 'passed', 'no active alert speaks for it');
    }
  }

  /** The same trouble of the same thing again, while its alert is active. */
  private recurred(entry: Entry, signal: RaisedSignal, changes: AlertChange[]): void {
    const at = this.nowMs;
    const { fingerprint, occurrences, id } = entry.alert;
    const { isFlapping, text } = this.flapping.opened(fingerprint, at);
    const flaps = entry.alert.isFlapping || isFlapping;
    const record: Partial<AlertRecord> = { lastStartedAt: signal.startedAt, holds: true, steadySince: flaps ? at : null };
    this.decide(id, { at, step: 'deduplication', outcome: 'stopped', reason: `the same trouble came back while this alert was active: it is its occurrence ${occurrences + 1}, not another alert`, contactId: null });
    if (isFlapping) this.decide(id, { at, step: 'flapping', outcome: 'held', reason: text, contactId: null });
    this.change(entry, { ...figuresOf(signal), occurrences: occurrences + 1, isFlapping: flaps }, { what: 'recurred', text: `It came back: occurrence ${occurrences + 1}${isFlapping ? `, ${text}` : ''}`, deed: { at, by: null, why: null } }, changes, record);
    if (flaps) this.flapping.turned(entry);
  }

  /** A flapping alert's newest occurrence is said to go on after all. */
  private holdsAgain(entry: Entry): void {
    this.alerts.change(entry, { holds: true, steadySince: this.nowMs });
    this.flapping.turned(entry);
  }

  private figuresChanged(entry: Entry, signal: RaisedSignal, changes: AlertChange[]): void {
    const figures = figuresOf(signal);
    const { alert, saidMeters } = entry;
    if (Object.entries(figures).every(([name, value]) => alert[name as keyof typeof figures] === value)) return;
    const said: string[] = [];
    if (alert.severity !== figures.severity) said.push(`Severity is ${figures.severity} and was ${alert.severity}`);
    if (alert.region !== figures.region) said.push(`It is in ${figures.region} and was in ${alert.region}`);
    const { affectedMeters } = figures;
    const isNews = affectedMeters >= saidMeters * METERS_FACTOR || affectedMeters * METERS_FACTOR <= saidMeters;
    if (isNews && affectedMeters !== saidMeters) said.push(`Affected meters: ${affectedMeters}, after ${saidMeters}`);
    const event = said.length === 0 ? null : { text: said.join('. '), deed: { at: this.nowMs, by: null, why: null } };
    this.change(entry, figures, { what: 'changed', text: event?.text ?? null, deed: { at: this.nowMs, by: null, why: null } }, changes, event === null ? {} : { saidMeters: affectedMeters });
  }

  // ------------------------------------------------------------------------------------------------------------------------

  private resolveByHand(id: string, version: number | null, deed: Deed, changes: AlertChange[]): Alert {
    const entry = this.activeOne(id, version);
    if (entry.holds) this.decide(id, { at: deed.at, step: 'deduplication', outcome: 'held', reason: `${deed.by} resolved it while its condition goes on: that raises nothing until it has been over once`, contactId: null });
    this.over(entry, deed, {}, changes);
    return entry.alert;
  }

  private over(entry: Entry, deed: Deed, record: Partial<AlertRecord>, changes: AlertChange[]): void {
    const { suppression } = entry.alert;
    this.flapping.ended(entry);
    this.change(entry, { state: 'resolved', resolved: deed, suppression: null, isFlapping: false }, { what: 'resolved', text: deed.by === null ? 'Resolved by itself' : `Resolved by ${deed.by}`, deed }, changes, { ...record, steadySince: null });
    this.inhibitions.said(entry, suppression, null);
    this.inhibitions.remove(entry);
    this.relieved(changes);
  }

  /** Everything that the time asks for, then the work, then what both mean for who is kept back. */
  private turn<T>(nowMs: number, work: (changes: AlertChange[]) => T): CommandOutcome<T> {
    const changes = this.carried;
    this.carried = [];
    this.advance(nowMs, changes);
    try {
      const answer = work(changes);
      this.keptBack.settle(nowMs, changes);
      return { answer, changes };
    } catch (error) {
      this.carried = changes;
      throw error;
    }
  }

  private advance(nowMs: number, changes: AlertChange[]): void {
    if (nowMs < this.nowMs || this.nowMs === -Infinity) {
      for (const entry of this.flapping.fromTheFuture(nowMs)) this.alerts.change(entry, { steadySince: nowMs });
      this.reappearances.backTo(nowMs);
    }
    this.nowMs = nowMs;
    for (let entry = this.flapping.steadyOne(nowMs); entry !== null; entry = this.flapping.steadyOne(nowMs)) this.steady(entry, changes);
    for (const { fingerprint, signal } of this.reappearances.due(nowMs)) this.reopened(fingerprint, signal, changes);
    this.keptBack.settle(nowMs, changes);
  }

  /** Flapping is over: it has been well for long enough, or has held for as long, which is no flapping either. */
  private steady(entry: Entry, changes: AlertChange[]): void {
    const text = `for ${this.flapping.stableForMs / 1_000} s`;
    const at = this.nowMs;
    const { id } = entry.alert;
    if (!entry.holds) {
      this.over(entry, { at, by: null, why: `it has been well ${text}` }, {}, changes);
      return;
    }
    this.flapping.ended(entry);
    this.decide(id, { at, step: 'flapping', outcome: 'passed', reason: `it has held ${text}: it is not flapping any more`, contactId: null });
    this.change(entry, { isFlapping: false }, { what: 'changed', text: `It has held ${text} and is not flapping any more`, deed: { at, by: null, why: null } }, changes, { steadySince: null });
  }

  /** What was over is said to go on, and nobody has taken that back for a while. */
  private reopened(fingerprint: string, signal: RaisedSignal, changes: AlertChange[]): void {
    const known = this.alerts.newestOf(fingerprint);
    if (known === null || isStanding(known) || known.lastStartedAt !== signal.startedAt || this.alerts.size >= this.standingMax) return;
    const at = this.nowMs;
    const entry = this.alerts.take(known.alert.id)!;
    const { occurrences, id } = entry.alert;
    const { isFlapping, text } = this.flapping.opened(fingerprint, at);
    this.decide(id, { at, step: 'deduplication', outcome: 'passed', reason: 'it was over, and its condition has been said to go on since: it is open again', contactId: null });
    if (isFlapping) this.decide(id, { at, step: 'flapping', outcome: 'held', reason: text, contactId: null });
    const reopened = { ...figuresOf(signal), state: 'open', acknowledged: null, resolved: null, occurrences: occurrences + 1, isFlapping } as const;
    this.change(entry, reopened, { what: 'recurred', text: `Open again: occurrence ${occurrences + 1}`, deed: { at, by: null, why: null } }, changes, { holds: true, steadySince: isFlapping ? at : null });
    if (isFlapping) this.flapping.turned(entry);
  }

  // Entries ----------------------------------------------------------------------------------------------------------------

  private change(entry: Entry, alert: Partial<Alert>, line: { what: AlertEventKind; text: string | null; deed: Deed }, changes: AlertChange[], record: Partial<AlertRecord> = {}): void {
    this.replace(entry, alert, record);
    const event = line.text === null ? null : this.addEvent(entry, { ...line, text: line.text });
    changes.push({ alert: entry.alert, event, what: line.what });
  }

  /** Keeps up whatever depends on what it is. */
  private replace(entry: Entry, change: Partial<Alert>, record: Partial<AlertRecord> = {}): void {
    const before = entry.alert;
    const alert = { ...before, ...change, version: before.version + 1, changedAt: this.nowMs };
    // Inhibitions and silences look at these.
    const isMatchedAnew = isActive(alert) && (before.severity !== alert.severity || before.region !== alert.region || !isActive(before));
    if (isMatchedAnew) this.inhibitions.remove(entry);
    this.alerts.change(entry, { ...record, alert });
    if (isMatchedAnew) this.inhibitions.add(entry);
    if (before.isFlapping !== alert.isFlapping) this.keptBack.touch(entry);
    this.counts.changedFrom(before, alert);
  }

  private addEvent(entry: Entry, { what, text, deed }: { what: AlertEventKind; text: string; deed: Deed }): AlertEvent {
    const event: AlertEvent = { sequence: entry.events + 1, kind: what, text, ...deed };
    this.alerts.change(entry, { events: event.sequence });
    this.alerts.addEvent(entry, event);
    return event;
  }

  private *activeEntries(): Generator<Entry> {
    for (const entry of this.alerts.entries()) if (isActive(entry.alert)) yield entry;
  }

  private knownOne(id: string): Entry {
    const entry = this.alerts.find(id);
    if (entry === null) throw new OperationalError('unknown_alert', `there is no alert ${id}`);
    return entry;
  }

  private activeOne(id: string, version: number | null): Entry {
    const entry = this.knownOne(id);
    if (version !== null && version !== entry.alert.version) throw new OperationalError('stale_version', `alert ${id} has version ${entry.alert.version} by now, not ${version}`);
    if (!isActive(entry.alert)) throw new OperationalError('wrong_state', `alert ${id} is resolved`);
    return entry;
  }

  // Bounds -----------------------------------------------------------------------------------------------------------------

  private full(changes: AlertChange[]): void {
    if (this.isFull) return;
    this.isFull = true;
    this.raised(fullSignal(this.nowMs, this.standingMax), changes);
  }

  private relieved(changes: AlertChange[]): void {
    if (!this.isFull || this.alerts.size >= this.standingMax * RELIEVED_SHARE) return;
    this.isFull = false;
    const { rule, kind, region, meterId, component } = fullSignal(this.nowMs, this.standingMax);
    this.cleared({ state: 'cleared', rule, kind, region, meterId, component, startedAt: this.fullEntry()!.lastStartedAt, reason: `there are ${this.alerts.size} alerts` }, changes);
  }

  /** The newest alert that says that there are too many. */
  private fullEntry(): Entry | null {
    const { rule, kind, ...subject } = fullSignal(this.nowMs, this.standingMax);
    return this.alerts.newestOf(fingerprintOf({ rule, kind, subject }));
  }

  /** A step of everything that is forgotten some day; true when there is more. */
  private forget(): boolean {
    const more = [forgetHistory(this.alerts, this.nowMs), this.silences.forgetEnded(this.nowMs), this.flapping.forgetOld(this.nowMs), this.counts.forgetOld(this.nowMs), this.outbox.forget()];
    return more.includes(true);
  }
}

function figuresOf({ region, severity, title, description, value, threshold, unit, affectedMeters }: RaisedSignal): Pick<Alert, 'region' | 'severity' | 'title' | 'description' | 'value' | 'threshold' | 'unit' | 'affectedMeters'> {
  return { region, severity, title, description, value, threshold, unit, affectedMeters };
}

/** More alerts than there may be. */
function fullSignal(nowMs: number, standingMax: number): RaisedSignal {
  return {
    state: 'raised',
    rule: BOOK_RULE,
    type: 'SYSTEM_FAILURE',
    kind: 'system',
    severity: 'CRITICAL',
    region: null,
    meterId: null,
    component: 'alerts',
    startedAt: nowMs,
    title: `There are ${standingMax} alerts, and no more are taken`,
    description: `What is found beyond ${standingMax} alerts is counted and dropped, until some are resolved.`,
    value: null,
    threshold: null,
    unit: null,
    affectedMeters: 0,
  };
}
