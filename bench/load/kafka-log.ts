import kafkajs, { type Message, type Producer } from 'kafkajs';
import { createBodyDecoder } from '../../src/actors/ingest/body-decoder.ts';
import { GatheredReadings, PartitionKeys } from '../../src/actors/ingest/gathered-readings.ts';
import { RequestTally } from '../../src/actors/ingest/request-tally.ts';
import { CONTENT_TYPE_HEADER, LOG_CONTENT_TYPES } from '../../src/actors/kafka-log/protocol.ts';
import { invariant } from '../../src/runtime/errors.ts';
import { startKafka, type KafkaCluster } from '../../test/services/kafka.ts';
import { EngineProcess, temporaryDirectory } from '../../test/support/engine-process.ts';
import { rowOf, type BenchReport, type BenchRow } from '../bench-report.ts';
import { MetricsPage } from './metrics-page.ts';
import { processorSeconds, threadSeconds } from './processor-time.ts';
import { meterIdOf, ReadingSource } from './reading-source.ts';

/**
 * How fast one node consumes a log in Kafka: a real engine that starts with nothing and takes all partitions of a log that is full, until it has counted every reading
 * in it. One reading a message, as anybody's producer would write, and many, as the engine's own ingest port does. The forms take turns.
 */

export interface KafkaLogOptions {
  /** In a log of one reading a message, and in one of batches: each is some seconds of work. */
  single: number;
  batched: number;
  meters: number;
  partitions: number;
  rounds: number;
}

export const KAFKA_LOG_FULL: KafkaLogOptions = { single: 300_000, batched: 1_500_000, meters: 20_000, partitions: 12, rounds: 2 };

const FORMS = [
  { name: 'one reading a message, JSON', format: 'json', isBatched: false },
  { name: 'batches of one turn, JSON', format: 'json', isBatched: true },
  { name: 'batches of one turn, MessagePack', format: 'msgpack', isBatched: true },
] as const;
type Form = (typeof FORMS)[number];

const START = Date.parse('2026-03-01T12:00:00Z');
const MINUTE_MS = 60_000;
const READINGS_PER_REQUEST = 500;
/** Of one turn of the gateway's loop, for each partition. */
const READINGS_PER_MESSAGE = 500;
/** In one request while a log is filled. */
const FILL_BYTES = 500_000;
const DEADLINE_MS = 120_000;
const FOLDED = 'seg_log_folded_readings_total';
const DUPLICATES = 'seg_log_duplicates_total';

function readingsOf({ isBatched }: Form, { single, batched }: KafkaLogOptions): number {
  return isBatched ? batched : single;
}

interface Consumed {
  perSecond: number;
  engineCores: number;
  brokerCores: number;
  /** Shares of a core of the engine's two busiest threads. */
  busiest: number[];
}

export async function run(options: KafkaLogOptions = KAFKA_LOG_FULL): Promise<BenchReport> {
  const kafka = await startKafka();
  const client = new kafkajs.Kafka({ brokers: kafka.brokers.split(','), logLevel: kafkajs.logLevel.NOTHING });
  const producer = client.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  await producer.connect();
  const results = FORMS.map(() => [] as Consumed[]);
  const bytes = FORMS.map(() => 0);
  try {
    for (let round = 0; round < options.rounds; round++) {
      for (const [i, form] of FORMS.entries()) {
        const prefix = `r${round}-f${i}.`;
        await makeTopics(kafka, prefix, options);
        bytes[i] = await fill(producer, `${prefix}raw_readings`, form, options);
        results[i].push(await consume(kafka, prefix, readingsOf(form, options), options.partitions));
      }
    }
  } finally {
    await producer.disconnect();
    await kafka.dispose();
  }
  return {
    name: 'load: kafka-log',
    leavesOut: 'ingest beside it; replicas; a broker on a machine of its own; reading from a disk, as what was written is in memory; anomalies, of which these readings make few.',
    rows: FORMS.map(({ name }, i): BenchRow => {
      const of = (figure: (consumed: Consumed) => number): string => `${Math.round((100 * results[i].reduce((sum, one) => sum + figure(one), 0)) / results[i].length)} %`;
      const note = `${Math.round(bytes[i] / readingsOf(FORMS[i], options))} bytes each; engine ${of((one) => one.engineCores)} of a core (busiest threads ${of((one) => one.busiest[0])} and ${of((one) => one.busiest[1])}), broker ${of((one) => one.brokerCores)}; counts verified`;
      return rowOf(name, 'readings/s', results[i].map(({ perSecond }) => perSecond), note, '');
    }),
  };
}

function engineOn(kafka: KafkaCluster, dataDir: string, prefix: string, partitions: number): EngineProcess {
  return EngineProcess.spawn({ dataDir, settings: { LOG: 'kafka', KAFKA_BROKERS: kafka.brokers, KAFKA_TOPIC_PREFIX: prefix, KAFKA_GROUP: `${prefix}seg`, PARTITIONS: String(partitions), CORRECTION_HORIZON: '365d', KAFKA_RESULTS: 'off' } });
}

