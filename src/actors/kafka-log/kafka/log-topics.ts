import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs, { type Admin } from 'kafkajs';
import { OperationalError } from '../../../runtime/errors.ts';
import type { Log } from '../../../runtime/log.ts';
import { KafkaConnection, RETRY, type KafkaAccess } from '../../sinks/kafka/kafka-connection.ts';
import { isUnknownTopic, kafkaError } from '../../sinks/kafka/kafka-errors.ts';

/** Makes the topics of the log and of the state, or sees that they are there and keep what the engine relies on. */

export interface LogTopicNames {
  log: string;
  state: string;
}

export interface LogTopics {
  /** Of the Kafka cluster, as it calls itself. */
  kafkaId: string;
  /** Of both topics. */
  partitionCount: number;
  /** Largest batches of records they take. */
  logBatchBytesMax: number;
  stateBatchBytesMax: number;
  /** How long `state` remembers removals: a store that was away for longer has to begin anew. */
  removalsKeptMs: number;
}

interface TopicFound {
  partitions: number;
  settings: ReadonlyMap<string, string>;
}

/** A batch that holds a request's readings of one partition: a request is 16 MiB at most. */
const LOG_BATCH_BYTES = 4 * 1024 * 1024;
/** A page of 64 meters under full load has 300 KB. */
const STATE_BATCH_BYTES = 2 * 1024 * 1024;
/** Below this a weekend without the engine loses readings. */
const RETENTION_WARN_MS = 86_400_000;
const CREATE_TIMEOUT_MS = 10_000;
const CHECK_TIMEOUT_MS = 30_000;
const LOOK_AGAIN_MS = 50;
const CREATE_ATTEMPTS = 100;

const LOG_SETTINGS = {
  'cleanup.policy': 'delete',
  // The broker's clock is the same for whoever folds the log.
  'message.timestamp.type': 'LogAppendTime',
  // The broker unpacks what producers packed: not every node can read snappy, lz4 or zstd.
  'compression.type': 'uncompressed',
  'max.message.bytes': `${LOG_BATCH_BYTES}`,
};
const STATE_SETTINGS = { 'cleanup.policy': 'compact', 'max.message.bytes': `${STATE_BATCH_BYTES}` };
const READ_SETTINGS = ['cleanup.policy', 'message.timestamp.type', 'compression.type', 'max.message.bytes', 'retention.ms', 'delete.retention.ms'];
const BATCH_BYTES_DEFAULT = 1_048_588;
const DELETE_RETENTION_DEFAULT_MS = 86_400_000;

/**
 * `partitions`: of topics that are made. Rejects with OperationalError: `unavailable` while the brokers are away, `topic_settings` with a command that mends them, and the refusals of kafka-errors.ts.
 */
export async function checkLogTopics(access: KafkaAccess, names: LogTopicNames, partitions: number, log: Log): Promise<LogTopics> {
  const connection = new KafkaConnection(access, log);
  const where = access.brokers.join(',');
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), CHECK_TIMEOUT_MS);
  const late = new Promise<never>((_, reject) => {
    deadline.signal.addEventListener('abort', () => reject(new OperationalError('unavailable', `Kafka at ${where} did not tell of its topics within ${CHECK_TIMEOUT_MS} ms`, { retryable: true })));
  });
  try {
    return await Promise.race([look(connection, names, partitions, where, log), late]);
  } catch (error) {
    throw kafkaError(error, where);
  } finally {
    clearTimeout(timer);
    connection.cut();
  }
}

async function look(connection: KafkaConnection, names: LogTopicNames, partitions: number, where: string, log: Log): Promise<LogTopics> {
  const admin = connection.client.admin({ retry: RETRY });
  await admin.connect();
  const logTopic = await findOrMake(admin, names.log, partitions, LOG_SETTINGS, log);
  // As many as the log has, whoever made that.
  const stateTopic = await findOrMake(admin, names.state, logTopic.partitions, STATE_SETTINGS, log);
  refuseWrongSettings(names, logTopic, stateTopic, where);
  warnOfSettings(names, logTopic, log);
  const { clusterId } = await admin.describeCluster();
  return {
    kafkaId: clusterId,
    partitionCount: logTopic.partitions,
    logBatchBytesMax: numberOf(logTopic, 'max.message.bytes', BATCH_BYTES_DEFAULT),
    stateBatchBytesMax: numberOf(stateTopic, 'max.message.bytes', BATCH_BYTES_DEFAULT),
    removalsKeptMs: numberOf(stateTopic, 'delete.retention.ms', DELETE_RETENTION_DEFAULT_MS),
  };
}

