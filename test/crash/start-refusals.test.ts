import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { meterWindows, post } from '../support/engine-api.ts';
import { EngineProcess, removeDirectory, seg, temporaryDirectory } from '../support/engine-process.ts';

/** What an engine refuses to start on: the exit code, and a message that says what to do. */

const AT = Date.UTC(2026, 0, 1);
const READING = { meterId: 'm', region: 'r', timestamp: AT, powerKw: 1 };
const RANGE = { from: AT, to: AT + 60_000 };

const directories: string[] = [];
const engines: EngineProcess[] = [];
let server: Server | null = null;
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.kill9();
  for (const directory of directories.splice(0)) removeDirectory(directory);
  await new Promise<void>((closed) => (server === null ? closed() : server.close(() => closed())));
  server = null;
});

function directory(): string {
  const made = temporaryDirectory();
  directories.push(made);
  return made;
}

function spawn(dataDir: string, settings: Record<string, string> = {}): EngineProcess {
  const engine = EngineProcess.spawn({ dataDir, settings: { SHARDS: '1', ...settings } });
  engines.push(engine);
  return engine;
}

async function start(dataDir: string, settings: Record<string, string> = {}): Promise<EngineProcess> {
  const engine = spawn(dataDir, settings);
  await engine.ready();
  return engine;
}

async function refusal(dataDir: string, settings: Record<string, string> = {}): Promise<{ code: number | null; stderr: string }> {
  const engine = spawn(dataDir, settings);
  const code = await engine.exited();
  return { code, stderr: engine.stderr };
}

function claims(dataDir: string): string[] {
  return readdirSync(dataDir).filter((name) => name.endsWith('.claim'));
}

describe('a data directory', () => {
  it('is refused to a second engine, while the first one goes on', { timeout: 60_000 }, async () => {
    const dataDir = directory();
    const first = await start(dataDir);
    const { code, stderr } = await refusal(dataDir);
    expect(code).toBe(1);
    expect(stderr).toContain(`the data directory ${dataDir} is in use by the engine with process id ${first.pid}; stop it or set SEG_DATA_DIR to another directory`);
    expect(await post(first, [READING])).toMatchObject({ accepted: 1 });
    expect(claims(dataDir)).toHaveLength(1);
    expect(await first.stop()).toBe(0);
    expect(claims(dataDir)).toEqual([]);
    expect(await meterWindows(await start(dataDir), 'm', '1m', RANGE)).toHaveLength(1);
  });

  it('is never shared by engines that start at once', { timeout: 60_000 }, async () => {
    const dataDir = directory();
    const started = Array.from({ length: 4 }, () => spawn(dataDir));
    const outcomes = await Promise.allSettled(started.map((engine) => engine.ready()));
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(1);
    for (const [i, { status }] of outcomes.entries()) if (status === 'rejected') expect([await started[i].exited(), started[i].stderr]).toEqual([1, expect.stringContaining('is in use by the engine with process id')]);
  });

  it('is free again after a kill -9, and after a process id was used anew', { timeout: 60_000 }, async () => {
    const dataDir = directory();
    const first = await start(dataDir);
    await first.kill9();
    expect(claims(dataDir)).toHaveLength(1);
    // This test's own process runs, but did not start at tick 1: somebody else had its id then.
    writeFileSync(join(dataDir, `engine-${process.pid}-1.claim`), '');
    const second = await start(dataDir);
    expect(claims(dataDir)).toEqual([expect.stringContaining(`engine-${second.pid}-`)]);
  });

  it('is refused when it is a file', async () => {
    const path = join(directory(), 'data');
    writeFileSync(path, '');
    const { code, stderr } = await refusal(path);
    expect(code).toBe(1);
    expect(stderr).toContain(`the data directory ${path} cannot be used: `);
    expect(stderr).toContain('SEG_DATA_DIR');
  });

  it('is refused when it cannot be made', async () => {
    const file = join(directory(), 'file');
    writeFileSync(file, '');
    const { code, stderr } = await refusal(join(file, 'data'));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^seg: the data directory .*\/file\/data cannot be used: .*; make it writable or set SEG_DATA_DIR to another\n$/);
  });

  it('is refused where the system makes no directories', async () => {
    const { code, stderr } = await refusal('/proc/seg/data');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^seg: the data directory \/proc\/seg\/data cannot be used: .*mkdir '\/proc\/seg'; make it writable or set SEG_DATA_DIR to another\n$/);
  });

  it('is refused when its manifest is damaged', async () => {
    const dataDir = directory();
    writeFileSync(join(dataDir, 'engine.json'), '{"format":');
    const { code, stderr } = await refusal(dataDir);
    expect([code, stderr]).toEqual([1, `seg: ${join(dataDir, 'engine.json')} is not readable; restore it from a backup\n`]);
  });

  // Tests may run as root, whom no rights stop: a link to itself is what cannot be looked at whoever asks.
  it('is not said to have lost what cannot be read, by the engine or by verify', { timeout: 60_000 }, async () => {
    const dataDir = directory();
    await (await start(dataDir)).stop();
    const shard = join(dataDir, 'gen-1', 'shard-0');
    renameSync(shard, `${shard}.away`);
    symlinkSync(shard, shard);
    const unreadable = new RegExp(`^seg: ${shard} cannot be read: ELOOP.*; give the account that runs this the right to read and write it\n$`);
    expect(await refusal(dataDir)).toEqual({ code: 1, stderr: expect.stringMatching(unreadable) });
    expect(await seg(['verify', '--data-dir', dataDir])).toMatchObject({ code: 1, stderr: expect.stringMatching(unreadable) });
    rmSync(join(dataDir, 'engine.json'));
    mkdirSync(join(dataDir, 'engine.json'));
    const manifest = `seg: ${join(dataDir, 'engine.json')} cannot be read: EISDIR`;
    expect(await refusal(dataDir)).toEqual({ code: 1, stderr: expect.stringContaining(manifest) });
    expect(await seg(['verify', '--data-dir', dataDir])).toMatchObject({ code: 1, stderr: expect.stringContaining(manifest) });
  });
});

