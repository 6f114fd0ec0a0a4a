import type { RegionId } from '../../src/model/ids.ts';
import { packWindows } from '../../src/model/window-block.ts';
import type { Anomaly } from '../../src/model/anomaly.ts';
import type { DeadLetter, MeterState, RegionNow, SpanEnergy } from '../../src/model/queries.ts';
import type { RegionForecast } from '../../src/model/region-forecast.ts';
import type { MeterWindow, RegionWindow } from '../../src/model/window.ts';
import type { EnginePort, EngineStatus, OperationsStatus } from '../../src/http/engine-port.ts';

/** An engine of one meter and one region that notes what it is asked. Replace its functions to make it fail. */

export const AT = Date.UTC(2026, 0, 15, 12, 0, 0, 0);

export const METER: MeterState = {
  meterId: 'meter:1', region: 'north', partition: 7, health: 'reporting', newestTimestamp: AT, lastPowerKw: 1.5, openAnomalies: ['spike'],
  lastReading: { timestamp: AT, receivedAt: AT + 20, powerKw: 1.5, energyKwh: null, voltage: 231, current: null, frequency: null, powerFactor: null, seq: 4, status: 'OK' },
  readings: 10, cadenceMs: 10_000,
  baseline: { meanKw: 1.2, deviationKw: 0.3, windows: 40, warm: true, hourOfWeek: [] },
};

export const WINDOW: MeterWindow = {
  meterId: 'meter:1', region: 'north', granularity: '1m', windowStart: AT - 60_000, windowEnd: AT, avgPowerKw: 1.5, minPowerKw: 1, maxPowerKw: 2,
  energyKwhSum: 0.025, energySource: 'estimated', voltageAvg: null, voltageMin: null, voltageMax: null, count: 6, revision: 0, final: true,
};

export const REGION: RegionNow = { region: 'north', meters: 2, metersReporting: 1, metersSilent: 1, loadKw: 1.5, capacityKw: 10, loadPercent: 15, openAnomalies: 1 };

export const REGION_WINDOW: RegionWindow = {
  region: 'north', granularity: '15m', windowStart: AT - 900_000, windowEnd: AT, metersReporting: 1, sumPowerKw: 1.5, avgPowerKw: 1.5,
  minPowerKw: 1, maxPowerKw: 2, energyKwhSum: 0.375, capacityKw: 10, loadPercent: 15, final: false,
};

export const FORECAST: RegionForecast = {
  region: 'north', zone: 'UTC', asOf: AT, basis: 'weeks', missing: null, level: 1.25,
  quarters: Array.from({ length: 192 }, (_, i) => ({ quarter: AT / 900_000 + i, powerKw: 4 + i / 100, lowKw: i < 96 ? 3 : null, highKw: i < 96 ? 12 : null })),
  backtest: { from: AT / 900_000 - 672, to: AT / 900_000, forecasts: 56, quarters: 5_000, mapePercent: 9.5, persistenceMapePercent: 50.25 },
};

export const ENERGY: SpanEnergy = { importMicroKwh: 1_500_001, exportMicroKwh: 250_000, peakMicroKw: 2_000_000, peakQuarter: AT / 900_000 - 4, quality: { measured: 5, estimated: 2, missing: 1 } };

export const ANOMALY: Anomaly = {
  id: `meter:1/spike/${AT}`, meterId: 'meter:1', region: 'north', kind: 'spike', severity: 'WARN', startedAt: AT, endedAt: null, endReason: null,
  value: 5, expected: 1, score: 8, message: '5 kW where 1 kW is usual.',
};

export const DEAD_LETTER: DeadLetter = { id: 'd1', receivedAt: AT, code: 'missing_field', message: 'powerKw is missing', index: 3, meterId: null, raw: '{"meterId":"<b>"}' };

