import { afterEach, describe, expect, it } from 'vitest';
import { ALERT_BUGS } from './alert-bugs.ts';
import { makeAlertPlan } from './alert-plan.ts';
import { shrinkAlertPlan } from './alert-shrink.ts';
import { runAlertPlan } from './alert-world.ts';
import { lookFor } from './planted-bug.ts';

/** `SEG_ALERT_SIM_SEEDS` for more, or `npm run sim -- --alerts`, which runs thousands. Each planted bug is found within sixty. */
const SEEDS = Number(process.env.SEG_ALERT_SIM_SEEDS) || 60;
const STEPS = 40;
/** A planted bug is looked for in so many runs at most. */
const BUG_SEEDS = 200;

describe('the supervisors of alerts and notifications in simulation', () => {
  it(`tell who has to hear, once, in ${SEEDS} runs of crashes, full disks, clocks that jump and providers in trouble`, async () => {
    const failures: string[] = [];
    const happened = new Set<string>();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { problem, counts } = await runAlertPlan(makeAlertPlan(seed, STEPS));
      for (const name of Object.keys(counts)) happened.add(name);
      if (problem !== null) failures.push(`npm run sim -- --alerts --seed ${seed} --steps ${STEPS} --trace: ${problem}`);
    }
    expect(failures).toEqual([]);
    expect([...happened].sort()).toEqual(
      ['acknowledge', 'back', 'calm', 'clock', 'component', 'contact', 'diskFull', 'diskSlow', 'endSilence', 'feedAgain', 'kill', 'load', 'lookupsFail', 'loseAnswers', 'odd', 'out', 'override', 'provider', 'resolve', 'rules', 'silence', 'stop', 'unsubscribe', 'wait'],
    );
  }, 120_000);

  it('do the same for the same seed', async () => {
    const [first, second] = [await runAlertPlan(makeAlertPlan(3, STEPS), true), await runAlertPlan(makeAlertPlan(3, STEPS), true)];
    expect(first.trace.length).toBeGreaterThan(50);
    expect(second).toEqual(first);
  });

  it.each(ALERT_BUGS)('are found out when one $name', async (bug) => {
    const { failed } = await lookFor(bug, (seed) => runAlertPlan(makeAlertPlan(seed, STEPS)), { seeds: 1, seedsMax: BUG_SEEDS });
    expect(failed).toBeGreaterThan(0);
  }, 60_000);
});

describe('a run that fails', () => {
  let takeBack = (): void => {};
  afterEach(() => takeBack());

  it('is made smaller and still fails', async () => {
    takeBack = ALERT_BUGS.find(({ name }) => name === 'tells of alerts that are kept back')!.plant();
    let seed = 1;
    while ((await runAlertPlan(makeAlertPlan(seed, STEPS))).problem === null && seed < BUG_SEEDS) seed++;
    const small = await shrinkAlertPlan(makeAlertPlan(seed, STEPS));
    expect(small.steps.length).toBeLessThan(STEPS / 2);
    expect((await runAlertPlan(small)).problem).not.toBeNull();
  }, 60_000);
});
