import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OUTCOME } from '../../src/model/reading.ts';
import { GRANULARITIES } from '../../src/model/window.ts';
import { AcceptedReadings } from '../oracle/accepted-readings.ts';
import { regionWindowsOf } from '../oracle/region-oracle.ts';
import { windowsOf } from '../oracle/window-oracle.ts';
import { energyProblem } from '../oracle/energy-oracle.ts';
import { expectParts, expectWindows } from '../support/shard-expectations.ts';
import { ShardFleet, type FleetOptions } from '../support/shard-fleet.ts';
import { LIFE_START_MS, LifeTeller, propertyRuns, readingOf, readingSpec, type ReadingSpec } from '../support/shard-lives.ts';
import { assertUntilSeen } from '../support/until-seen.ts';

/** One number of shards, what comes to them, and how they end. */
interface Era {
  batches: { specs: ReadingSpec[]; waitMs: number; clockMs: number }[];
  end: 'crash' | 'stop';
  nextShards: number;
  nextLatenessMs: number;
  /** Commits of redistributions that die before one succeeds. */
  deaths: number[];
}

const DAY_MS = 86_400_000;

const batch = fc.record({
  specs: fc.array(readingSpec, { minLength: 1, maxLength: 25 }),
  waitMs: fc.constantFrom(0, 0, 120, 700, 3_000),
  clockMs: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: 0, max: 3 * 3_600_000 }) }),
});

const era: fc.Arbitrary<Era> = fc.record({
  batches: fc.array(batch, { maxLength: 8 }),
  end: fc.constantFrom('crash' as const, 'stop' as const),
  nextShards: fc.integer({ min: 1, max: 5 }),
  nextLatenessMs: fc.constantFrom(0, 30_000, 60_000),
  deaths: fc.array(fc.nat(12), { maxLength: 2 }),
});

const setting: fc.Arbitrary<FleetOptions> = fc.record({
  startMs: fc.constant(LIFE_START_MS),
  shards: fc.integer({ min: 1, max: 4 }),
  partitionCount: fc.constantFrom(1, 4, 16),
  latenessMs: fc.constantFrom(0, 30_000, 60_000),
  correctionHorizonMs: fc.constantFrom(45 * 60_000, 40 * DAY_MS),
  intervalMs: fc.constantFrom(100, 1e9),
  pagesPerStepMax: fc.constantFrom(1, 128),
  journalKeepBytesMax: fc.constantFrom(0, 1e9),
});

describe('shards that become another number of shards, again and again', () => {
  it('answer as before, and in the end know what the set of accepted readings says', { timeout: 3_600_000 }, async () => {
    const seen = { moves: 0, deaths: 0 };
    await assertUntilSeen(
      fc.asyncProperty(setting, fc.array(era, { minLength: 1, maxLength: 4 }), async (setting, eras) => {
        const fleet = new ShardFleet(setting);
        const accepted = new AcceptedReadings(setting.correctionHorizonMs);
        const teller = new LifeTeller();
        await fleet.start();
        for (const { batches, end, nextShards, nextLatenessMs, deaths } of eras) {
          for (const { specs, waitMs, clockMs } of batches) {
            await send(fleet, accepted, teller.tell(specs));
            fleet.jumpClock(clockMs);
            await fleet.advance(waitMs);
          }
          await live(fleet);
          const before = fleet.answers();
          if (end === 'crash') fleet.crash();
          else await fleet.stop();
          // A log means what it meant when it was written, whatever the next settings are.
          const isShorter = nextLatenessMs < fleet.options.latenessMs;
          fleet.options.latenessMs = nextLatenessMs;
          expect(fleet.verify()).toEqual([]);
          for (const death of deaths) {
            if (fleet.shards === nextShards || (await fleet.redistribute(nextShards, death)) !== false) continue;
            seen.deaths++;
          }
          if (fleet.shards !== nextShards) await fleet.redistribute(nextShards);
          seen.moves++;
          expect(fleet.verify()).toEqual([]);
          await fleet.start();
          if (!isShorter) expect(fleet.answers()).toEqual(before);
        }
        // Late readings, changed regions among them, meet windows that were moved.
        await send(fleet, accepted, teller.tell(LATE));
        await send(fleet, accepted, accepted.meters().map((meterId) => readingOf(Number(meterId.slice(1)), accepted.newestOf(meterId) + DAY_MS, { powerKw: 1, isError: false, regionShift: 0 })));
        fleet.jumpClock(6 * DAY_MS);
        await live(fleet);
        const readings = accepted.all();
        for (const granularity of GRANULARITIES) {
          const windows = windowsOf(readings, granularity);
          expectWindows(accepted.meters().flatMap((meterId) => fleet.windowsOf(meterId, granularity)), windows);
          expectParts([...fleet.parts(granularity).values()], regionWindowsOf(windows));
          if (granularity === '15m') for (const meterId of accepted.meters()) expect(energyProblem(windows.filter((window) => window.meterId === meterId), (from, to) => fleet.energyOf(meterId, from, to))).toBeNull();
        }
        const letters = fleet.answers().deadLetters as { raw: string }[];
        expect(letters).toHaveLength(seenRejected.get(accepted) ?? 0);
      }),
      { numRuns: propertyRuns(50) },
      seen,
    );
  });
});

