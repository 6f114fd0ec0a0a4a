import { ALERT_BUGS } from './alert-bugs.ts';
import { makeAlertPlan } from './alert-plan.ts';
import { shrinkAlertPlan } from './alert-shrink.ts';
import { runAlertPlan } from './alert-world.ts';
import { lookFor } from './planted-bug.ts';
import { printFindings } from './planted-bugs.ts';

/** The simulator's command with `--alerts`. */

const BUG_SEEDS = { seeds: 30, seedsMax: 300 };

/** Gives how many seeds failed. */
export async function runAlertSeeds({ first, count, steps, isTraced, isShrunk }: { first: number; count: number; steps: number; isTraced: boolean; isShrunk: boolean }): Promise<number> {
  let failed = 0;
  let notices = 0;
  let messages = 0;
  const counts = new Map<string, number>();
  for (let seed = first; seed < first + count; seed++) {
    const result = await runAlertPlan(makeAlertPlan(seed, steps), isTraced);
    if (isTraced) console.log(result.trace.join('\n'));
    notices += result.notices;
    messages += result.messages;
    for (const [name, times] of Object.entries(result.counts)) counts.set(name, (counts.get(name) ?? 0) + times);
    if (result.problem === null) continue;
    failed++;
    console.log(`\nseed ${seed} FAILS: ${result.problem}`);
    if (isShrunk) await printSmaller(seed, steps);
  }
  console.log(`\n${count} seeds of ${steps} steps, ${failed} failed; ${notices} notices, ${messages} messages`);
  console.log([...counts].sort().map(([name, times]) => `${name} ${times}`).join(' · '));
  return failed;
}

async function printSmaller(seed: number, steps: number): Promise<void> {
  const small = await shrinkAlertPlan(makeAlertPlan(seed, steps));
  const { problem } = await runAlertPlan(small);
  console.log(`shrunk to ${small.steps.length} steps: ${problem}\n  ${JSON.stringify(small.options)}`);
  for (const step of small.steps) console.log(`  ${JSON.stringify(step)}`);
  console.log(`again: npm run sim -- --alerts --seed ${seed} --steps ${steps} --trace`);
}

/** Gives how many bugs were not found. */
export async function runPlantedAlerts(steps: number): Promise<number> {
  const run = (seed: number): ReturnType<typeof runAlertPlan> => runAlertPlan(makeAlertPlan(seed, steps));
  let missed = 0;
  for (const bug of ALERT_BUGS) {
    const [{ first }] = await printFindings([lookFor(bug, run, BUG_SEEDS)]);
    if (first === 0) missed++;
  }
  return missed;
}
