import { appendFileSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { walkPages } from '../../src/runtime/lmdb-pages.ts';
import { get, meterWindows, post, scrape } from '../support/engine-api.ts';
import { EngineProcess, eventually, removeDirectory, temporaryDirectory } from '../support/engine-process.ts';

/** What a shard's start leaves to threads of their own, in real engines: a walk over pages that nobody waits for, and the readingIds of a long log. */

const AT = Date.UTC(2026, 0, 1);
const METERS = 20;
const MINUTES = 30;
const PAGE_BYTES = 32_768;
/** Of the tables: so large that nobody waits for the windows' pages. Nothing lies in most of it, and the disk gives no room to that. */
const TABLES_BYTES = 1024 * 1024 * 1024;
/** Of the log: so large that its readingIds are read beside the pages. */
const LOG_BYTES = 33 * 1024 * 1024;
const WAIT_MS = 30_000;
const DAMAGE = '.*data\\.mdb is damaged: page \\d+ of table "windows" has node 0 outside it';

let dataDir: string;
const engines: EngineProcess[] = [];
beforeEach(() => {
  dataDir = temporaryDirectory();
});
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.kill9();
  removeDirectory(dataDir);
  rmSync(held(), { force: true });
});

const held = () => `${dataDir}.held`;
const shardFile = (name: string) => join(dataDir, 'gen-1/shard-0', name);

function spawn(preload: string): EngineProcess {
  const engine = EngineProcess.spawn({ dataDir, settings: { SHARDS: '1', LATENESS: '1s', CHECKPOINT_INTERVAL: '1s', ALERTS: 'off' }, preloads: [preload] });
  engines.push(engine);
  return engine;
}

const readings = (minute: number, fields: (meter: number) => object = () => ({})) =>
  Array.from({ length: METERS }, (_, meter) => ({ meterId: `m-${meter}`, region: 'r', timestamp: AT + minute * 60_000, powerKw: 1 + meter / 8, ...fields(meter) }));

/** Damages one leaf of the windows: LMDB would read past the end of the page. */
function damageWindows(): void {
  const file = shardFile('data.mdb');
  const sound = readFileSync(file);
  for (let at = 2 * PAGE_BYTES; at < sound.length; at += PAGE_BYTES) {
    const bytes = Buffer.from(sound);
    bytes.writeUInt16LE(0x7ff0, at + 24);
    writeFileSync(file, bytes);
    if (walkPages(file).some(({ table, problem }) => table === 'windows' && problem.startsWith('has node 0'))) return;
  }
  throw new Error('no leaf of the windows was found');
}

describe('a shard whose windows are walked after it is ready', () => {
  beforeEach(async () => {
    const engine = spawn('held-page-walk.mjs');
    await engine.ready();
    for (let minute = 0; minute < MINUTES; minute++) await post(engine, readings(minute));
    // Nothing is left that a later start would write into their table.
    for (const granularity of ['1m', '15m'] as const) {
      await eventually(() => meterWindows(engine, `m-${METERS - 1}`, granularity, { from: AT, to: AT + 3_600_000 }), (windows) => windows.length > 0 && windows.every(({ final }) => final), WAIT_MS);
    }
    expect(await engine.stop()).toBe(0);
    damageWindows();
    truncateSync(shardFile('data.mdb'), TABLES_BYTES);
  }, 60_000);

  it('works until the damage is found, and is stopped by its supervisor then, with the word that its next start ends the engine with', { timeout: 90_000 }, async () => {
    writeFileSync(held(), '');
    const engine = spawn('held-page-walk.mjs');
    await engine.ready();
    expect(readFileSync(shardFile('pages-unwalked'), 'utf8')).toBe('1');
    expect((await get(engine, '/api/v1/regions')).status).toBe(200);
    rmSync(held());
    const { msg } = await engine.line(({ child }) => child === 'shard-0', 'its shard was stopped', WAIT_MS);
    expect(msg).toMatch(new RegExp(`^shard-0 crashed: ${DAMAGE}$`));
    expect(await engine.exited()).toBe(1);
    const last = engine.lines.find((line) => line.msg === 'the engine stops: no restart can mend this');
    expect((last?.err as Error | undefined)?.message).toMatch(new RegExp(`^shard 0 cannot read its data: ${DAMAGE}; look at all of it with seg verify, and bring back a backup with seg restore`));
  });
});

describe('a shard with a long log', () => {
  it('has a thread remember its readingIds, and goes by them', { timeout: 90_000 }, async () => {
    const engine = spawn('thread-witness.mjs');
    await engine.ready();
    const named = (minute: number) => readings(minute, (meter) => ({ readingId: `r-${minute % MINUTES}-${meter}` }));
    for (let minute = 0; minute < MINUTES; minute++) await post(engine, named(minute));
    // Snapshots stand for all of it, so its readingIds are all that the log is kept for.
    await eventually(() => scrape(engine), (found) => found.get('seg_windows_closed_total{granularity="1m"}') === METERS * MINUTES && found.get('seg_unwritten_share{shard="0"}') === 0, WAIT_MS);
    await engine.kill9();
    expect(engine.stderr).toContain('thread shard-thread.ts\n');
    expect(engine.stderr).not.toContain('replayed-ids');
    const [log] = readdirSync(shardFile('')).filter((name) => name.startsWith('log-'));
    appendFileSync(shardFile(join(log, 'data.mdb')), Buffer.alloc(LOG_BYTES));
    const next = spawn('thread-witness.mjs');
    await next.ready();
    for (let minute = MINUTES; minute < 2 * MINUTES; minute++) expect(await post(next, named(minute))).toMatchObject({ accepted: 0, duplicates: METERS });
    expect(await post(next, readings(2 * MINUTES))).toMatchObject({ accepted: METERS });
    expect(await next.stop()).toBe(0);
    expect([...next.stderr.matchAll(/^thread replayed-ids-thread\.ts$/gm)]).toHaveLength(1);
  });
});
