import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FIELD_NAMES } from '../../src/actors/ingest/field-table.ts';
import { INSIDES } from '../fuzz/api-fuzz.ts';
import { apiClient, type ApiReply, type CallApi } from '../support/api-client.ts';
import { post, postBody, type IngestReply } from '../support/engine-api.ts';
import { EngineProcess, eventually } from '../support/engine-process.ts';
import { exampleTarget, REQUEST_EXAMPLES, type RequestExample } from '../support/request-examples.ts';
import { SEEDED_SETTINGS, seedEngine } from '../support/seeded-engine.ts';
import { bearer, SignedInEngine } from '../support/signed-in-engine.ts';
import { HOSTILE_TEXTS, MARKED } from './hostile-texts.ts';
import { operationsOf, withValue, type DocumentedOperation, type StringField } from './string-fields.ts';

/**
 * Each text that does harm somewhere, in each field that takes one, of each operation that changes something: what is refused is refused as the document says, and what is taken comes back as it was, as data. A field that is added
 * later is tried as well; which take any text stands in free-text.test.ts.
 */

const METERS = Array.from({ length: 500 }, (_, i) => `spare-${i}`);
const SUITE_TIMEOUT_MS = process.env.SEG_INJECTION === 'all' ? 1_800_000 : 120_000;
const START_TIMEOUT_MS = 180_000;
/** All that a reading may have, and one that nobody knows. */
const READING_FIELDS = [...FIELD_NAMES, 'note'];

interface Tried {
  /** Places that took a text with markup, as `createContact body.name`. */
  free: string[];
  sent: number;
  fields: number;
  /** Texts that an answer gave back. */
  givenBack: number;
  findings: string[];
}

/** What is done once only is done to another thing each time. */
type Fresh = Record<string, () => Promise<RequestExample> | RequestExample>;

const FEW = new Set(['an element that fails to load', 'NUL', 'half of a surrogate', 'a field of a head', 'a path', 'the prototype', 'nothing but space', 'very much']);

/** Every text in every field, which takes minutes: `SEG_INJECTION=all`. */
const IS_WHOLE = process.env.SEG_INJECTION === 'all';

async function tryAll(call: CallApi, headers: Record<string, string>, operations: readonly DocumentedOperation[], examples: Readonly<Record<string, RequestExample>>, fresh: Fresh): Promise<Tried> {
  const tried: Tried = { free: [], sent: 0, fields: 0, givenBack: 0, findings: [] };
  for (const { id, method, path, fields } of operations) {
    for (const field of fields) {
      tried.fields++;
      // What takes not even markup takes no text but words of its own: the few say so, and the others would say no more.
      let isFree = false;
      for (const { kind, text } of [{ kind: 'all at once', text: MARKED }, ...HOSTILE_TEXTS]) {
        if (!IS_WHOLE && !FEW.has(kind) && text !== MARKED && !isFree) continue;
        const example = await (fresh[id]?.() ?? examples[id]);
        const { target, body } = requestOf(path, example, field, text);
        if (target.length > TARGET_CHARS_MAX) continue;
        tried.sent++;
        const reply = await call(method, target, { headers, body }).catch((error: unknown) => String(error));
        const place = `${id} ${field.in}.${field.path.join('.')}`;
        const fault = faultOf(reply, text);
        if (fault !== null) tried.findings.push(`${place} with ${kind}: ${fault}`);
        // A checker says in its answer what it does not take.
        if (typeof reply !== 'string' && reply.status < 300 && !(reply.body.faults?.length > 0) && !(reply.body.refused > 0)) {
          if (text === MARKED) {
            tried.free.push(place);
            isFree = true;
          }
          if (reply.body !== '' && holds(reply.body, text)) tried.givenBack++;
        }
      }
    }
  }
  return tried;
}

/** uWebSockets takes heads of 16 KiB. */
const TARGET_CHARS_MAX = 12_000;

