import { InvalidArgumentError } from 'commander';

/** Parsers of option values; each throws commander's InvalidArgumentError, which names the option and ends with exit code 2. */

const DURATION_UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** "500ms", "10s", "30m", "2h", "40d", "1w" → milliseconds; above zero. */
export function parseDurationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/.exec(text.trim());
  const durationMs = match === null ? NaN : Number(match[1]) * DURATION_UNIT_MS[match[2]];
  if (!Number.isInteger(durationMs) || durationMs < 1) throw new InvalidArgumentError('Write a duration like 500ms, 10s, 30m, 2h or 7d.');
  return durationMs;
}

/** A parser of whole numbers from `min` to `max`. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text.trim()) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
    return value;
  };
}

/** A parser of positive numbers up to `max`. */
export function positiveNumber(max: number): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? NaN : Number(text);
    if (!(value > 0 && value <= max)) throw new InvalidArgumentError(`Expected a number above 0, at most ${max}.`);
    return value;
  };
}

/** RFC 3339 with an offset, a UTC date, or epoch milliseconds → epoch milliseconds. */
export function parseInstantMs(text: string): number {
  if (/^\d{5,}$/.test(text)) return Number(text);
  const wellFormed = /^\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:\d{2}))?$/.test(text);
  const instantMs = wellFormed ? Date.parse(text.replace(' ', 'T')) : NaN;
  if (Number.isNaN(instantMs)) throw new InvalidArgumentError('Write a time like 2026-01-31T12:00:00Z or 2026-01-31T13:00:00+01:00, a UTC date like 2026-01-31, or epoch milliseconds.');
  return instantMs;
}

/** Collects a repeatable option whose values may also be separated by commas. */
export function collect(text: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), ...text.split(',').map((part) => part.trim()).filter((part) => part !== '')];
}
