import { partitionOf, shardOfPartition, type Partition } from '../../model/ids.ts';
import { GRANULARITIES, GRANULARITY_MS } from '../../model/window.ts';
import { ChunkMemory } from '../../runtime/chunk-memory.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { Entry, Table } from '../../runtime/store.ts';
import { controlRecord } from './log-record.ts';
import { MeterPage, rowOffset } from './meter-pages.ts';
import { decodePage, encodePage } from './page-codec.ts';
import { ROW, SLOT, SLOT_BYTES, SLOTS_PER_GRANULARITY } from './page-layout.ts';
import { packRememberedIdsBy } from './reading-id-record.ts';
import { RegionLedger } from './region-ledger.ts';
import { RowSlab } from './row-slab.ts';
import { SettledParts } from './settled-parts.ts';
import { SampleIndex } from './sample-index.ts';
import { decodePart, type ShardStore } from './shard-store.ts';
import { settleSettings, writeOut } from './settled-settings.ts';
import type { ShardStateConfig } from './state.ts';
import { deadLetterKey, meterAnomalyKey, partKeyParts, windowKeyPlace } from './store-keys.ts';
import { steps } from './table-steps.ts';
import { slotContribution, WindowRecord } from './window-accumulator.ts';

/**
 * Spreads the partitions of some shards over another number of them, from store to store. Each old shard is recovered and written out, so
 * that its log holds nothing that its tables do not; then its pages, profiles and windows go, partition by partition, to the shard
 * that owns the partition now.
 *
 * Two things cannot simply be copied. Region numbers are a shard's own, so rows, open windows and stored windows get those of
 * the new shard. And regional parts are sums over the meters of a shard, so they are added up anew from the windows: parts that were only moved
 * would give right totals, but a correction could not find the extremes that it has to look up again. What removed windows have given never changes, so one of the
 * new shards takes it over as it is.
 *
 * The old stores are only ever brought up to date; what is half-made lies in the new ones. So it may fail or die anywhere.
 */

export interface RedistributionOptions {
  /** Shards there are, and shards there shall be. */
  from: number;
  to: number;
  /** Of an old shard, and of a new one. */
  state: ShardStateConfig;
  nextState: ShardStateConfig;
}

export interface RedistributionModules {
  /** Stores of the old and of the new shards; closed here. New ones are empty. */
  openOld(shard: number): ShardStore;
  openNew(shard: number): ShardStore;
  /** After every commit. `copied` of `total` entries of the old shard `shard` are in their new place. */
  onProgress?(progress: { shard: number; copied: number; total: number }): void;
}

export interface RedistributionReport {
  meters: number;
  windows: number;
}

/** Entries between two commits: some 10 ms of work, so that the thread stays responsive, and a few MB. Pages are 60 KB each. */
const WINDOWS_PER_STEP = 4_000;
const PAGES_PER_STEP = 64;
/** What a u16 can name, less the end of a range. */
const REGIONS_MAX = 65_535;

/** Throws OperationalError: those of `recover` and of commits, and `too_many_regions`. */
export async function redistribute(options: RedistributionOptions, modules: RedistributionModules): Promise<RedistributionReport> {
  const { from, to, state, nextState } = options;
  const targets = Array.from({ length: to }, (_, shard) => new NewShard(shard, modules.openNew(shard)));
  const report = { meters: 0, windows: 0 };
  let lastSequence = 0;
  const records: Uint8Array[][] = targets.map(() => []);
  try {
    for (const target of targets) await target.store.identify({ partitionCount: state.partitionCount, shardCount: to, shard: target.shard });
    for (let shard = 0; shard < from; shard++) {
      const store = modules.openOld(shard);
      try {
        await store.identify({ partitionCount: state.partitionCount, shardCount: from, shard });
        await settleSettings(store, state);
        lastSequence = Math.max(lastSequence, await bringUpToDate(store, state, to, records));
        const move = new OldShard(shard, store, state.partitionCount, targets, (copied, total) => modules.onProgress?.({ shard, copied, total }));
        await move.run(report);
      } finally {
        await closeAll([store]);
      }
    }
    for (const target of targets) await target.finish(lastSequence, records[target.shard], nextState);
  } finally {
    await closeAll(targets.map(({ store }) => store));
  }
  return report;
}

/** What matters is committed by now, or has failed for a reason that the caller hears: closing adds nothing to that. */
async function closeAll(stores: readonly ShardStore[]): Promise<void> {
  await Promise.allSettled(stores.map((store) => store.close()));
}

/** Brings an old shard's tables up to date; the readingIds of its last minutes go into `records`. Returns the last sequence of its log. */
async function bringUpToDate(store: ShardStore, config: ShardStateConfig, to: number, records: Uint8Array[][]): Promise<number> {
  const { state, lastSequence } = await writeOut(store, config);
  const remembered = packRememberedIdsBy(state, (partition) => shardOfPartition(partition as Partition, to));
  // The words carry their own times.
  for (const [target, packed] of remembered) for (const words of packed) records[target].push(controlRecord({ kind: 'rememberedIds', nowMs: 0, words }));
  return lastSequence;
}

