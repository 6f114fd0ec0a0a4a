import fc from 'fast-check';
import type { TestReading } from './packed-readings.ts';

/** Lives of a few meters as fast-check makes them: specifications that shrink well, and the readings they stand for. */

export const LIFE_START_MS = Date.UTC(2026, 2, 1, 10);

/** What one reading is, relative to what its meter sent before. */
export type ReadingSpec =
  | { kind: 'next'; meter: number; gapMs: number; values: ValueSpec }
  | { kind: 'late'; meter: number; byMs: number; values: ValueSpec }
  | { kind: 'repeat'; nth: number }
  | { kind: 'contradict'; nth: number; values: ValueSpec };

export interface ValueSpec {
  powerKw: number;
  energyKwh?: number;
  voltage?: number;
  isError: boolean;
  /** 0: the meter's own region; else another. */
  regionShift: number;
}

const METERS = 5;
const REGIONS = 3;

const thousandths = (min: number, max: number) => fc.integer({ min: min * 1_000, max: max * 1_000 }).map((n) => n / 1_000);

const powerKw = fc.oneof(
  { weight: 8, arbitrary: thousandths(-5, 20) },
  { weight: 2, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.constantFrom(1e6, -1e6, 999_999.999999999, -999_999.999999999) },
  { weight: 1, arbitrary: fc.integer({ min: -1e9, max: 1e9 }).map((n) => n / 1e9) },
);

const values: fc.Arbitrary<ValueSpec> = fc.record(
  {
    powerKw,
    energyKwh: fc.oneof({ weight: 6, arbitrary: thousandths(-1, 3) }, { weight: 1, arbitrary: fc.constantFrom(0, 1e6, -1e6) }),
    voltage: fc.oneof({ weight: 6, arbitrary: thousandths(200, 260) }, { weight: 1, arbitrary: fc.constantFrom(0, 1e6) }),
    isError: fc.integer({ min: 0, max: 9 }).map((n) => n === 9),
    regionShift: fc.integer({ min: 0, max: 11 }).map((n) => (n < 10 ? 0 : n - 9)),
  },
  { requiredKeys: ['powerKw', 'isError', 'regionShift'] },
);

const meter = fc.integer({ min: 0, max: METERS - 1 });

const gapMs = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(1_000, 10_000, 15_000, 30_000, 60_000) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 90_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 40 * 60_000 }) },
);

const byMs = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 120_000 }) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 20 * 60_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 3 * 3_600_000 }) },
);

export const readingSpec: fc.Arbitrary<ReadingSpec> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('next' as const), meter, gapMs, values }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('late' as const), meter, byMs, values }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('repeat' as const), nth: fc.nat(1_000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('contradict' as const), nth: fc.nat(1_000), values }) },
);

/** Turns specifications into readings, in order; remembers what was sent, whatever became of it. */
export class LifeTeller {
  private readonly newestMs = new Array<number>(METERS).fill(LIFE_START_MS);
  private readonly sent: TestReading[] = [];

  tell(specs: readonly ReadingSpec[]): TestReading[] {
    return specs.map((spec) => {
      const reading = this.one(spec);
      this.sent.push(reading);
      return reading;
    });
  }

  private one(spec: ReadingSpec): TestReading {
    switch (spec.kind) {
      case 'next':
        this.newestMs[spec.meter] += spec.gapMs;
        return readingOf(spec.meter, this.newestMs[spec.meter], spec.values);
      case 'late':
        return readingOf(spec.meter, this.newestMs[spec.meter] - spec.byMs, spec.values);
      case 'repeat':
        return this.sent.length === 0 ? readingOf(0, LIFE_START_MS, NOTHING) : { ...this.sent[spec.nth % this.sent.length] };
      case 'contradict': {
        if (this.sent.length === 0) return readingOf(0, LIFE_START_MS, spec.values);
        const { meterId, timestamp } = this.sent[spec.nth % this.sent.length];
        return readingOf(Number(meterId.slice(1)), timestamp, spec.values);
      }
    }
  }
}

const NOTHING: ValueSpec = { powerKw: 0, isError: false, regionShift: 0 };

export function readingOf(meterNumber: number, timestamp: number, { powerKw, energyKwh, voltage, isError, regionShift }: ValueSpec): TestReading {
  return {
    meterId: `m${meterNumber}`,
    region: `r${(meterNumber + regionShift) % REGIONS}`,
    timestamp,
    powerKw: powerKw === 0 ? 0 : powerKw,
    energyKwh,
    voltage,
    status: isError ? 'ERROR' : 'OK',
  };
}

/** Runs of a property whose runs take long, where chance is another each time: `SEG_PROPERTY_RUNS` where it is set. Runs of many commits come together; a fault that needs more than the usual is looked for with more. */
export function propertyRuns(usual: number): number {
  const asked = Number(process.env.SEG_PROPERTY_RUNS);
  return asked > 0 ? asked : usual;
}
