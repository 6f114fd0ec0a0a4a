import { parseDecimal, PRICE_DIGITS, type Amount } from '../../../model/decimal.ts';
import type { ChargeOf } from '../tariff-document.ts';
import type { BillingDays } from './billing-days.ts';
import { partOfMonth } from './line-text.ts';
import { QUANTITY_ONE, quantityOfAmount, sumOf, type LineRounding, type RatedLine } from './rated-line.ts';

/** Charges that are no energy and no demand. Those that are a share of others are worked out of lines as they are rounded. */

export function fixedLine(charge: ChargeOf<'fixed'>, days: BillingDays, rounding: LineRounding): RatedLine {
  const quantity = { day: BigInt(days.days) * QUANTITY_ONE, month: days.monthShare, year: days.yearShare }[charge.per];
  const part = charge.per === 'month' ? partOfMonth(days) : charge.per === 'year' ? `${days.days} of ${days.yearDays} days` : null;
  return rounding.line({ kind: 'fixed', charge: charge.name, text: withPart(charge.name, part), quantity, unit: charge.per, unitPrice: parseDecimal(charge.price, PRICE_DIGITS) });
}

/** Null outside of its months, and where there is no energy. */
export function adderLine(charge: ChargeOf<'adder'>, chargedMicroKwh: bigint, days: BillingDays, rounding: LineRounding): RatedLine | null {
  if (!charge.months.includes(days.monthNumber) || chargedMicroKwh === 0n) return null;
  return rounding.line({ kind: 'adder', charge: charge.name, text: charge.name, quantity: chargedMicroKwh, unit: 'kWh', unitPrice: parseDecimal(charge.price, PRICE_DIGITS) });
}

export function percentLine(charge: ChargeOf<'surcharge'> | ChargeOf<'tax'>, base: Amount, rounding: LineRounding): RatedLine | null {
  if (base === 0n) return null;
  return rounding.line({
    kind: charge.kind,
    charge: charge.name,
    text: `${charge.name} ${charge.percent} %`,
    quantity: quantityOfAmount(base),
    unit: '%',
    unitPrice: parseDecimal(charge.percent, PRICE_DIGITS),
  });
}

/** An amount off what the lines before it come to; null where nothing is left to take it from. */
export function rebateLine(charge: ChargeOf<'rebate'>, before: readonly RatedLine[], chargedMicroKwh: bigint, days: BillingDays, rounding: LineRounding): RatedLine | null {
  const price = -parseDecimal(charge.amount, PRICE_DIGITS);
  const quantity = { day: BigInt(days.days) * QUANTITY_ONE, month: days.monthShare, kWh: chargedMicroKwh }[charge.per];
  const text = withPart(charge.name, charge.per === 'month' ? partOfMonth(days) : null);
  const line = rounding.line({ kind: 'rebate', charge: charge.name, text, quantity, unit: charge.per, unitPrice: price });
  if (line.amount === 0n) return null;
  const left = sumOf(before);
  if (charge.refundable || -line.amount <= left) return line;
  return left > 0n ? rounding.once('rebate', charge.name, `${charge.name}, up to what is to be paid`, -left) : null;
}

/** What is missing to a month's minimum. */
export function monthMinimumLine(charge: ChargeOf<'minimum'>, covered: Amount, days: BillingDays, rounding: LineRounding): RatedLine | null {
  const due = rounding.round(parseDecimal(charge.price, PRICE_DIGITS) * days.monthShare);
  return missingLine(charge, due, covered, withPart(charge.name, partOfMonth(days)), rounding);
}

/** What is due of a year's minimum for these days; exact. */
export function yearMinimumDue(charge: ChargeOf<'minimum'>, days: BillingDays): Amount {
  return parseDecimal(charge.price, PRICE_DIGITS) * days.yearShare;
}

export function yearMinimumLine(charge: ChargeOf<'minimum'>, due: Amount, covered: Amount, rounding: LineRounding): RatedLine | null {
  return missingLine(charge, rounding.round(due), covered, `${charge.name} of the year`, rounding);
}

/** What the charges come to below zero is a credit, and no reason for a higher minimum. */
function missingLine(charge: ChargeOf<'minimum'>, due: Amount, sum: Amount, text: string, rounding: LineRounding): RatedLine | null {
  const covered = sum > 0n ? sum : 0n;
  return covered < due ? rounding.once('minimum', charge.name, text, rounding.round(due - covered)) : null;
}

function withPart(name: string, part: string | null): string {
  return part === null ? name : `${name}, ${part}`;
}
