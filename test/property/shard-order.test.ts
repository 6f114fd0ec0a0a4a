import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_DETECTION } from '../../src/actors/shard/detection/detection-config.ts';
import { ShardQueries } from '../../src/actors/shard/queries.ts';
import { ShardState } from '../../src/actors/shard/state.ts';
import { OUTCOME } from '../../src/model/reading.ts';
import { GRANULARITIES, type MeterWindow } from '../../src/model/window.ts';
import type { RegionPart } from '../../src/actors/shard/protocol.ts';
import { windowsOf } from '../oracle/window-oracle.ts';
import { batchOf, type TestReading } from '../support/packed-readings.ts';
import { expectWindows } from '../support/shard-expectations.ts';
import { LIFE_START_MS, LifeTeller, propertyRuns, readingOf, readingSpec } from '../support/shard-lives.ts';
import { memoryShardStore } from '../support/memory-shard-store.ts';

/** Several ways for one set of readings to arrive. */
interface Arrival {
  order: number[];
  cuts: number[];
  /** The clock ahead of each batch, relative to the start; a tick follows the batch. */
  clocksMs: number[];
}

const arrival: fc.Arbitrary<Arrival> = fc.record({
  order: fc.array(fc.nat(), { minLength: 300, maxLength: 300 }),
  cuts: fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 }),
  clocksMs: fc.array(fc.integer({ min: -3_600_000, max: 6 * 3_600_000 }), { minLength: 1, maxLength: 20 }),
});

describe('a set of readings', () => {
  it('gives the same windows in whatever order, batches and time it comes', { timeout: 3_600_000 }, () => {
    fc.assert(
      fc.property(fc.array(readingSpec, { minLength: 1, maxLength: 150 }), fc.constantFrom(0, 1_000, 30_000, 60_000), fc.array(arrival, { minLength: 2, maxLength: 3 }), (specs, latenessMs, arrivals) => {
        const readings = withUniqueKeys(new LifeTeller().tell(specs));
        const answers = arrivals.map((one) => arrive(readings, one, latenessMs));
        for (const { windows, parts } of answers) {
          GRANULARITIES.forEach((granularity, g) => expectWindows(windows[g], windowsOf(withLast(readings), granularity)));
          // To the last bit, though not in how often they were corrected.
          expect(windows.flat().map(withoutRevision)).toEqual(answers[0].windows.flat().map(withoutRevision));
          expect(parts).toEqual(answers[0].parts);
        }
      }),
      { numRuns: propertyRuns(250) },
    );
  });
});

/** The first reading of each meter and timestamp: which of two that contradict each other counts is a matter of order. */
function withUniqueKeys(readings: readonly TestReading[]): TestReading[] {
  const byKey = new Map<string, TestReading>();
  for (const reading of readings) {
    const key = `${reading.meterId} ${reading.timestamp}`;
    if (!byKey.has(key)) byKey.set(key, reading);
  }
  return [...byKey.values()];
}

function metersOf(readings: readonly TestReading[]): string[] {
  return [...new Set(readings.map(({ meterId }) => meterId))].sort();
}

/** With a reading of each meter that is newer than all, which closes the windows before it. */
function withLast(readings: readonly TestReading[]): TestReading[] {
  return [...readings, ...metersOf(readings).map((meterId) => readingOf(Number(meterId.slice(1)), LIFE_START_MS + 10 * 86_400_000, { powerKw: 1, isError: false, regionShift: 0 }))];
}

function arrive(readings: readonly TestReading[], { order, cuts, clocksMs }: Arrival, latenessMs: number): { windows: MeterWindow[][]; parts: Omit<RegionPart, 'changes'>[] } {
  const store = memoryShardStore();
  const config = { partitionCount: 2, latenessMs, correctionHorizonMs: 40 * 86_400_000, metersMax: 100, regionsMax: 10, detection: DEFAULT_DETECTION };
  const state = new ShardState(config, { stored: store, loadPart: (...key) => store.loadPart(...key) });
  const outcomes = new Uint8Array(1_000);
  let sequence = 0;
  const take = (batch: readonly TestReading[], nowMs: number) => {
    expect(state.applyBatch(batchOf(batch), nowMs, ++sequence, outcomes)).toBe(batch.length);
    expect(outcomes.subarray(0, batch.length).every((outcome) => outcome === OUTCOME.accepted)).toBe(true);
    sequence++;
    for (let partition = 0; partition < config.partitionCount; partition++) state.applyTick({ partition, fromPage: 0, toPage: Infinity }, nowMs, sequence);
  };
  const shuffled = readings.map((reading, i) => ({ reading, place: order[i % order.length] })).sort((a, b) => a.place - b.place).map(({ reading }) => reading);
  for (let at = 0, n = 0; at < shuffled.length; n++) {
    const length = cuts[n % cuts.length];
    take(shuffled.slice(at, at + length), LIFE_START_MS + clocksMs[n % clocksMs.length]);
    at += length;
  }
  take(withLast(readings).slice(readings.length), LIFE_START_MS);
  take([], LIFE_START_MS + 20 * 86_400_000);
  const queries = new ShardQueries(state, store, DEFAULT_DETECTION);
  const windows = GRANULARITIES.map((granularity) =>
    metersOf(readings).flatMap((meterId) => queries.answer<'meterWindows'>({ kind: 'meterWindows', meterId, query: { granularity, from: 0, to: 1e13, limit: 1_000, cursor: null } })!.data),
  );
  const regions = [...new Set(withLast(readings).map(({ region }) => region))].sort();
  const parts = GRANULARITIES.flatMap((granularity) =>
    regions.flatMap((region) => queries.answer<'regionParts'>({ kind: 'regionParts', region, granularity, from: 0, to: 1e13, limit: 1_000, withOpen: false })),
  );
  return { windows, parts: parts.filter(({ meters }) => meters > 0).map(normalized) };
}

function withoutRevision({ revision: _revision, ...window }: MeterWindow): Omit<MeterWindow, 'revision'> {
  return window;
}

/** The two halves of a sum may be carried differently, and changes counted more or fewer; what they stand for may not differ. */
function normalized({ changes: _changes, ...part }: RegionPart): Omit<RegionPart, 'changes'> {
  const carry = (high: number, low: number) => [high + Math.floor(low / 2 ** 24), low - Math.floor(low / 2 ** 24) * 2 ** 24];
  const [powerHigh, powerLow] = carry(part.powerHigh, part.powerLow);
  const [energyHigh, energyLow] = carry(part.energyHigh, part.energyLow);
  return { ...part, powerHigh, powerLow, energyHigh, energyLow };
}