async function findOrMake(admin: Admin, topic: string, numPartitions: number, settings: Readonly<Record<string, string>>, log: Log): Promise<TopicFound> {
  let found = await describe(admin, topic);
  if (found !== null) return found;
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  // False where another node was faster.
  await admin.createTopics({ topics: [{ topic, numPartitions, configEntries }], waitForLeaders: false, timeout: CREATE_TIMEOUT_MS });
  for (let attempt = 0; found === null && attempt < CREATE_ATTEMPTS; attempt++) {
    await sleep(LOOK_AGAIN_MS);
    found = await describe(admin, topic);
  }
  if (found === null) throw new OperationalError('unavailable', `the topic ${topic} was made and is not there yet`, { retryable: true });
  log.info({ topic, partitions: found.partitions }, `the topic ${topic} was not there and is made, with ${found.partitions} partitions`);
  return found;
}

async function describe(admin: Admin, topic: string): Promise<TopicFound | null> {
  let partitions: number;
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    partitions = topics[0].partitions.length;
  } catch (error) {
    if (isUnknownTopic(error)) return null;
    // kafkajs reads fields of the answer that no broker gave.
    if (error instanceof TypeError) throw new OperationalError('unavailable', 'no broker described the topics', { retryable: true, cause: error });
    throw error;
  }
  const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: READ_SETTINGS }] });
  return { partitions, settings: new Map(resources[0].configEntries.map(({ configName, configValue }) => [configName, configValue])) };
}

function refuseWrongSettings(names: LogTopicNames, log: TopicFound, state: TopicFound, where: string): void {
  const faults: string[] = [];
  const command = (topic: string, setting: string): string => `kafka-configs.sh --bootstrap-server ${where} --alter --entity-type topics --entity-name ${topic} --add-config ${setting}`;
  if (log.settings.get('message.timestamp.type') !== 'LogAppendTime') {
    faults.push(`${names.log} keeps its producers' times; the engine needs the broker's, which are the same for every node: ${command(names.log, 'message.timestamp.type=LogAppendTime')}`);
  }
  if (log.settings.get('cleanup.policy') !== 'delete') faults.push(`${names.log} is compacted and would lose readings: ${command(names.log, 'cleanup.policy=delete')}`);
  if (state.settings.get('cleanup.policy') !== 'compact') faults.push(`${names.state} would lose state that did not change for long: ${command(names.state, 'cleanup.policy=compact')}`);
  if (state.partitions !== log.partitions) {
    faults.push(`${names.state} has ${state.partitions} partitions and ${names.log} has ${log.partitions}, but a partition's state lies under its number. Partitions of ${names.log} cannot be added: meters would move to other ones`);
  }
  if (faults.length > 0) throw new OperationalError('topic_settings', `Kafka's topics cannot be used:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
}

function warnOfSettings(names: LogTopicNames, { settings }: TopicFound, log: Log): void {
  const retentionMs = Number(settings.get('retention.ms') ?? -1);
  if (retentionMs >= 0 && retentionMs < RETENTION_WARN_MS) {
    log.warn({ topic: names.log, retentionMs }, `${names.log} keeps readings for ${Math.round(retentionMs / 60_000)} min only; what no node has folded by then is lost. retention.ms should be a day at least`);
  }
  const compression = settings.get('compression.type');
  if (compression !== 'uncompressed' && compression !== 'gzip') {
    log.warn({ topic: names.log, compression }, `${names.log} takes messages as their producers packed them; a partition with snappy, lz4 or zstd in it cannot be read. compression.type=uncompressed has the broker unpack them`);
  }
}

function numberOf({ settings }: TopicFound, name: string, otherwise: number): number {
  return Number(settings.get(name)) || otherwise;
}
