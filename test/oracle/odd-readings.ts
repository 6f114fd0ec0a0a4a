import fc from 'fast-check';

/** Arbitrary bodies of readings with every oddity that senders come up with. Most readings are acceptable, so that values get compared. */

/** The clock the arbitraries are made for. */
export const NOW_MS = Date.UTC(2026, 2, 1, 12);

const WHITESPACE = fc.constantFrom('', '', '', '', '', ' ', '\n', '\t', '\r\n  ');
/** In NDJSON a line feed would end the reading. */
const LINE_WHITESPACE = fc.constantFrom('', '', '', '', ' ', '\t', '\r');

const NUMBER_TEXTS = fc.oneof(
  fc.double({ noNaN: true, min: -1000, max: 1000 }).map((value) => JSON.stringify(value)),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => String(value).replace('+', '')),
  fc.integer({ min: -100_000, max: 100_000 }).map((value) => (value / 1000).toFixed(3)),
  fc.constantFrom('0', '-0', '0.0', '-0.0e5', '1e999', '-1e999', '1E6', '1e+6', '1000000.0000000001', '1e-400', '5e-324', '2.2250738585072011e-308'),
  fc.constantFrom('0.1e1', '123456789', '1234567890', '0.123456789', '1.23456789', '12345678.9', '9007199254740993', '9007199254740991', '0.30000000000000004', '1e22', '1e23', '1e-22', '1e-23'),
  fc.constantFrom(`0.${'0'.repeat(400)}1e401`, `${'9'.repeat(400)}e-399`, `1${'0'.repeat(30)}e-30`, '179769313486231580e292', '8.41', '7.2057594037927933e16'),
  fc.tuple(fc.bigInt({ min: 0n, max: 10n ** 20n }), fc.nat(24), fc.integer({ min: -30, max: 30 })).map(([digits, point, exponent]) => {
    const text = digits.toString().padStart(point + 1, '0');
    return `${text.slice(0, text.length - point)}${point > 0 ? `.${text.slice(text.length - point)}` : ''}${exponent === 0 ? '' : `e${exponent}`}`;
  }),
);

const TIMESTAMP_TEXTS = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: NOW_MS - 1e9, max: NOW_MS }).map((ms) => new Date(ms).toISOString()) },
  fc.constantFrom('2026-03-01T12:05:00Z', '2026-03-01T12:05:00.001Z', '2000-01-01T00:00:00Z', '1999-12-31T23:59:59.999Z', '2024-02-29t00:00:00z', '2023-02-29T00:00:00Z', '2100-02-29T00:00:00Z'),
  fc.constantFrom('2026-02-28 23:30:00.123456789+05:45', '2026-02-28T23:30:00-23:59', '2026-02-28T23:30:00+24:00', '2026-02-28T23:30:60Z', '2026-02-28T24:00:00Z', '2026-02-28T23:30:00', '2026-02-28', ''),
  fc.constantFrom('1772366400000', '2026-02-28T23:30:00.Z', '2026-02-28T23:30:00.5+0100', '2026-04-31T00:00:00Z', '0000-01-01T00:00:00Z', '9999-12-31T23:59:59Z', '2026-2-28T23:30:00Z', '2026-02-28T23:30:00Z '),
);

const IDS = fc.oneof(
  { weight: 8, arbitrary: fc.stringMatching(/^[A-Za-z0-9._:-]{1,20}$/) },
  fc.constantFrom('', 'x'.repeat(64), 'x'.repeat(65), 'a b', 'a\u0000', 'a"b', 'é', 'm\n', 'a/b', '😀', '\ud800'),
);
const TEXTS = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.array(fc.constantFrom('\ud83d', '\ude00', 'a', '"', '\\', '\u0007', '\u2028', 'ü', '漢', '\u007f'), { maxLength: 8 }).map((parts) => parts.join('')),
  fc.constantFrom('', 'x'.repeat(64), 'x'.repeat(65), 'ü'.repeat(64), '漢'.repeat(65), '😀'.repeat(32), '😀'.repeat(33), 'x'.repeat(300)),
);

const SHORT_ESCAPES: Readonly<Record<string, string>> = { '"': '\\"', '\\': '\\\\', '/': '\\/', '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** A JSON string for the text, some characters (those that must and those `choices` picks) as escapes. Lone surrogates have no other spelling. */
function spell(text: string, choices: readonly number[]): string {
  let out = '"';
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    const code = text.charCodeAt(i);
    const choice = choices.length === 0 ? 0 : choices[i % choices.length];
    const hex = code.toString(16).padStart(4, '0');
    const surrogate = code >= 0xd800 && code <= 0xdfff;
    const pair = surrogate && code < 0xdc00 && i + 1 < text.length && text.charCodeAt(i + 1) >= 0xdc00 && text.charCodeAt(i + 1) <= 0xdfff;
    if (pair && choice < 3) {
      out += char + text[++i];
    } else if (choice === 4 || surrogate) {
      out += `\\u${choice > 2 ? hex.toUpperCase() : hex}`;
    } else if (char in SHORT_ESCAPES && (choice === 3 || char !== '/')) {
      out += SHORT_ESCAPES[char];
    } else {
      out += code < 0x20 ? `\\u${hex}` : char;
    }
  }
  return `${out}"`;
}

