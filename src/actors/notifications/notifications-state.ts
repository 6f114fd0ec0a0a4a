import { CHANNEL_NAMES, type ChannelName, type Contact } from '../../model/contact.ts';
import type { Notice } from '../../model/notice.ts';
import { utcText } from '../../model/utc-text.ts';
import { invariant, OperationalError } from '../../runtime/errors.ts';
import type { PeopleDirectory } from '../people/people-directory.ts';
import { ATTEMPT_BACK_OFF, backOffMs } from './back-off.ts';
import type { Channel, SendOutcome } from './channels/channel.ts';
import { ChannelSlots, destinationOf, type Destination, type Slot } from './channel-slots.ts';
import { addReceipt, channelOf, failOver, finish, gather, isFinished, leaveMessage, makeDelivery, wait, type DeliveryRecord } from './deliveries.ts';
import { isDueBefore, isMoreUrgent, OpenDelivery, TicketHeap, Waiters } from './delivery-queue.ts';
import type { DeliveryStore } from './delivery-store.ts';
import { DIGEST_NOTICES_MAX, digestAt } from './digests.ts';
import { newChannelCounters, perChannel, type NotificationFigures } from './notification-figures.ts';
import { inOrderOfMaking, OpenDeliveries } from './open-deliveries.ts';
import { ProviderCircuits } from './provider-circuits.ts';
import { quietUntil } from './quiet-hours.ts';
import { RateLimits } from './rate-limits.ts';
import { channelFault, routeNotice, type ChannelSet, type OwnCode } from './routing.ts';

/**
 * What the notifications supervisor knows and decides, without clock, timers or I/O. Everything it changes is queued in the store by `flush`; what `start` gives may be done once that is committed. Times are
 * epoch milliseconds.
 */

/** Attempts on a channel while there is another one: some ten seconds of trouble, then the person is told in another way. */
export const ATTEMPTS_MAX = 4;
/** Attempts on the last one: more than an hour. */
export const ATTEMPTS_LAST_MAX = 20;
/** A provider that wants to be left alone for longer is left to those who have no other channel. */
export const RETRY_AFTER_PATIENCE_MS = 30_000;
/** No provider keeps a message back for longer than this, whatever it says. */
export const RETRY_AFTER_MAX_MS = 3_600_000;
/** A message that may have gone is asked for after this: providers list what they took with a delay. */
export const LOOKUP_AFTER_MS = 10_000;
export const LOOKUPS_MAX = 6;
/** A message of a `blind` channel may have gone so often before it is left at that. */
const BLIND_UNKNOWNS_MAX = 2;
/** A record of the future was made by a clock that was wrong; so much is within what clocks differ by. */
const CLOCK_AHEAD_MS = 60_000;
/** Deliveries that wait for a provider or a server and are looked at again at once. */
const WAITERS_AT_ONCE = 64;
/** Tests under way at once: each is a person who waits for it. */
export const TESTS_MAX = 8;

/** Code of an outcome that says nothing about the provider: the message could not be made. */
export const NOT_RENDERED = 'render_failed' satisfies OwnCode;

/** A message that is to be handed to its channel, or asked for. */
export interface Attempt extends Slot {
  kind: 'send' | 'lookup';
  messageId: string;
  contact: Contact;
  /** Told of in it, oldest first. */
  members: OpenDelivery[];
  isProbe: boolean;
  isTest: boolean;
  /** When it was counted against the person's limit; null: it was not. */
  ratedAt: number | null;
  /** Begin of the message's first attempt. */
  sinceMs: number;
}

export type LookupAnswer = Awaited<ReturnType<NonNullable<Channel['lookup']>>>;

export interface NotificationsStateModules {
  channels: ChannelSet;
  people: PeopleDirectory;
  store: DeliveryStore;
  /** From 0 to below 1. */
  random(): number;
}

