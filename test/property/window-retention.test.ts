import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { verifyShard } from '../../src/actors/shard/verify.ts';
import { BEGINNING } from '../../src/actors/sinks/protocol.ts';
import { GRANULARITIES, GRANULARITY_MS, type Granularity, type MeterWindow } from '../../src/model/window.ts';
import { windowsOf } from '../oracle/window-oracle.ts';
import { EffectConsumer } from '../support/effect-consumer.ts';
import { memoryShardStore } from '../support/memory-shard-store.ts';
import { expectWindows, ShardExpectations } from '../support/shard-expectations.ts';
import { ShardHarness } from '../support/shard-harness.ts';
import { LIFE_START_MS, LifeTeller, propertyRuns, readingSpec, type ReadingSpec } from '../support/shard-lives.ts';
import { assertUntilSeen } from '../support/until-seen.ts';

/** A shard that keeps windows for a while only, beside a database that keeps them for good: together they have all, and nothing else is different. */

const HOUR_MS = 3_600_000;
const PIECE_MS = GRANULARITY_MS['15m'];
const DATABASE = 'timescale';
const FOREVER_MS = 1e13;

type Step =
  | { do: 'send'; specs: ReadingSpec[] }
  | { do: 'wait'; ms: number }
  | { do: 'clock'; byMs: number }
  | { do: 'crash'; log: 'lost' | 'kept'; tables: 'lost' | 'kept' }
  | { do: 'restart' }
  | { do: 'disk full'; commits: number }
  | { do: 'read'; windowsMax: number; isWritten: boolean }
  | { do: 'lose the database' };

const fate = fc.constantFrom('lost' as const, 'kept' as const);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('send' as const), specs: fc.array(readingSpec, { minLength: 1, maxLength: 12 }) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 3_000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clock' as const), byMs: fc.integer({ min: -HOUR_MS, max: 4 * HOUR_MS }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), log: fate, tables: fate }) },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('disk full' as const), commits: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('read' as const), windowsMax: fc.integer({ min: 1, max: 60 }), isWritten: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ do: 'lose the database' as const }) },
);

interface Setting {
  keepMs: number[];
  hasDatabase: boolean;
  stepMs: number;
  intervalMs: number;
  pagesPerStepMax: number;
}

const setting: fc.Arbitrary<Setting> = fc.record({
  keepMs: fc.constantFrom([HOUR_MS, HOUR_MS], [HOUR_MS, 2 * HOUR_MS], [3 * HOUR_MS, HOUR_MS], [Infinity, HOUR_MS], [HOUR_MS, Infinity]),
  hasDatabase: fc.boolean(),
  stepMs: fc.constantFrom(20, 100, 1_500),
  intervalMs: fc.constantFrom(50, 1_000, 5_000),
  pagesPerStepMax: fc.constantFrom(1, 128),
});

describe('a shard that keeps windows for a while', () => {
  it('answers every reading and region as one that keeps all, and its database has the rest', { timeout: 3_600_000 }, async () => {
    const seen = { removed: 0, keptOfAMeter: 0, corrected: 0 };
    await assertUntilSeen(
      fc.asyncProperty(setting, fc.array(step, { minLength: 5, maxLength: 40 }), async (options, steps) => {
        const life = new Life(options);
        await life.begin();
        for (const one of steps) await life.take(one);
        await life.end(seen);
      }),
      { numRuns: propertyRuns(40) },
      seen,
    );
  });
});

class Life {
  private readonly setting: Setting;
  private readonly harness: ShardHarness;
  private readonly expectations: ShardExpectations;
  private readonly teller = new LifeTeller();
  private readonly database: EffectConsumer;

  constructor(setting: Setting) {
    this.setting = setting;
    const { keepMs, hasDatabase, ...pace } = setting;
    this.harness = new ShardHarness({ startMs: LIFE_START_MS, correctionHorizonMs: HOUR_MS, retention: { keepMs }, outbox: { consumers: hasDatabase ? [DATABASE] : [], bytesMax: 1e9 }, ...pace });
    this.expectations = new ShardExpectations(this.harness, HOUR_MS, Math.min(...keepMs));
    this.database = new EffectConsumer(DATABASE, this.harness);
  }

  begin(): Promise<void> {
    return this.harness.start();
  }

