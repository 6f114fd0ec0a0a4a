import { App, us_listen_socket_close, us_socket_local_port } from 'uWebSockets.js';
import type { HttpRequest, HttpResponse, TemplatedApp, us_listen_socket, us_socket } from 'uWebSockets.js';
import { OperationalError } from '../runtime/errors.ts';
import type { Clock, Timers } from '../runtime/clock.ts';
import { traceFields, type TraceFields } from '../runtime/log-trace.ts';
import { parseTraceparent } from '../runtime/trace-context.ts';
import type { Span, Tracing } from '../runtime/tracing.ts';
import { HISTORY_AWAY } from './engine-port.ts';
import { Exchange } from './exchange.ts';
import type { ExchangeOwner, HeaderFields } from './exchange.ts';
import type { GatewayPolicy } from './gateway-policy.ts';
import type { Problem } from './problem-details.ts';
import { framingFault } from './request-framing.ts';

/**
 * What every HTTP server of the engine shares: routes with 404 and 405, errors as problems, listening with a clear error when
 * the port is taken, counting, and an orderly close. One per listening port and thread.
 */

/** `head` is valid until the first await or return; read headers, parameters and query before that. */
export type ExchangeHandler = (exchange: Exchange, head: HttpRequest) => void | Promise<void>;

export type HttpMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** uSockets' flag for a port that nobody else may bind; uws-pack types it as an enum it does not export. */
const LIBUS_LISTEN_EXCLUSIVE_PORT = 1;
const LIBUS_LISTEN_DEFAULT = 0;

/** How often a draining server looks whether its last exchange has ended: short beside any time limit of a shutdown. */
const DRAIN_POLL_MS = 10;

/** After the last answer, how long sockets stay open so that the kernel hands it over before the reset of a forced close. */
const LINGER_MS = 50;

export interface HttpFrontOptions {
  /** In messages: `ingest server`. */
  name: string;
  /** The setting that changes the port, named when it is taken: `SEG_INGEST_PORT`. */
  portSetting: string;
  /** Starts every x-request-id made here; different for each process so that ids of two runs are not mixed up. */
  requestIdPrefix: string;
  /** What holds for every request, whatever it asks; absent: nothing. */
  policy?: GatewayPolicy;
  /** An error nobody expected; the client has had its 500. */
  onFault(error: unknown, request: FaultyRequest): void;
}

/** What a line of the log says of the request, beside its error. */
export interface FaultyRequest extends TraceFields {
  requestId: string;
}

export interface HttpFrontModules {
  clock: Clock;
  timers: Timers;
  /** Absent or null: requests are not traced. */
  tracing?: Tracing | null;
}

export interface HttpFrontStats {
  inFlight: number;
  /** Clients that went away before their answer. */
  aborted: number;
  /** Answers by status code. */
  responses: Readonly<Record<number, number>>;
}

export class HttpFront implements ExchangeOwner {
  readonly app: TemplatedApp = App();
  closing = false;
  readonly headers: HeaderFields;
  private readonly options: HttpFrontOptions;
  private readonly modules: HttpFrontModules;
  private readonly tracing: Tracing | null;
  private readonly responses: Record<number, number> = {};
  private listenSocket: us_listen_socket | null = null;
  /**
   * A worker thread that ends with open sockets of uWebSockets takes the whole process with it (node: "uv_loop_close() while having open
   * handles"; measured, Node 22.23). This runs when the thread ends by an error too, though not when it is terminated from outside.
   */
  private readonly closeAtExit = (): void => void this.app.close();
  private inFlight = 0;
  private aborted = 0;
  private requestCount = 0;

  constructor(options: HttpFrontOptions, modules: HttpFrontModules) {
    this.options = options;
    this.headers = options.policy?.headers ?? [];
    this.modules = modules;
    this.tracing = modules.tracing ?? null;
  }

