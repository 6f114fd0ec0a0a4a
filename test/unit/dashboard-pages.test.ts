import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { viewedDays, viewedPeriods } from '../../src/actors/tariffs/calendar-view.ts';
import { checkTariff } from '../../src/actors/tariffs/tariff-check.ts';

/** The parts of the pages that need no browser. They are JavaScript without declarations, hence the dynamic imports. */
const web = (file: string) => import(new URL(`../../web/${file}`, import.meta.url).href);
const { calendarRows, viewedPeriods: viewedInPage } = await web('tariffs/calendar-rows.js');
const { shownRows } = await web('meters/row-window.js');
const { forecastOf, forecastOfAll } = await web('load-forecast.js');
const { sameDaysBefore } = await web('home/home-comparison.js');
const { formatDays, formatKwh, formatMoney, formatPrice } = await web('money.js');

const QUARTER_MS = 900_000;
const NOW_MS = Date.parse('2026-03-02T12:07:00Z');

describe('a tariff’s calendar in the page', () => {
  test.each(['time-of-use.json', 'flat.json', 'low-normal-high.json', 'commercial-demand.json'])('%s is the one that the engine shows', (file) => {
    const { document } = checkTariff(JSON.parse(readFileSync(new URL(`../../docs/tariffs/${file}`, import.meta.url), 'utf8')));
    const wire = JSON.parse(JSON.stringify(document));
    for (const [i, schedule] of document!.schedules.entries()) {
      const rows = calendarRows(wire, wire.schedules[i]) as { season: string; days: string; spans: { fromMinute: number; toMinute: number; period: string }[] }[];
      const expected = viewedDays(document!, schedule).map(({ season, days, spans }) => ({ season, days, spans: spans.map(({ from, to, period }) => [from, to, period]) }));
      const shown = rows.map(({ season, days, spans }) => ({ season, days, spans: merged(spans) }));
      // Seasons that are all alike are one in the page.
      const seasons = new Set(expected.map(({ season }) => season));
      const isOne = shown.every(({ season }) => season === '') && seasons.size > 0;
      if (isOne) for (const season of seasons) expect(shown.map(({ days, spans }) => ({ days, spans }))).toEqual(expected.filter((row) => row.season === season).map(({ days, spans }) => ({ days, spans })));
      else expect(shown).toEqual(expected);
      expect((viewedInPage(wire, wire.schedules[i]) as { name: string; heat: number }[]).map(({ name, heat }) => [name, heat])).toEqual(viewedPeriods(document!, schedule).map(({ name, heat }) => [name, heat]));
    }
  });
});

/** Neighbours of one period as one, as the engine has them. */
function merged(spans: { fromMinute: number; toMinute: number; period: string }[]): [number, number, string][] {
  const all: [number, number, string][] = [];
  for (const { fromMinute, toMinute, period } of spans) {
    const last = all.at(-1);
    if (last !== undefined && last[2] === period && last[1] === fromMinute) last[1] = toMinute;
    else all.push([fromMinute, toMinute, period]);
  }
  return all;
}

describe('the rows of a long list that are drawn', () => {
  test('are those that are seen, and a few around them, whatever the list', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000 }), fc.integer({ min: 100, max: 3_000 }), fc.integer({ min: 1, max: 100_000 }), (top, height, count) => {
        const rowPx = 34;
        const { first, last } = shownRows({ top, height }, count, rowPx);
        expect(first).toBeGreaterThanOrEqual(0);
        expect(last).toBeLessThanOrEqual(count);
        expect(last - first).toBeLessThanOrEqual(height / rowPx + 19);
        for (const row of [Math.ceil(top / rowPx), Math.floor((top + height) / rowPx) - 1]) if (row >= 0 && row < count) expect(row >= first && row < last).toBe(true);
      }),
    );
  });
});

describe('the forecast of regions', () => {
  const answer = (powers: number[], more: object = {}) =>
    forecastOf({ basis: 'weeks', missing: null, backtest: null, data: powers.map((powerKw, i) => ({ windowStart: new Date(NOW_MS + i * QUARTER_MS).toISOString(), powerKw, lowKw: powerKw - 1, highKw: powerKw + 2 })), ...more });

  test('has its peak, the first of several', () => {
    expect(answer([1, 5, 5, 2]).peak).toEqual({ startMs: NOW_MS + QUARTER_MS, powerKw: 5, lowKw: 4, highKw: 7 });
    expect(answer([]).peak).toBeNull();
  });

  test('of all together is the sum of what is expected, where that is known of each', () => {
    const all = forecastOfAll([answer([1, 2, 3]), answer([10, 30, 20, 99], { basis: 'day' })]);
    expect(all.quarters).toEqual([11, 32, 23].map((powerKw, i) => ({ startMs: NOW_MS + i * QUARTER_MS, powerKw, lowKw: powerKw - 2, highKw: powerKw + 4 })));
    expect([all.peak.powerKw, all.basis]).toEqual([32, 'both']);
    const without = answer([1]);
    without.quarters[0].lowKw = null;
    expect(forecastOfAll([without, answer([1])]).quarters).toEqual([{ startMs: NOW_MS, powerKw: 2, lowKw: null, highKw: 6 }]);
  });

  test.each([
    [['weeks', 'weeks'], 'weeks'],
    [['day', 'day'], 'day'],
    [['day', 'weeks', 'day'], 'both'],
  ])('of all together goes by what those of the regions go by: %j', (bases, basis) => {
    expect(forecastOfAll(bases.map((one) => answer([1], { basis: one }))).basis).toBe(basis);
  });

  test('of all together is none while it is not known of one', () => {
    expect(forecastOfAll([answer([1]), undefined])).toBeNull();
    expect(forecastOfAll([answer([1]), answer([])])).toBeNull();
  });
});

describe('the same days of the month before', () => {
  test.each([
    ['2026-11-01', '2026-11-27', '2026-10-01', '2026-10-27'],
    // A month that is shorter is taken whole.
    ['2026-03-01', '2026-03-31', '2026-02-01', '2026-03-01'],
    ['2026-01-01', '2026-01-02', '2025-12-01', '2025-12-02'],
  ])('of %s to %s are %s to %s', (from, to, before, until) => {
    expect(sameDaysBefore({ from, to })).toEqual({ from: before, to: until });
  });
});

describe('money', () => {
  test('stays exact: more digits than a binary fraction has', () => {
    expect(formatMoney('123456789012345678.91', 'EUR').replace(/[^\d]/g, '')).toBe('12345678901234567891');
  });

  test('of a kWh shows what people compare', () => {
    expect(formatPrice('0.2735', 'EUR')).toContain('0.2735');
    expect(formatPrice('0.3', 'EUR')).toContain('0.30');
    expect(formatPrice('0.40', '')).toContain('0.40');
  });

  test('days end before the first that is not meant', () => {
    expect(formatDays('2026-07-01', '2026-08-01')).toMatch(/\b1\b.*\b31\b/);
    expect(formatDays('2026-07-01', '2026-07-02')).not.toMatch(/–/);
    expect(formatKwh('412.318')).toBe('412 kWh');
  });
});
