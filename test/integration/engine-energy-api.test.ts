import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { forecastLoad } from '../../src/actors/region/load-forecast.ts';
import { get, post, type WireReading } from '../support/engine-api.ts';
import { sent } from '../support/billing-engine.ts';
import { EngineProcess } from '../support/engine-process.ts';

/** What the API tells of energy, of a real engine, against readings added up one by one. */

const QUARTER_MS = 900_000;
/** Whole quarter-hours of four days by the clock of Berlin, one of them with 25 hours. */
const DAYS = { from: Date.UTC(2025, 9, 23, 22), to: Date.UTC(2025, 9, 27, 23) };
const LAST_YEAR = { from: Date.UTC(2024, 9, 25), to: Date.UTC(2024, 9, 26, 6) };
const METERS = 12;
/** It sends four quarter-hours of ten. */
const GAPPED = 2;
/** A count covers as many quarter-hours before it. */
const COVERED = 4;

let engine: EngineProcess;
/** Net Wh by meter and quarter-hour. */
const wattHours = new Map<string, Map<number, number>>();

const isSent = (meter: number, quarter: number): boolean => meter !== GAPPED || quarter % 10 >= 6;
const useOf = (meter: number, quarter: number): number => 100 + ((quarter * 7 + meter * 31) % 400) - (meter === 3 && quarter % 4 === 0 ? 450 : 0);

async function postRange(meter: number, region: string, range: { from: number; to: number }): Promise<void> {
  const meterId = `m${meter}`;
  const known = wattHours.get(meterId) ?? new Map<number, number>();
  wattHours.set(meterId, known);
  const readings: WireReading[] = [];
  for (let quarter = range.from / QUARTER_MS; quarter < range.to / QUARTER_MS; quarter++) {
    if (!isSent(meter, quarter)) continue;
    const wh = useOf(meter, quarter);
    known.set(quarter, wh);
    readings.push({ meterId, region, timestamp: quarter * QUARTER_MS + 60_000, powerKw: (wh * 4) / 1_000, energyKwh: wh / 1_000 });
  }
  await post(engine, readings);
}

beforeAll(async () => {
  engine = await EngineProcess.start({ settings: { SHARDS: '2', LATENESS: '1s', REGION_CAPACITIES: 'north=100', BILLING: 'off' } });
  await postRange(0, 'north', LAST_YEAR);
  for (let meter = 0; meter < METERS; meter++) await postRange(meter, 'north', DAYS);
  await postRange(METERS, 'south', DAYS);
  // A quarter-hour counts when it is over for the meter: when it sent something later.
  await post(engine, [...wattHours.keys()].map((meterId) => ({ meterId, region: meterId === `m${METERS}` ? 'south' : 'north', timestamp: DAYS.to + 10 * QUARTER_MS, powerKw: 0, energyKwh: 0 })));
  // One that came late makes a correction.
  const quarter = DAYS.from / QUARTER_MS + 50;
  await post(engine, [{ meterId: 'm1', region: 'north', timestamp: quarter * QUARTER_MS + 120_000, powerKw: 9, energyKwh: 0.05 }]);
  wattHours.get('m1')!.set(quarter, useOf(1, quarter) + 50);
}, 60_000);

afterAll(() => engine.kill9());

function naive(meterId: string, fromMs: number, toMs: number) {
  const known = wattHours.get(meterId)!;
  let [imported, exported, measured, estimated, missing, peak, peakAt] = [0, 0, 0, 0, 0, 0, 0];
  for (let quarter = fromMs / QUARTER_MS; quarter < toMs / QUARTER_MS; quarter++) {
    const wh = known.get(quarter);
    if (wh !== undefined) {
      measured++;
      if (wh > 0) imported += wh;
      else exported -= wh;
      if (wh > peak) [peak, peakAt] = [wh, quarter];
    } else if (Array.from({ length: COVERED }, (_, i) => known.has(quarter + 1 + i)).includes(true)) estimated++;
    else missing++;
  }
  return { importKwh: imported / 1_000, exportKwh: exported / 1_000, quarters: { measured, estimated, missing }, peak: { powerKw: (peak * 4) / 1_000, at: new Date(peakAt * QUARTER_MS).toISOString() } };
}

