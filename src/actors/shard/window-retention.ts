import { GRANULARITIES, GRANULARITY_MS } from '../../model/window.ts';
import { rowOffset, type MeterDirectory, type MeterPage } from './meter-pages.ts';
import type { Outbox } from './outbox.ts';
import { ROW, ROWS_PER_PAGE } from './page-layout.ts';
import { RemovedWindows } from './removed-windows.ts';
import { offsetsInBlock } from './sample-blocks.ts';
import { SettledParts } from './settled-parts.ts';
import type { ShardStore } from './shard-store.ts';
import { samplesKey, samplesKeyMinute, windowKey, windowKeyParts } from './store-keys.ts';
import { slotContribution, WindowRecord } from './window-accumulator.ts';

/**
 * Takes closed windows out of the store once they are older than what is to be kept, some with each checkpoint step.
 *
 * How old a window is, its own meter says: the bound is as far behind the newest timestamp in the page's snapshot as windows are kept, which is at least the correction
 * horizon. So no reading that ever comes, or is replayed after a crash, can ask for a window that is gone: it is too late, as it was without retention. And what
 * is gone has been written and is correct for good, so with consumers beside the engine it goes when all of them have read the outbox that far.
 */
export interface RetentionOptions {
  /** By granularity, ms; Infinity: for good. At least the correction horizon. */
  keepMs: readonly number[];
}

/** Windows go by the quarter-hour, so that a page is looked at that often and a quarter-hour's minutes go together. */
const PIECE_MS = GRANULARITY_MS['15m'];
const PIECE_WINDOWS = GRANULARITIES.map((granularity) => PIECE_MS / GRANULARITY_MS[granularity]);
/** Windows looked at in a step: some 3 ms of work. At ten steps a second ten times what 100,000 meters make. */
const LOOKED_PER_STEP_MAX = 2_000;
/** A look where there is nothing costs about as much as so many windows. */
const LOOK_COST = 8;
/** Pages whose turn it is looked at in a step: they may all wait for a consumer. */
const PAGES_PER_STEP_MAX = 256;

/** What is old in a page, as of a snapshot that is on disk. */
interface Bounds {
  /** By granularity, then row: windows below this number. */
  numbers: Uint32Array;
  /** The last outbox record by then: it, or one before, names the newest state of every old window. */
  outboxSequence: number;
}

interface PageSweep {
  page: MeterPage;
  bounds: Bounds;
  /** Of a later snapshot, while the page waits: it must not be told to wait for more each time it is written. */
  later: Bounds | null;
  /** By granularity, then row: no old window below this number is left. */
  swept: Uint32Array;
}

/** What a step took, until its commit is known to have succeeded or failed. */
interface Step {
  sweeps: { sweep: PageSweep; swept: Uint32Array; removed: RemovedWindows | null }[];
  snapshots: { page: MeterPage; numbers: Uint32Array }[];
}

export class WindowRetention {
  private readonly options: RetentionOptions;
  private readonly store: ShardStore;
  /** null while the shard has none. */
  private readonly outbox: Outbox | null;
  private readonly settled: SettledParts;
  private readonly record = new WindowRecord();
  private readonly sweeps = new Map<MeterPage, PageSweep>();
  /** Those with old windows, the longest waiting first. */
  private readonly due = new Set<PageSweep>();
  private step: Step = { sweeps: [], snapshots: [] };
  private room = 0;

  constructor(options: RetentionOptions, store: ShardStore, outbox: Outbox | null) {
    this.options = options;
    this.store = store;
    this.outbox = outbox;
    this.settled = new SettledParts((...key) => store.settledPart(...key));
  }

  /** After a recovery: pages that are as their snapshots say. The others are written soon. */
  recovered(directory: MeterDirectory): void {
    for (const page of directory.pages) if (!page.dirty) this.note(page, this.oldNumbers(page));
  }

  /** True when a step would find something to take. */
  get isDue(): boolean {
    const [first] = this.due;
    return first !== undefined && this.isDelivered(first);
  }

  /** The step under way writes the page's snapshot. */
  snapshot(page: MeterPage): void {
    this.step.snapshots.push({ page, numbers: this.oldNumbers(page) });
  }

  /** Queues some removals in the store; the caller commits, then calls `done` or `undo`. */
  begin(): void {
    this.room = LOOKED_PER_STEP_MAX;
    let pages = Math.min(PAGES_PER_STEP_MAX, this.due.size);
    for (const sweep of this.due) {
      if (this.room <= 0 || pages-- === 0) break;
      // To the end of the line, if anything of it is left.
      this.due.delete(sweep);
      if (this.isDelivered(sweep)) this.sweep(sweep);
      if (!isDue(sweep) && sweep.later !== null) {
        sweep.bounds = sweep.later;
        sweep.later = null;
      }
      if (isDue(sweep)) this.due.add(sweep);
    }
    for (const part of this.settled.take()) this.store.putSettledPart(part);
  }

  done(): void {
    const { snapshots } = this.step;
    this.step = { sweeps: [], snapshots: [] };
    for (const { page, numbers } of snapshots) this.note(page, numbers);
  }

  undo(): void {
    for (const { sweep, swept, removed } of this.step.sweeps) {
      sweep.swept = swept;
      sweep.page.removed = removed;
      this.due.add(sweep);
    }
    this.step = { sweeps: [], snapshots: [] };
  }

