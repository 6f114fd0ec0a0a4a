import { DEFAULT_DETECTION } from '../actors/shard/detection/detection-config.ts';
import { ShardActor } from '../actors/shard/actor.ts';
import type { OutboxOptions } from '../actors/shard/outbox.ts';
import { READING_ID_BUCKETS } from '../actors/shard/reading-ids.ts';
import type { AppendReply, AppendRequest, RegionPicture, ShardAnswers, ShardQuery, ShardReport } from '../actors/shard/protocol.ts';
import { GRANULARITIES } from '../model/window.ts';
import { OperationalError } from '../runtime/errors.ts';
import { MailboxMetrics } from '../runtime/mailbox-metrics.ts';
import { Responder, type Reply } from '../runtime/request-channel.ts';
import { runThread } from '../runtime/thread-main.ts';
import type { TouchedMemory } from '../runtime/touched-memory.ts';
import { portTransport } from '../runtime/transport.ts';
import { TurnShare } from '../runtime/turn-share.ts';
import { memoryOf } from './answer-memory.ts';
import type { ShardThreadSnapshot } from './engine-metrics.ts';
import { openShardStore } from './open-shard-store.ts';
import { ReplayedIdsBeside } from './replayed-ids-beside.ts';
import { READING_ID_LOG_BYTES } from './shard-state-config.ts';
import { answerStepwise } from './stepwise-answer.ts';

/** A worker thread with one shard actor on its own LMDB environment. */

export interface ShardThreadOptions {
  shard: number;
  shardCount: number;
  partitionCount: number;
  /** Directory of the shard's environment. */
  directory: string;
  latenessMs: number;
  correctionHorizonMs: number;
  metersMax: number;
  regionsMax: number;
  nominalVoltage: number;
  darkPowerKw: number;
  checkpointIntervalMs: number;
  journalBytesMax: number;
  deadLettersMax: number;
  anomaliesMax: number;
  /** What is kept for systems beside the engine. */
  outbox: OutboxOptions;
  /** How long windows stay, by granularity, ms. */
  keepMs: readonly number[];
  /** Memory for the rows of its meters, which another thread makes ready; null: its own. */
  rows: TouchedMemory | null;
  /** Requests that may be unanswered in each mailbox. */
  creditsMax: number;
}

export type GatewayChannelAnswer = ShardAnswers[ShardQuery['kind']];

/** Steps of a checkpoint follow each other at this distance; see CheckpointOptions. */
const CHECKPOINT_STEP_MS = 100;
const PAGES_PER_STEP_MAX = 128;

/** Of the log. Below it the readingIds in it are read before a thread has begun. */
const IDS_BESIDE_BYTES_MIN = 32 * 1024 * 1024;

/** Questions may hold readings up for this long, ms, or for as long as one of them takes: a page of many windows is some 10 ms. */
const QUESTIONS_MS_PER_TURN = 5;