/** The engine itself makes them, as it wants them. */
async function makeTopics(kafka: KafkaCluster, prefix: string, { partitions }: KafkaLogOptions): Promise<void> {
  const dataDir = temporaryDirectory();
  const engine = engineOn(kafka, dataDir, prefix, partitions);
  try {
    await engine.ready();
    await engine.stop();
  } finally {
    await engine.dispose();
  }
}

/** Returns the bytes of the messages' values. */
async function fill(producer: Producer, topic: string, form: Form, options: KafkaLogOptions): Promise<number> {
  let bytes = 0;
  let held: Message[] = [];
  let heldBytes = 0;
  for (const message of form.isBatched ? batched(form, options) : single(form, options)) {
    held.push(message);
    heldBytes += (message.value as Buffer).length;
    if (heldBytes < FILL_BYTES) continue;
    await producer.send({ topic, acks: -1, messages: held });
    bytes += heldBytes;
    [held, heldBytes] = [[], 0];
  }
  if (held.length > 0) await producer.send({ topic, acks: -1, messages: held });
  return bytes + heldBytes;
}

function sourceOf({ format }: Form, meterCount: number, readingsPerBatch: number): ReadingSource {
  return new ReadingSource({ format, firstMeter: 0, meterCount, readingsPerBatch, withReadingIds: true, runId: 'benchrun', eventTime: { kind: 'stepped', startMs: START, stepMs: MINUTE_MS }, head: () => '' });
}

function* single(form: Form, { single: readings, meters }: KafkaLogOptions): Generator<Message> {
  const source = sourceOf(form, meters, 1);
  for (let n = 0; n < readings; n++) yield { key: meterIdOf(n % meters), value: Buffer.from(source.bytesOf(source.next(START))) };
}

/** As the ingest port cuts the requests of a turn into messages. */
function* batched(form: Form, { batched: readings, meters, partitions }: KafkaLogOptions): Generator<Message> {
  const source = sourceOf(form, meters, READINGS_PER_REQUEST);
  const decode = createBodyDecoder();
  const keys = new PartitionKeys(partitions);
  invariant(readings % READINGS_PER_REQUEST === 0, 'readings come in whole requests');
  for (let sent = 0; sent < readings; ) {
    const gathered = new GatheredReadings({ partitionCount: partitions, judgedAtMs: Date.now() }, keys);
    while (gathered.elements < partitions * READINGS_PER_MESSAGE && sent < readings) {
      const body = source.bytesOf(source.next(START));
      gathered.begin(new RequestTally(0, () => {}), form.format);
      invariant(decode(body, form.format, Date.now(), gathered) === null, 'a body can be read');
      gathered.commit(body);
      sent += READINGS_PER_REQUEST;
    }
    for (const { partition, key, value } of gathered.messages().messages) {
      yield { partition, key: Buffer.from(key!), value: Buffer.from(value), headers: { [CONTENT_TYPE_HEADER]: LOG_CONTENT_TYPES[form.format] } };
    }
  }
}

/** From the moment that the node is given its partitions until the last of them is ready, which each is once all of its log counts. */
async function consume(kafka: KafkaCluster, prefix: string, readings: number, partitions: number): Promise<Consumed> {
  const engine = engineOn(kafka, temporaryDirectory(), prefix, partitions);
  const brokers = kafka.nodes.map(({ pid }) => pid);
  const look = () => ({ atMs: performance.now(), engine: processorSeconds([engine.pid]) ?? NaN, broker: processorSeconds(brokers) ?? NaN, threads: threadSeconds(engine.pid) });
  try {
    await engine.line(({ msg }) => msg.startsWith('partitions are spread'), 'it had partitions', DEADLINE_MS);
    const begin = look();
    await engine.line(({ msg }) => msg.startsWith('ready:'), 'it was ready', DEADLINE_MS);
    const end = look();
    await engine.ready();
    const page = new MetricsPage(await (await fetch(engine.opsUrl('/metrics'))).text());
    invariant(page.sum(FOLDED) === readings && page.sum(DUPLICATES) === 0, `${readings} readings were counted once, not ${page.sum(FOLDED)}`);
    const seconds = (end.atMs - begin.atMs) / 1_000;
    const threads = [...end.threads].map(([thread, total]) => (total - (begin.threads.get(thread) ?? 0)) / seconds).sort((a, b) => b - a);
    return { perSecond: readings / seconds, engineCores: (end.engine - begin.engine) / seconds, brokerCores: (end.broker - begin.broker) / seconds, busiest: threads.slice(0, 2) };
  } finally {
    await engine.dispose();
  }
}
