import type { Clock } from '../../runtime/clock.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { AccountsState } from './accounts-state.ts';
import type { LogIns } from './log-ins.ts';
import { MailLimits } from './mail-limits.ts';
import type { PasswordHashing } from './password-hashing.ts';
import { checkPassword } from './password-rules.ts';
import type { Asked, User } from './protocol.ts';
import { emailKey } from './user-book.ts';

/** Registering, and another password, by a link in a mail: only who has an address can use it. */

/** Sends what accounts have to tell people. Failures are its own to log. */
export interface AccountMails {
  registered(email: string, name: string, token: string): void;
  /** Somebody registered with an address that has an account. */
  alreadyRegistered(user: User): void;
  reset(user: User, token: string): void;
  close(): Promise<void>;
}

export interface MailedLinksModules {
  state: AccountsState;
  clock: Clock;
  log: Log;
  hashing: PasswordHashing;
  /** null: no mail can be sent. */
  mails: AccountMails | null;
  logIns: LogIns;
  /** As that of the log-ins. */
  turn<T>(apply: (nowMs: number) => T): Promise<T>;
}

export class MailedLinks {
  /** Whether anybody may make an account. */
  private readonly isRegistrationOn: boolean;
  private readonly modules: MailedLinksModules;
  private readonly limits = new MailLimits();

  constructor(isRegistrationOn: boolean, modules: MailedLinksModules) {
    this.isRegistrationOn = isRegistrationOn;
    this.modules = modules;
  }

  /** What comes of it is in the mail alone: the answer neither waits for it nor differs. */
  async register({ email: given, name, peer }: Asked<'register'>): Promise<null> {
    const { mails } = this.modules;
    if (!this.isRegistrationOn || mails === null) throw new OperationalError('registration_off', 'nobody can register here');
    const email = emailKey(given);
    this.limits.take(email, peer.address, this.modules.clock.now());
    this.inBackground(async () => {
      const found = await this.modules.turn((nowMs) => this.modules.state.users.ofEmail(email) ?? this.modules.state.links.make({ kind: 'register', email, name, userId: null }, nowMs));
      if (typeof found === 'string') mails.registered(email, name, found);
      else mails.alreadyRegistered(found);
    });
    return null;
  }

  async verify({ token, password, peer }: Asked<'verify'>): Promise<User> {
    const link = await this.modules.turn((nowMs) => this.modules.state.links.require(token, 'register', nowMs));
    checkPassword(password, link);
    const hash = await this.modules.hashing.hash(password);
    const user = await this.modules.turn((nowMs) => {
      const { email, name } = this.modules.state.links.spend(token, 'register', nowMs);
      return this.modules.state.makeRegistered(email, name, hash, peer, nowMs);
    });
    if (user === null) throw new OperationalError('invalid_link', 'there is an account of this address already');
    return user;
  }

  async requestReset({ email: given, peer }: Asked<'requestReset'>): Promise<null> {
    const { mails } = this.modules;
    if (mails === null) throw new OperationalError('mail_off', 'this engine cannot send mail');
    this.modules.logIns.requirePasswordLogIn(given);
    const email = emailKey(given);
    this.limits.take(email, peer.address, this.modules.clock.now());
    this.inBackground(async () => {
      const made = await this.modules.turn((nowMs) => {
        const user = this.modules.state.users.ofEmail(email);
        if (user === null || user.isDisabled) return null;
        return { user, token: this.modules.state.links.make({ kind: 'reset', email, name: user.name, userId: user.id }, nowMs) };
      });
      if (made !== null) mails.reset(made.user, made.token);
    });
    return null;
  }

  async confirmReset({ token, password, peer }: Asked<'confirmReset'>): Promise<null> {
    const link = await this.modules.turn((nowMs) => this.modules.state.links.require(token, 'reset', nowMs));
    checkPassword(password, link);
    const hash = await this.modules.hashing.hash(password);
    const replaced = await this.modules.turn((nowMs) => {
      const { userId } = this.modules.state.links.spend(token, 'reset', nowMs);
      return this.modules.state.replacePassword(userId ?? '', null, hash, 'password_reset_by_mail', false, peer, nowMs);
    });
    if (replaced === null) throw new OperationalError('invalid_link', 'the account of this link has gone');
    return null;
  }

  private inBackground(work: () => Promise<void>): void {
    work().catch((error: unknown) => this.modules.log.warn({ err: error }, 'a mail that somebody asked for could not be sent'));
  }
}
