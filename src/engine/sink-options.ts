import type { OutboxOptions } from '../actors/shard/outbox.ts';
import type { KafkaLogin } from '../actors/sinks/kafka/kafka-options.ts';
import { REGIONS_CONSUMER, type SinkWriter } from '../actors/sinks/protocol.ts';
import { RETENTION_DEFAULTS } from '../actors/sinks/timescale/hypertables.ts';
import { areAlertsOn } from './alert-settings.ts';
import { isBillingOn } from './billing-settings.ts';
import type { EngineConfig } from './engine-config.ts';
import type { SinkThreadOptions } from './sink-thread.ts';

/** How the engine's settings make what flows out of it. */

/** The systems that the settings name. */
export function sinkNames(config: Pick<EngineConfig, 'timescaleUrl' | 'kafkaBrokers' | 'kafkaResults'>): SinkWriter['name'][] {
  const names: SinkWriter['name'][] = [];
  if (config.timescaleUrl !== null) names.push('timescale');
  if (config.kafkaBrokers.length > 0 && config.kafkaResults) names.push('kafka');
  return names;
}

/** What each shard keeps for them. Of a log that is shared regional windows are made of other engines' partitions, and must not hold up the rest. */
export function outboxOptions(config: EngineConfig): OutboxOptions {
  const names = sinkNames(config);
  const consumers = config.log === 'kafka' ? names.flatMap((name) => [name, name + REGIONS_CONSUMER]) : names;
  return { consumers, bytesMax: config.outboxBytesMax };
}

/** `engineId` is that of all engines that share a log. */
export function sinkThreadOptions(config: EngineConfig, engineId: string): SinkThreadOptions {
  return {
    engineId,
    isShared: config.log === 'kafka',
    shardCount: config.shards,
    hasAlerts: areAlertsOn(config),
    hasBilling: isBillingOn(config),
    capacities: config.regionCapacities,
    latenessMs: config.latenessMs,
    timescale: timescaleOptions(config),
    kafka: kafkaOptions(config),
    askDeadlineMs: config.queryDeadlineMs,
    drainMs: Math.ceil(config.shutdownDeadlineMs / 3),
  };
}

function timescaleOptions({ timescaleUrl: url, timescaleRetention1mMs, timescaleRetention15mMs }: EngineConfig): SinkThreadOptions['timescale'] {
  return url === null ? null : { url, retention: { ...RETENTION_DEFAULTS, keepMs: { '1m': timescaleRetention1mMs, '15m': timescaleRetention15mMs } } };
}

function kafkaOptions(config: EngineConfig): SinkThreadOptions['kafka'] {
  if (!sinkNames(config).includes('kafka')) return null;
  const { kafkaBrokers: brokers, kafkaTopicPrefix: topicPrefix, kafkaFormat: format, kafkaCompression: compression, kafkaTls: tls } = config;
  return { brokers, topicPrefix, format, compression, tls, login: kafkaLogin(config) };
}

/** The settings were checked: with a mechanism there are both name and password. */
export function kafkaLogin({ kafkaMechanism: mechanism, kafkaUsername, kafkaPassword }: EngineConfig): KafkaLogin | null {
  return mechanism === 'none' ? null : { mechanism, username: kafkaUsername!, password: kafkaPassword! };
}
