/** Numbers as JSON.stringify writes them, straight into bytes: measurements are mostly whole billionths, and those take no string. */

/** Bytes that `writeJsonNumber` needs room for: `-1.7976931348623157e+308` and some. */
export const JSON_NUMBER_BYTES_MAX = 32;

const UNITS_PER_ONE = 1e9;
/** Fifteen digits: any two decimals of so many are two doubles, so one that gives the double back is the shortest that does. */
const UNITS_MAX = 1e15;
/** Less than a millionth is written with an exponent. */
const UNITS_MIN = 1_000;

const DIGIT_0 = 0x30;
const DOT = 0x2e;
const MINUS = 0x2d;

/** The three digits of each number below a thousand, one after another. */
const TRIPLES = Uint8Array.from({ length: 3_000 }, (_, at) => DIGIT_0 + (Math.floor(at / 3 / 10 ** (2 - (at % 3))) % 10));

/** Writes `value` (`null` of what is no finite number); gives where it ends. */
export function writeJsonNumber(bytes: Uint8Array, at: number, value: number): number {
  const magnitude = Math.abs(value);
  const units = Math.round(magnitude * UNITS_PER_ONE);
  if (units < UNITS_MAX && units / UNITS_PER_ONE === magnitude && (units >= UNITS_MIN || units === 0)) {
    // −0 is 0 in JSON.
    if (value < 0) bytes[at++] = MINUS;
    const whole = magnitude | 0;
    return writeFraction(bytes, writeWhole(bytes, at, whole), (units - whole * UNITS_PER_ONE) | 0);
  }
  const text = Number.isFinite(value) ? String(value) : 'null';
  for (let k = 0; k < text.length; k++) bytes[at + k] = text.charCodeAt(k);
  return at + text.length;
}

/** Of a whole number below a million. */
function writeWhole(bytes: Uint8Array, at: number, whole: number): number {
  if (whole < 10) {
    bytes[at] = DIGIT_0 + whole;
    return at + 1;
  }
  if (whole >= 1_000) {
    const thousands = (whole / 1_000) | 0;
    return writeTriple(bytes, writeWhole(bytes, at, thousands), whole - thousands * 1_000);
  }
  if (whole >= 100) return writeTriple(bytes, at, whole);
  bytes[at] = TRIPLES[whole * 3 + 1];
  bytes[at + 1] = TRIPLES[whole * 3 + 2];
  return at + 2;
}

/** Of billionths below one: nothing for none, and no zeros at the end. */
function writeFraction(bytes: Uint8Array, at: number, units: number): number {
  if (units === 0) return at;
  bytes[at] = DOT;
  const thousands = (units / 1_000) | 0;
  const millions = (units / 1_000_000) | 0;
  const second = thousands - millions * 1_000;
  const third = units - thousands * 1_000;
  at = writeTriple(bytes, at + 1, millions);
  if (second !== 0 || third !== 0) at = writeTriple(bytes, at, second);
  if (third !== 0) at = writeTriple(bytes, at, third);
  while (bytes[at - 1] === DIGIT_0) at--;
  return at;
}

function writeTriple(bytes: Uint8Array, at: number, triple: number): number {
  const from = triple * 3;
  bytes[at] = TRIPLES[from];
  bytes[at + 1] = TRIPLES[from + 1];
  bytes[at + 2] = TRIPLES[from + 2];
  return at + 3;
}
