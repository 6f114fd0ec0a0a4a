import type { Principal } from '../../model/access.ts';
import type { Clock, TimerHandle, Timers } from '../../runtime/clock.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { Store } from '../../runtime/store.ts';
import { TurnTaker } from '../../runtime/turn-taker.ts';
import { ACCESS_TOKEN_MS, AccessTokens, newSigningKey, NO_TOKEN, type AccessClaims } from './access-tokens.ts';
import { AccountsState, FIRST_ADMIN_EMAIL, type AccountsNews, type ExternalPerson, type SignedIn } from './accounts-state.ts';
import { LogInThrottle } from './log-in-throttle.ts';
import { MailLimits } from './mail-limits.ts';
import type { PasswordHashing } from './password-hashing.ts';
import { checkPassword } from './password-rules.ts';
import { PrincipalCache } from './principal-cache.ts';
import type { AccountAnswers, AccountQuestion, AssignmentOutcome, BegunWrite, Changer, DeviceKeyRow, EndedWrite, KeptWrite, LogIn, MeterAssignment, Peer, TokenFault, User } from './protocol.ts';
import { newOneTimePassword, sha256, type RandomBytes } from './secrets.ts';
import { emailKey } from './user-book.ts';

/**
 * Accounts: who may come in, as whom, and what they did. State changes in turns (runtime/turn-taker.ts); hashes and signatures are made between them, off this thread, so a turn looks again whether what they were made for
 * still holds.
 */

/** Tokens whose signature was seen to be right: some 200 bytes each. */
const TOKENS_MAX = 50_000;
/** Whether it is time for another signing key. */
const KEY_LOOK_MS = 3_600_000;
/** Uses of device keys are written down so often: what a crash takes is a minute of "last used". */
const USES_FLUSH_MS = 60_000;
/** Assigned in one turn. */
const ASSIGNED_AT_ONCE = 200;

export interface AccountsOptions {
  /** Who issues access tokens, as it stands in them. */
  issuer: string;
  /** Of the store: tells refresh tokens from what is none. */
  codeKey: Uint8Array;
  /** Whether anybody may make an account. */
  registration: boolean;
  /** How long a key signs. */
  keyLifeMs: number;
  /** Who logs in with a password: everybody, only the first admin, or nobody, where another issuer vouches for people. */
  passwordLogIn: 'all' | 'first_admin' | 'none';
}

/** Sends what accounts have to tell people. Failures are its own to log. */
export interface AccountMails {
  registered(email: string, name: string, token: string): void;
  /** Somebody registered with an address that has an account. */
  alreadyRegistered(user: User): void;
  reset(user: User, token: string): void;
  close(): Promise<void>;
}

/** Another issuer of tokens. */
export interface ForeignTokens {
  /** Whether the token says that it is from there. */
  claims(token: string): boolean;
  /** Never rejects. */
  verify(token: string): Promise<{ person: ExternalPerson; expiresAt: number } | TokenFault>;
}

export interface AccountsModules {
  store: Store;
  clock: Clock;
  timers: Timers;
  log: Log;
  random: RandomBytes;
  hashing: PasswordHashing;
  /** null: no mail can be sent. */
  mails: AccountMails | null;
  /** null: there is no other issuer. */
  foreign: ForeignTokens | null;
  /** On disk now. */
  onNews(news: AccountsNews): void;
  /** Somebody has to be told the password of the first admin; it is nowhere else. */
  onFirstAdmin(email: string, oneTimePassword: string): void;
  /** It has ended; called once at most. */
  onFailure(error: unknown): void;
}

type WorkKind = 'questions' | 'own';
type Asked<Kind extends AccountQuestion['kind']> = AccountQuestion & { kind: Kind };

export class AccountsActor {
  private readonly options: AccountsOptions;
  private readonly modules: AccountsModules;
  private readonly state: AccountsState;
  private readonly turns: TurnTaker<WorkKind>;
  private readonly tokens: AccessTokens;
  private readonly principals: PrincipalCache;
  private readonly throttle = new LogInThrottle();
  private readonly mailLimits = new MailLimits();
  /** By hash. Of foreign tokens `sessionId` is null. */
  private readonly knownTokens = new Map<string, { userId: string; sessionId: string | null; expiresAt: number }>();
  private uses = new Map<string, number>();
  private readonly intervals: TimerHandle[] = [];
  private renewing: Promise<void> | null = null;

