import type { GatewayOptions } from '../http/gateway.ts';
import { isNetwork } from '../http/trusted-proxies.ts';
import { listOf, wholeNumber } from '../runtime/config-values.ts';
import { setting } from '../runtime/config.ts';

/** Settings of the door: who may come through it, and how often. */

/** A browser sends it without a path and in small letters. */
function isOrigin(item: string): boolean {
  return URL.canParse(item) && /^https?:/.test(item) && new URL(item).origin === item;
}

const REQUESTS_MAX = 100_000_000;

export const GATEWAY_SETTINGS = {
  corsOrigins: setting(listOf('origins such as https://app.example.org,https://example.org:8443', isOrigin), {
    default: null,
    defaultText: 'none',
    description: 'Origins of other sites whose pages may use the API from a browser, with a token.',
  }),
  trustedProxies: setting(listOf('networks or addresses such as 127.0.0.1,10.0.0.0/8,fd00::/8', isNetwork), {
    default: null,
    defaultText: 'none',
    description: 'Networks of proxies in front of the API: whose request one passes on is what X-Forwarded-For or Forwarded says, read from the right as long as proxies of these wrote it.',
  }),
  rateLimitAccount: setting(wholeNumber({ min: 0, max: REQUESTS_MAX }), {
    default: 6_000,
    description: 'Requests a minute of one account, also all at once; past it 429. 0: as many as come. Without accounts there is no limit.',
  }),
  rateLimitAddress: setting(wholeNumber({ min: 0, max: REQUESTS_MAX }), {
    default: 12_000,
    description: 'Requests to the API a minute of one address, whoever sends them (of IPv6 of one /64); past it 429. 0: as many as come. This machine is not limited: a proxy in front has to do that itself.',
  }),
};

export interface GatewaySettings {
  publicUrl: string | null;
  nodeUrl: string | null;
  corsOrigins: readonly string[];
  trustedProxies: readonly string[];
  rateLimitAccount: number;
  rateLimitAddress: number;
}

export function gatewayAccess({ publicUrl, nodeUrl, corsOrigins, trustedProxies, rateLimitAccount, rateLimitAddress }: GatewaySettings): Pick<GatewayOptions, 'corsOrigins' | 'trustedProxies' | 'isHttps' | 'rateLimits'> & { ownHosts: string[] } {
  const names = [publicUrl, nodeUrl].filter((url) => url !== null);
  return {
    ownHosts: names.map((url) => new URL(url).host),
    corsOrigins,
    trustedProxies,
    isHttps: publicUrl?.startsWith('https:') ?? false,
    rateLimits: { perAccount: rateLimitAccount, perAddress: rateLimitAddress },
  };
}
