import { describe, expect, it } from 'vitest';
import type { LoadInterval } from '../../bench/load/load-events.ts';
import { MetricsPage } from '../../bench/load/metrics-page.ts';
import { judgeOverload, normalP99MaxMs, secondsUntilNormal, type OverloadReport } from '../../bench/load/overload-verdict.ts';
import { SampleCounts } from '../../bench/load/sample-counts.ts';
import { soakHeader, soakRow } from '../../bench/load/soak-table.ts';
import { judgeSoak, slopePerHour, type SoakRun } from '../../bench/load/soak-verdict.ts';
import type { SoakSample } from '../../bench/load/soak-watch.ts';
import { numberOption } from '../../bench/number-option.ts';

const START_MS = Date.parse('2026-11-25T00:00:00Z');
const MINUTE_MS = 60_000;
const RUN_MINUTES = 60;

function sampleAt(minute: number, anonMb: number, lagRecords: number): SoakSample {
  return {
    atMs: START_MS + minute * MINUTE_MS,
    memory: { rssMb: anonMb + 50, anonMb, fileMb: 50 },
    lagRecords,
    journalMb: 10,
    checkpointAgeSeconds: 1,
    heapMb: new Map([['main', 20], ['shard-0', 30]]),
    externalMb: new Map([['main', 5]]),
    loopDelayMs: new Map([['main', 2]]),
    windowsClosed: minute * 1_000,
  };
}

function intervalAt(minute: number, p99: number, readingsPerSecond = 1_000): LoadInterval {
  return { event: 'interval', endedMs: START_MS + (minute + 1) * MINUTE_MS, measuredMs: MINUTE_MS, readingsPerSecond, latencyMs: { p50: p99 / 4, p99, max: 2 * p99 }, overdue: 0, errors: {} };
}

const minutes = Array.from({ length: RUN_MINUTES }, (_, minute) => minute);

/** An hour as it should be, but for `changes`. */
function soakRun(changes: Partial<SoakRun> = {}): SoakRun {
  return {
    startMs: START_MS,
    durationMs: RUN_MINUTES * MINUTE_MS,
    settleMs: 5 * MINUTE_MS,
    wantedPerSecond: 1_000,
    reachedPerSecond: 1_000,
    unsent: 0,
    errors: {},
    // Memory goes up and down by a hundredth, and was far lower before it had settled.
    samples: minutes.map((minute) => sampleAt(minute, minute < 5 ? 100 : 500 + (minute % 2) * 5, minute % 3)),
    intervals: minutes.map((minute) => intervalAt(minute, 8)),
    acknowledged: 1_000,
    counted: 1_000,
    metersCompared: 50,
    windowDifferences: [],
    disk: { atStart: { storeBytes: 0, logBytes: 0 }, atEnd: { storeBytes: 59_000_000, logBytes: 0 } },
    checkpointSteps: { count: 1_000, over10Ms: 2, maxMs: 12.3 },
    ...changes,
  };
}

const failuresOf = (changes: Partial<SoakRun>): string[] => judgeSoak(soakRun(changes)).filter(({ holds }) => holds === false).map(({ text }) => text);

