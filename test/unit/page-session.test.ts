import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { SignInFault } from '../../src/actors/accounts/protocol.ts';
import { refusal, settled, SmallPage, type Asked } from '../support/small-page.ts';

/** Who sits in front of the page, and how it asks the gateway. The page is JavaScript without declarations, hence the dynamic imports. */
const web = (file: string) => import(new URL(`../../web/${file}`, import.meta.url).href);
const { html } = await web('ui.js');
const { SessionGate } = await web('account/session-gate.js');
const { accessChanged, authorOf, sessionEnded, signIn, signOut, startSession, updateMe, whoIsIn } = await web('account/session.js');
const { takeFault } = await web('account/other-issuer.js');
const { credentials, getJson, sendJson } = await web('api.js');
const { useRemote } = await web('remote-data.js');

/** All that the engine may say; the compiler sees that none is left out. */
const FAULT_CODES: Record<SignInFault | 'engine_away', true> = { issuer_away: true, refused: true, client_refused: true, not_proven: true, state_lost: true, account_disabled: true, engine_away: true };
const NOW = Date.UTC(2026, 6, 15, 12);
let page: SmallPage;
let token: string;
/** Whether the browser has the cookie that a new token comes for. */
let hasCookie: boolean;
let lifeMs: number;

const logIn = () => ({ accessToken: token, accessExpiresAt: new Date(Date.now() + lifeMs).toISOString(), user: { id: 'u1', role: 'admin' } });
const withToken = (answer: object) => ({ headers }: Asked) => (headers.authorization === `Bearer ${token}` ? answer : refusal(401, 'invalid_token', 'Log in first.'));
const refreshes = () => page.asked.filter(({ path }) => path === '/auth/refresh').length;
const gate = () => page.show(html`<${SessionGate}>${(me: { id: string } | null) => html`<p>${me === null ? 'whoever' : me.id}</p>`}<//>`);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'], now: NOW });
  page = new SmallPage();
  [token, hasCookie, lifeMs] = ['t1', true, 600_000];
  page.answers = {
    '/auth/settings': { accounts: 'on', registration: false, mail: false, passwords: true, oidc: null },
    '/auth/login': logIn,
    '/auth/refresh': () => (hasCookie ? logIn() : refusal(401, 'invalid_token', 'The session has ended.')),
    '/auth/logout': {},
    '/things': withToken({ fine: true }),
  };
});
afterEach(async () => {
  await signOut();
  vi.useRealTimers();
  await page.close();
});

describe('the way in', () => {
  test('is open where the engine has no accounts, also where it is of before there were any', async () => {
    page.answers = { '/auth/settings': { accounts: 'off' } };
    expect((await gate()).words).toBe('whoever');
    page.answers = {};
    await startSession();
    await settled();
    expect(page.root.words).toBe('whoever');
  });

  test('asks for no token where nobody was signed in on this browser', async () => {
    expect((await gate()).words).toContain('Sign in');
    expect(refreshes()).toBe(0);
  });

  test('leads in with the cookie of last time', async () => {
    localStorage().setItem('seg.signed-in', 'yes');
    expect((await gate()).words).toBe('u1');
    expect(refreshes()).toBe(1);
  });

  test('says so when the engine does not answer', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new Error('refused')));
    expect((await gate()).words).toMatch(/The engine does not answer/);
    expect((globalThis as any).document.title).toBe('The engine does not answer · Smart Energy Grid');
  });

  test('keeps the token in memory and the refresh token in a cookie', async () => {
    await gate();
    await signIn('ada@example.org', 'three green kettles');
    await settled();
    expect(page.root.words).toBe('u1');
    expect(page.asked.find(({ path }) => path === '/auth/login')!.body).toEqual({ email: 'ada@example.org', password: 'three green kettles', cookie: true });
    expect(localStorage().getItem('seg.signed-in')).toBe('yes');
    expect([whoIsIn().id, authorOf('Bob')]).toEqual(['u1', {}]);
    await signOut();
    await settled();
    expect([localStorage().getItem('seg.signed-in'), whoIsIn(), authorOf('Bob'), credentials.token]).toEqual([null, null, { by: 'Bob' }, null]);
  });

  test('whoever signs out is not told that their session has ended, though the stream and a question under way hear so first', async () => {
    await gate();
    await signIn('ada@example.org', 'three green kettles');
    hasCookie = false;
    let isOver: Promise<boolean>;
    page.answers['/auth/logout'] = () => {
      [token, isOver] = ['t2', sessionEnded()];
      getJson('/things', {}).catch(() => null);
      return {};
    };
    await signOut();
    await settled();
    expect([await isOver!, refreshes()]).toEqual([true, 0]);
    expect(page.root.words).toContain('Sign in');
    expect(page.root.words).not.toContain('Your session has ended');
  });

  test('a one-time password leads to one of their own', async () => {
    await gate();
    page.answers = { ...page.answers, '/auth/login': refusal(403, 'password_change_required', 'Replace it.') };
    await signIn('ada@example.org', 'once');
    await settled();
    expect(page.root.words).toContain('A password of your own');
    expect((globalThis as any).document.title).toBe('A password of your own · Smart Energy Grid');
  });
});

