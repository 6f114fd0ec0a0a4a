import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { BULK_MAX } from '../../src/actors/alerts/protocol.ts';
import { startGateway, type Gateway } from '../../src/http/gateway.ts';
import { JSON_BYTES_MAX, WRITES_IN_FLIGHT_MAX } from '../../src/http/json-intake.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { apiClient, type ApiReply } from '../support/api-client.ts';
import { ALERT, CONTACT, DELIVERY, fakeAlerts, PUSH_TOKEN, SCHEDULE, SECRET, SILENCE, SUBSCRIPTION, type FakeAlerts } from '../support/fake-alerts.ts';
import { ANOMALY, AT, fakeEngine, REGION, type FakeEngine } from '../support/fake-engine.ts';

const NOW = AT + 1_000;
const DAY_MS = 86_400_000;
const END = 253_402_300_799_999;
const ISO = '2026-01-15T12:00:00.000Z';
const A = `/api/v1/alerts/${ALERT.id}`;

let alerts: FakeAlerts;
let engine: FakeEngine;
let gateway: Gateway;
let off: Gateway;
/** How far the gateways' clock has jumped. */
let aheadMs = 0;

const alertsNow = new Proxy({} as FakeAlerts, { get: (_, name) => alerts[name as keyof FakeAlerts] });
const engineNow = new Proxy({} as FakeEngine, { get: (_, name) => engine[name as keyof FakeEngine] });
const call = apiClient(() => gateway.port);
const get = (path: string) => call('GET', path);
const post = (path: string, body: unknown, headers?: Record<string, string>) => call('POST', path, { body, headers });

beforeAll(async () => {
  const modules = { engine: engineNow, clock: { ...systemClock, now: () => NOW, monotonic: () => systemClock.monotonic() + aheadMs }, timers: systemTimers, log: nullLog };
  const options = { host: '127.0.0.1', port: 0, queriesInFlightMax: 4, requestIdPrefix: 'test', ownHosts: ['grid.example.org'] };
  gateway = await startGateway(options, { ...modules, alerts: alertsNow });
  off = await startGateway(options, modules);
});

beforeEach(() => {
  alerts = fakeAlerts();
  engine = fakeEngine();
});

afterAll(() => Promise.all([gateway.close(1_000), off.close(1_000)]));

/** The only question that was put. */
function asked(): unknown {
  expect(alerts.asked).toHaveLength(1);
  return alerts.asked[0];
}

function refuse(kind: keyof FakeAlerts['answers'], code: string, options?: { retryable: boolean }): void {
  alerts.answers[kind] = (): never => {
    throw new OperationalError(code, 'it does not go', options);
  };
}

/** Faults of a 422 by path. */
function faults(reply: ApiReply): Record<string, string> {
  expect([reply.status, reply.body.code, reply.headers['content-type']], JSON.stringify(reply.body)).toEqual([422, 'invalid_body', 'application/problem+json']);
  return Object.fromEntries(reply.body.faults.map(({ path, message }: { path: string; message: string }) => [path, message]));
}

/** Paths of the faults of a body that nobody was asked about. */
function faultPaths(reply: ApiReply): string[] {
  const paths = Object.keys(faults(reply)).sort();
  expect(alerts.asked).toEqual([]);
  return paths;
}

