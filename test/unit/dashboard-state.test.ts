import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakeSocket } from '../support/fake-socket.ts';

/** The parts of the page that need no browser. They are JavaScript without declarations, hence the dynamic imports. */
const web = (file: string) => import(new URL(`../../web/${file}`, import.meta.url).href);
const { ANOMALIES_MAX, emptyState, loadCurve, overloaded, sortedAnomalies, totals, withMessage, withMeter } = await web('grid-state.js');
const { formatDuration, formatMoment, loadLevel } = await web('format.js');
const { LiveClient } = await web('live-client.js');

const MINUTE_MS = 60_000;
const NOW_MS = Date.parse('2026-03-02T21:14:30.000Z');
const THIS_MINUTE = Date.parse('2026-03-02T21:14:00.000Z');

function region(name: string, over: object = {}): object {
  return { region: name, meters: 10, metersReporting: 10, metersSilent: 0, loadKw: 5, capacityKw: 10, loadPercent: 50, openAnomalies: 0, ...over };
}

function minute(name: string, startMs: number, sumPowerKw: number): object {
  return { region: name, windowStart: new Date(startMs).toISOString(), metersReporting: 10, sumPowerKw, loadPercent: null, final: true };
}

function regions(type: 'snapshot' | 'update', data: { regions: object[]; windows: object[] }): object {
  return { type, channel: 'regions', seq: 1, data };
}

function anomaly(id: string, startedAt: string, endedAt: string | null = null): object {
  return { id, meterId: id, region: 'r', kind: 'spike', severity: 'WARN', startedAt, endedAt, endReason: null };
}

