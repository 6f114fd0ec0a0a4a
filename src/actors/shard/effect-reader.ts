import type { Anomaly } from '../../model/anomaly.ts';
import type { DeadLetter } from '../../model/queries.ts';
import { WindowBlockBuilder } from '../../model/window-block.ts';
import { GRANULARITIES, GRANULARITY_MS } from '../../model/window.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { LINKS_MAX } from '../../runtime/tracing.ts';
import { BEGINNING, REGIONS_CONSUMER, type EffectBatch, type RegionWindowKey } from '../sinks/protocol.ts';
import type { EarlyWindows } from './early-windows.ts';
import { parsePlace, placeText, SCAN_TABLES, taggedRecord, type EffectPlace, type OutboxPlace, type ScanPlace, type ScanTable } from './effect-place.ts';
import type { MeterPage } from './meter-pages.ts';
import type { Outbox } from './outbox.ts';
import { windowCode, type OutboxItem } from './outbox-record.ts';
import type { ShardStore } from './shard-store.ts';
import type { ShardState } from './state.ts';
import { partKeyParts, windowKeyParts, windowKeyPlace } from './store-keys.ts';
import { AFTER_ALL_KEYS } from './table-steps.ts';
import { slotToWindow, WindowRecord } from './window-accumulator.ts';
import type { WindowTraces } from './window-traces.ts';

/** Early windows that have been written since and that one piece forgets at most: after an outage of its consumers a shard may have EARLY_WINDOWS_MAX of them. */
const FORGOTTEN_PER_PIECE_MAX = 20_000;

/** Of an item that its consumer does not want, in things looked at: it costs a check of its kind. */
const PASSED_COST = 1 / 64;

const NOT_YET = 'has not come yet';

/** What of a shard's effects a consumer is given. */
type Share = 'all' | 'regions' | 'others';
const SHARE_TABLES: Readonly<Record<Share, readonly ScanTable[]>> = {
  all: SCAN_TABLES,
  regions: SCAN_TABLES.filter((table) => table === 'parts'),
  others: SCAN_TABLES.filter((table) => table !== 'parts'),
};

/**
 * Gives a shard's effects piece by piece: to a consumer without a place all there is, table by table, then what the outbox names, then what closed
 * and has not had its step. Things are read when they are sent, from where a query reads them, so they are as they are now. Runs between turns.
 */
export class EffectReader {
  private readonly shard: number;
  /** Of this process: numbers of windows given early mean nothing in another. */
  private readonly process: string;
  /** Others may have the tables by now, and be ahead. */
  private readonly hasSuccessors: boolean;
  private readonly state: ShardState;
  private readonly store: ShardStore;
  private readonly outbox: Outbox;
  private readonly early: EarlyWindows;
  private readonly log: Log;
  /** Null: nothing is traced. */
  private readonly traces: WindowTraces | null;
  private readonly windows = new WindowBlockBuilder();
  private readonly record = new WindowRecord();

  constructor(options: { shard: number; process: string; hasSuccessors?: boolean }, modules: { state: ShardState; store: ShardStore; outbox: Outbox; early: EarlyWindows; log: Log; traces?: WindowTraces }) {
    this.shard = options.shard;
    this.process = options.process;
    this.hasSuccessors = options.hasSuccessors ?? false;
    this.state = modules.state;
    this.store = modules.store;
    this.outbox = modules.outbox;
    this.early = modules.early;
    this.log = modules.log;
    this.traces = modules.traces ?? null;
  }

