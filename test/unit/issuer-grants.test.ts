import { beforeEach, describe, expect, test } from 'vitest';
import { VOUCHED_MS } from '../../src/actors/accounts/accounts-state.ts';
import type { ExternalSignIn, Renewal } from '../../src/actors/accounts/external-sign-in.ts';
import { IssuerGrants } from '../../src/actors/accounts/issuer-grants.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';

/** What is kept of an issuer's refresh tokens, over an issuer that answers when the test says so. */

const MINUTE_MS = 60_000;

let time: VirtualTime;
let grants: IssuerGrants;
/** Refresh tokens that it was asked with, in order. */
let asked: string[];
let answer: (renewal: Renewal) => void;

beforeEach(() => {
  time = new VirtualTime(0);
  asked = [];
  const issuer: ExternalSignIn = {
    begin: () => Promise.resolve({ fault: 'issuer_away' }),
    finish: () => Promise.resolve({ from: '', fault: 'issuer_away' }),
    renew: (refreshToken) => {
      asked.push(refreshToken);
      return new Promise((resolve) => (answer = resolve));
    },
  };
  grants = new IssuerGrants(issuer, { clock: time });
});

describe('what an issuer can be asked again with', () => {
  test('is the refresh token that came last', async () => {
    grants.keep('s', 'r1');
    time.advance(MINUTE_MS);
    const word = grants.ask('s', 'ada');
    answer({ kind: 'vouched', person: null, refreshToken: 'r2' });
    expect(await word).toEqual({ kind: 'vouched', person: null, refreshToken: 'r2' });
    time.advance(MINUTE_MS);
    void grants.ask('s', 'ada');
    expect(asked).toEqual(['r1', 'r2']);
  });

  test('is tried again while it is away', async () => {
    grants.keep('s', 'r1');
    time.advance(MINUTE_MS);
    const word = grants.ask('s', 'ada');
    answer({ kind: 'away' });
    expect(await word).toBeNull();
    void grants.ask('s', 'ada');
    expect(asked).toEqual(['r1', 'r1']);
  });

  test('is forgotten when it says that it is over', async () => {
    grants.keep('s', 'r1');
    time.advance(MINUTE_MS);
    const word = grants.ask('s', 'ada');
    answer({ kind: 'ended' });
    expect(await word).toEqual({ kind: 'ended' });
    expect([await grants.ask('s', 'ada'), asked]).toEqual([null, ['r1']]);
  });

  test('is forgotten with a log-out, also one while it is being asked', async () => {
    grants.keep('s', 'r1');
    grants.keep('other', 'r9');
    time.advance(MINUTE_MS);
    grants.drop('other');
    const word = grants.ask('s', 'ada');
    grants.drop('s');
    answer({ kind: 'vouched', person: null, refreshToken: 'r2' });
    await word;
    time.advance(MINUTE_MS);
    expect([await grants.ask('s', 'ada'), await grants.ask('other', 'ada'), asked]).toEqual([null, null, ['r1']]);
  });

  test('is forgotten after the hour in which its log-in has ended, and before where there are twenty thousand others', async () => {
    grants.keep('old', 'r1');
    time.advance(VOUCHED_MS);
    grants.keep('s', 'r2');
    expect(await grants.ask('old', 'ada')).toBeNull();
    for (let i = 0; i < 20_000; i++) grants.keep(`s-${i}`, 'r3');
    time.advance(MINUTE_MS);
    expect(await grants.ask('s', 'ada')).toBeNull();
    void grants.ask('s-0', 'ada');
    expect(asked).toEqual(['r3']);
  });
});
