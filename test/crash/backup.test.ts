import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { windowsOf } from '../oracle/window-oracle.ts';
import { meterWindows, post, type WireReading } from '../support/engine-api.ts';
import { EngineProcess, eventually, removeDirectory, seg, temporaryDirectory, type CommandEnd } from '../support/engine-process.ts';
import { flipStoredBytes } from '../support/stored-bytes.ts';
import { windowsDifference } from '../support/window-difference.ts';

/** `seg backup`, `seg restore` and `seg verify` on the data of real engines. */

const METERS = 30;
const BASE_MS = Math.floor(Date.now() / 3_600_000) * 3_600_000 - 10 * 86_400_000;
const SETTINGS = { SHARDS: '2', LATENESS: '1s', CHECKPOINT_INTERVAL: '1s' };
const ENVIRONMENT = { SEG_LATENESS: '1s' };

type SentReading = WireReading & { timestamp: number };

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

async function start(dataDir: string, settings: Record<string, string> = {}): Promise<EngineProcess> {
  const engine = EngineProcess.spawn({ dataDir, settings: { ...SETTINGS, ...settings } });
  engines.push(engine);
  await engine.ready();
  return engine;
}

function run(...args: string[]): Promise<CommandEnd> {
  return seg(args, { env: ENVIRONMENT });
}

/** Five readings of each meter; every third batch corrects what came two batches before. */
function batchOf(number: number): SentReading[] {
  const isLate = number % 3 === 2;
  return Array.from({ length: METERS * 5 }, (_, i) => ({
    meterId: `m-${i % METERS}`,
    region: `region-0${1 + (i % 3)}`,
    timestamp: BASE_MS + (isLate ? (number - 2) * 50_000 + 5_000 : number * 50_000) + Math.floor(i / METERS) * 10_000,
    powerKw: ((number * 7 + i) % 90) / 10,
  }));
}

async function expectWindows(engine: EngineProcess, readings: readonly SentReading[]): Promise<void> {
  for (let meter = 0; meter < METERS; meter++) {
    const own = readings.filter(({ meterId }) => meterId === `m-${meter}`);
    for (const granularity of ['1m', '15m'] as const) {
      const got = await eventually(() => meterWindows(engine, `m-${meter}`, granularity, { from: BASE_MS, to: Date.now() }), (windows) => windows.every(({ final }) => final), 10_000);
      expect(windowsDifference(got, windowsOf(own, granularity)), `${granularity} windows of m-${meter}`).toBe(null);
    }
  }
}

