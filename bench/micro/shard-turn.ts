import { DEFAULT_DETECTION } from '../../src/actors/shard/detection/detection-config.ts';
import type { MeterPage } from '../../src/actors/shard/meter-pages.ts';
import type { ProfileStore } from '../../src/actors/shard/meter-profile.ts';
import { pendingKeyParts } from '../../src/actors/shard/pending-windows.ts';
import { ShardState } from '../../src/actors/shard/state.ts';
import type { WindowSource } from '../../src/actors/shard/window-book.ts';
import { OUTCOME } from '../../src/model/reading.ts';
import type { ReadingBatch } from '../../src/model/reading-batch.ts';
import { GRANULARITIES, GRANULARITY_MS } from '../../src/model/window.ts';
import { invariant } from '../../src/runtime/errors.ts';
import { hashOf, rowOf, type BenchReport, type BenchRow } from '../bench-report.ts';
import { makeBatches, stamp } from './synthetic-batches.ts';

/** A shard's turns: packed batches folded into the state of one shard. */

export interface ShardTurnOptions {
  meters: number;
  /** Each is a minute of event time: six passes over all meters, in which every meter closes a window. */
  rounds: number;
}

export const SHARD_TURN_FULL: ShardTurnOptions = { meters: 100_000, rounds: 7 };

const READINGS_PER_BATCH = 500;
const PASS_MS = 10_000;
const PASSES_PER_ROUND = 6;
/** Not measured: meters get their rows and the code its types. */
const WARMUP_ROUNDS = 2;
/** Before a minute, so that a minute and not a quarter-hour ends in each round but one. */
const START_MS = Date.parse('2026-03-02T12:00:00Z');
const LATENESS_MS = 30_000;
/** A late reading comes this much after its time: its one-minute window is closed, its quarter-hour open. */
const LATE_BY_MS = 100_000;
/** Windows that no late reading of this benchmark asks for are dropped. */
const KEPT_MS = 2 * GRANULARITY_MS['15m'];
const HUNDREDTH = 100;

type Variant = 'in order' | 'with readingIds' | '1 % late' | 'all duplicates';
const VARIANTS: readonly Variant[] = ['in order', 'with readingIds', '1 % late', 'all duplicates'];

/** Closed windows in memory, in place of LMDB. */
class WindowsInMemory implements WindowSource, ProfileStore {
  private readonly byWindow = new Map<string, Map<number, Uint8Array>>();

  get(page: MeterPage, granularity: number, windowNumber: number, place: number): Uint8Array | undefined {
    return this.byWindow.get(`${granularity}/${windowNumber}`)?.get(page.index * 64 + place);
  }

  /** No page is ever written. */
  sampleBlocks(): [] {
    return [];
  }

  /** Pages keep their profiles here: nothing is ever written. */
  profileHour(): undefined {}
  settledPart(): undefined {}

  /** Takes what a checkpoint would write of the page. */
  take(page: MeterPage): void {
    const { pending } = page;
    for (let i = 0; i < pending.count; i++) {
      const { granularity, windowNumber, rowInPage: place } = pendingKeyParts(pending.keyAt(i));
      const name = `${granularity}/${windowNumber}`;
      let windows = this.byWindow.get(name);
      if (windows === undefined) this.byWindow.set(name, (windows = new Map()));
      windows.set(page.index * 64 + place, pending.recordAt(i).slice());
    }
    pending.release();
  }

  dropBefore(timeMs: number): void {
    for (const name of this.byWindow.keys()) {
      const [granularity, windowNumber] = name.split('/').map(Number);
      if (windowNumber * GRANULARITY_MS[GRANULARITIES[granularity]] < timeMs - KEPT_MS) this.byWindow.delete(name);
    }
  }
}

class ShardTurnRun {
  private readonly variant: Variant;
  private readonly windows = new WindowsInMemory();
  private readonly state: ShardState;
  private readonly batches: ReadingBatch[];
  private readonly outcomes = new Uint8Array(READINGS_PER_BATCH);
  private sequence = 0;
  private pass = 0;
  /** Readings by OUTCOME, to hold against what the variant should give. */
  private readonly counts = { applied: 0, accepted: 0, duplicates: 0 };

