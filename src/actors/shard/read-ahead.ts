import type { ReadingBatch } from '../../model/reading-batch.ts';
import { GRANULARITY_MS } from '../../model/window.ts';
import { F32 } from './detection/detector-cells.ts';
import { detectorOffset, NO_ROW, rowOffset, type MeterDirectory } from './meter-pages.ts';
import { ROW, SLOT, slotOffset } from './page-layout.ts';
import { lowOf, type ReadingIds } from './reading-ids.ts';
import { heldSamples } from './window-accumulator.ts';
import type { SampleIndex } from './sample-index.ts';

/** Readings whose memory is asked for together: some 15 cache lines each, which fit the processor's first cache. 32 and 64 gained less. */
export const READ_AHEAD_READINGS = 16;

const LINE_BYTES = 64;
const MINUTE_MS = GRANULARITY_MS['1m'];
const QUARTER_MS = GRANULARITY_MS['15m'];

/**
 * Reads what the next readings of a batch will need, before they need it, and does nothing with it. The meters of a batch lie anywhere in memory, so nearly
 * each line that a reading touches is missing from the cache; needed one after another each is waited for, asked for side by side they arrive together.
 * Changes nothing, so it may be wrong about which row a reading has.
 */
export class ReadAhead {
  /** Of all that was read: reads whose result is not used are left out by the compiler. */
  mixed = 0;
  private readonly directory: MeterDirectory;
  private readonly readingIds: ReadingIds;
  private readonly samples: SampleIndex;
  private readonly rows = new Int32Array(READ_AHEAD_READINGS);

  constructor(directory: MeterDirectory, readingIds: ReadingIds, samples: SampleIndex) {
    this.directory = directory;
    this.readingIds = readingIds;
    this.samples = samples;
  }

  /** For the batch's READ_AHEAD_READINGS readings from the `from`-th on. */
  read(batch: ReadingBatch, from: number): void {
    const to = Math.min(from + READ_AHEAD_READINGS, batch.count);
    // Three passes, since where to look is known from the pass before alone: no read waits for another of its own pass.
    for (let i = from; i < to; i++) this.rows[i - from] = this.directory.likelyRow(batch.meterHash[i]);
    this.readRows(batch, from, to);
    this.readSamples(batch, from, to);
  }

  private readRows({ timestamp }: ReadingBatch, from: number, to: number): void {
    let mixed = 0;
    for (let i = from; i < to; i++) {
      const row = this.rows[i - from];
      if (row === NO_ROW) continue;
      const { u32 } = this.directory.cellsOf(row);
      const at = rowOffset(row);
      const minute = at + slotOffset(0, Math.floor(timestamp[i] / MINUTE_MS));
      const quarter = at + slotOffset(1, Math.floor(timestamp[i] / QUARTER_MS));
      mixed ^= u32[at >> 2] ^ u32[(at + LINE_BYTES) >> 2] ^ u32[(at + 2 * LINE_BYTES) >> 2] ^ u32[(at + ROW.live) >> 2];
      mixed ^= u32[minute >> 2] ^ u32[(minute + LINE_BYTES) >> 2] ^ u32[(minute + SLOT.region) >> 2];
      mixed ^= u32[quarter >> 2] ^ u32[(quarter + LINE_BYTES) >> 2] ^ u32[(quarter + SLOT.region) >> 2];
      mixed ^= u32[(detectorOffset(row) >> 2) + F32.cadence];
    }
    this.mixed ^= mixed;
  }

  /** What the rows say where to look for. */
  private readSamples({ timestamp, readingIdLow }: ReadingBatch, from: number, to: number): void {
    let mixed = 0;
    for (let i = from; i < to; i++) {
      const row = this.rows[i - from];
      if (row === NO_ROW) continue;
      const cells = this.directory.cellsOf(row);
      if (readingIdLow !== null) mixed ^= this.readingIds.peek(lowOf(readingIdLow[i], cells.u32[(rowOffset(row) + ROW.tag) >> 2]));
      const minute = Math.floor(timestamp[i] / MINUTE_MS);
      const at = rowOffset(row) + slotOffset(0, minute);
      if (cells.f64[at >> 3] !== minute * MINUTE_MS) continue;
      mixed ^= this.samples.peek(cells.u32[(at + SLOT.samplesOrRevision) >> 2], heldSamples(cells, at));
    }
    this.mixed ^= mixed;
  }
}
