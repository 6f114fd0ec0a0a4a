import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeBill, NOTHING_CARRIED } from '../../src/actors/tariffs/bill-rating.ts';
import { tariffPlan } from '../../src/actors/tariffs/metering-plan.ts';
import type { TariffDocument } from '../../src/actors/tariffs/tariff-document.ts';
import { REPOSITORY } from '../support/engine-process.ts';
import { suite } from '../support/required-suites.ts';
import { determinantsOf, difference, exactTotal, NOTHING_BEFORE, SAM_DATA, samEnergy, samInputs, SamRefusal, samTariff, samYear, total, type PriceOf, type SamInputs, type SamYear, type TariffChange } from '../support/sam-utility-rates.ts';

/**
 * The 36 test cases of NREL's utility rate calculator (SAM's utilityrate5, test/ssc_test/cmod_utilityrate5_test.cpp at e97a19f8, BSD-3-Clause), with the bills that it gives. The file of vectors has 18 of them;
 * those that it left out differ from one it has in what is written here. An expectation that does not hold is named with its reason, and the reason is worked out.
 *
 * Those tests give a few numbers each, rounded or cut to the places that are there, and many to tenths alone: ours has to be less than one of the last place away. Beside them every month's bill of two years is
 * held to the cent against the ones that the calculator makes of the same inputs (PySAM 7.1.1, which is that calculator; its bills, with four places, are in test/fixtures).
 */

const GENERATION = 'gen_25_year_residential';
const COMMERCIAL_GENERATION = 'gen_25_year_commercial';

interface Expectation {
  output: string;
  expected: number;
  /** Decimal places that are given. */
  places: number;
}

/** Months from 0. */
type MonthlyBills = Record<string, Record<'wo' | 'w', number[][]>>;

interface Difference {
  why: string;
  ours: number;
  /** What the reason makes of our bills: the calculator's. */
  theirs: (bills: SamBills) => number;
}

interface SamCase {
  name: string;
  inputs: SamInputs;
  load: string;
  generation: string;
  expected: Expectation[];
  change?: TariffChange;
  /** By output: where ours is another. */
  differs?: Record<string, Difference>;
  /** Months in which that shows, and those of which nothing is said. */
  skips?: (side: 'wo' | 'w', year: number, month: number) => boolean;
}

const inYear = (name: string, [year, month]: [number, number]) => `${name}.at(${year}, ${month})`;
/** Whole numbers are sums of money to the cent, or counts of kWh. */
const near = (output: string, expected: number, places = String(expected).split('.')[1]?.length ?? 2): Expectation => ({ output, expected, places });

const PAID_TWICE = 'what was paid out at the end of December is not carried into January as well, and paid out once more';
const JANUARY_LEFT_OUT = 'the surplus that goes on from December has what was given and used in January added to it as in any other month';

const CENT = 0.01;
/** Lines are rounded to it. */
const LINE_UNIT = 1e-6;
const MONTHS_OF_YEAR = Array.from({ length: 12 }, (_, month) => month);
const monthlyBills: MonthlyBills = JSON.parse(readFileSync(join(REPOSITORY, 'test/fixtures/sam-utility-bills.json'), 'utf8'));
const vectors = existsSync(SAM_DATA) ? samInputs() : {};

function vector(name: string): SamCase {
  const { inputs, expected, files } = vectors[`Test_${name}`];
  const file = (path: string) => path.slice(path.lastIndexOf('/') + 1).replace('.csv', '');
  return { name, inputs, load: file(files.load.path), generation: file(files.gen.path), expected: expected.flatMap(expectationsOf) };
}

