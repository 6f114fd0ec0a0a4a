import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startGateway, type Gateway, type GatewayModules, type GatewayOptions } from '../../src/http/gateway.ts';
import { systemTimers } from '../../src/runtime/clock.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { apiClient, type ApiCall, type ApiReply } from '../support/api-client.ts';
import { fakeAccounts, type FakeAccounts } from '../support/fake-accounts.ts';
import { fakeAlerts } from '../support/fake-alerts.ts';
import { AT, fakeEngine } from '../support/fake-engine.ts';
import { fakeTariffs, type FakeTariffs } from '../support/fake-tariffs.ts';
import { REQUEST_EXAMPLES } from '../support/request-examples.ts';

const APP = 'https://app.example.org';
let monotonicMs = 0;
let tariffs: FakeTariffs;
let accounts: FakeAccounts = fakeAccounts();
const gateways: Gateway[] = [];

const now = <T extends object>(current: () => T): T => new Proxy({} as T, { get: (_, name) => current()[name as keyof T] });

async function open(options: Partial<GatewayOptions>, modules: Partial<GatewayModules> = {}): Promise<Gateway> {
  const gateway = await startGateway(
    { host: '127.0.0.1', port: 0, queriesInFlightMax: 4, requestIdPrefix: 't', ...options },
    { engine: fakeEngine(), alerts: fakeAlerts(), tariffs: now(() => tariffs), clock: { now: () => AT, monotonic: () => monotonicMs }, timers: systemTimers, log: nullLog, ...modules },
  );
  gateways.push(gateway);
  return gateway;
}

let closed: Gateway;
let guarded: Gateway;
const call = (of: () => Gateway) => apiClient(() => of().port);
const callClosed = call(() => closed);
const callGuarded = call(() => guarded);

beforeAll(async () => {
  closed = await open({ ownHosts: ['grid.example.org', 'node-1:3000'] });
  guarded = await open({ ownHosts: ['grid.example.org'], corsOrigins: [APP], isHttps: true, rateLimits: { perAccount: 100, perAddress: 1 } }, { accounts: now(() => accounts) });
});

beforeEach(() => {
  tariffs = fakeTariffs();
  accounts = fakeAccounts();
  monotonicMs += 60_000;
});

afterAll(() => Promise.all(gateways.map((gateway) => gateway.close(1_000))));

const as = (token: string) => ({ authorization: `Bearer ${token}` });

describe('without accounts', () => {
  test.each(['localhost:3000', '127.0.0.1', '[::1]:3000', '10.1.2.3:80', 'grid.localhost', 'GRID.example.org', 'node-1:3000'])('the engine answers at %s', async (host) => {
    expect((await callClosed('GET', '/api/v1/engine', { headers: { host } })).status).toBe(200);
  });

  test.each(['evil.example', 'evil.example:3000', 'grid.example.org.evil.example', 'grid.example.org:81', '127.0.0.1.evil.example', 'localhost.evil', 'a b', '@'])('and at no other name, as %s', async (host) => {
    for (const path of ['/api/v1/engine', '/docs', '/unsubscribe']) {
      const { status, body } = await callClosed('GET', path, { headers: { host } });
      expect([status, body.code], path).toEqual([421, 'foreign_host']);
    }
    const { status } = await callClosed('POST', '/api/v1/billing-runs', { headers: { host }, body: REQUEST_EXAMPLES.startBillingRun.body });
    expect([status, tariffs.asked]).toEqual([421, []]);
  });

  test('with accounts any name will do, as nobody has a token for it', async () => {
    expect((await callGuarded('GET', '/api/v1/engine', { headers: { host: 'any.example', ...as('admin') } })).status).toBe(200);
  });
});

