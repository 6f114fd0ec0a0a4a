import { QUARTER_QUALITY } from '../../model/determinants.ts';
import { QUARTER_MS } from '../../model/energy.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { ROWS_PER_PAGE } from './page-layout.ts';

/**
 * The energy of a page's meters on one UTC day, as bills need it: of each quarter-hour net microKwh and whether the meter counted it. It stays when windows go.
 *
 * A block: version u8, rows u8, the end of each row from the block's start u16 (little endian), then the rows. A row without a quarter-hour is empty; others are a head byte, which quarter-hours there
 * are (first and number u8 of a run, or 12 bytes of bits), which of them are measured (12 bytes of bits where it is some of them), and their energy as zigzag varints in units of 10^scale microKwh: most meters
 * count watt-hours, which makes two bytes of three.
 */

export const QUARTERS_PER_DAY = 96;
export const DAY_MS = QUARTERS_PER_DAY * QUARTER_MS;

const VERSION = 1;
const HEAD_BYTES = 2;
const BITS_BYTES = QUARTERS_PER_DAY / 8;
/** Bits 0 to 2 are the scale. */
export const ROW_HEAD = { scaleMask: 7, uniform: 8, measured: 16, run: 32 } as const;
/** A row that goes on by adding to it: a run, known alike. */
export const ADDABLE = ROW_HEAD.uniform | ROW_HEAD.run;
const SCALE_MAX = 6;
export const POWERS = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];
/** A varint's, of 2^53. */
const VALUE_BYTES_MAX = 8;
const ROW_BYTES_MAX = 1 + 2 * BITS_BYTES + QUARTERS_PER_DAY * VALUE_BYTES_MAX;
const BLOCK_BYTES_MAX = HEAD_BYTES + ROWS_PER_PAGE * (2 + ROW_BYTES_MAX);
const WHOLE_INT32 = 2 ** 31;

/** Rows that a block has. Throws OperationalError `corrupt` or `format` when it is none. */
export function energyRows(block: Uint8Array): number {
  if (block.length < HEAD_BYTES || block[1] > ROWS_PER_PAGE || block.length !== rowStart(block, block[1])) throw new OperationalError('corrupt', 'a block of energy is damaged');
  if (block[0] !== VERSION) throw new OperationalError('format', `a block of energy has format ${block[0]}, this engine reads ${VERSION}`);
  return block[1];
}

/**
 * Writes the row's quarter-hours `from` ≤ number in the day < `to` into `microKwh` and `quality`, where `at` is the place of the day's first; those that there are none of stay as they are. Returns how many there
 * are. `block` is one that `energyRows` has passed.
 */
export function readEnergyRow(block: Uint8Array, row: number, from: number, to: number, at: number, microKwh: Float64Array, quality: Uint8Array): number {
  if (row >= block[1]) return 0;
  const start = rowStart(block, row);
  if (start === rowStart(block, row + 1)) return 0;
  const head = block[start];
  // Of most meters it is all of the day, known alike.
  if ((head & ADDABLE) !== ADDABLE) return readMixedRow(block, start, from, to, at, microKwh, quality);
  const first = block[start + 1];
  const begin = Math.max(first, from);
  const end = Math.min(first + block[start + 2], to);
  if (begin >= end) return 0;
  let p = start + 3;
  for (let quarter = first; quarter < begin; quarter++) p = afterValue(block, p);
  readValues(block, p, POWERS[head & ROW_HEAD.scaleMask], microKwh, at + begin, at + end);
  quality.fill(qualityOf(head), at + begin, at + end);
  return end - begin;
}

/** As many values from `p` on as there are places from `begin` to `end`. */
function readValues(block: Uint8Array, start: number, scale: number, microKwh: Float64Array, begin: number, end: number): void {
  let p = start;
  for (let i = begin; i < end; i++) {
    let zigzag = block[p++];
    // Two bytes are most meters' watt-hours.
    if (zigzag >= 0x80) {
      const second = block[p++];
      zigzag = (zigzag & 0x7f) | ((second & 0x7f) << 7);
      if (second >= 0x80) {
        const third = block[p++];
        zigzag |= (third & 0x7f) << 14;
        if (third >= 0x80) {
          microKwh[i] = longValue(block, p - 3) * scale;
          p = afterValue(block, p);
          continue;
        }
      }
    }
    microKwh[i] = ((zigzag >> 1) ^ -(zigzag & 1)) * scale;
  }
}

