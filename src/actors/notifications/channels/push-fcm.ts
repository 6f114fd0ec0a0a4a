import { createPrivateKey } from 'node:crypto';
import type { Clock, Timers } from '../../../runtime/clock.ts';
import type { Channel, OutgoingMessage, SendOutcome } from './channel.ts';
import { baseUrlFaults, refuseFaults, timeFaults, type SettingFault } from './channel-settings.ts';
import { fcmMessage } from './fcm-message.ts';
import { HttpClient, jsonObject, type HttpExchange } from './http-client.ts';
import { OutcomeText } from './outcome-text.ts';
import { retryAfterMs } from './retry-after.ts';
import { ServiceAccountToken, type ServiceAccount } from './service-account-token.ts';

/** Push by Firebase Cloud Messaging's HTTP v1 API: firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send, its errors at …/v1/ErrorCode, its retries at firebase.google.com/docs/cloud-messaging/scale-fcm. */

export interface FcmOptions {
  /** The parsed JSON file of a service account (its key file, as the console gives it). */
  serviceAccount: unknown;
  /** Default https://fcm.googleapis.com. */
  baseUrl?: string;
  /** Default the account's own `token_uri`, or https://oauth2.googleapis.com/token. */
  tokenUrl?: string | null;
  /** How long FCM keeps a message for a phone that is off, s; default 14,400: an alert that comes four hours late helps nobody. */
  timeToLiveS?: number;
  /** Default 5 s. */
  connectTimeoutMs?: number;
  /** Default 15 s; FCM asks for 10 s at least. */
  answerTimeoutMs?: number;
  /** Certificate authorities in PEM beside Node's; default none. */
  ca?: string | null;
}

export type FcmSettings = Required<FcmOptions>;

const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging';
const TOKEN_URL = 'https://oauth2.googleapis.com/token';
/** A minute: what FCM asks for after QUOTA_EXCEEDED without Retry-After. */
const QUOTA_RETRY_MS = 60_000;
/** RS256 takes no shorter key (RFC 7518, section 3.3). */
const KEY_BITS_MIN = 2_048;
/** Four weeks, FCM's longest. */
const TIME_TO_LIVE_S_MAX = 2_419_200;

export function fcmSettings(options: FcmOptions): FcmSettings {
  return { baseUrl: 'https://fcm.googleapis.com', tokenUrl: null, timeToLiveS: 14_400, connectTimeoutMs: 5_000, answerTimeoutMs: 15_000, ca: null, ...options };
}

export function fcmFaults(options: FcmOptions): SettingFault[] {
  const { serviceAccount, baseUrl, timeToLiveS, connectTimeoutMs, answerTimeoutMs } = fcmSettings(options);
  const faults = [...accountFaults(serviceAccount), ...baseUrlFaults('baseUrl', baseUrl), ...baseUrlFaults('tokenUrl', tokenUrlOf(options)), ...timeFaults({ connectTimeoutMs, answerTimeoutMs })];
  if (!Number.isInteger(timeToLiveS) || timeToLiveS < 0 || timeToLiveS > TIME_TO_LIVE_S_MAX) faults.push({ setting: 'timeToLiveS', problem: `expected whole seconds from 0 to ${TIME_TO_LIVE_S_MAX}` });
  return faults;
}

/** Throws `invalid_settings`. */
export function fcmChannel(options: FcmOptions, modules: { clock: Clock; timers: Timers }): Channel {
  refuseFaults('fcm', fcmFaults(options));
  return new FcmChannel(fcmSettings(options), tokenUrlOf(options), modules);
}

function accountFaults(raw: unknown): SettingFault[] {
  const setting = 'serviceAccount';
  const { type, project_id, client_email, private_key } = fieldsOf(raw);
  if (type !== 'service_account') return [{ setting, problem: 'expected the JSON of a service account: its type is not service_account' }];
  const faults: SettingFault[] = [];
  if (typeof project_id !== 'string' || !/^[a-z0-9.:-]{1,64}$/.test(project_id)) faults.push({ setting, problem: 'expected a project_id' });
  if (typeof client_email !== 'string' || !client_email.includes('@')) faults.push({ setting, problem: 'expected a client_email' });
  if (typeof private_key !== 'string' || !isPrivateKey(private_key)) faults.push({ setting, problem: 'expected a private_key, an RSA key of 2048 bits or more in PEM' });
  return faults;
}

function isPrivateKey(pem: string): boolean {
  try {
    const { asymmetricKeyType, asymmetricKeyDetails } = createPrivateKey(pem);
    return asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) >= KEY_BITS_MIN;
  } catch {
    return false;
  }
}

