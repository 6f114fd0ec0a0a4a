import type { Delivery, Notice } from '../../model/notice.ts';
import { RecordTable, sortableNumber, type KeyedRecord } from '../../runtime/record-table.ts';
import type { Store } from '../../runtime/store.ts';
import { isFinished, type DeliveryRecord } from './deliveries.ts';
import type { RateKey } from './rate-limits.ts';

/** What the notifications supervisor keeps on disk. Reads see what was committed; marks of who was told are seen as they will be. */

/** Finished deliveries are kept for a quarter: as long as somebody may ask why they were paged. */
export const DELIVERY_KEPT_MS = 90 * 86_400_000;
/** Deliveries kept at most, a gigabyte or so. */
export const DELIVERIES_KEPT_MAX = 500_000;
/** Deliveries removed in one commit: a few milliseconds of work. */
export const REMOVED_PER_STEP = 500;

/** Rows of the index of alerts that go with notices, about: the last one of a step may have a thousand. */
const INDEX_ROWS_REMOVED_PER_STEP = 5_000;

export interface KeptNotice {
  notice: Notice;
  /** When its deliveries were made. */
  at: number;
}

/** Parts of keys are separated by it: no id has one, and it sorts before all. */
const PART = '\0';
/** Sorts after every key that begins with what stands before it. */
const LAST = '\u{10ffff}';

export class DeliveryStore {
  /** Written by the alerts supervisor; each goes in the commit that makes its deliveries. */
  readonly incoming: RecordTable<Notice>;
  private readonly deliveries: RecordTable<DeliveryRecord>;
  /** `time, delivery id`: in the order in which they were made. */
  private readonly order: RecordTable<null>;
  /** `contact, time, delivery id` */
  private readonly ofContact: RecordTable<null>;
  /** Ids of those that are not finished: a start reads these alone. */
  private readonly open: RecordTable<null>;
  private readonly notices: RecordTable<KeptNotice>;
  /** `time, notice id` */
  private readonly noticeOrder: RecordTable<null>;
  /** `alert, time, notice id` */
  private readonly ofAlert: RecordTable<null>;
  /** `group, contact`: who was told of a group that goes on, and since when. */
  private readonly told: RecordTable<number>;
  private readonly rates: RecordTable<number[]>;
  /** Of this commit. */
  private readonly queuedNotices = new Map<string, Notice>();
  private readonly queuedTold = new Map<string, boolean>();

  constructor(store: Store) {
    this.incoming = new RecordTable(store, 'notices');
    this.deliveries = new RecordTable(store, 'deliveries');
    this.order = new RecordTable(store, 'delivery-order');
    this.ofContact = new RecordTable(store, 'delivery-contacts');
    this.open = new RecordTable(store, 'delivery-open');
    this.notices = new RecordTable(store, 'delivery-notices');
    this.noticeOrder = new RecordTable(store, 'delivery-notice-order');
    this.ofAlert = new RecordTable(store, 'delivery-alerts');
    this.told = new RecordTable(store, 'told');
    this.rates = new RecordTable(store, 'rates');
  }

  /** What was queued is on disk. */
  committed(): void {
    this.queuedNotices.clear();
    this.queuedTold.clear();
  }

  *loadOpen(): Generator<DeliveryRecord> {
    for (const { key } of this.open.range()) {
      const record = this.deliveries.get(key);
      if (record !== null) yield record;
    }
  }

  loadRates(): Iterable<KeyedRecord<number[]>> {
    return this.rates.range();
  }

  putRate(key: RateKey, times: number[] | null): void {
    if (times === null) this.rates.remove(key);
    else this.rates.put(key, times);
  }

  /** A new one has its rows in the indexes made. */
  put(record: DeliveryRecord, isNew: boolean): void {
    this.deliveries.put(record.id, record);
    if (isNew) {
      this.order.put(orderKey(record), null);
      this.ofContact.put(record.contactId + PART + orderKey(record), null);
    }
    if (!isFinished(record)) {
      if (isNew) this.open.put(record.id, null);
    } else if (!isNew) this.open.remove(record.id);
  }

  delivery(id: string): DeliveryRecord | null {
    return this.deliveries.get(id);
  }

  count(): number {
    return this.deliveries.count();
  }

  putNotice(notice: Notice, at: number): void {
    this.queuedNotices.set(notice.id, notice);
    this.notices.put(notice.id, { notice, at });
    this.noticeOrder.put(sortableNumber(at) + notice.id, null);
    for (const id of alertsOf(notice)) this.ofAlert.put(alertKey(id, at, notice.id), null);
  }

  hasNotice(id: string): boolean {
    return this.queuedNotices.has(id) || this.notices.get(id) !== null;
  }

  /** Nothing of what it tells of goes on. */
  isOver(noticeId: string): boolean {
    const notice = this.queuedNotices.get(noticeId) ?? this.notices.get(noticeId)?.notice;
    return notice !== undefined && notice.resolvedCount >= notice.alertCount;
  }

  notice(id: string): KeptNotice | null {
    return this.notices.get(id);
  }

  wasTold(group: string, contactId: string): boolean {
    const key = group + PART + contactId;
    return this.queuedTold.get(key) ?? this.told.get(key) !== null;
  }

  markTold(group: string, contactId: string, nowMs: number): void {
    this.queuedTold.set(group + PART + contactId, true);
    this.told.put(group + PART + contactId, nowMs);
  }

  forgetTold(group: string, contactId: string): void {
    this.queuedTold.set(group + PART + contactId, false);
    this.told.remove(group + PART + contactId);
  }

