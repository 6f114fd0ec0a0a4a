import { divideRounded, parseDecimal, PRICE_DIGITS } from '../../../model/decimal.ts';
import type { ChargeOf, TariffDocument } from '../tariff-document.ts';
import type { BillingDays } from './billing-days.ts';
import { periodTitle } from './line-text.ts';
import { totalOf } from './net-energy.ts';
import { QUANTITY_DIGITS, QUANTITY_ONE, type LineRounding, type RatedLine } from './rated-line.ts';

type EnergyRate = ChargeOf<'energy'>['rates'][number];
type EnergyTier = EnergyRate['tiers'][number];

/** What tiers' ends depend on. */
export interface TierTerms {
  days: BillingDays;
  /** That counts for tiers by the kW, microKw. */
  demandMicroKw: bigint;
}

/** Lines of an energy charge, period by period and tier by tier. */
export function energyLines(document: TariffDocument, charge: ChargeOf<'energy'>, charged: ReadonlyMap<string, bigint>, terms: TierTerms, rounding: LineRounding): RatedLine[] {
  return linesByTier(document, charge, charged, terms, 1n, rounding);
}

/** Lines of an export credit: amounts below zero. */
export function exportLines(document: TariffDocument, charge: ChargeOf<'export'>, credited: ReadonlyMap<string, bigint>, terms: TierTerms, rounding: LineRounding): RatedLine[] {
  return linesByTier(document, charge, credited, terms, -1n, rounding);
}

function linesByTier(document: TariffDocument, charge: ChargeOf<'energy' | 'export'>, energy: ReadonlyMap<string, bigint>, terms: TierTerms, sign: bigint, rounding: LineRounding): RatedLine[] {
  const total = charge.tierScope === 'total' ? totalOf(energy) : null;
  return charge.rates.flatMap((rate) => {
    const ofPeriod = energy.get(rate.period) ?? 0n;
    const ends = tierEnds(rate.tiers, terms);
    return tierLines(document, charge, rate, total === null ? splitByTiers(ofPeriod, ends) : shareOfTiers(ofPeriod, total, ends), sign, rounding);
  });
}

/** Says of which period's use how much credit in kWh was taken off: what is left of it is charged. */
export function appliedLines(document: TariffDocument, schedule: string, applied: ReadonlyMap<string, bigint>, rounding: LineRounding): RatedLine[] {
  return [...applied].map(([period, microKwh]) => {
    const text = `Energy credit, taken off ${periodTitle(document, schedule, period) ?? 'what was used'}`;
    return rounding.line({ kind: 'carriedOver', charge: 'Energy credit', text, period, quantity: microKwh, unit: 'kWh', unitPrice: 0n });
  });
}

/** What is left over under `netMeteringMoney` where the tariff names no price for it: it is worth what the first tier of its period costs. */
export function leftOverLines(document: TariffDocument, charge: ChargeOf<'energy'>, credited: ReadonlyMap<string, bigint>, rounding: LineRounding): RatedLine[] {
  return charge.rates.flatMap((rate) => tierLines(document, charge, { ...rate, tiers: rate.tiers.slice(0, 1) }, [credited.get(rate.period) ?? 0n], -1n, rounding));
}

function tierLines(document: TariffDocument, charge: ChargeOf<'energy' | 'export'>, { period, tiers }: EnergyRate, parts: readonly bigint[], sign: bigint, rounding: LineRounding): RatedLine[] {
  const title = periodTitle(document, charge.schedule, period);
  const named = title === null ? charge.name : `${charge.name}, ${title}`;
  const lines: RatedLine[] = [];
  parts.forEach((microKwh, index) => {
    if (microKwh === 0n) return;
    const tier = tiers.length > 1 ? index + 1 : null;
    lines.push(
      rounding.line({
        kind: sign < 0n ? 'export' : 'energy',
        charge: charge.name,
        text: tier === null ? named : `${named}, tier ${tier}`,
        period,
        tier,
        quantity: microKwh,
        unit: 'kWh',
        unitPrice: sign * parseDecimal(tiers[index].price, PRICE_DIGITS),
      }),
    );
  });
  return lines;
}

/** Ends of all tiers but the last in microKwh, for the days at hand. An end that lies below the one before makes a tier with nothing in it. */
export function tierEnds(tiers: readonly EnergyTier[], { days, demandMicroKw }: TierTerms): bigint[] {
  const ends: bigint[] = [];
  for (const { upTo } of tiers.slice(0, -1)) {
    // tier-check lets no tier but the last go without an end.
    const { value, unit } = upTo!;
    let end = parseDecimal(value, QUANTITY_DIGITS);
    let divisor = 1n;
    if (unit === 'kWh/day' || unit === 'kWh/kW/day') {
      end *= BigInt(days.days);
    } else {
      end *= days.monthShare;
      divisor *= QUANTITY_ONE;
    }
    if (unit === 'kWh/kW' || unit === 'kWh/kW/day') {
      end *= demandMicroKw;
      divisor *= QUANTITY_ONE;
    }
    const whole = divideRounded(end, divisor, 'halfUp');
    const before = ends.at(-1) ?? 0n;
    ends.push(whole > before ? whole : before);
  }
  return ends;
}

/** The parts of a quantity that lie in each tier. */
export function splitByTiers(quantity: bigint, ends: readonly bigint[]): bigint[] {
  let below = 0n;
  const parts = ends.map((end) => {
    const upTo = quantity < end ? quantity : end;
    const part = upTo - below;
    below = upTo;
    return part;
  });
  return [...parts, quantity - below];
}

/** Of a period with `use` of `total`: in each tier its share of what all periods together have there. Rounded at the tiers' ends, so that the parts are the whole use. */
export function shareOfTiers(use: bigint, total: bigint, ends: readonly bigint[]): bigint[] {
  if (total === 0n) return [...ends.map(() => 0n), 0n];
  return splitByTiers(use, ends.map((end) => divideRounded(end * use, total, 'halfUp')));
}
