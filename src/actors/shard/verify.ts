import { partitionOf, isId, shardOfPartition, type Partition } from '../../model/ids.ts';
import { ChunkMemory } from '../../runtime/chunk-memory.ts';
import { Checkpoint } from './checkpoint.ts';
import { readLogRecord } from './log-record.ts';
import { MeterPage, rowOffset } from './meter-pages.ts';
import { decodePage } from './page-codec.ts';
import { ROW, ROWS_PER_PAGE, SLOT, SLOT_BYTES, SLOTS_PER_GRANULARITY } from './page-layout.ts';
import { decodeProfiles } from './page-profiles.ts';
import { offsetsInBlock } from './sample-blocks.ts';
import { SampleIndex } from './sample-index.ts';
import { PROFILE_BYTES, profileCells } from './detection/seasonal-profile.ts';
import { replayConfig } from './settled-settings.ts';
import { verifyEnergy } from './verify-energy.ts';
import { ENERGY_FORMAT, isReadable, STORE_FORMAT, type ShardStore } from './shard-store.ts';
import { ShardState, type ShardStateConfig } from './state.ts';
import { anomalyKey, deadLetterKey, meterAnomalyKey, samplesKey, samplesKeyMinute, windowKey, windowKeyParts } from './store-keys.ts';
import { recover } from './recovery.ts';
import { positionsEnd } from './uncounted-readings.ts';
import { RowSlab } from './row-slab.ts';
import { verifyOutbox } from './verify-outbox.ts';
import { verifyReplayed } from './verify-replay.ts';
import { steps } from './table-steps.ts';
import { rowProblem, WINDOW_MS, windowProblem, type StoreShape } from './verify-rows.ts';
import { heldSamples, WindowRecord } from './window-accumulator.ts';
import { Findings, type Finding } from './verify-findings.ts';

/**
 * Looks at a shard's store from end to end without changing it: format and identity, checksums, what must be true of each row and window,
 * the log against the snapshots, and, after the log was replayed in memory, the regional parts and lists against the windows and rows.
 *
 * The strongest of its rules are two ways of counting the same: a meter's readings are the samples of its one-minute windows, and a
 * quarter-hour counts what its minutes count.
 */

export interface VerifyReport {
  /** The first FINDINGS_KEPT_MAX; `found` says how many there were. */
  findings: Finding[];
  found: number;
  meters: number;
  windows: number;
  records: number;
}

export interface VerifyOptions {
  shard: number;
  shardCount: number;
  /** Where the store does not say how its log is to be replayed. */
  state: ShardStateConfig;
}

const ENTRIES_PER_STEP = 2_000;
const PAGES_PER_STEP = 64;

/** Verifies one shard. `onProgress` is told of every step; entries are looked at once or twice. The store is not closed. */
export function verifyShard(store: ShardStore, options: VerifyOptions, onProgress: (done: number, total: number) => void = () => {}): VerifyReport {
  return new Verification(store, options, onProgress).run();
}

class Verification {
  private readonly store: ShardStore;
  private readonly options: VerifyOptions;
  private readonly onProgress: (done: number, total: number) => void;
  private readonly findings = new Findings();
  private readonly slab = new RowSlab();
  /** Of pages that are looked at one by one: none has windows that are not on disk. */
  private readonly noWindows = new ChunkMemory();
  private readonly samples = new SampleIndex();
  private readonly record = new WindowRecord();
  private readonly shape: StoreShape;
  private readonly total: number;
  /** Of the log. */
  private readonly records: number;
  private done = 0;
  private lastSequence = 0;
  private meters = 0;
  private windowsSeen = 0;
  private blocksSeen = 0;
  private energySeen = 0;
  /** An older engine has kept none. */
  private hasEnergy = false;

  constructor(store: ShardStore, options: VerifyOptions, onProgress: (done: number, total: number) => void) {
    this.store = store;
    this.options = options;
    this.onProgress = onProgress;
    this.shape = { partitionCount: options.state.partitionCount, regionCount: store.regionNames().length };
    const { pages, profiles, windows, samples, energy, removed, parts, settled, meters, anomalies, deadLetters, uncounted, outbox } = store;
    this.records = Math.max(0, store.lastSequence() - Math.max(store.logFrom(), store.journal.first ?? 1) + 1);
    const all = store.tables().map(([, table]) => table);
    this.total = [...all, pages, profiles, windows, windows, samples, energy, removed, parts, settled, meters, anomalies, deadLetters, uncounted, outbox].reduce((sum, table) => sum + table.count(), 2 * this.records);
  }

