import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ShardStore } from '../actors/shard/shard-store.ts';
import { Journal } from '../runtime/journal.ts';
import { checkDataFile } from '../runtime/lmdb-data-file.ts';
import { checkPages } from '../runtime/lmdb-pages.ts';
import { listSegments, lmdbSegments, segmentPath } from '../runtime/lmdb-segments.ts';
import { openLmdbStore } from '../runtime/lmdb-store.ts';
import { PageCheck } from '../runtime/page-check.ts';
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
  /**
   * How the pages of every file in dataFiles(directory) are known to be sound: somebody has just walked them; all are walked before anything is read; or, where the tables are
   * large, a thread walks theirs beside the reader, who calls `waitForCheck` before he believes what he has read.
   */
  pages?: 'checked' | 'before' | 'beside';
}

/** Below it a walk is over before a thread has begun. */
const BESIDE_BYTES_MIN = 64 * 1024 * 1024;
/** What a recovery does without, or asks for some entries of, comes last; the largest at the end. */
const WALKED_LAST = ['outbox', 'meters', 'profiles', 'samples', 'energy', 'windows'];

/** The LMDB files of a shard that are there: the tables', then the log's. */
export function dataFiles(directory: string): string[] {
  const file = join(directory, DATA_FILE);
  if (!existsSync(file)) return [];
  return [file, ...listSegments(directory).map((first) => join(segmentPath(directory, first), DATA_FILE))];
}

/**
 * Opens, or makes, a shard's tables and log in its directory. LMDB sees no page that was not walked, because a damaged one may end the process. Throws
 * OperationalError: those of openLmdbStore and Journal.
 */
export function openShardStore({ directory, shard, shardCount, partitionCount, readOnly = false, pages = 'before' }: ShardPlace): ShardStore {
  const pageCheck = pages === 'checked' ? undefined : checkFiles(directory, readOnly, pages === 'beside');
  const store = openLmdbStore({ directory, readOnly, pageCheck });
  try {
    const files = lmdbSegments({ directory, mapBytes: SEGMENT_MAP_BYTES, readOnly });
    const label = `shard ${shard} of ${shardCount} with ${partitionCount} partitions`;
    return new ShardStore(store, new Journal(files, { label, segmentBytesMax: SEGMENT_BYTES_MAX, readOnly }));
  } catch (error) {
    store.close().catch(() => {});
    throw error;
  }
}

/** Walks the files' pages. Gives the walk over the tables when that goes on. */
function checkFiles(directory: string, readOnly: boolean, mayGoOn: boolean): PageCheck | undefined {
  let pageCheck: PageCheck | undefined;
  for (const file of dataFiles(directory)) {
    checkDataFile(file, readOnly);
    // The tables' file is the first: meanwhile this thread walks the log's.
    if (mayGoOn && file === join(directory, DATA_FILE) && statSync(file).size >= BESIDE_BYTES_MIN) pageCheck = new PageCheck(file, WALKED_LAST);
    else checkPages(file);
  }
  return pageCheck;
}
