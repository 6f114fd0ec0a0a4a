import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { beginning } from '../../src/engine/demo-command.ts';

/** When the demo's simulation begins, by what its data directory holds. */

const HOUR_MS = 3_600_000;
const NOW_MS = Date.parse('2026-03-02T21:14:30.500Z');
const FRESH_MS = Date.parse('2026-03-02T19:14:00.000Z');

let api: Server;
/** First window of the first meter, and the newest reading of each; null when nothing is stored. */
let stored: { firstMs: number; newestMs: number[] } | null;

beforeEach(async () => {
  api = createServer(({ url }, response) => {
    const iso = (ms: number) => new Date(ms).toISOString();
    if (stored === null) response.writeHead(404).end('{}');
    else if (url!.startsWith('/api/v1/meters/meter-000001/aggregates?granularity=1m&from=0')) response.end(JSON.stringify({ data: [{ windowStart: iso(stored.firstMs) }], nextCursor: 'more' }));
    else response.end(JSON.stringify({ data: stored.newestMs.map((ms) => ({ newestTimestamp: iso(ms) })), nextCursor: null }));
  });
  api.listen(0, '127.0.0.1');
  await once(api, 'listening');
});
afterEach(() => api.close());

test.each([
  ['in a new directory: two hours ago, at a whole minute', null, FRESH_MS],
  ['where one began that is some hours old', { firstMs: FRESH_MS - 3 * HOUR_MS, newestMs: [NOW_MS - HOUR_MS] }, FRESH_MS - 3 * HOUR_MS],
  ['after the newest reading of one that began long ago', { firstMs: FRESH_MS - 30 * HOUR_MS, newestMs: [NOW_MS - HOUR_MS, NOW_MS - 9_000, NOW_MS - 60_000] }, NOW_MS - 8_999],
  ['two hours ago when the one there was ended before', { firstMs: FRESH_MS - 30 * HOUR_MS, newestMs: [NOW_MS - 20 * HOUR_MS] }, FRESH_MS],
])('begins %s', async (_, there, expectedMs) => {
  stored = there;
  const { port } = api.address() as AddressInfo;
  expect(await beginning(`http://127.0.0.1:${port}/`, NOW_MS, new AbortController().signal)).toBe(expectedMs);
});
