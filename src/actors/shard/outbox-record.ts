import { crc32 } from 'node:zlib';
import { OperationalError } from '../../runtime/errors.ts';
import type { PendingWindows } from './pending-windows.ts';

/**
 * What one checkpoint step changed, as keys: what they stand for is read when it is sent, as it is then.
 *
 * Header, little endian: magic u32, version u32, checksum u32 over all the rest, checksum of the record before u32, bytes of all records before f64, then how
 * many there are of each kind u32. The items follow by kind: parts (region u16, window u32), anomalies and dead letters (length u8, key), and windows: a
 * page's windows of one time (partition u16, page u32, window u32, one bit for each row u32 + u32). `window` is twice the window's number, plus 1 for 15m.
 */
const MAGIC = 0x4f474553; // 'SEGO'
/** Raised when records change their layout. */
export const OUTBOX_RECORD_VERSION = 1;
const HEADER_BYTES = 40;
const CHECKSUM_AT = 8;
const COUNTS_AT = 24;
const PART_BYTES = 6;
const WINDOWS_BYTES = 18;
const KEY_BYTES_MAX = 255;
const CAPACITY_MIN = 512;

/** Kinds in the order in which they lie. */
const KINDS = ['part', 'anomaly', 'deadLetter', 'windows'] as const;
type Kind = (typeof KINDS)[number];

export type OutboxItem =
  | { kind: 'part'; region: number; granularity: number; windowNumber: number }
  /** Keys of their tables. Borrowed from the record. */
  | { kind: 'anomaly' | 'deadLetter'; key: Uint8Array }
  /** Bit r of the low word is row r of the page, bit r of the high one row 32 + r. */
  | { kind: 'windows'; partition: number; page: number; granularity: number; windowNumber: number; rowsLow: number; rowsHigh: number };

/** A window's number and its granularity (0 = 1m, 1 = 15m) in 32 bits. */
export function windowCode(granularity: number, windowNumber: number): number {
  return windowNumber * 2 + granularity;
}

/** What links a record to those before it. */
export interface OutboxLink {
  /** 0 for the first of all. */
  previousChecksum: number;
  bytesBefore: number;
}

/** Collects one step's keys. Kinds come in the order of KINDS. */
export class OutboxRecordBuilder {
  private bytes = new Uint8Array(CAPACITY_MIN);
  private view = new DataView(this.bytes.buffer);
  private end = HEADER_BYTES;
  private readonly counts = [0, 0, 0, 0];

  get isEmpty(): boolean {
    return this.end === HEADER_BYTES;
  }

  addPart(region: number, granularity: number, windowNumber: number): void {
    const at = this.take('part', PART_BYTES);
    this.view.setUint16(at, region, true);
    this.view.setUint32(at + 2, windowCode(granularity, windowNumber), true);
  }

  /** Throws RangeError for a key that is longer than any. */
  addKey(kind: 'anomaly' | 'deadLetter', key: Uint8Array): void {
    if (key.length > KEY_BYTES_MAX) throw new RangeError(`a key of ${key.length} bytes is too long for the outbox`);
    const at = this.take(kind, 1 + key.length);
    this.bytes[at] = key.length;
    this.bytes.set(key, at + 1);
  }

  /** All of a page's windows that go to disk. */
  addPage(partition: number, page: number, windows: PendingWindows): void {
    const keys = windows.sortedKeys();
    let i = 0;
    while (i < keys.length) {
      const code = Math.floor(keys[i] / 64);
      const rows = [0, 0];
      for (; i < keys.length && Math.floor(keys[i] / 64) === code; i++) {
        const row = keys[i] % 64;
        rows[row >> 5] |= 1 << (row & 31);
      }
      const at = this.take('windows', WINDOWS_BYTES);
      this.view.setUint16(at, partition, true);
      this.view.setUint32(at + 2, page, true);
      this.view.setUint32(at + 6, code, true);
      this.view.setUint32(at + 10, rows[0] >>> 0, true);
      this.view.setUint32(at + 14, rows[1] >>> 0, true);
    }
  }