  toldOf(group: string): string[] {
    const prefix = group + PART;
    const found = new Set<string>();
    for (const { key } of this.told.range({ from: prefix, to: prefix + LAST })) found.add(key.slice(prefix.length));
    for (const [key, isTold] of this.queuedTold) {
      if (!key.startsWith(prefix)) continue;
      if (isTold) found.add(key.slice(prefix.length));
      else found.delete(key.slice(prefix.length));
    }
    return [...found].sort();
  }

  /** Keys (orderKey) of deliveries below `to`, newest first. */
  *newest(contactId: string | null, to: string): Generator<string> {
    if (contactId === null) {
      for (const { key } of this.order.range({ to, reverse: true })) yield key;
      return;
    }
    const prefix = contactId + PART;
    for (const { key } of this.ofContact.range({ from: prefix, to: prefix + to, reverse: true })) yield key.slice(prefix.length);
  }

  /** The same of one alert's notices. */
  *newestOfAlert(alertId: string, contactId: string | null, to: string): Generator<string> {
    for (const { at, noticeId } of this.noticesOf(alertId)) {
      const time = sortableNumber(at);
      if (time + noticeId >= to) continue;
      if (contactId !== null) {
        const key = `${time}${noticeId}/${contactId}`;
        if (key < to && this.deliveries.get(`${noticeId}/${contactId}`) !== null) yield key;
        continue;
      }
      for (const { key } of this.deliveries.range({ from: `${noticeId}/`, to: `${noticeId}/${LAST}`, reverse: true })) {
        if (isOfNotice(key, noticeId) && time + key < to) yield time + key;
      }
    }
  }

  /** Newest first. */
  *noticesOf(alertId: string): Generator<{ at: number; noticeId: string }> {
    const prefix = alertId + PART;
    for (const { key } of this.ofAlert.range({ from: prefix, to: prefix + LAST, reverse: true })) {
      const rest = key.slice(prefix.length);
      yield { at: Number.parseInt(rest.slice(0, TIME_LENGTH), 36), noticeId: rest.slice(TIME_LENGTH) };
    }
  }

  *ofNotice(noticeId: string): Generator<DeliveryRecord> {
    for (const { key, record } of this.deliveries.range({ from: `${noticeId}/`, to: `${noticeId}/${LAST}` })) if (isOfNotice(key, noticeId)) yield record;
  }

  /** Removes some that are too old or too many, oldest first; those that are not finished stay. True: there may be more. */
  removeOld(nowMs: number, keptMax = DELIVERIES_KEPT_MAX): boolean {
    let surplus = this.count() - keptMax;
    const isCrowded = surplus > 0 || this.noticeOrder.count() > keptMax;
    let removed = 0;
    let looked = 0;
    let oldestKept = Infinity;
    for (const { key } of this.order.range({ limit: REMOVED_PER_STEP })) {
      looked++;
      const at = Number.parseInt(key.slice(0, TIME_LENGTH), 36);
      const isDue = surplus > 0 || at < nowMs - DELIVERY_KEPT_MS;
      const record = isDue ? this.deliveries.get(key.slice(TIME_LENGTH)) : null;
      if (!isDue || (record !== null && !isFinished(record))) {
        oldestKept = Math.min(oldestKept, at);
        if (!isDue) break;
        continue;
      }
      this.order.remove(key);
      if (record !== null) {
        this.deliveries.remove(record.id);
        this.ofContact.remove(record.contactId + PART + key);
      }
      removed++;
      surplus--;
    }
    if (looked === REMOVED_PER_STEP && removed > 0) return true;
    return this.removeNotices(isCrowded ? Math.min(oldestKept, nowMs) : Math.min(oldestKept, nowMs - DELIVERY_KEPT_MS));
  }

  /** Those made before: their deliveries are gone. True: there may be more. */
  private removeNotices(before: number): boolean {
    let removed = 0;
    let rows = 0;
    for (const { key } of this.noticeOrder.range({ to: sortableNumber(Math.max(0, before)), limit: REMOVED_PER_STEP })) {
      const id = key.slice(TIME_LENGTH);
      const kept = this.notices.get(id);
      this.noticeOrder.remove(key);
      this.notices.remove(id);
      const alerts = kept === null ? [] : alertsOf(kept.notice);
      for (const alert of alerts) this.ofAlert.remove(alertKey(alert, kept!.at, id));
      removed++;
      rows += alerts.length;
      if (rows >= INDEX_ROWS_REMOVED_PER_STEP) return true;
    }
    return removed === REMOVED_PER_STEP;
  }
}

const TIME_LENGTH = sortableNumber(0).length;

/** Where a delivery stands among all: by when it was made, then by id. */
export function orderKey({ createdAt, id }: Pick<Delivery, 'createdAt' | 'id'>): string {
  return sortableNumber(createdAt) + id;
}

export function idOfOrderKey(key: string): string {
  return key.slice(TIME_LENGTH);
}

/** Whether it may be one: a time, and an id of a notice and a contact. */
export function isOrderKey(text: string): boolean {
  return /^[0-9a-z]{11}[^/]+(\/[^/]+)+$/.test(text);
}

export function timeKey(at: number): string {
  return sortableNumber(Math.max(0, Math.min(at, Number.MAX_SAFE_INTEGER)));
}

function alertKey(alertId: string, at: number, noticeId: string): string {
  return alertId + PART + sortableNumber(at) + noticeId;
}

/** Ids of all alerts that it tells of, as far as that is known. */
function alertsOf({ alerts, others = [] }: Notice): string[] {
  return [...alerts.map(({ id }) => id), ...others];
}

/** The rest of the key is a contact's id, which has no slash. */
function isOfNotice(key: string, noticeId: string): boolean {
  return !key.includes('/', noticeId.length + 1);
}

