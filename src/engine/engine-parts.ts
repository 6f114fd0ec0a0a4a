import { randomBytes } from 'node:crypto';
import type { Gateway } from '../http/gateway.ts';
import type { LiveStream } from '../http/live-stream.ts';
import { startOpsServer } from '../http/ops-server.ts';
import { loadStaticFiles } from '../http/static-files.ts';
import { systemClock, systemTimers, type SharedClock, type Timers } from '../runtime/clock.ts';
import { freeDiskBytes } from '../runtime/files.ts';
import type { Log } from '../runtime/log.ts';
import { openFilesMax } from '../runtime/open-files.ts';
import { openTracing } from '../runtime/open-tracing.ts';
import { Shutdown } from '../runtime/shutdown.ts';
import type { ChildStatus, Supervisor } from '../runtime/supervisor.ts';
import type { Tracing, TracingOptions } from '../runtime/tracing.ts';
import { channelNames, type AlertPlan } from './alert-plan.ts';
import type { AskShard } from './ask-shard.ts';
import type { BillingPlan } from './billing-settings.ts';
import { ClusterGateway } from './cluster-gateway.ts';
import { ClusterThreads } from './cluster-threads.ts';
import { openDataDirectory, type DataDirectory } from './data-directory.ts';
import { DeviceKeyLinks } from './device-key-link.ts';
import { startAccounts, type EngineAccounts } from './engine-accounts.ts';
import { EngineAlerts } from './engine-alerts.ts';
import { EngineBilling } from './engine-billing.ts';
import { engineSettings, type EngineConfig } from './engine-config.ts';
import { EngineHealth } from './engine-health.ts';
import { EngineQueries } from './engine-queries.ts';
import { EngineRegions } from './engine-regions.ts';
import { startRegistry, type EngineRegistry } from './engine-registry.ts';
import { CONTROL_DEADLINE_MS, EngineThreads, SINK_RESTARTS } from './engine-threads.ts';
import { EngineVitals } from './engine-vitals.ts';
import { EnergyLink } from './energy-link.ts';
import { gatewayAccess } from './gateway-settings.ts';
import { HistoryLink } from './history-link.ts';
import { ingestChildren } from './ingest-children.ts';
import type { KafkaLogPlan } from './kafka-log-wiring.ts';
import { LiveBoard } from './live-board.ts';
import { liveConnectionsMax } from './live-connections.ts';
import { ALERT_OUTBOX_PORT, BILLING_OUTBOX_PORT, OutboxLink } from './outbox-link.ts';
import { answerRegionParts } from './region-parts-link.ts';
import { shardChildren } from './shard-children.ts';
import { ShardLinks } from './shard-links.ts';
import { sinkChild } from './sink-child.ts';
import { sinkNames } from './sink-options.ts';
import { StopOrder } from './stop-order.ts';

/**
 * What an engine is made of, and what each part is made of. A part says here when it ends, and parts that hear of the regions are named at the end of the constructor; when each starts, engine.ts says. What is
 * open only later has a method of its own, named open…
 */

/** Questions of the gateway that one shard holds unanswered. */
const QUERIES_PER_SHARD_MAX = 256;

export interface EngineModules {
  log: Log;
  version: string;
  /** Tells whoever starts the engine the password of its first admin, which is nowhere else. */
  onFirstAdmin(email: string, oneTimePassword: string): void;
}

/** What settings and the world outside say before there is an engine; null: it has none of this. */
export interface EnginePlans {
  kafka: KafkaLogPlan | null;
  alerts: AlertPlan | null;
  billing: BillingPlan | null;
}

