import { crc32 } from 'node:zlib';
import { mergeParts, type RegionCapacities } from '../region/state.ts';
import type { RegionPart, ShardAnswers, ShardQuery } from '../shard/protocol.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { DeadLetter } from '../../model/queries.ts';
import type { EffectBatch, EffectSource, RegionWindowKey, SentRegionWindow } from './protocol.ts';

export interface ShardEffectsOptions {
  capacities: RegionCapacities;
  latenessMs: number;
  /** Shards are partitions of a log that several engines share: each writes what is of its own. */
  isShared: boolean;
}

export interface ShardEffectsModules {
  /** Puts a question to a shard; rejects with a retryable OperationalError while it is away. */
  ask<K extends ShardQuery['kind']>(shard: number, query: Extract<ShardQuery, { kind: K }>): Promise<ShardAnswers[K]>;
  /** What all shards have of these windows. Rejects as `ask` does while one is away. */
  regionParts(keys: readonly RegionWindowKey[]): Promise<RegionPart[]>;
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

  async read(shard: number, consumer: string, position: string | null, windowsMax: number): Promise<EffectBatch> {
    const batch = await this.modules.ask<'effects'>(shard, { kind: 'effects', consumer, position, windowsMax });
    return { ...batch, deadLetters: batch.deadLetters.map((letter) => asKnownOutside(letter, this.options.isShared ? shard : null)) };
  }

  acknowledge(shard: number, consumer: string, position: string): void {
    // One that is lost is made up for by the next, or by a shard that gives a piece twice.
    this.modules.ask<'acknowledgeEffects'>(shard, { kind: 'acknowledgeEffects', consumer, position }).catch(() => {});
  }

  async regionWindows(keys: readonly RegionWindowKey[]): Promise<SentRegionWindow[]> {
    const { capacities, latenessMs, isShared } = this.options;
    const all = await this.modules.regionParts(keys);
    const byWindow = new Map<string, RegionPart[]>();
    for (const part of all) {
      const key = `${part.region}/${part.granularity}/${part.windowStart}`;
      const parts = byWindow.get(key);
      if (parts === undefined) byWindow.set(key, [part]);
      else parts.push(part);
    }
    const nowMs = this.modules.clock.now();
    return [...byWindow.values()].flatMap((parts) => {
      const window = mergeParts(parts, capacities, nowMs, latenessMs);
      return window === null ? [] : [{ ...window, revision: isShared ? parts.reduce((sum, { changes }) => sum + changes, 0) : null }];
    });
  }
}

/**
 * An id names the place in one shard's log; beside the engine the letters of all shards lie together. So a checksum of the letter goes with it, and not the shard:
 * with another number of shards it is in another, and given once more. A partition of a shared log stays the same one, and two may hold the very same letter.
 */
export function asKnownOutside({ firstId, ...letter }: DeadLetter, partition: number | null): DeadLetter {
  const { code, index, meterId, raw } = letter;
  return { ...letter, id: `${firstId ?? letter.id}-${partition === null ? '' : `p${partition}-`}${crc32(JSON.stringify([code, index, meterId, raw])).toString(16).padStart(8, '0')}` };
}
