import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Store } from '../runtime/store.ts';
import { openRecordStore, readMeta, type RecordStoreKind } from './open-record-store.ts';

/** Where alerts, notifications and people are kept: one LMDB environment, <data directory>/alerts. */

/** Raised when a table changes its meaning. */
export const ALERTS_FORMAT = 1;
/** Of the key that links in messages are signed with (unsubscribe-token.ts). */
const SECRET_BYTES = 32;

interface Meta {
  format: number;
  /** base64. */
  linkSecret: string;
}

const ALERTS: RecordStoreKind<Meta> = {
  what: 'alerts',
  format: ALERTS_FORMAT,
  wayOut: ', or move the directory away to begin without them',
  newMeta: () => ({ format: ALERTS_FORMAT, linkSecret: randomBytes(SECRET_BYTES).toString('base64') }),
};

export function alertsDirectory(dataDir: string): string {
  return join(dataDir, 'alerts');
}

export interface AlertStore {
  store: Store;
  linkSecret: Uint8Array;
}

/** Throws as openRecordStore. */
export async function openAlertStore(directory: string): Promise<AlertStore> {
  const { store, meta } = await openRecordStore(directory, ALERTS);
  return { store, linkSecret: Buffer.from(meta.linkSecret, 'base64') };
}

/** null: it is new. Throws OperationalError `format`. */
export function readAlertsMeta(store: Store, directory: string): Meta | null {
  return readMeta(store, directory, ALERTS);
}
