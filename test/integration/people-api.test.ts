import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dryRun } from '../../src/actors/alerts/dry-run.ts';
import { PeopleDirectory } from '../../src/actors/people/people-directory.ts';
import { answerPeople, type PeopleQuestion } from '../../src/actors/people/people-questions.ts';
import type { AlertsPort } from '../../src/http/alerts-port.ts';
import { startGateway, type Gateway } from '../../src/http/gateway.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { apiClient } from '../support/api-client.ts';
import { fakeAlerts, SECRET } from '../support/fake-alerts.ts';
import { ANOMALY, AT, fakeEngine, REGION } from '../support/fake-engine.ts';

/** The API over the real directory of people and the real conditions: what it sends them is what they take, and their refusals are its answers. */

let ids = 0;
const people = new PeopleDirectory(new MemoryStore());
const rest = fakeAlerts();
const port = {
  async ask(question: PeopleQuestion) {
    if (question.kind in PEOPLE) return answerPeople(people, question, AT, () => `id-${++ids}`);
    return rest.ask(question);
  },
} as unknown as AlertsPort;
const PEOPLE = Object.fromEntries(['contacts', 'contact', 'makeContact', 'changeContact', 'removeContact', 'resumeChannel', 'schedules', 'schedule', 'makeSchedule', 'changeSchedule', 'removeSchedule', 'override', 'removeOverride', 'onCall'].map((kind) => [kind, true]));

const engine = fakeEngine();
let gateway: Gateway;
const call = apiClient(() => gateway.port);

beforeAll(async () => {
  gateway = await startGateway({ host: '127.0.0.1', port: 0, queriesInFlightMax: 4, requestIdPrefix: 'test' }, { engine, alerts: port, clock: { ...systemClock, now: () => AT }, timers: systemTimers, log: nullLog });
});
afterAll(() => gateway.close(1_000));

async function makeContact(name: string): Promise<string> {
  const { status, body } = await call('POST', '/api/v1/contacts', { body: { name, zone: 'Europe/Zurich', addresses: { email: `${name}@example.org`, webhook: { url: 'https://example.org/hook', secret: SECRET } } } });
  expect(status, JSON.stringify(body)).toBe(201);
  return body.id;
}

