import { touchedRows } from '../actors/shard/row-slab.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import type { TouchedMemory } from '../runtime/touched-memory.ts';
import type { DataDirectory } from './data-directory.ts';
import { windowsKeptMs, type EngineConfig } from './engine-config.ts';
import type { EngineChild, EngineThreads } from './engine-threads.ts';
import { pagesStored } from './open-shard-store.ts';
import type { ShardLinks } from './shard-links.ts';
import type { ShardThreadOptions } from './shard-thread.ts';
import { outboxOptions } from './sink-options.ts';

/** The shards of an engine with a log of its own, for their supervisor. */

/** Recovery reads snapshots and log: minutes at most, also on a slow disk. */
const READY_TIMEOUT_MS = 10 * 60_000;
/** Codes of a recovery that will fail again, however often it is tried. */
const UNREADABLE_CODES: ReadonlySet<string> = new Set(['format', 'wrong_shard', 'wrong_journal', 'corrupt']);

export interface ShardChildrenModules {
  directory: DataDirectory;
  links: ShardLinks;
  threads: EngineThreads;
  log: Log;
  /** Questions of the gateway that one shard holds unanswered. */
  queriesMax: number;
  /** Nobody answers for its meters until its thread is there anew. */
  onDown(shard: number): void;
}

export function shardChildren(config: EngineConfig, modules: ShardChildrenModules): EngineChild[] {
  const { links, threads, onDown } = modules;
  const readyRows = Array.from({ length: config.shards }, (_, shard) => rowsMadeReady(config, shard, modules));
  return readyRows.map((rows, shard) => ({
    name: `shard-${shard}`,
    stopTimeoutMs: config.shutdownDeadlineMs,
    start: async ({ epoch }: { epoch: number }) => {
      const started = threads.start<object>({ name: `shard-${shard}`, module: new URL('./shard-thread.ts', import.meta.url), epoch, options: { ...shardThreadOptions(config, shard, modules), rows } satisfies ShardThreadOptions, readyTimeoutMs: READY_TIMEOUT_MS });
      const thread = await started.catch((error: unknown) => didNotStart(shard, error, modules));
      links.shardUp(shard, thread);
      return thread;
    },
    down: () => {
      links.shardDown(shard);
      onDown(shard);
    },
  }));
}

/** Another attempt is the supervisor's business, unless it is certain to end the same way. Always throws. */
function didNotStart(shard: number, error: unknown, { log, threads }: Pick<ShardChildrenModules, 'log' | 'threads'>): never {
  const cause = error instanceof OperationalError ? error.cause : undefined;
  if (cause instanceof OperationalError && UNREADABLE_CODES.has(cause.code)) {
    const wayOut = cause.code === 'corrupt' ? '; look at all of it with seg verify, and bring back a backup with seg restore' : '';
    const reason = new OperationalError(cause.code, `shard ${shard} cannot read its data: ${cause.message}${wayOut}`, { cause });
    log.error({ err: reason }, 'the engine stops: no restart can mend this');
    threads.fail(reason);
  }
  throw error;
}

/** A shard's thread needs half a second until it knows how many meters it has, in which the other core could already get their memory. Null: it gets its own. */
function rowsMadeReady(config: EngineConfig, shard: number, { directory }: Pick<ShardChildrenModules, 'directory'>): TouchedMemory | null {
  return config.shards === directory.shardCount ? touchedRows(pagesStored(directory.shardDirectory(shard))) : null;
}

function shardThreadOptions(config: EngineConfig, shard: number, { directory, queriesMax }: Pick<ShardChildrenModules, 'directory' | 'queriesMax'>): Omit<ShardThreadOptions, 'rows'> {
  return {
    shard,
    shardCount: config.shards,
    partitionCount: directory.partitionCount,
    directory: directory.shardDirectory(shard),
    latenessMs: config.latenessMs,
    correctionHorizonMs: config.correctionHorizonMs,
    metersMax: Math.ceil(config.meterLimit / config.shards),
    regionsMax: config.regionLimit,
    nominalVoltage: config.nominalVoltage,
    darkPowerKw: config.darkPowerKw,
    checkpointIntervalMs: config.checkpointIntervalMs,
    journalBytesMax: config.journalBytesMax,
    deadLettersMax: config.deadLetterRowsMax,
    anomaliesMax: config.anomalyRowsMax,
    outbox: outboxOptions(config),
    keepMs: windowsKeptMs(config),
    creditsMax: Math.max(config.shardCredits, queriesMax),
  };
}
