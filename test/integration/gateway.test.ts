import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startGateway, type Gateway } from '../../src/http/gateway.ts';
import { loadStaticFiles } from '../../src/http/static-files.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import type { Log } from '../../src/runtime/log.ts';
import { nullLog } from '../../src/runtime/log.ts';
import type { TraceFields } from '../../src/runtime/log-trace.ts';
import { AT, DEAD_LETTER, fakeEngine, METER, REGION, type FakeEngine } from '../support/fake-engine.ts';
import { RecordedTracing, TRACE_ID, traceparentOf } from '../support/recorded-tracing.ts';

const NOW = AT + 1_000;
const DAY_MS = 86_400_000;
const ISO = '2026-01-15T12:00:00.000Z';
const clock = { ...systemClock, now: () => NOW };

let engine: FakeEngine;
let gateway: Gateway;
let base: string;
let webDir: string;
const logged: object[] = [];
const log: Log = { ...nullLog, error: (fields) => void logged.push(fields) };

/** One engine behind the running gateway; each test gets a fresh one. */
const engineNow = new Proxy({} as FakeEngine, { get: (_, name) => engine[name as keyof FakeEngine] });

beforeAll(async () => {
  webDir = mkdtempSync(join(tmpdir(), 'seg-web-'));
  mkdirSync(join(webDir, 'parts'));
  writeFileSync(join(webDir, 'index.html'), '<!doctype html><script type="module" src="/app.js"></script>');
  writeFileSync(join(webDir, 'app.js'), 'export const name = "grid";\n');
  writeFileSync(join(webDir, 'parts/ui.js'), "import htm from 'htm';\nimport { useState } from 'preact/hooks';\nimport './app.js';\nexport const from = 'htm';\n");
  writeFileSync(join(webDir, 'parts/style.css'), 'body{}');
  writeFileSync(join(webDir, '.secret.js'), 'no');
  writeFileSync(join(webDir, 'tsconfig.json'), '{}');
  writeFileSync(join(webDir, 'wire.d.ts'), '');
  symlinkSync('/etc/hostname', join(webDir, 'link.js'));
  gateway = await startGateway(
    {
      host: '127.0.0.1', port: 0, queriesInFlightMax: 2, requestIdPrefix: 'test', staticFiles: loadStaticFiles(webDir),
      extend: (app) => void app.get('/extra', (res) => void res.end('from extend')),
    },
    { engine: engineNow, clock, timers: systemTimers, log },
  );
  base = `http://127.0.0.1:${gateway.port}`;
});

beforeEach(() => {
  engine = fakeEngine();
  logged.length = 0;
});

afterAll(async () => {
  await gateway.close(1_000);
  rmSync(webDir, { recursive: true });
});

async function get(path: string, init?: RequestInit): Promise<{ status: number; headers: Headers; body: any }> {
  const response = await fetch(base + path, init);
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') ?? false;
  return { status: response.status, headers: response.headers, body: isJson && text !== '' ? JSON.parse(text) : text };
}

async function faultsOf(path: string): Promise<Record<string, string>> {
  const { status, headers, body } = await get(path);
  expect(status, JSON.stringify(body)).toBe(400);
  expect(headers.get('content-type')).toBe('application/problem+json');
  expect(body).toMatchObject({ code: 'invalid_query', status: 400, title: 'Bad Request' });
  expect(engine.asked).toEqual([]);
  return Object.fromEntries(body.faults.map(({ parameter, message }: { parameter: string; message: string }) => [parameter, message]));
}

/** Sends bytes as they are, because fetch tidies up paths and methods. */
function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(gateway.port, '127.0.0.1', () => socket.end(text));
    let received = '';
    socket.on('data', (chunk) => (received += chunk.toString('latin1')));
    socket.on('close', () => resolve(received));
    socket.on('error', reject);
  });
}

