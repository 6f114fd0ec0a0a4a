import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OperationalError } from '../runtime/errors.ts';
import { syncDirectory } from '../runtime/files.ts';

/**
 * What a data directory says of itself, and where its shards lie:
 *
 *     engine.json            the manifest; what it names is the data, and nothing else is
 *     gen-<n>/shard-<i>/     generation n: the environments of its shards. Another number of shards is another generation
 *     alerts/                the environment of alerts, notifications and people (open-alert-store.ts)
 *     billing/               that of tariffs, agreements, bills and prices (open-billing-store.ts)
 *     accounts/              that of users, log-ins, keys and the audit log (open-account-store.ts)
 *     registry/              that of the master data of meters (open-registry-store.ts)
 *     engine-<pid>-….claim   see directory-claim.ts
 *
 * Format 1 had no generations: shard-<i>/ lay beside engine.json. It is read as generation 0.
 */

/** Raised when the layout of the directory changes. */
export const DIRECTORY_FORMAT = 2;
const FORMAT_WITHOUT_GENERATIONS = 1;
/** Of a directory that holds a copy of what is in Kafka (partition-directory.ts). */
export const PARTITIONS_FORMAT = 3;
export const MANIFEST_FILE = 'engine.json';
export const DATA_FILE = 'data.mdb';
const LOCK_FILE = 'lock.mdb';
const GENERATION = /^gen-(\d+)$/;
const SHARD = /^shard-\d+$/;

export interface Manifest {
  /** As it is stored: DIRECTORY_FORMAT or older. */
  format: number;
  partitions: number;
  shards: number;
  generation: number;
  /** Tells this engine's cursors and messages from those of others in a shared database or cluster. A copy of the directory has the same, one that was restored from a backup has not. */
  id: string;
}

/** Of a directory that has not been given one. */
export const NO_ID = '';

export function newEngineId(): string {
  return randomUUID();
}

/** Directory of a shard's environment. */
export function shardPath(path: string, generation: number, shard: number): string {
  return generation === 0 ? join(path, `shard-${shard}`) : join(path, `gen-${generation}`, `shard-${shard}`);
}

/** The manifest; null when there is none. Throws OperationalError `data_directory` when it is not one or may not be read. */
export function readManifest(path: string): Manifest | null {
  const file = join(path, MANIFEST_FILE);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (isAbsence(error)) return null;
    throw cannotBeRead(file, error);
  }
  let stored: Partial<Manifest> | null = null;
  try {
    stored = JSON.parse(text) as Partial<Manifest> | null;
  } catch (cause) {
    throw new OperationalError('data_directory', `${file} is not readable; restore it from a backup`, { cause });
  }
  const format = stored?.format;
  if ((stored as { log?: unknown } | null)?.log === 'kafka') {
    throw new OperationalError('data_directory', `the data directory ${path} belongs to an engine whose log is in Kafka (SEG_LOG=kafka): what lies in it is a copy of the topic seg_state. Start with that setting, or set SEG_DATA_DIR to another; Kafka's own tools check and back up the topics`);
  }
  if (isWhole(format, 1) && format > DIRECTORY_FORMAT) {
    throw new OperationalError('data_directory', `the data directory ${path} has format ${format}, this engine reads up to ${DIRECTORY_FORMAT}; use the engine that wrote it`);
  }
  const generation = format === FORMAT_WITHOUT_GENERATIONS ? 0 : stored?.generation;
  if (!isWhole(format, 1) || !isWhole(stored?.partitions, 1) || !isWhole(stored.shards, 1) || !isWhole(generation, 0)) {
    throw new OperationalError('data_directory', `${file} is not readable; restore it from a backup`);
  }
  // Directories made before there were ids get one when an engine next opens them.
  const id = typeof stored.id === 'string' && stored.id !== '' ? stored.id : NO_ID;
  return { format, partitions: stored.partitions, shards: stored.shards, generation, id };
}

/** Whole or not at all, and on disk when it returns: a half-written manifest would lock the directory, a lost one the data. */
export function writeManifest(path: string, manifest: Omit<Manifest, 'format'>): void {
  const temporary = join(path, `${MANIFEST_FILE}.new`);
  const { partitions, shards, generation, id } = manifest;
  writeFileSync(temporary, `${JSON.stringify({ format: DIRECTORY_FORMAT, partitions, shards, generation, id })}\n`, { flush: true });
  renameSync(temporary, join(path, MANIFEST_FILE));
  syncDirectory(path);
}

/** Makes the directories of a generation's shards, on disk when it returns. */
export function makeGeneration(path: string, generation: number, shards: number): void {
  for (let shard = 0; shard < shards; shard++) mkdirSync(shardPath(path, generation, shard), { recursive: true });
  if (generation > 0) syncDirectory(join(path, `gen-${generation}`));
  syncDirectory(path);
}

/** What belongs to no shard of this generation: leftovers of a redistribution, before or after its end. */
export function leftovers(path: string, generation: number): string[] {
  const names = readdirSync(path).filter((name) => (generation > 0 && SHARD.test(name)) || (GENERATION.test(name) && name !== `gen-${generation}`));
  return names.map((name) => join(path, name));
}

/** True when the directory holds readings of whatever generation. */
export function holdsData(path: string): boolean {
  const roots = [path, ...readdirSync(path).filter((name) => GENERATION.test(name)).map((name) => join(path, name))];
  return roots.some((root) => readdirSync(root).some((name) => SHARD.test(name) && isThere(join(root, name, DATA_FILE))));
}

/**
 * Throws OperationalError `data_directory` when a shard's files are gone: an engine would make empty ones in their place and acknowledge on as if nothing were
 * lost. A shard that never ran has a directory and nothing in it. Files that are there and may not be looked at are not gone: the word is another then.
 */
export function checkShardsAreThere(path: string, { shards, generation }: Manifest): void {
  for (let shard = 0; shard < shards; shard++) {
    const directory = shardPath(path, generation, shard);
    const isGone = generation > 0 && !isThere(directory);
    if (isGone || (!isThere(join(directory, DATA_FILE)) && isThere(join(directory, LOCK_FILE)))) {
      throw new OperationalError('data_directory', `the data of shard ${shard} is missing: ${isGone ? directory : join(directory, DATA_FILE)} is not there; bring it back, or restore a backup with seg restore`);
    }
  }
}

/** Whether a file or directory is there. Throws OperationalError `data_directory` when that cannot be told. */
function isThere(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch (error) {
    if (isAbsence(error)) return false;
    throw cannotBeRead(path, error);
  }
}

function isAbsence(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

function cannotBeRead(path: string, cause: unknown): OperationalError {
  return new OperationalError('data_directory', `${path} cannot be read: ${(cause as Error).message}; give the account that runs this the right to read and write it`, { cause });
}

function isWhole(value: unknown, min: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min;
}
