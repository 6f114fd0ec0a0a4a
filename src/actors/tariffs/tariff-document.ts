import { z } from 'zod';
import { ROUNDING_MODES, PRICE_DIGITS } from '../../model/decimal.ts';
import { FAULT_LINE, FAULT_LINES, LINES, NOT_BLANK, ONE_LINE } from '../../model/plain-text.ts';

/**
 * A tariff as a document (JSON): when each price holds, what is charged for, and how money is rounded. Unknown keys are refused and every fault is named with its path. What needs more than one field
 * to judge, as that every minute has one price, is in tariff-check.ts. Prices are decimal numbers as text ("0.2735"), in the tariff's currency, before tax.
 */

const NAME_MAX = 64;
const name = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, 'expected 1–64 of A–Z a–z 0–9 . _ -');
const text = z.string().max(200).regex(NOT_BLANK, 'expected a text').regex(ONE_LINE, FAULT_LINE);
/** Of regions or meters: `*` stands for any run of characters. */
const pattern = z.string().regex(/^[A-Za-z0-9._:*-]{1,64}$/, 'expected a name, where * may stand for any characters');
const PATTERNS_MAX = 100;
const patterns = z.array(pattern).max(PATTERNS_MAX).default([]);

/** One pattern each, so that the API's document says it. */
const decimal = (sign: string, fault: string) => (digits: number, places = PRICE_DIGITS) => z.string().regex(new RegExp(`^${sign}\\d{1,${digits}}(\\.\\d{1,${places}})?$`), `expected ${fault} as text, such as "0.2735", with ${digits} digits before the point and ${places} after it at most`);
const anyDecimal = decimal('-?', 'a decimal number');
const notNegative = decimal('', '0 or more, a decimal number');
const price = anyDecimal(9);
const priceFromZero = notNegative(9);
const quantity = notNegative(12, 6);
const percent = anyDecimal(5, 4);
const percentFromZero = notNegative(5, 4);

const localDate = z.iso.date('expected a date such as 2026-07-01');
const monthDay = z.string().regex(/^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/, 'expected a day of the year such as 12-01');
/** Minutes of local time; 24:00 is the end of a day. */
const timeOfDay = z.string().regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, 'expected a time of day such as 07:30, or 24:00');

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
/** `weekday` is Monday to Friday, `weekend` the rest, of days that are no holiday; a holiday is a `holiday` and nothing else. */
export const DAY_KINDS = [...WEEKDAYS, 'weekday', 'weekend', 'holiday'] as const;

const season = z.strictObject({
  name,
  /** First and last day, both included; `to` before `from` goes over the turn of the year. */
  from: monthDay,
  to: monthDay,
});

const span = z.strictObject({ from: timeOfDay, to: timeOfDay, period: name });

const scheduleRule = z.strictObject({
  /** Empty: all. */
  seasons: z.array(name).max(24).default([]),
  days: z.array(z.enum(DAY_KINDS)).min(1).max(DAY_KINDS.length),
  spans: z.array(span).min(1).max(96),
});

/** When each period is. Of every day in every season each minute has to be in exactly one span. */
const schedule = z.strictObject({
  name,
  periods: z.array(z.strictObject({ name, title: text.optional() })).min(1).max(64),
  rules: z.array(scheduleRule).min(1).max(400),
});

export const TIER_UNITS = ['kWh', 'kWh/day', 'kWh/kW', 'kWh/kW/day'] as const;

/** Tiers follow each other; only the last has no end. Ends in kWh and by the kW may be mixed: one that comes out below the one before it makes a tier with nothing in it. */
const energyTier = z.strictObject({
  /** End of the tier in the month: kWh; kWh for each day of it; kWh for each kW of the highest demand of the month (as demand charges of measure `max` count it, where there are some); both. */
  upTo: z.strictObject({ value: quantity, unit: z.enum(TIER_UNITS) }).nullable().default(null),
  /** For each kWh. */
  price,
});

const ofPeriod = <Tier extends z.ZodType>(tier: Tier) => z.strictObject({ period: name, tiers: z.array(tier).min(1).max(20) });

const months = z.array(z.int().min(1).max(12)).min(1).max(12);
const chargeName = text.max(NAME_MAX);

