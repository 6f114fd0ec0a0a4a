import fc from 'fast-check';
import { GRANULARITIES, GRANULARITY_MS, type MeterWindow } from '../../src/model/window.ts';

/** Windows for tests of what carries and stores them. */

/** A plausible window with what the test says about it; `windowEnd` follows from start and granularity. */
export function meterWindow(some: Partial<Omit<MeterWindow, 'windowEnd'>>): MeterWindow {
  const { granularity = '1m', windowStart = 1_767_225_600_000 } = some;
  return {
    meterId: 'meter-1',
    region: 'region-01',
    granularity,
    windowStart,
    windowEnd: windowStart + GRANULARITY_MS[granularity],
    avgPowerKw: 1.25,
    minPowerKw: 0.5,
    maxPowerKw: 2,
    energyKwhSum: 0.0208,
    energySource: 'measured',
    voltageAvg: null,
    voltageMin: null,
    voltageMax: null,
    count: 6,
    revision: 0,
    final: true,
    ...some,
  };
}

const id = fc.stringMatching(/^[A-Za-z0-9._:-]{1,64}$/);
const quantity = fc.double({ noNaN: true, noDefaultInfinity: true });
const volts = fc.option(quantity);

/** Any window that the engine could make, and many that it could not: whatever its fields can hold. */
export const aMeterWindow: fc.Arbitrary<MeterWindow> = fc
  .record({
    meterId: fc.oneof(fc.constantFrom('meter-1', 'meter-2'), id),
    region: fc.oneof(fc.constantFrom('north', 'south'), id),
    granularity: fc.constantFrom(...GRANULARITIES),
    windowNumber: fc.integer({ min: 1_052_000, max: 4_000_000 }),
    avgPowerKw: quantity,
    minPowerKw: quantity,
    maxPowerKw: quantity,
    energyKwhSum: quantity,
    energySource: fc.constantFrom('measured' as const, 'estimated' as const),
    voltageAvg: volts,
    voltageMin: volts,
    voltageMax: volts,
    count: fc.nat(),
    revision: fc.nat(1_000),
    final: fc.boolean(),
  })
  .map(({ windowNumber, ...rest }) => meterWindow({ ...rest, windowStart: windowNumber * GRANULARITY_MS[rest.granularity] }));
