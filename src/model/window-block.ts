import { GRANULARITY_MS, type EnergySource, type Granularity, type MeterWindow } from './window.ts';

/**
 * Meters' windows packed into one ArrayBuffer, so that thousands of them travel from a shard's outbox to a sink without an object each.
 *
 * Layout: a header of HEADER_BYTES, then ROW_BYTES for each window (doubles first, so that all fields are aligned; numbers in the order of
 * this machine, as a block never leaves it), the regions (length in two bytes, then UTF-8), and the meterIds (UTF-8). Voltages that are not
 * there are NaN. `windowEnd` follows from start and granularity.
 */

const MAGIC = 0x57474553; // 'SEGW'
/** Raised when the layout changes. */
export const WINDOW_BLOCK_VERSION = 1;
const HEADER_BYTES = 24;
/** Index into a Uint32Array over the header. */
const HEADER = { magic: 0, version: 1, count: 2, regionCount: 3, regionBytes: 4, idBytes: 5 } as const;

const ROW_BYTES = 88;
/** Index into the row as doubles. */
const F64 = { windowStart: 0, avgPowerKw: 1, minPowerKw: 2, maxPowerKw: 3, energyKwhSum: 4, voltageAvg: 5, voltageMin: 6, voltageMax: 7 } as const;
/** Index into the row as 32-bit words. */
const U32 = { count: 16, revision: 17, idStart: 18, region: 19 } as const;
const U16_ID_LENGTH = 40;
const U8_FLAGS = 82;
const FLAG = { quarterHour: 1, measured: 2, final: 4 } as const;

const F64_PER_ROW = ROW_BYTES / 8;
const U32_PER_ROW = ROW_BYTES / 4;
const U16_PER_ROW = ROW_BYTES / 2;

/** Longest meterId and region, in bytes: what two bytes can count. Ids of the engine have 64 at most. */
const NAME_BYTES_MAX = 65_535;
/** Rows of a new builder; it doubles from there, up to what the caller puts in. */
const ROWS_MIN = 64;
const ID_BYTES_EXPECTED = 16;

const encoder = new TextEncoder();

/** Collects windows for one block. */
export class WindowBlockBuilder {
  private rows = 0;
  private capacity: number;
  private f64: Float64Array;
  private u32: Uint32Array;
  private u16: Uint16Array;
  private u8: Uint8Array;
  private ids: Uint8Array;
  private idsUsed = 0;
  private lastId = '';
  private lastIdStart = 0;
  private lastIdLength = 0;
  private readonly regions = new Map<string, number>();

  constructor(initialCapacity = ROWS_MIN) {
    this.capacity = Math.max(1, initialCapacity);
    const buffer = new ArrayBuffer(this.capacity * ROW_BYTES);
    this.f64 = new Float64Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.u8 = new Uint8Array(buffer);
    this.ids = new Uint8Array(this.capacity * ID_BYTES_EXPECTED);
  }

  get count(): number {
    return this.rows;
  }

  /** Appends a copy of the window. Numbers that are not there (null) come back as null, NaN voltages do too. */
  add(window: MeterWindow): void {
    if (this.rows === this.capacity) this.grow();
    // A meter's windows come one after the other, and share its id.
    if (window.meterId !== this.lastId || this.lastIdLength === 0) this.addId(window.meterId);
    const i = this.rows;
    const d = i * F64_PER_ROW;
    this.f64[d + F64.windowStart] = window.windowStart;
    this.f64[d + F64.avgPowerKw] = window.avgPowerKw;
    this.f64[d + F64.minPowerKw] = window.minPowerKw;
    this.f64[d + F64.maxPowerKw] = window.maxPowerKw;
    this.f64[d + F64.energyKwhSum] = window.energyKwhSum;
    this.f64[d + F64.voltageAvg] = window.voltageAvg ?? NaN;
    this.f64[d + F64.voltageMin] = window.voltageMin ?? NaN;
    this.f64[d + F64.voltageMax] = window.voltageMax ?? NaN;
    const w = i * U32_PER_ROW;
    this.u32[w + U32.count] = window.count;
    this.u32[w + U32.revision] = window.revision;
    this.u32[w + U32.idStart] = this.lastIdStart;
    this.u32[w + U32.region] = this.regionNumber(window.region);
    this.u16[i * U16_PER_ROW + U16_ID_LENGTH] = this.lastIdLength;
    let flags = window.granularity === '15m' ? FLAG.quarterHour : 0;
    if (window.energySource === 'measured') flags |= FLAG.measured;
    if (window.final) flags |= FLAG.final;
    this.u8[i * ROW_BYTES + U8_FLAGS] = flags;
    this.rows = i + 1;
  }