  /** The record, in a buffer of its own. */
  finish({ previousChecksum, bytesBefore }: OutboxLink): Uint8Array {
    const bytes = this.bytes.slice(0, this.end);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, MAGIC, true);
    view.setUint32(4, OUTBOX_RECORD_VERSION, true);
    view.setUint32(12, previousChecksum, true);
    view.setFloat64(16, bytesBefore, true);
    this.counts.forEach((count, kind) => view.setUint32(COUNTS_AT + kind * 4, count, true));
    view.setUint32(CHECKSUM_AT, checksumOf(bytes), true);
    return bytes;
  }

  /** Room for one more item; gives where it begins. */
  private take(kind: Kind, bytes: number): number {
    const at = this.end;
    this.counts[KINDS.indexOf(kind)]++;
    this.end = at + bytes;
    if (this.end > this.bytes.length) {
      const next = new Uint8Array(Math.max(this.bytes.length * 2, this.end));
      next.set(this.bytes);
      this.bytes = next;
      this.view = new DataView(next.buffer);
    }
    return at;
  }
}

/** A record as it lies in the store, in memory of its own. */
export class OutboxRecord implements OutboxLink {
  /** Items in it. */
  readonly length: number;
  readonly checksum: number;
  readonly previousChecksum: number;
  readonly bytesBefore: number;
  readonly byteLength: number;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly parts: number;
  private readonly anomalies: number;
  /** Where the keys begin. */
  private readonly keys: number[];
  private readonly windowsAt: number;

  /** Use `openOutboxRecord`. */
  constructor(bytes: Uint8Array, counts: readonly number[], keys: number[], windowsAt: number) {
    const [parts, anomalies, deadLetters, windows] = counts;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.byteLength = bytes.length;
    this.length = parts + anomalies + deadLetters + windows;
    this.checksum = checksumIn(bytes);
    this.previousChecksum = this.view.getUint32(12, true);
    this.bytesBefore = this.view.getFloat64(16, true);
    this.parts = parts;
    this.anomalies = anomalies;
    this.keys = keys;
    this.windowsAt = windowsAt;
  }

  /** `i` is 0 … length − 1. */
  itemAt(i: number): OutboxItem {
    const { view, parts, keys } = this;
    if (i < parts) {
      const at = HEADER_BYTES + i * PART_BYTES;
      return { kind: 'part', region: view.getUint16(at, true), ...codeParts(view.getUint32(at + 2, true)) };
    }
    const k = i - parts;
    if (k < keys.length) return { kind: k < this.anomalies ? 'anomaly' : 'deadLetter', key: this.bytes.subarray(keys[k] + 1, keys[k] + 1 + this.bytes[keys[k]]) };
    const at = this.windowsAt + (k - keys.length) * WINDOWS_BYTES;
    return {
      kind: 'windows',
      partition: view.getUint16(at, true),
      page: view.getUint32(at + 2, true),
      ...codeParts(view.getUint32(at + 6, true)),
      rowsLow: view.getUint32(at + 10, true),
      rowsHigh: view.getUint32(at + 14, true),
    };
  }
}

/** Takes a copy of the bytes. Throws OperationalError `corrupt` or `format` when they are no record. */
export function openOutboxRecord(stored: Uint8Array, sequence: number): OutboxRecord {
  const name = `outbox record ${sequence}`;
  const bytes = stored.slice();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < HEADER_BYTES || view.getUint32(0, true) !== MAGIC) throw new OperationalError('corrupt', `${name} is none`);
  const version = view.getUint32(4, true);
  if (version !== OUTBOX_RECORD_VERSION) throw new OperationalError('format', `${name} has format ${version}, this engine reads ${OUTBOX_RECORD_VERSION}`);
  if (view.getUint32(CHECKSUM_AT, true) !== checksumOf(bytes)) throw new OperationalError('corrupt', `${name} fails its checksum`);
  const counts = KINDS.map((_, kind) => view.getUint32(COUNTS_AT + kind * 4, true));
  const [parts, anomalies, deadLetters, windows] = counts;
  const keys: number[] = [];
  let at = HEADER_BYTES + parts * PART_BYTES;
  for (let k = 0; k < anomalies + deadLetters && at < bytes.length; k++) {
    keys.push(at);
    at += 1 + bytes[at];
  }
  if (keys.length !== anomalies + deadLetters || at + windows * WINDOWS_BYTES !== bytes.length) throw new OperationalError('corrupt', `${name} has ${bytes.length} bytes, not what its counts ask for`);
  return new OutboxRecord(bytes, counts, keys, at);
}

/** As it is written in the record. */
export function checksumIn(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(CHECKSUM_AT, true);
}

function codeParts(code: number): { granularity: number; windowNumber: number } {
  return { granularity: code % 2, windowNumber: Math.floor(code / 2) };
}

function checksumOf(bytes: Uint8Array): number {
  return crc32(bytes.subarray(CHECKSUM_AT + 4), crc32(bytes.subarray(0, CHECKSUM_AT)));
}
