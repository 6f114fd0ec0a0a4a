import { murmur2 } from '../../src/model/ids.ts';
import { DecodedReading } from '../../src/model/decoded-reading.ts';
import { READING_FLAG } from '../../src/model/reading.ts';
import { openReadingBatch, ReadingBatchBuilder, type ReadingBatch } from '../../src/model/reading-batch.ts';
import { meterIdOf } from '../load/reading-source.ts';

/** Packed batches as the ingest thread makes them: each meter once in a pass, in an order that is at random to the shard. */

export interface BatchesOptions {
  meters: number;
  readingsPerBatch: number;
  withReadingIds: boolean;
}

const REGIONS = 10;
/** Prime and odd, so that it shares no factor with a round number of meters: neighbours in a batch are far apart in memory. */
const STRIDE = 7_919;

/** One pass over all meters. Timestamps are set by `stamp`. */
export function makeBatches(options: BatchesOptions): ReadingBatch[] {
  const { meters, readingsPerBatch } = options;
  const batches: ReadingBatch[] = [];
  const builder = new ReadingBatchBuilder();
  const reading = new DecodedReading();
  for (let k = 0; k < meters; k++) {
    fill(reading, (k * STRIDE) % meters, options.withReadingIds);
    builder.append(reading);
    if (builder.count < readingsPerBatch && k + 1 < meters) continue;
    const { buffer, bytes } = builder.pack();
    batches.push(openReadingBatch(buffer, 0, bytes));
  }
  return batches;
}

/** Moves the batches' readings to `timeMs` (each by up to a second earlier), with power and readingIds of pass `pass`. */
export function stamp(batches: readonly ReadingBatch[], timeMs: number, pass: number): void {
  for (const batch of batches) {
    for (let i = 0; i < batch.count; i++) {
      batch.timestamp[i] = timeMs - (batch.meterHash[i] % 1_000);
      batch.powerKw[i] = 1 + (batch.meterHash[i] % 50) / 10 + ((pass * 7 + i) % 100) / 1_000;
      if (batch.readingIdLow !== null) batch.readingIdLow[i] = Math.imul(batch.meterHash[i] ^ pass, 0x9e3779b1) >>> 0;
    }
  }
}

function fill(reading: DecodedReading, meter: number, withReadingIds: boolean): void {
  const region = `region-${String((meter % REGIONS) + 1).padStart(2, '0')}`;
  reading.meterIdLength = Buffer.from(reading.meterId.buffer, reading.meterId.byteOffset, reading.meterId.length).write(meterIdOf(meter), 'latin1');
  reading.regionLength = Buffer.from(reading.region.buffer, reading.region.byteOffset, reading.region.length).write(region, 'latin1');
  reading.meterHash = murmur2(reading.meterId, 0, reading.meterIdLength);
  reading.energyKwh = (31 + (meter % 40)) / 10_000;
  reading.voltage = (2_281 + (meter % 38)) / 10;
  reading.current = (501 + (meter % 400)) / 100;
  reading.frequency = (4_997 + (meter % 6)) / 100;
  reading.flags = withReadingIds ? READING_FLAG.readingId : 0;
  reading.readingIdHigh = meter;
}
