import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, open, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { OperationalError } from './errors.ts';
import { syncDirectory } from './files.ts';
import { SEGMENT_TABLE, type SegmentFiles } from './journal.ts';
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
/** The next segment, made ahead. */
const SPARE = 'spare-log';
/** LMDB's name for it. */
const DATA_FILE = 'data.mdb';
/** A new environment needs room for its files at once: without it LMDB would not fail but end the process (SIGBUS on its mapped lock file). */
const FREE_BYTES_MIN = 1024 * 1024;

/** A commit copies the way from the root to its record: one reading must not cost three large pages. */
const PAGE_BYTES = 4_096;

/** What is removed goes in pieces of so much. 64 MB at once took 35 to 58 ms, and a commit that came meanwhile 16 to 25 ms (bench/RESULTS.md). */
const REMOVED_BYTES_AT_ONCE = 4 * 1024 * 1024;
/** Between two pieces: 200 MB a second, more than any log grows by. */
const REMOVAL_PAUSE_MS = 20;

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

/** First records of the segments in a directory that may hold something, ascending: not of one that is only just being made. */
export function listSegments(directory: string): number[] {
  return namedSegments(directory).filter((first) => !isEmptyFile(join(segmentPath(directory, first), DATA_FILE)));
}

function namedSegments(directory: string): number[] {
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

/**
 * A segment is made ahead, beside the thread: for LMDB to make its file and a table takes three flushes or more, 12 to 51 ms in which the thread stood still every
 * 64 MB of log. What was made ahead is a copy of an environment's file with the table and nothing in it; it is renamed when its turn comes.
 */
class LmdbSegments implements SegmentFiles {
  private readonly options: LmdbSegmentOptions;
  /** The file of an empty segment; null before the first was made. */
  private blank: Buffer | null = null;
  private isSpareReady = false;
  private preparing: Promise<void> = Promise.resolve();

  constructor(options: LmdbSegmentOptions) {
    this.options = options;
  }

  list(): number[] {
    const { directory, readOnly } = this.options;
    if (readOnly !== true) {
      for (const name of readdirSync(directory)) if (REMOVED.test(name) || name === SPARE) rmSync(join(directory, name), { recursive: true, force: true });
    }
    return namedSegments(directory);
  }

  open(first: number): Store | null {
    const path = segmentPath(this.options.directory, first);
    // Right after it was made there may be a directory without a file, or a file with nothing in it.
    if (isEmptyFile(join(path, DATA_FILE))) return null;
    const store = this.environment(path);
    return this.options.readOnly === true && !hasTable(store) ? null : store;
  }

  make(first: number): Store {
    const { directory } = this.options;
    const path = segmentPath(directory, first);
    const { bavail, bsize } = statfsSync(directory);
    if (bavail * bsize < FREE_BYTES_MIN) throw diskFull();
    const store = this.fromSpare(path) ?? this.anew(path);
    // The names have to be as durable as what is in it.
    syncDirectory(directory);
    this.preparing = this.preparing.then(() => this.prepare());
    return store;
  }

  settled(): Promise<void> {
    return this.preparing;
  }

  private fromSpare(path: string): Store | null {
    if (!this.isSpareReady || existsSync(path)) return null;
    this.isSpareReady = false;
    try {
      renameSync(join(this.options.directory, SPARE), path);
    } catch {
      return null;
    }
    return this.environment(path);
  }

  private anew(path: string): Store {
    try {
      mkdirSync(path, { recursive: true });
    } catch (cause) {
      // A file system may run out of names before it runs out of bytes.
      if (['ENOSPC', 'EDQUOT'].includes((cause as NodeJS.ErrnoException).code ?? '')) throw diskFull(cause);
      throw cause;
    }
    // An empty one that a killed process left: LMDB would begin it, but the engine's look at data files takes it for a loss.
    if (isEmptyFile(join(path, DATA_FILE))) rmSync(join(path, DATA_FILE), { force: true });
    const store = this.environment(path);
    const log = store.table(SEGMENT_TABLE);
    if (this.blank === null && log.count() === 0) this.blank = readFileSync(join(path, DATA_FILE));
    syncDirectory(path);
    return store;
  }

  /** Makes the spare segment, durable but for its name. Without one, as on a full disk, `make` does it all itself. */
  private async prepare(): Promise<void> {
    if (this.blank === null || this.isSpareReady) return;
    const path = join(this.options.directory, SPARE);
    try {
      await rm(path, { recursive: true, force: true });
      await mkdir(path);
      await durably(join(path, DATA_FILE), 'wx', this.blank);
      await durably(path, 'r', null);
      this.isSpareReady = true;
    } catch {
      // No room, mostly.
    }
  }

  remove(first: number): boolean {
    const { directory } = this.options;
    if (isHeld(directory)) return false;
    const path = join(directory, `removed-log-${first}`);
    renameSync(segmentPath(directory, first), path);
    // Beside this thread. What fails here goes at the next start.
    removeInPieces(path).catch(() => {});
    return true;
  }

  sizeBytes(): number {
    const { directory } = this.options;
    return namedSegments(directory).reduce((sum, first) => sum + (statSync(join(segmentPath(directory, first), DATA_FILE), { throwIfNoEntry: false })?.blocks ?? 0) * 512, 0);
  }

  private environment(path: string): Store {
    const { mapBytes, readOnly } = this.options;
    return openLmdbStore({ directory: path, mapBytes, pageBytes: PAGE_BYTES, readOnly });
  }
}

/** Removes a segment that nobody has mapped. */
async function removeInPieces(path: string): Promise<void> {
  const file = join(path, DATA_FILE);
  let { size } = await stat(file);
  while (size > REMOVED_BYTES_AT_ONCE) {
    size -= REMOVED_BYTES_AT_ONCE;
    await truncate(file, size);
    await pause(REMOVAL_PAUSE_MS, undefined, { ref: false });
  }
  await rm(path, { recursive: true, force: true });
}

/** Writes a file, or nothing to a directory, and waits until it is on disk. */
async function durably(path: string, flags: 'wx' | 'r', bytes: Buffer | null): Promise<void> {
  const file = await open(path, flags);
  try {
    if (bytes !== null) await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Also when it is not there. */
function isEmptyFile(path: string): boolean {
  return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0;
}

/** False in an environment that was made and no more; only where it is opened to read. */
function hasTable(store: Store): boolean {
  try {
    store.table(SEGMENT_TABLE);
    return true;
  } catch (error) {
    store.close().catch(() => {});
    if (error instanceof OperationalError && error.code === 'storage_failed') return false;
    throw error;
  }
}

function diskFull(cause?: unknown): OperationalError {
  return new OperationalError('storage_full', 'the disk that holds the data directory is full; free space on it', { retryable: true, cause });
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
