import fc from 'fast-check';
import { expect, it } from 'vitest';
import { makeBill, NOTHING_CARRIED, type RatedBill, type StretchInput } from '../../src/actors/tariffs/bill-rating.ts';
import { tariffPlan } from '../../src/actors/tariffs/metering-plan.ts';
import { tariffSchema, type TariffDocument } from '../../src/actors/tariffs/tariff-document.ts';
import type { Bill, InvoiceLine } from '../../src/model/billing.ts';
import { AMOUNT_DIGITS, decimalText, parseDecimal, PRICE_DIGITS, roundTo } from '../../src/model/decimal.ts';
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
  exportScope: 'period' | 'total';
  method: 'netBilling' | 'netMetering' | 'netMeteringMoney';
  carryOver: boolean;
  creditPeriods: 'apart' | 'together';
  yearEndEnergy: 'credits' | 'netOfMonths' | 'netOfYear';
  creditPays: 'bill' | 'charges' | 'energy';
  creditFrom: 'thisBill' | 'nextBill';
  yearEndCredit: 'paid' | 'lapses' | 'kept';
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
  exportScope: fc.constantFrom('period', 'total'),
  method: fc.constantFrom('netBilling', 'netMetering', 'netMeteringMoney'),
  carryOver: fc.boolean(),
  creditPeriods: fc.constantFrom('apart', 'together'),
  yearEndEnergy: fc.constantFrom('credits', 'netOfMonths', 'netOfYear'),
  creditPays: fc.constantFrom('bill', 'charges', 'energy'),
  creditFrom: fc.constantFrom('thisBill', 'nextBill'),
  yearEndCredit: fc.constantFrom('paid', 'lapses', 'kept'),
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
  const { method, carryOver, creditPeriods, yearEndEnergy, creditPays, creditFrom, yearEndCredit } = spec;
  const inKwh = method === 'netMetering' ? { creditPeriods, yearEndEnergy } : {};
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
      { kind: 'export', name: 'Export', schedule: 'tou', tierScope: spec.exportScope, rates: PERIODS.map((period, p) => ({ period, tiers: tiersOf({ ...spec, premiums: spec.exportPrices }, p) })) },
      ...more,
    ],
    metering: { method, carryOver, yearEndMonth, yearEndPrice: '0.05', creditPays, creditFrom, yearEndCredit, ...inKwh },
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

/** What is to be charged of each period, and what is left over, when what months before left over in kWh is `bank`: of each period, or in its first place where it is for all. */
function naiveNet({ method, creditPeriods }: TariffSpec, { imported, exported }: { imported: readonly bigint[]; exported: readonly bigint[] }, bank: readonly bigint[] = [0n, 0n, 0n]): { use: bigint[]; left: bigint[] } {
  if (method === 'netBilling') return { use: [...imported], left: [...exported] };
  const use = imported.map((value, p) => (value > exported[p] ? value - exported[p] : 0n));
  const over = imported.map((value, p) => (value < exported[p] ? exported[p] - value : 0n));
  const left = method !== 'netMetering' ? over : creditPeriods === 'together' ? [sum(over) + sum(bank), 0n, 0n] : [...bank];
  if (method !== 'netMetering') return { use, left };
  for (const p of [0, 1, 2]) {
    const from = creditPeriods === 'together' ? 0 : p;
    const taken = use[p] < left[from] ? use[p] : left[from];
    use[p] -= taken;
    left[from] -= taken;
    if (creditPeriods === 'apart') left[p] += over[p];
  }
  return { use, left };
}