describe('a backup of an engine under load', () => {
  it('holds everything that was acknowledged before it began, once, and comes back as an engine of any number of shards', { timeout: 120_000 }, async () => {
    const parent = directory();
    const [backup, restored] = [join(parent, 'backup'), join(parent, 'restored')];
    const engine = await start(join(parent, 'data'));
    const acknowledged: SentReading[][] = [];
    let stopped = false;
    const load = (async () => {
      for (let number = 0; !stopped; number++) {
        await post(engine, batchOf(number));
        acknowledged.push(batchOf(number));
      }
    })();
    load.catch(() => {});
    await sleep(1_500);
    await eventually(async () => acknowledged.length, (count) => count > 10);
    const before = [...acknowledged];
    const copied = await run('backup', '--data-dir', join(parent, 'data'), '--to', backup);
    expect([copied.code, copied.stdout], copied.stderr).toEqual([0, expect.stringContaining('2 shards')]);
    const during = acknowledged.length - before.length;
    await sleep(200);
    stopped = true;
    await load;
    expect(during).toBeGreaterThan(0);
    // The engine was not disturbed.
    await expectWindows(engine, acknowledged.flat());
    await engine.kill9();

    const back = await run('restore', '--from', backup, '--data-dir', restored);
    expect(back.code, back.stderr).toBe(0);
    const again = await start(restored, { SHARDS: '3' });
    for (const batch of before) expect(await post(again, batch)).toEqual({ accepted: 0, duplicates: batch.length, rejected: 0, errors: [] });
    // What came later may be in it or not; it may be sent again.
    for (const batch of acknowledged) await post(again, batch);
    await expectWindows(again, acknowledged.flat());
    expect(readdirSync(parent).filter((name) => name.includes('partial'))).toEqual([]);
    console.log(`backup: ${before.length} batches before it, ${during} while it ran`);
  });

  it('is refused where it or its restoration would overwrite something, and where it is not whole', { timeout: 120_000 }, async () => {
    const parent = directory();
    const [data, backup, restored] = ['data', 'backup', 'restored'].map((name) => join(parent, name));
    const engine = await start(data);
    for (let number = 0; number < 5; number++) await post(engine, batchOf(number));
    const nowhere = await run('backup', '--data-dir', join(parent, 'nowhere'), '--to', backup);
    expect([nowhere.code, nowhere.stderr]).toEqual([1, expect.stringContaining('is no data directory')]);
    expect((await run('backup', '--data-dir', data)).code).toBe(2);
    expect((await run('backup', '--data-dir', data, '--to', backup)).code).toBe(0);
    const twice = await run('backup', '--data-dir', data, '--to', backup);
    expect([twice.code, twice.stderr]).toEqual([2, expect.stringContaining('is there already')]);

    const over = await run('restore', '--from', backup, '--data-dir', data);
    expect([over.code, over.stderr]).toEqual([1, expect.stringContaining('nothing is overwritten')]);
    const none = await run('restore', '--from', data, '--data-dir', restored);
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining('is no backup of seg backup')]);

    const file = join(backup, 'gen-1/shard-1/data.mdb');
    const bytes = readFileSync(file);
    const note = readFileSync(join(backup, 'backup.json'), 'utf8');
    bytes[bytes.length - 2_000] ^= 1;
    writeFileSync(file, bytes);
    const rotten = await run('restore', '--from', backup, '--data-dir', restored);
    expect([rotten.code, rotten.stderr]).toEqual([1, expect.stringMatching(/shard-1\/data\.mdb is not what was backed up: it fails its checksum/)]);
    expect(existsSync(restored)).toBe(false);
    bytes[bytes.length - 2_000] ^= 1;
    writeFileSync(file, bytes);
    writeFileSync(join(backup, 'backup.json'), note.replace('"format": 6', '"format": 7'));
    const newer = await run('restore', '--from', backup, '--data-dir', restored);
    expect([newer.code, newer.stderr]).toEqual([1, expect.stringContaining('has format 7, this engine reads 6')]);
    // As an engine without alerts, bills, accounts and a registry made it.
    const older = JSON.parse(note) as { format: number; files: { path: string }[] };
    writeFileSync(join(backup, 'backup.json'), JSON.stringify({ ...older, format: 2, files: older.files.filter(({ path }) => !['alerts/data.mdb', 'registry/data.mdb'].includes(path)) }));
    expect(older.files.map(({ path }) => path)).toEqual(expect.arrayContaining(['alerts/data.mdb', 'registry/data.mdb']));
    // An empty directory is nothing that could be overwritten.
    mkdirSync(restored);
    const back = await run('restore', '--from', backup, '--data-dir', restored);
    expect(back.code, back.stderr).toBe(0);
    await expectWindows(await start(restored), [0, 1, 2, 3, 4].flatMap(batchOf));
  });
});

describe('seg verify', () => {
  it('refuses while an engine runs, finds a killed engine sound, and says where a byte was flipped; no engine starts on that', { timeout: 120_000 }, async () => {
    const dataDir = directory();
    const engine = await start(dataDir);
    for (let number = 0; number < 20; number++) await post(engine, batchOf(number));
    await sleep(1_200);
    await post(engine, batchOf(20));
    const busy = await run('verify', '--data-dir', dataDir);
    expect([busy.code, busy.stderr]).toEqual([1, expect.stringContaining('is in use by the engine with process id')]);
    await engine.kill9();
    const sound = await run('verify', '--data-dir', dataDir);
    expect([sound.code, sound.stdout], sound.stdout).toEqual([0, expect.stringMatching(/: 2 shards, 30 meters, [\d,]+ windows, \d+ log records, \d+ records? of alerts, \d+ records? of the registry: sound\n$/)]);
    expect(readdirSync(dataDir).filter((name) => name.endsWith('.claim') && !name.includes(String(engine.pid)))).toEqual([]);

    expect(await flipStoredBytes(join(dataDir, 'gen-1/shard-0'), 'pages', () => 8)).toBeGreaterThan(0);
    const faulty = await run('verify', '--data-dir', dataDir);
    expect([faulty.code, faulty.stdout]).toEqual([1, expect.stringMatching(/: \d+ faults?\nshard 0: table "pages" has an entry [0-9a-f]{12} that fails its checksum\n[\s\S]*seg restore --from DIR/)]);
    const refused = EngineProcess.spawn({ dataDir, settings: SETTINGS });
    engines.push(refused);
    expect(await refused.exited()).toBe(1);
    expect(refused.stderr).toMatch(/^seg: shard 0 cannot read its data: table "pages" has an entry [0-9a-f]{12} that fails its checksum; look at all of it with seg verify, and bring back a backup with seg restore\n$/);
  });

  it('says what is no data directory', async () => {
    const { code, stderr } = await run('verify', '--data-dir', directory());
    expect([code, stderr]).toEqual([1, expect.stringContaining('is no data directory')]);
  });
});