export class NotificationsState {
  private readonly modules: NotificationsStateModules;
  private readonly open = new OpenDeliveries();
  private readonly due = new TicketHeap(isDueBefore);
  private readonly ready = perChannel(() => new TicketHeap(isMoreUrgent));
  /** By person: something for them is under way that has to end first. */
  private readonly behindOthers = new Waiters<string>();
  /** By channel: their server has enough to do. */
  private readonly behindServer = new Waiters<ChannelName>();
  private readonly circuits: ProviderCircuits;
  private readonly slots = new ChannelSlots();
  private readonly rates = new RateLimits();
  private readonly changed = new Set<DeliveryRecord>();
  private readonly made = new Set<DeliveryRecord>();
  private testsUnderWay = 0;
  private readonly counters = newChannelCounters();
  private readonly totals = { made: 0, sent: 0, failed: 0, suppressed: 0 };
  private notices = 0;

  constructor(modules: NotificationsStateModules) {
    this.modules = modules;
    this.circuits = new ProviderCircuits(modules.random);
  }

  /** Takes up what is in the store. What was being sent when the engine stopped may have gone. */
  load(nowMs: number): void {
    const { store } = this.modules;
    for (const { key, record } of store.loadRates()) this.rates.restore(key, record);
    const messages = new Map<string, OpenDelivery[]>();
    for (const record of store.loadOpen()) {
      if (record.changedAt > nowMs + CLOCK_AHEAD_MS) record.dueAt = nowMs;
      const open = new OpenDelivery(record);
      this.open.add(open);
      if (record.messageId === null) continue;
      const members = messages.get(record.messageId);
      if (members === undefined) messages.set(record.messageId, [open]);
      else members.push(open);
    }
    for (const [id, members] of messages) this.open.setMessage(id, members.sort(inOrderOfMaking));
    // What is in a message is scheduled with its first.
    for (const open of [...this.open.all()]) {
      const members = this.open.message(open);
      if (members[0] !== open || isFinished(open.record)) continue;
      if (open.record.state !== 'sending') this.schedule(open);
      else if (open.record.reason === 'test') this.end(open, 'failed', 'restart', 'The engine stopped before it heard what became of it.', nowMs);
      else this.mayHaveGone(members, 'restart', 'The engine stopped before it heard what became of it.', nowMs);
    }
  }

  get openCount(): number {
    return this.open.size;
  }

  get underWay(): number {
    return CHANNEL_NAMES.reduce((sum, name) => sum + this.slots.underWay(name), 0);
  }

  /** Makes deliveries of a notice: how many. One that was seen before makes none. */
  take(notice: Notice, nowMs: number): number {
    const { store, people } = this.modules;
    if (store.hasNotice(notice.id)) return 0;
    store.putNotice(notice, nowMs);
    this.notices++;
    const madeBefore = this.totals.made;
    for (const contactId of this.audience(notice)) {
      const contact = people.contact(contactId);
      if (notice.reason === 'resolved') this.addResolved(notice, contactId, nowMs);
      else if (contact !== null) this.add(notice, contact, false, nowMs);
    }
    return this.totals.made - madeBefore;
  }

  /** A message that a person asked for, to go at once. Throws `unknown_contact`, `channel_off`, `no_address`, `busy`. */
  test(notice: Notice, contactId: string, channel: ChannelName, nowMs: number): { record: DeliveryRecord; attempt: Attempt } {
    const { people, channels, store } = this.modules;
    const contact = people.contact(contactId);
    if (contact === null) throw new OperationalError('unknown_contact', `there is no contact ${contactId}`);
    const fault = channelFault(channel, contact, channels);
    if (fault !== null) throw new OperationalError(fault.code === 'no_address' ? 'no_address' : 'channel_off', fault.text);
    if (this.testsUnderWay >= TESTS_MAX) throw new OperationalError('busy', `${TESTS_MAX} tests are under way, which is as many as may be`, { retryable: true });
    store.putNotice(notice, nowMs);
    const receipts = [{ at: nowMs, channel, step: 'queued' as const, code: null, text: `A test by ${channel} was asked for.`, providerId: null }];
    const open = this.admit(makeDelivery(notice, contactId, { channels: [channel], end: null, receipts }, nowMs));
    this.testsUnderWay++;
    const slot = { channel, destination: destinationOf(channel, contact), isSuspect: false, contactId };
    return { record: open.record, attempt: this.begin([open], contact, slot, false, false, nowMs) };
  }

