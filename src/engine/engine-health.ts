import type { PartitionState } from '../actors/kafka-log/partition-host.ts';
import type { BillingStatus, EngineStatus, OperationsStatus } from '../http/engine-port.ts';
import type { AlertsStatus, EngineSnapshot, ShardState } from '../http/live-source.ts';
import { CHANNEL_NAMES, type ChannelName } from '../model/contact.ts';
import type { Clock } from '../runtime/clock.ts';
import type { ChildStatus } from '../runtime/supervisor.ts';
import type { ClusterBoard } from './cluster-board.ts';
import type { ClusterGateway } from './cluster-gateway.ts';
import type { EngineConfig } from './engine-config.ts';
import type { EngineVitals } from './engine-vitals.ts';
import { sinkNames } from './sink-options.ts';

/** How the engine is, for /ready, the status and the dashboard's header. */

export interface EngineHealthModules {
  config: EngineConfig;
  version: string;
  partitionCount: number;
  clock: Clock;
  vitals: EngineVitals;
  /** null with a log of its own. */
  cluster: ClusterBoard | null;
  nodes: ClusterGateway | null;
  /** Without one of them readings or queries wait. */
  vitalChildren(): ChildStatus[];
  shards(): ChildStatus[];
  /** null without alerts. */
  alerts(): ChildStatus | null;
  /** null without tariffs and bills, `idle` while nobody has needed any. */
  billing(): ChildStatus | 'idle' | null;
  /** Ways to people that the settings name. */
  channels: readonly ChannelName[];
  ingestPort(): number;
  /** Without secrets. */
  settings(config: EngineConfig): OperationsStatus['settings'];
}

export class EngineHealth {
  state: EngineSnapshot['state'] = 'starting';
  private readonly modules: EngineHealthModules;
  private readonly startedAt: number;

  constructor(modules: EngineHealthModules) {
    this.modules = modules;
    this.startedAt = modules.clock.now();
  }

  notReady(): { part: string; state: string }[] {
    if (this.state !== 'ready') return [{ part: 'engine', state: this.state }];
    const { vitalChildren, vitals } = this.modules;
    const away = vitalChildren().filter(({ state }) => state !== 'up');
    const isAway = new Set(away.map(({ name }) => name));
    const withoutRoom = vitals.shardsWithoutRoom().filter((name) => !isAway.has(name));
    return [...away.map(({ name, state }) => ({ part: name, state })), ...withoutRoom.map((part) => ({ part, state: 'out of disk space' })), ...this.partitionsNotReady()];
  }

  snapshot(): EngineSnapshot {
    const { config, version, clock, vitals } = this.modules;
    const shards = this.modules.shards();
    const degraded = this.state === 'ready' && shards.some(({ state }) => state !== 'up');
    return {
      state: degraded ? 'degraded' : this.state,
      version,
      startedAt: this.startedAt,
      now: clock.now(),
      shards: shards.map((status, shard) => ({ shard, state: shardState(status) })),
      sinks: sinkNames(config).map((sink) => vitals.sinkStatus(sink)),
      alerts: this.alertsStatus(),
      ...vitals.figures(),
      ingestUrl: `http://${config.host}:${this.modules.ingestPort()}/ingest`,
    };
  }

  status(): EngineStatus {
    const { config, partitionCount, nodes, vitals, shards } = this.modules;
    return {
      ...this.snapshot(),
      log: config.log,
      partitions: partitionCount,
      cluster: nodes?.status((partition) => vitals.partitionLag(partition)) ?? null,
      billing: this.billingStatus(),
      queues: vitals.waitingWork(),
      shards: shards().map((status, shard) => ({ shard, state: shardState(status), restarts: status.restarts, ...vitals.shardFigures(shard) })),
    };
  }

  async operations(): Promise<OperationsStatus> {
    const { config, vitals, version, settings } = this.modules;
    const { startedAt, now, sinks } = this.snapshot();
    return { version, nodeVersion: process.version, startedAt, now, rssBytes: process.memoryUsage.rss(), ...(await vitals.operations()), sinks, settings: settings(config) };
  }

  private alertsStatus(): AlertsStatus | null {
    const { vitals, channels } = this.modules;
    const status = this.modules.alerts();
    if (status === null) return null;
    const figures = vitals.alerts();
    const circuits = figures?.notifications.channels;
    return {
      state: shardState(status),
      problem: problemOf(status),
      active: figures === null ? null : { bySeverity: figures.active.bySeverity, suppressed: figures.active.suppressed },
      channels: CHANNEL_NAMES.map((channel) => ({ channel, state: !channels.includes(channel) ? 'off' : circuits === undefined || circuits[channel].circuit === 'closed' ? 'on' : 'failing' })),
    };
  }

  private billingStatus(): BillingStatus | null {
    const status = this.modules.billing();
    if (status === 'idle') return { state: status, problem: null, runsUnderWay: 0 };
    return status === null ? null : { state: shardState(status), problem: problemOf(status), runsUnderWay: this.modules.vitals.billing()?.billing.runsUnderWay ?? null };
  }

  partitionsNotReady(): { part: string; state: string }[] {
    const { cluster } = this.modules;
    if (cluster === null) return [];
    if (!cluster.isAlive) return [{ part: 'group of nodes', state: 'out of reach' }];
    return cluster.owned().filter((partition) => !cluster.ready(partition)).map((partition) => ({ part: `partition-${partition}`, state: stateName(cluster.stateOf(partition)) }));
  }
}

function shardState({ state, epoch }: ChildStatus): ShardState {
  if (state === 'up') return 'up';
  if (state === 'stopping') return 'down';
  return epoch <= 1 ? 'starting' : 'restarting';
}

/** Why it is away; null while it is up. */
function problemOf({ state, lastExit }: ChildStatus): string | null {
  return state === 'up' || lastExit?.kind !== 'crashed' ? null : lastExit.error.message;
}

/** For people. */
function stateName(state: PartitionState | null): string {
  if (state?.state !== 'refused') return state?.state ?? 'taking';
  return state.code === 'storage_full' ? 'out of disk space' : `refused (${state.code})`;
}
