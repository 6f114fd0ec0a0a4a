import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import type { Span } from '../runtime/tracing.ts';
import { PROBLEM_CONTENT_TYPE, problemDocument, retryAfter, statusLine } from './problem-details.ts';
import type { Problem } from './problem-details.ts';

/**
 * One HTTP request and its one answer. The only code that touches uWebSockets' `res`, because every misuse of it is fatal:
 * returning without an answer or an abort handler ends the process, and so may a write after an abort.
 */

/** Longest x-request-id that is taken over from a client: a UUID, a W3C trace id or a ULID fit with room. */
export const REQUEST_ID_CHARS_MAX = 128;
const REQUEST_ID_PATTERN = /^[A-Za-z0-9._:/+=-]+$/;

/** Further header fields of an answer. */
export type HeaderFields = readonly (readonly [name: string, value: string])[];

/** What an exchange asks of the server it belongs to (http-front.ts). */
export interface ExchangeOwner {
  /** True while the server drains: answers then close their connection. */
  readonly closing: boolean;
  /** Of every answer that does not have fields of these names itself. */
  readonly headers: HeaderFields;
  freshRequestId(): string;
  /** Called exactly once for each exchange; `status` is 0 when the client went away first. */
  exchangeEnded(status: number): void;
  /** An error nobody expected, already answered with 500. */
  exchangeFailed(exchange: Exchange, error: unknown): void;
}

export class Exchange {
  /** As it was sent: `GET`. */
  readonly method: string;
  /** Set before answering to have the connection closed after the answer. */
  closeAfter = false;
  /** The request's span, set by the server that opened it; null: not traced. */
  trace: Span | null = null;
  private readonly owner: ExchangeOwner;
  /** null once answered or aborted: nothing may touch it any more. */
  private res: HttpResponse | null;
  private readonly clientRequestId: string;
  private ownRequestId = '';
  /** Of this answer, beside the server's. */
  private furtherHeaders: HeaderFields = [];
  private ended: ((status: number) => void)[] | null = null;
  /** As a proxy says it; null: the peer is the client. */
  private client: string | null = null;

  /** Attaches the abort handler before anything else can happen. `head` is valid during the handler only and is not kept. */
  constructor(owner: ExchangeOwner, method: string, res: HttpResponse, head: HttpRequest) {
    this.owner = owner;
    this.method = method;
    this.res = res;
    res.onAborted(() => {
      if (this.res === null) return;
      this.res = null;
      this.finish(0);
    });
    this.clientRequestId = head.getHeader('x-request-id');
  }

  /** False once an answer was sent or the client went away; answering then does nothing. */
  get isOpen(): boolean {
    return this.res !== null;
  }

  /** The client's x-request-id where it is well-formed, else a fresh one. */
  get requestId(): string {
    const theirs = this.clientRequestId;
    if (theirs.length > 0 && theirs.length <= REQUEST_ID_CHARS_MAX && REQUEST_ID_PATTERN.test(theirs)) return theirs;
    if (this.ownRequestId === '') this.ownRequestId = this.owner.freshRequestId();
    return this.ownRequestId;
  }

  /** Whose request it is, where a proxy that is trusted passes it on. */
  setClient(address: string): void {
    this.client = address;
  }

  /** IP address of the client as text: of the peer, unless a proxy said whose. Empty once the exchange has ended. */
  remoteAddress(): string {
    return this.res === null ? '' : (this.client ?? this.peerAddress());
  }

  /** IP address of the other end of the connection. */
  peerAddress(): string {
    return this.res === null ? '' : Buffer.from(this.res.getRemoteAddressAsText()).toString('latin1');
  }

  /** Fields that the answer is to have, whatever it is. Those of a name that it has already take its place. */
  addHeaders(fields: HeaderFields): void {
    this.furtherHeaders = [...this.furtherHeaders.filter(([name]) => !hasField(fields, name)), ...fields];
  }

