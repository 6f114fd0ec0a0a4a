import { readdirSync, renameSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { OperationalError } from './errors.ts';
import { syncDirectory } from './files.ts';
import type { SegmentFiles } from './journal.ts';
import { openLmdbStore } from './lmdb-store.ts';
import { isRunning, startOf } from './process-identity.ts';
import type { Store } from './store.ts';

/**
 * Segments of a log, each an LMDB environment: `<directory>/log-<first record>/`. While a process copies the directory it leaves a
 * `hold-<pid>-<start>.hold` in it, and no segment goes.
 */

const SEGMENT = /^log-(\d+)$/;
const HOLD = /^hold-(\d+)-(\d+)\.hold$/;
/** What is being removed has another name first: half a segment must not be taken for one. */
const REMOVED = /^removed-log-\d+$/;
/** A new environment needs room for its files at once: without it LMDB would not fail but end the process (SIGBUS on its mapped lock file). */
const FREE_BYTES_MIN = 1024 * 1024;

/** A commit copies the way from the root to its record: one reading must not cost three large pages. */
const PAGE_BYTES = 4_096;

export interface LmdbSegmentOptions {
  /** Of the log: a directory that is there. */
  directory: string;
  /** Of one segment on disk; it may grow past it. */
  mapBytes: number;
  readOnly?: boolean;
}

export function lmdbSegments(options: LmdbSegmentOptions): SegmentFiles {
  return new LmdbSegments(options);
}

/** Where the segment lies that begins with this record. */
export function segmentPath(directory: string, first: number): string {
  return join(directory, `log-${first}`);
}

/** First records of the segments in a directory, ascending. */
export function listSegments(directory: string): number[] {
  return readdirSync(directory)
    .flatMap((name) => SEGMENT.exec(name)?.slice(1).map(Number) ?? [])
    .sort((a, b) => a - b);
}

/** Keeps every segment of the directory where it is, until the returned function is called or this process ends. */
export function holdSegments(directory: string): () => void {
  const file = join(directory, `hold-${process.pid}-${startOf(process.pid) ?? 0}.hold`);
  writeFileSync(file, '');
  return () => rmSync(file, { force: true });
}

class LmdbSegments implements SegmentFiles {
  private readonly options: LmdbSegmentOptions;

  constructor(options: LmdbSegmentOptions) {
    this.options = options;
  }

  list(): number[] {
    const { directory, readOnly } = this.options;
    if (readOnly !== true) {
      for (const name of readdirSync(directory)) if (REMOVED.test(name)) rmSync(join(directory, name), { recursive: true, force: true });
    }
    return listSegments(directory);
  }

  open(first: number): Store {
    const { directory, mapBytes, readOnly } = this.options;
    const path = segmentPath(directory, first);
    const isNew = statSync(path, { throwIfNoEntry: false }) === undefined;
    if (isNew) {
      const { bavail, bsize } = statfsSync(directory);
      if (bavail * bsize < FREE_BYTES_MIN) throw new OperationalError('storage_full', 'the disk that holds the data directory is full; free space on it', { retryable: true });
    }
    const store = openLmdbStore({ directory: path, mapBytes, pageBytes: PAGE_BYTES, readOnly });
    // The name has to be as durable as what is in it.
    if (isNew) syncDirectory(directory);
    return store;
  }

  remove(first: number): boolean {
    const { directory } = this.options;
    if (isHeld(directory)) return false;
    const path = join(directory, `removed-log-${first}`);
    renameSync(segmentPath(directory, first), path);
    // Off this thread: to free a large file takes the file system some milliseconds. What fails here goes at the next start.
    rm(path, { recursive: true, force: true }).catch(() => {});
    return true;
  }

  sizeBytes(): number {
    const { directory } = this.options;
    return listSegments(directory).reduce((sum, first) => sum + (statSync(join(segmentPath(directory, first), 'data.mdb'), { throwIfNoEntry: false })?.blocks ?? 0) * 512, 0);
  }
}

function isHeld(directory: string): boolean {
  let held = false;
  for (const name of readdirSync(directory)) {
    const match = HOLD.exec(name);
    if (match === null) continue;
    if (isRunning(Number(match[1]), Number(match[2]))) held = true;
    // Its process was killed.
    else rmSync(join(directory, name), { force: true });
  }
  return held;
}
