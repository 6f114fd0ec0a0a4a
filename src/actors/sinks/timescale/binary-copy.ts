/**
 * Rows in PostgreSQL's binary COPY format (sql-copy.html, "Binary Format"): a signature, then for each row the number of its fields and each
 * field as length and bytes, big endian, then an end mark. One buffer is used again and again.
 */

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
/** Behind the signature: flags and the length of a header extension, both 0. */
const HEADER_BYTES = SIGNATURE.length + 8;
const END_MARK = -1;
const NULL_LENGTH = -1;
/** Of a new buffer; it doubles from there, up to what callers put in. */
const BYTES_MIN = 64 * 1024;
/** Longest fixed field: length and eight bytes. */
const FIXED_BYTES_MAX = 12;

/** PostgreSQL counts time from 2000-01-01T00:00:00Z. */
const POSTGRES_EPOCH_MS = 946_684_800_000;
const TWO_TO_32 = 4_294_967_296;
const INT4_MAX = 2_147_483_647;

const DAY_MS = 86_400_000;
/** As model/decimal.ts reads it. */
const DECIMAL = /^(-?)(\d{1,15})(?:\.(\d{1,14}))?$/;
/** Decimal digits in one of PostgreSQL's. */
const NUMERIC_GROUP = 4;
const NUMERIC_NEGATIVE = 0x4000;

/** A value that its column cannot hold, found before the database has to say so. */
export class ValueRefused extends Error {
  override readonly name = 'ValueRefused';
}

export class BinaryCopy {
  private bytes = Buffer.allocUnsafe(BYTES_MIN);
  private view = viewOf(this.bytes);
  private at = 0;

  /** Forgets what was written before. */
  begin(): void {
    SIGNATURE.copy(this.bytes);
    this.bytes.fill(0, SIGNATURE.length, HEADER_BYTES);
    this.at = HEADER_BYTES;
  }

  /** Begins a row; its fields must follow, in the order of the columns. */
  row(fields: number): void {
    this.makeRoom(2);
    this.view.setInt16(this.at, fields);
    this.at += 2;
  }

  null(): void {
    this.makeRoom(4);
    this.view.setInt32(this.at, NULL_LENGTH);
    this.at += 4;
  }

  text(value: string): void {
    // Three bytes of UTF-8 for a character at most.
    this.makeRoom(4 + value.length * 3);
    const start = this.at + 4;
    const { bytes } = this;
    let length = 0;
    for (; length < value.length; length++) {
      const code = value.charCodeAt(length);
      if (code > 127) break;
      bytes[start + length] = code;
    }
    if (length < value.length) length = bytes.write(value, start, 'utf8');
    this.view.setInt32(this.at, length);
    this.at = start + length;
  }

  textOrNull(value: string | null): void {
    if (value === null) this.null();
    else this.text(value);
  }

  /** Text that is UTF-8 already. */
  utf8(from: Uint8Array, start: number, length: number): void {
    this.makeRoom(4 + length);
    this.view.setInt32(this.at, length);
    const to = this.at + 4;
    const { bytes } = this;
    for (let k = 0; k < length; k++) bytes[to + k] = from[start + k];
    this.at = to + length;
  }

  /** Throws ValueRefused for what is not finite: JSON could not show it. */
  float8(value: number, column: string): void {
    if (!Number.isFinite(value)) throw new ValueRefused(`${column} is ${value}`);
    this.makeRoom(FIXED_BYTES_MAX);
    this.view.setInt32(this.at, 8);
    this.view.setFloat64(this.at + 4, value);
    this.at += 12;
  }

  /** null and NaN both become NULL. */
  float8OrNull(value: number | null, column: string): void {
    if (value === null || value !== value) this.null();
    else this.float8(value, column);
  }

  /** Throws ValueRefused for what has no place in 32 bits. */
  int4(value: number, column: string): void {
    if (!Number.isInteger(value) || Math.abs(value) > INT4_MAX) throw new ValueRefused(`${column} is ${value}, which an integer column cannot hold`);
    this.makeRoom(FIXED_BYTES_MAX);
    this.view.setInt32(this.at, 4);
    this.view.setInt32(this.at + 4, value);
    this.at += 8;
  }

  int4OrNull(value: number | null, column: string): void {
    if (value === null) this.null();
    else this.int4(value, column);
  }

