import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startAccountsUnderFuzz, type AccountsUnderFuzz } from '../fuzz/accounts-fuzz.ts';
import { CANARY_METER } from '../support/canary-household.ts';
import { exampleTarget, type RequestExample } from '../support/request-examples.ts';
import { bearer, SignedInEngine } from '../support/signed-in-engine.ts';

/** Of the OWASP API Security Top 10 what takes a real engine with accounts to see: things of others by their real ids, what became of them, limits as they are met. The rest is in owasp-api-top-ten.test.ts, over fakes. */

const START_TIMEOUT_MS = 180_000;

interface Documented {
  id: string;
  method: string;
  path: string;
  access: 'public' | 'signed-in' | { roles: string[]; scope: string };
}

let grid: AccountsUnderFuzz;
let foreign: Readonly<Record<string, RequestExample>>;
let operations: Documented[];

const call = (...of: Parameters<SignedInEngine['call']>) => grid.people.call(...of);
const tokenOf = (name: string): string => grid.callers.find((caller) => caller.name === name)!.token!;
const asAdmin = async (path: string): Promise<any> => (await call('GET', path, { token: grid.people.admin.token })).body;
/** All that is somebody else's, as it is now. */
const theirs = async (): Promise<string> => {
  const paths = [`/api/v1/agreements?meterId=${CANARY_METER}`, `/api/v1/invoices/export?meterId=${CANARY_METER}`, exampleTarget('/api/v1/invoices/{id}/payments', foreign.listPayments), exampleTarget('/api/v1/invoices/{id}/disputes', foreign.listInvoiceDisputes), exampleTarget('/api/v1/alerts/{id}', foreign.getAlert), exampleTarget('/api/v1/users/{id}', foreign.getUser), '/api/v1/price-overrides', '/api/v1/silences', '/api/v1/maintenance-windows'];
  const documents = await Promise.all(paths.map(asAdmin));
  const keys = (await asAdmin('/api/v1/device-keys')).data.map(({ id, revokedAt }: { id: string; revokedAt: string | null }) => ({ id, revokedAt }));
  return JSON.stringify([documents, keys]);
};

beforeAll(async () => {
  grid = await startAccountsUnderFuzz();
  foreign = grid.callers.find(({ name }) => name === 'consumer')!.foreign!;
  const document = (await call('GET', '/api/v1/openapi.json')).body;
  operations = Object.entries<Record<string, any>>(document.paths).flatMap(([path, item]) => Object.entries(item).map(([method, operation]) => ({ id: operation.operationId, method: method.toUpperCase(), path, access: operation['x-access'] })));
}, START_TIMEOUT_MS);
afterAll(() => grid?.people.engine.dispose());

describe('API1 broken object level authorization', () => {
  test('what is somebody else\'s is by its id what is not there, and stays as it was', async () => {
    const before = await theirs();
    let asked = 0;
    for (const { id, method, path, access } of operations) {
      const example = foreign[id];
      if (example === undefined || access === 'public') continue;
      const missing = example.path === undefined ? null : { ...example, path: ['nothing', ...example.path.slice(1)] };
      for (const who of ['consumer', 'operator']) {
        const ask = (of: RequestExample) => call(method, exampleTarget(path, of), { token: tokenOf(who), body: of.body });
        const { status, body } = await ask(example);
        expect([403, 404], `${who} ${id} ${status} ${JSON.stringify(body)}`).toContain(status);
        asked++;
        if (missing === null || status === 403) continue;
        const other = await ask(missing);
        const words = (of: any, name: string): string => JSON.stringify({ ...of, requestId: '' }).replaceAll(encodeURIComponent(name), 'nothing').replaceAll(name, 'nothing');
        expect([other.status, words(other.body, 'nothing')], `${who} ${id}`).toEqual([status, words(body, example.path![0])]);
      }
    }
    expect(asked).toBeGreaterThan(80);
    expect(await theirs()).toBe(before);
  });

  test('nobody ends another\'s log-in, not even an admin in the way one ends one\'s own', async () => {
    const [sessionId] = foreign.endSession.path!;
    for (const who of ['consumer', 'operator', 'admin']) expect((await call('DELETE', `/api/v1/auth/sessions/${sessionId}`, { token: tokenOf(who) })).status, who).toBe(404);
    const kestrel = await grid.people.logIn('kestrel@example.org');
    const { data } = (await call('GET', '/api/v1/auth/sessions', { token: kestrel.token })).body;
    expect(data.map(({ id }: { id: string }) => id)).toContain(sessionId);
    // Of one's own log-ins each may be ended by any, and then it is over at once.
    expect((await call('DELETE', `/api/v1/auth/sessions/${sessionId}`, { token: kestrel.token })).status).toBe(204);
    expect((await call('POST', '/api/v1/auth/refresh', { body: { refreshToken: 'segr_x' } })).status).toBe(401);
  });

  test('a list is of who asks, whatever it is asked for', async () => {
    for (const who of ['consumer', 'operator']) {
      for (const path of ['/api/v1/me/meters', '/api/v1/regions', '/api/v1/meters', '/api/v1/prices', '/api/v1/auth/sessions', '/api/v1/price-overrides', '/api/v1/alerts', '/api/v1/alerts?meterId=meter:1', '/api/v1/invoices?meterId=meter:1', `/api/v1/invoices?meterId=meter:1&agreement=${foreign.getAgreement.path![0]}`, '/api/v1/anomalies?region=elsewhere', '/api/v1/deliveries?limit=1000']) {
        const { body } = await call('GET', path, { token: tokenOf(who) });
        expect(JSON.stringify(body).toLowerCase(), `${who} ${path}`).not.toMatch(/kestrel|77\.431|"elsewhere-\d"/);
      }
    }
  });
});

