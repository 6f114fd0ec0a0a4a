import type http from 'node:http';
import { OperationalError } from '../runtime/errors.ts';
import type { HttpExchange, HttpReply } from './http-exchange.ts';
import { findCredentials, readKept, writeKept, type Credentials } from './credentials.ts';
import { createAgent, parseBaseUrl, problemText, sendRequest } from './http-exchange.ts';
import { parseRetryAfterMs, pause, retryDelayMs } from './retry-policy.ts';

export const DEFAULT_API_URL = 'http://127.0.0.1:3000';
/** The gateway gives up on a shard sooner. */
const REQUEST_TIMEOUT_MS = 30_000;
/** A command may wait for a provider of messages, which has its own time limits. */
const COMMAND_TIMEOUT_MS = 90_000;
/** Attempts at one page: with back-off about half a minute, a shard's restart. */
const ATTEMPTS_MAX = 8;

/** One page of a list as the API sends it; times are ISO texts. */
export interface ApiPage {
  data: Record<string, unknown>[];
  nextCursor: string | null;
}

/** Reads the engine's API page by page, and gives it commands. The caller closes it. */
export class ApiClient {
  private readonly base: URL;
  private readonly agent: http.Agent;
  private readonly signal: AbortSignal | undefined;
  private readonly credentials: Credentials;
  /** Sent with each request; null: none, or it is asked for with the first. */
  private token: string | null = null;

  /** `token`: an access token; absent: what is known without one (credentials.ts); null: it is nobody. */
  constructor(url: string, signal?: AbortSignal, token?: string | null) {
    this.base = parseBaseUrl(url);
    this.agent = createAgent(this.base, 1);
    this.signal = signal;
    this.credentials = token === null ? { kind: 'none' } : findCredentials(token, this.base.origin);
    if (this.credentials.kind === 'token') this.token = this.credentials.token;
  }

  /** Of the engine: scheme, host and port. */
  get origin(): string {
    return this.base.origin;
  }

  /**
   * Every page of a list, in order. Tries again on 429, 502, 503 and 504. Throws OperationalError `api_unreachable`, `api_overloaded`, `not_found`, `unauthorized`, `api_refused`, `aborted`.
   */
  async *pages(path: string, query: Record<string, string>): AsyncGenerator<ApiPage> {
    let cursor: string | null = null;
    do {
      const url = this.urlOf(path, query);
      if (cursor !== null) url.searchParams.set('cursor', cursor);
      const page = parsePage(await this.get(url), url);
      yield page;
      if (page.nextCursor !== null && page.nextCursor === cursor) throw new OperationalError('api_refused', `${url.href} names itself as its next page`);
      cursor = page.nextCursor;
    } while (cursor !== null);
  }

  /**
   * Gives a command, once: who knows whether it was carried out when no answer came. Throws OperationalError `api_unreachable`, `api_overloaded`, `not_found`, `unauthorized`, `api_refused`, `aborted`.
   */
  post(path: string, document: object): Promise<Record<string, unknown>> {
    return this.write('POST', path, document);
  }

  /** Sends rows as NDJSON to where sending them again is harmless. Tries again and throws as `pages`. */
  async postRows(path: string, query: Record<string, string>, rows: string): Promise<Record<string, unknown>> {
    const url = this.urlOf(path, query);
    const headers = { accept: 'application/json', 'content-type': 'application/x-ndjson' };
    return parseDocument(await this.patiently({ url, method: 'POST', headers, body: Buffer.from(rows), agent: this.agent, timeoutMs: COMMAND_TIMEOUT_MS, signal: this.signal }), url);
  }

  /** Puts a document in its place; as `post`. */
  put(path: string, document: object): Promise<Record<string, unknown>> {
    return this.write('PUT', path, document);
  }

  /** Takes something away, even when this client has been stopped: what was begun may have to be ended. As `post`. */
  async remove(path: string): Promise<Record<string, unknown>> {
    const url = new URL(path, this.base);
    return this.documentOf(await this.sendAsSomebody({ url, method: 'DELETE', headers: { accept: 'application/json' }, agent: this.agent, timeoutMs: COMMAND_TIMEOUT_MS }), url);
  }

  /** Changes what is named of a document; as `post`. */
  patch(path: string, document: object): Promise<Record<string, unknown>> {
    return this.write('PATCH', path, document);
  }

  /** One document. Tries again and throws as `pages`. */
  async document(path: string, query: Record<string, string> = {}): Promise<Record<string, unknown>> {
    const url = this.urlOf(path, query);
    return parseDocument(await this.get(url), url);
  }

  /** The bytes of a file. Tries again and throws as `pages`. */
  async file(path: string, query: Record<string, string> = {}): Promise<Buffer> {
    return (await this.get(this.urlOf(path, query), '*/*')).body;
  }

  /** The parts of a file that comes in pages, in order. Tries again and throws as `pages`. */
  async *files(path: string, query: Record<string, string>): AsyncGenerator<Buffer> {
    for (let cursor: string | null = null; ; ) {
      const { body, headers } = await this.get(this.urlOf(path, cursor === null ? query : { ...query, cursor }), '*/*');
      yield body;
      const next = headers['x-next-cursor'];
      if (typeof next !== 'string') return;
      cursor = next;
    }
  }

  private urlOf(path: string, query: Record<string, string>): URL {
    const url = new URL(path, this.base);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    return url;
  }

