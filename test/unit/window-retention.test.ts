import { describe, expect, it } from 'vitest';
import { verifyShard } from '../../src/actors/shard/verify.ts';
import { BEGINNING } from '../../src/actors/sinks/protocol.ts';
import { OUTCOME } from '../../src/model/reading.ts';
import { EffectConsumer } from '../support/effect-consumer.ts';
import { batchOf, type TestReading } from '../support/packed-readings.ts';
import { ShardHarness, type HarnessOptions } from '../support/shard-harness.ts';
import { LIFE_START_MS, readingOf } from '../support/shard-lives.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DATABASE = 'timescale';

function reading(meter: number, minute: number, powerKw = 1, regionShift = 0): TestReading {
  return readingOf(meter, LIFE_START_MS + minute * MINUTE_MS, { powerKw, isError: false, regionShift });
}

function minutes(meter: number, from: number, to: number): TestReading[] {
  return Array.from({ length: to - from }, (_, i) => reading(meter, from + i));
}

async function begin(options: Partial<HarnessOptions> = {}): Promise<ShardHarness> {
  const harness = new ShardHarness({ startMs: LIFE_START_MS, correctionHorizonMs: HOUR_MS, retention: { keepMs: [HOUR_MS, HOUR_MS] }, stepMs: 20, intervalMs: 40, ...options });
  await harness.start();
  return harness;
}

async function settle(harness: ShardHarness): Promise<void> {
  await harness.drain();
  await harness.advance(1_000);
}

/** Minutes, from LIFE_START_MS, of the windows there are. */
function minutesOf(harness: ShardHarness, meter: number): number[] {
  return harness.windowsOf(`m${meter}`, '1m', 1_000).map(({ windowStart }) => (windowStart - LIFE_START_MS) / MINUTE_MS);
}

