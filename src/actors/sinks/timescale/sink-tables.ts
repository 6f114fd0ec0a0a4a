import type { Alert, Deed } from '../../../model/alert.ts';
import type { Anomaly } from '../../../model/anomaly.ts';
import type { DeadLetter } from '../../../model/queries.ts';
import { openWindowBlock, type WindowBlock } from '../../../model/window-block.ts';
import { GRANULARITIES, type Granularity } from '../../../model/window.ts';
import type { SentRegionWindow, SinkBatch } from '../protocol.ts';
import { BILLING_STAGES, billingRows } from './billing-tables.ts';
import type { BinaryCopy } from './binary-copy.ts';
import { insert, upsert, withoutNul, withoutNulOrNull, type Column, type RowSet } from './row-sets.ts';

/**
 * How the things of a batch become rows: each kind is copied into a staging table of its session and goes from there into its table, because
 * COPY itself cannot leave what is there as it is.
 */

/** Table of each granularity. */
export const METER_TABLES: Readonly<Record<Granularity, string>> = { '1m': 'aggregates_1m', '15m': 'aggregates_15m' };
export const REGION_TABLES: Readonly<Record<Granularity, string>> = { '1m': 'regional_aggregates_1m', '15m': 'regional_aggregates_15m' };

const TIMES: readonly Column[] = [
  ['window_start', 'timestamptz'],
  ['window_end', 'timestamptz'],
];

const METER_COLUMNS: readonly Column[] = [
  ['meter_id', 'text'],
  ['region', 'text'],
  ...TIMES,
  ['avg_power_kw', 'double precision'],
  ['min_power_kw', 'double precision'],
  ['max_power_kw', 'double precision'],
  ['energy_kwh_sum', 'double precision'],
  ['energy_source', 'text'],
  ['voltage_avg', 'double precision'],
  ['voltage_min', 'double precision'],
  ['voltage_max', 'double precision'],
  ['count', 'integer'],
  ['revision', 'integer'],
  ['final', 'boolean'],
];

const REGION_COLUMNS: readonly Column[] = [
  ['region', 'text'],
  ...TIMES,
  ['meters_reporting', 'integer'],
  ['sum_power_kw', 'double precision'],
  ['avg_power_kw', 'double precision'],
  ['min_power_kw', 'double precision'],
  ['max_power_kw', 'double precision'],
  ['energy_kwh_sum', 'double precision'],
  ['capacity_kw', 'double precision'],
  ['load_percent', 'double precision'],
  ['revision', 'bigint'],
];

const ANOMALY_COLUMNS: readonly Column[] = [
  ['id', 'text'],
  ['type', 'text'],
  ['kind', 'text'],
  ['severity', 'text'],
  ['region', 'text'],
  ['meter_id', 'text'],
  ['started_at', 'timestamptz'],
  ['ended_at', 'timestamptz'],
  ['end_reason', 'text'],
  ['value', 'double precision'],
  ['expected', 'double precision'],
  ['score', 'double precision'],
  ['message', 'text'],
];

const ALERT_COLUMNS: readonly Column[] = [
  ['id', 'text'],
  ['version', 'integer'],
  ['type', 'text'],
  ['kind', 'text'],
  ['severity', 'text'],
  ['state', 'text'],
  ['rule', 'text'],
  ['region', 'text'],
  ['meter_id', 'text'],
  ['component', 'text'],
  ['title', 'text'],
  ['description', 'text'],
  ['value', 'double precision'],
  ['threshold', 'double precision'],
  ['unit', 'text'],
  ['started_at', 'timestamptz'],
  ['opened_at', 'timestamptz'],
  ['changed_at', 'timestamptz'],
  ['acknowledged_at', 'timestamptz'],
  ['acknowledged_by', 'text'],
  ['acknowledged_why', 'text'],
  ['resolved_at', 'timestamptz'],
  ['resolved_by', 'text'],
  ['resolved_why', 'text'],
  ['affected_meters', 'integer'],
  ['occurrences', 'integer'],
  ['is_flapping', 'boolean'],
  ['suppressed_by', 'text'],
  ['suppressed_id', 'text'],
];

