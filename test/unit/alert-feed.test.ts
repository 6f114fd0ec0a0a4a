import { beforeEach, describe, expect, test } from 'vitest';
import type { Observation } from '../../src/actors/alerts/protocol.ts';
import { RegionState } from '../../src/actors/region/state.ts';
import type { RegionPart } from '../../src/actors/shard/protocol.ts';
import { AlertFeed } from '../../src/engine/alert-feed.ts';
import type { Anomaly } from '../../src/model/anomaly.ts';
import type { AnomalyQuery } from '../../src/model/queries.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';

const START = Date.UTC(2026, 10, 27, 12);
const MINUTE = 60_000;
const LATENESS_MS = 30_000;

function episode(meter: number, change: Partial<Anomaly> = {}): Anomaly {
  const startedAt = change.startedAt ?? START - 5 * MINUTE;
  return { id: `meter-${meter}/outage/${startedAt}`, meterId: `meter-${meter}`, region: 'north', kind: 'outage', severity: 'CRITICAL', startedAt, endedAt: null, endReason: null, value: 0, expected: 1, score: 9, message: '', ...change };
}

function part(region: string, windowStart: number, kw: number): RegionPart {
  return { region, granularity: '1m', windowStart, meters: 1, powerHigh: 0, powerLow: kw * 1e9, energyHigh: 0, energyLow: 0, minPowerKw: kw, maxPowerKw: kw, changes: 1 } as RegionPart;
}

/** A thread that takes in what it is told while it is there, and shards whose stores can be asked. */
class Grid {
  readonly time = new VirtualTime(START);
  readonly regions = new RegionState({ north: 100, south: 100 });
  readonly heard: Observation[] = [];
  stored: Anomaly[] = [];
  areShardsAway = false;
  areRegionsWhole = true;
  /** null: at once. */
  answer: ((observation: Observation) => Promise<void>) | null = null;
  /** Held back until it is called. */
  pageGate: Promise<void> = Promise.resolve();
  readonly feed: AlertFeed = new AlertFeed({
    clock: this.time,
    timers: this.time,
    log: nullLog,
    observe: (observation) => {
      this.heard.push(observation);
      return this.answer?.(observation) ?? Promise.resolve();
    },
    regions: () => this.regions,
    areRegionsWhole: () => this.areRegionsWhole,
    components: () => [],
    episodes: (query) => this.page(query),
    latenessMs: LATENESS_MS,
  });

  async page({ open, from, limit, cursor }: AnomalyQuery): Promise<{ data: Anomaly[]; nextCursor: string | null }> {
    if (this.areShardsAway) throw new OperationalError('unavailable', 'away', { retryable: true });
    const found = this.stored.filter(({ startedAt, endedAt }) => startedAt >= from && (!open || endedAt === null));
    const at = Number(cursor ?? 0);
    const data = structuredClone(found.slice(at, at + limit));
    await this.pageGate;
    return { data, nextCursor: at + limit < found.length ? String(at + limit) : null };
  }

  episodes(): Anomaly[] {
    return this.heard.flatMap(({ anomalies }) => anomalies);
  }

  windows(region: string): number[] {
    return this.heard.flatMap(({ regionWindows }) => regionWindows.filter((window) => window.region === region).map(({ windowStart }) => (windowStart - START) / MINUTE));
  }

  report(shard: number, ...parts: RegionPart[]): void {
    this.feed.windowsChanged(this.regions.take(shard, parts));
  }
}

let grid: Grid;
beforeEach(() => {
  grid = new Grid();
});

