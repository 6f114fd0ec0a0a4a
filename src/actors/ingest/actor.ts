import type { ReadingSink, Unreadable } from '../../model/decoded-reading.ts';
import { OUTCOME_REJECT } from '../../model/reading.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Span } from '../../runtime/tracing.ts';
import type { AppendReply } from '../shard/protocol.ts';
import type { BatchManifest } from './batch-manifest.ts';
import type { QueueLimits } from './batch-queue.ts';
import { IngestStats } from './ingest-stats.ts';
import type { IngestStatsSnapshot } from './ingest-stats.ts';
import type { BodyFormat, IngestPort, IngestRefusal, IngestSummary } from './protocol.ts';
import type { ReadingScope } from './reading-scope.ts';
import { RequestAnswers, refusalOfUnreadable } from './request-answers.ts';
import { RequestTally } from './request-tally.ts';
import { ScopedSink } from './scoped-sink.ts';
import { ShardLink } from './shard-link.ts';
import type { ShardRequester } from './shard-link.ts';
import { RequestRouter } from './state.ts';

export const INGEST_DEFAULTS = {
  /** Two full requests, or about 0.2 s of a shard's work at half a million readings/s: more would be latency and memory, not throughput. */
  queuedReadingsMax: 100_000,
  /** 100,000 readings of the widest kind take 15 MiB; dead letters are larger each, and this is their bound. */
  queuedBytesMax: 64 * 1024 * 1024,
  /** A commit takes milliseconds; a shard that needs longer than this is hung or its disk is. */
  appendDeadlineMs: 10_000,
  /**
   * Readings that make a batch worth sending before the turn ends: decoding them takes about 2 ms, and a shard should not idle
   * while one turn of the loop decodes the requests of a hundred sockets.
   */
  eagerReadings: 4_096,
  /** Below this the message and the commit of a batch cost more than its readings do. */
  gatheredReadings: 256,
} as const;

export interface IngestOptions extends QueueLimits {
  /** Fixed for a data directory. */
  partitionCount: number;
  shardCount: number;
  appendDeadlineMs: number;
  eagerReadings: number;
  gatheredReadings: number;
}

/** Calls the sink for every element of the body, which is borrowed. Not reentrant. */
export type BodyDecoder = (body: Uint8Array, format: BodyFormat, nowMs: number, sink: ReadingSink) => Unreadable | null;

export interface IngestModules {
  clock: Clock;
  decode: BodyDecoder;
  /** Calls `fn` once the sockets that are ready now have been read: setImmediate. */
  atTurnEnd(fn: () => void): void;
}

/**
 * The ingest actor of one thread: requests in, batches to shards, acks out. It coalesces both ways: the requests of one turn
 * of the event loop share a batch per shard, and one reply answers them all. Every shard is down until `shardUp`.
 */
export class IngestActor implements IngestPort {
  private readonly options: IngestOptions;
  private readonly modules: IngestModules;
  private readonly counters = new IngestStats();
  private readonly router: RequestRouter;
  private readonly links: ShardLink[];
  private readonly answers: RequestAnswers;
  private flushPlanned = false;

  constructor(options: IngestOptions, modules: IngestModules) {
    this.options = options;
    this.modules = modules;
    this.answers = new RequestAnswers(this.counters);
    this.router = new RequestRouter({ partitionCount: options.partitionCount, shardCount: options.shardCount, limits: options });
    const outcome = {
      stored: (manifest: BatchManifest, reply: AppendReply) => this.settleStored(manifest, reply),
      failed: (manifest: BatchManifest, refusal: IngestRefusal) => this.settleFailed(manifest, refusal),
    };
    this.links = this.router.lanes.map((lane) => new ShardLink(lane, options, { outcome, stats: this.counters }));
  }