  /** The block in an ArrayBuffer of its own, free to be transferred; the builder is empty afterwards. */
  finish(): ArrayBuffer {
    const names = [...this.regions.keys()].map((region) => encoder.encode(region));
    const regionBytes = names.reduce((sum, name) => sum + 2 + name.length, 0);
    const rowBytes = this.rows * ROW_BYTES;
    const buffer = new ArrayBuffer(HEADER_BYTES + rowBytes + regionBytes + this.idsUsed);
    const header = new Uint32Array(buffer, 0, HEADER_BYTES / 4);
    header[HEADER.magic] = MAGIC;
    header[HEADER.version] = WINDOW_BLOCK_VERSION;
    header[HEADER.count] = this.rows;
    header[HEADER.regionCount] = names.length;
    header[HEADER.regionBytes] = regionBytes;
    header[HEADER.idBytes] = this.idsUsed;
    const bytes = new Uint8Array(buffer);
    bytes.set(this.u8.subarray(0, rowBytes), HEADER_BYTES);
    let at = HEADER_BYTES + rowBytes;
    for (const name of names) {
      bytes[at] = name.length & 0xff;
      bytes[at + 1] = name.length >>> 8;
      bytes.set(name, at + 2);
      at += 2 + name.length;
    }
    bytes.set(this.ids.subarray(0, this.idsUsed), at);
    this.clear();
    return buffer;
  }

  /** Forgets what was added. */
  clear(): void {
    this.rows = 0;
    this.idsUsed = 0;
    this.lastId = '';
    this.lastIdLength = 0;
    this.regions.clear();
  }

  private regionNumber(region: string): number {
    let number = this.regions.get(region);
    if (number === undefined) {
      if (Buffer.byteLength(region) > NAME_BYTES_MAX) throw new RangeError(`a region of ${region.length} characters is too long for a window block`);
      number = this.regions.size;
      this.regions.set(region, number);
    }
    return number;
  }

  private addId(id: string): void {
    // Three bytes of UTF-8 for a character at most.
    if (this.idsUsed + id.length * 3 > this.ids.length) this.growIds(id.length * 3);
    const start = this.idsUsed;
    let length = 0;
    let code = 0;
    for (; length < id.length; length++) {
      code = id.charCodeAt(length);
      if (code > 127) break;
      this.ids[start + length] = code;
    }
    if (code > 127) length = encoder.encodeInto(id, this.ids.subarray(start)).written;
    if (length > NAME_BYTES_MAX) throw new RangeError(`a meterId of ${id.length} characters is too long for a window block`);
    this.idsUsed = start + length;
    this.lastId = id;
    this.lastIdStart = start;
    this.lastIdLength = length;
  }

  private grow(): void {
    this.capacity *= 2;
    const u8 = new Uint8Array(this.capacity * ROW_BYTES);
    u8.set(this.u8);
    this.u8 = u8;
    this.f64 = new Float64Array(u8.buffer);
    this.u32 = new Uint32Array(u8.buffer);
    this.u16 = new Uint16Array(u8.buffer);
  }

  private growIds(needed: number): void {
    const ids = new Uint8Array(Math.max(this.ids.length * 2, this.idsUsed + needed));
    ids.set(this.ids.subarray(0, this.idsUsed));
    this.ids = ids;
  }
}