describe('browsers are told', () => {
  test('what an answer is good for, whatever it is', async () => {
    const replies = [await callGuarded('GET', '/api/v1/engine', { headers: as('admin') }), await callGuarded('GET', '/api/v1/engine'), await callGuarded('GET', '/nothing'), await callGuarded('PUT', '/api/v1/engine'), await callGuarded('OPTIONS', '/api/v1/engine')];
    expect(replies.map(({ status }) => status)).toEqual([200, 401, 404, 405, 204]);
    for (const { headers } of replies) {
      expect(headers).toMatchObject({
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'cross-origin-opener-policy': 'same-origin', 'cross-origin-resource-policy': 'same-origin',
        'strict-transport-security': 'max-age=63072000; includeSubDomains', vary: 'origin',
      });
      expect(headers['permissions-policy']).toContain('camera=()');
    }
    const plain = (await callClosed('GET', '/api/v1/engine')).headers;
    expect([plain['strict-transport-security'], plain.vary]).toEqual([undefined, undefined]);
  });

  test('once each, and pages have a policy of their own', async () => {
    const { headers } = await callGuarded('GET', '/docs');
    expect(headers['content-security-policy']).toContain("script-src 'self'");
    expect(headers['content-security-policy']).not.toContain(', ');
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect((await callGuarded('GET', '/api/v1/engine', { headers: as('admin') })).headers['x-content-type-options']).toBe('nosniff');
    expect((await callGuarded('GET', '/unsubscribe?token=x')).headers['content-security-policy']).toContain("form-action 'self'");
  });

  test('which pages of other sites may read it', async () => {
    const { headers, status } = await callGuarded('GET', '/api/v1/engine', { headers: { origin: APP, ...as('admin') } });
    expect([status, headers['access-control-allow-origin'], headers['access-control-allow-credentials']]).toEqual([200, APP, undefined]);
    expect(headers['access-control-expose-headers']).toContain('etag');
    expect((await callGuarded('GET', '/api/v1/engine', { headers: { origin: APP } })).headers['access-control-allow-origin']).toBe(APP);
    for (const origin of ['https://app.example.org.evil.example', 'http://app.example.org', 'https://app.example.org:444', 'null', '']) {
      expect((await callGuarded('GET', '/api/v1/engine', { headers: { origin, ...as('admin') } })).headers['access-control-allow-origin'], origin).toBeUndefined();
    }
  });

  test('what they may send from there', async () => {
    const ask = (origin: string, headers: Record<string, string> = { 'access-control-request-method': 'POST' }) => callGuarded('OPTIONS', '/api/v1/agreements', { headers: { origin, ...headers } });
    const { status, headers } = await ask(APP);
    expect([status, headers['access-control-allow-methods'], headers['access-control-max-age'], headers['access-control-allow-origin']]).toEqual([204, 'GET, POST, HEAD, OPTIONS', '7200', APP]);
    for (const name of ['authorization', 'content-type', 'if-match', 'idempotency-key']) expect(headers['access-control-allow-headers'].split(', ')).toContain(name);
    expect((await ask('https://evil.example')).headers['access-control-allow-methods']).toBeUndefined();
    expect((await ask(APP, {})).headers['access-control-allow-methods']).toBeUndefined();
    const write = (origin: string) => callGuarded('POST', '/api/v1/agreements', { headers: { origin, ...as('admin') }, body: REQUEST_EXAMPLES.createAgreement.body });
    expect([(await write(APP)).status, (await write('https://evil.example')).body.code]).toEqual([201, 'foreign_origin']);
  });
});

describe('who asks too often', () => {
  const ask = (token: string) => callGuarded('GET', '/api/v1/prices', { headers: as(token) });

  test('is told how often they may, and waits; others do not', async () => {
    const first = await ask('admin');
    expect([first.headers['ratelimit-policy'], first.headers.ratelimit]).toEqual(['"account";q=100;w=60', '"account";r=99;t=1']);
    for (let i = 1; i < 100; i++) expect((await ask('admin')).status).toBe(200);
    const over = await ask('admin');
    expect([over.status, over.body.code, over.headers['retry-after'], over.headers.ratelimit]).toEqual([429, 'rate_limited', '1', '"account";r=0;t=60']);
    expect((await ask('operator')).status).toBe(200);
    monotonicMs += 600;
    expect((await ask('admin')).status).toBe(200);
    const write = await callGuarded('POST', '/api/v1/agreements', { headers: as('admin'), body: REQUEST_EXAMPLES.createAgreement.body });
    expect([write.status, tariffs.asked.filter(({ kind }) => kind === 'makeAgreement')]).toEqual([429, []]);
  });

  test('and has to be looked up, the same', async () => {
    for (let i = 0; i < 100; i++) await ask('slow-consumer');
    expect((await ask('slow-consumer')).status).toBe(429);
  });

  test('without a token costs no account anything, and without accounts nobody is counted', async () => {
    for (let i = 0; i < 120; i++) await callGuarded('GET', '/api/v1/prices');
    expect((await ask('admin')).headers.ratelimit).toBe('"account";r=99;t=1');
    const off = await open({ rateLimits: { perAccount: 1, perAddress: 1 } });
    for (let i = 0; i < 3; i++) expect((await apiClient(() => off.port)('GET', '/api/v1/prices')).status).toBe(200);
  });
});

