import { deepStrictEqual } from 'node:assert';
import { ShardActor, type ShardOptions } from '../../src/actors/shard/actor.ts';
import { DEFAULT_DETECTION } from '../../src/actors/shard/detection/detection-config.ts';
import { readLogRecord } from '../../src/actors/shard/log-record.ts';
import type { OutboxOptions } from '../../src/actors/shard/outbox.ts';
import type { AppendReply, BatchTrace, RegionPart, ShardAnswers, ShardQuery } from '../../src/actors/shard/protocol.ts';
import type { ShardStore } from '../../src/actors/shard/shard-store.ts';
import type { RetentionOptions } from '../../src/actors/shard/window-retention.ts';
import type { WindowQuery } from '../../src/model/queries.ts';
import { unpackWindows } from '../../src/model/window-block.ts';
import { GRANULARITIES, type Granularity, type MeterWindow } from '../../src/model/window.ts';
import type { OperationalError } from '../../src/runtime/errors.ts';
import type { Log } from '../../src/runtime/log.ts';
import { MemoryDisk } from '../../src/runtime/memory-disk.ts';
import type { Tracing } from '../../src/runtime/tracing.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { memoryShardStore, SEGMENT_BYTES_MAX } from './memory-shard-store.ts';
import { appendOf, type TestReading } from './packed-readings.ts';

/** One real shard actor on virtual time and a store in memory, which can be killed and started again at any moment. */

export interface HarnessOptions {
  startMs: number;
  latenessMs?: number;
  correctionHorizonMs?: number;
  partitionCount?: number;
  metersMax?: number;
  regionsMax?: number;
  stepMs?: number;
  intervalMs?: number;
  pagesPerStepMax?: number;
  /** Few, so that tests of a few readings have blocks too. */
  blockSamplesMin?: number;
  journalBytesMax?: number;
  journalKeepBytesMax?: number;
  deadLettersMax?: number;
  anomaliesMax?: number;
  /** How long the disk takes for a commit. */
  commitMs?: number;
  segmentBytesMax?: number;
  outbox?: OutboxOptions;
  retention?: RetentionOptions;
  tracing?: Tracing | null;
}

/** A batch and what became of it. `unknown`: the process died before it answered. */
export interface SentBatch {
  readings: readonly TestReading[];
  fate: 'waiting' | 'acknowledged' | 'refused' | 'unknown';
  reply: AppendReply | null;
  refusal: OperationalError | null;
}

const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => SILENT };
/** Longer than any test's queue takes: eight commits and a refusal's pause. */
const DRAIN_STEPS_MAX = 400;
const DAY_MS = 86_400_000;
/** After everything a test sends. */
const FOREVER_MS = 1e13;

export class ShardHarness {
  actor!: ShardActor;
  disk: MemoryDisk;
  shardStore!: ShardStore;
  /** Changed whole on restart: the timers of a dead process never run. */
  time: VirtualTime;
  /** Regional windows as the region actor knows them: asked for when the shard starts, then as its reports say. */
  readonly reported = new Map<string, RegionPart>();
  /** Batches in the order in which they were answered, and after a crash those that were found in the log. */
  onApplied: (batch: SentBatch) => void = () => {};
  private options: Required<HarnessOptions>;
  /** Wall clock minus virtual time. */
  private clockOffsetMs = 0;
  /** What the shard warned of, in all its lives. */
  readonly warnings: string[] = [];
  /** Fields of the errors that it logged, in all its lives. */
  readonly errors: object[] = [];
  private waiting: SentBatch[] = [];
  private incarnation = 0;
  private failure: unknown = null;
  private nextSeq = 1;