describe('meters', () => {
  test('are listed with region, limit and cursor passed on and times in ISO', async () => {
    const first = await get('/api/v1/meters?region=north&limit=7');
    expect(first.status).toBe(200);
    expect(first.headers.get('content-type')).toBe('application/json');
    expect(first.headers.get('cache-control')).toBe('no-store');
    expect(first.body.data[0]).toMatchObject({ meterId: 'meter:1', newestTimestamp: ISO });
    expect(engine.asked).toEqual([['meters', { region: 'north', limit: 7, cursor: null }]]);
    const second = await get(`/api/v1/meters?cursor=${encodeURIComponent(first.body.nextCursor)}`);
    expect(engine.asked[1]).toEqual(['meters', { region: null, limit: 100, cursor: 'next/page+1=' }]);
    expect(second.body.nextCursor).toBeNull();
  });

  test('a cursor sent without escaping arrives whole', async () => {
    await get('/api/v1/meters?cursor=next/page+1=');
    expect(engine.asked[0]).toEqual(['meters', { region: null, limit: 100, cursor: 'next/page+1=' }]);
  });

  test('have a state, found by an escaped id as well', async () => {
    const { status, body } = await get('/api/v1/meters/meter%3A1');
    expect(status).toBe(200);
    expect(body).toEqual({ ...METER, newestTimestamp: ISO, lastReading: { ...METER.lastReading, timestamp: ISO, receivedAt: '2026-01-15T12:00:00.020Z' } });
  });

  test.each(['nobody', 'a%20b', '%ZZ', '%00', 'x'.repeat(65), '%3Cscript%3E', '%2e%2e%2fetc'])('answer 404 for %s, which no meter is called', async (name) => {
    for (const path of [`/api/v1/meters/${name}`, `/api/v1/meters/${name}/aggregates`]) {
      const { status, body, headers } = await get(path);
      expect(status).toBe(404);
      expect(body).toMatchObject({ code: 'unknown_meter', title: 'Not Found' });
      expect(headers.get('x-request-id')).toBe(body.requestId);
    }
  });
});

