import fc from 'fast-check';
import { expect, it } from 'vitest';
import { IngestActor, INGEST_DEFAULTS } from '../../src/actors/ingest/actor.ts';
import type { IngestRefusal, IngestSummary } from '../../src/actors/ingest/protocol.ts';
import { OUTCOME } from '../../src/model/reading.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { decodeWords, FakeShard, outcomeOfMeter, PARTITIONS, wordsBody } from '../fixtures/ingest/fake-shard.ts';

const SHARDS = 3;

type Step =
  | { kind: 'request'; words: string[] }
  | { kind: 'endTurn' }
  | { kind: 'answer' | 'answerNewest' | 'fail' | 'restart' | 'down'; shard: number }
  | { kind: 'bytes'; shard: number; hasBytes: boolean };

const word = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('m', 'd', 'c') },
  { weight: 3, arbitrary: fc.constant('!') },
  { weight: 1, arbitrary: fc.constantFrom('?', '#', '%') },
);
const shard = fc.nat({ max: SHARDS - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('request' as const), words: fc.array(word, { maxLength: 9 }) }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'endTurn' as const }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('answer' as const, 'answerNewest' as const), shard }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('fail' as const, 'restart' as const, 'down' as const), shard }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('bytes' as const), shard, hasBytes: fc.boolean() }) },
);

interface Sent {
  /** With every word made unique, so that a reading can be traced to its request. */
  words: string[];
  results: (IngestSummary | IngestRefusal)[];
  refusedAtOnce: boolean;
  threw: boolean;
}

class World {
  readonly sent: Sent[] = [];
  /** Of every incarnation. */
  readonly everyShard: FakeShard[] = [];
  private readonly turnEnds: (() => void)[] = [];
  private readonly shards: (FakeShard | null)[] = [];
  readonly actor = new IngestActor(
    { ...INGEST_DEFAULTS, partitionCount: PARTITIONS, shardCount: SHARDS, queuedReadingsMax: 12, eagerReadings: 6, gatheredReadings: 4 },
    { clock: new VirtualTime(), decode: decodeWords, atTurnEnd: (fn) => this.turnEnds.push(fn) },
  );

  constructor() {
    for (let i = 0; i < SHARDS; i++) this.start(i);
  }

  async run(step: Step): Promise<void> {
    if (step.kind === 'request') this.request(step.words);
    else if (step.kind === 'endTurn') this.turnEnds.splice(0).forEach((fn) => fn());
    else if (step.kind === 'down') this.stop(step.shard);
    else if (step.kind === 'restart') {
      this.stop(step.shard);
      this.start(step.shard);
    } else {
      const fake = this.shards[step.shard];
      if (fake === null) return;
      if (step.kind === 'answer') fake.answerOldest();
      else if (step.kind === 'answerNewest') fake.open.reverse() && fake.answerOldest();
      else if (step.kind === 'fail') fake.failOldest('deadline');
      else if (step.kind === 'bytes') fake.hasBytes = step.hasBytes;
    }
    await settled();
  }

  async finish(): Promise<void> {
    await this.run({ kind: 'endTurn' });
    for (const fake of this.shards) {
      if (fake === null) continue;
      fake.hasBytes = true;
      fake.grantCredit();
      while (fake.open.length > 0) {
        fake.answerOldest();
        await settled();
      }
    }
  }

  private request(words: string[]): void {
    const request = this.sent.length;
    const unique = words.map((w, i) => (w === 'm' || w === 'd' || w === 'c' || w === '!' ? `${w}${request}.${i}` : w));
    const sent: Sent = { words: unique, results: [], refusedAtOnce: false, threw: false };
    this.sent.push(sent);
    try {
      this.actor.ingest(wordsBody(unique), 'json', (result) => sent.results.push(result));
    } catch {
      sent.threw = true;
    }
    sent.refusedAtOnce = sent.results.length > 0 && 'status' in sent.results[0];
  }

  private start(index: number): void {
    const fake = new FakeShard(2);
    this.shards[index] = fake;
    this.everyShard.push(fake);
    this.actor.shardUp(index, fake);
  }

  private stop(index: number): void {
    this.actor.shardDown(index);
    this.shards[index]?.failAll();
    this.shards[index] = null;
  }
}

/** What the request must have been answered with when all its readings were stored. */
function expectedSummary(words: string[]): IngestSummary {
  const expected: IngestSummary = { accepted: 0, duplicates: 0, rejected: 0, errors: [] };
  for (const [index, w] of words.entries()) {
    if (w.startsWith('!')) expected.errors.push({ index, code: 'missing_field', message: 'powerKw is missing' });
    else if (outcomeOfMeter(w) === OUTCOME.accepted) expected.accepted++;
    else if (outcomeOfMeter(w) === OUTCOME.duplicate) expected.duplicates++;
    else expected.errors.push({ index, code: 'conflict', message: expect.any(String) as unknown as string });
  }
  expected.rejected = expected.errors.length;
  return expected;
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

it('answers every request exactly once, with the sum of what the shards said of its readings, and sends nothing of a refused one', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const world = new World();
      for (const one of steps) await world.run(one);
      await world.finish();
      const received = world.everyShard.flatMap((fake) => fake.received);
      const readings = received.flatMap((batch) => batch.meterIds);
      const deadLetters = received.flatMap((batch) => batch.deadLetters.map((letter) => letter.raw));
      expect(received.filter((batch) => batch.meterIds.length + batch.deadLetters.length === 0)).toEqual([]);
      const arrived = new Set([...readings, ...deadLetters]);
      expect(arrived.size).toBe(readings.length + deadLetters.length);
      for (const { words, results, refusedAtOnce, threw } of world.sent) {
        expect(results).toHaveLength(threw ? 0 : 1);
        if (threw || refusedAtOnce) expect(words.filter((w) => arrived.has(w))).toEqual([]);
        else if ('status' in results[0]) expect(results[0].status).toBe(503);
        else {
          expect(words.filter((w) => !arrived.has(w))).toEqual([]);
          expect(results[0]).toEqual(expectedSummary(words));
        }
      }
      expect(world.actor.stats()).toMatchObject({ requestsPending: 0, batches: { inFlight: 0 } });
      for (const lane of world.actor.stats().shards) expect(lane).toMatchObject({ queuedReadings: 0, queuedBytes: 0 });
    }),
    { numRuns: 500 },
  );
});
