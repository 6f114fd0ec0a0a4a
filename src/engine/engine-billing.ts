import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { RegionChange } from '../actors/region/protocol.ts';
import type { RegionState } from '../actors/region/state.ts';
import type { TariffQuestion } from '../actors/tariffs/protocol.ts';
import { BILLS_RECENT_MAX } from '../http/live-protocol.ts';
import type { TariffsPort } from '../http/tariffs-port.ts';
import type { SharedClock, Timers } from '../runtime/clock.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import type { ChildStatus, Supervisor } from '../runtime/supervisor.ts';
import type { WorkerThread } from '../runtime/worker-thread.ts';
import type { BillingBoard } from './billing-board.ts';
import { BillingLink } from './billing-link.ts';
import type { BillingPlan } from './billing-settings.ts';
import type { BillingThreadOptions } from './billing-thread.ts';
import { DATA_FILE } from './data-manifest.ts';
import type { EnergyParts } from './energy-link.ts';
import type { EngineConfig } from './engine-config.ts';
import type { RegionsListener } from './engine-regions.ts';
import { SINK_RESTARTS, type EngineChild, type EngineThreads } from './engine-threads.ts';
import { InvoicePrinter } from './invoice-printer.ts';
import { billingDirectory } from './open-billing-store.ts';
import type { OutboxLink } from './outbox-link.ts';
import { RegionLoadFeed } from './region-load-feed.ts';
import { sinkNames } from './sink-options.ts';
import type { StopOrder } from './stop-order.ts';

/** Everything that an engine with tariffs and bills has on its main thread: their thread, what it is told of, what it asks of the shards, and who asks it. */

/** It opens its store, walks its pages and reads what goes on: some gigabytes of bills take a minute. */
const READY_TIMEOUT_MS = 5 * 60_000;
const THREAD = 'billing';
/** Of bills that are printed at once: some thousand a minute each. */
const PRINT_THREADS_MAX = 2;
/** Codes of a start that will fail again, however often it is tried. */
const UNREADABLE_CODES: ReadonlySet<string> = new Set(['format', 'corrupt', 'storage_failed', 'invalid_settings']);

export interface EngineBillingModules {
  clock: SharedClock;
  timers: Timers;
  log: Log;
  plan: BillingPlan;
  energy: EnergyParts;
  /** By which the sink thread asks the bills'. */
  outboxLink: OutboxLink;
  regions(): RegionState;
  /** Shards, or partitions, of which there are regions. */
  partCount: number;
  board: BillingBoard;
  threads: EngineThreads;
  ends: StopOrder;
}

export class EngineBilling implements RegionsListener {
  readonly port: TariffsPort;
  private readonly link: BillingLink;
  private readonly printer: InvoicePrinter;
  private readonly config: EngineConfig;
  private readonly modules: EngineBillingModules;
  /** Of the thread. */
  private readonly supervisor: Supervisor;
  private readonly feed: RegionLoadFeed;
  private wasUp = false;
  /** Settles as `attempted`; null: nobody has needed the thread yet. */
  private awake: Promise<void> | null = null;
  /** Settles with the thread's first start, however it ended, unless that refuses the engine's. */
  private readonly attempted: Promise<void>;
  private settleAttempted!: () => void;
  private isFeeding = false;

  constructor(config: EngineConfig, modules: EngineBillingModules) {
    this.config = config;
    this.modules = modules;
    this.attempted = new Promise((resolve) => (this.settleAttempted = resolve));
    this.printer = new InvoicePrinter({ issuer: modules.plan.issuer, threads: Math.min(PRINT_THREADS_MAX, availableParallelism()) }, modules);
    this.link = new BillingLink({ deadlineMs: config.queryDeadlineMs }, { ...modules, onNews: ({ events }) => modules.board.note(events) });
    this.feed = new RegionLoadFeed({ ...modules, latenessMs: config.latenessMs, areRegionsWhole: () => modules.regions().reporting === modules.partCount, observe: (loads) => this.link.observe(loads) });
    this.port = { ask: this.ask, print: (invoice, language, numbers) => this.printer.print(invoice, { language, numbers }) };
    this.supervisor = modules.threads.supervise(THREAD, [this.child()], { endsIn: 'sinks', restarts: SINK_RESTARTS });
    modules.ends.add('ingest', () => this.stopFeed());
    modules.ends.add('gateway', () => this.printer.close());
  }

