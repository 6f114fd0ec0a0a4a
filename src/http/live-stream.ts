import { randomUUID } from 'node:crypto';
import type { HttpRequest, HttpResponse, TemplatedApp, us_socket_context_t, WebSocket } from 'uWebSockets.js';
import type { Clock, TimerHandle, Timers } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { fixedChannels, type LiveChannel } from './live-channel.ts';
import { MeterWatch, type MeterWatchOutcome } from './live-meter-watch.ts';
import {
  CLIENT_MESSAGE_BYTES_MAX,
  isContactChannel,
  meterOfChannel,
  parseClientMessage,
  SUBSCRIPTIONS_PER_SOCKET_MAX,
  type ChannelName,
  type LiveError,
  type ServerMessage,
} from './live-protocol.ts';
import type { LiveSource } from './live-source.ts';
import { isSameHost } from './own-pages.ts';
import { PROBLEM_CONTENT_TYPE, problemDocument, statusLine, type Problem } from './problem-details.ts';

/** Limits and pace of the live stream; each has a default. */
export interface LiveOptions {
  clock: Clock;
  timers: Timers;
  log: Log;
  /** Time between two turns of gathering and sending, 1,000 ms: an eye reads no faster. */
  turnMs?: number;
  /** Time between heartbeats, 15,000 ms: well under the 60 s after which common proxies cut a silent connection. */
  heartbeatMs?: number;
  /** Sockets at most, 1,000: each may hold `hardBufferBytes` and a message, so 1 GB in the worst case. The next gets 503. */
  connectionsMax?: number;
  /** Different meters watched at most, 256: each is a question to a shard every turn. */
  watchedMetersMax?: number;
  /** Unsent bytes past which a socket gets no more updates until it drained, 256 KiB: a few minutes of a busy page. */
  softBufferBytes?: number;
  /** Unsent bytes that a further message must not exceed, else the socket is closed with 1013; 1 MiB: several snapshots. */
  hardBufferBytes?: number;
  /** How long a socket may stay past `softBufferBytes` before it is closed with 1013, 30,000 ms. */
  slowMsMax?: number;
}

/** What runs behind the `/live` endpoint. */
export interface LiveStream {
  stats(): { connections: number; subscriptions: number; watchedMeters: number; refused: number; closedSlow: number };
  /** Hands a message to everybody who listens to the contact's channel and keeps up; says how many took it. */
  publish(contactId: string, data: object): number;
  /** Closes every socket with 1001 and stops the timers; the app itself stays open. */
  close(): void;
}

/** Messages one socket may send in a turn; a page sends a handful when somebody clicks. Past it: close 1008. */
const CLIENT_MESSAGES_PER_TURN_MAX = 20;
/** Seconds without any frame, pongs included, after which uWebSockets.js drops the socket. */
const IDLE_SECONDS = 60;
/** Close codes of RFC 6455 and its registry. */
const CLOSE = { goingAway: 1001, unsupportedData: 1003, invalidPayload: 1007, policy: 1008, tryAgainLater: 1013 } as const;

/** What one socket watches and how far behind it is. */
interface Reader {
  channels: Set<ChannelName>;
  /** Watched channels whose newest snapshot it still has to get. */
  owed: Set<ChannelName>;
  /** Monotonic time since when it has been past the soft bound; null while it keeps up. */
  slowSinceMs: number | null;
  messagesThisTurn: number;
}
type Socket = WebSocket<Reader>;

/** A watched name: who reads it and, once there is something to read, its channel; a contact's has none. */
interface Topic {
  readers: Set<Socket>;
  channel: LiveChannel | null;
  watch: MeterWatch | null;
}

const decoder = new TextDecoder();

/**
 * Adds the WebSocket endpoint `/live` to `app`. Sockets are served from the app's thread; a slow one costs at most
 * `hardBufferBytes` and one message, and gets the newest state of its channels when it drains.
 */
