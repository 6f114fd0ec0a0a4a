/**
 * What the decoders must make of a body, worked out slowly and plainly: JSON.parse, a recursive MessagePack reader, regular expressions
 * and Date. Shares no code with src/actors/ingest.
 */

export interface Accepted {
  kind: 'accept';
  index: number;
  meterId: string;
  region: string;
  timestamp: number;
  powerKw: number;
  energyKwh: number;
  voltage: number;
  current: number;
  frequency: number;
  powerFactor: number;
  seq: number;
  isError: boolean;
  /** Hash halves, or null without a readingId. */
  readingId: readonly [low: number, high: number] | null;
}

export interface Rejected {
  kind: 'reject';
  index: number;
  code: string;
  /** The field the message must start with; null for elements that are no objects. */
  field: string | null;
}

export type Outcome = Accepted | Rejected;
/** The elements in order, or the codes one of which the body must be refused with. */
export type Expected = { elements: Outcome[] } | { refused: readonly string[] };

const READINGS_MAX = 50_000;
const OPTIONAL_NUMBERS: readonly (readonly [string, number, number])[] = [
  ['energyKwh', -1e6, 1e6],
  ['voltage', 0, 1e6],
  ['current', -1e6, 1e6],
  ['frequency', 0, 500],
  ['powerFactor', -1, 1],
];

/** Binary or extension data of MessagePack: of no type a field takes. */
class Opaque {}

export function expectJson(body: Uint8Array, nowMs: number): Expected {
  const value = parseStrictly(body);
  if (value === undefined) return { refused: isBlank(body) ? ['empty_body'] : ['invalid_json', 'invalid_utf8'] };
  return expectRoot(value, nowMs);
}

export function expectNdjson(body: Uint8Array, nowMs: number): Expected {
  const elements: Outcome[] = [];
  for (const line of splitLines(body)) {
    if (isBlank(line)) continue;
    const index = elements.length;
    if (index === READINGS_MAX) return { refused: ['too_many_readings'] };
    const value = parseStrictly(line);
    elements.push(value === undefined ? { kind: 'reject', index, code: 'invalid_json', field: null } : judge(value, index, nowMs));
  }
  return elements.length === 0 ? { refused: ['empty_body'] } : { elements };
}

export function expectMsgpack(body: Uint8Array, nowMs: number): Expected {
  if (body.length === 0) return { refused: ['empty_body'] };
  let value: unknown;
  try {
    value = readMsgpackBody(body);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { refused: ['invalid_msgpack', 'too_many_readings'] };
  }
  return expectRoot(value, nowMs);
}

function expectRoot(value: unknown, nowMs: number): Expected {
  if (Array.isArray(value)) {
    if (value.length > READINGS_MAX) return { refused: ['too_many_readings'] };
    return { elements: value.map((element, index) => judge(element, index, nowMs)) };
  }
  return isObject(value) ? { elements: [judge(value, 0, nowMs)] } : { refused: ['not_readings'] };
}

/** undefined when the bytes are not JSON. */
function parseStrictly(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body));
  } catch {
    return undefined;
  }
}

function isBlank(body: Uint8Array): boolean {
  return body.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d);
}

function splitLines(body: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  let start = 0;
  body.forEach((byte, at) => {
    if (byte !== 0x0a) return;
    lines.push(body.subarray(start, at));
    start = at + 1;
  });
  lines.push(body.subarray(start));
  return lines;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && ![Opaque, ExtensionTime, NotText].some((type) => value instanceof type);
}

