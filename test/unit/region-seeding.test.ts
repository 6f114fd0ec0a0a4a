import { describe, expect, it } from 'vitest';
import { RegionState } from '../../src/actors/region/state.ts';
import type { RegionMessage } from '../../src/actors/region/protocol.ts';
import type { RegionPart, ShardReport } from '../../src/actors/shard/protocol.ts';
import { RegionSeeding } from '../../src/engine/region-seeding.ts';
import { settled } from '../support/settled.ts';

const MINUTE_MS = 60_000;
const NOW_MS = Date.UTC(2026, 2, 1, 12);

function part(windowStart: number, meters: number): RegionPart {
  return { region: 'r0', granularity: '1m', windowStart, meters, powerHigh: 0, powerLow: meters, energyHigh: 0, energyLow: 0, minPowerKw: 0, maxPowerKw: 1, changes: meters };
}

function report(shard: number): ShardReport {
  return { kind: 'report', shard, live: [{ region: 'r0', meters: 1, reporting: 1, silent: 0, loadHigh: 0, loadLow: 0, powered: 1, openAnomalies: 0 }], parts: [], anomalies: [] };
}

function begin(answer: () => Promise<RegionPart[]>) {
  const told: RegionMessage[] = [];
  const asked: number[] = [];
  const seeding = new RegionSeeding({
    clock: { now: () => NOW_MS, monotonic: () => 0 },
    ask: (shard) => {
      asked.push(shard);
      return answer();
    },
    tell: (message) => told.push(message),
  });
  return { told, asked, seeding };
}

describe('a shard that reports for the first time', () => {
  it('is asked once for what it holds of each region, and again after its thread or the region actor was started anew', async () => {
    const { told, asked, seeding } = begin(async () => [part(NOW_MS - MINUTE_MS, 2)]);
    seeding.onReport(report(0));
    seeding.onReport(report(0));
    await settled();
    expect(asked).toEqual([0]);
    expect(told).toEqual([{ kind: 'storedParts', shard: 0, from: NOW_MS - 180 * MINUTE_MS, parts: [part(NOW_MS - MINUTE_MS, 2)] }]);
    seeding.shardDown(0);
    seeding.onReport(report(0));
    await settled();
    seeding.regionActorRestarted();
    seeding.onReport(report(0));
    await settled();
    expect(asked).toEqual([0, 0, 0]);
  });

  it('is believed what it reports while it is asked, rather than an answer that was on its way', async () => {
    let answer: (parts: RegionPart[]) => void = () => {};
    const { told, seeding } = begin(() => new Promise((resolve) => (answer = resolve)));
    seeding.onReport(report(0));
    seeding.onReport({ ...report(0), parts: [part(NOW_MS - MINUTE_MS, 3)] });
    answer([part(NOW_MS - MINUTE_MS, 2), part(NOW_MS - 2 * MINUTE_MS, 1)]);
    await settled();
    expect(told).toMatchObject([{ kind: 'storedParts', parts: [part(NOW_MS - 2 * MINUTE_MS, 1)] }]);
  });

  it('is asked again with its next report when it could not answer', async () => {
    let answers = 0;
    const { told, asked, seeding } = begin(async () => {
      if (answers++ === 0) throw new Error('busy');
      return [];
    });
    seeding.onReport(report(0));
    await settled();
    seeding.onReport(report(0));
    await settled();
    expect([asked, told.length]).toEqual([[0, 0], 1]);
  });
});

describe('a regional window that is older than what the shards were asked for', () => {
  it('is not shown, because a shard\'s part of it may be missing', () => {
    const state = new RegionState({ r0: 10 });
    state.seed(0, NOW_MS - 10 * MINUTE_MS, [part(NOW_MS - 5 * MINUTE_MS, 3)]);
    state.take(0, [part(NOW_MS - 20 * MINUTE_MS, 1), part(NOW_MS - 4 * MINUTE_MS, 1)]);
    expect(state.recentWindows('r0', NOW_MS, 0).map(({ windowStart }) => (NOW_MS - windowStart) / MINUTE_MS)).toEqual([5, 4]);
  });
});
