import { describe, expect, it } from 'vitest';
import { STEP_ROWS_MAX, TICK_METERS_MAX } from '../../src/actors/shard/actor-bounds.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { ShardHarness } from '../support/shard-harness.ts';

/** What a step of a checkpoint has to write in one go, whatever it takes: a fleet that falls silent, or readings that are all refused, must not make it long. */

const AT = Date.UTC(2026, 2, 1);
const METERS = 4_000;
const BATCH = 100;

/** A shard whose tables are on a slow disk; `rows` gets the anomalies and rejected readings of each step. */
async function slowShard(commitMs = 300): Promise<{ shard: ShardHarness; rows: number[] }> {
  const shard = new ShardHarness({ startMs: AT, metersMax: METERS, stepMs: 100 });
  await shard.start();
  const { shardStore, time } = shard;
  const rows: number[] = [];
  let queued = 0;
  for (const name of ['putAnomaly', 'putDeadLetter'] as const) {
    const put = shardStore[name].bind(shardStore) as (...parameters: unknown[]) => never;
    shardStore[name] = (...parameters: unknown[]) => {
      queued++;
      return put(...parameters);
    };
  }
  const commit = shardStore.commit.bind(shardStore);
  shardStore.commit = async () => {
    if (queued > 0) rows.push(queued);
    queued = 0;
    const written = commit();
    await new Promise<void>((resolve) => time.after(commitMs, resolve));
    await written;
  };
  return { shard, rows };
}

function sendAll(shard: ShardHarness, timestamp: number, powerKw: number): void {
  for (let from = 0; from < METERS; from += BATCH) shard.send(Array.from({ length: BATCH }, (_, i) => ({ meterId: `m${from + i}`, region: 'r', timestamp, powerKw })));
}

describe('rows that a checkpoint step has to write', () => {
  it('are bounded when all meters of a shard fall silent at once, and when all are back', async () => {
    const { shard, rows } = await slowShard();
    for (let minute = 0; minute < 6; minute++) {
      sendAll(shard, shard.nowMs, 1);
      await shard.advance(60_000);
    }
    expect(rows).toEqual([]);
    await shard.advance(40 * 60_000);
    const { open } = shard.actor.state.episodes;
    expect(open.outage).toBe(METERS);
    sendAll(shard, shard.nowMs, 1);
    await shard.advance(60_000);
    expect(open.outage).toBe(0);
    // Each outage is opened, and over.
    expect(rows.reduce((sum, count) => sum + count, 0)).toBe(2 * METERS);
    expect(Math.max(...rows)).toBeLessThan(STEP_ROWS_MAX + TICK_METERS_MAX);
  });

  it('are bounded when every reading is refused', async () => {
    const { shard, rows } = await slowShard();
    sendAll(shard, AT, 1);
    await shard.advance(10_000);
    sendAll(shard, AT, 2);
    await shard.advance(30_000);
    expect(rows.reduce((sum, count) => sum + count, 0)).toBe(METERS);
    expect(Math.max(...rows)).toBeLessThan(STEP_ROWS_MAX + BATCH);
  });

  it('are written at once when the next record waits for them', async () => {
    const { shard, rows } = await slowShard(5);
    sendAll(shard, AT, 1);
    await shard.advance(10_000);
    sendAll(shard, AT, 2);
    // In small pieces: a promise has its turn only between them.
    for (let ms = 0; ms < 500; ms++) await shard.advance(1);
    expect(rows.reduce((sum, count) => sum + count, 0)).toBe(METERS);
  });

  it('do not keep what is in the log from counting while the tables find no room on the disk', async () => {
    const { shard } = await slowShard();
    sendAll(shard, AT, 1);
    await shard.advance(10_000);
    shard.shardStore.commit = async () => {
      throw new OperationalError('storage_full', 'the disk is full', { retryable: true });
    };
    sendAll(shard, AT, 2);
    await shard.advance(500);
    expect([shard.actor.figures().unappliedRecords, shard.actor.figures().deadLetters]).toEqual([0, METERS]);
  });
});
