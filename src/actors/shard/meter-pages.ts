import { murmur2 } from '../../model/ids.ts';
import { ChunkMemory } from '../../runtime/chunk-memory.ts';
import { takePiece, type TouchedMemory } from '../../runtime/touched-memory.ts';
import { PendingWindows } from './pending-windows.ts';
import { ROW, ROWS_PER_PAGE, ROW_BYTES, ROW_DETECTOR, SLOT, SLOT_BYTES } from './page-layout.ts';
import { PageProfiles } from './page-profiles.ts';
import { meterTag } from './reading-ids.ts';
import type { RemovedWindows } from './removed-windows.ts';
import { PAGES_PER_SLAB, ROWS_PER_SLAB, RowSlab, touchedRows } from './row-slab.ts';
import type { SampleBlock } from './sample-block.ts';

const SLAB_SHIFT = Math.log2(ROWS_PER_SLAB);

/** 64 meters of one partition. Views are those of the slab: indexes into them are byte offsets (rowOffset) divided by the element size. */
export class MeterPage {
  /** Position in the shard's page list: rows of the page are number × 64 … + 63. */
  readonly index: number;
  readonly partition: number;
  /** Number within the partition: with the partition, the page's name on disk. */
  readonly number: number;
  readonly f64: Float64Array;
  readonly f32: Float32Array;
  readonly u32: Uint32Array;
  readonly u16: Uint16Array;
  readonly u8: Uint8Array;
  rowCount = 0;
  /** What of the rows' hour-of-week profiles is in memory. */
  readonly profiles = new PageProfiles();
  /** Log position of the snapshot on disk: records up to it must not be applied to this page again. */
  snapshotSequence = 0;
  /** Changed since that snapshot, */
  dirty = false;
  /** by this record first: the log must keep what comes from it on. */
  dirtySequence = 0;
  /** No row needs a look by the clock before this. A lower bound: may be early, never late. */
  nextTickMs = Infinity;
  /** Closed or corrected windows that are not on disk yet, in memory of the shard's. */
  pending: PendingWindows;
  /** Those of them that a commit under way is writing: older than `pending`, newer than the store. */
  flushing: PendingWindows | null = null;
  /** What retention has taken of its windows; null: nothing. */
  removed: RemovedWindows | null = null;
  /** Samples that have left the open windows and are not on disk yet. */
  unwrittenSamples: SampleBlock[] = [];

  constructor(index: number, partition: number, number: number, slab: RowSlab, pendingMemory: ChunkMemory) {
    this.pending = new PendingWindows(pendingMemory);
    this.index = index;
    this.partition = partition;
    this.number = number;
    this.f64 = slab.f64;
    this.f32 = slab.f32;
    this.u32 = slab.u32;
    this.u16 = slab.u16;
    this.u8 = slab.u8;
  }

  /** The shard's number of the page's r-th row. */
  rowAt(r: number): number {
    return this.index * ROWS_PER_PAGE + r;
  }
}

/** Position of a row in its page. */
export function rowInPage(row: number): number {
  return row & (ROWS_PER_PAGE - 1);
}

/** Byte offset of a row in the views of its page. */
export function rowOffset(row: number): number {
  return (row & (ROWS_PER_SLAB - 1)) * ROW_BYTES;
}

/** Byte offset of a row's detector state in the same views. */
export function detectorOffset(row: number): number {
  return rowOffset(row) + ROW_DETECTOR;
}

interface PartitionPages {
  pages: MeterPage[];
  /** No page before this one has room. */
  firstOpen: number;
}

/** No such meter. */
export const NO_ROW = -1;

/**
 * All meters of a shard: pages, and an index from id to row (open addressing on the id's murmur2 hash). Rows are given out in order
 * within a partition and never taken back, so replaying a log gives the same rows.
 */
export class MeterDirectory {
  readonly pages: MeterPage[] = [];
  private readonly slabs: RowSlab[] = [];
  /** Of windows that are not on disk yet. */
  readonly pendingMemory = new ChunkMemory();
  meterCount = 0;
  private readonly pagesOfPartition = new Map<number, PartitionPages>();
  /** row + 1; 0 = empty. */
  private slots = new Uint32Array(2048);
  /** A slot is the top bits of the scrambled hash: the low ones are alike within a partition. */
  private shift = 32 - 11;
  /** Where the first slabs of a large fleet that is restored lie; null: each has memory of its own. */
  private rows: TouchedMemory | null;

  /** `rows`: touchedRows of as many pages as there will be. */
  constructor(rows: TouchedMemory | null = null) {
    this.rows = rows;
  }

  /** The row of the meter whose id is `bytes[start, start + length)`, or NO_ROW. */
  find(hash: number, bytes: Uint8Array, start: number, length: number): number {
    const mask = this.slots.length - 1;
    let slot = Math.imul(hash, 0x9e3779b1) >>> this.shift;
    for (;;) {
      const tag = this.slots[slot];
      if (tag === 0) return NO_ROW;
      if (this.isAt(tag - 1, hash, bytes, start, length)) return tag - 1;
      slot = (slot + 1) & mask;
    }
  }

  /** The row of the meter, or NO_ROW. */
  rowOf(meterId: string): number {
    const bytes = Buffer.from(meterId, 'latin1');
    return this.find(murmur2(bytes, 0, bytes.length), bytes, 0, bytes.length);
  }

  /** The row that the index names first for the hash, or NO_ROW: mostly that of its meter. */
  likelyRow(hash: number): number {
    return this.slots[Math.imul(hash, 0x9e3779b1) >>> this.shift] - 1;
  }

  /** The views that hold the row, at rowOffset(row). */
  cellsOf(row: number): RowSlab {
    return this.slabs[row >>> SLAB_SHIFT];
  }

