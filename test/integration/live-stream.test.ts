import { connect, type Socket as TcpSocket } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ALERTS_ACTIVE_MAX, ANOMALIES_RECENT_MAX, BILLS_RECENT_MAX, PRICES_MAX, SUBSCRIPTIONS_PER_SOCKET_MAX } from '../../src/http/live-protocol.ts';
import type { LiveStream } from '../../src/http/live-stream.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { exampleAlert } from '../support/example-alerts.ts';
import { exampleDispute, exampleInvoice, examplePayment, examplePrice } from '../support/example-bills.ts';
import { exampleAnomaly, FakeGrid } from '../support/fake-grid.ts';
import { frame, readFrames } from '../support/live-clients.ts';
import { liveServers } from '../support/live-server.ts';

const NOW_MS = Date.parse('2026-03-02T21:14:30.000Z');
const TURN_MS = 20;

const { serve, open, rawUpgrade } = liveServers({ turnMs: TURN_MS, meterMs: TURN_MS });
const wholeFile = liveServers({ turnMs: TURN_MS, meterMs: TURN_MS }, afterAll);

/** Whose upgrade never ends: uWebSockets gives it some ten seconds, which the tests between need anyway. */
let endless: { live: LiveStream; port: number; closed: Promise<void> };

beforeAll(async () => {
  const { port, live } = await wholeFile.serve(new FakeGrid(NOW_MS), { connectionsMax: 1 });
  const socket = connect(port, '127.0.0.1');
  socket.write(`GET /live HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nX-Slow: `);
  socket.on('error', () => {});
  socket.resume();
  endless = { live, port, closed: new Promise((resolve) => socket.once('close', () => resolve())) };
});

test('an upgrade that never ends holds nothing', async () => {
  await wholeFile.open(endless.port);
  expect(endless.live.stats().connections).toBe(1);
});

