import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseNumber } from '../../src/actors/ingest/number-parser.ts';
import { ReadingIdHash } from '../../src/actors/ingest/reading-id-hash.ts';
import type { Accepted } from '../oracle/reading-oracle.ts';
import { hashId } from '../oracle/reading-oracle.ts';
import { decode } from '../oracle/decoded-outcomes.ts';

const NOW_MS = Date.UTC(2026, 2, 1, 12);
const GOOD = { meterId: 'meter-1', region: 'north', timestamp: '2026-03-01T11:59:00Z', powerKw: 1.5 };

function decodeText(text: string, format: 'json' | 'ndjson' = 'json') {
  return decode(format, Buffer.from(text), NOW_MS);
}

/** The reading with fields put in or taken out (undefined), as JSON. */
function reading(changes: Record<string, unknown> = {}): string {
  return JSON.stringify({ ...GOOD, ...changes });
}

/** Code and message of the one rejected reading of the body. */
function rejection(text: string): string {
  const { unreadable, sink } = decodeText(text);
  expect(unreadable).toBeNull();
  expect(sink.outcomes).toHaveLength(1);
  const [outcome] = sink.outcomes;
  return outcome.kind === 'reject' ? `${outcome.code}: ${sink.messages[0]}` : 'accepted';
}

function accepted(text: string): Accepted {
  const { unreadable, sink } = decodeText(text);
  expect(unreadable).toBeNull();
  const [outcome] = sink.outcomes;
  if (outcome?.kind !== 'accept') throw new Error(`rejected: ${sink.messages[0]}`);
  return outcome;
}

