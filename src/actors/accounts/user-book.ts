import { ROLES, type Role } from '../../model/access.ts';
import { isSameTime, NEVER, withoutSpan, withSpan, type HeldTime } from '../../model/held-time.ts';
import type { MeterId, RegionId } from '../../model/ids.ts';
import type { Page } from '../../model/queries.ts';
import { invariant, OperationalError } from '../../runtime/errors.ts';
import { pageOf } from '../../runtime/record-page.ts';
import { afterPrefix, type StagedStore, type StagedTable } from '../../runtime/staged-store.ts';
import type { AssignmentOutcome, ExternalIdentity, HeldMeter, MeterAssignment, NewUser, User, UserChange, UserQuery } from './protocol.ts';
import { newId, sha256, type RandomBytes } from './secrets.ts';

/** Who has an account. Found by id, by how they log in, by role, and by meter; there may be a million, so nothing is kept in memory. */

/** A landlord's, counted with each time that one is theirs; they go with every request, and into every record. */
export const METERS_PER_USER_MAX = 1_000;
export const REGIONS_PER_USER_MAX = 1_000;

const NO_PREFERENCES = { locale: null, zone: null, theme: null } as const;

/** How somebody is found when they log in: the e-mail address in small letters, or `oidc:` and a hash of what another issuer calls them. No address has a colon. */
export function loginKey({ email, external }: Pick<User, 'email' | 'external'>): string {
  return external === null ? emailKey(email ?? '') : externalKey(external);
}

export function emailKey(email: string): string {
  return email.trim().toLowerCase();
}

/** What stands for somebody in the audit log, and wherever a document says who did it: not what they call themselves. */
export function formalName({ id, email, external }: Pick<User, 'id' | 'email' | 'external'>): string {
  return email ?? external?.subject ?? id;
}

function externalKey({ issuer, subject }: Pick<ExternalIdentity, 'issuer' | 'subject'>): string {
  return `oidc:${sha256(JSON.stringify([issuer, subject]))}`;
}

export class UserBook {
  private readonly users: StagedTable<User>;
  private readonly logins: StagedTable<string>;
  private readonly roles: StagedTable<string>;
  private readonly meters: StagedTable<boolean>;
  private readonly random: RandomBytes;

  constructor(staged: StagedStore, random: RandomBytes) {
    this.random = random;
    this.users = staged.table('users');
    this.logins = staged.table('logins');
    this.roles = staged.table('roles');
    this.meters = staged.table('meter-users');
  }

  get(id: string): User | null {
    return this.users.get(id);
  }

  /** Throws `unknown_user`. */
  require(id: string): User {
    const user = this.users.get(id);
    if (user === null) throw new OperationalError('unknown_user', `there is no user ${JSON.stringify(id)}`);
    return user;
  }

  ofEmail(email: string): User | null {
    return this.ofLogin(emailKey(email));
  }

  ofExternal(external: Pick<ExternalIdentity, 'issuer' | 'subject'>): User | null {
    return this.ofLogin(externalKey(external));
  }

  /** By id or e-mail address. */
  find(idOrEmail: string): User | null {
    return this.users.get(idOrEmail) ?? this.ofEmail(idOrEmail);
  }

  /** Throws `email_taken`, `bad_access`. */
  make(given: NewUser, nowMs: number): User {
    const email = emailKey(given.email);
    if (this.logins.get(email) !== null) throw new OperationalError('email_taken', `there is a user ${email} already`);
    return this.add({ ...given, email, external: null }, nowMs);
  }

  makeExternal(given: Omit<NewUser, 'email'> & { email: string | null; external: ExternalIdentity }, nowMs: number): User {
    return this.add(given, nowMs);
  }

  /** Throws `unknown_user`, `stale_version`, `last_admin`, `bad_access`. */
  change(id: string, version: number | null, change: UserChange): User {
    const before = this.requireVersion(id, version);
    const role = change.role ?? before.role;
    const access = accessOf(role, change.meters ?? (before.role === role ? before.meters : []), change.regions ?? (before.role === role ? before.regions : []));
    const after: User = {
      ...before,
      ...access,
      name: change.name ?? before.name,
      isDisabled: change.isDisabled ?? before.isDisabled,
      preferences: change.preferences ?? before.preferences,
      version: before.version + 1,
    };
    if (isLocalAdmin(before) && !isLocalAdmin(after)) this.requireAnotherAdmin(id);
    this.replace(before, after);
    return after;
  }

