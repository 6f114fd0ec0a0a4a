import type { ClientRequest, Agent as HttpAgent, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Agent as HttpsAgent } from 'node:https';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import type { TimerHandle, Timers } from '../../../runtime/clock.ts';

/**
 * Requests over HTTP/1.1 that tell apart what certainly never reached the other side and what may have: nothing is written before the connection, with TLS and its certificate, stands. Redirects are not followed,
 * replies are bounded, and every request ends within its times.
 */

export interface HttpClientOptions {
  /** Until the connection stands, names and TLS included. */
  connectTimeoutMs: number;
  /** From then until the whole answer is there. */
  answerTimeoutMs: number;
  /** Certificate authorities in PEM beside those that Node knows; null: those alone. */
  ca: string | null;
}

export interface HttpRequest {
  method: 'GET' | 'POST';
  url: URL;
  headers: Readonly<Record<string, string>>;
  body: string | null;
}

/** `code` is Node's, as `ECONNREFUSED`, or `timeout`. */
export type HttpExchange =
  /** `body` is cut when it was longer than REPLY_BYTES_MAX or did not come in time: then `isWhole` is false. */
  | { kind: 'answered'; status: number; headers: IncomingHttpHeaders; body: string; isWhole: boolean }
  /** Not a byte of it was written. */
  | { kind: 'not_sent'; code: string; text: string }
  /** It was written, and no answer came. */
  | { kind: 'no_answer'; code: string; text: string };

/** Bytes of a reply that are read: providers answer with some 2 KB, a page of Twilio's list of messages with some 100 KB. */
export const REPLY_BYTES_MAX = 1024 * 1024;
/** Connections to one host: what a provider takes from one client, and what one that hangs can hold. */
const CONNECTIONS_PER_HOST = 16;
/** A connection that is kept for the next request is closed after this time: before the other side does (5 s is the shortest common time there), as a request written into a closing one may or may not have arrived. */
const IDLE_MS_MAX = 3_000;

const require = createRequire(import.meta.url);

/** Node's own client, loaded with the first request: with TLS and its certificates it is some megabytes, and most of the time there is nothing to send. */
interface NodeClient {
  http: typeof import('node:http');
  https: typeof import('node:https');
  plain: HttpAgent;
  secure: HttpsAgent;
}

export class HttpClient {
  private readonly options: HttpClientOptions;
  private readonly timers: Timers;
  private node: NodeClient | null = null;

  constructor(options: HttpClientOptions, timers: Timers) {
    this.options = options;
    this.timers = timers;
  }

  /** Never rejects. */
  exchange(request: HttpRequest): Promise<HttpExchange> {
    return new Promise<HttpExchange>((resolve) => new Exchange(request, { ...this.options, node: (this.node ??= nodeClient(this.options)), timers: this.timers }, resolve)).catch(
      // Node makes no request of some addresses, as with half a %XX in a password.
      (error: Error) => ({ kind: 'not_sent', code: codeOf(error), text: 'no request can be made of the address' }),
    );
  }

  close(): void {
    this.node?.plain.destroy();
    this.node?.secure.destroy();
  }
}

function nodeClient({ ca }: HttpClientOptions): NodeClient {
  const http = require('node:http') as NodeClient['http'];
  const https = require('node:https') as NodeClient['https'];
  const keep = { keepAlive: true, timeout: IDLE_MS_MAX, maxSockets: CONNECTIONS_PER_HOST, maxFreeSockets: 4 };
  const known = ca === null ? {} : { ca: [...(require('node:tls') as typeof import('node:tls')).rootCertificates, ca] };
  return { http, https, plain: new http.Agent(keep), secure: new https.Agent({ ...keep, ...known }) };
}

interface ExchangeModules extends HttpClientOptions {
  node: NodeClient;
  timers: Timers;
}

/** One request and what becomes of it. */
class Exchange {
  private readonly modules: ExchangeModules;
  private readonly body: string | null;
  private readonly resolve: (exchange: HttpExchange) => void;
  private readonly request: ClientRequest;
  private deadline: TimerHandle;
  private isWritten = false;
  private isDone = false;
  private answer: IncomingMessage | null = null;
  private readonly chunks: Buffer[] = [];
  private bytes = 0;

  constructor({ method, url, headers, body }: HttpRequest, modules: ExchangeModules, resolve: (exchange: HttpExchange) => void) {
    this.modules = modules;
    this.body = body;
    this.resolve = resolve;
    const isSecure = url.protocol === 'https:';
    const length = body === null ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const options = { method, headers: { 'user-agent': 'smart-energy-grid', 'accept-encoding': 'identity', ...headers, ...length } };
    const { http, https, plain, secure } = modules.node;
    this.request = isSecure ? https.request(url, { ...options, agent: secure }) : http.request(url, { ...options, agent: plain });
    this.deadline = modules.timers.after(modules.connectTimeoutMs, () => this.fail('timeout', `no connection within ${modules.connectTimeoutMs} ms`));
    this.request.on('socket', (socket) => {
      // One that another request left stands already.
      if (isConnected(socket)) this.write();
      else socket.once(isSecure ? 'secureConnect' : 'connect', () => this.write());
    });
    this.request.on('response', (answer) => this.take(answer));
    // Also after the end: a connection that is destroyed may report it late.
    this.request.on('error', (error) => this.fail(codeOf(error), error.message));
    this.request.on('upgrade', (_answer, socket) => {
      socket.destroy();
      this.fail('upgrade', 'the answer was a change of protocol');
    });
    this.request.on('close', () => this.fail('closed', 'the connection was closed'));
  }

  private write(): void {
    if (this.isDone) return;
    this.isWritten = true;
    this.deadline.cancel();
    const { answerTimeoutMs } = this.modules;
    this.deadline = this.modules.timers.after(answerTimeoutMs, () => this.fail('timeout', `no answer within ${answerTimeoutMs} ms`));
    this.request.end(this.body ?? undefined);
  }

  private take(answer: IncomingMessage): void {
    this.answer = answer;
    answer.on('data', (chunk: Buffer) => {
      this.chunks.push(chunk.subarray(0, REPLY_BYTES_MAX - this.bytes));
      this.bytes += chunk.length;
      if (this.bytes > REPLY_BYTES_MAX) this.end(false);
    });
    answer.on('end', () => this.end(true));
    answer.on('error', () => this.end(false));
  }

  /** A status that is known counts, whatever happens to the rest of the answer. */
  private fail(code: string, text: string): void {
    if (this.isDone) return;
    if (this.answer !== null) return this.end(false);
    this.finish({ kind: this.isWritten ? 'no_answer' : 'not_sent', code, text });
    this.request.destroy();
  }

  private end(isWhole: boolean): void {
    const answer = this.answer;
    if (this.isDone || answer === null) return;
    this.finish({ kind: 'answered', status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(this.chunks).toString(), isWhole });
    if (!isWhole) this.request.destroy();
  }

  private finish(exchange: HttpExchange): void {
    this.isDone = true;
    this.deadline.cancel();
    this.resolve(exchange);
  }
}

function isConnected(socket: Socket): boolean {
  // Of a TLSSocket; Node's types do not know it.
  const { secureConnecting } = socket as { secureConnecting?: boolean };
  return !socket.connecting && secureConnecting !== true;
}

function codeOf(error: Error): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : 'network';
}

/** A reply's JSON where it is an object; null otherwise. */
export function jsonObject(body: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