describe('the way in by another issuer', () => {
  const assigned: string[] = [];
  const shownAt: string[] = [];
  const at = (search: string, hash = '') => vi.stubGlobal('location', { search, hash, pathname: '/', host: 'grid.example', protocol: 'https:', assign: (address: string) => assigned.push(address) });
  const settings = (more: object) => {
    page.answers['/auth/settings'] = { accounts: 'on', registration: false, mail: false, passwords: false, oidc: { issuer: 'https://id.example.org:8443/realms/grid', signIn: true }, ...more };
  };
  beforeEach(() => {
    assigned.length = shownAt.length = 0;
    vi.stubGlobal('history', { replaceState: (_state: null, _title: string, address: string) => shownAt.push(address) });
    at('', '#bills/INV%2F1');
    settings({});
  });

  test('is a button with its name, which has the focus and leads back to where one is', async () => {
    const shown = await gate();
    const button = shown.button('Sign in with id.example.org:8443');
    expect([focused() === button, button.getAttribute('type'), shown.all('input').length]).toEqual([true, 'button', 0]);
    expect(shown.words).not.toMatch(/Password|password|administrator/);
    await button.press();
    expect([assigned, localStorage().getItem('seg.signed-in')]).toEqual([['/api/v1/auth/oidc/start?from=%23bills%2FINV%252F1'], 'yes']);
    // A place that the engine would not take leads to the beginning.
    at('', '#a|b');
    await button.press();
    at('', `#${'x'.repeat(256)}`);
    await button.press();
    expect(assigned.slice(1)).toEqual(['/api/v1/auth/oidc/start?from=', '/api/v1/auth/oidc/start?from=']);
  });

  test('stands before the password of the one who may have one, and is not there where programs alone have tokens of it', async () => {
    settings({ passwords: true });
    const shown = await gate();
    expect(shown.all('button').map(({ words, classes }) => [words, classes.includes('main')])).toEqual([['Sign in with id.example.org:8443', true], ['Sign in', false]]);
    settings({ oidc: { issuer: 'https://id.example.org', signIn: false } });
    await startSession();
    await settled();
    expect([page.root.all('button').length, page.root.words]).toEqual([0, expect.stringContaining('Accounts of this engine are those of https://id.example.org')]);
  });

  test('offers no link for a password that nobody has here', async () => {
    settings({ mail: true });
    expect((await gate()).words).not.toContain('Forgotten');
    settings({ mail: true, passwords: true });
    await startSession();
    await settled();
    expect(page.root.words).toContain('Forgotten');
  });

  test('leads in who comes back with the cookie', async () => {
    localStorage().setItem('seg.signed-in', 'yes');
    expect((await gate()).words).toBe('u1');
  });

  test.each([
    ['state_lost', 'Signing in took too long, or was begun in another tab or browser. Start again.'],
    ['issuer_away', 'id.example.org:8443 does not answer at the moment. Try again in a minute.'],
    ['refused', 'id.example.org:8443 did not let you in, or you did not go on there. Start again.'],
    ['account_disabled', 'Your account is disabled here. Ask an administrator.'],
    ['constructor', 'What id.example.org:8443 said does not prove who you are. Start again, and tell an administrator if it happens again.'],
  ])('says once why somebody comes back without it: %s', async (code, words) => {
    localStorage().setItem('seg.signed-in', 'yes');
    hasCookie = false;
    at(`?sign-in=${code}`, '#bills');
    const shown = await gate();
    expect(shown.one('[role=status]').words).toBe(words);
    expect(shown.button('Sign in with id.example.org:8443').getAttribute('aria-describedby')).toBe(shown.one('[role=status]').getAttribute('id'));
    expect([shownAt, localStorage().getItem('seg.signed-in')]).toEqual([['/#bills'], null]);
  });

  test('says nothing to who is in, whatever a link says', async () => {
    localStorage().setItem('seg.signed-in', 'yes');
    at('?sign-in=refused');
    expect([(await gate()).words, shownAt]).toEqual(['u1', ['/']]);
  });

  test.each(Object.keys(FAULT_CODES))('has words for %s', async (code) => {
    at(`?sign-in=${code}`);
    const words = takeFault({ issuer: 'https://id.example.org' });
    at('?sign-in=not_proven');
    const other = takeFault({ issuer: 'https://id.example.org' });
    expect(words === other).toBe(code === 'not_proven');
  });
});

