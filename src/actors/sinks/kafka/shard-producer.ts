import { CompressionTypes, type PartitionerArgs, type Producer, type RecordMetadata } from 'kafkajs';
import { murmur2, partitionOfHash } from '../../../model/ids.ts';
import { OperationalError } from '../../../runtime/errors.ts';
import type { Message } from './batch-messages.ts';
import { RETRY, type KafkaConnection } from './kafka-connection.ts';
import type { KafkaSettings } from './kafka-options.ts';

/**
 * An idempotent producer for one shard: one request at a time, and none after a failure. kafkajs keeps sequence numbers in a way that is safe only so. It takes back
 * the numbers of a request that got no answer; if the broker had that request after all, another one of the same length would get the same numbers, and the broker
 * would take it for a repetition and drop it. Within one `send` a repetition is the same messages, so that there the broker is right. (In 2.2.4: producer/sendMessages.js.)
 */

/** kafkajs counts a partition's messages past the 32 bits that its numbers have. */
const MESSAGES_MAX = 1_000_000_000;
/** The broker says within this share of the request's time that its replicas did not take it, and the answer still comes in time. */
const REPLICAS_SHARE = 0.8;

export class ShardProducer {
  private readonly connection: KafkaConnection;
  private readonly producer: Producer;
  private readonly ackTimeoutMs: number;
  private readonly compression: CompressionTypes;
  private connecting: Promise<void> | null = null;
  private sent = 0;
  /** Of the request under way. */
  private readonly choice = { partitions: new Set<number>(), counts: new Set<number>() };

  /** Takes the connection over: no one else uses or ends it. */
  constructor(settings: KafkaSettings, connection: KafkaConnection) {
    this.connection = connection;
    this.ackTimeoutMs = Math.round(settings.requestTimeoutMs * REPLICAS_SHARE);
    this.compression = settings.compression === 'gzip' ? CompressionTypes.GZIP : CompressionTypes.None;
    this.producer = connection.client.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: () => (args) => this.choosePartition(args),
      retry: RETRY,
    });
  }

  /** So many messages were sent that a new producer should take over. */
  get isWornOut(): boolean {
    return this.sent > MESSAGES_MAX;
  }

  /** Resolves once it may send; further calls wait for the first. */
  connect(): Promise<void> {
    this.connecting ??= this.producer.connect();
    return this.connecting;
  }

  /**
   * Sends the messages, at least one; resolves when all in-sync replicas have all of them. Rejects with what kafkajs throws; then some may be there, and the
   * producer is not to be used again.
   */
  async send(topic: string, messages: readonly Message[]): Promise<void> {
    this.choice.partitions.clear();
    this.choice.counts.clear();
    const records = await this.producer.sendBatch({
      acks: -1,
      timeout: this.ackTimeoutMs,
      compression: this.compression,
      topicMessages: [{ topic, messages: messages as Message[] }],
    });
    this.sent += messages.length;
    this.checkAnswer(topic, records);
  }

  /** Ends it in order; resolves when what is under way is over, which a hanging broker makes long. */
  async disconnect(): Promise<void> {
    await this.producer.disconnect();
  }

  /** Ends it at once. */
  cut(): void {
    this.connection.cut();
  }

  /** Kafka's own choice for a message with a key; kafkajs' is the same, thirty times slower. */
  private choosePartition({ message, partitionMetadata }: PartitionerArgs): number {
    const key = Buffer.from(message.key as string);
    const partition = partitionOfHash(murmur2(key, 0, key.length), partitionMetadata.length);
    this.choice.partitions.add(partition);
    this.choice.counts.add(partitionMetadata.length);
    return partition;
  }

  /**
   * kafkajs resolves although messages were left out, when a partition's new leader had already answered for its other partitions, or when a partition is missing from
   * the cluster's description. What it does give is an answer for each partition that was written.
   */
  private checkAnswer(topic: string, records: readonly RecordMetadata[]): void {
    const written = new Set(records.filter(({ topicName, errorCode }) => topicName === topic && errorCode === 0).map(({ partition }) => partition));
    const missing = [...this.choice.partitions].filter((partition) => !written.has(partition));
    if (missing.length === 0 && this.choice.counts.size === 1) return;
    const what = missing.length > 0 ? `partitions ${missing.join(', ')} of ${topic} were not written` : `${topic} got more partitions meanwhile`;
    throw new OperationalError('unavailable', `${what}; the cluster was changing`, { retryable: true });
  }
}