  /** Calls `fn` once when the answer is sent or the client goes away (status 0), to free what the request holds. At once if that has happened. */
  onEnded(fn: (status: number) => void): void {
    if (this.res === null) fn(0);
    else (this.ended ??= []).push(fn);
  }

  /**
   * Passes on the body as it comes; `chunk` is borrowed until `fn` returns. Must be called before the handler first returns to the
   * event loop, else the body is lost. Silent once the exchange has ended; an error thrown by `fn` is answered with 500.
   */
  onData(fn: (chunk: ArrayBuffer, isLast: boolean) => void): void {
    this.res?.onData((chunk, isLast) => {
      if (this.res === null) return;
      try {
        fn(chunk, isLast);
      } catch (error) {
        this.fail(error);
      }
    });
  }

  /**
   * Sends the answer. A body of a HEAD request is measured, not sent. `x-request-id` is echoed where the client sent one.
   * Strings go out as UTF-8.
   */
  reply(status: number, contentType: string | null, body: string | Uint8Array, headers?: HeaderFields): void {
    const res = this.res;
    if (res === null) return;
    this.res = null;
    const close = this.closeAfter || this.owner.closing;
    res.cork(() => {
      res.writeStatus(statusLine(status));
      if (contentType !== null) res.writeHeader('content-type', contentType);
      if (this.clientRequestId !== '' || this.ownRequestId !== '') res.writeHeader('x-request-id', this.requestId);
      if (headers !== undefined) for (const [name, value] of headers) res.writeHeader(name, value);
      for (const [name, value] of this.furtherHeaders) res.writeHeader(name, value);
      for (const [name, value] of this.owner.headers) if (headers === undefined || !hasField(headers, name)) res.writeHeader(name, value);
      if (status === 204 || status === 304) res.endWithoutBody(undefined, close);
      else if (this.method === 'HEAD') res.endWithoutBody(typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength, close);
      else res.end(body, close);
    });
    this.finish(status);
  }

  /** Answers with a value as JSON. */
  json(status: number, value: unknown, headers?: HeaderFields): void {
    this.reply(status, 'application/json', JSON.stringify(value), headers);
  }

  /** Answers without a body: 204, 304. */
  empty(status: 204 | 304, headers?: HeaderFields): void {
    this.reply(status, null, '', headers);
  }

  /** Answers with a problem document, Retry-After where the problem has one, and always an x-request-id. */
  problem(problem: Problem, headers: HeaderFields = []): void {
    if (this.res === null) return;
    const document = problemDocument(problem, this.requestId);
    const { retryAfterSeconds, challenge } = problem;
    const fields = [...headers];
    if (retryAfterSeconds !== undefined) fields.push(retryAfter(retryAfterSeconds));
    if (challenge !== undefined) fields.push(['www-authenticate', challenge]);
    this.reply(problem.status, PROBLEM_CONTENT_TYPE, document, fields);
  }

  /** An error nobody expected: 500 to the client, the error itself to the owner's log. */
  fail(error: unknown): void {
    this.problem({ status: 500, code: 'internal_error', detail: 'The engine failed on this request. Its log has the reason under this requestId.' });
    this.owner.exchangeFailed(this, error);
  }

  private finish(status: number): void {
    const ended = this.ended;
    this.ended = null;
    if (this.trace !== null) endTrace(this.trace, status);
    this.owner.exchangeEnded(status);
    if (ended !== null) for (const fn of ended) fn(status);
  }
}

/** By OpenTelemetry's conventions for HTTP servers an answer of 4xx is the client's fault and no error. */
function hasField(headers: HeaderFields, name: string): boolean {
  for (const [had] of headers) if (had === name) return true;
  return false;
}

function endTrace(trace: Span, status: number): void {
  if (status === 0) trace.end({ error: 'the client went away before its answer' });
  else trace.end({ attributes: { 'http.response.status_code': status }, error: status >= 500 ? `${status}` : undefined });
}
