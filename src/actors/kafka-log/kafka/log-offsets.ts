import type { LogBounds } from '../partition-log.ts';
import type { LogCluster } from './log-cluster.ts';

const READ_COMMITTED = 1;
/** Kafka's names for both ends of a partition. */
const EARLIEST = -2;
const LATEST = -1;

/** Where the log's partitions begin and end. */
export class LogOffsets {
  private readonly cluster: LogCluster;
  private readonly topic: string;

  constructor(cluster: LogCluster, topic: string) {
    this.cluster = cluster;
    this.topic = topic;
  }

  /** `end` is behind the last message that is committed. */
  async bounds(partition: number): Promise<LogBounds> {
    const [begin, end] = [await this.offset(partition, EARLIEST), await this.offset(partition, LATEST)];
    return { begin, end };
  }

  private offset(partition: number, timestamp: number): Promise<number> {
    const { cluster, topic } = this;
    return cluster.persist(async () => {
      const broker = await cluster.leaderOf(topic, partition);
      const { responses } = await broker.listOffsets({ isolationLevel: READ_COMMITTED, topics: [{ topic, partitions: [{ partition, timestamp }] }] });
      return Number(responses[0].partitions[0].offset);
    });
  }
}
