import { Packr, Unpackr } from 'msgpackr';
import type { Anomaly } from '../../model/anomaly.ts';
import type { DeadLetter } from '../../model/queries.ts';
import { GRANULARITIES, GRANULARITY_MS } from '../../model/window.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { Journal, JournalRecord } from '../../runtime/journal.ts';
import type { Store, Table } from '../../runtime/store.ts';
import type { AnomalyChange } from './anomaly-episodes.ts';
import { REJECTED_EARLIER } from './dead-letters.ts';
import { buildEnergy } from './energy-pages.ts';
import type { MeterPage } from './meter-pages.ts';
import type { LoggedPicture } from './picture-history.ts';
import { emptyPart, type LedgerPart } from './region-ledger.ts';
import { packPositions, type UncountedReadings } from './uncounted-readings.ts';
import { decodeRemovedWindows, type RemovedWindows } from './removed-windows.ts';
import type { ShardStateConfig } from './state.ts';
import { anomalyKey, anomalyKeyParts, deadLetterKey, energyKey, meterAnomalyKey, pageKey, partKey, profileKey, regionKey, samplesKey, sequenceKey, windowKey } from './store-keys.ts';
import type { WindowSource } from './window-book.ts';

/**
 * The shard's tables and what lies in them, and its log. Writes to the tables are queued until `commit`; reads see what was committed. The log has commits of
 * its own, so that no record waits for a checkpoint.
 */

/** Raised when keys or values change their meaning; an engine refuses other numbers. */
export const STORE_FORMAT = 9;
/** The oldest that it takes over: what 7 adds is that windows may have been removed, 8 that regional parts count their changes, 9 the energy of quarter-hours. */
export const STORE_FORMAT_OLDEST = 6;
/** From this one on there is energy for every window of 15 minutes. */
export const ENERGY_FORMAT = 9;

/** Which part of the fleet this store holds. Written when it is made, checked whenever it is opened. */
export interface ShardIdentity {
  partitionCount: number;
  shardCount: number;
  shard: number;
}

/** A store of an older engine was taken over. */
export interface StoreUpgrade {
  /** Its format. */
  from: number;
  /** Days of pages whose energy was added up from their windows. */
  energyBlocks: number;
}

/** Up to where what is stored stands for the log. */
export interface AppliedPosition {
  /** Regional parts, anomalies and dead letters include every record up to this one. */
  sequence: number;
}

/** What counts for the records after `sequence`, where the tables are still those of the settings before. */
export interface SettingsChange {
  sequence: number;
  settings: ShardStateConfig;
}

/** A record of a log that others write too. */
export interface LogMark {
  sequence: number;
  timestampMs: number;
}

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false });

/** The value of an entry whose key says it all. */
const PRESENT = Buffer.from([1]);
/** What the keys of consumers' positions begin with. */
const CONSUMER = 'consumer:';
/** Before and after every key of anomalies, of dead letters and of records. */
const FIRST_KEY = Buffer.alloc(1);
const LAST_KEY = Buffer.alloc(80, 255);

/** What a shard asks of its log: of the one on its disk, or of one that it only follows (kafka-log/followed-log.ts). */
export type ShardJournal = Pick<Journal, 'first' | 'start' | 'append' | 'commit' | 'records' | 'lastSequence' | 'keptFrom' | 'release' | 'spans' | 'sizeBytes' | 'close'>;

export class ShardStore implements WindowSource {
  readonly journal: ShardJournal;
  readonly pages: Table;
  readonly profiles: Table;
  readonly windows: Table;
  readonly samples: Table;
  /** By page and UTC day, the energy of quarter-hours (energy-block.ts). */
  readonly energy: Table;
  /** By page, what retention has taken of its windows. */
  readonly removed: Table;
  readonly parts: Table;
  /** What of the parts is of windows that were removed. */
  readonly settled: Table;
  readonly meters: Table;
  readonly anomalies: Table;
  readonly anomaliesByMeter: Table;
  readonly deadLetters: Table;
  /** By log record, which of its readings did not count (uncounted-readings.ts): as long as the record is in the log. */
  readonly uncounted: Table;
  readonly outbox: Table;
  private readonly store: Store;
  private readonly meta: Table;
  private readonly regions: Table;