  /** What is to go now. Everything given is under way from here on, until `ended` or `lookedUp` is told what became of it. */
  start(nowMs: number): Attempt[] {
    const attempts: Attempt[] = [];
    for (const open of this.circuits.released(nowMs, WAITERS_AT_ONCE)) this.makeReady(open);
    do {
      for (let open = this.due.peek(); open !== undefined && open.record.dueAt! <= nowMs; open = this.due.peek()) {
        this.due.pop();
        this.makeReady(open);
      }
      for (const name of CHANNEL_NAMES) {
        while (this.slots.hasRoom(name)) {
          const open = this.ready[name].pop();
          if (open === undefined) break;
          const attempt = this.tryStart(open, nowMs);
          if (attempt !== null) attempts.push(attempt);
        }
      }
    } while ((this.due.peek()?.record.dueAt ?? Infinity) <= nowMs);
    return attempts;
  }

  /** Takes what a channel answered. */
  ended(attempt: Attempt, outcome: SendOutcome, nowMs: number): void {
    this.release(attempt);
    if (outcome.kind !== 'retry' || outcome.code !== NOT_RENDERED || attempt.isProbe) {
      const isTrouble = outcome.kind === 'unknown' || (outcome.kind === 'retry' && (outcome.isProvider || outcome.code === NOT_RENDERED));
      this.judgeProvider(attempt, isTrouble, nowMs);
    }
    this.updateAddresses(attempt, outcome, nowMs);
    const counters = this.counters[attempt.channel];
    switch (outcome.kind) {
      case 'accepted':
        this.went(attempt.members, outcome.providerId, outcome.text, nowMs);
        break;
      case 'rejected':
        counters.rejected++;
        this.takeBackRate(attempt);
        this.note(attempt.members, 'rejected', outcome.code, outcome.text, nowMs);
        this.moveOn(attempt.members, outcome.unsubscribed === true ? 'unsubscribed' : outcome.code, `${attempt.channel} does not take it.`, nowMs);
        break;
      case 'retry':
        counters.retried++;
        this.takeBackRate(attempt);
        this.note(attempt.members, 'retry', outcome.code, outcome.text, nowMs);
        this.didNotGo(attempt.members, outcome, nowMs);
        break;
      case 'unknown':
        this.mayHaveGone(attempt.members, outcome.code, outcome.text, nowMs, outcome.retryAfterMs ?? 0);
        break;
    }
    if (attempt.isTest) this.testsUnderWay--;
  }

  /** Takes what a channel answered when it was asked whether a message went. */
  lookedUp(attempt: Attempt, answer: LookupAnswer, nowMs: number): void {
    this.release(attempt);
    this.judgeProvider(attempt, answer.kind === 'unknown', nowMs);
    const { members } = attempt;
    if (answer.kind === 'sent') {
      this.went(members, answer.providerId, `${attempt.channel} has it: it went.`, nowMs);
      return;
    }
    if (answer.kind === 'not_sent') {
      this.note(members, 'retry', 'lookup', `${attempt.channel} does not have it: it did not go.`, nowMs);
      for (const { record } of members) record.unknowns = 0;
      this.rates.takeBack(attempt.contactId, attempt.channel, attempt.sinceMs);
      if (members[0].record.attempts >= this.attemptsMax(members[0].record)) this.moveOn(members, 'lookup', `${attempt.channel} was tried ${members[0].record.attempts} times.`, nowMs);
      else this.again(members, nowMs, nowMs);
      return;
    }
    this.note(members, 'unknown', 'lookup', answer.text, nowMs);
    const lookups = members[0].record.lookups + 1;
    for (const { record } of members) record.lookups = lookups;
    if (lookups >= LOOKUPS_MAX) this.moveOn(members, 'lookup', `${attempt.channel} was asked ${lookups} times whether it went, and did not say.`, nowMs);
    else this.again(members, nowMs + backOffMs(ATTEMPT_BACK_OFF, lookups, this.modules.random), nowMs);
  }

  /** When `start` may have something to give that it has not now; Infinity: when something ends or comes. */
  nextDueMs(): number {
    return Math.min(this.due.peek()?.record.dueAt ?? Infinity, this.circuits.nextProbeMs());
  }

  /** The clock was set back by so much: waits are as long as they were meant. */
  clockWentBack(byMs: number): void {
    this.due.clockMoved(-byMs);
    this.circuits.clockMoved(-byMs);
  }

