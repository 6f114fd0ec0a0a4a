import type { RegionMessage } from '../actors/region/protocol.ts';
import { RECENT_WINDOWS_MAX } from '../actors/region/state.ts';
import type { RegionPart, ShardQuery, ShardReport } from '../actors/shard/protocol.ts';
import { GRANULARITY_MS } from '../model/window.ts';
import type { Clock } from '../runtime/clock.ts';

/** After every window: year 2286. */
const FAR_MS = 1e13;

export interface RegionSeedingModules {
  clock: Clock;
  /** Puts a question to a shard; may reject. */
  ask(shard: number, query: Extract<ShardQuery, { kind: 'regionParts' }>): Promise<RegionPart[]>;
  /** The region actor there is now. */
  tell(message: RegionMessage): void;
}

/** What a shard reported while it was asked; null once it has answered. Of a shard on another node the answer may be older, as it comes another way. */
interface Asking {
  reported: Set<string> | null;
}

/**
 * Shards report changes only. What a shard's store holds of the last hours is asked for when its thread reports for the first time, because what
 * changed between the last report of the one before and its death was never told; and again when the region actor is another.
 */
export class RegionSeeding {
  private readonly modules: RegionSeedingModules;
  /** Shards that were asked. */
  private readonly asked = new Map<number, Asking>();

  constructor(modules: RegionSeedingModules) {
    this.modules = modules;
  }

  /** To be called with each report, after the region actor has it. */
  onReport({ shard, live, parts }: ShardReport): void {
    const asking = this.asked.get(shard);
    if (asking === undefined) void this.seed(shard, live.map(({ region }) => region));
    else for (const part of parts) asking.reported?.add(nameOf(part));
  }

  /** The shard's next thread will be asked. */
  shardDown(shard: number): void {
    this.asked.delete(shard);
  }

  /** Every shard will be asked again. */
  regionActorRestarted(): void {
    this.asked.clear();
  }

  private async seed(shard: number, regions: readonly string[]): Promise<void> {
    const asking: Asking = { reported: new Set() };
    this.asked.set(shard, asking);
    const { clock, ask, tell } = this.modules;
    // Past the clock too: meters may run ahead of it.
    const from = clock.now() - RECENT_WINDOWS_MAX * GRANULARITY_MS['1m'];
    const query = { kind: 'regionParts', granularity: '1m', from, to: FAR_MS, limit: RECENT_WINDOWS_MAX * 2, withOpen: false } as const;
    try {
      for (const region of regions) {
        const parts = await ask(shard, { ...query, region });
        if (this.asked.get(shard) !== asking) return;
        tell({ kind: 'storedParts', shard, from, parts: parts.filter((part) => !asking.reported!.has(nameOf(part))) });
      }
      asking.reported = null;
    } catch {
      // Away, or too busy: its next report is the next try.
      if (this.asked.get(shard) === asking) this.asked.delete(shard);
    }
  }
}

function nameOf({ region, windowStart }: RegionPart): string {
  return `${region} ${windowStart}`;
}
