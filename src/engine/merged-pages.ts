import type { Page } from '../model/queries.ts';

/** One page out of the pages of all shards. */

/** Byte strings or texts that order the rows over all shards. */
type Key = string;

/**
 * Merges pages that are each in the same order. A shard that has more to come (`nextCursor`) bounds the page: what others have
 * beyond its cursor must wait, or its rows in between would be jumped over. The next cursor is a key, the same for every shard.
 *
 * @param keyOf order of a row, as the shards' cursors have it
 * @param descending true when keys fall from row to row
 */
export function mergePages<T>(pages: readonly Page<T>[], limit: number, keyOf: (row: T) => Key, descending: boolean): Page<T> {
  const before = (a: Key, b: Key): boolean => (descending ? a > b : a < b);
  let bound: Key | null = null;
  for (const { nextCursor } of pages) if (nextCursor !== null && (bound === null || before(nextCursor, bound))) bound = nextCursor;
  const rows = pages
    .flatMap(({ data }) => data.map((row) => ({ row, key: keyOf(row) })))
    .filter(({ key }) => bound === null || !before(bound, key))
    .sort((a, b) => (a.key === b.key ? 0 : before(a.key, b.key) ? -1 : 1));
  let count = Math.min(limit, rows.length);
  // Rows of one key stay together: the cursor could not point between them.
  while (count > 0 && count < rows.length && rows[count].key === rows[count - 1].key) count++;
  const data = rows.slice(0, count).map(({ row }) => row);
  return { data, nextCursor: count < rows.length ? rows[count - 1].key : bound };
}
