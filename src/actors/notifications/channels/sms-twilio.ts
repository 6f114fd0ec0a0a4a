import type { Clock, Timers } from '../../../runtime/clock.ts';
import type { Channel, OutgoingMessage, SendOutcome } from './channel.ts';
import { baseUrlFaults, refuseFaults, timeFaults, type SettingFault } from './channel-settings.ts';
import { referenceOf, SMS_REFERENCE_LENGTH, smsReference } from './delivery-reference.ts';
import { HttpClient, jsonObject, type HttpExchange } from './http-client.ts';
import { OutcomeText } from './outcome-text.ts';
import { retryAfterMs } from './retry-after.ts';
import { TWILIO_UNSUBSCRIBED, twilioBlame } from './twilio-codes.ts';

/** SMS by Twilio's Programmable Messaging API, as documented at twilio.com/docs/messaging/api/message-resource; its error codes are at twilio.com/docs/api/errors. */

export interface TwilioOptions {
  /** `AC` and 32 hexadecimal digits. */
  accountSid: string;
  authToken: string;
  /** The sender: a number in E.164, a short code or a name of 11 characters. Exactly one of the two. */
  from: string | null;
  /** `MG` and 32 hexadecimal digits. */
  messagingServiceSid: string | null;
  /** Default https://api.twilio.com. */
  baseUrl?: string;
  /** How long Twilio may hold a message in its queue, s, 1–36,000; default 14,400: an alert that comes four hours late helps nobody. */
  validityPeriodS?: number;
  /** Default 5 s. */
  connectTimeoutMs?: number;
  /** Default 15 s: Twilio answers within one. */
  answerTimeoutMs?: number;
  /** Default 10 s; see `lookup`. */
  settleMs?: number;
  /** Certificate authorities in PEM beside Node's; default none. */
  ca?: string | null;
}

export type TwilioSettings = Required<TwilioOptions>;

/** Characters: Twilio refuses a longer body (21617). */
const BODY_LENGTH_MAX = 1_600;
/** Messages on a page of the list, and pages that are read: to one number, in two days. More would be no person. */
const LIST_PAGE_SIZE = 100;
const LIST_PAGES_MAX = 10;
const DAY_MS = 86_400_000;
/** Twilio's word for messages that it took and that went nowhere. */
const NEVER_WENT = new Set(['failed', 'canceled']);

export function twilioSettings(options: TwilioOptions): TwilioSettings {
  return { baseUrl: 'https://api.twilio.com', validityPeriodS: 14_400, connectTimeoutMs: 5_000, answerTimeoutMs: 15_000, settleMs: 10_000, ca: null, ...options };
}

export function twilioFaults(options: TwilioOptions): SettingFault[] {
  const { accountSid, authToken, from, messagingServiceSid, baseUrl, validityPeriodS, connectTimeoutMs, answerTimeoutMs, settleMs } = twilioSettings(options);
  const faults: SettingFault[] = [];
  if (!/^AC[0-9a-fA-F]{32}$/.test(accountSid)) faults.push({ setting: 'accountSid', problem: 'expected AC and 32 hexadecimal digits' });
  if (!/^[\x21-\x7e]{1,128}$/.test(authToken)) faults.push({ setting: 'authToken', problem: 'expected the token of the account, without spaces' });
  if ((from === null) === (messagingServiceSid === null)) faults.push({ setting: 'from', problem: 'expected either a sender or a messaging service' });
  if (from !== null && !/^(\+[1-9]\d{6,14}|\d{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11})$/.test(from)) faults.push({ setting: 'from', problem: 'expected a number such as +41791234567, a short code, or a name of at most 11 letters and digits' });
  if (messagingServiceSid !== null && !/^MG[0-9a-fA-F]{32}$/.test(messagingServiceSid)) faults.push({ setting: 'messagingServiceSid', problem: 'expected MG and 32 hexadecimal digits' });
  if (!Number.isInteger(validityPeriodS) || validityPeriodS < 1 || validityPeriodS > 36_000) faults.push({ setting: 'validityPeriodS', problem: 'expected whole seconds from 1 to 36000' });
  return [...faults, ...baseUrlFaults('baseUrl', baseUrl), ...timeFaults({ connectTimeoutMs, answerTimeoutMs, settleMs })];
}

