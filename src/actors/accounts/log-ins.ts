import type { Clock } from '../../runtime/clock.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { AccessClaims, AccessTokens } from './access-tokens.ts';
import { FIRST_ADMIN_EMAIL, type AccountsState, type SignedIn, type Word } from './accounts-state.ts';
import type { IssuerGrants } from './issuer-grants.ts';
import { LogInThrottle } from './log-in-throttle.ts';
import type { PasswordHashing } from './password-hashing.ts';
import { checkPassword } from './password-rules.ts';
import type { AccountAnswers, Asked, LogIn, Peer, User } from './protocol.ts';
import { emailKey } from './user-book.ts';

/** Coming in with a password or from another issuer, staying in with a refresh token, and going. Hashes are compared, and issuers asked, between turns. */

/** Who logs in with a password: everybody, only the first admin, or nobody, where another issuer vouches for people. */
export type PasswordLogIn = 'all' | 'first_admin' | 'none';

export interface LogInsModules {
  state: AccountsState;
  clock: Clock;
  hashing: PasswordHashing;
  tokens: AccessTokens;
  /** Hears of each token that was signed. */
  issued(token: string, claims: AccessClaims): void;
  /** null: nobody signs in with another issuer. */
  signIn: IssuerGrants | null;
  /** Does it in a turn of the accounts, and resolves when what it changed is on disk. */
  turn<T>(apply: (nowMs: number) => T): Promise<T>;
}

export class LogIns {
  private readonly passwordLogIn: PasswordLogIn;
  private readonly modules: LogInsModules;
  private readonly throttle = new LogInThrottle();

  constructor(passwordLogIn: PasswordLogIn, modules: LogInsModules) {
    this.passwordLogIn = passwordLogIn;
    this.modules = modules;
  }

  async logIn({ email, password, peer }: Asked<'logIn'>): Promise<LogIn> {
    const { user, kept, rehashed, right } = await this.checkedPassword(email, password, 'login_failed', peer);
    right();
    if (kept.isOneTime) throw new OperationalError('password_change_required', 'the password was given by somebody else and has to be replaced');
    const signedIn = await this.modules.turn((nowMs) => this.modules.state.logIn(user.id, kept.hash, rehashed, peer, nowMs));
    if (signedIn === null) throw wrongCredentials();
    return this.signed(signedIn);
  }

  async changePassword({ email, password, newPassword, peer }: Asked<'changePassword'>): Promise<LogIn> {
    const { user, kept, right } = await this.checkedPassword(email, password, 'password_change_failed', peer);
    right();
    checkPassword(newPassword, { email: user.email ?? '', name: user.name });
    if (newPassword === password) throw new OperationalError('bad_password', 'the new password is the one before');
    const hash = await this.modules.hashing.hash(newPassword);
    const replaced = await this.modules.turn((nowMs) => this.modules.state.replacePassword(user.id, kept.hash, hash, 'password_changed', true, peer, nowMs));
    if (replaced === null || replaced.signedIn === null) throw wrongCredentials();
    return this.signed(replaced.signedIn);
  }

  async refresh({ refreshToken, peer }: Asked<'refresh'>): Promise<LogIn> {
    const word = await this.wordOf(refreshToken);
    const signedIn = await this.modules.turn((nowMs) => this.modules.state.refresh(refreshToken, word, peer, nowMs));
    if (signedIn === null) throw new OperationalError('invalid_refresh_token', 'the refresh token is none, is spent, or is too old');
    return this.signed(signedIn);
  }

  async beginSignIn({ redirectUri, from }: Asked<'beginSignIn'>): Promise<AccountAnswers['beginSignIn']> {
    return this.requireSignIn().begin(redirectUri, from);
  }

  async finishSignIn({ flow, answer, peer }: Asked<'finishSignIn'>): Promise<AccountAnswers['finishSignIn']> {
    const signIn = this.requireSignIn();
    const ended = await signIn.finish(flow, answer);
    if ('fault' in ended) return ended;
    const { from, voucher } = ended;
    const signedIn = await this.modules.turn((nowMs) => this.modules.state.logInExternal(voucher.person, peer, nowMs));
    if (signedIn === null) return { from, fault: 'account_disabled' };
    signIn.keep(signedIn.session.id, voucher.refreshToken);
    return { from, logIn: await this.signed(signedIn) };
  }

  logOut({ refreshToken, sessionId, peer }: Asked<'logOut'>): Promise<null> {
    const { state, signIn } = this.modules;
    return this.modules.turn((nowMs) => {
      const session = sessionId !== null ? state.sessions.get(sessionId) : refreshToken !== null ? state.sessions.ofToken(refreshToken) : null;
      state.logOut(session, peer, nowMs);
      if (session !== null) signIn?.drop(session.id);
      return null;
    });
  }

  /** Throws `password_login_off`. */
  requirePasswordLogIn(email: string): void {
    const { passwordLogIn } = this;
    if (passwordLogIn === 'all' || (passwordLogIn === 'first_admin' && emailKey(email) === FIRST_ADMIN_EMAIL)) return;
    throw new OperationalError('password_login_off', 'people log in at another issuer');
  }

  /** Throws `wrong_credentials`, `too_many_attempts`, `password_login_off`. Of an account that is not there all takes as long and says the same. */
  private async checkedPassword(email: string, password: string, failure: string, peer: Peer): Promise<{ user: User; kept: { hash: string; isOneTime: boolean }; rehashed: string | null; right: () => void }> {
    const { hashing, clock } = this.modules;
    this.requirePasswordLogIn(email);
    const right = this.throttle.begin(emailKey(email), peer.address, clock.now());
    const found = await this.modules.turn(() => this.modules.state.credentials(email));
    const isRight = await hashing.verify(password, found?.password.hash ?? null);
    const isOver = found !== null && (found.user.isDisabled || (found.password.expiresAt !== null && found.password.expiresAt <= clock.now()));
    if (found === null || !isRight || isOver) {
      await this.modules.turn((nowMs) => this.modules.state.noteFailure(failure, emailKey(email), found?.user ?? null, peer, nowMs));
      throw wrongCredentials();
    }
    const rehashed = hashing.isOutdated(found.password.hash) ? await hashing.hash(password) : null;
    return { user: found.user, kept: found.password, rehashed, right };
  }

  /** What another issuer says now of whose a token is. */
  private async wordOf(refreshToken: string): Promise<Word> {
    const { signIn, state, turn } = this.modules;
    const vouched = signIn === null ? null : await turn((nowMs) => state.vouchedSession(refreshToken, nowMs));
    return vouched === null ? null : signIn!.ask(vouched.sessionId, vouched.subject);
  }

  private requireSignIn(): IssuerGrants {
    if (this.modules.signIn === null) throw new OperationalError('sign_in_off', 'nobody signs in with another issuer here');
    return this.modules.signIn;
  }

  private async signed({ user, session, refreshToken }: SignedIn): Promise<LogIn> {
    const holder = { userId: user.id, sessionId: session.id };
    const { token, expiresAt } = await this.modules.tokens.sign(holder);
    this.modules.issued(token, { ...holder, expiresAt });
    return { user, sessionId: session.id, accessToken: token, accessExpiresAt: expiresAt, refreshToken, refreshExpiresAt: session.expiresAt };
  }
}

function wrongCredentials(): OperationalError {
  return new OperationalError('wrong_credentials', 'the address or the password is wrong');
}
