import { afterAll, beforeAll, expect, test } from 'vitest';
import { sendHistory } from '../../src/engine/demo-history.ts';
import { BILLED_HOUSEHOLDS } from '../../src/engine/demo-households.ts';
import { billedMonth, setUpDemo } from '../../src/engine/demo-set-up.ts';
import { allOf, exampleTariff, sent } from '../support/billing-engine.ts';
import { EngineProcess } from '../support/engine-process.ts';

/** What a clerk finds in the demo beside the simulation, of a real engine; and what somebody has made is left alone. */

const HOUR_MS = 3_600_000;
const QUARTER_MS = 900_000;
const NOW_MS = Date.now();
const { month, startMs: fromMs } = billedMonth(NOW_MS);
/** Where the simulation would begin. */
const PAST_END_MS = NOW_MS - 2 * HOUR_MS;
const IN_FULL = ['100 registry entries', 'a tariff', '10 agreements', `the bills of ${month}`];
const { signal } = new AbortController();

let engine: EngineProcess;
beforeAll(async () => {
  engine = await EngineProcess.start({ settings: { SHARDS: '1', LATENESS: '1s' } });
});
afterAll(() => engine.dispose());

const sendPast = (toMs: number) => sendHistory({ apiUrl: engine.apiUrl(), ingestUrl: engine.ingestUrl(), seed: 1, fromMs, toMs }, signal);
const setUp = (of = engine) => setUpDemo(of.apiUrl(), { month, cadenceMs: 2_000 }, signal);
const counts = async () => Promise.all(['/api/v1/registry/meters', '/api/v1/tariffs', '/api/v1/agreements', '/api/v1/billing-runs', '/api/v1/invoices'].map(async (path) => (await allOf(engine, path)).length));

test('sends a past of quarter-hours, and only what is missing of it when it goes on', async () => {
  const quarters = (toMs: number) => BILLED_HOUSEHOLDS.length * (Math.floor(toMs / QUARTER_MS) - fromMs / QUARTER_MS);
  const brokenOffMs = PAST_END_MS - 30 * HOUR_MS;
  expect(await sendPast(brokenOffMs)).toBe(quarters(brokenOffMs));
  expect(await sendPast(PAST_END_MS)).toBe(quarters(PAST_END_MS) - quarters(brokenOffMs));
  expect(await sendPast(PAST_END_MS)).toBe(0);
  expect(await allOf(engine, '/api/v1/dead-letters?from=0')).toEqual([]);
});

test('has a registry, a tariff, agreements and a month of bills that are measured throughout', async () => {
  expect(await setUp()).toEqual(IN_FULL);
  expect(await counts()).toEqual([100, 1, 10, 1, 10]);
  const invoices = await allOf(engine, '/api/v1/invoices');
  expect(new Set(invoices.map(({ meterId }) => meterId))).toEqual(new Set(BILLED_HOUSEHOLDS.map(({ meterId }) => meterId)));
  for (const { quality, importKwh, from } of invoices) {
    expect([quality.estimated, quality.missing, from]).toEqual([0, 0, `${month}-01`]);
    expect(Number(importKwh)).toBeGreaterThan(20);
  }
  const explained = await sent(engine, 'GET', `/api/v1/invoices/${invoices[0].id}/explain`);
  expect(explained.invoice.lines.map(({ charge }: { charge: string }) => charge)).toEqual(expect.arrayContaining(['Electricity', 'Standing charge', 'VAT']));
  const entry = await sent(engine, 'GET', `/api/v1/registry/meters/${invoices[0].meterId}`);
  expect(invoices[0].customer.address[0]).toBe(entry.address.street);
});

test('makes nothing twice when it is started again', async () => {
  expect(await setUp()).toEqual([]);
  expect(await counts()).toEqual([100, 1, 10, 1, 10]);
});

test('leaves a registry and tariffs of somebody else alone', async () => {
  const other = await EngineProcess.start({ settings: { SHARDS: '1', LATENESS: '1s' } });
  try {
    await sent(other, 'PUT', '/api/v1/registry/meters/mine?newRegions=true&by=Ada', { region: 'north' });
    await sent(other, 'PUT', '/api/v1/tariffs/tou?by=Ada', exampleTariff());
    expect(await setUp(other)).toEqual([]);
    expect([await allOf(other, '/api/v1/registry/meters'), await allOf(other, '/api/v1/agreements'), await allOf(other, '/api/v1/billing-runs')].map((rows) => rows.length)).toEqual([1, 0, 0]);
  } finally {
    await other.dispose();
  }
});