describe('the picture of the grid', () => {
  test('an update replaces what it names and leaves the rest', () => {
    const first = withMessage(emptyState, regions('snapshot', { regions: [region('b'), region('a')], windows: [minute('a', THIS_MINUTE - MINUTE_MS, 4)] }), NOW_MS);
    const second = withMessage(first, regions('update', { regions: [region('b', { loadKw: 7 })], windows: [minute('a', THIS_MINUTE - MINUTE_MS, 6)] }), NOW_MS);
    expect([...second.regions.keys()]).toEqual(['a', 'b']);
    expect(second.regions.get('b').loadKw).toBe(7);
    expect(second.regions.get('a').loadKw).toBe(5);
    expect(second.curves.get('a').get(THIS_MINUTE - MINUTE_MS).sumPowerKw).toBe(6);
    expect(first.curves.get('a').get(THIS_MINUTE - MINUTE_MS).sumPowerKw).toBe(4);
  });

  test('a snapshot replaces everything', () => {
    const first = withMessage(emptyState, regions('snapshot', { regions: [region('a')], windows: [minute('a', THIS_MINUTE, 4)] }), NOW_MS);
    const second = withMessage(first, regions('snapshot', { regions: [region('b')], windows: [] }), NOW_MS);
    expect([...second.regions.keys()]).toEqual(['b']);
    expect(second.curves.size).toBe(0);
  });

  test('minutes older than an hour are dropped as new ones come', () => {
    let state = emptyState;
    for (let i = 0; i < 200; i++) state = withMessage(state, regions('update', { regions: [], windows: [minute('a', THIS_MINUTE + i * MINUTE_MS, i)] }), NOW_MS);
    expect(state.curves.get('a').size).toBe(61);
  });

  test('regions are in the order a person counts', () => {
    const state = withMessage(emptyState, regions('snapshot', { regions: [region('r10'), region('r9'), region('r1')], windows: [] }), NOW_MS);
    expect([...state.regions.keys()]).toEqual(['r1', 'r9', 'r10']);
  });

  test('prices are those of a snapshot, and then what changes of them', () => {
    const prices = (type: 'snapshot' | 'update', ...all: object[]) => ({ type, channel: 'prices', seq: 1, data: { prices: all } });
    const first = withMessage(emptyState, prices('snapshot', { region: 'a', price: '0.20' }, { region: 'b', price: '0.25' }), NOW_MS);
    expect([...withMessage(first, prices('update', { region: 'a', price: '0.31' }), NOW_MS).prices.values()].map(({ price }: any) => price)).toEqual(['0.31', '0.25']);
    expect([...withMessage(first, prices('snapshot', { region: 'c', price: '0.40' }), NOW_MS).prices.keys()]).toEqual(['c']);
  });

  test('the engine says what time it is, ahead of this machine or behind it', () => {
    const told = (now: number) => withMessage(emptyState, { type: 'update', channel: 'engine', seq: 1, data: { now: new Date(now).toISOString() } }, NOW_MS).clockOffsetMs;
    expect([told(NOW_MS + 5_000), told(NOW_MS - 60_000)]).toEqual([5_000, -60_000]);
  });

  test('a message of a type or channel it does not know changes nothing', () => {
    expect(withMessage(emptyState, { type: 'weather', channel: 'regions', data: {} }, NOW_MS)).toBe(emptyState);
    expect(withMessage(emptyState, { type: 'update', channel: 'weather', data: {} }, NOW_MS)).toBe(emptyState);
  });

  test('news of a meter that is not looked at any more is ignored', () => {
    const state = withMeter(emptyState, 'm2');
    expect(withMessage(state, { type: 'update', channel: 'meter:m1', seq: 2, data: { meter: {} } }, NOW_MS)).toBe(state);
    expect(withMessage(state, { type: 'error', channel: 'meter:m1', message: 'gone' }, NOW_MS)).toBe(state);
    expect(withMessage(state, { type: 'error', channel: 'meter:m2', message: 'gone' }, NOW_MS).meter.error).toBe('gone');
  });

  test('open anomalies come first, each kind newest first, and their number is bounded', () => {
    const list = [anomaly('old', '2026-01-01T00:00:00.000Z'), anomaly('ended', '2026-01-03T00:00:00.000Z', '2026-01-03T01:00:00.000Z'), anomaly('new', '2026-01-02T00:00:00.000Z')];
    expect(sortedAnomalies(list).map(({ id }: { id: string }) => id)).toEqual(['new', 'old', 'ended']);

    let state = emptyState;
    for (let i = 0; i < 6; i++) {
      const anomalies = Array.from({ length: 100 }, (_, n) => anomaly(`${i}-${n}`, new Date(NOW_MS + i * 1000 + n).toISOString(), i === 0 ? null : new Date(NOW_MS).toISOString()));
      state = withMessage(state, { type: 'update', channel: 'anomalies', data: { anomalies } }, NOW_MS);
    }
    expect(state.anomalies.size).toBe(ANOMALIES_MAX);
    expect(state.anomalies.has('0-0')).toBe(true);
    expect(state.anomalies.has('1-0')).toBe(false);
  });
});