describe('API3 broken object property level authorization', () => {
  test('nobody gives themselves a role, a region, a meter or a name of another', async () => {
    const fields = { role: 'admin', regions: 'all', meters: [CANARY_METER], id: 'usr_root', email: 'admin@localhost', disabled: false, version: 99, issuer: 'x', createdAt: '2000-01-01T00:00:00.000Z', lastLoginAt: null, passwordHash: 'x', hash: 'x', isAdmin: true, external: {} };
    for (const who of ['consumer', 'operator']) {
      const before = (await call('GET', '/api/v1/me', { token: tokenOf(who) })).body;
      for (const [name, value] of Object.entries(fields)) {
        expect((await call('PATCH', '/api/v1/me', { token: tokenOf(who), body: { name: before.name, [name]: value } })).status, `${who} ${name}`).toBe(422);
        expect((await call('PATCH', '/api/v1/me', { token: tokenOf(who), body: { preferences: { [name]: value } } })).status, `${who} preferences.${name}`).toBe(422);
        expect((await call('POST', '/api/v1/auth/login', { body: { email: 'consumer@example.org', password: 'three green kettles', [name]: value, ...(name === 'email' ? { name: 'x' } : {}) } })).status, name).toBe(422);
        expect((await call('POST', '/api/v1/auth/register', { body: { email: 'new@example.org', name: 'New', ...(name === 'email' ? { role: 'admin' } : { [name]: value }) } })).status, name).toBe(422);
      }
      expect((await call('GET', '/api/v1/me', { token: tokenOf(who) })).body).toEqual(before);
    }
    // What is the engine's to say an admin does not say either.
    for (const name of ['id', 'version', 'issuer', 'createdAt', 'lastLoginAt', 'passwordHash', 'external']) {
      expect((await call('PATCH', exampleTarget('/api/v1/users/{id}', grid.examples.getUser), { token: tokenOf('admin'), body: { [name]: 'x' } })).status, name).toBe(422);
    }
  });

  test('nobody is somebody else in what they did', async () => {
    const made = await call('POST', '/api/v1/silences', { token: tokenOf('operator'), body: { match: { regions: ['north'] }, endsAt: new Date(Date.now() + 3_600_000).toISOString(), by: 'admin@localhost', comment: 'works' } });
    expect([made.status, made.body.createdBy]).toEqual([201, 'operator@example.org']);
  });

  test('what is secret is in no answer', async () => {
    const paths = ['/api/v1/users', '/api/v1/device-keys', '/api/v1/auth/sessions', '/api/v1/contacts', '/api/v1/operations', '/api/v1/engine', '/api/v1/audit-log?limit=1000', '/.well-known/jwks.json', '/api/v1/auth/settings'];
    for (const path of paths) expect(JSON.stringify(await asAdmin(path)), path).not.toMatch(/segk_|segr_|scrypt|whsec_|"d":|passwordHash|three green kettles/);
  });
});

