import { AMOUNT_DIGITS, parseDecimal, PRICE_DIGITS, type Amount } from '../../../model/decimal.ts';
import type { Determinants } from '../../../model/energy.ts';
import type { TariffVersion } from '../protocol.ts';
import type { Charge, ChargeOf, TariffDocument } from '../tariff-document.ts';
import type { TariffPlan } from '../tariff-plan.ts';
import { billingDays, type BillingDays } from './billing-days.ts';
import { payCharges, payOut, type CreditEnd, type MoneyAccount } from './credit-settlement.ts';
import { demandLines, tierDemand, type MonthDemand } from './demand-charges.ts';
import { appliedLines, energyLines, exportLines, leftOverLines, type TierTerms } from './energy-charges.ts';
import { adderLine, fixedLine, monthMinimumLine, percentLine, rebateLine, yearMinimumDue, yearMinimumLine } from './further-charges.ts';
import { CreditAccounts, netEnergy, totalOf, type NetEnergy } from './net-energy.ts';
import { amountText, LineRounding, sumOf, type RatedLine } from './rated-line.ts';

/** A version of a tariff, as far as rating needs it. */
export type RatedTariff = Pick<TariffVersion, 'id' | 'version' | 'document'>;

export interface StretchInput {
  tariff: RatedTariff;
  /** Of days within one month. Its moments: the quarter-hour of the region's peak of the month, where the tariff asks for it (`needsRegionPeak`), it is known and within these days; else none. */
  plan: TariffPlan;
  determinants: Determinants;
  /** Of months before, for ratchets: as `demandOf` gives it, in any order. As many as `lookbackMonths` says and there are. Empty where nothing is looked back at. */
  pastDemand: readonly MonthDemand[];
}

/** What goes on from stretch to stretch. */
export interface StretchState {
  credits: CreditAccounts;
  money: MoneyAccount;
  /** By name of a yearly minimum: what the charges that it covers came to in the year so far, and what was due of it. */
  yearMinimums: Map<string, { covered: Amount; due: Amount }>;
}

export interface RatedStretch {
  days: BillingDays;
  lines: RatedLine[];
  /** The tariff's year ends with it, so that credits are settled. */
  endsYear: boolean;
}

/** What the bill before left, as `CarriedOver`. */
export interface CarriedState {
  creditKwh: Readonly<Record<string, string>>;
  surplusKwh?: string;
  creditAmount: string;
  yearMinimums: Readonly<Record<string, { covered: string; due: string }>>;
}

/** Month at whose end a year ends where a tariff does not say. */
const YEAR_END_MONTH = 12;

/**
 * Lines of a stretch. Energy, exports, fixed charges, demand and adders come first, and what credits pay of them where they do not pay for the whole bill; then surcharges, rebates and minimums in the order of
 * the document, each of what comes before it; taxes, and at last credits that are paid out. `state` is taken on to the next stretch; `isLast`: there is none, of this bill nor of another.
 */
