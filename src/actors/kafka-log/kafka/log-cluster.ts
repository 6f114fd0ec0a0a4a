import { setTimeout as sleep } from 'node:timers/promises';
import { logLevel } from 'kafkajs';
import Cluster, { type Broker } from 'kafkajs/src/cluster/index.js';
import loggers from 'kafkajs/src/loggers/index.js';
import RequestQueue from 'kafkajs/src/network/requestQueue/index.js';
import { OperationalError } from '../../../runtime/errors.ts';
import type { Log } from '../../../runtime/log.ts';
import { CONNECT_TIMEOUT_MS, RETRY, type KafkaAccess } from '../../sinks/kafka/kafka-connection.ts';
import { isUnknownTopic, kafkaError, typeOf } from '../../sinks/kafka/kafka-errors.ts';
import { kafkaLog } from '../../sinks/kafka/kafka-log.ts';
import { KafkaSockets } from '../../sinks/kafka/kafka-sockets.ts';

/**
 * kafkajs below its clients: its brokers and their requests. Its consumer reads only as the member of a group, begins silently elsewhere when an offset is no
 * longer there, and does not say who was fenced; a log can have none of that.
 */

export type { Broker };

// kafkajs 2.2.4 sets a timer of one millisecond, again and again, for each connection that ever had an answer, to look for requests that wait where none does.
const { scheduleCheckPendingRequests } = RequestQueue.prototype;
RequestQueue.prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
  if (this.pending.length > 0) scheduleCheckPendingRequests.call(this);
};

const METADATA_MAX_AGE_MS = 5 * 60_000;
/** Before a request is repeated: doubled each time. */
const RETRY_MIN_MS = 20;
const RETRY_MAX_MS = 1_000;

/** A topic that was made a moment ago is not known to every broker yet; one that stays unknown for so long was deleted. */
const TOPIC_MISSING_MS = 5_000;

/** Refusals after which somebody else has to be asked. */
const MOVED: ReadonlySet<string> = new Set([
  'NOT_LEADER_FOR_PARTITION', 'LEADER_NOT_AVAILABLE', 'UNKNOWN_TOPIC_OR_PARTITION', 'FENCED_LEADER_EPOCH', 'UNKNOWN_LEADER_EPOCH', 'REPLICA_NOT_AVAILABLE', 'KAFKA_STORAGE_ERROR',
  'NOT_COORDINATOR_FOR_GROUP', 'GROUP_COORDINATOR_NOT_AVAILABLE', 'GROUP_LOAD_IN_PROGRESS', 'NOT_ENOUGH_REPLICAS', 'NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'REQUEST_TIMED_OUT',
]);
/** Answers that no repetition changes, whatever else is thought of them (kafka-errors.ts): somebody has to decide. */
const FINAL: ReadonlySet<string> = new Set([
  'INVALID_PRODUCER_EPOCH', 'INVALID_PRODUCER_ID_MAPPING', 'UNKNOWN_PRODUCER_ID', 'OUT_OF_ORDER_SEQUENCE_NUMBER', 'DUPLICATE_SEQUENCE_NUMBER', 'INVALID_TXN_STATE', 'OFFSET_OUT_OF_RANGE',
  'UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'REBALANCE_IN_PROGRESS',
]);
/** A transaction of ours, or of who was before us, is still being ended. */
const BUSY: ReadonlySet<string> = new Set(['CONCURRENT_TRANSACTIONS']);
/** Before the broker's name for its answer, as the code of an error. */
const REFUSED = 'kafka:';
/** Where the requester was closed; nobody waits any more. */
const CLOSED = new OperationalError('stopping', 'the Kafka log is closing', { retryable: true });

export class LogCluster {
  /** In errors. */
  readonly where: string;
  private readonly cluster: Cluster;
  private readonly sockets = new KafkaSockets();
  private readonly topics: readonly string[];
  private readonly coordinators = new Map<string, Broker>();
  private connecting: Promise<void> | null = null;
  private readonly end = new AbortController();

  constructor({ brokers, engineId, tls, login, requestTimeoutMs }: KafkaAccess, topics: readonly string[], log: Log) {
    this.where = brokers.join(',');
    this.topics = topics;
    this.cluster = new Cluster({
      logger: loggers.createLogger({ level: logLevel.INFO, logCreator: kafkaLog(log) }),
      socketFactory: (address: Parameters<KafkaSockets['open']>[0]) => this.sockets.open(address),
      brokers: [...brokers],
      ssl: tls,
      ...(login === null ? {} : { sasl: { ...login } }),
      clientId: `seg-${engineId}`,
      connectionTimeout: CONNECT_TIMEOUT_MS,
      authenticationTimeout: requestTimeoutMs,
      reauthenticationThreshold: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      enforceRequestTimeout: true,
      metadataMaxAge: METADATA_MAX_AGE_MS,
      retry: RETRY,
      allowAutoTopicCreation: false,
      maxInFlightRequests: null,
    });
  }

