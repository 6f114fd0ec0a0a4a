import kafkajs, { type Admin, type Batch, type Kafka, type Message } from 'kafkajs';
import { createBodyDecoder } from '../../src/actors/ingest/body-decoder.ts';
import { kafkaWriter } from '../../src/actors/sinks/kafka/kafka-writer.ts';
import type { KafkaWriterOptions } from '../../src/actors/sinks/kafka/kafka-options.ts';
import type { SinkBatch, SinkWriter } from '../../src/actors/sinks/protocol.ts';
import type { DecodedReading, ReadingSink } from '../../src/model/decoded-reading.ts';
import { ReadingBatchBuilder } from '../../src/model/reading-batch.ts';
import { systemTimers } from '../../src/runtime/clock.ts';
import { invariant } from '../../src/runtime/errors.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { startKafka, type KafkaCluster } from '../../test/services/kafka.ts';
import { meterWindow } from '../../test/support/meter-windows.ts';
import { sinkBatch } from '../../test/support/sink-batches.ts';
import { rowOf, type BenchReport, type BenchRow } from '../bench-report.ts';
import { processorSeconds } from './processor-time.ts';
import { meterIdOf, ReadingSource } from './reading-source.ts';

/**
 * kafkajs on one thread against one real broker. Out: messages/s of the writer. In: readings/s of a consumer with one reading a message and with many, each decoded
 * into a batch's columns and not decoded at all, which shows what kafkajs alone costs. Those of a kind take turns.
 */

export interface SinkKafkaOptions {
  windowsPerBatch: number;
  /** Of each shard in a round. */
  batches: number;
  /** Multiple of READINGS_PER_MESSAGE. */
  readings: number;
  /** Of raw_readings. */
  partitions: number;
  rounds: number;
}

/** Windows in batches of the size that the pump sends; as many partitions as a new engine has. */
export const SINK_KAFKA_FULL: SinkKafkaOptions = { windowsPerBatch: 5_000, batches: 10, readings: 500_000, partitions: 64, rounds: 5 };

const READINGS_PER_MESSAGE = 500;
const METERS = 100_000;
const START = Date.parse('2026-03-01T12:00:00Z');
const MINUTE_MS = 60_000;
/** In one request while the topics are filled. */
const FILL_BYTES = 500_000;

export async function run(options: SinkKafkaOptions = SINK_KAFKA_FULL): Promise<BenchReport> {
  const kafka = await startKafka();
  const client = new kafkajs.Kafka({ brokers: kafka.brokers.split(','), logLevel: kafkajs.logLevel.NOTHING });
  const admin = client.admin();
  try {
    await admin.connect();
    return {
      name: 'load: sink-kafka',
      leavesOut:
        'shards, pump and network; replicas; a broker with a heap and a compiler for long running (this one has 256 MB and the quick compiler alone), on the same cores; reading from a disk, as what was written is in memory; ' +
        'and in the messages of many readings, that those of one message belong to one partition.',
      rows: [...(await produce(kafka, admin, options)), ...(await consume(kafka, client, admin, options))],
    };
  } finally {
    await admin.disconnect();
    await kafka.dispose();
  }
}

const WAYS_OUT: readonly { name: string; shards: number; writer: Partial<KafkaWriterOptions> }[] = [
  { name: 'JSON', shards: 1, writer: {} },
  { name: 'JSON, gzip', shards: 1, writer: { compression: 'gzip' } },
  { name: 'MessagePack', shards: 1, writer: { format: 'msgpack' } },
  { name: 'JSON, 4 shards side by side', shards: 4, writer: {} },
];

async function produce(kafka: KafkaCluster, admin: Admin, { windowsPerBatch, batches, rounds }: SinkKafkaOptions): Promise<BenchRow[]> {
  const ways = WAYS_OUT.map((way, i) => {
    const topicPrefix = `way-${i}.`;
    const writer = kafkaWriter({ brokers: kafka.brokers.split(','), engineId: 'bench', topicPrefix, ...way.writer }, { log: nullLog, timers: systemTimers });
    const lanes = Array.from({ length: way.shards }, (_, shard) => Array.from({ length: batches }, (_, n) => windowsBatch(shard, n, windowsPerBatch)));
    return { ...way, writer, lanes, topic: `${topicPrefix}aggregates_1m`, rates: [] as number[], busy: [] as Busy[] };
  });
  try {
    for (const { writer } of ways) await writer.open();
    for (const { round, way } of turns(ways, rounds)) {
      const watch = new BusyWatch(kafka);
      await Promise.all(way.lanes.map((lane) => writeAll(way.writer, lane)));
      const busy = watch.end();
      if (round < 0) continue;
      way.rates.push((way.shards * batches * windowsPerBatch) / busy.seconds);
      way.busy.push(busy);
    }
    const rows: BenchRow[] = [];
    for (const { name, shards, topic, rates, busy } of ways) {
      const written = (rounds + 1) * shards * batches * windowsPerBatch;
      const found = (await admin.fetchTopicOffsets(topic)).reduce((sum, { high }) => sum + Number(high), 0);
      invariant(found === written, `${topic} has each of ${written} messages once and not ${found}`);
      rows.push(rowOf(`out: ${name}`, 'messages/s', rates, `${busyNote(busy)}; counts verified`, ''));
    }
    return rows;
  } finally {
    await Promise.all(ways.map(({ writer }) => writer.close()));
  }
}