describe('alerts', () => {
  test('are filtered by everything, and shown with ISO times', async () => {
    const { status, body } = await get('/api/v1/alerts?state=acknowledged&type=METER_OUTAGE&severity=WARN&region=north&meterId=m:1&suppressed=false&from=1000&to=2000&limit=5&cursor=c');
    expect(asked()).toEqual({ kind: 'alerts', query: { state: 'acknowledged', type: 'METER_OUTAGE', severity: 'WARN', region: 'north', meterId: 'm:1', isSuppressed: false, from: 1_000, to: 2_000, limit: 5, cursor: 'c' } });
    expect(status).toBe(200);
    expect(body).toEqual({ data: [{ ...ALERT, startedAt: '2026-01-15T11:59:00.000Z', openedAt: ISO, changedAt: ISO }], nextCursor: 'next' });
  });

  test('are those of a day, but those that go on whenever they began, and none is hidden by a clock that was set back', async () => {
    for (const query of ['', '?state=resolved', '?state=open', '?state=acknowledged', '?state=active']) await get(`/api/v1/alerts${query}`);
    await get('/api/v1/alerts/active');
    const none = { type: null, severity: null, region: null, meterId: null, isSuppressed: null, limit: 100, cursor: null };
    expect(alerts.asked.map((question) => (question as { query: object }).query)).toEqual([
      { state: null, ...none, from: NOW - DAY_MS, to: END },
      { state: 'resolved', ...none, from: NOW - DAY_MS, to: END },
      { state: 'open', ...none, from: 0, to: END },
      { state: 'acknowledged', ...none, from: 0, to: END },
      { state: 'active', ...none, from: 0, to: END },
      { state: 'active', ...none, from: 0, to: END },
    ]);
  });

  test('refuse what is no filter, each fault by its name', async () => {
    const { status, body } = await get('/api/v1/alerts?state=closed&type=FIRE&severity=high&region=&meterId=a%20b&suppressed=1&from=x&to=y&limit=0&cursor=&page=2');
    expect([status, body.code]).toEqual([400, 'invalid_query']);
    expect(body.faults.map(({ parameter }: { parameter: string }) => parameter).sort()).toEqual(['cursor', 'from', 'limit', 'meterId', 'page', 'region', 'severity', 'state', 'suppressed', 'to', 'type']);
    for (const path of ['/api/v1/alerts?from=9&to=8', `/api/v1/alerts?from=${NOW + 1}`, '/api/v1/alerts/active?state=open', '/api/v1/alerts/statistics?from=9&to=8', '/api/v1/regions/north/alerts?region=north', `${A}?x=1`]) expect((await get(path)).status, path).toBe(400);
    expect(alerts.asked).toEqual([]);
    refuse('alerts', 'invalid_cursor');
    expect((await get('/api/v1/alerts?cursor=junk')).body).toMatchObject({ status: 400, faults: [{ parameter: 'cursor' }] });
  });

  test('have statistics', async () => {
    expect((await get('/api/v1/alerts/statistics')).body.active.open).toBe(1);
    expect(asked()).toEqual({ kind: 'alertStatistics', from: NOW - DAY_MS, to: END });
  });

  test('of a region are its history; a region without any is a region all the same', async () => {
    expect((await get('/api/v1/regions/north/alerts?state=resolved&from=5&to=6')).body.data).toHaveLength(1);
    expect(asked()).toMatchObject({ query: { region: 'north', state: 'resolved', from: 5, to: 6 } });
    engine.regions = async () => [REGION, { ...REGION, region: 'south' }];
    expect((await get('/api/v1/regions/south/alerts')).body).toEqual({ data: [], nextCursor: null });
    for (const name of ['nowhere', 'a%20b', 'toString']) {
      alerts.answers.alerts = () => ({ data: [], nextCursor: null });
      expect((await get(`/api/v1/regions/${name}/alerts`)).body.code, name).toBe('unknown_region');
    }
  });

  test('have a history each, and an ETag', async () => {
    const { headers, body } = await get(A);
    expect(headers.etag).toBe('"7"');
    expect(headers['cache-control']).toBe('no-store');
    expect(body).toMatchObject({ id: ALERT.id, history: [{ sequence: 1, kind: 'opened', at: ISO, by: null }] });
    for (const id of ['nothing', '%00', '%ZZ', 'x'.repeat(500)]) expect((await get(`/api/v1/alerts/${id}`)).body, id).toMatchObject({ status: 404, code: 'unknown_alert' });
    const before = alerts.asked.length;
    expect((await get(`/api/v1/alerts/${'x'.repeat(1_100)}`)).status).toBe(404);
    expect(alerts.asked).toHaveLength(before);
  });

  test('are acknowledged by somebody, with or without a reason', async () => {
    const { status, headers, body } = await post(`${A}/acknowledge`, { by: ' Ada ' });
    expect(asked()).toEqual({ kind: 'acknowledge', id: ALERT.id, version: null, by: 'Ada', why: null });
    expect([status, headers.etag, body.state, body.acknowledged]).toEqual([200, '"8"', 'acknowledged', { at: ISO, by: 'Ada', why: null }]);
    await post(`${A}/acknowledge`, { by: 'Ada', why: 'on my way' }, { 'if-match': '"7"' });
    expect(alerts.asked[1]).toEqual({ kind: 'acknowledge', id: ALERT.id, version: 7, by: 'Ada', why: 'on my way' });
  });

  test('are resolved by somebody for a reason', async () => {
    const { body } = await post(`${A}/resolve`, { by: 'Ada', why: 'repaired' }, { 'if-match': '"7"' });
    expect(asked()).toEqual({ kind: 'resolve', id: ALERT.id, version: 7, by: 'Ada', why: 'repaired' });
    expect(body.resolved).toEqual({ at: ISO, by: 'Ada', why: 'repaired' });
  });

  test.each([
    ['/acknowledge', {}, ['by']],
    ['/acknowledge', { by: '', why: 5, version: 7 }, ['by', 'version', 'why']],
    ['/acknowledge', { by: 'x'.repeat(129), why: 'x'.repeat(1_001) }, ['by', 'why']],
    ['/acknowledge', [], ['']],
    ['/acknowledge', null, ['']],
    ['/resolve', { by: 'Ada' }, ['why']],
    ['/resolve', { by: 'Ada', why: '  ' }, ['why']],
    ['/resolve', { by: null, why: null, state: 'resolved' }, ['by', 'state', 'why']],
  ])('POST %s refuses %j', async (path, body, paths) => {
    expect(faultPaths(await post(A + path, body === null ? 'null' : body, { 'content-type': 'application/json' }))).toEqual(paths);
  });

  test('are resolved together, each by itself', async () => {
    const { status, body } = await post('/api/v1/alerts/resolve', { ids: [ALERT.id, 'gone'], by: 'Ada', why: 'over' });
    expect(asked()).toEqual({ kind: 'resolveAll', ids: [ALERT.id, 'gone'], by: 'Ada', why: 'over' });
    expect(status).toBe(200);
    expect(body).toMatchObject({ resolved: 1, failed: 1, data: [{ id: ALERT.id, alert: { state: 'resolved', openedAt: ISO }, error: null }, { id: 'gone', alert: null, error: { code: 'unknown_alert' } }] });
  });

  test('are resolved together in hundreds at most, each named once', async () => {
    const ids = Array.from({ length: BULK_MAX }, (_, i) => `a${i}`);
    expect((await post('/api/v1/alerts/resolve', { ids, by: 'Ada', why: 'over' })).status).toBe(200);
    alerts.asked.length = 0;
    expect(faultPaths(await post('/api/v1/alerts/resolve', { ids: [...ids, 'more'], by: 'Ada', why: 'over' }))).toEqual(['ids']);
    expect(faultPaths(await post('/api/v1/alerts/resolve', { ids: [], by: 'Ada', why: 'over' }))).toEqual(['ids']);
    expect(faultPaths(await post('/api/v1/alerts/resolve', { ids: ['a', 'b', 'a', 5, ''], by: 'Ada', why: 'over' }))).toEqual(['ids[3]', 'ids[4]']);
    expect(faultPaths(await post('/api/v1/alerts/resolve', { ids: ['a', 'b', 'a'], by: 'Ada', why: 'over' }))).toEqual(['ids[2]']);
  });

  test.each([['unknown_alert', 404], ['stale_version', 409], ['wrong_state', 409]])('answer %s with %i', async (code, status) => {
    for (const [path, kind] of [['acknowledge', 'acknowledge'], ['resolve', 'resolve']] as const) {
      refuse(kind, code);
      const reply = await post(`${A}/${path}`, { by: 'Ada', why: 'x' });
      expect([reply.status, reply.body.code, reply.headers['content-type']]).toEqual([status, code, 'application/problem+json']);
      expect(reply.body.detail).toContain('It does not go.');
    }
  });
});

describe('explanations', () => {
  test('of an alert join what was decided about it and about people, in order of time', async () => {
    const { body } = await get(`${A}/explain`);
    expect(body.alert.id).toBe(ALERT.id);
    expect(body.decisions.map(({ at, step, contactId }: any) => [at, step, contactId])).toEqual([[ISO, 'preference', 'c-ada'], ['2026-01-15T12:00:00.005Z', 'route', null], ['2026-01-15T12:00:00.009Z', 'quiet_hours', 'c-bob']]);
    expect(alerts.asked).toEqual([{ kind: 'explainAlert', id: ALERT.id }, { kind: 'explainDeliveries', alertId: ALERT.id, contactId: null }]);
  });

  test('of an alert for one person leave others out', async () => {
    alerts.answers.explainAlert = () => ({ alert: ALERT, decisions: [{ at: AT, step: 'on_call', outcome: 'passed', reason: 'Bob is.', contactId: 'c-bob' }] });
    expect((await get(`${A}/explain?contact=c-ada`)).body.decisions.map(({ step }: any) => step)).toEqual(['preference']);
    expect((await get(`${A}/explain?contact=nobody`)).body.code).toBe('unknown_contact');
    expect((await get(`${A}/explain?contact=`)).status).toBe(400);
    refuse('explainAlert', 'unknown_alert');
    expect((await get('/api/v1/alerts/x/explain')).status).toBe(404);
  });

  test('of an anomaly say why it raised none', async () => {
    const { body } = await get(`/api/v1/anomalies/explain?id=${encodeURIComponent(ANOMALY.id)}`);
    expect(engine.asked).toEqual([['anomalies', { meterId: 'meter:1', region: null, kind: 'spike', severity: null, open: false, from: AT, to: AT + 1, limit: 1, cursor: null }]]);
    expect(asked()).toEqual({ kind: 'explainAnomaly', anomaly: ANOMALY });
    expect(body).toMatchObject({ anomaly: { id: ANOMALY.id, startedAt: ISO }, alertId: null, decisions: [{ step: 'rule', outcome: 'stopped', at: ISO }] });
    for (const id of ['x', 'meter:1/surge/5', 'a%20b/spike/5', `meter:2/spike/${AT}`, 'meter:1/spike/99999999999999999']) expect((await get(`/api/v1/anomalies/explain?id=${id}`)).body, id).toMatchObject({ status: 404, code: 'unknown_anomaly' });
    expect((await get('/api/v1/anomalies/explain')).status).toBe(400);
  });
});

