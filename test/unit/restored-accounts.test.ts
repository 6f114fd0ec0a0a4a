import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AccountsState } from '../../src/actors/accounts/accounts-state.ts';
import { accountsDirectory, openAccountStore } from '../../src/engine/open-account-store.ts';
import { settleRestoredAccounts } from '../../src/engine/restored-accounts.ts';
import { verifyAccounts } from '../../src/engine/verify-record-stores.ts';
import { PEER, ROOT } from '../support/accounts-world.ts';

const NOW_MS = Date.UTC(2026, 10, 27);
const BACKUP_OF = '2026-11-01T00:00:00.000Z';
const SESSIONS = 1_100;

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'seg-restored-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

async function opened<T>(look: (state: AccountsState) => T): Promise<T> {
  const { store, codeKey } = await openAccountStore(accountsDirectory(dataDir));
  const state = new AccountsState(store, { random: randomBytes, codeKey });
  state.load();
  const found = look(state);
  state.flush();
  await store.commit();
  await store.close();
  return found;
}

/** What was handed out before the backup. */
function handOut(state: AccountsState): { refreshToken: string; link: string; keys: string[] } {
  let refreshToken = '';
  for (let n = 0; n < SESSIONS / 100; n++) {
    const user = state.makeUser({ email: `u${n}@x.org`, name: 'x', role: 'consumer', meters: [], regions: [] }, 'hash', ROOT, NOW_MS);
    for (let i = 0; i < 100; i++) refreshToken = state.logIn(user.id, 'hash', null, PEER, NOW_MS)!.refreshToken;
  }
  const link = state.links.make({ kind: 'reset', email: 'u0@x.org', name: 'x', userId: null }, NOW_MS);
  const keys = ['a', 'b', 'over'].map((name) => state.makeDeviceKey({ name, scope: 'all', expiresAt: name === 'over' ? NOW_MS - 1 : null }, ROOT, NOW_MS).deviceKey.id);
  state.revokeDeviceKey(keys[1], ROOT, NOW_MS);
  return { refreshToken, link, keys };
}

describe('accounts that come back with a backup', () => {
  it.each([false, true])('have no log-in and no link of then, and their device keys only where they are to stay (revoked: %s)', async (revokeKeys) => {
    const { refreshToken, link, keys } = await opened(handOut);
    const report = (await settleRestoredAccounts(dataDir, { backupOf: BACKUP_OF, revokeKeys, nowMs: NOW_MS }))!;
    expect({ ...report, keys: report.keys.map(({ name }) => name) }).toEqual({ sessions: SESSIONS, links: 1, keysRevoked: revokeKeys ? 1 : 0, keys: revokeKeys ? [] : ['a'] });
    await opened((state) => {
      expect(state.refresh(refreshToken, null, PEER, NOW_MS + 1)).toBeNull();
      expect(() => state.links.require(link, 'reset', NOW_MS + 1)).toThrow(expect.objectContaining({ code: 'invalid_link' }));
      expect([...state.deviceKeys.rows()].map(({ id }) => id).sort()).toEqual((revokeKeys ? [keys[2]] : [keys[0], keys[2]]).sort());
      const [entry] = state.audit.page({ by: null, action: 'restored', from: 0, to: Infinity, limit: 1, cursor: null }).data;
      expect(entry.target).toBe(`backup of ${BACKUP_OF}: ${SESSIONS} log-ins and 1 links ended; ${revokeKeys ? 1 : 0} device keys revoked, ${revokeKeys ? 0 : 1} count`);
    });
    expect((await verifyAccounts(dataDir))!.findings).toEqual([]);
    expect(await settleRestoredAccounts(dataDir, { backupOf: BACKUP_OF, revokeKeys, nowMs: NOW_MS })).toMatchObject({ sessions: 0, links: 0 });
  });

  it('are none where there were none', async () => {
    expect(await settleRestoredAccounts(dataDir, { backupOf: BACKUP_OF, revokeKeys: false, nowMs: NOW_MS })).toBeNull();
  });
});
