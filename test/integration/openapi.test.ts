import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type Gateway } from '../../src/http/gateway.ts';
import { openPath } from '../../src/http/openapi/openapi-document.ts';
import { systemTimers } from '../../src/runtime/clock.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { apiClient, type ApiReply } from '../support/api-client.ts';
import { fakeAccounts } from '../support/fake-accounts.ts';
import { fakeAlerts } from '../support/fake-alerts.ts';
import { AT, fakeEngine } from '../support/fake-engine.ts';
import { fakeRegistry } from '../support/fake-registry.ts';
import { fakeTariffs } from '../support/fake-tariffs.ts';
import { exampleTarget, REQUEST_EXAMPLES } from '../support/request-examples.ts';

let gateway: Gateway;
let off: Gateway;
let document: any;
const DOCUMENT = 'https://example.org/openapi.json';
const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
const call = apiClient(() => gateway.port);
const callOff = apiClient(() => off.port);

beforeAll(async () => {
  const options = { host: '127.0.0.1', port: 0, queriesInFlightMax: 4, requestIdPrefix: 't', version: '1.2.3' };
  const modules = { engine: fakeEngine(), alerts: fakeAlerts(), tariffs: fakeTariffs(), registry: fakeRegistry(), clock: { now: () => AT + 1_000, monotonic: () => 0 }, timers: systemTimers, log: nullLog };
  gateway = await startGateway(options, { ...modules, accounts: fakeAccounts() });
  off = await startGateway(options, modules);
  document = (await call('GET', '/api/v1/openapi.json')).body;
  ajv.addSchema({ ...document, $id: DOCUMENT });
});

afterAll(() => Promise.all([gateway.close(1_000), off.close(1_000)]));

/** The schema that stands at a place of the document, by names on the way there. */
function validatorOf(...names: string[]): (value: unknown) => { valid: boolean; errors: unknown } {
  const pointer = names.map((name) => `/${encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1'))}`).join('');
  const validate = ajv.compile({ $ref: `${DOCUMENT}#${pointer}` });
  return (value) => ({ valid: validate(value), errors: validate.errors });
}

function send(method: string, path: string, id: string): Promise<ApiReply> {
  const example = REQUEST_EXAMPLES[id];
  return call(method, exampleTarget(path, example), { headers: { authorization: 'Bearer admin' }, body: example.body });
}

