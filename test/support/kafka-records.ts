import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import kafkajs, { type Admin, type KafkaConfig } from 'kafkajs';
import { kafkaWriter } from '../../src/actors/sinks/kafka/kafka-writer.ts';
import type { KafkaWriterOptions } from '../../src/actors/sinks/kafka/kafka-options.ts';
import { TOPICS } from '../../src/actors/sinks/kafka/topics.ts';
import type { SinkWriter } from '../../src/actors/sinks/protocol.ts';
import { systemTimers } from '../../src/runtime/clock.ts';
import { nullLog, type Log } from '../../src/runtime/log.ts';

/** The writer to a Kafka of test/services, and what a client of other people reads from the topics. */

const KCAT_TIMEOUT_MS = 60_000;
const OUTPUT_BYTES_MAX = 256 * 1024 * 1024;
/** Brokers hear of topics a moment after the controller. */
const LOOK_AGAIN_MS = 50;
/** A broker is back within seconds. */
const TRIES_MAX = 60;

/** Made for this test alone: `prefix` sets its topics apart. */
export function writerTo(brokers: string, prefix: string, options: Partial<KafkaWriterOptions> = {}, log: Log = nullLog): SinkWriter {
  return kafkaWriter({ brokers: brokers.split(','), engineId: 'engine-1', topicPrefix: prefix, topics: { partitions: 3 }, ...options }, { log, timers: systemTimers });
}

/** What kcat prints of all records of a topic, by its format string: `%k` key, `%p` partition, `%s` value. */
export async function kcatPrint(brokers: string, topic: string, format: string): Promise<Buffer> {
  const args = ['-C', '-b', brokers, '-t', topic, '-o', 'beginning', '-e', '-q', '-f', format];
  const { stdout } = await promisify(execFile)('kcat', args, { encoding: 'buffer', maxBuffer: OUTPUT_BYTES_MAX, timeout: KCAT_TIMEOUT_MS });
  return stdout;
}

/** Does something with the cluster by kafkajs' admin client, which is quicker than Kafka's own commands. */
export async function withAdmin<Result>(brokers: string, work: (admin: Admin) => Promise<Result>, options: Partial<KafkaConfig> = {}): Promise<Result> {
  const admin = new kafkajs.Kafka({ brokers: brokers.split(','), logLevel: kafkajs.logLevel.NOTHING, ...options }).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

/** Makes all the writer's topics, with the settings of topics. */
export async function makeTopics(brokers: string, prefix: string, settings: Readonly<Record<string, string>> = {}, replicationFactor = 1): Promise<void> {
  for (const topic of TOPICS) await makeTopic(brokers, prefix + topic, 3, settings, replicationFactor);
}

/** Resolves once a broker tells of it. */
export async function makeTopic(brokers: string, topic: string, numPartitions: number, settings: Readonly<Record<string, string>> = {}, replicationFactor = 1): Promise<void> {
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  await withAdmin(brokers, async (admin) => {
    await admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor, configEntries }], waitForLeaders: false });
    while (!(await admin.listTopics()).includes(topic)) await sleep(LOOK_AGAIN_MS);
  });
}

export async function changeTopic(brokers: string, topic: string, settings: Readonly<Record<string, string>>): Promise<void> {
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  await withAdmin(brokers, (admin) => admin.alterConfigs({ validateOnly: false, resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configEntries }] }));
}

/** Resolves once a broker tells of them no more. */
export async function deleteTopics(brokers: string, prefix: string, topics: readonly string[] = TOPICS): Promise<void> {
  await withAdmin(brokers, async (admin) => {
    const there = (await admin.listTopics()).filter((topic) => topics.some((name) => topic === prefix + name));
    await admin.deleteTopics({ topics: there });
    while ((await admin.listTopics()).some((topic) => there.includes(topic))) await sleep(LOOK_AGAIN_MS);
  });
}

/** Records that the topic has, over all partitions. */
export async function recordsOf(brokers: string, topic: string): Promise<number> {
  for (let tries = 1; ; tries++) {
    try {
      const partitions = await withAdmin(brokers, (admin) => admin.fetchTopicOffsets(topic));
      return partitions.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0);
    } catch (error) {
      // A broker that has just come up does not lead its partitions yet.
      if ((error as { retriable?: unknown }).retriable !== true || tries === TRIES_MAX) throw error;
      await sleep(LOOK_AGAIN_MS);
    }
  }
}
