import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startGateway, type Gateway } from '../../src/http/gateway.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { apiClient } from '../support/api-client.ts';
import { AT, ENERGY, fakeEngine, REGION, REGION_WINDOW, WINDOW, type FakeEngine } from '../support/fake-engine.ts';
import { fakeTariffs, PRICE, type FakeTariffs } from '../support/fake-tariffs.ts';

/** The gateway's routes of energy before an engine that is none: what is asked, and what is refused. */

const QUARTER_MS = 900_000;
/** 2026-01-15 12:20 UTC. */
const NOW = AT + 20 * 60_000;

let engine: FakeEngine;
let tariffs: FakeTariffs;
let gateway: Gateway;
const engineNow = new Proxy({} as FakeEngine, { get: (_, name) => engine[name as keyof FakeEngine] });
const tariffsNow = new Proxy({} as FakeTariffs, { get: (_, name) => tariffs[name as keyof FakeTariffs] });
const call = apiClient(() => gateway.port);
const meter = (path: string) => call('GET', `/api/v1/meters/meter:1/${path}`);
const region = (path: string) => call('GET', `/api/v1/regions/north/${path}`);

beforeAll(async () => {
  gateway = await startGateway({ host: '127.0.0.1', port: 0, queriesInFlightMax: 4, requestIdPrefix: 't' }, { engine: engineNow, tariffs: tariffsNow, clock: { ...systemClock, now: () => NOW }, timers: systemTimers, log: nullLog });
});
beforeEach(() => {
  engine = fakeEngine();
  tariffs = fakeTariffs();
});
afterAll(() => gateway.close(1_000));

/** Spans of the only question about energy, as ISO times. */
function spansAsked(): [string, string][] {
  const asked = engine.asked.filter(([name]) => name === 'energy');
  expect(asked).toHaveLength(1);
  return (asked[0][2] as { from: number; to: number }[]).map(({ from, to }) => [from, to].map((quarter) => new Date(quarter * QUARTER_MS).toISOString().slice(0, 16)) as [string, string]);
}

async function faults(answer: ReturnType<typeof call>): Promise<string[]> {
  const { status, body } = await answer;
  expect([status, body.code], JSON.stringify(body)).toEqual([400, 'invalid_query']);
  expect(engine.asked).toEqual([]);
  return body.faults.map(({ parameter }: { parameter: string }) => parameter);
}

describe('days', () => {
  test('are thirty to today by default, which counts as far as it is over', async () => {
    const { body } = await meter('daily');
    const spans = spansAsked();
    expect([spans.length, spans[0], spans.at(-1)]).toEqual([30, ['2025-12-17T00:00', '2025-12-18T00:00'], ['2026-01-15T00:00', '2026-01-15T12:15']]);
    expect([body.data[0].isOver, body.data.at(-1)]).toMatchObject([true, { date: '2026-01-15', from: '2026-01-15T00:00:00.000Z', to: '2026-01-16T00:00:00.000Z', isOver: false, importKwh: 1.500001, exportKwh: 0.25, peak: { powerKw: 2, at: '2026-01-15T11:00:00.000Z' } }]);
  });

  test('are of the zone, today and changes of its clock too', async () => {
    expect((await meter('daily?zone=Pacific/Auckland')).body.data.at(-1).date).toBe('2026-01-16');
    engine.asked.length = 0;
    await meter('daily?zone=Europe/Berlin&from=2025-03-29&to=2025-04-01');
    expect(spansAsked()).toEqual([['2025-03-28T23:00', '2025-03-29T23:00'], ['2025-03-29T23:00', '2025-03-30T22:00'], ['2025-03-30T22:00', '2025-03-31T22:00']]);
    engine.asked.length = 0;
    await meter('daily?zone=Asia/Kathmandu&from=2025-03-29&to=2025-03-30');
    expect(spansAsked()).toEqual([['2025-03-28T18:15', '2025-03-29T18:15']]);
  });

  test('that are yet to come are there, with nothing', async () => {
    const { body } = await meter('daily?from=2026-02-01&to=2026-02-02');
    expect([spansAsked(), body.data[0].isOver]).toEqual([[['2026-01-15T12:15', '2026-01-15T12:15']], false]);
  });

  test('are a leap year at most, in order, of zones that there are', async () => {
    expect((await meter('daily?from=2024-01-01&to=2025-01-01')).status).toBe(200);
    engine.asked.length = 0;
    for (const query of ['from=2024-01-01&to=2025-01-02', 'from=2025-01-02&to=2025-01-02', 'from=2025-01-02&to=2025-01-01']) expect(await faults(meter(`daily?${query}`)), query).toEqual(['to']);
    for (const query of ['from=1969-12-31', 'from=2025-02-30', 'from=yesterday', 'from=1970-01-01&to=1970-01-03']) expect(await faults(meter(`daily?${query}`)), query).toEqual(['from']);
    for (const zone of ['Mars/Olympus', '%2B01:00', 'x'.repeat(65)]) expect(await faults(meter(`daily?zone=${zone}`)), zone).toEqual(['zone']);
  });
});

