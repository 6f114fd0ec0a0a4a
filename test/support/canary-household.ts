import { postQuarters } from './billing-engine.ts';
import { overloadOf } from './alert-engine-api.ts';
import { post } from './engine-api.ts';
import { eventually } from './engine-process.ts';
import { monthStart } from './month-start.ts';
import type { RequestExample } from './request-examples.ts';
import { bearer, type SignedInEngine } from './signed-in-engine.ts';

/** A household, a region, a person and a key of somebody else, beside those of a seeded engine: what is in them carries a mark that nobody else may ever see. Names of things carry none, as a refusal repeats what was asked for. */

/** In every text that is theirs, and the first digits of what their meter draws. */
export const CANARY_MARKS = ['kestrel', '77.431'] as const;
export const CANARY_REGION = 'elsewhere';
export const CANARY_METER = 'elsewhere-0';

const KW = 77.4311;
const DAY_MS = 86_400_000;
const QUARTER_MS = 900_000;
const WAIT_MS = 30_000;

/** Its settings are SEEDED_SETTINGS with a capacity for CANARY_REGION. Gives requests about what is theirs, by operation. */
export async function addCanaries(people: SignedInEngine): Promise<Record<string, RequestExample>> {
  const { engine } = people;
  const { ingest } = people.headers;
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  const [thisMonth, lastMonth] = [monthStart(0), monthStart(1)];
  await postQuarters(engine, CANARY_METER, CANARY_REGION, { fromMs: thisMonth - DAY_MS, toMs: thisMonth + QUARTER_MS }, () => KW * 250, ingest);
  await post(engine, [...overloadOf(CANARY_REGION, 4 * KW), { meterId: CANARY_METER, region: CANARY_REGION, timestamp: Date.now() - 1_000, powerKw: KW, voltage: 230 }], ingest);
  const owner = await people.addUser('kestrel@example.org', { role: 'consumer', name: 'Kestrel', meters: [CANARY_METER] });
  const { deviceKey } = await people.made('POST', '/api/v1/device-keys', { name: 'kestrel', scope: { meters: [CANARY_METER] } });
  const agreement = await people.made('POST', '/api/v1/agreements', { meterId: CANARY_METER, customer: { name: 'Kestrel', address: ['kestrel lane'], email: 'kestrel@example.org', taxId: 'kestrel' }, tariffId: 'flat', movedIn: new Date(today - 38 * DAY_MS).toISOString().slice(0, 10) });
  const run = await people.made('POST', '/api/v1/billing-runs', { month: new Date(lastMonth).toISOString().slice(0, 7) });
  await eventually(() => people.made('GET', `/api/v1/billing-runs/${encodeURIComponent(run.id)}`), ({ state }) => state === 'done', WAIT_MS);
  const [invoice] = (await eventually(() => people.made('GET', `/api/v1/invoices?meterId=${CANARY_METER}`), ({ data }) => data.length > 0, WAIT_MS)).data;
  const ofInvoice = `/api/v1/invoices/${encodeURIComponent(invoice.id)}`;
  await people.made('POST', `${ofInvoice}/payments`, { amount: '1.00', method: 'bank', reference: 'kestrel' });
  const dispute = await people.made('POST', `${ofInvoice}/disputes`, { reason: 'kestrel' });
  const override = await people.made('POST', '/api/v1/price-overrides', { region: CANARY_REGION, price: '0.41', until: new Date(Date.now() + DAY_MS).toISOString(), reason: 'kestrel' });
  const isTheirs = ({ region }: { region: string }): boolean => region === CANARY_REGION;
  const alert = (await eventually(() => people.made('GET', '/api/v1/alerts/active'), ({ data }) => data.some(isTheirs), WAIT_MS)).data.find(isTheirs);
  await people.made('POST', `/api/v1/alerts/${alert.id}/acknowledge`, { why: 'kestrel' });
  const [session] = (await people.call('GET', '/api/v1/auth/sessions', { headers: bearer(owner.token) })).body.data;
  const { data: deliveries } = await people.made('GET', '/api/v1/deliveries');
  return requestsAbout({ invoice: invoice.id, agreement: agreement.id, dispute: dispute.id, override: override.id, alert: alert.id, user: owner.id, session: session.id, deviceKey: deviceKey.id, delivery: deliveries[0]?.id ?? 'none' });
}

