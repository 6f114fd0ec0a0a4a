import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { billionths, windowsOf, type OracleReading } from '../oracle/window-oracle.ts';
import { ExpectedWindows, wholeBillionths } from '../support/real-data-windows.ts';
import { windowDifference } from '../support/window-difference.ts';

/** What the real files are compared with, held against the window oracle; needs none of the files. */

const AT = Date.UTC(2009, 2, 1);
const GRANULARITIES = ['1m', '15m'] as const;

/** Measurements as meters send them, with up to nine decimals; -0 is no decimal text. */
const measurement = (most: number) =>
  fc.tuple(fc.integer({ min: 0, max: 9 }), fc.double({ min: -most, max: most, noNaN: true })).map(([decimals, value]) => Number(value.toFixed(decimals)) + 0);

const readingsOfOneMeter = fc
  .array(
    fc.record(
      { gapMs: fc.integer({ min: 1, max: 400_000 }), powerKw: measurement(1_000), energyKwh: measurement(300), voltage: measurement(500) },
      { requiredKeys: ['gapMs', 'powerKw'] },
    ),
    { minLength: 1, maxLength: 60 },
  )
  .map((steps) => {
    let timestamp = AT;
    return steps.map(({ gapMs, ...values }): OracleReading => ({ meterId: 'm', region: 'r', timestamp: (timestamp += gapMs), ...values }));
  });

describe('the windows expected of real readings', () => {
  it.each(GRANULARITIES)('are those of the window oracle: %s', (granularity) => {
    fc.assert(
      fc.property(readingsOfOneMeter, (readings) => {
        const expected = new ExpectedWindows(readings, granularity);
        const wanted = windowsOf(readings, granularity);
        expect(expected.length).toBe(wanted.length);
        for (const [at, window] of wanted.entries()) {
          const got = expected.window(at);
          expect(windowDifference(got, window)).toBe(null);
          // windowDifference() allows an estimate one billionth; both round it once, so there is none here.
          expect(got.energyKwhSum).toBe(window.energyKwhSum);
          expect(expected.difference(at, got)).toBe(null);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('differ from a window in which any one field is another', () => {
    const readings: OracleReading[] = [
      { meterId: 'm', region: 'r', timestamp: AT, powerKw: 1.5, energyKwh: 0.25, voltage: 230 },
      { meterId: 'm', region: 'r', timestamp: AT + 30_000, powerKw: 2.5, energyKwh: 0.25, voltage: 231 },
    ];
    const expected = new ExpectedWindows(readings, '1m');
    const right = expected.window(0);
    expect(expected.difference(0, right)).toBe(null);
    const others = { meterId: 'n', region: 's', granularity: '15m', windowStart: right.windowEnd, windowEnd: right.windowStart, energySource: 'estimated', final: false };
    for (const [field, value] of Object.entries(right)) {
      const other = typeof value === 'number' ? value + 1e-9 : others[field as keyof typeof others];
      expect(other, field).not.toBe(undefined);
      expect(expected.difference(0, { ...right, [field]: other }), field).toContain('expected');
    }
    for (const field of ['voltageAvg', 'voltageMin', 'voltageMax']) expect(expected.difference(0, { ...right, [field]: null }), field).toContain('expected');
    expect(expected.difference(1, right)).toContain('after the last of 1');
  });

  it('refuse readings that are not in order, or not of one meter and region', () => {
    const reading: OracleReading = { meterId: 'm', region: 'r', timestamp: AT, powerKw: 1 };
    const later = { ...reading, timestamp: AT + 1 };
    expect(() => new ExpectedWindows([later, reading], '1m')).toThrow('order');
    expect(() => new ExpectedWindows([reading, reading], '1m')).toThrow('order');
    expect(() => new ExpectedWindows([{ ...reading, status: 'ERROR' }], '1m')).toThrow('one meter');
    for (const wrong of [{ meterId: 'n' }, { region: 's' }, { status: 'ERROR' as const }]) expect(() => new ExpectedWindows([reading, { ...later, ...wrong }], '1m')).toThrow('one meter');
  });
});

describe('billionths in a double', () => {
  it('are the exact ones', () => {
    const check = (value: number): void => expect(BigInt(wholeBillionths(value))).toBe(billionths(value));
    fc.assert(fc.property(measurement(1e6), (value) => void check(value)), { numRuns: 2_000 });
    fc.assert(fc.property(fc.double({ min: -1e6, max: 1e6, noNaN: true }), (value) => void check(value + 0)), { numRuns: 2_000 });
  });

  it('are refused where a double does not hold them', () => {
    expect(() => wholeBillionths(1e7)).toThrow('too large');
    expect(() => wholeBillionths(NaN)).toThrow('not a finite number');
  });
});