const energyCharge = z.strictObject({
  kind: z.literal('energy'),
  name: chargeName,
  schedule: name,
  rates: z.array(ofPeriod(energyTier)).min(1).max(64),
  /** What a tier's end counts: the use of its period, or of all periods together (then each period's part of a tier is its share of the use, and all periods of a season have the same ends). */
  tierScope: z.enum(['period', 'total']).default('period'),
});

/** Credit for what was given to the grid. */
const exportCredit = z.strictObject({
  kind: z.literal('export'),
  name: chargeName,
  schedule: name,
  /** Prices paid to the customer, as positive numbers. */
  rates: z.array(ofPeriod(energyTier)).min(1).max(64),
  /** As of what is used. */
  tierScope: z.enum(['period', 'total']).default('period'),
});

const fixedCharge = z.strictObject({
  kind: z.literal('fixed'),
  name: chargeName,
  price,
  /** `month` and `year` count by their days where a bill has only some of them. */
  per: z.enum(['day', 'month', 'year']),
});

/** Where what `covers` comes to is less, the difference is charged. */
const minimumCharge = z.strictObject({
  kind: z.literal('minimum'),
  name: chargeName,
  price: priceFromZero,
  per: z.enum(['month', 'year']),
  /** Names of charges; empty: all but taxes. */
  covers: z.array(chargeName).max(40).default([]),
});