  private async write(method: 'POST' | 'PUT' | 'PATCH', path: string, document: object): Promise<Record<string, unknown>> {
    const url = new URL(path, this.base);
    const headers = { accept: 'application/json', 'content-type': 'application/json' };
    return this.documentOf(await this.sendAsSomebody({ url, method, headers, body: Buffer.from(JSON.stringify(document)), agent: this.agent, timeoutMs: COMMAND_TIMEOUT_MS, signal: this.signal }), url);
  }

  private documentOf(reply: HttpReply, url: URL): Record<string, unknown> {
    if (reply.status === 204) return {};
    if (reply.status >= 200 && reply.status < 300) return parseDocument(reply, url);
    if (reply.status === 404) throw new OperationalError('not_found', problemText(reply));
    if ([429, 502, 503, 504].includes(reply.status)) throw new OperationalError('api_overloaded', `${url.origin} could not do it now: ${problemText(reply)}; try again later`, { retryable: true });
    throw refused(url, reply);
  }

  close(): void {
    this.agent.destroy();
  }

  private get(url: URL, accept = 'application/json'): Promise<HttpReply> {
    return this.patiently({ url, method: 'GET', headers: { accept }, agent: this.agent, timeoutMs: REQUEST_TIMEOUT_MS, signal: this.signal });
  }

  /** Again while the engine says that it may work later. */
  private async patiently(exchange: HttpExchange): Promise<HttpReply> {
    const { url } = exchange;
    for (let attempt = 0; ; attempt++) {
      const reply = await this.sendAsSomebody(exchange);
      if (reply.status === 200) return reply;
      if (reply.status === 404) throw new OperationalError('not_found', `the engine has nothing at ${url.pathname}: ${problemText(reply)}`);
      if (![429, 502, 503, 504].includes(reply.status)) throw refused(url, reply);
      if (attempt + 1 >= ATTEMPTS_MAX) throw new OperationalError('api_overloaded', `${url.origin} kept refusing: ${problemText(reply)}; try again later`, { retryable: true });
      await pause(retryDelayMs(attempt, parseRetryAfterMs(reply.headers['retry-after'], Date.now()), Math.random), this.signal);
    }
  }

  /** With the token, and once more with another where that has ended. */
  private async sendAsSomebody(exchange: HttpExchange): Promise<HttpReply> {
    if (this.token === null && this.credentials.kind === 'kept') await this.renew();
    const reply = await this.send(withToken(exchange, this.token));
    if (reply.status !== 401 || this.credentials.kind !== 'kept') return reply;
    await this.renew();
    return this.send(withToken(exchange, this.token));
  }

  /** Another token for the refresh token that seg login left; what comes with it is kept in its place. */
  private async renew(): Promise<void> {
    const { credentials } = this;
    const kept = credentials.kind === 'kept' ? readKept(credentials.path) : null;
    if (credentials.kind !== 'kept' || kept === null) return;
    const url = new URL('/api/v1/auth/refresh', this.base);
    const headers = { accept: 'application/json', 'content-type': 'application/json' };
    const reply = await this.send({ url, method: 'POST', headers, body: Buffer.from(JSON.stringify({ refreshToken: kept.refreshToken })), agent: this.agent, timeoutMs: REQUEST_TIMEOUT_MS, signal: this.signal });
    // An engine without accounts knows of none, and asks for none.
    if (reply.status === 404) return;
    if (reply.status !== 200) throw refused(url, reply);
    const { accessToken, refreshToken } = parseDocument(reply, url) as { accessToken: string; refreshToken: string };
    writeKept(credentials.path, { origin: kept.origin, refreshToken });
    this.token = accessToken;
  }

  private async send(exchange: HttpExchange): Promise<HttpReply> {
    try {
      return await sendRequest(exchange);
    } catch (error) {
      if (!(error instanceof OperationalError) || error.code !== 'unreachable') throw error;
      throw new OperationalError('api_unreachable', `no engine answers at ${exchange.url.origin}; start one with \`npm start\`, or name another with --url (${error.message})`, { retryable: true, cause: error });
    }
  }
}

function withToken(exchange: HttpExchange, token: string | null): HttpExchange {
  return token === null ? exchange : { ...exchange, headers: { ...exchange.headers, authorization: `Bearer ${token}` } };
}

/** Of a request that will be refused again as it is. */
function refused(url: URL, reply: HttpReply): OperationalError {
  if (reply.status === 401) return new OperationalError('unauthorized', `${url.origin} has accounts: ${problemText(reply)}; use seg login, --token or SEG_TOKEN`);
  return new OperationalError('api_refused', `${url.href} refused the request: ${problemText(reply)}`);
}

function parsePage(reply: HttpReply, url: URL): ApiPage {
  try {
    const page = JSON.parse(reply.body.toString('utf8')) as ApiPage;
    if (Array.isArray(page.data)) return { data: page.data, nextCursor: page.nextCursor ?? null };
  } catch {
    // Falls through: a body that is not JSON is as foreign as one without data.
  }
  throw new OperationalError('api_refused', `${url.href} answered with something that is not a page of data; is it the API port of an engine?`);
}

function parseDocument(reply: HttpReply, url: URL): Record<string, unknown> {
  try {
    const document = JSON.parse(reply.body.toString('utf8')) as Record<string, unknown> | null;
    if (typeof document === 'object' && document !== null) return document;
  } catch {
    // Falls through: what is not JSON is as foreign as what is no object.
  }
  throw new OperationalError('api_refused', `${url.href} answered with something that is not a document; is it the API port of an engine?`);
}
