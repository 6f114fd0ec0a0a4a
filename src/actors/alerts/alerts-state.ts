import type { Alert } from '../../model/alert.ts';
import type { Notice } from '../../model/notice.ts';
import type { KeyedRecord } from '../../runtime/record-table.ts';
import type { Store } from '../../runtime/store.ts';
import { AlertBook, type AlertBookOptions } from './alert-book.ts';
import type { AlertChange, CommandOutcome } from './alert-change.ts';
import { Conditions } from './conditions/conditions.ts';
import type { EpisodeId } from './conditions/episodes.ts';
import type { People } from './escalation.ts';
import { alertId, fingerprintOf } from './fingerprint.ts';
import { GroupBook } from './groups.ts';
import type { AlertAnswers, AlertQuestion, Observation, RulesInForce } from './protocol.ts';
import type { AlertRules } from './rules.ts';
import type { Signal } from './signal.ts';

/**
 * What the alerts supervisor knows: conditions make signals of what the engine sees, the book makes alerts of signals and commands, groups make notices of alerts. Memory is ahead of the store until what `flush` queued is
 * committed; nothing may get out before.
 */

export interface AlertsStateModules {
  store: Store;
  /** Loaded. */
  people: People;
}

/** Where rules come from. */
export type RulesInfo = Omit<RulesInForce, 'rules'>;

/** What a flush queued, to be let out once it is committed. */
export interface Effects {
  /** Each alert that changed, as it is now. */
  alerts: Alert[];
  notices: KeyedRecord<Notice>[];
}

export class AlertsState {
  readonly book: AlertBook;
  private readonly conditions: Conditions;
  private readonly groups: GroupBook;
  private inForce: RulesInForce;
  /** Ids of alerts that changed since the last flush. */
  private readonly changed = new Set<string>();

  constructor(rules: AlertRules, info: RulesInfo, options: AlertBookOptions, { store, people }: AlertsStateModules) {
    this.inForce = { rules, ...info };
    this.conditions = new Conditions(rules);
    this.book = new AlertBook(rules, store, options);
    this.groups = new GroupBook(rules, { store, alerts: this.book, people });
  }

  /** Takes in what the store has, and goes on from there. Once, before anything else. */
  load(nowMs: number): void {
    this.book.load();
    this.groups.load(nowMs);
    this.conditions.resume(this.book.uncleared(), nowMs);
  }

  observe(observation: Observation, nowMs: number): void {
    this.signalled(this.conditions.observe(observation, nowMs), nowMs);
  }

  /** Episodes that alerts came from and that nobody has named since the load. */
  unconfirmed(): EpisodeId[] {
    return this.conditions.unconfirmed();
  }

  /** The engine has no such episode. */
  forget(episode: EpisodeId, nowMs: number): void {
    this.signalled(this.conditions.forget(episode, nowMs), nowMs);
  }

  /** `rules` null: those in force stay, and `info` says why. */
  setRules(rules: AlertRules | null, info: RulesInfo, nowMs: number): void {
    this.inForce = { rules: rules ?? this.inForce.rules, ...info };
    if (rules === null) return;
    this.changedBy(this.book.setRules(rules, nowMs), nowMs);
    this.signalled(this.conditions.setRules(rules, nowMs), nowMs);
    this.groups.setRules(rules, nowMs);
    // What a person resolved and what the book takes for over is the book's to know.
    this.conditions.resume(this.book.uncleared(), nowMs);
  }

  /** Everything that the time asks for. */
  tick(nowMs: number): void {
    this.signalled(this.conditions.tick(nowMs), nowMs);
    this.changedBy(this.book.tick(nowMs), nowMs);
    for (const { alerts } of this.groups.tick(nowMs)) for (const { id } of alerts) this.changed.add(id);
  }

  /** When `tick` has something to do; Infinity: nothing waits for time. */
  nextDueMs(): number {
    return Math.min(this.conditions.nextDueMs(), this.book.nextDueMs(), this.groups.nextDueMs());
  }

  /** Answers, or does what is asked. Throws OperationalError as protocol.ts says. */
  answer(question: Exclude<AlertQuestion, { kind: 'dryRun' }>, nowMs: number): AlertAnswers[AlertQuestion['kind']] {
    const { book } = this;
    switch (question.kind) {
      case 'alerts':
        return book.list(question.query);
      case 'alert':
        return book.detail(question.id);
      case 'alertStatistics':
        return book.statistics(question.from, question.to);
      case 'acknowledge':
        return this.done(book.acknowledge(question.id, question.version, question.by, question.why, nowMs), nowMs);
      case 'resolve':
        return this.done(book.resolve(question.id, question.version, question.by, question.why, nowMs), nowMs);
      case 'resolveAll':
        return this.done(book.resolveAll(question.ids, question.by, question.why, nowMs), nowMs);
      case 'silences':
        return book.silencesPage({ kind: question.silenceKind, withEnded: question.withEnded, limit: question.limit, cursor: question.cursor });
      case 'silence':
        return book.silence(question.id);
      case 'makeSilence':
        return this.done(book.makeSilence(question.silence, nowMs), nowMs);
      case 'changeSilence':
        return this.done(book.changeSilence(question.id, question.version, { endsAt: question.endsAt, comment: question.comment }, nowMs), nowMs);
      case 'endSilence':
        return this.done(book.endSilence(question.id, question.version, question.by, question.why, nowMs), nowMs);
      case 'rules':
        return this.inForce;
      case 'explainAlert':
        return book.explain(question.id);
      case 'explainAnomaly':
        return this.explainAnomaly(question, nowMs);
    }
  }

  /** Queues what changed for the store's next commit. */
  flush(): Effects {
    const notices = this.groups.flush();
    this.book.flush();
    const alerts = Array.from(this.changed, (id) => this.book.get(id)).filter((alert) => alert !== null);
    this.changed.clear();
    return { alerts, notices };
  }

  /** For metrics. */
  figures(): { standing: number; history: number; groups: number; episodes: number; dropped: number } {
    const { standing, history, droppedSignals } = this.book.figures();
    return { standing, history, groups: this.groups.size, episodes: this.conditions.openEpisodes, dropped: droppedSignals + this.conditions.dropped };
  }

  private explainAnomaly({ anomaly }: Extract<AlertQuestion, { kind: 'explainAnomaly' }>, nowMs: number): AlertAnswers['explainAnomaly'] {
    const { meterId, region, kind, startedAt } = anomaly;
    const ids = this.inForce.rules.rules.map(({ name }) => alertId(fingerprintOf({ rule: name, kind, subject: { meterId, region, component: null } }), startedAt));
    return { alertId: ids.find((id) => this.book.get(id) !== null) ?? null, decisions: this.conditions.explain(anomaly, nowMs) };
  }

  private signalled(signals: readonly Signal[], nowMs: number): void {
    this.changedBy(
      signals.flatMap((signal) => this.book.apply(signal, nowMs)),
      nowMs,
    );
  }

  private done<T>({ answer, changes }: CommandOutcome<T>, nowMs: number): T {
    this.changedBy(changes, nowMs);
    return answer;
  }

  private changedBy(changes: readonly AlertChange[], nowMs: number): void {
    this.groups.apply(changes, nowMs);
    for (const { alert } of changes) this.changed.add(alert.id);
  }
}
