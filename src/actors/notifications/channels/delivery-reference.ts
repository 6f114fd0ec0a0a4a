import { createHash } from 'node:crypto';

/** Names that a delivery has at providers: the same for every attempt and after every restart, and of letters that any protocol takes. */

/** Crockford's base 32, without I, L, O and U: read out over a phone nothing is mistaken, and no word comes up that offends. */
const LETTERS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** `count` letters of five bits each. 26 of them, 130 bits, never come up twice. */
export function lettersOf(text: string, count = 26): string {
  const digest = createHash('sha256').update(text).digest();
  let bits = 0n;
  for (const byte of digest.subarray(0, 24)) bits = (bits << 8n) | BigInt(byte);
  let letters = '';
  for (let at = 0; at < count; at++) letters += LETTERS[Number((bits >> BigInt(192 - 5 * (at + 1))) & 31n)];
  return letters;
}

/** Of an e-mail, without angle brackets; `domain` is the sender's. */
export function messageIdOf(deliveryId: string, domain: string): string {
  return `${lettersOf(deliveryId).toLowerCase()}@${domain}`;
}

/** Standard Webhooks asks for an id without full stops that no user controls. */
export function webhookIdOf(deliveryId: string): string {
  return `msg_${lettersOf(deliveryId)}`;
}

/** By which people, and Twilio's list of messages, know it: templates may end an SMS with it. */
export function referenceOf(deliveryId: string): string {
  return lettersOf(deliveryId, 6);
}

/**
 * Ends an SMS, so that Twilio's list of messages tells whether this delivery went. Six letters, 30 bits: looked for among the messages to one number of two days, a hundred at most, another delivery has the same
 * once in ten million times; four letters would take a message for sent that was not once in ten thousand. All are in the GSM alphabet.
 */
export function smsReference(deliveryId: string): string {
  return ` (ref ${referenceOf(deliveryId)})`;
}

/** Characters (septets as well) that templates leave for it at the end of an SMS. */
export const SMS_REFERENCE_LENGTH = ' (ref K3F9QT)'.length;
