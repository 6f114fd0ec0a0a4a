import { BUCKETS_MAX, NO_BUCKET, PLAN_MOMENTS_MAX, PLAN_QUARTERS_MAX, QUARTER_MS, type QuarterSplit } from '../../model/energy.ts';
import { invariant } from '../../runtime/errors.ts';
import { dayNumber } from '../people/local-time.ts';
import { dateOf, dayStart, MINUTE_MS, TariffCalendar, type CalendarSegment } from './calendar.ts';
import type { TariffDocument } from './tariff-document.ts';
import type { TariffPlan } from './tariff-plan.ts';

const MINUTES_PER_QUARTER = QUARTER_MS / MINUTE_MS;

/**
 * A tariff's calendar over the local days `from` ≤ day < `to` as buckets of quarter-hours. The document is one that tariff-check has passed; `moments` are numbers of quarter-hours in that time, in order.
 *
 * Where a local day does not begin with a quarter-hour (zones like +05:07), the first and the last one are shared with the plans before and after: the minutes of those go to NO_BUCKET, so that
 * each microKwh is in exactly one of the plans. A day that the zone left out has the same index in `dayStarts` as the one after it.
 */
export function tariffPlan(document: TariffDocument, from: string, to: string, moments: readonly number[] = []): TariffPlan {
  const days = dayNumber(to) - dayNumber(from);
  const fromMs = dayStart(document.zone, from);
  const toMs = dayStart(document.zone, to);
  const firstQuarter = Math.floor(fromMs / QUARTER_MS);
  const quarters = Math.ceil(toMs / QUARTER_MS) - firstQuarter;
  invariant(days > 0 && quarters > 0 && quarters <= PLAN_QUARTERS_MAX, `a plan has 1 to ${PLAN_QUARTERS_MAX} quarter-hours, not ${quarters} from ${from} to ${to}`);
  invariant(moments.length <= PLAN_MOMENTS_MAX && moments.every((quarter) => quarter >= firstQuarter && quarter < firstQuarter + quarters), 'moments are in the time of the plan');

  const time: PlanTime = { calendar: new TariffCalendar(document), fromMs, toMs, firstQuarter, quarters };
  const energy = energyOf(time, energySchedules(document));
  const demandQuarters = (document.demandMinutes / MINUTES_PER_QUARTER) as 1 | 2 | 4;
  const demand = measuresDemand(document) ? demandOf(time, demandSchedules(document), demandQuarters) : { buckets: new Uint8Array(quarters).fill(NO_BUCKET), periods: [] };
  return {
    plan: {
      firstQuarter,
      energyBuckets: energy.buckets,
      energyBucketCount: energy.periods.length,
      demandBuckets: demand.buckets,
      demandBucketCount: demand.periods.length,
      demandQuarters,
      splits: energy.splits,
      moments: [...moments],
      dayStarts: Array.from({ length: days }, (_, day) => Math.floor(dayStart(document.zone, dateOf(dayNumber(from) + day)) / QUARTER_MS) - firstQuarter),
    },
    energyPeriods: energy.periods,
    demandPeriods: demand.periods,
    from,
    to,
    days,
  };
}

/** Schedules by whose periods energy is added up. */
export function energySchedules({ charges }: Pick<TariffDocument, 'charges'>): string[] {
  return [...new Set(charges.flatMap((charge) => (charge.kind === 'energy' || charge.kind === 'export' ? [charge.schedule] : [])))];
}

/** Schedules by whose periods the highest power is looked for. */
export function demandSchedules({ charges }: Pick<TariffDocument, 'charges'>): string[] {
  return [...new Set(charges.flatMap((charge) => (charge.kind === 'demand' && charge.schedule !== undefined ? [charge.schedule] : [])))];
}