  /** null becomes NULL. Throws ValueRefused for what is no whole number that a double holds exactly. */
  int8OrNull(value: number | null, column: string): void {
    if (value === null) {
      this.null();
      return;
    }
    if (!Number.isSafeInteger(value)) throw new ValueRefused(`${column} is ${value}, which is no whole number`);
    this.makeRoom(FIXED_BYTES_MAX);
    this.view.setInt32(this.at, 8);
    this.view.setBigInt64(this.at + 4, BigInt(value));
    this.at += 12;
  }

  /** An exact decimal. Throws ValueRefused for what is none. */
  numeric(value: string, column: string): void {
    const match = DECIMAL.exec(value);
    if (match === null) throw new ValueRefused(`${column} is ${value.slice(0, 40)}, which is no decimal number`);
    const [, sign, whole, fraction = ''] = match;
    // Groups of digits, counted from the point; the database drops those that are 0 at the ends.
    const wholeGroups = Math.ceil(whole.length / NUMERIC_GROUP);
    const fractionGroups = Math.ceil(fraction.length / NUMERIC_GROUP);
    const digits = whole.padStart(wholeGroups * NUMERIC_GROUP, '0') + fraction.padEnd(fractionGroups * NUMERIC_GROUP, '0');
    const groups = wholeGroups + fractionGroups;
    this.makeRoom(4 + 8 + 2 * groups);
    const { view } = this;
    view.setInt32(this.at, 8 + 2 * groups);
    view.setInt16(this.at + 4, groups);
    view.setInt16(this.at + 6, wholeGroups - 1);
    view.setUint16(this.at + 8, sign === '' ? 0 : NUMERIC_NEGATIVE);
    view.setUint16(this.at + 10, fraction.length);
    for (let i = 0; i < groups; i++) view.setInt16(this.at + 12 + 2 * i, Number(digits.slice(i * NUMERIC_GROUP, (i + 1) * NUMERIC_GROUP)));
    this.at += 12 + 2 * groups;
  }

  /** A day, from text such as 2026-07-01. Throws ValueRefused for what is none. */
  date(value: string, column: string): void {
    const days = (Date.parse(`${value}T00:00:00Z`) - POSTGRES_EPOCH_MS) / DAY_MS;
    if (!/^\d{4}-\d\d-\d\d$/.test(value) || !Number.isInteger(days)) throw new ValueRefused(`${column} is ${value.slice(0, 40)}, which is no day`);
    this.int4(days, column);
  }

  dateOrNull(value: string | null, column: string): void {
    if (value === null) this.null();
    else this.date(value, column);
  }

  bool(value: boolean): void {
    this.makeRoom(FIXED_BYTES_MAX);
    this.view.setInt32(this.at, 1);
    this.bytes[this.at + 4] = value ? 1 : 0;
    this.at += 5;
  }

  /** A point in time from epoch milliseconds. Throws ValueRefused for what is none, and beyond the year 2285, where a double no longer holds every microsecond. */
  timestamptz(epochMs: number, column: string): void {
    const microseconds = (epochMs - POSTGRES_EPOCH_MS) * 1_000;
    if (!Number.isInteger(epochMs) || !Number.isSafeInteger(microseconds)) throw new ValueRefused(`${column} is ${epochMs}, which is no whole number of milliseconds before the year 2285`);
    this.makeRoom(FIXED_BYTES_MAX);
    const high = Math.floor(microseconds / TWO_TO_32);
    this.view.setInt32(this.at, 8);
    this.view.setInt32(this.at + 4, high);
    this.view.setUint32(this.at + 8, microseconds - high * TWO_TO_32);
    this.at += 12;
  }

  timestamptzOrNull(epochMs: number | null, column: string): void {
    if (epochMs === null) this.null();
    else this.timestamptz(epochMs, column);
  }

  /** All rows since `begin`, ready to be sent (borrowed: good until the next `begin`). */
  finish(): Buffer {
    this.makeRoom(2);
    this.view.setInt16(this.at, END_MARK);
    this.at += 2;
    return this.bytes.subarray(0, this.at);
  }

  private makeRoom(needed: number): void {
    if (this.at + needed <= this.bytes.length) return;
    const bytes = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.at + needed));
    this.bytes.copy(bytes, 0, 0, this.at);
    this.bytes = bytes;
    this.view = viewOf(bytes);
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
