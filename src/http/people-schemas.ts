import { z } from 'zod';
import { CHANNEL_NAMES, WEEKDAYS } from '../model/contact.ts';
import { DELIVERY_STATES } from '../model/notice.ts';
import { count, idText, severityName, timeOrNull, timeText } from './wire-schemas.ts';

/** What people-shapes.ts gives, as the API's document says it. */

const channel = z.enum(CHANNEL_NAMES);
const localSpan = z.strictObject({ days: z.array(z.enum(WEEKDAYS)), from: z.string(), to: z.string() }).meta({ id: 'LocalSpan' });

export const preferencesSchema = z
  .strictObject({
    channels: z.strictObject({ INFO: z.array(channel), WARN: z.array(channel), CRITICAL: z.array(channel) }),
    subscription: z.strictObject({ severityMin: severityName, regions: z.array(z.string()) }).nullable(),
    quietHours: z.strictObject({ spans: z.array(localSpan), exceptFrom: severityName }).nullable(),
    digest: z.strictObject({ severityMax: severityName, everyMs: count }).nullable(),
    perHourMax: count,
  })
  .meta({ id: 'Preferences' });

export const contactSchema = z
  .strictObject({
    id: idText,
    version: count,
    name: z.string(),
    zone: z.string(),
    locale: z.string(),
    addresses: z.strictObject({
      email: z.string().nullable(),
      sms: z.string().nullable(),
      push: z.array(z.string()).describe('Enough of each token to tell it from another.'),
      webhook: z.strictObject({ url: z.string(), hasSecret: z.boolean() }).nullable(),
    }),
    preferences: preferencesSchema,
    unsubscribed: z.record(z.string(), timeText).describe('Channels that the person, or a provider in their name, has stopped, and since when.'),
    createdAt: timeText,
    changedAt: timeText,
  })
  .meta({ id: 'Contact' });

export const overrideSchema = z.strictObject({ id: idText, contactId: idText, from: timeText, to: timeText, by: z.string(), why: z.string() }).meta({ id: 'ScheduleOverride' });

export const scheduleSchema = z
  .strictObject({
    id: idText,
    version: count,
    name: z.string(),
    zone: z.string(),
    layers: z.array(z.strictObject({ name: z.string(), people: z.array(idText), startsOn: z.string(), handoffAt: z.string(), turnDays: count, restrictions: z.array(localSpan) })),
    overrides: z.array(overrideSchema),
    createdAt: timeText,
    changedAt: timeText,
  })
  .meta({ id: 'Schedule' });

export const onCallTurnSchema = z.strictObject({ from: timeText, to: timeText, contactId: idText.nullable().describe('null: nobody.'), source: z.string().nullable() }).meta({ id: 'OnCallTurn' });

const receipt = z
  .strictObject({
    at: timeText,
    channel: channel.nullable(),
    step: z.enum(['queued', 'held', 'attempt', 'accepted', 'rejected', 'retry', 'unknown', 'failover', 'suppressed', 'failed']),
    code: z.string().nullable(),
    text: z.string(),
    providerId: z.string().nullable(),
  })
  .meta({ id: 'Receipt' });

export const deliverySchema = z
  .strictObject({
    id: idText,
    noticeId: idText,
    group: z.string(),
    contactId: idText,
    severity: severityName,
    reason: z.enum(['new', 'changed', 'repeated', 'escalated', 'resolved', 'test']),
    state: z.enum(DELIVERY_STATES),
    channels: z.array(channel),
    position: count,
    attempts: count,
    createdAt: timeText,
    changedAt: timeText,
    dueAt: timeOrNull,
    receipts: z.array(receipt),
  })
  .meta({ id: 'Delivery' });

export const messageSchema = z
  .strictObject({ subject: z.string(), text: z.string(), html: z.string().nullable(), pictures: z.array(z.strictObject({ cid: z.string(), text: z.string(), png: z.string().describe('In base64.') })) })
  .meta({ id: 'Message' });
