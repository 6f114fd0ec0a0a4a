import { join } from 'node:path';
import type { Store } from '../runtime/store.ts';
import { openRecordStore, readMeta, type RecordStoreKind } from './open-record-store.ts';

/** Where the master data of meters is kept: one LMDB environment, <data directory>/registry. */

/** Raised when a table changes its meaning. */
export const REGISTRY_FORMAT = 1;

interface Meta {
  format: number;
}

const REGISTRY: RecordStoreKind<Meta> = { what: 'registered meters', format: REGISTRY_FORMAT, wayOut: '', newMeta: () => ({ format: REGISTRY_FORMAT }) };

export function registryDirectory(dataDir: string): string {
  return join(dataDir, 'registry');
}

/** Throws as openRecordStore. */
export async function openRegistryStore(directory: string): Promise<Store> {
  return (await openRecordStore(directory, REGISTRY)).store;
}

/** null: it is new. Throws OperationalError `format`. */
export function readRegistryMeta(store: Store, directory: string): Meta | null {
  return readMeta(store, directory, REGISTRY);
}
