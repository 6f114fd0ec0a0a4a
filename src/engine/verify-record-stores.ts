import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Findings, type Finding } from '../actors/shard/verify-findings.ts';
import { checkDataFile } from '../runtime/lmdb-data-file.ts';
import { placeOf, walkPages } from '../runtime/lmdb-pages.ts';
import { openLmdbStore } from '../runtime/lmdb-store.ts';
import { RecordTable } from '../runtime/record-table.ts';
import type { Store } from '../runtime/store.ts';
import { DATA_FILE } from './data-manifest.ts';
import { AUDIT_HEAD_TABLE, AUDIT_TABLE, verifyAuditLog, type AuditHead } from '../actors/accounts/audit-log.ts';
import type { AuditRecord } from '../actors/accounts/protocol.ts';
import { verifyMeterLists } from '../actors/registry/verify-lists.ts';
import { accountsDirectory, readAccountsMeta } from './open-account-store.ts';
import { alertsDirectory, readAlertsMeta } from './open-alert-store.ts';
import { billingDirectory, readBillingMeta } from './open-billing-store.ts';
import { readRegistryMeta, registryDirectory } from './open-registry-store.ts';

/** Reads everything of the stores of supervisors: pages, checksums, and whether each record is one. */

export interface RecordStoreReport {
  findings: Finding[];
  found: number;
  records: number;
}

/** Of a data directory that no engine runs on; changes nothing. null: there were never alerts in it. */
export function verifyAlerts(dataDir: string): Promise<RecordStoreReport | null> {
  return verifyRecordStore(alertsDirectory(dataDir), readAlertsMeta);
}

/** The same of tariffs and bills. */
export function verifyBilling(dataDir: string): Promise<RecordStoreReport | null> {
  return verifyRecordStore(billingDirectory(dataDir), readBillingMeta);
}

/** The same of the registry of meters, whose lists have to lead to all meters and to none else. */
export function verifyRegistry(dataDir: string): Promise<RecordStoreReport | null> {
  return verifyRecordStore(registryDirectory(dataDir), readRegistryMeta, (store, findings) => verifyMeterLists(store, (where, problem) => findings.add(where, problem)));
}

/** The same of accounts, whose audit log has to be one chain. */
export async function verifyAccounts(dataDir: string): Promise<(RecordStoreReport & { auditEnd: AuditHead | null }) | null> {
  let auditEnd: AuditHead | null = null;
  const report = await verifyRecordStore(accountsDirectory(dataDir), readAccountsMeta, (store, findings) => {
    auditEnd = verifyAuditLog(new RecordTable<AuditRecord>(store, AUDIT_TABLE), new RecordTable<AuditHead>(store, AUDIT_HEAD_TABLE), (where, problem) => findings.add(where, problem));
  });
  return report === null ? null : { ...report, auditEnd };
}

/** `check` looks at what the records say together. */
async function verifyRecordStore(directory: string, readMeta: (store: Store, directory: string) => unknown, check: (store: Store, findings: Findings) => void = () => {}): Promise<RecordStoreReport | null> {
  const file = join(directory, DATA_FILE);
  if (!existsSync(file)) return null;
  const findings = new Findings();
  let records = 0;
  findings.try('the store', () => checkDataFile(file, true));
  for (const page of findings.count > 0 ? [] : walkPages(file)) findings.add(placeOf(page), page.problem);
  // Opened, a damaged one might end this process.
  if (findings.count > 0) return { findings: findings.kept, found: findings.count, records };
  let store: ReturnType<typeof openLmdbStore> | null = null;
  try {
    store = openLmdbStore({ directory, readOnly: true });
    const opened = store;
    findings.try('the store', () => readMeta(opened, directory));
    for (const name of opened.tableNames()) {
      findings.try(`table "${name}"`, () => {
        for (const _ of new RecordTable(opened, name).range()) records++;
      });
    }
    findings.try('the records', () => check(opened, findings));
  } catch (error) {
    findings.add('the store', `cannot be read: ${(error as Error).message}`);
  } finally {
    await store?.close();
  }
  return { findings: findings.kept, found: findings.count, records };
}
