import { partitionOfHash } from '../../model/ids.ts';
import { OUTCOME, READING_FLAG, type Outcome } from '../../model/reading.ts';
import type { ReadingBatch } from '../../model/reading-batch.ts';
import { GRANULARITY_MS } from '../../model/window.ts';
import { invariant } from '../../runtime/errors.ts';
import type { TouchedMemory } from '../../runtime/touched-memory.ts';
import { AnomalyEpisodes } from './anomaly-episodes.ts';
import { observeArrival, observeReading } from './detection/cadence.ts';
import type { DetectionConfig } from './detection/detection-config.ts';
import { detectorCells, type DetectorCells } from './detection/detector-cells.ts';
import { detectorOffset, MeterDirectory, NO_ROW, rowInPage, rowOffset, type MeterPage } from './meter-pages.ts';
import { silenceDeadlineMs } from './detection/outage.ts';
import type { EarlyWindows } from './early-windows.ts';
import { LATENESS_MS_MAX, LIVE, ROW } from './page-layout.ts';
import type { ProfileStore } from './meter-profile.ts';
import { PictureHistory } from './picture-history.ts';
import type { RegionPicture } from './protocol.ts';
import { READ_AHEAD_READINGS, ReadAhead } from './read-ahead.ts';
import { ReadingFingerprints } from './reading-fingerprint.ts';
import { ReadingIdHorizon } from './reading-id-horizon.ts';
import { highOf, lowOf, ReadingIds } from './reading-ids.ts';
import { RegionLedger, type PartLoader } from './region-ledger.ts';
import { isUncounted, NONE_UNCOUNTED, type UncountedReadings } from './uncounted-readings.ts';
import type { TickSlice } from './tick-schedule.ts';
import { Turn, zeroCounters, type ShardCounters } from './turn.ts';
import { WindowBook, type WindowSource } from './window-book.ts';

/**
 * A shard's state, a fold of its log: `applyBatch`, `applyTick` and `applyPicture` are synchronous and take the time from the log
 * record, so replaying the log gives the same state. Reads of stored windows go through the WindowSource that is passed in.
 *
 * Each takes the record's sequence: a page whose snapshot already stands for that record is left alone, so pages can be written
 * one by one, each at its own time, and still be recovered exactly.
 */

export interface ShardStateConfig {
  partitionCount: number;
  /** Allowed lateness; at most LATENESS_MS_MAX. */
  latenessMs: number;
  /** Readings older than their meter's newest by more than this are rejected, unless they are known. */
  correctionHorizonMs: number;
  metersMax: number;
  regionsMax: number;
  /** Size of the memory of readingIds, a power of two; READING_ID_BUCKETS when absent. */
  readingIdBuckets?: number;
  /** Log of batches after which readingIds are forgotten before their five minutes are over, bytes; no bound when absent. */
  readingIdLogBytes?: number;
  detection: DetectionConfig;
}

/** A reading is of the present when it is no older than this on arrival; an import's is not, and its silence means nothing. */
export const LIVE_AGE_MS_MAX = 2 * 3_600_000;

const MINUTE_MS = GRANULARITY_MS['1m'];

export class ShardState {
  readonly directory: MeterDirectory;
  readonly ledger: RegionLedger;
  readonly book: WindowBook;
  readonly turn = new Turn();
  readonly readingIds: ReadingIds;
  readonly idHorizon: ReadingIdHorizon;
  readonly counters: ShardCounters = zeroCounters();
  readonly episodes: AnomalyEpisodes;
  readonly pictures = new PictureHistory();
  /** Rows that the stored list of meters does not hold yet. */
  readonly newRows = new Set<number>();
  private readonly config: ShardStateConfig;
  private readonly ahead: ReadAhead;
  private readonly fingerprints = new ReadingFingerprints();
  /** Region index of each region of the batch at hand; −2 = not looked up. */
  private batchRegions = new Int32Array(16);
  /** During recovery: readings of the batch at hand that did not count when it was first applied. */
  private uncountedBefore = NONE_UNCOUNTED;
  private readonly detector: DetectorCells = detectorCells(new ArrayBuffer(8));