  run(): VerifyReport {
    const { store, findings } = this;
    this.entries();
    // One that cannot be read ends whatever comes to it.
    if (findings.count === 0 && this.identity()) {
      this.regions();
      this.journal();
      this.pages();
      this.removed();
      this.profiles();
      this.anomalies();
      this.deadLetters();
      this.uncounted();
      verifyOutbox(store, findings, (entries) => this.step(entries));
      // What cannot be read cannot be replayed.
      if (findings.count === 0) findings.try('the replay of the log', () => this.replay());
    }
    return { findings: findings.kept, found: findings.count, meters: this.meters, windows: store.windows.count(), records: this.records };
  }

  private step(entries: number): void {
    this.done += entries;
    this.onProgress(Math.min(this.done, this.total), this.total);
  }

  /** Reads every entry for its checksum: by its key alone, one with a damaged key would not be missed. */
  private entries(): void {
    for (const [name, table] of this.store.tables()) {
      this.findings.try(`table "${name}"`, () => {
        for (const entries of steps(table, ENTRIES_PER_STEP)) this.step(entries.length);
      });
    }
  }

  private identity(): boolean {
    const { shard, shardCount, state } = this.options;
    const found = this.store.identity();
    if (found === null) {
      // The engine died before this shard's first start: nothing was promised.
      if (this.total > 0) this.findings.add('the store', 'says nothing of what it holds');
      return false;
    }
    if (!isReadable(found.format)) this.findings.add('the store', `has format ${found.format}, this engine reads ${STORE_FORMAT}`);
    else if (found.shard !== shard || found.shardCount !== shardCount || found.partitionCount !== state.partitionCount) {
      this.findings.add('the store', `holds shard ${found.shard} of ${found.shardCount} with ${found.partitionCount} partitions; its files were moved`);
    } else {
      this.hasEnergy = found.format >= ENERGY_FORMAT;
      return true;
    }
    return false;
  }

  private isOwn(partition: number): boolean {
    return partition < this.shape.partitionCount && shardOfPartition(partition as Partition, this.options.shardCount) === this.options.shard;
  }

  private regions(): void {
    const names = this.store.regionNames();
    names.forEach((name, region) => {
      if (!isId(name)) this.findings.add(`region ${region}`, 'has a name that none may have');
    });
    if (new Set(names).size !== names.length) this.findings.add('the regions', 'name one twice');
  }

  private journal(): void {
    const applied = this.store.appliedPosition().sequence;
    let previous: number | null = null;
    for (const { sequence, bytes } of this.store.records()) {
      if (previous === null && sequence > applied + 1) this.findings.add(`log record ${sequence}`, `is the first, but the tables stand for the log up to ${applied} only`);
      if (previous !== null && sequence !== previous + 1) this.findings.add(`log record ${sequence}`, `follows ${previous}: ${sequence - previous - 1} are missing`);
      previous = sequence;
      this.findings.try(`log record ${sequence}`, () => this.logRecord(bytes, sequence));
      this.step(1);
    }
    const last = previous ?? this.store.lastSequence();
    if (last < applied) this.findings.add('the log', `ends at ${last}, but the tables stand for it up to ${applied}`);
    this.lastSequence = Math.max(applied, last);
  }

  private logRecord(bytes: Uint8Array, sequence: number): void {
    const record = readLogRecord(bytes, sequence);
    const readings = record.kind === 'batch' ? record.batch.count : 0;
    const uncountedEnd = positionsEnd(this.store.uncountedReadings(record.nowMs, sequence));
    if (uncountedEnd > readings) throw new Error(`has ${readings} readings, but number ${uncountedEnd} is said not to count`);
    if (record.kind !== 'batch') return;
    const { meterHash, count } = record.batch;
    for (let i = 0; i < count; i++) {
      if (!this.isOwn((meterHash[i] & 0x7fffffff) % this.shape.partitionCount)) throw new Error(`reading ${i} belongs to another shard`);
    }
  }

