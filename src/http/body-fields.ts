import { z } from 'zod';
import { FAULT_LINE, FAULT_LINES, LINES, NOT_BLANK, ONE_LINE } from '../model/plain-text.ts';
import { isPlainObject } from './json-merge.ts';
import { WRITTEN_AS } from './openapi/schema-book.ts';
import type { Problem } from './problem-details.ts';
import { FAULT_TIME, parseTime, TIME_WRITTEN } from './query-parameters.ts';

/** Fields of bodies, and what is wrong with them. */

export const BY_CHARS_MAX = 128;
/** Who does something: said by who sends it in an engine without accounts; with them it is the name of who is logged in, whatever was sent. */
export const byField = z.string().trim().max(BY_CHARS_MAX, `expected ${BY_CHARS_MAX} characters at most`).regex(NOT_BLANK, 'expected who does it').regex(ONE_LINE, FAULT_LINE);
const WHY_CHARS_MAX = 1_000;
export const whyField = z.string().trim().max(WHY_CHARS_MAX, `expected ${WHY_CHARS_MAX} characters at most`).regex(LINES, FAULT_LINES);
/** Ids are opaque to clients; the supervisors' own are shorter. */
export const idField = z.string().min(1, 'expected an id').max(128, 'longer than any id').regex(/^[!-~]*$/, 'no id has such characters');

/** A change is judged by what it makes of the whole. */
export const anyObject = z.custom<object>(isPlainObject, 'expected an object');

/** RFC 3339 or epoch milliseconds, as in queries. */
export const timeField = z.union([z.string(), z.number()], FAULT_TIME).transform((given, context) => {
  const ms = parseTime(String(given));
  if (ms !== null) return ms;
  context.issues.push({ code: 'custom', message: FAULT_TIME, input: given });
  return z.NEVER;
});

WRITTEN_AS.add(timeField, TIME_WRITTEN);

export interface BodyFault {
  /** As `rules[2].for`; empty for the body as a whole. */
  path: string;
  message: string;
}

/** Most faults that are listed; a body can have thousands, and the first ones are what somebody mends. */
const FAULTS_MAX = 100;
const PATH_CHARS_MAX = 200;

/** What a schema found, each fault by itself. */
export function bodyFaults(error: z.ZodError): BodyFault[] {
  return error.issues.flatMap((issue) => faultsOfIssue(issue, []));
}

/** 422 with every fault, in words and as a list. */
export function invalidBody(faults: readonly BodyFault[]): Problem {
  const listed = faults.slice(0, FAULTS_MAX);
  const words = listed.slice(0, 5).map(({ path, message }) => (path === '' ? message : `"${path}": ${message}`));
  if (faults.length > words.length) words.push(`${faults.length - words.length} more`);
  return { status: 422, code: 'invalid_body', detail: words.join('; '), extras: { faults: listed } };
}

type Issue = z.core.$ZodIssue;

function faultsOfIssue(issue: Issue, before: readonly PropertyKey[]): BodyFault[] {
  const path = [...before, ...issue.path];
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => ({ path: pathText([...path, key]), message: 'there is no such field' }));
  if (issue.code === 'invalid_union' && issue.errors.length > 0 && issue.message === 'Invalid input') {
    // Of the shapes that it could have, the one it is nearest to: that it is no text says nothing of an object, whose field is at fault.
    const depthOf = (errors: readonly Issue[]): number => Math.min(...errors.map(({ path: inner }) => inner.length));
    const nearest = issue.errors.reduce((best, errors) => (depthOf(errors) > depthOf(best) || (depthOf(errors) === depthOf(best) && errors.length < best.length) ? errors : best));
    return nearest.flatMap((inner) => faultsOfIssue(inner, path));
  }
  return [{ path: pathText(path), message: plainWords(issue.message) }];
}

/** Zod's `Invalid input: expected string, received number` without its beginning. */
function plainWords(message: string): string {
  return message.replace(/^Invalid (input|option): /, '').replace(/^expected (\w+), received undefined$/, 'is missing (expected $1)');
}

function pathText(path: readonly PropertyKey[]): string {
  const text = path.map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i === 0 ? '' : '.'}${String(part)}`)).join('');
  return text.length > PATH_CHARS_MAX ? `${text.slice(0, PATH_CHARS_MAX)}…` : text;
}