  /** Throws as `change`. */
  remove(id: string, version: number | null): User {
    const user = this.requireVersion(id, version);
    if (isLocalAdmin(user)) this.requireAnotherAdmin(id);
    this.users.remove(id);
    this.logins.remove(loginKey(user));
    this.roles.remove(roleKey(user));
    for (const { meterId } of user.meters) this.meters.remove(meterKey(meterId, id));
    return user;
  }

  noteLogIn(user: User, nowMs: number): User {
    const after = { ...user, lastLoginAt: nowMs };
    this.users.put(user.id, after);
    return after;
  }

  /** Of somebody another issuer vouches for: when the token was made that they came with. */
  noteIssued(user: User, issuedAt: number): User {
    const after = { ...user, external: { ...user.external!, issuedAt } };
    this.users.put(user.id, after);
    return after;
  }

  /** Gives a meter to somebody for a time, or takes that time away. */
  assign({ meterId, from, until, user: name, isAssigned }: MeterAssignment): { outcome: AssignmentOutcome['outcome']; user: User | null } {
    const user = this.find(name);
    if (user === null) return { outcome: 'unknown_user', user };
    const before = timeOf(user.meters, meterId);
    const time = (isAssigned ? withSpan : withoutSpan)(before, { from, until });
    if (isSameTime(before, time)) return { outcome: 'unchanged', user: null };
    if (user.role !== 'consumer') return { outcome: 'not_a_consumer', user: null };
    const meters = withTime(user.meters, meterId, time);
    if (meters.length > METERS_PER_USER_MAX) return { outcome: 'too_many_meters', user: null };
    const after = { ...user, meters, version: user.version + 1 };
    this.replace(user, after);
    return { outcome: isAssigned ? 'assigned' : 'removed', user: after };
  }

  /** Ids of those who have a meter at some time. */
  ofMeter(meterId: MeterId): string[] {
    return [...this.meters.range({ from: `${meterId}/`, to: afterPrefix(`${meterId}/`) })].map(({ key }) => key.slice(meterId.length + 1));
  }

  /** In the order of addresses. Throws `bad_cursor`. */
  page({ role, emailPrefix, meterId, limit, cursor }: UserQuery): Page<User> {
    if (cursor !== null && !/^[\x21-\x7e]{1,320}$/.test(cursor)) throw new OperationalError('bad_cursor', 'the cursor is of no page');
    if (meterId !== null) return pageOf(this.peopleOf(meterId), limit, (user) => (isAsked(user, { role, emailPrefix }) && (cursor === null || loginKey(user) > cursor) ? user : null), loginKey);
    const before = role === null ? '' : `${role}/`;
    const prefix = before + emailKey(emailPrefix ?? '');
    // An address is followed by one that is longer by the lowest character.
    const from = cursor === null ? prefix : `${before}${cursor}\x01`;
    const rows = (role === null ? this.logins : this.roles).range({ from: from < prefix ? prefix : from, to: afterPrefix(prefix) });
    return pageOf(rows, limit, ({ record: id }) => this.users.get(id), loginKey);
  }

  /** In the order of addresses: they are few, those who share a home and those who lived there before. */
  private peopleOf(meterId: MeterId): User[] {
    return this.ofMeter(meterId).map((id) => this.users.get(id)!).sort((a, b) => (loginKey(a) < loginKey(b) ? -1 : 1));
  }

  /** Whether there is anybody at all. */
  get isEmpty(): boolean {
    for (const _ of this.logins.range({ from: '', to: afterPrefix('') })) return false;
    return true;
  }

  private add(given: Omit<NewUser, 'email'> & Pick<User, 'email' | 'external'>, nowMs: number): User {
    const { email, name, external } = given;
    const access = accessOf(given.role, given.meters, given.regions);
    const user: User = { id: newId('usr_', this.random), email, name, ...access, isDisabled: false, external, preferences: { ...NO_PREFERENCES }, createdAt: nowMs, lastLoginAt: null, version: 1 };
    invariant(this.users.get(user.id) === null, 'two users have the same id');
    this.replace(null, user);
    return user;
  }