export function rateStretch({ tariff: { document }, plan, determinants, pastDemand }: StretchInput, state: StretchState, isLast: boolean): RatedStretch {
  const days = daysOf(plan);
  const rounding = new LineRounding(document.rounding);
  const endsYear = days.endsMonth && days.monthNumber === document.metering.yearEndMonth;
  const terms: TierTerms = { days, demandMicroKw: tierDemand(document, plan, determinants, days, pastDemand) };
  const ends: CreditEnd = isLast ? 'agreement' : endsYear ? 'year' : null;
  if (document.metering.yearEndEnergy === 'credits') state.credits.forgetSurplus();
  else state.credits.countSurplus(determinants, document.metering.yearEndEnergy === 'netOfMonths');
  const energy = new EnergyOfStretch(document, plan, determinants, state.credits);

  const lines: RatedLine[] = [];
  const add = (more: readonly RatedLine[] | RatedLine | null): void => {
    if (more !== null) lines.push(...(Array.isArray(more) ? more : [more as RatedLine]));
  };
  if (document.metering.creditPeriods === 'together') for (const schedule of energy.schedules) add(appliedLines(document, schedule, energy.of(schedule).applied, rounding));
  for (const charge of document.charges) {
    if (charge.kind === 'energy') add(energyLines(document, charge, energy.of(charge.schedule).charged, terms, rounding));
    else if (charge.kind === 'export') add(exportLines(document, charge, energy.creditedAt(charge.schedule), terms, rounding));
    else if (charge.kind === 'fixed') add(fixedLine(charge, days, rounding));
    else if (charge.kind === 'demand') add(demandLines(document, charge, plan, determinants, days, pastDemand, rounding));
    else if (charge.kind === 'adder') add(adderLine(charge, energy.chargedTotal, days, rounding));
  }
  if (document.metering.method === 'netMeteringMoney' && !document.charges.some(({ kind }) => kind === 'export')) {
    const charge = document.charges.find((candidate) => candidate.kind === 'energy');
    if (charge !== undefined) add(leftOverLines(document, charge, energy.of(charge.schedule).credited, rounding));
  }
  add(settledCreditLine(document, state.credits, energy.schedules, ends !== null, rounding));
  add(payCharges(document, lines, state.money, ends));
  for (const charge of document.charges) {
    if (charge.kind === 'surcharge') add(percentLine(charge, sumOf(lines.filter((line) => charge.of.includes(line.charge))), rounding));
    else if (charge.kind === 'rebate') add(rebateLine(charge, lines, energy.chargedTotal, days, rounding));
    else if (charge.kind === 'minimum') add(minimumLine(charge, minimumBase(document, lines), days, state, isYearEnd(document, days) || isLast, rounding));
  }
  const net = [...lines];
  for (const charge of document.charges) {
    if (charge.kind === 'tax') add(percentLine(charge, sumOf(charge.of.length === 0 ? net : net.filter((line) => charge.of.includes(line.charge))), rounding));
  }
  add(payOut(document, state.money, ends));
  forgetMinimums(state, document.charges);
  return { days, lines, endsYear };
}

/** What is the same for all who have a tariff is worked out once: a run rates a million of them. */
const daysOfPlans = new WeakMap<TariffPlan, BillingDays>();
const schedulesOfDocuments = new WeakMap<TariffDocument, readonly string[]>();

function daysOf(plan: TariffPlan): BillingDays {
  let days = daysOfPlans.get(plan);
  if (days === undefined) daysOfPlans.set(plan, (days = billingDays(plan.from, plan.to)));
  return days;
}

/** Those that energy is charged by, in the order of the charges. */
function chargedSchedules(document: TariffDocument): readonly string[] {
  let schedules = schedulesOfDocuments.get(document);
  if (schedules === undefined) schedulesOfDocuments.set(document, (schedules = [...new Set(document.charges.flatMap((charge) => (charge.kind === 'energy' ? [charge.schedule] : [])))]));
  return schedules;
}

/** What the periods of each schedule have to be charged for, worked out once for all charges that use it. */
class EnergyOfStretch {
  readonly schedules: readonly string[];
  /** Of the tariff's first energy charge, or all that was imported where it has none. */
  readonly chargedTotal: bigint;
  readonly #document: TariffDocument;
  readonly #plan: TariffPlan;
  readonly #determinants: Determinants;
  readonly #credits: CreditAccounts;
  readonly #net = new Map<string, NetEnergy>();

  constructor(document: TariffDocument, plan: TariffPlan, determinants: Determinants, credits: CreditAccounts) {
    this.#document = document;
    this.#plan = plan;
    this.#determinants = determinants;
    this.#credits = credits;
    this.schedules = chargedSchedules(document);
    this.chargedTotal = this.schedules.length > 0 ? totalOf(this.of(this.schedules[0]).charged) : BigInt(determinants.importMicroKwh.reduce((sum, microKwh) => sum + microKwh, 0));
  }

  of(schedule: string): NetEnergy {
    let net = this.#net.get(schedule);
    if (net === undefined) this.#net.set(schedule, (net = netEnergy(this.#document, schedule, this.#plan, this.#determinants, this.#credits)));
    return net;
  }

