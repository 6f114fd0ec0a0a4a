import fc from 'fast-check';
import { expect, it } from 'vitest';
import { EnergyBlockEditor, QUARTERS_PER_DAY } from '../../src/actors/shard/energy-block.ts';
import { EnergyReader } from '../../src/actors/shard/energy-reader.ts';
import { addDay, beginSums } from '../../src/actors/shard/energy-sums.ts';
import { pendingKey } from '../../src/actors/shard/pending-windows.ts';
import { planDays } from '../../src/actors/shard/plan-days.ts';
import { QUARTER_QUALITY } from '../../src/model/determinants.ts';
import { determinantsRow, readDeterminants } from '../../src/model/determinants-row.ts';
import { NO_BUCKET, type MeteringPlan } from '../../src/model/energy.ts';

/** Sums that are made while energy is decoded are those of the quarter-hours one by one. */

const { estimated, measured } = QUARTER_QUALITY;
const FIRST_DAY = 20_000;
const DAYS = 4;
const ROWS = [0, 5, 63];

/** Of one, two, three, four and more bytes. */
const units = fc.oneof({ weight: 6, arbitrary: fc.integer({ min: -70, max: 300 }) }, fc.integer({ min: -9_000, max: 2_200_000 }), fc.constantFrom(0, 63, 64, 8_191, 8_192, 1_048_575, 1_048_576, -1_048_577, 2 ** 27 - 1, -(2 ** 27)));
const longUnits = fc.constantFrom(2 ** 27, 250_000_000_000, -250_000_000_000);
const meter = fc.record({
  unit: fc.constantFrom(1, 1_000),
  values: fc.array(units, { minLength: 12, maxLength: 40 }),
  /** What few meters have: somewhere an energy beyond four bytes, a gap, or one that is known differently. */
  odd: fc.option(fc.record({ at: fc.nat({ max: DAYS * QUARTERS_PER_DAY - 1 }), what: fc.oneof(longUnits, fc.constantFrom<'missing' | 'other' | 'from' | 'to'>('missing', 'other', 'from', 'to')) }), { freq: 3 }),
  quality: fc.array(fc.constantFrom(measured, estimated), { minLength: DAYS, maxLength: DAYS }),
});
type Meter = typeof meter extends fc.Arbitrary<infer T> ? T : never;

const plan: fc.Arbitrary<MeteringPlan> = fc.record({ begin: fc.nat({ max: 200 }), length: fc.integer({ min: 1, max: 180 }), energyBucketCount: fc.integer({ min: 1, max: 3 }), demandBucketCount: fc.nat({ max: 2 }), hours: fc.array(fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 2 })), { minLength: 7, maxLength: 30 }), perHour: fc.constantFrom(1, 3, 4, 40) }).map(({ begin, length, energyBucketCount, demandBucketCount, hours, perHour }) => {
  const bucketIn = (count: number, drawn: number): number => (drawn < count ? drawn : NO_BUCKET);
  return {
    firstQuarter: FIRST_DAY * QUARTERS_PER_DAY + begin,
    energyBuckets: Uint8Array.from({ length }, (_, i) => bucketIn(energyBucketCount, hours[Math.floor(i / perHour) % hours.length][0])),
    energyBucketCount,
    demandBuckets: Uint8Array.from({ length }, (_, i) => bucketIn(demandBucketCount, hours[Math.floor(i / perHour) % hours.length][1])),
    demandBucketCount,
    ...({ demandQuarters: 1, splits: [], moments: [], dayStarts: [] } satisfies Partial<MeteringPlan>),
  };
});

function blocksOf(meters: readonly Meter[]): Uint8Array[] {
  const editor = new EnergyBlockEditor();
  return Array.from({ length: DAYS }, (_, day) => {
    editor.load(undefined);
    for (const [m, { unit, values, odd, quality }] of meters.entries()) {
      for (let quarter = 0; quarter < QUARTERS_PER_DAY; quarter++) {
        const at = day * QUARTERS_PER_DAY + quarter;
        const what = odd !== null && odd.at === at ? odd.what : null;
        if (what === 'missing' || (odd?.what === 'from' && at < odd.at) || (odd?.what === 'to' && at >= odd.at)) continue;
        editor.set(ROWS[m], quarter, typeof what === 'number' ? what : values[at % values.length] * unit, what === 'other' ? measured + estimated - quality[day] : quality[day]);
      }
    }
    return editor.encode((length) => new Uint8Array(length));
  });
}

function readerOf(blocks: readonly Uint8Array[], windows: { pending?: object; flushing?: object | null } = {}): EnergyReader {
  const page = { number: 0, partition: 0, pending: { count: 0 }, flushing: null, ...windows, f64: new Float64Array(65_536).fill(NaN) };
  return new EnergyReader({ directory: { pages: [page] } } as never, { energyBlock: (_: unknown, day: number) => blocks[day - FIRST_DAY] } as never);
}