  constructor(options: AccountsOptions, modules: AccountsModules) {
    this.options = options;
    this.modules = modules;
    const { store, clock, timers, log } = modules;
    this.state = new AccountsState(store, { random: modules.random, codeKey: options.codeKey });
    this.tokens = new AccessTokens(options.issuer, modules);
    this.principals = new PrincipalCache(store);
    this.turns = new TurnTaker<WorkKind>(
      { name: 'accounts', kinds: ['questions', 'own'], refusable: ['questions', 'own'] },
      {
        store,
        clock,
        timers,
        log,
        nextDueMs: () => this.state.nextDueMs(),
        tick: (nowMs) => this.state.tick(nowMs),
        flush: () => this.flush(),
        onEnd: () => this.endIntervals(),
        onFailure: (error) => modules.onFailure(error),
      },
    );
  }

  /** Resolves when there is a key to sign with, and somebody who can come in. Rejects with what the store fails with. */
  async start(): Promise<void> {
    this.state.load();
    this.turns.start();
    await this.renewKey();
    await this.makeFirstAdmin();
    this.intervals.push(
      this.modules.timers.every(KEY_LOOK_MS, () => void this.renewKey().catch((error: unknown) => this.modules.log.error({ err: error }, 'no other key to sign tokens with could be made; the one before goes on'))),
      this.modules.timers.every(USES_FLUSH_MS, () => void this.flushUses().catch(() => undefined)),
    );
  }

  /** Rejects as protocol.ts says, or with `unavailable` or `mailbox_full` (both retryable). */
  ask<Kind extends AccountQuestion['kind']>(question: Asked<Kind>): Promise<AccountAnswers[Kind]>;
  ask(question: AccountQuestion): Promise<unknown> {
    switch (question.kind) {
      case 'logIn':
        return this.logIn(question);
      case 'refresh':
        return this.refresh(question);
      case 'logOut':
        return this.turn((nowMs) => this.logOut(question, nowMs));
      case 'changePassword':
        return this.changePassword(question);
      case 'register':
        return this.register(question);
      case 'verify':
        return this.verify(question);
      case 'requestReset':
        return this.requestReset(question);
      case 'confirmReset':
        return this.confirmReset(question);
      case 'makeUser':
        return this.makeUser(question);
      case 'resetPassword':
        return this.resetPassword(question);
      case 'assignMeters':
        return this.assignMeters(question.assignments, question.by);
      default:
        return this.turn((nowMs) => this.answer(question, nowMs));
    }
  }

  // Who it is --------------------------------------------------------------------------------------------------------------

  /** Whose token it is: at once where it was seen before. Neither throws nor rejects. */
  authenticate(token: string): Principal | TokenFault | Promise<Principal | TokenFault> {
    const hash = sha256(token);
    const known = this.knownTokens.get(hash);
    if (known !== undefined && known.expiresAt > this.modules.clock.now()) return this.principalOf(known.userId, known.sessionId);
    this.knownTokens.delete(hash);
    return this.authenticateAnew(token, hash);
  }

  /** What somebody may do now; a fault: nothing. */
  principalOf(userId: string, sessionId: string | null): Principal | TokenFault {
    return this.looked(() => this.principals.of(userId, sessionId));
  }

  /** What somebody may do now, whichever log-in they come with. */
  accountOf(userId: string): Principal | TokenFault {
    return this.looked(() => this.principals.ofAccount(userId));
  }

  jwks(): { keys: readonly object[] } {
    return this.tokens.jwks();
  }

  /** All that count, for a thread that starts. */
  deviceKeyRows(): Promise<DeviceKeyRow[]> {
    return this.turn(() => [...this.state.deviceKeys.rows()]);
  }

  /** Of a device key. Written down within a minute. */
  noteUse(id: string, at: number): void {
    this.uses.set(id, at);
  }

  /** Resolves when it is on disk that somebody is about to change something. Those of one turn share its commit. Rejects with `unavailable` or `mailbox_full`. */
  beginWrite(id: string, write: BegunWrite): Promise<void> {
    return this.turns.take('questions', () => this.state.writes.begin(id, write));
  }

  /** Resolves when they are on disk. */
  endWrites(ended: readonly EndedWrite[], forgotten: readonly string[]): Promise<void> {
    return this.turns.take('own', () => {
      // First: a key that was forgotten may have come again.
      for (const name of forgotten) this.state.writes.forget(name);
      this.state.endWrites(ended);
    });
  }

  /** Once in a life of the engine, before anything is written. */
  endLeftWrites(): Promise<KeptWrite[]> {
    return this.turns.take('own', (nowMs) => this.state.endLeftWrites(nowMs));
  }

  /** Works off what waits, and ends. */
  async stop(): Promise<void> {
    await this.flushUses().catch(() => undefined);
    await this.turns.stop();
  }