describe('a write that is sent again', () => {
  const body = REQUEST_EXAMPLES.createAgreement.body;
  const make = (key: string, more: Partial<ApiCall> & { token?: string } = {}): Promise<ApiReply> => callGuarded('POST', '/api/v1/agreements', { body, ...more, headers: { ...as(more.token ?? 'admin'), 'idempotency-key': key, ...more.headers } });
  const made = () => tariffs.asked.filter(({ kind }) => kind === 'makeAgreement').length;

  test('with its key is done once and answered twice', async () => {
    const [first, second] = [await make('"k1"'), await make('"k1"')];
    expect([first.status, second.status, made()]).toEqual([201, 201, 1]);
    expect(second.body).toEqual(first.body);
    expect([second.headers.location, second.headers.etag, second.headers['content-type'], second.headers['idempotency-replayed']]).toEqual([first.headers.location, first.headers.etag, 'application/json', 'true']);
    expect(first.headers['idempotency-replayed']).toBeUndefined();
    // It was done once.
    expect(accounts.audited.map(({ action, status }) => [action, status])).toEqual([['createAgreement', 201]]);
  });

  test('without one, or with another, is done again', async () => {
    await make('"k2"');
    await make('"k3"');
    for (let i = 0; i < 2; i++) await callGuarded('POST', '/api/v1/agreements', { body, headers: as('admin') });
    expect(made()).toBe(4);
  });

  test('that is another one is refused', async () => {
    await make('"k4"');
    expect((await make('"k4"', { body: { ...(body as object), tariffId: 'flat' } })).body.code).toBe('idempotency_key_reused');
    expect((await make('k 5')).body.code).toBe('invalid_idempotency_key');
  });

  test('while it is under way hears that', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const { ask } = tariffs;
    tariffs.ask = (async (question: never) => (await held, ask(question))) as never;
    const first = make('"k6"');
    let second: ApiReply;
    do second = await make('"k6"');
    while (second.body.code !== 'request_under_way');
    expect(second.status).toBe(409);
    release();
    expect([(await first).status, (await make('"k6"')).status, made()]).toEqual([201, 201, 1]);
  });

  test('after a refusal hears it again, after a failure is tried again', async () => {
    tariffs.answers.makeAgreement = () => {
      throw new OperationalError('agreement_overlaps', 'there is one');
    };
    expect([(await make('"k7"')).status, (await make('"k7"')).headers['idempotency-replayed'], made()]).toEqual([409, 'true', 1]);
    for (const [key, error, status] of [['"k8"', new OperationalError('unavailable', 'away', { retryable: true }), 503], ['"k9"', new Error('a bug'), 500]] as const) {
      tariffs.answers.makeAgreement = () => {
        throw error;
      };
      expect((await make(key)).status).toBe(status);
      tariffs.answers.makeAgreement = fakeTariffs().answers.makeAgreement;
      expect((await make(key)).status).toBe(201);
    }
  });

  test('after there was no room for it is tried again', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const { ask } = tariffs;
    let waiting = 0;
    tariffs.ask = (async (question: never) => (waiting++, await held, ask(question))) as never;
    const others = Array.from({ length: 4 }, () => callGuarded('GET', '/api/v1/prices', { headers: as('operator') }));
    while (waiting < 4) await new Promise((resolve) => setImmediate(resolve));
    expect((await make('"k11"')).status).toBe(503);
    release();
    await Promise.all(others);
    expect((await make('"k11"')).status).toBe(201);
  });

  test('that has no body is one as well', async () => {
    const end = () => callGuarded('DELETE', '/api/v1/price-overrides/o1?reason=over', { headers: { ...as('admin'), 'idempotency-key': '"k10"' } });
    expect([(await end()).status, (await end()).headers['idempotency-replayed'], tariffs.asked.length]).toEqual([200, 'true', 1]);
  });
});
