import { setTimeout as sleep } from 'node:timers/promises';
import type { SinkBatch, SinkWriter, WriteReport } from '../../src/actors/sinks/protocol.ts';
import type { BillingEvent } from '../../src/actors/tariffs/protocol.ts';
import type { RetentionOptions } from '../../src/actors/sinks/timescale/hypertables.ts';
import type { Alert } from '../../src/model/alert.ts';
import type { Anomaly } from '../../src/model/anomaly.ts';
import type { DeadLetter } from '../../src/model/queries.ts';
import { WindowBlockBuilder } from '../../src/model/window-block.ts';
import { GRANULARITY_MS, type Granularity, type MeterWindow, type RegionWindow } from '../../src/model/window.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import type { FreshDatabase } from './fresh-database.ts';

/** Batches for sinks, and what the tables hold of them. */

/** A server that was killed is back within seconds, and a writer may give each try up to a second or two. */
const TRIES_MAX = 200;
const TRY_AGAIN_MS = 25;

/** The windows below are of a fixed day. With the defaults, jobs of TimescaleDB would compress and drop them while a test looks at them. */
export const KEEP_ALL: RetentionOptions = { keepMs: { '1m': null, '15m': null }, compressAfterMs: 100 * 365 * 86_400_000 };

export interface BatchContents {
  shard?: number;
  position?: string;
  windows?: readonly MeterWindow[];
  /** Without a revision as one writer sends them. */
  regionWindows?: (RegionWindow & { revision?: number | null })[];
  anomalies?: Anomaly[];
  deadLetters?: DeadLetter[];
  alerts?: Alert[];
  billing?: BillingEvent[];
}

export function sinkBatch({ shard = 0, position = '1', windows = [], regionWindows = [], anomalies = [], deadLetters = [], alerts = [], billing = [] }: BatchContents): SinkBatch {
  const builder = new WindowBlockBuilder();
  for (const window of windows) builder.add(window);
  return { shard, position, windows: builder.finish(), windowCount: windows.length, regionWindows: regionWindows.map((window) => ({ revision: null, ...window })), anomalies, deadLetters, alerts, billing };
}

/** As the pump does: the same batch until it passes. With `opening` the writer is opened before each try; one to a database takes that only while no other shard writes. */
export async function writeUntilPassed(writer: SinkWriter, batch: SinkBatch, { opening = false } = {}): Promise<WriteReport> {
  for (let tries = 1; ; tries++) {
    try {
      if (opening) await writer.open();
      return await writer.write(batch);
    } catch (error) {
      if (!(error instanceof OperationalError) || !error.retryable || tries === TRIES_MAX) throw error;
      await sleep(TRY_AGAIN_MS);
    }
  }
}

export function regionWindow(some: Partial<Omit<RegionWindow, 'windowEnd'>>): RegionWindow {
  const { granularity = '1m', windowStart = 1_767_225_600_000 } = some;
  return {
    region: 'region-01',
    granularity,
    windowStart,
    windowEnd: windowStart + GRANULARITY_MS[granularity],
    metersReporting: 3,
    sumPowerKw: 3.75,
    avgPowerKw: 1.25,
    minPowerKw: 0.5,
    maxPowerKw: 2,
    energyKwhSum: 0.0625,
    capacityKw: null,
    loadPercent: null,
    final: true,
    ...some,
  };
}

export function anomaly(some: Partial<Anomaly>): Anomaly {
  return {
    id: 'meter-1/spike/1767225600000',
    meterId: 'meter-1',
    region: 'region-01',
    kind: 'spike',
    severity: 'WARN',
    startedAt: 1_767_225_600_000,
    endedAt: null,
    endReason: null,
    value: 9.5,
    expected: 1.25,
    score: 6.5,
    message: 'Power is far above what this meter usually draws.',
    ...some,
  };
}

export function deadLetter(some: Partial<DeadLetter>): DeadLetter {
  return { id: '1767225600000-1-0', receivedAt: 1_767_225_600_123, code: 'invalid_timestamp', message: 'no time', index: 0, meterId: 'meter-1', raw: '{"meterId":"meter-1"}', ...some };
}

/** As a regional window goes to the systems beside the engine. */
export function withoutFinal(shape: object): object {
  const { final: _final, ...rest } = shape as { final?: boolean };
  return rest;
}

interface StoredWindow {
  meter_id: string;
  region: string;
  window_start: Date;
  window_end: Date;
  avg_power_kw: number;
  min_power_kw: number;
  max_power_kw: number;
  energy_kwh_sum: number;
  energy_source: MeterWindow['energySource'];
  voltage_avg: number | null;
  voltage_min: number | null;
  voltage_max: number | null;
  count: number;
  revision: number;
  final: boolean;
}

/** The table's rows as windows, in order of meter and time. */
export async function storedWindows(database: FreshDatabase, granularity: Granularity = '1m'): Promise<MeterWindow[]> {
  const rows = await database.rows<StoredWindow>(`SELECT * FROM aggregates_${granularity} ORDER BY meter_id COLLATE "C", window_start`);
  return rows.map((row) => ({
    meterId: row.meter_id,
    region: row.region,
    granularity,
    windowStart: row.window_start.getTime(),
    windowEnd: row.window_end.getTime(),
    avgPowerKw: row.avg_power_kw,
    minPowerKw: row.min_power_kw,
    maxPowerKw: row.max_power_kw,
    energyKwhSum: row.energy_kwh_sum,
    energySource: row.energy_source,
    voltageAvg: row.voltage_avg,
    voltageMin: row.voltage_min,
    voltageMax: row.voltage_max,
    count: row.count,
    revision: row.revision,
    final: row.final,
  }));
}

/** In the order of `storedWindows`. */
export function byMeterAndTime(windows: readonly MeterWindow[]): MeterWindow[] {
  return [...windows].sort((a, b) => (a.meterId === b.meterId ? a.windowStart - b.windowStart : a.meterId < b.meterId ? -1 : 1));
}

/** Where the database says that each shard's next piece begins. */
export async function storedCursors(database: FreshDatabase): Promise<Record<string, string>> {
  const rows = await database.rows<{ engine_id: string; shard: number; position: string }>('SELECT engine_id, shard, position FROM sink_cursors ORDER BY engine_id, shard');
  return Object.fromEntries(rows.map(({ engine_id, shard, position }) => [`${engine_id}/${shard}`, position]));
}