describe('people', () => {
  test('a contact is made, found, changed by who saw it last, and removed', async () => {
    const id = await makeContact('ada');
    const path = `/api/v1/contacts/${id}`;
    const seen = await call('GET', path);
    expect(seen.body.addresses).toEqual({ email: 'ada@example.org', sms: null, push: [], webhook: { url: 'https://example.org/hook', hasSecret: true } });
    const changed = await call('PATCH', path, { body: { addresses: { email: 'new@example.org', webhook: { url: 'https://example.org/other' } } }, headers: { 'if-match': seen.headers.etag } });
    expect([changed.status, changed.headers.etag]).toEqual([200, '"2"']);
    expect(people.contact(id)!.addresses).toEqual({ email: 'new@example.org', sms: null, push: [], webhook: { url: 'https://example.org/other', secret: SECRET } });
    const late = await call('PATCH', path, { body: { name: 'Bob' }, headers: { 'if-match': seen.headers.etag } });
    expect(late.body).toMatchObject({ status: 409, code: 'stale_version' });
    const preferences = await call('GET', `${path}/preferences`);
    const put = await call('PUT', `${path}/preferences`, { body: { ...preferences.body, subscription: { severityMin: 'WARN' } }, headers: { 'if-match': preferences.headers.etag } });
    expect([put.status, put.body.subscription]).toEqual([200, { severityMin: 'WARN', regions: [] }]);
    expect((await call('DELETE', path, { headers: { 'if-match': '"1"' } })).status).toBe(409);
    expect((await call('DELETE', path, { headers: { 'if-match': put.headers.etag } })).status).toBe(204);
    expect((await call('GET', path)).body).toMatchObject({ status: 404, code: 'unknown_contact' });
    expect((await call('DELETE', path)).status).toBe(404);
  });

  test('lists go on where they ended', async () => {
    for (let i = 0; i < 5; i++) await makeContact(`p${i}`);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const { body } = await call('GET', `/api/v1/contacts?limit=2${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`);
      seen.push(...body.data.map(({ id }: { id: string }) => id));
      cursor = body.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual([...people.contacts()].map(({ id }) => id));
  });

  test('a schedule names people who are there, says who is on call, and takes a stand-in', async () => {
    const [ada, bob] = [await makeContact('ada'), await makeContact('bob')];
    const layer = { name: 'first', people: [ada], startsOn: '2026-01-01', handoffAt: '08:00', turnDays: 7 };
    const nobody = await call('POST', '/api/v1/schedules', { body: { name: 'Night', zone: 'Europe/Zurich', layers: [{ ...layer, people: ['nobody'] }] } });
    expect(nobody.body).toMatchObject({ status: 422, code: 'unknown_contact', faults: [{ path: 'layers' }] });
    const made = await call('POST', '/api/v1/schedules', { body: { name: 'Night', zone: 'Europe/Zurich', layers: [layer] } });
    expect(made.status).toBe(201);
    const path = made.headers.location;
    expect((await call('DELETE', `/api/v1/contacts/${ada}`)).body).toMatchObject({ status: 409, code: 'in_use' });
    const span = { from: new Date(AT + 3_600_000).toISOString(), to: new Date(AT + 7_200_000).toISOString() };
    const standIn = await call('POST', `${path}/overrides`, { body: { ...span, contactId: bob, by: 'Ada', why: 'ill' }, headers: { 'if-match': made.headers.etag } });
    expect(standIn.status, JSON.stringify(standIn.body)).toBe(201);
    expect((await call('GET', standIn.headers.location)).body).toMatchObject({ contactId: bob, ...span });
    const onCall = await call('GET', `${path}/on-call?from=${AT}&to=${AT + 10_800_000}`);
    expect(onCall.body.data.map(({ contactId }: { contactId: string }) => contactId)).toEqual([ada, bob, ada]);
    expect((await call('DELETE', standIn.headers.location, { headers: { 'if-match': made.headers.etag } })).status).toBe(409);
    expect((await call('DELETE', standIn.headers.location)).body.overrides).toEqual([]);
    expect((await call('DELETE', standIn.headers.location)).body).toMatchObject({ status: 404, code: 'unknown_override' });
    expect((await call('PATCH', path, { body: { layers: [{ ...layer, people: [bob] }] } })).status).toBe(200);
    expect((await call('DELETE', `/api/v1/contacts/${ada}`)).status).toBe(204);
    expect((await call('DELETE', path)).status).toBe(204);
    expect((await call('GET', `${path}/on-call`)).body).toMatchObject({ status: 404, code: 'unknown_schedule' });
  });
});

test('a dry run says what the rules would have raised', async () => {
  rest.answers.dryRun = ({ rules, history }) => dryRun(rules, history);
  engine.regions = async () => [REGION];
  engine.anomalies = async () => ({ data: [{ ...ANOMALY, kind: 'outage', severity: 'CRITICAL', startedAt: AT - 3_600_000, endedAt: AT - 1_800_000, endReason: 'recovered' }], nextCursor: null });
  const window = (minute: number) => {
    const windowStart = AT + (minute - 30) * 60_000;
    const loadPercent = minute >= 5 && minute < 10 ? 95 : 50;
    return { region: 'north', granularity: '1m' as const, windowStart, windowEnd: windowStart + 60_000, metersReporting: 2, sumPowerKw: loadPercent / 10, avgPowerKw: 1, minPowerKw: 1, maxPowerKw: 2, energyKwhSum: 1, capacityKw: 10, loadPercent, final: true };
  };
  engine.regionWindows = async () => ({ data: Array.from({ length: 20 }, (_, minute) => window(minute)), nextCursor: null });
  const rules = (await call('GET', '/api/v1/alert-rules')).body.rules;
  const { status, body } = await call('POST', '/api/v1/alert-rules/dry-run', { body: { rules } });
  expect(status, JSON.stringify(body)).toBe(200);
  expect(body).toMatchObject({ read: { anomalies: 1, regionWindows: 20 }, total: 2, byRule: { 'regional-overload': 1, 'meter-outage': 1 } });
  expect(body.alerts.map(({ rule, startedAt }: { rule: string; startedAt: string }) => [rule, startedAt])).toEqual([['meter-outage', '2026-01-15T11:00:00.000Z'], ['regional-overload', '2026-01-15T11:35:00.000Z']]);
});
