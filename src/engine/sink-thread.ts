import type { MessagePort } from 'node:worker_threads';
import { joinFigures } from '../actors/sinks/figures.ts';
import { kafkaWriter } from '../actors/sinks/kafka/kafka-writer.ts';
import type { KafkaWriterOptions } from '../actors/sinks/kafka/kafka-options.ts';
import type { AlertPiece } from '../actors/alerts/alert-outbox.ts';
import { ALERTS_LANE, BILLING_LANE, REGIONS_CONSUMER, type EffectSource, type RegionWindowKey, type SinkWriter } from '../actors/sinks/protocol.ts';
import { SinkPump } from '../actors/sinks/pump.ts';
import { RegionPartsGather } from '../actors/sinks/region-parts-gather.ts';
import { ShardEffects } from '../actors/sinks/shard-effects.ts';
import { SupervisorEffects, type AskOutbox, type OutboxQuestion } from '../actors/sinks/supervisor-effects.ts';
import type { RetentionOptions } from '../actors/sinks/timescale/hypertables.ts';
import { timescaleWriter } from '../actors/sinks/timescale/timescale-writer.ts';
import { WindowHistory } from '../actors/sinks/timescale/window-history.ts';
import type { BillingPiece } from '../actors/tariffs/billing-outbox.ts';
import type { RegionCapacities } from '../actors/region/state.ts';
import type { RegionPart, ShardAnswers, ShardQuery } from '../actors/shard/protocol.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { Page } from '../model/queries.ts';
import type { MeterWindow } from '../model/window.ts';
import { Requester, Responder } from '../runtime/request-channel.ts';
import { runThread } from '../runtime/thread-main.ts';
import { portTransport, type Transport } from '../runtime/transport.ts';
import type { SinkThreadSnapshot } from './engine-metrics.ts';
import { HISTORY_PORT, HISTORY_QUESTIONS_MAX, type HistoryQuery } from './history-link.ts';
import { ALERT_OUTBOX_PORT, BILLING_OUTBOX_PORT, OUTBOX_QUESTIONS_MAX, type OutboxPort, type OutboxPortMeta } from './outbox-link.ts';
import { REGION_PARTS_PORT, REGION_PARTS_QUESTIONS_MAX, type RegionPartsQuestion } from './region-parts-link.ts';
import type { ShardPortMeta } from './shard-links.ts';

/** A worker thread with a pump for each system beside the engine, and the database's answers to queries that reach back past what the shards keep. */

