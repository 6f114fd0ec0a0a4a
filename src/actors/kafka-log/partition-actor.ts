import { openReadingBatch, type ReadingBatch } from '../../model/reading-batch.ts';
import type { Clock, TimerHandle, Timers } from '../../runtime/clock.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { Tracing } from '../../runtime/tracing.ts';
import { BatchTraces, type TracedBatch } from '../shard/batch-traces.ts';
import type { Checkpoint } from '../shard/checkpoint.ts';
import { CheckpointSteps, type CheckpointStepsOptions, type LogPlace } from '../shard/checkpoint-steps.ts';
import { EarlyWindows } from '../shard/early-windows.ts';
import { EffectReader } from '../shard/effect-reader.ts';
import { openOutbox, settleOutbox, type OutboxOptions } from '../shard/outbox.ts';
import type { BatchTrace, RegionPicture, ShardAnswers, ShardQuery, ShardReport } from '../shard/protocol.ts';
import { ShardQueries } from '../shard/queries.ts';
import { PARTS_PER_REPORT_MAX, REPORT_MS, TICK_METERS_MAX, TICK_MS } from '../shard/actor-bounds.ts';
import { Replay, restoreTables } from '../shard/recovery.ts';
import type { ShardStore } from '../shard/shard-store.ts';
import { ShardState, type ShardStateConfig } from '../shard/state.ts';
import { TickSchedule } from '../shard/tick-schedule.ts';
import type { RetentionOptions } from '../shard/window-retention.ts';
import type { LogPiece } from './kafka/log-reader.ts';
import { LogClock } from './log-clock.ts';
import type { LogBounds, PartitionLog } from './partition-log.ts';
import { settleLogSettings } from './settings-change.ts';
import { unpackMessages } from './message-block.ts';
import type { DecodedLogMessage } from './message-decoding.ts';
import { partsOfReadings } from './message-trace.ts';
import type { LogMessage } from './protocol.ts';

/**
 * One partition of the log, folded: a shard actor for a log that it does not write. What comes in the log counts, in its order and at its time; what the clock and the picture of the regions do
 * goes into the log first and counts when it comes back. So whoever folds the log reaches the same state, and to take a partition over is to read on from what its tables stand for.
 *
 * Checkpoints are those of a shard on its own disk, but rarer; they reach the disk through the changelog (changelog.ts).
 */

export interface PartitionOptions extends Pick<CheckpointStepsOptions, 'checkpoint' | 'deadLettersMax' | 'anomaliesMax'> {
  partition: number;
  partitionCount: number;
  /** Of the log. */
  topic: string;
  state: ShardStateConfig;
  /** Log that a takeover would read again because it is not written, bytes; past it nothing is folded. */
  replayBytesMax: number;
  /** Log bytes read again for readingIds after everything in them is written. */
  replayKeepBytesMax: number;
  /** Absent, or without consumers: no outbox is kept. It is part of the tables, so it moves with them. */
  outbox?: OutboxOptions;
  /** Absent: all windows are kept. */
  retention?: RetentionOptions;
}

export interface PartitionModules {
  store: ShardStore;
  log: Log;
  clock: Clock;
  timers: Timers;
  /** Names this life of the partition among all that it ever has: small letters and digits. */
  life: string;
  partitionLog: PartitionLog;
  decode(message: LogMessage): DecodedLogMessage;
  /** Absent or null: messages are not traced. */
  tracing?: Tracing | null;
  /** The state stands for everything that was in the log when it was taken: questions can be answered. */
  onReady(): void;
  onReport(report: ShardReport): void;
  /** The actor is to be stopped and the partition taken anew. */
  onFailure(error: unknown): void;
}

/** The thread has other partitions, and questions: after so long they have their turn. */
const FOLD_SLICE_MS = 4;
/** A node has many partitions: 64 of them remember as much as eight shards. */
const PARTITION_TRACED_WINDOWS_MAX = 2_048;

export class PartitionActor {
  readonly state: ShardState;
  readonly queries: ShardQueries;
  /** Records that counted, since the start. */
  readonly counts = { records: 0, readings: 0, deadLetters: 0 };
  private readonly options: PartitionOptions;
  private readonly modules: PartitionModules;
  private readonly steps: CheckpointSteps;
  private readonly checkpoint: Checkpoint;
  private readonly early: EarlyWindows | undefined;
  private readonly ticks: TickSchedule;
  private readonly logClock: LogClock;
  /** Null: nothing is traced. */
  private readonly traces: BatchTraces | null;
  private replay!: Replay;
  /** The record that the tables stood for at the start. */
  private restoredSequence = 0;
  private appliedSequence = 0;
  private appliedAtMs = 0;
  /** Offset to read next, and behind the last message there was when it was last looked. */
  private offset = 0;
  private logEnd = 0;
  private readyAtOffset = 0;
  private isReady = false;
  private isStopping = false;
  private isClosed = false;
  /** A step failed: nobody knows what of it is in the changelog. */
  private isUnwritten = false;
  private stepping: Promise<void> | null = null;
  private timerHandles: TimerHandle[] = [];

