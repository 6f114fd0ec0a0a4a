import type { Bill, BillPart, InvoiceLine } from '../../model/billing.ts';
import { AMOUNT_DIGITS, millionthsText, parseDecimal, PRICE_DIGITS, roundTo, type Amount } from '../../model/decimal.ts';
import { QUARTER_MS, type Determinants, type IntervalQuality } from '../../model/energy.ts';
import { dayAfter } from './rating/billing-days.ts';
import { settleCredit } from './rating/credit-settlement.ts';
import { highestDemand, isDemand, measuredDemand, ratchetsOf, type MonthDemand } from './rating/demand-charges.ts';
import { amountText, priceText, quantityText, sumOf, type RatedLine } from './rating/rated-line.ts';
import { rateStretch, stretchState, yearMinimumsCarried, type RatedStretch, type RatedTariff, type StretchInput, type StretchState } from './rating/stretch-rating.ts';
import type { TariffPlan } from './tariff-plan.ts';

export type { MonthDemand, RatedTariff, StretchInput };

/**
 * Bills from determinants and tariffs. All of it is pure: the same stretches give the same bill, whenever and wherever it is worked out.
 *
 * A bill is made of stretches: days of one calendar month of the zone under one version of one tariff. A month in which the tariff changes has two of them; an estimate over half a year has at least one
 * for each month. Stretches without a change of tariff between them belong together: cut, each would be rounded and have its peaks for itself.
 */
export interface BillInput {
  agreementId: string;
  meterId: string;
  region: string | null;
  /** In order, without gaps, one at least. Their tariffs have one currency and one zone. */
  stretches: readonly StretchInput[];
  /** What the bill before left; NOTHING_CARRIED when there is none. */
  carried: CarriedOver;
  /** The agreement ends with it: credits are settled, nothing is carried on. */
  isLast: boolean;
}

export interface RatedBill {
  bill: Bill;
  /** For the next bill of the agreement. Another one after a correction means that the bills after it change too. */
  carried: CarriedOver;
}

/** What goes on from bill to bill. Decimal numbers as text. */
export interface CarriedOver {
  /** Credits in kWh, by `schedule/period`. Those that are zero are left out. */
  creditKwh: Record<string, string>;
  /** Net surplus since the last settlement, below 0 where more was used; only of a tariff that settles by it (`yearEndEnergy`), and where it is not what the credits are together. */
  surplusKwh?: string;
  /** What the customer is owed, 0 or more. */
  creditAmount: string;
  /** By name of a yearly minimum: what the charges that it covers came to in the year so far, and what was due of it. */
  yearMinimums: Record<string, { covered: string; due: string }>;
}

export const NOTHING_CARRIED: CarriedOver = { creditKwh: {}, creditAmount: '0', yearMinimums: {} };

/** How many months before a bill's a tariff's ratchets look at; 0: none. */
export function lookbackMonths({ document }: Pick<RatedTariff, 'document'>): number {
  return Math.max(0, ...document.charges.filter(isDemand).flatMap((charge) => ratchetsOf(charge).map((ratchet) => ratchet.lookbackMonths)));
}

/** Whether the plan of a tariff has to ask for the power at the region's peak. */
export function needsRegionPeak({ document }: Pick<RatedTariff, 'document'>): boolean {
  return document.charges.some((charge) => charge.kind === 'demand' && charge.measure === 'coincident');
}

/** What later months look back at. `plan` is of a month, or days of one, under the same tariff. */
export function demandOf({ document }: Pick<RatedTariff, 'document'>, plan: TariffPlan, determinants: Determinants): MonthDemand {
  return { month: plan.from.slice(0, 7), microKw: measuredDemand(document, plan, determinants) };
}

/** What a bill comes to, without its being written; `carried` writes what it leaves over, where another one follows. Throws RangeError where stretches do not make a bill. */
export function billTotal(input: Pick<BillInput, 'stretches' | 'carried' | 'isLast'>): { total: Amount; carried(): CarriedOver } {
  const rated = rateBill(input);
  return { total: rated.sumOfStretches + sumOf(rated.ofBill), carried: () => carriedOf(rated) };
}

