import { randomBytes } from 'node:crypto';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { migrateUsers } from '../actors/accounts/user-migration.ts';
import { makeDirectory } from '../runtime/files.ts';
import type { Store } from '../runtime/store.ts';
import { openRecordStore, readMeta, type RecordStoreKind } from './open-record-store.ts';

/** Where users, log-ins, keys and the audit log are kept: one LMDB environment, <data directory>/accounts. It holds the keys that tokens are signed with, so nobody else may read it. */

/** Raised when a table changes its meaning. 2: meters are somebody's for a time. */
export const ACCOUNTS_FORMAT = 2;
const ACCOUNTS_FORMAT_OLDEST = 1;
const SECRET_BYTES = 32;
const ID_BYTES = 9;

interface Meta {
  format: number;
  /** Names the engine in its tokens. */
  id: string;
  /** base64, of the key that refresh tokens are told by. */
  codeKey: string;
}

const ACCOUNTS: RecordStoreKind<Meta> = {
  what: 'accounts',
  format: ACCOUNTS_FORMAT,
  oldest: ACCOUNTS_FORMAT_OLDEST,
  migrate: migrateUsers,
  wayOut: '',
  newMeta: () => ({ format: ACCOUNTS_FORMAT, id: randomBytes(ID_BYTES).toString('base64url'), codeKey: randomBytes(SECRET_BYTES).toString('base64') }),
};

export function accountsDirectory(dataDir: string): string {
  return join(dataDir, 'accounts');
}

/** Throws as openRecordStore. */
export async function openAccountStore(directory: string): Promise<{ store: Store; id: string; codeKey: Uint8Array }> {
  makeDirectory(directory);
  chmodSync(directory, 0o700);
  const { store, meta } = await openRecordStore(directory, ACCOUNTS);
  return { store, id: meta.id, codeKey: Buffer.from(meta.codeKey, 'base64') };
}

/** null: it is new. Throws OperationalError `format`. */
export function readAccountsMeta(store: Store, directory: string): Meta | null {
  return readMeta(store, directory, ACCOUNTS);
}
