import { z } from 'zod';
import { TimestampParser } from '../actors/ingest/timestamp-parser.ts';
import { ID_PATTERN } from '../model/ids.ts';
import { nearestName } from '../runtime/nearest-name.ts';
import { WRITTEN_AS } from './openapi/schema-book.ts';
import type { Problem } from './problem-details.ts';

/** Query strings of the gateway: a zod schema a route; whatever it does not name is refused, every fault is listed. */

/** Bytes of a query string: every parameter at its longest fits twice over. */
export const QUERY_CHARS_MAX = 2_048;
/** Cursors are opaque to clients; the engine's own are a shard's position each, far below this. */
const CURSOR_CHARS_MAX = 1_024;
/** Length of the window that is shown when a query names no `from`. */
const RANGE_DEFAULT_MS = 24 * 3_600_000;
/** 9999-12-31T23:59:59.999Z, the last moment of RFC 3339. */
const TIME_MS_MAX = 253_402_300_799_999;

/** In the API's document, of queries and of bodies. */
export const TIME_WRITTEN = { anyOf: [{ type: 'string', format: 'date-time', pattern: '^(19[7-9]|[2-9]\\d\\d)\\d-.+:[0-5]\\d(\\.|[Zz+-])' }, { type: 'integer', minimum: 0, maximum: TIME_MS_MAX }], description: 'RFC 3339 with any offset, without leap seconds, or epoch milliseconds; from 1970 on.' };

export const FAULT_TIME = 'expected an RFC 3339 time with its offset, such as 2026-01-01T00:00:00Z, or epoch milliseconds';

export const idParameter = z.string().regex(ID_PATTERN, 'expected 1–64 characters of A–Z a–z 0–9 . _ : -');

export const timeParameter = z.string().transform((text, context) => {
  const ms = parseTime(text);
  if (ms !== null) return ms;
  context.issues.push({ code: 'custom', message: FAULT_TIME, input: text });
  return z.NEVER;
});
WRITTEN_AS.add(timeParameter, TIME_WRITTEN);

export const cursorParameter = z
  .string()
  .min(1, 'expected the nextCursor of a page')
  .max(CURSOR_CHARS_MAX, `longer than any cursor (${CURSOR_CHARS_MAX} characters)`);

export const flagParameter = z.enum(['true', 'false'], 'expected true or false').transform((text) => text === 'true');
WRITTEN_AS.add(flagParameter, { type: 'boolean' });

export function choiceParameter<const T extends readonly [string, ...string[]]>(options: T) {
  return z.enum(options, `expected one of ${options.join(', ')}`);
}

/** How many rows a page has at most. */
export function limitParameter(limits: { default: number; max: number }) {
  const fault = `expected a whole number from 1 to ${limits.max}`;
  const rows = z
    .string()
    .regex(/^\d{1,9}$/, { error: fault, abort: true })
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= limits.max, fault);
  WRITTEN_AS.add(rows, { type: 'integer', minimum: 1, maximum: limits.max });
  return rows.default(limits.default);
}

/** [from, to): `to` is now and `from` 24 hours earlier unless said otherwise. Give both to `timeRange`. */
export const rangeParameters = { from: timeParameter.optional(), to: timeParameter.optional() };

/** The range with its defaults, or the fault. `fromDefault` replaces the 24 hours. */
export function timeRange(query: { from?: number; to?: number }, nowMs: number, fromDefault?: number): { from: number; to: number } | Problem {
  const to = query.to ?? nowMs;
  const from = query.from ?? fromDefault ?? Math.max(0, to - RANGE_DEFAULT_MS);
  if (from < to) return { from, to };
  // Without `to`, a `from` in the future is the fault; the message must not speak of a parameter that was not sent.
  const message = query.to === undefined ? 'lies in the future and "to" is now by default; nothing can be there yet' : 'must be earlier than "to"';
  return invalidQuery([{ parameter: 'from', message }]);
}

/** The same for what is being written: without `to` there is no end, since a clock that was set back would hide the newest. */
export function openTimeRange(query: { from?: number; to?: number }, nowMs: number, fromDefault?: number): { from: number; to: number } | Problem {
  const range = timeRange(query, nowMs, fromDefault);
  return isProblem(range) ? range : { from: range.from, to: query.to ?? TIME_MS_MAX };
}

