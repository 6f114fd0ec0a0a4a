import fc from 'fast-check';
import { expect, it } from 'vitest';
import { addUp, coverGaps, COVERED_QUARTERS_MAX, QUARTER_QUALITY } from '../../src/model/determinants.ts';
import { NO_BUCKET, type Determinants, type MeteringPlan } from '../../src/model/energy.ts';

const { missing, estimated, measured, covered } = QUARTER_QUALITY;

interface Case {
  plan: MeteringPlan;
  quarters: Float64Array;
  /** With the gaps covered. */
  quality: Uint8Array;
  coveredBefore: number;
}

const bucketIn = (count: number): fc.Arbitrary<number> => fc.oneof({ weight: 5, arbitrary: fc.nat({ max: count - 1 }) }, fc.constant(NO_BUCKET));
const energy = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.integer({ min: -2_000_000, max: 5_000_000 }),
  fc.constantFrom(250_000_000_000, -250_000_000_000, 2 ** 31, -(2 ** 31) - 1, 2 ** 32),
);

const anyCase: fc.Arbitrary<Case> = fc
  .record({ count: fc.integer({ min: 1, max: 60 }), energyBucketCount: fc.integer({ min: 1, max: 4 }), demandBucketCount: fc.nat({ max: 3 }) })
  .chain(({ count, energyBucketCount, demandBucketCount }) => {
    const perQuarter = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(arbitrary, { minLength: count, maxLength: count });
    const shares = fc.integer({ min: 1, max: 14 }).chain((minutes) =>
      fc.record({ buckets: fc.array(bucketIn(energyBucketCount), { minLength: 3, maxLength: 3 }), cut: fc.nat({ max: 14 - minutes }) }).map(({ buckets, cut }) => [minutes, cut, 15 - minutes - cut].map((m, k) => ({ bucket: buckets[k], minutes: m })).filter((share) => share.minutes > 0)),
    );
    return fc
      .record({
        firstQuarter: fc.integer({ min: 1_900_000, max: 1_900_007 }),
        energyBuckets: perQuarter(bucketIn(energyBucketCount)),
        demandBuckets: perQuarter(demandBucketCount === 0 ? fc.constant(NO_BUCKET) : bucketIn(demandBucketCount)),
        demandQuarters: fc.constantFrom(1, 2, 4) as fc.Arbitrary<1 | 2 | 4>,
        splits: fc.uniqueArray(fc.record({ index: fc.nat({ max: count - 1 }), shares }), { selector: ({ index }) => index, maxLength: 3 }),
        moments: fc.array(fc.integer({ min: -3, max: count + 3 }), { maxLength: 4 }),
        dayStarts: fc.uniqueArray(fc.nat({ max: count - 1 }), { maxLength: 3 }),
        known: perQuarter(fc.tuple(fc.constantFrom(missing, missing, estimated, measured), energy)),
        coveredBefore: fc.nat({ max: COVERED_QUARTERS_MAX }),
      })
      .map(({ known, coveredBefore, ...plan }) => {
        const quality = Uint8Array.from(known, ([how]) => how);
        coverGaps(quality);
        const energyBuckets = Uint8Array.from(plan.energyBuckets);
        plan.splits.sort((a, b) => a.index - b.index);
        for (const split of plan.splits) energyBuckets[split.index] = split.shares[0].bucket;
        return {
          plan: {
            ...plan,
            energyBuckets,
            demandBuckets: Uint8Array.from(plan.demandBuckets),
            energyBucketCount,
            demandBucketCount,
            moments: plan.moments.map((index) => plan.firstQuarter + index).sort((a, b) => a - b),
            dayStarts: [...plan.dayStarts].sort((a, b) => a - b),
          },
          quarters: Float64Array.from(known, ([how, net]) => (how === missing ? 0 : net)),
          quality,
          coveredBefore,
        };
      });
  });