  /**
   * Serves one path (a uWebSockets pattern, as `/api/v1/meters/:meterId`). GET serves HEAD too, OPTIONS lists the methods, any other
   * gets 405 with Allow.
   */
  route(path: string, handlers: Partial<Record<HttpMethod, ExchangeHandler>>): void {
    const { app } = this;
    const { GET, POST, PUT, PATCH, DELETE } = handlers;
    if (GET !== undefined) app.get(path, this.handle('GET', GET, path)).head(path, this.handle('HEAD', GET, path));
    if (POST !== undefined) app.post(path, this.handle('POST', POST, path));
    if (PUT !== undefined) app.put(path, this.handle('PUT', PUT, path));
    if (PATCH !== undefined) app.patch(path, this.handle('PATCH', PATCH, path));
    if (DELETE !== undefined) app.del(path, this.handle('DELETE', DELETE, path));
    const methods = Object.keys(handlers) as string[];
    if (GET !== undefined) methods.push('HEAD');
    const allow = [...methods, 'OPTIONS'].join(', ');
    app.options(path, this.handle('OPTIONS', (exchange, head) => exchange.empty(204, [['allow', allow], ...(this.options.policy?.preflight(head, allow) ?? [])])));
    app.any(path, (res, head) => {
      const method = head.getCaseSensitiveMethod();
      const exchange = this.open(method, res, head);
      if (refuseFraming(exchange, head)) return;
      exchange.problem(
        { status: 405, code: 'method_not_allowed', detail: `${quoted(method)} is not possible on ${quoted(head.getUrl())}; use one of ${allow}.` },
        [['allow', allow]],
      );
    });
  }

  /** Answers every path no route serves with 404; `hint` says what there is. Call it after the last route. */
  routeRest(hint: string): void {
    this.app.any('/*', (res, head) => {
      const path = head.getUrl();
      const exchange = this.open(head.getCaseSensitiveMethod(), res, head);
      if (refuseFraming(exchange, head)) return;
      exchange.problem({ status: 404, code: 'not_found', detail: `There is nothing at ${quoted(path)}. ${hint}` });
    });
  }

  /** A uWebSockets handler around `run`, with the exchange opened and errors answered: for routes outside `route`. `path`: the pattern that it serves, by which a traced request is named. */
  handle(method: string, run: ExchangeHandler, path?: string): (res: HttpResponse, head: HttpRequest) => void {
    return (res, head) => {
      const exchange = this.open(method, res, head);
      if (refuseFraming(exchange, head)) return;
      if (this.tracing !== null && path !== undefined) exchange.trace = beginTrace(this.tracing, method, path, head.getHeader('traceparent'));
      const refusal = this.closing ? SHUTTING_DOWN : (this.options.policy?.receive(exchange, head) ?? null);
      if (refusal !== null) {
        exchange.problem(refusal);
        return;
      }
      try {
        const running = run(exchange, head);
        if (running !== undefined) running.catch((error: unknown) => this.answerError(exchange, error));
      } catch (error) {
        this.answerError(exchange, error);
      }
    };
  }

  /**
   * Listens and resolves to the port (a free one for 0). `exclusivePort` false lets several threads of this process share the
   * port; nothing then tells when another process has it too, and it must be a number of the caller's: Linux does not share a port that it
   * chose itself (measured, uws-pack 20.0.8). Rejects with OperationalError `port_in_use`.
   */
  listen(host: string, port: number, exclusivePort: boolean): Promise<number> {
    const flag = exclusivePort ? LIBUS_LISTEN_EXCLUSIVE_PORT : LIBUS_LISTEN_DEFAULT;
    return new Promise((resolve, reject) => {
      // uws-pack's types lack this overload of the native call.
      const listen = this.app.listen.bind(this.app) as unknown as (host: string, port: number, flag: number, fn: (socket: us_listen_socket | false) => void) => void;
      listen(host, port, flag, (socket) => {
        if (socket === false) {
          const { name, portSetting } = this.options;
          const detail = `the ${name} cannot listen on ${host}:${port}: the port is taken or not allowed; stop what uses it or set ${portSetting} to another port`;
          reject(new OperationalError('port_in_use', detail));
          return;
        }
        this.listenSocket = socket;
        process.once('exit', this.closeAtExit);
        resolve(us_socket_local_port(socket as us_socket));
      });
    });
  }

