import { makePlan } from './plan.ts';
import { runPlan, type RunResult } from './world.ts';

/** Seeds run one after another in this process. */

export interface SeedPiece {
  first: number;
  count: number;
  steps: number;
}

export interface SeedTotals {
  failures: { seed: number; problem: string }[];
  readings: number;
  events: number;
  counts: Record<string, number>;
}

/** A rejection that nobody handled would have ended a thread of the engine. */
let unhandled: unknown = null;
process.on('unhandledRejection', (error) => {
  unhandled ??= error;
});

export async function runSeed(seed: number, steps: number, isTraced = false): Promise<RunResult> {
  const result = await runPlan(makePlan(seed, steps), isTraced);
  if (unhandled !== null) result.problem ??= `a rejection nobody handled: ${unhandled instanceof Error ? unhandled.stack : String(unhandled)}`;
  unhandled = null;
  return result;
}

export async function runSeeds({ first, count, steps }: SeedPiece): Promise<SeedTotals> {
  const totals: SeedTotals = { failures: [], readings: 0, events: 0, counts: {} };
  for (let seed = first; seed < first + count; seed++) {
    const { problem, readings, events, counts } = await runSeed(seed, steps);
    totals.readings += readings;
    totals.events += events;
    for (const [name, times] of Object.entries(counts)) totals.counts[name] = (totals.counts[name] ?? 0) + times;
    if (problem !== null) totals.failures.push({ seed, problem });
  }
  return totals;
}
