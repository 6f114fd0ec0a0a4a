import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakeSocket } from '../support/fake-socket.ts';
import { refusal, settled, SmallPage } from '../support/small-page.ts';

/** What a page asks the live stream for, and how it goes on with it. The page is JavaScript without declarations, hence the dynamic imports. */
const web = (file: string) => import(new URL(`../../web/${file}`, import.meta.url).href);
const { html } = await web('ui.js');
const { useGrid } = await web('grid-stream.js');
const { signIn, signOut, startSession, whoIsIn } = await web('account/session.js');

let page: SmallPage;
const socket = () => FakeSocket.all.at(-1)!;
const Page = ({ isConsumer, meterId }: { isConsumer: boolean; meterId: string | null }) => {
  const { state, connection } = useGrid(isConsumer, meterId);
  return html`<p>${connection.status} ${[...(state.regions?.keys() ?? [])].join()} ${state.meter?.now?.meter.health} ${state.meter?.error}</p>`;
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  page = new SmallPage();
  FakeSocket.all = [];
  vi.stubGlobal('WebSocket', FakeSocket);
});
afterEach(async () => {
  await signOut();
  vi.useRealTimers();
  await page.close();
});

describe('the stream of a page', () => {
  test('has all channels for an operator, and for a consumer their meter and the prices', async () => {
    await page.show(html`<${Page} isConsumer=${false} meterId=${null} />`);
    socket().open();
    expect([socket().url, socket().sent]).toEqual(['wss://grid.example/live', [{ type: 'subscribe', channels: ['regions', 'anomalies', 'alerts', 'prices', 'engine'] }]]);
    await page.show(html`<${Page} key="c" isConsumer=${true} meterId="m1" />`);
    socket().open();
    expect(socket().sent).toEqual([{ type: 'subscribe', channels: ['prices', 'meter:m1'] }]);
  });

  test('with accounts spends a ticket for each connection', async () => {
    page.answers = { '/auth/settings': { accounts: 'on' }, '/auth/login': { accessToken: 't', accessExpiresAt: new Date(Date.now() + 600_000).toISOString(), user: { id: 'u', role: 'admin' } }, '/auth/stream-tickets': { ticket: 'segt_1/x' }, '/auth/refresh': {} };
    await startSession();
    await signIn('a@b.c', 'x');
    await page.show(html`<${Page} isConsumer=${false} meterId=${null} />`);
    expect(socket().url).toBe('wss://grid.example/live?ticket=segt_1%2Fx');
  });

  test('asks who is there when the stream says that they may do other things, and at each connection, as nobody told before', async () => {
    const asked = () => page.asked.filter(({ path }) => path === '/me').length;
    page.answers = { '/auth/settings': { accounts: 'on' }, '/auth/login': { accessToken: 't', accessExpiresAt: new Date(Date.now() + 600_000).toISOString(), user: { id: 'u', role: 'admin' } }, '/auth/stream-tickets': { ticket: 'x' }, '/me': { id: 'u', role: 'admin', name: 'Ada' } };
    await startSession();
    await signIn('a@b.c', 'x');
    await page.show(html`<${Page} isConsumer=${false} meterId=${null} />`);
    expect(asked()).toBe(0);
    socket().open();
    await settled();
    expect([asked(), whoIsIn().name]).toEqual([1, 'Ada']);
    socket().say({ type: 'access' });
    await settled();
    expect(asked()).toBe(2);
    // Not to be had: that ends nothing, and the next time it is.
    page.answers['/me'] = refusal(503, 'unavailable', 'Later.');
    socket().say({ type: 'access' });
    await settled();
    expect([asked(), whoIsIn().name]).toEqual([3, 'Ada']);
    page.answers['/me'] = { id: 'u', role: 'operator', name: 'Ada' };
    socket().onclose!({ code: 1006 });
    await vi.advanceTimersByTimeAsync(700);
    await settled();
    socket().open();
    await settled();
    expect([asked(), whoIsIn().role]).toEqual([4, 'operator']);
  });

  test('asks nobody who is there where there are no accounts', async () => {
    await page.show(html`<${Page} isConsumer=${false} meterId=${null} />`);
    socket().open();
    socket().say({ type: 'access' });
    await settled();
    expect(page.asked).toEqual([]);
  });

  test('follows another meter, and forgets where it was with the one before', async () => {
    await page.show(html`<${Page} isConsumer=${true} meterId="m1" />`);
    socket().open();
    socket().say({ type: 'snapshot', channel: 'meter:m1', seq: 5, data: { meter: { health: 'silent' }, openWindows: [] } });
    await settled();
    expect(page.root.words).toBe('live silent');
    await page.show(html`<${Page} isConsumer=${true} meterId="m2" />`);
    await page.show(html`<${Page} isConsumer=${true} meterId="m1" />`);
    expect(socket().sent.slice(1)).toEqual([{ type: 'unsubscribe', channels: ['meter:m1'] }, { type: 'subscribe', channels: ['meter:m2'] }, { type: 'unsubscribe', channels: ['meter:m2'] }, { type: 'subscribe', channels: ['meter:m1'] }]);
    socket().say({ type: 'error', channel: 'meter:m1', code: 'forbidden', message: 'None of yours.' });
    await settled();
    expect(page.root.words).toBe('live None of yours.');
  });

  test('asks from the beginning for what was refused before', async () => {
    await page.show(html`<${Page} isConsumer=${true} meterId="m1" />`);
    socket().open();
    socket().say({ type: 'snapshot', channel: 'meter:m1', seq: 5, data: { meter: { health: 'silent' }, openWindows: [] } });
    socket().say({ type: 'error', channel: 'meter:m1', code: 'forbidden', message: 'None of yours.' });
    socket().onclose!({ code: 1006 });
    await vi.advanceTimersByTimeAsync(700);
    await settled();
    socket().open();
    expect(socket().sent).toEqual([{ type: 'subscribe', channels: ['prices', 'meter:m1'] }]);
  });

  test('shows an update once, and is dead when the heartbeats that the server promised do not come', async () => {
    await page.show(html`<${Page} isConsumer=${false} meterId=${null} />`);
    socket().open(5_000);
    const regions = (name: string) => ({ regions: [{ region: name }], windows: [] });
    socket().say({ type: 'snapshot', channel: 'regions', seq: 5, data: regions('a') });
    socket().say({ type: 'update', channel: 'regions', seq: 6, after: 5, data: regions('b') });
    socket().say({ type: 'update', channel: 'regions', seq: 6, after: 5, data: regions('c') });
    await settled();
    expect(page.root.words).toBe('live a,b');
    await vi.advanceTimersByTimeAsync(11_001);
    await settled();
    expect(page.root.words).toBe('waiting a,b');
  });

  test('waits as long after a loss as at first, once it was live in between', async () => {
    await page.show(html`<${Page} isConsumer=${false} meterId=${null} />`);
    for (let i = 0; i < 5; i++) {
      socket().open();
      socket().onclose!({ code: 1006 });
      await vi.advanceTimersByTimeAsync(640);
      await settled();
      expect(FakeSocket.all).toHaveLength(i + 2);
    }
  });

  test('looks again when somebody comes back to the page, but not once the session has ended', async () => {
    const looks: (() => void)[] = [];
    vi.stubGlobal('addEventListener', (name: string, run: () => void) => name === 'online' && looks.push(run));
    page.answers = { '/auth/refresh': () => Response.json({ code: 'x', detail: 'Over.' }, { status: 401 }) };
    await page.show(html`<${Page} isConsumer=${false} meterId=${null} />`);
    socket().open();
    socket().onclose!({ code: 1006 });
    looks[0]();
    await settled();
    expect(FakeSocket.all).toHaveLength(2);
    socket().open();
    socket().onclose!({ code: 4401 });
    looks[0]();
    await settled();
    expect(FakeSocket.all).toHaveLength(2);
    expect(page.root.words).toMatch(/^ended/);
  });
});