/** A store that is being filled. */
class NewShard {
  readonly shard: number;
  readonly store: ShardStore;
  readonly ledger: RegionLedger;
  readonly settled: SettledParts;
  /** Keys queued since the last commit: reads do not see them yet. */
  private readonly queuedLetters = new Set<string>();

  constructor(shard: number, store: ShardStore) {
    this.shard = shard;
    this.store = store;
    this.ledger = new RegionLedger(REGIONS_MAX, (...key) => this.store.loadPart(...key));
    this.settled = new SettledParts((...key) => this.store.settledPart(...key));
  }

  /** Commits what is queued, with the regional parts that it stands for. */
  async save(): Promise<void> {
    const { ledger, store } = this;
    for (const region of ledger.unsavedNames) store.putRegion(region, ledger.nameOf(region));
    ledger.unsavedNames = [];
    for (const part of ledger.takeUnsaved()) store.putPart(part);
    for (const part of this.settled.take()) store.putSettledPart(part);
    await store.commit();
    this.queuedLetters.clear();
    ledger.takeUnreported(Infinity);
    ledger.evict();
  }

  async finish(lastSequence: number, records: readonly Uint8Array[], settings: ShardStateConfig): Promise<void> {
    this.store.putSettings(settings);
    this.store.putAppliedPosition({ sequence: lastSequence });
    this.store.putLogFrom(lastSequence + 1);
    records.forEach((bytes, i) => this.store.journal.append(lastSequence + 1 + i, bytes));
    await this.store.journal.commit();
    await this.save();
  }

  /** Letters of two shards may have come at the same time under the same sequence: the later one moves on to the next free position. */
  putDeadLetter(key: Uint8Array, value: Uint8Array): void {
    const name = Buffer.from(key);
    const [receivedAt, sequence] = [name.readUIntBE(0, 6), name.readUIntBE(6, 6)];
    let position = name.readUInt32BE(12);
    let free = deadLetterKey(receivedAt, sequence, position);
    while (this.queuedLetters.has(free.toString('latin1')) || this.store.deadLetters.get(free) !== undefined) free = deadLetterKey(receivedAt, sequence, ++position);
    this.queuedLetters.add(free.toString('latin1'));
    const { id, ...letter } = this.store.decodeDeadLetter(value);
    const hasMoved = position !== name.readUInt32BE(12);
    // By the first it is known outside.
    this.store.putDeadLetter(sequence, position, hasMoved ? { firstId: id, ...letter } : letter);
  }
}

/** An old shard on its way into the new ones. */
class OldShard {
  private readonly shard: number;
  private readonly store: ShardStore;
  private readonly partitionCount: number;
  private readonly targets: readonly NewShard[];
  private readonly onProgress: (copied: number, total: number) => void;
  private readonly names: readonly string[];
  /** By new shard: the number there of each region, −1 while it has not been met. */
  private readonly regions: Int32Array[];
  private readonly slab = new RowSlab();
  /** Of pages that are looked at one by one: none has windows that are not on disk. */
  private readonly noWindows = new ChunkMemory();
  private readonly samples = new SampleIndex();
  private readonly record = new WindowRecord();
  private copied = 0;

  constructor(shard: number, store: ShardStore, partitionCount: number, targets: readonly NewShard[], onProgress: (copied: number, total: number) => void) {
    this.shard = shard;
    this.store = store;
    this.partitionCount = partitionCount;
    this.targets = targets;
    this.onProgress = onProgress;
    this.names = store.regionNames();
    this.regions = targets.map(() => new Int32Array(this.names.length).fill(-1));
  }

  async run(report: RedistributionReport): Promise<void> {
    const { store } = this;
    report.meters += store.meters.count();
    report.windows += store.windows.count();
    // One of them remembers the regions that every meter has left.
    this.names.forEach((_, region) => this.regionIn(this.heir, region));
    await this.copy(store.pages, PAGES_PER_STEP, ({ key, value }) => this.page(key, value));
    await this.copy(store.profiles, PAGES_PER_STEP, ({ key, value }) => this.byPartition(key).store.profiles.put(key, value));
    await this.copy(store.windows, WINDOWS_PER_STEP, ({ key, value }) => this.window(key, value));
    await this.copy(store.samples, PAGES_PER_STEP, ({ key, value }) => this.byPartition(key).store.samples.put(key, value));
    await this.copy(store.energy, PAGES_PER_STEP, ({ key, value }) => this.byPartition(key).store.energy.put(key, value));
    await this.copy(store.removed, PAGES_PER_STEP, ({ key, value }) => this.byPartition(key).store.removed.put(key, value));
    await this.copy(store.settled, WINDOWS_PER_STEP, ({ key, value }) => this.settledPart(key, value));
    await this.copy(store.meters, WINDOWS_PER_STEP, ({ key }) => {
      const meterId = Buffer.from(key).toString('latin1');
      this.byMeter(meterId).store.putMeter(meterId);
    });
    await this.copy(store.anomalies, WINDOWS_PER_STEP, ({ key, value }) => {
      const { meterId, startedAt, kind } = store.decodeAnomaly(value);
      const target = this.byMeter(meterId).store;
      target.anomalies.put(key, value);
      target.anomaliesByMeter.put(meterAnomalyKey(meterId, startedAt, kind), PRESENT);
    });
    await this.copy(store.deadLetters, WINDOWS_PER_STEP, ({ key, value }) => {
      const { meterId } = store.decodeDeadLetter(value);
      (meterId === null ? this.heir : this.byMeter(meterId)).putDeadLetter(key, value);
    });
  }

