import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { suiteWithKafka, suiteWithOwnPostgres } from '../services/service-suites.ts';
import { allOf, exampleTariff, send, sent } from '../support/billing-engine.ts';
import { post, scrape } from '../support/engine-api.ts';
import { EngineProcess, eventually, removeDirectory, temporaryDirectory, type Settings } from '../support/engine-process.ts';
import { freshDatabase, type FreshDatabase } from '../support/fresh-database.ts';
import { deleteTopics, kcatPrint } from '../support/kafka-records.ts';
import { openClient } from '../support/live-clients.ts';
import { monthStart } from '../support/month-start.ts';

/** Bills and prices of a running engine, looked at where they flow to. */

type Row = Record<string, any>;

const HOUR_MS = 3_600_000;
const WAIT_MS = 30_000;
const METERS = Array.from({ length: 40 }, (_, i) => `flat-${String(i).padStart(2, '0')}`);
/** The last month that is over. */
const [MONTH_MS, MONTH_END_MS] = [monthStart(1), monthStart(0)];
const MONTH = new Date(MONTH_MS).toISOString().slice(0, 7);
const SETTINGS: Settings = { SHARDS: '2', LATENESS: '1s', REGION_CAPACITIES: 'sydney=100', BILLING_CORRECTION_INTERVAL: '1s', ALERTS: 'off' };

/** A tariff, a little energy of every meter, and an agreement for each. A quarter-hour counts when its meter has sent something later. */
async function furnish(engine: EngineProcess): Promise<void> {
  await sent(engine, 'PUT', '/api/v1/tariffs/tou?by=ada', exampleTariff({ zone: 'UTC', holidays: [] }));
  await post(engine, METERS.flatMap((meterId, i) => [MONTH_MS + 10 * HOUR_MS, MONTH_MS + 18 * HOUR_MS, MONTH_END_MS + HOUR_MS].map((timestamp) => ({ meterId, region: 'sydney', timestamp, powerKw: 1, energyKwh: 1 + i / 7 }))));
  for (const meterId of METERS) await sent(engine, 'POST', '/api/v1/agreements', { meterId, customer: { name: `Zoë of ${meterId}` }, movedIn: new Date(MONTH_MS).toISOString().slice(0, 10), by: 'ada' });
}

const startRun = (engine: EngineProcess): Promise<Row> => sent(engine, 'POST', '/api/v1/billing-runs', { month: MONTH, by: 'ada' });

async function ended(engine: EngineProcess, { id }: Row): Promise<void> {
  const run = await eventually(() => sent(engine, 'GET', `/api/v1/billing-runs/${encodeURIComponent(id)}`), ({ state }) => state === 'done', WAIT_MS);
  expect([run.issued, run.faults]).toEqual([METERS.length, []]);
}

const pay = (engine: EngineProcess, number: string, amount: string, reference: string): Promise<Row> => sent(engine, 'POST', `/api/v1/invoices/${number}/payments`, { amount, method: 'bank', reference, by: 'bank' });

/** Invoices that were issued, whole, in order of number. */
async function shownInvoices(engine: EngineProcess): Promise<Row[]> {
  const all = await allOf(engine, '/api/v1/invoices');
  const whole = await Promise.all(all.filter(({ number }) => number !== null).map(({ id }) => sent(engine, 'GET', `/api/v1/invoices/${encodeURIComponent(id)}`)));
  return whole.sort((a, b) => (a.number < b.number ? -1 : 1));
}

async function allIssued(engine: EngineProcess, count: number): Promise<Row[]> {
  return eventually(() => shownInvoices(engine), (found) => found.length === count, WAIT_MS);
}

