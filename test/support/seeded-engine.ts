import { sent, exampleTariff, postQuarters } from './billing-engine.ts';
import { post } from './engine-api.ts';
import type { EngineProcess } from './engine-process.ts';
import { REQUEST_EXAMPLES, type RequestExample } from './request-examples.ts';

/** A real, open engine in which there is one of what the API knows, so that a request about it gets somewhere. */

const DAY_MS = 86_400_000;
const QUARTER_MS = 900_000;

/** Makes the things of the examples there, and gives the examples with the ids that they got. Two days of readings of `meter:1` in `north`, with a tariff and a bill of their month so far. */
export async function seedEngine(engine: EngineProcess): Promise<Record<string, RequestExample>> {
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  await postQuarters(engine, 'meter:1', 'north', { fromMs: today - 2 * DAY_MS, toMs: today - QUARTER_MS }, () => 250);
  await post(engine, [{ meterId: 'meter:1', region: 'north', timestamp: Date.now() - 1_000, powerKw: 1, voltage: 230 }]);
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
  const schedule = idOf(await sent(engine, 'POST', '/api/v1/schedules', { name: 'Day', zone: 'UTC', layers: [{ name: 'first', people: [contact], startsOn: '2026-01-05', handoffAt: '08:00', turnDays: 7 }] }));
  const ids: Record<string, string> = { 'c-ada': contact, 'silence-1': silenced, m1: maintained, a1: agreement, 's-night': schedule };
  const named = (text: string): string => ids[text] ?? text;
  const examples: Record<string, RequestExample> = Object.fromEntries(Object.entries(REQUEST_EXAMPLES).map(([id, example]) => [id, { ...example, path: example.path?.map(named) }]));
  const people = (body: unknown): unknown => JSON.parse(JSON.stringify(body).replaceAll('c-ada', contact));
  for (const id of ['createSchedule', 'createOverride', 'previewNotification', 'testNotification']) examples[id] = { ...examples[id], body: people(examples[id].body) };
  for (const id of ['createSilence', 'createMaintenanceWindow']) examples[id] = { body: silence };
  examples.createPriceOverride = { body: override };
  examples.endPriceOverride = { ...examples.endPriceOverride, path: [overridden] };
  examples.putTariff = { ...examples.putTariff, body: tariff };
  examples.checkTariff = { body: tariff };
  return examples;
}
