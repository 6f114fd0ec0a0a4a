import { crc32 } from 'node:zlib';
import { Packr, Unpackr } from 'msgpackr';
import type { DecodedReading } from './decoded-reading.ts';
import type { RejectCode } from './reading.ts';
import { RegionDictionary } from './region-dictionary.ts';

/**
 * A batch of readings as columns in one ArrayBuffer. The same bytes travel between threads (transferred, never cloned), lie in
 * the journal, and are folded into shard state, so a reading is laid out once between the socket and the disk.
 *
 * Layout, little endian: a header of HEADER_BYTES, then columns of `count` elements, widest first so that each is aligned,
 * then the region dictionary (length byte and bytes each), the meterId heap, and the dead letters (msgpack array).
 * Optional columns are there only when a reading of the batch carries the field; absent elements are NaN.
 */

const MAGIC = 0x42474553; // 'SEGB'
/** Raised when the layout changes; the journal may hold older ones. */
export const READING_BATCH_VERSION = 1;
const HEADER_BYTES = 48;
const HEADER = { magic: 0, version: 4, present: 6, count: 8, regionCount: 12, regionBytes: 16, heapBytes: 20, deadLetterCount: 24, deadLetterBytes: 28, receivedAt: 32, checksum: 40 } as const;

/** Bits of the header's `present`, in the order of the optional columns. */
const PRESENT = { energyKwh: 1, voltage: 2, current: 4, frequency: 8, powerFactor: 16, seq: 32, readingId: 64 } as const;

/** A reading the ingest thread refused, on its way to the dead-letter store. */
export interface RejectedReading {
  code: RejectCode;
  message: string;
  /** Position in the request. */
  index: number;
  /** The element as it was sent, cut to DEAD_LETTER_RAW_BYTES_MAX, as latin1 or UTF-8 text. */
  raw: string;
}

/** Bytes of a refused reading that are kept: enough to see what was wrong, too little to fill a disk with. */
export const DEAD_LETTER_RAW_BYTES_MAX = 512;

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false });

/** A place in a builder to roll back to when the rest of a request turns out unreadable. */
export interface BatchMark {
  count: number;
  heapLength: number;
  regionCount: number;
  deadLetters: number;
  present: number;
}

/** Collects readings for one shard. Columns grow by doubling up to what callers put in; callers bound that. */
export class ReadingBatchBuilder {
  count = 0;
  /** Readings that it holds without growing. */
  capacity: number;
  private present = 0;
  private timestamp: Float64Array;
  private powerKw: Float64Array;
  private energyKwh: Float64Array;
  private voltage: Float64Array;
  private current: Float64Array;
  private frequency: Float64Array;
  private powerFactor: Float64Array;
  private seq: Float64Array;
  private readingIdLow: Uint32Array;
  private readingIdHigh: Uint32Array;
  private meterHash: Uint32Array;
  private idStart: Uint32Array;
  private region: Uint16Array;
  private idLength: Uint8Array;
  private flags: Uint8Array;
  private heap: Uint8Array;
  private heapLength = 0;
  private readonly regions = new RegionDictionary();
  private readonly rejected: RejectedReading[] = [];

  constructor(initialCapacity = 512) {
    this.capacity = initialCapacity;
    this.timestamp = new Float64Array(initialCapacity);
    this.powerKw = new Float64Array(initialCapacity);
    this.energyKwh = new Float64Array(initialCapacity);
    this.voltage = new Float64Array(initialCapacity);
    this.current = new Float64Array(initialCapacity);
    this.frequency = new Float64Array(initialCapacity);
    this.powerFactor = new Float64Array(initialCapacity);
    this.seq = new Float64Array(initialCapacity);
    this.readingIdLow = new Uint32Array(initialCapacity);
    this.readingIdHigh = new Uint32Array(initialCapacity);
    this.meterHash = new Uint32Array(initialCapacity);
    this.idStart = new Uint32Array(initialCapacity);
    this.region = new Uint16Array(initialCapacity);
    this.idLength = new Uint8Array(initialCapacity);
    this.flags = new Uint8Array(initialCapacity);
    this.heap = new Uint8Array(initialCapacity * 16);
  }

