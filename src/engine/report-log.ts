import type { RegionLivePart, RegionPart, ShardReport } from '../actors/shard/protocol.ts';
import type { NodeReports, ReportPosition } from '../http/node-port.ts';
import type { Anomaly } from '../model/anomaly.ts';

/** What the partitions of this node reported lately, for nodes that ask once a second. */

/**
 * Parts and episodes that are kept; a node that asks less often than these come is told of a gap and asks for what is stored. A minute of ten regions in 64 partitions
 * changes 640 parts.
 */
const KEPT_MAX = 50_000;

interface Entry {
  at: number;
  partition: number;
  parts: RegionPart[];
  anomalies: Anomaly[];
  anomaliesMissed?: true;
}

export class ReportLog {
  private readonly life: string;
  private at = 0;
  private readonly live = new Map<number, { at: number; regions: RegionLivePart[] }>();
  private readonly entries: Entry[] = [];
  private kept = 0;
  /** Of the newest entry that went. */
  private droppedAt = 0;

  /** `life` is different for each start of each engine. */
  constructor(life: string) {
    this.life = life;
  }

  take({ shard: partition, live, parts, anomalies, anomaliesMissed }: ShardReport): void {
    this.at++;
    this.live.set(partition, { at: this.at, regions: live });
    if (parts.length + anomalies.length === 0 && anomaliesMissed === undefined) return;
    this.entries.push({ at: this.at, partition, parts, anomalies, anomaliesMissed });
    this.kept += parts.length + anomalies.length;
    while (this.kept > KEPT_MAX && this.entries.length > 1) {
      const oldest = this.entries.shift()!;
      this.kept -= oldest.parts.length + oldest.anomalies.length;
      this.droppedAt = oldest.at;
    }
  }

  /** The partition is no longer this node's. */
  forget(partition: number): void {
    this.live.delete(partition);
  }

  since(position: ReportPosition | null): NodeReports {
    const isGap = position === null || position.life !== this.life || position.at < this.droppedAt;
    const from = isGap ? 0 : position.at;
    return {
      position: { life: this.life, at: this.at },
      isGap,
      live: [...this.live].filter(([, { at }]) => at > from).map(([partition, { regions }]) => ({ partition, regions })),
      changes: isGap ? [] : this.entries.filter(({ at }) => at > from).map(({ partition, parts, anomalies, anomaliesMissed }) => ({ partition, parts, anomalies, anomaliesMissed })),
    };
  }
}
