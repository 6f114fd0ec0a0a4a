// @ts-check
import { postJson } from '../api.js';
import { LiveClient } from '../live-client.js';
import { whoIsIn } from './session.js';

/** A browser cannot send a header with a WebSocket, so each connection spends a ticket. */
const TICKET_RETRY_MS = 5_000;

export class TicketedLiveClient extends LiveClient {
  #base;
  #isConnecting = false;

  /**
   * @param {string} url
   * @param {(message: import('../wire-types.js').LiveMessage) => void} onMessage
   * @param {(connection: import('../wire-types.js').Connection) => void} onConnection
   */
  constructor(url, onMessage, onConnection) {
    super(url, onMessage, onConnection);
    this.#base = url;
  }

  connect() {
    if (whoIsIn() === null) return super.connect();
    if (this.#isConnecting) return;
    this.#isConnecting = true;
    this.onConnection({ status: 'connecting' });
    postJson('/auth/stream-tickets', {}, null)
      .then((answer) => {
        this.#isConnecting = false;
        this.url = `${this.#base}?ticket=${encodeURIComponent(/** @type {{ ticket: string }} */ (answer).ticket)}`;
        super.connect();
      })
      .catch(() => {
        this.#isConnecting = false;
        if (whoIsIn() === null) return;
        this.onConnection({ status: 'waiting', retryAtMs: Date.now() + TICKET_RETRY_MS });
        setTimeout(() => this.retryNow(), TICKET_RETRY_MS);
      });
  }
}