describe.each([
  { base: '/api/v1/silences', kind: 'silence', id: SILENCE.id, other: 'm1', unknown: 'unknown_silence' },
  { base: '/api/v1/maintenance-windows', kind: 'maintenance', id: 'm1', other: SILENCE.id, unknown: 'unknown_maintenance_window' },
])('$base', ({ base, kind, id, other, unknown }) => {
  const later = new Date(NOW + 3_600_000).toISOString();
  const good = { match: { regions: ['north'] }, endsAt: later, by: 'Ada', comment: 'works' };
  const everything = { types: [], severities: [], rules: [], regions: ['north'], meters: [], components: [] };

  test('are listed, ended ones when asked for', async () => {
    const { body } = await get(base);
    await get(`${base}?ended=true&limit=3&cursor=c`);
    expect(alerts.asked).toEqual([{ kind: 'silences', silenceKind: kind, withEnded: false, limit: 100, cursor: null }, { kind: 'silences', silenceKind: kind, withEnded: true, limit: 3, cursor: 'c' }]);
    expect(body.data[0]).toEqual({ ...SILENCE, state: 'active', startsAt: ISO, endsAt: '2026-01-15T13:00:00.000Z', createdAt: ISO });
    expect((await get(`${base}?ended=yes`)).status).toBe(400);
  });

  test('are made from now on, or from when it is said', async () => {
    const { status, headers, body } = await post(base, good);
    expect([status, headers.location, headers.etag]).toEqual([201, `${base}/new%2F1`, '"1"']);
    expect(body).toMatchObject({ kind, createdBy: 'Ada', comment: 'works', state: 'active' });
    await post(base, { ...good, startsAt: NOW + 1_000, endsAt: NOW + 2_000 });
    expect(alerts.asked).toEqual([
      { kind: 'makeSilence', silence: { kind, match: everything, startsAt: NOW, endsAt: NOW + 3_600_000, createdBy: 'Ada', comment: 'works' } },
      { kind: 'makeSilence', silence: { kind, match: everything, startsAt: NOW + 1_000, endsAt: NOW + 2_000, createdBy: 'Ada', comment: 'works' } },
    ]);
  });

  test.each([
    [{ endsAt: 'soon' }, ['endsAt']],
    [{ endsAt: ISO }, ['endsAt']],
    [{ startsAt: later }, ['endsAt']],
    [{ endsAt: NOW + 367 * DAY_MS }, ['endsAt']],
    // It would have begun so long ago.
    [{ startsAt: NOW - 366 * DAY_MS }, ['endsAt']],
    [{ startsAt: true, by: '', comment: '' }, ['by', 'comment', 'startsAt']],
    [{ match: {} }, ['match']],
    [{ match: { regions: [] } }, ['match']],
    [{ match: { regions: ['a b'], types: ['FIRE'], meter: ['x'] } }, ['match.meter', 'match.regions[0]', 'match.types[0]']],
    [{ match: { meters: Array(101).fill('m') } }, ['match.meters']],
    [{ kind: 'silence', id: 'mine' }, ['id', 'kind']],
  ])('refuse %j', async (over, paths) => {
    expect(faultPaths(await post(base, { ...good, ...over }))).toEqual(paths);
  });

  test('are found by id, and those of the other kind are not', async () => {
    const { headers, body } = await get(`${base}/${id}`);
    expect([headers.etag, body.id]).toEqual(['"3"', id]);
    for (const missing of [other, 'none']) {
      expect((await get(`${base}/${missing}`)).body).toMatchObject({ status: 404, code: unknown });
      expect((await call('PATCH', `${base}/${missing}`, { body: { comment: 'x', by: 'Ada' } })).body.code).toBe(unknown);
      expect((await call('DELETE', `${base}/${missing}?by=Ada`)).body.code).toBe(unknown);
    }
    expect(alerts.asked.every((question) => question.kind === 'silence')).toBe(true);
  });

  test('are changed', async () => {
    const { headers, body } = await call('PATCH', `${base}/${id}`, { body: { endsAt: later, by: 'Bob' }, headers: { 'if-match': '"3"' } });
    expect([headers.etag, body.endsAt]).toEqual(['"4"', later]);
    expect(alerts.asked[1]).toEqual({ kind: 'changeSilence', id, version: 3, by: 'Bob', endsAt: NOW + 3_600_000, comment: null });
    expect(Object.keys(faults(await call('PATCH', `${base}/${id}`, { body: { by: 'Bob' } })))).toEqual(['']);
    expect(Object.keys(faults(await call('PATCH', `${base}/${id}`, { body: { comment: 'x', match: {} } }))).sort()).toEqual(['by', 'match']);
    expect(Object.keys(faults(await call('PATCH', `${base}/${id}`, { body: { endsAt: NOW, by: 'Bob' } })))).toEqual(['endsAt']);
  });

  test('are ended by DELETE, which says by whom in the query', async () => {
    const { status, body } = await call('DELETE', `${base}/${id}?by=Ada&why=done%20early`, { headers: { 'if-match': '"3"' } });
    expect([status, body.state, body.ended]).toEqual([200, 'ended', { at: ISO, by: 'Ada', why: 'done early' }]);
    expect(alerts.asked[1]).toEqual({ kind: 'endSilence', id, version: 3, by: 'Ada', why: 'done early' });
    expect((await call('DELETE', `${base}/${id}`)).body.faults).toEqual([expect.objectContaining({ parameter: 'by' })]);
  });

  test.each([['stale_version', 409], ['wrong_state', 409], ['unknown_silence', 404]])('answer %s with %i', async (code, status) => {
    refuse('changeSilence', code);
    refuse('endSilence', code);
    expect((await call('PATCH', `${base}/${id}`, { body: { comment: 'x', by: 'Ada' } })).body).toMatchObject({ status, code });
    expect((await call('DELETE', `${base}/${id}?by=Ada`)).body).toMatchObject({ status, code });
  });
});