describe('API4 unrestricted resource consumption', () => {
  test('past its limit an account is refused until there is room, and others are not', async () => {
    const people = await SignedInEngine.start({ RATE_LIMIT_ACCOUNT: '60' });
    try {
      const ada = await people.addUser('ada@example.org', { role: 'consumer', meters: [] });
      const bob = await people.addUser('bob@example.org', { role: 'consumer', meters: [] });
      const second = await people.logIn('ada@example.org');
      const replies = await Promise.all(Array.from({ length: 90 }, () => people.call('GET', '/api/v1/me', { token: ada.token })));
      const refused = replies.filter(({ status }) => status === 429);
      expect(replies.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(55);
      expect(refused.length).toBeGreaterThanOrEqual(20);
      for (const { headers, body } of refused) expect([body.code, Number(headers['retry-after']) > 0, headers['ratelimit-policy']]).toEqual([expect.any(String), true, '"account";q=60;w=60']);
      // Another token of the same account is no way around it.
      expect((await people.call('GET', '/api/v1/me', { token: second.token })).status).toBe(429);
      expect((await people.call('GET', '/api/v1/me', { token: bob.token })).status).toBe(200);
    } finally {
      await people.engine.dispose();
    }
  }, 60_000);

  test('pages, times and bodies have bounds, also for an admin', async () => {
    const token = tokenOf('admin');
    for (const path of ['/api/v1/meters?limit=100000000', '/api/v1/audit-log?limit=1e9', '/api/v1/meters/meter:1/aggregates?limit=99999999', '/api/v1/invoices/export?limit=1000000', '/api/v1/meters/meter:1/statistics?from=1970-01-01T00:00:00Z&to=9999-01-01T00:00:00Z', '/api/v1/regions/north/top-consumers?from=1970-01-01T00:00:00Z']) {
      expect([400, 422], path).toContain((await call('GET', path, { token })).status);
    }
    expect((await call('POST', '/api/v1/contacts', { headers: { ...bearer(token), 'content-type': 'application/json' }, body: `{"name":"${'x'.repeat(300_000)}"}` })).status).toBe(413);
    // By bytes or by number.
    expect([413, 422]).toContain((await call('POST', '/api/v1/meter-assignments', { token, body: { assignments: Array.from({ length: 20_000 }, () => ({ user: 'x', meters: ['m'] })) } })).status);
  });
});

describe('API9 improper inventory management', () => {
  test('what is not in the document is not there, whoever asks, and no other method of what is', async () => {
    const hidden = ['/api/v0/meters', '/api/v2/meters', '/api/meters', '/meters', '/api/v1/debug', '/api/v1/internal', '/api/v1/fault', '/api/v1/meters.json', '/api/v1/METERS', '/admin', '/actuator/env', '/server-status', '/swagger.json', '/openapi.json', '/graphql', '/metrics', '/health', '/nodes/questions', '/ingest', '/.env', '/.git/config', '/package.json', '/src/main.ts', '/web/app.js', '/../package.json', '/%2e%2e/package.json', '/data/engine.json', '/node_modules/pg/package.json'];
    for (const path of hidden) for (const token of [undefined, tokenOf('consumer'), tokenOf('admin')]) expect([path, (await call('GET', path, { token })).status]).toEqual([path, 404]);
    const methods = new Map<string, Set<string>>();
    for (const { path, method } of operations) methods.set(path, (methods.get(path) ?? new Set()).add(method));
    for (const [path, known] of methods) {
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'TRACE']) {
        if (known.has(method)) continue;
        const { status, headers } = await call(method, exampleTarget(path, { path: ['x', 'email'] }), { token: tokenOf('admin'), headers: { 'x-http-method-override': [...known][0] } });
        // `/alerts/{id}` and `/alerts/resolve` are of one shape.
        const others = [...methods].filter(([other]) => other !== path && new RegExp(`^${other.replace(/\{[A-Za-z]+\}/g, '[^/]+')}$`).test(exampleTarget(path, { path: ['x', 'email'] }))).flatMap(([, of]) => [...of]);
        if (!others.includes(method)) expect([`${method} ${path}`, status]).toEqual([`${method} ${path}`, 405]);
        if (status === 405) expect(headers.allow, path).toBeTruthy();
      }
    }
  });
});
