import type { Decision } from '../../model/alert.ts';
import type { Delivery, DeliveryListQuery, Notice, Receipt } from '../../model/notice.ts';
import type { Page } from '../../model/queries.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { PeopleDirectory } from '../people/people-directory.ts';
import { channelOf, plainDelivery, type DeliveryRecord } from './deliveries.ts';
import { idOfOrderKey, isOrderKey, timeKey, type DeliveryStore } from './delivery-store.ts';

/** What is asked about deliveries, answered from what is committed. */

/** Deliveries that one query looks at, at most: a filter that matches little gives a short page and a cursor instead of a long wait. */
export const SCANNED_PER_QUERY_MAX = 5_000;
/** The newest deliveries of an alert that are explained. */
export const EXPLAINED_MAX = 200;

/** The key before which the page begins. Throws OperationalError `bad_cursor`. */
export function placeOf({ to, cursor }: DeliveryListQuery): string {
  if (cursor === null) return timeKey(to);
  const key = Buffer.from(cursor, 'base64url').toString();
  if (!isOrderKey(key) || cursorAt(key) !== cursor) throw new OperationalError('bad_cursor', 'the cursor is of no page of deliveries');
  return key;
}

/** Newest first, from before `to`. The cursor is the key of the last delivery that was looked at. */
export function listDeliveries(store: DeliveryStore, query: DeliveryListQuery, to = placeOf(query)): Page<Delivery> {
  const from = timeKey(query.from);
  const keys = query.alertId === null ? store.newest(query.contactId, to) : store.newestOfAlert(query.alertId, query.contactId, to);
  const data: Delivery[] = [];
  let scanned = 0;
  let last = '';
  for (const key of keys) {
    if (key < from) break;
    if (data.length === query.limit || scanned === SCANNED_PER_QUERY_MAX) return { data, nextCursor: cursorAt(last) };
    scanned++;
    last = key;
    const record = store.delivery(idOfOrderKey(key));
    if (record !== null && isAskedFor(record, query)) data.push(plainDelivery(record));
  }
  return { data, nextCursor: null };
}

function cursorAt(key: string): string {
  return Buffer.from(key).toString('base64url');
}

function isAskedFor(record: DeliveryRecord, { state, channel }: DeliveryListQuery): boolean {
  return (state === null || record.state === state) && (channel === null || channelOf(record) === channel);
}

/** What became of an alert's notices: of each delivery its steps, oldest first; of a person whom a notice did not reach, why. */
export function explainDeliveries(store: DeliveryStore, people: PeopleDirectory, alertId: string, contactId: string | null): Decision[] {
  const decisions: Decision[] = [];
  let explained = 0;
  for (const { noticeId, at } of store.noticesOf(alertId)) {
    if (explained >= EXPLAINED_MAX) break;
    const kept = store.notice(noticeId);
    if (kept === null) continue;
    let isReached = false;
    for (const record of deliveriesOf(store, noticeId, contactId)) {
      if (explained++ >= EXPLAINED_MAX) break;
      isReached = true;
      for (const receipt of record.receipts) decisions.push({ at: receipt.at, ...judged(receipt), reason: `${noticeId}: ${receipt.text}`, contactId: record.contactId });
    }
    if (!isReached) decisions.push({ at, step: 'preference', outcome: 'stopped', reason: `${noticeId}: ${whyNobody(kept.notice, people, contactId)}`, contactId });
    for (const id of kept.notice.recipients) {
      if ((contactId === null || contactId === id) && people.contact(id) === null) decisions.push({ at, step: 'preference', outcome: 'stopped', reason: `${noticeId}: There is no contact ${id}.`, contactId: id });
    }
  }
  return decisions.sort((a, b) => a.at - b.at);
}

function* deliveriesOf(store: DeliveryStore, noticeId: string, contactId: string | null): Generator<DeliveryRecord> {
  if (contactId === null) yield* store.ofNotice(noticeId);
  else {
    const record = store.delivery(`${noticeId}/${contactId}`);
    if (record !== null) yield record;
  }
}

function whyNobody(notice: Notice, people: PeopleDirectory, contactId: string | null): string {
  if (notice.reason === 'resolved') return 'It tells that it is over, and goes to those alone who were told that it began.';
  const contact = contactId === null ? null : people.contact(contactId);
  if (contact === null) return 'It reached nobody: no recipient was there, and nobody had subscribed to this.';
  if (!notice.subscribers) return `It was for the recipients of level ${notice.level} alone, and ${contact.name} was none of them.`;
  const { subscription } = contact.preferences;
  if (subscription === null) return `${contact.name} was no recipient and, as preferences are now, has not subscribed to anything.`;
  const regions = subscription.regions.length === 0 ? 'all regions' : subscription.regions.join(', ');
  return `${contact.name} was no recipient, and their subscription (from ${subscription.severityMin}, ${regions}, as it is now) did not ask for ${notice.severity} in ${notice.regions.join(', ') || 'no region'}.`;
}

const HOLDS: Readonly<Record<string, Decision['step']>> = { quiet_hours: 'quiet_hours', digest: 'digest', rate_limit: 'rate_limit', preference: 'preference', unsubscribed: 'preference', unknown_contact: 'preference', replaced: 'grouping', not_told: 'grouping' };

function judged({ step, code }: Receipt): Pick<Decision, 'step' | 'outcome'> {
  switch (step) {
    case 'queued':
      return { step: 'preference', outcome: 'passed' };
    case 'held':
      return { step: HOLDS[code ?? ''] ?? 'channel', outcome: 'held' };
    case 'suppressed':
      return { step: HOLDS[code ?? ''] ?? 'channel', outcome: 'stopped' };
    case 'attempt':
    case 'failover':
      return { step: 'channel', outcome: 'passed' };
    case 'accepted':
      return { step: 'delivery', outcome: 'passed' };
    case 'retry':
    case 'unknown':
      return { step: 'delivery', outcome: 'held' };
    case 'rejected':
    case 'failed':
      return { step: 'delivery', outcome: 'stopped' };
  }
}
