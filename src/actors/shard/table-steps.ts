import type { Entry, Table } from '../../runtime/store.ts';

/** No key of any table is longer, or begins with this byte 80 times. */
export const AFTER_ALL_KEYS = Buffer.alloc(80, 255);

/** A whole table in pieces of at most `limit` entries. Each is read at once: no read transaction stays open over a commit. */
export function* steps(table: Table, limit: number): Generator<Entry[]> {
  let from = Buffer.alloc(1);
  for (;;) {
    const entries = [...table.range(from, AFTER_ALL_KEYS, { limit })];
    if (entries.length === 0) return;
    yield entries;
    from = Buffer.concat([entries[entries.length - 1].key, Buffer.alloc(1)]);
  }
}
