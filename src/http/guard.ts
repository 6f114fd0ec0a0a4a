import type { HttpRequest } from 'uWebSockets.js';
import { heldTime, isWithin, mayReach, type Principal, type Role, type Subject } from '../model/access.ts';
import { spanAt } from '../model/held-time.ts';
import { asMeterId, isId, type MeterId, type RegionId } from '../model/ids.ts';
import type { Clock } from '../runtime/clock.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { AccountsPort, TokenFault } from './accounts-port.ts';
import type { EnginePort } from './engine-port.ts';
import type { Exchange, HeaderFields } from './exchange.ts';
import { ABOUT_EVERYTHING, reachesEverything, type AnyOperation, type ScopedRequest, type ThingScope } from './operation.ts';
import type { Problem } from './problem-details.ts';
import { WriteNote } from './write-note.ts';
import { rateLimitHeaders, tooManyRequests, type RateLimitPolicy, type RateLimits } from './rate-limits.ts';

/** Who may do what: asked at the head of every request, and once more when it is known what the request is about. */

/** How long the region of a meter is believed: who moves a meter waits so long for its new operator to see it. */
const REGION_KEPT_MS = 5_000;
/** Meters whose regions are kept: what some hundred operators look at in that time, 2 MB. */
const REGIONS_KEPT_MAX = 10_000;

/** What a public operation has in the place of somebody: it reaches nothing. */
export const NOBODY: Principal = { kind: 'user', id: '', name: '', role: 'consumer', meters: new Map(), regions: new Set(), sessionId: null };

export class Guard {
  private readonly accounts: AccountsPort;
  private readonly limits: RateLimits;
  private readonly engine: Pick<EnginePort, 'meterRegion'>;
  private readonly clock: Clock;
  /** Oldest first. */
  private readonly regions = new Map<MeterId, { region: RegionId | null; until: number }>();

  constructor({ accounts, limits, engine, clock }: { accounts: AccountsPort; limits: RateLimits; engine: Pick<EnginePort, 'meterRegion'>; clock: Clock }) {
    this.accounts = accounts;
    this.limits = limits;
    this.engine = engine;
    this.clock = clock;
  }

  /**
   * Who asks. Null: nobody who may, and that is answered. At once where the token was seen before. Only `Authorization: Bearer` counts: a page of another site can make a browser send a cookie, and addresses are written
   * into logs. Call it before the handler first returns to the event loop.
   */
  admit(exchange: Exchange, head: HttpRequest, operation: AnyOperation): Principal | null | Promise<Principal | null> {
    if (!this.hasTokenOf(exchange, 'address', exchange.remoteAddress())) return null;
    if (operation.access === 'public') return NOBODY;
    const token = this.accounts.isOn ? bearerToken(head.getHeader('authorization')) : '';
    if (token === null) return refuse(exchange, NOT_SIGNED_IN, CHALLENGE);
    const found = this.accounts.authenticate(token);
    const judge = (of: Principal | TokenFault): Principal | null => {
      const principal = judged(exchange, operation, of);
      return principal !== null && this.hasTokenOf(exchange, 'account', principal.id) ? principal : null;
    };
    return found instanceof Promise ? found.then(judge) : judge(found);
  }

  /** Whether there is room for one request more; if not, that is answered. A client on this machine is limited as an account alone: it may be a proxy, behind which everybody is, and a program here can do worse. */
  private hasTokenOf(exchange: Exchange, policy: RateLimitPolicy, key: string): boolean {
    if (policy === 'account' ? !this.accounts.isOn : isLoopback(key)) return true;
    const taken = this.limits.take(policy, policy === 'address' ? networkOf(key) : key);
    if (taken === null) return true;
    exchange.addHeaders(rateLimitHeaders(taken));
    if (!taken.isTaken) exchange.problem(tooManyRequests(taken));
    return taken.isTaken;
  }

