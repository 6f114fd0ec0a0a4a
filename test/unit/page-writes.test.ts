import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { refusal, SmallPage, type Asked } from '../support/small-page.ts';

/** How often a write of the page is done, however often it is sent. The page is JavaScript without declarations, hence the dynamic imports. */
const web = (file: string) => import(new URL(`../../web/${file}`, import.meta.url).href);
const { credentials, deleteJson, getJson, postJson, sendJson } = await web('api.js');

const NOW = Date.UTC(2026, 6, 15, 12);
const HALF_AN_HOUR_MS = 1_800_000;
const UNDER_WAY = () => refusal(409, 'request_under_way', 'In a moment.');
let page: SmallPage;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOW });
  page = new SmallPage();
});
afterEach(async () => {
  vi.useRealTimers();
  Object.assign(credentials, { token: null, renew: async () => null });
  page.answers = {};
  // What was not answered would be so in the next test, too.
  page.answers['/end'] = {};
  await postJson('/end', {}, null);
  await page.close();
});

const keyOf = ({ headers }: Asked): string | undefined => headers['idempotency-key'];
const keys = (): (string | undefined)[] => page.asked.map(keyOf);
/** Keys as small numbers, in the order in which they came. */
const pattern = (): number[] => keys().map((key) => [...new Set(keys())].indexOf(key));
/** Sends it, whatever comes of it. */
const post = (body: object = { a: 1 }, version: number | null = null, path = '/things'): Promise<unknown> => postJson(path, body, version).catch((error: unknown) => error);
const answer = (document: object | (() => object)): void => void (page.answers['/things'] = document);
/** Nothing comes back, as when the network fails. */
const lost = (): never => {
  throw new TypeError('Failed to fetch');
};

describe('a key', () => {
  test('goes with every write, each with its own, in the form that the gateway takes', async () => {
    page.answers = { '/things': {} };
    await postJson('/things', {}, null);
    await sendJson('PUT', '/things', {}, 0);
    await sendJson('PATCH', '/things', {}, 7);
    await deleteJson('/things', { reason: 'x' });
    expect(new Set(keys()).size).toBe(4);
    for (const key of keys()) expect(key).toMatch(/^"[0-9a-f]{32}"$/);
    expect(page.asked[2].headers).toMatchObject({ 'if-match': '"7"', 'content-type': 'application/json' });
  });

  test('goes neither with questions nor with what brings or ends a log-in: what the gateway answers there is secret, and of its moment', async () => {
    const paths = ['/auth/login', '/auth/refresh', '/auth/password', '/auth/logout', '/auth/register', '/auth/password-reset/confirm', '/auth/stream-tickets'];
    page.answers = { '/things': {}, ...Object.fromEntries(paths.map((path) => [path, {}])) };
    await getJson('/things', {});
    for (const path of paths) await postJson(path, {}, null);
    expect(keys()).toEqual(keys().map(() => undefined));
  });

  test('goes with the end of one log-in of several', async () => {
    page.answers = { '/auth/sessions/s1': {} };
    await deleteJson('/auth/sessions/s1', {});
    expect(keys()).toEqual([expect.any(String)]);
  });
});