  private pages(): void {
    for (const entries of steps(this.store.pages, PAGES_PER_STEP)) {
      for (const { key, value } of entries) {
        const name = Buffer.from(key);
        const page = new MeterPage(0, name.readUInt16BE(0), name.readUInt32BE(2), this.slab, this.noWindows);
        const where = `page ${page.number} of partition ${page.partition}`;
        if (!this.isOwn(page.partition)) this.findings.add(where, 'belongs to another shard');
        this.findings.try(where, () => this.page(page, value, where));
      }
      this.step(entries.length);
    }
    const orphans = this.store.windows.count() - this.windowsSeen;
    if (orphans > 0) this.findings.add('the windows', `hold ${orphans} that belong to no page that could be read`);
    const strays = this.store.samples.count() - this.blocksSeen;
    if (strays > 0) this.findings.add('the blocks of samples', `hold ${strays} that belong to no page that could be read`);
    const lost = this.store.energy.count() - this.energySeen;
    if (this.hasEnergy && lost > 0) this.findings.add('the blocks of energy', `hold ${lost} that belong to no page that could be read`);
  }

  private page(page: MeterPage, value: Uint8Array, where: string): void {
    decodePage(value, page, this.samples);
    if (page.snapshotSequence > this.lastSequence) this.findings.add(where, `stands for the log up to ${page.snapshotSequence}, but the log ends at ${this.lastSequence}`);
    this.meters += page.rowCount;
    page.removed = this.store.removedWindows(page.partition, page.number);
    const counts = new PageCounts();
    for (let r = 0; r < page.rowCount; r++) {
      const problem = rowProblem(page, page.rowAt(r), this.shape);
      if (problem !== null) this.findings.add(`row ${r} of ${where}`, problem);
      this.openWindows(page, r, counts);
    }
    this.windows(page, where, counts);
    this.sampleBlocks(page, where, counts);
    if (this.hasEnergy) {
      const blocks = verifyEnergy(page, this.store, where, this.findings);
      this.energySeen += blocks;
      this.step(blocks);
    }
    for (let r = 0; r < page.rowCount; r++) {
      const readings = page.f64[(rowOffset(page.rowAt(r)) + ROW.readings) >> 3];
      const remembered = counts.samples[r] + (page.removed?.samplesOf(r) ?? 0);
      if (remembered !== readings) this.findings.add(`row ${r} of ${where}`, `counts ${readings} readings, its windows remember ${remembered}`);
    }
    for (const [key, difference] of counts.quarters) {
      if (difference === 0) continue;
      const startMs = Math.floor(key / 64) * WINDOW_MS[1];
      // Of the one or the other not all is there any more.
      if (page.removed !== null && startMs < page.removed.anyEndMs(key % 64)) continue;
      this.findings.add(`row ${key % 64} of ${where}`, `the quarter-hour of ${new Date(startMs).toISOString()} counts ${Math.abs(difference)} readings ${difference > 0 ? 'fewer' : 'more'} than its minutes`);
    }
  }

  private openWindows(page: MeterPage, r: number, counts: PageCounts): void {
    for (let s = 0; s < 2 * SLOTS_PER_GRANULARITY; s++) {
      const at = rowOffset(page.rowAt(r)) + ROW.slots + s * SLOT_BYTES;
      const startMs = page.f64[at >> 3];
      if (startMs !== startMs) continue;
      counts.add(r, s >> 1, startMs, page.u32[(at + SLOT.count) >> 2], page.u32[(at + SLOT.sampleCount) >> 2], page.u16[(at + SLOT.samplesInBlocks) >> 1]);
      if (s < SLOTS_PER_GRANULARITY) this.samples.free(page.u32[(at + SLOT.samplesOrRevision) >> 2]);
    }
  }

