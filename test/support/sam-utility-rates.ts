import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { demandOf, makeBill, NOTHING_CARRIED, type CarriedOver, type MonthDemand, type RatedBill } from '../../src/actors/tariffs/bill-rating.ts';
import { tariffPlan } from '../../src/actors/tariffs/metering-plan.ts';
import { checkTariff } from '../../src/actors/tariffs/tariff-check.ts';
import type { TariffDocument, TariffFault } from '../../src/actors/tariffs/tariff-document.ts';
import type { TariffPlan } from '../../src/actors/tariffs/tariff-plan.ts';
import { addUp, QUARTER_QUALITY } from '../../src/model/determinants.ts';
import { REPOSITORY } from './engine-process.ts';

/** Rates, loads and generation of the tests of NREL's utility rate calculator (utilityrate5), as tariffs and energy of ours. */

export const SAM_DATA = resolve(REPOSITORY, '../shared/data/tariff_sam_utilityrate5');
/** Its calendar: 365 days, the first of January a Monday, no clock change. */
const YEAR = 2018;
const ZONE = 'Etc/UTC';
const QUARTERS_OF_YEAR = 365 * 96;
const FIRST_QUARTER = Date.UTC(YEAR, 0, 1) / 900_000;
/** What it takes for no end. */
const NO_END = 1e37;

type Schedule = number[][];

export interface SamInputs {
  ur_ec_sched_weekday: Schedule;
  ur_ec_sched_weekend: Schedule;
  /** Period, tier, end, unit, price, price of export. */
  ur_ec_tou_mat: number[][];
  ur_metering_option: number;
  ur_nm_yearend_sell_rate: number;
  /** From 0; 11 when not given. */
  ur_nm_credit_month?: number;
  ur_nm_credit_rollover?: number;
  ur_nb_credit_expire?: number;
  ur_nb_apply_credit_current_month?: number;
  ur_monthly_fixed_charge: number;
  ur_monthly_min_charge: number;
  ur_annual_min_charge: number;
  ur_dc_enable: number;
  ur_dc_sched_weekday?: Schedule;
  ur_dc_sched_weekend?: Schedule;
  ur_dc_tou_mat?: number[][];
  ur_enable_billing_demand?: number;
  ur_billing_demand_minimum?: number;
}

/** Prices rise by its inflation rate from year to year. */
const INFLATION = 1.025;
const UNITS = ['kWh', 'kWh/kW', 'kWh/day', 'kWh/kW/day'] as const;

export function samInputs(): Record<string, { inputs: SamInputs; expected: { output?: string; expected?: number; tolerance?: number; raw?: string }[]; files: Record<'load' | 'gen', { path: string }> }> {
  return JSON.parse(readFileSync(join(SAM_DATA, 'vectors.json'), 'utf8'));
}

/** Of a price of the first year the year's, as a document has it. */
export type PriceOf = (value: number) => string;
/** Makes of the document what cannot be read off the inputs. */
export type TariffChange = (document: Record<string, unknown>, priceOf: PriceOf) => void;

