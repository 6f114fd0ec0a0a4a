import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { FakeGrid } from '../support/fake-grid.ts';
import { admin, LiveAccounts, operator } from '../support/live-accounts.ts';
import { liveServers } from '../support/live-server.ts';

const NOW_MS = Date.parse('2026-03-02T21:14:30.000Z');
const { serve, openEvents } = liveServers({ turnMs: 20, meterMs: 20 });

async function waitFor(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(condition()).toBe(true);
}

describe('the event stream', () => {
  test('is the same messages, each with the place of its reader in all channels', async () => {
    const grid = new FakeGrid(NOW_MS);
    const { port, live } = await serve(grid);
    const client = await openEvents(port, 'channels=engine,region:region-01,meter:meter-0101');
    expect([client.status, client.headers.get('content-type'), client.headers.get('cache-control')]).toEqual([200, 'text/event-stream; charset=utf-8', 'no-store, no-transform']);
    expect(await client.next('hello')).toMatchObject({ id: null, event: null, data: { protocol: 1 } });
    const engine = await client.next('snapshot', 'engine');
    expect(engine.id).toBe(`${engine.data.seq.toString(36)}.-.-`);
    const region = await client.next('snapshot', 'region:region-01');
    const meter = await client.next('snapshot', 'meter:meter-0101');
    expect(meter.id).toBe([engine, region, meter].map(({ data }) => data.seq.toString(36)).join('.'));
    grid.setLoad('region-02', 5);
    grid.setLoad('region-01', 5);
    expect((await client.next('update')).data).toMatchObject({ channel: 'region:region-01', after: region.data.seq, data: { regions: [{ loadKw: 5 }] } });
    expect(live.stats()).toMatchObject({ connections: 1, subscriptions: 3 });
    client.close();
    await waitFor(() => live.stats().connections === 0 && live.stats().watchedMeters === 0);
  });

  test('goes on from Last-Event-ID, and from the query in its place', async () => {
    const grid = new FakeGrid(NOW_MS);
    const { port } = await serve(grid);
    const first = await openEvents(port, 'channels=regions,alerts');
    await first.next('snapshot', 'regions');
    const { id } = await first.next('snapshot', 'alerts');
    first.close();
    for (let load = 1; load <= 5; load++) {
      grid.setLoad('region-01', load);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    for (const [query, headers] of [['', { 'last-event-id': id! }], [`&lastEventId=${encodeURIComponent(id!)}`, {}]] as const) {
      const again = await openEvents(port, `channels=regions,alerts${query}`, headers);
      expect((await again.next('update', 'regions')).data.data).toMatchObject({ regions: [{ region: 'region-01', loadKw: 5 }], windows: [] });
      expect((await again.next('update', 'alerts')).data.data).toEqual({ alerts: [] });
      expect(again.events.filter(({ data }) => data.type === 'snapshot')).toEqual([]);
    }
  });

  test('of others than the id is from, or of another life, begins with snapshots', async () => {
    const grid = new FakeGrid(NOW_MS);
    const { port } = await serve(grid);
    for (const id of ['1.2', '1', 'nonsense.!', '-.-', 'zzzzzzzzzzz.zzzzzzzzzzz', '9'.repeat(1_000)]) {
      const client = await openEvents(port, 'channels=regions,alerts', { 'last-event-id': id });
      await client.next('snapshot', 'regions');
      await client.next('snapshot', 'alerts');
      client.close();
    }
  });

  test('remembers the scope of a filtered channel', async () => {
    const accounts = new LiveAccounts();
    accounts.tokens.set('oscar', operator('oscar', 'region-01'));
    const { port } = await serve(new FakeGrid(NOW_MS), { accounts });
    const headers = { authorization: 'Bearer oscar' };
    const { id, data } = await (await openEvents(port, 'channels=regions', headers)).next('snapshot');
    expect(id).toBe(`${data.seq.toString(36)}~${data.scope}`);
    await (await openEvents(port, 'channels=regions', { ...headers, 'last-event-id': id! })).next('update');
    accounts.tokens.set('oscar', operator('oscar', 'region-02'));
    await (await openEvents(port, 'channels=regions', { ...headers, 'last-event-id': id! })).next('snapshot');
  });

  test.each(['', 'channels=', 'channels=weather', 'channels=regions,', `channels=${Array(17).fill('regions').join()}`, 'channels=meter:a%20b', 'channels=%'])('%j names no channels: 400', async (query) => {
    const { port } = await serve(new FakeGrid(NOW_MS));
    const client = await openEvents(port, query);
    expect([client.status, client.body.code]).toEqual([400, 'unknown_channel']);
  });

  test('a channel that is not theirs is refused with 403', async () => {
    const accounts = new LiveAccounts();
    accounts.tokens.set('oscar', operator('oscar', 'region-01'));
    const { port, live } = await serve(new FakeGrid(NOW_MS), { accounts });
    const client = await openEvents(port, 'channels=regions,region:region-02', { authorization: 'Bearer oscar' });
    expect([client.status, client.body.code, client.headers.get('content-type')]).toEqual([403, 'forbidden', 'application/problem+json']);
    expect(live.stats()).toMatchObject({ connections: 0, refused: 1 });
  });

  test('takes tickets, as an EventSource cannot send a token', async () => {
    const accounts = new LiveAccounts();
    accounts.tickets.set('t-1', admin('root'));
    const { port } = await serve(new FakeGrid(NOW_MS), { accounts });
    expect((await openEvents(port, 'channels=engine&ticket=t-1')).status).toBe(200);
    expect((await openEvents(port, 'channels=engine&ticket=t-1')).status).toBe(401);
  });

  test('counts among the connections, and ends with the engine', async () => {
    const { port, live, stop } = await serve(new FakeGrid(NOW_MS), { connectionsMax: 1 });
    const client = await openEvents(port, 'channels=engine');
    await client.next('snapshot');
    const second = await openEvents(port, 'channels=engine');
    expect([second.status, second.headers.get('retry-after')]).toEqual([503, '10']);
    stop();
    expect((await client.next('close')).data).toEqual({ type: 'close', code: 1001, reason: 'the engine is stopping' });
    await waitFor(() => client.ended);
    expect(live.stats().connections).toBe(0);
  });

  test('is beaten for, and not cached or gathered by proxies', async () => {
    const { port } = await serve(new FakeGrid(NOW_MS), { heartbeatMs: 30 });
    const client = await openEvents(port, 'channels=alerts');
    await client.next('heartbeat');
    await client.next('heartbeat');
    expect(client.headers.get('x-accel-buffering')).toBe('no');
  });

  test('what waited for one that reads again comes to its end by itself', async () => {
    const grid = new FakeGrid(NOW_MS);
    const { port, live } = await serve(grid);
    const socket = connect(port, '127.0.0.1');
    socket.write(`GET /live/events?channels=engine HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
    socket.pause();
    await waitFor(() => live.stats().subscriptions === 1);
    let version = 0;
    for (; live.stats().unsentBytes === 0 && version < 200; version++) {
      grid.tellEngine({ meters: version + 1, version: 'v'.repeat(4 * 1024 * 1024) });
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    let text = '';
    socket.on('data', (chunk) => (text = (text + chunk.toString('latin1')).slice(-2_000)));
    socket.resume();
    // `meters` is behind the long `version`.
    await waitFor(() => text.includes(`"meters":${version},`) && live.stats().unsentBytes === 0);
    socket.destroy();
  });

  test('one that does not read costs a bounded memory, and comes to the newest when it reads', async () => {
    const grid = new FakeGrid(NOW_MS);
    const { port, live } = await serve(grid);
    const socket = connect(port, '127.0.0.1');
    socket.write(`GET /live/events?channels=engine HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
    socket.pause();
    await waitFor(() => live.stats().subscriptions === 1);
    const size = 512 * 1024;
    let version = 0;
    for (; live.stats().unsentBytes === 0 && version < 200; version++) {
      grid.tellEngine({ meters: version, version: 'v'.repeat(size) });
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    for (let i = 0; i < 20; i++) {
      grid.tellEngine({ meters: ++version, version: 'v'.repeat(size) });
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    expect(live.stats().unsentBytes).toBeGreaterThan(0);
    expect(live.stats().unsentBytes).toBeLessThan(2 * size);
    let text = '';
    socket.on('data', (chunk) => (text = (text + chunk.toString('latin1')).slice(-2 * size)));
    socket.resume();
    await waitFor(() => text.includes(`"meters":${version},`));
    await waitFor(() => live.stats().unsentBytes === 0);
    socket.destroy();
  });
});