  private async authenticateAnew(token: string, hash: string): Promise<Principal | TokenFault> {
    try {
      const { foreign } = this.modules;
      const claims = foreign !== null && foreign.claims(token) ? await this.meet(foreign, token) : await this.tokens.verify(token);
      if ('code' in claims) return claims;
      const principal = this.principalOf(claims.userId, claims.sessionId);
      if (!('code' in principal)) this.rememberToken(hash, claims);
      return principal;
    } catch (error) {
      this.modules.log.warn({ err: error }, 'a token could not be looked at');
      return NO_TOKEN;
    }
  }

  private async meet(foreign: ForeignTokens, token: string): Promise<(Omit<AccessClaims, 'sessionId'> & { sessionId: null }) | TokenFault> {
    const verified = await foreign.verify(token);
    if ('code' in verified) return verified;
    const user = await this.turns.take('own', (nowMs) => this.state.meet(verified.person, nowMs));
    return { userId: user.id, sessionId: null, expiresAt: verified.expiresAt };
  }

  private rememberToken(hash: string, { userId, sessionId, expiresAt }: { userId: string; sessionId: string | null; expiresAt: number }): void {
    this.knownTokens.set(hash, { userId, sessionId, expiresAt });
    if (this.knownTokens.size > TOKENS_MAX) this.knownTokens.delete(this.knownTokens.keys().next().value!);
  }

  // Logging in -------------------------------------------------------------------------------------------------------------

  private async logIn({ email, password, peer }: Asked<'logIn'>): Promise<LogIn> {
    const { user, kept, rehashed, right } = await this.checkedPassword(email, password, 'login_failed', peer);
    right();
    if (kept.isOneTime) throw new OperationalError('password_change_required', 'the password was given by somebody else and has to be replaced');
    const signedIn = await this.turn((nowMs) => this.state.logIn(user.id, kept.hash, rehashed, peer, nowMs));
    if (signedIn === null) throw wrongCredentials();
    return this.signed(signedIn);
  }

  private async changePassword({ email, password, newPassword, peer }: Asked<'changePassword'>): Promise<LogIn> {
    const { user, kept, right } = await this.checkedPassword(email, password, 'password_change_failed', peer);
    right();
    checkPassword(newPassword, { email: user.email ?? '', name: user.name });
    if (newPassword === password) throw new OperationalError('bad_password', 'the new password is the one before');
    const hash = await this.modules.hashing.hash(newPassword);
    const replaced = await this.turn((nowMs) => this.state.replacePassword(user.id, kept.hash, hash, 'password_changed', true, peer, nowMs));
    if (replaced === null || replaced.signedIn === null) throw wrongCredentials();
    return this.signed(replaced.signedIn);
  }

  /** Throws `wrong_credentials`, `too_many_attempts`, `password_login_off`. Of an account that is not there all takes as long and says the same. */
  private async checkedPassword(email: string, password: string, failure: string, peer: Peer): Promise<{ user: User; kept: { hash: string; isOneTime: boolean }; rehashed: string | null; right: () => void }> {
    const { hashing, clock } = this.modules;
    this.requirePasswordLogIn(email);
    const right = this.throttle.begin(emailKey(email), peer.address, clock.now());
    const found = await this.turn(() => this.state.credentials(email));
    const isRight = await hashing.verify(password, found?.password.hash ?? null);
    const isOver = found !== null && (found.user.isDisabled || (found.password.expiresAt !== null && found.password.expiresAt <= clock.now()));
    if (found === null || !isRight || isOver) {
      await this.turn((nowMs) => this.state.noteFailure(failure, emailKey(email), found?.user ?? null, peer, nowMs));
      throw wrongCredentials();
    }
    const rehashed = hashing.isOutdated(found.password.hash) ? await hashing.hash(password) : null;
    return { user: found.user, kept: found.password, rehashed, right };
  }

  private requirePasswordLogIn(email: string): void {
    const { passwordLogIn } = this.options;
    if (passwordLogIn === 'all' || (passwordLogIn === 'first_admin' && emailKey(email) === FIRST_ADMIN_EMAIL)) return;
    throw new OperationalError('password_login_off', 'people log in at another issuer');
  }

  private async refresh({ refreshToken, peer }: Asked<'refresh'>): Promise<LogIn> {
    const signedIn = await this.turn((nowMs) => this.state.refresh(refreshToken, peer, nowMs));
    if (signedIn === null) throw new OperationalError('invalid_refresh_token', 'the refresh token is none, is spent, or is too old');
    return this.signed(signedIn);
  }

