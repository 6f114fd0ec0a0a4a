import { describe, expect, it } from 'vitest';
import { checkTariff, TARIFF_FAULTS_MAX } from '../../src/actors/tariffs/tariff-check.ts';

type Json = Record<string, any>;

/** A tariff with a part of everything. Each call gives a new one, for a test to break. */
function tariff(): Json {
  const day = (period: string) => [{ from: '00:00', to: '24:00', period }];
  return {
    format: 'seg-tariff/1',
    id: 'tou',
    name: 'Time of use',
    currency: 'EUR',
    zone: 'Europe/Vienna',
    effectiveFrom: '2026-01-01',
    effectiveTo: '2028-01-01',
    seasons: [
      { name: 'winter', from: '10-01', to: '03-31' },
      { name: 'summer', from: '04-01', to: '09-30' },
    ],
    holidays: [{ date: '2026-12-25', name: 'Christmas' }],
    schedules: [
      {
        name: 'use',
        periods: [{ name: 'peak' }, { name: 'off' }],
        rules: [
          {
            seasons: ['winter'],
            days: ['weekday'],
            spans: [
              { from: '00:00', to: '07:00', period: 'off' },
              { from: '07:00', to: '20:17', period: 'peak' },
              { from: '20:17', to: '24:00', period: 'off' },
            ],
          },
          { seasons: ['summer'], days: ['weekday'], spans: day('off') },
          { days: ['weekend', 'holiday'], spans: day('off') },
        ],
      },
      { name: 'all', periods: [{ name: 'any' }], rules: [{ days: ['weekday', 'weekend', 'holiday'], spans: day('any') }] },
    ],
    charges: [
      {
        kind: 'energy',
        name: 'Energy',
        schedule: 'use',
        tierScope: 'total',
        rates: [
          { period: 'peak', tiers: [{ upTo: { value: '100', unit: 'kWh' }, price: '0.30' }, { price: '0.40' }] },
          { period: 'off', tiers: [{ upTo: { value: '100.0', unit: 'kWh' }, price: '0.20' }, { price: '0.25' }] },
        ],
      },
      { kind: 'export', name: 'Feed-in', schedule: 'all', rates: [{ period: 'any', tiers: [{ price: '0.08' }] }] },
      { kind: 'demand', name: 'Power', measure: 'max', rates: [{ period: '*', tiers: [{ upToKw: '10', price: '3' }, { price: '4' }] }] },
      {
        kind: 'demand',
        name: 'Peak power',
        measure: 'periods',
        schedule: 'use',
        rates: [
          { period: 'peak', tiers: [{ price: '5' }] },
          { period: 'off', tiers: [{ price: '1' }] },
        ],
      },
      { kind: 'fixed', name: 'Base', price: '9.90', per: 'month' },
      { kind: 'surcharge', name: 'Green', percent: '2', of: ['Energy'] },
      { kind: 'minimum', name: 'Least', price: '10', per: 'month', covers: ['Energy', 'Green'] },
      { kind: 'tax', name: 'VAT', percent: '20' },
    ],
  };
}

const faultsOf = (change: (document: Json) => void): { path: string; message: string }[] => {
  const document = tariff();
  change(document);
  return [...checkTariff(document).faults];
};

