import type { z } from 'zod';
import { bodyFaults } from './body-fields.ts';
import { BODY_LIMITS_DEFAULT } from './body-intake.ts';
import { jsonValue, unsupportedBody, type IntakeLimits } from './json-intake.ts';
import { isProblem } from './query-parameters.ts';
import type { Problem } from './problem-details.ts';

/** Bodies of many rows: a JSON array, or NDJSON, whose rows are read one by one as somebody gets to them. */

/** A request that has more is better made in parts: each part is answered, and can be sent again. */
export const ROWS_MAX = 10_000;
/** 500 bytes a row, twice what most have; an assignment of a meter with the longest names and both times has 460. An array is read at once, and that is some 30 ms of everybody's. */
const ROWS_BYTES_MAX = 5 * 1024 * 1024;
/** At once; past it 503. Admins and a few programs bring in data, and each such body is read, and its rows written, on the thread that answers everybody. */
const IMPORTS_IN_FLIGHT_MAX = 4;

export const ROW_INTAKE: IntakeLimits = {
  bodyBytesMax: ROWS_BYTES_MAX,
  inFlightMax: IMPORTS_IN_FLIGHT_MAX,
  bodyDeadlineMs: BODY_LIMITS_DEFAULT.bodyDeadlineMs,
  windowMs: BODY_LIMITS_DEFAULT.windowMs,
  windowBytesMin: BODY_LIMITS_DEFAULT.windowBytesMin,
};

export const NDJSON = 'application/x-ndjson';
export type RowFormat = 'json' | 'ndjson';

/** What the head of a request says its rows are; the 415 for what is neither. */
export function rowFormatOf(contentType: string, contentEncoding: string): RowFormat | Problem {
  const isNdjson = /^application\/(x-)?ndjson\s*(;|$)/i.test(contentType.trim());
  // The same rules for its parameters, and for what it is packed in.
  const fault = unsupportedBody(isNdjson ? contentType.replace(/^[^;]*/, 'application/json') : contentType, contentEncoding);
  return fault ?? (isNdjson ? 'ndjson' : 'json');
}

/** A row as it should be; or what is wrong with it, and what it calls itself as far as that can be read. */
export type JudgedRow<Row> = { row: Row } | { path: string; message: string; value: unknown };

/** The rows of a body, in their order, each judged when it is taken. A problem where there are none to be had, or too many. */
export function judgedRows<Row>(text: string, format: RowFormat, schema: z.ZodType<Row>): Iterable<JudgedRow<Row>> | Problem {
  if (format === 'ndjson') {
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    return refusalOfCount(lines.length) ?? each(lines, (line) => judgedLine(line, schema));
  }
  const json = jsonValue(text);
  if (isProblem(json)) return json;
  const { value } = json;
  if (!Array.isArray(value)) return { status: 422, code: 'invalid_body', detail: 'The body is no array: send an array of rows, or NDJSON with a row a line.' };
  return refusalOfCount(value.length) ?? each(value, (row: unknown) => judged(row, schema));
}

function* each<T, Row>(all: readonly T[], judge: (one: T) => JudgedRow<Row>): Generator<JudgedRow<Row>> {
  for (const one of all) yield judge(one);
}

function judgedLine<Row>(line: string, schema: z.ZodType<Row>): JudgedRow<Row> {
  const json = jsonValue(line);
  return isProblem(json) ? { path: '', message: json.detail.replace(/^The body/, 'the row'), value: null } : judged(json.value, schema);
}

function judged<Row>(value: unknown, schema: z.ZodType<Row>): JudgedRow<Row> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return { row: parsed.data };
  // One a row: who mends it finds the next one then.
  const [{ path, message }] = bodyFaults(parsed.error);
  return { path, message, value };
}

function refusalOfCount(count: number): Problem | null {
  if (count === 0) return { status: 422, code: 'invalid_body', detail: 'There is no row in the body.' };
  return count <= ROWS_MAX ? null : { status: 422, code: 'too_many_rows', detail: `${count} rows are more than the ${ROWS_MAX} that a request may have. Nothing of it was taken: send it in parts.`, extras: { rowsMax: ROWS_MAX } };
}
