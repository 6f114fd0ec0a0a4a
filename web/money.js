// @ts-check
/** Money, energy and days of bills. Amounts are decimal text and stay exact: nothing is calculated with them here. */
import { LANGUAGE } from './format.js';

/** Places of a price of a kWh that people compare. */
const PRICE_PLACES_MIN = 2;
const PRICE_PLACES_MAX = 4;

/** `€ 12.30`. @param {string} amount decimal text @param {string} currency */
export function formatMoney(amount, currency) {
  return inCurrency(currency, {}).format(/** @type {any} */ (amount));
}

/** Of a kWh or the like: `€ 0.2735`. @param {string} price @param {string} currency */
export function formatPrice(price, currency) {
  return inCurrency(currency, { minimumFractionDigits: PRICE_PLACES_MIN, maximumFractionDigits: PRICE_PLACES_MAX }).format(/** @type {any} */ (price));
}

/** @param {string} currency @param {Intl.NumberFormatOptions} options */
function inCurrency(currency, options) {
  try {
    return new Intl.NumberFormat(LANGUAGE, { style: 'currency', currency, ...options });
  } catch {
    // No currency that browsers know.
    return new Intl.NumberFormat(LANGUAGE, options);
  }
}

/** `412.3 kWh` @param {string | number} kwh */
export function formatKwh(kwh) {
  const figure = Number(kwh);
  return `${new Intl.NumberFormat(LANGUAGE, { maximumFractionDigits: Math.abs(figure) < 100 ? 2 : 0 }).format(figure)} kWh`;
}

/** `1 Jul 2026`: a day as bills have it, of the tariff's zone. @param {string} date */
export function formatDay(date) {
  return dayFormat({ day: 'numeric', month: 'short', year: 'numeric' }).format(Date.parse(date));
}

/** From the first day to the last: `1 – 31 Jul 2026`. @param {string} from @param {string} to the first day that is not meant */
export function formatDays(from, to) {
  const last = Date.parse(to) - 86_400_000;
  return dayFormat({ day: 'numeric', month: 'short', year: 'numeric' }).formatRange(Date.parse(from), Math.max(Date.parse(from), last));
}

/** `July 2026` @param {string} month `2026-07`, or a day of it */
export function formatMonth(month) {
  return dayFormat({ month: 'long', year: 'numeric' }).format(Date.parse(month.slice(0, 7)));
}

/** @param {Intl.DateTimeFormatOptions} options */
function dayFormat(options) {
  return new Intl.DateTimeFormat(LANGUAGE, { ...options, timeZone: 'UTC' });
}