/** Throws `invalid_settings`. */
export function twilioChannel(options: TwilioOptions, modules: { clock: Clock; timers: Timers }): Channel {
  refuseFaults('twilio', twilioFaults(options));
  return new TwilioChannel(twilioSettings(options), modules);
}

interface ListedMessage {
  sid: string;
  body: string;
  status: string;
}

class TwilioChannel implements Channel {
  readonly name = 'sms';
  readonly repeats = 'lookup';
  private readonly settings: TwilioSettings;
  private readonly clock: Clock;
  private readonly timers: Timers;
  private readonly http: HttpClient;
  private readonly texts: OutcomeText;
  private readonly messagesUrl: string;
  private readonly headers: Readonly<Record<string, string>>;

  constructor(settings: TwilioSettings, { clock, timers }: { clock: Clock; timers: Timers }) {
    const { accountSid, authToken, baseUrl } = settings;
    const credentials = Buffer.from(`${accountSid}:${authToken}`).toString('base64');
    this.settings = settings;
    this.clock = clock;
    this.timers = timers;
    this.http = new HttpClient(settings, timers);
    this.texts = new OutcomeText([authToken, credentials]);
    this.messagesUrl = `${baseUrl.replace(/\/+$/, '')}/2010-04-01/Accounts/${accountSid}/Messages.json`;
    this.headers = { authorization: `Basic ${credentials}`, accept: 'application/json' };
  }

  unreachable({ sms }: OutgoingMessage['addresses']): string | null {
    return sms === null ? 'there is no number' : null;
  }

  async send(message: OutgoingMessage): Promise<SendOutcome> {
    const to = message.addresses.sms;
    if (to === null) return { kind: 'rejected', code: 'no_address', text: 'There is no number.' };
    const { from, messagingServiceSid, validityPeriodS } = this.settings;
    const sender: Record<string, string> = from === null ? { MessagingServiceSid: messagingServiceSid ?? '' } : { From: from };
    const form = new URLSearchParams({ To: to, ...sender, Body: smsBody(message), ValidityPeriod: String(validityPeriodS) });
    const headers = { ...this.headers, 'content-type': 'application/x-www-form-urlencoded' };
    return this.outcomeOf(await this.http.exchange({ method: 'POST', url: new URL(this.messagesUrl), headers, body: form.toString() }));
  }

  /**
   * Looks for the delivery's reference among the messages to the number: those sent since the day before `sinceMs` (Twilio filters by days in GMT), and the newest of all, as one that waits in a queue has no date yet.
   * A request that is on its way when asked could still arrive after the answer: until `settleMs` have passed since `sinceMs` this waits.
   */
  async lookup(message: OutgoingMessage, sinceMs: number): ReturnType<NonNullable<Channel['lookup']>> {
    const to = message.addresses.sms;
    if (to === null) return { kind: 'not_sent' };
    const { settleMs } = this.settings;
    await this.pause(Math.min(settleMs, Math.max(0, sinceMs + settleMs - this.clock.now())));
    const reference = referenceOf(message.deliveryId);
    const sinceDay = new Date(sinceMs - DAY_MS).toISOString().slice(0, 10);
    for (const { query, pagesMax, isComplete } of [
      { query: { To: to, 'DateSent>': sinceDay }, pagesMax: LIST_PAGES_MAX, isComplete: true },
      { query: { To: to }, pagesMax: 1, isComplete: false },
    ]) {
      const found = await this.find(reference, new URLSearchParams({ ...query, PageSize: String(LIST_PAGE_SIZE) }), pagesMax);
      if (found.kind === 'unknown') return found;
      if (found.kind === 'more' && isComplete) return { kind: 'unknown', text: `There are more than ${LIST_PAGES_MAX * LIST_PAGE_SIZE} messages to the number.` };
      if (found.kind === 'sent') return found;
    }
    return { kind: 'not_sent' };
  }

  async close(): Promise<void> {
    this.http.close();
  }

