import { mayReach, type Principal } from '../model/access.ts';
import type { TimerHandle, Timers } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { filterFor } from './live-access.ts';
import { LiveBacklog, type BacklogLimits } from './live-backlog.ts';
import { LiveChannel, type ChannelFeed } from './live-channel.ts';
import { FIXED_FEEDS } from './live-feeds.ts';
import { LiveMeters } from './live-meters.ts';
import type { MeterWatch } from './live-meter-watch.ts';
import type { ChannelAddress, ChannelName, FixedChannel } from './live-names.ts';
import { CLOSE, SUBSCRIPTIONS_PER_SOCKET_MAX, type ClientMessage, type LiveError, type ServerMessage, type Wish } from './live-protocol.ts';
import { LiveReader, type Outlet, type Subscription } from './live-reader.ts';
import type { LiveSource } from './live-source.ts';
import { LiveTurns, serveInSlices, type SliceTime } from './live-turns.ts';
import { LiveView } from './live-view.ts';
import { RightsEdge } from './rights-edge.ts';

/** Who reads what: takes subscriptions, and brings each reader from where it is to where its channels are. Knows nothing of sockets. */

export interface HubOptions extends BacklogLimits {
  turnMs: number;
  heartbeatMs: number;
  meterMs: number;
  watchedMetersMax: number;
  changesMax: number;
}

export interface HubModules extends SliceTime {
  source: LiveSource;
  timers: Timers;
  log: Log;
  /** A whole number of 47 bits, another one each time. */
  firstSeq: () => number;
}

/** Messages that a client may send in a second; a page sends a handful when somebody clicks. */
const CLIENT_MESSAGES_PER_SECOND_MAX = 20;
const SECOND_MS = 1_000;
/** Those who came with a token of another issuer, which this engine does not hear the end of, come again after an hour with a new one. */
const WITHOUT_SESSION_MS_MAX = 3_600_000;
const ISSUED_ELSEWHERE_TEXT = 'connect again with a new token';
const FORBIDDEN_TEXT = 'there is no such channel, or it is not yours';

export class LiveHub {
  readonly #options: HubOptions;
  readonly #modules: HubModules;
  readonly #readers = new Set<LiveReader>();
  readonly #byAccount = new Map<string, Set<LiveReader>>();
  readonly #channels = new Map<FixedChannel, LiveChannel>();
  /** By name and scope. */
  readonly #views = new Map<string, LiveView>();
  readonly #contacts = new Map<string, Set<LiveReader>>();
  readonly #meters: LiveMeters;
  readonly #backlog: LiveBacklog;
  readonly #turns: LiveTurns<LiveReader>;
  /** Have something that has no number. */
  readonly #changed = new Set<LiveChannel>();
  readonly #timers: TimerHandle[];
  readonly #rightsEdge: RightsEdge;

