import { invariant } from '../../runtime/errors.ts';
import type { LogContentType, LogMessage, LogMessageKind } from './protocol.ts';

/**
 * Messages of one partition in one ArrayBuffer, to be transferred between threads: a log may hold one reading a message, and an object each would cost more than the reading.
 *
 * Little endian: count u32 and partition u32, then columns of offsets f64, times f64, times of judgement f64 (NaN: none), lengths of keys and values i32 (−1: null) and kinds u8; then keys and
 * values in turn.
 */

const HEADER_BYTES = 8;
/** Bytes of all columns for one message. */
const ROW_BYTES = 8 * 3 + 4 * 2 + 1;
const KINDS: readonly LogMessageKind[] = ['reading', 'control'];
const CONTENT_TYPES: readonly LogContentType[] = ['json', 'ndjson', 'msgpack'];

/** Messages of `partition`, ascending. */
export function packMessages(partition: number, messages: readonly LogMessage[]): ArrayBuffer {
  const count = messages.length;
  let heap = 0;
  for (const { key, value } of messages) heap += (key?.length ?? 0) + (value?.length ?? 0);
  const buffer = new ArrayBuffer(HEADER_BYTES + count * ROW_BYTES + heap);
  const header = new Uint32Array(buffer, 0, 2);
  header[0] = count;
  header[1] = partition;
  const columns = columnsOf(buffer, count);
  const bytes = new Uint8Array(buffer);
  let at = columns.heapStart;
  messages.forEach((message, i) => {
    invariant(message.partition === partition, 'a block holds messages of one partition');
    const { key, value } = message;
    columns.offset[i] = message.offset;
    columns.timestampMs[i] = message.timestampMs;
    columns.judgedAtMs[i] = message.judgedAtMs ?? NaN;
    columns.keyLength[i] = key === null ? -1 : key.length;
    columns.valueLength[i] = value === null ? -1 : value.length;
    columns.kind[i] = KINDS.indexOf(message.kind) * CONTENT_TYPES.length + CONTENT_TYPES.indexOf(message.contentType);
    for (const part of [key, value]) {
      if (part === null) continue;
      bytes.set(part, at);
      at += part.length;
    }
  });
  return buffer;
}

/** The messages, their bytes as views of the buffer. */
export function* unpackMessages(buffer: ArrayBuffer): Generator<LogMessage> {
  const [count, partition] = new Uint32Array(buffer, 0, 2);
  const columns = columnsOf(buffer, count);
  let at = columns.heapStart;
  const take = (length: number): Uint8Array | null => {
    if (length < 0) return null;
    at += length;
    return new Uint8Array(buffer, at - length, length);
  };
  for (let i = 0; i < count; i++) {
    const kind = columns.kind[i];
    const judgedAtMs = columns.judgedAtMs[i];
    yield {
      partition,
      offset: columns.offset[i],
      timestampMs: columns.timestampMs[i],
      judgedAtMs: judgedAtMs === judgedAtMs ? judgedAtMs : null,
      key: take(columns.keyLength[i]),
      value: take(columns.valueLength[i]),
      kind: KINDS[Math.floor(kind / CONTENT_TYPES.length)],
      contentType: CONTENT_TYPES[kind % CONTENT_TYPES.length],
    };
  }
}

export function messageCount(buffer: ArrayBuffer): number {
  return new Uint32Array(buffer, 0, 1)[0];
}

function columnsOf(buffer: ArrayBuffer, count: number) {
  let at = HEADER_BYTES;
  const take = (width: number): number => {
    at += count * width;
    return at - count * width;
  };
  return {
    offset: new Float64Array(buffer, take(8), count),
    timestampMs: new Float64Array(buffer, take(8), count),
    judgedAtMs: new Float64Array(buffer, take(8), count),
    keyLength: new Int32Array(buffer, take(4), count),
    valueLength: new Int32Array(buffer, take(4), count),
    kind: new Uint8Array(buffer, take(1), count),
    heapStart: at,
  };
}
