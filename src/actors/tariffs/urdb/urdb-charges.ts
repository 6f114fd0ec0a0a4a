import { decimalText, PRICE_DIGITS } from '../../../model/decimal.ts';
import type { chargeSchema, TIER_UNITS } from '../tariff-document.ts';
import type { z } from 'zod';
import type { ImportNotes } from './import-notes.ts';
import { periodName, usedPeriods, type UrdbSchedule } from './urdb-calendar.ts';
import { urdbDecimal } from './urdb-decimal.ts';
import type { UrdbHours, UrdbRate, UrdbStructure, UrdbTier } from './urdb-rate.ts';

/** What URDB charges for, as charges of a tariff document. */

export type NewCharge = z.input<typeof chargeSchema>;
type EnergyRates = (NewCharge & { kind: 'energy' })['rates'];
type DemandCharge = NewCharge & { kind: 'demand' };

export interface UrdbCharges {
  charges: NewCharge[];
  /** Those that charges use. */
  schedules: UrdbSchedule[];
  demandMinutes: number;
}

/** Ends of tiers from here on mean that there is none: URDB writes 1e38. */
const NO_END = 1e9;
/** Decimal places of a tier's end. */
const END_DIGITS = 6;
/** What a ratchet by months of the year looks back at: the year before the month. */
const LOOKBACK_YEAR_MONTHS = 11;
const DEMAND_MINUTES = [15, 30, 60];
const MONTHS_PER_YEAR = 12;

const UNITS: Readonly<Record<string, (typeof TIER_UNITS)[number]>> = { kwh: 'kWh', 'kwh/kw': 'kWh/kW', 'kwh daily': 'kWh/day', 'kwh/kw daily': 'kWh/kW/day' };

/** `creditsExport`: what is given to the grid is paid at the sell rates. */
export function urdbCharges(rate: UrdbRate, creditsExport: boolean, notes: ImportNotes): UrdbCharges {
  const energy = scheduleOf('energy', rate.energyratestructure, rate.energyweekdayschedule, rate.energyweekendschedule, notes);
  const hasDemand = rate.demandratestructure !== undefined && !isFree(rate.demandratestructure);
  const demand = hasDemand ? scheduleOf('demand', rate.demandratestructure!, rate.demandweekdayschedule, rate.demandweekendschedule, notes) : null;
  if (notes.faults.length > 0) return { charges: [], schedules: [], demandMinutes: DEMAND_MINUTES[0] };
  const charges = [
    ...energyCharges(rate, energy!, creditsExport, notes),
    ...adjustments(rate.fueladjustmentsmonthly, notes),
    ...(demand === null ? [] : touDemand(rate, demand, notes)),
    ...flatDemand(rate, notes),
    ...coincidentDemand(rate, notes),
    ...fixedCharges(rate, notes),
    ...minimumCharges(rate, notes),
  ];
  const measures = charges.some(({ kind }) => kind === 'demand');
  return { charges, schedules: demand === null ? [energy!] : [energy!, demand], demandMinutes: measures ? demandMinutes(rate, notes) : DEMAND_MINUTES[0] };
}

/** Where there is one period no hours have to be given. null: they have to be, or name periods that are none. */
function scheduleOf(name: 'energy' | 'demand', structure: UrdbStructure, weekday: UrdbHours | undefined, weekend: UrdbHours | undefined, notes: ImportNotes): UrdbSchedule | null {
  const always = structure.length === 1 ? Array.from({ length: MONTHS_PER_YEAR }, () => Array<number>(24).fill(0)) : null;
  const [weekdayHours, weekendHours] = [weekday ?? always, weekend ?? always];
  if (weekdayHours === null) notes.fault(`${name}weekdayschedule`, 'is missing');
  if (weekendHours === null) notes.fault(`${name}weekendschedule`, 'is missing');
  if (weekdayHours === null || weekendHours === null) return null;
  const schedule = { name, weekday: weekdayHours, weekend: weekendHours };
  const none = usedPeriods(schedule).find((index) => index >= structure.length);
  if (none !== undefined) notes.fault(`${name}weekdayschedule`, `there is no period ${none} in ${name}ratestructure`);
  return none === undefined ? schedule : null;
}

