import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_DETECTION } from '../../src/actors/shard/detection/detection-config.ts';
import { MeterDirectory, rowOffset } from '../../src/actors/shard/meter-pages.ts';
import { decodePage, encodePage } from '../../src/actors/shard/page-codec.ts';
import { ROW, ROW_BYTES, SLOT, SLOT_BYTES } from '../../src/actors/shard/page-layout.ts';
import { meterTag } from '../../src/actors/shard/reading-ids.ts';
import { NO_CHUNK, SampleIndex } from '../../src/actors/shard/sample-index.ts';
import { ShardState } from '../../src/actors/shard/state.ts';
import { OUTCOME } from '../../src/model/reading.ts';
import { batchOf, type TestReading } from '../support/packed-readings.ts';
import { memoryShardStore } from '../support/memory-shard-store.ts';

const AT = Date.UTC(2026, 2, 1);
const CONFIG = { partitionCount: 1, latenessMs: 30_000, correctionHorizonMs: 40 * 86_400_000, metersMax: 1_000, regionsMax: 10, detection: DEFAULT_DETECTION };

function newState(): ShardState {
  const store = memoryShardStore();
  return new ShardState(CONFIG, { stored: store, loadPart: (...key) => store.loadPart(...key) });
}

/** 70 meters on two pages, each with two open minutes. */
const READINGS: TestReading[] = Array.from({ length: 70 * 12 }, (_, i) => ({ meterId: `m${i % 70}`, region: `r${i % 3}`, timestamp: AT + Math.floor(i / 70) * 6_000, powerKw: i / 8, voltage: 230 }));

function filledState(): ShardState {
  const state = newState();
  state.applyBatch(batchOf(READINGS), AT, 7, new Uint8Array(READINGS.length));
  return state;
}

describe('a snapshot of a page', () => {
  it('of an older engine, which has no tags, gives rows with theirs', () => {
    const state = filledState();
    const [page] = state.directory.pages;
    for (let r = 0; r < page.rowCount; r++) page.u32[(rowOffset(page.rowAt(r)) + ROW.tag) >> 2] = 0;
    const { directory } = newState();
    const restored = directory.restorePage(page.partition, page.number);
    decodePage(encodePage(page, state.book.samples, 7), restored, new SampleIndex());
    directory.indexPage(restored);
    const rows = Array.from({ length: restored.rowCount }, (_, r) => rowOffset(restored.rowAt(r)));
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.map((at) => restored.u32[(at + ROW.tag) >> 2])).toEqual(rows.map((at) => meterTag(restored.u8, at + ROW.id, restored.u8[at + ROW.idLength])));
  });

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
    for (const page of copy.directory.pages) copy.rebuildLive(page);
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

  it('leaves nothing out of a row but what a closed window left behind, whatever lies in its words', () => {
    const word = fc.oneof(fc.constant(0), fc.constant(0xffffffff), fc.nat(0xffffffff));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), fc.array(word, { minLength: 300, maxLength: 300 }), fc.array(fc.boolean(), { minLength: 7, maxLength: 7 }), (rows, words, emptySlots) => {
        const page = new MeterDirectory().restorePage(0, 0);
        page.rowCount = rows;
        for (let i = 0; i < (rows * ROW_BYTES) / 4; i++) page.u32[i] = words[i % words.length];
        const expected = page.u8.slice(0, rows * ROW_BYTES);
        const numbers = new Float64Array(expected.buffer);
        for (let slot = 0; slot < rows * 4; slot++) {
          const at = Math.floor(slot / 4) * ROW_BYTES + ROW.slots + (slot % 4) * SLOT_BYTES;
          const isEmpty = emptySlots[slot % emptySlots.length];
          page.f64[at >> 3] = numbers[at >> 3] = isEmpty ? NaN : 5;
          if (isEmpty) numbers.fill(0, (at >> 3) + 1, (at + SLOT_BYTES) >> 3);
          // No samples: their chunk is a matter of memory.
          for (const words of [page.u32, new Uint32Array(expected.buffer)]) {
            words[(at + SLOT.sampleCount) >> 2] = 0;
            new Uint16Array(words.buffer)[(at + SLOT.samplesInBlocks) >> 1] = 0;
            words[(at + SLOT.samplesOrRevision) >> 2] = isEmpty || slot % 4 >= 2 ? 0 : NO_CHUNK;
          }
        }
        const restored = new MeterDirectory().restorePage(0, 0);
        restored.u8.fill(7);
        decodePage(encodePage(page, new SampleIndex(), 9), restored, new SampleIndex());
        expect([restored.rowCount, Buffer.compare(restored.u8.subarray(0, rows * ROW_BYTES), expected)]).toEqual([rows, 0]);
      }),
    );
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