/** Power is spread over the gaps that a count covers, so that of the gapped meter is another matter (test/unit/shard-energy.test.ts). */
function expected(meterId: string, fromMs: number, toMs: number) {
  const { peak, ...rest } = naive(meterId, fromMs, toMs);
  return meterId === `m${GAPPED}` ? rest : { ...rest, peak: peak.powerKw === 0 ? null : peak };
}

test('days are those of a zone, one of them with 25 hours', async () => {
  const starts = [Date.UTC(2025, 9, 23, 22), Date.UTC(2025, 9, 24, 22), Date.UTC(2025, 9, 25, 22), Date.UTC(2025, 9, 26, 23), Date.UTC(2025, 9, 27, 23)];
  for (const meterId of ['m0', 'm1', `m${GAPPED}`, 'm3']) {
    const { zone, data } = await sent(engine, 'GET', `/api/v1/meters/${meterId}/daily?from=2025-10-24&to=2025-10-28&zone=Europe/Berlin`);
    expect([zone, data.map(({ date }: { date: string }) => date)]).toEqual(['Europe/Berlin', ['2025-10-24', '2025-10-25', '2025-10-26', '2025-10-27']]);
    for (const [i, day] of data.entries()) {
      expect(day, `${meterId} ${day.date}`).toMatchObject({ from: new Date(starts[i]).toISOString(), to: new Date(starts[i + 1]).toISOString(), isOver: true, ...expected(meterId, starts[i], starts[i + 1]) });
    }
    expect(Object.values<number>(data[2].quarters).reduce((sum, one) => sum + one)).toBe(100);
  }
});

test('months are those of a zone', async () => {
  const { data } = await sent(engine, 'GET', '/api/v1/meters/m0/monthly?from=2024-10&to=2025-12');
  expect(data.map(({ month }: { month: string }) => month)).toEqual(['2024-10', '2024-11', '2024-12', ...Array.from({ length: 11 }, (_, i) => `2025-${String(i + 1).padStart(2, '0')}`)]);
  for (const [i, month] of data.entries()) {
    const [from, to] = [Date.UTC(2024, 9 + i), Date.UTC(2024, 10 + i)];
    // The late one of nothing, which closes the last quarter-hour, covers some before it.
    const { quarters: _quarters, ...energy } = expected('m0', from, to);
    expect(month, month.month).toMatchObject(energy);
    expect(Object.values<number>(month.quarters).reduce((sum, one) => sum + one)).toBe((to - from) / QUARTER_MS);
  }
});

test('statistics are of the quarter-hours that begin in a time', async () => {
  const [from, to] = [DAYS.from + 5 * QUARTER_MS, DAYS.from + 200 * QUARTER_MS];
  for (const meterId of ['m1', `m${GAPPED}`, 'm3']) {
    const found = await sent(engine, 'GET', `/api/v1/meters/${meterId}/statistics?from=${from - 1_000}&to=${to - 1_000}`);
    const energy = naive(meterId, from, to);
    const known = [...wattHours.get(meterId)!].filter(([quarter]) => quarter >= from / QUARTER_MS && quarter < to / QUARTER_MS);
    const powers = known.map(([quarter]) => (useOf(Number(meterId.slice(1)), quarter) * 4) / 1_000);
    const hours = (energy.quarters.measured + energy.quarters.estimated) / 4;
    const isCorrected = meterId === 'm1';
    expect(found, meterId).toMatchObject({ meterId, from: new Date(from).toISOString(), to: new Date(to).toISOString(), ...expected(meterId, from, to) });
    expect([found.readings, found.minPowerKw, found.maxPowerKw]).toEqual([known.length + (isCorrected ? 1 : 0), Math.min(...powers), isCorrected ? 9 : Math.max(...powers)]);
    expect(found.avgPowerKw).toBeCloseTo((energy.importKwh - energy.exportKwh) / hours, 6);
    expect(found.loadFactor).toBeCloseTo(energy.importKwh / hours / found.peak.powerKw, 4);
    expect(found.completenessPercent).toBeCloseTo((100 * hours * 4) / 195, 2);
    expect(found.corrections).toEqual(isCorrected ? { windows: 1, changes: 1 } : { windows: 0, changes: 0 });
    const { data: anomalies } = await sent(engine, 'GET', `/api/v1/anomalies?meterId=${meterId}&from=${from}&to=${to}&limit=1000`);
    const counts: Record<string, number> = {};
    for (const { kind } of anomalies as { kind: string }[]) counts[kind] = (counts[kind] ?? 0) + 1;
    expect(found.anomalies).toEqual(counts);
  }
});

