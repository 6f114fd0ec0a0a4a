import { OperationalError } from './errors.ts';
import type { Entry, Store, Table } from './store.ts';

/** A Store in memory for simulations: the semantics of lmdb-store.ts, and a disk that can be slow, fill up and lose its process. */

export interface MemoryStoreOptions {
  /** Resolves when the disk has taken a commit; absent, that is at the end of the turn of the event loop. */
  takeCommit?: () => Promise<void>;
  /** Of the commits to come, the first first; shared by the stores of one disk. */
  failures?: CommitFailure[];
}

/** How a commit can be made to fail; the codes of Store.commit. */
export type CommitFailure = 'storage_full' | 'storage_failed';

/** Borrowed values lie here until the next read; grows to the largest. */
const SCRATCH_BYTES_MIN = 4_096;
/** What a borrowed value turns into at the next read: somebody who still holds it sees nonsense, not by luck the right bytes. */
const STALE_BYTE = 0xdb;

interface Change {
  table: MemoryTable;
  key: string;
  /** null removes. */
  value: Uint8Array | null;
}

export class MemoryStore implements Store {
  private readonly options: MemoryStoreOptions;
  private readonly tables = new Map<string, MemoryTable>();
  private readonly scratch = new Scratch();
  private queued: Change[] = [];
  /** Commits the disk has not finished, oldest first. */
  private readonly underWay: Change[][] = [];
  private lastCommit: Promise<void> = Promise.resolve();
  private readonly failures: CommitFailure[];
  private isGone = false;

  constructor(options: MemoryStoreOptions = {}) {
    this.options = options;
    this.failures = options.failures ?? [];
  }

  table(name: string): Table {
    return this.tableOf(name);
  }

  commit(): Promise<void> {
    const changes = this.queued;
    if (changes.length === 0) return Promise.resolve();
    this.queued = [];
    this.underWay.push(changes);
    // One after another, as LMDB's single writer; a failed commit does not fail the next.
    const finished = this.lastCommit.catch(() => {}).then(() => this.finish(changes));
    this.lastCommit = finished;
    return finished;
  }

  sizeBytes(): number {
    let bytes = 0;
    for (const table of this.tables.values()) bytes += table.sizeBytes();
    return bytes;
  }

  async close(): Promise<void> {
    await this.commit();
    // One that failed was told so.
    await this.lastCommit.catch(() => {});
  }

  /** The next `commits` commits fail with `code`, and nothing of them is kept. */
  failNext(code: CommitFailure, commits = 1): void {
    for (let i = 0; i < commits; i++) this.failures.push(code);
  }

  /** Failures still to come do not: there is space again. */
  stopFailing(): void {
    this.failures.length = 0;
  }

  /**
   * The process dies: gives the store as the next process finds it, and lets no commit of this one end. Commits that had not finished
   * are `lost`, or `kept`: on disk, though nobody was told.
   */
  crash(underWay: 'lost' | 'kept' = 'lost', options: MemoryStoreOptions = { takeCommit: this.options.takeCommit }): MemoryStore {
    if (underWay === 'kept') for (const changes of this.underWay) if (this.failures.length === 0) apply(changes);
    this.isGone = true;
    const next = new MemoryStore(options);
    next.take(this);
    return next;
  }

  /** Holds what `other` has committed. */
  take(other: MemoryStore): void {
    for (const [name, table] of other.tables) this.tableOf(name).copyFrom(table);
  }

  private async finish(changes: Change[]): Promise<void> {
    await (this.options.takeCommit ?? turnEnd)();
    // A dead process hears nothing.
    if (this.isGone) return new Promise(() => {});
    this.underWay.shift();
    const failure = this.failures.shift();
    if (failure !== undefined) throw new OperationalError(failure, `the store was told to fail with ${failure}`, { retryable: failure === 'storage_full' });
    apply(changes);
  }

  private tableOf(name: string): MemoryTable {
    let table = this.tables.get(name);
    if (table === undefined) {
      table = new MemoryTable(this.scratch, (change) => this.queued.push(change));
      this.tables.set(name, table);
    }
    return table;
  }
}

function apply(changes: readonly Change[]): void {
  for (const { table, key, value } of changes) table.set(key, value);
}

/** Keys are held as latin1 text, whose order is that of the bytes. */
class MemoryTable implements Table {
  private readonly values = new Map<string, Uint8Array>();
  /** All keys in order; null when it has to be made anew. */
  private sortedKeys: string[] | null = [];
  private readonly scratch: Scratch;
  private readonly onQueued: (change: Change) => void;

  constructor(scratch: Scratch, onQueued: (change: Change) => void) {
    this.scratch = scratch;
    this.onQueued = onQueued;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.scratch.lend(this.values.get(textOf(key)));
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.onQueued({ table: this, key: textOf(key), value });
  }

  remove(key: Uint8Array): void {
    this.onQueued({ table: this, key: textOf(key), value: null });
  }

  count(): number {
    return this.values.size;
  }

  *keys(from: Uint8Array, to: Uint8Array): Iterable<Uint8Array> {
    for (const key of this.keysIn(from, to)) yield Buffer.from(key, 'latin1');
  }

  *range(from: Uint8Array, to: Uint8Array, options: { reverse?: boolean; limit?: number } = {}): Iterable<Entry> {
    const found = this.keysIn(from, to);
    if (options.reverse) found.reverse();
    // What was there when the walk began: a commit that ends meanwhile changes nothing in it.
    const entries = found.slice(0, options.limit).map((key) => ({ key, value: this.values.get(key)! }));
    for (const { key, value } of entries) {
      this.scratch.lend(undefined);
      yield { key: Buffer.from(key, 'latin1'), value: new Uint8Array(value) };
    }
  }

  private keysIn(from: Uint8Array, to: Uint8Array): string[] {
    const keys = (this.sortedKeys ??= [...this.values.keys()].sort(byCodeUnit));
    const first = firstNotBefore(keys, textOf(from));
    const end = firstNotBefore(keys, textOf(to));
    return keys.slice(first, Math.max(first, end));
  }

  /** On disk: takes a copy of the value. */
  set(key: string, value: Uint8Array | null): void {
    if (value === null) {
      if (this.values.delete(key)) this.sortedKeys = null;
      return;
    }
    if (!this.values.has(key)) this.sortedKeys = null;
    this.values.set(key, new Uint8Array(value));
  }

  copyFrom(other: MemoryTable): void {
    for (const [key, value] of other.values) this.set(key, value);
  }

  sizeBytes(): number {
    let bytes = 0;
    for (const [key, value] of this.values) bytes += key.length + value.length;
    return bytes;
  }
}

/** Where borrowed values lie: one buffer, overwritten by the next read. */
class Scratch {
  private bytes = new Uint8Array(SCRATCH_BYTES_MIN);
  private used = 0;

  lend(value: Uint8Array | undefined): Uint8Array | undefined {
    this.bytes.fill(STALE_BYTE, 0, this.used);
    this.used = 0;
    if (value === undefined) return undefined;
    if (value.length > this.bytes.length) this.bytes = new Uint8Array(value.length * 2);
    this.bytes.set(value);
    this.used = value.length;
    return this.bytes.subarray(0, value.length);
  }
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function firstNotBefore(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle] < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function turnEnd(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