const ratchet = z.strictObject({
  percent: percentFromZero,
  lookbackMonths: z.int().min(1).max(12),
  /** Months whose demand is looked back at. */
  ofMonths: months.default([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
});

const demandCharge = z.strictObject({
  kind: z.literal('demand'),
  name: chargeName,
  /** `max`: the highest of the month. `periods`: the highest within each period of the schedule. `coincident`: at the quarter-hour in which the meter's region had its highest load of the month. */
  measure: z.enum(['max', 'periods', 'coincident']),
  /** Of `periods` alone. */
  schedule: name.optional(),
  /** By period where measure is `periods`; otherwise one entry, whose period is `*`. */
  rates: z
    .array(
      z.strictObject({
        period: z.union([z.literal('*'), name]),
        tiers: z.array(z.strictObject({ upToKw: quantity.nullable().default(null), price })).min(1).max(20),
      }),
    )
    .min(1)
    .max(64),
  /** Months in which it is charged. */
  months: months.default([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
  /** In these months only this share of what was measured counts, as where a winter's demand is billed as part of a summer's. */
  measuredShare: z.strictObject({ percent: percentFromZero, months }).nullable().default(null),
  /** At least this share of the highest of so many months before counts (of several the most), and at least so many kW. */
  ratchet: z.union([ratchet, z.array(ratchet).min(1).max(12)]).nullable().default(null),
  minimumKw: quantity.default('0'),
});

/** On top of all energy. */
const adder = z.strictObject({ kind: z.literal('adder'), name: chargeName, price, months: months.default([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) });

/** A share of other charges: a surcharge, or with a negative number a discount. */
const surcharge = z.strictObject({ kind: z.literal('surcharge'), name: chargeName, percent, of: z.array(chargeName).min(1).max(40) });

/** An amount off. It never makes more than what it is taken from, except where `refundable`. */
const rebate = z.strictObject({ kind: z.literal('rebate'), name: chargeName, amount: priceFromZero, per: z.enum(['day', 'month', 'kWh']), refundable: z.boolean().default(false) });

const tax = z.strictObject({
  kind: z.literal('tax'),
  name: chargeName,
  percent: percentFromZero,
  /** Empty: everything but taxes. */
  of: z.array(chargeName).max(40).default([]),
});

export const chargeSchema = z.discriminatedUnion('kind', [energyCharge, exportCredit, fixedCharge, minimumCharge, demandCharge, adder, surcharge, rebate, tax]);

const metering = z
  .strictObject({
    /**
     * `netBilling`: each quarter-hour's import is charged and its export credited. `netMetering`: of a month and period what was exported is taken off what was imported; what is left over is a credit in kWh.
     * `netMeteringMoney`: the same, and what is left over is credited at its period's price.
     * Where all that is made is sold and all that is used is bought, what is made has a meter and an agreement of its own under the same tariff: `netBilling`, whose credits nothing is taken off.
     */
    method: z.enum(['netBilling', 'netMetering', 'netMeteringMoney']).default('netBilling'),
    /** What becomes of a credit at a month's end: paid with the bill, or kept for the next. */
    carryOver: z.boolean().default(true),
    /** Credits in kWh are taken off the use of their own period, or (`together`) off that of any, of the same month too: first off the period that the schedule names first. */
    creditPeriods: z.enum(['apart', 'together']).default('apart'),
    /** Month of the year after whose end credits in kWh are settled at `yearEndPrice`, those in money as `yearEndCredit` says, and begin anew; null: they last. */
    yearEndMonth: z.int().min(1).max(12).nullable().default(12),
    yearEndPrice: priceFromZero.default('0'),
    /**
     * How many kWh are settled: the `credits` that are left; or the net surplus, what was given beyond what was used in all periods together. `netOfMonths`: a month that used more takes from what those
     * before it left over, as far as that goes. `netOfYear`: the year as a whole.
     */
    yearEndEnergy: z.enum(['credits', 'netOfMonths', 'netOfYear']).default('credits'),
    /**
     * What credits in money pay for: the whole `bill`, taxes and all; or only `energy` (with adders) or all `charges` (these, fixed ones and demand). Then they are used before surcharges, rebates, minimums and
     * taxes, which are of what is left to pay, and what is paid out of them comes last.
     */
    creditPays: z.enum(['bill', 'charges', 'energy']).default('bill'),
    /** A credit in money counts from the bill on that it comes of, or from the next one on. */
    creditFrom: z.enum(['thisBill', 'nextBill']).default('thisBill'),
    /** What becomes of credits in money when the year ends: they are paid out, lapse or go on. */
    yearEndCredit: z.enum(['paid', 'lapses', 'kept']).default('paid'),
  })
  .prefault({});

const rounding = z
  .strictObject({
    /** Decimal places of each line. */
    digits: z.int().min(0).max(6).default(2),
    mode: z.enum(ROUNDING_MODES).default('halfUp'),
    /** The total is a multiple of it: "0.05" where there are no smaller coins. null: the sum of the lines as it is. */
    totalStep: priceFromZero.nullable().default(null),
  })
  .prefault({});

export const tariffSchema = z.strictObject({
  format: z.literal('seg-tariff/1'),
  id: name,
  name: text,
  description: z.string().max(2_000).regex(LINES, FAULT_LINES).default(''),
  /** ISO 4217. */
  currency: z.string().regex(/^[A-Z]{3}$/, 'expected a currency such as AUD'),
  /** IANA name of the time zone whose days, months and times of day count. */
  zone: z.string().refine(isZone, 'expected a time zone such as Europe/Zurich'),
  /** From the beginning of this day in the zone … */
  effectiveFrom: localDate,
  /** … to the beginning of this one; null: until a newer one takes its place. */
  effectiveTo: localDate.nullable().default(null),
  /** Whose it is when nothing else is agreed: what has to match all of these. Empty lists match all; without `appliesTo` only who has agreed to it has it. Of several the one with the highest priority counts. */
  appliesTo: z.strictObject({ regions: patterns, customerClasses: z.array(name).max(PATTERNS_MAX).default([]), meters: patterns, priority: z.int().min(0).max(1_000).default(0) }).nullable().default(null),
  /** They cover every day of the year once. None: the year is one season, `all`. */
  seasons: z.array(season).max(24).default([]),
  /** Public holidays of all years that the tariff holds in. */
  holidays: z.array(z.strictObject({ date: localDate, name: text })).max(2_000).default([]),
  schedules: z.array(schedule).max(8).default([]),
  charges: z.array(chargeSchema).min(1).max(40),
  metering,
  /** Minutes of a demand interval. */
  demandMinutes: z.union([z.literal(15), z.literal(30), z.literal(60)]).default(15),
  rounding,
  /** Days after the date of an invoice by which it is to be paid. */
  dueDays: z.int().min(0).max(365).default(21),
});

/** With all defaults filled in. */
export type TariffDocument = z.output<typeof tariffSchema>;
export type Charge = TariffDocument['charges'][number];
export type ChargeOf<Kind extends Charge['kind']> = Extract<Charge, { kind: Kind }>;
export type Schedule = TariffDocument['schedules'][number];

/** A fault in a document. */
export interface TariffFault {
  /** As `charges.2.rates.0.tiers`; empty: the document itself. */
  path: string;
  message: string;
}

/** A document that an earlier version of the engine stored, with what it did not know: as that version billed by it. */
export function currentDocument(document: TariffDocument): TariffDocument {
  return tariffSchema.parse(document);
}

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return zone.length <= NAME_MAX;
  } catch {
    return false;
  }
}
