import { afterEach, beforeEach, expect, test } from 'vitest';
import { databaseAddress } from '../../src/actors/sinks/timescale/database-address.ts';
import { DatabaseSession } from '../../src/actors/sinks/timescale/database-session.ts';
import { migrate, MIGRATIONS, type Migration } from '../../src/actors/sinks/timescale/migrations.ts';
import { suiteWithPostgres } from '../services/service-suites.ts';
import { freshDatabase, type FreshDatabase } from '../support/fresh-database.ts';

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
    expect(await tables()).toEqual(['aggregates_15m', 'aggregates_1m', 'alerts', 'dead_letter', 'regional_aggregates_15m', 'regional_aggregates_1m', 'sink_cursors', 'sink_migrations', 'sink_set_aside']);
    expect(await migrate(await newSession())).toEqual([]);
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
