import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { forecastLoad, HISTORY_QUARTERS } from '../../src/actors/region/load-forecast.ts';
import type { LoadForecast, QuarterLoad } from '../../src/model/region-forecast.ts';

/** The forecast of regions against its formula in plain code, which looks through all quarters each time and has its local time from Intl. */

const SEED = 20261127;
const QUARTER_MS = 900_000;
const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe'];

const formats = new Map<string, Intl.DateTimeFormat>();
function localQuarter(zone: string, quarter: number): number {
  let format = formats.get(zone);
  if (format === undefined) formats.set(zone, (format = new Intl.DateTimeFormat('en-GB', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })));
  const at = Object.fromEntries(format.formatToParts(quarter * QUARTER_MS).map(({ type, value }) => [type, Number(value)]));
  return Math.floor(Date.UTC(at.year, at.month - 1, at.day, at.hour, at.minute) / QUARTER_MS);
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** What docs and schema say, word by word. */
function oracle(zone: string, loads: readonly QuarterLoad[], origin: number): LoadForecast {
  const local = loads.map(({ quarter }) => localQuarter(zone, quarter));
  const at = (quarter: number): number | undefined => loads.find((load) => load.quarter === quarter)?.powerKw;
  const known = (wanted: number, before: number): number | undefined => {
    const found = loads.filter((_, i) => local[i] === wanted);
    return found.length === 0 || found.some(({ quarter }) => quarter >= before) ? undefined : mean(found.map(({ powerKw }) => powerKw));
  };
  const usual = (quarter: number, before: number): number | undefined => {
    const here = localQuarter(zone, quarter);
    const weeks = [1, 2, 3, 4].map((ago) => ({ weight: 0.6 ** (ago - 1), powerKw: known(here - ago * 672, before) })).filter(({ powerKw }) => powerKw !== undefined);
    if (weeks.length > 0) return weeks.reduce((sum, { weight, powerKw }) => sum + weight * powerKw!, 0) / weeks.reduce((sum, { weight }) => sum + weight, 0);
    return [1, 2, 3].map((days) => known(here - days * 96, before)).find((powerKw) => powerKw !== undefined);
  };
  const levelAt = (then: number): number => {
    let actual = 0;
    let before = 0;
    for (let back = 1; back <= 12; back++) {
      const [is, was] = [at(then - back), usual(then - back, then - back)];
      if (is === undefined || was === undefined) continue;
      actual += 0.8 ** (back - 1) * is;
      before += 0.8 ** (back - 1) * was;
    }
    return actual > 0 && before > 0 ? Math.min(3, Math.max(1 / 3, actual / before)) : 1;
  };
  const first = Math.min(...loads.map(({ quarter }) => quarter));
  const basisAt = (then: number): LoadForecast['basis'] => (first <= then - 672 ? 'weeks' : first <= then - 96 ? 'day' : null);
  const isSilent = (then: number): boolean => !loads.some(({ quarter }) => quarter < then && quarter >= then - 96);
  const expectAt = (then: number, lead: number, level: number): number | undefined => {
    const powerKw = usual(then + lead, then);
    return powerKw === undefined ? undefined : powerKw * (1 + (level - 1) * 0.5 ** (lead / 24));
  };
  const group = (lead: number): number => (lead < 4 ? 0 : lead < 24 ? 1 : lead < 96 ? 2 : 3);
  if (basisAt(origin) === null) return { basis: null, missing: 'no_history', level: null, quarters: [], backtest: null };
  if (isSilent(origin)) return { basis: null, missing: 'silent', level: null, quarters: [], backtest: null };
  const errors: number[][] = [[], [], [], []];
  const pairs: { then: number; actual: number; expected: number; last: number }[] = [];
  for (let then = origin - 672; then < origin; then += 12) {
    if (basisAt(then) !== basisAt(origin) || isSilent(then)) continue;
    const level = levelAt(then);
    for (let lead = 0; lead < 192 && then + lead < origin; lead++) {
      const [actual, expected] = [at(then + lead), expectAt(then, lead, level)];
      if (actual === undefined || expected === undefined) continue;
      errors[group(lead)].push(actual - expected);
      if (lead < 96 && at(then - 1) !== undefined) pairs.push({ then, actual, expected, last: at(then - 1)! });
    }
  }
  const quantile = (values: readonly number[], share: number): number => {
    const sorted = values.toSorted((a, b) => a - b);
    const place = share * (sorted.length - 1);
    return sorted[Math.floor(place)] * (1 - (place % 1)) + sorted[Math.ceil(place)] * (place % 1);
  };
  const level = levelAt(origin);
  const quarters: LoadForecast['quarters'] = [];
  for (let lead = 0; lead < 192; lead++) {
    const powerKw = expectAt(origin, lead, level);
    if (powerKw === undefined) continue;
    const of = errors[group(lead)];
    const band = of.length < 20 ? null : [quantile(of, 0.1), quantile(of, 0.9)];
    quarters.push({ quarter: origin + lead, powerKw, lowKw: band === null ? null : powerKw + Math.min(0, band[0]), highKw: band === null ? null : powerKw + Math.max(0, band[1]) });
  }
  if (pairs.length === 0) return { basis: basisAt(origin), missing: null, level, quarters, backtest: null };
  const telling = pairs.filter(({ actual }) => actual !== 0 && Math.abs(actual) >= 0.01 * mean(pairs.map((pair) => Math.abs(pair.actual))));
  const mape = (of: (pair: (typeof pairs)[number]) => number): number | null => (telling.length === 0 ? null : 100 * mean(telling.map((pair) => Math.abs((pair.actual - of(pair)) / pair.actual))));
  const backtest = { from: pairs[0].then, to: origin, forecasts: new Set(pairs.map(({ then }) => then)).size, quarters: telling.length, mapePercent: mape(({ expected }) => expected), persistenceMapePercent: mape(({ last }) => last) };
  return { basis: basisAt(origin), missing: null, level, quarters, backtest };
}

