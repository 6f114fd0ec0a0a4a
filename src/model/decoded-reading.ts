import { ID_BYTES_MAX } from './ids.ts';
import type { RejectCode } from './reading.ts';

/**
 * One reading between decoder and batch: a reused scratch record, never kept. Decoders fill it; whoever receives it copies
 * what it needs before it returns. Absent optional numbers are NaN.
 */
export class DecodedReading {
  /** Epoch milliseconds, a whole number. */
  timestamp = 0;
  powerKw = 0;
  energyKwh = NaN;
  voltage = NaN;
  current = NaN;
  frequency = NaN;
  powerFactor = NaN;
  seq = NaN;
  /** READING_FLAG bits. */
  flags = 0;
  /** murmur2 of the meterId bytes, unsigned. */
  meterHash = 0;
  readonly meterId = new Uint8Array(ID_BYTES_MAX);
  meterIdLength = 0;
  readonly region = new Uint8Array(ID_BYTES_MAX);
  regionLength = 0;
  /** 64-bit hash of the readingId in two halves, when flags say it has one. */
  readingIdLow = 0;
  readingIdHigh = 0;
}

/** What a decoder calls for every element of a request, in order of `index`. */
export interface ReadingSink {
  /** `reading` is borrowed: valid during the call only. `body.subarray(start, end)` is the element as it was sent. */
  accept(index: number, reading: DecodedReading, body: Uint8Array, start: number, end: number): void;
  /** `body.subarray(start, end)` is the element as it was sent (may be empty). */
  reject(index: number, code: RejectCode, message: string, body: Uint8Array, start: number, end: number): void;
}

/** A whole request that cannot be read; nothing of it counts. */
export interface Unreadable {
  code: 'invalid_json' | 'invalid_msgpack' | 'invalid_utf8' | 'empty_body' | 'not_readings' | 'too_many_readings';
  message: string;
  /** Byte at which reading stopped making sense, where known. */
  offset?: number;
}
