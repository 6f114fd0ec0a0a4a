import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { KafkaWriterOptions } from '../../src/actors/sinks/kafka/kafka-options.ts';
import type { SinkBatch, SinkWriter } from '../../src/actors/sinks/protocol.ts';
import { KCAT_HOW_TO, kcatAvailable, kcatConsume, kcatProduce } from '../services/kcat.ts';
import { servicePort } from '../services/service-process.ts';
import { suiteWithOwnKafka } from '../services/service-suites.ts';
import { kcatPrint, makeTopic, makeTopics, recordsOf, writerTo } from '../support/kafka-records.ts';
import { meterWindow } from '../support/meter-windows.ts';
import { suite } from '../support/required-suites.ts';
import { sinkBatch, writeUntilPassed } from '../support/sink-batches.ts';

/** The writer to Kafka while brokers crash, hang and refuse. Batches go out as the pump sends them: the same one until it passes. */

const QUICK = { writeTimeoutMs: 2_000, requestTimeoutMs: 1_000 };
/** What the writer may take beyond its deadline, on two cores that other suites use as well. */
const SLACK_MS = 1_500;
const OUTAGE_TEST_MS = 90_000;
const REOPENED = { opening: true };
/** Each takes some seconds; the cluster notices a dead broker after three. */
const REFUSALS_MAX = 20;

function windowsBatch(count: number, revision: number, shard = 0): SinkBatch {
  return sinkBatch({ shard, windows: Array.from({ length: count }, (_, i) => meterWindow({ meterId: `meter-${shard}-${i}`, revision })) });
}

suiteWithOwnKafka('the Kafka writer and a broker that goes away', {}, (kafka) => {
  suite('kcat', kcatAvailable(), KCAT_HOW_TO, () => {
    const writers: SinkWriter[] = [];
    let prefix: string;

    beforeEach(() => {
      prefix = `test-${randomBytes(4).toString('hex')}.`;
    });

    afterEach(async () => {
      await Promise.all(writers.splice(0).map((writer) => writer.close()));
    });

    function newWriter(options: Partial<KafkaWriterOptions> = {}, brokers = kafka().brokers): SinkWriter {
      const writer = writerTo(brokers, prefix, options);
      writers.push(writer);
      return writer;
    }

    async function keys(): Promise<string[]> {
      return (await kcatPrint(kafka().brokers, `${prefix}aggregates_1m`, '%k\n')).toString().trim().split('\n');
    }

    test('loses nothing when it is killed in the middle of a batch', { timeout: OUTAGE_TEST_MS }, async () => {
      const writer = newWriter({ requestTimeoutMs: 1_000, writeTimeoutMs: 10_000 });
      await writer.open();
      const batch = windowsBatch(40_000, 0);
      const writing = writer.write(batch).then(() => null, (error: unknown) => error);
      while ((await recordsOf(kafka().brokers, `${prefix}aggregates_1m`)) === 0);
      await kafka().kill9();
      expect(await writing).toMatchObject({ code: 'unavailable', retryable: true });
      await kafka().start();
      const before = await recordsOf(kafka().brokers, `${prefix}aggregates_1m`);
      expect(before).toBeGreaterThan(0);
      expect(before).toBeLessThan(40_000);
      expect(await writeUntilPassed(writer, batch, REOPENED)).toEqual({ written: 40_000, setAside: [] });
      expect(new Set(await keys()).size).toBe(40_000);
      expect(await keys()).toHaveLength(before + 40_000);
    });

    test('fails in time, to be tried again, while it hangs', { timeout: OUTAGE_TEST_MS }, async () => {
      const writer = newWriter(QUICK);
      // Its deadlines are short for a broker that has topics to make, too.
      await writeUntilPassed(writer, windowsBatch(1, 0), REOPENED);
      kafka().pause();
      try {
        const startedMs = performance.now();
        await expect(writer.write(windowsBatch(1, 1))).rejects.toMatchObject({ code: 'unavailable', retryable: true });
        await expect(writer.open()).rejects.toMatchObject({ code: 'unavailable', retryable: true });
        expect(performance.now() - startedMs).toBeLessThan(2 * (QUICK.writeTimeoutMs + SLACK_MS));
      } finally {
        kafka().resume();
      }
      expect(await writeUntilPassed(writer, windowsBatch(1, 1), REOPENED)).toEqual({ written: 1, setAside: [] });
    });

    test('does not take another batch for the one that it hung over', { timeout: OUTAGE_TEST_MS }, async () => {
      const writer = newWriter({ writeTimeoutMs: 30_000, requestTimeoutMs: 500, topics: { partitions: 1 } });
      await writeUntilPassed(writer, windowsBatch(5, 0), REOPENED);
      kafka().pause();
      // It lies in the broker's socket, and is written once the broker goes on; kafkajs has given up and taken its sequence numbers back.
      await expect(writer.write(windowsBatch(5, 1))).rejects.toMatchObject({ code: 'unavailable' });
      kafka().resume();
      await sleep(500);
      await writeUntilPassed(writer, windowsBatch(5, 2), REOPENED);
      const revisions = (await kcatConsume(kafka().brokers, `${prefix}aggregates_1m`)).map(({ value }) => (JSON.parse(value) as { revision: number }).revision);
      expect(revisions.filter((revision) => revision === 2)).toHaveLength(5);
      expect(revisions.slice(-5)).toEqual([2, 2, 2, 2, 2]);
    });

    test('is told of, to be tried again, when nobody listens', async () => {
      const writer = newWriter({}, `127.0.0.1:${await servicePort()}`);
      await expect(writer.open()).rejects.toMatchObject({ code: 'unavailable', retryable: true, message: expect.stringContaining('ECONNREFUSED') });
    });

    test('closes in time while it hangs, and leaves nothing behind', { timeout: OUTAGE_TEST_MS }, async () => {
      const writer = newWriter();
      await writer.open();
      await writer.write(windowsBatch(1, 0));
      kafka().pause();
      try {
        const writing = writer.write(windowsBatch(1, 1)).then(() => null, (error: unknown) => error);
        await sleep(100);
        const startedMs = performance.now();
        await writer.close();
        expect(performance.now() - startedMs).toBeLessThan(2_000 + SLACK_MS);
        expect(await writing).toMatchObject({ code: 'stopping', retryable: true });
      } finally {
        kafka().resume();
      }
    });
  });
});

