import type { Clock, Timers } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { routeFaults, type FaultRequest } from './fault-route.ts';
import { HttpFront, type HttpFrontStats } from './http-front.ts';

/** For those who run the engine: /health, /ready and /metrics, on a port of its own that need not be shown to users. */

export interface OpsSource {
  /** Parts that keep the engine from being ready, such as `{ part: 'shard-1', state: 'restarting' }`; empty: it is ready. */
  notReady(): { part: string; state: string }[];
  /** Prometheus text of all threads; settles within the engine's deadline for control calls. */
  metrics(): Promise<{ contentType: string; text: string }>;
  /** Absent in a real engine; then there is no /fault. */
  injectFault?(request: FaultRequest): Promise<void>;
}

export interface OpsServerOptions {
  host: string;
  /** 0 picks a free one. */
  port: number;
  requestIdPrefix: string;
}

export interface OpsServer {
  port: number;
  close(timeLimitMs: number): Promise<number>;
  stats(): HttpFrontStats;
}

/** A probe asks again soon; a balancer need not wait longer than one restart of a shard. */
const NOT_READY_RETRY_SECONDS = 1;

/** Starts serving; rejects with OperationalError `port_in_use`. */
export async function startOpsServer(options: OpsServerOptions, modules: { source: OpsSource; clock: Clock; timers: Timers; log: Log }): Promise<OpsServer> {
  const { source, log } = modules;
  const front = new HttpFront(
    {
      name: 'ops server',
      portSetting: 'SEG_OPS_PORT',
      requestIdPrefix: options.requestIdPrefix,
      onFault: (error, request) => log.error({ error, ...request }, 'a scrape or probe failed'),
    },
    modules,
  );
  const headers = [['cache-control', 'no-store']] as const;

  front.route('/health', { GET: (exchange) => exchange.json(200, { status: 'alive' }, headers) });

  front.route('/ready', {
    GET(exchange) {
      const notReady = source.notReady();
      if (notReady.length === 0) {
        exchange.json(200, { status: 'ready' }, headers);
        return;
      }
      exchange.problem({
        status: 503,
        code: 'not_ready',
        detail: `Not ready: ${notReady.map(({ part, state }) => `${part} is ${state}`).join(', ')}.`,
        retryAfterSeconds: NOT_READY_RETRY_SECONDS,
        extras: { notReady },
      });
    },
  });

  // Scrapes that come while one is made share it: each asks every thread, so a crowd of them must not pile up.
  let scrape: Promise<{ contentType: string; text: string }> | null = null;
  front.route('/metrics', {
    async GET(exchange) {
      scrape ??= source.metrics().finally(() => {
        scrape = null;
      });
      const { contentType, text } = await scrape;
      exchange.reply(200, contentType, text, headers);
    },
  });

  if (source.injectFault !== undefined) routeFaults(front, (request) => source.injectFault!(request));
  front.routeRest('There are /health, /ready and /metrics.');
  const port = await front.listen(options.host, options.port, true);
  return { port, close: (timeLimitMs) => front.close(timeLimitMs), stats: () => front.stats() };
}
