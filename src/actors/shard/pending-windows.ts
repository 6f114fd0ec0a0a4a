/**
 * A page's closed and corrected windows that are not on disk yet: what a query or a late reading must look at before the store. They go to
 * disk in the transaction that writes the page's snapshot, so page and windows always stand for the same log position.
 *
 * Records lie one after another in one buffer; a corrected record replaces the one before it.
 */

/** A page with more is written at once: bounds memory per page (about 128 B each) and the time of a look-up. */
export const PENDING_WINDOWS_PER_PAGE_MAX = 512;

const CAPACITY_MIN = 8;
const BYTES_MIN = 1_024;
/** Memory kept for records to come, in all. */
const SPARE_BYTES_MAX = 8 * 1024 * 1024;

/**
 * Memory of records that are on disk, for those to come. All meters' windows close every minute: let go each time, it is so much garbage outside V8's heap
 * that V8 goes through all of the heap for it, several times a second (bench/RESULTS.md). One a thread, as a thread has one shard.
 */
class SpareMemory {
  private readonly bySize = new Map<number, Uint8Array<ArrayBuffer>[]>();
  private bytes = 0;

  /** At least `length` bytes; a power of two. */
  take(length: number): Uint8Array<ArrayBuffer> {
    let size = BYTES_MIN;
    while (size < length) size *= 2;
    const spare = this.bySize.get(size)?.pop();
    if (spare === undefined) return new Uint8Array(size);
    this.bytes -= size;
    return spare;
  }

  give(memory: Uint8Array<ArrayBuffer>): void {
    const size = memory.length;
    if (size === 0 || this.bytes + size > SPARE_BYTES_MAX) return;
    const spares = this.bySize.get(size);
    if (spares === undefined) this.bySize.set(size, [memory]);
    else spares.push(memory);
    this.bytes += size;
  }
}

const spareMemory = new SpareMemory();

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
  private keys = new Float64Array(0);
  private starts = new Uint32Array(0);
  private lengths = new Uint32Array(0);
  private bytes = new Uint8Array(0);
  private used = 0;

  /** Of its records, those that were replaced by longer ones among them. */
  get bytesUsed(): number {
    return this.used;
  }

  /** Position of the record, or −1. */
  find(key: number): number {
    const keys = this.keys;
    for (let i = this.count - 1; i >= 0; i--) if (keys[i] === key) return i;
    return -1;
  }

  keyAt(position: number): number {
    return this.keys[position];
  }

  /** All keys, ascending; a copy. */
  sortedKeys(): Float64Array {
    return this.keys.slice(0, this.count).sort();
  }

  /** The record at a position (borrowed until the next put). */
  recordAt(position: number): Uint8Array {
    return this.bytes.subarray(this.starts[position], this.starts[position] + this.lengths[position]);
  }

  /** Keeps a copy of the record, in place of an earlier one with the same key. */
  put(key: number, record: Uint8Array): void {
    const length = record.length;
    let position = this.find(key);
    if (position >= 0 && this.lengths[position] >= length) {
      this.bytes.set(record, this.starts[position]);
      this.lengths[position] = length;
      return;
    }
    if (this.used + length > this.bytes.length) this.growBytes(length);
    if (position < 0) {
      if (this.count === this.keys.length) this.growEntries();
      position = this.count++;
      this.keys[position] = key;
    }
    this.bytes.set(record, this.used);
    this.starts[position] = this.used;
    this.lengths[position] = length;
    this.used += length;
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
    spareMemory.give(this.bytes);
    this.bytes = new Uint8Array(0);
    this.count = 0;
    this.used = 0;
  }

  private growBytes(needed: number): void {
    const next = spareMemory.take(Math.max(this.bytes.length * 2, this.used + needed));
    next.set(this.bytes.subarray(0, this.used));
    spareMemory.give(this.bytes);
    this.bytes = next;
  }

  private growEntries(): void {
    const capacity = Math.max(CAPACITY_MIN, this.keys.length * 2);
    const keys = new Float64Array(capacity);
    keys.set(this.keys);
    this.keys = keys;
    const starts = new Uint32Array(capacity);
    starts.set(this.starts);
    this.starts = starts;
    const lengths = new Uint32Array(capacity);
    lengths.set(this.lengths);
    this.lengths = lengths;
  }
}
