import { describe, expect, test } from 'vitest';
import { RegionForecasts } from '../../src/engine/region-forecasts.ts';
import type { RegionId } from '../../src/model/ids.ts';
import type { Page, WindowQuery } from '../../src/model/queries.ts';
import type { RegionWindow } from '../../src/model/window.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { REGION_WINDOW } from '../support/fake-engine.ts';

const QUARTER_MS = 900_000;
const NOW_MS = Date.parse('2026-03-02T12:10:00Z');
const LATENESS_MS = 30_000;
const NORTH = 'north' as RegionId;

/** Windows of 8 days, all of 5 kW, given in pages as they are asked for. */
function world() {
  const time = new VirtualTime(NOW_MS);
  const asked: (WindowQuery & { region: string })[] = [];
  const state = { failing: false, hold: Promise.resolve() };
  const windows = async (region: RegionId, query: WindowQuery): Promise<Page<RegionWindow> | null> => {
    asked.push({ region, ...query });
    await state.hold;
    if (state.failing) throw new OperationalError('deadline', 'too slow', { retryable: true });
    if (region === 'nowhere') return null;
    const from = query.cursor === null ? Math.max(query.from, NOW_MS - (NOW_MS % QUARTER_MS) - 8 * 96 * QUARTER_MS) : Number(query.cursor) * QUARTER_MS;
    const starts = Array.from({ length: query.limit }, (_, i) => from + i * QUARTER_MS).filter((start) => start < query.to);
    const next = from + query.limit * QUARTER_MS;
    return { data: starts.map((windowStart) => ({ ...REGION_WINDOW, region, windowStart, windowEnd: windowStart + QUARTER_MS, sumPowerKw: 5 })), nextCursor: next < query.to ? String(next / QUARTER_MS) : null };
  };
  return { time, asked, state, forecasts: new RegionForecasts({ latenessMs: LATENESS_MS }, { windows, clock: time }) };
}

describe('forecasts of regions', () => {
  test('begin with the first quarter-hour that is not over for each meter, and are made of the five weeks before it', async () => {
    const { time, asked, forecasts } = world();
    const forecast = (await forecasts.of(NORTH, 'UTC'))!;
    expect(forecast).toMatchObject({ region: 'north', zone: 'UTC', asOf: Date.parse('2026-03-02T12:00:00Z'), basis: 'weeks', level: 1 });
    expect(forecast.quarters[191]).toEqual({ quarter: forecast.asOf / QUARTER_MS + 191, powerKw: 5, lowKw: null, highKw: null });
    expect(forecast.quarters[0]).toMatchObject({ powerKw: 5, lowKw: 5, highKw: 5 });
    expect(asked[0]).toMatchObject({ granularity: '15m', to: forecast.asOf, cursor: null });
    expect(asked[0].from).toBeLessThanOrEqual(forecast.asOf - 35 * 96 * QUARTER_MS);
    // 12:15 is over for all a minute later.
    time.advance(Date.parse('2026-03-02T12:16:00Z') - NOW_MS);
    expect((await forecasts.of(NORTH, 'UTC'))!.asOf).toBe(Date.parse('2026-03-02T12:00:00Z'));
    time.advance(1_000);
    expect((await forecasts.of(NORTH, 'UTC'))!.asOf).toBe(Date.parse('2026-03-02T12:15:00Z'));
  });

  test('are kept until then, of each zone', async () => {
    const { asked, forecasts } = world();
    const [first, second] = await Promise.all([forecasts.of(NORTH, 'UTC'), forecasts.of(NORTH, 'UTC')]);
    expect(second).toEqual(first);
    const once = asked.length;
    await forecasts.of(NORTH, 'UTC');
    expect(asked).toHaveLength(once);
    await forecasts.of(NORTH, 'Europe/Berlin');
    expect(asked).toHaveLength(2 * once);
  });

  test('are kept of so many, those that were asked for last', async () => {
    const { asked, forecasts } = world();
    const ask = (n: number) => forecasts.of(`r${n}` as RegionId, 'UTC');
    for (let n = 0; n < 200; n++) await ask(n);
    const once = asked.length;
    await ask(0);
    expect(asked).toHaveLength(once);
    await ask(200);
    await ask(0);
    expect(asked.slice(once).map(({ region }) => region)).toEqual(['r200']);
    await ask(1);
    expect(asked.at(-1)!.region).toBe('r1');
  });

  test('are made one after the other, and refused when too many wait', async () => {
    const { asked, state, forecasts } = world();
    let goOn!: () => void;
    state.hold = new Promise((resolve) => (goOn = resolve));
    const made = Array.from({ length: 64 }, (_, n) => forecasts.of(`r${n}` as RegionId, 'UTC'));
    await expect(forecasts.of('r64' as RegionId, 'UTC')).rejects.toMatchObject({ code: 'busy', retryable: true });
    expect(new Set(asked.map(({ region }) => region)).size).toBe(1);
    goOn();
    expect((await Promise.all(made)).every((forecast) => forecast !== null)).toBe(true);
    expect(await forecasts.of('r64' as RegionId, 'UTC')).not.toBeNull();
  });

  test('that could not be made, and of regions that nobody knows, are asked for anew', async () => {
    const { asked, state, forecasts } = world();
    expect(await forecasts.of('nowhere' as RegionId, 'UTC')).toBeNull();
    expect(await forecasts.of('nowhere' as RegionId, 'UTC')).toBeNull();
    expect(asked).toHaveLength(2);
    state.failing = true;
    await expect(forecasts.of(NORTH, 'UTC')).rejects.toMatchObject({ code: 'deadline' });
    state.failing = false;
    expect(await forecasts.of(NORTH, 'UTC')).not.toBeNull();
  });
});