suiteWithOwnPostgres('the bills of an engine and its database', {}, (postgres) => {
  let database: FreshDatabase;
  let engine: EngineProcess;

  beforeEach(async () => {
    database = await freshDatabase(postgres().url);
    engine = await EngineProcess.start({ settings: settings() });
  });

  afterEach(async () => {
    postgres().resume();
    await engine.dispose();
    await database.drop();
  });

  const settings = (): Settings => ({ ...SETTINGS, TIMESCALE_URL: database.url });

  async function restart(): Promise<void> {
    engine = await EngineProcess.start({ dataDir: engine.dataDir, settings: settings() });
  }

  /** Invoices with their lines, as the database has them, under the names of the API. */
  async function storedInvoices(): Promise<Row[]> {
    const invoices = await database.rows<Row>('SELECT * FROM invoices ORDER BY number COLLATE "C"');
    const lines = await database.rows<Row>('SELECT * FROM invoice_lines ORDER BY invoice_id, number');
    return invoices.map(({ id, version, number, kind, state, meter_id, customer_name, net, tax, total, paid, outstanding, import_kwh, corrects }) => ({
      id, version, number, kind, state, meterId: meter_id, customer: customer_name, net, tax, total, paid, outstanding, importKwh: import_kwh, corrects,
      lines: lines.filter(({ invoice_id }) => invoice_id === id).map(({ number: line, text, tariff_version, tier, quantity, unit_price, amount }) => ({ number: line, text, tariffVersion: tariff_version, tier, quantity, unitPrice: unit_price, amount })),
    }));
  }

  function asStored({ id, version, number, kind, state, meterId, customer, net, tax, total, paid, outstanding, importKwh, corrects, lines }: Row): Row {
    return {
      id, version, number, kind, state, meterId, customer: customer.name, net, tax, total, paid, outstanding, importKwh, corrects,
      lines: lines.map(({ number: line, text, tariffVersion, tier, quantity, unitPrice, amount }: Row) => ({ number: line, text, tariffVersion, tier, quantity, unitPrice, amount })),
    };
  }

  /** The database holds what the API shows, to the last unit of every line. */
  async function expectSame(count: number): Promise<Row[]> {
    const both = async () => ({ shown: (await shownInvoices(engine)).map(asStored), stored: await storedInvoices().catch(() => []) });
    const { shown, stored } = await eventually(both, (found) => found.shown.length === count && isDeepStrictEqual(found.shown, found.stored), WAIT_MS).catch(both);
    expect(stored).toEqual(shown);
    expect(shown).toHaveLength(count);
    return shown;
  }

  const storedPayments = (): Promise<Row[]> => database.rows<Row>('SELECT reference, amount, currency FROM payments ORDER BY reference');

  it('agree on every invoice, line and payment, over kill -9 in a run and while the database was away, and again after it lost everything', { timeout: 240_000 }, async () => {
    await furnish(engine);
    const run = await startRun(engine);
    await engine.kill9();
    await restart();
    await ended(engine, run);
    const issued = await expectSame(METERS.length);
    expect(issued.every(({ lines, total }) => lines.length >= 3 && Number(total) > 30)).toBe(true);

    const [first, second, third] = issued;
    await pay(engine, first.number, first.total, 'R1');
    await pay(engine, second.number, '1.00', 'R2');
    expect((await expectSame(METERS.length)).slice(0, 2)).toMatchObject([{ state: 'paid', outstanding: '0.00' }, { paid: '1.00' }]);
    postgres().pause();
    await pay(engine, second.number, '2.00', 'R3');
    const dispute = await sent(engine, 'POST', `/api/v1/invoices/${third.number}/disputes`, { reason: 'I was away', lines: [1], by: 'tenant' });
    await engine.kill9();
    await restart();
    expect((await scrape(engine)).get('seg_sink_up{sink="timescale"}')).toBe(0);
    postgres().resume();
    expect((await expectSame(METERS.length)).slice(0, 3)).toMatchObject([{ state: 'paid' }, { paid: '3.00' }, { state: 'disputed' }]);
    await sent(engine, 'POST', `/api/v1/disputes/${encodeURIComponent(dispute.id)}/resolve`, { outcome: 'upheld', resolution: 'the meter was swapped', creditAmount: '2.00', by: 'ada' });
    await expectSame(METERS.length + 1);
    // The meter sends what it had kept: the bill is taken back and made anew.
    await post(engine, [{ meterId: issued[3].meterId, region: 'sydney', timestamp: MONTH_MS + 18 * HOUR_MS + 20 * 60_000, powerKw: 40, energyKwh: 10 }]);
    const corrected = await expectSame(METERS.length + 3);
    expect(corrected.filter(({ corrects }) => corrects === issued[3].id).map(({ kind }) => kind).sort()).toEqual(['creditNote', 'invoice']);
    expect(await storedPayments()).toEqual([{ reference: 'R1', amount: first.total, currency: 'AUD' }, { reference: 'R2', amount: '1.00', currency: 'AUD' }, { reference: 'R3', amount: '2.00', currency: 'AUD' }]);
    expect((await scrape(engine)).get('seg_sink_set_aside_total{sink="timescale"}')).toBe(0);
    expect(await engine.stop()).toBe(0);

    await database.drop();
    database = await freshDatabase(postgres().url);
    await restart();
    await expectSame(METERS.length + 3);
    expect(await eventually(storedPayments, (found) => found.length === 3, WAIT_MS)).toHaveLength(3);
  });
});

