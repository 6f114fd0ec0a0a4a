import type { TemplatedApp } from 'uWebSockets.js';
import type { Clock, Timers } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { addAnomalyRoutes } from './anomaly-routes.ts';
import { addDeadLetterRoutes } from './dead-letter-routes.ts';
import type { EnginePort } from './engine-port.ts';
import { addEngineRoutes } from './engine-routes.ts';
import { GatewayRoutes } from './gateway-routes.ts';
import { HttpFront, type HttpFrontStats } from './http-front.ts';
import { addMeterRoutes } from './meter-routes.ts';
import type { NodePort } from './node-port.ts';
import { addNodeRoutes } from './node-routes.ts';
import { addRegionRoutes } from './region-routes.ts';
import { addStaticRoutes, type StaticFile } from './static-files.ts';

/** The gateway: REST under /api/v1, the dashboard's files, and what `extend` adds (the live stream). */

export interface GatewayOptions {
  host: string;
  /** 0 picks a free one. */
  port: number;
  /** Queries being answered at once; past it 503. */
  queriesInFlightMax: number;
  /** Starts every x-request-id; different for each process. */
  requestIdPrefix: string;
  /** The dashboard (loadStaticFiles); none in an engine without a page. */
  staticFiles?: readonly StaticFile[];
  /** Serves the other nodes of a cluster; none when absent. */
  nodes?: { port: NodePort; secret: string | null };
  /** Adds endpoints to the app before the rest gets 404. */
  extend?: (app: TemplatedApp) => void;
}

export interface Gateway {
  /** Where it listens. */
  port: number;
  /** Stops listening, lets queries in flight end for `timeLimitMs`, closes all sockets. Resolves to the number cut off. */
  close(timeLimitMs: number): Promise<number>;
  stats(): HttpFrontStats & { queriesInFlight: number; queriesRefused: number };
}

/** Starts serving; rejects with OperationalError `port_in_use`. */
export async function startGateway(options: GatewayOptions, modules: { engine: EnginePort; clock: Clock; timers: Timers; log: Log }): Promise<Gateway> {
  const { clock, log } = modules;
  const front = new HttpFront(
    {
      name: 'gateway',
      portSetting: 'SEG_HTTP_PORT',
      requestIdPrefix: options.requestIdPrefix,
      onFault: (error, requestId) => log.error({ error, requestId }, 'a query failed'),
    },
    modules,
  );
  const routes = new GatewayRoutes(front, modules.engine, { now: () => clock.now(), queriesInFlightMax: options.queriesInFlightMax });
  addMeterRoutes(routes);
  addRegionRoutes(routes);
  addAnomalyRoutes(routes);
  addDeadLetterRoutes(routes);
  addEngineRoutes(routes);
  const { nodes, queriesInFlightMax: requestsInFlightMax } = options;
  const nodeRoutes = nodes === undefined ? null : addNodeRoutes(front, nodes.port, { secret: nodes.secret, requestsInFlightMax }, modules);
  addStaticRoutes(front, options.staticFiles ?? []);
  options.extend?.(front.app);
  front.routeRest('The API is at /api/v1/meters, /regions, /anomalies, /dead-letters and /engine; readings are posted to the ingest port.');
  const port = await front.listen(options.host, options.port, true);
  return {
    port,
    close: async (timeLimitMs) => {
      const cutOff = await front.close(timeLimitMs);
      nodeRoutes?.close();
      return cutOff;
    },
    stats: () => ({ ...front.stats(), ...routes.stats() }),
  };
}