type Ids = Record<'invoice' | 'agreement' | 'dispute' | 'override' | 'alert' | 'user' | 'session' | 'deviceKey' | 'delivery', string>;

function requestsAbout({ invoice, agreement, dispute, override, alert, user, session, deviceKey, delivery }: Ids): Record<string, RequestExample> {
  const each = (names: readonly string[], example: RequestExample): [string, RequestExample][] => names.map((name) => [name, example]);
  const days = { from: '2026-10-01', to: '2026-11-01' };
  return Object.fromEntries([
    ...each(['getMeter', 'listMeterWindows', 'listDailyEnergy', 'listMonthlyEnergy', 'getMeterStatistics', 'compareMeter', 'getMeterTariff', 'getCycle', 'getProjection'], { path: [CANARY_METER] }),
    ...each(['estimateCost'], { path: [CANARY_METER], query: days }),
    ...each(['compareTariffs'], { path: [CANARY_METER], query: { ...days, tariffs: 'flat' } }),
    ...each(['getRegion', 'listRegionWindows', 'getRegionLoad', 'listTopConsumers', 'listRegionAlerts'], { path: [CANARY_REGION] }),
    ...each(['listAnomalies', 'listDeadLetters', 'listAlerts', 'listActiveAlerts', 'listAgreements', 'listInvoices', 'exportInvoices'], { query: { meterId: CANARY_METER } }),
    ...each(['listMeters'], { query: { region: CANARY_REGION } }),
    ...each(['explainAnomaly'], { query: { id: `${CANARY_METER}/outage/1` } }),
    ...each(['getInvoice', 'getInvoiceCsv', 'getInvoicePdf', 'explainInvoice', 'listPayments', 'listInvoiceDisputes'], { path: [invoice] }),
    ...each(['listDisputes'], { query: { invoice } }),
    ...each(['createPayment'], { path: [invoice], body: { amount: '1.00', method: 'bank', reference: 'stolen', by: 'x' } }),
    ...each(['createDispute'], { path: [invoice], body: { reason: 'stolen', by: 'x' } }),
    ...each(['resolveDispute'], { path: [dispute], body: { outcome: 'rejected', resolution: 'stolen', by: 'x' } }),
    ...each(['getAgreement'], { path: [agreement] }),
    ...each(['getDraft'], { path: [agreement], query: { month: days.from.slice(0, 7) } }),
    ...each(['changeAgreement'], { path: [agreement], body: { tariffId: null, by: 'x' } }),
    ...each(['endPriceOverride'], { path: [override], query: { reason: 'stolen', by: 'x' } }),
    ...each(['createPriceOverride'], { body: { region: CANARY_REGION, price: '0.42', until: new Date(Date.now() + DAY_MS).toISOString(), reason: 'stolen', by: 'x' } }),
    ...each(['createSilence', 'createMaintenanceWindow'], { body: { match: { regions: [CANARY_REGION] }, endsAt: new Date(Date.now() + DAY_MS).toISOString(), comment: 'stolen', by: 'x' } }),
    ...each(['getAlert', 'explainAlert'], { path: [alert] }),
    ...each(['acknowledgeAlert', 'resolveAlert'], { path: [alert], body: { why: 'stolen', by: 'x' } }),
    ...each(['resolveAlerts'], { body: { ids: [alert], why: 'stolen', by: 'x' } }),
    ...each(['getUser', 'removeUser'], { path: [user] }),
    ...each(['changeUser'], { path: [user], body: { role: 'admin' } }),
    ...each(['resetPassword'], { path: [user], body: {} }),
    ...each(['putUserMeters'], { path: [user], body: { meters: [] } }),
    ...each(['endSession'], { path: [session] }),
    ...each(['revokeDeviceKey'], { path: [deviceKey] }),
    ...each(['getDelivery'], { path: [delivery] }),
  ]);
}
