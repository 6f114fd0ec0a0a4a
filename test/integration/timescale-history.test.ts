import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { timescaleWriter } from '../../src/actors/sinks/timescale/timescale-writer.ts';
import { WindowHistory } from '../../src/actors/sinks/timescale/window-history.ts';
import type { Page, WindowQuery } from '../../src/model/queries.ts';
import { GRANULARITIES, GRANULARITY_MS } from '../../src/model/window.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { suiteWithOwnPostgres, suiteWithPostgres } from '../services/service-suites.ts';
import { freshDatabase, type FreshDatabase } from '../support/fresh-database.ts';
import { meterWindow } from '../support/meter-windows.ts';
import { KEEP_ALL, sinkBatch } from '../support/sink-batches.ts';

const START = 1_767_225_600_000;
const PAGES_MAX = 100;

/** What all pages hold, one after the other. */
async function allPages<T>(ask: (cursor: string | null) => Promise<Page<T>>, limit: number): Promise<T[]> {
  const all: T[] = [];
  let cursor: string | null = null;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const page: Page<T> = await ask(cursor);
    expect(page.data.length).toBe(page.nextCursor === null ? page.data.length : limit);
    all.push(...page.data);
    if (page.nextCursor === null) return all;
    cursor = page.nextCursor;
  }
  throw new Error(`more than ${PAGES_MAX} pages`);
}

suiteWithPostgres('windows read back from the database', (postgres) => {
  let database: FreshDatabase;
  let history: WindowHistory;
  // Some minutes are missing, as in life.
  const numbers = Array.from({ length: 40 }, (_, n) => n).filter((n) => n % 7 !== 3);
  const windows = GRANULARITIES.flatMap((granularity) =>
    ['meter-1', 'meter-2', "o'meter"].flatMap((meterId) =>
      numbers.map((n) =>
        meterWindow({ meterId, granularity, windowStart: START + n * GRANULARITY_MS[granularity], avgPowerKw: n / 3, energySource: n % 2 ? 'measured' : 'estimated', voltageAvg: n % 3 ? 230 + n / 7 : null, voltageMin: n % 3 ? 229 : null, voltageMax: null, revision: n, final: n % 5 > 0 }),
      ),
    ),
  );
  beforeAll(async () => {
    database = await freshDatabase(postgres().url);
    history = new WindowHistory({ url: database.url });
    const writer = timescaleWriter({ url: database.url, engineId: 'e', slots: 1, retention: KEEP_ALL, log: nullLog });
    await writer.open();
    await writer.write(sinkBatch({ windows }));
    await writer.close();
  });

  afterAll(async () => {
    await history.close();
    await database.drop();
  });

  test('are those asked for, in order, each once, in pages of any size', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...GRANULARITIES),
        fc.constantFrom('meter-1', "o'meter", 'unknown'),
        fc.integer({ min: -2_000, max: 41_000 }),
        fc.integer({ min: -2_000, max: 41_000 }),
        fc.integer({ min: 1, max: 50 }),
        async (granularity, meterId, fromThousandth, toThousandth, limit) => {
          const from = START + Math.round((fromThousandth / 1_000) * GRANULARITY_MS[granularity]);
          const to = START + Math.round((toThousandth / 1_000) * GRANULARITY_MS[granularity]);
          const query: WindowQuery = { granularity, from, to, limit, cursor: null };
          const inRange = <W extends { granularity: string; windowStart: number }>(all: readonly W[]): W[] => all.filter((one) => one.granularity === granularity && one.windowStart >= from && one.windowStart < to);
          expect(await allPages((cursor) => history.meterWindows(meterId, { ...query, cursor }), limit)).toEqual(inRange(windows.filter((one) => one.meterId === meterId)));
        },
      ),
      { numRuns: 60 },
    );
  });

  test("have shards' cursors: the number of the next window", async () => {
    const query: WindowQuery = { granularity: '1m', from: START, to: START + 10 * 60_000, limit: 3, cursor: null };
    // The window of minute 3 is missing.
    expect((await history.meterWindows('meter-1', query)).nextCursor).toBe(String(START / 60_000 + 4));
    await expect(history.meterWindows('meter-1', { ...query, cursor: '1; DROP TABLE aggregates_1m' })).rejects.toMatchObject({ code: 'invalid_cursor' });
  });

  test('are answered many at a time over few connections', async () => {
    const query: WindowQuery = { granularity: '15m', from: 0, to: 4e12, limit: 1_000, cursor: null };
    const answers = await Promise.all(Array.from({ length: 20 }, () => history.meterWindows('meter-2', query)));
    for (const { data } of answers) expect(data).toHaveLength(numbers.length);
    const [{ connections }] = await database.rows<{ connections: number }>("SELECT count(*)::int AS connections FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'seg history'");
    expect(connections).toBeLessThanOrEqual(2);
  });

  test('cannot be changed by a question', async () => {
    const connection = await (history as unknown as { pool: { connect(): Promise<{ query(sql: string): Promise<unknown>; release(): void }> } }).pool.connect();
    try {
      await expect(connection.query('DELETE FROM aggregates_1m')).rejects.toThrow(/read-only/);
    } finally {
      connection.release();
    }
  });
});

suiteWithOwnPostgres('windows of a database that goes away', {}, (postgres) => {
  test('are asked for within a bound, and there again with it', async () => {
    const database = await freshDatabase(postgres().url);
    const history = new WindowHistory({ url: database.url, timeouts: { connectMs: 500, queryMs: 600 } });
    const query: WindowQuery = { granularity: '1m', from: 0, to: 4e12, limit: 10, cursor: null };
    try {
      await expect(history.meterWindows('m', query)).rejects.toMatchObject({ code: 'schema_missing', retryable: false });
      postgres().pause();
      await expect(history.meterWindows('m', query)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
      await expect(history.meterWindows('m', query)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
      postgres().resume();
      await postgres().kill9();
      await expect(history.meterWindows('m', query)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
      await postgres().start();
      const writer = timescaleWriter({ url: database.url, engineId: 'e', slots: 1, retention: KEEP_ALL, log: nullLog });
      await writer.open();
      await writer.close();
      expect(await history.meterWindows('m', query)).toEqual({ data: [], nextCursor: null });
    } finally {
      postgres().resume();
      await history.close();
      await database.drop();
    }
  });
});
