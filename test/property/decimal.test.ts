import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AMOUNT_DIGITS, decimalText, millionthsText, parseDecimal } from '../../src/model/decimal.ts';

const whole = fc.oneof(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), fc.bigInt({ min: -2_000n, max: 2_000n }), fc.bigInt({ min: -2_000n, max: 2_000n }).map((value) => value * 1_000_000n));

it('writes a decimal that says the same, with no zero at its end that was not asked for', () => {
  fc.assert(
    fc.property(whole, fc.nat({ max: AMOUNT_DIGITS }), fc.nat({ max: AMOUNT_DIGITS }), (value, digits, places) => {
      fc.pre(value < 10n ** BigInt(15 + digits) && -value < 10n ** BigInt(15 + digits));
      const placesMin = Math.min(digits, places);
      const text = decimalText(value, digits, placesMin);
      expect(parseDecimal(text, digits)).toBe(value);
      const [, fraction = ''] = text.split('.');
      expect(fraction.length).toBeGreaterThanOrEqual(placesMin);
      if (fraction.length > placesMin) expect(fraction.endsWith('0')).toBe(false);
      expect(/^-?(0|[1-9]\d*)(\.\d+)?$/.test(text)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

it('writes millionths of a number as it does of whole numbers without a limit', () => {
  const safe = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -3_000_000, max: 3_000_000 }), fc.integer({ min: 999_999_999_999_990, max: 1_000_000_000_000_010 }), fc.integer().map((value) => value * 1_000));
  fc.assert(
    fc.property(safe, (value) => {
      expect(millionthsText(value)).toBe(decimalText(BigInt(value), 6));
    }),
    { numRuns: 5_000 },
  );
});
