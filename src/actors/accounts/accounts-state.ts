import type { Role } from '../../model/access.ts';
import type { RegionId } from '../../model/ids.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { StagedStore } from '../../runtime/staged-store.ts';
import type { Store } from '../../runtime/store.ts';
import { AuditLog } from './audit-log.ts';
import { DeviceKeyBook } from './device-key-book.ts';
import { LinkBook } from './link-book.ts';
import { PasswordBook, type PasswordRecord } from './password-book.ts';
import type { AssignmentOutcome, Changer, DeviceKey, DeviceKeyChange, DeviceScope, EndedWrite, HeldMeter, KeptWrite, MeterAssignment, NewUser, Peer, Session, User, UserChange } from './protocol.ts';
import type { RandomBytes } from './secrets.ts';
import { IDLE_MS, SessionBook } from './session-book.ts';
import { SigningKeyBook } from './signing-key-book.ts';
import { formalName, UserBook } from './user-book.ts';
import { STATUS_UNKNOWN, WriteBook } from './write-book.ts';

/** All that the accounts keep, as turns change it, with an audit entry for each change in the same transaction. Who fails to commit a turn must start over from the store. */

/** Of a password that an admin gives. */
const ONE_TIME_PASSWORD_MS = 7 * 86_400_000;
/** How exactly it is known when the newest token of another issuer was made that somebody came with: each step is a write. */
const SEEN_STEP_MS = 5 * 60_000;
/** How long a log-in goes on after another issuer vouched for it: while it cannot be asked, has given nothing to ask it with, or the engine has forgotten that at a restart. */
export const VOUCHED_MS = 3_600_000;
/** What no request of its own brought about. */
const FROM_ENGINE: Peer = { address: '', requestId: '', userAgent: '' };

export const FIRST_ADMIN_EMAIL = 'admin@localhost';
const FIRST_ADMIN = { email: FIRST_ADMIN_EMAIL, name: 'Administrator', role: 'admin', meters: [], regions: 'all' } as const;

/** Who can do less, or something else, than before: somebody's one session, or (null) all that they have. */
export interface AccessChange {
  userId: string;
  sessionId: string | null;
}

export interface AccountsNews {
  access: AccessChange[];
  deviceKeys: DeviceKeyChange;
}

export interface SignedIn {
  user: User;
  session: Session;
  refreshToken: string;
}

export interface ExternalPerson {
  issuer: string;
  subject: string;
  email: string | null;
  name: string;
  role: Role;
  /** Of an operator. */
  regions: RegionId[] | 'all';
  /** Of the token, epoch ms. */
  issuedAt: number;
}

/** What another issuer said when it was asked again about a log-in; null: it was not, or did not answer. `person` null: nothing new. */
export type Word = { kind: 'vouched'; person: ExternalPerson | null } | { kind: 'ended' } | null;

export class AccountsState {
  readonly users: UserBook;
  readonly passwords: PasswordBook;
  readonly sessions: SessionBook;
  readonly links: LinkBook;
  readonly signingKeys: SigningKeyBook;
  readonly deviceKeys: DeviceKeyBook;
  readonly audit: AuditLog;
  readonly writes: WriteBook;
  private readonly staged: StagedStore;
  private news: AccountsNews = noNews();

  constructor(store: Store, { random, codeKey }: { random: RandomBytes; codeKey: Uint8Array }) {
    this.staged = new StagedStore(store);
    this.users = new UserBook(this.staged, random);
    this.passwords = new PasswordBook(this.staged);
    this.sessions = new SessionBook(this.staged, random, codeKey);
    this.links = new LinkBook(this.staged, random);
    this.signingKeys = new SigningKeyBook(this.staged);
    this.deviceKeys = new DeviceKeyBook(this.staged, random);
    this.audit = new AuditLog(this.staged);
    this.writes = new WriteBook(this.staged);
  }

  load(): void {
    this.links.load();
    this.deviceKeys.load();
  }

  nextDueMs(): number {
    return Math.min(this.sessions.nextEndMs(), this.links.nextEndMs());
  }

  tick(nowMs: number): void {
    this.sessions.sweep(nowMs);
    this.links.sweep(nowMs);
  }

