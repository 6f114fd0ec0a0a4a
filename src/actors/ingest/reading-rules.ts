import { DecodedReading } from '../../model/decoded-reading.ts';
import { ID_BYTE_ALLOWED, ID_BYTES_MAX, murmur2 } from '../../model/ids.ts';
import type { RejectCode } from '../../model/reading.ts';
import {
  CURRENT_A_MAX,
  ENERGY_KWH_MAX,
  FREQUENCY_HZ_MAX,
  FUTURE_MS_MAX,
  normalizeZero,
  POWER_KW_MAX,
  READING_FLAG,
  TIMESTAMP_MS_MIN,
  VOLTAGE_V_MAX,
} from '../../model/reading.ts';
import { FIELD, FIELD_COUNT, FIELD_NAMES, FIRST_NUMBER_FIELD } from './field-table.ts';
import { ReadingIdHash } from './reading-id-hash.ts';
import { utf16Length } from './utf16-length.ts';

/** What a field held instead of a value that can be used. */
export const FAULT = {
  boolean: 0,
  number: 1,
  string: 2,
  array: 3,
  object: 4,
  binary: 5,
  extension: 6,
  /** The right type, but not well-formed: an id with a space, a timestamp without an offset. */
  content: 7,
} as const;
export type Fault = (typeof FAULT)[keyof typeof FAULT];

const KIND_NAMES = ['a boolean', 'a number', 'a string', 'an array', 'an object', 'binary data', 'an extension value', 'something else'];

/** Characters of a readingId or userId at most, as JavaScript counts them. */
const TEXT_CHARACTERS_MAX = 64;

const REQUIRED = (1 << FIELD.meterId) | (1 << FIELD.region) | (1 << FIELD.timestamp) | (1 << FIELD.powerKw);
/** The order in which a reading's faults are looked for: the first found is reported. */
const RULE_ORDER: readonly number[] = [
  FIELD.meterId,
  FIELD.region,
  FIELD.timestamp,
  FIELD.powerKw,
  FIELD.readingId,
  FIELD.energyKwh,
  FIELD.voltage,
  FIELD.current,
  FIELD.frequency,
  FIELD.powerFactor,
  FIELD.seq,
  FIELD.status,
  FIELD.userId,
  FIELD.metadata,
];

const TYPE_NAMES: Readonly<Record<keyof typeof FIELD, string>> = {
  meterId: 'a string',
  region: 'a string',
  timestamp: 'an RFC 3339 string or epoch milliseconds',
  readingId: 'a string',
  status: '"OK" or "ERROR"',
  userId: 'a string',
  metadata: 'an object',
  powerKw: 'a number',
  energyKwh: 'a number',
  voltage: 'a number',
  current: 'a number',
  frequency: 'a number',
  powerFactor: 'a number',
  seq: 'a number',
};

/** Smallest and largest value of each number field, by field; NaN elsewhere. */
const LOWEST = new Float64Array(FIELD_COUNT).fill(NaN);
const HIGHEST = new Float64Array(FIELD_COUNT).fill(NaN);
const UNITS: Partial<Record<number, string>> = {};
function limit(field: number, lowest: number, highest: number, unit: string): void {
  LOWEST[field] = lowest;
  HIGHEST[field] = highest;
  UNITS[field] = unit;
}
limit(FIELD.powerKw, -POWER_KW_MAX, POWER_KW_MAX, ' kW');
limit(FIELD.energyKwh, -ENERGY_KWH_MAX, ENERGY_KWH_MAX, ' kWh');
limit(FIELD.voltage, 0, VOLTAGE_V_MAX, ' V');
limit(FIELD.current, -CURRENT_A_MAX, CURRENT_A_MAX, ' A');
limit(FIELD.frequency, 0, FREQUENCY_HZ_MAX, ' Hz');
limit(FIELD.powerFactor, -1, 1, '');
limit(FIELD.seq, 0, Number.MAX_SAFE_INTEGER, '');

const MISSING_MESSAGES = FIELD_NAMES.map((name) => `${name} is missing; it is required`);
const TYPE_MESSAGES = FIELD_NAMES.map((name) => KIND_NAMES.map((kind) => `${name} must be ${TYPE_NAMES[name]}, not ${kind}`));
const NOT_FINITE_MESSAGES = FIELD_NAMES.map((name) => `${name} must be a finite number`);
const RANGE_MESSAGES = FIELD_NAMES.map((name, field) =>
  field === FIELD.seq
    ? 'seq must be a whole number from 0 to 2^53 - 1'
    : `${name} must be between ${LOWEST[field]} and ${HIGHEST[field]}${UNITS[field] ?? ''}`,
);

