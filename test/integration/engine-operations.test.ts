import { afterAll, beforeAll, expect, test } from 'vitest';
import { operationsSchema } from '../../src/http/wire-schemas.ts';
import { sent } from '../support/billing-engine.ts';
import { post } from '../support/engine-api.ts';
import { EngineProcess } from '../support/engine-process.ts';

/** What a real engine tells of itself to who looks after it. */

let engine: EngineProcess;

beforeAll(async () => {
  engine = await EngineProcess.start({ settings: { SHARDS: '2', LATENESS: '1s', SMTP_URL: 'smtp://ada:geheim@127.0.0.1:9', SMTP_FROM: 'grid@example.org' } });
}, 60_000);

afterAll(() => engine.kill9());

test('has every thread with its memory, every queue, and its settings without secrets', async () => {
  await post(engine, [{ meterId: 'm1', region: 'north', timestamp: Date.now(), powerKw: 1 }]);
  const found = await sent(engine, 'GET', '/api/v1/operations');
  expect(operationsSchema.safeParse(found).error).toBeUndefined();
  const parts = Object.fromEntries(found.parts.map(({ name, ...part }: { name: string }) => [name, part]));
  expect(Object.keys(parts).sort()).toEqual(['alerts', 'ingest-0', 'region', 'shard-0', 'shard-1']);
  expect(parts['shard-0']).toMatchObject({ state: 'up', restarts: 0, lastExit: null });
  // An actor on the main thread has no memory of its own.
  expect(parts.region.heapUsedBytes).toBeNull();
  const queues = found.queues.map(({ thread, queue }: { thread: string; queue: string }) => `${thread}/${queue}`);
  expect(queues).toContain('main/region');
  expect(queues.filter((name: string) => name.startsWith('shard-')).length).toBeGreaterThanOrEqual(4);
  expect(found.queues.reduce((sum: number, { handled }: { handled: number }) => sum + handled, 0)).toBeGreaterThan(0);
  expect([found.rssBytes > 5e7, found.diskFreeBytes > 0, found.gateway.queriesInFlight, found.sinks]).toEqual([true, true, 1, []]);
  expect(JSON.stringify(found)).not.toContain('geheim');
  expect(found.settings.find(({ name }: { name: string }) => name === 'SEG_SHARDS')).toEqual({ name: 'SEG_SHARDS', value: '2', isSecret: false, isSet: true });
});
