import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { runAlertSeeds, runPlantedAlerts } from './alert-run.ts';
import { runBillingSeeds, runPlantedBilling } from './billing-run.ts';
import { describeStep, makePlan, type Plan } from './plan.ts';
import type { Finding } from './planted-bug.ts';
import { PLANTED_BUGS, printFindings } from './planted-bugs.ts';
import { SeedProcesses } from './seed-processes.ts';
import { runSeed, runSeeds, type SeedTotals } from './seeds.ts';
import { shrinkPlan } from './shrink.ts';
import { runPlan, type RunResult } from './world.ts';

/**
 * The simulator's command: `npm run sim -- --seed 1 --seeds 2000 --steps 50`. A seed that fails is printed with what was wrong, made smaller, and its
 * steps listed; `--seed N --trace` shows everything that happens in it. `--planted` shows how many seeds find each planted bug. Seeds, and bugs, are spread over
 * as many processes as there are cores, or `--jobs N`. `--alerts` does the same with the supervisors of alerts and notifications, and `--bills` with that of tariffs,
 * in this process.
 */

const USAGE = `npm run sim -- [options]: runs the shards, the supervisors and their faults from seeds, and checks what must hold

  --seed N      the first seed (1)
  --seeds N     how many, one after the other (1)
  --steps N     steps of each (50)
  --jobs N      processes (a core each)
  --trace       prints everything that happens
  --no-shrink   does not look for a smaller plan that fails, too
  --planted     plants each of the known bugs, and says how many seeds find it
  --alerts      the supervisors of alerts and notifications instead of shards
  --bills       the supervisor of tariffs and bills instead of shards`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    steps: { type: 'string', default: '50' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    trace: { type: 'boolean', default: false },
    planted: { type: 'boolean', default: false },
    alerts: { type: 'boolean', default: false },
    bills: { type: 'boolean', default: false },
    'no-shrink': { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(USAGE);
  process.exit(0);
}

const FAILURES_SHOWN_MAX = 5;
const MINUTE_MS = 60_000;
/** Of a process at a time: long beside what it takes to hand them out, short beside the whole. */
const SEEDS_PER_PIECE = 25;

async function report(seed: number, problem: string, plan: Plan): Promise<void> {
  console.log(`\nseed ${seed} FAILS: ${problem}`);
  if (values['no-shrink']) return;
  const small = await shrinkPlan(plan);
  const { problem: smaller } = await runPlan(small);
  console.log(`shrunk to ${small.steps.length} steps: ${smaller}`);
  console.log(`  ${JSON.stringify(small.options)}`);
  for (const step of small.steps) console.log(`  ${describeStep(step)}`);
  console.log(`again: npm run sim -- --seed ${seed} --steps ${plan.steps.length} --trace`);
}

async function runTraced(first: number, count: number, steps: number): Promise<number> {
  let failures = 0;
  for (let seed = first; seed < first + count; seed++) {
    const result: RunResult = await runSeed(seed, steps, true);
    console.log(result.trace.join('\n'));
    if (result.problem === null) continue;
    failures++;
    await report(seed, result.problem, makePlan(seed, steps));
  }
  return failures;
}

async function runAll(first: number, count: number, steps: number, jobs: number): Promise<number> {
  const startedMs = performance.now();
  const pieces = Array.from({ length: Math.ceil(count / SEEDS_PER_PIECE) }, (_, i) => ({ first: first + i * SEEDS_PER_PIECE, count: Math.min(SEEDS_PER_PIECE, count - i * SEEDS_PER_PIECE), steps }));
  let done: SeedTotals[];
  if (jobs === 1 || pieces.length === 1) {
    done = [];
    for (const piece of pieces) done.push(await runSeeds(piece));
  } else {
    const processes = new SeedProcesses(Math.min(jobs, pieces.length));
    done = await Promise.all(pieces.map((piece) => processes.run({ kind: 'seeds', piece }) as Promise<SeedTotals>));
    processes.end();
  }
  const tookMs = performance.now() - startedMs;
  const failures = done.flatMap((totals) => totals.failures);
  const counts = new Map<string, number>();
  for (const totals of done) for (const [name, times] of Object.entries(totals.counts)) counts.set(name, (counts.get(name) ?? 0) + times);
  const sum = (of: 'readings' | 'events'): number => done.reduce((total, totals) => total + totals[of], 0);
  for (const { seed, problem } of failures.slice(0, FAILURES_SHOWN_MAX)) await report(seed, problem, makePlan(seed, steps));
  console.log(`\n${count} seeds of ${steps} steps, ${failures.length} failed; ${sum('readings')} readings, ${sum('events')} events`);
  console.log([...counts].sort().map(([name, times]) => `${name} ${times}`).join(' · '));
  console.log(`${Math.round((count * MINUTE_MS) / tookMs)} seeds a minute`);
  return failures.length;
}

async function runPlanted(steps: number, jobs: number): Promise<number> {
  const processes = new SeedProcesses(jobs);
  try {
    const findings = PLANTED_BUGS.map((_, bug) => processes.run({ kind: 'planted', bug, steps }) as Promise<Finding>);
    return (await printFindings(findings)).filter(({ first }) => first === 0).length;
  } finally {
    // Else they keep this process after one of them failed.
    processes.end();
  }
}

const [seed, seeds, steps, jobs] = [values.seed, values.seeds, values.steps, values.jobs].map(Number);
const piece = { first: seed, count: seeds, steps, isTraced: values.trace, isShrunk: !values['no-shrink'] };
const ofAlerts = (): Promise<number> => (values.planted ? runPlantedAlerts(steps) : runAlertSeeds(piece));
const ofBills = (): Promise<number> => (values.planted ? runPlantedBilling(steps) : runBillingSeeds(piece));
const failed = values.alerts ? await ofAlerts() : values.bills ? await ofBills() : values.planted ? await runPlanted(steps, jobs) : values.trace ? await runTraced(seed, seeds, steps) : await runAll(seed, seeds, steps, jobs);
process.exitCode = failed === 0 ? 0 : 1;
