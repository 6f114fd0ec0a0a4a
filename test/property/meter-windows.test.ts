import fc from 'fast-check';
import { expect, it } from 'vitest';
import { windowsOf } from '../oracle/window-oracle.ts';
import { expectWindows } from '../support/shard-expectations.ts';
import { ShardHarness } from '../support/shard-harness.ts';
import { LIFE_START_MS, readingOf } from '../support/shard-lives.ts';

const MINUTE_MS = 60_000;
/** Of one page, so that their windows lie side by side. */
const METERS = 4;
const MINUTES = 60;

/** Minutes in which a meter sends: a few, most, all, none, or one stretch. */
const sending = fc.oneof(
  fc.uniqueArray(fc.nat(MINUTES - 1), { maxLength: MINUTES }),
  fc.constantFrom([], Array.from({ length: MINUTES }, (_, k) => k)),
  fc.tuple(fc.nat(MINUTES - 1), fc.nat(MINUTES)).map(([from, count]) => Array.from({ length: Math.min(count, MINUTES - from) }, (_, k) => from + k)),
);

/** Whether all of it waits in memory, all is on disk, or some windows on disk were corrected, or made, after they were. */
const written = fc.constantFrom('nothing', 'all', 'before corrections');

it('every range of a meter is what lies in it, whatever gaps it and its neighbours have, and however much of it is stored', async () => {
  const seen = new Set<string>();
  const asked = fc.record({ meter: fc.nat(METERS - 1), from: fc.integer({ min: -5, max: MINUTES }), minutes: fc.integer({ min: 0, max: MINUTES + 10 }), limit: fc.integer({ min: 1, max: MINUTES }) });
  await fc.assert(
    fc.asyncProperty(fc.array(sending, { minLength: METERS, maxLength: METERS }), fc.array(sending, { minLength: METERS, maxLength: METERS }), fc.array(asked, { minLength: 10, maxLength: 20 }), written, async (meters, late, questions, isWritten) => {
      const harness = new ShardHarness({ startMs: LIFE_START_MS, partitionCount: 1, stepMs: isWritten === 'nothing' ? 1e9 : 1, intervalMs: isWritten === 'nothing' ? 1e9 : 1 });
      await harness.start();
      if (isWritten === 'nothing') await takeFirstStep(harness);
      const readings = meters.map((minutes, meter) => readingsOf(meter, minutes, 0));
      harness.send(readings.flat());
      await harness.drain();
      if (isWritten !== 'nothing') await harness.advance(50);
      if (isWritten === 'before corrections') {
        // From here on memory keeps what comes.
        harness.configure({ stepMs: 1e9, intervalMs: 1e9 });
        await harness.restart();
        await takeFirstStep(harness);
        const corrections = late.map((minutes, meter) => readingsOf(meter, minutes, 1_000));
        for (const [meter, more] of corrections.entries()) readings[meter].push(...more);
        harness.send(corrections.flat());
        await harness.drain();
      }
      for (const { pending } of harness.actor.state.directory.pages) if (pending.count > 0) seen.add('in memory');
      if (harness.shardStore.windows.count() > 0) seen.add('on disk');
      for (const { meter, from, minutes, limit } of questions) {
        const range = { from: LIFE_START_MS + from * MINUTE_MS, to: LIFE_START_MS + (from + minutes) * MINUTE_MS };
        const expected = windowsOf(readings[meter], '1m').filter(({ windowStart }) => windowStart >= range.from && windowStart < range.to);
        expectWindows(harness.windowsOf(`m${meter}`, '1m', limit, range), expected);
        if (readings[meter].length > 0) expectFullPage(harness, `m${meter}`, limit, range, expected.map(({ windowStart }) => windowStart));
      }
    }),
    { numRuns: 60 },
  );
  // Else it would prove less than it says.
  expect([...seen].sort()).toEqual(['in memory', 'on disk']);
});

it('a question that failed half way leaves nothing to the next one', async () => {
  const harness = new ShardHarness({ startMs: LIFE_START_MS, partitionCount: 1, stepMs: 1, intervalMs: 1 });
  await harness.start();
  const readings = readingsOf(0, [0, 1, 2, 3, 4, 5], 0);
  harness.send(readings);
  await harness.drain();
  await harness.advance(50);
  const { windows } = harness.shardStore;
  const { get } = windows;
  const asked = harness.windowsOf('m0', '1m', 100);
  let looks = 0;
  windows.get = (key) => {
    if (++looks === 3) throw new Error('damaged');
    return get.call(windows, key);
  };
  expect(() => harness.windowsOf('m0', '1m', 100)).toThrow('damaged');
  windows.get = get;
  expect(harness.windowsOf('m0', '1m', 100)).toEqual(asked);
  expect(asked).toHaveLength(6);
});

function readingsOf(meter: number, minutes: readonly number[], offsetMs: number): ReturnType<typeof readingOf>[] {
  return [...minutes].sort((a, b) => a - b).map((minute) => readingOf(meter, LIFE_START_MS + minute * MINUTE_MS + offsetMs, { powerKw: minute + offsetMs, isError: false, regionShift: 0 }));
}

/** The first step of a checkpoint comes at once, and the next ones at their distance. */
async function takeFirstStep(harness: ShardHarness): Promise<void> {
  harness.send(readingsOf(METERS, [0], harness.nowMs % 1_000));
  await harness.drain();
  await harness.advance(50);
}

/** A page is as long as it may be, and its cursor is the first window that had no place. */
function expectFullPage(harness: ShardHarness, meterId: string, limit: number, range: { from: number; to: number }, starts: readonly number[]): void {
  const page = harness.ask<'meterWindows'>({ kind: 'meterWindows', meterId, query: { granularity: '1m', ...range, limit, cursor: null } })!;
  expect({ starts: page.data.map(({ windowStart }) => windowStart), nextCursor: page.nextCursor }).toEqual({ starts: starts.slice(0, limit), nextCursor: starts.length > limit ? String(starts[limit] / MINUTE_MS) : null });
}
