import { describe, expect, it } from 'vitest';
import { ShardExpectations } from '../support/shard-expectations.ts';
import { ShardHarness, type HarnessOptions } from '../support/shard-harness.ts';
import type { TestReading } from '../support/packed-readings.ts';
import { LIFE_START_MS, readingOf } from '../support/shard-lives.ts';

const MINUTE_MS = 60_000;
const HORIZON_MS = 40 * 86_400_000;

/** `count` readings of one meter, a minute apart. */
function minutes(meter: number, fromMinute: number, count: number, powerKw = 1): TestReading[] {
  return Array.from({ length: count }, (_, i) => readingOf(meter, LIFE_START_MS + (fromMinute + i) * MINUTE_MS, { powerKw: powerKw + i, isError: false, regionShift: 0 }));
}

async function begin(options: Partial<HarnessOptions> = {}): Promise<{ harness: ShardHarness; expectations: ShardExpectations }> {
  const harness = new ShardHarness({ startMs: LIFE_START_MS, ...options });
  const expectations = new ShardExpectations(harness, HORIZON_MS);
  await harness.start();
  return { harness, expectations };
}

function journalSequences(harness: ShardHarness): number[] {
  return [...harness.shardStore.records()].map(({ sequence }) => sequence);
}

describe('a shard that is killed', () => {
  // A batch passes through its commit, its turn of counting and a checkpoint within these milliseconds; every one of them is a place to die.
  const moments = Array.from({ length: 60 }, (_, ms) => ms);

  it.each(['lost', 'kept'] as const)('at any moment of a batch knows every acknowledged reading once, when what was under way is %s', async (underWay) => {
    const fates = new Set<string>();
    for (const ms of moments) {
      const { harness, expectations } = await begin({ commitMs: 12, stepMs: 5, intervalMs: 5 });
      harness.send(minutes(0, 0, 5));
      await harness.drain();
      const first = harness.send([...minutes(0, 3, 4, 4), ...minutes(1, 0, 3)]);
      await harness.advance(6);
      const second = harness.send([...minutes(0, 6, 2, 9), ...minutes(2, 0, 3)]);
      for (let i = 0; i < ms; i++) await harness.advance(1);
      await harness.crash(underWay);
      fates.add(`${first.fate} ${second.fate}`);
      // Whatever was not acknowledged is sent again, as a sender would.
      for (const batch of [first, second]) if (batch.fate === 'unknown') harness.send(batch.readings);
      await harness.drain();
      expectations.checkWindows(3, false);
      expectations.checkMeters();
    }
    expect([...fates].sort()).toEqual(['acknowledged acknowledged', 'acknowledged unknown', 'unknown unknown']);
  });

  it('again and again without a clean stop still knows everything', async () => {
    const { harness, expectations } = await begin({ stepMs: 50, intervalMs: 100, pagesPerStepMax: 1, journalKeepBytesMax: 0 });
    for (let round = 0; round < 12; round++) {
      harness.send([...minutes(0, round * 3, 4), ...minutes(1, 40 - round * 3, 4), ...minutes(100 + round, round, 2)]);
      await harness.advance(round * 17);
      await harness.crash(round % 2 === 0 ? 'lost' : 'kept');
      harness.jumpClock(1_500);
    }
    await harness.drain();
    expectations.checkWindows(2, false);
    expectations.checkMeters();
  });
});

describe('a log that is replayed', () => {
  it('closes by the clock what was closed then, so that no regional window loses a meter', async () => {
    // Three pages of one partition, written one a step; the last holds meter 900 alone, whose readings are old.
    const { harness, expectations } = await begin({ partitionCount: 1, stepMs: 1_000, intervalMs: 1e9, pagesPerStepMax: 1, journalKeepBytesMax: 0 });
    const fillers = (from: number, count: number, secondsAfter: number) =>
      Array.from({ length: count }, (_, i) => readingOf(from + i, LIFE_START_MS + secondsAfter * 1_000, { powerKw: 1, isError: false, regionShift: 0 }));
    const old = (minute: number, second: number, isError: boolean) =>
      readingOf(900, LIFE_START_MS - 3 * 3_600_000 + minute * MINUTE_MS + second * 1_000, { powerKw: 7, isError, regionShift: 0 });
    const pass = async (clockMs: number) => {
      harness.jumpClock(clockMs);
      await harness.advance(5_000);
    };
    // An ERROR reading is newest just past a quarter-hour, and opens no quarter-hour itself.
    harness.send([...fillers(100, 128, 0), old(15, 10, true)]);
    await harness.drain();
    await pass(60_000);
    // Page 0 has to be looked at 30 s after this, 10 s after the next.
    harness.send(fillers(100, 1, 66));
    await harness.drain();
    await pass(15_000);
    // A quarter-hour opens that is due at once; then the clock looks at page 0, and two steps write pages 0 and 1.
    harness.send([...fillers(101, 1, 86), ...fillers(170, 1, 86), old(14, 50, false)]);
    await harness.advance(20);
    harness.jumpClock(11_000);
    await harness.advance(1_200);
    await harness.crash('lost');
    await pass(86_400_000);
    expectations.checkWindows(100, true);
    expectations.checkRegions();
  });
});

