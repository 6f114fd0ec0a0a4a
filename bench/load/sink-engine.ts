import { parseArgs } from 'node:util';
import pg from 'pg';
import { startPostgres, type PostgresServer } from '../../test/services/postgres.ts';
import { numberOption } from '../number-option.ts';
import { EngineProcess, makeDataDirectory, removeDataDirectory } from './engine-process.ts';
import { sendLoad } from './load-process.ts';
import { MetricsPage } from './metrics-page.ts';

/**
 * A whole engine with PostgreSQL beside it, both and the client on the same cores: what the sink costs the engine at a fixed rate, how soon a closed window is to be
 * seen, and what becomes of a day's readings while the database is away. `node bench/load/sink-engine.ts --rates 10000,100000 --seconds 25 --outage-meters 200`.
 */

const METERS = 100_000;
const MINUTE_MS = 60_000;
const DAY_MINUTES = 1_440;
const CATCH_UP_MS_MAX = 180_000;

const { values } = parseArgs({
  options: { rates: { type: 'string', default: '10000,100000' }, seconds: { type: 'string', default: '25' }, 'outage-meters': { type: 'string', default: '200' }, rounds: { type: 'string', default: '1' } },
});
const seconds = numberOption('--seconds', values.seconds, { min: 5, max: 600 })!;
const rounds = numberOption('--rounds', values.rounds, { min: 0, max: 100, whole: true })!;
const outageMeters = numberOption('--outage-meters', values['outage-meters'], { min: 0, max: 1_000, whole: true })!;

