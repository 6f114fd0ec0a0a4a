import { makeBill, NOTHING_CARRIED, type BillInput, type MonthDemand, type RatedBill, type StretchInput } from '../../src/actors/tariffs/bill-rating.ts';
import { tariffPlan } from '../../src/actors/tariffs/metering-plan.ts';
import { checkTariff } from '../../src/actors/tariffs/tariff-check.ts';
import type { TariffDocument } from '../../src/actors/tariffs/tariff-document.ts';
import { addUp, QUARTER_QUALITY } from '../../src/model/determinants.ts';
import { QUARTER_MS } from '../../src/model/energy.ts';

/** Tariffs in euros and days of UTC, and bills of them, for tests that say what a bill comes to. */

export interface TariffParts {
  charges: object[];
  schedules?: object[];
  seasons?: object[];
  metering?: object;
  rounding?: object;
  demandMinutes?: number;
}

/** Used day and night at one price. */
export const ALWAYS = { name: 'any', periods: [{ name: 'all' }], rules: [{ days: ['weekday', 'weekend', 'holiday'], spans: [{ from: '00:00', to: '24:00', period: 'all' }] }] };
export const DAY_AND_NIGHT = {
  name: 'tou',
  periods: [{ name: 'day', title: 'Day' }, { name: 'night' }],
  rules: [
    {
      days: ['weekday', 'weekend', 'holiday'],
      spans: [
        { from: '00:00', to: '08:00', period: 'night' },
        { from: '08:00', to: '20:00', period: 'day' },
        { from: '20:00', to: '24:00', period: 'night' },
      ],
    },
  ],
};
export const flatEnergy = (price: string, name = 'Energy') => ({ kind: 'energy', name, schedule: 'any', rates: [{ period: 'all', tiers: [{ price }] }] });

export function tariffOf(parts: TariffParts): TariffDocument {
  const checked = checkTariff({ format: 'seg-tariff/1', id: 't', name: 'Tariff', currency: 'EUR', zone: 'Etc/UTC', effectiveFrom: '2020-01-01', schedules: [ALWAYS], ...parts });
  if (checked.document === null) throw new Error(JSON.stringify(checked.faults));
  return checked.document;
}

export interface Use {
  from: string;
  to: string;
  /** Net kW of each hour, by its number since `from`. */
  kw: (hour: number) => number;
  /** Quarter-hour of the region's peak, as a time. */
  regionPeak?: string;
  pastDemand?: MonthDemand[];
  version?: number;
}

export function stretch(document: TariffDocument, { from, to, kw, regionPeak, pastDemand = [], version = 1 }: Use): StretchInput {
  const plan = tariffPlan(document, from, to, regionPeak === undefined ? [] : [Date.parse(regionPeak) / QUARTER_MS]);
  const quarters = Float64Array.from({ length: plan.plan.energyBuckets.length }, (_, index) => Math.round(kw(index >> 2) * 250_000));
  return { tariff: { id: document.id, version, document }, plan, determinants: addUp(plan.plan, quarters, new Uint8Array(quarters.length).fill(QUARTER_QUALITY.measured)), pastDemand };
}

export function billFor(stretches: StretchInput[], more: Partial<BillInput> = {}): RatedBill {
  return makeBill({ agreementId: 'a', meterId: 'm', region: 'north', stretches, carried: NOTHING_CARRIED, isLast: false, ...more });
}

/** Lines as short texts: `Energy, Day: 12 kWh × 0.30 = 3.60`. */
export function shortLines({ bill }: RatedBill): string[] {
  return bill.lines.map(({ text, quantity, unit, unitPrice, amount }) => (unit === 'once' ? `${text}: ${amount}` : `${text}: ${quantity} ${unit} × ${unitPrice} = ${amount}`));
}
