/** Parts of kafkajs 2.2.4 that it has no types for. It is the last release, and package.json pins it. */

declare module 'kafkajs/src/cluster/index.js' {
  import type { logCreator } from 'kafkajs';

  export interface RawMessage {
    offset: string;
    timestamp: string;
    key: Buffer | null;
    value: Buffer | null;
    headers: Record<string, Buffer | Buffer[] | undefined>;
    isControlRecord: boolean;
    batchContext: { firstOffset: string; lastOffsetDelta: number; producerId: string; inTransaction: boolean; timestampType: number };
  }

  export interface FetchedPartition {
    partition: number;
    highWatermark: string;
    lastStableOffset: string;
    abortedTransactions: { producerId: string; firstOffset: string }[];
    messages: RawMessage[];
  }

  export interface ProducedMessage {
    key: Uint8Array | null;
    value: Uint8Array | null;
    headers?: Record<string, Buffer | string>;
  }

  export interface TopicData {
    topic: string;
    partitions: { partition: number; firstSequence: number; messages: ProducedMessage[] }[];
  }

  export interface Broker {
    nodeId: number;
    fetch(request: { isolationLevel: 0 | 1; maxWaitTime: number; minBytes: number; maxBytes: number; topics: { topic: string; partitions: { partition: number; fetchOffset: string; maxBytes: number }[] }[] }): Promise<{
      responses: { topicName: string; partitions: FetchedPartition[] }[];
    }>;
    produce(request: { topicData: TopicData[]; transactionalId?: string; producerId?: string; producerEpoch?: number; acks: -1; timeout: number; compression: number }): Promise<{
      topics: { topicName: string; partitions: { partition: number; baseOffset: string }[] }[];
    }>;
    listOffsets(request: { isolationLevel: 0 | 1; topics: { topic: string; partitions: { partition: number; timestamp: number }[] }[] }): Promise<{ responses: { topic: string; partitions: { partition: number; offset: string }[] }[] }>;
    joinGroup(request: { groupId: string; sessionTimeout: number; rebalanceTimeout: number; memberId: string; groupProtocols: { name: string; metadata: Buffer }[] }): Promise<{
      generationId: number;
      leaderId: string;
      memberId: string;
      members: { memberId: string; memberMetadata: Buffer }[];
    }>;
    syncGroup(request: { groupId: string; generationId: number; memberId: string; groupAssignment: { memberId: string; memberAssignment: Buffer }[] }): Promise<{ memberAssignment: Buffer }>;
    heartbeat(request: { groupId: string; groupGenerationId: number; memberId: string }): Promise<unknown>;
    leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>;
    offsetCommit(request: { groupId: string; groupGenerationId: number; memberId: string; topics: { topic: string; partitions: { partition: number; offset: string; metadata: string | null }[] }[] }): Promise<unknown>;
    offsetFetch(request: { groupId: string; topics: { topic: string; partitions: { partition: number }[] }[] }): Promise<{ responses: { topic: string; partitions: { partition: number; offset: string }[] }[] }>;
    initProducerId(request: { transactionalId?: string; transactionTimeout: number }): Promise<{ producerId: string; producerEpoch: number }>;
    addPartitionsToTxn(request: { transactionalId: string; producerId: string; producerEpoch: number; topics: { topic: string; partitions: number[] }[] }): Promise<unknown>;
    endTxn(request: { transactionalId: string; producerId: string; producerEpoch: number; transactionResult: boolean }): Promise<unknown>;
  }

  export interface KafkaLogger {
    namespace(name: string): KafkaLogger;
  }

  export interface ClusterOptions {
    logger: KafkaLogger;
    socketFactory: unknown;
    brokers: string[];
    ssl: unknown;
    sasl?: unknown;
    clientId: string;
    connectionTimeout: number;
    authenticationTimeout: number;
    reauthenticationThreshold: number;
    requestTimeout: number;
    enforceRequestTimeout: boolean;
    metadataMaxAge: number;
    retry: unknown;
    allowAutoTopicCreation: boolean;
    maxInFlightRequests: number | null;
    isolationLevel?: number;
  }

  export default class Cluster {
    constructor(options: ClusterOptions);
    connect(): Promise<void>;
    disconnect(): Promise<void>;
    refreshMetadata(): Promise<void>;
    refreshMetadataIfNecessary(): Promise<void>;
    addMultipleTargetTopics(topics: string[]): Promise<void>;
    findBroker(which: { nodeId: string | number }): Promise<Broker>;
    findControllerBroker(): Promise<Broker>;
    findTopicPartitionMetadata(topic: string): { partitionId: number; leader: number; partitionErrorCode: number }[];
    findGroupCoordinator(of: { groupId: string; coordinatorType: 0 | 1 }): Promise<Broker>;
  }

  export type { logCreator };
}

declare module 'kafkajs/src/loggers/index.js' {
  import type { KafkaLogger } from 'kafkajs/src/cluster/index.js';
  import type { logCreator } from 'kafkajs';

  const loggers: { createLogger(options: { level: number; logCreator: logCreator }): KafkaLogger };
  export default loggers;
}

declare module 'kafkajs/src/consumer/filterAbortedMessages.js' {
  import type { RawMessage } from 'kafkajs/src/cluster/index.js';

  export default function filterAbortedMessages(of: { messages: RawMessage[]; abortedTransactions: { producerId: string; firstOffset: string }[] }): RawMessage[];
}

declare module 'kafkajs/src/network/requestQueue/index.js' {
  export default class RequestQueue {
    readonly pending: readonly unknown[];
    scheduleCheckPendingRequests(): void;
  }
}