export interface SinkThreadOptions {
  engineId: string;
  /** Shards are partitions of a log that several engines share: they come and go, and regional windows are made of other engines' as well. */
  isShared: boolean;
  /** Of an engine with a log of its own. */
  shardCount: number;
  /** There is an alerts supervisor. */
  hasAlerts: boolean;
  /** There is a tariff supervisor. */
  hasBilling: boolean;
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
/** Writes side by side where shards are partitions, of which a node may have hundreds: a database has a hundred connections as a rule, for all nodes together. */
const SHARED_SLOTS = 4;
/** How often one of them without anything new is asked; its steps are a second apart. */
const SHARED_IDLE_MS = 1_000;
/** Regional windows in a batch there: each is asked of all nodes. */
const SHARED_REGION_WINDOWS = 500;
/** Of the time that the gateway waits, for the database: the rest is the way there and back. */
const HISTORY_SHARE = 0.8;
const OUTBOX_OWNERS: Readonly<Record<OutboxPort, string>> = { [ALERT_OUTBOX_PORT]: 'alerts', [BILLING_OUTBOX_PORT]: 'tariffs' };
/** Answers are bounded by the pump's batches. */
const BYTES_UNCOUNTED = Number.MAX_SAFE_INTEGER;

runThread(async (context) => {
  const options = context.options as SinkThreadOptions;
  const { clock, timers, log } = context;
  const tracing = await context.openTracing();
  const pumpModules = { clock, timers, random: Math.random, log, tracing, onFailure: (error: unknown) => context.fail(error) };
  const requesters = new Map<number, Requester<ShardQuery, ShardAnswers[ShardQuery['kind']]>>();

  const history = options.timescale === null ? null : new WindowHistory({ url: options.timescale.url, timeouts: { connectMs: options.askDeadlineMs * HISTORY_SHARE, queryMs: options.askDeadlineMs * HISTORY_SHARE } });

  let regionParts: Requester<RegionPartsQuestion, RegionPart[]> | null = null;
  const outboxes = new Map<OutboxPort, Requester<OutboxQuestion, unknown>>();
  const supervisors = [...(options.hasAlerts ? [ALERTS_LANE] : []), ...(options.hasBilling ? [BILLING_LANE] : [])];
  const pumpsBySink = options.isShared ? sharedPumps() : ownPumps();
  const pumps = pumpsBySink.flat();

  context.onPort((purpose, port, meta) => {
    if (purpose === HISTORY_PORT) {
      answerHistory(portTransport(port));
      return;
    }
    if (purpose === REGION_PARTS_PORT) {
      const { epoch } = meta as { epoch: number };
      regionParts = new Requester(portTransport(port), { name: 'main', creditsMax: REGION_PARTS_QUESTIONS_MAX, bytesInFlightMax: BYTES_UNCOUNTED, epoch }, { clock, timers });
      return;
    }
    if (purpose === ALERT_OUTBOX_PORT || purpose === BILLING_OUTBOX_PORT) {
      const { epoch } = meta as OutboxPortMeta;
      outboxes.get(purpose)?.close();
      outboxes.set(purpose, new Requester(portTransport(port), { name: OUTBOX_OWNERS[purpose], creditsMax: OUTBOX_QUESTIONS_MAX, bytesInFlightMax: BYTES_UNCOUNTED, epoch }, { clock, timers }));
      return;
    }
    takeShard(port, meta as ShardPortMeta);
  });

  function takeShard(port: MessagePort, { shard, epoch }: ShardPortMeta): void {
    requesters.get(shard)?.close();
    const link = { name: `${options.isShared ? 'partition' : 'shard'}-${shard}`, creditsMax: QUESTIONS_PER_SHARD_MAX, bytesInFlightMax: BYTES_UNCOUNTED, epoch };
    const transport = portTransport(port);
    const requester = new Requester<ShardQuery, ShardAnswers[ShardQuery['kind']]>(transport, link, { clock, timers });
    requesters.set(shard, requester);
    if (!options.isShared) return;
    // A port of its own for each time that the partition is ready here.
    transport.onClose(() => {
      if (requesters.get(shard) !== requester) return;
      requesters.delete(shard);
      for (const pump of pumps) pump.shardDown(shard);
    });
    for (const pump of pumps) {
      pump.shardDown(shard);
      pump.shardUp(shard);
    }
  }

  function ask<K extends ShardQuery['kind']>(shard: number, query: Extract<ShardQuery, { kind: K }>): Promise<ShardAnswers[K]> {
    const requester = requesters.get(shard);
    if (requester === undefined) return Promise.reject(new OperationalError('unavailable', `${options.isShared ? 'partition' : 'shard'}-${shard} is away; try again shortly`, { retryable: true }));
    return requester.request(query, { deadlineMs: options.askDeadlineMs }) as Promise<ShardAnswers[K]>;
  }

  function outbox<Piece>(port: OutboxPort): AskOutbox<Piece> {
    return async (question) => {
      const requester = outboxes.get(port);
      if (requester === undefined) throw new OperationalError('unavailable', `${OUTBOX_OWNERS[port]} are not connected yet; try again shortly`, { retryable: true });
      return requester.request(question, { deadlineMs: options.askDeadlineMs }) as Promise<Piece | null>;
    };
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

  /** What all shards have of these windows. */
  async function partsOf(keys: readonly RegionWindowKey[]): Promise<RegionPart[]> {
    if (options.isShared) {
      if (regionParts === null) throw new OperationalError('unavailable', 'the sink thread is not connected to the main thread yet', { retryable: true });
      return regionParts.request({ keys }, { deadlineMs: options.askDeadlineMs });
    }
    const answers = await Promise.all(Array.from({ length: options.shardCount }, (_, shard) => ask<'regionPartsByKey'>(shard, { kind: 'regionPartsByKey', keys })));
    return answers.flat();
  }

  function withSupervisors(shards: EffectSource): EffectSource {
    return new SupervisorEffects(shards, { alerts: outbox<AlertPiece>(ALERT_OUTBOX_PORT), billing: outbox<BillingPiece>(BILLING_OUTBOX_PORT) });
  }

  /** Pumps to the writers that are there, from all shards of this engine, and with them in the order of the sinks. */
  function ownPumps(): SinkPump[][] {
    const { shardCount: shards } = options;
    const source = withSupervisors(new ShardEffects(options, { ask, regionParts: partsOf, clock }));
    return writersOf(shards + supervisors.length, '').map((writer) => [new SinkPump({ shards, supervisors }, { source, writer, ...pumpModules })]);
  }

  /** The same from partitions: two for each sink, of which one has the regional windows and no supervisors, and cursors under a name of its own. */
  function sharedPumps(): SinkPump[][] {
    const regionWriters = writersOf(SHARED_SLOTS, REGIONS_CONSUMER);
    return writersOf(SHARED_SLOTS, '').map((writer, i) => {
      const gather = new RegionPartsGather(partsOf);
      const source = new ShardEffects(options, { ask, regionParts: (keys) => gather.parts(keys), clock });
      const regionSource: EffectSource = {
        read: (shard, consumer, position, windowsMax) => source.read(shard, consumer + REGIONS_CONSUMER, position, windowsMax),
        acknowledge: (shard, consumer, position) => source.acknowledge(shard, consumer + REGIONS_CONSUMER, position),
        regionWindows: (keys) => source.regionWindows(keys),
      };
      const some = { shards: 0, slots: SHARED_SLOTS, idleMs: SHARED_IDLE_MS };
      return [
        new SinkPump({ ...some, supervisors }, { source: withSupervisors(source), writer, ...pumpModules }),
        new SinkPump({ ...some, hasRegionRevisions: true, windowsPerBatch: SHARED_REGION_WINDOWS }, { source: regionSource, writer: regionWriters[i], ...pumpModules }),
      ];
    });
  }

  function writersOf(slots: number, suffix: string): SinkWriter[] {
    const engineId = options.engineId + suffix;
    const writers: SinkWriter[] = [];
    if (options.timescale !== null) writers.push(timescaleWriter({ ...options.timescale, engineId, slots, isShared: options.isShared, log }));
    if (options.kafka !== null) writers.push(kafkaWriter({ ...options.kafka, engineId: options.engineId }, { log, timers }));
    return writers;
  }

  for (const pump of pumps) pump.start();

  return {
    control: {},
    async stop() {
      await Promise.all(pumps.map((pump) => pump.stop(options.drainMs)));
      for (const requester of requesters.values()) requester.close();
      regionParts?.close();
      for (const requester of outboxes.values()) requester.close();
      await history?.close();
    },
    async metrics(): Promise<SinkThreadSnapshot> {
      return { kind: 'sinks', thread: context.name, epoch: context.epoch, stats: null, mailboxes: {}, sinks: pumpsBySink.map((some) => some.map((pump) => pump.figures()).reduce(joinFigures)), tracing: tracing?.figures() };
    },
  };
});
