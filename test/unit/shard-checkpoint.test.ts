import { describe, expect, it } from 'vitest';
import { Checkpoint, type CheckpointOptions } from '../../src/actors/shard/checkpoint.ts';
import { DEFAULT_DETECTION } from '../../src/actors/shard/detection/detection-config.ts';
import { ShardState } from '../../src/actors/shard/state.ts';
import { partitionOf } from '../../src/model/ids.ts';
import { batchOf } from '../support/packed-readings.ts';
import { memoryShardStore } from '../support/memory-shard-store.ts';

const PARTITIONS = 16;
const AT = Date.UTC(2026, 2, 1);

/** One meter, and so one page, in each of the first `count` partitions. */
function metersInPages(count: number): string[] {
  return Array.from({ length: count }, (_, partition) => {
    for (let n = 0; ; n++) if (partitionOf(`m${n}`, PARTITIONS) === partition) return `m${n}`;
  });
}

function shard(options: Partial<CheckpointOptions> = {}) {
  const store = memoryShardStore();
  const config = { partitionCount: PARTITIONS, latenessMs: 30_000, correctionHorizonMs: 40 * 86_400_000, metersMax: 100, regionsMax: 10, detection: DEFAULT_DETECTION };
  const state = new ShardState(config, { stored: store, loadPart: (...key) => store.loadPart(...key) });
  const checkpoint = new Checkpoint(state, store, { stepMs: 100, intervalMs: 1e9, pagesPerStepMax: 2, ...options });
  let sequence = 0;
  const outcomes = new Uint8Array(10);
  const read = (meterId: string) => state.applyBatch(batchOf([{ meterId, region: 'r', timestamp: AT + sequence * 1_000, powerKw: 1 }]), AT, ++sequence, outcomes);
  const pageOf = (meterId: string) => state.directory.pagesOf(partitionOf(meterId, PARTITIONS))[0];
  return { store, state, checkpoint, read, pageOf, applied: () => sequence };
}

describe('a checkpoint', () => {
  it('writes crowded pages first, then those that have waited longest', () => {
    const { state, checkpoint, read, pageOf, applied } = shard();
    const [a, b, c] = metersInPages(3);
    for (const meter of [a, b, c]) read(meter);
    state.turn.crowdedPages.add(pageOf(c));
    checkpoint.begin(applied(), 'hurried');
    expect([a, b, c].map((meter) => pageOf(meter).dirty)).toEqual([false, true, false]);
  });

  it('cuts a step short by its bytes and owes the rest to the next steps, no more', async () => {
    const { store, checkpoint, read, pageOf, applied } = shard({ pagesPerStepMax: 3, stepBytesMax: 1 });
    const meters = metersInPages(5);
    for (const meter of meters) read(meter);
    const behind: boolean[] = [];
    for (let step = 0; step < 3; step++) {
      checkpoint.begin(applied(), 'hurried');
      behind.push(checkpoint.isBehind);
      await store.commit();
      checkpoint.done();
    }
    expect(behind).toEqual([true, true, false]);
    expect(meters.map((meter) => pageOf(meter).dirty)).toEqual([false, false, false, true, true]);
  });

  it('owes nothing when there are fewer dirty pages than it might write', () => {
    const { checkpoint, read, applied } = shard({ pagesPerStepMax: 3 });
    read(metersInPages(1)[0]);
    checkpoint.begin(applied(), 'hurried');
    expect(checkpoint.isBehind).toBe(false);
  });

  it('keeps the log of the page that has waited longest, also after a step with crowded pages failed', async () => {
    const { store, state, checkpoint, read, pageOf, applied } = shard();
    const [a, b, c] = metersInPages(3);
    for (const meter of [a, b, c]) read(meter);
    state.turn.crowdedPages.add(pageOf(b)).add(pageOf(c));
    checkpoint.begin(applied(), 'steady');
    expect(checkpoint.neededFrom(applied())).toBe(1);
    await store.commit();
    checkpoint.undo();
    expect(checkpoint.neededFrom(applied())).toBe(1);
    state.turn.crowdedPages.add(pageOf(c));
    checkpoint.begin(applied(), 'steady');
    expect(checkpoint.neededFrom(applied())).toBe(1);
  });

  it('needs no log before what a step under way is writing, and none at all when all is written', async () => {
    const { store, checkpoint, read, applied } = shard();
    const [a, b] = metersInPages(2);
    for (const meter of [a, b]) read(meter);
    checkpoint.begin(applied(), 'all');
    expect(checkpoint.neededFrom(applied())).toBe(1);
    await store.commit();
    checkpoint.done();
    expect([checkpoint.neededFrom(applied()), checkpoint.isDue]).toEqual([3, false]);
    read(b);
    expect([checkpoint.neededFrom(applied()), checkpoint.isDue]).toEqual([3, true]);
  });

  it('writes the same again after it failed, with what came meanwhile', async () => {
    const { store, state, checkpoint, read, pageOf, applied } = shard();
    const [a] = metersInPages(1);
    read(a);
    state.book.closeDue(pageOf(a), pageOf(a).index * 64, Infinity);
    checkpoint.begin(applied(), 'all');
    const windows = pageOf(a).flushing!.count;
    expect([windows, pageOf(a).pending.count]).toEqual([2, 0]);
    read(a);
    checkpoint.undo();
    expect([pageOf(a).pending.count, pageOf(a).flushing, pageOf(a).dirtySequence]).toEqual([2, null, 1]);
    checkpoint.begin(applied(), 'all');
    await store.commit();
    checkpoint.done();
    expect([store.windows.count(), store.pages.count(), store.meters.count(), store.regionNames(), store.appliedPosition()]).toEqual([2, 1, 1, ['r'], { sequence: 2 }]);
  });
});
