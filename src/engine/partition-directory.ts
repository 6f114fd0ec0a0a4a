import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OperationalError } from '../runtime/errors.ts';
import { syncDirectory } from '../runtime/files.ts';
import { MANIFEST_FILE, newEngineId, PARTITIONS_FORMAT } from './data-manifest.ts';
import { claimDirectory, type DirectoryClaim } from './directory-claim.ts';

/**
 * The data directory of an engine whose log is in Kafka. What lies in it is a copy of what Kafka has, kept so that a restart need not read all of it:
 *
 *     engine.json               says so, and which node this is
 *     member                    the name that the node last had in the group
 *     partitions/partition-<p>/ the environment of a partition that this node has or had
 */
export interface PartitionDirectory {
  readonly path: string;
  /** Who this node is for the others; a copy of the directory has the same and must not run beside it. */
  readonly nodeId: string;
  readonly partitions: string;
  readonly memberFile: string;
  release(): void;
}

interface PartitionManifest {
  format: number;
  log: 'kafka';
  /** Of the state. */
  topic: string;
  partitions: number;
  id: string;
}

/**
 * Opens the directory for this engine alone, or makes it. Copies of another topic's state, or of another number of partitions, are removed. Throws OperationalError `data_directory` when it
 * cannot be used, `data_directory_in_use` while another engine runs on it.
 */
export function openPartitionDirectory(path: string, wanted: { topic: string; partitions: number }): PartitionDirectory {
  let claim: DirectoryClaim | null = null;
  try {
    mkdirSync(path, { recursive: true });
    claim = claimDirectory(path);
    const found = readPartitionManifest(path);
    const partitions = join(path, 'partitions');
    const isSame = found !== null && found.topic === wanted.topic && found.partitions === wanted.partitions;
    const id = found?.id ?? newEngineId();
    if (!isSame) {
      rmSync(partitions, { recursive: true, force: true });
      writePartitionManifest(path, { format: PARTITIONS_FORMAT, log: 'kafka', ...wanted, id });
    }
    mkdirSync(partitions, { recursive: true });
    const held = claim;
    return { path, nodeId: id, partitions, memberFile: join(path, 'member'), release: () => held.release() };
  } catch (cause) {
    claim?.release();
    if (cause instanceof OperationalError) throw cause;
    throw new OperationalError('data_directory', `the data directory ${path} cannot be used: ${(cause as Error).message}; make it writable or set SEG_DATA_DIR to another`, { cause });
  }
}

/** Null when the directory is new. */
function readPartitionManifest(path: string): PartitionManifest | null {
  const file = join(path, MANIFEST_FILE);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const strangers = readdirSync(path).filter((name) => /^(gen|shard)-\d+$/.test(name));
    if (strangers.length === 0) return null;
    throw new OperationalError('data_directory', `the data directory ${path} holds data, but ${file} is not there; bring it back, or set SEG_DATA_DIR to another`);
  }
  let found: Partial<PartitionManifest> | null = null;
  try {
    found = JSON.parse(text) as Partial<PartitionManifest> | null;
  } catch (cause) {
    throw new OperationalError('data_directory', `${file} is not readable; remove it, since all of the directory is in Kafka as well`, { cause });
  }
  if (found?.log !== 'kafka') throw new OperationalError('data_directory', `the data directory ${path} has a log of its own; start with SEG_LOG=lmdb, or set SEG_DATA_DIR to another`);
  if (found.format !== PARTITIONS_FORMAT) throw new OperationalError('data_directory', `the data directory ${path} has format ${found.format}, this engine reads ${PARTITIONS_FORMAT}; use the engine that wrote it`);
  if (typeof found.id !== 'string' || typeof found.topic !== 'string' || !Number.isSafeInteger(found.partitions)) {
    throw new OperationalError('data_directory', `${file} is not readable; remove it, since all of the directory is in Kafka as well`);
  }
  return found as PartitionManifest;
}

function writePartitionManifest(path: string, manifest: PartitionManifest): void {
  const temporary = join(path, `${MANIFEST_FILE}.new`);
  writeFileSync(temporary, `${JSON.stringify(manifest)}\n`, { flush: true });
  renameSync(temporary, join(path, MANIFEST_FILE));
  syncDirectory(path);
}
