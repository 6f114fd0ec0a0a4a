import type { DecodedReading, ReadingSink } from '../../model/decoded-reading.ts';
import { isId, partitionOfHash } from '../../model/ids.ts';
import { BODY_BYTES_MAX, type RejectCode } from '../../model/reading.ts';
import { DEAD_LETTER_RAW_BYTES_MAX, isReadingBatch, ReadingBatchBuilder, type PackedBatch } from '../../model/reading-batch.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { createBodyDecoder } from '../ingest/body-decoder.ts';
import { readLogRecord, type ControlRecord, type LogRecord } from '../shard/log-record.ts';
import type { RegionPicture } from '../shard/protocol.ts';
import type { TickSlice } from '../shard/tick-schedule.ts';
import type { LogMessage } from './protocol.ts';

/**
 * What a message of the log says. Anybody may write to the log, so nothing in it may stop the fold or be passed over in silence: what cannot be counted becomes a dead
 * letter. And every node that folds a partition has to come to the same state, so the result depends on the message and the number of partitions alone.
 */
export type DecodedLogMessage =
  /** `packed` may hold dead letters alone. */
  | { kind: 'batch'; nowMs: number; packed: PackedBatch }
  | { kind: 'control'; nowMs: number; record: ControlRecord };

/** A gateway's clock may be this far from the broker's; past it JUDGED_AT_HEADER is not believed. Also the longest that an append may have waited. */
const JUDGED_AT_DISTANCE_MS_MAX = 10 * 60_000;

const NO_VALUE_MESSAGE = 'the message has no value; a reading cannot be taken back';
const TOO_LARGE_MESSAGE = `the message has more than ${BODY_BYTES_MAX} bytes`;
const NOT_CONTROL_MESSAGE = 'the message says that the engine wrote it, and it is none of the engine\'s';

/** One per thread that folds; it keeps buffers. Not re-entrant. */
export class LogMessageDecoder {
  private readonly partitionCount: number;
  private readonly decodeBody = createBodyDecoder();
  private readonly builder = new ReadingBatchBuilder();
  private readonly empty = this.builder.mark();
  private readonly sink = new PartitionSink(this.builder);

  constructor(options: { partitionCount: number }) {
    this.partitionCount = options.partitionCount;
  }

  /** Throws OperationalError `format` for a control record of a newer engine: it cannot be left out, or this fold would differ from that engine's. */
  decode(message: LogMessage): DecodedLogMessage {
    if (message.kind === 'control') {
      const record = this.controlRecord(message);
      if (record !== null) return { kind: 'control', nowMs: message.timestampMs, record };
      return this.deadLetter(message, 'invalid_message', NOT_CONTROL_MESSAGE);
    }
    const { value, timestampMs, judgedAtMs, partition } = message;
    if (value === null) return this.deadLetter(message, 'invalid_message', NO_VALUE_MESSAGE);
    if (value.length > BODY_BYTES_MAX) return this.deadLetter(message, 'invalid_message', TOO_LARGE_MESSAGE);
    const believed = judgedAtMs !== null && Math.abs(judgedAtMs - timestampMs) <= JUDGED_AT_DISTANCE_MS_MAX;
    this.sink.begin(partition, this.partitionCount);
    const unreadable = this.decodeBody(value, message.contentType, believed ? judgedAtMs : timestampMs, this.sink);
    if (unreadable === null) return { kind: 'batch', nowMs: timestampMs, packed: this.builder.pack() };
    this.builder.rollback(this.empty);
    return this.deadLetter(message, unreadable.code === 'invalid_json' ? 'invalid_json' : 'invalid_message', unreadable.message);
  }

  /** Null when it is none. */
  private controlRecord({ value, partition, offset, timestampMs }: LogMessage): ControlRecord | null {
    if (value === null || isReadingBatch(value)) return null;
    let record: LogRecord;
    try {
      record = readLogRecord(value, offset + 1);
    } catch (error) {
      if (error instanceof OperationalError && error.code === 'format') throw error;
      return null;
    }
    return isSound(record, partition) ? { ...record, nowMs: timestampMs } : null;
  }

  private deadLetter(message: LogMessage, code: RejectCode, text: string): DecodedLogMessage {
    this.builder.appendRejected({ code, message: text, index: 0, raw: rawText(message.value ?? NO_BYTES, 0, Infinity) });
    return { kind: 'batch', nowMs: message.timestampMs, packed: this.builder.pack() };
  }
}

/** Takes the readings of one message that belong to its partition. */
class PartitionSink implements ReadingSink {
  private readonly builder: ReadingBatchBuilder;
  private partition = 0;
  private partitionCount = 1;

  constructor(builder: ReadingBatchBuilder) {
    this.builder = builder;
  }

  begin(partition: number, partitionCount: number): void {
    this.partition = partition;
    this.partitionCount = partitionCount;
  }

  accept(index: number, reading: DecodedReading, body: Uint8Array, start: number, end: number): void {
    const owner = partitionOfHash(reading.meterHash, this.partitionCount);
    if (owner === this.partition) this.builder.append(reading);
    else this.reject(index, 'wrong_partition', `the meter belongs to partition ${owner}, not ${this.partition}; use the meterId as key and Kafka's default partitioner (murmur2)`, body, start, end);
  }

  reject(index: number, code: RejectCode, message: string, body: Uint8Array, start: number, end: number): void {
    this.builder.appendRejected({ code, message, index, raw: rawText(body, start, end) });
  }
}

/** A checksum keeps no one out who wants in: nothing is applied that the engine could not have written. */
function isSound(record: LogRecord, partition: number): record is ControlRecord {
  if (record.kind === 'tick') return Array.isArray(record.slices) && record.slices.every((slice: Partial<TickSlice> | null) => slice?.partition === partition && Number.isSafeInteger(slice.fromPage) && Number.isSafeInteger(slice.toPage) && slice.fromPage! >= 0);
  if (record.kind !== 'picture' || !Array.isArray(record.regions)) return false;
  return record.regions.every((share: Partial<RegionPicture['regions'][number]> | null) => {
    return typeof share?.region === 'string' && isId(share.region) && Number.isFinite(share.poweredShare) && Number.isFinite(share.reporting);
  });
}

const NO_BYTES = new Uint8Array(0);

function rawText(body: Uint8Array, start: number, end: number): string {
  const length = Math.min(end, body.length) - start;
  return Buffer.from(body.buffer, body.byteOffset + start, Math.min(length, DEAD_LETTER_RAW_BYTES_MAX)).toString('utf8');
}