async function writeAll(writer: SinkWriter, lane: readonly SinkBatch[]): Promise<void> {
  for (const batch of lane) {
    const { written, setAside } = await writer.write(batch);
    invariant(written === batch.windowCount && setAside.length === 0, 'the broker takes all windows');
  }
}

function windowsBatch(shard: number, batch: number, count: number): SinkBatch {
  const windows = Array.from({ length: count }, (_, i) => {
    const n = (batch * count + i) * 7_919;
    const kw = (n % 10_007) / 1_003;
    return meterWindow({ meterId: `${meterIdOf(n % METERS)}-${shard}`, avgPowerKw: kw, minPowerKw: kw / 2, maxPowerKw: kw * 1.7, energyKwhSum: kw / 60, voltageAvg: 230 + kw / 3, voltageMin: 229, voltageMax: 236.5 });
  });
  return sinkBatch({ shard, windows });
}

const FORMS = [
  { name: 'one reading a message, JSON', format: 'json', perMessage: 1 },
  { name: `${READINGS_PER_MESSAGE} readings a message, JSON`, format: 'json', perMessage: READINGS_PER_MESSAGE },
  { name: `${READINGS_PER_MESSAGE} readings a message, MessagePack`, format: 'msgpack', perMessage: READINGS_PER_MESSAGE },
] as const;
type Form = (typeof FORMS)[number];

async function consume(kafka: KafkaCluster, client: Kafka, admin: Admin, { readings, partitions, rounds }: SinkKafkaOptions): Promise<BenchRow[]> {
  invariant(readings % READINGS_PER_MESSAGE === 0, 'readings come in whole messages');
  const topics = FORMS.map((_, i) => `raw_readings-${i}`);
  await admin.createTopics({ topics: topics.map((topic) => ({ topic, numPartitions: partitions })), waitForLeaders: false });
  while ((await admin.listTopics()).filter((topic) => topics.includes(topic)).length < topics.length);
  const ways = [];
  for (const [i, form] of FORMS.entries()) {
    const bytes = await fill(client, topics[i], form, readings, partitions);
    for (const decoded of [true, false]) ways.push({ ...form, topic: topics[i], decoded, bytes, rates: [] as number[], busy: [] as Busy[] });
  }
  const checksums = new Set<number>();
  let groups = 0;
  for (const { round, way } of turns(ways, rounds)) {
    const { busy, checksum } = await readAll(kafka, client, `group-${groups++}`, way, readings);
    if (way.decoded) checksums.add(checksum);
    if (round < 0) continue;
    way.rates.push(readings / busy.seconds);
    way.busy.push(busy);
  }
  invariant(checksums.size === 1, 'all have read the same readings');
  const hash = [...checksums][0].toString(16).padStart(8, '0');
  return ways.map(({ name, decoded, bytes, rates, busy }) => {
    const note = `${Math.round(bytes / readings)} bytes each; ${busyNote(busy)}; counts verified`;
    return rowOf(`in: ${name}${decoded ? '' : ', not decoded'}`, 'readings/s', rates, note, decoded ? hash : '');
  });
}

/** Writes the readings, the same ones in every form. Returns the bytes of their values. */
async function fill(client: Kafka, topic: string, { format, perMessage }: Form, readings: number, partitions: number): Promise<number> {
  const meterCount = Math.min(METERS, readings);
  const source = new ReadingSource({ format, firstMeter: 0, meterCount, readingsPerBatch: perMessage, withReadingIds: true, runId: 'benchrun', eventTime: { kind: 'stepped', startMs: START, stepMs: MINUTE_MS }, head: () => '' });
  const producer = client.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  await producer.connect();
  try {
    let bytes = 0;
    let held: Message[] = [];
    let heldBytes = 0;
    for (let n = 0; n * perMessage < readings; n++) {
      const value = Buffer.from(source.bytesOf(source.next(START)));
      held.push(perMessage === 1 ? { key: meterIdOf(n % meterCount), value } : { partition: n % partitions, value });
      heldBytes += value.length;
      if (heldBytes < FILL_BYTES && (n + 1) * perMessage < readings) continue;
      await producer.send({ topic, acks: -1, messages: held });
      bytes += heldBytes;
      [held, heldBytes] = [[], 0];
    }
    return bytes;
  } finally {
    await producer.disconnect();
  }
}

