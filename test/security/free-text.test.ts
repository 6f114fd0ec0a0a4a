import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGateway, type Gateway } from '../../src/http/gateway.ts';
import { systemTimers } from '../../src/runtime/clock.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { apiClient, type ApiReply } from '../support/api-client.ts';
import { fakeAccounts } from '../support/fake-accounts.ts';
import { fakeAlerts } from '../support/fake-alerts.ts';
import { AT, fakeEngine } from '../support/fake-engine.ts';
import { fakeRegistry } from '../support/fake-registry.ts';
import { fakeTariffs } from '../support/fake-tariffs.ts';
import { exampleTarget, REQUEST_EXAMPLES } from '../support/request-examples.ts';
import { MARKED } from './hostile-texts.ts';
import { operationsOf, withValue, type StringField } from './string-fields.ts';

/**
 * Which fields take any text, by what the gateway itself refuses. Who adds one has to name it here, and looks where it is shown: injection-outputs.test.ts, injection-sinks.test.ts and browser/injection.test.ts have something hostile in
 * each of the others.
 */

let open: Gateway;
let withAccounts: Gateway;

beforeAll(async () => {
  const options = { host: '127.0.0.1', port: 0, queriesInFlightMax: 4, requestIdPrefix: 't' };
  const modules = { engine: fakeEngine(), alerts: fakeAlerts(), tariffs: fakeTariffs(), registry: fakeRegistry(), clock: { now: () => AT + 1_000, monotonic: () => 0 }, timers: systemTimers, log: nullLog };
  open = await startGateway(options, modules);
  withAccounts = await startGateway(options, { ...modules, accounts: fakeAccounts() });
});
afterAll(() => Promise.all([open.close(1_000), withAccounts.close(1_000)]));

/** A checker says in its answer what it does not take, and an import what it left out. */
function isTaken({ status, body }: ApiReply): boolean {
  return status < 300 && !(body?.faults?.length > 0) && !(body?.refused > 0);
}

async function freeFields(gateway: Gateway, isAsked: (tag: string) => boolean, headers: Record<string, string>): Promise<string[]> {
  const call = apiClient(() => gateway.port);
  const document = (await call('GET', '/api/v1/openapi.json')).body as Record<string, any>;
  const free: string[] = [];
  for (const { id, tag, method, path, fields } of operationsOf(document, ['POST', 'PUT', 'PATCH', 'DELETE'])) {
    if (!isAsked(tag)) continue;
    const example = REQUEST_EXAMPLES[id];
    const send = ({ in: where, path: place }: StringField) =>
      where === 'query'
        ? call(method, exampleTarget(path, { ...example, query: { ...example.query, [String(place[0])]: MARKED } }), { headers, body: example.body })
        : call(method, exampleTarget(path, example), { headers, body: withValue(example.body, place, MARKED) });
    for (const field of fields) if (field.in !== 'path' && isTaken(await send(field))) free.push(`${id} ${field.in}.${field.path.join('.')}`);
  }
  return free.sort();
}

test('any text is taken in these fields, and in no other', async () => {
  expect(await freeFields(open, (tag) => tag !== 'Accounts', {})).toEqual(FREE_TEXT);
});

test('and in these about accounts', async () => {
  expect(await freeFields(withAccounts, (tag) => tag === 'Accounts', { authorization: 'Bearer admin' })).toEqual(FREE_TEXT_OF_ACCOUNTS);
});

const FREE_TEXT = [
  'acknowledgeAlert body.by', 'acknowledgeAlert body.why',
  'changeAgreement body.by', 'changeAgreement body.customer.address.0', 'changeAgreement body.customer.name', 'changeAgreement body.customer.taxId',
  'changeContact body.name',
  'changeMaintenanceWindow body.by', 'changeMaintenanceWindow body.comment',
  'changeRegisteredMeter body.address.city', 'changeRegisteredMeter body.address.street', 'changeRegisteredMeter body.manufacturer', 'changeRegisteredMeter body.model', 'changeRegisteredMeter body.note', 'changeRegisteredMeter body.serial', 'changeRegisteredMeter query.by',
  'changeSchedule body.name',
  'changeSilence body.by', 'changeSilence body.comment',
  'checkTariff body.charges.0.name', 'checkTariff body.description', 'checkTariff body.name', 'checkTariff body.schedules.0.periods.0.title',
  'createAgreement body.by', 'createAgreement body.customer.address.0', 'createAgreement body.customer.name', 'createAgreement body.customer.taxId',
  'createContact body.name',
  'createDispute body.by', 'createDispute body.reason',
  'createMaintenanceWindow body.by', 'createMaintenanceWindow body.comment',
  'createOverride body.by', 'createOverride body.why',
  'createPayment body.by', 'createPayment body.reference',
  'createPriceOverride body.by', 'createPriceOverride body.reason',
  'createSchedule body.layers.0.name', 'createSchedule body.name',
  'createSilence body.by', 'createSilence body.comment',
  'endMaintenanceWindow query.by', 'endMaintenanceWindow query.why',
  'endPriceOverride query.by', 'endPriceOverride query.reason',
  'endSilence query.by', 'endSilence query.why',
  'importRegisteredMeters body.0.address.city', 'importRegisteredMeters body.0.address.street', 'importRegisteredMeters body.0.manufacturer', 'importRegisteredMeters body.0.model', 'importRegisteredMeters body.0.note', 'importRegisteredMeters body.0.serial', 'importRegisteredMeters query.by',
  'putRegisteredMeter body.address.city', 'putRegisteredMeter body.address.street', 'putRegisteredMeter body.manufacturer', 'putRegisteredMeter body.model', 'putRegisteredMeter body.note', 'putRegisteredMeter body.serial', 'putRegisteredMeter query.by',
  'putTariff body.charges.0.name', 'putTariff body.description', 'putTariff body.name', 'putTariff body.schedules.0.periods.0.title', 'putTariff query.by',
  'removeRegisteredMeter query.by',
  'resolveAlert body.by', 'resolveAlert body.why',
  'resolveAlerts body.by', 'resolveAlerts body.why',
  'resolveDispute body.by', 'resolveDispute body.resolution',
  'startBillingRun body.by',
  'startComparison body.by',
];

/** A password and a token are never shown. */
const FREE_TEXT_OF_ACCOUNTS = [
  'changeMe body.name',
  'changePassword body.newPassword', 'changePassword body.password',
  'changeUser body.name',
  'confirmPasswordReset body.password', 'confirmPasswordReset body.token',
  'createDeviceKey body.name',
  'createUser body.name',
  'logIn body.password',
  'logOut body.refreshToken',
  'refresh body.refreshToken',
  'register body.name',
  'verify body.password', 'verify body.token',
];
