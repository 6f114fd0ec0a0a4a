import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { TariffQuestion } from '../../src/actors/tariffs/protocol.ts';
import { startGateway, type Gateway } from '../../src/http/gateway.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { apiClient, type ApiReply } from '../support/api-client.ts';
import { AT, fakeEngine } from '../support/fake-engine.ts';
import { AGREEMENT, BILL, COMPARISON, fakeTariffs, INVOICE, TARIFF, VERSION, type FakeTariffs } from '../support/fake-tariffs.ts';

/** The gateway's routes of tariffs and bills before a supervisor that is none. */

const NOW = AT + 1_000;
const ISO = '2026-01-15T12:00:00.000Z';
const DAY_MS = 86_400_000;

let tariffs: FakeTariffs;
let gateway: Gateway;
let off: Gateway;

const tariffsNow = new Proxy({} as FakeTariffs, { get: (_, name) => tariffs[name as keyof FakeTariffs] });
const call = apiClient(() => gateway.port);
const get = (path: string) => call('GET', path);
const post = (path: string, body: unknown, headers?: Record<string, string>) => call('POST', path, { body, headers });
const put = (path: string, body: unknown, headers?: Record<string, string>) => call('PUT', path, { body, headers });

beforeAll(async () => {
  const modules = { engine: fakeEngine(), clock: { ...systemClock, now: () => NOW }, timers: systemTimers, log: nullLog };
  const options = { host: '127.0.0.1', port: 0, queriesInFlightMax: 4, requestIdPrefix: 'test' };
  gateway = await startGateway(options, { ...modules, tariffs: tariffsNow });
  off = await startGateway(options, modules);
});

beforeEach(() => {
  tariffs = fakeTariffs();
});

afterAll(() => Promise.all([gateway.close(1_000), off.close(1_000)]));

/** The only question that was put. */
function asked(): unknown {
  expect(tariffs.asked).toHaveLength(1);
  return tariffs.asked[0];
}

function refuse(kind: TariffQuestion['kind'], code: string): void {
  tariffs.answers[kind] = (): never => {
    throw new OperationalError(code, 'it does not go');
  };
}

/** Paths of the faults of a 422. */
function faultPaths(reply: ApiReply, code = 'invalid_body'): string[] {
  expect([reply.status, reply.body.code, reply.headers['content-type']], JSON.stringify(reply.body)).toEqual([422, code, 'application/problem+json']);
  return reply.body.faults.map(({ path }: { path: string }) => path).sort();
}

