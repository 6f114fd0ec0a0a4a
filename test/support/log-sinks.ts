import { expect } from 'vitest';
import { GRANULARITIES } from '../../src/model/window.ts';
import { allRows, meterWindows, regionWindows, type EngineUrls, type WireRegionWindow, type WireWindow } from './engine-api.ts';
import { eventually } from './engine-process.ts';
import type { FreshDatabase } from './fresh-database.ts';
import { kcatPrint } from './kafka-records.ts';
import { storedWindows, withoutFinal } from './sink-batches.ts';

/** What engines that share a log have written to a database and to topics, against what they answer. */

export interface LogSinks {
  database: FreshDatabase;
  brokers: string;
  topicPrefix: string;
}

type Row = Record<string, unknown>;

const WAIT_MS = 30_000;

/** The database and the topics hold every closed window of the meters, every window of their regions and every dead letter, as the engine shows them now. Nobody sends meanwhile. */
export async function expectSinks(sinks: LogSinks, engine: EngineUrls, meters: readonly string[], regions: readonly string[], range: { from: number; to: number }): Promise<void> {
  for (const granularity of GRANULARITIES) {
    const shown = (await Promise.all(meters.map((meterId) => meterWindows(engine, meterId, granularity, range)))).flat();
    const windows = byKey(shown, keyOfWindow);
    await expectSame(async () => byKey((await storedWindows(sinks.database, granularity)).map(wire), keyOfWindow), windows, `rows of ${granularity}`);
    await expectSame(async () => newest(await records(sinks, `aggregates_${granularity}`), keyOfWindow), windows, `messages of ${granularity}`);
    const regional = byKey((await Promise.all(regions.map((region) => regionWindows(engine, region, granularity, range)))).flat().map((window) => withoutFinal(window) as WireRegionWindow), keyOfRegion);
    await expectSame(async () => byKey((await regionalRows(sinks.database, granularity)).map(asShown), keyOfRegion), regional, `regional rows of ${granularity}`);
    await expectSame(async () => byKey([...newest(await records(sinks, `aggregates_${granularity}_regional`), keyOfRegion).values()].map(withoutRevision).map(asShown), keyOfRegion), regional, `regional messages of ${granularity}`);
  }
  const letters = (await allRows<Row>(engine, '/api/v1/dead-letters', { from: 0, to: Date.now() + 1e6, limit: 1_000 })).map(textOfLetter).sort();
  const rows = async () => (await sinks.database.rows<Row>('SELECT * FROM dead_letter')).map((row) => textOfLetter({ receivedAt: (row.received_at as Date).toISOString(), code: row.code, index: row.index, meterId: row.meter_id, raw: row.raw })).sort();
  expect(await eventually(rows, (found) => found.length >= letters.length, WAIT_MS)).toEqual(letters);
  const sent = async () => [...byKey(await records(sinks, 'dead_letter'), ({ id }) => String(id)).values()].map(textOfLetter).sort();
  expect(await eventually(sent, (found) => found.length >= letters.length, WAIT_MS)).toEqual(letters);
}

async function expectSame<Value>(read: () => Promise<ReadonlyMap<string, Value>>, expected: ReadonlyMap<string, unknown>, what: string): Promise<void> {
  // As text while it is waited for: a difference of thousands of rows takes long to find.
  const text = (map: ReadonlyMap<string, unknown>) => JSON.stringify([...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => [key, sortedFields(value as object)]));
  const wanted = text(expected);
  const found = await eventually(read, (map) => text(map) === wanted, WAIT_MS).catch(() => read());
  expect(Object.fromEntries(found), what).toEqual(Object.fromEntries(expected));
}

function sortedFields(value: object): [string, unknown][] {
  return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
}

async function records({ brokers, topicPrefix }: LogSinks, topic: string): Promise<Row[]> {
  const text = (await kcatPrint(brokers, topicPrefix + topic, '%s\n')).toString();
  return text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Row);
}

/** Of each thing the message with the highest revision. */
function newest(messages: readonly Row[], keyOf: (row: Row) => string): Map<string, Row> {
  const found = new Map<string, Row>();
  for (const message of messages) if (((found.get(keyOf(message))?.revision as number | undefined) ?? -1) <= (message.revision as number)) found.set(keyOf(message), message);
  return found;
}

async function regionalRows(database: FreshDatabase, granularity: '1m' | '15m'): Promise<Row[]> {
  const rows = await database.rows<Row>(`SELECT * FROM regional_aggregates_${granularity}`);
  return rows.map((row) => ({
    region: row.region,
    granularity,
    windowStart: (row.window_start as Date).toISOString(),
    windowEnd: (row.window_end as Date).toISOString(),
    metersReporting: row.meters_reporting,
    sumPowerKw: row.sum_power_kw,
    avgPowerKw: row.avg_power_kw,
    minPowerKw: row.min_power_kw,
    maxPowerKw: row.max_power_kw,
    energyKwhSum: row.energy_kwh_sum,
    capacityKw: row.capacity_kw,
    loadPercent: row.load_percent,
  }));
}

function wire({ windowStart, windowEnd, ...window }: Awaited<ReturnType<typeof storedWindows>>[number]): WireWindow {
  return { ...window, windowStart: new Date(windowStart).toISOString(), windowEnd: new Date(windowEnd).toISOString() };
}

/** The API gives the load with two places, rows and messages as it is. */
function asShown({ loadPercent, ...row }: Row): Row {
  return { ...row, loadPercent: loadPercent === null ? null : Math.round((loadPercent as number) * 100) / 100 };
}

function withoutRevision({ revision: _revision, ...rest }: Row): Row {
  return rest;
}

function keyOfWindow({ meterId, windowStart }: { meterId?: unknown; windowStart?: unknown }): string {
  return `${String(meterId)} ${String(windowStart)}`;
}

function keyOfRegion({ region, windowStart }: { region?: unknown; windowStart?: unknown }): string {
  return `${String(region)} ${String(windowStart)}`;
}

function byKey<Value>(values: readonly Value[], keyOf: (value: Value) => string): Map<string, Value> {
  return new Map(values.map((value) => [keyOf(value), value]));
}

function textOfLetter({ receivedAt, code, index, meterId, raw }: Row): string {
  return JSON.stringify([receivedAt, code, index, meterId, raw]);
}