function energyCharges({ energyratestructure }: UrdbRate, schedule: UrdbSchedule, creditsExport: boolean, notes: ImportNotes): NewCharge[] {
  const used = usedPeriods(schedule);
  const ratesBy = (price: (tier: UrdbTier) => readonly number[]): EnergyRates =>
    used.map((index) => ({
      period: periodName(index),
      tiers: energyTiers(energyratestructure[index], `energyratestructure.${index}`, notes).map((tier) => ({ upTo: tier.upTo, price: sumText(price(tier.of), notes) })),
    }));
  const rates = ratesBy(({ rate, adj }) => [rate, adj]);
  const tierScope = tierScopeOf(rates, schedule, notes);
  const charges: NewCharge[] = [{ kind: 'energy', name: 'Energy', schedule: schedule.name, rates, tierScope }];
  const sells = used.some((index) => energyratestructure[index].some(({ sell }) => sell !== 0));
  if (sells && creditsExport) charges.push({ kind: 'export', name: 'Export credit', schedule: schedule.name, rates: ratesBy(({ sell }) => [sell]), tierScope });
  if (sells && !creditsExport) notes.add('sell rates are of no account under net metering');
  return charges;
}

/** Ends count the use of the whole month. Where the periods of a month have other ends that cannot be, and each counts its own. */
function tierScopeOf(rates: EnergyRates, { weekday, weekend }: UrdbSchedule, notes: ImportNotes): 'period' | 'total' {
  if (rates.length === 1 || rates.every(({ tiers }) => tiers.length === 1)) return 'period';
  const ends = new Map(rates.map(({ period, tiers }) => [period, JSON.stringify(tiers.map(({ upTo }) => upTo))]));
  const isShared = weekday.every((hours, month) => new Set([...hours, ...weekend[month]].map((index) => ends.get(periodName(index)))).size === 1);
  if (isShared) return 'total';
  notes.add('the ends of tiers differ between periods of a month: each counts the use of its own period');
  return 'period';
}

function energyTiers(tiers: readonly UrdbTier[], path: string, notes: ImportNotes): { of: UrdbTier; upTo: { value: string; unit: (typeof TIER_UNITS)[number] } | null }[] {
  return tiers.map((tier, index) => {
    const unit = UNITS[(tier.unit ?? 'kWh').toLowerCase()];
    if (unit === undefined) notes.fault(`${path}.${index}.unit`, `there are no tiers by "${tier.unit}": expected kWh, kWh daily, kWh/kW or kWh/kW daily`);
    const end = endOf(tiers, index, path, notes);
    return { of: tier, upTo: end === null ? null : { value: end, unit: unit ?? 'kWh' } };
  });
}

/** The last has none; of others it has to be given. */
function endOf(tiers: readonly UrdbTier[], index: number, path: string, notes: ImportNotes): string | null {
  const { max } = tiers[index];
  const isOpen = max === undefined || max >= NO_END;
  if (index === tiers.length - 1) {
    if (!isOpen) notes.add(`${path}: what is above the end of the last tier, ${max}, is taken to cost the same`);
    return null;
  }
  if (isOpen) notes.fault(`${path}.${index}.max`, 'is missing: there is a tier after it');
  return isOpen ? null : decimalText(urdbDecimal(max, END_DIGITS).units, END_DIGITS);
}

function adjustments(monthly: readonly number[] | undefined, notes: ImportNotes): NewCharge[] {
  const monthsOf = new Map<number, number[]>();
  monthly?.forEach((price, index) => {
    if (price !== 0) monthsOf.set(price, [...(monthsOf.get(price) ?? []), index + 1]);
  });
  return [...monthsOf].map(([price, months], index) => ({ kind: 'adder', name: monthsOf.size === 1 ? 'Fuel adjustment' : `Fuel adjustment ${index + 1}`, price: sumText([price], notes), months }));
}