  /**
   * The piece that begins at `position`, or, where that is null, at what is remembered of the consumer. It looks at no more than `windowsMax` things (and the rest of a
   * page's 64 rows). Throws OperationalError `unknown_consumer`, or `corrupt`.
   */
  read(consumer: string, position: string | null, windowsMax: number): EffectBatch {
    if (!this.outbox.isConsumer(consumer)) throw unknownConsumer(consumer);
    // What a piece left that failed half-way.
    if (this.windows.count > 0) this.windows.finish();
    const piece = new Piece(this.shareOf(consumer), Math.max(1, windowsMax));
    let place = this.placeOf(consumer, position);
    this.outbox.askedFrom(consumer, place);
    let isLast = false;
    if (place.kind === 'scan') place = this.scan(place, piece);
    if (place.kind === 'outbox') {
      place = this.records(place, piece);
      if (place.sequence === this.outbox.next) {
        const early = this.earlyWindows(place, piece);
        place = early.place;
        isLast = piece.hasRoom && early.isLast;
      }
    }
    const windowCount = this.windows.count;
    const batch: EffectBatch = {
      shard: this.shard,
      position: placeText(this.outbox.generation, place),
      isLast,
      windows: this.windows.finish(),
      windowCount,
      regionWindows: [...piece.regionWindows.values()],
      anomalies: [...piece.anomalies.values()],
      deadLetters: [...piece.deadLetters.values()],
      alerts: [],
      billing: [],
    };
    if (piece.traces.size > 0) batch.traces = [...piece.traces];
    return batch;
  }

  /** A consumer beside which there is one for regional windows gets all but those. */
  private shareOf(consumer: string): Share {
    if (consumer.endsWith(REGIONS_CONSUMER)) return 'regions';
    return this.outbox.isConsumer(consumer + REGIONS_CONSUMER) ? 'others' : 'all';
  }

  // Where to begin -----------------------------------------------------------------------------------------------------------

  private placeOf(consumer: string, position: string | null): EffectPlace {
    const place = position === null ? this.outbox.placeOf(consumer) : parsePlace(this.outbox.generation, position);
    const problem = place === null ? (position === null || position === BEGINNING ? null : 'is of another outbox') : this.problemOf(place);
    if (place !== null && problem === null) return place;
    if (this.hasSuccessors && problem === NOT_YET) throw new OperationalError('unavailable', `another node has taken partition ${this.shard} further`, { retryable: true });
    if (problem !== null) this.log.warn({ consumer, position: position ?? placeText(this.outbox.generation, place!) }, `the place of ${consumer} in the outbox ${problem}: it is given everything again`);
    const sequence = this.outbox.next;
    return { kind: 'scan', table: SHARE_TABLES[this.shareOf(consumer)][0], key: new Uint8Array(0), sequence, tag: this.outbox.checksumOf(sequence - 1)! };
  }

  /** Why nobody can go on from the place; null when one can. */
  private problemOf(place: EffectPlace): string | null {
    const { first, next } = this.outbox;
    if (place.sequence < first) return 'has been removed, as the outbox has a bound';
    const offset = place.kind === 'outbox' ? place.offset : 0;
    if (place.sequence > next || (place.sequence === next && offset > 0)) return NOT_YET;
    if (offset > 0 && offset > this.outbox.recordAt(place.sequence).length) return 'lies behind its record';
    // The record before the first may have gone.
    const checksum = this.outbox.checksumOf(taggedRecord(place));
    return checksum === null || checksum === place.tag ? null : 'is of another history';
  }

  // Everything there is ------------------------------------------------------------------------------------------------------

  private scan(from: ScanPlace, piece: Piece): EffectPlace {
    let { table, key } = from;
    while (piece.hasRoom) {
      const limit = piece.room;
      // At once: what is looked at meanwhile reads the same store.
      const entries = [...this.store[table].range(Buffer.concat([key, Buffer.alloc(1)]), AFTER_ALL_KEYS, { limit })];
      for (const entry of entries) this.takeStored(table, entry.key, entry.value, piece);
      if (entries.length === limit) key = entries[limit - 1].key;
      else {
        const tables = SHARE_TABLES[piece.share];
        const next = tables.indexOf(table) + 1;
        if (next === tables.length) return { kind: 'outbox', sequence: from.sequence, offset: 0, tag: from.tag, early: null };
        table = tables[next];
        key = new Uint8Array(0);
      }
    }
    return { ...from, table, key };
  }

