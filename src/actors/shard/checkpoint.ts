import type { Anomaly } from '../../model/anomaly.ts';
import { GRANULARITIES, GRANULARITY_MS } from '../../model/window.ts';
import { CommitMemory } from '../../runtime/commit-memory.ts';
import { TRIM_STEP_MAX } from './actor-bounds.ts';
import type { AnomalyChange } from './anomaly-episodes.ts';
import type { PendingDeadLetter, UncountedKeeper } from './dead-letters.ts';
import type { MeterPage } from './meter-pages.ts';
import type { Outbox } from './outbox.ts';
import { OutboxRecordBuilder } from './outbox-record.ts';
import { writeEnergy } from './energy-pages.ts';
import { encodePage } from './page-codec.ts';
import { encodeProfiles } from './page-profiles.ts';
import { pendingKeyParts } from './pending-windows.ts';
import type { LedgerPart } from './region-ledger.ts';
import { BLOCK_SAMPLES_MIN, takeSampleBlocks } from './sample-blocks.ts';
import type { ShardStore } from './shard-store.ts';
import type { ShardState } from './state.ts';
import { anomalyKey, deadLetterKey, pageKey, profileKey, samplesKey, windowKey } from './store-keys.ts';
import type { UncountedReadings } from './uncounted-readings.ts';
import type { WindowRetention } from './window-retention.ts';

/**
 * Checkpoints in small steps: each step writes what has to be atomic with the applied position (regional parts, anomalies, dead
 * letters) and a few dirty pages, each with its new meters, its windows and its samples. No step stops the shard for long, and after any of them the
 * store can be recovered: a page's snapshot carries its own log position.
 */
export interface CheckpointOptions {
  /** Pages written in one step at most. */
  pagesPerStepMax: number;
  /** A step takes no further page past this many bytes of pages; STEP_BYTES_MAX when absent. */
  stepBytesMax?: number;
  /** Samples of a page's minute that leave memory when the page is written; BLOCK_SAMPLES_MIN when absent. */
  blockSamplesMin?: number;
  /** The same of a clean stop's steps; LAST_STEP_BYTES_MAX when absent. */
  lastStepBytesMax?: number;
}

/** Rows that tables keep at most; of more the oldest go. */
export interface TableBounds {
  deadLettersMax: number;
  anomaliesMax: number;
}

const NO_BOUNDS: TableBounds = { deadLettersMax: Infinity, anomaliesMax: Infinity };

/** With their windows about 4 ms of this thread's work. A page has 30 to 60 KB. */
const STEP_BYTES_MAX = 384 * 1024;

/** Meters that are put into the list in one step, besides those of its pages: some 4 ms. When a fleet is new, 100,000 come at once. */
const NEW_ROWS_PER_STEP_MAX = 1_000;
/** Of a step for a clean stop, when nobody waits. LMDB refuses a transaction that has to do with some thousand pages that are far apart. */
const LAST_STEP_BYTES_MAX = 8 * 1024 * 1024;

/** What a step queued, until its commit is known to have succeeded or failed. */
interface Step {
  pages: { page: MeterPage; dirtySequence: number; profileHours: number[] }[];
  parts: LedgerPart[];
  regionNames: number[];
  /** Of the state's new rows. */
  newRows: Set<number>;
  changes: AnomalyChange[];
  deadLetters: PendingDeadLetter[];
  uncounted: { sequence: number; readings: UncountedReadings }[];
}

export class Checkpoint implements UncountedKeeper {
  private readonly state: ShardState;
  private readonly store: ShardStore;
  private readonly options: CheckpointOptions;
  private readonly bounds: TableBounds;
  /** Takes the keys of what is written; set before the first step. */
  outbox: Outbox | null = null;
  /** Takes old windows away; null: all are kept. Set before the first step. */
  retention: WindowRetention | null = null;
  private step: Step | null = null;
  /** Pages that the steps so far should have written too. */
  private pagesOwed = 0;
  /** Samples of a minute that leave memory in the step at hand. */
  private samplesMin = BLOCK_SAMPLES_MIN;
  /** Holds the pages of the step under way. */
  private readonly memory = new CommitMemory();
  private retryChanges: AnomalyChange[] = [];
  private deadLetters: PendingDeadLetter[] = [];
  private uncounted: Step['uncounted'] = [];
  /** Episodes as the step wrote them, for the report to the region actor. */
  private written: Anomaly[] = [];
  /** A table has more rows than its bound, or will have after the step under way. Null: to be looked up. */
  private isOverBounds: boolean | null = null;

