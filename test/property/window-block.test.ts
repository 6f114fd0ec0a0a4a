import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { filterWindows, openWindowBlock, WindowBlockBuilder } from '../../src/model/window-block.ts';
import { GRANULARITY_MS, type MeterWindow } from '../../src/model/window.ts';
import { aMeterWindow, meterWindow } from '../support/meter-windows.ts';

function packed(windows: readonly MeterWindow[], initialCapacity?: number): ArrayBuffer {
  const builder = new WindowBlockBuilder(initialCapacity);
  for (const window of windows) builder.add(window);
  return builder.finish();
}

function unpacked(buffer: ArrayBuffer): MeterWindow[] {
  const block = openWindowBlock(buffer);
  return Array.from({ length: block.count }, (_, i) => block.windowAt(i));
}

describe('a block of windows', () => {
  it('gives back what was put in, and leaves the builder empty', () => {
    fc.assert(
      fc.property(fc.array(aMeterWindow, { maxLength: 40 }), fc.array(aMeterWindow, { maxLength: 5 }), fc.integer({ min: 0, max: 3 }), (first, second, capacity) => {
        const builder = new WindowBlockBuilder(capacity);
        for (const windows of [first, second, []]) {
          for (const window of windows) builder.add(window);
          expect(builder.count).toBe(windows.length);
          expect(unpacked(builder.finish())).toEqual(windows);
        }
      }),
    );
  });

  it('is cut to the windows that somebody may see, and is as it was where that is all', () => {
    fc.assert(
      fc.property(fc.array(aMeterWindow, { maxLength: 40 }), fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }), (windows, kept) => {
        const buffer = packed(windows);
        let at = 0;
        const cut = filterWindows(buffer, (startMs, endMs) => {
          expect([startMs, endMs]).toEqual([windows[at].windowStart, windows[at].windowEnd]);
          return kept[at++];
        });
        expect(unpacked(cut)).toEqual(windows.filter((_, i) => kept[i]));
        expect(unpacked(buffer)).toEqual(windows);
        expect(filterWindows(buffer, () => true)).toBe(buffer);
      }),
    );
  });

  it('forgets what was added before it is begun anew', () => {
    const builder = new WindowBlockBuilder();
    builder.add(meterWindow({ meterId: 'a', region: 'r' }));
    builder.clear();
    builder.add(meterWindow({ meterId: 'b', region: 's' }));
    expect(openWindowBlock(builder.finish()).regions).toEqual(['s']);
  });

  it('holds any text as an id or a region, the empty one and two meters side by side included', () => {
    const name = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 70 }), fc.constantFrom('', '\0', 'é', '電力', '🔌', 'a'.repeat(300)));
    fc.assert(
      fc.property(fc.array(fc.tuple(name, name), { maxLength: 20 }), (names) => {
        const windows = names.map(([meterId, region]) => meterWindow({ meterId, region }));
        expect(unpacked(packed(windows, 1))).toEqual(windows);
      }),
    );
  });

  it('may be empty', () => {
    const block = openWindowBlock(packed([]));
    expect([block.count, block.regions]).toEqual([0, []]);
  });

  it('holds 50,000 windows of 1,000 meters and keeps each region once', () => {
    const windows = Array.from({ length: 50_000 }, (_, i) =>
      meterWindow({
        meterId: `meter-${i % 1_000}`,
        region: `region-${i % 7}`,
        granularity: i % 15 === 0 ? '15m' : '1m',
        windowStart: 1_767_225_600_000 + i * 900_000,
        avgPowerKw: i / 7,
        voltageAvg: i % 3 === 0 ? null : 230 + i / 50_000,
        count: i,
        revision: i % 5,
      }),
    );
    const buffer = packed(windows);
    expect(openWindowBlock(buffer).regions).toHaveLength(7);
    expect(unpacked(buffer)).toEqual(windows);
  });

  it('gives the fields one by one, and the id as bytes', () => {
    const window = meterWindow({ meterId: 'mètre-1', granularity: '15m', voltageAvg: 231, voltageMin: 229, voltageMax: null, count: 4_000_000_000 });
    const block = openWindowBlock(packed([meterWindow({ meterId: 'other', region: 'elsewhere' }), window]));
    const id = block.bytes.subarray(block.idStart(1), block.idStart(1) + block.idLength(1));
    expect(Buffer.from(id).toString()).toBe('mètre-1');
    expect([block.meterId(1), block.region(1), block.regions[block.regionNumber(1)], block.granularity(1)]).toEqual(['mètre-1', window.region, window.region, '15m']);
    expect([block.windowStart(1), block.windowEnd(1)]).toEqual([window.windowStart, window.windowStart + GRANULARITY_MS['15m']]);
    expect([block.voltageAvg(1), block.voltageMin(1), block.voltageMax(1)]).toEqual([231, 229, NaN]);
    expect([block.readings(1), block.revision(1), block.isFinal(1), block.energySource(1)]).toEqual([4_000_000_000, window.revision, window.final, window.energySource]);
    expect([block.avgPowerKw(1), block.minPowerKw(1), block.maxPowerKw(1), block.energyKwhSum(1)]).toEqual([window.avgPowerKw, window.minPowerKw, window.maxPowerKw, window.energyKwhSum]);
  });

  it('says what is wrong with other bytes', () => {
    const whole = packed([meterWindow({})]);
    expect(() => openWindowBlock(new ArrayBuffer(7))).toThrow('shorter than its header');
    expect(() => openWindowBlock(new ArrayBuffer(100))).toThrow('wrong magic');
    expect(() => openWindowBlock(whole.slice(0, -1))).toThrow('another length');
    const future = whole.slice(0);
    new Uint32Array(future, 0, 2)[1] = 99;
    expect(() => openWindowBlock(future)).toThrow('version 99');
  });
});
