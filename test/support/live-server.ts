import { App, us_listen_socket_close, us_socket_local_port, type TemplatedApp, type us_listen_socket } from 'uWebSockets.js';
import { afterEach } from 'vitest';
import { registerLive, type LiveOptions, type LiveStream } from '../../src/http/live-stream.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { nullLog } from '../../src/runtime/log.ts';
import type { FakeGrid } from './fake-grid.ts';
import { EventClient, openClient, rawUpgrade as upgrade, type Client, type ClientOptions } from './live-clients.ts';

/** The live stream alone, in front of a FakeGrid. Everything is closed after each test, or when `cleaning` says. */

export interface RunningLive {
  port: number;
  live: LiveStream;
  stop(): void;
}

export interface LiveServers {
  serve(grid: FakeGrid, options?: Partial<LiveOptions>): Promise<RunningLive>;
  open(port: number, options?: ClientOptions): Promise<Client>;
  openEvents(port: number, query: string, headers?: Record<string, string>): Promise<EventClient>;
  rawUpgrade(...to: Parameters<typeof upgrade>): ReturnType<typeof upgrade>;
}

export function liveServers(usual: Partial<LiveOptions>, cleaning: (clean: () => void) => void = afterEach): LiveServers {
  const cleanups: (() => void)[] = [];
  cleaning(() => {
    for (const cleanup of cleanups.splice(0).reverse()) cleanup();
  });
  return {
    serve(grid, options = {}) {
      const app: TemplatedApp = App();
      const live = registerLive(app, grid, { clock: systemClock, timers: systemTimers, log: nullLog, ...usual, ...options });
      return new Promise((resolve, reject) => {
        app.listen('127.0.0.1', 0, (listenSocket: us_listen_socket | false) => {
          if (!listenSocket) return reject(new Error('no free port'));
          let stopped = false;
          const stop = () => {
            if (stopped) return;
            stopped = true;
            live.close();
            us_listen_socket_close(listenSocket);
          };
          cleanups.push(stop);
          resolve({ port: us_socket_local_port(listenSocket), live, stop });
        });
      });
    },
    async open(port, options) {
      const client = await openClient(port, options);
      cleanups.push(() => client.socket.close());
      return client;
    },
    async openEvents(port, query, headers) {
      const client = new EventClient();
      cleanups.push(() => client.close());
      return client.open(port, query, headers);
    },
    async rawUpgrade(...to) {
      const upgraded = await upgrade(...to);
      cleanups.push(() => upgraded.socket.destroy());
      return upgraded;
    },
  };
}
