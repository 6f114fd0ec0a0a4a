import { crc32 } from 'node:zlib';
import type { Database } from 'lmdb';
import type { CommitMemory } from './commit-memory.ts';
import { OperationalError } from './errors.ts';
import type { Entry, Table } from './store.ts';

/** A table of an LMDB environment, each of whose values ends with a checksum over its key and itself (lmdb-store.ts). */

const CHECKSUM_BYTES = 4;

/** Of the next commit. */
export interface Change {
  table: LmdbTable;
  key: Uint8Array;
  /** null removes. */
  value: Uint8Array | null;
}

/** What a table asks of the store that it is in. */
export interface TableOwner {
  queue(change: Change): void;
  /** The table is about to be read. */
  waitForPagesOf(table: string): void;
  /** An entry was read. */
  wasRead(): void;
  /** Between these somebody reads a range: the environment must stay open. */
  rangeBegins(): void;
  rangeEnds(): void;
}

export class LmdbTable implements Table {
  readonly name: string;
  private database: Database<Buffer, Buffer>;
  private readonly store: TableOwner;
  /** What `get` gave last. */
  private borrowed: Uint8Array = new Uint8Array(0);
  /** … and in what of lmdb-js' it lies. */
  private found: Uint8Array | null = null;

  constructor(name: string, database: Database<Buffer, Buffer>, store: TableOwner) {
    this.name = name;
    this.database = database;
    this.store = store;
  }

  /** The environment was opened anew. */
  move(database: Database<Buffer, Buffer>): void {
    this.database = database;
    this.borrowed = new Uint8Array(0);
    this.found = null;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const found = this.read(key as Buffer);
    if (found === undefined) return undefined;
    // lmdb-js hands out one 16 MiB buffer whose `length` alone is set to the value's: copying or slicing it would take all of it.
    const { length } = found;
    if (length < CHECKSUM_BYTES) throw this.damaged(key);
    // Entries of a table are often as long as the one before, and what was handed out before is void: making an object for each costs as much as reading it, and asking for the memory of one a fifth.
    let value = this.borrowed;
    if (found !== this.found || value.length !== length - CHECKSUM_BYTES) {
      this.found = found;
      this.borrowed = value = new Uint8Array(found.buffer, found.byteOffset, length - CHECKSUM_BYTES);
    }
    if (checksumAt(found, value.length) !== checksumOf(key, value)) throw this.damaged(key);
    return value;
  }

  private read(key: Buffer): Buffer | undefined {
    this.store.waitForPagesOf(this.name);
    this.store.wasRead();
    try {
      return this.database.getBinaryFast(key);
    } catch (cause) {
      throw damageError(cause) ?? cause;
    }
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.store.queue({ table: this, key: Buffer.from(key), value });
  }

  remove(key: Uint8Array): void {
    this.store.queue({ table: this, key: Buffer.from(key), value: null });
  }

  /** Hands a queued change to LMDB, its value in `memory`; gives the promise of its transaction. */
  write(key: Uint8Array, value: Uint8Array | null, memory: CommitMemory): Promise<boolean> {
    return value === null ? this.database.remove(key as Buffer) : this.database.put(key as Buffer, withChecksum(key, value, memory));
  }

  count(): number {
    return (this.database.getStats() as { entryCount: number }).entryCount;
  }

  *keys(from: Uint8Array, to: Uint8Array): Iterable<Uint8Array> {
    this.store.waitForPagesOf(this.name);
    this.store.rangeBegins();
    try {
      for (const key of this.database.getKeys({ start: from as Buffer, end: to as Buffer })) yield key as Uint8Array;
    } catch (cause) {
      throw damageError(cause) ?? cause;
    } finally {
      this.store.rangeEnds();
    }
  }

  *range(from: Uint8Array, to: Uint8Array, options: { reverse?: boolean; limit?: number } = {}): Iterable<Entry> {
    this.store.waitForPagesOf(this.name);
    const reverse = options.reverse ?? false;
    // In reverse lmdb-js starts at `start` and walks down to `end`; [from, to) keeps its meaning here.
    const range = reverse
      ? this.database.getRange({ start: to as Buffer, end: from as Buffer, reverse: true, exclusiveStart: true, inclusiveEnd: true, limit: options.limit })
      : this.database.getRange({ start: from as Buffer, end: to as Buffer, limit: options.limit });
    this.store.rangeBegins();
    try {
      for (const { key, value } of range) {
        this.store.wasRead();
        yield { key, value: this.checked(key, value) };
      }
    } catch (cause) {
      throw damageError(cause) ?? cause;
    } finally {
      this.store.rangeEnds();
    }
  }

  /** The value without its checksum, in the same memory. Throws OperationalError `corrupt` when that is not the one it should have. */
  private checked(key: Uint8Array, stored: Uint8Array): Uint8Array {
    const end = stored.length - CHECKSUM_BYTES;
    if (end >= 0) {
      const value = stored.subarray(0, end);
      if (checksumAt(stored, end) === checksumOf(key, value)) return value;
    }
    throw this.damaged(key);
  }

  private damaged(key: Uint8Array): OperationalError {
    return new OperationalError('corrupt', `table "${this.name}" has an entry ${Buffer.from(key).toString('hex')} that fails its checksum`);
  }
}

/** Of a store that is only read: a table that it never made. */
export const NO_TABLE: Table = {
  get: () => undefined,
  put: () => refuseToWrite(),
  remove: () => refuseToWrite(),
  count: () => 0,
  range: () => [],
  keys: () => [],
};

function refuseToWrite(): never {
  throw new OperationalError('storage_failed', 'the store is open to be read alone');
}

function withChecksum(key: Uint8Array, value: Uint8Array, memory: CommitMemory): Buffer {
  const stored = memory.take(value.length + CHECKSUM_BYTES);
  stored.set(value);
  stored.writeUInt32LE(checksumOf(key, value), value.length);
  return stored;
}

function checksumAt(stored: Uint8Array, at: number): number {
  return (stored[at] | (stored[at + 1] << 8) | (stored[at + 2] << 16) | (stored[at + 3] << 24)) >>> 0;
}

/** Begins with the key's length: a byte that goes over from the one to the other does not pass. */
function checksumOf(key: Uint8Array, value: Uint8Array): number {
  return crc32(value, crc32(key, key.length));
}

/** LMDB's words for pages that are not what they should be, as an OperationalError `corrupt`; null for any other error. */
export function damageError(cause: unknown): OperationalError | null {
  const message = cause instanceof Error ? cause.message : String(cause);
  return /MDB_(CORRUPTED|PAGE_NOTFOUND|INVALID|PANIC|BAD_TXN|CURSOR_FULL)/.test(message) ? new OperationalError('corrupt', `the store is damaged: ${message}`, { cause }) : null;
}
