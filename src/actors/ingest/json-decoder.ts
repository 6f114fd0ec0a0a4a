import { isUtf8 } from 'node:buffer';
import type { ReadingSink, Unreadable } from '../../model/decoded-reading.ts';
import { ID_BYTE_ALLOWED, ID_BYTES_MAX } from '../../model/ids.ts';
import { READINGS_PER_REQUEST_MAX } from '../../model/reading.ts';
import { FIELD, FIELD_UNKNOWN, fieldOfName, FIRST_NUMBER_FIELD, KeyOrder, WireKeys } from './field-table.ts';
import { CLOSE_BRACE, CLOSE_BRACKET, COLON, COMMA, FAILED, JsonScanner, KIND_NULL, OPEN_BRACE, OPEN_BRACKET, QUOTE } from './json-scanner.ts';
import { parseNumber } from './number-parser.ts';
import { FAULT, ReadingDraft } from './reading-rules.ts';
import type { Fault } from './reading-rules.ts';
import { TimestampParser } from './timestamp-parser.ts';

const MINUS = 0x2d;
const SPACE = 0x20;
const LINE_FEED = 0x0a;
/** Part of no token, so every scan stops at it. */
const STOP = 0;

/** A key as it stands after its opening quote: the name and the closing quote. */
const KEYS = new WireKeys((name) => [...name, QUOTE]);

const NOT_AN_OBJECT_MESSAGE = 'a reading must be an object';
const LINE_MESSAGE = 'this line is not valid JSON';

/**
 * Decodes readings from JSON in one pass over the bytes. It takes exactly the bodies that `JSON.parse` takes after strict UTF-8 decoding
 * and sees the same values, but makes no strings or objects. Not re-entrant: a sink must not call the decoder that calls it.
 */
export class JsonReadingDecoder {
  private readonly scanner = new JsonScanner();
  private readonly draft = new ReadingDraft();
  private readonly timestamps = new TimestampParser();
  private readonly keyOrder = new KeyOrder();

  /**
   * One reading or an array of them. Calls `sink` for each element in order; when the result is not null the body is unreadable and what the
   * sink was told before is void. `body` is borrowed until the call returns; at most BODY_BYTES_MAX. `nowMs` is the clock, for
   * timestamps ahead of it.
   */
  decodeJson(body: Uint8Array, nowMs: number, sink: ReadingSink): Unreadable | null {
    const scanner = this.scanner;
    scanner.body.load(body, STOP);
    scanner.sawNonAscii = false;
    const start = scanner.skipWhitespace(0);
    if (start === body.length) return { code: 'empty_body', message: 'the body is empty; send one reading or an array of readings' };
    const first = scanner.body.bytes[start];
    if (first === OPEN_BRACKET) return this.decodeArray(body, start, nowMs, sink);
    const end = first === OPEN_BRACE ? this.scanReading(start) : scanner.skipValue(start);
    const unreadable = this.checkRest(body, end);
    if (unreadable !== null) return unreadable;
    if (first !== OPEN_BRACE) return { code: 'not_readings', message: 'the body is neither a reading object nor an array of readings', offset: start };
    this.emit(0, body, start, end, nowMs, sink);
    return null;
  }

  /**
   * One reading a line, ended by \n or \r\n; blank lines are skipped and not counted. A line that is not JSON, or not UTF-8, is rejected
   * by its index and hurts no other. Arguments and result as for `decodeJson`.
   */
  decodeNdjson(body: Uint8Array, nowMs: number, sink: ReadingSink): Unreadable | null {
    const scanner = this.scanner;
    const padded = scanner.body;
    padded.load(body, LINE_FEED);
    const bytes = padded.bytes;
    let index = 0;
    for (let lineStart = 0; lineStart < body.length; ) {
      const lineEnd = bytes.indexOf(LINE_FEED, lineStart);
      bytes[lineEnd] = STOP;
      const start = scanner.skipWhitespace(lineStart);
      if (start < lineEnd) {
        if (index === READINGS_PER_REQUEST_MAX) return tooManyReadings(start);
        this.decodeLine(index, body, start, lineEnd, nowMs, sink);
        index++;
      }
      lineStart = lineEnd + 1;
    }
    return index > 0 ? null : { code: 'empty_body', message: 'the body is empty; send one reading a line' };
  }