/** The tariff of a year. */
export function samTariff(inputs: SamInputs, year: number, change: TariffChange = () => {}): TariffDocument {
  const scale = INFLATION ** (year - 1);
  const price: PriceOf = (value) => decimal(value * scale);
  const method = (['netMetering', 'netMeteringMoney', 'netBilling', 'netBilling', 'netBilling'] as const)[inputs.ur_metering_option];
  const sells = inputs.ur_ec_tou_mat.some((row) => row[5] > 0);
  const used = new Set([...inputs.ur_ec_sched_weekday, ...inputs.ur_ec_sched_weekend].flat());
  const periods = [...new Set(inputs.ur_ec_tou_mat.map(([period]) => period))].filter((period) => used.has(period));
  const rates = (column: number) =>
    periods.map((period) => ({
      period: `p${period}`,
      tiers: inputs.ur_ec_tou_mat.filter((row) => row[0] === period).map((row) => ({ upTo: row[2] > NO_END ? null : { value: decimal(row[2]), unit: UNITS[row[3]] }, price: price(row[column]) })),
    }));
  const charges: unknown[] = [{ kind: 'energy', name: 'Energy', schedule: 'energy', tierScope: 'total', rates: rates(4) }];
  if (sells || method === 'netMeteringMoney') charges.push({ kind: 'export', name: 'Export', schedule: 'energy', rates: rates(5) });
  charges.push({ kind: 'fixed', name: 'Fixed', price: price(inputs.ur_monthly_fixed_charge), per: 'month' });
  const schedules = [scheduleOf('energy', inputs.ur_ec_sched_weekday, inputs.ur_ec_sched_weekend)];
  if (inputs.ur_dc_enable === 1) {
    schedules.push(scheduleOf('demand', inputs.ur_dc_sched_weekday!, inputs.ur_dc_sched_weekend!));
    const demandPeriods = [...new Set(inputs.ur_dc_tou_mat!.map(([period]) => period))];
    charges.push({
      kind: 'demand',
      name: 'Demand',
      measure: 'periods',
      schedule: 'demand',
      rates: demandPeriods.map((period) => ({
        period: `p${period}`,
        tiers: inputs.ur_dc_tou_mat!.filter((row) => row[0] === period).map((row) => ({ upToKw: row[2] > NO_END ? null : decimal(row[2]), price: price(row[3]) })),
      })),
    });
  }
  if (inputs.ur_monthly_min_charge > 0) charges.push({ kind: 'minimum', name: 'Minimum', price: price(inputs.ur_monthly_min_charge), per: 'month' });
  if (inputs.ur_annual_min_charge > 0) charges.push({ kind: 'minimum', name: 'Minimum', price: price(inputs.ur_annual_min_charge), per: 'year' });
  const document: Record<string, unknown> = {
    format: 'seg-tariff/1',
    id: 'sam',
    name: 'SAM',
    currency: 'USD',
    zone: ZONE,
    effectiveFrom: '2000-01-01',
    seasons: MONTHS.map((month) => ({ name: `m${month}`, from: `${two(month)}-01`, to: `${two(month)}-${two(new Date(Date.UTC(2020, month, 0)).getUTCDate())}` })),
    schedules,
    charges,
    metering: {
      method,
      carryOver: inputs.ur_metering_option !== 2 && inputs.ur_metering_option !== 4,
      yearEndMonth: (inputs.ur_nm_credit_month ?? 11) + 1,
      yearEndPrice: price(inputs.ur_nm_yearend_sell_rate),
      // What is left over in kWh it sells as the net of all months; with credits in money it pays for energy alone, and minimums are of what is left.
      yearEndEnergy: method === 'netMetering' ? 'netOfMonths' : 'credits',
      creditPays: 'energy',
      creditFrom: inputs.ur_metering_option === 3 && inputs.ur_nb_apply_credit_current_month !== 1 ? 'nextBill' : 'thisBill',
      yearEndCredit: inputs.ur_nb_credit_expire === 1 ? 'lapses' : inputs.ur_nm_credit_rollover === 1 && inputs.ur_metering_option === 0 ? 'kept' : 'paid',
    },
    // Its bills are not rounded at all: ours are where they are paid.
    rounding: { digits: 6, mode: 'halfEven', totalStep: '0.01' },
  };
  change(document, price);
  const checked = checkTariff(document);
  if (checked.document === null) throw new SamRefusal(checked.faults);
  return checked.document;
}

/** No tariff of ours. */
export class SamRefusal extends Error {
  readonly faults: TariffFault[];

  constructor(faults: TariffFault[]) {
    super(JSON.stringify(faults));
    this.faults = faults;
  }
}

const MONTHS = Array.from({ length: 12 }, (_, index) => index + 1);

