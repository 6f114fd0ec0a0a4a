import { expect, test } from 'vitest';
import { NOT_FUZZED, startAccountsUnderFuzz } from '../fuzz/accounts-fuzz.ts';
import { ANYBODY, fuzzApi } from '../fuzz/api-fuzz.ts';
import { scrape } from '../support/engine-api.ts';
import { EngineProcess } from '../support/engine-process.ts';
import { SEEDED_SETTINGS, seedEngine } from '../support/seeded-engine.ts';

/** `npm run fuzz-api` does the same for as long as one likes. */
const SEED = 7;
const REQUESTS = 2_000;
const REQUESTS_WITH_ACCOUNTS = 4_000;
const TIMEOUT_MS = 120_000;
/** What an engine may take more after some thousand requests than before: its stores and V8 grow to a size that they keep. */
const GROWTH_BYTES_MAX = 200 * 1024 * 1024;

const memoryOf = async (engine: EngineProcess): Promise<number> => (await scrape(engine)).get('process_resident_memory_bytes')!;

async function expectHealthy(engine: EngineProcess, before: number): Promise<void> {
  expect((await fetch(engine.opsUrl('/health'))).status).toBe(200);
  expect(engine.lines.filter(({ level }) => level === 'error')).toEqual([]);
  expect(engine.strayLines).toEqual([]);
  expect((await memoryOf(engine)) - before).toBeLessThan(GROWTH_BYTES_MAX);
}

test('every route answers what is almost right as the document says, without a fault of its own', { timeout: TIMEOUT_MS }, async () => {
  const engine = await EngineProcess.start({ settings: SEEDED_SETTINGS });
  try {
    const examples = await seedEngine(engine);
    const before = await memoryOf(engine);
    const { sent, succeeded, findings } = await fuzzApi({ port: engine.ports.http, callers: ANYBODY, seed: SEED, examples, goesOn: (count) => count < REQUESTS });
    expect(findings).toEqual([]);
    expect(sent).toBe(REQUESTS);
    // Most of it got past the door.
    expect(succeeded.length).toBeGreaterThan(80);
    await expectHealthy(engine, before);
  } finally {
    await engine.dispose();
  }
});

test('and with accounts as well, whoever asks: nobody is shown what is somebody else\'s, and without a token nothing is done', { timeout: TIMEOUT_MS }, async () => {
  const { people, callers, examples } = await startAccountsUnderFuzz();
  const { engine } = people;
  try {
    const before = await memoryOf(engine);
    const { succeeded, statuses, findings } = await fuzzApi({ port: engine.ports.http, callers, seed: SEED, examples, without: NOT_FUZZED, goesOn: (count) => count < REQUESTS_WITH_ACCOUNTS });
    expect(findings).toEqual([]);
    expect(succeeded.length).toBeGreaterThan(80);
    for (const status of [200, 401, 403, 404, 422]) expect(statuses[status], String(status)).toBeGreaterThan(10);
    await expectHealthy(engine, before);
  } finally {
    await engine.dispose();
  }
});
