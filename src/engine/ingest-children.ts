import type { WorkerThread } from '../runtime/worker-thread.ts';
import type { ClusterBoard } from './cluster-board.ts';
import type { DeviceKeyLinks } from './device-key-link.ts';
import type { EngineConfig } from './engine-config.ts';
import { CONTROL_DEADLINE_MS, type EngineChild, type EngineThreads } from './engine-threads.ts';
import type { IngestThreadControl, IngestThreadOptions } from './ingest-thread.ts';
import { logTopicName } from './kafka-log-wiring.ts';
import type { ShardLinks } from './shard-links.ts';

/** The threads that take readings, for their supervisor. */

const READY_TIMEOUT_MS = 30_000;

export interface IngestChildrenModules {
  threads: EngineThreads;
  links: ShardLinks;
  /** Of an engine whose log is in Kafka: readings go there; null: to the shards. */
  cluster: ClusterBoard | null;
  /** null without accounts. */
  deviceKeys(): DeviceKeyLinks | null;
  partitionCount: number;
  /** Where they listen; 0 until the first does. */
  ports: { ingest: number };
}

export function ingestChildren(config: EngineConfig, { threads, links, cluster, deviceKeys, partitionCount, ports }: IngestChildrenModules): EngineChild[] {
  return Array.from({ length: config.ingestThreads }, (_, index) => {
    const name = `ingest-${index}`;
    const start = async ({ epoch }: { epoch: number }): Promise<WorkerThread<IngestThreadControl>> => {
      // A restarted thread listens where the one before it did.
      const port = ports.ingest === 0 ? config.ingestPort : ports.ingest;
      const options = ingestThreadOptions(config, port, partitionCount);
      const thread = await threads.start<IngestThreadControl>({ name, module: new URL('./ingest-thread.ts', import.meta.url), epoch, options, readyTimeoutMs: READY_TIMEOUT_MS });
      const client = thread as unknown as WorkerThread<object>;
      deviceKeys()?.ingestUp(name, client);
      if (cluster === null) links.clientUp(name, 'ingest', client);
      else cluster.ingestUp(name, client);
      ports.ingest = await thread.call('listeningPort', [], CONTROL_DEADLINE_MS);
      return thread;
    };
    const down = (): void => {
      deviceKeys()?.ingestDown(name);
      links.clientDown(name);
      cluster?.ingestDown(name);
    };
    return { name, stopTimeoutMs: config.shutdownDeadlineMs, start, down };
  });
}

function ingestThreadOptions(config: EngineConfig, port: number, partitionCount: number): IngestThreadOptions {
  return {
    host: config.host,
    port,
    exclusivePort: config.ingestThreads === 1,
    log: config.log === 'kafka' ? 'kafka' : 'shards',
    topic: logTopicName(config),
    needsKeys: config.auth,
    shardCount: config.shards,
    partitionCount,
    creditsMax: config.shardCredits,
    queuedReadingsMax: config.queuedReadingsMax,
    queuedBytesMax: config.queuedBytesMax,
    bufferedBytesMax: config.bufferedBytesMax,
    bodyDeadlineMs: config.bodyDeadlineMs,
    appendDeadlineMs: config.appendDeadlineMs,
    drainMs: Math.ceil(config.shutdownDeadlineMs / 3),
  };
}
