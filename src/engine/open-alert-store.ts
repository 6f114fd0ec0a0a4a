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

/** Where alerts, notifications and people are kept: one LMDB environment, <data directory>/alerts. */

/** Raised when a table changes its meaning. */
export const ALERTS_FORMAT = 1;
/** Records are small, and a turn changes few: larger pages copy more. */
const PAGE_BYTES = 4_096;
/** Of the key that links in messages are signed with (unsubscribe-token.ts). */
const SECRET_BYTES = 32;
const META_KEY = 'store';

interface Meta {
  format: number;
  /** base64. */
  linkSecret: string;
}

/** A table named `meta` says how the others are to be read. */
const metaTable = (store: Store): RecordTable<Meta> => new RecordTable(store, 'meta');

export function alertsDirectory(dataDir: string): string {
  return join(dataDir, 'alerts');
}

export interface AlertStore {
  store: Store;
  linkSecret: Uint8Array;
}

/**
 * Opens the store, or makes it. LMDB sees no page that was not walked, because a damaged one may end the process. Throws OperationalError `corrupt`, `format` when another engine wrote it, `storage_full`,
 * `storage_failed`.
 */
export async function openAlertStore(directory: string): Promise<AlertStore> {
  makeDirectory(directory);
  const file = join(directory, DATA_FILE);
  checkDataFile(file, false);
  checkPages(file);
  const store = openLmdbStore({ directory, pageBytes: PAGE_BYTES });
  try {
    const meta = readAlertsMeta(store, directory) ?? (await makeMeta(store));
    return { store, linkSecret: Buffer.from(meta.linkSecret, 'base64') };
  } catch (error) {
    store.close().catch(() => {});
    throw error;
  }
}

/** null: it is new. Throws OperationalError `format`. */
export function readAlertsMeta(store: Store, directory: string): Meta | null {
  const meta = metaTable(store).get(META_KEY);
  if (meta !== null && meta.format !== ALERTS_FORMAT) throw new OperationalError('format', `the alerts in ${directory} have format ${meta.format}, this engine reads ${ALERTS_FORMAT}; use the engine that wrote them, or move the directory away to begin without them`);
  return meta;
}

async function makeMeta(store: Store): Promise<Meta> {
  const meta = { format: ALERTS_FORMAT, linkSecret: randomBytes(SECRET_BYTES).toString('base64') };
  metaTable(store).put(META_KEY, meta);
  await store.commit();
  return meta;
}
