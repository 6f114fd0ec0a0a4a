import { randomInt, randomUUID } from 'node:crypto';
import type { HttpRequest, HttpResponse, TemplatedApp, us_socket_context_t, WebSocket } from 'uWebSockets.js';
import type { Principal } from '../model/access.ts';
import type { Clock, Timers } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { AccountsPort } from './accounts-port.ts';
import { applicationOf, CONNECTIONS_PER_ACCOUNT_MAX, isRefusal, principalOf, refusalOfPage, type Application, type Refusal } from './live-admission.ts';
import { addLiveEvents, type LiveDoor } from './live-events.ts';
import { LiveHub } from './live-hub.ts';
import { CLIENT_MESSAGE_BYTES_MAX, CLOSE, parseClientMessage } from './live-protocol.ts';
import type { LiveReader, Outlet } from './live-reader.ts';
import type { LiveSource } from './live-source.ts';
import { PROBLEM_CONTENT_TYPE, problemDocument, statusLine } from './problem-details.ts';

/** Limits and pace of the live stream; each has a default. */
export interface LiveOptions {
  clock: Clock;
  timers: Timers;
  log: Log;
  /** Who may hear what; absent, or off: everybody everything. */
  accounts?: AccountsPort;
  /** `host:port` by which browsers reach the gateway beside its addresses. */
  ownHosts?: readonly string[];
  /** From one round of serving all readers to the next while changes do not end, 200 ms: with ten thousand a round takes half of it (bench/RESULTS.md). What changes after a quiet time goes out at once. */
  turnMs?: number;
  /** Time between heartbeats, 15,000 ms: well under the 60 s after which common proxies cut a silent connection. */
  heartbeatMs?: number;
  /** Time between two questions about a watched meter, 1,000 ms. */
  meterMs?: number;
  /** Connections at most, WebSockets and event streams together, 10,000: some 5 KB each, and what `unsentBytesMax` allows. The next gets 503. */
  connectionsMax?: number;
  /** Different meters watched at most, 10,000: one for each connection. */
  watchedMetersMax?: number;
  /** Items of a channel whose newest change is kept for who was away or behind, 8,192: an hour of a hundred regions' minutes and more. Some 8 MB of a channel of alerts. */
  changesMax?: number;
  /** Unsent bytes past which a reader gets no more until it has read, 64 KiB: beyond what the kernel takes, which is some megabytes. */
  softBufferBytes?: number;
  /** Unsent bytes that a further message must not exceed, 1 MiB: several snapshots. */
  hardBufferBytes?: number;
  /** Unsent bytes of all readers, 64 MiB. Past it those with the most are cut off. */
  unsentBytesMax?: number;
  /** How long a message may wait for a reader before it is closed with 1013, 30,000 ms. */
  slowMsMax?: number;
  /** Where the numbers of a channel begin; by chance. */
  firstSeq?: () => number;
}

/** What runs behind `/live` and `/live/events`. */
export interface LiveStream {
  stats(): { connections: number; subscriptions: number; watchedMeters: number; refused: number; closedSlow: number; unsentBytes: number };
  /** Hands a message to everybody who listens to the contact's channel and keeps up; says how many took it. */
  publish(contactId: string, data: object): number;
  /** Closes every connection with 1001 and stops the timers; the app itself stays open. */
  close(): void;
}

/** Seconds without any frame, pongs included, after which uWebSockets.js drops the socket. */
const IDLE_SECONDS = 60;
/** Of randomInt; a channel has as many numbers ahead of it as JavaScript can count. */
const FIRST_SEQ_MAX = 2 ** 47;

/** RFC 6455, 4.4: the only one there is. */
const WEBSOCKET_VERSION = '13';
const OTHER_VERSION: Refusal = { status: 426, code: 'websocket_version', detail: 'the live stream speaks version 13 of WebSocket' };

