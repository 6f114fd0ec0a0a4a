import type { AlertPlan } from './alert-plan.ts';
import { runAlertPlan } from './alert-world.ts';

/** Runs at most: at some 100 ms each that is 20 s. */
const RUNS_MAX = 200;

/** Makes a failing plan smaller while it still fails: leaves out ever smaller stretches of its steps. */
export async function shrinkAlertPlan(plan: AlertPlan): Promise<AlertPlan> {
  let best = plan;
  let runs = 0;
  for (let length = Math.ceil(best.steps.length / 2); length >= 1; length = length === 1 ? 0 : Math.ceil(length / 2)) {
    for (let at = 0; at < best.steps.length && runs < RUNS_MAX; runs++) {
      const shorter = { ...best, steps: best.steps.toSpliced(at, length) };
      if (shorter.steps.length > 0 && (await runAlertPlan(shorter)).problem !== null) best = shorter;
      else at += length;
    }
  }
  return best;
}
