import fc from 'fast-check';
import { expect, it } from 'vitest';
import { addUp, addUpInto, coverGaps, COVERED_QUARTERS_MAX, QUARTER_QUALITY } from '../../src/model/determinants.ts';
import { determinantsRow, unpackDeterminants } from '../../src/model/determinants-row.ts';
import { NO_BUCKET, type Determinants, type MeteringPlan } from '../../src/model/energy.ts';

const { missing, estimated, measured, covered } = QUARTER_QUALITY;
const EMPTY_PLAN: MeteringPlan = { firstQuarter: 0, energyBuckets: new Uint8Array(0), energyBucketCount: 0, demandBuckets: new Uint8Array(0), demandBucketCount: 0, demandQuarters: 1, splits: [], moments: [], dayStarts: [] };

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

const rotate = (word: bigint, bits: bigint): bigint => ((word << bits) | (word >> (32n - bits))) & 0xffffffffn;
const low32 = (value: bigint): bigint => BigInt.asUintN(32, value);

/** The digest as it was written down when the first bills were issued, in whole numbers without a limit. */
function digestOracle({ quarters, quality }: Case): number {
  const finish = (word: bigint): bigint => {
    const first = low32((word ^ (word >> 16n)) * 0x85ebca6bn);
    const second = low32((first ^ (first >> 13n)) * 0xc2b2ae35n);
    return second ^ (second >> 16n);
  };
  let [a, b] = [0x9747b28cn, 0x3c6ef372n];
  quarters.forEach((net, i) => {
    if (i === 0 || quality[i] !== quality[i - 1]) {
      const mark = BigInt(i * 4 + quality[i]);
      a = low32((a ^ mark) * 0x1b873593n);
      b = low32((b + mark) * 0xc2b2ae35n);
    }
    const low = low32(BigInt(net));
    const isShort = BigInt.asIntN(32, BigInt(net)) === BigInt(net);
    const word = isShort ? low : low ^ low32(((BigInt(net) >> 32n) + 1n) * 0x27d4eb2fn);
    a = rotate(low32((a ^ word) * 0xcc9e2d51n), 15n);
    b = rotate(low32((b + word) * 0x85ebca6bn), 13n);
  });
  return Number(((finish(b) >> 12n) << 32n) | finish(a));
}

it('keeps to the digest that issued bills have', () => {
  fc.assert(
    fc.property(anyCase, (drawn) => {
      expect(addUp(drawn.plan, drawn.quarters, drawn.quality, drawn.coveredBefore).digest).toBe(digestOracle(drawn));
    }),
    { numRuns: 1_000 },
  );
  const count = 96;
  const plan: MeteringPlan = { firstQuarter: 1_900_000, energyBuckets: new Uint8Array(count), energyBucketCount: 1, demandBuckets: new Uint8Array(count), demandBucketCount: 1, demandQuarters: 2, splits: [], moments: [], dayStarts: [0] };
  const quarters = Float64Array.from({ length: count }, (_, i) => (i % 11 === 5 ? 250_000_000_000 - i : (i * 7_919 * 1_000) % 900_000) - (i % 5 === 0 ? 400_000 : 0));
  const quality = Uint8Array.from({ length: count }, (_, i) => Math.floor(i / 10) % 4);
  // Of the engine that issued the first bills.
  expect(addUp(plan, quarters, quality).digest).toBe(3611377377597218);
});

/** Whole days, and buckets that last for hours, as tariffs have them. */
it('adds up months as a list of their quarter-hours does', () => {
  const hour = fc.record({ bucket: fc.nat({ max: 2 }), demand: fc.constantFrom(0, 1, NO_BUCKET), net: fc.integer({ min: -400_000, max: 900_000 }), known: fc.constantFrom(measured, measured, measured, estimated, missing) });
  fc.assert(
    fc.property(fc.array(hour, { minLength: 24, maxLength: 24 * 40 }), fc.nat({ max: 95 }), fc.constantFrom(1, 2, 4) as fc.Arbitrary<1 | 2 | 4>, (hours, firstDay, demandQuarters) => {
      const perQuarter = <T>(of: (one: (typeof hours)[number], k: number) => T): T[] => hours.flatMap((one) => [0, 1, 2, 3].map((k) => of(one, k)));
      const dayStarts = Array.from({ length: Math.ceil((hours.length * 4 - firstDay) / 96) }, (_, day) => firstDay + day * 96).filter((start) => start < hours.length * 4);
      const quality = Uint8Array.from(perQuarter(({ known }) => known));
      coverGaps(quality);
      const drawn: Case = {
        plan: { firstQuarter: 1_900_000, energyBuckets: Uint8Array.from(perQuarter(({ bucket }) => bucket)), energyBucketCount: 3, demandBuckets: Uint8Array.from(perQuarter(({ demand }) => demand)), demandBucketCount: 2, demandQuarters, splits: [], moments: [], dayStarts },
        quarters: Float64Array.from(perQuarter(({ net, known }, k) => (known === missing ? 0 : net + k * 1_000))),
        quality,
        coveredBefore: 0,
      };
      const { digest, ...found } = addUp(drawn.plan, drawn.quarters, drawn.quality);
      expect(found).toEqual(oracle(drawn));
      expect(digest).toBe(digestOracle(drawn));
    }),
    { numRuns: 20 },
  );
});

it('says the same of many meters in a piece of memory', () => {
  fc.assert(
    fc.property(fc.array(fc.option(anyCase, { nil: null }), { maxLength: 6 }), (cases) => {
      const plans = cases.map((drawn) => drawn?.plan ?? EMPTY_PLAN);
      const rows = plans.map(determinantsRow);
      const numbers = new Float64Array(rows.reduce((sum, { width }, i) => (cases[i] === null ? sum : sum + width), 0));
      let at = 0;
      cases.forEach((drawn, i) => {
        if (drawn === null) return;
        addUpInto(drawn.plan, rows[i], drawn.quarters, drawn.quality, drawn.coveredBefore, numbers, at);
        at += rows[i].width;
      });
      const packed = { known: Uint8Array.from(cases, (drawn) => (drawn === null ? 0 : 1)), rows: new Uint8Array(numbers.buffer) };
      expect(unpackDeterminants(packed, Uint8Array.from(cases.keys()), plans)).toEqual(cases.map((drawn) => (drawn === null ? null : addUp(drawn.plan, drawn.quarters, drawn.quality, drawn.coveredBefore))));
    }),
    { numRuns: 300 },
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
