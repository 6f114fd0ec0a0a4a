import type { Severity } from '../../model/anomaly.ts';
import type { ChannelName, Contact, Schedule, ScheduleOverride } from '../../model/contact.ts';
import type { Page } from '../../model/queries.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { RecordTable } from '../../runtime/record-table.ts';
import type { Store } from '../../runtime/store.ts';
import { ON_CALL_SPAN_MAX_MS, type NewContact, type NewSchedule, type OnCallTurn } from '../notifications/protocol.ts';
import { onCallTurns, onDuty } from './on-call.ts';
import { OrderedIds } from './ordered-ids.ts';
import { Subscriptions } from './subscriptions.ts';

/**
 * Who can be told, and who is on call. All of it is in memory; what changed is queued in the store by `flush` and durable with its next commit. Documents have been checked (contact-rules.ts); what needs the
 * directory to check is checked here. Whoever fails to commit what was flushed must start over from the store: memory is ahead of it.
 */

/** All of the people of a large utility; a contact takes some 2 KB of memory. */
export const CONTACTS_MAX = 100_000;
export const SCHEDULES_MAX = 1_000;
/** Of one schedule; each is looked at for every notice. */
export const OVERRIDES_MAX = 500;
/** An override that ended so long ago makes room for a new one: no question of who was on call goes back further. */
const OVERRIDE_KEPT_MS = ON_CALL_SPAN_MAX_MS;
/** Tries at an id that nobody has; with random ids the first is always free. */
const ID_TRIES_MAX = 10;

/** Ids of what is new: random, of 1–64 characters A–Z a–z 0–9 . _ - */
export type NewId = () => string;

export class PeopleDirectory {
  private readonly contactTable: RecordTable<Contact>;
  private readonly scheduleTable: RecordTable<Schedule>;
  private readonly contactsById = new OrderedIds<Contact>('contacts');
  private readonly schedulesById = new OrderedIds<Schedule>('schedules');
  private readonly subscriptions = new Subscriptions();
  private readonly changedContacts = new Set<string>();
  private readonly changedSchedules = new Set<string>();

  constructor(store: Store) {
    this.contactTable = new RecordTable(store, 'contacts');
    this.scheduleTable = new RecordTable(store, 'schedules');
  }

  /** Reads everything from the store. Once, before anything else. */
  load(): void {
    for (const { record } of this.contactTable.range()) this.hold(record);
    for (const { record } of this.scheduleTable.range()) this.schedulesById.put(record);
  }

  /** Queues what changed since the last time for the store's next commit; true when there was something. */
  flush(): boolean {
    const isAny = this.changedContacts.size + this.changedSchedules.size > 0;
    for (const id of this.changedContacts) queue(this.contactTable, id, this.contactsById.get(id));
    for (const id of this.changedSchedules) queue(this.scheduleTable, id, this.schedulesById.get(id));
    this.changedContacts.clear();
    this.changedSchedules.clear();
    return isAny;
  }

  get contactCount(): number {
    return this.contactsById.size;
  }

  /** Records are never changed in place: one that was given stays as it was. */
  contact(id: string): Contact | null {
    return this.contactsById.get(id) ?? null;
  }

  contacts(): Iterable<Contact> {
    return this.contactsById.values();
  }

  /** In order of id. */
  contactsPage(limit: number, cursor: string | null): Page<Contact> {
    return this.contactsById.page(limit, cursor);
  }

  /** Throws `too_many`. */
  makeContact(contact: NewContact, nowMs: number, newId: NewId): Contact {
    if (this.contactsById.size >= CONTACTS_MAX) throw new OperationalError('too_many', `there are ${CONTACTS_MAX} contacts, which is as many as there may be`);
    const id = freeId(newId, (taken) => this.contactsById.get(taken) !== undefined);
    return this.putContact({ ...contact, id, version: 1, unsubscribed: {}, createdAt: nowMs, changedAt: nowMs });
  }

  /** What is absent stays. A new address takes back that its channel was stopped. Throws `unknown_contact`, `stale_version`. */
  changeContact(id: string, version: number | null, change: Partial<NewContact>, nowMs: number): Contact {
    const contact = this.wantedContact(id, version);
    const changed = { ...contact, ...present(change) };
    return this.putContact(changedContact(changed, { unsubscribed: stillUnsubscribed(contact, changed.addresses) }, nowMs));
  }

  /** Throws `unknown_contact`, `stale_version`, `in_use`: a schedule names them in a layer or an override to come. */
  removeContact(id: string, version: number | null, nowMs: number): void {
    const contact = this.wantedContact(id, version);
    for (const schedule of this.schedulesById.values()) {
      if (!isNamed(schedule, id, nowMs)) continue;
      throw new OperationalError('in_use', `schedule ${schedule.id} (${schedule.name}) names ${contact.name}; take them out of it first`);
    }
    this.subscriptions.remove(contact);
    this.contactsById.delete(id);
    this.changedContacts.add(id);
  }