export interface QueryFault {
  parameter: string;
  message: string;
}

/** 400 with every fault, in words and as a list. */
export function invalidQuery(faults: readonly QueryFault[]): Problem {
  return {
    status: 400,
    code: 'invalid_query',
    detail: faults.map(({ parameter, message }) => (parameter === '' ? message : `"${parameter}": ${message}`)).join('; '),
    extras: { faults },
  };
}

export function isProblem(value: object): value is Problem {
  return 'status' in value && 'detail' in value;
}

/**
 * Parses a raw query string by the schema. A `+` in a value stands for itself, as in `…T00:00:00+01:00`: no value here has a space, and
 * offsets are mostly sent unescaped. `instead` counts in the place of what was sent.
 */
export function parseQuery<Schema extends z.ZodObject>(schema: Schema, rawQuery: string, instead: Readonly<Record<string, string>> = {}): z.output<Schema> | Problem {
  if (rawQuery.length > QUERY_CHARS_MAX) {
    return invalidQuery([{ parameter: '', message: `the query is longer than ${QUERY_CHARS_MAX} characters` }]);
  }
  const known = Object.keys(schema.shape);
  const given: Record<string, string> = {};
  const faults: QueryFault[] = [];
  for (const [name, value] of new URLSearchParams(rawQuery.replaceAll('+', '%2B'))) {
    if (!known.includes(name)) faults.push({ parameter: cut(name), message: unknownParameter(name, known) });
    else if (name in given) faults.push({ parameter: name, message: 'given more than once' });
    else given[name] = value;
  }
  for (const [name, value] of Object.entries(instead)) {
    // One that would be refused stays, and is.
    if (name in schema.shape && (given[name] === undefined || (schema.shape[name] as z.ZodType).safeParse(given[name]).success)) given[name] = value;
  }
  const parsed = schema.safeParse(given);
  if (!parsed.success) faults.push(...faultsOf(parsed.error));
  return faults.length === 0 && parsed.success ? parsed.data : invalidQuery(faults);
}

/** The same of a query that somebody else makes (`foreignQuery` of an operation). */
export function parseForeignQuery<Schema extends z.ZodObject>(schema: Schema, rawQuery: string): z.output<Schema> | Problem {
  const known = new URLSearchParams([...new URLSearchParams(rawQuery)].filter(([name]) => Object.hasOwn(schema.shape, name)));
  const faults = Object.keys(schema.shape).filter((name) => known.getAll(name).length > 1).map((parameter) => ({ parameter, message: 'given more than once' }));
  if (faults.length > 0) return invalidQuery(faults);
  const parsed = schema.safeParse(Object.fromEntries(known));
  return parsed.success ? parsed.data : invalidQuery(faultsOf(parsed.error));
}

function faultsOf(error: z.ZodError): QueryFault[] {
  return error.issues.map(({ path, message }) => ({ parameter: String(path[0] ?? ''), message }));
}

function unknownParameter(name: string, known: readonly string[]): string {
  if (known.length === 0) return 'there are no parameters here';
  const nearest = nearestName(name, known);
  return `there is no such parameter${nearest === null ? '' : `, did you mean "${nearest}"?`}; known are ${known.join(', ')}`;
}

/** A time as readings may carry it: RFC 3339 or epoch milliseconds. null: neither. */
export function parseTime(text: string): number | null {
  if (/^\d{1,15}$/.test(text)) return Number(text) <= TIME_MS_MAX ? Number(text) : null;
  const parser = new TimestampParser();
  // The parser may look past the end of the text.
  const bytes = Buffer.from(text.padEnd(text.length + TIMESTAMP_PADDING, '\0'), 'latin1');
  const valid = parser.parse(bytes, 0) === text.length;
  return valid && parser.valueMs >= 0 && parser.valueMs <= TIME_MS_MAX ? parser.valueMs : null;
}

/** TimestampParser looks at up to twenty bytes whatever they are. */
const TIMESTAMP_PADDING = 24;

/** Characters of a client's text that a message repeats. */
function cut(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