  /** True when the row is the meter whose id is `bytes[start, start + length)`. */
  private isAt(row: number, hash: number, bytes: Uint8Array, start: number, length: number): boolean {
    const { u32, u8 } = this.cellsOf(row);
    const at = rowOffset(row);
    if (u32[(at + ROW.hash) >> 2] !== hash || u8[at + ROW.idLength] !== length) return false;
    const id = at + ROW.id;
    for (let k = 0; k < length; k++) if (u8[id + k] !== bytes[start + k]) return false;
    return true;
  }

  /** Makes a row for a new meter of `partition`. The row is empty but for its identity. */
  add(partition: number, hash: number, bytes: Uint8Array, start: number, length: number): number {
    const page = this.openPage(partition);
    const row = page.rowAt(page.rowCount);
    const at = rowOffset(row);
    page.rowCount++;
    page.u8[at + ROW.idLength] = length;
    page.u32[(at + ROW.hash) >> 2] = hash;
    page.u32[(at + ROW.tag) >> 2] = meterTag(bytes, start, length);
    for (let k = 0; k < length; k++) page.u8[at + ROW.id + k] = bytes[start + k];
    page.f64.fill(NaN, (at + ROW.energyKwh) >> 3, (at + ROW.readings) >> 3);
    page.f64[(at + ROW.newestMs) >> 3] = -Infinity;
    page.f64[(at + ROW.arrivedMs) >> 3] = -Infinity;
    page.f64[(at + ROW.nextEndMs) >> 3] = Infinity;
    page.f64[(at + ROW.closedMs) >> 3] = -Infinity;
    page.f64[(at + ROW.closedMs + 8) >> 3] = -Infinity;
    for (let s = 0; s < 4; s++) page.f64[(at + ROW.slots + s * SLOT_BYTES + SLOT.startMs) >> 3] = NaN;
    this.index(row, hash);
    return row;
  }

  /** The meter's id as text. */
  idOf(row: number): string {
    const page = this.pages[row >>> 6];
    const at = rowOffset(row);
    return Buffer.from(page.u8.buffer, page.u8.byteOffset + at + ROW.id, page.u8[at + ROW.idLength]).toString('latin1');
  }

  /** Pages of a partition, in order of their number. */
  pagesOf(partition: number): readonly MeterPage[] {
    return this.pagesOfPartition.get(partition)?.pages ?? [];
  }

  /** So many pages are to be restored, sooner or later. The index has their room at once: it would double on the way there, and place all again each time. */
  beginRestore(pages: number): void {
    while (pages * ROWS_PER_PAGE * 2 > this.slots.length) this.growIndex();
    this.rows ??= touchedRows(pages);
  }

  /** Makes an empty page under the name it had on disk; for recovery, in order of number within a partition. */
  restorePage(partition: number, number: number): MeterPage {
    const siblings = this.siblings(partition);
    // A page that was never written before the crash leaves a gap; the log fills it again.
    while (siblings.pages.length < number) this.appendPage(partition, siblings);
    return this.appendPage(partition, siblings);
  }

  /** Puts a restored page's rows into the index. */
  indexPage(page: MeterPage): void {
    for (let r = 0; r < page.rowCount; r++) {
      const at = rowOffset(page.rowAt(r));
      // Snapshots of older engines are without it.
      page.u32[(at + ROW.tag) >> 2] = meterTag(page.u8, at + ROW.id, page.u8[at + ROW.idLength]);
      this.index(page.rowAt(r), page.u32[(at + ROW.hash) >> 2]);
    }
  }

  private openPage(partition: number): MeterPage {
    const siblings = this.siblings(partition);
    // The first page with room, not the last page: after a crash an older page may have been restored with fewer rows than it had.
    let first = siblings.firstOpen;
    while (first < siblings.pages.length && siblings.pages[first].rowCount === ROWS_PER_PAGE) first++;
    siblings.firstOpen = first;
    return first < siblings.pages.length ? siblings.pages[first] : this.appendPage(partition, siblings);
  }

  private appendPage(partition: number, siblings: PartitionPages): MeterPage {
    const index = this.pages.length;
    if (index === this.slabs.length * PAGES_PER_SLAB) this.slabs.push(this.nextSlab());
    const page = new MeterPage(index, partition, siblings.pages.length, this.slabs[Math.floor(index / PAGES_PER_SLAB)], this.pendingMemory);
    this.pages.push(page);
    siblings.pages.push(page);
    return page;
  }

  private nextSlab(): RowSlab {
    const at = this.rows === null ? null : takePiece(this.rows, this.slabs.length);
    return at === null ? new RowSlab() : new RowSlab(this.rows!.memory, at);
  }

  private siblings(partition: number): PartitionPages {
    let siblings = this.pagesOfPartition.get(partition);
    if (siblings === undefined) this.pagesOfPartition.set(partition, (siblings = { pages: [], firstOpen: 0 }));
    return siblings;
  }

  private index(row: number, hash: number): void {
    this.meterCount++;
    if (this.meterCount * 2 > this.slots.length) this.growIndex();
    this.place(row, hash);
  }

  private place(row: number, hash: number): void {
    const mask = this.slots.length - 1;
    let slot = Math.imul(hash, 0x9e3779b1) >>> this.shift;
    while (this.slots[slot] !== 0) slot = (slot + 1) & mask;
    this.slots[slot] = row + 1;
  }

  private growIndex(): void {
    const old = this.slots;
    this.slots = new Uint32Array(old.length * 2);
    this.shift--;
    for (const tag of old) {
      if (tag === 0) continue;
      const row = tag - 1;
      this.place(row, this.pages[row >>> 6].u32[(rowOffset(row) + ROW.hash) >> 2]);
    }
  }
}
