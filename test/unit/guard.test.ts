import { describe, expect, test } from 'vitest';
import { Guard } from '../../src/http/guard.ts';
import { OPERATORS, type AnyOperation, type Scope } from '../../src/http/operation.ts';
import type { MeterId } from '../../src/model/ids.ts';
import { fakeAccounts, PEOPLE } from '../support/fake-accounts.ts';
import { METER } from '../support/fake-engine.ts';

const clock = { now: () => 0, monotonic: () => 0 };

function operation(scope: Scope<object, unknown>): AnyOperation {
  return { id: 'o', summary: 'o', tag: 'Engine', access: { roles: OPERATORS, scope } };
}

describe('a guard', () => {
  test('takes a thing that is of nothing for one of everything', async () => {
    const guard = new Guard({ accounts: fakeAccounts(), engine: { meter: async () => METER }, clock });
    const refusal = (subjects: [] | null) => guard.refusal(PEOPLE.operator, operation({ noun: 'thing', words: '', of: () => subjects }), { path: ['t'], query: {}, body: null });
    expect(await refusal([])).toMatchObject({ status: 403, code: 'out_of_reach' });
    expect(await refusal(null)).toMatchObject({ status: 404, code: 'unknown_thing' });
  });

  test('remembers where ten thousand meters are, and forgets the one that was asked first', async () => {
    let asked: MeterId[] = [];
    const guard = new Guard({ accounts: fakeAccounts(), engine: { meter: async (meterId) => (asked.push(meterId), METER) }, clock });
    const look = async (at: number) => {
      asked = [];
      await guard.refusal(PEOPLE.operator, operation('meter'), { path: [`m${at}`], query: {}, body: null });
      return asked.length;
    };
    for (let at = 0; at <= 10_000; at++) await look(at);
    expect([await look(1), await look(10_000), await look(0), await look(1)]).toEqual([0, 0, 1, 1]);
  });

  test('asks nobody about a meter or region that has no such name', async () => {
    const guard = new Guard({ accounts: fakeAccounts(), engine: { meter: () => Promise.reject(new Error('asked')) }, clock });
    for (const scope of ['meter', 'region'] as const) expect(await guard.refusal(PEOPLE.operator, operation(scope), { path: ['no/name'], query: {}, body: null })).toMatchObject({ status: 404, code: `unknown_${scope}` });
  });
});