  constructor(store: Store, journal: ShardJournal) {
    this.store = store;
    this.journal = journal;
    this.meta = store.table('meta');
    this.pages = store.table('pages');
    this.profiles = store.table('profiles');
    this.windows = store.table('windows');
    this.samples = store.table('samples');
    this.energy = store.table('energy');
    this.regions = store.table('regions');
    this.removed = store.table('removed');
    this.parts = store.table('parts');
    this.settled = store.table('settled');
    this.meters = store.table('meters');
    this.anomalies = store.table('anomalies');
    this.anomaliesByMeter = store.table('anomaliesByMeter');
    this.deadLetters = store.table('deadLetters');
    this.uncounted = store.table('uncounted');
    this.outbox = store.table('outbox');
  }

  /** Blocks until the tables' pages are walked, if somebody is at it. Throws OperationalError `corrupt`. */
  waitForCheck(): void {
    this.store.waitForCheck?.();
  }

  /** Resolves when everything queued in the tables so far is on disk. */
  commit(): Promise<void> {
    return this.store.commit();
  }

  async close(): Promise<void> {
    try {
      await this.journal.close();
    } finally {
      await this.store.close();
    }
  }

  sizeBytes(): number {
    return this.store.sizeBytes() + this.journal.sizeBytes();
  }

  /** Every table by its name. */
  tables(): [string, Table][] {
    const { meta, pages, profiles, windows, samples, energy, removed, regions, parts, settled, meters, anomalies, anomaliesByMeter, deadLetters, uncounted, outbox } = this;
    return Object.entries({ meta, pages, profiles, windows, samples, energy, removed, regions, parts, settled, meters, anomalies, anomaliesByMeter, deadLetters, uncounted, outbox });
  }

  /** What the store says of itself; null when it is new. */
  identity(): (ShardIdentity & { format: number }) | null {
    const found = this.meta.get(Buffer.from('identity'));
    return found === undefined ? null : (unpackr.unpack(found) as ShardIdentity & { format: number });
  }

  /** Checks that the store is this shard's, or makes it so when it is new, and brings one of an older engine up to date; says what that took. Throws OperationalError `format`, `wrong_shard`, or `corrupt` when the log is gone. */
  async identify(identity: ShardIdentity): Promise<StoreUpgrade | null> {
    // By its key an entry whose key is damaged would only be missing, and a store without an applied position counts everything again, one that takes a rejected reading for counted its correction for a duplicate.
    for (const table of [this.meta, this.uncounted]) for (const entry of table.range(FIRST_KEY, LAST_KEY)) void entry;
    const stored = this.identity();
    if (stored === null) {
      // First, so that a store that knows its name without a log is one that has lost it.
      await this.journal.start();
      this.meta.put(Buffer.from('identity'), packr.pack({ format: STORE_FORMAT, ...identity }));
      await this.commit();
      return null;
    }
    if (!isReadable(stored.format)) {
      throw new OperationalError('format', `the store of shard ${identity.shard} has format ${stored.format}, this engine reads ${STORE_FORMAT}; use the engine that wrote it`);
    }
    if (this.journal.first === null) throw new OperationalError('corrupt', 'the log is missing');
    if (stored.partitionCount !== identity.partitionCount || stored.shardCount !== identity.shardCount || stored.shard !== identity.shard) {
      throw new OperationalError(
        'wrong_shard',
        `the store of shard ${identity.shard} holds shard ${stored.shard} of ${stored.shardCount} with ${stored.partitionCount} partitions, not of ${identity.shardCount} with ${identity.partitionCount}: its files were moved; bring them back, or restore a backup with seg restore`,
      );
    }
    if (stored.format === STORE_FORMAT) return null;
    const energyBlocks = stored.format < ENERGY_FORMAT ? await buildEnergy(this) : 0;
    this.meta.put(Buffer.from('identity'), packr.pack({ format: STORE_FORMAT, ...identity }));
    await this.commit();
    return { from: stored.format, energyBlocks };
  }

  /** How what is in the log counts; null before the first start. */
  settings(): ShardStateConfig | null {
    const found = this.meta.get(Buffer.from('settings'));
    return found === undefined ? null : (unpackr.unpack(found) as ShardStateConfig);
  }

  putSettings(settings: ShardStateConfig): void {
    this.meta.put(Buffer.from('settings'), packr.pack(settings));
  }

  /** A change of settings that is under way; null when there is none. */
  settingsChange(): SettingsChange | null {
    const found = this.meta.get(Buffer.from('settingsChange'));
    return found === undefined ? null : (unpackr.unpack(found) as SettingsChange);
  }

  putSettingsChange(change: SettingsChange): void {
    this.meta.put(Buffer.from('settingsChange'), packr.pack(change));
  }

  removeSettingsChange(): void {
    this.meta.remove(Buffer.from('settingsChange'));
  }

