import type { AuditEntry, TokenFault } from '../actors/accounts/protocol.ts';
import { OPEN_PRINCIPAL, type Principal } from '../model/access.ts';

/** What servers ask of the accounts, at the head of every request. Questions and answers of accounts themselves are in actors/accounts/protocol.ts. */

export type { AuditEntry, TokenFault };

export interface AccountsPort {
  /** False: the engine runs without accounts, and `authenticate` gives OPEN_PRINCIPAL for everything. */
  readonly isOn: boolean;
  /** Whose token it is. At once where the token was seen before, else a promise; neither throws nor rejects. The token alone, without `Bearer`. */
  authenticate(token: string): Principal | TokenFault | Promise<Principal | TokenFault>;
  /** Spends a ticket for a stream (POST /api/v1/auth/stream-tickets): each counts once, within its seconds. */
  spendTicket(ticket: string): Principal | TokenFault;
  /** Writes an entry soon; the caller does not wait. Nothing without accounts. */
  audit(entry: AuditEntry): void;
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
  audit: () => undefined,
  onChange: () => () => undefined,
};
