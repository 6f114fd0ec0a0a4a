import type { ProducedMessage } from 'kafkajs/src/cluster/index.js';
import { OperationalError } from '../../../runtime/errors.ts';
import type { Reply } from '../../../runtime/request-channel.ts';
import { CONTENT_TYPE_HEADER, JUDGED_AT_HEADER, KIND_HEADER, LOG_CONTENT_TYPES, type AppendLogReply, type AppendLogRequest, type LogAppend } from '../protocol.ts';
import { refusalOf, type LogCluster } from './log-cluster.ts';

/**
 * Appends messages to the log. One batch of records of a partition is under way at a time and what comes meanwhile gathers for the next, as it does with the log on disk. A batch that got no
 * answer is sent again as it was, with the numbers it had, so that the broker knows it (an idempotent producer); when its senders are told that it failed, the partition goes on under
 * a new producer id.
 */

export interface AppenderOptions {
  topic: string;
  /** Largest batch of records that the topic takes. */
  batchBytesMax: number;
  /** Messages that wait, of all partitions together; more are refused. */
  queuedBytesMax: number;
  /** A sender hears by then what became of its messages. */
  deadlineMs: number;
  requestTimeoutMs: number;
}

/** Of a batch of records, and of each record in it: lengths, times, numbers (batch-messages.ts). */
const BATCH_OVERHEAD_BYTES = 61;
const RECORD_OVERHEAD_BYTES = 160;
const HEADER_OVERHEAD_BYTES = 4;
/** The broker says within this share of the request's time that its replicas did not take it, and the answer still comes in time. */
const REPLICAS_SHARE = 0.8;
const ALL_REPLICAS = -1;
const NO_COMPRESSION = 0;

/** What has become of a request. */
interface Waiting {
  left: number;
  bytes: number;
  deadlineMs: number;
  reply: Reply<AppendLogReply>;
  isSettled: boolean;
}

interface Queued {
  message: LogAppend;
  waiting: Waiting;
}

interface Producer {
  producerId: string;
  producerEpoch: number;
}

/** One partition's way into the log. */
interface Lane {
  partition: number;
  queue: Queued[];
  isBusy: boolean;
  /** Null: a new one is to be taken. */
  producer: Producer | null;
  /** Number of the next record. */
  sequence: number;
}

export class LogAppender {
  /** Since the start. */
  readonly counts = { messages: 0, batches: 0, failures: 0 };
  queuedBytes = 0;
  private readonly options: AppenderOptions;
  private readonly cluster: LogCluster;
  private readonly lanes = new Map<number, Lane>();

  constructor(options: AppenderOptions, cluster: LogCluster) {
    this.options = options;
    this.cluster = cluster;
  }

  append({ messages }: AppendLogRequest, reply: Reply<AppendLogReply>): void {
    const bytes = messages.reduce((sum, message) => sum + bytesOf(message), 0);
    const largest = messages.reduce((most, message) => Math.max(most, bytesOf(message)), 0);
    const { batchBytesMax, queuedBytesMax, topic } = this.options;
    if (largest + BATCH_OVERHEAD_BYTES > batchBytesMax) {
      reply.fail(new OperationalError('too_large', `a message of ${largest} bytes is more than a batch of ${topic} may have (max.message.bytes=${batchBytesMax})`));
      return;
    }
    if (this.queuedBytes > 0 && this.queuedBytes + bytes > queuedBytesMax) {
      reply.fail(new OperationalError('overloaded', 'more messages wait for Kafka than may; send them again', { retryable: true }));
      return;
    }
    if (messages.length === 0) {
      reply.ok({});
      return;
    }
    this.queuedBytes += bytes;
    const waiting: Waiting = { left: messages.length, bytes, deadlineMs: performance.now() + this.options.deadlineMs, reply, isSettled: false };
    for (const message of messages) {
      const lane = this.laneOf(message.partition);
      lane.queue.push({ message, waiting });
      if (!lane.isBusy) void this.run(lane);
    }
  }

  private laneOf(partition: number): Lane {
    let lane = this.lanes.get(partition);
    if (lane === undefined) this.lanes.set(partition, (lane = { partition, queue: [], isBusy: false, producer: null, sequence: 0 }));
    return lane;
  }

