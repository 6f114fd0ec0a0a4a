import type { Anomaly } from '../../src/model/anomaly.ts';
import { ShardQueries } from '../../src/actors/shard/queries.ts';
import { ShardState, type ShardStateConfig } from '../../src/actors/shard/state.ts';
import type { LoggedRecord } from './log-oracle.ts';
import { memoryShardStore } from '../support/memory-shard-store.ts';

/** A shard's log folded from its beginning in one go: no checkpoint, no death, no store. */
export function foldOfLog(config: ShardStateConfig, log: readonly LoggedRecord[]): { queries: ShardQueries; anomalies: Anomaly[] } {
  const store = memoryShardStore();
  const state = new ShardState(config, { stored: { get: () => undefined, sampleBlocks: () => [], profileHour: () => undefined, settledPart: () => undefined }, loadPart: () => undefined });
  const anomalies = new Map<string, Anomaly>();
  for (const { sequence, record } of log) {
    switch (record.kind) {
      case 'batch':
        state.applyBatch(record.batch, record.nowMs, sequence, new Uint8Array(record.batch.count));
        break;
      case 'tick':
        for (const slice of record.slices) state.applyTick(slice, record.nowMs, sequence);
        break;
      case 'picture':
        state.applyPicture(record.regions, record.nowMs, sequence);
        break;
      case 'rememberedIds':
      case 'readingIds':
        // A clean stop repeats what is remembered; with nothing before it the log was made by a redistribution.
        if (sequence === log[0].sequence) throw new Error('a log that begins with readingIds is not a whole log');
        break;
    }
    for (const change of state.episodes.take()) store.putAnomaly(change, anomalies);
  }
  return { queries: new ShardQueries(state, store, config.detection), anomalies: [...anomalies.values()] };
}
