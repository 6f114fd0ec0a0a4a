import type { TemplatedApp } from 'uWebSockets.js';
import type { Clock, Timers } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { Tracing } from '../runtime/tracing.ts';
import { NO_ACCOUNTS, type AccountDesk } from './account-desk.ts';
import { addAgreementRoutes } from './agreement-routes.ts';
import { addAlertRoutes } from './alert-routes.ts';
import { addAlertRuleRoutes } from './alert-rule-routes.ts';
import { ALERTS_OFF, type AlertsPort } from './alerts-port.ts';
import { addAnomalyRoutes } from './anomaly-routes.ts';
import { addBillingRunRoutes } from './billing-run-routes.ts';
import { addContactRoutes } from './contact-routes.ts';
import { addCostRoutes } from './cost-routes.ts';
import { addDeadLetterRoutes } from './dead-letter-routes.ts';
import { addDeliveryRoutes } from './delivery-routes.ts';
import { addDisputeRoutes } from './dispute-routes.ts';
import { addDocsRoutes } from './docs-page.ts';
import type { EnginePort } from './engine-port.ts';
import { addEngineRoutes } from './engine-routes.ts';
import { addExplainRoutes } from './explain-routes.ts';
import { GatewayPolicy } from './gateway-policy.ts';
import { addAuditRoutes } from './audit-routes.ts';
import { addAuthRoutes } from './auth-routes.ts';
import { addDeviceKeyRoutes } from './device-key-routes.ts';
import { addUserRoutes } from './user-routes.ts';
import { GatewayRoutes, type ServedOperation } from './gateway-routes.ts';
import { Guard } from './guard.ts';
import { HttpFront, type HttpFrontStats } from './http-front.ts';
import { IdempotencyKeys } from './idempotency.ts';
import { addInvoiceRoutes } from './invoice-routes.ts';
import { JsonIntake } from './json-intake.ts';
import { addMeterComparisonRoutes } from './meter-comparison-routes.ts';
import { addMeterEnergyRoutes } from './meter-energy-routes.ts';
import { addMeterRoutes } from './meter-routes.ts';
import { addMeterStatisticsRoutes } from './meter-statistics-routes.ts';
import type { NodePort } from './node-port.ts';
import { addNodeRoutes } from './node-routes.ts';
import { addOidcRoutes } from './oidc-routes.ts';
import { addOpenApiRoutes } from './openapi-routes.ts';
import { addOwnMeterRoutes } from './own-meter-routes.ts';
import { addPriceRoutes } from './price-routes.ts';
import { RateLimits, type RateLimitsOptions } from './rate-limits.ts';
import { addRegionForecastRoutes } from './region-forecast-routes.ts';
import { addRegionLoadRoutes } from './region-load-routes.ts';
import { addRegionRoutes } from './region-routes.ts';
import { REGISTRY_OFF, type RegistryPort } from './registry-port.ts';
import { addRegistryRoutes } from './registry-routes.ts';
import { ROW_INTAKE } from './row-bodies.ts';
import { addScheduleRoutes } from './schedule-routes.ts';
import { addSilenceRoutes } from './silence-routes.ts';
import { addStaticRoutes, type StaticFile } from './static-files.ts';
import { addTariffComparisonRoutes } from './tariff-comparison-routes.ts';
import { addTariffRoutes } from './tariff-routes.ts';
import { BILLING_OFF, type TariffsPort } from './tariffs-port.ts';
import { TrustedProxies } from './trusted-proxies.ts';
import { addUnsubscribeRoute } from './unsubscribe-route.ts';

/** The gateway: REST under /api/v1, the dashboard's files, and what `extend` adds (the live stream). */

export interface GatewayOptions {
  host: string;
  /** 0 picks a free one. */
  port: number;
  /** Of the engine, for the API's document. */
  version?: string;
  /** Queries being answered at once; past it 503. */
  queriesInFlightMax: number;
  /** Starts every x-request-id; different for each process. */
  requestIdPrefix: string;
  /** `host:port` by which browsers reach the gateway beside its addresses, as that of a proxy in front; pages of other names may not write. */
  ownHosts?: readonly string[];
  /** Origins of other sites whose pages may use the API. */
  corsOrigins?: readonly string[];
  /** Networks of proxies in front, whose word on whose request it is counts. */
  trustedProxies?: readonly string[];
  /** Browsers reach it by https. */
  isHttps?: boolean;
  /** Absent: there are none. */
  rateLimits?: RateLimitsOptions;
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
  /** What the API can do. */
  operations: readonly ServedOperation[];
  /** Stops listening, lets queries in flight end for `timeLimitMs`, closes all sockets. Resolves to the number cut off. */
  close(timeLimitMs: number): Promise<number>;
  stats(): HttpFrontStats & { queriesInFlight: number; queriesRefused: number };
}

