import type { PartitionState } from '../actors/kafka-log/partition-host.ts';
import type { ClusterMap } from '../actors/kafka-log/protocol.ts';

/** Ports between the threads of an engine whose log is in Kafka, and what goes over them. Beside them there are APPEND_PORT and a `gateway` port for each partition that is ready. */

/** To the thread that talks to Kafka: from a thread that folds, and from the main thread. */
export const PARTITIONS_PORT = 'partitions';
export const CLUSTER_PORT = 'cluster';
/** To a thread that folds: from the main thread, and of the one that talks to Kafka. */
export const HOST_PORT = 'host';
export const LOG_PORT = 'log';

/** Thread that talks to Kafka → main thread. */
export type ClusterEvent =
  | { kind: 'map'; map: ClusterMap }
  /** Until the next map it may be out of date. */
  | { kind: 'joining' }
  /** A heartbeat of this time, on the clock that threads share, was answered well. */
  | { kind: 'alive'; sentAtMs: number };

/** Main thread → thread that folds: the partitions it is to have. */
export interface OwnPartitions {
  partitions: number[];
}

/** … and back: how one of them is doing. */
export interface PartitionNews {
  partition: number;
  state: PartitionState;
}
