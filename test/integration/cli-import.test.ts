import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ImportOptions } from '../../src/cli/import/import-run.ts';
import { DEFAULT_IMPORT, runImport } from '../../src/cli/import/import-run.ts';
import { readEdrp, readSwiss, readUci } from '../oracle/real-files.ts';
import type { RealFile } from '../oracle/real-files.ts';
import { suite } from '../support/required-suites.ts';
import { FakeIngest } from './cli-fake-ingest.fixture.ts';

const DATA = resolve(import.meta.dirname, '../../../shared/data');
const ENTRY = resolve(import.meta.dirname, 'cli-entry.fixture.ts');
let engine: FakeIngest;
let url: string;
let directory: string;

beforeEach(async () => {
  engine = new FakeIngest();
  url = await engine.listen();
  directory = await mkdtemp(join(tmpdir(), 'seg-import-'));
});
afterEach(async () => {
  await engine.close();
  await rm(directory, { recursive: true, force: true });
});

function options(file: string, overrides: Partial<ImportOptions> = {}): ImportOptions {
  return { ...DEFAULT_IMPORT, file, url, preset: null, plan: { meterColumn: 'id', timeColumn: 'at', powerColumn: 'kw', region: 'r' }, stateDirectory: join(directory, 'state'), restart: false, ...overrides };
}

async function sample(rows: number, name = 'sample.csv'): Promise<string> {
  const path = join(directory, name);
  const lines = Array.from({ length: rows }, (_, i) => `m${i % 7},${new Date(Date.UTC(2026, 0, 1) + i * 60_000).toISOString()},${i / 100}`);
  const text = `id,at,kw\n${lines.join('\n')}\n`;
  await writeFile(path, name.endsWith('.gz') ? gzipSync(text) : text);
  return path;
}

function seg(...args: string[]): { pid: number; ended: Promise<{ code: number | null; stdout: string; stderr: string }>; kill: () => void } {
  const child = spawn(process.execPath, [ENTRY, ...args], { cwd: directory });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (stderr += String(chunk)));
  return { pid: child.pid!, ended: new Promise((done) => child.on('close', (code) => done({ code, stdout, stderr }))), kill: () => child.kill('SIGKILL') };
}

describe('an import', () => {
  it.each(['sample.csv', 'sample.dat.gz'])('sends every row of %s once and forgets its state', async (name) => {
    const result = await runImport(options(await sample(1_000, name), { batchSize: 64, concurrency: 3 }));
    expect(result).toMatchObject({ rows: 1_000, bad: 0, complete: true, bytesRead: result.bytesTotal });
    expect(result.totals).toMatchObject({ accepted: 1_000, duplicates: 0, rejected: 0, batches: 16 });
    expect(engine.readings.size).toBe(1_000);
    expect(await readdir(join(directory, 'state')).catch(() => [])).toEqual([]);
  });

  it('gives up after too many bad rows and shows the first ones', async () => {
    const path = join(directory, 'bad.csv');
    await writeFile(path, `id,at,kw\r\n${'m,never,1\r\n'.repeat(6)}`);
    await expect(runImport(options(path, { maxErrors: 5 }))).rejects.toMatchObject({ code: 'too_many_errors', message: expect.stringContaining('line 2: "never"') as string });
    expect(await runImport(options(path, { maxErrors: 6 }))).toMatchObject({ bad: 6, complete: true });
  });

  it('says so when a gzip file is cut off, and has sent what came before', async () => {
    const path = await sample(20_000, 'cut.gz');
    await writeFile(path, (await readFile(path)).subarray(0, -5_000));
    await expect(runImport(options(path, { batchSize: 500 }))).rejects.toMatchObject({ code: 'file_damaged' });
    expect(engine.readings.size).toBeGreaterThan(500);
  });

  it('stopped half-way, continues with what was not acknowledged', async () => {
    const file = await sample(5_000);
    const stop = new AbortController();
    engine.beforeAck = () => {
      if (engine.readings.size >= 2_000) stop.abort();
    };
    const first = await runImport(options(file, { batchSize: 100 }), { signal: stop.signal });
    expect(first.complete).toBe(false);
    engine.beforeAck = () => undefined;
    const second = await runImport(options(file, { batchSize: 100 }));
    expect(second.resumedFrom!.position.row).toBeGreaterThan(1_500);
    expect(second.totals.acknowledged).toBeLessThan(3_200);
    expect(engine.readings.size).toBe(5_000);
    expect(engine.duplicates).toBeLessThanOrEqual(200);
    expect(await readdir(join(directory, 'state'))).toEqual([]);
  });

  it('begins anew with restart, and when the file or the options changed', async () => {
    const file = await sample(3_000);
    const interrupted = async () => {
      const stop = new AbortController();
      engine.readings.clear();
      engine.beforeAck = () => (engine.readings.size >= 1_000 ? stop.abort() : undefined);
      await runImport(options(file, { batchSize: 100 }), { signal: stop.signal });
      engine.beforeAck = () => undefined;
    };
    await interrupted();
    expect((await runImport(options(file, { restart: true }))).totals.acknowledged).toBe(3_000);
    await interrupted();
    expect((await runImport(options(file, { plan: { ...options(file).plan, region: 'other' } }))).totals.acknowledged).toBe(3_000);
    await sample(3_001);
    expect((await runImport(options(file))).totals.acknowledged).toBe(3_001);
  });
});