  /** `rows`: memory for the meters of a large fleet (MeterDirectory). */
  constructor(config: ShardStateConfig, modules: { stored: WindowSource & ProfileStore; loadPart: PartLoader; early?: EarlyWindows; rows?: TouchedMemory | null }) {
    invariant(config.latenessMs >= 0 && config.latenessMs <= LATENESS_MS_MAX, 'allowed lateness fits the window slots');
    this.config = config;
    this.directory = new MeterDirectory(modules.rows ?? null);
    this.readingIds = new ReadingIds(config.readingIdBuckets);
    this.idHorizon = new ReadingIdHorizon(config.readingIdLogBytes ?? Infinity);
    this.ledger = new RegionLedger(config.regionsMax, modules.loadPart);
    this.episodes = new AnomalyEpisodes(config.detection, this.ledger, (row) => this.directory.idOf(row), modules.stored);
    this.book = new WindowBook(config.latenessMs, {
      directory: this.directory,
      ledger: this.ledger,
      windows: modules.stored,
      turn: this.turn,
      counters: this.counters,
      early: modules.early ?? null,
      onClosed: (page, row, facts) => this.episodes.window(page, row, this.cellsOf(page, row), page.u16[(rowOffset(row) + ROW.region) >> 1], facts),
    });
    this.ahead = new ReadAhead(this.directory, this.readingIds, this.book.samples);
  }

  get partitionCount(): number {
    return this.config.partitionCount;
  }

  /** During recovery: records up to `ledgerSequence` must not be added to the regional parts again, and nothing counts for metrics. */
  beginReplay(ledgerSequence: number): void {
    this.turn.replaying = true;
    this.turn.ledgerSequence = ledgerSequence;
  }

  /** During recovery, before each batch: its readings that did not count when it was first applied. */
  expectUncounted(positions: UncountedReadings): void {
    this.uncountedBefore = positions;
  }

  endReplay(): void {
    this.turn.replaying = false;
    this.uncountedBefore = NONE_UNCOUNTED;
  }

  /**
   * Counts a batch. `outcomes` (at least batch.count long) takes each reading's OUTCOME. Returns how many were accepted.
   */
  applyBatch(batch: ReadingBatch, nowMs: number, sequence: number, outcomes: Uint8Array): number {
    this.turn.sequence = sequence;
    this.readingIds.forget(this.idHorizon.logged(sequence, nowMs, batch.bytes.length));
    const regionCount = batch.regions.length;
    if (this.batchRegions.length < regionCount) this.batchRegions = new Int32Array(regionCount * 2);
    this.batchRegions.fill(-2, 0, regionCount);
    this.fingerprints.open(batch);
    const { meterHash, idStart, idLength, bytes, heapStart } = batch;
    let accepted = 0;
    for (let i = 0; i < batch.count; i++) {
      if (i % READ_AHEAD_READINGS === 0) this.ahead.read(batch, i);
      const start = heapStart + idStart[i];
      const row = this.directory.find(meterHash[i], bytes, start, idLength[i]);
      const outcome = row === NO_ROW ? this.firstReading(batch, i, nowMs) : this.nextReading(batch, i, row, nowMs);
      outcomes[i] = outcome;
      if (outcome === OUTCOME.accepted) accepted++;
    }
    if (!this.turn.replaying) this.count(outcomes, batch.count, accepted);
    return accepted;
  }

  /** Closes windows whose end was passed by their meter's readings or by the clock, and notices silence, for the meters of some pages. */
  applyTick({ partition, fromPage, toPage }: TickSlice, nowMs: number, sequence: number): void {
    this.turn.sequence = sequence;
    const pages = this.directory.pagesOf(partition);
    const end = Math.min(toPage, pages.length);
    for (let number = fromPage; number < end; number++) {
      const page = pages[number];
      if (page.nextTickMs > nowMs || sequence <= page.snapshotSequence) continue;
      let next = Infinity;
      for (let r = 0; r < page.rowCount; r++) next = Math.min(next, this.tickRow(page, page.rowAt(r), nowMs));
      page.nextTickMs = next;
    }
  }

  /**
   * From here on another allowed lateness will judge which windows are closed. Whatever one of the two takes for closed is closed now, or a later reading
   * would be counted in a window's record while the window is open, or the other way round.
   */
  changeLateness(latenessMs: number, sequence: number): void {
    this.turn.sequence = sequence;
    const shorterMs = Math.min(latenessMs, this.config.latenessMs);
    for (const page of this.directory.pages) {
      for (let r = 0; r < page.rowCount; r++) {
        const row = page.rowAt(r);
        this.book.closeUpTo(page, row, page.f64[(rowOffset(row) + ROW.newestMs) >> 3] - shorterMs);
        this.turn.touch(page);
      }
    }
  }

  /** Takes in each region's share of meters that have power at `nowMs`, as merged over all shards. */
  applyPicture(regions: RegionPicture['regions'], nowMs: number, sequence: number): void {
    this.pictures.applied({ sequence, nowMs, regions });
    this.episodes.setPicture(regions, nowMs);
  }