describe('rules', () => {
  const rules = { rules: [{ name: 'full', condition: 'regional_load', regions: ['n*'] }, { name: 'dark', condition: 'region_dark' }, { name: 'odd', condition: 'anomaly', kinds: ['spike'] }], routes: [{ name: 'all' }] };

  test('in force are shown as a document that the check takes', async () => {
    const { body } = await get('/api/v1/alert-rules');
    expect(body).toMatchObject({ file: null, loadedAt: ISO, faults: [] });
    expect(body.rules.routes[0]).toMatchObject({ groupWait: '15s', groupInterval: '5m', repeatInterval: '4h' });
    expect((await post('/api/v1/alert-rules/check', body.rules)).body).toEqual({ valid: true, faults: [], rules: body.rules });
  });

  test('are checked, every fault with its path', async () => {
    expect((await post('/api/v1/alert-rules/check', rules)).body).toMatchObject({ valid: true, rules: { historyAfter: '1d', rules: [{ abovePercent: 90 }, {}, {}] } });
    const { status, body } = await post('/api/v1/alert-rules/check', { rules: [{ name: 'a b', condition: 'regional_load', windows: 0, colour: 1 }, { name: 'x', condition: 'weather' }], routes: [{ name: 'r', groupWait: 15, escalation: 'none' }], more: 1 });
    expect([status, body.valid, body.rules]).toEqual([200, false, null]);
    expect(body.faults.map(({ path }: any) => path).sort()).toEqual(['more', 'routes[0].groupWait', 'rules[0].colour', 'rules[0].name', 'rules[0].windows', 'rules[1].condition']);
    expect((await post('/api/v1/alert-rules/check', 'null', { 'content-type': 'application/json' })).body).toMatchObject({ valid: false, faults: [{ path: '' }] });
  });

  test('are run over what was, read page by page', async () => {
    const pages: string[] = [];
    engine.anomalies = async ({ cursor, from, to }) => {
      pages.push(`anomalies ${cursor} ${to - from}`);
      return cursor === null ? { data: [{ ...ANOMALY, id: 'newer' }, { ...ANOMALY, id: 'drop', kind: 'drop' }, { ...ANOMALY, id: 'outage', kind: 'outage' }], nextCursor: 'more' } : { data: [ANOMALY], nextCursor: null };
    };
    const window = { region: 'north', granularity: '1m' as const, windowStart: AT, windowEnd: AT + 60_000, metersReporting: 1, sumPowerKw: 1, avgPowerKw: 1, minPowerKw: 1, maxPowerKw: 1, energyKwhSum: 1, capacityKw: 10, loadPercent: 10, final: true };
    engine.regions = async () => [REGION, { ...REGION, region: 'south' }, { ...REGION, region: 'nameless', capacityKw: null }];
    engine.regionWindows = async (region, { cursor, granularity, limit }) => {
      pages.push(`${region} ${granularity} ${limit} ${cursor}`);
      return cursor === null ? { data: [window], nextCursor: 'more' } : { data: [{ ...window, final: false }], nextCursor: null };
    };
    const { status, body } = await post('/api/v1/alert-rules/dry-run', { rules, from: NOW - 7 * DAY_MS, to: NOW });
    expect(status, JSON.stringify(body)).toBe(200);
    expect(pages).toEqual([`anomalies null ${7 * DAY_MS}`, `anomalies more ${7 * DAY_MS}`, 'north 1m 10000 null', 'north 1m 10000 more']);
    expect(alerts.asked.map(({ kind }) => kind)).toEqual(['rules', 'dryRun']);
    expect(alerts.asked[1]).toMatchObject({ rules: { historyAfter: DAY_MS }, history: { from: NOW - 7 * DAY_MS, to: NOW, anomalies: [{ id: ANOMALY.id }, { id: 'outage' }, { id: 'newer' }], regionWindows: [window], regionMeters: { north: 2, south: 2, nameless: 2 } } });
    expect(body).toMatchObject({ from: '2026-01-08T12:00:01.000Z', to: '2026-01-15T12:00:01.000Z', read: { anomalies: 4, regionWindows: 2 }, total: 1, alerts: [{ openedAt: ISO, clearedAt: '2026-01-15T12:01:00.000Z' }] });
  });

  test('are run over the last day by default, and over no more than seven', async () => {
    await post('/api/v1/alert-rules/dry-run', { rules });
    expect(alerts.asked[1]).toMatchObject({ history: { from: NOW - DAY_MS, to: NOW } });
    alerts.asked.length = 0;
    for (const range of [{ from: NOW - 7 * DAY_MS - 1, to: NOW }, { from: NOW, to: NOW }, { from: NOW + 5, to: NOW + 10 }, { from: 'x' }]) {
      expect(faultPaths(await post('/api/v1/alert-rules/dry-run', { rules, ...range })), JSON.stringify(range)).toEqual(['from']);
    }
    expect(faultPaths(await post('/api/v1/alert-rules/dry-run', { rules: { ...rules, routes: [{}] }, form: 1 }))).toEqual(['form', 'rules.routes[0].name']);
  });

  test('are run over a bounded number of rows, and one run at a time', async () => {
    const data = Array.from({ length: 1_000 }, () => ANOMALY);
    let read = 0;
    engine.anomalies = async () => {
      read++;
      return { data, nextCursor: 'more' };
    };
    expect((await post('/api/v1/alert-rules/dry-run', { rules })).body).toMatchObject({ status: 422, code: 'too_much_history' });
    expect(read).toBe(51);
    read = 0;
    const other = { rules: [{ name: 'other', condition: 'anomaly', kinds: ['drop'] }], routes: [] };
    expect((await post('/api/v1/alert-rules/dry-run', { rules: other })).body).toMatchObject({ status: 422, code: 'too_much_history', detail: expect.stringContaining('200000 anomalies') });
    expect(read).toBe(201);
    let goOn = () => {};
    engine.regions = () => new Promise((resolve) => (goOn = () => resolve([REGION])));
    engine.anomalies = async () => ({ data: [], nextCursor: null });
    const first = post('/api/v1/alert-rules/dry-run', { rules });
    await until(() => alerts.asked.length > 1);
    expect((await post('/api/v1/alert-rules/dry-run', { rules })).body).toMatchObject({ status: 503, code: 'overloaded' });
    goOn();
    expect((await first).status).toBe(200);
    engine.regions = async () => [REGION];
    refuse('dryRun', 'deadline', { retryable: true });
    expect((await post('/api/v1/alert-rules/dry-run', { rules })).status).toBe(504);
    expect((await post('/api/v1/alert-rules/dry-run', { rules })).status).toBe(504);
  });
});

