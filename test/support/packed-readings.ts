import type { AppendRequest } from '../../src/actors/shard/protocol.ts';
import { DecodedReading } from '../../src/model/decoded-reading.ts';
import { murmur2 } from '../../src/model/ids.ts';
import { READING_FLAG } from '../../src/model/reading.ts';
import { openReadingBatch, ReadingBatchBuilder, type ReadingBatch } from '../../src/model/reading-batch.ts';
import type { OracleReading } from '../oracle/window-oracle.ts';

/** A reading for the shard under test. */
export interface TestReading extends OracleReading {
  /** Not part of what a reading says; tests number readings with it. */
  seq?: number;
  /** A hash of the readingId in two halves. */
  readingId?: readonly [low: number, high: number];
}

/** The reading as a decoder hands it over. */
export function decoded(reading: TestReading): DecodedReading {
  const record = new DecodedReading();
  record.timestamp = reading.timestamp;
  record.powerKw = reading.powerKw;
  record.energyKwh = reading.energyKwh ?? NaN;
  record.voltage = reading.voltage ?? NaN;
  record.seq = reading.seq ?? NaN;
  record.meterIdLength = Buffer.from(reading.meterId, 'latin1').copy(record.meterId);
  record.regionLength = Buffer.from(reading.region, 'latin1').copy(record.region);
  record.meterHash = murmur2(record.meterId, 0, record.meterIdLength);
  if (reading.status === 'ERROR') record.flags |= READING_FLAG.error;
  if (reading.readingId !== undefined) {
    record.flags |= READING_FLAG.readingId;
    [record.readingIdLow, record.readingIdHigh] = reading.readingId;
  }
  return record;
}

/** A batch as an ingest thread would send it. */
export function packReadings(readings: readonly TestReading[]): ArrayBuffer {
  const builder = new ReadingBatchBuilder(4);
  for (const reading of readings) builder.append(decoded(reading));
  return builder.pack().buffer;
}

/** The request that carries it. */
export function appendOf(readings: readonly TestReading[]): AppendRequest {
  const buffer = packReadings(readings);
  return { kind: 'append', buffer, bytes: buffer.byteLength };
}

export function batchOf(readings: readonly TestReading[]): ReadingBatch {
  const buffer = packReadings(readings);
  return openReadingBatch(buffer, 0, buffer.byteLength);
}
