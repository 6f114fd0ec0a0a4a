import { Temporal } from 'temporal-polyfill';
import { OperationalError } from '../../runtime/errors.ts';

/** From what a file writes as a time to epoch milliseconds. */

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
/** Hours whose offset is remembered: eleven years of hours, about 8 MB; then the memory starts anew. */
const CACHED_HOURS_MAX = 100_000;

/** `wallMs` are the fields as if they were UTC; `offsetMs` is what the text itself says, null when it leaves that to the zone. */
export interface ParsedTime {
  wallMs: number;
  offsetMs: number | null;
}

/** Text → fields; null when the text is not such a time. */
export type TimeParser = (text: string) => ParsedTime | null;

const ISO = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(Z|z|[+-]\d{2}:?\d{2})?$/;
const TOKENS: Readonly<Record<string, string>> = { YYYY: '(\\d{4})', MM: '(\\d{1,2})', DD: '(\\d{1,2})', HH: '(\\d{1,2})', mm: '(\\d{1,2})', ss: '(\\d{1,2})', SSS: '(\\d{3})' };

/**
 * A parser for `iso` (date, time to the minute or finer, optional offset), `epoch-ms`, `epoch-s`, or a pattern of YYYY MM DD HH mm ss SSS with anything
 * between them, like "DD/MM/YYYY HH:mm:ss"; day, month and time may be written without leading zeros. 24:00 is the next midnight. Throws OperationalError
 * `usage` for a pattern without year, month and day.
 */
export function timeParser(format: string): TimeParser {
  if (format === 'iso') return parseIso;
  if (format === 'epoch-ms') return (text) => parseEpoch(text, 1);
  if (format === 'epoch-s') return (text) => parseEpoch(text, 1_000);
  const names: string[] = [];
  const source = format
    .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replace(/YYYY|MM|DD|HH|mm|SSS|ss/g, (token) => {
      names.push(token);
      return TOKENS[token];
    });
  if (!['YYYY', 'MM', 'DD'].every((token) => names.includes(token)) || new Set(names).size !== names.length) {
    throw new OperationalError('usage', `"${format}" is not a time format; write one like "DD/MM/YYYY HH:mm:ss", or iso, epoch-ms, epoch-s`);
  }
  const pattern = new RegExp(`^${source}$`);
  const at = (token: string) => names.indexOf(token) + 1;
  const [year, month, day, hour, minute, second, fraction] = ['YYYY', 'MM', 'DD', 'HH', 'mm', 'ss', 'SSS'].map(at);
  return (text) => {
    const match = pattern.exec(text);
    if (match === null) return null;
    const field = (group: number) => (group === 0 ? 0 : Number(match[group]));
    const wallMs = wallTime(field(year), field(month), field(day), field(hour), field(minute), field(second), field(fraction));
    return wallMs === null ? null : { wallMs, offsetMs: null };
  };
}

function parseIso(text: string): ParsedTime | null {
  const match = ISO.exec(text);
  if (match === null) return null;
  const milliseconds = match[7] === undefined ? 0 : Number(match[7].slice(0, 3).padEnd(3, '0'));
  const wallMs = wallTime(Number(match[1]), Number(match[2]), Number(match[3]), Number(match[4] ?? 0), Number(match[5] ?? 0), Number(match[6] ?? 0), milliseconds);
  if (wallMs === null) return null;
  return { wallMs, offsetMs: match[8] === undefined ? null : parseOffsetMs(match[8]) };
}

function parseEpoch(text: string, unitMs: number): ParsedTime | null {
  return /^\d{1,13}(\.\d+)?$/.test(text) ? { wallMs: Math.round(Number(text) * unitMs), offsetMs: 0 } : null;
}

function wallTime(year: number, month: number, day: number, hour: number, minute: number, second: number, ms: number): number | null {
  const endOfDay = hour === 24 && minute === 0 && second === 0 && ms === 0;
  if ((hour > 23 && !endOfDay) || minute > 59 || second > 59) return null;
  const midnightMs = Date.UTC(year, month - 1, day);
  const date = new Date(midnightMs);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  return midnightMs + hour * HOUR_MS + minute * MINUTE_MS + second * 1_000 + ms;
}

