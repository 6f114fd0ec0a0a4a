import { randomBytes } from 'node:crypto';
import type { AccountsNews } from '../actors/accounts/accounts-state.ts';
import { AccountsActor, type AccountsOptions } from '../actors/accounts/actor.ts';
import type { AccountMails } from '../actors/accounts/mailed-links.ts';
import { IssuerGrants } from '../actors/accounts/issuer-grants.ts';
import { OidcIssuer } from '../actors/accounts/oidc-issuer.ts';
import { OidcSignIn } from '../actors/accounts/oidc-sign-in.ts';
import { PasswordHashing } from '../actors/accounts/password-hashing.ts';
import type { AccountQuestion, BegunWrite, DeviceKeyChange, DeviceKeyRow, EndedWrite, KeptWrite, TokenFault } from '../actors/accounts/protocol.ts';
import { StreamTickets } from '../actors/accounts/stream-tickets.ts';
import type { ForeignTokens } from '../actors/accounts/token-check.ts';
import type { AccountDesk, AccountSettingsShape } from '../http/account-desk.ts';
import type { CookieSettings } from '../http/refresh-cookie.ts';
import type { Principal } from '../model/access.ts';
import type { Clock, TimerHandle, Timers } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { Store } from '../runtime/store.ts';
import { accountMails } from './account-mails.ts';
import type { EngineConfig } from './engine-config.ts';
import { accountsDirectory, openAccountStore } from './open-account-store.ts';

/** Accounts on the main thread: the store stays open; the actor over it is made anew when a commit failed, as after a full disk. What came of writes waits meanwhile. */

const RESTART_MS = 1_000;
/** Writes of the API whose ends wait to be written: some seconds of them. What came of those past it nobody will know, and the log says so. */
const ENDS_WAITING_MAX = 10_000;
/** Written in one turn. */
const ENDS_AT_ONCE = 256;

export interface EngineAccountsModules {
  clock: Clock;
  timers: Timers;
  log: Log;
  mails: AccountMails | null;
  foreign: ForeignTokens | null;
  /** Absent or null: nobody signs in with another issuer. */
  signIn?: IssuerGrants | null;
  /** Tells whoever starts the engine the password of the first admin; it is nowhere else. */
  onFirstAdmin(email: string, oneTimePassword: string): void;
  hashing?: PasswordHashing;
}

/** Opens the store in the data directory, or makes it, and starts the accounts over it. Rejects with OperationalError `corrupt`, `format`, `storage_full`, `storage_failed`. */
export async function startAccounts(config: EngineConfig, modules: Pick<EngineAccountsModules, 'clock' | 'timers' | 'log' | 'onFirstAdmin'>): Promise<EngineAccounts> {
  const { publicUrl, oidcIssuer, oidcAudience } = config;
  const { store, id, codeKey } = await openAccountStore(accountsDirectory(config.dataDir));
  const passwordLogIn = oidcIssuer === null ? 'all' : config.oidcKeepAdmin ? 'first_admin' : 'none';
  const options: AccountsOptions = { issuer: publicUrl ?? `urn:smart-energy-grid:${id}`, codeKey, registration: config.registration, keyLifeMs: config.signingKeyLifeMs, passwordLogIn };
  const settings: AccountSettingsShape = {
    accounts: 'on',
    registration: config.registration,
    mail: config.smtpUrl !== null,
    passwords: passwordLogIn !== 'none',
    oidc: oidcIssuer === null ? null : { issuer: oidcIssuer, audience: oidcAudience ?? '', signIn: config.oidcClientId !== null },
  };
  const cookie = { isSecure: publicUrl?.startsWith('https:') === true };
  const accounts = new EngineAccounts(store, options, { settings, cookie, publicUrl }, { ...modules, mails: await accountMails(config, modules), ...anotherIssuer(config, modules) });
  try {
    await accounts.start();
  } catch (error) {
    await accounts.stop().catch(() => undefined);
    throw error;
  }
  return accounts;
}