  // Log --------------------------------------------------------------------------------------------------------------------

  /** First log record that counts; what lies before it is only waiting to be removed. */
  logFrom(): number {
    const found = this.meta.get(Buffer.from('log'));
    return found === undefined ? 0 : (unpackr.unpack(found) as { from: number }).from;
  }

  putLogFrom(sequence: number): void {
    this.meta.put(Buffer.from('log'), packr.pack({ from: sequence }));
  }

  /** First log record that a page may have to be brought up to date from: snapshots stand for all before it. 0 when it is not known. */
  replayFrom(): number {
    const found = this.meta.get(Buffer.from('replay'));
    return found === undefined ? 0 : (unpackr.unpack(found) as { from: number }).from;
  }

  /** Goes with the pages that make it true. */
  putReplayFrom(sequence: number): void {
    this.meta.put(Buffer.from('replay'), packr.pack({ from: sequence }));
  }

  /** The log records that count. */
  records(): Iterable<JournalRecord> {
    return this.journal.records(this.logFrom());
  }

  /** Sequence of the newest record, or of the last one that was ever there. */
  lastSequence(): number {
    return Math.max(this.journal.lastSequence(), this.logFrom() - 1, 0);
  }

  // Position ---------------------------------------------------------------------------------------------------------------

  appliedPosition(): AppliedPosition {
    const found = this.meta.get(Buffer.from('applied'));
    return found === undefined ? { sequence: 0 } : (unpackr.unpack(found) as AppliedPosition);
  }

  putAppliedPosition(position: AppliedPosition): void {
    this.meta.put(Buffer.from('applied'), packr.pack(position));
  }

  /** When the last record that the tables stand for came, by the log's own clock: another log under the same name is told by it. */
  putLogMark(mark: LogMark): void {
    this.meta.put(Buffer.from('logMark'), packr.pack(mark));
  }

  logMark(): LogMark | null {
    const found = this.meta.get(Buffer.from('logMark'));
    return found === undefined ? null : (unpackr.unpack(found) as LogMark);
  }

  /** The picture of the regions in force where the log begins. */
  putPicture(picture: LoggedPicture): void {
    this.meta.put(Buffer.from('picture'), packr.pack(picture));
  }

  picture(): LoggedPicture | null {
    const found = this.meta.get(Buffer.from('picture'));
    return found === undefined ? null : (unpackr.unpack(found) as LoggedPicture);
  }

  // Windows ----------------------------------------------------------------------------------------------------------------

  get(page: MeterPage, granularity: number, windowNumber: number, rowInPage: number): Uint8Array | undefined {
    return this.windows.get(windowKey(page.partition, page.number, granularity, windowNumber, rowInPage));
  }

  *sampleBlocks(page: MeterPage, windowNumber: number): Generator<Uint8Array> {
    const { partition, number } = page;
    for (const { value } of this.samples.range(samplesKey(partition, number, windowNumber, 0), samplesKey(partition, number, windowNumber + 1, 0))) yield value;
  }

  profileHour(page: MeterPage, hourOfDay: number): Uint8Array | undefined {
    return this.profiles.get(profileKey(page.partition, page.number, hourOfDay));
  }

  /** Borrowed. */
  energyBlock(page: MeterPage, day: number): Uint8Array | undefined {
    return this.energy.get(energyKey(page.partition, page.number, day));
  }

  putRemovedWindows(page: MeterPage, removed: RemovedWindows): void {
    this.removed.put(pageKey(page.partition, page.number), removed.encode());
  }

  /** null: none. Throws OperationalError `corrupt` or `format`. */
  removedWindows(partition: number, page: number): RemovedWindows | null {
    const found = this.removed.get(pageKey(partition, page));
    return found === undefined ? null : decodeRemovedWindows(found, `page ${page} of partition ${partition}`);
  }

  // Regions ----------------------------------------------------------------------------------------------------------------

  putRegion(index: number, name: string): void {
    this.regions.put(regionKey(index), Buffer.from(name, 'latin1'));
  }

  /** Names in order of their index. */
  regionNames(): string[] {
    const names: string[] = [];
    for (const { value } of this.regions.range(regionKey(0), regionKey(0xffff))) names.push(Buffer.from(value).toString('latin1'));
    return names;
  }

  putPart(part: LedgerPart): void {
    this.parts.put(keyOfPart(part.region, part.granularity, part.windowStartMs), encodePart(part));
  }

  loadPart(region: number, granularity: number, windowStartMs: number): LedgerPart | undefined {
    const found = this.parts.get(keyOfPart(region, granularity, windowStartMs));
    return found === undefined ? undefined : decodePart(found, region, granularity, windowStartMs);
  }

