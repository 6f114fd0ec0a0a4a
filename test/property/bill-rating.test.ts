import fc from 'fast-check';
import { expect, it } from 'vitest';
import { makeBill, NOTHING_CARRIED, type RatedBill, type StretchInput } from '../../src/actors/tariffs/bill-rating.ts';
import { tariffPlan } from '../../src/actors/tariffs/metering-plan.ts';
import { tariffSchema, type TariffDocument } from '../../src/actors/tariffs/tariff-document.ts';
import type { Bill, InvoiceLine } from '../../src/model/billing.ts';
import { AMOUNT_DIGITS, parseDecimal, PRICE_DIGITS, roundTo } from '../../src/model/decimal.ts';
import { addUp, QUARTER_QUALITY } from '../../src/model/determinants.ts';

/** Bills against a walk through the quarter-hours in exact fractions that knows nothing of buckets, and what must hold for every bill. Days are of UTC, so that the walk needs no calendar. */

const MONTH_DAYS = 30;
const FIRST_QUARTER = Date.UTC(2026, 5, 1) / 900_000;
const PERIODS = ['a', 'b', 'c'] as const;

interface TierSpec {
  ends: { value: string; unit: 'kWh' | 'kWh/day' }[];
  prices: string[];
}

interface TariffSpec {
  /** Period of each hour, on weekdays and at the weekend. */
  hours: [number[], number[]];
  tiers: TierSpec;
  /** What each period adds to the price of every tier. */
  premiums: string[];
  exportPrices: string[];
  scope: 'period' | 'total';
  method: 'netBilling' | 'netMetering' | 'netMeteringMoney';
  carryOver: boolean;
  digits: number;
  mode: 'halfUp' | 'halfEven' | 'down' | 'up';
  more: object[];
  yearEndMonth: number | null;
}

const price = fc.integer({ min: 0, max: 90_000_000 }).map((value) => (value / 1e8).toFixed(8));
const signedPrice = fc.integer({ min: -5_000_000, max: 90_000_000 }).map((value) => (value / 1e8).toFixed(8));
const money = fc.integer({ min: 0, max: 9_999 }).map((value) => (value / 100).toFixed(2));
const hourly = fc.array(fc.nat({ max: 2 }), { minLength: 24, maxLength: 24 });
const tiers: fc.Arbitrary<TierSpec> = fc.nat({ max: 3 }).chain((count) =>
  fc.record({
    ends: fc
      .array(fc.integer({ min: 1, max: 400_000_000 }), { minLength: count, maxLength: count })
      .chain((ends) => fc.constantFrom('kWh' as const, 'kWh/day' as const).map((unit) => [...ends].sort((a, b) => a - b).map((end) => ({ value: (end / (unit === 'kWh' ? 1e6 : 3e7)).toFixed(6), unit })))),
    prices: fc.array(price, { minLength: count + 1, maxLength: count + 1 }),
  }),
);
const moreCharges: fc.Arbitrary<object[]> = fc
  .record(
    {
      fixed: fc.record({ kind: fc.constant('fixed'), name: fc.constant('Fixed'), price: money, per: fc.constantFrom('day', 'month', 'year') }),
      adder: fc.record({ kind: fc.constant('adder'), name: fc.constant('Adder'), price: signedPrice }),
      surcharge: fc.record({ kind: fc.constant('surcharge'), name: fc.constant('Surcharge'), percent: fc.constantFrom('12.5', '-3.3333'), of: fc.constantFrom(['Energy'], ['Energy', 'Fixed', 'Adder']) }),
      rebate: fc.record({ kind: fc.constant('rebate'), name: fc.constant('Rebate'), amount: money, per: fc.constantFrom('day', 'month', 'kWh'), refundable: fc.boolean() }),
      minimum: fc.record({ kind: fc.constant('minimum'), name: fc.constant('Minimum'), price: money, per: fc.constantFrom('month', 'year') }),
      tax: fc.record({ kind: fc.constant('tax'), name: fc.constant('Tax'), percent: fc.constantFrom('10', '19', '7.25') }),
    },
    { requiredKeys: [] },
  )
  .map((charges) => Object.values(charges));