describe('a shard whose disk is full', () => {
  it('counts nothing of the batches it refuses, and goes on when there is space', async () => {
    const { harness, expectations } = await begin();
    harness.disk.failNext('storage_full', 2);
    const refused = harness.send(minutes(0, 0, 3));
    await harness.drain();
    expect([refused.fate, refused.refusal?.code, refused.refusal?.retryable]).toEqual(['refused', 'storage_full', true]);
    const atOnce = harness.send(minutes(0, 0, 3));
    expect([atOnce.fate, atOnce.refusal?.code]).toEqual(['refused', 'storage_full']);
    expect(harness.ask<'meter'>({ kind: 'meter', meterId: 'm0' })).toBeNull();
    await harness.advance(1_100);
    expect(harness.send(minutes(0, 0, 3)).fate).toBe('waiting');
    await harness.drain();
    await harness.advance(1_100);
    const counted = harness.send(minutes(0, 0, 3));
    await harness.drain();
    expect([counted.fate, counted.reply?.accepted]).toEqual(['acknowledged', 3]);
    await harness.crash('lost');
    expectations.checkWindows(5, false);
    expectations.checkMeters();
  });

  it('leaves no log behind for a checkpoint that failed', async () => {
    const { harness } = await begin({ stepMs: 100, intervalMs: 100, journalKeepBytesMax: 0, segmentBytesMax: 1 });
    for (let i = 0; i < 20; i++) {
      // The step that follows the reading fails, and with it the removal of the log before it.
      harness.onApplied = () => (i % 4 === 3 ? harness.disk.failNext('storage_full') : undefined);
      harness.send(minutes(0, i, 1));
      await harness.drain();
      await harness.advance(1_300);
    }
    const kept = journalSequences(harness);
    expect(kept[0]).toBeGreaterThan(kept.at(-1)! - harness.actor.figures().journalRecords);
    expect(kept.length).toBeLessThan(6);
  });

  it('stops cleanly, and the next start finds everything in the log', async () => {
    const { harness, expectations } = await begin();
    harness.send(minutes(0, 0, 5));
    await harness.drain();
    harness.disk.failNext('storage_full', 5);
    await harness.restart();
    expectations.checkWindows(5, false);
    expectations.checkMeters();
  });
});

describe('a shard that was stopped in order', () => {
  const withId = (meter: number, minute: number, low: number) => ({ ...minutes(meter, minute, 1)[0], readingId: [low, 7] as const });

  it('begins its log anew with the readingIds, and knows them and all else', async () => {
    // Without expectations: they know nothing of readingIds.
    const harness = new ShardHarness({ startMs: LIFE_START_MS, segmentBytesMax: 1 });
    await harness.start();
    for (let n = 0; n < 6; n++) {
      harness.send([withId(n, n, 100 + n), ...minutes(50, n, 1)]);
      await harness.drain();
    }
    const last = journalSequences(harness).at(-1)!;
    await harness.restart();
    // One record with all ids; the segments before it went.
    expect(journalSequences(harness)[0]).toBeGreaterThan(last);
    expect(harness.shardStore.journal.first).toBe(harness.shardStore.logFrom());
    for (const _ of [1, 2]) {
      for (let n = 0; n < 6; n++) {
        const again = harness.send([withId(n, n + 20, 100 + n)]);
        await harness.drain();
        expect(again.reply).toMatchObject({ accepted: 0, duplicates: 1 });
      }
      await harness.restart();
    }
    expect(harness.windowsOf('m0', '1m', 10)).toHaveLength(1);
  });

  it('also when its last record changed no meter', async () => {
    const { harness, expectations } = await begin();
    harness.send(minutes(0, 0, 5));
    await harness.drain();
    await harness.restart();
    for (let round = 0; round < 3; round++) {
      harness.actor.setPicture({ kind: 'regionPicture', regions: [{ region: 'r0', poweredShare: 1, reporting: 5 }] });
      await harness.advance(50);
      await harness.restart();
      harness.send(minutes(0, 5 + round, 1));
      await harness.drain();
      await harness.crash('lost');
    }
    expectations.checkWindows(5, false);
    expectations.checkMeters();
  });
});

describe('a shard whose store fails for good', () => {
  it('gives up instead of going on in doubt, and the next process knows what was acknowledged', async () => {
    const { harness, expectations } = await begin({ commitMs: 5 });
    harness.send(minutes(0, 0, 3));
    await harness.advance(2);
    // Taken while the first is being written, so that the failure comes while the first is being counted.
    harness.send(minutes(1, 0, 3));
    await harness.advance(3);
    harness.disk.failNext('storage_failed');
    await expect(harness.advance(50)).rejects.toMatchObject({ code: 'storage_failed', retryable: false });
    await harness.crash('lost');
    expectations.checkWindows(5, false);
    expectations.checkMeters();
  });
});

describe('a shard that stops', () => {
  it('answers what it took, refuses what comes later and takes no more pictures', async () => {
    const { harness } = await begin();
    const before = harness.send(minutes(0, 0, 2));
    const stopping = harness.actor.stop();
    const later = harness.send(minutes(0, 2, 2));
    expect([later.fate, later.refusal?.code, later.refusal?.retryable]).toEqual(['refused', 'stopping', true]);
    await harness.drain();
    await harness.advance(20);
    await stopping;
    expect(before.fate).toBe('acknowledged');
    const log = journalSequences(harness);
    harness.actor.setPicture({ kind: 'regionPicture', regions: [{ region: 'r0', poweredShare: 1, reporting: 5 }] });
    await harness.advance(50);
    expect(journalSequences(harness)).toEqual(log);
  });
});
