import type { Alert } from '../../model/alert.ts';
import type { Anomaly } from '../../model/anomaly.ts';
import type { Notice } from '../../model/notice.ts';
import type { Clock, TimerHandle, Timers } from '../../runtime/clock.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { Store } from '../../runtime/store.ts';
import type { PeopleDirectory } from '../people/people-directory.ts';
import type { AlertBookOptions } from './alert-book.ts';
import type { AlertPiece } from './alert-outbox.ts';
import { AlertsState, type RulesInfo } from './alerts-state.ts';
import type { EpisodeId } from './conditions/episodes.ts';
import { EpisodeReconciliation } from './episode-reconciliation.ts';
import type { AlertAnswers, AlertQuestion, Observation } from './protocol.ts';
import type { AlertRules } from './rules.ts';
import { SlicedDryRuns } from './sliced-dry-runs.ts';

/**
 * The alerts supervisor. A turn applies all that waits to memory, queues what changed, and commits it; only then do answers, changes and notices get out. Where that fails memory is ahead of the disk: the actor says so
 * and does no more, and the next one starts from the disk.
 */

/** Observations and questions of one turn: what waits behind them must not be kept from an answer for long. */
const TURN_WORK_MAX = 256;
/** Observations, or questions, that may wait; some seconds' worth, after which who has more is told to try again. */
const WAITING_MAX = 1_000;
/** The wall clock is looked at so often whatever is due, as it may jump. */
const CLOCK_LOOK_MS = 5_000;

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

interface Work {
  kind: 'observations' | 'questions';
  apply(nowMs: number): unknown;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

export class AlertsActor {
  private readonly modules: AlertsModules;
  private readonly state: AlertsState;
  private readonly reconciliation: EpisodeReconciliation;
  private readonly dryRuns: SlicedDryRuns;
  private phase: 'new' | 'running' | 'stopping' | 'ended' = 'new';
  private waiting: Work[] = [];
  private readonly waitingOf = { observations: 0, questions: 0 };
  /** Of the turn that is not committed. */
  private underWay: Work[] = [];
  private isTurning = false;
  private timer: TimerHandle | null = null;
  /** When the last turn was. */
  private turnMs = -Infinity;
  private onIdle: (() => void) | null = null;
  private readonly counts = { turns: 0, observations: 0, questions: 0, changes: 0, notices: 0, commitMsTotal: 0, commitMsMax: 0 };

  constructor({ rules, info, ...book }: AlertsOptions, modules: AlertsModules) {
    this.modules = modules;
    this.state = new AlertsState(rules, info, book, modules);
    const { timers, log, askEpisode } = modules;
    this.dryRuns = new SlicedDryRuns(timers);
    this.reconciliation = new EpisodeReconciliation({
      timers,
      log,
      askEpisode,
      unconfirmed: () => this.state.unconfirmed(),
      found: (anomaly) => this.observe({ anomalies: [anomaly], regionWindows: [], regions: null, components: null }),
      gone: (episode) => this.enqueue('observations', (nowMs) => this.state.forget(episode, nowMs)),
    });
  }

  /** Takes up what the store has; resolves when what follows of it is durable. Rejects with what the store fails with. */
  async start(): Promise<void> {
    this.state.load(this.modules.clock.now());
    this.phase = 'running';
    this.reconciliation.start();
    await this.enqueue('questions', () => undefined);
  }

  /** Resolves when all that follows of it is durable. Rejects with `unavailable` or `mailbox_full` (both retryable); what was seen may be said again. */
  observe(observation: Observation): Promise<void> {
    return this.enqueue('observations', (nowMs) => this.state.observe(observation, nowMs));
  }

  /** Rejects as protocol.ts says, or as `observe`. */
  ask<Question extends AlertQuestion>(question: Question): Promise<AlertAnswers[Question['kind']]> {
    type Answer = AlertAnswers[Question['kind']];
    const asked: AlertQuestion = question;
    if (asked.kind === 'dryRun') return this.dryRun(asked) as Promise<Answer>;
    return this.enqueue('questions', (nowMs) => this.state.answer(asked, nowMs) as Answer);
  }

  private dryRun({ rules, history }: Extract<AlertQuestion, { kind: 'dryRun' }>): Promise<AlertAnswers['dryRun']> {
    return this.phase === 'running' ? this.dryRuns.run(rules, history) : Promise.reject(unavailable('the alerts supervisor is not running'));
  }

  /** `rules` null: those in force stay, and `info` says why. */
  setRules(rules: AlertRules | null, info: RulesInfo): Promise<void> {
    return this.enqueue('observations', (nowMs) => {
      this.state.setRules(rules, info, nowMs);
      this.reconciliation.start();
    });
  }

