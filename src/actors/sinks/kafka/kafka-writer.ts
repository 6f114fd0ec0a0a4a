import { randomBytes } from 'node:crypto';
import { invariant, OperationalError } from '../../../runtime/errors.ts';
import type { TimerHandle, Timers } from '../../../runtime/clock.ts';
import type { Log } from '../../../runtime/log.ts';
import type { SetAside, SinkBatch, SinkWriter, WriteReport } from '../protocol.ts';
import { batchMessages, newTraceparent, type TopicMessages } from './batch-messages.ts';
import { KafkaConnection, RETRY } from './kafka-connection.ts';
import { isTooLarge, isUnknownTopic, kafkaError } from './kafka-errors.ts';
import { kafkaSettings, type KafkaSettings, type KafkaWriterOptions } from './kafka-options.ts';
import { ValueEncoder } from './message-values.ts';
import { ShardProducer } from './shard-producer.ts';
import { checkTopics, logTopics, topicsMissing } from './topic-check.ts';
import type { Topic } from './topics.ts';

/**
 * Writes effects to Kafka's topics (topics.ts), a message for each thing, keyed by meter, region or id, in the partition that Kafka's default partitioner gives the key.
 *
 * Delivery is at least once. Kafka keeps no cursor for the engine, so that the shard's own note of what was written counts; what was sent and not noted before a
 * crash, a lost answer or a failed batch is sent again, as it is then. A repetition has the same key and names the same thing: a window by meter (or region) and
 * start, of which the higher `revision` is the newer, an alert by its `id`, of which the higher `version` is, an anomaly or a dead letter by its `id`. Where values differ and there is neither, the record with the later
 * time stamp is the newer: it says when the message was sent.
 */

/** max.message.bytes as brokers have it by default, for where the user may not read the topic's setting. */
const BATCH_BYTES_DEFAULT = 1_048_588;
/** Of a record batch besides its records. */
const BATCH_HEADER_BYTES = 61;
/** In one request: kafkajs sorts them into partitions in quadratic time. */
const MESSAGES_PER_REQUEST = 1_000;
/** For an orderly end, when nothing is under way. */
const CLOSE_TIMEOUT_MS = 2_000;

export interface KafkaWriterModules {
  log: Log;
  timers: Timers;
}

export function kafkaWriter(options: KafkaWriterOptions, modules: KafkaWriterModules): SinkWriter {
  return new KafkaWriter(kafkaSettings(options), modules);
}

class KafkaWriter implements SinkWriter {
  readonly name = 'kafka';
  private readonly settings: KafkaSettings;
  private readonly modules: KafkaWriterModules;
  private readonly encoder: ValueEncoder;
  /** In errors. */
  private readonly where: string;
  /** By slot. */
  private readonly producers = new Map<number, ShardProducer>();
  /** Connections of `open`, for `close`. */
  private readonly openings = new Set<KafkaConnection>();
  /** Largest record batch that each topic takes; empty before the first `open`. */
  private batchBytesMax: ReadonlyMap<Topic, number> = new Map();
  private reported = '';
  private isClosed = false;

  constructor(settings: KafkaSettings, modules: KafkaWriterModules) {
    this.settings = settings;
    this.modules = modules;
    this.encoder = new ValueEncoder(settings.format);
    this.where = settings.brokers.join(',');
  }

  async open(): Promise<() => null> {
    this.refuseWhenClosed();
    const { log } = this.modules;
    const connection = new KafkaConnection(this.settings, log);
    this.openings.add(connection);
    try {
      const reports = await this.inTime('did not tell of the topics', async (signal) => {
        const admin = connection.client.admin({ retry: RETRY });
        await admin.connect();
        return checkTopics(admin, this.settings, signal);
      });
      this.batchBytesMax = new Map([...reports].map(([topic, report]) => [topic, report.batchBytesMax ?? BATCH_BYTES_DEFAULT]));
      const list = [...reports.values()].map((report) => ({ ...report, state: 'found' as const }));
      // Opened again after trouble, it has something to say only when the topics are others.
      if (this.reported !== JSON.stringify(list)) logTopics(reports.values(), this.settings, log);
      this.reported = JSON.stringify(list);
    } finally {
      connection.cut();
      this.openings.delete(connection);
    }
    return () => null;
  }

  async write(batch: SinkBatch, slot = batch.shard): Promise<WriteReport> {
    this.refuseWhenClosed();
    invariant(this.batchBytesMax.size > 0, 'Kafka is opened before it is written to');
    const { format, engineId } = this.settings;
    const lists = batchMessages(batch, { format, engineId, traceparent: batch.traceparent ?? newTraceparent(randomBytes) }, this.encoder);
    const report: WriteReport = { written: 0, setAside: [] };
    try {
      await this.inTime('did not take a batch', async (signal) => {
        for (const list of lists) report.written += await this.sendList(slot, list, report.setAside, signal);
      });
    } catch (error) {
      this.drop(slot);
      throw error;
    }
    return report;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    for (const connection of this.openings) connection.cut();
    const producers = [...this.producers.values()];
    this.producers.clear();
    const ended = Promise.allSettled(producers.map((producer) => producer.disconnect()));
    const deadline = this.after(CLOSE_TIMEOUT_MS);
    await Promise.race([ended, deadline.passed]);
    deadline.timer.cancel();
    for (const producer of producers) producer.cut();
  }

