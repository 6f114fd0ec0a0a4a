import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiClient } from '../../src/cli/api-client.ts';
import { explainInvoice, exportInvoices, listInvoices, payInvoice, printInvoice, showInvoice } from '../../src/cli/billing/bill-command.ts';
import { progressText, runMonth } from '../../src/cli/billing/bill-run.ts';
import { compareTariffs } from '../../src/cli/billing/tariff-compare.ts';
import { listTariffs, putTariff, showTariff } from '../../src/cli/billing/tariff-store-commands.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { exampleInvoice } from '../support/example-invoices.ts';

let server: http.Server;
let url: string;
let api: ApiClient;
let directory: string;
let printed: string;
let progress: string;
let asked: { method: string; path: string; body: unknown }[];
/** Answers by path, in turn; the last one stays. */
let answers: Record<string, { status?: number; body: unknown }[]>;

const print = (text: string) => void (printed += text);
const modules = { clock: systemClock, progress: { write: (text: string) => void (progress += text) } };

beforeEach(async () => {
  printed = progress = '';
  asked = [];
  server = http.createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    asked.push({ method: request.method!, path: request.url!, body: body === '' ? null : JSON.parse(body) });
    const own = answers[request.url!] ?? answers[request.url!.split('?')[0]];
    const { status = 200, body: document } = own === undefined ? { status: 404, body: { title: 'Not Found', detail: 'there is none' } } : own.length > 1 ? own.shift()! : own[0];
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(document instanceof Uint8Array ? document : JSON.stringify(document));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  api = new ApiClient(url);
  directory = await mkdtemp(join(tmpdir(), 'seg-bill-'));
});
afterEach(async () => {
  api.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(directory, { recursive: true, force: true });
});

/** As the API has it. */
function wire(changes: Parameters<typeof exampleInvoice>[0] = {}): object {
  const invoice = exampleInvoice(changes);
  return { ...invoice, issuedAt: invoice.issuedAt === null ? null : new Date(invoice.issuedAt).toISOString(), parts: invoice.parts.map((part) => ({ ...part, peakAt: part.peakAt === null ? null : new Date(part.peakAt).toISOString() })) };
}

const run = (changes: object = {}) => ({ id: 'r-1', month: '2026-07', state: 'running', startedAt: '2026-08-01T00:00:00.000Z', startedBy: 'ada', endedAt: null, agreements: 4, done: 0, issued: 0, incomplete: { bills: 0, aboveTenth: 0 }, faults: [], failed: 0, after: null, ...changes });
const page = (data: unknown[], nextCursor: string | null = null) => ({ body: { data, nextCursor } });