function scheduleOf(name: string, weekday: Schedule, weekend: Schedule): unknown {
  const periods = [...new Set([...weekday, ...weekend].flat())].sort((a, b) => a - b);
  const spans = (hours: readonly number[]) => {
    const found: { from: string; to: string; period: string }[] = [];
    for (let from = 0; from < 24; ) {
      let to = from + 1;
      while (to < 24 && hours[to] === hours[from]) to++;
      found.push({ from: `${two(from)}:00`, to: `${two(to)}:00`, period: `p${hours[from]}` });
      from = to;
    }
    return found;
  };
  return {
    name,
    periods: periods.map((period) => ({ name: `p${period}` })),
    rules: MONTHS.flatMap((month) => [
      { seasons: [`m${month}`], days: ['weekday'], spans: spans(weekday[month - 1]) },
      { seasons: [`m${month}`], days: ['weekend', 'holiday'], spans: spans(weekend[month - 1]) },
    ]),
  };
}

/**
 * A year of a file in microKwh by quarter-hour; `year` from 1. Hourly values are the same in each quarter of the hour. A file with a column of row numbers is what the calculator's tests make of it: they take
 * every cell for an hour, and read names and quoted numbers as 0.
 */
export function samEnergy(file: string, year = 1): Float64Array {
  const lines = gunzipSync(readFileSync(join(SAM_DATA, 'csv', `${file}.csv.gz`))).toString('utf8').trim().split('\n');
  const kw = lines.flatMap((line) => line.split(',').map((cell) => (cell.startsWith('"') ? 0 : Number(cell))));
  const perHour = kw.length === QUARTERS_OF_YEAR ? 4 : 1;
  const first = (year - 1) * (QUARTERS_OF_YEAR / 4) * perHour;
  return Float64Array.from({ length: QUARTERS_OF_YEAR }, (_, quarter) => Math.round((kw[first + (perHour === 4 ? quarter : quarter >> 2)] * 1e6) / 4));
}

export function difference(load: Float64Array, generation: Float64Array): Float64Array {
  return load.map((microKwh, quarter) => microKwh - generation[quarter]);
}

export interface SamYear {
  months: RatedBill[];
  carried: CarriedOver;
  demand: MonthDemand[];
}

export const NOTHING_BEFORE: Pick<SamYear, 'carried' | 'demand'> = { carried: NOTHING_CARRIED, demand: [] };

/** The twelve bills of a year, one after another. All years have one calendar: what was before is of the year before it. */
export function samYear(document: TariffDocument, net: Float64Array, before: Pick<SamYear, 'carried' | 'demand'> = NOTHING_BEFORE): SamYear {
  const months: RatedBill[] = [];
  const demand = before.demand.map(({ month, microKw }) => ({ month: `${YEAR - 1}${month.slice(4)}`, microKw }));
  let { carried } = before;
  for (const month of MONTHS) {
    const plan = tariffPlan(document, `${YEAR}-${two(month)}-01`, month === 12 ? `${YEAR + 1}-01-01` : `${YEAR}-${two(month + 1)}-01`);
    const determinants = determinantsOf(plan, net);
    const bill = makeBill({ agreementId: 'a', meterId: 'm', region: null, stretches: [{ tariff: { id: 'sam', version: 1, document }, plan, determinants, pastDemand: demand }], carried, isLast: false });
    demand.push(demandOf({ document }, plan, determinants));
    carried = bill.carried;
    months.push(bill);
  }
  return { months, carried, demand };
}

export function determinantsOf(plan: TariffPlan, net: Float64Array) {
  const first = plan.plan.firstQuarter - FIRST_QUARTER;
  const quarters = net.slice(first, first + plan.plan.energyBuckets.length);
  return addUp(plan.plan, quarters, new Uint8Array(quarters.length).fill(QUARTER_QUALITY.measured));
}

export function total(year: SamYear): number {
  return year.months.reduce((sum, month) => sum + exactTotal(month), 0);
}

/** Of a bill before it is rounded to what can be paid. */
export function exactTotal({ bill }: RatedBill): number {
  return bill.lines.filter(({ kind }) => kind !== 'rounding').reduce((sum, line) => sum + Number(line.amount), 0);
}

function decimal(value: number): string {
  const text = value.toFixed(8);
  return text.replace(/\.?0+$/, '');
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
