import { MICRO } from './energy.ts';

/**
 * Exact decimals for money: whole numbers (bigint) of AMOUNT_DIGITS decimal places. Wide enough that the product of an energy in millionths of a kWh and a price with
 * PRICE_DIGITS places is exact.
 */

/** Decimal places of an amount. */
export const AMOUNT_DIGITS = 14;
/** Decimal places of a price. */
export const PRICE_DIGITS = 8;
/** One unit of currency. */
export const AMOUNT_ONE = 10n ** BigInt(AMOUNT_DIGITS);

/** Money, or a price's whole number of PRICE_DIGITS places. */
export type Amount = bigint;

const ZERO = '0'.charCodeAt(0);
const DECIMAL = /^(-?)(\d{1,15})(?:\.(\d{1,14}))?$/;

export const ROUNDING_MODES = ['halfUp', 'halfEven', 'down', 'up'] as const;
/** Of the magnitude: `halfUp` away from zero, `down` towards it. */
export type RoundingMode = (typeof ROUNDING_MODES)[number];

/** Texts that are remembered, of each number of digits; all are forgotten when one more comes. */
const READ_MAX = 1_024;
/** By number of digits: prices of a tariff are read again for each bill of a million. */
const read = Array.from({ length: AMOUNT_DIGITS + 1 }, () => new Map<string, bigint>());

/** The text as a whole number of `digits` decimal places. Throws RangeError where it is no decimal or has more of them. */
export function parseDecimal(text: string, digits: number): bigint {
  const known = read[digits].get(text);
  if (known !== undefined) return known;
  const value = readDecimal(text, digits);
  if (read[digits].size === READ_MAX) read[digits].clear();
  read[digits].set(text, value);
  return value;
}

function readDecimal(text: string, digits: number): bigint {
  const match = DECIMAL.exec(text);
  const fraction = match?.[3] ?? '';
  if (match === null || fraction.length > digits) throw new RangeError(`expected a decimal number with ${digits} places at most, got ${text}`);
  const magnitude = BigInt(match[2] + fraction.padEnd(digits, '0'));
  return match[1] === '-' ? -magnitude : magnitude;
}

/** With all its decimal places from `placesMin` on that are not zero. */
export function decimalText(value: bigint, digits: number, placesMin = 0): string {
  const text = (value < 0n ? -value : value).toString().padStart(digits + 1, '0');
  const point = text.length - digits;
  let end = text.length;
  while (end > point + placesMin && text.charCodeAt(end - 1) === ZERO) end--;
  return `${value < 0n ? '-' : ''}${text.slice(0, point)}${end > point ? `.${text.slice(point, end)}` : ''}`;
}

/** The same of a whole number of millionths that is safe. A bill has some sixty of them. */
export function millionthsText(value: number): string {
  // A double is written as the decimal of fifteen digits that it stands for; above 1e-7 without an exponent.
  return Math.abs(value) < 1e15 ? String(value / MICRO) : decimalText(BigInt(value), 6);
}

/** The quotient as a whole number. `denominator` is above zero. */
export function divideRounded(numerator: bigint, denominator: bigint, mode: RoundingMode): bigint {
  const negative = numerator < 0n;
  const magnitude = negative ? -numerator : numerator;
  let quotient = magnitude / denominator;
  const rest = magnitude - quotient * denominator;
  if (rest !== 0n && roundsAway(mode, rest * 2n, denominator, quotient)) quotient += 1n;
  return negative ? -quotient : quotient;
}

/** The nearest multiple of `step`, which is above zero. */
export function roundTo(value: bigint, step: bigint, mode: RoundingMode): bigint {
  return divideRounded(value, step, mode) * step;
}

function roundsAway(mode: RoundingMode, twiceRest: bigint, denominator: bigint, quotient: bigint): boolean {
  if (mode === 'up') return true;
  if (mode === 'down') return false;
  if (twiceRest !== denominator) return twiceRest > denominator;
  return mode === 'halfUp' || (quotient & 1n) === 1n;
}
