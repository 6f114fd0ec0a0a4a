import { z } from 'zod';

/**
 * Kinds of settings. Each takes text (environment, flags) as well as JSON values (file), and says in plain words what it expects.
 */

/** A zod type with the words for its fault message and for the table of settings. */
export interface SettingType<T> {
  type: z.ZodType<T, unknown>;
  /** Completes "expected …". */
  expects: string;
}

/** Names a value, or says why there is none; null stands for "expected {expects}". */
export type Parsed<T> = { value: T } | { problem: string | null };

/** A kind of setting from its parser. */
export function settingType<T>(expects: string, parse: (raw: unknown) => Parsed<T>): SettingType<T> {
  const type = z.unknown().transform((raw, context): T => {
    const parsed = parse(raw);
    if ('value' in parsed) return parsed.value;
    context.issues.push({ code: 'custom', message: parsed.problem ?? `expected ${expects}`, input: raw });
    return z.NEVER;
  });
  return { type, expects };
}

const NOT_IT = { problem: null } as const;

export function wholeNumber(range: { min: number; max: number }): SettingType<number> {
  return settingType(`a whole number from ${range.min} to ${range.max}`, (raw) => {
    const value = numberOf(raw);
    return Number.isSafeInteger(value) && value >= range.min && value <= range.max ? { value } : NOT_IT;
  });
}

/** `unit` appears in the expectation only. */
export function decimalNumber(range: { min: number; max: number; unit: string }): SettingType<number> {
  return settingType(`a number from ${range.min} to ${range.max} (${range.unit})`, (raw) => {
    const value = numberOf(raw);
    return value >= range.min && value <= range.max ? { value } : NOT_IT;
  });
}

export function text(expects: string): SettingType<string> {
  return settingType(expects, (raw) => (typeof raw === 'string' && raw.trim() !== '' ? { value: raw } : NOT_IT));
}

/** Text that may be left out; null when it is. */
export function optionalText(expects: string): SettingType<string | null> {
  return settingType<string | null>(expects, (raw) => (raw === null || (typeof raw === 'string' && raw.trim() !== '') ? { value: raw } : NOT_IT));
}

/** A list in JSON, or separated by commas in text; empty when it is left out. `isItem` is asked of each. */
export function listOf(expects: string, isItem: (item: string) => boolean): SettingType<readonly string[]> {
  return settingType<readonly string[]>(expects, (raw) => {
    if (raw === null) return { value: [] };
    const items: unknown[] | null = Array.isArray(raw) ? raw : typeof raw === 'string' ? raw.split(',') : null;
    if (items === null || items.some((item) => typeof item !== 'string')) return NOT_IT;
    const value = (items as string[]).map((item) => item.trim());
    return value.length > 0 && value.every(isItem) ? { value } : NOT_IT;
  });
}

export function choice<const T extends readonly string[]>(options: T): SettingType<T[number]> {
  return settingType(`one of ${options.join(', ')}`, (raw) => {
    const found = options.find((option) => option === raw);
    return found === undefined ? NOT_IT : { value: found };
  });
}

/** 365 days of 24 hours: a longer duration in a setting is a slip. */
const DURATION_MS_MAX = 365 * 86_400_000;
const DURATION_UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Gives milliseconds. A bare number is refused, because nobody can tell what it counts; 0 needs no unit. */
export function duration(range: { min: string; max: string }): SettingType<number> {
  const minMs = durationMs(range.min) ?? 0;
  const maxMs = durationMs(range.max) ?? DURATION_MS_MAX;
  return settingType(`a duration with its unit, such as 500ms, 30s, 5m, 12h or 40d, from ${range.min} to ${range.max}`, (raw) => {
    const value = durationMs(raw);
    return value !== null && value >= minMs && value <= maxMs ? { value } : NOT_IT;
  });
}

/** Gives milliseconds, or null for `forever`. */
export function durationOrForever(range: { min: string; max: string }): SettingType<number | null> {
  const { type, expects } = duration(range);
  return settingType<number | null>(`${expects}, or forever`, (raw) => {
    if (raw === 'forever' || raw === null) return { value: null };
    const parsed = type.safeParse(raw);
    return parsed.success ? { value: parsed.data } : NOT_IT;
  });
}

/** Gives milliseconds, Infinity for `forever`, or null for `auto`. */
export function durationForeverOrAuto(range: { min: string; max: string }): SettingType<number | null> {
  const { type, expects } = duration(range);
  return settingType<number | null>(`${expects}, forever, or auto`, (raw) => {
    if (raw === 'auto' || raw === null) return { value: null };
    if (raw === 'forever') return { value: Infinity };
    const parsed = type.safeParse(raw);
    return parsed.success ? { value: parsed.data } : NOT_IT;
  });
}

