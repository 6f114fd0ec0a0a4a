import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { LogLink, type LogAnswer, type LogQuestion } from '../actors/kafka-log/log-channel.ts';
import { LogMessageDecoder } from '../actors/kafka-log/message-decoding.ts';
import type { PartitionOptions } from '../actors/kafka-log/partition-actor.ts';
import { PartitionHost } from '../actors/kafka-log/partition-host.ts';
import type { RegionPicture, ShardAnswers, ShardQuery, ShardReport } from '../actors/shard/protocol.ts';
import type { ShardStateConfig } from '../actors/shard/state.ts';
import { OperationalError } from '../runtime/errors.ts';
import { checkDataFile } from '../runtime/lmdb-data-file.ts';
import { checkPages } from '../runtime/lmdb-pages.ts';
import { openLmdbStore } from '../runtime/lmdb-store.ts';
import { MailboxMetrics } from '../runtime/mailbox-metrics.ts';
import { Requester, Responder, type Reply } from '../runtime/request-channel.ts';
import { runThread } from '../runtime/thread-main.ts';
import { portTransport } from '../runtime/transport.ts';
import { TurnShare } from '../runtime/turn-share.ts';
import { memoryOf } from './answer-memory.ts';
import { HOST_PORT, LOG_PORT, type OwnPartitions, type PartitionNews } from './cluster-ports.ts';
import { dataFiles } from './open-shard-store.ts';
import { answerStepwise } from './stepwise-answer.ts';
import type { PartitionThreadSnapshot } from './engine-metrics.ts';
import type { GatewayChannelAnswer } from './shard-thread.ts';
import type { ShardPortMeta } from './shard-links.ts';

/** A worker thread that folds partitions of the log in Kafka, each with an LMDB environment of its own. */

export interface PartitionThreadOptions {
  partitionCount: number;
  /** Of the log. */
  topic: string;
  /** Where partitions' environments lie, by number. */
  directory: string;
  state: ShardStateConfig;
  checkpoint: PartitionOptions['checkpoint'];
  replayBytesMax: number;
  replayKeepBytesMax: number;
  deadLettersMax: number;
  anomaliesMax: number;
  outbox: PartitionOptions['outbox'];
  retention: PartitionOptions['retention'];
  removalsKeptMs: number;
  lastStepMs: number;
  /** Requests that may be unanswered in each mailbox. */
  creditsMax: number;
  questionsMax: number;
}

/** As of a shard (shard-thread.ts). */
const QUESTIONS_MS_PER_TURN = 5;
const BYTES_UNCOUNTED = Number.MAX_SAFE_INTEGER;

