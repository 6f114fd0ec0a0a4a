import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { FakeSocket } from '../support/fake-socket.ts';
import { pageOf, settled, SmallPage } from '../support/small-page.ts';

vi.mock('uplot', () => import('../support/small-charts.ts'));

/** The whole page, as it is when somebody is signed in: who is led where, and what of the stream they ask for. JavaScript without declarations, hence the dynamic imports. */
const web = (file: string) => import(new URL(`../../web/${file}`, import.meta.url).href);

let page: SmallPage;
let session: any;
const hashListeners = new Set<() => void>();
const user = { id: 'u', email: 'a@b.c', name: 'Ada', role: 'consumer', meters: ['m-now'], regions: [], preferences: { theme: null, locale: null, zone: null } };

beforeAll(async () => {
  page = new SmallPage();
  vi.stubGlobal('WebSocket', FakeSocket);
  vi.stubGlobal('scrollTo', () => undefined);
  vi.stubGlobal('addEventListener', (name: string, run: () => void) => name === 'hashchange' && hashListeners.add(run));
  vi.stubGlobal('removeEventListener', (_name: string, run: () => void) => hashListeners.delete(run));
  Object.assign((globalThis as any).document, { getElementById: (id: string) => (id === 'app' ? page.root : null) });
  page.answers = {
    '/auth/settings': { accounts: 'on', registration: false, mail: false, passwords: true, oidc: null },
    '/auth/login': () => ({ accessToken: 't', accessExpiresAt: new Date(Date.now() + 600_000).toISOString(), user }),
    '/auth/logout': {}, '/auth/stream-tickets': { ticket: 'x' }, '/me': user, '/invoices': pageOf(), '/me/meters': pageOf(), '/auth/sessions': pageOf(),
  };
  session = await web('account/session.js');
  // Tests of pages share a process: what an earlier file was told of accounts is not what this page begins with.
  await session.startSession();
  await web('app.js');
  await settled();
});
afterAll(async () => {
  await session.signOut();
  await settled();
  await page.show(null);
  await page.close();
});
beforeEach(async () => {
  await session.signOut();
  FakeSocket.all = [];
  page.asked.length = 0;
});

async function enter(over: object, hash: string): Promise<string[]> {
  Object.assign(user, { role: 'consumer', meters: [], regions: [], assignments: [] }, over);
  (globalThis as any).location.hash = hash;
  await session.signIn('a@b.c', 'x');
  await settled();
  FakeSocket.all.at(-1)!.open();
  await settled();
  return page.root.all('.page-nav a').map((link) => link.words);
}
const subscribed = () => FakeSocket.all.at(-1)!.sent.filter(({ type }) => type === 'subscribe').flatMap(({ channels }) => channels);
async function go(hash: string): Promise<void> {
  (globalThis as any).location.hash = hash;
  for (const run of hashListeners) run();
  await settled();
}

const assignments = [{ meterId: 'm-left', from: null, until: '2020-01-01T00:00:00Z' }, { meterId: 'm-now', from: '2020-01-01T00:00:00Z', until: null }];

test('a consumer is led home from every page of operators, and follows their meter alone', async () => {
  expect(await enter({ assignments }, '#engine')).toEqual(['Home', 'Account']);
  expect(page.root.one('h2').words).toBe('Your home');
  expect(subscribed()).toEqual(['prices', 'meter:m-now']);
  for (const hash of ['#/region-01', '#meters', '#registry/m-now', '#tariffs', '#bills', '#prices', '#silent']) {
    await go(hash);
    expect([hash, page.root.one('h2').words]).toEqual([hash, 'Your home']);
  }
  expect(page.asked.some(({ path }) => ['/engine', '/meters', '/registry/meters', '/tariffs', '/prices', '/alerts/active'].includes(path) && path !== '/tariffs')).toBe(false);
  await go('#account');
  expect(page.root.one('h2').words).toBe('Ada');
});

test('of a meter that was left nothing of now is asked for, by the stream neither', async () => {
  await enter({ assignments }, '#home/m-left');
  expect([page.root.one('h2').words, subscribed()]).toEqual(['Your home before', ['prices']]);
  await go('#home/m-now');
  expect([page.root.one('h2').words, subscribed().at(-1)]).toEqual(['Your home', 'meter:m-now']);
});

test('whoever has left all their meters is shown the one that they left last', async () => {
  await enter({ assignments: assignments.slice(0, 1) }, '');
  expect([page.root.one('h2').words, page.root.one('.reporting').words]).toEqual(['Your home before', 'm-left']);
});

test('what somebody is given or loses while the page is open is there, or gone, at once', async () => {
  await enter({ assignments: [] }, '');
  expect(page.root.words).toContain('No meter belongs to your account yet.');
  const become = async (over: object): Promise<string[]> => {
    Object.assign(user, over);
    FakeSocket.all.at(-1)!.say({ type: 'access' });
    await settled();
    return page.root.all('h2').slice(0, 1).map(({ words }) => words);
  };
  expect([await become({ assignments: assignments.slice(1) }), page.root.one('.reporting').words, subscribed().at(-1)]).toEqual([['Your home'], 'm-now', 'meter:m-now']);
  expect(await become({ assignments: [{ ...assignments[1], until: '2021-01-01T00:00:00Z' }] })).toEqual(['Your home before']);
  expect(FakeSocket.all.at(-1)!.sent.at(-1)).toEqual({ type: 'unsubscribe', channels: ['meter:m-now'] });
  // Another role has other channels, on a connection of its own.
  await become({ role: 'operator', regions: 'all', assignments: [] });
  FakeSocket.all.at(-1)!.open();
  expect([page.root.all('.page-nav a').length, FakeSocket.all.length, subscribed()]).toEqual([9, 2, ['regions', 'anomalies', 'alerts', 'prices', 'engine']]);
  expect(page.asked.some(({ path }) => path === '/auth/refresh')).toBe(false);
});

test('what is looked at is what the tab is called', async () => {
  const titles: string[] = [];
  await enter({ role: 'operator', regions: 'all' }, '#/');
  for (const hash of ['#/', '#/region-08/m-1', '#meters', '#bills/INV%2F1', '#account']) {
    await go(hash);
    titles.push((globalThis as any).document.title);
  }
  await session.signOut();
  await settled();
  titles.push((globalThis as any).document.title);
  await enter({ assignments }, '#meters');
  titles.push((globalThis as any).document.title);
  expect(titles.map((title) => title.replace(/ · Smart Energy Grid$/, ''))).toEqual(['Smart Energy Grid', 'Meter m-1', 'Meters', 'Bill INV/1', 'Settings', 'Sign in', 'Home']);
});

test('an operator has the grid, and what stands in the address', async () => {
  expect(await enter({ role: 'operator', regions: 'all' }, '#/region-08/m-1')).toHaveLength(9);
  expect(subscribed()).toEqual(['regions', 'anomalies', 'alerts', 'prices', 'engine', 'meter:m-1']);
  await go('#bills');
  expect(page.root.one('h2').words).toBe('Bills');
});
