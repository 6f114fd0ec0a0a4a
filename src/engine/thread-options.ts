import { windowsKeptMs, type EngineConfig } from './engine-config.ts';
import type { IngestThreadOptions } from './ingest-thread.ts';
import type { ShardThreadOptions } from './shard-thread.ts';
import { outboxOptions } from './sink-options.ts';

/** How the engine's settings make its ingest and shard threads. */

export interface ShardThreadPlace {
  shard: number;
  partitionCount: number;
  directory: string;
  /** Questions of the gateway that it holds unanswered. */
  queriesMax: number;
}

export function shardThreadOptions(config: EngineConfig, { shard, partitionCount, directory, queriesMax }: ShardThreadPlace): ShardThreadOptions {
  return {
    shard,
    shardCount: config.shards,
    partitionCount,
    directory,
    latenessMs: config.latenessMs,
    correctionHorizonMs: config.correctionHorizonMs,
    metersMax: Math.ceil(config.meterLimit / config.shards),
    regionsMax: config.regionLimit,
    nominalVoltage: config.nominalVoltage,
    darkPowerKw: config.darkPowerKw,
    checkpointIntervalMs: config.checkpointIntervalMs,
    journalBytesMax: config.journalBytesMax,
    deadLettersMax: config.deadLetterRowsMax,
    anomaliesMax: config.anomalyRowsMax,
    outbox: outboxOptions(config),
    keepMs: windowsKeptMs(config),
    creditsMax: Math.max(config.shardCredits, queriesMax),
  };
}

/** `port`: where it is to listen. `needsKeys`: whether senders need a device key. */
export function ingestThreadOptions(config: EngineConfig, { port, partitionCount, needsKeys }: { port: number; partitionCount: number; needsKeys: boolean }): IngestThreadOptions {
  return {
    host: config.host,
    port,
    exclusivePort: config.ingestThreads === 1,
    log: config.log === 'kafka' ? 'kafka' : 'shards',
    needsKeys,
    shardCount: config.shards,
    partitionCount,
    creditsMax: config.shardCredits,
    queuedReadingsMax: config.queuedReadingsMax,
    queuedBytesMax: config.queuedBytesMax,
    bufferedBytesMax: config.bufferedBytesMax,
    bodyDeadlineMs: config.bodyDeadlineMs,
    appendDeadlineMs: config.appendDeadlineMs,
    drainMs: Math.ceil(config.shutdownDeadlineMs / 3),
  };
}