describe('a token', () => {
  beforeEach(async () => {
    await gate();
    await signIn('ada@example.org', 'three green kettles');
  });

  test('goes with every question but those that bring one', async () => {
    expect(await getJson('/things', {})).toEqual({ fine: true });
    await startSession();
    expect(page.asked.filter(({ path }) => path.startsWith('/auth/')).every(({ headers }) => headers.authorization === undefined)).toBe(true);
  });

  test.each([
    [600_000, 480_000],
    [90_000, 60_000],
    [-60_000, 20_000],
  ])('that lasts %i ms is renewed after %i', async (life, afterMs) => {
    lifeMs = life;
    await sessionEnded();
    const before = refreshes();
    await vi.advanceTimersByTimeAsync(afterMs - 1);
    expect(refreshes()).toBe(before);
    await vi.advanceTimersByTimeAsync(1);
    expect(refreshes()).toBe(before + 1);
  });

  test('that has ended is renewed once for all questions that find that out, and they are asked again', async () => {
    token = 't2';
    expect(await Promise.all([getJson('/things', {}), getJson('/things', {}), getJson('/things', {})])).toEqual([{ fine: true }, { fine: true }, { fine: true }]);
    expect(refreshes()).toBe(1);
  });

  test('that was renewed while a question was under way is used for it, without another', async () => {
    page.answers = { ...page.answers, '/things': (asked: Asked) => ((credentials.token = token = 't2'), withToken({ fine: true })(asked)) };
    expect(await getJson('/things', {})).toEqual({ fine: true });
    expect(refreshes()).toBe(0);
  });

  test('is not renewed when somebody may do other things: who they are now is asked for once for all changes under way, and once after the last', async () => {
    let asked = 0;
    page.answers['/me'] = () => ({ id: 'u1', role: ['consumer', 'operator'][asked++] });
    await Promise.all([accessChanged(), accessChanged(), accessChanged()]);
    expect([asked, whoIsIn().role, refreshes()]).toEqual([2, 'operator', 0]);
  });

  test('of somebody who changes something of themselves meanwhile shows that, and not what was asked for before', async () => {
    let name = 'Ada';
    page.answers['/me'] = () => {
      const answer = { id: 'u1', role: 'admin', name };
      if (name === 'Ada') updateMe({ id: 'u1', role: 'admin', name: (name = 'Ada Lovelace') });
      return answer;
    };
    await accessChanged();
    expect(whoIsIn().name).toBe('Ada Lovelace');
  });

  test.each([401, 403])('that cannot be renewed (%i) ends the session, and says so', async (status) => {
    hasCookie = false;
    token = 't2';
    page.answers = { ...page.answers, '/auth/refresh': () => refusal(status, 'invalid_token', 'Over.') };
    await expect(getJson('/things', {})).rejects.toThrow('Log in first.');
    await settled();
    expect([page.root.words, whoIsIn()]).toEqual([expect.stringContaining('Your session has ended. Sign in again.'), null]);
    expect(localStorage().getItem('seg.signed-in')).toBeNull();
  });

  test('that cannot be renewed because nobody answers ends nothing', async () => {
    page.answers = { ...page.answers, '/auth/refresh': () => refusal(503, 'unavailable', 'Later.') };
    expect(await sessionEnded()).toBe(false);
    expect(whoIsIn().id).toBe('u1');
    hasCookie = false;
    page.answers = { ...page.answers, '/auth/refresh': () => refusal(401, 'invalid_token', 'Over.') };
    expect(await sessionEnded()).toBe(true);
  });
});

