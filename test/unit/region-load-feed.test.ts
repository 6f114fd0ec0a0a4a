import { beforeEach, describe, expect, test } from 'vitest';
import { RegionState } from '../../src/actors/region/state.ts';
import type { RegionPart } from '../../src/actors/shard/protocol.ts';
import type { RegionLoad } from '../../src/actors/tariffs/protocol.ts';
import { RegionLoadFeed } from '../../src/engine/region-load-feed.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';

const START = Date.UTC(2026, 10, 27, 12);
const MINUTE = 60_000;
const LATENESS_MS = 30_000;

function part(region: string, windowStart: number, kw: number): RegionPart {
  return { region, granularity: '1m', windowStart, meters: 1, powerHigh: 0, powerLow: kw * 1e9, energyHigh: 0, energyLow: 0, minPowerKw: kw, maxPowerKw: kw, changes: 1 } as RegionPart;
}

/** A thread that takes loads while it is there. */
class Grid {
  readonly time = new VirtualTime(START);
  readonly regions = new RegionState({ north: 100 });
  readonly heard: RegionLoad[][] = [];
  areRegionsWhole = true;
  isThere = true;
  readonly feed = new RegionLoadFeed({
    clock: this.time,
    timers: this.time,
    log: nullLog,
    regions: () => this.regions,
    areRegionsWhole: () => this.areRegionsWhole,
    latenessMs: LATENESS_MS,
    observe: async (loads) => {
      this.heard.push(loads);
      if (!this.isThere) throw new OperationalError('unavailable', 'away', { retryable: true });
    },
  });

  /** A shard says what a minute came to. */
  report(windowStart: number, kw: number, region = 'north'): void {
    this.feed.windowsChanged(this.regions.take(0, [part(region, windowStart, kw)]));
  }

  pass(ms: number): Promise<void> {
    return this.time.advanceSettled(ms);
  }
}

describe('loads for the price', () => {
  let grid: Grid;
  beforeEach(() => {
    grid = new Grid();
  });

  test('go once, when their minute is final, with the share of the capacity or none', async () => {
    grid.feed.up();
    grid.report(START - MINUTE, 80);
    grid.report(START - MINUTE, 5, 'nowhere');
    await grid.pass(20_000);
    expect(grid.heard).toEqual([]);
    await grid.pass(5 * MINUTE);
    expect(grid.heard.flat()).toEqual([{ region: 'north', windowStart: START - MINUTE, loadPercent: 80 }, { region: 'nowhere', windowStart: START - MINUTE, loadPercent: null }]);
  });

  test('go again until they are confirmed, and to a thread that started what is in memory', async () => {
    grid.isThere = false;
    grid.feed.up();
    grid.report(START - 2 * MINUTE, 80);
    await grid.pass(3 * MINUTE);
    expect(grid.heard.length).toBeGreaterThan(1);
    grid.isThere = true;
    await grid.pass(1_000);
    const said = grid.heard.length;
    await grid.pass(5_000);
    expect(grid.heard.length).toBe(said);
    grid.feed.down();
    grid.feed.up();
    await grid.pass(2_000);
    expect(grid.heard.slice(said)).toEqual([[{ region: 'north', windowStart: START - 2 * MINUTE, loadPercent: 80 }]]);
  });

  test('that are known when a thread starts go before whoever woke it asks for prices', () => {
    grid.report(START - 3 * MINUTE, 80);
    grid.feed.up();
    expect(grid.heard).toEqual([[{ region: 'north', windowStart: START - 3 * MINUTE, loadPercent: 80 }]]);
  });

  test('wait while a part of the fleet is away: its region would look idle', async () => {
    grid.areRegionsWhole = false;
    grid.feed.up();
    grid.report(START - MINUTE, 40);
    await grid.pass(5 * MINUTE);
    expect(grid.heard).toEqual([]);
    grid.areRegionsWhole = true;
    await grid.pass(1_000);
    expect(grid.heard).toHaveLength(1);
  });

  test('stop with the engine', async () => {
    grid.feed.up();
    grid.report(START - MINUTE, 40);
    grid.feed.down();
    await grid.pass(5 * MINUTE);
    expect(grid.heard).toEqual([]);
  });
});
