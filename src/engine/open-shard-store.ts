import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ShardStore } from '../actors/shard/shard-store.ts';
import { Journal } from '../runtime/journal.ts';
import { checkDataFile } from '../runtime/lmdb-data-file.ts';
import { checkPages, entriesOf } from '../runtime/lmdb-pages.ts';
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
  /** Told of damage to tables that were used before they were walked; only with `beside`. */
  onDamage?(error: unknown): void;
}

/** Below it a walk is over before a thread has begun. */
const BESIDE_BYTES_MIN = 64 * 1024 * 1024;
/** Tables that grow with the history: in a file of LATER_BYTES_MIN or more nobody waits for these. */
const WALKED_LATER = ['samples', 'energy', 'windows'];
/** Of a page with a meter or two; most have 64. */
const SNAPSHOT_BYTES_MIN = 512;
/** Pages are wanted when the log's readingIds are on their way. What a recovery does without, or asks for some entries of, comes last; the largest at the end. */
const WALKED_LAST = ['pages', 'outbox', 'meters', 'profiles', ...WALKED_LATER];
/** Half a second of a core, more where the disk is slower. */
const LATER_BYTES_MIN = 1024 * 1024 * 1024;
/**
 * Says how many starts there were since all pages were last walked. LMDB may end the process over a damaged page before the walk has found it: after so many starts that came to no end of
 * it the next waits for all, and says what it finds.
 */
const UNWALKED_FILE = 'pages-unwalked';
const UNWALKED_STARTS_MAX = 2;

/** The LMDB files of a shard that are there: the tables', then the log's. */
export function dataFiles(directory: string): string[] {
  const file = join(directory, DATA_FILE);
  if (!existsSync(file)) return [];
  return [file, ...listSegments(directory).map((first) => join(segmentPath(directory, first), DATA_FILE))];
}

/** Snapshots of pages in a shard's tables, as its data file says; 0 when that can be no true number. */
export function pagesStored(directory: string): number {
  const file = join(directory, DATA_FILE);
  const pages = entriesOf(file, 'pages');
  return pages > 0 && pages * SNAPSHOT_BYTES_MIN <= statSync(file).size ? pages : 0;
}

/**
 * Opens, or makes, a shard's tables and log in its directory. LMDB sees no page that was not walked, because a damaged one may end the process. Throws
 * OperationalError: those of openLmdbStore and Journal.
 */
export function openShardStore({ directory, shard, shardCount, partitionCount, readOnly = false, pages = 'before', onDamage }: ShardPlace): ShardStore {
  const pageCheck = pages === 'checked' ? undefined : checkFiles(directory, readOnly, pages === 'beside');
  if (pageCheck !== undefined) noteUnwalked(directory, pageCheck, onDamage);
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

/** Walks the files' pages. Gives the walk over the tables when that goes on beside the caller. */
function checkFiles(directory: string, readOnly: boolean, mayGoOn: boolean): PageCheck | undefined {
  let pageCheck: PageCheck | undefined;
  for (const file of dataFiles(directory)) {
    checkDataFile(file, readOnly);
    const { size } = statSync(file);
    // The tables' file is the first: meanwhile this thread walks the log's.
    if (mayGoOn && file === join(directory, DATA_FILE) && size >= BESIDE_BYTES_MIN) pageCheck = new PageCheck(file, WALKED_LAST, mayBeUsedEarly(directory, size) ? WALKED_LATER : []);
    else checkPages(file);
  }
  return pageCheck;
}

function mayBeUsedEarly(directory: string, bytes: number): boolean {
  return bytes >= LATER_BYTES_MIN && unwalkedStarts(directory) < UNWALKED_STARTS_MAX;
}

function unwalkedStarts(directory: string): number {
  const note = join(directory, UNWALKED_FILE);
  return existsSync(note) ? Number(readFileSync(note, 'utf8')) : 0;
}

/** Keeps the note of starts whose walk is not over; a walk that somebody waits for tells him itself of damage. */
function noteUnwalked(directory: string, pageCheck: PageCheck, onDamage?: (error: unknown) => void): void {
  const note = join(directory, UNWALKED_FILE);
  if (pageCheck.goesOn) writeFileSync(note, String(unwalkedStarts(directory) + 1));
  pageCheck.rest().then(
    () => rmSync(note, { force: true }),
    (error) => pageCheck.goesOn && onDamage?.(error),
  );
}
