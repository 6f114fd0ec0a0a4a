import { BUCKETS_MAX, NO_BUCKET, PLAN_MOMENTS_MAX, type Determinants, type MeteringPlan } from '../../model/energy.ts';

/**
 * Several plans of the same quarter-hours as one, so that a meter's energy is read and added up once for all of them. A bucket of the joint plan is what one bucket of each plan has in common: sums of a plan's bucket
 * are sums over its joint ones, and its highest power is the highest of theirs. That is exactly what the plan by itself gives, apart from the digest and from days, which are not asked for.
 */

/** Which of a joint plan's buckets and moments are one plan's. null: all, as the plan was joined with no other. */
export type PlanPart = {
  plan: MeteringPlan;
  /** Of each joint bucket the plan's; NO_BUCKET: none. */
  energyBuckets: Uint8Array;
  demandBuckets: Uint8Array;
  /** Of each of the plan's moments its place among the joint ones. */
  moments: number[];
} | null;

export interface JoinedPlans {
  /** As few as the given ones can be made into. */
  plans: MeteringPlan[];
  /** Of each that was given, the joint plan that it is in, and how. */
  sources: { plan: number; part: PlanPart }[];
}

export function joinPlans(given: readonly MeteringPlan[]): JoinedPlans {
  const keys = given.map(planKey);
  // Tariffs that share a calendar share its plan as it is.
  const distinct = given.filter((_, i) => keys.indexOf(keys[i]) === i);
  const groups: Group[] = [];
  for (const plan of distinct) {
    if (!groups.some((group) => joinGroup(group, plan))) groups.push({ members: [plan], joint: { plan: { ...plan, dayStarts: [], withoutDigest: true }, parts: [null] } });
  }
  const sources = keys.map((key) => {
    const plan = given[keys.indexOf(key)];
    const index = groups.findIndex(({ members }) => members.includes(plan));
    const { members, joint } = groups[index];
    return { plan: index, part: joint.parts[members.indexOf(plan)] };
  });
  return { plans: groups.map(({ joint }) => joint.plan), sources };
}

function joinGroup(group: Group, plan: MeteringPlan): boolean {
  const joint = jointOf([...group.members, plan]);
  if (joint === null) return false;
  group.members.push(plan);
  group.joint = joint;
  return true;
}

/** The same for plans that make the same of a meter's energy, apart from days. */
export function planKey({ energyBuckets, demandBuckets, dayStarts: _days, ...rest }: MeteringPlan): string {
  return JSON.stringify([rest, Buffer.from(energyBuckets).toString('latin1'), Buffer.from(demandBuckets).toString('latin1')]);
}

/** What the plan makes of the energy that its joint plan made `joint` of. */
export function determinantsOf(part: PlanPart, joint: Determinants): Determinants {
  if (part === null) return joint;
  const { plan, energyBuckets, demandBuckets, moments } = part;
  const importMicroKwh = new Array<number>(plan.energyBucketCount).fill(0);
  const exportMicroKwh = new Array<number>(plan.energyBucketCount).fill(0);
  for (let i = 0; i < energyBuckets.length; i++) {
    const bucket = energyBuckets[i];
    if (bucket === NO_BUCKET) continue;
    importMicroKwh[bucket] += joint.importMicroKwh[i];
    exportMicroKwh[bucket] += joint.exportMicroKwh[i];
  }
  const peakMicroKw = new Array<number>(plan.demandBucketCount).fill(0);
  const peakQuarter = new Array<number>(plan.demandBucketCount).fill(-1);
  for (let i = 0; i < demandBuckets.length; i++) {
    const bucket = demandBuckets[i];
    const microKw = joint.peakMicroKw[i];
    const quarter = joint.peakQuarter[i];
    if (bucket === NO_BUCKET || quarter < 0) continue;
    if (microKw > peakMicroKw[bucket] || (microKw === peakMicroKw[bucket] && quarter < peakQuarter[bucket])) {
      peakMicroKw[bucket] = microKw;
      peakQuarter[bucket] = quarter;
    }
  }
  return { ...joint, importMicroKwh, exportMicroKwh, peakMicroKw, peakQuarter, momentMicroKw: moments.map((at) => joint.momentMicroKw[at]) };
}

