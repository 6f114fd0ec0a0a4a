import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { SmallDisk } from '../../src/cli/prove/small-disk.ts';
import { scrape } from '../support/engine-api.ts';
import { EngineProcess, removeDirectory, temporaryDirectory } from '../support/engine-process.ts';
import { suiteWherePossible } from '../support/required-suites.ts';

/** What those who run an engine see of a disk that is full: a real engine on a small disk of its own. */

const DISK_BYTES = 64 * 1024 * 1024;
/** More than a full disk has, less than an empty one. */
const ROOM_BYTES = 1024 * 1024;
/** A picture goes to the log every 5 s, and the main thread asks every second; much more on a busy machine. */
const NOTICED_MS_MAX = 60_000;

const directories: string[] = [];
const directory = (): string => directories[directories.push(temporaryDirectory()) - 1];
const disk = SmallDisk.mount(join(directory(), 'disk'), DISK_BYTES);
let engine: EngineProcess;
afterEach(async () => {
  await engine.kill9();
});
afterAll(() => {
  disk?.unmount();
  directories.forEach(removeDirectory);
});

async function ready(): Promise<{ status: number; text: string }> {
  const response = await fetch(engine.opsUrl('/ready'));
  return { status: response.status, text: await response.text() };
}

/** Free bytes, and how many shards refuse, as the metrics say. */
async function storage(): Promise<{ freeBytes: number; refusing: number }> {
  const metrics = await scrape(engine);
  const refusing = ['0', '1'].reduce((sum, shard) => sum + metrics.get(`seg_storage_refuses{shard="${shard}"}`)!, 0);
  return { freeBytes: metrics.get('seg_data_disk_free_bytes')!, refusing };
}

/** The answer of /ready once its status is this one, or the last one before time was up. `meanwhile` runs between looks. */
async function readyWith(status: number, meanwhile: () => void = () => {}): Promise<{ status: number; text: string }> {
  const deadline = Date.now() + NOTICED_MS_MAX;
  for (;;) {
    const answer = await ready();
    if (answer.status === status || Date.now() > deadline) return answer;
    meanwhile();
    await sleep(100);
  }
}

describe('an engine on a disk with room', () => {
  it('is ready, and says how much is left', async () => {
    engine = await EngineProcess.start({ dataDir: directory(), settings: { SHARDS: '2' } });
    expect((await ready()).status).toBe(200);
    const { freeBytes, refusing } = await storage();
    expect(freeBytes).toBeGreaterThan(0);
    expect(refusing).toBe(0);
  });
});

suiteWherePossible('an engine on a full disk', disk !== null, 'This process may not mount a small disk.', () => {
  it('says on /ready that it has no room, in the metrics too, and in few lines of its log, until it has', { timeout: 240_000 }, async () => {
    engine = await EngineProcess.start({ dataDir: join(disk!.path, 'data'), settings: { SHARDS: '2' } });
    expect((await readyWith(200)).status).toBe(200);
    expect((await storage()).freeBytes).toBeGreaterThan(ROOM_BYTES);
    // The engine frees pages of its own; those are taken as well.
    const full = await readyWith(503, () => disk!.fill());
    expect(full.status).toBe(503);
    expect(JSON.parse(full.text)).toMatchObject({ code: 'not_ready', detail: expect.stringMatching(/shard-[01] is out of disk space/) });
    const { freeBytes, refusing } = await storage();
    expect(freeBytes).toBeLessThan(ROOM_BYTES);
    expect(refusing).toBeGreaterThan(0);
    for (let i = 0; i < 50; i++) {
      disk!.fill();
      await sleep(100);
    }
    const told = engine.lines.filter(({ msg }) => msg.includes('readings are refused until it can'));
    expect(told.length).toBeGreaterThan(0);
    // One for the log and one for checkpoints, of each shard.
    expect(told.length).toBeLessThanOrEqual(4);
    disk!.free();
    expect((await readyWith(200)).status).toBe(200);
    expect((await storage()).refusing).toBe(0);
  });
});
