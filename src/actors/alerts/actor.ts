import type { Alert } from '../../model/alert.ts';
import type { Anomaly } from '../../model/anomaly.ts';
import type { Notice } from '../../model/notice.ts';
import type { Clock, Timers } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Store } from '../../runtime/store.ts';
import { TurnTaker, unavailable } from '../../runtime/turn-taker.ts';
import type { PeopleDirectory } from '../people/people-directory.ts';
import type { AlertBookOptions } from './alert-book.ts';
import type { AlertPiece } from './alert-outbox.ts';
import { AlertsState, type RulesInfo } from './alerts-state.ts';
import type { EpisodeId } from './conditions/episodes.ts';
import { EpisodeReconciliation } from './episode-reconciliation.ts';
import type { AlertAnswers, AlertQuestion, Observation } from './protocol.ts';
import type { AlertRules } from './rules.ts';
import { SlicedDryRuns } from './sliced-dry-runs.ts';

/** The alerts supervisor: observations, commands and what falls due, in turns (runtime/turn-taker.ts), after which changes and notices get out. */

export interface AlertsOptions extends AlertBookOptions {
  rules: AlertRules;
  info: RulesInfo;
}

export interface AlertsModules {
  /** Shared with the notifications supervisor: what is queued in one synchronous stretch commits as one. */
  store: Store;
  /** Loaded. */
  people: PeopleDirectory;
  clock: Clock;
  timers: Timers;
  log: Log;
  /** An episode as its shard has it; null: it has none such. Rejects while nobody can say. */
  askEpisode(episode: EpisodeId): Promise<Anomaly | null>;
  /** They are in the table `notices`, committed. */
  onNotices(notices: Notice[]): void;
  /** These changed, durably, and are so now. */
  onChanges(alerts: Alert[]): void;
  /** The actor does no more; called once at most. */
  onFailure(error: unknown): void;
}

/** What was done since the start; `commitMs…` are durations. */
export interface AlertsMetrics extends ReturnType<AlertsState['figures']> {
  turns: number;
  observations: number;
  questions: number;
  changes: number;
  notices: number;
  commitMsTotal: number;
  commitMsMax: number;
  /** Waiting now. */
  waiting: number;
}

type WorkKind = 'observations' | 'questions';

export class AlertsActor {
  private readonly modules: AlertsModules;
  private readonly state: AlertsState;
  private readonly reconciliation: EpisodeReconciliation;
  private readonly dryRuns: SlicedDryRuns;
  private readonly turns: TurnTaker<WorkKind>;
  private readonly counts = { changes: 0, notices: 0 };

  constructor({ rules, info, ...book }: AlertsOptions, modules: AlertsModules) {
    this.modules = modules;
    this.state = new AlertsState(rules, info, book, modules);
    const { store, clock, timers, log, askEpisode } = modules;
    this.turns = new TurnTaker<WorkKind>(
      { name: 'alerts supervisor', kinds: ['observations', 'questions'], refusable: ['questions'] },
      {
        store,
        clock,
        timers,
        log,
        nextDueMs: () => this.state.nextDueMs(),
        tick: (nowMs) => this.state.tick(nowMs),
        flush: () => this.flush(),
        onEnd: () => this.stopOthers(),
        onFailure: (error) => modules.onFailure(error),
      },
    );
    this.dryRuns = new SlicedDryRuns(timers);
    this.reconciliation = new EpisodeReconciliation({
      timers,
      log,
      askEpisode,
      unconfirmed: () => this.state.unconfirmed(),
      found: (anomaly) => this.observe({ anomalies: [anomaly], regionWindows: [], regions: null, components: null }),
      gone: (episode) => this.turns.take('observations', (nowMs) => this.state.forget(episode, nowMs)),
    });
  }

  /** Takes up what the store has; resolves when what follows of it is durable. Rejects with what the store fails with. */
  async start(): Promise<void> {
    this.state.load(this.modules.clock.now());
    this.turns.start();
    this.reconciliation.start();
    await this.turns.take('questions', () => undefined);
  }

  /** Resolves when all that follows of it is durable. Rejects with `unavailable` or `mailbox_full` (both retryable); what was seen may be said again. */
  observe(observation: Observation): Promise<void> {
    return this.turns.take('observations', (nowMs) => this.state.observe(observation, nowMs));
  }

  /** Rejects as protocol.ts says, or as `observe`. */
  ask<Question extends AlertQuestion>(question: Question): Promise<AlertAnswers[Question['kind']]> {
    type Answer = AlertAnswers[Question['kind']];
    const asked: AlertQuestion = question;
    if (asked.kind === 'dryRun') return this.dryRun(asked) as Promise<Answer>;
    return this.turns.take('questions', (nowMs) => this.state.answer(asked, nowMs) as Answer);
  }

  private dryRun({ rules, history }: Extract<AlertQuestion, { kind: 'dryRun' }>): Promise<AlertAnswers['dryRun']> {
    return this.turns.isRunning ? this.dryRuns.run(rules, history) : Promise.reject(unavailable('the alerts supervisor is not running'));
  }

  /** `rules` null: those in force stay, and `info` says why. */
  setRules(rules: AlertRules | null, info: RulesInfo): Promise<void> {
    return this.turns.take('observations', (nowMs) => {
      this.state.setRules(rules, info, nowMs);
      this.reconciliation.start();
    });
  }

  /** Of alerts that changed, for a system beside the engine (alert-outbox.ts). */
  readOutbox(consumer: string, position: string | null, max: number): Promise<AlertPiece> {
    return this.turns.take('questions', () => this.state.book.outbox.read(consumer, position, max));
  }

  acknowledgeOutbox(consumer: string, position: string): Promise<void> {
    return this.turns.take('questions', () => this.state.book.outbox.acknowledge(consumer, position));
  }

  metrics(): AlertsMetrics {
    const { taken, ...turns } = this.turns.figures();
    return { ...turns, ...taken, ...this.counts, ...this.state.figures() };
  }

  /** Works off what waits, and ends. */
  async stop(): Promise<void> {
    this.stopOthers();
    await this.turns.stop();
  }

  private flush(): () => void {
    const { alerts, notices } = this.state.flush();
    return () => {
      this.counts.changes += alerts.length;
      this.counts.notices += notices.length;
      if (alerts.length > 0) this.modules.onChanges(alerts);
      if (notices.length > 0) this.modules.onNotices(notices.map(({ record }) => record));
    };
  }

  private stopOthers(): void {
    this.reconciliation.stop();
    this.dryRuns.stop();
  }
}
