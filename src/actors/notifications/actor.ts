import type { ChannelName, Contact } from '../../model/contact.ts';
import type { Delivery, Notice } from '../../model/notice.ts';
import type { Clock, TimerHandle, Timers } from '../../runtime/clock.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { Store } from '../../runtime/store.ts';
import type { PeopleDirectory } from '../people/people-directory.ts';
import { answerPeople, isPeopleQuestion } from '../people/people-questions.ts';
import { NOT_RENDERED, type Attempt, type LookupAnswer } from './attempt.ts';
import type { Channel, OutgoingMessage, SendOutcome } from './channels/channel.ts';
import { isFinished, plainDelivery } from './deliveries.ts';
import { explainDeliveries, listDeliveries, placeOf } from './delivery-questions.ts';
import { DeliveryStore } from './delivery-store.ts';
import type { NotificationFigures } from './notification-figures.ts';
import { NotificationsState } from './notifications-state.ts';
import type { NotificationAnswers, NotificationQuestion, Subscription } from './protocol.ts';
import { sampleNotice, testNotice } from './templates/sample-notices.ts';

/**
 * Brings notices to people. A turn applies what came, decides what goes, and commits both; then it answers and hands messages to their channels. So a message's attempt is on disk before its channel hears of it,
 * and its outcome before anybody else does. After a failed commit memory is ahead of the disk: the actor says so and does no more.
 */

/** Notices taken in one turn; with many subscribers each makes as many deliveries. */
const NOTICES_PER_TURN = 200;
/** Deliveries made in one turn, about: some ten milliseconds of work. */
const MADE_PER_TURN = 2_000;
/** Alerts that the notices of one turn tell of, each a row of an index: some hundredth of a second. */
const ALERTS_PER_TURN = 5_000;
/** Deliveries in memory, of about 2 KB. Past it notices stay in their table until others are finished: later, and not forgotten. */
const OPEN_MAX = 200_000;
/** A channel ends by itself; one that does not is given up after this. */
export const ATTEMPT_LIMIT_MS = 180_000;
/** Old deliveries and limits are looked after so often, and the clock is compared. */
const SWEEP_INTERVAL_MS = 60_000;
/** While there is more to remove. */
const SWEEP_AGAIN_MS = 1_000;
/** Clocks that are steered never go back as much at once. */
const CLOCK_BACK_MIN_MS = 1_000;

export interface NotificationsOptions {
  /** Deliveries in memory; default 200,000. */
  openMax?: number;
}

export interface RenderModule {
  /** One message that tells of these notices, oldest first. `delivery` names it, and says which attempt it is. */
  render(notices: Notice[], contact: Contact, channel: ChannelName, delivery: Delivery): Promise<OutgoingMessage>;
}

export interface NotificationsModules {
  /** Shared with the alerts supervisor: what is queued in one synchronous stretch commits as one. */
  store: Store;
  /** Loaded. */
  people: PeopleDirectory;
  channels: ReadonlyMap<ChannelName, Channel>;
  render: RenderModule;
  /** Whose link it is; null: nobody's. */
  readUnsubscribeToken(token: string): { contactId: string; channel: ChannelName } | null;
  newId(): string;
  clock: Clock;
  timers: Timers;
  /** From 0 to below 1; for back-off. */
  random(): number;
  log: Log;
  /** It changed, durably. */
  onDelivery(delivery: Delivery): void;
  /** The actor does no more; called once at most. */
  onFailure(error: unknown): void;
}

interface Asked {
  question: NotificationQuestion;
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}

type Ended = { attempt: Attempt; outcome: SendOutcome } | { attempt: Attempt; answer: LookupAnswer };

export class NotificationsActor {
  private readonly options: Required<NotificationsOptions>;
  private readonly modules: NotificationsModules;
  private readonly store: DeliveryStore;
  private readonly state: NotificationsState;
  private phase: 'new' | 'running' | 'stopping' | 'ended' = 'new';
  private asked: Asked[] = [];
  /** Of the turn that is not committed. */
  private answering: Asked[] = [];
  private ended: Ended[] = [];
  /** By delivery. */
  private readonly tests = new Map<string, Asked>();
  private readonly limits = new Set<TimerHandle>();
  private mayHaveNotices = true;
  private isTurning = false;
  private isWoken = false;
  private timer: TimerHandle | null = null;
  private sweepAtMs = -Infinity;
  private lastNow = 0;
  private lastMonotonic = 0;
  private onIdle: (() => void) | null = null;

