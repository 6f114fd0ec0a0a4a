/** Errors as RFC 9457 problem documents (`application/problem+json`): one shape for ingest and gateway. */

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

export interface Problem {
  status: number;
  /** Stable word a program can switch on, as `too_large`; also the tail of `type`. */
  code: string;
  /** What was wrong with this request and what to do about it, for people. */
  detail: string;
  /** URI reference of the thing concerned, where there is one. */
  instance?: string;
  /** Sent as Retry-After, whole seconds. */
  retryAfterSeconds?: number;
  /** Sent as WWW-Authenticate, which RFC 9110 asks of a 401. */
  challenge?: string;
  /** Further members of the document, as `offset` or `faults`. They cannot replace the standard ones. */
  extras?: Readonly<Record<string, unknown>>;
}

/** Reason phrases of the statuses the engine sends (RFC 9110). */
export const STATUS_PHRASE: Readonly<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  204: 'No Content',
  303: 'See Other',
  304: 'Not Modified',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  408: 'Request Timeout',
  409: 'Conflict',
  413: 'Content Too Large',
  414: 'URI Too Long',
  415: 'Unsupported Media Type',
  421: 'Misdirected Request',
  422: 'Unprocessable Content',
  426: 'Upgrade Required',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

/** `202 Accepted`; a status without a known phrase gets its number alone. */
export function statusLine(status: number): string {
  const phrase = STATUS_PHRASE[status];
  return phrase === undefined ? `${status}` : `${status} ${phrase}`;
}

/** The field that says when to try again, in whole seconds. */
export function retryAfter(seconds: number): readonly [string, string] {
  return ['retry-after', `${Math.ceil(seconds)}`];
}

/** The document as JSON text: type, title, status, detail, code, requestId, instance where given, then the extras. */
export function problemDocument(problem: Problem, requestId: string): string {
  return JSON.stringify({
    ...problem.extras,
    type: `urn:seg:problem:${problem.code}`,
    title: STATUS_PHRASE[problem.status] ?? 'Error',
    status: problem.status,
    detail: problem.detail,
    instance: problem.instance,
    code: problem.code,
    requestId,
  });
}