export class EngineParts {
  readonly config: EngineConfig;
  readonly modules: EngineModules & { clock: SharedClock; timers: Timers };
  /** 0 until they listen. */
  readonly ports = { ingest: 0, http: 0, ops: 0 };
  readonly shutdown: Shutdown;
  readonly ends: StopOrder;
  readonly threads: EngineThreads;
  /** The data directory of an engine with a log of its own. */
  readonly directory: DataDirectory | null;
  readonly partitionCount: number;
  readonly regions: EngineRegions;
  readonly links: ShardLinks;
  /** Of an engine whose log is in Kafka; partitions take the place of shards then. */
  readonly cluster: ClusterThreads | null;
  readonly nodes: ClusterGateway | null;
  readonly queries: EngineQueries;
  readonly board: LiveBoard;
  readonly vitals: EngineVitals;
  readonly health: EngineHealth;
  readonly alerts: EngineAlerts | null;
  readonly billing: EngineBilling | null;
  readonly actors: Supervisor;
  /** Of the thread that talks to Kafka as the log. */
  readonly kafkaLog: Supervisor;
  readonly shards: Supervisor;
  readonly ingests: Supervisor;
  /** Of a thread, when the settings name systems beside the engine. */
  readonly sinks: Supervisor;
  private readonly requestIdPrefix = randomBytes(4).toString('hex');
  private readonly tracingOptions: TracingOptions | null;
  /** Parts of the state that are asked one by one: shards, or partitions. */
  private readonly askedCount: number;
  private readonly ask: AskShard;
  private readonly alertOutbox = new OutboxLink(ALERT_OUTBOX_PORT);
  private readonly billingOutbox = new OutboxLink(BILLING_OUTBOX_PORT);
  /** null without a database. */
  private readonly history: HistoryLink | null;
  /** Of the gateway's requests. */
  private tracing: Tracing | null = null;
  private accounts: EngineAccounts | null = null;
  private deviceKeys: DeviceKeyLinks | null = null;
  private registry: EngineRegistry | null = null;
  private gatewayModules: ReturnType<typeof loadGatewayModules> | null = null;
  private gateway: Gateway | null = null;
  private live: LiveStream | null = null;

  constructor(config: EngineConfig, { log, version, onFirstAdmin }: EngineModules, plans: EnginePlans) {
    this.config = config;
    this.tracingOptions = config.otlpUrl === null ? null : { url: config.otlpUrl, sampleRatio: config.traceSample, version, instance: this.requestIdPrefix };
    this.shutdown = new Shutdown({ clock: systemClock, timers: systemTimers, log });
    this.ends = new StopOrder(this.shutdown, config.shutdownDeadlineMs);
    this.threads = new EngineThreads(config, { log, ends: this.ends, tracing: this.tracingOptions });
    this.modules = { log, version, onFirstAdmin, clock: this.threads.clock, timers: systemTimers };
    this.directory = plans.kafka === null ? openDataDirectory(config.dataDir, config) : null;
    this.ends.add('shards', () => (this.directory ?? plans.kafka!.directory).release());
    this.partitionCount = plans.kafka?.topics.partitionCount ?? this.directory!.partitionCount;
    this.askedCount = plans.kafka === null ? config.shards : this.partitionCount;

    this.regions = new EngineRegions(config.regionCapacities, { ...this.modules, ask: (shard, query) => this.ask<'regionParts'>(shard, query) });
    this.actors = this.threads.supervise('actors', [this.regions.child()], { endsIn: 'shards' });
    this.links = this.makeLinks();
    this.cluster = plans.kafka === null ? null : this.makeCluster(plans.kafka);
    this.nodes = this.cluster === null ? null : this.makeNodes(this.cluster);
    this.ask = this.nodes?.ask ?? ((shard, query) => this.links.ask(shard, query));
    this.kafkaLog = this.threads.supervise('kafka-log', this.cluster === null ? [] : [this.cluster.kafkaLogChild()], { endsIn: 'shards' });
    this.shards = this.makeShards();
    this.ingests = this.makeIngests();

    this.vitals = this.makeVitals();
    this.health = this.makeHealth(plans.alerts);
    this.history = config.timescaleUrl === null ? null : new HistoryLink({ deadlineMs: config.queryDeadlineMs }, this.modules);
    this.queries = this.makeQueries();
    this.board = new LiveBoard({ regions: () => this.regions.state, queries: this.queries, clock: this.modules.clock, latenessMs: config.latenessMs, engine: () => this.health.snapshot() });
    this.billing = plans.billing === null ? null : this.makeBilling(plans.billing);
    this.alerts = plans.alerts === null ? null : this.makeAlerts(plans.alerts);
    // They ask all of these.
    this.sinks = this.makeSinks(plans.kafka?.clusterId ?? this.directory!.engineId);
    for (const listener of [this.board, this.alerts, this.billing]) if (listener !== null) this.regions.listen(listener);
  }

  // Opened one by one at the start ------------------------------------------------------------------------------------------

  async openTracing(): Promise<void> {
    const tracing = await openTracing(this.tracingOptions, 'main', { log: this.modules.log, nowMs: systemClock.sharedMonotonic });
    this.tracing = tracing;
    this.ends.add('gateway', () => tracing?.close());
  }

  async openOps(): Promise<void> {
    const { config, modules, threads, health, vitals } = this;
    const { faults } = threads;
    const ops = await startOpsServer(
      { host: config.host, port: config.opsPort, requestIdPrefix: this.requestIdPrefix },
      { source: { notReady: () => health.notReady(), metrics: () => vitals.render(), injectFault: faults === null ? undefined : (request) => faults.inject(request) }, ...modules },
    );
    this.ends.add('ops', () => ops.close(this.drainMs));
    this.ports.ops = ops.port;
  }