  /** As IngestPort says. What the decoder throws is thrown on, with nothing of the request left and `done` not called. */
  ingest(body: Uint8Array, format: BodyFormat, done: (result: IngestSummary | IngestRefusal) => void, trace: Span | null = null, scope: ReadingScope | null = null): void {
    const { clock } = this.modules;
    this.counters.bodyBytes += body.byteLength;
    const startedAtMs = clock.monotonic();
    const hopeless = this.router.refusalOfAll();
    if (hopeless !== null) {
      this.answers.refuse(hopeless, done);
      return;
    }
    const tally = new RequestTally(startedAtMs, done, trace);
    const decoding = trace === null ? null : trace.child('decode');
    const refusal = this.route(tally, body, format, scope);
    decoding?.end();
    if (refusal !== null) {
      this.answers.refuse(refusal, done);
      return;
    }
    this.answers.taken(tally);
    if (tally.partsPending === 0) this.answers.answerIfSettled(tally, startedAtMs);
    else this.planFlush();
  }

  refuseUnread(): IngestRefusal | null {
    const hopeless = this.router.refusalOfAll();
    if (hopeless !== null) this.counters.answered(hopeless.status, 0);
    return hopeless;
  }

  /** The shard takes readings through `requester` from now on. Its former requester must be closed by whoever opened it. */
  shardUp(index: number, requester: ShardRequester): void {
    this.links[index].up(requester);
  }

  /** Requests with readings for the shard get 503 from now on, also those that wait. */
  shardDown(index: number): void {
    this.links[index].down();
  }

  /** Resolves when no request waits for an answer; at once when none does. */
  whenIdle(): Promise<void> {
    return this.answers.whenIdle();
  }

  stats(): IngestStatsSnapshot {
    return this.counters.snapshot(
      this.router.lanes.map(({ queue, up }) => ({ queuedReadings: queue.queuedReadings, queuedBytes: queue.queuedBytes, up })),
    );
  }

  /** Puts the readings of the body into the queues, or nothing of it and the reason. */
  private route(tally: RequestTally, body: Uint8Array, format: BodyFormat, scope: ReadingScope | null): IngestRefusal | null {
    const { router } = this;
    router.begin(tally);
    const sink = scope === null ? router : new ScopedSink(router, tally, scope);
    let unreadable: Unreadable | null;
    try {
      unreadable = this.modules.decode(body, format, this.modules.clock.now(), sink);
    } catch (error) {
      router.rollback();
      throw error;
    }
    const refusal = unreadable === null ? router.refusal : refusalOfUnreadable(unreadable);
    if (refusal === null) router.commit();
    else router.rollback();
    return refusal;
  }

  private planFlush(): void {
    const { lanes } = this.router;
    for (let shard = 0; shard < lanes.length; shard++) {
      if (lanes[shard].queue.queuedReadings >= this.options.eagerReadings) this.links[shard].flush();
    }
    if (this.flushPlanned) return;
    this.flushPlanned = true;
    this.modules.atTurnEnd(() => {
      this.flushPlanned = false;
      for (const link of this.links) link.flush();
    });
  }

  private settleStored(manifest: BatchManifest, reply: AppendReply): void {
    const nowMs = this.modules.clock.monotonic();
    this.countOutcomes(manifest, reply);
    manifest.settle(reply, (tally) => this.answers.answerIfSettled(tally, nowMs));
  }

  private settleFailed(manifest: BatchManifest, refusal: IngestRefusal): void {
    const nowMs = this.modules.clock.monotonic();
    manifest.fail((tally) => {
      tally.refuseWith(refusal);
      this.answers.answerIfSettled(tally, nowMs);
    });
  }

  private countOutcomes(manifest: BatchManifest, reply: AppendReply): void {
    const { counters } = this;
    const { outcomes } = reply;
    if (outcomes === null) {
      counters.readingsAccepted += manifest.readings;
      return;
    }
    counters.readingsAccepted += reply.accepted;
    counters.readingsDuplicate += reply.duplicates;
    if (reply.accepted + reply.duplicates === outcomes.length) return;
    for (let i = 0; i < outcomes.length; i++) {
      const reject = OUTCOME_REJECT[outcomes[i]];
      if (reject) counters.rejected(reject.code);
    }
  }
}
