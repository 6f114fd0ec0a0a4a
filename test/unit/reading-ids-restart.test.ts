import { expect, it } from 'vitest';
import { OUTCOME } from '../../src/model/reading.ts';
import type { TestReading } from '../support/packed-readings.ts';
import { ShardHarness, type HarnessOptions, type SentBatch } from '../support/shard-harness.ts';
import { LIFE_START_MS } from '../support/shard-lives.ts';

/** Where the memory of readingIds after a kill -9 could be another than before: each case asks for ids under other timestamps, dies, and looks what counted. */

async function begin(options: Partial<HarnessOptions>): Promise<ShardHarness> {
  const harness = new ShardHarness({ startMs: LIFE_START_MS, stepMs: 10, segmentBytesMax: 1, journalBytesMax: 50_000, intervalMs: 200, ...options });
  await harness.start();
  return harness;
}

function reading(meterId: string, afterMs: number, id?: number): TestReading {
  return { meterId, region: 'r0', timestamp: LIFE_START_MS + afterMs, powerKw: 1, ...(id === undefined ? {} : { readingId: [id, 7] as const }) };
}

async function send(harness: ShardHarness, readings: readonly TestReading[], thenMs = 100): Promise<SentBatch> {
  const batch = harness.send(readings);
  await harness.drain();
  await harness.advance(thenMs);
  return batch;
}

/** Log of others, a record a second. */
async function others(harness: ShardHarness, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await send(harness, [reading('other', i + 2)], 1_000);
}

/** Sends the readings, dies before they are on disk but for the log, and expects what was accepted to count, and nothing else. */
async function expectSameAfterDeath(harness: ShardHarness, readings: readonly TestReading[], what: string): Promise<boolean[]> {
  const batch = harness.send(readings);
  await harness.drain();
  const accepted = outcomesOf(batch).map((outcome) => outcome === OUTCOME.accepted);
  await harness.crash('kept', 'lost');
  // Without their ids: what is known is known by its timestamp.
  const again = await send(harness, readings.map(({ readingId: _, ...rest }) => rest));
  expect(outcomesOf(again).map((outcome) => outcome === OUTCOME.duplicate), what).toEqual(accepted);
  return accepted;
}

function outcomesOf({ readings, reply }: SentBatch): number[] {
  return readings.map((_, i) => reply!.outcomes?.[i] ?? OUTCOME.accepted);
}

it('ids that a clean stop left stay as long as they are known', async () => {
  const meters = Array.from({ length: 20 }, (_, i) => `m${i}`);
  let known = 0;
  for (let keepBytes = 400; keepBytes < 2_000; keepBytes += 100) {
    const harness = await begin({ journalKeepBytesMax: keepBytes });
    await send(harness, meters.map((meterId, i) => reading(meterId, 1, i)), 3_000);
    await harness.restart();
    // A tick comes first.
    await harness.advance(1_000);
    await others(harness, 6);
    const accepted = await expectSameAfterDeath(harness, meters.map((meterId, i) => reading(meterId, 10_000, i)), `${keepBytes} bytes`);
    if (!accepted[0]) known++;
  }
  expect(known).toBeGreaterThan(5);
});

it('an id that counted again after it was forgotten is known from then on', async () => {
  for (const keepBytes of [1_000, 1_500, 2_000]) {
    const harness = await begin({ segmentBytesMax: 1e6, journalKeepBytesMax: keepBytes });
    await send(harness, [reading('m0', 1, 5)]);
    await others(harness, 25);
    expect((await send(harness, [reading('m0', 2, 5)], 3_000)).reply!.accepted, 'it is forgotten').toBe(1);
    await send(harness, [reading('other', 100)], 3_000);
    await harness.crash('lost');
    expect((await send(harness, [reading('m0', 3, 5)])).reply!.accepted, `${keepBytes} bytes`).toBe(0);
  }
});

it('ids are the same where the clock went back', async () => {
  for (let backMs = 1_000; backMs <= 61_000; backMs += 20_000) {
    for (let keepBytes = 500; keepBytes < 1_600; keepBytes += 100) {
      const harness = await begin({ commitMs: 50, journalKeepBytesMax: keepBytes });
      await send(harness, [reading('m0', 1, 5)]);
      harness.jumpClock(-backMs);
      await harness.advance(500);
      await others(harness, 15);
      await expectSameAfterDeath(harness, [reading('m0', 3, 5)], `${keepBytes} bytes, ${backMs} ms`);
    }
  }
});

it('ids are the same where more came than the memory holds', async () => {
  let [known, pushedOut] = [0, 0];
  for (let before = 500; before <= 3_000; before += 500) {
    const harness = await begin({ journalKeepBytesMax: 320_000, journalBytesMax: 50e6, commitMs: 50 });
    let id = 1;
    const put = async (count: number): Promise<void> => {
      for (const end = id + count; id < end; id += 500) {
        harness.send(Array.from({ length: 500 }, (_, i) => reading('m0', id + i, id + i)));
        await harness.advance(1);
      }
      await harness.drain();
      await harness.advance(2_000);
      await harness.advance(1_010 - (harness.nowMs % 1_000));
    };
    // A second each, of which the first is trimmed; the memory has 4,096 places.
    await put(before);
    await put(2_000);
    const from = id;
    await put(6_000);
    await others(harness, 4);
    const accepted = await expectSameAfterDeath(harness, Array.from({ length: 6_000 }, (_, i) => reading('m0', 100_000 + from + i, from + i)), `${before} before`);
    for (const isNew of accepted) isNew ? pushedOut++ : known++;
  }
  expect(Math.min(known, pushedOut)).toBeGreaterThan(500);
});
