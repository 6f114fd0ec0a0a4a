import type { RegionId } from '../../src/model/ids.ts';
import { readFileSync, readdirSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startGateway, type Gateway } from '../../src/http/gateway.ts';
import type { Role } from '../../src/model/access.ts';
import { systemTimers } from '../../src/runtime/clock.ts';
import { ALWAYS } from '../../src/model/held-time.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { apiClient, type ApiReply } from '../support/api-client.ts';
import { exampleAlert } from '../support/example-alerts.ts';
import { fakeAccounts, PEOPLE, type FakeAccounts, type PersonName } from '../support/fake-accounts.ts';
import { ALERT, fakeAlerts, SILENCE, type FakeAlerts } from '../support/fake-alerts.ts';
import { AT, fakeEngine, METER, REGION, type FakeEngine } from '../support/fake-engine.ts';
import { fakeRegistry, type FakeRegistry } from '../support/fake-registry.ts';
import { fakeTariffs, type FakeTariffs } from '../support/fake-tariffs.ts';
import { exampleTarget, REQUEST_EXAMPLES, type RequestExample } from '../support/request-examples.ts';

let accounts: FakeAccounts = fakeAccounts();
let alerts: FakeAlerts;
let engine: FakeEngine;
let tariffs: FakeTariffs;
let registry: FakeRegistry;
let gateway: Gateway;
let nowMs = AT + 1_000;
let monotonicMs = 0;

/** Each test gets fresh ones behind the running gateway. */
const now = <T extends object>(current: () => T): T => new Proxy({} as T, { get: (_, name) => current()[name as keyof T] });
const call = apiClient(() => gateway.port);

/** An operation as the API's document has it. */
interface Documented {
  method: string;
  path: string;
  id: string;
  access: 'public' | 'signed-in' | { roles: Role[]; scope: string };
}
let operations: Documented[];

beforeAll(async () => {
  gateway = await startGateway(
    { host: '127.0.0.1', port: 0, queriesInFlightMax: 4, requestIdPrefix: 't' },
    { engine: now(() => engine), alerts: now(() => alerts), tariffs: now(() => tariffs), registry: now(() => registry), accounts: now(() => accounts), clock: { now: () => nowMs, monotonic: () => monotonicMs }, timers: systemTimers, log: nullLog },
  );
  const { body } = await call('GET', '/api/v1/openapi.json');
  operations = Object.entries<Record<string, any>>(body.paths).flatMap(([path, item]) => Object.entries(item).map(([method, operation]) => ({ method: method.toUpperCase(), path, id: operation.operationId, access: operation['x-access'] })));
});

beforeEach(() => {
  accounts = fakeAccounts();
  alerts = fakeAlerts();
  engine = fakeEngine();
  tariffs = fakeTariffs();
  registry = fakeRegistry();
  // Whatever is remembered of the regions of meters.
  monotonicMs += 60_000;
  // Of the meter, so that a consumer can have something to do with it.
  const own = exampleAlert({ id: ALERT.id, meterId: METER.meterId, openedAt: AT, version: 7 });
  alerts.answers.alerts = () => ({ data: [own], nextCursor: null });
  alerts.answers.alert = ({ id }) => (id === ALERT.id ? { alert: own, history: [] } : null);
});

afterAll(() => gateway.close(1_000));

function as(token: string | null): Record<string, string> {
  return token === null ? {} : { authorization: `Bearer ${token}` };
}

function send({ method, path }: Documented, example: RequestExample, token: string | null): Promise<ApiReply> {
  return call(method, exampleTarget(path, example), { headers: as(token), body: example.body });
}

const get = (path: string, token: string | null) => call('GET', path, { headers: as(token) });

/** Of a 4xx: what tells one from another, without what differs by request. */
function refusal({ status, body }: ApiReply): object {
  const { requestId: _requestId, ...problem } = body;
  return { status, problem };
}

/** Roles and reach as they are declared, held against what comes out. */
const SOMEBODY: readonly (PersonName | null)[] = [null, 'consumer', 'otherConsumer', 'operator', 'otherOperator', 'allOperator', 'admin'];
const OTHERS: readonly PersonName[] = ['otherConsumer', 'otherOperator'];

