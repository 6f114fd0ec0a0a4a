import { describe, expect, it, vi } from 'vitest';
import { Checkpoint } from '../../src/actors/shard/checkpoint.ts';
import { DEFAULT_DETECTION } from '../../src/actors/shard/detection/detection-config.ts';
import { batchRecord, controlRecord } from '../../src/actors/shard/log-record.ts';
import type { RegionPicture } from '../../src/actors/shard/protocol.ts';
import { packRememberedIds, packRememberedIdsBy, restoreReadingIdsByRow } from '../../src/actors/shard/reading-id-record.ts';
import { recover } from '../../src/actors/shard/recovery.ts';
import { NONE_UNCOUNTED } from '../../src/actors/shard/uncounted-readings.ts';
import { rememberBatch, rememberWords } from '../../src/actors/shard/replayed-ids.ts';
import { highOf, lowOf, meterTag, READING_ID_BUCKETS, READING_ID_TTL_MS, ReadingIds } from '../../src/actors/shard/reading-ids.ts';
import { ShardState } from '../../src/actors/shard/state.ts';
import { partitionOf } from '../../src/model/ids.ts';
import { OUTCOME } from '../../src/model/reading.ts';
import { memoryShardStore } from '../support/memory-shard-store.ts';
import { appendOf, batchOf, type TestReading } from '../support/packed-readings.ts';

const AT = Date.UTC(2026, 2, 1);

describe('the memory of readingIds', () => {
  it('knows an id for 5 min and forgets it after', () => {
    const ids = new ReadingIds();
    ids.add(1, 10, 20, AT);
    expect([0, 1, READING_ID_TTL_MS].map((ms) => ids.seen(1, 10, 20, AT + ms))).toEqual([true, true, true]);
    expect(ids.seen(1, 10, 20, AT + READING_ID_TTL_MS + 1_000)).toBe(false);
  });

  it('keeps the ids of meters and both halves of the hash apart', () => {
    const ids = new ReadingIds();
    ids.add(1, 10, 20, AT);
    expect([ids.seen(2, 10, 20, AT), ids.seen(1, 11, 20, AT), ids.seen(1, 10, 21, AT), ids.seen(0, 10, 20, AT)]).toEqual([false, false, false, false]);
  });

  it('counts the 5 min anew when the id is used again', () => {
    const ids = new ReadingIds();
    ids.add(1, 10, 20, AT);
    ids.add(1, 10, 20, AT + READING_ID_TTL_MS + 1_000);
    expect(ids.seen(1, 10, 20, AT + 2 * READING_ID_TTL_MS)).toBe(true);
  });

  it('knows every id of the last 5 min while older ones give way', () => {
    const ids = new ReadingIds();
    const stepMs = 1_000;
    for (let n = 0; n < 1_500; n++) {
      ids.add(n % 7, n, n * 3, AT + n * stepMs);
      const first = Math.max(0, n - READING_ID_TTL_MS / stepMs);
      for (const known of [first, Math.floor((first + n) / 2), n]) expect(ids.seen(known % 7, known, known * 3, AT + n * stepMs)).toBe(true);
      if (first > 0) expect(ids.seen((first - 1) % 7, first - 1, (first - 1) * 3, AT + n * stepMs)).toBe(false);
    }
  });

  it('knows every one of ten thousand ids of one moment', () => {
    const ids = new ReadingIds();
    for (let n = 0; n < 10_000; n++) ids.add(n % 100, Math.imul(n, 0x9e3779b1) >>> 0, n, AT);
    for (let n = 0; n < 10_000; n++) expect(ids.seen(n % 100, Math.imul(n, 0x9e3779b1) >>> 0, n, AT)).toBe(true);
    let visited = 0;
    ids.forEach(() => visited++);
    expect(visited).toBe(10_000);
  });

  it('is bounded: past its capacity it remembers less, the newest first', () => {
    const ids = new ReadingIds();
    const capacity = READING_ID_BUCKETS * 4;
    for (let n = 0; n < 2 * capacity; n++) ids.add(3, Math.imul(n, 0x9e3779b1) >>> 0, n, AT + Math.floor((n * 60_000) / capacity));
    let visited = 0;
    ids.forEach(() => visited++);
    expect(visited).toBeLessThanOrEqual(capacity);
    const newest = 2 * capacity - 1;
    expect(ids.seen(3, Math.imul(newest, 0x9e3779b1) >>> 0, newest, AT + 120_000)).toBe(true);
    expect(ids.seen(3, 0, 0, AT + 120_000)).toBe(false);
  });
});

const PARTITIONS = 4;

function shardState(): ShardState {
  const store = memoryShardStore();
  const config = { partitionCount: PARTITIONS, latenessMs: 30_000, correctionHorizonMs: 86_400_000, metersMax: 1_000, regionsMax: 10, detection: DEFAULT_DETECTION };
  return new ShardState(config, { stored: store, loadPart: (...key) => store.loadPart(...key) });
}

/** One reading of each of 20 meters, which all number theirs alike. */
function numbered(low: number, second: number): TestReading[] {
  return Array.from({ length: 20 }, (_, meter) => ({ meterId: `meter-${meter}`, region: 'r', timestamp: AT + second * 1_000, powerKw: 1, readingId: [low, 7] as const }));
}