const anyTariff: fc.Arbitrary<TariffSpec> = fc.record({
  hours: fc.tuple(hourly, hourly),
  tiers,
  premiums: fc.array(price, { minLength: 3, maxLength: 3 }),
  exportPrices: fc.array(price, { minLength: 3, maxLength: 3 }),
  scope: fc.constantFrom('period', 'total'),
  method: fc.constantFrom('netBilling', 'netMetering', 'netMeteringMoney'),
  carryOver: fc.boolean(),
  digits: fc.constantFrom(0, 2, 3, 6),
  mode: fc.constantFrom('halfUp', 'halfEven', 'down', 'up'),
  more: moreCharges,
  yearEndMonth: fc.constantFrom(6, 12, null),
});
/** Net energy of a day's quarter-hours; days are told apart by a factor, so that a case stays small. */
const anyEnergy = fc
  .record({
    day: fc.array(fc.oneof(fc.integer({ min: 0, max: 1_500_000 }), fc.integer({ min: -1_500_000, max: 1_500_000 }), fc.constant(0)), { minLength: 96, maxLength: 96 }),
    factors: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 3, maxLength: 7 }),
  })
  .map(({ day, factors }) => Float64Array.from({ length: MONTH_DAYS * 96 }, (_, i) => day[i % 96] * factors[Math.floor(i / 96) % factors.length]));

function documentOf(spec: TariffSpec, change: Partial<{ more: object[]; digits: number; yearEndMonth: number | null }> = {}): TariffDocument {
  const { digits, more, yearEndMonth } = { ...spec, ...change };
  const spans = (hours: number[]) => hours.map((period, hour) => ({ from: `${two(hour)}:00`, to: `${two(hour + 1)}:00`, period: PERIODS[period] }));
  return tariffSchema.parse({
    format: 'seg-tariff/1',
    id: 't',
    name: 'Tariff',
    currency: 'EUR',
    zone: 'Etc/UTC',
    effectiveFrom: '2020-01-01',
    schedules: [
      {
        name: 'tou',
        periods: PERIODS.map((name) => ({ name })),
        rules: [
          { days: ['weekday', 'holiday'], spans: spans(spec.hours[0]) },
          { days: ['weekend'], spans: spans(spec.hours[1]) },
        ],
      },
    ],
    charges: [
      { kind: 'energy', name: 'Energy', schedule: 'tou', tierScope: spec.scope, rates: PERIODS.map((period, p) => ({ period, tiers: tiersOf(spec, p) })) },
      { kind: 'export', name: 'Export', schedule: 'tou', rates: PERIODS.map((period, p) => ({ period, tiers: [{ price: spec.exportPrices[p] }] })) },
      ...more,
    ],
    metering: { method: spec.method, carryOver: spec.carryOver, yearEndMonth, yearEndPrice: '0.05' },
    rounding: { digits, mode: spec.mode },
  });
}

function tiersOf({ tiers: { ends, prices }, premiums }: TariffSpec, period: number) {
  return prices.map((base, index) => ({ price: priceText(parseDecimal(base, 8) + parseDecimal(premiums[period], 8)), upTo: ends[index] ?? null }));
}

function stretchOf(document: TariffDocument, energy: Float64Array, fromDay = 0, toDay = MONTH_DAYS): StretchInput {
  const date = (day: number) => new Date(Date.UTC(2026, 5, 1 + day)).toISOString().slice(0, 10);
  const plan = tariffPlan(document, date(fromDay), date(toDay));
  const quarters = energy.slice(fromDay * 96, toDay * 96);
  return { tariff: { id: 't', version: 3, document }, plan, determinants: addUp(plan.plan, quarters, new Uint8Array(quarters.length).fill(QUARTER_QUALITY.measured)), pastDemand: [] };
}

function billOf(stretches: StretchInput[], carried = NOTHING_CARRIED, isLast = false): RatedBill {
  return makeBill({ agreementId: 'a', meterId: 'm', region: 'r', stretches, carried, isLast });
}

const micro = (text: string): bigint => parseDecimal(text, 6);
const amount = (text: string): bigint => parseDecimal(text, AMOUNT_DIGITS);
const sum = (values: readonly bigint[]): bigint => values.reduce((total, value) => total + value, 0n);
const linesOf = (bill: Bill, ...kinds: InvoiceLine['kind'][]): InvoiceLine[] => bill.lines.filter(({ kind }) => kinds.includes(kind));
const quantityOf = (lines: readonly InvoiceLine[]): bigint => sum(lines.map(({ quantity }) => micro(quantity)));
const two = (value: number): string => String(value).padStart(2, '0');
function priceText(value: bigint): string {
  const digits = value.toString().padStart(9, '0');
  return `${digits.slice(0, -8)}.${digits.slice(-8)}`;
}
const exactOf = (lines: readonly InvoiceLine[]): bigint => sum(lines.map(({ quantity, unitPrice }) => micro(quantity) * parseDecimal(unitPrice, PRICE_DIGITS)));