describe('contacts', () => {
  const path = `/api/v1/contacts/${CONTACT.id}`;

  test('are shown without secrets', async () => {
    for (const reply of [await get('/api/v1/contacts?limit=5&cursor=c'), await get(path), await call('PATCH', path, { body: { name: 'Eve' } }), await post('/api/v1/contacts', { name: 'Eve', addresses: { webhook: { url: 'https://example.org/', secret: SECRET }, push: [PUSH_TOKEN] } })]) {
      expect(reply.status, JSON.stringify(reply.body)).toBeLessThan(300);
      const text = JSON.stringify(reply.body);
      expect(text).not.toContain(SECRET);
      expect(text).not.toContain('PhoneThatNobody');
    }
    expect(alerts.asked[0]).toEqual({ kind: 'contacts', limit: 5, cursor: 'c' });
    const { headers, body } = await get(path);
    expect(headers.etag).toBe('"4"');
    expect(body.addresses).toEqual({ email: 'ada@example.org', sms: '+41791234567', push: ['cXy12a…9f3d'], webhook: { url: 'https://example.org/hook', hasSecret: true } });
    expect([body.unsubscribed, body.createdAt]).toEqual([{ email: ISO }, ISO]);
    expect((await get('/api/v1/contacts/nobody')).body).toMatchObject({ status: 404, code: 'unknown_contact' });
  });

  test('are made with what they say and defaults for the rest', async () => {
    const { status, headers } = await post('/api/v1/contacts', { name: 'Eve', zone: 'Europe/Berlin', addresses: { email: 'eve@example.org' } });
    expect([status, headers.location, headers.etag]).toEqual([201, '/api/v1/contacts/c-new', '"1"']);
    expect(asked()).toMatchObject({ kind: 'makeContact', contact: { name: 'Eve', zone: 'Europe/Berlin', locale: 'en', addresses: { email: 'eve@example.org', sms: null, push: [], webhook: null }, preferences: { quietHours: null } } });
  });

  test.each([
    [{}, ['name']],
    [{ name: '', zone: 'Mars/Olympus', locale: '-', id: 'mine', addresses: { email: 'x', sms: '0791234567', push: ['a b'], webhook: { url: 'http://example.org/', secret: 'x' } } }, ['addresses.email', 'addresses.push[0]', 'addresses.sms', 'addresses.webhook.secret', 'addresses.webhook.url', 'id', 'locale', 'name', 'zone']],
    [{ name: 'Eve', preferences: { channels: { INFO: ['pigeon'] }, perHourMax: 0, quietHours: { spans: [{ from: '25:00', to: '06:00' }] } } }, ['preferences.channels.INFO[0]', 'preferences.perHourMax', 'preferences.quietHours.spans[0].from']],
  ])('refuse %j', async (body, paths) => {
    expect(faultPaths(await post('/api/v1/contacts', body))).toEqual(paths);
  });

  test('change in what is named; a secret that nobody was shown stays', async () => {
    await call('PATCH', path, { body: { addresses: { webhook: { url: 'https://example.org/new' }, sms: null } }, headers: { 'if-match': '"4"' } });
    expect(alerts.asked[1]).toEqual({ kind: 'changeContact', id: CONTACT.id, version: 4, change: { addresses: { ...CONTACT.addresses, sms: null, webhook: { url: 'https://example.org/new', secret: SECRET } } } });
    await call('PATCH', path, { body: { preferences: { quietHours: null, channels: { WARN: ['sms'] } } } });
    expect(alerts.asked[3]).toMatchObject({ version: 4, change: { preferences: { ...CONTACT.preferences, quietHours: null, channels: { ...CONTACT.preferences.channels, WARN: ['sms'] } } } });
    await call('PATCH', path, { body: {}, headers: { 'if-match': '"2"' } });
    expect(alerts.asked[5]).toEqual({ kind: 'changeContact', id: CONTACT.id, version: 2, change: {} });
  });

  test.each([
    [{ name: null }, ['name']],
    [{ id: 'x', version: 9, unsubscribed: {} }, ['id', 'unsubscribed', 'version']],
    [JSON.parse('{"__proto__": {"name": "Eve"}, "addresses": {"__proto__": {}, "constructor": 1}}'), ['__proto__', 'addresses.__proto__', 'addresses.constructor']],
    [{ addresses: null }, ['addresses']],
    [[], ['']],
  ])('refuse the change %j', async (body, paths) => {
    expect(Object.keys(faults(await call('PATCH', path, { body }))).sort()).toEqual(paths);
    expect(alerts.asked.every(({ kind }) => kind === 'contact')).toBe(true);
  });

  test('of nobody cannot be changed, and a version that is gone neither', async () => {
    expect((await call('PATCH', '/api/v1/contacts/nobody', { body: { name: 'x' } })).body.code).toBe('unknown_contact');
    refuse('changeContact', 'stale_version');
    expect((await call('PATCH', path, { body: { name: 'Eve' } })).body).toMatchObject({ status: 409, code: 'stale_version' });
  });

  test('go, unless a schedule names them', async () => {
    const { status, body } = await call('DELETE', path, { headers: { 'if-match': '"4"' } });
    expect([status, body]).toEqual([204, '']);
    expect(asked()).toEqual({ kind: 'removeContact', id: CONTACT.id, version: 4 });
    for (const [code, expected] of [['in_use', 409], ['stale_version', 409], ['unknown_contact', 404]] as const) {
      refuse('removeContact', code);
      expect((await call('DELETE', path)).body).toMatchObject({ status: expected, code });
    }
    refuse('makeContact', 'too_many');
    expect((await post('/api/v1/contacts', { name: 'Eve' })).body).toMatchObject({ status: 409, code: 'too_many' });
  });

  test('have preferences that are replaced as a whole', async () => {
    const shown = await get(`${path}/preferences`);
    expect([shown.headers.etag, shown.body]).toEqual(['"4"', CONTACT.preferences]);
    const replaced = await call('PUT', `${path}/preferences`, { body: { perHourMax: 5 }, headers: { 'if-match': '"4"' } });
    expect([replaced.status, replaced.headers.etag, replaced.body.perHourMax, replaced.body.subscription]).toEqual([200, '"5"', 5, null]);
    expect(Object.keys(alerts.asked[2] as { change: object }['change'])).toEqual(['kind', 'id', 'version', 'change']);
    expect(Object.keys(faults(await call('PUT', `${path}/preferences`, { body: { perHourMax: 0, name: 'x', channels: { INFO: 5 } } }))).sort()).toEqual(['channels.INFO', 'name', 'perHourMax']);
    expect(Object.keys(faults(await call('PUT', `${path}/preferences`, { body: [] })))).toEqual(['']);
    for (const method of ['GET', 'PUT']) expect((await call(method, '/api/v1/contacts/nobody/preferences', method === 'PUT' ? { body: {} } : {})).body.code).toBe('unknown_contact');
  });
});

describe('schedules', () => {
  const path = `/api/v1/schedules/${SCHEDULE.id}`;
  const layer = SCHEDULE.layers[0];

  test('are listed and shown', async () => {
    expect((await get('/api/v1/schedules')).body.data[0]).toMatchObject({ id: SCHEDULE.id, createdAt: ISO, overrides: [{ id: 'o1', from: ISO, to: '2026-01-15T13:00:00.000Z' }] });
    expect((await get(path)).headers.etag).toBe('"2"');
    expect((await get('/api/v1/schedules/none')).body).toMatchObject({ status: 404, code: 'unknown_schedule' });
  });

  test('are made, with every fault by its path', async () => {
    const { status, headers } = await post('/api/v1/schedules', { name: 'Day', zone: 'UTC', layers: [layer] });
    expect([status, headers.location, headers.etag]).toEqual([201, '/api/v1/schedules/s-new', '"1"']);
    expect(asked()).toEqual({ kind: 'makeSchedule', schedule: { name: 'Day', zone: 'UTC', layers: [layer] } });
    alerts.asked.length = 0;
    expect(faultPaths(await post('/api/v1/schedules', { name: 'Day', zone: 'here', layers: [{ ...layer, people: [], handoffAt: '8', turnDays: 0 }], overrides: [] }))).toEqual(['layers[0].handoffAt', 'layers[0].people', 'layers[0].turnDays', 'overrides', 'zone']);
  });

  test('that name nobody are at fault themselves', async () => {
    for (const kind of ['makeSchedule', 'changeSchedule', 'override'] as const) refuse(kind, 'unknown_contact');
    for (const [method, at, body, fault] of [
      ['POST', '/api/v1/schedules', { name: 'Day', zone: 'UTC', layers: [layer] }, 'layers'],
      ['PATCH', path, { layers: [layer] }, 'layers'],
      ['POST', `${path}/overrides`, { contactId: 'nobody', from: ISO, to: '2026-01-16T00:00:00Z', by: 'Ada' }, 'contactId'],
    ] as const) {
      expect((await call(method, at, { body })).body).toMatchObject({ status: 422, code: 'unknown_contact', faults: [{ path: fault, message: 'It does not go.' }] });
    }
  });

  test('change in what is named', async () => {
    const { headers } = await call('PATCH', path, { body: { name: 'Nights' }, headers: { 'if-match': '"2"' } });
    expect(headers.etag).toBe('"3"');
    expect(alerts.asked[1]).toEqual({ kind: 'changeSchedule', id: SCHEDULE.id, version: 2, change: { name: 'Nights' } });
    expect(Object.keys(faults(await call('PATCH', path, { body: { layers: [], overrides: [] } }))).sort()).toEqual(['layers', 'overrides']);
    expect((await call('PATCH', '/api/v1/schedules/none', { body: {} })).body.code).toBe('unknown_schedule');
    refuse('changeSchedule', 'stale_version');
    expect((await call('PATCH', path, { body: {} })).status).toBe(409);
  });

  test('go', async () => {
    expect((await call('DELETE', path, { headers: { 'if-match': '"2"' } })).status).toBe(204);
    expect(asked()).toEqual({ kind: 'removeSchedule', id: SCHEDULE.id, version: 2 });
    refuse('removeSchedule', 'unknown_schedule');
    expect((await call('DELETE', path)).status).toBe(404);
  });

  test('say who is on call: a week from now, or any three months', async () => {
    const { body } = await get(`${path}/on-call`);
    expect(asked()).toEqual({ kind: 'onCall', scheduleId: SCHEDULE.id, from: NOW, to: NOW + 7 * DAY_MS });
    expect(body).toEqual({ data: [{ from: '2026-01-15T12:00:01.000Z', to: '2026-01-22T12:00:01.000Z', contactId: 'c-ada', source: 'first' }], nextCursor: null });
    expect((await get(`${path}/on-call?from=0&to=${92 * DAY_MS}`)).status).toBe(200);
    for (const query of [`from=0&to=${92 * DAY_MS + 1}`, 'from=5&to=5', 'to=5', 'at=5']) expect((await get(`${path}/on-call?${query}`)).status, query).toBe(400);
    refuse('onCall', 'unknown_schedule');
    expect((await get(`${path}/on-call`)).status).toBe(404);
  });

  test('take somebody who stands in, and let them go', async () => {
    const override = { contactId: 'c-bob', from: ISO, to: '2026-01-16T00:00:00Z', by: 'Ada', why: 'ill' };
    const made = await post(`${path}/overrides`, override, { 'if-match': '"2"' });
    expect([made.status, made.headers.location, made.headers.etag, made.body.overrides.length]).toEqual([201, `${path}/overrides/o2`, '"3"', 2]);
    expect(asked()).toEqual({ kind: 'override', scheduleId: SCHEDULE.id, version: 2, override: { ...override, from: AT, to: AT + DAY_MS / 2 } });
    expect((await get(`${path}/overrides/o1`)).body).toMatchObject({ id: 'o1', from: ISO });
    expect((await get(`${path}/overrides/o9`)).body.code).toBe('unknown_override');
    expect((await get('/api/v1/schedules/none/overrides/o1')).body.code).toBe('unknown_schedule');
    expect(Object.keys(faults(await post(`${path}/overrides`, { ...override, to: ISO, id: 'x' }))).sort()).toEqual(['id', 'to']);
    alerts.asked.length = 0;
    const gone = await call('DELETE', `${path}/overrides/o1`, { headers: { 'if-match': '"3"' } });
    expect([gone.status, gone.headers.etag, gone.body.overrides]).toEqual([200, '"3"', []]);
    expect(asked()).toEqual({ kind: 'removeOverride', scheduleId: SCHEDULE.id, overrideId: 'o1', version: 3 });
    refuse('removeOverride', 'unknown_override');
    expect((await call('DELETE', `${path}/overrides/o1`)).body).toMatchObject({ status: 404, code: 'unknown_override' });
  });
});

