import { describe, expect, it } from 'vitest';
import { AUDIT_HEAD_TABLE, AUDIT_TABLE, verifyAuditLog, type AuditHead } from '../../src/actors/accounts/audit-log.ts';
import type { AuditRecord, DeviceKeyChange } from '../../src/actors/accounts/protocol.ts';
import { PasswordHashing } from '../../src/actors/accounts/password-hashing.ts';
import { EngineAccounts } from '../../src/engine/engine-accounts.ts';
import type { Principal } from '../../src/model/access.ts';
import { STATUS_UNKNOWN } from '../../src/actors/accounts/write-book.ts';
import { RecordTable } from '../../src/runtime/record-table.ts';
import { nullLog, type Log } from '../../src/runtime/log.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { held, meters, PASSWORD, PEER, refusal, regions, ROOT, START_MS } from '../support/accounts-world.ts';

interface Started {
  accounts: EngineAccounts;
  store: MemoryStore;
  time: VirtualTime;
  /** Resolves when a turn fails that was not finished when it was asked for. */
  failed(): Promise<void>;
  /** Brings the moment at which they begin again after that, and waits until they have: their keys are read off the thread, which takes what it takes. */
  goOn(): Promise<void>;
}

async function started(store = new MemoryStore()): Promise<Started> {
  const time = new VirtualTime(START_MS);
  const heard = new Map<string, () => void>();
  const said = (line: string) => new Promise<void>((resolve) => heard.set(line, resolve));
  const hear = (_fields: object, line: string): void => heard.get(line)?.();
  const log: Log = { ...nullLog, info: hear, error: hear };
  const options = { issuer: 'urn:seg:test', codeKey: new Uint8Array(32), registration: false, keyLifeMs: 86_400_000, passwordLogIn: 'all' } as const;
  const settings = { accounts: 'on', registration: false, mail: false, passwords: true, oidc: null } as const;
  const accounts = new EngineAccounts(store, options, { settings, cookie: { isSecure: false } }, { clock: time, timers: time, log, mails: null, foreign: null, onFirstAdmin: () => {}, hashing: new PasswordHashing({ logN: 1, r: 1, p: 1 }) });
  await accounts.start();
  const goOn = async (): Promise<void> => {
    const again = said('accounts can be changed again');
    await time.advanceSettled(1_000);
    await again;
  };
  return { accounts, store, time, failed: () => said('The accounts could not finish a turn; the next starts from disk.'), goOn };
}

async function addUser(accounts: EngineAccounts, email: string) {
  const { user, oneTimePassword } = await accounts.ask({ kind: 'makeUser', user: { email, name: '', role: 'consumer', meters: held('m-1'), regions: [] }, by: ROOT });
  const logIn = await accounts.ask({ kind: 'changePassword', email, password: oneTimePassword, newPassword: PASSWORD, peer: PEER });
  return { ...logIn, id: user.id };
}

const entry = (n: number) => ({ at: n, by: 'usr_1', byName: 'ada', action: 'putTariff', target: `/x/${n}`, status: 200, requestId: '', address: '' });
const audited = async (accounts: EngineAccounts): Promise<string[]> => (await accounts.ask({ kind: 'auditLog', query: { by: null, action: 'putTariff', from: 0, to: Infinity, limit: 1_000, cursor: null } })).data.map(({ target }) => target);