function touDemand(rate: UrdbRate, schedule: UrdbSchedule, notes: ImportNotes): DemandCharge[] {
  checkUnit('demandrateunit', rate.demandrateunit, notes);
  const rates = usedPeriods(schedule).map((index) => ({ period: periodName(index), tiers: demandTiers(rate.demandratestructure![index], `demandratestructure.${index}`, notes) }));
  return [{ kind: 'demand', name: 'Demand by time of use', measure: 'periods', schedule: schedule.name, rates, ratchet: ratchetOf(rate, notes) }];
}

/** A charge for each set of prices, in the months that have it. */
function flatDemand(rate: UrdbRate, notes: ImportNotes): DemandCharge[] {
  const { flatdemandstructure: structure } = rate;
  if (structure === undefined || isFree(structure)) return [];
  checkUnit('flatdemandunit', rate.flatdemandunit, notes);
  const ofMonths = rate.flatdemandmonths ?? (structure.length === 1 ? Array<number>(MONTHS_PER_YEAR).fill(0) : null);
  if (ofMonths === null) notes.fault('flatdemandmonths', 'is missing');
  const none = ofMonths?.find((index) => index >= structure.length);
  if (none !== undefined) notes.fault('flatdemandmonths', `there is no period ${none} in flatdemandstructure`);
  if (ofMonths === null || none !== undefined) return [];
  const monthsOf = new Map<string, { index: number; months: number[] }>();
  ofMonths.forEach((index, month) => {
    if (isFree([structure[index]])) return;
    const prices = JSON.stringify(structure[index]);
    const entry = monthsOf.get(prices) ?? { index, months: [] };
    entry.months.push(month + 1);
    monthsOf.set(prices, entry);
  });
  return [...monthsOf.values()].map(({ index, months }, position) => ({
    kind: 'demand',
    name: monthsOf.size === 1 ? 'Demand' : `Demand ${position + 1}`,
    measure: 'max',
    rates: [{ period: '*', tiers: demandTiers(structure[index], `flatdemandstructure.${index}`, notes) }],
    months,
    ratchet: ratchetOf(rate, notes),
  }));
}

function coincidentDemand({ coincidentratestructure: structure, coincidentrateschedule: hours, coincidentrateunit }: UrdbRate, notes: ImportNotes): DemandCharge[] {
  if (structure === undefined || isFree(structure)) return [];
  checkUnit('coincidentrateunit', coincidentrateunit, notes);
  const used = [...new Set(hours?.flat() ?? structure.keys())];
  if (used.length > 1 || structure[used[0]] === undefined) {
    notes.fault('coincidentrateschedule', 'demand at the peak of the system has one price: expected one period of coincidentratestructure');
    return [];
  }
  notes.add('coincident demand is that at the peak of the region of the meter');
  return [{ kind: 'demand', name: 'Coincident demand', measure: 'coincident', rates: [{ period: '*', tiers: demandTiers(structure[used[0]], `coincidentratestructure.${used[0]}`, notes) }] }];
}

function demandTiers(tiers: readonly UrdbTier[], path: string, notes: ImportNotes): { upToKw: string | null; price: string }[] {
  return tiers.map((tier, index) => ({ upToKw: endOf(tiers, index, path, notes), price: sumText([tier.rate, tier.adj], notes) }));
}

function checkUnit(field: string, unit: string | undefined, notes: ImportNotes): void {
  if (unit !== undefined && unit.toLowerCase() !== 'kw') notes.fault(field, `there is no demand in "${unit}": expected kW`);
}

