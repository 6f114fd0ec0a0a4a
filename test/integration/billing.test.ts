import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Temporal } from 'temporal-polyfill';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { post, scrape } from '../support/engine-api.ts';
import { allOf, exampleTariff, postQuarters, send, sent } from '../support/billing-engine.ts';
import { EngineProcess, eventually, removeDirectory, REPOSITORY, seg, temporaryDirectory } from '../support/engine-process.ts';

/** Tariffs and bills of a real engine: from a document and readings to invoices that outlive a kill in the middle of a run. */

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** Sydney's clock goes to summer time on 2026-10-04: that day has 92 quarter-hours. */
const OCTOBER = { fromMs: Date.UTC(2026, 8, 30, 14), toMs: Date.UTC(2026, 9, 31, 13) };
const EXAMPLES = join(REPOSITORY, 'docs/tariffs');
/** Customers whose meters sent a few readings. */
const CROWD = 800;

/** Wh of a quarter-hour, another one each time. */
const use = (startMs: number): number => 100 + ((startMs / 900_000) % 97);

/** What October comes to, by what a clock in Sydney says of each quarter-hour, in millionths of a dollar. */
function octoberByHand(wattHours: (startMs: number) => number): { peakWh: number; offPeakWh: number } {
  const clock = new Intl.DateTimeFormat('en-AU', { timeZone: 'Australia/Sydney', weekday: 'short', day: 'numeric', hour: 'numeric', hourCycle: 'h23' });
  let [peakWh, offPeakWh] = [0, 0];
  for (let start = OCTOBER.fromMs; start < OCTOBER.toMs; start += 900_000) {
    const parts = Object.fromEntries(clock.formatToParts(start).map(({ type, value }) => [type, value]));
    const isPeak = !['Sat', 'Sun'].includes(parts.weekday) && parts.day !== '5' && Number(parts.hour) >= 15 && Number(parts.hour) < 21;
    if (isPeak) peakWh += wattHours(start);
    else offPeakWh += wattHours(start);
  }
  return { peakWh, offPeakWh };
}

const cents = (wh: number, centsPerKwh: number): number => Math.round((wh * centsPerKwh) / 1_000);
const text = (amount: number): string => (amount / 100).toFixed(2);