  /** Where there are to be any. */
  async openAccounts(): Promise<void> {
    if (!this.config.auth) return;
    const accounts = await startAccounts(this.config, this.modules);
    this.ends.add('gateway', () => accounts.stop());
    this.accounts = accounts;
    this.deviceKeys = new DeviceKeyLinks({ accounts, ...this.modules });
  }

  async openRegistry(): Promise<void> {
    const registry = await startRegistry(this.config.dataDir, { ...this.modules, regions: () => new Set(this.regions.state.regionsNow().map(({ region }) => region)) });
    this.ends.add('gateway', () => registry.stop());
    this.registry = registry;
  }

  /** What the gateway is made of, without waiting for it. */
  loadGateway(): void {
    this.gatewayModules = loadGatewayModules();
    // Whoever opens the gateway hears of it.
    this.gatewayModules.catch(() => undefined);
  }

  async openGateway(): Promise<void> {
    const { config, modules } = this;
    const [{ startGateway }, { registerLive }] = await (this.gatewayModules ?? loadGatewayModules());
    const access = gatewayAccess(config);
    const accounts = this.accounts ?? undefined;
    const gateway = await startGateway(
      {
        host: config.host,
        port: config.httpPort,
        queriesInFlightMax: config.queriesInFlightMax,
        requestIdPrefix: this.requestIdPrefix,
        version: modules.version,
        staticFiles: loadStaticFiles(),
        ...access,
        nodes: this.nodes === null ? undefined : { port: this.nodes.port, secret: config.clusterSecret },
        extend: (app) => (this.live = registerLive(app, this.board, { ...modules, accounts, ownHosts: access.ownHosts, connectionsMax: liveConnectionsMax(openFilesMax(), modules.log) })),
      },
      { engine: this.queries, accounts, alerts: this.alerts?.link, tariffs: this.billing?.port, registry: this.registry ?? undefined, ...modules, tracing: this.tracing },
    );
    this.ends.add('gateway', () => gateway.close(this.drainMs));
    this.ends.add('gateway', () => this.live?.close());
    this.gateway = gateway;
    this.ports.http = gateway.port;
  }

  // Made of others ----------------------------------------------------------------------------------------------------------

  private makeLinks(): ShardLinks {
    const onReport = (report: Parameters<EngineRegions['take']>[0]): void => {
      this.nodes?.localReport(report);
      this.regions.take(report);
    };
    const links = new ShardLinks({ queriesMax: QUERIES_PER_SHARD_MAX, queryDeadlineMs: this.config.queryDeadlineMs }, { ...this.modules, onReport });
    this.ends.add('shards', () => links.close());
    return links;
  }

  private makeCluster(plan: KafkaLogPlan): ClusterThreads {
    const onPartitionDown = (partition: number): void => {
      this.nodes?.localDown(partition);
      this.regions.partDown(partition);
    };
    const cluster = new ClusterThreads(this.config, plan, { ...this.modules, links: this.links, threads: this.threads, onPartitionDown, queriesMax: QUERIES_PER_SHARD_MAX });
    this.ends.add('shards', () => cluster.board.close());
    return cluster;
  }

  private makeNodes({ board }: ClusterThreads): ClusterGateway {
    const options = { secret: this.config.clusterSecret, deadlineMs: this.config.queryDeadlineMs, life: this.requestIdPrefix };
    const nodes = new ClusterGateway(options, { ...this.modules, board, onReport: (report) => this.regions.take(report), onGone: (partition) => this.regions.partDown(partition) });
    this.ends.add('shards', () => nodes.stop());
    return nodes;
  }

  private makeShards(): Supervisor {
    const { config, directory, links, threads, regions } = this;
    const own = { links, threads, log: this.modules.log, queriesMax: QUERIES_PER_SHARD_MAX, onDown: (shard: number) => regions.partDown(shard) };
    const children = this.cluster?.partitionChildren() ?? shardChildren(config, { ...own, directory: directory! });
    return threads.supervise('shards', children, { endsIn: 'shards', together: true });
  }

  private makeIngests(): Supervisor {
    const { threads, links, partitionCount, ports } = this;
    const children = ingestChildren(this.config, { threads, links, cluster: this.cluster?.board ?? null, deviceKeys: () => this.deviceKeys, partitionCount, ports });
    return threads.supervise('ingest', children, { endsIn: 'ingest' });
  }

