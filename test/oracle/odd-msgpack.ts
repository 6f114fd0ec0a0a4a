import fc from 'fast-check';
import { NOW_MS } from './odd-readings.ts';

/** Arbitrary MessagePack bodies: every form a value may take, also longer ones than it needs. */

/** Big-endian bytes of an unsigned or two's complement whole number. */
function whole(value: bigint, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, k) => Number((value >> BigInt(8 * (bytes - 1 - k))) & 0xffn));
}

function float(value: number, bytes: 4 | 8): number[] {
  const view = new DataView(new ArrayBuffer(8));
  if (bytes === 4) view.setFloat32(0, value);
  else view.setFloat64(0, value);
  return [bytes === 4 ? 0xca : 0xcb, ...new Uint8Array(view.buffer, 0, bytes)];
}

/** `form` 0 is the shortest header there is, 1 to 3 ones with one, two or four bytes of length. */
function sized(count: number, form: number, fix: number, fixMax: number, tokens: readonly number[]): number[] {
  if (form === 0 && count <= fixMax) return [fix | count];
  const widths = tokens.length === 3 ? [1, 2, 4] : [2, 4];
  let choice = Math.min(Math.max(form - 1, 0), widths.length - 1);
  while (count >= 256 ** widths[choice]) choice++;
  return [tokens[choice], ...whole(BigInt(count), widths[choice])];
}

const string = (bytes: readonly number[], form: number) => [...sized(bytes.length, form, 0xa0, 31, [0xd9, 0xda, 0xdb]), ...bytes];
const array = (items: readonly number[][], form: number) => [...sized(items.length, form, 0x90, 15, [0xdc, 0xdd]), ...items.flat()];
const map = (pairs: readonly (readonly number[])[], form: number) => [...sized(pairs.length, form, 0x80, 15, [0xde, 0xdf]), ...pairs.flat()];

const FORM = fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.nat(3));
const text = (value: fc.Arbitrary<string>) => fc.tuple(value, FORM).map(([chars, form]) => string([...Buffer.from(chars)], form));

const INTEGERS = fc.oneof(
  fc.integer({ min: -32, max: 127 }).map((value) => [value & 0xff]),
  fc.tuple(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), fc.nat(3), fc.boolean()).map(([value, width, signed]) => [(signed ? 0xd0 : 0xcc) + width, ...whole(value, 2 ** width)]),
  fc.constantFrom(2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 0n).map((value) => [0xcf, ...whole(value, 8)]),
);
const FLOATS = fc.oneof(
  fc.double().map((value) => float(value, 8)),
  fc.double({ noNaN: true, min: -1e6, max: 1e6 }).map((value) => float(value, 8)),
  fc.float().map((value) => float(value, 4)),
  fc.constantFrom(0, -0, NaN, Infinity, 1e6, -1e6, 1).map((value) => float(value, 8)),
);
const BINARY = fc.tuple(fc.array(fc.nat(255), { maxLength: 20 }), fc.nat(2)).map(([bytes, form]) => [0xc4 + form, ...whole(BigInt(bytes.length), 2 ** form), ...bytes]);
const EXTENSION = fc.oneof(
  fc.tuple(fc.nat(4), fc.integer({ min: -3, max: 3 }), fc.nat(255)).map(([size, type, byte]) => [0xd4 + size, type & 0xff, ...new Array<number>(2 ** size).fill(byte)]),
  fc.tuple(fc.array(fc.nat(255), { maxLength: 20 }), fc.nat(2), fc.integer({ min: -3, max: 3 })).map(([bytes, form, type]) => [0xc7 + form, ...whole(BigInt(bytes.length), 2 ** form), type & 0xff, ...bytes]),
);
const SCALARS = fc.oneof(INTEGERS, FLOATS, BINARY, EXTENSION, text(fc.string({ maxLength: 8 })), fc.constantFrom<number[]>([0xc0], [0xc2], [0xc3]));
const ANY_VALUE: fc.Arbitrary<number[]> = fc.letrec<{ value: number[] }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    SCALARS,
    fc.tuple(fc.array(tie('value'), { maxLength: 4 }), FORM).map(([items, form]) => array(items, form)),
    fc.tuple(fc.array(fc.tuple(tie('value'), tie('value')).map(([key, value]) => [...key, ...value]), { maxLength: 3 }), FORM).map(([pairs, form]) => map(pairs, form)),
  ),
})).value;

