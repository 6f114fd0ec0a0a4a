import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { AuditHead } from '../actors/accounts/audit-log.ts';
import type { ShardStore } from '../actors/shard/shard-store.ts';
import type { Finding } from '../actors/shard/verify-findings.ts';
import { verifyShard, type VerifyReport } from '../actors/shard/verify.ts';
import { OperationalError } from '../runtime/errors.ts';
import { checkDataFile } from '../runtime/lmdb-data-file.ts';
import { placeOf, walkPages } from '../runtime/lmdb-pages.ts';
import { checkShardsAreThere, DATA_FILE, MANIFEST_FILE, readManifest, shardPath, type Manifest } from './data-manifest.ts';
import type { EngineConfig } from './engine-config.ts';
import { dataFiles, openShardStore } from './open-shard-store.ts';
import { shardStateConfig } from './shard-state-config.ts';
import { verifyAccounts, verifyAlerts, verifyBilling, verifyRegistry } from './verify-record-stores.ts';

export interface DirectoryReport {
  findings: Finding[];
  /** All of them; `findings` holds the first of each shard. */
  found: number;
  shards: number;
  meters: number;
  windows: number;
  records: number;
  /** Of the alerts' store; null: there is none. */
  alertRecords: number | null;
  /** The same of tariffs and bills. */
  billingRecords: number | null;
  /** The same of accounts. */
  accountRecords: number | null;
  /** The same of registered meters. */
  registryRecords: number | null;
  /** Of the audit log: kept elsewhere, it tells whether all of it was made anew. */
  auditEnd: AuditHead | null;
}

/** The manifest of a directory that must have one. Throws OperationalError `data_directory`. */
export function requireManifest(path: string): Manifest {
  const manifest = readManifest(path);
  if (manifest === null) throw new OperationalError('data_directory', `${path} is no data directory: ${join(path, MANIFEST_FILE)} is not there`);
  checkShardsAreThere(path, manifest);
  return manifest;
}

/**
 * Verifies every shard of a directory that no engine runs on, and the stores of alerts, bills, accounts and registered meters; changes nothing. `config` counts where a store does not hold the settings
 * of its log yet. `onProgress` hears of every step, so that the caller can show where it stands.
 */
export async function verifyDirectory(path: string, manifest: Manifest, config: EngineConfig, onProgress: (shard: number, done: number, total: number) => void): Promise<DirectoryReport> {
  const report: DirectoryReport = { findings: [], found: 0, shards: manifest.shards, meters: 0, windows: 0, records: 0, alertRecords: null, billingRecords: null, accountRecords: null, registryRecords: null, auditEnd: null };
  for (let shard = 0; shard < manifest.shards; shard++) {
    const directory = shardPath(path, manifest.generation, shard);
    // It never ran.
    if (!existsSync(join(directory, DATA_FILE))) continue;
    const { findings, found, meters, windows, records } = await verifyOne(directory, shard, manifest, config, (done, total) => onProgress(shard, done, total));
    for (const { where, problem } of findings) report.findings.push({ where: `shard ${shard}: ${where}`, problem });
    report.found += found;
    report.meters += meters;
    report.windows += windows;
    report.records += records;
  }
  const alerts = await verifyAlerts(path);
  const billing = await verifyBilling(path);
  const accounts = await verifyAccounts(path);
  const registry = await verifyRegistry(path);
  for (const [name, found] of [['alerts', alerts], ['billing', billing], ['accounts', accounts], ['registry', registry]] as const) {
    for (const { where, problem } of found?.findings ?? []) report.findings.push({ where: `${name}: ${where}`, problem });
    report.found += found?.found ?? 0;
  }
  report.alertRecords = alerts?.records ?? null;
  report.billingRecords = billing?.records ?? null;
  report.accountRecords = accounts?.records ?? null;
  report.registryRecords = registry?.records ?? null;
  report.auditEnd = accounts?.auditEnd ?? null;
  return report;
}

async function verifyOne(directory: string, shard: number, { partitions, shards }: Manifest, config: EngineConfig, onProgress: (done: number, total: number) => void): Promise<VerifyReport> {
  let store: ShardStore | null = null;
  try {
    const damaged = damagedPages(directory);
    // Opened, they might end this process.
    if (damaged.length > 0) return { findings: damaged, found: damaged.length, meters: 0, windows: 0, records: 0 };
    store = openShardStore({ directory, shard, shardCount: shards, partitionCount: partitions, readOnly: true, pages: 'checked' });
    return verifyShard(store, { shard, shardCount: shards, state: shardStateConfig(config, partitions, shards) }, onProgress);
  } catch (error) {
    return { findings: [{ where: 'the store', problem: `cannot be read: ${(error as Error).message}` }], found: 1, meters: 0, windows: 0, records: 0 };
  } finally {
    await store?.close();
  }
}

/** Of all LMDB files of a shard. Throws OperationalError `corrupt` for a file that is none, or was cut short. */
function damagedPages(directory: string): Finding[] {
  return dataFiles(directory).flatMap((file) => {
    checkDataFile(file, true);
    return walkPages(file).map((finding) => ({ where: `${relative(directory, file)}: ${placeOf(finding)}`, problem: finding.problem }));
  });
}