/** Figures to nine places: sums come in another order. */
function rounded(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_, each) => (typeof each === 'number' ? Number(each.toPrecision(9)) : each));
}

/** Around clock changes of both hemispheres, and at any time. */
const origin = fc.oneof(
  ...['2026-03-29T01:00Z', '2026-10-25T01:00Z', '2026-03-08T07:00Z', '2026-11-01T06:00Z', '2026-04-04T15:00Z', '2026-10-03T15:30Z'].map((change) =>
    fc.integer({ min: -200, max: 4 * 700 }).map((after) => Date.parse(change.replace('Z', ':00Z')) / QUARTER_MS + after),
  ),
  fc.integer({ min: Date.parse('2026-01-01T00:00:00Z') / QUARTER_MS, max: Date.parse('2027-01-01T00:00:00Z') / QUARTER_MS }),
);

test('is the formula, whatever is missing of the past and whatever clocks did', () => {
  fc.assert(
    fc.property(
      origin,
      fc.constantFrom(...ZONES),
      fc.oneof(fc.integer({ min: 0, max: 900 }), fc.integer({ min: 0, max: HISTORY_QUARTERS })),
      fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 120 })),
      fc.double({ min: 0, max: 0.9, noNaN: true }),
      fc.integer({ min: -30, max: 100 }),
      fc.integer(),
      (at, zone, length, silent, gaps, baseKw, seed) => {
        let state = seed | 0;
        const random = (): number => ((state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0) >>> 0) / 2 ** 32;
        const loads: QuarterLoad[] = [];
        let isGap = false;
        for (let quarter = at - length; quarter < at - silent; quarter++) {
          if (random() < 0.02) isGap = random() < gaps;
          if (!isGap) loads.push({ quarter, powerKw: Math.round(1_000 * (baseKw + 20 * Math.sin(quarter / 15) + 10 * random())) / 1_000 });
        }
        expect(rounded(forecastLoad(zone, loads.toReversed(), at))).toEqual(rounded(oracle(zone, loads, at)));
      },
    ),
    { numRuns: 12, seed: SEED },
  );
});

describe('of a load that is the same each week', () => {
  const zone = 'Europe/Berlin';
  /** By the clock on the wall: more in the evening, less on Sunday. */
  const weekly = (quarter: number): number => {
    const local = localQuarter(zone, quarter);
    const weekday = Math.floor(local / 96 + 3) % 7;
    return (weekday === 6 ? 50 : 100) + (local % 96 >= 72 ? 40 : 0) + (local % 96) / 10;
  };
  const past = (at: number, length: number, powerKw: (quarter: number) => number = weekly): QuarterLoad[] => Array.from({ length }, (_, i) => ({ quarter: at - length + i, powerKw: powerKw(at - length + i) }));

  test.each(['2026-03-28T23:00:00Z', '2026-03-30T09:00:00Z', '2026-10-24T20:00:00Z', '2026-10-26T09:00:00Z', '2026-07-01T09:00:00Z'])('it is that load, on days of a clock change too: %s', (time) => {
    const at = Date.parse(time) / QUARTER_MS;
    const { basis, level, quarters, backtest } = forecastLoad(zone, past(at, HISTORY_QUARTERS), at);
    expect([basis, level!.toFixed(9), quarters.length]).toEqual(['weeks', '1.000000000', 192]);
    expect(quarters.map(({ powerKw }) => powerKw.toFixed(6))).toEqual(quarters.map(({ quarter }) => weekly(quarter).toFixed(6)));
    expect(quarters.map(({ lowKw, highKw, powerKw }) => [lowKw! - powerKw, highKw! - powerKw].map((kw) => Math.abs(kw) < 1e-9))).toEqual(quarters.map(() => [true, true]));
    expect(backtest!.mapePercent).toBeLessThan(1e-9);
    expect(backtest!.persistenceMapePercent).toBeGreaterThan(10);
  });

  const at = Date.parse('2026-07-01T09:00:00Z') / QUARTER_MS;

  test('it is higher where the last hours were, the less the further ahead', () => {
    const { level, quarters } = forecastLoad(zone, past(at, HISTORY_QUARTERS, (quarter) => weekly(quarter) * (quarter >= at - 12 ? 1.5 : 1)), at);
    expect(level).toBeCloseTo(1.5);
    const above = quarters.map(({ quarter, powerKw }) => powerKw / weekly(quarter) - 1);
    expect([above[0], above[24], above[96]].map((share) => share.toFixed(3))).toEqual(['0.500', '0.250', '0.031']);
  });

  test('it goes by the day before while there is less than a week, and says so', () => {
    expect(forecastLoad(zone, past(at, 672), at).basis).toBe('weeks');
    const { basis, quarters } = forecastLoad(zone, past(at, 671), at);
    expect([basis, quarters.length, quarters[10].powerKw.toFixed(6)]).toEqual(['day', 192, weekly(at + 10 - 96).toFixed(6)]);
  });

  test('there is none where there is no day of history, or nothing in the last day, and it says why', () => {
    expect(forecastLoad(zone, [], at)).toEqual({ basis: null, missing: 'no_history', level: null, quarters: [], backtest: null });
    expect(forecastLoad(zone, past(at, 95), at).missing).toBe('no_history');
    expect(forecastLoad(zone, past(at, 96), at).missing).toBeNull();
    expect(forecastLoad(zone, past(at - 95, 800), at).missing).toBeNull();
    expect(forecastLoad(zone, past(at - 96, 800), at).missing).toBe('silent');
  });
});