describe('deliveries', () => {
  test('are filtered and shown', async () => {
    const { body } = await get('/api/v1/deliveries?contact=c-ada&alert=a1&channel=push&state=sent&from=1&to=2&limit=3&cursor=c');
    await get('/api/v1/deliveries');
    expect(alerts.asked).toEqual([
      { kind: 'deliveries', query: { contactId: 'c-ada', alertId: 'a1', channel: 'push', state: 'sent', from: 1, to: 2, limit: 3, cursor: 'c' } },
      { kind: 'deliveries', query: { contactId: null, alertId: null, channel: null, state: null, from: NOW - DAY_MS, to: END, limit: 100, cursor: null } },
    ]);
    expect(body.data[0]).toEqual({ ...DELIVERY, createdAt: ISO, changedAt: ISO, receipts: [{ ...DELIVERY.receipts[0], at: ISO }] });
    for (const query of ['channel=pigeon', 'state=lost', 'contact=', 'from=9&to=8', 'limit=1001']) expect((await get(`/api/v1/deliveries?${query}`)).status, query).toBe(400);
  });

  test('are found by their id with its slashes escaped', async () => {
    expect((await get(`/api/v1/deliveries/${encodeURIComponent(DELIVERY.id)}`)).body.id).toBe(DELIVERY.id);
    expect((await get('/api/v1/deliveries/none')).body).toMatchObject({ status: 404, code: 'unknown_delivery' });
  });

  test('a message is shown as it would look', async () => {
    const { status, body } = await post('/api/v1/notifications/preview', { contactId: 'c-ada', channel: 'email', severity: 'CRITICAL' });
    expect(asked()).toEqual({ kind: 'preview', contactId: 'c-ada', channel: 'email', severity: 'CRITICAL' });
    expect([status, body]).toEqual([200, { subject: 'Region north', text: 'It is full.', html: '<p>', pictures: [{ cid: 'curve', text: 'A curve.', png: 'AQID' }] }]);
    expect(Object.keys(faults(await post('/api/v1/notifications/preview', { channel: 'pigeon', severity: 'high', to: 'x' }))).sort()).toEqual(['channel', 'contactId', 'severity', 'to']);
    refuse('preview', 'unknown_contact');
    expect((await post('/api/v1/notifications/preview', { contactId: 'x', channel: 'sms' })).status).toBe(404);
  });

  test('a test is sent, and says what happened or why it could not', async () => {
    const { status, body } = await post('/api/v1/notifications/test', { contactId: 'c-ada', channel: 'push' });
    expect(asked()).toEqual({ kind: 'sendTest', contactId: 'c-ada', channel: 'push' });
    expect([status, body.state, body.receipts[0].text]).toEqual([200, 'sent', 'FCM took it.']);
    expect(Object.keys(faults(await post('/api/v1/notifications/test', { severity: 'WARN' }))).sort()).toEqual(['channel', 'contactId', 'severity']);
    for (const [code, expected] of [['unknown_contact', 404], ['no_address', 409], ['channel_off', 409]] as const) {
      refuse('sendTest', code);
      expect((await post('/api/v1/notifications/test', { contactId: 'x', channel: 'sms' })).body).toMatchObject({ status: expected, code });
    }
  });
});

