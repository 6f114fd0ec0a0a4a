import { createHash } from 'node:crypto';
import type { Determinants, MeteringPlan } from '../../model/energy.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { demandOf, lookbackMonths, makeBill, needsRegionPeak, type CarriedOver, type MonthDemand, type RatedBill } from './bill-rating.ts';
import { dayStart } from './calendar.ts';
import { daysOfMonth, monthAfter } from './billed-days.ts';
import { METERS_PER_QUESTION_MAX, type EnergySource } from './energy-source.ts';
import { tariffPlan } from './metering-plan.ts';
import type { TariffStretch } from './tariff-book.ts';
import type { TariffPlan } from './tariff-plan.ts';
import { QUARTER_MS } from '../../model/energy.ts';

/** Plans that are kept, some 10 KB each: a run has one for each tariff, and more where people move. */
const PLANS_HELD_MAX = 512;
/** Plans of one question: a byte names one. */
const PLANS_PER_QUESTION_MAX = 256;

/** A bill to be worked out. */
export interface BillOrder {
  /** Empty: nobody has an agreement. */
  agreementId: string;
  meterId: string;
  region: string;
  /** Cut at months (billed-days.ts). */
  stretches: readonly TariffStretch[];
  carried: CarriedOver;
  isLast: boolean;
  /** Day before which demand is not looked back at: somebody else lived there. */
  since: string | null;
}

/** An order and all that its bill is made of. */
export interface ReadyOrder {
  order: BillOrder;
  stretches: { stretch: TariffStretch; plan: TariffPlan; determinants: Determinants; pastDemand: MonthDemand[] }[];
  /** Of everything that goes into the bill: another one means that the bill may be another. */
  fingerprint: string;
}

/** Quarter-hours of the highest load of regions, as they are asked for by one job: all its bills are to go by the same ones. */
export class RegionPeaks {
  private readonly energy: EnergySource;
  private readonly found = new Map<string, Promise<number | null>>();

  constructor(energy: EnergySource) {
    this.energy = energy;
  }

  /** Of a month in a zone. */
  of(region: string, zone: string, month: string): Promise<number | null> {
    const key = `${region} ${zone} ${month}`;
    let peak = this.found.get(key);
    if (peak === undefined) {
      const { from, to } = daysOfMonth(month);
      peak = this.energy.regionPeak(region, Math.ceil(dayStart(zone, from) / QUARTER_MS), Math.ceil(dayStart(zone, to) / QUARTER_MS));
      this.found.set(key, peak);
    }
    return peak;
  }
}

/** A stretch, its plan, and those of the months that its ratchets look back at. */
export interface PlannedStretch {
  stretch: TariffStretch;
  plan: TariffPlan;
  past: TariffPlan[];
}

interface Asked {
  meterId: string;
  plan: TariffPlan;
  determinants: Determinants | null;
}

interface AskedStretch {
  stretch: TariffStretch;
  now: Asked;
  past: Asked[];
}

/** Gets what bills are made of from the shards, many at a time, and makes them. */
export class BillMaker {
  private readonly energy: EnergySource;
  private readonly plans = new Map<string, TariffPlan>();

  constructor(energy: EnergySource) {
    this.energy = energy;
  }

  /** null: there is no such meter. Rejects with what the energy source rejects with, and `mixed_tariffs` where the tariffs of one bill cannot be on one. */
  async gather(orders: readonly BillOrder[], peaks: RegionPeaks): Promise<(ReadyOrder | null)[]> {
    const asked: Asked[] = [];
    const ofOrders: AskedStretch[][] = [];
    for (const order of orders) ofOrders.push(await this.askOf(order, peaks, asked));
    await this.askAll(asked);
    return orders.map((order, i) => readyOrder(order, ofOrders[i]));
  }

  /** One alone. Rejects with `unknown_meter` as well. */
  async gatherOne(order: BillOrder, peaks = new RegionPeaks(this.energy)): Promise<ReadyOrder> {
    const [ready] = await this.gather([order], peaks);
    if (ready === null) throw unknownMeter(order.meterId);
    return ready;
  }

  planOf({ tariff, from, to }: TariffStretch, moment: number | null): TariffPlan {
    const key = `${tariff.id}/${tariff.version} ${from} ${to} ${moment ?? ''}`;
    let plan = this.plans.get(key);
    if (plan === undefined) {
      plan = tariffPlan(tariff.document, from, to, moment === null ? [] : [moment]);
      if (this.plans.size >= PLANS_HELD_MAX) this.plans.clear();
      this.plans.set(key, plan);
    }
    return plan;
  }

