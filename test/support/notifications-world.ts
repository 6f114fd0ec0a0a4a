import { NotificationsActor, type NotificationsModules } from '../../src/actors/notifications/actor.ts';
import type { Channel, OutgoingMessage, SendOutcome } from '../../src/actors/notifications/channels/channel.ts';
import { PeopleDirectory } from '../../src/actors/people/people-directory.ts';
import { CHANNEL_NAMES, type ChannelName, type Contact, type Preferences } from '../../src/model/contact.ts';
import type { Severity } from '../../src/model/anomaly.ts';
import type { Delivery, Notice } from '../../src/model/notice.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { RecordTable, sortableNumber } from '../../src/runtime/record-table.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';

/** The notifications supervisor with a store in memory, a clock of its own, and providers that do what a test says. It can be killed and started again. */

/** A Wednesday at noon, UTC. */
export const NOON = Date.UTC(2026, 6, 15, 12);

export interface Answer {
  outcome: SendOutcome;
  /** Whether the person got it. */
  went: boolean;
}

export const accepted: Answer = { outcome: { kind: 'accepted', providerId: 'p', text: 'Taken.' }, went: true };
export const unknown = (went: boolean): Answer => ({ outcome: { kind: 'unknown', code: 'timeout', text: 'No answer.' }, went });
export const rejected = (more: Partial<Extract<SendOutcome, { kind: 'rejected' }>> = {}): Answer => ({ outcome: { kind: 'rejected', code: '21211', text: 'No such number.', ...more }, went: false });
export const retry = (more: Partial<Extract<SendOutcome, { kind: 'retry' }>> = {}): Answer => ({ outcome: { kind: 'retry', code: '503', text: 'Not now.', retryAfterMs: null, isProvider: true, ...more }, went: false });
/** Never answers. */
export const hangs = new Promise<Answer>(() => {});

/** What a provider was handed. */
export interface Handed {
  channel: ChannelName;
  contactId: string;
  messageId: string;
  attempt: number;
  noticeIds: string[];
  at: number;
  went: boolean;
}

export type Script = (message: OutgoingMessage, handed: Handed) => Answer | Promise<Answer>;

/** `lost`, `kept`: dies in a commit, which was or was not on disk; `call`: before a channel is called; `answer`: after the call, before its answer is heard. */
export interface Step {
  kind: 'lost' | 'kept' | 'call' | 'answer';
}

export class NotificationsWorld {
  readonly time: VirtualTime;
  /** What `now` is ahead of the virtual time. */
  clockOffsetMs = 0;
  store: MemoryStore;
  people: PeopleDirectory;
  actor!: NotificationsActor;
  readonly handed: Handed[] = [];
  /** As told by onDelivery, the newest state of each. */
  readonly deliveries = new Map<string, Delivery>();
  readonly failures: unknown[] = [];
  readonly scripts: Partial<Record<ChannelName, Script>> = {};
  readonly lookups: Partial<Record<ChannelName, () => 'unknown' | null>> = {};
  repeats: Record<ChannelName, Channel['repeats']> = { email: 'safe', sms: 'lookup', push: 'safe', webhook: 'safe', live: 'blind' };
  configured: ChannelName[] = [...CHANNEL_NAMES];
  renderFails = false;
  /** Called at every step; true: the engine dies there. */
  onStep: (kinds: Step['kind'][]) => Step['kind'] | null = () => null;
  private life = 0;
  private isTelling = false;
  private notices = 0;
  private ids = 0;

  constructor(startMs = NOON) {
    this.time = new VirtualTime(startMs);
    this.store = this.newStore();
    this.people = new PeopleDirectory(this.store);
  }

  now(): number {
    return this.time.now() + this.clockOffsetMs;
  }

  start(more: Partial<NotificationsModules> = {}, openMax?: number): void {
    const life = ++this.life;
    this.people = new PeopleDirectory(this.store);
    this.people.load();
    this.actor = new NotificationsActor(
      { openMax },
      {
        store: this.store,
        people: this.people,
        channels: new Map(this.configured.map((name) => [name, this.channel(name, life)])),
        render: { render: (notices, contact, channel, delivery) => this.render(notices, contact, channel, delivery) },
        readUnsubscribeToken: (token) => (token.startsWith('ok:') ? { contactId: token.slice(3), channel: 'email' } : null),
        newId: () => `id-${++this.ids}`,
        clock: { now: () => this.now(), monotonic: () => this.time.monotonic() },
        timers: { after: (ms, fn) => this.time.after(ms, () => life === this.life && fn()), every: (ms, fn) => this.time.every(ms, fn) },
        random: () => 0.999,
        log: nullLog,
        onDelivery: (delivery) => this.deliveries.set(delivery.id, delivery),
        onFailure: (error) => this.failures.push(error),
        ...more,
      },
    );
    this.actor.start();
  }

  /** Lets everything happen that needs no time, and then that of so many milliseconds. */
  async run(ms = 0): Promise<void> {
    await this.time.advanceSettled(ms);
    await this.time.advanceSettled(0);
  }

  async addContact(contact: Contact): Promise<void> {
    await this.write(() => new RecordTable<Contact>(this.store, 'contacts').put(contact.id, contact));
  }