/** The same in whole numbers without a limit, one question after another. */
function oracle({ plan, quarters, quality, coveredBefore }: Case): Omit<Determinants, 'digest'> {
  const count = quarters.length;
  const net = [...quarters].map(BigInt);
  const sharesOf = (i: number): { bucket: number; micro: bigint }[] => {
    const split = plan.splits.find(({ index }) => index === i);
    if (split === undefined) return [{ bucket: plan.energyBuckets[i], micro: net[i] }];
    const shares = split.shares.map(({ bucket, minutes }) => ({ bucket, micro: (net[i] * BigInt(minutes)) / 15n }));
    const last = shares.at(-1)!;
    last.micro += net[i] - shares.reduce((sum, { micro }) => sum + micro, 0n);
    return shares;
  };
  const all = net.flatMap((_, i) => sharesOf(i));
  const energyOf = (bucket: number, sign: bigint): number => Number(all.filter((share) => share.bucket === bucket && share.micro * sign > 0n).reduce((sum, { micro }) => sum + micro * sign, 0n));
  // As if the meter had sent every quarter-hour of the gap.
  const even = [...net];
  for (let i = 0; i < count; i++) {
    if (quality[i] !== measured) continue;
    let first = i;
    while (first > -coveredBefore && (first <= 0 || quality[first - 1] === covered)) first--;
    const length = BigInt(i - first + 1);
    for (let k = Math.max(0, first); k < i; k++) even[k] = net[i] / length;
    even[i] = net[i] - (net[i] / length) * (length - 1n);
  }
  const intervalOf = (i: number): number => Math.floor((plan.firstQuarter + i) / plan.demandQuarters);
  const powerOf = (interval: number): number => {
    const inside = even.filter((_, i) => intervalOf(i) === interval);
    const twice = (inside.reduce((sum, micro) => sum + micro, 0n) * 8n) / BigInt(inside.length);
    return twice > 0n ? Number((twice + 1n) / 2n) : 0;
  };
  const starts = net.map((_, i) => i).filter((i) => i === 0 || intervalOf(i) !== intervalOf(i - 1));
  const buckets = <T>(length: number, of: (bucket: number) => T): T[] => Array.from({ length }, (_, bucket) => of(bucket));
  const peakOf = (bucket: number): number => Math.max(0, ...starts.filter((i) => plan.demandBuckets[i] === bucket).map((i) => powerOf(intervalOf(i))));
  const dayOf = (i: number): number => plan.dayStarts.filter((start) => start <= i).length - 1;
  const daySum = (day: number, sign: number): number => Number(net.reduce((sum, micro, i) => (dayOf(i) === day && Number(micro) * sign > 0 ? sum + micro * BigInt(sign) : sum), 0n));
  const known = (...of: number[]): number => [...quality].filter((how) => of.includes(how)).length;
  return {
    importMicroKwh: buckets(plan.energyBucketCount, (bucket) => energyOf(bucket, 1n)),
    exportMicroKwh: buckets(plan.energyBucketCount, (bucket) => energyOf(bucket, -1n)),
    peakMicroKw: buckets(plan.demandBucketCount, peakOf),
    peakQuarter: buckets(plan.demandBucketCount, (bucket) => {
      const peak = peakOf(bucket);
      const first = starts.find((i) => plan.demandBuckets[i] === bucket && powerOf(intervalOf(i)) === peak);
      return peak === 0 || first === undefined ? -1 : plan.firstQuarter + first;
    }),
    momentMicroKw: plan.moments.map((quarter) => {
      const i = quarter - plan.firstQuarter;
      return i >= 0 && i < count ? powerOf(intervalOf(i)) : 0;
    }),
    dayImportMicroKwh: plan.dayStarts.map((_, day) => daySum(day, 1)),
    dayExportMicroKwh: plan.dayStarts.map((_, day) => daySum(day, -1)),
    quality: { measured: known(measured), estimated: known(estimated, covered), missing: known(missing) },
  };
}

it('adds up what an oracle of unlimited whole numbers adds up', () => {
  fc.assert(
    fc.property(anyCase, (drawn) => {
      const { digest, ...found } = addUp(drawn.plan, drawn.quarters, drawn.quality, drawn.coveredBefore);
      expect(found).toEqual(oracle(drawn));
      expect(Number.isSafeInteger(digest)).toBe(true);
    }),
    { numRuns: 3_000 },
  );
});

it('gives another digest for any other quarter-hour, and the same for the same', () => {
  fc.assert(
    fc.property(anyCase, fc.nat(), energy, (drawn, at, other) => {
      const { plan, quarters, quality } = drawn;
      const { digest } = addUp(plan, quarters, quality);
      expect(addUp(plan, quarters.slice(), quality.slice(), drawn.coveredBefore).digest).toBe(digest);
      const i = at % quarters.length;
      const changed = quarters.slice();
      changed[i] = quarters[i] === other ? other + 1 : other;
      expect(addUp(plan, changed, quality).digest).not.toBe(digest);
      const requalified = quality.slice();
      requalified[i] = (quality[i] + 1) % 4;
      expect(addUp(plan, quarters, requalified).digest).not.toBe(digest);
    }),
  );
});

it('covers four missing quarter-hours before a measured one, and none before an estimated one', () => {
  const quality = Uint8Array.of(missing, missing, missing, missing, missing, measured, missing, estimated, missing, measured, missing);
  coverGaps(quality);
  expect([...quality]).toEqual([missing, covered, covered, covered, covered, measured, missing, estimated, covered, measured, missing]);
});

it('takes the power of a meter that sends every half hour over the half hour', () => {
  const plan: MeteringPlan = { firstQuarter: 0, energyBuckets: new Uint8Array(4), energyBucketCount: 1, demandBuckets: new Uint8Array(4), demandBucketCount: 1, demandQuarters: 1, splits: [], moments: [], dayStarts: [] };
  const { importMicroKwh, peakMicroKw, quality } = addUp(plan, Float64Array.of(0, 1_000_000, 0, 1_000_001), Uint8Array.of(covered, measured, covered, measured));
  expect(importMicroKwh).toEqual([2_000_001]);
  expect(peakMicroKw).toEqual([2_000_004]);
  expect(quality).toEqual({ measured: 2, estimated: 2, missing: 0 });
});