describe('channels', () => {
  test('a subscriber gets the regions with an hour of curve, then what changes, numbered without a gap', async () => {
    const grid = new FakeGrid(NOW_MS);
    const { port } = await serve(grid);
    const client = await open(port);
    client.subscribe('regions');

    const snapshot = await client.next('snapshot', 'regions');
    expect(snapshot.data.regions).toHaveLength(10);
    expect(snapshot.data.windows).toHaveLength(600);
    expect(snapshot.data.windows[0].windowStart).toBe('2026-03-02T20:15:00.000Z');

    grid.setLoad('region-01', 5);
    const first = await client.next('update', 'regions');
    expect(first.seq).toBe(snapshot.seq + 1);
    expect(first.data).toEqual({ regions: [expect.objectContaining({ region: 'region-01', loadKw: 5 })], windows: [] });

    grid.setLoad('region-02', 6);
    const second = await client.next('update', 'regions');
    expect(second.seq).toBe(first.seq + 1);
  });

  test('a grid of very many regions sends the curves of the first hundred only', async () => {
    const grid = new FakeGrid(NOW_MS);
    const names = Array.from({ length: 150 }, (_, i) => `r${i}`);
    grid.regionsNow = names.map((region) => ({ ...grid.regionsNow[0], region }));
    grid.windows = names.map((region) => ({ ...grid.windows[0], region }));
    const { port } = await serve(grid);
    const client = await open(port);
    client.subscribe('regions');
    const { data } = await client.next('snapshot', 'regions');
    expect(data.regions).toHaveLength(150);
    expect(data.windows.map((window: { region: string }) => window.region)).toEqual(names.slice(0, 100));
  });

  test('many changes between two turns arrive as one update with the newest of each', async () => {
    const grid = new FakeGrid(NOW_MS);
    const { port } = await serve(grid, { turnMs: 200 });
    const client = await open(port);
    client.subscribe('regions');
    await client.next('snapshot', 'regions');
    for (let load = 1; load <= 500; load++) grid.setLoad('region-03', load);
    const update = await client.next('update', 'regions');
    expect(update.data.regions).toEqual([expect.objectContaining({ region: 'region-03', loadKw: 500 })]);
  });

  test('anomalies arrive when they open and when they end, with ISO times', async () => {
    const grid = new FakeGrid(NOW_MS);
    const { port } = await serve(grid);
    const client = await open(port);
    client.subscribe('anomalies');
    const snapshot = await client.next('snapshot', 'anomalies');
    expect(snapshot.data.anomalies).toHaveLength(grid.anomalyList.length);

    const anomaly = exampleAnomaly({ meterId: 'meter-0901', startedAt: NOW_MS });
    grid.tellAnomaly(anomaly);
    const opened = await client.next('update', 'anomalies');
    expect(opened.data.anomalies).toEqual([{ ...anomaly, startedAt: '2026-03-02T21:14:30.000Z', endedAt: null }]);

    grid.tellAnomaly({ ...anomaly, endedAt: NOW_MS + 60_000, endReason: 'recovered' });
    const ended = await client.next('update', 'anomalies');
    expect(ended.data.anomalies[0]).toMatchObject({ id: anomaly.id, endedAt: '2026-03-02T21:15:30.000Z', endReason: 'recovered' });
  });

  test('a storm of anomalies becomes one snapshot of the newest', async () => {
    const grid = new FakeGrid(NOW_MS);
    const { port } = await serve(grid, { turnMs: 200 });
    const client = await open(port);
    client.subscribe('anomalies');
    const before = await client.next('snapshot', 'anomalies');
    for (let i = 0; i < 1_000; i++) grid.tellAnomaly(exampleAnomaly({ meterId: `meter-09${i}`, startedAt: NOW_MS + i }));
    const after = await client.next('snapshot', 'anomalies');
    expect(after.seq).toBe(before.seq + 1);
    expect(after.data.anomalies).toHaveLength(ANOMALIES_RECENT_MAX);
    expect(after.data.anomalies[0].meterId).toBe('meter-09999');
  });

  test('alerts arrive whole when they open, change and end; a snapshot has the active ones', async () => {
    const grid = new FakeGrid(NOW_MS);
    const open1 = exampleAlert({ fingerprint: '00000000000000a1', openedAt: NOW_MS - 60_000 });
    grid.alertList = [open1];
    const { port } = await serve(grid);
    const client = await open(port);
    client.subscribe('alerts');
    const snapshot = await client.next('snapshot', 'alerts');
    expect(snapshot.data.alerts).toEqual([{ ...open1, startedAt: '2026-03-02T21:12:30.000Z', openedAt: '2026-03-02T21:13:30.000Z', changedAt: '2026-03-02T21:13:30.000Z' }]);

    const open2 = exampleAlert({ fingerprint: '00000000000000a2', openedAt: NOW_MS });
    const resolved = { ...open1, state: 'resolved' as const, resolved: { at: NOW_MS, by: 'Ada', why: 'repaired' } };
    grid.tellAlerts(open2, resolved);
    const update = await client.next('update', 'alerts');
    expect(update.seq).toBe(snapshot.seq + 1);
    expect(update.data.alerts.map(({ id, state }: { id: string; state: string }) => [id, state])).toEqual([[open2.id, 'open'], [open1.id, 'resolved']]);
    expect(update.data.alerts[1].resolved).toEqual({ at: '2026-03-02T21:14:30.000Z', by: 'Ada', why: 'repaired' });

    client.subscribe('alerts');
    expect((await client.next('snapshot', 'alerts')).data.alerts.map(({ id }: { id: string }) => id)).toEqual([open2.id]);
  });

  test('a storm of alerts becomes one snapshot of the newest', async () => {
    const grid = new FakeGrid(NOW_MS);
    const { port } = await serve(grid, { turnMs: 200 });
    const client = await open(port);
    client.subscribe('alerts');
    const before = await client.next('snapshot', 'alerts');
    expect(before.data).toEqual({ alerts: [] });
    for (let i = 0; i < 1_000; i++) grid.tellAlerts(exampleAlert({ id: `a${i}`, openedAt: NOW_MS + i }));
    const after = await client.next('snapshot', 'alerts');
    expect(after.seq).toBe(before.seq + 1);
    expect(after.data.alerts).toHaveLength(ALERTS_ACTIVE_MAX);
    expect(after.data.alerts[0].id).toBe('a999');
  });

  test('prices arrive when there are others, the newest of each region; a snapshot has those of all', async () => {
    const grid = new FakeGrid(NOW_MS);
    grid.priceList = [examplePrice({ region: 'north', since: NOW_MS }), examplePrice({ region: 'south', loadPercent: null, override: 'price-override-1', multiplier: '1', since: NOW_MS })];
    const { port } = await serve(grid, { turnMs: 200 });
    const client = await open(port);
    client.subscribe('prices');
    const snapshot = await client.next('snapshot', 'prices');
    expect(snapshot.data.prices).toEqual(grid.priceList.map((price) => ({ ...price, since: '2026-03-02T21:14:30.000Z' })));
    for (const price of ['0.22', '0.20']) grid.priceListeners.tell([examplePrice({ price, since: NOW_MS + 60_000 })]);
    const update = await client.next('update', 'prices');
    expect(update.seq).toBe(snapshot.seq + 1);
    expect(update.data.prices).toEqual([{ ...examplePrice({ price: '0.20' }), since: '2026-03-02T21:15:30.000Z' }]);
    grid.priceList = Array.from({ length: PRICES_MAX + 1 }, (_, i) => examplePrice({ region: `r${String(i).padStart(5, '0')}` }));
    grid.priceListeners.tell(grid.priceList);
    const { data } = await client.next('snapshot', 'prices');
    expect(data.prices.map(({ region }: { region: string }) => region)).toEqual(grid.priceList.slice(0, PRICES_MAX).map(({ region }) => region));
  });

  test('what happens to bills arrives without their lines; a run of very many becomes a snapshot of the newest', async () => {
    const grid = new FakeGrid(NOW_MS);
    const invoice = exampleInvoice({ issuedAt: NOW_MS });
    grid.recentBills = { invoices: [invoice], payments: [], disputes: [] };
    const { port } = await serve(grid, { turnMs: 200 });
    const client = await open(port);
    client.subscribe('bills');
    const snapshot = await client.next('snapshot', 'bills');
    expect(snapshot.data).toMatchObject({ invoices: [{ id: invoice.id, number: 'INV-2026-000001', state: 'issued', total: '39.55', issuedAt: '2026-03-02T21:14:30.000Z' }], payments: [], disputes: [] });
    for (const key of ['lines', 'dailyKwh', 'parts']) expect(snapshot.data.invoices[0]).not.toHaveProperty(key);
    const paid = exampleInvoice({ version: 3, state: 'paid' });
    grid.billListeners.tell({ invoices: [exampleInvoice({ version: 2 }), paid], payments: [examplePayment({ receivedAt: NOW_MS })], disputes: [] });
    grid.billListeners.tell({ invoices: [], payments: [], disputes: [exampleDispute({ openedAt: NOW_MS })] });
    const update = await client.next('update', 'bills');
    expect(update.data).toMatchObject({
      invoices: [{ id: invoice.id, version: 3, state: 'paid' }],
      payments: [{ id: 'payment-1', amount: '20.00', receivedAt: '2026-03-02T21:14:30.000Z' }],
      disputes: [{ id: 'dispute-1', openedAt: '2026-03-02T21:14:30.000Z', resolvedAt: null }],
    });
    grid.recentBills = { ...grid.recentBills, invoices: Array.from({ length: BILLS_RECENT_MAX + 1 }, (_, i) => exampleInvoice({ id: `i${i}` })) };
    grid.billListeners.tell({ invoices: grid.recentBills.invoices, payments: [], disputes: [] });
    const after = await client.next('snapshot', 'bills');
    expect(after.seq).toBe(update.seq + 1);
    expect(after.data.invoices).toHaveLength(BILLS_RECENT_MAX);
  });

  test('the engine channel tells its state', async () => {
    const grid = new FakeGrid(NOW_MS);
    const { port } = await serve(grid);
    const client = await open(port);
    client.subscribe('engine');
    expect((await client.next('snapshot', 'engine')).data).toMatchObject({ state: 'ready', now: '2026-03-02T21:14:30.000Z' });
    grid.tellEngine({ state: 'degraded' });
    expect((await client.next('update', 'engine')).data).toMatchObject({ state: 'degraded' });
  });

  test('windows are told of when they have closed, all or those of a region', async () => {
    const grid = new FakeGrid(NOW_MS);
    const { port } = await serve(grid);
    const client = await open(port);
    client.subscribe('windows', 'windows:region-02');
    const closed = grid.windows.filter(({ final }) => final);
    expect((await client.next('snapshot', 'windows')).data.windows).toHaveLength(closed.length);
    const { data } = await client.next('snapshot', 'windows:region-02');
    expect(new Set(data.windows.map(({ region }: { region: string }) => region))).toEqual(new Set(['region-02']));
    expect(data.windows[0]).toMatchObject({ granularity: '1m', windowStart: '2026-03-02T20:15:00.000Z', windowEnd: '2026-03-02T20:16:00.000Z', final: true, minPowerKw: 0.2 });
    grid.closedListeners.tell([{ ...closed[0], sumPowerKw: 7 }]);
    grid.closedListeners.tell([{ ...closed.find(({ region }) => region === 'region-02')!, sumPowerKw: 8 }]);
    expect((await client.next('update', 'windows:region-02')).data.windows).toMatchObject([{ region: 'region-02', sumPowerKw: 8 }]);
    await client.next('update', 'windows');
  });

  test('a client goes on where it was after a break, with the newest of what it missed', async () => {
    const grid = new FakeGrid(NOW_MS);
    const { port } = await serve(grid);
    const before = await open(port);
    before.subscribe('regions', 'alerts');
    const [regions, alerts] = [await before.next('snapshot', 'regions'), await before.next('snapshot', 'alerts')];
    before.socket.close();
    for (const load of [1, 2, 3]) {
      grid.setLoad('region-01', load);
      await new Promise((resolve) => setTimeout(resolve, 2 * TURN_MS));
    }
    const after = await open(port);
    after.subscribe({ name: 'regions', after: regions.seq }, { name: 'alerts', after: alerts.seq });
    expect(await after.next('update', 'regions')).toMatchObject({ after: regions.seq, seq: regions.seq + 3, data: { regions: [{ region: 'region-01', loadKw: 3 }], windows: [] } });
    expect(await after.next('update', 'alerts')).toMatchObject({ after: alerts.seq, seq: alerts.seq, data: { alerts: [] } });
    after.subscribe({ name: 'regions', after: regions.seq - 1 });
    await after.next('snapshot', 'regions');
    after.subscribe({ name: 'regions', after: regions.seq + 99 });
    await after.next('snapshot', 'regions');
  });

  test('no update comes after unsubscribe', async () => {
    const grid = new FakeGrid(NOW_MS);
    const { port } = await serve(grid);
    const client = await open(port);
    client.subscribe('regions', 'engine');
    await client.next('snapshot', 'regions');
    client.send({ type: 'unsubscribe', channels: ['regions'] });
    client.send({ type: 'ping' });
    await client.next('pong');
    grid.setLoad('region-01', 1);
    grid.tellEngine({ meters: 7 });
    await client.next('update', 'engine');
    expect(client.messages.filter((message) => message.channel === 'regions' && message.type === 'update')).toEqual([]);
  });

  test('subscribing again brings a fresh snapshot', async () => {
    const grid = new FakeGrid(NOW_MS);
    const { port } = await serve(grid);
    const client = await open(port);
    client.subscribe('engine');
    await client.next('snapshot', 'engine');
    client.subscribe('engine');
    await client.next('snapshot', 'engine');
  });

  test('a contact\'s messages reach whoever listens to them, and nobody else', async () => {
    const { port, live } = await serve(new FakeGrid(NOW_MS));
    const [ada, both, grace] = await Promise.all([open(port), open(port), open(port)]);
    ada.subscribe('contact:ada');
    both.subscribe('contact:ada', 'contact:grace');
    grace.subscribe('contact:grace');
    for (const client of [ada, both, grace]) {
      client.send({ type: 'ping' });
      await client.next('pong');
    }
    expect([live.publish('ada', { id: 'm-1' }), live.publish('nobody', { id: 'm-2' })]).toEqual([2, 0]);
    for (const client of [ada, both]) expect(await client.next('notification')).toEqual({ type: 'notification', channel: 'contact:ada', data: { id: 'm-1' } });
    ada.send({ type: 'unsubscribe', channels: ['contact:ada'] });
    both.socket.close();
    await both.closing();
    ada.send({ type: 'ping' });
    await ada.next('pong');
    await ada.until('end of all listeners', () => live.stats().subscriptions === 1);
    expect([live.publish('ada', { id: 'm-3' }), live.publish('grace', { id: 'm-4' })]).toEqual([0, 1]);
    expect((await grace.next('notification')).data).toEqual({ id: 'm-4' });
    expect(grace.messages.filter(({ type }) => type === 'notification')).toEqual([]);
  });

  test('heartbeats come by themselves', async () => {
    const { port } = await serve(new FakeGrid(NOW_MS), { heartbeatMs: 30 });
    const client = await open(port);
    expect(Date.parse((await client.next('heartbeat')).at)).toBeGreaterThan(0);
    await client.next('heartbeat');
  });
});

