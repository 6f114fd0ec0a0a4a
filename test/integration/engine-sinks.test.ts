import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Granularity } from '../../src/model/window.ts';
import { suiteWithKafka, suiteWithOwnPostgres } from '../services/service-suites.ts';
import { commandAlert, overloadOf, shownAlerts, storedAlerts, withColumns, writeOverloadRules, type WireAlert } from '../support/alert-engine-api.ts';
import { meterWindows, post, regionWindows, scrape, type WireReading, type WireWindow } from '../support/engine-api.ts';
import { EngineProcess, eventually, removeDirectory, temporaryDirectory, type Settings } from '../support/engine-process.ts';
import { freshDatabase, type FreshDatabase } from '../support/fresh-database.ts';
import { deleteTopics, kcatPrint } from '../support/kafka-records.ts';
import { storedCursors, storedWindows } from '../support/sink-batches.ts';

/** What flows out of a running engine, looked at where it flows to. */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const BASE_MS = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - 3 * HOUR_MS;
const RANGE = { from: BASE_MS, to: BASE_MS + 2 * HOUR_MS };
const METERS = ['meter-1', 'meter-2', 'meter-3', 'meter-4', 'meter-5'];
const REGIONS = ['region-01', 'region-02'];
const WAIT_MS = 30_000;
/** Windows close soon after their meter is silent. */
const IMPATIENT: Settings = { SHARDS: '2', LATENESS: '1s' };

/** Of every meter, two readings a minute. */
function readings(fromMinute: number, toMinute: number): WireReading[] {
  const minutes = Array.from({ length: toMinute - fromMinute }, (_, i) => BASE_MS + (fromMinute + i) * MINUTE_MS);
  return METERS.flatMap((meterId, meter) =>
    minutes.flatMap((at) => [0, 30_000].map((offset) => ({ meterId, region: REGIONS[meter % 2], timestamp: at + offset, powerKw: meter + ((at / MINUTE_MS) % 7) / 4, voltage: 230 + meter }))),
  );
}

async function closedWindows(engine: EngineProcess, granularity: Granularity): Promise<WireWindow[]> {
  const all = await Promise.all(METERS.map((meterId) => meterWindows(engine, meterId, granularity, RANGE)));
  return all.flat().filter(({ final }) => final);
}

/** All windows that the engine was sent readings for. */
async function allClosed(engine: EngineProcess, minutes: number): Promise<WireWindow[]> {
  return eventually(() => closedWindows(engine, '1m'), (windows) => windows.length === minutes * METERS.length, WAIT_MS);
}

const byId = (alerts: Iterable<WireAlert>): WireAlert[] => [...alerts].sort((a, b) => (a.id < b.id ? -1 : 1));

/** Alerts of these regions, as soon as they are over their capacity. */
async function raise(engine: EngineProcess, regions: readonly string[]): Promise<WireAlert[]> {
  for (const region of regions) await post(engine, overloadOf(region, 12));
  const found = await eventually(() => shownAlerts(engine), (alerts) => regions.every((region) => alerts.some((alert) => alert.region === region)), WAIT_MS);
  return found.filter(({ region }) => regions.includes(region as string));
}

