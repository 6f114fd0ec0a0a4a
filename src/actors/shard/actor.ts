import { partitionsOfShard } from '../../model/ids.ts';
import { OUTCOME } from '../../model/reading.ts';
import { openReadingBatch, readingsIn, type PackedBatch } from '../../model/reading-batch.ts';
import type { Clock, TimerHandle, Timers } from '../../runtime/clock.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { DurationHistogram, type DurationSnapshot } from '../../runtime/mailbox-metrics.ts';
import type { Reply } from '../../runtime/request-channel.ts';
import type { TouchedMemory } from '../../runtime/touched-memory.ts';
import type { Span, Tracing } from '../../runtime/tracing.ts';
import type { Checkpoint } from './checkpoint.ts';
import { CheckpointSteps, type CheckpointStepsOptions, type LogPlace } from './checkpoint-steps.ts';
import { collectUncounted } from './dead-letters.ts';
import { EarlyWindows } from './early-windows.ts';
import { EffectReader } from './effect-reader.ts';
import { batchRecord, controlRecord, type ControlRecord } from './log-record.ts';
import { packRememberedIds } from './reading-id-record.ts';
import { openOutbox, settleOutbox, type OutboxOptions } from './outbox.ts';
import type { AppendReply, AppendRequest, BatchTrace, RegionPicture, ShardAnswers, ShardQuery, ShardReport } from './protocol.ts';
import { ShardQueries } from './queries.ts';
import { PARTS_PER_REPORT_MAX, REPORT_MS, STEP_PAUSE_MS, TICK_METERS_MAX, TICK_MS, TICK_PAUSE_MS } from './actor-bounds.ts';
import { recover, type RecoveryReport } from './recovery.ts';
import { settleSettings } from './settled-settings.ts';
import type { ShardStore } from './shard-store.ts';
import type { ReplayedIds } from './replayed-ids.ts';
import { ShardState, type ShardStateConfig } from './state.ts';
import { StorageTrouble, type WrittenPart } from './storage-trouble.ts';
import { TickSchedule } from './tick-schedule.ts';
import { BatchTraces, type TracedBatch } from './batch-traces.ts';
import type { RetentionOptions } from './window-retention.ts';

export interface ShardOptions extends CheckpointStepsOptions {
  shard: number;
  shardCount: number;
  state: ShardStateConfig;
  /** Absent, or without consumers: no outbox is kept. */
  outbox?: OutboxOptions;
  /** Absent: all windows are kept. */
  retention?: RetentionOptions;
}

export interface ShardModules {
  store: ShardStore;
  clock: Clock;
  timers: Timers;
  log: Log;
  /** Absent or null: batches are not traced. */
  tracing?: Tracing | null;
  /** Memory for the meters of a large fleet (MeterDirectory). */
  rows?: TouchedMemory | null;
  /** Who remembers the readingIds of the log that nothing else is wanted from, during `start`. Absent: this thread. */
  replayedIds?(): ReplayedIds | undefined;
  /** Told every REPORT_MS what changed. */
  onReport(report: ShardReport): void;
  /** The shard cannot go on: its thread must end and its supervisor decides. */
  onFailure(error: unknown): void;
}

/** Records are counted for so long before the port, the clock and checkpoints have their turn, ms; one batch more. */
const TURN_MS = 5;

/** Something to append to the log. Batches answer; control records do not. */
type Entry =
  | { kind: 'batch'; packed: PackedBatch; reply: Reply<AppendReply>; sequence: number; nowMs: number; trace: TracedBatch | null }
  | { kind: 'control'; record: ControlRecord; sequence: number };

/**
 * The shard actor: appends what comes to its log, counts it when it is on disk, then acknowledges. While one group of records is being
 * synced the next gathers, and while the next is being synced the one before is counted: the disk and this thread work
 * side by side. Nothing counts that is not on disk, so a failed commit changes nothing and is answered with a refusal. Checkpoints are
 * written beside that, by another writer.
 */