  /** Regional load, meter counts and open anomalies are not stored: they follow from the rows. Call once for each page after it is restored. */
  rebuildLive(page: MeterPage): void {
    for (let r = 0; r < page.rowCount; r++) {
      const row = page.rowAt(r);
      const at = rowOffset(row);
      const region = page.u16[(at + ROW.region) >> 1];
      const live = page.u8[at + ROW.live];
      this.ledger.meterJoined(region);
      if (live === LIVE.reporting) this.ledger.shiftLoad(region, page.f64[(at + ROW.powerKw) >> 3], page.u8[at + ROW.powered], 1);
      else if (live === LIVE.silent) this.ledger.shiftSilent(region, 1);
      this.ledger.shiftOpenAnomalies(region, this.episodes.restored(this.cellsOf(page, row)));
    }
    page.nextTickMs = -Infinity;
  }

  /** The detector's cells of a row; one object, reused. */
  cellsOf(page: MeterPage, row: number): DetectorCells {
    const cells = this.detector;
    cells.f64 = page.f64;
    cells.f32 = page.f32;
    cells.u32 = page.u32;
    cells.u16 = page.u16;
    cells.u8 = page.u8;
    cells.at = detectorOffset(row);
    return cells;
  }

  // One reading ------------------------------------------------------------------------------------------------------------

  private firstReading(batch: ReadingBatch, i: number, nowMs: number): Outcome {
    if (this.directory.meterCount >= this.config.metersMax) return OUTCOME.meterLimit;
    const region = this.regionOf(batch, i);
    if (region < 0) return OUTCOME.regionLimit;
    const hash = batch.meterHash[i];
    const partition = partitionOfHash(hash, this.config.partitionCount);
    const row = this.directory.add(partition, hash, batch.bytes, batch.heapStart + batch.idStart[i], batch.idLength[i]);
    this.newRows.add(row);
    const page = this.directory.pages[row >>> 6];
    page.u16[(rowOffset(row) + ROW.region) >> 1] = region;
    this.ledger.meterJoined(region);
    this.advance(batch, i, page, row, region, nowMs);
    page.nextTickMs = Math.min(page.nextTickMs, nowMs + this.config.latenessMs);
    this.book.countOpen(batch, i, page, row, region, this.fingerprints.of(i));
    this.rememberReadingId(batch, i, page.u32[(rowOffset(row) + ROW.tag) >> 2], nowMs);
    return OUTCOME.accepted;
  }

  private nextReading(batch: ReadingBatch, i: number, row: number, nowMs: number): Outcome {
    const page = this.directory.pages[row >>> 6];
    const at = rowOffset(row);
    const tag = page.u32[(at + ROW.tag) >> 2];
    if (this.turn.sequence <= page.snapshotSequence) return this.skipReplayed(batch, i, tag, nowMs);
    const d = at >> 3;
    const f64 = page.f64;
    const timestamp = batch.timestamp[i];
    const newest = f64[d + (ROW.newestMs >> 3)];
    const fingerprint = this.fingerprints.of(i);
    const late = this.book.isClosed(page, row, 0, Math.floor(timestamp / MINUTE_MS) * MINUTE_MS + MINUTE_MS);
    // It may be one that no tick has closed yet. Before what was removed is asked for: how much that is depends on when checkpoints were, and what closes with this record must not.
    if (late) this.book.closePassed(page, row);
    // What was removed cannot be looked up, and under a longer horizon than before not be corrected.
    if (late && page.removed !== null && timestamp < page.removed.anyEndMs(rowInPage(row))) return OUTCOME.tooLate;
    // A reading newer than the meter's newest, in an open window, is new for certain.
    if (late || timestamp <= newest) {
      const known = this.book.findSample(page, row, timestamp, late);
      // Its readingId is not kept: what is known and too old to be corrected may be too late in a replay, depending on what was removed by then.
      if (known >= 0) return known === fingerprint ? OUTCOME.duplicate : OUTCOME.conflict;
    }
    // Only now: what is known stays a duplicate for good, however old an import that is sent again.
    if (late && timestamp < newest - this.config.correctionHorizonMs) return OUTCOME.tooLate;
    if (this.readingIdSeen(batch, i, tag, nowMs)) {
      // The next snapshot must stand for this record: replayed after the one it repeats has left the log, it would count.
      this.turn.touch(page);
      return OUTCOME.duplicate;
    }
    const region = this.regionOf(batch, i);
    if (region < 0) return OUTCOME.regionLimit;
    if (timestamp > newest) this.advance(batch, i, page, row, region, nowMs);
    else {
      f64[d + (ROW.readings >> 3)]++;
      this.turn.touch(page);
    }
    page.nextTickMs = Math.min(page.nextTickMs, nowMs + this.config.latenessMs);
    if (late) this.book.correct(batch, i, page, row, region, fingerprint);
    else this.book.countOpen(batch, i, page, row, region, fingerprint);
    if (timestamp <= newest) {
      // It may have opened a window that is due before that. A page looked at too late would close it at another record when the log is replayed.
      const dueMs = Math.max(f64[d + (ROW.nextEndMs >> 3)], f64[d + (ROW.arrivedMs >> 3)]) + this.config.latenessMs;
      page.nextTickMs = Math.min(page.nextTickMs, dueMs);
    }
    this.rememberReadingId(batch, i, tag, nowMs);
    return OUTCOME.accepted;
  }