suiteWithOwnPostgres('an engine and its database', {}, (postgres) => {
  let database: FreshDatabase;
  let engine: EngineProcess;

  beforeEach(async () => {
    database = await freshDatabase(postgres().url);
    engine = await EngineProcess.start({ settings: settings() });
  });

  afterEach(async () => {
    postgres().resume();
    await engine.dispose();
    await database.drop();
  });

  function settings(): Settings {
    return { ...IMPATIENT, TIMESCALE_URL: database.url, TIMESCALE_RETENTION1M: 'forever' };
  }

  async function restart(): Promise<void> {
    engine = await EngineProcess.start({ dataDir: engine.dataDir, settings: settings() });
  }

  /** The database holds what the API shows, window by window. */
  async function expectAll(minutes: number): Promise<void> {
    for (const granularity of ['1m', '15m'] as const) {
      const expected = granularity === '1m' ? await allClosed(engine, minutes) : await eventually(() => closedWindows(engine, '15m'), (windows) => windows.length === Math.ceil(minutes / 15) * METERS.length, WAIT_MS);
      // The tables are made a moment after the engine is ready.
      const stored = await eventually(() => storedWindows(database, granularity).catch(() => []), (windows) => windows.length >= expected.length && windows.every(({ revision }, i) => revision === expected[i].revision), WAIT_MS);
      expect(stored.map(({ windowStart, windowEnd, ...window }) => ({ ...window, windowStart: new Date(windowStart).toISOString(), windowEnd: new Date(windowEnd).toISOString() }))).toEqual(expected);
    }
    for (const region of REGIONS) {
      const expected = await regionWindows(engine, region, '1m', RANGE);
      const rows = () => database.rows<Record<string, number>>(`SELECT sum_power_kw, meters_reporting, energy_kwh_sum, min_power_kw, max_power_kw FROM regional_aggregates_1m WHERE region = $1 ORDER BY window_start`, [region]);
      const shown = expected.map((window) => ({ sum_power_kw: window.sumPowerKw, meters_reporting: window.metersReporting, energy_kwh_sum: window.energyKwhSum, min_power_kw: window.minPowerKw, max_power_kw: window.maxPowerKw }));
      expect(await eventually(rows, (found) => JSON.stringify(found) === JSON.stringify(shown), WAIT_MS)).toEqual(shown);
    }
  }

  it('agree on every window, also after corrections, a dead letter and kill -9', { timeout: 120_000 }, async () => {
    await post(engine, readings(0, 20));
    await expectAll(20);
    await post(engine, [{ meterId: 'meter-1', region: 'region-01', timestamp: BASE_MS + 45_000, powerKw: 99 }, { meterId: 'meter-2', region: 'region-02', timestamp: 'never', powerKw: 1 }]);
    await expectAll(20);
    expect(await eventually(() => database.rows('SELECT code, meter_id FROM dead_letter'), (rows) => rows.length > 0, WAIT_MS)).toEqual([{ code: 'invalid_timestamp', meter_id: 'meter-2' }]);
    await engine.kill9();
    await restart();
    await post(engine, readings(20, 30));
    await expectAll(30);
    const metrics = await scrape(engine);
    expect([metrics.get('seg_sink_up{sink="timescale"}'), metrics.get('seg_sink_set_aside_total{sink="timescale"}')]).toEqual([1, 0]);
    // Of two shards, of the alerts and of the bills, of which there are none.
    expect(Object.keys(await storedCursors(database)).length).toBe(4);
    expect(await engine.stop()).toBe(0);
  });

  it('agree again after the database lost everything', { timeout: 120_000 }, async () => {
    await post(engine, readings(0, 16));
    await expectAll(16);
    await engine.stop();
    await database.drop();
    database = await freshDatabase(postgres().url);
    await restart();
    await expectAll(16);
  });

  it('answer together for windows that the engine has given up, and the engine says so when the database is away', { timeout: 120_000 }, async () => {
    await engine.stop();
    const short = { ...settings(), CORRECTION_HORIZON: '1h', KEEP1M: '1h', KEEP15M: '2h', CHECKPOINT_INTERVAL: '1s' };
    engine = await EngineProcess.start({ dataDir: engine.dataDir, settings: short });
    await database.rows('ALTER TABLE aggregates_1m ADD CHECK (avg_power_kw <> 77.5)');
    // One in the middle is refused by the table, with its reason, and holds nothing up.
    await post(engine, [...readings(0, 170), { meterId: 'poison', region: 'region-01', timestamp: BASE_MS, powerKw: 77.5 }]);
    const query = (meterId: string, granularity: Granularity, more = '') => fetch(engine.apiUrl(`/api/v1/meters/${meterId}/aggregates?granularity=${granularity}&from=${BASE_MS}&to=${BASE_MS + 3 * HOUR_MS}${more}`));
    // The newest reading is of minute 169.5: 109 of 170 minutes are old, 105 of them in whole quarter-hours.
    const rows = () => database.rows<{ n: string }>('SELECT count(*) AS n FROM aggregates_1m');
    await eventually(rows, ([{ n }]) => Number(n) >= 169 * METERS.length, WAIT_MS);
    const held = async (): Promise<number> => Number((await database.rows<{ n: string }>(`SELECT count(*) AS n FROM sink_set_aside WHERE what LIKE '1m window poison %' AND reason LIKE '%check constraint%'`))[0].n);
    expect(await eventually(held, (n) => n > 0, WAIT_MS)).toBeGreaterThan(0);
    postgres().pause();
    const away = async (): Promise<number> => (await query('meter-1', '1m')).status;
    expect(await eventually(async () => { postgres().resume(); await new Promise((resolve) => setTimeout(resolve, 700)); postgres().pause(); return away(); }, (status) => status === 503, WAIT_MS)).toBe(503);
    const refused = (await (await query('meter-1', '1m')).json()) as { code: string; detail: string };
    expect(refused).toMatchObject({ code: 'history_away', detail: expect.stringMatching(/in the database alone: .*(127\.0\.0\.1|localhost|database)/) });
    // What the engine holds needs nobody.
    const recent = await fetch(engine.apiUrl(`/api/v1/meters/meter-1/aggregates?granularity=1m&from=${BASE_MS + 105 * MINUTE_MS}&to=${BASE_MS + 3 * HOUR_MS}`));
    expect([recent.status, ((await recent.json()) as { data: unknown[] }).data.length]).toEqual([200, 65]);
    postgres().resume();
    for (const granularity of ['1m', '15m'] as const) {
      const stored = await storedWindows(database, granularity);
      for (const meterId of METERS) {
        const shown: WireWindow[] = [];
        for (let cursor = ''; ; ) {
          const page = (await (await query(meterId, granularity, `&limit=37${cursor}`)).json()) as { data: WireWindow[]; nextCursor: string | null };
          shown.push(...page.data);
          if (page.nextCursor === null) break;
          cursor = `&cursor=${page.nextCursor}`;
        }
        expect(shown.map(({ windowStart }) => Date.parse(windowStart))).toEqual(Array.from({ length: granularity === '1m' ? 170 : 12 }, (_, n) => BASE_MS + n * (granularity === '1m' ? MINUTE_MS : 15 * MINUTE_MS)));
        const ofMeter = new Map(stored.filter((window) => window.meterId === meterId).map(({ windowStart, windowEnd, ...window }) => [windowStart, { ...window, windowStart: new Date(windowStart).toISOString(), windowEnd: new Date(windowEnd).toISOString() }]));
        for (const window of shown.filter(({ final }) => final).slice(0, -2)) expect(ofMeter.get(Date.parse(window.windowStart))).toEqual(window);
      }
    }
    const { sinks } = (await (await fetch(engine.apiUrl('/api/v1/engine'))).json()) as { sinks: object[] };
    expect(sinks).toMatchObject([{ sink: 'timescale', setAside: expect.any(Number) }]);
    expect(await engine.stop()).toBe(0);
  });

  it('do without each other: readings are taken and the engine is ready while the database hangs, and it gets them later', { timeout: 180_000 }, async () => {
    await post(engine, readings(0, 2));
    await expectAll(2);
    postgres().pause();
    await post(engine, readings(2, 10));
    await allClosed(engine, 10);
    expect((await fetch(engine.opsUrl('/ready'))).status).toBe(200);
    await engine.kill9();
    await restart();
    expect((await scrape(engine)).get('seg_sink_up{sink="timescale"}')).toBe(0);
    await post(engine, readings(10, 12));
    postgres().resume();
    await expectAll(12);
  });
});

