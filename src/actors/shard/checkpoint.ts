import type { Anomaly } from '../../model/anomaly.ts';
import { GRANULARITIES, GRANULARITY_MS } from '../../model/window.ts';
import { CommitMemory } from '../../runtime/commit-memory.ts';
import type { AnomalyChange } from './anomaly-episodes.ts';
import type { PendingDeadLetter } from './dead-letters.ts';
import type { MeterPage } from './meter-pages.ts';
import type { Outbox } from './outbox.ts';
import { OutboxRecordBuilder } from './outbox-record.ts';
import { encodePage } from './page-codec.ts';
import { encodeProfiles } from './page-profiles.ts';
import { PendingWindows, pendingKeyParts } from './pending-windows.ts';
import type { LedgerPart } from './region-ledger.ts';
import type { ShardStore } from './shard-store.ts';
import type { ShardState } from './state.ts';
import { anomalyKey, deadLetterKey, pageKey, profileKey, windowKey } from './store-keys.ts';

/**
 * Checkpoints in small steps: each step writes what has to be atomic with the applied position (regional parts, anomalies, dead
 * letters, new meters) and a few dirty pages, each with its windows. No step stops the shard for long, and after any of them the
 * store can be recovered: a page's snapshot carries its own log position.
 */
export interface CheckpointOptions {
  /** Time between steps, ms. */
  stepMs: number;
  /** Every dirty page is written about once in this time, ms: bounds how much log a restart replays. */
  intervalMs: number;
  /** Pages written in one such time at most. */
  pagesPerStepMax: number;
  /** A step takes no further page past this many bytes of pages; STEP_BYTES_MAX when absent. */
  stepBytesMax?: number;
}

/** With their windows about 5 ms of this thread's work. A page of meters that report once a minute has 60 KB, one under full load 300 KB. */
const STEP_BYTES_MAX = 768 * 1024;

export type CheckpointPace = 'steady' | 'hurried' | 'all';

/** What a step queued, until its commit is known to have succeeded or failed. */
interface Step {
  pages: { page: MeterPage; dirtySequence: number; profileHours: number[] }[];
  parts: LedgerPart[];
  regionNames: number[];
  /** Of the state's new rows. */
  newRows: number;
  changes: AnomalyChange[];
  deadLetters: PendingDeadLetter[];
}

export class Checkpoint {
  private readonly state: ShardState;
  private readonly store: ShardStore;
  private readonly options: CheckpointOptions;
  /** Takes the keys of what is written; set before the first step. */
  outbox: Outbox | null = null;
  private step: Step | null = null;
  /** Pages that the last step should have written too. */
  private pagesOwed = 0;
  /** Holds the pages of the step under way. */
  private readonly memory = new CommitMemory();
  private retryChanges: AnomalyChange[] = [];
  private deadLetters: PendingDeadLetter[] = [];
  /** Episodes as the step wrote them, for the report to the region actor. */
  private written: Anomaly[] = [];

  constructor(state: ShardState, store: ShardStore, options: CheckpointOptions) {
    this.state = state;
    this.store = store;
    this.options = options;
  }

  /** A rejected reading that has to reach the store. */
  addDeadLetter(letter: PendingDeadLetter): void {
    this.deadLetters.push(letter);
  }

  /** True when a step would write anything. */
  get isDue(): boolean {
    const { state } = this;
    return (
      state.turn.dirtyPages.size > 0 ||
      state.newRows.length > 0 ||
      this.deadLetters.length > 0 ||
      state.ledger.unsavedNames.length > 0 ||
      state.ledger.hasUnsaved ||
      state.episodes.hasChanges ||
      this.retryChanges.length > 0 ||
      (this.outbox?.isDue ?? false)
    );
  }

  get isUnderWay(): boolean {
    return this.step !== null;
  }

  /** The last step was cut short: the next should not wait for its time. */
  get isBehind(): boolean {
    return this.pagesOwed > 0;
  }