/** Throws RangeError where stretches do not make a bill. */
export function makeBill({ agreementId, meterId, region, ...input }: BillInput): RatedBill {
  const { stretches } = input;
  const ofInput = rateBill(input);
  const { rated, ofStretches, sumOfStretches, ofBill } = ofInput;
  const carried = carriedOf(ofInput);
  const { tariff: lastTariff, plan: lastPlan } = stretches[stretches.length - 1];
  const { document } = lastTariff;
  const from = stretches[0].plan.from;
  const to = lastPlan.to;
  const lines: InvoiceLine[] = [];
  rated.forEach((stretch, index) => stretch.lines.forEach((line) => lines.push(invoiceLine(lines.length + 1, line, stretches[index].tariff, stretch.days))));
  ofBill.forEach((line) => lines.push(invoiceLine(lines.length + 1, line, lastTariff, { from, to })));
  const tax = sumOf(ofStretches.filter(({ kind }) => kind === 'tax'));
  const total = sumOfStretches + sumOf(ofBill);
  const digits = Math.max(...stretches.map(({ tariff }) => tariff.document.rounding.digits));
  return {
    bill: {
      agreementId,
      meterId,
      region,
      currency: document.currency,
      zone: document.zone,
      from,
      to,
      parts: stretches.map(partOf),
      lines,
      net: amountText(total - tax, digits),
      tax: amountText(tax, digits),
      total: amountText(total, digits),
      importKwh: kwhOf(stretches.flatMap(({ determinants }) => determinants.importMicroKwh)),
      exportKwh: kwhOf(stretches.flatMap(({ determinants }) => determinants.exportMicroKwh)),
      dailyKwh: stretches.flatMap(dailyOf),
      quality: stretches.map(({ determinants }) => determinants.quality).reduce(addQuality),
      creditKwh: carried.creditKwh,
    },
    carried,
  };
}

interface RatedLines {
  rated: RatedStretch[];
  /** Of all stretches, in order. */
  ofStretches: readonly RatedLine[];
  sumOfStretches: Amount;
  /** Of the bill as a whole. */
  ofBill: RatedLine[];
  /** As the last stretch leaves it. */
  state: StretchState;
  creditCarried: Amount;
}

function rateBill({ stretches, carried, isLast }: Pick<BillInput, 'stretches' | 'carried' | 'isLast'>): RatedLines {
  checkStretches(stretches);
  const state = stretchState(carried);
  const rated = stretches.map((stretch, index) => rateStretch(stretch, state, isLast && index === stretches.length - 1));
  const { document } = stretches[stretches.length - 1].tariff;
  const ofStretches = rated.length === 1 ? rated[0].lines : rated.flatMap(({ lines }) => lines);
  const sumOfStretches = sumOf(ofStretches);
  const credit = settleCredit(document, sumOfStretches, earnedBy(rated, stretches), state.money, isLast ? 'agreement' : rated[rated.length - 1].endsYear ? 'year' : null);
  const ofBill = [...credit.lines, ...roundingLine(document.rounding.totalStep, sumOfStretches + sumOf(credit.lines))];
  return { rated, ofStretches, sumOfStretches, ofBill, state, creditCarried: credit.carried };
}

/** What stretches exported whose credits pay for the whole bill. */
function earnedBy(rated: readonly RatedStretch[], stretches: readonly StretchInput[]): Amount {
  let earned = 0n;
  rated.forEach(({ lines }, index) => {
    if (stretches[index].tariff.document.metering.creditPays !== 'bill') return;
    for (const { kind, amount } of lines) if (kind === 'export') earned -= amount;
  });
  return earned;
}

function carriedOf({ state, creditCarried }: RatedLines): CarriedOver {
  const surplusKwh = state.credits.surplusAsCarried();
  return { creditKwh: state.credits.asCarried(), ...(surplusKwh === undefined ? {} : { surplusKwh }), creditAmount: amountText(creditCarried, 0), yearMinimums: yearMinimumsCarried(state) };
}