describe('an engine with tariffs and bills', () => {
  let directory: string;
  let engine: EngineProcess;
  let agreementId: string;
  const start = (): Promise<EngineProcess> =>
    EngineProcess.start({ dataDir: join(directory, 'data'), settings: { SHARDS: '2', LATENESS: '1s', BILLING_CORRECTION_INTERVAL: '1s', REGION_CAPACITIES: 'sydney=100' } });

  beforeAll(async () => {
    directory = temporaryDirectory();
    engine = await start();
  });
  afterAll(async () => {
    await engine.kill9();
    removeDirectory(directory);
  });

  test('takes a tariff, and refuses one with faults by the path of each', async () => {
    const wrong = exampleTariff({ currency: 'dollars' });
    wrong.charges[0].rates[0].tiers[0].price = 0.42;
    const refused = await send(engine, 'PUT', '/api/v1/tariffs/tou?by=ada', wrong);
    expect([refused.status, refused.body.code, refused.body.faults.map(({ path }: { path: string }) => path).sort()]).toEqual([422, 'invalid_tariff', ['charges.0.rates.0.tiers.0.price', 'currency']]);
    // Its thread costs an engine without tariffs nothing.
    expect((await sent(engine, 'GET', '/api/v1/engine')).billing).toEqual({ state: 'idle', problem: null, runsUnderWay: 0 });
    const put = await send(engine, 'PUT', '/api/v1/tariffs/tou?by=ada', exampleTariff(), { 'if-none-match': '*' });
    expect([put.status, put.headers.get('etag')]).toEqual([201, '"1"']);
    expect((await send(engine, 'PUT', '/api/v1/tariffs/tou?by=ada', exampleTariff(), { 'if-none-match': '*' })).status).toBe(409);
    for (const file of readdirSync(EXAMPLES).filter((name) => name.endsWith('.json'))) {
      const document = JSON.parse(readFileSync(join(EXAMPLES, file), 'utf8')) as { id: string };
      expect((await send(engine, 'POST', '/api/v1/tariffs/check', document)).body, file).toMatchObject({ valid: true, document: { id: document.id } });
    }
  });

  test('costs a month to the cent, over a change of the clock and a holiday', async () => {
    // A quarter-hour counts when it is over for the meter: when it sent something later.
    await postQuarters(engine, 'house', 'sydney', { ...OCTOBER, toMs: OCTOBER.toMs + HOUR_MS }, use);
    const { peakWh, offPeakWh } = octoberByHand(use);
    const lines = [cents(peakWh, 42), cents(offPeakWh, 21), 31 * 110];
    const net = lines.reduce((sum, line) => sum + line, 0);
    const bill = await sent(engine, 'GET', '/api/v1/meters/house/estimate?from=2026-10-01&to=2026-11-01');
    expect([bill.net, bill.tax, bill.total, bill.importKwh]).toEqual([text(net), text(Math.round(net / 10)), text(net + Math.round(net / 10)), String((peakWh + offPeakWh) / 1_000)]);
    // 31 days less an hour.
    expect(bill.quality).toEqual({ measured: 31 * 96 - 4, estimated: 0, missing: 0 });
    expect(bill.dailyKwh).toHaveLength(31);
  });

  test('has an agreement at a time for a meter', async () => {
    const customer = { name: 'Zoë Ångström', address: ['1 High Street', 'Sydney'], email: 'zoe@example.org' };
    const made = await send(engine, 'POST', '/api/v1/agreements', { meterId: 'house', customer, movedIn: '2026-10-01', by: 'ada' });
    expect(made.status).toBe(201);
    agreementId = made.body.id;
    expect((await send(engine, 'POST', '/api/v1/agreements', { meterId: 'house', customer, movedIn: '2026-12-01', by: 'ada' })).body.code).toBe('agreement_overlaps');
    expect((await sent(engine, 'GET', '/api/v1/meters/house/tariff')).id).toBe('tou');
    const draft = await sent(engine, 'GET', `/api/v1/agreements/${encodeURIComponent(agreementId)}/draft?month=2026-10`);
    expect([draft.state, draft.number]).toEqual(['draft', null]);
  });

  test('bills a month once for everybody, whatever is killed in the middle of the run', { timeout: 60_000 }, async () => {
    const names = Array.from({ length: CROWD }, (_, i) => `flat-${String(i).padStart(4, '0')}`);
    const times = [OCTOBER.fromMs + HOUR_MS, OCTOBER.fromMs + 2 * HOUR_MS];
    // The last one, in November, has the quarter-hours before it over, however soon the run comes.
    await post(engine, names.flatMap((meterId, i) => [...times, OCTOBER.toMs + HOUR_MS].map((timestamp) => ({ meterId, region: 'sydney', timestamp, powerKw: 1, energyKwh: 1 + i / 1_000 }))));
    const left = [...names];
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        for (let meterId = left.pop(); meterId !== undefined; meterId = left.pop()) await sent(engine, 'POST', '/api/v1/agreements', { meterId, customer: { name: meterId }, movedIn: '2026-09-15', by: 'ada' });
      }),
    );
    expect((await send(engine, 'POST', '/api/v1/billing-runs', { month: '2099-01', by: 'ada' })).body.code).toBe('month_not_over');
    const { id } = await sent(engine, 'POST', '/api/v1/billing-runs', { month: '2026-10', by: 'ada' });
    const run = () => sent(engine, 'GET', `/api/v1/billing-runs/${encodeURIComponent(id)}`);
    await eventually(run, ({ issued }) => issued > 0);
    await engine.kill9();
    engine = await start();
    const ended = await eventually(run, ({ state }) => state === 'done', 20_000);
    expect([ended.agreements, ended.done, ended.issued, ended.failed, ended.faults]).toEqual([CROWD + 1, CROWD + 1, CROWD + 1, 0, []]);
    // Of the crowd a few quarter-hours are known, and all of the house.
    expect(ended.incomplete).toEqual({ bills: CROWD, aboveTenth: CROWD });
    const invoices = await allOf(engine, '/api/v1/invoices');
    expect(new Set(invoices.map((invoice) => invoice.agreementId)).size).toBe(CROWD + 1);
    expect((await allOf(engine, '/api/v1/invoices?region=sydney')).map(({ id: of }) => of)).toEqual(invoices.map(({ id: of }) => of));
    expect(await allOf(engine, '/api/v1/invoices?region=perth')).toEqual([]);
    // Numbers have the year of the tariff's zone.
    const [{ issuedAt }] = invoices;
    const year = Temporal.Instant.from(issuedAt).toZonedDateTimeISO('Australia/Sydney').year;
    expect(invoices.map(({ number }) => number).sort()).toEqual(Array.from({ length: CROWD + 1 }, (_, i) => `INV-${year}-${String(i + 1).padStart(6, '0')}`));
    // Asked for again it is the run that was.
    expect((await sent(engine, 'POST', '/api/v1/billing-runs', { month: '2026-10', by: 'bob' })).id).toBe(id);
    expect((await allOf(engine, '/api/v1/invoices')).length).toBe(CROWD + 1);
  });

  test('explains an invoice line by line, and it agrees to the last unit', async () => {
    const [summary] = await allOf(engine, `/api/v1/invoices?meterId=house`);
    const explained = await sent(engine, 'GET', `/api/v1/invoices/${summary.number}/explain`);
    expect([explained.agrees, explained.recomputed.total]).toEqual([true, summary.total]);
    expect(explained.lines.every(({ agrees, how }: { agrees: boolean; how: string }) => agrees && how.length > 20)).toBe(true);
    expect((await send(engine, 'GET', '/api/v1/invoices/INV-2000-000001/explain')).status).toBe(404);
  });

  test('prints it', async () => {
    const [{ number }] = await allOf(engine, '/api/v1/invoices?meterId=house');
    const response = await fetch(engine.apiUrl(`/api/v1/invoices/${number}/pdf?language=de`));
    const pdf = Buffer.from(await response.arrayBuffer());
    expect([response.status, response.headers.get('content-type'), pdf.subarray(0, 5).toString(), pdf.length > 5_000]).toEqual([200, 'application/pdf', '%PDF-', true]);
  });

  test('takes a payment once by its reference, and no more than is owed', async () => {
    const [{ number, total }] = await allOf(engine, '/api/v1/invoices?meterId=flat-0000');
    const pay = (amount: string, reference: string) => send(engine, 'POST', `/api/v1/invoices/${number}/payments`, { amount, method: 'bank', reference, by: 'bank' });
    const half = (await pay('1.00', 'R1')).body;
    expect([half.invoice.state, half.invoice.paid]).toEqual(['issued', '1.00']);
    expect((await pay('1.00', 'R1')).body.payment.id).toBe(half.payment.id);
    expect((await pay(total, 'R2')).body.code).toBe('overpaid');
    const rest = await pay(half.invoice.outstanding, 'R3');
    expect([rest.body.invoice.state, rest.body.invoice.outstanding]).toEqual(['paid', '0.00']);
    expect((await sent(engine, 'GET', `/api/v1/invoices/${number}/payments`)).data).toHaveLength(2);
  });

  test('credits a dispute that is upheld', async () => {
    const [{ number }] = await allOf(engine, '/api/v1/invoices?meterId=flat-0001');
    const dispute = await sent(engine, 'POST', `/api/v1/invoices/${number}/disputes`, { reason: 'I was away', lines: [1], by: 'tenant' });
    expect((await sent(engine, 'GET', `/api/v1/invoices/${number}`)).state).toBe('disputed');
    await sent(engine, 'POST', `/api/v1/disputes/${encodeURIComponent(dispute.id)}/resolve`, { outcome: 'upheld', resolution: 'the meter was swapped', creditAmount: '2.00', by: 'ada' });
    const notes = (await allOf(engine, '/api/v1/invoices?meterId=flat-0001')).filter(({ kind }) => kind === 'creditNote');
    expect(notes.map(({ total }) => total)).toEqual(['-2.00']);
  });

  test('takes an invoice back and makes it anew when a reading comes late, and says what is different', async () => {
    const [before] = await allOf(engine, '/api/v1/invoices?meterId=flat-0002');
    await post(engine, [{ meterId: 'flat-0002', region: 'sydney', timestamp: OCTOBER.fromMs + 2 * HOUR_MS + 20 * MINUTE_MS, powerKw: 40, energyKwh: 10 }]);
    const all = await eventually(() => allOf(engine, '/api/v1/invoices?meterId=flat-0002'), (found) => found.length === 3, 15_000);
    const anew = await sent(engine, 'GET', `/api/v1/invoices/${encodeURIComponent(all.find(({ id, kind }) => kind === 'invoice' && id !== before.id)!.id)}`);
    expect(all.filter(({ kind }) => kind === 'creditNote').map(({ total }) => total)).toEqual([`-${before.total}`]);
    expect([anew.corrects, anew.differences.length > 0, Number(anew.importKwh) - Number(before.importKwh)]).toEqual([before.id, true, 10]);
    expect((await sent(engine, 'GET', `/api/v1/invoices/${before.number}`)).state).toBe('credited');
  });

  test('answers names of nothing and cursors of nothing with 404 and 400, whatever they are', async () => {
    const names = ['', 'x', '\0', '/', '~', 'INV-', '\u{1f600}', 'x'.repeat(500)].map(encodeURIComponent);
    const paths = ['tariffs/:', 'tariffs/:/versions', 'agreements/:', 'agreements/:/draft?month=2026-10', 'invoices/:', 'invoices/:/pdf', 'invoices/:/csv', 'invoices/:/explain', 'invoices/:/payments', 'invoices/:/disputes', 'billing-runs/:', 'tariff-comparisons/:', 'tariff-comparisons/:/meters', 'meters/:/estimate?from=2026-10-01&to=2026-11-01', 'meters/:/cycle', 'meters/:/tariff'];
    for (const path of paths) {
      for (const name of names) expect((await fetch(engine.apiUrl(`/api/v1/${path.replace(':', name)}`))).status, `${path} ${name}`).toBe(404);
    }
    for (const path of ['tariffs', 'agreements', 'invoices', 'invoices?meterId=house', 'invoices/export', 'disputes', 'billing-runs', 'tariff-comparisons', 'prices/sydney/history', 'price-overrides']) {
      for (const cursor of ['junk', '\0', '~~~', 'AG-1\u007f', '../..', 'ü'.repeat(50)]) expect((await fetch(engine.apiUrl(`/api/v1/${path}${path.includes('?') ? '&' : '?'}cursor=${encodeURIComponent(cursor)}`))).status, `${path} ${cursor}`).toBe(400);
    }
  });

  test('shows the cost of the month that goes on, and of months under other tariffs', async () => {
    await sent(engine, 'PUT', '/api/v1/tariffs/flat?by=ada', exampleTariff({ id: 'flat', name: 'Flat', appliesTo: null, charges: [{ kind: 'fixed', name: 'Supply', price: '1.00', per: 'day' }], schedules: [] }));
    const { data } = await sent(engine, 'GET', '/api/v1/meters/house/compare?from=2026-10-01&to=2026-11-01&tariffs=tou,flat');
    expect(data.map(({ tariffId, total }: { tariffId: string; total: string }) => [tariffId, tariffId === 'flat' ? total : '…'])).toEqual([['flat', '31.00'], ['tou', '…']]);
    const cycle = await sent(engine, 'GET', '/api/v1/meters/house/cycle');
    expect([cycle.currency, Number(cycle.projectedTotal) >= Number(cycle.bill.total)]).toEqual(['AUD', true]);
  });

  test('compares tariffs for everybody as for each, goes on after a kill, and stops when it is cancelled', { timeout: 60_000 }, async () => {
    const BASE = '/api/v1/tariff-comparisons';
    const body = { tariffs: [{ id: 'tou' }, { id: 'flat' }], from: '2026-10', to: '2026-10', by: 'ada' };
    const begin = (change: object = {}) => send(engine, 'POST', BASE, { ...body, ...change });
    const begun = await begin();
    expect([begun.status, begun.headers.get('location'), begun.body.all]).toEqual([202, `${BASE}/${begun.body.id}`, CROWD + 1]);
    await engine.kill9();
    engine = await start();
    const comparison = () => sent(engine, 'GET', `${BASE}/${begun.body.id}`);
    const done = await eventually(comparison, ({ state }) => state === 'done', 20_000);
    expect([done.done, done.rated, done.failed]).toEqual([CROWD + 1, CROWD + 1, 0]);
    const rows = await allOf(engine, `${BASE}/${done.id}/meters`);
    expect(new Set(rows.map(({ agreementId }) => agreementId)).size).toBe(CROWD + 1);
    const sum = (texts: readonly string[]): number => texts.reduce((total, amount) => total + Math.round(Number(amount) * 100), 0);
    expect(done.tariffs.map(({ tariffId, total, bestFor }: Record<string, any>) => [tariffId, total, bestFor])).toEqual(
      ['tou', 'flat'].map((tariffId, i) => [tariffId, text(sum(rows.map(({ costs }) => costs[i].total))), rows.filter(({ best }) => best === tariffId).length]),
    );
    expect(done.saving.total).toBe(text(sum(rows.map(({ saving }) => (Number(saving) > 0 ? saving : '0')))));
    for (const { meterId, costs, present, best } of [...rows.slice(0, 15), rows.find((row) => row.meterId === 'house')!]) {
      const { data } = await sent(engine, 'GET', `/api/v1/meters/${meterId}/compare?from=2026-10-01&to=2026-11-01&tariffs=tou,flat`);
      expect(Object.fromEntries(costs.map(({ tariffId, total }: Record<string, string>) => [tariffId, total]))).toEqual(Object.fromEntries(data.map(({ tariffId, total }: Record<string, string>) => [tariffId, total])));
      expect([best, present]).toEqual([data[0].tariffId, (await sent(engine, 'GET', `/api/v1/meters/${meterId}/estimate?from=2026-10-01&to=2026-11-01`)).total]);
    }
    const csv = await fetch(engine.apiUrl(`${BASE}/${done.id}/meters?format=csv&limit=5000`));
    expect([csv.headers.get('content-type'), (await csv.text()).split('\r\n').length]).toEqual(['text/csv; charset=utf-8', 1 + CROWD + 1 + 1]);
    // As many months as there may be, so that it is not over at once.
    const second = await begin({ from: '2026-01', to: '2026-12', region: 'sydney' });
    const refused = await begin();
    expect([refused.status, refused.body.code]).toEqual([409, 'comparison_under_way']);
    const cancelled = await sent(engine, 'DELETE', `${BASE}/${second.body.id}`);
    expect(cancelled.state).toBe('cancelled');
    expect(await sent(engine, 'GET', `${BASE}/${second.body.id}`)).toEqual(cancelled);
    expect((await begin({ meters: ['house', 'nowhere'] })).body.of).toEqual({ kind: 'meters', meters: 2 });
    const [newest] = await eventually(() => allOf(engine, BASE), ([{ state }]) => state === 'done');
    expect([newest.rated, newest.failed, newest.failures]).toEqual([1, 1, [{ code: 'unknown_meter', count: 1, meterId: 'nowhere', message: 'there is no meter nowhere' }]]);
    expect((await send(engine, 'GET', `${BASE}/nothing`)).status).toBe(404);
    expect((await send(engine, 'GET', `${BASE}/${done.id}/meters?cursor=junk`)).status).toBe(400);
  });

  test('prices the load of a region, and holds what an operator set until that ends', async () => {
    const minute = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
    await post(engine, [4, 3, 2].map((ago) => ({ meterId: 'works', region: 'sydney', timestamp: minute - ago * MINUTE_MS + 1_000, powerKw: 95 })));
    const price = () => send(engine, 'GET', '/api/v1/prices/sydney').then(({ body }) => body);
    const high = await eventually(price, ({ multiplier }) => multiplier === '1.25', 20_000);
    expect([high.price, high.currency, high.override]).toEqual(['0.25', 'EUR', null]);
    const override = await sent(engine, 'POST', '/api/v1/price-overrides', { region: 'sydney', price: '0.99', until: Date.now() + HOUR_MS, by: 'ada', reason: 'a line is down' });
    expect(await price()).toMatchObject({ price: '0.99', override: override.id });
    await engine.kill9();
    engine = await start();
    expect(await price()).toMatchObject({ price: '0.99', override: override.id });
    await sent(engine, 'DELETE', `/api/v1/price-overrides/${encodeURIComponent(override.id)}?by=ada&reason=repaired`);
    expect((await price()).override).toBeNull();
    const { data } = await sent(engine, 'GET', '/api/v1/prices/sydney/history');
    expect(data.map(({ price }: { price: string }) => price)).toEqual(expect.arrayContaining(['0.25', '0.99']));
    const [ended] = (await sent(engine, 'GET', '/api/v1/price-overrides?ended=true')).data;
    expect([ended.by, ended.reason, ended.endedBy, ended.endReason]).toEqual(['ada', 'a line is down', 'ada', 'repaired']);
  });

  test('has it in its status and metrics, in a backup, and sound when it is verified', async () => {
    expect((await sent(engine, 'GET', '/api/v1/engine')).billing).toMatchObject({ state: 'up', problem: null });
    expect((await scrape(engine)).get('seg_billing_tariff_versions')).toBe(2);
    const backup = join(directory, 'backup');
    const backedUp = await seg(['backup', '--data-dir', engine.dataDir, '--to', backup]);
    expect([backedUp.code, backedUp.stderr]).toEqual([0, expect.anything()]);
    const restored = await seg(['restore', '--from', backup, '--data-dir', join(directory, 'restored')]);
    expect(restored.code, restored.stderr).toBe(0);
    const verified = await seg(['verify', '--data-dir', join(directory, 'restored')]);
    expect(verified.stdout).toMatch(/[\d,]+ records? of tariffs and bills, \d+ records? of the registry: sound\n$/);
  });
});

test('an engine without tariffs and bills has none of it', async () => {
  const engine = await EngineProcess.start({ settings: { BILLING: 'off' } });
  try {
    expect([(await send(engine, 'GET', '/api/v1/tariffs')).body.code, (await sent(engine, 'GET', '/api/v1/engine')).billing]).toEqual(['billing_off', null]);
  } finally {
    await engine.dispose();
  }
});
