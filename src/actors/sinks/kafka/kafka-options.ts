import type { ConnectionOptions } from 'node:tls';
import { invariant } from '../../../runtime/errors.ts';

/** How the engine reaches Kafka and what it sends there. */

export const MESSAGE_FORMATS = ['json', 'msgpack'] as const;
export type MessageFormat = (typeof MESSAGE_FORMATS)[number];

/** What every Kafka broker and client can, and kafkajs without a native codec. */
export const MESSAGE_COMPRESSIONS = ['none', 'gzip'] as const;
export type MessageCompression = (typeof MESSAGE_COMPRESSIONS)[number];

export interface KafkaLogin {
  mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  username: string;
  password: string;
}

export interface KafkaWriterOptions {
  /** Some of the cluster's brokers, `host:port`; it names the others. */
  brokers: readonly string[];
  /** Who sends; goes into the header `engine` and into the client id that brokers log. */
  engineId: string;
  /** Before every topic's name, such as `grid.`; default none. */
  topicPrefix?: string;
  /** Default `json`. */
  format?: MessageFormat;
  /** Default `none`. */
  compression?: MessageCompression;
  /** TLS to the brokers: true for the authorities that Node knows, or Node's own options (ca, cert, key). Default off. */
  tls?: ConnectionOptions | boolean;
  /** Default none. */
  login?: KafkaLogin | null;
  topics?: TopicOptions;
  /** A batch that is not written by then has failed; default 30 s. So long a hanging broker can keep a shard waiting. */
  writeTimeoutMs?: number;
  /** One request; default 10 s. A broker answers in milliseconds, and tells within 8 s that its replicas do not. */
  requestTimeoutMs?: number;
}

export interface TopicOptions {
  /** Make the topics that are missing; default true. Otherwise a missing topic is an error that says how to make it. */
  create?: boolean;
  /** Of a topic that is made, and what one that exists should have at least; default 12, a number that many counts of consumers divide. */
  partitions?: number;
  /** Copies of a topic that is made; default null, what the cluster has for new topics. */
  replicationFactor?: number | null;
  /** How long a topic that is made keeps its messages; default null, what the cluster has for new topics. */
  retentionMs?: number | null;
}

export type KafkaSettings = Required<Omit<KafkaWriterOptions, 'topics'>> & { topics: Required<TopicOptions> };

/** The options with their defaults. */
export function kafkaSettings(options: KafkaWriterOptions): KafkaSettings {
  const { brokers, engineId, topicPrefix = '', format = 'json', compression = 'none', tls = false, login = null, writeTimeoutMs = 30_000, requestTimeoutMs = 10_000 } = options;
  const { create = true, partitions = 12, replicationFactor = null, retentionMs = null } = options.topics ?? {};
  invariant(brokers.length > 0 && partitions > 0 && writeTimeoutMs > 0 && requestTimeoutMs > 0, 'Kafka needs brokers, and partitions and times above 0');
  return { brokers, engineId, topicPrefix, format, compression, tls, login, topics: { create, partitions, replicationFactor, retentionMs }, writeTimeoutMs, requestTimeoutMs };
}
