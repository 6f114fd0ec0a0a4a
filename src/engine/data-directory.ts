import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { OperationalError } from '../runtime/errors.ts';
import { makeDirectory } from '../runtime/files.ts';
import { checkShardsAreThere, DIRECTORY_FORMAT, holdsData, leftovers, makeGeneration, MANIFEST_FILE, newEngineId, NO_ID, readManifest, shardPath, writeManifest, type Manifest } from './data-manifest.ts';
import { claimDirectory, type DirectoryClaim } from './directory-claim.ts';

/** The data directory of a running engine: its manifest (data-manifest.ts) and the engine's claim on it. */

export interface DataDirectory {
  readonly path: string;
  readonly partitionCount: number;
  /** As in the manifest. */
  readonly engineId: string;
  /** Shards that the data lie in. */
  readonly shardCount: number;
  shardDirectory(shard: number): string;
  /** Makes room for the data of another number of shards. */
  nextGeneration(shards: number): NextGeneration;
  /** Lets another engine have the directory; to be called once nothing here writes to it any more. */
  release(): void;
}

/** The data in another number of shards, half-made until it is adopted. */
export interface NextGeneration {
  shardDirectory(shard: number): string;
  /** From here on it is the data, whatever happens; the old shards are removed. Its stores must be closed. */
  adopt(): void;
  /** Removes it. */
  discard(): void;
}

/**
 * Opens the directory for this engine alone, or makes it for `wanted`. Partitions are what the directory was made with, and so are shards: to
 * have another number of them is the caller's business (redistribution.ts). Throws OperationalError `data_directory` when it cannot be used,
 * `data_directory_in_use` while another engine runs on it.
 */
export function openDataDirectory(path: string, wanted: { partitions: number; shards: number }): DataDirectory {
  let claim: DirectoryClaim | null = null;
  try {
    makeDirectory(path);
    claim = claimDirectory(path);
    const manifest = readManifest(path);
    return new OpenDirectory(path, manifest === null ? make(path, wanted) : check(path, manifest), claim);
  } catch (cause) {
    claim?.release();
    if (cause instanceof OperationalError) throw cause;
    throw new OperationalError('data_directory', `the data directory ${path} cannot be used: ${(cause as Error).message}; make it writable or set SEG_DATA_DIR to another`, { cause });
  }
}

function make(path: string, { partitions, shards }: { partitions: number; shards: number }): Manifest {
  if (holdsData(path)) {
    throw new OperationalError('data_directory', `the data directory ${path} holds data, but ${join(path, MANIFEST_FILE)} is not there; bring it back, or restore a backup with seg restore`);
  }
  const manifest = { format: DIRECTORY_FORMAT, partitions, shards, generation: 1, id: newEngineId() };
  makeGeneration(path, manifest.generation, shards);
  writeManifest(path, manifest);
  return manifest;
}

function check(path: string, manifest: Manifest): Manifest {
  checkShardsAreThere(path, manifest);
  const current = manifest.id === NO_ID ? { ...manifest, id: newEngineId() } : manifest;
  if (manifest.format !== DIRECTORY_FORMAT || current !== manifest) writeManifest(path, current);
  for (const leftover of leftovers(path, manifest.generation)) rmSync(leftover, { recursive: true, force: true });
  return current;
}

class OpenDirectory implements DataDirectory {
  readonly path: string;
  private manifest: Manifest;
  private readonly claim: DirectoryClaim;

  constructor(path: string, manifest: Manifest, claim: DirectoryClaim) {
    this.path = path;
    this.manifest = manifest;
    this.claim = claim;
  }

  get partitionCount(): number {
    return this.manifest.partitions;
  }

  get engineId(): string {
    return this.manifest.id;
  }

  get shardCount(): number {
    return this.manifest.shards;
  }

  shardDirectory(shard: number): string {
    return shardPath(this.path, this.manifest.generation, shard);
  }

  nextGeneration(shards: number): NextGeneration {
    const { path } = this;
    const manifest = { ...this.manifest, shards, generation: this.manifest.generation + 1 };
    makeGeneration(path, manifest.generation, shards);
    const clean = (generation: number): void => {
      for (const leftover of leftovers(path, generation)) rmSync(leftover, { recursive: true, force: true });
    };
    return {
      shardDirectory: (shard) => shardPath(path, manifest.generation, shard),
      adopt: () => {
        writeManifest(path, manifest);
        this.manifest = manifest;
        clean(manifest.generation);
      },
      discard: () => clean(this.manifest.generation),
    };
  }

  release(): void {
    this.claim.release();
  }
}
