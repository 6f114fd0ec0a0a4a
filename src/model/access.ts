import type { MeterId, RegionId } from './ids.ts';

/** Who asks the engine for something, and what it is about: the words in which access is decided (http/guard.ts). */

/** A consumer has meters, an operator has regions, an admin has everything. */
export const ROLES = ['consumer', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** `user`: somebody who logged in. `open`: the engine runs without accounts, and whoever reaches the port may do everything. */
export interface Principal {
  kind: 'user' | 'open';
  /** Of the account; `open` without accounts. */
  id: string;
  /** For people and for the audit log: the e-mail address. */
  name: string;
  role: Role;
  /** Of a consumer. Empty for others. */
  meters: ReadonlySet<MeterId>;
  /** Of an operator; `all` for an admin. Empty for a consumer. */
  regions: ReadonlySet<RegionId> | 'all';
  /** Of the log-in that the token comes from; null without accounts, and where another issuer made the token. */
  sessionId: string | null;
}

/** What a question is about, as far as access depends on it. Null: not about one. */
export interface Subject {
  meterId: MeterId | null;
  region: RegionId | null;
}

/** Who asks in an engine that runs without accounts. */
export const OPEN_PRINCIPAL: Principal = { kind: 'open', id: 'open', name: 'open', role: 'admin', meters: new Set(), regions: 'all', sessionId: null };

/** Whether somebody may see and change what the subject says. A subject that names neither meter nor region is for admins, and for operators of all regions. */
export function mayReach(principal: Principal, { meterId, region }: Subject): boolean {
  if (principal.regions === 'all') return true;
  if (principal.role === 'operator') return region !== null && principal.regions.has(region);
  return meterId !== null && principal.meters.has(meterId);
}
