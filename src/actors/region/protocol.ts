import type { RegionPart, ShardReport } from '../shard/protocol.ts';

/** Messages of the region actor. */
export type RegionMessage =
  | ShardReport
  /** A shard's thread is gone: its meters are not known of until it reports again. */
  | { kind: 'shardDown'; shard: number }
  /** What a shard knows of a region's windows from `from` on; asked for when either of the two has started, because reports hold changes only. */
  | { kind: 'storedParts'; shard: number; from: number; parts: readonly RegionPart[] };

/** What changed for those who watch: one-minute windows, as region and start. */
export interface RegionChange {
  windows: { region: string; windowStart: number }[];
}
