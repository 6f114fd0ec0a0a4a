import { addUpInto, coverGaps, COVERED_QUARTERS_MAX, QUARTER_QUALITY } from '../../model/determinants.ts';
import type { DeterminantsRow } from '../../model/determinants-row.ts';
import { PLAN_QUARTERS_MAX, QUARTER_MS, type EnergyQuarter, type MeteringPlan } from '../../model/energy.ts';
import { energyRows, QUARTERS_PER_DAY, readEnergyRow } from './energy-block.ts';
import { addDay, beginSums, endSums } from './energy-sums.ts';
import { rowInPage, rowOffset, type MeterPage } from './meter-pages.ts';
import { SLOT, SLOTS_PER_GRANULARITY, slotOffset } from './page-layout.ts';
import { pendingKeyParts, type PendingWindows } from './pending-windows.ts';
import { planDays, type PlanDay } from './plan-days.ts';
import type { ShardStore } from './shard-store.ts';
import type { ShardState } from './state.ts';
import { slotMicroKwh, slotQuality, WindowRecord } from './window-accumulator.ts';

const QUARTER_HOUR = 1;
/** Looked at beside those asked for, on either side: a count covers those before it. */
const MARGIN = COVERED_QUARTERS_MAX;
/** Quarter-hours that are read at once: a month of a page's meters, 2 MB, for which each of its blocks is read once. It also bounds how long one look takes, 2 to 6 ms of processor time. */
const QUARTERS_PER_LOOK_MAX = 64 * 32 * QUARTERS_PER_DAY;

/** One a thread, as a thread's shards answer one after another. */
let microKwh = new Float64Array(0);
let quality = new Uint8Array(0);

/** Energy of a shard's meters as it is now: what is in the store, with what has closed since. Windows that are open do not count. */
export class EnergyReader {
  private readonly state: ShardState;
  private readonly store: ShardStore;
  private readonly record = new WindowRecord();

  constructor(state: ShardState, store: ShardStore) {
    this.state = state;
    this.store = store;
  }

  /** How many meters of one page a look can take. */
  rowsPerLook(quarters: number): number {
    return Math.max(1, Math.floor(QUARTERS_PER_LOOK_MAX / (quarters + 2 * MARGIN)));
  }

  /** Writes what the plan makes of each of the rows, which are of one page and `rowsPerLook` at most, into `numbers`, from `at` on; `layout` is the plan's. */
  determinants(rows: readonly number[], plan: MeteringPlan, layout: DeterminantsRow, numbers: Float64Array, at: number): void {
    const places = rows.map((_, k) => at + k * layout.width);
    const days = planDays(plan);
    const isSummed = days === null ? null : this.sumDays(rows, places, plan, days, layout, numbers);
    const others = (_: number, k: number): boolean => isSummed === null || isSummed[k] === 0;
    if (rows.some(others)) this.addUpRows(rows.filter(others), places.filter(others), plan, layout, numbers);
  }

  /** Quarter-hour by quarter-hour. `places` are where the rows' determinants begin. */
  private addUpRows(rows: readonly number[], places: readonly number[], plan: MeteringPlan, layout: DeterminantsRow, numbers: Float64Array): void {
    const count = plan.energyBuckets.length;
    const from = plan.firstQuarter - MARGIN;
    const stride = count + 2 * MARGIN;
    const stored = this.look(rows, from, from + stride);
    for (let k = 0; k < rows.length; k++) {
      const first = k * stride + MARGIN;
      const known = quality.subarray(first, first + count);
      // Most meters' months have no gap.
      const coveredBefore = stored[k] === stride ? 0 : coverRow(quality.subarray(k * stride, (k + 1) * stride));
      addUpInto(plan, layout, microKwh.subarray(first, first + count), known, coveredBefore, numbers, places[k]);
    }
  }

  /** Sums of those rows whose days are whole and all in the store. Returns of each row whether it is one. */
  private sumDays(rows: readonly number[], places: readonly number[], plan: MeteringPlan, days: readonly PlanDay[], layout: DeterminantsRow, numbers: Float64Array): Uint8Array {
    const page = this.state.directory.pages[rows[0] >>> 6];
    const isSummed = this.areStored(page, rows, plan.firstQuarter - MARGIN, plan.firstQuarter + plan.energyBuckets.length);
    for (const place of places) beginSums(layout, numbers, place);
    for (const day of days) {
      if (!isSummed.includes(1)) return isSummed;
      const block = this.store.energyBlock(page, day.day);
      if (block === undefined) return isSummed.fill(0);
      energyRows(block);
      for (let k = 0; k < rows.length; k++) if (isSummed[k] !== 0 && !addDay(block, rowInPage(rows[k]), day, layout, numbers, places[k])) isSummed[k] = 0;
    }
    for (const place of places) endSums(layout, numbers, place);
    return isSummed;
  }

