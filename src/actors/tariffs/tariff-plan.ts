import type { MeteringPlan } from '../../model/energy.ts';

/** A tariff's calendar over some days, as shards add up by it, and what its buckets mean. */
export interface TariffPlan {
  plan: MeteringPlan;
  /** By energy bucket: name of the period in each schedule that energy and export charges use. */
  energyPeriods: Readonly<Record<string, string>>[];
  /** By demand bucket: the same of the schedules that demand charges use. */
  demandPeriods: Readonly<Record<string, string>>[];
  /** Local days, the last not included. */
  from: string;
  to: string;
  days: number;
}