  constructor(options: PartitionOptions, modules: PartitionModules) {
    this.options = options;
    this.modules = modules;
    const { store } = modules;
    this.early = (options.outbox?.consumers.length ?? 0) > 0 ? new EarlyWindows() : undefined;
    this.state = new ShardState(options.state, { stored: store, loadPart: (...key) => store.loadPart(...key), early: this.early });
    const { replayBytesMax, replayKeepBytesMax } = options;
    this.steps = new CheckpointSteps({ ...options, journalBytesMax: replayBytesMax, journalKeepBytesMax: replayKeepBytesMax }, { state: this.state, store, clock: modules.clock });
    this.checkpoint = this.steps.checkpoint;
    this.ticks = new TickSchedule([options.partition], TICK_METERS_MAX, (partition) => this.state.directory.pagesOf(partition));
    this.queries = new ShardQueries(this.state, store, options.state.detection);
    this.logClock = new LogClock(modules.clock);
    this.traces = modules.tracing == null ? null : new BatchTraces(modules.tracing, PARTITION_TRACED_WINDOWS_MAX);
  }

  /**
   * Restores what the tables have, then begins to follow the log. Rejects with OperationalError: `log_gap` when messages that the state does not stand for are gone, `log_changed` when
   * this is not the log it was made from, and those of ShardStore.identify, of reads and of commits.
   */
  async start(bounds: LogBounds): Promise<void> {
    const { store, timers, log } = this.modules;
    const { partition, partitionCount } = this.options;
    const upgrade = await store.identify({ partitionCount, shardCount: partitionCount, shard: partition });
    if (upgrade !== null) log.info(upgrade, `the state of partition ${partition} was brought up to date; the energy of windows that were removed before is not in it`);
    this.checkBounds(bounds);
    await settleOutbox(store, this.options.outbox?.consumers ?? [], `${partition}-${this.modules.life}`);
    await this.settleSettings(bounds);
    if (this.isStopping) return;
    this.openEffects();
    restoreTables(this.state, store);
    const applied = store.appliedPosition().sequence;
    this.restoredSequence = this.appliedSequence = applied;
    this.appliedAtMs = store.logMark()?.timestampMs ?? 0;
    const from = Math.max(store.logFrom(), 1);
    this.offset = Math.max(from - 1, bounds.begin);
    this.logEnd = this.readyAtOffset = bounds.end;
    this.state.beginReplay(applied);
    this.replay = new Replay(this.state, store, applied, {
      addDeadLetter: (letter) => {
        this.counts.deadLetters++;
        this.checkpoint.addDeadLetter(letter);
      },
      addUncounted: (sequence, readings) => this.checkpoint.addUncounted(sequence, readings),
    });
    this.steps.open(this.offset + 1, -Infinity);
    this.timerHandles = [timers.every(TICK_MS, () => this.tick()), timers.every(REPORT_MS, () => this.report())];
    this.follow().catch((error: unknown) => this.fail(error));
  }

  ask<K extends ShardQuery['kind']>(query: Extract<ShardQuery, { kind: K }>): ShardAnswers[K] {
    return this.queries.answer(query);
  }

  /** What is known of the regions over all partitions. */
  setPicture(picture: RegionPicture): void {
    if (!this.isReady || this.isStopping) return;
    // One that does not get through is followed by the next.
    this.modules.partitionLog.append({ kind: 'picture', nowMs: this.logClock.now(), regions: picture.regions }).catch(() => {});
  }

  /** Stops where it is, and closes the store; before that, with a last checkpoint if there are `writeMs` ms for it, so that whoever takes the partition next has less to read. */
  async stop(writeMs: number): Promise<void> {
    const isWhole = !this.isStopping && this.mayStep;
    this.isStopping = true;
    for (const handle of this.timerHandles) handle.cancel();
    if (isWhole && writeMs > 0) {
      const time = new Promise<void>((resolve) => this.modules.timers.after(writeMs, resolve));
      await Promise.race([this.writeEverything(), time]);
    }
    this.isClosed = true;
    await this.modules.store.close();
  }