  constructor(options: NotificationsOptions, modules: NotificationsModules) {
    this.options = { openMax: options.openMax ?? OPEN_MAX };
    this.modules = modules;
    this.store = new DeliveryStore(modules.store);
    const { channels, people } = modules;
    this.state = new NotificationsState({ channels, people, store: this.store, random: () => modules.random() });
  }

  /** Takes up notices and deliveries that were left. Throws what the store does. */
  start(): void {
    const { clock } = this.modules;
    this.lastNow = clock.now();
    this.lastMonotonic = clock.monotonic();
    this.state.load(this.lastNow);
    this.sweepAtMs = this.lastMonotonic + SWEEP_INTERVAL_MS;
    this.phase = 'running';
    this.wake();
  }

  /** There are new ones in the table `notices`, committed. */
  take(): void {
    this.mayHaveNotices = true;
    this.wake();
  }

  /** Rejects with OperationalError; `unavailable` when the actor is not running. */
  ask<Kind extends NotificationQuestion['kind']>(question: Extract<NotificationQuestion, { kind: Kind }>): Promise<NotificationAnswers[Kind]> {
    if (this.phase !== 'running') return Promise.reject(unavailable());
    return new Promise((resolve, reject) => {
      this.asked.push({ question, resolve: resolve as (answer: unknown) => void, reject });
      this.wake();
    });
  }

  figures(): NotificationFigures {
    return this.state.figures(this.modules.clock.now());
  }

  /** Starts nothing more, and waits for what is under way; what has not ended by then may have gone, and the next start finds out. Channels stay open. */
  async stop(timeLimitMs: number): Promise<void> {
    if (this.phase === 'running') this.phase = 'stopping';
    if (this.phase === 'stopping' && (this.isTurning || this.state.underWay > 0)) {
      await new Promise<void>((resolve) => {
        const limit = this.modules.timers.after(timeLimitMs, resolve);
        this.onIdle = () => {
          limit.cancel();
          resolve();
        };
      });
    }
    this.end();
  }

  private wake(): void {
    this.isWoken = true;
    if (this.isTurning || this.phase === 'new' || this.phase === 'ended') return;
    this.isTurning = true;
    // Never in the caller's own stretch: it may have queued what it has not committed.
    void Promise.resolve().then(() => this.turns());
  }

  private async turns(): Promise<void> {
    try {
      while (this.isWoken && this.phase !== 'ended') {
        this.isWoken = false;
        await this.turn();
      }
    } catch (error) {
      this.fail(error);
    }
    this.isTurning = false;
    if (this.phase === 'ended') return;
    this.setTimer();
    if (this.phase === 'stopping' && this.state.underWay === 0) this.onIdle?.();
  }

  private async turn(): Promise<void> {
    const { clock, store, people } = this.modules;
    const nowMs = clock.now();
    this.compareClocks(nowMs);
    for (const one of this.ended.splice(0)) {
      if ('outcome' in one) this.state.ended(one.attempt, one.outcome, nowMs);
      else this.state.lookedUp(one.attempt, one.answer, nowMs);
    }
    const attempts: Attempt[] = [];
    this.answering = this.asked.splice(0);
    const answers = this.answering.map((asked) => this.answer(asked, attempts, nowMs));
    if (this.phase === 'running') {
      this.takeNotices(nowMs);
      attempts.push(...this.state.start(nowMs));
    }
    this.sweep(nowMs);
    const changed = this.state.flush();
    people.flush();
    await store.commit();
    if (this.phase === 'ended') return;
    this.store.committed();
    this.answering = [];
    for (const answer of answers) answer();
    for (const record of changed) this.modules.onDelivery(plainDelivery(record));
    for (const record of changed) if (isFinished(record)) this.testEnded(record.id, plainDelivery(record));
    for (const attempt of attempts) this.carryOut(attempt);
  }

