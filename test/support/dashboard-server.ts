import type { RegionId } from '../../src/model/ids.ts';
import { packWindows } from '../../src/model/window-block.ts';
import type { AlertsPort } from '../../src/http/alerts-port.ts';
import type { EnginePort } from '../../src/http/engine-port.ts';
import { startGateway } from '../../src/http/gateway.ts';
import { RegionForecasts } from '../../src/engine/region-forecasts.ts';
import { registerLive, type LiveStream } from '../../src/http/live-stream.ts';
import type { RegistryPort } from '../../src/http/registry-port.ts';
import { loadStaticFiles } from '../../src/http/static-files.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { nullLog } from '../../src/runtime/log.ts';
import type { TariffsPort } from '../../src/http/tariffs-port.ts';
import { QUARTER_MS } from '../../src/model/energy.ts';
import type { QuarterSpan, SpanEnergy } from '../../src/model/queries.ts';
import type { FakeGrid } from './fake-grid.ts';

const QUARTERS_OF_YEAR = 365 * 96;

/** The real gateway, dashboard files and live stream, in front of a FakeGrid. */

export interface DashboardServer {
  port: number;
  live: LiveStream;
  close(): Promise<void>;
}

/** `port` 0 picks a free one; without `alerts` or `tariffs` the engine runs without them. */
export async function startDashboard(grid: FakeGrid, port = 0, alerts?: AlertsPort, tariffs?: TariffsPort, registry?: RegistryPort): Promise<DashboardServer> {
  let live!: LiveStream;
  const modules = { engine: engineOf(grid, tariffs), alerts, tariffs, registry, clock: systemClock, timers: systemTimers, log: nullLog };
  const gateway = await startGateway(
    {
      host: '127.0.0.1',
      port,
      queriesInFlightMax: 100,
      requestIdPrefix: 'test-',
      staticFiles: loadStaticFiles(),
      extend: (app) => {
        app.get('/api/v1/auth/settings', (response) => void response.writeHeader('content-type', 'application/json').end('{"accounts":"off"}'));
        live = registerLive(app, grid, { ...modules, turnMs: 100 });
      },
    },
    modules,
  );
  return {
    port: gateway.port,
    live,
    async close() {
      live.close();
      await gateway.close(1_000);
    },
  };
}

function engineOf(grid: FakeGrid, tariffs: TariffsPort | undefined): EnginePort {
  const forecasts = new RegionForecasts({ latenessMs: 1_000 }, { windows: async (region, { from, to }) => ({ data: grid.quarterWindows(region, from, to), nextCursor: null }), clock: { ...systemClock, now: () => grid.nowMs } });
  return {
    meterWindows: async (meterId, { from, to }) =>
      grid.meterState(meterId) === null ? null : { data: grid.meterWindows(meterId, from, to), nextCursor: null },
    packedMeterWindows: async (meterId, { from, to }) => (grid.meterState(meterId) === null ? null : { windows: packWindows(grid.meterWindows(meterId, from, to)), nextCursor: null }),
    meter: async (meterId) => grid.meterState(meterId),
    meterRegion: async (meterId) => (grid.meterState(meterId)?.region ?? null) as RegionId | null,
    async meters({ region, limit, cursor }) {
      const all = grid.meterSummaries(region);
      const start = cursor === null ? 0 : Number(cursor);
      return { data: all.slice(start, start + limit), nextCursor: start + limit < all.length ? String(start + limit) : null };
    },
    regions: async () => grid.regionsNow,
    regionWindows: async (region, { granularity, from, to }) => ({
      data: granularity === '15m' ? grid.quarterWindows(region, from, to) : grid.windows.filter((window) => window.region === region),
      nextCursor: null,
    }),
    regionForecast: (region, zone) => forecasts.of(region, zone),
    energy: async (meterId, spans) => (grid.meterState(meterId) === null ? null : spans.map((span) => energyIn(grid, span))),
    topConsumers: async () => ({ data: [], meters: 0 }),
    anomalies: async ({ meterId, kind, region, open }) => ({
      data: grid.anomalyList.filter(
        (anomaly) => (meterId === null || anomaly.meterId === meterId) && (kind === null || anomaly.kind === kind) && (region === null || anomaly.region === region) && (!open || anomaly.endedAt === null),
      ),
      nextCursor: null,
    }),
    operations: () => Promise.reject(new Error('the dashboard does not ask')),
    deadLetters: async () => ({ data: [], nextCursor: null }),
    engineStatus: async () => ({
      ...grid.snapshot,
      log: 'lmdb',
      partitions: 64,
      sinks: [],
      cluster: null,
      queues: [
        { part: 'ingest-0', work: 'readings', waiting: 1_250, waitingMax: null, refused: null },
        { part: 'shard-0', work: 'appends', waiting: 3, waitingMax: 8, refused: 0 },
        { part: 'alerts', work: 'messages', waiting: 0, waitingMax: 2, refused: 4 },
      ],
      billing: tariffs === undefined ? null : { state: 'up', problem: null, runsUnderWay: 0 },
      shards: [{ shard: 0, state: 'up', restarts: 0, meters: 100, journalLagRecords: 0, checkpointAgeMs: 1_000 }],
    }),
  };
}

/** Of a household that has been measured for as long as the grid has history, more in winter. */
function energyIn(grid: FakeGrid, { from, to }: QuarterSpan): SpanEnergy {
  const measured = Math.max(0, to - Math.max(from, Math.ceil((grid.nowMs - grid.energyMs) / QUARTER_MS)));
  const season = 1 + 0.3 * Math.cos(((from % QUARTERS_OF_YEAR) / QUARTERS_OF_YEAR) * 2 * Math.PI) + 0.1 * Math.sin(from / 7);
  return { importMicroKwh: Math.round(measured * 105_000 * season), exportMicroKwh: 0, peakMicroKw: 0, peakQuarter: null, quality: { measured, estimated: 0, missing: to - from - measured } };
}