describe('aggregates of a meter', () => {
  test('cover the last 24 hours in minutes by default', async () => {
    const { body } = await get('/api/v1/meters/meter:1/aggregates');
    expect(engine.asked).toEqual([['meterWindows', 'meter:1', { granularity: '1m', from: NOW - DAY_MS, to: NOW, limit: 1_000, cursor: null }]]);
    expect(body.data[0]).toMatchObject({ windowStart: '2026-01-15T11:59:00.000Z', windowEnd: ISO, voltageAvg: null, final: true });
    expect(body.nextCursor).toBe('next/page+1=');
  });

  test('take RFC 3339 with any offset and epoch milliseconds, the plus escaped or not', async () => {
    const to = Date.UTC(2026, 0, 2);
    for (const query of [
      'from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00.000Z',
      `from=${to - DAY_MS}&to=${to}`,
      'from=2026-01-01T01:00:00%2B01:00&to=2026-01-02T05:30:00+05:30',
      'from=2025-12-31T19:00:00-05:00&to=2026-01-02t00:00:00z',
      'to=2026-01-02T00:00:00Z',
    ]) {
      engine.asked.length = 0;
      expect((await get(`/api/v1/meters/meter:1/aggregates?granularity=15m&limit=10000&${query}`)).status).toBe(200);
      expect(engine.asked, query).toEqual([['meterWindows', 'meter:1', { granularity: '15m', from: to - DAY_MS, to, limit: 10_000, cursor: null }]]);
    }
  });

  test.each(['yesterday', '2026-01-01', '2026-01-01T00:00:00', '2026-02-30T00:00:00Z', '-5', '1e3', '', '1.5', '2026-01-01T00:00:00Z%00', '9999999999999999', '1969-12-31T23:59:59Z'])(
    'refuse the time %j',
    async (time) => {
      const faults = await faultsOf(`/api/v1/meters/meter:1/aggregates?from=${time}`);
      expect(faults.from).toContain('expected an RFC 3339 time');
    },
  );

  test.each(['0', '10001', '-1', '1.5', 'all', '', '1e3', '%31%30%30%30%30%30'])('refuse the limit %j', async (limit) => {
    expect((await faultsOf(`/api/v1/meters/meter:1/aggregates?limit=${limit}`)).limit).toBe('expected a whole number from 1 to 10000');
  });

  test('refuse an empty or backward range, and one that lies in the future by omission', async () => {
    expect((await faultsOf('/api/v1/meters/meter:1/aggregates?from=2000&to=2000')).from).toBe('must be earlier than "to"');
    expect((await faultsOf('/api/v1/meters/meter:1/aggregates?from=2001&to=2000')).from).toBe('must be earlier than "to"');
    expect((await faultsOf(`/api/v1/meters/meter:1/aggregates?from=${NOW + 1}`)).from).toContain('in the future');
    expect((await faultsOf('/api/v1/meters/meter:1/aggregates?to=0')).from).toBe('must be earlier than "to"');
  });

  test('list every fault at once, with suggestions', async () => {
    const faults = await faultsOf('/api/v1/meters/meter:1/aggregates?granularty=1m&granularity=5m&limit=x&from=a&from=b&cursor=');
    expect(faults.granularty).toContain('did you mean "granularity"?');
    expect(faults.granularity).toBe('expected one of 1m, 15m');
    expect(Object.keys(faults).sort()).toEqual(['cursor', 'from', 'granularity', 'granularty', 'limit']);
  });

  test('refuse a parameter that is given twice, since nobody can tell which counts', async () => {
    expect(await faultsOf('/api/v1/meters?limit=5&limit=6')).toEqual({ limit: 'given more than once' });
  });

  test('refuse a query that is too long, and prototype names as parameters', async () => {
    expect((await faultsOf(`/api/v1/meters?cursor=${'x'.repeat(3_000)}`))['']).toContain('longer than 2048');
    expect((await faultsOf(`/api/v1/meters?cursor=${'x'.repeat(1_025)}`)).cursor).toContain('longer than any cursor');
    expect((await faultsOf('/api/v1/meters?__proto__=1&constructor=2')).constructor).toContain('there is no such parameter');
    expect((await faultsOf('/api/v1/regions?limit=1')).limit).toBe('there are no parameters here');
  });

  test('answer 400 for a cursor the engine did not make', async () => {
    engine.meterWindows = () => Promise.reject(new OperationalError('invalid_cursor', 'no'));
    const { status, body } = await get('/api/v1/meters/meter:1/aggregates?cursor=junk');
    expect(status).toBe(400);
    expect(body.faults[0].parameter).toBe('cursor');
  });
});

describe('regions', () => {
  test('are listed on one page', async () => {
    expect((await get('/api/v1/regions')).body).toEqual({ data: [REGION], nextCursor: null });
  });

  test('are found by name, or not', async () => {
    expect((await get('/api/v1/regions/north')).body).toEqual(REGION);
    for (const path of ['/api/v1/regions/south', '/api/v1/regions/south/aggregates', '/api/v1/regions/%ZZ/aggregates', '/api/v1/regions/toString']) {
      const { status, body } = await get(path);
      expect(status).toBe(404);
      expect(body.code).toBe('unknown_region');
    }
  });

  test('have aggregates', async () => {
    const { body } = await get('/api/v1/regions/north/aggregates?granularity=15m');
    expect(body.data[0]).toMatchObject({ windowStart: '2026-01-15T11:45:00.000Z', windowEnd: ISO, loadPercent: 15, final: false });
    expect(engine.asked).toEqual([['regionWindows', 'north', { granularity: '15m', from: NOW - DAY_MS, to: NOW, limit: 1_000, cursor: null }]]);
    expect(await faultsOfNext('/api/v1/regions/north/aggregates?from=x')).toContain('from');
    expect(await faultsOfNext('/api/v1/regions/north/aggregates?from=5&to=4')).toContain('from');
  });
});