describe('a reading as JSON', () => {
  test('gives every field it carries', () => {
    const all = { readingId: 'r1', energyKwh: -0.25, voltage: 230.1, current: 6.5, frequency: 50, powerFactor: -1, seq: 2 ** 53 - 1, status: 'ERROR', userId: 'u', metadata: { a: [1] } };
    expect(accepted(reading(all))).toMatchObject({
      meterId: 'meter-1', region: 'north', timestamp: NOW_MS - 60_000, powerKw: 1.5, energyKwh: -0.25, voltage: 230.1, current: 6.5, frequency: 50, powerFactor: -1, seq: 2 ** 53 - 1, isError: true,
    });
  });

  test('gives NaN for optional numbers it does not carry, whatever the reading before carried', () => {
    const { sink } = decodeText(`[${reading({ voltage: 230, seq: 7, readingId: 'a', status: 'ERROR' })},${reading()},${reading({ voltage: null })}]`);
    expect(sink.outcomes[1]).toMatchObject({ voltage: NaN, seq: NaN, energyKwh: NaN, readingId: null, isError: false });
    expect(sink.outcomes[2]).toMatchObject({ voltage: NaN });
  });

  test('keeps zero power and stores minus zero as zero', () => {
    expect(accepted(reading({ powerKw: 0 })).powerKw).toBe(0);
    expect(accepted(reading().replace('1.5', '-0.0e3')).powerKw).toBe(0);
  });

  test('counts the last of duplicate keys, right or wrong', () => {
    expect(accepted(`{"powerKw":"x","meterId":7,${reading().slice(1)}`).powerKw).toBe(1.5);
    expect(rejection(`${reading().slice(0, -1)},"powerKw":"x"}`)).toBe('invalid_type: powerKw must be a number, not a string');
    expect(rejection(`${reading().slice(0, -1)},"powerKw":null}`)).toMatch(/^missing_field: powerKw /);
  });

  test('sees through escapes in keys and values', () => {
    const text = '{"\\u006deterId":"a\\u0062\\u002d1","re\\u0067ion":"n","timestamp":"2026\\u002d03-01T11:59:00\\u005a","powerKw":1,"st\\u0061tus":"\\u0045RROR","readingId":"\\ud83d\\ude00\\/"}';
    const plain = '{"meterId":"ab-1","region":"n","timestamp":"2026-03-01T11:59:00Z","powerKw":1,"status":"ERROR","readingId":"😀/"}';
    expect(accepted(text)).toEqual(accepted(plain));
    expect(accepted(text).meterId).toBe('ab-1');
  });

  test('tells lone surrogates in a readingId apart, also two high ones in a row', () => {
    for (const id of ['\ud83d', '\ude00', '\ud83d\ud83d', '\ude00\ud83d', '\ufffd']) {
      expect(accepted(reading({ readingId: id })).readingId).toEqual(hashId(id));
    }
  });

  test.each([
    [{ meterId: undefined }, 'missing_field: meterId is missing; it is required'],
    [{ region: null }, 'missing_field: region is missing; it is required'],
    [{ meterId: 7 }, 'invalid_type: meterId must be a string, not a number'],
    [{ meterId: '' }, /^invalid_meter_id: meterId /],
    [{ meterId: 'x'.repeat(65) }, /^invalid_meter_id: /],
    [{ meterId: 'a\u0000b' }, /^invalid_meter_id: /],
    [{ meterId: 'a"b' }, /^invalid_meter_id: /],
    [{ region: 'a b' }, /^invalid_region: region /],
    [{ readingId: '' }, /^invalid_reading_id: /],
    [{ readingId: '😀'.repeat(33) }, /^invalid_reading_id: /],
    [{ readingId: 5 }, 'invalid_type: readingId must be a string, not a number'],
    [{ timestamp: true }, 'invalid_type: timestamp must be an RFC 3339 string or epoch milliseconds, not a boolean'],
    [{ timestamp: '1772366340000' }, /^invalid_timestamp: /],
    [{ timestamp: 1772366340000.5 }, /^invalid_timestamp: /],
    [{ timestamp: 1e300 }, /^invalid_timestamp: /],
    [{ timestamp: '1969-12-31T23:59:59Z' }, /^timestamp_too_old: timestamp /],
    [{ timestamp: '2099-01-01T00:00:00Z' }, /^timestamp_in_future: timestamp /],
    [{ timestamp: NOW_MS + 300_001 }, /^timestamp_in_future: /],
    [{ powerKw: 1_000_000.1 }, 'out_of_range: powerKw must be between -1000000 and 1000000 kW'],
    [{ voltage: -1 }, /^out_of_range: voltage /],
    [{ frequency: 501 }, /^out_of_range: frequency /],
    [{ powerFactor: 1.01 }, /^out_of_range: powerFactor /],
    [{ seq: 1.5 }, /^out_of_range: seq /],
    [{ seq: 2 ** 53 }, /^out_of_range: seq /],
    [{ status: 'ok' }, /^invalid_status: status /],
    [{ status: 1 }, /^invalid_status: status /],
    [{ userId: 'x'.repeat(65) }, /^out_of_range: userId /],
    [{ userId: {} }, 'invalid_type: userId must be a string, not an object'],
    [{ metadata: [] }, 'invalid_type: metadata must be an object, not an array'],
  ])('with %j is rejected with its code and a message that names the field', (changes, message) => {
    expect(rejection(reading(changes))).toMatch(message);
  });

  test('with 1e999 is not finite', () => {
    expect(rejection(reading().replace('1.5', '1e999'))).toBe('not_finite: powerKw must be a finite number');
  });

  test('reports its first fault in the order meterId, region, timestamp, powerKw, the rest', () => {
    const faults: Record<string, unknown> = { voltage: 'x', powerKw: 'x', timestamp: 'x', region: 7, meterId: '' };
    const codes: string[] = [];
    for (const field of ['meterId', 'region', 'timestamp', 'powerKw', 'voltage']) {
      codes.push(rejection(reading(faults)).split(':', 1)[0]);
      delete faults[field];
    }
    expect(codes).toEqual(['invalid_meter_id', 'invalid_type', 'invalid_timestamp', 'invalid_type', 'invalid_type']);
  });

  test('takes the edges of what is allowed', () => {
    for (const changes of [{ timestamp: NOW_MS + 300_000 }, { timestamp: '2000-01-01T00:00:00Z' }, { powerKw: -1e6 }, { meterId: 'x'.repeat(64) }, { readingId: '😀'.repeat(32) }, { seq: 0 }, { userId: '' }]) {
      accepted(reading(changes));
    }
  });
});

