/** RFC 3339 timestamps, from their bytes, without a Date. */

const ZERO = 0x30;
const DASH = 0x2d;
const PLUS = 0x2b;
const COLON = 0x3a;
const DOT = 0x2e;
const SPACE = 0x20;
const LOWER_T = 0x74;
const LOWER_Z = 0x7a;
const CASE_BIT = 0x20;

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

/** Days of each month, January at 1, of a year that is not a leap year. */
const MONTH_DAYS = Uint8Array.of(0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31);

/**
 * Parses `date T time offset`, the offset required. The date of the timestamp before is remembered, since neighbours in a batch mostly
 * share it.
 */
export class TimestampParser {
  /** What the last successful `parse` found: epoch milliseconds, finer digits cut off. */
  valueMs = 0;
  private lastYear = 1970;
  private lastMonth = 1;
  private lastDay = 1;
  private lastDayMs = 0;

  /**
   * Parses the timestamp that starts at `bytes[at]`; returns where it ends, or −1 when there is none. May look at up to twenty bytes
   * whatever they are. Leap seconds (:60), hour 24 and days the calendar lacks are refused.
   */
  parse(bytes: Uint8Array, at: number): number {
    const year = twoDigits(bytes, at) * 100 + twoDigits(bytes, at + 2);
    const month = twoDigits(bytes, at + 5);
    const day = twoDigits(bytes, at + 8);
    const hour = twoDigits(bytes, at + 11);
    const minute = twoDigits(bytes, at + 14);
    const second = twoDigits(bytes, at + 17);
    const separator = bytes[at + 10];
    // A pair that is not two digits comes out negative, and so does whatever it takes part in.
    if (year < 0 || month < 1 || day < 1 || hour < 0 || minute < 0 || second < 0) return -1;
    if (month > 12 || hour > 23 || minute > 59 || second > 59) return -1;
    if (bytes[at + 4] !== DASH || bytes[at + 7] !== DASH || bytes[at + 13] !== COLON || bytes[at + 16] !== COLON) return -1;
    if ((separator | CASE_BIT) !== LOWER_T && separator !== SPACE) return -1;
    if (day !== this.lastDay || month !== this.lastMonth || year !== this.lastYear) {
      if (day > daysInMonth(year, month)) return -1;
      this.lastDayMs = daysFromCivil(year, month, day) * DAY_MS;
      this.lastDay = day;
      this.lastMonth = month;
      this.lastYear = year;
    }
    let p = at + 19;
    let milliseconds = 0;
    if (bytes[p] === DOT) {
      const first = ++p;
      let unit = 100;
      for (let digit = 0; (digit = (bytes[p] - ZERO) >>> 0) <= 9; p++) {
        milliseconds += digit * unit;
        // 100, 10, 1, then 0: digits past the third add nothing.
        unit = (unit / 10) | 0;
      }
      if (p === first) return -1;
    }
    const timeMs = hour * HOUR_MS + minute * MINUTE_MS + second * 1000 + milliseconds;
    const sign = bytes[p];
    if ((sign | CASE_BIT) === LOWER_Z) {
      this.valueMs = this.lastDayMs + timeMs;
      return p + 1;
    }
    if (sign !== PLUS && sign !== DASH) return -1;
    const offsetHour = twoDigits(bytes, p + 1);
    const offsetMinute = twoDigits(bytes, p + 4);
    if (offsetHour < 0 || offsetHour > 23 || offsetMinute < 0 || offsetMinute > 59 || bytes[p + 3] !== COLON) return -1;
    const offsetMs = offsetHour * HOUR_MS + offsetMinute * MINUTE_MS;
    this.valueMs = this.lastDayMs + timeMs - (sign === PLUS ? offsetMs : -offsetMs);
    return p + 6;
  }
}

/** The number two ASCII digits make, or a negative one far below any sum of others when they are not digits. */
function twoDigits(bytes: Uint8Array, at: number): number {
  const tens = (bytes[at] - ZERO) >>> 0;
  const ones = (bytes[at + 1] - ZERO) >>> 0;
  return tens > 9 || ones > 9 ? -100_000 : tens * 10 + ones;
}

function daysInMonth(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && leap ? 29 : MONTH_DAYS[month];
}

/**
 * Days from 1970-01-01 to a date of the proleptic Gregorian calendar, years 0–9999. Years start in March, so that the leap day is the
 * last. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
 */
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
