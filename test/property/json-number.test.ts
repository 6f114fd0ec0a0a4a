import fc from 'fast-check';
import { expect, it } from 'vitest';
import { JSON_NUMBER_BYTES_MAX, writeJsonNumber } from '../../src/model/json-number.ts';

/** What lies around the number shows whether it was written past its end. */
const AT = 5;
const bytes = new Uint8Array(AT + JSON_NUMBER_BYTES_MAX);

function written(value: number): string {
  return Buffer.from(bytes.subarray(AT, writeJsonNumber(bytes, AT, value))).toString('latin1');
}

/** Decimals as meters send them, and the doubles right beside them, which need more digits. */
const decimal = fc.tuple(fc.integer({ min: -2_000_000_000, max: 2_000_000_000 }), fc.integer({ min: 0, max: 12 })).map(([digits, places]) => digits / 10 ** places);
const billionths = fc.maxSafeInteger().map((units) => units / 1e9);
const beside = fc.tuple(fc.oneof(decimal, billionths), fc.integer({ min: -2, max: 2 })).map(([value, steps]) => value * (1 + steps * Number.EPSILON));

it('is what JSON.stringify writes, for every double', () => {
  fc.assert(fc.property(fc.oneof(decimal, billionths, beside, fc.double(), fc.integer(), fc.maxSafeInteger()), (value) => void expect(written(value)).toBe(JSON.stringify(value))), { numRuns: 20_000 });
});

it('is what JSON.stringify writes where the way of writing it changes', () => {
  const edges = [0, 1e-9, 9.99e-7, 1e-6, 1.001e-6, 0.1, 0.5, 1, 9, 10, 99, 100, 999, 1_000, 9_999, 10_000, 99_999, 100_000, 999_999, 999_999.999999999, 1e6, 1_000_000.5, 1e15, 1e21, 2 ** 32 - 1, 2 ** 53, Number.MAX_VALUE, Number.MIN_VALUE, Infinity];
  for (const edge of edges) for (const value of [edge, -edge, edge * (1 + Number.EPSILON), edge * (1 - Number.EPSILON)]) expect(written(value), String(value)).toBe(JSON.stringify(value));
  for (let whole = 0; whole < 1_000_000; whole += 997) expect(written(whole + 0.25)).toBe(JSON.stringify(whole + 0.25));
  expect(written(NaN)).toBe('null');
});