  private isDelivered({ bounds }: PageSweep): boolean {
    return this.outbox === null || bounds.outboxSequence <= this.outbox.deliveredUpTo;
  }

  /** By granularity, then row: the number below which windows are old. */
  private oldNumbers(page: MeterPage): Uint32Array {
    const numbers = new Uint32Array(GRANULARITIES.length * ROWS_PER_PAGE);
    for (let r = 0; r < page.rowCount; r++) {
      const d = rowOffset(page.rowAt(r)) >> 3;
      // One that lies in its slot yet, closed or not, is not in the store to be taken.
      const openMs = page.f64[d + (ROW.nextEndMs >> 3)] - PIECE_MS;
      for (let granularity = 0; granularity < GRANULARITIES.length; granularity++) {
        const limitMs = Math.min(page.f64[d + (ROW.newestMs >> 3)] - this.options.keepMs[granularity], openMs);
        if (limitMs > 0) numbers[granularity * ROWS_PER_PAGE + r] = Math.floor(limitMs / PIECE_MS) * PIECE_WINDOWS[granularity];
      }
    }
    return numbers;
  }

  private note(page: MeterPage, numbers: Uint32Array): void {
    const bounds = { numbers, outboxSequence: this.outbox === null ? 0 : this.outbox.next - 1 };
    let sweep = this.sweeps.get(page);
    if (sweep === undefined) this.sweeps.set(page, (sweep = { page, bounds, later: null, swept: new Uint32Array(numbers.length) }));
    else if (this.due.has(sweep)) sweep.later = bounds;
    else sweep.bounds = bounds;
    if (isDue(sweep)) this.due.add(sweep);
  }

  private sweep(sweep: PageSweep): void {
    const { page } = sweep;
    const removed = page.removed?.copy() ?? new RemovedWindows();
    this.step.sweeps.push({ sweep, swept: sweep.swept.slice(), removed: page.removed });
    let count = 0;
    for (let granularity = 0; granularity < GRANULARITIES.length; granularity++) {
      for (let next = nextDue(sweep, granularity); next >= 0 && this.room > 0; next = nextDue(sweep, granularity)) {
        count += this.removeRange(sweep, granularity, next, removed);
      }
    }
    if (count === 0) return;
    this.store.putRemovedWindows(page, removed);
    // At once: a query may come when the windows are gone and `done` has not been called.
    page.removed = removed;
  }

  /** Removes what is old between where the row of index `at` was swept to and its bound, of all rows of the page. Returns how many windows. */
  private removeRange(sweep: PageSweep, granularity: number, at: number, removed: RemovedWindows): number {
    const { page, bounds: { numbers }, swept } = sweep;
    const [from, to] = [swept[at], numbers[at]];
    // More than a page has windows of one time, so that it goes on.
    const limit = Math.max(this.room, ROWS_PER_PAGE + 1);
    const entries = [...this.store.windows.range(windowKey(page.partition, page.number, granularity, from, 0), windowKey(page.partition, page.number, granularity, to, 0), { limit })];
    this.room -= entries.length + LOOK_COST;
    let count = 0;
    for (const { key, value } of entries) {
      const { windowNumber, rowInPage } = windowKeyParts(key);
      if (windowNumber >= numbers[granularity * ROWS_PER_PAGE + rowInPage]) continue;
      this.store.windows.remove(key);
      this.record.load(value);
      removed.note(rowInPage, granularity, windowNumber, this.record.sampleCount);
      if (this.record.count > 0) this.settled.add(granularity, windowNumber, slotContribution(this.record, 0, granularity));
      count++;
    }
    const end = entries.length === limit ? windowKeyParts(entries[limit - 1].key).windowNumber : to;
    if (granularity === 0) this.removeSampleBlocks(page, numbers, from, end);
    for (let i = granularity * ROWS_PER_PAGE; i < (granularity + 1) * ROWS_PER_PAGE; i++) {
      if (numbers[i] > swept[i] && swept[i] <= end) swept[i] = Math.max(swept[i], Math.min(numbers[i], end));
    }
    return count;
  }

  /** A block goes with the last of its rows' windows: those of the others may be open still. */
  private removeSampleBlocks(page: MeterPage, numbers: Uint32Array, from: number, to: number): void {
    const { samples } = this.store;
    for (const { key, value } of [...samples.range(samplesKey(page.partition, page.number, from, 0), samplesKey(page.partition, page.number, to, 0))]) {
      const minute = samplesKeyMinute(key);
      let isNeeded = false;
      for (const { row } of offsetsInBlock(value)) isNeeded ||= minute >= numbers[row];
      if (!isNeeded) samples.remove(key);
    }
  }
}

function isDue(sweep: PageSweep): boolean {
  return GRANULARITIES.some((_, granularity) => nextDue(sweep, granularity) >= 0);
}

/** Index of the row with old windows that was swept least far, or −1: everything from there on was swept by no row that has any. */
function nextDue({ bounds: { numbers }, swept }: PageSweep, granularity: number): number {
  let next = -1;
  for (let i = granularity * ROWS_PER_PAGE; i < (granularity + 1) * ROWS_PER_PAGE; i++) {
    if (numbers[i] > swept[i] && (next < 0 || swept[i] < swept[next])) next = i;
  }
  return next;
}
