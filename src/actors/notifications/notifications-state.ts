import { CHANNEL_NAMES, type ChannelName, type Contact } from '../../model/contact.ts';
import type { Notice } from '../../model/notice.ts';
import { utcText } from '../../model/utc-text.ts';
import { invariant, OperationalError } from '../../runtime/errors.ts';
import type { PeopleDirectory } from '../people/people-directory.ts';
import { AttemptOutcomes } from './attempt-outcomes.ts';
import type { Attempt, LookupAnswer } from './attempt.ts';
import type { SendOutcome } from './channels/channel.ts';
import { ChannelSlots, destinationOf, type Destination, type Slot } from './channel-slots.ts';
import { addReceipt, channelOf, gather, isFinished, makeDelivery, type DeliveryRecord } from './deliveries.ts';
import { DeliveryBook } from './delivery-book.ts';
import { OpenDelivery, Waiters } from './delivery-queue.ts';
import type { DeliveryStore } from './delivery-store.ts';
import { DIGEST_NOTICES_MAX, digestAt } from './digests.ts';
import { newChannelCounters, perChannel, type NotificationFigures } from './notification-figures.ts';
import { inOrderOfMaking } from './open-deliveries.ts';
import { ProviderCircuits } from './provider-circuits.ts';
import { quietUntil } from './quiet-hours.ts';
import { RateLimits } from './rate-limits.ts';
import { channelFault, routeNotice, type ChannelSet } from './routing.ts';

/**
 * What the notifications supervisor knows and decides, without clock, timers or I/O: what is to be sent to whom, and which of it goes now. What becomes of an attempt, attempt-outcomes.ts says. Everything
 * it changes is queued in the store by `flush`; what `start` gives may be done once that is committed. Times are epoch milliseconds.
 */

/** A record of the future was made by a clock that was wrong; so much is within what clocks differ by. */
const CLOCK_AHEAD_MS = 60_000;
/** Deliveries that wait for a provider or a server and are looked at again at once. */
const WAITERS_AT_ONCE = 64;
/** Tests under way at once: each is a person who waits for it. */
export const TESTS_MAX = 8;

export interface NotificationsStateModules {
  channels: ChannelSet;
  people: PeopleDirectory;
  store: DeliveryStore;
  /** From 0 to below 1. */
  random(): number;
}

export class NotificationsState {
  private readonly modules: NotificationsStateModules;
  private readonly book: DeliveryBook;
  private readonly outcomes: AttemptOutcomes;
  /** By person: something for them is under way that has to end first. */
  private readonly behindOthers = new Waiters<string>();
  /** By channel: their server has enough to do. */
  private readonly behindServer = new Waiters<ChannelName>();
  private readonly circuits: ProviderCircuits;
  private readonly slots = new ChannelSlots();
  private readonly rates = new RateLimits();
  private testsUnderWay = 0;
  private readonly counters = newChannelCounters();
  private notices = 0;

  constructor(modules: NotificationsStateModules) {
    this.modules = modules;
    this.circuits = new ProviderCircuits(modules.random);
    this.book = new DeliveryBook(modules.store);
    const { book, circuits, rates, counters } = this;
    this.outcomes = new AttemptOutcomes({ ...modules, book, circuits, rates, counters });
  }

  /** Takes up what is in the store. What was being sent when the engine stopped may have gone. */
  load(nowMs: number): void {
    const { store } = this.modules;
    for (const { key, record } of store.loadRates()) this.rates.restore(key, record);
    const messages = new Map<string, OpenDelivery[]>();
    for (const record of store.loadOpen()) {
      if (record.changedAt > nowMs + CLOCK_AHEAD_MS) record.dueAt = nowMs;
      const open = new OpenDelivery(record);
      this.book.open.add(open);
      if (record.messageId === null) continue;
      const members = messages.get(record.messageId);
      if (members === undefined) messages.set(record.messageId, [open]);
      else members.push(open);
    }
    for (const [id, members] of messages) this.book.open.setMessage(id, members.sort(inOrderOfMaking));
    // What is in a message is scheduled with its first.
    for (const open of [...this.book.open.all()]) {
      const members = this.book.open.message(open);
      if (members[0] !== open || isFinished(open.record)) continue;
      if (open.record.state !== 'sending') this.book.schedule(open);
      else if (open.record.reason === 'test') this.book.end(open, 'failed', 'restart', 'The engine stopped before it heard what became of it.', nowMs);
      else this.outcomes.mayHaveGone(members, 'restart', 'The engine stopped before it heard what became of it.', nowMs);
    }
  }

