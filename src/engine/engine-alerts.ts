import type { ShardReport } from '../actors/shard/protocol.ts';
import type { RegionState } from '../actors/region/state.ts';
import type { RegionChange } from '../actors/region/protocol.ts';
import { ALERTS_ACTIVE_MAX } from '../http/live-protocol.ts';
import type { EnginePort } from '../http/engine-port.ts';
import { asMeterId, isId, type RegionId } from '../model/ids.ts';
import type { SharedClock, TimerHandle, Timers } from '../runtime/clock.ts';
import { freeDiskBytes } from '../runtime/files.ts';
import type { Log } from '../runtime/log.ts';
import type { ChildStatus } from '../runtime/supervisor.ts';
import type { AlertBoard } from './alert-board.ts';
import { AlertFeed } from './alert-feed.ts';
import { AlertLink } from './alert-link.ts';
import type { AlertPlan } from './alert-plan.ts';
import type { AlertsEvent, EngineQuestion, EngineReply } from './alert-ports.ts';
import { alertsDirectory } from './open-alert-store.ts';
import type { AlertThreadOptions } from './alert-thread.ts';
import { ComponentWatch, type ComponentWatchModules } from './component-watch.ts';
import type { EngineConfig } from './engine-config.ts';
import type { RegionsListener } from './engine-regions.ts';
import type { EngineThreads } from './engine-threads.ts';
import type { OutboxLink } from './outbox-link.ts';
import { SideThread } from './side-thread.ts';
import { sinkNames } from './sink-options.ts';
import type { StopOrder } from './stop-order.ts';

/** Everything that an engine with alerts has on its main thread: their thread, what it is told of, what it asks, and who asks it. */

/** It opens its store, walks its pages and reads what is active: a gigabyte takes some seconds. */
const READY_TIMEOUT_MS = 120_000;
const DISK_MS = 5_000;
/** Of a curve: six hours of minutes. */
const CURVE_WINDOWS_MAX = 400;
/** Episodes of one meter that began in the same millisecond: one of each kind. */
const SAME_START_MAX = 10;

export interface EngineAlertsModules extends Pick<ComponentWatchModules, 'children' | 'sinks' | 'withoutRoom' | 'cluster'> {
  clock: SharedClock;
  timers: Timers;
  log: Log;
  plan: AlertPlan;
  /** By which the sink thread asks the alerts'. */
  outboxLink: OutboxLink;
  board: AlertBoard;
  queries: EnginePort;
  regions(): RegionState;
  /** Shards, or partitions, of which there are regions. */
  partCount: number;
  /** Hands a message to the contact's open connections; says how many took it. */
  publish(contactId: string, notification: object): number;
  threads: EngineThreads;
  ends: StopOrder;
}

export class EngineAlerts implements RegionsListener {
  readonly link: AlertLink;
  private readonly config: EngineConfig;
  private readonly modules: EngineAlertsModules;
  private readonly thread: SideThread;
  private readonly feed: AlertFeed;
  private readonly components: ComponentWatch;
  private diskFree = NaN;
  private diskTimer: TimerHandle | null = null;
  /** Shards, or partitions, that have to report anew. */
  private readonly partsAway = new Set<number>();

  constructor(config: EngineConfig, modules: EngineAlertsModules) {
    this.config = config;
    this.modules = modules;
    this.link = new AlertLink({ deadlineMs: config.queryDeadlineMs }, { ...modules, onAlerts: (event) => this.alertsChanged(event), answer: (question) => this.answer(question) });
    this.components = new ComponentWatch({ ...modules, diskFreeBytes: () => this.diskFree });
    this.feed = new AlertFeed({
      ...modules,
      latenessMs: config.latenessMs,
      observe: (observation) => this.link.observe(observation),
      areRegionsWhole: () => modules.regions().reporting === modules.partCount,
      components: () => this.components.look(),
      episodes: (query) => modules.queries.anomalies(query),
    });
    this.thread = new SideThread(
      { name: 'alerts', module: new URL('./alert-thread.ts', import.meta.url), readyTimeoutMs: READY_TIMEOUT_MS, stopTimeoutMs: config.shutdownDeadlineMs },
      {
        ...modules,
        link: this.link,
        feed: this.feed,
        threadOptions: () => this.threadOptions(),
        onUp: () => void this.readBoard(),
        refusal: ({ message }) => `alerts cannot be started: ${message}. Bring ${alertsDirectory(config.dataDir)} back from a backup, move it away to begin without what was known, or start with SEG_ALERTS=off`,
      },
    );
    modules.ends.add('ingest', () => this.stopFeed());
  }

