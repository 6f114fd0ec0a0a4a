import { expect, test } from 'vitest';
import { ShardHarness } from '../support/shard-harness.ts';

test('the log that a start finds is trimmed to what is kept for readingIds once all of it is written, not minutes later', async () => {
  const startMs = Date.UTC(2026, 2, 1);
  const shard = new ShardHarness({ startMs, segmentBytesMax: 1_000, journalKeepBytesMax: 3_000 });
  await shard.start();
  for (let i = 0; i < 300; i++) {
    shard.send([{ meterId: `m-${i % 20}`, region: 'r', timestamp: startMs + i, powerKw: 1 }]);
    await shard.advance(3);
    // Nothing is written yet, and still some seconds pass: whole ones are kept.
    shard.jumpClock(100);
  }
  await shard.crash('kept');
  const found = shard.shardStore.journal.sizeBytes();
  expect(found).toBeGreaterThan(8_000);
  await shard.advance(10_000);
  expect(shard.actor.figures().dirtyPages).toBe(0);
  expect(shard.shardStore.journal.sizeBytes()).toBeLessThan(found / 2);
});

test('the log is trimmed while nothing but duplicates comes', async () => {
  const startMs = Date.UTC(2026, 2, 1);
  const shard = new ShardHarness({ startMs, segmentBytesMax: 1_000, journalKeepBytesMax: 3_000, journalBytesMax: 256_000 });
  await shard.start();
  const reading = { meterId: 'm', region: 'r', timestamp: startMs, powerKw: 1 };
  let longest = 0;
  for (let i = 0; i < 1_000; i++) {
    shard.send([reading]);
    await shard.advance(100);
    longest = Math.max(longest, shard.shardStore.journal.sizeBytes());
  }
  // What is kept, what comes before it is looked at, and a segment.
  expect(longest).toBeLessThan(12_000);
  expect(shard.ask<'meter'>({ kind: 'meter', meterId: 'm' })?.readings).toBe(1);
});

test('the log is looked at now and then, however little comes', async () => {
  const startMs = Date.UTC(2026, 2, 1);
  const shard = new ShardHarness({ startMs, segmentBytesMax: 1 });
  await shard.start();
  for (let minute = 0; minute < 60; minute++) {
    shard.send([{ meterId: 'm', region: 'r', timestamp: startMs, powerKw: 1 }]);
    await shard.advance(60_000);
  }
  // Five minutes for readingIds, and as long again until the next look.
  expect(shard.shardStore.lastSequence() - shard.shardStore.logFrom()).toBeLessThan(15);
});