export interface GatewayModules {
  engine: EnginePort;
  /** Absent in an engine that runs without accounts: whoever reaches the port may do everything. */
  accounts?: AccountDesk;
  /** Absent in an engine that runs without alerts. */
  alerts?: AlertsPort;
  /** Absent in an engine that runs without tariffs and bills. */
  tariffs?: TariffsPort;
  /** Absent in an engine without a registry of meters. */
  registry?: RegistryPort;
  clock: Clock;
  timers: Timers;
  log: Log;
  /** Absent or null: requests are not traced. */
  tracing?: Tracing | null;
}

/** Starts serving; rejects with OperationalError `port_in_use`. */
export async function startGateway(options: GatewayOptions, modules: GatewayModules): Promise<Gateway> {
  const { clock, log } = modules;
  const { nodes, queriesInFlightMax, ownHosts = [], corsOrigins = [] } = options;
  const accounts = modules.accounts ?? NO_ACCOUNTS;
  const policy = new GatewayPolicy({ ownHosts, corsOrigins, proxies: new TrustedProxies(options.trustedProxies ?? []), isHttps: options.isHttps ?? false, checksHost: !accounts.isOn });
  const front = new HttpFront(
    {
      policy,
      name: 'gateway',
      portSetting: 'SEG_HTTP_PORT',
      requestIdPrefix: options.requestIdPrefix,
      onFault: (error, request) => log.error({ error, ...request }, 'a query failed'),
    },
    modules,
  );
  const intake = new JsonIntake(modules);
  const rowIntake = new JsonIntake(modules, ROW_INTAKE);
  const supervisors = { alerts: modules.alerts ?? ALERTS_OFF, tariffs: modules.tariffs ?? BILLING_OFF, registry: modules.registry ?? REGISTRY_OFF };
  const limits = new RateLimits(options.rateLimits ?? { perAccount: 0, perAddress: 0 }, modules);
  const guard = new Guard({ accounts, limits, engine: modules.engine, clock });
  const routes = new GatewayRoutes({ front, intake, rowIntake, guard, keys: new IdempotencyKeys({ clock, kept: accounts.keptAnswers(), onForgotten: (names) => accounts.forgetAnswers(names) }), engine: modules.engine, ...supervisors }, { now: () => clock.now(), queriesInFlightMax, ownHosts, corsOrigins });
  addApi(routes);
  addAccountApi(routes, accounts);
  addOpenApiRoutes(routes, { version: options.version ?? 'unknown', accountsOn: accounts.isOn });
  addDocsRoutes(front);
  addUnsubscribeRoute(front, intake, routes.alerts);
  const nodeRoutes = nodes === undefined ? null : addNodeRoutes(front, nodes.port, { secret: nodes.secret, requestsInFlightMax: queriesInFlightMax }, modules);
  addStaticRoutes(front, options.staticFiles ?? []);
  options.extend?.(front.app);
  front.routeRest(API_HINT);
  const closeIntakes = () => {
    intake.close();
    rowIntake.close();
    nodeRoutes?.close();
  };
  let port: number;
  try {
    port = await front.listen(options.host, options.port, true);
  } catch (error) {
    closeIntakes();
    throw error;
  }
  return {
    port,
    operations: routes.served,
    close: async (timeLimitMs) => {
      const cutOff = await front.close(timeLimitMs);
      closeIntakes();
      return cutOff;
    },
    stats: () => ({ ...front.stats(), ...routes.stats() }),
  };
}

function addApi(routes: GatewayRoutes): void {
  addMeterRoutes(routes);
  addMeterEnergyRoutes(routes);
  addMeterStatisticsRoutes(routes);
  addMeterComparisonRoutes(routes);
  addOwnMeterRoutes(routes);
  addRegistryRoutes(routes);
  addRegionRoutes(routes);
  addRegionLoadRoutes(routes);
  addRegionForecastRoutes(routes);
  addAnomalyRoutes(routes);
  addDeadLetterRoutes(routes);
  addEngineRoutes(routes);
  addAlertRoutes(routes);
  addExplainRoutes(routes);
  addSilenceRoutes(routes);
  addAlertRuleRoutes(routes);
  addContactRoutes(routes);
  addScheduleRoutes(routes);
  addDeliveryRoutes(routes);
  addTariffRoutes(routes);
  addAgreementRoutes(routes);
  addCostRoutes(routes);
  addTariffComparisonRoutes(routes);
  addInvoiceRoutes(routes);
  addDisputeRoutes(routes);
  addBillingRunRoutes(routes);
  addPriceRoutes(routes);
}

function addAccountApi(routes: GatewayRoutes, accounts: AccountDesk): void {
  addAuthRoutes(routes, accounts);
  addOidcRoutes(routes, accounts);
  addUserRoutes(routes, accounts);
  addDeviceKeyRoutes(routes, accounts);
  addAuditRoutes(routes, accounts);
}

const API_HINT =
  'The API is at /api/v1/meters, /registry/meters, /regions, /anomalies, /dead-letters, /engine and /operations, /alerts, /silences, /maintenance-windows, /alert-rules, /contacts, /schedules and /deliveries, /tariffs, /tariff-comparisons, /agreements, /invoices, /disputes, /billing-runs, /prices and /price-overrides, /auth, /me, /users, /device-keys and /audit-log; readings are posted to the ingest port.';