/** A row with gaps in its day, or quarter-hours that are known differently. */
function readMixedRow(block: Uint8Array, start: number, from: number, to: number, at: number, microKwh: Float64Array, quality: Uint8Array): number {
  const head = block[start];
  const scale = POWERS[head & ROW_HEAD.scaleMask];
  const isRun = (head & ROW_HEAD.run) !== 0;
  const isUniform = (head & ROW_HEAD.uniform) !== 0;
  const present = start + 1;
  const measured = present + (isRun ? 2 : BITS_BYTES);
  const first = isRun ? block[present] : 0;
  const end = Math.min(to, isRun ? first + block[present + 1] : QUARTERS_PER_DAY);
  let p = measured + (isUniform ? 0 : BITS_BYTES);
  let found = 0;
  for (let quarter = first; quarter < end; quarter++) {
    if (!isRun && !hasBit(block, present, quarter)) continue;
    if (quarter >= from) {
      readValues(block, p, scale, microKwh, at + quarter, at + quarter + 1);
      const isMeasured = isUniform ? (head & ROW_HEAD.measured) !== 0 : hasBit(block, measured, quarter);
      quality[at + quarter] = isMeasured ? QUARTER_QUALITY.measured : QUARTER_QUALITY.estimated;
      found++;
    }
    p = afterValue(block, p);
  }
  return found;
}

function hasBit(block: Uint8Array, bits: number, quarter: number): boolean {
  return (block[bits + (quarter >> 3)] & (1 << (quarter & 7))) !== 0;
}

/** Where the value ends that `p` is in. */
export function afterValue(block: Uint8Array, p: number): number {
  while (block[p] >= 0x80) p++;
  return p + 1;
}

/** A value that no 32-bit arithmetic holds. */
function longValue(block: Uint8Array, start: number): number {
  let zigzag = 0;
  let unit = 1;
  for (let p = start; ; p++) {
    zigzag += (block[p] & 0x7f) * unit;
    if (block[p] < 0x80) break;
    unit *= 0x80;
  }
  return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
}

/**
 * Changes quarter-hours of a block. Reused; rows that nothing was changed in are copied as they are, and those that a quarter-hour was only added to, behind the last, with it: all meters' quarter-hours end together, and
 * what is written then must not cost more the later in the day it is.
 */
export class EnergyBlockEditor {
  private readonly microKwh = new Float64Array(ROWS_PER_PAGE * QUARTERS_PER_DAY);
  private readonly quality = new Uint8Array(ROWS_PER_PAGE * QUARTERS_PER_DAY);
  private readonly isLoaded = new Uint8Array(ROWS_PER_PAGE);
  /** By row, 1 where one quarter-hour was added behind the last, and what it has, in the row's units. */
  private readonly isAdded = new Uint8Array(ROWS_PER_PAGE);
  private readonly added = new Float64Array(ROWS_PER_PAGE);
  private readonly bytes = new Uint8Array(BLOCK_BYTES_MAX);
  private block: Uint8Array = EMPTY_BLOCK;
  private rows = 0;

  /** Begins with a block, or with none. It is borrowed until `encode`. */
  load(block: Uint8Array | undefined): void {
    this.block = block ?? EMPTY_BLOCK;
    this.rows = energyRows(this.block);
    this.isLoaded.fill(0);
    this.isAdded.fill(0);
  }

  /** `quality`: QUARTER_QUALITY estimated or measured. */
  set(row: number, quarterOfDay: number, microKwh: number, quality: number): void {
    const at = row * QUARTERS_PER_DAY;
    if (this.isLoaded[row] === 0) {
      if (this.add(row, quarterOfDay, microKwh, quality)) return;
      this.isLoaded[row] = 1;
      this.microKwh.fill(0, at, at + QUARTERS_PER_DAY);
      this.quality.fill(QUARTER_QUALITY.missing, at, at + QUARTERS_PER_DAY);
      readEnergyRow(this.block, row, 0, QUARTERS_PER_DAY, at, this.microKwh, this.quality);
      if (this.isAdded[row] !== 0) this.keepAdded(row, at);
      this.rows = Math.max(this.rows, row + 1);
    }
    this.microKwh[at + quarterOfDay] = microKwh;
    this.quality[at + quarterOfDay] = quality;
  }

  /** Adds a quarter-hour that goes on with the row's run, in its units and known as all of it is; false where it does not, or one was added before. */
  private add(row: number, quarterOfDay: number, microKwh: number, quality: number): boolean {
    const { block } = this;
    if (row >= block[1] || this.isAdded[row] !== 0) return false;
    const start = rowStart(block, row);
    if (start === rowStart(block, row + 1)) return false;
    const head = block[start];
    if ((head & ADDABLE) !== ADDABLE || qualityOf(head) !== quality || block[start + 1] + block[start + 2] !== quarterOfDay) return false;
    const units = microKwh / POWERS[head & ROW_HEAD.scaleMask];
    if (!isWhole(units)) return false;
    this.isAdded[row] = 1;
    this.added[row] = units;
    return true;
  }

