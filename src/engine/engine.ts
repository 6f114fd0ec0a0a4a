import { randomBytes } from 'node:crypto';
import { RegionActor } from '../actors/region/actor.ts';
import type { ShardReport } from '../actors/shard/protocol.ts';
import type { Anomaly } from '../model/anomaly.ts';
import { startGateway, type Gateway } from '../http/gateway.ts';
import { registerLive, type LiveStream } from '../http/live-stream.ts';
import { startOpsServer, type OpsServer } from '../http/ops-server.ts';
import { loadStaticFiles } from '../http/static-files.ts';
import { systemClock, systemTimers, type SharedClock, type TimerHandle } from '../runtime/clock.ts';
import { OperationalError } from '../runtime/errors.ts';
import { freeDiskBytes } from '../runtime/files.ts';
import type { Log } from '../runtime/log.ts';
import { openFilesMax } from '../runtime/open-files.ts';
import { openTracing } from '../runtime/open-tracing.ts';
import { Shutdown, type PhaseOutcome } from '../runtime/shutdown.ts';
import { Supervisor, type ChildStatus, type SupervisorOptions } from '../runtime/supervisor.ts';
import type { Tracing, TracingOptions } from '../runtime/tracing.ts';
import { WorkerThread } from '../runtime/worker-thread.ts';
import { channelNames, planAlerts, type AlertPlan } from './alert-plan.ts';
import type { AskShard } from './ask-shard.ts';
import { planBilling, type BillingPlan } from './billing-settings.ts';
import type { ClusterBoard } from './cluster-board.ts';
import { ClusterGateway } from './cluster-gateway.ts';
import { ClusterThreads } from './cluster-threads.ts';
import { openDataDirectory, type DataDirectory } from './data-directory.ts';
import { DeviceKeyLinks } from './device-key-link.ts';
import { engineSettings, type EngineConfig } from './engine-config.ts';
import { EnergyLink } from './energy-link.ts';
import { startAccounts, type EngineAccounts } from './engine-accounts.ts';
import { EngineAlerts } from './engine-alerts.ts';
import { EngineBilling } from './engine-billing.ts';
import { EngineHealth } from './engine-health.ts';
import { EngineQueries } from './engine-queries.ts';
import { startRegistry, type EngineRegistry } from './engine-registry.ts';
import { EngineVitals } from './engine-vitals.ts';
import { FaultInjection } from './fault-injection.ts';
import { gatewayAccess } from './gateway-settings.ts';
import type { IngestThreadControl } from './ingest-thread.ts';
import { HistoryLink } from './history-link.ts';
import { planKafkaLog, type KafkaLogPlan } from './kafka-log-wiring.ts';
import { LiveBoard } from './live-board.ts';
import { liveConnectionsMax } from './live-connections.ts';
import { ALERT_OUTBOX_PORT, BILLING_OUTBOX_PORT, OutboxLink } from './outbox-link.ts';
import { redistributeDirectory } from './redistribution.ts';
import { answerRegionParts } from './region-parts-link.ts';
import { RegionSeeding } from './region-seeding.ts';
import { ShardLinks } from './shard-links.ts';
import { shardStateConfig } from './shard-state-config.ts';
import { sinkNames, sinkThreadOptions } from './sink-options.ts';
import { ingestThreadOptions, shardThreadOptions } from './thread-options.ts';

/** Wires one engine: threads under supervisors, ports between them, servers in front. Nothing else does. */

export interface Engine {
  readonly ports: { ingest: number; http: number; ops: number };
  /** Resolves when the engine cannot go on by itself: some thread crashed too often. */
  readonly failed: Promise<OperationalError>;
  readonly shutdown: Shutdown;
  /** Stops in order: ingest, shards, gateway. Never rejects. */
  stop(reason: string): Promise<PhaseOutcome[]>;
}