test('a period is compared with the one before, with a year ago and with its region', async () => {
  const [from, to] = [Date.UTC(2025, 9, 25), Date.UTC(2025, 9, 27)];
  const found = await sent(engine, 'GET', '/api/v1/meters/m0/comparison?from=2025-10-25&to=2025-10-27');
  const [now, before, lastYear] = [naive('m0', from, to), naive('m0', Date.UTC(2025, 9, 23), from), naive('m0', Date.UTC(2024, 9, 25), Date.UTC(2024, 9, 27))];
  expect(found).toMatchObject({
    period: { from: '2025-10-25', to: '2025-10-27', ...now },
    before: { from: '2025-10-23', to: '2025-10-25', importKwh: before.importKwh },
    lastYear: { from: '2024-10-25', to: '2024-10-27', importKwh: lastYear.importKwh },
  });
  expect(lastYear.importKwh).toBeGreaterThan(0);
  expect(found.changePercent.before).toBeCloseTo((now.importKwh / before.importKwh - 1) * 100, 2);
  expect(found.changePercent.lastYear).toBeCloseTo((now.importKwh / lastYear.importKwh - 1) * 100, 2);
  let netKwh = 0;
  let reporting = 0;
  for (let quarter = from / QUARTER_MS; quarter < to / QUARTER_MS; quarter++) {
    const known = Array.from({ length: METERS }, (_, meter) => wattHours.get(`m${meter}`)!.get(quarter)).filter((wh) => wh !== undefined);
    netKwh += known.reduce((sum, wh) => sum + wh, 0) / known.length / 1_000;
    reporting += known.length;
  }
  expect(found.region).toMatchObject({ region: 'north', meters: Math.round((reporting / 192) * 10) / 10 });
  expect(found.region.netKwh).toBeCloseTo(netKwh, 5);
  expect(found.region.changePercent).toBeCloseTo((now.importKwh / netKwh - 1) * 100, 1);
  // A mean of one meter would be that meter.
  expect((await sent(engine, 'GET', `/api/v1/meters/m${METERS}/comparison?from=2025-10-25&to=2025-10-27`)).region).toBeNull();
});

test('consumers of a region are ranked by energy, and by peak', async () => {
  const [from, to] = [DAYS.from, DAYS.from + 96 * QUARTER_MS];
  const all = Array.from({ length: METERS }, (_, meter) => ({ meterId: `m${meter}`, ...naive(`m${meter}`, from, to) }));
  const byEnergy = all.toSorted((a, b) => b.importKwh - a.importKwh || (a.meterId < b.meterId ? -1 : 1));
  const top = await sent(engine, 'GET', `/api/v1/regions/north/top-consumers?from=${from}&to=${to}&limit=5`);
  expect(top).toMatchObject({ region: 'north', by: 'energy', meters: METERS });
  expect(top.data.map(({ rank, meterId, importKwh }: Record<string, unknown>) => [rank, meterId, importKwh])).toEqual(byEnergy.slice(0, 5).map(({ meterId, importKwh }, i) => [i + 1, meterId, importKwh]));
  const peaks = await sent(engine, 'GET', `/api/v1/regions/north/top-consumers?from=${from}&to=${to}&by=peak&limit=100`);
  const gapped = peaks.data.find(({ meterId }: { meterId: string }) => meterId === `m${GAPPED}`);
  const byPeak = all.map(({ meterId, peak }) => ({ meterId, kw: meterId === gapped.meterId ? gapped.peak.powerKw : peak.powerKw })).sort((a, b) => b.kw - a.kw || (a.meterId < b.meterId ? -1 : 1));
  expect(peaks.data.map(({ meterId, peak }: { meterId: string; peak: { powerKw: number } }) => ({ meterId, kw: peak.powerKw }))).toEqual(byPeak);
});

