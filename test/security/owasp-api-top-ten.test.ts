import { createHmac, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PasswordHashing } from '../../src/actors/accounts/password-hashing.ts';
import { webhookChannel } from '../../src/actors/notifications/channels/webhook.ts';
import { EngineAccounts } from '../../src/engine/engine-accounts.ts';
import { startGateway, type Gateway } from '../../src/http/gateway.ts';
import { openPath } from '../../src/http/openapi/openapi-document.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { held, PASSWORD, PEER, regions, ROOT } from '../support/accounts-world.ts';
import { apiClient, type ApiReply } from '../support/api-client.ts';
import { exampleAlert } from '../support/example-alerts.ts';
import { ALERT, fakeAlerts, SILENCE } from '../support/fake-alerts.ts';
import { AT, fakeEngine, METER } from '../support/fake-engine.ts';
import { fakeRegistry } from '../support/fake-registry.ts';
import { fakeTariffs } from '../support/fake-tariffs.ts';
import { outgoingMessage } from '../support/outgoing-message.ts';
import { exampleTarget, REQUEST_EXAMPLES } from '../support/request-examples.ts';
import { WEBHOOK_SECRET, WebhookServer } from '../support/webhook-server.ts';

/** The OWASP API Security Top 10 (2023) by name, over HTTP against the gateway with real accounts and real tokens; behind it are fakes that know what they were asked. */

const APP = 'https://app.example.org';
const PER_ACCOUNT = 100_000;

let accounts: EngineAccounts;
let gateway: Gateway;
let operations: { method: string; path: string; id: string; access: 'public' | 'signed-in' | { roles: string[]; scope: string } }[];
const engine = fakeEngine();
const alerts = fakeAlerts();
const tariffs = fakeTariffs();
const tokens: Record<'owner' | 'stranger' | 'operator' | 'otherOperator' | 'admin', string> = {} as never;
const call = apiClient(() => gateway.port);
type Person = keyof typeof tokens;
const as = (who: Person) => ({ authorization: `Bearer ${tokens[who]}` });
const ask = (who: Person, method: string, path: string, body?: unknown) => call(method, path, { headers: as(who), body });
const commands = () => [...alerts.asked, ...tariffs.asked].filter(({ kind }) => /^(make|change|put|end|acknowledge|resolve|remove|start|pay$|dispute$)/.test(kind)).length;

async function addUser(email: string, given: object): Promise<string> {
  const { oneTimePassword } = await accounts.ask({ kind: 'makeUser', user: { email, name: email, role: 'consumer', meters: [], regions: [], ...given }, by: ROOT });
  return (await accounts.ask({ kind: 'changePassword', email, password: oneTimePassword, newPassword: PASSWORD, peer: PEER })).accessToken;
}

beforeAll(async () => {
  const options = { issuer: 'urn:seg:test', codeKey: new Uint8Array(32), registration: false, keyLifeMs: 86_400_000, passwordLogIn: 'all' } as const;
  const settings = { accounts: 'on', registration: false, mail: false, passwords: true, oidc: null } as const;
  accounts = new EngineAccounts(new MemoryStore(), options, { settings, cookie: { isSecure: false } }, { clock: systemClock, timers: systemTimers, log: nullLog, mails: null, foreign: null, onFirstAdmin: () => {}, hashing: new PasswordHashing({ logN: 1, r: 1, p: 1 }) });
  await accounts.start();
  tokens.owner = await addUser('owner@example.org', { meters: held(METER.meterId) });
  tokens.stranger = await addUser('stranger@example.org', { meters: held('meter:9') });
  tokens.operator = await addUser('operator@example.org', { role: 'operator', regions: regions('north') });
  tokens.otherOperator = await addUser('other@example.org', { role: 'operator', regions: regions('south') });
  tokens.admin = await addUser('root@example.org', { role: 'admin', regions: 'all' });
  const own = exampleAlert({ id: ALERT.id, meterId: METER.meterId, openedAt: AT, version: 7 });
  alerts.answers.alert = ({ id }) => (id === ALERT.id ? { alert: own, history: [] } : null);
  alerts.answers.silence = ({ id }) => (id === 'nothing' ? null : id === 'm1' ? { ...SILENCE, id, kind: 'maintenance' } : SILENCE);
  tariffs.answers.overrides = () => ({ data: [{ id: 'o1', region: 'north', price: '0.40', from: AT, until: AT + 1, by: 'Ada', reason: 'works', endedAt: null, endedBy: null, endReason: null }], nextCursor: null });
  for (const kind of ['agreement', 'invoice'] as const) {
    const answer = tariffs.answers[kind] as (question: { id: string }) => unknown;
    (tariffs.answers as Record<string, unknown>)[kind] = (question: { id: string }): unknown => {
      if (question.id === 'nothing') throw new OperationalError(`unknown_${kind}`, 'there is none');
      return answer(question);
    };
  }
  gateway = await startGateway(
    { host: '127.0.0.1', port: 0, queriesInFlightMax: 4, requestIdPrefix: 't', corsOrigins: [APP], isHttps: true, rateLimits: { perAccount: PER_ACCOUNT, perAddress: PER_ACCOUNT } },
    { engine, alerts, tariffs, registry: fakeRegistry(), accounts, clock: { now: () => AT + 1_000, monotonic: () => systemClock.monotonic() }, timers: systemTimers, log: nullLog },
  );
  const { body } = await call('GET', '/api/v1/openapi.json');
  operations = Object.entries<Record<string, any>>(body.paths).flatMap(([path, item]) => Object.entries(item).map(([method, operation]) => ({ method: method.toUpperCase(), path, id: operation.operationId, access: operation['x-access'] })));
});