/** Recovery reads snapshots and log: minutes at most, also on a slow disk. */
const SHARD_READY_TIMEOUT_MS = 10 * 60_000;
const INGEST_READY_TIMEOUT_MS = 30_000;
const SINKS_READY_TIMEOUT_MS = 30_000;
const KAFKA_LOG_READY_TIMEOUT_MS = 30_000;
/** A thread that is silent for this long spins or waits for ever; turns take milliseconds. */
const HEARTBEAT_TIMEOUT_MS = 10_000;
/** Control calls are answered between turns. */
const CONTROL_DEADLINE_MS = 2_000;
/** Crashes in a minute that are met with a restart. A shard that cannot recover would go on for ever otherwise. */
const RESTARTS = { restartsMax: 5, withinMs: 60_000, backoffMinMs: 100, backoffMaxMs: 5_000 } as const;
/** What a broken sink leaves undone waits on disk; the engine goes on without it for as long as that takes. */
const SINK_RESTARTS = { restartsMax: 1_000, withinMs: 60_000, backoffMinMs: 1_000, backoffMaxMs: 60_000 } as const;
/** Codes of a recovery that will fail again, however often it is tried. */
const UNREADABLE_CODES: ReadonlySet<string> = new Set(['format', 'wrong_shard', 'wrong_journal', 'corrupt']);
/** Shards learn how the regions are this often; darkness is judged by the minute. */
const PICTURE_INTERVAL_MS = 5_000;
const VITALS_INTERVAL_MS = 1_000;
/** Questions of the gateway that one shard holds unanswered. */
const QUERIES_PER_SHARD_MAX = 256;

export interface EngineModules {
  log: Log;
  version: string;
  /** Tells whoever starts the engine the password of its first admin, which is nowhere else. */
  onFirstAdmin(email: string, oneTimePassword: string): void;
}

/**
 * Starts an engine; resolves when every shard has recovered and all ports listen. Rejects with OperationalError: `data_directory`,
 * `data_directory_in_use`, `storage_full`, `port_in_use`, or the reason why a shard did not start; with the log in Kafka also `unavailable`, `topic_settings` and what brokers refuse.
 */
export async function startEngine(config: EngineConfig, modules: EngineModules): Promise<Engine> {
  const alerts = await planAlerts(config, { clock: systemClock, log: modules.log });
  const billing = planBilling(config);
  const kafka = config.log === 'kafka' ? await planKafkaLog(config, modules.log) : null;
  const engine = new RunningEngine(config, modules, { kafka, alerts, billing });
  try {
    await engine.start();
  } catch (error) {
    await engine.stop('it did not start');
    throw error;
  }
  return engine;
}

class RunningEngine implements Engine {
  readonly ports = { ingest: 0, http: 0, ops: 0 };
  readonly failed: Promise<OperationalError>;
  readonly shutdown: Shutdown;
  private readonly config: EngineConfig;
  private readonly log: Log;
  /** The data directory of an engine with a log of its own. */
  private readonly directory: DataDirectory | null;
  /** Of one whose log is in Kafka; partitions take the place of shards then. */
  private readonly plan: KafkaLogPlan | null;
  private readonly clusterThreads: ClusterThreads | null;
  private readonly cluster: ClusterBoard | null;
  private readonly nodes: ClusterGateway | null;
  private readonly partitionCount: number;
  /** Parts of the state that are asked one by one: shards, or partitions. */
  private readonly askedCount: number;
  private region: RegionActor;
  private readonly regionSeeding: RegionSeeding;
  /** Shards that have reported since the start. */
  private readonly reported = new Set<number>();
  private onFirstReports: (() => void) | null = null;
  private readonly links: ShardLinks;
  /** null without a database. */
  private readonly history: HistoryLink | null;
  private readonly alertOutbox = new OutboxLink(ALERT_OUTBOX_PORT);
  private readonly billingOutbox = new OutboxLink(BILLING_OUTBOX_PORT);
  private readonly queries: EngineQueries;
  private readonly board: LiveBoard;
  private readonly vitals: EngineVitals;
  private readonly health: EngineHealth;
  private readonly actors: Supervisor;
  private readonly shards: Supervisor;
  private readonly ingests: Supervisor;
  /** Of the thread that talks to Kafka as the log. */
  private readonly kafkaLog: Supervisor;
  /** null when they are off. */
  private readonly alerts: EngineAlerts | null;
  /** Of their thread. */
  private readonly alertThreads: Supervisor;
  /** null when they are off. */
  private readonly billing: EngineBilling | null;
  /** Of its thread. */
  private readonly billingThreads: Supervisor;
  /** Of a thread, when the settings name systems beside the engine. */
  private readonly sinks: Supervisor;
  private readonly threads = new Map<string, WorkerThread<object>>();
  /** Null unless the setting faultInjection is on. */
  private readonly faults: FaultInjection | null;
  /** The system's, or one that faults can move. */
  private readonly clock: SharedClock;
  private readonly timers: TimerHandle[] = [];
  private readonly version: string;
  private readonly requestIdPrefix = randomBytes(4).toString('hex');
  private readonly tracingOptions: TracingOptions | null;
  /** Of the gateway's requests. */
  private tracing: Tracing | null = null;
  private readonly onFirstAdmin: EngineModules['onFirstAdmin'];
  /** null before they are open, and when they are off. */
  private accounts: EngineAccounts | null = null;
  /** null before it is open. */
  private registry: EngineRegistry | null = null;
  /** As the accounts. */
  private deviceKeys: DeviceKeyLinks | null = null;
  private gateway: Gateway | null = null;
  private ops: OpsServer | null = null;
  private live: LiveStream | null = null;
  private fail!: (reason: OperationalError) => void;