  private replace(before: User | null, after: User): void {
    this.users.put(after.id, after);
    this.logins.put(loginKey(after), after.id);
    if (before !== null && before.role !== after.role) this.roles.remove(roleKey(before));
    this.roles.put(roleKey(after), after.id);
    const kept = new Set(after.meters.map(({ meterId }) => meterId));
    for (const { meterId } of before?.meters ?? []) if (!kept.has(meterId)) this.meters.remove(meterKey(meterId, after.id));
    for (const meterId of kept) this.meters.put(meterKey(meterId, after.id), true);
  }

  private ofLogin(key: string): User | null {
    const id = this.logins.get(key);
    return id === null ? null : this.users.get(id);
  }

  private requireVersion(id: string, version: number | null): User {
    const user = this.require(id);
    if (version !== null && version !== user.version) throw new OperationalError('stale_version', `the user is at version ${user.version} by now`);
    return user;
  }

  /** Without one nobody could let anybody in. */
  private requireAnotherAdmin(id: string): void {
    for (const { record } of this.roles.range({ from: 'admin/', to: afterPrefix('admin/') })) {
      const user = record === id ? null : this.users.get(record);
      if (user !== null && isLocalAdmin(user)) return;
    }
    throw new OperationalError('last_admin', 'there is no other admin who can log in here');
  }
}

function isLocalAdmin({ role, isDisabled, external }: User): boolean {
  return role === 'admin' && !isDisabled && external === null;
}

function isAsked(user: User, { role, emailPrefix }: Pick<UserQuery, 'role' | 'emailPrefix'>): boolean {
  return (role === null || user.role === role) && loginKey(user).startsWith(emailKey(emailPrefix ?? ''));
}

/** What a role can have; throws `bad_access` for what it cannot. */
function accessOf(role: Role, meters: readonly HeldMeter[], regions: readonly RegionId[] | 'all'): Pick<User, 'role' | 'meters' | 'regions'> {
  invariant(ROLES.includes(role), `no role ${role}`);
  const hasRegions = regions === 'all' || regions.length > 0;
  if (role !== 'consumer' && meters.length > 0) throw new OperationalError('bad_access', `a role of ${role} has no meters of its own`);
  if (role === 'consumer' && hasRegions) throw new OperationalError('bad_access', 'a consumer has meters and no regions');
  const times = inTimes(meters);
  if (times.length > METERS_PER_USER_MAX) throw new OperationalError('bad_access', `${METERS_PER_USER_MAX} meters and times are the most a user can have`);
  if (regions !== 'all' && regions.length > REGIONS_PER_USER_MAX) throw new OperationalError('bad_access', `${REGIONS_PER_USER_MAX} regions are the most a user can have`);
  if (role === 'admin') return { role, meters: [], regions: 'all' };
  return { role, meters: times, regions: regions === 'all' ? 'all' : [...new Set(regions)] };
}

/** Times of a meter that touch are one. In the order in which meters are named first. */
function inTimes(meters: readonly HeldMeter[]): HeldMeter[] {
  const times = new Map<MeterId, HeldTime>();
  for (const { meterId, from, until } of meters) times.set(meterId, withSpan(times.get(meterId) ?? NEVER, { from, until }));
  return [...times].flatMap(([meterId, time]) => heldMeters(meterId, time));
}

function timeOf(meters: readonly HeldMeter[], meterId: MeterId): HeldTime {
  return meters.filter((held) => held.meterId === meterId).map(({ from, until }) => ({ from, until }));
}

function withTime(meters: readonly HeldMeter[], meterId: MeterId, time: HeldTime): HeldMeter[] {
  const at = meters.findIndex((held) => held.meterId === meterId);
  const others = meters.filter((held) => held.meterId !== meterId);
  return at === -1 ? [...others, ...heldMeters(meterId, time)] : [...others.slice(0, at), ...heldMeters(meterId, time), ...others.slice(at)];
}

function heldMeters(meterId: MeterId, time: HeldTime): HeldMeter[] {
  return time.map(({ from, until }) => ({ meterId, from, until }));
}

function roleKey(user: User): string {
  return `${user.role}/${loginKey(user)}`;
}

function meterKey(meterId: MeterId, userId: string): string {
  return `${meterId}/${userId}`;
}
