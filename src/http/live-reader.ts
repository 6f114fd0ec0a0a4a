import type { Principal } from '../model/access.ts';
import type { ItemFilter } from './live-access.ts';
import type { ChannelAddress, ChannelName } from './live-names.ts';
import type { LiveView } from './live-view.ts';

/** The way to a reader: a WebSocket (live-stream.ts), or an answer that does not end (live-events.ts). Nothing is called any more after `end` or `destroy`, or once it was said to be gone. */
export interface Outlet {
  /** Takes a message, JSON as UTF-8; what the peer does not read waits in memory. The bytes are shared and never change. */
  send(message: Uint8Array): void;
  /** Runs `sends`; what it sends may go out in one piece at its end, and until then not be counted as unsent. */
  together(sends: () => void): void;
  /** What waits. */
  unsentBytes(): number;
  /** Closes when what waits has gone, and says why: one of CLOSE. */
  end(code: number, reason: string): void;
  /** Closes at once and frees what waits. */
  destroy(): void;
}

/** What somebody reads of a channel. */
export interface Subscription {
  readonly address: ChannelAddress;
  filter: ItemFilter;
  /** null while there is nothing to read yet, and of a contact. */
  view: LiveView | null;
  /** Of the last message that was sent; null: a snapshot is to come. */
  seq: number | null;
  /** Asked to go on from `seq` and has not been answered. */
  mustAnswer: boolean;
}

/** One connection: whose it is, what it reads and how far behind it is. */
export class LiveReader {
  readonly outlet: Outlet;
  principal: Principal;
  readonly subscriptions = new Map<ChannelName, Subscription>();
  /** Set before its outlet closes. */
  isGone = false;
  /** As it was last counted in the backlog. */
  unsentBytes = 0;
  /** Monotonic time since when a message waits for it to read others; null while none does. */
  heldSinceMs: number | null = null;
  /** Monotonic time of its opening. */
  readonly openedMs: number;
  /** Messages from it in the second that began then. */
  messages = 0;
  messagesSinceMs = -Infinity;

  constructor(outlet: Outlet, principal: Principal, openedMs: number) {
    this.outlet = outlet;
    this.principal = principal;
    this.openedMs = openedMs;
  }
}