export class ShardActor {
  readonly state: ShardState;
  readonly queries: ShardQueries;
  private readonly early: EarlyWindows | undefined;
  private readonly options: ShardOptions;
  private readonly modules: ShardModules;
  private readonly steps: CheckpointSteps;
  private readonly checkpoint: Checkpoint;
  private readonly stepTimes = new DurationHistogram();
  private readonly ticks: TickSchedule;
  private readonly storage: StorageTrouble;
  /** Null: nothing is traced. */
  private readonly traces: BatchTraces | null;
  private sequence = 0;
  private appliedSequence = 0;
  private queue: Entry[] = [];
  private running: Promise<void> | null = null;
  /** The checkpoint step whose commit is under way. */
  private stepping: Promise<void> | null = null;
  private stopping = false;
  private timerHandles: TimerHandle[] = [];
  /** Goes on with a checkpoint that is behind. */
  private nextStep: TimerHandle | null = null;
  /** Goes on where a tick stopped. */
  private nextTick: TimerHandle | null = null;
  private deadLetters = 0;
  private outcomes = new Uint8Array(4_096);
  /** Duration of commits, ms: sum, count and worst since the last look. For metrics. */
  readonly commits = { count: 0, sumMs: 0, failures: 0 };

  constructor(options: ShardOptions, modules: ShardModules) {
    this.options = options;
    this.modules = modules;
    const { store } = modules;
    this.storage = new StorageTrouble(modules);
    this.traces = modules.tracing == null ? null : new BatchTraces(modules.tracing);
    this.early = (options.outbox?.consumers.length ?? 0) > 0 ? new EarlyWindows() : undefined;
    this.state = new ShardState(options.state, { stored: store, loadPart: (...key) => store.loadPart(...key), early: this.early, rows: modules.rows });
    this.steps = new CheckpointSteps(options, { state: this.state, store, clock: modules.clock });
    this.checkpoint = this.steps.checkpoint;
    const { shard, shardCount, state } = options;
    const partitions = partitionsOfShard(shard, shardCount, state.partitionCount);
    this.ticks = new TickSchedule(partitions, TICK_METERS_MAX, (partition) => this.state.directory.pagesOf(partition));
    this.queries = new ShardQueries(this.state, store, options.state.detection);
  }

  /** Recovers from the store, then starts to listen to the clock. Throws OperationalError `format`, `wrong_shard` or `corrupt`. */
  async start(): Promise<RecoveryReport> {
    const { store, clock, timers, log } = this.modules;
    const { shard, shardCount, state } = this.options;
    const upgrade = await store.identify({ partitionCount: state.partitionCount, shardCount, shard });
    if (upgrade !== null) log.info(upgrade, `the store of shard ${shard} was brought up to date; the energy of windows that were removed before is not in it`);
    await this.startOutbox();
    await settleSettings(store, state);
    this.openEffects();
    const report = recover(this.state, store, this.checkpoint, this.modules.replayedIds?.());
    store.waitForCheck();
    this.steps.openRetention(this.options.retention);
    this.sequence = this.appliedSequence = report.lastSequence;
    const first = Math.max(store.logFrom(), store.journal.first ?? 0);
    store.journal.release(first);
    this.steps.open(first, clock.now());
    this.timerHandles = [timers.every(TICK_MS, () => this.tick()), timers.every(REPORT_MS, () => this.report())];
    return report;
  }

  private async startOutbox(): Promise<void> {
    const { shard, shardCount, outbox } = this.options;
    // Another number of shards makes other stores: their outboxes must not take each other's positions for theirs.
    await settleOutbox(this.modules.store, outbox?.consumers ?? [], `${this.modules.clock.now().toString(36)}-${shard}-${shardCount}`);
  }

  private openEffects(): void {
    const { store, clock, log } = this.modules;
    const outbox = openOutbox(store, this.options.outbox ?? null);
    if (outbox === null) return;
    this.checkpoint.outbox = outbox;
    const reader = new EffectReader({ shard: this.options.shard, process: clock.now().toString(36) }, { state: this.state, store, outbox, early: this.early!, log, traces: this.traces?.windows });
    this.queries.effects = { reader, outbox };
  }

  /** A batch from an ingest thread. `request.buffer` is owned from here on. */
  append(request: AppendRequest, reply: Reply<AppendReply>): void {
    if (this.stopping) {
      reply.fail(new OperationalError('stopping', 'the shard is stopping', { retryable: true }));
      return;
    }
    if (this.isBlocked) {
      reply.fail(storageFull());
      return;
    }
    // Opened only when it is counted: its views would live through two of V8's young collections, and be of age.
    const readings = readingsIn(request);
    const trace = this.traces !== null && request.trace !== undefined ? this.beginTrace(this.traces, request.trace, readings) : null;
    this.enqueue({ kind: 'batch', packed: request, reply, sequence: 0, nowMs: 0, trace });
  }

  private beginTrace(traces: BatchTraces, trace: BatchTrace, readings: number): TracedBatch {
    return traces.begin(trace, 'shard batch', { kind: 'server', attributes: { 'seg.shard': this.options.shard, 'seg.readings': readings } });
  }