describe('unsubscribing', () => {
  const path = '/unsubscribe?token=abc.DEF+1=';
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const oneClick = 'List-Unsubscribe=One-Click';

  test('is asked about by GET, which changes nothing: scanners follow links', async () => {
    const { status, headers, body } = await get(path);
    expect([status, headers['content-type'], headers['cache-control']]).toEqual([200, 'text/html; charset=utf-8', 'no-store']);
    expect(body).toContain('<form method="post">');
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(alerts.asked).toEqual([{ kind: 'subscription', token: 'abc.DEF+1=' }]);
  });

  test('is in the language of whose link it is; of a link that is nobody\'s, in the browser\'s', async () => {
    expect((await get(path)).body).toMatch(/<html lang="en">.*No more of these messages\?.*by e-mails any more/);
    alerts.answers.subscription = () => ({ ...SUBSCRIPTION, locale: 'de-CH', stoppedAt: null });
    alerts.answers.unsubscribe = () => ({ ...SUBSCRIPTION, locale: 'de' });
    alerts.answers.resubscribe = () => ({ ...SUBSCRIPTION, locale: 'de', stoppedAt: null });
    expect((await get(path)).body).toMatch(/<html lang="de">.*Keine solchen Nachrichten mehr\?.*keine E-Mails mehr.*Abbestellen/);
    expect((await call('POST', path, { body: oneClick, headers: form })).body).toContain('Ada &#60;b&#62; bekommt keine E-Mails mehr.');
    expect((await call('POST', path, { body: 'Resubscribe=Yes', headers: form })).body).toContain('Ada &#60;b&#62; bekommt wieder E-Mails.');
    for (const [language, words] of [['de-DE,de;q=0.9,en;q=0.8', 'Dieser Link funktioniert nicht'], ['en', 'This link does not work'], ['den', 'This link does not work']]) {
      expect((await call('GET', '/unsubscribe', { headers: { 'accept-language': language } })).body).toContain(words);
    }
  });

  test('is taken back by the page that follows, also when the link is opened again', async () => {
    const { body } = await call('POST', path, { body: oneClick, headers: form });
    expect(body).toContain('<input type="hidden" name="Resubscribe" value="Yes">');
    alerts.answers.subscription = () => SUBSCRIPTION;
    expect((await get(path)).body).toContain('<input type="hidden" name="Resubscribe" value="Yes">');
    const { status, body: after } = await call('POST', path, { body: 'Resubscribe=Yes', headers: form });
    expect(alerts.asked.at(-1)).toEqual({ kind: 'resubscribe', token: 'abc.DEF+1=' });
    expect([status, after.includes('Ada &#60;b&#62; gets e-mails again.')]).toEqual([200, true]);
  });

  test('is taken back by who runs the grid', async () => {
    const at = '/api/v1/contacts/c-ada/unsubscribed/email';
    const { status, headers, body } = await call('DELETE', at, { headers: { 'if-match': '"4"' } });
    expect(asked()).toEqual({ kind: 'resumeChannel', id: 'c-ada', version: 4, channel: 'email' });
    expect([status, headers.etag, body.unsubscribed]).toEqual([200, '"5"', {}]);
    expect((await call('DELETE', '/api/v1/contacts/c-ada/unsubscribed/fax')).body).toMatchObject({ status: 404 });
    for (const [code, expected] of [['unknown_contact', 404], ['stale_version', 409]] as const) {
      refuse('resumeChannel', code);
      expect((await call('DELETE', at)).body).toMatchObject({ status: expected, code });
    }
  });

  test.each([form, { ...form, origin: 'null' }, { ...form, origin: 'https://mail.example.com' }])('happens at one click, whoever posts it: %j', async (headers) => {
    const { status, body } = await call('POST', path, { body: oneClick, headers });
    expect(asked()).toEqual({ kind: 'unsubscribe', token: 'abc.DEF+1=' });
    expect([status, body.includes('Ada &#60;b&#62; gets no more e-mails')]).toEqual([200, true]);
  });

  test('takes the other form type too', async () => {
    const body = '--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n';
    expect((await call('POST', path, { body, headers: { 'content-type': 'multipart/form-data; boundary=x' } })).status).toBe(200);
  });

  test('says so when the link or the form is broken, as a page', async () => {
    for (const [method, at, options, expected] of [
      ['GET', '/unsubscribe', {}, 400],
      ['GET', '/unsubscribe?token=', {}, 400],
      ['POST', '/unsubscribe', { body: oneClick, headers: form }, 400],
      ['POST', path, { body: 'x=1', headers: form }, 400],
      ['POST', path, { body: 'List-Unsubscribe=', headers: form }, 400],
      ['POST', path, { body: oneClick, headers: { 'content-type': 'text/plain' } }, 415],
    ] as const) {
      const { status, headers } = await call(method, at, options);
      expect([status, headers['content-type']], `${method} ${at}`).toEqual([expected, 'text/html; charset=utf-8']);
    }
    expect(alerts.asked).toEqual([]);
    refuse('unsubscribe', 'invalid_token');
    expect((await call('POST', path, { body: oneClick, headers: form })).status).toBe(400);
    refuse('subscription', 'invalid_token');
    expect((await get(path)).status).toBe(400);
    refuse('unsubscribe', 'unavailable', { retryable: true });
    expect((await call('POST', path, { body: oneClick, headers: form })).status).toBe(503);
  });
});

/** Every write there is, with a body that it takes. */
const WRITES: [method: string, path: string, body: unknown][] = [
  ['POST', `${A}/acknowledge`, { by: 'Ada' }],
  ['POST', `${A}/resolve`, { by: 'Ada', why: 'x' }],
  ['POST', '/api/v1/alerts/resolve', { ids: ['a'], by: 'Ada', why: 'x' }],
  ['POST', '/api/v1/silences', { match: { regions: ['n'] }, endsAt: NOW + 5_000, by: 'Ada', comment: 'x' }],
  ['PATCH', '/api/v1/silences/silence-1', { comment: 'x', by: 'Ada' }],
  ['DELETE', '/api/v1/silences/silence-1?by=Ada', undefined],
  ['POST', '/api/v1/maintenance-windows', { match: { regions: ['n'] }, endsAt: NOW + 5_000, by: 'Ada', comment: 'x' }],
  ['PATCH', '/api/v1/maintenance-windows/m1', { comment: 'x', by: 'Ada' }],
  ['DELETE', '/api/v1/maintenance-windows/m1?by=Ada', undefined],
  ['POST', '/api/v1/alert-rules/dry-run', { rules: { rules: [], routes: [] } }],
  ['POST', '/api/v1/contacts', { name: 'Eve' }],
  ['PATCH', '/api/v1/contacts/c-ada', {}],
  ['DELETE', '/api/v1/contacts/c-ada', undefined],
  ['DELETE', '/api/v1/contacts/c-ada/unsubscribed/email', undefined],
  ['PUT', '/api/v1/contacts/c-ada/preferences', {}],
  ['POST', '/api/v1/schedules', { name: 'Day', zone: 'UTC', layers: SCHEDULE.layers }],
  ['PATCH', '/api/v1/schedules/s-night', {}],
  ['DELETE', '/api/v1/schedules/s-night', undefined],
  ['POST', '/api/v1/schedules/s-night/overrides', { contactId: 'c-ada', from: ISO, to: '2026-01-16T00:00:00Z', by: 'Ada' }],
  ['DELETE', '/api/v1/schedules/s-night/overrides/o1', undefined],
  ['POST', '/api/v1/notifications/preview', { contactId: 'c-ada', channel: 'sms' }],
  ['POST', '/api/v1/notifications/test', { contactId: 'c-ada', channel: 'sms' }],
];

