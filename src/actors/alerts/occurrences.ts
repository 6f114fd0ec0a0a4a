import type { Alert, Decision, Deed } from '../../model/alert.ts';
import type { AlertChange } from './alert-change.ts';
import type { AlertEdits } from './alert-edits.ts';
import { isActive, isStanding, type AlertRecord, type Entry } from './alert-entry.ts';
import type { AlertStore } from './alert-store.ts';
import { alertId, fingerprintOf } from './fingerprint.ts';
import type { Flapping } from './flapping.ts';
import type { Inhibitions } from './inhibitions.ts';
import type { KeptBack } from './kept-back.ts';
import { Reappearances } from './reappearances.ts';
import type { ClearedSignal, RaisedSignal, Signal } from './signal.ts';
import type { AlertCounts } from './statistics.ts';

/** What signals make of alerts, and the time after them: one is opened, comes back, changes, is over, and how many there may be. */

/** Alerts that may stand at once: 100,000 that a grid may have (210 MB), and some in which to say so. What comes past it is counted and dropped. */
export const STANDING_MAX = 120_000;
/** Of STANDING_MAX: below this the alert that says that there are too many is over. */
const RELIEVED_SHARE = 0.9;
/** The rule that the book raises that alert for; no document has it. */
export const BOOK_RULE = 'alert-book';
/** Affected meters are said in the history again when they have doubled or halved. */
const METERS_FACTOR = 2;

export interface OccurrencesModules {
  alerts: AlertStore;
  edits: AlertEdits;
  counts: AlertCounts;
  inhibitions: Inhibitions;
  flapping: Flapping;
  keptBack: KeptBack;
}

/** Goes by the time of the book's turn (`edits.nowMs`), and adds what it changes to `changes`. */
export class Occurrences {
  /** Signals dropped since the start, as there were too many alerts. */
  dropped = 0;
  private readonly standingMax: number;
  private readonly alerts: AlertStore;
  private readonly edits: AlertEdits;
  private readonly counts: AlertCounts;
  private readonly inhibitions: Inhibitions;
  private readonly flapping: Flapping;
  private readonly keptBack: KeptBack;
  private readonly reappearances = new Reappearances();
  private isFull = false;

  constructor(standingMax: number, modules: OccurrencesModules) {
    this.standingMax = standingMax;
    this.alerts = modules.alerts;
    this.edits = modules.edits;
    this.counts = modules.counts;
    this.inhibitions = modules.inhibitions;
    this.flapping = modules.flapping;
    this.keptBack = modules.keptBack;
  }

  /** The alerts are loaded. */
  load(): void {
    this.isFull = this.fullEntry()?.holds ?? false;
  }

  apply(signal: Signal, changes: AlertChange[]): void {
    if (signal.state === 'raised') this.raised(signal, changes);
    else this.cleared(signal, changes);
  }

  /** A turn begins: what the time asks for. */
  advance(nowMs: number, changes: AlertChange[]): void {
    if (nowMs < this.nowMs || this.nowMs === -Infinity) {
      for (const entry of this.flapping.fromTheFuture(nowMs)) this.alerts.change(entry, { steadySince: nowMs });
      this.reappearances.backTo(nowMs);
    }
    this.edits.nowMs = nowMs;
    for (let entry = this.flapping.steadyOne(nowMs); entry !== null; entry = this.flapping.steadyOne(nowMs)) this.steady(entry, changes);
    for (const { fingerprint, signal } of this.reappearances.due(nowMs)) this.reopened(fingerprint, signal, changes);
  }

  /** When `advance` has something to do. */
  nextDueMs(): number {
    return Math.min(this.flapping.nextDueMs(), this.reappearances.nextDueMs());
  }

