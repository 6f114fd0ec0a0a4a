import type { DecodedLogMessage } from '../../src/actors/kafka-log/message-decoding.ts';
import type { LogAppend, LogMessage } from '../../src/actors/kafka-log/protocol.ts';
import { openReadingBatch, type ReadingBatch, type RejectedReading } from '../../src/model/reading-batch.ts';

/** Messages of Kafka's log in tests. */

export const LOG_MS = Date.UTC(2026, 2, 1, 12);

/** A message of readings as anybody may have written it. */
export function logMessage(value: string | Uint8Array | null, fields: Partial<LogMessage> = {}): LogMessage {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return { partition: 0, offset: 7, timestampMs: LOG_MS, key: null, value: bytes, kind: 'reading', contentType: 'json', judgedAtMs: null, ...fields };
}

/** What was appended, as it is read back. */
export function appended({ partition, key, value, kind, contentType, judgedAtMs }: LogAppend, place: { offset: number; timestampMs: number }): LogMessage {
  return { partition, key, value, kind, contentType, judgedAtMs, ...place };
}

export function batchIn(decoded: DecodedLogMessage): ReadingBatch {
  if (decoded.kind !== 'batch') throw new Error('it is a control record');
  return openReadingBatch(decoded.packed.buffer, 0, decoded.packed.bytes);
}

export function deadLettersIn(decoded: DecodedLogMessage): RejectedReading[] {
  return batchIn(decoded).deadLetters();
}

/** Each reading of a batch as plain values, comparable with Object.is rules. */
export function readingsIn(batch: ReadingBatch): Record<string, unknown>[] {
  const optional = (column: Float64Array | null, i: number): number => (column === null ? NaN : column[i]);
  return Array.from({ length: batch.count }, (_, i) => {
    const start = batch.heapStart + batch.idStart[i];
    const hasId = (batch.flags[i] & 2) !== 0;
    return {
      meterId: Buffer.from(batch.bytes.subarray(start, start + batch.idLength[i])).toString('latin1'),
      region: batch.regions[batch.region[i]],
      timestamp: batch.timestamp[i],
      powerKw: batch.powerKw[i],
      energyKwh: optional(batch.energyKwh, i),
      voltage: optional(batch.voltage, i),
      current: optional(batch.current, i),
      frequency: optional(batch.frequency, i),
      powerFactor: optional(batch.powerFactor, i),
      seq: optional(batch.seq, i),
      isError: (batch.flags[i] & 1) !== 0,
      readingId: hasId ? [batch.readingIdLow![i], batch.readingIdHigh![i]] : null,
    };
  });
}
