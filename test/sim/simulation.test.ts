import { afterEach, describe, expect, it } from 'vitest';
import { ShardActor } from '../../src/actors/shard/actor.ts';
import { makePlan, type Plan } from './plan.ts';
import { lookFor, replaced } from './planted-bug.ts';
import { PLANTED_BUGS, runOf } from './planted-bugs.ts';
import { shrinkPlan } from './shrink.ts';
import { runPlan } from './world.ts';

/** `SEG_SIM_SEEDS` for more, or `npm run sim`, which runs thousands. Each planted bug is found within forty. */
const SEEDS = Number(process.env.SEG_SIM_SEEDS) || 60;
const STEPS = 50;

describe('the engine in simulation', () => {
  it(`keeps its promises in ${SEEDS} runs of crashes, full disks, lost answers and clocks that jump`, async () => {
    const failures: string[] = [];
    const happened = new Set<string>();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { problem, counts } = await runPlan(makePlan(seed, STEPS));
      for (const [name, count] of Object.entries(counts)) if (count > 0) happened.add(name);
      if (problem !== null) failures.push(`npm run sim -- --seed ${seed} --steps ${STEPS} --trace: ${problem}`);
    }
    expect(failures).toEqual([]);
    expect([...happened].sort()).toEqual(
      ['anomalies', 'clock', 'crash', 'diskBroken', 'diskFull', 'diskSlow', 'killIngest', 'killRegion', 'killShard', 'loseAnswers', 'removed', 'resize', 'restart', 'send', 'wait'],
    );
  }, 120_000);

  it('gives the same run for the same seed', async () => {
    const [first, second] = [await runPlan(makePlan(3, STEPS), true), await runPlan(makePlan(3, STEPS), true)];
    expect(first.trace.length).toBeGreaterThan(50);
    expect(second).toEqual(first);
  });
});

describe('the simulator', () => {
  const takeBack: (() => void)[] = [];
  afterEach(() => {
    for (const undo of takeBack.splice(0)) undo();
  });

  it.each(['acknowledges before the commit', 'replays records that a page\'s snapshot holds', 'adds to the regional sums again when it replays', 'does not look whether a late reading is known'])(
    'finds an engine that %s',
    async (name) => {
      const bug = PLANTED_BUGS.find((planted) => planted.name === name)!;
      const { failed } = await lookFor(bug, runOf(STEPS), { seeds: 1, seedsMax: 200 });
      expect(failed).toBeGreaterThan(0);
    },
    60_000,
  );

  it('does not take a mistake that cannot be made any more for one that it found', async () => {
    const bug = { name: 'reads what is gone', plant: () => replaced(ShardActor, 'write', () => (entry) => entry.gone.count) };
    await expect(lookFor(bug, runOf(STEPS), { seeds: 1, seedsMax: 1 })).rejects.toThrow('planting "reads what is gone" does not fit the code any more');
  });

  it('makes a failing run smaller and it still fails', async () => {
    takeBack.push(PLANTED_BUGS.find(({ name }) => name === 'does not look whether a late reading is known')!.plant());
    let plan: Plan | null = null;
    for (let seed = 1; plan === null && seed < 20; seed++) {
      const candidate = makePlan(seed, 25);
      if ((await runPlan(candidate)).problem !== null) plan = candidate;
    }
    const small = await shrinkPlan(plan!);
    expect(small.steps.length).toBeLessThan(8);
    expect((await runPlan(small)).problem).not.toBeNull();
  }, 60_000);
});