describe('months', () => {
  test('are twelve to this one by default', async () => {
    const { body } = await meter('monthly');
    const spans = spansAsked();
    expect([spans.length, spans[0], spans.at(-1)]).toEqual([12, ['2025-02-01T00:00', '2025-03-01T00:00'], ['2026-01-01T00:00', '2026-01-15T12:15']]);
    expect([body.data[0].month, body.data.at(-1).month, body.data.at(-1).isOver]).toEqual(['2025-02', '2026-01', false]);
  });

  test('are of the zone, ten years at most and in order', async () => {
    await meter('monthly?from=2025-10&to=2025-12&zone=Europe/Berlin');
    expect(spansAsked()).toEqual([['2025-09-30T22:00', '2025-10-31T23:00'], ['2025-10-31T23:00', '2025-11-30T23:00']]);
    engine.asked.length = 0;
    for (const query of ['from=2010-01&to=2020-02', 'from=2025-02&to=2025-02']) expect(await faults(meter(`monthly?${query}`)), query).toEqual(['to']);
    for (const query of ['from=2025-13', 'from=1969-12']) expect(await faults(meter(`monthly?${query}`)), query).toEqual(['from']);
  });
});

describe('statistics', () => {
  test('are of closed windows alone, page after page, and of anomalies by kind', async () => {
    const windows = [WINDOW, { ...WINDOW, minPowerKw: -2, revision: 3 }, { ...WINDOW, final: false, minPowerKw: -9, maxPowerKw: 99 }, { ...WINDOW, maxPowerKw: 7, count: 1, revision: 1 }].map((window) => ({ ...window, granularity: '15m' as const }));
    engine.meterWindows = async (_, { cursor }) => ({ data: [windows[Number(cursor)]], nextCursor: Number(cursor) < 3 ? String(Number(cursor) + 1) : null });
    const { body } = await meter('statistics?from=2026-01-15T00:00:00Z&to=2026-01-16T00:00:00Z');
    expect(spansAsked()).toEqual([['2026-01-15T00:00', '2026-01-15T12:15']]);
    expect(body).toMatchObject({
      from: '2026-01-15T00:00:00.000Z', to: '2026-01-16T00:00:00.000Z', readings: 13, minPowerKw: -2, maxPowerKw: 7, corrections: { windows: 2, changes: 4 }, anomalies: { spike: 2 },
      avgPowerKw: 0.714286, loadFactor: 0.4286, completenessPercent: 87.5,
    });
  });

  test('take days of the zone as well as times', async () => {
    await meter('statistics?zone=Europe/Berlin&from=2025-08-01&to=2025-11-01');
    expect(spansAsked()).toEqual([['2025-07-31T22:00', '2025-10-31T23:00']]);
    engine.asked.length = 0;
    expect(await faults(meter('statistics?zone=Europe/Berlin&from=2025-08-01&to=2025-11-02'))).toEqual(['from']);
    await meter('statistics?from=2026-01-14&to=2026-01-15T06:00:00Z');
    expect(spansAsked()).toEqual([['2026-01-14T00:00', '2026-01-15T06:00']]);
    engine.asked.length = 0;
    for (const from of ['2025-13-01', '2025-02-30', '1969-12-31', 'yesterday']) expect(await faults(meter(`statistics?from=${from}&to=2026-01-15`)), from).toEqual(['from']);
    expect(await faults(meter('statistics?from=2026-01-01&zone=Berlin'))).toEqual(['zone']);
  });

  test('of a time without anything say so', async () => {
    engine.energy = async (_, spans) => spans.map(() => ({ importMicroKwh: 0, exportMicroKwh: 0, peakMicroKw: 0, peakQuarter: null, quality: { measured: 0, estimated: 0, missing: 0 } }));
    engine.meterWindows = async () => ({ data: [], nextCursor: null });
    engine.anomalies = async () => ({ data: [], nextCursor: null });
    expect((await meter('statistics')).body).toMatchObject({ readings: 0, peak: null, minPowerKw: null, avgPowerKw: null, maxPowerKw: null, loadFactor: null, completenessPercent: null, anomalies: {} });
  });

  test('are of 92 days at most, and of a quarter-hour at least', async () => {
    expect((await meter('statistics?from=2025-01-01T00:00:00Z&to=2025-04-03T00:00:00Z')).status).toBe(200);
    engine.asked.length = 0;
    expect(await faults(meter('statistics?from=2025-01-01T00:00:00Z&to=2025-04-03T00:01:00Z'))).toEqual(['from']);
    expect(await faults(meter('statistics?from=2025-01-01T00:01:00Z&to=2025-01-01T00:14:00Z'))).toEqual(['to']);
  });
});

