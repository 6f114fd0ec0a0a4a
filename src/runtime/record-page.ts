import type { Page } from '../model/queries.ts';
import { OperationalError } from './errors.ts';

/** The first `limit` of what a range gives that `pick` makes something of; the cursor is what `cursorOf` says of the last. */
export function pageOf<Row, T>(rows: Iterable<Row>, limit: number, pick: (row: Row) => T | null, cursorOf: (record: T) => string): Page<T> {
  const data: T[] = [];
  for (const row of rows) {
    const record = pick(row);
    if (record === null) continue;
    if (data.length === limit) return { data, nextCursor: cursorOf(data[limit - 1]) };
    data.push(record);
  }
  return { data, nextCursor: null };
}

/** Throws `bad_cursor` for what is none of a list: cursors are ids here. */
export function checkCursor(cursor: string | null, idPattern: RegExp): void {
  if (cursor !== null && !idPattern.test(cursor)) throw new OperationalError('bad_cursor', 'the cursor is of no page');
}