  /** The person, or a provider in their name, stops a channel; again changes nothing. Throws `unknown_contact`. */
  unsubscribe(id: string, channel: ChannelName, nowMs: number): Contact {
    const contact = this.wantedContact(id, null);
    if (contact.unsubscribed[channel] !== undefined) return contact;
    return this.putContact(changedContact(contact, { unsubscribed: { ...contact.unsubscribed, [channel]: nowMs } }, nowMs));
  }

  /** A channel that was stopped is on again; one that is on stays so. Throws `unknown_contact`, `stale_version`. */
  resubscribe(id: string, version: number | null, channel: ChannelName, nowMs: number): Contact {
    const contact = this.wantedContact(id, version);
    if (contact.unsubscribed[channel] === undefined) return contact;
    const { [channel]: _stopped, ...unsubscribed } = contact.unsubscribed;
    return this.putContact(changedContact(contact, { unsubscribed }, nowMs));
  }

  /** Addresses that are no good any more: registration tokens, or the one address of another channel. Those that are not theirs are skipped. Throws `unknown_contact`. */
  removeAddresses(id: string, channel: ChannelName, gone: readonly string[], nowMs: number): Contact {
    const contact = this.wantedContact(id, null);
    const { email, sms, push, webhook } = contact.addresses;
    const addresses = {
      email: channel === 'email' && email !== null && gone.includes(email) ? null : email,
      sms: channel === 'sms' && sms !== null && gone.includes(sms) ? null : sms,
      push: channel === 'push' ? push.filter((token) => !gone.includes(token)) : push,
      webhook: channel === 'webhook' && webhook !== null && gone.includes(webhook.url) ? null : webhook,
    };
    const isSame = addresses.email === email && addresses.sms === sms && addresses.push.length === push.length && addresses.webhook === webhook;
    return isSame ? contact : this.putContact(changedContact(contact, { addresses }, nowMs));
  }

  /** Those who asked to be told of alerts of this severity in one of these regions, in order of id. */
  subscribersFor(severity: Severity, regions: readonly string[]): Contact[] {
    return this.subscriptions.find(severity, regions).map((id) => this.contactsById.get(id)!);
  }

  get scheduleCount(): number {
    return this.schedulesById.size;
  }

  schedule(id: string): Schedule | null {
    return this.schedulesById.get(id) ?? null;
  }

  /** In order of id. */
  schedulesPage(limit: number, cursor: string | null): Page<Schedule> {
    return this.schedulesById.page(limit, cursor);
  }

  /** Throws `unknown_contact`, `too_many`. */
  makeSchedule(schedule: NewSchedule, nowMs: number, newId: NewId): Schedule {
    if (this.schedulesById.size >= SCHEDULES_MAX) throw new OperationalError('too_many', `there are ${SCHEDULES_MAX} schedules, which is as many as there may be`);
    this.requirePeople(schedule);
    const id = freeId(newId, (taken) => this.schedulesById.get(taken) !== undefined);
    return this.putSchedule({ ...schedule, id, version: 1, overrides: [], createdAt: nowMs, changedAt: nowMs });
  }

  /** What is absent stays. Throws `unknown_schedule`, `stale_version`, `unknown_contact`. */
  changeSchedule(id: string, version: number | null, change: Partial<NewSchedule>, nowMs: number): Schedule {
    const changed = { ...this.wantedSchedule(id, version), ...present(change) };
    this.requirePeople(changed);
    return this.putSchedule(changedSchedule(changed, {}, nowMs));
  }

  /** Throws `unknown_schedule`, `stale_version`. */
  removeSchedule(id: string, version: number | null): void {
    this.wantedSchedule(id, version);
    this.schedulesById.delete(id);
    this.changedSchedules.add(id);
  }

  /** Somebody stands in. Throws `unknown_schedule`, `stale_version`, `unknown_contact`, `too_many`. */
  override(scheduleId: string, version: number | null, override: Omit<ScheduleOverride, 'id'>, nowMs: number, newId: NewId): Schedule {
    const schedule = this.wantedSchedule(scheduleId, version);
    this.requireContact(override.contactId);
    const kept = schedule.overrides.filter(({ to }) => to > nowMs - OVERRIDE_KEPT_MS);
    if (kept.length >= OVERRIDES_MAX) throw new OperationalError('too_many', `schedule ${scheduleId} has ${OVERRIDES_MAX} overrides, which is as many as there may be`);
    const id = freeId(newId, (taken) => kept.some((other) => other.id === taken));
    return this.putSchedule(changedSchedule(schedule, { overrides: [...kept, { ...override, id }] }, nowMs));
  }