describe('a comparison', () => {
  test('is of thirty days that are over, those before, and those a year ago', async () => {
    engine.regionWindows = async () => ({ data: [], nextCursor: null });
    const { body } = await meter('comparison');
    expect(spansAsked()).toEqual([['2025-12-16T00:00', '2026-01-15T00:00'], ['2025-11-16T00:00', '2025-12-16T00:00'], ['2024-12-16T00:00', '2025-01-15T00:00']]);
    expect(body).toMatchObject({ changePercent: { before: 0, lastYear: 0 }, region: null });
    engine.asked.length = 0;
    await meter('comparison?from=2024-02-29&to=2024-03-01');
    expect(spansAsked()[2]).toEqual(['2023-02-28T00:00', '2023-03-01T00:00']);
  });

  test('with a region is with the mean of ten meters at least', async () => {
    const ofRegion = (metersReporting: number) => async () => ({ data: [{ ...REGION_QUARTER, metersReporting, energyKwhSum: metersReporting * 0.5 }], nextCursor: null });
    engine.regionWindows = ofRegion(9);
    expect((await meter('comparison')).body.region).toBeNull();
    engine.regionWindows = ofRegion(10);
    expect((await meter('comparison')).body.region).toEqual({ region: 'north', meters: 10, netKwh: 0.5, changePercent: 150 });
  });

  test('of days that go on is refused, as of too many and of none', async () => {
    for (const query of ['to=2026-01-16', 'from=2025-01-01&to=2025-04-04', 'from=2025-01-01&to=2025-01-01']) expect(await faults(meter(`comparison?${query}`)), query).toEqual(['to']);
    expect(await faults(meter('comparison?from=1970-01-05&to=1970-01-06'))).toEqual(['from']);
  });
});

