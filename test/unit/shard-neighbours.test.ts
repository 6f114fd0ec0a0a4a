import { describe, expect, it } from 'vitest';
import { DEFAULT_DETECTION } from '../../src/actors/shard/detection/detection-config.ts';
import type { TestReading } from '../support/packed-readings.ts';
import { ShardHarness } from '../support/shard-harness.ts';

/** A meter is dark "while its neighbours have power" only where a picture of the time of its windows says that they have. */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const NOW_MS = Date.UTC(2026, 0, 5, 12);
const METERS = 10;
const POWERED = { kind: 'regionPicture' as const, regions: [{ region: 'r', poweredShare: 1, reporting: METERS }] };

function minute(startMs: number, powerKw: (meter: number) => number): TestReading[] {
  return Array.from({ length: METERS }, (_, meter) => ({ meterId: `m${meter}`, region: 'r', timestamp: startMs, powerKw: powerKw(meter) }));
}

/** An hour of usual life from `fromMs` on, ten minutes without power for the meters that `isDark` says, and ten of usual life. */
function minutes(fromMs: number, isDark: (meter: number) => boolean): TestReading[][] {
  return Array.from({ length: 80 }, (_, i) => minute(fromMs + i * MINUTE_MS, (meter) => (i >= 60 && i < 70 && isDark(meter) ? 0 : 2 + 0.05 * Math.sin(i + meter))));
}

async function begin(): Promise<ShardHarness> {
  const shard = new ShardHarness({ startMs: NOW_MS });
  await shard.start();
  return shard;
}

/** Sends each minute when the clock says so, with the picture that the region actor would send every 5 s. */
async function live(shard: ShardHarness, batches: readonly TestReading[][], picture: typeof POWERED | null): Promise<void> {
  for (const readings of batches) {
    await shard.advance(readings[0].timestamp - shard.nowMs);
    shard.send(readings);
    for (let second = 0; second < 60; second += 5) {
      if (picture !== null) shard.actor.setPicture(picture);
      if (second < 55) await shard.advance(5_000);
    }
  }
  await shard.drain();
}

/** Sends all at once, as an import does. */
async function history(shard: ShardHarness, batches: readonly TestReading[][]): Promise<void> {
  shard.send(batches.flat());
  await shard.drain();
}

function outages(shard: ShardHarness): { meterId: string; startedAt: number; endedAt: number | null }[] {
  return shard
    .ask<'anomalies'>({ kind: 'anomalies', query: { meterId: null, region: null, kind: 'outage', severity: null, open: false, from: 0, to: 1e13, limit: 100, cursor: null } })
    .data.map(({ meterId, startedAt, endedAt }) => ({ meterId, startedAt, endedAt }));
}

describe('darkness', () => {
  it('in history is no outage: what the neighbours have now says nothing of then', async () => {
    const shard = await begin();
    shard.actor.setPicture(POWERED);
    await history(shard, minutes(NOW_MS - 2 * HOUR_MS, () => true));
    await shard.advance(1_000);
    expect(outages(shard)).toEqual([]);
  });

  it('of one meter alone in history is none either', async () => {
    const shard = await begin();
    shard.actor.setPicture(POWERED);
    await history(shard, minutes(NOW_MS - 2 * HOUR_MS, (meter) => meter === 3));
    await shard.advance(1_000);
    expect(outages(shard)).toEqual([]);
  });

  it('of a live meter whose neighbours have power is an outage, however long a window stays open', async () => {
    for (const latenessMs of [1_000, 30_000, 60_000]) {
      const shard = new ShardHarness({ startMs: NOW_MS, latenessMs });
      await shard.start();
      await live(shard, minutes(NOW_MS, (meter) => meter === 3), POWERED);
      const begun = NOW_MS + HOUR_MS;
      expect(outages(shard)).toEqual([{ meterId: 'm3', startedAt: begun, endedAt: begun + 10 * MINUTE_MS }]);
    }
  });

  it('of a live meter is none once the last picture is older than it reaches', async () => {
    const shard = await begin();
    const all = minutes(NOW_MS, (meter) => meter === 3);
    await live(shard, all.slice(0, 55), POWERED);
    await live(shard, all.slice(55), null);
    expect(outages(shard)).toEqual([]);
    expect(DEFAULT_DETECTION.darkPictureReachMs).toBeLessThan(5 * MINUTE_MS);
  });

  it('is judged the same by a replay, hours later', async () => {
    const shard = await begin();
    await live(shard, minutes(NOW_MS, (meter) => meter === 3), POWERED);
    await history(shard, minutes(NOW_MS - 4 * HOUR_MS, () => true).map((readings) => readings.map((reading) => ({ ...reading, meterId: `old-${reading.meterId}` }))));
    await shard.advance(1);
    const before = outages(shard);
    shard.jumpClock(6 * HOUR_MS);
    await shard.crash('lost');
    expect(outages(shard)).toEqual(before);
    expect(before.map(({ meterId }) => meterId)).toEqual(['m3']);
  });
});
