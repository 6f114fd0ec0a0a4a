import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { verifyShard } from '../../src/actors/shard/verify.ts';
import { EffectConsumer } from '../support/effect-consumer.ts';
import { memoryShardStore } from '../support/memory-shard-store.ts';
import { ShardHarness } from '../support/shard-harness.ts';
import { LIFE_START_MS, LifeTeller, propertyRuns, readingSpec, type ReadingSpec } from '../support/shard-lives.ts';
import { assertUntilSeen } from '../support/until-seen.ts';

const NAMES = ['timescale', 'kafka'];

/** What happens to a shard and to those who read its outbox, one after another. */
type Step =
  | { do: 'send'; specs: ReadingSpec[] }
  | { do: 'wait'; ms: number }
  | { do: 'clock'; byMs: number }
  | { do: 'crash'; log: 'lost' | 'kept'; tables: 'lost' | 'kept' }
  | { do: 'restart'; latenessMs: number }
  | { do: 'disk full'; commits: number }
  | { do: 'consumers'; names: string[] }
  /** `lost`: read, but never written. `unheard`: written, but the shard was not told. */
  | { do: 'read'; who: number; windowsMax: number; fate: 'written' | 'lost' | 'unheard' }
  | { do: 'backup'; who: number }
  /** To the newest backup: its cursor goes back with what it wrote. */
  | { do: 'restore'; who: number }
  /** It knows what it wrote, but not up to where. */
  | { do: 'forget'; who: number };

const who = fc.nat(NAMES.length - 1);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant('send' as const), specs: fc.array(readingSpec, { minLength: 1, maxLength: 25 }) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(0, 1, 3, 10, 120, 300, 700, 3_000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('clock' as const), byMs: fc.oneof(fc.integer({ min: -120_000, max: 300_000 }), fc.integer({ min: 0, max: 3 * 3_600_000 })) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), log: fc.constantFrom('lost' as const, 'kept' as const), tables: fc.constantFrom('lost' as const, 'kept' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), latenessMs: fc.constantFrom(0, 30_000, 60_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('disk full' as const), commits: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('consumers' as const), names: fc.subarray(NAMES) }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('read' as const),
      who,
      windowsMax: fc.constantFrom(1, 2, 7, 1_000),
      fate: fc.constantFrom('written' as const, 'written' as const, 'lost' as const, 'unheard' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('backup' as const), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restore' as const), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('forget' as const), who }) },
);

const setting = fc.record({
  latenessMs: fc.constantFrom(0, 30_000, 60_000),
  partitionCount: fc.constantFrom(1, 4),
  stepMs: fc.constantFrom(1, 100, 1_000),
  intervalMs: fc.constantFrom(100, 2_000, 1e9),
  pagesPerStepMax: fc.constantFrom(1, 2, 128),
  journalBytesMax: fc.constantFrom(0, 1e9),
  commitMs: fc.constantFrom(0, 1, 5, 40),
});

const scenario = fc.record({ setting, bytesMax: fc.constantFrom(1, 400, 2_000, 1e9), steps: fc.array(step, { minLength: 1, maxLength: 60 }), windowsMax: fc.constantFrom(1, 5, 1_000) });

/** What the runs came past, so that a property that proves nothing shows. */
interface Seen {
  early: number;
  scans: number;
  resyncs: number;
  trimmed: number;
  anomalies: number;
  deadLetters: number;
}

describe('a shard with an outbox through any life', () => {
  it('has given in the end everything there is to each consumer, whatever became of the two', { timeout: 3_600_000 }, async () => {
    const seen: Seen = { early: 0, scans: 0, resyncs: 0, trimmed: 0, anomalies: 0, deadLetters: 0 };
    await assertUntilSeen(
      fc.asyncProperty(scenario, async ({ setting, bytesMax, steps, windowsMax }) => {
        const harness = new ShardHarness({ startMs: LIFE_START_MS, ...setting, outbox: { consumers: NAMES, bytesMax } });
        const life = new Life(harness, bytesMax, seen);
        await harness.start();
        for (const step of steps) await life.take(step);
        await life.end(windowsMax);
        const store = memoryShardStore(harness.disk);
        expect(verifyShard(store, { shard: 0, shardCount: 1, state: store.settings()! }, () => {}).findings).toEqual([]);
      }),
      { numRuns: propertyRuns(100) },
      seen,
    );
  });
});