function periodAt({ hours }: TariffSpec, index: number): number {
  const weekday = new Date((FIRST_QUARTER + index) * 900_000).getUTCDay();
  return hours[weekday === 0 || weekday === 6 ? 1 : 0][Math.floor((index % 96) / 4)];
}

/** Import and export by period, quarter by quarter. */
function walk(spec: TariffSpec, energy: Float64Array): { imported: bigint[]; exported: bigint[] } {
  const imported = [0n, 0n, 0n];
  const exported = [0n, 0n, 0n];
  energy.forEach((microKwh, index) => {
    if (microKwh > 0) imported[periodAt(spec, index)] += BigInt(microKwh);
    else exported[periodAt(spec, index)] += BigInt(-microKwh);
  });
  return { imported, exported };
}

/** What `use` costs in each period as a fraction: numerator of 14 places over `per`. */
function naiveCost(spec: TariffSpec, use: readonly bigint[]): { numerator: bigint; per: bigint } {
  const total = sum(use);
  const ends = spec.tiers.ends.map(({ value, unit }) => micro(value) * (unit === 'kWh' ? 1n : BigInt(MONTH_DAYS)));
  const inTier = (quantity: bigint, tier: number): bigint => {
    const from = tier === 0 ? 0n : ends[tier - 1];
    const to = ends[tier] ?? quantity;
    const upTo = quantity < to ? quantity : to;
    return upTo > from ? upTo - from : 0n;
  };
  let numerator = 0n;
  use.forEach((ofPeriod, p) =>
    spec.tiers.prices.forEach((base, tier) => {
      const each = parseDecimal(base, 8) + parseDecimal(spec.premiums[p], 8);
      // Of all periods together, times this one's share of them.
      numerator += each * (spec.scope === 'period' || total === 0n ? inTier(ofPeriod, tier) * (total === 0n ? 1n : total) : inTier(total, tier) * ofPeriod);
    }),
  );
  return { numerator, per: total === 0n ? 1n : total };
}

it('charges energy as a walk through the quarter-hours does', () => {
  fc.assert(
    fc.property(anyTariff, anyEnergy, (spec, energy) => {
      const { bill } = billOf([stretchOf(documentOf(spec), energy)]);
      const { imported, exported } = walk(spec, energy);
      const use = spec.method === 'netBilling' ? imported : imported.map((value, p) => (value > exported[p] ? value - exported[p] : 0n));
      const { numerator, per } = naiveCost(spec, use);
      const difference = exactOf(linesOf(bill, 'energy')) * per - numerator;
      // Tiers shared by periods are rounded to the millionth of a kWh at each end, which shifts so much of it between two prices at most.
      const allowed = spec.scope === 'period' ? 0n : 3n * BigInt(spec.tiers.ends.length) * 2n * 100_000_000n * per;
      expect((difference < 0n ? -difference : difference) <= allowed).toBe(true);
      expect(quantityOf(linesOf(bill, 'energy'))).toBe(sum(use));
      if (spec.method === 'netBilling') expect(quantityOf(linesOf(bill, 'export'))).toBe(sum(exported));
      expect(bill.importKwh === '' ? 0n : micro(bill.importKwh)).toBe(sum(imported));
      expect(micro(bill.exportKwh)).toBe(sum(exported));
      expect(sum(bill.dailyKwh.map(({ importKwh }) => micro(importKwh)))).toBe(sum(imported));
    }),
  );
});

it('is the sum of its lines, and each of them a quantity times a price, rounded', () => {
  fc.assert(
    fc.property(anyTariff, anyEnergy, fc.integer({ min: 1, max: MONTH_DAYS - 1 }), fc.boolean(), (spec, energy, cut, isLast) => {
      const document = documentOf(spec);
      const carried = { creditKwh: { 'tou/a': '12.5' }, creditAmount: '7', yearMinimums: {} };
      const { bill } = billOf([stretchOf(document, energy, 0, cut), stretchOf(document, energy, cut)], carried, isLast);
      const step = 10n ** BigInt(AMOUNT_DIGITS - spec.digits);
      for (const line of bill.lines) {
        const exact = micro(line.quantity) * parseDecimal(line.unitPrice, PRICE_DIGITS);
        expect(amount(line.amount)).toBe(roundTo(line.unit === '%' ? exact / 100n : exact, step, spec.mode));
      }
      expect(bill.lines.map(({ number }) => number)).toEqual(bill.lines.map((_, index) => index + 1));
      expect(amount(bill.total)).toBe(sum(bill.lines.map((line) => amount(line.amount))));
      expect(amount(bill.tax)).toBe(sum(linesOf(bill, 'tax').map((line) => amount(line.amount))));
      expect(amount(bill.net) + amount(bill.tax)).toBe(amount(bill.total));
    }),
  );
});