describe('windows that are old', () => {
  it('go by each meter\'s own time, some with a step', async () => {
    const harness = await begin();
    harness.send([...minutes(0, 0, 3_000), ...minutes(1, 0, 70)]);
    await harness.drain();
    const counts: number[] = [];
    for (let i = 0; i < 40; i++) {
      await harness.advance(20);
      counts.push(harness.shardStore.windows.count());
    }
    const taken = counts.map((count, i) => (i === 0 ? 0 : counts[i - 1] - count));
    expect(Math.max(...taken)).toBeLessThanOrEqual(2_000);
    expect(taken.filter((count) => count > 0).length).toBeGreaterThan(1);
    // 2999 − 60 = 2939 lies in the quarter-hour that begins with 2925; 69 − 60 = 9 in the first.
    expect(minutesOf(harness, 0)[0]).toBe(2_925);
    expect(minutesOf(harness, 1)[0]).toBe(0);
  });

  it('go though they lay in their slots when their page was written long after their time', async () => {
    const harness = await begin();
    // The step that follows the batch comes before the tick that closes the first minute: that is old already, and not in the store. The other lies in the other slot.
    harness.send([reading(0, 0), reading(0, 201)]);
    await settle(harness);
    expect(minutesOf(harness, 0)).toEqual([201]);
  });

  it('that are asked for do not keep open what their meter has passed: a replay, when more or less is gone, must close it with the same record', async () => {
    const harness = await begin();
    harness.send(minutes(0, 0, 200));
    await settle(harness);
    const { state } = harness.actor;
    const apply = (sequence: number, ...readings: TestReading[]): number[] => {
      const outcomes = new Uint8Array(readings.length);
      state.applyBatch(batchOf(readings), harness.nowMs, sequence, outcomes);
      return [...outcomes];
    };
    apply(1e6, reading(0, 201), reading(0, 202.6));
    const [before] = state.counters.windowsClosed;
    expect(apply(1e6 + 1, reading(0, 10))).toEqual([OUTCOME.tooLate]);
    expect(state.counters.windowsClosed[0]).toBe(before + 1);
  });

  it('stay for a database that has lost all, until it has them', async () => {
    const harness = await begin({ outbox: { consumers: [DATABASE], bytesMax: 1e9 } });
    const database = new EffectConsumer(DATABASE, harness);
    harness.send(minutes(0, 0, 60));
    await settle(harness);
    database.catchUp(1_000);
    await settle(harness);
    database.catchUp(1_000);
    database.written.windows.clear();
    database.read(10, BEGINNING);
    harness.send(minutes(0, 60, 200));
    await settle(harness);
    expect(minutesOf(harness, 0)[0]).toBe(0);
    database.written.cursor = BEGINNING;
    database.catchUp(1_000);
    await settle(harness);
    expect(minutesOf(harness, 0)[0]).toBe(135);
    expect([...database.written.windows.values()].filter(({ granularity }) => granularity === '1m').length).toBe(198);
  });

  it('go in the end, though their page was written anew while they waited for the database', async () => {
    const harness = await begin({ outbox: { consumers: [DATABASE], bytesMax: 1e9 } });
    const database = new EffectConsumer(DATABASE, harness);
    for (const from of [0, 100, 200]) {
      harness.send(minutes(0, from, from + 100));
      await settle(harness);
    }
    expect(minutesOf(harness, 0)[0]).toBe(0);
    database.catchUp(1_000);
    await settle(harness);
    expect(minutesOf(harness, 0)[0]).toBe(225);
  });

  it('are not made anew by a late reading when the horizon is longer than it was', async () => {
    const harness = await begin();
    harness.send(minutes(0, 0, 200));
    await settle(harness);
    harness.configure({ correctionHorizonMs: 4 * HOUR_MS, retention: { keepMs: [4 * HOUR_MS, 4 * HOUR_MS] } });
    await harness.restart();
    const late = harness.send([reading(0, 10), reading(0, 134.5), reading(0, 135.5)]);
    await settle(harness);
    expect([...late.reply!.outcomes!]).toEqual([OUTCOME.tooLate, OUTCOME.tooLate, OUTCOME.accepted]);
    await harness.crash('kept');
    expect(minutesOf(harness, 0)[0]).toBe(135);
  });

  it('leave their extremes in the regional windows that others are corrected in', async () => {
    const harness = await begin();
    const region = readingOf(0, 0, { powerKw: 1, isError: false, regionShift: 0 }).region;
    // Of meter 3, which is in the same region, one reading has the lowest power there; its window goes. Meter 0 leaves the region within the minute, late.
    harness.send([reading(0, 0, 5), reading(3, 0, 1), ...minutes(3, 100, 102), ...minutes(0, 1, 3)]);
    await settle(harness);
    expect(minutesOf(harness, 3)[0]).toBe(100);
    harness.send([reading(0, 0.5, 6, 1)]);
    await settle(harness);
    const ask = () => harness.ask<'regionParts'>({ kind: 'regionParts', region, granularity: '1m', from: LIFE_START_MS, to: LIFE_START_MS + MINUTE_MS, limit: 1, withOpen: false });
    expect(ask()).toMatchObject([{ meters: 1, minPowerKw: 1, maxPowerKw: 1 }]);
    await harness.restart();
    expect(ask()).toMatchObject([{ meters: 1, minPowerKw: 1, maxPowerKw: 1 }]);
  });

  it('that came back are found by seg verify', async () => {
    const harness = await begin();
    harness.send(minutes(0, 0, 200));
    await settle(harness);
    const { windows } = harness.shardStore;
    const verify = () => verifyShard(harness.shardStore, { shard: 0, shardCount: 1, state: harness.shardStore.settings()! }).findings;
    expect(verify()).toEqual([]);
    const [first] = [...windows.range(Buffer.alloc(1), Buffer.alloc(20, 255), { limit: 1 })];
    const key = Buffer.from(first.key);
    key.writeUInt32BE(key.readUInt32BE(7) - 200, 7);
    windows.put(key, first.value.slice());
    const committed = harness.shardStore.commit();
    await harness.advance(10);
    await committed;
    expect(verify()).toEqual(expect.arrayContaining([expect.objectContaining({ problem: 'is there though it was removed' })]));
  });
});