  /** Why somebody may not ask this; null where they may. May reject with an OperationalError, as the engine and its supervisors do. */
  refusal(principal: Principal, { access }: AnyOperation, request: ScopedRequest<object, unknown>): Problem | null | Promise<Problem | null> {
    if (typeof access === 'string' || access.scope === 'none' || reachesEverything(principal)) return null;
    const { scope } = access;
    const [name = ''] = request.path;
    if (scope === 'everything') return OUT_OF_REACH;
    if (scope === 'meter') return this.meterRefusal(principal, name, 'now');
    if (scope === 'meter-times') return this.meterRefusal(principal, name, 'some time');
    if (scope === 'region') return this.regionRefusal(principal, name);
    if (typeof scope === 'object') return this.thingRefusal(principal, scope as unknown as ThingScope<object, unknown>, request);
    const { meterId, region } = request.query as { meterId?: string; region?: string };
    if (meterId === undefined && (scope === 'named-meter' || principal.role === 'consumer')) return METER_MISSING;
    if (scope === 'named-place' && meterId === undefined && region === undefined) return PLACE_MISSING;
    const regionFault = scope !== 'named-meter' && region !== undefined && principal.role === 'operator' ? this.regionRefusal(principal, region) : null;
    return regionFault ?? (meterId === undefined ? null : this.meterRefusal(principal, meterId, 'some time'));
  }

  /** `held`: when it has to be a consumer's. */
  private meterRefusal(principal: Principal, name: string, held: 'now' | 'some time'): Problem | null | Promise<Problem | null> {
    const missing = notWithinReach('meter', name);
    const meterId = asMeterId(name);
    if (meterId === null) return missing;
    if (principal.role === 'consumer') {
      const nowMs = this.clock.now();
      const time = heldTime(principal, meterId, nowMs);
      return (held === 'now' ? spanAt(time, nowMs) !== null : time.length > 0) ? null : missing;
    }
    return this.reaches(principal, { meterId, region: null }).then((reached) => (reached ? null : missing));
  }

  private async thingRefusal(principal: Principal, scope: ThingScope<object, unknown>, request: ScopedRequest<object, unknown>): Promise<Problem | null> {
    const subjects = await subjectsOf(scope, request);
    // Nothing named is not nothing asked.
    if (subjects !== null && (subjects.length === 0 || subjects.includes(ABOUT_EVERYTHING))) return OUT_OF_REACH;
    const reached = subjects !== null && (await Promise.all(subjects.map((subject) => this.reaches(principal, subject)))).every(Boolean);
    return reached ? null : notWithinReach(scope.noun, request.path[0] ?? '');
  }

  private regionRefusal(principal: Principal, region: string): Problem | null {
    return isId(region) && mayReach(principal, { meterId: null, region: region as RegionId }, this.clock.now()) ? null : notWithinReach('region', region);
  }

  private async reaches(principal: Principal, { meterId, region, time }: Subject): Promise<boolean> {
    const isElsewhere = principal.role === 'operator' && region === null && meterId !== null;
    return mayReach(principal, { meterId, region: isElsewhere ? await this.regionOf(meterId) : region, time }, this.clock.now());
  }

  /** Where a meter is; null: there is no such meter. */
  private async regionOf(meterId: MeterId): Promise<RegionId | null> {
    const kept = this.regions.get(meterId);
    if (kept !== undefined && kept.until > this.clock.monotonic()) return kept.region;
    const region = await this.engine.meterRegion(meterId);
    this.regions.delete(meterId);
    this.regions.set(meterId, { region, until: this.clock.monotonic() + REGION_KEPT_MS });
    if (this.regions.size > REGIONS_KEPT_MAX) this.regions.delete(this.regions.keys().next().value!);
    return region;
  }

  /** The document of a list without the rows that are out of reach, so pages may be short. */
  ownRows(principal: Principal, { access }: AnyOperation, document: object): object {
    if (typeof access === 'string' || access.scope !== 'rows' || reachesEverything(principal)) return document;
    const { data } = document as { data: { meterId?: MeterId | null; region?: RegionId | null }[] };
    const nowMs = this.clock.now();
    const { lasts } = access;
    const isOwn = (row: (typeof data)[number]): boolean => {
      const { meterId = null, region = null } = row;
      if (principal.role !== 'consumer') return mayReach(principal, { meterId, region }, nowMs);
      if (meterId === null || lasts === undefined) return false;
      const { from, to } = lasts(row as never);
      return isWithin(heldTime(principal, meterId, nowMs), { from: Date.parse(from), to: to === null ? null : Date.parse(to), share: 'all' }, nowMs);
    };
    return { ...document, data: data.filter(isOwn) };
  }

