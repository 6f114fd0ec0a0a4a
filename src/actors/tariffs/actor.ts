import type { Clock, TimerHandle, Timers } from '../../runtime/clock.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { Store } from '../../runtime/store.ts';
import { TurnTaker } from '../../runtime/turn-taker.ts';
import type { BillingDesk } from './billing-desk.ts';
import type { BillingPiece } from './billing-outbox.ts';
import { BillingRuns, type RunOptions } from './billing-run.ts';
import { ComparisonRuns, type ComparisonOptions } from './comparison-run.ts';
import { Corrections, type CorrectionOptions } from './corrections.ts';
import { Costs } from './costs.ts';
import type { EnergySource } from './energy-source.ts';
import type { PriceBook } from './price-book.ts';
import { billsOfRegion } from './region-bills.ts';
import type { BillingEvent, RegionLoad, TariffAnswers, TariffQuestion } from './protocol.ts';
import { TariffsState, type BookQuestion, type TariffsStateOptions } from './tariffs-state.ts';

/**
 * The tariff supervisor: questions, commands, loads and what falls due, in turns (runtime/turn-taker.ts), after which events get out. What needs the energy of meters, as a monthly run, goes on between turns and does
 * its changes in them.
 */

/** Questions that wait for the energy or the places of meters at a time. */
const SHARD_QUESTIONS_MAX = 32;
export interface TariffsOptions extends TariffsStateOptions {
  corrections: CorrectionOptions & RunOptions;
  comparisons?: ComparisonOptions;
}

export interface TariffsModules {
  store: Store;
  clock: Clock;
  timers: Timers;
  /** Calls back in a later turn of the event loop, after its timers and ports had theirs: setImmediate. */
  nextTurn(run: () => void): void;
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

export class TariffsActor {
  private readonly modules: TariffsModules;
  private readonly state: TariffsState;
  private readonly desk: BillingDesk;
  private readonly costs: Costs;
  private readonly runs: BillingRuns;
  private readonly comparisons: ComparisonRuns;
  private readonly corrections: Corrections;
  private readonly turns: TurnTaker<WorkKind>;
  /** Of work between turns: a thread that has ended is held by none. */
  private readonly pauses = new Set<TimerHandle>();
  private waitingForShards = 0;
  private readonly counts = { costs: 0, events: 0 };

  constructor({ corrections, comparisons = {}, ...options }: TariffsOptions, modules: TariffsModules) {
    this.modules = modules;
    this.state = new TariffsState(options, modules.store, modules.prices);
    const { store, clock, timers, log } = modules;
    this.turns = new TurnTaker<WorkKind>(
      { name: 'tariff supervisor', kinds: ['questions', 'loads', 'own'], refusable: ['questions', 'own'] },
      {
        store,
        clock,
        timers,
        log,
        nextDueMs: () => this.state.nextDueMs(),
        tick: (nowMs) => this.state.tick(nowMs),
        flush: (nowMs) => this.flush(nowMs),
        onEnd: () => this.endPauses(),
        onFailure: (error) => modules.onFailure(error),
      },
    );
    this.desk = this.makeDesk();
    this.costs = new Costs(this.desk);
    this.runs = new BillingRuns(this.desk, corrections);
    this.comparisons = new ComparisonRuns(this.desk, comparisons);
    this.corrections = new Corrections(this.desk, corrections);
  }

  /** Takes up what the store has, and goes on with the runs that are under way; resolves when that is durable. Rejects with what the store fails with. */
  async start(): Promise<void> {
    this.state.load(this.modules.clock.now());
    this.turns.start();
    await this.turns.take('own', () => undefined);
    this.runs.start();
    this.comparisons.start();
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
        this.counts.costs++;
        return this.askShards(() => this.costs.answer(question));
      case 'invoices':
        return this.askInvoices(question);
      case 'startRun':
        return this.runs.begin(question.month, question.by);
      case 'startComparison':
        return this.comparisons.begin(question.comparison, question.by);
      case 'endComparison':
        return this.comparisons.end(question.id);
      default:
        return this.askBooks(question);
    }
  }

  /** Loads of minutes that are over. Resolves when what follows of them is durable; they may be said again. */
  observe(loads: readonly RegionLoad[]): Promise<void> {
    return this.turns.take('loads', (nowMs) => this.state.prices.applyLoad(loads, nowMs));
  }

  /** Of what changed, for a system beside the engine (billing-outbox.ts). */
  readOutbox(consumer: string, position: string | null, max: number): Promise<BillingPiece> {
    return this.turns.take('questions', () => this.state.outbox.read(consumer, position, max));
  }

  acknowledgeOutbox(consumer: string, position: string): Promise<void> {
    return this.turns.take('questions', () => this.state.acknowledgeOutbox(consumer, position));
  }

  metrics(): TariffsMetrics {
    const { taken, ...turns } = this.turns.figures();
    return {
      ...turns,
      questions: taken.questions,
      loads: taken.loads,
      ...this.counts,
      tariffVersions: this.state.tariffs.versionCount,
      runsUnderWay: this.state.runs.underWay().length,
      ...this.runs.figures(),
      ...this.corrections.figures(),
    };
  }

  /** Works off what waits, and ends. Runs go on with the next one. */
  stop(): Promise<void> {
    return this.turns.stop();
  }

  private makeDesk(): BillingDesk {
    const { energy, log, timers, nextTurn } = this.modules;
    const isEnded = (): boolean => !this.turns.isRunning;
    return {
      turn: (apply) => this.turns.take('own', (nowMs) => apply(this.state, nowMs)),
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
      giveWay: () =>
        new Promise<void>((resolve) => {
          nextTurn(() => {
            if (!isEnded()) resolve();
          });
        }),
      get isEnded() {
        return isEnded();
      },
    };
  }

  private askBooks(question: BookQuestion): Promise<unknown> {
    return this.turns.take('questions', (nowMs) => this.state.answer(question, nowMs));
  }

  private askInvoices(question: Extract<TariffQuestion, { kind: 'invoices' }>): Promise<unknown> {
    const { region } = question.query;
    return region === null ? this.askBooks(question) : this.askShards(() => billsOfRegion(this.desk, { ...question.query, region }));
  }

  /** What waits for shards between turns, within SHARD_QUESTIONS_MAX. */
  private async askShards(answer: () => Promise<unknown>): Promise<unknown> {
    if (this.waitingForShards >= SHARD_QUESTIONS_MAX) throw new OperationalError('mailbox_full', `${SHARD_QUESTIONS_MAX} questions about meters are being worked out; try again shortly`, { retryable: true });
    this.waitingForShards++;
    try {
      return await answer();
    } finally {
      this.waitingForShards--;
    }
  }

  private flush(nowMs: number): () => void {
    const events = this.state.flush(nowMs);
    return () => {
      this.state.settle();
      this.counts.events += events.length;
      if (events.length > 0) this.modules.onEvents(events);
    };
  }

  private endPauses(): void {
    for (const pause of this.pauses) pause.cancel();
    this.pauses.clear();
  }
}
