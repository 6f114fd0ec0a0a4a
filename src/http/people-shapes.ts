import type { z } from 'zod';
import type { OnCallTurn } from '../actors/notifications/protocol.ts';
import type { RenderedMessage } from '../actors/notifications/channels/channel.ts';
import type { Contact, Schedule, ScheduleOverride } from '../model/contact.ts';
import type { Delivery } from '../model/notice.ts';
import type { contactSchema, deliverySchema, messageSchema, onCallTurnSchema, overrideSchema, scheduleSchema } from './people-schemas.ts';
import { isoTime, isoTimeOrNull } from './wire-shapes.ts';

/** People and what they are told, as it goes over the wire. What would let somebody else send in their name, or to them, stays here. */

export function contactShape(contact: Contact): z.output<typeof contactSchema> {
  const { addresses, unsubscribed, createdAt, changedAt } = contact;
  const { webhook } = addresses;
  return {
    ...contact,
    addresses: { ...addresses, push: addresses.push.map(shortToken), webhook: webhook === null ? null : { url: webhook.url, hasSecret: webhook.secret !== '' } },
    unsubscribed: Object.fromEntries(Object.entries(unsubscribed).map(([channel, since]) => [channel, isoTime(since)])),
    createdAt: isoTime(createdAt),
    changedAt: isoTime(changedAt),
  };
}

/** Enough of a registration token to tell it from another. */
function shortToken(token: string): string {
  return token.length > 24 ? `${token.slice(0, 6)}…${token.slice(-4)}` : '…';
}

export function scheduleShape(schedule: Schedule): z.output<typeof scheduleSchema> {
  const { overrides, createdAt, changedAt } = schedule;
  return { ...schedule, overrides: overrides.map(overrideShape), createdAt: isoTime(createdAt), changedAt: isoTime(changedAt) };
}

export function overrideShape(override: ScheduleOverride): z.output<typeof overrideSchema> {
  return { ...override, from: isoTime(override.from), to: isoTime(override.to) };
}

export function onCallTurnShape(turn: OnCallTurn): z.output<typeof onCallTurnSchema> {
  return { ...turn, from: isoTime(turn.from), to: isoTime(turn.to) };
}

export function deliveryShape(delivery: Delivery): z.output<typeof deliverySchema> {
  const { createdAt, changedAt, dueAt, receipts } = delivery;
  return { ...delivery, createdAt: isoTime(createdAt), changedAt: isoTime(changedAt), dueAt: isoTimeOrNull(dueAt), receipts: receipts.map((receipt) => ({ ...receipt, at: isoTime(receipt.at) })) };
}

/** Pictures in base64. */
export function messageShape(message: RenderedMessage): z.output<typeof messageSchema> {
  const { subject, text, html, pictures } = message;
  return { subject, text, html, pictures: pictures.map(({ cid, png, text: description }) => ({ cid, text: description, png: Buffer.from(png).toString('base64') })) };
}
