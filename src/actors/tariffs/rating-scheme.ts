import { invariant } from '../../runtime/errors.ts';
import type { Amount } from '../../model/decimal.ts';
import type { Determinants, MeteringPlan } from '../../model/energy.ts';
import type { BillMaker, BillOrder, PlannedStretch, RegionPeaks } from './bill-maker.ts';
import { billTotal, demandOf, lookbackMonths, needsRegionPeak, NOTHING_CARRIED, type StretchInput } from './bill-rating.ts';
import { determinantsOf, joinPlans, planKey, type PlanPart } from './joint-plan.ts';
import type { TariffStretch } from './tariff-book.ts';
import type { TariffPlan } from './tariff-plan.ts';

/**
 * How customers are rated under several tariffs: by what plans their energy is to be added up, and what bills are made of it. It is the same for all customers of the same days, so it is worked out once, and plans of
 * the same quarter-hours are asked for as one (joint-plan.ts).
 */

/** Schemes that are held: one for all who stay, and one for each day on which people move and each tariff that they have. Each has a few plans of some KB. */
const SCHEMES_HELD_MAX = 512;

/** Where determinants come from: one of the scheme's plans, and which part of it. */
interface Source {
  plan: number;
  part: PlanPart;
}

interface SchemeStretch {
  stretch: TariffStretch;
  plan: TariffPlan;
  source: Source;
  past: { plan: TariffPlan; source: Source }[];
}

/** Bills of a tariff, month by month. */
type Series = SchemeStretch[][];

/** Stretches of a tariff, cut at months, in order. */
export type TariffDays = readonly TariffStretch[];

export class RatingScheme {
  /** What is to be asked of each meter. */
  readonly plans: readonly MeteringPlan[];
  /** Bills that rating a customer makes. */
  readonly bills: number;
  private readonly series: readonly Series[];

  constructor(series: readonly Series[], plans: readonly MeteringPlan[]) {
    this.series = series;
    this.plans = plans;
    this.bills = series.reduce((sum, { length }) => sum + length, 0);
  }

  /** What each series comes to; `found` is by plan. What a month leaves over is the next one's. */
  totals(found: readonly Determinants[]): Amount[] {
    return this.series.map((months) => {
      let carried = NOTHING_CARRIED;
      let sum = 0n;
      for (const [i, month] of months.entries()) {
        const bill = billTotal({ stretches: month.map((stretch) => inputOf(stretch, found)), carried, isLast: false });
        sum += bill.total;
        if (i + 1 < months.length) carried = bill.carried();
      }
      return sum;
    });
  }
}

function inputOf({ stretch: { tariff }, plan, source, past }: SchemeStretch, found: readonly Determinants[]): StretchInput {
  const of = ({ plan, part }: Source): Determinants => determinantsOf(part, found[plan]);
  return { tariff, plan, determinants: of(source), pastDemand: past.map((before) => demandOf(tariff, before.plan, of(before.source))) };
}

/** Makes schemes, and has the same plans be the same object in all of them, so that one question has them once. */
export class RatingSchemes {
  private readonly maker: BillMaker;
  private readonly schemes = new Map<string, RatingScheme>();
  /** Those that are the same wherever and since when somebody lives there. */
  private readonly forAll = new WeakMap<readonly TariffDays[], RatingScheme>();
  private readonly plans = new Map<string, MeteringPlan>();
  private readonly namesOf = new WeakMap<TariffDays, string>();

  constructor(maker: BillMaker) {
    this.maker = maker;
  }

  /** Of customers of these days under each of the tariffs. */
  async of(tariffs: readonly TariffDays[], { region, since }: Pick<BillOrder, 'region' | 'since'>, peaks: RegionPeaks): Promise<RatingScheme> {
    const known = this.forAll.get(tariffs);
    if (known !== undefined) return known;
    const byRegion = tariffs.some((days) => days.some(({ tariff }) => needsRegionPeak(tariff)));
    const bySince = tariffs.some((days) => days.some(({ tariff }) => lookbackMonths(tariff) > 0));
    const key = JSON.stringify([tariffs.map((days) => this.nameOf(days)), byRegion ? region : null, bySince ? since : null]);
    let scheme = this.schemes.get(key);
    if (scheme === undefined) {
      scheme = await this.make(tariffs, { region, since }, peaks);
      if (this.schemes.size >= SCHEMES_HELD_MAX) {
        this.schemes.clear();
        this.plans.clear();
      }
      this.schemes.set(key, scheme);
    }
    if (!byRegion && !bySince) this.forAll.set(tariffs, scheme);
    return scheme;
  }

  nameOf(days: TariffDays): string {
    let name = this.namesOf.get(days);
    if (name === undefined) this.namesOf.set(days, (name = days.map(({ tariff, from, to }) => `${tariff.id}/${tariff.version} ${from} ${to}`).join()));
    return name;
  }

  private async make(tariffs: readonly TariffDays[], of: Pick<BillOrder, 'region' | 'since'>, peaks: RegionPeaks): Promise<RatingScheme> {
    const planned: PlannedStretch[][] = [];
    for (const stretches of tariffs) planned.push(await this.maker.planned({ ...of, stretches }, peaks));
    const asked = planned.flatMap((stretches) => stretches.flatMap(({ plan, past }) => [plan, ...past])).map(({ plan }) => plan);
    const { plans, sources } = joinPlans(asked);
    let at = 0;
    const series = planned.map((stretches) => byMonths(stretches.map(({ stretch, plan, past }) => ({ stretch, plan, source: sources[at++], past: past.map((before) => ({ plan: before, source: sources[at++] })) }))));
    invariant(at === asked.length, 'each plan has its source');
    return new RatingScheme(series, plans.map((plan) => this.held(plan)));
  }

  private held(plan: MeteringPlan): MeteringPlan {
    const key = planKey(plan);
    const known = this.plans.get(key);
    if (known === undefined) this.plans.set(key, plan);
    return known ?? plan;
  }
}

function byMonths(stretches: readonly SchemeStretch[]): Series {
  const months = new Map<string, SchemeStretch[]>();
  for (const one of stretches) {
    const month = one.stretch.from.slice(0, 7);
    const known = months.get(month);
    if (known === undefined) months.set(month, [one]);
    else known.push(one);
  }
  return [...months.values()];
}
