import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { get, post } from '../support/engine-api.ts';
import { EngineProcess, eventually, removeDirectory, temporaryDirectory } from '../support/engine-process.ts';

/** Real engines that start with another number of shards than their data directory has. */

const NOW_MS = Date.now();
const METERS = 40;
const REGIONS = ['region-01', 'region-02', 'region-03'];
/** Nothing closes by the clock between two questions. */
const SETTINGS = { LATENESS: '60s', CHECKPOINT_INTERVAL: '1s' };

const directories: string[] = [];
const engines: EngineProcess[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.kill9();
  for (const directory of directories.splice(0)) removeDirectory(directory);
});

function directory(): string {
  const made = temporaryDirectory();
  directories.push(made);
  return made;
}

function spawn(dataDir: string, shards: number): EngineProcess {
  const engine = EngineProcess.spawn({ dataDir, settings: { ...SETTINGS, SHARDS: String(shards) } });
  engines.push(engine);
  return engine;
}

async function start(dataDir: string, shards: number): Promise<EngineProcess> {
  const engine = spawn(dataDir, shards);
  await engine.ready();
  return engine;
}

/** Old enough that no window closes by the clock, apart from the last one of each meter. */
function readings(): object[] {
  return Array.from({ length: METERS * 60 }, (_, i) => ({
    meterId: `m-${i % METERS}`,
    region: REGIONS[(i % METERS) % REGIONS.length],
    timestamp: NOW_MS - 3 * 3_600_000 + Math.floor(i / METERS) * 20_000,
    powerKw: (i % 17) / 10 + (i % METERS),
    voltage: i % 5 === 0 ? 260 : 230,
  }));
}

async function fill(engine: EngineProcess): Promise<void> {
  const sent = readings();
  await post(engine, sent);
  // Rejected by the shards, and before them.
  await post(engine, [{ ...sent[0], powerKw: 99 }, { ...sent[1], powerKw: 98 }, { ...sent[2], powerKw: 'x' }]);
}

/** What the API says of everything, once it has settled. */
async function answers(engine: EngineProcess): Promise<unknown> {
  await eventually(() => get<{ data: unknown[] }>(engine, '/api/v1/dead-letters'), ({ body }) => body.data.length === 3);
  await eventually(() => Promise.all(REGIONS.map((region) => get<{ meters: number }>(engine, `/api/v1/regions/${region}`))), (regions) => regions.reduce((sum, { body }) => sum + body.meters, 0) === METERS);
  const meters = Array.from({ length: METERS }, (_, i) => `/api/v1/meters/m-${i}`);
  const paths = [
    '/api/v1/meters', '/api/v1/dead-letters', '/api/v1/anomalies', '/api/v1/regions',
    ...REGIONS.flatMap((region) => ['1m', '15m'].map((granularity) => `/api/v1/regions/${region}/aggregates?granularity=${granularity}`)),
    ...meters.flatMap((meter) => [meter, `${meter}/aggregates`, `${meter}/aggregates?granularity=15m`]),
  ];
  const found = Object.fromEntries(await Promise.all(paths.map(async (path) => [path, (await get(engine, path)).body])));
  return { ...found, '/api/v1/dead-letters': lettersWithoutIds(found['/api/v1/dead-letters'] as { data: { id: string; raw: string }[] }) };
}

/** Letters of two shards may have the same place in their logs; where they meet in one shard one of them gets the next free id. */
function lettersWithoutIds({ data }: { data: { id: string; raw: string }[] }): unknown[] {
  return data.map(({ id: _id, ...letter }) => letter).sort((a, b) => (a.raw < b.raw ? -1 : 1));
}

function layout(dataDir: string): string[] {
  return readdirSync(dataDir, { recursive: true, encoding: 'utf8' }).filter((name) => /shard-\d+\/data\.mdb$/.test(name)).sort();
}