  private windows(page: MeterPage, where: string, counts: PageCounts): void {
    for (let granularity = 0; granularity < 2; granularity++) {
      const from = windowKey(page.partition, page.number, granularity, 0, 0);
      const to = windowKey(page.partition, page.number, granularity + 1, 0, 0);
      for (const { key, value } of this.store.windows.range(from, to)) {
        const { windowNumber, rowInPage } = windowKeyParts(key);
        this.windowsSeen++;
        const isGone = page.removed !== null && windowNumber < page.removed.beforeOf(rowInPage, granularity);
        const problem = rowInPage >= page.rowCount ? 'belongs to no row' : isGone ? 'is there though it was removed' : this.window(value, granularity, windowNumber);
        if (problem !== null) this.findings.add(`window ${new Date(windowNumber * WINDOW_MS[granularity]).toISOString()} (${granularity === 0 ? '1m' : '15m'}) of row ${rowInPage} of ${where}`, problem);
        else counts.add(rowInPage, granularity, windowNumber * WINDOW_MS[granularity], this.record.count, this.record.sampleCount, this.record.samplesInBlocks);
        if (this.windowsSeen % ENTRIES_PER_STEP === 0) this.step(ENTRIES_PER_STEP);
      }
    }
  }

  /** Loads the window into `record`. */
  private window(value: Uint8Array, granularity: number, windowNumber: number): string | null {
    const { record } = this;
    if (value.length < SLOT_BYTES) return `has ${value.length} bytes`;
    record.load(value);
    const held = heldSamples(record, 0);
    if (value.length !== SLOT_BYTES + held * 6) return `has ${value.length} bytes for ${held} samples`;
    if (record.f64[0] !== windowNumber * WINDOW_MS[granularity]) return 'begins at another time';
    const offsets = new Set<number>();
    const view = new DataView(value.buffer, value.byteOffset, value.length);
    for (let k = 0; k < held; k++) offsets.add(view.getUint16(SLOT_BYTES + held * 4 + k * 2, true));
    if (offsets.size !== held) return 'remembers a reading twice';
    if (Math.max(-1, ...offsets) >= WINDOW_MS[0]) return 'remembers a reading of another time';
    return windowProblem(record, 0, granularity, this.shape.regionCount);
  }

  /** Blocks hold as many samples of each window as it says, each once. */
  private sampleBlocks(page: MeterPage, where: string, counts: PageCounts): void {
    const seen = new Set<number>();
    for (const { key, value } of this.store.samples.range(samplesKey(page.partition, page.number, 0, 0), samplesKey(page.partition, page.number + 1, 0, 0))) {
      this.blocksSeen++;
      const minute = samplesKeyMinute(key);
      this.findings.try(`a block of samples of ${where}`, () => {
        for (const { row, offsetsMs } of offsetsInBlock(value)) {
          counts.inBlocks.set(minute * 64 + row, (counts.inBlocks.get(minute * 64 + row) ?? 0) - offsetsMs.length);
          for (const offsetMs of offsetsMs) {
            const name = (minute * 64 + row) * WINDOW_MS[0] + offsetMs;
            if (offsetMs >= WINDOW_MS[0] || seen.has(name)) throw new Error('remembers a reading twice, or one of another time');
            seen.add(name);
          }
        }
      });
      this.step(1);
    }
    for (const [key, missing] of counts.inBlocks) {
      // A block stays for as long as any of its rows needs it.
      const isGone = page.removed !== null && Math.floor(key / 64) < page.removed.beforeOf(key % 64, 0);
      if (missing !== 0 && !isGone) this.findings.add(`row ${key % 64} of ${where}`, `misses ${missing} samples of ${new Date(Math.floor(key / 64) * WINDOW_MS[0]).toISOString()} in the blocks`);
    }
  }

  /** What it says has been looked at with its page. */
  private removed(): void {
    for (const entries of steps(this.store.removed, PAGES_PER_STEP)) {
      for (const { key } of entries) {
        const name = Buffer.from(key);
        if (this.store.pages.get(name) === undefined) this.findings.add(`what was removed of page ${name.readUInt32BE(2)} of partition ${name.readUInt16BE(0)}`, 'belongs to no page');
      }
      this.step(entries.length);
    }
  }

