import { expect, test } from 'vitest';
import { databaseAddress } from '../../src/actors/sinks/timescale/database-address.ts';
import { DatabaseSession } from '../../src/actors/sinks/timescale/database-session.ts';
import { ensureHypertables, findExtension, RETENTION_DEFAULTS } from '../../src/actors/sinks/timescale/hypertables.ts';
import { migrate, MIGRATIONS } from '../../src/actors/sinks/timescale/migrations.ts';
import { WindowHistory } from '../../src/actors/sinks/timescale/window-history.ts';
import type { MeterWindow } from '../../src/model/window.ts';
import { createLog, nullLog } from '../../src/runtime/log.ts';
import { suiteWithPostgres, suiteWithTimescale } from '../services/service-suites.ts';
import { meterWindow } from '../support/meter-windows.ts';
import { byMeterAndTime, KEEP_ALL, regionWindow, sinkBatch, storedWindows } from '../support/sink-batches.ts';
import { timescaleWriters } from '../support/timescale-writers.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;
const START = 1_767_225_600_000;
/** Makes hypertables and jobs, with a catalogue that is new for each database. */
const TEST_MS = 60_000;

const windows = Array.from({ length: 600 }, (_, i) => meterWindow({ meterId: `meter-${i % 20}`, windowStart: START + Math.floor(i / 20) * 3 * 60 * MINUTE }));