  private takeNotices(nowMs: number): void {
    if (!this.mayHaveNotices || this.state.openCount >= this.options.openMax) return;
    let made = 0;
    let taken = 0;
    let alerts = 0;
    for (const { key, record } of this.store.incoming.range({ limit: NOTICES_PER_TURN })) {
      made += this.state.take(record, nowMs);
      this.store.incoming.remove(key);
      taken++;
      alerts += record.alerts.length + (record.others?.length ?? 0);
      if (made >= MADE_PER_TURN || alerts >= ALERTS_PER_TURN || this.state.openCount >= this.options.openMax) break;
    }
    this.mayHaveNotices = taken > 0;
    if (taken > 0) this.isWoken = true;
  }

  /** Does what is asked; gives what is to be done once it is committed. */
  private answer(asked: Asked, attempts: Attempt[], nowMs: number): () => void {
    const { question, resolve, reject } = asked;
    try {
      if (isPeopleQuestion(question)) {
        const answer = answerPeople(this.modules.people, question, nowMs, () => this.modules.newId());
        return () => resolve(answer);
      }
      switch (question.kind) {
        case 'subscription':
        case 'unsubscribe':
        case 'resubscribe': {
          const answer = this.ofLink(question, nowMs);
          return () => resolve(answer);
        }
        case 'deliveries': {
          const place = placeOf(question.query);
          return () => resolve(listDeliveries(this.store, question.query, place));
        }
        case 'delivery':
          return () => {
            const record = this.store.delivery(question.id);
            resolve(record === null ? null : plainDelivery(record));
          };
        case 'explainDeliveries':
          return () => resolve(explainDeliveries(this.store, this.modules.people, question.alertId, question.contactId));
        case 'preview':
          return this.preview(question, asked, nowMs);
        case 'sendTest': {
          const { record, attempt } = this.sendTest(question, nowMs);
          this.tests.set(record.id, asked);
          attempts.push(attempt);
          return () => {};
        }
      }
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      return () => reject(error);
    }
  }

  private ofLink({ kind, token }: Extract<NotificationQuestion, { token: string }>, nowMs: number): Subscription {
    const { people } = this.modules;
    const whose = this.modules.readUnsubscribeToken(token);
    const contact = whose === null ? null : people.contact(whose.contactId);
    if (whose === null || contact === null) throw new OperationalError('invalid_token', 'this link is not one of ours, or its contact is no longer there');
    const { contactId, channel } = whose;
    const { name, locale, unsubscribed } = kind === 'subscription' ? contact : kind === 'unsubscribe' ? people.unsubscribe(contactId, channel, nowMs) : people.resubscribe(contactId, null, channel, nowMs);
    return { contactId, name, locale, channel, stoppedAt: unsubscribed[channel] ?? null };
  }

  private sendTest({ contactId, channel }: Extract<NotificationQuestion, { kind: 'sendTest' }>, nowMs: number): ReturnType<NotificationsState['test']> {
    // A group of its own: no test takes another's place.
    const group = `test/${this.modules.newId()}`;
    return this.state.test({ ...testNotice(this.contact(contactId), channel, nowMs), id: `${group}/1`, group }, contactId, channel, nowMs);
  }

  private contact(id: string): Contact {
    const contact = this.modules.people.contact(id);
    if (contact === null) throw new OperationalError('unknown_contact', `there is no contact ${id}`);
    return contact;
  }

  private preview({ contactId, channel, severity }: Extract<NotificationQuestion, { kind: 'preview' }>, { resolve, reject }: Asked, nowMs: number): () => void {
    const contact = this.contact(contactId);
    const notice = sampleNotice(severity, contact, nowMs);
    const delivery: Delivery = {
      ...{ id: `${notice.id}/${contactId}`, noticeId: notice.id, group: notice.group, contactId, severity, reason: notice.reason, state: 'waiting', channels: [channel], position: 0 },
      ...{ attempts: 1, createdAt: nowMs, changedAt: nowMs, dueAt: null, receipts: [] },
    };
    return () => {
      this.modules.render.render([notice], contact, channel, delivery).then(
        ({ subject, text, html, pictures }) => resolve({ subject, text, html, pictures }),
        (error: unknown) => reject(new OperationalError('render_failed', `the message could not be made: ${textOf(error)}`, { cause: error })),
      );
    };
  }

  private testEnded(deliveryId: string, delivery: Delivery): void {
    this.tests.get(deliveryId)?.resolve(delivery);
    this.tests.delete(deliveryId);
  }

