import { afterEach, describe, expect, it } from 'vitest';
import { BILLING_BUGS } from './billing-bugs.ts';
import { makeBillingPlan } from './billing-plan.ts';
import { shrinkBillingPlan } from './billing-run.ts';
import { runBillingPlan } from './billing-world.ts';
import { lookFor } from './planted-bug.ts';

/** `SEG_BILLING_SIM_SEEDS` for more. */
const SEEDS = Number(process.env.SEG_BILLING_SIM_SEEDS) || 20;
const STEPS = 40;
/** A planted bug is looked for in so many runs at most. */
const BUG_SEEDS = 60;

describe('the tariff supervisor in simulation', () => {
  it(`bills everybody once and right in ${SEEDS} runs of crashes, full disks, shards that are away and clocks that jump`, async () => {
    const failures: string[] = [];
    const happened = new Set<string>();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { problem, counts } = await runBillingPlan(makeBillingPlan(seed, STEPS));
      for (const name of Object.keys(counts)) happened.add(name);
      if (problem !== null) failures.push(`npm run sim -- --bills --seed ${seed} --steps ${STEPS} --trace: ${problem}`);
    }
    expect(failures).toEqual([]);
    expect([...happened].sort()).toEqual(['away', 'clock', 'diskFull', 'diskSlow', 'dispute', 'draft', 'kill', 'lateEnergy', 'move', 'moveIn', 'pay', 'putTariff', 'resolve', 'startRun', 'stop', 'wait']);
  }, 120_000);

  it('does the same for the same seed', async () => {
    const [first, second] = [await runBillingPlan(makeBillingPlan(3, STEPS), true), await runBillingPlan(makeBillingPlan(3, STEPS), true)];
    expect(first.trace.length).toBeGreaterThan(STEPS);
    expect(second).toEqual(first);
  });

  it.each(BILLING_BUGS)('is found out when it $name', async (bug) => {
    const { failed } = await lookFor(bug, (seed) => runBillingPlan(makeBillingPlan(seed, STEPS)), { seeds: 1, seedsMax: BUG_SEEDS });
    expect(failed).toBeGreaterThan(0);
  }, 120_000);
});

describe('a run that fails', () => {
  let takeBack = (): void => {};
  afterEach(() => takeBack());

  it('is made smaller and still fails', async () => {
    takeBack = BILLING_BUGS.find(({ name }) => name === 'puts a new bill in place without moving what was paid')!.plant();
    let seed = 1;
    while ((await runBillingPlan(makeBillingPlan(seed, STEPS))).problem === null && seed < BUG_SEEDS) seed++;
    const small = await shrinkBillingPlan(makeBillingPlan(seed, STEPS));
    expect(small.steps.length).toBeLessThan(STEPS / 2);
    expect((await runBillingPlan(small)).problem).not.toBeNull();
  }, 60_000);
});