describe('a meter', () => {
  test('is polled while somebody watches it and left alone after that', async () => {
    const grid = new FakeGrid(NOW_MS);
    const { port, live } = await serve(grid);
    const client = await open(port);
    client.subscribe('meter:meter-0101');
    const snapshot = await client.next('snapshot', 'meter:meter-0101');
    expect(snapshot.data.meter).toMatchObject({ meterId: 'meter-0101', newestTimestamp: '2026-03-02T21:14:29.600Z' });
    expect(snapshot.data.openWindows[0].windowStart).toBe('2026-03-02T21:14:00.000Z');

    grid.answerMeter = async (meterId) => {
      const now = grid.meterNow(meterId)!;
      return { ...now, meter: { ...now.meter, readings: 99_999 } };
    };
    const update = await client.next('update', 'meter:meter-0101');
    expect(update).toMatchObject({ seq: snapshot.seq + 1, data: { meter: { readings: 99_999 } } });

    client.send({ type: 'unsubscribe', channels: ['meter:meter-0101'] });
    await client.until('release of the meter', () => live.stats().watchedMeters === 0);
    const asked = grid.meterQuestions.length;
    await new Promise((resolve) => setTimeout(resolve, TURN_MS * 5));
    expect(grid.meterQuestions.length).toBe(asked);
  });

  test('is asked about once at a time, however long the answer takes', async () => {
    const grid = new FakeGrid(NOW_MS);
    let answer!: (value: null) => void;
    grid.answerMeter = () => new Promise((resolve) => (answer = resolve));
    const { port } = await serve(grid);
    const client = await open(port);
    client.subscribe('meter:meter-0101');
    await client.until('question', () => grid.meterQuestions.length > 0);
    await new Promise((resolve) => setTimeout(resolve, TURN_MS * 5));
    expect(grid.meterQuestions).toHaveLength(1);
    answer(null);
    await client.next('error');
  });

  test('whose answer comes after everybody left is let go quietly, and can be watched again', async () => {
    const grid = new FakeGrid(NOW_MS);
    let answer!: () => void;
    grid.answerMeter = (meterId) => new Promise((resolve) => (answer = () => resolve(grid.meterNow(meterId))));
    const { port } = await serve(grid);
    const client = await open(port);
    client.subscribe('meter:meter-0101');
    await client.until('question', () => grid.meterQuestions.length === 1);
    client.send({ type: 'unsubscribe', channels: ['meter:meter-0101'] });
    client.send({ type: 'ping' });
    await client.next('pong');
    answer();
    client.send({ type: 'ping' });
    await client.next('pong');
    expect(client.messages).toEqual([]);
    grid.answerMeter = async (meterId) => grid.meterNow(meterId);
    client.subscribe('meter:meter-0101');
    await client.next('snapshot', 'meter:meter-0101');
  });

  test('that nobody knows is an error, and the subscription ends', async () => {
    const { port, live } = await serve(new FakeGrid(NOW_MS));
    const client = await open(port);
    client.subscribe('meter:nobody');
    expect(await client.next('error')).toMatchObject({ code: 'unknown_meter', channel: 'meter:nobody' });
    expect(live.stats()).toMatchObject({ watchedMeters: 0, subscriptions: 0 });
  });

  test('whose shard is away is told once and goes on when it is back', async () => {
    const grid = new FakeGrid(NOW_MS);
    grid.answerMeter = async () => {
      throw new OperationalError('shard_down', 'shard 0 is restarting', { retryable: true });
    };
    const { port } = await serve(grid);
    const client = await open(port);
    client.subscribe('meter:meter-0101');
    expect(await client.next('error')).toMatchObject({ code: 'unavailable', channel: 'meter:meter-0101' });
    await client.until('a few more questions', () => grid.meterQuestions.length > 4);
    expect(client.messages.filter((message) => message.type === 'error')).toEqual([]);
    grid.answerMeter = async (meterId) => grid.meterNow(meterId);
    await client.next('snapshot', 'meter:meter-0101');
  });

  test('more than the limit are refused, and a meter already watched is not counted again', async () => {
    const { port, live } = await serve(new FakeGrid(NOW_MS), { watchedMetersMax: 2 });
    const client = await open(port);
    client.subscribe('meter:meter-0101', 'meter:meter-0102', 'meter:meter-0103');
    expect(await client.next('error')).toMatchObject({ code: 'too_many_meters', channel: 'meter:meter-0103' });
    const second = await open(port);
    second.subscribe('meter:meter-0101');
    await second.next('snapshot', 'meter:meter-0101');
    expect(live.stats().watchedMeters).toBe(2);
    client.socket.close();
    second.socket.close();
    await client.until('release of the meters', () => live.stats().watchedMeters === 0 && live.stats().connections === 0);
  });
});