  /** Once in a while. */
  sweep(nowMs: number): void {
    this.rates.sweep(nowMs);
    this.circuits.sweep(nowMs);
  }

  /** Queues what changed since the last call; those deliveries. */
  flush(): DeliveryRecord[] {
    const { store } = this.modules;
    const changed = [...this.changed];
    for (const record of changed) store.put(record, this.made.has(record));
    for (const [key, times] of this.rates.drain()) store.putRate(key, times);
    this.changed.clear();
    this.made.clear();
    return changed;
  }

  figures(nowMs: number): NotificationFigures {
    const waiting = perChannel(() => 0);
    let oldestDueAt = nowMs;
    for (const open of this.open.all()) {
      const channel = channelOf(open.record);
      if (channel !== null && !open.isUnderWay) waiting[channel]++;
      if (open.record.dueAt !== null) oldestDueAt = Math.min(oldestDueAt, open.record.dueAt);
    }
    return {
      channels: perChannel((name) => ({ ...this.counters[name], circuit: this.circuits.stateOf(name), underWay: this.slots.underWay(name), waiting: waiting[name] })),
      deliveries: { ...this.totals },
      notices: this.notices,
      open: this.open.size,
      oldestDueMs: nowMs - oldestDueAt,
    };
  }

  /** Who a notice is for. That it is over is told to those who heard, or may have heard, that it began, whoever is on call by now. */
  private audience(notice: Notice): string[] {
    const { store, people } = this.modules;
    const ids = new Set<string>();
    if (notice.reason === 'resolved') {
      for (const id of store.toldOf(notice.group)) ids.add(id);
      for (const { record } of this.open.ofGroup(notice.group)) ids.add(record.contactId);
    } else {
      for (const id of notice.recipients) ids.add(id);
      if (notice.subscribers) for (const { id } of people.subscribersFor(notice.severity, notice.regions)) ids.add(id);
    }
    return [...ids].sort();
  }

  private addResolved(notice: Notice, contactId: string, nowMs: number): void {
    const { store, people } = this.modules;
    const contact = people.contact(contactId);
    const wasTold = store.wasTold(notice.group, contactId);
    const before = this.open.ofBoth(notice.group, contactId);
    if (contact !== null && (wasTold || before.some(({ isUnderWay }) => isUnderWay))) this.add(notice, contact, !wasTold, nowMs);
    else for (const open of before) if (this.isReplaceable(open)) this.end(open, 'suppressed', 'replaced', `It was over before it went: ${notice.id}.`, nowMs);
    if (wasTold && isOver(notice)) store.forgetTold(notice.group, contactId);
  }

  private add(notice: Notice, contact: Contact, onlyIfTold: boolean, nowMs: number): void {
    for (const open of this.open.ofBoth(notice.group, contact.id)) if (this.isReplaceable(open)) this.replace(open, notice.id, nowMs);
    const record = makeDelivery(notice, contact.id, routeNotice(notice, contact, this.modules.channels, nowMs), nowMs);
    record.onlyIfTold = onlyIfTold;
    if (record.state === 'waiting') this.gatherNew(record, contact, nowMs);
    const open = this.admit(record);
    if (!isFinished(record)) this.schedule(open);
  }

  private admit(record: DeliveryRecord): OpenDelivery {
    const open = new OpenDelivery(record);
    this.totals.made++;
    this.made.add(record);
    this.changed.add(record);
    if (isFinished(record)) this.count(record);
    else this.open.add(open);
    return open;
  }

  private gatherNew(record: DeliveryRecord, contact: Contact, nowMs: number): void {
    if (this.holdForQuiet(record, contact, nowMs)) return;
    let openDigestAt: number | null = null;
    for (const other of this.open.ofContact(contact.id)) {
      const { gatheredBy, attempts, position, dueAt } = other.record;
      if (gatheredBy === 'digest' && attempts === 0 && position === 0 && dueAt! > nowMs) openDigestAt = Math.min(openDigestAt ?? Infinity, dueAt!);
    }
    const at = digestAt(contact.preferences, record.severity, openDigestAt, nowMs);
    if (at !== null) gather(record, 'digest', at, `${contact.name} gets ${record.severity} ones gathered; the next message goes at ${utcText(at)}.`, nowMs);
  }

