import { DEFAULT_DETECTION } from '../actors/shard/detection/detection-config.ts';
import type { ShardStateConfig } from '../actors/shard/state.ts';
import type { EngineConfig } from './engine-config.ts';

/** The memory of readingIds holds a million, and a reading of usual size takes 80 bytes of log: more would be read at each start and forgotten again, and it is a second of work. Whole segments go, so 100 MB are kept in the mean. */
export const READING_ID_LOG_BYTES = 64 * 1024 * 1024;

/** How the engine's settings make one of `shards` shards count. */
export function shardStateConfig(config: EngineConfig, partitionCount: number, shards: number): ShardStateConfig {
  return {
    partitionCount,
    latenessMs: config.latenessMs,
    correctionHorizonMs: config.correctionHorizonMs,
    metersMax: Math.ceil(config.meterLimit / shards),
    regionsMax: config.regionLimit,
    readingIdLogBytes: READING_ID_LOG_BYTES,
    detection: { ...DEFAULT_DETECTION, nominalVoltageV: config.nominalVoltage, darkKw: config.darkPowerKw },
  };
}
