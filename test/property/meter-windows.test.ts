import fc from 'fast-check';
import { it } from 'vitest';
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

it('every range of a meter is what lies in it, whatever gaps it and its neighbours have, and however much of it is stored', async () => {
  const asked = fc.record({ meter: fc.nat(METERS - 1), from: fc.integer({ min: -5, max: MINUTES }), minutes: fc.integer({ min: 0, max: MINUTES + 10 }), limit: fc.integer({ min: 1, max: MINUTES }) });
  await fc.assert(
    fc.asyncProperty(fc.array(sending, { minLength: METERS, maxLength: METERS }), fc.array(asked, { minLength: 10, maxLength: 20 }), fc.boolean(), async (meters, questions, isWritten) => {
      const harness = new ShardHarness({ startMs: LIFE_START_MS, partitionCount: 1, stepMs: isWritten ? 1 : 1e9, intervalMs: isWritten ? 1 : 1e9 });
      await harness.start();
      const readings = meters.map((minutes, meter) => [...minutes].sort((a, b) => a - b).map((minute) => readingOf(meter, LIFE_START_MS + minute * MINUTE_MS, { powerKw: minute, isError: false, regionShift: 0 })));
      harness.send(readings.flat());
      await harness.drain();
      if (isWritten) await harness.advance(50);
      for (const { meter, from, minutes, limit } of questions) {
        const range = { from: LIFE_START_MS + from * MINUTE_MS, to: LIFE_START_MS + (from + minutes) * MINUTE_MS };
        const expected = windowsOf(readings[meter], '1m').filter(({ windowStart }) => windowStart >= range.from && windowStart < range.to);
        expectWindows(harness.windowsOf(`m${meter}`, '1m', limit, range), expected);
      }
    }),
    { numRuns: 40 },
  );
});