interface Group {
  members: MeteringPlan[];
  joint: Joint;
}

interface Joint {
  plan: MeteringPlan;
  parts: PlanPart[];
}

/** null: they cannot be one, as they are of other quarter-hours, share out other ones, measure power over other times, or have too much in common. */
function jointOf(plans: readonly MeteringPlan[]): Joint | null {
  const [first] = plans;
  const measuring = plans.filter((plan) => plan.demandBucketCount > 0 || plan.moments.length > 0);
  const isAlike = plans.every((plan) => plan.firstQuarter === first.firstQuarter && plan.energyBuckets.length === first.energyBuckets.length && cutsOf(plan) === cutsOf(first));
  if (!isAlike || measuring.some(({ demandQuarters }) => demandQuarters !== measuring[0].demandQuarters)) return null;
  const energy = new JointBuckets(plans.map(({ energyBuckets }) => energyBuckets));
  const splits = first.splits.map(({ index, shares }, s) => ({ index, shares: shares.map(({ minutes }, k) => ({ minutes, bucket: energy.of(plans.map((plan) => plan.splits[s].shares[k].bucket)) })) }));
  const demand = new JointBuckets(plans.map(({ demandBuckets }) => demandBuckets));
  const moments = [...new Set(plans.flatMap((plan) => plan.moments))].sort((a, b) => a - b);
  if (energy.count > BUCKETS_MAX || demand.count > BUCKETS_MAX || moments.length > PLAN_MOMENTS_MAX) return null;
  return {
    plan: {
      firstQuarter: first.firstQuarter,
      energyBuckets: energy.buckets,
      energyBucketCount: energy.count,
      demandBuckets: demand.buckets,
      demandBucketCount: demand.count,
      demandQuarters: (measuring[0] ?? first).demandQuarters,
      splits,
      moments,
      dayStarts: [],
      withoutDigest: true,
    },
    parts: plans.map((plan, member) => ({ plan, energyBuckets: energy.ofMember(member), demandBuckets: demand.ofMember(member), moments: plan.moments.map((moment) => moments.indexOf(moment)) })),
  };
}

/** Where a plan shares quarter-hours out; buckets apart. */
function cutsOf({ splits }: MeteringPlan): string {
  return JSON.stringify(splits.map(({ index, shares }) => [index, shares.map(({ minutes }) => minutes)]));
}

/** What buckets of several plans have in common, numbered as it comes. */
class JointBuckets {
  /** Of each quarter-hour. */
  readonly buckets: Uint8Array;
  private readonly numbers = new Map<string, number>();
  private readonly common: number[][] = [];

  constructor(members: readonly Uint8Array[]) {
    this.buckets = new Uint8Array(members[0].length);
    let last = NO_BUCKET;
    for (let i = 0; i < this.buckets.length; i++) {
      const isSame = i > 0 && members.every((buckets) => buckets[i] === buckets[i - 1]);
      if (!isSame) last = this.of(members.map((buckets) => buckets[i]));
      this.buckets[i] = last;
    }
  }

  /** Past BUCKETS_MAX there are too many, and none is of use. */
  get count(): number {
    return this.common.length;
  }

  of(buckets: number[]): number {
    if (buckets.every((bucket) => bucket === NO_BUCKET)) return NO_BUCKET;
    const key = buckets.join();
    let number = this.numbers.get(key);
    if (number === undefined) {
      number = this.common.push(buckets) - 1;
      this.numbers.set(key, number);
    }
    return number;
  }

  ofMember(member: number): Uint8Array {
    return Uint8Array.from(this.common, (buckets) => buckets[member]);
  }
}