const DEAD_LETTER_COLUMNS: readonly Column[] = [
  ['id', 'text'],
  ['received_at', 'timestamptz'],
  ['code', 'text'],
  ['message', 'text'],
  ['index', 'integer'],
  ['meter_id', 'text'],
  ['raw', 'text'],
];

/** Tells the rows of the two granularities apart in a staging table. */
const IS_QUARTER_HOUR: Column = ['is_quarter_hour', 'boolean'];

const STAGES: Readonly<Record<string, readonly Column[]>> = {
  seg_stage_windows: [IS_QUARTER_HOUR, ...METER_COLUMNS],
  seg_stage_regions: [IS_QUARTER_HOUR, ...REGION_COLUMNS],
  seg_stage_anomalies: ANOMALY_COLUMNS,
  seg_stage_alerts: ALERT_COLUMNS,
  seg_stage_dead_letters: DEAD_LETTER_COLUMNS,
  ...BILLING_STAGES,
};

/** Makes the staging tables of a session; they are empty again after each transaction, and gone with the session. */
export const CREATE_STAGES = Object.entries(STAGES)
  .map(([name, columns]) => `CREATE TEMPORARY TABLE ${name} (${columns.map(([column, type]) => `${column} ${type}`).join(', ')}) ON COMMIT DELETE ROWS`)
  .join(';');

/** Everything of the batch that becomes rows, in the order it is written. Kinds without rows are left out. */
export function rowSetsOf(batch: SinkBatch): RowSet[] {
  return [
    meterWindowRows(openWindowBlock(batch.windows)),
    regionWindowRows(batch.regionWindows),
    anomalyRows(batch.anomalies),
    alertRows(batch.alerts),
    deadLetterRows(batch.deadLetters),
    ...billingRows(batch.billing),
  ].filter(({ count }) => count > 0);
}

/** A newer revision wins; the same one again changes nothing. */
export function meterWindowRows(block: WindowBlock): RowSet {
  const rowCounts = { '1m': 0, '15m': 0 };
  for (let i = 0; i < block.count; i++) rowCounts[block.granularity(i)]++;
  return {
    count: block.count,
    stage: 'seg_stage_windows',
    encode: (copy, i) => encodeMeterWindow(copy, block, i),
    upserts: GRANULARITIES.filter((granularity) => rowCounts[granularity] > 0).map((granularity) => METER_UPSERTS[granularity]),
    describe: (i) => `${block.granularity(i)} window ${block.meterId(i)} ${timeText(block.windowStart(i))}`,
    payload: (i) => block.windowAt(i),
  };
}

const OF_GRANULARITY: Readonly<Record<Granularity, string>> = { '1m': 'WHERE NOT is_quarter_hour', '15m': 'WHERE is_quarter_hour' };

const METER_UPSERTS = forEachGranularity(
  (granularity) => `${upsert(METER_TABLES[granularity], METER_COLUMNS, ['meter_id', 'window_start'], 'seg_stage_windows', OF_GRANULARITY[granularity])} WHERE excluded.revision > t.revision`,
);
/** Of one writer the later is the newer. */
const REGION_UPSERTS = forEachGranularity(
  (granularity) => `${upsert(REGION_TABLES[granularity], REGION_COLUMNS, ['region', 'window_start'], 'seg_stage_regions', OF_GRANULARITY[granularity])} WHERE coalesce(excluded.revision > t.revision, true)`,
);
const ANOMALY_UPSERT = upsert('anomalies', ANOMALY_COLUMNS, ['id'], 'seg_stage_anomalies');
const ALERT_UPSERT = `${upsert('alerts', ALERT_COLUMNS, ['id'], 'seg_stage_alerts')} WHERE excluded.version > t.version`;
/** A dead letter never changes. */
const DEAD_LETTER_INSERT = insert('dead_letter', DEAD_LETTER_COLUMNS, ['id'], 'seg_stage_dead_letters');

