import type { HttpRequest } from 'uWebSockets.js';
import type { Exchange, HeaderFields } from './exchange.ts';
import { isNobodysName } from './own-pages.ts';
import type { Problem } from './problem-details.ts';
import type { TrustedProxies } from './trusted-proxies.ts';

/** What holds for every request to the gateway, whatever it asks: under which names it is reached, what browsers are told, and which pages of other sites may read its answers. */

export interface GatewayPolicyOptions {
  /** `host:port` by which browsers reach the engine, beside its addresses. */
  ownHosts: readonly string[];
  /** Origins whose pages may use the API, as `https://app.example.org`. */
  corsOrigins: readonly string[];
  /** Who passes requests of others on, and says whose. */
  proxies: TrustedProxies;
  /** Browsers reach it by https, and never by http again. */
  isHttps: boolean;
  /** Without accounts whoever sits at a browser is all that a foreign page needs, so no name may lead here that somebody else's DNS could bind to the engine's address. */
  checksHost: boolean;
}

/** How long a browser remembers that it may ask: a day is the most that any takes. */
const PREFLIGHT_SECONDS = 7_200;
const CORS_REQUEST_HEADERS = 'authorization, content-type, if-match, if-none-match, idempotency-key, x-request-id, traceparent';
const CORS_ANSWER_HEADERS = 'etag, location, ratelimit, ratelimit-policy, retry-after, www-authenticate, x-next-cursor, x-request-id, content-disposition, idempotency-replayed';
/** Two years, as lists of such hosts ask for. */
const HSTS = 'max-age=63072000; includeSubDomains';

/** An answer of the API is no page: nothing in it runs, and nothing frames it. Files and pages have a policy of their own. */
const SECURITY_HEADERS: HeaderFields = [
  ['x-content-type-options', 'nosniff'],
  ['content-security-policy', "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"],
  ['referrer-policy', 'no-referrer'],
  ['permissions-policy', 'camera=(), geolocation=(), microphone=(), payment=(), usb=()'],
  ['cross-origin-opener-policy', 'same-origin'],
  ['cross-origin-resource-policy', 'same-origin'],
];

export class GatewayPolicy {
  /** Of every answer that does not say otherwise itself. */
  readonly headers: HeaderFields;
  private readonly options: GatewayPolicyOptions;

  constructor(options: GatewayPolicyOptions) {
    this.options = options;
    const { isHttps, corsOrigins } = options;
    this.headers = [...SECURITY_HEADERS, ...(isHttps ? [['strict-transport-security', HSTS] as const] : []), ...(corsOrigins.length > 0 ? [['vary', 'origin'] as const] : [])];
  }

  /** Why a request is none for this engine; null where it is. Tells the exchange whose it is, and what a page of another site may read of its answer. */
  receive(exchange: Exchange, head: HttpRequest): Problem | null {
    const { checksHost, ownHosts, corsOrigins, proxies } = this.options;
    if (!proxies.areNone) {
      const client = proxies.clientOf(exchange.peerAddress(), head);
      if (client === null) return TWO_CLIENTS;
      exchange.setClient(client);
    }
    const host = head.getHeader('host');
    if (checksHost && host !== '' && !isNobodysName(host) && !ownHosts.includes(host.toLowerCase())) return FOREIGN_HOST;
    if (corsOrigins.length === 0) return null;
    const origin = head.getHeader('origin');
    if (!corsOrigins.includes(origin)) return null;
    exchange.addHeaders([['access-control-allow-origin', origin], ['access-control-expose-headers', CORS_ANSWER_HEADERS]]);
    return null;
  }

  /** What OPTIONS answers beside `allow`; a browser asks so before it sends what a form could not. */
  preflight(head: HttpRequest, allow: string): HeaderFields {
    if (!this.options.corsOrigins.includes(head.getHeader('origin')) || head.getHeader('access-control-request-method') === '') return [];
    return [['access-control-allow-methods', allow], ['access-control-allow-headers', CORS_REQUEST_HEADERS], ['access-control-max-age', `${PREFLIGHT_SECONDS}`]];
  }
}

const TWO_CLIENTS: Problem = {
  status: 400,
  code: 'two_clients',
  detail: 'X-Forwarded-For and Forwarded name different clients. A proxy in front has to set one of them and take the other out.',
};
const FOREIGN_HOST: Problem = {
  status: 421,
  code: 'foreign_host',
  detail: 'Without accounts the engine answers at localhost, at addresses and at the public address of its settings alone: another name may have been made to lead here by somebody else.',
};