const LATE: ReadingSpec[] = [0, 1, 2, 3, 4].flatMap((meter) =>
  [20_000, 61_000, 900_000].map((byMs, i): ReadingSpec => ({ kind: 'late', meter, byMs: byMs + meter, values: { powerKw: meter - i * 40, isError: false, regionShift: i } })),
);

const seenRejected = new WeakMap<AcceptedReadings, number>();

async function send(fleet: ShardFleet, accepted: AcceptedReadings, readings: ReturnType<LifeTeller['tell']>): Promise<void> {
  const outcomes = readings.map((reading) => accepted.judge(reading));
  expect(await fleet.send(readings)).toEqual(outcomes);
  const rejected = outcomes.filter((outcome) => outcome !== OUTCOME.accepted && outcome !== OUTCOME.duplicate).length;
  seenRejected.set(accepted, (seenRejected.get(accepted) ?? 0) + rejected);
}

/** Turns of the event loop from a record to its application, and one to spare. */
const COMMIT_TURNS = 4;

/** Long enough for ticks and for a checkpoint's step, which brings anomalies and dead letters to the store. */
async function live(fleet: ShardFleet): Promise<void> {
  await fleet.advance(1_500);
  // What a tick of this very moment has put into the log is applied, too: a recovery would find it there.
  for (let turn = 0; turn < COMMIT_TURNS; turn++) await fleet.advance(0);
}

describe('a redistribution', () => {
  const options: FleetOptions = { startMs: LIFE_START_MS, shards: 2, partitionCount: 8, latenessMs: 30_000, correctionHorizonMs: 40 * DAY_MS, intervalMs: 100, pagesPerStepMax: 128, journalKeepBytesMax: 1e9 };
  const value = { powerKw: 1, isError: false, regionShift: 0 };

  it('keeps the readingIds of the last minutes', async () => {
    const fleet = new ShardFleet(options);
    await fleet.start();
    const of = (meter: number, second: number) => ({ ...readingOf(meter, LIFE_START_MS + second * 1_000, value), readingId: [meter, 7] as const });
    const meters = [0, 1, 2, 3, 4, 5, 6, 7];
    await fleet.send(meters.map((meter) => of(meter, 0)));
    for (const shards of [3, 1, 4]) {
      fleet.crash();
      await fleet.redistribute(shards);
      await fleet.start();
      await fleet.advance(1_000);
      expect(await fleet.send(meters.map((meter) => of(meter, shards * 10)))).toEqual(meters.map(() => OUTCOME.duplicate));
    }
    fleet.jumpClock(5 * 60_000 + 2_000);
    expect(await fleet.send(meters.map((meter) => of(meter, 200)))).toEqual(meters.map(() => OUTCOME.accepted));
  });

  it('takes the hour-of-week profiles along', async () => {
    const fleet = new ShardFleet(options);
    await fleet.start();
    const meters = [0, 1, 2, 3, 4, 5, 6, 7];
    for (let minute = 0; minute < 190; minute += 10) {
      await fleet.send(meters.flatMap((meter) => Array.from({ length: 10 }, (_, i) => readingOf(meter, LIFE_START_MS + (minute + i) * 60_000, { ...value, powerKw: meter + i / 8 }))));
      fleet.jumpClock(600_000);
      await fleet.advance(500);
    }
    await live(fleet);
    fleet.crash();
    const profiles = () => fleet.disks.flatMap((disk) => [...disk.tables.table('profiles').range(Buffer.alloc(1), Buffer.alloc(8, 255))].map(({ key, value }) => [Buffer.from(key).toString('hex'), Buffer.from(value).toString('hex')])).sort();
    const before = profiles();
    expect(before.length).toBeGreaterThan(2);
    await fleet.redistribute(3);
    expect(profiles()).toEqual(before);
  });

  it('moves every partition to its owner, and leaves dead letters of one time and place apart', async () => {
    const fleet = new ShardFleet({ ...options, shards: 4 });
    await fleet.start();
    const meters = Array.from({ length: 300 }, (_, meter) => meter);
    await fleet.send(meters.map((meter) => readingOf(meter, LIFE_START_MS, value)));
    // The same position of the same record at the same time in each shard.
    await fleet.send(meters.map((meter) => readingOf(meter, LIFE_START_MS, { ...value, powerKw: 2 })));
    await live(fleet);
    const before = fleet.answers().deadLetters;
    fleet.crash();
    expect(await fleet.redistribute(3)).toMatchObject({ meters: 300 });
    await fleet.start();
    fleet.actors.forEach(({ state }, shard) => {
      expect(state.directory.meterCount).toBeGreaterThan(50);
      for (const { partition } of state.directory.pages) expect(partition % 3).toBe(shard);
    });
    const letters = fleet.answers().deadLetters as { meterId: string }[];
    expect(new Set(letters.map(({ meterId }) => meterId)).size).toBe(300);
    expect(letters).toEqual(before);
  });
});