function encodeMeterWindow(copy: BinaryCopy, block: WindowBlock, i: number): void {
  copy.row(METER_COLUMNS.length + 1);
  copy.bool(block.granularity(i) === '15m');
  copy.utf8(block.bytes, block.idStart(i), block.idLength(i));
  copy.text(block.region(i));
  copy.timestamptz(block.windowStart(i), 'window_start');
  copy.timestamptz(block.windowEnd(i), 'window_end');
  copy.float8(block.avgPowerKw(i), 'avg_power_kw');
  copy.float8(block.minPowerKw(i), 'min_power_kw');
  copy.float8(block.maxPowerKw(i), 'max_power_kw');
  copy.float8(block.energyKwhSum(i), 'energy_kwh_sum');
  copy.text(block.energySource(i));
  copy.float8OrNull(block.voltageAvg(i), 'voltage_avg');
  copy.float8OrNull(block.voltageMin(i), 'voltage_min');
  copy.float8OrNull(block.voltageMax(i), 'voltage_max');
  copy.int4(block.readings(i), 'count');
  copy.int4(block.revision(i), 'revision');
  copy.bool(block.isFinal(i));
}

function regionWindowRows(windows: readonly SentRegionWindow[]): RowSet {
  // One row for each: a statement may not touch a row twice. In one order in all sessions, or two of them could wait for each other.
  const rows = newestByKey(windows, ({ region, granularity, windowStart }) => `${granularity} ${windowStart} ${region}`);
  return {
    count: rows.length,
    stage: 'seg_stage_regions',
    encode: (copy, i) => encodeRegionWindow(copy, rows[i]),
    upserts: GRANULARITIES.filter((granularity) => rows.some((row) => row.granularity === granularity)).map((granularity) => REGION_UPSERTS[granularity]),
    describe: (i) => `${rows[i].granularity} window of region ${rows[i].region} ${timeText(rows[i].windowStart)}`,
    payload: (i) => rows[i],
  };
}

function encodeRegionWindow(copy: BinaryCopy, row: SentRegionWindow): void {
  copy.row(REGION_COLUMNS.length + 1);
  copy.bool(row.granularity === '15m');
  copy.text(row.region);
  copy.timestamptz(row.windowStart, 'window_start');
  copy.timestamptz(row.windowEnd, 'window_end');
  copy.int4(row.metersReporting, 'meters_reporting');
  copy.float8(row.sumPowerKw, 'sum_power_kw');
  copy.float8(row.avgPowerKw, 'avg_power_kw');
  copy.float8(row.minPowerKw, 'min_power_kw');
  copy.float8(row.maxPowerKw, 'max_power_kw');
  copy.float8(row.energyKwhSum, 'energy_kwh_sum');
  copy.float8OrNull(row.capacityKw, 'capacity_kw');
  copy.float8OrNull(row.loadPercent, 'load_percent');
  copy.int8OrNull(row.revision, 'revision');
}

function anomalyRows(anomalies: readonly Anomaly[]): RowSet {
  const rows = newestByKey(anomalies, ({ id }) => id);
  return {
    count: rows.length,
    stage: 'seg_stage_anomalies',
    encode: (copy, i) => encodeAnomaly(copy, rows[i]),
    upserts: [ANOMALY_UPSERT],
    describe: (i) => `anomaly ${rows[i].id}`,
    payload: (i) => rows[i],
  };
}

function encodeAnomaly(copy: BinaryCopy, row: Anomaly): void {
  copy.row(ANOMALY_COLUMNS.length);
  copy.text(row.id);
  copy.text(row.kind === 'outage' ? 'METER_OUTAGE' : 'ANOMALY');
  copy.text(row.kind);
  copy.text(row.severity);
  copy.text(row.region);
  copy.text(row.meterId);
  copy.timestamptz(row.startedAt, 'started_at');
  copy.timestamptzOrNull(row.endedAt, 'ended_at');
  copy.textOrNull(row.endReason);
  copy.float8(row.value, 'value');
  copy.float8(row.expected, 'expected');
  copy.float8(row.score, 'score');
  copy.text(row.message);
}