  ask<K extends ShardQuery['kind']>(query: Extract<ShardQuery, { kind: K }>): ShardAnswers[K] {
    return this.queries.answer(query);
  }

  /** What is known of the regions over all shards; goes through the log, because detection depends on it. */
  setPicture(picture: RegionPicture): void {
    if (this.stopping) return;
    this.enqueue({ kind: 'control', record: { kind: 'picture', nowMs: this.modules.clock.now(), regions: picture.regions }, sequence: 0 });
  }

  /** Counts and answers what was taken, writes everything and closes the store. */
  async stop(): Promise<void> {
    this.stopping = true;
    for (const handle of this.timerHandles) handle.cancel();
    this.nextTick?.cancel();
    this.nextStep?.cancel();
    await this.running;
    await this.stepping;
    await this.writeEverything();
    await this.modules.store.close();
  }

  /** Figures for metrics. */
  figures(): {
    meters: number;
    storeBytes: number;
    journalBytes: number;
    journalRecords: number;
    /** Appended since the start. */
    journalBytesAppended: number;
    /** Appended and not yet counted. */
    unappliedRecords: number;
    checkpointAgeMs: number;
    dirtyPages: number;
    /** How much of its bound what was counted and is not written takes; the shard takes nothing at 1. */
    unwrittenShare: number;
    /** Time that steps of checkpoints held the thread. */
    checkpointSteps: DurationSnapshot;
    /** Since the start. */
    deadLetters: number;
    /** Null: no outbox is kept. */
    outboxBytes: number | null;
    /** The disk has no room, and readings are refused. */
    storageRefuses: boolean;
  } {
    return {
      meters: this.state.directory.meterCount,
      storeBytes: this.modules.store.sizeBytes(),
      journalBytes: this.steps.log.bytes,
      journalRecords: this.sequence - this.steps.log.first + 1,
      journalBytesAppended: this.steps.log.appendedBytes,
      unappliedRecords: this.sequence - this.appliedSequence + this.queue.length,
      checkpointAgeMs: this.steps.ageMs,
      dirtyPages: this.state.turn.dirtyPages.size,
      unwrittenShare: this.steps.fill(this.appliedSequence),
      checkpointSteps: this.stepTimes.snapshot(),
      deadLetters: this.deadLetters,
      outboxBytes: this.checkpoint.outbox?.bytes ?? null,
      storageRefuses: this.storage.isRefusing,
    };
  }

  // The log ----------------------------------------------------------------------------------------------------------------

  private enqueue(entry: Entry): void {
    this.queue.push(entry);
    this.run();
  }

  /** Starts the loop unless it runs. */
  private run(): void {
    if (this.running !== null) return;
    this.running = this.loop().then(
      () => {
        this.running = null;
      },
      (error) => this.modules.onFailure(error),
    );
  }

  private async loop(): Promise<void> {
    // Let the port deliver what it has: one commit for all of it.
    await turnEnd();
    let synced: Entry[] = [];
    for (;;) {
      const group = this.takeGroup();
      if (group.length === 0 && synced.length === 0) {
        if (this.isStepDue()) this.step();
        if (this.queue.length === 0) return;
        await this.progress();
        continue;
      }
      const committed = this.commit(group);
      // Awaited below; a store that fails at once must not count as nobody's failure until then.
      committed.catch(() => {});
      // The store starts to write at the end of this turn of the event loop; only then does counting run beside it.
      if (synced.length > 0) await turnEnd();
      await this.applyAll(synced);
      // Last: neither the answers nor the disk wait for it.
      if (this.isStepDue()) {
        if (synced.length === 0) await turnEnd();
        this.step();
      }
      synced = (await committed) ? group : [];
    }
  }

  /** What is to be appended next. Nothing while the bound on what is not written is reached: senders run out of credits, their queues fill, and they refuse with 429. */
  private takeGroup(): Entry[] {
    if (this.isFull) {
      // Nothing can be written, so it will stay full for a while.
      if (this.isBlocked) this.refuse(this.queue.splice(0));
      return [];
    }
    const group = this.queue;
    this.queue = [];
    return group;
  }

  /** Resolves when a step is done that was under way, or is due. */
  private progress(): Promise<void> {
    return this.stepping ?? new Promise((resolve) => void this.modules.timers.after(STEP_PAUSE_MS, resolve));
  }

  /** Counts a group. Others have their turn in between: a group may be a hundred thousand readings, and checkpoints must keep up with them. */
  private async applyAll(entries: readonly Entry[]): Promise<void> {
    const { clock } = this.modules;
    let sinceMs = clock.monotonic();
    for (const entry of entries) {
      await this.roomInStep();
      this.apply(entry);
      if (clock.monotonic() - sinceMs < TURN_MS) continue;
      if (this.isStepDue()) this.step();
      await turnEnd();
      sinceMs = clock.monotonic();
    }
  }