  /** Of each of the rows 1 where nothing of the quarter-hours `from` ≤ number < `to` has closed or was corrected since the store was written. What has not closed the store does not have at all. */
  private areStored(page: MeterPage, rows: readonly number[], from: number, to: number): Uint8Array {
    const isPending = new Uint8Array(64);
    for (const windows of page.flushing === null ? [page.pending] : [page.flushing, page.pending]) {
      for (let i = 0; i < windows.count; i++) {
        const { granularity, windowNumber, rowInPage: r } = pendingKeyParts(windows.keyAt(i));
        if (granularity === QUARTER_HOUR && windowNumber >= from && windowNumber < to) isPending[r] = 1;
      }
    }
    return Uint8Array.from(rows, (row) => 1 - isPending[rowInPage(row)]);
  }

  /** `from` ≤ number < `to`, PLAN_QUARTERS_MAX of them at most. */
  quarters(row: number, from: number, to: number): EnergyQuarter[] {
    if (!(to - from <= PLAN_QUARTERS_MAX)) throw new RangeError(`${to - from} quarter-hours are more than ${PLAN_QUARTERS_MAX}`);
    this.look([row], from, to + MARGIN);
    coverGaps(quality.subarray(0, to + MARGIN - from));
    return Array.from({ length: Math.max(0, to - from) }, (_, i) => ({ quarter: from + i, microKwh: microKwh[i], quality: nameOf(quality[i]) }));
  }

  /** Reads the quarter-hours `from` ≤ number < `to` of each of the rows, which are of one page, one row after another. Returns of each how many of them the store has. */
  private look(rows: readonly number[], from: number, to: number): Uint32Array {
    const stride = to - from;
    const cells = rows.length * stride;
    if (microKwh.length < cells) {
      microKwh = new Float64Array(cells);
      quality = new Uint8Array(cells);
    }
    microKwh.fill(0, 0, cells);
    quality.fill(QUARTER_QUALITY.missing, 0, cells);
    const page = this.state.directory.pages[rows[0] >>> 6];
    const stored = this.readStored(page, rows, from, to);
    /** By row in the page, where its quarter-hours are; −1: nobody asked. */
    const placeOf = new Int32Array(64).fill(-1);
    rows.forEach((row, k) => (placeOf[rowInPage(row)] = k * stride));
    if (page.flushing !== null) this.readPending(page.flushing, placeOf, from, to);
    this.readPending(page.pending, placeOf, from, to);
    for (const row of rows) this.readPassed(page, row, placeOf[rowInPage(row)], from, to);
    return stored;
  }

  private readStored(page: MeterPage, rows: readonly number[], from: number, to: number): Uint32Array {
    const stride = to - from;
    const stored = new Uint32Array(rows.length);
    for (let day = Math.floor(Math.max(0, from) / QUARTERS_PER_DAY); day * QUARTERS_PER_DAY < to; day++) {
      const block = this.store.energyBlock(page, day);
      if (block === undefined) continue;
      energyRows(block);
      const first = day * QUARTERS_PER_DAY;
      const [begin, end] = [Math.max(0, from - first), Math.min(QUARTERS_PER_DAY, to - first)];
      for (let k = 0; k < rows.length; k++) stored[k] += readEnergyRow(block, rowInPage(rows[k]), begin, end, k * stride + first - from, microKwh, quality);
    }
    return stored;
  }

  private readPending(windows: PendingWindows, placeOf: Int32Array, from: number, to: number): void {
    for (let i = 0; i < windows.count; i++) {
      const { granularity, windowNumber, rowInPage: r } = pendingKeyParts(windows.keyAt(i));
      if (granularity !== QUARTER_HOUR || windowNumber < from || windowNumber >= to || placeOf[r] < 0) continue;
      this.record.load(windows.recordAt(i));
      const at = placeOf[r] + windowNumber - from;
      microKwh[at] = slotMicroKwh(this.record, 0);
      quality[at] = slotQuality(this.record, 0);
    }
  }

  /** Windows that were passed, and that no tick has closed yet: nothing counts in them any more. */
  private readPassed(page: MeterPage, row: number, place: number, from: number, to: number): void {
    for (let s = 0; s < SLOTS_PER_GRANULARITY; s++) {
      const slot = rowOffset(row) + slotOffset(QUARTER_HOUR, s);
      const number = page.f64[slot >> 3] / QUARTER_MS;
      // NaN, an empty slot, fails both comparisons.
      if (!(number >= from && number < to) || page.u32[(slot + SLOT.count) >> 2] === 0) continue;
      if (!this.state.book.isClosed(page, row, QUARTER_HOUR, (number + 1) * QUARTER_MS)) continue;
      microKwh[place + number - from] = slotMicroKwh(page, slot);
      quality[place + number - from] = slotQuality(page, slot);
    }
  }
}

/** Marks what counts cover in a row with its margins. Returns how many right before what was asked for. */
function coverRow(known: Uint8Array): number {
  coverGaps(known);
  let covered = 0;
  while (covered < MARGIN && known[MARGIN - 1 - covered] === QUARTER_QUALITY.covered) covered++;
  return covered;
}

function nameOf(known: number): EnergyQuarter['quality'] {
  if (known === QUARTER_QUALITY.missing) return 'missing';
  return known === QUARTER_QUALITY.measured ? 'measured' : 'estimated';
}