  /** By itself, or by a person. */
  over(entry: Entry, deed: Deed, record: Partial<AlertRecord>, changes: AlertChange[]): void {
    const { suppression } = entry.alert;
    this.flapping.ended(entry);
    this.edits.change(entry, { state: 'resolved', resolved: deed, suppression: null, isFlapping: false }, { what: 'resolved', text: deed.by === null ? 'Resolved by itself' : `Resolved by ${deed.by}`, deed }, changes, { ...record, steadySince: null });
    this.inhibitions.said(entry, suppression, null);
    this.inhibitions.remove(entry);
    this.relieved(changes);
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
      this.edits.decide(id, { at, step: 'deduplication', outcome: 'passed', reason: `its condition is over (${signal.reason}): the next time it is a new alert`, contactId: null });
    } else if (isFlapping) {
      this.alerts.change(entry, { holds: false, steadySince: at });
      this.flapping.turned(entry);
      this.edits.decide(id, { at, step: 'flapping', outcome: 'held', reason: `it is well (${signal.reason}), and stays open until it has been so for ${this.flapping.stableForMs / 1_000} s`, contactId: null });
    } else this.over(entry, { at, by: null, why: signal.reason }, { holds: false }, changes);
  }

  private opened(fingerprint: string, signal: RaisedSignal, changes: AlertChange[]): void {
    if (this.alerts.size >= this.standingMax && signal.rule !== BOOK_RULE) {
      this.dropped++;
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
    changes.push({ alert: entry.alert, event: this.edits.addEvent(entry, { what: 'opened', text: `${signal.title}${openings > 1 ? ` (${text})` : ''}`, deed: { at, by: null, why: null } }), what: 'opened' });
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
    this.edits.decide(id, { at, step: 'deduplication', outcome: 'stopped', reason: `the same trouble came back while this alert was active: it is its occurrence ${occurrences + 1}, not another alert`, contactId: null });
    if (isFlapping) this.edits.decide(id, { at, step: 'flapping', outcome: 'held', reason: text, contactId: null });
    this.edits.change(entry, { ...figuresOf(signal), occurrences: occurrences + 1, isFlapping: flaps }, { what: 'recurred', text: `It came back: occurrence ${occurrences + 1}${isFlapping ? `, ${text}` : ''}`, deed: { at, by: null, why: null } }, changes, record);
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
    this.edits.change(entry, figures, { what: 'changed', text: event?.text ?? null, deed: { at: this.nowMs, by: null, why: null } }, changes, event === null ? {} : { saidMeters: affectedMeters });
  }

  // The time after them ----------------------------------------------------------------------------------------------------

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
    this.edits.decide(id, { at, step: 'flapping', outcome: 'passed', reason: `it has held ${text}: it is not flapping any more`, contactId: null });
    this.edits.change(entry, { isFlapping: false }, { what: 'changed', text: `It has held ${text} and is not flapping any more`, deed: { at, by: null, why: null } }, changes, { steadySince: null });
  }

  /** What was over is said to go on, and nobody has taken that back for a while. */
  private reopened(fingerprint: string, signal: RaisedSignal, changes: AlertChange[]): void {
    const known = this.alerts.newestOf(fingerprint);
    if (known === null || isStanding(known) || known.lastStartedAt !== signal.startedAt || this.alerts.size >= this.standingMax) return;
    const at = this.nowMs;
    const entry = this.alerts.take(known.alert.id)!;
    const { occurrences, id } = entry.alert;
    const { isFlapping, text } = this.flapping.opened(fingerprint, at);
    this.edits.decide(id, { at, step: 'deduplication', outcome: 'passed', reason: 'it was over, and its condition has been said to go on since: it is open again', contactId: null });
    if (isFlapping) this.edits.decide(id, { at, step: 'flapping', outcome: 'held', reason: text, contactId: null });
    const reopened = { ...figuresOf(signal), state: 'open', acknowledged: null, resolved: null, occurrences: occurrences + 1, isFlapping } as const;
    this.edits.change(entry, reopened, { what: 'recurred', text: `Open again: occurrence ${occurrences + 1}`, deed: { at, by: null, why: null } }, changes, { holds: true, steadySince: isFlapping ? at : null });
    if (isFlapping) this.flapping.turned(entry);
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

  private get nowMs(): number {
    return this.edits.nowMs;
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
