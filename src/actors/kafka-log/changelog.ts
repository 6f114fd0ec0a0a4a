import { OperationalError } from '../../runtime/errors.ts';
import type { Entry, Store, Table } from '../../runtime/store.ts';
import type { KeyValue } from './key-values.ts';

/**
 * A partition's tables as a changelog: every commit goes first, as one transaction, to the partition's end of the topic `seg_state`, then into the local store, which
 * remembers up to where it has the changelog. So the local store is a prefix of the changelog, never ahead of it, and whoever takes the partition next brings a
 * store of its own, old or empty, to the same state by reading on.
 *
 * A message's key is the table's name, a zero byte and the entry's key; its value the entry's, or none where the entry is removed. The topic is compacted, so it holds the
 * newest of each key: as much as the tables do.
 */

/** The partition's end of `seg_state`, opened for this node alone. */
export interface StateLog {
  /**
   * Adds the changes, all or none; resolves with the offset behind them. Rejects with OperationalError `fenced` when somebody else has taken the partition, or when nobody can
   * say what became of the changes: then the partition has to be taken anew.
   */
  commit(changes: readonly KeyValue[]): Promise<number>;
  /** What is in it from `offset` on; `next` is the offset to go on from. `changes` is empty at the end. */
  read(offset: number): Promise<{ changes: KeyValue[]; next: number; isEnd: boolean }>;
}

/** Up to where the local store has the changelog. */
export interface StatePlace {
  /** The first offset that it has not. */
  offset: number;
  /** When that was so, on the wall clock: removals are forgotten by the topic in time. */
  atMs: number;
}

const PLACE_TABLE = 'changelog';
const PLACE_KEY = Buffer.from('place');
/** Ends the name of a table in a key: no name has it. */
const NAME_END = 0;

export class ChangelogStore implements Store {
  private readonly local: Store;
  private readonly log: StateLog;
  private readonly now: () => number;
  private readonly tables = new Map<string, LoggedTable>();
  private queued: { table: string; key: Uint8Array; value: Uint8Array | null }[] = [];
  private lastCommit: Promise<void> = Promise.resolve();
  private isClosed = false;

  /** Takes over `local`, which `restoreState` has brought to the changelog's end. */
  constructor(local: Store, log: StateLog, now: () => number) {
    this.local = local;
    this.log = log;
    this.now = now;
  }

  table(name: string): Table {
    let table = this.tables.get(name);
    if (table === undefined) {
      table = new LoggedTable(this.local.table(name), (key, value) => this.queued.push({ table: name, key: Buffer.from(key), value }));
      this.tables.set(name, table);
    }
    return table;
  }

  /** As Store.commit; rejects with `fenced` besides. After any failure the store is not to be written to again: what of it is in the changelog only the next to open it finds out. */
  commit(): Promise<void> {
    const changes = this.queued;
    if (changes.length === 0) return this.lastCommit;
    this.queued = [];
    this.lastCommit = this.lastCommit.then(() => this.write(changes));
    // Whoever asked for it hears of it.
    this.lastCommit.catch(() => {});
    return this.lastCommit;
  }

  private async write(changes: readonly { table: string; key: Uint8Array; value: Uint8Array | null }[]): Promise<void> {
    const offset = await this.log.commit(changes.map(({ table, key, value }) => ({ key: stateKey(table, key), value })));
    // It took too long for whoever closed it; the changelog has it.
    if (this.isClosed) throw new OperationalError('stopping', 'the store was closed meanwhile', { retryable: true });
    for (const { table, key, value } of changes) put(this.local.table(table), key, value);
    putPlace(this.local, { offset, atMs: this.now() });
    try {
      await this.local.commit();
    } catch (cause) {
      // The changelog has it and the store has not: the same step again would be another one.
      throw new OperationalError('local_state', `the partition's state could not be written to the local disk: ${(cause as Error).message}`, { cause });
    }
  }

  sizeBytes(): number {
    return this.local.sizeBytes();
  }

  /** Does not wait for what the changelog has not taken. */
  close(): Promise<void> {
    this.isClosed = true;
    return this.local.close();
  }
}

class LoggedTable implements Table {
  private readonly local: Table;
  private readonly onQueued: (key: Uint8Array, value: Uint8Array | null) => void;

  constructor(local: Table, onQueued: (key: Uint8Array, value: Uint8Array | null) => void) {
    this.local = local;
    this.onQueued = onQueued;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.local.get(key);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.onQueued(key, value);
  }

  remove(key: Uint8Array): void {
    this.onQueued(key, null);
  }

  count(): number {
    return this.local.count();
  }

  keys(from: Uint8Array, to: Uint8Array): Iterable<Uint8Array> {
    return this.local.keys(from, to);
  }

  range(from: Uint8Array, to: Uint8Array, options?: { reverse?: boolean; limit?: number }): Iterable<Entry> {
    return this.local.range(from, to, options);
  }
}

/** Up to where a store has the changelog; null when it has nothing of it. */
export function statePlace(local: Store): StatePlace | null {
  const found = local.table(PLACE_TABLE).get(PLACE_KEY);
  return found === undefined ? null : (JSON.parse(Buffer.from(found).toString()) as StatePlace);
}

function putPlace(local: Store, place: StatePlace): void {
  local.table(PLACE_TABLE).put(PLACE_KEY, Buffer.from(JSON.stringify(place)));
}

/** Brings a store from `offset` to the end of the changelog. Returns how many changes that took. Throws what reads and commits throw. */
export async function restoreState(local: Store, log: StateLog, offset: number, now: () => number): Promise<number> {
  let restored = 0;
  for (let from = offset; ; ) {
    const { changes, next, isEnd } = await log.read(from);
    for (const { key, value } of changes) {
      const place = placeOfKey(key);
      put(local.table(place.table), place.key, value);
    }
    putPlace(local, { offset: next, atMs: now() });
    await local.commit();
    restored += changes.length;
    if (isEnd) return restored;
    from = next;
  }
}

function put(table: Table, key: Uint8Array, value: Uint8Array | null): void {
  if (value === null) table.remove(key);
  else table.put(key, value);
}

export function stateKey(table: string, key: Uint8Array): Buffer {
  const name = Buffer.from(table, 'latin1');
  return Buffer.concat([name, Buffer.of(NAME_END), key]);
}

export function placeOfKey(stateKeyBytes: Uint8Array): { table: string; key: Uint8Array } {
  const end = stateKeyBytes.indexOf(NAME_END);
  if (end <= 0) throw new OperationalError('corrupt', 'seg_state holds a message that no engine wrote');
  return { table: Buffer.from(stateKeyBytes.subarray(0, end)).toString('latin1'), key: stateKeyBytes.subarray(end + 1) };
}