/** Code and message of a field of the right type whose content is not well-formed. */
const CONTENT_FAULTS: Partial<Record<number, { code: RejectCode; message: string }>> = {
  [FIELD.meterId]: { code: 'invalid_meter_id', message: 'meterId must be 1 to 64 characters of A-Z a-z 0-9 . _ : -' },
  [FIELD.region]: { code: 'invalid_region', message: 'region must be 1 to 64 characters of A-Z a-z 0-9 . _ : -' },
  [FIELD.timestamp]: {
    code: 'invalid_timestamp',
    message: 'timestamp must be an RFC 3339 time with an offset, like 2024-05-01T12:00:00Z, or whole epoch milliseconds',
  },
  [FIELD.readingId]: { code: 'invalid_reading_id', message: 'readingId must be 1 to 64 characters' },
  [FIELD.userId]: { code: 'out_of_range', message: 'userId must be at most 64 characters' },
};
const STATUS_MESSAGE = 'status must be "OK" or "ERROR"';
const TOO_OLD_MESSAGE = 'timestamp is before 2000-01-01; is the clock of the meter set?';
const IN_FUTURE_MESSAGE = 'timestamp is more than 5 minutes in the future; is the clock of the meter right?';

/**
 * A reading as its fields come in: for each field what its last occurrence held. A decoder calls `clear`, one setter for every known key,
 * then `settle`. One per decoder, reused.
 */
export class ReadingDraft {
  /** Complete after `settle` returned true. */
  readonly reading = new DecodedReading();
  /** Values of number fields and of `timestamp`, by field; a decoder writes here, then calls `markPresent`. */
  readonly numbers = new Float64Array(FIELD_COUNT);
  /** Why `settle` returned false. */
  rejectCode: RejectCode = 'missing_field';
  rejectMessage = '';
  /** Bit per field: its last occurrence can be used. */
  private present = 0;
  /** Bit per field: its last occurrence cannot be used, `faults` says why. */
  private faulty = 0;
  private readonly faults = new Uint8Array(FIELD_COUNT);
  private isError = false;
  private readonly idHash = new ReadingIdHash();

  clear(): void {
    this.present = 0;
    this.faulty = 0;
  }

  markPresent(field: number): void {
    const bit = 1 << field;
    this.present |= bit;
    this.faulty &= ~bit;
  }

  /** `null` on the wire: as if the field were not there. */
  markAbsent(field: number): void {
    const bit = 1 << field;
    this.present &= ~bit;
    this.faulty &= ~bit;
  }

  markFault(field: number, fault: Fault): void {
    const bit = 1 << field;
    this.present &= ~bit;
    this.faulty |= bit;
    this.faults[field] = fault;
  }

