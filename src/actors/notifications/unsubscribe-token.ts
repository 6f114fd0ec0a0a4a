import { createHmac, timingSafeEqual } from 'node:crypto';
import type { ChannelName } from '../../model/contact.ts';
import { CHANNEL_NAMES } from '../../model/contact.ts';
import { invariant } from '../../runtime/errors.ts';

/**
 * The token in a message's unsubscribe link: who, and which channel, signed (HMAC-SHA256), so that nobody unsubscribes another. It does not expire: a mail that is years old must still get its reader out,
 * and all it can do is to stop a channel, and to turn it on again.
 */

/** As long as what HMAC-SHA256 gives: a shorter key would be the weakest part. */
const SECRET_BYTES_MIN = 32;
/** Longer ones are none; contact ids have 64 characters at most. */
const TOKEN_CHARACTERS_MAX = 512;
/** Keeps signatures of this use from being taken for another's with the same secret. */
const PURPOSE = 'seg unsubscribe 1\n';

export interface Unsubscription {
  contactId: string;
  channel: ChannelName;
}

/** Characters of base64url and one dot, which no mail program breaks. */
export function unsubscribeToken(secret: Uint8Array, { contactId, channel }: Unsubscription): string {
  const content = Buffer.from(`${channel}/${contactId}`).toString('base64url');
  return `${content}.${signature(secret, content).toString('base64url')}`;
}

/** null: not one of ours. */
export function readUnsubscribeToken(secret: Uint8Array, token: string): Unsubscription | null {
  const match = token.length > TOKEN_CHARACTERS_MAX ? null : /^([\w-]+)\.([\w-]+)$/.exec(token);
  if (match === null) return null;
  const [, content, signed] = match;
  const given = Buffer.from(signed, 'base64url');
  const expected = signature(secret, content);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
  const text = Buffer.from(content, 'base64url').toString();
  const slash = text.indexOf('/');
  const channel = CHANNEL_NAMES.find((name) => name === text.slice(0, slash));
  return channel === undefined ? null : { contactId: text.slice(slash + 1), channel };
}

function signature(secret: Uint8Array, content: string): Buffer {
  invariant(secret.length >= SECRET_BYTES_MIN, `the secret of unsubscribe links has ${SECRET_BYTES_MIN} bytes at least`);
  return createHmac('sha256', secret).update(PURPOSE + content).digest();
}
