import { totalOf } from '../actors/sinks/figures.ts';
import type { OperatedPart, OperatedQueue, OperationsStatus, WaitingWork } from '../http/engine-port.ts';
import type { Gateway } from '../http/gateway.ts';
import type { SinkStatus } from '../http/live-source.ts';
import { startProcessMetrics, ThreadMetrics } from '../runtime/metrics.ts';
import { describeExit } from '../runtime/exit-reason.ts';
import type { DurationSnapshot } from '../runtime/mailbox-metrics.ts';
import type { ChildStatus } from '../runtime/supervisor.ts';
import type { TracingFigures } from '../runtime/tracing.ts';
import type { WorkerThread } from '../runtime/worker-thread.ts';
import { AckLatency } from './ack-latency.ts';
import { familiesOf, type AlertThreadSnapshot, type BillingThreadSnapshot, type IngestThreadSnapshot, type MainThreadSnapshot, type ShardThreadSnapshot, type ThreadSnapshot } from './engine-metrics.ts';
import { waitingWork } from './waiting-work.ts';

/** The figures of all threads: polled for the dashboard, gathered afresh for each scrape. */

export interface EngineVitalsModules {
  threads: () => WorkerThread<object>[];
  children: () => ChildStatus[];
  gateway: () => ReturnType<Gateway['stats']> | null;
  liveConnections: () => number;
  /** Of the actors on the main thread. */
  mailboxes: () => MainThreadSnapshot['mailboxes'];
  version: string;
  /** Of the main thread; undefined where nothing is traced. */
  tracing: () => TracingFigures | undefined;
  /** Free space on the disk that holds the data directory, bytes; NaN when it is not known. */
  dataDiskFreeBytes: () => Promise<number>;
  /** A thread that does not answer in this time is left out of the scrape, ms. */
  controlDeadlineMs: number;
}

/** Seconds over which rates are taken: smooth enough to read, short enough to see a change. */
const RATE_SAMPLES = 5;

interface Sample {
  atMs: number;
  accepted: number;
  rejected: number;
}

export class EngineVitals {
  private readonly modules: EngineVitalsModules;
  private readonly metrics = new ThreadMetrics();
  private readonly process = startProcessMetrics();
  private readonly latency = new AckLatency();
  private samples: Sample[] = [];
  private newest: ThreadSnapshot[] = [];

  constructor(modules: EngineVitalsModules) {
    this.modules = modules;
  }

  /** Asks every thread; call once a second. Never rejects. */
  async poll(): Promise<void> {
    this.newest = await this.gather();
    const ingests = this.newest.filter((snapshot) => snapshot.kind === 'ingest');
    this.samples.push({ atMs: performance.now(), accepted: sum(ingests, acceptedOf), rejected: sum(ingests, rejectedOf) });
    if (this.samples.length > RATE_SAMPLES) this.samples.shift();
    const buckets = ingests.map(({ actor }) => actor.ackLatency.buckets);
    if (buckets.length > 0) this.latency.add(buckets[0].map((_, i) => buckets.reduce((total, counts) => total + counts[i], 0)));
  }

  /** Prometheus text of all threads. */
  async render(): Promise<{ contentType: string; text: string }> {
    const snapshots = await this.gather();
    const heard = new Set(snapshots.map(({ thread }) => thread));
    for (const snapshot of snapshots) this.metrics.report(snapshot.thread, snapshot.epoch, familiesOf(snapshot));
    for (const { name } of this.modules.children()) if (!heard.has(name)) this.metrics.drop(name);
    const main = await this.main();
    if (main !== null) this.metrics.report(main.thread, main.epoch, familiesOf(main));
    return this.metrics.render(await this.process.families());
  }

  /** What threads and queues are doing, asked of them now. Never rejects. */
  async operations(): Promise<Pick<OperationsStatus, 'diskFreeBytes' | 'gateway' | 'parts' | 'queues'>> {
    const { gateway, liveConnections, mailboxes, children, dataDiskFreeBytes } = this.modules;
    const [snapshots, freeBytes] = await Promise.all([this.gather(), dataDiskFreeBytes()]);
    const { queriesInFlight = 0, queriesRefused = 0, aborted = 0 } = gateway() ?? {};
    return {
      diskFreeBytes: Number.isNaN(freeBytes) ? null : freeBytes,
      gateway: { queriesInFlight, queriesRefused, requestsAborted: aborted, liveConnections: liveConnections() },
      parts: children().map((child) => operatedPart(child, snapshots)),
      queues: [...queuesOf('main', mailboxes()), ...snapshots.flatMap((snapshot) => queuesOf(snapshot.thread, snapshot.mailboxes))],
    };
  }

  /** As of the last poll. */
  figures(): { meters: number; readingsAccepted: number; acceptedPerSecond: number; rejectedPerSecond: number; ackLatencyP99Ms: number | null } {
    const [first] = this.samples;
    const last = this.samples.at(-1);
    const seconds = first === undefined || last === undefined ? 0 : (last.atMs - first.atMs) / 1_000;
    const rate = (of: 'accepted' | 'rejected'): number => (seconds === 0 ? 0 : Math.max(0, last![of] - first![of]) / seconds);
    return {
      meters: sum(this.newest, metersOf),
      readingsAccepted: last?.accepted ?? 0,
      acceptedPerSecond: rate('accepted'),
      rejectedPerSecond: rate('rejected'),
      ackLatencyP99Ms: this.latency.p99Ms(),
    };
  }

