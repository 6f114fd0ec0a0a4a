import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DemoPages } from '../../src/engine/demo-pages.ts';
import { billedMonth } from '../../src/engine/demo-set-up.ts';

/** When the demo makes what is beside its simulation, and what it says when it cannot. */

const NOW_MS = Date.parse('2026-03-02T21:14:30.500Z');
const START_MS = Date.parse('2026-03-02T19:14:00.000Z');

let server: Server;
/** Requests by method and path, but for readings. */
let asked: string[];
/** What each way answers: a status. */
let statuses: { meters: number; registry: number; ingest: number };
let printed: { out: string; err: string };
let pages: DemoPages;
let stop: AbortController;

beforeEach(async () => {
  asked = [];
  printed = { out: '', err: '' };
  statuses = { meters: 404, registry: 401, ingest: 202 };
  server = createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      const path = request.url!.split('?')[0];
      if (path === '/ingest') return response.writeHead(statuses.ingest).end(JSON.stringify({ accepted: 1, duplicates: 0, rejected: 0, errors: [] }));
      asked.push(`${request.method} ${path}`);
      response.writeHead(path.startsWith('/api/v1/meters/') ? statuses.meters : statuses.registry).end('{}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stop = new AbortController();
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const print = { out: { write: (text: string) => (printed.out += text) }, err: { write: (text: string) => (printed.err += text) } };
  pages = new DemoPages({ apiUrl: `${url}/`, ingestUrl: url, seed: 1, cadenceMs: 2_000 }, print, stop.signal);
});
afterEach(() => server.close());

test('begins when the simulation has caught up with the clock, and once', async () => {
  await pages.sendPast(NOW_MS, START_MS);
  expect(asked).toHaveLength(10);
  asked = [];
  await pages.onProgress(NOW_MS - 60_000, NOW_MS);
  expect(asked).toEqual([]);
  await pages.onProgress(NOW_MS - 1_000, NOW_MS);
  await pages.onProgress(NOW_MS, NOW_MS);
  expect(asked).toEqual(['GET /api/v1/registry/meters']);
  expect(printed.err).toMatch(/^seg: the demo goes on without tariffs, bills and a registry: .*\n$/);
});

test.each([
  ['meters cannot be asked for', { meters: 401 }],
  ['readings are refused', { ingest: 401 }],
])('says in a line that %s, and makes no bills of nothing', async (_, change) => {
  statuses = { ...statuses, ...change };
  await pages.sendPast(NOW_MS, START_MS);
  asked = [];
  await pages.onProgress(NOW_MS, NOW_MS);
  expect([asked, printed.out]).toEqual([[], '']);
  expect(printed.err).toMatch(/^seg: the demo goes on without tariffs, bills and a registry: .*\n$/);
});

test('says nothing of what a stop broke off', async () => {
  await pages.sendPast(NOW_MS, START_MS);
  const underWay = pages.onProgress(NOW_MS, NOW_MS);
  stop.abort();
  await underWay;
  expect(printed).toEqual({ out: '', err: '' });
});

test.each([
  ['2026-11-01T11:59:59Z', '2026-09', '2026-08-31T22:00:00.000Z'],
  ['2026-11-01T12:00:00Z', '2026-10', '2026-09-30T22:00:00.000Z'],
  ['2026-01-15T08:00:00Z', '2025-12', '2025-11-30T23:00:00.000Z'],
])('at %s the newest month that can be billed is %s', (now, month, startsAt) => {
  const billed = billedMonth(Date.parse(now));
  expect([billed.month, new Date(billed.startMs).toISOString()]).toEqual([month, startsAt]);
});