export const STATUS: EngineStatus = {
  state: 'degraded', version: '0.1.0', startedAt: AT - 5_000, now: AT, meters: 1, readingsAccepted: 10, acceptedPerSecond: 2.5, rejectedPerSecond: 0,
  ackLatencyP99Ms: 4.2, ingestUrl: 'http://127.0.0.1:3001/ingest', log: 'lmdb', partitions: 64, cluster: null, billing: null,
  alerts: null,
  queues: [{ part: 'shard-0', work: 'appends', waiting: 1, waitingMax: 3, refused: 0 }],
  sinks: [{ sink: 'timescale', state: 'waiting', lagMs: 61_500, setAside: 1, problem: 'the database db:5432/grid is away' }],
  shards: [
    { shard: 0, state: 'up', restarts: 0, meters: 1, journalLagRecords: 5, checkpointAgeMs: 900 },
    { shard: 1, state: 'restarting', restarts: 2, meters: null, journalLagRecords: null, checkpointAgeMs: null },
  ],
};

export const OPERATIONS: OperationsStatus = {
  version: '0.1.0', nodeVersion: 'v26.0.0', startedAt: AT - 5_500, now: AT, rssBytes: 2e8, diskFreeBytes: null,
  gateway: { queriesInFlight: 1, queriesRefused: 0, requestsAborted: 0, liveConnections: 2 },
  parts: [{ name: 'shard-0', state: 'backing_off', restarts: 3, lastExit: 'crashed: no room', eventLoopDelayP99Ms: null, heapUsedBytes: null, externalBytes: null }],
  queues: [{ thread: 'main', queue: 'region', depth: 0, depthMax: 3, handled: 9, failed: 0, refused: 0, waitMeanMs: 0.5, waitMaxMs: 2, handleMeanMs: 0.1, handleMaxMs: 1 }],
  sinks: STATUS.sinks,
  settings: [{ name: 'SEG_SHARDS', value: '2', isSecret: false, isSet: true }, { name: 'SEG_SMTP_URL', value: null, isSecret: true, isSet: true }],
};

export interface FakeEngine extends EnginePort {
  /** Each call's name and arguments. */
  asked: unknown[][];
}

export function fakeEngine(): FakeEngine {
  const asked: unknown[][] = [];
  const page = <Row>(row: Row, query: { cursor: string | null }) => ({ data: [row], nextCursor: query.cursor === null ? 'next/page+1=' : null });
  return {
    asked,
    async meterWindows(meterId, query) {
      asked.push(['meterWindows', meterId, query]);
      return meterId === METER.meterId ? page(WINDOW, query) : null;
    },
    async packedMeterWindows(meterId, query) {
      const page = await this.meterWindows(meterId, query);
      return page === null ? null : { windows: packWindows(page.data), nextCursor: page.nextCursor };
    },
    async meter(meterId) {
      asked.push(['meter', meterId]);
      return meterId === METER.meterId ? METER : null;
    },
    async meterRegion(meterId) {
      asked.push(['meterRegion', meterId]);
      return meterId === METER.meterId ? (METER.region as RegionId) : null;
    },
    async meters(query) {
      asked.push(['meters', query]);
      const { lastReading: _reading, readings: _readings, cadenceMs: _cadence, baseline: _baseline, ...summary } = METER;
      return page(summary, query);
    },
    async regions() {
      asked.push(['regions']);
      return [REGION];
    },
    async regionWindows(region, query) {
      asked.push(['regionWindows', region, query]);
      return region === REGION.region ? page(REGION_WINDOW, query) : null;
    },
    async regionForecast(region, zone) {
      asked.push(['regionForecast', region, zone]);
      return region === REGION.region ? { ...FORECAST, zone } : null;
    },
    async energy(meterId, spans) {
      asked.push(['energy', meterId, spans]);
      return meterId === METER.meterId ? spans.map(() => ENERGY) : null;
    },
    async topConsumers(region, query) {
      asked.push(['topConsumers', region, query]);
      return region === REGION.region ? { data: [{ meterId: METER.meterId, ...ENERGY }], meters: 2 } : null;
    },
    async anomalies(query) {
      asked.push(['anomalies', query]);
      return page(ANOMALY, query);
    },
    async deadLetters(query) {
      asked.push(['deadLetters', query]);
      return page(DEAD_LETTER, query);
    },
    async engineStatus() {
      asked.push(['engineStatus']);
      return STATUS;
    },
    async operations() {
      asked.push(['operations']);
      return OPERATIONS;
    },
  };
}