  get openCount(): number {
    return this.book.open.size;
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
    const madeBefore = this.book.totals.made;
    for (const contactId of this.audience(notice)) {
      const contact = people.contact(contactId);
      if (notice.reason === 'resolved') this.addResolved(notice, contactId, nowMs);
      else if (contact !== null) this.add(notice, contact, false, nowMs);
    }
    return this.book.totals.made - madeBefore;
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
    const open = this.book.admit(makeDelivery(notice, contactId, { channels: [channel], end: null, receipts }, nowMs));
    this.testsUnderWay++;
    const slot = { channel, destination: destinationOf(channel, contact), isSuspect: false, contactId };
    return { record: open.record, attempt: this.begin([open], contact, slot, false, false, nowMs) };
  }

  /** What is to go now. Everything given is under way from here on, until `ended` or `lookedUp` is told what became of it. */
  start(nowMs: number): Attempt[] {
    const attempts: Attempt[] = [];
    for (const open of this.circuits.released(nowMs, WAITERS_AT_ONCE)) this.book.makeReady(open);
    do {
      this.book.readyDue(nowMs);
      for (const name of CHANNEL_NAMES) {
        while (this.slots.hasRoom(name)) {
          const open = this.book.takeReady(name);
          if (open === undefined) break;
          const attempt = this.tryStart(open, nowMs);
          if (attempt !== null) attempts.push(attempt);
        }
      }
    } while (this.book.nextDueMs() <= nowMs);
    return attempts;
  }

  /** Takes what a channel answered. */
  ended(attempt: Attempt, outcome: SendOutcome, nowMs: number): void {
    this.release(attempt);
    this.outcomes.ended(attempt, outcome, nowMs);
    if (attempt.isTest) this.testsUnderWay--;
  }

  /** Takes what a channel answered when it was asked whether a message went. */
  lookedUp(attempt: Attempt, answer: LookupAnswer, nowMs: number): void {
    this.release(attempt);
    this.outcomes.lookedUp(attempt, answer, nowMs);
  }

  /** When `start` may have something to give that it has not now; Infinity: when something ends or comes. */
  nextDueMs(): number {
    return Math.min(this.book.nextDueMs(), this.circuits.nextProbeMs());
  }

  /** The clock was set back by so much: waits are as long as they were meant. */
  clockWentBack(byMs: number): void {
    this.book.clockMoved(-byMs);
    this.circuits.clockMoved(-byMs);
  }

  /** Once in a while. */
  sweep(nowMs: number): void {
    this.rates.sweep(nowMs);
    this.circuits.sweep(nowMs);
  }

  /** Queues what changed since the last call; those deliveries. */
  flush(): DeliveryRecord[] {
    const changed = this.book.flush();
    for (const [key, times] of this.rates.drain()) this.modules.store.putRate(key, times);
    return changed;
  }

  figures(nowMs: number): NotificationFigures {
    const { byChannel, oldestDueAt } = this.book.waiting(nowMs);
    return {
      channels: perChannel((name) => ({ ...this.counters[name], circuit: this.circuits.stateOf(name), underWay: this.slots.underWay(name), waiting: byChannel[name] })),
      deliveries: { ...this.book.totals },
      notices: this.notices,
      open: this.book.open.size,
      oldestDueMs: nowMs - oldestDueAt,
    };
  }

