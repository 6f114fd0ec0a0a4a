import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startGateway, type Gateway } from '../../src/http/gateway.ts';
import { EngineRegistry } from '../../src/engine/engine-registry.ts';
import { systemTimers } from '../../src/runtime/clock.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { apiClient, type ApiReply } from '../support/api-client.ts';
import { fakeAccounts, PEOPLE, type FakeAccounts } from '../support/fake-accounts.ts';
import { AT, fakeEngine } from '../support/fake-engine.ts';

/** The registry of meters over HTTP: the real one, with people of fake-accounts.ts. */

const BASE = '/api/v1/registry/meters';
const IMPORTS = '/api/v1/registry/imports';
let gateway: Gateway;
let registry: EngineRegistry;
let accounts: FakeAccounts = fakeAccounts();
const clock = { now: () => AT, monotonic: () => 0 };
/** Each test gets fresh ones behind the running gateway. */
const now = <T extends object>(current: () => T): T =>
  new Proxy({} as T, {
    get: (_, name) => {
      const value = current()[name as keyof T];
      return typeof value === 'function' ? value.bind(current()) : value;
    },
  });
const call = apiClient(() => gateway.port);

beforeAll(async () => {
  const options = { host: '127.0.0.1', port: 0, queriesInFlightMax: 100, requestIdPrefix: 't' };
  gateway = await startGateway(options, { engine: fakeEngine(), registry: now(() => registry), accounts: now(() => accounts), clock, timers: systemTimers, log: nullLog });
});
beforeEach(() => {
  accounts = fakeAccounts();
  registry = new EngineRegistry({ store: new MemoryStore(), clock, timers: systemTimers, log: nullLog, regions: () => new Set(['north', 'south']) });
});
afterAll(() => gateway.close(1_000));