  private takeStored(table: ScanTable, key: Uint8Array, value: Uint8Array, piece: Piece): void {
    piece.looked();
    switch (table) {
      case 'windows': {
        const { partition, page: number, granularity } = windowKeyPlace(key);
        const { windowNumber, rowInPage: r } = windowKeyParts(key);
        const page = this.state.directory.pagesOf(partition)[number];
        const row = page.rowAt(r);
        this.takeWindow(row, granularity, windowNumber, this.state.book.unwrittenRecord(page, row, granularity, windowNumber) ?? value, piece);
        return;
      }
      case 'parts': {
        const { region, granularity, windowNumber } = partKeyParts(key);
        this.takePart(region, granularity, windowNumber, piece);
        return;
      }
      case 'anomalies':
        piece.addAnomaly(this.store.decodeAnomaly(value));
        return;
      case 'deadLetters':
        piece.addDeadLetter(this.store.decodeDeadLetter(value));
    }
  }

  // The outbox ---------------------------------------------------------------------------------------------------------------

  private records(from: OutboxPlace, piece: Piece): OutboxPlace {
    let { sequence, offset, tag } = from;
    while (piece.hasRoom && sequence < this.outbox.next) {
      const record = this.outbox.recordAt(sequence);
      while (offset < record.length && piece.hasRoom) this.takeItem(record.itemAt(offset++), piece);
      tag = record.checksum;
      if (offset < record.length) break;
      sequence++;
      offset = 0;
    }
    return { ...from, sequence, offset, tag };
  }

  private takeItem(item: OutboxItem, piece: Piece): void {
    if (!piece.wants(item.kind)) {
      piece.passed();
      return;
    }
    if (item.kind === 'windows') {
      const page = this.state.directory.pagesOf(item.partition)[item.page];
      this.takeRows(page, 0, item.rowsLow, item, piece);
      this.takeRows(page, 32, item.rowsHigh, item, piece);
      return;
    }
    piece.looked();
    if (item.kind === 'part') this.takePart(item.region, item.granularity, item.windowNumber, piece);
    else if (item.kind === 'anomaly') {
      const anomaly = this.store.anomaly(item.key);
      // Its table has a bound of its own.
      if (anomaly !== null) piece.addAnomaly(anomaly);
    } else {
      const found = this.store.deadLetters.get(item.key);
      if (found !== undefined) piece.addDeadLetter(this.store.decodeDeadLetter(found));
    }
  }

  /** The rows of one word of the mask, whose bit 0 is row `firstRow`. */
  private takeRows(page: MeterPage, firstRow: number, mask: number, { granularity, windowNumber }: { granularity: number; windowNumber: number }, piece: Piece): void {
    for (let rest = mask; rest !== 0; rest &= rest - 1) {
      const row = page.rowAt(firstRow + 31 - Math.clz32(rest & -rest));
      piece.looked();
      const stored = this.state.book.storedRecord(page, row, granularity, windowNumber);
      if (stored !== undefined) this.takeWindow(row, granularity, windowNumber, stored, piece);
    }
  }

  // What waits for its step ------------------------------------------------------------------------------------------------

  /**
   * Their place stays the end of the outbox, as they come there once more; only the number tells what was given. One that is on disk has been given from there,
   * and is left out.
   */
  private earlyWindows(from: OutboxPlace, piece: Piece): { place: OutboxPlace; isLast: boolean } {
    const { early } = this;
    if (piece.share === 'regions') return { place: from, isLast: true };
    let first = early.first;
    const lookedTo = Math.min(early.next, first + FORGOTTEN_PER_PIECE_MAX);
    while (first < lookedTo && this.unwritten(first) === undefined) first++;
    early.dropBefore(first);
    // The next piece goes on, when there is more: behind those that are on disk may be one that is not.
    if (first === lookedTo) return { place: from, isLast: lookedTo === early.next };
    const isOwn = from.early?.process === this.process;
    let number = Math.max(isOwn ? from.early!.number : 0, first);
    const before = this.windows.count;
    for (; number < early.next && piece.hasRoom; number++) {
      piece.looked();
      const record = this.unwritten(number);
      if (record !== undefined) this.takeWindow(early.rowAt(number), early.granularityAt(number), early.windowNumberAt(number), record, piece);
    }
    // To move on over nothing would cost the consumer a transaction; but not to move when the piece is full would be to stand still.
    const moves = this.windows.count > before || !piece.hasRoom;
    return { place: moves ? { ...from, early: { process: this.process, number } } : from, isLast: true };
  }