it('is the same however the energy lies within its period', () => {
  fc.assert(
    fc.property(anyTariff, anyEnergy, fc.array(fc.tuple(fc.nat({ max: MONTH_DAYS * 96 - 1 }), fc.nat({ max: MONTH_DAYS * 96 - 1 })), { maxLength: 50 }), (spec, energy, moves) => {
      const moved = energy.slice();
      for (const [from, to] of moves) {
        if (periodAt(spec, from) !== periodAt(spec, to) || from === to) continue;
        // Both in one interval where they flow the same way, each in the other's where they do not.
        if (moved[from] >= 0 === moved[to] >= 0) [moved[from], moved[to]] = [0, moved[from] + moved[to]];
        else [moved[from], moved[to]] = [moved[to], moved[from]];
      }
      const document = documentOf(spec);
      expect(billOf([stretchOf(document, moved)]).bill.lines).toEqual(billOf([stretchOf(document, energy)]).bill.lines);
    }),
  );
});

it('is the same when a period is two with the same prices', () => {
  fc.assert(
    fc.property(anyTariff, anyEnergy, (spec, energy) => {
      // Period c becomes b, and the other way about: what is left are the places where the tiers' ends are shared out.
      const one: TariffSpec = { ...spec, scope: 'total', method: 'netBilling', premiums: [spec.premiums[0], spec.premiums[1], spec.premiums[1]], hours: spec.hours.map((hours) => hours.map((p) => (p === 2 ? 1 : p))) as [number[], number[]] };
      const split: TariffSpec = { ...one, hours: spec.hours };
      const [a, b] = [one, split].map((each) => linesOf(billOf([stretchOf(documentOf(each, { more: [] }), energy)]).bill, 'energy'));
      const difference = exactOf(a) - exactOf(b);
      expect(difference < 0n ? -difference : difference).toBeLessThanOrEqual(4n * BigInt(1 + spec.tiers.ends.length) * 200_000_000n);
      expect(quantityOf(a)).toBe(quantityOf(b));
    }),
  );
});

it('is the same, cut in two, in all that has no tiers and no peaks', () => {
  fc.assert(
    fc.property(anyTariff, anyEnergy, fc.integer({ min: 1, max: MONTH_DAYS - 1 }), fc.constantFrom('day', 'month', 'year'), money, (spec, energy, cut, per, fixed) => {
      const flat: TariffSpec = { ...spec, method: 'netBilling', tiers: { ends: [], prices: spec.tiers.prices.slice(0, 1) } };
      const document = documentOf(flat, { more: [{ kind: 'fixed', name: 'Fixed', price: fixed, per }] });
      const whole = billOf([stretchOf(document, energy)]).bill;
      const parts = billOf([stretchOf(document, energy, 0, cut), stretchOf(document, energy, cut)]).bill;
      for (const kind of ['energy', 'export', 'fixed'] as const) {
        expect(exactOf(linesOf(parts, kind))).toBe(exactOf(linesOf(whole, kind)));
        expect(quantityOf(linesOf(parts, kind))).toBe(quantityOf(linesOf(whole, kind)));
      }
    }),
  );
});

it('loses no credit: what was given is taken off, settled or carried on, in kWh and in money', () => {
  fc.assert(
    fc.property(anyTariff, fc.array(anyEnergy, { minLength: 1, maxLength: 3 }), fc.boolean(), (spec, energies, ends) => {
      const document = documentOf(spec, { digits: 2, yearEndMonth: null });
      let carried = NOTHING_CARRIED;
      let [charged, settled, net, totals, charges] = [0n, 0n, 0n, 0n, 0n];
      energies.forEach((energy, index) => {
        const rated = billOf([stretchOf(document, energy)], carried, ends && index === energies.length - 1);
        const { bill } = rated;
        carried = rated.carried;
        charged += quantityOf(linesOf(bill, 'energy'));
        settled += quantityOf(linesOf(bill, 'export'));
        net += micro(bill.importKwh) - micro(bill.exportKwh);
        totals += amount(bill.total);
        charges += sum(bill.lines.filter(({ kind }) => kind !== 'carriedOver').map((line) => amount(line.amount)));
        if (spec.carryOver && !(ends && index === energies.length - 1)) expect(amount(bill.total) >= 0n).toBe(true);
      });
      expect(net).toBe(charged - settled - sum(Object.values(carried.creditKwh).map(micro)));
      expect(totals).toBe(charges + amount(carried.creditAmount));
      if (ends) expect(carried).toEqual(NOTHING_CARRIED);
    }),
  );
});