runThread(async (context) => {
  const options = context.options as ShardThreadOptions;
  const { clock, timers, log } = context;
  const tracing = await context.openTracing();
  const mailboxes = { append: new MailboxMetrics(), query: new MailboxMetrics(), effects: new MailboxMetrics() };
  let gateway: Responder<ShardQuery, GatewayChannelAnswer, RegionPicture, ShardReport> | null = null;
  const store = openShardStore({ ...options, pages: 'beside', onDamage: (error) => context.fail(error) });
  const actor = new ShardActor(
    {
      shard: options.shard,
      shardCount: options.shardCount,
      state: {
        partitionCount: options.partitionCount,
        latenessMs: options.latenessMs,
        correctionHorizonMs: options.correctionHorizonMs,
        metersMax: options.metersMax,
        regionsMax: options.regionsMax,
        readingIdLogBytes: READING_ID_LOG_BYTES,
        detection: { ...DEFAULT_DETECTION, nominalVoltageV: options.nominalVoltage, darkKw: options.darkPowerKw },
      },
      checkpoint: { stepMs: CHECKPOINT_STEP_MS, intervalMs: options.checkpointIntervalMs, pagesPerStepMax: PAGES_PER_STEP_MAX },
      journalBytesMax: options.journalBytesMax,
      journalKeepBytesMax: READING_ID_LOG_BYTES,
      deadLettersMax: options.deadLettersMax,
      anomaliesMax: options.anomaliesMax,
      outbox: options.outbox,
      retention: { keepMs: options.keepMs },
    },
    { store, clock, timers, log, tracing, rows: options.rows, replayedIds: () => (store.journal.sizeBytes() < IDS_BESIDE_BYTES_MIN ? undefined : new ReplayedIdsBeside(READING_ID_BUCKETS)), onReport: (report) => gateway?.sendEvent(report), onFailure: (error) => context.fail(error) },
  );

  const channel = { mailboxMax: options.creditsMax, epoch: context.epoch, onFailure: (error: unknown) => context.fail(error) };
  context.onPort((purpose, port) => {
    const transport = portTransport(port);
    if (purpose === 'ingest') {
      new Responder<AppendRequest, AppendReply>(transport, (request, reply) => actor.append(request, reply), { name: context.name, ...channel }, { clock, metrics: mailboxes.append });
      return;
    }
    if (purpose === 'sinks') {
      new Responder<ShardQuery, GatewayChannelAnswer>(transport, answer, { name: context.name, ...channel }, { clock, metrics: mailboxes.effects });
      return;
    }
    gateway = new Responder(transport, answer, { name: context.name, ...channel }, { clock, metrics: mailboxes.query });
    gateway.onEvent((picture) => actor.setPicture(picture));
    actor.report();
  });

  const questions = new TurnShare(QUESTIONS_MS_PER_TURN, { clock, nextTurn: setImmediate });

  function answer(query: ShardQuery, reply: Reply<GatewayChannelAnswer>): void {
    if (query.kind !== 'determinants') {
      questions.run(() => answerNow(query, reply));
      return;
    }
    const answer = actor.queries.energy.determinants(query);
    answerStepwise(() => answer.step(), questions, (found) => reply.ok(found, [found.rows.buffer as ArrayBuffer]), (error) => refuse(query, reply, error));
  }

  function answerNow(query: ShardQuery, reply: Reply<GatewayChannelAnswer>): void {
    try {
      const found = actor.ask(query);
      reply.ok(found, memoryOf(query, found));
    } catch (error) {
      refuse(query, reply, error);
    }
  }

  /** A question changes nothing, so a failed one must not cost the shard; only its asker hears. */
  function refuse(query: ShardQuery, reply: Reply<GatewayChannelAnswer>, error: unknown): void {
    log.error({ err: error, query: query.kind }, 'a query failed');
    const isDamage = error instanceof OperationalError && error.code === 'corrupt';
    reply.fail(isDamage ? error : new OperationalError('query_failed', 'the shard could not answer this query', { cause: error }));
  }

  const started = clock.monotonic();
  const report = await actor.start();
  log.info({ ...report, tookMs: Math.round(clock.monotonic() - started) }, `shard ${options.shard} is ready`);

  return {
    control: {},
    stop: () => actor.stop(),
    async metrics(): Promise<ShardThreadSnapshot> {
      const { counters, episodes } = actor.state;
      const figures = actor.figures();
      return {
        kind: 'shard',
        thread: context.name,
        epoch: context.epoch,
        stats: null,
        mailboxes: { [`${context.name}.append`]: mailboxes.append.snapshot(), [`${context.name}.query`]: mailboxes.query.snapshot(), [`${context.name}.effects`]: mailboxes.effects.snapshot() },
        shard: options.shard,
        meters: figures.meters,
        windowsClosed: { [GRANULARITIES[0]]: counters.windowsClosed[0], [GRANULARITIES[1]]: counters.windowsClosed[1] } as ShardThreadSnapshot['windowsClosed'],
        windowsCorrected: counters.windowsCorrected[0] + counters.windowsCorrected[1],
        lateReadings: counters.late,
        deadLetters: figures.deadLetters,
        anomaliesOpen: { ...episodes.open },
        lmdbBytes: figures.storeBytes,
        consumptionLagRecords: figures.unappliedRecords,
        journalLagRecords: figures.journalRecords,
        journalLagBytes: figures.journalBytes,
        journalBytesAppended: figures.journalBytesAppended,
        checkpointAgeMs: figures.checkpointAgeMs,
        unwrittenShare: figures.unwrittenShare,
        unwrittenPages: figures.dirtyPages,
        checkpointSteps: figures.checkpointSteps,
        outboxBytes: figures.outboxBytes,
        storageRefuses: figures.storageRefuses,
        tracing: tracing?.figures(),
      };
    },
  };
});