describe('tariffs', () => {
  test('are listed without their documents, and shown by version with an ETag', async () => {
    const list = await get('/api/v1/tariffs?limit=5&cursor=c');
    expect(tariffs.asked).toEqual([{ kind: 'tariffs', limit: 5, cursor: 'c' }]);
    expect(list.body).toEqual({ data: [{ id: 'flat', version: 3, name: 'Flat', currency: 'AUD', zone: 'Australia/Sydney', effectiveFrom: '2026-01-01', effectiveTo: null, appliesTo: null, storedAt: ISO, by: 'Ada' }], nextCursor: 'next' });
    const one = await get('/api/v1/tariffs/flat');
    expect([one.headers.etag, one.body.storedAt, one.body.document.rounding.digits]).toEqual(['"3"', ISO, 2]);
    await get('/api/v1/tariffs/flat?version=2');
    expect(tariffs.asked.slice(1)).toEqual([{ kind: 'tariff', id: 'flat', version: null }, { kind: 'tariff', id: 'flat', version: 2 }]);
    expect((await get('/api/v1/tariffs/flat/versions')).body.data).toHaveLength(1);
    for (const query of ['version=0', 'version=x', 'versions=1']) expect((await get(`/api/v1/tariffs/flat?${query}`)).status, query).toBe(400);
  });

  test('are put as whole documents by somebody, over the version that is expected or none', async () => {
    const { status, headers, body } = await put('/api/v1/tariffs/flat?by=Ada', TARIFF);
    expect([status, headers.etag, headers.location, body.version]).toEqual([201, '"4"', '/api/v1/tariffs/flat?version=4', 4]);
    expect(asked()).toEqual({ kind: 'putTariff', document: VERSION.document, expectedVersion: null, by: 'Ada' });
    await put('/api/v1/tariffs/flat?by=Ada', TARIFF, { 'if-match': '"3"' });
    await put('/api/v1/tariffs/flat?by=Ada', TARIFF, { 'if-none-match': '*' });
    expect(tariffs.asked.slice(1).map((question) => (question as { expectedVersion: number }).expectedVersion)).toEqual([3, 0]);
    refuse('putTariff', 'stale_version');
    expect((await put('/api/v1/tariffs/flat?by=Ada', TARIFF, { 'if-match': '"2"' })).body).toMatchObject({ status: 409, code: 'stale_version' });
  });

  test('with faults are refused with the path of each, and nobody is asked', async () => {
    expect(faultPaths(await put('/api/v1/tariffs/flat?by=Ada', { ...TARIFF, currency: 'dollars', colour: 'red', charges: [] }), 'invalid_tariff')).toEqual(['charges', 'colour', 'currency']);
    expect(faultPaths(await put('/api/v1/tariffs/other?by=Ada', TARIFF), 'invalid_tariff')).toEqual(['id']);
    expect((await put('/api/v1/tariffs/flat', TARIFF)).body).toMatchObject({ status: 400, faults: [{ parameter: 'by' }] });
    expect((await put('/api/v1/tariffs/flat?by=Ada', TARIFF, { origin: 'https://evil.example' })).status).toBe(403);
    expect((await put('/api/v1/tariffs/flat?by=Ada', TARIFF, { 'if-match': 'W/"3"' })).status).toBe(400);
    expect(tariffs.asked).toEqual([]);
  });

  test('are checked without being put', async () => {
    expect((await post('/api/v1/tariffs/check', TARIFF)).body).toMatchObject({ valid: true, faults: [], document: { dueDays: 21 } });
    const { status, body } = await post('/api/v1/tariffs/check', { ...TARIFF, zone: 'Mars/Olympus' });
    expect([status, body]).toMatchObject([200, { valid: false, faults: [{ path: 'zone' }], document: null }]);
    expect(tariffs.asked).toEqual([]);
  });

  test('count for meters and regions at a time', async () => {
    expect((await get('/api/v1/meters/meter:1/tariff')).body).toMatchObject({ id: 'flat', agreementId: 'a1', storedAt: ISO });
    await get('/api/v1/regions/north/tariffs?at=2026-01-01T00:00:00Z');
    expect(tariffs.asked).toEqual([{ kind: 'tariffOf', meterId: 'meter:1', at: NOW }, { kind: 'tariffsOfRegion', region: 'north', at: Date.UTC(2026, 0, 1) }]);
    expect((await get('/api/v1/meters/a%20b/tariff')).body.code).toBe('unknown_meter');
    refuse('tariffOf', 'no_tariff');
    expect((await get('/api/v1/meters/meter:1/tariff')).body).toMatchObject({ status: 404, code: 'no_tariff' });
  });
});