describe('the load curve', () => {
  const state = withMessage(
    emptyState,
    regions('snapshot', {
      regions: [region('a', { loadKw: 3 }), region('b', { loadKw: 4 })],
      windows: [minute('a', THIS_MINUTE - MINUTE_MS, 1), minute('b', THIS_MINUTE - MINUTE_MS, 2), minute('a', THIS_MINUTE - 3 * MINUTE_MS, 9), minute('a', THIS_MINUTE, 0.1)],
    }),
    NOW_MS,
  );

  test('adds the regions up, leaves a hole where nothing was measured, and ends with the load now', () => {
    const { seconds, powerKw } = loadCurve(state, ['a', 'b'], NOW_MS);
    expect(powerKw.slice(-4)).toEqual([9, null, 3, 7]);
    expect(seconds.at(-1)).toBe(NOW_MS / 1000);
    expect(seconds.at(-2)).toBe((THIS_MINUTE - MINUTE_MS / 2) / 1000);
    expect(seconds).toHaveLength(61);
  });

  test('leaves out the minutes before now whose windows are still being closed, and goes from the last whole one to now', () => {
    const early = THIS_MINUTE + 10_000;
    const closing = (...windows: object[]) => withMessage(emptyState, regions('snapshot', { regions: [region('a', { loadKw: 3 })], windows: [minute('a', THIS_MINUTE - 3 * MINUTE_MS, 9), ...windows] }), early);
    const half = { ...minute('a', THIS_MINUTE - MINUTE_MS, 2), metersReporting: 4 };
    expect(loadCurve(closing(), ['a'], early).powerKw.slice(-3)).toEqual([null, 9, 3]);
    expect(loadCurve(closing(minute('a', THIS_MINUTE - 2 * MINUTE_MS, 8), half), ['a'], early).powerKw.slice(-3)).toEqual([9, 8, 3]);
    const later = THIS_MINUTE + 2 * MINUTE_MS;
    expect(loadCurve(closing(minute('a', THIS_MINUTE - 2 * MINUTE_MS, 8), half), ['a'], later).powerKw.slice(-4)).toEqual([9, 8, 2, 3]);
  });

  test('has no last point while no meter reports', () => {
    const silent = withMessage(state, regions('update', { regions: [region('a', { metersReporting: 0, loadKw: 0 })], windows: [] }), NOW_MS);
    expect(loadCurve(silent, ['a'], NOW_MS).powerKw.at(-1)).toBeNull();
  });

  test('has a capacity only where a region has one', () => {
    expect(totals(state, ['a', 'b']).capacityKw).toBe(20);
    const unlimited = withMessage(emptyState, regions('snapshot', { regions: [region('a', { capacityKw: null })], windows: [] }), NOW_MS);
    expect(totals(unlimited, ['a']).capacityKw).toBeNull();
  });

  test('is summed with the meters, those that report and those that are silent', () => {
    const some = withMessage(emptyState, regions('snapshot', { regions: [region('a', { metersSilent: 2, metersReporting: 8 }), region('b', { metersSilent: 1, metersReporting: 9, loadKw: 7 }), region('c')], windows: [] }), NOW_MS);
    expect(totals(some, ['a', 'b', 'gone'])).toEqual({ loadKw: 12, meters: 20, metersReporting: 17, metersSilent: 3, capacityKw: 20 });
  });

  test('names the regions past their capacity, the worst first', () => {
    expect(overloaded(emptyState)).toEqual([]);
    const loads = { a: 100, b: 100.5, c: 186, d: null };
    const loaded = withMessage(emptyState, regions('snapshot', { regions: Object.entries(loads).map(([name, loadPercent]) => region(name, { loadPercent })), windows: [] }), NOW_MS);
    expect(overloaded(loaded).map((one: { region: string }) => one.region)).toEqual(['c', 'b']);
  });
});

test.each([
  [75, ''],
  [75.1, 'High'],
  [90, 'High'],
  [90.1, 'Critical'],
  [100.1, 'Over capacity'],
  [null, ''],
])('a load of %s percent is called %j', (percent, word) => {
  expect(loadLevel(percent).word).toBe(word);
});

test.each([
  [-5, '0 s'],
  [59_999, '59 s'],
  [60_000, '1 min'],
  [3_600_000, '1 h'],
  [7_500_000, '2 h 5 min'],
  [97_200_000, '1 d 3 h'],
])('%i ms is written %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test('a moment of another day has its day', () => {
  const noon = new Date(2026, 2, 2, 12).getTime();
  expect(formatMoment(noon, new Date(2026, 2, 2, 23).getTime())).toBe('12:00');
  expect(formatMoment(noon, new Date(2026, 2, 3, 1).getTime())).toMatch(/Mar.*12:00$/);
});

