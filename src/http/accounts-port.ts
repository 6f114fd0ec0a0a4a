import type { AuditEntry, BegunWrite, EndedWrite, KeptWrite, TokenFault } from '../actors/accounts/protocol.ts';
import { OPEN_PRINCIPAL, type Principal } from '../model/access.ts';

/** What servers ask of the accounts, at the head of every request. Questions and answers of accounts themselves are in actors/accounts/protocol.ts. */

export type { AuditEntry, BegunWrite, EndedWrite, KeptWrite, TokenFault };

export interface AccountsPort {
  /** False: the engine runs without accounts, and `authenticate` gives OPEN_PRINCIPAL for everything. */
  readonly isOn: boolean;
  /** Whose token it is. At once where the token was seen before, else a promise; neither throws nor rejects. The token alone, without `Bearer`. */
  authenticate(token: string): Principal | TokenFault | Promise<Principal | TokenFault>;
  /** Spends a ticket for a stream (POST /api/v1/auth/stream-tickets): each counts once, within its seconds. */
  spendTicket(ticket: string): Principal | TokenFault;
  /** Resolves when it is on disk that somebody is about to change something: after that it may be changed. `id` is the caller's own, of all different. Rejects with an OperationalError that is worth another try. */
  beginWrite(id: string, write: BegunWrite): Promise<void>;
  /** Writes soon what came of a write, of one that was not begun, too; the caller does not wait. */
  endWrite(ended: EndedWrite): void;
  /** Answers to keys of another life of the engine. */
  keptAnswers(): readonly KeptWrite[];
  /** Some of those that were kept go before their time; the caller does not wait. */
  forgetAnswers(names: readonly string[]): void;
  /**
   * Calls back whenever what a principal may do has changed: logged out, disabled, other meters, regions or role. `sessionId` null: all of the account's. `now` is what it may do from here on, null: nothing.
   * Gives a function that ends it.
   */
  onChange(listener: (accountId: string, sessionId: string | null, now: Principal | null) => void): () => void;
}

/** In the place of accounts in an engine that runs without them. */
export const ACCOUNTS_OFF: AccountsPort = {
  isOn: false,
  authenticate: () => OPEN_PRINCIPAL,
  spendTicket: () => OPEN_PRINCIPAL,
  beginWrite: () => Promise.resolve(),
  endWrite: () => undefined,
  keptAnswers: () => [],
  forgetAnswers: () => undefined,
  onChange: () => () => undefined,
};
