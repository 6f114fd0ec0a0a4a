// @ts-check
/** Numbers with their units, times in the viewer's zone, and the words for what the engine names by codes. */

/**
 * The page speaks English, so its figures, months and days are English too, whatever the browser's own language is: `0,25` or `Juli` among English words would be read wrongly, by people and by what reads aloud.
 * British, as `1 Jul 2026` is clear to all.
 */
export const LANGUAGE = 'en-GB';

const whole = new Intl.NumberFormat(LANGUAGE, { maximumFractionDigits: 0 });
const decimals = [0, 1, 2].map((digits) => new Intl.NumberFormat(LANGUAGE, { minimumFractionDigits: digits, maximumFractionDigits: digits }));
const clock = new Intl.DateTimeFormat(LANGUAGE, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const clockMinutes = new Intl.DateTimeFormat(LANGUAGE, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const dayAndMinutes = new Intl.DateTimeFormat(LANGUAGE, { day: '2-digit', month: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const full = new Intl.DateTimeFormat(LANGUAGE, { day: '2-digit', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const zoneName = new Intl.DateTimeFormat(LANGUAGE, { timeZoneName: 'short' });

const DAY_MS = 86_400_000;

/** @param {number} count */
export function formatCount(count) {
  return whole.format(count);
}

/** @param {number} value @param {0 | 1 | 2} digits */
export function formatDecimal(value, digits) {
  return decimals[digits].format(value);
}

/**
 * A power in kW, from 1,000 kW on in MW: `14.8 kW`. `digits` are those of the kW figure.
 * @param {number} kw @param {0 | 1 | 2} [digits]
 */
export function formatPower(kw, digits = 1) {
  return Math.abs(kw) >= 1000 ? `${decimals[2].format(kw / 1000)} MW` : `${decimals[digits].format(kw)} kW`;
}

/** @param {number | null} percent */
export function formatPercent(percent) {
  return percent === null ? '–' : `${whole.format(percent)} %`;
}

/** @param {number} epochMs */
export function formatTime(epochMs) {
  return clock.format(epochMs);
}

/** `21:14` @param {number} epochMs */
export function formatMinute(epochMs) {
  return clockMinutes.format(epochMs);
}

/** A moment as short as it stays clear: `21:14`, or `01 Mar, 21:14` when it is not today. @param {number} epochMs @param {number} nowMs */
export function formatMoment(epochMs, nowMs) {
  const sameDay = new Date(epochMs).toDateString() === new Date(nowMs).toDateString();
  return sameDay ? clockMinutes.format(epochMs) : dayAndMinutes.format(epochMs);
}

/** A moment with its day and year, where nothing beside it says which: `01 Mar 2026, 21:14:05`. @param {number} epochMs */
export function formatFull(epochMs) {
  return full.format(epochMs);
}

/** `CET`, `GMT+2`: what the times on the page mean. @param {number} epochMs */
export function formatZone(epochMs) {
  return zoneName.formatToParts(epochMs).find((part) => part.type === 'timeZoneName')?.value ?? '';
}

/** `Europe/Berlin` */
export function zoneId() {
  return new Intl.DateTimeFormat(LANGUAGE).resolvedOptions().timeZone;
}

/** A length of time by its two largest units: `45 s`, `13 min`, `2 h 5 min`, `3 d 4 h`. @param {number} ms */
export function formatDuration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  if (ms < DAY_MS) return minutes % 60 === 0 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  const hours = Math.floor(ms / 3_600_000);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** @type {Record<import('./wire-types.js').Anomaly['kind'], string>} */
export const KIND_WORDS = {
  spike: 'Spike',
  drop: 'Drop',
  outage: 'Outage',
  flat_line: 'Flat line',
  voltage_band: 'Voltage out of band',
};

/** @type {Record<import('./wire-types.js').Anomaly['severity'], string>} */
export const SEVERITY_WORDS = { INFO: 'Info', WARN: 'Warning', CRITICAL: 'Critical' };

/** Load from which a region is called high, critical and over its capacity, in percent. */
const HIGH_PERCENT = 75;
const CRITICAL_PERCENT = 90;

/**
 * How full a region is, in a word that colour only repeats.
 * @param {number | null} percent
 * @returns {{ level: 'normal' | 'high' | 'critical', word: string, mark: string }}
 */
export function loadLevel(percent) {
  if (percent === null || percent <= HIGH_PERCENT) return { level: 'normal', word: '', mark: '' };
  if (percent <= CRITICAL_PERCENT) return { level: 'high', word: 'High', mark: '▲' };
  return { level: 'critical', word: percent > 100 ? 'Over capacity' : 'Critical', mark: '◆' };
}
