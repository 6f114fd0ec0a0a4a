import { COVERED_QUARTERS_MAX } from '../../model/determinants.ts';
import { NO_BUCKET, type MeteringPlan } from '../../model/energy.ts';
import { QUARTERS_PER_DAY } from './energy-block.ts';

/** What of a plan lies in one UTC day, as blocks of energy have it. Quarter-hours are numbered in the day. */
export interface PlanDay {
  day: number;
  /** Those from `known` on have to be there, the plan's begin with `begin`: a gap before them may be covered by the count of the first. `to` is not included. */
  known: number;
  begin: number;
  to: number;
  /** By run of quarter-hours that share their buckets: where it ends, and the buckets. */
  ends: Uint8Array;
  energyBuckets: Uint8Array;
  demandBuckets: Uint8Array;
}

/** Plans are made and never changed. A question has one for a thousand meters. */
const known = new WeakMap<MeteringPlan, readonly PlanDay[] | null>();

/** Null: the plan asks for more than the sums of its buckets and the highest of single quarter-hours. */
export function planDays(plan: MeteringPlan): readonly PlanDay[] | null {
  let days = known.get(plan);
  if (days === undefined) known.set(plan, (days = asksForSumsAlone(plan) ? cutByDays(plan) : null));
  return days;
}

function asksForSumsAlone({ withoutDigest, dayStarts, splits, moments, demandBucketCount, demandQuarters }: MeteringPlan): boolean {
  return withoutDigest === true && dayStarts.length === 0 && splits.length === 0 && moments.length === 0 && (demandBucketCount === 0 || demandQuarters === 1);
}

function cutByDays(plan: MeteringPlan): PlanDay[] {
  const last = plan.firstQuarter + plan.energyBuckets.length;
  const days: PlanDay[] = [];
  for (let day = Math.floor((plan.firstQuarter - COVERED_QUARTERS_MAX) / QUARTERS_PER_DAY); day * QUARTERS_PER_DAY < last; day++) {
    const inDay = (quarter: number): number => Math.max(0, Math.min(QUARTERS_PER_DAY, quarter - day * QUARTERS_PER_DAY));
    const [begin, to] = [inDay(plan.firstQuarter), inDay(last)];
    days.push({ day, known: inDay(plan.firstQuarter - COVERED_QUARTERS_MAX), begin, to, ...runsOf(plan, day * QUARTERS_PER_DAY - plan.firstQuarter, begin, to) });
  }
  return days;
}

/** Of the plan's quarter-hours `begin` to `to` of a day; `first` is the index of the day's first. */
function runsOf({ energyBuckets, demandBuckets, demandBucketCount }: MeteringPlan, first: number, begin: number, to: number): Pick<PlanDay, 'ends' | 'energyBuckets' | 'demandBuckets'> {
  const ends: number[] = [];
  for (let quarter = begin; quarter < to; quarter++) {
    const at = first + quarter;
    const isSame = quarter > begin && energyBuckets[at] === energyBuckets[at - 1] && demandBuckets[at] === demandBuckets[at - 1];
    if (isSame) ends[ends.length - 1] = quarter + 1;
    else ends.push(quarter + 1);
  }
  const of = (buckets: Uint8Array): Uint8Array => Uint8Array.from(ends, (end) => buckets[first + end - 1]);
  return { ends: Uint8Array.from(ends), energyBuckets: of(energyBuckets), demandBuckets: demandBucketCount === 0 ? new Uint8Array(ends.length).fill(NO_BUCKET) : of(demandBuckets) };
}