  private decodeLine(index: number, body: Uint8Array, start: number, lineEnd: number, nowMs: number, sink: ReadingSink): void {
    const scanner = this.scanner;
    scanner.sawNonAscii = false;
    const isObject = scanner.body.bytes[start] === OPEN_BRACE;
    const end = isObject ? this.scanReading(start) : scanner.skipValue(start);
    const isJson = end >= 0 && scanner.skipWhitespace(end) === lineEnd && (!scanner.sawNonAscii || isUtf8(body.subarray(start, end)));
    if (!isJson) sink.reject(index, 'invalid_json', LINE_MESSAGE, body, start, lineEnd);
    else if (isObject) this.emit(index, body, start, end, nowMs, sink);
    else sink.reject(index, 'not_an_object', NOT_AN_OBJECT_MESSAGE, body, start, end);
  }

  private decodeArray(body: Uint8Array, open: number, nowMs: number, sink: ReadingSink): Unreadable | null {
    const scanner = this.scanner;
    const bytes = scanner.body.bytes;
    let p = scanner.skipWhitespace(open + 1);
    if (bytes[p] === CLOSE_BRACKET) return this.checkRest(body, p + 1);
    for (let index = 0; ; index++) {
      if (index === READINGS_PER_REQUEST_MAX) return tooManyReadings(p);
      const start = p;
      if (bytes[p] === OPEN_BRACE) {
        p = this.scanReading(start);
        if (p < 0) return this.invalidJson();
        this.emit(index, body, start, p, nowMs, sink);
      } else {
        p = scanner.skipValue(start);
        if (p < 0) return this.invalidJson();
        sink.reject(index, 'not_an_object', NOT_AN_OBJECT_MESSAGE, body, start, p);
      }
      if (bytes[p] <= SPACE) p = scanner.skipWhitespace(p);
      if (bytes[p] === CLOSE_BRACKET) return this.checkRest(body, p + 1);
      if (bytes[p] !== COMMA) return this.invalidJson(p);
      p++;
      if (bytes[p] <= SPACE) p = scanner.skipWhitespace(p);
    }
  }

  /** After the root value: nothing but whitespace may follow, and the whole must have been UTF-8. */
  private checkRest(body: Uint8Array, end: number): Unreadable | null {
    if (end < 0) return this.invalidJson();
    const rest = this.scanner.skipWhitespace(end);
    if (rest !== body.length) return this.invalidJson(rest);
    if (this.scanner.sawNonAscii && !isUtf8(body)) return { code: 'invalid_utf8', message: 'the body is not valid UTF-8' };
    return null;
  }

  private invalidJson(offset = this.scanner.errorOffset): Unreadable {
    return { code: 'invalid_json', message: `the body is not valid JSON at byte ${offset}`, offset };
  }

  private emit(index: number, body: Uint8Array, start: number, end: number, nowMs: number, sink: ReadingSink): void {
    const draft = this.draft;
    if (draft.settle(nowMs)) sink.accept(index, draft.reading, body, start, end);
    else sink.reject(index, draft.rejectCode, draft.rejectMessage, body, start, end);
  }

  /** Scans the object that opens at `open` into the draft; returns the position after it. */
  private scanReading(open: number): number {
    const scanner = this.scanner;
    const { bytes, view } = scanner.body;
    const draft = this.draft;
    const numbers = draft.numbers;
    draft.clear();
    let previous: number = FIELD_UNKNOWN;
    let p = open + 1;
    if (bytes[p] <= SPACE) p = scanner.skipWhitespace(p);
    if (bytes[p] === CLOSE_BRACE) return p + 1;
    for (;;) {
      if (bytes[p] !== QUOTE) return scanner.fail(p);
      let field = this.keyOrder.guess(previous);
      if (KEYS.isAt(view, p + 1, field)) {
        p += 1 + KEYS.wireBytes[field];
      } else {
        field = KEYS.match(view, p + 1);
        p = field === FIELD_UNKNOWN ? this.scanRareKey(p + 1) : p + 1 + KEYS.wireBytes[field];
        if (p < 0) return FAILED;
        if (field === FIELD_UNKNOWN) field = this.rareKeyField;
        else this.keyOrder.learn(previous, field);
      }
      previous = field;
      if (bytes[p] !== COLON) {
        p = scanner.skipWhitespace(p);
        if (bytes[p] !== COLON) return scanner.fail(p);
      }
      p++;
      if (bytes[p] <= SPACE) p = scanner.skipWhitespace(p);
      // Most fields are numbers: they take the shortest way, and whatever does not parse as one the general way.
      const end = field >= FIRST_NUMBER_FIELD ? parseNumber(bytes, p, numbers, field) : FAILED;
      if (end >= 0) {
        draft.markPresent(field);
        p = end;
      } else {
        p = this.scanField(field, p);
        if (p < 0) return FAILED;
      }
      let c = bytes[p];
      if (c !== COMMA) {
        if (c <= SPACE) {
          p = scanner.skipWhitespace(p);
          c = bytes[p];
        }
        if (c === CLOSE_BRACE) return p + 1;
        if (c !== COMMA) return scanner.fail(p);
      }
      p++;
      if (bytes[p] !== QUOTE) p = scanner.skipWhitespace(p);
    }
  }