describe('every write', () => {
  test.each(WRITES)('%s %s is taken from programs and from pages of this engine alone', async (method, path, body) => {
    const host = `127.0.0.1:${gateway.port}`;
    const from = (headers: Record<string, string>) => call(method, path, { body, headers: { host, ...headers } });
    for (const origin of ['https://evil.example', 'null', `http://evil.example:${gateway.port}`, 'http://127.0.0.1:1', `http://127.0.0.1.evil.example:${gateway.port}`, '%%', 'file://']) {
      expect((await from({ origin })).body, origin).toMatchObject({ status: 403, code: 'foreign_origin' });
    }
    // A name that somebody else's DNS points here: Host and Origin agree.
    expect((await from({ host: `evil.example:${gateway.port}`, origin: `http://evil.example:${gateway.port}` })).status).toBe(421);
    expect(alerts.asked).toEqual([]);
    for (const headers of [{}, { origin: `http://${host}` }, { host: 'localhost', origin: 'http://localhost' }, { host: '[::1]:3000', origin: 'http://[::1]:3000' }, { origin: 'https://grid.example.org' }] as Record<string, string>[]) {
      expect((await from(headers)).status, JSON.stringify(headers)).toBeLessThan(300);
    }
  });

  test.each(WRITES.filter(([, , body]) => body !== undefined))('%s %s takes JSON alone, whole and not too much', async (method, path, body) => {
    const text = JSON.stringify(body);
    const send = (sent: string | Uint8Array, headers: Record<string, string> = { 'content-type': 'application/json' }) => call(method, path, { body: sent, headers });
    for (const type of ['', 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'application/jsonp', 'application/json; charset=latin1']) {
      expect((await send(text, type === '' ? {} : { 'content-type': type })).body, type).toMatchObject({ status: 415, code: 'unsupported_media_type' });
    }
    expect((await send(text, { 'content-type': 'application/json', 'content-encoding': 'gzip' })).status).toBe(415);
    for (const [sent, words] of [['', 'it is empty'], [text.slice(0, -1), 'it ends too early'], [`${text}x`, 'after JSON'], [Uint8Array.of(0x22, 0xff, 0x22), 'not UTF-8']] as const) {
      expect((await send(sent)).body, words).toMatchObject({ status: 400, code: 'invalid_json', detail: expect.stringContaining(words) });
    }
    expect((await send(`${' '.repeat(JSON_BYTES_MAX)}${text}`)).body).toMatchObject({ status: 413, code: 'body_too_large' });
    expect((await call(method, `${path}?dry=1`, { body })).body).toMatchObject({ status: 400, code: 'invalid_query' });
    expect(alerts.asked).toEqual([]);
    expect((await send(text, { 'content-type': 'Application/JSON; charset="UTF-8"', 'if-match': '*' })).status).toBeLessThan(300);
  });

  test.each(WRITES)('%s %s refuses what is no version', async (method, path, body) => {
    for (const version of ['7', 'W/"7"', '"a"', '"7", "8"', '""', '"-1"', `"${'9'.repeat(16)}"`]) {
      expect((await call(method, path, { body, headers: { 'if-match': version } })).body, version).toMatchObject({ status: 400, code: 'invalid_if_match' });
    }
    expect(alerts.asked).toEqual([]);
  });

  test.each(WRITES)('%s %s gets 404 alerts_off from an engine without alerts, 503 while their thread is away, 504 when it is too slow', async (method, path, body) => {
    expect((await apiClient(() => off.port)(method, path, { body })).body).toMatchObject({ status: 404, code: 'alerts_off' });
    for (const [code, status] of [['unavailable', 503], ['deadline', 504]] as const) {
      for (const kind of Object.keys(alerts.answers) as (keyof FakeAlerts['answers'])[]) refuse(kind, code, { retryable: true });
      const reply = await call(method, path, { body });
      expect([reply.status, reply.body.code, reply.headers['retry-after']]).toEqual([status, code, '1']);
    }
  });

  test('an error nobody expected gives 500 without its words', async () => {
    alerts.answers.acknowledge = () => {
      throw new Error('S3CRET');
    };
    const { status, body } = await post(`${A}/acknowledge`, { by: 'Ada' });
    expect([status, body.code, JSON.stringify(body).includes('S3CRET')]).toEqual([500, 'internal_error', false]);
  });

  test('a body with thousands of faults gets the first hundred', async () => {
    const body = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`k${i}`, 1]));
    const reply = await post(`${A}/acknowledge`, body);
    expect([reply.status, reply.body.faults.length]).toEqual([422, 100]);
    expect(reply.body.detail).toContain('more');
    expect((await post(`${A}/acknowledge`, `${'['.repeat(30_000)}${']'.repeat(30_000)}`, { 'content-type': 'application/json' })).status).toBe(422);
  });

  test('a secret in a body that is no JSON is not repeated', async () => {
    for (const text of [`{"secret": ${SECRET}}`, `{"secret": "${SECRET}`, `${SECRET}`]) expect(JSON.stringify((await post('/api/v1/contacts', text, { 'content-type': 'application/json' })).body)).not.toContain('whsec');
  });
});

describe('slow and many writers', () => {
  /** The beginning of a write, whose body never ends. */
  function begin(): Promise<{ reply: Promise<string>; end(): void }> {
    return new Promise((resolve) => {
      let received = '';
      const socket = connect(gateway.port, '127.0.0.1', () => {
        socket.write(`POST ${A}/acknowledge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"by"`);
        resolve({ reply, end: () => socket.destroy() });
      });
      socket.on('data', (chunk) => (received += chunk.toString('latin1')));
      socket.on('error', () => {});
      const reply = new Promise<string>((done) => socket.on('close', () => done(received)));
    });
  }

  test('one that is cut off or too slow does nothing, and is told where it can be', async () => {
    const cut = await begin();
    await until(() => gateway.stats().inFlight === 1);
    cut.end();
    await until(() => gateway.stats().inFlight === 0);
    const slow = await begin();
    await until(() => gateway.stats().inFlight === 1);
    aheadMs += 7_000;
    expect(await slow.reply).toMatch(/^HTTP\/1\.1 408 [^]*"code":"body_timeout"/);
    expect(alerts.asked).toEqual([]);
  }, 15_000);

  test('past the bound they get 503 at once, and places come back', async () => {
    const many = await Promise.all(Array.from({ length: WRITES_IN_FLIGHT_MAX }, begin));
    await until(() => gateway.stats().inFlight === WRITES_IN_FLIGHT_MAX);
    const refused = await post(`${A}/acknowledge`, { by: 'Ada' });
    expect([refused.status, refused.body.code, refused.headers['retry-after']]).toEqual([503, 'overloaded', '1']);
    expect((await get(A)).status).toBe(200);
    for (const one of many) one.end();
    await until(() => gateway.stats().inFlight === 0);
    expect((await post(`${A}/acknowledge`, { by: 'Ada' })).status).toBe(200);
  });

  test('answers under way are bounded like queries', async () => {
    const waiting: (() => void)[] = [];
    alerts.ask = (() => new Promise((resolve) => waiting.push(() => resolve(ALERT)))) as unknown as FakeAlerts['ask'];
    const first = Array.from({ length: 4 }, () => post(`${A}/acknowledge`, { by: 'Ada' }));
    await until(() => waiting.length === 4);
    expect((await post(`${A}/acknowledge`, { by: 'Ada' })).body).toMatchObject({ status: 503, code: 'overloaded' });
    for (const answer of waiting) answer();
    expect((await Promise.all(first)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  });
});

test('reads get 404 alerts_off from an engine without alerts', async () => {
  const callOff = apiClient(() => off.port);
  for (const path of ['/api/v1/alerts', '/api/v1/alerts/active', A, '/api/v1/silences', '/api/v1/alert-rules', '/api/v1/contacts', '/api/v1/schedules', '/api/v1/deliveries', '/api/v1/regions/north/alerts']) {
    expect((await callOff('GET', path)).body, path).toMatchObject({ status: 404, code: 'alerts_off' });
  }
});

test('other methods get 405 with those that there are', async () => {
  for (const [method, path, allow] of [
    ['PUT', '/api/v1/silences', 'GET, POST, HEAD, OPTIONS'],
    ['POST', '/api/v1/silences/x', 'GET, PATCH, DELETE, HEAD, OPTIONS'],
    ['DELETE', `${A}/acknowledge`, 'POST, OPTIONS'],
    ['POST', '/api/v1/alerts/active', 'GET, HEAD, OPTIONS'],
    ['POST', A, 'GET, HEAD, OPTIONS'],
    ['PATCH', '/api/v1/contacts/c-ada/preferences', 'GET, PUT, HEAD, OPTIONS'],
  ] as const) {
    const reply = await call(method, path, { body: {} });
    expect([reply.status, reply.headers.allow], `${method} ${path}`).toEqual([405, allow]);
  }
  expect((await get('/api/v1/nothing')).body.detail).toContain('/alerts, /silences, /maintenance-windows');
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