async function faultsOfNext(path: string): Promise<string[]> {
  engine.asked.length = 0;
  return Object.keys(await faultsOf(path));
}

describe('anomalies', () => {
  test('are filtered by everything, and shown with ISO times', async () => {
    const { body } = await get('/api/v1/anomalies?meterId=meter:1&region=north&kind=spike&severity=WARN&open=false&from=1000&to=2000&limit=5&cursor=c');
    expect(engine.asked).toEqual([['anomalies', { meterId: 'meter:1', region: 'north', kind: 'spike', severity: 'WARN', open: false, from: 1_000, to: 2_000, limit: 5, cursor: 'c' }]]);
    expect(body.data[0]).toMatchObject({ startedAt: ISO, endedAt: null, kind: 'spike' });
  });

  test('are those of the last 24 hours, but those that go on whenever they began', async () => {
    await get('/api/v1/anomalies');
    await get('/api/v1/anomalies?open=true');
    expect(engine.asked[0]).toEqual(['anomalies', { meterId: null, region: null, kind: null, severity: null, open: false, from: NOW - DAY_MS, to: NOW, limit: 100, cursor: null }]);
    expect(engine.asked[1][1]).toMatchObject({ open: true, from: 0, to: NOW });
  });

  test('refuse what is no kind, severity, id, flag, limit or range', async () => {
    const faults = await faultsOf('/api/v1/anomalies?kind=surge&severity=warn&meterId=a%20b&region=&open=1&limit=1001');
    expect(Object.keys(faults).sort()).toEqual(['kind', 'limit', 'meterId', 'open', 'region', 'severity']);
    expect(faults.severity).toBe('expected one of INFO, WARN, CRITICAL');
    expect(await faultsOfNext('/api/v1/anomalies?from=9&to=8')).toEqual(['from']);
  });
});

describe('dead letters', () => {
  test('are filtered and shown as they came', async () => {
    const { body } = await get('/api/v1/dead-letters?code=missing_field&meterId=m1');
    expect(engine.asked).toEqual([['deadLetters', { code: 'missing_field', meterId: 'm1', from: NOW - DAY_MS, to: NOW, limit: 100, cursor: null }]]);
    expect(body.data).toEqual([{ ...DEAD_LETTER, receivedAt: ISO }]);
  });

  test('refuse an unknown code and a backward range', async () => {
    expect((await faultsOf('/api/v1/dead-letters?code=oops')).code).toContain('too_late');
    expect(await faultsOfNext('/api/v1/dead-letters?from=9&to=8')).toEqual(['from']);
  });
});

test('the engine says how it is', async () => {
  const { body } = await get('/api/v1/engine');
  expect(body).toMatchObject({ version: '0.1.0', state: 'degraded', now: ISO, startedAt: '2026-01-15T11:59:55.000Z', partitions: 64 });
  expect(body.shards[1]).toMatchObject({ state: 'restarting', restarts: 2, meters: null });
});

