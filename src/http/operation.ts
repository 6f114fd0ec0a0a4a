import type { z } from 'zod';
import type { Principal, Role, Subject } from '../model/access.ts';

/** What a route says of itself: who may use it, and what its document in the API says. Routes are declared with one; there is no other way to add one (gateway-routes.ts). */

/** Parts of the API, in the order of its document. */
export const TAGS = {
  Accounts: 'Logging in, people who may log in, and what was changed by whom.',
  Meters: 'Meters, their windows and their state.',
  Registry: 'What a utility keeps of its meters, whether they have sent a reading or not.',
  Regions: 'Regions and their load.',
  Anomalies: 'What the detector found, and readings that were rejected.',
  Alerts: 'What deserves a person, and why who was told.',
  People: 'Who is told, who is on call, and what was sent.',
  Tariffs: 'Tariffs, agreements, and what energy costs.',
  Bills: 'Invoices, payments, disputes and monthly runs.',
  Prices: 'Prices by the load of regions.',
  Engine: 'The engine itself.',
} as const;
export type Tag = keyof typeof TAGS;

export interface Operation<Query = never, Body = never> {
  /** operationId of the document, `action` of the audit log. Of all operations different. */
  id: string;
  /** One line. */
  summary: string;
  tag: Tag;
  access: Access<Query, Body>;
  /** Of the document of a 200 or 201; none where it is no JSON, or 204. */
  response?: z.ZodType;
  /** Of the body, where what judges it at first says less than its rules do. */
  request?: z.ZodType;
  /** Its answer has a secret that is shown this once, and is written nowhere. */
  secretAnswer?: true;
  /** It takes many things at once: its body may be as large as one of rows (row-bodies.ts). */
  isBulk?: true;
  /** What a write makes: 201 with Location. */
  creates?: true;
  /** What a write begins and goes on by itself: 202 with Location. */
  begins?: true;
  /** Its answer sends a browser elsewhere: 303 with Location. */
  redirects?: true;
  /** Somebody else makes its query: what of it is not known is left out, blanks are written as forms have them, and it may be as long as a head. */
  foreignQuery?: true;
  /** Media types that an answer may have instead of JSON. */
  files?: readonly string[];
  /** Header fields of the request that the route looks at, in small letters. */
  headers?: readonly string[];
}

/** `public`: whoever reaches the port. `signed-in`: whoever has a token that counts, and what they get is their own. */
export type Access<Query = never, Body = never> = 'public' | 'signed-in' | { roles: readonly Role[]; scope: Scope<Query, Body>; lasts?: RowTimes };

/** Of a list that consumers may have (`rows`): from when to when a row as it goes over the wire lasts; null while it goes on. A consumer sees those that lie in the time in which the meter is theirs; none where this is not said. */
export type RowTimes = (row: never) => { from: string; to: string | null };

/**
 * What of it is somebody's, beside their role. What is not theirs is answered as what does not exist.
 * - `none`: the role alone decides.
 * - `everything`: it is about all meters and regions, so an operator of some regions gets 403.
 * - `meter`, `region`: the first parameter of the path names it. A meter has to be a consumer's now.
 * - `meter-times`: the meter has to be a consumer's at some time until now; which of it they see the route asks (own-time.ts).
 * - `named-meter`: `meterId` of the query names it; only who reaches everything may leave that out. Of a consumer as `meter-times`.
 * - `named-place`: the same, or `region` of the query names a region; where both are named both have to be within reach. A consumer names a meter.
 * - `rows`: a list whose rows have `meterId` or `region`: those of others are left out. A consumer names one of their meters.
 * - ThingScope: who is asked says what the thing is about.
 */
export type Scope<Query = never, Body = never> = 'none' | 'everything' | 'meter' | 'meter-times' | 'region' | 'named-meter' | 'named-place' | 'rows' | ThingScope<Query, Body>;

export interface ThingScope<Query = never, Body = never> {
  /** As `alert`, for the 404: code `unknown_alert`. */
  noun: string;
  /** For the document of the API: how it is decided. */
  words: string;
  /**
   * What the request is about; each has to be within reach. Null: there is no such thing. May reject with an `unknown_…` of a supervisor, which is the same. Asked before anything is read or written, and only for who
   * does not reach everything.
   */
  of(request: ScopedRequest<Query, Body>): Promise<readonly Subject[] | null> | readonly Subject[] | null;
}

export interface ScopedRequest<Query, Body> {
  /** Parameters of the path, decoded and in order. */
  path: readonly string[];
  query: Query;
  /** Null of a request without a body. */
  body: Body;
}

/** An operation whatever it takes. */
export type AnyOperation = Operation<never, never>;

export const EVERYBODY: readonly Role[] = ['consumer', 'operator', 'admin'];
export const OPERATORS: readonly Role[] = ['operator', 'admin'];
export const ADMINS: readonly Role[] = ['admin'];

/** About something that is neither of a meter nor of a region. */
export const ABOUT_EVERYTHING: Subject = { meterId: null, region: null };

/** Whether nothing that is somebody's is out of reach. */
export function reachesEverything({ regions }: Principal): boolean {
  return regions === 'all';
}
