import { ALERT } from './fake-alerts.ts';
import { ANOMALY } from './fake-engine.ts';
import { TARIFF } from './fake-tariffs.ts';

/** A request for each operation of the API that the fakes answer with 2xx, about the meter `meter:1` or the region `north` where it is about one. */

export interface RequestExample {
  /** Values of the path's parameters, in order, not escaped. */
  path?: readonly string[];
  query?: Readonly<Record<string, string>>;
  body?: unknown;
}

const WHEN = { from: '2026-01-15T13:00:00Z', to: '2026-01-16T00:00:00Z' };
const DAYS = { from: '2025-12-01', to: '2026-01-01' };
const CONTACT = ['c-ada'];
const SCHEDULE = ['s-night'];
const INVOICE = ['i/1'];
const METER = { path: ['meter:1'] };
const REGION = { path: ['north'] };
const OWN = { query: { meterId: 'meter:1' } };
const SILENCE = { match: { regions: ['north'] }, endsAt: '2026-01-16T00:00:00Z', by: 'Ada', comment: 'works' };

const CREDENTIALS = { email: 'ada@example.org', password: 'three green kettles' };
const LINK = { token: 'segl_x', password: 'three green kettles' };
const USER = { path: ['u-consumer'] };

export const REQUEST_EXAMPLES: Readonly<Record<string, RequestExample>> = {
  listMeters: {},
  getMeter: METER,
  listMeterWindows: METER,
  listDailyEnergy: METER,
  listMonthlyEnergy: METER,
  getMeterStatistics: METER,
  compareMeter: METER,
  listOwnMeters: {},
  listRegisteredMeters: {},
  getRegisteredMeter: METER,
  putRegisteredMeter: { ...METER, body: { region: 'north', serial: 'LG-4711', address: { city: 'Köln', country: 'DE' }, phases: 3, installedOn: '2020-03-01' } },
  changeRegisteredMeter: { ...METER, body: { note: 'behind the house' } },
  removeRegisteredMeter: METER,
  importRegisteredMeters: { body: [{ meterId: 'meter:1', region: 'north', serial: 'LG-4711' }, { meterId: 'meter:2', region: 'north' }] },
  listRegions: {},
  getRegion: REGION,
  listRegionWindows: REGION,
  getRegionLoad: REGION,
  getRegionForecast: REGION,
  listTopConsumers: REGION,
  listAnomalies: OWN,
  listDeadLetters: OWN,
  getEngine: {},
  getOperations: {},
  listAlerts: OWN,
  listActiveAlerts: OWN,
  getAlertStatistics: {},
  listRegionAlerts: REGION,
  resolveAlerts: { body: { ids: [ALERT.id], by: 'Ada', why: 'over' } },
  getAlert: { path: [ALERT.id] },
  acknowledgeAlert: { path: [ALERT.id], body: { by: 'Ada' } },
  resolveAlert: { path: [ALERT.id], body: { by: 'Ada', why: 'over' } },
  explainAlert: { path: [ALERT.id] },
  explainAnomaly: { query: { id: ANOMALY.id } },
  listSilences: {},
  createSilence: { body: SILENCE },
  getSilence: { path: ['silence-1'] },
  changeSilence: { path: ['silence-1'], body: { comment: 'longer works', by: 'Ada' } },
  endSilence: { path: ['silence-1'], query: { by: 'Ada' } },
  listMaintenanceWindows: {},
  createMaintenanceWindow: { body: SILENCE },
  getMaintenanceWindow: { path: ['m1'] },
  changeMaintenanceWindow: { path: ['m1'], body: { comment: 'longer works', by: 'Ada' } },
  endMaintenanceWindow: { path: ['m1'], query: { by: 'Ada' } },
  getAlertRules: {},
  checkAlertRules: { body: {} },
  dryRunAlertRules: { body: { rules: { rules: [{ name: 'r', condition: 'regional_load' }], routes: [{ name: 'all' }] } } },
  listContacts: {},
  createContact: { body: { name: 'Eve', zone: 'Europe/Berlin', addresses: { email: 'eve@example.org' } } },
  getContact: { path: CONTACT },
  changeContact: { path: CONTACT, body: { name: 'Eve' } },
  removeContact: { path: CONTACT },
  resumeChannel: { path: [...CONTACT, 'email'] },
  getPreferences: { path: CONTACT },
  putPreferences: { path: CONTACT, body: {} },
  listSchedules: {},
  createSchedule: { body: { name: 'Day', zone: 'UTC', layers: [{ name: 'first', people: CONTACT, startsOn: '2026-01-05', handoffAt: '08:00', turnDays: 7 }] } },
  getSchedule: { path: SCHEDULE },
  changeSchedule: { path: SCHEDULE, body: { name: 'Day' } },
  removeSchedule: { path: SCHEDULE },
  listOnCallTurns: { path: SCHEDULE },
  createOverride: { path: SCHEDULE, body: { contactId: CONTACT[0], ...WHEN, by: 'Ada' } },
  getOverride: { path: [...SCHEDULE, 'o1'] },
  removeOverride: { path: [...SCHEDULE, 'o1'] },
  listDeliveries: {},
  getDelivery: { path: ['REGIONAL_OVERLOAD,north/3/c-ada'] },
  previewNotification: { body: { contactId: CONTACT[0], channel: 'email' } },
  testNotification: { body: { contactId: CONTACT[0], channel: 'email' } },
  listTariffs: {},
  checkTariff: { body: TARIFF },
  getTariff: { path: ['flat'] },
  putTariff: { path: ['flat'], query: { by: 'Ada' }, body: TARIFF },
  listTariffVersions: { path: ['flat'] },
  listRegionTariffs: REGION,
  getMeterTariff: METER,
  estimateCost: { ...METER, query: DAYS },
  getCycle: METER,
  getProjection: METER,
  listComparisons: {},
  startComparison: { body: { tariffs: [{ id: 'flat' }], from: '2025-11', to: '2025-12', by: 'Ada' } },
  getComparison: { path: ['cmp-000001'] },
  endComparison: { path: ['cmp-000001'] },
  listComparedMeters: { path: ['cmp-000001'] },
  compareTariffs: { ...METER, query: { ...DAYS, tariffs: 'flat' } },
  listAgreements: OWN,
  createAgreement: { body: { meterId: 'meter:1', customer: { name: 'Ada Lovelace' }, movedIn: '2026-07-01', by: 'Ada' } },
  getAgreement: { path: ['a1'] },
  changeAgreement: { path: ['a1'], body: { tariffId: 'flat', by: 'Ada' } },
  listInvoices: OWN,
  exportInvoices: OWN,
  getInvoice: { path: INVOICE },
  getInvoiceCsv: { path: INVOICE },
  getInvoicePdf: { path: INVOICE },
  explainInvoice: { path: INVOICE },
  getDraft: { path: ['a1'], query: { month: '2025-12' } },
  listPayments: { path: INVOICE },
  createPayment: { path: INVOICE, body: { amount: '25.00', method: 'bank', reference: 'REF 1', by: 'Ada' } },
  listDisputes: { query: { invoice: INVOICE[0] } },
  listInvoiceDisputes: { path: INVOICE },
  createDispute: { path: INVOICE, body: { reason: 'too much', by: 'Ada' } },
  resolveDispute: { path: ['d1'], body: { outcome: 'rejected', resolution: 'it is right', by: 'Ada' } },
  listBillingRuns: {},
  startBillingRun: { body: { month: '2025-12', by: 'Ada' } },
  getBillingRun: { path: ['r1'] },
  listPrices: {},
  getPrice: REGION,
  listPriceHistory: REGION,
  listPriceOverrides: {},
  createPriceOverride: { body: { region: 'north', price: '0.40', until: '2026-01-16T00:00:00Z', by: 'Ada', reason: 'works' } },
  getOpenApi: {},
  endPriceOverride: { path: ['o1'], query: { by: 'Ada', reason: 'over' } },
  getAccountSettings: {},
  getSigningKeys: {},
  startSignIn: { query: { from: '#bills' } },
  finishSignIn: { query: { state: 's', code: 'c' } },
  logIn: { body: CREDENTIALS },
  refresh: { body: { refreshToken: 'segr_x' } },
  logOut: { body: { refreshToken: 'segr_x' } },
  changePassword: { body: { ...CREDENTIALS, newPassword: 'seven blue lanterns' } },
  register: { body: { email: 'ada@example.org', name: 'Ada' } },
  verify: { body: LINK },
  requestPasswordReset: { body: { email: 'ada@example.org' } },
  confirmPasswordReset: { body: LINK },
  logOutEverywhere: { body: {} },
  listSessions: {},
  endSession: { path: ['s-consumer'] },
  makeStreamTicket: { body: {} },
  getMe: {},
  changeMe: { body: { name: 'Ada', preferences: { theme: 'dark' } } },
  listUsers: { query: { role: 'consumer', email: 'ada', meterId: 'meter:1' } },
  createUser: { body: { email: 'ada@example.org', name: 'Ada', role: 'consumer', meters: ['meter:1'] } },
  getUser: USER,
  changeUser: { ...USER, body: { disabled: true } },
  removeUser: USER,
  resetPassword: { ...USER, body: {} },
  putUserMeters: { ...USER, body: { meters: ['meter:1'] } },
  assignMeters: { body: { assignments: [{ user: 'ada@example.org', meters: ['meter:1'] }] } },
  listDeviceKeys: {},
  createDeviceKey: { body: { name: 'collector', scope: { regions: ['north'] } } },
  revokeDeviceKey: { path: ['key_1'] },
  listAuditLog: { query: { action: 'logged_in' } },
};

/** Path and query of a request, as it is sent. */
export function exampleTarget(path: string, { path: values = [], query }: RequestExample): string {
  let at = 0;
  const named = path.replace(/:[A-Za-z]+|\{[A-Za-z]+\}/g, () => encodeURIComponent(values[at++]));
  return query === undefined ? named : `${named}?${new URLSearchParams(query)}`;
}
