import { statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as lmdb from 'lmdb';
import { open, type Database, type RootDatabase } from 'lmdb';
import { CommitMemory } from './commit-memory.ts';
import { OperationalError } from './errors.ts';
import { checkDataFile } from './lmdb-data-file.ts';
import { damageError, LmdbTable, NO_TABLE, type Change, type TableOwner } from './lmdb-table.ts';
import { MappedMemory } from './mapped-memory.ts';
import type { PageCheck } from './page-check.ts';
import type { Store, Table } from './store.ts';

/**
 * LMDB behind the Store port; the only file, with that of its tables, that imports lmdb.
 *
 * LMDB has no checksums. So each value ends with one over its key and itself, little endian, which every read checks and takes away. The table TABLE_NAMES holds
 * the name of every table that ever had an entry, with such a checksum too: LMDB would take a name that a flipped bit changed for another table, and make
 * the one that is asked for anew, empty. The pages around them are the business of lmdb-pages.ts.
 */

/** Its keys are names of tables. A store without it has values without checksums. */
const TABLE_NAMES = 'tables';

/** Named tables in one environment; LMDB fixes this when it opens. A shard has seventeen, the alerts' store twice as many; each costs a transaction some bytes. */
const TABLES_MAX = 48;
/** No name is longer; what comes after all of them. */
const TABLE_NAME_BYTES_MAX = 64;
/** Snapshots are runs of pages, and LMDB keeps free pages in one sorted list: larger pages make it shorter, smaller ones copy less for each small change (measured; bench/RESULTS.md). */
const PAGE_BYTES = 32_768;

/**
 * Past this much growth of mapped memory the environment is closed and opened again, which unmaps all of it: LMDB itself lets go of pieces only past 8,192 of
 * them, 4 GiB. What is read again is mapped again, from the page cache. It takes 2 ms and 4 more for each 100 MB (measured).
 */
const MAPPED_BYTES_MAX = 32 * 1024 * 1024;
/** LMDB's writer has said that a commit is on disk and still has some steps to do, microseconds of them: the environment must not go yet, ms. */
const WRITER_END_MS = 2;
/** After so many reads somebody looks whether mapped memory has grown: each may map another piece. */
const READS_PER_LOOK = 256;

/**
 * A commit is refused while less than this is free, besides room for what it writes: when a write of LMDB fails for lack of space, lmdb-js 3.5.6 puts its
 * message into a buffer that is too small for it, and the process ends with a damaged heap (seen with `seg prove --fault disk-full`).
 */
const FREE_BYTES_MIN = 4 * 1024 * 1024;
/** A small value copies the pages on its way from the root. */
const PAGES_PER_CHANGE = 3;
/** … which most of them share. */
const SMALL_CHANGES_MAX = 64;

export interface LmdbTables extends Store {
  /** Of all tables that ever had an entry, as on disk. */
  tableNames(): string[];
}

export interface LmdbStoreOptions {
  /** Directory of the environment; made when missing. */
  directory: string;
  readOnly?: boolean;
  /** For a file that stays below this many bytes: it is mapped once, and as a whole. */
  mapBytes?: number;
  /** Of a new file. */
  pageBytes?: number;
  /** Growth of mapped memory after which this store lets go of its own; MAPPED_BYTES_MAX when absent. Not for a file that is mapped as a whole. */
  mappedBytesMax?: number;
  /** A walk over the file's pages that goes on: reads wait for their table's, and commits for all but those of tables that it lets be used early. Absent: they are known to be sound. */
  pageCheck?: PageCheck;
}

/**
 * Opens (or makes) an environment. Throws OperationalError `corrupt` when its file was cut short or a table is missing, `format` when its values have no checksums,
 * `storage_failed` when it is not an LMDB environment. LMDB may end the process over a damaged page: lmdb-pages.ts finds those first.
 */
export function openLmdbStore(options: LmdbStoreOptions): LmdbTables {
  options.pageCheck?.waitForTable(TABLE_NAMES);
  const store = new LmdbStore(openRoot(options), options);
  try {
    store.keepWalkedPages();
    store.checkTables();
  } catch (error) {
    store.close().catch(() => {});
    throw error;
  }
  return store;
}

function openRoot(options: LmdbStoreOptions & { mapWhole?: boolean }): RootDatabase<Buffer, Buffer> {
  checkDataFile(join(options.directory, 'data.mdb'), options.readOnly ?? false);
  try {
    return open<Buffer, Buffer>({
      path: options.directory,
      // A directory even if its name has a dot in it.
      noSubdir: false,
      maxDbs: TABLES_MAX,
      readOnly: options.readOnly ?? false,
      encoding: 'binary',
      keyEncoding: 'binary',
      // A put's promise then means "on disk"; also faster here than overlapping (shared FACTS, measured).
      overlappingSync: false,
      pageSize: options.pageBytes ?? PAGE_BYTES,
      // Maps what is read in pieces and lets them go again; otherwise the whole file counts as resident memory in time.
      remapChunks: !(options.mapWhole ?? options.mapBytes !== undefined),
      ...(options.mapBytes === undefined ? {} : { mapSize: options.mapBytes }),
      // Pages are overwritten in full before they are written out.
      noMemInit: true,
    });
  } catch (cause) {
    throw damageError(cause) ?? new OperationalError('storage_failed', `cannot open the store at ${options.directory}: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Copies an environment as it is at this moment into the existing, empty directory `to`; another process may be writing to it, and does not
 * wait. Everything it had committed before the call is in the copy. Throws OperationalError `storage_full` or `storage_failed`.
 */
export async function copyLmdbStore(from: string, to: string): Promise<void> {
  // LMDB copies out of the map: pieces that are not mapped would end it with "Bad address".
  const root = openRoot({ directory: from, readOnly: true, mapWhole: true });
  try {
    // lmdb-js has no type for it on the root.
    await (root as unknown as { backup(path: string, compact: boolean): Promise<void> }).backup(to, false);
  } catch (cause) {
    const error = commitError(cause);
    throw error.code === 'storage_full' ? error : new OperationalError('storage_failed', `the store at ${from} could not be copied: ${(cause as Error).message}`, { cause });
  } finally {
    await root.close();
    forget(root);
  }
}

class LmdbStore implements LmdbTables, TableOwner {
  private root: RootDatabase<Buffer, Buffer>;
  private readonly options: LmdbStoreOptions;
  private readonly dataFile: string;
  private readonly tables = new Map<string, LmdbTable>();
  private readonly pageBytes: number;
  private readonly directory: string;
  private readonly readOnly: boolean;
  /** null: mapped as a whole, for as long as it is open. */
  private readonly mapped: MappedMemory | null;
  /** What keeps the environment from being opened anew: commits that are not finished, and ranges that somebody still reads. */
  private commitsUnderWay = 0;
  private commitEndedMs = -Infinity;
  private rangesOpen = 0;
  private readsUntilLook = READS_PER_LOOK;
  /** Too much is mapped, and it is not time to let go of it. */
  private laterLook: NodeJS.Timeout | null = null;
  private isClosed = false;
  /** Tables whose names are in TABLE_NAMES on disk. */
  private readonly named = new Set<string>();
  private queued: Change[] = [];
  private queuedBytes = 0;
  /** For the next commit; null while one is under way. */
  private memory: CommitMemory | null = null;
  /** null once all pages are known to be sound that somebody waits for. */
  private pageCheck: PageCheck | null;
  private letWalkedPagesGo: () => void = () => {};

  constructor(root: RootDatabase<Buffer, Buffer>, options: LmdbStoreOptions) {
    const { directory, pageBytes = PAGE_BYTES, readOnly = false, mapBytes, mappedBytesMax = MAPPED_BYTES_MAX, pageCheck = null } = options;
    this.pageCheck = pageCheck;
    this.root = root;
    this.options = options;
    this.mapped = mapBytes === undefined ? new MappedMemory(mappedBytesMax) : null;
    this.directory = directory;
    this.pageBytes = pageBytes;
    this.readOnly = readOnly;
    this.dataFile = join(directory, 'data.mdb');
  }

  /** Holds the tables there are against their names. Throws as openLmdbStore does. */
  checkTables(): void {
    const found = this.foundTables();
    // New, and to read alone it stays without a table.
    if (found.length === 0 && this.readOnly) return;
    if (found.length > 0 && !found.includes(TABLE_NAMES)) throw new OperationalError('format', `the values of the store at ${this.dataFile} have no checksums, as those of older engines; use the engine that wrote it`);
    for (const { key } of this.table(TABLE_NAMES).range(Buffer.alloc(1), Buffer.alloc(TABLE_NAME_BYTES_MAX, 255))) this.named.add(Buffer.from(key).toString('latin1'));
    for (const name of this.named) if (!found.includes(name)) throw new OperationalError('corrupt', `the store at ${this.dataFile} has lost its table "${name}"`);
    // A table is made before its first entry, and named with it.
    const stray = found.find((name) => name !== TABLE_NAMES && !this.named.has(name) && this.tableOf(name).count() > 0);
    if (stray !== undefined) throw new OperationalError('corrupt', `the store at ${this.dataFile} has a table "${stray}" that it never made`);
  }

  private foundTables(): string[] {
    try {
      // LMDB ends names with a zero byte.
      return [...this.root.getKeys()].map((key) => Buffer.from(key as unknown as Uint8Array).toString('latin1').replace(/\0$/, ''));
    } catch (cause) {
      throw damageError(cause) ?? cause;
    }
  }

  table(name: string): Table {
    // An older engine knew fewer tables. One that was lost is noticed before.
    if (this.readOnly && !this.named.has(name) && name !== TABLE_NAMES) return NO_TABLE;
    return this.tableOf(name);
  }

  tableNames(): string[] {
    return [...this.named];
  }

  private tableOf(name: string): LmdbTable {
    let table = this.tables.get(name);
    if (table === undefined) {
      const database = this.openTable(name);
      // Only where it may not be made: read-only.
      if (database === undefined) throw new OperationalError('storage_failed', `the store at ${this.dataFile} has no table "${name}"`);
      table = new LmdbTable(name, database, this);
      this.tables.set(name, table);
    }
    return table;
  }

  private openTable(name: string): Database<Buffer, Buffer> | undefined {
    try {
      return this.root.openDB<Buffer, Buffer>({ name, encoding: 'binary', keyEncoding: 'binary' });
    } catch (cause) {
      throw damageError(cause) ?? cause;
    }
  }

  async commit(): Promise<void> {
    const { queued } = this;
    if (queued.length === 0) return;
    this.waitForCheck();
    const bytes = this.queuedBytes + Math.min(queued.length * PAGES_PER_CHANGE, SMALL_CHANGES_MAX) * this.pageBytes;
    this.queued = [];
    this.queuedBytes = 0;
    const { bavail, bsize } = statfsSync(this.directory);
    if (bavail * bsize < FREE_BYTES_MIN + bytes) throw storageFull();
    this.commitsUnderWay++;
    try {
      await this.write(queued);
    } finally {
      this.commitsUnderWay--;
      this.commitEndedMs = performance.now();
    }
    await this.letGo();
  }

  private async write(queued: Change[]): Promise<void> {
    // lmdb-js hands out one promise per transaction, so this stays small.
    const written = new Set<Promise<boolean>>();
    const unnamed = new Set<string>();
    for (const { table } of queued) if (!this.named.has(table.name)) unnamed.add(table.name);
    const memory = this.memory ?? new CommitMemory();
    this.memory = null;
    for (const name of unnamed) written.add(this.tableOf(TABLE_NAMES).write(Buffer.from(name, 'latin1'), Buffer.alloc(0), memory));
    for (const { table, key, value } of queued) written.add(table.write(key, value, memory));
    try {
      await Promise.all(written);
    } catch (cause) {
      throw commitError(cause);
    }
    memory.clear();
    this.memory = memory;
    for (const name of unnamed) this.named.add(name);
  }

  /** For its tables. */
  queue(change: Change): void {
    this.queued.push(change);
    this.queuedBytes += change.value?.length ?? 0;
  }

  // Pages that are walked meanwhile ------------------------------------------------------------------------------------------

  /** A walk that goes on beside commits must find its pages as they were: what reads one state of the environment keeps them from being used again. */
  keepWalkedPages(): void {
    const { pageCheck } = this.options;
    if (pageCheck?.goesOn !== true) return;
    const state = this.root.useReadTransaction();
    this.rangesOpen++;
    this.letWalkedPagesGo = () => {
      this.letWalkedPagesGo = () => {};
      this.rangesOpen--;
      state.done();
    };
    const release = (): void => this.letWalkedPagesGo();
    pageCheck.rest().then(release, release);
  }

  waitForCheck(): void {
    const { pageCheck } = this;
    if (pageCheck === null) return;
    pageCheck.waitForAll();
    this.pageCheck = null;
    if (!pageCheck.goesOn) return;
    this.letReadPagesGo();
    pageCheck.goOn();
  }

  /** A recovery reads in one turn, of a large fleet two gigabytes of mapped files, which none could let go while the walk goes on. Nothing was committed yet, so the state that the walk follows is still the newest. */
  private letReadPagesGo(): void {
    if (this.mapped === null) return;
    this.letWalkedPagesGo();
    this.openAnew();
    this.keepWalkedPages();
  }

  /** For its tables: one is about to be read. */
  waitForPagesOf(table: string): void {
    if (this.pageCheck === null) return;
    this.pageCheck.waitForTable(table);
    // Without commits nobody else would see that it is over.
    if (this.pageCheck.isWhole) this.waitForCheck();
  }

  // Mapped memory ----------------------------------------------------------------------------------------------------------

  /** For its tables: an entry was read. */
  wasRead(): void {
    if (--this.readsUntilLook > 0) return;
    this.readsUntilLook = READS_PER_LOOK;
    if (this.mapped?.wasLookedAt === false) this.look();
  }

  /** Nobody may read or write for a long time, so a timer sees to it. What is thrown there ends the thread: a store that cannot be opened again is of no use to anybody. */
  private look(): void {
    const dueInMs = this.mapped!.dueInMs();
    if (dueInMs === 0) setTimeout(() => this.openAnew(), WRITER_END_MS).unref();
    else if (dueInMs < Infinity) this.laterLook ??= setTimeout(() => this.lookLater(), dueInMs).unref();
  }

  private lookLater(): void {
    this.laterLook = null;
    if (!this.isClosed) this.look();
  }

  /** For its tables. */
  rangeBegins(): void {
    this.rangesOpen++;
  }

  rangeEnds(): void {
    this.rangesOpen--;
  }

  /** Opens the environment anew when too much is mapped. After a commit no time is waited for: at full load its files would be resident with 278 MB at the highest instead of 155, and a commit is waited for anyway. */
  private async letGo(): Promise<void> {
    const { mapped } = this;
    if (mapped === null || mapped.wasLookedAt || mapped.dueInMs() === Infinity) return;
    await new Promise((resolve) => setTimeout(resolve, WRITER_END_MS + 1));
    this.openAnew();
  }

  /**
   * Unmaps everything, unless somebody is at it; in one turn, so that nobody finds it closed. Nothing that was handed out lies in mapped memory: lmdb-js copies values
   * of a file that is mapped in pieces.
   */
  private openAnew(): void {
    if (this.isClosed || this.commitsUnderWay > 0 || this.rangesOpen > 0 || performance.now() - this.commitEndedMs < WRITER_END_MS) return;
    closeNow(this.root);
    this.root = openRoot(this.options);
    for (const table of this.tables.values()) table.move(this.openTable(table.name)!);
    this.mapped!.released();
  }

  sizeBytes(): number {
    try {
      // Blocks, not length: the file is sparse where LMDB has not written yet.
      return statSync(this.dataFile).blocks * 512;
    } catch {
      return 0;
    }
  }

  async close(): Promise<void> {
    await this.commit();
    this.isClosed = true;
    this.letWalkedPagesGo();
    this.options.pageCheck?.goOn();
    await this.root.close();
    forget(this.root);
  }
}

/** lmdb-js keeps every database that was ever opened in a list, with the 125 KB of memory that it writes from: a segment of the log each second. */
function forget(root: RootDatabase<Buffer, Buffer>): void {
  const { env } = root as unknown as Native;
  const { allDbs } = lmdb as unknown as { allDbs: Map<string, Native> };
  for (const [name, database] of allDbs) if (database.env === env) allDbs.delete(name);
}

/** What lmdb-js 3.5.6 has no types for. */
interface Native {
  env: { address: number; close(): void };
  status: 'open' | 'closing' | 'closed';
}

/** Closes an environment that nobody is writing to. Was anything written, `close` of lmdb-js takes some turns of the microtasks, in which reads would fail; what it does then is in vain. */
function closeNow(root: RootDatabase<Buffer, Buffer>): void {
  void root.close();
  const { env, status } = root as unknown as Native;
  if (status === 'closing') {
    env.address = 0;
    env.close();
  }
  forget(root);
}

function storageFull(cause?: unknown): OperationalError {
  return new OperationalError('storage_full', 'the disk that holds the data directory is full; free space on it', { retryable: true, cause });
}

function commitError(cause: unknown): OperationalError {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (/MDB_MAP_FULL|ENOSPC|No space left|EDQUOT|quota/i.test(message)) {
    return storageFull(cause);
  }
  return new OperationalError('storage_failed', `the store could not commit: ${message}`, { cause });
}