suiteWithPostgres('the sink on whatever database is there', (postgres) => {
  const { database, opened } = timescaleWriters(postgres);

  test('says once what kind of database it writes to', { timeout: TEST_MS }, async () => {
    const lines: string[] = [];
    const writer = await opened({ log: createLog({ level: 'info', name: 'test', destination: { write: (line) => lines.push(line) } }) });
    await writer.open();
    expect(lines.filter((line) => /"kind":"(plain PostgreSQL|TimescaleDB \d)/.test(line))).toHaveLength(1);
    expect(lines.filter((line) => line.includes('tables of the database were prepared'))).toHaveLength(1);
    expect(lines.join('')).not.toContain(new URL(database().url).password || 'no password');
  });
});

suiteWithTimescale('the sink on TimescaleDB', (timescale) => {
  const { database, opened } = timescaleWriters(timescale);

  interface Job {
    table: string;
    kind: string;
    days: number;
  }
  const jobs = (): Promise<Job[]> =>
    database().rows(`SELECT hypertable_name AS table, proc_name AS kind, extract(epoch FROM coalesce(config ->> 'drop_after', config ->> 'compress_after')::interval)::int / 86400 AS days
      FROM timescaledb_information.jobs WHERE proc_name IN ('policy_compression', 'policy_retention') ORDER BY 1, 2`);
  const hypertables = (): Promise<{ name: string; compression_enabled: boolean }[]> =>
    database().rows('SELECT hypertable_name AS name, compression_enabled FROM timescaledb_information.hypertables ORDER BY 1');

  const TABLES = ['aggregates_15m', 'aggregates_1m', 'regional_aggregates_15m', 'regional_aggregates_1m'];
  const jobsOf = (keep: (table: string) => number | null): Job[] =>
    TABLES.flatMap((table) => {
      const days = keep(table);
      return [{ table, kind: 'policy_compression', days: 7 }, ...(days === null ? [] : [{ table, kind: 'policy_retention', days }])];
    });

  test('makes hypertables with compression and retention, once', { timeout: TEST_MS }, async () => {
    await opened({ retention: RETENTION_DEFAULTS });
    expect(await hypertables()).toEqual(TABLES.map((name) => ({ name, compression_enabled: true })));
    const first = jobsOf((table) => (table.endsWith('15m') ? 365 : 30));
    expect(await jobs()).toEqual(first);
    const lines: string[] = [];
    await opened({ retention: RETENTION_DEFAULTS, log: createLog({ level: 'info', name: 'test', destination: { write: (line) => lines.push(line) } }) });
    expect(lines.filter((line) => line.includes('was changed'))).toEqual([]);
    expect(await jobs()).toEqual(first);
  });

  test('follows a changed setting', { timeout: TEST_MS }, async () => {
    await opened({ retention: RETENTION_DEFAULTS });
    await opened({ retention: { ...RETENTION_DEFAULTS, keepMs: { '1m': 60 * DAY, '15m': null } } });
    expect(await jobs()).toEqual(jobsOf((table) => (table.endsWith('15m') ? null : 60)));
    await opened({ retention: { keepMs: { '1m': null, '15m': null }, compressAfterMs: null } });
    expect(await jobs()).toEqual([]);
  });

  test('takes a plain database along with what it holds', { timeout: TEST_MS }, async () => {
    const session = await DatabaseSession.open(databaseAddress(database().url), 'seg test', { connectMs: 5_000, statementMs: 5_000 });
    await migrate(session);
    await session.close();
    await database().rows(
      "INSERT INTO aggregates_1m SELECT 'meter-' || m, 'region-01', t, t + interval '1 minute', 1.25, 0.5, 2, 0.0208, 'measured', NULL, NULL, NULL, 6, 0, true FROM generate_series(0, 19) m, generate_series(to_timestamp(1767225600), to_timestamp(1767225600 + 29 * 10800), interval '3 hours') t",
    );
    expect(await storedWindows(database())).toEqual(byMeterAndTime(windows));
    await opened();
    expect(await hypertables()).toHaveLength(4);
    expect(await storedWindows(database())).toEqual(byMeterAndTime(windows));
    expect(await database().rows('SELECT count(*)::int AS n FROM ONLY aggregates_1m')).toEqual([{ n: 0 }]);
  });

  test('takes the later steps on tables whose chunks are compressed already', { timeout: TEST_MS }, async () => {
    await database().rows('CREATE EXTENSION timescaledb');
    const session = await DatabaseSession.open(databaseAddress(database().url), 'seg test', { connectMs: 5_000, statementMs: 30_000 });
    await migrate(session, MIGRATIONS.slice(0, 1));
    const extension = (await findExtension(session, { connectMs: 5_000, statementMs: 30_000 }, () => {}))!;
    await ensureHypertables(session, extension, KEEP_ALL, nullLog);
    await session.close();
    await database().rows(
      "INSERT INTO regional_aggregates_1m SELECT 'region-01', t, t + interval '1 minute', m, 3.75, 1.25, 0.5, 2, 0.0625, NULL, NULL, false FROM generate_series(0, 3) m, LATERAL (SELECT to_timestamp(1767225600) + m * interval '1 day' AS t) at",
    );
    await database().rows("SELECT compress_chunk(c) FROM show_chunks('regional_aggregates_1m') c");
    const writer = await opened();
    const column = "SELECT 1 FROM information_schema.columns WHERE table_schema = 'public' AND table_name LIKE 'regional_aggregates_%' AND column_name = 'final'";
    expect(await database().rows(column)).toEqual([]);
    await writer.write(sinkBatch({ position: '1', regionWindows: [regionWindow({ metersReporting: 20 })] }));
    expect((await database().rows('SELECT meters_reporting AS n FROM regional_aggregates_1m ORDER BY window_start')).map(({ n }) => n)).toEqual([20, 1, 2, 3]);
  });

  test('corrects windows in compressed chunks, and only by newer revisions', { timeout: TEST_MS }, async () => {
    const writer = await opened();
    await writer.write(sinkBatch({ position: '1', windows: windows.map((window) => ({ ...window, revision: 1 })), regionWindows: [regionWindow({})] }));
    const compressed = await database().rows("SELECT compress_chunk(c) FROM show_chunks('aggregates_1m') c");
    await database().rows("SELECT compress_chunk(c) FROM show_chunks('regional_aggregates_1m') c");
    expect(compressed.length).toBeGreaterThan(3);
    const corrected = windows.filter((_, i) => i % 3 === 0).map((window) => ({ ...window, revision: 2, avgPowerKw: 7 }));
    const stale = windows.filter((_, i) => i % 3 === 1).map((window) => ({ ...window, revision: 0, avgPowerKw: 8 }));
    const added = [meterWindow({ meterId: 'late', windowStart: START })];
    const report = await writer.write(sinkBatch({ position: '2', windows: [...corrected, ...stale, ...added], regionWindows: [regionWindow({ metersReporting: 20 })] }));
    expect(report).toEqual({ written: corrected.length + 2, setAside: [] });
    const expected: MeterWindow[] = [...windows.map((window, i) => (i % 3 === 0 ? { ...window, revision: 2, avgPowerKw: 7 } : { ...window, revision: 1 })), ...added];
    expect(await storedWindows(database())).toEqual(byMeterAndTime(expected));
    expect(await database().rows('SELECT meters_reporting FROM regional_aggregates_1m')).toEqual([{ meters_reporting: 20 }]);
    const history = new WindowHistory({ url: database().url });
    const page = await history.meterWindows('meter-4', { granularity: '1m', from: START, to: START + 10 * DAY, limit: 1_000, cursor: null });
    await history.close();
    expect(page).toEqual({ data: expected.filter(({ meterId }) => meterId === 'meter-4'), nextCursor: null });
  });

  test('corrects more windows of compressed chunks in one batch than TimescaleDB allows by itself', { timeout: TEST_MS }, async () => {
    const writer = await opened();
    // Each window to correct brings its meter's whole chunk of 1,000 minutes to light.
    const meters = Array.from({ length: 120 }, (_, m) => `meter-${m}`);
    await database().rows(
      "INSERT INTO aggregates_1m SELECT 'meter-' || m, 'region-01', t, t + interval '1 minute', 1.25, 0.5, 2, 0.0208, 'measured', NULL, NULL, NULL, 6, 0, true FROM generate_series(0, 119) m, generate_series(to_timestamp(1767225600), to_timestamp(1767225600 + 999 * 60), interval '1 minute') t",
    );
    await database().rows("SELECT compress_chunk(c) FROM show_chunks('aggregates_1m') c");
    const report = await writer.write(sinkBatch({ position: '1', windows: meters.map((meterId) => meterWindow({ meterId, revision: 1 })) }));
    expect(report).toEqual({ written: 120, setAside: [] });
  });

  test('stays plain, and says why, when the user may not create the extension', { timeout: TEST_MS }, async () => {
    const user = `seg_plain_${process.pid}`;
    await database().rows(`CREATE ROLE ${user} LOGIN PASSWORD 'geheim'`);
    try {
      await database().rows(`GRANT CREATE ON SCHEMA public TO ${user}`);
      const url = new URL(database().url);
      url.username = user;
      url.password = 'geheim';
      const lines: string[] = [];
      const writer = await opened({ url: url.href, log: createLog({ level: 'info', name: 'test', destination: { write: (line) => lines.push(line) } }) });
      expect(lines.join('')).toMatch(/TimescaleDB is installed but cannot be used \(permission denied/);
      expect((await writer.write(sinkBatch({ windows }))).written).toBe(windows.length);
    } finally {
      await database().rows(`DROP OWNED BY ${user}`);
      await database().rows(`DROP ROLE ${user}`);
    }
  });
});
