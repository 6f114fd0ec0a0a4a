import type { HeldSpan } from '../../model/held-time.ts';
import type { MeterId, RegionId } from '../../model/ids.ts';
import type { Role } from '../../model/access.ts';
import type { Page } from '../../model/queries.ts';

/** What accounts are asked, and what they answer. Questions reject with OperationalErrors of the codes that stand beside them. */

/** Why a token counts for nobody. `detail` is for people and says nothing about accounts. */
export interface TokenFault {
  code: 'invalid_token' | 'expired_token' | 'revoked_token';
  detail: string;
}

/** A change that somebody made, for the append-only audit log. */
export interface AuditEntry {
  /** Epoch ms. */
  at: number;
  /** Account id, and its name as it was then. */
  by: string;
  byName: string;
  /** operationId of the API, or a word of the accounts such as `login_failed`. */
  action: string;
  /** What it was done to: the path of the request. */
  target: string;
  /** HTTP status of the answer; 0: nobody knows, as the engine ended while it was under way. */
  status: number;
  requestId: string;
  /** IP address of the peer. */
  address: string;
}

/** As it is kept: each entry carries the hash of the one before, so that none can be changed or taken out of the middle unseen. */
export interface AuditRecord extends AuditEntry {
  /** From 1 on, without gaps. */
  seq: number;
  /** SHA-256 in hex of the entry before; 64 zeros before the first. */
  before: string;
  /** SHA-256 in hex of this one. */
  hash: string;
}

/** A key that a write was sent with (Idempotency-Key). */
export interface WriteKey {
  /** Of the key, whose it is and what it is for: a hash. */
  name: string;
  /** Of the request. */
  fingerprint: string;
  /** Until when its answer is kept, epoch ms. */
  until: number;
}

/** A write of the API before it is done. */
export interface BegunWrite extends Omit<AuditEntry, 'status'> {
  key: WriteKey | null;
}

/** An answer as it was sent. */
export interface WriteAnswer {
  status: number;
  /** null: without a body. */
  type: string | null;
  body: string | Uint8Array;
  headers: readonly (readonly [name: string, value: string])[];
}

/** `unknown`: the engine ended while it was under way. `secret`: it was done, and what it said is not written down. */
export interface KeptWrite extends WriteKey {
  answer: WriteAnswer | 'unknown' | 'secret';
}

/** What came of a write. */
export interface EndedWrite {
  /** That `begin` was given; null: it was not begun, and nothing came of it. */
  id: string | null;
  entry: AuditEntry;
  /** For who sends its key again; null: the key is free. */
  answer: WriteAnswer | 'secret' | null;
}

/** Where a request comes from. */
export interface Peer {
  address: string;
  requestId: string;
  /** As the client says; cut to its bound. */
  userAgent: string;
}

/** Who changes something, and from where. */
export interface Changer extends Peer {
  id: string;
  name: string;
}

export interface Preferences {
  /** Language of pages and mails, IANA zone, look; null: as the browser says. */
  locale: 'de' | 'en' | null;
  zone: string | null;
  theme: 'light' | 'dark' | null;
}

/** As another issuer of tokens calls somebody. */
export interface ExternalIdentity {
  issuer: string;
  subject: string;
  /** When the newest of their tokens was made, as far as it was written down, epoch ms. */
  issuedAt: number;
}

/** A meter, and one of the times in which it is somebody's. */
export interface HeldMeter extends HeldSpan {
  meterId: MeterId;
}

/** A person, or a program that logs in as one. Hashes and tokens are in records of their own. */
export interface User {
  id: string;
  /** In small letters; null where another issuer vouches for the person and names none. */
  email: string | null;
  name: string;
  role: Role;
  /** Of a consumer; those of a meter in order, and with something between any two. */
  meters: HeldMeter[];
  /** Of an operator. */
  regions: RegionId[] | 'all';
  isDisabled: boolean;
  /** As another issuer calls them; null: they log in here. */
  external: ExternalIdentity | null;
  preferences: Preferences;
  /** Epoch ms. */
  createdAt: number;
  lastLoginAt: number | null;
  /** Rises with every change but a log-in. */
  version: number;
}

/** `null`: as it was. */
export interface UserChange {
  name?: string;
  role?: Role;
  meters?: readonly HeldMeter[];
  regions?: readonly RegionId[] | 'all';
  isDisabled?: boolean;
  preferences?: Preferences;
}

export interface NewUser {
  email: string;
  name: string;
  role: Role;
  meters: readonly HeldMeter[];
  regions: readonly RegionId[] | 'all';
}

/** A log-in that goes on. */
export interface Session {
  id: string;
  userId: string;
  createdAt: number;
  lastUsedAt: number;
  /** When it ends unless it is used before. */
  expiresAt: number;
  /** Of the last use. */
  address: string;
  userAgent: string;
}

export interface LogIn {
  user: User;
  sessionId: string;
  accessToken: string;
  accessExpiresAt: number;
  refreshToken: string;
  refreshExpiresAt: number;
}

/** Why nobody is signed in who was sent to another issuer: it cannot be asked; it or the person did not want to; it does not take this engine for a client; what it says proves nobody; nobody began here what came back; the account of here is disabled. */
export type SignInFault = 'issuer_away' | 'refused' | 'client_refused' | 'not_proven' | 'state_lost' | 'account_disabled';

/** A browser goes to `location` and keeps `flow`, for `lifeMs`. */
export interface BegunSignIn {
  location: string;
  flow: string;
  lifeMs: number;
}

/** Parameters that somebody comes back with (RFC 6749, RFC 9207). */
export interface SignInAnswer {
  state?: string;
  code?: string;
  iss?: string;
  error?: string;
  error_description?: string;
}