/** A block's windows, field by field (borrowed; nothing is copied). `i` is 0 … count − 1 and is not checked. */
export class WindowBlock {
  readonly count: number;
  /** The names that `regionNumber` numbers. */
  readonly regions: readonly string[];
  /** The whole block; `idStart` and `idLength` index it. */
  readonly bytes: Uint8Array;
  private readonly f64: Float64Array;
  private readonly u32: Uint32Array;
  private readonly u16: Uint16Array;
  private readonly u8: Uint8Array;
  private readonly idsStart: number;
  private readonly text: Buffer;

  /** Use `openWindowBlock`. */
  constructor(buffer: ArrayBuffer, count: number, regions: readonly string[], idsStart: number) {
    this.count = count;
    this.regions = regions;
    this.bytes = new Uint8Array(buffer);
    this.f64 = new Float64Array(buffer, HEADER_BYTES, count * F64_PER_ROW);
    this.u32 = new Uint32Array(buffer, HEADER_BYTES, count * U32_PER_ROW);
    this.u16 = new Uint16Array(buffer, HEADER_BYTES, count * U16_PER_ROW);
    this.u8 = new Uint8Array(buffer, HEADER_BYTES, count * ROW_BYTES);
    this.idsStart = idsStart;
    this.text = Buffer.from(buffer);
  }

  meterId(i: number): string {
    const start = this.idStart(i);
    return this.text.toString('utf8', start, start + this.idLength(i));
  }

  /** Where the meterId's UTF-8 begins in `bytes`. */
  idStart(i: number): number {
    return this.idsStart + this.u32[i * U32_PER_ROW + U32.idStart];
  }

  idLength(i: number): number {
    return this.u16[i * U16_PER_ROW + U16_ID_LENGTH];
  }

  region(i: number): string {
    return this.regions[this.regionNumber(i)];
  }

  regionNumber(i: number): number {
    return this.u32[i * U32_PER_ROW + U32.region];
  }

  granularity(i: number): Granularity {
    return this.u8[i * ROW_BYTES + U8_FLAGS] & FLAG.quarterHour ? '15m' : '1m';
  }

  /** Epoch milliseconds. */
  windowStart(i: number): number {
    return this.f64[i * F64_PER_ROW + F64.windowStart];
  }

  /** Epoch milliseconds, exclusive. */
  windowEnd(i: number): number {
    return this.windowStart(i) + GRANULARITY_MS[this.granularity(i)];
  }

  avgPowerKw(i: number): number {
    return this.f64[i * F64_PER_ROW + F64.avgPowerKw];
  }

  minPowerKw(i: number): number {
    return this.f64[i * F64_PER_ROW + F64.minPowerKw];
  }

  maxPowerKw(i: number): number {
    return this.f64[i * F64_PER_ROW + F64.maxPowerKw];
  }

  energyKwhSum(i: number): number {
    return this.f64[i * F64_PER_ROW + F64.energyKwhSum];
  }

  energySource(i: number): EnergySource {
    return this.u8[i * ROW_BYTES + U8_FLAGS] & FLAG.measured ? 'measured' : 'estimated';
  }

  /** NaN when no reading of the window carried a voltage; so are the other two. */
  voltageAvg(i: number): number {
    return this.f64[i * F64_PER_ROW + F64.voltageAvg];
  }

  voltageMin(i: number): number {
    return this.f64[i * F64_PER_ROW + F64.voltageMin];
  }

  voltageMax(i: number): number {
    return this.f64[i * F64_PER_ROW + F64.voltageMax];
  }

  readings(i: number): number {
    return this.u32[i * U32_PER_ROW + U32.count];
  }

  revision(i: number): number {
    return this.u32[i * U32_PER_ROW + U32.revision];
  }

  isFinal(i: number): boolean {
    return (this.u8[i * ROW_BYTES + U8_FLAGS] & FLAG.final) !== 0;
  }

