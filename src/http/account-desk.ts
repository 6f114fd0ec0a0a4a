import type { AccountAnswers, AccountQuestion } from '../actors/accounts/protocol.ts';
import { OperationalError } from '../runtime/errors.ts';
import { ACCOUNTS_OFF, type AccountsPort } from './accounts-port.ts';
import type { CookieSettings } from './refresh-cookie.ts';

/** What the routes of accounts ask. Every promise settles; rejections are OperationalErrors with the codes beside each question. */
export interface AccountDesk extends AccountsPort {
  ask<Kind extends AccountQuestion['kind']>(question: AccountQuestion & { kind: Kind }): Promise<AccountAnswers[Kind]>;
  /** For `principal` to open a stream with, once. */
  makeTicket(principal: { id: string; sessionId: string | null }): { ticket: string; expiresAt: number };
  /** Keys that access tokens can be verified with. */
  jwks(): { keys: readonly object[] };
  /** What a page has to know before anybody has logged in. */
  readonly settings: AccountSettingsShape;
  /** Of pages' refresh tokens. */
  readonly cookie: CookieSettings;
  /** Address at which browsers reach the engine; null: no setting says so. */
  readonly publicUrl: string | null;
}

export interface AccountSettingsShape {
  accounts: 'on' | 'off';
  /** Whether anybody may make an account. */
  registration: boolean;
  /** Whether forgotten passwords can be replaced by mail. */
  mail: boolean;
  /** Whether people log in with a password here. */
  passwords: boolean;
  /** Another issuer of tokens that is trusted; `signIn`: people sign in with it by a browser. */
  oidc: { issuer: string; audience: string; signIn: boolean } | null;
}

const refused = (): OperationalError => new OperationalError('accounts_off', 'this engine runs without accounts');

/** In an engine that runs without accounts: whoever reaches it may do everything, and there is nobody to ask about. */
export const NO_ACCOUNTS: AccountDesk = {
  ...ACCOUNTS_OFF,
  ask: () => Promise.reject(refused()),
  makeTicket: () => {
    throw refused();
  },
  jwks: () => ({ keys: [] }),
  settings: { accounts: 'off', registration: false, mail: false, passwords: false, oidc: null },
  cookie: { isSecure: false },
  publicUrl: null,
};
