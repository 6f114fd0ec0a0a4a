import { MessageChannel } from 'node:worker_threads';
import { HISTORY_AWAY } from '../http/engine-port.ts';
import type { Page, WindowQuery } from '../model/queries.ts';
import type { MeterWindow } from '../model/window.ts';
import type { SharedClock, Timers } from '../runtime/clock.ts';
import { OperationalError } from '../runtime/errors.ts';
import { Requester } from '../runtime/request-channel.ts';
import { portTransport } from '../runtime/transport.ts';
import type { ConnectableThread } from './shard-links.ts';

/** Windows that the shards have given up are asked of the database, by way of the thread that knows it: nothing waits for a database on the one that answers HTTP. */

/** Purpose of the port. */
export const HISTORY_PORT = 'history';
/** Questions that wait for the database at once; its connections are two (window-history.ts). Further ones are refused. */
export const HISTORY_QUESTIONS_MAX = 32;

export interface HistoryQuery {
  meterId: string;
  query: WindowQuery;
}

export class HistoryLink {
  private readonly deadlineMs: number;
  private readonly modules: { clock: SharedClock; timers: Timers };
  private requester: Requester<HistoryQuery, Page<MeterWindow>> | null = null;

  constructor(options: { deadlineMs: number }, modules: { clock: SharedClock; timers: Timers }) {
    this.deadlineMs = options.deadlineMs;
    this.modules = modules;
  }

  /** The sink thread is ready. */
  up(thread: ConnectableThread): void {
    this.down();
    const { port1, port2 } = new MessageChannel();
    const options = { name: 'the database of older windows', creditsMax: HISTORY_QUESTIONS_MAX, bytesInFlightMax: Number.MAX_SAFE_INTEGER, epoch: thread.epoch };
    this.requester = new Requester(portTransport(port1), options, this.modules);
    thread.connect(HISTORY_PORT, port2, null);
  }

  down(): void {
    this.requester?.close();
    this.requester = null;
  }

  /** Rejects with OperationalError HISTORY_AWAY (retryable). */
  async meterWindows(meterId: string, query: WindowQuery): Promise<Page<MeterWindow>> {
    try {
      if (this.requester === null) throw new OperationalError('unavailable', 'the thread that asks the database is restarting');
      return await this.requester.request({ meterId, query }, { deadlineMs: this.deadlineMs });
    } catch (cause) {
      throw new OperationalError(HISTORY_AWAY, `windows of this meter that are older than what the engine keeps are in the database alone: ${(cause as Error).message}`, { retryable: true, cause });
    }
  }
}
