import type { ChannelName } from '../../model/contact.ts';
import type { PeopleDirectory } from '../people/people-directory.ts';
import { NOT_RENDERED, type Attempt, type LookupAnswer } from './attempt.ts';
import { ATTEMPT_BACK_OFF, backOffMs } from './back-off.ts';
import type { SendOutcome } from './channels/channel.ts';
import { addReceipt, channelOf, failOver, wait, type DeliveryRecord } from './deliveries.ts';
import type { DeliveryBook } from './delivery-book.ts';
import type { OpenDelivery } from './delivery-queue.ts';
import type { ChannelCounters } from './notification-figures.ts';
import type { ProviderCircuits } from './provider-circuits.ts';
import type { RateLimits } from './rate-limits.ts';
import { channelFault, type ChannelSet, type OwnCode } from './routing.ts';

/** What becomes of an attempt: its deliveries went, go again later on the same channel, go on to the next one, or end. Times are epoch milliseconds. */

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

export interface AttemptOutcomesModules {
  channels: ChannelSet;
  people: PeopleDirectory;
  book: DeliveryBook;
  circuits: ProviderCircuits;
  rates: RateLimits;
  counters: Record<ChannelName, ChannelCounters>;
  /** From 0 to below 1. */
  random(): number;
}

export class AttemptOutcomes {
  private readonly modules: AttemptOutcomesModules;
  private readonly book: DeliveryBook;

  constructor(modules: AttemptOutcomesModules) {
    this.modules = modules;
    this.book = modules.book;
  }

  /** Takes what a channel answered. */
  ended(attempt: Attempt, outcome: SendOutcome, nowMs: number): void {
    if (outcome.kind !== 'retry' || outcome.code !== NOT_RENDERED || attempt.isProbe) {
      const isTrouble = outcome.kind === 'unknown' || (outcome.kind === 'retry' && (outcome.isProvider || outcome.code === NOT_RENDERED));
      this.judgeProvider(attempt, isTrouble, nowMs);
    }
    this.updateAddresses(attempt, outcome, nowMs);
    const counters = this.modules.counters[attempt.channel];
    switch (outcome.kind) {
      case 'accepted':
        this.went(attempt.members, outcome.providerId, outcome.text, nowMs);
        break;
      case 'rejected':
        counters.rejected++;
        this.takeBackRate(attempt);
        this.book.note(attempt.members, 'rejected', outcome.code, outcome.text, nowMs);
        this.moveOn(attempt.members, outcome.unsubscribed === true ? 'unsubscribed' : outcome.code, `${attempt.channel} does not take it.`, nowMs);
        break;
      case 'retry':
        counters.retried++;
        this.takeBackRate(attempt);
        this.book.note(attempt.members, 'retry', outcome.code, outcome.text, nowMs);
        this.didNotGo(attempt.members, outcome, nowMs);
        break;
      case 'unknown':
        this.mayHaveGone(attempt.members, outcome.code, outcome.text, nowMs, outcome.retryAfterMs ?? 0);
        break;
    }
  }

  /** Takes what a channel answered when it was asked whether a message went. */
  lookedUp(attempt: Attempt, answer: LookupAnswer, nowMs: number): void {
    this.judgeProvider(attempt, answer.kind === 'unknown', nowMs);
    const { members } = attempt;
    if (answer.kind === 'sent') {
      this.went(members, answer.providerId, `${attempt.channel} has it: it went.`, nowMs);
      return;
    }
    if (answer.kind === 'not_sent') {
      this.book.note(members, 'retry', 'lookup', `${attempt.channel} does not have it: it did not go.`, nowMs);
      for (const { record } of members) record.unknowns = 0;
      this.modules.rates.takeBack(attempt.contactId, attempt.channel, attempt.sinceMs);
      if (members[0].record.attempts >= this.attemptsMax(members[0].record)) this.moveOn(members, 'lookup', `${attempt.channel} was tried ${members[0].record.attempts} times.`, nowMs);
      else this.again(members, nowMs, nowMs);
      return;
    }
    this.book.note(members, 'unknown', 'lookup', answer.text, nowMs);
    const lookups = members[0].record.lookups + 1;
    for (const { record } of members) record.lookups = lookups;
    if (lookups >= LOOKUPS_MAX) this.moveOn(members, 'lookup', `${attempt.channel} was asked ${lookups} times whether it went, and did not say.`, nowMs);
    else this.again(members, nowMs + backOffMs(ATTEMPT_BACK_OFF, lookups, this.modules.random), nowMs);
  }