function judge(value: unknown, index: number, nowMs: number): Outcome {
  const reject = (code: string, field: string | null): Rejected => ({ kind: 'reject', index, code, field });
  if (!isObject(value)) return reject('not_an_object', null);
  const get = (field: string): unknown => (Object.hasOwn(value, field) ? value[field] : undefined) ?? undefined;

  for (const [field, code] of [['meterId', 'invalid_meter_id'], ['region', 'invalid_region']] as const) {
    const id = get(field);
    if (id === undefined) return reject('missing_field', field);
    if (id instanceof NotText) return reject(code, field);
    if (typeof id !== 'string') return reject('invalid_type', field);
    if (!/^[A-Za-z0-9._:-]{1,64}$/.test(id) || id.endsWith('\n')) return reject(code, field);
  }
  const sent = get('timestamp');
  if (sent === undefined) return reject('missing_field', 'timestamp');
  let timestamp: number | null;
  if (typeof sent === 'string') timestamp = parseTimestamp(sent);
  else if (typeof sent === 'number') timestamp = Number.isSafeInteger(sent) ? sent : null;
  else if (sent instanceof NotText) timestamp = null;
  else if (sent instanceof ExtensionTime) timestamp = sent.ms;
  else return reject('invalid_type', 'timestamp');
  if (timestamp === null) return reject('invalid_timestamp', 'timestamp');
  if (timestamp < Date.UTC(2000, 0, 1)) return reject('timestamp_too_old', 'timestamp');
  if (timestamp > nowMs + 300_000) return reject('timestamp_in_future', 'timestamp');

  const powerKw = get('powerKw');
  if (powerKw === undefined) return reject('missing_field', 'powerKw');
  if (typeof powerKw !== 'number') return reject('invalid_type', 'powerKw');
  if (!Number.isFinite(powerKw)) return reject('not_finite', 'powerKw');
  if (Math.abs(powerKw) > 1e6) return reject('out_of_range', 'powerKw');

  const readingId = get('readingId');
  if (readingId !== undefined) {
    if (typeof readingId !== 'string') return reject(readingId instanceof NotText ? 'invalid_reading_id' : 'invalid_type', 'readingId');
    if (readingId.length < 1 || readingId.length > 64) return reject('invalid_reading_id', 'readingId');
  }
  const numbers: Record<string, number> = {};
  for (const [field, lowest, highest] of OPTIONAL_NUMBERS) {
    const number = get(field);
    numbers[field] = NaN;
    if (number === undefined) continue;
    if (typeof number !== 'number') return reject('invalid_type', field);
    if (!Number.isFinite(number)) return reject('not_finite', field);
    if (number < lowest || number > highest) return reject('out_of_range', field);
    numbers[field] = number + 0;
  }
  const seq = get('seq');
  if (seq !== undefined) {
    if (typeof seq !== 'number') return reject('invalid_type', 'seq');
    if (!Number.isSafeInteger(seq) || seq < 0) return reject('out_of_range', 'seq');
  }
  const status = get('status');
  if (status !== undefined && status !== 'OK' && status !== 'ERROR') return reject('invalid_status', 'status');
  const userId = get('userId');
  if (userId !== undefined) {
    if (typeof userId !== 'string' && !(userId instanceof NotText)) return reject('invalid_type', 'userId');
    if (userId instanceof NotText ? userId.characters > 64 : userId.length > 64) return reject('out_of_range', 'userId');
  }
  const metadata = get('metadata');
  if (metadata !== undefined && !isObject(metadata)) return reject('invalid_type', 'metadata');

  return {
    kind: 'accept',
    index,
    meterId: get('meterId') as string,
    region: get('region') as string,
    timestamp,
    powerKw: powerKw + 0,
    energyKwh: numbers.energyKwh,
    voltage: numbers.voltage,
    current: numbers.current,
    frequency: numbers.frequency,
    powerFactor: numbers.powerFactor,
    seq: seq === undefined ? NaN : (seq as number) + 0,
    isError: status === 'ERROR',
    readingId: typeof readingId === 'string' ? hashId(readingId) : null,
  };
}

/** Epoch milliseconds, or null. */
export function parseTimestamp(text: string): number | null {
  const match = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/.exec(text);
  if (match === null) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number);
  const milliseconds = Number((match[7] ?? '').padEnd(3, '0').slice(0, 3));
  const offsetHour = Number(match[9] ?? 0);
  const offsetMinute = Number(match[10] ?? 0);
  if (hour > 23 || minute > 59 || second > 59 || offsetHour > 23 || offsetMinute > 59) return null;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  date.setUTCHours(hour, minute, second, milliseconds);
  const offsetMs = (offsetHour * 60 + offsetMinute) * 60_000;
  return date.getTime() - (match[8] === '-' ? -offsetMs : offsetMs);
}

/** UTF-8 with a lone surrogate as three bytes. */
function wtf8(text: string): number[] {
  return [...text].flatMap((char) => {
    const code = char.codePointAt(0) as number;
    return code >= 0xd800 && code <= 0xdfff ? [0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)] : [...Buffer.from(char)];
  });
}

/** MurmurHash3_x86_32, and its sibling with the second lane's constants of MurmurHash3_x86_128, in BigInt. */
export function hashId(id: string): readonly [low: number, high: number] {
  const bytes = wtf8(id);
  return [murmur3(bytes, 0n, 0xcc9e2d51n, 15n, 0x1b873593n, 13n, 0xe6546b64n), murmur3(bytes, 0x2545f491n, 0xab0e9789n, 16n, 0x38b34ae5n, 17n, 0x0bcaa747n)];
}

const U32 = 0xffffffffn;
function rotate(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (32n - bits))) & U32;
}

