import { JsonReadingDecoder } from '../../src/actors/ingest/json-decoder.ts';
import { MsgpackReadingDecoder } from '../../src/actors/ingest/msgpack-decoder.ts';
import type { DecodedReading, ReadingSink, Unreadable } from '../../src/model/decoded-reading.ts';
import { murmur2 } from '../../src/model/ids.ts';
import type { Expected, Outcome } from './reading-oracle.ts';
import { expectJson, expectMsgpack, expectNdjson } from './reading-oracle.ts';

/** What the decoders under test make of a body, in the oracle's terms. */

export type Format = 'json' | 'ndjson' | 'msgpack';

/** Keeps copies of everything it is told. `raws` are the rejected elements as sent, `taken` the accepted ones. */
export class RecordingSink implements ReadingSink {
  readonly outcomes: Outcome[] = [];
  readonly messages: string[] = [];
  readonly raws: Uint8Array[] = [];
  readonly taken: Uint8Array[] = [];

  accept(index: number, reading: DecodedReading, body: Uint8Array, start: number, end: number): void {
    this.taken.push(body.slice(start, end));
    const meterId = Buffer.from(reading.meterId.subarray(0, reading.meterIdLength)).toString('latin1');
    if (reading.meterHash !== murmur2(Buffer.from(meterId), 0, meterId.length)) throw new Error(`meterHash of ${meterId} is wrong`);
    this.outcomes.push({
      kind: 'accept',
      index,
      meterId,
      region: Buffer.from(reading.region.subarray(0, reading.regionLength)).toString('latin1'),
      timestamp: reading.timestamp,
      powerKw: reading.powerKw,
      energyKwh: reading.energyKwh,
      voltage: reading.voltage,
      current: reading.current,
      frequency: reading.frequency,
      powerFactor: reading.powerFactor,
      seq: reading.seq,
      isError: (reading.flags & 1) !== 0,
      readingId: (reading.flags & 2) !== 0 ? [reading.readingIdLow, reading.readingIdHigh] : null,
    });
  }

  reject(index: number, code: string, message: string, body: Uint8Array, start: number, end: number): void {
    const isWhole = code === 'not_an_object' || code === 'invalid_json';
    this.outcomes.push({ kind: 'reject', index, code, field: isWhole ? null : message.split(' ', 1)[0] });
    this.messages.push(message);
    this.raws.push(body.slice(start, end));
  }
}

export interface Decoded {
  unreadable: Unreadable | null;
  sink: RecordingSink;
}

const jsonDecoder = new JsonReadingDecoder();
const msgpackDecoder = new MsgpackReadingDecoder();

/** Decodes with decoders that are reused from body to body, as in production, so that leftovers would show. */
export function decode(format: Format, body: Uint8Array, nowMs: number): Decoded {
  const sink = new RecordingSink();
  const unreadable =
    format === 'json' ? jsonDecoder.decodeJson(body, nowMs, sink) : format === 'ndjson' ? jsonDecoder.decodeNdjson(body, nowMs, sink) : msgpackDecoder.decodeMsgpack(body, nowMs, sink);
  return { unreadable, sink };
}

export function expectation(format: Format, body: Uint8Array, nowMs: number): Expected {
  return format === 'json' ? expectJson(body, nowMs) : format === 'ndjson' ? expectNdjson(body, nowMs) : expectMsgpack(body, nowMs);
}

/** What differs between decoder and oracle, in words; null when nothing does. */
export function difference(format: Format, body: Uint8Array, nowMs: number): string | null {
  const expected = expectation(format, body, nowMs);
  const { unreadable, sink } = decode(format, body, nowMs);
  if ('refused' in expected) {
    if (unreadable === null) return `taken, but should be refused with ${expected.refused.join(' or ')}`;
    return expected.refused.includes(unreadable.code) ? null : `refused with ${unreadable.code} instead of ${expected.refused.join(' or ')}`;
  }
  if (unreadable !== null) return `refused with ${unreadable.code} at ${unreadable.offset}, but should be taken`;
  if (sink.outcomes.length !== expected.elements.length) return `${sink.outcomes.length} elements instead of ${expected.elements.length}`;
  for (let i = 0; i < expected.elements.length; i++) {
    const difference = outcomeDifference(sink.outcomes[i], expected.elements[i]);
    if (difference !== null) return `element ${i}: ${difference}`;
  }
  const long = sink.messages.find((message) => message.length > 160);
  return long === undefined ? null : `message of ${long.length} characters`;
}

/** Compares by Object.is, so that −0 and NaN show. */
function outcomeDifference(actual: Outcome, expected: Outcome): string | null {
  const keys = Object.keys(expected) as (keyof Outcome)[];
  for (const key of keys) {
    const a: unknown = actual[key];
    const e: unknown = expected[key];
    const same = Array.isArray(e) ? Array.isArray(a) && e.every((part, k) => Object.is(part, a[k])) : Object.is(a, e);
    if (!same) return `${key} is ${JSON.stringify(a) ?? String(a)}, should be ${JSON.stringify(e) ?? String(e)} (expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)})`;
  }
  return null;
}
