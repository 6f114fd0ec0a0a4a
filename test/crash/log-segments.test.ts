import { appendFileSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { windowsOf } from '../oracle/window-oracle.ts';
import { meterWindows, post, type WireReading } from '../support/engine-api.ts';
import { EngineProcess, eventually, removeDirectory, seg, temporaryDirectory } from '../support/engine-process.ts';
import { windowsDifference } from '../support/window-difference.ts';

/** A shard whose log lies in several segments, and what its engine says when one of them is gone. */

const BASE_MS = Math.floor(Date.now() / 3_600_000) * 3_600_000 - 86_400_000;
const METERS = 20;
/** Pages are not written while readings come, or the first segments would have had their time on a slow machine. */
const SETTINGS = { SHARDS: '1', LATENESS: '1s', CHECKPOINT_INTERVAL: '10m' };
/** Above what the engine lets a segment take on disk (engine/open-shard-store.ts): a real log needs a million readings for that. */
const FULL_SEGMENT_BYTES = 65 * 1024 * 1024;

type SentReading = WireReading & { timestamp: number };

let dataDir: string;
let shard: string;
let aside: string;
const sent: SentReading[] = [];
const engines: EngineProcess[] = [];

/** A minute of each meter. */
function batchOf(minute: number): SentReading[] {
  return Array.from({ length: METERS * 4 }, (_, i) => ({
    meterId: `m-${i % METERS}`,
    region: `r-${i % 3}`,
    timestamp: BASE_MS + minute * 60_000 + Math.floor(i / METERS) * 15_000,
    powerKw: ((minute * 7 + i) % 90) / 10,
  }));
}

async function start(): Promise<EngineProcess> {
  const engine = EngineProcess.spawn({ dataDir, settings: SETTINGS });
  engines.push(engine);
  await engine.ready();
  return engine;
}

async function refusal(): Promise<string> {
  const engine = EngineProcess.spawn({ dataDir, settings: SETTINGS });
  engines.push(engine);
  expect(await engine.exited(), engine.transcript()).toBe(1);
  return engine.stderr;
}

/** Names of the log's segments, the oldest first. */
function segments(): string[] {
  return readdirSync(shard).filter((name) => /^log-\d+$/.test(name)).sort((a, b) => Number(a.slice(4)) - Number(b.slice(4)));
}

async function expectEverything(engine: EngineProcess): Promise<void> {
  for (let meter = 0; meter < METERS; meter++) {
    const own = sent.filter(({ meterId }) => meterId === `m-${meter}`);
    const got = await eventually(() => meterWindows(engine, `m-${meter}`, '1m', { from: BASE_MS, to: Date.now() }), (windows) => windows.every(({ final }) => final), 10_000);
    expect(windowsDifference(got, windowsOf(own, '1m')), `windows of m-${meter}`).toBe(null);
  }
}

beforeAll(async () => {
  dataDir = temporaryDirectory();
  aside = temporaryDirectory();
  shard = join(dataDir, 'gen-1', 'shard-0');
  let minute = 0;
  for (let segment = 1; segment <= 3; segment++) {
    const engine = await start();
    // The first group belongs to the segment that the engine found.
    for (let i = 0; i < 4; i++) {
      const batch = batchOf(minute++);
      expect(await post(engine, batch)).toMatchObject({ accepted: batch.length });
      sent.push(...batch);
    }
    expect(segments()).toHaveLength(segment);
    await engine.kill9();
    const file = join(shard, segments().at(-1)!, 'data.mdb');
    if (segment < 3) appendFileSync(file, Buffer.alloc(FULL_SEGMENT_BYTES - statSync(file).size));
  }
}, 120_000);

async function killEngines(): Promise<void> {
  for (const engine of engines.splice(0)) await engine.kill9();
}

afterEach(killEngines);

afterAll(async () => {
  // Where the beginning failed no test came to its end.
  await killEngines();
  for (const directory of [dataDir, aside]) removeDirectory(directory);
});

/** Runs `look` while this segment is gone, then puts it back. */
async function without(segment: string, look: () => Promise<void>): Promise<void> {
  renameSync(join(shard, segment), join(aside, segment));
  try {
    await look();
  } finally {
    renameSync(join(aside, segment), join(shard, segment));
  }
}

describe('an engine with a log of several segments', () => {
  it('is sound after a kill -9', { timeout: 60_000 }, async () => {
    expect(segments()).toHaveLength(3);
    const verified = await seg(['verify', '--data-dir', dataDir], { env: { SEG_LATENESS: '1s' } });
    expect([verified.code, verified.stdout]).toEqual([0, expect.stringContaining('sound')]);
  });

  it.each([
    ['the newest', 2, (first: string) => `the log segment that begins with record ${first} is missing`],
    ['one in the middle', 1, (first: string) => `the log segment that begins with record ${first} is missing`],
    ['the oldest', 0, (_first: string, second: string) => `the log begins with record ${second}, and what lies before it from 0 on is missing`],
  ])('does not start without %s, names a way out, and neither does seg verify find that sound', { timeout: 60_000 }, async (_which, index, message) => {
    const names = segments();
    const said = message(names[index].slice(4), names[index + 1]?.slice(4) ?? '');
    await without(names[index], async () => {
      for (let attempt = 0; attempt < 2; attempt++) {
        expect(await refusal()).toBe(`seg: shard 0 cannot read its data: ${said}; look at all of it with seg verify, and bring back a backup with seg restore\n`);
      }
      const verified = await seg(['verify', '--data-dir', dataDir], { env: { SEG_LATENESS: '1s' } });
      expect([verified.code, verified.stdout]).toEqual([1, expect.stringContaining(said)]);
      expect(verified.stdout).toContain('bring back the newest backup with seg restore --from DIR');
    });
    expect(segments()).toEqual(names);
  });

  it('does not start when nothing is left in the newest, and leaves it as it is', { timeout: 60_000 }, async () => {
    const newest = segments().at(-1)!;
    await without(newest, async () => {
      mkdirSync(join(shard, newest));
      expect(await refusal()).toContain(`the log segment that begins with record ${newest.slice(4)} holds nothing any more; look at all of it with seg verify`);
      expect(readdirSync(join(shard, newest))).toEqual([]);
      removeDirectory(join(shard, newest));
    });
  });

  it('is good again once all of them are back: every reading is there, once', { timeout: 60_000 }, async () => {
    const engine = await start();
    expect(await post(engine, sent)).toMatchObject({ accepted: 0, duplicates: sent.length });
    await expectEverything(engine);
    expect(await engine.stop()).toBe(0);
  });
});
