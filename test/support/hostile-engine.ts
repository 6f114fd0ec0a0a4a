import { overloadOf } from './alert-engine-api.ts';
import { exampleTariff, postQuarters } from './billing-engine.ts';
import { post, postBody } from './engine-api.ts';
import { eventually, type Settings } from './engine-process.ts';
import { monthStart } from './month-start.ts';
import { bearer, SignedInEngine, type SignedIn } from './signed-in-engine.ts';

/** A real engine with accounts in which every text that somebody may choose is markup and a script, or a formula, and says where it was put: for who looks at what shows it. */

const DAY_MS = 86_400_000;
const QUARTER_MS = 900_000;
const WAIT_MS = 30_000;
const CAPACITY_KW = 10;

export const HOSTILE_SETTINGS: Settings = { LATENESS: '1s', REGION_CAPACITIES: `hot=${CAPACITY_KW},warm=${CAPACITY_KW}`, BILLING_CORRECTION_INTERVAL: '1h', LOG_LEVEL: 'info' };

/** Short enough for every field. */
export const hostile = (place: string): string => `${place} "><img src=//evil.invalid onerror=__hit=1>`;
/** What a spreadsheet would compute. */
export const formula = (place: string): string => `=HYPERLINK("//evil.invalid/${place}";"<svg/onload=__hit=1>")`;
/** Ends a text and a page of PDF. */
export const PDF_BREAK = ') Tj ET endstream /S /URI /JavaScript (\\';

export interface HostileEngine {
  people: SignedInEngine;
  operator: SignedIn;
  consumer: SignedIn;
  meterId: string;
  region: string;
  tariffId: string;
  agreementId: string;
  /** The bill, and the credit note that came of a dispute. */
  invoiceId: string;
  contactId: string;
  /** One that goes on, and is acknowledged. */
  alertId: string;
  resolvedAlertId: string;
  comparisonId: string;
  month: string;
}

/** `settings` come on top; `addresses` are where the contact is told. */
export async function startHostileEngine(settings: Settings = {}, addresses: object = {}): Promise<HostileEngine> {
  const people = await SignedInEngine.start({ ...HOSTILE_SETTINGS, ...settings });
  try {
    return await furnish(people, addresses);
  } catch (error) {
    await people.engine.dispose();
    throw error;
  }
}

