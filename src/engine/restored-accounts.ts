import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AccountsState } from '../actors/accounts/accounts-state.ts';
import type { DeviceKey } from '../actors/accounts/protocol.ts';
import type { Store } from '../runtime/store.ts';
import { DATA_FILE } from './data-manifest.ts';
import { accountsDirectory, openAccountStore } from './open-account-store.ts';

/**
 * Accounts that come back with a backup: nobody knows which log-ins and links were ended since it was made, so all are; people log in again. Device keys stay, as without them no meter could send anything until somebody
 * has been at each of them, and who restores is told which count; or they are revoked as well.
 */

/** Ended or revoked in one commit. */
const AT_ONCE = 1_000;

export interface RestoredAccounts {
  sessions: number;
  links: number;
  keysRevoked: number;
  /** Those that count. */
  keys: DeviceKey[];
}

/** Of a copy that is no data directory yet. null: there are no accounts in it. `backupOf`: when the backup was made, ISO 8601. Throws as openAccountStore, or what the store fails with. */
export async function settleRestoredAccounts(dataDir: string, { backupOf, revokeKeys, nowMs }: { backupOf: string; revokeKeys: boolean; nowMs: number }): Promise<RestoredAccounts | null> {
  const directory = accountsDirectory(dataDir);
  if (!existsSync(join(directory, DATA_FILE))) return null;
  const { store, codeKey } = await openAccountStore(directory);
  try {
    const state = new AccountsState(store, { random: randomBytes, codeKey });
    state.load();
    const ended = { sessions: 0, links: 0 };
    for (let some = state.endHandedOut(AT_ONCE); some.sessions + some.links > 0; some = state.endHandedOut(AT_ONCE)) {
      ended.sessions += some.sessions;
      ended.links += some.links;
      await committed(state, store);
    }
    const counting = keysThatCount(state, nowMs);
    for (let at = 0; revokeKeys && at < counting.length; at += AT_ONCE) {
      for (const { id } of counting.slice(at, at + AT_ONCE)) state.deviceKeys.revoke(id, nowMs);
      await committed(state, store);
    }
    const [keysRevoked, keys] = revokeKeys ? [counting.length, []] : [0, counting];
    state.noteRestored(backupOf, { ...ended, keysRevoked, keysKept: keys.length }, nowMs);
    await committed(state, store);
    return { ...ended, keysRevoked, keys };
  } finally {
    await store.close();
  }
}

async function committed(state: AccountsState, store: Store): Promise<void> {
  state.flush();
  await store.commit();
  state.settle();
}

function keysThatCount(state: AccountsState, nowMs: number): DeviceKey[] {
  return state.deviceKeys.page(Infinity, null).data.filter(({ revokedAt, expiresAt }) => revokedAt === null && (expiresAt === null || expiresAt > nowMs));
}