  putSettledPart(part: LedgerPart): void {
    this.settled.put(keyOfPart(part.region, part.granularity, part.windowStartMs), encodePart(part));
  }

  settledPart(region: number, granularity: number, windowStartMs: number): LedgerPart | undefined {
    const found = this.settled.get(keyOfPart(region, granularity, windowStartMs));
    return found === undefined ? undefined : decodePart(found, region, granularity, windowStartMs);
  }

  // Meters -----------------------------------------------------------------------------------------------------------------

  /** The list of meters in order of their ids. */
  putMeter(meterId: string): void {
    this.meters.put(Buffer.from(meterId, 'latin1'), PRESENT);
  }

  // Anomalies --------------------------------------------------------------------------------------------------------------

  /**
   * Queues an episode's change and gives the episode as it is now. `unsaved` holds episodes queued earlier in the same
   * transaction, by id. Returns null for the end of an episode that is no longer kept.
   */
  putAnomaly(change: AnomalyChange, unsaved: Map<string, Anomaly>): Anomaly | null {
    let anomaly: Anomaly;
    if (change.change === 'ended') {
      const open = unsaved.get(change.id) ?? this.anomaly(anomalyKey(change.startedAt, change.kind, change.meterId));
      if (open === null) return null;
      anomaly = { ...open, endedAt: change.endedAt, endReason: change.endReason };
    } else anomaly = change.anomaly;
    unsaved.set(anomaly.id, anomaly);
    this.anomalies.put(anomalyKey(anomaly.startedAt, anomaly.kind, anomaly.meterId), packr.pack(anomaly));
    this.anomaliesByMeter.put(meterAnomalyKey(anomaly.meterId, anomaly.startedAt, anomaly.kind), PRESENT);
    return anomaly;
  }

  anomaly(key: Uint8Array): Anomaly | null {
    const found = this.anomalies.get(key);
    return found === undefined ? null : (unpackr.unpack(found) as Anomaly);
  }

  decodeAnomaly(value: Uint8Array): Anomaly {
    return unpackr.unpack(value) as Anomaly;
  }

  // Dead letters -----------------------------------------------------------------------------------------------------------

  putDeadLetter(sequence: number, position: number, letter: Omit<DeadLetter, 'id'>): void {
    this.deadLetters.put(deadLetterKey(letter.receivedAt, sequence, position), packr.pack({ id: `${letter.receivedAt}-${sequence}-${position}`, ...letter }));
  }

  putUncountedReadings(sequence: number, uncounted: UncountedReadings): void {
    this.uncounted.put(sequenceKey(sequence), uncounted);
  }

  /** Of a log record that the tables stand for: its readings that did not count. */
  uncountedReadings(receivedAt: number, sequence: number): UncountedReadings {
    const found = this.uncounted.get(sequenceKey(sequence));
    if (found !== undefined) return new Uint8Array(found);
    // An older engine has left nothing but dead letters.
    const positions: number[] = [];
    for (const key of this.deadLetters.keys(deadLetterKey(receivedAt, sequence, 0), deadLetterKey(receivedAt, sequence, REJECTED_EARLIER))) positions.push(Buffer.from(key).readUInt32BE(key.length - 4));
    return packPositions(positions);
  }

  /** Queues the removal of what was noted of the log's records before `sequence`, of the oldest `stepMax` at most. */
  trimUncountedReadings(sequence: number, stepMax: number): void {
    for (const { key } of this.uncounted.range(FIRST_KEY, sequenceKey(sequence), { limit: stepMax })) this.uncounted.remove(key);
  }

  decodeDeadLetter(value: Uint8Array): DeadLetter {
    return unpackr.unpack(value) as DeadLetter;
  }

  // Outbox -----------------------------------------------------------------------------------------------------------------

  /** The name of the outbox's numbers; null when there is none. */
  outboxGeneration(): string | null {
    const found = this.meta.get(Buffer.from('outbox'));
    return found === undefined ? null : Buffer.from(found).toString('latin1');
  }

  putOutboxGeneration(generation: string): void {
    this.meta.put(Buffer.from('outbox'), Buffer.from(generation, 'latin1'));
  }

  removeOutboxGeneration(): void {
    this.meta.remove(Buffer.from('outbox'));
  }