describe('a JSON body', () => {
  test('rejects elements that are no objects by their index, hands over their bytes, and takes the rest', () => {
    const { unreadable, sink } = decodeText(`[ ${reading()} , 7, [${reading()}], "x" ,${reading()}, null ]`);
    expect(unreadable).toBeNull();
    expect(sink.outcomes.map((outcome) => (outcome.kind === 'reject' ? outcome.code : 'ok'))).toEqual(['ok', 'not_an_object', 'not_an_object', 'not_an_object', 'ok', 'not_an_object']);
    expect(sink.raws.map((raw) => Buffer.from(raw).toString())).toEqual(['7', `[${reading()}]`, '"x"', 'null']);
  });

  test('that is an empty array holds no readings', () => {
    const { unreadable, sink } = decodeText(' [ ] ');
    expect(unreadable).toBeNull();
    expect(sink.outcomes).toEqual([]);
  });

  test.each([
    ['', 'empty_body'],
    [' \n', 'empty_body'],
    ['7', 'not_readings'],
    ['"x"', 'not_readings'],
    ['nul', 'invalid_json'],
    ['{', 'invalid_json'],
    ['[{},]', 'invalid_json'],
    ['{"a":1,}', 'invalid_json'],
    ['{"a" 1}', 'invalid_json'],
    ['[01]', 'invalid_json'],
    ['[1.]', 'invalid_json'],
    ['[+1]', 'invalid_json'],
    ['["\t"]', 'invalid_json'],
    ['["\\x"]', 'invalid_json'],
    ['["\\u12g4"]', 'invalid_json'],
    ['[NaN]', 'invalid_json'],
    ['{}x', 'invalid_json'],
    ['{}\0', 'invalid_json'],
    ['\ufeff{}', 'invalid_json'],
    ['[1}', 'invalid_json'],
    [`[${reading()}`, 'invalid_json'],
  ])('of %j is refused', (text, code) => {
    expect(decodeText(text).unreadable?.code).toBe(code);
  });

  test('that is not UTF-8 anywhere is refused as a whole', () => {
    for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf4, 0x90, 0x80, 0x80]]) {
      const body = Buffer.concat([Buffer.from(`[${reading()},{"note":"`), Buffer.from(bytes), Buffer.from('"}]')]);
      expect(decode('json', body, NOW_MS).unreadable?.code).toBe('invalid_utf8');
    }
  });

  test('says where it stopped making sense', () => {
    expect(decodeText(`[${reading()};`).unreadable).toMatchObject({ code: 'invalid_json', offset: reading().length + 1 });
  });

  test('of 50,000 readings is taken, of one more refused', () => {
    const body = `[${'{},'.repeat(49_999)}{}`;
    expect(decodeText(`${body}]`).sink.outcomes).toHaveLength(50_000);
    expect(decodeText(`${body},{}]`).unreadable?.code).toBe('too_many_readings');
  });

  test('nested a million levels deep is taken, and refused when one bracket is missing', () => {
    const depth = 1_000_000;
    const deep = `{"a":`.repeat(depth / 2) + '['.repeat(depth / 2) + ']'.repeat(depth / 2) + '}'.repeat(depth / 2);
    accepted(`{"metadata":${deep},${reading().slice(1)}`);
    expect(decodeText(`{"metadata":${deep.slice(1)},${reading().slice(1)}`).unreadable?.code).toBe('invalid_json');
  });

  test('cut off at any byte is refused', () => {
    const text = `[${reading({ metadata: { a: [true, null, 1.5e3, 'ü\\'] } })}]`;
    const body = Buffer.from(text);
    for (let length = 1; length < body.length; length++) {
      expect(decode('json', body.subarray(0, length), NOW_MS).unreadable, `cut at ${length}`).not.toBeNull();
    }
  });
});

