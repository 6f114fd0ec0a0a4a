import type { AccountsPort, AuditEntry, TokenFault } from '../../src/http/accounts-port.ts';
import type { Principal, Role } from '../../src/model/access.ts';
import type { MeterId, RegionId } from '../../src/model/ids.ts';

/** Accounts of one person a role, and of one whose things are elsewhere. A token is the person's name; `slow-` before it is one that has to be looked up. */

function person(name: string, role: Role, { meters = [], regions = [] }: { meters?: string[]; regions?: string[] | 'all' }): Principal {
  return { kind: 'user', id: `u-${name}`, name: `${name}@example.org`, role, meters: new Set(meters as MeterId[]), regions: regions === 'all' ? 'all' : new Set(regions as RegionId[]), sessionId: `s-${name}` };
}

/** The meter and the region of fake-engine.ts are the first two's. */
export const PEOPLE = {
  consumer: person('consumer', 'consumer', { meters: ['meter:1'] }),
  operator: person('operator', 'operator', { regions: ['north'] }),
  otherConsumer: person('otherConsumer', 'consumer', { meters: ['meter:9'] }),
  otherOperator: person('otherOperator', 'operator', { regions: ['south'] }),
  allOperator: person('allOperator', 'operator', { regions: 'all' }),
  admin: person('admin', 'admin', { regions: 'all' }),
} as const;
export type PersonName = keyof typeof PEOPLE;

export interface FakeAccounts extends AccountsPort {
  audited: AuditEntry[];
  /** Tokens that were looked at. */
  seen: string[];
}

export function fakeAccounts(): FakeAccounts {
  const audited: AuditEntry[] = [];
  const seen: string[] = [];
  const found = (token: string): Principal | TokenFault => {
    const name = token.replace(/^slow-/, '');
    return Object.hasOwn(PEOPLE, name) ? PEOPLE[name as PersonName] : { code: 'invalid_token', detail: 'The token is none of this engine.' };
  };
  return {
    isOn: true,
    audited,
    seen,
    authenticate(token) {
      seen.push(token);
      return token.startsWith('slow-') ? new Promise((resolve) => setImmediate(() => resolve(found(token)))) : found(token);
    },
    spendTicket: () => ({ code: 'invalid_token', detail: 'There are no tickets here.' }),
    audit: (entry) => void audited.push(entry),
    onChange: () => () => undefined,
  };
}
