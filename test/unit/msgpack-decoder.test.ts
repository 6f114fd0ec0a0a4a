import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { decode } from '../oracle/decoded-outcomes.ts';

const NOW_MS = Date.UTC(2026, 2, 1, 12);
const GOOD = { meterId: 'meter-1', region: 'north', timestamp: '2026-03-01T11:59:00Z', powerKw: 1.5 };
const packr = new Packr({ useRecords: false });
const text = (chars: string) => [0xa0 | chars.length, ...Buffer.from(chars)];

function pack(value: unknown): Uint8Array {
  return Uint8Array.from(packr.pack(value));
}

/** The good reading as a map whose `field` has the given bytes as its value. */
function withBytes(field: string, bytes: readonly number[]): Uint8Array {
  const rest = Object.entries(GOOD).filter(([key]) => key !== field);
  return Uint8Array.from([0x80 | (rest.length + 1), ...rest.flatMap(([key, value]) => [...text(key), ...pack(value)]), ...text(field), ...bytes]);
}

function outcome(body: Uint8Array) {
  const { unreadable, sink } = decode('msgpack', body, NOW_MS);
  expect(unreadable).toBeNull();
  return sink.outcomes[0];
}

describe('a reading as MessagePack', () => {
  test('gives what the same reading gives as JSON', () => {
    const reading = { ...GOOD, readingId: 'ü😀', energyKwh: -0.25, voltage: 230, current: 6.5, frequency: 50, powerFactor: 1, seq: 2 ** 40, status: 'ERROR', userId: 'u', metadata: { a: [1, { b: null }] } };
    expect(outcome(pack(reading))).toEqual(decode('json', Buffer.from(JSON.stringify(reading)), NOW_MS).sink.outcomes[0]);
  });

  test.each([
    ['uint64', [0xcf, 0, 0, 0, 0, 0, 0, 0, 9], 9],
    ['int64', [0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf7], -9],
    ['uint8', [0xcc, 200], 200],
    ['int8', [0xd0, 0x80], -128],
    ['uint16', [0xcd, 1, 0], 256],
    ['int16', [0xd1, 0xff, 0], -256],
    ['uint32', [0xce, 0, 1, 0, 0], 65_536],
    ['int32', [0xd2, 0xff, 0xff, 0, 0], -65_536],
    ['float32', [0xca, 0x3f, 0xc0, 0, 0], 1.5],
    ['float64', [0xcb, 0xbf, 0xf8, 0, 0, 0, 0, 0, 0], -1.5],
    ['fixint', [0x7f], 127],
    ['negative fixint', [0xe0], -32],
    ['minus zero', [0xcb, 0x80, 0, 0, 0, 0, 0, 0, 0], 0],
  ])('takes a number as %s', (_name, bytes, value) => {
    expect(outcome(withBytes('powerKw', bytes))).toMatchObject({ kind: 'accept', powerKw: value });
  });

  test.each([
    ['four bytes', [0xd6, 0xff, 0x69, 0xa4, 0x2a, 0xc4], 0x69a42ac4 * 1000],
    ['eight bytes', [0xd7, 0xff, 0x77, 0x35, 0x94, 0x00, 0x69, 0xa4, 0x2a, 0xc4], 0x69a42ac4 * 1000 + 500],
    ['twelve bytes', [0xc7, 12, 0xff, 0x1d, 0xcd, 0x65, 0x00, 0, 0, 0, 0, 0x69, 0xa4, 0x2a, 0xc4], 0x69a42ac4 * 1000 + 500],
  ])('takes a timestamp extension of %s', (_name, bytes, ms) => {
    expect(outcome(withBytes('timestamp', bytes))).toMatchObject({ kind: 'accept', timestamp: ms });
  });

  test.each([
    ['timestamp', [0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0], 'invalid_timestamp'],
    ['timestamp', [0xd7, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], 'invalid_timestamp'],
    ['timestamp', [0xd4, 0xff, 0], 'invalid_timestamp'],
    ['timestamp', [0xd4, 0x05, 0], 'invalid_type'],
    ['timestamp', [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0], 'invalid_timestamp'],
    ['powerKw', [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0], 'not_finite'],
    ['powerKw', [0xca, 0x7f, 0x80, 0, 0], 'not_finite'],
    ['powerKw', [0xc0], 'missing_field'],
    ['powerKw', [0xa1, 0x31], 'invalid_type'],
    ['meterId', [0xc4, 1, 0x61], 'invalid_type'],
    ['meterId', [0xa1, 0xff], 'invalid_meter_id'],
    ['readingId', [0xa1, 0xff], 'invalid_reading_id'],
    ['seq', [0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0], 'out_of_range'],
    ['metadata', [0x90], 'invalid_type'],
  ])('with %s of %j is rejected with %s', (field, bytes, code) => {
    expect(outcome(withBytes(field, bytes))).toMatchObject({ kind: 'reject', code });
  });

  test('knows its fields by keys with longer lengths than they need, and skips keys that are no strings', () => {
    const pairs = [[0xd9, 7, ...Buffer.from('meterId'), ...text('m')], [0xda, 0, 6, ...Buffer.from('region'), ...text('r')], [7, 7], [0x81, 1, 2, 0x91, 3], [0xdb, 0, 0, 0, 7, ...Buffer.from('powerKw'), 2], [...text('timestamp'), ...pack(NOW_MS)]];
    expect(outcome(Uint8Array.from([0xdf, 0, 0, 0, pairs.length, ...pairs.flat()]))).toMatchObject({ kind: 'accept', meterId: 'm', region: 'r', powerKw: 2, timestamp: NOW_MS });
  });
});