suiteWithKafka('the bills of an engine and its cluster', (kafka) => {
  const prefix = 'engine-sinks-bills.';

  it('agree on every invoice, payment, dispute and price, also after kill -9', { timeout: 120_000 }, async () => {
    const settings = { ...SETTINGS, KAFKA_BROKERS: kafka().brokers, KAFKA_TOPIC_PREFIX: prefix };
    let engine = await EngineProcess.start({ settings });
    /** Key and value of what is on the topic. */
    const read = async (topic: string): Promise<{ key: string; value: Row }[]> => {
      const lines = (await kcatPrint(kafka().brokers, prefix + topic, '%k %s\n').catch(() => Buffer.alloc(0))).toString().split('\n').filter((line) => line !== '');
      return lines.map((line) => ({ key: line.slice(0, line.indexOf(' ')), value: JSON.parse(line.slice(line.indexOf(' '))) as Row }));
    };
    /** The newest of each key, in order of number; a message may come twice. */
    const sentInvoices = async (): Promise<Row[]> => {
      const newest = new Map<string, Row>();
      for (const { key, value } of await read('billing_updates')) if (value.number !== null && (newest.get(key)?.version ?? 0) <= value.version) newest.set(key, value);
      return [...newest.values()].sort((a, b) => (a.number < b.number ? -1 : 1));
    };
    const expectSame = async (): Promise<Row[]> => {
      const both = async () => ({ shown: await shownInvoices(engine), found: await sentInvoices() });
      const { shown, found } = await eventually(both, (now) => isDeepStrictEqual(now.shown, now.found), WAIT_MS).catch(both);
      expect(found).toEqual(shown);
      return found;
    };
    const minute = Math.floor(Date.now() / 60_000) * 60_000;
    const price = (): Promise<Row> => send(engine, 'GET', '/api/v1/prices/sydney').then(({ body }) => body);
    try {
      await furnish(engine);
      await ended(engine, await startRun(engine));
      await allIssued(engine, METERS.length);
      const [first, second] = await expectSame();
      await pay(engine, first.number, '1.00', 'R1');
      const dispute = await sent(engine, 'POST', `/api/v1/invoices/${second.number}/disputes`, { reason: 'I was away', lines: [], by: 'tenant' });
      await post(engine, [4, 3, 2].map((ago) => ({ meterId: 'works', region: 'sydney', timestamp: minute - ago * 60_000 + 1_000, powerKw: 95 })));
      await eventually(price, ({ multiplier }) => multiplier === '1.25', WAIT_MS);
      const override = await sent(engine, 'POST', '/api/v1/price-overrides', { region: 'sydney', price: '0.99', until: Date.now() + HOUR_MS, by: 'ada', reason: 'a line is down' });
      await engine.kill9();
      engine = await EngineProcess.start({ dataDir: engine.dataDir, settings });
      await pay(engine, first.number, '2.00', 'R2');
      expect((await expectSame()).slice(0, 2)).toMatchObject([{ paid: '3.00' }, { state: 'disputed' }]);
      const payments = await eventually(() => read('payment_updates'), (found) => new Set(found.map(({ key }) => key)).size === 2, WAIT_MS);
      expect(new Map(payments.map(({ value }) => [value.reference, [value.amount, value.invoice.number]]))).toEqual(new Map([['R1', ['1.00', first.number]], ['R2', ['2.00', first.number]]]));
      expect((await read('dispute_updates')).map(({ key, value }) => [key, value.reason, value.outcome])).toContainEqual([dispute.id, 'I was away', null]);
      await sent(engine, 'DELETE', `/api/v1/price-overrides/${encodeURIComponent(override.id)}?by=ada&reason=repaired`);
      const { data } = await sent(engine, 'GET', '/api/v1/prices/sydney/history');
      const history = data.map(({ price: one, override: of }: Row) => `${one} ${of}`);
      expect(history).toContain(`0.99 ${override.id}`);
      const prices = await eventually(() => read('tariff_updates'), (found) => history.every((line: string) => found.some(({ value }) => `${value.price} ${value.override}` === line)), WAIT_MS);
      expect(new Set(prices.map(({ key }) => key))).toEqual(new Set(['sydney']));
      expect(await engine.stop()).toBe(0);
    } finally {
      await engine.dispose();
      await deleteTopics(kafka().brokers, prefix);
    }
  });
});