  /** The window as an object of its own. */
  windowAt(i: number): MeterWindow {
    return {
      meterId: this.meterId(i),
      region: this.region(i),
      granularity: this.granularity(i),
      windowStart: this.windowStart(i),
      windowEnd: this.windowEnd(i),
      avgPowerKw: this.avgPowerKw(i),
      minPowerKw: this.minPowerKw(i),
      maxPowerKw: this.maxPowerKw(i),
      energyKwhSum: this.energyKwhSum(i),
      energySource: this.energySource(i),
      voltageAvg: nullOfNan(this.voltageAvg(i)),
      voltageMin: nullOfNan(this.voltageMin(i)),
      voltageMax: nullOfNan(this.voltageMax(i)),
      count: this.readings(i),
      revision: this.revision(i),
      final: this.isFinal(i),
    };
  }
}

/** A block that `WindowBlockBuilder.finish` made. Throws when the buffer is not one, whole. */
export function openWindowBlock(buffer: ArrayBuffer): WindowBlock {
  if (buffer.byteLength < HEADER_BYTES) throw new Error(`a window block of ${buffer.byteLength} bytes is shorter than its header`);
  const header = new Uint32Array(buffer, 0, HEADER_BYTES / 4);
  if (header[HEADER.magic] !== MAGIC) throw new Error('not a window block: wrong magic');
  if (header[HEADER.version] !== WINDOW_BLOCK_VERSION) throw new Error(`window block has version ${header[HEADER.version]}, this engine reads ${WINDOW_BLOCK_VERSION}`);
  const count = header[HEADER.count];
  const regionsStart = HEADER_BYTES + count * ROW_BYTES;
  const idsStart = regionsStart + header[HEADER.regionBytes];
  if (idsStart + header[HEADER.idBytes] !== buffer.byteLength) throw new Error('window block has another length than its header says');
  const text = Buffer.from(buffer);
  const regions: string[] = [];
  for (let at = regionsStart, r = 0; r < header[HEADER.regionCount]; r++) {
    const length = text[at] | (text[at + 1] << 8);
    regions.push(text.toString('utf8', at + 2, at + 2 + length));
    at += 2 + length;
  }
  return new WindowBlock(buffer, count, regions, idsStart);
}

/** The block without the windows that `isKept` does not want; the same one where it wants all. Names that no window has any more stay. */
export function filterWindows(buffer: ArrayBuffer, isKept: (startMs: number, endMs: number) => boolean): ArrayBuffer {
  const block = openWindowBlock(buffer);
  const kept: number[] = [];
  for (let i = 0; i < block.count; i++) if (isKept(block.windowStart(i), block.windowEnd(i))) kept.push(i);
  if (kept.length === block.count) return buffer;
  const rowsEnd = HEADER_BYTES + block.count * ROW_BYTES;
  const bytes = new Uint8Array(buffer.byteLength - (block.count - kept.length) * ROW_BYTES);
  bytes.set(block.bytes.subarray(0, HEADER_BYTES));
  new Uint32Array(bytes.buffer, 0, HEADER_BYTES / 4)[HEADER.count] = kept.length;
  for (const [to, i] of kept.entries()) bytes.set(block.bytes.subarray(HEADER_BYTES + i * ROW_BYTES, HEADER_BYTES + (i + 1) * ROW_BYTES), HEADER_BYTES + to * ROW_BYTES);
  bytes.set(block.bytes.subarray(rowsEnd), HEADER_BYTES + kept.length * ROW_BYTES);
  return bytes.buffer;
}

function nullOfNan(value: number): number | null {
  return value === value ? value : null;
}

/** All of them in one block. */
export function packWindows(windows: readonly MeterWindow[]): ArrayBuffer {
  const builder = new WindowBlockBuilder(windows.length);
  for (const window of windows) builder.add(window);
  return builder.finish();
}

export function unpackWindows(buffer: ArrayBuffer): MeterWindow[] {
  const block = openWindowBlock(buffer);
  return Array.from({ length: block.count }, (_, i) => block.windowAt(i));
}
