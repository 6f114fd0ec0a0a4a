import type { ClusterView } from '../actors/kafka-log/protocol.ts';
import type { ShardReport } from '../actors/shard/protocol.ts';
import type { NodeReports, ReportPosition } from '../http/node-port.ts';
import type { Clock, TimerHandle, Timers } from '../runtime/clock.ts';

/** Listens to what the other nodes' partitions report, so that the regional picture here is that of the whole cluster. */

export interface RemoteReportsModules {
  view: ClusterView;
  clock: Clock;
  timers: Timers;
  /** Asks another node. */
  reports(url: string, since: ReportPosition | null): Promise<NodeReports>;
  /** As if the partition lived here. */
  onReport(report: ShardReport): void;
  /** Nobody speaks for the partition any more: what it reported no longer holds, and what it has stored must be asked for again. */
  onGone(partition: number): void;
}

/** A dashboard shows another node's load this much later than its own; and a node answers this in well under a millisecond. */
const POLL_MS = 1_000;
/** A node that did not answer for this long is taken for gone: some polls that failed, and less than a rebalance takes. */
const SILENT_MS_MAX = 5_000;

interface Heard {
  position: ReportPosition | null;
  asking: boolean;
  /** On the monotonic clock; the start of listening to begin with. */
  lastAtMs: number;
}

export class RemoteReports {
  private readonly modules: RemoteReportsModules;
  /** By nodeId. */
  private readonly nodes = new Map<string, Heard>();
  /** Which node spoke for a partition last. */
  private readonly speakers = new Map<number, string>();
  private timer: TimerHandle | null = null;

  constructor(modules: RemoteReportsModules) {
    this.modules = modules;
    // Before a partition that comes here speaks for itself.
    modules.view.onChange(() => this.dropTheGone());
  }

  start(): void {
    this.timer = this.modules.timers.every(POLL_MS, () => this.poll());
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = null;
  }

  /** Nodes that did not answer lately. */
  get silent(): ReadonlySet<string> {
    const nowMs = this.modules.clock.monotonic();
    return new Set([...this.nodes].filter(([, { lastAtMs }]) => nowMs - lastAtMs > SILENT_MS_MAX).map(([nodeId]) => nodeId));
  }

  private poll(): void {
    const { view, clock } = this.modules;
    const { self, nodes } = view.map();
    for (const known of [...this.nodes.keys()]) if (!nodes.some(({ nodeId }) => nodeId === known)) this.nodes.delete(known);
    for (const { nodeId, url } of nodes) {
      if (nodeId === self) continue;
      let heard = this.nodes.get(nodeId);
      if (heard === undefined) this.nodes.set(nodeId, (heard = { position: null, asking: false, lastAtMs: clock.monotonic() }));
      if (!heard.asking) void this.listen(nodeId, url, heard);
    }
    this.dropTheGone();
  }

  private async listen(nodeId: string, url: string, heard: Heard): Promise<void> {
    heard.asking = true;
    try {
      const reports = await this.modules.reports(url, heard.position);
      if (this.timer === null || this.nodes.get(nodeId) !== heard) return;
      heard.lastAtMs = this.modules.clock.monotonic();
      heard.position = reports.position;
      this.take(nodeId, reports);
    } catch {
      // Away or busy; the next poll is the next try, and silence is noticed.
    } finally {
      heard.asking = false;
    }
  }

  private take(nodeId: string, { isGap, live, changes }: NodeReports): void {
    const { onReport, onGone } = this.modules;
    for (const { partition, regions } of live) {
      if (!this.speaksFor(nodeId, partition)) continue;
      // A partition that is heard anew, or of which something was missed: what is stored is asked for with the first report.
      if (isGap || this.speakers.get(partition) !== nodeId) onGone(partition);
      this.speakers.set(partition, nodeId);
      const own = changes.filter((change) => change.partition === partition);
      const anomaliesMissed = own.some((change) => change.anomaliesMissed) || undefined;
      onReport({ kind: 'report', shard: partition, live: regions, parts: own.flatMap(({ parts }) => parts), anomalies: own.flatMap(({ anomalies }) => anomalies), anomaliesMissed });
    }
  }

  /** A node may not have heard yet that a partition is no longer its own. */
  private speaksFor(nodeId: string, partition: number): boolean {
    return this.modules.view.map().owners[partition] === nodeId;
  }

  private dropTheGone(): void {
    const { view, onGone } = this.modules;
    const { owners } = view.map();
    const { silent } = this;
    for (const [partition, nodeId] of this.speakers) {
      const owner = owners[partition];
      if (owner === nodeId && !silent.has(nodeId) && this.nodes.has(nodeId)) continue;
      this.speakers.delete(partition);
      onGone(partition);
    }
  }
}