describe('a region', () => {
  test('has a load, and a price where it has a capacity and somebody knows it', async () => {
    const { body } = await region('load');
    expect(body).toMatchObject({ at: new Date(NOW).toISOString(), ...REGION });
    expect(body.price).toMatchObject({ region: 'north' });
    tariffs.answers.prices = () => {
      throw new OperationalError('unavailable', 'its thread is away', { retryable: true });
    };
    expect((await region('load')).body).toMatchObject({ loadKw: REGION.loadKw, price: null });
    tariffs.asked.length = 0;
    engine.regions = async () => [{ ...REGION, capacityKw: null, loadPercent: null }];
    expect([(await region('load')).body.price, tariffs.asked]).toEqual([null, []]);
  });

  test('has its load in percent with two places, in its windows and its price, too', async () => {
    const loadPercent = 10.459999999999999;
    engine.regionWindows = async () => ({ data: [{ ...REGION_WINDOW, loadPercent }, { ...REGION_WINDOW, loadPercent: null }], nextCursor: null });
    tariffs.answers.prices = () => [{ ...PRICE, loadPercent }];
    expect((await region('aggregates')).body.data.map((window: { loadPercent: number | null }) => window.loadPercent)).toEqual([10.46, null]);
    expect([(await region('load')).body.price.loadPercent, (await call('GET', '/api/v1/prices/north')).body.loadPercent]).toEqual([10.46, 10.46]);
  });

  test('has a forecast of the hours that are asked for, by the clock that is asked for, against its capacity', async () => {
    const { body } = await region('forecast?zone=Europe/Berlin');
    expect(engine.asked).toContainEqual(['regionForecast', 'north', 'Europe/Berlin']);
    expect(body).toMatchObject({ region: 'north', zone: 'Europe/Berlin', asOf: new Date(AT).toISOString(), capacityKw: 10, basis: 'weeks', missing: null, level: 1.25, backtest: { to: new Date(AT).toISOString(), mapePercent: 9.5 } });
    expect(body.data).toHaveLength(96);
    expect(body.data[4]).toEqual({ windowStart: new Date(AT + 4 * QUARTER_MS).toISOString(), powerKw: 4.04, lowKw: 3, highKw: 12, loadPercent: 40.4 });
    expect((await region('forecast?hours=48')).body.data).toHaveLength(192);
    expect((await region('forecast?hours=1')).body.data).toHaveLength(4);
    engine.asked.length = 0;
    expect(await faults(region('forecast?hours=49'))).toEqual(['hours']);
    expect(await faults(region('forecast?zone=Nowhere'))).toEqual(['zone']);
    engine.regions = async () => [{ ...REGION, capacityKw: null, loadPercent: null }];
    expect((await region('forecast')).body).toMatchObject({ capacityKw: null, data: { 0: { loadPercent: null } } });
    engine.regionForecast = async () => null;
    expect(await region('forecast')).toMatchObject({ status: 404, body: { code: 'unknown_region' } });
  });

  test('has consumers in the order that is asked for', async () => {
    const { body } = await region('top-consumers?by=peak&limit=3&from=2026-01-15T00:00:00Z&to=2026-01-15T06:00:00Z');
    expect(engine.asked).toEqual([['topConsumers', 'north', { span: { from: Date.UTC(2026, 0, 15) / QUARTER_MS, to: Date.UTC(2026, 0, 15, 6) / QUARTER_MS }, order: 'peak', limit: 3 }]]);
    expect(body).toMatchObject({ by: 'peak', meters: 2, data: [{ rank: 1, meterId: 'meter:1', importKwh: ENERGY.importMicroKwh / 1e6 }] });
    engine.asked.length = 0;
    expect(await faults(region('top-consumers?by=size'))).toEqual(['by']);
    expect(await faults(region('top-consumers?limit=101'))).toEqual(['limit']);
    expect(await faults(region('top-consumers?from=2025-01-01T00:00:00Z&to=2025-02-01T00:15:00Z'))).toEqual(['from']);
  });
});

const REGION_QUARTER = { region: 'north', granularity: '15m' as const, windowStart: AT, windowEnd: AT + QUARTER_MS, metersReporting: 1, sumPowerKw: 1, avgPowerKw: 1, minPowerKw: 1, maxPowerKw: 1, energyKwhSum: 1, capacityKw: null, loadPercent: null, final: true };
