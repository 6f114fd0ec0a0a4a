import type { Principal } from '../../src/model/access.ts';
import { LiveHub } from '../../src/http/live-hub.ts';
import { channelAddress } from '../../src/http/live-names.ts';
import type { LiveReader, Outlet } from '../../src/http/live-reader.ts';
import type { LiveSource } from '../../src/http/live-source.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';

/** The live stream without sockets, on time that a test owns, and clients that keep what they are told as docs/LIVE.md says. */

export const LIMITS = { turnMs: 200, heartbeatMs: 15_000, meterMs: 1_000, watchedMetersMax: 100, changesMax: 8_192, softBufferBytes: 4_000, hardBufferBytes: 40_000, unsentBytesMax: 1_000_000, slowMsMax: 30_000 };

export class LiveWorld {
  readonly time = new VirtualTime();
  readonly hub: LiveHub;
  #seqs: number;
  #spentMs = 0;

  /** `firstSeq`: of the first channel; others go on from there. `lookMs`: what passes with each look at the clock, and so with each message, as if sending it had taken that. */
  constructor(source: LiveSource, firstSeq: number, limits: Partial<typeof LIMITS> = {}, lookMs = 0) {
    this.#seqs = firstSeq;
    const clock = { now: () => this.time.now(), monotonic: () => this.time.monotonic() + (this.#spentMs += lookMs) };
    this.hub = new LiveHub({ ...LIMITS, ...limits }, { source, clock, timers: this.time, nextTurn: (fn) => void this.time.after(0, fn), log: nullLog, firstSeq: () => (this.#seqs += 1_000_000) });
  }
}

/** Items of a channel's lists by name, as a client has them. */
export type ClientState = Map<string, Map<string, any>>;

/** What tells the items of a list apart. */
const KEYS: Record<string, (item: any) => string> = {
  regions: ({ region }) => region,
  windows: ({ region, windowStart }) => `${region} ${windowStart}`,
  prices: ({ region }) => region,
};
const keyOf = (list: string, item: any): string => (KEYS[list] ?? (({ id }: any) => id))(item);

export class LiveWorldClient {
  readonly channels: readonly string[];
  readonly states = new Map<string, ClientState>();
  readonly places = new Map<string, { seq: number; scope: string | null }>();
  readonly errors: any[] = [];
  closed: number | null = null;
  /** What it was sent and has not read. */
  unread: Uint8Array[] = [];
  isReading = true;
  messages = 0;
  snapshots = 0;
  /** Sent with others in one piece. */
  pieces = 0;
  /** A place in its channel that did not follow on from the one before. */
  gaps = 0;
  #reader: LiveReader | null = null;

  constructor(channels: readonly string[]) {
    this.channels = channels;
  }

  get isConnected(): boolean {
    return this.#reader !== null;
  }

  connect(hub: LiveHub, principal: Principal): void {
    this.closed = null;
    const outlet: Outlet = {
      send: (message) => void this.unread.push(message),
      together: (sends) => {
        this.pieces++;
        sends();
      },
      unsentBytes: () => this.unread.reduce((sum, { length }) => sum + length, 0),
      end: (code) => this.#lost(code),
      destroy: () => this.#lost(1006),
    };
    this.#reader = hub.open(outlet, principal);
    this.ask(hub);
    this.read(hub);
  }

  /** Subscribes from where it is. */
  ask(hub: LiveHub): void {
    if (this.#reader === null) return;
    const wishes = this.channels.map((name) => ({ address: channelAddress(name)!, after: this.places.get(name)?.seq ?? null, scope: this.places.get(name)?.scope ?? null }));
    hub.subscribe(this.#reader, wishes);
  }

  /** Reads so many of what it was sent, if it reads at all. */
  read(hub: LiveHub, most = Infinity): void {
    if (!this.isReading) return;
    while (this.unread.length > 0 && most > 0) {
      for (; this.unread.length > 0 && most > 0; most--) this.#take(JSON.parse(Buffer.from(this.unread.shift()!).toString()));
      if (this.#reader !== null) hub.drained(this.#reader);
    }
  }

  /** The connection breaks: what is under way is lost. */
  drop(hub: LiveHub): void {
    if (this.#reader !== null) hub.gone(this.#reader);
    this.#lost(1006);
  }

  #lost(code: number): void {
    this.#reader = null;
    this.unread = [];
    this.closed = code;
  }

  #take(message: any): void {
    this.messages++;
    if (message.type === 'error') this.errors.push(message);
    if (message.type === 'error' && message.code === 'forbidden') this.places.delete(message.channel);
    if (message.type !== 'snapshot' && message.type !== 'update') return;
    const { type, channel, seq, after, scope = null, data } = message;
    const place = this.places.get(channel);
    if (type === 'update') {
      if (place === undefined || after > place.seq) {
        this.gaps++;
        return;
      }
      if (seq <= place.seq) return;
    } else this.snapshots++;
    this.places.set(channel, { seq, scope: type === 'snapshot' ? scope : place!.scope });
    let state = this.states.get(channel);
    if (state === undefined || type === 'snapshot') this.states.set(channel, (state = new Map()));
    for (const [list, items] of Object.entries(data)) {
      let known = state.get(list);
      if (known === undefined) state.set(list, (known = new Map()));
      for (const item of items as any[]) {
        if (list === 'alerts' && item.state === 'resolved') known.delete(item.id);
        else known.set(keyOf(list, item), item);
      }
    }
  }
}

/** What a client has of a channel, with its lists in order of name. */
export function stateOf(client: LiveWorldClient, channel: string): Record<string, any[]> {
  return Object.fromEntries([...(client.states.get(channel) ?? [])].map(([list, items]) => [list, sorted([...items.values()])]));
}

export function sorted(items: readonly any[]): any[] {
  return items.map((item) => JSON.stringify(item)).sort();
}
