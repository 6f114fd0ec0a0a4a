import { begunBy, ALWAYS, holdsAll, nextEdge, NEVER, spanAt, type HeldTime } from './held-time.ts';
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
  /** Of a consumer, each with the times in which it is theirs: what that means now is asked with each question, so this may be kept. Empty for others. */
  meters: ReadonlyMap<MeterId, HeldTime>;
  /** Of an operator; `all` for an admin. Empty for a consumer. */
  regions: ReadonlySet<RegionId> | 'all';
  /** Of the log-in that the token comes from; null without accounts, and where another issuer made the token. */
  sessionId: string | null;
}

/** What a question is about, as far as access depends on it. Null: not about one. */
export interface Subject {
  meterId: MeterId | null;
  region: RegionId | null;
  /** When; absent: it is about the present. Consumers alone are asked by it. */
  time?: SubjectTime;
}

/** [from, to), epoch ms. */
export interface SubjectTime {
  from: number;
  /** null: it goes on. */
  to: number | null;
  /** `all`: all of it has to lie in the time in which the meter is theirs. `most`: the middle of it, as of a bill, which is of one customer whatever day the keys changed hands. */
  share: 'all' | 'most';
}

/** What goes on and is of most of its time has a month at least: an agreement is not whose meter it was in its first hour. */
const MOST_MS_MIN = 31 * 86_400_000;

/** Who asks in an engine that runs without accounts. */
export const OPEN_PRINCIPAL: Principal = { kind: 'open', id: 'open', name: 'open', role: 'admin', meters: new Map(), regions: 'all', sessionId: null };

/** Whether somebody may see and change what the subject says. A subject that names neither meter nor region is for admins, and for operators of all regions. */
export function mayReach(principal: Principal, { meterId, region, time }: Subject, nowMs: number): boolean {
  if (principal.regions === 'all') return true;
  if (principal.role === 'operator') return region !== null && principal.regions.has(region);
  if (meterId === null) return false;
  const held = heldTime(principal, meterId, nowMs);
  return time === undefined ? spanAt(held, nowMs) !== null : isWithin(held, time, nowMs);
}

/** Of what lies in reach of somebody anyway: the times of a meter that they may see something of. All of it, unless they are a consumer. */
export function heldTime(principal: Principal, meterId: MeterId, nowMs: number): HeldTime {
  if (principal.role !== 'consumer') return ALWAYS;
  const time = principal.meters.get(meterId);
  return time === undefined ? NEVER : begunBy(time, nowMs);
}

export function isWithin(held: HeldTime, { from, to, share }: SubjectTime, nowMs: number): boolean {
  if (share === 'all') return holdsAll(held, from, Math.max(from, to ?? nowMs));
  const middle = (from + (to ?? Math.max(nowMs, from + MOST_MS_MIN))) / 2;
  return holdsAll(held, middle, middle);
}

/** When what somebody may see changes next by itself; Infinity: never. */
export function nextEdgeOf({ meters }: Principal, nowMs: number): number {
  let next = Infinity;
  for (const time of meters.values()) next = Math.min(next, nextEdge(time, nowMs));
  return next;
}
