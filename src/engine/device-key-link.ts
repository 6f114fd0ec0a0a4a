import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { DeviceKeyChange } from '../actors/accounts/protocol.ts';
import { DeviceKeyTable, type DeviceKeyNews } from '../actors/ingest/device-key-table.ts';
import type { Clock, TimerHandle, Timers } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { portTransport, type Transport } from '../runtime/transport.ts';
import type { EngineAccounts } from './engine-accounts.ts';
import type { ConnectableThread } from './shard-links.ts';

/** Device keys on their way from the accounts, on the main thread, to the ingest threads, and what those tell of their use. */

/** Purpose of the port. */
export const DEVICE_KEYS_PORT = 'device-keys';
/** Whoever makes or revokes a key waits so long for a thread to say that it knows. One that says nothing for longer hangs, takes no readings meanwhile, and is ended for it. */
const TOLD_WITHIN_MS = 2_000;
/** Accounts whose store has failed begin again in about a second. */
const ASKED_AGAIN_MS = 1_000;
/** Uses go in one message together. */
const USES_EVERY_MS = 1_000;

type Told = DeviceKeyNews & { seq: number };
type Heard = { kind: 'told'; seq: number } | { kind: 'used'; uses: (readonly [id: string, at: number])[] };

export interface DeviceKeyLinkModules {
  accounts: Pick<EngineAccounts, 'followDeviceKeys' | 'noteUse'>;
  timers: Timers;
  log: Log;
}

/** Of the ingest threads of one engine, by name. */
export class DeviceKeyLinks {
  private readonly modules: DeviceKeyLinkModules;
  private readonly links = new Map<string, ThreadLink>();

  constructor(modules: DeviceKeyLinkModules) {
    this.modules = modules;
  }

  /** The thread is ready: it is told of all keys, and from then on of changes. */
  ingestUp(name: string, thread: ConnectableThread): void {
    this.ingestDown(name);
    this.links.set(name, new ThreadLink(thread, this.modules));
  }

  ingestDown(name: string): void {
    this.links.get(name)?.close();
    this.links.delete(name);
  }

  close(): void {
    for (const name of [...this.links.keys()]) this.ingestDown(name);
  }
}

class ThreadLink {
  private readonly modules: DeviceKeyLinkModules;
  private readonly transport: Transport;
  /** Changes that were heard of while all keys were asked for; null: they are told at once. */
  private early: DeviceKeyChange[] | null = null;
  private endFollowing: (() => void) | null = null;
  private again: TimerHandle | null = null;
  /** Which asking for all keys counts: the newest. */
  private turn = 0;
  private seq = 0;
  /** By seq, what wait for the thread's word. */
  private readonly waiting = new Map<number, () => void>();
  private isClosed = false;

  constructor(thread: ConnectableThread, modules: DeviceKeyLinkModules) {
    this.modules = modules;
    const { port1, port2 } = new MessageChannel();
    this.transport = portTransport(port1);
    this.transport.onMessage((message) => this.hear(message as Heard));
    // The port closes when the thread is gone, whatever took it.
    this.transport.onClose(() => this.close());
    thread.connect(DEVICE_KEYS_PORT, port2, null);
    void this.follow();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.endFollowing?.();
    this.again?.cancel();
    for (const seq of [...this.waiting.keys()]) this.settle(seq);
    this.transport.close();
  }

  /** Tells all keys. What changes while they are read goes along, in order, whether they have it already or not: the last word on a key is the last change. */
  private async follow(): Promise<void> {
    this.endFollowing?.();
    this.endFollowing = null;
    const turn = ++this.turn;
    const isNewest = (): boolean => turn === this.turn && !this.isClosed;
    const early: DeviceKeyChange[] = (this.early = []);
    try {
      const { rows, end } = await this.modules.accounts.followDeviceKeys(
        (change) => (isNewest() ? this.heard(change) : Promise.resolve()),
        () => void (isNewest() && this.follow()),
      );
      if (!isNewest()) return end();
      this.endFollowing = end;
      this.early = null;
      void this.tell({ whole: rows, changes: early });
    } catch (error) {
      if (!isNewest()) return;
      this.modules.log.warn({ err: error }, 'an ingest thread has to wait for the device keys, as the accounts are restarting');
      this.again = this.modules.timers.after(ASKED_AGAIN_MS, () => void this.follow());
    }
  }

  private heard(change: DeviceKeyChange): Promise<void> {
    if (this.early === null) return this.tell({ whole: null, changes: [change] });
    this.early.push(change);
    return Promise.resolve();
  }

  /** Resolves when the thread goes by it, is gone, or has said nothing for too long. */
  private tell(news: DeviceKeyNews): Promise<void> {
    if (this.isClosed) return Promise.resolve();
    const seq = ++this.seq;
    this.transport.post({ seq, ...news } satisfies Told);
    return new Promise((resolve) => {
      const late = this.modules.timers.after(TOLD_WITHIN_MS, () => this.settle(seq));
      this.waiting.set(seq, () => {
        late.cancel();
        resolve();
      });
    });
  }

  private settle(seq: number): void {
    const settled = this.waiting.get(seq);
    this.waiting.delete(seq);
    settled?.();
  }

  private hear(message: Heard): void {
    if (message.kind === 'told') this.settle(message.seq);
    else for (const [id, at] of message.uses) this.modules.accounts.noteUse(id, at);
  }
}

/** The other end, on an ingest thread. */
export class DeviceKeyFeed {
  readonly table: DeviceKeyTable;
  private readonly timers: Timers;
  private transport: Transport | null = null;
  private uses: (readonly [id: string, at: number])[] = [];

  constructor({ clock, timers }: { clock: Clock; timers: Timers }) {
    this.timers = timers;
    this.table = new DeviceKeyTable({ clock, onUse: (id, at) => this.noteUse(id, at) });
  }

  connect(port: MessagePort): void {
    const transport = portTransport(port);
    this.transport = transport;
    transport.onMessage((message) => {
      const { seq, ...news } = message as Told;
      this.table.learn(news);
      transport.post({ kind: 'told', seq } satisfies Heard);
    });
  }

  /** Tells what it has not told yet. */
  close(): void {
    this.tellUses();
    this.transport?.close();
    this.transport = null;
  }

  private noteUse(id: string, at: number): void {
    if (this.uses.length === 0) this.timers.after(USES_EVERY_MS, () => this.tellUses());
    this.uses.push([id, at]);
  }

  private tellUses(): void {
    if (this.uses.length > 0) this.transport?.post({ kind: 'used', uses: this.uses } satisfies Heard);
    this.uses = [];
  }
}