describe('questions to the gateway', () => {
  test('leave out what is not asked for, and name the version that was seen', async () => {
    page.answers = { '/things': {}, 'PATCH /things': {} };
    await getJson('/things', { a: '1', b: null, c: 'x y' });
    expect(page.asked.at(-1)!.query).toEqual({ a: '1', c: 'x y' });
    await sendJson('PATCH', '/things', { a: 1 }, 7, { by: 'Ada' });
    expect(page.asked.at(-1)).toMatchObject({ method: 'PATCH', body: { a: 1 }, query: { by: 'Ada' }, headers: { 'if-match': '"7"', 'content-type': 'application/json' } });
    await sendJson('PATCH', '/things', {});
    expect(page.asked.at(-1)!.headers).not.toHaveProperty('if-match');
  });

  test('that are refused say so in the gateway’s words, with the fields at fault', async () => {
    page.answers = { '/things': refusal(422, 'invalid_body', 'It cannot be.', { faults: [{ path: 'a', message: 'no' }] }) };
    await expect(getJson('/things', {})).rejects.toMatchObject({ status: 422, code: 'invalid_body', message: 'It cannot be.', faults: [{ path: 'a', message: 'no' }] });
  });

  test('may be given up', async () => {
    const controller = new AbortController();
    vi.stubGlobal('fetch', (address: string, { signal }: { signal: AbortSignal }) => (address.endsWith('/things') ? new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))) : Promise.resolve(Response.json({}))));
    const asked = getJson('/things', {}, controller.signal);
    controller.abort();
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('what a part of the page loads', () => {
  const Part = ({ name }: { name: string }) => {
    const { data, error, refresh } = useRemote(name, (signal: AbortSignal) => getJson(`/${name}`, {}, signal), 10_000);
    return html`<p>${JSON.stringify(data)} ${error}</p><button onClick=${refresh}>again</button>`;
  };

  test('stays while it is loaded anew, also where that fails, and goes with another key', async () => {
    page.answers = { '/one': { one: 1 }, '/two': refusal(404, 'x', 'None.') };
    await page.show(html`<${Part} name="one" />`);
    expect(page.root.one('p').words).toBe('{"one":1}');
    page.answers['/one'] = refusal(503, 'x', 'Later.');
    await page.root.button('again').press();
    expect(page.root.one('p').words).toBe('{"one":1} Later.');
    await page.show(html`<${Part} name="two" />`);
    expect(page.root.one('p').words).toBe('null None.');
  });

  test('is asked for again every ten seconds while the page is seen, and not after it has gone', async () => {
    page.answers = { '/one': { one: 1 } };
    await page.show(html`<${Part} name="one" />`);
    await vi.advanceTimersByTimeAsync(10_000);
    await settled();
    expect(page.asked).toHaveLength(2);
    (globalThis as any).document.visibilityState = 'hidden';
    await vi.advanceTimersByTimeAsync(10_000);
    await settled();
    expect(page.asked).toHaveLength(2);
    (globalThis as any).document.visibilityState = 'visible';
    await page.show(html`<i />`);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(page.asked).toHaveLength(2);
  });

  test('that comes too late is not shown in the place of what is wanted now', async () => {
    let answerOne = (_: Response) => {};
    vi.stubGlobal('fetch', (address: string) => (address.endsWith('/one') ? new Promise<Response>((resolve) => (answerOne = resolve)) : Promise.resolve(Response.json({ two: 2 }))));
    await page.show(html`<${Part} name="one" />`);
    await page.show(html`<${Part} name="two" />`);
    answerOne(Response.json({ one: 1 }));
    await settled();
    expect(page.root.one('p').words).toBe('{"two":2}');
  });
});

function focused(): unknown {
  return (globalThis as unknown as { document: { activeElement: unknown } }).document.activeElement;
}

function localStorage(): { getItem(name: string): string | null; setItem(name: string, value: string): void } {
  return (globalThis as unknown as { localStorage: ReturnType<typeof localStorage> }).localStorage;
}
