import type { Clock, TimerHandle, Timers } from '../../runtime/clock.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { Store } from '../../runtime/store.ts';
import type { BillingDesk } from './billing-desk.ts';
import type { BillingPiece } from './billing-outbox.ts';
import { BillingRuns, type RunOptions } from './billing-run.ts';
import { Corrections, type CorrectionOptions } from './corrections.ts';
import { Costs } from './costs.ts';
import type { EnergySource } from './energy-source.ts';
import type { PriceBook } from './price-book.ts';
import type { BillingEvent, RegionLoad, TariffAnswers, TariffQuestion } from './protocol.ts';
import { TariffsState, type BookQuestion, type CostQuestion, type TariffsStateOptions } from './tariffs-state.ts';

/**
 * The tariff supervisor. A turn applies all that waits to memory, queues what changed, and commits it; only then do answers and events get out. Where that fails memory is ahead of the disk: the actor says so and
 * does no more, and the next one starts from the disk. What needs the energy of meters, as a monthly run, goes on between turns and does its changes in them.
 */

/** Pieces of work of one turn: what waits behind them must not be kept from an answer for long. */
const TURN_WORK_MAX = 256;
/** Questions, or loads, that may wait, after which who has more is told to try again. */
const WAITING_MAX = 1_000;
/** Questions that wait for the energy of meters at a time. */
const COSTS_MAX = 32;
/** The wall clock is looked at so often whatever is due, as it may jump. */
const CLOCK_LOOK_MS = 5_000;

export interface TariffsOptions extends TariffsStateOptions {
  corrections: CorrectionOptions & RunOptions;
}

export interface TariffsModules {
  store: Store;
  clock: Clock;
  timers: Timers;
  log: Log;
  energy: EnergySource;
  /** On the same store. */
  prices: PriceBook;
  /** These happened, durably, in this order. */
  onEvents(events: BillingEvent[]): void;
  /** The actor does no more; called once at most. */
  onFailure(error: unknown): void;
}

/** What was done since the start; `commitMs…` are durations. */
export interface TariffsMetrics {
  turns: number;
  questions: number;
  costs: number;
  loads: number;
  events: number;
  commitMsTotal: number;
  commitMsMax: number;
  /** Waiting now. */
  waiting: number;
  tariffVersions: number;
  runsUnderWay: number;
  billed: number;
  billingFaults: number;
  compared: number;
  corrected: number;
}

type WorkKind = 'questions' | 'loads' | 'own';

interface Work {
  kind: WorkKind;
  apply(nowMs: number): unknown;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

export class TariffsActor {
  private readonly modules: TariffsModules;
  private readonly state: TariffsState;
  private readonly costs: Costs;
  private readonly runs: BillingRuns;
  private readonly corrections: Corrections;
  private phase: 'new' | 'running' | 'stopping' | 'ended' = 'new';
  private waiting: Work[] = [];
  private readonly waitingOf: Record<WorkKind, number> = { questions: 0, loads: 0, own: 0 };
  /** Of the turn that is not committed. */
  private underWay: Work[] = [];
  private isTurning = false;
  private timer: TimerHandle | null = null;
  /** Of work between turns: a thread that has ended is held by none. */
  private readonly pauses = new Set<TimerHandle>();
  /** When the last turn was. */
  private turnMs = -Infinity;
  private costsUnderWay = 0;
  private onIdle: (() => void) | null = null;
  private readonly counts = { turns: 0, questions: 0, costs: 0, loads: 0, events: 0, commitMsTotal: 0, commitMsMax: 0 };

  constructor({ corrections, ...options }: TariffsOptions, modules: TariffsModules) {
    this.modules = modules;
    this.state = new TariffsState(options, modules.store, modules.prices);
    const desk = this.desk();
    this.costs = new Costs(desk);
    this.runs = new BillingRuns(desk, corrections);
    this.corrections = new Corrections(desk, corrections);
  }

  /** Takes up what the store has, and goes on with the runs that are under way; resolves when that is durable. Rejects with what the store fails with. */
  async start(): Promise<void> {
    this.state.load(this.modules.clock.now());
    this.phase = 'running';
    await this.enqueue('own', () => undefined);
    this.runs.start();
    this.corrections.start();
  }

  /** Rejects as protocol.ts says, with `unavailable` or `mailbox_full` (both retryable), or with what the energy source rejects with. */
  ask<Kind extends TariffQuestion['kind']>(question: TariffQuestion & { kind: Kind }): Promise<TariffAnswers[Kind]>;
  ask(question: TariffQuestion): Promise<unknown> {
    switch (question.kind) {
      case 'tariffOf':
      case 'estimate':
      case 'cycle':
      case 'compare':
      case 'draft':
      case 'explainInvoice':
        return this.askCosts(question);
      case 'startRun':
        return this.runs.begin(question.month, question.by);
      default:
        return this.askBooks(question);
    }
  }