  /**
   * Queues one step in the store; the caller commits, then calls `done` or `undo`. `appliedSequence` is the last record in the state.
   * `pace`: some dirty pages as the interval asks; as many as a step takes, to let the log shrink; or all, for a clean stop.
   */
  begin(appliedSequence: number, pace: CheckpointPace): void {
    const { state, store } = this;
    const step: Step = {
      pages: [],
      regionNames: state.ledger.unsavedNames,
      parts: state.ledger.takeUnsaved(),
      newRows: state.newRows.length,
      changes: [...this.retryChanges, ...state.episodes.take()],
      deadLetters: this.deadLetters,
    };
    state.ledger.unsavedNames = [];
    this.retryChanges = [];
    this.deadLetters = [];
    this.step = step;
    for (const region of step.regionNames) store.putRegion(region, state.ledger.nameOf(region));
    for (const part of step.parts) store.putPart(part);
    for (const row of state.newRows) store.putMeter(state.directory.idOf(row));
    const unsaved = new Map<string, Anomaly>();
    for (const change of step.changes) store.putAnomaly(change, unsaved);
    this.written = [...unsaved.values()];
    for (const letter of step.deadLetters) store.putDeadLetter(letter.sequence, letter.position, letter.letter);
    this.writePages(pace, appliedSequence, step);
    if (this.outbox !== null) this.outbox.begin(this.keysOf(step, this.written));
    store.putAppliedPosition({ sequence: appliedSequence });
  }

  /** The step is on disk. Gives the episodes it wrote. */
  done(): Anomaly[] {
    const step = this.step!;
    this.outbox?.done();
    for (const { page } of step.pages) {
      page.flushing!.release();
      page.flushing = null;
      page.profiles.written();
    }
    this.state.newRows.splice(0, step.newRows);
    this.step = null;
    this.memory.clear();
    this.state.ledger.evict();
    return this.written;
  }

  /** The step's commit failed: everything it took is to be written again. */
  undo(): void {
    const step = this.step!;
    const { state } = this;
    this.step = null;
    this.memory.clear();
    this.outbox?.undo();
    for (const { page, dirtySequence, profileHours } of step.pages) {
      page.pending.absorb(page.flushing!);
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
  }

  /** First log record that is still needed to recover what is not written: records before it may go once `done`. */
  neededFrom(appliedSequence: number): number {
    const first = this.state.turn.dirtyPages.values().next();
    let needed = first.done === true ? appliedSequence + 1 : first.value.dirtySequence;
    for (const { dirtySequence } of this.step?.pages ?? []) needed = Math.min(needed, dirtySequence);
    return needed;
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

  /** Writes crowded pages, then the oldest dirty ones, as many as the pace asks for. What `stepBytesMax` cuts off is owed by the next steps. */
  private writePages(pace: CheckpointPace, appliedSequence: number, step: Step): void {
    const { turn } = this.state;
    if (pace === 'all') {
      turn.crowdedPages.clear();
      for (const page of [...turn.dirtyPages]) this.writePage(page, appliedSequence, step);
      this.pagesOwed = 0;
      return;
    }
    const { stepBytesMax = STEP_BYTES_MAX } = this.options;
    if (this.pagesOwed === 0) this.pagesOwed = this.pagesOf(pace);
    for (const pages of [turn.crowdedPages, turn.dirtyPages]) {
      for (const page of pages) {
        if (this.pagesOwed === 0 || this.memory.bytesTaken >= stepBytesMax) return;
        turn.crowdedPages.delete(page);
        if (!page.dirty) continue;
        this.writePage(page, appliedSequence, step);
        this.pagesOwed--;
      }
    }
    this.pagesOwed = 0;
  }

  private pagesOf(pace: CheckpointPace): number {
    const { turn } = this.state;
    const { stepMs, intervalMs, pagesPerStepMax } = this.options;
    if (pace === 'hurried') return pagesPerStepMax;
    return Math.min(pagesPerStepMax, Math.max(turn.crowdedPages.size, Math.ceil((turn.dirtyPages.size * stepMs) / intervalMs)));
  }

  private writePage(page: MeterPage, appliedSequence: number, step: Step): void {
    const { state, store } = this;
    state.turn.dirtyPages.delete(page);
    const profiles = page.profiles.takeChanged();
    step.pages.push({ page, dirtySequence: page.dirtySequence, profileHours: profiles.map(({ hourOfDay }) => hourOfDay) });
    page.dirty = false;
    page.flushing = page.pending;
    page.pending = new PendingWindows();
    const key = pageKey(page.partition, page.number);
    store.pages.put(key, encodePage(page, state.book.samples, appliedSequence, (length) => this.memory.take(length)));
    for (const { hourOfDay, cells } of profiles) store.profiles.put(profileKey(page.partition, page.number, hourOfDay), encodeProfiles(cells, page.rowCount));
    const windows = page.flushing;
    for (let i = 0; i < windows.count; i++) {
      const { granularity, windowNumber, rowInPage } = pendingKeyParts(windows.keyAt(i));
      store.windows.put(windowKey(page.partition, page.number, granularity, windowNumber, rowInPage), windows.recordAt(i));
    }
  }
}
