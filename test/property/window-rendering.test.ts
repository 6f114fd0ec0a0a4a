import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WindowPageRenderer } from '../../src/http/window-rendering.ts';
import { meterWindowSchema } from '../../src/http/wire-schemas.ts';
import { pageShape, windowShape } from '../../src/http/wire-shapes.ts';
import { packWindows } from '../../src/model/window-block.ts';
import type { MeterWindow } from '../../src/model/window.ts';
import { aMeterWindow, meterWindow } from '../support/meter-windows.ts';

const renderer = new WindowPageRenderer();

function rendered(windows: readonly MeterWindow[], nextCursor: string | null): string {
  return Buffer.from(renderer.render(packWindows(windows), nextCursor)).toString('utf8');
}

function stringified(data: MeterWindow[], nextCursor: string | null): string {
  return JSON.stringify(pageShape({ data, nextCursor }, windowShape));
}

describe('a page of windows as it goes out', () => {
  it('is byte for byte what JSON.stringify makes of its shape', () => {
    const cursor = fc.option(fc.string({ maxLength: 20 }));
    fc.assert(fc.property(fc.array(aMeterWindow, { maxLength: 40 }), cursor, (windows, nextCursor) => void expect(rendered(windows, nextCursor)).toBe(stringified(windows, nextCursor))), { numRuns: 500 });
  });

  it('is that at every moment of a window\'s start, at any time of the day and beyond the year 9999', () => {
    const start = fc.integer({ min: -62_167_219_200_000, max: 8.64e15 - 900_000 });
    fc.assert(fc.property(fc.array(start, { minLength: 1, maxLength: 5 }), (starts) => {
      const windows = starts.map((windowStart) => meterWindow({ windowStart, granularity: '1m' }));
      expect(rendered(windows, null)).toBe(stringified(windows, null));
    }));
  });

  it('is that of a meter that moves between regions, of ids that JSON escapes, and of more windows than there was room for', () => {
    const names = fc.oneof(fc.constantFrom('north', 'south'), fc.string({ unit: 'grapheme', maxLength: 70 }), fc.constantFrom('"', '\\', '\n', '\u2028', '電力'));
    fc.assert(fc.property(fc.array(fc.tuple(names, names), { maxLength: 10 }), (pairs) => {
      const windows = pairs.map(([meterId, region]) => meterWindow({ meterId, region }));
      expect(rendered(windows, null)).toBe(stringified(windows, null));
    }));
    const many = Array.from({ length: 3_000 }, (_, k) => meterWindow({ windowStart: k * 60_000, granularity: '1m', avgPowerKw: 1 / (k + 1), region: `r${k >> 8}` }));
    expect(rendered(many, '3000')).toBe(stringified(many, '3000'));
  });

  it('has the fields of the API\'s document', () => {
    const [window] = (JSON.parse(rendered([meterWindow({})], null)) as { data: object[] }).data;
    expect(Object.keys(window)).toEqual(Object.keys(meterWindowSchema.shape));
  });
});
