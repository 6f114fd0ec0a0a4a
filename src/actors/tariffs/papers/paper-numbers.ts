import type { PaperWords } from './paper-words.ts';

/** Decimals and days as people of a language write them. Digits are moved about as text and never become binary numbers, so what is printed is what was computed. */

/** U+2212: a minus as wide as a digit, which a hyphen is not. */
const MINUS = '−';
const DAY_MS = 86_400_000;

/** `-1234.5` with two places at least → `−1,234.50`. Places past `placesMin` stay where they say something. */
export function decimalShown(decimal: string, placesMin: number, { decimalPoint, thousands }: PaperWords): string {
  const [, sign, whole, fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(decimal) ?? [];
  // Whatever is no decimal cannot be made better by guessing.
  if (whole === undefined) return decimal;
  const grouped = whole.replace(/^0+(?=\d)/, '').replace(/\B(?=(\d{3})+$)/g, thousands);
  const places = fraction.replace(/0+$/, '').padEnd(placesMin, '0');
  return `${sign === '' ? '' : MINUS}${grouped}${places === '' ? '' : decimalPoint}${places}`;
}

/** In front the currency, as on banks' papers. */
export function moneyShown(amount: string, currency: string, words: PaperWords): string {
  return `${currency} ${decimalShown(amount, currencyPlaces(currency), words)}`;
}

const placesOf = new Map<string, number>();

/** Decimal places of a currency's small coin: 2 of most, 0 of yen, 3 of some dinars. */
export function currencyPlaces(currency: string): number {
  let places = placesOf.get(currency);
  if (places === undefined) {
    try {
      places = new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;
    } catch {
      places = 2;
    }
    placesOf.set(currency, places);
  }
  return places;
}

export function isNegative(decimal: string): boolean {
  return /^-.*[1-9]/.test(decimal);
}

export function isZero(decimal: string): boolean {
  return !/[1-9]/.test(decimal);
}

export function withoutSign(decimal: string): string {
  return decimal.replace(/^-/, '');
}

const formats = new Map<string, Intl.DateTimeFormat>();
/** Zones and languages of all bills, and no more of what strangers call a zone. */
const FORMATS_MAX = 1_000;

function format(key: string, locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const name = `${key} ${locale} ${options.timeZone}`;
  let made = formats.get(name);
  if (made === undefined) {
    made = new Intl.DateTimeFormat(locale, options);
    if (formats.size < FORMATS_MAX) formats.set(name, made);
  }
  return made;
}

/** All lines of a bill, and bills of a month, are of the same days; to say so took a thirtieth of a document's time. */
const saidDays = new Map<string, string>();
const SAID_DAYS_MAX = 500;

function daysSaid(key: string, options: Intl.DateTimeFormatOptions, from: string, to: string, locale: string): string {
  const name = `${key} ${locale} ${from} ${to}`;
  let said = saidDays.get(name);
  if (said === undefined) {
    const first = dayMs(from);
    const last = dayMs(to) - DAY_MS;
    // Its spaces around the dash are thin ones, which not every font has.
    said = last >= first ? format(key, locale, { timeZone: 'UTC', ...options }).formatRange(first, last).replace(/\s/g, ' ') : `${from} – ${to}`;
    if (saidDays.size >= SAID_DAYS_MAX) saidDays.clear();
    saidDays.set(name, said);
  }
  return said;
}

/** `2026-07-01` → `1 July 2026`. */
export function dayShown(date: string, { locale }: PaperWords): string {
  const ms = dayMs(date);
  return Number.isNaN(ms) ? date : format('day', locale, { timeZone: 'UTC', day: 'numeric', month: 'long', year: 'numeric' }).format(ms);
}

/** `1 Jul`, where there is little room. */
export function shortDayShown(date: string, { locale }: PaperWords): string {
  const ms = dayMs(date);
  return Number.isNaN(ms) ? date : format('short', locale, { timeZone: 'UTC', day: 'numeric', month: 'short' }).format(ms);
}

/** The days from `from` up to the one before `to`: `1 – 31 July 2026`. */
export function daysShown(from: string, to: string, { locale }: PaperWords): string {
  return daysSaid('days', { day: 'numeric', month: 'long', year: 'numeric' }, from, to, locale);
}

/** The same in little room: `1 – 31 Jul`. */
export function shortDaysShown(from: string, to: string, { locale }: PaperWords): string {
  return daysSaid('shortDays', { day: 'numeric', month: 'short' }, from, to, locale);
}

/** A time in a zone, to the minute. */
export function timeShown(epochMs: number, zone: string, { locale }: PaperWords): string {
  try {
    return format('time', locale, { timeZone: zone, day: 'numeric', month: 'long', year: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(epochMs);
  } catch {
    return new Date(epochMs).toISOString();
  }
}

/** The day in a zone in which a time lies. */
export function dayOf(epochMs: number, zone: string, words: PaperWords): string {
  const ymd = format('ymd', 'en-CA', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit' });
  return dayShown(ymd.format(epochMs), words);
}

/** 0 is Sunday. */
export function weekdayOf(date: string): number {
  return new Date(dayMs(date)).getUTCDay();
}

function dayMs(date: string): number {
  return /^\d{4}-\d{2}-\d{2}$/.test(date) ? Date.parse(`${date}T00:00:00Z`) : NaN;
}
