import { RecordTable, type KeyedRecord } from './record-table.ts';
import type { Store } from './store.ts';

/**
 * Tables of a supervisor whose records are too many for memory: what a turn changes is seen by the rest of the turn at once, is queued in the store by `flush`, and forgotten by `settle` when it is committed.
 * Only turns may read, as others would see what is not on disk. Records are never changed in place.
 */
export class StagedStore {
  private readonly store: Store;
  private readonly tables: StagedTable<NonNullable<unknown>>[] = [];

  constructor(store: Store) {
    this.store = store;
  }

  /** Keys are ASCII, whose order is the same as text and as bytes. */
  table<T extends NonNullable<unknown>>(name: string): StagedTable<T> {
    const table = new StagedTable<T>(new RecordTable(this.store, name));
    this.tables.push(table as StagedTable<NonNullable<unknown>>);
    return table;
  }

  flush(): void {
    for (const table of this.tables) table.flush();
  }

  settle(): void {
    for (const table of this.tables) table.settle();
  }
}

export interface StagedRange {
  from: string;
  to: string;
  reverse?: boolean;
}

/** No record is null: that is what is not there. */
export class StagedTable<T extends NonNullable<unknown>> {
  private readonly table: RecordTable<T>;
  /** null: removed. */
  private readonly staged = new Map<string, T | null>();

  constructor(table: RecordTable<T>) {
    this.table = table;
  }

  get(key: string): T | null {
    const staged = this.staged.get(key);
    return staged === undefined ? this.table.get(key) : staged;
  }

  put(key: string, record: T): void {
    this.staged.set(key, record);
  }

  remove(key: string): void {
    this.staged.set(key, null);
  }

  /** Of records with `from` ≤ key < `to`, in order. */
  keys(from: string, to: string): string[] {
    const committed = this.table.keys(from, to);
    // Most turns look, and have changed nothing.
    if (this.staged.size === 0) return committed;
    const keys = new Set(committed);
    for (const [key, record] of this.staged) {
      if (key < from || key >= to) continue;
      if (record === null) keys.delete(key);
      else keys.add(key);
    }
    return [...keys].sort();
  }

  /** Records with `from` ≤ key < `to`. The table must not change while they are read. */
  *range({ from, to, reverse = false }: StagedRange): Generator<KeyedRecord<T>> {
    const isBefore = (a: string, b: string): boolean => (reverse ? a > b : a < b);
    const changed = [...this.staged.keys()].filter((key) => key >= from && key < to).sort((a, b) => (isBefore(a, b) ? -1 : 1));
    let at = 0;
    for (const found of this.table.range({ from: from === '' ? undefined : from, to, reverse })) {
      while (at < changed.length && isBefore(changed[at], found.key)) yield* this.stagedAt(changed[at++]);
      if (at < changed.length && changed[at] === found.key) yield* this.stagedAt(changed[at++]);
      else yield found;
    }
    while (at < changed.length) yield* this.stagedAt(changed[at++]);
  }

  flush(): void {
    for (const [key, record] of this.staged) {
      if (record === null) this.table.remove(key);
      else this.table.put(key, record);
    }
  }

  settle(): void {
    this.staged.clear();
  }

  private *stagedAt(key: string): Generator<KeyedRecord<T>> {
    const record = this.staged.get(key);
    if (record !== null && record !== undefined) yield { key, record };
  }
}

/** What comes after every key that begins so. */
export function afterPrefix(prefix: string): string {
  return `${prefix}\u007f`;
}