function checkStretches(stretches: readonly StretchInput[]): void {
  if (stretches.length === 0) throw new RangeError('a bill has one stretch at least');
  const [first] = stretches;
  stretches.forEach(({ tariff: { document }, plan }, index) => {
    if (document.currency !== first.tariff.document.currency) throw new RangeError(`a bill has one currency, not ${first.tariff.document.currency} and ${document.currency}`);
    if (document.zone !== first.tariff.document.zone) throw new RangeError(`a bill has one time zone, not ${first.tariff.document.zone} and ${document.zone}`);
    if (index > 0 && plan.from !== stretches[index - 1].plan.to) throw new RangeError(`stretches follow each other: after ${stretches[index - 1].plan.to} came ${plan.from}`);
  });
}

/** Where there are no smaller coins. */
function roundingLine(totalStep: string | null, total: Amount): RatedLine[] {
  if (totalStep === null) return [];
  const step = parseDecimal(totalStep, AMOUNT_DIGITS);
  const difference = step === 0n ? 0n : roundTo(total, step, 'halfUp') - total;
  if (difference === 0n) return [];
  const unitPrice = difference / 10n ** BigInt(AMOUNT_DIGITS - PRICE_DIGITS);
  return [{ kind: 'rounding', charge: 'Rounding', text: `Rounding to ${totalStep}`, period: null, tier: null, quantity: 1_000_000n, unit: 'once', unitPrice, amount: difference }];
}

function invoiceLine(number: number, line: RatedLine, { id, version, document }: RatedTariff, { from, to }: Pick<BillPart, 'from' | 'to'>): InvoiceLine {
  const { digits } = document.rounding;
  return {
    number,
    kind: line.kind,
    charge: line.charge,
    text: line.text,
    tariffId: id,
    tariffVersion: version,
    from,
    to,
    period: line.period,
    tier: line.tier,
    quantity: quantityText(line.quantity),
    unit: line.unit,
    unitPrice: priceText(line.unitPrice, line.unit === '%' ? 0 : digits),
    amount: amountText(line.amount, digits),
  };
}

function partOf({ tariff, plan, determinants }: StretchInput): BillPart {
  const highest = highestDemand(determinants);
  const bucket = determinants.peakMicroKw.indexOf(highest);
  const quarter = bucket < 0 ? -1 : determinants.peakQuarter[bucket];
  return {
    tariffId: tariff.id,
    tariffVersion: tariff.version,
    from: plan.from,
    to: plan.to,
    quality: determinants.quality,
    digest: determinants.digest,
    peakKw: plan.plan.demandBucketCount === 0 ? null : quantityText(BigInt(highest)),
    peakAt: quarter < 0 ? null : quarter * QUARTER_MS,
  };
}

function dailyOf({ plan, determinants: { dayImportMicroKwh, dayExportMicroKwh } }: StretchInput): Bill['dailyKwh'] {
  const dates = datesOf(plan);
  return dayImportMicroKwh.map((microKwh, day) => ({ date: dates[day], importKwh: millionthsText(microKwh), exportKwh: millionthsText(dayExportMicroKwh[day]) }));
}

/** A plan serves all meters of a run: writing its dates anew for each bill would take most of the time that a bill takes. */
const datesOfPlans = new WeakMap<TariffPlan, string[]>();

function datesOf(plan: TariffPlan): string[] {
  let dates = datesOfPlans.get(plan);
  if (dates === undefined) datesOfPlans.set(plan, (dates = plan.plan.dayStarts.map((_, day) => dayAfter(plan.from, day))));
  return dates;
}

function kwhOf(microKwh: readonly number[]): string {
  return quantityText(microKwh.reduce((sum, value) => sum + BigInt(value), 0n));
}

function addQuality(a: IntervalQuality, b: IntervalQuality): IntervalQuality {
  return { measured: a.measured + b.measured, estimated: a.estimated + b.estimated, missing: a.missing + b.missing };
}
