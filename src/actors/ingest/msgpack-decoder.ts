import { isUtf8 } from 'node:buffer';
import type { ReadingSink, Unreadable } from '../../model/decoded-reading.ts';
import { READINGS_PER_REQUEST_MAX } from '../../model/reading.ts';
import { FIELD, FIELD_UNKNOWN, fieldOfName, FIRST_NUMBER_FIELD, KeyOrder, WireKeys } from './field-table.ts';
import { FAILED, KIND_NIL, MsgpackScanner, TOKEN } from './msgpack-scanner.ts';
import { FAULT, ReadingDraft } from './reading-rules.ts';
import type { Fault } from './reading-rules.ts';
import { TimestampParser } from './timestamp-parser.ts';

/** Where a scan ends is known from lengths; the stop byte is only there for the padding. */
const STOP = 0;
/** Extension type of the timestamps MessagePack itself defines. */
const TIMESTAMP_EXTENSION = -1;
const NANOSECONDS_MAX = 999_999_999;
const NANOSECONDS_PER_MS = 1e6;

/** A key as nearly every encoder writes it: one byte of length, then the name. */
const KEYS = new WireKeys((name) => [TOKEN.fixstr | name.length, ...name]);

const NOT_AN_OBJECT_MESSAGE = 'a reading must be a map';

/**
 * Decodes readings from MessagePack: one map, or an array of maps, by the rules of the JSON decoder. Keys may be of any type; those that are
 * not the name of a field are skipped with their values. Not re-entrant: a sink must not call the decoder that calls it.
 */
export class MsgpackReadingDecoder {
  private readonly scanner = new MsgpackScanner();
  private readonly draft = new ReadingDraft();
  private readonly timestamps = new TimestampParser();
  private readonly keyOrder = new KeyOrder();

  /**
   * Calls `sink` for each element in order; when the result is not null the body is unreadable and what the sink was told before is void.
   * `body` is borrowed until the call returns; at most BODY_BYTES_MAX. `nowMs` is the clock, for timestamps ahead of it.
   */
  decodeMsgpack(body: Uint8Array, nowMs: number, sink: ReadingSink): Unreadable | null {
    if (body.length === 0) return { code: 'empty_body', message: 'the body is empty; send one reading or an array of readings' };
    const scanner = this.scanner;
    scanner.body.load(body, STOP);
    if (scanner.isArray(0)) return this.decodeArray(body, nowMs, sink);
    const isMap = scanner.isMap(0);
    const end = isMap ? this.scanReading(0) : scanner.skipValue(0);
    if (end !== body.length) return this.invalidMsgpack(end);
    if (!isMap) return { code: 'not_readings', message: 'the body is neither a map nor an array of maps', offset: 0 };
    this.emit(0, body, 0, end, nowMs, sink);
    return null;
  }

  private decodeArray(body: Uint8Array, nowMs: number, sink: ReadingSink): Unreadable | null {
    const scanner = this.scanner;
    let p = scanner.headerBytes(0);
    if (p > body.length) return this.invalidMsgpack(0);
    const count = scanner.count(0);
    if (count > READINGS_PER_REQUEST_MAX) {
      return { code: 'too_many_readings', message: `more than ${READINGS_PER_REQUEST_MAX} readings in one request; send them in several`, offset: 0 };
    }
    for (let index = 0; index < count; index++) {
      const start = p;
      if (scanner.isMap(start)) {
        p = this.scanReading(start);
        if (p < 0) return this.invalidMsgpack(p);
        this.emit(index, body, start, p, nowMs, sink);
      } else {
        p = scanner.skipValue(start);
        if (p < 0) return this.invalidMsgpack(p);
        sink.reject(index, 'not_an_object', NOT_AN_OBJECT_MESSAGE, body, start, p);
      }
    }
    return p === body.length ? null : this.invalidMsgpack(p);
  }

  /** `end` is where a value ended although the body goes on, or FAILED. */
  private invalidMsgpack(end: number): Unreadable {
    const offset = end < 0 ? this.scanner.errorOffset : end;
    return { code: 'invalid_msgpack', message: `the body is not valid MessagePack at byte ${offset}`, offset };
  }

  private emit(index: number, body: Uint8Array, start: number, end: number, nowMs: number, sink: ReadingSink): void {
    const draft = this.draft;
    if (draft.settle(nowMs)) sink.accept(index, draft.reading, body, start, end);
    else sink.reject(index, draft.rejectCode, draft.rejectMessage, body, start, end);
  }

  /** Scans the map at `at` into the draft; returns the position after it. */
  private scanReading(at: number): number {
    const scanner = this.scanner;
    const { view, end } = scanner.body;
    this.draft.clear();
    const pairs = scanner.count(at);
    let p = at + scanner.headerBytes(at);
    // A pair takes at least two bytes.
    if (pairs * 2 > end - p) return scanner.fail(at);
    let previous: number = FIELD_UNKNOWN;
    for (let pair = 0; pair < pairs; pair++) {
      let field = this.keyOrder.guess(previous);
      if (KEYS.isAt(view, p, field)) {
        p += KEYS.wireBytes[field];
      } else {
        field = KEYS.match(view, p);
        p = field === FIELD_UNKNOWN ? this.scanRareKey(p) : p + KEYS.wireBytes[field];
        if (p < 0) return FAILED;
        if (field === FIELD_UNKNOWN) field = this.rareKeyField;
        else this.keyOrder.learn(previous, field);
      }
      previous = field;
      // Keys and numbers are read into the padding rather than checked byte for byte: here and after the last pair it shows.
      if (p >= end) return scanner.fail(end);
      p = this.scanField(field, p);
      if (p < 0) return FAILED;
    }
    return p > end ? scanner.fail(end) : p;
  }