  constructor(config: EngineConfig, { log, version, onFirstAdmin }: EngineModules, plans: { kafka: KafkaLogPlan | null; alerts: AlertPlan | null; billing: BillingPlan | null }) {
    const plan = plans.kafka;
    this.config = config;
    this.log = log;
    this.version = version;
    this.onFirstAdmin = onFirstAdmin;
    this.failed = new Promise((resolve) => (this.fail = resolve));
    this.tracingOptions = config.otlpUrl === null ? null : { url: config.otlpUrl, sampleRatio: config.traceSample, version, instance: this.requestIdPrefix };
    this.faults = config.faultInjection ? new FaultInjection(this.threads, CONTROL_DEADLINE_MS) : null;
    this.clock = this.faults?.clock ?? systemClock;
    this.plan = plan;
    this.directory = plan === null ? openDataDirectory(config.dataDir, config) : null;
    this.partitionCount = plan?.topics.partitionCount ?? this.directory!.partitionCount;
    this.askedCount = plan === null ? config.shards : this.partitionCount;
    const time = { clock: this.clock, timers: systemTimers };
    this.region = this.makeRegionActor();
    this.links = new ShardLinks({ queriesMax: QUERIES_PER_SHARD_MAX, queryDeadlineMs: config.queryDeadlineMs }, { ...time, onReport: (report) => this.onOwnReport(report) });
    this.clusterThreads = plan === null ? null : this.makeClusterThreads(plan);
    this.cluster = this.clusterThreads?.board ?? null;
    this.nodes = this.cluster === null ? null : this.makeClusterGateway(this.cluster);
    const ask: AskShard = this.nodes?.ask ?? ((shard, query) => this.links.ask(shard, query));
    this.regionSeeding = new RegionSeeding({ clock: this.clock, ask: (shard, query) => ask<'regionParts'>(shard, query), tell: (message) => this.region.tell(message) });
    this.vitals = new EngineVitals({
      threads: () => [...this.threads.values()],
      children: () => this.children(),
      gateway: () => this.gateway?.stats() ?? null,
      liveConnections: () => this.live?.stats().connections ?? 0,
      mailboxes: () => ({ region: this.region.metrics.snapshot() }),
      version,
      tracing: () => this.tracing?.figures(),
      dataDiskFreeBytes: () => freeDiskBytes(config.dataDir),
      controlDeadlineMs: CONTROL_DEADLINE_MS,
    });
    this.health = new EngineHealth({
      config,
      version,
      partitionCount: this.partitionCount,
      clock: this.clock,
      vitals: this.vitals,
      cluster: this.cluster,
      nodes: this.nodes,
      vitalChildren: () => this.vitalChildren(),
      shards: () => this.shards.status(),
      alerts: () => this.alertThreads.status()[0] ?? null,
      billing: () => (this.billing === null ? null : this.billing.isStarted ? this.billingThreads.status()[0] : 'idle'),
      channels: plans.alerts === null ? [] : channelNames(plans.alerts.channels),
      ingestPort: () => this.ports.ingest,
      settings: engineSettings,
    });
    this.history = config.timescaleUrl === null ? null : new HistoryLink({ deadlineMs: config.queryDeadlineMs }, time);
    this.queries = new EngineQueries(
      { partitionCount: this.partitionCount, shardCount: this.askedCount, latenessMs: config.latenessMs, capacities: config.regionCapacities, deadlineMs: config.queryDeadlineMs },
      { ask, history: this.history, regions: () => this.region.state, clock: this.clock, status: () => this.health.status(), operations: () => this.health.operations() },
    );
    this.board = new LiveBoard({ regions: () => this.region.state, queries: this.queries, clock: this.clock, latenessMs: config.latenessMs, engine: () => this.health.snapshot() });
    this.alerts = plans.alerts === null ? null : this.makeAlerts(plans.alerts);
    this.billing = plans.billing === null ? null : this.makeBilling(plans.billing, ask);
    this.actors = this.supervise('actors', [{ name: 'region', stopTimeoutMs: CONTROL_DEADLINE_MS, start: async ({ epoch }) => this.startRegionActor(epoch) }]);
    this.shards = this.supervise('shards', this.shardSpecs(), { ...RESTARTS, together: true });
    this.ingests = this.supervise('ingest', this.ingestSpecs());
    this.kafkaLog = this.supervise('kafka-log', this.clusterThreads?.kafkaLogSpecs() ?? []);
    this.sinks = this.supervise('sinks', this.sinkSpecs(), SINK_RESTARTS);
    this.alertThreads = this.supervise('alerts', this.alerts === null ? [] : [this.alerts.spec()], SINK_RESTARTS);
    this.billingThreads = this.supervise('billing', this.billing === null ? [] : [this.billing.spec()], SINK_RESTARTS);
    this.shutdown = new Shutdown({ ...time, log });
    this.planShutdown();
  }