const seconds = fc.integer({ min: NOW_MS / 1000 - 1e6, max: NOW_MS / 1000 + 600 }).map(BigInt);
const nanoseconds = fc.oneof(fc.bigInt({ min: 0n, max: 999_999_999n }), fc.constant(1_000_000_000n));
const EXTENSION_TIMES = fc.oneof(
  seconds.map((s) => [0xd6, 0xff, ...whole(s, 4)]),
  fc.tuple(seconds, nanoseconds).map(([s, n]) => [0xd7, 0xff, ...whole((n << 34n) | s, 8)]),
  fc.tuple(fc.oneof(seconds, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })), nanoseconds).map(([s, n]) => [0xc7, 12, 0xff, ...whole(n, 4), ...whole(s, 8)]),
);
const TIMES = fc.oneof(
  text(fc.integer({ min: NOW_MS - 1e9, max: NOW_MS + 400_000 }).map((ms) => new Date(ms).toISOString())),
  fc.integer({ min: NOW_MS - 1e9, max: NOW_MS + 400_000 }).map((ms) => float(ms, 8)),
  fc.integer({ min: NOW_MS - 1e9, max: NOW_MS }).map((ms) => [0xcf, ...whole(BigInt(ms), 8)]),
  EXTENSION_TIMES,
);

const NUMBERS = fc.oneof({ weight: 4, arbitrary: fc.double({ noNaN: true, min: 0, max: 1 }).map((value) => float(value, 8)) }, INTEGERS, FLOATS);
const VALUES: Readonly<Record<string, fc.Arbitrary<number[]>>> = {
  meterId: text(fc.oneof({ weight: 9, arbitrary: fc.stringMatching(/^[A-Za-z0-9._:-]{1,40}$/) }, fc.constantFrom('', 'a b', 'é', 'x'.repeat(64), 'x'.repeat(65)))),
  region: text(fc.oneof({ weight: 9, arbitrary: fc.stringMatching(/^[A-Za-z0-9._:-]{1,10}$/) }, fc.constantFrom('', 'a\u0000'))),
  timestamp: TIMES,
  powerKw: fc.oneof({ weight: 3, arbitrary: NUMBERS }, FLOATS),
  readingId: fc.oneof(text(fc.string({ unit: 'binary', maxLength: 40 })), fc.constantFrom(string([0xff], 0), string([0xed, 0xa0, 0x80], 1), string([...Buffer.from('😀'.repeat(33))], 0))),
  energyKwh: NUMBERS,
  voltage: NUMBERS,
  current: NUMBERS,
  frequency: NUMBERS,
  powerFactor: NUMBERS,
  seq: NUMBERS,
  status: text(fc.constantFrom('OK', 'ERROR', 'ok')),
  userId: fc.oneof(text(fc.string({ maxLength: 70 })), fc.constant(string(new Array<number>(70).fill(0xff), 0))),
  metadata: fc.tuple(fc.array(fc.tuple(ANY_VALUE, ANY_VALUE).map(([key, value]) => [...key, ...value]), { maxLength: 3 }), FORM).map(([pairs, form]) => map(pairs, form)),
};
const FIELDS = Object.keys(VALUES);
const pair = (field: string, value: fc.Arbitrary<number[]>) => fc.tuple(text(fc.constant(field)), value).map(([key, bytes]) => [...key, ...bytes]);
const EXTRA = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...FIELDS).chain((field) => pair(field, VALUES[field])) },
  fc.constantFrom(...FIELDS).chain((field) => pair(field, ANY_VALUE)),
  fc.tuple(ANY_VALUE, ANY_VALUE).map(([key, value]) => [...key, ...value]),
);
const READING = fc
  .tuple(fc.tuple(...FIELDS.slice(0, 4).map((field) => pair(field, VALUES[field]))), fc.array(EXTRA, { maxLength: 8 }), FORM)
  .chain(([required, extra, form]) => {
    const all = [...required, ...extra];
    return fc.oneof(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })).map((pairs) => map(pairs, form));
  });

/** A MessagePack body: one reading, an array of some, or something else. */
export const MSGPACK_BODIES: fc.Arbitrary<Uint8Array> = fc
  .oneof(
    { weight: 3, arbitrary: READING },
    { weight: 4, arbitrary: fc.tuple(fc.array(fc.oneof({ weight: 9, arbitrary: READING }, ANY_VALUE), { maxLength: 4 }), FORM).map(([items, form]) => array(items, form)) },
    ANY_VALUE,
  )
  .map((bytes) => Uint8Array.from(bytes));