describe('failures', () => {
  test('a shard that is down gives 503 with Retry-After, a deadline 504', async () => {
    engine.meter = () => Promise.reject(new OperationalError('peer_gone', 'shard-1 is gone', { retryable: true }));
    const down = await get('/api/v1/meters/meter:1');
    expect([down.status, down.headers.get('retry-after'), down.body.code]).toEqual([503, '1', 'unavailable']);
    engine.meter = () => Promise.reject(new OperationalError('deadline', 'too slow', { retryable: true }));
    const late = await get('/api/v1/meters/meter:1');
    expect([late.status, late.body.code]).toEqual([504, 'deadline']);
  });

  test('an error nobody expected gives 500 without its message, and is logged', async () => {
    engine.regions = () => {
      throw new Error('S3CRET internals');
    };
    const { status, body } = await get('/api/v1/regions');
    expect(status).toBe(500);
    expect(JSON.stringify(body)).not.toContain('S3CRET');
    expect(logged).toHaveLength(1);
    expect(logged[0]).toMatchObject({ requestId: body.requestId });
  });

  test('is logged with the trace of a request that is traced, and with none of one that is not', async () => {
    const tracing = new RecordedTracing();
    const traced = await startGateway({ host: '127.0.0.1', port: 0, queriesInFlightMax: 2, requestIdPrefix: 'test' }, { engine: engineNow, clock, timers: systemTimers, log, tracing });
    engine.regions = () => {
      throw new Error('a bug');
    };
    for (const flags of ['01', '00']) await fetch(`http://127.0.0.1:${traced.port}/api/v1/regions`, { headers: { traceparent: `00-${TRACE_ID}-00000000000000b7-${flags}` } });
    await get('/api/v1/regions', { headers: { traceparent: traceparentOf(1) } });
    await traced.close(1_000);
    const [span, ...others] = tracing.named('GET /api/v1/regions');
    expect([others, logged.length]).toEqual([[], 3]);
    expect(`00-${TRACE_ID}-${(logged[0] as TraceFields).spanId}-01`).toBe(span.traceparent);
    expect(logged[0]).toMatchObject({ requestId: expect.stringMatching(/^test-/), traceId: TRACE_ID });
    for (const line of logged.slice(1)) expect(Object.keys(line)).toEqual(['error', 'requestId']);
  });

  test('queries past the bound get 503 at once, and slots come back, also after failures and when clients leave', async () => {
    const waiting: (() => void)[] = [];
    engine.meter = () => new Promise((resolve) => waiting.push(() => resolve(METER)));
    const abort = new AbortController();
    const first = get('/api/v1/meters/meter:1');
    const second = get('/api/v1/meters/meter:1', { signal: abort.signal }).catch(() => null);
    await until(() => waiting.length === 2);
    const third = await get('/api/v1/meters/meter:1');
    expect([third.status, third.body.code, third.headers.get('retry-after')]).toEqual([503, 'overloaded', '1']);
    abort.abort();
    await second;
    for (const answer of waiting) answer();
    expect((await first).status).toBe(200);
    await until(() => gateway.stats().queriesInFlight === 0);
    engine.meter = () => Promise.reject(new Error('x'));
    for (let i = 0; i < 3; i++) expect((await get('/api/v1/meters/meter:1')).status).toBe(500);
    expect(gateway.stats()).toMatchObject({ queriesInFlight: 0, queriesRefused: 1 });
  });

  test('unknown paths get 404, other methods 405 with Allow', async () => {
    for (const path of ['/nothing', '/api/v1', '/api/v1/meters/', '/api/v1/meters/a/b', '/api/v2/meters']) {
      expect((await get(path)).status, path).toBe(404);
    }
    for (const path of ['/api/v1/meters', '/api/v1/meters/meter:1', '/api/v1/engine', '/', '/app.js']) {
      for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
        const { status, headers } = await get(path, { method });
        expect([status, headers.get('allow')], `${method} ${path}`).toEqual([405, 'GET, HEAD, OPTIONS']);
      }
    }
    expect(engine.asked).toEqual([]);
  });

  test('HEAD answers like GET without a body, OPTIONS lists the methods', async () => {
    const head = await get('/api/v1/regions', { method: 'HEAD' });
    expect([head.status, head.body]).toEqual([200, '']);
    expect(head.headers.get('content-length')).toBe(String(JSON.stringify({ data: [REGION], nextCursor: null }).length));
    const options = await get('/api/v1/regions', { method: 'OPTIONS' });
    expect([options.status, options.headers.get('allow')]).toEqual([204, 'GET, HEAD, OPTIONS']);
  });

  test('a second gateway on the same port says which setting to change', async () => {
    const again = startGateway({ host: '127.0.0.1', port: gateway.port, queriesInFlightMax: 1, requestIdPrefix: 't' }, { engine: engineNow, clock, timers: systemTimers, log });
    await expect(again).rejects.toMatchObject({ code: 'port_in_use', message: expect.stringContaining('SEG_HTTP_PORT') });
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('files of the dashboard', () => {
  test('are served with their type, and the index at the root', async () => {
    const index = await get('/');
    expect([index.status, index.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect((await get('/index.html')).body).toBe(index.body);
    expect((await get('/app.js')).headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    expect((await get('/parts/style.css')).headers.get('content-type')).toBe('text/css; charset=utf-8');
  });

  test.each([['preact.js', 'text/javascript'], ['preact-hooks.js', 'text/javascript'], ['htm.js', 'text/javascript'], ['uplot.js', 'text/javascript'], ['uplot.css', 'text/css']])(
    'include the library %s',
    async (name, type) => {
      const { status, headers, body } = await get(`/vendor/${name}`);
      expect([status, headers.get('content-type')]).toEqual([200, `${type}; charset=utf-8`]);
      expect(body.length).toBeGreaterThan(500);
    },
  );

  test('carry an ETag that a browser can ask with', async () => {
    const first = await get('/app.js');
    const etag = first.headers.get('etag')!;
    expect(first.headers.get('cache-control')).toBe('no-cache');
    for (const asked of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const again = await get('/app.js', { headers: { 'if-none-match': asked } });
      expect([again.status, again.body, again.headers.get('etag')], asked).toEqual([304, '', etag]);
    }
    expect((await get('/app.js', { headers: { 'if-none-match': '"other"' } })).status).toBe(200);
  });

  test('carry security headers, and no script that stands in a page', async () => {
    const { headers } = await get('/');
    const policy = headers.get('content-security-policy')!;
    expect(policy).toContain("default-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toContain('unsafe');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect((await get('/app.js')).headers.get('content-security-policy')).toContain("script-src 'self';");
  });

  test('import libraries by their addresses: browsers know no names', async () => {
    expect((await get('/parts/ui.js')).body).toBe("import htm from '/vendor/htm.js';\nimport { useState } from '/vendor/preact-hooks.js';\nimport './app.js';\nexport const from = 'htm';\n");
    expect((await get('/vendor/preact-hooks.js')).body).toMatch(/^import\{options as n\}from ["']\/vendor\/preact\.js["'];/);
  });

  test.each(['/../package.json', '/parts/../../package.json', '/%2e%2e/package.json', '/..%2fpackage.json', '/vendor/../../package.json', '//etc/passwd', '/parts\\..\\app.js', '/.secret.js', '/link.js', '/tsconfig.json', '/wire.d.ts', '/parts/', '/parts', '/app.js%00.html', '/vendor/preact/package.json'])(
    'do not include %s',
    async (path) => {
      const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 (404|400) /);
      expect(answer).not.toContain('smart-energy-grid');
    },
  );

  test('leave the endpoints that were added by extend alone', async () => {
    expect((await get('/extra')).body).toBe('from extend');
  });

  test('are refused at the start when they cannot be served', () => {
    expect(() => loadStaticFiles(join(webDir, 'none'))).toThrow(/cannot read the dashboard's directory/);
    expect(() => loadStaticFiles(webDir, { 'x.js': 'no-such-package/x.js' })).toThrow(/no-such-package is not installed/);
    expect(() => loadStaticFiles(webDir, { 'x.js': 'preact/none.js' })).toThrow(/cannot read .*none\.js/);
    writeFileSync(join(webDir, 'odd name.js'), 'x');
    expect(() => loadStaticFiles(webDir)).toThrow(/cannot serve \/odd name\.js/);
    rmSync(join(webDir, 'odd name.js'));
  });
});