  async start(): Promise<void> {
    const { config } = this;
    const time = { clock: this.clock, timers: systemTimers };
    this.tracing = await openTracing(this.tracingOptions, 'main', { log: this.log, nowMs: systemClock.sharedMonotonic });
    // First, so that an orchestrator sees a long recovery as alive and not ready.
    this.ops = await startOpsServer(
      { host: config.host, port: config.opsPort, requestIdPrefix: this.requestIdPrefix },
      { source: { notReady: () => this.health.notReady(), metrics: () => this.vitals.render(), injectFault: this.faults === null ? undefined : (request) => this.faults!.inject(request) }, ...time, log: this.log },
    );
    this.ports.ops = this.ops.port;
    if (config.auth) {
      this.accounts = await startAccounts(config, { ...time, log: this.log, onFirstAdmin: this.onFirstAdmin });
      this.deviceKeys = new DeviceKeyLinks({ accounts: this.accounts, timers: systemTimers, log: this.log });
    }
    this.registry = await startRegistry(config.dataDir, { ...time, log: this.log, regions: () => new Set(this.region.state.regionsNow().map(({ region }) => region)) });
    await this.orFailure(this.actors.start());
    const besideStarted = Promise.all([this.startAlerts(), this.billing?.startThread()]);
    // Whoever waits for it hears of it; before, the engine may have failed otherwise.
    besideStarted.catch(() => undefined);
    if (this.cluster === null) await this.startShards();
    else await this.startCluster(this.cluster);
    // Sinks ask them as well as shards.
    await this.orFailure(besideStarted.then(() => undefined));
    await this.orFailure(this.sinks.start());
    if (this.gateway === null) await this.startGateway();
    this.timers.push(
      systemTimers.every(PICTURE_INTERVAL_MS, () => this.links.tellPicture({ kind: 'regionPicture', regions: this.region.state.picture() })),
      systemTimers.every(VITALS_INTERVAL_MS, () => void this.vitals.poll().then(() => this.board.tellEngine())),
      systemTimers.every(VITALS_INTERVAL_MS, () => this.board.tellClosed()),
    );
    this.alerts?.start();
    this.billing?.start();
    this.health.state = 'ready';
  }