  /** Step by step, so that what is written when the time is over is of use. */
  private async writeEverything(): Promise<void> {
    const { store, log } = this.modules;
    await this.stepping;
    try {
      while (this.checkpoint.isDue && !this.isUnwritten && !this.isClosed) {
        this.putLogMark();
        // Nothing waits for the turn, and each step is a transaction at the broker.
        this.steps.begin(this.logPlace(), { pages: 'all', isTimed: false, isLogNew: store.logFrom() === 0 });
        await store.commit();
        this.steps.done();
        // What else is due, such as to forget what consumers have taken, is the next owner's.
        if (this.state.turn.dirtyPages.size === 0) break;
      }
    } catch (error) {
      log.info({ err: error, partition: this.options.partition }, 'the last checkpoint of a partition was not written; who takes it next reads more of the log');
    }
  }

  /** Figures for metrics. */
  figures() {
    return {
      meters: this.state.directory.meterCount,
      storeBytes: this.modules.store.sizeBytes(),
      /** Of log that a takeover would read again. */
      replayBytes: this.steps.log?.bytes ?? 0,
      replayRecords: this.appliedSequence - (this.steps.log?.first ?? 0) + 1,
      lagRecords: Math.max(0, this.logEnd - this.offset),
      /** Null: no outbox is kept. */
      outboxBytes: this.checkpoint.outbox?.bytes ?? null,
      checkpointAgeMs: this.steps.ageMs,
    };
  }

  /** Offset of the first message that does not count yet. */
  get position(): number {
    return this.offset;
  }

  private openEffects(): void {
    const { store, log, life } = this.modules;
    const { partition } = this.options;
    const outbox = openOutbox(store, this.options.outbox ?? null);
    if (outbox === null) return;
    this.checkpoint.outbox = outbox;
    const reader = new EffectReader({ shard: partition, process: life, hasSuccessors: true }, { state: this.state, store, outbox, early: this.early!, log, traces: this.traces?.windows });
    this.queries.effects = { reader, outbox };
  }

  // The log ----------------------------------------------------------------------------------------------------------------

  private async settleSettings(bounds: LogBounds): Promise<void> {
    const { store, log, partitionLog, decode } = this.modules;
    const changes = await settleLogSettings(this.options.state, bounds, { store, partitionLog, decode });
    const { partition } = this.options;
    if (changes > 0) log.info({ partition }, `partition ${partition} was counted with other settings up to offset ${bounds.end}; what was not written yet is, and the new ones count from there on`);
  }

  private checkBounds({ begin, end }: LogBounds): void {
    const { store } = this.modules;
    const from = Math.max(store.logFrom(), 1);
    const applied = store.appliedPosition().sequence;
    const isNew = applied === 0 && store.logFrom() === 0;
    if (!isNew && begin > from - 1) {
      throw new OperationalError('log_gap', `the log begins with offset ${begin}, but the state needs it from ${from - 1} on: the topic kept its messages for too short a time, and what they held is lost`);
    }
    if (end < applied) throw new OperationalError('log_changed', `the log ends before offset ${end}, but the state stands for it up to ${applied - 1}: the topic was made anew, or lost messages that it had acknowledged`);
  }

  private async follow(): Promise<void> {
    const { partitionLog } = this.modules;
    this.lookWhetherReady();
    let next = partitionLog.read(this.offset);
    while (!this.isStopping) {
      const piece = await next;
      if (this.isStopping) return;
      next = partitionLog.read(piece.next);
      // Awaited in the next round, if there is one.
      next.catch(() => {});
      await this.fold(piece);
      if (this.isStopping) return;
      this.offset = piece.next;
      this.logEnd = piece.end;
      this.lookWhetherReady();
      this.stepIfDue();
    }
  }

  private async fold({ block, traces }: LogPiece): Promise<void> {
    const { clock } = this.modules;
    let sliceStartedMs = clock.monotonic();
    for (const message of unpackMessages(block)) {
      if (this.steps.isPressing) {
        await this.stepping;
        this.stepIfDue();
        await this.stepping;
        if (this.isStopping) return;
      }
      this.apply(message, traces?.get(message.offset));
      if (clock.monotonic() - sliceStartedMs < FOLD_SLICE_MS) continue;
      this.stepIfDue();
      await turnEnd();
      // What is to be written would only grow.
      if (this.stepping !== null && this.steps.fill(this.appliedSequence) >= 1) await this.stepping;
      if (this.isStopping) return;
      sliceStartedMs = clock.monotonic();
    }
  }

