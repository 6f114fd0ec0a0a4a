import { hash } from 'node:crypto';
import { OperationalError } from '../runtime/errors.ts';
import type { Exchange, HeaderFields } from './exchange.ts';
import type { KeptAnswer } from './idempotency.ts';
import { PROBLEM_CONTENT_TYPE, problemDocument, retryAfter, type Problem } from './problem-details.ts';
import { invalidQuery, isProblem } from './query-parameters.ts';
import { matchesEtag } from './static-files.ts';
import { problemOfRefusal } from './supervisor-refusals.ts';

/** What routes of the gateway answer, and how that goes out: as a document, a file or a page, or as the reason why there is none. */

/** Answers are of the moment and for this client alone. */
export const ANSWER_HEADERS: HeaderFields = [
  ['cache-control', 'no-store'],
  ['x-content-type-options', 'nosniff'],
];

/** The document of a 200 (null: 204), or why there is none. */
export type RouteAnswer = Answer | Problem;

export interface Answer {
  document: object | null;
  /** Sent as ETag, to be given back as If-Match. */
  version?: number;
  /** It says things that become others without a version more, as what time makes of it: never 304. */
  changesByItself?: true;
  /** Path of what was made: 201. */
  location?: string;
  /** It was begun and goes on by itself: 202. */
  isBegun?: boolean;
  /** In the place of a document: where a browser goes next, 303. */
  redirect?: string;
  /** In the place of a document. */
  file?: AnswerFile;
  /** In the place of a document whose JSON is made when it is sent. Of nobody's rows: they cannot be left out of it. */
  page?: RenderedPage;
  /** Further header fields. */
  headers?: HeaderFields;
}

/** What a browser saves and other programs read. */
export interface AnswerFile {
  /** Media type. */
  type: string;
  /** Name it is saved as: letters, digits, `.`, `_` and `-`. */
  name: string;
  content: string | Uint8Array;
  /** Of a list in parts, the cursor of the next: sent as x-next-cursor. */
  nextCursor?: string | null;
}

export interface RenderedPage {
  /** What tells it from another, as an ETag may have it. */
  tag(): string;
  /** Borrowed until another page is rendered. */
  render(): Uint8Array;
}

function statusOf(answered: RouteAnswer): number {
  if (isProblem(answered)) return answered.status;
  if (answered.redirect !== undefined) return 303;
  if (answered.file === undefined && answered.page === undefined && answered.document === null) return 204;
  if (answered.isBegun === true) return 202;
  return answered.location === undefined ? 200 : 201;
}

/** An answer as it goes out; a question whose client has it already (`seenTags`) gets 304. */
export function renderedAnswer(answered: Answer, seenTags: string | undefined): KeptAnswer {
  const { document, version, redirect, file, page } = answered;
  const location = answered.location ?? redirect;
  const headers = [...ANSWER_HEADERS, ...(answered.headers ?? [])];
  if (location !== undefined) headers.push(['location', location]);
  if (file !== undefined) {
    headers.push(['content-disposition', `attachment; filename="${file.name}"`]);
    if (typeof file.nextCursor === 'string') headers.push(['x-next-cursor', file.nextCursor]);
  }
  const type = file?.type ?? (document === null && page === undefined ? null : 'application/json');
  const body = file?.content ?? (document === null ? '' : JSON.stringify(document));
  // Of a thing with a version the one that a change has to name; of any other answer to a question, what tells it from another.
  const etag = version !== undefined ? `"${version}"` : seenTags === undefined || type === null ? null : `W/"${page?.tag() ?? hash('sha1', body, 'base64url')}"`;
  if (etag !== null) headers.push(['etag', etag]);
  const isSeen = etag !== null && seenTags !== undefined && answered.changesByItself !== true && matchesEtag(seenTags, etag);
  if (isSeen) return { status: 304, type: null, body: '', headers };
  return { status: statusOf(answered), type, body: page?.render() ?? body, headers };
}

export function renderedProblem(problem: Problem, requestId: string): KeptAnswer {
  return { status: problem.status, type: PROBLEM_CONTENT_TYPE, body: problemDocument(problem, requestId), headers: problem.retryAfterSeconds === undefined ? [] : [retryAfter(problem.retryAfterSeconds)] };
}

export function send(exchange: Exchange, { status, type, body, headers }: KeptAnswer): void {
  exchange.reply(status, type, body, headers);
}

/** The answer to an error that the question itself caused; others are thrown on. */
export function problemOfQuery(error: unknown): Problem {
  if (error instanceof OperationalError && (error.code === 'invalid_cursor' || error.code === 'bad_cursor')) {
    return invalidQuery([{ parameter: 'cursor', message: 'not a nextCursor of this list; start again without one' }]);
  }
  const refusal = problemOfRefusal(error);
  if (refusal === null) throw error;
  return refusal;
}

/** 404 for a thing that the engine has never heard of; the code is the noun after `unknown_`. */
export function unknownThing(noun: string, name: string, hint: string): Problem {
  const shown = name.length > 64 ? `${name.slice(0, 64)}…` : name;
  return { status: 404, code: `unknown_${noun.replaceAll(' ', '_')}`, detail: `There is no ${noun} ${JSON.stringify(shown)}. ${hint}` };
}