  /** As of the last poll; nulls while the shard is away. */
  shardFigures(shard: number): { meters: number | null; journalLagRecords: number | null; checkpointAgeMs: number | null } {
    const found = this.newest.find((snapshot): snapshot is ShardThreadSnapshot => snapshot.kind === 'shard' && snapshot.shard === shard);
    if (found === undefined) return { meters: null, journalLagRecords: null, checkpointAgeMs: null };
    return { meters: found.meters, journalLagRecords: found.journalLagRecords, checkpointAgeMs: found.checkpointAgeMs };
  }

  /** As of the last poll. */
  waitingWork(): WaitingWork[] {
    return waitingWork(this.newest, this.modules.mailboxes());
  }

  /** As of the last poll. */
  sinkStatus(sink: SinkStatus['sink']): SinkStatus {
    const found = this.newest.flatMap((snapshot) => (snapshot.kind === 'sinks' ? snapshot.sinks : [])).find((figures) => figures.sink === sink);
    if (found === undefined) return { sink, state: 'down', lagMs: null, setAside: null, problem: 'its thread is being restarted' };
    const { state, lagMs, lastError } = found;
    return { sink, state, lagMs, setAside: totalOf(found, 'setAside'), problem: state === 'running' ? null : (lastError?.message ?? null) };
  }

  /** As of the last poll; null while their thread is away. */
  alerts(): AlertThreadSnapshot | null {
    return this.newest.find((snapshot): snapshot is AlertThreadSnapshot => snapshot.kind === 'alerts') ?? null;
  }

  /** The same of tariffs and bills. */
  billing(): BillingThreadSnapshot | null {
    return this.newest.find((snapshot): snapshot is BillingThreadSnapshot => snapshot.kind === 'billing') ?? null;
  }

  /** Offsets that a partition of a log in Kafka has yet to fold, as of the last poll; null while it is not here. */
  partitionLag(partition: number): number | null {
    for (const snapshot of this.newest) {
      const found = snapshot.kind === 'partitions' ? snapshot.partitions.find((one) => one.partition === partition) : undefined;
      if (found !== undefined) return found.lagRecords;
    }
    return null;
  }

  /** Shards that refuse readings because the disk has no room, as of the last poll. */
  shardsWithoutRoom(): string[] {
    return this.newest.filter((snapshot) => snapshot.kind === 'shard' && snapshot.storageRefuses).map(({ thread }) => thread);
  }

  private async gather(): Promise<ThreadSnapshot[]> {
    const answers = await Promise.all(
      this.modules.threads().map((thread) =>
        thread.call('metrics', [], this.modules.controlDeadlineMs).then(
          (snapshot) => ({ ...(snapshot as ThreadSnapshot), stats: thread.lastHeartbeat }),
          () => null,
        ),
      ),
    );
    return answers.filter((answer) => answer !== null);
  }

  private async main(): Promise<MainThreadSnapshot | null> {
    const { modules } = this;
    const gateway = modules.gateway();
    if (gateway === null) return null;
    return {
      kind: 'main',
      thread: 'main',
      epoch: 1,
      stats: null,
      mailboxes: modules.mailboxes(),
      version: modules.version,
      children: modules.children(),
      gateway,
      liveConnections: modules.liveConnections(),
      dataDiskFreeBytes: await modules.dataDiskFreeBytes(),
      tracing: modules.tracing(),
    };
  }
}

function metersOf(snapshot: ThreadSnapshot): number {
  if (snapshot.kind === 'partitions') return sum(snapshot.partitions, ({ meters }) => meters);
  return snapshot.kind === 'shard' ? snapshot.meters : 0;
}

function acceptedOf(snapshot: IngestThreadSnapshot): number {
  return snapshot.actor.readingsAccepted;
}

function rejectedOf(snapshot: IngestThreadSnapshot): number {
  return Object.values(snapshot.actor.rejects).reduce((total, count) => total + count, 0);
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

function operatedPart({ name, state, restarts, lastExit }: ChildStatus, snapshots: readonly ThreadSnapshot[]): OperatedPart {
  const stats = snapshots.find(({ thread }) => thread === name)?.stats ?? null;
  return {
    name,
    state,
    restarts,
    lastExit: lastExit === null ? null : describeExit(lastExit),
    eventLoopDelayP99Ms: stats?.eventLoopDelayP99Ms ?? null,
    heapUsedBytes: stats?.heapUsedBytes ?? null,
    externalBytes: stats?.externalBytes ?? null,
  };
}

function queuesOf(thread: string, mailboxes: ThreadSnapshot['mailboxes']): OperatedQueue[] {
  return Object.entries(mailboxes).map(([queue, { depth, depthMax, handled, failed, refused, wait, handle }]) => ({
    thread, queue, depth, depthMax, handled, failed, refused,
    waitMeanMs: meanMs(wait), waitMaxMs: wait.maxMs, handleMeanMs: meanMs(handle), handleMaxMs: handle.maxMs,
  }));
}

function meanMs({ sumMs, buckets }: DurationSnapshot): number {
  const count = buckets.reduce((total, bucket) => total + bucket, 0);
  return count === 0 ? 0 : sumMs / count;
}
