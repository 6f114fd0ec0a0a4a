import { describe, expect, test } from 'vitest';
import { RegionState } from '../../src/actors/region/state.ts';
import type { RegionLivePart, RegionPart, ShardReport } from '../../src/actors/shard/protocol.ts';
import { LiveBoard } from '../../src/engine/live-board.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { ANOMALY, fakeEngine, METER, WINDOW } from '../support/fake-engine.ts';
import { settled } from '../support/settled.ts';

const START = Date.UTC(2026, 0, 15, 12, 0);
const LATENESS_MS = 30_000;

function boardOf() {
  const time = new VirtualTime(START);
  const regions = new RegionState({ north: 10, south: 10 });
  const queries = fakeEngine();
  const board = new LiveBoard({ regions: () => regions, queries, clock: time, latenessMs: LATENESS_MS, engine: () => expect.unreachable() });
  regions.seed(0, START - 3_600_000, []);
  /** A report of the only shard, as it reaches the board. */
  const report = (reporting: Record<string, number>, ...starts: number[]): void => {
    const live = Object.entries(reporting).map(([region, count]): RegionLivePart => ({ region, meters: 5, reporting: count, silent: 0, loadHigh: 0, loadLow: 0, powered: 0, openAnomalies: 0 }));
    const parts = starts.map((windowStart) => ({ region: 'north', granularity: '1m', windowStart, meters: 1, powerHigh: 0, powerLow: 0, energyHigh: 0, energyLow: 0, minPowerKw: 1, maxPowerKw: 1 }) as unknown as RegionPart);
    board.regionsChanged({ windows: regions.report({ kind: 'report', shard: 0, live, parts } as unknown as ShardReport) });
  };
  return { time, board, queries, report };
}

describe('the board of the live stream', () => {
  test('tells of the regions that are otherwise than they were, and of windows that changed', () => {
    const { board, report } = boardOf();
    const told: string[][] = [];
    board.onRegions(({ regions, windows }) => told.push([...regions.map(({ region, metersReporting }) => `${region} ${metersReporting}`), ...windows.map(({ windowStart }) => `window ${windowStart - START}`)]));
    report({ north: 1, south: 2 });
    report({ north: 1, south: 3 }, START);
    report({ north: 1, south: 3 });
    report({ north: 1, south: 3 }, START, START + 60_000);
    expect(told).toEqual([['north 1', 'south 2'], ['south 3', 'window 0'], ['window 0', 'window 60000']]);
  });

  test('reads the newest episodes from the stores when a shard could not report all', async () => {
    const { board, queries } = boardOf();
    const report = { kind: 'report', shard: 0, live: [], parts: [], anomalies: [] } as ShardReport;
    queries.anomalies = async () => ({ data: [{ ...ANOMALY, id: 'newer' }, { ...ANOMALY, id: 'older' }], nextCursor: null });
    board.reported(report);
    await settled();
    expect(board.anomaliesRecent()).toEqual([]);
    board.reported({ ...report, anomaliesMissed: true });
    await settled();
    expect(board.anomaliesRecent().map(({ id }) => id)).toEqual(['newer', 'older']);
    queries.anomalies = () => Promise.reject(new Error('the shard is away'));
    board.reported({ ...report, anomaliesMissed: true });
    await settled();
  });

  test('tells of windows once they are closed, and has those of the last hour', () => {
    const { time, board, report } = boardOf();
    const told: number[] = [];
    board.onClosedWindows((windows) => told.push(...windows.map(({ windowStart }) => windowStart - START)));
    report({ north: 1 }, START - 2 * 3_600_000, START, START + 60_000);
    time.advance(60_000 + 2 * LATENESS_MS + 1_000);
    board.tellClosed();
    board.tellClosed();
    expect([told, board.closedWindows().map(({ windowStart }) => windowStart - START)]).toEqual([[0], [0]]);
    time.advance(60_000);
    board.tellClosed();
    expect(told).toEqual([0, 60_000]);
  });

  test('has a meter\'s open windows, and the newest closed ones beside them', async () => {
    const { board, queries } = boardOf();
    queries.meterWindows = async (_meter, { granularity }) => ({ data: [{ ...WINDOW, granularity, final: true }, { ...WINDOW, granularity, final: false }], nextCursor: null });
    const now = (await board.watchMeter(METER.meterId))!;
    expect([now.openWindows, now.closedWindows].map((windows) => windows.map(({ granularity, final }) => `${granularity} ${final}`))).toEqual([['1m false', '15m false'], ['1m true', '15m true']]);
  });
});