describe('the verdict of a soak', () => {
  it('passes a run that stays as it was, and states what the disk took and how long checkpoints held the shard', () => {
    expect(failuresOf({})).toEqual([]);
    const said = judgeSoak(soakRun()).map(({ text }) => text);
    expect(said).toContainEqual(expect.stringContaining('59,000 windows closed, 1,000 bytes each'));
    expect(said).toContain('checkpoints: 1,000 steps, 2 of them held the shard for more than 10 ms, the longest 12.3 ms');
  });

  it.each([
    ['memory that creeps up', { samples: minutes.map((minute) => sampleAt(minute, 500 + minute, 1)) }, /^memory flat: mean RssAnon 552\.0 MB in the last quarter, 522\.0 in the second, \+5\.7 %.*slope \+60\.0 MB\/hour/],
    ['memory that is not known', { samples: minutes.map((minute) => sampleAt(minute, NaN, 1)) }, /^memory flat/],
    ['lag that creeps up', { samples: minutes.map((minute) => sampleAt(minute, 500, minute)) }, /^lag flat: p99 of the consumption lag 59\.0 records in the last quarter, 29\.0 in the second/],
    ['latency that creeps up', { intervals: minutes.map((minute) => intervalAt(minute, 5 + minute)) }, /^latency flat/],
    ['a stretch without answers', { intervals: minutes.map((minute) => ({ ...intervalAt(minute, 8), latencyMs: minute < 46 ? intervalAt(minute, 8).latencyMs : null })) }, /^latency flat/],
    ['a rate that was not held', { reachedPerSecond: 980 }, /^rate held: 980 of 1,000/],
    ['a refused request', { errors: { 429: 1 } }, /^rate held.*1 with 429/],
    ['a reading too few', { counted: 999 }, /^counts equal: 1,000 readings acknowledged, 999/],
    ['a reading too many', { counted: 1_001 }, /^counts equal/],
    ['a window that differs', { windowDifferences: ['meter-000000 has 4 readings in its 1m windows, its sender counted 5'] }, /^windows hold what was sent.*1 differ: meter-000000/],
    ['no window that could be compared', { metersCompared: 0 }, /^windows hold/],
  ] satisfies [string, Partial<SoakRun>, RegExp][])('fails for %s', (_what, changes, text) => {
    const failures = failuresOf(changes);
    expect(failures).toHaveLength(1);
    expect(failures[0]).toMatch(text);
  });

  it('finds the slope of a line', () => {
    expect(slopePerHour(minutes.map((minute) => ({ atMs: START_MS + minute * MINUTE_MS, value: 7 - 0.5 * minute })))).toBeCloseTo(-30, 9);
  });
});

describe('a row of the soak', () => {
  it('has a cell for each column, with means, highest values and lag of its samples', () => {
    const row = soakRow({ elapsedMs: MINUTE_MS, load: intervalAt(0, 8), samples: [sampleAt(0, 100, 3), sampleAt(1, 200, 9)], disk: { storeBytes: 3 << 20, logBytes: 7 << 20 } });
    const cells = row.split('|').slice(1, -1).map((cell) => cell.trim());
    expect(cells).toEqual(['1.0', '1,000', '0', '2.0', '8.0', '150', '50', 'main 20, shard-0 30', 'main 5, shard-0 –', '3', '7', '9 (9)', '1', '10', 'main 2, shard-0 –']);
    for (const line of soakHeader()) expect(line.split('|')).toHaveLength(cells.length + 2);
  });

  it('says so where nothing is known', () => {
    expect(soakRow({ elapsedMs: 0, load: { ...intervalAt(0, 8), latencyMs: null }, samples: [], disk: { storeBytes: 0, logBytes: 0 } })).not.toMatch(/NaN|Infinity/);
  });
});

describe('counts of sampled meters', () => {
  it('add up over loads, and leave out a meter that was once in doubt', () => {
    const counts = new SampleCounts();
    counts.add([{ meterId: 'a', readings: 1 }, { meterId: 'b', readings: 2 }]);
    counts.add([{ meterId: 'a', readings: 10 }]);
    counts.add([{ meterId: 'a', readings: 100 }, { meterId: 'b', readings: 100 }]);
    expect(counts.list()).toEqual([{ meterId: 'a', readings: 111 }]);
  });
});

describe('a page of metrics', () => {
  const page = new MetricsPage('# HELP x y\nlag{shard="0"} 3\nlag{shard="1"} 4.5\nup 1\nlag_total{shard="0",kind="a b"} 1e3\n');

  it('gives samples by name and labels', () => {
    expect([page.sum('lag'), page.max('lag'), page.sum('lag', { shard: '1' }), page.sum('up'), page.sum('lag_total', { kind: 'a b' })]).toEqual([7.5, 4.5, 4.5, 1, 1_000]);
  });

  it('does not take a missing metric for zero', () => {
    expect([page.sum('gone'), page.max('gone'), page.sum('lag', { shard: '2' })]).toEqual([NaN, NaN, NaN]);
  });
});