/** "Z" or "+10:00" → ms east of UTC; null for anything else. */
function parseOffsetMs(text: string): number | null {
  if (text === 'Z' || text === 'z') return 0;
  const match = /^([+-])(\d{2}):?(\d{2})$/.exec(text);
  if (match === null || Number(match[2]) > 23 || Number(match[3]) > 59) return null;
  return (match[1] === '-' ? -1 : 1) * (Number(match[2]) * 60 + Number(match[3])) * MINUTE_MS;
}

/**
 * Wall clock of one zone → epoch ms. `UTC`, a fixed offset like `+10:00`, or an IANA name.
 *
 * When clocks go back, a time comes twice. It is taken as the first occurrence, unless the series' previous reading (`previousMs`) already lies between the two: then
 * as the second. So a file in order of time that has all 100 quarter-hours of such a day keeps them, and one with 96 gets the first. When clocks go forward, the hour that never was
 * gives null: whoever writes such times does not use this zone's clock.
 */
export class ZoneClock {
  readonly zone: string;
  private readonly fixedOffsetMs: number | null;
  /** Offset of a wall-clock hour; NaN where it changes in or around the hour. */
  private readonly hourOffsetMs = new Map<number, number>();

  /** Throws OperationalError `usage` for an unknown zone. */
  constructor(zone: string) {
    this.zone = zone;
    this.fixedOffsetMs = zone.toUpperCase() === 'UTC' ? 0 : parseOffsetMs(zone);
    if (this.fixedOffsetMs !== null) return;
    try {
      Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(zone);
    } catch (cause) {
      throw new OperationalError('usage', `"${zone}" is not a time zone; write an IANA name like Europe/Paris, UTC, or an offset like +10:00`, { cause });
    }
  }

  toEpochMs(wallMs: number, previousMs: number | null): number | null {
    if (this.fixedOffsetMs !== null) return wallMs - this.fixedOffsetMs;
    const hour = Math.floor(wallMs / HOUR_MS);
    let offsetMs = this.hourOffsetMs.get(hour);
    if (offsetMs === undefined) {
      if (this.hourOffsetMs.size >= CACHED_HOURS_MAX) this.hourOffsetMs.clear();
      offsetMs = this.offsetOfHour(hour);
      this.hourOffsetMs.set(hour, offsetMs);
    }
    if (!Number.isNaN(offsetMs)) return wallMs - offsetMs;
    const { firstMs, secondMs } = this.occurrences(wallMs);
    if (firstMs === null) return null;
    return previousMs !== null && previousMs >= firstMs && previousMs < secondMs ? secondMs : firstMs;
  }

  private offsetOfHour(hour: number): number {
    const start = this.occurrences(hour * HOUR_MS);
    const end = this.occurrences(hour * HOUR_MS + HOUR_MS - 1);
    const plain = start.firstMs !== null && end.firstMs !== null && start.firstMs === start.secondMs && end.firstMs === end.secondMs;
    return plain && end.firstMs! - start.firstMs! === HOUR_MS - 1 ? hour * HOUR_MS - start.firstMs! : NaN;
  }

  /** Both instants that show this time; equal when there is one, null when there is none. */
  private occurrences(wallMs: number): { firstMs: number | null; secondMs: number } {
    const wall = Temporal.Instant.fromEpochMilliseconds(wallMs).toZonedDateTimeISO('UTC').toPlainDateTime();
    const first = wall.toZonedDateTime(this.zone, { disambiguation: 'earlier' });
    const secondMs = wall.toZonedDateTime(this.zone, { disambiguation: 'later' }).epochMilliseconds;
    return { firstMs: first.toPlainDateTime().equals(wall) ? first.epochMilliseconds : null, secondMs };
  }
}