describe('agreements', () => {
  const NEW = { meterId: 'meter:1', customer: { name: ' Zoë ' }, movedIn: '2026-01-01', by: 'Ada' };

  test('are made, listed and shown', async () => {
    const { status, headers, body } = await post('/api/v1/agreements', NEW);
    expect([status, headers.location, headers.etag, body.id]).toEqual([201, '/api/v1/agreements/a%2F2', '"1"', 'a/2']);
    expect(asked()).toEqual({ kind: 'makeAgreement', by: 'Ada', agreement: { meterId: 'meter:1', customer: { name: 'Zoë', address: [], email: null, taxId: null }, customerClass: 'residential', tariffId: null, movedIn: '2026-01-01', movedOut: null } });
    expect((await get('/api/v1/agreements?meterId=meter:1')).body).toEqual({ data: [AGREEMENT], nextCursor: 'next' });
    expect((await get('/api/v1/agreements/a%2F2')).headers.etag).toBe('"2"');
    expect(tariffs.asked[2]).toEqual({ kind: 'agreement', id: 'a/2' });
  });

  test('with faults are refused with the path of each; what they name and is not there is a fault, too', async () => {
    const wrong = { ...NEW, meterId: 'a b', customer: { name: 'A\nB', address: ['ok', '\u0000'], email: 'ada', extra: 1 }, movedIn: '2026-02-30', tariffId: '', by: '' };
    expect(faultPaths(await post('/api/v1/agreements', wrong))).toEqual(['by', 'customer.address[1]', 'customer.email', 'customer.extra', 'customer.name', 'meterId', 'movedIn', 'tariffId']);
    expect(faultPaths(await post('/api/v1/agreements', { ...NEW, movedOut: '2026-01-01' }))).toEqual(['movedOut']);
    expect(tariffs.asked).toEqual([]);
    for (const [code, path] of [['unknown_tariff', 'tariffId'], ['unknown_meter', 'meterId']]) {
      refuse('makeAgreement', code);
      expect(faultPaths(await post('/api/v1/agreements', NEW), code)).toEqual([path]);
    }
    refuse('makeAgreement', 'agreement_overlaps');
    expect((await post('/api/v1/agreements', NEW)).body).toMatchObject({ status: 409, code: 'agreement_overlaps' });
  });

  test('are changed by what is named, against the version that was read', async () => {
    await call('PATCH', '/api/v1/agreements/a1', { body: { by: 'Ada', movedOut: '2026-01-31' } });
    await call('PATCH', '/api/v1/agreements/a1', { body: { by: 'Ada', customer: { email: 'z@example.org' }, tariffId: null }, headers: { 'if-match': '"1"' } });
    expect(tariffs.asked.filter(({ kind }) => kind === 'changeAgreement')).toEqual([
      { kind: 'changeAgreement', id: 'a1', version: 2, tariffId: undefined, customer: undefined, movedOut: '2026-01-31', by: 'Ada' },
      { kind: 'changeAgreement', id: 'a1', version: 1, tariffId: null, customer: { ...AGREEMENT.customer, email: 'z@example.org' }, movedOut: undefined, by: 'Ada' },
    ]);
    expect(faultPaths(await call('PATCH', '/api/v1/agreements/a1', { body: { by: 'Ada', customer: { email: 'nobody' } } }))).toEqual(['customer.email']);
    expect(faultPaths(await call('PATCH', '/api/v1/agreements/a1', { body: { by: 'Ada', movedOut: '2025-07-01' } }))).toEqual(['movedOut']);
    expect(faultPaths(await call('PATCH', '/api/v1/agreements/a1', { body: { by: 'Ada', meterId: 'm2' } }))).toEqual(['meterId']);
  });
});

describe('costs', () => {
  test('of days, of the month that goes on and of its end, and under other tariffs', async () => {
    expect((await get('/api/v1/meters/meter:1/estimate?from=2026-01-01&to=2026-01-08&tariff=flat')).body).toMatchObject({ total: '25.00', parts: [{ peakAt: ISO }] });
    expect((await get('/api/v1/meters/meter:1/cycle')).body).toMatchObject({ bill: { total: '25.00' }, projectedTotal: '31.00', currency: 'AUD' });
    expect((await get('/api/v1/meters/meter:1/projection')).body.total).toBe('31.00');
    expect((await get('/api/v1/meters/meter:1/compare?from=2025-01-01&to=2026-01-01&tariffs=flat,tou,flat')).body.data[0].monthly).toEqual([{ month: '2025-12', total: '25.00' }]);
    expect(tariffs.asked).toEqual([
      { kind: 'estimate', meterId: 'meter:1', from: '2026-01-01', to: '2026-01-08', tariffId: 'flat' },
      { kind: 'cycle', meterId: 'meter:1' },
      { kind: 'cycle', meterId: 'meter:1' },
      { kind: 'compare', meterId: 'meter:1', from: '2025-01-01', to: '2026-01-01', tariffIds: ['flat', 'tou'] },
    ]);
  });

  test('of no meter, of no days and of nonsense are refused', async () => {
    for (const query of ['', '?from=2026-01-01', '?from=2026-01-02&to=2026-01-02', '?from=2026-02-30&to=2026-03-01', '?from=1&to=2', '?from=2026-01-01&to=2026-01-02&tariff=']) {
      expect((await get(`/api/v1/meters/meter:1/estimate${query}`)).status, query).toBe(400);
    }
    expect((await get(`/api/v1/meters/meter:1/compare?from=2026-01-01&to=2026-02-01&tariffs=${Array.from({ length: 21 }, (_, i) => `t${i}`).join(',')}`)).status).toBe(400);
    for (const path of ['estimate?from=2026-01-01&to=2026-01-02', 'cycle', 'projection', 'compare?from=2026-01-01&to=2026-01-02&tariffs=a']) expect((await get(`/api/v1/meters/a%20b/${path}`)).body.code, path).toBe('unknown_meter');
    expect(tariffs.asked).toEqual([]);
    refuse('estimate', 'period_too_long');
    expect((await get('/api/v1/meters/meter:1/estimate?from=2000-01-01&to=2026-01-02')).status).toBe(422);
  });
});