  /** Loads of minutes that are over. Resolves when what follows of them is durable; they may be said again. */
  observe(loads: readonly RegionLoad[]): Promise<void> {
    return this.enqueue('loads', (nowMs) => this.state.prices.applyLoad(loads, nowMs));
  }

  /** Of what changed, for a system beside the engine (billing-outbox.ts). */
  readOutbox(consumer: string, position: string | null, max: number): Promise<BillingPiece> {
    return this.enqueue('questions', () => this.state.outbox.read(consumer, position, max));
  }

  acknowledgeOutbox(consumer: string, position: string): Promise<void> {
    return this.enqueue('questions', () => this.state.acknowledgeOutbox(consumer, position));
  }

  metrics(): TariffsMetrics {
    return {
      ...this.counts,
      waiting: this.waiting.length,
      tariffVersions: this.state.tariffs.versionCount,
      runsUnderWay: this.state.runs.underWay().length,
      ...this.runs.figures(),
      ...this.corrections.figures(),
    };
  }

  /** Works off what waits, and ends. Runs go on with the next one. */
  async stop(): Promise<void> {
    if (this.phase !== 'running') return;
    this.phase = 'stopping';
    if (this.isTurning || this.waiting.length > 0) await new Promise<void>((resolve) => (this.onIdle = resolve));
    this.end();
  }

  private desk(): BillingDesk {
    const { energy, log, timers } = this.modules;
    const isEnded = (): boolean => this.isEnded || this.phase === 'stopping';
    return {
      turn: (apply) => this.enqueue('own', (nowMs) => apply(this.state, nowMs)),
      energy,
      log,
      pause: (ms) =>
        new Promise<void>((resolve) => {
          if (isEnded()) return;
          const pause = timers.after(ms, () => {
            this.pauses.delete(pause);
            if (!isEnded()) resolve();
          });
          this.pauses.add(pause);
        }),
      get isEnded() {
        return isEnded();
      },
    };
  }

  private askBooks(question: BookQuestion): Promise<unknown> {
    return this.enqueue('questions', (nowMs) => this.state.answer(question, nowMs));
  }

  private async askCosts(question: CostQuestion): Promise<unknown> {
    if (this.costsUnderWay >= COSTS_MAX) throw new OperationalError('mailbox_full', `${COSTS_MAX} costs are being worked out; try again shortly`, { retryable: true });
    this.costsUnderWay++;
    this.counts.costs++;
    try {
      return await this.costs.answer(question);
    } finally {
      this.costsUnderWay--;
    }
  }

  private enqueue<T>(kind: WorkKind, apply: (nowMs: number) => T): Promise<T> {
    if (this.phase !== 'running') return Promise.reject(unavailable('the tariff supervisor is not running'));
    if (this.waitingOf[kind] >= WAITING_MAX) {
      return Promise.reject(new OperationalError('mailbox_full', `${WAITING_MAX} ${kind} are waiting for the tariff supervisor; try again shortly`, { retryable: true }));
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
    const events = this.state.flush(nowMs);
    const startedMs = clock.monotonic();
    await store.commit();
    if (this.isEnded) return;
    this.state.settle();
    this.underWay = [];
    this.count(clock.monotonic() - startedMs, events.length);
    for (const release of releases) release();
    if (events.length > 0) this.modules.onEvents(events);
  }

  /** Gives what lets the result out. Throws what is not an answer. */
  private apply(work: Work, nowMs: number): () => void {
    this.waitingOf[work.kind]--;
    if (work.kind !== 'own') this.counts[work.kind]++;
    try {
      const result = work.apply(nowMs);
      return () => work.resolve(result);
    } catch (error) {
      if (work.kind === 'loads' || !(error instanceof OperationalError)) throw error;
      return () => work.reject(error);
    }
  }

  private count(commitMs: number, events: number): void {
    const { counts } = this;
    counts.turns++;
    counts.events += events;
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
    this.modules.log.error({ error }, 'The tariff supervisor could not finish a turn; the next starts from disk.');
    this.modules.onFailure(error);
  }

  private end(cause?: unknown): void {
    this.phase = 'ended';
    this.timer?.cancel();
    for (const pause of this.pauses) pause.cancel();
    this.pauses.clear();
    const left = [...this.underWay, ...this.waiting];
    this.underWay = [];
    this.waiting = [];
    for (const { reject } of left) reject(unavailable('the tariff supervisor has ended', cause));
  }
}

function unavailable(message: string, cause?: unknown): OperationalError {
  return new OperationalError('unavailable', message, { retryable: true, cause });
}
