import { crc32 } from 'node:zlib';
import { Packr, Unpackr } from 'msgpackr';
import { isReadingBatch, openReadingBatch, READING_BATCH_VERSION, readingBatchVersion, receivedAtOfSealed, sealReadingBatch, type PackedBatch, type ReadingBatch } from '../../model/reading-batch.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { RegionPicture } from './protocol.ts';
import type { TickSlice } from './tick-schedule.ts';

/**
 * What the shard's log holds: batches of readings as they came (sealed with the time and a checksum), and the two other things that
 * move its state: the clock, and the picture of the regions. Both carry the time at which they were appended. `rememberedIds` begin the
 * log of a shard that was stopped in order or made by a redistribution (reading-id-record.ts); `readingIds` are the same as older engines wrote them.
 */
export type LogRecord =
  | { kind: 'batch'; nowMs: number; batch: ReadingBatch }
  | { kind: 'tick'; nowMs: number; slices: TickSlice[] }
  | { kind: 'picture'; nowMs: number; regions: RegionPicture['regions'] }
  | { kind: 'rememberedIds'; nowMs: number; words: Uint8Array }
  | { kind: 'readingIds'; nowMs: number; words: Uint8Array };

export type ControlRecord = Exclude<LogRecord, { kind: 'batch' }>;

const CONTROL_KINDS: ReadonlySet<string> = new Set<ControlRecord['kind']>(['tick', 'picture', 'rememberedIds', 'readingIds']);

const MAGIC = 0x43474553; // 'SEGC'
const HEADER_BYTES = 8;
/** Of a batch's widest columns. */
const COLUMN_ALIGNMENT = 8;
const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false });

/** Seals a packed batch in place and gives its bytes: the log record. */
export function batchRecord(packed: PackedBatch, nowMs: number): Uint8Array {
  const bytes = new Uint8Array(packed.buffer, 0, packed.bytes);
  sealReadingBatch(bytes, nowMs);
  return bytes;
}

/** A control record: magic u32, checksum u32, msgpack. In a buffer of its own. */
export function controlRecord(record: ControlRecord): Uint8Array {
  const body = packr.pack(record);
  const bytes = new Uint8Array(HEADER_BYTES + body.length);
  bytes.set(body, HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, crc32(body), true);
  return bytes;
}

/** Reads a record back. Copies a batch, because columns need alignment, unless its bytes are the caller's to give away and lie well. Throws OperationalError `corrupt` when it fails its checksum, `format` when another engine wrote it. */
export function readLogRecord(bytes: Uint8Array, sequence: number, takesOver = false): LogRecord {
  if (isReadingBatch(bytes)) {
    const nowMs = receivedAtOfSealed(bytes);
    if (nowMs === null) throw corrupt(sequence);
    const version = readingBatchVersion(bytes);
    if (version !== READING_BATCH_VERSION) throw new OperationalError('format', `log record ${sequence} has format ${version}, this engine reads ${READING_BATCH_VERSION}; use the engine that wrote it`);
    const own = takesOver && bytes.byteOffset % COLUMN_ALIGNMENT === 0 ? bytes : new Uint8Array(bytes);
    return { kind: 'batch', nowMs, batch: openReadingBatch(own.buffer, own.byteOffset, own.length) };
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const body = bytes.subarray(HEADER_BYTES);
  if (bytes.length < HEADER_BYTES || view.getUint32(0, true) !== MAGIC || view.getUint32(4, true) !== crc32(body)) throw corrupt(sequence);
  const record = unpackr.unpack(body) as ControlRecord;
  if (!CONTROL_KINDS.has(record.kind)) throw new OperationalError('format', `log record ${sequence} is of the kind "${record.kind}", which this engine does not know; use the engine that wrote it`);
  return record;
}

function corrupt(sequence: number): OperationalError {
  return new OperationalError('corrupt', `log record ${sequence} fails its checksum`);
}
