import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ShardStore } from '../actors/shard/shard-store.ts';
import { Journal } from '../runtime/journal.ts';
import { checkDataFile } from '../runtime/lmdb-data-file.ts';
import { checkPages } from '../runtime/lmdb-pages.ts';
import { listSegments, lmdbSegments, segmentPath } from '../runtime/lmdb-segments.ts';
import { openLmdbStore } from '../runtime/lmdb-store.ts';
import { DATA_FILE } from './data-manifest.ts';

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
  /** Somebody has just walked the pages of every file in dataFiles(directory). */
  pagesAreChecked?: boolean;
}

/** The LMDB files of a shard that are there: the tables', then the log's. */
export function dataFiles(directory: string): string[] {
  const file = join(directory, DATA_FILE);
  if (!existsSync(file)) return [];
  return [file, ...listSegments(directory).map((first) => join(segmentPath(directory, first), DATA_FILE))];
}

/**
 * Opens, or makes, a shard's tables and log in its directory. Walks all their pages before LMDB sees one, because a damaged page may end the process. Throws
 * OperationalError: those of openLmdbStore and Journal.
 */
export function openShardStore({ directory, shard, shardCount, partitionCount, readOnly = false, pagesAreChecked = false }: ShardPlace): ShardStore {
  if (!pagesAreChecked) {
    for (const file of dataFiles(directory)) {
      checkDataFile(file, readOnly);
      checkPages(file);
    }
  }
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