  private keepAdded(row: number, at: number): void {
    const start = rowStart(this.block, row);
    const head = this.block[start];
    const quarterOfDay = this.block[start + 1] + this.block[start + 2];
    this.microKwh[at + quarterOfDay] = this.added[row] * POWERS[head & ROW_HEAD.scaleMask];
    this.quality[at + quarterOfDay] = qualityOf(head);
    this.isAdded[row] = 0;
  }

  /** The block as it is now, in memory that `allocate` gives. */
  encode(allocate: (length: number) => Uint8Array): Uint8Array {
    const { bytes, block, rows } = this;
    bytes[0] = VERSION;
    bytes[1] = rows;
    let p = HEAD_BYTES + 2 * rows;
    for (let row = 0; row < rows; row++) {
      if (this.isLoaded[row] !== 0) p = this.encodeRow(row * QUARTERS_PER_DAY, p);
      else if (row < block[1]) {
        const [start, end] = [rowStart(block, row), rowStart(block, row + 1)];
        bytes.set(block.subarray(start, end), p);
        if (this.isAdded[row] !== 0) bytes[p + 2]++;
        p += end - start;
        if (this.isAdded[row] !== 0) p = this.encodeValue(this.added[row], p);
      }
      bytes[HEAD_BYTES + 2 * row] = p & 0xff;
      bytes[HEAD_BYTES + 2 * row + 1] = p >> 8;
    }
    const encoded = allocate(p);
    encoded.set(bytes.subarray(0, p));
    return encoded;
  }

  private encodeRow(at: number, start: number): number {
    const { bytes, microKwh, quality } = this;
    let first = -1;
    let last = -1;
    let count = 0;
    let measured = 0;
    let scale = SCALE_MAX;
    for (let quarter = 0; quarter < QUARTERS_PER_DAY; quarter++) {
      const known = quality[at + quarter];
      if (known === QUARTER_QUALITY.missing) continue;
      if (first < 0) first = quarter;
      last = quarter;
      count++;
      if (known === QUARTER_QUALITY.measured) measured++;
      while (scale > 0 && !isWhole(microKwh[at + quarter] / POWERS[scale])) scale--;
    }
    const isRun = last - first + 1 === count;
    const isUniform = measured === 0 || measured === count;
    bytes[start] = scale | (isUniform ? ROW_HEAD.uniform : 0) | (isUniform && measured > 0 ? ROW_HEAD.measured : 0) | (isRun ? ROW_HEAD.run : 0);
    let p = start + 1;
    if (isRun) {
      bytes[p++] = first;
      bytes[p++] = count;
    } else p = this.encodeBits(at, p, QUARTER_QUALITY.estimated);
    if (!isUniform) p = this.encodeBits(at, p, QUARTER_QUALITY.measured);
    for (let quarter = first; quarter <= last; quarter++) {
      if (quality[at + quarter] === QUARTER_QUALITY.missing) continue;
      p = this.encodeValue(microKwh[at + quarter] / POWERS[scale], p);
    }
    return p;
  }

  private encodeValue(units: number, start: number): number {
    const { bytes } = this;
    let p = start;
    let zigzag = units < 0 ? -2 * units - 1 : 2 * units;
    for (; zigzag >= WHOLE_INT32; zigzag = Math.floor(zigzag / 0x80)) bytes[p++] = (zigzag % 0x80) | 0x80;
    for (; zigzag >= 0x80; zigzag >>>= 7) bytes[p++] = (zigzag & 0x7f) | 0x80;
    bytes[p++] = zigzag;
    return p;
  }

  /** Those that are known at least so well. */
  private encodeBits(at: number, start: number, qualityMin: number): number {
    const { bytes, quality } = this;
    for (let i = 0; i < BITS_BYTES; i++) {
      let bits = 0;
      for (let k = 0; k < 8; k++) if (quality[at + i * 8 + k] >= qualityMin) bits |= 1 << k;
      bytes[start + i] = bits;
    }
    return start + BITS_BYTES;
  }
}

/** Of a row whose quarter-hours are all known alike. */
export function qualityOf(head: number): number {
  return (head & ROW_HEAD.measured) !== 0 ? QUARTER_QUALITY.measured : QUARTER_QUALITY.estimated;
}

/** Exact for quotients of whole numbers up to 1e15 by up to 1e6: a rest is at least a millionth. */
function isWhole(quotient: number): boolean {
  return Math.floor(quotient) === quotient;
}

const EMPTY_BLOCK = Uint8Array.of(VERSION, 0);

/** Where the row begins; of the number of rows, where the block ends. */
export function rowStart(block: Uint8Array, row: number): number {
  if (row === 0) return HEAD_BYTES + 2 * block[1];
  const at = HEAD_BYTES + 2 * (row - 1);
  return block[at] | (block[at + 1] << 8);
}
