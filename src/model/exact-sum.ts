/**
 * Exact sums of measurements, so that a window does not depend on the order in which its readings came.
 *
 * A measurement is held as a whole number of billionths of its unit (kW, kWh, V; for power that is one microwatt): at
 * most 1e6 × 1e9 = 1e15, which a double holds exactly. A sum is kept in two doubles that only ever hold whole numbers:
 * `high` counts multiples of 2^24 and `low` the rest, so both stay exact for 2^29 readings of the largest magnitude. Addition of
 * whole numbers commutes; binary floating-point addition would not.
 */

/** Billionths in one unit. */
export const UNITS_PER_ONE = 1e9;
const LOW_RANGE = 2 ** 24;

/** A measurement as a whole number of billionths; |value| ≤ 1e6. */
export function toUnits(value: number): number {
  return Math.round(value * UNITS_PER_ONE);
}

/** The part of `units` that goes into a sum's high half. */
export function highOf(units: number): number {
  return Math.floor(units / LOW_RANGE);
}

/** The part of `units` that goes into a sum's low half; 0 … 2^24 − 1. */
export function lowOf(units: number, high: number): number {
  return units - high * LOW_RANGE;
}

/** The sum in units of one (kW, kWh, V): rounded once, a function of the exact sum alone. */
export function sumValue(high: number, low: number): number {
  return sumUnits(high, low) / UNITS_PER_ONE;
}

/** The mean of `count` summed measurements, in units of one. */
export function meanValue(high: number, low: number, count: number): number {
  return Math.round(sumUnits(high, low) / count) / UNITS_PER_ONE;
}

/** The sum in billionths, rounded to a double where it is past 2^53. Carries are folded first so that equal sums give equal results. */
export function sumUnits(high: number, low: number): number {
  const carry = Math.floor(low / LOW_RANGE);
  return (high + carry) * LOW_RANGE + (low - carry * LOW_RANGE);
}

const UNITS_PER_MILLIONTH = 1_000;

/** The sum in millionths, a whole number; halves go to the even one. */
export function sumMillionths(high: number, low: number): number {
  const units = sumUnits(high, low);
  if (Math.abs(units) < Number.MAX_SAFE_INTEGER) return toMillionths(units);
  const exact = BigInt(high) * BigInt(LOW_RANGE) + BigInt(low);
  const thousand = BigInt(UNITS_PER_MILLIONTH);
  const rest = ((exact % thousand) + thousand) % thousand;
  const whole = (exact - rest) / thousand;
  return Number(whole) + roundUp(Number(rest), (whole & 1n) === 1n);
}

/** Whole billionths as whole millionths; |units| < 2^53. Halves go to the even one. */
export function toMillionths(units: number): number {
  let whole = Math.floor(units / UNITS_PER_MILLIONTH);
  let rest = units - whole * UNITS_PER_MILLIONTH;
  // The quotient of a large number may have been rounded up to the next whole one.
  if (rest < 0) {
    whole--;
    rest += UNITS_PER_MILLIONTH;
  }
  // Not −0.
  return whole + roundUp(rest, whole % 2 !== 0);
}

function roundUp(rest: number, isOdd: boolean): number {
  return rest > UNITS_PER_MILLIONTH / 2 || (rest === UNITS_PER_MILLIONTH / 2 && isOdd) ? 1 : 0;
}