describe('seg bill run', () => {
  it('starts the month, shows how far it is, and sums up', async () => {
    answers = { '/api/v1/billing-runs': [{ body: run() }], '/api/v1/billing-runs/r-1': [{ body: run({ done: 2, issued: 2 }) }, { body: run({ state: 'done', done: 4, issued: 4 }) }] };
    expect(await runMonth(api, { month: '2026-07', by: 'ada', isWatched: true }, print, modules)).toBe(true);
    expect(asked[0]).toEqual({ method: 'POST', path: '/api/v1/billing-runs', body: { month: '2026-07', by: 'ada' } });
    expect(progress).toContain('[------------------------]   0 %  0 of 4 agreements  0 invoices');
    expect(printed).toBe('run r-1 of 2026-07: done. 4 of 4 agreements, 4 invoices issued\nseg bill list --run r-1 lists the invoices\n');
  });

  it('is a failure when somebody could not be billed, and says who', async () => {
    answers = { '/api/v1/billing-runs': [{ body: run({ state: 'done', done: 4, issued: 2, failed: 2, faults: [{ agreementId: 'ag-7\u001b[2J', code: 'no_tariff', message: 'no tariff applies to house-7' }] }) }] };
    expect(await runMonth(api, { month: '2026-07', by: 'ada', isWatched: true }, print, modules)).toBe(false);
    expect(printed).toContain('2 could not be billed\n  ag-7 [2J: no tariff applies to house-7 [no_tariff]\n  and 1 more\n');
  });

  it('says how many of the bills have quarter-hours missing', async () => {
    for (const [incomplete, words] of [[{ bills: 1_200, aboveTenth: 3 }, 'issued, 1,200 of them with quarter-hours missing (more than a tenth in 3)\n'], [null, 'issued\n']] as const) {
      printed = '';
      answers = { '/api/v1/billing-runs': [{ body: run({ state: 'done', done: 4, issued: 4, incomplete }) }] };
      await runMonth(api, { month: '2026-07', by: 'ada', isWatched: true }, print, modules);
      expect(printed).toContain(words);
    }
  });

  it('can be left to itself', async () => {
    answers = { '/api/v1/billing-runs': [{ body: run() }] };
    expect(await runMonth(api, { month: '2026-07', by: 'ada', isWatched: false }, print, modules)).toBe(true);
    expect(printed).toBe('run r-1 of 2026-07: under way\n');
    expect(asked).toHaveLength(1);
  });

  it('goes on when nobody watches any more', async () => {
    answers = { '/api/v1/billing-runs': [{ body: run() }], '/api/v1/billing-runs/r-1': [{ body: run() }] };
    const stop = new AbortController();
    await expect(runMonth(api, { month: '2026-07', by: 'ada', isWatched: true }, print, { ...modules, progress: { write: () => stop.abort() }, signal: stop.signal })).rejects.toMatchObject({ code: 'aborted', message: expect.stringContaining('goes on in the engine') });
  });

  it('refuses with what the engine says', async () => {
    answers = { '/api/v1/billing-runs': [{ status: 409, body: { title: 'Conflict', detail: '2026-12 is not over' } }] };
    await expect(runMonth(api, { month: '2026-12', by: 'ada', isWatched: true }, print, modules)).rejects.toMatchObject({ message: expect.stringContaining('2026-12 is not over') });
  });

  it('shows a rate and the time left once they say something', () => {
    const of = run({ agreements: 100_000, done: 25_000, issued: 24_998, failed: 2 }) as never;
    expect(progressText(of, 1.25, 20_000)).toBe('[######------------------]  25 %  25,000 of 100,000 agreements  24,998 invoices  2 without  1,250/s  1m 00s left');
    expect(progressText(of, 1.25, 100)).not.toContain('/s');
    expect(progressText(run({ state: 'paused' }) as never, 0, 9_000)).toContain('waiting for a part of the engine');
    expect(progressText(run({ agreements: 0 }) as never, 0, 0)).toContain('100 %');
  });
});