describe('invoices', () => {
  test('are listed by everything, short, and exported whole', async () => {
    const { body } = await get('/api/v1/invoices?agreement=a1&meterId=meter:1&state=overdue&run=r1&region=north&limit=3&cursor=c');
    expect(asked()).toEqual({ kind: 'invoices', query: { agreementId: 'a1', meterId: 'meter:1', state: 'overdue', run: 'r1', region: 'north', limit: 3, cursor: 'c' } });
    expect([body.data[0].total, body.data[0].issuedAt, body.data[0].lines]).toEqual(['25.00', ISO, undefined]);
    expect((await get('/api/v1/invoices/export')).body.data[0].lines).toEqual(BILL.lines);
    const csv = await get('/api/v1/invoices/export?format=csv&run=r1');
    expect([csv.headers['content-type'], csv.headers['x-next-cursor'], csv.body.split('\r\n').length]).toEqual(['text/csv; charset=utf-8', 'next', 3]);
    expect(csv.body).toMatch(/^invoice,kind,.*\r\nINV-2026-000001,invoice,/);
    expect((await get('/api/v1/invoices/export?format=csv&cursor=c')).body).toMatch(/^INV-2026-000001,/);
    expect((await get('/api/v1/invoices/i%2F1/csv')).headers['content-disposition']).toBe('attachment; filename="INV-2026-000001.csv"');
    for (const query of ['state=lost', 'limit=0', 'x=1', 'cursor=']) expect((await get(`/api/v1/invoices?${query}`)).status, query).toBe(400);
    refuse('invoices', 'invalid_cursor');
    expect((await get('/api/v1/invoices?cursor=junk')).body).toMatchObject({ status: 400, faults: [{ parameter: 'cursor' }] });
  });

  test('are shown by id or number, drafted, explained and printed', async () => {
    const { headers, body } = await get('/api/v1/invoices/i%2F1');
    expect([headers.etag, body.number, body.parts[0].peakAt]).toEqual(['"5"', 'INV-2026-000001', ISO]);
    expect(asked()).toEqual({ kind: 'invoice', id: 'i/1' });
    expect((await get('/api/v1/agreements/a1/draft?month=2025-12')).body).toMatchObject({ number: null, state: 'draft', issuedAt: null });
    expect((await get('/api/v1/invoices/INV-2026-000001/explain')).body).toMatchObject({ agrees: true, lines: [{ how: '100 kWh at 0.25' }] });
    const pdf = await get('/api/v1/invoices/i%2F1/pdf?language=de');
    expect([pdf.status, pdf.headers['content-type'], pdf.headers['content-disposition'], pdf.body]).toEqual([200, 'application/pdf', 'attachment; filename="INV-2026-000001.pdf"', '%PDF INV-2026-000001 de']);
    expect((await get('/api/v1/invoices/i%2F1/pdf?language=fr')).status).toBe(400);
    // With the numbers of those that it names.
    tariffs.answers.invoice = ({ id }) => (id === 'i/1' ? { ...INVOICE, corrects: 'i/0', correctedBy: ['c/1', 'd/1'] } : { ...INVOICE, number: id === 'd/1' ? null : `NO-${id}` });
    expect((await get('/api/v1/invoices/i%2F1/pdf')).body).toBe('%PDF INV-2026-000001 en i/0 NO-i/0 c/1 NO-c/1 d/1 d/1');
    expect((await get('/api/v1/agreements/a1/draft?month=2025-13')).status).toBe(400);
    refuse('invoice', 'unknown_invoice');
    for (const path of ['', '/pdf']) expect((await get(`/api/v1/invoices/nothing${path}`)).body, path).toMatchObject({ status: 404, code: 'unknown_invoice' });
    for (const code of ['month_not_over', 'already_billed']) {
      refuse('draft', code);
      expect((await get('/api/v1/agreements/a1/draft?month=2025-12')).body).toMatchObject({ status: 409, code });
    }
  });

  test('are paid by reference', async () => {
    const paid = { amount: '25.00', method: 'bank', reference: 'REF 1', by: 'Ada' };
    expect((await post('/api/v1/invoices/i%2F1/payments', paid)).body).toMatchObject({ payment: { receivedAt: ISO }, invoice: { state: 'paid' } });
    expect(asked()).toEqual({ kind: 'pay', invoiceId: 'i/1', ...paid, receivedAt: NOW });
    expect((await get('/api/v1/invoices/i%2F1/payments')).body.data).toHaveLength(1);
    expect(faultPaths(await post('/api/v1/invoices/i%2F1/payments', { amount: '0', method: '', reference: '', by: 'Ada', receivedAt: 'then' }))).toEqual(['amount', 'method', 'receivedAt', 'reference']);
    for (const amount of [25, '-1', '1e3', '1.0000001', '1234567890123', '', 'NaN', '0.00']) expect(faultPaths(await post('/api/v1/invoices/i%2F1/payments', { ...paid, amount })), String(amount)).toEqual(['amount']);
    for (const code of ['wrong_state', 'overpaid']) {
      refuse('pay', code);
      expect((await post('/api/v1/invoices/i%2F1/payments', paid)).body).toMatchObject({ status: 409, code });
    }
  });

  test('are disputed, and disputes resolved', async () => {
    await post('/api/v1/invoices/i%2F1/disputes', { reason: 'too much', lines: [1], by: 'Ada' });
    await post('/api/v1/disputes/d1/resolve', { outcome: 'upheld', resolution: 'a wrong meter', creditAmount: '5.00', by: 'Bob' });
    const list = await get('/api/v1/disputes?invoice=i/1&open=true');
    expect(tariffs.asked).toEqual([
      { kind: 'dispute', invoiceId: 'i/1', reason: 'too much', lines: [1], by: 'Ada' },
      { kind: 'resolveDispute', id: 'd1', outcome: 'upheld', resolution: 'a wrong meter', creditAmount: '5.00', by: 'Bob' },
      { kind: 'disputes', invoiceId: 'i/1', openOnly: true, limit: 100, cursor: null },
    ]);
    expect(list.body.data[0]).toMatchObject({ openedAt: ISO, resolvedAt: null });
    expect((await get('/api/v1/invoices/i%2F1/disputes')).body.data).toHaveLength(1);
    expect(faultPaths(await post('/api/v1/disputes/d1/resolve', { outcome: 'rejected', resolution: 'no', creditAmount: '5', by: 'Bob' }))).toEqual(['creditAmount']);
    expect(faultPaths(await post('/api/v1/disputes/d1/resolve', { outcome: 'maybe', by: 'Bob' }))).toEqual(['outcome', 'resolution']);
    refuse('resolveDispute', 'unknown_dispute');
    expect((await post('/api/v1/disputes/d2/resolve', { outcome: 'withdrawn', resolution: 'paid', by: 'Bob' })).status).toBe(404);
  });
});

