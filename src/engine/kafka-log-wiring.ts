import type { LogTopicNames, LogTopics } from '../actors/kafka-log/kafka/log-topics.ts';
import type { KafkaAccess } from '../actors/sinks/kafka/kafka-connection.ts';
import { kafkaSettings } from '../actors/sinks/kafka/kafka-options.ts';
import type { Log } from '../runtime/log.ts';
import { windowsKeptMs, type EngineConfig } from './engine-config.ts';
import type { KafkaLogThreadOptions } from './kafka-log-thread.ts';
import { openPartitionDirectory, type PartitionDirectory } from './partition-directory.ts';
import type { PartitionThreadOptions } from './partition-thread.ts';
import { READING_ID_LOG_BYTES, shardStateConfig } from './shard-state-config.ts';
import { kafkaLogin, outboxOptions } from './sink-options.ts';

/** How the settings make an engine whose log is in Kafka. */

export interface KafkaLogPlan {
  topics: LogTopics;
  names: LogTopicNames;
  directory: PartitionDirectory;
  access: KafkaAccess;
  /** Names all engines that share the log, whoever of them has which partition. */
  clusterId: string;
}

/** A step costs a transaction of some round trips; a takeover reads what the last one has not. */
const CHECKPOINT_STEP_MS = 1_000;
/** As of a shard on its own disk, whose steps are ten times as many. */
const PAGES_PER_STEP_MAX = 512;
const STEP_BYTES_MAX = 4 * 1024 * 1024;
/** Past this a takeover takes several seconds. */
const REPLAY_BYTES_MAX = 256 * 1024 * 1024;
/** Memory of readingIds over all partitions, in buckets of four: 64 MiB, of which a small fleet never touches most. */
const READING_ID_BUCKETS_ALL = 2 ** 20;
const READING_ID_BUCKETS_MIN = 2 ** 12;
/** Messages that wait for the brokers. */
const APPEND_QUEUE_BYTES_MAX = 64 * 1024 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;
/** Each partition has a question for its log, one for its state, and its ticks; each ingest thread its credits. */
const QUESTIONS_PER_PARTITION = 8;

/** Of the topic that readings are in. */
export function logTopicName({ kafkaTopicPrefix }: Pick<EngineConfig, 'kafkaTopicPrefix'>): string {
  return `${kafkaTopicPrefix}raw_readings`;
}

/** Asks Kafka what is there, makes what is not, and opens the data directory. Rejects with OperationalError that says what to do. */
export async function planKafkaLog(config: EngineConfig, log: Log): Promise<KafkaLogPlan> {
  // A client of Kafka is not loaded where none is used.
  const { checkLogTopics } = await import('../actors/kafka-log/kafka/log-topics.ts');
  const names = { log: logTopicName(config), state: `${config.kafkaTopicPrefix}seg_state` };
  const settings = kafkaSettings({ brokers: config.kafkaBrokers, engineId: 'log', tls: config.kafkaTls, login: kafkaLogin(config), requestTimeoutMs: REQUEST_TIMEOUT_MS });
  const access = (engineId: string): KafkaAccess => ({ brokers: settings.brokers, engineId, tls: settings.tls, login: settings.login, requestTimeoutMs: settings.requestTimeoutMs });
  const topics = await checkLogTopics(access('log'), names, config.partitions, log);
  const directory = openPartitionDirectory(config.dataDir, { topic: names.state, partitions: topics.partitionCount });
  return { topics, names, directory, access: access(directory.nodeId), clusterId: `${topics.kafkaId}/${names.state}` };
}

export function kafkaLogThreadOptions(config: EngineConfig, { access, names, topics, directory }: KafkaLogPlan): KafkaLogThreadOptions {
  return {
    access,
    names,
    topics,
    groupId: config.kafkaGroup,
    nodeId: directory.nodeId,
    memberFile: directory.memberFile,
    queuedBytesMax: APPEND_QUEUE_BYTES_MAX,
    appendDeadlineMs: config.appendDeadlineMs,
    questionsMax: questionsMax(topics, config),
    isTraced: config.otlpUrl !== null,
  };
}

export function partitionThreadOptions(config: EngineConfig, { topics, names, directory }: KafkaLogPlan, creditsMax: number): PartitionThreadOptions {
  const { partitionCount, removalsKeptMs } = topics;
  const readingIdBuckets = Math.max(READING_ID_BUCKETS_MIN, 2 ** Math.floor(Math.log2(READING_ID_BUCKETS_ALL / partitionCount)));
  return {
    partitionCount,
    topic: names.log,
    directory: directory.partitions,
    state: { ...shardStateConfig(config, partitionCount, partitionCount), readingIdBuckets },
    checkpoint: { stepMs: CHECKPOINT_STEP_MS, intervalMs: config.checkpointIntervalMs, pagesPerStepMax: PAGES_PER_STEP_MAX, stepBytesMax: STEP_BYTES_MAX },
    replayBytesMax: REPLAY_BYTES_MAX,
    replayKeepBytesMax: READING_ID_LOG_BYTES,
    deadLettersMax: config.deadLetterRowsMax,
    anomaliesMax: config.anomalyRowsMax,
    outbox: outboxOptions(config),
    retention: { keepMs: windowsKeptMs(config) },
    removalsKeptMs,
    lastStepMs: Math.ceil(config.shutdownDeadlineMs / 3),
    creditsMax,
    questionsMax: questionsMax(topics, config),
  };
}

function questionsMax({ partitionCount }: LogTopics, config: EngineConfig): number {
  return partitionCount * QUESTIONS_PER_PARTITION + config.shardCredits;
}
