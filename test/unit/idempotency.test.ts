import { describe, expect, test } from 'vitest';
import type { KeptWrite } from '../../src/actors/accounts/protocol.ts';
import { NOBODY } from '../../src/http/guard.ts';
import { IdempotencyKeys, isFinal, type Begun, type KeptAnswer } from '../../src/http/idempotency.ts';

let nowMs = 0;
const WALL_MS = Date.UTC(2026, 10, 27);
const DAY_MS = 86_400_000;
const fresh = () => new IdempotencyKeys({ clock: { monotonic: () => nowMs, now: () => WALL_MS + nowMs } });
const write = (body = '{}', target = '/x?') => ({ method: 'POST', target, body });
const answer = (body = 'made'): KeptAnswer => ({ status: 201, type: 'application/json', body, headers: [] });
const begin = (keys: IdempotencyKeys, header: string, of = write(), who = 'ada', operation = 'o'): Begun => keys.begin(header, { ...NOBODY, id: who }, operation, of);

function done(begun: Begun, with_: KeptAnswer | null): void {
  if (begun.kind !== 'new') throw new Error(begun.kind);
  begun.done(with_);
}

describe('an idempotency key', () => {
  test('is answered as it was answered first, with quotation marks or without', () => {
    const keys = fresh();
    done(begin(keys, '"8e03978e-40d5"'), answer());
    for (const header of ['"8e03978e-40d5"', '8e03978e-40d5', ' "8e03978e-40d5" ']) expect(begin(keys, header)).toEqual({ kind: 'again', answer: answer() });
  });

  test('is of one person and one operation', () => {
    const keys = fresh();
    done(begin(keys, 'k'), answer());
    expect(begin(keys, 'k', write(), 'bob').kind).toBe('new');
    expect(begin(keys, 'k', write(), 'ada', 'other').kind).toBe('new');
  });

  test('is refused with another request, and while the first is under way', () => {
    const keys = fresh();
    const first = begin(keys, 'k');
    expect(begin(keys, 'k')).toMatchObject({ kind: 'refused', problem: { status: 409, code: 'request_under_way' } });
    for (const other of [write('{ }'), write('{}', '/y?'), { ...write(), method: 'PUT' }]) expect(begin(keys, 'k', other)).toMatchObject({ kind: 'refused', problem: { status: 422, code: 'idempotency_key_reused' } });
    done(first, answer());
    expect(begin(keys, 'k', write('{ }'))).toMatchObject({ kind: 'refused', problem: { status: 422 } });
  });

  test('of what came to nothing is free again', () => {
    const keys = fresh();
    done(begin(keys, 'k'), null);
    expect(begin(keys, 'k', write('other')).kind).toBe('new');
    expect([200, 204, 404, 409, 422].map(isFinal)).toEqual(Array(5).fill(true));
    expect([408, 429, 500, 503, 504].map(isFinal)).toEqual(Array(5).fill(false));
  });

  test.each(['', '""', '"a', 'a b', '"a"b"', 'x'.repeat(256), 'ä', '"a\\"'])('%j is none', (header) => {
    expect(begin(fresh(), header)).toMatchObject({ kind: 'refused', problem: { status: 400, code: 'invalid_idempotency_key' } });
  });

  test('is kept for a day, and not once it was forgotten', () => {
    const keys = fresh();
    const first = begin(keys, 'k');
    done(first, answer());
    nowMs += DAY_MS - 1;
    expect(begin(keys, 'k').kind).toBe('again');
    nowMs += 1;
    const second = begin(keys, 'k');
    expect(second.kind).toBe('new');
    // The first one's word comes too late.
    done(first, answer('late'));
    done(second, answer('new'));
    expect(begin(keys, 'k')).toMatchObject({ answer: { body: 'new' } });
    nowMs += DAY_MS;
    begin(keys, 'z');
    expect(keys.stats().kept).toBe(1);
  });

  test('holds so much and no more; the oldest answers go, what is under way stays', () => {
    const keys = fresh();
    const underWay = begin(keys, '"under way"');
    const big = 'x'.repeat(1024 * 1024);
    for (let i = 0; i < 40; i++) done(begin(keys, `k${i}`), answer(big));
    expect(keys.stats().chars).toBeLessThanOrEqual(32 * 1024 * 1024);
    expect([begin(keys, '"under way"').kind, begin(keys, 'k0').kind, begin(keys, 'k39').kind]).toEqual(['refused', 'new', 'again']);
    done(underWay, null);
    const many = fresh();
    for (let i = 0; i <= 50_000; i++) done(begin(many, `k${i}`), { status: 204, type: null, body: '', headers: [] });
    expect(many.stats().kept).toBe(50_000);
    for (let i = 1; i <= 50_000; i++) expect(begin(many, `k${i}`).kind).toBe('again');
    nowMs += DAY_MS;
    done(begin(many, 'last'), null);
    expect(many.stats()).toEqual({ kept: 0, chars: 0 });
  });

  describe('of another life of the engine', () => {
    const kept = (answer: KeptWrite['answer'], until = WALL_MS + nowMs + 60_000): IdempotencyKeys => {
      const first = begin(fresh(), 'k');
      if (first.kind !== 'new') throw new Error(first.kind);
      return new IdempotencyKeys({ clock: { monotonic: () => nowMs, now: () => WALL_MS + nowMs }, kept: [{ ...first.key, until, answer }] });
    };

    test('is answered as it was then, for the rest of its time', () => {
      const keys = kept(answer());
      expect(begin(keys, 'k')).toEqual({ kind: 'again', answer: answer() });
      expect(begin(keys, 'k', write('other'))).toMatchObject({ kind: 'refused', problem: { code: 'idempotency_key_reused' } });
      nowMs += 60_000;
      expect(begin(keys, 'k').kind).toBe('new');
    });

    test('says that nobody knows, or that its answer was a secret, and is not done again', () => {
      expect(begin(kept('unknown'), 'k')).toMatchObject({ kind: 'refused', problem: { status: 409, code: 'outcome_unknown' } });
      expect(begin(kept('secret'), 'k')).toMatchObject({ kind: 'refused', problem: { status: 409, code: 'answer_not_kept' } });
    });

    test('lives no longer than a new one, whatever the clock was then', () => {
      const keys = kept(answer(), WALL_MS + nowMs + 400 * DAY_MS);
      nowMs += DAY_MS;
      expect(begin(keys, 'k').kind).toBe('new');
    });
  });

  test('is forgotten on the disk, too, when it goes', () => {
    const gone: string[] = [];
    const keys = new IdempotencyKeys({ clock: { monotonic: () => nowMs, now: () => WALL_MS + nowMs }, onForgotten: (names) => gone.push(...names) });
    const first = begin(keys, 'k');
    if (first.kind !== 'new') throw new Error(first.kind);
    expect(first.key.until).toBe(WALL_MS + nowMs + DAY_MS);
    first.done(answer());
    nowMs += DAY_MS;
    expect(begin(keys, 'k').kind).toBe('new');
    expect(gone).toEqual([first.key.name]);
  });
});
