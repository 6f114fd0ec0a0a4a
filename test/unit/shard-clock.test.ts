import { describe, expect, it } from 'vitest';
import type { TestReading } from '../support/packed-readings.ts';
import { ShardHarness } from '../support/shard-harness.ts';

const AT = Date.UTC(2026, 0, 5);
const LATENESS_MS = 30_000;

function onePerMeter(meters: number): TestReading[] {
  return Array.from({ length: meters }, (_, meter) => ({ meterId: `m-${meter}`, region: 'r', timestamp: AT + 1, powerKw: 1 }));
}

describe("the clock's ticks", () => {
  it('close the windows of more meters than one tick may look at, soon after one another', async () => {
    const meters = 20_000;
    const shard = new ShardHarness({ startMs: AT, metersMax: meters, partitionCount: 16 });
    await shard.start();
    shard.send(onePerMeter(meters));
    await shard.drain();
    await shard.advance(60_000 + LATENESS_MS - (shard.nowMs - AT) - 1);
    expect(open(shard)).toBe(meters);
    // A tick comes within 250 ms; nineteen more go on after 10 ms each and a commit.
    for (let ms = 0; ms < 250 + 20 * 12; ms += 2) await shard.advance(2);
    expect(open(shard)).toBe(0);
  });

  it('do not gather while the disk stalls', async () => {
    const shard = new ShardHarness({ startMs: AT, metersMax: 20_000, partitionCount: 16 });
    await shard.start();
    shard.send(onePerMeter(20_000));
    await shard.drain();
    shard.configure({ commitMs: 20_000 });
    await shard.advance(60_000 + LATENESS_MS);
    expect(shard.actor.figures().unappliedRecords).toBeLessThanOrEqual(1);
    shard.configure({ commitMs: 1 });
    await shard.advance(30_000);
    expect(open(shard)).toBe(0);
  });

  it('go on after a full disk', async () => {
    const shard = new ShardHarness({ startMs: AT });
    await shard.start();
    shard.send(onePerMeter(3));
    await shard.drain();
    await shard.advance(60_000 + LATENESS_MS - 1_000);
    shard.disk.failNext('storage_full', 4);
    await shard.advance(10_000);
    expect(open(shard)).toBe(0);
  });
});

/** Meters of region r with an open 1-minute window. */
function open(shard: ShardHarness): number {
  const closed = shard.ask<'regionParts'>({ kind: 'regionParts', region: 'r', granularity: '1m', from: AT, to: AT + 60_000, limit: 1, withOpen: false });
  const all = shard.ask<'regionParts'>({ kind: 'regionParts', region: 'r', granularity: '1m', from: AT, to: AT + 60_000, limit: 1, withOpen: true });
  return (all[0]?.meters ?? 0) - (closed[0]?.meters ?? 0);
}