  private holdForQuiet(record: DeliveryRecord, contact: Contact, nowMs: number): boolean {
    const until = quietUntil(contact, record.severity, nowMs);
    if (until === null) return false;
    gather(record, 'quiet_hours', until, `${contact.name} has quiet hours (${contact.zone}) until ${utcText(until)}, except from ${contact.preferences.quietHours!.exceptFrom}.`, nowMs);
    return true;
  }

  /** The first of a message that is due goes, or is put where it has to wait, or ends. */
  private tryStart(open: OpenDelivery, nowMs: number): Attempt | null {
    const { people, channels } = this.modules;
    const { record } = open;
    const members = this.open.message(open);
    const contact = people.contact(record.contactId);
    if (contact === null) {
      for (const member of members) this.end(member, 'suppressed', 'unknown_contact', `Contact ${record.contactId} is no longer there.`, nowMs);
      return null;
    }
    const channel = channelOf(record)!;
    const fault = channelFault(channel, contact, channels);
    if (fault !== null) {
      this.moveOn(members, fault.code, fault.text, nowMs);
      return null;
    }
    const othersGo = this.open.ofBoth(record.group, record.contactId).some((other) => other !== open && other.isUnderWay);
    if (othersGo || this.slots.isBusy(record.contactId, channel)) {
      this.behindOthers.add(record.contactId, open);
      return null;
    }
    const isRepetition = record.messageId !== null;
    if (!isRepetition && (this.isNotWanted(open, nowMs) || this.isHeld(open, contact, channel, nowMs))) return null;
    const destination = destinationOf(channel, contact);
    if (!this.circuits.admits(destination, nowMs)) {
      this.avoid(members, channel, destination, contact, nowMs);
      return null;
    }
    const slot = { channel, destination, isSuspect: this.circuits.isSuspect(destination), contactId: record.contactId };
    if (this.slots.isCrowded(slot)) {
      this.behindServer.add(channel, open);
      return null;
    }
    if (isRepetition && record.unknowns > 0 && channels.get(channel)!.repeats === 'lookup') return this.beginLookup(members, contact, slot, this.circuits.begin(destination, nowMs));
    if (record.onlyIfTold) this.toldAfterAll(record);
    const going = isRepetition || record.gatheredBy === null ? members : this.gathered(open, contact, nowMs);
    invariant(going.every((member) => !isFinished(member.record)), `a finished delivery is in message ${going[0].record.id}`);
    return this.begin(going, contact, slot, this.circuits.begin(destination, nowMs), !isRepetition, nowMs);
  }

  /** That something is over is not told to who has not heard that it began. */
  private isNotWanted(open: OpenDelivery, nowMs: number): boolean {
    const { record } = open;
    if (!record.onlyIfTold || this.modules.store.wasTold(record.group, record.contactId)) return false;
    this.end(open, 'suppressed', 'not_told', 'It was over before they were told that it began.', nowMs);
    return true;
  }

  private toldAfterAll(record: DeliveryRecord): void {
    const { store } = this.modules;
    record.onlyIfTold = false;
    if (store.isOver(record.noticeId)) store.forgetTold(record.group, record.contactId);
  }

  /** Quiet hours may have begun since it was made, and messages may have gone. */
  private isHeld(open: OpenDelivery, contact: Contact, channel: ChannelName, nowMs: number): boolean {
    const { record } = open;
    if (!this.holdForQuiet(record, contact, nowMs)) {
      const { perHourMax } = contact.preferences;
      const freeAt = this.rates.freeAt(contact.id, channel, record.severity, perHourMax, nowMs);
      if (freeAt <= nowMs) return false;
      gather(record, 'rate_limit', freeAt, `${contact.name} got ${this.rates.count(contact.id, channel, nowMs)} messages by ${channel} in the last hour, of ${perHourMax}; it goes with others at ${utcText(freeAt)}.`, nowMs);
    }
    this.changed.add(record);
    this.schedule(open);
    return true;
  }

