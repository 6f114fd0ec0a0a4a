import { afterAll, beforeAll, expect, test } from 'vitest';
import { fuzzApi } from '../fuzz/api-fuzz.ts';
import { EngineProcess } from '../support/engine-process.ts';
import { seedEngine } from '../support/seeded-engine.ts';
import type { RequestExample } from '../support/request-examples.ts';

/** `npm run fuzz-api` does the same for as long as one likes. */
const SEED = 7;
const REQUESTS = 2_000;

let engine: EngineProcess;
let examples: Record<string, RequestExample>;

beforeAll(async () => {
  engine = await EngineProcess.start({ settings: { SHARDS: '1' } });
  examples = await seedEngine(engine);
});

afterAll(() => engine.dispose());

test('every route answers what is almost right as the document says, without a fault of its own', async () => {
  const { sent, succeeded, findings } = await fuzzApi({ port: engine.ports.http, token: null, seed: SEED, examples, goesOn: (count) => count < REQUESTS });
  expect(findings).toEqual([]);
  expect(sent).toBe(REQUESTS);
  // Most of it got past the door.
  expect(succeeded.length).toBeGreaterThan(60);
  expect((await fetch(engine.opsUrl('/health'))).status).toBe(200);
  expect(engine.lines.filter(({ level }) => level === 'error')).toEqual([]);
});
