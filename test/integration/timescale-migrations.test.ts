import { afterEach, beforeEach, expect, test } from 'vitest';
import { databaseAddress } from '../../src/actors/sinks/timescale/database-address.ts';
import { DatabaseSession } from '../../src/actors/sinks/timescale/database-session.ts';
import { migrate, MIGRATIONS, type Migration } from '../../src/actors/sinks/timescale/migrations.ts';
import { timescaleWriter } from '../../src/actors/sinks/timescale/timescale-writer.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { suiteWithPostgres } from '../services/service-suites.ts';
import { exampleAlert } from '../support/example-alerts.ts';
import { freshDatabase, type FreshDatabase } from '../support/fresh-database.ts';
import { anomaly, KEEP_ALL, sinkBatch } from '../support/sink-batches.ts';

const TIMEOUTS = { connectMs: 5_000, statementMs: 5_000 };

suiteWithPostgres('the steps to the tables of the sink', (postgres) => {
  let database: FreshDatabase;
  let sessions: DatabaseSession[] = [];

  beforeEach(async () => {
    database = await freshDatabase(postgres().url);
  });

  afterEach(async () => {
    await Promise.all(sessions.map((session) => session.close()));
    sessions = [];
    await database.drop();
  });

  async function newSession(): Promise<DatabaseSession> {
    const session = await DatabaseSession.open(databaseAddress(database.url), 'seg test', TIMEOUTS);
    sessions.push(session);
    return session;
  }

  const tables = async (): Promise<string[]> => (await database.rows<{ name: string }>("SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1")).map(({ name }) => name);
  const numbers = async (): Promise<number[]> => (await database.rows<{ number: number }>('SELECT number FROM sink_migrations ORDER BY 1')).map(({ number }) => number);

  const ONE: Migration = { number: 1, name: 'one', sql: 'CREATE TABLE one (n integer)' };
  const TWO: Migration = { number: 2, name: 'two', sql: 'CREATE TABLE two (n integer); INSERT INTO two VALUES (1)' };

  test('are numbered without a gap, and applied once', async () => {
    expect(MIGRATIONS.map(({ number }) => number)).toEqual(MIGRATIONS.map((_, i) => i + 1));
    expect(await migrate(await newSession())).toEqual(MIGRATIONS.map(({ number }) => number));
    expect(await tables()).toEqual(['aggregates_15m', 'aggregates_1m', 'alerts', 'anomalies', 'dead_letter', 'invoice_lines', 'invoices', 'payments', 'regional_aggregates_15m', 'regional_aggregates_1m', 'sink_cursors', 'sink_migrations', 'sink_set_aside']);
    expect(await migrate(await newSession())).toEqual([]);
  });

  test('give the anomalies of a database of step 3 their own table, with all that was in it', async () => {
    await migrate(await newSession(), MIGRATIONS.slice(0, 3));
    await database.rows(
      "INSERT INTO alerts (id, type, kind, severity, region, meter_id, started_at, value, expected, score, message) SELECT 'meter-' || n || '/spike/1', 'ANOMALY', 'spike', 'WARN', 'north', 'meter-' || n, now(), 2, 1, 5, 'odd' FROM generate_series(1, 1000) n",
    );
    await database.rows("INSERT INTO sink_cursors (engine_id, shard, position) VALUES ('engine-1', 0, 'p')");
    const before = await database.rows('SELECT * FROM alerts ORDER BY id');
    expect(await migrate(await newSession())).toEqual([4, 5]);
    expect(await database.rows('SELECT * FROM anomalies ORDER BY id')).toEqual(before);
    expect(await database.rows('SELECT count(*)::int AS n FROM alerts')).toEqual([{ n: 0 }]);
    const indexes = await database.rows<{ name: string }>("SELECT indexname AS name FROM pg_indexes WHERE tablename IN ('alerts', 'anomalies') ORDER BY 1");
    expect(indexes.map(({ name }) => name)).toEqual(['alerts_opened_at', 'alerts_pkey', 'anomalies_pkey', 'anomalies_started_at']);
    // Each id once, as before.
    await expect(database.rows('INSERT INTO anomalies SELECT * FROM anomalies LIMIT 1')).rejects.toThrow(/anomalies_pkey/);
    const writer = timescaleWriter({ url: database.url, engineId: 'engine-1', slots: 1, retention: KEEP_ALL, log: nullLog });
    expect((await writer.open())(0)).toBe('p');
    const over = anomaly({ id: 'meter-7/spike/1', endedAt: 1_767_225_660_000, endReason: 'recovered' });
    expect(await writer.write(sinkBatch({ position: 'q', anomalies: [over], alerts: [exampleAlert()] }))).toEqual({ written: 2, setAside: [] });
    await writer.close();
    expect(await database.rows('SELECT end_reason FROM anomalies WHERE end_reason IS NOT NULL')).toEqual([{ end_reason: 'recovered' }]);
  });

  test('go on where they ended', async () => {
    const session = await newSession();
    expect(await migrate(session, [ONE])).toEqual([1]);
    expect(await migrate(session, [ONE, TWO])).toEqual([2]);
    expect([await tables(), await numbers()]).toEqual([['one', 'sink_migrations', 'two'], [1, 2]]);
  });

  test('are applied once when five engines start together', async () => {
    const all = await Promise.all(Array.from({ length: 5 }, () => newSession()));
    const applied = await Promise.all(all.map((session) => migrate(session, [ONE, TWO])));
    expect(applied.flat()).toEqual([1, 2]);
    expect(await database.rows('SELECT n FROM two')).toEqual([{ n: 1 }]);
  });

  test('are refused by an engine that is older than the database', async () => {
    await migrate(await newSession(), [ONE, TWO]);
    await expect(migrate(await newSession(), [ONE])).rejects.toMatchObject({ code: 'newer_schema', retryable: false, message: expect.stringMatching(/newer engine \(step 2; this one knows 1\): upgrade/) });
    // The lock was given back.
    expect(await migrate(await newSession(), [ONE, TWO])).toEqual([]);
  });

  test('are refused when a step is not what was applied', async () => {
    await migrate(await newSession(), [ONE]);
    const edited = { ...ONE, sql: 'CREATE TABLE one (n bigint)' };
    await expect(migrate(await newSession(), [edited, TWO])).rejects.toMatchObject({ code: 'schema_changed', message: expect.stringMatching(/step 1 \(one\)/) });
    expect(await tables()).toEqual(['one', 'sink_migrations']);
  });

  test('leave nothing of a step that fails in its middle', async () => {
    const broken = { ...TWO, sql: `${TWO.sql}; SELECT 1 / 0` };
    await expect(migrate(await newSession(), [ONE, broken])).rejects.toThrow(/division by zero/);
    expect([await tables(), await numbers()]).toEqual([['one', 'sink_migrations'], [1]]);
    expect(await migrate(await newSession(), [ONE, TWO])).toEqual([2]);
  });

  test('say so when a table of that name was there before', async () => {
    await database.rows('CREATE TABLE one (something text)');
    await expect(migrate(await newSession(), [ONE])).rejects.toMatchObject({ code: '42P07' });
  });
});