/** Whether a bill needs a peak: for a demand charge, or for tiers by kW of it. */
export function measuresDemand({ charges }: Pick<TariffDocument, 'charges'>): boolean {
  return charges.some(
    (charge) =>
      charge.kind === 'demand' ||
      ((charge.kind === 'energy' || charge.kind === 'export') && charge.rates.some(({ tiers }) => tiers.some(({ upTo }) => upTo?.unit === 'kWh/kW' || upTo?.unit === 'kWh/kW/day'))),
  );
}

interface PlanTime {
  calendar: TariffCalendar;
  fromMs: number;
  toMs: number;
  firstQuarter: number;
  quarters: number;
}

/** Numbers of buckets by the periods they stand for, given in the order in which they come. */
class BucketNames {
  readonly periods: Record<string, string>[] = [];
  readonly #schedules: readonly string[];
  readonly #numbers = new Map<string, number>();

  constructor(schedules: readonly string[]) {
    this.#schedules = schedules;
  }

  of({ periods }: CalendarSegment): number {
    const key = periods.join(' ');
    let bucket = this.#numbers.get(key);
    if (bucket === undefined) {
      bucket = this.periods.length;
      invariant(bucket < BUCKETS_MAX, `a plan has ${BUCKETS_MAX} buckets at most`);
      this.#numbers.set(key, bucket);
      this.periods.push(Object.fromEntries(this.#schedules.map((schedule, index) => [schedule, periods[index]])));
    }
    return bucket;
  }
}

function energyOf({ calendar, fromMs, toMs, firstQuarter, quarters }: PlanTime, schedules: readonly string[]): { buckets: Uint8Array; splits: QuarterSplit[]; periods: Record<string, string>[] } {
  const buckets = new Uint8Array(quarters).fill(NO_BUCKET);
  const shares = new Map<number, QuarterSplit['shares']>();
  const names = new BucketNames(schedules);
  const paint = (segment: CalendarSegment, bucket: number): void => {
    for (let quarter = Math.floor(segment.from / QUARTER_MS); quarter * QUARTER_MS < segment.to; quarter++) {
      const minutes = (Math.min(segment.to, (quarter + 1) * QUARTER_MS) - Math.max(segment.from, quarter * QUARTER_MS)) / MINUTE_MS;
      const index = quarter - firstQuarter;
      const share = { bucket, minutes };
      if (minutes === MINUTES_PER_QUARTER) buckets[index] = bucket;
      else if (shares.has(index)) shares.get(index)!.push(share);
      else shares.set(index, [share]);
    }
  };
  // The minutes before and after are cut as those plans cut them, so that what is left over of a share goes to the same one in each.
  for (const segment of calendar.segments(schedules, firstQuarter * QUARTER_MS, fromMs)) paint(segment, NO_BUCKET);
  for (const segment of calendar.segments(schedules, fromMs, toMs)) paint(segment, names.of(segment));
  for (const segment of calendar.segments(schedules, toMs, (firstQuarter + quarters) * QUARTER_MS)) paint(segment, NO_BUCKET);

  const splits = [...shares].map(([index, ofQuarter]) => {
    buckets[index] = ofQuarter[0].bucket;
    return { index, shares: ofQuarter };
  });
  return { buckets, splits, periods: names.periods };
}

/** Intervals that begin before the plan are the one's before, and make no demand here. tariff-check sees to it that no others are cut by a day's end. */
function demandOf({ calendar, fromMs, toMs, firstQuarter, quarters }: PlanTime, schedules: readonly string[], demandQuarters: number): { buckets: Uint8Array; periods: Record<string, string>[] } {
  const buckets = new Uint8Array(quarters).fill(NO_BUCKET);
  const names = new BucketNames(schedules);
  const segments = calendar.segments(schedules, fromMs, toMs);
  let at = 0;
  for (let quarter = Math.ceil(fromMs / QUARTER_MS / demandQuarters) * demandQuarters; quarter * QUARTER_MS < toMs; quarter += demandQuarters) {
    while (quarter * QUARTER_MS >= segments[at].to) at++;
    buckets.fill(names.of(segments[at]), quarter - firstQuarter, quarter - firstQuarter + demandQuarters);
  }
  return { buckets, periods: names.periods };
}