describe('billing runs', () => {
  test('are started for a month, and show how far they are', async () => {
    const { status, headers, body } = await post('/api/v1/billing-runs', { month: '2025-12', by: 'Ada' });
    expect([status, headers.location, body.startedAt, body.done]).toEqual([201, '/api/v1/billing-runs/r1', ISO, 4]);
    expect(asked()).toEqual({ kind: 'startRun', month: '2025-12', by: 'Ada' });
    expect((await get('/api/v1/billing-runs')).body.data).toHaveLength(1);
    expect((await get('/api/v1/billing-runs/r1')).body.state).toBe('running');
    for (const month of ['2025-00', '0000-01', '1969-12']) expect(faultPaths(await post('/api/v1/billing-runs', { month, by: 'Ada' })), month).toEqual(['month']);
    for (const code of ['month_not_over', 'run_under_way']) {
      refuse('startRun', code);
      expect((await post('/api/v1/billing-runs', { month: '2026-12', by: 'Ada' })).body).toMatchObject({ status: 409, code });
    }
    refuse('run', 'unknown_run');
    expect((await get('/api/v1/billing-runs/r2')).status).toBe(404);
  });
});

describe('comparisons of tariffs', () => {
  const NEW = { tariffs: [{ id: 'flat' }, { id: 'tou', version: 1 }], from: '2025-11', to: '2025-12', by: 'Ada' };
  const BASE = '/api/v1/tariff-comparisons';

  test('are begun for everybody, a region or meters, and show how far they are', async () => {
    const { status, headers, body } = await post(BASE, { ...NEW, meters: ['meter:1', 'meter:2'] });
    expect([status, headers.location, body.startedAt, body.of, body.done]).toEqual([202, `${BASE}/cmp-000001`, ISO, { kind: 'meters', meters: 2 }, 1]);
    await post(BASE, { ...NEW, region: 'north' });
    await post(BASE, NEW);
    const comparison = { tariffs: [{ id: 'flat', version: null }, { id: 'tou', version: 1 }], fromMonth: '2025-11', toMonth: '2025-12' };
    expect(tariffs.asked).toEqual(
      [{ kind: 'meters', meterIds: ['meter:1', 'meter:2'] }, { kind: 'region', region: 'north' }, { kind: 'agreements' }].map((of) => ({ kind: 'startComparison', comparison: { ...comparison, of }, by: 'Ada' })),
    );
    expect((await get(BASE)).body).toMatchObject({ data: [{ id: 'cmp-000001', endedAt: null }], nextCursor: 'next' });
    expect((await get(`${BASE}/cmp-000001`)).body.tariffs).toEqual(COMPARISON.tariffs);
    const ended = await call('DELETE', `${BASE}/cmp-000001`);
    expect([ended.status, ended.body.state, ended.body.endedAt]).toEqual([200, 'cancelled', ISO]);
    expect(tariffs.asked.at(-1)).toEqual({ kind: 'endComparison', id: 'cmp-000001' });
    expect((await call('DELETE', `${BASE}/cmp-000001`, { headers: { origin: 'https://evil.example' } })).status).toBe(403);
  });

  test('have a row for each customer, as JSON and as a table', async () => {
    const rows = await get(`${BASE}/cmp-000001/meters?limit=7&cursor=0.7`);
    expect(tariffs.asked).toEqual([{ kind: 'comparison', id: 'cmp-000001' }, { kind: 'comparedCustomers', id: 'cmp-000001', limit: 7, cursor: '0.7' }]);
    expect(rows.body.data).toEqual([{ meterId: 'meter:1', agreementId: 'a1', from: '2025-11-01', to: '2026-01-01', present: '25.00', costs: [{ tariffId: 'flat', version: 3, total: '25.00' }, { tariffId: 'tou', version: 1, total: '24.00' }], best: 'tou', saving: '1.00' }]);
    const csv = await get(`${BASE}/cmp-000001/meters?format=csv`);
    expect([csv.headers['content-type'], csv.headers['x-next-cursor']]).toEqual(['text/csv; charset=utf-8', 'next']);
    expect(csv.body).toBe('meterId,agreementId,from,to,currency,present,flat,tou,best,saving\r\nmeter:1,a1,2025-11-01,2026-01-01,AUD,25.00,25.00,24.00,tou,1.00\r\n');
    expect((await get(`${BASE}/cmp-000001/meters?format=csv&cursor=c`)).body).toMatch(/^meter:1,a1,/);
    refuse('comparedCustomers', 'bad_cursor');
    expect((await get(`${BASE}/cmp-000001/meters?cursor=junk`)).body).toMatchObject({ status: 400, faults: [{ parameter: 'cursor' }] });
  });

  test('with faults are refused with the path of each', async () => {
    const wrong = { tariffs: [{ id: 'a b' }, { id: 'flat', version: 0 }, 'tou'], from: '2025-13', to: '2025-12', meters: ['x y'], colour: 'red', by: '' };
    expect(faultPaths(await post(BASE, wrong))).toEqual(['by', 'colour', 'from', 'meters[0]', 'tariffs[0].id', 'tariffs[1].version', 'tariffs[2]']);
    expect(faultPaths(await post(BASE, { ...NEW, from: '2026-01' }))).toEqual(['to']);
    expect(faultPaths(await post(BASE, { ...NEW, meters: ['m'], region: 'north' }))).toEqual(['region']);
    expect(faultPaths(await post(BASE, { ...NEW, tariffs: [{ id: 'flat' }, { id: 'flat' }] }))).toEqual(['tariffs']);
    expect(faultPaths(await post(BASE, { ...NEW, meters: Array.from({ length: 2_001 }, (_, i) => `m${i}`) }))).toEqual(['meters']);
    expect(tariffs.asked).toEqual([]);
    for (const [code, status] of [['comparison_under_way', 409], ['tariff_not_in_force', 409], ['mixed_tariffs', 409], ['unknown_tariff', 404], ['period_too_long', 422]] as const) {
      refuse('startComparison', code);
      expect((await post(BASE, NEW)).body).toMatchObject({ status, code });
    }
    refuse('comparison', 'unknown_comparison');
    expect((await get(`${BASE}/cmp-9/meters`)).status).toBe(404);
  });
});

