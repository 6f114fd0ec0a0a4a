import type { ProducedMessage } from 'kafkajs/src/cluster/index.js';
import { OperationalError } from '../../../runtime/errors.ts';
import type { KeyValue } from '../key-values.ts';
import { fetchFrom, type FetchLimits } from './fetching.ts';
import { refusalOf, type LogCluster } from './log-cluster.ts';

/**
 * The partitions' ends of `seg_state`. Each commit is one Kafka transaction under the partition's transactional id, and to take a partition is to begin that id anew: from then on whoever had it before
 * is refused by the brokers, whatever he believes.
 */

export interface StateWriterOptions {
  topic: string;
  /** Of transactional ids; with the partition behind it. */
  idPrefix: string;
  /** Largest batch of records that the topic takes. */
  batchBytesMax: number;
  requestTimeoutMs: number;
}

/** Brokers end a transaction of somebody who died by then; a new owner ends it at once. */
const TRANSACTION_TIMEOUT_MS = 60_000;
const ALL_REPLICAS = -1;
const NO_COMPRESSION = 0;
const READ_COMMITTED = 1;
const LATEST = -1;
const BATCH_OVERHEAD_BYTES = 61;
const RECORD_OVERHEAD_BYTES = 36;
/** What is read of the changelog is there already, so it does not wait. */
const READ_LIMITS: FetchLimits = { waitMs: 1, partitionBytesMax: 4 * 1024 * 1024, bytesMax: 4 * 1024 * 1024 };

/** A partition that this process has taken. */
interface Held {
  transactionalId: string;
  producerId: string;
  producerEpoch: number;
  /** Number of the next record. */
  sequence: number;
}

export class StateWriter {
  private readonly options: StateWriterOptions;
  private readonly cluster: LogCluster;
  private readonly held = new Map<number, Held>();

  constructor(options: StateWriterOptions, cluster: LogCluster) {
    this.options = options;
    this.cluster = cluster;
  }

  /** Takes the partition from whoever has it; its last transaction is ended, one way or the other, when this resolves. Gives the offset behind all that is committed. */
  async take(partition: number): Promise<number> {
    const transactionalId = `${this.options.idPrefix}${partition}`;
    this.held.delete(partition);
    const { producerId, producerEpoch } = await this.cluster.persist(async () => {
      const coordinator = await this.cluster.coordinatorOf(transactionalId, 'transaction');
      return coordinator.initProducerId({ transactionalId, transactionTimeout: TRANSACTION_TIMEOUT_MS });
    });
    this.held.set(partition, { transactionalId, producerId, producerEpoch, sequence: 0 });
    return this.end(partition);
  }

  release(partition: number): void {
    this.held.delete(partition);
  }

  /** Offset behind all that is committed. */
  async end(partition: number): Promise<number> {
    const { topic } = this.options;
    return this.cluster.persist(async () => {
      const broker = await this.cluster.leaderOf(topic, partition);
      const { responses } = await broker.listOffsets({ isolationLevel: READ_COMMITTED, topics: [{ topic, partitions: [{ partition, timestamp: LATEST }] }] });
      return Number(responses[0].partitions[0].offset);
    });
  }

  /** What is in the partition from the offset on; `next` is where to go on. */
  async read(partition: number, offset: number): Promise<{ changes: KeyValue[]; next: number; isEnd: boolean }> {
    const { topic } = this.options;
    const fetched = await this.cluster.persist(async () => {
      const answers = await fetchFrom(await this.cluster.leaderOf(topic, partition), topic, [{ partition, offset }], READ_LIMITS);
      const answer = answers.get(partition);
      if (answer === undefined) throw new OperationalError('unavailable', `${topic} gave no answer for partition ${partition}`, { retryable: true });
      return answer;
    });
    const changes = fetched.messages.flatMap(({ key, value }) => (key === null ? [] : [{ key, value }]));
    return { changes, next: fetched.next, isEnd: fetched.next >= fetched.end };
  }

  /**
   * Adds the changes in one transaction; gives the offset behind them. Waits as long as brokers are away. Rejects with OperationalError `fenced` when the partition is somebody else's, or the brokers have given up
   * the transaction: then it has to be taken anew.
   */
  async commit(partition: number, changes: readonly KeyValue[]): Promise<number> {
    const held = this.held.get(partition);
    if (held === undefined) throw fenced(partition);
    const { topic } = this.options;
    const { transactionalId, producerId, producerEpoch } = held;
    const ids = { transactionalId, producerId, producerEpoch };
    const coordinated = <Result>(work: (coordinator: Awaited<ReturnType<LogCluster['coordinatorOf']>>) => Promise<Result>): Promise<Result> =>
      this.cluster.persist(async () => work(await this.cluster.coordinatorOf(transactionalId, 'transaction')));
    try {
      await coordinated((coordinator) => coordinator.addPartitionsToTxn({ ...ids, topics: [{ topic, partitions: [partition] }] }));
      let next = 0;
      for (const messages of this.batches(changes)) next = await this.produce(partition, held, messages);
      // Asked again, the coordinator gives the same answer.
      await coordinated((coordinator) => coordinator.endTxn({ ...ids, transactionResult: true }));
      return next;
    } catch (error) {
      // After any failure the sequence of records is in doubt.
      if (this.held.get(partition) === held) this.held.delete(partition);
      throw refusalOf(error) === null ? error : fenced(partition, error);
    }
  }

  private async produce(partition: number, held: Held, messages: ProducedMessage[]): Promise<number> {
    const { topic, requestTimeoutMs } = this.options;
    const { transactionalId, producerId, producerEpoch } = held;
    const topicData = [{ topic, partitions: [{ partition, firstSequence: held.sequence, messages }] }];
    const request = { topicData, transactionalId, producerId, producerEpoch, acks: ALL_REPLICAS as -1, timeout: requestTimeoutMs, compression: NO_COMPRESSION };
    const { topics } = await this.cluster.persist(async () => (await this.cluster.leaderOf(topic, partition)).produce(request));
    held.sequence += messages.length;
    return Number(topics[0].partitions[0].baseOffset) + messages.length;
  }

  private batches(changes: readonly KeyValue[]): ProducedMessage[][] {
    const batches: ProducedMessage[][] = [];
    let bytes = Infinity;
    for (const { key, value } of changes) {
      const size = RECORD_OVERHEAD_BYTES + key.length + (value?.length ?? 0);
      if (bytes + size > this.options.batchBytesMax) {
        batches.push([]);
        bytes = BATCH_OVERHEAD_BYTES;
      }
      bytes += size;
      batches.at(-1)!.push({ key: bufferOf(key), value: value === null ? null : bufferOf(value) });
    }
    return batches;
  }
}

function fenced(partition: number, cause?: unknown): OperationalError {
  return new OperationalError('fenced', `partition ${partition} has been taken by another node, or its last step was given up`, { cause });
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