function ratchetOf({ lookbackpercent: share, lookbackrange: range, lookbackmonths: months }: UrdbRate, notes: ImportNotes): DemandCharge['ratchet'] {
  if (share === undefined || share === 0) return null;
  const ofMonths = months?.flatMap((counts, month) => (counts ? [month + 1] : [])) ?? [];
  if (share < 0 || share > 1) notes.fault('lookbackpercent', 'expected a share from 0 to 1');
  else if (range !== undefined && range > 0) {
    if (!Number.isInteger(range) || range > MONTHS_PER_YEAR) notes.fault('lookbackrange', `expected 1 to ${MONTHS_PER_YEAR} months`);
    else return { percent: percentText(share), lookbackMonths: range };
  } else if (ofMonths.length > 0) return { percent: percentText(share), lookbackMonths: LOOKBACK_YEAR_MONTHS, ofMonths };
  else notes.fault('lookbackpercent', 'expected the months in "lookbackRange" or "lookbackMonths"');
  return null;
}

function fixedCharges({ fixedchargefirstmeter = 0, fixedchargeunits = '$/month', fixedmonthlycharge = 0 }: UrdbRate, notes: ImportNotes): NewCharge[] {
  if (fixedchargefirstmeter !== 0 && fixedmonthlycharge !== 0) notes.fault('fixedmonthlycharge', 'is given beside fixedchargefirstmeter, which is the same');
  const per = ({ '$/day': 'day', '$/month': 'month', '$/year': 'year' } as const)[fixedchargeunits];
  if (fixedchargefirstmeter !== 0 && per === undefined) notes.fault('fixedchargeunits', `expected $/day, $/month or $/year, got ${fixedchargeunits}`);
  if (fixedchargefirstmeter !== 0) return [{ kind: 'fixed', name: 'Fixed charge', price: sumText([fixedchargefirstmeter], notes), per: per ?? 'month' }];
  return fixedmonthlycharge === 0 ? [] : [{ kind: 'fixed', name: 'Fixed charge', price: sumText([fixedmonthlycharge], notes), per: 'month' }];
}

function minimumCharges({ mincharge = 0, minchargeunits = '$/month', minmonthlycharge = 0, annualmincharge = 0 }: UrdbRate, notes: ImportNotes): NewCharge[] {
  const byPart = { month: minmonthlycharge, year: annualmincharge };
  if (mincharge !== 0) {
    const per = ({ '$/month': 'month', '$/year': 'year' } as const)[minchargeunits];
    if (per === undefined) notes.fault('minchargeunits', `there is no minimum by "${minchargeunits}": expected $/month or $/year`);
    else if (byPart[per] !== 0) notes.fault('mincharge', `is given beside ${per === 'month' ? 'minmonthlycharge' : 'annualmincharge'}, which is the same`);
    else byPart[per] = mincharge;
  }
  const charges: NewCharge[] = [];
  if (byPart.month !== 0) charges.push({ kind: 'minimum', name: 'Minimum', price: sumText([byPart.month], notes), per: 'month' });
  if (byPart.year !== 0) charges.push({ kind: 'minimum', name: 'Minimum of the year', price: sumText([byPart.year], notes), per: 'year' });
  return charges;
}

function demandMinutes({ demandwindow }: UrdbRate, notes: ImportNotes): number {
  if (demandwindow === undefined || demandwindow === 0) {
    notes.add('demandwindow is not given: 15 minutes');
    return DEMAND_MINUTES[0];
  }
  if (!DEMAND_MINUTES.includes(demandwindow)) notes.fault('demandwindow', `demand is measured over 15, 30 or 60 minutes, not ${demandwindow}`);
  return demandwindow;
}

function isFree(structure: UrdbStructure): boolean {
  return structure.every((tiers) => tiers.every(({ rate, adj }) => rate === 0 && adj === 0));
}

function sumText(parts: readonly number[], notes: ImportNotes): string {
  const decimals = parts.map((part) => urdbDecimal(part, PRICE_DIGITS));
  if (decimals.some(({ isExact }) => !isExact)) notes.rounded++;
  return decimalText(decimals.reduce((sum, { units }) => sum + units, 0n), PRICE_DIGITS);
}

/** Of a share, with four decimal places at most. */
function percentText(share: number): string {
  return decimalText(urdbDecimal(share, 6).units, 4);
}