  private makeSinks(engineId: string): Supervisor {
    const { config, threads, links, history, nodes, partitionCount } = this;
    const answerParts = nodes === null ? null : (thread: Parameters<typeof answerRegionParts>[0]) => answerRegionParts(thread, partitionCount, { ...this.modules, ask: nodes.ask });
    const child = sinkChild(config, { threads, links, outboxes: [this.alertOutbox, this.billingOutbox], history, answerRegionParts: answerParts, engineId });
    return threads.supervise('sinks', sinkNames(config).length === 0 ? [] : [child], { endsIn: 'sinks', restarts: SINK_RESTARTS });
  }

  private makeVitals(): EngineVitals {
    return new EngineVitals({
      threads: () => this.threads.running(),
      children: () => this.children(),
      gateway: () => this.gateway?.stats() ?? null,
      liveConnections: () => this.live?.stats().connections ?? 0,
      mailboxes: () => ({ region: this.regions.mailbox() }),
      version: this.modules.version,
      tracing: () => this.tracing?.figures(),
      dataDiskFreeBytes: () => freeDiskBytes(this.config.dataDir),
      controlDeadlineMs: CONTROL_DEADLINE_MS,
    });
  }

  private makeHealth(alerts: AlertPlan | null): EngineHealth {
    const health = new EngineHealth({
      ...this.modules,
      config: this.config,
      partitionCount: this.partitionCount,
      vitals: this.vitals,
      cluster: this.cluster?.board ?? null,
      nodes: this.nodes,
      vitalChildren: () => this.vitalChildren(),
      shards: () => this.shards.status(),
      alerts: () => this.alerts?.status() ?? null,
      billing: () => (this.billing === null ? null : (this.billing.status() ?? 'idle')),
      channels: alerts === null ? [] : channelNames(alerts.channels),
      ingestPort: () => this.ports.ingest,
      settings: engineSettings,
    });
    this.ends.add('ingest', () => (health.state = 'stopping'));
    return health;
  }

  private makeQueries(): EngineQueries {
    const { config, ask, history, health } = this;
    return new EngineQueries(
      { partitionCount: this.partitionCount, shardCount: this.askedCount, latenessMs: config.latenessMs, capacities: config.regionCapacities, deadlineMs: config.queryDeadlineMs },
      { ask, history, regions: () => this.regions.state, clock: this.modules.clock, status: () => health.status(), operations: () => health.operations() },
    );
  }

  private makeAlerts(plan: AlertPlan): EngineAlerts {
    const { config, modules, ends, threads, queries, vitals } = this;
    return new EngineAlerts(config, {
      ...modules,
      plan,
      ends,
      threads,
      queries,
      outboxLink: this.alertOutbox,
      board: this.board.alerts,
      regions: () => this.regions.state,
      partCount: this.askedCount,
      children: () => this.children(),
      sinks: () => sinkNames(config).map((sink) => vitals.sinkStatus(sink)),
      withoutRoom: () => vitals.shardsWithoutRoom(),
      cluster: () => this.health.partitionsNotReady(),
      publish: (contactId, notification) => this.live?.publish(contactId, notification) ?? 0,
    });
  }

  private makeBilling(plan: BillingPlan): EngineBilling {
    const { config, modules, ends, threads } = this;
    return new EngineBilling(config, {
      ...modules,
      plan,
      ends,
      threads,
      energy: new EnergyLink({ partitionCount: this.partitionCount, shardCount: this.askedCount }, this.ask),
      outboxLink: this.billingOutbox,
      regions: () => this.regions.state,
      partCount: this.askedCount,
      board: this.board.billing,
    });
  }

  private children(): ChildStatus[] {
    const billing = this.billing?.status() ?? null;
    return [...this.vitalChildren(), ...this.sinks.status(), ...(this.alerts === null ? [] : [this.alerts.status()]), ...(billing === null ? [] : [billing])];
  }

  /** Without one of them readings or queries wait; sinks, alerts and bills catch up by themselves. */
  private vitalChildren(): ChildStatus[] {
    return [...this.actors.status(), ...this.kafkaLog.status(), ...this.shards.status(), ...this.ingests.status()];
  }

  /** What is under way at a server that closes has this long. */
  private get drainMs(): number {
    return Math.ceil(this.config.shutdownDeadlineMs / 3);
  }
}

/** Nearly half of all that this thread loads, and nothing needs it before shards have recovered. */
function loadGatewayModules() {
  return Promise.all([import('../http/gateway.ts'), import('../http/live-stream.ts')]);
}