/** What a device key may send readings of. */
export type DeviceScope = 'all' | { meters: MeterId[] } | { regions: RegionId[] };

export interface DeviceKey {
  id: string;
  name: string;
  scope: DeviceScope;
  createdAt: number;
  /** Name of who made it. */
  createdBy: string;
  expiresAt: number | null;
  revokedAt: number | null;
  lastUsedAt: number | null;
}

/** A key as ingest threads know it. */
export interface DeviceKeyRow {
  /** SHA-256 of the key, hex. */
  hash: string;
  id: string;
  scope: DeviceScope;
  /** Epoch ms; null: never. */
  expiresAt: number | null;
}

/** What has become of device keys: rows that count from now on, and hashes of those that do not. */
export interface DeviceKeyChange {
  rows: readonly DeviceKeyRow[];
  removed: readonly string[];
}

export interface MeterAssignment extends HeldMeter {
  /** Id or e-mail address of a user. */
  user: string;
  /** Adds this time to those in which the meter is theirs; false takes it away from them. */
  isAssigned: boolean;
}

export interface AssignmentOutcome {
  meterId: MeterId;
  user: string;
  outcome: 'assigned' | 'removed' | 'unchanged' | 'unknown_user' | 'not_a_consumer' | 'too_many_meters';
}

export interface UserQuery {
  role: Role | null;
  /** Beginning of an e-mail address. */
  emailPrefix: string | null;
  /** Whose a meter is, was or will be. */
  meterId: MeterId | null;
  limit: number;
  cursor: string | null;
}

export interface AuditQuery {
  /** Account id. */
  by: string | null;
  action: string | null;
  /** [from, to), epoch ms. */
  from: number;
  to: number;
  limit: number;
  cursor: string | null;
}

export type AccountQuestion =
  /** `wrong_credentials`, `password_change_required`, `too_many_attempts` (`retryAfterMs`), `password_login_off`. */
  | { kind: 'logIn'; email: string; password: string; peer: Peer }
  /** `invalid_refresh_token` */
  | { kind: 'refresh'; refreshToken: string; peer: Peer }
  /** `sign_in_off`. `redirectUri` is where people come back to, and `from` comes back with them. */
  | { kind: 'beginSignIn'; redirectUri: string; from: string }
  /** `sign_in_off`. `flow` as it was given to the browser; null: it has none. */
  | { kind: 'finishSignIn'; flow: string | null; answer: SignInAnswer; peer: Peer }
  /** Of any token: one that is none has nothing to end. */
  | { kind: 'logOut'; refreshToken: string | null; sessionId: string | null; peer: Peer }
  | { kind: 'endSessions'; userId: string; by: Changer }
  /** `unknown_session` */
  | { kind: 'endSession'; userId: string; sessionId: string; by: Changer }
  | { kind: 'sessions'; userId: string }
  /** As logIn, and `bad_password`. Every log-in of the account ends, and another begins. */
  | { kind: 'changePassword'; email: string; password: string; newPassword: string; peer: Peer }
  /** `registration_off`, `too_many_mails` */
  | { kind: 'register'; email: string; name: string; peer: Peer }
  /** `invalid_link`, `bad_password`. Makes the account that somebody registered for. */
  | { kind: 'verify'; token: string; password: string; peer: Peer }
  /** `mail_off`, `too_many_mails`. The same whether there is such an account or not. */
  | { kind: 'requestReset'; email: string; peer: Peer }
  /** `invalid_link`, `bad_password` */
  | { kind: 'confirmReset'; token: string; password: string; peer: Peer }
  | { kind: 'user'; id: string }
  /** `bad_cursor` */
  | { kind: 'users'; query: UserQuery }
  /** `email_taken`. Gives a one-time password. */
  | { kind: 'makeUser'; user: NewUser; by: Changer }
  /** `unknown_user`, `stale_version`, `last_admin`, `bad_access`, `external_user` */
  | { kind: 'changeUser'; id: string; version: number | null; change: UserChange; by: Changer }
  /** `unknown_user`, `last_admin` */
  | { kind: 'removeUser'; id: string; version: number | null; by: Changer }
  /** `unknown_user`, `external_user`. Gives a one-time password; every log-in of the account ends. */
  | { kind: 'resetPassword'; id: string; by: Changer }
  | { kind: 'assignMeters'; assignments: readonly MeterAssignment[]; by: Changer }
  | { kind: 'deviceKeys'; limit: number; cursor: string | null }
  /** `too_many` */
  | { kind: 'makeDeviceKey'; name: string; scope: DeviceScope; expiresAt: number | null; by: Changer }
  /** `unknown_device_key` */
  | { kind: 'revokeDeviceKey'; id: string; by: Changer }
  /** `bad_cursor` */
  | { kind: 'auditLog'; query: AuditQuery };

export type Asked<Kind extends AccountQuestion['kind']> = AccountQuestion & { kind: Kind };

export interface AccountAnswers {
  logIn: LogIn;
  refresh: LogIn;
  beginSignIn: BegunSignIn | { fault: SignInFault };
  finishSignIn: { from: string } & ({ logIn: LogIn } | { fault: SignInFault });
  logOut: null;
  endSessions: number;
  endSession: null;
  sessions: Session[];
  changePassword: LogIn;
  register: null;
  verify: User;
  requestReset: null;
  confirmReset: null;
  user: User | null;
  users: Page<User>;
  makeUser: { user: User; oneTimePassword: string };
  changeUser: User;
  removeUser: null;
  resetPassword: { user: User; oneTimePassword: string };
  assignMeters: AssignmentOutcome[];
  deviceKeys: Page<DeviceKey>;
  /** The key itself is shown this once. */
  makeDeviceKey: { deviceKey: DeviceKey; key: string };
  revokeDeviceKey: DeviceKey;
  auditLog: Page<AuditRecord>;
}
