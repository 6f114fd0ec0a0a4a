import { afterAll, beforeAll, expect, test } from 'vitest';
import { sent } from '../support/billing-engine.ts';
import { post } from '../support/engine-api.ts';
import { EngineProcess, eventually, removeDirectory, temporaryDirectory } from '../support/engine-process.ts';

const MINUTE_MS = 60_000;

let directory: string;
let engine: EngineProcess;
beforeAll(async () => {
  directory = temporaryDirectory();
  engine = await EngineProcess.start({ dataDir: directory, settings: { SHARDS: '2', LATENESS: '1s', REGION_CAPACITIES: 'sydney=100' } });
});
afterAll(async () => {
  await engine.kill9();
  removeDirectory(directory);
});

test('whoever asks for prices first has them: the thread that knows them starts with the question, and with the loads', async () => {
  const minute = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
  await post(engine, [4, 3, 2].map((ago) => ({ meterId: 'works', region: 'sydney', timestamp: minute - ago * MINUTE_MS + 1_000, powerKw: 95 })));
  // Shards report twice a second.
  await eventually(async () => (await sent(engine, 'GET', '/api/v1/regions')).data, ([{ meters }]) => meters === 1, 20_000);
  expect((await sent(engine, 'GET', '/api/v1/prices')).data).toMatchObject([{ region: 'sydney', price: '0.25', multiplier: '1.25', loadPercent: 95 }]);
});