  private async signed({ user, session, refreshToken }: SignedIn): Promise<LogIn> {
    const { token, expiresAt } = await this.tokens.sign({ userId: user.id, sessionId: session.id });
    return { user, sessionId: session.id, accessToken: token, accessExpiresAt: expiresAt, refreshToken, refreshExpiresAt: session.expiresAt };
  }

  private logOut({ refreshToken, sessionId, peer }: Asked<'logOut'>, nowMs: number): null {
    const { sessions } = this.state;
    const session = sessionId !== null ? sessions.get(sessionId) : refreshToken !== null ? sessions.ofToken(refreshToken) : null;
    this.state.logOut(session, peer, nowMs);
    return null;
  }

  // By mail ----------------------------------------------------------------------------------------------------------------

  /** What comes of it is in the mail alone: the answer neither waits for it nor differs. */
  private async register({ email: given, name, peer }: Asked<'register'>): Promise<null> {
    const { mails } = this.modules;
    if (!this.options.registration || mails === null || this.options.passwordLogIn !== 'all') throw new OperationalError('registration_off', 'nobody can register here');
    const email = emailKey(given);
    this.mailLimits.take(email, peer.address, this.modules.clock.now());
    this.inBackground(async () => {
      const found = await this.turn((nowMs) => this.state.users.ofEmail(email) ?? this.state.links.make({ kind: 'register', email, name, userId: null }, nowMs));
      if (typeof found === 'string') mails.registered(email, name, found);
      else mails.alreadyRegistered(found);
    });
    return null;
  }

  private async verify({ token, password, peer }: Asked<'verify'>): Promise<User> {
    const link = await this.turn((nowMs) => this.state.links.require(token, 'register', nowMs));
    checkPassword(password, link);
    const hash = await this.modules.hashing.hash(password);
    const user = await this.turn((nowMs) => {
      const { email, name } = this.state.links.spend(token, 'register', nowMs);
      return this.state.makeRegistered(email, name, hash, peer, nowMs);
    });
    if (user === null) throw new OperationalError('invalid_link', 'there is an account of this address already');
    return user;
  }

  private async requestReset({ email: given, peer }: Asked<'requestReset'>): Promise<null> {
    const { mails } = this.modules;
    if (mails === null) throw new OperationalError('mail_off', 'this engine cannot send mail');
    this.requirePasswordLogIn(given);
    const email = emailKey(given);
    this.mailLimits.take(email, peer.address, this.modules.clock.now());
    this.inBackground(async () => {
      const made = await this.turn((nowMs) => {
        const user = this.state.users.ofEmail(email);
        if (user === null || user.isDisabled) return null;
        return { user, token: this.state.links.make({ kind: 'reset', email, name: user.name, userId: user.id }, nowMs) };
      });
      if (made !== null) mails.reset(made.user, made.token);
    });
    return null;
  }

  private async confirmReset({ token, password, peer }: Asked<'confirmReset'>): Promise<null> {
    const link = await this.turn((nowMs) => this.state.links.require(token, 'reset', nowMs));
    checkPassword(password, link);
    const hash = await this.modules.hashing.hash(password);
    const replaced = await this.turn((nowMs) => {
      const { userId } = this.state.links.spend(token, 'reset', nowMs);
      return this.state.replacePassword(userId ?? '', null, hash, 'password_reset_by_mail', false, peer, nowMs);
    });
    if (replaced === null) throw new OperationalError('invalid_link', 'the account of this link has gone');
    return null;
  }

  private inBackground(work: () => Promise<void>): void {
    work().catch((error: unknown) => this.modules.log.warn({ err: error }, 'a mail that somebody asked for could not be sent'));
  }

  // Users ------------------------------------------------------------------------------------------------------------------

  private async makeUser({ user: given, by }: Asked<'makeUser'>): Promise<AccountAnswers['makeUser']> {
    const { oneTimePassword, hash } = await this.newOneTimePassword();
    return { user: await this.turn((nowMs) => this.state.makeUser(given, hash, by, nowMs)), oneTimePassword };
  }

  private async resetPassword({ id, by }: Asked<'resetPassword'>): Promise<AccountAnswers['resetPassword']> {
    const { oneTimePassword, hash } = await this.newOneTimePassword();
    return { user: await this.turn((nowMs) => this.state.resetPassword(id, hash, by, nowMs)), oneTimePassword };
  }

  private async newOneTimePassword(): Promise<{ oneTimePassword: string; hash: string }> {
    const oneTimePassword = newOneTimePassword(this.modules.random);
    return { oneTimePassword, hash: await this.modules.hashing.hash(oneTimePassword) };
  }