suiteWithOwnKafka('three brokers and the Kafka writer', { brokers: 3 }, (kafka) => {
  suite('kcat', kcatAvailable(), KCAT_HOW_TO, () => {
    test('go on without one of them', { timeout: OUTAGE_TEST_MS }, async () => {
      const { brokers, nodes } = kafka();
      await makeTopic(brokers, 'copies', 1, { 'min.insync.replicas': '2' }, 3);
      const record = { key: 'k', value: 'before', headers: {} };
      await kcatProduce(brokers, 'copies', record);
      await nodes[0].kill9();
      await kcatProduce(brokers, 'copies', { ...record, value: 'after' });
      expect((await kcatConsume(brokers, 'copies')).map(({ value }) => value)).toEqual(['before', 'after']);
      await nodes[0].start();
    });

    test('loses nothing while brokers die and come back', { timeout: 2 * OUTAGE_TEST_MS }, async () => {
      const writer = writerTo(kafka().brokers, 'three.', { requestTimeoutMs: 2_000, writeTimeoutMs: 15_000, topics: { partitions: 6, replicationFactor: 3 } });
      try {
        await writer.open();
        let isOver = false;
        const deaths = (async () => {
          for (const node of kafka().nodes) {
            await sleep(1_000);
            await node.kill9();
            await sleep(1_500);
            await node.start();
          }
          isOver = true;
        })();
        let batches = 0;
        const shards = [0, 1].map(async (shard) => {
          while (!isOver) {
            const n = batches++;
            await writeUntilPassed(writer, sinkBatch({ shard, windows: Array.from({ length: 200 }, (_, i) => meterWindow({ meterId: `batch-${n}-${i}` })) }), REOPENED);
          }
        });
        await Promise.all([deaths, ...shards]);
        const keys = new Set((await kcatPrint(kafka().brokers, 'three.aggregates_1m', '%k\n')).toString().trim().split('\n'));
        expect(batches).toBeGreaterThan(3);
        expect(keys.size).toBe(batches * 200);
      } finally {
        await writer.close();
      }
    });

    test('is told of, to be tried again, when too few replicas are in sync', { timeout: 2 * OUTAGE_TEST_MS }, async () => {
      await makeTopics(kafka().brokers, 'few.', { 'min.insync.replicas': '3' }, 3);
      const writer = writerTo(kafka().brokers, 'few.', { requestTimeoutMs: 2_000, writeTimeoutMs: 15_000 });
      const [node] = kafka().nodes;
      try {
        await writer.open();
        await writer.write(windowsBatch(20, 0));
        await node.kill9();
        // First its partitions have no leader, and the others wait for it.
        const refusals: unknown[] = [];
        while (!refusals.some((refusal) => /in-sync replicas/.test(String(refusal))) && refusals.length < REFUSALS_MAX) {
          refusals.push(await writer.write(windowsBatch(20, 1)).then(() => null, (error: unknown) => error));
        }
        expect(refusals.at(-1)).toMatchObject({ message: expect.stringMatching(/in-sync replicas/) });
        for (const refusal of refusals) expect(refusal).toMatchObject({ code: 'unavailable', retryable: true });
        await node.start();
        expect(await writeUntilPassed(writer, windowsBatch(20, 1), REOPENED)).toEqual({ written: 20, setAside: [] });
      } finally {
        await writer.close();
      }
    });
  });
});
