import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { unpack } from 'msgpackr';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SinkWriter } from '../../src/actors/sinks/protocol.ts';
import type { KafkaWriterOptions } from '../../src/actors/sinks/kafka/kafka-options.ts';
import { alertShape } from '../../src/http/alert-shapes.ts';
import { disputeShape, invoiceShape, paymentShape, priceShape } from '../../src/http/billing-shapes.ts';
import { anomalyShape, deadLetterShape, windowShape } from '../../src/http/wire-shapes.ts';
import { partitionOf } from '../../src/model/ids.ts';
import { createLog, nullLog, type Log } from '../../src/runtime/log.ts';
import { KCAT_HOW_TO, kcatAvailable, kcatConsume, kcatProduce } from '../services/kcat.ts';
import { suiteWithKafka } from '../services/service-suites.ts';
import { exampleAlert } from '../support/example-alerts.ts';
import { disputeEvent, exampleDispute, exampleInvoice, examplePayment, examplePrice, invoiceEvent, paymentEvent, priceEvent } from '../support/example-bills.ts';
import { changeTopic, deleteTopics, kcatPrint, makeTopic, makeTopics, recordsOf, writerTo } from '../support/kafka-records.ts';
import { meterWindow } from '../support/meter-windows.ts';
import { suite } from '../support/required-suites.ts';
import { anomaly, deadLetter, regionWindow, sinkBatch, withoutFinal } from '../support/sink-batches.ts';

/** The writer to Kafka against a real broker, read by kcat. */

const MINUTE = 60_000;
const START = 1_767_225_600_000;

