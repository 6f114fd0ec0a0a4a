import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startOpsServer, type OpsServer, type OpsSource } from '../../src/http/ops-server.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { nullLog } from '../../src/runtime/log.ts';

const TEXT = '# TYPE seg_meters gauge\nseg_meters{shard="0"} 3\n';
let notReady: ReturnType<OpsSource['notReady']>;
let metrics: OpsSource['metrics'];
let server: OpsServer;

beforeAll(async () => {
  const source: OpsSource = { notReady: () => notReady, metrics: () => metrics() };
  server = await startOpsServer({ host: '127.0.0.1', port: 0, requestIdPrefix: 'ops' }, { source, clock: systemClock, timers: systemTimers, log: nullLog });
});
beforeEach(() => {
  notReady = [];
  metrics = async () => ({ contentType: 'text/plain; version=0.0.4; charset=utf-8', text: TEXT });
});
afterAll(() => server.close(1_000));

const get = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${server.port}${path}`, init);

describe('the ops server', () => {
  test('is alive, whatever the shards do', async () => {
    notReady = [{ part: 'shard-0', state: 'down' }];
    const response = await get('/health');
    expect([response.status, await response.json()]).toEqual([200, { status: 'alive' }]);
  });

  test('is ready only when nothing is missing, and else says what is', async () => {
    expect((await get('/ready')).status).toBe(200);
    notReady = [{ part: 'shard-1', state: 'restarting' }, { part: 'ingest-0', state: 'starting' }];
    const response = await get('/ready');
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await response.json()).toMatchObject({ code: 'not_ready', detail: 'Not ready: shard-1 is restarting, ingest-0 is starting.', notReady });
  });

  test('hands out the metrics as Prometheus text', async () => {
    const response = await get('/metrics');
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await response.text()).toBe(TEXT);
  });

  test('asks the threads once for scrapes that come together, and again for the next', async () => {
    let asked = 0;
    let release = (): void => {};
    metrics = () => {
      asked++;
      return new Promise((resolve) => (release = () => resolve({ contentType: 'text/plain', text: `scrape ${asked}` })));
    };
    const together = [get('/metrics'), get('/metrics'), get('/metrics')];
    while (server.stats().inFlight < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    release();
    expect(await Promise.all(together.map(async (response) => (await response).text()))).toEqual(['scrape 1', 'scrape 1', 'scrape 1']);
    metrics = async () => ({ contentType: 'text/plain', text: 'scrape next' });
    expect(await (await get('/metrics')).text()).toBe('scrape next');
    expect(asked).toBe(1);
  });

  test('survives a scrape that fails, and scrapes again', async () => {
    metrics = () => Promise.reject(new OperationalError('deadline', 'x', { retryable: true }));
    expect((await get('/metrics')).status).toBe(504);
    metrics = () => {
      throw new Error('x');
    };
    expect((await get('/metrics')).status).toBe(500);
    metrics = async () => ({ contentType: 'text/plain', text: 'well again' });
    expect((await get('/metrics')).status).toBe(200);
  });

  test('answers 404 and 405 as problems', async () => {
    expect((await get('/')).status).toBe(404);
    const response = await get('/metrics', { method: 'POST' });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
  });
});