  private async run(lane: Lane): Promise<void> {
    lane.isBusy = true;
    // What else comes in this turn of the event loop goes along.
    await new Promise((resolve) => setImmediate(resolve));
    while (lane.queue.length > 0) {
      const batch = this.take(lane);
      if (batch.length === 0) continue;
      try {
        await this.send(lane, batch);
        this.counts.batches++;
        this.counts.messages += batch.length;
        for (const { waiting } of batch) this.settle(waiting, null);
      } catch (error) {
        lane.producer = null;
        this.counts.failures++;
        const failure = error instanceof OperationalError && error.code === 'unavailable' ? error : new OperationalError('unavailable', (error as Error).message, { retryable: true, cause: error });
        for (const { waiting } of batch) this.settle(waiting, failure);
      }
    }
    lane.isBusy = false;
  }

  /** As much as one batch of records may hold; whose time is over is not sent any more. */
  private take(lane: Lane): Queued[] {
    const nowMs = performance.now();
    const inTime = lane.queue.findIndex(({ waiting }) => waiting.deadlineMs > nowMs);
    for (const { waiting } of lane.queue.splice(0, inTime === -1 ? lane.queue.length : inTime)) {
      this.settle(waiting, new OperationalError('unavailable', 'Kafka did not take the messages before these in time', { retryable: true }));
    }
    let bytes = BATCH_OVERHEAD_BYTES;
    let count = 0;
    for (const { message } of lane.queue) {
      bytes += bytesOf(message);
      if (bytes > this.options.batchBytesMax && count > 0) break;
      count++;
    }
    return lane.queue.splice(0, count);
  }

  private async send(lane: Lane, batch: readonly Queued[]): Promise<void> {
    const { topic, requestTimeoutMs } = this.options;
    const { partition } = lane;
    const deadlineMs = Math.max(...batch.map(({ waiting }) => waiting.deadlineMs));
    const producer = (lane.producer ??= await this.newProducer(lane, deadlineMs));
    const messages = batch.map(({ message }) => recordOf(message));
    const request = {
      topicData: [{ topic, partitions: [{ partition, firstSequence: lane.sequence, messages }] }],
      ...producer,
      acks: ALL_REPLICAS as -1,
      timeout: Math.round(requestTimeoutMs * REPLICAS_SHARE),
      compression: NO_COMPRESSION,
    };
    try {
      await this.cluster.persist(async () => (await this.cluster.leaderOf(topic, partition)).produce(request), deadlineMs);
    } catch (error) {
      // The broker had it already.
      if (refusalOf(error) !== 'DUPLICATE_SEQUENCE_NUMBER') throw error;
    }
    lane.sequence += messages.length;
    // The broker counts in 31 bits.
    if (lane.sequence > 1_000_000_000) lane.producer = null;
  }

  private async newProducer(lane: Lane, deadlineMs: number): Promise<Producer> {
    const { producerId, producerEpoch } = await this.cluster.persist(async () => (await this.cluster.controller()).initProducerId({ transactionTimeout: this.options.requestTimeoutMs }), deadlineMs);
    lane.sequence = 0;
    return { producerId, producerEpoch };
  }

  private settle(waiting: Waiting, failure: OperationalError | null): void {
    waiting.left--;
    if (!waiting.isSettled && (failure !== null || waiting.left === 0)) {
      waiting.isSettled = true;
      if (failure === null) waiting.reply.ok({});
      else waiting.reply.fail(failure);
    }
    if (waiting.left === 0) this.queuedBytes -= waiting.bytes;
  }
}

function bytesOf({ key, value, traceHeaders }: LogAppend): number {
  return RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + value.length + (traceHeaders === undefined ? 0 : headerBytes(traceHeaders));
}

/** Of ASCII, with the lengths. */
function headerBytes(headers: Readonly<Record<string, string>>): number {
  return Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + value.length + HEADER_OVERHEAD_BYTES, 0);
}

function recordOf({ key, value, kind, contentType, judgedAtMs, traceHeaders }: LogAppend): ProducedMessage {
  const headers: Record<string, string> = kind === 'control' ? { [KIND_HEADER]: kind } : { [CONTENT_TYPE_HEADER]: LOG_CONTENT_TYPES[contentType] };
  if (judgedAtMs !== null) headers[JUDGED_AT_HEADER] = String(judgedAtMs);
  if (traceHeaders !== undefined) Object.assign(headers, traceHeaders);
  return { key: key === null ? null : bufferOf(key), value: bufferOf(value), headers };
}

/** A view: kafkajs takes Buffers alone for bytes. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
