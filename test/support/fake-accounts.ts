import type { AccountAnswers, AccountQuestion, AuditEntry, DeviceKey, LogIn, TokenFault, User } from '../../src/actors/accounts/protocol.ts';
import { NO_ACCOUNTS, type AccountDesk } from '../../src/http/account-desk.ts';
import type { Principal, Role } from '../../src/model/access.ts';
import { ALWAYS } from '../../src/model/held-time.ts';
import type { MeterId, RegionId } from '../../src/model/ids.ts';

/** Accounts of one person a role, and of one whose things are elsewhere. A token is the person's name; `slow-` before it is one that has to be looked up. */

function person(name: string, role: Role, { meters = [], regions = [] }: { meters?: string[]; regions?: string[] | 'all' }): Principal {
  return { kind: 'user', id: `u-${name}`, name: `${name}@example.org`, role, meters: new Map((meters as MeterId[]).map((meterId) => [meterId, ALWAYS])), regions: regions === 'all' ? 'all' : new Set(regions as RegionId[]), sessionId: `s-${name}` };
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

const AT = Date.UTC(2026, 0, 15, 13);
export const USER: User = {
  id: 'u-consumer', email: 'consumer@example.org', name: 'Ada', role: 'consumer', meters: [{ meterId: 'meter:1' as MeterId, from: null, until: null }], regions: [], isDisabled: false, external: null,
  preferences: { locale: 'de', zone: null, theme: 'dark' }, createdAt: AT, lastLoginAt: null, version: 3,
};
const LOG_IN: LogIn = { user: USER, sessionId: 's-consumer', accessToken: 'consumer', accessExpiresAt: AT + 600_000, refreshToken: 'segr_fake', refreshExpiresAt: AT + 86_400_000 };
const DEVICE_KEY: DeviceKey = { id: 'key_1', name: 'collector', scope: { regions: ['north' as RegionId] }, createdAt: AT, createdBy: 'admin@example.org', expiresAt: null, revokedAt: null, lastUsedAt: AT };

/** What each question is answered with. */
const ANSWERS: AccountAnswers = {
  logIn: LOG_IN,
  refresh: LOG_IN,
  beginSignIn: { location: 'https://id.example.org/authorize?state=s', flow: 'sealed', lifeMs: 600_000 },
  finishSignIn: { from: '#bills', logIn: LOG_IN },
  logOut: null,
  endSessions: 2,
  endSession: null,
  sessions: [{ id: 's-consumer', userId: USER.id, createdAt: AT, lastUsedAt: AT, expiresAt: AT + 1, address: '192.0.2.1', userAgent: 'test' }],
  changePassword: LOG_IN,
  register: null,
  verify: USER,
  requestReset: null,
  confirmReset: null,
  user: USER,
  users: { data: [USER], nextCursor: 'consumer@example.org' },
  makeUser: { user: USER, oneTimePassword: 'abcde-fghjk' },
  changeUser: { ...USER, version: 4 },
  removeUser: null,
  resetPassword: { user: USER, oneTimePassword: 'abcde-fghjk' },
  assignMeters: [{ meterId: 'meter:1' as MeterId, user: USER.id, outcome: 'assigned' }],
  deviceKeys: { data: [DEVICE_KEY], nextCursor: null },
  makeDeviceKey: { deviceKey: DEVICE_KEY, key: 'segk_fake' },
  revokeDeviceKey: { ...DEVICE_KEY, revokedAt: AT },
  auditLog: { data: [{ seq: 1, at: AT, by: USER.id, byName: 'ada', action: 'logged_in', target: 'session s', status: 200, requestId: 'r', address: '192.0.2.1', before: '0'.repeat(64), hash: '1'.repeat(64) }], nextCursor: null },
};

export interface FakeAccounts extends AccountDesk {
  /** What was asked of it. */
  asked: AccountQuestion[];
  audited: AuditEntry[];
  /** Tokens that were looked at. */
  seen: string[];
}

export function fakeAccounts(): FakeAccounts {
  const audited: AuditEntry[] = [];
  const seen: string[] = [];
  const asked: AccountQuestion[] = [];
  const found = (token: string): Principal | TokenFault => {
    const name = token.replace(/^slow-/, '');
    return Object.hasOwn(PEOPLE, name) ? PEOPLE[name as PersonName] : { code: 'invalid_token', detail: 'The token is none of this engine.' };
  };
  return {
    ...NO_ACCOUNTS,
    isOn: true,
    asked,
    ask: (question) => {
      asked.push(question);
      return Promise.resolve(ANSWERS[question.kind]);
    },
    makeTicket: () => ({ ticket: 'segt_fake', expiresAt: AT + 30_000 }),
    jwks: () => ({ keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'x', kid: 'k', alg: 'EdDSA', use: 'sig' }] }),
    settings: { ...NO_ACCOUNTS.settings, accounts: 'on', passwords: true },
    audited,
    seen,
    authenticate(token) {
      seen.push(token);
      return token.startsWith('slow-') ? new Promise((resolve) => setImmediate(() => resolve(found(token)))) : found(token);
    },
    spendTicket: () => ({ code: 'invalid_token', detail: 'There are no tickets here.' }),
    endWrite: ({ entry }) => void audited.push(entry),
    onChange: () => () => undefined,
  };
}