suiteWithOwnPostgres('the alerts of an engine and its database', {}, (postgres) => {
  let database: FreshDatabase;
  let engine: EngineProcess;
  let directory: string;

  beforeEach(async () => {
    directory = temporaryDirectory();
    database = await freshDatabase(postgres().url);
    engine = await EngineProcess.start({ settings: settings() });
  });

  afterEach(async () => {
    postgres().resume();
    await engine.dispose();
    await database.drop();
    removeDirectory(directory);
  });

  function settings(): Settings {
    return { ...IMPATIENT, TIMESCALE_URL: database.url, REGION_CAPACITIES: 'north=10,south=10', ALERT_RULES_FILE: writeOverloadRules(directory) };
  }

  async function restart(): Promise<void> {
    engine = await EngineProcess.start({ dataDir: engine.dataDir, settings: settings() });
  }

  /** The database holds what the API shows, alert by alert. */
  async function expectSame(states: readonly string[]): Promise<void> {
    const both = async () => ({ shown: (await shownAlerts(engine)).map(withColumns), stored: await storedAlerts(database).catch(() => null) });
    const { shown, stored } = await eventually(both, (found) => isDeepStrictEqual(found.shown, found.stored), WAIT_MS);
    expect(stored).toEqual(shown);
    expect(shown.map(({ state }) => state).sort()).toEqual(states);
  }

  it('agree on every alert, also over kill -9 and while the database was away', { timeout: 180_000 }, async () => {
    const [north, south] = await raise(engine, ['north', 'south']);
    await expectSame(['open', 'open']);
    expect(await commandAlert(engine, north.id, 'acknowledge', { by: 'ada', why: 'on my way' })).toBe(200);
    await expectSame(['acknowledged', 'open']);
    await engine.kill9();
    await restart();
    await expectSame(['acknowledged', 'open']);
    postgres().pause();
    expect(await commandAlert(engine, south.id, 'acknowledge', { by: 'bo' })).toBe(200);
    expect(await commandAlert(engine, north.id, 'resolve', { by: 'ada', why: "it's \\ over" })).toBe(200);
    await engine.kill9();
    await restart();
    expect((await scrape(engine)).get('seg_sink_up{sink="timescale"}')).toBe(0);
    postgres().resume();
    await expectSame(['acknowledged', 'resolved']);
    const [lag] = [await eventually(async () => (await scrape(engine)).get('seg_sink_lag_seconds{sink="timescale"}'), (seconds) => seconds === 0, WAIT_MS)];
    expect([lag, (await scrape(engine)).get('seg_sink_set_aside_total{sink="timescale"}')]).toEqual([0, 0]);
    expect(await engine.stop()).toBe(0);
  });

  it('agree again after the database lost everything, ended ones too', { timeout: 120_000 }, async () => {
    const [north] = await raise(engine, ['north', 'south']);
    expect(await commandAlert(engine, north.id, 'resolve', { by: 'ada', why: 'a switch was closed' })).toBe(200);
    await expectSame(['open', 'resolved']);
    await engine.stop();
    await database.drop();
    database = await freshDatabase(postgres().url);
    await restart();
    await expectSame(['open', 'resolved']);
  });

  it('do without each other: alerts that are killed come back to it, and without alerts there is no cursor of theirs', { timeout: 120_000 }, async () => {
    await engine.stop();
    engine = await EngineProcess.start({ dataDir: engine.dataDir, settings: { ...settings(), FAULT_INJECTION: 'on' } });
    await raise(engine, ['north']);
    await expectSame(['open']);
    expect((await fetch(engine.opsUrl('/fault'), { method: 'POST', body: JSON.stringify({ thread: 'alerts', fault: 'exit' }) })).status).toBe(202);
    await eventually(async () => (await fetch(engine.apiUrl('/api/v1/alerts'))).status, (status) => status === 200, WAIT_MS);
    await raise(engine, ['south']);
    await expectSame(['open', 'open']);
    expect((await fetch(engine.opsUrl('/fault'), { method: 'POST', body: JSON.stringify({ thread: 'sinks', fault: 'exit' }) })).status).toBe(202);
    const [north] = await shownAlerts(engine);
    expect(await commandAlert(engine, north.id, 'acknowledge', { by: 'ada' })).toBe(200);
    await expectSame(['acknowledged', 'open']);
    await engine.stop();
    await database.rows('DELETE FROM sink_cursors');
    engine = await EngineProcess.start({ dataDir: engine.dataDir, settings: { ...settings(), ALERTS: 'off' } });
    await eventually(() => storedCursors(database), (cursors) => Object.keys(cursors).length === 3, WAIT_MS);
    await eventually(async () => (await scrape(engine)).get('seg_sink_lag_seconds{sink="timescale"}'), (seconds) => seconds === 0, WAIT_MS);
    expect(Object.keys(await storedCursors(database)).map((name) => name.split('/').at(-1))).toEqual(['-2', '0', '1']);
  });
});

