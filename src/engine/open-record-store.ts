import { OperationalError } from '../runtime/errors.ts';
import { makeDirectory } from '../runtime/files.ts';
import { checkDataFile } from '../runtime/lmdb-data-file.ts';
import { checkPages } from '../runtime/lmdb-pages.ts';
import { openLmdbStore } from '../runtime/lmdb-store.ts';
import { RecordTable } from '../runtime/record-table.ts';
import type { Store } from '../runtime/store.ts';
import { join } from 'node:path';
import { DATA_FILE } from './data-manifest.ts';

/** Stores of supervisors: one LMDB environment each, in which a table named `meta` says how the others are to be read. */

/** Records are small, and a turn changes few: larger pages copy more. */
const PAGE_BYTES = 4_096;
const META_KEY = 'store';

export interface RecordStoreKind<Meta extends { format: number }> {
  /** As in "the bills in …". */
  what: string;
  /** Raised when a table changes its meaning. */
  format: number;
  /** The oldest that is read: `migrate`, or the owner of the tables, makes up for what it lacks. Absent: none but its own. */
  oldest?: number;
  /** Makes the records of an older store into those of today, in as many commits as it takes: one that was broken off is begun again. */
  migrate?(store: Store, format: number): Promise<void>;
  /** What else there is to do about another format; after "use the engine that wrote them". */
  wayOut: string;
  /** Of a new store. */
  newMeta(): Meta;
}

const metaTable = <Meta>(store: Store): RecordTable<Meta> => new RecordTable(store, 'meta');

/**
 * Opens the store, or makes it. LMDB sees no page that was not walked, because a damaged one may end the process. Throws OperationalError `corrupt`, `format` when another engine wrote it, `storage_full`,
 * `storage_failed`.
 */
export async function openRecordStore<Meta extends { format: number }>(directory: string, kind: RecordStoreKind<Meta>): Promise<{ store: Store; meta: Meta }> {
  makeDirectory(directory);
  const file = join(directory, DATA_FILE);
  checkDataFile(file, false);
  checkPages(file);
  const store = openLmdbStore({ directory, pageBytes: PAGE_BYTES });
  try {
    const meta = readMeta(store, directory, kind) ?? (await makeMeta(store, kind));
    return { store, meta: meta.format === kind.format ? meta : await migrated(store, meta, kind) };
  } catch (error) {
    store.close().catch(() => {});
    throw error;
  }
}

/** null: it is new. Throws OperationalError `format`. */
export function readMeta<Meta extends { format: number }>(store: Store, directory: string, { what, format, oldest = format, wayOut }: RecordStoreKind<Meta>): Meta | null {
  const meta = metaTable<Meta>(store).get(META_KEY);
  if (meta !== null && (meta.format > format || meta.format < oldest)) throw new OperationalError('format', `the ${what} in ${directory} have format ${meta.format}, this engine reads ${format}; use the engine that wrote them${wayOut}`);
  return meta;
}

async function makeMeta<Meta extends { format: number }>(store: Store, { newMeta }: RecordStoreKind<Meta>): Promise<Meta> {
  const meta = newMeta();
  metaTable<Meta>(store).put(META_KEY, meta);
  await store.commit();
  return meta;
}

/** It says that it is another only when all of it is. */
async function migrated<Meta extends { format: number }>(store: Store, before: Meta, { format, migrate }: RecordStoreKind<Meta>): Promise<Meta> {
  await migrate?.(store, before.format);
  const meta = { ...before, format };
  metaTable<Meta>(store).put(META_KEY, meta);
  await store.commit();
  return meta;
}