/** Whose tokens count, and with whom people sign in. */
function anotherIssuer({ oidcIssuer, oidcAudience, oidcRolesClaim, oidcRegionsClaim, oidcClientId, oidcClientSecret, oidcScopes }: EngineConfig, modules: { clock: Clock; log: Log }): Pick<EngineAccountsModules, 'foreign' | 'signIn'> {
  if (oidcIssuer === null || oidcAudience === null) return { foreign: null };
  const issuer = new OidcIssuer({ issuer: oidcIssuer, audience: oidcAudience, rolesClaim: oidcRolesClaim, regionsClaim: oidcRegionsClaim }, modules);
  if (oidcClientId === null) return { foreign: issuer };
  const signIn = new OidcSignIn({ clientId: oidcClientId, clientSecret: oidcClientSecret, scopes: oidcScopes }, { ...modules, issuer, random: randomBytes });
  return { foreign: issuer, signIn: new IssuerGrants(signIn, modules) };
}

type ChangeListener = Parameters<AccountDesk['onChange']>[0];
/** Resolves when it goes by the change. */
type KeysListener = (change: DeviceKeyChange) => Promise<void> | void;

interface KeysFollower {
  heard: KeysListener;
  restarted(): void;
}

/** Questions that are answered when every ingest thread goes by what they changed: the next reading is taken, or refused, on any of them. */
const KEY_CHANGES: ReadonlySet<AccountQuestion['kind']> = new Set(['makeDeviceKey', 'revokeDeviceKey']);

export class EngineAccounts implements AccountDesk {
  readonly isOn = true;
  readonly settings: AccountSettingsShape;
  readonly cookie: CookieSettings;
  readonly publicUrl: string | null;
  // TypeScript does not see that a method of the port's own type is one.
  readonly ask = ((question: AccountQuestion) => this.answer(question)) as unknown as AccountDesk['ask'];
  private readonly store: Store;
  private readonly options: AccountsOptions;
  private readonly modules: EngineAccountsModules;
  private readonly hashing: PasswordHashing;
  private readonly tickets = new StreamTickets(randomBytes);
  private readonly listeners = new Set<ChangeListener>();
  private readonly keysFollowers = new Set<KeysFollower>();
  /** Of the newest change of device keys and those before: everybody goes by it. */
  private keysTold: Promise<unknown> = Promise.resolve();
  private actor: AccountsActor;
  private waiting: EndedWrite[] = [];
  /** Names of kept answers that go. */
  private forgotten: string[] = [];
  private kept: KeptWrite[] = [];
  private writing: Promise<void> | null = null;
  private endsLost = 0;
  private restart: TimerHandle | null = null;
  private isStopped = false;

  /** `store` is the accounts' from now on, and closed by `stop`. */
  constructor(store: Store, options: AccountsOptions, pages: { settings: AccountSettingsShape; cookie: CookieSettings; publicUrl?: string | null }, modules: EngineAccountsModules) {
    this.store = store;
    this.options = options;
    this.settings = pages.settings;
    this.cookie = pages.cookie;
    this.publicUrl = pages.publicUrl ?? null;
    this.modules = modules;
    this.hashing = modules.hashing ?? new PasswordHashing();
    this.actor = this.makeActor();
  }

  /** Rejects with what the store fails with. */
  async start(): Promise<void> {
    await this.actor.start();
    this.kept = await this.actor.endLeftWrites();
  }

  authenticate(token: string): Principal | TokenFault | Promise<Principal | TokenFault> {
    return this.actor.tokenCheck.authenticate(token);
  }

  makeTicket({ id, sessionId }: { id: string; sessionId: string | null }): { ticket: string; expiresAt: number } {
    return this.tickets.make(id, sessionId, this.modules.clock.now());
  }

  spendTicket(ticket: string): Principal | TokenFault {
    const found = this.tickets.spend(ticket, this.modules.clock.now());
    return found === null ? NO_TICKET : this.actor.tokenCheck.principalOf(found.userId, found.sessionId);
  }

  jwks(): { keys: readonly object[] } {
    return this.actor.jwks();
  }

  beginWrite(id: string, write: BegunWrite): Promise<void> {
    return this.actor.beginWrite(id, write);
  }

  endWrite(ended: EndedWrite): void {
    // One that was begun is on disk, and is noted by the next engine as one of which nobody knows.
    if (this.waiting.length >= ENDS_WAITING_MAX) {
      this.endsLost++;
      return;
    }
    this.waiting.push(ended);
    void this.writeEnds();
  }