  /** The provider is in trouble: another channel, or until it is well. */
  private avoid(members: OpenDelivery[], channel: ChannelName, destination: Destination, contact: Contact, nowMs: number): void {
    const [first] = members;
    const isWell = (name: ChannelName): boolean => this.circuits.admits(destinationOf(name, contact), nowMs);
    const positions = members.map(({ record }) => this.nextPosition(record, contact, isWell));
    if (positions.every((position) => position !== null)) {
      this.dissolve(members);
      for (const [i, open] of members.entries()) this.passOn(open, positions[i]!, 'circuit_open', `${channel} is in trouble.`, nowMs);
      return;
    }
    if (first.record.receipts.at(-1)?.code !== 'circuit_open') this.note(members, 'held', 'circuit_open', `${channel} is in trouble, and there is no other way: it waits.`, nowMs);
    this.circuits.wait(destination, first);
  }

  /** All of this person that is gathered and goes the same way, also what would go later: one message does for all. What was tried waits its time. */
  private gathered(first: OpenDelivery, contact: Contact, nowMs: number): OpenDelivery[] {
    const going = [first];
    const groups = new Set([first.record.group]);
    for (const other of this.open.ofContact(contact.id)) {
      if (going.length === DIGEST_NOTICES_MAX) break;
      const { record } = other;
      if (other === first || other.isUnderWay || record.messageId !== null || record.gatheredBy === null || record.onlyIfTold || (record.attempts > 0 && record.dueAt! > nowMs)) continue;
      if (channelOf(record) !== channelOf(first.record) || groups.has(record.group) || quietUntil(contact, record.severity, nowMs) !== null) continue;
      if (this.open.ofBoth(record.group, contact.id).some(({ isUnderWay }) => isUnderWay)) continue;
      going.push(other);
      groups.add(record.group);
    }
    return going.sort(inOrderOfMaking);
  }

  private begin(members: OpenDelivery[], contact: Contact, slot: Slot, isProbe: boolean, isRated: boolean, nowMs: number): Attempt {
    const messageId = members[0].record.messageId ?? members[0].record.id;
    const sinceMs = members[0].record.messageAt ?? nowMs;
    const isTest = members[0].record.reason === 'test';
    this.open.setMessage(messageId, members);
    for (const open of members) {
      const { record } = open;
      open.leave();
      open.isUnderWay = true;
      record.state = 'sending';
      record.attempts++;
      record.messageId = messageId;
      record.messageAt = sinceMs;
      record.dueAt = nowMs;
      const withOthers = members.length === 1 ? '' : `, ${members.length} notices in one message`;
      addReceipt(record, 'attempt', null, `Attempt ${record.attempts} by ${slot.channel}${withOthers}.`, nowMs);
      this.changed.add(record);
    }
    if (isRated) this.rates.add(contact.id, slot.channel, nowMs);
    this.counters[slot.channel].attempts++;
    this.slots.take(slot);
    return { ...slot, kind: 'send', messageId, contact, members: [...members], isProbe, isTest, ratedAt: isRated ? nowMs : null, sinceMs };
  }

  private beginLookup(members: OpenDelivery[], contact: Contact, slot: Slot, isProbe: boolean): Attempt {
    for (const open of members) {
      open.leave();
      open.isUnderWay = true;
    }
    this.slots.take(slot);
    const { messageId, messageAt } = members[0].record;
    return { ...slot, kind: 'lookup', messageId: messageId!, contact, members: [...members], isProbe, isTest: false, ratedAt: null, sinceMs: messageAt! };
  }

  /** It is over, one way or the other: who waited for that may go. */
  private release(attempt: Attempt): void {
    this.slots.free(attempt);
    for (const open of attempt.members) open.isUnderWay = false;
    for (const open of this.behindOthers.take(attempt.contactId)) this.makeReady(open);
    for (const open of this.behindServer.take(attempt.channel, WAITERS_AT_ONCE)) this.makeReady(open);
  }

  private judgeProvider(attempt: Attempt, isTrouble: boolean, nowMs: number): void {
    if (!isTrouble) this.circuits.succeeded(attempt.destination);
    else if (this.circuits.failed(attempt.destination, attempt.isProbe, nowMs)) this.counters[attempt.channel].circuitsOpened++;
  }

