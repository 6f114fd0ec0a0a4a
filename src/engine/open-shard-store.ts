import { ShardStore } from '../actors/shard/shard-store.ts';
import { Journal } from '../runtime/journal.ts';
import { lmdbSegments } from '../runtime/lmdb-segments.ts';
import { openLmdbStore } from '../runtime/lmdb-store.ts';

/** Large enough that a new one is rare, small enough that the log's bound (SEG_JOURNAL_MAX and what is kept for readingIds) is met closely. */
const SEGMENT_BYTES_MAX = 64 * 1024 * 1024;
/** A segment outgrows its bound by one group of batches, or while the disk has no room for another. Address space only. */
const SEGMENT_MAP_BYTES = 1024 * 1024 * 1024;

export interface ShardPlace {
  directory: string;
  shard: number;
  shardCount: number;
  partitionCount: number;
  readOnly?: boolean;
}

/** Opens, or makes, a shard's tables and log in its directory. Throws OperationalError: those of openLmdbStore and Journal. */
export function openShardStore({ directory, shard, shardCount, partitionCount, readOnly = false }: ShardPlace): ShardStore {
  const store = openLmdbStore({ directory, readOnly });
  try {
    const files = lmdbSegments({ directory, mapBytes: SEGMENT_MAP_BYTES, readOnly });
    const label = `shard ${shard} of ${shardCount} with ${partitionCount} partitions`;
    return new ShardStore(store, new Journal(files, { label, segmentBytesMax: SEGMENT_BYTES_MAX, readOnly }));
  } catch (error) {
    store.close().catch(() => {});
    throw error;
  }
}