describe('an NDJSON body', () => {
  test('rejects a broken line by its index, skips blank ones, and takes the rest', () => {
    const { unreadable, sink } = decodeText(`${reading()}\n\n{"meterId":\r\n \t\n${reading()}\r\n[${reading()}]\n"\xff"\n${reading()}`, 'ndjson');
    expect(unreadable).toBeNull();
    expect(sink.outcomes.map((outcome) => (outcome.kind === 'reject' ? outcome.code : 'ok'))).toEqual(['ok', 'invalid_json', 'ok', 'not_an_object', 'not_an_object', 'ok']);
    expect(sink.outcomes.map((outcome) => outcome.index)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('rejects a line that is not UTF-8 alone', () => {
    const body = Buffer.concat([Buffer.from(`${reading()}\n{"note":"`), Buffer.from([0xff]), Buffer.from(`"}\n${reading()}\n`)]);
    expect(decode('ndjson', body, NOW_MS).sink.outcomes.map((outcome) => outcome.kind)).toEqual(['accept', 'reject', 'accept']);
  });

  test('never takes a reading from two lines', () => {
    expect(decodeText(reading().replace(',', ',\n'), 'ndjson').sink.outcomes.map((outcome) => outcome.kind)).toEqual(['reject', 'reject']);
  });

  test.each([['', 'empty_body'], ['\n \r\n', 'empty_body'], ['{}\n'.repeat(50_001), 'too_many_readings']])('is refused when there are none or too many', (text, code) => {
    expect(decodeText(text, 'ndjson').unreadable?.code).toBe(code);
  });
});

test('numbers are bit for bit those of JSON.parse', () => {
  const target = new Float64Array(1);
  const parse = (text: string) => {
    expect(parseNumber(Buffer.from(`${text},`), 0, target, 0)).toBe(text.length);
    return target[0];
  };
  const texts = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
    fc.tuple(fc.stringMatching(/^-?(0|[1-9]\d{0,24})$/), fc.stringMatching(/^(\.\d{1,24})?$/), fc.stringMatching(/^([eE][+-]?\d{1,3})?$/)).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(texts, (text) => {
      expect(parse(text)).toBe(JSON.parse(text));
    }),
    { numRuns: 20_000 },
  );
  for (const text of [`0.${'0'.repeat(200_000)}1e200001`, `1${'0'.repeat(200_000)}e-200000`, '1e99999999999999999999', '-1e-99999999999999999999', '9007199254740993', '-0']) {
    expect(parse(text)).toBe(JSON.parse(text));
  }
});

test('the low half of a readingId hash is MurmurHash3_x86_32', () => {
  const hash = new ReadingIdHash();
  // Vectors of the reference implementation with seed 0.
  for (const [text, low] of [['', 0], ['test', 0xba6bd213], ['Hello, world!', 0xc0363e43], ['The quick brown fox jumps over the lazy dog', 0x2e4ff723]] as const) {
    hash.hash(Buffer.from(text), 0, text.length);
    expect(hash.low).toBe(low);
  }
});

test('a hundred thousand similar readingIds have as many hashes, also in each half nearly', () => {
  const hash = new ReadingIdHash();
  const both = new Set<string>();
  const high = new Set<number>();
  for (let i = 0; i < 100_000; i++) {
    const id = Buffer.from(`r-${i}`);
    hash.hash(id, 0, id.length);
    both.add(`${hash.low}/${hash.high}`);
    high.add(hash.high);
  }
  expect(both.size).toBe(100_000);
  expect(high.size).toBeGreaterThan(99_990);
});