  /** Resolves when the next step has room for what another record brings. Where nothing can be written that has to wait. */
  private async roomInStep(): Promise<void> {
    while (this.steps.isPressing && !this.isBlocked) {
      if (this.isStepDue()) this.step();
      await this.progress();
    }
  }

  /** Appends a group in one transaction; false when it failed and the group was refused. */
  private async commit(group: Entry[]): Promise<boolean> {
    if (group.length === 0) return true;
    const { store, clock } = this.modules;
    const nowMs = clock.now();
    const startedMs = clock.monotonic();
    const appending = this.traces === null ? null : this.traces.appending(group);
    try {
      for (const entry of group) this.write(entry, nowMs);
      await store.journal.commit();
    } catch (error) {
      for (const span of appending ?? []) span.end({ error: 'the log was not written' });
      this.commitFailed(error, group);
      return false;
    }
    for (const span of appending ?? []) span.end();
    this.storage.wrote('log');
    this.commits.count++;
    this.commits.sumMs += clock.monotonic() - startedMs;
    return true;
  }

  private write(entry: Entry, nowMs: number): void {
    entry.sequence = ++this.sequence;
    let bytes: Uint8Array;
    if (entry.kind === 'batch') {
      entry.nowMs = nowMs;
      bytes = batchRecord(entry.packed, nowMs);
    } else bytes = controlRecord(entry.record);
    this.modules.store.journal.append(entry.sequence, bytes);
    this.steps.appended(entry.sequence, bytes.length, nowMs);
  }

  private commitFailed(error: unknown, group: Entry[]): void {
    this.diskFailed(error, 'log', spanOf(group));
    // None of them is in the log, which has no gaps.
    this.sequence = group[0].sequence - 1;
    this.refuse(group);
  }

