import { READING_FLAG } from '../../model/reading.ts';
import type { ReadingBatch } from '../../model/reading-batch.ts';
import { GRANULARITIES, GRANULARITY_MS } from '../../model/window.ts';
import { invariant } from '../../runtime/errors.ts';
import type { EarlyWindows } from './early-windows.ts';
import { rowInPage, rowOffset, type MeterDirectory, type MeterPage } from './meter-pages.ts';
import { ROW, SLOT, SLOT_BYTES, slotOffset } from './page-layout.ts';
import { PENDING_WINDOWS_PER_PAGE_MAX, pendingKey } from './pending-windows.ts';
import type { Contribution, LedgerPart, RegionLedger } from './region-ledger.ts';
import { findInBlock } from './sample-blocks.ts';
import { NO_CHUNK, SampleIndex } from './sample-index.ts';
import type { ShardCounters, Turn } from './turn.ts';
import { addToSlot, heldSamples, openSlot, slotAvgPowerKw, slotContribution, slotVoltageAvg, WindowRecord } from './window-accumulator.ts';
import type { WindowFacts } from './detection/window-facts.ts';

/** Windows on disk. The record is borrowed until the next call. */
export interface WindowSource {
  get(page: MeterPage, granularity: number, windowNumber: number, rowInPage: number): Uint8Array | undefined;
  /** Blocks of the page's samples of a minute (sample-blocks.ts). */
  sampleBlocks(page: MeterPage, windowNumber: number): Iterable<Uint8Array>;
  /** What windows that were removed have given to a regional window. */
  settledPart(region: number, granularity: number, windowStartMs: number): LedgerPart | undefined;
}

/** Told of every one-minute window that closes for the first time with readings in it, in order for each meter. */
export type WindowListener = (page: MeterPage, row: number, facts: Omit<WindowFacts, 'regionPoweredShare' | 'regionReporting'>) => void;

const WINDOW_MS = GRANULARITIES.map((granularity) => GRANULARITY_MS[granularity]);
const MINUTE_MS = WINDOW_MS[0];

export interface WindowBookModules {
  directory: MeterDirectory;
  ledger: RegionLedger;
  windows: WindowSource;
  turn: Turn;
  counters: ShardCounters;
  onClosed: WindowListener;
  /** Told of what is to go to disk; null when nobody waits for it. */
  early: EarlyWindows | null;
}

/**
 * The windows of all meters: open ones in their rows, closed ones in records. A window is open until its meter's newest timestamp, or the
 * clock for a silent meter, passes its end by the allowed lateness; a reading for a closed one amends its record. One that was passed stays in its row until
 * a tick closes it, or what is done needs it closed: nothing counts in it meanwhile.
 */
export class WindowBook {
  readonly samples = new SampleIndex();
  private readonly latenessMs: number;
  private readonly modules: WindowBookModules;
  private readonly record = new WindowRecord();
  private readonly scanRecord = new WindowRecord();

  constructor(latenessMs: number, modules: WindowBookModules) {
    this.latenessMs = latenessMs;
    this.modules = modules;
  }

  /** True when the meter's window that ends at `endMs` is closed or passed. `granularity` 0 = 1m, 1 = 15m. */
  isClosed(page: MeterPage, row: number, granularity: number, endMs: number): boolean {
    const d = rowOffset(row) >> 3;
    return endMs <= page.f64[d + (ROW.newestMs >> 3)] - this.latenessMs || endMs <= page.f64[d + ((ROW.closedMs + granularity * 8) >> 3)];
  }