  /** Takes the id at `bytes[start, end)` as meterId or region. */
  setId(field: number, bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length === 0 || length > ID_BYTES_MAX) return this.markFault(field, FAULT.content);
    const reading = this.reading;
    const target = field === FIELD.meterId ? reading.meterId : reading.region;
    for (let k = 0; k < length; k++) {
      const c = bytes[start + k];
      if (ID_BYTE_ALLOWED[c] === 0) return this.markFault(field, FAULT.content);
      target[k] = c;
    }
    this.markId(field, length);
  }

  /** The id of `length` bytes, already in `reading`, is well-formed. */
  markId(field: number, length: number): void {
    if (field === FIELD.meterId) this.reading.meterIdLength = length;
    else this.reading.regionLength = length;
    this.markPresent(field);
  }

  /** Takes epoch milliseconds that came as a number, already in `numbers`. */
  setTimestampNumber(): void {
    if (Number.isSafeInteger(this.numbers[FIELD.timestamp])) this.markPresent(FIELD.timestamp);
    else this.markFault(FIELD.timestamp, FAULT.content);
  }

  /** Takes the readingId at `bytes[start, end)`, UTF-8 without escapes. */
  setReadingId(bytes: Uint8Array, start: number, end: number): void {
    const characters = utf16LengthUpTo(bytes, start, end);
    if (characters === 0 || characters > TEXT_CHARACTERS_MAX) return this.markFault(FIELD.readingId, FAULT.content);
    this.idHash.hash(bytes, start, end);
    this.reading.readingIdLow = this.idHash.low;
    this.reading.readingIdHigh = this.idHash.high;
    this.markPresent(FIELD.readingId);
  }

  setUserId(bytes: Uint8Array, start: number, end: number): void {
    if (utf16LengthUpTo(bytes, start, end) > TEXT_CHARACTERS_MAX) this.markFault(FIELD.userId, FAULT.content);
    else this.markPresent(FIELD.userId);
  }

  setStatus(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length === 2 && bytes[start] === 0x4f && bytes[start + 1] === 0x4b) {
      this.isError = false;
    } else if (
      length === 5 &&
      bytes[start] === 0x45 &&
      bytes[start + 1] === 0x52 &&
      bytes[start + 2] === 0x52 &&
      bytes[start + 3] === 0x4f &&
      bytes[start + 4] === 0x52
    ) {
      this.isError = true;
    } else {
      return this.markFault(FIELD.status, FAULT.content);
    }
    this.markPresent(FIELD.status);
  }

  /** Completes `reading` and returns true, or finds the first broken rule, sets the reject fields and returns false. */
  settle(nowMs: number): boolean {
    const present = this.present;
    const numbers = this.numbers;
    const timestamp = numbers[FIELD.timestamp];
    let sound = this.faulty === 0 && (present & REQUIRED) === REQUIRED && timestamp >= TIMESTAMP_MS_MIN && timestamp <= nowMs + FUTURE_MS_MAX;
    for (let field = FIRST_NUMBER_FIELD; field < FIELD_COUNT; field++) {
      if ((present & (1 << field)) === 0) numbers[field] = NaN;
      else if (!(numbers[field] >= LOWEST[field] && numbers[field] <= HIGHEST[field])) sound = false;
    }
    const seq = numbers[FIELD.seq];
    if (seq === seq && Math.floor(seq) !== seq) sound = false;
    if (!sound) {
      this.explain(nowMs);
      return false;
    }
    const reading = this.reading;
    reading.timestamp = timestamp;
    reading.powerKw = normalizeZero(numbers[FIELD.powerKw]);
    reading.energyKwh = normalizeZero(numbers[FIELD.energyKwh]);
    reading.voltage = normalizeZero(numbers[FIELD.voltage]);
    reading.current = normalizeZero(numbers[FIELD.current]);
    reading.frequency = normalizeZero(numbers[FIELD.frequency]);
    reading.powerFactor = normalizeZero(numbers[FIELD.powerFactor]);
    reading.seq = normalizeZero(seq);
    reading.meterHash = murmur2(reading.meterId, 0, reading.meterIdLength);
    let flags = 0;
    if ((present & (1 << FIELD.status)) !== 0 && this.isError) flags |= READING_FLAG.error;
    if ((present & (1 << FIELD.readingId)) !== 0) flags |= READING_FLAG.readingId;
    reading.flags = flags;
    return true;
  }

  private explain(nowMs: number): void {
    for (const field of RULE_ORDER) {
      if (this.breaksRule(field, nowMs)) return;
    }
    throw new Error('invariant broken: a reading was refused but breaks no rule');
  }

  private breaksRule(field: number, nowMs: number): boolean {
    const bit = 1 << field;
    if ((this.faulty & bit) !== 0) return this.explainFault(field);
    if ((this.present & bit) === 0) return (REQUIRED & bit) !== 0 && this.refuse('missing_field', MISSING_MESSAGES[field]);
    const value = this.numbers[field];
    if (field === FIELD.timestamp) {
      if (value < TIMESTAMP_MS_MIN) return this.refuse('timestamp_too_old', TOO_OLD_MESSAGE);
      return value > nowMs + FUTURE_MS_MAX && this.refuse('timestamp_in_future', IN_FUTURE_MESSAGE);
    }
    if (field < FIRST_NUMBER_FIELD) return false;
    if (field === FIELD.seq) {
      const inRange = Number.isSafeInteger(value) && value >= 0;
      return !inRange && this.refuse('out_of_range', RANGE_MESSAGES[field]);
    }
    if (!Number.isFinite(value)) return this.refuse('not_finite', NOT_FINITE_MESSAGES[field]);
    const inRange = value >= LOWEST[field] && value <= HIGHEST[field];
    return !inRange && this.refuse('out_of_range', RANGE_MESSAGES[field]);
  }

  private explainFault(field: number): true {
    // Anything but the two words is a wrong status, whatever its type.
    if (field === FIELD.status) return this.refuse('invalid_status', STATUS_MESSAGE);
    const fault = this.faults[field];
    if (fault !== FAULT.content) return this.refuse('invalid_type', TYPE_MESSAGES[field][fault]);
    const content = CONTENT_FAULTS[field];
    if (content === undefined) throw new Error(`invariant broken: ${FIELD_NAMES[field]} has no content fault`);
    return this.refuse(content.code, content.message);
  }

  private refuse(code: RejectCode, message: string): true {
    this.rejectCode = code;
    this.rejectMessage = message;
    return true;
  }
}

/** utf16Length where it decides: text of no more bytes than characters are allowed is within the limit, and of text far over it any number over the limit will do. */
function utf16LengthUpTo(bytes: Uint8Array, start: number, end: number): number {
  if (end - start <= TEXT_CHARACTERS_MAX) return end - start;
  return end - start > TEXT_CHARACTERS_MAX * 4 ? TEXT_CHARACTERS_MAX + 1 : utf16Length(bytes, start, end);
}
