import { crc32 } from 'node:zlib';
import { OperationalError } from '../../runtime/errors.ts';
import { rowOffset, type MeterPage } from './meter-pages.ts';
import { ROW, ROW_BYTES, ROWS_PER_PAGE, SLOT, SLOT_BYTES, SLOTS_PER_GRANULARITY } from './page-layout.ts';
import { NO_CHUNK, type SampleIndex } from './sample-index.ts';
import { heldSamples } from './window-accumulator.ts';

/**
 * A page's snapshot: header, packed rows, then the samples of its open one-minute windows in order of row and slot, without those that lie
 * in blocks.
 *
 * Header, little endian: magic u32, version u16, row bytes u16, row count u32, checksum u32 over all the rest, log sequence
 * f64.
 *
 * A packed row is a mask of MASK_WORDS u32, a bit for each u32 of the row from the lowest on, then those that are not zero. Half of a row
 * is: an id has its 64 bytes to itself, few windows are open, readings leave fields out.
 */
const MAGIC = 0x50474553; // 'SEGP'
/** Raised when rows change their layout. */
export const PAGE_VERSION = 2;
const HEADER_BYTES = 24;
const CHECKSUM_AT = 12;

const ROW_WORDS = ROW_BYTES / 4;
const MASK_WORDS = Math.ceil(ROW_WORDS / 32);
const SLOT_WORDS = SLOT_BYTES / 4;
const SLOTS = 2 * SLOTS_PER_GRANULARITY;

/** Packed rows on their way in or out: as many words as they can have. One page at a time. */
const packed = new Uint32Array(ROWS_PER_PAGE * (MASK_WORDS + ROW_WORDS));
const packedBytes = new Uint8Array(packed.buffer);

/** The page's snapshot as of log position `sequence`, in memory that `allocate` gives: by default its own. */
export function encodePage(page: MeterPage, samples: SampleIndex, sequence: number, allocate: (length: number) => Uint8Array = (length) => new Uint8Array(length)): Uint8Array {
  const rowsBytes = packRows(page) * 4;
  let sampleBytes = 0;
  eachOpenSlot(page, (at) => (sampleBytes += heldSamples(page, at) * 6));
  const bytes = allocate(HEADER_BYTES + rowsBytes + sampleBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  bytes.set(packedBytes.subarray(0, rowsBytes), HEADER_BYTES);
  let end = HEADER_BYTES + rowsBytes;
  eachOpenSlot(page, (at) => {
    end += samples.write(page.u32[(at + SLOT.samplesOrRevision) >> 2], heldSamples(page, at), view, end);
  });
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, PAGE_VERSION, true);
  view.setUint16(6, ROW_BYTES, true);
  view.setUint32(8, page.rowCount, true);
  view.setFloat64(16, sequence, true);
  view.setUint32(CHECKSUM_AT, checksumOf(bytes), true);
  return bytes;
}

export interface DecodeOptions {
  /** Nothing was ever in the page's rows: they are zeros. */
  isFresh?: boolean;
  /** Whoever read the bytes has checked them: a store ends every value with a checksum of its own. */
  isChecked?: boolean;
}

/** Fills a page from its snapshot. Throws OperationalError `corrupt` or `format` when the bytes are not one. */
export function decodePage(bytes: Uint8Array, page: MeterPage, samples: SampleIndex, { isFresh = false, isChecked = false }: DecodeOptions = {}): void {
  const name = `page ${page.number} of partition ${page.partition}`;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < HEADER_BYTES || view.getUint32(0, true) !== MAGIC) throw new OperationalError('corrupt', `${name} is not a snapshot`);
  const version = view.getUint16(4, true);
  if (version !== PAGE_VERSION || view.getUint16(6, true) !== ROW_BYTES) {
    throw new OperationalError('format', `${name} has format ${version} with ${view.getUint16(6, true)}-byte rows; this engine reads format ${PAGE_VERSION} with ${ROW_BYTES}`);
  }
  if (!isChecked && view.getUint32(CHECKSUM_AT, true) !== checksumOf(bytes)) throw new OperationalError('corrupt', `${name} fails its checksum`);
  page.rowCount = view.getUint32(8, true);
  page.snapshotSequence = view.getFloat64(16, true);
  packedBytes.set(bytes.subarray(HEADER_BYTES, Math.min(bytes.length, HEADER_BYTES + packedBytes.length)));
  let at = HEADER_BYTES + unpackRows(page, isFresh) * 4;
  eachOpenSlot(page, (slot) => {
    const count = heldSamples(page, slot);
    page.u32[(slot + SLOT.samplesOrRevision) >> 2] = count === 0 ? NO_CHUNK : samples.read(view, at, count);
    at += count * 6;
  });
}

/** Packs the page's rows into `packed`; returns the words written. What a closed window left in its slot is left out. */
function packRows(page: MeterPage): number {
  const { u32, f64 } = page;
  let end = 0;
  for (let r = 0; r < page.rowCount; r++) {
    const row = rowOffset(page.rowAt(r)) >> 2;
    const masks = end;
    packed.fill(0, masks, masks + MASK_WORDS);
    end += MASK_WORDS;
    let word = 0;
    for (let s = 0; s <= SLOTS; s++) {
      const slotWord = (ROW.slots >> 2) + s * SLOT_WORDS;
      const startMs = f64[(row + slotWord) >> 1];
      const isEmpty = s < SLOTS && startMs !== startMs;
      const until = s === SLOTS ? ROW_WORDS : isEmpty ? slotWord + 2 : slotWord;
      for (; word < until; word++) {
        const value = u32[row + word];
        if (value === 0) continue;
        packed[masks + (word >> 5)] |= 1 << (word & 31);
        packed[end++] = value;
      }
      if (isEmpty) word = slotWord + SLOT_WORDS;
    }
  }
  return end;
}

/** Fills the page's rows from `packed`; returns the words read. */
function unpackRows(page: MeterPage, isFresh: boolean): number {
  const { u32 } = page;
  let from = 0;
  for (let r = 0; r < page.rowCount; r++) {
    const row = rowOffset(page.rowAt(r)) >> 2;
    const masks = from;
    from += MASK_WORDS;
    if (!isFresh) u32.fill(0, row, row + ROW_WORDS);
    for (let m = 0; m < MASK_WORDS; m++) {
      for (let mask = packed[masks + m]; mask !== 0; mask &= mask - 1) {
        const word = m * 32 + 31 - Math.clz32(mask & -mask);
        u32[row + word] = packed[from++];
      }
    }
  }
  return from;
}

function checksumOf(bytes: Uint8Array): number {
  return crc32(bytes.subarray(CHECKSUM_AT + 4), crc32(bytes.subarray(0, CHECKSUM_AT)));
}

/** Calls with the byte offset of every open one-minute slot, in order. */
function eachOpenSlot(page: MeterPage, visit: (at: number) => void): void {
  for (let r = 0; r < page.rowCount; r++) {
    for (let s = 0; s < SLOTS_PER_GRANULARITY; s++) {
      const at = rowOffset(page.rowAt(r)) + ROW.slots + s * SLOT_BYTES;
      const startMs = page.f64[at >> 3];
      // NaN marks an empty slot.
      if (startMs === startMs) visit(at);
    }
  }
}
