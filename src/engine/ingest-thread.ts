import { IngestActor, INGEST_DEFAULTS } from '../actors/ingest/actor.ts';
import { createBodyDecoder } from '../actors/ingest/body-decoder.ts';
import type { AppendReply, AppendRequest } from '../actors/shard/protocol.ts';
import { INGEST_LIMITS_DEFAULT, startIngestServer } from '../http/ingest-server.ts';
import { Requester } from '../runtime/request-channel.ts';
import { runThread } from '../runtime/thread-main.ts';
import { portTransport } from '../runtime/transport.ts';
import type { IngestThreadSnapshot } from './engine-metrics.ts';
import type { ShardPortMeta } from './shard-links.ts';

/** A worker thread with an ingest server and the ingest actor behind it. */

export interface IngestThreadOptions {
  host: string;
  port: number;
  /** False when several ingest threads listen on the port. */
  exclusivePort: boolean;
  shardCount: number;
  partitionCount: number;
  /** Batches in flight to each shard. */
  creditsMax: number;
  queuedReadingsMax: number;
  queuedBytesMax: number;
  bufferedBytesMax: number;
  bodyDeadlineMs: number;
  appendDeadlineMs: number;
  /** Time for requests in flight when the thread stops, ms. */
  drainMs: number;
}

export interface IngestThreadControl {
  /** The port the server listens on. */
  listeningPort(): number;
}

/** Bytes in flight to one shard: a full request of the widest readings and some more. */
const BYTES_IN_FLIGHT_MAX = 32 * 1024 * 1024;

runThread<IngestThreadControl>(async (context) => {
  const options = context.options as IngestThreadOptions;
  const { clock, timers, log } = context;
  const actor = new IngestActor(
    {
      ...INGEST_DEFAULTS,
      partitionCount: options.partitionCount,
      shardCount: options.shardCount,
      queuedReadingsMax: options.queuedReadingsMax,
      queuedBytesMax: options.queuedBytesMax,
      appendDeadlineMs: options.appendDeadlineMs,
    },
    { clock, decode: createBodyDecoder(), atTurnEnd: (fn) => setImmediate(fn) },
  );
  const requesters = new Map<number, Requester<AppendRequest, AppendReply>>();

  context.onPort((_purpose, port, meta) => {
    const { shard, epoch } = meta as ShardPortMeta;
    requesters.get(shard)?.close();
    const transport = portTransport(port);
    const requester = new Requester<AppendRequest, AppendReply>(
      transport,
      { name: `shard-${shard}`, creditsMax: options.creditsMax, bytesInFlightMax: BYTES_IN_FLIGHT_MAX, epoch },
      { clock, timers },
    );
    requesters.set(shard, requester);
    actor.shardUp(shard, requester);
    // The port closes when the shard's thread is gone, whatever took it.
    transport.onClose(() => {
      if (requesters.get(shard) !== requester) return;
      requesters.delete(shard);
      actor.shardDown(shard);
    });
  });

  const server = await startIngestServer(
    {
      host: options.host,
      port: options.port,
      exclusivePort: options.exclusivePort,
      limits: { ...INGEST_LIMITS_DEFAULT, bufferedBytesMax: options.bufferedBytesMax, bodyDeadlineMs: options.bodyDeadlineMs },
      requestIdPrefix: `${context.name}-${context.epoch}`,
    },
    { ingest: actor, clock, timers, onFault: (error, requestId) => log.error({ err: error, requestId }, 'an ingest request failed') },
  );

  return {
    control: { listeningPort: () => server.port },
    async stop() {
      await server.close(options.drainMs);
      await actor.whenIdle();
      for (const requester of requesters.values()) requester.close();
    },
    async metrics(): Promise<IngestThreadSnapshot> {
      return { kind: 'ingest', thread: context.name, epoch: context.epoch, stats: null, mailboxes: {}, server: server.stats(), actor: actor.stats() };
    },
  };
});
