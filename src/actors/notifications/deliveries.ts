import type { ChannelName } from '../../model/contact.ts';
import type { Delivery, Notice, Receipt } from '../../model/notice.ts';
import type { OwnCode, Routing } from './routing.ts';

/** A delivery as it is kept, and the steps it takes. Times are epoch milliseconds. */

/** The first ones of a delivery say why it is, the newest what became of it; those between go. */
export const RECEIPTS_MAX = 60;
const RECEIPTS_FIRST = 10;

/** Why a delivery goes with others of the same person and channel. */
export type GatheredBy = 'quiet_hours' | 'digest' | 'rate_limit';

export interface DeliveryRecord extends Delivery {
  /** Goes with others; null: by itself. */
  gatheredBy: GatheredBy | null;
  /** The message it is in, named by one of its deliveries: set with the first attempt, and kept as long as it is not certain that it did not go. A repetition has the same deliveries. */
  messageId: string | null;
  /** Begin of the first attempt of that message. */
  messageAt: number | null;
  /** Attempts on the present channel of which nobody knows whether they went. */
  unknowns: number;
  /** Questions to the provider whether it went, in a row, that were not answered. */
  lookups: number;
  /** Says that something is over: goes only when the person has been told that it began. */
  onlyIfTold: boolean;
}

export function makeDelivery(notice: Notice, contactId: string, { channels, end, receipts }: Routing, nowMs: number): DeliveryRecord {
  return {
    id: `${notice.id}/${contactId}`,
    noticeId: notice.id,
    group: notice.group,
    contactId,
    severity: notice.severity,
    reason: notice.reason,
    state: end ?? 'waiting',
    channels,
    position: 0,
    attempts: 0,
    createdAt: nowMs,
    changedAt: nowMs,
    dueAt: end === null ? nowMs : null,
    receipts,
    gatheredBy: null,
    messageId: null,
    messageAt: null,
    unknowns: 0,
    lookups: 0,
    onlyIfTold: false,
  };
}

/** Nothing more will be done. */
export function isFinished({ state }: Pick<Delivery, 'state'>): boolean {
  return state === 'sent' || state === 'failed' || state === 'suppressed';
}

/** Its channel now: the last one when none is left; null when there never was one. */
export function channelOf({ channels, position }: Pick<Delivery, 'channels' | 'position'>): ChannelName | null {
  return channels[Math.min(position, channels.length - 1)] ?? null;
}

/** What others see. */
export function plainDelivery(record: DeliveryRecord): Delivery {
  const { id, noticeId, group, contactId, severity, reason, state, channels, position, attempts, createdAt, changedAt, dueAt, receipts } = record;
  return { id, noticeId, group, contactId, severity, reason, state, channels: [...channels], position, attempts, createdAt, changedAt, dueAt, receipts: receipts.map((receipt) => ({ ...receipt })) };
}

export function addReceipt(record: DeliveryRecord, step: Receipt['step'], code: OwnCode | string | null, text: string, nowMs: number, providerId: string | null = null): void {
  record.receipts.push({ at: nowMs, channel: channelOf(record), step, code, text, providerId });
  if (record.receipts.length > RECEIPTS_MAX) record.receipts.splice(RECEIPTS_FIRST, record.receipts.length - RECEIPTS_MAX);
  record.changedAt = nowMs;
}

export function finish(record: DeliveryRecord, state: 'sent' | 'failed' | 'suppressed', nowMs: number): void {
  record.state = state;
  record.dueAt = null;
  record.messageId = null;
  record.messageAt = null;
  record.changedAt = nowMs;
}

/** For a time that is to come: alone, or with others where something gathered it. */
export function wait(record: DeliveryRecord, dueAt: number, nowMs: number): void {
  record.state = record.gatheredBy === null || record.messageId !== null ? 'waiting' : 'digest';
  record.dueAt = dueAt;
  record.changedAt = nowMs;
}

export function gather(record: DeliveryRecord, by: GatheredBy, dueAt: number, text: string, nowMs: number): void {
  addReceipt(record, 'held', by, text, nowMs);
  record.gatheredBy = by;
  wait(record, dueAt, nowMs);
}

/** It certainly did not go: the next message it is in is another one. */
export function leaveMessage(record: DeliveryRecord): void {
  record.messageId = null;
  record.messageAt = null;
  record.lookups = 0;
}

/** On to the channel at `position`. */
export function failOver(record: DeliveryRecord, position: number, why: string, code: OwnCode | string | null, nowMs: number): void {
  addReceipt(record, 'failover', code, `${why} ${record.channels[position]} is next.`, nowMs);
  leaveMessage(record);
  record.position = position;
  record.attempts = 0;
  record.unknowns = 0;
  wait(record, nowMs, nowMs);
}
