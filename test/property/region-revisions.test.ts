import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { RegionPart } from '../../src/actors/shard/protocol.ts';
import type { SentRegionWindow } from '../../src/actors/sinks/protocol.ts';
import { ShardEffects } from '../../src/actors/sinks/shard-effects.ts';
import { systemClock } from '../../src/runtime/clock.ts';

/** A regional window whose parts lie with several engines, each of which writes all of it whenever its own part has changed: asked for at any pace, written in any order. */

const PARTITIONS = 4;
const KEY = { region: 'r', granularity: '1m', windowStart: 0 } as const;

type Step =
  /** A meter's window closes. */
  | { do: 'change'; partition: number }
  /** A sink begins to ask all partitions, if its own changed since it asked last. */
  | { do: 'ask'; partition: number }
  /** One answer of one question under way is taken, as the part is now. */
  | { do: 'answer'; question: number; partition: number }
  /** The answers of a question are merged and written. */
  | { do: 'write'; question: number };

const partition = fc.nat(PARTITIONS - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('change' as const), partition }),
  fc.record({ do: fc.constant('ask' as const), partition }),
  { weight: 4, arbitrary: fc.record({ do: fc.constant('answer' as const), question: fc.nat(7), partition }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('write' as const), question: fc.nat(7) }) },
);

class Cluster {
  readonly meters = new Array<number>(PARTITIONS).fill(0);
  row: SentRegionWindow | null = null;
  private readonly isUnsent = new Array<boolean>(PARTITIONS).fill(false);
  private readonly questions: Map<number, RegionPart>[] = [];

  async do(one: Step): Promise<void> {
    if (one.do === 'change') {
      this.meters[one.partition]++;
      this.isUnsent[one.partition] = true;
    } else if (one.do === 'ask') {
      if (!this.isUnsent[one.partition]) return;
      this.isUnsent[one.partition] = false;
      this.questions.push(new Map());
    } else {
      const answers = this.questions[one.question];
      if (answers === undefined) return;
      if (one.do === 'answer') this.answer(answers, one.partition);
      else await this.write(one.question);
    }
  }

  /** What is under way ends, in the order of `from` and then of asking; then every change that was not sent is. */
  async end(from: number): Promise<void> {
    while (this.questions.length > 0) await this.write(from % this.questions.length);
    for (let p = 0; p < PARTITIONS; p++) {
      await this.do({ do: 'ask', partition: p });
      if (this.questions.length > 0) await this.write(0);
    }
  }

  private answer(answers: Map<number, RegionPart>, p: number): void {
    if (!answers.has(p)) answers.set(p, { ...KEY, meters: this.meters[p], powerHigh: 0, powerLow: 0, energyHigh: 0, energyLow: 0, minPowerKw: 0, maxPowerKw: 0, changes: this.meters[p] });
  }

  private async write(question: number): Promise<void> {
    const [answers] = this.questions.splice(question, 1);
    for (let p = 0; p < PARTITIONS; p++) this.answer(answers, p);
    const source = new ShardEffects({ capacities: {}, latenessMs: 0, isShared: true }, { ask: () => Promise.reject(new Error('not asked')), regionParts: async () => [...answers.values()], clock: systemClock });
    const [window] = await source.regionWindows([KEY]);
    // As the table's upsert has it.
    if (window !== undefined && (this.row === null || window.revision! > this.row.revision!)) this.row = window;
  }
}

it('ends as the sum of all parts', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.nat(7), async (steps, from) => {
      const cluster = new Cluster();
      for (const one of steps) await cluster.do(one);
      await cluster.end(from);
      expect(cluster.row?.metersReporting ?? 0).toBe(cluster.meters.reduce((sum, meters) => sum + meters, 0));
    }),
    { numRuns: 500 },
  );
});