const CHOICES = fc.oneof({ weight: 3, arbitrary: fc.constant<number[]>([]) }, fc.array(fc.nat(4), { minLength: 1, maxLength: 7 }));
const spelled = (text: fc.Arbitrary<string>) => fc.tuple(text, CHOICES).map(([value, choices]) => spell(value, choices));

const ANY_VALUE = fc.oneof(
  fc.constantFrom('null', 'true', 'false', '{}', '[]', '[[],{}]', '""', '{"meterId":1}', '{"a":{"b":[1,2,{"c":null}]}}', '[1, 2 ,3]', '[ ]', '{ }'),
  fc.json({ maxDepth: 4 }),
  NUMBER_TEXTS,
  spelled(TEXTS),
);

const GOOD_NUMBERS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  powerKw: fc.oneof({ weight: 3, arbitrary: fc.double({ noNaN: true, min: -1e6, max: 1e6 }).map((value) => JSON.stringify(value)) }, NUMBER_TEXTS),
  energyKwh: NUMBER_TEXTS,
  voltage: fc.double({ noNaN: true, min: 0, max: 400 }).map((value) => JSON.stringify(value)),
  current: NUMBER_TEXTS,
  frequency: fc.integer({ min: 49_000, max: 51_000 }).map((value) => (value / 1000).toFixed(3)),
  powerFactor: fc.integer({ min: -1010, max: 1010 }).map((value) => String(value / 1000)),
  seq: fc.oneof(fc.maxSafeNat().map(String), fc.constantFrom('9007199254740992', '1.5', '-1', '1e3', '-0', '1e999')),
};

function valueOf(field: string): fc.Arbitrary<string> {
  if (field in GOOD_NUMBERS) return GOOD_NUMBERS[field];
  if (field === 'meterId' || field === 'region') return spelled(IDS);
  if (field === 'timestamp') {
    return fc.oneof({ weight: 3, arbitrary: spelled(TIMESTAMP_TEXTS) }, fc.integer({ min: NOW_MS - 1e9, max: NOW_MS + 400_000 }).map(String), NUMBER_TEXTS);
  }
  if (field === 'status') return spelled(fc.constantFrom('OK', 'OK', 'ERROR', 'ok', '', 'ERRORS'));
  if (field === 'metadata') return fc.dictionary(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 }).map((value) => JSON.stringify(value));
  return spelled(TEXTS);
}

type Member = readonly [key: string, value: string];
const REQUIRED = ['meterId', 'region', 'timestamp', 'powerKw'];
const OPTIONAL = ['readingId', 'energyKwh', 'voltage', 'current', 'frequency', 'powerFactor', 'seq', 'status', 'userId', 'metadata'];
const member = (field: string, value = valueOf(field)): fc.Arbitrary<Member> => fc.tuple(spelled(fc.constant(field)), value);
const UNKNOWN_KEYS = fc.oneof(fc.string({ maxLength: 14 }), fc.constantFrom('meterid', 'meterIds', 'powerFactors', 'powerK', 'se', 'seqq', '__proto__', 'constructor', ''));

const EXTRA: fc.Arbitrary<Member> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...OPTIONAL).chain((field) => member(field)) },
  fc.constantFrom(...REQUIRED, ...OPTIONAL).chain((field) => member(field, ANY_VALUE)),
  fc.constantFrom(...REQUIRED).chain((field) => member(field)),
  fc.tuple(spelled(UNKNOWN_KEYS), ANY_VALUE),
);
const MEMBERS: fc.Arbitrary<Member[]> = fc
  .tuple(fc.tuple(...REQUIRED.map((field) => member(field))), fc.array(EXTRA, { maxLength: 8 }), fc.nat(30))
  .chain(([required, extra, drop]) => {
    const all = [...required.filter((_, i) => i !== drop), ...extra];
    return fc.oneof(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }));
  });

function objectText(whitespace: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(MEMBERS, fc.array(whitespace, { minLength: 1, maxLength: 9 })).map(([members, spaces]) => {
    let s = 0;
    const w = () => spaces[s++ % spaces.length];
    return `{${w()}${members.map(([key, value]) => `${w()}${key}${w()}:${w()}${value}${w()}`).join(',')}${w()}}`;
  });
}

const ELEMENT = fc.oneof({ weight: 12, arbitrary: objectText(WHITESPACE) }, ANY_VALUE);

/** A JSON body: one reading or an array of some, as bytes. */
export const JSON_BODIES: fc.Arbitrary<Uint8Array> = fc
  .oneof(
    { weight: 2, arbitrary: objectText(WHITESPACE) },
    { weight: 4, arbitrary: fc.tuple(fc.array(ELEMENT, { maxLength: 4 }), WHITESPACE).map(([elements, w]) => `${w}[${w}${elements.join(`${w},${w}`)}${w}]${w}`) },
    ANY_VALUE,
  )
  .map((text) => Buffer.from(text));

/** An NDJSON body; lines may be blank, broken or no objects. */
export const NDJSON_BODIES: fc.Arbitrary<Uint8Array> = fc
  .array(
    fc.tuple(
      fc.oneof({ weight: 10, arbitrary: objectText(LINE_WHITESPACE) }, ANY_VALUE, fc.constantFrom('', ' ', '\t', '{', '{"meterId":', '[]', '}', '\ufeff{}')),
      fc.constantFrom('\n', '\r\n', '\n\n', ' \n'),
    ),
    { maxLength: 6 },
  )
  .map((lines) => Buffer.from(lines.map(([line, end]) => line + end).join('')));