const as = (who: string, headers: Record<string, string> = {}) => ({ authorization: `Bearer ${who}`, ...headers });
const get = (path: string, who = 'admin', headers = {}): Promise<ApiReply> => call('GET', path, { headers: as(who, headers) });
const send = (method: string, path: string, body?: unknown, who = 'admin', headers = {}): Promise<ApiReply> => call(method, path, { headers: as(who, headers), body });
const put = (meterId: string, body: object, who = 'admin', headers = {}) => send('PUT', `${BASE}/${meterId}`, body, who, headers);
const ndjson = (lines: readonly (object | string)[], query = '', who = 'admin', headers = {}) =>
  call('POST', `${IMPORTS}${query}`, { headers: as(who, { 'content-type': 'application/x-ndjson', ...headers }), body: lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n') });
const outcome = ({ status, body }: ApiReply): [number, string] => [status, body?.code ?? ''];

describe('an entry', () => {
  test('is made, shown, changed, removed; what is not named is not known', async () => {
    const made = await put('meter:1', { region: 'north', serial: ' LG-4711 ', address: { street: 'Hauptstraße 1', city: 'Köln', country: 'DE' }, location: { latitude: 50.9, longitude: 7 }, phases: 3, installedOn: '2020-03-01' });
    expect([made.status, made.headers.etag]).toEqual([200, '"1"']);
    expect(made.body).toEqual({
      meterId: 'meter:1', serial: 'LG-4711', manufacturer: null, model: null, customerClass: 'residential', region: 'north', address: { street: 'Hauptstraße 1', postalCode: null, city: 'Köln', country: 'DE' },
      location: { latitude: 50.9, longitude: 7 }, phases: 3, ratedPowerKw: null, cadenceSeconds: null, installedOn: '2020-03-01', removedOn: null, note: null, status: 'installed', version: 1, updatedAt: new Date(AT).toISOString(), updatedBy: 'admin@example.org',
    });
    expect((await get(`${BASE}/meter:1`)).body).toEqual(made.body);
    const changed = await send('PATCH', `${BASE}/meter:1`, { address: { postalCode: '50667' }, removedOn: '2026-01-15', note: 'gone' });
    expect(changed.body).toMatchObject({ serial: 'LG-4711', address: { street: 'Hauptstraße 1', postalCode: '50667' }, status: 'removed', version: 2 });
    expect((await put('meter:1', { region: 'south' })).body).toMatchObject({ serial: null, address: { city: null }, region: 'south', status: 'planned', version: 3 });
    // Said again it is no change.
    expect((await put('meter:1', { region: 'south' })).headers.etag).toBe('"3"');
    expect((await send('DELETE', `${BASE}/meter:1`)).status).toBe(204);
    for (const reply of [await get(`${BASE}/meter:1`), await send('DELETE', `${BASE}/meter:1`), await send('PATCH', `${BASE}/meter:1`, {})]) expect(outcome(reply)).toEqual([404, 'unknown_registered_meter']);
  });

  test('is changed by one of two who saw the same', async () => {
    expect((await put('m', { region: 'north' }, 'admin', { 'if-none-match': '*' })).status).toBe(200);
    expect(outcome(await put('m', { region: 'south' }, 'admin', { 'if-none-match': '*' }))).toEqual([409, 'stale_version']);
    const both = await Promise.all(['a', 'b'].map((note) => send('PATCH', `${BASE}/m`, { note }, 'admin', { 'if-match': '"1"' })));
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(outcome(await send('DELETE', `${BASE}/m`, undefined, 'admin', { 'if-match': '"1"' }))).toEqual([409, 'stale_version']);
    expect(outcome(await send('DELETE', `${BASE}/other`, undefined, 'admin', { 'if-match': '"1"' }))).toEqual([404, 'unknown_registered_meter']);
  });

  test('that is made again is not taken for the one that was removed', async () => {
    const seen = (await put('again', { region: 'north' })).headers.etag!;
    expect((await send('DELETE', `${BASE}/again`, undefined, 'admin', { 'if-match': seen })).status).toBe(204);
    expect((await put('again', { region: 'south' }, 'admin', { 'if-none-match': '*' })).status).toBe(200);
    expect(outcome(await send('PATCH', `${BASE}/again`, { note: 'of the old one' }, 'admin', { 'if-match': seen }))).toEqual([409, 'stale_version']);
  });

  test.each([
    [{ region: 'nowhere' }, 'region', 'unknown_region'],
    [{}, 'region', 'invalid_body'],
    [{ region: 'north', removedOn: '2026-01-01' }, 'removedOn', 'bad_days'],
    [{ region: 'north', installedOn: '2026-01-02', removedOn: '2026-01-01' }, 'removedOn', 'bad_days'],
    [{ region: 'north', installedOn: '2026-02-30' }, 'installedOn', 'invalid_body'],
    [{ region: 'north', installedOn: '1826-02-03' }, 'installedOn', 'invalid_body'],
    [{ region: 'north', serial: 'Zähler' }, 'serial', 'invalid_body'],
    [{ region: 'north', serial: 'x'.repeat(65) }, 'serial', 'invalid_body'],
    [{ region: 'north', address: { city: 'x'.repeat(129) } }, 'address.city', 'invalid_body'],
    [{ region: 'north', address: { city: 'a\u202eb' } }, 'address.city', 'invalid_body'],
    [{ region: 'north', address: { country: 'Germany' } }, 'address.country', 'invalid_body'],
    [{ region: 'north', location: { latitude: 91, longitude: 0 } }, 'location.latitude', 'invalid_body'],
    [{ region: 'north', phases: 4 }, 'phases', 'invalid_body'],
    [{ region: 'north', ratedPowerKw: -1 }, 'ratedPowerKw', 'invalid_body'],
    [{ region: 'north', cadenceSeconds: 0.5 }, 'cadenceSeconds', 'invalid_body'],
    [{ region: 'north', note: 'x'.repeat(501) }, 'note', 'invalid_body'],
    [{ region: 'north', colour: 'grey' }, 'colour', 'invalid_body'],
  ])('that cannot be is refused by its field: %j', async (body, path, code) => {
    const reply = await put('m', body);
    expect(outcome(reply)).toEqual([422, code]);
    expect(reply.body.faults[0].path).toBe(path);
    expect((await get(`${BASE}/m`)).status).toBe(404);
  });

  test('has a serial number of its own', async () => {
    await put('m-1', { region: 'north', serial: 'AB-1' });
    const taken = await put('m-2', { region: 'north', serial: 'ab-1' });
    expect([...outcome(taken), taken.body.detail]).toEqual([409, 'serial_taken', 'Meter "m-1" has the serial number "ab-1".']);
    await send('PATCH', `${BASE}/m-1`, { serial: null });
    expect((await put('m-2', { region: 'north', serial: 'ab-1' })).status).toBe(200);
  });

  test('in a region of which nothing is known takes who says so; then the region is known', async () => {
    expect((await put('m-1', { region: 'west' })).status).toBe(422);
    expect((await put('m-1?newRegions=true', { region: 'west' })).status).toBe(200);
    expect((await put('m-2', { region: 'west' })).status).toBe(200);
  });

  test('of a name that is none is not there', async () => {
    for (const method of ['GET', 'DELETE']) expect(outcome(await send(method, `${BASE}/a%20b`))).toEqual([404, 'unknown_registered_meter']);
    for (const method of ['PUT', 'PATCH']) expect(outcome(await send(method, `${BASE}/a%20b`, { region: 'north' }))).toEqual([404, 'unknown_registered_meter']);
  });
});

describe('what is somebody\'s', () => {
  beforeEach(async () => {
    for (const [meterId, region] of [['meter:1', 'north'], ['m-2', 'north'], ['m-3', 'south']]) await put(meterId, { region, address: { city: 'Köln' } });
  });

  test('goes by the region of the entry, whether the meter has sent anything or not', async () => {
    const list = async (who: string, query = '') => (await get(`${BASE}${query}`, who)).body.data?.map(({ meterId }: { meterId: string }) => meterId);
    expect(await list('admin')).toEqual(['m-2', 'm-3', 'meter:1']);
    expect(await list('operator')).toEqual(['m-2', 'meter:1']);
    expect(await list('otherOperator', '?q=koeln')).toEqual([]);
    expect(await list('otherOperator', '?q=KOLN')).toEqual(['m-3']);
    expect(outcome(await get(`${BASE}?region=south`, 'operator'))).toEqual([404, 'unknown_region']);
    expect((await get(`${BASE}/m-2`, 'operator')).status).toBe(200);
    for (const meterId of ['m-3', 'nothing']) expect(outcome(await get(`${BASE}/${meterId}`, 'operator'))).toEqual([404, 'unknown_registered_meter']);
    // No region, nothing.
    accounts.authenticate = () => ({ ...PEOPLE.operator, regions: new Set() });
    expect(await list('x')).toEqual([]);
  });

  test('of a consumer is the entry of a meter that is theirs now', async () => {
    expect((await get(`${BASE}/meter:1`, 'consumer')).body.address.city).toBe('Köln');
    expect(outcome(await get(`${BASE}/m-2`, 'consumer'))).toEqual([404, 'unknown_registered_meter']);
    expect((await get(BASE, 'consumer')).status).toBe(403);
    expect((await get('/api/v1/me/meters', 'consumer')).body.data).toMatchObject([{ meterId: 'meter:1', registry: { address: { city: 'Köln' } } }]);
  });

  test('operators correct, and move to no region that is not theirs', async () => {
    expect((await send('PATCH', `${BASE}/m-2`, { note: 'x' }, 'operator')).body).toMatchObject({ note: 'x', updatedBy: 'operator@example.org' });
    expect((await send('PATCH', `${BASE}/m-2`, { region: 'north' }, 'operator')).status).toBe(200);
    expect(outcome(await send('PATCH', `${BASE}/m-2`, { region: 'south' }, 'operator'))).toEqual([404, 'unknown_registered_meter']);
    expect(outcome(await send('PATCH', `${BASE}/m-3`, { region: 'north' }, 'operator'))).toEqual([404, 'unknown_registered_meter']);
    for (const reply of [await put('m-2', { region: 'north' }, 'operator'), await send('DELETE', `${BASE}/m-2`, undefined, 'operator'), await ndjson([{ meterId: 'm-2' }], '', 'operator'), await send('PATCH', `${BASE}/meter:1`, { note: 'x' }, 'consumer')]) expect(outcome(reply)).toEqual([403, 'role_required']);
  });

  test('and every write stands in the audit log', async () => {
    accounts.audited.length = 0;
    await ndjson([{ meterId: 'm-9', region: 'north' }]);
    await send('PATCH', `${BASE}/m-3`, { note: 'x' }, 'operator');
    await send('DELETE', `${BASE}/m-9`);
    expect(accounts.audited.map(({ action, status, byName }) => [action, status, byName])).toEqual([['importRegisteredMeters', 200, 'admin@example.org'], ['changeRegisteredMeter', 404, 'operator@example.org'], ['removeRegisteredMeter', 204, 'admin@example.org']]);
  });
});

describe('an import', () => {
  test('answers each row, and broken ones hurt themselves alone', async () => {
    await put('m-1', { region: 'north', serial: 'A' });
    const rows = [
      { meterId: 'm-1', note: 'x' }, '{"meterId": "m-2", "region"', { meterId: 'm-3', region: 'north', serial: 'a' }, { meterId: 'm-4', region: 'nowhere' }, { meterId: 'm 5', region: 'north' }, { meterId: 'm-6', region: 'north', installedOn: 'yesterday' },
      { meterId: 'm-7' }, { meterId: 'm-8', region: 'north', serial: 'B' }, { meterId: 'm-9', region: 'south', serial: 'b' }, '[]', 'null', { meterId: 'm-8', region: 'north', serial: 'B' },
    ];
    const { status, body } = await ndjson(rows);
    expect(status).toBe(200);
    expect(body).toMatchObject({ dryRun: false, created: 1, updated: 1, unchanged: 1, refused: 9 });
    expect(body.rows.map(({ index, meterId, outcome: what, code, path }: any) => [index, meterId, code ?? what, path ?? ''])).toEqual([
      [0, 'm-1', 'updated', ''], [1, null, 'invalid_row', ''], [2, 'm-3', 'serial_taken', 'serial'], [3, 'm-4', 'unknown_region', 'region'], [4, null, 'invalid_row', 'meterId'], [5, 'm-6', 'invalid_row', 'installedOn'],
      [6, 'm-7', 'region_missing', 'region'], [7, 'm-8', 'created', ''], [8, 'm-9', 'serial_taken', 'serial'], [9, null, 'invalid_row', ''], [10, null, 'invalid_row', ''], [11, 'm-8', 'unchanged', ''],
    ]);
    const refused = await ndjson(rows, '?rows=refused');
    expect([refused.body.unchanged, refused.body.rows.length]).toEqual([3, 9]);
  });

  test('takes an array as well, and changes nothing when it is sent again', async () => {
    const rows = Array.from({ length: 1_234 }, (_, i) => ({ meterId: `m-${i}`, region: 'north', serial: `S${i}`, address: { city: `City ${i % 7}` } }));
    expect((await send('POST', IMPORTS, rows)).body).toMatchObject({ created: 1_234, refused: 0 });
    expect((await send('POST', IMPORTS, rows)).body).toMatchObject({ unchanged: 1_234 });
    expect((await get(`${BASE}/m-1233`)).body.version).toBe(1);
    const found: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: ApiReply = await get(`${BASE}?q=city%203&limit=50${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`);
      found.push(...page.body.data.map(({ meterId }: { meterId: string }) => meterId));
      cursor = page.body.nextCursor;
    }
    expect([found.length, new Set(found).size]).toEqual([176, 176]);
    for (const cursor of ['x', '7.a', '0.', '0.ä']) expect(outcome(await get(`${BASE}?cursor=${encodeURIComponent(cursor)}`)), cursor).toEqual([400, 'invalid_query']);
  });

  test('that is tried writes nothing, and says what would come of it', async () => {
    const rows = [{ meterId: 'm-1', region: 'north', serial: 'A' }, { meterId: 'm-2', region: 'north', serial: 'a' }, { meterId: 'm-1', note: 'x' }];
    const tried = await ndjson(rows, '?mode=dry-run');
    expect([tried.body.dryRun, ...tried.body.rows.map(({ outcome: what, code }: any) => code ?? what)]).toEqual([true, 'created', 'serial_taken', 'updated']);
    expect((await get(BASE)).body.data).toEqual([]);
  });

  test('of too much, of nothing, or of what is no import is refused as a whole', async () => {
    const rows = Array.from({ length: 10_001 }, (_, i) => ({ meterId: `m-${i}`, region: 'north' }));
    for (const reply of [await ndjson(rows), await send('POST', IMPORTS, rows)]) expect(outcome(reply)).toEqual([422, 'too_many_rows']);
    expect((await get(BASE)).body.data).toEqual([]);
    expect((await ndjson(rows.slice(1), '?rows=refused')).body).toMatchObject({ created: 10_000, rows: [] });
    for (const reply of [await ndjson([]), await send('POST', IMPORTS, []), await send('POST', IMPORTS, { meterId: 'm' })]) expect(outcome(reply)).toEqual([422, 'invalid_body']);
    expect(outcome(await call('POST', IMPORTS, { headers: as('admin', { 'content-type': 'application/json' }), body: '[{"meterId": "m"' }))).toEqual([400, 'invalid_json']);
    for (const headers of [{ 'content-type': 'text/csv' }, { 'content-type': 'application/x-ndjson; charset=latin1' }, { 'content-encoding': 'gzip' }]) expect(outcome(await ndjson([{ meterId: 'm' }], '', 'admin', headers))).toEqual([415, 'unsupported_media_type']);
    expect(outcome(await ndjson([{ meterId: 'm', note: 'x'.repeat(5 * 1024 * 1024) }]))).toEqual([413, 'body_too_large']);
    expect(outcome(await ndjson([{ meterId: 'm' }], '?mode=try'))).toEqual([400, 'invalid_query']);
  });

  test('under way lets others be answered', async () => {
    const rows = Array.from({ length: 10_000 }, (_, i) => ({ meterId: `m-${i}`, region: 'north', serial: `S${i}` }));
    let done = false;
    const imported = ndjson(rows, '?rows=refused').then(() => (done = true));
    let answered = 0;
    while (!done) {
      await get(`${BASE}/m-1`);
      answered++;
    }
    await imported;
    expect(answered).toBeGreaterThan(5);
  });

  test('with a key is done once', async () => {
    const rows = [{ meterId: 'm-1', region: 'north' }];
    const first = await ndjson(rows, '', 'admin', { 'idempotency-key': '"a"' });
    const again = await ndjson(rows, '', 'admin', { 'idempotency-key': '"a"' });
    expect([first.body.created, again.body.created, again.headers['idempotency-replayed']]).toEqual([1, 1, 'true']);
  });
});