  /** Queues what the turn changed; gives what others have to hear of when it is on disk. */
  flush(): AccountsNews {
    this.staged.flush();
    const { news } = this;
    this.news = noNews();
    return news;
  }

  settle(): void {
    this.staged.settle();
  }

  // Logging in -------------------------------------------------------------------------------------------------------------

  credentials(email: string): { user: User; password: PasswordRecord } | null {
    const user = this.users.ofEmail(email);
    const password = user === null ? null : this.passwords.of(user.id);
    return user === null || password === null ? null : { user, password };
  }

  /** null: while the password was looked at the account was changed. `rehashed` replaces the hash. */
  logIn(userId: string, hash: string, rehashed: string | null, peer: Peer, nowMs: number): SignedIn | null {
    const user = this.users.get(userId);
    const password = this.passwords.of(userId);
    if (user === null || password === null || user.isDisabled || password.hash !== hash) return null;
    if (rehashed !== null) this.passwords.set(userId, { ...password, hash: rehashed });
    return this.open(user, 'logged_in', peer, nowMs);
  }

  /** Of somebody another issuer vouches for, who came from there. null: their account is disabled. */
  logInExternal(person: ExternalPerson, peer: Peer, nowMs: number): SignedIn | null {
    const user = this.meet(person, nowMs);
    return user.isDisabled ? null : this.open(user, 'logged_in', peer, nowMs);
  }

  /** Whose log-in a token is of, where another issuer has to be asked about it; null: nobody's. */
  vouchedSession(token: string, nowMs: number): { sessionId: string; subject: string } | null {
    const session = this.sessions.ofToken(token);
    const external = session === null || session.expiresAt <= nowMs ? null : (this.users.get(session.userId)?.external ?? null);
    return external === null ? null : { sessionId: session!.id, subject: external.subject };
  }

  /** `word`: of who vouches for the person, as it was asked just now. */
  refresh(token: string, word: Word, peer: Peer, nowMs: number): SignedIn | null {
    if (word?.kind === 'ended') {
      this.endUnvouched(token, peer, nowMs);
      return null;
    }
    if (word !== null && word.person !== null) this.meet(word.person, nowMs);
    const rotation = this.sessions.rotate(token, peer, nowMs, (userId) => (this.users.get(userId)?.external === null ? IDLE_MS : word === null ? null : VOUCHED_MS));
    if (rotation.kind === 'invalid') return null;
    const { session } = rotation;
    const user = this.users.get(session.userId);
    if (rotation.kind === 'reused') {
      this.note('refresh_token_reused', user, `session ${session.id}`, 401, peer, nowMs);
      this.sessionEnded(session);
      return null;
    }
    // What ends an account ends its sessions in the same turn.
    if (user === null || user.isDisabled) return null;
    return { user, session, refreshToken: rotation.refreshToken };
  }

  /** Of somebody whose password is right and has to be replaced, or who proved in another way who they are: every log-in ends, and where `opens` says so another begins. null: it was changed meanwhile. */
  replacePassword(userId: string, expectedHash: string | null, hash: string, action: string, opens: boolean, peer: Peer, nowMs: number): { user: User; signedIn: SignedIn | null } | null {
    const user = this.users.get(userId);
    if (user === null || user.isDisabled || user.external !== null) return null;
    if (expectedHash !== null && this.passwords.of(userId)?.hash !== expectedHash) return null;
    this.setPassword(user, { hash, isOneTime: false, expiresAt: null });
    this.note(action, user, userTarget(user), 200, peer, nowMs);
    return { user, signedIn: opens ? this.open(user, 'logged_in', peer, nowMs) : null };
  }

  logOut(session: Session | null, peer: Peer, nowMs: number): void {
    if (session === null || this.sessions.end(session.id) === null) return;
    this.sessionEnded(session);
    this.note('logged_out', this.users.get(session.userId), `session ${session.id}`, 204, peer, nowMs);
  }

  endSession(userId: string, sessionId: string, by: Changer, nowMs: number): null {
    const session = this.sessions.get(sessionId);
    if (session === null || session.userId !== userId) throw new OperationalError('unknown_session', 'there is no such log-in');
    this.sessions.end(sessionId);
    this.sessionEnded(session);
    this.noteBy('session_ended', by, `session ${sessionId}`, nowMs);
    return null;
  }