/** A higher version wins; the same one again changes nothing. */
function alertRows(alerts: readonly Alert[]): RowSet {
  return {
    count: alerts.length,
    stage: 'seg_stage_alerts',
    encode: (copy, i) => encodeAlert(copy, alerts[i]),
    upserts: [ALERT_UPSERT],
    describe: (i) => `alert ${alerts[i].id}`,
    payload: (i) => alerts[i],
  };
}

function encodeAlert(copy: BinaryCopy, row: Alert): void {
  copy.row(ALERT_COLUMNS.length);
  copy.text(row.id);
  copy.int4(row.version, 'version');
  copy.text(row.type);
  copy.text(row.kind);
  copy.text(row.severity);
  copy.text(row.state);
  copy.text(row.rule);
  copy.textOrNull(row.region);
  copy.textOrNull(row.meterId);
  copy.textOrNull(row.component);
  copy.text(withoutNul(row.title));
  copy.text(withoutNul(row.description));
  copy.float8OrNull(row.value, 'value');
  copy.float8OrNull(row.threshold, 'threshold');
  copy.textOrNull(row.unit);
  copy.timestamptz(row.startedAt, 'started_at');
  copy.timestamptz(row.openedAt, 'opened_at');
  copy.timestamptz(row.changedAt, 'changed_at');
  encodeDeed(copy, row.acknowledged, 'acknowledged_at');
  encodeDeed(copy, row.resolved, 'resolved_at');
  copy.int4(row.affectedMeters, 'affected_meters');
  copy.int4(row.occurrences, 'occurrences');
  copy.bool(row.isFlapping);
  copy.textOrNull(row.suppression?.by ?? null);
  copy.textOrNull(row.suppression?.id ?? null);
}

function encodeDeed(copy: BinaryCopy, deed: Deed | null, column: string): void {
  copy.timestamptzOrNull(deed?.at ?? null, column);
  copy.textOrNull(withoutNulOrNull(deed?.by ?? null));
  copy.textOrNull(withoutNulOrNull(deed?.why ?? null));
}

function deadLetterRows(letters: readonly DeadLetter[]): RowSet {
  return {
    count: letters.length,
    stage: 'seg_stage_dead_letters',
    encode: (copy, i) => encodeDeadLetter(copy, letters[i]),
    upserts: [DEAD_LETTER_INSERT],
    describe: (i) => `dead letter ${letters[i].id}`,
    payload: (i) => letters[i],
  };
}

function encodeDeadLetter(copy: BinaryCopy, row: DeadLetter): void {
  copy.row(DEAD_LETTER_COLUMNS.length);
  copy.text(row.id);
  copy.timestamptz(row.receivedAt, 'received_at');
  copy.text(row.code);
  copy.text(withoutNul(row.message));
  copy.int4(row.index, 'index');
  copy.textOrNull(withoutNulOrNull(row.meterId));
  copy.text(withoutNul(row.raw));
}

/** The last row of each key, in order of the key. */
function newestByKey<Row>(rows: readonly Row[], keyOf: (row: Row) => string): Row[] {
  const byKey = new Map(rows.map((row) => [keyOf(row), row]));
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}

function forEachGranularity(make: (granularity: Granularity) => string): Readonly<Record<Granularity, string>> {
  return { '1m': make('1m'), '15m': make('15m') };
}

function timeText(epochMs: number): string {
  // A row with an impossible time has to be named, too.
  return Number.isFinite(epochMs) && Math.abs(epochMs) <= 8.64e15 ? new Date(epochMs).toISOString() : `${epochMs}`;
}