  /** Without waiting for a second attempt, as alerts that are away do not keep an engine from starting. */
  private async startAlerts(): Promise<void> {
    if (this.alerts !== null) await Promise.race([this.alertThreads.start(), this.alerts.attempted]);
  }

  private async startShards(): Promise<void> {
    const { config, directory } = this;
    const stateOf = (shards: number) => shardStateConfig(config, this.partitionCount, shards);
    await redistributeDirectory(directory!, config.shards, stateOf, { clock: systemClock, log: this.log });
    // Beside the recovery, which may take seconds of one core: until a shard is up its senders get 503.
    const ingests = this.orFailure(this.ingests.start());
    ingests.catch(() => {});
    await this.orFailure(this.shards.start());
    await this.firstReports();
    await this.seedBoard();
    await ingests;
  }

  /** The gateway before the partitions: other nodes are told its address, and to whoever asks too early it says so. */
  private async startCluster(cluster: ClusterBoard): Promise<void> {
    await this.orFailure(this.kafkaLog.start());
    await this.orFailure(this.shards.start());
    await this.startGateway();
    await this.clusterThreads!.join(this.ports.http);
    this.nodes!.start();
    await this.orFailure(cluster.settled());
    await this.seedBoard();
    await this.orFailure(this.ingests.start());
  }

  private async startGateway(): Promise<void> {
    const { config } = this;
    const access = gatewayAccess(config);
    this.gateway = await startGateway(
      {
        host: config.host,
        port: config.httpPort,
        queriesInFlightMax: config.queriesInFlightMax,
        requestIdPrefix: this.requestIdPrefix,
        version: this.version,
        staticFiles: loadStaticFiles(),
        ...access,
        nodes: this.nodes === null ? undefined : { port: this.nodes.port, secret: config.clusterSecret },
        extend: (app) => (this.live = registerLive(app, this.board, { clock: this.clock, timers: systemTimers, log: this.log, accounts: this.accounts ?? undefined, ownHosts: access.ownHosts, connectionsMax: liveConnectionsMax(openFilesMax(), this.log) })),
      },
      { engine: this.queries, accounts: this.accounts ?? undefined, alerts: this.alerts?.link, tariffs: this.billing?.port, registry: this.registry ?? undefined, clock: this.clock, timers: systemTimers, log: this.log, tracing: this.tracing },
    );
    this.ports.http = this.gateway.port;
  }

  stop(reason: string): Promise<PhaseOutcome[]> {
    return this.shutdown.run(reason);
  }

  // Threads ----------------------------------------------------------------------------------------------------------------

  private supervise(name: string, specs: ConstructorParameters<typeof Supervisor>[1], restarts: Pick<SupervisorOptions, keyof typeof RESTARTS | 'together'> = RESTARTS): Supervisor {
    return new Supervisor({ name, strategy: 'one_for_one', ...restarts }, specs, {
      clock: systemClock,
      timers: systemTimers,
      log: this.log,
      random: Math.random,
      onEscalate: (reason) => {
        this.log.error({ err: reason }, `${name}: crashed too often, the engine stops`);
        this.fail(reason);
      },
      onChild: (child, state) => {
        if (state === 'down') this.onThreadDown(child);
      },
    });
  }

  private shardSpecs(): ConstructorParameters<typeof Supervisor>[1] {
    if (this.clusterThreads !== null) return this.clusterThreads.partitionSpecs();
    return Array.from({ length: this.config.shards }, (_, shard) => ({
      name: `shard-${shard}`,
      stopTimeoutMs: this.config.shutdownDeadlineMs,
      start: async ({ epoch }: { epoch: number }) => {
        const options = shardThreadOptions(this.config, { shard, partitionCount: this.partitionCount, directory: this.directory!.shardDirectory(shard), queriesMax: QUERIES_PER_SHARD_MAX });
        const started = this.startThread<object>(`shard-${shard}`, new URL('./shard-thread.ts', import.meta.url), epoch, options, SHARD_READY_TIMEOUT_MS);
        const thread = await started.catch((error: unknown) => this.shardDidNotStart(shard, error));
        this.links.shardUp(shard, thread);
        return thread;
      },
    }));
  }

