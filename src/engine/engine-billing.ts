import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { RegionChange } from '../actors/region/protocol.ts';
import type { RegionState } from '../actors/region/state.ts';
import type { TariffQuestion } from '../actors/tariffs/protocol.ts';
import { BILLS_RECENT_MAX } from '../http/live-protocol.ts';
import type { TariffsPort } from '../http/tariffs-port.ts';
import type { SharedClock, Timers } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { ChildStatus } from '../runtime/supervisor.ts';
import type { BillingBoard } from './billing-board.ts';
import { BillingLink } from './billing-link.ts';
import type { BillingPlan } from './billing-settings.ts';
import type { BillingThreadOptions } from './billing-thread.ts';
import { DATA_FILE } from './data-manifest.ts';
import type { EnergyParts } from './energy-link.ts';
import type { EngineConfig } from './engine-config.ts';
import type { RegionsListener } from './engine-regions.ts';
import type { EngineThreads } from './engine-threads.ts';
import { InvoicePrinter } from './invoice-printer.ts';
import { billingDirectory } from './open-billing-store.ts';
import type { OutboxLink } from './outbox-link.ts';
import { RegionLoadFeed } from './region-load-feed.ts';
import { SideThread } from './side-thread.ts';
import { sinkNames } from './sink-options.ts';
import type { StopOrder } from './stop-order.ts';

/** Everything that an engine with tariffs and bills has on its main thread: their thread, what it is told of, what it asks of the shards, and who asks it. */

/** It opens its store, walks its pages and reads what goes on: some gigabytes of bills take a minute. */
const READY_TIMEOUT_MS = 5 * 60_000;
/** Of bills that are printed at once: some thousand a minute each. */
const PRINT_THREADS_MAX = 2;

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
  private readonly thread: SideThread;
  private readonly feed: RegionLoadFeed;

  constructor(config: EngineConfig, modules: EngineBillingModules) {
    this.config = config;
    this.modules = modules;
    this.printer = new InvoicePrinter({ issuer: modules.plan.issuer, threads: Math.min(PRINT_THREADS_MAX, availableParallelism()) }, modules);
    this.link = new BillingLink({ deadlineMs: config.queryDeadlineMs }, { ...modules, onNews: ({ events }) => modules.board.note(events) });
    this.feed = new RegionLoadFeed({ ...modules, latenessMs: config.latenessMs, areRegionsWhole: () => modules.regions().reporting === modules.partCount, observe: (loads) => this.link.observe(loads) });
    this.port = { ask: this.ask, print: (invoice, language, numbers) => this.printer.print(invoice, { language, numbers }) };
    this.thread = new SideThread(
      { name: 'billing', module: new URL('./billing-thread.ts', import.meta.url), readyTimeoutMs: READY_TIMEOUT_MS, stopTimeoutMs: config.shutdownDeadlineMs },
      {
        ...modules,
        link: this.link,
        feed: this.feed,
        threadOptions: () => this.threadOptions(),
        onUp: () => void this.readBoard(),
        refusal: ({ message }) => `bills cannot be started: ${message}. Bring ${billingDirectory(config.dataDir)} back from a backup, or start with SEG_BILLING=off`,
      },
    );
    modules.ends.add('ingest', () => this.thread.stopFeed());
    modules.ends.add('gateway', () => this.printer.close());
  }

  /** null: there was no need of a thread yet. */
  status(): ChildStatus | null {
    return this.thread.isAwake ? this.thread.status() : null;
  }

  /**
   * Starts the thread where there is something for it to do before anybody asks: it takes some 40 MB, which an engine without tariffs does not owe it. Resolves when it is there, or its first start has failed: one
   * that is away does not keep an engine from starting.
   */
  async startThread(): Promise<void> {
    const { dataDir, priceRulesFile } = this.config;
    const hasWork = existsSync(join(billingDirectory(dataDir), DATA_FILE)) || priceRulesFile !== null || sinkNames(this.config).length > 0;
    if (hasWork) await this.thread.wake();
  }

  /** The engine is ready: shards have reported, and their regions are known. */
  startFeed(): void {
    this.thread.startFeed();
  }

  regionsChanged({ windows }: RegionChange): void {
    this.feed.windowsChanged(windows);
  }

  // TypeScript does not see that a method of the port's own type is one.
  private readonly ask = (async (question: TariffQuestion) => {
    // When it does not start, or the engine stops, the link says so.
    if (!this.thread.hasStarted) await this.thread.wake().catch(() => undefined);
    return this.link.ask(question);
  }) as unknown as TariffsPort['ask'];

  /** What there is, as the thread has it; what happens comes by itself. */
  private async readBoard(): Promise<void> {
    const { board, log } = this.modules;
    try {
      board.seedPrices(await this.link.ask({ kind: 'prices' }));
      board.seedInvoices((await this.link.ask({ kind: 'invoices', query: { agreementId: null, meterId: null, state: null, run: null, region: null, limit: BILLS_RECENT_MAX, cursor: null } })).data);
    } catch (error) {
      log.debug({ err: error }, 'prices and bills could not be read for the live stream; it shows what changes');
    }
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
}