  /** Without `bounds` tables only grow. */
  constructor(state: ShardState, store: ShardStore, options: CheckpointOptions, bounds: TableBounds = NO_BOUNDS) {
    this.state = state;
    this.store = store;
    this.options = options;
    this.bounds = bounds;
  }

  /** A rejected reading that has to reach the store. */
  addDeadLetter(letter: PendingDeadLetter): void {
    this.deadLetters.push(letter);
  }

  /** What a replay has to know of a record, however soon the dead letters go. */
  addUncounted(sequence: number, readings: UncountedReadings): void {
    this.uncounted.push({ sequence, readings });
  }

  /** True when a step would write anything. */
  get isDue(): boolean {
    const { state } = this;
    return (
      state.turn.dirtyPages.size > 0 ||
      state.newRows.size > 0 ||
      this.rowsWaiting > 0 ||
      state.ledger.unsavedNames.length > 0 ||
      state.ledger.hasUnsaved ||
      (this.outbox?.isDue ?? false) ||
      (this.retention?.isDue ?? false) ||
      this.hasRowsToTrim
    );
  }

  /** Rows for the next step that it cannot put off: they go with the applied position. */
  get rowsWaiting(): number {
    return this.state.episodes.changeCount + this.retryChanges.length + this.deadLetters.length + this.uncounted.length;
  }

  get isUnderWay(): boolean {
    return this.step !== null;
  }

  /** The last step was cut short: the next should not wait for its time. */
  get isBehind(): boolean {
    return this.pagesOwed > 0 || this.state.newRows.size > (this.step?.newRows.size ?? 0) || this.hasRowsToTrim;
  }

  /** They go though nothing new comes. */
  private get hasRowsToTrim(): boolean {
    const { store, bounds } = this;
    return (this.isOverBounds ??= store.deadLetters.count() > bounds.deadLettersMax || store.anomalies.count() > bounds.anomaliesMax);
  }

  /**
   * Queues one step in the store; the caller commits, then calls `done` or `undo`. `appliedSequence` is the last record in the state.
   * `pages` more are to be written, now or, as far as they do not fit into a step, in the next ones; 'all', for a clean stop, are as many as a transaction may have.
   * `isFull`: samples leave memory, however few they are. `isOver`: the step has had its time, and takes no further page.
   */
  begin(appliedSequence: number, pages: number | 'all', isFull = false, isOver: () => boolean = () => false): void {
    const { state, store } = this;
    const step: Step = {
      pages: [],
      regionNames: state.ledger.unsavedNames,
      parts: state.ledger.takeUnsaved(),
      newRows: new Set(),
      changes: [...this.retryChanges, ...state.episodes.take()],
      // A record may bring more than the table keeps: those would only be written to be removed.
      deadLetters: this.deadLetters.slice(Math.max(0, this.deadLetters.length - this.bounds.deadLettersMax)),
      uncounted: this.uncounted,
    };
    state.ledger.unsavedNames = [];
    this.retryChanges = [];
    this.deadLetters = [];
    this.uncounted = [];
    this.step = step;
    for (const region of step.regionNames) store.putRegion(region, state.ledger.nameOf(region));
    for (const part of step.parts) store.putPart(part);
    for (const row of state.newRows) {
      if (step.newRows.size === NEW_ROWS_PER_STEP_MAX) break;
      this.listMeter(row, step);
    }
    const unsaved = new Map<string, Anomaly>();
    for (const change of step.changes) store.putAnomaly(change, unsaved);
    this.written = [...unsaved.values()];
    for (const letter of step.deadLetters) store.putDeadLetter(letter.sequence, letter.position, letter.letter);
    for (const { sequence, readings } of step.uncounted) store.putUncountedReadings(sequence, readings);
    this.trimTables(step);
    this.samplesMin = isFull ? 1 : (this.options.blockSamplesMin ?? BLOCK_SAMPLES_MIN);
    this.writePages(pages, appliedSequence, step, isOver);
    if (this.outbox !== null) this.outbox.begin(this.keysOf(step, this.written));
    this.retention?.begin();
    store.putAppliedPosition({ sequence: appliedSequence });
    store.putReplayFrom(this.oldestUnwritten(appliedSequence));
  }