  /** A replayed reading that the page's snapshot already holds: only its readingId may have to be remembered. */
  private skipReplayed(batch: ReadingBatch, i: number, tag: number, nowMs: number): Outcome {
    if (!isUncounted(this.uncountedBefore, i) && !this.readingIdSeen(batch, i, tag, nowMs)) this.rememberReadingId(batch, i, tag, nowMs);
    return OUTCOME.accepted;
  }

  /** `tag`: the meter's. */
  private readingIdSeen(batch: ReadingBatch, i: number, tag: number, nowMs: number): boolean {
    return (batch.flags[i] & READING_FLAG.readingId) !== 0 && this.readingIds.seen(batch.meterHash[i], lowOf(batch.readingIdLow![i], tag), highOf(batch.readingIdHigh![i], tag), nowMs);
  }

  private rememberReadingId(batch: ReadingBatch, i: number, tag: number, nowMs: number): void {
    if ((batch.flags[i] & READING_FLAG.readingId) !== 0) this.readingIds.add(batch.meterHash[i], lowOf(batch.readingIdLow![i], tag), highOf(batch.readingIdHigh![i], tag), nowMs);
  }

  /** The reading is the meter's newest: time goes on for the meter, and its last values and live part change. */
  private advance(batch: ReadingBatch, i: number, page: MeterPage, row: number, region: number, nowMs: number): void {
    const at = rowOffset(row);
    const d = at >> 3;
    const f64 = page.f64;
    const timestamp = batch.timestamp[i];
    const previous = f64[d + (ROW.newestMs >> 3)];
    const previousArrival = f64[d + (ROW.arrivedMs >> 3)];
    // The next tick closes what it passes: all meters' minutes end together, and this batch's senders wait.
    if (f64[d + (ROW.nextEndMs >> 3)] <= timestamp - this.config.latenessMs) page.nextTickMs = -Infinity;
    this.advanceLive(batch, i, page, row, region, nowMs);
    f64[d + (ROW.newestMs >> 3)] = timestamp;
    f64[d + (ROW.arrivedMs >> 3)] = nowMs;
    f64[d + (ROW.readings >> 3)]++;
    page.u8[at + ROW.flags] = batch.flags[i];
    page.u16[(at + ROW.region) >> 1] = region;
    if ((batch.flags[i] & READING_FLAG.error) === 0) {
      f64[d + (ROW.powerKw >> 3)] = batch.powerKw[i];
      f64[d + (ROW.energyKwh >> 3)] = batch.energyKwh === null ? NaN : batch.energyKwh[i];
      f64[d + (ROW.voltage >> 3)] = batch.voltage === null ? NaN : batch.voltage[i];
      f64[d + (ROW.current >> 3)] = batch.current === null ? NaN : batch.current[i];
      f64[d + (ROW.frequency >> 3)] = batch.frequency === null ? NaN : batch.frequency[i];
      f64[d + (ROW.powerFactor >> 3)] = batch.powerFactor === null ? NaN : batch.powerFactor[i];
    }
    f64[d + (ROW.seq >> 3)] = batch.seq === null ? NaN : batch.seq[i];
    if (previous !== -Infinity) {
      const cells = this.cellsOf(page, row);
      observeReading(cells, timestamp, previous);
      if (page.u8[at + ROW.live] !== LIVE.historical) observeArrival(cells, nowMs, previousArrival);
    }
    this.turn.touch(page);
  }