  constructor(variant: Variant, meters: number) {
    this.variant = variant;
    this.batches = makeBatches({ meters, readingsPerBatch: READINGS_PER_BATCH, withReadingIds: variant === 'with readingIds' });
    this.state = new ShardState(
      { partitionCount: 64, latenessMs: LATENESS_MS, correctionHorizonMs: 40 * 86_400_000, metersMax: meters, regionsMax: 100, detection: DEFAULT_DETECTION },
      { stored: this.windows, loadPart: () => undefined },
    );
  }

  /** One round; returns readings a second. */
  round(): number {
    let tookMs = 0;
    const before = this.counts.applied;
    for (let k = 0; k < PASSES_PER_ROUND; k++) {
      const timeMs = START_MS + this.pass * PASS_MS;
      stamp(this.batches, timeMs, this.pass);
      if (this.variant === '1 % late') this.makeLate();
      if (this.variant === 'all duplicates') this.apply(timeMs);
      const startedMs = performance.now();
      this.apply(timeMs);
      tookMs += performance.now() - startedMs;
      this.counts.applied += this.batches.reduce((sum, batch) => sum + batch.count, 0);
      this.pass++;
      this.checkpoint(timeMs);
    }
    return ((this.counts.applied - before) * 1_000) / tookMs;
  }

  /** Hash of every meter's row and of the counts. Throws when a variant did not do what it is named for. */
  result(): string {
    const { applied, accepted, duplicates } = this.counts;
    const { counters } = this.state;
    if (this.variant === 'all duplicates') invariant(duplicates === applied, 'every second sending is a duplicate');
    else invariant(accepted === applied, 'every reading is new');
    invariant((counters.late > 0) === (this.variant === '1 % late'), 'late readings are there in the variant that has them');
    const rows = this.state.directory.pages.map((page) => page.u8);
    return hashOf(JSON.stringify(counters), ...rows);
  }

  private apply(timeMs: number): void {
    const { counts, outcomes, state } = this;
    for (const batch of this.batches) {
      const accepted = state.applyBatch(batch, timeMs, ++this.sequence, outcomes);
      counts.accepted += accepted;
      for (let i = 0; accepted < batch.count && i < batch.count; i++) if (outcomes[i] === OUTCOME.duplicate) counts.duplicates++;
    }
  }

  private makeLate(): void {
    // Every hundredth meter by pass, so that each of them is late at times and in order at others.
    if (this.pass * PASS_MS < LATE_BY_MS) return;
    for (const batch of this.batches) {
      // Half a pass off, so that no reading stands at that time yet.
      for (let i = this.pass % HUNDREDTH; i < batch.count; i += HUNDREDTH) batch.timestamp[i] -= LATE_BY_MS + PASS_MS / 2;
    }
  }

  /** Takes from the state what a checkpoint takes, without writing it. */
  private checkpoint(timeMs: number): void {
    const { turn, ledger, episodes } = this.state;
    for (const page of turn.dirtyPages) {
      page.dirty = false;
      this.windows.take(page);
    }
    turn.dirtyPages.clear();
    turn.crowdedPages.clear();
    ledger.unsavedNames = [];
    ledger.takeUnsaved();
    ledger.takeUnreported(Infinity);
    ledger.evict();
    episodes.take();
    this.state.newRows.clear();
    this.windows.dropBefore(timeMs);
  }
}

/** Measures all variants. */
export function run(options: ShardTurnOptions = SHARD_TURN_FULL): BenchReport {
  const rows: BenchRow[] = [];
  for (const variant of VARIANTS) {
    const turn = new ShardTurnRun(variant, options.meters);
    for (let k = 0; k < WARMUP_ROUNDS; k++) turn.round();
    const rates = Array.from({ length: options.rounds }, () => turn.round());
    rows.push(rowOf(`shard turn, ${variant}`, 'readings/s', rates, `${options.meters} meters, batches of ${READINGS_PER_BATCH}`, turn.result()));
  }
  return { name: 'micro: shard-turn', leavesOut: 'the log, checkpoints, the clock\'s ticks and message passing.', rows };
}