const SIZE_UNIT_BYTES: Readonly<Record<string, number>> = {
  '': 1, b: 1,
  kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12,
  kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30, tib: 2 ** 40,
};

/** Gives bytes. A bare number counts bytes. */
export function byteSize(range: { min: string; max: string }): SettingType<number> {
  const min = sizeBytes(range.min) ?? 0;
  const max = sizeBytes(range.max) ?? Number.MAX_SAFE_INTEGER;
  return settingType(`a size such as 64KiB, 256MiB or 2GiB, from ${range.min} to ${range.max}`, (raw) => {
    const value = sizeBytes(raw);
    return value !== null && value >= min && value <= max ? { value } : NOT_IT;
  });
}

const ON_OFF: Readonly<Record<string, boolean>> = { true: true, on: true, yes: true, 1: true, false: false, off: false, no: false, 0: false };

export function onOff(): SettingType<boolean> {
  return settingType('on or off', (raw) => {
    const word = String(raw).toLowerCase();
    return Object.hasOwn(ON_OFF, word) ? { value: ON_OFF[word] } : NOT_IT;
  });
}

/** On or off; null, the default, leaves it to the program. */
export function onOffOrAuto(): SettingType<boolean | null> {
  return settingType('on, off or auto', (raw) => {
    if (raw === 'auto' || raw === null) return { value: null };
    const word = String(raw).toLowerCase();
    return Object.hasOwn(ON_OFF, word) ? { value: ON_OFF[word] } : NOT_IT;
  });
}

/** A mapping of names to numbers: a JSON object, or `name=12.5,other=8` in text. */
export function numbersByName(options: {
  entriesMax: number;
  min: number;
  max: number;
  unit: string;
  isName: (name: string) => boolean;
}): SettingType<Readonly<Record<string, number>>> {
  const range = `numbers from ${options.min} to ${options.max} (${options.unit})`;
  const expects = `names with ${range}, such as region-01=25,region-02=30, at most ${options.entriesMax}`;
  return settingType<Readonly<Record<string, number>>>(expects, (raw) => {
    const entries = typeof raw === 'string' ? entriesOfText(raw) : entriesOfObject(raw);
    if (entries === null) return NOT_IT;
    if (entries.length > options.entriesMax) return { problem: `expected at most ${options.entriesMax} names` };
    // Without a prototype, so that a region called `constructor` is a name like any other.
    const value: Record<string, number> = Object.create(null) as Record<string, number>;
    for (const [name, rawNumber] of entries) {
      const number = numberOf(rawNumber);
      if (!options.isName(name)) return { problem: `"${name}" is not a name: expected 1–64 of A–Z a–z 0–9 . _ : -` };
      if (!(number >= options.min && number <= options.max)) {
        return { problem: `expected a number from ${options.min} to ${options.max} (${options.unit}) for "${name}"` };
      }
      if (name in value) return { problem: `"${name}" is named twice` };
      value[name] = number;
    }
    return { value };
  });
}

function numberOf(raw: unknown): number {
  if (typeof raw === 'number') return raw;
  return typeof raw === 'string' && /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(raw) ? Number(raw) : NaN;
}

function durationMs(raw: unknown): number | null {
  if (raw === 0 || raw === '0') return 0;
  const match = typeof raw === 'string' ? /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*$/.exec(raw) : null;
  if (match === null) return null;
  const ms = Number(match[1]) * DURATION_UNIT_MS[match[2]];
  return Number.isInteger(ms) && ms <= DURATION_MS_MAX ? ms : null;
}

function sizeBytes(raw: unknown): number | null {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?b|)\s*$/i.exec(String(raw));
  const unitBytes = match === null ? undefined : SIZE_UNIT_BYTES[match[2].toLowerCase()];
  if (match === null || unitBytes === undefined) return null;
  const bytes = Number(match[1]) * unitBytes;
  return Number.isSafeInteger(bytes) ? bytes : null;
}

function entriesOfText(raw: string): [string, unknown][] | null {
  if (raw.trim().startsWith('{')) {
    try {
      return entriesOfObject(JSON.parse(raw));
    } catch {
      return null;
    }
  }
  const entries: [string, unknown][] = [];
  for (const part of raw.split(',')) {
    const cut = part.lastIndexOf('=');
    if (cut <= 0) return null;
    entries.push([part.slice(0, cut).trim(), part.slice(cut + 1)]);
  }
  return entries;
}

function entriesOfObject(raw: unknown): [string, unknown][] | null {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw) ? Object.entries(raw) : null;
}