  /** Fingerprint of the reading counted at this very timestamp, or −1. `closed`: whether its one-minute window is, with no passed one left (`closePassed`). */
  findSample(page: MeterPage, row: number, timestampMs: number, closed: boolean): number {
    const windowNumber = Math.floor(timestampMs / MINUTE_MS);
    const offsetMs = timestampMs - windowNumber * MINUTE_MS;
    if (closed) {
      const stored = this.storedRecord(page, row, 0, windowNumber);
      if (stored === undefined) return -1;
      this.record.load(stored);
      const found = this.record.findSample(offsetMs);
      return found >= 0 || this.record.samplesInBlocks === 0 ? found : this.findInBlocks(page, row, windowNumber, offsetMs);
    }
    const at = rowOffset(row) + slotOffset(0, windowNumber);
    if (page.f64[at >> 3] !== windowNumber * MINUTE_MS) return -1;
    const found = this.samples.find(page.u32[(at + SLOT.samplesOrRevision) >> 2], heldSamples(page, at), offsetMs);
    return found >= 0 || page.u16[(at + SLOT.samplesInBlocks) >> 1] === 0 ? found : this.findInBlocks(page, row, windowNumber, offsetMs);
  }

  private findInBlocks(page: MeterPage, row: number, windowNumber: number, offsetMs: number): number {
    const place = rowInPage(row);
    for (const block of page.unwrittenSamples) {
      const found = block.windowNumber === windowNumber ? findInBlock(block.bytes, place, offsetMs) : -1;
      if (found >= 0) return found;
    }
    for (const bytes of this.modules.windows.sampleBlocks(page, windowNumber)) {
      const found = findInBlock(bytes, place, offsetMs);
      if (found >= 0) return found;
    }
    return -1;
  }

  /** Counts a reading whose one-minute window is open. */
  countOpen(batch: ReadingBatch, i: number, page: MeterPage, row: number, region: number, fingerprint: number): void {
    const timestamp = batch.timestamp[i];
    const windowNumber = Math.floor(timestamp / MINUTE_MS);
    const at = this.slotFor(page, row, 0, windowNumber);
    const samplesAt = (at + SLOT.samplesOrRevision) >> 2;
    const countAt = (at + SLOT.sampleCount) >> 2;
    page.u32[samplesAt] = this.samples.add(page.u32[samplesAt], heldSamples(page, at), timestamp - windowNumber * MINUTE_MS, fingerprint);
    page.u32[countAt]++;
    if ((batch.flags[i] & READING_FLAG.error) !== 0) return;
    addToSlot(page, at, batch, i, region);
    this.countQuarterHour(batch, i, page, row, region);
  }

  /** Counts a reading whose one-minute window is closed, with no passed one left: the window is amended, or made if it never was. */
  correct(batch: ReadingBatch, i: number, page: MeterPage, row: number, region: number, fingerprint: number): void {
    if (!this.modules.turn.replaying) this.modules.counters.late++;
    this.amend(batch, i, page, row, 0, region, fingerprint);
    if ((batch.flags[i] & READING_FLAG.error) === 0) this.countQuarterHour(batch, i, page, row, region);
  }

  /** Closes the windows that the row's newest reading has passed. */
  closePassed(page: MeterPage, row: number): void {
    const d = rowOffset(row) >> 3;
    const limitMs = page.f64[d + (ROW.newestMs >> 3)] - this.latenessMs;
    if (page.f64[d + (ROW.nextEndMs >> 3)] <= limitMs) this.closeDue(page, row, limitMs);
  }

  /** Closes the row's windows that end at or before `limitMs`, oldest first. */
  closeDue(page: MeterPage, row: number, limitMs: number): void {
    const rowAt = rowOffset(row);
    let nextEnd = Infinity;
    for (let granularity = 0; granularity < 2; granularity++) {
      const length = WINDOW_MS[granularity];
      const even = rowAt + slotOffset(granularity, 0);
      const odd = rowAt + slotOffset(granularity, 1);
      const evenFirst = !(page.f64[odd >> 3] < page.f64[even >> 3]);
      for (let k = 0; k < 2; k++) {
        const at = (k === 0) === evenFirst ? even : odd;
        const end = page.f64[at >> 3] + length;
        // NaN (an empty slot) fails both comparisons.
        if (end <= limitMs) this.closeSlot(page, row, granularity, at);
        else if (end < nextEnd) nextEnd = end;
      }
    }
    page.f64[(rowAt + ROW.nextEndMs) >> 3] = nextEnd;
  }