  /** Appends a copy of the reading; returns its position in the batch. */
  append(reading: DecodedReading): number {
    if (this.count === this.capacity) this.grow();
    const i = this.count;
    this.timestamp[i] = reading.timestamp;
    this.powerKw[i] = reading.powerKw;
    let present = this.present;
    // x === x is false for NaN alone.
    if (reading.energyKwh === reading.energyKwh) present |= PRESENT.energyKwh;
    this.energyKwh[i] = reading.energyKwh;
    if (reading.voltage === reading.voltage) present |= PRESENT.voltage;
    this.voltage[i] = reading.voltage;
    if (reading.current === reading.current) present |= PRESENT.current;
    this.current[i] = reading.current;
    if (reading.frequency === reading.frequency) present |= PRESENT.frequency;
    this.frequency[i] = reading.frequency;
    if (reading.powerFactor === reading.powerFactor) present |= PRESENT.powerFactor;
    this.powerFactor[i] = reading.powerFactor;
    if (reading.seq === reading.seq) present |= PRESENT.seq;
    this.seq[i] = reading.seq;
    if (reading.flags & 2) present |= PRESENT.readingId;
    this.readingIdLow[i] = reading.readingIdLow;
    this.readingIdHigh[i] = reading.readingIdHigh;
    this.present = present;
    this.flags[i] = reading.flags;
    this.meterHash[i] = reading.meterHash;
    this.region[i] = this.regions.intern(reading.region, reading.regionLength);
    const length = reading.meterIdLength;
    if (this.heapLength + length > this.heap.length) this.growHeap(length);
    const heap = this.heap;
    const id = reading.meterId;
    const start = this.heapLength;
    for (let k = 0; k < length; k++) heap[start + k] = id[k];
    this.heapLength = start + length;
    this.idStart[i] = start;
    this.idLength[i] = length;
    this.count = i + 1;
    return i;
  }

  /** Sends a refused reading along to the shard's dead-letter store. */
  appendRejected(rejected: RejectedReading): void {
    this.rejected.push(rejected);
  }

  get isEmpty(): boolean {
    return this.count === 0 && this.rejected.length === 0;
  }

  /** Bytes that `pack` would make, about: what a bound on memory in flight counts. */
  get approximateBytes(): number {
    return this.count * 88 + this.heapLength + this.rejected.length * 256;
  }

  mark(): BatchMark {
    return {
      count: this.count,
      heapLength: this.heapLength,
      regionCount: this.regions.count,
      deadLetters: this.rejected.length,
      present: this.present,
    };
  }

  /** Forgets everything appended since `mark`. */
  rollback(mark: BatchMark): void {
    this.count = mark.count;
    this.heapLength = mark.heapLength;
    this.present = mark.present;
    this.rejected.length = mark.deadLetters;
    this.regions.truncate(mark.regionCount);
  }