/** What `use` costs in each period as a fraction: numerator of 14 places over `per`. */
function naiveCost(spec: Pick<TariffSpec, 'scope' | 'tiers' | 'premiums'>, use: readonly bigint[]): { numerator: bigint; per: bigint } {
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
      const { use, left } = naiveNet(spec, { imported, exported });
      const isNaive = (lines: readonly InvoiceLine[], terms: Parameters<typeof naiveCost>[0], energyOf: readonly bigint[]): void => {
        const { numerator, per } = naiveCost(terms, energyOf);
        const difference = exactOf(lines) * per - numerator;
        // Tiers shared by periods are rounded to the millionth of a kWh at each end, which shifts so much of it between two prices at most.
        const allowed = terms.scope === 'period' ? 0n : 3n * BigInt(spec.tiers.ends.length) * 2n * 100_000_000n * per;
        expect((difference < 0n ? -difference : difference) <= allowed).toBe(true);
      };
      isNaive(linesOf(bill, 'energy'), spec, use);
      expect(quantityOf(linesOf(bill, 'energy'))).toBe(sum(use));
      if (spec.method !== 'netMetering') isNaive(linesOf(bill, 'export').map((line) => ({ ...line, unitPrice: line.unitPrice.replace('-', '') })), { ...spec, scope: spec.exportScope, premiums: spec.exportPrices }, left);
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
      const document = documentOf({ ...spec, yearEndEnergy: 'credits' }, { digits: 2, yearEndMonth: null });
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

/** A month of a year that may end with it. */
const anyMonths = fc.array(fc.record({ energy: anyEnergy, settles: fc.boolean() }), { minLength: 1, maxLength: 4 });

it('carries kWh from month to month as a naive account of them does, and settles what its year says', () => {
  fc.assert(
    fc.property(anyTariff, anyMonths, (spec, months) => {
      const metered: TariffSpec = { ...spec, method: 'netMetering' };
      let carried = NOTHING_CARRIED;
      let bank = [0n, 0n, 0n];
      let surplus = 0n;
      for (const { energy, settles } of months) {
        const rated = billOf([stretchOf(documentOf(metered, { more: [], yearEndMonth: settles ? 6 : 12 }), energy)], carried);
        carried = rated.carried;
        const { imported, exported } = walk(metered, energy);
        const { use, left } = naiveNet(metered, { imported, exported }, bank);
        bank = left;
        surplus += sum(exported) - sum(imported);
        if (spec.yearEndEnergy === 'netOfMonths' && surplus < 0n) surplus = 0n;
        const settled = spec.yearEndEnergy === 'credits' ? sum(bank) : surplus > 0n ? surplus : 0n;
        PERIODS.forEach((period, p) => expect(quantityOf(linesOf(rated.bill, 'energy').filter((line) => line.period === period))).toBe(use[p]));
        if (settles || !spec.carryOver) {
          expect(quantityOf(linesOf(rated.bill, 'export'))).toBe(settled);
          bank = [0n, 0n, 0n];
          surplus = 0n;
        } else {
          expect(linesOf(rated.bill, 'export')).toEqual([]);
        }
        const keys = spec.creditPeriods === 'together' ? ['tou/*'] : PERIODS.map((period) => `tou/${period}`);
        expect(carried.creditKwh).toEqual(Object.fromEntries(keys.flatMap((key, p) => (bank[p] > 0n ? [[key, kwhText(bank[p])]] : []))));
        expect(micro(carried.surplusKwh ?? kwhText(sum(bank)))).toBe(spec.yearEndEnergy === 'credits' ? sum(bank) : surplus);
        // What credits were taken off, where a bill says it.
        if (spec.creditPeriods === 'together') expect(quantityOf(linesOf(rated.bill, 'carriedOver').filter(({ unit }) => unit === 'kWh'))).toBe(sum(imported.map((value, p) => (value > exported[p] ? value - exported[p] : 0n))) - sum(use));
      }
    }),
  );
});

it('keeps money from month to month as a naive ledger does, pays with it what it may pay, and takes minimums and taxes of what is left', () => {
  fc.assert(
    fc.property(anyTariff, anyMonths, (spec, months) => {
      let carried = NOTHING_CARRIED;
      let owed = 0n;
      const positive = (value: bigint): bigint => (value > 0n ? value : 0n);
      for (const { energy, settles } of months) {
        const { bill, carried: after } = billOf([stretchOf(documentOf(spec, { yearEndMonth: settles ? 6 : 12 }), energy)], carried);
        carried = after;
        const amounts = (lines: readonly InvoiceLine[]): bigint => sum(lines.map((line) => amount(line.amount)));
        const charges = amounts(bill.lines.filter(({ kind }) => kind !== 'carriedOver'));
        const earned = -amounts(linesOf(bill, 'export'));
        const lapses = settles && spec.yearEndCredit === 'lapses';
        const endPays = settles && spec.yearEndCredit === 'paid';
        let total: bigint;
        if (spec.creditPays === 'bill') {
          const later = spec.carryOver && spec.creditFrom === 'nextBill' && !endPays ? positive(earned) : 0n;
          const used = endPays ? owed : min(owed, positive(charges + later));
          total = charges + later - used;
          owed += later - used;
        } else {
          const later = spec.creditFrom === 'nextBill' ? positive(earned) : 0n;
          const due = amounts(linesOf(bill, ...(spec.creditPays === 'energy' ? (['energy', 'adder'] as const) : (['energy', 'adder', 'fixed', 'demand'] as const)))) - (earned - later);
          const used = min(owed, positive(due));
          const over = positive(-due);
          total = charges - used + over + later;
          owed += over + later - used;
          const before = (kind: InvoiceLine['kind']): InvoiceLine[] => bill.lines.slice(0, bill.lines.findIndex((line) => line.kind === kind));
          const ofMinimum = bill.lines.some(({ kind }) => kind === 'minimum') ? amounts(before('minimum')) + amounts(linesOf(bill, 'minimum')) : null;
          const minimum = spec.more.find((charge) => (charge as { kind: string }).kind === 'minimum') as { price: string; per: string } | undefined;
          const step = 10n ** BigInt(AMOUNT_DIGITS - spec.digits);
          if (minimum?.per === 'month' && ofMinimum !== null && amounts(before('minimum')) >= 0n) expect(ofMinimum).toBe(roundTo(amount(minimum.price), step, spec.mode));
          if (bill.lines.some(({ kind }) => kind === 'tax')) expect(micro(linesOf(bill, 'tax')[0].quantity) * 100_000_000n).toBe(amounts(before('tax')));
          if (endPays || !spec.carryOver) {
            total -= owed;
            owed = 0n;
          }
        }
        if (lapses) owed = 0n;
        if (spec.carryOver && !endPays && total < 0n) {
          if (!lapses) owed -= total;
          total = 0n;
        }
        expect(amount(bill.total)).toBe(total);
        expect(amount(carried.creditAmount)).toBe(owed);
      }
    }),
  );
});

it('is the same when a period is two with the same prices, where credits in kWh are for all', () => {
  fc.assert(
    fc.property(anyTariff, fc.array(anyEnergy, { minLength: 1, maxLength: 3 }), (spec, energies) => {
      // All periods cost the same: what one has left over is used up within it, and only the rest by the first of the others.
      const one: TariffSpec = { ...spec, scope: 'total', method: 'netMetering', creditPeriods: 'together', premiums: PERIODS.map(() => spec.premiums[0]), hours: spec.hours.map((hours) => hours.map((p) => (p === 2 ? 1 : p))) as [number[], number[]] };
      const cost = (each: TariffSpec) => {
        let carried = NOTHING_CARRIED;
        let [exact, quantity] = [0n, 0n];
        for (const energy of energies) {
          const rated = billOf([stretchOf(documentOf(each, { more: [], yearEndMonth: null }), energy)], carried);
          carried = rated.carried;
          exact += exactOf(linesOf(rated.bill, 'energy', 'export'));
          quantity += quantityOf(linesOf(rated.bill, 'energy'));
        }
        return { exact, quantity, carried };
      };
      const [a, b] = [one, { ...one, hours: spec.hours }].map(cost);
      const difference = a.exact - b.exact;
      expect(difference < 0n ? -difference : difference).toBeLessThanOrEqual(BigInt(energies.length) * 4n * BigInt(1 + spec.tiers.ends.length) * 200_000_000n);
      expect(a.quantity).toBe(b.quantity);
      expect(a.carried.creditKwh).toEqual(b.carried.creditKwh);
    }),
  );
});

it('owes and keeps the same in all, cut in two, where no peak, tier, minimum or end of a year is in it', () => {
  fc.assert(
    fc.property(anyTariff, anyEnergy, fc.integer({ min: 1, max: MONTH_DAYS - 1 }), money, (spec, energy, cut, fixed) => {
      const flat: TariffSpec = { ...spec, method: 'netBilling', digits: 6, carryOver: true, tiers: { ends: [], prices: spec.tiers.prices.slice(0, 1) } };
      const document = documentOf(flat, { more: [{ kind: 'fixed', name: 'Fixed', price: fixed, per: 'month' }], yearEndMonth: null });
      const carried = { ...NOTHING_CARRIED, creditAmount: '7' };
      const net = ({ bill, carried: after }: RatedBill): bigint => amount(bill.total) - amount(after.creditAmount);
      const [whole, parts] = [[stretchOf(document, energy)], [stretchOf(document, energy, 0, cut), stretchOf(document, energy, cut)]].map((stretches) => billOf(stretches, carried));
      const difference = net(whole) - net(parts);
      // Each line is rounded for itself.
      expect(difference < 0n ? -difference : difference).toBeLessThanOrEqual(BigInt(whole.bill.lines.length + parts.bill.lines.length) * 10n ** BigInt(AMOUNT_DIGITS - 6));
    }),
  );
});

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function kwhText(microKwh: bigint): string {
  return decimalText(microKwh, 6);
}