  private updateAddresses(attempt: Attempt, outcome: SendOutcome, nowMs: number): void {
    const { people } = this.modules;
    const { contactId, channel } = attempt;
    // Somebody may have removed them meanwhile.
    if ((outcome.kind !== 'accepted' && outcome.kind !== 'rejected') || people.contact(contactId) === null) return;
    if (outcome.removeAddresses !== undefined && outcome.removeAddresses.length > 0) people.removeAddresses(contactId, channel, outcome.removeAddresses, nowMs);
    if (outcome.kind === 'rejected' && outcome.unsubscribed === true) people.unsubscribe(contactId, channel, nowMs);
  }

  private went(members: OpenDelivery[], providerId: string | null, text: string, nowMs: number): void {
    this.counters[channelOf(members[0].record)!].sent++;
    for (const open of members) {
      addReceipt(open.record, 'accepted', null, text, nowMs, providerId);
      this.markTold(open.record, nowMs);
      this.settle(open, 'sent', nowMs);
    }
  }

  /** It certainly did not go, this time. */
  private didNotGo(members: OpenDelivery[], { code, retryAfterMs }: Extract<SendOutcome, { kind: 'retry' }>, nowMs: number): void {
    const { record } = members[0];
    const after = Math.min(Math.max(retryAfterMs ?? 0, 0), RETRY_AFTER_MAX_MS);
    const hasOther = this.nextPosition(record) !== null;
    if (record.attempts >= this.attemptsMax(record)) this.moveOn(members, code, `${channelOf(record)} was tried ${record.attempts} times.`, nowMs);
    else if (hasOther && after > RETRY_AFTER_PATIENCE_MS) this.moveOn(members, code, `${channelOf(record)} wants to be left alone for ${Math.ceil(after / 1_000)} s.`, nowMs);
    else this.again(members, nowMs + Math.max(after, backOffMs(ATTEMPT_BACK_OFF, record.attempts, this.modules.random)), nowMs);
  }

  /** Nobody knows whether it went. */
  private mayHaveGone(members: OpenDelivery[], code: string, text: string, nowMs: number, retryAfterMs = 0): void {
    const { record } = members[0];
    const name = channelOf(record)!;
    this.counters[name].unknown++;
    this.note(members, 'unknown', code, text, nowMs);
    for (const member of members) {
      member.record.unknowns++;
      this.markTold(member.record, nowMs);
    }
    const repeats = this.modules.channels.get(name)?.repeats ?? 'blind';
    const wanted = Math.min(retryAfterMs, RETRY_AFTER_MAX_MS);
    const backOff = code === 'restart' ? 0 : Math.max(wanted, backOffMs(ATTEMPT_BACK_OFF, record.attempts, this.modules.random));
    if (repeats === 'blind' && record.unknowns >= BLIND_UNKNOWNS_MAX) this.moveOn(members, code, `Nobody can know whether ${name} has sent it, and it may have done so ${record.unknowns} times.`, nowMs);
    else if (repeats === 'safe' && record.attempts >= this.attemptsMax(record)) this.moveOn(members, code, `${name} was tried ${record.attempts} times.`, nowMs);
    else this.again(members, nowMs + (repeats === 'lookup' ? Math.max(backOff, LOOKUP_AFTER_MS) : backOff), nowMs);
  }

  /** Later on the same channel: as the same message while it may have gone, else as it comes then. */
  private again(members: OpenDelivery[], dueAt: number, nowMs: number): void {
    const [first] = members;
    if (first.record.reason === 'test') {
      this.end(first, 'failed', null, 'A test is one attempt.', nowMs);
      return;
    }
    const isSame = first.record.unknowns > 0;
    if (!isSame) this.dissolve(members);
    for (const open of members) {
      wait(open.record, dueAt, nowMs);
      this.changed.add(open.record);
      this.scheduleOrReplace(open, nowMs);
    }
  }

  /** On to each one's next channel; without one it has failed. */
  private moveOn(members: OpenDelivery[], code: OwnCode | string | null, why: string, nowMs: number): void {
    this.dissolve(members);
    for (const open of members) {
      const position = open.record.reason === 'test' ? null : this.nextPosition(open.record);
      if (position !== null) this.passOn(open, position, code, why, nowMs);
      else this.endWithout(open, code, why, nowMs);
    }
  }