suiteWithKafka('an engine and its cluster', (kafka) => {
  const prefix = 'engine-sinks.';

  it('agree on every alert, also after kill -9', { timeout: 120_000 }, async () => {
    const directory = temporaryDirectory();
    const settings = { ...IMPATIENT, KAFKA_BROKERS: kafka().brokers, KAFKA_TOPIC_PREFIX: `${prefix}alerts.`, REGION_CAPACITIES: 'north=10,south=10', ALERT_RULES_FILE: writeOverloadRules(directory) };
    let engine = await EngineProcess.start({ settings });
    /** The newest of each key; a message may come twice. */
    const sent = async (): Promise<WireAlert[]> => {
      const lines = (await kcatPrint(kafka().brokers, `${prefix}alerts.alerts`, '%k %s\n').catch(() => Buffer.alloc(0))).toString().split('\n').filter((line) => line !== '');
      const newest = new Map<string, WireAlert>();
      for (const line of lines) {
        const [key, value] = [line.slice(0, line.indexOf(' ')), JSON.parse(line.slice(line.indexOf(' '))) as WireAlert];
        expect(value.id).toBe(key);
        if ((newest.get(key)?.version ?? 0) <= value.version) newest.set(key, value);
      }
      return byId(newest.values());
    };
    const expectSame = async (states: readonly string[]): Promise<void> => {
      const both = async () => ({ shown: await shownAlerts(engine), found: await sent() });
      const { shown, found } = await eventually(both, (now) => isDeepStrictEqual(now.shown, now.found), WAIT_MS);
      expect(found).toEqual(shown);
      expect(found.map(({ state }) => state).sort()).toEqual(states);
    };
    try {
      const [north] = await raise(engine, ['north', 'south']);
      await expectSame(['open', 'open']);
      expect(await commandAlert(engine, north.id, 'acknowledge', { by: 'ada', why: 'on my way' })).toBe(200);
      await engine.kill9();
      engine = await EngineProcess.start({ dataDir: engine.dataDir, settings });
      await expectSame(['acknowledged', 'open']);
      expect(await commandAlert(engine, north.id, 'resolve', { by: 'ada', why: 'it is over' })).toBe(200);
      await expectSame(['open', 'resolved']);
      expect(await engine.stop()).toBe(0);
    } finally {
      await engine.dispose();
      await deleteTopics(kafka().brokers, `${prefix}alerts.`);
      removeDirectory(directory);
    }
  });

  it('agree on every window and dead letter, also after kill -9', { timeout: 120_000 }, async () => {
    const settings = { ...IMPATIENT, KAFKA_BROKERS: kafka().brokers, KAFKA_TOPIC_PREFIX: prefix };
    let engine = await EngineProcess.start({ settings });
    try {
      await post(engine, readings(0, 16));
      await allClosed(engine, 16);
      await engine.kill9();
      engine = await EngineProcess.start({ dataDir: engine.dataDir, settings });
      await post(engine, [...readings(16, 18), { meterId: 'meter-1', region: 'region-01', timestamp: BASE_MS + 45_000, powerKw: 99 }, { meterId: 'meter-2', region: 'region-02', timestamp: 'never', powerKw: 1 }]);
      const expected = new Map((await allClosed(engine, 18)).map((window) => [`${window.meterId} ${window.windowStart}`, window]));
      const read = async (topic: string): Promise<Record<string, unknown>[]> => (await kcatPrint(kafka().brokers, prefix + topic, '%s\n')).toString().split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, unknown>);
      // A message may come twice; the one with the highest revision counts.
      const newest = async (): Promise<Map<string, Record<string, unknown>>> => {
        const found = new Map<string, Record<string, unknown>>();
        for (const message of await read('aggregates_1m')) {
          const key = `${String(message.meterId)} ${new Date(message.windowStart as string | number).toISOString()}`;
          if (((found.get(key)?.revision as number | undefined) ?? -1) <= (message.revision as number)) found.set(key, message);
        }
        return found;
      };
      const found = await eventually(newest, (messages) => messages.size === expected.size && [...expected].every(([key, { revision }]) => messages.get(key)?.revision === revision), WAIT_MS);
      for (const [key, window] of expected) expect(found.get(key), key).toMatchObject({ avgPowerKw: window.avgPowerKw, energyKwhSum: window.energyKwhSum, count: window.count, revision: window.revision, region: window.region });
      const letters = await eventually(() => read('dead_letter'), (messages) => messages.length > 0, WAIT_MS);
      expect(letters[0]).toMatchObject({ code: 'invalid_timestamp', meterId: 'meter-2' });
      expect((await eventually(() => read('aggregates_1m_regional'), (messages) => messages.length > 0, WAIT_MS)).length).toBeGreaterThan(0);
      expect(await engine.stop()).toBe(0);
    } finally {
      await engine.dispose();
      await deleteTopics(kafka().brokers, prefix);
    }
  });
});
