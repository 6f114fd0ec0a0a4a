import type { BinaryCopy } from './binary-copy.ts';

/** Rows of one kind, and the statements that move them from their staging table into their table. */

export interface RowSet {
  readonly count: number;
  /** Where COPY puts them. */
  readonly stage: string;
  /** Writes row `i` in the order of the staging table's columns. Throws ValueRefused. */
  encode(copy: BinaryCopy, i: number): void;
  /** Statements that move the staged rows on. */
  readonly upserts: readonly string[];
  /** Names row `i` in words. */
  describe(i: number): string;
  /** Row `i` as an object for people. */
  payload(i: number): object;
}

export type Column = readonly [name: string, type: string];

/** Ends where a condition on what is replaced may follow. */
export function upsert(table: string, columns: readonly Column[], key: readonly string[], stage: string, filter = ''): string {
  const set = columns.filter(([name]) => !key.includes(name)).map(([name]) => `${name} = excluded.${name}`);
  return `INSERT INTO ${table} AS t (${names(columns)}) SELECT ${names(columns)} FROM pg_temp.${stage} ${filter} ON CONFLICT (${key.join(', ')}) DO UPDATE SET ${set.join(', ')}`;
}

/** Of rows that never change. */
export function insert(table: string, columns: readonly Column[], key: readonly string[], stage: string): string {
  return `INSERT INTO ${table} (${names(columns)}) SELECT ${names(columns)} FROM pg_temp.${stage} ON CONFLICT (${key.join(', ')}) DO NOTHING`;
}

/** What was sent may hold any byte, and PostgreSQL's text holds all characters but this one. */
export function withoutNul(text: string): string {
  return text.replaceAll('\0', '\ufffd');
}

export function withoutNulOrNull(text: string | null): string | null {
  return text === null ? null : withoutNul(text);
}

function names(columns: readonly Column[]): string {
  return columns.map(([name]) => name).join(', ');
}
