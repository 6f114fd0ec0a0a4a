import { describe, expect, test } from 'vitest';
import { RateLimits, rateLimitHeaders, tooManyRequests } from '../../src/http/rate-limits.ts';

let nowMs = 0;
const clock = { monotonic: () => nowMs };
const limits = (perAccount: number, perAddress = 0) => new RateLimits({ perAccount, perAddress }, { clock });

describe('a rate limit', () => {
  test('gives so many at once, and one more whenever one has come back', () => {
    const of = limits(60);
    for (let i = 0; i < 60; i++) expect(of.take('account', 'ada')).toMatchObject({ isTaken: true, tokens: 59 - i });
    expect(of.take('account', 'ada')).toMatchObject({ isTaken: false });
    nowMs += 999;
    expect(of.take('account', 'ada')!.isTaken).toBe(false);
    nowMs += 1.1;
    expect(of.take('account', 'ada')!.isTaken).toBe(true);
    expect(of.take('account', 'ada')!.isTaken).toBe(false);
    nowMs += 600_000;
    expect(of.take('account', 'ada')!.tokens).toBe(59);
  });

  test('is of each by itself, and 0 is none', () => {
    const of = limits(1, 0);
    expect([of.take('account', 'ada')!.isTaken, of.take('account', 'bob')!.isTaken, of.take('account', 'ada')!.isTaken, of.take('address', 'ada')]).toEqual([true, true, false, null]);
    const both = limits(1, 1);
    expect([both.take('account', 'x')!.isTaken, both.take('address', 'x')!.isTaken]).toEqual([true, true]);
  });

  test('says what is left, when all of it is there again, and when to come back', () => {
    const of = limits(120);
    expect(rateLimitHeaders(of.take('account', 'a')!)).toEqual([['ratelimit-policy', '"account";q=120;w=60'], ['ratelimit', '"account";r=119;t=1']]);
    for (let i = 0; i < 119; i++) of.take('account', 'a');
    const none = of.take('account', 'a')!;
    expect(rateLimitHeaders(none)[1]).toEqual(['ratelimit', '"account";r=0;t=60']);
    expect(tooManyRequests(none)).toMatchObject({ status: 429, code: 'rate_limited', retryAfterSeconds: 0.5, extras: { 'violated-policies': ['account'] } });
  });

  test('forgets who asked least lately when there are too many', () => {
    const of = limits(1);
    for (let i = 0; i < 100_000; i++) of.take('account', `a${i}`);
    of.take('account', 'a0');
    of.take('account', 'one more');
    // a0 was asked for lately, a1 was not.
    expect([of.take('account', 'a0')!.isTaken, of.take('account', 'a1')!.isTaken]).toEqual([false, true]);
  });
});