  /** null: there was no need of a thread yet. */
  status(): ChildStatus | null {
    return this.awake === null ? null : this.supervisor.status()[0];
  }

  /**
   * Starts the thread where there is something for it to do before anybody asks: it takes some 40 MB, which an engine without tariffs does not owe it. Resolves when it is there, or its first start has failed: one
   * that is away does not keep an engine from starting.
   */
  async startThread(): Promise<void> {
    const { dataDir, priceRulesFile } = this.config;
    const hasWork = existsSync(join(billingDirectory(dataDir), DATA_FILE)) || priceRulesFile !== null || sinkNames(this.config).length > 0;
    if (hasWork) await this.wake();
  }

  /** The engine is ready: shards have reported, and their regions are known. */
  startFeed(): void {
    this.isFeeding = true;
    if (this.wasUp) this.feed.up();
  }

  regionsChanged({ windows }: RegionChange): void {
    this.feed.windowsChanged(windows);
  }

  // TypeScript does not see that a method of the port's own type is one.
  private readonly ask = (async (question: TariffQuestion) => {
    // When it does not start, or the engine stops, the link says so.
    if (!this.wasUp) await this.wake().catch(() => undefined);
    return this.link.ask(question);
  }) as unknown as TariffsPort['ask'];

  private wake(): Promise<void> {
    this.awake ??= Promise.race([this.supervisor.start(), this.attempted]);
    return this.awake;
  }

  /** What there is, as the thread has it; what happens comes by itself. */
  private async readBoard(): Promise<void> {
    const { board, log } = this.modules;
    try {
      board.seedPrices(await this.link.ask({ kind: 'prices' }));
      board.seedInvoices((await this.link.ask({ kind: 'invoices', query: { agreementId: null, meterId: null, state: null, run: null, limit: BILLS_RECENT_MAX, cursor: null } })).data);
    } catch (error) {
      log.debug({ err: error }, 'prices and bills could not be read for the live stream; it shows what changes');
    }
  }

  private child(): EngineChild {
    const { threads } = this.modules;
    const start = async ({ epoch }: { epoch: number }): Promise<WorkerThread<object>> => {
      const started = threads.start<object>({ name: THREAD, module: new URL('./billing-thread.ts', import.meta.url), epoch, options: this.threadOptions(), readyTimeoutMs: READY_TIMEOUT_MS });
      const thread = await started.catch((error: unknown) => this.didNotStart(error));
      this.link.up(thread);
      this.modules.outboxLink.supervisorUp(thread);
      this.wasUp = true;
      this.settleAttempted();
      if (this.isFeeding) this.feed.up();
      void this.readBoard();
      return thread;
    };
    return { name: THREAD, stopTimeoutMs: this.config.shutdownDeadlineMs, start, down: () => this.threadDown() };
  }

  /** No load is told any more; questions are answered until the thread goes. */
  private stopFeed(): void {
    this.isFeeding = false;
    this.feed.down();
  }

  private threadDown(): void {
    this.feed.down();
    this.link.down();
    this.modules.outboxLink.supervisorDown();
  }

  private threadOptions(): BillingThreadOptions {
    const { config } = this;
    return {
      directory: billingDirectory(config.dataDir),
      consumers: sinkNames(config),
      priceRules: this.modules.plan.priceRules,
      correctionHorizonMs: config.correctionHorizonMs,
      correctionEveryMs: config.billingCorrectionIntervalMs,
      askDeadlineMs: config.queryDeadlineMs,
    };
  }

  /** At the start of the engine what cannot be read stops it, with a word; later it goes on without bills, however often their thread fails. Always throws. */
  private didNotStart(error: unknown): never {
    const cause = error instanceof OperationalError ? error.cause : undefined;
    if (!this.wasUp && !this.isFeeding && cause instanceof OperationalError && UNREADABLE_CODES.has(cause.code)) {
      const directory = billingDirectory(this.config.dataDir);
      this.modules.threads.fail(new OperationalError(cause.code, `bills cannot be started: ${cause.message}. Bring ${directory} back from a backup, or start with SEG_BILLING=off`, { cause }));
      throw error;
    }
    this.settleAttempted();
    throw new OperationalError('thread_start_failed', (error as Error).message, { retryable: true, cause: error });
  }
}