  private async find(reference: string, query: URLSearchParams, pagesMax: number): Promise<{ kind: 'sent'; providerId: string } | { kind: 'none' | 'more' } | { kind: 'unknown'; text: string }> {
    let url: URL | null = new URL(`${this.messagesUrl}?${query}`);
    for (let page = 0; page < pagesMax && url !== null; page++) {
      const exchange = await this.http.exchange({ method: 'GET', url, headers: this.headers, body: null });
      if (exchange.kind !== 'answered') return { kind: 'unknown', text: this.texts.clean(`Twilio's list of messages cannot be read: ${exchange.text}.`) };
      const reply = exchange.status === 200 && exchange.isWhole ? jsonObject(exchange.body) : null;
      if (reply === null || !Array.isArray(reply.messages)) return { kind: 'unknown', text: this.texts.clean(`Twilio's list of messages cannot be read: status ${exchange.status}.`) };
      const found = reply.messages.map(listedMessage).find((listed) => listed !== null && listed.body.replace(/\)$/, '').endsWith(reference) && !NEVER_WENT.has(listed.status));
      if (found != null) return { kind: 'sent', providerId: found.sid };
      url = this.nextPage(reply.next_page_uri);
    }
    return { kind: url === null ? 'none' : 'more' };
  }

  /** A path at the same host: credentials go nowhere else. */
  private nextPage(raw: unknown): URL | null {
    if (typeof raw !== 'string' || raw === '') return null;
    const base = new URL(this.messagesUrl);
    const url = URL.canParse(raw, base.href) ? new URL(raw, base) : null;
    return url?.origin === base.origin ? url : null;
  }

  private outcomeOf(exchange: HttpExchange): SendOutcome {
    if (exchange.kind === 'not_sent') return { kind: 'retry', code: exchange.code, text: this.texts.clean(`Twilio cannot be reached: ${exchange.text}.`), retryAfterMs: null, isProvider: true };
    if (exchange.kind === 'no_answer') return { kind: 'unknown', code: exchange.code, text: this.texts.clean(`Twilio was asked and did not answer: ${exchange.text}.`) };
    const { status } = exchange;
    const reply = jsonObject(exchange.body);
    if (status >= 200 && status < 300) return this.taken(exchange, reply);
    const code = typeof reply?.code === 'number' ? reply.code : null;
    const text = this.texts.clean(`Twilio answers ${status}${code === null ? '' : ` with error ${code}`}${typeof reply?.message === 'string' ? `: ${reply.message}` : '.'}`);
    const label = String(code ?? status);
    const after = retryAfterMs(exchange.headers, this.clock.now());
    if (status >= 300 && status < 400) return { kind: 'retry', code: 'redirect', text: this.texts.clean(`Twilio's address answers ${status}, a redirect, which is not followed.`), retryAfterMs: after, isProvider: true };
    // It says itself that it did nothing; of the others of its kind nobody knows how far they came.
    if (status === 503) return { kind: 'retry', code: label, text, retryAfterMs: after, isProvider: true };
    if (status >= 500) return { kind: 'unknown', code: label, text, retryAfterMs: after };
    if (code === TWILIO_UNSUBSCRIBED) return { kind: 'rejected', code: label, text, unsubscribed: true };
    if (twilioBlame(status, code) === 'provider') return { kind: 'retry', code: label, text, retryAfterMs: after, isProvider: true };
    return { kind: 'rejected', code: label, text };
  }

  private taken({ status, isWhole }: { status: number; isWhole: boolean }, reply: Record<string, unknown> | null): SendOutcome {
    if (typeof reply?.sid === 'string') return { kind: 'accepted', providerId: this.texts.clean(reply.sid), text: this.texts.clean(`Twilio took it as ${typeof reply.status === 'string' ? reply.status : 'accepted'}.`) };
    if (!isWhole) return { kind: 'accepted', providerId: null, text: `Twilio took it; the rest of its answer was lost.` };
    return { kind: 'unknown', code: 'bad_reply', text: `Twilio's address answers ${status} with something that is no message.` };
  }

  private pause(ms: number): Promise<void> {
    return ms === 0 ? Promise.resolve() : new Promise((resolve) => void this.timers.after(ms, resolve));
  }
}

function smsBody({ text, deliveryId }: OutgoingMessage): string {
  if (text.length <= BODY_LENGTH_MAX && text.endsWith(referenceOf(deliveryId))) return text;
  const room = BODY_LENGTH_MAX - SMS_REFERENCE_LENGTH;
  const body = text.length > room ? `${text.slice(0, room - 3).replace(/[\ud800-\udbff]$/, '')}...` : text;
  return body + smsReference(deliveryId);
}

function listedMessage(raw: unknown): ListedMessage | null {
  const { sid, body, status } = (typeof raw === 'object' && raw !== null ? raw : {}) as Record<string, unknown>;
  return typeof sid === 'string' && typeof body === 'string' ? { sid, body, status: typeof status === 'string' ? status : '' } : null;
}