  /** Its channel is asked. Exactly one end of it comes back, and never too late. */
  private carryOut(attempt: Attempt): void {
    let isRendered = false;
    let isOver = false;
    const finish = (ended: Ended): void => {
      if (isOver) return;
      isOver = true;
      limit.cancel();
      this.limits.delete(limit);
      this.ended.push(ended);
      this.wake();
    };
    const notRendered = (text: string): void => finish(endedWith(attempt, { kind: 'retry', code: NOT_RENDERED, text: `The message could not be made: ${text}.`, retryAfterMs: null, isProvider: false }));
    const limit = this.modules.timers.after(ATTEMPT_LIMIT_MS, () => {
      this.modules.log.error({ channel: attempt.channel, message: attempt.messageId }, 'a channel did not answer within its limit');
      if (isRendered) finish(endedWith(attempt, { kind: 'unknown', code: 'time_limit', text: `There was no answer within ${ATTEMPT_LIMIT_MS / 1_000} s.` }));
      else notRendered(`it took longer than ${ATTEMPT_LIMIT_MS / 1_000} s`);
    });
    this.limits.add(limit);
    const notices = attempt.members.flatMap(({ record }) => this.store.notice(record.noticeId)?.notice ?? []);
    // A copy: the record goes on changing.
    const delivery = plainDelivery(attempt.members[0].record);
    const channel = this.modules.channels.get(attempt.channel)!;
    this.modules.render.render(notices, attempt.contact, attempt.channel, delivery).then(
      (message) => {
        if (isOver) return;
        isRendered = true;
        const call = attempt.kind === 'lookup' ? channel.lookup!(message, attempt.sinceMs).then((answer) => finish({ attempt, answer })) : channel.send(message).then((outcome) => finish({ attempt, outcome }));
        call.catch((error: unknown) => {
          this.modules.log.error({ error, channel: attempt.channel, message: attempt.messageId }, 'a channel failed in a way it must not');
          finish(endedWith(attempt, { kind: 'unknown', code: 'channel_failed', text: `The channel failed: ${textOf(error)}.` }));
        });
      },
      (error: unknown) => {
        this.modules.log.error({ error, channel: attempt.channel, message: attempt.messageId }, 'a message could not be made');
        notRendered(textOf(error));
      },
    );
  }

  private sweep(nowMs: number): void {
    const monotonic = this.modules.clock.monotonic();
    if (monotonic < this.sweepAtMs) return;
    this.state.sweep(nowMs);
    this.sweepAtMs = monotonic + (this.store.removeOld(nowMs) ? SWEEP_AGAIN_MS : SWEEP_INTERVAL_MS);
  }

  /** The wall clock against the one that never jumps. Set forward, waits are shorter; set back, they would be longer by as much. */
  private compareClocks(nowMs: number): void {
    const monotonic = this.modules.clock.monotonic();
    const wentBackMs = Math.round(monotonic - this.lastMonotonic - (nowMs - this.lastNow));
    if (wentBackMs >= CLOCK_BACK_MIN_MS) this.state.clockWentBack(wentBackMs);
    this.lastNow = nowMs;
    this.lastMonotonic = monotonic;
  }

  private setTimer(): void {
    this.timer?.cancel();
    const { clock, timers } = this.modules;
    const dueIn = this.phase === 'running' ? this.state.nextDueMs() - clock.now() : Infinity;
    const sweepIn = this.sweepAtMs - clock.monotonic();
    this.timer = timers.after(Math.max(0, Math.min(dueIn, sweepIn)), () => this.wake());
  }

  private fail(error: unknown): void {
    if (this.phase === 'ended') return;
    this.end();
    this.modules.onFailure(error);
  }

  private end(): void {
    this.phase = 'ended';
    this.timer?.cancel();
    for (const limit of this.limits) limit.cancel();
    for (const { reject } of [...this.answering, ...this.asked, ...this.tests.values()]) reject(unavailable());
    this.answering = [];
    this.asked = [];
    this.tests.clear();
  }
}

function endedWith(attempt: Attempt, outcome: Extract<SendOutcome, { kind: 'retry' | 'unknown' }>): Ended {
  if (attempt.kind === 'send') return { attempt, outcome };
  return { attempt, answer: { kind: 'unknown', text: outcome.text } };
}

function unavailable(): OperationalError {
  return new OperationalError('unavailable', 'notifications are not running now; they start again by themselves', { retryable: true });
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
