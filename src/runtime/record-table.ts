import { Packr, Unpackr } from 'msgpackr';
import type { Store, Table } from './store.ts';

/** Records of one shape in a table of a store, as MessagePack, under keys that are strings. For supervisors: hundreds of records a second, not millions. */

/** Names of fields in every record: a table is readable without the process that wrote it. */
const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false });
/** Before every key, as LMDB takes no empty one. */
const BEFORE_ALL = Buffer.alloc(1);
/** LMDB takes none that is longer, with pages of 4 KiB. */
const KEY_BYTES_MAX = 1_978;
/** After every key: keys are UTF-8, which has no byte above 0xf4. */
const AFTER_ALL = Buffer.alloc(1, 0xff);

export interface KeyedRecord<T> {
  key: string;
  record: T;
}

export class RecordTable<T> {
  private readonly table: Table;

  constructor(store: Store, name: string) {
    this.table = store.table(name);
  }

  /** Queued for the store's next commit. */
  put(key: string, record: T): void {
    this.table.put(Buffer.from(key), packr.pack(record));
  }

  /** Queued for the store's next commit. */
  remove(key: string): void {
    this.table.remove(Buffer.from(key));
  }

  /** As committed. Nothing is under a name that no key can have: who asks may name anything, and LMDB throws at those. */
  get(key: string): T | null {
    const bytes = Buffer.from(key);
    if (bytes.length === 0 || bytes.length > KEY_BYTES_MAX) return null;
    const value = this.table.get(bytes);
    return value === undefined ? null : (unpackr.unpack(value) as T);
  }

  count(): number {
    return this.table.count();
  }

  /** Of the committed records with `from` ≤ key < `to`, in order; their values are not read. */
  keys(from: string, to: string): string[] {
    const keys: string[] = [];
    for (const key of this.table.keys(boundOf(from), boundOf(to))) keys.push(Buffer.from(key).toString());
    return keys;
  }

  /** Committed records with `from` ≤ key < `to` (all when absent), in the order of UTF-8 bytes, or the other way round. */
  *range(options: { from?: string; to?: string; reverse?: boolean; limit?: number } = {}): Generator<KeyedRecord<T>> {
    const { from, to, reverse, limit } = options;
    for (const { key, value } of this.table.range(from === undefined ? BEFORE_ALL : boundOf(from), to === undefined ? AFTER_ALL : boundOf(to), { reverse, limit })) {
      yield { key: Buffer.from(key).toString(), record: unpackr.unpack(value) as T };
    }
  }
}

/** Where a range begins or ends: a longer key than any lies where its beginning does. */
function boundOf(key: string): Uint8Array {
  return Buffer.from(key).subarray(0, KEY_BYTES_MAX);
}

/** A time, or a number that only rises, as the part of a key that sorts: 11 digits of base 36, enough for 2^53. */
export function sortableNumber(value: number): string {
  return value.toString(36).padStart(11, '0');
}
