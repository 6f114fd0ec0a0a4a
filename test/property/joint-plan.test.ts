import fc from 'fast-check';
import { expect, it } from 'vitest';
import { determinantsOf, joinPlans, planKey } from '../../src/actors/tariffs/joint-plan.ts';
import { addUp, coverGaps, QUARTER_QUALITY } from '../../src/model/determinants.ts';
import { NO_BUCKET, type MeteringPlan } from '../../src/model/energy.ts';

/** Plans of the same quarter-hours that can be joined, or cannot: other times of power, other cuts, other quarter-hours. */
interface Case {
  plans: MeteringPlan[];
  quarters: Float64Array;
  quality: Uint8Array;
  coveredBefore: number;
}

const bucketIn = (count: number): fc.Arbitrary<number> => (count === 0 ? fc.constant(NO_BUCKET) : fc.oneof({ weight: 5, arbitrary: fc.nat({ max: count - 1 }) }, fc.constant(NO_BUCKET)));

function planOf(count: number, cuts: { index: number; minutes: number }[]): fc.Arbitrary<MeteringPlan> {
  return fc.record({ energyBucketCount: fc.integer({ min: 1, max: 4 }), demandBucketCount: fc.nat({ max: 3 }) }).chain(({ energyBucketCount, demandBucketCount }) => {
    const perQuarter = (buckets: number): fc.Arbitrary<number[]> => fc.array(bucketIn(buckets), { minLength: count, maxLength: count });
    return fc
      .record({
        firstQuarter: fc.constantFrom(1_900_001, 1_900_001, 1_900_001, 1_900_002),
        energy: perQuarter(energyBucketCount),
        demand: perQuarter(demandBucketCount),
        demandQuarters: fc.constantFrom(1, 1, 1, 2, 4) as fc.Arbitrary<1 | 2 | 4>,
        shares: fc.array(fc.tuple(bucketIn(energyBucketCount), bucketIn(energyBucketCount)), { minLength: cuts.length, maxLength: cuts.length }),
        isCut: fc.boolean(),
        moments: fc.array(fc.integer({ min: -1, max: count }), { maxLength: 2 }),
      })
      .map(({ firstQuarter, energy, demand, demandQuarters, shares, isCut, moments }) => {
        const energyBuckets = Uint8Array.from(energy);
        const splits = isCut ? cuts.map(({ index, minutes }, k) => ({ index, shares: [{ bucket: shares[k][0], minutes }, { bucket: shares[k][1], minutes: 15 - minutes }] })) : [];
        for (const split of splits) energyBuckets[split.index] = split.shares[0].bucket;
        return { firstQuarter, energyBuckets, energyBucketCount, demandBuckets: Uint8Array.from(demand), demandBucketCount, demandQuarters, splits, moments: moments.map((index) => firstQuarter + index).sort((a, b) => a - b), dayStarts: [] };
      });
  });
}

const anyCase: fc.Arbitrary<Case> = fc.integer({ min: 1, max: 40 }).chain((count) =>
  fc
    .uniqueArray(fc.record({ index: fc.nat({ max: count - 1 }), minutes: fc.integer({ min: 1, max: 14 }) }), { selector: ({ index }) => index, maxLength: 2 })
    .chain((cuts) =>
      fc.record({
        plans: fc.array(planOf(count, cuts.sort((a, b) => a.index - b.index)), { minLength: 1, maxLength: 5 }).chain((plans) => fc.shuffledSubarray([...plans, plans[0]], { minLength: 1 })),
        known: fc.array(fc.tuple(fc.constantFrom(0, 1, 2, 2), fc.integer({ min: -2_000, max: 5_000 })), { minLength: count, maxLength: count }),
        coveredBefore: fc.nat({ max: 4 }),
      }),
    )
    .map(({ plans, known, coveredBefore }) => {
      const quality = Uint8Array.from(known, ([how]) => how);
      coverGaps(quality);
      return { plans, quality, coveredBefore, quarters: Float64Array.from(known, ([how, net]) => (how === QUARTER_QUALITY.missing ? 0 : net)) };
    }),
);

it('gives each plan what it makes of the energy by itself', () => {
  fc.assert(
    fc.property(anyCase, ({ plans, quarters, quality, coveredBefore }) => {
      const joined = joinPlans(plans);
      const found = joined.plans.map((plan) => addUp(plan, quarters, quality, coveredBefore));
      const each = joined.sources.map(({ plan, part }) => determinantsOf(part, found[plan]));
      expect(each.map(({ digest: _, ...rest }) => rest)).toEqual(plans.map((plan) => addUp(plan, quarters, quality, coveredBefore)).map(({ digest: _, ...rest }) => rest));
    }),
    { numRuns: 1_000 },
  );
});

it('asks once for what has the same quarter-hours and cuts', () => {
  fc.assert(
    fc.property(anyCase, ({ plans }) => {
      const alike = plans.filter(({ firstQuarter, splits, demandBucketCount, moments }) => firstQuarter === plans[0].firstQuarter && splits.length === plans[0].splits.length && demandBucketCount === 0 && moments.length === 0);
      expect(joinPlans(alike).plans.length).toBe(Math.min(1, alike.length));
      expect(new Set(plans.map(planKey)).size).toBeGreaterThanOrEqual(joinPlans(plans).plans.length);
    }),
  );
});

it('keeps plans apart whose common buckets are more than a byte can name', () => {
  const count = 300;
  const plan = (of: (i: number) => number, energyBucketCount: number): MeteringPlan => ({
    firstQuarter: 0, energyBuckets: Uint8Array.from({ length: count }, (_, i) => of(i)), energyBucketCount, demandBuckets: new Uint8Array(count).fill(NO_BUCKET), demandBucketCount: 0, demandQuarters: 1, splits: [], moments: [], dayStarts: [],
  });
  const plans = [plan((i) => i % 17, 17), plan((i) => i % 19, 19), plan(() => 0, 1)];
  const { plans: joined, sources } = joinPlans(plans);
  expect(joined.map(({ energyBucketCount }) => energyBucketCount)).toEqual([17, 19]);
  expect(sources.map((source) => source.plan)).toEqual([0, 1, 0]);
});