  /** What is to be asked of a meter for a bill's stretches. */
  async planned({ stretches, region, since }: Pick<BillOrder, 'stretches' | 'region' | 'since'>, peaks: RegionPeaks): Promise<PlannedStretch[]> {
    const planned: PlannedStretch[] = [];
    for (const stretch of stretches) {
      const plan = this.planOf(stretch, await momentOf(stretch, region, peaks));
      const past: TariffPlan[] = [];
      for (let back = lookbackMonths(stretch.tariff); back > 0; back--) {
        const month = monthAfter(stretch.from.slice(0, 7), -back);
        const days = daysOfMonth(month);
        const from = since !== null && since > days.from ? since : days.from;
        if (from >= days.to) continue;
        const pastStretch = { tariff: stretch.tariff, from, to: days.to };
        past.push(this.planOf(pastStretch, await momentOf(pastStretch, region, peaks)));
      }
      planned.push({ stretch, plan, past });
    }
    return planned;
  }

  private async askOf(order: BillOrder, peaks: RegionPeaks, asked: Asked[]): Promise<AskedStretch[]> {
    const ask = (plan: TariffPlan): Asked => {
      const one = { meterId: order.meterId, plan, determinants: null };
      asked.push(one);
      return one;
    };
    return (await this.planned(order, peaks)).map(({ stretch, plan, past }) => ({ stretch, now: ask(plan), past: past.map(ask) }));
  }

  /** In questions of as many meters and plans as one may have. */
  private async askAll(asked: readonly Asked[]): Promise<void> {
    for (let from = 0; from < asked.length; ) {
      const plans: MeteringPlan[] = [];
      const planOf: number[] = [];
      let to = from;
      for (; to < asked.length && to - from < METERS_PER_QUESTION_MAX; to++) {
        let at = plans.indexOf(asked[to].plan.plan);
        if (at < 0) {
          if (plans.length === PLANS_PER_QUESTION_MAX) break;
          at = plans.push(asked[to].plan.plan) - 1;
        }
        planOf.push(at);
      }
      const part = asked.slice(from, to);
      const answers = await this.energy.determinants(part.map(({ meterId }) => meterId), Uint8Array.from(planOf), plans);
      part.forEach((one, i) => (one.determinants = answers.at(i) ?? null));
      from = to;
    }
  }
}

/** Works the bill out; the same order gives the same bill. */
export function billOf({ order, stretches }: ReadyOrder): RatedBill {
  const { agreementId, meterId, region, carried, isLast } = order;
  return makeBill({ agreementId, meterId, region, carried, isLast, stretches: stretches.map(({ stretch, ...rest }) => ({ tariff: stretch.tariff, ...rest })) });
}

export function unknownMeter(meterId: string): OperationalError {
  return new OperationalError('unknown_meter', `there is no meter ${meterId}`);
}

/** Throws `mixed_tariffs` where tariffs cannot be on one bill. */
export function checkOneBill(stretches: readonly TariffStretch[]): void {
  const [{ tariff: first }] = stretches;
  for (const { tariff, from } of stretches) {
    for (const what of ['currency', 'zone'] as const) {
      if (tariff.document[what] !== first.document[what]) {
        throw new OperationalError('mixed_tariffs', `one bill cannot have tariff ${first.id} with ${what} ${first.document[what]} and, from ${from} on, ${tariff.id} with ${tariff.document[what]}`);
      }
    }
  }
}

/** Number of the quarter-hour of the region's peak, where the tariff asks for it and it is in these days. */
async function momentOf({ tariff, from, to }: TariffStretch, region: string, peaks: RegionPeaks): Promise<number | null> {
  if (!needsRegionPeak(tariff)) return null;
  const { zone } = tariff.document;
  const quarter = await peaks.of(region, zone, from.slice(0, 7));
  if (quarter === null) return null;
  const atMs = quarter * QUARTER_MS;
  return atMs >= dayStart(zone, from) && atMs < dayStart(zone, to) ? quarter : null;
}

function readyOrder(order: BillOrder, asked: readonly AskedStretch[]): ReadyOrder | null {
  const hash = createHash('sha256').update(JSON.stringify([order.carried, order.isLast]));
  const stretches: ReadyOrder['stretches'] = [];
  for (const { stretch, now, past } of asked) {
    const { determinants, plan } = now;
    if (determinants === null) return null;
    hash.update(JSON.stringify([stretch.from, stretch.to, stretch.tariff.id, stretch.tariff.version, determinants.digest, plan.plan.moments]));
    const pastDemand: MonthDemand[] = [];
    for (const before of past) {
      if (before.determinants === null) continue;
      hash.update(`${before.determinants.digest} `);
      pastDemand.push(demandOf(stretch.tariff, before.plan, before.determinants));
    }
    stretches.push({ stretch, plan, determinants, pastDemand });
  }
  return { order, stretches, fingerprint: hash.digest('base64url').slice(0, 22) };
}
