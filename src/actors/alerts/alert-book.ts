import type { Alert, AlertDetail, AlertListQuery, AlertStatistics, Decision, Deed, Silence } from '../../model/alert.ts';
import type { Page } from '../../model/queries.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { Store } from '../../runtime/store.ts';
import type { ChangeLogOptions } from '../sinks/change-log.ts';
import type { AlertChange, CommandOutcome } from './alert-change.ts';
import { AlertEdits } from './alert-edits.ts';
import { isActive, type Entry } from './alert-entry.ts';
import { forgetHistory, listAlerts } from './alert-history.ts';
import { AlertOutbox } from './alert-outbox.ts';
import { AlertStore } from './alert-store.ts';
import { Flapping } from './flapping.ts';
import { Inhibitions } from './inhibitions.ts';
import { KeptBack } from './kept-back.ts';
import { BOOK_RULE, Occurrences, STANDING_MAX } from './occurrences.ts';
import { BULK_MAX, type AlertAnswers, type NewSilence } from './protocol.ts';
import type { AlertRules } from './rules.ts';
import type { Signal } from './signal.ts';
import { Silences } from './silences.ts';
import { AlertCounts } from './statistics.ts';

/** Between two steps in which old things are forgotten: while there is more to forget, and otherwise. */
const TIDY_BUSY_MS = 1_000;
const TIDY_IDLE_MS = 3_600_000;

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
  private readonly edits: AlertEdits;
  private readonly keptBack: KeptBack;
  private readonly occurrences: Occurrences;
  /** What the time did in a call that failed: the next call gives it. */
  private carried: AlertChange[] = [];
  private tidyMs = -Infinity;

  constructor(rules: AlertRules, store: Store, { outbox, standingMax = STANDING_MAX }: AlertBookOptions) {
    this.alerts = new AlertStore(store);
    this.counts = new AlertCounts(store);
    this.silences = new Silences(store);
    this.inhibitions = new Inhibitions(rules.inhibitions);
    this.flapping = new Flapping(rules.flapping, store);
    const { alerts, counts, silences, inhibitions, flapping } = this;
    this.edits = new AlertEdits({ alerts, counts, inhibitions, touch: (entry) => this.keptBack.touch(entry) });
    const { edits } = this;
    this.keptBack = new KeptBack({ alerts, edits, silences, inhibitions, flapping });
    this.occurrences = new Occurrences(standingMax, { alerts, edits, counts, inhibitions, flapping, keptBack: this.keptBack });
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
    this.occurrences.load();
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
    return this.turn(nowMs, (changes) => this.occurrences.apply(signal, changes)).changes;
  }

  tick(nowMs: number): AlertChange[] {
    const { changes } = this.turn(nowMs, () => {});
    if (nowMs >= this.tidyMs || nowMs < this.tidyMs - TIDY_IDLE_MS) this.tidyMs = nowMs + (this.forget() ? TIDY_BUSY_MS : TIDY_IDLE_MS);
    return changes;
  }

  /** When `tick` has something to do; −Infinity before the first. */
  nextDueMs(): number {
    return this.carried.length > 0 ? -Infinity : Math.min(this.silences.nextDueMs(), this.occurrences.nextDueMs(), this.tidyMs);
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
      this.edits.change(entry, { state: 'acknowledged', acknowledged: deed }, { what: 'acknowledged', text: `Acknowledged by ${by}`, deed }, changes);
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
    this.edits.decide(alertId, decision);
  }

  /** The group that its notifications go with. null: the alert is not known, or is in it already. */
  setGroup(alertId: string, group: string | null): Alert | null {
    const entry = this.alerts.take(alertId);
    if (entry === null || entry.alert.group === group) return null;
    this.edits.replace(entry, { group });
    return entry.alert;
  }

  /** A line of its history; the alert itself stays as it is. null: it is not known. */
  note(alertId: string, kind: 'notified' | 'escalated', text: string, nowMs: number): AlertChange | null {
    const entry = this.alerts.take(alertId);
    return entry === null ? null : { alert: entry.alert, event: this.edits.addEvent(entry, { what: kind, text, deed: { at: nowMs, by: null, why: null } }), what: kind };
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
    return { standing: this.alerts.size, history: this.alerts.historyCount, droppedSignals: this.occurrences.dropped };
  }

  // ------------------------------------------------------------------------------------------------------------------------

  private resolveByHand(id: string, version: number | null, deed: Deed, changes: AlertChange[]): Alert {
    const entry = this.activeOne(id, version);
    if (entry.holds) this.decide(id, { at: deed.at, step: 'deduplication', outcome: 'held', reason: `${deed.by} resolved it while its condition goes on: that raises nothing until it has been over once`, contactId: null });
    this.occurrences.over(entry, deed, {}, changes);
    return entry.alert;
  }

  /** Everything that the time asks for, then the work, then what both mean for who is kept back. */
  private turn<T>(nowMs: number, work: (changes: AlertChange[]) => T): CommandOutcome<T> {
    const changes = this.carried;
    this.carried = [];
    this.occurrences.advance(nowMs, changes);
    this.keptBack.settle(nowMs, changes);
    try {
      const answer = work(changes);
      this.keptBack.settle(nowMs, changes);
      return { answer, changes };
    } catch (error) {
      this.carried = changes;
      throw error;
    }
  }

  // Entries ----------------------------------------------------------------------------------------------------------------

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

  /** A step of everything that is forgotten some day; true when there is more. */
  private forget(): boolean {
    const { nowMs } = this.edits;
    const more = [forgetHistory(this.alerts, nowMs), this.silences.forgetEnded(nowMs), this.flapping.forgetOld(nowMs), this.counts.forgetOld(nowMs), this.outbox.forget()];
    return more.includes(true);
  }
}