  /** Who a notice is for. That it is over is told to those who heard, or may have heard, that it began, whoever is on call by now. */
  private audience(notice: Notice): string[] {
    const { store, people } = this.modules;
    const ids = new Set<string>();
    if (notice.reason === 'resolved') {
      for (const id of store.toldOf(notice.group)) ids.add(id);
      for (const { record } of this.book.open.ofGroup(notice.group)) ids.add(record.contactId);
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
    const before = this.book.open.ofBoth(notice.group, contactId);
    if (contact !== null && (wasTold || before.some(({ isUnderWay }) => isUnderWay))) this.add(notice, contact, !wasTold, nowMs);
    else for (const open of before) if (this.book.isReplaceable(open)) this.book.end(open, 'suppressed', 'replaced', `It was over before it went: ${notice.id}.`, nowMs);
    if (wasTold && isOver(notice)) store.forgetTold(notice.group, contactId);
  }

  private add(notice: Notice, contact: Contact, onlyIfTold: boolean, nowMs: number): void {
    for (const open of this.book.open.ofBoth(notice.group, contact.id)) if (this.book.isReplaceable(open)) this.book.replace(open, notice.id, nowMs);
    const record = makeDelivery(notice, contact.id, routeNotice(notice, contact, this.modules.channels, nowMs), nowMs);
    record.onlyIfTold = onlyIfTold;
    if (record.state === 'waiting') this.gatherNew(record, contact, nowMs);
    const open = this.book.admit(record);
    if (!isFinished(record)) this.book.schedule(open);
  }

  private gatherNew(record: DeliveryRecord, contact: Contact, nowMs: number): void {
    if (this.holdForQuiet(record, contact, nowMs)) return;
    let openDigestAt: number | null = null;
    for (const other of this.book.open.ofContact(contact.id)) {
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
    const members = this.book.open.message(open);
    const contact = people.contact(record.contactId);
    if (contact === null) {
      for (const member of members) this.book.end(member, 'suppressed', 'unknown_contact', `Contact ${record.contactId} is no longer there.`, nowMs);
      return null;
    }
    const channel = channelOf(record)!;
    const fault = channelFault(channel, contact, channels);
    if (fault !== null) {
      this.outcomes.moveOn(members, fault.code, fault.text, nowMs);
      return null;
    }
    const othersGo = this.book.open.ofBoth(record.group, record.contactId).some((other) => other !== open && other.isUnderWay);
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
    this.book.end(open, 'suppressed', 'not_told', 'It was over before they were told that it began.', nowMs);
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
    this.book.touch(open);
    this.book.schedule(open);
    return true;
  }

  /** The provider is in trouble: another channel, or until it is well. */
  private avoid(members: OpenDelivery[], channel: ChannelName, destination: Destination, contact: Contact, nowMs: number): void {
    const [first] = members;
    const isWell = (name: ChannelName): boolean => this.circuits.admits(destinationOf(name, contact), nowMs);
    const positions = members.map(({ record }) => this.outcomes.nextPosition(record, contact, isWell));
    if (positions.every((position) => position !== null)) {
      this.book.dissolve(members);
      for (const [i, open] of members.entries()) this.outcomes.passOn(open, positions[i]!, 'circuit_open', `${channel} is in trouble.`, nowMs);
      return;
    }
    if (first.record.receipts.at(-1)?.code !== 'circuit_open') this.book.note(members, 'held', 'circuit_open', `${channel} is in trouble, and there is no other way: it waits.`, nowMs);
    this.circuits.wait(destination, first);
  }

  /** All of this person that is gathered and goes the same way, also what would go later: one message does for all. What was tried waits its time. */
  private gathered(first: OpenDelivery, contact: Contact, nowMs: number): OpenDelivery[] {
    const going = [first];
    const groups = new Set([first.record.group]);
    for (const other of this.book.open.ofContact(contact.id)) {
      if (going.length === DIGEST_NOTICES_MAX) break;
      const { record } = other;
      if (other === first || other.isUnderWay || record.messageId !== null || record.gatheredBy === null || record.onlyIfTold || (record.attempts > 0 && record.dueAt! > nowMs)) continue;
      if (channelOf(record) !== channelOf(first.record) || groups.has(record.group) || quietUntil(contact, record.severity, nowMs) !== null) continue;
      if (this.book.open.ofBoth(record.group, contact.id).some(({ isUnderWay }) => isUnderWay)) continue;
      going.push(other);
      groups.add(record.group);
    }
    return going.sort(inOrderOfMaking);
  }

  private begin(members: OpenDelivery[], contact: Contact, slot: Slot, isProbe: boolean, isRated: boolean, nowMs: number): Attempt {
    const messageId = members[0].record.messageId ?? members[0].record.id;
    const sinceMs = members[0].record.messageAt ?? nowMs;
    const isTest = members[0].record.reason === 'test';
    this.book.open.setMessage(messageId, members);
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
      this.book.touch(open);
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
    for (const open of this.behindOthers.take(attempt.contactId)) this.book.makeReady(open);
    for (const open of this.behindServer.take(attempt.channel, WAITERS_AT_ONCE)) this.book.makeReady(open);
  }
}

function isOver({ alertCount, resolvedCount }: Notice): boolean {
  return resolvedCount >= alertCount;
}
