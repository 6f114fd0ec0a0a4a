import pg from 'pg';
import type { Page, WindowQuery } from '../../../model/queries.ts';
import { GRANULARITY_MS, type EnergySource, type Granularity, type MeterWindow } from '../../../model/window.ts';
import { OperationalError } from '../../../runtime/errors.ts';
import { databaseAddress, type DatabaseAddress } from './database-address.ts';
import { databaseError } from './database-errors.ts';
import { METER_TABLES } from './sink-tables.ts';

/** Closed windows of meters read back from the tables, in the shapes, the order and with the cursors that shards answer with. Those of regions stay with the shards. */

export interface WindowHistoryOptions {
  /** `postgres://user:password@host:port/database`. */
  url: string;
  /** Questions under way at once; further ones wait. */
  connectionsMax?: number;
  timeouts?: HistoryTimeouts;
}

export interface HistoryTimeouts {
  /** For a connection, or for one of the others to be free. */
  connectMs: number;
  /** For one question. */
  queryMs: number;
}

/** People wait for the answer. */
const TIMEOUTS: HistoryTimeouts = { connectMs: 5_000, queryMs: 10_000 };
const CONNECTIONS_MAX = 2;
/** The server cancels a question a little before this side gives it up. */
const CANCEL_AHEAD_MS = 500;
/** The number of a window, as shards' cursors have it; PostgreSQL has no times beyond nine digits of them. */
const CURSOR = /^-?\d{1,9}$/;

/** Epoch milliseconds, exactly: a double holds them all. */
const START_MS = '(extract(epoch FROM window_start) * 1000)::double precision';
const METER_FIELDS = `${START_MS}, region, avg_power_kw, min_power_kw, max_power_kw, energy_kwh_sum, energy_source, voltage_avg, voltage_min, voltage_max, count, revision, final`;

type MeterRow = [number, string, number, number, number, number, EnergySource, number | null, number | null, number | null, number, number, boolean];

export class WindowHistory {
  private readonly address: DatabaseAddress;
  private readonly pool: pg.Pool;

  /** Throws OperationalError `invalid_url`. Nothing is connected before the first question. */
  constructor({ url, connectionsMax = CONNECTIONS_MAX, timeouts = TIMEOUTS }: WindowHistoryOptions) {
    this.address = databaseAddress(url);
    this.pool = new pg.Pool({
      connectionString: url,
      application_name: 'seg history',
      max: connectionsMax,
      connectionTimeoutMillis: timeouts.connectMs,
      query_timeout: timeouts.queryMs,
      keepAlive: true,
      // A question must not keep the process alive.
      allowExitOnIdle: true,
      // Awaited before the first question, which fails when this does.
      onConnect: async (client) => {
        await client.query(`SET statement_timeout = ${Math.ceil(Math.max(timeouts.queryMs / 2, timeouts.queryMs - CANCEL_AHEAD_MS))}; SET extra_float_digits = 1; SET default_transaction_read_only = on`);
      },
    });
    // Connections that end while idle are replaced by the next question.
    this.pool.on('error', () => {});
  }

  /** In order of windowStart; the cursor is the next window's number. Rejects with OperationalError: `invalid_cursor`, or as the writer does. */
  async meterWindows(meterId: string, query: WindowQuery): Promise<Page<MeterWindow>> {
    const { granularity, cursor, limit } = query;
    if (cursor !== null && !CURSOR.test(cursor)) throw new OperationalError('invalid_cursor', 'the cursor is not one this endpoint gave; start again without it');
    const length = GRANULARITY_MS[granularity];
    const from = cursor === null ? query.from : Number(cursor) * length;
    const inRange = 'window_start >= to_timestamp($2::double precision / 1000) AND window_start < to_timestamp($3::double precision / 1000)';
    const text = `SELECT ${METER_FIELDS} FROM ${METER_TABLES[granularity]} WHERE meter_id = $1 AND ${inRange} ORDER BY window_start LIMIT $4`;
    try {
      // One more than asked for tells whether there is a next page.
      const { rows } = await this.pool.query<MeterRow>({ text, values: [meterId, from, query.to, limit + 1], rowMode: 'array' });
      const data = rows.slice(0, limit).map((row) => meterWindow(meterId, granularity, length, row));
      return { data, nextCursor: rows.length > limit ? String(rows[limit][0] / length) : null };
    } catch (error) {
      throw databaseError(error, this.address);
    }
  }

  /** Ends the connections; waits for questions under way. */
  async close(): Promise<void> {
    await this.pool.end();
  }
}

function meterWindow(meterId: string, granularity: Granularity, lengthMs: number, row: MeterRow): MeterWindow {
  const [windowStart, region, avgPowerKw, minPowerKw, maxPowerKw, energyKwhSum, energySource, voltageAvg, voltageMin, voltageMax, count, revision, final] = row;
  return {
    meterId,
    region,
    granularity,
    windowStart,
    windowEnd: windowStart + lengthMs,
    avgPowerKw,
    minPowerKw,
    maxPowerKw,
    energyKwhSum,
    energySource,
    voltageAvg,
    voltageMin,
    voltageMax,
    count,
    revision,
    final,
  };
}