describe('the document', () => {
  test('is OpenAPI 3.1', async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(document));
    expect(errors).toBeUndefined();
    expect(valid).toBe(true);
    expect(document).toMatchObject({ openapi: '3.1.0', info: { version: '1.2.3' } });
  });

  test('has what is served, and no reference into nothing', () => {
    const served = gateway.operations.map(({ method, path }) => `${method} ${openPath(path)}`).sort();
    const written = Object.entries<object>(document.paths).flatMap(([path, item]) => Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`));
    expect(written.sort()).toEqual(served);
    for (const [, pointer] of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      expect(pointer.split('/').reduce((part, name) => part?.[name], document), pointer).toBeDefined();
    }
    // Who reads it has names to hold on to.
    expect(Object.keys(document.components.schemas)).toEqual(expect.arrayContaining(['Meter', 'MeterWindow', 'Region', 'Alert', 'Invoice', 'Tariff', 'NewTariff', 'Problem']));
  });

  test('says what a query may have, as a client has it to send', () => {
    const { parameters } = document.paths['/api/v1/meters/{meterId}/aggregates'].get;
    const schemas = Object.fromEntries(parameters.map(({ name, required, schema }: { name: string; required: boolean; schema: object }) => [name, { required, ...schema }]));
    expect(schemas).toMatchObject({
      meterId: { required: true, pattern: '^[A-Za-z0-9._:-]{1,64}$' },
      granularity: { required: false, enum: ['1m', '15m'], default: '1m' },
      limit: { required: false, type: 'integer', minimum: 1, maximum: 10_000, default: 1_000 },
      from: { required: false, anyOf: [{ type: 'string', format: 'date-time' }, { type: 'integer' }] },
    });
    expect(document.paths['/api/v1/anomalies'].get.parameters.find(({ name }: { name: string }) => name === 'open').schema).toEqual({ type: 'boolean', default: false });
  });

  test('asks for a token, and for nobody\'s name, where there are accounts', async () => {
    const without = (await callOff('GET', '/api/v1/openapi.json')).body;
    const acknowledge = (of: any) => of.paths['/api/v1/alerts/{id}/acknowledge'].post;
    const end = (of: any) => of.paths['/api/v1/price-overrides/{id}'].delete.parameters.find(({ name }: { name: string }) => name === 'by');
    const bodyOf = (of: any) => acknowledge(of).requestBody.content['application/json'].schema;
    expect([document.security, without.security]).toEqual([[{ token: [] }], []]);
    expect([bodyOf(document).required ?? [], bodyOf(without).required]).toEqual([[], ['by']]);
    expect([end(document).required, end(without).required]).toEqual([false, true]);
    expect([Object.keys(acknowledge(document).responses).includes('401'), Object.keys(acknowledge(without).responses).includes('401')]).toEqual([true, false]);
    expect(document.paths['/api/v1/openapi.json'].get.security).toEqual([]);
    expect(acknowledge(document).description).toBe('For operators, admins of the meter or the region that the alert is about.');
  });
});

describe('answers', () => {
  test('are what the document says, all of them', async () => {
    const checked: string[] = [];
    for (const [path, item] of Object.entries<Record<string, any>>(document.paths)) {
      for (const [method, { operationId: id, responses }] of Object.entries(item)) {
        const { status, body, headers } = await send(method.toUpperCase(), path, id);
        const response = responses[status];
        expect(response, `${id} ${status} ${JSON.stringify(body)}`).toBeDefined();
        const served = gateway.operations.find(({ route }) => route.operation.id === id)!.route.operation;
        if (response.headers?.ETag !== undefined && method === 'get') expect(headers.etag, id).toBeDefined();
        if (status === 204 || status === 303) continue;
        const type = headers['content-type'].split(';')[0];
        expect(Object.keys(response.content), id).toContain(type);
        if (type !== 'application/json') continue;
        expect(validatorOf('paths', path, method, 'responses', String(status), 'content', type, 'schema')(body), id).toEqual({ valid: true, errors: null });
        // Nothing goes out that the schema does not know, either.
        expect(served.response!.safeParse(body).error, id).toBeUndefined();
        checked.push(id);
      }
    }
    expect(checked.length).toBeGreaterThan(70);
  });

  test('of nobody, of what is not there and of what is wrong are problems as the document says', async () => {
    const validate = validatorOf('components', 'responses', 'NotFound', 'content', 'application/problem+json', 'schema');
    for (const reply of [await call('GET', '/api/v1/engine'), await call('GET', '/api/v1/meters/x', { headers: { authorization: 'Bearer admin' } }), await call('GET', '/api/v1/meters?limit=0&x=1', { headers: { authorization: 'Bearer admin' } })]) {
      expect(validate(reply.body)).toEqual({ valid: true, errors: null });
    }
  });
});

describe('bodies', () => {
  test('of the examples are what the document says', () => {
    let checked = 0;
    for (const [path, item] of Object.entries<Record<string, any>>(document.paths)) {
      for (const [method, { operationId: id, requestBody }] of Object.entries(item)) {
        if (requestBody === undefined) continue;
        expect(validatorOf('paths', path, method, 'requestBody', 'content', 'application/json', 'schema')(REQUEST_EXAMPLES[id].body), id).toEqual({ valid: true, errors: null });
        checked++;
      }
    }
    expect(checked).toBeGreaterThan(20);
  });
});

describe('a schema of a body', () => {
  const fieldOf = (path: string, ...names: string[]): any => names.reduce((schema, name) => (schema.anyOf?.[0] ?? schema).properties[name], document.paths[path].post.requestBody.content['application/json'].schema);

  test('says what a list may have but once, and what of a text a pattern can', () => {
    const contact = (...names: string[]) => fieldOf('/api/v1/contacts', ...names);
    expect([fieldOf('/api/v1/alerts/resolve', 'ids').uniqueItems, contact('addresses', 'push').uniqueItems, contact('preferences', 'channels', 'INFO').uniqueItems]).toEqual([true, true, true]);
    expect(new RegExp(contact('addresses', 'webhook', 'url').pattern).test('ftp://example.org/')).toBe(false);
    expect(new RegExp(contact('addresses', 'webhook', 'secret').pattern).test(`whsec_${'A'.repeat(32)}`)).toBe(true);
    const [{ pattern: installed }] = document.paths['/api/v1/registry/meters/{meterId}'].put.requestBody.content['application/json'].schema.properties.installedOn.anyOf;
    expect(['1950-02-28', '2000-02-29', '2099-12-31', '1949-12-31', '2100-01-01', '2001-02-29', '2026-04-31'].map((day) => new RegExp(installed).test(day))).toEqual([true, true, true, false, false, false, false]);
    expect([fieldOf('/api/v1/auth/password', 'password').minLength, fieldOf('/api/v1/auth/password', 'newPassword').minLength]).toEqual([1, 10]);
    // Rows of an import are judged one by one, each with an answer of its own; a key is of ASCII, as where it is kept.
    const { requestBody, parameters } = document.paths['/api/v1/registry/imports'].post;
    expect(requestBody.content['application/json'].schema.items.anyOf).toHaveLength(2);
    const key = new RegExp(parameters.find(({ name }: { name: string }) => name === 'Idempotency-Key').schema.pattern);
    expect(['"a b"', 'a', '', '"a\tb"', '"ü"', 'a b'].map((text) => key.test(text))).toEqual([true, true, true, false, false, false]);
    // A name is a line with something in it, in one pattern.
    expect(contact('name')).toMatchObject({ pattern: expect.stringContaining('\\s') });
    expect(contact('name').allOf).toBeUndefined();
  });
});

describe('examples of fields', () => {
  test('are taken where they stand, and many fields have one', () => {
    const found: [string, unknown][] = [];
    const walk = (part: any, names: readonly string[]): void => {
      if (part === null || typeof part !== 'object') return;
      if (Array.isArray(part.examples)) for (const example of part.examples) found.push([names.join('\n'), example]);
      for (const [name, inner] of Object.entries(part)) if (name !== 'examples') walk(inner, [...names, name]);
    };
    walk(document, []);
    for (const [place, example] of found) expect(validatorOf(...place.split('\n'))(example), place).toEqual({ valid: true, errors: null });
    const fields = new Set(found.map(([place]) => place.split('\n').at(-1)));
    for (const name of ['meterId', 'by', 'zone', 'movedIn', 'endsAt', 'amount', 'meters']) expect(fields).toContain(name);
    expect(document.paths['/api/v1/meters/{meterId}'].get.parameters[0].schema.examples).toEqual(['meter-1']);
  });

  test('of a begin lie before those of its end', () => {
    const { parameters } = document.paths['/api/v1/meters/{meterId}/estimate'].get;
    const [from, to] = ['from', 'to'].map((name) => parameters.find((parameter: { name: string }) => parameter.name === name).schema.examples[0]);
    expect(from < to).toBe(true);
  });
});

describe('links', () => {
  const linked = (): { path: string; method: string; status: string; target: { operationId: string; parameters: Record<string, string> } }[] =>
    Object.entries<Record<string, any>>(document.paths).flatMap(([path, item]) => Object.entries(item).flatMap(([method, { responses }]) => Object.entries<any>(responses).flatMap(([status, { links = {} }]) => Object.values<any>(links).map((target) => ({ path, method, status, target })))));
  const placeOf = (id: string): { path: string; method: string } => {
    const { method, path } = gateway.operations.find(({ route }) => route.operation.id === id)!;
    return { method, path: openPath(path) };
  };

  test('give each parameter that a path has, and lead from all that is made to it', () => {
    for (const { target } of linked()) expect(Object.keys(target.parameters).sort(), target.operationId).toEqual([...placeOf(target.operationId).path.matchAll(/\{([A-Za-z]+)\}/g)].map(([, name]) => name).sort());
    const made = gateway.operations.filter(({ method, route }) => method === 'POST' && (route.operation.creates ?? route.operation.begins) === true).map(({ route }) => route.operation.id);
    const leading = new Set(linked().map(({ path, method }) => document.paths[path][method].operationId));
    // An answer about a schedule has its overrides as rows: which of them was made only Location says.
    expect(made.filter((id) => !leading.has(id))).toEqual(['createOverride']);
    expect(linked().find(({ target }) => target.operationId === 'removeUser')?.target.parameters).toEqual({ id: '$response.body#/user/id' });
    expect(linked().filter(({ path, method }) => path === '/api/v1/alerts/{id}' && method === 'get').map(({ target }) => target.operationId)).toEqual(['acknowledgeAlert', 'resolveAlert']);
    expect(linked().find(({ path, target }) => path === '/api/v1/meters' && target.operationId === 'listDailyEnergy')?.target.parameters).toEqual({ meterId: '$response.body#/data/0/meterId' });
  });

  test('of what was made lead where Location does', async () => {
    for (const { path, method, status, target } of linked()) {
      const { path: targetPath, method: targetMethod } = placeOf(target.operationId);
      if (method === 'get' || targetMethod !== 'GET' || targetPath.endsWith('{id}') === false) continue;
      const { operationId } = document.paths[path][method];
      const reply = await send(method.toUpperCase(), path, operationId);
      expect(String(reply.status), operationId).toBe(status);
      const sent = REQUEST_EXAMPLES[operationId].path ?? [];
      const values = Object.values(target.parameters).map((expression, at) => (expression.startsWith('$response.body#/') ? expression.slice('$response.body#/'.length).split('/').reduce((part: any, name) => part?.[name], reply.body) : sent[at]));
      // Of a tariff it names the version as well.
      expect(reply.headers.location.split('?')[0], operationId).toBe(exampleTarget(targetPath, { path: values }));
    }
  });
});

describe('an ETag', () => {
  const as = { authorization: 'Bearer admin' };

  test('of an answer gets 304 as long as it is the same', async () => {
    const path = '/api/v1/meters/meter:1/aggregates';
    const first = await call('GET', path, { headers: as });
    expect(first.headers.etag).toMatch(/^W\/"[A-Za-z0-9_-]{27}"$/);
    for (const tag of [first.headers.etag, first.headers.etag.slice(2), `"x", ${first.headers.etag}`, '*']) {
      const { status, body, headers } = await call('GET', path, { headers: { ...as, 'if-none-match': tag } });
      expect([status, body, headers.etag], tag).toEqual([304, '', first.headers.etag]);
    }
    for (const tag of ['W/"x"', first.headers.etag.replace('"', '"x')]) expect((await call('GET', path, { headers: { ...as, 'if-none-match': tag } })).status).toBe(200);
    const other = await call('GET', `${path}?cursor=c`, { headers: { ...as, 'if-none-match': first.headers.etag } });
    expect(other.status).toBe(200);
    expect((await call('HEAD', path, { headers: { ...as, 'if-none-match': first.headers.etag } })).status).toBe(304);
  });

  test('of a thing with a version is its version, of a file is that of its bytes', async () => {
    for (const [path, etag] of [['contacts/c-ada', '"4"'], ['agreements/a1', '"2"'], ['invoices/i%2F1', '"5"']]) {
      expect((await call('GET', `/api/v1/${path}`, { headers: as })).headers.etag).toBe(etag);
      expect((await call('GET', `/api/v1/${path}`, { headers: { ...as, 'if-none-match': etag } })).status).toBe(304);
    }
    const { headers } = await call('GET', '/api/v1/invoices/i%2F1/pdf', { headers: as });
    expect(headers.etag).toMatch(/^W\//);
    expect((await call('GET', '/api/v1/invoices/i%2F1/pdf', { headers: { ...as, 'if-none-match': headers.etag } })).status).toBe(304);
    expect((await call('GET', '/api/v1/invoices/i%2F1/pdf?language=de', { headers: { ...as, 'if-none-match': headers.etag } })).status).toBe(200);
  });

  test('of what time changes is no reason for 304', async () => {
    const { headers } = await call('GET', '/api/v1/silences/silence-1', { headers: as });
    expect((await call('GET', '/api/v1/silences/silence-1', { headers: { ...as, 'if-none-match': headers.etag } })).status).toBe(200);
  });

  test('is never a reason not to write, nor for 304 to who may not ask', async () => {
    expect((await call('POST', '/api/v1/agreements', { headers: { ...as, 'if-none-match': '*' }, body: REQUEST_EXAMPLES.createAgreement.body })).status).toBe(201);
    expect((await call('GET', '/api/v1/contacts/c-ada', { headers: { 'if-none-match': '*' } })).status).toBe(401);
  });
});

describe('the page', () => {
  test('is of this engine alone', async () => {
    const page = await call('GET', '/docs');
    expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
    expect(page.body).not.toMatch(/https?:/);
    for (const [, path] of page.body.matchAll(/(?:src|href)="(\/[^"]+)"/g)) {
      const { status, headers } = await call('GET', path);
      expect(status, path).toBe(200);
      expect((await call('GET', path, { headers: { 'if-none-match': headers.etag } })).status).toBe(304);
    }
  });
});