  /** As the alerts supervisor does. */
  async tell(...notices: Notice[]): Promise<void> {
    await this.write(() => {
      for (const notice of notices) new RecordTable<Notice>(this.store, 'notices').put(sortableNumber(++this.notices), notice);
    });
    this.actor?.take();
    await this.run();
  }

  /** Dies and is started again. */
  kill(underWay: 'lost' | 'kept' = 'lost'): void {
    this.life++;
    const old = this.store;
    this.store = this.newStore();
    this.store.take(old.crash(underWay));
  }

  restart(): void {
    this.kill();
    this.start();
  }

  /** Of one channel, or all. */
  to(contactId: string, channel?: ChannelName): Handed[] {
    return this.handed.filter((handed) => handed.contactId === contactId && (channel === undefined || handed.channel === channel));
  }

  delivery(noticeId: string, contactId: string): Delivery {
    return this.deliveries.get(`${noticeId}/${contactId}`)!;
  }

  private newStore(): MemoryStore {
    return new MemoryStore({
      takeCommit: async () => {
        if (this.isTelling) return;
        const end = this.onStep(['lost', 'kept']);
        if (end === 'lost' || end === 'kept') {
          this.kill(end);
          queueMicrotask(() => this.start());
        }
      },
    });
  }

  private async write(put: () => void): Promise<void> {
    this.isTelling = true;
    put();
    await this.store.commit();
    this.isTelling = false;
  }

  private async render(notices: Notice[], contact: Contact, channel: ChannelName, delivery: Delivery): Promise<OutgoingMessage> {
    if (this.renderFails) throw new Error('no template');
    return {
      ...{ subject: `${notices.length} notices by ${channel}`, text: '', html: null, pictures: [], deliveryId: delivery.id, attempt: delivery.attempts, collapseKey: delivery.group, severity: delivery.severity },
      ...{ reason: delivery.reason, addresses: contact.addresses, contactId: contact.id, link: null, unsubscribeLink: null, document: notices.map(({ id }) => id) },
    };
  }

  private channel(name: ChannelName, life: number): Channel {
    const never = new Promise<never>(() => {});
    const dies = (kind: 'call' | 'answer'): boolean => {
      if (life !== this.life) return true;
      if (this.onStep([kind]) !== kind) return false;
      this.kill();
      queueMicrotask(() => this.start());
      return true;
    };
    return {
      name,
      repeats: this.repeats[name],
      unreachable: (addresses) => (name === 'live' || (name === 'push' ? addresses.push.length > 0 : addresses[name] !== null) ? null : `There is no address for ${name}.`),
      send: async (message) => {
        if (dies('call')) return never;
        const handed: Handed = { channel: name, contactId: message.contactId, messageId: message.deliveryId, attempt: message.attempt, noticeIds: message.document as string[], at: this.now(), went: false };
        this.handed.push(handed);
        const answer = (this.scripts[name] ?? (() => accepted))(message, handed);
        // What is taken at once is taken though nobody lives to hear it.
        if (!(answer instanceof Promise)) handed.went = answer.went;
        if (dies('answer')) return never;
        const { outcome, went } = await answer;
        handed.went = went;
        return life === this.life ? outcome : never;
      },
      lookup: async (message) => {
        if (dies('call')) return never;
        const told = this.lookups[name]?.() ?? null;
        if (dies('answer')) return never;
        if (told === 'unknown') return { kind: 'unknown', text: 'The provider did not answer.' };
        const went = this.handed.find((handed) => handed.channel === name && handed.messageId === message.deliveryId && handed.went);
        return went === undefined ? { kind: 'not_sent' } : { kind: 'sent', providerId: 'looked-up' };
      },
      close: async () => {},
    };
  }
}

export function contactOf(id: string, channels: ChannelName[] | Record<Severity, ChannelName[]>, preferences: Partial<Preferences> = {}, more: Partial<Contact> = {}): Contact {
  return {
    id,
    version: 1,
    name: `Person ${id}`,
    zone: 'UTC',
    locale: 'en',
    addresses: { email: `${id}@example.org`, sms: '+41791234567', push: [`token-${id}-1`, `token-${id}-2`], webhook: { url: `https://${id}.example.org/hook`, secret: 'whsec_x' } },
    preferences: {
      channels: Array.isArray(channels) ? { INFO: channels, WARN: channels, CRITICAL: channels } : channels,
      subscription: null,
      quietHours: null,
      digest: null,
      perHourMax: 1_000,
      ...preferences,
    },
    unsubscribed: {},
    createdAt: 0,
    changedAt: 0,
    ...more,
  };
}

/** Numbered within its group. */
export function noticeOf(group: string, number: number, recipients: string[], more: Partial<Notice> = {}): Notice {
  const severity = more.severity ?? 'WARN';
  const isOver = more.reason === 'resolved';
  return {
    id: `${group}/${number}`,
    at: NOON,
    reason: 'new',
    group,
    severity,
    regions: ['region-01'],
    alerts: [
      ...[{ id: `alert-${group}`, type: 'METER_OUTAGE' as const, severity, state: isOver ? ('resolved' as const) : ('open' as const), title: `Trouble in ${group}`, description: '', region: 'region-01', meterId: 'meter-1', affectedMeters: 1, startedAt: NOON - 60_000, resolvedAt: isOver ? NOON : null }],
    ],
    alertCount: 1,
    resolvedCount: isOver ? 1 : 0,
    level: 0,
    recipients,
    subscribers: false,
    ...more,
  };
}