  private ingestSpecs(): ConstructorParameters<typeof Supervisor>[1] {
    return Array.from({ length: this.config.ingestThreads }, (_, index) => ({
      name: `ingest-${index}`,
      stopTimeoutMs: this.config.shutdownDeadlineMs,
      start: async ({ epoch }: { epoch: number }) => {
        // A restarted thread listens where the one before it did.
        const port = this.ports.ingest === 0 ? this.config.ingestPort : this.ports.ingest;
        const options = ingestThreadOptions(this.config, { port, partitionCount: this.partitionCount, needsKeys: this.config.auth });
        const thread = await this.startThread<IngestThreadControl>(`ingest-${index}`, new URL('./ingest-thread.ts', import.meta.url), epoch, options, INGEST_READY_TIMEOUT_MS);
        const client = thread as unknown as WorkerThread<object>;
        this.deviceKeys?.ingestUp(`ingest-${index}`, client);
        if (this.cluster === null) this.links.clientUp(`ingest-${index}`, 'ingest', client);
        else this.cluster.ingestUp(`ingest-${index}`, client);
        this.ports.ingest = await thread.call('listeningPort', [], CONTROL_DEADLINE_MS);
        return thread;
      },
    }));
  }

  private sinkSpecs(): ConstructorParameters<typeof Supervisor>[1] {
    if (sinkNames(this.config).length === 0) return [];
    const start = async ({ epoch }: { epoch: number }) => {
      const options = sinkThreadOptions(this.config, this.plan?.clusterId ?? this.directory!.engineId);
      const thread = await this.startThread<object>('sinks', new URL('./sink-thread.ts', import.meta.url), epoch, options, SINKS_READY_TIMEOUT_MS);
      if (this.nodes !== null) answerRegionParts(thread, this.partitionCount, { ask: this.nodes.ask, clock: this.clock, log: this.log });
      this.links.clientUp('sinks', 'sinks', thread);
      this.history?.up(thread);
      this.alertOutbox.sinksUp(thread);
      this.billingOutbox.sinksUp(thread);
      return thread;
    };
    return [{ name: 'sinks', stopTimeoutMs: this.config.shutdownDeadlineMs, start }];
  }

  private makeClusterGateway(board: ClusterBoard): ClusterGateway {
    const options = { secret: this.config.clusterSecret, deadlineMs: this.config.queryDeadlineMs, life: this.requestIdPrefix };
    const onReport = (report: ShardReport): void => this.onReport(report);
    return new ClusterGateway(options, { board, clock: this.clock, timers: systemTimers, onReport, onGone: (partition) => this.partDown(partition) });
  }

  private makeClusterThreads(plan: KafkaLogPlan): ClusterThreads {
    return new ClusterThreads(this.config, plan, {
      clock: this.clock,
      timers: systemTimers,
      log: this.log,
      links: this.links,
      onPartitionDown: (partition) => {
        this.nodes?.localDown(partition);
        this.partDown(partition);
      },
      startThread: (name, module, epoch, options) => this.startThread(name, module, epoch, options, KAFKA_LOG_READY_TIMEOUT_MS),
      queriesMax: QUERIES_PER_SHARD_MAX,
      controlDeadlineMs: CONTROL_DEADLINE_MS,
    });
  }

