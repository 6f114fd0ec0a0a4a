import { IngestActor, INGEST_DEFAULTS } from '../actors/ingest/actor.ts';
import { createBodyDecoder } from '../actors/ingest/body-decoder.ts';
import { LogIngestActor } from '../actors/ingest/log-ingest-actor.ts';
import { APPEND_PORT, type AppendLogReply, type AppendLogRequest } from '../actors/kafka-log/protocol.ts';
import type { AppendReply, AppendRequest } from '../actors/shard/protocol.ts';
import { INGEST_LIMITS_DEFAULT, startIngestServer } from '../http/ingest-server.ts';
import { Requester } from '../runtime/request-channel.ts';
import { runThread, type PortHandler, type ThreadContext } from '../runtime/thread-main.ts';
import { portTransport } from '../runtime/transport.ts';
import { DEVICE_KEYS_PORT, DeviceKeyFeed } from './device-key-link.ts';
import type { IngestThreadSnapshot } from './engine-metrics.ts';
import type { ShardPortMeta } from './shard-links.ts';

/** A worker thread with an ingest server and the ingest actor behind it. */

export interface IngestThreadOptions {
  /** Where readings are appended: to each shard's own log, or to Kafka's by the thread that speaks with it. */
  log: 'shards' | 'kafka';
  /** Of Kafka's log. */
  topic: string;
  /** Whether senders need a device key. Nobody is let in then before all keys have come over the port DEVICE_KEYS_PORT. */
  needsKeys: boolean;
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

/** Bytes in flight to one shard, or to Kafka: a full request of the widest readings and some more. */
const BYTES_IN_FLIGHT_MAX = 32 * 1024 * 1024;

runThread<IngestThreadControl>(async (context) => {
  const options = context.options as IngestThreadOptions;
  const { clock, timers, log } = context;
  const tracing = await context.openTracing();
  const { actor, takePort, close } = options.log === 'kafka' ? intoKafka(context) : intoShards(context);
  const keys = options.needsKeys ? new DeviceKeyFeed({ clock, timers }) : null;
  context.onPort((purpose, port, meta) => {
    if (keys !== null && purpose === DEVICE_KEYS_PORT) keys.connect(port);
    else takePort(purpose, port, meta);
  });

  const server = await startIngestServer(
    {
      host: options.host,
      port: options.port,
      exclusivePort: options.exclusivePort,
      limits: { ...INGEST_LIMITS_DEFAULT, bufferedBytesMax: options.bufferedBytesMax, bodyDeadlineMs: options.bodyDeadlineMs },
      requestIdPrefix: `${context.name}-${context.epoch}`,
    },
    { ingest: actor, keys: keys?.table, clock, timers, tracing, onFault: (error, request) => log.error({ err: error, ...request }, 'an ingest request failed') },
  );

  return {
    control: { listeningPort: () => server.port },
    async stop() {
      await server.close(options.drainMs);
      await actor.whenIdle();
      close();
      keys?.close();
    },
    async metrics(): Promise<IngestThreadSnapshot> {
      return { kind: 'ingest', thread: context.name, epoch: context.epoch, stats: null, mailboxes: {}, server: server.stats(), actor: actor.stats(), tracing: tracing?.figures() };
    },
  };
});

/** An ingest actor, and what ends its connections. */
interface Ingest<Actor> {
  actor: Actor;
  takePort: PortHandler;
  close(): void;
}

function intoShards({ options: all, clock, timers }: ThreadContext): Ingest<IngestActor> {
  const options = all as IngestThreadOptions;
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

  const takePort: PortHandler = (_purpose, port, meta) => {
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
  };
  return {
    actor,
    takePort,
    close() {
      for (const requester of requesters.values()) requester.close();
    },
  };
}

function intoKafka({ options: all, clock, timers }: ThreadContext): Ingest<LogIngestActor> {
  const options = all as IngestThreadOptions;
  const { topic, partitionCount, queuedReadingsMax, queuedBytesMax, appendDeadlineMs } = options;
  const actor = new LogIngestActor(
    { ...INGEST_DEFAULTS, topic, partitionCount, queuedReadingsMax, queuedBytesMax, appendDeadlineMs },
    { clock, decode: createBodyDecoder(), atTurnEnd: (fn) => setImmediate(fn) },
  );
  let current: Requester<AppendLogRequest, AppendLogReply> | null = null;

  const takePort: PortHandler = (purpose, port, meta) => {
    if (purpose !== APPEND_PORT) throw new Error(`an ingest thread that appends to Kafka has no use for a port for ${purpose}`);
    const { epoch } = meta as { epoch: number };
    current?.close();
    const transport = portTransport(port);
    const requester = new Requester<AppendLogRequest, AppendLogReply>(transport, { name: 'kafka-log', creditsMax: options.creditsMax, bytesInFlightMax: BYTES_IN_FLIGHT_MAX, epoch }, { clock, timers });
    current = requester;
    actor.logUp(requester);
    // The port closes when the log's thread is gone, whatever took it.
    transport.onClose(() => {
      if (current !== requester) return;
      current = null;
      actor.logDown();
    });
  };
  return { actor, takePort, close: () => current?.close() };
}