describe('seg bill', () => {
  it('lists invoices with filters, over pages, up to the limit', async () => {
    answers = { '/api/v1/invoices?state=overdue&limit=3': [page([wire(), wire({ number: null })], 'n')], '/api/v1/invoices?state=overdue&limit=3&cursor=n': [page([wire({ kind: 'creditNote', number: 'CN-2026-000001' }), wire()], 'm')] };
    await listInvoices(api, { state: 'overdue', limit: 3 }, print);
    const lines = printed.split('\n');
    expect(lines[0]).toMatch(/^number +state +days +meter +customer +total +to pay +due$/);
    expect(lines[1]).toMatch(/^INV-2026-000042 +issued +2026-07-01\.\.2026-08-01 +CH\d+ +Zoë Müller-Łukasiewicz +121\.40 +121\.40 +CHF +2026-08-24$/);
    expect(lines[2]).toMatch(/^\(draft i-0001\)/);
    expect(lines[3]).toMatch(/^CN-2026-000001 +credit note/);
    expect(lines[4]).toBe('and more; --limit shows them');
  });

  it('shows one with its lines', async () => {
    answers = { '/api/v1/invoices/INV-2026-000042': [{ body: wire({ differences: [{ text: 'VAT', before: '9.00', after: null }] }) }] };
    await showInvoice(api, 'INV-2026-000042', {}, print);
    expect(printed).toMatch(/^Invoice +INV-2026-000042 \(issued\)\n/);
    expect(printed).toMatch(/\n1 +Energy · peak +1 – 31 Jul +128\.412 +kWh +0\.3125 +40\.13 +home-tou v3\n/);
    expect(printed).toMatch(/\n9 +VAT 8\.1 % +1 – 31 Jul +112\.30 +of it +8\.1 % +9\.10/);
    expect(printed).toMatch(/Total +121\.40 CHF\n/);
    expect(printed).toContain('  VAT: 9.00 → –\n');
    printed = '';
    await showInvoice(api, 'INV-2026-000042', { json: true }, print);
    expect(JSON.parse(printed)).toEqual(wire({ differences: [{ text: 'VAT', before: '9.00', after: null }] }));
  });

  it('explains one, and says whether it agrees', async () => {
    const lines = [{ number: 1, text: 'Energy', how: '128.412 kWh × 0.3125 = 40.13', amount: '40.13', recomputed: '40.13', agrees: true }];
    answers = { '/api/v1/invoices/a%2Fb/explain': [{ body: { invoice: wire(), recomputed: { total: '121.40' }, agrees: true, lines } }, { body: { invoice: wire(), recomputed: { total: '121.41' }, agrees: false, lines: [{ ...lines[0], recomputed: '40.14', agrees: false }, { ...lines[0], number: 2, recomputed: null, agrees: false }] } }] };
    expect(await explainInvoice(api, 'a/b', print)).toBe(true);
    expect(printed).toBe('  1  Energy: 40.13  (agrees)\n     128.412 kWh × 0.3125 = 40.13\n\nINV-2026-000042 agrees with its intervals to the last unit: 121.40 CHF\n');
    printed = '';
    expect(await explainInvoice(api, 'a/b', print)).toBe(false);
    expect(printed).toContain('40.13  (DIFFERS: it would be 40.14 now)');
    expect(printed).toContain('(DIFFERS: there is no such line now)');
    expect(printed).toContain('INV-2026-000042 DIFFERS from its intervals: it is 121.40 CHF, and would be 121.41 now.');
  });

  it('prints one into a file', async () => {
    answers = { '/api/v1/invoices/INV-1/pdf?language=de': [{ body: new Uint8Array([37, 80, 68, 70, 0, 255]) }] };
    const out = join(directory, 'a.pdf');
    await printInvoice(api, 'INV-1', { language: 'de', out }, print);
    expect([...(await readFile(out))]).toEqual([37, 80, 68, 70, 0, 255]);
    await expect(printInvoice(api, 'INV-1', { language: 'de', out: join(directory, 'none', 'a.pdf') }, print)).rejects.toMatchObject({ code: 'out_unwritable' });
    await expect(printInvoice(api, 'INV-2', { language: 'de', out }, print)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('lists those of a region, past pages that have few of them or none', async () => {
    answers = { '/api/v1/invoices?region=north&limit=3': [page([], 'n')], '/api/v1/invoices?region=north&limit=3&cursor=n': [page([wire()])] };
    await listInvoices(api, { region: 'north', limit: 3 }, print);
    expect(printed).toMatch(/^number .*\nINV-2026-000042 .*\n$/);
  });

  it('books a payment', async () => {
    answers = { '/api/v1/invoices/INV-1/payments': [{ body: { payment: { id: 'p-1', amount: '21.40' }, invoice: wire({ state: 'paid', outstanding: '0.00' }) } }] };
    await payInvoice(api, 'INV-1', '21.40', { reference: 'RF1', method: 'bank', by: 'ada' }, print);
    expect(asked).toEqual([{ method: 'POST', path: '/api/v1/invoices/INV-1/payments', body: { amount: '21.40', method: 'bank', reference: 'RF1', by: 'ada' } }]);
    expect(printed).toBe('21.40 CHF booked on INV-2026-000042 (p-1); it is paid, 0.00 CHF to pay\n');
  });

  it('exports invoices with their lines', async () => {
    answers = { '/api/v1/invoices/export?run=r-1&limit=200': [page([wire()], 'n')], '/api/v1/invoices/export?run=r-1&limit=200&cursor=n': [page([wire({ number: 'INV-2' })])] };
    const out = join(directory, 'a.csv');
    await exportInvoices(api, { run: 'r-1', format: 'csv', out }, print);
    const lines = (await readFile(out, 'utf8')).split('\r\n');
    expect(lines).toHaveLength(1 + 9 + 9 + 1);
    expect(lines[1]).toContain('INV-2026-000042,invoice,issued,2026-08-03T07:12:00.000Z');
    expect(printed).toBe(`2 invoices written to ${out}\n`);
  });
});

describe('seg tariff', () => {
  it('gives the engine a document under its id', async () => {
    answers = { '/api/v1/tariffs/flat?by=ada%20l': [{ body: { id: 'flat', version: 2 } }] };
    const file = join(directory, 'flat.json');
    await writeFile(file, '{"id":"flat","x":1}');
    await putTariff(api, file, 'ada l', print);
    expect(asked).toEqual([{ method: 'PUT', path: '/api/v1/tariffs/flat?by=ada%20l', body: { id: 'flat', x: 1 } }]);
    expect(printed).toBe('flat is stored as version 2\n');
  });

  it('refuses what is no document, before it asks', async () => {
    const file = join(directory, 'a.json');
    for (const text of ['{', '[]', '{"id":7}', 'null']) {
      await writeFile(file, text);
      await expect(putTariff(api, file, 'ada', print)).rejects.toMatchObject({ code: 'unreadable' });
    }
    await expect(putTariff(api, join(directory, 'none'), 'ada', print)).rejects.toMatchObject({ code: 'unreadable' });
    expect(asked).toEqual([]);
  });

  it('lists and shows what is there', async () => {
    answers = { '/api/v1/tariffs': [page([{ id: 'flat', version: 2, name: 'Flat', currency: 'CHF', zone: 'Europe/Zurich', effectiveFrom: '2026-01-01', effectiveTo: null }])], '/api/v1/tariffs/flat?version=1': [{ body: { id: 'flat', version: 1, document: { id: 'flat' } } }] };
    await listTariffs(api, print);
    expect(printed).toBe('id    version  name  currency  zone           from        to\nflat        2  Flat  CHF       Europe/Zurich  2026-01-01\n');
    printed = '';
    await showTariff(api, 'flat', 1, print);
    expect(JSON.parse(printed)).toEqual({ id: 'flat' });
  });
});

describe('seg tariff compare', () => {
  const compared = (flat: string, tou: string) => {
    const of = (tariffId: string, total: string, difference: string) => ({ tariffId, version: 1, total, currency: 'CHF', difference, monthly: [{ month: '2026-11', total }, { month: '2026-12', total: '0.00' }] });
    return page(Number(flat) < Number(tou) ? [of('flat', flat, '0.00'), of('tou', tou, '1.00')] : [of('tou', tou, '-1.00'), of('flat', flat, '0.00')]);
  };
  const tariffs = ['flat', 'tou'].map((id) => ({ id, version: null }));
  const options = { tariffs, fromMonth: '2026-11', toMonth: '2026-12', csv: null, by: 'ada' };
  const comparison = (changes: object = {}) => ({
    body: {
      ...{ id: 'cmp-000001', state: 'running', fromMonth: '2026-11', toMonth: '2026-12', of: { kind: 'agreements' }, all: 4, done: 0, rated: 0, failed: 0, failures: [], currency: 'CHF' },
      ...{ tariffs: [{ tariffId: 'flat', version: 1, total: '0', bestFor: 0 }, { tariffId: 'tou', version: 3, total: '0', bestFor: 0 }], present: { customers: 0, total: '0' }, saving: { customers: 0, total: '0' } },
      ...changes,
    },
  });
  const ONE = '/api/v1/tariff-comparisons/cmp-000001';
  const done = {
    ...{ state: 'done', done: 4, rated: 3, failed: 1, failures: [{ code: 'unknown_meter', count: 1, meterId: 'm-4\u001b[2J', message: 'there is no meter' }] },
    ...{ tariffs: [{ tariffId: 'flat', version: 1, total: '100000000000.31', bestFor: 2 }, { tariffId: 'tou', version: 3, total: '5.70', bestFor: 1 }], present: { customers: 3, total: '9.00' }, saving: { customers: 1, total: '1.25' } },
  };

  it('shows a meter by month, at once', async () => {
    answers = { '/api/v1/meters/m-1/compare?from=2026-11-01&to=2027-01-01&tariffs=flat%2Ctou': [compared('10.00', '9.00')] };
    await compareTariffs(api, { ...options, of: { meters: ['m-1'] } }, print, modules);
    expect(printed).toBe('tariff   total       difference  2026-11  2026-12\ntou v1    9.00  CHF       -1.00     9.00     0.00\nflat v1  10.00  CHF        0.00    10.00     0.00\n');
    expect(asked).toHaveLength(1);
  });

  it('watches the engine compare many, sums up, and says why who is left out', async () => {
    answers = { '/api/v1/tariffs': [page([{ id: 'flat' }, { id: 'tou' }])], '/api/v1/tariff-comparisons': [comparison()], [ONE]: [comparison({ done: 2, rated: 2 }), comparison(done)] };
    await compareTariffs(api, { ...options, tariffs: null, of: 'agreements' }, print, modules);
    expect(asked[1]).toEqual({ method: 'POST', path: '/api/v1/tariff-comparisons', body: { tariffs, from: '2026-11', to: '2026-12', by: 'ada' } });
    expect(progress).toContain('[------------------------]   0 %  0 of 4 looked at  0 customers rated');
    expect(printed).toBe(
      [
        'tariff     all together       best for',
        'tou                5.70  CHF         1  33 %',
        'flat    100000000000.31  CHF         2  67 %',
        '3 customers',
        '3 pay 9.00 CHF now; 1 of them would save 1.25 CHF with the best of these',
        `comparison cmp-000001 is kept with a row for each: ${ONE}/meters`,
        'left out: 1, as m-4 [2J: there is no meter [unknown_meter]',
        '',
      ].join('\n'),
    );
  });

  it('has meters, a region and versions compared, and a row for each written', async () => {
    answers = { '/api/v1/tariff-comparisons': [comparison(done)], [`${ONE}/meters`]: [{ body: Buffer.from('meterId\r\nm-1\r\n') }] };
    const csv = join(directory, 'best.csv');
    const versions = [{ id: 'flat', version: 2 }];
    await compareTariffs(api, { ...options, tariffs: versions, of: { meters: ['m-1'] } }, print, modules);
    await compareTariffs(api, { ...options, of: { region: 'north' }, csv }, print, modules);
    expect(asked.filter(({ method }) => method === 'POST').map(({ body }) => body)).toEqual([
      { tariffs: versions, from: '2026-11', to: '2026-12', by: 'ada', meters: ['m-1'] },
      { tariffs, from: '2026-11', to: '2026-12', by: 'ada', region: 'north' },
    ]);
    expect(await readFile(csv, 'utf8')).toBe('meterId\r\nm-1\r\n');
  });

  it('cancels the comparison where it is stopped', async () => {
    answers = { '/api/v1/tariff-comparisons': [comparison()], [ONE]: [comparison()] };
    const stop = new AbortController();
    const stopped = compareTariffs(new ApiClient(url, stop.signal), { ...options, of: 'agreements' }, print, { ...modules, progress: { write: () => stop.abort() }, signal: stop.signal });
    await expect(stopped).rejects.toMatchObject({ code: 'aborted' });
    expect(asked.at(-1)).toEqual({ method: 'DELETE', path: ONE, body: null });
  });

  it('says so when there is nothing to compare, or the engine gave it up', async () => {
    answers = { '/api/v1/tariffs': [page([])], '/api/v1/tariff-comparisons': [comparison({ state: 'done' })] };
    await expect(compareTariffs(api, { ...options, tariffs: null, of: 'agreements' }, print, modules)).rejects.toMatchObject({ code: 'usage' });
    await expect(compareTariffs(api, { ...options, of: 'agreements' }, print, modules)).rejects.toMatchObject({ code: 'nothing_rated' });
    await expect(compareTariffs(api, { ...options, tariffs: Array.from({ length: 21 }, (_, i) => ({ id: `t${i}`, version: null })), of: 'agreements' }, print, modules)).rejects.toMatchObject({ code: 'usage' });
    answers = { '/api/v1/tariff-comparisons': [comparison({ state: 'cancelled' })] };
    await expect(compareTariffs(api, { ...options, of: 'agreements' }, print, modules)).rejects.toMatchObject({ code: 'comparison_failed' });
  });
});
