import type { Clock } from '../../runtime/clock.ts';
import type { Span } from '../../runtime/tracing.ts';
import { GatheredReadings, PartitionKeys } from './gathered-readings.ts';
import { IngestStats } from './ingest-stats.ts';
import type { IngestStatsSnapshot } from './ingest-stats.ts';
import { LogLink, LOG_DOWN } from './log-link.ts';
import type { LogLinkOptions, LogRequester } from './log-link.ts';
import type { BodyDecoder } from './actor.ts';
import type { BodyFormat, IngestPort, IngestRefusal, IngestSummary } from './protocol.ts';
import type { ReadingScope } from './reading-scope.ts';
import { RequestAnswers, refusalOfUnreadable } from './request-answers.ts';
import { RequestTally } from './request-tally.ts';
import { ScopedSink } from './scoped-sink.ts';
import { OVERLOADED } from './state.ts';

export interface LogIngestOptions extends LogLinkOptions {
  partitionCount: number;
  /** Elements and bytes that may wait in this thread for the log; past either senders get 429. */
  queuedReadingsMax: number;
  queuedBytesMax: number;
}

export interface LogIngestModules {
  clock: Clock;
  decode: BodyDecoder;
  /** Calls `fn` once the sockets that are ready now have been read: setImmediate. */
  atTurnEnd(fn: () => void): void;
}

/** Bytes that make a gathering full: a few messages for each of some partitions, and less than what a channel may have in flight. */
const GATHERED_BYTES_MAX = 4 * 1024 * 1024;
const GATHERED_ELEMENTS_MAX = 65_000;
/** A gathering's readings are judged by one clock; one that waits longer takes no more. */
const GATHERED_MS_MAX = 1_000;

/**
 * The ingest actor of one thread when Kafka is the log: requests in, messages to the log's thread, acks out once all in-sync replicas have them. The requests of one
 * turn of the event loop share messages. What a reading is to its meter (a duplicate, a conflict, too late) is found by who folds the log, after the ack. Down until `logUp`.
 */
export class LogIngestActor implements IngestPort {
  private readonly options: LogIngestOptions;
  private readonly modules: LogIngestModules;
  private readonly counters = new IngestStats();
  private readonly answers = new RequestAnswers(this.counters);
  private readonly keys: PartitionKeys;
  private readonly link: LogLink;
  private flushPlanned = false;

  constructor(options: LogIngestOptions, modules: LogIngestModules) {
    this.options = options;
    this.modules = modules;
    this.keys = new PartitionKeys(options.partitionCount);
    this.link = new LogLink(options, {
      outcome: { stored: (gathered) => this.stored(gathered), failed: (gathered, refusal) => this.failed(gathered, refusal) },
      stats: this.counters,
    });
  }

  /** As IngestPort says. What the decoder throws is thrown on, with nothing of the request left and `done` not called. */
  ingest(body: Uint8Array, format: BodyFormat, done: (result: IngestSummary | IngestRefusal) => void, trace: Span | null = null, scope: ReadingScope | null = null): void {
    const { clock } = this.modules;
    this.counters.bodyBytes += body.byteLength;
    const startedAtMs = clock.monotonic();
    const hopeless = this.refusalNow();
    if (hopeless !== null) {
      this.answers.refuse(hopeless, done);
      return;
    }
    const tally = new RequestTally(startedAtMs, done, trace);
    const decoding = trace === null ? null : trace.child('decode');
    const refusal = this.gather(tally, body, format, scope);
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
    const hopeless = this.refusalNow();
    if (hopeless !== null) this.counters.answered(hopeless.status, 0);
    return hopeless;
  }

  /** The log takes readings through `requester` from now on. Its former requester must be closed by whoever opened it. */
  logUp(requester: LogRequester): void {
    this.link.up(requester);
  }

  /** Every request gets 503 from now on, also those that wait. */
  logDown(): void {
    this.link.down();
  }

  /** Resolves when no request waits for an answer; at once when none does. */
  whenIdle(): Promise<void> {
    return this.answers.whenIdle();
  }

  /** The log stands in the place of one shard. */
  stats(): IngestStatsSnapshot {
    const { queuedElements, queuedBytes, isUp } = this.link;
    return this.counters.snapshot([{ queuedReadings: queuedElements, queuedBytes, up: isUp }]);
  }

  private refusalNow(): IngestRefusal | null {
    if (!this.link.isUp) return LOG_DOWN;
    const { queuedReadingsMax, queuedBytesMax } = this.options;
    return this.link.queuedElements >= queuedReadingsMax || this.link.queuedBytes >= queuedBytesMax ? OVERLOADED : null;
  }

  /** Puts the elements of the body into the open gathering, or nothing of it and the reason. */
  private gather(tally: RequestTally, body: Uint8Array, format: BodyFormat, scope: ReadingScope | null): IngestRefusal | null {
    const gathered = this.openGathering();
    gathered.begin(tally, format);
    const sink = scope === null ? gathered : new ScopedSink(gathered, tally, scope);
    let refusal: IngestRefusal | null = null;
    try {
      const unreadable = this.modules.decode(body, format, gathered.judgedAtMs, sink);
      if (unreadable !== null) refusal = refusalOfUnreadable(unreadable);
    } catch (error) {
      gathered.rollback();
      throw error;
    }
    if (refusal === null) gathered.commit(body);
    else gathered.rollback();
    return refusal;
  }

  private openGathering(): GatheredReadings {
    const nowMs = this.modules.clock.now();
    const last = this.link.open;
    const takesMore = last !== undefined && last.bytes < GATHERED_BYTES_MAX && last.elements < GATHERED_ELEMENTS_MAX && Math.abs(nowMs - last.judgedAtMs) < GATHERED_MS_MAX;
    if (takesMore) return last;
    const next = new GatheredReadings({ partitionCount: this.options.partitionCount, judgedAtMs: nowMs }, this.keys);
    this.link.put(next);
    return next;
  }

  private planFlush(): void {
    if (this.flushPlanned) return;
    this.flushPlanned = true;
    this.modules.atTurnEnd(() => {
      this.flushPlanned = false;
      this.link.flush();
    });
  }

  private stored(gathered: GatheredReadings): void {
    const nowMs = this.modules.clock.monotonic();
    for (const [i, tally] of gathered.tallies.entries()) {
      const accepted = gathered.acceptedOf[i];
      tally.accepted += accepted;
      this.counters.readingsAccepted += accepted;
      tally.partsPending--;
      this.answers.answerIfSettled(tally, nowMs);
    }
  }

  private failed(gathered: GatheredReadings, refusal: IngestRefusal): void {
    const nowMs = this.modules.clock.monotonic();
    for (const tally of gathered.tallies) {
      tally.partsPending--;
      tally.refuseWith(refusal);
      this.answers.answerIfSettled(tally, nowMs);
    }
  }
}