describe('a MessagePack body', () => {
  test('rejects elements that are no maps by their index and takes the rest', () => {
    const { sink } = decode('msgpack', pack([GOOD, 7, [GOOD], GOOD, null]), NOW_MS);
    expect(sink.outcomes.map((element) => (element.kind === 'reject' ? element.code : 'ok'))).toEqual(['ok', 'not_an_object', 'not_an_object', 'ok', 'not_an_object']);
  });

  test.each([
    [[], 'empty_body'],
    [[0x07], 'not_readings'],
    [[0xc1], 'invalid_msgpack'],
    [[0x80, 0x80], 'invalid_msgpack'],
    [[0x91], 'invalid_msgpack'],
    [[0x81, 0xa1], 'invalid_msgpack'],
    [[0xdd, 0, 0], 'invalid_msgpack'],
    [[0xdf, 0xff, 0xff, 0xff, 0xff], 'invalid_msgpack'],
    [[0xdd, 0xff, 0xff, 0xff, 0xff], 'too_many_readings'],
    [[0xdc, 0xc3, 0x51], 'too_many_readings'],
  ])('of bytes %j is refused', (bytes, code) => {
    expect(decode('msgpack', Uint8Array.from(bytes), NOW_MS).unreadable?.code).toBe(code);
  });

  test('cut off at any byte is refused, also when the bytes after it are left from a whole one', () => {
    // Numbers last: their length is not checked on its own.
    const body = pack([{ metadata: { a: [1.5, 'x', null] }, readingId: 'abc', ...GOOD, seq: 2 ** 40 }]);
    for (let length = 1; length < body.length; length++) {
      decode('msgpack', body, NOW_MS);
      const { unreadable, sink } = decode('msgpack', body.subarray(0, length), NOW_MS);
      expect(unreadable?.code, `cut at ${length}`).toBe('invalid_msgpack');
      // Nothing is made up from what lies past the end.
      expect(sink.outcomes).toEqual([]);
    }
  });

  test('that claims more pairs than it and all bodies before it hold is refused', () => {
    const pair = [...text('seqs'), 0xce, 0, 0, 0, 1];
    const pairs = (bytes: number) => Array.from({ length: bytes / pair.length }, () => pair).flat();
    decode('msgpack', Uint8Array.from([0xdf, 0, 0, 0xea, 0x60, ...pairs(600_000)]), NOW_MS);
    const claims150000 = Uint8Array.from([0xdf, 0, 2, 0x49, 0xf0, ...pairs(400_000)]);
    expect(decode('msgpack', claims150000, NOW_MS).unreadable?.code).toBe('invalid_msgpack');
  });

  test('nested a million levels deep is taken', () => {
    const deep = new Uint8Array(1_000_001).fill(0x91);
    deep[1_000_000] = 0xc0;
    const body = Buffer.concat([Uint8Array.of(0x85), ...Object.entries(GOOD).flatMap(([key, value]) => [pack(key), pack(value)]), pack('other'), deep]);
    expect(outcome(body)).toMatchObject({ kind: 'accept' });
  });
});