function accountOf(raw: unknown): ServiceAccount {
  const { project_id, client_email, private_key, private_key_id } = fieldsOf(raw);
  return { projectId: String(project_id), clientEmail: String(client_email), privateKey: String(private_key), privateKeyId: typeof private_key_id === 'string' ? private_key_id : null };
}

function tokenUrlOf({ tokenUrl, serviceAccount }: FcmOptions): string {
  const { token_uri } = fieldsOf(serviceAccount);
  return tokenUrl ?? (typeof token_uri === 'string' ? token_uri : TOKEN_URL);
}

function fieldsOf(raw: unknown): Record<string, unknown> {
  return typeof raw === 'object' && raw !== null ? (raw as Record<string, unknown>) : {};
}

/** Of one device. */
type DeviceOutcome = SendOutcome & { device: string };

class FcmChannel implements Channel {
  readonly name = 'push';
  /** A phone shows the newest of a collapse key. */
  readonly repeats = 'safe';
  private readonly settings: FcmSettings;
  private readonly clock: Clock;
  private readonly http: HttpClient;
  private readonly tokens: ServiceAccountToken;
  private readonly texts: OutcomeText;
  private readonly sendUrl: URL;

  constructor(settings: FcmSettings, tokenUrl: string, { clock, timers }: { clock: Clock; timers: Timers }) {
    const account = accountOf(settings.serviceAccount);
    this.settings = settings;
    this.clock = clock;
    this.http = new HttpClient(settings, timers);
    this.tokens = new ServiceAccountToken({ account, tokenUrl, scope: SCOPE }, { http: this.http, clock });
    this.texts = new OutcomeText([account.privateKey, ...account.privateKey.split('\n').filter((line) => !line.startsWith('-'))]);
    this.sendUrl = new URL(`${settings.baseUrl.replace(/\/+$/, '')}/v1/projects/${account.projectId}/messages:send`);
  }

  unreachable({ push }: OutgoingMessage['addresses']): string | null {
    return push.length === 0 ? 'there is no device' : null;
  }

  /** To all of the person's devices at once. One that took it is enough. */
  async send(message: OutgoingMessage): Promise<SendOutcome> {
    const devices = message.addresses.push;
    if (devices.length === 0) return { kind: 'rejected', code: 'no_address', text: 'There is no device.' };
    const body = fcmMessage(message, { nowMs: this.clock.now(), timeToLiveS: this.settings.timeToLiveS });
    const outcomes = await Promise.all(devices.map(async (device): Promise<DeviceOutcome> => ({ ...(await this.sendTo(device, body)), device })));
    return together(outcomes);
  }

  async close(): Promise<void> {
    this.http.close();
  }

  private async sendTo(device: string, body: object): Promise<SendOutcome> {
    const first = await this.attempt(device, body);
    if (!('refused' in first)) return first;
    // Revoked before its time: with a new one once.
    this.tokens.forget(first.refused);
    const second = await this.attempt(device, body);
    if (!('refused' in second)) return second;
    return { kind: 'retry', code: 'UNAUTHENTICATED', text: 'FCM does not take the access token of the service account.', retryAfterMs: null, isProvider: true };
  }

  /** `refused`: the access token that FCM did not take. */
  private async attempt(device: string, body: object): Promise<SendOutcome | { refused: string }> {
    const answer = await this.tokens.get();
    if (!('token' in answer)) return { kind: 'retry', code: answer.code, text: this.texts.clean(`${answer.text}.`), retryAfterMs: answer.retryAfterMs, isProvider: true };
    const { token } = answer;
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const exchange = await this.http.exchange({ method: 'POST', url: this.sendUrl, headers, body: JSON.stringify({ message: { token: device, ...body } }) });
    const error = errorOf(exchange);
    // Of a certificate for APNs that is missing FCM says 401 as well.
    if (error?.status === 401 && error.code !== 'THIRD_PARTY_AUTH_ERROR') return { refused: token };
    return this.outcomeOf(exchange, error, device, token);
  }

