import { ACCOUNTS_OFF, type AccountsPort, type TokenFault } from '../../src/http/accounts-port.ts';
import { OPEN_PRINCIPAL, type Principal } from '../../src/model/access.ts';
import { ALWAYS } from '../../src/model/held-time.ts';
import type { MeterId, RegionId } from '../../src/model/ids.ts';

/** Accounts without passwords: tokens and tickets that a test hands out. */

const UNKNOWN: TokenFault = { code: 'invalid_token', detail: 'the token is not one of ours' };

export class LiveAccounts implements AccountsPort {
  isOn = true;
  /** Of whom, by token. */
  readonly tokens = new Map<string, Principal>();
  readonly tickets = new Map<string, Principal>();
  readonly listeners = new Set<Parameters<AccountsPort['onChange']>[0]>();
  /** Answers with a promise, as for a token that was not seen before. */
  isSlow = false;
  /** Tokens that were looked up. */
  asked = 0;

  authenticate(token: string): Principal | TokenFault | Promise<Principal | TokenFault> {
    this.asked++;
    const found = this.tokens.get(token) ?? UNKNOWN;
    return this.isSlow ? new Promise((resolve) => setTimeout(() => resolve(found), 20)) : found;
  }

  spendTicket(ticket: string): Principal | TokenFault {
    const found = this.tickets.get(ticket);
    this.tickets.delete(ticket);
    return found ?? UNKNOWN;
  }

  readonly beginWrite = ACCOUNTS_OFF.beginWrite;
  readonly endWrite = ACCOUNTS_OFF.endWrite;
  readonly keptAnswers = ACCOUNTS_OFF.keptAnswers;
  readonly forgetAnswers = ACCOUNTS_OFF.forgetAnswers;

  onChange(listener: Parameters<AccountsPort['onChange']>[0]): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  tell(accountId: string, sessionId: string | null, now: Principal | null): void {
    for (const listener of this.listeners) listener(accountId, sessionId, now);
  }
}

export function consumer(id: string, ...meters: string[]): Principal {
  return { kind: 'user', id, name: `${id}@example.org`, role: 'consumer', meters: new Map((meters as MeterId[]).map((meterId) => [meterId, ALWAYS])), regions: new Set(), sessionId: `session-${id}` };
}

export function operator(id: string, ...regions: string[]): Principal {
  return { kind: 'user', id, name: `${id}@example.org`, role: 'operator', meters: new Map(), regions: new Set(regions as RegionId[]), sessionId: `session-${id}` };
}

export function admin(id: string): Principal {
  return { ...OPEN_PRINCIPAL, kind: 'user', id, name: `${id}@example.org`, sessionId: `session-${id}` };
}