  private profiles(): void {
    const profiles = profileCells(new ArrayBuffer(ROWS_PER_PAGE * PROFILE_BYTES));
    for (const entries of steps(this.store.profiles, PAGES_PER_STEP)) {
      for (const { key, value } of entries) {
        const name = Buffer.from(key);
        const where = `profiles of page ${name.readUInt32BE(2)} of partition ${name.readUInt16BE(0)}`;
        if (this.store.pages.get(name.subarray(0, 6)) === undefined) this.findings.add(where, 'belong to no page');
        if (name.length !== 7 || name[6] > 23) this.findings.add(where, 'are of no hour of the day');
        this.findings.try(where, () => decodeProfiles(value, profiles));
      }
      this.step(entries.length);
    }
  }

  private anomalies(): void {
    const { store } = this;
    for (const entries of steps(store.anomalies, ENTRIES_PER_STEP)) {
      for (const { key, value } of entries) {
        this.findings.try('an anomaly', () => {
          const { id, meterId, kind, startedAt, endedAt } = store.decodeAnomaly(value);
          if (!anomalyKey(startedAt, kind, meterId).equals(key)) this.findings.add(`anomaly ${id}`, 'lies at another place than its name says');
          if (endedAt !== null && endedAt < startedAt) this.findings.add(`anomaly ${id}`, 'ends before it starts');
          if (!this.isOwn(partitionOf(meterId, this.shape.partitionCount))) this.findings.add(`anomaly ${id}`, 'belongs to another shard');
          if (store.anomaliesByMeter.get(meterAnomalyKey(meterId, startedAt, kind)) === undefined) this.findings.add(`anomaly ${id}`, 'is missing in the list by meter');
        });
      }
      this.step(entries.length);
    }
    const excess = store.anomaliesByMeter.count() - store.anomalies.count();
    if (excess > 0) this.findings.add('the anomalies by meter', `name ${excess} that are not there`);
  }

  private deadLetters(): void {
    const { store } = this;
    for (const entries of steps(store.deadLetters, ENTRIES_PER_STEP)) {
      for (const { key, value } of entries) {
        this.findings.try('a dead letter', () => {
          const { id, receivedAt } = store.decodeDeadLetter(value);
          const [time, sequence, position] = id.split('-').map(Number);
          if (time !== receivedAt || !deadLetterKey(time, sequence, position).equals(key)) this.findings.add(`dead letter ${id}`, 'lies at another place than its name says');
        });
      }
      this.step(entries.length);
    }
  }

  /** What the log has is held against it where the log is read. */
  private uncounted(): void {
    const applied = this.store.appliedPosition().sequence;
    for (const entries of steps(this.store.uncounted, ENTRIES_PER_STEP)) {
      for (const { key, value } of entries) {
        const sequence = Buffer.from(key).readUIntBE(0, 6);
        if (sequence > applied) this.findings.add(`what does not count of log record ${sequence}`, `is known, but the tables stand for the log up to ${applied}`);
        if (positionsEnd(value) === 0) this.findings.add(`what does not count of log record ${sequence}`, 'is nothing');
      }
      this.step(entries.length);
    }
  }

  private replay(): void {
    const { store, findings } = this;
    const state = new ShardState(replayConfig(store, this.options.state), { stored: store, loadPart: (...key) => store.loadPart(...key) });
    recover(state, store, new Checkpoint(state, store, { pagesPerStepMax: 1 }));
    this.meters = state.directory.meterCount;
    verifyReplayed(state, store, findings, (entries) => this.step(entries));
    this.step(this.total - this.done);
  }
}

/** The readings of a page's windows, counted in two ways. */
class PageCounts {
  /** Samples of the one-minute windows, by row. */
  readonly samples = new Float64Array(64);
  /** Samples that lie in blocks as the one-minute windows say, less those that were found there, by minute and row. */
  readonly inBlocks = new Map<number, number>();
  /** Readings of the minutes minus those of the quarter-hour, by quarter-hour and row. */
  readonly quarters = new Map<number, number>();

  add(row: number, granularity: number, startMs: number, count: number, samples: number, inBlocks: number): void {
    if (granularity === 0) this.samples[row] += samples;
    if (inBlocks > 0) this.inBlocks.set((startMs / WINDOW_MS[0]) * 64 + row, inBlocks);
    const key = Math.floor(startMs / WINDOW_MS[1]) * 64 + row;
    this.quarters.set(key, (this.quarters.get(key) ?? 0) + (granularity === 0 ? count : -count));
  }
}