  /**
   * The batch in an ArrayBuffer, free to be transferred; the builder is empty afterwards. `bufferOf` gives a buffer of at least the length it is asked
   * for, with anything in it; absent, it has the batch's own length.
   */
  pack(bufferOf: (bytes: number) => ArrayBuffer = (bytes) => new ArrayBuffer(bytes)): PackedBatch {
    const n = this.count;
    const regions = this.regions.packed();
    const deadLetters = this.rejected.length === 0 ? new Uint8Array(0) : packr.pack(this.rejected);
    const layout = layoutOf(n, this.present);
    const bytes = layout.end + regions.length + this.heapLength + deadLetters.length;
    const buffer = bufferOf(bytes);
    new Uint8Array(buffer, 0, HEADER_BYTES).fill(0);
    const header = new DataView(buffer, 0, HEADER_BYTES);
    header.setUint32(HEADER.magic, MAGIC, true);
    header.setUint16(HEADER.version, READING_BATCH_VERSION, true);
    header.setUint16(HEADER.present, this.present, true);
    header.setUint32(HEADER.count, n, true);
    header.setUint32(HEADER.regionCount, this.regions.count, true);
    header.setUint32(HEADER.regionBytes, regions.length, true);
    header.setUint32(HEADER.heapBytes, this.heapLength, true);
    header.setUint32(HEADER.deadLetterCount, this.rejected.length, true);
    header.setUint32(HEADER.deadLetterBytes, deadLetters.length, true);
    const f64 = (at: number, column: Float64Array) => {
      if (at >= 0) new Float64Array(buffer, at, n).set(column.subarray(0, n));
    };
    const u32 = (at: number, column: Uint32Array) => {
      if (at >= 0) new Uint32Array(buffer, at, n).set(column.subarray(0, n));
    };
    f64(layout.timestamp, this.timestamp);
    f64(layout.powerKw, this.powerKw);
    f64(layout.energyKwh, this.energyKwh);
    f64(layout.voltage, this.voltage);
    f64(layout.current, this.current);
    f64(layout.frequency, this.frequency);
    f64(layout.powerFactor, this.powerFactor);
    f64(layout.seq, this.seq);
    u32(layout.readingIdLow, this.readingIdLow);
    u32(layout.readingIdHigh, this.readingIdHigh);
    u32(layout.meterHash, this.meterHash);
    u32(layout.idStart, this.idStart);
    new Uint16Array(buffer, layout.region, n).set(this.region.subarray(0, n));
    new Uint8Array(buffer, layout.idLength, n).set(this.idLength.subarray(0, n));
    new Uint8Array(buffer, layout.flags, n).set(this.flags.subarray(0, n));
    const all = new Uint8Array(buffer);
    all.set(regions, layout.end);
    all.set(this.heap.subarray(0, this.heapLength), layout.end + regions.length);
    all.set(deadLetters, layout.end + regions.length + this.heapLength);
    this.reset();
    return { buffer, bytes };
  }

  private reset(): void {
    this.count = 0;
    this.present = 0;
    this.heapLength = 0;
    this.regions.truncate(0);
    this.rejected.length = 0;
  }

  private grow(): void {
    const capacity = this.capacity * 2;
    const f64 = (column: Float64Array) => {
      const next = new Float64Array(capacity);
      next.set(column);
      return next;
    };
    const u32 = (column: Uint32Array) => {
      const next = new Uint32Array(capacity);
      next.set(column);
      return next;
    };
    const u8 = (column: Uint8Array) => {
      const next = new Uint8Array(capacity);
      next.set(column);
      return next;
    };
    this.timestamp = f64(this.timestamp);
    this.powerKw = f64(this.powerKw);
    this.energyKwh = f64(this.energyKwh);
    this.voltage = f64(this.voltage);
    this.current = f64(this.current);
    this.frequency = f64(this.frequency);
    this.powerFactor = f64(this.powerFactor);
    this.seq = f64(this.seq);
    this.readingIdLow = u32(this.readingIdLow);
    this.readingIdHigh = u32(this.readingIdHigh);
    this.meterHash = u32(this.meterHash);
    this.idStart = u32(this.idStart);
    const region = new Uint16Array(capacity);
    region.set(this.region);
    this.region = region;
    this.idLength = u8(this.idLength);
    this.flags = u8(this.flags);
    this.capacity = capacity;
  }

  private growHeap(needed: number): void {
    const next = new Uint8Array(Math.max(this.heap.length * 2, this.heapLength + needed));
    next.set(this.heap.subarray(0, this.heapLength));
    this.heap = next;
  }
}

/** True when the bytes begin like a packed batch. */
export function isReadingBatch(bytes: Uint8Array): boolean {
  return bytes.length >= HEADER_BYTES && new DataView(bytes.buffer, bytes.byteOffset).getUint32(HEADER.magic, true) === MAGIC;
}

