import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OperationalError } from '../runtime/errors.ts';
import { claimDirectory, type DirectoryClaim } from './directory-claim.ts';

/** The data directory: a manifest, a directory for each shard, and the claim of the engine that runs on it. */

/** Raised when the layout of the directory changes. */
const DIRECTORY_FORMAT = 1;
const MANIFEST_FILE = 'engine.json';

interface Manifest {
  format: number;
  partitions: number;
  shards: number;
}

export interface DataDirectory {
  path: string;
  partitionCount: number;
  shardCount: number;
  shardDirectory(shard: number): string;
  /** Lets another engine have the directory; to be called once nothing here writes to it any more. */
  release(): void;
}

/**
 * Opens the directory for this engine alone, or makes it for `wanted`. Partitions are what the directory was made with; another number of
 * shards is refused. Throws OperationalError `data_directory` when it cannot be used, `data_directory_in_use` while another engine runs
 * on it, `wrong_shard_count` when it was made for other shards.
 */
export function openDataDirectory(path: string, wanted: { partitions: number; shards: number }): DataDirectory {
  let claim: DirectoryClaim | null = null;
  try {
    mkdirSync(path, { recursive: true });
    claim = claimDirectory(path);
    const manifest = readManifest(path) ?? writeManifest(path, { format: DIRECTORY_FORMAT, ...wanted });
    checkManifest(path, manifest, wanted.shards);
    return {
      path,
      partitionCount: manifest.partitions,
      shardCount: manifest.shards,
      shardDirectory: (shard) => join(path, `shard-${shard}`),
      release: claim.release,
    };
  } catch (cause) {
    claim?.release();
    if (cause instanceof OperationalError) throw cause;
    throw new OperationalError('data_directory', `the data directory ${path} cannot be used: ${(cause as Error).message}; make it writable or set SEG_DATA_DIR to another`, { cause });
  }
}

function checkManifest(path: string, manifest: Manifest, shards: number): void {
  if (manifest.format !== DIRECTORY_FORMAT) {
    throw new OperationalError('data_directory', `the data directory ${path} has format ${manifest.format}, this engine reads ${DIRECTORY_FORMAT}; use the engine that wrote it`);
  }
  if (manifest.shards !== shards) {
    throw new OperationalError(
      'wrong_shard_count',
      `the data directory ${path} was made for ${manifest.shards} shards, not ${shards}; start with SEG_SHARDS=${manifest.shards} or another SEG_DATA_DIR`,
    );
  }
}

function readManifest(path: string): Manifest | null {
  let text: string;
  try {
    text = readFileSync(join(path, MANIFEST_FILE), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    return JSON.parse(text) as Manifest;
  } catch (cause) {
    throw new OperationalError('data_directory', `${join(path, MANIFEST_FILE)} is not readable; restore it from a backup`, { cause });
  }
}

/** Whole or not at all: a half-written manifest would lock the directory. */
function writeManifest(path: string, manifest: Manifest): Manifest {
  const temporary = join(path, `${MANIFEST_FILE}.new`);
  writeFileSync(temporary, `${JSON.stringify(manifest)}\n`, { flush: true });
  renameSync(temporary, join(path, MANIFEST_FILE));
  return manifest;
}