  endSessions(userId: string, by: Changer, nowMs: number): number {
    const count = this.endAll(userId);
    this.noteBy('sessions_ended', by, `user ${userId}: ${count}`, nowMs);
    return count;
  }

  noteFailure(action: string, email: string, user: User | null, peer: Peer, nowMs: number): void {
    this.note(action, user, `e-mail ${email}`, 401, peer, nowMs);
  }

  // Users ------------------------------------------------------------------------------------------------------------------

  /** `expiresAt` as that of a password an admin gave. Throws `email_taken`, `bad_access`. */
  makeUser(given: NewUser, oneTimeHash: string, by: Changer, nowMs: number): User {
    const user = this.users.make(given, nowMs);
    this.passwords.set(user.id, { hash: oneTimeHash, isOneTime: true, expiresAt: nowMs + ONE_TIME_PASSWORD_MS });
    this.noteBy('user_made', by, `${userTarget(user)}: ${accessText(user)}`, nowMs);
    return user;
  }

  /** Of somebody who followed the link to their address. null: there is such an account by now. */
  makeRegistered(email: string, name: string, hash: string, peer: Peer, nowMs: number): User | null {
    if (this.users.ofEmail(email) !== null) return null;
    const user = this.users.make({ email, name, role: 'consumer', meters: [], regions: [] }, nowMs);
    this.passwords.set(user.id, { hash, isOneTime: false, expiresAt: null });
    this.note('registered', user, userTarget(user), 201, peer, nowMs);
    return user;
  }

  /** Whether the one admin of a first start has to be made, or has never logged in, so that another password may be made for them. */
  needsFirstAdmin(): boolean {
    const admin = this.users.ofEmail(FIRST_ADMIN_EMAIL);
    if (admin === null) return this.users.isEmpty;
    const password = this.passwords.of(admin.id);
    return admin.lastLoginAt === null && password !== null && password.isOneTime && password.expiresAt === null;
  }

  /** Their password does not end, and is another with each start until it was used. */
  makeFirstAdmin(oneTimeHash: string, nowMs: number): User {
    const user = this.users.ofEmail(FIRST_ADMIN_EMAIL) ?? this.users.make(FIRST_ADMIN, nowMs);
    this.passwords.set(user.id, { hash: oneTimeHash, isOneTime: true, expiresAt: null });
    this.note('first_admin_made', null, userTarget(user), 200, FROM_ENGINE, nowMs);
    return user;
  }

  /** For who can read the data directory and nobody's password: the first admin is one again, with another password. */
  recoverAdmin(oneTimeHash: string, nowMs: number): void {
    const known = this.users.ofEmail(FIRST_ADMIN_EMAIL);
    const admin = known === null ? this.users.make(FIRST_ADMIN, nowMs) : this.users.change(known.id, null, { role: 'admin', meters: [], regions: 'all', isDisabled: false });
    this.setPassword(admin, { hash: oneTimeHash, isOneTime: true, expiresAt: null });
    this.note('admin_recovered', null, userTarget(admin), 200, FROM_ENGINE, nowMs);
  }

  changeUser(id: string, version: number | null, change: UserChange, by: Changer, nowMs: number): User {
    const before = this.users.require(id);
    if (before.external !== null && (change.role !== undefined || change.regions !== undefined)) throw new OperationalError('external_user', 'another issuer says what role and regions this user has');
    const after = this.users.change(id, version, change);
    if (after.isDisabled && !before.isDisabled) this.endAll(id);
    else if (accessText(before) !== accessText(after)) this.accessChanged(id);
    if (before.name !== after.name || accessText(before) !== accessText(after)) this.noteBy('user_changed', by, `${userTarget(after)}: ${changeText(before, after)}`, nowMs);
    return after;
  }

  removeUser(id: string, version: number | null, by: Changer, nowMs: number): null {
    const user = this.users.remove(id, version);
    this.passwords.remove(id);
    if (user.email !== null) this.links.drop('reset', user.email);
    this.endAll(id);
    this.noteBy('user_removed', by, userTarget(user), nowMs);
    return null;
  }