runThread(async (context) => {
  const options = context.options as PartitionThreadOptions;
  const { clock, timers, log } = context;
  const tracing = await context.openTracing();
  const mailboxes = { query: new MailboxMetrics(), effects: new MailboxMetrics() };
  const decoder = new LogMessageDecoder({ partitionCount: options.partitionCount });
  const gateways = new Map<number, Responder<ShardQuery, GatewayChannelAnswer, RegionPicture, ShardReport>>();
  /** Ports of the sink thread, by partition. */
  const sinks = new Map<number, Responder<ShardQuery, GatewayChannelAnswer>>();
  let main: Requester<never, never, OwnPartitions, PartitionNews> | null = null;
  let link: LogLink | null = null;
  const placeOf = (partition: number): string => join(options.directory, `partition-${partition}`);

  const host = new PartitionHost(options, {
    log,
    clock,
    timers,
    link: () => link,
    openLocal(partition) {
      const directory = placeOf(partition);
      // A copy that is damaged is worth nothing: the topic has it whole.
      if (!isSound(directory)) {
        log.warn({ partition }, `what the data directory holds of partition ${partition} is damaged; its state is read from the beginning`);
        rmSync(directory, { recursive: true, force: true });
      }
      return openLmdbStore({ directory });
    },
    discardLocal: (partition) => rmSync(placeOf(partition), { recursive: true, force: true }),
    decode: (message) => decoder.decode(message),
    tracing,
    newLife: () => randomBytes(6).toString('hex'),
    onState(partition, state) {
      if (state.state !== 'ready') {
        for (const ports of [gateways, sinks]) {
          ports.get(partition)?.close();
          ports.delete(partition);
        }
      }
      main?.sendEvent({ partition, state });
    },
    onReport: (report) => gateways.get(report.shard)?.sendEvent(report),
  });

  context.onPort((purpose, port, meta) => {
    const transport = portTransport(port);
    const channel = { mailboxMax: options.creditsMax, epoch: context.epoch, onFailure: (error: unknown) => context.fail(error) };
    if (purpose === HOST_PORT) {
      main = new Requester(transport, { name: 'main', creditsMax: 1, bytesInFlightMax: BYTES_UNCOUNTED, epoch: context.epoch }, { clock, timers });
      main.onEvent(({ partitions }) => host.own(partitions));
      return;
    }
    if (purpose === LOG_PORT) {
      const { epoch } = meta as { epoch: number };
      const requester = new Requester<LogQuestion, LogAnswer>(transport, { name: 'kafka-log', creditsMax: options.questionsMax, bytesInFlightMax: BYTES_UNCOUNTED, epoch }, { clock, timers });
      const own = new LogLink(requester);
      link = own;
      transport.onClose(() => {
        if (link === own) link = null;
      });
      return;
    }
    const { shard: partition } = meta as ShardPortMeta;
    if (purpose === 'sinks') {
      sinks.get(partition)?.close();
      sinks.set(partition, new Responder(transport, (query, reply) => answer(partition, query, reply), { name: `partition-${partition}`, ...channel }, { clock, metrics: mailboxes.effects }));
      return;
    }
    const gateway: Responder<ShardQuery, GatewayChannelAnswer, RegionPicture, ShardReport> = new Responder(transport, (query, reply) => answer(partition, query, reply), { name: `partition-${partition}`, ...channel }, { clock, metrics: mailboxes.query });
    gateways.get(partition)?.close();
    gateways.set(partition, gateway);
    gateway.onEvent((picture) => host.actorOf(partition)?.setPicture(picture));
    host.actorOf(partition)?.report();
  });

  const questions = new TurnShare(QUESTIONS_MS_PER_TURN, { clock, nextTurn: setImmediate });

  function answer(partition: number, query: ShardQuery, reply: Reply<GatewayChannelAnswer>): void {
    if (query.kind !== 'determinants') {
      questions.run(() => answerNow(partition, query, reply));
      return;
    }
    const actor = host.actorOf(partition);
    const answer = actor?.queries.energy.determinants(query);
    const step = (): ShardAnswers['determinants'] | null => {
      // It may go between two steps, and its store with it.
      if (answer === undefined || host.actorOf(partition) !== actor) throw moving(partition);
      return answer.step();
    };
    answerStepwise(step, questions, (found) => reply.ok(found, [found.rows.buffer as ArrayBuffer]), (error) => refuse(query, reply, error));
  }

  function answerNow(partition: number, query: ShardQuery, reply: Reply<GatewayChannelAnswer>): void {
    try {
      const actor = host.actorOf(partition);
      if (actor === null) throw moving(partition);
      const found = actor.ask(query);
      reply.ok(found, memoryOf(query, found));
    } catch (error) {
      refuse(query, reply, error);
    }
  }

  /** A question changes nothing, so a failed one must not cost the partition; only its asker hears. */
  function refuse(query: ShardQuery, reply: Reply<GatewayChannelAnswer>, error: unknown): void {
    if (!(error instanceof OperationalError && error.retryable)) log.error({ err: error, query: query.kind }, 'a query failed');
    const isSaid = error instanceof OperationalError && (error.code === 'corrupt' || error.retryable);
    reply.fail(isSaid ? error : new OperationalError('query_failed', 'the partition could not answer this query', { cause: error }));
  }

  return {
    control: {},
    stop: () => host.stop(),
    async metrics(): Promise<PartitionThreadSnapshot> {
      const partitions = [...host.ready()].map(([partition, actor]) => ({ partition, ...actor.figures(), anomaliesOpen: { ...actor.state.episodes.open } }));
      return { kind: 'partitions', thread: context.name, epoch: context.epoch, stats: null, mailboxes: { [`${context.name}.query`]: mailboxes.query.snapshot(), [`${context.name}.effects`]: mailboxes.effects.snapshot() }, partitions, refused: [...host.refused()], totals: host.totals(), tracing: tracing?.figures() };
    },
  };
});

function moving(partition: number): OperationalError {
  return new OperationalError('unavailable', `partition ${partition} is moving; try again shortly`, { retryable: true });
}

function isSound(directory: string): boolean {
  try {
    for (const file of dataFiles(directory)) {
      checkDataFile(file, false);
      checkPages(file);
    }
    return true;
  } catch (error) {
    if (error instanceof OperationalError) return false;
    throw error;
  }
}
