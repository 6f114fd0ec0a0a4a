import fc from 'fast-check';
import { describe, it } from 'vitest';
import { ShardExpectations } from '../support/shard-expectations.ts';
import { ShardHarness } from '../support/shard-harness.ts';
import { LIFE_START_MS, LifeTeller, propertyRuns, readingOf, readingSpec, type ReadingSpec } from '../support/shard-lives.ts';

/** What happens to a shard, one after another. */
type Step =
  | { do: 'send'; specs: ReadingSpec[] }
  | { do: 'wait'; ms: number }
  | { do: 'clock'; byMs: number }
  | { do: 'crash'; log: 'lost' | 'kept'; tables: 'lost' | 'kept' }
  | { do: 'restart' }
  | { do: 'disk full'; commits: number }
  | { do: 'look'; limit: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant('send' as const), specs: fc.array(readingSpec, { minLength: 1, maxLength: 25 }) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(0, 0, 1, 3, 10, 120, 300, 700) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('clock' as const), byMs: fc.oneof(fc.integer({ min: -120_000, max: 300_000 }), fc.integer({ min: 0, max: 3 * 3_600_000 })) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), log: fc.constantFrom('lost' as const, 'kept' as const), tables: fc.constantFrom('lost' as const, 'kept' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('disk full' as const), commits: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('look' as const), limit: fc.integer({ min: 1, max: 9 }) }) },
);

const setting = fc.record({
  latenessMs: fc.constantFrom(0, 1_000, 30_000, 60_000),
  correctionHorizonMs: fc.constantFrom(45 * 60_000, 40 * 86_400_000),
  partitionCount: fc.constantFrom(1, 4),
  stepMs: fc.constantFrom(1, 100, 1_000),
  intervalMs: fc.constantFrom(100, 2_000, 1e9),
  pagesPerStepMax: fc.constantFrom(1, 2, 128),
  journalBytesMax: fc.constantFrom(0, 1e9),
  journalKeepBytesMax: fc.constantFrom(0, 1e9),
  commitMs: fc.constantFrom(0, 1, 5, 40),
});

/** Meters that fill most of a page, so that the few that live come to lie on both sides of its end. */
const FILLERS = 62;

const scenario = fc.record({ setting, fillers: fc.boolean(), steps: fc.array(step, { minLength: 1, maxLength: 40 }), limit: fc.integer({ min: 1, max: 12 }) });

describe('a shard through any life', () => {
  it('knows in the end what the set of accepted readings says, and told each sender the truth', { timeout: 3_600_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async ({ setting, fillers, steps, limit }) => {
        const harness = new ShardHarness({ startMs: LIFE_START_MS, ...setting });
        const expectations = new ShardExpectations(harness, setting.correctionHorizonMs);
        const teller = new LifeTeller();
        await harness.start();
        if (fillers) harness.send(Array.from({ length: FILLERS }, (_, i) => readingOf(100 + i, LIFE_START_MS, { powerKw: i / 8, isError: false, regionShift: 0 })));
        for (const step of steps) await take(step, harness, teller, expectations);
        await settle(harness, expectations);
        expectations.checkWindows(limit, true);
        expectations.checkWindows(10_000, true);
        expectations.checkRegions();
        expectations.checkMeters();
        expectations.checkEnergy();
        await harness.restart();
        expectations.checkWindows(10_000, true);
        expectations.checkEnergy();
        expectations.checkRegions();
        expectations.checkMeters();
        expectations.checkDeadLetters(limit);
      }),
      { numRuns: propertyRuns(100) },
    );
  });
});

async function take(step: Step, harness: ShardHarness, teller: LifeTeller, expectations: ShardExpectations): Promise<void> {
  switch (step.do) {
    case 'send':
      harness.send(teller.tell(step.specs));
      return;
    case 'wait':
      return harness.advance(step.ms);
    case 'clock':
      return harness.jumpClock(step.byMs);
    case 'crash':
      return harness.crash(step.log, step.tables);
    case 'restart':
      return harness.restart();
    case 'disk full':
      return harness.disk.failNext('storage_full', step.commits);
    case 'look':
      await harness.drain();
      expectations.checkWindows(step.limit, false);
      expectations.checkMeters();
      expectations.checkEnergy();
  }
}

/** Answers everything, sends each meter a last reading a day later, and lets the clock close that one too. */
async function settle(harness: ShardHarness, expectations: ShardExpectations): Promise<void> {
  await harness.drain();
  harness.disk.stopFailing();
  // Past the pause after a full disk.
  await harness.advance(1_100);
  const { accepted } = expectations;
  harness.send(accepted.meters().map((meterId) => readingOf(Number(meterId.slice(1)), accepted.newestOf(meterId) + 86_400_000, { powerKw: 1, isError: false, regionShift: 0 })));
  await harness.drain();
  harness.jumpClock(6 * 86_400_000);
  await harness.advance(2_000);
  await harness.drain();
}