afterAll(() => gateway.close(1_000));

/** Of a refusal: what tells one from another, without what differs by request. */
function without({ status, body }: ApiReply, name: string): string {
  const { requestId: _requestId, ...problem } = body;
  return `${status} ${JSON.stringify(problem)}`.replaceAll(encodeURIComponent(name), 'nothing').replaceAll(name, 'nothing');
}

describe('API1 broken object level authorization', () => {
  test('meters, bills, disputes, agreements and alerts of others are answered as what is not there', async () => {
    const before = commands();
    const compared: string[] = [];
    for (const { method, path, id, access } of operations) {
      const example = REQUEST_EXAMPLES[id];
      if (typeof access === 'string' || !['meter', 'meter-times', 'region', 'thing'].includes(access.scope) || example?.path === undefined) continue;
      for (const who of ['stranger', 'otherOperator'] as const) {
        if (!access.roles.includes(who === 'stranger' ? 'consumer' : 'operator')) continue;
        const [theirs, missing] = [await ask(who, method, exampleTarget(path, example), example.body), await ask(who, method, exampleTarget(path, { ...example, path: ['nothing', ...example.path.slice(1)] }), example.body)];
        expect(without(theirs, example.path[0]), `${who} ${id}`).toBe(without(missing, example.path[0]));
        expect(theirs.status).toBe(404);
        compared.push(id);
      }
    }
    expect(compared).toEqual(expect.arrayContaining(['getMeter', 'listMeterWindows', 'getInvoice', 'getInvoicePdf', 'getInvoiceCsv', 'createDispute', 'getAgreement', 'getAlert', 'acknowledgeAlert', 'getRegisteredMeter']));
    expect(commands()).toBe(before);
  });

  test('their owner sees them, by the same addresses', async () => {
    for (const id of ['getMeter', 'getInvoice', 'getAgreement', 'getAlert', 'getRegisteredMeter']) {
      const { method, path } = operations.find((operation) => operation.id === id)!;
      expect((await ask('owner', method, exampleTarget(path, REQUEST_EXAMPLES[id]))).status, id).toBe(200);
    }
  });

  test('another spelling of a name is no way around it', async () => {
    for (const name of ['meter:1', 'meter%3A1', 'meter%3a1', '%6deter:1', 'METER:1', 'meter:1/', './meter:1', 'meter:9/../meter:1', 'meter:1%00', '%2e%2e/meters/meter:1', 'meter:1;x', 'meter:1?meterId=meter:9', 'meter:1#']) {
      const { status } = await ask('stranger', 'GET', `/api/v1/meters/${name}`);
      expect([400, 404], `${name} ${status}`).toContain(status);
    }
    for (const query of ['meterId=meter:1', 'meterId=meter:9&meterId=meter:1', 'meterId=meter:1&meterId=meter:9', 'meterId[]=meter:1', 'meterid=meter:1', 'meterId=meter:9,meter:1', 'meterId=*', 'meterId=']) {
      const { status } = await ask('stranger', 'GET', `/api/v1/invoices?${query}`);
      expect([400, 403, 404], `${query} ${status}`).toContain(status);
    }
  });
});