  constructor(options: HubOptions, modules: HubModules) {
    const { source, clock, timers, nextTurn, log } = modules;
    this.#options = options;
    this.#modules = modules;
    this.#rightsEdge = new RightsEdge(modules, () => this.#rightsChanged());
    this.#backlog = new LiveBacklog(options, { log, gone: (reader) => this.gone(reader) });
    this.#turns = new LiveTurns({ clock, timers, nextTurn, turnMs: options.turnMs, advance: () => this.#advance(), readers: () => this.#readers, serve: (reader) => this.#serve(reader) });
    for (const [name, feed] of Object.entries(FIXED_FEEDS)) this.#channels.set(name as FixedChannel, this.#makeChannel(feed(source)));
    this.#meters = new LiveMeters(options.watchedMetersMax, {
      source,
      makeChannel: (feed) => this.#makeChannel(feed),
      changed: (watch, readers) => this.#meterChanged(watch, readers),
      unknown: (watch, readers) => this.#meterUnknown(watch, readers),
      unavailable: (watch, readers, reason) => this.#meterUnavailable(watch, readers, reason),
    });
    this.#timers = [
      timers.every(options.heartbeatMs, () => this.#heartbeat()),
      timers.every(options.meterMs, () => this.#meters.round()),
      timers.every(Math.min(SECOND_MS, options.slowMsMax), () => this.#backlog.closeSlow(clock.monotonic())),
    ];
  }

  get connections(): number {
    return this.#readers.size;
  }

  connectionsOf(accountId: string): number {
    return this.#byAccount.get(accountId)?.size ?? 0;
  }

  stats(): { subscriptions: number; watchedMeters: number; closedSlow: number; unsentBytes: number } {
    let subscriptions = 0;
    for (const reader of this.#readers) subscriptions += reader.subscriptions.size;
    return { subscriptions, watchedMeters: this.#meters.size, closedSlow: this.#backlog.closedSlow, unsentBytes: this.#backlog.unsentBytes };
  }

  /** Somebody connected; they get their hello. */
  open(outlet: Outlet, principal: Principal): LiveReader {
    const reader = new LiveReader(outlet, principal, this.#modules.clock.monotonic());
    this.#readers.add(reader);
    let ofAccount = this.#byAccount.get(principal.id);
    if (ofAccount === undefined) this.#byAccount.set(principal.id, (ofAccount = new Set()));
    ofAccount.add(reader);
    this.#rightsEdge.heed(reader.principal);
    this.#tell(reader, { type: 'hello', protocol: 1, heartbeatMs: this.#options.heartbeatMs });
    return reader;
  }

  /** What a client sent. */
  receive(reader: LiveReader, message: ClientMessage | LiveError | null): void {
    if (this.#isFlooding(reader)) {
      this.#end(reader, CLOSE.policy, 'too many messages');
      return;
    }
    switch (message?.type) {
      case undefined:
        this.#end(reader, CLOSE.invalidPayload, 'not JSON');
        break;
      case 'ping':
        this.#tell(reader, { type: 'pong', at: this.#isoNow() });
        break;
      case 'subscribe':
        this.subscribe(reader, message.wishes);
        break;
      case 'unsubscribe':
        for (const { address } of message.wishes) this.#drop(reader, address.name);
        break;
      case 'error':
        this.#tell(reader, message);
        break;
    }
  }

  subscribe(reader: LiveReader, wishes: readonly Wish[]): void {
    for (const wish of wishes) {
      const refusal = this.#subscribe(reader, wish);
      if (refusal !== null) this.#tell(reader, refusal);
    }
    this.#serve(reader);
  }

  /** Whether somebody may have the channel, as far as that is known without asking for it. */
  mayRead(principal: Principal, address: ChannelAddress): boolean {
    return filterFor(principal, address, this.#modules.clock.now()) !== null;
  }

  /** The reader's outlet has sent some of what waited. */
  drained(reader: LiveReader): void {
    this.#backlog.count(reader);
    this.#serve(reader);
  }

  /** The reader's outlet is closed, or about to be. */
  gone(reader: LiveReader): void {
    if (reader.isGone) return;
    reader.isGone = true;
    this.#readers.delete(reader);
    const ofAccount = this.#byAccount.get(reader.principal.id)!;
    ofAccount.delete(reader);
    if (ofAccount.size === 0) this.#byAccount.delete(reader.principal.id);
    for (const name of [...reader.subscriptions.keys()]) this.#drop(reader, name);
    this.#backlog.forget(reader);
  }

  /** Hands a message to everybody who listens to the contact's channel and keeps up; says how many took it. */
  publish(contactId: string, data: object): number {
    const readers = this.#contacts.get(contactId);
    if (readers === undefined) return 0;
    const message = encode({ type: 'notification', channel: `contact:${contactId}`, data });
    let taken = 0;
    for (const reader of [...readers]) if (this.#send(reader, message) && !reader.isGone) taken++;
    return taken;
  }

  /** What an account may do has changed; null: nothing from now on. `sessionId` null: in all of its sessions. */
  principalChanged(accountId: string, sessionId: string | null, now: Principal | null): void {
    for (const reader of [...(this.#byAccount.get(accountId) ?? [])]) {
      if (sessionId !== null && reader.principal.sessionId !== sessionId) continue;
      if (now === null) {
        this.#end(reader, CLOSE.sessionEnded, 'the session has ended');
        continue;
      }
      this.#authorise(reader, { ...now, sessionId: reader.principal.sessionId });
      this.#tell(reader, { type: 'access' });
    }
  }

  /** Says good-bye to everybody, and lets go of the source. */
  close(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#rightsEdge.close();
    this.#turns.close();
    for (const reader of [...this.#readers]) this.#end(reader, CLOSE.goingAway, 'the engine is stopping');
    for (const channel of this.#channels.values()) channel.close();
  }

  // Subscriptions ----------------------------------------------------------------------------------------------------------

  /** The error to send back, if it cannot be. */
  #subscribe(reader: LiveReader, { address, after, scope }: Wish): LiveError | null {
    const { name } = address;
    const nowMs = this.#modules.clock.now();
    const filter = filterFor(reader.principal, address, nowMs);
    if (filter === null) return forbidden(name);
    const goesOn = after !== null && scope === filter.scope;
    const known = reader.subscriptions.get(name);
    // Asking again is how a client that lost count goes on, or gets a fresh snapshot.
    if (known === undefined && reader.subscriptions.size >= SUBSCRIPTIONS_PER_SOCKET_MAX) {
      return { type: 'error', code: 'too_many_subscriptions', message: `a connection holds ${SUBSCRIPTIONS_PER_SOCKET_MAX} channels at most; unsubscribe from some`, channel: name };
    }
    const subscription: Subscription = known ?? { address, filter, view: null, seq: null, mustAnswer: false };
    subscription.seq = goesOn ? after : null;
    subscription.mustAnswer = goesOn;
    if (known !== undefined) return null;
    if (address.kind === 'meter') {
      const watch = this.#meters.join(address.meterId, filter.since ?? null, reader);
      if (watch === null) return { type: 'error', code: 'too_many_meters', message: `${this.#options.watchedMetersMax} meters are being watched already; try again later`, channel: name };
      if (watch.channel !== null && !mayReach(reader.principal, watch.subject, nowMs)) {
        this.#meters.leave(address.meterId, filter.since ?? null, reader);
        return forbidden(name);
      }
      reader.subscriptions.set(name, subscription);
      if (watch.channel !== null) this.#view(subscription, watch.channel);
      return null;
    }
    reader.subscriptions.set(name, subscription);
    if (address.kind === 'contact') this.#listen(address.contactId, reader);
    else this.#view(subscription, this.#channels.get(address.feed)!);
    return null;
  }

  /** Takes a channel off a reader. A meter that nobody watches any more is let go, and so is a contact, and what a channel is for the reader's rights. */
  #drop(reader: LiveReader, name: ChannelName): void {
    const subscription = reader.subscriptions.get(name);
    if (subscription === undefined) return;
    reader.subscriptions.delete(name);
    this.#unview(subscription);
    const { address, filter } = subscription;
    if (address.kind === 'meter') this.#meters.leave(address.meterId, filter.since ?? null, reader);
    if (address.kind !== 'contact') return;
    const listeners = this.#contacts.get(address.contactId)!;
    listeners.delete(reader);
    if (listeners.size === 0) this.#contacts.delete(address.contactId);
  }

  #listen(contactId: string, reader: LiveReader): void {
    let listeners = this.#contacts.get(contactId);
    if (listeners === undefined) this.#contacts.set(contactId, (listeners = new Set()));
    listeners.add(reader);
  }

  /** Has the subscription read the channel through the view that everybody with the same rights has. */
  #view(subscription: Subscription, channel: LiveChannel): void {
    const { address, filter } = subscription;
    const key = viewKey(subscription);
    let view = this.#views.get(key);
    if (view === undefined) this.#views.set(key, (view = new LiveView(address.name, channel, filter)));
    view.readers++;
    subscription.view = view;
  }

  #unview(subscription: Subscription): void {
    const { view } = subscription;
    subscription.view = null;
    if (view === null || --view.readers > 0) return;
    view.close();
    this.#views.delete(viewKey(subscription));
  }

  /** The reader is somebody with other rights now. */
  #authorise(reader: LiveReader, principal: Principal): void {
    reader.principal = principal;
    this.#rightsEdge.heed(principal);
    const nowMs = this.#modules.clock.now();
    for (const [name, subscription] of [...reader.subscriptions]) {
      const { address } = subscription;
      const filter = filterFor(principal, address, nowMs);
      if (filter === null) this.#forbid(reader, name);
      else if (address.kind === 'meter' && filter.scope !== subscription.filter.scope) this.#watchAnew(reader, subscription);
      else if (address.kind === 'meter' && !this.#reachesMeter(principal, subscription, nowMs)) this.#forbid(reader, name);
      else if (filter.scope !== subscription.filter.scope) this.#change(subscription, filter);
      else subscription.filter = filter;
    }
    this.#serve(reader);
  }

  /** Another part of the meter's time is the reader's. */
  #watchAnew(reader: LiveReader, { address }: Subscription): void {
    this.#drop(reader, address.name);
    const refusal = this.#subscribe(reader, { address, after: null, scope: null });
    if (refusal !== null) this.#tell(reader, refusal);
  }

  /** Those of one reader or more, by themselves. Whose are as they were hear nothing. */
  #rightsChanged(): void {
    for (const reader of [...this.#readers]) if (reader.principal.meters.size > 0) this.#authorise(reader, reader.principal);
  }

  /** True where it is not known yet: it is checked again with the answer. */
  #reachesMeter(principal: Principal, { address, filter }: Subscription, nowMs: number): boolean {
    const watch = address.kind === 'meter' ? this.#meters.watchOf(address.meterId, filter.since ?? null)! : null;
    return watch === null || watch.channel === null || mayReach(principal, watch.subject, nowMs);
  }

  #change(subscription: Subscription, filter: Subscription['filter']): void {
    const { channel } = subscription.view!;
    this.#unview(subscription);
    subscription.filter = filter;
    subscription.seq = null;
    this.#view(subscription, channel);
  }

  #forbid(reader: LiveReader, name: ChannelName): void {
    this.#drop(reader, name);
    this.#tell(reader, forbidden(name));
  }

  // Meters -----------------------------------------------------------------------------------------------------------------

  #meterChanged(watch: MeterWatch, readers: ReadonlySet<LiveReader>): void {
    const name = `meter:${watch.meterId}` as const;
    const nowMs = this.#modules.clock.now();
    for (const reader of [...readers]) {
      const subscription = reader.subscriptions.get(name)!;
      if (!mayReach(reader.principal, watch.subject, nowMs)) {
        this.#forbid(reader, name);
        continue;
      }
      if (subscription.view !== null) continue;
      this.#view(subscription, watch.channel!);
      this.#serve(reader);
    }
  }

  #meterUnknown(watch: MeterWatch, readers: ReadonlySet<LiveReader>): void {
    const name = `meter:${watch.meterId}` as const;
    for (const reader of [...readers]) {
      if (reader.principal.regions !== 'all') {
        this.#forbid(reader, name);
        continue;
      }
      this.#drop(reader, name);
      this.#tell(reader, { type: 'error', code: 'unknown_meter', message: `no meter is called ${watch.meterId}`, channel: name });
    }
  }

  #meterUnavailable(watch: MeterWatch, readers: ReadonlySet<LiveReader>, reason: string): void {
    const message = `this meter cannot be read now (${reason}); updates go on when it can`;
    for (const reader of [...readers]) this.#tell(reader, { type: 'error', code: 'unavailable', message, channel: `meter:${watch.meterId}` });
  }

  // Messages ---------------------------------------------------------------------------------------------------------------

  #makeChannel(feed: ChannelFeed): LiveChannel {
    return new LiveChannel(feed, { firstSeq: this.#modules.firstSeq(), changesMax: this.#options.changesMax }, (channel) => {
      this.#changed.add(channel);
      this.#turns.pending();
    });
  }

  #advance(): boolean {
    let hasChanged = false;
    for (const channel of this.#changed) if (channel.advance()) hasChanged = true;
    this.#changed.clear();
    return hasChanged;
  }

  /** Sends a reader what it is behind with, as long as it takes it; of several channels in one piece. */
  #serve(reader: LiveReader): void {
    if (reader.isGone) return;
    let behind = 0;
    for (const subscription of reader.subscriptions.values()) if (isBehind(subscription)) behind++;
    if (behind === 1) this.#bring(reader);
    if (behind < 2) return;
    reader.outlet.together(() => this.#bring(reader));
    this.#backlog.settle(reader);
  }

  #bring(reader: LiveReader): void {
    for (const subscription of reader.subscriptions.values()) {
      if (!isBehind(subscription)) continue;
      const { view, seq, mustAnswer } = subscription;
      const message = seq === null ? view!.snapshot() : (view!.messageAfter(seq) ?? (mustAnswer ? view!.nothingAfter(seq) : null));
      if (message === null) continue;
      // Before it is sent, because an outlet may say with it where its reader is.
      subscription.seq = message.seq;
      if (!this.#send(reader, message.bytes)) {
        subscription.seq = seq;
        return;
      }
      subscription.mustAnswer = false;
      if (reader.isGone) return;
    }
  }

  #heartbeat(): void {
    const message = encode({ type: 'heartbeat', at: this.#isoNow() });
    const nowMs = this.#modules.clock.monotonic();
    serveInSlices(this.#modules, this.#readers.values(), (reader) => {
      if (reader.principal.kind === 'user' && reader.principal.sessionId === null && nowMs - reader.openedMs > WITHOUT_SESSION_MS_MAX) this.#end(reader, CLOSE.sessionEnded, ISSUED_ELSEWHERE_TEXT);
      else this.#send(reader, message);
    });
  }

  #isFlooding(reader: LiveReader): boolean {
    const nowMs = this.#modules.clock.monotonic();
    if (nowMs - reader.messagesSinceMs >= SECOND_MS) {
      reader.messagesSinceMs = nowMs;
      reader.messages = 0;
    }
    return ++reader.messages > CLIENT_MESSAGES_PER_SECOND_MAX;
  }

  /** Answers go out whatever waits: a client has a few of them a second, and one that does not read is closed with the second heartbeat that it did not take. */
  #tell(reader: LiveReader, message: ServerMessage): void {
    if (!reader.isGone) this.#backlog.sendAnyway(reader, encode(message));
  }

  #send(reader: LiveReader, message: Uint8Array): boolean {
    return !reader.isGone && this.#backlog.send(reader, message, this.#modules.clock.monotonic());
  }

  #end(reader: LiveReader, code: number, reason: string): void {
    this.gone(reader);
    reader.outlet.end(code, reason);
  }

  #isoNow(): string {
    return new Date(this.#modules.clock.now()).toISOString();
  }
}

/** Whether there may be something to send. */
function isBehind({ view, seq, mustAnswer }: Subscription): boolean {
  return view !== null && (seq === null || mustAnswer || !view.isCurrent(seq));
}

function viewKey({ address, filter }: Subscription): string {
  return `${address.name} ${filter.scope ?? ''}`;
}

function forbidden(name: ChannelName): LiveError {
  return { type: 'error', code: 'forbidden', message: FORBIDDEN_TEXT, channel: name };
}

function encode(message: ServerMessage): Uint8Array {
  return Buffer.from(JSON.stringify(message));
}
