import type { OutboxOptions } from '../actors/shard/outbox.ts';
import type { SinkWriter } from '../actors/sinks/protocol.ts';
import { RETENTION_DEFAULTS } from '../actors/sinks/timescale/hypertables.ts';
import type { EngineConfig } from './engine-config.ts';
import type { SinkThreadOptions } from './sink-thread.ts';

/** How the engine's settings make what flows out of it. */

/** The systems that the settings name. */
export function sinkNames(config: Pick<EngineConfig, 'timescaleUrl' | 'kafkaBrokers'>): SinkWriter['name'][] {
  const names: SinkWriter['name'][] = [];
  if (config.timescaleUrl !== null) names.push('timescale');
  if (config.kafkaBrokers.length > 0) names.push('kafka');
  return names;
}

/** What each shard keeps for them. */
export function outboxOptions(config: EngineConfig): OutboxOptions {
  return { consumers: sinkNames(config), bytesMax: config.outboxBytesMax };
}

export function sinkThreadOptions(config: EngineConfig, engineId: string): SinkThreadOptions {
  return {
    engineId,
    shardCount: config.shards,
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
  const { kafkaBrokers: brokers, kafkaTopicPrefix: topicPrefix, kafkaFormat: format, kafkaCompression: compression, kafkaTls: tls, kafkaMechanism: mechanism } = config;
  if (brokers.length === 0) return null;
  // The settings were checked: with a mechanism there are both.
  const login = mechanism === 'none' ? null : { mechanism, username: config.kafkaUsername!, password: config.kafkaPassword! };
  return { brokers, topicPrefix, format, compression, tls, login };
}