/** uWebSockets.js takes a header of as many letters for it. */
const CONNECTION_CLOSE = 'close';
const NO_UPGRADE: Refusal = { status: 400, code: 'bad_handshake', detail: 'the header "Connection" of a WebSocket handshake says Upgrade' };

/** A socket's own; it is there before its reader. */
interface SocketData {
  principal: Principal;
  reader: LiveReader | null;
}
type Socket = WebSocket<SocketData>;

const decoder = new TextDecoder();

/** Adds the WebSocket endpoint `/live` and the event stream `/live/events` to `app`. Both are served from the app's thread. */
export function registerLive(app: TemplatedApp, source: LiveSource, options: LiveOptions): LiveStream {
  const server = new LiveServer(source, options);
  app.ws<SocketData>('/live', {
    maxPayloadLength: CLIENT_MESSAGE_BYTES_MAX,
    // The backlog counts by itself: past its own limit uWebSockets.js would drop the close frame too.
    maxBackpressure: 0,
    idleTimeout: IDLE_SECONDS,
    sendPingsAutomatically: true,
    upgrade: (res, req, context) => server.upgrade(res, req, context),
    open: (socket) => server.open(socket),
    message: (socket, message, isBinary) => server.message(socket, message, isBinary),
    drain: (socket) => server.drain(socket),
    close: (socket) => server.closed(socket),
  });
  addLiveEvents(app, server);
  return server;
}

class LiveServer implements LiveStream, LiveDoor {
  readonly hub: LiveHub;
  readonly #connectionsMax: number;
  readonly #accounts: AccountsPort | null;
  readonly #ownHosts: readonly string[];
  readonly #stopHearing: () => void;
  #closing = false;
  #refused = 0;
  /** Asking whose token theirs is. */
  #entering = 0;

  constructor(source: LiveSource, options: LiveOptions) {
    const { clock, timers, log, accounts = null, ownHosts = [], connectionsMax = 10_000, firstSeq = () => randomInt(FIRST_SEQ_MAX) } = options;
    this.#connectionsMax = connectionsMax;
    this.#accounts = accounts;
    this.#ownHosts = ownHosts;
    this.hub = new LiveHub(
      {
        turnMs: 200,
        heartbeatMs: 15_000,
        meterMs: 1_000,
        watchedMetersMax: 10_000,
        changesMax: 8_192,
        softBufferBytes: 64 * 1024,
        hardBufferBytes: 1024 * 1024,
        unsentBytesMax: 64 * 1024 * 1024,
        slowMsMax: 30_000,
        ...options,
      },
      { source, clock, timers, nextTurn: setImmediate, log, firstSeq },
    );
    this.#stopHearing = accounts?.onChange((accountId, sessionId, now) => this.hub.principalChanged(accountId, sessionId, now)) ?? (() => {});
  }