  private makeAlerts(plan: AlertPlan): EngineAlerts {
    return new EngineAlerts(this.config, {
      plan,
      outboxLink: this.alertOutbox,
      clock: this.clock,
      timers: systemTimers,
      log: this.log,
      board: this.board.alerts,
      queries: this.queries,
      regions: () => this.region.state,
      partCount: this.askedCount,
      children: () => this.children(),
      sinks: () => sinkNames(this.config).map((sink) => this.vitals.sinkStatus(sink)),
      withoutRoom: () => this.vitals.shardsWithoutRoom(),
      cluster: () => this.health.partitionsNotReady(),
      publish: (contactId, notification) => this.live?.publish(contactId, notification) ?? 0,
      startThread: (name, module, epoch, options, readyTimeoutMs) => this.startThread(name, module, epoch, options, readyTimeoutMs),
      refuse: (reason) => this.fail(reason),
    });
  }

  private makeBilling(plan: BillingPlan, ask: AskShard): EngineBilling {
    return new EngineBilling(this.config, {
      plan,
      clock: this.clock,
      timers: systemTimers,
      log: this.log,
      energy: new EnergyLink({ partitionCount: this.partitionCount, shardCount: this.askedCount }, ask),
      outboxLink: this.billingOutbox,
      regions: () => this.region.state,
      partCount: this.askedCount,
      board: this.board.billing,
      startThreads: () => this.billingThreads.start(),
      startThread: (name, module, epoch, options, readyTimeoutMs) => this.startThread(name, module, epoch, options, readyTimeoutMs),
      refuse: (reason) => this.fail(reason),
    });
  }

  private async startThread<Control extends object>(name: string, module: URL, epoch: number, options: unknown, readyTimeoutMs: number): Promise<WorkerThread<Control>> {
    const thread = await WorkerThread.start<Control>(
      { name, module, options, epoch, readyTimeoutMs, heartbeatTimeoutMs: HEARTBEAT_TIMEOUT_MS, logLevel: this.config.logLevel, faults: this.faults?.boot(), tracing: this.tracingOptions },
      { clock: systemClock, timers: systemTimers, log: this.log },
    );
    this.threads.set(name, thread as unknown as WorkerThread<object>);
    return thread;
  }

  /** Another attempt is the supervisor's business, unless it is certain to end the same way. Always throws. */
  private shardDidNotStart(shard: number, error: unknown): never {
    const cause = error instanceof OperationalError ? error.cause : undefined;
    if (cause instanceof OperationalError && UNREADABLE_CODES.has(cause.code)) {
      const wayOut = cause.code === 'corrupt' ? '; look at all of it with seg verify, and bring back a backup with seg restore' : '';
      const reason = new OperationalError(cause.code, `shard ${shard} cannot read its data: ${cause.message}${wayOut}`, { cause });
      this.log.error({ err: reason }, 'the engine stops: no restart can mend this');
      this.fail(reason);
    }
    throw error;
  }

  private onThreadDown(name: string): void {
    this.threads.delete(name);
    const [kind, index] = name.split('-');
    if (kind === 'sinks') {
      this.history?.down();
      this.alertOutbox.sinksDown();
      this.billingOutbox.sinksDown();
    }
    if (kind === 'alerts') this.alerts?.threadDown();
    if (kind === 'billing') this.billing?.threadDown();
    if (kind === 'ingest') this.deviceKeys?.ingestDown(name);
    if (kind === 'ingest' || kind === 'sinks') {
      this.links.clientDown(name);
      this.cluster?.ingestDown(name);
    } else if (name === 'kafka-log') this.cluster?.logDown();
    else if (kind === 'shard' && this.cluster !== null) this.cluster.foldDown(Number(index));
    else if (kind === 'shard') {
      this.links.shardDown(Number(index));
      this.partDown(Number(index));
    }
  }

  /** A shard's, or a partition's, meters are not known of until it reports again. */
  private partDown(shard: number): void {
    this.regionSeeding.shardDown(shard);
    this.region.tell({ kind: 'shardDown', shard });
    this.alerts?.partDown(shard);
  }

  /** What a supervisor's start waits for may never come when it has given up. */
  private async orFailure(started: Promise<void>): Promise<void> {
    await Promise.race([started, this.failed.then((reason) => Promise.reject(reason))]);
  }

  // State ------------------------------------------------------------------------------------------------------------------