  private rareKeyField: number = FIELD_UNKNOWN;

  /** A key that is no field, or is one spelled with escapes; returns the position after its closing quote. */
  private scanRareKey(start: number): number {
    const scanner = this.scanner;
    const after = scanner.scanString(start);
    if (after < 0) return FAILED;
    // A plain key that is a field would have matched.
    this.rareKeyField = scanner.escaped ? fieldOfName(scanner.text, 0, scanner.unescape(start, after - 1)) : FIELD_UNKNOWN;
    return after;
  }

  /** Scans a value that is not a number in a number field into the draft; returns the position after it. */
  private scanField(field: number, at: number): number {
    const c = this.scanner.body.bytes[at];
    if (c === QUOTE) {
      if (field === FIELD.timestamp) return this.scanTimestamp(at + 1);
      if (field === FIELD.meterId || field === FIELD.region) return this.scanId(field, at + 1);
      if (field === FIELD.readingId || field === FIELD.status || field === FIELD.userId) return this.scanTextField(field, at + 1);
    } else if (field === FIELD.timestamp && ((c - 0x30) >>> 0 <= 9 || c === MINUS)) {
      const end = parseNumber(this.scanner.body.bytes, at, this.draft.numbers, field);
      if (end < 0) return this.scanner.fail(at);
      this.draft.setTimestampNumber();
      return end;
    }
    return this.scanOther(field, at);
  }

  /** A well-formed id is copied up to its quote in one pass; whatever else it is, the general scan finds out. */
  private scanId(field: number, start: number): number {
    const bytes = this.scanner.body.bytes;
    const reading = this.draft.reading;
    const target = field === FIELD.meterId ? reading.meterId : reading.region;
    let length = 0;
    let c = bytes[start];
    while (length < ID_BYTES_MAX && ID_BYTE_ALLOWED[c] === 1) {
      target[length++] = c;
      c = bytes[start + length];
    }
    if (c !== QUOTE || length === 0) return this.scanTextField(field, start);
    this.draft.markId(field, length);
    return start + length + 1;
  }

  private scanTimestamp(start: number): number {
    const bytes = this.scanner.body.bytes;
    const timestamps = this.timestamps;
    const end = timestamps.parse(bytes, start);
    if (end < 0 || bytes[end] !== QUOTE) return this.scanTextField(FIELD.timestamp, start);
    this.draft.numbers[FIELD.timestamp] = timestamps.valueMs;
    this.draft.markPresent(FIELD.timestamp);
    return end + 1;
  }

  /** Any string of a field that takes strings; `start` is after the opening quote. */
  private scanTextField(field: number, start: number): number {
    const scanner = this.scanner;
    const after = scanner.scanString(start);
    if (after < 0) return FAILED;
    if (scanner.escaped) {
      const length = scanner.unescape(start, after - 1);
      this.takeText(field, scanner.text, 0, length);
    } else {
      this.takeText(field, scanner.body.bytes, start, after - 1);
    }
    return after;
  }

  private takeText(field: number, bytes: Uint8Array, start: number, end: number): void {
    const draft = this.draft;
    switch (field) {
      case FIELD.readingId:
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

  /** A value of an unknown field, of a type the field does not take, or metadata. */
  private scanOther(field: number, at: number): number {
    const end = this.scanner.skipValue(at);
    if (end < 0 || field === FIELD_UNKNOWN) return end;
    const kind = this.scanner.skippedKind;
    if (kind === KIND_NULL) this.draft.markAbsent(field);
    else if (field === FIELD.metadata && kind === FAULT.object) this.draft.markPresent(field);
    else this.draft.markFault(field, kind as Fault);
    return end;
  }
}

function tooManyReadings(offset: number): Unreadable {
  return { code: 'too_many_readings', message: `more than ${READINGS_PER_REQUEST_MAX} readings in one request; send them in several`, offset };
}
