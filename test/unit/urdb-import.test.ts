import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TariffCalendar } from '../../src/actors/tariffs/calendar.ts';
import type { Charge } from '../../src/actors/tariffs/tariff-document.ts';
import { urdbDecimal } from '../../src/actors/tariffs/urdb/urdb-decimal.ts';
import { importUrdb, type UrdbOptions } from '../../src/actors/tariffs/urdb/urdb-import.ts';
import { REPOSITORY } from '../support/engine-process.ts';
import { suite } from '../support/required-suites.ts';

type Json = Record<string, unknown>;

const OPTIONS: UrdbOptions = { zone: 'America/Los_Angeles', currency: 'USD', id: null, label: null, effectiveFrom: null, holidays: [], ignored: [] };

const always = (period: number): number[][] => Array.from({ length: 12 }, () => Array<number>(24).fill(period));
/** Period 1 from 16 to 21 o'clock in June to September, else 0. */
const summerEvenings = always(0).map((hours, month) => (month >= 5 && month <= 8 ? hours.map((_, hour) => (hour >= 16 && hour < 21 ? 1 : 0)) : hours));
const bySeason = always(0).map((hours, month) => (month >= 5 && month <= 8 ? hours.map(() => 1) : hours));

function rate(more: Json = {}): Json {
  return {
    label: '539f6a23ec4f024411ec8beb',
    utility: 'Example Power',
    name: 'TOU-8 Secondary',
    startdate: 1_388_534_400,
    energyratestructure: [[{ rate: 0.1, adj: 0.012 }], [{ rate: 0.30000001192092896, unit: 'kWh' }]],
    energyweekdayschedule: summerEvenings,
    energyweekendschedule: always(0),
    dgrules: 'Net Metering',
    ...more,
  };
}

/** Said of every rate under net metering. */
const OF_CREDITS = expect.stringMatching(/^credits in kWh are kept by period and lapse at the end of December/);
const imported = (more: Json = {}, options: Partial<UrdbOptions> = {}) => importUrdb(rate(more), { ...OPTIONS, ...options });
const charge = (name: string, more: Json): Charge | undefined => {
  const { document, faults } = imported(more);
  expect(faults).toEqual([]);
  return document!.charges.find((candidate) => candidate.name === name);
};