describe('episodes', () => {
  test('that are stored are handed to a thread that starts: all that go on, and those of the last day', async () => {
    const old = episode(1, { startedAt: START - 90 * 86_400_000 });
    const ended = episode(2, { endedAt: START - MINUTE });
    const longOver = episode(3, { startedAt: START - 90 * 86_400_000, endedAt: START - MINUTE });
    grid.stored = [old, ended, longOver];
    grid.feed.up();
    await grid.time.advanceSettled(1_000);
    expect(new Set(grid.episodes().map(({ id }) => id))).toEqual(new Set([old.id, ended.id]));
  });

  test('of more than a page are all handed on', async () => {
    grid.stored = Array.from({ length: 12_345 }, (_, i) => episode(i));
    grid.feed.up();
    await grid.time.advanceSettled(5_000);
    expect(new Set(grid.episodes().map(({ id }) => id)).size).toBe(12_345);
    expect(Math.max(...grid.heard.map(({ anomalies }) => anomalies.length))).toBeLessThanOrEqual(5_000);
  });

  test('are handed on as they are reported, within a quarter of a second', async () => {
    grid.feed.up();
    await grid.time.advanceSettled(10_000);
    grid.feed.episodeChanged(episode(1));
    grid.feed.episodeChanged(episode(1, { endedAt: START }));
    await grid.time.advanceSettled(250);
    expect(grid.episodes()).toEqual([episode(1, { endedAt: START })]);
  });

  test('that change while the stores are read count as reported, not as read before', async () => {
    let open = (): void => {};
    grid.stored = [episode(1)];
    grid.pageGate = new Promise((resolve) => (open = resolve));
    grid.feed.up();
    await grid.time.advanceSettled(300);
    grid.feed.episodeChanged(episode(1, { endedAt: START }));
    await grid.time.advanceSettled(300);
    open();
    await grid.time.advanceSettled(1_000);
    expect(grid.episodes()).toEqual([episode(1, { endedAt: START })]);
  });

  test('are read when the shards are back, if they were away', async () => {
    grid.stored = [episode(1)];
    grid.areShardsAway = true;
    grid.feed.up();
    await grid.time.advanceSettled(5_000);
    expect(grid.episodes()).toEqual([]);
    grid.areShardsAway = false;
    await grid.time.advanceSettled(1_500);
    expect(grid.episodes()).toContainEqual(episode(1));
  });

  test('are read once more when a shard was restarted: what it had not reported is in its store', async () => {
    grid.feed.up();
    await grid.time.advanceSettled(1_000);
    grid.stored = [episode(1)];
    await grid.time.advanceSettled(1_000);
    expect(grid.episodes()).toEqual([]);
    grid.feed.episodesMissed();
    await grid.time.advanceSettled(1_000);
    expect(grid.episodes()).toContainEqual(episode(1));
  });

  test('of which too many change at once are bounded in memory, and read again', async () => {
    grid.feed.up();
    await grid.time.advanceSettled(1_000);
    grid.answer = () => new Promise(() => {});
    grid.stored = Array.from({ length: 60_000 }, (_, i) => episode(i));
    for (const anomaly of grid.stored) grid.feed.episodeChanged(anomaly);
    grid.answer = null;
    await grid.time.advanceSettled(30_000);
    expect(new Set(grid.episodes().map(({ id }) => id)).size).toBe(60_000);
  });
});