  /** Of alerts that changed, for a system beside the engine (alert-outbox.ts). */
  readOutbox(consumer: string, position: string | null, max: number): Promise<AlertPiece> {
    return this.enqueue('questions', () => this.state.book.outbox.read(consumer, position, max));
  }

  acknowledgeOutbox(consumer: string, position: string): Promise<void> {
    return this.enqueue('questions', () => this.state.book.outbox.acknowledge(consumer, position));
  }

  metrics(): AlertsMetrics {
    return { ...this.counts, waiting: this.waiting.length, ...this.state.figures() };
  }

  /** Works off what waits, and ends. */
  async stop(): Promise<void> {
    if (this.phase !== 'running') return;
    this.phase = 'stopping';
    this.reconciliation.stop();
    this.dryRuns.stop();
    if (this.isTurning || this.waiting.length > 0) await new Promise<void>((resolve) => (this.onIdle = resolve));
    this.end();
  }

  private enqueue<T>(kind: Work['kind'], apply: (nowMs: number) => T): Promise<T> {
    if (this.phase !== 'running') return Promise.reject(unavailable('the alerts supervisor is not running'));
    if (this.waitingOf[kind] >= WAITING_MAX) {
      return Promise.reject(new OperationalError('mailbox_full', `${WAITING_MAX} ${kind} are waiting for the alerts supervisor; try again shortly`, { retryable: true }));
    }
    return new Promise<T>((resolve, reject) => {
      this.waiting.push({ kind, apply, resolve: resolve as (result: unknown) => void, reject });
      this.waitingOf[kind]++;
      this.wake();
    });
  }

  /** A turn begins in the next microtask: what comes until then goes with it. */
  private wake(): void {
    if (this.isTurning || this.phase === 'new' || this.phase === 'ended') return;
    this.isTurning = true;
    this.timer?.cancel();
    queueMicrotask(() => void this.work());
  }

  private async work(): Promise<void> {
    try {
      do await this.turn();
      while (this.waiting.length > 0 && !this.isEnded);
    } catch (error) {
      this.fail(error);
    }
    this.isTurning = false;
    this.onIdle?.();
    if (this.phase === 'running') this.armTimer();
  }

  private get isEnded(): boolean {
    return this.phase === 'ended';
  }

  private async turn(): Promise<void> {
    const { clock, store } = this.modules;
    const nowMs = clock.now();
    this.underWay = this.waiting.splice(0, TURN_WORK_MAX);
    const releases = this.underWay.map((work) => this.apply(work, nowMs));
    // A clock that went back makes what waits for it wait anew: whatever is due.
    if (this.state.nextDueMs() <= nowMs || nowMs < this.turnMs) this.state.tick(nowMs);
    this.turnMs = nowMs;
    const { alerts, notices } = this.state.flush();
    const startedMs = clock.monotonic();
    await store.commit();
    if (this.isEnded) return;
    this.underWay = [];
    this.count(clock.monotonic() - startedMs, alerts.length, notices.length);
    for (const release of releases) release();
    if (alerts.length > 0) this.modules.onChanges(alerts);
    if (notices.length > 0) this.modules.onNotices(notices.map(({ record }) => record));
  }

  /** Gives what lets the result out. Throws what is not an answer. */
  private apply(work: Work, nowMs: number): () => void {
    this.waitingOf[work.kind]--;
    this.counts[work.kind]++;
    try {
      const result = work.apply(nowMs);
      return () => work.resolve(result);
    } catch (error) {
      if (work.kind !== 'questions' || !(error instanceof OperationalError)) throw error;
      return () => work.reject(error);
    }
  }

  private count(commitMs: number, changes: number, notices: number): void {
    const { counts } = this;
    counts.turns++;
    counts.changes += changes;
    counts.notices += notices;
    counts.commitMsTotal += commitMs;
    counts.commitMsMax = Math.max(counts.commitMsMax, commitMs);
  }

  private armTimer(): void {
    const { clock, timers } = this.modules;
    const waitMs = Math.min(CLOCK_LOOK_MS, Math.max(0, this.state.nextDueMs() - clock.now()));
    this.timer?.cancel();
    this.timer = timers.after(waitMs, () => this.wake());
  }

  private fail(error: unknown): void {
    if (this.isEnded) return;
    this.end(error);
    this.modules.log.error({ error }, 'The alerts supervisor could not finish a turn; the next starts from disk.');
    this.modules.onFailure(error);
  }

  private end(cause?: unknown): void {
    this.phase = 'ended';
    this.timer?.cancel();
    this.reconciliation.stop();
    this.dryRuns.stop();
    const left = [...this.underWay, ...this.waiting];
    this.underWay = [];
    this.waiting = [];
    for (const { reject } of left) reject(unavailable('the alerts supervisor has ended', cause));
  }
}

function unavailable(message: string, cause?: unknown): OperationalError {
  return new OperationalError('unavailable', message, { retryable: true, cause });
}