  private rareKeyField: number = FIELD_UNKNOWN;

  /** A key that is no field, or one with a longer length than it needs; returns the position after it. */
  private scanRareKey(at: number): number {
    const scanner = this.scanner;
    this.rareKeyField = FIELD_UNKNOWN;
    if (!scanner.isString(at)) return scanner.skipValue(at);
    const start = scanner.openString(at);
    if (start < 0) return FAILED;
    this.rareKeyField = fieldOfName(scanner.body.bytes, start, scanner.length);
    return start + scanner.length;
  }

  /** Scans the value of `field` that starts at `at` into the draft; returns the position after it, perhaps past the body's end. */
  private scanField(field: number, at: number): number {
    const scanner = this.scanner;
    if (field >= FIRST_NUMBER_FIELD) {
      const end = scanner.readNumber(at, this.draft.numbers, field);
      if (end >= 0) {
        this.draft.markPresent(field);
        return end;
      }
    } else if (field !== FIELD_UNKNOWN && field !== FIELD.metadata) {
      if (scanner.isString(at)) {
        const start = scanner.openString(at);
        if (start < 0) return FAILED;
        const end = start + scanner.length;
        this.takeText(field, start, end);
        return end;
      }
      if (field === FIELD.timestamp) return this.scanTimestamp(at);
    }
    return this.scanOther(field, at);
  }

  private takeText(field: number, start: number, end: number): void {
    const bytes = this.scanner.body.bytes;
    const draft = this.draft;
    switch (field) {
      case FIELD.readingId:
        if (!isText(bytes, start, end)) return draft.markFault(field, FAULT.content);
        return draft.setReadingId(bytes, start, end);
      case FIELD.status:
        return draft.setStatus(bytes, start, end);
      case FIELD.userId:
        return draft.setUserId(bytes, start, end);
      case FIELD.timestamp:
        if (this.timestamps.parse(bytes, start) !== end) return draft.markFault(field, FAULT.content);
        draft.numbers[field] = this.timestamps.valueMs;
        return draft.markPresent(field);
      default:
        return draft.setId(field, bytes, start, end);
    }
  }

  /** A timestamp that is no string: epoch milliseconds as a number, or MessagePack's own extension. */
  private scanTimestamp(at: number): number {
    const scanner = this.scanner;
    const { numbers } = this.draft;
    const end = scanner.readNumber(at, numbers, FIELD.timestamp);
    if (end >= 0) {
      this.draft.setTimestampNumber();
      return end;
    }
    if (!scanner.isExtension(at)) return this.scanOther(FIELD.timestamp, at);
    const start = scanner.openExtension(at);
    if (start < 0) return FAILED;
    if (scanner.extensionType !== TIMESTAMP_EXTENSION) return this.scanOther(FIELD.timestamp, at);
    numbers[FIELD.timestamp] = this.extensionMs(start, scanner.length);
    this.draft.setTimestampNumber();
    return start + scanner.length;
  }

  /** Epoch milliseconds of a timestamp extension's payload, finer digits cut off; NaN when it is not well-formed. */
  private extensionMs(start: number, length: number): number {
    const { view } = this.scanner.body;
    if (length === 4) return view.getUint32(start) * 1000;
    let seconds: number;
    let nanoseconds: number;
    if (length === 8) {
      const high = view.getUint32(start);
      nanoseconds = high >>> 2;
      seconds = (high & 3) * 2 ** 32 + view.getUint32(start + 4);
    } else if (length === 12) {
      nanoseconds = view.getUint32(start);
      seconds = view.getInt32(start + 4) * 2 ** 32 + view.getUint32(start + 8);
    } else {
      return NaN;
    }
    return nanoseconds > NANOSECONDS_MAX ? NaN : seconds * 1000 + Math.floor(nanoseconds / NANOSECONDS_PER_MS);
  }

  /** A value of an unknown field, of a type the field does not take, or metadata. */
  private scanOther(field: number, at: number): number {
    const end = this.scanner.skipValue(at);
    if (end < 0 || field === FIELD_UNKNOWN) return end;
    const kind = this.scanner.skippedKind;
    if (kind === KIND_NIL) this.draft.markAbsent(field);
    else if (field === FIELD.metadata && kind === FAULT.object) this.draft.markPresent(field);
    else this.draft.markFault(field, kind as Fault);
    return end;
  }
}

/** MessagePack lets a string hold any bytes; an id is text only when they are UTF-8. */
function isText(bytes: Uint8Array, start: number, end: number): boolean {
  for (let p = start; p < end; p++) {
    if (bytes[p] >= 0x80) return isUtf8(bytes.subarray(start, end));
  }
  return true;
}
