import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { suiteWithOwnKafka, suiteWithPostgres } from '../services/service-suites.ts';
import { get, meterWindows, post, scrape } from '../support/engine-api.ts';
import { EngineProcess, eventually } from '../support/engine-process.ts';
import { freshDatabase, type FreshDatabase } from '../support/fresh-database.ts';
import { logSettings, LogWorkload, MINUTE_MS } from '../support/log-engines.ts';
import { expectSinks } from '../support/log-sinks.ts';

/** Two engines that share a log in Kafka, and what they write to a database and to topics. */

const PARTITIONS = 6;
/** A session, a rebalance and a restore, on two cores that others use. */
const TAKEOVER_MS = 60_000;

suiteWithPostgres('engines and their database', (postgres) => suiteWithOwnKafka('that share a log in Kafka', {}, (kafka) => {
  const engines: EngineProcess[] = [];
  let database: FreshDatabase;

  beforeAll(async () => {
    database = await freshDatabase(postgres().url);
  });

  afterAll(() => database.drop());

  afterEach(async () => {
    await Promise.all(engines.splice(0).map((engine) => engine.dispose()));
  });

  async function start(name: string, dataDir?: string): Promise<EngineProcess> {
    const engine = await EngineProcess.start({ dataDir, settings: logSettings(kafka().brokers, name, { KAFKA_RESULTS: 'on', TIMESCALE_URL: database.url, TIMESCALE_RETENTION1M: 'forever', CORRECTION_HORIZON: '1h', KEEP1M: '1h' }) });
    engines.push(engine);
    return engine;
  }

  /** Partitions that the engine can answer for now. */
  async function ready(engine: EngineProcess): Promise<number> {
    const series = await scrape(engine).catch(() => new Map<string, number>());
    return [...series].filter(([name]) => name.startsWith('seg_log_lag_records{')).length;
  }

  const has = (engine: EngineProcess, count: number) => eventually(() => ready(engine), (partitions) => partitions === count, TAKEOVER_MS);

  it('hand partitions over when one joins, dies, comes back and stands still, and count everything once', { timeout: 240_000 }, async () => {
    const load = new LogWorkload(18);
    let at = 0;
    const send = async (engine: EngineProcess, minutes: number): Promise<void> => {
      const readings = load.minutes(at, (at += minutes));
      const broken = load.meters.slice(0, 4).map((meterId) => ({ meterId, region: 'region-01', timestamp: 'never', powerKw: minutes }));
      await eventually(() => post(engine, [...readings, ...broken]).then(() => true, () => false), (done) => done, TAKEOVER_MS);
      load.took(readings);
    };
    const first = await start('three');
    await send(first, 10);
    const second = await start('three');
    await has(first, PARTITIONS / 2);
    await has(second, PARTITIONS / 2);
    await send(second, 5);
    await load.expectWindows([first, second]);

    // While its sinks have something to do.
    await send(second, 2);
    await first.kill9();
    await send(second, 5);
    await has(second, PARTITIONS);
    await load.expectWindows([second]);
    await load.expectRegions(second);

    const third = await start('three', first.dataDir);
    await has(third, PARTITIONS / 2);
    await send(third, 5);
    process.kill(third.pid, 'SIGSTOP');
    await send(second, 5);
    await has(second, PARTITIONS);
    await load.expectWindows([second]);
    process.kill(third.pid, 'SIGCONT');
    // What it had is not its own any more: it says so, or knows what the others know.
    for (const meterId of load.meters) {
      const path = `/api/v1/meters/${meterId}`;
      const [stale, known] = [await get<{ readings: number }>(third, path), await get<{ readings: number }>(second, path)];
      // The second is asked later, and is as far at least: nothing was sent in between.
      if (stale.status !== 503 && known.status === 200) expect([meterId, stale.body.readings]).toEqual([meterId, known.body.readings]);
    }
    await has(third, PARTITIONS / 2);
    await send(third, 5);
    await load.expectWindows([second, third]);
    await third.stop();
    await has(second, PARTITIONS);
    // A window that the one that died had closed.
    const correction = { meterId: load.meters[0], region: 'region-01', timestamp: load.range.from + 3 * MINUTE_MS + 15_000, powerKw: 9, voltage: 230 };
    await post(second, [correction]);
    load.took([correction]);
    await eventually(() => meterWindows(second, correction.meterId, '1m', load.range), (windows) => windows[3].count === 3, TAKEOVER_MS);
    await load.expectWindows([second]);
    await load.expectRegions(second);
    await expectSinks({ database, brokers: kafka().brokers, topicPrefix: 'three.' }, second, load.meters, ['region-01', 'region-02', 'region-03'], load.range);

    // Three hours later the engine has given up what is old, and asks the database for it.
    await post(second, load.meters.map((meterId) => ({ meterId, region: 'region-01', timestamp: load.range.from + 180 * MINUTE_MS, powerKw: 1 })));
    const [meterId] = load.meters;
    await database.rows('UPDATE aggregates_1m SET avg_power_kw = 777 WHERE meter_id = $1 AND window_start = to_timestamp($2::double precision / 1000)', [meterId, load.range.from]);
    const shown = async () => (await meterWindows(second, meterId, '1m', load.range)).map(({ avgPowerKw }) => avgPowerKw);
    const powers = await eventually(shown, ([oldest]) => oldest === 777, TAKEOVER_MS);
    expect([powers[0], powers.length]).toEqual([777, at + 1]);
  });
}));
