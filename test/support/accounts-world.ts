import { randomBytes } from 'node:crypto';
import type { AccountsNews } from '../../src/actors/accounts/accounts-state.ts';
import { AccountsActor, type AccountsOptions } from '../../src/actors/accounts/actor.ts';
import type { AccountMails } from '../../src/actors/accounts/mailed-links.ts';
import type { IssuerGrants } from '../../src/actors/accounts/issuer-grants.ts';
import type { ForeignTokens } from '../../src/actors/accounts/token-check.ts';
import { PasswordHashing } from '../../src/actors/accounts/password-hashing.ts';
import type { Changer, HeldMeter, LogIn, NewUser, Peer, User } from '../../src/actors/accounts/protocol.ts';
import type { MeterId, RegionId } from '../../src/model/ids.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';

/** Real accounts over a store in memory, in time that a test moves; hashes are cheap. */

export const START_MS = Date.UTC(2026, 10, 27, 12);
export const PEER: Peer = { address: '192.0.2.7', requestId: 'r-1', userAgent: 'test' };
export const ROOT: Changer = { ...PEER, id: 'usr_root', name: 'root@example.org' };
export const PASSWORD = 'three green kettles';

export interface SentMail {
  kind: 'registered' | 'alreadyRegistered' | 'reset';
  email: string;
  token: string | null;
}

export class AccountsWorld {
  readonly time: VirtualTime;
  readonly mails: SentMail[] = [];
  readonly news: AccountsNews[] = [];
  readonly failures: unknown[] = [];
  /** Of the first admin, the newest last. */
  readonly firstPasswords: string[] = [];
  store: MemoryStore;
  actor!: AccountsActor;
  private readonly options: AccountsOptions;
  private readonly foreign: ForeignTokens | null;
  private readonly signIn: IssuerGrants | null;

  private constructor(options: Partial<AccountsOptions>, { store, time, foreign, signIn }: { store: MemoryStore; time: VirtualTime; foreign: ForeignTokens | null; signIn: IssuerGrants | null }) {
    this.options = { issuer: 'urn:seg:test', codeKey: new Uint8Array(32).fill(7), registration: true, keyLifeMs: 30 * 86_400_000, passwordLogIn: 'all', ...options };
    this.store = store;
    this.time = time;
    this.foreign = foreign;
    this.signIn = signIn;
  }

  static async start(options: Partial<AccountsOptions> = {}, { store = new MemoryStore(), time = new VirtualTime(START_MS), foreign = null, signIn = null }: { store?: MemoryStore; time?: VirtualTime; foreign?: ForeignTokens | null; signIn?: IssuerGrants | null } = {}): Promise<AccountsWorld> {
    const world = new AccountsWorld(options, { store, time, foreign, signIn });
    await world.startActor();
    return world;
  }

  /** A long time in one step: the accounts would look at the clock every five seconds of it. */
  async later(ms: number): Promise<void> {
    this.time.advance(ms);
    await this.time.advanceSettled(0);
  }

  /** The process dies, and another begins with what is on disk. */
  async restart(underWay: 'lost' | 'kept' = 'kept'): Promise<void> {
    this.store = this.store.crash(underWay);
    await this.startActor();
  }

  /** Makes somebody who has chosen their password already. */
  async addUser(email: string, given: Partial<NewUser> = {}): Promise<User> {
    const { user, oneTimePassword } = await this.actor.ask({ kind: 'makeUser', user: { email, name: email, role: 'consumer', meters: [], regions: [], ...given }, by: ROOT });
    await this.actor.ask({ kind: 'changePassword', email, password: oneTimePassword, newPassword: PASSWORD, peer: PEER });
    return user;
  }

  logIn(email: string, password = PASSWORD, peer = PEER): Promise<LogIn> {
    return this.actor.ask({ kind: 'logIn', email, password, peer });
  }

  refresh(refreshToken: string): Promise<LogIn> {
    return this.actor.ask({ kind: 'refresh', refreshToken, peer: PEER });
  }

  /** What a token is worth: the account's id, or the code of the fault. */
  async whose(accessToken: string): Promise<string> {
    const found = await this.actor.tokenCheck.authenticate(accessToken);
    return 'code' in found ? found.code : found.id;
  }

  private async startActor(): Promise<void> {
    const mails: AccountMails = {
      registered: (email, _name, token) => this.mails.push({ kind: 'registered', email, token }),
      alreadyRegistered: ({ email }) => this.mails.push({ kind: 'alreadyRegistered', email: email ?? '', token: null }),
      reset: ({ email }, token) => this.mails.push({ kind: 'reset', email: email ?? '', token }),
      close: async () => {},
    };
    this.actor = new AccountsActor(this.options, {
      store: this.store,
      clock: this.time,
      timers: this.time,
      log: nullLog,
      random: randomBytes,
      hashing: new PasswordHashing({ logN: 1, r: 1, p: 1 }),
      mails,
      foreign: this.foreign,
      signIn: this.signIn,
      onNews: (news) => this.news.push(news),
      onFirstAdmin: (_email, password) => this.firstPasswords.push(password),
      onFailure: (error) => this.failures.push(error),
    });
    await this.actor.start();
  }
}

/** The code that a question is refused with; 'ok' where it is not. */
export async function refusal(asked: Promise<unknown>): Promise<string> {
  return asked.then(
    () => 'ok',
    (error: { code?: string }) => error.code ?? String(error),
  );
}

export const meters = (...ids: string[]): MeterId[] => ids as MeterId[];
/** Theirs always. */
export const held = (...ids: string[]): HeldMeter[] => meters(...ids).map((meterId) => ({ meterId, from: null, until: null }));
export const regions = (...ids: string[]): RegionId[] => ids as RegionId[];