  /** The step is on disk. Gives the episodes it wrote. */
  done(): Anomaly[] {
    const step = this.step!;
    const { state } = this;
    this.outbox?.done();
    this.retention?.done();
    for (const { page } of step.pages) {
      state.turn.pendingBytes -= page.flushing!.bytesUsed;
      page.flushing!.release();
      page.flushing = null;
      page.unwrittenSamples = [];
      page.profiles.written();
    }
    for (const row of step.newRows) state.newRows.delete(row);
    this.step = null;
    this.isOverBounds = null;
    this.memory.clear();
    state.ledger.evict();
    return this.written;
  }

  /** The step's commit failed: everything it took is to be written again. */
  undo(): void {
    const step = this.step!;
    const { state } = this;
    this.step = null;
    this.isOverBounds = null;
    // They are in nothing else.
    for (const { page } of step.pages) for (const block of page.unwrittenSamples) block.bytes = new Uint8Array(block.bytes);
    this.memory.clear();
    this.outbox?.undo();
    this.retention?.undo();
    for (const { page, dirtySequence, profileHours } of step.pages) {
      const bytesBefore = page.pending.bytesUsed + page.flushing!.bytesUsed;
      page.pending.absorb(page.flushing!);
      state.turn.pendingBytes += page.pending.bytesUsed - bytesBefore;
      page.flushing!.release();
      page.flushing = null;
      page.dirty = true;
      page.dirtySequence = dirtySequence;
      page.profiles.notWritten(profileHours);
    }
    // The oldest first again: crowded pages were taken out of turn, and the first page decides what of the log may go.
    const { dirtyPages } = state.turn;
    const all = [...step.pages.map(({ page }) => page), ...dirtyPages].sort((a, b) => a.dirtySequence - b.dirtySequence);
    dirtyPages.clear();
    for (const page of all) dirtyPages.add(page);
    state.ledger.markUnsaved(step.parts);
    state.ledger.unsavedNames = [...step.regionNames, ...state.ledger.unsavedNames];
    this.retryChanges = step.changes;
    this.deadLetters = [...step.deadLetters, ...this.deadLetters];
    this.uncounted = [...step.uncounted, ...this.uncounted];
  }

  /** First log record that is still needed to recover what is not written: records before it may go once `done`. */
  neededFrom(appliedSequence: number): number {
    let needed = this.oldestUnwritten(appliedSequence);
    for (const { dirtySequence } of this.step?.pages ?? []) needed = Math.min(needed, dirtySequence);
    return needed;
  }

  /** The same, once the step under way is on disk. */
  private oldestUnwritten(appliedSequence: number): number {
    const first = this.state.turn.dirtyPages.values().next();
    return first.done === true ? appliedSequence + 1 : first.value.dirtySequence;
  }

  /** At least as many rows go as come, or the tables would grow without bound. */
  private trimTables({ changes, deadLetters, uncounted }: Step): void {
    const { deadLettersMax, anomaliesMax } = this.bounds;
    let opened = 0;
    for (const { change } of changes) if (change === 'opened') opened++;
    const lettersOver = this.store.trimDeadLetters(deadLettersMax, deadLetters.length, deadLetters.length + TRIM_STEP_MAX);
    // One that changed may come back after it was removed: it is counted by the next step.
    const anomaliesOver = this.store.trimAnomalies(anomaliesMax, opened, changes.length + TRIM_STEP_MAX);
    this.store.trimUncountedReadings(this.store.logFrom(), uncounted.length + TRIM_STEP_MAX);
    this.isOverBounds = lettersOver > 0 || anomaliesOver > 0;
  }