  /** Nobody knows whether it went. */
  mayHaveGone(members: OpenDelivery[], code: string, text: string, nowMs: number, retryAfterMs = 0): void {
    const { record } = members[0];
    const name = channelOf(record)!;
    this.modules.counters[name].unknown++;
    this.book.note(members, 'unknown', code, text, nowMs);
    for (const member of members) {
      member.record.unknowns++;
      this.book.markTold(member.record, nowMs);
    }
    const repeats = this.modules.channels.get(name)?.repeats ?? 'blind';
    const wanted = Math.min(retryAfterMs, RETRY_AFTER_MAX_MS);
    const backOff = code === 'restart' ? 0 : Math.max(wanted, backOffMs(ATTEMPT_BACK_OFF, record.attempts, this.modules.random));
    if (repeats === 'blind' && record.unknowns >= BLIND_UNKNOWNS_MAX) this.moveOn(members, code, `Nobody can know whether ${name} has sent it, and it may have done so ${record.unknowns} times.`, nowMs);
    else if (repeats === 'safe' && record.attempts >= this.attemptsMax(record)) this.moveOn(members, code, `${name} was tried ${record.attempts} times.`, nowMs);
    else this.again(members, nowMs + (repeats === 'lookup' ? Math.max(backOff, LOOKUP_AFTER_MS) : backOff), nowMs);
  }

  /** On to each one's next channel; without one it has failed. */
  moveOn(members: OpenDelivery[], code: OwnCode | string | null, why: string, nowMs: number): void {
    this.book.dissolve(members);
    for (const open of members) {
      const position = open.record.reason === 'test' ? null : this.nextPosition(open.record);
      if (position !== null) this.passOn(open, position, code, why, nowMs);
      else this.endWithout(open, code, why, nowMs);
    }
  }

  passOn(open: OpenDelivery, position: number, code: OwnCode | string | null, why: string, nowMs: number): void {
    this.modules.counters[channelOf(open.record)!].failedOver++;
    failOver(open.record, position, why, code, nowMs);
    this.book.touch(open);
    this.book.scheduleOrReplace(open, nowMs);
  }

  /** The next channel that can be used; null: none. */
  nextPosition(record: DeliveryRecord, contact = this.modules.people.contact(record.contactId), isGood: (name: ChannelName) => boolean = () => true): number | null {
    if (contact === null) return null;
    for (let i = record.position + 1; i < record.channels.length; i++) {
      if (channelFault(record.channels[i], contact, this.modules.channels) === null && isGood(record.channels[i])) return i;
    }
    return null;
  }

  private went(members: OpenDelivery[], providerId: string | null, text: string, nowMs: number): void {
    this.modules.counters[channelOf(members[0].record)!].sent++;
    for (const open of members) {
      addReceipt(open.record, 'accepted', null, text, nowMs, providerId);
      this.book.markTold(open.record, nowMs);
      this.book.settle(open, 'sent', nowMs);
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

  /** Later on the same channel: as the same message while it may have gone, else as it comes then. */
  private again(members: OpenDelivery[], dueAt: number, nowMs: number): void {
    const [first] = members;
    if (first.record.reason === 'test') {
      this.book.end(first, 'failed', null, 'A test is one attempt.', nowMs);
      return;
    }
    const isSame = first.record.unknowns > 0;
    if (!isSame) this.book.dissolve(members);
    for (const open of members) {
      wait(open.record, dueAt, nowMs);
      this.book.touch(open);
      this.book.scheduleOrReplace(open, nowMs);
    }
  }

  private endWithout(open: OpenDelivery, code: OwnCode | string | null, why: string, nowMs: number): void {
    const newer = this.book.newerThan(open);
    if (newer !== undefined) this.book.replace(open, newer.record.noticeId, nowMs);
    else if (code === 'unsubscribed') this.book.end(open, 'suppressed', code, `${why} There is no other channel.`, nowMs);
    else this.book.end(open, 'failed', code, `${why} There is no other channel.`, nowMs);
  }

  private attemptsMax(record: DeliveryRecord): number {
    return this.nextPosition(record) === null ? ATTEMPTS_LAST_MAX : ATTEMPTS_MAX;
  }

  private judgeProvider(attempt: Attempt, isTrouble: boolean, nowMs: number): void {
    if (!isTrouble) this.modules.circuits.succeeded(attempt.destination);
    else if (this.modules.circuits.failed(attempt.destination, attempt.isProbe, nowMs)) this.modules.counters[attempt.channel].circuitsOpened++;
  }

  private updateAddresses(attempt: Attempt, outcome: SendOutcome, nowMs: number): void {
    const { people } = this.modules;
    const { contactId, channel } = attempt;
    // Somebody may have removed them meanwhile.
    if ((outcome.kind !== 'accepted' && outcome.kind !== 'rejected') || people.contact(contactId) === null) return;
    if (outcome.removeAddresses !== undefined && outcome.removeAddresses.length > 0) people.removeAddresses(contactId, channel, outcome.removeAddresses, nowMs);
    if (outcome.kind === 'rejected' && outcome.unsubscribed === true) people.unsubscribe(contactId, channel, nowMs);
  }

  private takeBackRate(attempt: Attempt): void {
    if (attempt.ratedAt !== null) this.modules.rates.takeBack(attempt.contactId, attempt.channel, attempt.ratedAt);
  }
}