  get isClosed(): boolean {
    return this.end.signal.aborted;
  }

  /** Ends everything under way, now. */
  cut(): void {
    this.end.abort();
    this.sockets.cut();
  }

  /** Leader of each partition there is; −1 where it has none at the moment. */
  async leaders(topic: string): Promise<Map<number, number>> {
    await this.connect();
    await this.cluster.refreshMetadataIfNecessary();
    return new Map(this.cluster.findTopicPartitionMetadata(topic).map(({ partitionId, leader }) => [partitionId, leader]));
  }

  async leaderOf(topic: string, partition: number): Promise<Broker> {
    const leader = (await this.leaders(topic)).get(partition);
    if (leader === undefined || leader < 0) throw new OperationalError('unavailable', `partition ${partition} of ${topic} has no leader`, { retryable: true });
    return this.broker(leader);
  }

  broker(nodeId: number): Promise<Broker> {
    return this.cluster.findBroker({ nodeId });
  }

  async controller(): Promise<Broker> {
    await this.connect();
    return this.cluster.findControllerBroker();
  }

  /** Of a group, or of a transactional id. */
  async coordinatorOf(id: string, kind: 'group' | 'transaction'): Promise<Broker> {
    await this.connect();
    const key = `${kind}/${id}`;
    const known = this.coordinators.get(key);
    // Connects again where the connection was lost.
    if (known !== undefined) return this.cluster.findBroker({ nodeId: known.nodeId });
    const found = await this.cluster.findGroupCoordinator({ groupId: id, coordinatorType: kind === 'group' ? 0 : 1 });
    this.coordinators.set(key, found);
    return found;
  }

  /** What is known of leaders and coordinators may be wrong. */
  async lookAgain(): Promise<void> {
    this.coordinators.clear();
    await this.connect();
    await this.cluster.refreshMetadata();
  }

  /**
   * Does what may meet brokers that are away or have handed over, again and again, until it is done, refused for good, or `deadlineMs` (of performance.now()) has passed. Rejects
   * with OperationalError: `unavailable` (retryable) past the deadline, `stopping` when the cluster was cut, `topic_missing` when a topic is not there and does not come, `kafka:<TYPE>` with what the broker says for good.
   */
  async persist<Result>(work: () => Promise<Result>, deadlineMs = Infinity): Promise<Result> {
    let waitMs = RETRY_MIN_MS;
    let unknownSinceMs = Infinity;
    for (;;) {
      let error: unknown;
      try {
        return await work();
      } catch (caught) {
        error = caught;
      }
      if (this.isClosed) throw CLOSED;
      const type = typeOf(error);
      const isBusy = type !== null && BUSY.has(type);
      const isAway = type !== null && MOVED.has(type);
      const isFinal = type !== null && FINAL.has(type);
      const operational = kafkaError(error, this.where);
      if (isFinal || (!isBusy && !isAway && !operational.retryable)) throw type === null ? operational : new OperationalError(REFUSED + type, operational.message, { cause: error });
      unknownSinceMs = isUnknownTopic(error) ? Math.min(unknownSinceMs, performance.now()) : Infinity;
      if (performance.now() - unknownSinceMs > TOPIC_MISSING_MS) throw topicMissing(this.topics, this.where, error);
      if (performance.now() + waitMs > deadlineMs) throw new OperationalError('unavailable', operational.message, { retryable: true, cause: error });
      await sleep(waitMs, null, { signal: this.end.signal }).catch(() => {
        throw CLOSED;
      });
      waitMs = isBusy ? RETRY_MIN_MS : Math.min(RETRY_MAX_MS, waitMs * 2);
      // Its own failure is that of the next attempt.
      if (!isBusy) await this.lookAgain().catch(() => {});
    }
  }

  private async connect(): Promise<void> {
    this.connecting ??= this.begin().catch((error: unknown) => {
      this.connecting = null;
      throw error;
    });
    await this.connecting;
  }

  private async begin(): Promise<void> {
    await this.cluster.connect();
    await this.cluster.addMultipleTargetTopics([...this.topics]);
  }
}

function topicMissing(topics: readonly string[], where: string, cause: unknown): OperationalError {
  return new OperationalError('topic_missing', `a topic of the log (${topics.join(', ')}) is not in Kafka at ${where} any more: it was deleted, and what it held is lost. Bring it back, or begin with new topics under another prefix`, { cause });
}

/** What the broker said for good, as `persist` gives it; null for any other error. */
export function refusalOf(error: unknown): string | null {
  return error instanceof OperationalError && error.code.startsWith(REFUSED) ? error.code.slice(REFUSED.length) : null;
}