  /** As `closeDue`, and remembers that nothing before `limitMs` may open again. */
  closeUpTo(page: MeterPage, row: number, limitMs: number): void {
    this.closeDue(page, row, limitMs);
    for (let granularity = 0; granularity < 2; granularity++) {
      const at = (rowOffset(row) + ROW.closedMs + granularity * 8) >> 3;
      page.f64[at] = Math.max(page.f64[at], Math.floor(limitMs / WINDOW_MS[granularity]) * WINDOW_MS[granularity]);
    }
  }

  /** The newest record of a closed window: not yet written, being written, or on disk. Borrowed. */
  storedRecord(page: MeterPage, row: number, granularity: number, windowNumber: number): Uint8Array | undefined {
    return this.unwrittenRecord(page, row, granularity, windowNumber) ?? this.modules.windows.get(page, granularity, windowNumber, rowInPage(row));
  }

  /** As `storedRecord`, undefined for one that is on disk as it is. */
  unwrittenRecord(page: MeterPage, row: number, granularity: number, windowNumber: number): Uint8Array | undefined {
    const key = pendingKey(granularity, windowNumber, rowInPage(row));
    let position = page.pending.find(key);
    if (position >= 0) return page.pending.recordAt(position);
    if (page.flushing === null) return undefined;
    position = page.flushing.find(key);
    return position >= 0 ? page.flushing.recordAt(position) : undefined;
  }

  private countQuarterHour(batch: ReadingBatch, i: number, page: MeterPage, row: number, region: number): void {
    const windowNumber = Math.floor(batch.timestamp[i] / WINDOW_MS[1]);
    if (this.isClosed(page, row, 1, (windowNumber + 1) * WINDOW_MS[1])) this.amend(batch, i, page, row, 1, region, NO_FINGERPRINT);
    else addToSlot(page, this.slotFor(page, row, 1, windowNumber), batch, i, region);
  }

  /** Byte offset of the open slot for this window, opened when it is not. */
  private slotFor(page: MeterPage, row: number, granularity: number, windowNumber: number): number {
    const rowAt = rowOffset(row);
    const at = rowAt + slotOffset(granularity, windowNumber);
    const startMs = windowNumber * WINDOW_MS[granularity];
    const held = page.f64[at >> 3];
    if (held === startMs) return at;
    if (held === held) {
      // Passed, and no tick has come: an import's minutes go by faster than the clock's.
      this.closePassed(page, row);
      invariant(page.f64[at >> 3] !== page.f64[at >> 3], 'a window slot is free when its turn comes');
    }
    openSlot(page, at, startMs);
    page.u32[(at + SLOT.samplesOrRevision) >> 2] = NO_CHUNK;
    const end = startMs + WINDOW_MS[granularity];
    const nextEndAt = (rowAt + ROW.nextEndMs) >> 3;
    if (end < page.f64[nextEndAt]) page.f64[nextEndAt] = end;
    return at;
  }

  private closeSlot(page: MeterPage, row: number, granularity: number, at: number): void {
    const startMs = page.f64[at >> 3];
    const record = this.record;
    const held = granularity === 0 ? heldSamples(page, at) : 0;
    const view = record.prepare(held);
    record.f64.set(page.f64.subarray(at >> 3, (at + SLOT_BYTES) >> 3));
    if (granularity === 0) {
      const head = page.u32[(at + SLOT.samplesOrRevision) >> 2];
      this.samples.write(head, held, view, SLOT_BYTES);
      this.samples.free(head);
    }
    record.revision = 0;
    page.f64[at >> 3] = NaN;
    const closedAt = (rowOffset(row) + ROW.closedMs + granularity * 8) >> 3;
    page.f64[closedAt] = Math.max(page.f64[closedAt], startMs + WINDOW_MS[granularity]);
    this.keep(page, row, granularity, startMs / WINDOW_MS[granularity]);
    if (record.count === 0) return;
    const { turn, counters, ledger } = this.modules;
    if (!turn.replaying) counters.windowsClosed[granularity]++;
    if (turn.isLedgerDue) ledger.add(granularity, startMs, slotContribution(record, 0, granularity));
    if (granularity === 0) this.announce(page, row, startMs);
  }

