import type { MeteringPlan } from './energy.ts';

/** A plan as stretches of quarter-hours that share a bucket of energy, one of demand and a local day: whoever adds up asks once a run, not once a quarter-hour. */
export interface PlanRuns {
  count: number;
  /** By run: index of the first quarter-hour that is not in it. */
  ends: Int32Array;
  energyBuckets: Uint8Array;
  demandBuckets: Uint8Array;
  /** Index into `dayStarts`; the number of days where none has begun yet. */
  days: Int32Array;
}

/** Plans are made and never changed. A question has one for a thousand meters. */
const known = new WeakMap<MeteringPlan, PlanRuns>();

export function planRuns(plan: MeteringPlan): PlanRuns {
  let runs = known.get(plan);
  if (runs === undefined) known.set(plan, (runs = findRuns(plan)));
  return runs;
}

function findRuns({ energyBuckets, demandBuckets, dayStarts }: MeteringPlan): PlanRuns {
  const ends: number[] = [];
  const days: number[] = [];
  let begun = 0;
  for (let i = 0; i < energyBuckets.length; i++) {
    const before = begun;
    while (begun < dayStarts.length && dayStarts[begun] <= i) begun++;
    const isNew = i === 0 || begun !== before || energyBuckets[i] !== energyBuckets[i - 1] || demandBuckets[i] !== demandBuckets[i - 1];
    if (isNew) ends.push(i + 1);
    else ends[ends.length - 1] = i + 1;
    if (isNew) days.push(begun === 0 ? dayStarts.length : begun - 1);
  }
  return {
    count: ends.length,
    ends: Int32Array.from(ends),
    energyBuckets: Uint8Array.from(ends, (end) => energyBuckets[end - 1]),
    demandBuckets: Uint8Array.from(ends, (end) => demandBuckets[end - 1]),
    days: Int32Array.from(days),
  };
}