describe('a write that is sent again', () => {
  test.each<[string, () => object]>([
    ['the network fails', lost],
    ['it takes too long', () => {
      throw new DOMException('The operation timed out.', 'TimeoutError');
    }],
    ['the answer breaks off', () => new Response(new ReadableStream({ start: (controller) => controller.error(new TypeError('terminated')) }), { status: 201 })],
    ['the engine fails', () => refusal(500, 'internal', 'It failed.')],
    ['the engine is away', () => refusal(503, 'unavailable', 'Later.')],
    ['a server in between has waited', () => new Response('<html>', { status: 504 })],
    ['it was asked too often', () => refusal(429, 'rate_limited', 'Later.')],
    ['the gateway has waited for it', () => refusal(408, 'timeout', 'Too slow.')],
    ['it is under way', UNDER_WAY],
    // It was not looked at: whether an earlier try was done is as unknown as before.
    ['somebody has to sign in', () => refusal(401, 'invalid_token', 'Log in first.')],
  ])('because %s has its key', async (_why, unanswered) => {
    answer(unanswered);
    expect(await post()).toBeInstanceOf(Error);
    expect(await post()).toBeInstanceOf(Error);
    answer({ fine: true });
    expect(await post()).toEqual({ fine: true });
    expect(pattern()).toEqual([0, 0, 0]);
    // And the next one is another write.
    await post();
    expect(pattern()).toEqual([0, 0, 0, 1]);
  });

  test.each([400, 403, 404, 409, 412, 413, 422])('after it was refused with %i is a new one: why it was refused may be mended', async (status) => {
    answer(() => refusal(status, 'stale_version', 'No.'));
    await post();
    answer({});
    await post();
    expect(pattern()).toEqual([0, 1]);
  });

  test('of which nobody knows what came, as the engine says, is a new one', async () => {
    answer(() => refusal(409, 'outcome_unknown', 'Look whether it was done.'));
    await post();
    await post();
    expect(pattern()).toEqual([0, 1]);
  });

  test('with a token that was renewed in between has its key', async () => {
    Object.assign(credentials, { token: 'old', renew: async () => 'new' });
    page.answers['/things'] = ({ headers }: Asked) => (headers.authorization === 'Bearer new' ? { fine: true } : refusal(401, 'invalid_token', 'Log in first.'));
    expect(await post()).toEqual({ fine: true });
    expect(keys()).toEqual([expect.any(String), keys()[0]]);
  });

  test('twice at once has one key', async () => {
    answer(() => (page.asked.length === 1 ? {} : UNDER_WAY()));
    const [first, second] = await Promise.all([post(), post()]);
    expect([first, (second as { code: string }).code, ...pattern()]).toEqual([{}, 'request_under_way', 0, 0]);
    answer({});
    await post();
    expect(pattern()).toEqual([0, 0, 1]);
  });

  test.each<[string, () => Promise<unknown>]>([
    ['other values', () => post({ a: 2 })],
    ['another version', () => post({ a: 1 }, 3)],
    ['another address', () => post({ a: 1 }, null, '/others')],
    ['another method', () => sendJson('PUT', '/things', { a: 1 }).catch(() => null)],
    ['another query', () => sendJson('POST', '/things', { a: 1 }, null, { by: 'Ada' }).catch(() => null)],
  ])('with %s is a new one, and the first is still what it was', async (_what, other) => {
    page.answers = { '/things': lost, '/others': lost };
    await post();
    await other();
    await post();
    expect(pattern()).toEqual([0, 1, 0]);
  });

  test('is the same one though another was done while it was under way', async () => {
    let isOtherDone = () => {};
    const otherDone = new Promise<void>((resolve) => (isOtherDone = resolve));
    page.answers = { '/others': {}, '/things': () => otherDone.then(lost) };
    const first = post();
    await post({}, null, '/others');
    isOtherDone();
    await first;
    answer({});
    await post();
    expect(pattern()).toEqual([0, 1, 0]);
  });

  test('after another one was done is a new one: that one may have undone it', async () => {
    answer(lost);
    await post({ given: true });
    answer({});
    await post({ given: false });
    await post({ given: true });
    expect(pattern()).toEqual([0, 1, 2]);
  });

  test('half an hour later is a new one', async () => {
    answer(lost);
    await post();
    vi.setSystemTime(NOW + HALF_AN_HOUR_MS - 1);
    await post();
    vi.setSystemTime(NOW + HALF_AN_HOUR_MS);
    await post();
    expect(pattern()).toEqual([0, 0, 1]);
  });

  test('after twenty others that nobody answered is a new one: what is remembered is bounded', async () => {
    answer(lost);
    for (let n = 0; n <= 20; n++) await post({ n });
    await post({ n: 20 });
    await post({ n: 1 });
    await post({ n: 0 });
    expect(pattern().slice(21)).toEqual([20, 1, 21]);
  });

  test('whose body says when it ends, counted from the first try, has the body that it had', async () => {
    const until = (minutes: number, filled: object): Promise<unknown> => postJson('/things', { until: NOW + minutes }, null, filled).catch(() => null);
    answer(lost);
    await until(60, { hours: 1 });
    await until(61, { hours: 1 });
    await until(240, { hours: 4 });
    answer({});
    await until(62, { hours: 1 });
    await until(63, { hours: 1 });
    expect(page.asked.map(({ body }) => (body as { until: number }).until - NOW)).toEqual([60, 60, 240, 60, 63]);
    expect(pattern()).toEqual([0, 0, 1, 0, 2]);
  });
});