  private announce(page: MeterPage, row: number, startMs: number): void {
    const record = this.record;
    this.modules.onClosed(page, row, {
      startMs,
      avgPowerKw: slotAvgPowerKw(record, 0),
      minPowerKw: record.f64[SLOT.powerMin >> 3],
      maxPowerKw: record.f64[SLOT.powerMax >> 3],
      voltageAvg: slotVoltageAvg(record, 0),
    });
  }

  /** Adds a reading to its closed window (1m with its fingerprint, 15m without) and raises the revision. */
  private amend(batch: ReadingBatch, i: number, page: MeterPage, row: number, granularity: number, region: number, fingerprint: number): void {
    const { turn, counters } = this.modules;
    const record = this.record;
    const timestamp = batch.timestamp[i];
    const windowNumber = Math.floor(timestamp / WINDOW_MS[granularity]);
    const startMs = windowNumber * WINDOW_MS[granularity];
    const stored = this.storedRecord(page, row, granularity, windowNumber);
    if (stored === undefined) record.open(startMs);
    else record.load(stored);
    if (fingerprint !== NO_FINGERPRINT) record.addSample(timestamp - startMs, fingerprint);
    if ((batch.flags[i] & READING_FLAG.error) !== 0) {
      this.keep(page, row, granularity, windowNumber);
      return;
    }
    const before = record.count > 0 ? slotContribution(record, 0, granularity) : null;
    addToSlot(record, 0, batch, i, region);
    if (before !== null) record.revision++;
    this.keep(page, row, granularity, windowNumber);
    if (!turn.replaying) (before === null ? counters.windowsClosed : counters.windowsCorrected)[granularity]++;
    if (turn.isLedgerDue) this.rebook(granularity, windowNumber, before, slotContribution(record, 0, granularity));
  }

  /** Moves a corrected window's share of its region's window. */
  private rebook(granularity: number, windowNumber: number, before: Contribution | null, after: Contribution): void {
    const startMs = windowNumber * WINDOW_MS[granularity];
    if (before !== null) this.modules.ledger.remove(granularity, startMs, before);
    this.modules.ledger.add(granularity, startMs, after);
    if (before !== null && before.region !== after.region) this.recomputeExtremes(before.region, granularity, windowNumber);
  }

  /**
   * The window left this region: its extremes may have been the region's, so they are looked up again. Reads the window of every
   * meter, which is slow, and needed only when a meter changed its region within a window and a late reading tells so.
   */
  private recomputeExtremes(region: number, granularity: number, windowNumber: number): void {
    const settled = this.modules.windows.settledPart(region, granularity, windowNumber * WINDOW_MS[granularity]);
    let min = settled?.minPowerKw ?? Infinity;
    let max = settled?.maxPowerKw ?? -Infinity;
    const record = this.scanRecord;
    for (const page of this.modules.directory.pages) {
      for (let r = 0; r < page.rowCount; r++) {
        const stored = this.storedRecord(page, page.rowAt(r), granularity, windowNumber);
        if (stored === undefined) continue;
        record.load(stored);
        if (record.count === 0 || record.u16[SLOT.region >> 1] !== region) continue;
        min = Math.min(min, record.f64[SLOT.powerMin >> 3]);
        max = Math.max(max, record.f64[SLOT.powerMax >> 3]);
      }
    }
    this.modules.ledger.replaceExtremes(region, granularity, windowNumber * WINDOW_MS[granularity], min, max);
  }

  /** Puts `this.record` among the page's windows that have to go to disk. */
  private keep(page: MeterPage, row: number, granularity: number, windowNumber: number): void {
    const { turn, early } = this.modules;
    const { pending } = page;
    turn.pendingBytes -= pending.bytesUsed;
    pending.put(pendingKey(granularity, windowNumber, rowInPage(row)), this.record.toBytes());
    turn.pendingBytes += pending.bytesUsed;
    if (pending.count >= PENDING_WINDOWS_PER_PAGE_MAX) turn.crowdedPages.add(page);
    // A replay's are in no hurry.
    if (early !== null && !turn.replaying) early.note(row, granularity, windowNumber);
    turn.touch(page);
  }
}

/** Quarter-hours keep no samples: the minutes do. */
const NO_FINGERPRINT = -1;
