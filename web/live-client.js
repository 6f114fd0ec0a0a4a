// @ts-check
/**
 * The page's end of the live stream (docs/LIVE.md): keeps a WebSocket open, and after each reconnect, or where it missed a message, goes on
 * from where it is in each of its channels.
 */

const BACK_OFF_FIRST_MS = 500;
/** Waiting longer would leave an operator in front of a dead page after the engine is back. */
const BACK_OFF_MAX_MS = 10_000;
/** Until the server's hello says otherwise. */
const HEARTBEAT_DEFAULT_MS = 15_000;
/** Close code of a session that has ended: somebody logged out, or may not any more. */
export const SESSION_ENDED = 4401;

export class LiveClient {
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {Set<string>} */
  #channels = new Set();
  /** Where the page is in each channel that it has had a message of. @type {Map<string, { seq: number, scope: string | null }>} */
  #places = new Map();
  /** Asks for the address of a connection while it is asked for. @type {object | null} */
  #attempt = null;
  #failures = 0;
  /** False before the first `connect`, and once the session has ended or nobody wants it any more. */
  #isWanted = false;
  #heartbeatMs = HEARTBEAT_DEFAULT_MS;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retryTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #silenceTimer;

  /**
   * @param {string | (() => Promise<string>)} url `ws://…/live`; a function is asked before each connection, because a ticket in it counts once. Where it rejects there is another try later
   * @param {(message: import('./wire-types.js').LiveMessage) => void} onMessage
   * @param {(connection: import('./wire-types.js').Connection) => void} onConnection `ended`: the session has; nothing is tried until `retryNow`
   */
  constructor(url, onMessage, onConnection) {
    this.url = url;
    this.onMessage = onMessage;
    this.onConnection = onConnection;
    addEventListener('online', () => this.#lookAgain());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.#lookAgain();
    });
  }

  /** @param {...string} channels */
  subscribe(...channels) {
    for (const channel of channels) this.#channels.add(channel);
    this.#ask(channels);
  }

  /** @param {string} channel */
  unsubscribe(channel) {
    this.#channels.delete(channel);
    this.#places.delete(channel);
    this.#send({ type: 'unsubscribe', channels: [channel] });
  }

  connect() {
    this.#isWanted = true;
    clearTimeout(this.#retryTimer);
    this.onConnection({ status: 'connecting' });
    if (typeof this.url === 'string') {
      this.#open(this.url);
      return;
    }
    const attempt = {};
    this.#attempt = attempt;
    this.url().then(
      (url) => this.#attempt === attempt && this.#open(url),
      () => this.#attempt === attempt && this.#wait(),
    );
  }

  /** Until `connect`, as when somebody logs out. */
  close() {
    this.#isWanted = false;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#silenceTimer);
    this.#attempt = null;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  /** @param {string} url */
  #open(url) {
    this.#attempt = null;
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.onopen = () => this.#ask([...this.#channels]);
    socket.onmessage = (event) => this.#receive(JSON.parse(event.data));
    socket.onclose = (event) => this.#lost(socket, event?.code);
    this.#watchSilence();
  }

  /** Tries at once when it is waiting for the next try. */
  retryNow() {
    if (this.#socket === null && this.#attempt === null) this.connect();
  }

  /** Subscribes, from where the page is. @param {string[]} channels */
  #ask(channels) {
    const wishes = channels.map((name) => {
      const place = this.#places.get(name);
      if (place === undefined) return name;
      return place.scope === null ? { name, after: place.seq } : { name, after: place.seq, scope: place.scope };
    });
    this.#send({ type: 'subscribe', channels: wishes });
  }

  /** @param {object} message */
  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** @param {import('./wire-types.js').LiveMessage} message */
  #receive(message) {
    this.#watchSilence();
    if (message.type === 'hello') {
      this.#heartbeatMs = message.heartbeatMs ?? HEARTBEAT_DEFAULT_MS;
      this.#failures = 0;
      this.onConnection({ status: 'live' });
    }
    if (message.channel !== undefined && message.seq !== undefined) {
      const { channel, seq } = message;
      const place = this.#places.get(channel);
      if (message.type === 'update') {
        if (place !== undefined && seq <= place.seq) return;
        if (place === undefined || (message.after ?? seq - 1) > place.seq) {
          // Either it left the server before an unsubscribe arrived there, or one was missed.
          if (this.#channels.has(channel)) this.#ask([channel]);
          return;
        }
      }
      this.#places.set(channel, { seq, scope: message.type === 'snapshot' ? (message.scope ?? null) : (place?.scope ?? null) });
    }
    if (message.type === 'error' && message.code === 'forbidden' && message.channel !== undefined) this.#places.delete(message.channel);
    this.onMessage(message);
  }

  /** A connection may die without a word, as when a laptop wakes up; two missed heartbeats tell. */
  #watchSilence() {
    clearTimeout(this.#silenceTimer);
    const socket = this.#socket;
    this.#silenceTimer = setTimeout(() => {
      if (!socket) return;
      socket.onclose = null;
      socket.close();
      this.#lost(socket, undefined);
    }, this.#heartbeatMs * 2 + 1_000);
  }

  /** @param {WebSocket} socket @param {number | undefined} code */
  #lost(socket, code) {
    if (this.#socket !== socket) return;
    this.#socket = null;
    clearTimeout(this.#silenceTimer);
    if (code !== SESSION_ENDED) {
      this.#wait();
      return;
    }
    this.#isWanted = false;
    this.onConnection({ status: 'ended' });
  }

  #lookAgain() {
    if (this.#isWanted) this.retryNow();
  }

  #wait() {
    this.#attempt = null;
    const backOffMs = Math.min(BACK_OFF_MAX_MS, BACK_OFF_FIRST_MS * 2 ** this.#failures++);
    // Spread, so that a room full of pages does not come back in the same instant.
    const delayMs = backOffMs * (0.75 + Math.random() * 0.5);
    this.onConnection({ status: 'waiting', retryAtMs: Date.now() + delayMs });
    this.#retryTimer = setTimeout(() => this.connect(), delayMs);
  }
}
