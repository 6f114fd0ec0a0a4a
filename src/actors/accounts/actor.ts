import type { Clock, TimerHandle, Timers } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Store } from '../../runtime/store.ts';
import { TurnTaker } from '../../runtime/turn-taker.ts';
import { ACCESS_TOKEN_MS, AccessTokens, newSigningKey } from './access-tokens.ts';
import { AccountsState, FIRST_ADMIN_EMAIL, type AccountsNews } from './accounts-state.ts';
import { LogIns, type PasswordLogIn } from './log-ins.ts';
import { MailedLinks, type AccountMails } from './mailed-links.ts';
import type { IssuerGrants } from './issuer-grants.ts';
import type { PasswordHashing } from './password-hashing.ts';
import { PrincipalCache } from './principal-cache.ts';
import type { AccountAnswers, AccountQuestion, Asked, AssignmentOutcome, BegunWrite, Changer, DeviceKeyRow, EndedWrite, KeptWrite, MeterAssignment } from './protocol.ts';
import { newOneTimePassword, type RandomBytes } from './secrets.ts';
import { TokenCheck, type ForeignTokens } from './token-check.ts';

/**
 * Accounts: who may come in, as whom, and what they did. State changes in turns (runtime/turn-taker.ts); hashes and signatures are made between them, off this thread, so a turn looks again whether what they were made for
 * still holds.
 */

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
  passwordLogIn: PasswordLogIn;
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
  /** null: its tokens count, and nobody signs in with it. */
  signIn: IssuerGrants | null;
  /** On disk now. */
  onNews(news: AccountsNews): void;
  /** Somebody has to be told the password of the first admin; it is nowhere else. */
  onFirstAdmin(email: string, oneTimePassword: string): void;
  /** It has ended; called once at most. */
  onFailure(error: unknown): void;
}

type WorkKind = 'questions' | 'own';

export class AccountsActor {
  /** Who comes with a token, and what somebody may do now. */
  readonly tokenCheck: TokenCheck;
  private readonly options: AccountsOptions;
  private readonly modules: AccountsModules;
  private readonly state: AccountsState;
  private readonly turns: TurnTaker<WorkKind>;
  private readonly tokens: AccessTokens;
  private readonly principals: PrincipalCache;
  private readonly logIns: LogIns;
  private readonly links: MailedLinks;
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
    const { state, tokens, principals } = this;
    const turn = <T>(apply: (nowMs: number) => T): Promise<T> => this.turn(apply);
    this.tokenCheck = new TokenCheck({ ...modules, tokens, principals, meet: (person) => this.turns.take('own', (nowMs) => state.meet(person, nowMs)) });
    this.logIns = new LogIns(options.passwordLogIn, { ...modules, state, tokens, turn, issued: (token, claims) => this.tokenCheck.remember(token, claims) });
    this.links = new MailedLinks(options.registration && options.passwordLogIn === 'all', { ...modules, state, logIns: this.logIns, turn });
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
        return this.logIns.logIn(question);
      case 'refresh':
        return this.logIns.refresh(question);
      case 'beginSignIn':
        return this.logIns.beginSignIn(question);
      case 'finishSignIn':
        return this.logIns.finishSignIn(question);
      case 'logOut':
        return this.logIns.logOut(question);
      case 'changePassword':
        return this.logIns.changePassword(question);
      case 'register':
        return this.links.register(question);
      case 'verify':
        return this.links.verify(question);
      case 'requestReset':
        return this.links.requestReset(question);
      case 'confirmReset':
        return this.links.confirmReset(question);
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

  // Beside questions -------------------------------------------------------------------------------------------------------

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

  private answer(question: Exclude<AccountQuestion, { kind: 'logIn' | 'refresh' | 'beginSignIn' | 'finishSignIn' | 'logOut' | 'changePassword' | 'register' | 'verify' | 'requestReset' | 'confirmReset' | 'makeUser' | 'resetPassword' | 'assignMeters' }>, nowMs: number): unknown {
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
