import { channelAddress, CHANNEL_NAMES_HINT, type ChannelAddress, type ChannelName } from './live-names.ts';

/**
 * Messages of the live stream, JSON text both ways (docs/LIVE.md). Receivers ignore types and fields they do not know, so that later
 * versions may add some.
 */

/** Channels a client may name in one message, and hold on one connection: the fixed ones and a wall of meters. */
export const SUBSCRIPTIONS_PER_SOCKET_MAX = 16;
/** Most episodes in one snapshot or update of `anomalies`; older ones are fetched over REST. About 100 KB of JSON. */
export const ANOMALIES_RECENT_MAX = 200;
/** Most alerts in one snapshot or update of `alerts`; further ones are fetched over REST. About 200 KB of JSON. */
export const ALERTS_ACTIVE_MAX = 200;
/** Most prices in one snapshot or update of `prices`, first ones by region; further ones are fetched over REST. About 150 KB of JSON. */
export const PRICES_MAX = 1_000;
/** Most invoices, payments and disputes, each, in one snapshot or update of `bills`; older ones are fetched over REST. About 100 KB of JSON. */
export const BILLS_RECENT_MAX = 100;
/** Sixteen meter channels of 64-byte names with what resumes each, and room to spare; longer messages close the socket. */
export const CLIENT_MESSAGE_BYTES_MAX = 4096;

/** A channel that a client wants, from where it is. */
export interface Wish {
  address: ChannelAddress;
  /** The last seq that the client has; null: it has nothing. */
  after: number | null;
  /** Of the snapshot that the client goes on from; null when that had none. */
  scope: string | null;
}

export type ClientMessage = { type: 'subscribe' | 'unsubscribe'; wishes: Wish[] } | { type: 'ping' };

/** `channel` is set when the error concerns one. `forbidden`: not theirs, or there is no such thing. */
export interface LiveError {
  type: 'error';
  code: 'invalid_message' | 'unknown_type' | 'unknown_channel' | 'unknown_meter' | 'forbidden' | 'too_many_subscriptions' | 'too_many_meters' | 'unavailable';
  message: string;
  channel?: string;
}

/**
 * `seq` counts the changes of a channel, from a number that is another in each life of the engine. A snapshot is true for its seq and replaces what the client has; an update brings whoever has `after`, or anything later
 * than that, to `seq`. It holds whole items that replace the ones of the same name, so that applying one twice is harmless, and of several changes of an item the newest alone.
 */
export interface ChannelMessage {
  type: 'snapshot' | 'update';
  channel: ChannelName;
  seq: number;
  after?: number;
  scope?: string;
  data: object;
}

export type ServerMessage =
  /** First message on every connection. Silence for longer than two heartbeats means that the connection is dead. */
  | { type: 'hello'; protocol: 1; heartbeatMs: number }
  | ChannelMessage
  | { type: 'notification'; channel: ChannelName; data: object }
  | { type: 'heartbeat'; at: string }
  | { type: 'pong'; at: string }
  /** What the account may do is, or may be, another than it was: a client that keeps it asks for it again. */
  | { type: 'access' }
  | LiveError;

/** Close codes: those of RFC 6455 and its registry, and of the range that is the application's. */
export const CLOSE = { goingAway: 1001, unsupportedData: 1003, invalidPayload: 1007, policy: 1008, tryAgainLater: 1013, sessionEnded: 4401 } as const;

const TYPES_KNOWN = 'subscribe, unsubscribe and ping';

/** The message as a value, the error to send back, or null when the text is not JSON at all. */
export function parseClientMessage(text: string): ClientMessage | LiveError | null {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof message !== 'object' || message === null || Array.isArray(message)) {
    return { type: 'error', code: 'invalid_message', message: 'a message is a JSON object with a "type"' };
  }
  const { type, channels } = message as { type?: unknown; channels?: unknown };
  if (type === 'ping') return { type };
  if (type !== 'subscribe' && type !== 'unsubscribe') {
    return { type: 'error', code: 'unknown_type', message: `unknown message type; known are ${TYPES_KNOWN}` };
  }
  if (!Array.isArray(channels) || channels.length === 0 || channels.length > SUBSCRIPTIONS_PER_SOCKET_MAX) {
    return {
      type: 'error',
      code: 'invalid_message',
      message: `"channels" must be an array of 1 to ${SUBSCRIPTIONS_PER_SOCKET_MAX} channels`,
    };
  }
  const wishes: Wish[] = [];
  for (const channel of channels) {
    const wish = parseWish(channel);
    if ('code' in wish) return wish;
    wishes.push(wish);
  }
  return { type, wishes };
}

/** A name, or `{ name, after, scope }`. */
function parseWish(channel: unknown): Wish | LiveError {
  const { name, after = null, scope = null } = typeof channel === 'object' && channel !== null ? (channel as { name?: unknown; after?: unknown; scope?: unknown }) : { name: channel };
  const address = channelAddress(name);
  if (address === null) {
    return { type: 'error', code: 'unknown_channel', message: `unknown channel; known are ${CHANNEL_NAMES_HINT}`, channel: JSON.stringify(channel).slice(0, 80) };
  }
  if ((after !== null && !Number.isSafeInteger(after)) || (scope !== null && typeof scope !== 'string')) {
    return { type: 'error', code: 'invalid_message', message: '"after" is a seq, a whole number, and "scope" a text, as they came with the channel\'s messages', channel: address.name };
  }
  return { address, after: after as number | null, scope };
}