  resetPassword(id: string, oneTimeHash: string, by: Changer, nowMs: number): User {
    const user = this.users.require(id);
    if (user.external !== null) throw new OperationalError('external_user', 'another issuer vouches for this user, who has no password here');
    this.setPassword(user, { hash: oneTimeHash, isOneTime: true, expiresAt: nowMs + ONE_TIME_PASSWORD_MS });
    this.noteBy('password_reset', by, userTarget(user), nowMs);
    return user;
  }

  assignMeters(assignments: readonly MeterAssignment[], by: Changer, nowMs: number): AssignmentOutcome[] {
    const changed = new Set<string>();
    const outcomes = assignments.map((assignment) => {
      const { outcome, user } = this.users.assign(assignment);
      if (user !== null) {
        changed.add(user.id);
        this.noteBy(outcome === 'assigned' ? 'meter_assigned' : 'meter_removed', by, `${userTarget(user)}: meter ${heldText(assignment)}`, nowMs);
      }
      return { meterId: assignment.meterId, user: assignment.user, outcome };
    });
    for (const id of changed) this.accessChanged(id);
    return outcomes;
  }

  /** Somebody another issuer vouches for: made when they first come, and then as the newest of their tokens says. An older one, of when they had other rights, changes nothing. */
  meet({ issuer, subject, email, name, role, regions, issuedAt }: ExternalPerson, nowMs: number): User {
    const known = this.users.ofExternal({ issuer, subject });
    const access = { role, regions: role === 'consumer' ? [] : regions };
    if (known === null) {
      const user = this.users.makeExternal({ email, name, external: { issuer, subject, issuedAt }, meters: [], ...access }, nowMs);
      this.note('external_user_met', user, `${userTarget(user)}: ${accessText(user)}`, 200, FROM_ENGINE, nowMs);
      return user;
    }
    const seenAt = known.external!.issuedAt;
    if (issuedAt < seenAt) return known;
    const isSame = accessText(known) === accessText({ ...known, ...access, meters: role === 'consumer' ? known.meters : [] });
    if (isSame) return issuedAt - seenAt < SEEN_STEP_MS ? known : this.users.noteIssued(known, issuedAt);
    const changed = this.users.noteIssued(this.users.change(known.id, null, access), issuedAt);
    this.accessChanged(known.id);
    this.note('external_user_changed', changed, `${userTarget(changed)}: ${changeText(known, changed)}`, 200, FROM_ENGINE, nowMs);
    return changed;
  }

  // After a restore --------------------------------------------------------------------------------------------------------

  /** Some of what was handed out before a backup was made, and may have been ended since: log-ins and links by mail. Both 0: there is none left. */
  endHandedOut(max: number): { sessions: number; links: number } {
    return { sessions: this.sessions.endSome(max), links: this.links.dropSome(max) };
  }

  /** `backupOf`: when it was made, ISO 8601. */
  noteRestored(backupOf: string, ended: { sessions: number; links: number; keysRevoked: number; keysKept: number }, nowMs: number): void {
    const { sessions, links, keysRevoked, keysKept } = ended;
    this.note('restored', null, `backup of ${backupOf}: ${sessions} log-ins and ${links} links ended; ${keysRevoked} device keys revoked, ${keysKept} count`, 200, FROM_ENGINE, nowMs);
  }

  // Device keys ------------------------------------------------------------------------------------------------------------

  makeDeviceKey(given: { name: string; scope: DeviceScope; expiresAt: number | null }, by: Changer, nowMs: number): { deviceKey: DeviceKey; key: string } {
    const { deviceKey, key, row } = this.deviceKeys.make({ ...given, createdBy: by.name }, nowMs);
    this.news.deviceKeys = { ...this.news.deviceKeys, rows: [...this.news.deviceKeys.rows, row] };
    this.noteBy('device_key_made', by, `device key ${deviceKey.id} (${deviceKey.name})`, nowMs);
    return { deviceKey, key };
  }

  revokeDeviceKey(id: string, by: Changer, nowMs: number): DeviceKey {
    const { deviceKey, hash, isNew } = this.deviceKeys.revoke(id, nowMs);
    if (!isNew) return deviceKey;
    // One that was made in the same turn goes as well.
    this.news.deviceKeys = { rows: this.news.deviceKeys.rows.filter((row) => row.hash !== hash), removed: [...this.news.deviceKeys.removed, hash] };
    this.noteBy('device_key_revoked', by, `device key ${id} (${deviceKey.name})`, nowMs);
    return deviceKey;
  }

