import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs, { type Admin } from 'kafkajs';
import { OperationalError } from '../../../runtime/errors.ts';
import type { Log } from '../../../runtime/log.ts';
import { isUnknownTopic, typeOf } from './kafka-errors.ts';
import type { KafkaSettings } from './kafka-options.ts';
import { TOPIC_PLANS, TOPICS, type Topic } from './topics.ts';

/** Makes the topics, or sees that they are there and keep what they get. */

export interface TopicReport {
  topic: string;
  state: 'created' | 'found';
  partitions: number;
  copies: number;
  /** null where the user may not read the topic's settings. */
  cleanupPolicy: string | null;
  /** Largest record batch it takes; null likewise. */
  batchBytesMax: number | null;
}

/** How often a new topic is looked for; brokers hear of it in milliseconds. */
const LOOK_AGAIN_MS = 50;
const CREATE_TIMEOUT_MS = 10_000;

/**
 * Reports each topic. Rejects with OperationalError `topics_missing` when some are not there and are not to be made, with `topic_settings` when one would drop
 * messages that count, and with what kafkajs throws. Goes on looking for new topics until `signal` says to stop.
 */
export async function checkTopics(admin: Admin, settings: KafkaSettings, signal: AbortSignal): Promise<Map<Topic, TopicReport>> {
  const found = await describeTopics(admin, settings);
  const missing = TOPICS.filter((topic) => !found.has(topic));
  if (missing.length > 0 && !settings.topics.create) throw topicsMissing(missing, settings);
  const created: Topic[] = [];
  for (const topic of missing) if (await createTopic(admin, topic, settings)) created.push(topic);
  let all = found;
  while (all.size < TOPICS.length) {
    await sleep(LOOK_AGAIN_MS, null, { signal });
    all = await describeTopics(admin, settings);
  }
  await readSettings(admin, [...all.values()]);
  for (const topic of created) all.get(topic)!.state = 'created';
  refuseCompaction(all, settings);
  return all;
}

/** Logs the reports, and a warning for each topic that has fewer partitions than wanted. */
export function logTopics(reports: Iterable<TopicReport>, settings: KafkaSettings, log: Log): void {
  const topics = [...reports];
  const created = topics.filter(({ state }) => state === 'created').length;
  log.info({ sink: 'kafka', topics }, `Kafka's topics are ready: ${created} made, ${topics.length - created} found`);
  const wanted = settings.topics.partitions;
  for (const { topic, partitions } of topics) {
    if (partitions >= wanted) continue;
    log.warn(
      { sink: 'kafka', topic, partitions, wanted },
      `${topic} has ${partitions} of ${wanted} partitions. It is used as it is: more would move keys to other partitions, and that is yours to choose: ` +
        `kafka-topics.sh --bootstrap-server ${settings.brokers.join(',')} --alter --topic ${topic} --partitions ${wanted}`,
    );
  }
}

/** What to say where topics are missing: a command for each. */
export function topicsMissing(missing: readonly Topic[], settings: KafkaSettings): OperationalError {
  const commands = missing.map((topic) => `  ${createCommand(topic, settings)}`);
  const names = missing.map((topic) => settings.topicPrefix + topic).join(', ');
  return new OperationalError('topics_missing', `Kafka has no topics ${names}, and the engine is not to make any. Make them:\n${commands.join('\n')}`);
}

function createCommand(topic: Topic, settings: KafkaSettings): string {
  const { brokers, topicPrefix, topics } = settings;
  const copies = topics.replicationFactor === null ? '' : ` --replication-factor ${topics.replicationFactor}`;
  const config = configOf(topic, settings).map(({ name, value }) => ` --config ${name}=${value}`);
  return `kafka-topics.sh --bootstrap-server ${brokers.join(',')} --create --topic ${topicPrefix}${topic} --partitions ${topics.partitions}${copies}${config.join('')}`;
}

/** Settings of a topic that is made. */
function configOf(topic: Topic, { topics: { retentionMs } }: KafkaSettings): { name: string; value: string }[] {
  const retention = retentionMs === null ? [] : [{ name: 'retention.ms', value: `${retentionMs}` }];
  return [{ name: 'cleanup.policy', value: TOPIC_PLANS[topic].cleanupPolicy }, ...retention];
}

/** The topics that exist. */
async function describeTopics(admin: Admin, { topicPrefix }: KafkaSettings): Promise<Map<Topic, TopicReport>> {
  const reports = new Map<Topic, TopicReport>();
  // One by one: asked for all, Kafka answers with an error where one is missing.
  for (const topic of TOPICS) {
    const report = await describeTopic(admin, topicPrefix + topic);
    if (report !== null) reports.set(topic, report);
  }
  return reports;
}

async function describeTopic(admin: Admin, topic: string): Promise<TopicReport | null> {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    const { partitions } = topics[0];
    const copies = Math.min(...partitions.map(({ replicas }) => replicas.length));
    return { topic, state: 'found', partitions: partitions.length, copies, cleanupPolicy: null, batchBytesMax: null };
  } catch (error) {
    if (isUnknownTopic(error)) return null;
    // kafkajs reads fields of the answer that no broker gave.
    if (error instanceof TypeError) throw new OperationalError('unavailable', 'no broker described the topics', { retryable: true, cause: error });
    throw error;
  }
}

/** False where it is there already: another engine may be making them too. */
function createTopic(admin: Admin, topic: Topic, settings: KafkaSettings): Promise<boolean> {
  const { partitions, replicationFactor } = settings.topics;
  const plan = {
    topic: settings.topicPrefix + topic,
    numPartitions: partitions,
    ...(replicationFactor === null ? {} : { replicationFactor }),
    configEntries: configOf(topic, settings),
  };
  // kafkajs' own waiting fails where a broker has not heard of a new topic yet.
  return admin.createTopics({ topics: [plan], waitForLeaders: false, timeout: CREATE_TIMEOUT_MS });
}

/** Reads the settings that matter into the reports, where the user may read them. */
async function readSettings(admin: Admin, reports: readonly TopicReport[]): Promise<void> {
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: reports.map(({ topic }) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: ['cleanup.policy', 'max.message.bytes'] })),
    });
    for (const { resourceName, configEntries } of resources) {
      const report = reports.find(({ topic }) => topic === resourceName)!;
      const valueOf = (name: string): string | null => configEntries.find(({ configName }) => configName === name)?.configValue ?? null;
      report.cleanupPolicy = valueOf('cleanup.policy');
      report.batchBytesMax = Number(valueOf('max.message.bytes')) || null;
    }
  } catch (error) {
    if (typeOf(error) !== 'TOPIC_AUTHORIZATION_FAILED') throw error;
  }
}

function refuseCompaction(reports: ReadonlyMap<Topic, TopicReport>, { brokers }: KafkaSettings): void {
  const compacted = [...reports].filter(([topic, { cleanupPolicy }]) => cleanupPolicy?.includes('compact') && !TOPIC_PLANS[topic].mayCompact).map(([, { topic }]) => topic);
  if (compacted.length === 0) return;
  const commands = compacted.map((topic) => `  kafka-configs.sh --bootstrap-server ${brokers.join(',')} --alter --entity-type topics --entity-name ${topic} --add-config cleanup.policy=delete`);
  throw new OperationalError('topic_settings', `Kafka would keep the newest message of each key of ${compacted.join(', ')} and drop the others, which count as well. Change that:\n${commands.join('\n')}`);
}