function expected({ access }: Documented, example: RequestExample, who: PersonName | null): number | 'fine' {
  if (access === 'public') return 'fine';
  if (who === null) return 401;
  if (access === 'signed-in') return 'fine';
  const { role, regions } = PEOPLE[who];
  if (!access.roles.includes(role)) return 403;
  if (regions === 'all' || access.scope === 'none') return 'fine';
  if (access.scope === 'everything') return 403;
  // Rows of others are left out, and what the query names has to be theirs.
  if (access.scope === 'rows' && example.query === undefined) return 'fine';
  return OTHERS.includes(who) ? 404 : 'fine';
}

describe('every operation', () => {
  test('has a name of its own and an example to try it with', () => {
    const ids = operations.map(({ id }) => id);
    expect(ids).toHaveLength(gateway.operations.length);
    expect(new Set(ids).size).toBe(ids.length);
    expect(Object.keys(REQUEST_EXAMPLES).sort()).toEqual([...ids].sort());
  });

  test.each(SOMEBODY)('answers %s as it declares', async (who) => {
    const wrong: object[] = [];
    for (const served of operations) {
      const { id } = served;
      const example = REQUEST_EXAMPLES[id];
      const { status, body, headers } = await send(served, example, who);
      const wanted = expected(served, example, who);
      const isRight = wanted === 'fine' ? status < 400 : status === wanted && headers['content-type'] === 'application/problem+json';
      if (!isRight) wrong.push({ id, wanted, status, body });
      if (status === 401) expect(headers['www-authenticate']).toBe('Bearer realm="seg"');
    }
    expect(wrong).toEqual([]);
    // Nobody is refused without anybody being asked.
    if (who === null) expect([engine.asked, alerts.asked, tariffs.asked, registry.asked]).toEqual([[], [], [], []]);
  });

  test('answers what is not theirs as what is not there', async () => {
    alerts.answers.silence = ({ id }) => (id === 'nothing' ? null : id === 'm1' ? { ...SILENCE, id, kind: 'maintenance' } : SILENCE);
    tariffs.answers.overrides = ({ cursor }) => (cursor === null ? { data: [], nextCursor: 'more' } : { data: [{ id: 'o1', region: 'north', price: '0.40', from: AT, until: AT + 1, by: 'Ada', reason: 'works', endedAt: null, endedBy: null, endReason: null }], nextCursor: null });
    const unless = <Kind extends 'agreement' | 'invoice'>(kind: Kind) => {
      const answer = tariffs.answers[kind] as (question: { id: string }) => never;
      (tariffs.answers as Record<string, unknown>)[kind] = (question: { id: string }): unknown => {
        if (question.id === 'nothing') throw new OperationalError(`unknown_${kind}`, 'there is none');
        return answer(question);
      };
    };
    unless('agreement');
    unless('invoice');
    let compared = 0;
    for (const served of operations) {
      const { access, id } = served;
      const example = REQUEST_EXAMPLES[id];
      if (typeof access === 'string' || !['meter', 'meter-times', 'region', 'thing'].includes(access.scope) || example.path === undefined) continue;
      for (const who of OTHERS) {
        if (!access.roles.includes(PEOPLE[who].role)) continue;
        const [theirs, missing] = [await send(served, example, who), await send(served, { ...example, path: ['nothing'] }, who)];
        const name = encodeURIComponent(example.path[0]);
        expect(JSON.stringify(refusal(theirs)).replaceAll(example.path[0], 'nothing').replaceAll(name, 'nothing'), `${id} ${who}`).toBe(JSON.stringify(refusal(missing)));
        expect(missing.status).toBe(404);
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(20);
    const ending = operations.find(({ id }) => id === 'endPriceOverride')!;
    expect((await send(ending, REQUEST_EXAMPLES.endPriceOverride, 'otherOperator')).status).toBe(404);
    expect(tariffs.asked.filter(({ kind }) => kind === 'endOverride')).toEqual([]);
    expect((await send(ending, REQUEST_EXAMPLES.endPriceOverride, 'operator')).status).toBe(200);
    // No other command went to anybody.
    expect([...alerts.asked, ...tariffs.asked].filter(({ kind }) => /^(make|change|endSilence|acknowledge|resolve|pay$|dispute$)/.test(kind))).toEqual([]);
  });
});

describe('tokens', () => {
  test.each([
    ['none', {}, 'not_signed_in'],
    ['one of another kind', { authorization: 'Basic YTpi' }, 'not_signed_in'],
    ['one with characters that no token has', { authorization: 'Bearer a b' }, 'not_signed_in'],
    ['an empty one', { authorization: 'Bearer ' }, 'not_signed_in'],
    ['one in a cookie', { cookie: 'token=admin' }, 'not_signed_in'],
    ['a wrong one', { authorization: 'Bearer mallory' }, 'invalid_token'],
    ['a wrong one that has to be looked up', { authorization: 'Bearer slow-mallory' }, 'invalid_token'],
  ])('%s gets 401', async (_, headers, code) => {
    const { status, body, headers: answered } = await call('GET', '/api/v1/engine', { headers });
    expect([status, body.code, answered['www-authenticate']]).toEqual([401, code, code === 'invalid_token' ? 'Bearer realm="seg", error="invalid_token"' : 'Bearer realm="seg"']);
    expect(engine.asked).toEqual([]);
  });

  test('does not count in the address', async () => {
    expect((await get('/api/v1/engine?access_token=admin', null)).status).toBe(401);
  });

  test('says Bearer in any letters, and one that has to be looked up counts as well', async () => {
    for (const authorization of ['bearer admin', 'BEARER  admin', 'Bearer slow-admin']) expect((await call('GET', '/api/v1/engine', { headers: { authorization } })).status, authorization).toBe(200);
    const body = { region: 'north', price: '0.40', until: '2026-01-16T00:00:00Z', reason: 'works' };
    expect((await call('POST', '/api/v1/price-overrides', { headers: as('slow-admin'), body })).status).toBe(201);
    expect((await call('DELETE', '/api/v1/price-overrides/o1?reason=over', { headers: as('slow-admin') })).status).toBe(200);
  });

  test('a role that is not enough is named', async () => {
    const { status, body, headers } = await get('/api/v1/contacts', 'consumer');
    expect([status, body.code, body.roles, headers['www-authenticate']]).toEqual([403, 'role_required', ['operator', 'admin'], 'Bearer realm="seg", error="insufficient_scope"']);
  });

  test('nobody learns of faults in what they may not ask', async () => {
    for (const token of [null, 'slow-mallory']) {
      const replies = [await get('/api/v1/meters?limit=none', token), await call('POST', '/api/v1/agreements?x=1', { headers: { ...as(token), 'content-type': 'text/plain', 'if-match': 'x' }, body: '{' }), await call('DELETE', '/api/v1/contacts/c-ada?x=1', { headers: as(token) })];
      expect(replies.map(({ status }) => status), String(token)).toEqual([401, 401, 401]);
    }
    expect((await call('POST', '/api/v1/agreements', { headers: { ...as('slow-admin'), 'content-type': 'text/plain' }, body: '{' })).status).toBe(415);
    expect((await call('POST', '/api/v1/agreements', { headers: { ...as('slow-admin'), 'content-type': 'application/json' }, body: '{' })).body.code).toBe('invalid_json');
  });
});

describe('lists', () => {
  test('have rows of who asks alone', async () => {
    engine.meters = async () => ({ data: [METER, { ...METER, meterId: 'meter:2', region: 'south' }], nextCursor: 'more' });
    engine.regions = async () => [REGION, { ...REGION, region: 'south' }];
    const meters = async (token: string, query = '') => (await get(`/api/v1/meters${query}`, token)).body;
    expect((await meters('operator')).data.map(({ meterId }: { meterId: string }) => meterId)).toEqual(['meter:1']);
    expect((await meters('operator')).nextCursor).toBe('more');
    expect((await meters('otherOperator')).data.map(({ meterId }: { meterId: string }) => meterId)).toEqual(['meter:2']);
    for (const token of ['allOperator', 'admin']) expect((await meters(token)).data).toHaveLength(2);
    expect((await get('/api/v1/regions', 'operator')).body.data.map(({ region }: { region: string }) => region)).toEqual(['north']);
    // An alert of a part of the engine is of no region.
    alerts.answers.alerts = () => ({ data: [exampleAlert(), exampleAlert({ region: null, component: 'disk' })], nextCursor: null });
    expect((await get('/api/v1/alerts', 'operator')).body.data).toHaveLength(1);
    expect((await get('/api/v1/alerts', 'admin')).body.data).toHaveLength(2);
  });

  test('of a region or a meter that is not theirs are not there', async () => {
    expect((await get('/api/v1/meters?region=north', 'operator')).status).toBe(200);
    for (const region of ['south', 'nowhere']) expect((await get(`/api/v1/meters?region=${region}`, 'operator')).body).toMatchObject({ status: 404, code: 'unknown_region' });
    for (const meterId of ['meter:9', 'nothing']) expect((await get(`/api/v1/anomalies?meterId=${meterId}`, 'consumer')).body).toMatchObject({ status: 404, code: 'unknown_meter' });
    expect(engine.asked.filter(([name]) => name === 'anomalies')).toEqual([]);
    // Their own region does not open another meter.
    expect((await get('/api/v1/anomalies?meterId=nothing&region=north', 'operator')).body).toMatchObject({ status: 404, code: 'unknown_meter' });
  });

  test('of consumers are of a meter that they name', async () => {
    for (const path of ['anomalies', 'alerts', 'alerts/active', 'agreements', 'invoices', 'invoices/export']) {
      expect((await get(`/api/v1/${path}`, 'consumer')).body, path).toMatchObject({ status: 403, code: 'meter_required' });
    }
    expect((await get('/api/v1/disputes', 'consumer')).body).toMatchObject({ status: 403, code: 'out_of_reach' });
    expect((await get('/api/v1/dead-letters', 'operator')).body).toMatchObject({ status: 403, code: 'meter_required' });
  });

  test('of bills are of a region or a meter that an operator of some regions names', async () => {
    const lists = operations.filter(({ access }) => typeof access === 'object' && access.scope === 'named-place');
    expect(lists.map(({ id }) => id).sort()).toEqual(['exportInvoices', 'listInvoices']);
    for (const { path } of lists) {
      const status = async (query: string, who: PersonName): Promise<number> => (await call('GET', `${path}${query}`, { headers: as(who) })).status;
      for (const query of ['?region=north', '?meterId=meter:1', '?region=north&meterId=meter:1']) expect([await status(query, 'operator'), await status(query, 'otherOperator'), await status(query, 'allOperator')], path + query).toEqual([200, 404, 200]);
      expect([await status('', 'operator'), await status('', 'consumer'), await status('?region=north', 'consumer'), await status('', 'admin')], path).toEqual([403, 403, 403, 200]);
    }
  });

  test('of all are for who reaches all', async () => {
    for (const path of ['dead-letters', 'invoices']) expect((await get(`/api/v1/${path}`, 'allOperator')).status, path).toBe(200);
  });
});

describe('own meters', () => {
  const own = async (token: string | null, query = '') => (await get(`/api/v1/me/meters${query}`, token)).body;

  test('are those that were given to who asks, and of nobody else', async () => {
    expect(await own('consumer')).toMatchObject({ data: [{ meterId: 'meter:1', meter: { meterId: 'meter:1', region: 'north' }, registry: { serial: 'LG-4711', address: { city: 'Köln' } } }], nextCursor: null });
    expect(await own('otherConsumer')).toEqual({ data: [{ meterId: 'meter:9', meter: null, times: [{ from: null, until: null }], registry: null }], nextCursor: null });
    for (const token of ['operator', 'admin']) expect(await own(token)).toEqual({ data: [], nextCursor: null });
    expect((await get('/api/v1/me/meters', null)).status).toBe(401);
  });

  test('come in pages, each once', async () => {
    const ids = ['c', 'a', 'e', 'b', 'd'];
    accounts.authenticate = () => ({ ...PEOPLE.consumer, meters: new Map(ids.map((id) => [id as never, ALWAYS])) });
    const pages = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: { data: { meterId: string }[]; nextCursor: string | null } = await own('x', `?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`);
      pages.push(page.data.map(({ meterId }) => meterId));
      cursor = page.nextCursor;
    }
    expect(pages).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
  });
});

describe('assignments of meters', () => {
  const PATH = '/api/v1/meter-assignments';
  const assign = (assignments: readonly object[]) => call('POST', PATH, { headers: as('admin'), body: { assignments } });

  test('are ten thousand in one request, with names and times as long as they can be', async () => {
    const user = `${'u'.repeat(64)}@${'d'.repeat(60)}.${'d'.repeat(60)}.${'d'.repeat(60)}.org`;
    const one = (n: number) => ({ user, meters: [`m-${String(n).padStart(62, '0')}`], assigned: true, from: '2026-03-01T00:00:00.000+01:00', until: '2026-10-01T00:00:00.000+02:00' });
    expect((await assign(Array.from({ length: 10_000 }, (_, n) => one(n)))).status).toBe(200);
    const [question] = accounts.asked as unknown as [{ assignments: object[] }];
    expect([question.assignments.length, question.assignments[9_999]]).toEqual([10_000, { user, meterId: one(9_999).meters[0], from: Date.UTC(2026, 1, 28, 23), until: Date.UTC(2026, 8, 30, 22), isAssigned: true }]);
    expect((await assign(Array.from({ length: 10_001 }, (_, n) => one(n)))).body).toMatchObject({ status: 422, code: 'invalid_body' });
    expect((await call('POST', PATH, { headers: as('admin'), body: { assignments: [], x: 'x'.repeat(5 * 1024 * 1024) } })).status).toBe(413);
  });

  test('are always without a time, and end after they begin', async () => {
    expect((await assign([{ user: 'u', meters: ['a', 'b'] }, { user: 'u', meters: ['c'], assigned: false, from: 5 }])).status).toBe(200);
    expect(accounts.asked).toMatchObject([{ assignments: [{ meterId: 'a', from: null, until: null, isAssigned: true }, { meterId: 'b', from: null, until: null, isAssigned: true }, { meterId: 'c', from: 5, until: null, isAssigned: false }] }]);
    for (const times of [{ from: 5, until: 5 }, { from: '2026-03-01' }, { until: '2026-03-01T00:00:00' }]) expect((await assign([{ user: 'u', meters: ['a'], ...times }])).status, JSON.stringify(times)).toBe(422);
    const put = (meters: unknown) => call('PUT', '/api/v1/users/u-consumer/meters', { headers: as('admin'), body: { meters } });
    expect((await put(['a', { meterId: 'b', from: 5 }, { meterId: 'b', until: 3 }])).status).toBe(200);
    expect(accounts.asked.at(-1)).toMatchObject({ change: { meters: [{ meterId: 'a', from: null, until: null }, { meterId: 'b', from: 5, until: null }, { meterId: 'b', from: null, until: 3 }] } });
    expect((await put([{ meterId: 'b', from: 5, until: 4 }])).body).toMatchObject({ code: 'invalid_body', faults: [{ path: 'meters[0].until' }] });
    // Time alone changes what is theirs now.
    const me = await get('/api/v1/me', 'consumer');
    expect(me.body).toMatchObject({ meters: ['meter:1'], assignments: [{ meterId: 'meter:1', from: null, until: null }] });
  });
});

describe('where a meter is', () => {
  test('is asked once in a while', async () => {
    for (let i = 0; i < 3; i++) expect((await get('/api/v1/meters/meter:1/aggregates', 'operator')).status).toBe(200);
    expect(engine.asked.filter(([name]) => name === 'meterRegion')).toHaveLength(1);
    engine.meterRegion = async () => 'south' as RegionId;
    monotonicMs += 4_999;
    expect((await get('/api/v1/meters/meter:1/aggregates', 'operator')).status).toBe(200);
    monotonicMs += 1;
    expect((await get('/api/v1/meters/meter:1/aggregates', 'operator')).status).toBe(404);
    expect((await get('/api/v1/meters/meter:1/aggregates', 'otherOperator')).status).toBe(200);
  });

  test('that cannot be found out is an answer of the engine', async () => {
    engine.meterRegion = () => Promise.reject(new OperationalError('unavailable', 'its shard is away', { retryable: true }));
    expect((await get('/api/v1/meters/meter:1/aggregates', 'operator')).status).toBe(503);
    alerts.answers.alert = () => {
      throw new OperationalError('alerts_off', 'this engine runs without alerts');
    };
    expect((await get(`/api/v1/alerts/${ALERT.id}`, 'operator')).body.code).toBe('alerts_off');
  });
});

describe('silences', () => {
  const body = (regions: string[]) => ({ match: { regions, severities: ['INFO'] }, endsAt: '2026-01-16T00:00:00Z', comment: 'works' });
  const make = async (token: string, regions: string[]) => (await call('POST', '/api/v1/silences', { headers: as(token), body: body(regions) })).status;

  test('of an operator of some regions name them', async () => {
    expect(await make('operator', ['north'])).toBe(201);
    for (const regions of [[], ['nor*'], ['*']]) expect(await make('operator', regions), String(regions)).toBe(403);
    for (const regions of [['south'], ['north', 'south']]) expect(await make('operator', regions), String(regions)).toBe(404);
    for (const regions of [[], ['nor*'], ['south']]) expect(await make('allOperator', regions), String(regions)).toBe(201);
  });
});

describe('who did it', () => {
  const acknowledge = (token: string, body: object) => call('POST', `/api/v1/alerts/${ALERT.id}/acknowledge`, { headers: as(token), body });
  const commands = () => alerts.asked.filter(({ kind }) => kind !== 'alert');

  test('is who is logged in, whatever was said', async () => {
    for (const body of [{ by: 'Mallory' }, {}]) expect((await acknowledge('operator', body)).status, JSON.stringify(body)).toBe(200);
    // What could be nobody's name is refused, as where nobody is logged in.
    for (const body of [{ by: 7 }, { by: ' ' }]) expect((await acknowledge('operator', body)).status, JSON.stringify(body)).toBe(422);
    expect(commands().map((command) => (command as { by?: string }).by)).toEqual(Array(2).fill('operator@example.org'));
    await call('PUT', '/api/v1/tariffs/flat?by=Mallory', { headers: as('admin'), body: REQUEST_EXAMPLES.putTariff.body });
    expect((await call('PUT', '/api/v1/tariffs/flat?by=', { headers: as('admin'), body: REQUEST_EXAMPLES.putTariff.body })).status).toBe(400);
    await call('PUT', '/api/v1/tariffs/flat', { headers: as('admin'), body: REQUEST_EXAMPLES.putTariff.body });
    expect(tariffs.asked.map((command) => (command as { by?: string }).by)).toEqual(['admin@example.org', 'admin@example.org']);
    expect((await call('POST', '/api/v1/schedules/s-night/overrides', { headers: as('operator'), body: { contactId: 'c-ada', from: '2026-01-15T13:00:00Z', to: '2026-01-16T00:00:00Z' } })).status).toBe(201);
    expect(alerts.asked.at(-1)).toMatchObject({ kind: 'override', override: { by: 'operator@example.org' } });
  });

  test('is cut to what a document may say', async () => {
    const name = `${'a'.repeat(200)}@example.org`;
    accounts.authenticate = () => ({ ...PEOPLE.operator, name });
    expect((await acknowledge('x', {})).status).toBe(200);
    expect(commands()).toMatchObject([{ by: name.slice(0, 128) }]);
  });

  test('stands in the audit log, with what came of it', async () => {
    const noted = () => accounts.audited.map(({ action, status, byName }) => [action, status, byName]);
    await call('POST', `/api/v1/alerts/${ALERT.id}/acknowledge?`, { headers: { ...as('operator'), 'x-request-id': 'mine' }, body: {} });
    expect(accounts.audited).toEqual([{ at: nowMs, by: 'u-operator', byName: 'operator@example.org', action: 'acknowledgeAlert', target: `/api/v1/alerts/${ALERT.id}/acknowledge`, status: 200, requestId: 'mine', address: '127.0.0.1' }]);
    accounts.audited.length = 0;
    await acknowledge('operator', { why: 7 });
    await acknowledge('otherOperator', {});
    await call('POST', '/api/v1/silences?x=1', { headers: as('slow-operator'), body: {} });
    await call('POST', '/api/v1/silences', { headers: as('operator'), body: '{' });
    await call('DELETE', '/api/v1/contacts/c-ada', { headers: as('operator') });
    expect(noted()).toEqual([
      ['acknowledgeAlert', 422, 'operator@example.org'],
      ['acknowledgeAlert', 404, 'otherOperator@example.org'],
      ['createSilence', 400, 'operator@example.org'],
      ['createSilence', 415, 'operator@example.org'],
      ['removeContact', 204, 'operator@example.org'],
    ]);
    accounts.audited.length = 0;
    await get('/api/v1/engine', 'admin');
    await acknowledge('mallory', {});
    expect(accounts.audited).toEqual([]);
    // As much as a line of a log may have.
    await call('DELETE', `/api/v1/contacts/${'x'.repeat(510)}`, { headers: as('operator') });
    expect(accounts.audited[0].target).toBe(`/api/v1/contacts/${'x'.repeat(512 - '/api/v1/contacts/'.length)}`);
  });

  test('stands there as well when they did not wait for the answer', async () => {
    let release = (): void => undefined;
    const controller = new AbortController();
    const held = new Promise<void>((resolve) => (release = resolve));
    const { acknowledge: answer } = alerts.answers;
    alerts.ask = (async (question: { kind: string }) => {
      if (question.kind !== 'acknowledge') return alerts.answers.alert({ kind: 'alert', id: ALERT.id });
      controller.abort();
      await held;
      return answer({ by: 'x', why: null } as never);
    }) as never;
    const sent = fetch(`http://127.0.0.1:${gateway.port}/api/v1/alerts/${ALERT.id}/acknowledge`, { method: 'POST', headers: { ...as('operator'), 'content-type': 'application/json' }, body: '{}', signal: controller.signal });
    const { aborted } = gateway.stats();
    await expect(sent).rejects.toThrow();
    while (gateway.stats().aborted === aborted) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(accounts.audited).toEqual([]);
    release();
    while (accounts.audited.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(accounts.audited).toMatchObject([{ action: 'acknowledgeAlert', status: 200 }]);
  });

  test('is on disk before anything is changed, and is not done where it cannot be', async () => {
    const order: string[] = [];
    const { acknowledge: answer } = alerts.answers;
    alerts.answers.acknowledge = (question) => (order.push('done'), answer(question));
    let begunAs: string | null = null;
    accounts.beginWrite = async (id, write) => {
      begunAs = id;
      await new Promise((resolve) => setTimeout(resolve, 20));
      order.push(`begun ${write.action} by ${write.byName}, key ${write.key === null ? 'none' : 'one'}`);
    };
    accounts.endWrite = ({ id, entry, answer }) => void order.push(`${id === begunAs ? '' : 'another '}ended ${entry.status} ${answer === null ? 'none' : typeof answer === 'string' ? answer : answer.status}`);
    const send = (headers: Record<string, string> = {}) => call('POST', `/api/v1/alerts/${ALERT.id}/acknowledge`, { headers: { ...as('operator'), ...headers }, body: {} });
    expect((await send()).status).toBe(200);
    expect(order.splice(0)).toEqual(['begun acknowledgeAlert by operator@example.org, key none', 'done', 'ended 200 none']);
    expect((await send({ 'idempotency-key': 'once' })).status).toBe(200);
    expect((await send({ 'idempotency-key': 'once' })).headers['idempotency-replayed']).toBe('true');
    expect(order.splice(0)).toEqual(['begun acknowledgeAlert by operator@example.org, key one', 'done', 'ended 200 200']);
    // A secret goes to who asked, and nowhere else.
    expect((await call('POST', '/api/v1/device-keys', { headers: { ...as('admin'), 'idempotency-key': 'key' }, body: { name: 'x', scope: 'all' } })).body.key).toBe('segk_fake');
    expect(order.splice(0)).toEqual(['begun createDeviceKey by admin@example.org, key one', 'ended 201 secret']);
    accounts.beginWrite = (id) => ((begunAs = id), Promise.reject(new OperationalError('unavailable', 'the disk is full', { retryable: true })));
    const refused = await send({ 'idempotency-key': 'later' });
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1']);
    expect(order.splice(0)).toEqual(['ended 503 none']);
    accounts.beginWrite = (id) => ((begunAs = id), Promise.resolve());
    // The key is free.
    expect((await send({ 'idempotency-key': 'later' })).status).toBe(200);
    expect(order.splice(0)).toEqual(['done', 'ended 200 200']);
  });

  test('is said by who sends it in an engine without accounts', async () => {
    accounts = { ...fakeAccounts(), isOn: false, authenticate: () => ({ ...PEOPLE.admin, kind: 'open' }) };
    expect((await call('POST', `/api/v1/alerts/${ALERT.id}/acknowledge`, { body: {} })).status).toBe(422);
    expect((await call('POST', `/api/v1/alerts/${ALERT.id}/acknowledge`, { body: { by: 'Ada' } })).status).toBe(200);
    expect(commands()).toMatchObject([{ by: 'Ada' }]);
    expect(accounts.audited).toEqual([]);
  });
});

test('routes are added with their operations, but for files, the page of a message, the live stream and the other nodes', () => {
  const dir = new URL('../../src/http/', import.meta.url);
  const withoutOperation = readdirSync(dir).filter((name) => name.endsWith('.ts') && /\bfront\.route\(|\bapp\.(get|post|put|patch|del|any)\(/.test(readFileSync(new URL(name, dir), 'utf8')));
  expect(withoutOperation.sort()).toEqual(['docs-page.ts', 'fault-route.ts', 'gateway-routes.ts', 'http-front.ts', 'ingest-server.ts', 'live-events.ts', 'node-routes.ts', 'ops-server.ts', 'static-files.ts', 'unsubscribe-route.ts']);
});
