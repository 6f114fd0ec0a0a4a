import { describe, expect, it } from 'vitest';
import { TRIM_STEP_MAX } from '../../src/actors/shard/actor-bounds.ts';
import type { Anomaly } from '../../src/model/anomaly.ts';
import type { TestReading } from '../support/packed-readings.ts';
import { ShardHarness, type HarnessOptions } from '../support/shard-harness.ts';
import { LIFE_START_MS, readingOf } from '../support/shard-lives.ts';

/** Tables that anybody can fill keep to their bounds, whatever one record brings. */

const ROWS_MAX = 700;
const plain = { isError: false, regionShift: 0 };

async function begin(options: Partial<HarnessOptions> = {}): Promise<ShardHarness> {
  const harness = new ShardHarness({ startMs: LIFE_START_MS, stepMs: 10, ...options });
  await harness.start();
  harness.send([readingOf(0, LIFE_START_MS, { powerKw: 0, ...plain })]);
  await harness.drain();
  await harness.advance(1_000);
  return harness;
}

/** Readings that contradict the first one, each another way. */
function contradictions(count: number): TestReading[] {
  return Array.from({ length: count }, (_, i) => readingOf(0, LIFE_START_MS, { powerKw: i + 1, ...plain }));
}

/** One record of them, and the steps that it makes due. */
async function reject(harness: ShardHarness, count: number): Promise<void> {
  harness.send(contradictions(count));
  await harness.drain();
  await harness.advance(100);
}

/** How often something goes to the tables in the time. */
async function commitsIn(harness: ShardHarness, ms: number): Promise<number> {
  const { shardStore } = harness;
  const commit = shardStore.commit.bind(shardStore);
  let commits = 0;
  shardStore.commit = () => {
    commits++;
    return commit();
  };
  await harness.advance(ms);
  shardStore.commit = commit;
  return commits;
}

function anomalyOf(n: number): Anomaly {
  return { id: `a${n}`, kind: 'outage', meterId: `m${n % 7}`, region: 'r', severity: 'low', startedAt: LIFE_START_MS + n, endedAt: null } as unknown as Anomaly;
}

describe('the bound on dead letters', () => {
  it('holds after every step, though each record brings more than a step removes besides', async () => {
    const harness = await begin({ deadLettersMax: ROWS_MAX });
    const counts: number[] = [];
    for (let i = 0; i < 8; i++) {
      await reject(harness, 600);
      counts.push(harness.shardStore.deadLetters.count());
    }
    expect(counts).toEqual([600, 700, 700, 700, 700, 700, 700, 700]);
  });

  it('holds where one record brings more than all, and the newest are kept', async () => {
    const harness = await begin({ deadLettersMax: ROWS_MAX });
    let put = 0;
    const { shardStore } = harness;
    const putDeadLetter = shardStore.putDeadLetter.bind(shardStore);
    shardStore.putDeadLetter = (...letter) => {
      put++;
      putDeadLetter(...letter);
    };
    await reject(harness, 5_000);
    expect(shardStore.deadLetters.count()).toBe(ROWS_MAX);
    expect(put, 'none is written to be removed').toBe(ROWS_MAX);
    const { data } = harness.ask<'deadLetters'>({ kind: 'deadLetters', query: { meterId: null, code: null, from: 0, to: 1e13, limit: 1_000, cursor: null } });
    const indexes = data.map(({ index }) => index!).sort((a, b) => a - b);
    expect(indexes).toEqual(Array.from({ length: ROWS_MAX }, (_, i) => 4_300 + i));
  });

  it('keeps the same letters when the step was lost in a crash', async () => {
    const keysAfter = async (crashes: boolean) => {
      const harness = await begin({ deadLettersMax: ROWS_MAX, commitMs: 50 });
      harness.send(contradictions(3_000));
      await harness.drain();
      expect(harness.shardStore.deadLetters.count()).toBe(0);
      if (crashes) await harness.crash('lost');
      await harness.advance(1_000);
      return [...harness.shardStore.deadLetters.keys(Buffer.alloc(1), Buffer.alloc(80, 255))].map((key) => Buffer.from(key).toString('hex'));
    };
    const kept = await keysAfter(false);
    expect(kept.length).toBe(ROWS_MAX);
    expect(await keysAfter(true)).toEqual(kept);
  });

  it('is come back to while no reading comes, and then nothing is written any more', async () => {
    const harness = await begin();
    await reject(harness, 5 * TRIM_STEP_MAX);
    harness.configure({ deadLettersMax: ROWS_MAX });
    await harness.restart();
    const table = harness.shardStore.deadLetters;
    expect(table.count()).toBeGreaterThan(ROWS_MAX + TRIM_STEP_MAX);
    await harness.advance(2_000);
    expect(table.count()).toBe(ROWS_MAX);
    expect(await commitsIn(harness, 5_000)).toBe(0);
  });

  it('of none keeps none', async () => {
    const harness = await begin({ deadLettersMax: 0 });
    await reject(harness, 300);
    expect(harness.shardStore.deadLetters.count()).toBe(0);
  });
});

describe('the bound on anomalies', () => {
  it('is come back to while nothing comes, in both tables', async () => {
    const harness = await begin({ anomaliesMax: ROWS_MAX });
    const { shardStore } = harness;
    for (let n = 0; n < 5 * TRIM_STEP_MAX; n++) shardStore.putAnomaly({ change: 'opened', anomaly: anomalyOf(n) }, new Map());
    const committed = shardStore.commit();
    await harness.advance(100);
    await committed;
    expect(shardStore.anomalies.count()).toBe(5 * TRIM_STEP_MAX);
    // One step, after which the table is known to be too large.
    await reject(harness, 1);
    await harness.advance(2_000);
    expect([shardStore.anomalies.count(), shardStore.anomaliesByMeter.count()]).toEqual([ROWS_MAX, ROWS_MAX]);
    expect(await commitsIn(harness, 5_000)).toBe(0);
  });

  it('holds though each step opens more episodes than it removes besides', async () => {
    const harness = await begin({ anomaliesMax: ROWS_MAX });
    const { shardStore } = harness;
    const { episodes } = harness.actor.state;
    const take = episodes.take.bind(episodes);
    let next = 0;
    episodes.take = () => [...take(), ...Array.from({ length: 600 }, () => ({ change: 'opened' as const, anomaly: anomalyOf(next++) }))];
    const counts: number[] = [];
    for (let i = 0; i < 8; i++) {
      await reject(harness, 1);
      counts.push(shardStore.anomalies.count());
    }
    expect(next).toBeGreaterThanOrEqual(8 * 600);
    expect(Math.max(...counts)).toBeLessThanOrEqual(ROWS_MAX);
  });
});
