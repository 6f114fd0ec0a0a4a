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
  const config = { partitionCount: PARTITIONS, latenessMs: 30_000, correctionHorizonMs: 40 * 86_400_000, metersMax: 10_000, regionsMax: 10, detection: DEFAULT_DETECTION };
  const state = new ShardState(config, { stored: store, loadPart: (...key) => store.loadPart(...key) });
  const checkpoint = new Checkpoint(state, store, { pagesPerStepMax: 2, ...options });
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
    checkpoint.begin(applied(), 2);
    expect([a, b, c].map((meter) => pageOf(meter).dirty)).toEqual([false, true, false]);
  });

  it('cuts a step short by its bytes and owes the rest to the next steps, no more', async () => {
    const { store, checkpoint, read, pageOf, applied } = shard({ pagesPerStepMax: 3, stepBytesMax: 1 });
    const meters = metersInPages(5);
    for (const meter of meters) read(meter);
    const behind: boolean[] = [];
    for (let step = 0; step < 3; step++) {
      checkpoint.begin(applied(), step === 0 ? 3 : 0);
      behind.push(checkpoint.isBehind);
      await store.commit();
      checkpoint.done();
    }
    expect(behind).toEqual([true, true, false]);
    expect(meters.map((meter) => pageOf(meter).dirty)).toEqual([false, false, false, true, true]);
  });

  it('ends a step whose time is over with the page at hand, and owes the others', async () => {
    const { store, checkpoint, read, pageOf, applied } = shard({ pagesPerStepMax: 10 });
    const meters = metersInPages(4);
    for (const meter of meters) read(meter);
    const written: number[] = [];
    for (const looks of [0, 2, 9]) {
      let left = looks;
      checkpoint.begin(applied(), looks === 0 ? 4 : 0, false, () => left-- <= 0);
      written.push(meters.filter((meter) => !pageOf(meter).dirty).length);
      await store.commit();
      checkpoint.done();
    }
    // One at least, or it would never end.
    expect(written).toEqual([1, 4, 4]);
    expect(checkpoint.isBehind).toBe(false);
  });

  it('of a clean stop takes as many pages as a transaction may have, and says with them where a replay begins', async () => {
    const { store, state, checkpoint, read, pageOf, applied } = shard({ lastStepBytesMax: 1 });
    const meters = metersInPages(3);
    for (const meter of meters) read(meter);
    read(meters[0]);
    const begins: number[] = [];
    while (checkpoint.isDue) {
      checkpoint.begin(applied(), 'all');
      const before = store.replayFrom();
      await store.commit();
      expect(store.replayFrom()).toBeGreaterThan(before);
      begins.push(store.replayFrom());
      checkpoint.done();
    }
    // The page that changed first goes first; what is left begins with the record that changed the next.
    expect(begins).toEqual([2, 3, 5]);
    expect([meters.map((meter) => pageOf(meter).dirty), state.turn.dirtyPages.size]).toEqual([[false, false, false], 0]);
  });

  it('owes nothing when there are fewer dirty pages than it might write', () => {
    const { checkpoint, read, applied } = shard({ pagesPerStepMax: 3 });
    read(metersInPages(1)[0]);
    checkpoint.begin(applied(), 3);
    expect(checkpoint.isBehind).toBe(false);
  });

  it('keeps the log of the page that has waited longest, also after a step with crowded pages failed', async () => {
    const { store, state, checkpoint, read, pageOf, applied } = shard();
    const [a, b, c] = metersInPages(3);
    for (const meter of [a, b, c]) read(meter);
    state.turn.crowdedPages.add(pageOf(b)).add(pageOf(c));
    checkpoint.begin(applied(), 1);
    expect(checkpoint.neededFrom(applied())).toBe(1);
    await store.commit();
    checkpoint.undo();
    expect(checkpoint.neededFrom(applied())).toBe(1);
    state.turn.crowdedPages.add(pageOf(c));
    checkpoint.begin(applied(), 1);
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

  it('lists new meters a thousand at a time, and those of its pages', async () => {
    const { store, state, checkpoint, applied } = shard();
    const meters = Array.from({ length: 2_500 }, (_, n) => ({ meterId: `m${n}`, region: 'r', timestamp: AT, powerKw: 1 }));
    state.applyBatch(batchOf(meters), AT, 1, new Uint8Array(2_500));
    const listed: number[] = [];
    while (state.newRows.size > 0) {
      checkpoint.begin(1 + applied(), 1);
      expect(checkpoint.isBehind).toBe(state.newRows.size > 1_064);
      await store.commit();
      checkpoint.done();
      listed.push(store.meters.count());
      for (const page of state.directory.pages.filter(({ dirty }) => !dirty)) {
        for (let r = 0; r < page.rowCount; r++) expect(store.meters.get(Buffer.from(state.directory.idOf(page.rowAt(r))))).toBeDefined();
      }
    }
    expect([listed.length, listed.at(-1)]).toEqual([3, 2_500]);
  });

  it('takes samples out of memory, and knows them while its commit is under way, after it failed, and from disk', async () => {
    const { store, state, checkpoint, read, pageOf, applied } = shard({ blockSamplesMin: 4 });
    const [a] = metersInPages(1);
    for (let k = 0; k < 5; k++) read(a);
    const page = pageOf(a);
    const known = () => [0, 1, 2, 3, 4, 5].map((k) => state.book.findSample(page, page.rowAt(0), AT + k * 1_000, false) >= 0);
    const all = [true, true, true, true, true, false];
    expect([state.book.samples.bytes, known()]).toEqual([52, all]);
    checkpoint.begin(applied(), 1);
    expect([state.book.samples.bytes, known()]).toEqual([0, all]);
    await store.commit();
    checkpoint.undo();
    expect([page.unwrittenSamples.length, known()]).toEqual([1, all]);
    // What the failed step wrote to is used again, before anything is read.
    checkpoint.begin(applied(), 1);
    await store.commit();
    checkpoint.done();
    expect([page.unwrittenSamples.length, store.samples.count(), known()]).toEqual([0, 1, all]);
    read(a);
    state.book.closeDue(page, page.rowAt(0), Infinity);
    expect([0, 4, 5, 6].map((k) => state.book.findSample(page, page.rowAt(0), AT + k * 1_000, true) >= 0)).toEqual([true, true, true, false]);
    checkpoint.begin(applied(), 1, true);
    await store.commit();
    checkpoint.done();
    expect([0, 4, 5, 6].map((k) => state.book.findSample(page, page.rowAt(0), AT + k * 1_000, true) >= 0)).toEqual([true, true, true, false]);
  });

  it('counts the bytes of closed windows until they are on disk', async () => {
    const { store, state, checkpoint, read, pageOf, applied } = shard();
    const [a] = metersInPages(1);
    read(a);
    state.book.closeDue(pageOf(a), pageOf(a).rowAt(0), Infinity);
    const bytes = state.turn.pendingBytes;
    expect(bytes).toBe(120 + 6 + 120);
    checkpoint.begin(applied(), 1);
    expect(state.turn.pendingBytes).toBe(bytes);
    await store.commit();
    checkpoint.undo();
    expect(state.turn.pendingBytes).toBe(bytes);
    checkpoint.begin(applied(), 1);
    await store.commit();
    checkpoint.done();
    expect([state.turn.pendingBytes, state.directory.pendingMemory.bytesInUse]).toEqual([0, 0]);
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
