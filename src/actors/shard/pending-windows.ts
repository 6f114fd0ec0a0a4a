import { CHUNK_BYTES, chunkOffset, type ChunkMemory } from '../../runtime/chunk-memory.ts';

/**
 * A page's closed and corrected windows that are not on disk yet: what a query or a late reading must look at before the store. They go to
 * disk in the transaction that writes the page's snapshot, so page and windows always stand for the same log position.
 *
 * All lie in chunks of the shard's: entries in some, 128 to a chunk, each kind of cell by itself (f64 key, u32 address, u32 length); records one after another in others. A corrected
 * record replaces the one before it.
 */

/** A page with more is written at once: bounds memory per page (about 128 B each) and the time of a look-up. */
export const PENDING_WINDOWS_PER_PAGE_MAX = 512;

const ENTRIES_PER_CHUNK = CHUNK_BYTES / 16;
const ENTRY_SHIFT = Math.log2(ENTRIES_PER_CHUNK);
const ENTRY_ADDRESSES = ENTRIES_PER_CHUNK * 8;
const ENTRY_LENGTHS = ENTRIES_PER_CHUNK * 12;
/** Records begin at multiples of it. An address is a chunk's number and the record's place in it. */
const RECORD_ALIGN = 8;
const PLACES_PER_CHUNK = CHUNK_BYTES / RECORD_ALIGN;
const NO_CHUNK = -1;

/** What a pending record is about, as one number: window number, granularity (0 = 1m, 1 = 15m) and row in the page. */
export function pendingKey(granularity: number, windowNumber: number, rowInPage: number): number {
  return (windowNumber * 2 + granularity) * 64 + rowInPage;
}

export function pendingKeyParts(key: number): { granularity: number; windowNumber: number; rowInPage: number } {
  const rowInPage = key % 64;
  const rest = (key - rowInPage) / 64;
  const granularity = rest % 2;
  return { granularity, windowNumber: (rest - granularity) / 2, rowInPage };
}

export class PendingWindows {
  count = 0;
  private readonly memory: ChunkMemory;
  private entryChunks: number[] = [];
  private recordChunks: number[] = [];
  private lastChunk = NO_CHUNK;
  private lastUsed = 0;
  /** Records that no chunk can hold, by position: their length says that they are here. */
  private large: Map<number, Uint8Array> | null = null;
  private used = 0;

  constructor(memory: ChunkMemory) {
    this.memory = memory;
  }

  /** Another, empty, in the same memory. */
  successor(): PendingWindows {
    return new PendingWindows(this.memory);
  }

  /** Of its records, those that were replaced by longer ones among them. */
  get bytesUsed(): number {
    return this.used;
  }

  /** Position of the record, or −1. */
  find(key: number): number {
    for (let c = this.entryChunks.length - 1; c >= 0; c--) {
      const chunk = this.entryChunks[c];
      const keys = this.memory.blockOf(chunk).f64;
      const first = chunkOffset(chunk) >> 3;
      const before = c << ENTRY_SHIFT;
      for (let i = Math.min(this.count - before, ENTRIES_PER_CHUNK) - 1; i >= 0; i--) if (keys[first + i] === key) return before + i;
    }
    return -1;
  }

  keyAt(position: number): number {
    const chunk = this.entryChunks[position >> ENTRY_SHIFT];
    return this.memory.blockOf(chunk).f64[(chunkOffset(chunk) >> 3) + (position & (ENTRIES_PER_CHUNK - 1))];
  }

  /** All keys, ascending; a copy. */
  sortedKeys(): Float64Array {
    return Float64Array.from({ length: this.count }, (_, position) => this.keyAt(position)).sort();
  }

  /** The record at a position (borrowed until the next put). */
  recordAt(position: number): Uint8Array {
    const length = this.lengthAt(position);
    if (length > CHUNK_BYTES) return this.large!.get(position)!;
    const address = this.cellAt(position, ENTRY_ADDRESSES);
    const chunk = Math.floor(address / PLACES_PER_CHUNK);
    const start = chunkOffset(chunk) + (address % PLACES_PER_CHUNK) * RECORD_ALIGN;
    return this.memory.blockOf(chunk).u8.subarray(start, start + length);
  }

  /** Keeps a copy of the record, in place of an earlier one with the same key. */
  put(key: number, record: Uint8Array): void {
    const { length } = record;
    let position = this.find(key);
    if (position < 0) position = this.addEntry(key);
    else {
      const held = this.lengthAt(position);
      if (held >= length && held <= CHUNK_BYTES) {
        this.recordAt(position).set(record);
        this.setCellAt(position, ENTRY_LENGTHS, length);
        return;
      }
    }
    this.used += length;
    this.setCellAt(position, ENTRY_LENGTHS, length);
    if (length > CHUNK_BYTES) {
      this.large ??= new Map();
      this.large.set(position, record.slice());
      return;
    }
    this.setCellAt(position, ENTRY_ADDRESSES, this.placeFor(length));
    this.recordAt(position).set(record);
  }

  /** Takes in what `older` holds and this does not: what a failed commit gives back. */
  absorb(older: PendingWindows): void {
    for (let i = 0; i < older.count; i++) {
      const key = older.keyAt(i);
      if (this.find(key) < 0) this.put(key, older.recordAt(i));
    }
  }

  /** Ends its use: what it held is on disk. Records borrowed from it are void. */
  release(): void {
    for (const chunk of this.entryChunks) this.memory.give(chunk);
    for (const chunk of this.recordChunks) this.memory.give(chunk);
    this.entryChunks = [];
    this.recordChunks = [];
    this.lastChunk = NO_CHUNK;
    this.large = null;
    this.count = 0;
    this.used = 0;
  }

  private addEntry(key: number): number {
    const position = this.count++;
    if (position >> ENTRY_SHIFT === this.entryChunks.length) this.entryChunks.push(this.memory.take());
    const chunk = this.entryChunks[position >> ENTRY_SHIFT];
    this.memory.blockOf(chunk).f64[(chunkOffset(chunk) >> 3) + (position & (ENTRIES_PER_CHUNK - 1))] = key;
    return position;
  }

  /** Address of room for a record. */
  private placeFor(length: number): number {
    if (this.lastChunk === NO_CHUNK || this.lastUsed + length > CHUNK_BYTES) {
      this.lastChunk = this.memory.take();
      this.lastUsed = 0;
      this.recordChunks.push(this.lastChunk);
    }
    const address = this.lastChunk * PLACES_PER_CHUNK + this.lastUsed / RECORD_ALIGN;
    this.lastUsed += Math.ceil(length / RECORD_ALIGN) * RECORD_ALIGN;
    return address;
  }

  private lengthAt(position: number): number {
    return this.cellAt(position, ENTRY_LENGTHS);
  }

  private cellAt(position: number, cells: number): number {
    const chunk = this.entryChunks[position >> ENTRY_SHIFT];
    return this.memory.blockOf(chunk).u32[((chunkOffset(chunk) + cells) >> 2) + (position & (ENTRIES_PER_CHUNK - 1))];
  }

  private setCellAt(position: number, cells: number, value: number): void {
    const chunk = this.entryChunks[position >> ENTRY_SHIFT];
    this.memory.blockOf(chunk).u32[((chunkOffset(chunk) + cells) >> 2) + (position & (ENTRIES_PER_CHUNK - 1))] = value;
  }
}
