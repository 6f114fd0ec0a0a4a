import { describe, expect, test } from 'vitest';
import { OUTCOME } from '../../src/model/reading.ts';
import { TRACED_READINGS_MAX, TRACES_PER_WINDOW_MAX, WindowTraces } from '../../src/actors/shard/window-traces.ts';
import { batchOf } from '../support/packed-readings.ts';

const MINUTE_MS = 60_000;
const BASE_MS = Date.UTC(2026, 10, 1, 12);
const MINUTE = BASE_MS / MINUTE_MS;
const QUARTER = BASE_MS / (15 * MINUTE_MS);
const trace = (n: number): string => `00-${'ab'.repeat(16)}-${n.toString(16).padStart(16, '0')}-01`;
/** Of which only the meter and the time matter here. */
const packedReadings = (readings: readonly { meterId: string; timestamp: number }[]) => batchOf(readings.map((reading) => ({ ...reading, region: 'r', powerKw: 1 })));
/** Rows in the order in which meters were named. */
const directory = (meters: readonly string[]) => ({
  find: (_hash: number, bytes: Uint8Array, start: number, length: number) => meters.indexOf(Buffer.from(bytes.subarray(start, start + length)).toString()),
});

describe('the traces of windows', () => {
  test('are those of the accepted readings of their part of the batch, in both granularities', () => {
    const traces = new WindowTraces();
    const batch = packedReadings([{ meterId: 'a', timestamp: BASE_MS }, { meterId: 'b', timestamp: BASE_MS + MINUTE_MS }, { meterId: 'c', timestamp: BASE_MS }, { meterId: 'd', timestamp: BASE_MS }]);
    const outcomes = Uint8Array.of(OUTCOME.accepted, OUTCOME.accepted, OUTCOME.duplicate, OUTCOME.accepted);
    traces.note(batch, outcomes, [{ traceparent: trace(1), from: 1, count: 2 }], directory(['a', 'b', 'c', 'd']));
    expect(traces.of(1, 0, MINUTE + 1)).toEqual([trace(1)]);
    expect(traces.of(1, 1, QUARTER)).toEqual([trace(1)]);
    expect(traces.of(1, 0, MINUTE)).toEqual([]);
    expect([0, 2, 3].map((row) => traces.of(row, 0, MINUTE))).toEqual([[], [], []]);
  });

  test('are left out for a meter that is not there', () => {
    const traces = new WindowTraces();
    traces.note(packedReadings([{ meterId: 'a', timestamp: BASE_MS }]), Uint8Array.of(OUTCOME.accepted), [{ traceparent: trace(1), from: 0, count: 1 }], directory([]));
    expect(traces.of(-1, 0, MINUTE)).toEqual([]);
  });

  test('of one window are a few, each once', () => {
    const traces = new WindowTraces();
    const batch = packedReadings([{ meterId: 'a', timestamp: BASE_MS }]);
    for (const n of [1, 1, 2, 3, 4, 5, 6]) traces.note(batch, Uint8Array.of(OUTCOME.accepted), [{ traceparent: trace(n), from: 0, count: 1 }], directory(['a']));
    expect(traces.of(0, 0, MINUTE)).toEqual(Array.from({ length: TRACES_PER_WINDOW_MAX }, (_, i) => trace(i + 1)));
  });

  test('are forgotten from the oldest on past their bound', () => {
    const traces = new WindowTraces(4);
    const meters = ['a', 'b', 'c'];
    for (const [n, meterId] of meters.entries()) traces.note(packedReadings([{ meterId, timestamp: BASE_MS }]), Uint8Array.of(OUTCOME.accepted), [{ traceparent: trace(n), from: 0, count: 1 }], directory(meters));
    expect(meters.map((_, row) => traces.of(row, 0, MINUTE).length + traces.of(row, 1, QUARTER).length)).toEqual([0, 2, 2]);
    // And so on, around the ring; one that is known already pushes nobody out.
    for (const meterId of ['a', 'a', 'c']) traces.note(packedReadings([{ meterId, timestamp: BASE_MS }]), Uint8Array.of(OUTCOME.accepted), [{ traceparent: trace(9), from: 0, count: 1 }], directory(meters));
    expect(meters.map((_, row) => traces.of(row, 0, MINUTE))).toEqual([[trace(9)], [], [trace(2), trace(9)]]);
  });

  test('of a large request are those of its first readings', () => {
    const traces = new WindowTraces();
    const meters = Array.from({ length: TRACED_READINGS_MAX + 2 }, (_, i) => `m${i}`);
    const outcomes = new Uint8Array(meters.length).fill(OUTCOME.accepted);
    traces.note(packedReadings(meters.map((meterId) => ({ meterId, timestamp: BASE_MS }))), outcomes, [{ traceparent: trace(1), from: 1, count: meters.length - 1 }], directory(meters));
    expect(meters.map((_, row) => traces.of(row, 0, MINUTE).length)).toEqual(meters.map((_, row) => (row > 0 && row <= TRACED_READINGS_MAX ? 1 : 0)));
  });
});
