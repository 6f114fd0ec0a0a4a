import { createHmac } from 'node:crypto';
import type { Contact } from '../../../model/contact.ts';
import type { Clock, Timers } from '../../../runtime/clock.ts';
import type { Channel, OutgoingMessage, SendOutcome } from './channel.ts';
import { refuseFaults, timeFaults, urlOf, type SettingFault } from './channel-settings.ts';
import { webhookIdOf } from './delivery-reference.ts';
import { HttpClient, type HttpExchange } from './http-client.ts';
import { OutcomeText } from './outcome-text.ts';
import { retryAfterMs } from './retry-after.ts';

/**
 * Signed webhooks as Standard Webhooks 1.0.0 has them (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md): HMAC-SHA256 with the contact's own secret, the same `webhook-id` at every attempt.
 * Every contact is a provider of its own here: no outcome is against the channel as a whole.
 */

export interface WebhookOptions {
  /** Default 5 s. */
  connectTimeoutMs?: number;
  /** Default 15 s, the least that the specification recommends. */
  answerTimeoutMs?: number;
  /** Certificate authorities in PEM beside Node's; default none. */
  ca?: string | null;
}

type Webhook = NonNullable<Contact['addresses']['webhook']>;

/** Bytes of a secret that Standard Webhooks allows. */
const SECRET_BYTES_MIN = 24;
const SECRET_BYTES_MAX = 64;
const WHAT_MAY_PASS = new Set([408, 425, 429, 503]);

function settingsOf(options: WebhookOptions): Required<WebhookOptions> {
  return { connectTimeoutMs: 5_000, answerTimeoutMs: 15_000, ca: null, ...options };
}

export function webhookFaults(options: WebhookOptions): SettingFault[] {
  const { connectTimeoutMs, answerTimeoutMs } = settingsOf(options);
  return timeFaults({ connectTimeoutMs, answerTimeoutMs });
}

/** Throws `invalid_settings`. */
export function webhookChannel(options: WebhookOptions, modules: { clock: Clock; timers: Timers }): Channel {
  refuseFaults('webhook', webhookFaults(options));
  return new WebhookChannel(settingsOf(options), modules);
}

/** The key of `whsec_…`; null when it is none of 24 to 64 bytes. */
export function webhookKey(secret: string): Buffer | null {
  const match = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret);
  const key = match === null ? null : Buffer.from(match[1], 'base64');
  return key !== null && key.length >= SECRET_BYTES_MIN && key.length <= SECRET_BYTES_MAX ? key : null;
}

class WebhookChannel implements Channel {
  readonly name = 'webhook';
  /** The receiver knows it again by its `webhook-id`. */
  readonly repeats = 'safe';
  private readonly clock: Clock;
  private readonly http: HttpClient;
  private readonly texts = new OutcomeText([]);

  constructor(settings: Required<WebhookOptions>, { clock, timers }: { clock: Clock; timers: Timers }) {
    this.clock = clock;
    this.http = new HttpClient(settings, timers);
  }

  unreachable({ webhook }: Contact['addresses']): string | null {
    if (webhook === null) return 'there is no webhook';
    const url = urlOf(webhook.url);
    if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return 'the URL of the webhook is not one of http or https';
    return webhookKey(webhook.secret) === null ? 'the secret of the webhook is not whsec_ and 24 to 64 bytes in base 64' : null;
  }

  async send(message: OutgoingMessage): Promise<SendOutcome> {
    const { webhook } = message.addresses;
    const why = this.unreachable(message.addresses);
    const key = webhook === null ? null : webhookKey(webhook.secret);
    if (webhook === null || key === null || why !== null) return { kind: 'rejected', code: 'no_address', text: `It cannot go: ${why}.` };
    const id = webhookIdOf(message.deliveryId);
    const timestamp = String(Math.floor(this.clock.now() / 1_000));
    const body = JSON.stringify(message.document);
    const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
    const headers = { 'content-type': 'application/json', 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
    return this.outcomeOf(webhook, await this.http.exchange({ method: 'POST', url: new URL(webhook.url), headers, body }));
  }

  async close(): Promise<void> {
    this.http.close();
  }

  private outcomeOf(webhook: Webhook, exchange: HttpExchange): SendOutcome {
    const { host } = new URL(webhook.url);
    // Nothing else of the URL: path and query of many webhooks are their password. Nor of the answer.
    const text = (sentence: string): string => this.texts.clean(`${host} ${sentence}`);
    if (exchange.kind === 'not_sent') return { kind: 'retry', code: exchange.code, text: text(`cannot be reached: ${exchange.text}.`), retryAfterMs: null, isProvider: false };
    if (exchange.kind === 'no_answer') return { kind: 'unknown', code: exchange.code, text: text(`was asked and did not answer: ${exchange.text}.`) };
    const { status } = exchange;
    const code = String(status);
    const after = retryAfterMs(exchange.headers, this.clock.now());
    if (status >= 200 && status < 300) return { kind: 'accepted', providerId: null, text: text(`answers ${status}.`) };
    if (status >= 300 && status < 400) return { kind: 'rejected', code: 'redirect', text: text(`answers ${status}, a redirect, which is not followed: the URL of the webhook is to be changed.`) };
    if (status === 410) return { kind: 'rejected', code, text: text('answers 410: it wants no more webhooks.'), unsubscribed: true };
    if (WHAT_MAY_PASS.has(status)) return { kind: 'retry', code, text: text(`answers ${status}.`), retryAfterMs: after, isProvider: false };
    // Whoever fails in the middle may have done its work.
    if (status >= 500) return { kind: 'unknown', code, text: text(`answers ${status}.`), retryAfterMs: after };
    return { kind: 'rejected', code, text: text(`answers ${status}.`) };
  }
}