  private outcomeOf(exchange: HttpExchange, error: FcmError | null, device: string, token: string): SendOutcome {
    const text = (sentence: string): string => this.texts.clean(sentence, [token, device]);
    if (exchange.kind === 'not_sent') return { kind: 'retry', code: exchange.code, text: text(`FCM cannot be reached: ${exchange.text}.`), retryAfterMs: null, isProvider: true };
    if (exchange.kind === 'no_answer') return { kind: 'unknown', code: exchange.code, text: text(`FCM was asked and did not answer: ${exchange.text}.`) };
    if (error === null) return this.taken(exchange, text);
    const says = text(`FCM answers ${error.status} ${error.code}${error.message === null ? '.' : `: ${error.message}`}`);
    const after = retryAfterMs(exchange.headers, this.clock.now());
    switch (error.code) {
      case 'UNREGISTERED':
        return { kind: 'rejected', code: error.code, text: says, removeAddresses: [device] };
      case 'SENDER_ID_MISMATCH':
        // Of another project: a wrong key file would cost everybody their devices, so they stay.
      case 'THIRD_PARTY_AUTH_ERROR':
        // Of this kind of device; the others are not concerned.
        return { kind: 'rejected', code: error.code, text: says };
      case 'INVALID_ARGUMENT':
        return { kind: 'rejected', code: error.code, text: says, ...(error.isOfTheToken ? { removeAddresses: [device] } : {}) };
      case 'QUOTA_EXCEEDED':
        return { kind: 'retry', code: error.code, text: says, retryAfterMs: after ?? QUOTA_RETRY_MS, isProvider: true };
    }
    if (error.status === 429) return { kind: 'retry', code: error.code, text: says, retryAfterMs: after ?? QUOTA_RETRY_MS, isProvider: true };
    // Also UNAVAILABLE: such a message may have been delivered.
    if (error.status >= 500) return { kind: 'unknown', code: error.code, text: says, retryAfterMs: after };
    if (error.status === 400 || error.status === 413) return { kind: 'rejected', code: error.code, text: says };
    // A redirect, which is not followed; no such project; no permission.
    return { kind: 'retry', code: error.code, text: says, retryAfterMs: after, isProvider: true };
  }

  private taken({ status, body, isWhole }: { status: number; body: string; isWhole: boolean }, text: (sentence: string) => string): SendOutcome {
    const name = jsonObject(body)?.name;
    if (typeof name === 'string') return { kind: 'accepted', providerId: text(name), text: 'FCM took it.' };
    if (!isWhole) return { kind: 'accepted', providerId: null, text: 'FCM took it; the rest of its answer was lost.' };
    return { kind: 'unknown', code: 'bad_reply', text: `FCM's address answers ${status} with something that is no message.` };
  }
}

interface FcmError {
  status: number;
  /** FCM's own ErrorCode where it gives one, else google.rpc's status, else the number. */
  code: string;
  message: string | null;
  /** The device's registration token is not one, as opposed to the rest of the message. */
  isOfTheToken: boolean;
}

function errorOf(exchange: HttpExchange): FcmError | null {
  if (exchange.kind !== 'answered' || (exchange.status >= 200 && exchange.status < 300)) return null;
  const { status: label, message, details } = fieldsOf(jsonObject(exchange.body)?.error);
  const parts = Array.isArray(details) ? details.map(fieldsOf) : [];
  const ofKind = (kind: string): Record<string, unknown> | undefined => parts.find((part) => part['@type'] === `type.googleapis.com/${kind}`);
  const fcmCode = ofKind('google.firebase.fcm.v1.FcmError')?.errorCode;
  const code = typeof fcmCode === 'string' ? fcmCode : typeof label === 'string' ? label : String(exchange.status);
  // As in FCM's documentation: the token's fault comes with an FcmError alone, one of the message with google.rpc.BadRequest.
  const isOfTheToken = fcmCode === 'INVALID_ARGUMENT' && ofKind('google.rpc.BadRequest') === undefined && typeof message === 'string' && /registration token/i.test(message);
  return { status: exchange.status, code, message: typeof message === 'string' ? message : null, isOfTheToken };
}

/** What became of the message for the person: the best that became of it on any device. */
function together(outcomes: readonly DeviceOutcome[]): SendOutcome {
  const removeAddresses = outcomes.flatMap((outcome) => ('removeAddresses' in outcome ? (outcome.removeAddresses ?? []) : []));
  const worst = ['accepted', 'unknown', 'retry', 'rejected'].map((kind) => outcomes.filter((outcome) => outcome.kind === kind)).find((some) => some.length > 0) ?? [];
  const { device: _device, ...outcome } = worst[0];
  const others = outcomes.filter((other) => other.kind !== outcome.kind);
  const text = outcomes.length === 1 ? outcome.text : `${worst.length} of ${outcomes.length} devices: ${outcome.text}${others.length === 0 ? '' : ` Others: ${[...new Set(others.map((other) => ('code' in other ? other.code : other.kind)))].join(', ')}.`}`;
  switch (outcome.kind) {
    case 'accepted':
    case 'rejected':
      return { ...outcome, text, ...(removeAddresses.length === 0 ? {} : { removeAddresses }) };
    case 'unknown':
    case 'retry':
      return { ...outcome, text, retryAfterMs: longest(worst) };
  }
}

function longest(outcomes: readonly DeviceOutcome[]): number | null {
  const times = outcomes.flatMap((outcome) => ('retryAfterMs' in outcome && outcome.retryAfterMs != null ? [outcome.retryAfterMs] : []));
  return times.length === 0 ? null : Math.max(...times);
}
