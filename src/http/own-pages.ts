import { isIP } from 'node:net';

/** Which web pages may make a browser ask this engine for something: its own. Without accounts, whoever sits at the browser is all that a foreign page needs. */

/** Whether a request comes from a page of the host that it is sent to, or from no page. Browsers send Origin with every WebSocket and every write; programs send none. */
export function isSameHost(origin: string, host: string): boolean {
  return origin === '' || originHost(origin) === host.toLowerCase();
}

/**
 * Whether a write may be taken: it comes from no page, or from one of this engine. A page at a name that somebody else's DNS points here (rebinding) has the right Host, so a name counts only when it is `localhost`, an
 * address, or one of `ownHosts`: `host:port` as browsers reach it, such as that of a proxy in front.
 */
export function mayWrite(origin: string, host: string, ownHosts: readonly string[]): boolean {
  if (origin === '') return true;
  const page = originHost(origin);
  if (page === null) return false;
  return ownHosts.includes(page) || (page === host.toLowerCase() && isNobodysName(page));
}

/** null for `null`, which browsers send for pages without an origin, and for what is no URL. */
function originHost(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null;
}

/** Whether the host of a request is `localhost` or an address, which no name server can point here. */
export function isNobodysName(host: string): boolean {
  if (!URL.canParse(`http://${host}`)) return false;
  const { hostname } = new URL(`http://${host}`);
  return hostname === 'localhost' || hostname.endsWith('.localhost') || isIP(hostname.replace(/^\[|\]$/g, '')) !== 0;
}