describe('the connection of the page', () => {
  let messages: any[];
  let states: string[];
  let client: any;
  const socket = () => FakeSocket.all.at(-1)!;

  beforeEach(() => {
    vi.useFakeTimers();
    FakeSocket.all = [];
    vi.stubGlobal('WebSocket', FakeSocket);
    vi.stubGlobal('addEventListener', () => {});
    vi.stubGlobal('document', { addEventListener() {} });
    messages = [];
    states = [];
    client = new LiveClient('ws://x/live', (message: any) => messages.push(message), ({ status }: { status: string }) => states.push(status));
    client.subscribe('regions');
    client.connect();
    socket().open();
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  test('after a gap in the numbers it asks for what it missed, and does not show the update after the gap', () => {
    socket().say({ type: 'snapshot', channel: 'regions', seq: 5, scope: 'abc', data: {} });
    socket().say({ type: 'update', channel: 'regions', seq: 6, after: 5, data: {} });
    socket().say({ type: 'update', channel: 'regions', seq: 8, after: 7, data: {} });
    socket().say({ type: 'update', channel: 'regions', seq: 9, after: 4, data: {} });
    socket().say({ type: 'update', channel: 'regions', seq: 9, after: 8, data: {} });
    expect(messages.filter(({ seq }) => seq !== undefined).map(({ seq }) => seq)).toEqual([5, 6, 9]);
    expect(socket().sent).toEqual([
      { type: 'subscribe', channels: ['regions'] },
      { type: 'subscribe', channels: [{ name: 'regions', after: 6, scope: 'abc' }] },
    ]);
  });

  test('goes on where it was after a reconnect, with an address of its own for each connection', async () => {
    const asked: number[] = [];
    client.url = () => {
      asked.push(FakeSocket.all.length);
      return asked.length === 1 ? Promise.reject(new Error('no ticket')) : Promise.resolve('ws://x/live?ticket=2');
    };
    socket().say({ type: 'snapshot', channel: 'regions', seq: 5, data: {} });
    client.subscribe('alerts');
    socket().onclose!({ code: 1006 });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(asked).toEqual([1, 1]);
    expect(FakeSocket.all).toHaveLength(2);
    socket().open();
    expect(socket().sent).toEqual([{ type: 'subscribe', channels: [{ name: 'regions', after: 5 }, 'alerts'] }]);
    client.close();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeSocket.all).toHaveLength(2);
  });

  test('a session that has ended is not tried again until somebody wants it', () => {
    socket().onclose!({ code: 4401 });
    vi.advanceTimersByTime(60_000);
    expect([states.at(-1), FakeSocket.all.length]).toEqual(['ended', 1]);
    client.retryNow();
    expect(FakeSocket.all).toHaveLength(2);
  });

  test('waits longer after each failure, twelve and a half seconds at most, and subscribes again', () => {
    const waits = [];
    for (let i = 0; i < 8; i++) {
      socket().onclose!();
      const before = Date.now();
      const count = FakeSocket.all.length;
      while (FakeSocket.all.length === count) vi.advanceTimersByTime(10);
      waits.push(Date.now() - before);
    }
    expect(waits[0]).toBeLessThanOrEqual(640);
    expect(waits[7]).toBeGreaterThanOrEqual(7_500);
    expect(Math.max(...waits)).toBeLessThanOrEqual(12_510);
    client.subscribe('meter:m1');
    socket().open();
    expect(socket().sent).toEqual([{ type: 'subscribe', channels: ['regions', 'meter:m1'] }]);
    expect(states.at(-1)).toBe('live');
  });

  test('two heartbeats missed mean that the connection is dead', () => {
    vi.advanceTimersByTime(30_000);
    expect(states.at(-1)).toBe('live');
    socket().say({ type: 'heartbeat', at: '' });
    vi.advanceTimersByTime(30_000);
    expect(states.at(-1)).toBe('live');
    vi.advanceTimersByTime(1_001);
    expect(states.at(-1)).toBe('waiting');
  });

  test('a try that nobody answers is given up for the next one', () => {
    socket().onclose!();
    vi.advanceTimersByTime(700);
    expect(FakeSocket.all).toHaveLength(2);
    vi.advanceTimersByTime(35_000);
    expect(FakeSocket.all.length).toBeGreaterThan(2);
  });
});
