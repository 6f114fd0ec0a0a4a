import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { kcatProduce } from '../services/kcat.ts';
import { suiteWithOwnKafka } from '../services/service-suites.ts';
import { allRows, get, post, postBody } from '../support/engine-api.ts';
import { EngineProcess, eventually } from '../support/engine-process.ts';
import { logSettings, LogWorkload } from '../support/log-engines.ts';

/** One engine whose log is in Kafka. */

interface DeadLetterRow {
  code: string;
  meterId: string | null;
}

suiteWithOwnKafka('an engine whose log is in Kafka', {}, (kafka) => {
  let engine: EngineProcess;

  afterEach(async () => {
    await engine.dispose();
  });

  it('counts what is posted and what others produce, and nothing twice, over kill -9 and without its directory', { timeout: 180_000 }, async () => {
    const settings = logSettings(kafka().brokers, 'one');
    const topic = 'one.raw_readings';
    const load = new LogWorkload(12);
    engine = await EngineProcess.start({ settings });
    const first = load.minutes(0, 20);
    expect(await post(engine, first)).toMatchObject({ accepted: first.length, rejected: 0 });
    load.took(first);
    // The same again: known when it is folded.
    await post(engine, first.slice(0, 50));
    const [foreign] = load.minutes(20, 21);
    await kcatProduce(kafka().brokers, topic, { key: foreign.meterId, value: JSON.stringify(foreign), headers: {} });
    load.took([foreign]);
    await kcatProduce(kafka().brokers, topic, { key: 'meter-2', value: '{"meterId":', headers: {} });
    await kcatProduce(kafka().brokers, topic, { key: 'wrong-key', value: JSON.stringify({ ...foreign, meterId: 'meter-7' }), headers: {} });
    await load.expectWindows([engine]);
    await load.expectRegions(engine);
    const letters = await eventually(() => allRows<DeadLetterRow>(engine, '/api/v1/dead-letters', { limit: 100 }), (rows) => rows.length >= 2);
    expect(letters.map(({ code }) => code).sort()).toEqual(['invalid_json', 'wrong_partition']);

    await engine.kill9();
    engine = await EngineProcess.start({ dataDir: engine.dataDir, settings });
    const second = load.minutes(21, 30);
    await post(engine, second);
    load.took(second);
    await load.expectWindows([engine]);
    await load.expectRegions(engine);

    await engine.kill9();
    rmSync(join(engine.dataDir, 'partitions'), { recursive: true });
    engine = await EngineProcess.start({ dataDir: engine.dataDir, settings });
    await load.expectWindows([engine]);
    await load.expectRegions(engine);
    expect(await allRows<DeadLetterRow>(engine, '/api/v1/dead-letters', { limit: 100 })).toHaveLength(2);
    expect((await get(engine, '/api/v1/meters/meter-1')).status).toBe(200);
  });

  it('refuses readings while the brokers are away, and goes on by itself', { timeout: 180_000 }, async () => {
    const load = new LogWorkload(6);
    engine = await EngineProcess.start({ settings: logSettings(kafka().brokers, 'two', { APPEND_DEADLINE: '2s' }) });
    const before = load.minutes(0, 5);
    await post(engine, before);
    load.took(before);
    await load.expectWindows([engine]);
    await kafka().kill9();
    const during = load.minutes(5, 6);
    const refused = await postBody(engine, JSON.stringify(during));
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    await kafka().start();
    await eventually(() => postBody(engine, JSON.stringify(during)), ({ status }) => status === 202, 60_000);
    load.took(during);
    await load.expectWindows([engine], 60_000);
    await load.expectRegions(engine);
  });
});