  keptAnswers(): readonly KeptWrite[] {
    return this.kept;
  }

  forgetAnswers(names: readonly string[]): void {
    this.forgotten.push(...names);
  }

  onChange(listener: ChangeListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /**
   * All device keys that count, for an ingest thread that starts; changes come to `heard` from then on. Gives what ends that. `restarted`: the accounts have begun again from what is on disk, after a commit of
   * which nobody knows whether it is; all keys have to be asked for anew.
   */
  async followDeviceKeys(heard: KeysListener, restarted: () => void = () => undefined): Promise<{ rows: DeviceKeyRow[]; end: () => void }> {
    const follower: KeysFollower = { heard, restarted };
    this.keysFollowers.add(follower);
    const end = (): void => void this.keysFollowers.delete(follower);
    try {
      return { rows: await this.actor.deviceKeyRows(), end };
    } catch (error) {
      end();
      throw error;
    }
  }

  /** Of a device key by an ingest thread. */
  noteUse(id: string, at: number): void {
    this.actor.noteUse(id, at);
  }

  /** Writes what waits, and closes the store. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.restart?.cancel();
    await this.writeEnds();
    await this.actor.stop();
    await this.modules.mails?.close();
    await this.store.close();
  }

  private async answer(question: AccountQuestion): Promise<unknown> {
    const answered: unknown = await this.actor.ask(question as never);
    if (KEY_CHANGES.has(question.kind)) await this.keysTold;
    return answered;
  }

  private makeActor(): AccountsActor {
    const { clock, timers, log, mails, foreign, signIn = null, onFirstAdmin } = this.modules;
    return new AccountsActor(this.options, {
      store: this.store,
      clock,
      timers,
      log,
      random: randomBytes,
      hashing: this.hashing,
      mails,
      foreign,
      signIn,
      onNews: (news) => this.tell(news),
      onFirstAdmin,
      onFailure: () => this.restartSoon(),
    });
  }

  private restartSoon(): void {
    if (this.isStopped || this.restart !== null) return;
    this.restart = this.modules.timers.after(RESTART_MS, () => {
      this.restart = null;
      const next = this.makeActor();
      next.start().then(
        () => {
          this.actor = next;
          this.modules.log.info({}, 'accounts can be changed again');
          void this.writeEnds();
          for (const follower of [...this.keysFollowers]) follower.restarted();
        },
        () => this.restartSoon(),
      );
    });
  }

  private tell({ access, deviceKeys }: AccountsNews): void {
    for (const { userId, sessionId } of access) {
      const now = sessionId === null ? this.actor.tokenCheck.accountOf(userId) : this.actor.tokenCheck.principalOf(userId, sessionId);
      for (const listener of this.listeners) listener(userId, sessionId, 'code' in now ? null : now);
    }
    if (deviceKeys.rows.length > 0 || deviceKeys.removed.length > 0) this.keysTold = Promise.all([this.keysTold, ...[...this.keysFollowers].map(({ heard }) => heard(deviceKeys))]);
  }

  private writeEnds(): Promise<void> {
    this.writing ??= this.writeAll().finally(() => (this.writing = null));
    return this.writing;
  }

  /** In order, some at a time; those that cannot be written stay. */
  private async writeAll(): Promise<void> {
    try {
      while (this.waiting.length + this.forgotten.length > 0) {
        const [ended, forgotten] = [this.waiting.slice(0, ENDS_AT_ONCE), this.forgotten.slice(0, ENDS_AT_ONCE)];
        await this.actor.endWrites(ended, forgotten);
        this.waiting.splice(0, ended.length);
        this.forgotten.splice(0, forgotten.length);
      }
      if (this.endsLost > 0) this.modules.log.error({ writes: this.endsLost }, 'what came of writes could not be written down for too long; the audit log says at the next start that nobody knows');
      this.endsLost = 0;
    } catch {
      // They are written when the accounts go on.
    }
  }
}

const NO_TICKET: TokenFault = { code: 'invalid_token', detail: 'The ticket is none, is spent, or is too old. POST /api/v1/auth/stream-tickets gives another.' };
