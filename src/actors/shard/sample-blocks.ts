import { GRANULARITY_MS } from '../../model/window.ts';
import { rowInPage, rowOffset, type MeterPage } from './meter-pages.ts';
import { ROW, SLOT, SLOT_BYTES, SLOTS_PER_GRANULARITY } from './page-layout.ts';
import type { SampleBlock } from './sample-block.ts';
import { NO_CHUNK, type SampleIndex } from './sample-index.ts';
import { heldSamples } from './window-accumulator.ts';

/**
 * Samples of open windows that have left memory. A block holds what a page's meters had of one minute when the page was written. At full load a meter has hundreds of samples
 * in its open windows: in memory they would grow with the load, and each snapshot of their page would write all of them again. A window's slot, and later its
 * record, says how many of its samples lie in blocks.
 *
 * A block, little endian: which rows it has samples of (two u32, a bit each), how many of each (u16), then for each row its u32 fingerprints and u16 offsets as
 * SampleIndex.write has them.
 */

/**
 * Samples of a minute, over all meters of the page, that are worth the look-ups of a block: each of 64 meters has sent 16 since the page was last written. Meters that report
 * every four seconds or less often never have as many, and their samples stay in memory and in the page's snapshot.
 */
export const BLOCK_SAMPLES_MIN = 1_024;

const MINUTE_MS = GRANULARITY_MS['1m'];
const MASK_BYTES = 8;
const SAMPLE_BYTES = 6;

/** Takes the samples out of the page's open windows, minute by minute, where there are at least `samplesMin`; blocks lie in memory that `allocate` gives. */
export function takeSampleBlocks(page: MeterPage, samples: SampleIndex, sequence: number, samplesMin: number, allocate: (length: number) => Uint8Array): SampleBlock[] {
  const blocks: SampleBlock[] = [];
  for (const [windowNumber, minute] of minutesOf(page)) {
    if (minute.samples >= samplesMin) blocks.push({ windowNumber, sequence, bytes: takeBlock(page, minute, samples, allocate) });
  }
  return blocks;
}

/** Windows of one minute that hold samples in memory: rows in page, ascending, and their slots' byte offsets. */
interface Minute {
  rows: number[];
  slots: number[];
  samples: number;
}

/** By number. Meters of a page may be at different times. */
function minutesOf(page: MeterPage): Map<number, Minute> {
  const minutes = new Map<number, Minute>();
  for (let r = 0; r < page.rowCount; r++) {
    const row = page.rowAt(r);
    for (let s = 0; s < SLOTS_PER_GRANULARITY; s++) {
      const at = rowOffset(row) + ROW.slots + s * SLOT_BYTES;
      const startMs = page.f64[at >> 3];
      // NaN marks an empty slot.
      const held = startMs === startMs ? heldSamples(page, at) : 0;
      if (held === 0) continue;
      let minute = minutes.get(startMs / MINUTE_MS);
      if (minute === undefined) minutes.set(startMs / MINUTE_MS, (minute = { rows: [], slots: [], samples: 0 }));
      minute.rows.push(rowInPage(row));
      minute.slots.push(at);
      minute.samples += held;
    }
  }
  return minutes;
}

function takeBlock(page: MeterPage, minute: Minute, samples: SampleIndex, allocate: (length: number) => Uint8Array): Uint8Array {
  const { rows, slots } = minute;
  const bytes = allocate(MASK_BYTES + rows.length * 2 + minute.samples * SAMPLE_BYTES);
  const view = viewOf(bytes);
  const mask = [0, 0];
  let end = MASK_BYTES + rows.length * 2;
  for (const [i, at] of slots.entries()) {
    mask[rows[i] >> 5] |= 1 << (rows[i] & 31);
    const held = heldSamples(page, at);
    const headAt = (at + SLOT.samplesOrRevision) >> 2;
    view.setUint16(MASK_BYTES + i * 2, held, true);
    end += samples.write(page.u32[headAt], held, view, end);
    samples.free(page.u32[headAt]);
    page.u32[headAt] = NO_CHUNK;
    page.u16[(at + SLOT.samplesInBlocks) >> 1] += held;
  }
  view.setInt32(0, mask[0], true);
  view.setInt32(4, mask[1], true);
  return bytes;
}

/** The fingerprint of the row's sample at `offsetMs`, or −1. */
export function findInBlock(bytes: Uint8Array, row: number, offsetMs: number): number {
  const view = viewOf(bytes);
  for (const part of partsOf(view)) {
    if (part.row !== row) continue;
    const offsets = part.at + part.count * 4;
    for (let k = 0; k < part.count; k++) if (view.getUint16(offsets + k * 2, true) === offsetMs) return view.getUint32(part.at + k * 4, true);
    return -1;
  }
  return -1;
}

/** What a block has of each of its rows: how many samples, and their offsets. For checks. */
export function* offsetsInBlock(bytes: Uint8Array): Generator<{ row: number; offsetsMs: number[] }> {
  const view = viewOf(bytes);
  for (const { row, at, count } of partsOf(view)) yield { row, offsetsMs: Array.from({ length: count }, (_, k) => view.getUint16(at + count * 4 + k * 2, true)) };
}

function* partsOf(view: DataView): Generator<{ row: number; at: number; count: number }> {
  const rows: number[] = [];
  for (let row = 0; row < 64; row++) if ((view.getUint32(row < 32 ? 0 : 4, true) >>> (row & 31)) & 1) rows.push(row);
  let at = MASK_BYTES + rows.length * 2;
  for (const [i, row] of rows.entries()) {
    const count = view.getUint16(MASK_BYTES + i * 2, true);
    yield { row, at, count };
    at += count * SAMPLE_BYTES;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
