import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { get, post, type Answer, type WireReading } from '../support/engine-api.ts';
import { EngineProcess, eventually, removeDirectory, seg, temporaryDirectory } from '../support/engine-process.ts';
import { openClient } from '../support/live-clients.ts';
import { WEBHOOK_SECRET, WebhookServer } from '../support/webhook-server.ts';

/** Alerts and notifications of a real engine, over its ports and at the receiver's end. */

interface WireAlert {
  id: string;
  version: number;
  type: string;
  kind: string;
  state: string;
  severity: string;
  region: string | null;
  meterId: string | null;
  component: string | null;
  affectedMeters: number;
  openedAt: string;
  acknowledged: { by: string; why: string | null } | null;
  resolved: { by: string | null; why: string | null } | null;
}

const MINUTE_MS = 60_000;
const RULES = [
  { name: 'regional-overload', condition: 'regional_load' },
  { name: 'region-dark', condition: 'region_dark' },
  { name: 'meter-outage', condition: 'anomaly', kinds: ['outage'] },
  { name: 'engine', condition: 'system', for: '1s' },
];
const NORTH_KW = 10;

const alertsOf = async (engine: EngineProcess, query = ''): Promise<WireAlert[]> => (await get<{ data: WireAlert[] }>(engine, `/api/v1/alerts?limit=100${query}`)).body.data ?? [];
const activeOf = (engine: EngineProcess): Promise<WireAlert[]> => alertsOf(engine, '&state=active');