  private endWithout(open: OpenDelivery, code: OwnCode | string | null, why: string, nowMs: number): void {
    const newer = this.newerThan(open);
    if (newer !== undefined) this.replace(open, newer.record.noticeId, nowMs);
    else if (code === 'unsubscribed') this.end(open, 'suppressed', code, `${why} There is no other channel.`, nowMs);
    else this.end(open, 'failed', code, `${why} There is no other channel.`, nowMs);
  }

  private passOn(open: OpenDelivery, position: number, code: OwnCode | string | null, why: string, nowMs: number): void {
    this.counters[channelOf(open.record)!].failedOver++;
    failOver(open.record, position, why, code, nowMs);
    this.changed.add(open.record);
    this.scheduleOrReplace(open, nowMs);
  }

  /** The message is no more; what was in it goes on by itself. */
  private dissolve(members: OpenDelivery[]): void {
    for (const { record } of members) {
      if (record.messageId !== null) this.open.forgetMessage(record.messageId);
      leaveMessage(record);
    }
  }

  /** The next channel that can be used; null: none. */
  private nextPosition(record: DeliveryRecord, contact = this.modules.people.contact(record.contactId), isGood: (name: ChannelName) => boolean = () => true): number | null {
    if (contact === null) return null;
    for (let i = record.position + 1; i < record.channels.length; i++) {
      if (channelFault(record.channels[i], contact, this.modules.channels) === null && isGood(record.channels[i])) return i;
    }
    return null;
  }

  private attemptsMax(record: DeliveryRecord): number {
    return this.nextPosition(record) === null ? ATTEMPTS_LAST_MAX : ATTEMPTS_MAX;
  }

  private scheduleOrReplace(open: OpenDelivery, nowMs: number): void {
    const newer = this.isReplaceable(open) ? this.newerThan(open) : undefined;
    if (newer === undefined) this.schedule(open);
    else this.replace(open, newer.record.noticeId, nowMs);
  }

  private schedule(open: OpenDelivery): void {
    if (this.open.message(open)[0] === open) this.due.push(open);
    else open.leave();
  }

  private makeReady(open: OpenDelivery): void {
    this.ready[channelOf(open.record)!].push(open);
  }

  /** Nothing of it is under way, and no message that may have gone has it beside others. */
  private isReplaceable(open: OpenDelivery): boolean {
    return !open.isUnderWay && this.open.message(open).length === 1;
  }

  private newerThan(open: OpenDelivery): OpenDelivery | undefined {
    return this.open.ofBoth(open.record.group, open.record.contactId).find((other) => other !== open && inOrderOfMaking(other, open) > 0);
  }

  private replace(open: OpenDelivery, noticeId: string, nowMs: number): void {
    this.end(open, 'suppressed', 'replaced', `A newer notice takes its place: ${noticeId}.`, nowMs);
  }

  private markTold({ reason, group, contactId }: DeliveryRecord, nowMs: number): void {
    if (reason !== 'resolved' && reason !== 'test') this.modules.store.markTold(group, contactId, nowMs);
  }

  private takeBackRate(attempt: Attempt): void {
    if (attempt.ratedAt !== null) this.rates.takeBack(attempt.contactId, attempt.channel, attempt.ratedAt);
  }

  private note(members: readonly OpenDelivery[], step: Parameters<typeof addReceipt>[1], code: OwnCode | string | null, text: string, nowMs: number): void {
    for (const { record } of members) {
      addReceipt(record, step, code, text, nowMs);
      this.changed.add(record);
    }
  }

  private end(open: OpenDelivery, state: 'failed' | 'suppressed', code: OwnCode | string | null, text: string, nowMs: number): void {
    addReceipt(open.record, state, code, text, nowMs);
    this.settle(open, state, nowMs);
  }

  private settle(open: OpenDelivery, state: 'sent' | 'failed' | 'suppressed', nowMs: number): void {
    const { record } = open;
    if (record.messageId !== null) this.open.forgetMessage(record.messageId);
    finish(record, state, nowMs);
    open.leave();
    this.open.remove(open);
    this.changed.add(record);
    this.count(record);
  }

  private count({ state }: DeliveryRecord): void {
    if (state === 'sent' || state === 'failed' || state === 'suppressed') this.totals[state]++;
  }
}

function isOver({ alertCount, resolvedCount }: Notice): boolean {
  return resolvedCount >= alertCount;
}
