import type { HttpRequest } from 'uWebSockets.js';
import { describe, expect, test } from 'vitest';
import type { Exchange, HeaderFields } from '../../src/http/exchange.ts';
import { Guard } from '../../src/http/guard.ts';
import { OPERATORS, type AnyOperation, type Scope } from '../../src/http/operation.ts';
import type { Problem } from '../../src/http/problem-details.ts';
import { RateLimits } from '../../src/http/rate-limits.ts';
import type { MeterId, RegionId } from '../../src/model/ids.ts';
import { fakeAccounts, PEOPLE } from '../support/fake-accounts.ts';
import { METER } from '../support/fake-engine.ts';

const REGION = METER.region as RegionId;

const clock = { now: () => 0, monotonic: () => 0 };
const NO_LIMITS = new RateLimits({ perAccount: 0, perAddress: 0 }, { clock });

function operation(scope: Scope<object, unknown>): AnyOperation {
  return { id: 'o', summary: 'o', tag: 'Engine', access: { roles: OPERATORS, scope } };
}

/** An exchange with somebody at an address, and what became of it. */
function exchangeFrom(address: string): { exchange: Exchange; headers: string[]; problems: Problem[] } {
  const headers: string[] = [];
  const problems: Problem[] = [];
  const exchange = { remoteAddress: () => address, addHeaders: (fields: HeaderFields) => headers.push(...fields.map(([, value]) => value)), problem: (problem: Problem) => problems.push(problem) };
  return { exchange: exchange as unknown as Exchange, headers, problems };
}

const head = (authorization: string) => ({ getHeader: () => authorization }) as unknown as HttpRequest;

describe('limits of addresses', () => {
  const PUBLIC: AnyOperation = { id: 'o', summary: 'o', tag: 'Engine', access: 'public' };
  const guardOf = (perAddress: number) => new Guard({ accounts: fakeAccounts(), limits: new RateLimits({ perAccount: 0, perAddress }, { clock }), engine: { meterRegion: async () => REGION }, clock });
  const admits = (guard: Guard, address: string, operation = PUBLIC) => {
    const { exchange, headers, problems } = exchangeFrom(address);
    return { principal: guard.admit(exchange, head('Bearer admin'), operation), headers, problems };
  };

  test('count whatever is asked, with a token or without', () => {
    const guard = guardOf(2);
    expect(admits(guard, '10.0.0.1')).toMatchObject({ headers: ['"address";q=2;w=60', '"address";r=1;t=30'], problems: [] });
    expect(admits(guard, '10.0.0.1', operation('none')).principal).toBe(PEOPLE.admin);
    for (const of of [PUBLIC, operation('none')]) expect(admits(guard, '10.0.0.1', of)).toMatchObject({ principal: null, problems: [{ status: 429, code: 'rate_limited', retryAfterSeconds: 30 }] });
    expect(admits(guard, '10.0.0.2').problems).toEqual([]);
  });

  test('are of a network of IPv6, and of an address of IPv4 whichever way it is written', () => {
    const guard = guardOf(1);
    const refused = (address: string) => admits(guard, address).problems.length;
    expect([refused('2001:0db8:0000:0001:0000:0000:0000:0001'), refused('2001:0db8:0000:0001:ffff:0000:0000:0002'), refused('2001:0db8:0000:0002:0000:0000:0000:0001')]).toEqual([0, 1, 0]);
    expect([refused('0000:0000:0000:0000:0000:ffff:0a00:0001'), refused('0000:0000:0000:0000:0000:ffff:0a00:0002'), refused('0000:0000:0000:0000:0000:ffff:0a00:0001')]).toEqual([0, 0, 1]);
  });

  test('are not of this machine', () => {
    const guard = guardOf(1);
    for (const address of ['127.0.0.1', '127.1.2.3', '0000:0000:0000:0000:0000:0000:0000:0001', '0000:0000:0000:0000:0000:ffff:7f00:0001']) {
      for (let i = 0; i < 3; i++) expect(admits(guard, address), address).toMatchObject({ headers: [], problems: [] });
    }
  });
});

describe('a guard', () => {
  test('takes a thing that is of nothing for one of everything', async () => {
    const guard = new Guard({ accounts: fakeAccounts(), limits: NO_LIMITS, engine: { meterRegion: async () => REGION }, clock });
    const refusal = (subjects: [] | null) => guard.refusal(PEOPLE.operator, operation({ noun: 'thing', words: '', of: () => subjects }), { path: ['t'], query: {}, body: null });
    expect(await refusal([])).toMatchObject({ status: 403, code: 'out_of_reach' });
    expect(await refusal(null)).toMatchObject({ status: 404, code: 'unknown_thing' });
  });

  test('remembers where ten thousand meters are, and forgets the one that was asked first', async () => {
    let asked: MeterId[] = [];
    const guard = new Guard({ accounts: fakeAccounts(), limits: NO_LIMITS, engine: { meterRegion: async (meterId) => (asked.push(meterId), REGION) }, clock });
    const look = async (at: number) => {
      asked = [];
      await guard.refusal(PEOPLE.operator, operation('meter'), { path: [`m${at}`], query: {}, body: null });
      return asked.length;
    };
    for (let at = 0; at <= 10_000; at++) await look(at);
    expect([await look(1), await look(10_000), await look(0), await look(1)]).toEqual([0, 0, 1, 1]);
  });

  test('asks nobody about a meter or region that has no such name', async () => {
    const guard = new Guard({ accounts: fakeAccounts(), limits: NO_LIMITS, engine: { meterRegion: () => Promise.reject(new Error('asked')) }, clock });
    for (const scope of ['meter', 'region'] as const) expect(await guard.refusal(PEOPLE.operator, operation(scope), { path: ['no/name'], query: {}, body: null })).toMatchObject({ status: 404, code: `unknown_${scope}` });
  });
});
