import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { User } from '../../src/actors/accounts/protocol.ts';
import { UserBook } from '../../src/actors/accounts/user-book.ts';
import { ACCOUNTS_FORMAT, openAccountStore } from '../../src/engine/open-account-store.ts';
import { RecordTable } from '../../src/runtime/record-table.ts';
import { StagedStore } from '../../src/runtime/staged-store.ts';
import { held, meters } from '../support/accounts-world.ts';

/** Accounts of the engine before, whose meters were theirs without a time. */

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'seg-accounts-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Makes `count` users of whom each has a meter, and writes those of `old` as format 1 did. */
async function madeOld(count: number, old: (at: number) => boolean): Promise<User[]> {
  const { store, ...kept } = await openAccountStore(directory);
  const staged = new StagedStore(store);
  const book = new UserBook(staged, randomBytes);
  const users = Array.from({ length: count }, (_, at) => book.make({ email: `u${at}@x.org`, name: 'x', role: 'consumer', meters: held(`m-${at}`, 'shared'), regions: [] }, 1));
  staged.flush();
  const table = new RecordTable<unknown>(store, 'users');
  for (const [at, user] of users.entries()) if (old(at)) table.put(user.id, { ...user, meters: meters(`m-${at}`, 'shared') });
  new RecordTable(store, 'meta').put('store', { format: 1, id: kept.id, codeKey: Buffer.from(kept.codeKey).toString('base64') });
  await store.commit();
  await store.close();
  return users;
}

describe('the store of accounts of the format before', () => {
  it('has meters be theirs always, wherever an engine stopped while it made them so', async () => {
    const users = await madeOld(2_501, (at) => at % 3 !== 0);
    const { store, id } = await openAccountStore(directory);
    const book = new UserBook(new StagedStore(store), randomBytes);
    for (const user of users) expect(book.get(user.id)).toEqual(user);
    expect(book.ofMeter(meters('shared')[0])).toHaveLength(users.length);
    expect(new RecordTable(store, 'meta').get('store')).toMatchObject({ format: ACCOUNTS_FORMAT, id });
    await store.close();
  });

  it('is refused where it is of one to come', async () => {
    const { store } = await openAccountStore(directory);
    new RecordTable(store, 'meta').put('store', { format: ACCOUNTS_FORMAT + 1, id: 'x', codeKey: '' });
    await store.commit();
    await store.close();
    await expect(openAccountStore(directory)).rejects.toMatchObject({ code: 'format', message: expect.stringContaining(`have format ${ACCOUNTS_FORMAT + 1}, this engine reads ${ACCOUNTS_FORMAT}`) });
  });
});