describe('prices by load', () => {
  test('are shown as they are and as they were', async () => {
    expect((await get('/api/v1/prices')).body).toEqual({ data: [{ region: 'north', price: '0.25', currency: 'AUD', multiplier: '1.00', loadPercent: 60, override: null, since: ISO }], nextCursor: null });
    expect((await get('/api/v1/prices/north')).body.price).toBe('0.25');
    expect((await get('/api/v1/prices/south')).status).toBe(404);
    await get('/api/v1/prices/north/history?limit=2');
    expect((await get('/api/v1/prices/no%20region/history')).status).toBe(404);
    expect(tariffs.asked.at(-1)).toEqual({ kind: 'priceHistory', region: 'north', from: NOW - DAY_MS, to: 253_402_300_799_999, limit: 2, cursor: null });
  });

  test('are overridden by somebody for a reason, until an end', async () => {
    const override = { region: 'north', price: '0.40', until: AT + 3_600_000, by: 'Ada', reason: 'works' };
    const { status, headers } = await post('/api/v1/price-overrides', override);
    expect([status, headers.location]).toEqual([201, '/api/v1/price-overrides/o%2F2']);
    expect(asked()).toEqual({ kind: 'makeOverride', from: NOW, ...override });
    expect((await call('DELETE', '/api/v1/price-overrides/o1?by=Ada&reason=over')).body.endedAt).toBe(ISO);
    expect((await get('/api/v1/price-overrides?region=north&ended=true')).body.data[0].until).toBe('2026-01-15T13:00:00.000Z');
    expect(tariffs.asked.slice(1)).toEqual([{ kind: 'endOverride', id: 'o1', by: 'Ada', reason: 'over' }, { kind: 'overrides', region: 'north', withEnded: true, limit: 100, cursor: null }]);
    expect(faultPaths(await post('/api/v1/price-overrides', { ...override, region: 'a b', price: 0.4, by: '', reason: '' }))).toEqual(['by', 'price', 'reason', 'region']);
    for (const [field, value] of [['until', NOW], ['until', NOW + 400 * DAY_MS], ['from', NOW - DAY_MS]] as const) expect(faultPaths(await post('/api/v1/price-overrides', { ...override, [field]: value })), field).toEqual([field]);
    // One that began a moment ago, as clocks are apart, and is over already.
    expect(faultPaths(await post('/api/v1/price-overrides', { ...override, from: NOW - 2_000, until: NOW - 1_000 }))).toEqual(['until']);
    expect((await call('DELETE', '/api/v1/price-overrides/o1?by=Ada')).status).toBe(400);
    refuse('endOverride', 'unknown_override');
    expect((await call('DELETE', '/api/v1/price-overrides/o9?by=Ada&reason=over')).body.detail).toContain('price-overrides');
    refuse('makeOverride', 'override_overlaps');
    expect((await post('/api/v1/price-overrides', override)).status).toBe(409);
  });
});

test('an engine without tariffs and bills says so', async () => {
  const callOff = apiClient(() => off.port);
  for (const path of ['/api/v1/tariffs', '/api/v1/invoices/1/pdf', '/api/v1/prices', '/api/v1/meters/m/cycle']) expect((await callOff('GET', path)).body, path).toMatchObject({ status: 404, code: 'billing_off' });
});

test('a supervisor that is away is 503', async () => {
  tariffs.answers.invoice = (): never => {
    throw new OperationalError('unavailable', 'it restarts', { retryable: true });
  };
  const { status, headers } = await get(`/api/v1/invoices/${encodeURIComponent(INVOICE.id)}`);
  expect([status, headers['retry-after']]).toEqual([503, '1']);
});