describe('bad clients', () => {
  test.each([
    ['{"type":"subscribe"', 1007],
    ['', 1007],
  ])('text that is not JSON (%j) closes with %i', async (text, code) => {
    const { port } = await serve(new FakeGrid(NOW_MS));
    const client = await open(port);
    client.send(text);
    expect((await client.closing()).code).toBe(code);
  });

  test('a binary message closes with 1003', async () => {
    const { port } = await serve(new FakeGrid(NOW_MS));
    const client = await open(port);
    client.send(new Uint8Array([1, 2, 3]));
    expect((await client.closing()).code).toBe(1003);
  });

  test.each([
    ['an unknown type', { type: 'dance' }, 'unknown_type'],
    ['no type', {}, 'unknown_type'],
    ['not an object', '42', 'invalid_message'],
    ['null', 'null', 'invalid_message'],
    ['channels that are no array', { type: 'subscribe', channels: 'regions' }, 'invalid_message'],
    ['no channels', { type: 'subscribe', channels: [] }, 'invalid_message'],
    ['more channels than allowed', { type: 'subscribe', channels: Array(SUBSCRIPTIONS_PER_SOCKET_MAX + 1).fill('regions') }, 'invalid_message'],
    ['an unknown channel', { type: 'subscribe', channels: ['weather'] }, 'unknown_channel'],
    ['a channel that is no text', { type: 'subscribe', channels: [{ toString: 1, valueOf: 1 }] }, 'unknown_channel'],
    ['a meter with an impossible name', { type: 'subscribe', channels: ['meter:a b'] }, 'unknown_channel'],
    ['__proto__ as a channel', { type: 'subscribe', channels: ['__proto__'] }, 'unknown_channel'],
    ['a region with an impossible name', { type: 'subscribe', channels: ['region:'] }, 'unknown_channel'],
    ['half a number to go on from', { type: 'subscribe', channels: [{ name: 'regions', after: 1.5 }] }, 'invalid_message'],
    ['a text to go on from', { type: 'subscribe', channels: [{ name: 'regions', after: '1' }] }, 'invalid_message'],
    ['a scope that is no text', { type: 'subscribe', channels: [{ name: 'regions', after: 1, scope: {} }] }, 'invalid_message'],
  ])('%s is answered with an error and the socket stays', async (_name, message, code) => {
    const { port } = await serve(new FakeGrid(NOW_MS));
    const client = await open(port);
    client.send(message);
    expect((await client.next('error')).code).toBe(code);
    client.send({ type: 'ping' });
    await client.next('pong');
  });

  test('more subscriptions than allowed are refused one by one', async () => {
    const { port, live } = await serve(new FakeGrid(NOW_MS));
    const client = await open(port);
    const meters = Array.from({ length: SUBSCRIPTIONS_PER_SOCKET_MAX }, (_, i) => `meter:meter-${i < 10 ? '01' : '02'}${String((i % 10) + 1).padStart(2, '0')}`);
    client.subscribe(...meters);
    client.subscribe('regions');
    expect(await client.next('error')).toMatchObject({ code: 'too_many_subscriptions', channel: 'regions' });
    expect(live.stats().subscriptions).toBe(SUBSCRIPTIONS_PER_SOCKET_MAX);
  });

  test('a flood of messages closes with 1008', async () => {
    const { port } = await serve(new FakeGrid(NOW_MS), { turnMs: 5_000 });
    const client = await open(port);
    for (let i = 0; i < 50; i++) client.send({ type: 'ping' });
    expect((await client.closing()).code).toBe(1008);
  });

  test('a message longer than 4 KiB ends the connection', async () => {
    const { port, live } = await serve(new FakeGrid(NOW_MS));
    const client = await open(port);
    client.send({ type: 'ping', pad: 'x'.repeat(5_000) });
    await client.closing();
    expect(live.stats().connections).toBe(0);
  });

  test('broken frames hurt only their own connection', async () => {
    const { port } = await serve(new FakeGrid(NOW_MS));
    const bystander = await open(port);
    for (const bytes of [
      Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
      frame(0x3, Buffer.from('reserved opcode')),
      frame(0x1, Buffer.from([0xff, 0xfe])),
      Buffer.from([0x81, 0x05, 0x68, 0x65, 0x6c, 0x6c, 0x6f]),
      frame(0x8, Buffer.from([0x01])),
      // Continues nothing, is not masked, says that it has 2^62 bytes, is a ping of 200 bytes.
      frame(0x0, Buffer.from('{}')),
      Buffer.from([0x81, 0x02, 0x7b, 0x7d]),
      Buffer.from([0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
      frame(0x9, Buffer.alloc(200)),
    ]) {
      const { socket, head } = await rawUpgrade(port);
      expect(head).toContain('101');
      socket.write(bytes);
      socket.end();
      socket.resume();
      await once(socket, 'close');
    }
    bystander.send({ type: 'ping' });
    await bystander.next('pong');
  });
});

test('a message in many small frames, and one in single bytes, are read as others are', async () => {
  const { port } = await serve(new FakeGrid(NOW_MS));
  const { socket } = await rawUpgrade(port);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  const text = Buffer.from('{"type":"ping"}');
  for (let i = 0; i < text.length; i++) {
    const part = frame(i === 0 ? 0x1 : 0x0, text.subarray(i, i + 1));
    if (i < text.length - 1) part[0] &= 0x7f;
    for (const byte of part) socket.write(Buffer.from([byte]));
  }
  for (let i = 0; i < 200 && !readFrames(Buffer.concat(chunks)).some(({ type }) => type === 'pong'); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(readFrames(Buffer.concat(chunks)).map(({ type }) => type)).toContain('pong');
});

describe('who may connect', () => {
  test('pages of the same host and clients without an origin', async () => {
    const { port } = await serve(new FakeGrid(NOW_MS));
    expect((await rawUpgrade(port, { Origin: `http://127.0.0.1:${port}` })).head).toMatch(/^HTTP\/1.1 101/);
    expect((await rawUpgrade(port)).head).toMatch(/^HTTP\/1.1 101/);
  });

  test.each(['http://evil.example', 'null', 'http://127.0.0.1:1', 'nonsense'])('origin %s is refused with 403', async (origin) => {
    const { port } = await serve(new FakeGrid(NOW_MS));
    const { head } = await rawUpgrade(port, { Origin: origin });
    expect(head).toMatch(/^HTTP\/1.1 403/);
    expect(head).toContain('application/problem+json');
  });

  test('past the connection limit the upgrade gets 503 with Retry-After, until one leaves', async () => {
    const { port, live } = await serve(new FakeGrid(NOW_MS), { connectionsMax: 2 });
    const first = await open(port);
    await open(port);
    const { head } = await rawUpgrade(port);
    expect(head).toMatch(/^HTTP\/1.1 503/);
    expect(head.toLowerCase()).toContain('retry-after: 10');
    expect(live.stats()).toMatchObject({ connections: 2, refused: 1 });
    first.socket.close();
    await first.until('room', () => live.stats().connections === 1);
    await open(port);
  });

  test('closing the stream closes its sockets with 1001 and lets the source go', async () => {
    const grid = new FakeGrid(NOW_MS);
    const { port, stop } = await serve(grid);
    const client = await open(port);
    stop();
    expect((await client.closing()).code).toBe(1001);
    expect(grid.regionListeners.size + grid.anomalyListeners.size + grid.engineListeners.size).toBe(0);
  });
});

describe('a slow reader', () => {
  /** A source whose engine snapshots are heavy, so that the kernel's buffers fill quickly. */
  function heavy(grid: FakeGrid, version: number): void {
    grid.tellEngine({ meters: version, version: 'v'.repeat(512 * 1024) });
  }

  async function stalled(port: number, channels = ['engine']): Promise<TcpSocket> {
    const { socket } = await rawUpgrade(port);
    socket.pause();
    socket.write(frame(1, Buffer.from(JSON.stringify({ type: 'subscribe', channels }))));
    return socket;
  }

  async function waitFor(condition: () => boolean): Promise<void> {
    for (let i = 0; i < 500 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(condition()).toBe(true);
  }

  test('skips what it missed and gets the newest state when it drains', async () => {
    const grid = new FakeGrid(NOW_MS);
    const { port, live } = await serve(grid, { hardBufferBytes: 64 * 1024 * 1024 });
    const fast = await open(port);
    fast.subscribe('engine');
    const socket = await stalled(port);
    await waitFor(() => live.stats().subscriptions === 2);

    const versions = 60;
    for (let version = 1; version <= versions; version++) {
      heavy(grid, version);
      await fast.until(`version ${version}`, () => fast.messages.find((message) => message.data?.meters === version));
    }
    expect(live.stats().connections).toBe(2);

    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.resume();
    let messages: any[] = [];
    await waitFor(() => (messages = readFrames(Buffer.concat(chunks))).some((message) => message.data?.meters === versions));
    const engine = messages.filter((message) => message.channel === 'engine');
    expect(engine.length).toBeLessThan(versions);
    for (let i = 1; i < engine.length; i++) expect(engine[i]).toMatchObject({ type: 'update', after: engine[i - 1].seq });
    expect(engine.at(-1).seq - engine.at(-1).after).toBeGreaterThan(1);
  });

  test('costs what its bound says and the others nothing, however many there are', async () => {
    const grid = new FakeGrid(NOW_MS);
    const { port, live } = await serve(grid);
    const fast = await open(port);
    fast.subscribe('engine');
    for (let i = 0; i < 12; i++) await stalled(port);
    await waitFor(() => live.stats().subscriptions === 13);
    let most = 0;
    for (let version = 1; version <= 60; version++) {
      heavy(grid, version);
      await fast.until(`version ${version}`, () => fast.messages.splice(0).some((message) => message.data?.meters === version));
      most = Math.max(most, live.stats().unsentBytes);
    }
    // Each may have the soft bound and a message; what the kernel takes of it is another amount on each machine.
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(12 * (64 * 1024 + 513 * 1024));
    expect(live.stats()).toMatchObject({ connections: 13, closedSlow: 0 });
  });

  test.each([[['engine']], [['engine', 'regions']], [['regions', 'engine']]])('is cut off, the furthest behind first, when all of them together have more unread than is kept (%j)', async (channels) => {
    const grid = new FakeGrid(NOW_MS);
    const unsentBytesMax = 1024 * 1024;
    const { port, live } = await serve(grid, { unsentBytesMax });
    const fast = await open(port);
    fast.subscribe('engine');
    for (let i = 0; i < 12; i++) await stalled(port, channels);
    await waitFor(() => live.stats().subscriptions === 1 + 12 * channels.length);
    for (let version = 1; version <= 60; version++) {
      grid.setLoad('region-01', version);
      heavy(grid, version);
      await fast.until(`version ${version}`, () => fast.messages.splice(0).some((message) => message.data?.meters === version));
      expect(live.stats().unsentBytes).toBeLessThanOrEqual(unsentBytesMax);
    }
    expect(live.stats().closedSlow).toBeGreaterThan(0);
    expect(fast.closed).toBe(null);
  });

  test('is closed with 1013 when it stays behind too long', async () => {
    const grid = new FakeGrid(NOW_MS);
    const { port, live } = await serve(grid, { hardBufferBytes: 64 * 1024 * 1024, slowMsMax: 50 });
    await stalled(port);
    await waitFor(() => live.stats().subscriptions === 1);
    let version = 0;
    await waitFor(() => {
      heavy(grid, ++version);
      return live.stats().closedSlow === 1;
    });
    expect(live.stats().connections).toBe(0);
  });
});

test('an upgrade that never ends is cut off', { timeout: 30_000 }, () => endless.closed);
