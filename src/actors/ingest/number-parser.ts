/** JSON numbers: bit for bit what JSON.parse makes of them. */

const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const LOWER_E = 0x65;
const ZERO = 0x30;

/** Whole numbers below this are exact in a double. */
const EXACT_LIMIT = 2 ** 53;
/** Powers of ten up to this one are exact in a double. */
const EXACT_POWER_MAX = 22;
const POWERS_OF_TEN = Float64Array.from({ length: EXACT_POWER_MAX + 1 }, (_, power) => Number(`1e${power}`));
/** Exponents are counted up to here: more than a body has bytes, so that no run of fraction digits brings a clamped one back into range. */
const EXPONENT_COUNT_MAX = 1e9;
/** Digits that fit an int32 whatever they are. */
const INT_DIGITS_MAX = 9;

/**
 * Parses the number that starts at `bytes[at]` into `target[index]`; returns where it ends, or −1 when it is none. The bytes end with
 * one that is no part of a number.
 *
 * When the digits make a whole number below 2^53 and the power of ten is within 10^±22, both are exact doubles and one
 * multiplication or division rounds once, correctly (Clinger, "How to Read Floating Point Numbers Accurately", 1990). The
 * rest, longer or with larger exponents, goes through `Number(text)`.
 */
export function parseNumber(bytes: Uint8Array, at: number, target: Float64Array, index: number): number {
  let p = at;
  let c = bytes[p];
  const negative = c === MINUS;
  if (negative) c = bytes[++p];
  let digit = (c - ZERO) >>> 0;
  if (digit > 9) return -1;
  p++;
  let small = digit;
  const intEnd = p + INT_DIGITS_MAX - 1;
  if (digit !== 0) {
    while (p < intEnd && (digit = (bytes[p] - ZERO) >>> 0) <= 9) {
      small = (Math.imul(small, 10) + digit) | 0;
      p++;
    }
  }
  let fractionDigits = 0;
  if (bytes[p] === DOT) {
    const first = p + 1;
    const smallEnd = intEnd + 1;
    p = first;
    while (p < smallEnd && (digit = (bytes[p] - ZERO) >>> 0) <= 9) {
      small = (Math.imul(small, 10) + digit) | 0;
      p++;
    }
    fractionDigits = p - first;
    c = bytes[p];
    if (fractionDigits > 0 && (c - ZERO) >>> 0 > 9 && (c | 0x20) !== LOWER_E) {
      const value = small / POWERS_OF_TEN[fractionDigits];
      target[index] = negative ? -value : value;
      return p;
    }
    return parseLongNumber(bytes, at, target, index);
  }
  c = bytes[p];
  if ((small !== 0 && (c - ZERO) >>> 0 <= 9) || (c | 0x20) === LOWER_E) return parseLongNumber(bytes, at, target, index);
  target[index] = negative ? -small : small;
  return p;
}

/** The same for numbers of more than nine digits or with an exponent. */
function parseLongNumber(bytes: Uint8Array, at: number, target: Float64Array, index: number): number {
  const end = numberEnd(bytes, at);
  if (end < 0) return -1;
  const negative = bytes[at] === MINUS;
  let p = negative ? at + 1 : at;
  let mantissa = 0;
  let fractionDigits = 0;
  let pastDot = false;
  for (; p < end; p++) {
    const digit = (bytes[p] - ZERO) >>> 0;
    if (digit <= 9) {
      // Past 2^53 this rounds, but never back below it: the check after the loop sees every inexact mantissa.
      mantissa = mantissa * 10 + digit;
      if (pastDot) fractionDigits++;
    } else if (bytes[p] === DOT) {
      pastDot = true;
    } else {
      break;
    }
  }
  const power = (p < end ? exponentAt(bytes, p + 1, end) : 0) - fractionDigits;
  let value: number;
  if (mantissa < EXACT_LIMIT && power >= -EXACT_POWER_MAX && power <= EXACT_POWER_MAX) {
    value = power < 0 ? mantissa / POWERS_OF_TEN[-power] : mantissa * POWERS_OF_TEN[power];
    if (negative) value = -value;
  } else {
    value = Number(Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at).toString('latin1'));
  }
  target[index] = value;
  return end;
}

function exponentAt(bytes: Uint8Array, at: number, end: number): number {
  let p = at;
  const negative = bytes[p] === MINUS;
  if (negative || bytes[p] === PLUS) p++;
  let exponent = 0;
  for (; p < end; p++) {
    exponent = exponent * 10 + (bytes[p] - ZERO);
    if (exponent > EXPONENT_COUNT_MAX) exponent = EXPONENT_COUNT_MAX;
  }
  return negative ? -exponent : exponent;
}

/** Where the JSON number that starts at `bytes[at]` ends, or −1 when the grammar of RFC 8259 finds none. */
export function numberEnd(bytes: Uint8Array, at: number): number {
  let p = at;
  if (bytes[p] === MINUS) p++;
  if (bytes[p] === ZERO) {
    p++;
  } else {
    p = digitsEnd(bytes, p);
    if (p < 0) return -1;
  }
  if (bytes[p] === DOT) {
    p = digitsEnd(bytes, p + 1);
    if (p < 0) return -1;
  }
  if ((bytes[p] | 0x20) === LOWER_E) {
    p++;
    if (bytes[p] === MINUS || bytes[p] === PLUS) p++;
    p = digitsEnd(bytes, p);
  }
  return p;
}

/** End of a run of at least one digit, or −1. */
function digitsEnd(bytes: Uint8Array, at: number): number {
  let p = at;
  while ((bytes[p] - ZERO) >>> 0 <= 9) p++;
  return p === at ? -1 : p;
}