/** The version of a packed batch, whatever it is. */
export function readingBatchVersion(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint16(HEADER.version, true);
}

/** Writes when the engine took the batch in (epoch ms) and a checksum over all of it into its header: what makes it a log record. */
export function sealReadingBatch(bytes: Uint8Array, receivedAtMs: number): void {
  const header = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  header.setFloat64(HEADER.receivedAt, receivedAtMs, true);
  header.setUint32(HEADER.checksum, checksumOf(bytes), true);
}

/** When a batch was taken in, as it says; whether it is sound is not looked at. */
export function receivedAtAsSaid(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES).getFloat64(HEADER.receivedAt, true);
}

/** When a sealed batch was taken in, or null when its checksum is wrong. */
export function receivedAtOfSealed(bytes: Uint8Array): number | null {
  const header = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  return header.getUint32(HEADER.checksum, true) === checksumOf(bytes) ? header.getFloat64(HEADER.receivedAt, true) : null;
}

function checksumOf(bytes: Uint8Array): number {
  return crc32(bytes.subarray(HEADER.checksum + 4), crc32(bytes.subarray(0, HEADER.checksum)));
}

interface Layout {
  timestamp: number;
  powerKw: number;
  energyKwh: number;
  voltage: number;
  current: number;
  frequency: number;
  powerFactor: number;
  seq: number;
  readingIdLow: number;
  readingIdHigh: number;
  meterHash: number;
  idStart: number;
  region: number;
  idLength: number;
  flags: number;
  end: number;
}

/** Byte offset of each column; −1 for an optional column that is not there. */
function layoutOf(n: number, present: number): Layout {
  let at = HEADER_BYTES;
  const take = (bytesEach: number, there: boolean): number => {
    if (!there) return -1;
    const start = at;
    at += bytesEach * n;
    return start;
  };
  return {
    timestamp: take(8, true),
    powerKw: take(8, true),
    energyKwh: take(8, (present & PRESENT.energyKwh) !== 0),
    voltage: take(8, (present & PRESENT.voltage) !== 0),
    current: take(8, (present & PRESENT.current) !== 0),
    frequency: take(8, (present & PRESENT.frequency) !== 0),
    powerFactor: take(8, (present & PRESENT.powerFactor) !== 0),
    seq: take(8, (present & PRESENT.seq) !== 0),
    readingIdLow: take(4, (present & PRESENT.readingId) !== 0),
    readingIdHigh: take(4, (present & PRESENT.readingId) !== 0),
    meterHash: take(4, true),
    idStart: take(4, true),
    region: take(2, true),
    idLength: take(1, true),
    flags: take(1, true),
    end: at,
  };
}

/** A packed batch's columns as views over its buffer (borrowed; nothing is copied). Optional columns are null when absent. */
export interface ReadingBatch {
  readonly count: number;
  readonly bytes: Uint8Array;
  readonly timestamp: Float64Array;
  readonly powerKw: Float64Array;
  readonly energyKwh: Float64Array | null;
  readonly voltage: Float64Array | null;
  readonly current: Float64Array | null;
  readonly frequency: Float64Array | null;
  readonly powerFactor: Float64Array | null;
  readonly seq: Float64Array | null;
  readonly readingIdLow: Uint32Array | null;
  readonly readingIdHigh: Uint32Array | null;
  readonly meterHash: Uint32Array;
  /** Into `bytes`. */
  readonly idStart: Uint32Array;
  /** What to add to idStart to index `bytes`. */
  readonly heapStart: number;
  /** Index into `regions`. */
  readonly region: Uint16Array;
  readonly idLength: Uint8Array;
  readonly flags: Uint8Array;
  readonly regions: readonly string[];
  readonly deadLetterCount: number;
  /** Decodes the dead letters; rare, so not done for every batch. */
  deadLetters(): RejectedReading[];
}