test('the load of a region is what its list says, without a price in an engine without bills', async () => {
  const { data } = await sent(engine, 'GET', '/api/v1/regions');
  const { at, price, ...load } = await sent(engine, 'GET', '/api/v1/regions/north/load');
  expect([load, price]).toEqual([data.find(({ region }: { region: string }) => region === 'north'), null]);
  expect(Math.abs(Date.parse(at) - Date.now())).toBeLessThan(60_000);
});

test('a region of the last nine days is forecast as the plain formula says of its windows; one of a year ago has no history to go by', async () => {
  const nowMs = Date.now();
  const first = Math.floor(nowMs / QUARTER_MS) - 9 * 96;
  const loadOf = (quarter: number, meter: number): number => 10 + (quarter % 96) / 10 + meter + (quarter >= first + 8 * 96 ? 2 : 0);
  for (const meter of [0, 1]) {
    const quarters = Array.from({ length: 9 * 96 + 1 }, (_, i) => first + i);
    await post(engine, quarters.map((quarter) => ({ meterId: `forecast-${meter}`, region: 'west', timestamp: quarter * QUARTER_MS, powerKw: loadOf(quarter, meter) })));
  }
  // Shards tell of a new region within a second.
  await vi.waitFor(async () => expect((await get(engine, '/api/v1/regions/west')).status).toBe(200), { timeout: 10_000, interval: 100 });
  const forecast = await sent(engine, 'GET', '/api/v1/regions/west/forecast?hours=48');
  const origin = Date.parse(forecast.asOf) / QUARTER_MS;
  // The last quarter-hour may not be over for both of them yet.
  expect(first + 9 * 96 - origin).toBeLessThanOrEqual(1);
  const loads = Array.from({ length: origin - first }, (_, i) => ({ quarter: first + i, powerKw: loadOf(first + i, 0) + loadOf(first + i, 1) }));
  const expected = forecastLoad('UTC', loads, origin);
  expect([forecast.basis, forecast.level]).toEqual(['weeks', expect.closeTo(expected.level!, 9)]);
  expect(forecast.data.map(({ windowStart, powerKw, lowKw }: { windowStart: string; powerKw: number; lowKw: number | null }) => [Date.parse(windowStart) / QUARTER_MS, powerKw.toFixed(6), lowKw?.toFixed(6)])).toEqual(
    expected.quarters.map(({ quarter, powerKw, lowKw }) => [quarter, powerKw.toFixed(6), lowKw?.toFixed(6)]),
  );
  expect(forecast.backtest.mapePercent).toBeCloseTo(expected.backtest!.mapePercent!, 9);
  expect(await sent(engine, 'GET', '/api/v1/regions/south/forecast')).toMatchObject({ basis: null, missing: 'no_history', data: [], backtest: null });
});

test('what nobody knows is 404', async () => {
  for (const path of ['daily', 'monthly', 'statistics', 'comparison']) expect((await get(engine, `/api/v1/meters/nobody/${path}`)).body, path).toMatchObject({ status: 404, code: 'unknown_meter' });
  for (const path of ['load', 'forecast', 'top-consumers']) expect((await get(engine, `/api/v1/regions/nowhere/${path}`)).body, path).toMatchObject({ status: 404, code: 'unknown_region' });
});