export function registerLive(app: TemplatedApp, source: LiveSource, options: LiveOptions): LiveStream {
  const server = new LiveServer(source, options);
  app.ws<Reader>('/live', {
    maxPayloadLength: CLIENT_MESSAGE_BYTES_MAX,
    // The server counts by itself: past its own limit uWebSockets.js would drop the close frame too.
    maxBackpressure: 0,
    idleTimeout: IDLE_SECONDS,
    sendPingsAutomatically: true,
    upgrade: (res, req, context) => server.upgrade(res, req, context),
    open: (socket) => server.open(socket),
    message: (socket, message, isBinary) => server.message(socket, message, isBinary),
    drain: (socket) => server.flush(socket),
    close: (socket) => server.forget(socket),
  });
  return server;
}

class LiveServer implements LiveStream {
  readonly limits: Required<LiveOptions>;
  readonly #source: LiveSource;
  readonly #sockets = new Set<Socket>();
  readonly #topics = new Map<ChannelName, Topic>();
  readonly #timers: TimerHandle[];
  #closing = false;
  #refused = 0;
  #closedSlow = 0;
  #watchedMeters = 0;

  constructor(source: LiveSource, options: LiveOptions) {
    this.#source = source;
    this.limits = {
      turnMs: 1_000,
      heartbeatMs: 15_000,
      connectionsMax: 1_000,
      watchedMetersMax: 256,
      softBufferBytes: 256 * 1024,
      hardBufferBytes: 1024 * 1024,
      slowMsMax: 30_000,
      ...options,
    };
    for (const channel of fixedChannels(source)) {
      this.#topics.set(channel.name, { readers: new Set(), channel, watch: null });
    }
    const { timers, turnMs, heartbeatMs } = this.limits;
    this.#timers = [timers.every(turnMs, () => this.#turn()), timers.every(heartbeatMs, () => this.#heartbeat())];
  }