  /** Sends all messages of a topic but those that it can never take. Returns how many were sent. */
  private async sendList(slot: number, list: TopicMessages, setAside: SetAside[], signal: AbortSignal): Promise<number> {
    const batchBytesMax = this.batchBytesMax.get(list.topic)!;
    const fitting = fittingMessages(list, batchBytesMax, setAside);
    let softBytes = batchBytesMax;
    let written = 0;
    for (let from = 0; from < fitting.length; ) {
      const part = nextPart(fitting, list.bytes, from, softBytes);
      try {
        await this.sendPart(slot, list, part, signal);
        written += part.length;
        from += part.length;
      } catch (error) {
        if (!isTooLarge(error) || signal.aborted) throw error;
        // The topic takes less than it did when it was asked, or would not say how much: halve until it passes.
        this.drop(slot);
        if (part.length === 1) {
          setAside.push({ what: list.describe(part[0]), reason: `the broker finds its ${list.bytes[part[0]]} bytes too large` });
          from++;
        } else softBytes = Math.floor(part.reduce((sum, i) => sum + list.bytes[i], BATCH_HEADER_BYTES) / 2);
      }
    }
    return written;
  }

  private async sendPart(slot: number, { topic, messages }: TopicMessages, part: readonly number[], signal: AbortSignal): Promise<void> {
    // Closed or given up since the part before: a producer that began now would be nobody's.
    this.refuseWhenClosed();
    signal.throwIfAborted();
    const producer = this.producerOf(slot);
    await producer.connect();
    // Given up meanwhile: what it may still do must not meet the next attempt.
    signal.throwIfAborted();
    try {
      await producer.send(this.settings.topicPrefix + topic, part.map((i) => messages[i]));
    } catch (error) {
      throw isUnknownTopic(error) && !this.settings.topics.create ? topicsMissing([topic], this.settings) : error;
    }
  }

  private producerOf(slot: number): ShardProducer {
    if (this.producers.get(slot)?.isWornOut) this.drop(slot);
    let producer = this.producers.get(slot);
    if (producer === undefined) {
      producer = new ShardProducer(this.settings, new KafkaConnection(this.settings, this.modules.log));
      this.producers.set(slot, producer);
    }
    return producer;
  }

  /** After a failure a producer is not used again. */
  private drop(slot: number): void {
    this.producers.get(slot)?.cut();
    this.producers.delete(slot);
  }

  /** Does the work within the time for a batch; rejects with OperationalError. `signal` tells it that nobody waits any more. */
  private async inTime<Result>(failure: string, work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const { writeTimeoutMs } = this.settings;
    const end = new AbortController();
    const deadline = this.after(writeTimeoutMs);
    const late = deadline.passed.then(() => {
      throw new OperationalError('unavailable', `Kafka at ${this.where} ${failure} within ${writeTimeoutMs} ms`, { retryable: true });
    });
    try {
      return await Promise.race([work(end.signal), late]);
    } catch (error) {
      // What its end cut off says nothing about the brokers.
      this.refuseWhenClosed();
      throw kafkaError(error, this.where);
    } finally {
      deadline.timer.cancel();
      end.abort();
    }
  }

  private after(ms: number): { timer: TimerHandle; passed: Promise<void> } {
    let timer: TimerHandle;
    const passed = new Promise<void>((resolve) => (timer = this.modules.timers.after(ms, resolve)));
    return { timer: timer!, passed };
  }

  private refuseWhenClosed(): void {
    if (this.isClosed) throw new OperationalError('stopping', 'the writer to Kafka is closed', { retryable: true });
  }
}

/** Numbers of the messages that the topic can take; the others are set aside. */
function fittingMessages(list: TopicMessages, batchBytesMax: number, setAside: SetAside[]): number[] {
  const fitting: number[] = [];
  list.bytes.forEach((bytes, i) => {
    if (BATCH_HEADER_BYTES + bytes <= batchBytesMax) fitting.push(i);
    else setAside.push({ what: list.describe(i), reason: `its ${bytes} bytes are more than a batch of the topic may have (max.message.bytes=${batchBytesMax})` });
  });
  return fitting;
}

/** As many as one request takes, from number `from` of them on: within `bytesMax`, but at least one. */
function nextPart(messages: readonly number[], bytes: readonly number[], from: number, bytesMax: number): number[] {
  let to = from;
  let sum = BATCH_HEADER_BYTES;
  while (to < messages.length && to - from < MESSAGES_PER_REQUEST) {
    sum += bytes[messages[to]];
    if (sum > bytesMax && to > from) break;
    to++;
  }
  return messages.slice(from, to);
}