function requestOf(path: string, example: RequestExample, field: StringField, text: string): { target: string; body: unknown } {
  const [name] = field.path as [string];
  const shown = text.replace(/\p{Surrogate}/gu, '\ufffd');
  if (field.in === 'query') return { target: exampleTarget(path, { ...example, query: { ...example.query, [name]: shown } }), body: example.body };
  const at = [...path.matchAll(/\{([A-Za-z]+)\}/g)].findIndex(([, parameter]) => parameter === name);
  if (field.in === 'path') return { target: exampleTarget(path, { ...example, path: example.path!.with(at, shown) }), body: example.body };
  return { target: exampleTarget(path, example), body: withValue(example.body, field.path, text) };
}

/** What is wrong with an answer to a request with this text; null: nothing. */
function faultOf(reply: ApiReply | string, text: string): string | null {
  if (typeof reply === 'string') return reply;
  const { status, headers, body } = reply;
  const shown = JSON.stringify(body).slice(0, 300);
  if (status >= 500) return `${status} ${shown}`;
  if (INSIDES.test(JSON.stringify(body))) return `insides: ${shown}`;
  for (const name of ['x-injected', 'set-cookie', 'bcc']) if (name in headers) return `a header ${name}`;
  if (status === 204) return null;
  if (!/^application\/(problem\+)?json(;|$)/.test(headers['content-type'] ?? '') || headers['x-content-type-options'] !== 'nosniff') return `${status} as ${headers['content-type']} with ${headers['x-content-type-options']}`;
  if (status < 300 && !(body.faults?.length > 0) && !(body.refused > 0) && UNREADABLE.test(text) && holds(body, text)) return 'taken, though nothing that shows it can show it as it is';
  return null;
}

/** No database keeps NUL, no encoding half of a surrogate; the others move what is around them on a page or a terminal. */
const UNREADABLE = /[\0\u0007\u0008\u001b\u009b\u202e\u2066]|\p{Surrogate}/u;

/** Whether the text stands in the answer somewhere, as it is, but for space around it. */
function holds(value: unknown, text: string): boolean {
  if (typeof value === 'string') return value === text || value === text.trim();
  return typeof value === 'object' && value !== null && Object.values(value).some((inner) => holds(inner, text));
}

/** Keys that JavaScript means something by, in each object of a body. */
async function tryKeys(call: CallApi, headers: Record<string, string>, operations: readonly DocumentedOperation[], examples: Readonly<Record<string, RequestExample>>): Promise<string[]> {
  const findings: string[] = [];
  for (const { id, method, path, objects } of operations) {
    for (const place of objects) {
      for (const [key, value] of [['__proto__', { isAdmin: true, role: 'admin', by: 'root', name: 'polluted' }], ['constructor', { prototype: { isAdmin: true } }], ['prototype', { isAdmin: true }], ['toString', 'x']] as const) {
        const { status, body } = await call(method, exampleTarget(path, examples[id]), { headers, body: withValue(examples[id].body, [...place, key], value) });
        // A checker says so in its answer, and so does an import.
        const isFaulted = status === 422 || (status === 200 && (body.faults?.length > 0 || body.refused > 0));
        if (!isFaulted) findings.push(`${id} ${[...place, key].join('.')} ${status} ${JSON.stringify(body).slice(0, 200)}`);
      }
    }
  }
  return findings;
}

async function documentOf(call: CallApi): Promise<Record<string, any>> {
  return (await call('GET', '/api/v1/openapi.json')).body as Record<string, any>;
}

/** The log is a JSON object a line, whatever was sent, and none says what was put into its mouth. */
function expectQuiet(engine: EngineProcess): void {
  expect(engine.strayLines).toEqual([]);
  expect(engine.lines.filter(({ level, msg }) => level === 'error' || msg === 'forged')).toEqual([]);
}

const CHANGES = ['POST', 'PUT', 'PATCH', 'DELETE'];

