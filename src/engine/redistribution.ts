import { statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { redistribute } from '../actors/shard/redistribution.ts';
import type { ShardStateConfig } from '../actors/shard/state.ts';
import type { Clock } from '../runtime/clock.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import type { DataDirectory } from './data-directory.ts';
import { DATA_FILE } from './data-manifest.ts';
import { openShardStore } from './open-shard-store.ts';

/** A log line of progress comes this often. */
const PROGRESS_INTERVAL_MS = 5_000;

/**
 * Brings the data directory to `shards` shards; does nothing when it has them. The old shards stay what they are until the new ones are complete.
 * Throws OperationalError: `storage_full`, or why a shard could not be read or written.
 */
export async function redistributeDirectory(directory: DataDirectory, shards: number, stateOf: (shards: number) => ShardStateConfig, modules: { clock: Clock; log: Log }): Promise<void> {
  const from = directory.shardCount;
  if (from === shards) return;
  const { clock, log } = modules;
  const started = clock.monotonic();
  log.info({ from, to: shards }, `the data directory was made for ${from} shards: its meters are spread over ${shards}`);
  checkSpace(directory);
  const next = directory.nextGeneration(shards);
  let shownMs = started;
  try {
    const report = await redistribute(
      { from, to: shards, state: stateOf(from), nextState: stateOf(shards) },
      {
        openOld: (shard) => openShardStore({ directory: directory.shardDirectory(shard), shard, shardCount: from, partitionCount: directory.partitionCount }),
        openNew: (shard) => openShardStore({ directory: next.shardDirectory(shard), shard, shardCount: shards, partitionCount: directory.partitionCount }),
        onProgress: (progress) => {
          if (clock.monotonic() - shownMs < PROGRESS_INTERVAL_MS) return;
          shownMs = clock.monotonic();
          log.info(progress, `spreading shard ${progress.shard} of ${from}: ${Math.floor((progress.copied / progress.total) * 100)} %`);
        },
      },
    );
    next.adopt();
    log.info({ ...report, from, to: shards, tookMs: Math.round(clock.monotonic() - started) }, `${report.meters} meters are spread over ${shards} shards`);
  } catch (cause) {
    next.discard();
    if (!(cause instanceof OperationalError)) throw cause;
    throw new OperationalError(cause.code, `the data of ${from} shards could not be spread over ${shards}: ${cause.message}. Nothing is lost; SEG_SHARDS=${from} starts with it as it is`, { cause });
  }
}

/** Both generations lie on the disk for a while. */
function checkSpace(directory: DataDirectory): void {
  let needed = 0;
  for (let shard = 0; shard < directory.shardCount; shard++) {
    needed += statSync(join(directory.shardDirectory(shard), DATA_FILE), { throwIfNoEntry: false })?.size ?? 0;
  }
  const { bavail, bsize } = statfsSync(directory.path);
  if (bavail * bsize >= needed) return;
  const mebibytes = Math.ceil((needed - bavail * bsize) / 2 ** 20);
  throw new OperationalError('storage_full', `another number of shards needs room for a second copy of the data, and ${mebibytes} MiB are missing at ${directory.path}; free space there, or start with SEG_SHARDS=${directory.shardCount}`);
}