  async take(step: Step): Promise<void> {
    const { harness, database } = this;
    switch (step.do) {
      case 'send':
        harness.send(this.teller.tell(step.specs));
        return;
      case 'wait':
        return harness.advance(step.ms);
      case 'clock':
        return harness.jumpClock(step.byMs);
      case 'crash':
        return harness.crash(step.log, step.tables);
      case 'restart':
        harness.disk.stopFailing();
        await harness.advance(1_100);
        return harness.restart();
      case 'disk full':
        return harness.disk.failNext('storage_full', step.commits);
      case 'read': {
        if (!this.setting.hasDatabase) return;
        const batch = database.read(step.windowsMax);
        if (!step.isWritten) return;
        database.write(batch);
        database.acknowledge();
        return;
      }
      case 'lose the database':
        // What it takes away at this moment, as the database had it, would be lost with both.
        while ((harness.actor as unknown as { checkpoint: { step: object | null } }).checkpoint.step !== null) await harness.advance(1);
        // What the shard has, it must be given again, and nothing may go meanwhile.
        for (const [key, { meterId, granularity, windowStart }] of database.written.windows) if (windowStart >= this.keptFrom(meterId, granularity)) database.written.windows.delete(key);
        database.written.cursor = BEGINNING;
        // Its next question tells the shard; what went before that, nobody has.
        if (this.setting.hasDatabase) database.read(1);
    }
  }

  private keptFrom(meterId: string, granularity: Granularity): number {
    return this.harness.ask<'meterWindows'>({ kind: 'meterWindows', meterId, query: { granularity, from: 0, to: FOREVER_MS, limit: 1, cursor: null } })!.keptFrom;
  }

  async end(seen: { removed: number; keptOfAMeter: number; corrected: number }): Promise<void> {
    const { harness, database, expectations } = this;
    harness.disk.stopFailing();
    await harness.drain();
    harness.jumpClock(30 * 86_400_000);
    // Closes all, writes all, is read, and takes what is old then.
    for (let i = 0; i < 3; i++) {
      await harness.advance(6_000);
      await harness.restart();
      if (this.setting.hasDatabase) database.catchUp(50);
    }
    await harness.advance(10_000);
    expectations.checkRegions();
    expectations.checkMeters();
    for (const granularity of GRANULARITIES) this.checkWindows(granularity, seen);
    // That of windows that are gone is still there.
    expectations.checkEnergy();
    const store = memoryShardStore(harness.disk);
    expect(verifyShard(store, { shard: 0, shardCount: 1, state: store.settings()! }).findings).toEqual([]);
  }

  private checkWindows(granularity: Granularity, seen: { removed: number; keptOfAMeter: number; corrected: number }): void {
    const { accepted } = this.expectations;
    const expected = windowsOf(accepted.all(), granularity);
    const kept = new Map(accepted.meters().flatMap((meterId) => this.harness.windowsOf(meterId, granularity, 7)).map((window) => [keyOf(window), window]));
    const stays = ({ meterId, windowStart }: { meterId: string; windowStart: number }): boolean => windowStart >= this.oldBefore(meterId, granularity);
    expect([...kept.keys()].sort()).toEqual(expected.filter(stays).map(keyOf).sort());
    seen.removed += expected.length - kept.size;
    for (const meterId of accepted.meters()) {
      const keptFrom = this.keptFrom(meterId, granularity);
      const gone = expected.filter((window) => window.meterId === meterId && !stays(window));
      // No further than what is gone (of ERROR readings alone the oracle has no window): beyond, nobody needs the database.
      expect(keptFrom).toBeGreaterThanOrEqual(gone.at(-1)?.windowEnd ?? 0);
      expect(keptFrom).toBeLessThanOrEqual(Math.max(0, this.oldBefore(meterId, granularity)));
      if (gone.length > 0 && kept.size > 0) seen.keptOfAMeter++;
    }
    if (!this.setting.hasDatabase) return;
    const all = new Map<string, MeterWindow>();
    for (const window of [...this.database.written.windows.values()].filter((window) => window.granularity === granularity)) all.set(keyOf(window), window);
    for (const [key, window] of kept) all.set(key, window);
    const windows = [...all.values()].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
    expectWindows(windows, [...expected].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)));
    seen.corrected += windows.filter(({ revision }) => revision > 0).length;
  }

  private oldBefore(meterId: string, granularity: Granularity): number {
    const limitMs = this.expectations.accepted.newestOf(meterId) - this.setting.keepMs[GRANULARITIES.indexOf(granularity)];
    return Math.floor(limitMs / PIECE_MS) * PIECE_MS;
  }
}

function keyOf({ meterId, windowStart }: { meterId: string; windowStart: number }): string {
  return `${meterId} ${windowStart}`;
}