  private apply(message: LogMessage, trace: BatchTrace | undefined): void {
    const sequence = message.offset + 1;
    const { timestampMs } = message;
    if (sequence > this.restoredSequence) this.state.endReplay();
    else this.checkMark(sequence, timestampMs);
    const decoded = this.modules.decode(message);
    let isCutShort = false;
    if (decoded.kind === 'control') {
      this.replay.apply(decoded.record, sequence);
      isCutShort = decoded.record.kind === 'tick' && this.ticks.settled();
    } else {
      const { packed, nowMs } = decoded;
      const batch = openReadingBatch(packed.buffer, 0, packed.bytes);
      // What the tables stood for at the start was told of by whoever counted it.
      const traced = trace === undefined || sequence <= this.restoredSequence ? null : this.beginTrace(trace, batch, message.offset);
      const folding = traced === null ? null : traced.span.child('fold');
      this.counts.readings += this.replay.apply({ kind: 'batch', nowMs, batch }, sequence);
      if (folding !== null) this.traces!.folded(folding, traced!, { batch, outcomes: this.replay.outcomes, directory: this.state.directory });
    }
    this.counts.records++;
    this.logClock.saw(timestampMs);
    const bytes = message.value?.length ?? 0;
    this.steps.appended(sequence, bytes, timestampMs);
    if (sequence > this.appliedSequence) {
      this.appliedSequence = sequence;
      this.appliedAtMs = timestampMs;
    }
    // It goes on at once. Only now: it may begin a step, which has to stand for this record.
    if (isCutShort) this.tick();
  }

  /** Null: nothing is traced. Names and attributes as of https://opentelemetry.io/docs/specs/semconv/messaging/kafka/. */
  private beginTrace({ traceparent, parts }: BatchTrace, batch: ReadingBatch, offset: number): TracedBatch | null {
    if (this.traces === null) return null;
    const { topic, partition } = this.options;
    const attributes = {
      'messaging.system': 'kafka',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.name': topic,
      'messaging.destination.partition.id': String(partition),
      'messaging.kafka.offset': offset,
      'seg.shard': partition,
      'seg.readings': batch.count,
    };
    const rejected = batch.deadLetterCount === 0 ? [] : batch.deadLetters();
    return this.traces.begin({ traceparent, parts: partsOfReadings(parts, rejected, batch.count) }, `process ${topic}`, { kind: 'consumer', attributes });
  }

  private checkMark(sequence: number, timestampMs: number): void {
    const mark = this.modules.store.logMark();
    if (mark === null || mark.sequence !== sequence || mark.timestampMs === timestampMs) return;
    throw new OperationalError('log_changed', `offset ${sequence - 1} of the log holds another message than the one that the state stands for: the topic was made anew`);
  }

  private lookWhetherReady(): void {
    if (this.isReady || this.offset < this.readyAtOffset) return;
    this.state.endReplay();
    this.steps.openRetention(this.options.retention);
    this.isReady = true;
    this.modules.onReady();
  }

  private fail(error: unknown): void {
    if (this.isStopping) return;
    this.isStopping = true;
    for (const handle of this.timerHandles) handle.cancel();
    this.modules.onFailure(error);
  }

  // Checkpoints ------------------------------------------------------------------------------------------------------------

  /** Not before every record that the tables stand for has been read again: until then pages are older than they say. */
  private get mayStep(): boolean {
    return this.offset >= this.restoredSequence;
  }

  private stepIfDue(): void {
    if (this.stepping !== null || this.isStopping || !this.mayStep || !this.steps.isDue) return;
    this.putLogMark();
    const span = this.traces === null ? null : this.traces.checkpointing(this.options.partition);
    this.steps.beginDue(this.logPlace(), { isLogNew: this.modules.store.logFrom() === 0 });
    this.stepping = this.modules.store
      .commit()
      .then(() => {
        this.steps.done();
        span?.end();
      })
      .catch((error: unknown) => {
        span?.end({ error: 'the tables were not written' });
        this.isUnwritten = true;
        this.fail(error);
      })
      .finally(() => (this.stepping = null));
  }

  /** Goes into the step that begins: who takes the partition next sees by it whether the log is still this one. */
  private putLogMark(): void {
    this.modules.store.putLogMark({ sequence: this.appliedSequence, timestampMs: this.appliedAtMs });
  }

  private logPlace(): LogPlace {
    return { appliedSequence: this.appliedSequence, nowMs: this.logClock.now() };
  }

  // Clock and reports ------------------------------------------------------------------------------------------------------

  private tick(): void {
    this.stepIfDue();
    if (!this.isReady || this.isStopping) return;
    const nowMs = this.logClock.now();
    const slices = this.ticks.begin(nowMs);
    if (slices.length === 0) return;
    this.modules.partitionLog.append({ kind: 'tick', nowMs, slices }).catch(() => this.ticks.settled());
  }

  /** As ShardActor.report. */
  report(): void {
    if (!this.isReady) return;
    this.modules.onReport({
      kind: 'report',
      shard: this.options.partition,
      live: this.state.ledger.liveParts(),
      parts: this.state.ledger.takeUnreported(PARTS_PER_REPORT_MAX),
      ...this.steps.takeAnomalies(),
    });
  }
}

function turnEnd(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
