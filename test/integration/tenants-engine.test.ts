import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exampleTariff } from '../support/billing-engine.ts';
import { EngineProcess, eventually, removeDirectory, temporaryDirectory } from '../support/engine-process.ts';
import { openClient } from '../support/live-clients.ts';
import { monthStart } from '../support/month-start.ts';
import { exampleTarget, type RequestExample } from '../support/request-examples.ts';

/** One meter of a real engine, with one customer after another: each is asked every operation that consumers may use, and sees what is of their time. */

const QUARTER_MS = 900_000;
const DAY_MS = 86_400_000;
const PASSWORD = 'three green kettles';
/** In UTC, as the tariff's zone is. The one who moves out has two months, the other one month and what there is of this. */
const [BEGIN_MS, EDGE_MS, THIS_MONTH_MS] = [monthStart(2), monthStart(1), monthStart(0)];
const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
const monthOf = (ms: number): string => dayOf(ms).slice(0, 7);
/** Of a quarter-hour, by whom. */
const WATT_HOURS = { bob: 111, ada: 777 };
const METER = 'flat';

interface Reply {
  status: number;
  type: string;
  text: string;
  body: any;
}

type Who = 'bob' | 'ada';
const OTHER: Record<Who, Who> = { bob: 'ada', ada: 'bob' };

let engine: EngineProcess;
let dataDir: string;
let admin: string;
const tokens: Record<string, string> = {};
const agreements = {} as Record<Who, string>;
const invoices = {} as Record<Who, { id: string; number: string }>;
/** All of the meter, as the admin sees them. */
let anomalies: { id: string; startedAt: string; endedAt: string | null }[];
let alerts: { id: string; startedAt: string; resolved: { at: string } | null }[];

async function call(method: string, path: string, token: string, body?: unknown): Promise<Reply> {
  const answer = await fetch(engine.apiUrl(path), { method, headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }, body: body === undefined ? undefined : JSON.stringify(body) });
  const type = answer.headers.get('content-type') ?? '';
  const text = Buffer.from(await answer.arrayBuffer()).toString('latin1');
  return { status: answer.status, type, text, body: type.includes('json') ? JSON.parse(Buffer.from(text, 'latin1').toString()) : null };
}

async function done(method: string, path: string, body?: unknown): Promise<any> {
  const answer = await call(method, path, admin, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  return answer.body;
}

async function firstLogIn(email: string, oneTime: string): Promise<string> {
  const answer = await fetch(engine.apiUrl('/api/v1/auth/password'), { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email, password: oneTime, newPassword: PASSWORD }) });
  return ((await answer.json()) as { accessToken: string }).accessToken;
}

async function addConsumer(name: string, meters: readonly object[]): Promise<void> {
  const { oneTimePassword } = await done('POST', '/api/v1/users', { email: `${name}@example.org`, name, role: 'consumer', meters });
  tokens[name] = await firstLogIn(`${name}@example.org`, oneTimePassword);
}

const get = (who: string, path: string) => call('GET', path, tokens[who]);
const iso = (ms: number): string => new Date(ms).toISOString();