describe('a message', () => {
  test('that was not confirmed is handed over again, and nothing beside it', async () => {
    grid.feed.up();
    await grid.time.advanceSettled(1_000);
    grid.answer = () => Promise.reject(new OperationalError('deadline', 'late', { retryable: true }));
    grid.feed.episodeChanged(episode(1));
    await grid.time.advanceSettled(500);
    grid.feed.episodeChanged(episode(2));
    await grid.time.advanceSettled(500);
    expect(grid.episodes().map(({ meterId }) => meterId)).toEqual(['meter-1', 'meter-1', 'meter-1', 'meter-1']);
    grid.answer = null;
    await grid.time.advanceSettled(500);
    expect(grid.episodes().slice(4).map(({ meterId }) => meterId)).toEqual(['meter-1', 'meter-2']);
  });

  test('is the only one under way', async () => {
    const confirm: (() => void)[] = [];
    grid.answer = () => new Promise((resolve) => confirm.push(resolve));
    grid.feed.up();
    await grid.time.advanceSettled(10_000);
    expect(grid.heard.length).toBe(1);
    confirm[0]();
    await grid.time.advanceSettled(250);
    expect(grid.heard.length).toBe(2);
  });

  test('of an earlier thread does not hold up the next one', async () => {
    grid.answer = () => new Promise(() => {});
    grid.stored = [episode(1)];
    grid.feed.up();
    await grid.time.advanceSettled(1_000);
    grid.feed.down();
    grid.answer = null;
    grid.feed.up();
    await grid.time.advanceSettled(1_000);
    expect(grid.episodes()).toContainEqual(episode(1));
    expect(grid.heard.length).toBeGreaterThan(1);
  });

  test('that an earlier thread confirms late does not stand for the next one\'s', async () => {
    const confirm: (() => void)[] = [];
    grid.answer = () => new Promise((resolve) => confirm.push(resolve));
    grid.feed.up();
    await grid.time.advanceSettled(300);
    grid.feed.up();
    await grid.time.advanceSettled(300);
    confirm[0]();
    await grid.time.advanceSettled(5_000);
    expect(grid.heard.length).toBe(2);
  });

  test('names the regions only when every shard has reported', async () => {
    grid.areRegionsWhole = false;
    grid.feed.up();
    await grid.time.advanceSettled(6_000);
    expect(grid.heard.every(({ regions }) => regions === null)).toBe(true);
    grid.areRegionsWhole = true;
    await grid.time.advanceSettled(5_000);
    expect(grid.heard.filter(({ regions }) => regions !== null).length).toBe(1);
  });
});

describe('regional windows', () => {
  test('are handed on once each, when they are final, in order', async () => {
    grid.feed.up();
    grid.report(0, part('north', START - 2 * MINUTE, 1), part('north', START - 3 * MINUTE, 1), part('north', START, 1));
    await grid.time.advanceSettled(1_000);
    expect(grid.windows('north')).toEqual([]);
    await grid.time.advanceSettled(1_000);
    // The one of two minutes ago ended a minute ago, and is final a second later.
    expect(grid.windows('north')).toEqual([-3, -2]);
    grid.report(0, part('north', START - 2 * MINUTE, 7));
    await grid.time.advanceSettled(2 * MINUTE - 1_500);
    expect(grid.windows('north')).toEqual([-3, -2]);
    await grid.time.advanceSettled(1_500);
    expect(grid.windows('north')).toEqual([-3, -2, 0]);
  });

  test('wait for the other shards\' parts', async () => {
    grid.feed.up();
    grid.report(0, part('north', START - 10 * MINUTE, 1));
    await grid.time.advanceSettled(600);
    grid.report(1, part('north', START - 10 * MINUTE, 2));
    await grid.time.advanceSettled(2_000);
    expect(grid.heard.flatMap(({ regionWindows }) => regionWindows)).toMatchObject([{ region: 'north', metersReporting: 2, sumPowerKw: 3 }]);
  });

  test('that come after a later one are left out', async () => {
    grid.feed.up();
    grid.report(0, part('north', START - 5 * MINUTE, 1), part('south', START - 9 * MINUTE, 1));
    await grid.time.advanceSettled(3_000);
    grid.report(0, part('north', START - 6 * MINUTE, 1), part('south', START - 8 * MINUTE, 1));
    await grid.time.advanceSettled(3_000);
    expect([grid.windows('north'), grid.windows('south')]).toEqual([[-5], [-9, -8]]);
  });

  test('of the last hours come again to a thread that starts', async () => {
    grid.feed.up();
    grid.report(0, part('north', START - 5 * MINUTE, 1), part('north', START - 400 * MINUTE, 1));
    await grid.time.advanceSettled(3_000);
    grid.feed.up();
    await grid.time.advanceSettled(3_000);
    expect(grid.windows('north')).toEqual([-5, -5]);
  });
});