  constructor(options: HarnessOptions) {
    this.options = {
      latenessMs: 30_000,
      correctionHorizonMs: 40 * DAY_MS,
      partitionCount: 4,
      metersMax: 1_000,
      regionsMax: 100,
      stepMs: 100,
      intervalMs: 1_000,
      pagesPerStepMax: 128,
      blockSamplesMin: 3,
      journalBytesMax: 1e9,
      journalKeepBytesMax: 1e9,
      deadLettersMax: 1e6,
      anomaliesMax: 1e6,
      commitMs: 1,
      segmentBytesMax: SEGMENT_BYTES_MAX,
      outbox: { consumers: [], bytesMax: 1e9 },
      retention: { keepMs: [Infinity, Infinity] },
      tracing: null,
      ...options,
    };
    this.time = new VirtualTime(this.options.startMs);
    this.disk = new MemoryDisk({ takeCommit: () => this.takeCommit() });
  }

  get nowMs(): number {
    return this.time.now() + this.clockOffsetMs;
  }

  async start(): Promise<void> {
    const { options } = this;
    const incarnation = ++this.incarnation;
    this.failure = null;
    const time = this.time;
    this.shardStore = memoryShardStore(this.disk, options.segmentBytesMax);
    const shard: ShardOptions = {
      shard: 0,
      shardCount: 1,
      state: {
        partitionCount: options.partitionCount,
        latenessMs: options.latenessMs,
        correctionHorizonMs: options.correctionHorizonMs,
        metersMax: options.metersMax,
        regionsMax: options.regionsMax,
        readingIdBuckets: 1_024,
        readingIdLogBytes: options.journalKeepBytesMax,
        detection: DEFAULT_DETECTION,
      },
      checkpoint: { stepMs: options.stepMs, intervalMs: options.intervalMs, pagesPerStepMax: options.pagesPerStepMax, blockSamplesMin: options.blockSamplesMin },
      journalBytesMax: options.journalBytesMax,
      journalKeepBytesMax: options.journalKeepBytesMax,
      deadLettersMax: options.deadLettersMax,
      anomaliesMax: options.anomaliesMax,
      outbox: options.outbox,
      retention: options.retention,
    };
    this.actor = new ShardActor(shard, {
      store: this.shardStore,
      clock: { now: () => this.nowMs, monotonic: () => time.monotonic() },
      timers: time,
      log: { ...SILENT, warn: (fields: unknown, message?: string) => this.warnings.push(message ?? String(fields)), error: (fields) => this.errors.push(fields) },
      tracing: options.tracing,
      onReport: ({ parts }) => this.take(parts),
      onFailure: (error) => {
        if (incarnation === this.incarnation) this.failure = error;
      },
    });
    let started = false;
    const starting = this.actor.start().finally(() => {
      started = true;
    });
    // Awaited below, after time has gone on for it.
    starting.catch(() => {});
    for (let i = 0; i < DRAIN_STEPS_MAX && !started; i++) await this.advance(10);
    await starting;
    this.reported.clear();
    for (const { region } of this.actor.state.ledger.liveParts()) {
      for (const granularity of GRANULARITIES) {
        this.take(this.ask<'regionParts'>({ kind: 'regionParts', region, granularity, from: 0, to: FOREVER_MS, limit: Infinity, withOpen: false }));
      }
    }
  }

  /** Settings of the next process. */
  configure(options: Partial<HarnessOptions>): void {
    this.options = { ...this.options, ...options };
  }

  /** Hands a batch to the actor; its fate shows later. Readings are numbered, so that they can be told apart in the log. */
  send(readings: readonly TestReading[], trace?: BatchTrace): SentBatch {
    const batch: SentBatch = { readings: readings.map((reading) => ({ ...reading, seq: this.nextSeq++ })), fate: 'waiting', reply: null, refusal: null };
    this.waiting.push(batch);
    const settle = (fate: 'acknowledged' | 'refused') => {
      if (batch.fate !== 'waiting') throw new Error(`a batch was answered twice: ${batch.fate}, then ${fate}`);
      batch.fate = fate;
      this.waiting.splice(this.waiting.indexOf(batch), 1);
    };
    this.actor.append(
      { ...appendOf(batch.readings), trace },
      {
        ok: (reply) => {
          settle('acknowledged');
          batch.reply = reply;
          this.onApplied(batch);
        },
        fail: (error) => {
          settle('refused');
          batch.refusal = error;
        },
      },
    );
    return batch;
  }