function apply(state: ShardState, readings: readonly TestReading[], sequence: number): number[] {
  const outcomes = new Uint8Array(readings.length);
  state.applyBatch(batchOf(readings), AT + sequence * 1_000, sequence, outcomes);
  return [...outcomes];
}

const remembered = (state: ShardState) => {
  const entries: string[] = [];
  state.readingIds.forEach((...entry) => entries.push(entry.join(' ')));
  return entries.sort();
};
const alike = (outcome: number) => Array.from({ length: 20 }, () => outcome);

describe('the memory of readingIds after a recovery', () => {
  it('is the same from batches whose meters are not there, from its own record, and from the record of an older engine', () => {
    const state = shardState();
    for (const [sequence, low] of [[1, 100], [2, 101]]) expect(apply(state, numbered(low, sequence * 10), sequence)).toEqual(alike(OUTCOME.accepted));
    expect(remembered(state)).toHaveLength(40);

    const skipped = shardState();
    for (const [sequence, low] of [[1, 100], [2, 101]]) rememberBatch(skipped.readingIds, batchOf(numbered(low, sequence * 10)), AT + sequence * 1_000, NONE_UNCOUNTED);
    expect(remembered(skipped)).toEqual(remembered(state));

    const restored = shardState();
    const unnumbered = numbered(0, 1).map(({ readingId: _, ...reading }) => reading);
    apply(restored, unnumbered, 1);
    for (const words of packRememberedIds(state)) rememberWords(restored.readingIds, words);
    expect(remembered(restored)).toEqual(remembered(state));

    // An older engine named meters by their rows.
    const words: number[] = [];
    for (const page of state.directory.pages) for (let r = 0; r < page.rowCount; r++) words.push(page.partition, page.number, r, 100, 7, AT / 1_000 + 1);
    const older = shardState();
    apply(older, unnumbered, 1);
    restoreReadingIdsByRow(older, new Uint8Array(Uint32Array.from([...words, PARTITIONS - 1, 99, 0, 5, 5, 5]).buffer));
    expect(remembered(older)).toEqual(remembered(state).filter((entry) => entry.endsWith(String(AT / 1_000 + 1))));

    for (const recovered of [state, restored, older]) expect(apply(recovered, numbered(100, 60), 3)).toEqual(alike(OUTCOME.duplicate));
  });

  it('comes from records that every page stands for, whose pictures count as well', async () => {
    const store = memoryShardStore();
    await store.identify({ partitionCount: PARTITIONS, shardCount: 1, shard: 0 });
    const regions = [{ region: 'r', meters: 20, powered: 20 }] as unknown as RegionPicture['regions'];
    store.journal.append(1, controlRecord({ kind: 'picture', nowMs: AT, regions }));
    store.journal.append(2, batchRecord(appendOf(numbered(100, 10)), AT + 1_000));
    store.journal.append(3, controlRecord({ kind: 'picture', nowMs: AT + 2_000, regions }));
    await store.journal.commit();
    store.putAppliedPosition({ sequence: 3 });
    store.putReplayFrom(3);
    await store.commit();
    const state = shardState();
    const pictures = vi.spyOn(state, 'applyPicture');
    const report = recover(state, store, new Checkpoint(state, store, { pagesPerStepMax: 1 }));
    expect(report).toMatchObject({ records: 3, readings: 20, lastSequence: 3, meters: 0 });
    expect(remembered(state)).toHaveLength(20);
    expect(pictures.mock.calls.map(([, nowMs, sequence]) => [nowMs, sequence])).toEqual([[AT, 1], [AT + 2_000, 3]]);
  });

  it('is given out by partition, without what is forgotten by then', () => {
    const state = shardState();
    apply(state, numbered(100, 10), 1);
    const byPartition = packRememberedIdsBy(state, (partition) => partition);
    const restored = shardState();
    for (const [partition, records] of byPartition) {
      const own = shardState();
      for (const words of records) for (const into of [own, restored]) rememberWords(into.readingIds, words);
      const meters = numbered(100, 10).filter(({ meterId }) => partitionOf(meterId, PARTITIONS) === partition);
      expect(remembered(own)).toHaveLength(meters.length);
    }
    expect(remembered(restored)).toEqual(remembered(state));
    expect(packRememberedIds(state, AT + READING_ID_TTL_MS + 3_000)).toEqual([]);
  });

  it('mixes a tag of the meter into both halves, other for others', () => {
    const lows = new Set<number>();
    const highs = new Set<number>();
    const tags = new Set<number>();
    for (let meter = 0; meter < 50_000; meter++) {
      const id = Buffer.from(`meter-${String(meter).padStart(6, '0')}`);
      const tag = meterTag(id, 0, id.length);
      tags.add(tag);
      lows.add(lowOf(1, tag));
      highs.add(highOf(1, tag));
    }
    expect([lows.size, highs.size]).toEqual([tags.size, tags.size]);
    expect(tags.size).toBeGreaterThan(49_990);
  });
});