  stats(): ReturnType<LiveStream['stats']> {
    let subscriptions = 0;
    for (const topic of this.#topics.values()) subscriptions += topic.readers.size;
    return {
      connections: this.#sockets.size,
      subscriptions,
      watchedMeters: this.#watchedMeters,
      refused: this.#refused,
      closedSlow: this.#closedSlow,
    };
  }

  publish(contactId: string, data: object): number {
    const name = `contact:${contactId}` as const;
    const readers = [...(this.#topics.get(name)?.readers ?? [])];
    if (readers.length === 0) return 0;
    const text = JSON.stringify({ type: 'notification', channel: name, data } satisfies ServerMessage);
    return readers.filter((socket) => !this.#isSlow(socket) && this.#deliver(socket, text)).length;
  }

  close(): void {
    this.#closing = true;
    for (const timer of this.#timers) timer.cancel();
    for (const socket of this.#sockets) socket.end(CLOSE.goingAway, 'the engine is stopping');
    for (const topic of this.#topics.values()) topic.channel?.close();
    this.#topics.clear();
  }

  upgrade(res: HttpResponse, req: HttpRequest, context: us_socket_context_t): void {
    if (!isSameHost(req.getHeader('origin'), req.getHeader('host'))) {
      this.#refuse(res, { status: 403, code: 'foreign_origin', detail: 'the live stream is open to pages of this host only' });
      return;
    }
    if (this.#closing || this.#sockets.size >= this.limits.connectionsMax) {
      const detail = this.#closing ? 'the engine is stopping' : 'as many live connections as are allowed are open; try again later';
      this.#refuse(res, { status: 503, code: 'too_many_connections', detail, retryAfterSeconds: 10 });
      return;
    }
    const reader: Reader = { channels: new Set(), owed: new Set(), slowSinceMs: null, messagesThisTurn: 0 };
    res.upgrade(
      reader,
      req.getHeader('sec-websocket-key'),
      req.getHeader('sec-websocket-protocol'),
      req.getHeader('sec-websocket-extensions'),
      context,
    );
  }

  open(socket: Socket): void {
    this.#sockets.add(socket);
    send(socket, { type: 'hello', protocol: 1, heartbeatMs: this.limits.heartbeatMs });
  }

  message(socket: Socket, bytes: ArrayBuffer, isBinary: boolean): void {
    if (isBinary) {
      socket.end(CLOSE.unsupportedData, 'messages are JSON text');
      return;
    }
    const reader = socket.getUserData();
    if (++reader.messagesThisTurn > CLIENT_MESSAGES_PER_TURN_MAX) {
      socket.end(CLOSE.policy, 'too many messages');
      return;
    }
    const message = parseClientMessage(decoder.decode(bytes));
    if (message === null) {
      socket.end(CLOSE.invalidPayload, 'not JSON');
      return;
    }
    switch (message.type) {
      case 'ping':
        send(socket, { type: 'pong', at: this.#isoNow() });
        break;
      case 'subscribe':
        for (const channel of message.channels) this.#subscribe(socket, channel);
        this.flush(socket);
        break;
      case 'unsubscribe':
        for (const channel of message.channels) this.#unsubscribe(socket, channel);
        break;
      case 'error':
        send(socket, message);
        break;
    }
  }

  /** Sends the snapshots a socket is owed, as long as it takes them. */
  flush(socket: Socket): void {
    const reader = socket.getUserData();
    for (const name of reader.owed) {
      const channel = this.#topics.get(name)?.channel;
      if (!channel) continue;
      if (this.#isSlow(socket)) return;
      reader.owed.delete(name);
      if (!this.#deliver(socket, channel.snapshotText())) return;
    }
    this.#isSlow(socket);
  }

  /** A socket is gone; it must not be touched any more. */
  forget(socket: Socket): void {
    this.#sockets.delete(socket);
    for (const name of socket.getUserData().channels) this.#leave(socket, name);
  }

  #subscribe(socket: Socket, name: ChannelName): void {
    const reader = socket.getUserData();
    // Asking again is how a client that lost count gets a fresh snapshot.
    if (!reader.channels.has(name)) {
      if (reader.channels.size >= SUBSCRIPTIONS_PER_SOCKET_MAX) {
        sendError(socket, 'too_many_subscriptions', `a connection holds ${SUBSCRIPTIONS_PER_SOCKET_MAX} channels at most; unsubscribe from some`, name);
        return;
      }
      const topic = this.#topics.get(name) ?? (isContactChannel(name) ? this.#listenTo(name) : this.#watchMeter(name));
      if (topic === null) {
        sendError(socket, 'too_many_meters', `${this.limits.watchedMetersMax} meters are being watched already; try again later`, name);
        return;
      }
      topic.readers.add(socket);
      reader.channels.add(name);
    }
    if (!isContactChannel(name)) reader.owed.add(name);
  }

  #unsubscribe(socket: Socket, name: ChannelName): void {
    const reader = socket.getUserData();
    reader.owed.delete(name);
    if (reader.channels.delete(name)) this.#leave(socket, name);
  }

  /** Takes a socket off a topic; a meter that nobody watches any more is let go, and so is a contact. */
  #leave(socket: Socket, name: ChannelName): void {
    const topic = this.#topics.get(name);
    if (!topic) return;
    topic.readers.delete(socket);
    if (topic.readers.size > 0) return;
    if (isContactChannel(name)) this.#topics.delete(name);
    if (topic.watch === null) return;
    topic.watch.close();
    this.#topics.delete(name);
    this.#watchedMeters--;
  }

  /** A new topic for the contact; sockets and their subscriptions bound how many there are. */
  #listenTo(name: ChannelName): Topic {
    const topic: Topic = { readers: new Set(), channel: null, watch: null };
    this.#topics.set(name, topic);
    return topic;
  }

  /** A new topic for the meter, or null when too many are watched. */
  #watchMeter(name: ChannelName): Topic | null {
    if (this.#watchedMeters >= this.limits.watchedMetersMax) return null;
    const watch = new MeterWatch(meterOfChannel(name)!, this.#source, (answered, outcome) => this.#meterAnswered(answered, outcome));
    const topic: Topic = { readers: new Set(), channel: null, watch };
    this.#topics.set(name, topic);
    this.#watchedMeters++;
    watch.poll();
    return topic;
  }

  #meterAnswered(watch: MeterWatch, outcome: MeterWatchOutcome): void {
    const topic = this.#topics.get(watch.name)!;
    if (outcome === 'changed') {
      topic.channel = watch.channel;
      this.#publish(topic);
      return;
    }
    for (const socket of topic.readers) {
      if (outcome === 'unknown_meter') {
        sendError(socket, outcome, `no meter is called ${meterOfChannel(watch.name)}`, watch.name);
        this.#unsubscribe(socket, watch.name);
      } else {
        sendError(socket, 'unavailable', `this meter cannot be read now (${outcome.unavailable}); updates go on when it can`, watch.name);
      }
    }
  }

  #turn(): void {
    for (const topic of this.#topics.values()) {
      if (topic.watch) topic.watch.poll();
      else this.#publish(topic);
    }
    for (const socket of this.#sockets) {
      socket.getUserData().messagesThisTurn = 0;
      this.#closeWhenTooSlow(socket);
    }
  }

  /** Sends a topic's change, if any: the update to sockets that are up to date, a snapshot to those that are not. */
  #publish(topic: Topic): void {
    const { channel, readers } = topic;
    const change = channel?.advance(readers.size > 0) ?? null;
    if (!channel || change === null) return;
    for (const socket of readers) {
      const reader = socket.getUserData();
      if (change !== 'everything' && !reader.owed.has(channel.name) && !this.#isSlow(socket)) {
        this.#deliver(socket, change);
      } else {
        reader.owed.add(channel.name);
        this.flush(socket);
      }
    }
  }

  /** False when the socket had to be closed instead. One that is owed nothing takes a message of any size. */
  #deliver(socket: Socket, text: string): boolean {
    const bufferedBytes = socket.getBufferedAmount();
    if (bufferedBytes > 0 && bufferedBytes + text.length > this.limits.hardBufferBytes) {
      this.#endSlow(socket);
      return false;
    }
    socket.send(text);
    return true;
  }

  /** Whether the socket must catch up before it gets more; starts and stops the measure of how long. */
  #isSlow(socket: Socket): boolean {
    const reader = socket.getUserData();
    const slow = socket.getBufferedAmount() > this.limits.softBufferBytes;
    if (!slow) reader.slowSinceMs = null;
    else reader.slowSinceMs ??= this.limits.clock.monotonic();
    return slow;
  }

  #closeWhenTooSlow(socket: Socket): void {
    const { slowSinceMs } = socket.getUserData();
    if (slowSinceMs === null || !this.#isSlow(socket)) return;
    if (this.limits.clock.monotonic() - slowSinceMs > this.limits.slowMsMax) this.#endSlow(socket);
  }

  #endSlow(socket: Socket): void {
    this.#closedSlow++;
    this.limits.log.warn({ bufferedBytes: socket.getBufferedAmount() }, 'closed a live connection that reads too slowly');
    socket.end(CLOSE.tryAgainLater, 'reading too slowly');
  }

  #heartbeat(): void {
    const text = JSON.stringify({ type: 'heartbeat', at: this.#isoNow() } satisfies ServerMessage);
    for (const socket of this.#sockets) {
      if (!this.#isSlow(socket)) this.#deliver(socket, text);
    }
  }

  #refuse(res: HttpResponse, problem: Problem): void {
    this.#refused++;
    res.cork(() => {
      res.writeStatus(statusLine(problem.status)).writeHeader('content-type', PROBLEM_CONTENT_TYPE);
      if (problem.retryAfterSeconds !== undefined) res.writeHeader('retry-after', String(problem.retryAfterSeconds));
      res.end(problemDocument(problem, randomUUID()));
    });
  }

  #isoNow(): string {
    return new Date(this.limits.clock.now()).toISOString();
  }
}

function send(socket: Socket, message: ServerMessage): void {
  socket.send(JSON.stringify(message));
}

function sendError(socket: Socket, code: LiveError['code'], message: string, channel: ChannelName): void {
  send(socket, { type: 'error', code, message, channel });
}
