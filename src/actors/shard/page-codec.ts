import { crc32 } from 'node:zlib';
import { OperationalError } from '../../runtime/errors.ts';
import { rowOffset, type MeterPage } from './meter-pages.ts';
import { ROW, ROW_BYTES, SLOT, SLOT_BYTES, SLOTS_PER_GRANULARITY } from './page-layout.ts';
import { NO_CHUNK, type SampleIndex } from './sample-index.ts';

/**
 * A page's snapshot: header, rows as they are in memory, then the samples of its open one-minute windows in order of row and slot.
 *
 * Header, little endian: magic u32, version u16, row bytes u16, row count u32, checksum u32 over all the rest, log sequence
 * f64.
 */
const MAGIC = 0x50474553; // 'SEGP'
/** Raised when rows change their layout. */
export const PAGE_VERSION = 1;
const HEADER_BYTES = 24;
const CHECKSUM_AT = 12;

/** The page's snapshot as of log position `sequence`, in memory that `allocate` gives: by default its own. */
export function encodePage(page: MeterPage, samples: SampleIndex, sequence: number, allocate: (length: number) => Uint8Array = (length) => new Uint8Array(length)): Uint8Array {
  const rowsBytes = page.rowCount * ROW_BYTES;
  let sampleBytes = 0;
  eachOpenSlot(page, (at) => (sampleBytes += page.u32[(at + SLOT.sampleCount) >> 2] * 6));
  const bytes = allocate(HEADER_BYTES + rowsBytes + sampleBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  bytes.set(page.rowBytes(), HEADER_BYTES);
  let end = HEADER_BYTES + rowsBytes;
  eachOpenSlot(page, (at) => {
    end += samples.write(page.u32[(at + SLOT.samplesOrRevision) >> 2], page.u32[(at + SLOT.sampleCount) >> 2], view, end);
  });
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, PAGE_VERSION, true);
  view.setUint16(6, ROW_BYTES, true);
  view.setUint32(8, page.rowCount, true);
  view.setFloat64(16, sequence, true);
  view.setUint32(CHECKSUM_AT, checksumOf(bytes), true);
  return bytes;
}

/** Fills an empty page from its snapshot. Throws OperationalError `corrupt` or `format` when the bytes are not one. */
export function decodePage(bytes: Uint8Array, page: MeterPage, samples: SampleIndex): void {
  const name = `page ${page.number} of partition ${page.partition}`;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < HEADER_BYTES || view.getUint32(0, true) !== MAGIC) throw new OperationalError('corrupt', `${name} is not a snapshot`);
  const version = view.getUint16(4, true);
  if (version !== PAGE_VERSION || view.getUint16(6, true) !== ROW_BYTES) {
    throw new OperationalError('format', `${name} has format ${version} with ${view.getUint16(6, true)}-byte rows; this engine reads format ${PAGE_VERSION} with ${ROW_BYTES}`);
  }
  if (view.getUint32(CHECKSUM_AT, true) !== checksumOf(bytes)) throw new OperationalError('corrupt', `${name} fails its checksum`);
  page.rowCount = view.getUint32(8, true);
  page.snapshotSequence = view.getFloat64(16, true);
  const rowsBytes = page.rowCount * ROW_BYTES;
  page.rowBytes().set(bytes.subarray(HEADER_BYTES, HEADER_BYTES + rowsBytes));
  let at = HEADER_BYTES + rowsBytes;
  eachOpenSlot(page, (slot) => {
    const count = page.u32[(slot + SLOT.sampleCount) >> 2];
    page.u32[(slot + SLOT.samplesOrRevision) >> 2] = count === 0 ? NO_CHUNK : samples.read(view, at, count);
    at += count * 6;
  });
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
