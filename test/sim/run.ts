import { parseArgs } from 'node:util';
import { describeStep, makePlan, type Plan } from './plan.ts';
import { findPlantedBugs } from './planted-bugs.ts';
import { shrinkPlan } from './shrink.ts';
import { runPlan, type RunResult } from './world.ts';

/**
 * The simulator's command: `npm run sim -- --seed 1 --seeds 2000 --steps 50`. A seed that fails is printed with what was wrong, made smaller, and its
 * steps listed; `--seed N --trace` shows everything that happens in it. `--planted` shows how many seeds find each planted bug.
 */

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    steps: { type: 'string', default: '50' },
    trace: { type: 'boolean', default: false },
    planted: { type: 'boolean', default: false },
    'no-shrink': { type: 'boolean', default: false },
  },
});

const FAILURES_SHOWN_MAX = 5;
const MINUTE_MS = 60_000;

/** A rejection that nobody handled would have ended a thread of the engine. */
let unhandled: unknown = null;
process.on('unhandledRejection', (error) => {
  unhandled ??= error;
});

async function runSeed(seed: number, steps: number): Promise<RunResult> {
  const plan = makePlan(seed, steps);
  const result = await runPlan(plan, values.trace);
  if (unhandled !== null) result.problem ??= `a rejection nobody handled: ${unhandled instanceof Error ? unhandled.stack : String(unhandled)}`;
  unhandled = null;
  return result;
}

async function report(result: RunResult, plan: Plan): Promise<void> {
  console.log(`\nseed ${result.seed} FAILS: ${result.problem}`);
  if (values['no-shrink']) return;
  const small = await shrinkPlan(plan);
  const { problem } = await runPlan(small);
  console.log(`shrunk to ${small.steps.length} steps: ${problem}`);
  console.log(`  ${JSON.stringify(small.options)}`);
  for (const step of small.steps) console.log(`  ${describeStep(step)}`);
  console.log(`again: npm run sim -- --seed ${result.seed} --steps ${plan.steps.length} --trace`);
}

async function runSeeds(first: number, count: number, steps: number): Promise<number> {
  const startedMs = performance.now();
  const totals = { events: 0, readings: 0 };
  const counts = new Map<string, number>();
  let failures = 0;
  for (let seed = first; seed < first + count; seed++) {
    const result = await runSeed(seed, steps);
    totals.events += result.events;
    totals.readings += result.readings;
    for (const [name, times] of Object.entries(result.counts)) counts.set(name, (counts.get(name) ?? 0) + times);
    if (values.trace) console.log(result.trace.join('\n'));
    if (result.problem === null) continue;
    failures++;
    if (failures <= FAILURES_SHOWN_MAX) await report(result, makePlan(seed, steps));
  }
  const tookMs = performance.now() - startedMs;
  console.log(`\n${count} seeds of ${steps} steps, ${failures} failed; ${totals.readings} readings, ${totals.events} events`);
  console.log([...counts].sort().map(([name, times]) => `${name} ${times}`).join(' · '));
  console.log(`${Math.round((count * MINUTE_MS) / tookMs)} seeds a minute`);
  return failures;
}

if (values.planted) process.exitCode = (await findPlantedBugs(Number(values.steps))) ? 0 : 1;
else process.exitCode = (await runSeeds(Number(values.seed), Number(values.seeds), Number(values.steps))) === 0 ? 0 : 1;
