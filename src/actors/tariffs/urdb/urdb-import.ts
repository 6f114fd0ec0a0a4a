import { PRICE_DIGITS } from '../../../model/decimal.ts';
import { checkTariff } from '../tariff-check.ts';
import type { TariffDocument, TariffFault } from '../tariff-document.ts';
import { urdbCalendar } from './urdb-calendar.ts';
import { urdbCharges } from './urdb-charges.ts';
import { ImportNotes } from './import-notes.ts';
import { readUrdbRate, urdbRates, type UrdbRate } from './urdb-rate.ts';

/** A rate of OpenEI's Utility Rate Database as a tariff document. */

export interface UrdbOptions {
  /** URDB knows no time zones. */
  zone: string;
  currency: string;
  /** Of the document; null: made of the rate's label or name. */
  id: string | null;
  /** Of the rate, where the JSON has several. */
  label: string | null;
  /** First day; null: the rate's own. */
  effectiveFrom: string | null;
  holidays: TariffDocument['holidays'];
  /** Fields that would be refused and are left out all the same. */
  ignored: readonly string[];
}

export interface ImportedTariff {
  /** null: it was refused. */
  document: TariffDocument | null;
  /** By field of the rate, what cannot be taken over. */
  faults: readonly TariffFault[];
  /** What was taken to be so, or passed over, in words. */
  notes: readonly string[];
}

const NAME_CHARS_MAX = 200;
const DESCRIPTION_CHARS_MAX = 2_000;
const ID_CHARS_MAX = 64;
const DAY_MS = 86_400_000;

export function importUrdb(json: unknown, options: UrdbOptions): ImportedTariff {
  const found = chosenRate(urdbRates(json), options.label);
  if (typeof found === 'string') return refused([{ path: '', message: found }]);
  const { rate, faults } = readUrdbRate(found, options.ignored.map((field) => field.toLowerCase()));
  if (rate === null) return refused(faults);
  const notes = new ImportNotes();
  const effectiveFrom = options.effectiveFrom ?? rate.startdate;
  if (effectiveFrom === undefined) notes.fault('startdate', 'is missing, and so is the first day');
  const metering = meteringOf(rate, notes);
  const { charges, schedules, demandMinutes } = urdbCharges(rate, metering?.method === 'netBilling', notes);
  if (notes.faults.length > 0) return refused(notes.faults);
  noteTold(rate, notes);
  const checked = checkTariff({
    format: 'seg-tariff/1',
    id: options.id ?? idOf(rate),
    name: [rate.utility, rate.name].filter((part) => part !== undefined).join(': ').slice(0, NAME_CHARS_MAX) || 'URDB rate',
    description: [rate.description, rate.source].filter((part) => part !== undefined).join('\n').slice(0, DESCRIPTION_CHARS_MAX),
    currency: options.currency,
    zone: options.zone,
    effectiveFrom,
    effectiveTo: rate.enddate === undefined ? null : dayAfter(rate.enddate),
    holidays: options.holidays,
    ...urdbCalendar(schedules),
    charges,
    metering,
    demandMinutes,
  });
  return { ...checked, notes: notes.notes };
}

function refused(faults: readonly TariffFault[]): ImportedTariff {
  return { document: null, faults, notes: [] };
}

/** The rate, or why there is none. */
function chosenRate(rates: readonly Record<string, unknown>[], label: string | null): Record<string, unknown> | string {
  const labels = rates.map((rate) => String(rate.label ?? ''));
  if (label !== null) return rates[labels.indexOf(label)] ?? `there is no rate with the label ${label}`;
  if (rates.length === 1) return rates[0];
  return rates.length === 0 ? 'there is no rate in it' : `there are ${rates.length} rates in it: choose one by its label, of ${labels.slice(0, 10).join(', ')}${labels.length > 10 ? ', …' : ''}`;
}

type Metering = Partial<TariffDocument['metering']> & Pick<TariffDocument['metering'], 'method'>;

function meteringOf({ dgrules, usenetmetering }: UrdbRate, notes: ImportNotes): Metering | undefined {
  switch (dgrules?.toLowerCase()) {
    case undefined:
      notes.add(`dgrules is not given: ${usenetmetering === true ? 'net metering, as usenetmetering says' : 'what is given to the grid is credited by the sell rates, if there are any'}`);
      return usenetmetering === true ? netMetering(notes) : { method: 'netBilling' };
    case 'net metering':
      return netMetering(notes);
    case 'net billing instantaneous':
      notes.add('Net Billing Instantaneous: what is used and given within a quarter-hour is taken off each other');
      return { method: 'netBilling' };
    case 'buy all sell all':
      notes.add('Buy All Sell All: what is made has a meter and an agreement of its own, which is paid by the sell rates each month');
      return { method: 'netBilling', carryOver: false };
    default:
      notes.fault('dgrules', `there is no billing by "${dgrules}": expected Net Metering, Net Billing Instantaneous or Buy All Sell All`);
      return undefined;
  }
}

/** URDB says nothing of what becomes of credits. */
function netMetering(notes: ImportNotes): Metering {
  notes.add('credits in kWh are kept by period and lapse at the end of December: yearEndMonth, yearEndPrice, yearEndEnergy and creditPeriods of "metering" say otherwise');
  return { method: 'netMetering' };
}

/** Of what does not change the bill of one meter somebody may want to know all the same. */
function noteTold({ servicetype, fixedchargeeaaddl, enddate }: UrdbRate, notes: ImportNotes): void {
  if (servicetype !== undefined && !/bundled/i.test(servicetype)) notes.add(`servicetype is ${servicetype}: the rate may be a part of the bill only`);
  if (fixedchargeeaaddl !== undefined && fixedchargeeaaddl !== 0) notes.add('fixedchargeeaaddl is of further meters of a customer, and left out: an agreement has one meter');
  if (enddate !== undefined) notes.add(`enddate ${enddate} is taken as the last day`);
  if (notes.rounded > 0) notes.add(`prices with more than ${PRICE_DIGITS} decimal places were rounded: ${notes.rounded}`);
}

function idOf({ label, name }: UrdbRate): string {
  if (label !== undefined) return `urdb-${label}`.replace(/[^A-Za-z0-9._-]+/g, '-').slice(0, ID_CHARS_MAX);
  return (name ?? 'urdb-rate').toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '').slice(0, ID_CHARS_MAX) || 'urdb-rate';
}

function dayAfter(date: string): string {
  return new Date(Date.parse(date) + DAY_MS).toISOString().slice(0, 10);
}
