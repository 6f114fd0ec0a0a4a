import { DEFAULT_DETECTION } from '../actors/shard/detection/detection-config.ts';
import type { ShardStateConfig } from '../actors/shard/state.ts';
import type { EngineConfig } from './engine-config.ts';

/** How the engine's settings make one of `shards` shards count. */
export function shardStateConfig(config: EngineConfig, partitionCount: number, shards: number): ShardStateConfig {
  return {
    partitionCount,
    latenessMs: config.latenessMs,
    correctionHorizonMs: config.correctionHorizonMs,
    metersMax: Math.ceil(config.meterLimit / shards),
    regionsMax: config.regionLimit,
    detection: { ...DEFAULT_DETECTION, nominalVoltageV: config.nominalVoltage, darkKw: config.darkPowerKw },
  };
}