/** A batch as it is sent and logged. */
export interface PackedBatch {
  /** May be longer than the batch. */
  buffer: ArrayBuffer;
  /** Length of the batch. */
  bytes: number;
}

/** How many readings a packed batch has. Throws as `openReadingBatch` does. */
export function readingsIn({ buffer, bytes }: PackedBatch): number {
  return readHeader(buffer, 0, bytes).count;
}

/** Views over a packed batch. Throws when the bytes are not one; `buffer` must be 8-byte aligned at `byteOffset`. */
export function openReadingBatch(buffer: ArrayBufferLike, byteOffset: number, byteLength: number): ReadingBatch {
  const { count: n, layout, regionCount, regionBytes, heapBytes, deadLetterCount, deadLetterBytes } = readHeader(buffer, byteOffset, byteLength);
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  const f64 = (at: number) => (at < 0 ? null : new Float64Array(buffer, byteOffset + at, n));
  const u32 = (at: number) => (at < 0 ? null : new Uint32Array(buffer, byteOffset + at, n));
  const regions: string[] = [];
  const text = Buffer.from(buffer, byteOffset + layout.end, regionBytes);
  for (let at = 0, r = 0; r < regionCount; r++) {
    const length = text[at];
    regions.push(text.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const heapStart = layout.end + regionBytes;
  return {
    count: n,
    bytes,
    timestamp: f64(layout.timestamp)!,
    powerKw: f64(layout.powerKw)!,
    energyKwh: f64(layout.energyKwh),
    voltage: f64(layout.voltage),
    current: f64(layout.current),
    frequency: f64(layout.frequency),
    powerFactor: f64(layout.powerFactor),
    seq: f64(layout.seq),
    readingIdLow: u32(layout.readingIdLow),
    readingIdHigh: u32(layout.readingIdHigh),
    meterHash: u32(layout.meterHash)!,
    idStart: u32(layout.idStart)!,
    heapStart,
    region: new Uint16Array(buffer, byteOffset + layout.region, n),
    idLength: new Uint8Array(buffer, byteOffset + layout.idLength, n),
    flags: new Uint8Array(buffer, byteOffset + layout.flags, n),
    regions,
    deadLetterCount,
    deadLetters: () => (deadLetterBytes === 0 ? [] : (unpackr.unpack(bytes.subarray(heapStart + heapBytes)) as RejectedReading[])),
  };
}

interface Header {
  count: number;
  layout: Layout;
  regionCount: number;
  regionBytes: number;
  heapBytes: number;
  deadLetterCount: number;
  deadLetterBytes: number;
}

function readHeader(buffer: ArrayBufferLike, byteOffset: number, byteLength: number): Header {
  if (byteLength < HEADER_BYTES) throw new Error(`reading batch of ${byteLength} bytes is shorter than its header`);
  const view = new DataView(buffer, byteOffset, HEADER_BYTES);
  if (view.getUint32(HEADER.magic, true) !== MAGIC) throw new Error('not a reading batch: wrong magic');
  const version = view.getUint16(HEADER.version, true);
  if (version !== READING_BATCH_VERSION) throw new Error(`reading batch has version ${version}, this engine reads ${READING_BATCH_VERSION}`);
  const count = view.getUint32(HEADER.count, true);
  const header: Header = {
    count,
    layout: layoutOf(count, view.getUint16(HEADER.present, true)),
    regionCount: view.getUint32(HEADER.regionCount, true),
    regionBytes: view.getUint32(HEADER.regionBytes, true),
    heapBytes: view.getUint32(HEADER.heapBytes, true),
    deadLetterCount: view.getUint32(HEADER.deadLetterCount, true),
    deadLetterBytes: view.getUint32(HEADER.deadLetterBytes, true),
  };
  if (header.layout.end + header.regionBytes + header.heapBytes + header.deadLetterBytes !== byteLength) throw new Error('reading batch has another length than its header says');
  return header;
}