  /** Some in each turn: ten thousand would keep all else on this thread waiting. What a failure leaves undone can be sent again. */
  private async assignMeters(assignments: readonly MeterAssignment[], by: Changer): Promise<AssignmentOutcome[]> {
    const outcomes: AssignmentOutcome[] = [];
    for (let at = 0; at < assignments.length; at += ASSIGNED_AT_ONCE) {
      outcomes.push(...(await this.turn((nowMs) => this.state.assignMeters(assignments.slice(at, at + ASSIGNED_AT_ONCE), by, nowMs))));
    }
    return outcomes;
  }

  private answer(question: Exclude<AccountQuestion, { kind: 'logIn' | 'refresh' | 'logOut' | 'changePassword' | 'register' | 'verify' | 'requestReset' | 'confirmReset' | 'makeUser' | 'resetPassword' | 'assignMeters' }>, nowMs: number): unknown {
    const { state } = this;
    switch (question.kind) {
      case 'endSession':
        return state.endSession(question.userId, question.sessionId, question.by, nowMs);
      case 'endSessions':
        return state.endSessions(question.userId, question.by, nowMs);
      case 'sessions':
        return state.sessions.ofUser(question.userId).filter(({ expiresAt }) => expiresAt > nowMs);
      case 'user':
        return state.users.get(question.id);
      case 'users':
        return state.users.page(question.query);
      case 'changeUser':
        return state.changeUser(question.id, question.version, question.change, question.by, nowMs);
      case 'removeUser':
        return state.removeUser(question.id, question.version, question.by, nowMs);
      case 'deviceKeys':
        return state.deviceKeys.page(question.limit, question.cursor);
      case 'makeDeviceKey':
        return state.makeDeviceKey(question, question.by, nowMs);
      case 'revokeDeviceKey':
        return state.revokeDeviceKey(question.id, question.by, nowMs);
      case 'auditLog':
        return state.audit.page(question.query);
    }
  }

  private looked(look: () => Principal | TokenFault): Principal | TokenFault {
    try {
      return look();
    } catch (error) {
      this.modules.log.error({ err: error }, 'an account cannot be read');
      return NO_TOKEN;
    }
  }

  // Its own ----------------------------------------------------------------------------------------------------------------

  private turn<T>(apply: (nowMs: number) => T): Promise<T> {
    return this.turns.take('questions', apply);
  }

  /** One at a time: two would both find the key too old. */
  private renewKey(): Promise<void> {
    this.renewing ??= this.renewKeyNow().finally(() => (this.renewing = null));
    return this.renewing;
  }

  private async renewKeyNow(): Promise<void> {
    const keys = await this.turns.take('own', () => this.state.signingKeys.all());
    const nowMs = this.modules.clock.now();
    // One from the future is of a clock that was set back: it would sign for as long as that was wrong.
    const isGood = keys.length > 0 && nowMs - keys[0].createdAt < this.options.keyLifeMs && keys[0].createdAt <= nowMs + KEY_LOOK_MS;
    if (isGood) return this.tokens.useKeys(keys);
    const key = await newSigningKey(nowMs);
    const renewed = await this.turns.take('own', (turnMs) => {
      this.state.signingKeys.add(key, turnMs, ACCESS_TOKEN_MS);
      return this.state.signingKeys.all();
    });
    await this.tokens.useKeys(renewed);
  }

  private async makeFirstAdmin(): Promise<void> {
    if (this.options.passwordLogIn === 'none') return;
    if (!(await this.turns.take('own', () => this.state.needsFirstAdmin()))) return;
    const { oneTimePassword, hash } = await this.newOneTimePassword();
    await this.turns.take('own', (nowMs) => this.state.makeFirstAdmin(hash, nowMs));
    this.modules.onFirstAdmin(FIRST_ADMIN_EMAIL, oneTimePassword);
  }

  private async flushUses(): Promise<void> {
    const { uses } = this;
    if (uses.size === 0) return;
    this.uses = new Map();
    await this.turns.take('own', () => this.state.deviceKeys.noteUses(uses));
  }

  private flush(): () => void {
    const news = this.state.flush();
    return () => {
      this.state.settle();
      for (const { userId } of news.access) this.principals.forget(userId);
      if (news.access.length > 0 || news.deviceKeys.rows.length > 0 || news.deviceKeys.removed.length > 0) this.modules.onNews(news);
    };
  }

  private endIntervals(): void {
    for (const interval of this.intervals) interval.cancel();
  }
}

function wrongCredentials(): OperationalError {
  return new OperationalError('wrong_credentials', 'the address or the password is wrong');
}