beforeAll(async () => {
  dataDir = temporaryDirectory();
  engine = await EngineProcess.start({ dataDir, settings: { AUTH: 'on', SHARDS: '1', LATENESS: '1s', CORRECTION_HORIZON: '120d' }, quickPasswordHashes: true });
  admin = await firstLogIn('admin@localhost', /password {2}(\S+)/.exec(engine.stderr)![1]);
  const { key } = await done('POST', '/api/v1/device-keys', { name: 'all', scope: 'all' });
  const readings = [];
  for (let start = BEGIN_MS; start + QUARTER_MS <= Date.now(); start += QUARTER_MS) {
    const who: Who = start < EDGE_MS ? 'bob' : 'ada';
    // Three weeks on, five hours of something else: an anomaly each.
    const since = start - (who === 'bob' ? BEGIN_MS : EDGE_MS);
    const watts = since >= 21 * DAY_MS && since < 21 * DAY_MS + 20 * QUARTER_MS ? WATT_HOURS[who] * 40 : WATT_HOURS[who];
    readings.push({ meterId: METER, region: 'sydney', timestamp: start + QUARTER_MS / 2, powerKw: (watts * 4) / 1_000, energyKwh: watts / 1_000 });
  }
  const posted = await fetch(`${engine.ingestUrl()}/ingest`, { method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` }, body: JSON.stringify(readings) });
  expect([posted.status, ((await posted.json()) as { accepted: number }).accepted]).toEqual([202, readings.length]);
  await done('PUT', `/api/v1/registry/meters/${METER}?by=x&newRegions=true`, { region: 'sydney', serial: 'LG-1' });
  await done('PUT', '/api/v1/tariffs/tou?by=x', exampleTariff({ zone: 'UTC', currency: 'AUD' }));
  for (const [who, movedIn, movedOut] of [['bob', dayOf(BEGIN_MS), dayOf(EDGE_MS)], ['ada', dayOf(EDGE_MS), null]] as const) {
    agreements[who] = (await done('POST', '/api/v1/agreements', { meterId: METER, customer: { name: `The ${who}s`, email: `${who}@example.org` }, movedIn, movedOut, by: 'x' })).id;
  }
  for (const month of [BEGIN_MS, EDGE_MS]) {
    const { id } = await done('POST', '/api/v1/billing-runs', { month: monthOf(month), by: 'x' });
    await eventually(() => done('GET', `/api/v1/billing-runs/${encodeURIComponent(id)}`), ({ state }) => state === 'done', 20_000);
  }
  for (const invoice of (await done('GET', `/api/v1/invoices?meterId=${METER}`)).data) invoices[invoice.agreementId === agreements.bob ? 'bob' : 'ada'] = invoice;
  expect(invoices.bob.number).not.toBe(invoices.ada.number);
  const all = `meterId=${METER}&from=${BEGIN_MS}&limit=1000`;
  anomalies = (await done('GET', `/api/v1/anomalies?${all}`)).data;
  alerts = (await done('GET', `/api/v1/alerts?${all}`)).data;
  await addConsumer('bob', [{ meterId: METER, until: iso(EDGE_MS) }]);
  await addConsumer('ada', [{ meterId: METER, from: iso(EDGE_MS) }]);
  await addConsumer('eve', []);
}, 120_000);

afterAll(async () => {
  await engine.kill9();
  removeDirectory(dataDir);
});

const isOf = (who: Who, fromMs: number, toMs: number): boolean => (who === 'bob' ? toMs <= EDGE_MS : fromMs >= EDGE_MS);
/** Every time and every day that an answer names, but for when something was written down. */
const TIMES = /"(from|to|at|windowStart|windowEnd|startedAt|endedAt|date|month|timestamp|peakAt|movedIn|movedOut|newestTimestamp)":"([0-9T:.Z-]+)"/g;

function strangeTimes(who: Who, text: string): string[] {
  return [...text.matchAll(TIMES)].filter(([, field, value]) => {
    const ms = Date.parse(field === 'month' ? `${value}-01` : value);
    return who === 'bob' ? ms > EDGE_MS || (ms === EDGE_MS && !['to', 'windowEnd', 'endedAt', 'movedOut'].includes(field)) : ms < EDGE_MS;
  }).map(([match]) => match);
}

/** Whatever is told of the other. */
function othersMarks(who: Who): string[] {
  const other = OTHER[who];
  return [`The ${other}s`, `${other}@example.org`, agreements[other], invoices[other].id, invoices[other].number, `:${(WATT_HOURS[other] * 4) / 1_000},`];
}

const OF_METER = { path: [METER] };
const NAMED = { query: { meterId: METER, limit: '100' } };
const SINCE = { from: iso(Date.now() - 91 * DAY_MS) };
const DAYS = { from: dayOf(BEGIN_MS), to: dayOf(THIS_MONTH_MS) };

/** What is asked in whose name, with all of the time there is; `now`: of who has the meter alone. null: there is no such thing of theirs. */
const ASKED: Record<string, { now?: true; of: (who: Who) => RequestExample | null }> = {
  getMeter: { now: true, of: () => OF_METER },
  listMeterWindows: { of: () => ({ ...OF_METER, query: { granularity: '15m', from: iso(BEGIN_MS), to: iso(Date.now()), limit: '10000' } }) },
  listDailyEnergy: { of: () => ({ ...OF_METER, query: { from: dayOf(BEGIN_MS), to: dayOf(Date.now()) } }) },
  listMonthlyEnergy: { of: () => ({ ...OF_METER, query: { from: monthOf(BEGIN_MS) } }) },
  getMeterStatistics: { of: () => ({ ...OF_METER, query: SINCE }) },
  compareMeter: { of: (who) => ({ ...OF_METER, query: who === 'bob' ? { from: dayOf(BEGIN_MS + DAY_MS), to: dayOf(BEGIN_MS + 9 * DAY_MS) } : { from: dayOf(EDGE_MS), to: dayOf(EDGE_MS + 8 * DAY_MS) } }) },
  listAnomalies: { of: () => ({ query: { ...NAMED.query, from: iso(BEGIN_MS) } }) },
  listAlerts: { of: () => ({ query: { ...NAMED.query, from: iso(BEGIN_MS) } }) },
  listActiveAlerts: { of: () => NAMED },
  getAlert: { of: (who) => thingOf(alerts.find((alert) => isOf(who, Date.parse(alert.startedAt), alert.resolved === null ? Infinity : Date.parse(alert.resolved.at)))?.id) },
  listAgreements: { of: () => NAMED },
  getAgreement: { of: (who) => thingOf(agreements[who]) },
  getDraft: { of: (who) => ({ path: [agreements[who]], query: { month: monthOf(who === 'bob' ? BEGIN_MS : EDGE_MS) } }) },
  getMeterTariff: { of: (who) => ({ ...OF_METER, query: { at: iso(who === 'bob' ? EDGE_MS - 1 : EDGE_MS) } }) },
  estimateCost: { of: () => ({ ...OF_METER, query: DAYS }) },
  getRegisteredMeter: { now: true, of: () => OF_METER },
  getCycle: { now: true, of: () => OF_METER },
  getProjection: { now: true, of: () => OF_METER },
  compareTariffs: { of: () => ({ ...OF_METER, query: { ...DAYS, tariffs: 'tou' } }) },
  listInvoices: { of: () => NAMED },
  exportInvoices: { of: () => NAMED },
  getInvoice: { of: (who) => thingOf(invoices[who].id) },
  getInvoiceCsv: { of: (who) => thingOf(invoices[who].id) },
  getInvoicePdf: { of: (who) => thingOf(invoices[who].id) },
  explainInvoice: { of: (who) => thingOf(invoices[who].id) },
  listPayments: { of: (who) => thingOf(invoices[who].id) },
  listDisputes: { of: (who) => ({ query: { invoice: invoices[who].id } }) },
  listInvoiceDisputes: { of: (who) => thingOf(invoices[who].id) },
  createDispute: { of: (who) => ({ path: [invoices[who].id], body: { reason: `${who} says so`, by: who } }) },
};
/** Of these a bill of the month is there already. */
const CONFLICTS = ['getDraft'];
/** Days that were asked for, without anything in them; and those of a tariff. */
const OTHER_DAYS = ['compareMeter', 'getMeterTariff'];

function thingOf(id: string | undefined): RequestExample | null {
  return id === undefined ? null : { path: [id] };
}

async function operationsOfConsumers(): Promise<{ id: string; method: string; path: string; scope: string }[]> {
  const document = (await call('GET', '/api/v1/openapi.json', admin)).body;
  const all = Object.entries<Record<string, any>>(document.paths).flatMap(([path, item]) => Object.entries(item).map(([method, operation]) => ({ id: operation.operationId, method: method.toUpperCase(), path, access: operation['x-access'] })));
  return all.filter(({ access }) => typeof access === 'object' && access.roles.includes('consumer') && access.scope !== 'none').map(({ id, method, path, access }) => ({ id, method, path, scope: access.scope }));
}

describe('one meter of two tenants', () => {
  it('is asked about with every operation that consumers have', async () => {
    expect((await operationsOfConsumers()).map(({ id }) => id).sort()).toEqual(Object.keys(ASKED).sort());
    // There is something to be kept from each.
    for (const who of ['bob', 'ada'] as const) expect(anomalies.some(({ startedAt, endedAt }) => isOf(who, Date.parse(startedAt), endedAt === null ? Infinity : Date.parse(endedAt))), who).toBe(true);
  });

  it.each(['bob', 'ada'] as const)('shows %s what is of their time and nothing of the other\'s', async (who) => {
    const wrong: object[] = [];
    for (const { id, method, path } of await operationsOfConsumers()) {
      const { now, of } = ASKED[id];
      const example = of(who);
      if (example === null) continue;
      const answer = await call(method, exampleTarget(path, example), tokens[who], example.body);
      const wanted = now && who === 'bob' ? 404 : CONFLICTS.includes(id) ? 409 : 200;
      const marks = othersMarks(who).filter((mark) => answer.text.includes(mark));
      const strange = answer.status === 200 && answer.body !== null && !OTHER_DAYS.includes(id) ? strangeTimes(who, answer.text) : [];
      if (id === 'compareMeter') expect([answer.body.before, answer.body.lastYear].map(({ importKwh, peak }) => [importKwh, peak])).toEqual([who === 'bob' ? [(96 * WATT_HOURS.bob) / 1_000, expect.anything()] : [0, null], [0, null]]);
      if (answer.status !== wanted || marks.length > 0 || strange.length > 0) wrong.push({ id, status: answer.status, marks, strange: strange.slice(0, 5), text: answer.status === wanted ? '' : answer.text.slice(0, 300) });
    }
    expect(wrong).toEqual([]);
  });

  it.each(['bob', 'ada'] as const)('answers %s about what is the other\'s as about what is not there', async (who) => {
    let compared = 0;
    for (const { id, method, path, scope } of await operationsOfConsumers()) {
      const { now, of } = ASKED[id];
      const example = of(OTHER[who]);
      if (scope !== 'thing' || example === null || (now && who === 'ada')) continue;
      const missing = example.path === undefined ? { ...example, query: { invoice: 'nothing' } } : { ...example, path: ['nothing'] };
      const [theirs, none] = [await call(method, exampleTarget(path, example), tokens[who], example.body), await call(method, exampleTarget(path, missing), tokens[who], example.body)];
      const shown = (reply: Reply, name: string) => JSON.stringify({ ...reply.body, requestId: '' }).replaceAll(JSON.stringify(name).slice(1, -1), 'X').replaceAll(encodeURIComponent(name), 'X');
      expect(shown(theirs, example.path?.[0] ?? invoices[OTHER[who]].id), id).toBe(shown(none, 'nothing'));
      expect(none.status, id).toBe(404);
      compared++;
    }
    expect(compared).toBeGreaterThanOrEqual(10);
  });

  it('is not there for who never had it, whatever is asked', async () => {
    for (const { id, method, path } of await operationsOfConsumers()) {
      const example = ASKED[id].of('ada');
      if (example !== null) expect((await call(method, exampleTarget(path, example), tokens.eve, example.body)).status, id).toBe(404);
    }
  });

  it('adds up by day and month to what each took', async () => {
    const whole = async (who: Who): Promise<number> => {
      const { data } = (await get(who, `/api/v1/meters/${METER}/daily?from=${dayOf(BEGIN_MS)}&to=${dayOf(THIS_MONTH_MS)}`)).body;
      const [months] = (await get(who, `/api/v1/meters/${METER}/monthly?from=${monthOf(BEGIN_MS)}&to=${monthOf(THIS_MONTH_MS)}`)).body.data;
      const sum = data.reduce((kwh: number, day: { importKwh: number }) => kwh + day.importKwh, 0);
      expect(months.importKwh).toBeCloseTo(sum, 6);
      const statistics = (await get(who, `/api/v1/meters/${METER}/statistics?from=${BEGIN_MS}&to=${THIS_MONTH_MS}`)).body;
      expect(statistics.importKwh).toBeCloseTo(sum, 6);
      expect(statistics.readings).toBe(data.length * 96);
      return sum;
    };
    const byHand = (who: Who, days: number) => ((days * 96 + 20 * 39) * WATT_HOURS[who]) / 1_000;
    expect(await whole('bob')).toBeCloseTo(byHand('bob', (EDGE_MS - BEGIN_MS) / DAY_MS), 6);
    expect(await whole('ada')).toBeCloseTo(byHand('ada', (THIS_MONTH_MS - EDGE_MS) / DAY_MS), 6);
  });

  it('is cut at the hour of the day in which the keys changed hands', async () => {
    const noon = EDGE_MS + 12 * 3_600_000;
    await addConsumer('cut', [{ meterId: METER, from: iso(noon), until: iso(noon + 2 * DAY_MS + 60_000) }]);
    const { data } = (await get('cut', `/api/v1/meters/${METER}/daily?from=${dayOf(BEGIN_MS)}&to=${dayOf(THIS_MONTH_MS)}`)).body;
    expect(data.map(({ date, from, to, importKwh }: Record<string, unknown>) => [date, from, to, importKwh])).toEqual([
      [dayOf(EDGE_MS), iso(noon), iso(EDGE_MS + DAY_MS), (48 * WATT_HOURS.ada) / 1_000],
      [dayOf(EDGE_MS + DAY_MS), iso(EDGE_MS + DAY_MS), iso(EDGE_MS + 2 * DAY_MS), (96 * WATT_HOURS.ada) / 1_000],
      [dayOf(EDGE_MS + 2 * DAY_MS), iso(EDGE_MS + 2 * DAY_MS), iso(noon + 2 * DAY_MS), (48 * WATT_HOURS.ada) / 1_000],
    ]);
    const windows = (await get('cut', `/api/v1/meters/${METER}/aggregates?granularity=15m&from=${BEGIN_MS}&to=${THIS_MONTH_MS}&limit=10000`)).body.data;
    expect([windows[0].windowStart, windows.at(-1).windowEnd, windows.length]).toEqual([iso(noon), iso(noon + 2 * DAY_MS), 192]);
    // Whole days that are theirs.
    const bill = (await get('cut', `/api/v1/meters/${METER}/estimate?from=${DAYS.from}&to=${DAYS.to}`)).body;
    expect([bill.from, bill.to]).toEqual([dayOf(EDGE_MS + DAY_MS), dayOf(EDGE_MS + 2 * DAY_MS)]);
    expect((await get('cut', `/api/v1/invoices?meterId=${METER}`)).body.data).toEqual([]);
  });

  it('becomes somebody\'s, and is theirs no more, at the moment that was said before, on open streams too', { timeout: 60_000 }, async () => {
    await addConsumer('cy', []);
    await addConsumer('dan', []);
    const edge = Date.now() + 8_000;
    const assignments = [{ user: 'cy@example.org', meters: [METER], from: iso(EDGE_MS), until: iso(edge) }, { user: 'dan@example.org', meters: [METER], from: iso(edge) }];
    expect((await done('POST', '/api/v1/meter-assignments', { assignments })).data.map(({ outcome }: { outcome: string }) => outcome)).toEqual(['assigned', 'assigned']);
    const [cy, dan] = await Promise.all(['cy', 'dan'].map((who) => openClient(Number(new URL(engine.apiUrl()).port), { headers: { authorization: `Bearer ${tokens[who]}` } })));
    cy.subscribe(`meter:${METER}`, `bills:${METER}`);
    const now = await cy.next('snapshot', `meter:${METER}`);
    expect([now.data.meter.readings, now.data.meter.baseline.warm]).toEqual([null, false]);
    expect((await cy.next('snapshot', `bills:${METER}`)).data.invoices.map(({ number }: { number: string }) => number)).toEqual([invoices.ada.number]);
    dan.subscribe(`meter:${METER}`, `bills:${METER}`);
    expect((await dan.next('error', `meter:${METER}`)).code).toBe('forbidden');
    expect((await dan.next('error', `bills:${METER}`)).code).toBe('forbidden');
    const status = async () => [(await get('cy', `/api/v1/registry/meters/${METER}`)).status, (await get('dan', `/api/v1/meters/${METER}/aggregates`)).status, (await get('dan', `/api/v1/me/meters`)).body.data.length];
    expect(await status()).toEqual([200, 404, 0]);
    expect(Date.now()).toBeLessThan(edge);
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, edge - 2_000 - Date.now())));
    const end = await cy.until('the end', () => cy.messages.find(({ type, code }) => type === 'error' && code === 'forbidden'));
    expect(end.channel).toBe(`meter:${METER}`);
    // Not before, and not with the next heartbeat, a quarter of a minute later.
    expect(Date.now() - edge).toBeGreaterThan(-1_000);
    expect(Date.now() - edge).toBeLessThan(10_000);
    expect(await status()).toEqual([404, 200, 1]);
    // Bills stay with whom they are of; the meter is there when it sends something in their time.
    dan.subscribe(`meter:${METER}`, `bills:${METER}`);
    expect((await dan.next('error', `meter:${METER}`)).code).toBe('unavailable');
    expect((await dan.next('snapshot', `bills:${METER}`)).data.invoices).toEqual([]);
    expect((await get('cy', `/api/v1/invoices?meterId=${METER}`)).body.data).toHaveLength(1);
    cy.socket.close();
    dan.socket.close();
  });

  it('is two people\'s at a time where both have it', async () => {
    await addConsumer('eva', [METER as unknown as object]);
    const of = async (who: string) => (await get(who, `/api/v1/meters/${METER}`)).status;
    expect([await of('eva'), await of('ada')]).toEqual([200, 200]);
    expect((await get('eva', `/api/v1/invoices?meterId=${METER}`)).body.data).toHaveLength(2);
  });
});