describe('API2 broken authentication', () => {
  const part = (value: object | string): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

  test('broken tokens of every kind get 401 and nothing else', async () => {
    const [head, claims, signature] = tokens.admin.split('.');
    const { kid } = JSON.parse(Buffer.from(head, 'base64url').toString()) as { kid: string };
    const payload = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, unknown>;
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const jwk = publicKey.export({ format: 'jwk' });
    const signed = (of: Record<string, unknown>, header: object) => new SignJWT(of).setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', ...header }).sign(privateKey);
    const mac = (header: object, key: string) => {
      const text = `${part(header)}.${claims}`;
      return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
    };
    const broken: Record<string, string> = {
      'nothing': '', 'no token': 'x', 'two dots': '..', 'a head alone': head, 'without its signature': `${head}.${claims}.`, 'without the dot': `${head}.${claims}`, 'with a part more': `${tokens.admin}.x`,
      'alg none': `${part({ alg: 'none', typ: 'at+jwt' })}.${claims}.`, 'alg None': `${part({ alg: 'None', typ: 'at+jwt', kid })}.${claims}.`, 'alg none with a signature': `${part({ alg: 'none', typ: 'at+jwt', kid })}.${claims}.${signature}`,
      'HS256 with the public key': mac({ alg: 'HS256', typ: 'at+jwt', kid }, JSON.stringify(jwk)), 'HS256 with nothing': mac({ alg: 'HS256', typ: 'at+jwt', kid }, ''),
      'other claims': `${head}.${part({ ...payload, sub: 'usr_other' })}.${signature}`, 'a later end': `${head}.${part({ ...payload, exp: 9_999_999_999 })}.${signature}`, 'a bit of the signature': `${head}.${claims}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`,
      'another key': await signed(payload, { kid }), 'a key of its own in the head': await signed(payload, { jwk }), 'a key from elsewhere': await signed(payload, { kid, jku: 'http://127.0.0.1:1/keys' }), 'a kid that is a path': await signed(payload, { kid: '../../dev/null' }),
      'a kid of JavaScript': await signed(payload, { kid: '__proto__' }), 'something critical': await signed(payload, { kid, crit: ['exp'] , exp: 1 } as never).catch(() => 'x.y.z'), 'an id token': await signed(payload, { kid, typ: 'JWT' }),
      'claims that are no JSON': `${head}.${part('{')}.${signature}`, 'a head that is no JSON': `${part('{')}.${claims}.${signature}`, 'a device key': `segk_${'A'.repeat(43)}`, 'a refresh token': `segr_${'A'.repeat(86)}`, 'a very long one': 'a'.repeat(7_000),
    };
    const before = [engine.asked.length, alerts.asked.length, tariffs.asked.length];
    for (const [kind, token] of Object.entries(broken)) {
      for (const [method, path] of [['GET', '/api/v1/engine'], ['POST', '/api/v1/billing-runs']] as const) {
        const { status, headers, body } = await call(method, path, { headers: { authorization: `Bearer ${token}` }, body: method === 'POST' ? REQUEST_EXAMPLES.startBillingRun.body : undefined });
        expect([401, 431], kind).toContain(status);
        if (status === 401) expect([headers['www-authenticate'], body.code], kind).toEqual([expect.stringMatching(/^Bearer realm="seg"/), expect.stringMatching(/token$|^not_signed_in$/)]);
      }
    }
    expect([engine.asked.length, alerts.asked.length, tariffs.asked.length]).toEqual(before);
    expect((await ask('admin', 'GET', '/api/v1/engine')).status).toBe(200);
  });

  test('a token does not outlive its log-in, and says nothing of a role', async () => {
    const email = 'leaver@example.org';
    const token = await addUser(email, { role: 'operator', regions: regions('north') });
    const get = () => call('GET', '/api/v1/contacts', { headers: { authorization: `Bearer ${token}` } });
    expect((await get()).status).toBe(200);
    const { data } = await accounts.ask({ kind: 'users', query: { role: null, emailPrefix: email, meterId: null, limit: 1, cursor: null } });
    const [{ id }] = data;
    await accounts.ask({ kind: 'changeUser', id, version: null, change: { role: 'consumer' }, by: ROOT });
    expect((await get()).status).toBe(403);
    await accounts.ask({ kind: 'changeUser', id, version: null, change: { isDisabled: true }, by: ROOT });
    expect((await get()).status).toBe(401);
    expect(Buffer.from(token.split('.')[1], 'base64url').toString()).not.toMatch(/operator|north|@/);
  });
});