  /** Takes over what belongs to no partition. */
  private get heir(): NewShard {
    return this.targets[this.shard % this.targets.length];
  }

  private get total(): number {
    const { pages, profiles, windows, samples, energy, removed, settled, meters, anomalies, deadLetters } = this.store;
    return [pages, profiles, windows, samples, energy, removed, settled, meters, anomalies, deadLetters].reduce((sum, table) => sum + table.count(), 0);
  }

  private async copy(table: Table, entriesPerStep: number, put: (entry: Entry) => void): Promise<void> {
    const total = this.total;
    for (const entries of steps(table, entriesPerStep)) {
      for (const entry of entries) put(entry);
      await Promise.all(this.targets.map((target) => target.save()));
      this.copied += entries.length;
      this.onProgress(this.copied, total);
    }
  }

  private byPartition(key: Uint8Array): NewShard {
    return this.targets[shardOfPartition(((key[0] << 8) | key[1]) as Partition, this.targets.length)];
  }

  private byMeter(meterId: string): NewShard {
    return this.targets[shardOfPartition(partitionOf(meterId, this.partitionCount), this.targets.length)];
  }

  /** The region's number in the new shard. */
  private regionIn(target: NewShard, region: number): number {
    const numbers = this.regions[target.shard];
    if (numbers[region] < 0) {
      const number = target.ledger.intern(this.names[region]);
      if (number < 0) throw new OperationalError('too_many_regions', `the shards know more than ${REGIONS_MAX} regions between them, too many for ${this.targets.length}; start with the old SEG_SHARDS`);
      numbers[region] = number;
    }
    return numbers[region];
  }

  private page(key: Uint8Array, value: Uint8Array): void {
    const target = this.byPartition(key);
    const name = Buffer.from(key);
    const page = new MeterPage(0, name.readUInt16BE(0), name.readUInt32BE(2), this.slab, this.noWindows);
    decodePage(value, page, this.samples);
    for (let r = 0; r < page.rowCount; r++) this.renumberRow(page, rowOffset(page.rowAt(r)), target);
    target.store.pages.put(key, encodePage(page, this.samples, page.snapshotSequence));
    for (let r = 0; r < page.rowCount; r++) this.freeSamples(page, rowOffset(page.rowAt(r)));
  }

  private renumberRow(page: MeterPage, at: number, target: NewShard): void {
    const regionAt = (at + ROW.region) >> 1;
    page.u16[regionAt] = this.regionIn(target, page.u16[regionAt]);
    for (let s = 0; s < 2 * SLOTS_PER_GRANULARITY; s++) {
      const slot = at + ROW.slots + s * SLOT_BYTES;
      // NaN marks an empty slot; a window of ERROR readings alone has no region yet.
      if (!(page.f64[slot >> 3] >= 0) || page.u32[(slot + SLOT.count) >> 2] === 0) continue;
      page.u16[(slot + SLOT.region) >> 1] = this.regionIn(target, page.u16[(slot + SLOT.region) >> 1]);
    }
  }

  private freeSamples(page: MeterPage, at: number): void {
    for (let s = 0; s < SLOTS_PER_GRANULARITY; s++) {
      const slot = at + ROW.slots + s * SLOT_BYTES;
      if (page.f64[slot >> 3] >= 0) this.samples.free(page.u32[(slot + SLOT.samplesOrRevision) >> 2]);
    }
  }

  private window(key: Uint8Array, value: Uint8Array): void {
    const target = this.byPartition(key);
    const { record } = this;
    record.load(value);
    if (record.count > 0) {
      record.u16[SLOT.region >> 1] = this.regionIn(target, record.u16[SLOT.region >> 1]);
      const { granularity } = windowKeyPlace(key);
      target.ledger.add(granularity, record.f64[SLOT.startMs >> 3], slotContribution(record, 0, granularity));
    }
    target.store.windows.put(key, record.toBytes().slice());
  }

  private settledPart(key: Uint8Array, value: Uint8Array): void {
    const target = this.heir;
    const { region, granularity, windowNumber } = partKeyParts(key);
    const part = decodePart(value, this.regionIn(target, region), granularity, windowNumber * GRANULARITY_MS[GRANULARITIES[granularity]]);
    target.settled.merge(part);
    target.ledger.merge(part);
  }
}

/** The value of an entry whose key says it all. */
const PRESENT = Buffer.from([1]);
