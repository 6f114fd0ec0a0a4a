import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ExportOptions } from '../../src/cli/export.ts';
import { runExport } from '../../src/cli/export.ts';

const START_MS = Date.UTC(2026, 0, 1);
const PAGE = 3;
let server: http.Server;
let url: string;
let directory: string;
let asked: URL[];
let failures: number[];
let meters: string[];

const window = (meterId: string, i: number) => ({
  meterId, region: 'r', granularity: '15m', windowStart: new Date(START_MS + i * 900_000).toISOString(), windowEnd: new Date(START_MS + (i + 1) * 900_000).toISOString(),
  avgPowerKw: i / 2, minPowerKw: 0, maxPowerKw: i, energyKwhSum: i / 8, energySource: 'estimated', voltageAvg: null, voltageMin: null, voltageMax: null, count: 15, revision: 0, final: true,
});

/** Seven windows a meter, three a page. */
function answer(at: URL): { status: number; body: unknown } {
  const failure = failures.shift();
  if (failure !== undefined) return { status: failure, body: { title: 'no', detail: 'as the test asked' } };
  if (at.pathname === '/api/v1/meters') return { status: 200, body: { data: meters.map((meterId) => ({ meterId })), nextCursor: null } };
  const meterId = /^\/api\/v1\/meters\/([ab])\/aggregates$/.exec(at.pathname)?.[1];
  if (meterId === undefined) return { status: 404, body: { title: 'Not Found', detail: 'no such meter' } };
  const first = Number(at.searchParams.get('cursor') ?? 0);
  const data = Array.from({ length: Math.min(PAGE, 7 - first) }, (_, i) => window(meterId, first + i));
  return { status: 200, body: { data, nextCursor: first + PAGE < 7 ? String(first + PAGE) : null } };
}

beforeEach(async () => {
  asked = [];
  failures = [];
  meters = ['a', 'b'];
  server = http.createServer((request, response) => {
    const at = new URL(request.url!, 'http://localhost');
    asked.push(at);
    const { status, body } = answer(at);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  directory = await mkdtemp(join(tmpdir(), 'seg-export-'));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(directory, { recursive: true, force: true });
});

function options(overrides: Partial<ExportOptions> = {}): ExportOptions {
  return { url, subject: { meter: 'a' }, granularity: '15m', fromMs: START_MS, toMs: START_MS + 86_400_000, format: 'csv', out: join(directory, 'out'), ...overrides };
}

describe('an export', () => {
  it('writes all pages of a meter as CSV', async () => {
    expect(await runExport(options())).toBe(7);
    const lines = (await readFile(join(directory, 'out'), 'utf8')).trimEnd().split('\n');
    expect(lines).toHaveLength(8);
    expect(lines[0]).toMatch(/^meterId,region,granularity,windowStart,/);
    expect(lines[2]).toBe('a,r,15m,2026-01-01T00:15:00.000Z,2026-01-01T00:30:00.000Z,0.5,0,1,0.125,estimated,,,,15,0,true');
    expect(asked[0].searchParams.get('from')).toBe('2026-01-01T00:00:00.000Z');
    expect(await readdir(directory)).toEqual(['out']);
  });

  it('writes every meter as NDJSON', async () => {
    expect(await runExport(options({ subject: { allMeters: true }, format: 'ndjson' }))).toBe(14);
    const windows = (await readFile(join(directory, 'out'), 'utf8')).trimEnd().split('\n').map((line) => JSON.parse(line) as unknown);
    expect(windows).toEqual(['a', 'b'].flatMap((meterId) => Array.from({ length: 7 }, (_, i) => window(meterId, i))));
  });

  it('tries a page again while the engine is busy', async () => {
    failures = [503, 429];
    expect(await runExport(options())).toBe(7);
  });

  it('of nothing is the head alone', async () => {
    meters = [];
    expect(await runExport(options({ subject: { allMeters: true } }))).toBe(0);
    expect(await readFile(join(directory, 'out'), 'utf8')).toMatch(/^meterId,[^\n]+\n$/);
  });

  it('prints nothing when it fails before its first page', async () => {
    const printed: unknown[] = [];
    const spy = vi.spyOn(process.stdout, 'write').mockImplementation((...args: unknown[]) => {
      printed.push(args[0]);
      (args.at(-1) as () => void)();
      return true;
    });
    try {
      await expect(runExport(options({ subject: { meter: 'unknown' }, out: '-' }))).rejects.toMatchObject({ code: 'not_found' });
    } finally {
      spy.mockRestore();
    }
    expect(printed).toEqual([]);
  });

  it('leaves no file behind when it fails', async () => {
    await expect(runExport(options({ subject: { meter: 'unknown' } }))).rejects.toMatchObject({ code: 'not_found' });
    failures = [400];
    await expect(runExport(options())).rejects.toMatchObject({ code: 'api_refused' });
    await expect(runExport(options({ out: join(directory, 'no', 'such') }))).rejects.toMatchObject({ code: 'out_unwritable' });
    expect(await readdir(directory)).toEqual([]);
  });
});
