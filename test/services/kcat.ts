import { spawnSync } from 'node:child_process';
import { runTool } from './service-process.ts';

/** kcat, a client of Kafka that is built on librdkafka: another implementation than the engine's, to read and write its topics with. */

export const KCAT_HOW_TO = 'Install it with `apt-get install kcat`.';

/** Half a minute for a record to go in or out, on two cores that other suites use as well. */
const DEADLINE_MS = 30_000;

export interface KcatRecord {
  key: string;
  value: string;
  /** Names and values without `=` and line breaks, which kcat has no way to escape. */
  headers: Readonly<Record<string, string>>;
}

export interface KcatReceived extends KcatRecord {
  partition: number;
  offset: number;
}

export function kcatAvailable(): boolean {
  return spawnSync('kcat', ['-V']).status === 0;
}

/** Writes one record where Java's default partitioner would (murmur2 of the key); resolves when all in-sync brokers have it. */
export async function kcatProduce(brokers: string, topic: string, record: KcatRecord): Promise<void> {
  const headers = Object.entries(record.headers).flatMap(([name, value]) => ['-H', `${name}=${value}`]);
  const settings = ['-X', 'partitioner=murmur2_random', '-X', 'acks=all', '-X', `message.timeout.ms=${DEADLINE_MS}`];
  await runTool('kcat', ['-P', '-b', brokers, '-t', topic, '-k', record.key, ...headers, ...settings], { input: record.value, signal: AbortSignal.timeout(DEADLINE_MS) });
}

/** All records of a topic from its beginning to its end at this moment, in order of partition and offset. */
export async function kcatConsume(brokers: string, topic: string): Promise<KcatReceived[]> {
  const output = await runTool('kcat', ['-C', '-J', '-b', brokers, '-t', topic, '-o', 'beginning', '-e', '-q'], { signal: AbortSignal.timeout(DEADLINE_MS) });
  const records = output.split('\n').filter((line) => line !== '').map(received);
  return records.sort((a, b) => a.partition - b.partition || a.offset - b.offset);
}

interface KcatJson {
  partition: number;
  offset: number;
  key: string | null;
  payload: string | null;
  /** Names and values in turn; absent when there are none. */
  headers?: string[];
}

function received(line: string): KcatReceived {
  const { partition, offset, key, payload, headers = [] } = JSON.parse(line) as KcatJson;
  const pairs = headers.flatMap((name, at) => (at % 2 === 0 ? [[name, headers[at + 1]]] : []));
  return { partition, offset, key: key ?? '', value: payload ?? '', headers: Object.fromEntries(pairs) as Record<string, string> };
}