function murmur3(bytes: readonly number[], seed: bigint, c1: bigint, r1: bigint, c2: bigint, r2: bigint, add: bigint): number {
  let hash = seed;
  for (let at = 0; at < bytes.length; at += 4) {
    let block = 0n;
    bytes.slice(at, at + 4).forEach((byte, k) => (block |= BigInt(byte) << BigInt(8 * k)));
    hash ^= (rotate((block * c1) & U32, r1) * c2) & U32;
    if (at + 4 <= bytes.length) hash = (rotate(hash, r2) * 5n + add) & U32;
  }
  hash ^= BigInt(bytes.length);
  hash = ((hash ^ (hash >> 16n)) * 0x85ebca6bn) & U32;
  hash = ((hash ^ (hash >> 13n)) * 0xc2b2ae35n) & U32;
  return Number(hash ^ (hash >> 16n));
}

/** A MessagePack string whose bytes are not UTF-8. */
class NotText {
  readonly characters: number;
  constructor(characters: number) {
    this.characters = characters;
  }
}

/** A MessagePack timestamp extension; null when it is malformed. */
class ExtensionTime {
  readonly ms: number | null;
  constructor(ms: number | null) {
    this.ms = ms;
  }
}

/** The value the bytes hold; RangeError when they are not exactly one. */
function readMsgpackBody(body: Uint8Array): unknown {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  let at = 0;
  const take = (bytes: number): number => {
    if (at + bytes > body.length) throw new RangeError('cut off');
    at += bytes;
    return at - bytes;
  };
  const unsigned = (bytes: number): bigint => {
    const start = take(bytes);
    let value = 0n;
    for (let k = 0; k < bytes; k++) value = (value << 8n) | BigInt(body[start + k]);
    return value;
  };
  const text = (bytes: number): unknown => {
    const start = take(bytes);
    const slice = body.subarray(start, start + bytes);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(slice);
    } catch {
      let characters = 0;
      for (const byte of slice) characters += byte >> 6 === 2 ? 0 : byte >= 0xf0 ? 2 : 1;
      return new NotText(bytes > 256 ? bytes : characters);
    }
  };
  const opaque = (bytes: number): Opaque => {
    take(bytes);
    return new Opaque();
  };
  const extension = (bytes: number): unknown => {
    const type = view.getInt8(take(1));
    if (type !== -1) return opaque(bytes);
    const start = take(bytes);
    if (bytes === 4) return new ExtensionTime(view.getUint32(start) * 1000);
    if (bytes !== 8 && bytes !== 12) return new ExtensionTime(null);
    const whole = view.getBigUint64(start);
    const nanoseconds = bytes === 8 ? whole >> 34n : BigInt(view.getUint32(start));
    const seconds = bytes === 8 ? whole & 0x3ffffffffn : view.getBigInt64(start + 4);
    const ms = Number(seconds) * 1000 + Number(nanoseconds / 1_000_000n);
    return new ExtensionTime(nanoseconds < 1_000_000_000n && Number.isSafeInteger(ms) ? ms : null);
  };
  const array = (count: number): unknown[] => {
    if (count > body.length - at) throw new RangeError('cut off');
    return Array.from({ length: count }, read);
  };
  const map = (count: number): Record<string, unknown> => {
    if (count > body.length - at) throw new RangeError('cut off');
    const object: Record<string, unknown> = {};
    for (let k = 0; k < count; k++) {
      const key = read();
      const value = read();
      if (typeof key === 'string') Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
    }
    return object;
  };
  function read(): unknown {
    const token = body[take(1)];
    if (token < 0x80) return token;
    if (token < 0x90) return map(token & 15);
    if (token < 0xa0) return array(token & 15);
    if (token < 0xc0) return text(token & 31);
    if (token >= 0xe0) return token - 256;
    switch (token) {
      case 0xc0: return null;
      case 0xc1: throw new RangeError('never used');
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: case 0xc5: case 0xc6: return opaque(Number(unsigned(2 ** (token - 0xc4))));
      case 0xc7: case 0xc8: case 0xc9: return extension(Number(unsigned(2 ** (token - 0xc7))));
      case 0xca: return view.getFloat32(take(4));
      case 0xcb: return view.getFloat64(take(8));
      case 0xcc: case 0xcd: case 0xce: case 0xcf: return Number(unsigned(2 ** (token - 0xcc)));
      case 0xd0: case 0xd1: case 0xd2: case 0xd3: {
        const bytes = 2 ** (token - 0xd0);
        return Number(BigInt.asIntN(8 * bytes, unsigned(bytes)));
      }
      case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8: return extension(2 ** (token - 0xd4));
      case 0xd9: case 0xda: case 0xdb: return text(Number(unsigned(2 ** (token - 0xd9))));
      case 0xdc: case 0xdd: return array(Number(unsigned(2 ** (token - 0xdb))));
      default: return map(Number(unsigned(2 ** (token - 0xdd))));
    }
  }
  const value = read();
  if (at !== body.length) throw new RangeError('trailing bytes');
  return value;
}
