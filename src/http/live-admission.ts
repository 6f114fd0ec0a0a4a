import type { HttpRequest } from 'uWebSockets.js';
import { OPEN_PRINCIPAL, type Principal } from '../model/access.ts';
import type { AccountsPort, TokenFault } from './accounts-port.ts';
import { isNobodysName, isSameHost, mayWrite } from './own-pages.ts';
import type { Problem } from './problem-details.ts';

/** Who may open a live connection: from which pages, with which token, and how many. */

/** What is known of somebody who asks for a connection, before it is made. */
export interface Application {
  origin: string;
  host: string;
  /** As it came: `Bearer …`, or empty. */
  authorization: string;
  /** Of the query; empty without one. */
  ticket: string;
}

export function applicationOf(req: HttpRequest): Application {
  return { origin: req.getHeader('origin'), host: req.getHeader('host'), authorization: req.getHeader('authorization'), ticket: req.getQuery('ticket') ?? '' };
}

/** A household has a few pages open, a control room a wall of them. */
export const CONNECTIONS_PER_ACCOUNT_MAX = 32;

export type Refusal = Problem & { challenge?: string };

/** Why not, by the page that asks; null: it may. Without accounts whoever sits at the browser is all that a foreign page needs, so the host must be one that no name server can point here. */
export function refusalOfPage({ origin, host }: Application, accounts: AccountsPort | null, ownHosts: readonly string[]): Refusal | null {
  const isOwn = accounts?.isOn === true ? isSameHost(origin, host) || ownHosts.includes(originOf(origin)) : mayWrite(origin, host, ownHosts);
  if (!isOwn) return { status: 403, code: 'foreign_origin', detail: 'the live stream is open to pages of this host only' };
  if (accounts?.isOn === true || isNobodysName(host) || ownHosts.includes(host.toLowerCase())) return null;
  return { status: 421, code: 'foreign_host', detail: 'without accounts the live stream is open to localhost, addresses and the public address of the settings only' };
}

function originOf(origin: string): string {
  return URL.canParse(origin) ? new URL(origin).host : '';
}

/** Whose connection it is to be. At once, or a promise where the token was not seen before; it never rejects. */
export function principalOf(application: Application, accounts: AccountsPort | null): Principal | Refusal | Promise<Principal | Refusal> {
  if (accounts === null || !accounts.isOn) return OPEN_PRINCIPAL;
  const token = /^bearer +([^ ]+) *$/i.exec(application.authorization)?.[1];
  if (token !== undefined) {
    const found = accounts.authenticate(token);
    return found instanceof Promise ? found.then(admitted) : admitted(found);
  }
  if (application.ticket !== '') return admitted(accounts.spendTicket(application.ticket));
  return { status: 401, code: 'unauthorized', detail: 'give a token as Authorization: Bearer, or a ticket of POST /api/v1/auth/stream-tickets as ?ticket=', challenge: 'Bearer realm="seg"' };
}

export function isRefusal(found: Principal | Refusal): found is Refusal {
  return 'status' in found;
}

function admitted(found: Principal | TokenFault): Principal | Refusal {
  if (!('code' in found)) return found;
  // RFC 6750 has one word for all of them.
  return { status: 401, code: found.code, detail: found.detail, challenge: 'Bearer realm="seg", error="invalid_token"' };
}
