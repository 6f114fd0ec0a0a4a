import { describe, expect, it } from 'vitest';
import { DEFAULT_DETECTION } from '../../src/actors/shard/detection/detection-config.ts';
import { MeterDirectory } from '../../src/actors/shard/meter-pages.ts';
import { decodePage, encodePage } from '../../src/actors/shard/page-codec.ts';
import { SampleIndex } from '../../src/actors/shard/sample-index.ts';
import { ShardState } from '../../src/actors/shard/state.ts';
import { OUTCOME } from '../../src/model/reading.ts';
import { batchOf, type TestReading } from '../support/packed-readings.ts';
import { memoryShardStore } from '../support/memory-shard-store.ts';

const AT = Date.UTC(2026, 2, 1);
const CONFIG = { partitionCount: 1, latenessMs: 30_000, correctionHorizonMs: 40 * 86_400_000, metersMax: 1_000, regionsMax: 10, detection: DEFAULT_DETECTION };

function newState(): ShardState {
  const store = memoryShardStore();
  return new ShardState(CONFIG, { windows: store, loadPart: (...key) => store.loadPart(...key) });
}

/** 70 meters on two pages, each with two open minutes. */
const READINGS: TestReading[] = Array.from({ length: 70 * 12 }, (_, i) => ({ meterId: `m${i % 70}`, region: `r${i % 3}`, timestamp: AT + Math.floor(i / 70) * 6_000, powerKw: i / 8, voltage: 230 }));

function filledState(): ShardState {
  const state = newState();
  state.applyBatch(batchOf(READINGS), AT, 7, new Uint8Array(READINGS.length));
  return state;
}

describe('a snapshot of a page', () => {
  it('restores rows, open windows and the samples in them', () => {
    const state = filledState();
    const copy = newState();
    for (const region of ['r0', 'r1', 'r2']) copy.ledger.restore(region);
    for (const page of state.directory.pages) {
      const restored = copy.directory.restorePage(page.partition, page.number);
      decodePage(encodePage(page, state.book.samples, 7), restored, copy.book.samples);
      copy.directory.indexPage(restored);
      expect([restored.rowCount, restored.snapshotSequence]).toEqual([page.rowCount, 7]);
    }
    copy.rebuildLive();
    expect(copy.directory.meterCount).toBe(70);
    expect(copy.ledger.liveParts()).toEqual(state.ledger.liveParts());
    // The same once more: what the restored page knows of its samples tells duplicates from contradictions.
    const outcomes = new Uint8Array(READINGS.length);
    copy.applyBatch(batchOf(READINGS), AT, 8, outcomes);
    expect(new Set(outcomes)).toEqual(new Set([OUTCOME.duplicate]));
    copy.applyBatch(batchOf(READINGS.map((reading) => ({ ...reading, powerKw: -9 }))), AT, 9, outcomes);
    expect(new Set(outcomes)).toEqual(new Set([OUTCOME.conflict]));
    for (const page of state.directory.pages) {
      const again = encodePage(copy.directory.pagesOf(page.partition)[page.number], copy.book.samples, 7);
      const samplesOf = (bytes: Uint8Array) => Buffer.from(bytes.subarray(-70 * 6)).toString('hex');
      expect([again.length, samplesOf(again)]).toEqual([encodePage(page, state.book.samples, 7).length, samplesOf(encodePage(page, state.book.samples, 7))]);
    }
  });

  it('is refused when any of its bytes changed', () => {
    const state = filledState();
    const [page] = state.directory.pages;
    const whole = encodePage(page, state.book.samples, 7);
    const attempt = (bytes: Uint8Array) => () => decodePage(bytes, new MeterDirectory().restorePage(0, 0), new SampleIndex());
    const changed = (at: number, by = 1) => Uint8Array.from(whole, (byte, i) => (i === at ? byte ^ by : byte));
    expect(attempt(whole)).not.toThrow();
    expect(attempt(changed(0))).toThrow('not a snapshot');
    expect(attempt(changed(4))).toThrow('has format');
    expect(attempt(changed(6))).toThrow('has format');
    for (const at of [12, 16, 24, 1_000, whole.length - 1]) expect(attempt(changed(at))).toThrow('fails its checksum');
    expect(attempt(whole.subarray(0, 10))).toThrow('not a snapshot');
    expect(attempt(whole.subarray(0, whole.length - 6))).toThrow('fails its checksum');
  });

  it('is refused when its row count changed', () => {
    const state = filledState();
    const whole = encodePage(state.directory.pages[0], state.book.samples, 7);
    for (const by of [1, 64, 255]) {
      const bytes = Uint8Array.from(whole, (byte, i) => (i === 8 ? byte ^ by : byte));
      expect(() => decodePage(bytes, new MeterDirectory().restorePage(0, 0), new SampleIndex())).toThrow('fails its checksum');
    }
  });

  it('stands for the moment it was made: what comes later does not change it', () => {
    const state = filledState();
    const bytes = encodePage(state.directory.pages[0], state.book.samples, 7);
    const before = Buffer.from(bytes);
    state.applyBatch(batchOf(READINGS.map((reading) => ({ ...reading, timestamp: reading.timestamp + 70_000 }))), AT, 8, new Uint8Array(READINGS.length));
    expect(Buffer.compare(before, bytes)).toBe(0);
  });
});
