import { createHash } from 'node:crypto';
import { closeSync, copyFileSync, createReadStream, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { OperationalError } from '../runtime/errors.ts';
import { makeDirectory, syncDirectory } from '../runtime/files.ts';
import { holdSegments, listSegments, segmentPath } from '../runtime/lmdb-segments.ts';
import { copyLmdbStore } from '../runtime/lmdb-store.ts';
import { DATA_FILE, DIRECTORY_FORMAT, holdsData, makeGeneration, newEngineId, readManifest, shardPath, writeManifest, type Manifest } from './data-manifest.ts';
import { claimDirectory } from './directory-claim.ts';
import { accountsDirectory } from './open-account-store.ts';
import { alertsDirectory } from './open-alert-store.ts';
import { billingDirectory } from './open-billing-store.ts';
import { registryDirectory } from './open-registry-store.ts';
import { settleRestoredAccounts, type RestoredAccounts } from './restored-accounts.ts';
import { requireManifest } from './verification.ts';

/**
 * A backup is a data directory with backup.json beside its manifest: what was copied, with checksums. Of each shard the tables are copied as they are at one
 * moment, then the log, which leads on from there. Shards share nothing, and everything that was acknowledged before the backup began is on disk in each.
 */

/** Raised when backup.json changes its meaning. */
const BACKUP_FORMAT = 6;
/** The same without the stores of alerts, of bills, of accounts and of registered meters, which engines before them had not. */
const FORMATS_BEFORE: readonly (number | undefined)[] = [2, 3, 4, 5];
const BACKUP_FILE = 'backup.json';
/** Another number of shards while the backup runs makes it begin again. An engine needs seconds to minutes for that. */
const ATTEMPTS_MAX = 3;
const GENERATION = 1;

interface BackupNote {
  format: number;
  /** ISO 8601. */
  startedAt: string;
  engineVersion: string;
  files: { path: string; bytes: number; sha256: string }[];
}

export interface CopyReport {
  shards: number;
  bytes: number;
}

type OnProgress = (shard: number, done: number, total: number) => void;

/**
 * Copies the data directory at `from`, whether an engine runs on it or not, to `to`, which must not exist or be empty. A backup that could not be completed is
 * not left behind. Throws OperationalError: `usage`, `data_directory`, `storage_full`, `storage_failed`.
 */
export async function backUp(from: string, to: string, about: { startedAt: Date; engineVersion: string }, onProgress: OnProgress): Promise<CopyReport> {
  if (!isFree(to)) throw new OperationalError('usage', `${to} is there already; give --to a directory that is not`);
  const partial = `${to}.${process.pid}.partial`;
  try {
    for (let attempt = 1; ; attempt++) {
      const manifest = requireManifest(from);
      rmSync(partial, { recursive: true, force: true });
      const note: BackupNote = { format: BACKUP_FORMAT, startedAt: about.startedAt.toISOString(), engineVersion: about.engineVersion, files: [] };
      let failure: unknown = null;
      try {
        makeDirectory(partial);
        // Before the shards: what alerts have not heard of what is in these they are told of again, and a bill is held against the energy that is there.
        for (const directoryOf of [alertsDirectory, billingDirectory, accountsDirectory, registryDirectory]) await copySupervisor(directoryOf(from), directoryOf(partial), partial, note);
        await copyShards(from, partial, manifest, note, onProgress);
      } catch (error) {
        failure = error;
      }
      if (readManifest(from)?.generation !== manifest.generation) {
        if (attempt < ATTEMPTS_MAX) continue;
        throw new OperationalError('data_directory', `${from} got another number of shards again and again; try once more when it has settled`);
      }
      if (failure !== null) throw failure;
      writeFileSync(join(partial, BACKUP_FILE), `${JSON.stringify(note, null, 2)}\n`, { flush: true });
      writeManifest(partial, { ...manifest, generation: GENERATION });
      renameSync(partial, to);
      syncDirectory(dirname(to));
      return { shards: manifest.shards, bytes: note.files.reduce((sum, { bytes }) => sum + bytes, 0) };
    }
  } catch (cause) {
    rmSync(partial, { recursive: true, force: true });
    throw asOperational(cause, to);
  }
}

/** The store of a supervisor, if there is one. */
async function copySupervisor(source: string, target: string, root: string, note: BackupNote): Promise<void> {
  if (!existsSync(join(source, DATA_FILE))) return;
  mkdirSync(target);
  await copyStore(source, target, root, note);
  syncDirectory(root);
}

async function copyShards(from: string, to: string, manifest: Manifest, note: BackupNote, onProgress: OnProgress): Promise<void> {
  makeGeneration(to, GENERATION, manifest.shards);
  for (let shard = 0; shard < manifest.shards; shard++) {
    onProgress(shard, 0, 1);
    const source = shardPath(from, manifest.generation, shard);
    // It never ran.
    if (!existsSync(join(source, DATA_FILE))) continue;
    const target = shardPath(to, GENERATION, shard);
    // The tables first: every log record that they do not stand for is in a segment that is held.
    const letGo = holdSegments(source);
    try {
      await copyStore(source, target, to, note);
      for (const first of listSegments(source)) {
        mkdirSync(segmentPath(target, first));
        await copyStore(segmentPath(source, first), segmentPath(target, first), to, note);
      }
      syncDirectory(target);
    } finally {
      letGo();
    }
  }
}

async function copyStore(from: string, to: string, root: string, note: BackupNote): Promise<void> {
  await copyLmdbStore(from, to);
  const file = join(to, DATA_FILE);
  sync(file);
  syncDirectory(to);
  note.files.push({ path: relative(root, file), bytes: statSync(file).size, sha256: await sha256Of(file) });
}

/**
 * Brings the backup at `from` back as the data directory `to`, which must not exist or be empty. It becomes one with the last step, after the copy matched its
 * checksums and `verify` found nothing (it is given the copy and throws otherwise), and log-ins of then were ended (restored-accounts.ts). Throws OperationalError: `data_directory`, `data_directory_in_use`,
 * `corrupt`, `storage_full`, or what `verify` throws.
 */
export async function restore(from: string, to: string, { revokeKeys, nowMs }: { revokeKeys: boolean; nowMs: number }, verify: (path: string, manifest: Manifest) => Promise<void>, onProgress: OnProgress): Promise<CopyReport & { accounts: RestoredAccounts | null }> {
  const note = readNote(from);
  const manifest = { ...requireManifest(from), format: DIRECTORY_FORMAT };
  if (!isFree(to)) throw new OperationalError('data_directory', `${to} is not empty${existsSync(to) && statSync(to).isDirectory() && holdsData(to) ? ' and holds data' : ''}; nothing is overwritten: move it away, or give another --data-dir`);
  const isNew = !existsSync(to);
  makeDirectory(to);
  const claim = claimDirectory(to);
  const made = [join(to, `gen-${GENERATION}`), alertsDirectory(to), billingDirectory(to), accountsDirectory(to), registryDirectory(to)];
  try {
    makeGeneration(to, GENERATION, manifest.shards);
    for (const [i, { path, bytes, sha256 }] of note.files.entries()) {
      onProgress(i, 0, 1);
      const target = join(to, path);
      mkdirSync(dirname(target), { recursive: true });
      copyFileSync(join(from, path), target);
      sync(target);
      if (statSync(target).size !== bytes || (await sha256Of(target)) !== sha256) {
        throw new OperationalError('corrupt', `${join(from, path)} is not what was backed up: it fails its checksum; use another backup`);
      }
    }
    await verify(to, { ...manifest, generation: GENERATION });
    const accounts = await settleRestoredAccounts(to, { backupOf: note.startedAt, revokeKeys, nowMs });
    // Of its own: the engine that was backed up may run on, and the two would take each other's cursors in a database for theirs. This one sends everything once more.
    writeManifest(to, { ...manifest, generation: GENERATION, id: newEngineId() });
    return { shards: manifest.shards, bytes: note.files.reduce((sum, { bytes }) => sum + bytes, 0), accounts };
  } catch (cause) {
    for (const path of made) rmSync(path, { recursive: true, force: true });
    throw asOperational(cause, to);
  } finally {
    claim.release();
    if (isNew && readdirSync(to).length === 0) rmSync(to, { recursive: true, force: true });
  }
}

function readNote(from: string): BackupNote {
  let note: Partial<BackupNote>;
  try {
    note = JSON.parse(readFileSync(join(from, BACKUP_FILE), 'utf8')) as Partial<BackupNote>;
  } catch (cause) {
    throw new OperationalError('data_directory', `${from} is no backup of seg backup: ${join(from, BACKUP_FILE)} cannot be read`, { cause });
  }
  if (note.format !== BACKUP_FORMAT && !FORMATS_BEFORE.includes(note.format)) throw new OperationalError('data_directory', `the backup ${from} has format ${note.format}, this engine reads ${BACKUP_FORMAT}; use the engine that made it (${note.engineVersion})`);
  const isPlain = ({ path }: { path: string }): boolean => /^(alerts|billing|accounts|registry|gen-1\/shard-\d+(\/log-\d+)?)\/data\.mdb$/.test(path);
  if (!Array.isArray(note.files) || !note.files.every(isPlain)) throw new OperationalError('data_directory', `${join(from, BACKUP_FILE)} names files that no backup has`);
  return note as BackupNote;
}

/** True when nothing would be overwritten. */
function isFree(path: string): boolean {
  return !existsSync(path) || (statSync(path).isDirectory() && readdirSync(path).length === 0);
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

function sync(file: string): void {
  const descriptor = openSync(file, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function asOperational(cause: unknown, path: string): unknown {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (cause instanceof OperationalError || code === undefined) return cause;
  if (code === 'ENOSPC' || code === 'EDQUOT') return new OperationalError('storage_full', `the disk that holds ${path} is full; free space on it`, { cause });
  return new OperationalError('data_directory', `${path} cannot be written: ${message}`, { cause });
}