  /** Under `netMetering` all that is given to the grid is a credit in kWh. */
  creditedAt(schedule: string): ReadonlyMap<string, bigint> {
    return this.#document.metering.method === 'netMetering' ? new Map() : this.of(schedule).credited;
  }
}

/**
 * Credits in kWh that end: at the year's end, with the agreement, at each month's end where they are not kept, and where the tariff knows none. Null: none do, or there are none. Those that go on are kept
 * for the schedules that this tariff has.
 */
function settledCreditLine({ metering }: TariffDocument, credits: CreditAccounts, schedules: readonly string[], ends: boolean, rounding: LineRounding): RatedLine | null {
  if (metering.method === 'netMetering' && metering.carryOver && !ends) {
    credits.keep(schedules);
    return null;
  }
  const ofCredits = metering.yearEndEnergy === 'credits';
  const microKwh = ofCredits ? credits.total() : credits.surplus;
  credits.clear();
  if (microKwh === 0n) return null;
  return rounding.line({ kind: 'export', charge: CREDIT_SETTLED, text: ofCredits ? CREDIT_SETTLED : SURPLUS_SETTLED, quantity: microKwh, unit: 'kWh', unitPrice: -parseDecimal(metering.yearEndPrice, PRICE_DIGITS) });
}

const CREDIT_SETTLED = 'Energy credit, settled';
const SURPLUS_SETTLED = 'Energy given beyond what was used since the last settlement, settled';

function minimumLine(charge: ChargeOf<'minimum'>, lines: readonly RatedLine[], days: BillingDays, state: StretchState, yearEnds: boolean, rounding: LineRounding): RatedLine | null {
  const covered = sumOf(charge.covers.length === 0 ? lines : lines.filter((line) => charge.covers.includes(line.charge)));
  if (charge.per === 'month') return monthMinimumLine(charge, covered, days, rounding);
  const before = state.yearMinimums.get(charge.name) ?? { covered: 0n, due: 0n };
  const year = { covered: before.covered + covered, due: before.due + yearMinimumDue(charge, days) };
  if (!yearEnds) {
    state.yearMinimums.set(charge.name, year);
    return null;
  }
  state.yearMinimums.delete(charge.name);
  return yearMinimumLine(charge, year.due, year.covered, rounding);
}

/** Credits that count from the next bill on are no part of what this one comes to. Where they do not pay for the whole bill the account has been through the lines, and has them as they count. */
function minimumBase({ metering: { creditFrom, creditPays } }: TariffDocument, lines: readonly RatedLine[]): readonly RatedLine[] {
  return creditFrom === 'nextBill' && creditPays === 'bill' ? lines.filter(({ kind }) => kind !== 'export') : lines;
}

function isYearEnd({ metering }: TariffDocument, days: BillingDays): boolean {
  return days.endsMonth && days.monthNumber === (metering.yearEndMonth ?? YEAR_END_MONTH);
}

/** A tariff that is left takes its yearly minimums with it. */
function forgetMinimums({ yearMinimums }: StretchState, charges: readonly Charge[]): void {
  for (const name of yearMinimums.keys()) if (!charges.some((charge) => charge.kind === 'minimum' && charge.per === 'year' && charge.name === name)) yearMinimums.delete(name);
}

export function stretchState({ creditKwh, surplusKwh, creditAmount, yearMinimums }: CarriedState): StretchState {
  const amount = (text: string): Amount => parseDecimal(text, AMOUNT_DIGITS);
  return {
    credits: new CreditAccounts(creditKwh, surplusKwh),
    money: { spendable: amount(creditAmount), waiting: 0n },
    yearMinimums: new Map(Object.entries(yearMinimums).map(([name, { covered, due }]) => [name, { covered: amount(covered), due: amount(due) }])),
  };
}

export function yearMinimumsCarried({ yearMinimums }: StretchState): Record<string, { covered: string; due: string }> {
  return Object.fromEntries([...yearMinimums].map(([name, { covered, due }]) => [name, { covered: amountText(covered, 0), due: amountText(due, 0) }]));
}
