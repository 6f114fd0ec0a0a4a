import { RecordTable } from '../../runtime/record-table.ts';
import type { Store } from '../../runtime/store.ts';
import type { MeterId } from '../../model/ids.ts';
import type { HeldMeter, User } from './protocol.ts';

/** Users in one commit: some megabytes at the most. */
const USERS_AT_ONCE = 1_000;

/** Format 1: whose a meter was, it was theirs always. */
type UserOf1 = Omit<User, 'meters'> & { meters: readonly (MeterId | HeldMeter)[] };

/** Users of format 1 get times with their meters. One that has them is left as it is. */
export async function migrateUsers(store: Store): Promise<void> {
  const users = new RecordTable<UserOf1>(store, 'users');
  let changed = 0;
  for (const key of users.keys('', AFTER_IDS)) {
    const user = users.get(key)!;
    if (user.meters.every((meter) => typeof meter !== 'string')) continue;
    users.put(key, { ...user, meters: user.meters.map((meter) => (typeof meter === 'string' ? { meterId: meter, from: null, until: null } : meter)) });
    if (++changed % USERS_AT_ONCE === 0) await store.commit();
  }
  await store.commit();
}

/** Ids are ASCII. */
const AFTER_IDS = '\x7f';
