import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { User } from '../../src/actors/accounts/protocol.ts';
import { UserBook } from '../../src/actors/accounts/user-book.ts';
import type { Role } from '../../src/model/access.ts';
import type { MeterId } from '../../src/model/ids.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { StagedStore } from '../../src/runtime/staged-store.ts';
import { held, meters, regions } from '../support/accounts-world.ts';

/** The tables by which users are found, against a plain list of them; some changes share a turn. */

const EMAILS = ['a@x.org', 'ab@x.org', 'A.B@x.org', 'b@x.org', 'b@x.org.uk', 'root@x.org'];
const METERS = ['m-1', 'm-10', 'm-2'];
const ROLES: Role[] = ['consumer', 'operator', 'admin'];

const step = fc.record({
  kind: fc.constantFrom('make', 'make', 'change', 'change', 'remove', 'assign', 'assign', 'turn'),
  email: fc.constantFrom(...EMAILS),
  role: fc.constantFrom(...ROLES),
  meter: fc.constantFrom(...METERS),
  isOn: fc.boolean(),
});

describe('users', () => {
  it('are found by address, role and meter as in a list', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const store = new MemoryStore();
        const staged = new StagedStore(store);
        const book = new UserBook(staged, randomBytes);
        const list = new Map<string, User>();
        const outcome = (run: () => User): User | string => {
          try {
            return run();
          } catch (error) {
            if (error instanceof OperationalError) return error.code;
            throw error;
          }
        };
        const lastAdmin = (id: string): boolean => [...list.values()].every((user) => user.id === id || user.role !== 'admin' || user.isDisabled);
        for (const { kind, email, role, meter, isOn } of steps) {
          const key = email.toLowerCase();
          const known = list.get(key);
          if (kind === 'make') {
            const made = outcome(() => book.make({ email, name: 'x', role, meters: role === 'consumer' ? held(meter) : [], regions: role === 'operator' ? regions('north') : [] }, 1));
            if (known !== undefined) expect(made).toBe('email_taken');
            else list.set(key, made as User);
          } else if (kind === 'change' && known !== undefined) {
            const changed = outcome(() => book.change(known.id, null, { role, isDisabled: isOn }));
            const losesAdmin = known.role === 'admin' && !known.isDisabled && (role !== 'admin' || isOn);
            if (losesAdmin && lastAdmin(known.id)) expect(changed).toBe('last_admin');
            else {
              expect(changed).toMatchObject({ role, isDisabled: isOn, version: known.version + 1 });
              list.set(key, changed as User);
            }
          } else if (kind === 'remove' && known !== undefined) {
            const removed = outcome(() => book.remove(known.id, null));
            if (known.role === 'admin' && !known.isDisabled && lastAdmin(known.id)) expect(removed).toBe('last_admin');
            else list.delete(key);
          } else if (kind === 'assign') {
            const { outcome: what, user } = book.assign({ ...held(meter)[0], user: isOn ? email : (known?.id ?? email), isAssigned: isOn });
            if (known === undefined) expect(what).toBe('unknown_user');
            else if (known.meters.some(({ meterId }) => meterId === meter) === isOn) expect(what).toBe('unchanged');
            else if (known.role !== 'consumer') expect(what).toBe('not_a_consumer');
            else list.set(key, user!);
          } else if (kind === 'turn') {
            staged.flush();
            await store.commit();
            staged.settle();
          }
        }
        const all = [...list.values()].sort((a, b) => (a.email! < b.email! ? -1 : 1));
        const pages = (role: Role | null, emailPrefix: string | null, meterId: MeterId | null = null): (string | null)[] => {
          const found: (string | null)[] = [];
          let cursor: string | null = null;
          do {
            const page = book.page({ role, emailPrefix, meterId, limit: 2, cursor });
            found.push(...page.data.map(({ email }) => email));
            cursor = page.nextCursor;
          } while (cursor !== null);
          return found;
        };
        for (const role of [null, ...ROLES]) {
          for (const prefix of [null, 'a', 'b@x.org', 'z']) {
            const asked = all.filter((user) => (role === null || user.role === role) && user.email!.startsWith(prefix ?? ''));
            expect(pages(role, prefix)).toEqual(asked.map(({ email }) => email));
            for (const meterId of meters(...METERS)) expect(pages(role, prefix, meterId)).toEqual(asked.filter((user) => user.meters.some((one) => one.meterId === meterId)).map(({ email }) => email));
          }
        }
        for (const meterId of meters(...METERS)) expect(book.ofMeter(meterId).sort()).toEqual(all.filter((user) => user.meters.some((one) => one.meterId === meterId)).map(({ id }) => id).sort());
        for (const email of EMAILS) expect(book.ofEmail(email) ?? undefined).toEqual(list.get(email.toLowerCase()));
        expect(book.isEmpty).toBe(list.size === 0);
      }),
      { numRuns: 200 },
    );
  });
});
