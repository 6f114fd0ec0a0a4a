import { kafkaWriter } from '../actors/sinks/kafka/kafka-writer.ts';
import type { KafkaWriterOptions } from '../actors/sinks/kafka/kafka-options.ts';
import type { SinkWriter } from '../actors/sinks/protocol.ts';
import { SinkPump } from '../actors/sinks/pump.ts';
import { ShardEffects } from '../actors/sinks/shard-effects.ts';
import type { RetentionOptions } from '../actors/sinks/timescale/hypertables.ts';
import { timescaleWriter } from '../actors/sinks/timescale/timescale-writer.ts';
import { WindowHistory } from '../actors/sinks/timescale/window-history.ts';
import type { RegionCapacities } from '../actors/region/state.ts';
import type { ShardAnswers, ShardQuery } from '../actors/shard/protocol.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { Page } from '../model/queries.ts';
import type { MeterWindow } from '../model/window.ts';
import { Requester, Responder } from '../runtime/request-channel.ts';
import { runThread } from '../runtime/thread-main.ts';
import { portTransport, type Transport } from '../runtime/transport.ts';
import type { SinkThreadSnapshot } from './engine-metrics.ts';
import { HISTORY_PORT, HISTORY_QUESTIONS_MAX, type HistoryQuery } from './history-link.ts';
import type { ShardPortMeta } from './shard-links.ts';

/** A worker thread with a pump for each system beside the engine, and the database's answers to queries that reach back past what the shards keep. */

export interface SinkThreadOptions {
  engineId: string;
  shardCount: number;
  capacities: RegionCapacities;
  latenessMs: number;
  /** Null: not written to. */
  timescale: { url: string; retention: RetentionOptions } | null;
  kafka: Omit<KafkaWriterOptions, 'engineId'> | null;
  /** Time a shard has for an answer, ms. */
  askDeadlineMs: number;
  /** Time for writes under way when the thread stops, ms. */
  drainMs: number;
}

/** Of one shard: a read ahead, regional windows and an acknowledgement for each pump, and room. */
const QUESTIONS_PER_SHARD_MAX = 16;
/** Of the time that the gateway waits, for the database: the rest is the way there and back. */
const HISTORY_SHARE = 0.8;
/** Answers are bounded by the pump's batches. */
const BYTES_UNCOUNTED = Number.MAX_SAFE_INTEGER;

runThread(async (context) => {
  const options = context.options as SinkThreadOptions;
  const { clock, timers, log } = context;
  const requesters = new Map<number, Requester<ShardQuery, ShardAnswers[ShardQuery['kind']]>>();

  const history = options.timescale === null ? null : new WindowHistory({ url: options.timescale.url, timeouts: { connectMs: options.askDeadlineMs * HISTORY_SHARE, queryMs: options.askDeadlineMs * HISTORY_SHARE } });

  context.onPort((purpose, port, meta) => {
    if (purpose === HISTORY_PORT) {
      answerHistory(portTransport(port));
      return;
    }
    const { shard, epoch } = meta as ShardPortMeta;
    requesters.get(shard)?.close();
    const link = { name: `shard-${shard}`, creditsMax: QUESTIONS_PER_SHARD_MAX, bytesInFlightMax: BYTES_UNCOUNTED, epoch };
    requesters.set(shard, new Requester(portTransport(port), link, { clock, timers }));
  });

  function ask<K extends ShardQuery['kind']>(shard: number, query: Extract<ShardQuery, { kind: K }>): Promise<ShardAnswers[K]> {
    const requester = requesters.get(shard);
    if (requester === undefined) return Promise.reject(new OperationalError('unavailable', `shard-${shard} is restarting; try again shortly`, { retryable: true }));
    return requester.request(query, { deadlineMs: options.askDeadlineMs }) as Promise<ShardAnswers[K]>;
  }

  function answerHistory(transport: Transport): void {
    new Responder<HistoryQuery, Page<MeterWindow>>(
      transport,
      ({ meterId, query }, reply) => {
        history!.meterWindows(meterId, query).then(
          (page) => reply.ok(page),
          (error: unknown) => reply.fail(error as OperationalError),
        );
      },
      { name: context.name, mailboxMax: HISTORY_QUESTIONS_MAX, epoch: context.epoch, onFailure: (error) => context.fail(error) },
      { clock },
    );
  }

  const { engineId, shardCount: shards } = options;
  const writers: SinkWriter[] = [];
  if (options.timescale !== null) writers.push(timescaleWriter({ ...options.timescale, engineId, shards, log }));
  if (options.kafka !== null) writers.push(kafkaWriter({ ...options.kafka, engineId }, { log, timers }));
  const source = new ShardEffects({ shards, capacities: options.capacities, latenessMs: options.latenessMs }, { ask, clock });
  const pumps = writers.map((writer) => new SinkPump({ shards }, { source, writer, clock, timers, random: Math.random, log, onFailure: (error) => context.fail(error) }));
  for (const pump of pumps) pump.start();

  return {
    control: {},
    async stop() {
      await Promise.all(pumps.map((pump) => pump.stop(options.drainMs)));
      for (const requester of requesters.values()) requester.close();
      await history?.close();
    },
    async metrics(): Promise<SinkThreadSnapshot> {
      return { kind: 'sinks', thread: context.name, epoch: context.epoch, stats: null, mailboxes: {}, sinks: pumps.map((pump) => pump.figures()) };
    },
  };
});
