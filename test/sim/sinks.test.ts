import { describe, expect, it } from 'vitest';
import { lookFor } from './planted-bug.ts';
import { SINK_BUGS } from './sink-bugs.ts';
import { makeSinkPlan } from './sink-plan.ts';
import { runSinkPlan } from './sink-world.ts';

/** `SEG_SINK_SIM_SEEDS` for more. */
const SEEDS = Number(process.env.SEG_SINK_SIM_SEEDS) || 500;
const STEPS = 40;
/** A planted bug is looked for in so many runs at most; the rarest, two shards that meet at one region, shows in the 201st. */
const BUG_SEEDS = 500;

describe('the pump in simulation', () => {
  it(`brings everything across in ${SEEDS} runs of outages, lost answers, kills, slow writes and other numbers of shards`, async () => {
    const failures: string[] = [];
    const happened = new Set<string>();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { problem, counts } = await runSinkPlan(makeSinkPlan(seed, STEPS));
      for (const name of Object.keys(counts)) happened.add(name);
      if (problem !== null) failures.push(`seed ${seed}: ${problem}`);
    }
    expect(failures).toEqual([]);
    expect([...happened].sort()).toEqual(['change', 'clock', 'failWrites', 'kill', 'loseAnswers', 'resize', 'shardAway', 'slowWrites', 'stop', 'wait', 'writerAway']);
  }, 120_000);

  it('gives the same run for the same seed', async () => {
    const [first, second] = [await runSinkPlan(makeSinkPlan(3, STEPS), true), await runSinkPlan(makeSinkPlan(3, STEPS), true)];
    expect(first.trace.length).toBeGreaterThan(50);
    expect(second).toEqual(first);
  });

  it.each(SINK_BUGS)('finds a pump that $name', async (bug) => {
    const { failed } = await lookFor(bug, (seed) => runSinkPlan(makeSinkPlan(seed, STEPS)), { seeds: 1, seedsMax: BUG_SEEDS });
    expect(failed).toBeGreaterThan(0);
  }, 60_000);
});