async function furnish(people: SignedInEngine, addresses: object): Promise<HostileEngine> {
  const { engine } = people;
  const { ingest } = people.headers;
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  const until = new Date(Date.now() + DAY_MS).toISOString();
  const thisMonth = monthStart(0);
  const month = new Date(monthStart(1)).toISOString().slice(0, 7);
  const [meterId, region, tariffId] = ['house-1', 'north', 'hostile'];

  await people.made('PATCH', '/api/v1/me', { name: hostile('admin') });
  await people.made('POST', '/api/v1/device-keys', { name: hostile('key'), scope: { meters: [meterId] } });
  const operator = await people.addUser('operator@example.org', { role: 'operator', name: hostile('operator'), regions: [region] });
  const consumer = await people.addUser('consumer@example.org', { role: 'consumer', name: hostile('consumer'), meters: [meterId] });
  await people.logIn('consumer@example.org', { 'user-agent': hostile('agent') });
  const { id: contactId } = await people.made('POST', '/api/v1/contacts', { name: hostile('contact'), addresses, preferences: { subscription: { severityMin: 'INFO' } } });
  const schedule = await people.made('POST', '/api/v1/schedules', { name: hostile('rota'), zone: 'UTC', layers: [{ name: hostile('layer'), people: [contactId], startsOn: '2026-01-05', handoffAt: '08:00', turnDays: 7 }] });
  await people.made('POST', `/api/v1/schedules/${schedule.id}/overrides`, { contactId, from: new Date().toISOString(), to: until, why: hostile('stand-in') });

  await postQuarters(engine, meterId, region, { fromMs: thisMonth - 2 * DAY_MS, toMs: thisMonth + QUARTER_MS }, () => 250, ingest);
  await postQuarters(engine, meterId, region, { fromMs: today - DAY_MS, toMs: today - QUARTER_MS }, () => 250, ingest);
  await post(engine, [{ meterId, region, timestamp: Date.now() - 1_000, powerKw: 1, voltage: 230 }], ingest);
  await post(engine, [...overloadOf('hot', 12), ...overloadOf('warm', 12)], ingest);
  for (const reading of [{ meterId: hostile('dead meter'), region, timestamp: Date.now(), powerKw: 1 }, { meterId, region: hostile('dead region'), timestamp: hostile('dead time'), powerKw: hostile('dead power'), [hostile('dead field')]: 1 }]) {
    await postBody(engine, JSON.stringify([reading]), { 'content-type': 'application/json', ...ingest });
  }

  await people.made('PUT', `/api/v1/registry/meters/${meterId}?newRegions=true`, { region, serial: formula('serial'), manufacturer: hostile('maker'), model: hostile('model'), address: { street: hostile('street'), city: hostile('city') }, note: hostile('note') });
  const tariff = exampleTariff({ id: tariffId, zone: 'UTC', appliesTo: { regions: [region] }, name: hostile('tariff'), description: hostile('description'), holidays: [{ date: `${new Date(today).getUTCFullYear()}-12-24`, name: hostile('holiday') }] });
  tariff.schedules[0].periods[0].title = hostile('period');
  tariff.charges[1].name = hostile('charge');
  await people.made('PUT', `/api/v1/tariffs/${tariffId}`, tariff);
  const { id: agreementId } = await people.made('POST', '/api/v1/agreements', { meterId, customer: { name: formula('customer'), address: [hostile('address'), PDF_BREAK], email: '=1+1@evil.invalid', taxId: hostile('tax') }, movedIn: new Date(today - 38 * DAY_MS).toISOString().slice(0, 10) });
  const run = await people.made('POST', '/api/v1/billing-runs', { month });
  await eventually(() => people.made('GET', `/api/v1/billing-runs/${encodeURIComponent(run.id)}`), ({ state }) => state === 'done', WAIT_MS);
  const [{ id: invoiceId }] = (await people.made('GET', '/api/v1/invoices')).data;
  const ofInvoice = `/api/v1/invoices/${encodeURIComponent(invoiceId)}`;
  await people.made('POST', `${ofInvoice}/payments`, { amount: '1.00', method: 'bank', reference: hostile('payment') });
  const disputed = await people.made('POST', `${ofInvoice}/disputes`, { reason: hostile('dispute') });
  await people.made('POST', `/api/v1/disputes/${encodeURIComponent(disputed.id)}/resolve`, { outcome: 'upheld', resolution: hostile('resolution'), creditAmount: '2.00' });
  const { id: comparisonId } = await people.made('POST', '/api/v1/tariff-comparisons', { tariffs: [{ id: tariffId }], from: month, to: month });
  await people.made('POST', '/api/v1/price-overrides', { region, price: '0.40', until, reason: hostile('override') });

  for (const kind of ['silences', 'maintenance-windows']) await people.made('POST', `/api/v1/${kind}`, { match: { regions: ['nowhere'] }, endsAt: until, comment: hostile(kind) });
  const alerts = (await eventually(() => people.made('GET', '/api/v1/alerts/active'), ({ data }) => data.length > 1, WAIT_MS)).data;
  const idOf = (of: string): string => alerts.find((alert: { region: string }) => alert.region === of).id;
  const [alertId, resolvedAlertId] = [idOf('hot'), idOf('warm')];
  await people.made('POST', `/api/v1/alerts/${alertId}/acknowledge`, { why: hostile('acknowledged') });
  await people.made('POST', `/api/v1/alerts/${resolvedAlertId}/resolve`, { why: hostile('resolved') });
  // What does not exist is noted by the address that was asked for.
  await people.call('DELETE', `/api/v1/contacts/${encodeURIComponent(hostile('target'))}`, { headers: bearer(people.admin.token) });
  return { people, operator, consumer, meterId, region, tariffId, agreementId, invoiceId, contactId, alertId, resolvedAlertId, comparisonId, month };
}