  /** Resolves when the thread is there, or its first start has failed: alerts that are away do not keep an engine from starting. */
  startThread(): Promise<void> {
    return this.thread.wake();
  }

  status(): ChildStatus {
    return this.thread.status();
  }

  /** The engine is ready: shards have reported, and parts that are away are away. */
  startFeed(): void {
    const { timers, plan, log } = this.modules;
    const look = (): void => void freeDiskBytes(this.config.dataDir).then((free) => (this.diskFree = free));
    look();
    this.diskTimer = timers.every(DISK_MS, look);
    plan.rules.watch(() => {
      // A thread that is away starts with them.
      if (this.link.isUp) this.link.setRules(plan.rules.inForce).catch((error: unknown) => log.warn({ err: error }, 'the alerts did not take their rules in time'));
    });
    this.thread.startFeed();
  }

  reported({ shard, anomalies, anomaliesMissed }: ShardReport): void {
    for (const anomaly of anomalies) this.feed.episodeChanged(anomaly);
    // What the shard before it had not reported is in its store, or what this one could not.
    if (this.partsAway.delete(shard) || anomaliesMissed) this.feed.episodesMissed();
  }

  regionsChanged({ windows }: RegionChange): void {
    this.feed.windowsChanged(windows);
  }

  /** Of a shard, or partition. */
  partDown(shard: number): void {
    this.partsAway.add(shard);
  }

  /** Nothing more is told; questions are answered until the thread goes. */
  private stopFeed(): void {
    this.thread.stopFeed();
    this.diskTimer?.cancel();
    this.modules.plan.rules.close();
  }

  private threadOptions(): AlertThreadOptions {
    const { config } = this;
    const { rules, channels } = this.modules.plan;
    return {
      directory: alertsDirectory(config.dataDir),
      consumers: sinkNames(config),
      rules: rules.inForce,
      channels,
      publicUrl: config.publicUrl,
      askDeadlineMs: config.queryDeadlineMs,
      drainMs: Math.ceil(config.shutdownDeadlineMs / 3),
    };
  }

  private alertsChanged({ alerts, isAll }: AlertsEvent): void {
    const { board } = this.modules;
    board.note(alerts);
    if (!isAll || board.isShort) void this.readBoard();
  }

  /** What is active, as the thread has it. */
  private async readBoard(): Promise<void> {
    const query = { state: 'active', type: null, severity: null, region: null, meterId: null, isSuppressed: null, from: 0, to: Number.MAX_SAFE_INTEGER, limit: ALERTS_ACTIVE_MAX, cursor: null } as const;
    try {
      const { data, nextCursor } = await this.link.ask({ kind: 'alerts', query });
      this.modules.board.replace(data, nextCursor === null);
    } catch (error) {
      this.modules.log.debug({ err: error }, 'active alerts could not be read; the next change is the next try');
    }
  }

  private async answer(question: EngineQuestion): Promise<EngineReply> {
    const { queries } = this.modules;
    const range = (from: number, to: number) => ({ granularity: '1m', from, to, limit: CURVE_WINDOWS_MAX, cursor: null }) as const;
    switch (question.kind) {
      case 'episode': {
        const { meterId, anomalyKind: kind, startedAt } = question;
        const { data } = await queries.anomalies({ meterId, region: null, kind, severity: null, open: false, from: startedAt, to: startedAt + 1, limit: SAME_START_MAX, cursor: null });
        return data.find((anomaly) => anomaly.startedAt === startedAt) ?? null;
      }
      case 'meterCurve': {
        const id = asMeterId(question.meterId);
        return id === null ? [] : ((await queries.meterWindows(id, range(question.from, question.to)))?.data ?? []);
      }
      case 'regionCurve':
        return isId(question.region) ? ((await queries.regionWindows(question.region as RegionId, range(question.from, question.to)))?.data ?? []) : [];
      case 'publish':
        return this.modules.publish(question.contactId, question.notification);
    }
  }
}
