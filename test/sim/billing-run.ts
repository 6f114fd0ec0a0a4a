import { BILLING_BUGS } from './billing-bugs.ts';
import { makeBillingPlan, type BillingPlan } from './billing-plan.ts';
import { runBillingPlan } from './billing-world.ts';
import { lookFor } from './planted-bug.ts';
import { printFindings } from './planted-bugs.ts';

/** The simulator's command with `--bills`. */

const BUG_SEEDS = { seeds: 30, seedsMax: 300 };
/** Runs of a plan that is made smaller. */
const SHRINK_RUNS_MAX = 150;

/** Gives how many seeds failed. */
export async function runBillingSeeds({ first, count, steps, isTraced, isShrunk }: { first: number; count: number; steps: number; isTraced: boolean; isShrunk: boolean }): Promise<number> {
  let failed = 0;
  const papers = { invoices: 0, creditNotes: 0 };
  const counts = new Map<string, number>();
  for (let seed = first; seed < first + count; seed++) {
    const result = await runBillingPlan(makeBillingPlan(seed, steps), isTraced);
    if (isTraced) console.log(result.trace.join('\n'));
    papers.invoices += result.invoices;
    papers.creditNotes += result.creditNotes;
    for (const [name, times] of Object.entries(result.counts)) counts.set(name, (counts.get(name) ?? 0) + times);
    if (result.problem === null) continue;
    failed++;
    console.log(`\nseed ${seed} FAILS: ${result.problem}`);
    if (isShrunk) await printSmaller(seed, steps);
  }
  console.log(`\n${count} seeds of ${steps} steps, ${failed} failed; ${papers.invoices} invoices, ${papers.creditNotes} credit notes`);
  console.log([...counts].sort().map(([name, times]) => `${name} ${times}`).join(' · '));
  return failed;
}

async function printSmaller(seed: number, steps: number): Promise<void> {
  const small = await shrinkBillingPlan(makeBillingPlan(seed, steps));
  console.log(`shrunk to ${small.steps.length} steps: ${(await runBillingPlan(small)).problem}\n  ${JSON.stringify(small.options)}`);
  for (const step of small.steps) console.log(`  ${JSON.stringify(step)}`);
  console.log(`again: npm run sim -- --bills --seed ${seed} --steps ${steps} --trace`);
}

/** Leaves out ever smaller stretches of a failing plan's steps while it still fails. */
export async function shrinkBillingPlan(plan: BillingPlan): Promise<BillingPlan> {
  let best = plan;
  let runs = 0;
  for (let length = Math.ceil(best.steps.length / 2); length >= 1; length = length === 1 ? 0 : Math.ceil(length / 2)) {
    for (let at = 0; at < best.steps.length && runs < SHRINK_RUNS_MAX; runs++) {
      const shorter = { ...best, steps: best.steps.toSpliced(at, length) };
      if (shorter.steps.length > 0 && (await runBillingPlan(shorter)).problem !== null) best = shorter;
      else at += length;
    }
  }
  return best;
}

/** Gives how many bugs were not found. */
export async function runPlantedBilling(steps: number): Promise<number> {
  let missed = 0;
  for (const bug of BILLING_BUGS) {
    const [{ first }] = await printFindings([lookFor(bug, (seed) => runBillingPlan(makeBillingPlan(seed, steps)), BUG_SEEDS)]);
    if (first === 0) missed++;
  }
  return missed;
}
