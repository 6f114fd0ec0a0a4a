import { afterEach, expect, it } from 'vitest';
import { suiteWithOwnKafka } from '../services/service-suites.ts';
import { get, post, scrape } from '../support/engine-api.ts';
import { EngineProcess, eventually } from '../support/engine-process.ts';
import { logSettings, LogWorkload } from '../support/log-engines.ts';

/** Two engines that share a log in Kafka. */

const PARTITIONS = 6;
/** A session, a rebalance and a restore, on two cores that others use. */
const TAKEOVER_MS = 60_000;

suiteWithOwnKafka('engines that share a log in Kafka', {}, (kafka) => {
  const engines: EngineProcess[] = [];

  afterEach(async () => {
    await Promise.all(engines.splice(0).map((engine) => engine.dispose()));
  });

  async function start(name: string, dataDir?: string): Promise<EngineProcess> {
    const engine = await EngineProcess.start({ dataDir, settings: logSettings(kafka().brokers, name) });
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
      await eventually(() => post(engine, readings).then(() => true, () => false), (done) => done, TAKEOVER_MS);
      load.took(readings);
    };
    const first = await start('three');
    await send(first, 10);
    const second = await start('three');
    await has(first, PARTITIONS / 2);
    await has(second, PARTITIONS / 2);
    await send(second, 5);
    await load.expectWindows([first, second]);

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
    await load.expectRegions(second);
  });
});