  /** What the step writes, as far as consumers want it. */
  private keysOf(step: Step, anomalies: readonly Anomaly[]): OutboxRecordBuilder {
    const keys = new OutboxRecordBuilder();
    for (const { region, granularity, windowStartMs } of step.parts) keys.addPart(region, granularity, windowStartMs / GRANULARITY_MS[GRANULARITIES[granularity]]);
    for (const { startedAt, kind, meterId } of anomalies) keys.addKey('anomaly', anomalyKey(startedAt, kind, meterId));
    for (const { sequence, position, letter } of step.deadLetters) keys.addKey('deadLetter', deadLetterKey(letter.receivedAt, sequence, position));
    for (const { page } of step.pages) keys.addPage(page.partition, page.number, page.flushing!);
    return keys;
  }

  /** Writes crowded pages, then the oldest dirty ones. What a step's bounds cut off is owed by the next ones. */
  private writePages(pages: number | 'all', appliedSequence: number, step: Step, isOver: () => boolean): void {
    const { turn } = this.state;
    if (pages === 'all') {
      const { lastStepBytesMax = LAST_STEP_BYTES_MAX } = this.options;
      turn.crowdedPages.clear();
      for (const page of turn.dirtyPages) {
        if (this.memory.bytesTaken >= lastStepBytesMax) break;
        this.writePage(page, appliedSequence, step);
      }
      this.pagesOwed = 0;
      return;
    }
    const { stepBytesMax = STEP_BYTES_MAX, pagesPerStepMax } = this.options;
    // Crowded pages are dirty ones.
    this.pagesOwed = Math.min(turn.dirtyPages.size, Math.max(this.pagesOwed + pages, turn.crowdedPages.size));
    for (const next of [turn.crowdedPages, turn.dirtyPages]) {
      for (const page of next) {
        if (this.pagesOwed === 0 || step.pages.length >= pagesPerStepMax || this.memory.bytesTaken >= stepBytesMax || (step.pages.length > 0 && isOver())) return;
        turn.crowdedPages.delete(page);
        if (!page.dirty) continue;
        this.writePage(page, appliedSequence, step);
        this.pagesOwed--;
      }
    }
    this.pagesOwed = 0;
  }

  private listMeter(row: number, step: Step): void {
    if (step.newRows.has(row)) return;
    step.newRows.add(row);
    this.store.putMeter(this.state.directory.idOf(row));
  }

  private writePage(page: MeterPage, appliedSequence: number, step: Step): void {
    const { state, store } = this;
    state.turn.dirtyPages.delete(page);
    this.retention?.snapshot(page);
    // A meter that is in a snapshot is not found to be new by a replay.
    if (state.newRows.size > 0) for (let r = 0; r < page.rowCount; r++) if (state.newRows.has(page.rowAt(r))) this.listMeter(page.rowAt(r), step);
    const profiles = page.profiles.takeChanged();
    step.pages.push({ page, dirtySequence: page.dirtySequence, profileHours: profiles.map(({ hourOfDay }) => hourOfDay) });
    page.dirty = false;
    page.flushing = page.pending;
    page.pending = page.flushing.successor();
    const allocate = (length: number): Uint8Array => this.memory.take(length);
    // Those of a step that failed are still there.
    page.unwrittenSamples.push(...takeSampleBlocks(page, state.book.samples, appliedSequence, this.samplesMin, allocate));
    for (const { windowNumber, sequence, bytes } of page.unwrittenSamples) store.samples.put(samplesKey(page.partition, page.number, windowNumber, sequence), bytes);
    store.pages.put(pageKey(page.partition, page.number), encodePage(page, state.book.samples, appliedSequence, allocate));
    for (const { hourOfDay, cells } of profiles) store.profiles.put(profileKey(page.partition, page.number, hourOfDay), encodeProfiles(cells, page.rowCount));
    const windows = page.flushing;
    for (let i = 0; i < windows.count; i++) {
      const { granularity, windowNumber, rowInPage } = pendingKeyParts(windows.keyAt(i));
      store.windows.put(windowKey(page.partition, page.number, granularity, windowNumber, rowInPage), windows.recordAt(i));
    }
    writeEnergy(page, windows, store, allocate);
  }
}