  /** Has a write noted in the audit log; null where none is. */
  watch(exchange: Exchange, principal: Principal, { id, access, secretAnswer }: AnyOperation, target: string): WriteNote | null {
    if (!this.accounts.isOn || access === 'public') return null;
    const write = { by: principal.id, byName: principal.name, action: id, target: target.slice(0, TARGET_CHARS_MAX), requestId: exchange.requestId, address: exchange.remoteAddress() };
    const note = new WriteNote(this.accounts, write, { clock: this.clock, secretAnswer: secretAnswer === true });
    // A client that has gone hears no answer; what it asked for may be done all the same, and then that is noted.
    exchange.onEnded((status) => status !== 0 && note.end(status, null));
    return note;
  }
}

/** As uWebSockets writes addresses: IPv6 in full, an IPv4 of a socket for both as `0000:…:ffff:7f00:0001`. */
function isLoopback(address: string): boolean {
  return address.startsWith('127.') || LOOPBACK_V6.test(address);
}

/** Whom an address is of: of IPv6 the first 64 bits, as anybody has as many addresses below them as they like. */
function networkOf(address: string): string {
  return address.includes(':') && !address.startsWith(MAPPED_V4) ? address.slice(0, V6_NETWORK_CHARS) : address;
}

const MAPPED_V4 = '0000:0000:0000:0000:0000:ffff:';
const V6_NETWORK_CHARS = '0000:0000:0000:0000'.length;
const LOOPBACK_V6 = /^(0000:){7}0001$|^(0000:){5}ffff:7f/;

/** Of a path in the audit log: every path there is fits. */
const TARGET_CHARS_MAX = 512;
/** RFC 6750: what a token may be made of. uWebSockets refuses longer heads itself. */
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** null: there is none, or what is there is no token. */
function bearerToken(authorization: string): string | null {
  return BEARER.exec(authorization)?.[1] ?? null;
}

function judged(exchange: Exchange, { access }: AnyOperation, found: Principal | TokenFault): Principal | null {
  if ('code' in found) return refuse(exchange, { status: 401, code: found.code, detail: found.detail }, challenge('invalid_token'));
  if (typeof access === 'string' || access.roles.includes(found.role)) return found;
  return refuse(exchange, roleMissing(access.roles, found.role), challenge('insufficient_scope'));
}

function refuse(exchange: Exchange, problem: Problem, headers: HeaderFields): null {
  exchange.problem(problem, headers);
  return null;
}

async function subjectsOf(scope: ThingScope<object, unknown>, request: ScopedRequest<object, unknown>): Promise<readonly Subject[] | null> {
  try {
    return await scope.of(request);
  } catch (error) {
    if (error instanceof OperationalError && error.code.startsWith('unknown_')) return null;
    throw error;
  }
}

const CHALLENGE: HeaderFields = [['www-authenticate', 'Bearer realm="seg"']];

function challenge(error: 'invalid_token' | 'insufficient_scope'): HeaderFields {
  return [['www-authenticate', `Bearer realm="seg", error="${error}"`]];
}

const NOT_SIGNED_IN: Problem = { status: 401, code: 'not_signed_in', detail: 'Send a token as "Authorization: Bearer …"; POST /api/v1/auth/login gives one.' };
/** Says nothing about what there is, as it depends on who asks alone. */
const OUT_OF_REACH: Problem = { status: 403, code: 'out_of_reach', detail: 'This is about all regions, or names none: only who may reach all of them may ask it so. Name a region of yours where one can be named.' };
const METER_MISSING: Problem = { status: 403, code: 'meter_required', detail: 'This is about all meters unless "meterId" names one; name one of yours.' };
const PLACE_MISSING: Problem = { status: 403, code: 'region_required', detail: 'This is about all regions unless "region" or "meterId" names a region or a meter; name one of yours.' };

function roleMissing(roles: readonly Role[], role: Role): Problem {
  return { status: 403, code: 'role_required', detail: `This takes the role ${roles.join(' or ')}; yours is ${role}.`, extras: { roles } };
}

/** The same for what is not there and what is somebody else's, or of another time than theirs. */
export function notWithinReach(noun: string, name: string): Problem {
  const shown = name.length > 64 ? `${name.slice(0, 64)}…` : name;
  const what = name === '' ? `no such ${noun}` : `no ${noun} ${JSON.stringify(shown)}`;
  return { status: 404, code: `unknown_${noun.replaceAll(' ', '_')}`, detail: `There is ${what} among those that you may see.` };
}
