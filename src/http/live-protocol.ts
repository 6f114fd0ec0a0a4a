import type { Alert } from '../model/alert.ts';
import type { Anomaly } from '../model/anomaly.ts';
import type { DynamicPrice } from '../model/billing.ts';
import { isId } from '../model/ids.ts';
import { alertShape } from './alert-shapes.ts';
import { disputeShape, invoiceSummaryShape, paymentShape, priceShape } from './billing-shapes.ts';
import type { EngineSnapshot, MeterNow, RecentBills, RegionsPicture } from './live-source.ts';
import { anomalyShape, isoTime, meterShape, windowShape } from './wire-shapes.ts';

/**
 * Messages of the live stream, JSON text both ways. Receivers ignore types and fields they do not know, so that later
 * versions may add some.
 */

/** Channels a client may name in one message, and hold on one socket: the six fixed ones and a wall of meters. */
export const SUBSCRIPTIONS_PER_SOCKET_MAX = 16;
/** Most episodes in one snapshot or update of `anomalies`; older ones are fetched over REST. About 100 KB of JSON. */
export const ANOMALIES_RECENT_MAX = 200;
/** Most alerts in one snapshot or update of `alerts`; further ones are fetched over REST. About 200 KB of JSON. */
export const ALERTS_ACTIVE_MAX = 200;
/** Most prices in one snapshot or update of `prices`, first ones by region; further ones are fetched over REST. About 150 KB of JSON. */
export const PRICES_MAX = 1_000;
/** Most invoices, payments and disputes, each, in one snapshot or update of `bills`; older ones are fetched over REST. About 100 KB of JSON. */
export const BILLS_RECENT_MAX = 100;
/** Sixteen meter channels of 64-byte names with room to spare; longer messages close the socket. */
export const CLIENT_MESSAGE_BYTES_MAX = 4096;

export const FIXED_CHANNELS = ['regions', 'anomalies', 'alerts', 'prices', 'bills', 'engine'] as const;
export type FixedChannel = (typeof FIXED_CHANNELS)[number];
/** `contact:ID`: messages for a person, as they come; there is no snapshot of them, and no seq. */
export type ChannelName = FixedChannel | `meter:${string}` | `contact:${string}`;

export type ClientMessage =
  | { type: 'subscribe' | 'unsubscribe'; channels: ChannelName[] }
  | { type: 'ping' };

/** `channel` is set when the error concerns one. */
export interface LiveError {
  type: 'error';
  code: 'invalid_message' | 'unknown_type' | 'unknown_channel' | 'unknown_meter' | 'too_many_subscriptions' | 'too_many_meters' | 'unavailable';
  message: string;
  channel?: string;
}

/**
 * `seq` counts the changes of a channel. A snapshot carries the seq it is true for; the update after it has seq + 1, and
 * so on without a gap: where a slow reader missed some, it gets a new snapshot instead. An update holds whole items that
 * replace the ones of the same name, so applying one twice is harmless.
 */
export interface ChannelMessage {
  type: 'snapshot' | 'update';
  channel: ChannelName;
  seq: number;
  data: object;
}

export type ServerMessage =
  /** First message on every connection. Silence for longer than two heartbeats means that the connection is dead. */
  | { type: 'hello'; protocol: 1; heartbeatMs: number }
  | ChannelMessage
  | { type: 'notification'; channel: ChannelName; data: object }
  | { type: 'heartbeat'; at: string }
  | { type: 'pong'; at: string }
  | LiveError;

/** The meter of a meter channel, or null for another. */
export function meterOfChannel(channel: ChannelName): string | null {
  return channel.startsWith('meter:') ? channel.slice('meter:'.length) : null;
}

export function isContactChannel(channel: string): boolean {
  return channel.startsWith('contact:');
}

function isChannelName(name: unknown): name is ChannelName {
  if (typeof name !== 'string') return false;
  if ((FIXED_CHANNELS as readonly string[]).includes(name)) return true;
  if (isContactChannel(name)) return isId(name.slice('contact:'.length));
  return name.startsWith('meter:') && isId(name.slice('meter:'.length));
}

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
      message: `"channels" must be an array of 1 to ${SUBSCRIPTIONS_PER_SOCKET_MAX} channel names`,
    };
  }
  for (const channel of channels) {
    if (!isChannelName(channel)) {
      return {
        type: 'error',
        code: 'unknown_channel',
        message: `unknown channel; known are ${FIXED_CHANNELS.join(', ')}, meter:METER_ID and contact:CONTACT_ID`,
        channel: JSON.stringify(channel).slice(0, 80),
      };
    }
  }
  return { type, channels: channels as ChannelName[] };
}

/** Of a window only what a curve needs: an hour of ten regions is 600 of them. All are one-minute windows. */
export function regionsToWire(picture: RegionsPicture): object {
  return {
    regions: picture.regions,
    windows: picture.windows.map(({ region, windowStart, metersReporting, sumPowerKw, loadPercent, final }) => ({
      region,
      windowStart: isoTime(windowStart),
      metersReporting,
      sumPowerKw,
      loadPercent,
      final,
    })),
  };
}

export function anomaliesToWire(anomalies: readonly Anomaly[]): object {
  return { anomalies: anomalies.map(anomalyShape) };
}

/** An alert that is resolved is in the update that says so, and in no snapshot. */
export function alertsToWire(alerts: readonly Alert[]): object {
  return { alerts: alerts.map(alertShape) };
}

export function pricesToWire(prices: readonly DynamicPrice[]): object {
  return { prices: prices.map(priceShape) };
}

/** Invoices without lines and days, which a page asks for when somebody looks at one. */
export function billsToWire({ invoices, payments, disputes }: RecentBills): object {
  return { invoices: invoices.map(invoiceSummaryShape), payments: payments.map(paymentShape), disputes: disputes.map(disputeShape) };
}

export function engineToWire(snapshot: EngineSnapshot): object {
  return { ...snapshot, startedAt: isoTime(snapshot.startedAt), now: isoTime(snapshot.now) };
}

export function meterToWire({ meter, openWindows }: MeterNow): object {
  return { meter: meterShape(meter), openWindows: openWindows.map(windowShape) };
}