  private unwritten(number: number): Uint8Array | undefined {
    const row = this.early.rowAt(number);
    return this.state.book.unwrittenRecord(this.state.directory.pages[row >>> 6], row, this.early.granularityAt(number), this.early.windowNumberAt(number));
  }

  // Things -----------------------------------------------------------------------------------------------------------------

  private takeWindow(row: number, granularity: number, windowNumber: number, stored: Uint8Array, piece: Piece): void {
    if (!piece.isFirst(row, granularity, windowNumber)) return;
    const { record, state } = this;
    record.load(stored);
    const names = { meterId: state.directory.idOf(row), region: (index: number) => state.ledger.nameOf(index) };
    const window = slotToWindow(record, 0, granularity, names, true, record.revision);
    // Of ERROR readings alone there is no window.
    if (window === null) return;
    this.windows.add(window);
    if (this.traces !== null) piece.addTraces(this.traces.of(row, granularity, windowNumber));
  }

  private takePart(region: number, granularity: number, windowNumber: number, piece: Piece): void {
    const name = GRANULARITIES[granularity];
    piece.addRegionWindow({ region: this.state.ledger.nameOf(region), granularity: name, windowStart: windowNumber * GRANULARITY_MS[name] });
  }
}

/** What a piece holds besides its windows, and how much more it may look at. */
class Piece {
  room: number;
  readonly share: Share;
  readonly regionWindows = new Map<string, RegionWindowKey>();
  readonly anomalies = new Map<string, Anomaly>();
  readonly deadLetters = new Map<string, DeadLetter>();
  /** Of the windows' readings; LINKS_MAX at most. */
  readonly traces = new Set<string>();
  /** Windows that are in it: row below 2^24, code below 2^28. */
  private readonly windows = new Set<number>();

  constructor(share: Share, room: number) {
    this.share = share;
    this.room = room;
  }

  get hasRoom(): boolean {
    return this.room > 0;
  }

  wants(kind: OutboxItem['kind']): boolean {
    return this.share === 'all' || (this.share === 'regions') === (kind === 'part');
  }

  /** Over one that is not wanted. */
  passed(): void {
    this.room -= PASSED_COST;
  }

  /** At one more thing. */
  looked(): void {
    this.room--;
  }

  /** False when the window is in the piece. */
  isFirst(row: number, granularity: number, windowNumber: number): boolean {
    const before = this.windows.size;
    return this.windows.add(windowCode(granularity, windowNumber) * 2 ** 24 + row).size > before;
  }

  addTraces(traces: readonly string[]): void {
    for (const traceparent of traces) if (this.traces.size < LINKS_MAX) this.traces.add(traceparent);
  }

  addRegionWindow(key: RegionWindowKey): void {
    this.regionWindows.set(`${key.region}/${key.granularity}/${key.windowStart}`, key);
  }

  addAnomaly(anomaly: Anomaly): void {
    this.anomalies.set(anomaly.id, anomaly);
  }

  addDeadLetter(letter: DeadLetter): void {
    this.deadLetters.set(letter.id, letter);
  }
}

export function unknownConsumer(consumer: string): OperationalError {
  return new OperationalError('unknown_consumer', `this shard keeps no outbox for ${consumer}`);
}