it('are those of quarter-hours one by one, whatever days the plan and the meters have', () => {
  let summed = 0;
  fc.assert(
    fc.property(fc.array(meter, { minLength: ROWS.length, maxLength: ROWS.length }), plan, (meters, drawn) => {
      const reader = readerOf(blocksOf(meters));
      const rows = [...ROWS, 17];
      const determinants = (of: MeteringPlan) => {
        const layout = determinantsRow(of);
        const numbers = new Float64Array(2 + rows.length * layout.width).fill(7);
        reader.determinants(rows, of, layout, numbers, 1);
        expect([numbers[0], numbers.at(-1)]).toEqual([7, 7]);
        return rows.map((_, k) => readDeterminants(layout, numbers, 1 + k * layout.width));
      };
      const alone = determinants(drawn);
      const found = determinants({ ...drawn, withoutDigest: true });
      expect(found).toEqual(alone.map((one) => ({ ...one, digest: 0 })));
      summed += alone.filter(({ quality: { missing } }) => missing === 0).length;
    }),
    { numRuns: 1_000 },
  );
  expect(summed).toBeGreaterThan(1_000);
});

it('are made of whole days that are known alike, and of no others', () => {
  const [day] = planDays({ firstQuarter: FIRST_DAY * QUARTERS_PER_DAY + 8, energyBuckets: new Uint8Array(80), energyBucketCount: 1, demandBuckets: new Uint8Array(80), demandBucketCount: 1, demandQuarters: 1, splits: [], moments: [], dayStarts: [], withoutDigest: true })!;
  const layout = determinantsRow({ energyBucketCount: 1, demandBucketCount: 1, moments: [], dayStarts: [] } as unknown as MeteringPlan);
  const isAdded = (change: (editor: EnergyBlockEditor) => void, from = 0, to = QUARTERS_PER_DAY): boolean => {
    const editor = new EnergyBlockEditor();
    editor.load(undefined);
    for (let quarter = from; quarter < to; quarter++) editor.set(3, quarter, 2 ** 27 - 1, measured);
    change(editor);
    const numbers = new Float64Array(layout.width);
    beginSums(layout, numbers, 0);
    const added = addDay(editor.encode((length) => new Uint8Array(length)), 3, day, layout, numbers, 0);
    if (added) expect([numbers[layout.imported], numbers[layout.peaks], numbers[layout.peakQuarters], numbers[layout.quality]]).toEqual([80 * (2 ** 27 - 1), 2 ** 27 - 1, FIRST_DAY * QUARTERS_PER_DAY + 8, 80]);
    return added;
  };
  expect(isAdded(() => {})).toBe(true);
  // A gap right before may be covered by the count of the first.
  expect(isAdded(() => {}, 4, 88)).toBe(true);
  expect(isAdded(() => {}, 5, 88)).toBe(false);
  expect(isAdded(() => {}, 4, 87)).toBe(false);
  expect(isAdded((editor) => editor.set(3, 40, 2 ** 27, measured))).toBe(false);
  expect(isAdded((editor) => editor.set(3, 40, 1, estimated))).toBe(false);
  expect(isAdded((editor) => editor.set(4, 40, 1, estimated), 0, 0)).toBe(false);
  expect(isAdded(() => {}, 0, 0)).toBe(false);
});

it('are not for plans that ask for more than sums and single quarter-hours', () => {
  const plain: MeteringPlan = { firstQuarter: 96, energyBuckets: new Uint8Array(4), energyBucketCount: 1, demandBuckets: new Uint8Array(4), demandBucketCount: 1, demandQuarters: 1, splits: [], moments: [], dayStarts: [], withoutDigest: true };
  expect(planDays(plain)).toHaveLength(2);
  expect(planDays({ ...plain, demandQuarters: 2, demandBucketCount: 0 })).toHaveLength(2);
  for (const more of [{ withoutDigest: undefined }, { demandQuarters: 2 }, { splits: [{ index: 0, shares: [] }] }, { moments: [97] }, { dayStarts: [0] }] as const) expect(planDays({ ...plain, ...(more as Partial<MeteringPlan>) })).toBeNull();
});

it('are not of meters of which something is not in the store yet', () => {
  const editor = new EnergyBlockEditor();
  editor.load(undefined);
  for (const row of ROWS) for (let quarter = 0; quarter < QUARTERS_PER_DAY; quarter++) editor.set(row, quarter, 1_000, measured);
  const blocks = [editor.encode((length) => new Uint8Array(length))];
  const first = FIRST_DAY * QUARTERS_PER_DAY;
  const plan: MeteringPlan = { firstQuarter: first + 10, energyBuckets: new Uint8Array(20), energyBucketCount: 1, demandBuckets: new Uint8Array(20), demandBucketCount: 1, demandQuarters: 1, splits: [], moments: [], dayStarts: [], withoutDigest: true };
  const layout = determinantsRow(plan);
  const isLookedAt = (kind: 'pending' | 'flushing', granularity: number, quarter: number, row: number): boolean => {
    let looked = false;
    const windows = {
      count: 1,
      keyAt: () => pendingKey(granularity, first + quarter, row),
      recordAt: () => {
        looked = true;
        throw new Error('looked at');
      },
    };
    try {
      readerOf(blocks, { [kind]: windows }).determinants(ROWS, plan, layout, new Float64Array(ROWS.length * layout.width), 0);
    } catch {}
    return looked;
  };
  for (const kind of ['pending', 'flushing'] as const) {
    for (const quarter of [6, 10, 29]) expect(isLookedAt(kind, 1, quarter, ROWS[1])).toBe(true);
    for (const quarter of [5, 30]) expect(isLookedAt(kind, 1, quarter, ROWS[1])).toBe(false);
    expect([isLookedAt(kind, 0, 10, ROWS[1]), isLookedAt(kind, 1, 10, 17)]).toEqual([false, false]);
  }
});