class Life {
  private readonly harness: ShardHarness;
  private readonly bytesMax: number;
  private readonly seen: Seen;
  private readonly teller = new LifeTeller();
  private readonly consumers: EffectConsumer[];
  private readonly backups: EffectConsumer['written'][];
  private configured = NAMES;

  constructor(harness: ShardHarness, bytesMax: number, seen: Seen) {
    this.harness = harness;
    this.bytesMax = bytesMax;
    this.seen = seen;
    this.consumers = NAMES.map((name) => new EffectConsumer(name, harness));
    this.backups = this.consumers.map((consumer) => consumer.backup());
  }

  async take(step: Step): Promise<void> {
    const { harness } = this;
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
        harness.configure({ latenessMs: step.latenessMs });
        return this.restart();
      case 'disk full':
        return harness.disk.failNext('storage_full', step.commits);
      case 'consumers':
        this.configured = step.names;
        harness.configure({ outbox: { consumers: step.names, bytesMax: this.bytesMax } });
        return this.restart();
      case 'read':
        return this.read(step);
      case 'backup':
        this.backups[step.who] = this.consumers[step.who].backup();
        return;
      case 'restore':
        // A database of yesterday says so by its cursor: without one the shard's own note would count, which is of today.
        if (this.backups[step.who].cursor !== null) this.consumers[step.who].written = { ...this.backups[step.who] };
        return;
      case 'forget':
        this.consumers[step.who].written.cursor = null;
    }
  }

  async end(windowsMax: number): Promise<void> {
    const { harness } = this;
    harness.disk.stopFailing();
    await harness.drain();
    await this.take({ do: 'consumers', names: NAMES });
    for (const consumer of this.consumers) consumer.catchUp(windowsMax);
    // What is only in memory is there too.
    this.expectWindows();
    harness.jumpClock(86_400_000);
    await harness.advance(2_000);
    await harness.drain();
    await harness.restart();
    for (const consumer of this.consumers) {
      consumer.catchUp(windowsMax);
      consumer.expectAll();
      this.seen.anomalies += consumer.written.anomalies.size;
      this.seen.deadLetters += consumer.written.deadLetters.size;
    }
    this.seen.resyncs += harness.warnings.filter((warning) => warning.includes('has been removed')).length;
    await harness.advance(5_000);
    this.seen.trimmed += harness.shardStore.outboxEnds() === null || harness.shardStore.outboxEnds()!.first > 1 ? 1 : 0;
    expect(harness.shardStore.outbox.count()).toBeLessThanOrEqual(2);
    for (const consumer of this.consumers) {
      const { windowCount, isLast } = consumer.read(1_000);
      expect([windowCount, isLast]).toEqual([0, true]);
    }
  }

  /** A full disk must not be what a new start meets. */
  private async restart(): Promise<void> {
    this.harness.disk.stopFailing();
    await this.harness.advance(1_100);
    await this.harness.restart();
  }

  private expectWindows(): void {
    const known = this.consumers.map(({ written }) => written.windows.size);
    expect(known[0]).toBe(known[1]);
  }

  private read({ who, windowsMax, fate }: Extract<Step, { do: 'read' }>): void {
    const consumer = this.consumers[who];
    if (!this.configured.includes(consumer.name)) {
      expect(() => consumer.read(windowsMax)).toThrow('keeps no outbox');
      return;
    }
    const from = consumer.written.cursor;
    const batch = consumer.read(windowsMax);
    if (batch.position.includes(':s:')) this.seen.scans++;
    if (/:e[^:]+$/.test(batch.position)) this.seen.early++;
    expect(batch.position.length).toBeLessThanOrEqual(200);
    // Who gives something moves on: the pump relies on it.
    if (batch.windowCount + batch.regionWindows.length + batch.anomalies.length + batch.deadLetters.length > 0) expect(batch.position).not.toBe(from);
    if (fate === 'lost') return;
    consumer.write(batch);
    if (fate === 'written') consumer.acknowledge();
  }
}
