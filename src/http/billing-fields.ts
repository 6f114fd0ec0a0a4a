import { z } from 'zod';
import { MONTH } from '../actors/tariffs/billed-days.ts';
import { PRICE_DIGITS } from '../model/decimal.ts';
import { FAULT_LINE, FAULT_LINES, LINES, NOT_BLANK, ONE_LINE } from '../model/plain-text.ts';

/** Fields of bodies and parameters about money, dates and people who are billed. */

/** Printed on paper, and written into files that other programs read. */
const printed = (charsMax: number) =>
  z
    .string()
    .trim()
    .max(charsMax, `expected ${charsMax} characters at most`)
    .regex(NOT_BLANK, 'expected a text')
    .regex(ONE_LINE, FAULT_LINE);
const ADDRESS_LINES_MAX = 8;

export const customerField = z.strictObject({
  name: printed(128),
  address: z.array(printed(128)).max(ADDRESS_LINES_MAX, `expected ${ADDRESS_LINES_MAX} lines at most`).default([]),
  email: z
    .string()
    .max(254, 'expected 254 characters at most')
    .regex(/^[^\s<>@]+@[^\s<>@]+$/, 'expected an address such as ada@example.org')
    .regex(ONE_LINE, FAULT_LINE)
    .nullable()
    .default(null),
  taxId: printed(64).nullable().default(null),
});

export const tariffIdField = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, 'expected 1–64 characters of A–Z a–z 0–9 . _ -');
export const customerClassField = tariffIdField;
/** A day of the tariff's zone. */
export const dateField = z.iso.date('expected a day such as 2026-07-01');
export const monthField = z.string().regex(MONTH, 'expected a month from 1970-01 on, such as 2026-07');

/** Digits before the point; no bill has more. */
const WHOLE_DIGITS_MAX = 12;
/** As price-overrides.ts and documents of tariffs have them. */
const PRICE_WHOLE_DIGITS_MAX = 9;

/** Money as decimal text. */
export function moneyField({ places, isPositive, wholeDigits = WHOLE_DIGITS_MAX }: { places: number; isPositive: boolean; wholeDigits?: number }) {
  const fault = `expected ${isPositive ? 'an amount above 0' : 'an amount'} as text, such as "12.30", with ${wholeDigits} digits before the point and ${places} after it at most`;
  return z.string(fault).regex(new RegExp(`^${isPositive ? '(?=.*[1-9])' : '-?'}\\d{1,${wholeDigits}}(\\.\\d{1,${places}})?$`), fault);
}

/** Of payments and credits: no currency has more places than a tariff may round to. */
export const amountField = moneyField({ places: 6, isPositive: true });
/** Of a kWh. Below 0 where there is too much of it. */
export const priceField = moneyField({ places: PRICE_DIGITS, isPositive: false, wholeDigits: PRICE_WHOLE_DIGITS_MAX });

/** Text of somebody about something, in a body. */
export const reasonField = z.string('expected why').trim().max(1_000, 'expected 1000 characters at most').regex(NOT_BLANK, 'expected why').regex(LINES, FAULT_LINES);
export const methodField = z.string().regex(/^[A-Za-z0-9 ._-]{1,32}$/, 'expected 1–32 characters of A–Z a–z 0–9 space . _ -');
/** As the bank has it. */
export const referenceField = printed(128);
