import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { OperationalError } from '../runtime/errors.ts';
import { makeDirectory } from '../runtime/files.ts';
import { checkDataFile } from '../runtime/lmdb-data-file.ts';
import { checkPages } from '../runtime/lmdb-pages.ts';
import { openLmdbStore } from '../runtime/lmdb-store.ts';
import { RecordTable } from '../runtime/record-table.ts';
import type { Store } from '../runtime/store.ts';
import { DATA_FILE } from './data-manifest.ts';

/** Where tariffs, agreements, bills and prices are kept: one LMDB environment, <data directory>/billing. */

/** Raised when a table changes its meaning. */
export const BILLING_FORMAT = 1;
/** An invoice is some kilobytes, and most questions are for one: larger pages copy and read more. */
const PAGE_BYTES = 4_096;
const GENERATION_BYTES = 9;
const META_KEY = 'store';

interface Meta {
  format: number;
  /** Names its outbox, for systems beside the engine. */
  generation: string;
}

/** A table named `meta` says how the others are to be read. */
const metaTable = (store: Store): RecordTable<Meta> => new RecordTable(store, 'meta');

export function billingDirectory(dataDir: string): string {
  return join(dataDir, 'billing');
}

/**
 * Opens the store, or makes it. LMDB sees no page that was not walked, because a damaged one may end the process. Throws OperationalError `corrupt`, `format` when another engine wrote it, `storage_full`,
 * `storage_failed`.
 */
export async function openBillingStore(directory: string): Promise<{ store: Store; generation: string }> {
  makeDirectory(directory);
  const file = join(directory, DATA_FILE);
  checkDataFile(file, false);
  checkPages(file);
  const store = openLmdbStore({ directory, pageBytes: PAGE_BYTES });
  try {
    const { generation } = readBillingMeta(store, directory) ?? (await makeMeta(store));
    return { store, generation };
  } catch (error) {
    store.close().catch(() => {});
    throw error;
  }
}

/** null: it is new. Throws OperationalError `format`. */
export function readBillingMeta(store: Store, directory: string): Meta | null {
  const meta = metaTable(store).get(META_KEY);
  if (meta !== null && meta.format !== BILLING_FORMAT) throw new OperationalError('format', `the bills in ${directory} have format ${meta.format}, this engine reads ${BILLING_FORMAT}; use the engine that wrote them`);
  return meta;
}

async function makeMeta(store: Store): Promise<Meta> {
  const meta = { format: BILLING_FORMAT, generation: randomBytes(GENERATION_BYTES).toString('base64url') };
  metaTable(store).put(META_KEY, meta);
  await store.commit();
  return meta;
}