  /**
   * Stops listening, lets exchanges in flight end for at most `timeLimitMs` (new ones on open connections get 503), then closes every
   * socket. Resolves to the number of exchanges cut off. A second call resolves at once.
   */
  async close(timeLimitMs: number): Promise<number> {
    if (this.closing) return 0;
    this.closing = true;
    if (this.listenSocket !== null) us_listen_socket_close(this.listenSocket);
    this.listenSocket = null;
    const { clock } = this.modules;
    const deadline = clock.monotonic() + timeLimitMs;
    const hadExchanges = this.inFlight > 0;
    while (this.inFlight > 0 && clock.monotonic() < deadline) await this.pause(DRAIN_POLL_MS);
    const cutOff = this.inFlight;
    if (hadExchanges && cutOff === 0) await this.pause(LINGER_MS);
    process.off('exit', this.closeAtExit);
    this.app.close();
    return cutOff;
  }

  stats(): HttpFrontStats {
    return { inFlight: this.inFlight, aborted: this.aborted, responses: { ...this.responses } };
  }

  freshRequestId(): string {
    this.requestCount++;
    return `${this.options.requestIdPrefix}-${this.requestCount.toString(36)}`;
  }

  exchangeEnded(status: number): void {
    this.inFlight--;
    if (status === 0) this.aborted++;
    else this.responses[status] = (this.responses[status] ?? 0) + 1;
  }

  exchangeFailed(exchange: Exchange, error: unknown): void {
    this.options.onFault(error, { requestId: exchange.requestId, ...traceFields(exchange.trace) });
  }

  private open(method: string, res: HttpResponse, head: HttpRequest): Exchange {
    this.inFlight++;
    return new Exchange(this, method, res, head);
  }

  /** Answers an error that a handler could not throw: after it had returned. */
  answerError(exchange: Exchange, error: unknown): void {
    const problem = problemOfError(error);
    if (problem === null) exchange.fail(error);
    else exchange.problem(problem);
  }

  private pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.modules.timers.after(delayMs, resolve));
  }
}

/** True where the head was refused, and with it whatever else comes on its connection. */
function refuseFraming(exchange: Exchange, head: HttpRequest): boolean {
  const fault = framingFault(head);
  if (fault === null) return false;
  exchange.closeAfter = true;
  // uWebSockets would read on in a packet that is answered at once; while an answer is awaited it cuts off whoever sends a further request.
  setImmediate(() => exchange.problem(fault));
  return true;
}

function beginTrace(tracing: Tracing, method: string, path: string, traceparent: string): Span | null {
  return tracing.receive(`${method} ${path}`, parseTraceparent(traceparent), { kind: 'server', attributes: { 'http.request.method': method, 'http.route': path } });
}

const SHUTTING_DOWN: Problem = {
  status: 503,
  code: 'shutting_down',
  detail: 'The engine is stopping. Send the request again once it is back.',
  retryAfterSeconds: 1,
};

/** 504 for a deadline, 503 for anything else worth another try, 500 for damaged data; null for an error that is our own fault. */
export function problemOfError(error: unknown): Problem | null {
  if (!(error instanceof OperationalError)) return null;
  if (error.code === 'deadline') {
    return { status: 504, code: 'deadline', detail: 'A part of the engine did not answer in time. Try again.', retryAfterSeconds: 1 };
  }
  if (error.code === 'corrupt') {
    return { status: 500, code: 'corrupt', detail: `What this answer needs is damaged on the disk: ${error.message}. Look at all of it with seg verify, and bring back a backup with seg restore.` };
  }
  if (error.code === HISTORY_AWAY) return { status: 503, code: HISTORY_AWAY, detail: `${error.message}. Ask for a later time, or try again when it is back.`, retryAfterSeconds: 5 };
  if (!error.retryable) return null;
  return { status: 503, code: 'unavailable', detail: 'A part of the engine is not available at the moment. Try again.', retryAfterSeconds: 1 };
}

/** Characters of what a client sent that a message repeats: enough to recognise it. */
const QUOTED_CHARS_MAX = 40;

function quoted(text: string): string {
  return JSON.stringify(text.length > QUOTED_CHARS_MAX ? `${text.slice(0, QUOTED_CHARS_MAX)}…` : text);
}