  private refuse(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.kind === 'batch') {
        entry.trace?.span.end({ error: 'storage_full' });
        entry.reply.fail(storageFull());
      }
      else if (entry.record.kind === 'tick') this.ticks.settled();
    }
  }

  /** Throws what is not a full disk: it leaves the store in doubt, so start again from what is there. */
  private diskFailed(error: unknown, part: WrittenPart, span: Span | null): void {
    this.commits.failures++;
    if (!(error instanceof OperationalError && error.retryable)) throw error;
    this.storage.failed(part, error, span);
  }

  /** Folds one record into the state and answers its sender. */
  private apply(entry: Entry): void {
    this.appliedSequence = entry.sequence;
    if (entry.kind === 'control') {
      const { record } = entry;
      if (record.kind === 'picture') this.state.applyPicture(record.regions, record.nowMs, entry.sequence);
      else if (record.kind === 'tick') {
        for (const slice of record.slices) this.state.applyTick(slice, record.nowMs, entry.sequence);
        // The tick before may have left one, and one that is lost would fire after the end.
        this.nextTick?.cancel();
        if (this.ticks.settled() && !this.stopping) this.nextTick = this.modules.timers.after(TICK_PAUSE_MS, () => this.tick());
      }
      return;
    }
    const { nowMs, sequence, trace } = entry;
    const { buffer, bytes } = entry.packed;
    const batch = openReadingBatch(buffer, 0, bytes);
    if (this.outcomes.length < batch.count) this.outcomes = new Uint8Array(batch.count * 2);
    const folding = trace === null ? null : trace.span.child('fold');
    const accepted = this.state.applyBatch(batch, nowMs, sequence, this.outcomes);
    if (folding !== null) this.traces!.folded(folding, trace!, { batch, outcomes: this.outcomes, directory: this.state.directory });
    if (accepted === batch.count && batch.deadLetterCount === 0) {
      entry.reply.ok({ accepted, duplicates: 0, outcomes: null, buffer }, [buffer]);
      return;
    }
    this.deadLetters += collectUncounted(batch, this.outcomes, nowMs, sequence, this.checkpoint);
    const outcomes = this.outcomes.slice(0, batch.count);
    let duplicates = 0;
    for (const outcome of outcomes) if (outcome === OUTCOME.duplicate) duplicates++;
    entry.reply.ok({ accepted, duplicates, outcomes: accepted === batch.count ? null : outcomes, buffer }, [buffer]);
  }

  // Checkpoints ------------------------------------------------------------------------------------------------------------

  /** The disk was full a moment ago. */
  private get isBlocked(): boolean {
    return this.storage.isBlocked;
  }

  /** The bound on what was counted and is not written is reached, and writing pages makes room. What was taken before a stop is still appended. */
  private get isFull(): boolean {
    return !this.stopping && (this.state.turn.dirtyPages.size > 0 || this.checkpoint.isUnderWay || this.appliedSequence < this.sequence) && this.steps.fill(this.appliedSequence) >= 1;
  }

  private isStepDue(): boolean {
    return this.steps.isDue && !this.isBlocked;
  }

  /** One step, beside the log: nobody waits for it. */
  private step(): void {
    const startedMs = this.modules.clock.monotonic();
    const span = this.traces === null ? null : this.traces.checkpointing(this.options.shard);
    this.steps.beginDue(this.logPlace());
    this.stepping = this.modules.store
      .commit()
      .then(
        () => {
          const doneMs = this.modules.clock.monotonic();
          this.stepDone();
          span?.end();
          this.stepTimes.add(this.modules.clock.monotonic() - doneMs);
        },
        (error) => {
          span?.end({ error: 'the tables were not written' });
          this.diskFailed(error, 'tables', span);
          this.checkpoint.undo();
        },
      )
      .catch((error) => this.modules.onFailure(error))
      .finally(() => {
        this.stepping = null;
        // Readings may not come to take it further.
        if (this.checkpoint.isBehind && !this.stopping) this.nextStep = this.modules.timers.after(STEP_PAUSE_MS, () => this.run());
      });
    // A store's commit begins with copies, in this turn.
    this.stepTimes.add(this.modules.clock.monotonic() - startedMs);
  }

  private logPlace(): LogPlace {
    return { appliedSequence: this.appliedSequence, nowMs: this.modules.clock.now() };
  }

  private stepDone(): void {
    this.storage.wrote('tables');
    this.steps.done();
  }

  private async writeEverything(): Promise<void> {
    while (this.checkpoint.isDue) {
      this.steps.begin(this.logPlace(), { pages: 'all' });
      try {
        await this.modules.store.commit();
        this.stepDone();
      } catch (error) {
        // The log has it all; the next start replays it.
        this.checkpoint.undo();
        this.modules.log.warn({ err: error }, 'the last checkpoint could not be written; the next start will replay the log');
        return;
      }
      // What else is due, such as to forget what consumers have taken, can wait.
      if (this.state.turn.dirtyPages.size === 0) break;
    }
    await this.shortenLog();
  }

  /** Everything is written, so the log is there for its readingIds alone: one record of them says the same, and the next start has less to read. */
  private async shortenLog(): Promise<void> {
    const { store, log } = this.modules;
    const words = packRememberedIds(this.state, this.modules.clock.now());
    const from = this.sequence + 1;
    try {
      for (const record of words) store.journal.append(++this.sequence, controlRecord({ kind: 'rememberedIds', nowMs: 0, words: record }));
      await store.journal.commit();
      store.putLogFrom(from);
      // Nothing was due for the last ones, or it would have said so.
      store.putAppliedPosition({ sequence: this.appliedSequence });
      store.putReplayFrom(from);
      const picture = this.state.pictures.inForceAt(from);
      if (picture !== null) store.putPicture(picture);
      await store.commit();
    } catch (error) {
      log.warn({ err: error }, 'the log could not be shortened; the next start will read more of it');
    }
  }

  // Clock and reports ------------------------------------------------------------------------------------------------------

  private tick(): void {
    const nowMs = this.modules.clock.now();
    const slices = this.isBlocked ? [] : this.ticks.begin(nowMs);
    if (slices.length > 0) this.enqueue({ kind: 'control', record: { kind: 'tick', nowMs, slices }, sequence: 0 });
    else if (this.checkpoint.isDue) this.run();
  }

  /** Tells the main thread what changed since the last time; by itself every REPORT_MS, and when somebody new listens. */
  report(): void {
    this.modules.onReport({
      kind: 'report',
      shard: this.options.shard,
      live: this.state.ledger.liveParts(),
      parts: this.state.ledger.takeUnreported(PARTS_PER_REPORT_MAX),
      ...this.steps.takeAnomalies(),
    });
  }
}

/** Of the first entry that is traced. */
function spanOf(group: readonly Entry[]): Span | null {
  for (const entry of group) if (entry.kind === 'batch' && entry.trace !== null) return entry.trace.span;
  return null;
}

function storageFull(): OperationalError {
  return new OperationalError('storage_full', 'the disk that holds the data directory is full; free space on it', { retryable: true });
}

function turnEnd(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
