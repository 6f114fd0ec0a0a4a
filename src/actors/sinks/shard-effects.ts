import { crc32 } from 'node:zlib';
import { mergeParts, type RegionCapacities } from '../region/state.ts';
import type { RegionPart, ShardAnswers, ShardQuery } from '../shard/protocol.ts';
import type { RegionWindow } from '../../model/window.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { DeadLetter } from '../../model/queries.ts';
import type { EffectBatch, EffectSource, RegionWindowKey, SinkWriter } from './protocol.ts';

export interface ShardEffectsOptions {
  shards: number;
  capacities: RegionCapacities;
  latenessMs: number;
}

export interface ShardEffectsModules {
  /** Puts a question to a shard; rejects with a retryable OperationalError while it is away. */
  ask<K extends ShardQuery['kind']>(shard: number, query: Extract<ShardQuery, { kind: K }>): Promise<ShardAnswers[K]>;
  clock: Clock;
}

/** The effects of an engine's shards, asked for over their channels. */
export class ShardEffects implements EffectSource {
  private readonly options: ShardEffectsOptions;
  private readonly modules: ShardEffectsModules;

  constructor(options: ShardEffectsOptions, modules: ShardEffectsModules) {
    this.options = options;
    this.modules = modules;
  }

  async read(shard: number, consumer: SinkWriter['name'], position: string | null, windowsMax: number): Promise<EffectBatch> {
    const batch = await this.modules.ask<'effects'>(shard, { kind: 'effects', consumer, position, windowsMax });
    return { ...batch, deadLetters: batch.deadLetters.map(asKnownOutside) };
  }

  acknowledge(shard: number, consumer: SinkWriter['name'], position: string): void {
    // One that is lost is made up for by the next, or by a shard that gives a piece twice.
    this.modules.ask<'acknowledgeEffects'>(shard, { kind: 'acknowledgeEffects', consumer, position }).catch(() => {});
  }

  async regionWindows(keys: readonly RegionWindowKey[]): Promise<RegionWindow[]> {
    const { shards, capacities, latenessMs } = this.options;
    const answers = await Promise.all(Array.from({ length: shards }, (_, shard) => this.modules.ask<'regionPartsByKey'>(shard, { kind: 'regionPartsByKey', keys })));
    const byWindow = new Map<string, RegionPart[]>();
    for (const part of answers.flat()) {
      const key = `${part.region}/${part.granularity}/${part.windowStart}`;
      const parts = byWindow.get(key);
      if (parts === undefined) byWindow.set(key, [part]);
      else parts.push(part);
    }
    const nowMs = this.modules.clock.now();
    return [...byWindow.values()].flatMap((parts) => mergeParts(parts, capacities, nowMs, latenessMs) ?? []);
  }
}

/**
 * An id names the place in one shard's log; beside the engine the letters of all shards lie together. So a checksum of the letter goes with it, and not the shard:
 * with another number of shards it is in another, and given once more.
 */
export function asKnownOutside({ firstId, ...letter }: DeadLetter): DeadLetter {
  const { code, index, meterId, raw } = letter;
  return { ...letter, id: `${firstId ?? letter.id}-${crc32(JSON.stringify([code, index, meterId, raw])).toString(16).padStart(8, '0')}` };
}