describe('a tariff', () => {
  it('is taken with its defaults when nothing is wrong', () => {
    const { document, faults } = checkTariff(tariff());
    expect(faults).toEqual([]);
    expect(document).toMatchObject({ dueDays: 21, demandMinutes: 15, metering: { method: 'netBilling' }, rounding: { digits: 2, mode: 'halfUp' } });
  });

  it('that is none is refused whatever it is', () => {
    for (const json of [null, 1, 'tariff', [], {}, { format: 'seg-tariff/2' }]) expect(checkTariff(json)).toMatchObject({ document: null });
    expect(checkTariff(null).faults).toEqual([{ path: '', message: 'expected object, received null' }]);
  });

  it('has no more faults listed than somebody reads', () => {
    expect(faultsOf((document) => (document.holidays = Array(500).fill({ date: '2026-12-25', name: 'again' })))).toHaveLength(TARIFF_FAULTS_MAX);
  });

  const cases: [what: string, change: (document: Json) => void, path: string, message: RegExp][] = [
    // Form
    ['a field that there is none of', (document) => (document.charges[4].prize = '1'), 'charges.4.prize', /no such field/],
    ['a number in place of a decimal', (document) => (document.charges[4].price = 9.9), 'charges.4.price', /expected string, received number/],
    ['a price that is too fine', (document) => (document.charges[4].price = '0.123456789'), 'charges.4.price', /8 after it/],
    ['a charge of no kind', (document) => (document.charges[4].kind = 'fix'), 'charges.4.kind', /expected one of energy, export/],
    ['something missing', (document) => delete document.zone, 'zone', /is missing/],
    ['a zone that is none', (document) => (document.zone = 'Europe/Wien'), 'zone', /time zone/],
    ['a time that is none', (document) => (document.schedules[0].rules[0].spans[0].to = '24:30'), 'schedules.0.rules.0.spans.0.to', /time of day/],
    ['an interval of demand that is none', (document) => (document.demandMinutes = 20), 'demandMinutes', /expected/],
    // Time and money
    ['an end before the beginning', (document) => (document.effectiveTo = '2026-01-01'), 'effectiveTo', /after "effectiveFrom"/],
    ['a currency that is none', (document) => (document.currency = 'EUX'), 'currency', /no currency EUX/],
    ['amounts that cannot be paid', (document) => (document.currency = 'JPY'), 'rounding.digits', /JPY has 0 decimal places/],
    ['a total between two amounts', (document) => (document.rounding = { totalStep: '0.025' }), 'rounding.totalStep', /multiple/],
    ['a total of no step', (document) => (document.rounding = { totalStep: '0' }), 'rounding.totalStep', /above 0/],
    // Seasons and holidays
    ['days without a season', (document) => (document.seasons[1].to = '09-15'), 'seasons', /no season has 09-16 to 09-30/],
    ['a leap day without a season', (document) => (document.seasons = [{ name: 'winter', from: '10-01', to: '02-28' }, { name: 'summer', from: '03-01', to: '09-30' }]), 'seasons', /no season has 02-29$/],
    ['days of two seasons', (document) => (document.seasons[1].to = '10-02'), 'seasons.1', /season "winter" has 10-01 to 10-02 too/],
    ['a day that never is', (document) => (document.seasons[1].to = '09-31'), 'seasons.1.to', /there is no 09-31/],
    ['two seasons of one name', (document) => (document.seasons[1].name = 'winter'), 'seasons.1.name', /another season/],
    ['a holiday twice', (document) => document.holidays.push({ date: '2026-12-25', name: 'Xmas' }), 'holidays.1.date', /already/],
    // Schedules
    ['a season that is none', (document) => (document.schedules[0].rules[0].seasons = ['Winter']), 'schedules.0.rules.0.seasons.0', /did you mean "winter"/],
    ['a period that is none', (document) => (document.schedules[0].rules[0].spans[1].period = 'peek'), 'schedules.0.rules.0.spans.1.period', /did you mean "peak"/],
    ['a span over midnight', (document) => (document.schedules[1].rules[0].spans = [{ from: '22:00', to: '06:00', period: 'any' }]), 'schedules.1.rules.0.spans.0.to', /after midnight/],
    ['an empty span', (document) => (document.schedules[1].rules[0].spans[0].to = '00:00'), 'schedules.1.rules.0.spans.0.to', /after 00:00/],
    ['minutes without a period', (document) => (document.schedules[0].rules[0].spans[1].to = '20:15'), 'schedules.0', /no period has 20:15–20:17, on mon in winter, tue in winter, wed in winter and 2 more/],
    ['a night without a period', (document) => (document.schedules[1].rules[0].spans[0].to = '23:59'), 'schedules.1', /no period has 23:59–24:00, on every day/],
    ['a morning without a period', (document) => (document.schedules[1].rules[0].spans[0].from = '00:01'), 'schedules.1', /no period has 00:00–00:01/],
    ['holidays without a period', (document) => (document.schedules[0].rules[2].days = ['weekend']), 'schedules.0', /no period has 00:00–24:00, on holiday in winter, holiday in summer/],
    ['minutes of two periods', (document) => (document.schedules[0].rules[0].spans[2].from = '20:00'), 'schedules.0.rules.0.spans.2', /20:00–20:17 is in rules.0.spans.1 too/],
    ['a day of two rules', (document) => document.schedules[0].rules.push({ days: ['sat'], spans: [{ from: '10:00', to: '11:00', period: 'peak' }] }), 'schedules.0.rules.3.spans.0', /10:00–11:00 is in rules.2.spans.0 too, on sat in winter, sat in summer/],
    ['two schedules of one name', (document) => (document.schedules[1].name = 'use'), 'schedules.1.name', /another schedule/],
    ['two periods of one name', (document) => (document.schedules[0].periods[1].name = 'peak'), 'schedules.0.periods.1.name', /another period/],
    ['demand intervals that days cut', (document) => Object.assign(document, { zone: 'Asia/Kolkata', demandMinutes: 60 }), 'demandMinutes', /30 or 15/],
    ['demand intervals that days of half the year cut', (document) => Object.assign(document, { zone: 'Australia/Lord_Howe', demandMinutes: 60 }), 'demandMinutes', /30 or 15/],
    ['demand intervals that no day fits', (document) => Object.assign(document, { zone: 'Asia/Kathmandu', demandMinutes: 30 }), 'demandMinutes', /expected 15/],
    // Charges
    ['a schedule that is none', (document) => (document.charges[0].schedule = 'us'), 'charges.0.schedule', /did you mean "use"/],
    ['a period without a price', (document) => document.charges[0].rates.pop(), 'charges.0.rates', /no price for period "off"/],
    ['a price of no period', (document) => (document.charges[1].rates[0].period = 'none'), 'charges.1.rates.0.period', /no period "none"/],
    ['a period with two prices', (document) => document.charges[1].rates.push({ period: 'any', tiers: [{ price: '1' }] }), 'charges.1.rates.1.period', /already/],
    ['a last tier with an end', (document) => (document.charges[2].rates[0].tiers[1].upToKw = '20'), 'charges.2.rates.0.tiers.1.upToKw', /expected null/],
    ['a tier without an end before others', (document) => delete document.charges[2].rates[0].tiers[0].upToKw, 'charges.2.rates.0.tiers.0.upToKw', /only the last/],
    ['tiers that do not rise', (document) => document.charges[2].rates[0].tiers.splice(1, 0, { upToKw: '10.0', price: '1' }), 'charges.2.rates.0.tiers.1.upToKw', /more than the end/],
    ['a tier of nothing', (document) => (document.charges[2].rates[0].tiers[0].upToKw = '0'), 'charges.2.rates.0.tiers.0.upToKw', /more than 0/],
    ['tiers of two units', (document) => document.charges[0].rates[0].tiers.splice(1, 0, { upTo: { value: '200', unit: 'kWh/day' }, price: '1' }), 'charges.0.rates.0.tiers', /one unit/],
    ['tiers of a unit that do not rise', (document) => document.charges[0].rates[0].tiers.splice(1, 0, { upTo: { value: '2', unit: 'kWh/kW' }, price: '1' }, { upTo: { value: '100', unit: 'kWh' }, price: '1' }), 'charges.0.rates.0.tiers.2.upTo', /more than the end/],
    ['tiers of all periods with other ends', (document) => (document.charges[0].rates[1].tiers[0].upTo.value = '101'), 'charges.0.rates.1.tiers', /same ends/],
    ['demand by periods of no schedule', (document) => delete document.charges[3].schedule, 'charges.3.schedule', /is missing/],
    ['the highest demand by a schedule', (document) => (document.charges[2].schedule = 'use'), 'charges.2.schedule', /"periods" alone/],
    ['the highest demand of a period', (document) => (document.charges[2].rates[0].period = 'peak'), 'charges.2.rates', /"\*"/],
    ['export that is never paid', (document) => (document.metering = { method: 'netMetering' }), 'charges.1', /yearEndPrice/],
    ['one account of credits that there are none of', (document) => (document.metering = { creditPeriods: 'together' }), 'metering.creditPeriods', /under "netBilling" there are none/],
    ['a settlement of credits that there are none of', (document) => (document.metering = { method: 'netMeteringMoney', yearEndEnergy: 'netOfYear' }), 'metering.yearEndEnergy', /under "netMeteringMoney" there are none/],
    ['a minimum of some charges that credits are used for', (document) => Object.assign(document.charges.find(({ name }: Json) => name === 'Least'), { covers: ['Energy'] }) && (document.metering = { creditPays: 'energy' }), 'charges.6.covers', /expected none/],
    ['exports in tiers of all periods with other ends', (document) => Object.assign(document.charges[1], { ...document.charges[0], kind: 'export', name: 'Feed-in', rates: document.charges[0].rates.map((rate: Json, index: number) => ({ ...rate, tiers: [{ upTo: { value: String(100 + index), unit: 'kWh' }, price: '1' }, { price: '2' }] })) }), 'charges.1.rates.1.tiers', /same ends/],
    ['a ratchet of no month', (document) => (document.charges[2].ratchet = [{ percent: '80', lookbackMonths: 0 }]), 'charges.2.ratchet.0.lookbackMonths', /expected number to be >=1/],
    ['two charges of one name', (document) => (document.charges[4].name = 'VAT'), 'charges.7.name', /another charge/],
    ['a share of no charge', (document) => (document.charges[5].of = ['Enegry']), 'charges.5.of.0', /did you mean "Energy"/],
    ['a share of itself', (document) => (document.charges[5].of = ['Green']), 'charges.5.of.0', /itself/],
    ['a share of a tax', (document) => (document.charges[5].of = ['VAT']), 'charges.5.of.0', /is a tax/],
    ['a tax on a tax', (document) => (document.charges[7].of = ['Energy', 'VAT']), 'charges.7.of.1', /itself/],
    ['a share of what comes later', (document) => (document.charges[5].of = ['Least']), 'charges.5.of.0', /has to stand before/],
  ];
  it.each(cases)('is refused for %s', (_, change, path, message) => {
    const faults = faultsOf(change);
    expect(faults.map((fault) => fault.path)).toContain(path);
    expect(faults.find((fault) => fault.path === path)!.message).toMatch(message);
  });

  it('has no gap where a span lies within another', () => {
    const within = (from: string, to: string) => ({ from, to, period: 'any' });
    const faults = faultsOf((document) => document.schedules[1].rules[0].spans.push(within('10:00', '11:00'), within('12:00', '13:00')));
    expect(faults).toEqual(['10:00–11:00', '12:00–13:00'].map((time, index) => ({ path: `schedules.1.rules.0.spans.${index + 1}`, message: `${time} is in rules.0.spans.0 too, on every day` })));
  });

  it('may have a share of a charge that is worked out before it wherever it stands, and a tax on all but taxes', () => {
    expect(faultsOf((document) => document.charges.reverse())).toEqual([{ path: 'charges.1.covers.1', message: '"Green" comes after it: a surcharge has to stand before what is made of it' }]);
    expect(faultsOf((document) => (document.charges[7].of = ['Energy', 'Green', 'Least']))).toEqual([]);
  });

  it('may round lines finer than coins where the total is rounded to them', () => {
    expect(faultsOf((document) => (document.rounding = { digits: 4, totalStep: '0.05' }))).toEqual([]);
    expect(faultsOf((document) => (document.rounding = { digits: 4 }))).toHaveLength(1);
  });

  it('does not have to say what holidays are where there are none', () => {
    const faults = faultsOf((document) => {
      document.holidays = [];
      document.schedules[0].rules[2].days = ['weekend'];
      document.schedules[1].rules[0].days = ['weekday', 'weekend'];
    });
    expect(faults).toEqual([]);
  });

  it('is refused when its schedules meet in more ways than a byte tells apart', () => {
    const faults = faultsOf((document) => {
      const periods = Array.from({ length: 64 }, (_, index) => ({ name: `p${index}` }));
      const kinds = ['mon', 'tue', 'wed', 'thu', 'fri', 'weekend', 'holiday'];
      const spans = (from: number) => Array.from({ length: 64 }, (_, index) => ({ from: clock(index * 20), to: index === 63 ? '24:00' : clock(index * 20 + 20), period: `p${(index + from) % 64}` }));
      document.seasons = [];
      document.schedules = [
        { name: 'use', periods, rules: [{ days: kinds, spans: spans(0) }] },
        { name: 'all', periods, rules: kinds.map((kind, index) => ({ days: [kind], spans: spans(index) })) },
      ];
      const rates = periods.map(({ name }) => ({ period: name, tiers: [{ price: '1' }] }));
      document.charges = [
        { kind: 'energy', name: 'a', schedule: 'use', rates },
        { kind: 'energy', name: 'b', schedule: 'all', rates },
      ];
    });
    expect(faults).toEqual([{ path: 'schedules', message: 'the periods of the schedules for energy and export meet in 448 ways: expected 255 at most' }]);
  });
});

function clock(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
}
