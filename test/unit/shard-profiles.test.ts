import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TestReading } from '../support/packed-readings.ts';
import { propertyRuns } from '../support/shard-lives.ts';
import { ShardHarness, type SentBatch } from '../support/shard-harness.ts';

const DAY_MS = 86_400_000;
/** A Monday, 00:00 UTC. */
const START_MS = Date.UTC(2026, 0, 5);
const SPACING_MS = 15 * 60_000;
const DAYS = 22;
const METERS = ['m-0', 'm-1', 'm-2'];
/** Of log and tables, so that now the one and now the other is first. */
const COMMITS_MS = [1, 30, 2, 3, 25, 1, 1];
const FATES = ['nothing', 'crash', 'crash after commit', 'full disk', 'restart'] as const;

/** A day's readings, every quarter of an hour; no two hours of a week are alike, nor two weeks. */
function readingsOf(day: number): TestReading[] {
  return METERS.flatMap((meterId, meter) =>
    Array.from({ length: DAY_MS / SPACING_MS }, (_, i) => ({ meterId, region: 'r', timestamp: START_MS + day * DAY_MS + i * SPACING_MS, powerKw: 5 + meter + ((day * 7 + Math.floor(i / 4)) % 24) / 24 + (i % 4) / 100 })),
  );
}

function profilesOf(shard: ShardHarness) {
  return METERS.map((meterId) => shard.ask<'meter'>({ kind: 'meter', meterId })!.baseline.hourOfWeek);
}

/** The disk was full. */
async function sendAgain(shard: ShardHarness, readings: readonly TestReading[]): Promise<void> {
  for (let batch: SentBatch | null = null; batch?.fate !== 'acknowledged'; ) {
    await shard.advance(1_000);
    batch = shard.send(readings);
    await shard.drain();
  }
}

async function lifeOf(fates: readonly (typeof FATES)[number][]): Promise<ShardHarness> {
  const shard = new ShardHarness({ startMs: START_MS + DAYS * DAY_MS, partitionCount: 1, stepMs: 20, intervalMs: 20 });
  await shard.start();
  let turn = 0;
  const sent: SentBatch[] = [];
  for (let day = 0; day < DAYS; day++) {
    // One meter after the other, so that some of a page's hours turn while others are on their way to disk.
    for (const meterId of METERS) {
      const readings = readingsOf(day).filter((reading) => reading.meterId === meterId);
      sent.push(shard.send(readings));
      for (let step = 0; step < 4; step++) {
        shard.configure({ commitMs: COMMITS_MS[turn++ % COMMITS_MS.length] });
        await shard.advance(4);
      }
    }
    await shard.drain();
    for (const { fate, readings } of sent.splice(0)) if (fate === 'refused') await sendAgain(shard, readings);
    const fate = fates[day % fates.length];
    if (fate === 'full disk') shard.disk.failNext('storage_full', 2);
    if (fate === 'crash') await shard.crash('lost');
    else if (fate === 'crash after commit') await shard.crash('kept');
    else if (fate === 'restart') await shard.restart();
    await shard.advance(fate === 'nothing' ? 5 : 3_000);
  }
  return shard;
}

describe('hour-of-week profiles', () => {
  it('are the same whatever became of the process while they were taught', { timeout: 60_000 }, async () => {
    const undisturbed = profilesOf(await lifeOf(['nothing']));
    expect(undisturbed.map((hours) => hours.length)).toEqual(METERS.map(() => 168));
    undisturbed.forEach((hours, meter) => expect(hours.every(({ meanKw }) => meanKw >= 5 + meter && meanKw <= 6.1 + meter)).toBe(true));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...FATES), { minLength: 3, maxLength: DAYS }), async (fates) => {
        expect(profilesOf(await lifeOf(fates))).toEqual(undisturbed);
      }),
      { numRuns: propertyRuns(6) },
    );
  });

  it('are not kept in memory once they are on disk', async () => {
    const shard = await lifeOf(['nothing']);
    await shard.advance(5_000);
    const held = shard.actor.state.directory.pages.flatMap(({ profiles }) => Array.from({ length: 24 }, (_, hour) => profiles.find(hour)).filter((found) => found !== undefined));
    expect(held).toEqual([]);
  });
});