  /** Until every shard has reported the regions would look empty. A shard that dies meanwhile must not hold up the start. */
  private firstReports(): Promise<void> {
    return new Promise((resolve) => {
      const limit = systemTimers.after(CONTROL_DEADLINE_MS, resolve);
      this.onFirstReports = () => {
        limit.cancel();
        resolve();
      };
      if (this.reported.size === this.config.shards) this.onFirstReports();
    });
  }

  /** Of a shard, or partition, of this engine. */
  private onOwnReport(report: ShardReport): void {
    this.nodes?.localReport(report);
    this.onReport(report);
  }

  private onReport(report: ShardReport): void {
    for (const anomaly of report.anomalies) this.board.note(anomaly);
    this.alerts?.reported(report);
    // A full mailbox costs the live picture a change; what is stored is asked of the shards.
    if (!this.region.tell(report)) this.log.warn({ shard: report.shard }, 'the region actor is behind; a report is left out');
    this.reported.add(report.shard);
    if (this.reported.size === this.config.shards) this.onFirstReports?.();
    this.regionSeeding.onReport(report);
  }

  private makeRegionActor(): RegionActor {
    return new RegionActor(this.config.regionCapacities, { clock: this.clock, timers: systemTimers }, (change) => {
      this.board.regionsChanged(change);
      this.alerts?.regionsChanged(change);
      this.billing?.regionsChanged(change);
    });
  }

  private startRegionActor(epoch: number): RegionActor {
    if (epoch > 1) {
      this.region = this.makeRegionActor();
      this.regionSeeding.regionActorRestarted();
    }
    return this.region;
  }

  /** A page that opens right after a restart shows the newest episodes too. */
  private async seedBoard(): Promise<void> {
    const query = { meterId: null, region: null, kind: null, severity: null, open: false, from: 0, to: this.clock.now() + 86_400_000, limit: 100, cursor: null };
    let data: Anomaly[];
    try {
      ({ data } = await this.queries.anomalies(query));
    } catch (error) {
      // Some are with other nodes, or on their way; what comes is noted all the same.
      if (this.cluster !== null && error instanceof OperationalError && error.retryable) return;
      throw error;
    }
    for (const anomaly of data.reverse()) this.board.note(anomaly);
  }

  private children(): ChildStatus[] {
    return [...this.vitalChildren(), ...this.sinks.status(), ...this.alertThreads.status(), ...(this.billing?.isStarted === true ? this.billingThreads.status() : [])];
  }

  /** Without one of them readings or queries wait; sinks, alerts and bills catch up by themselves. */
  private vitalChildren(): ChildStatus[] {
    return [...this.actors.status(), ...this.kafkaLog.status(), ...this.shards.status(), ...this.ingests.status()];
  }

  // Shutdown ---------------------------------------------------------------------------------------------------------------

  /** Senders first: what they were promised is stored before the shards stop. Queries are answered until then. */
  private planShutdown(): void {
    const { shutdown, config } = this;
    const limitMs = config.shutdownDeadlineMs;
    shutdown.phase('ingest', limitMs, async () => {
      this.health.state = 'stopping';
      for (const timer of this.timers) timer.cancel();
      this.alerts?.stop();
      this.billing?.stop();
      await this.ingests.stop();
    });
    shutdown.phase('gateway', limitMs, async () => {
      this.live?.close();
      await this.gateway?.close(Math.ceil(limitMs / 3));
      await this.billing?.closePrinter();
      await this.accounts?.stop();
      await this.registry?.stop();
      await this.tracing?.close();
    });
    shutdown.phase('sinks', limitMs, async () => {
      // What is written is acknowledged to the alerts, too.
      await this.sinks.stop();
      await this.alertThreads.stop();
      await this.billingThreads.stop();
    });
    shutdown.phase('shards', limitMs, async () => {
      await this.shards.stop();
      await this.kafkaLog.stop();
      this.nodes?.stop();
      this.cluster?.close();
      this.links.close();
      this.directory?.release();
      this.plan?.directory.release();
      await this.actors.stop();
    });
    shutdown.phase('ops', limitMs, async () => {
      await this.ops?.close(Math.ceil(limitMs / 3));
    });
  }
}
