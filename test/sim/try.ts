import { makePlan } from './plan.ts';
import { runPlan } from './world.ts';
const from = Number(process.argv[2] ?? 1), to = Number(process.argv[3] ?? from), steps = Number(process.argv[4] ?? 60);
const t = performance.now();
const counts: Record<string, number> = {};
let bad = 0;
for (let seed = from; seed <= to; seed++) {
  const r = await runPlan(makePlan(seed, steps), process.argv[5] === 'trace');
  for (const [k, v] of Object.entries(r.counts)) counts[k] = (counts[k] ?? 0) + v;
  if (r.problem) { bad++; if (bad <= 15) console.log(seed, r.problem.slice(0, 900)); if (process.argv[5] === 'trace') console.log(r.trace.join('\n')); }
}
console.log({ bad, ms: Math.round(performance.now() - t), perMinute: Math.round(((to - from + 1) * 60000) / (performance.now() - t)) }, counts);
