import { divideRounded, parseDecimal, PRICE_DIGITS } from '../../../model/decimal.ts';
import type { Determinants } from '../../../model/energy.ts';
import type { ChargeOf, TariffDocument } from '../tariff-document.ts';
import type { TariffPlan } from '../tariff-plan.ts';
import { monthsBetween, type BillingDays } from './billing-days.ts';
import { partOfMonth, periodTitle } from './line-text.ts';
import { QUANTITY_DIGITS, QUANTITY_ONE, type LineRounding, type RatedLine } from './rated-line.ts';
import { splitByTiers } from './energy-charges.ts';

/** Demand of a meter in a month, or a stretch of it, that a ratchet looks back at. */
export interface MonthDemand {
  /** `2026-07` */
  month: string;
  /** By `charge/period` (`*` where the charge has no periods), microKw. */
  microKw: Record<string, number>;
}

type DemandCharge = ChargeOf<'demand'>;
type Ratchet = Exclude<NonNullable<DemandCharge['ratchet']>, readonly unknown[]>;

/** Stands for the period of a charge that has none. */
const ALL_TIME = '*';
/** Percentages have four decimal places. */
const PERCENT_DIGITS = 4;
const PERCENT_ONE = 100n * 10n ** BigInt(PERCENT_DIGITS);

export function isDemand(charge: TariffDocument['charges'][number]): charge is DemandCharge {
  return charge.kind === 'demand';
}

/** What each demand charge measures, before ratchets and minimums, as later months look back at it. */
export function measuredDemand(document: TariffDocument, plan: TariffPlan, determinants: Determinants): Record<string, number> {
  const microKw: Record<string, number> = {};
  for (const charge of document.charges.filter(isDemand)) for (const { period } of charge.rates) microKw[keyOf(charge, period)] = measured(charge, period, plan, determinants);
  return microKw;
}

/** Highest demand of the days at all. */
export function highestDemand({ peakMicroKw }: Pick<Determinants, 'peakMicroKw'>): number {
  return peakMicroKw.reduce((highest, microKw) => Math.max(highest, microKw), 0);
}

/** A tariff names one ratchet or several. */
export function ratchetsOf({ ratchet }: DemandCharge): readonly Ratchet[] {
  return ratchet === null ? [] : Array.isArray(ratchet) ? ratchet : [ratchet];
}

/** What counts as the demand of a charge's period: what was measured, or its share, or what ratchets or the tariff's least make of it. */
export function billedDemand(charge: DemandCharge, period: string, plan: TariffPlan, determinants: Determinants, days: BillingDays, past: readonly MonthDemand[]): bigint {
  const least = parseDecimal(charge.minimumKw, QUANTITY_DIGITS);
  const ofBefore = ratchetsOf(charge).map((ratchet) => ratchetDemand(charge, ratchet, period, days, past));
  return [ownDemand(charge, period, plan, determinants, days), least, ...ofBefore].reduce((highest, microKw) => (microKw > highest ? microKw : highest));
}

/** The demand that tiers by the kW go by: as the tariff's charges for the highest demand count it; without any, what was measured. */
export function tierDemand(document: TariffDocument, plan: TariffPlan, determinants: Determinants, days: BillingDays, past: readonly MonthDemand[]): bigint {
  const billed = document.charges.filter(isDemand).flatMap((charge) => (charge.measure === 'max' ? [billedDemand(charge, ALL_TIME, plan, determinants, days, past)] : []));
  return billed.length === 0 ? BigInt(highestDemand(determinants)) : billed.reduce((highest, microKw) => (microKw > highest ? microKw : highest));
}

/** Lines of a demand charge. A price is of a month: of a part of one, its share is due. */
export function demandLines(document: TariffDocument, charge: DemandCharge, plan: TariffPlan, determinants: Determinants, days: BillingDays, past: readonly MonthDemand[], rounding: LineRounding): RatedLine[] {
  if (!charge.months.includes(days.monthNumber)) return [];
  return charge.rates.flatMap(({ period, tiers }) => {
    // A period that these days do not have, as one of another season, is not billed by a ratchet either.
    if (charge.measure === 'periods' && !plan.demandPeriods.some((periods) => periods[charge.schedule!] === period)) return [];
    const billed = billedDemand(charge, period, plan, determinants, days, past);
    const ends = tiers.slice(0, -1).map(({ upToKw }) => parseDecimal(upToKw!, QUANTITY_DIGITS));
    const title = period === ALL_TIME ? null : periodTitle(document, charge.schedule, period);
    const own = ownDemand(charge, period, plan, determinants, days);
    const basis = billed > own ? 'least demand' : own < BigInt(measured(charge, period, plan, determinants)) ? `${charge.measuredShare!.percent} % of the highest` : null;
    return splitByTiers(billed, ends).flatMap((microKw, index) => {
      if (microKw === 0n) return [];
      const tier = tiers.length > 1 ? index + 1 : null;
      return rounding.line({
        kind: 'demand',
        charge: charge.name,
        text: [charge.name, title, tier === null ? null : `tier ${tier}`, basis, partOfMonth(days)].filter((part) => part !== null).join(', '),
        period: period === ALL_TIME ? null : period,
        tier,
        quantity: microKw,
        unit: 'kW',
        unitPrice: divideRounded(parseDecimal(tiers[index].price, PRICE_DIGITS) * days.monthShare, QUANTITY_ONE, 'halfUp'),
      });
    });
  });
}

function ownDemand(charge: DemandCharge, period: string, plan: TariffPlan, determinants: Determinants, days: BillingDays): bigint {
  const whole = measured(charge, period, plan, determinants);
  const share = charge.measuredShare;
  return share !== null && share.months.includes(days.monthNumber) ? shareOf(whole, share.percent) : BigInt(whole);
}

function ratchetDemand(charge: DemandCharge, ratchet: Ratchet, period: string, days: BillingDays, past: readonly MonthDemand[]): bigint {
  let highest = 0;
  for (const { month, microKw } of past) {
    const ago = monthsBetween(month, days.month);
    if (ago >= 1 && ago <= ratchet.lookbackMonths && ratchet.ofMonths.includes(Number(month.slice(5)))) highest = Math.max(highest, microKw[keyOf(charge, period)] ?? 0);
  }
  return shareOf(highest, ratchet.percent);
}

function shareOf(microKw: number, percent: string): bigint {
  return divideRounded(BigInt(microKw) * parseDecimal(percent, PERCENT_DIGITS), PERCENT_ONE, 'halfUp');
}

function measured(charge: DemandCharge, period: string, plan: TariffPlan, determinants: Determinants): number {
  if (charge.measure === 'coincident') return determinants.momentMicroKw[0] ?? 0;
  if (charge.measure === 'max') return highestDemand(determinants);
  return plan.demandPeriods.reduce((highest, periods, bucket) => (periods[charge.schedule!] === period ? Math.max(highest, determinants.peakMicroKw[bucket]) : highest), 0);
}

function keyOf(charge: DemandCharge, period: string): string {
  return `${charge.name}/${period}`;
}
