import type { OutgoingMessage } from './channel.ts';
import { lettersOf } from './delivery-reference.ts';

/** The body of a message of FCM HTTP v1 (firebase.google.com/docs/reference/fcm/rest/v1/projects.messages), without its token. */

/** Bytes that FCM and APNs take. The whole message is held to it, keys and all, which is more than they count. */
export const FCM_PAYLOAD_BYTES_MAX = 4_096;
/** Code points of a title: more are shown nowhere. */
const TITLE_LENGTH_MAX = 200;

/**
 * A newer message of the same key takes an older one's place while it waits (collapse_key, apns-collapse-id, Topic) and on the screen (tag). 26 letters: APNs allows 64 bytes, Web Push 32 characters of base 64.
 */
export function fcmMessage(message: OutgoingMessage, options: { nowMs: number; timeToLiveS: number }): object {
  const title = [...message.subject].slice(0, TITLE_LENGTH_MAX).join('');
  const link = message.link !== null && bytesOf(withTexts(message, options, title, '', message.link)) <= FCM_PAYLOAD_BYTES_MAX ? message.link : null;
  const points = [...message.text];
  const cut = (length: number): object => withTexts(message, options, title, length === points.length ? message.text : `${points.slice(0, length).join('')}…`, link);
  let fits = 0;
  let tooLong = points.length + 1;
  if (bytesOf(cut(points.length)) <= FCM_PAYLOAD_BYTES_MAX) return cut(points.length);
  while (tooLong - fits > 1) {
    const middle = (fits + tooLong) >> 1;
    if (bytesOf(cut(middle)) <= FCM_PAYLOAD_BYTES_MAX) fits = middle;
    else tooLong = middle;
  }
  return cut(fits);
}

function bytesOf(message: object): number {
  return Buffer.byteLength(JSON.stringify(message));
}

function withTexts(message: OutgoingMessage, { nowMs, timeToLiveS }: { nowMs: number; timeToLiveS: number }, title: string, body: string, link: string | null): object {
  const { severity, reason, deliveryId } = message;
  const key = lettersOf(message.collapseKey);
  const isUrgent = severity !== 'INFO';
  return {
    notification: { title, body },
    data: { delivery: lettersOf(deliveryId), severity, reason, ...(link === null ? {} : { link }) },
    android: { collapse_key: key, priority: isUrgent ? 'HIGH' : 'NORMAL', ttl: `${timeToLiveS}s`, notification: { tag: key } },
    apns: {
      headers: { 'apns-collapse-id': key, 'apns-priority': isUrgent ? '10' : '5', 'apns-expiration': String(Math.floor(nowMs / 1_000) + timeToLiveS) },
      payload: { aps: { 'thread-id': key, sound: 'default', 'interruption-level': severity === 'CRITICAL' ? 'time-sensitive' : 'active' } },
    },
    webpush: {
      headers: { Topic: key, Urgency: isUrgent ? 'high' : 'normal', TTL: String(timeToLiveS) },
      notification: { tag: key },
      // FCM takes no other here.
      ...(link?.startsWith('https://') === true ? { fcm_options: { link } } : {}),
    },
  };
}