describe('settings', () => {
  it.each([
    ['a variable that does not exist', { SHARD: '2' }, /SEG_SHARD\b.*SEG_SHARDS/s],
    ['a number that is none', { SHARDS: 'two' }, /SEG_SHARDS/],
    ['a number out of range', { INGEST_PORT: '70000' }, /SEG_INGEST_PORT/],
    ['an address that others could reach', { HOST: '0.0.0.0' }, /SEG_HOST.*loopback|127\.0\.0\.1/s],
    ['two faults at once', { SHARDS: 'two', LATENESS: 'soon' }, /SEG_SHARDS[\s\S]*SEG_LATENESS|SEG_LATENESS[\s\S]*SEG_SHARDS/],
    ['a contradiction', { HTTP_PORT: '4001', OPS_PORT: '4001' }, /ops|OPS/],
  ])('are refused with exit code 2: %s', async (_, settings, message) => {
    const { code, stderr } = await refusal(directory(), settings as unknown as Record<string, string>);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });

  it('are refused with exit code 2: an unknown key of the file, an unknown flag, a file that is not there', async () => {
    const cwd = directory();
    writeFileSync(join(cwd, 'seg.config.json'), JSON.stringify({ shardz: 2 }));
    const unknownKey = await seg(['start'], { cwd });
    expect([unknownKey.code, unknownKey.stderr]).toEqual([2, expect.stringContaining('shardz')]);
    const unknownFlag = await seg(['start', '--shardz', '2'], { cwd: directory() });
    expect([unknownFlag.code, unknownFlag.stderr]).toEqual([2, expect.stringContaining('--shardz')]);
    const missing = await seg(['start', '--config', 'nowhere.json'], { cwd: directory() });
    expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining('nowhere.json')]);
  });
});

describe('a port that is taken', () => {
  it.each(['INGEST_PORT', 'HTTP_PORT', 'OPS_PORT'])('is refused with the name of its setting: SEG_%s', async (setting) => {
    server = createServer();
    await new Promise<void>((listening) => server!.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as { port: number };
    const dataDir = directory();
    const { code, stderr } = await refusal(dataDir, { [setting]: String(port) });
    expect(stderr).toContain(`127.0.0.1:${port}`);
    expect(stderr).toContain(`SEG_${setting}`);
    expect(code).toBe(1);
    expect(claims(dataDir)).toEqual([]);
  });
});