describe('the verdict of an overload', () => {
  const seconds = (p99s: readonly number[], readingsPerSecond = 1_000): LoadInterval[] =>
    p99s.map((p99, k) => ({ ...intervalAt(0, p99, readingsPerSecond), endedMs: START_MS + 200 + (k + 1) * 1_000, measuredMs: 1_000 }));

  it('is back to normal with the first of three good seconds in a row', () => {
    expect(secondsUntilNormal(seconds([400, 9, 30, 9, 9, 9, 30]), START_MS, 10, 1_000)).toBeCloseTo(4.2, 9);
    expect(secondsUntilNormal(seconds([9, 9]), START_MS, 10, 1_000)).toBeNull();
    expect(secondsUntilNormal(seconds([9, 9, 9], 800), START_MS, 10, 1_000), 'a fast answer to a part of the load').toBeNull();
  });

  it('takes twice the normal p99 for normal, and whatever is below 10 ms', () => {
    expect([normalP99MaxMs(3), normalP99MaxMs(9)]).toEqual([10, 18]);
  });

  const memoryOf = (anonMb: number, rssMb: number) => ({ anonMb, rssMb, fileMb: rssMb - anonMb });
  function overload(changes: Partial<OverloadReport> = {}): OverloadReport {
    return {
      capacityPerSecond: 1_000,
      flood: { offeredPerSecond: 10_000, acceptedPerSecond: 1_000, requests: 10, answers: { 202: 5, 429: 5 }, faults: [], faultCount: 0, acknowledged: 5, uncertain: 0, sample: [] },
      memory: { normal: memoryOf(100, 200), highest: memoryOf(119, 239), bySecond: [] },
      p99Ms: { normal: 5, othersBystanders: 5, bystanders: 9 },
      recovery: { backAfterSeconds: 1.1, lookedSeconds: 20, p99MaxMs: 10, seconds: [{ p99Ms: 9, readingsPerSecond: 500 }], refused: { 429: 1 } },
      bystanders: { idle: 10_000, slow: 50, closedByEngine: 0, idleLowest: 10_000 },
      checkpointSteps: { count: 100, over10Ms: 0, maxMs: 6 },
      verified: 'windows of 50 meters',
      failures: [],
      ...changes,
    };
  }

  it('passes an engine that refuses and is back at once', () => {
    expect(judgeOverload(overload(), 0)).toEqual([]);
  });

  it('does not blame the engine for what sockets cost the machine, whosever they are', () => {
    expect(judgeOverload(overload({ p99Ms: { normal: 5, othersBystanders: 9, bystanders: 17 } }), 0)).toEqual([]);
  });

  it.each([
    ['own memory', { memory: { ...overload().memory, highest: memoryOf(121, 239) } }, /^own memory \(RssAnon\) rose from 100 to 121 MB/],
    ['resident memory', { memory: { ...overload().memory, highest: memoryOf(119, 241) } }, /^resident memory \(RSS\) rose from 200 to 241 MB/],
    ['a refusal without Retry-After', { flood: { ...overload().flood, faultCount: 1, faults: ['an answer 429 without Retry-After'] } }, /without Retry-After/],
    ['no refusal', { flood: { ...overload().flood, answers: { 202: 5 } } }, /nothing was refused/],
    ['an error after the flood', { recovery: { ...overload().recovery, refused: { 500: 1 } } }, /after the flood were answered 500/],
    ['harm by idle connections', { p99Ms: { normal: 5, othersBystanders: 5, bystanders: 11 } }, /^p99 beside idle and slow connections is 11\.0 ms, beside another server's 5\.0 ms/],
    ['a late recovery', { recovery: { ...overload().recovery, backAfterSeconds: 5.1 } }, /only 5\.1 s after/],
    ['no recovery', { recovery: { ...overload().recovery, backAfterSeconds: null } }, /not back below 10\.0 ms within 20 s/],
  ] satisfies [string, Partial<OverloadReport>, RegExp][])('fails for %s', (_what, changes, text) => {
    const failures = judgeOverload(overload(changes), 0);
    expect(failures).toHaveLength(1);
    expect(failures[0]).toMatch(text);
  });
});

describe('a number on the command line', () => {
  it('is multiplied into its unit, and absent when it was not given', () => {
    expect(numberOption('--minutes', '1.5', { min: 0, max: 10, times: MINUTE_MS })).toBe(90_000);
    expect(numberOption('--minutes', undefined, { min: 0, max: 10 })).toBeUndefined();
  });

  it.each(['', ' ', 'x', '11', '-1', '1e9', 'NaN'])('is refused when it is %j', (text) => {
    expect(() => numberOption('--minutes', text, { min: 0, max: 10 })).toThrow('--minutes takes a number from 0 to 10');
  });

  it('is refused when it should be whole', () => {
    expect(() => numberOption('--meters', '1.5', { min: 0, max: 10, whole: true })).toThrow('a whole number');
  });
});
