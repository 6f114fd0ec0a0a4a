/** Prices of URDB are numbers, often ones that went through a float of four bytes (0.07076899707317352 is 0.070769). As a decimal they are again what somebody once typed. */

/** Digits that a float of four bytes can tell. */
const FLOAT_DIGITS_MAX = 9;

/** As a whole number of so many decimal places; `isExact`: false where the number has more decimal places and was rounded. */
export function urdbDecimal(value: number, places: number): { units: bigint; isExact: boolean } {
  const shortest = shortestOf(value);
  const text = shortest.toFixed(places);
  return { units: BigInt(text.replace('.', '')), isExact: Number(text) === shortest };
}

function shortestOf(value: number): number {
  if (Math.fround(value) !== value) return value;
  for (let digits = 1; digits <= FLOAT_DIGITS_MAX; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return shorter;
  }
  return value;
}