  /** Time goes on; timers run and promises settle. Throws what the actor failed with. */
  async advance(ms: number): Promise<void> {
    await this.time.advanceSettled(ms);
    if (this.failure !== null) throw this.failure;
  }

  /** The wall clock jumps, forwards or back; timers do not. */
  jumpClock(byMs: number): void {
    this.clockOffsetMs += byMs;
  }

  /** Until everything sent is answered. */
  async drain(): Promise<void> {
    for (let i = 0; this.waiting.length > 0; i++) {
      if (i === DRAIN_STEPS_MAX) throw new Error(`${this.waiting.length} batches were never answered`);
      await this.advance(10);
    }
  }

  /** kill -9 and a new process. Commits under way, of the log and of the tables, are lost, or kept though nobody was told. */
  async crash(log: 'lost' | 'kept', tables = log): Promise<void> {
    this.disk = this.disk.crash(log, tables);
    const dead = this.waiting;
    this.waiting = [];
    for (const batch of dead) batch.fate = 'unknown';
    for (const batch of this.inLog(dead)) this.onApplied(batch);
    this.time = new VirtualTime(this.time.now());
    await this.start();
  }

  /** A clean stop, which answers what was taken, and a new process. */
  async restart(): Promise<void> {
    let stopped = false;
    const stopping = this.actor.stop().finally(() => {
      stopped = true;
    });
    stopping.catch(() => {});
    for (let i = 0; i < DRAIN_STEPS_MAX && !stopped; i++) await this.advance(10);
    await stopping;
    if (this.waiting.length > 0) throw new Error(`${this.waiting.length} batches were not answered by a clean stop`);
    this.disk = this.disk.crash('lost');
    this.time = new VirtualTime(this.time.now());
    await this.start();
  }

  ask<K extends ShardQuery['kind']>(query: Extract<ShardQuery, { kind: K }>): ShardAnswers[K] {
    return this.actor.ask(query);
  }

  /** A meter's windows, all of them or those of a range, page by page. */
  windowsOf(meterId: string, granularity: Granularity, limit: number, range = { from: 0, to: FOREVER_MS }): MeterWindow[] {
    const windows: MeterWindow[] = [];
    let cursor: string | null = null;
    do {
      const query: WindowQuery = { granularity, ...range, limit, cursor };
      const page: ShardAnswers['meterWindows'] = this.ask<'meterWindows'>({ kind: 'meterWindows', meterId, query });
      if (page === null) return windows;
      if (page.data.length > limit) throw new Error(`a page of ${page.data.length} windows where ${limit} were asked for`);
      this.checkPacked(meterId, query, page);
      windows.push(...page.data);
      cursor = page.nextCursor;
    } while (cursor !== null);
    return windows;
  }

  /** The same question has the same answer packed. */
  private checkPacked(meterId: string, query: WindowQuery, { data, ...rest }: NonNullable<ShardAnswers['meterWindows']>): void {
    const { windows, ...packedRest } = this.ask<'meterWindowBlock'>({ kind: 'meterWindowBlock', meterId, query })!;
    deepStrictEqual({ data: unpackWindows(windows.buffer), ...packedRest }, { data, ...rest });
  }

  private take(parts: readonly RegionPart[]): void {
    for (const part of parts) this.reported.set(`${part.region}/${part.granularity}/${part.windowStart}`, part);
  }

  private takeCommit(): Promise<void> {
    const { time } = this;
    return new Promise((resolve) => time.after(this.options.commitMs, resolve));
  }

  /** Those of the batches that the log holds, in its order. */
  private inLog(batches: readonly SentBatch[]): SentBatch[] {
    const bySeq = new Map(batches.map((batch) => [batch.readings[0].seq, batch]));
    const found: SentBatch[] = [];
    for (const { sequence, bytes } of memoryShardStore(this.disk, this.options.segmentBytesMax).records()) {
      const record = readLogRecord(bytes, sequence);
      if (record.kind !== 'batch' || record.batch.seq === null) continue;
      const batch = bySeq.get(record.batch.seq[0]);
      if (batch !== undefined) found.push(batch);
    }
    return found;
  }
}