describe('seg import as a process', () => {
  const flags = ['--meter-column', 'id', '--time-column', 'at', '--power-column', 'kw', '--region', 'r', '--batch', '50'];

  it('killed half-way, the next run goes on and nothing is missing', async () => {
    const file = await sample(20_000);
    const run = seg('import', file, '--url', url, ...flags);
    const hasPlace = () => existsSync(join(directory, '.seg-import')) && readdirSync(join(directory, '.seg-import')).some((name) => name.endsWith('.json'));
    engine.beforeAck = async () => {
      await new Promise((done) => setTimeout(done, 10));
      // The directory is there before the place in it.
      if (engine.readings.size > 3_000 && hasPlace()) run.kill();
    };
    await run.ended;
    expect(engine.readings.size).toBeLessThan(20_000);
    engine.beforeAck = () => undefined;
    const before = engine.readings.size;
    const next = await seg('import', file, '--url', url, ...flags).ended;
    expect(next).toMatchObject({ code: 0, stderr: expect.stringContaining('going on at data row') as string });
    expect(engine.readings.size).toBe(20_000);
    expect(engine.duplicates).toBeLessThan(before);
  });

  it('ends with 2 and a reason for wrong usage, 1 when it fails, 0 when done', async () => {
    const file = await sample(10);
    expect(await seg('import', file, '--layout', 'round').ended).toMatchObject({ code: 2 });
    expect(await seg('import', file, '--url', url).ended).toMatchObject({ code: 2, stderr: expect.stringContaining('--time-column') as string });
    expect(await seg('import', join(directory, 'nothing.csv'), '--url', url, ...flags).ended).toMatchObject({ code: 1, stderr: expect.stringContaining('cannot read') as string });
    expect(await seg('import', file, '--url', url, ...flags).ended).toMatchObject({ code: 0, stderr: expect.stringContaining('10 accepted') as string });
  });

  it('prints the first readings with --dry-run and sends nothing', async () => {
    const { code, stdout } = await seg('import', await sample(100), '--url', url, ...flags, '--dry-run').ended;
    expect(code).toBe(0);
    expect(stdout.trim().split('\n')).toHaveLength(10);
    expect(engine.requests).toBe(0);
  });
});

/** The real files are not part of the project. real-data-*.test.ts import every row of three of them into an engine. */
suite('the importer of the real files', existsSync(DATA), `It reads ${DATA}.`, () => {
  const files: [name: string, preset: 'uci' | 'edrp' | 'swiss', path: string, read: (path: string) => RealFile, every: number, readings: number][] = [
    ['UCI as published', 'uci', 'uci_household_1min/raw_2006-12-16_2007-01-19.txt.gz', readUci, 1, 48_419],
    ['UCI merged', 'uci', 'uci_household_1min/household_1min_2006-12-16_2007-02-28.csv.gz', readUci, 1, 88_752],
    ['EDRP', 'edrp', 'edrp_scotland_622/edrp_622_halfhourly_wide.csv.gz', readEdrp, 10, 274_924],
    ['Swiss', 'swiss', 'swiss_15min_537/elcons_15min_537x7weeks_wide.csv.gz', readSwiss, 10, 252_672],
  ];

  it.each(files)('%s gives the readings that an independent parser finds', { timeout: 120_000 }, async (_, preset, path, read, every, readings) => {
    const file = await everyRowOf(join(DATA, path), every);
    const result = await runImport(options(file, { preset, plan: {}, format: 'msgpack', batchSize: 20_000 }));
    expect(result).toMatchObject({ bad: 0, complete: true });
    expect(result.totals.accepted).toBe(readings);
    const source = read(file);
    let found = 0;
    for (const meterId of source.meterIds) {
      for (const reading of source.readingsOf(meterId)) {
        const sent = engine.readings.get(`${meterId} ${reading.timestamp}`);
        if (sent?.powerKw !== reading.powerKw || sent.energyKwh !== reading.energyKwh || sent.voltage !== reading.voltage || sent.region !== reading.region) expect(sent).toMatchObject(reading);
        found++;
      }
    }
    expect(found).toBe(readings);
  });

  /** A file with the first of every so many rows, under the same header. */
  async function everyRowOf(path: string, every: number): Promise<string> {
    if (every === 1) return path;
    const [header, ...rows] = gunzipSync(await readFile(path)).toString('utf8').split('\n');
    const thinned = join(directory, basename(path));
    await writeFile(thinned, gzipSync([header, ...rows.filter((__, i) => i % every === 0)].join('\n')));
    return thinned;
  }
});