  stats(): ReturnType<LiveStream['stats']> {
    return { connections: this.hub.connections, refused: this.#refused, ...this.hub.stats() };
  }

  publish(contactId: string, data: object): number {
    return this.hub.publish(contactId, data);
  }

  close(): void {
    this.#closing = true;
    this.#stopHearing();
    this.hub.close();
  }

  // Sockets ----------------------------------------------------------------------------------------------------------------

  upgrade(res: HttpResponse, req: HttpRequest, context: us_socket_context_t): void {
    const key = req.getHeader('sec-websocket-key');
    const protocol = req.getHeader('sec-websocket-protocol');
    const extensions = req.getHeader('sec-websocket-extensions');
    // It ends the connection after the answer, and goes on with what is left of it where that is an upgrade.
    if (req.getHeader('connection').length === CONNECTION_CLOSE.length) {
      this.refuse(res, NO_UPGRADE);
      return;
    }
    if (req.getHeader('sec-websocket-version') !== WEBSOCKET_VERSION) {
      this.refuse(res, OTHER_VERSION);
      return;
    }
    this.admit(res, applicationOf(req), (principal) => res.upgrade<SocketData>({ principal, reader: null }, key, protocol, extensions, context));
  }

  open(socket: Socket): void {
    const data = socket.getUserData();
    data.reader = this.hub.open(socketOutlet(socket), data.principal);
  }

  message(socket: Socket, bytes: ArrayBuffer, isBinary: boolean): void {
    const reader = socket.getUserData().reader!;
    if (isBinary) socket.end(CLOSE.unsupportedData, 'messages are JSON text');
    else this.hub.receive(reader, parseClientMessage(decoder.decode(bytes)));
  }

  drain(socket: Socket): void {
    const { reader } = socket.getUserData();
    if (reader !== null) this.hub.drained(reader);
  }

  /** It must not be touched any more. */
  closed(socket: Socket): void {
    const { reader } = socket.getUserData();
    if (reader !== null) this.hub.gone(reader);
  }

  // Admission --------------------------------------------------------------------------------------------------------------

  /** See LiveDoor; nothing else may touch `res` before. */
  admit(res: HttpResponse, application: Application, enter: (principal: Principal) => void): void {
    const refusal = refusalOfPage(application, this.#accounts, this.#ownHosts) ?? this.#refusalOfNumber();
    if (refusal !== null) {
      this.refuse(res, refusal);
      return;
    }
    const found = principalOf(application, this.#accounts);
    if (!(found instanceof Promise)) {
      this.#enter(res, found, enter);
      return;
    }
    let isAborted = false;
    res.onAborted(() => {
      isAborted = true;
    });
    this.#entering++;
    void found.then((principal) => {
      this.#entering--;
      // Not in a cork: after one in which a request became a WebSocket, uWebSockets looks at the request's flags in memory that is free by then, and may close the connection (its #1929, before 20.79).
      if (!isAborted) this.#enter(res, principal, enter);
    });
  }

  refuse(res: HttpResponse, refusal: Refusal): void {
    this.#refused++;
    const { challenge, ...problem } = refusal;
    res.cork(() => {
      res.writeStatus(statusLine(problem.status)).writeHeader('content-type', PROBLEM_CONTENT_TYPE).writeHeader('cache-control', 'no-store');
      if (problem.retryAfterSeconds !== undefined) res.writeHeader('retry-after', String(problem.retryAfterSeconds));
      if (problem.status === OTHER_VERSION.status) res.writeHeader('sec-websocket-version', WEBSOCKET_VERSION);
      if (challenge !== undefined) res.writeHeader('www-authenticate', challenge);
      res.end(problemDocument(problem, randomUUID()));
    });
  }

  #enter(res: HttpResponse, found: Principal | Refusal, enter: (principal: Principal) => void): void {
    const refusal = isRefusal(found) ? found : (this.#refusalOfNumber() ?? this.#refusalOfAccount(found));
    if (refusal === null) enter(found as Principal);
    else this.refuse(res, refusal);
  }

  #refusalOfNumber(): Refusal | null {
    if (this.#closing) return { status: 503, code: 'shutting_down', detail: 'the engine is stopping', retryAfterSeconds: 10 };
    if (this.hub.connections + this.#entering < this.#connectionsMax) return null;
    return { status: 503, code: 'too_many_connections', detail: 'as many live connections as are allowed are open; try again later', retryAfterSeconds: 10 };
  }

  #refusalOfAccount({ kind, id }: Principal): Refusal | null {
    if (kind === 'open' || this.hub.connectionsOf(id) < CONNECTIONS_PER_ACCOUNT_MAX) return null;
    return { status: 429, code: 'too_many_connections', detail: `an account has ${CONNECTIONS_PER_ACCOUNT_MAX} live connections at most; close some`, retryAfterSeconds: 10 };
  }
}

function socketOutlet(socket: Socket): Outlet {
  return {
    send: (message) => void socket.send(message),
    // One write to the socket, which is most of what a reader costs.
    together: (sends) => void socket.cork(sends),
    unsentBytes: () => socket.getBufferedAmount(),
    end: (code, reason) => socket.end(code, reason),
    destroy: () => socket.close(),
  };
}