  /** Up to where each consumer has written what it was given. */
  consumerPositions(): Map<string, string> {
    const positions = new Map<string, string>();
    for (const { key, value } of this.meta.range(Buffer.from(CONSUMER), Buffer.from(`${CONSUMER}\xff`, 'latin1'))) {
      positions.set(Buffer.from(key).toString('latin1').slice(CONSUMER.length), Buffer.from(value).toString('latin1'));
    }
    return positions;
  }

  putConsumerPosition(consumer: string, position: string): void {
    this.meta.put(Buffer.from(CONSUMER + consumer), Buffer.from(position, 'latin1'));
  }

  removeConsumer(consumer: string): void {
    this.meta.remove(Buffer.from(CONSUMER + consumer));
  }

  /** Sequences of the first and the last record; null when there is none. */
  outboxEnds(): { first: number; last: number } | null {
    const [first] = [...this.outbox.range(FIRST_KEY, LAST_KEY, { limit: 1 })];
    const [last] = [...this.outbox.range(FIRST_KEY, LAST_KEY, { limit: 1, reverse: true })];
    return first === undefined ? null : { first: sequenceOf(first.key), last: sequenceOf(last.key) };
  }

  putOutboxRecord(sequence: number, bytes: Uint8Array): void {
    this.outbox.put(sequenceKey(sequence), bytes);
  }

  removeOutboxRecord(sequence: number): void {
    this.outbox.remove(sequenceKey(sequence));
  }

  /** Borrowed. */
  outboxRecord(sequence: number): Uint8Array | undefined {
    return this.outbox.get(sequenceKey(sequence));
  }

  /** Queues the removal of the oldest records, at most `stepMax`. Returns how many. */
  trimOutbox(stepMax: number): number {
    let removed = 0;
    for (const { key } of this.outbox.range(FIRST_KEY, LAST_KEY, { limit: stepMax })) {
      this.outbox.remove(key);
      removed++;
    }
    return removed;
  }

  // Bounds -----------------------------------------------------------------------------------------------------------------

  /** Queues the removal of the oldest committed rows past a table's bound, at most `stepMax`; `rowsAdded` new ones are queued. Returns how many it will still have too many. */
  trimDeadLetters(rowsMax: number, rowsAdded: number, stepMax: number): number {
    return trim(this.deadLetters, { rowsMax, rowsAdded, stepMax }, (key) => this.deadLetters.remove(key));
  }

  trimAnomalies(rowsMax: number, rowsAdded: number, stepMax: number): number {
    return trim(this.anomalies, { rowsMax, rowsAdded, stepMax }, (key) => {
      const { meterId, startedAt, kind } = anomalyKeyParts(key);
      this.anomalies.remove(key);
      this.anomaliesByMeter.remove(meterAnomalyKey(meterId, startedAt, kind));
    });
  }
}

function trim(table: Table, { rowsMax, rowsAdded, stepMax }: { rowsMax: number; rowsAdded: number; stepMax: number }, remove: (key: Uint8Array) => void): number {
  let excess = table.count() + rowsAdded - rowsMax;
  if (excess <= 0) return 0;
  let room = stepMax;
  for (const key of table.keys(FIRST_KEY, LAST_KEY)) {
    remove(key);
    excess--;
    if (--room === 0 || excess === 0) break;
  }
  return excess;
}

function sequenceOf(key: Uint8Array): number {
  return Buffer.from(key).readUIntBE(0, 6);
}

/** Whether this engine reads stores of the format. */
export function isReadable(format: number): boolean {
  return format >= STORE_FORMAT_OLDEST && format <= STORE_FORMAT;
}

function keyOfPart(region: number, granularity: number, windowStartMs: number): Uint8Array {
  return partKey(region, granularity, windowStartMs / GRANULARITY_MS[GRANULARITIES[granularity]]);
}

function encodePart({ meters, powerHigh, powerLow, energyHigh, energyLow, minPowerKw, maxPowerKw, changes }: LedgerPart): Uint8Array {
  return new Uint8Array(new Float64Array([meters, powerHigh, powerLow, energyHigh, energyLow, minPowerKw, maxPowerKw, changes]).buffer);
}

/** A regional part as it lies in the store. */
export function decodePart(value: Uint8Array, region: number, granularity: number, windowStartMs: number): LedgerPart {
  // One that was written before changes were counted ends without them.
  const copy = new Float64Array(8);
  new Uint8Array(copy.buffer).set(value);
  const [meters, powerHigh, powerLow, energyHigh, energyLow, minPowerKw, maxPowerKw, changes] = copy;
  return { ...emptyPart(region, granularity, windowStartMs), meters, powerHigh, powerLow, energyHigh, energyLow, minPowerKw, maxPowerKw, changes };
}

