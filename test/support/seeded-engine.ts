import { exampleTariff, postQuarters, sent as sentTo } from './billing-engine.ts';
import { overloadOf } from './alert-engine-api.ts';
import { post } from './engine-api.ts';
import { eventually, type EngineProcess, type Settings } from './engine-process.ts';
import { ALERT } from './fake-alerts.ts';
import { monthStart } from './month-start.ts';
import { REQUEST_EXAMPLES, type RequestExample } from './request-examples.ts';

/** A real engine in which there is one of what the API knows, so that a request about it gets somewhere. */

const DAY_MS = 86_400_000;
const BEGUN_TIMEOUT_MS = 30_000;
/** With these an alert is raised at once, and a month can be billed. */
export const SEEDED_SETTINGS: Settings = { SHARDS: '1', LATENESS: '1s', REGION_CAPACITIES: 'hot=10', BILLING_CORRECTION_INTERVAL: '1h' };
const QUARTER_MS = 900_000;

/** What goes along with each request, where the engine has accounts: an admin's token, and a device key for everything. */
export interface SeedHeaders {
  api: Record<string, string>;
  ingest: Record<string, string>;
}

/** Makes the things of the examples there, and gives the examples with the ids that they got. Of `meter:1` in `north` there are two days of readings, the last two of the month before, a bill of that month with a dispute, and an alert of the region `hot`. */
export async function seedEngine(engine: EngineProcess, { api, ingest }: SeedHeaders = { api: {}, ingest: {} }): Promise<Record<string, RequestExample>> {
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  const [thisMonth, lastMonth] = [monthStart(0), monthStart(1)];
  await postQuarters(engine, 'meter:1', 'north', { fromMs: thisMonth - 2 * DAY_MS, toMs: thisMonth + QUARTER_MS }, () => 250, ingest);
  await postQuarters(engine, 'meter:1', 'north', { fromMs: today - 2 * DAY_MS, toMs: today - QUARTER_MS }, () => 250, ingest);
  await post(engine, [{ meterId: 'meter:1', region: 'north', timestamp: Date.now() - 1_000, powerKw: 1, voltage: 230 }], ingest);
  const sent = (of: EngineProcess, method: string, path: string, body?: unknown) => sentTo(of, method, path, body, api);
  const make = (id: string, path: string, method = 'POST') => sent(engine, method, path, REQUEST_EXAMPLES[id].body);
  const until = new Date(Date.now() + DAY_MS).toISOString();
  const tariff = exampleTariff({ id: 'flat', zone: 'UTC', appliesTo: { regions: ['north'] }, holidays: [] });
  await sent(engine, 'PUT', '/api/v1/tariffs/flat?by=Ada', tariff);
  const override = { ...(REQUEST_EXAMPLES.createPriceOverride.body as object), until };
  const silence = { match: { regions: ['north'] }, endsAt: until, by: 'Ada', comment: 'works' };
  const idOf = (made: Record<string, any>): string => made.id ?? made.agreement?.id ?? made.silence?.id;
  const [contact, silenced, maintained, agreement, overridden] = [
    idOf(await make('createContact', '/api/v1/contacts')),
    idOf(await sent(engine, 'POST', '/api/v1/silences', silence)),
    idOf(await sent(engine, 'POST', '/api/v1/maintenance-windows', silence)),
    idOf(await sent(engine, 'POST', '/api/v1/agreements', { meterId: 'meter:1', customer: { name: 'Ada Lovelace' }, movedIn: new Date(today - 40 * DAY_MS).toISOString().slice(0, 10), by: 'Ada' })),
    idOf(await sent(engine, 'POST', '/api/v1/price-overrides', override)),
  ];
  await post(engine, overloadOf('hot', 12), ingest);
  const run = await sent(engine, 'POST', '/api/v1/billing-runs', { month: new Date(lastMonth).toISOString().slice(0, 7), by: 'Ada' });
  await eventually(() => sent(engine, 'GET', `/api/v1/billing-runs/${encodeURIComponent(run.id)}`), ({ state }) => state === 'done', BEGUN_TIMEOUT_MS);
  const [invoice] = (await sent(engine, 'GET', '/api/v1/invoices')).data;
  const dispute = idOf(await sent(engine, 'POST', `/api/v1/invoices/${encodeURIComponent(invoice.id)}/disputes`, { reason: 'too much', by: 'Ada' }));
  const [alert] = (await eventually(() => sent(engine, 'GET', '/api/v1/alerts/active'), ({ data }) => data.length > 0, BEGUN_TIMEOUT_MS)).data;
  const comparison = idOf(await sent(engine, 'POST', '/api/v1/tariff-comparisons', { tariffs: [{ id: 'flat' }], from: run.month, to: run.month, by: 'Ada' }));
  const schedule = idOf(await sent(engine, 'POST', '/api/v1/schedules', { name: 'Day', zone: 'UTC', layers: [{ name: 'first', people: [contact], startsOn: '2026-01-05', handoffAt: '08:00', turnDays: 7 }] }));
  const { overrides: [stoodIn] } = await sent(engine, 'POST', `/api/v1/schedules/${schedule}/overrides`, { contactId: contact, from: new Date().toISOString(), to: until, by: 'Ada' });
  const ids: Record<string, string> = { 'c-ada': contact, 'silence-1': silenced, m1: maintained, a1: agreement, 's-night': schedule, 'i/1': invoice.id, d1: dispute, r1: run.id, 'cmp-000001': comparison, o1: overridden, [ALERT.id]: alert.id };
  const named = (text: string): string => ids[text] ?? text;
  const examples: Record<string, RequestExample> = Object.fromEntries(Object.entries(REQUEST_EXAMPLES).map(([id, example]) => [id, { ...example, path: example.path?.map(named) }]));
  const people = (body: unknown): unknown => JSON.parse(JSON.stringify(body).replaceAll('c-ada', contact));
  for (const id of ['createSchedule', 'createOverride', 'previewNotification', 'testNotification']) examples[id] = { ...examples[id], body: people(examples[id].body) };
  for (const id of ['createSilence', 'createMaintenanceWindow']) examples[id] = { body: silence };
  for (const id of ['getOverride', 'removeOverride']) examples[id] = { path: [schedule, stoodIn.id] };
  examples.createPriceOverride = { body: override };
  examples.resolveAlerts = { body: { ids: [alert.id], by: 'Ada', why: 'over' } };
  examples.startBillingRun = { body: { month: run.month, by: 'Ada' } };
  examples.startComparison = { body: { tariffs: [{ id: 'flat' }], from: run.month, to: run.month, by: 'Ada' } };
  examples.putTariff = { ...examples.putTariff, body: tariff };
  examples.checkTariff = { body: tariff };
  return examples;
}