async function send<Body = Record<string, unknown>>(engine: EngineProcess, path: string, body: object): Promise<Answer<Body>> {
  const response = await fetch(engine.apiUrl(path), { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Body };
}

/** Some minutes of four meters that draw this much together, the newest just over. */
function northOf(kw: number, minutes: number): WireReading[] {
  const now = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
  return Array.from({ length: minutes }, (_, i) => now - (minutes - i) * MINUTE_MS + 1_000).flatMap((timestamp) => [0, 1, 2, 3].map((meter) => ({ meterId: `north-${meter}`, region: 'north', timestamp, powerKw: kw / 4 })));
}

describe('an engine with alerts', () => {
  let receiver: WebhookServer;
  let directory: string;
  let engine: EngineProcess;
  const rulesFile = (): string => join(directory, 'rules.json');
  const writeRules = (rules: object[]): void => writeFileSync(rulesFile(), JSON.stringify({ rules, routes: [{ name: 'all', groupWait: '1s', groupInterval: '1s', repeatInterval: '1h' }] }));
  const start = (): Promise<EngineProcess> =>
    EngineProcess.start({ dataDir: join(directory, 'data'), settings: { SHARDS: '2', LATENESS: '1s', REGION_CAPACITIES: `north=${NORTH_KW},east=100000`, ALERT_RULES_FILE: rulesFile(), FAULT_INJECTION: 'on' } });
  /** Notices that came, once each whatever was repeated, as reason and titles. */
  const told = (): { reason: string; regions: string[]; alertCount: number }[] => [...receiver.received.values()].map((document) => (document as { data: { reason: string; regions: string[]; alertCount: number } }).data);

  beforeAll(async () => {
    receiver = await WebhookServer.start();
    directory = temporaryDirectory();
    writeRules(RULES);
    engine = await start();
  });
  afterAll(async () => {
    await engine.kill9();
    await receiver.close();
    removeDirectory(directory);
  });

  test('takes a contact who is told by webhook, and shows no secret', async () => {
    const contact = { name: 'Night shift', addresses: { webhook: { url: `${receiver.url}/alerts`, secret: WEBHOOK_SECRET } }, preferences: { subscription: { severityMin: 'INFO' } } };
    const { status, body } = await send(engine, '/api/v1/contacts', contact);
    expect([status, JSON.stringify(body).includes(WEBHOOK_SECRET)]).toEqual([201, false]);
  });

  test('raises an alert for a region over its capacity, on the API, on the live stream and to people', async () => {
    const client = await openClient(engine.ports.http);
    client.subscribe('alerts');
    await client.next('snapshot', 'alerts');
    await post(engine, northOf(12, 6));
    const [alert] = await eventually(() => activeOf(engine), (alerts) => alerts.length > 0);
    expect(alert).toMatchObject({ type: 'REGIONAL_OVERLOAD', region: 'north', state: 'open', severity: 'CRITICAL' });
    const update = await client.next('update', 'alerts');
    expect(update.data.alerts).toMatchObject([{ id: alert.id }]);
    client.socket.close();
    await eventually(async () => told(), (notices) => notices.length === 1);
    expect(told()).toMatchObject([{ reason: 'new', regions: ['north'], alertCount: 1 }]);
  });

  test('forgets and repeats nothing when it is killed, and remembers who acknowledged', async () => {
    const [{ id, version }] = await activeOf(engine);
    expect((await send(engine, `/api/v1/alerts/${id}/acknowledge`, { by: 'ada', why: 'on my way' })).status).toBe(200);
    await engine.kill9();
    engine = await start();
    const [after, ...others] = await activeOf(engine);
    expect([after, others]).toMatchObject([{ id, state: 'acknowledged', acknowledged: { by: 'ada', why: 'on my way' } }, []]);
    expect(after.version).toBeGreaterThan(version);
    // Longer than the group waits for its first and for its next notification.
    await sleep(3_000);
    expect([await activeOf(engine), told().length]).toMatchObject([[{ id, version: after.version }], 1]);
  });

  test('tells that somebody resolved it, and does not raise it again while the region is as it was', async () => {
    const [{ id }] = await activeOf(engine);
    expect((await send(engine, `/api/v1/alerts/${id}/resolve`, { by: 'ada', why: 'a switch was closed' })).status).toBe(200);
    expect((await alertsOf(engine)).map(({ state, resolved }) => [state, resolved?.by])).toEqual([['resolved', 'ada']]);
    await eventually(async () => told(), (notices) => notices.length === 2);
    expect(told()[1]).toMatchObject({ reason: 'resolved', alertCount: 1 });
    expect(await activeOf(engine)).toEqual([]);
  });

  test('makes one incident of a region without power, and says when it is over', { timeout: 120_000 }, async () => {
    const endMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
    const names = Array.from({ length: 400 }, (_, i) => `east-${String(i).padStart(3, '0')}`);
    const dark = names.slice(0, 300);
    const usual = (i: number): number => 0.5 + ((i * 7) % 10) / 50;
    const minute = (meterId: string, i: number, powerKw: number, voltage = 230): WireReading => ({ meterId, region: 'east', timestamp: endMs + i * MINUTE_MS, powerKw, voltage });
    for (let from = 0; from < names.length; from += 100) {
      await post(engine, names.slice(from, from + 100).flatMap((name) => Array.from({ length: 150 }, (_, i) => minute(name, i - 170, usual(i)))));
    }
    await post(engine, names.slice(300).flatMap((name) => Array.from({ length: 19 }, (_, i) => minute(name, i - 19, usual(i)))));
    await eventually(() => get(engine, '/api/v1/regions/east'), ({ body }) => body.metersReporting === names.length, 20_000);
    // Neighbours' power is told to the shards every five seconds.
    await sleep(6_000);
    const toldBefore = told().length;
    // Up to two minutes ahead of the clock: minutes that are near to now close by what came after them, before the neighbours' darkness is told in its turn.
    await post(engine, dark.flatMap((name) => Array.from({ length: 21 }, (_, i) => minute(name, i - 19, 0, 0))));
    const east = async (): Promise<WireAlert[]> => (await activeOf(engine)).filter(({ region }) => region === 'east');
    const [incident] = await eventually(east, (alerts) => alerts[0]?.affectedMeters === dark.length, 20_000);
    expect(incident).toMatchObject({ type: 'METER_OUTAGE', kind: 'region_dark', severity: 'CRITICAL' });
    expect((await east()).length).toBe(1);
    await eventually(async () => told(), (notices) => notices.length > toldBefore);

    await post(engine, dark.flatMap((name) => [2, 3, 4, 5].map((i) => minute(name, i, 0.6))));
    await eventually(east, (alerts) => alerts.length === 0, 30_000);
    expect((await alertsOf(engine)).filter(({ region }) => region === 'east').map(({ id, state }) => [id, state])).toEqual([[incident.id, 'resolved']]);
  });

  test('says in its figures what it did', async () => {
    const text = await (await fetch(engine.opsUrl('/metrics'))).text();
    expect(text).toMatch(/^seg_notifications_sent_total\{channel="webhook"\} [1-9]/m);
    expect(text).toMatch(/^seg_alerts_opened_total\{type="METER_OUTAGE"\} 1$/m);
    expect(text).toMatch(/^seg_alerts_active\{severity="CRITICAL"\} 0$/m);
    expect(text).toMatch(/^seg_actor_up\{actor="alerts"\} 1$/m);
  });

  test('goes on when the alerts\' thread dies: ready all the while, and it says so', async () => {
    const before = await alertsOf(engine);
    await fetch(engine.opsUrl('/fault'), { method: 'POST', body: JSON.stringify({ thread: 'alerts', fault: 'exit' }) });
    const states = new Set<string>();
    await eventually(
      async () => {
        expect((await fetch(engine.opsUrl('/ready'))).status).toBe(200);
        const { body } = await get<{ alerts: { state: string } }>(engine, '/api/v1/engine');
        states.add(body.alerts.state);
        return body.alerts.state;
      },
      (state) => states.has('restarting') && state === 'up',
      30_000,
    );
    expect(await eventually(() => alertsOf(engine), (alerts) => alerts.length > 0)).toEqual(before);
  });

  test('takes other rules while it runs, and keeps them when the next have faults', async () => {
    const rules = () => get<{ rules: { rules: { name: string }[] }; faults: string[] }>(engine, '/api/v1/alert-rules');
    writeRules(RULES.slice(1));
    await eventually(rules, ({ body }) => body.rules.rules.length === 3);
    writeRules([{ name: 'two words', condition: 'system' }]);
    const { body } = await eventually(rules, ({ body: { faults } }) => faults.length > 0);
    expect([body.rules.rules.length, body.faults]).toEqual([3, [expect.stringContaining('rules[0].name: expected')]]);
    writeRules(RULES);
    await eventually(rules, ({ body: { faults, rules: { rules: found } } }) => faults.length === 0 && found.length === 4);
  });

  test('is backed up and restored with its alerts and people', { timeout: 60_000 }, async () => {
    const before = await alertsOf(engine);
    const backup = join(directory, 'backup');
    const restored = join(directory, 'restored');
    expect(await seg(['backup', '--data-dir', join(directory, 'data'), '--to', backup])).toMatchObject({ code: 0 });
    expect(await seg(['restore', '--from', backup, '--data-dir', restored])).toMatchObject({ code: 0 });
    expect((await seg(['verify', '--data-dir', restored])).stdout).toMatch(/records? of alerts, \d+ records? of the registry: sound/);
    const copy = await EngineProcess.start({ dataDir: restored, settings: { SHARDS: '2', LATENESS: '1s', REGION_CAPACITIES: `north=${NORTH_KW},east=100000`, ALERT_RULES_FILE: rulesFile() } });
    try {
      expect((await alertsOf(copy)).map(({ id, state }) => [id, state])).toEqual(before.map(({ id, state }) => [id, state]));
      expect((await get<{ data: { name: string }[] }>(copy, '/api/v1/contacts')).body.data.map(({ name }) => name)).toEqual(['Night shift']);
    } finally {
      await copy.kill9();
    }
  });
});

describe('an engine that cannot have alerts', () => {
  let dataDir: string;
  beforeAll(() => {
    dataDir = temporaryDirectory();
  });
  afterAll(() => removeDirectory(dataDir));

  const refused = async (settings: Record<string, string> = {}): Promise<{ code: number | null; stderr: string }> => {
    const engine = EngineProcess.spawn({ dataDir, settings: { SHARDS: '1', ...settings } });
    const code = await engine.exited();
    return { code, stderr: engine.stderr };
  };

  test('says every fault of its rules, and does not start', async () => {
    const file = join(dataDir, 'rules.json');
    writeFileSync(file, JSON.stringify({ rules: [{ name: 'a', condition: 'anomaly', kinds: ['fire'] }, { name: 'a', condition: 'system', for: 5 }], routes: [] }));
    const { code, stderr } = await refused({ ALERT_RULES_FILE: file });
    expect(code).toBe(2);
    expect(stderr).toMatch(/rules\[0\]\.kinds\[0\]: [^\n]+\n[^\n]*rules\[1\]\.for: /);
  });

  test('says what is wrong with their store, and how to go on without', async () => {
    const store = join(dataDir, 'alerts');
    mkdirSync(store);
    writeFileSync(join(store, 'data.mdb'), Buffer.alloc(16_384, 1));
    const { code, stderr } = await refused();
    expect([code, stderr]).toEqual([1, expect.stringMatching(/alerts cannot be started: .*does not begin as an LMDB file does.*SEG_ALERTS=off/)]);
    const without = await EngineProcess.start({ dataDir, settings: { SHARDS: '1', ALERTS: 'off' } });
    try {
      expect((await get(without, '/api/v1/alerts')).body).toMatchObject({ status: 404, code: 'alerts_off' });
      expect((await get(without, '/api/v1/engine')).body.alerts).toBeNull();
    } finally {
      await without.kill9();
      rmSync(store, { recursive: true });
    }
  });
});