describe('prices and bills of an engine', () => {
  it('are on its live stream, what was there before a restart too', { timeout: 60_000 }, async () => {
    const directory = temporaryDirectory();
    let engine = await EngineProcess.start({ dataDir: directory, settings: SETTINGS });
    try {
      await furnish(engine);
      const client = await openClient(engine.ports.http);
      client.subscribe('prices', 'bills');
      expect((await client.next('snapshot', 'prices')).data).toEqual({ prices: [] });
      expect((await client.next('snapshot', 'bills')).data).toEqual({ invoices: [], payments: [], disputes: [] });
      await sent(engine, 'POST', '/api/v1/price-overrides', { region: 'sydney', price: '0.99', until: Date.now() + HOUR_MS, by: 'ada', reason: 'a line is down' });
      expect((await client.next('update', 'prices')).data.prices).toMatchObject([{ region: 'sydney', price: '0.99', override: 'price-override-1' }]);
      await ended(engine, await startRun(engine));
      const [first] = await allIssued(engine, METERS.length);
      await client.until('every invoice', () => new Set(client.messages.filter(({ channel }) => channel === 'bills').flatMap(({ data }) => data.invoices.map(({ id }: Row) => id))).size === METERS.length);
      await pay(engine, first.number, '1.00', 'R1');
      await client.until('the payment', () => client.messages.some(({ channel, data }) => channel === 'bills' && data.payments.some(({ reference }: Row) => reference === 'R1')));
      client.socket.close();
      await engine.kill9();
      engine = await EngineProcess.start({ dataDir: directory, settings: SETTINGS });
      const other = await openClient(engine.ports.http);
      other.subscribe('prices', 'bills');
      await other.until('the price that holds', () => other.messages.some(({ channel, data }) => channel === 'prices' && data.prices.some(({ price }: Row) => price === '0.99')));
      await other.until('the invoice as it is', () => other.messages.some(({ channel, data }) => channel === 'bills' && data.invoices.some(({ id, paid }: Row) => id === first.id && paid === '1.00')));
      other.socket.close();
    } finally {
      await engine.kill9();
      removeDirectory(directory);
    }
  });
});