suiteWithKafka('the Kafka writer', (kafka) => {
  suite('kcat', kcatAvailable(), KCAT_HOW_TO, () => {
    const writers: SinkWriter[] = [];
    let prefix: string;

    beforeEach(() => {
      prefix = `test-${randomBytes(4).toString('hex')}.`;
    });

    afterEach(async () => {
      await Promise.all(writers.splice(0).map((writer) => writer.close()));
      await deleteTopics(kafka().brokers, prefix);
    });

    async function opened(options: Partial<KafkaWriterOptions> = {}, log: Log = nullLog): Promise<SinkWriter> {
      const writer = unopened(options, log);
      await writer.open();
      return writer;
    }

    function unopened(options: Partial<KafkaWriterOptions> = {}, log: Log = nullLog): SinkWriter {
      const writer = writerTo(kafka().brokers, prefix, options, log);
      writers.push(writer);
      return writer;
    }

    /** Key, value, headers, partition and offset of what is on the topic. */
    async function read(topic: string): Promise<{ key: string; value: unknown; headers: Record<string, string>; partition: number }[]> {
      const records = await kcatConsume(kafka().brokers, prefix + topic);
      return records.map(({ key, value, headers, partition }) => ({ key, value: JSON.parse(value), headers: { ...headers }, partition }));
    }

    test('puts each thing on its topic, by its key, as the REST API shows it', async () => {
      const writer = await opened();
      const minutes = Array.from({ length: 40 }, (_, i) => meterWindow({ meterId: `meter-${i}`, avgPowerKw: i / 7 }));
      const quarter = meterWindow({ granularity: '15m', revision: 3, voltageAvg: 230.5, voltageMin: 228, voltageMax: 233 });
      const regions = [regionWindow({ region: 'north' }), regionWindow({ region: 'north', granularity: '15m' })];
      const outage = anomaly({ id: 'meter-9/outage/1', kind: 'outage', endedAt: START, endReason: 'recovered' });
      const letter = deadLetter({ raw: '{"meterId":"größer","x":"\u0001"}' });

      const raised = exampleAlert({ acknowledged: { at: START, by: 'ada', why: 'on my way' } });

      const price = examplePrice();
      const invoice = exampleInvoice();
      const payment = examplePayment();
      const dispute = exampleDispute();

      const report = await writer.write(sinkBatch({ windows: [...minutes, quarter], regionWindows: regions, anomalies: [outage], alerts: [raised], deadLetters: [letter], billing: [priceEvent(price), invoiceEvent(invoice), paymentEvent(payment, invoice), disputeEvent(dispute)] }));

      expect(report).toEqual({ written: 50, setAside: [] });
      const written = await read('aggregates_1m');
      expect(new Map(written.map(({ key, value }) => [key, value]))).toEqual(new Map(minutes.map((window) => [window.meterId, windowShape(window)])));
      expect(written).toHaveLength(40);
      for (const { key, partition } of written) expect(partition, key).toBe(partitionOf(key, 3));
      expect(new Set(written.map(({ partition }) => partition)).size).toBe(3);
      const [{ headers }] = written;
      expect(headers).toEqual({ schema: 'meter-window/1', contentType: 'application/json', traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/), engine: 'engine-1' });
      const rest = await Promise.all(['aggregates_15m', 'aggregates_1m_regional', 'aggregates_15m_regional', 'anomalies', 'alerts', 'dead_letter', 'tariff_updates', 'billing_updates', 'payment_updates', 'dispute_updates'].map(read));
      expect(rest.map((records) => records.map(({ key, value }) => ({ key, value })))).toEqual([
        [{ key: 'meter-1', value: windowShape(quarter) }],
        [{ key: 'north', value: withoutFinal(windowShape(regions[0])) }],
        [{ key: 'north', value: withoutFinal(windowShape(regions[1])) }],
        [{ key: outage.id, value: { type: 'METER_OUTAGE', ...anomalyShape(outage) } }],
        [{ key: raised.id, value: alertShape(raised) }],
        [{ key: letter.id, value: deadLetterShape(letter) }],
        [{ key: 'north', value: priceShape(price) }],
        [{ key: invoice.id, value: invoiceShape(invoice) }],
        [{ key: payment.id, value: expect.objectContaining(paymentShape(payment)) }],
        [{ key: dispute.id, value: disputeShape(dispute) }],
      ]);
      // All of a batch are of one trace.
      expect(new Set(rest.flat().map((record) => record.headers.traceparent))).toEqual(new Set([headers.traceparent]));
    });

    test("chooses the partition that librdkafka's murmur2 chooses", async () => {
      const writer = await opened({ topics: { partitions: 7 } });
      const meterIds = ['a', 'meter-000001', 'AT.0099:x_y-z', 'ab', 'abc'];
      await writer.write(sinkBatch({ windows: meterIds.map((meterId) => meterWindow({ meterId })) }));
      for (const key of meterIds) await kcatProduce(kafka().brokers, `${prefix}aggregates_1m`, { key, value: '{}', headers: {} });
      const partitions = new Map<string, Set<number>>();
      for (const { key, partition } of await read('aggregates_1m')) partitions.set(key, (partitions.get(key) ?? new Set()).add(partition));
      expect([...partitions].map(([key, of]) => [key, of.size])).toEqual(expect.arrayContaining(meterIds.map((meterId) => [meterId, 1])));
    });

    test('writes MessagePack that decodes to the same', async () => {
      const writer = await opened({ format: 'msgpack', topics: { partitions: 1 } });
      const window = meterWindow({ avgPowerKw: 1 / 3, voltageAvg: 230, voltageMin: null });
      await writer.write(sinkBatch({ windows: [window] }));
      expect(unpack(await kcatPrint(kafka().brokers, `${prefix}aggregates_1m`, '%s'))).toEqual(windowShape(window));
      expect((await kcatPrint(kafka().brokers, `${prefix}aggregates_1m`, '%h')).toString()).toContain('contentType=application/msgpack');
    });

    test('compresses where it is told to', async () => {
      const writer = await opened({ compression: 'gzip' });
      const windows = Array.from({ length: 500 }, (_, i) => meterWindow({ meterId: `meter-${i}` }));
      await writer.write(sinkBatch({ windows }));
      expect(new Map((await read('aggregates_1m')).map(({ key, value }) => [key, value]))).toEqual(new Map(windows.map((window) => [window.meterId, windowShape(window)])));
      // A broker looks at the size after compression.
      await changeTopic(kafka().brokers, `${prefix}dead_letter`, { 'max.message.bytes': '1500' });
      const letters = [deadLetter({ raw: 'x'.repeat(5_000) })];
      expect(await writer.write(sinkBatch({ deadLetters: letters }))).toEqual({ written: 1, setAside: [] });
      expect((await read('dead_letter')).map(({ value }) => value)).toEqual(letters.map(deadLetterShape));
    });

    test('keeps the order of a meter over many requests, and cuts them to what the topic takes', async () => {
      // A dozen messages a request: several of each meter.
      await makeTopics(kafka().brokers, prefix, { 'max.message.bytes': '8000' });
      const writer = await opened();
      const windows = Array.from({ length: 300 }, (_, i) => meterWindow({ meterId: `meter-${i % 3}`, windowStart: START + i * MINUTE, revision: i }));
      expect(await writer.write(sinkBatch({ windows }))).toEqual({ written: 300, setAside: [] });
      for (const meter of ['meter-0', 'meter-1', 'meter-2']) {
        const revisions = (await read('aggregates_1m')).filter(({ key }) => key === meter).map(({ value }) => (value as { revision: number }).revision);
        expect(revisions).toEqual(windows.filter(({ meterId }) => meterId === meter).map(({ revision }) => revision));
      }
    });

    test('sets a message aside that is larger than the topic takes, and writes the others', async () => {
      await makeTopics(kafka().brokers, prefix, { 'max.message.bytes': '1500' });
      const writer = await opened();
      const letters = [deadLetter({ id: 'small-1' }), deadLetter({ id: 'large', raw: 'x'.repeat(1_400) }), deadLetter({ id: 'small-2' })];
      const report = await writer.write(sinkBatch({ deadLetters: letters, windows: [meterWindow({})] }));
      expect(report).toEqual({ written: 3, setAside: [{ what: 'dead letter large', reason: expect.stringMatching(/^its \d+ bytes are more than a batch of the topic may have \(max\.message\.bytes=1500\)$/) }] });
      expect((await read('dead_letter')).map(({ key }) => key).sort()).toEqual(['small-1', 'small-2']);
    });

    test('finds the one that is too large where a topic takes less than it did', async () => {
      const writer = await opened({ topics: { partitions: 1 } });
      await changeTopic(kafka().brokers, `${prefix}dead_letter`, { 'max.message.bytes': '1500' });
      const letters = Array.from({ length: 20 }, (_, i) => deadLetter({ id: `letter-${i}`, raw: i === 13 ? 'x'.repeat(1_400) : 'short' }));
      const report = await writer.write(sinkBatch({ deadLetters: letters }));
      expect(report).toEqual({ written: 19, setAside: [{ what: 'dead letter letter-13', reason: expect.stringMatching(/^the broker finds its \d+ bytes too large$/) }] });
      expect(new Set((await read('dead_letter')).map(({ key }) => key))).toEqual(new Set(letters.map(({ id }) => id).filter((id) => id !== 'letter-13')));
    });

    test('writes for shards side by side', async () => {
      const writer = await opened();
      const batches = Array.from({ length: 4 }, (_, shard) => sinkBatch({ shard, windows: Array.from({ length: 1_500 }, (_, i) => meterWindow({ meterId: `meter-${shard}-${i}` })) }));
      const reports = await Promise.all(batches.map((batch) => writer.write(batch)));
      expect(reports.map(({ written }) => written)).toEqual([1_500, 1_500, 1_500, 1_500]);
      const keys = (await kcatPrint(kafka().brokers, `${prefix}aggregates_1m`, '%k\n')).toString().trim().split('\n');
      expect(keys).toHaveLength(6_000);
      expect(new Set(keys).size).toBe(6_000);
    });

    test('keeps no cursor', async () => {
      const cursorOf = await unopened().open();
      expect([cursorOf(0), cursorOf(7)]).toEqual([null, null]);
    });

    test('takes nothing after it is closed', async () => {
      const writer = await opened();
      await writer.close();
      await expect(writer.write(sinkBatch({ windows: [meterWindow({})] }))).rejects.toMatchObject({ code: 'stopping', retryable: true });
      await expect(writer.open()).rejects.toMatchObject({ code: 'stopping' });
    });

    test('ends a batch under way when it is closed, and leaves no connection', async () => {
      const before = connections();
      const writer = await opened({ topics: { partitions: 1 } });
      const writing = writer.write(sinkBatch({ windows: Array.from({ length: 40_000 }, (_, i) => meterWindow({ meterId: `meter-${i}` })) })).then(() => null, (error: unknown) => error);
      while ((await recordsOf(kafka().brokers, `${prefix}aggregates_1m`)) === 0);
      await writer.close();
      expect(await writing).toMatchObject({ code: 'stopping', retryable: true });
      const written = await recordsOf(kafka().brokers, `${prefix}aggregates_1m`);
      await sleep(500);
      expect(connections()).toBeLessThanOrEqual(before);
      expect(await recordsOf(kafka().brokers, `${prefix}aggregates_1m`)).toBe(written);
    });

    test('makes the topics that are missing and says what it found', async () => {
      await makeTopic(kafka().brokers, `${prefix}alerts`, 2, { 'cleanup.policy': 'compact', 'max.message.bytes': '500000' });
      const { log, lines } = captured();
      const writer = await opened({ topics: { partitions: 3, retentionMs: 86_400_000 } }, log);
      const [report, fewer, ...others] = lines().filter(({ level }) => level !== 'debug');
      expect(report.msg).toBe("Kafka's topics are ready: 10 made, 1 found");
      expect(report.topics).toEqual([
        { topic: `${prefix}aggregates_1m`, state: 'created', partitions: 3, copies: 1, cleanupPolicy: 'delete', batchBytesMax: 1_048_588 },
        { topic: `${prefix}aggregates_15m`, state: 'created', partitions: 3, copies: 1, cleanupPolicy: 'delete', batchBytesMax: 1_048_588 },
        { topic: `${prefix}aggregates_1m_regional`, state: 'created', partitions: 3, copies: 1, cleanupPolicy: 'delete', batchBytesMax: 1_048_588 },
        { topic: `${prefix}aggregates_15m_regional`, state: 'created', partitions: 3, copies: 1, cleanupPolicy: 'delete', batchBytesMax: 1_048_588 },
        { topic: `${prefix}anomalies`, state: 'created', partitions: 3, copies: 1, cleanupPolicy: 'compact,delete', batchBytesMax: 1_048_588 },
        { topic: `${prefix}alerts`, state: 'found', partitions: 2, copies: 1, cleanupPolicy: 'compact', batchBytesMax: 500_000 },
        { topic: `${prefix}dead_letter`, state: 'created', partitions: 3, copies: 1, cleanupPolicy: 'delete', batchBytesMax: 1_048_588 },
        { topic: `${prefix}tariff_updates`, state: 'created', partitions: 3, copies: 1, cleanupPolicy: 'delete', batchBytesMax: 1_048_588 },
        { topic: `${prefix}billing_updates`, state: 'created', partitions: 3, copies: 1, cleanupPolicy: 'compact,delete', batchBytesMax: 1_048_588 },
        { topic: `${prefix}payment_updates`, state: 'created', partitions: 3, copies: 1, cleanupPolicy: 'compact,delete', batchBytesMax: 1_048_588 },
        { topic: `${prefix}dispute_updates`, state: 'created', partitions: 3, copies: 1, cleanupPolicy: 'compact,delete', batchBytesMax: 1_048_588 },
      ]);
      expect(fewer).toMatchObject({ level: 'warn', topic: `${prefix}alerts`, partitions: 2, wanted: 3 });
      expect(fewer.msg).toContain(`kafka-topics.sh --bootstrap-server ${kafka().brokers} --alter --topic ${prefix}alerts --partitions 3`);
      expect(others).toEqual([]);
      await writer.open();
      expect(lines().filter(({ level }) => level !== 'debug')).toHaveLength(2);
    });

    test('makes each topic once where another engine makes them at the same time', async () => {
      const logs = [captured(), captured()];
      await Promise.all(logs.map(({ log }) => opened({}, log)));
      const states = logs.map(({ lines }) => (lines().find(({ level }) => level === 'info')!.topics as { state: string }[]).map(({ state }) => state));
      expect(states[0].map((state, topic) => [state, states[1][topic]].sort())).toEqual(Array.from({ length: 11 }, () => ['created', 'found']));
    });

    test('lists the missing topics with commands where it is not to make them', async () => {
      await makeTopic(kafka().brokers, `${prefix}alerts`, 1);
      const writer = unopened({ topics: { create: false, partitions: 4, replicationFactor: 1 } });
      const refusal = await writer.open().then(() => null, (error: Error) => error);
      expect(refusal).toMatchObject({ code: 'topics_missing', retryable: false });
      const lines = refusal!.message.split('\n');
      expect(lines).toHaveLength(11);
      expect(lines[1]).toBe(`  kafka-topics.sh --bootstrap-server ${kafka().brokers} --create --topic ${prefix}aggregates_1m --partitions 4 --replication-factor 1 --config cleanup.policy=delete`);
      expect(refusal!.message).not.toContain(`${prefix}alerts`);
    });

    test('refuses a topic that would keep one window of each meter', async () => {
      await makeTopic(kafka().brokers, `${prefix}aggregates_1m`, 1, { 'cleanup.policy': 'compact' });
      const refusal = await unopened().open().then(() => null, (error: Error) => error);
      expect(refusal).toMatchObject({ code: 'topic_settings', retryable: false });
      expect(refusal!.message).toContain(`--entity-name ${prefix}aggregates_1m --add-config cleanup.policy=delete`);
    });

    test('says what to do when a topic goes away that it is not to make', async () => {
      await makeTopics(kafka().brokers, prefix);
      const writer = await opened({ topics: { create: false, partitions: 3 } });
      await writer.write(sinkBatch({ windows: [meterWindow({})] }));
      await deleteTopics(kafka().brokers, prefix, ['aggregates_1m']);
      await expect(writer.write(sinkBatch({ windows: [meterWindow({})] }))).rejects.toMatchObject({ code: 'topics_missing', retryable: false });
    });

    test('makes a topic anew that went away, when it is opened again', async () => {
      const writer = await opened();
      const batch = sinkBatch({ windows: [meterWindow({})] });
      await writer.write(batch);
      await deleteTopics(kafka().brokers, prefix, ['aggregates_1m']);
      await expect(writer.write(batch)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
      await writer.open();
      expect(await writer.write(batch)).toEqual({ written: 1, setAside: [] });
      expect(await read('aggregates_1m')).toHaveLength(1);
    });
  });
});

/** TCP connections of this process. */
function connections(): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === 'TCPSocketWrap').length;
}

function captured(): { log: Log; lines(): Record<string, unknown>[] } {
  const lines: string[] = [];
  const log = createLog({ level: 'debug', name: 'test', pretty: false, destination: { write: (line) => void lines.push(line) } });
  return { log, lines: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}