async function metricsOf(engine: EngineProcess): Promise<MetricsPage> {
  return new MetricsPage(await (await fetch(`http://127.0.0.1:${engine.ports.ops}/metrics`)).text());
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function post(engine: EngineProcess, readings: readonly object[]): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${engine.ports.ingest}/ingest`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(readings) });
  if (response.status !== 202) throw new Error(`a probe was answered ${response.status}`);
}

/** Closes windows of a meter one by one and looks how soon each is in the table, ms. */
async function visibleAfter(engine: EngineProcess, database: pg.Client, isOver: () => boolean): Promise<number[]> {
  const startMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - 600 * MINUTE_MS;
  const took: number[] = [];
  const reading = (minute: number): object => ({ meterId: 'probe', region: 'region-01', timestamp: startMs + minute * MINUTE_MS, powerKw: 1 });
  await post(engine, [reading(0)]);
  for (let minute = 1; !isOver() && minute < 590; minute++) {
    await post(engine, [reading(minute), { ...reading(minute), timestamp: startMs + minute * MINUTE_MS + 31_000 }]);
    const closedMs = performance.now();
    const at = new Date(startMs + (minute - 1) * MINUTE_MS);
    while ((await database.query("SELECT 1 FROM aggregates_1m WHERE meter_id = 'probe' AND window_start = $1", [at])).rowCount === 0) {
      if (performance.now() - closedMs > 20_000) return [...took, Infinity];
      await sleep(10);
    }
    took.push(performance.now() - closedMs);
    await sleep(300);
  }
  return took;
}

async function atRate(rate: number, server: PostgresServer | null): Promise<void> {
  const directory = await makeDataDirectory();
  const url = server === null ? null : await newDatabase(server);
  const engine = await EngineProcess.start(directory, url === null ? [] : ['--timescale-url', url]);
  const database = url === null ? null : new pg.Client({ connectionString: url });
  try {
    await database?.connect();
    let isOver = false;
    let lagMax = 0;
    const watch = (async () => {
      while (!isOver) {
        await sleep(1_000);
        lagMax = Math.max(lagMax, (await metricsOf(engine)).sum('seg_sink_lag_seconds') || 0);
      }
    })();
    const loadMs = (seconds + 65) * 1_000;
    const load = sendLoad({
      host: '127.0.0.1', port: engine.ports.ingest, format: 'json', readingsPerSecond: rate, connections: 16, meters: METERS, firstMeter: 0, readingsPerBatch: 500, withReadingIds: true,
      // A minute of it, so that windows close all the time.
      warmupMs: 65_000, durationMs: seconds * 1_000, passes: null, eventTime: { kind: 'wall' }, sampleSize: 0, reportEveryMs: null, waitsForStart: false,
    });
    await sleep(65_000);
    const before = await metricsOf(engine);
    const startedMs = performance.now();
    const probing = database === null ? Promise.resolve([]) : visibleAfter(engine, database, () => performance.now() - startedMs > seconds * 1_000 - 500);
    await sleep(seconds * 1_000 - 1_000);
    const after = await metricsOf(engine);
    const tookS = (performance.now() - startedMs) / 1_000;
    const { readingsPerSecond, latencyMs, unsent, errors } = await load;
    const latencies = (await probing).sort((a, b) => a - b);
    isOver = true;
    await watch;
    const delta = (name: string, labels = {}): number => after.sum(name, labels) - before.sum(name, labels);
    const distinct = database === null ? 0 : Number((await database.query('SELECT (SELECT count(*) FROM aggregates_1m) + (SELECT count(*) FROM aggregates_15m) AS n')).rows[0].n);
    console.log(
      JSON.stringify({
        rate, sink: url !== null, loadMs, readingsPerSecond, latencyMs, unsent, errors,
        engineCpu: delta('process_cpu_seconds_total') / tookS,
        sinkRowsPerSecond: delta('seg_sink_rows_total') / tookS,
        windowsClosedPerSecond: delta('seg_windows_closed_total') / tookS,
        rowsInAll: (await metricsOf(engine)).sum('seg_sink_rows_total'), distinct, lagMaxS: lagMax,
        visibleMs: { n: latencies.length, p50: latencies[latencies.length >> 1], max: latencies.at(-1) },
      }),
    );
  } finally {
    await database?.end();
    await engine.kill();
    await removeDataDirectory(directory);
  }
}

let databases = 0;
async function newDatabase(server: PostgresServer): Promise<string> {
  const admin = new pg.Client({ connectionString: server.url });
  await admin.connect();
  const name = `grid_${++databases}`;
  await admin.query(`CREATE DATABASE ${name}`);
  await admin.end();
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  return url.href;
}

/** A day of event time while the server is stopped, then all of it. */
async function outage(server: PostgresServer, meters: number): Promise<void> {
  const directory = await makeDataDirectory();
  const url = await newDatabase(server);
  const engine = await EngineProcess.start(directory, ['--timescale-url', url]);
  try {
    await sleep(2_000);
    server.pause();
    const startMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - (DAY_MINUTES + 60) * MINUTE_MS;
    const sentMs = performance.now();
    for (let minute = 0; minute < DAY_MINUTES; minute += 20) {
      const readings = Array.from({ length: meters * 20 }, (_, i) => ({
        meterId: `day-${i % meters}`, region: `region-0${(i % 9) + 1}`, timestamp: startMs + (minute + Math.floor(i / meters)) * MINUTE_MS, powerKw: ((i * 7 + minute) % 1_000) / 100, voltage: 230,
      }));
      await post(engine, readings);
    }
    const ingestS = (performance.now() - sentMs) / 1_000;
    await sleep(40_000);
    const away = await metricsOf(engine);
    server.resume();
    const backMs = performance.now();
    let page = await metricsOf(engine);
    while (!(page.sum('seg_sink_up') === 1 && page.sum('seg_sink_lag_seconds') === 0)) {
      if (performance.now() - backMs > CATCH_UP_MS_MAX) throw new Error('the sink did not catch up');
      await sleep(200);
      page = await metricsOf(engine);
    }
    const caughtUpS = (performance.now() - backMs) / 1_000;
    console.log(JSON.stringify({ outage: true, meters, ingestS, outboxBytes: away.sum('seg_outbox_bytes'), lagS: away.sum('seg_sink_lag_seconds'), caughtUpS, rows: page.sum('seg_sink_rows_total'), ...(await compare(engine, url, meters, startMs)) }));
  } finally {
    server.resume();
    await engine.kill();
    await removeDataDirectory(directory);
  }
}

/** Every window of the API against its row. */
async function compare(engine: EngineProcess, url: string, meters: number, startMs: number): Promise<{ compared: number; different: string[] }> {
  const database = new pg.Client({ connectionString: url });
  await database.connect();
  let compared = 0;
  const different: string[] = [];
  for (const granularity of ['1m', '15m']) {
    for (let m = 0; m < meters; m++) {
      const response = await fetch(`http://127.0.0.1:${engine.ports.http}/api/v1/meters/day-${m}/aggregates?granularity=${granularity}&from=${startMs}&to=${startMs + 2 * DAY_MINUTES * MINUTE_MS}&limit=10000`);
      const { data } = (await response.json()) as { data: { windowStart: string; avgPowerKw: number; energyKwhSum: number; count: number; revision: number; final: boolean; region: string }[] };
      const { rows } = await database.query(`SELECT window_start, avg_power_kw, energy_kwh_sum, count, revision, region FROM aggregates_${granularity} WHERE meter_id = $1`, [`day-${m}`]);
      const stored = new Map(rows.map((row) => [row.window_start.toISOString(), JSON.stringify([row.avg_power_kw, row.energy_kwh_sum, row.count, row.revision, row.region])]));
      for (const { windowStart, avgPowerKw, energyKwhSum, count, revision, region, final } of data) {
        if (!final) continue;
        compared++;
        const shown = JSON.stringify([avgPowerKw, energyKwhSum, count, revision, region]);
        if (stored.get(windowStart) !== shown) different.push(`day-${m} ${granularity} ${windowStart} is ${shown}, its row ${stored.get(windowStart)}`);
      }
    }
  }
  await database.end();
  return { compared, different };
}

const server = await startPostgres({ settings: { fsync: 'on', shared_buffers: '256MB', max_wal_size: '4GB' } });
try {
  if (outageMeters > 0) await outage(server, outageMeters);
  for (let round = 0; round < rounds; round++) {
    for (const rate of values.rates.split(',').filter((text) => text !== '').map(Number)) for (const beside of [null, server]) await atRate(rate, beside);
  }
} finally {
  await server.dispose();
}
