// @ts-check
/**
 * The page's end of the live stream: keeps a WebSocket open, subscribes again after each reconnect, and asks for a fresh
 * snapshot where it missed a message.
 */

const BACK_OFF_FIRST_MS = 500;
/** Waiting longer would leave an operator in front of a dead page after the engine is back. */
const BACK_OFF_MAX_MS = 10_000;
/** Until the server's hello says otherwise. */
const HEARTBEAT_DEFAULT_MS = 15_000;

export class LiveClient {
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {Set<string>} */
  #channels = new Set();
  /** @type {Map<string, number>} */
  #seqs = new Map();
  #failures = 0;
  #heartbeatMs = HEARTBEAT_DEFAULT_MS;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retryTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #silenceTimer;

  /**
   * @param {string} url `ws://…/live`
   * @param {(message: import('./wire-types.js').LiveMessage) => void} onMessage
   * @param {(connection: import('./wire-types.js').Connection) => void} onConnection
   */
  constructor(url, onMessage, onConnection) {
    this.url = url;
    this.onMessage = onMessage;
    this.onConnection = onConnection;
    addEventListener('online', () => this.retryNow());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.retryNow();
    });
  }

  /** @param {...string} channels */
  subscribe(...channels) {
    for (const channel of channels) this.#channels.add(channel);
    this.#send({ type: 'subscribe', channels });
  }

  /** @param {string} channel */
  unsubscribe(channel) {
    this.#channels.delete(channel);
    this.#seqs.delete(channel);
    this.#send({ type: 'unsubscribe', channels: [channel] });
  }

  connect() {
    clearTimeout(this.#retryTimer);
    this.onConnection({ status: 'connecting' });
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    socket.onopen = () => {
      this.#seqs.clear();
      this.#send({ type: 'subscribe', channels: [...this.#channels] });
    };
    socket.onmessage = (event) => this.#receive(JSON.parse(event.data));
    socket.onclose = () => this.#lost(socket);
    this.#watchSilence();
  }

  /** Tries at once when it is waiting for the next try. */
  retryNow() {
    if (this.#socket === null) this.connect();
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
      const seq = this.#seqs.get(message.channel);
      if (message.type === 'update' && (seq === undefined || message.seq !== seq + 1)) {
        // Either it left the server before an unsubscribe arrived there, or one was missed.
        if (this.#channels.has(message.channel)) this.#send({ type: 'subscribe', channels: [message.channel] });
        return;
      }
      this.#seqs.set(message.channel, message.seq);
    }
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
      this.#lost(socket);
    }, this.#heartbeatMs * 2 + 1_000);
  }

  /** @param {WebSocket} socket */
  #lost(socket) {
    if (this.#socket !== socket) return;
    this.#socket = null;
    clearTimeout(this.#silenceTimer);
    const backOffMs = Math.min(BACK_OFF_MAX_MS, BACK_OFF_FIRST_MS * 2 ** this.#failures++);
    // Spread, so that a room full of pages does not come back in the same instant.
    const delayMs = backOffMs * (0.75 + Math.random() * 0.5);
    this.onConnection({ status: 'waiting', retryAtMs: Date.now() + delayMs });
    this.#retryTimer = setTimeout(() => this.connect(), delayMs);
  }
}