describe('accounts of an engine', () => {
  it('tell whoever keeps something open what somebody may do from now on', async () => {
    const { accounts } = await started();
    const { id, sessionId, accessToken, refreshToken } = await addUser(accounts, 'ada@example.org');
    const other = await accounts.ask({ kind: 'logIn', email: 'ada@example.org', password: PASSWORD, peer: PEER });
    const heard: [string, string | null, Principal['role'] | null][] = [];
    const end = accounts.onChange((userId, session, now) => heard.push([userId, session, now?.role ?? null]));
    await accounts.ask({ kind: 'changeUser', id, version: null, change: { role: 'operator', regions: regions('north') }, by: ROOT });
    expect(heard.splice(0)).toEqual([[id, null, 'operator']]);
    await accounts.ask({ kind: 'logOut', refreshToken, sessionId: null, peer: PEER });
    expect(heard.splice(0)).toEqual([[id, sessionId, null]]);
    await accounts.ask({ kind: 'resetPassword', id, by: ROOT });
    // The log-in that was left ends; the account itself goes on.
    expect(heard.splice(0)).toEqual([[id, other.sessionId, null], [id, null, 'operator']]);
    await accounts.ask({ kind: 'changeUser', id, version: null, change: { isDisabled: true }, by: ROOT });
    expect(heard.splice(0)).toEqual([[id, null, null]]);
    end();
    await accounts.ask({ kind: 'changeUser', id, version: null, change: { isDisabled: false }, by: ROOT });
    expect(heard).toEqual([]);
    expect(accounts.authenticate(accessToken)).toBeDefined();
  });

  it('give a ticket for a stream that counts once, and no longer than the log-in', async () => {
    const { accounts } = await started();
    const { id, sessionId, refreshToken } = await addUser(accounts, 'ada@example.org');
    const { ticket } = accounts.makeTicket({ id, sessionId });
    expect(accounts.spendTicket(ticket)).toMatchObject({ id, sessionId });
    expect(accounts.spendTicket(ticket)).toMatchObject({ code: 'invalid_token' });
    const late = accounts.makeTicket({ id, sessionId });
    await accounts.ask({ kind: 'logOut', refreshToken, sessionId: null, peer: PEER });
    expect(accounts.spendTicket(late.ticket)).toMatchObject({ code: 'revoked_token' });
    // Only who another issuer vouches for has no log-in here.
    expect(accounts.spendTicket(accounts.makeTicket({ id, sessionId: null }).ticket)).toMatchObject({ code: 'revoked_token' });
  });

  it('tell ingest threads of device keys, from all that there are on', async () => {
    const { accounts } = await started();
    const first = await accounts.ask({ kind: 'makeDeviceKey', name: 'a', scope: 'all', expiresAt: null, by: ROOT });
    const heard: DeviceKeyChange[] = [];
    const { rows, end } = await accounts.followDeviceKeys((change) => void heard.push(change));
    expect(rows.map(({ id }) => id)).toEqual([first.deviceKey.id]);
    const second = await accounts.ask({ kind: 'makeDeviceKey', name: 'b', scope: { meters: meters('m-1') }, expiresAt: null, by: ROOT });
    await accounts.ask({ kind: 'revokeDeviceKey', id: first.deviceKey.id, by: ROOT });
    expect(heard.map((change) => [change.rows.map(({ id }) => id), change.removed])).toEqual([[[second.deviceKey.id], []], [[], [rows[0].hash]]]);
    end();
    await accounts.ask({ kind: 'revokeDeviceKey', id: second.deviceKey.id, by: ROOT });
    expect(heard).toHaveLength(2);
  });

  it('go on by themselves after a full disk, and write down what was done meanwhile', async () => {
    const { accounts, store, time, failed, goOn } = await started();
    const { accessToken, id } = await addUser(accounts, 'ada@example.org');
    for (let n = 1; n <= 300; n++) accounts.endWrite({ id: null, entry: entry(n), answer: null });
    store.failNext('storage_full', 2);
    await time.advanceSettled(0);
    accounts.endWrite({ id: null, entry: entry(301), answer: null });
    expect(await refusal(accounts.ask({ kind: 'users', query: { role: null, emailPrefix: null, meterId: null, limit: 1, cursor: null } }))).toBe('unavailable');
    expect(await accounts.authenticate(accessToken)).toMatchObject({ id });
    // They begin again, and the disk is full once more.
    const again = failed();
    await time.advanceSettled(1_000);
    await again;
    await goOn();
    // More than one turn takes.
    while ((await audited(accounts)).length < 301) await time.advanceSettled(0);
    expect(await audited(accounts)).toEqual(Array.from({ length: 301 }, (_, i) => `/x/${301 - i}`));
    expect(await accounts.authenticate(accessToken)).toMatchObject({ id });
  });

  it('write what waits before they stop', async () => {
    const { accounts, store } = await started();
    for (let n = 1; n <= 600; n++) accounts.endWrite({ id: null, entry: entry(n), answer: null });
    await accounts.stop();
    const time = new VirtualTime(START_MS);
    const again = new EngineAccounts(store, { issuer: 'urn:seg:test', codeKey: new Uint8Array(32), registration: false, keyLifeMs: 86_400_000, passwordLogIn: 'none' }, { settings: { accounts: 'on', registration: false, mail: false, passwords: false, oidc: null }, cookie: { isSecure: false } }, { clock: time, timers: time, log: nullLog, mails: null, foreign: null, onFirstAdmin: () => {} });
    await again.start();
    expect(await audited(again)).toHaveLength(600);
  });

  describe('and writes', () => {
    const write = (n: number) => ({ ...entry(n), key: { name: `key-${n}`, fingerprint: `f-${n}`, until: START_MS + 60_000 } });
    const answer = { status: 201, type: 'application/json', body: '{}', headers: [['location', '/x']] } as const;
    const noted = async (accounts: EngineAccounts) => (await accounts.ask({ kind: 'auditLog', query: { by: null, action: 'putTariff', from: 0, to: Infinity, limit: 1_000, cursor: null } })).data.map(({ target, status }) => [target, status]);

    it('are on disk before they are done, and known to nobody where the engine ended in between', async () => {
      const { accounts, store } = await started();
      await Promise.all([1, 2, 3, 4].map((n) => accounts.beginWrite(`w-${n}`, write(n))));
      accounts.endWrite({ id: 'w-1', entry: { ...entry(1), status: 201 }, answer });
      accounts.endWrite({ id: 'w-2', entry: { ...entry(2), status: 500 }, answer: null });
      accounts.endWrite({ id: 'w-3', entry: { ...entry(3), status: 201 }, answer: 'secret' });
      while ((await noted(accounts)).length < 3);
      expect((await noted(accounts)).sort()).toEqual([['/x/1', 201], ['/x/2', 500], ['/x/3', 201]]);
      const next = await started(store.crash('kept'));
      expect((await noted(next.accounts)).sort()).toEqual([['/x/1', 201], ['/x/2', 500], ['/x/3', 201], ['/x/4', STATUS_UNKNOWN]]);
      expect(next.accounts.keptAnswers().map(({ name, answer: kept }) => [name, kept])).toEqual([['key-1', answer], ['key-3', 'secret'], ['key-4', 'unknown']]);
      // Said once, and kept as long as the others.
      const third = await started(next.store.crash('kept'));
      expect(await noted(third.accounts)).toHaveLength(4);
      expect(third.accounts.keptAnswers()).toHaveLength(3);
      third.accounts.forgetAnswers(['key-1']);
      third.accounts.endWrite({ id: null, entry: entry(5), answer: null });
      await third.accounts.stop();
      const findings: string[] = [];
      verifyAuditLog(new RecordTable<AuditRecord>(third.store, AUDIT_TABLE), new RecordTable<AuditHead>(third.store, AUDIT_HEAD_TABLE), (where) => findings.push(where));
      expect(findings).toEqual([]);
      expect((await started(third.store)).accounts.keptAnswers().map(({ name }) => name)).toEqual(['key-3', 'key-4']);
    });

    it('that were not put on disk are none, and those of which the commit failed come to nothing', async () => {
      const { accounts, store, time, goOn } = await started();
      store.failNext('storage_full', 1);
      const refused = refusal(accounts.beginWrite('w-1', write(1)));
      await time.advanceSettled(0);
      expect(await refused).toBe('unavailable');
      accounts.endWrite({ id: 'w-1', entry: { ...entry(1), status: 503 }, answer: null });
      await goOn();
      expect(await noted(accounts)).toEqual([['/x/1', 503]]);
      const begun = accounts.beginWrite('w-2', write(2));
      begun.catch(() => {});
      expect(await noted((await started(store.crash('lost'))).accounts)).toEqual([['/x/1', 503]]);
    });

    it('share a commit where many begin at once', async () => {
      let commits = 0;
      const store = new MemoryStore({ takeCommit: async () => void commits++ });
      const { accounts } = await started(store);
      const before = commits;
      await Promise.all(Array.from({ length: 200 }, (_, n) => accounts.beginWrite(`w-${n}`, write(n))));
      expect(commits - before).toBeLessThanOrEqual(2);
    });
  });
});