describe('a rate of URDB', () => {
  it('is a tariff with its name, its first day and one season for months that are alike', () => {
    const { document, faults, notes } = imported();
    expect(faults).toEqual([]);
    expect(notes).toEqual([OF_CREDITS]);
    expect(document).toMatchObject({
      id: 'urdb-539f6a23ec4f024411ec8beb',
      name: 'Example Power: TOU-8 Secondary',
      effectiveFrom: '2014-01-01',
      effectiveTo: null,
      currency: 'USD',
      metering: { method: 'netMetering' },
      seasons: [
        { name: 'jun-sep', from: '06-01', to: '09-30' },
        { name: 'oct-may', from: '10-01', to: '05-31' },
      ],
    });
    expect(document!.charges).toEqual([
      {
        kind: 'energy',
        name: 'Energy',
        schedule: 'energy',
        tierScope: 'period',
        rates: [
          { period: 'p1', tiers: [{ upTo: null, price: '0.112' }] },
          { period: 'p2', tiers: [{ upTo: null, price: '0.3' }] },
        ],
      },
    ]);
  });

  it('has every hour where the twelve months of hours have it', () => {
    const hours = fc.array(fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 24, maxLength: 24 }), { minLength: 1, maxLength: 3 }).chain((looks) => fc.array(fc.constantFrom(...looks), { minLength: 12, maxLength: 12 }));
    fc.assert(
      fc.property(hours, hours, (weekday, weekend) => {
        const { document } = imported({ energyratestructure: [[{ rate: 1 }], [{ rate: 2 }], [{ rate: 3 }]], energyweekdayschedule: weekday, energyweekendschedule: weekend }, { zone: 'UTC', effectiveFrom: '2024-01-01', holidays: [{ date: '2024-07-04', name: 'Independence Day' }] });
        const calendar = new TariffCalendar(document!);
        for (let day = Date.UTC(2024, 0, 1); day < Date.UTC(2025, 0, 1); day += 86_400_000) {
          const date = new Date(day);
          const isWeekend = [0, 6].includes(date.getUTCDay()) || day === Date.UTC(2024, 6, 4);
          const expected = (isWeekend ? weekend : weekday)[date.getUTCMonth()];
          const found = calendar.segments(['energy'], day, day + 86_400_000).flatMap(({ from, to, periods }) => Array<number>((to - from) / 3_600_000).fill(Number(periods[0].slice(1)) - 1));
          expect(found.join()).toBe(expected.join());
        }
      }),
      { seed: 20261127, numRuns: 40 },
    );
  });

  it('may have tiers, whose ends count the month where all periods have the same', () => {
    const tiers = (first: number) => [{ rate: first, max: 10, unit: 'kWh daily' }, { rate: 0.5, max: 9.999999680285692e37, unit: 'kWh daily' }];
    expect(charge('Energy', { energyratestructure: [tiers(0.1), tiers(0.2)] })).toMatchObject({
      tierScope: 'total',
      rates: [{ tiers: [{ upTo: { value: '10', unit: 'kWh/day' }, price: '0.1' }, { upTo: null, price: '0.5' }] }, {}],
    });
    const { document, notes } = imported({ energyratestructure: [tiers(0.1), [{ rate: 1 }]] });
    expect(document!.charges[0]).toMatchObject({ tierScope: 'period' });
    // Baselines of summer and winter: no month has both.
    const seasonal = imported({ energyratestructure: [tiers(0.1), [{ rate: 0.2, max: 8, unit: 'kWh daily' }, { rate: 1 }]], energyweekdayschedule: bySeason, energyweekendschedule: bySeason });
    expect(seasonal).toMatchObject({ faults: [], notes: [OF_CREDITS] });
    expect(seasonal.document!.charges[0]).toMatchObject({ tierScope: 'total' });
    expect(notes).toEqual([OF_CREDITS, expect.stringMatching(/differ between periods of a month/)]);
  });

  it('credits exports by its sell rates under net billing', () => {
    const energyratestructure = [[{ rate: 0.1, sell: 0.04 }], [{ rate: 0.3, sell: 0.05 }]];
    expect(charge('Export credit', { dgrules: 'Net Billing Instantaneous', energyratestructure })).toMatchObject({ kind: 'export', rates: [{ tiers: [{ price: '0.04' }] }, { tiers: [{ price: '0.05' }] }] });
    expect(charge('Export credit', { energyratestructure })).toBeUndefined();
    expect(imported({ dgrules: undefined, usenetmetering: false, energyratestructure }).document).toMatchObject({ metering: { method: 'netBilling' } });
    expect(imported({ dgrules: undefined, usenetmetering: true }).document).toMatchObject({ metering: { method: 'netMetering' } });
  });

  it('pays for all that is made where all is sold, month by month', () => {
    const tier = (rate: number, sell: number, max?: number) => ({ rate, sell, ...(max === undefined ? {} : { max }) });
    const energyratestructure = [[tier(0.1, 0.04, 300), tier(0.2, 0.03)], [tier(0.3, 0.05, 300), tier(0.4, 0.04)]];
    const { document, notes } = imported({ dgrules: 'Buy All Sell All', energyratestructure });
    expect(document).toMatchObject({ metering: { method: 'netBilling', carryOver: false } });
    expect(document!.charges.find(({ kind }) => kind === 'export')).toMatchObject({ tierScope: 'total', rates: [{ tiers: [{ price: '0.04' }, { price: '0.03' }] }, { tiers: [{ price: '0.05' }, { price: '0.04' }] }] });
    expect(notes).toEqual([expect.stringMatching(/^Buy All Sell All: what is made has a meter and an agreement of its own/)]);
  });

  it('charges for demand by time of use, by month and at the peak of the system', () => {
    const more = {
      demandrateunit: 'kW',
      demandratestructure: [[{ rate: 0 }], [{ rate: 20, max: 100 }, { rate: 15 }]],
      demandweekdayschedule: summerEvenings,
      demandweekendschedule: always(0),
      demandwindow: 30,
      flatdemandstructure: [[{ rate: 6.46, max: 1e38 }], [{ rate: 13.87, adj: 0.13 }], [{ rate: 0 }]],
      flatdemandmonths: [2, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0],
      coincidentratestructure: [[{ rate: 7 }]],
      lookbackPercent: 0.8,
      lookbackRange: 11,
    };
    const ratchet = { percent: '80', lookbackMonths: 11 };
    expect(charge('Demand by time of use', more)).toMatchObject({ measure: 'periods', rates: [{ period: 'p1', tiers: [{ price: '0' }] }, { period: 'p2', tiers: [{ upToKw: '100', price: '20' }, { upToKw: null, price: '15' }] }], ratchet });
    expect(charge('Demand 1', more)).toMatchObject({ measure: 'max', months: [2, 3, 4, 11, 12], rates: [{ period: '*', tiers: [{ upToKw: null, price: '6.46' }] }], ratchet });
    expect(charge('Demand 2', more)).toMatchObject({ measure: 'max', months: [5, 6, 7, 8, 9, 10], rates: [{ tiers: [{ price: '14' }] }] });
    expect(charge('Coincident demand', more)).toMatchObject({ measure: 'coincident', rates: [{ tiers: [{ price: '7' }] }], ratchet: null });
    expect(imported(more).document).toMatchObject({ demandMinutes: 30 });
    const lookbackMonths = Array.from({ length: 12 }, (_, month) => month >= 5 && month <= 7);
    expect(charge('Demand 1', { ...more, lookbackRange: 0, lookbackMonths })).toMatchObject({ ratchet: { percent: '80', lookbackMonths: 11, ofMonths: [6, 7, 8] } });
  });

  it('has fixed charges, minimums and adjustments', () => {
    expect(charge('Fixed charge', { fixedchargefirstmeter: 0.4, fixedchargeunits: '$/day' })).toMatchObject({ price: '0.4', per: 'day' });
    expect(charge('Fixed charge', { fixedmonthlycharge: 35.28 })).toMatchObject({ price: '35.28', per: 'month' });
    expect(charge('Minimum', { mincharge: 5, minchargeunits: '$/month' })).toMatchObject({ price: '5', per: 'month' });
    expect(charge('Minimum of the year', { minmonthlycharge: 1, annualmincharge: 12 })).toMatchObject({ price: '12', per: 'year' });
    expect(charge('Fuel adjustment 2', { fueladjustmentsmonthly: [0.01, 0.01, 0, 0, 0, 0, 0, -0.002, 0, 0, 0, 0] })).toMatchObject({ kind: 'adder', price: '-0.002', months: [8] });
  });

  it('ends after its last day', () => {
    expect(imported({ enddate: 1_419_984_000 }).document).toMatchObject({ effectiveTo: '2015-01-01' });
  });

  const refusals: [field: string, more: Json, message: RegExp][] = [
    ['demandreactivepowercharge', { demandreactivepowercharge: 0.5 }, /reactive power/],
    ['demandratchetpercentage', { demandratchetpercentage: [0, 0, 0, 0, 0, 0.5, 0, 0, 0, 0, 0, 0] }, /which months/],
    ['standbycharge', { standbycharge: 3 }, /not known/],
    ['dgrules', { dgrules: 'Feed-in' }, /Feed-in/],
    ['dgrules', { dgrules: 'Net Billing Hourly' }, /Net Billing Hourly/],
    ['demandrateunit', { demandrateunit: 'kVA', demandratestructure: [[{ rate: 1 }]] }, /kVA/],
    ['flatdemandunit', { flatdemandunit: 'kW daily', flatdemandstructure: [[{ rate: 1 }]] }, /kW daily/],
    ['flatdemandmonths', { flatdemandstructure: [[{ rate: 1 }], [{ rate: 2 }]] }, /missing/],
    ['flatdemandmonths', { flatdemandstructure: [[{ rate: 1 }]], flatdemandmonths: Array(12).fill(1) }, /no period 1/],
    ['demandwindow', { demandwindow: 5, demandratestructure: [[{ rate: 1 }]] }, /15, 30 or 60/],
    ['coincidentrateschedule', { coincidentratestructure: [[{ rate: 1 }], [{ rate: 2 }]], coincidentrateschedule: summerEvenings }, /one period/],
    ['lookbackpercent', { flatdemandstructure: [[{ rate: 1 }]], lookbackPercent: 0.5 }, /lookbackRange/],
    ['energyratestructure.0.0.unit', { energyratestructure: [[{ rate: 1, unit: 'kVA' }], [{ rate: 1 }]] }, /kVA/],
    ['energyratestructure.0.0.max', { energyratestructure: [[{ rate: 1 }, { rate: 2 }], [{ rate: 1 }]] }, /tier after/],
    ['energyratestructure.0.0', { energyratestructure: [[{ rate: 1, block: 2 }], [{ rate: 1 }]] }, /block/],
    ['energyweekdayschedule', { energyratestructure: [[{ rate: 1 }]] }, /no period 1/],
    ['energyweekendschedule', { energyweekendschedule: undefined }, /missing/],
    ['minchargeunits', { mincharge: 1, minchargeunits: '$/day' }, /\$\/day/],
    ['fixedchargeunits', { fixedchargefirstmeter: 1, fixedchargeunits: '$/kW' }, /\$\/kW/],
    ['startdate', { startdate: undefined }, /first day/],
  ];
  it.each(refusals)('is refused by the name of %s', (field, more, message) => {
    const { document, faults } = imported(more);
    expect(document).toBeNull();
    expect(faults).toEqual([{ path: field, message: expect.stringMatching(message) }]);
  });

  it('may be taken without a field that is named, and with fields that say nothing', () => {
    expect(imported({ standbycharge: 3, demandreactivepowercharge: 1 }, { ignored: ['standbycharge', 'DemandReactivePowerCharge'] }).document).not.toBeNull();
    expect(imported({ standbycharge: 0, other: [[0, 0]], demandratchetpercentage: Array(12).fill(0), demandcomments: 'none', flatdemandunit: null }).document).not.toBeNull();
  });

  it('is chosen by its label where there are several', () => {
    const response = { items: [rate(), rate({ label: 'other', name: 'Other' })] };
    expect(importUrdb(response, OPTIONS).faults[0].message).toMatch(/2 rates.*539f6a23ec4f024411ec8beb, other/);
    expect(importUrdb(response, { ...OPTIONS, label: 'other' }).document).toMatchObject({ id: 'urdb-other' });
    expect(importUrdb(response, { ...OPTIONS, label: 'none' }).faults[0].message).toMatch(/no rate with the label none/);
    for (const json of [null, 3, [], {}, { items: [] }, { items: [null] }]) expect(importUrdb(json, OPTIONS).document).toBeNull();
  });
});

