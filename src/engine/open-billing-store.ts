import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Store } from '../runtime/store.ts';
import { openRecordStore, readMeta, type RecordStoreKind } from './open-record-store.ts';

/** Where tariffs, agreements, bills and prices are kept: one LMDB environment, <data directory>/billing. */

/** Raised when a table changes its meaning. */
export const BILLING_FORMAT = 2;
/** What 2 adds is what was agreed about a meter side by side (agreements.ts). */
const BILLING_FORMAT_OLDEST = 1;
const GENERATION_BYTES = 9;

interface Meta {
  format: number;
  /** Names its outbox, for systems beside the engine. */
  generation: string;
}

const BILLS: RecordStoreKind<Meta> = { what: 'bills', format: BILLING_FORMAT, oldest: BILLING_FORMAT_OLDEST, wayOut: '', newMeta: () => ({ format: BILLING_FORMAT, generation: randomBytes(GENERATION_BYTES).toString('base64url') }) };

export function billingDirectory(dataDir: string): string {
  return join(dataDir, 'billing');
}

/** Throws as openRecordStore. */
export async function openBillingStore(directory: string): Promise<{ store: Store; generation: string }> {
  const { store, meta } = await openRecordStore(directory, BILLS);
  return { store, generation: meta.generation };
}

/** null: it is new. Throws OperationalError `format`. */
export function readBillingMeta(store: Store, directory: string): Meta | null {
  return readMeta(store, directory, BILLS);
}
