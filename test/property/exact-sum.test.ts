import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { highOf, lowOf, meanValue, sumMillionths, sumUnits, sumValue, toUnits } from '../../src/model/exact-sum.ts';
import { billionths } from '../oracle/window-oracle.ts';

/** A measurement with at most nine decimals. */
const measurement = fc.oneof(
  fc.integer({ min: -1e9, max: 1e9 }).map((n) => n / 1e9),
  fc.integer({ min: -1e9, max: 1e9 }).map((n) => n / 1e3),
  fc.constantFrom(0, 1e6, -1e6, 999_999.999999999, -999_999.999999999, 1e-9),
);

function summed(values: readonly number[]): { high: number; low: number } {
  let high = 0;
  let low = 0;
  for (const value of values) {
    const units = toUnits(value);
    const unitsHigh = highOf(units);
    high += unitsHigh;
    low += lowOf(units, unitsHigh);
  }
  return { high, low };
}

const exact = (high: number, low: number) => BigInt(high) * 2n ** 24n + BigInt(low);
const total = (values: readonly number[]) => values.reduce((sum, value) => sum + billionths(value), 0n);

describe('an exact sum', () => {
  it('holds the sum of its measurements to the last billionth, whatever their order', () => {
    fc.assert(
      fc.property(fc.array(measurement, { maxLength: 200 }), (values) => {
        const { high, low } = summed(values);
        expect(exact(high, low)).toBe(total(values));
        const reversed = summed([...values].reverse());
        expect([reversed.high, reversed.low]).toEqual([high, low]);
      }),
    );
  });

  it('is a whole number of millionths, halves going to the even one', () => {
    const millionths = (units: bigint): number => {
      const rest = ((units % 1000n) + 1000n) % 1000n;
      const whole = (units - rest) / 1000n;
      return Number(rest > 500n || (rest === 500n && whole % 2n !== 0n) ? whole + 1n : whole);
    };
    const half = fc.integer({ min: -1e6, max: 1e6 }).map((n) => (n * 1000 + 500) / 1e9);
    fc.assert(
      fc.property(fc.oneof(fc.array(measurement, { maxLength: 200 }), fc.array(half, { minLength: 1, maxLength: 3 })), fc.constantFrom(1, 1, 1_000, 100_000), (values, times) => {
        const { high, low } = summed(values);
        const found = sumMillionths(high * times, low * times);
        expect(found).toBe(millionths(total(values) * BigInt(times)));
        expect(Object.is(found, -0)).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('is back where it was when a part is taken away again', () => {
    fc.assert(
      fc.property(fc.array(measurement, { maxLength: 50 }), fc.array(measurement, { maxLength: 50 }), (kept, taken) => {
        const all = summed([...kept, ...taken]);
        const part = summed(taken);
        expect(exact(all.high - part.high, all.low - part.low)).toBe(total(kept));
      }),
    );
  });

  it('gives the same number for equal sums, however they are carried', () => {
    fc.assert(
      fc.property(fc.array(measurement, { minLength: 1, maxLength: 50 }), fc.integer({ min: -1_000, max: 1_000 }), (values, carry) => {
        const { high, low } = summed(values);
        const carried = [high + carry, low - carry * 2 ** 24] as const;
        expect([sumUnits(...carried), sumValue(...carried), meanValue(...carried, values.length)]).toEqual([sumUnits(high, low), sumValue(high, low), meanValue(high, low, values.length)]);
      }),
    );
  });

  it('gives the sum and the mean as the nearest doubles, where doubles are exact', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -5e6, max: 5e6 }).map((n) => n / 1e3), { minLength: 1, maxLength: 100 }), (values) => {
        const { high, low } = summed(values);
        const units = total(values);
        expect(sumValue(high, low)).toBe(Number(units) / 1e9);
        const doubled = 2n * units + BigInt(values.length);
        const divisor = 2n * BigInt(values.length);
        const floor = doubled / divisor - (doubled < 0n && doubled % divisor !== 0n ? 1n : 0n);
        expect(meanValue(high, low, values.length)).toBe(Number(floor) / 1e9);
      }),
    );
  });
});