describe('an engine without accounts', () => {
  let engine: EngineProcess;
  let examples: Record<string, RequestExample>;
  let operations: DocumentedOperation[];
  const call = apiClient(() => engine.ports.http);

  beforeAll(async () => {
    engine = await EngineProcess.start({ settings: SEEDED_SETTINGS });
    examples = await seedEngine(engine);
    await post(engine, METERS.map((meterId) => ({ meterId, region: 'north', timestamp: Date.now() - 1_000, powerKw: 1 })));
    operations = operationsOf(await documentOf(call), CHANGES).filter(({ tag }) => tag !== 'Accounts');
  }, START_TIMEOUT_MS);
  afterAll(() => engine.dispose());

  const idOf = async (path: string, body: unknown): Promise<string> => (await call('POST', path, { body })).body.id as string;
  let turn = 0;
  const openDisputes = async (): Promise<{ id: string }[]> => (await call('GET', '/api/v1/disputes?open=true')).body.data;
  const fresh: Fresh = {
    endSilence: async () => ({ ...examples.endSilence, path: [await idOf('/api/v1/silences', examples.createSilence.body)] }),
    endMaintenanceWindow: async () => ({ ...examples.endMaintenanceWindow, path: [await idOf('/api/v1/maintenance-windows', examples.createSilence.body)] }),
    endPriceOverride: async () => ({ ...examples.endPriceOverride, path: [await idOf('/api/v1/price-overrides', { ...(examples.createPriceOverride.body as object), region: `r-${turn++}` })] }),
    createPriceOverride: () => ({ body: { ...(examples.createPriceOverride.body as object), region: `r-${turn++}` } }),
    createPayment: () => ({ ...examples.createPayment, body: { ...(examples.createPayment.body as object), amount: '0.01', reference: `R-${turn++}` } }),
    createAgreement: () => ({ body: { ...(examples.createAgreement.body as object), meterId: METERS[turn++ % METERS.length] } }),
    // An invoice has one at a time.
    createDispute: async () => {
      for (const { id } of await openDisputes()) await call('POST', `/api/v1/disputes/${encodeURIComponent(id)}/resolve`, { body: examples.resolveDispute.body });
      return examples.createDispute;
    },
    resolveDispute: async () => {
      if ((await openDisputes()).length === 0) await call('POST', exampleTarget('/api/v1/invoices/{id}/disputes', examples.createDispute), { body: examples.createDispute.body });
      return { ...examples.resolveDispute, path: [(await openDisputes())[0].id] };
    },
  };

  test('takes texts as data, or refuses them, in every field of every change', async () => {
    const { free, findings, sent, fields, givenBack } = await tryAll(call, {}, operations, examples, fresh);
    console.info(`${operations.length} operations, ${fields} fields, ${HOSTILE_TEXTS.length + 1} texts, ${sent} requests, ${givenBack} given back; any text in ${free.length} fields`);
    expect(findings).toEqual([]);
    expect(free.length).toBeGreaterThan(50);
    expectQuiet(engine);
  }, SUITE_TIMEOUT_MS);

  test('takes or rejects readings with them in any field, and shows what was rejected as it came', async () => {
    const texts = [...HOSTILE_TEXTS.map(({ text }) => text).filter((text) => text.length < 1_000), MARKED];
    const rejected: string[] = [];
    for (const field of READING_FIELDS) {
      const readings = texts.map((text) => ({ meterId: 'spare-0', region: 'north', timestamp: Date.now() - 60_000, powerKw: 1, [field]: text }));
      const { status, headers, body } = await postBody<IngestReply>(engine, JSON.stringify(readings));
      expect([field, status, headers.get('content-type'), headers.get('x-content-type-options')]).toEqual([field, 202, expect.stringMatching(/^application\/json/), 'nosniff']);
      expect(body.accepted + body.duplicates + body.rejected, field).toBe(texts.length);
      for (const { index } of body.errors) rejected.push(JSON.stringify(readings[index]));
    }
    expect(rejected.length).toBeGreaterThan(3 * texts.length);
    const { data } = await eventually(async () => (await call('GET', '/api/v1/dead-letters?limit=1000')).body, (page) => page.data.length >= rejected.length);
    const kept = new Set(data.map(({ raw }: { raw: string }) => JSON.stringify(JSON.parse(raw))));
    expect(rejected.filter((reading) => !kept.has(reading))).toEqual([]);
    expectQuiet(engine);
  });

  test('takes no key that JavaScript means something by, in any object', async () => {
    expect(await tryKeys(call, {}, operations, examples)).toEqual([]);
    expectQuiet(engine);
  });
});