describe('API3 broken object property level authorization', () => {
  test('a field that an operation does not name is refused, wherever it stands', async () => {
    const before = commands();
    const wrong: string[] = [];
    for (const { method, path, id } of operations) {
      const example = REQUEST_EXAMPLES[id];
      // Whose answer is what is wrong with the body.
      if (example?.body === undefined || ['checkAlertRules', 'checkTariff', 'putTariff', 'dryRunAlertRules'].includes(id)) continue;
      for (const extra of [{ role: 'admin' }, { id: 'x' }, { version: 1 }, { isAdmin: true }, { state: 'paid' }]) {
        if (Object.hasOwn(example.body as object, Object.keys(extra)[0])) continue;
        // An admin may.
        if (id === 'changeUser' && 'role' in extra) continue;
        const { status } = await ask('admin', method, exampleTarget(path, example), { ...(example.body as object), ...extra });
        if (status !== 422) wrong.push(`${id} ${JSON.stringify(extra)} ${status}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(commands()).toBe(before);
  });

  test('who did something is who was signed in, whatever the body says', async () => {
    expect((await ask('operator', 'POST', `/api/v1/alerts/${ALERT.id}/acknowledge`, { by: 'somebody else' })).status).toBe(200);
    expect(JSON.stringify(alerts.asked.at(-1))).toContain('operator@example.org');
    expect(JSON.stringify(alerts.asked.at(-1))).not.toContain('somebody else');
  });

  test('secrets that were given are not given back', async () => {
    const { body } = await ask('admin', 'GET', '/api/v1/contacts');
    expect(JSON.stringify(body)).not.toMatch(/"secret"|whsec_/);
  });
});

describe('API4 unrestricted resource consumption', () => {
  test('pages, bodies, nesting and questions at once have bounds', async () => {
    for (const path of ['/api/v1/meters?limit=100000000', '/api/v1/meters/meter:1/aggregates?limit=1e9', '/api/v1/invoices?meterId=meter:1&limit=-1']) expect((await ask('owner', 'GET', path.replace('/meters?', '/invoices?meterId=meter:1&'))).status, path).toBe(400);
    const post = (body: string) => call('POST', '/api/v1/agreements', { headers: { ...as('admin'), 'content-type': 'application/json' }, body });
    expect((await post(`{"x":"${'x'.repeat(300_000)}"}`)).status).toBe(413);
    expect((await post(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)).status).toBe(422);
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const { ask: answer } = tariffs;
    tariffs.ask = (async (question: never) => (await held, answer(question))) as never;
    const all = Array.from({ length: 12 }, () => ask('admin', 'GET', '/api/v1/prices'));
    const refused = await Promise.race(all);
    expect([refused.status, Number(refused.headers['retry-after']) > 0]).toEqual([503, true]);
    release();
    tariffs.ask = answer;
    const statuses = (await Promise.all(all)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(4);
  });

  test('whoever asks is told how often they may', async () => {
    expect((await ask('owner', 'GET', '/api/v1/prices')).headers['ratelimit-policy']).toBe(`"account";q=${PER_ACCOUNT};w=60`);
  });
});

describe('API5 broken function level authorization', () => {
  test('nothing that takes another role is done for a consumer, an operator or nobody, by whatever method', async () => {
    const before = commands();
    let refused = 0;
    for (const { method, path, id, access } of operations) {
      if (typeof access === 'string') continue;
      const example = REQUEST_EXAMPLES[id] ?? {};
      for (const [who, role] of [['owner', 'consumer'], ['operator', 'operator']] as const) {
        if (access.roles.includes(role)) continue;
        const { status, body } = await ask(who, method, exampleTarget(path, { ...example, path: example.path ?? [] }), example.body);
        expect([status, body.code], `${who} ${id}`).toEqual([403, 'role_required']);
        refused++;
      }
      expect((await call(method, exampleTarget(path, { ...example, path: example.path ?? [] }), { body: example.body })).status, id).toBe(401);
    }
    expect(refused).toBeGreaterThan(30);
    const disguised = await call('POST', '/api/v1/agreements', { headers: { ...as('owner'), 'x-http-method-override': 'GET', 'x-original-url': '/api/v1/prices', 'x-rewrite-url': '/api/v1/prices', 'x-forwarded-user': 'admin' }, body: REQUEST_EXAMPLES.createAgreement.body });
    expect(disguised.status).toBe(403);
    expect(commands()).toBe(before);
  });
});

describe('API6 unrestricted access to sensitive business flows', () => {
  test('a payment that is sent twice with its key is made once', async () => {
    const pay = () => call('POST', '/api/v1/invoices/i%2F1/payments', { headers: { ...as('admin'), 'idempotency-key': '"once"' }, body: REQUEST_EXAMPLES.createPayment.body });
    const before = commands();
    const [first, second] = [await pay(), await pay()];
    expect([first.status, second.status, second.headers['idempotency-replayed'], commands() - before]).toEqual([200, 200, 'true', 1]);
    const stolen = await call('POST', '/api/v1/invoices/i%2F1/payments', { headers: { ...as('owner'), 'idempotency-key': '"once"' }, body: REQUEST_EXAMPLES.createPayment.body });
    expect(stolen.status).toBe(403);
  });

  test('guesses at a password are held up, and tell no account from none', async () => {
    await addUser('guessed@example.org', {});
    const guess = (email: string) => accounts.ask({ kind: 'logIn', email, password: 'not this one at all', peer: { ...PEER, address: '198.51.100.9' } }).then(() => 'in', (error: OperationalError) => error.code);
    const codes: Record<string, string[]> = {};
    for (const email of ['guessed@example.org', 'nobody@example.org']) {
      codes[email] = [];
      for (let i = 0; i < 20; i++) codes[email].push(await guess(email));
    }
    expect(codes['guessed@example.org']).toEqual(codes['nobody@example.org']);
    expect(new Set(codes['guessed@example.org']).size).toBe(2);
    expect(codes['guessed@example.org']).not.toContain('in');
  });
});

describe('API7 server side request forgery', () => {
  test('a webhook goes to https, to no other scheme, with no password and no fragment', async () => {
    const before = commands();
    const secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
    for (const url of ['http://169.254.169.254/latest/meta-data', 'http://10.0.0.1/', 'http://[fd00::1]/', 'http://0.0.0.0/', 'http://2130706433.evil.example/', 'http://127.0.0.1.evil.example/', 'http://localhost.evil.example/', 'file:///etc/passwd', 'gopher://127.0.0.1:6379/_FLUSHALL', 'ftp://127.0.0.1/', 'data:text/plain,x', 'javascript:alert(1)', 'https://user:password@example.org/', 'https://example.org/#x', 'https://', '//example.org/', '/nodes', 'https://exa mple.org/']) {
      const { status, body } = await ask('admin', 'POST', '/api/v1/contacts', { name: 'Eve', addresses: { webhook: { url, secret } } });
      expect([status, JSON.stringify(body.faults)], url).toEqual([422, expect.stringContaining('webhook')]);
    }
    expect(commands()).toBe(before);
    expect((await ask('admin', 'POST', '/api/v1/contacts', { name: 'Eve', addresses: { webhook: { url: 'https://hooks.example.org/a', secret } } })).status).toBe(201);
    expect((await ask('owner', 'POST', '/api/v1/contacts', { name: 'Eve' })).status).toBe(403);
  });

  test.each([301, 302, 303, 307, 308])('and where it is sent on to (%i), nobody goes', async (status) => {
    const [inside, outside] = [await WebhookServer.start(), await WebhookServer.start()];
    const channel = webhookChannel({}, { clock: systemClock, timers: systemTimers });
    try {
      outside.fail({ kind: 'reply', status, headers: { location: `${inside.url}/metadata` } });
      expect(await channel.send(outgoingMessage({ addresses: { webhook: { url: outside.url, secret: WEBHOOK_SECRET } } }))).toMatchObject({ kind: 'rejected', code: 'redirect' });
      expect([outside.requests.length, inside.requests.length]).toEqual([1, 0]);
    } finally {
      await channel.close();
      await Promise.all([inside.close(), outside.close()]);
    }
  });
});

describe('API8 security misconfiguration', () => {
  test('every answer has its headers, and an error nothing of the program', async () => {
    const was = engine.meter;
    engine.meter = () => Promise.reject(new Error('secret words of /src/engine/engine.ts'));
    const replies = [await ask('admin', 'GET', '/api/v1/meters/meter:1'), await call('GET', '/nothing'), await call('GET', '/api/v1/engine'), await ask('admin', 'GET', '/api/v1/engine'), await ask('admin', 'TRACE', '/api/v1/engine'), await ask('admin', 'DELETE', '/api/v1/engine'), await call('GET', '/.env'), await call('GET', '/.git/config')];
    engine.meter = was;
    expect(replies.map(({ status }) => status)).toEqual([500, 404, 401, 200, 405, 405, 404, 404]);
    for (const { headers, body } of replies) {
      expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'strict-transport-security': expect.stringMatching(/^max-age=\d{8}/), 'content-security-policy': expect.stringContaining("frame-ancestors 'none'") });
      expect(JSON.stringify(body)).not.toMatch(/secret words|\.ts|\\n\s+at |node:/);
      expect(headers['x-powered-by']).toBeUndefined();
    }
  });

  test('pages of other sites read nothing and write nothing', async () => {
    for (const origin of ['https://evil.example', 'null', `${APP}.evil.example`]) {
      const { headers } = await call('GET', '/api/v1/engine', { headers: { ...as('admin'), origin } });
      expect(headers['access-control-allow-origin'], origin).toBeUndefined();
      expect((await call('POST', '/api/v1/agreements', { headers: { ...as('admin'), origin }, body: REQUEST_EXAMPLES.createAgreement.body })).status, origin).toBe(403);
    }
  });
});

describe('API9 improper inventory management', () => {
  test('what is served is in the document, and there is no older or hidden version of it', async () => {
    const written = operations.map(({ method, path }) => `${method} ${path}`).sort();
    expect(gateway.operations.map(({ method, path }) => `${method} ${openPath(path)}`).sort()).toEqual(written);
    for (const path of ['/api/v0/meters', '/api/v2/meters', '/api/meters', '/meters', '/api/v1/debug', '/api/v1/internal', '/admin', '/actuator', '/swagger.json', '/openapi.json', '/graphql', '/metrics', '/nodes']) expect((await ask('admin', 'GET', path)).status, path).toBe(404);
  });
});

describe('API10 unsafe consumption of APIs', () => {
  test('what a provider answers is bounded, has no end line or markup of its own in a receipt, and is not believed', async () => {
    const answers: [status: number, body: string | Buffer][] = [[400, '<script>alert(1)</script>\r\nSet-Cookie: x=1\u202e\0'], [500, 'x'.repeat(3_000_000)], [422, '{"__proto__":{"isAdmin":true}}'], [400, Buffer.from([0xff, 0xfe, 0xc0, 0xaf])]];
    for (const [status, body] of answers) {
      const server = createServer((request, response) => void request.resume().on('end', () => response.writeHead(status, { 'retry-after': '-1e99', date: 'yesterday', 'content-type': 'text/html' }).end(body)));
      await once(server.listen(0, '127.0.0.1'), 'listening');
      const channel = webhookChannel({}, { clock: systemClock, timers: systemTimers });
      try {
        const outcome = await channel.send(outgoingMessage({ addresses: { webhook: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, secret: WEBHOOK_SECRET } } }));
        expect(outcome.kind).not.toBe('accepted');
        const text = JSON.stringify(outcome);
        expect(text.length).toBeLessThan(2_000);
        expect(text).not.toMatch(/\\r|\\n|\\u0000|\u202e/);
        expect((outcome as { retryAfterMs?: number | null }).retryAfterMs ?? 0).toBeGreaterThanOrEqual(0);
        expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined();
      } finally {
        await channel.close();
        server.closeAllConnections();
        server.close();
      }
    }
  });
});