/** Reads the topic from its beginning. The clock runs from the moment that the group is joined until the last reading is there. */
async function readAll(kafka: KafkaCluster, client: Kafka, groupId: string, { topic, format, perMessage, decoded }: Form & { topic: string; decoded: boolean }, readings: number): Promise<{ busy: Busy; checksum: number }> {
  const decode = createBodyDecoder();
  const sink = new BatchSink();
  let seen = 0;
  let watch: BusyWatch | null = null;
  // A broker that has just started may still be loading what it knows of groups.
  const consumer = client.consumer({ groupId, retry: { retries: 15, maxRetryTime: 2_000 } });
  consumer.on(consumer.events.GROUP_JOIN, () => void (watch ??= new BusyWatch(kafka)));
  const take = ({ messages }: Batch): void => {
    for (const { value } of messages) {
      if (decoded) invariant(decode(value!, format, START + MINUTE_MS, sink) === null, 'every message is readings');
      seen += perMessage;
    }
    // What one batch of the broker held would go to a shard together.
    sink.clear();
  };
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    const busy = await new Promise<Busy>((resolve, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => {
        if (!payload.restart) reject(payload.error);
      });
      const eachBatch = async ({ batch }: { batch: Batch }): Promise<void> => {
        take(batch);
        if (seen >= readings) resolve(watch!.end());
      };
      // The engine's positions live with its state.
      consumer.run({ autoCommit: false, eachBatch }).catch(reject);
    });
    invariant(seen === readings && (!decoded || sink.accepted === readings), 'every reading came once');
    return { busy, checksum: sink.checksum };
  } finally {
    await consumer.disconnect();
  }
}

/** Copies readings into a batch's columns, as the ingest thread does. */
class BatchSink implements ReadingSink {
  accepted = 0;
  /** The same in any order. */
  checksum = 0;
  private readonly builder = new ReadingBatchBuilder();
  private readonly empty = this.builder.mark();

  accept(_index: number, reading: DecodedReading): void {
    this.accepted++;
    this.checksum = (this.checksum + (reading.timestamp - START) + reading.meterHash + reading.readingIdLow) >>> 0;
    this.builder.append(reading);
  }

  reject(index: number, code: string): void {
    throw new Error(`reading ${index} of a message is refused: ${code}`);
  }

  clear(): void {
    this.builder.rollback(this.empty);
  }
}

/** Round −1 is not counted: code is compiled and memory grows in it. The first to go changes from round to round. */
function* turns<Way>(ways: readonly Way[], rounds: number): Generator<{ round: number; way: Way }> {
  for (let round = -1; round < rounds; round++) {
    for (let turn = 0; turn < ways.length; turn++) yield { round, way: ways[(turn + round + 1) % ways.length] };
  }
}

/** How long something took and how busy it kept this process and the broker, in cores; the broker's null where Linux does not tell. */
interface Busy {
  seconds: number;
  ours: number;
  brokers: number | null;
}

class BusyWatch {
  private readonly kafka: KafkaCluster;
  private readonly startedMs = performance.now();
  private readonly oursAtStart = process.cpuUsage();
  private readonly brokersAtStart: number | null;

  constructor(kafka: KafkaCluster) {
    this.kafka = kafka;
    this.brokersAtStart = brokerSeconds(kafka);
  }

  end(): Busy {
    const seconds = (performance.now() - this.startedMs) / 1_000;
    const { user, system } = process.cpuUsage(this.oursAtStart);
    const brokers = brokerSeconds(this.kafka);
    return { seconds, ours: (user + system) / 1e6 / seconds, brokers: brokers === null ? null : (brokers - this.brokersAtStart!) / seconds };
  }
}

/** Processor time that the brokers have taken so far. */
function brokerSeconds({ nodes }: KafkaCluster): number | null {
  return processorSeconds(nodes.map(({ pid }) => pid));
}

function busyNote(busy: readonly Busy[]): string {
  const percent = (shares: readonly number[]): string => `${Math.round((100 * shares.reduce((sum, share) => sum + share, 0)) / shares.length)} %`;
  const brokers = busy.map(({ brokers }) => brokers).filter((share) => share !== null);
  return `client ${percent(busy.map(({ ours }) => ours))} of a core${brokers.length === 0 ? '' : `, broker ${percent(brokers)}`}`;
}