  /** Throws `unknown_schedule`, `stale_version`, `unknown_override`. */
  removeOverride(scheduleId: string, overrideId: string, version: number | null, nowMs: number): Schedule {
    const schedule = this.wantedSchedule(scheduleId, version);
    const overrides = schedule.overrides.filter(({ id }) => id !== overrideId);
    if (overrides.length === schedule.overrides.length) throw new OperationalError('unknown_override', `schedule ${scheduleId} has no override ${overrideId}`);
    return this.putSchedule(changedSchedule(schedule, { overrides }, nowMs));
  }

  /** The contact on call; null: nobody, or no such schedule. */
  onCall(scheduleId: string, atMs: number): string | null {
    const schedule = this.schedulesById.get(scheduleId);
    return schedule === undefined ? null : (onDuty(schedule, atMs)?.contactId ?? null);
  }

  /** Without gaps, in order; ON_CALL_SPAN_MAX_MS at most. Throws `unknown_schedule`. */
  onCallTurns(scheduleId: string, from: number, to: number): OnCallTurn[] {
    return onCallTurns(this.wantedSchedule(scheduleId, null), from, Math.min(to, from + ON_CALL_SPAN_MAX_MS));
  }

  private wantedContact(id: string, version: number | null): Contact {
    const contact = this.contactsById.get(id);
    if (contact === undefined) throw unknownContact(id);
    requireVersion(`contact ${id}`, contact.version, version);
    return contact;
  }

  private wantedSchedule(id: string, version: number | null): Schedule {
    const schedule = this.schedulesById.get(id);
    if (schedule === undefined) throw new OperationalError('unknown_schedule', `there is no schedule ${id}`);
    requireVersion(`schedule ${id}`, schedule.version, version);
    return schedule;
  }

  private requireContact(id: string): void {
    if (this.contactsById.get(id) === undefined) throw unknownContact(id);
  }

  private requirePeople({ layers }: NewSchedule): void {
    for (const { people } of layers) for (const id of people) this.requireContact(id);
  }

  private putContact(contact: Contact): Contact {
    const old = this.contactsById.get(contact.id);
    if (old !== undefined) this.subscriptions.remove(old);
    this.hold(contact);
    this.changedContacts.add(contact.id);
    return contact;
  }

  private hold(contact: Contact): void {
    this.contactsById.put(contact);
    this.subscriptions.add(contact);
  }

  private putSchedule(schedule: Schedule): Schedule {
    this.schedulesById.put(schedule);
    this.changedSchedules.add(schedule.id);
    return schedule;
  }
}

function queue<T>(table: RecordTable<T>, id: string, record: T | undefined): void {
  if (record === undefined) table.remove(id);
  else table.put(id, record);
}

function freeId(newId: NewId, isTaken: (id: string) => boolean): string {
  for (let tries = 0; tries < ID_TRIES_MAX; tries++) {
    const id = newId();
    if (!isTaken(id)) return id;
  }
  throw new Error(`${ID_TRIES_MAX} new ids were all taken`);
}

/** Without what is undefined or null: that stays as it is. */
function present<T extends object>(change: T): Partial<T> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined && value !== null)) as Partial<T>;
}

function changedContact(contact: Contact, change: Partial<Contact>, nowMs: number): Contact {
  return { ...contact, ...change, version: contact.version + 1, changedAt: nowMs };
}

function changedSchedule(schedule: Schedule, change: Partial<Schedule>, nowMs: number): Schedule {
  return { ...schedule, ...change, version: schedule.version + 1, changedAt: nowMs };
}

function requireVersion(what: string, is: number, asked: number | null): void {
  if (asked !== null && asked !== is) throw new OperationalError('stale_version', `${what} is at version ${is} by now, not ${asked}`);
}

function unknownContact(id: string): OperationalError {
  return new OperationalError('unknown_contact', `there is no contact ${id}`);
}

function isNamed({ layers, overrides }: Schedule, contactId: string, nowMs: number): boolean {
  return layers.some(({ people }) => people.includes(contactId)) || overrides.some((override) => override.contactId === contactId && override.to > nowMs);
}

/** Who stopped a channel did so for the address of then. */
function stillUnsubscribed({ addresses: old, unsubscribed }: Contact, addresses: Contact['addresses']): Contact['unsubscribed'] {
  const still = { ...unsubscribed };
  if (addresses.email !== null && addresses.email !== old.email) delete still.email;
  if (addresses.sms !== null && addresses.sms !== old.sms) delete still.sms;
  if (addresses.push.some((token) => !old.push.includes(token))) delete still.push;
  if (addresses.webhook !== null && addresses.webhook.url !== old.webhook?.url) delete still.webhook;
  return still;
}