describe('an engine that starts with another number of shards', () => {
  it('spreads its meters over them and answers as before, after a clean stop and after a kill -9', { timeout: 120_000 }, async () => {
    const dataDir = directory();
    const first = await start(dataDir, 2);
    await fill(first);
    const before = await answers(first);
    expect(await first.stop()).toBe(0);
    const second = await start(dataDir, 3);
    expect(await answers(second)).toEqual(before);
    expect(layout(dataDir)).toEqual([0, 1, 2].map((shard) => `gen-2/shard-${shard}/data.mdb`));
    await second.kill9();
    const third = await start(dataDir, 1);
    expect(await answers(third)).toEqual(before);
    expect(await post(third, readings())).toMatchObject({ accepted: 0, duplicates: METERS * 60 });
    await third.kill9();
    expect(await answers(await start(dataDir, 1))).toEqual(before);
    expect(layout(dataDir)).toEqual(['gen-3/shard-0/data.mdb']);
  });

  it('may be killed while it does that, and starts with any number afterwards', { timeout: 120_000 }, async () => {
    const dataDir = directory();
    const first = await start(dataDir, 2);
    await fill(first);
    const before = await answers(first);
    await first.kill9();
    for (let shards = 3, round = 0; round < 8; round++, shards = 3 + (round % 3)) {
      const engine = spawn(dataDir, shards);
      // The line that says it begins, then some milliseconds.
      await engine.line(({ msg }) => msg.startsWith('the data directory was made for') || msg.startsWith('ready'), 'it spread its meters', 30_000);
      await sleep(round * 8);
      await engine.kill9();
    }
    const last = await start(dataDir, 6);
    expect(await answers(last)).toEqual(before);
    expect(layout(dataDir)).toHaveLength(6);
  });

  it('reads a directory of the format without generations, with the same and with other shards', { timeout: 120_000 }, async () => {
    const dataDir = directory();
    const first = await start(dataDir, 2);
    await fill(first);
    const before = await answers(first);
    expect(await first.stop()).toBe(0);
    for (const shard of ['shard-0', 'shard-1']) renameSync(join(dataDir, 'gen-1', shard), join(dataDir, shard));
    rmSync(join(dataDir, 'gen-1'), { recursive: true });
    writeFileSync(join(dataDir, 'engine.json'), '{"format":1,"partitions":64,"shards":2}\n');
    const second = await start(dataDir, 2);
    expect(await answers(second)).toEqual(before);
    expect(JSON.parse(readFileSync(join(dataDir, 'engine.json'), 'utf8'))).toEqual({ format: 2, partitions: 64, shards: 2, generation: 0, id: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    expect(await second.stop()).toBe(0);
    expect(await answers(await start(dataDir, 4))).toEqual(before);
    expect(layout(dataDir)).toEqual([0, 1, 2, 3].map((shard) => `gen-1/shard-${shard}/data.mdb`));
    expect(existsSync(join(dataDir, 'shard-0'))).toBe(false);
  });
});

describe('a data directory that is not whole', () => {
  async function refusal(dataDir: string): Promise<string> {
    const engine = spawn(dataDir, 2);
    expect(await engine.exited()).toBe(1);
    return engine.stderr;
  }

  it('is refused: a manifest that is gone, of another format or nonsense, and shards that are gone', { timeout: 60_000 }, async () => {
    const dataDir = directory();
    const first = await start(dataDir, 2);
    await post(first, readings().slice(0, 50));
    expect(await first.stop()).toBe(0);
    const manifest = join(dataDir, 'engine.json');
    const good = readFileSync(manifest, 'utf8');
    rmSync(manifest);
    expect(await refusal(dataDir)).toMatch(/holds data, but .*engine\.json is not there; .*seg restore/);
    for (const text of ['{"format":3,"partitions":64,"shards":2,"generation":1}', '{"format":2,"partitions":64,"shards":2}', '{"format":"2"}', 'null', '[]', '{"format":0,"partitions":1,"shards":1,"generation":1}']) {
      writeFileSync(manifest, text);
      expect(await refusal(dataDir), text).toMatch(text.startsWith('{"format":3') ? /has format 3, this engine reads up to 2; use the engine that wrote it/ : /engine\.json is not readable; restore it from a backup/);
    }
    writeFileSync(manifest, good);
    const data = join(dataDir, 'gen-1/shard-1/data.mdb');
    renameSync(data, `${data}.away`);
    expect(await refusal(dataDir)).toMatch(/the data of shard 1 is missing: .*data\.mdb is not there; .*seg restore/);
    renameSync(`${data}.away`, data);
    renameSync(join(dataDir, 'gen-1/shard-1'), join(dataDir, 'away'));
    expect(await refusal(dataDir)).toMatch(/the data of shard 1 is missing: .*shard-1 is not there/);
    renameSync(join(dataDir, 'away'), join(dataDir, 'gen-1/shard-1'));
    // Swapped by whoever moved the files.
    mkdirSync(join(dataDir, 'x'));
    renameSync(join(dataDir, 'gen-1/shard-0/data.mdb'), join(dataDir, 'x/data.mdb'));
    renameSync(data, join(dataDir, 'gen-1/shard-0/data.mdb'));
    renameSync(join(dataDir, 'x/data.mdb'), data);
    expect(await refusal(dataDir)).toMatch(/holds shard [01] of 2/);
  });
});