  // Writes of the API ------------------------------------------------------------------------------------------------------

  endWrites(ended: readonly EndedWrite[]): void {
    for (const { id, entry, answer } of ended) {
      this.audit.append(entry);
      if (id !== null) this.writes.end(id, answer);
    }
  }

  /** Notes writes of which nobody knows what came of them, and gives the answers that are kept. */
  endLeftWrites(nowMs: number): KeptWrite[] {
    for (const { key: _key, ...entry } of this.writes.endLeft()) this.audit.append({ ...entry, status: STATUS_UNKNOWN });
    return this.writes.kept(nowMs);
  }

  // Parts ------------------------------------------------------------------------------------------------------------------

  private open(user: User, action: string, peer: Peer, nowMs: number): SignedIn {
    const { session, refreshToken, ended } = this.sessions.open(user.id, peer, nowMs, user.external === null ? IDLE_MS : VOUCHED_MS);
    for (const one of ended) this.sessionEnded(one);
    const after = this.users.noteLogIn(user, nowMs);
    this.note(action, user, `session ${session.id}`, 200, peer, nowMs);
    return { user: after, session, refreshToken };
  }

  private endUnvouched(token: string, peer: Peer, nowMs: number): void {
    const session = this.sessions.ofToken(token);
    if (session === null) return;
    this.sessions.end(session.id);
    this.sessionEnded(session);
    this.note('issuer_ended_session', this.users.get(session.userId), `session ${session.id}`, 401, peer, nowMs);
  }

  private setPassword(user: User, password: PasswordRecord): void {
    this.passwords.set(user.id, password);
    if (user.email !== null) this.links.drop('reset', user.email);
    this.endAll(user.id);
  }

  private endAll(userId: string): number {
    const ended = this.sessions.endAll(userId);
    for (const session of ended) this.sessionEnded(session);
    this.accessChanged(userId);
    return ended.length;
  }

  private sessionEnded({ userId, id }: Session): void {
    this.news.access.push({ userId, sessionId: id });
  }

  private accessChanged(userId: string): void {
    this.news.access.push({ userId, sessionId: null });
  }

  private note(action: string, who: User | null, target: string, status: number, { address, requestId }: Peer, nowMs: number): void {
    this.audit.append({ at: nowMs, by: who?.id ?? '', byName: who === null ? '' : formalName(who), action, target, status, requestId, address });
  }

  private noteBy(action: string, by: Changer, target: string, nowMs: number): void {
    this.audit.append({ at: nowMs, by: by.id, byName: by.name, action, target, status: 200, requestId: by.requestId, address: by.address });
  }
}

function noNews(): AccountsNews {
  return { access: [], deviceKeys: { rows: [], removed: [] } };
}

function userTarget(user: User): string {
  return `user ${user.id} (${formalName(user)})`;
}

/** What somebody may do, in words, so that it can be compared. */
function accessText({ role, meters, regions, isDisabled }: Pick<User, 'role' | 'meters' | 'regions' | 'isDisabled'>): string {
  const parts = [role, ...(meters.length > 0 ? [`meters ${meters.map(heldText).join(' ')}`] : []), ...(regions === 'all' || regions.length > 0 ? [`regions ${regions === 'all' ? 'all' : regions.join(' ')}`] : []), ...(isDisabled ? ['disabled'] : [])];
  return parts.join(', ');
}

/** As `seg user add` takes it: `m-1`, `m-1@2026-03-01T00:00:00.000Z..`. */
function heldText({ meterId, from, until }: HeldMeter): string {
  return from === null && until === null ? meterId : `${meterId}@${timeText(from)}..${timeText(until)}`;
}

function timeText(at: number | null): string {
  return at === null ? '' : new Date(at).toISOString();
}

function changeText(before: User, after: User): string {
  const named = before.name === after.name ? [] : [`name ${JSON.stringify(before.name)} → ${JSON.stringify(after.name)}`];
  const access = accessText(before) === accessText(after) ? [] : [`${accessText(before)} → ${accessText(after)}`];
  return [...named, ...access].join('; ');
}
