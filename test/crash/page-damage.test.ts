import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { post } from '../support/engine-api.ts';
import { EngineProcess, removeDirectory, seg, temporaryDirectory } from '../support/engine-process.ts';import { flipStoredBytes } from '../support/stored-bytes.ts';

/** Flipped bytes in the files of an engine that was stopped: it refuses to start or answers in words, and seg verify finds them. */

const AT = Date.UTC(2026, 0, 1);
const PAGE_BYTES = 32_768;
const LEAF = 2;

let dataDir: string;
const engines: EngineProcess[] = [];
beforeEach(async () => {
  dataDir = temporaryDirectory();
  const engine = spawn();
  await engine.ready();
  for (let meter = 0; meter < 40; meter++) {
    await post(engine, Array.from({ length: 60 }, (_, minute) => ({ meterId: `m-${meter}`, region: 'r', timestamp: AT + minute * 60_000, powerKw: 1 + meter / 8 })));
  }
  expect(await engine.stop()).toBe(0);
}, 60_000);
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.kill9();
  removeDirectory(dataDir);
});

function spawn(): EngineProcess {
  const engine = EngineProcess.spawn({ dataDir, settings: { SHARDS: '1' } });
  engines.push(engine);
  return engine;
}

function shardDirectory(): string {
  return join(dataDir, 'gen-1/shard-0');
}

function change(place: string, by: (bytes: Buffer) => void): void {
  const file = join(shardDirectory(), place, 'data.mdb');
  const bytes = readFileSync(file);
  by(bytes);
  writeFileSync(file, bytes);
}

/** Every page of this kind that says it is the one it lies in: one of them is in use. */
function eachLeaf(bytes: Buffer, pageBytes: number, by: (at: number) => void): void {
  for (let at = 2 * pageBytes; at < bytes.length; at += pageBytes) if (bytes.readUInt32LE(at) === at / pageBytes && bytes.readUInt16LE(at + 18) === LEAF) by(at);
}

const verify = () => seg(['verify', '--data-dir', dataDir]);

describe('a data directory with flipped bytes', () => {
  it.each([
    ['in the pages of the tables', '', PAGE_BYTES],
    ['in the pages of the log', 'log-1', 4_096],
  ])('is refused with a clear word: %s', { timeout: 60_000 }, async (_what, place, pageBytes) => {
    change(place, (bytes) => eachLeaf(bytes, pageBytes, (at) => bytes.writeUInt16LE(0x7ff0, at + 24)));
    const engine = spawn();
    expect(await engine.exited()).toBe(1);
    expect(engine.stderr).toMatch(/^seg: shard 0 cannot read its data: .*data\.mdb is damaged: page \d+ of .* has node 0 outside it.*; look at all of it with seg verify, and bring back a backup with seg restore\n$/);
    expect(engine.stderr).not.toContain('gives up');
    const { code, stdout } = await verify();
    expect(code).toBe(1);
    expect(stdout).toMatch(new RegExp(`^shard 0: ${place === '' ? '' : `${place}/`}data\\.mdb: page \\d+ of .* has node 0 outside it$`, 'm'));
    expect(stdout).toContain('bring back the newest backup with seg restore --from DIR');
  });

  it('answers a query in words when a window is damaged, and goes on with the others', { timeout: 60_000 }, async () => {
    // A window begins with the time it begins at.
    const isDamaged = (value: Uint8Array) => value.length > 20 && new DataView(value.buffer, value.byteOffset).getFloat64(0, true) === AT + 5 * 60_000;
    expect(await flipStoredBytes(shardDirectory(), 'windows', (value) => (isDamaged(value) ? 20 : null))).toBeGreaterThan(0);
    const engine = spawn();
    await engine.ready();
    const windows = (from: number, to: number) => fetch(engine.apiUrl(`/api/v1/meters/m-7/aggregates?granularity=1m&from=${from}&to=${to}`));
    const answer = await windows(AT, AT + 3_600_000);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([500, 'application/problem+json']);
    expect(await answer.json()).toMatchObject({
      code: 'corrupt',
      type: 'urn:seg:problem:corrupt',
      detail: expect.stringMatching(/table "windows" has an entry [0-9a-f]+ that fails its checksum\. Look at all of it with seg verify, and bring back a backup with seg restore\.$/),
    });
    expect((await windows(AT + 10 * 60_000, AT + 20 * 60_000)).status).toBe(200);
    expect(await engine.stop()).toBe(0);
    const { code, stdout } = await verify();
    expect(code).toBe(1);
    expect(stdout).toMatch(/^shard 0: table "windows" has an entry [0-9a-f]+ that fails its checksum$/m);
  });

  it('is refused when a page of meters is damaged', { timeout: 60_000 }, async () => {
    expect(await flipStoredBytes(shardDirectory(), 'pages', () => 300)).toBeGreaterThan(0);
    const engine = spawn();
    expect(await engine.exited()).toBe(1);
    expect(engine.stderr).toMatch(/^seg: shard 0 cannot read its data: table "pages" has an entry [0-9a-f]+ that fails its checksum; look at all of it with seg verify, and bring back a backup with seg restore\n$/);
  });
});