/** Names of the file's script for what its loops and variables stood for. */
function expectationsOf(entry: { output?: string; expected?: number; raw?: string }): Expectation[] {
  if (entry.raw !== undefined) {
    const tier = /EXPECT_NEAR\(([\d.]+), tier_matrix\.at\(\(size_t\)1, (\d)\), /.exec(entry.raw);
    if (tier !== null) return [near(`energy_wo_sys_ec_jul_tp.at(1, ${tier[2]})`, Number(tier[1]))];
    const hour = /EXPECT_NEAR\(hourly_sales\[(\d+)\], (-?[\d.]+), /.exec(entry.raw)!;
    return [near(`hourly_sales[${hour[1]}]`, Number(hour[2]))];
  }
  const output = entry.output!.replace('credit_month + 1', '5').replace('credit_month', '4');
  if (output.endsWith(', i)')) return [1, 2, 3, 4, 5].map((tier) => near(output.replace(', i)', `, ${tier})`), entry.expected!));
  return [near(output, entry.expected!)];
}

function differing(samCase: SamCase, differs: Record<string, Difference>, skips: SamCase['skips']): SamCase {
  return { ...samCase, differs, skips };
}

function variation(name: string, of: string, changed: Partial<SamInputs>, expected: Expectation[], files: Partial<Pick<SamCase, 'load' | 'generation'>> = {}): SamCase {
  const base = vector(of);
  return { ...base, name, inputs: { ...base.inputs, ...changed }, expected, ...files };
}

const plainYear = near('utility_bill_wo_sys_year1', 771.8);
const withSystem = (expected: number, places?: number) => near('utility_bill_w_sys_year1', expected, places);
const sellRates = (rates: readonly number[]): Partial<SamInputs> => ({ ur_ec_tou_mat: rates.map((rate, index) => [index + 1, 1, 1e38, 0, rate, rate]) });
const SELL_AS_BUY = sellRates([0.1, 0.05, 0.2, 0.25]);

/**
 * Georgia Power's blocks: within the first 200 kWh for each kW there are steps in kWh. As tiers of ours, whose ends rise, the last step ends with the block: at 200,000 kWh it never does, as that takes
 * more than 1,000 kW.
 */
function blocks(prices: readonly number[], ends: readonly ({ value: string; unit: string } | null)[], priceOf: PriceOf): unknown[] {
  return prices.map((price, index) => ({ price: priceOf(price), upTo: ends[index] }));
}
const PER_KW = ['200', '400', '600'].map((value) => ({ value, unit: 'kWh/kW' }));

type Charges = Record<string, unknown>[];

function inBlocks(document: Record<string, unknown>, priceOf: PriceOf): void {
  const energy = (document.charges as Charges)[0];
  const tiers = blocks([0.132655, 0.120303, 0.102607, 0.013627, 0.010275, 0.00771], [{ value: '3000', unit: 'kWh' }, { value: '10000', unit: 'kWh' }, ...PER_KW, null], priceOf);
  energy.rates = (energy.rates as { period: string }[]).map(({ period }) => ({ period, tiers }));
  document.charges = (document.charges as Charges).filter(({ kind }) => kind !== 'demand');
}

/** The month's own demand counts from June to September, and 60 % of it in other months; or 95 % of the summer's and 60 % of the winter's highest of the eleven months before; or 100 kW. */
function billingDemand(document: Record<string, unknown>, priceOf: PriceOf): void {
  inBlocks(document, priceOf);
  const summer = [6, 7, 8, 9];
  const winter = [1, 2, 3, 4, 5, 10, 11, 12];
  (document.charges as Charges).push({
    kind: 'demand',
    name: 'Demand',
    measure: 'max',
    rates: [{ period: '*', tiers: [{ price: '0' }] }],
    minimumKw: '100',
    measuredShare: { percent: '60', months: winter },
    ratchet: [{ percent: '95', lookbackMonths: 11, ofMonths: summer }, { percent: '60', lookbackMonths: 11, ofMonths: winter }],
  });
}

const JULY = [near('utility_bill_wo_sys_ym.at(1, 6)', 17755.29), near('billing_demand_wo_sys_ym.at(1, 6)', 709.26), ...julyTiers('wo', [3_000, 7_000, 131_851.63, 141_851.63, 100_466.35])];

function julyTiers(side: 'wo' | 'w', tiers: readonly number[]): Expectation[] {
  return tiers.map((expected, index) => near(`energy_${side}_sys_ec_jul_tp.at(1, ${index + 1})`, expected));
}

function cases(): SamCase[] {
  const carryover = 'Residential_TOU_Rates_net_billing_carryover';
  const metering = 'Residential_TOU_Rates_subhourly_gen';
  const tiered = vector('Residential_TOU_Rates_w_tiers_exception').inputs.ur_ec_tou_mat.map((row) => (row[2] === 13 ? [row[0], row[1], 11.7, ...row.slice(3)] : row));
  const bill = (year: number, month: number) => inYear('utility_bill_w_sys_ym', [year, month]);
  const trueUp = (year: number, month: number) => inYear('true_up_credits_ym', [year, month]);
  const used = (year: number, month: number) => inYear('net_billing_credits_ym', [year, month]);
  const minimum = (month: number) => inYear('charge_w_sys_minimum_ym', [1, month]);
  return [
    vector('Commercial_Demand_Charges'),
    vector('Commercial_Energy_Tiers_net_billing'),
    { ...vector('Commercial_kWh_per_kW_charges_with_billing_demand_percents'), change: billingDemand },
    vector('Residential_TOU_Rates_annual_minimum'),
    {
      // Prices by the hour, all of them 0.
      ...vector('Residential_TOU_Rates_buyall_sellall_ts_buy_rate'),
      inputs: { ...vector('Residential_TOU_Rates_buyall_sellall_ts_buy_rate').inputs, ...sellRates([0, 0, 0, 0]) },
    },
    vector(carryover),
    vector(`${carryover}_april_reset`),
    vector(`${carryover}_inflow_outflow_apply_no_expire`),
    vector(`${carryover}_inflow_outflow_expire_no_apply`),
    vector(`${carryover}_lower_sell_rate`),
    vector('Residential_TOU_Rates_net_billing_subhourly_gen_and_load'),
    vector('Residential_TOU_Rates_net_billing_w_sell_rates'),
    vector('Residential_TOU_Rates_net_billing_w_tiers_buy_rates'),
    differing(
      vector('Residential_TOU_Rates_net_metering_credits_w_sell_rates_and_rollover'),
      { 'utility_bill_w_sys[2]': { why: PAID_TWICE, ours: -17838.97, theirs: (bills) => total(bills.year('w', 2)) + total(bills.year('w', 1)) } },
      (side, year, month) => side === 'w' && year === 2 && month === 11,
    ),
    vector(metering),
    vector('Residential_TOU_Rates_w_36_periods'),
    differing(
      vector('Residential_net_metering_credits_in_may_with_rollover'),
      { 'utility_bill_w_sys[2]': { why: JANUARY_LEFT_OUT, ours: 7.95, theirs: (bills) => total(bills.year('w', 2)) + bills.givenKwh(2, 0) * 0.02789 * 1.025 } },
      // By when it is used up.
      (side, year, month) => side === 'w' && year === 2 && (month === 9 || month === 10),
    ),

    variation('Residential_TOU_Rates', metering, {}, [plainYear, withSystem(-11.9), near(trueUp(1, 11), 75.9)], { generation: GENERATION }),
    variation('Residential_net_metering_credits_in_may', metering, { ur_nm_credit_month: 4 }, [plainYear, withSystem(36.6), near(trueUp(1, 4), 50.28), near(bill(1, 4), -50.28)], { generation: GENERATION }),
    variation('Residential_TOU_Rates_subhourly_gen_and_load', metering, {}, [plainYear, withSystem(-27.94)], { load: 'pvsamv1_residential_load_15min' }),
    variation(
      'Residential_TOU_Rates_net_metering_credits',
      metering,
      { ur_metering_option: 1 },
      [near('utility_bill_w_sys[1]', 0), near('utility_bill_w_sys[2]', 0), near('utility_bill_wo_sys[1]', 771.8), near('utility_bill_wo_sys[2]', 791.1), near(inYear('nm_dollars_applied_ym', [1, 11]), 0)],
      { generation: COMMERCIAL_GENERATION },
    ),
    variation('Residential_TOU_Rates_net_billing', metering, { ur_metering_option: 2 }, [plainYear, withSystem(441.4), near(used(1, 11), 0)]),
    variation('Residential_TOU_Rates_net_billing_subhourly_gen_and_load_w_sell_rates', 'Residential_TOU_Rates_net_billing_subhourly_gen_and_load', SELL_AS_BUY, [plainYear, withSystem(-156.95)]),
    variation(
      `Residential_TOU_Rates_net_billing_carryover_jan_reset`,
      carryover,
      { ur_nm_credit_month: 0 },
      [plainYear, withSystem(19.12), near(bill(2, 0), -175.92), near(used(1, 3), 24.65), near(used(1, 11), 32.21), near(trueUp(2, 0), 175.92)],
      { generation: 'gen_1_yr_residential' },
    ),
    variation(`${carryover}_monthly_min`, carryover, { ur_monthly_min_charge: 10 }, [plainYear, withSystem(-40.02), near(bill(1, 3), 10), near(bill(2, 0), 32.54), near(trueUp(1, 11), 181.77), near(used(2, 0), 0), near(minimum(3), 10)]),
    variation(`${carryover}_annual_min`, carryover, { ur_annual_min_charge: 100 }, [plainYear, withSystem(-81.77), near(bill(1, 3), 0), near(bill(2, 0), 32.54), near(trueUp(1, 11), 181.77), near(used(2, 0), 0), near(minimum(3), 0), near(minimum(11), 68.25)]),
    variation(`${carryover}_inflow_outflow_expire`, carryover, { ur_nb_credit_expire: 1, ur_nb_apply_credit_current_month: 1 }, [plainYear, withSystem(0), near(bill(2, 0), 0), near(trueUp(1, 11), 0), near(used(2, 0), 32.55)]),
    variation('Residential_TOU_Rates_buyall_sellall', metering, { ...SELL_AS_BUY, ur_metering_option: 4 }, [plainYear, withSystem(-157, 1), near(inYear('two_meter_sales_ym', [1, 11]), 45.49)]),
    variation('Residential_TOU_Rates_no_credit', metering, { ur_nm_yearend_sell_rate: 0 }, [plainYear, withSystem(64.03)], { generation: GENERATION }),
    variation('Residential_TOU_Rates_w_tiers', 'Residential_TOU_Rates_w_tiers_exception', { ur_ec_tou_mat: tiered }, [near('utility_bill_wo_sys_year1', 1839.7), withSystem(286.2)]),
    {
      ...variation(
        'Commercial_kWh_per_kW_charges',
        'Commercial_kWh_per_kW_charges_with_billing_demand_percents',
        {},
        [near('utility_bill_wo_sys_ym.at(1, 6)', 16774.68), ...julyTiers('wo', [3_000, 7_000, 121_603.13, 131_603.13, 120_963.36]), ...julyTiers('w', [3_000, 7_000, 121_603.13, 131_603.13, 103_255.44])],
      ),
      change: inBlocks,
    },
    { ...variation('seasonal_per_kw_charge_w_no_demand_charge', 'Commercial_kWh_per_kW_charges_with_billing_demand_percents', {}, JULY), change: billingDemand },
    variation(
      'Residential_TOU_Rates_net_billing_w_tiers',
      'Residential_TOU_Rates_net_billing_w_tiers_buy_rates',
      { ur_ec_tou_mat: [[1, 1, 10, 0, 0.1, 0.1], [1, 2, 16, 0, 0.05, 0.2], [1, 3, 17, 0, 0.2, 0.3], [1, 4, 1e38, 0, 0.25, 0.4]] },
      [near('hourly_sales[9]', 0.1709), near('hourly_sales[12]', 0.3415), near('hourly_sales[15]', 0.4675)],
    ),
  ];
}

/** A case's bills, each worked out when it is asked for. */
class SamBills {
  readonly #case: SamCase;
  readonly #years = new Map<string, SamYear>();

  constructor(samCase: SamCase) {
    this.#case = samCase;
  }

  document(year = 1): TariffDocument {
    return samTariff(this.#case.inputs, year, this.#case.change);
  }

  net(side: 'wo' | 'w', year: number): Float64Array {
    const load = samEnergy(this.#case.load);
    // The load is the same in all years, and so is the generation of a file of one.
    return side === 'wo' ? load : difference(load, samEnergy(this.#case.generation, this.#case.generation.includes('25_year') ? year : 1));
  }

  year(side: 'wo' | 'w', year: number): SamYear {
    const key = `${side}${year}`;
    let bills = this.#years.get(key);
    if (bills === undefined) this.#years.set(key, (bills = this.#bills(side, year)));
    return bills;
  }

  #bills(side: 'wo' | 'w', year: number): SamYear {
    const before = year === 1 ? NOTHING_BEFORE : this.year(side, year - 1);
    if (side === 'wo' || this.#case.inputs.ur_metering_option !== 4) return samYear(this.document(year), this.net(side, year), before);
    // Two meters: one for the load, one for what is made.
    const sold = samYear(this.document(year), samEnergy(this.#case.generation).map((microKwh) => -microKwh), before);
    return { ...sold, months: [...this.year('wo', year).months, ...sold.months] };
  }

  /** Net, by the month's bill. */
  givenKwh(year: number, month: number): number {
    const { importKwh, exportKwh } = this.year('w', year).months[month].bill;
    return Number(exportKwh) - Number(importKwh);
  }

  /** Of both meters, where there are two. */
  monthTotal(side: 'wo' | 'w', year: number, month: number): number {
    return sum(this.year(side, year).months.filter((_, index) => index % 12 === month).map(exactTotal));
  }

  output(name: string): number {
    const place = /\((\d), (\d+)\)|\[(\d+)\]/.exec(name);
    const [first, second] = [Number(place?.[1] ?? place?.[3]), Number(place?.[2])];
    const side = name.includes('wo_sys') ? 'wo' : 'w';
    if (/^utility_bill_(wo|w)_sys_year1$/.test(name)) return total(this.year(side, 1));
    if (/^utility_bill_(wo|w)_sys\[/.test(name)) return total(this.year(side, first));
    if (name.startsWith('utility_bill')) return this.monthTotal(side, first, second);
    if (name.startsWith('hourly_sales')) return this.#saleOfHour(first);
    if (name.startsWith('energy_')) return this.#tier(side, name.includes('_jul_') ? 6 : 3, second);
    if (name.startsWith('billing_demand')) return sumOfLines(this.year(side, first), second, ['demand'], 'quantity');
    if (name.startsWith('charge_w_sys_minimum')) return sumOfLines(this.year(side, first), second, ['minimum']);
    if (name.startsWith('two_meter_sales')) return -sumOfLines(this.year(side, first), 12 + second, ['export']);
    const { used, paid } = name.startsWith('year1_') ? this.#credit(1, first) : this.#credit(first, second);
    return name.includes('true_up') ? paid : used;
  }

  /** What credits in money paid for, and what was paid out of them. */
  #credit(year: number, month: number): { used: number; paid: number } {
    const { ur_metering_option: option, ur_nb_apply_credit_current_month: atOnce, ur_nm_credit_month: yearEnd = 11, ur_nb_credit_expire: lapses, ur_nm_credit_rollover: kept } = this.#case.inputs;
    const bills = this.year('w', year);
    const charges = sumOfLines(bills, month, ['energy', 'fixed', 'demand']);
    const earned = -sumOfLines(bills, month, ['export']);
    if (option === 2) return { used: earned, paid: 0 };
    const before = Number(month === 0 ? (year === 1 ? 0 : this.year('w', year - 1).carried.creditAmount) : bills.months[month - 1].carried.creditAmount);
    const used = Math.min(before + (option === 1 || atOnce === 1 ? earned : 0), charges);
    return { used, paid: month === yearEnd && lapses !== 1 && kept !== 1 ? before + earned - used : 0 };
  }

  #tier(side: 'wo' | 'w', month: number, tier: number): number {
    const { lines } = this.year(side, 1).months[month].bill;
    return lines.filter((line) => line.kind === 'energy' && line.tier === tier).reduce((sum, line) => sum + Number(line.quantity), 0);
  }

  /** The bill of January up to an hour less the one up to the hour before; sales are positive. */
  #saleOfHour(hour: number): number {
    const document = this.document();
    const plan = tariffPlan(document, '2018-01-01', '2018-02-01');
    const net = this.net('w', 1);
    const upTo = (hours: number): number => {
      const determinants = determinantsOf(plan, net.map((microKwh, quarter) => (quarter < hours * 4 ? microKwh : 0)));
      const stretch = { tariff: { id: 'sam', version: 1, document }, plan, determinants, pastDemand: [] };
      const { bill } = makeBill({ agreementId: 'a', meterId: 'm', region: null, stretches: [stretch], carried: NOTHING_CARRIED, isLast: false });
      return sum(bill.lines.filter(({ kind }) => kind !== 'rounding').map((line) => Number(line.amount)));
    };
    return upTo(hour) - upTo(hour + 1);
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((left, right) => left + right, 0);
}

function sumOfLines({ months }: SamYear, month: number, kinds: readonly string[], what: 'amount' | 'quantity' = 'amount'): number {
  return months[month].bill.lines.filter(({ kind }) => kinds.includes(kind)).reduce((sum, line) => sum + Number(line[what]), 0);
}

suite('bills of NREL\'s utility rate calculator', existsSync(SAM_DATA), `It reads ${SAM_DATA}.`, () => {
  for (const samCase of existsSync(SAM_DATA) ? cases() : []) {
    test(`${samCase.name}`, () => {
      const bills = new SamBills(samCase);
      const off: unknown[] = [];
      for (const { output, expected, places } of samCase.expected) {
        const ours = bills.output(output);
        const difference = samCase.differs?.[output];
        if (difference === undefined) {
          if (!isAsGiven(ours, expected, places)) off.push({ output, expected, ours });
          continue;
        }
        const theirs = difference.theirs(bills);
        if (!isAsGiven(ours, difference.ours, 2) || isAsGiven(ours, expected, places) || !isAsGiven(theirs, expected, places)) off.push({ output, expected, ours, theirs, why: difference.why });
      }
      let compared = 0;
      for (const side of ['wo', 'w'] as const) {
        monthlyBills[samCase.name][side].forEach((months, yearIndex) => {
          for (const month of MONTHS_OF_YEAR) {
            if (samCase.skips?.(side, yearIndex + 1, month)) continue;
            const ours = bills.monthTotal(side, yearIndex + 1, month);
            if (Math.abs(ours - months[month]) >= CENT / 2) off.push({ side, year: yearIndex + 1, month, expected: months[month], ours });
            compared++;
          }
        });
      }
      expect(off).toEqual([]);
      expect(compared).toBeGreaterThanOrEqual(12);
    });
  }

  test('Residential_TOU_Rates_w_tiers_exception: tiers of all periods together with ends of their own are refused', () => {
    expect(faultsOf(vector('Residential_TOU_Rates_w_tiers_exception').inputs)).toEqual([{ path: 'charges.0.rates.1.tiers', message: expect.stringMatching(/same ends/) }]);
  });

  test('Residential_TOU_Rates_net_billing_carryover_incorrect_month: the thirteenth month is refused', () => {
    expect(faultsOf({ ...vector('Residential_TOU_Rates_net_billing_carryover').inputs, ur_nm_credit_month: 12 })).toEqual([{ path: 'metering.yearEndMonth', message: expect.any(String) }]);
  });

  test('Commercial_Demand_Charges_exception: that periods have tiers of demand of their own is no fault here, as each has its own peak', () => {
    const base = vector('Commercial_Demand_Charges');
    const inputs = { ...base.inputs, ur_dc_tou_mat: base.inputs.ur_dc_tou_mat!.map((row) => (row[0] === 2 && row[1] === 1 ? [2, 1, 50, 10] : row)) };
    expect(faultsOf(inputs)).toEqual([]);
    // Off the peak, 50 kW of each month cost 5 each in place of 10.
    const [before, after] = [base.inputs, inputs].map((each) => total(new SamBills({ ...base, inputs: each }).year('wo', 1)));
    expect(before - after).toBeCloseTo(12 * 50 * 5, 4);
  });
});

/** Less than one of the last place away: rounded or cut. */
function isAsGiven(ours: number, given: number, places: number): boolean {
  return Math.abs(ours - given) < 10 ** -places + LINE_UNIT;
}

function faultsOf(inputs: SamInputs): unknown {
  try {
    samTariff(inputs, 1);
    return [];
  } catch (error) {
    if (error instanceof SamRefusal) return error.faults;
    throw error;
  }
}
