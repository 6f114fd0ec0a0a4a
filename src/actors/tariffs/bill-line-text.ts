import type { InvoiceLine } from '../../model/billing.ts';
import { AMOUNT_DIGITS, decimalText, parseDecimal, PRICE_DIGITS } from '../../model/decimal.ts';
import { dayAfter } from './rating/billing-days.ts';
import { QUANTITY_DIGITS } from './rating/rated-line.ts';

/** How a line of a bill comes about, as a sentence that can be checked with a pocket calculator. */
export function explainLine(line: InvoiceLine, currency: string): string {
  return `${line.text}: ${calculation(line, currency)}, ${daysOf(line)} (${line.tariffId} version ${line.tariffVersion}).`;
}

function calculation({ kind, quantity, unit, unitPrice, amount }: InvoiceLine, currency: string): string {
  if (kind === 'carriedOver' && unit === 'kWh') return `${quantity} kWh that are not charged`;
  if (unit === 'once') return `${ONCE[kind] ?? 'an amount of'} ${amount} ${currency}`;
  const product = parseDecimal(quantity, QUANTITY_DIGITS) * parseDecimal(unitPrice, PRICE_DIGITS);
  const exact = unit === '%' ? product / 100n : product;
  const rounded = exact === parseDecimal(amount, AMOUNT_DIGITS) ? `${amount} ${currency}` : `${decimalText(exact, AMOUNT_DIGITS)}, rounded ${amount} ${currency}`;
  return unit === '%' ? `${unitPrice} % of ${quantity} ${currency} = ${rounded}` : `${quantity} ${unit} × ${unitPrice} ${currency}/${unit} = ${rounded}`;
}

const ONCE: Partial<Record<InvoiceLine['kind'], string>> = {
  minimum: 'what the charges that it covers are short of it,',
  rebate: 'all that was left to take it from,',
  carriedOver: 'carried over,',
  rounding: 'to the nearest sum that can be paid,',
};

/** The last day is one of them, as people say it. */
function daysOf({ from, to }: InvoiceLine): string {
  const last = dayAfter(to, -1);
  return from === last ? `for ${from}` : `for ${from} to ${last}`;
}