describe('an engine with accounts', () => {
  let people: SignedInEngine;
  let made = 0;
  let operations: DocumentedOperation[];
  let examples: Record<string, RequestExample>;
  let headers: Record<string, string>;
  const call = apiClient(() => people.engine.ports.http);
  /** They would end the very log-in that asks, and take no text. */
  const LEFT_OUT = ['logOutEverywhere'];

  beforeAll(async () => {
    people = await SignedInEngine.start();
    headers = bearer(people.admin.token);
    const ada = await people.addUser('ada@example.org', { role: 'consumer', meters: ['meter:1'] });
    const { deviceKey } = await people.made('POST', '/api/v1/device-keys', { name: 'old', scope: { regions: ['north'] } });
    const ids: Record<string, string> = { 'u-consumer': ada.id, key_1: deviceKey.id };
    examples = Object.fromEntries(Object.entries(REQUEST_EXAMPLES).map(([id, example]) => [id, { ...example, path: example.path?.map((name) => ids[name] ?? name) }]));
    examples.changeUser = { ...examples.changeUser, body: { name: 'Ada' } };
    operations = operationsOf(await documentOf(call), CHANGES).filter(({ tag, id }) => tag === 'Accounts' && !LEFT_OUT.includes(id));
  }, START_TIMEOUT_MS);
  afterAll(() => people.engine.dispose());

  test('takes texts as data, or refuses them, in every field of every change of an account', async () => {
    const { free, findings, sent, fields, givenBack } = await tryAll(call, headers, operations, examples, { createUser: () => ({ body: { ...(examples.createUser.body as object), email: `u${made++}@example.org` } }) });
    console.info(`${operations.length} operations, ${fields} fields, ${sent} requests, ${givenBack} given back; any text in ${free.length} fields`);
    expect(findings).toEqual([]);
    expect(free.length).toBeGreaterThan(4);
    expectQuiet(people.engine);
  }, SUITE_TIMEOUT_MS);

  test('takes no key that JavaScript means something by, and nobody becomes more by one', async () => {
    expect(await tryKeys(call, headers, operations, examples)).toEqual([]);
    expect((await call('GET', exampleTarget('/api/v1/users/{id}', examples.getUser), { headers })).body).toMatchObject({ role: 'consumer', regions: [], disabled: false });
    expectQuiet(people.engine);
  });

  test('shows fields of a head as they came, and sends none of them back as a field', async () => {
    // What a head cannot have is refused before there is a request (malformed-requests.test.ts).
    const texts = HOSTILE_TEXTS.map(({ text }) => text).filter((text) => text.length < 4_000 && /^[\t\x20-\x7e\xa0-\xff]+$/.test(text) && text.trim() === text);
    const agents = new Set<string>();
    for (const text of texts) {
      for (const name of ['x-request-id', 'idempotency-key', 'if-match', 'if-none-match', 'traceparent', 'accept-language', 'cookie', 'origin', 'x-forwarded-for', 'referer']) {
        const reply = await call('PATCH', '/api/v1/me', { headers: { ...headers, [name]: text }, body: { name: 'Root' } });
        expect(faultOf(reply, ''), `${name} ${text}`).toBeNull();
        // The id of a request is for who sent it, where it looks like one.
        expect(Object.entries(reply.headers).filter(([field, value]) => field !== 'x-request-id' && /evil\.invalid|__hit/.test(String(value))), `${name} ${text}`).toEqual([]);
        if (name === 'x-request-id') expect(reply.headers[name] === text || /^[\w.:-]+$/.test(reply.headers[name]), text).toBe(true);
      }
    }
    await people.addUser('bob@example.org', { role: 'consumer', meters: [] });
    for (const text of [...texts.slice(0, 3), MARKED]) {
      agents.add(text);
      const { token } = await people.logIn('bob@example.org', { 'user-agent': text });
      const { body } = await call('GET', '/api/v1/auth/sessions', { headers: bearer(token) });
      expect(body.data.map(({ userAgent }: { userAgent: string }) => userAgent)).toEqual(expect.arrayContaining([...agents]));
    }
    expectQuiet(people.engine);
  });
});
