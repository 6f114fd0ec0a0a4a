import { AMOUNT_DIGITS, decimalText, parseDecimal, type Amount } from '../../model/decimal.ts';

/** Amounts as invoices have them: text with the decimal places of their currency. */

export function amountOf(text: string): Amount {
  return parseDecimal(text, AMOUNT_DIGITS);
}

/** With as many decimal places as `like` has, and more where the amount needs them. */
export function amountText(amount: Amount, like: string): string {
  return decimalText(amount, AMOUNT_DIGITS, placesOf(like));
}

export function placesOf(text: string): number {
  const point = text.indexOf('.');
  return point < 0 ? 0 : text.length - point - 1;
}

export function negated(text: string): string {
  return amountText(-amountOf(text), text);
}