describe('a price of URDB', () => {
  it('is what somebody typed, also after it was a float of four bytes', () => {
    for (const text of ['0.070769', '19.539', '0.3', '4.676', '-0.002', '0', '12345.67']) {
      const units = BigInt(Math.round(Number(text) * 1e6)) * 100n;
      expect(urdbDecimal(Number(text), 8)).toEqual({ units, isExact: true });
      expect(urdbDecimal(Math.fround(Number(text)), 8)).toEqual({ units, isExact: true });
    }
  });

  it('is rounded, and that is said, where it has too many places', () => {
    expect(urdbDecimal(0.1234567891234, 8)).toEqual({ units: 12_345_679n, isExact: false });
    expect(imported({ energyratestructure: [[{ rate: 0.1234567891234 }], [{ rate: 1 }]] }).notes).toEqual([OF_CREDITS, expect.stringMatching(/were rounded: 1/)]);
  });
});

const SAMPLE = join(resolve(REPOSITORY, '../shared/data'), 'tariff_sam_utilityrate5/urdbv7.json');
suite('a real response of URDB', existsSync(SAMPLE), `It reads ${SAMPLE}.`, () => {
  it('is a commercial tariff with tiers, demand by time of use and by month', () => {
    const { document, faults } = importUrdb(JSON.parse(readFileSync(SAMPLE, 'utf8')), { ...OPTIONS, effectiveFrom: '2026-01-01' });
    expect(faults).toEqual([]);
    expect(document!.charges.map(({ name }) => name)).toEqual(['Energy', 'Demand by time of use', 'Demand 1', 'Demand 2', 'Fixed charge', 'Minimum', 'Minimum of the year']);
    expect(document!.charges[0]).toMatchObject({
      tierScope: 'total',
      rates: [{ tiers: [{ upTo: { value: '100', unit: 'kWh' }, price: '0.070769' }, { upTo: null, price: '0.082949' }] }, { tiers: [{ price: '0.056909' }, { price: '0.069079' }] }],
    });
  });
});