  /** Moves the meter's share of its region's live load from its last reading to this one. */
  private advanceLive(batch: ReadingBatch, i: number, page: MeterPage, row: number, region: number, nowMs: number): void {
    const at = rowOffset(row);
    const d = at >> 3;
    const ledger = this.ledger;
    const wasRegion = page.u16[(at + ROW.region) >> 1];
    const wasLive = page.u8[at + ROW.live];
    const wasPower = page.f64[d + (ROW.powerKw >> 3)];
    const timestamp = batch.timestamp[i];
    if (wasLive === LIVE.reporting) ledger.shiftLoad(wasRegion, wasPower, page.u8[at + ROW.powered], -1);
    else if (wasLive === LIVE.silent) {
      ledger.shiftSilent(wasRegion, -1);
      this.episodes.returned(this.cellsOf(page, row), row, wasRegion, timestamp);
    }
    if (wasRegion !== region) {
      ledger.meterLeft(wasRegion);
      ledger.meterJoined(region);
      const open = this.episodes.openCount(this.cellsOf(page, row));
      ledger.shiftOpenAnomalies(wasRegion, -open);
      ledger.shiftOpenAnomalies(region, open);
    }
    const isError = (batch.flags[i] & READING_FLAG.error) !== 0;
    const power = isError ? wasPower : batch.powerKw[i];
    const powered = Math.abs(power) > this.config.detection.darkKw ? 1 : 0;
    const live = nowMs - timestamp <= LIVE_AGE_MS_MAX ? LIVE.reporting : LIVE.historical;
    page.u8[at + ROW.powered] = powered;
    page.u8[at + ROW.live] = live;
    if (live === LIVE.reporting) ledger.shiftLoad(region, power, powered, 1);
  }

  // Clock ------------------------------------------------------------------------------------------------------------------

  /** Returns when the clock has to look at this row again. */
  private tickRow(page: MeterPage, row: number, nowMs: number): number {
    const at = rowOffset(row);
    const d = at >> 3;
    const { latenessMs, detection } = this.config;
    const arrived = page.f64[d + (ROW.arrivedMs >> 3)];
    let limitMs = page.f64[d + (ROW.newestMs >> 3)] - latenessMs;
    if (arrived + latenessMs <= nowMs) limitMs = Math.max(limitMs, nowMs - latenessMs);
    if (page.f64[d + (ROW.nextEndMs >> 3)] <= limitMs) {
      this.book.closeDue(page, row, limitMs);
      this.turn.touch(page);
    }
    let next = Infinity;
    const nextEnd = page.f64[d + (ROW.nextEndMs >> 3)];
    if (nextEnd !== Infinity) next = Math.max(nextEnd, arrived) + latenessMs;
    const live = page.u8[at + ROW.live];
    if (live !== LIVE.historical) {
      const cells = this.cellsOf(page, row);
      if (silenceDeadlineMs(cells, arrived, detection) <= nowMs) this.noteSilence(page, row, nowMs);
      next = Math.min(next, silenceDeadlineMs(cells, arrived, detection));
    }
    return next;
  }

  /** The meter falls silent, or its silence has become worse. */
  private noteSilence(page: MeterPage, row: number, nowMs: number): void {
    const at = rowOffset(row);
    const region = page.u16[(at + ROW.region) >> 1];
    if (page.u8[at + ROW.live] === LIVE.reporting) {
      this.ledger.shiftLoad(region, page.f64[(at + ROW.powerKw) >> 3], page.u8[at + ROW.powered], -1);
      this.ledger.shiftSilent(region, 1);
      page.u8[at + ROW.live] = LIVE.silent;
    }
    this.episodes.silent(this.cellsOf(page, row), row, region, nowMs, page.f64[(at + ROW.arrivedMs) >> 3], page.f64[(at + ROW.newestMs) >> 3]);
    this.turn.touch(page);
  }

  // Bookkeeping ------------------------------------------------------------------------------------------------------------

  private regionOf(batch: ReadingBatch, i: number): number {
    const inBatch = batch.region[i];
    let region = this.batchRegions[inBatch];
    if (region === -2) this.batchRegions[inBatch] = region = this.ledger.intern(batch.regions[inBatch]);
    return region;
  }

  private count(outcomes: Uint8Array, count: number, accepted: number): void {
    const counters = this.counters;
    counters.accepted += accepted;
    if (accepted === count) return;
    for (let i = 0; i < count; i++) {
      const outcome = outcomes[i];
      if (outcome === OUTCOME.duplicate) counters.duplicates++;
      else if (outcome === OUTCOME.conflict) counters.conflicts++;
      else if (outcome === OUTCOME.tooLate) counters.tooLate++;
      else if (outcome !== OUTCOME.accepted) counters.limited++;
    }
  }
}

