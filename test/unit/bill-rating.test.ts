import { describe, expect, test } from 'vitest';
import { explainLine } from '../../src/actors/tariffs/bill-line-text.ts';
import { demandOf, lookbackMonths, needsRegionPeak, NOTHING_CARRIED } from '../../src/actors/tariffs/bill-rating.ts';
import { billFor, DAY_AND_NIGHT, flatEnergy, shortLines, stretch, tariffOf, type Use } from '../support/rated-tariff.ts';

const JULY = { from: '2026-07-01', to: '2026-08-01' };
/** One kW all the time: 744 kWh in July. */
const steady = (use: Partial<Use> = {}): Use => ({ ...JULY, kw: () => 1, ...use });
const demandCharge = (more: object) => ({ kind: 'demand', name: 'Demand', measure: 'max', rates: [{ period: '*', tiers: [{ price: '10' }] }], ...more });

describe('energy', () => {
  test('is a line for each period and tier, with the title of the period', () => {
    const document = tariffOf({
      schedules: [DAY_AND_NIGHT],
      charges: [
        {
          kind: 'energy',
          name: 'Energy',
          schedule: 'tou',
          rates: [
            { period: 'day', tiers: [{ upTo: { value: '300', unit: 'kWh' }, price: '0.3' }, { price: '0.35' }] },
            { period: 'night', tiers: [{ price: '0.123456' }] },
          ],
        },
      ],
    });
    expect(shortLines(billFor([stretch(document, steady())]))).toEqual([
      'Energy, Day, tier 1: 300 kWh × 0.30 = 90.00',
      'Energy, Day, tier 2: 72 kWh × 0.35 = 25.20',
      'Energy, night: 372 kWh × 0.123456 = 45.93',
    ]);
  });

  test('tiers by the day, by the kW and by both end where the days and the demand say', () => {
    const ends = (unit: string, value: string) => tariffOf({ charges: [{ kind: 'energy', name: 'E', schedule: 'any', rates: [{ period: 'all', tiers: [{ upTo: { value, unit }, price: '1' }, { price: '2' }] }] }] });
    const firstTier = (unit: string, value: string, use = steady()) => billFor([stretch(ends(unit, value), use)]).bill.lines[0].quantity;
    const peaky = steady({ kw: (hour) => (hour === 50 ? 4 : 1) });
    expect(firstTier('kWh', '100')).toBe('100');
    expect(firstTier('kWh/day', '10')).toBe('310');
    expect(firstTier('kWh/kW', '100', peaky)).toBe('400');
    expect(firstTier('kWh/kW/day', '2', peaky)).toBe('248');
    // Ten of July's 31 days: the month's share, and the days' own.
    const part = steady({ from: '2026-07-22' });
    expect(firstTier('kWh', '100', part)).toBe('32.2581');
    expect(firstTier('kWh/day', '10', part)).toBe('100');
  });

  test('a tier that ends below the one before it has nothing in it', () => {
    const tiers = [{ upTo: { value: '300', unit: 'kWh' }, price: '1' }, { upTo: { value: '200', unit: 'kWh/kW' }, price: '2' }, { price: '3' }];
    const document = tariffOf({ charges: [{ kind: 'energy', name: 'E', schedule: 'any', rates: [{ period: 'all', tiers }] }] });
    expect(shortLines(billFor([stretch(document, steady())]))).toEqual(['E, tier 1: 300 kWh × 1.00 = 300.00', 'E, tier 3: 444 kWh × 3.00 = 1332.00']);
  });

  test('tiers by the kW go by the demand that is billed, where a charge makes it more', () => {
    const energy = { kind: 'energy', name: 'E', schedule: 'any', rates: [{ period: 'all', tiers: [{ upTo: { value: '100', unit: 'kWh/kW' }, price: '1' }, { price: '2' }] }] };
    const document = tariffOf({ charges: [energy, demandCharge({ minimumKw: '5' })] });
    expect(billFor([stretch(document, steady())]).bill.lines[0].quantity).toBe('500');
  });
});

describe('demand', () => {
  test('is the highest mean of an interval, in tiers', () => {
    const document = tariffOf({ demandMinutes: 60, charges: [demandCharge({ rates: [{ period: '*', tiers: [{ upToKw: '2', price: '10' }, { price: '20' }] }] })] });
    const rated = billFor([stretch(document, steady({ kw: (hour) => (hour === 30 ? 3.5 : 1) }))]);
    expect(shortLines(rated)).toEqual(['Demand, tier 1: 2 kW × 10.00 = 20.00', 'Demand, tier 2: 1.5 kW × 20.00 = 30.00']);
    expect(rated.bill.parts[0]).toMatchObject({ peakKw: '3.5', peakAt: Date.parse('2026-07-02T06:00Z') });
  });

  test('of periods is that of each, and none where the days have no such period', () => {
    const document = tariffOf({ schedules: [DAY_AND_NIGHT], charges: [demandCharge({ measure: 'periods', schedule: 'tou', rates: [{ period: 'day', tiers: [{ price: '10' }] }, { period: 'night', tiers: [{ price: '1' }] }] })] });
    expect(shortLines(billFor([stretch(document, steady({ kw: (hour) => (hour === 2 ? 6 : hour === 12 ? 4 : 1) }))]))).toEqual(['Demand, Day: 4 kW × 10.00 = 40.00', 'Demand, night: 6 kW × 1.00 = 6.00']);
  });

  test('at the region\'s peak is that of its quarter-hour, and nothing where that is not known', () => {
    const document = tariffOf({ charges: [demandCharge({ measure: 'coincident' })] });
    expect(needsRegionPeak({ document })).toBe(true);
    const kw = (hour: number) => hour;
    expect(shortLines(billFor([stretch(document, steady({ kw, regionPeak: '2026-07-01T07:30Z' }))]))).toEqual(['Demand: 7 kW × 10.00 = 70.00']);
    expect(billFor([stretch(document, steady({ kw }))]).bill.lines).toEqual([]);
  });

  test('is charged in its months alone', () => {
    const document = tariffOf({ charges: [demandCharge({ months: [6, 8] })] });
    expect(billFor([stretch(document, steady())]).bill.lines).toEqual([]);
  });

  test('is raised by a ratchet over the months it looks at, and by the least of the tariff', () => {
    const document = tariffOf({ charges: [demandCharge({ ratchet: { percent: '80', lookbackMonths: 3, ofMonths: [4, 5, 6] }, minimumKw: '2.5' })] });
    expect(lookbackMonths({ document })).toBe(3);
    const past = (month: string, kw: number) => ({ ...demandOf({ document }, stretch(document, steady({ kw: () => kw })).plan, stretch(document, steady({ kw: () => kw })).determinants), month });
    const quantity = (...pastDemand: ReturnType<typeof past>[]) => billFor([stretch(document, steady({ pastDemand }))]).bill.lines[0].quantity;
    expect(quantity(past('2026-06', 10), past('2026-05', 8))).toBe('8');
    expect(quantity(past('2026-04', 20), past('2026-06', 10))).toBe('16');
    // Too long ago, a month that does not count, the month itself, and less than the least.
    expect(quantity(past('2026-03', 20), past('2025-06', 20), past('2026-07', 20), past('2026-05', 3))).toBe('2.5');
    expect(billFor([stretch(document, steady({ pastDemand: [past('2026-06', 10)] }))]).bill.lines[0].text).toBe('Demand, least demand');
    expect(quantity(past('2026-06', 1))).toBe('2.5');
    const allMonths = tariffOf({ charges: [demandCharge({ ratchet: { percent: '80', lookbackMonths: 3 } })] });
    expect(billFor([stretch(allMonths, steady({ pastDemand: [past('2026-07', 20)] }))]).bill.lines[0].quantity).toBe('1');
  });
});

describe('billing demand', () => {
  const energy = { kind: 'energy', name: 'E', schedule: 'any', rates: [{ period: 'all', tiers: [{ upTo: { value: '100', unit: 'kWh/kW' }, price: '1' }, { price: '2' }] }] };
  const past = (month: string, kw: number) => ({ month, microKw: { 'Demand/*': kw * 1e6 } });
  const summer = [6, 7, 8, 9];
  const winter = [1, 2, 3, 4, 5, 10, 11, 12];
  const document = tariffOf({
    charges: [energy, demandCharge({ measuredShare: { percent: '60', months: winter }, ratchet: [{ percent: '95', lookbackMonths: 11, ofMonths: summer }, { percent: '60', lookbackMonths: 3, ofMonths: winter }] })],
  });
  const billed = (use: Partial<Use>) => shortLines(billFor([stretch(document, steady(use))]));

  test('is a share of the month\'s own where the tariff says so, and tiers by the kW go by it', () => {
    expect(billed({})).toEqual(['E, tier 1: 100 kWh × 1.00 = 100.00', 'E, tier 2: 644 kWh × 2.00 = 1288.00', 'Demand: 1 kW × 10.00 = 10.00']);
    expect(billed({ from: '2026-01-01', to: '2026-02-01' })).toEqual(['E, tier 1: 60 kWh × 1.00 = 60.00', 'E, tier 2: 684 kWh × 2.00 = 1368.00', 'Demand, 60 % of the highest: 0.6 kW × 10.00 = 6.00']);
  });

  test('is raised by the highest of several ratchets, each over its own months', () => {
    const january = (...pastDemand: ReturnType<typeof past>[]) => billed({ from: '2026-01-01', to: '2026-02-01', pastDemand }).at(-1);
    expect(january(past('2025-12', 2), past('2025-07', 1))).toBe('Demand, least demand: 1.2 kW × 10.00 = 12.00');
    expect(january(past('2025-12', 2), past('2025-07', 2))).toBe('Demand, least demand: 1.9 kW × 10.00 = 19.00');
    expect(january(past('2025-05', 9))).toBe('Demand, 60 % of the highest: 0.6 kW × 10.00 = 6.00');
    expect(lookbackMonths({ document })).toBe(11);
    const inOtherOrder = { ...document, charges: document.charges.map((charge) => (charge.kind === 'demand' && Array.isArray(charge.ratchet) ? { ...charge, ratchet: [...charge.ratchet].reverse() } : charge)) };
    expect(lookbackMonths({ document: inOtherOrder as typeof document })).toBe(11);
  });
});

describe('other charges', () => {
  const fixed = (per: string, price = '31') => tariffOf({ charges: [{ kind: 'fixed', name: 'Service', price, per }] });

  test('of a part of a month are the share of its days', () => {
    const tenDays = steady({ from: '2026-07-22' });
    expect(shortLines(billFor([stretch(fixed('day', '0.5'), tenDays)]))).toEqual(['Service: 10 day × 0.50 = 5.00']);
    expect(shortLines(billFor([stretch(fixed('month'), tenDays)]))).toEqual(['Service, 10 of 31 days: 0.322581 month × 31.00 = 10.00']);
    expect(shortLines(billFor([stretch(fixed('year', '365'), tenDays)]))).toEqual(['Service, 10 of 365 days: 0.027397 year × 365.00 = 10.00']);
    expect(shortLines(billFor([stretch(tariffOf({ charges: [demandCharge({})] }), tenDays)]))).toEqual(['Demand, 10 of 31 days: 1 kW × 3.22581 = 3.23']);
  });

  test('of a month in three parts are shares that make one', () => {
    // Rounded each by itself, they would be a millionth off.
    const parts = ['2026-07-01', '2026-07-02', '2026-07-09'].map((from, i, days) => stretch(fixed('month'), steady({ from, to: days[i + 1] ?? '2026-08-01' })));
    expect(billFor(parts).bill.lines.reduce((sum, { quantity }) => sum + Math.round(Number(quantity) * 1e6), 0)).toBe(1_000_000);
  });

  test('change with the tariff in the middle of a month, each part under its version', () => {
    const rated = billFor([stretch(fixed('month', '31'), steady({ to: '2026-07-11' })), stretch(fixed('month', '62'), steady({ from: '2026-07-11', version: 2 }))]);
    expect(shortLines(rated)).toEqual(['Service, 10 of 31 days: 0.322581 month × 31.00 = 10.00', 'Service, 21 of 31 days: 0.677419 month × 62.00 = 42.00']);
    expect(rated.bill.lines.map(({ tariffVersion, from, to }) => [tariffVersion, from, to])).toEqual([
      [1, '2026-07-01', '2026-07-11'],
      [2, '2026-07-11', '2026-08-01'],
    ]);
    expect(rated.bill).toMatchObject({ from: '2026-07-01', to: '2026-08-01', total: '52.00', importKwh: '744' });
    expect(rated.bill.dailyKwh.map(({ date }) => date)).toEqual(Array.from({ length: 31 }, (_, day) => `2026-07-${String(day + 1).padStart(2, '0')}`));
  });

  test('are shares of what is before them, and taxes of all', () => {
    const document = tariffOf({
      charges: [
        flatEnergy('0.1'),
        { kind: 'adder', name: 'Fuel', price: '-0.01' },
        { kind: 'adder', name: 'Winter', price: '1', months: [1] },
        { kind: 'surcharge', name: 'Concession', percent: '10', of: ['Energy', 'Fuel'] },
        { kind: 'rebate', name: 'Solidarity', amount: '5', per: 'month' },
        { kind: 'tax', name: 'Energy tax', percent: '5', of: ['Energy'] },
        { kind: 'tax', name: 'VAT', percent: '20' },
      ],
    });
    const rated = billFor([stretch(document, steady())]);
    expect(shortLines(rated)).toEqual([
      'Energy: 744 kWh × 0.10 = 74.40',
      'Fuel: 744 kWh × -0.01 = -7.44',
      'Concession 10 %: 66.96 % × 10 = 6.70',
      'Solidarity: 1 month × -5.00 = -5.00',
      'Energy tax 5 %: 74.4 % × 5 = 3.72',
      'VAT 20 %: 68.66 % × 20 = 13.73',
    ]);
    expect(rated.bill).toMatchObject({ net: '68.66', tax: '17.45', total: '86.11' });
  });

  test('rebates take no more than there is, unless they are paid out', () => {
    const rebate = (refundable: boolean) => tariffOf({ metering: { carryOver: false }, charges: [flatEnergy('0.01'), { kind: 'rebate', name: 'Grant', amount: '10', per: 'month', refundable }] });
    expect(shortLines(billFor([stretch(rebate(false), steady())]))).toEqual(['Energy: 744 kWh × 0.01 = 7.44', 'Grant, up to what is to be paid: -7.44']);
    expect(billFor([stretch(rebate(true), steady())]).bill.total).toBe('-2.56');
    expect(billFor([stretch(rebate(false), steady({ kw: () => 0 }))]).bill.lines).toEqual([]);
  });

  test('a monthly minimum is what is missing, and no more where credits are', () => {
    const document = tariffOf({ metering: { carryOver: false }, charges: [flatEnergy('0.01'), { kind: 'export', name: 'Export', schedule: 'any', rates: [{ period: 'all', tiers: [{ price: '0.1' }] }] }, { kind: 'minimum', name: 'Least', price: '12.4', per: 'month' }] });
    expect(shortLines(billFor([stretch(document, steady())]))).toEqual(['Energy: 744 kWh × 0.01 = 7.44', 'Least: 4.96']);
    expect(shortLines(billFor([stretch(document, steady({ kw: () => -1 }))]))).toEqual(['Export: 744 kWh × -0.10 = -74.40', 'Least: 12.40']);
    expect(shortLines(billFor([stretch(document, steady({ from: '2026-07-22', kw: () => 0 }))]))).toEqual(['Least, 10 of 31 days: 4.00']);
    expect(shortLines(billFor([stretch(document, steady({ kw: () => 2 }))]))).toEqual(['Energy: 1488 kWh × 0.01 = 14.88']);
  });

  test('a yearly minimum is due at the year\'s end for the days of the year that were billed', () => {
    const document = tariffOf({ charges: [flatEnergy('0.01'), { kind: 'fixed', name: 'Fixed', price: '1', per: 'month' }, { kind: 'minimum', name: 'Year', price: '365', per: 'year', covers: ['Energy'] }] });
    const november = billFor([stretch(document, steady({ from: '2026-11-21', to: '2026-12-01' }))]);
    expect(november.bill.lines.map(({ kind }) => kind)).toEqual(['energy', 'fixed']);
    expect(november.carried.yearMinimums).toEqual({ Year: { covered: '2.4', due: '9.999905' } });
    const december = billFor([stretch(document, steady({ from: '2026-12-01', to: '2027-01-01' }))], { carried: november.carried });
    // 41 days of 1 each, less 2.40 and 7.44 of energy.
    expect(shortLines(december).at(-1)).toBe('Year of the year: 31.16');
    expect(december.carried).toEqual(NOTHING_CARRIED);
    // A tariff that is left takes it with it.
    expect(billFor([stretch(fixed('month'), steady({ from: '2026-12-01', to: '2026-12-11' }))], { carried: november.carried }).carried).toEqual(NOTHING_CARRIED);
    const last = billFor([stretch(document, steady({ from: '2026-12-01', to: '2026-12-02' }))], { carried: november.carried, isLast: true });
    expect(shortLines(last).at(-1)).toBe('Year of the year: 8.36');
  });

  test('lines are rounded as the tariff says, and the total to what can be paid', () => {
    const document = (rounding: object) => tariffOf({ rounding, charges: [flatEnergy('0.00101')] });
    expect(billFor([stretch(document({ digits: 2, mode: 'up' }), steady())]).bill.total).toBe('0.76');
    expect(billFor([stretch(document({ digits: 1, mode: 'down' }), steady())]).bill.total).toBe('0.7');
    const rated = billFor([stretch(document({ digits: 2, totalStep: '0.10' }), steady())]);
    expect(shortLines(rated)).toEqual(['Energy: 744 kWh × 0.00101 = 0.75', 'Rounding to 0.10: 0.05']);
    expect(rated.bill).toMatchObject({ net: '0.80', tax: '0.00', total: '0.80' });
  });
});

describe('energy given to the grid', () => {
  const touCharge = (day: string, night: string, kind = 'energy', name = 'Energy') => ({ kind, name, schedule: 'tou', rates: [{ period: 'day', tiers: [{ price: day }] }, { period: 'night', tiers: [{ price: night }] }] });
  const metering = (more: object, ...charges: object[]) => tariffOf({ schedules: [DAY_AND_NIGHT], metering: more, charges: [touCharge('0.4', '0.2'), ...charges] });
  /** 2 kW given by day, 1 kW taken by night: of a day 24 kWh given and 12 taken. */
  const solar = (use: Partial<Use> = {}) => steady({ kw: (hour) => (hour % 24 >= 8 && hour % 24 < 20 ? -2 : 1), ...use });
  /** 1 kW by day and 1 by night. */
  const winter = (use: Partial<Use> = {}) => steady({ from: '2026-08-01', to: '2026-09-01', ...use });

  test('is credited quarter by quarter under net billing', () => {
    const document = metering({ carryOver: false }, touCharge('0.05', '0.05', 'export', 'Export'));
    const rated = billFor([stretch(document, solar())]);
    expect(shortLines(rated)).toEqual(['Energy, night: 372 kWh × 0.20 = 74.40', 'Export, Day: 744 kWh × -0.05 = -37.20']);
    expect(rated.bill).toMatchObject({ total: '37.20', importKwh: '372', exportKwh: '744' });
  });

  test('is kept in kWh by period under net metering, and settled at the end of the year', () => {
    const document = metering({ method: 'netMetering', yearEndMonth: 8, yearEndPrice: '0.03' });
    const july = billFor([stretch(document, solar())]);
    expect(shortLines(july)).toEqual(['Energy, night: 372 kWh × 0.20 = 74.40']);
    expect(july.carried.creditKwh).toEqual({ 'tou/day': '744' });
    expect(july.bill.creditKwh).toEqual({ 'tou/day': '744' });
    const august = billFor([stretch(document, winter())], { carried: july.carried });
    expect(shortLines(august)).toEqual(['Energy, night: 372 kWh × 0.20 = 74.40', 'Energy credit, settled: 372 kWh × -0.03 = -11.16']);
    expect(august.carried).toEqual(NOTHING_CARRIED);
  });

  test('credits in kWh are settled each month where they are not kept, and with the agreement', () => {
    const settled = ['Energy, night: 372 kWh × 0.20 = 74.40', 'Energy credit, settled: 744 kWh × -0.03 = -22.32'];
    expect(shortLines(billFor([stretch(metering({ method: 'netMetering', carryOver: false, yearEndPrice: '0.03' }), solar())]))).toEqual(settled);
    expect(shortLines(billFor([stretch(metering({ method: 'netMetering', yearEndPrice: '0.03' }), solar())], { isLast: true }))).toEqual(settled);
  });

  test('credits in kWh go on under another tariff, for any of its periods, and are settled by one that knows none', () => {
    const carried = { ...NOTHING_CARRIED, creditKwh: { 'old/peak': '500', 'old/rest': '44', 'older/all': '544' } };
    const used = billFor([stretch(metering({ method: 'netMetering' }), winter())], { carried });
    expect(used.bill.total).toBe('80.00');
    expect(used.carried).toEqual(NOTHING_CARRIED);
    expect(shortLines(billFor([stretch(tariffOf({ metering: { yearEndPrice: '0.05' }, charges: [flatEnergy('0.1')] }), winter())], { carried }))[1]).toBe('Energy credit, settled: 544 kWh × -0.05 = -27.20');
  });

  test('of a period that another season does not have, goes on to the period at the same times of day', () => {
    const season = (name: string, noon: string, rest: string) => ({ seasons: [name], days: ['weekday', 'weekend', 'holiday'], spans: [{ from: '00:00', to: '10:00', period: rest }, { from: '10:00', to: '15:00', period: noon }, { from: '15:00', to: '24:00', period: rest }] });
    const document = tariffOf({
      seasons: [{ name: 'first', from: '01-01', to: '07-31' }, { name: 'second', from: '08-01', to: '12-31' }],
      schedules: [{ name: 'tou', periods: ['noon1', 'rest1', 'rest2', 'noon2'].map((name) => ({ name })), rules: [season('first', 'noon1', 'rest1'), season('second', 'noon2', 'rest2')] }],
      metering: { method: 'netMetering' },
      charges: [{ kind: 'energy', name: 'Energy', schedule: 'tou', rates: ['noon1', 'rest1', 'rest2', 'noon2'].map((period) => ({ period, tiers: [{ price: '1' }] })) }],
    });
    const july = billFor([stretch(document, steady({ kw: (hour) => (hour % 24 === 12 ? -1 : 0) }))]);
    expect(july.carried.creditKwh).toEqual({ 'tou/noon1': '31' });
    const august = billFor([stretch(document, winter({ kw: (hour) => (hour % 24 === 12 ? 0.5 : hour % 24 === 3 ? 1 : 0) }))], { carried: july.carried });
    expect(shortLines(august)).toEqual(['Energy, rest2: 31 kWh × 1.00 = 31.00']);
    expect(august.carried.creditKwh).toEqual({ 'tou/noon2': '15.5' });
    // What that period has already stays.
    const both = billFor([stretch(document, winter({ kw: () => 0 }))], { carried: { ...NOTHING_CARRIED, creditKwh: { 'tou/noon2': '4', 'tou/noon1': '10' } } });
    expect(both.carried.creditKwh).toEqual({ 'tou/noon2': '14' });
  });

  test('is credited in money under net metering in money, at the export price or at what the period costs', () => {
    expect(shortLines(billFor([stretch(metering({ method: 'netMeteringMoney', carryOver: false }, touCharge('0.07', '0', 'export', 'Feed-in')), solar())]))).toEqual(['Energy, night: 372 kWh × 0.20 = 74.40', 'Feed-in, Day: 744 kWh × -0.07 = -52.08']);
    expect(shortLines(billFor([stretch(metering({ method: 'netMeteringMoney', carryOver: false }), solar())]))[1]).toBe('Energy, Day: 744 kWh × -0.40 = -297.60');
  });

  test('money that is too much is kept for later bills, and paid at the end', () => {
    const document = metering({}, touCharge('0.2', '0', 'export', 'Export'));
    const july = billFor([stretch(document, solar())]);
    expect(shortLines(july).at(-1)).toBe('Credit kept for later bills: 74.40');
    expect(july).toMatchObject({ bill: { total: '0.00' }, carried: { creditAmount: '74.4' } });
    const august = billFor([stretch(document, winter({ to: '2026-08-11' }))], { carried: july.carried });
    expect(august.bill).toMatchObject({ total: '0.00' });
    expect(august.carried.creditAmount).toBe('2.4');
    expect(billFor([stretch(document, winter({ to: '2026-08-02', kw: () => 0 }))], { carried: july.carried, isLast: true })).toMatchObject({ bill: { total: '-74.40' }, carried: NOTHING_CARRIED });
    const december = steady({ from: '2026-12-01', to: '2027-01-01', kw: () => 0 });
    expect(billFor([stretch(document, december)], { carried: july.carried })).toMatchObject({ bill: { total: '-74.40' }, carried: { creditAmount: '0' } });
    const with_ = (more: object) => billFor([stretch(metering(more, touCharge('0.2', '0', 'export', 'Export')), december)], { carried: july.carried });
    expect(with_({ yearEndCredit: 'lapses' })).toMatchObject({ bill: { total: '0.00' }, carried: { creditAmount: '0' } });
    expect(with_({ yearEndCredit: 'kept' })).toMatchObject({ bill: { total: '0.00' }, carried: { creditAmount: '74.4' } });
  });

  test('money may count from the next bill on', () => {
    const july = billFor([stretch(metering({ creditFrom: 'nextBill' }, touCharge('0.2', '0', 'export', 'Export')), solar())]);
    expect(july).toMatchObject({ bill: { total: '74.40' }, carried: { creditAmount: '148.8' } });
  });
});

describe('credits as utilities settle them', () => {
  const touCharge = (day: string, night: string, kind = 'energy', name = 'Energy') => ({ kind, name, schedule: 'tou', rates: [{ period: 'day', tiers: [{ price: day }] }, { period: 'night', tiers: [{ price: night }] }] });
  const document = (metering: object, ...charges: object[]) => tariffOf({ schedules: [DAY_AND_NIGHT], metering, charges: [touCharge('0.4', '0.2'), ...charges] });
  const feedIn = touCharge('0.2', '0', 'export', 'Export');
  const fixed = { kind: 'fixed', name: 'Fixed', price: '10', per: 'month' };
  const least = (price: string) => ({ kind: 'minimum', name: 'Least', price, per: 'month' });
  /** Of a day 24 kWh given by day and 12 taken by night. */
  const solar = (use: Partial<Use> = {}) => steady({ kw: (hour) => (hour % 24 >= 8 && hour % 24 < 20 ? -2 : 1), ...use });
  const winter = (use: Partial<Use> = {}) => steady({ from: '2026-08-01', to: '2026-09-01', ...use });
  const owed = (creditAmount: string) => ({ carried: { ...NOTHING_CARRIED, creditAmount } });

  test('in kWh are for any period where they are one, of the same month too, the first that the schedule names before others', () => {
    const together = document({ method: 'netMetering', creditPeriods: 'together', yearEndMonth: 8, yearEndPrice: '0.03' });
    const july = billFor([stretch(together, solar())]);
    expect(shortLines(july)).toEqual(['Energy credit, taken off night: 372 kWh × 0.00 = 0.00']);
    expect(july).toMatchObject({ bill: { total: '0.00', creditKwh: { 'tou/*': '372' } }, carried: { creditKwh: { 'tou/*': '372' } } });
    const used = billFor([stretch(together, winter())], { carried: { ...july.carried, creditKwh: { 'tou/*': '400', 'tou/night': '72' } } });
    expect(shortLines(used)).toEqual(['Energy credit, taken off Day: 372 kWh × 0.00 = 0.00', 'Energy credit, taken off night: 100 kWh × 0.00 = 0.00', 'Energy, night: 272 kWh × 0.20 = 54.40']);
    expect(used.carried).toEqual(NOTHING_CARRIED);
    expect(shortLines(billFor([stretch(together, winter({ kw: () => 0.25 }))], { carried: july.carried })).at(-1)).toBe('Energy credit, settled: 186 kWh × -0.03 = -5.58');
  });

  test('in kWh are settled by what was given beyond what was used, month by month or over the year', () => {
    const settle = (yearEndEnergy: string) => document({ method: 'netMetering', yearEndMonth: 9, yearEndPrice: '0.03', yearEndEnergy });
    const year = (yearEndEnergy: string) => {
      // 372 kWh more given than taken, 1,488 more taken, 360 more given.
      const july = billFor([stretch(settle(yearEndEnergy), solar())]);
      const august = billFor([stretch(settle(yearEndEnergy), winter({ kw: () => 2 }))], { carried: july.carried });
      return [july, august, billFor([stretch(settle(yearEndEnergy), solar({ from: '2026-09-01', to: '2026-10-01' }))], { carried: august.carried })];
    };
    const [july, august, september] = year('netOfMonths');
    expect(july.carried).toMatchObject({ creditKwh: { 'tou/day': '744' }, surplusKwh: '372' });
    expect(august.carried).toEqual(NOTHING_CARRIED);
    expect(shortLines(september).at(-1)).toBe('Energy given beyond what was used since the last settlement, settled: 360 kWh × -0.03 = -10.80');
    expect(september.carried).toEqual(NOTHING_CARRIED);
    const [, lean, end] = year('netOfYear');
    expect(lean.carried).toMatchObject({ surplusKwh: '-1116' });
    expect(shortLines(end)).toEqual(['Energy, night: 360 kWh × 0.20 = 72.00']);
    expect(end.carried).toEqual(NOTHING_CARRIED);
  });

  test('a count of the surplus begins with the credits that there are, and ends with the tariff that asks for it', () => {
    const counts = document({ method: 'netMetering', yearEndEnergy: 'netOfMonths' });
    const carried = { ...NOTHING_CARRIED, creditKwh: { 'tou/day': '1000' } };
    const used = billFor([stretch(counts, winter({ kw: (hour) => (hour % 24 < 8 ? 1 : 0) }))], { carried });
    expect(used.carried).toMatchObject({ creditKwh: { 'tou/day': '1000' }, surplusKwh: '752' });
    expect(billFor([stretch(document({ method: 'netMetering' }), winter({ kw: () => 0 }))], { carried: used.carried }).carried).toEqual(carried);
  });

  test('in money that pay for energy leave fixed charges due, and minimums and taxes are of what is left', () => {
    const tax = { kind: 'tax', name: 'Tax', percent: '10' };
    const pays = (creditPays: string) => document({ creditPays }, fixed, least('50'), tax);
    const month = billFor([stretch(pays('energy'), winter())], owed('200'));
    expect(shortLines(month)).toEqual(['Energy, Day: 372 kWh × 0.40 = 148.80', 'Energy, night: 372 kWh × 0.20 = 74.40', 'Fixed: 1 month × 10.00 = 10.00', 'Credit of earlier bills: -200.00', 'Least: 16.80', 'Tax 10 %: 50 % × 10 = 5.00']);
    expect(month).toMatchObject({ bill: { net: '50.00', tax: '5.00', total: '55.00' }, carried: { creditAmount: '0' } });
    expect(shortLines(billFor([stretch(pays('charges'), winter())], owed('500')))).toEqual(expect.arrayContaining(['Credit of earlier bills: -233.20', 'Least: 50.00']));
    // Adders are of energy, and demand is a charge.
    const more = (creditPays: string) => shortLines(billFor([stretch(document({ creditPays }, fixed, { kind: 'adder', name: 'Levy', price: '0.01' }, { kind: 'demand', name: 'Demand', measure: 'max', rates: [{ period: '*', tiers: [{ price: '7' }] }] }), winter())], owed('900')));
    const all = more('energy');
    const amountOf = (name: string): number => Number(all.find((line) => line.startsWith(name))!.split(' = ')[1]);
    expect([amountOf('Levy') > 0, amountOf('Demand') > 0]).toEqual([true, true]);
    expect(all).toContain(`Credit of earlier bills: -${(223.2 + amountOf('Levy')).toFixed(2)}`);
    expect(more('charges')).toContain(`Credit of earlier bills: -${(233.2 + amountOf('Levy') + amountOf('Demand')).toFixed(2)}`);
    // The whole bill, minimum and tax too, where nothing else is said.
    expect(billFor([stretch(pays('bill'), winter())], owed('500'))).toMatchObject({ bill: { total: '0.00' }, carried: { creditAmount: '243.48' } });
  });

  test('in money that pay for energy are earned, kept, paid out and lost as the tariff says', () => {
    const july = (more: object, given = owed('5')) => billFor([stretch(document({ creditPays: 'energy', ...more }, feedIn, fixed), solar())], given);
    const charges = ['Energy, night: 372 kWh × 0.20 = 74.40', 'Export, Day: 744 kWh × -0.20 = -148.80', 'Fixed: 1 month × 10.00 = 10.00'];
    expect(shortLines(july({}))).toEqual([...charges, 'Credit kept for later bills: 74.40']);
    expect(july({})).toMatchObject({ bill: { total: '10.00' }, carried: { creditAmount: '79.4' } });
    expect(shortLines(july({ creditFrom: 'nextBill' }))).toEqual([...charges, 'Credit of earlier bills: -5.00', 'Credit kept for later bills: 148.80']);
    expect(july({ creditFrom: 'nextBill' })).toMatchObject({ bill: { total: '79.40' }, carried: { creditAmount: '148.8' } });
    for (const more of [{ yearEndMonth: 7 }, { carryOver: false }]) {
      expect(shortLines(july(more))).toEqual([...charges, 'Credit that is paid out below: 74.40', 'Credit paid out: -79.40']);
      expect(july(more)).toMatchObject({ bill: { total: '-69.40' }, carried: NOTHING_CARRIED });
    }
    const lost = july({ yearEndMonth: 7, yearEndCredit: 'lapses' });
    expect(shortLines(lost).slice(3)).toEqual(['Credit lapsed at the end of the year: 74.40', 'Credit lapsed at the end of the year, of earlier bills: 5.00: 0.00']);
    expect(lost).toMatchObject({ bill: { total: '10.00' }, carried: NOTHING_CARRIED });
    expect(july({ yearEndMonth: 7, yearEndCredit: 'kept' })).toMatchObject({ bill: { total: '10.00' }, carried: { creditAmount: '79.4' } });
    // What lapsed in July pays for nothing in August, on the same bill neither.
    const lapses = document({ creditPays: 'energy', yearEndMonth: 7, yearEndCredit: 'lapses' }, feedIn, fixed);
    expect(billFor([stretch(lapses, solar()), stretch(lapses, winter())], owed('5')).bill.total).toBe('243.20');
  });

  test('in money go from one tariff to another within a bill, however each uses them', () => {
    const both = (first: string, second: string) =>
      billFor([stretch(document({ creditPays: first, creditFrom: 'nextBill' }, feedIn, fixed), solar({ to: '2026-07-16' })), stretch(document({ creditPays: second }, fixed), steady({ from: '2026-07-16' }))], owed('20'));
    // 15 days: 36.00 used and 72.00 earned; 16 days: 115.20 used; 10.00 fixed in all.
    expect(both('energy', 'energy')).toMatchObject({ bill: { total: '141.20' }, carried: { creditAmount: '72' } });
    expect(both('energy', 'bill')).toMatchObject({ bill: { total: '141.20' }, carried: { creditAmount: '72' } });
    expect(both('bill', 'energy')).toMatchObject({ bill: { total: '69.20' }, carried: { creditAmount: '0' } });
  });

  test('for energy given may be in tiers of all periods together', () => {
    const tiers = (price: string) => [{ upTo: { value: '300', unit: 'kWh' }, price }, { price: '0.01' }];
    const exportCharge = (tierScope: string) => ({ kind: 'export', name: 'Export', schedule: 'tou', tierScope, rates: [{ period: 'day', tiers: tiers('0.2') }, { period: 'night', tiers: tiers('0.1') }] });
    const sold = (tierScope: string) => shortLines(billFor([stretch(document({}, exportCharge(tierScope)), steady({ kw: (hour) => (hour % 24 >= 8 && hour % 24 < 20 ? -2 : -1) }))])).slice(0, 4);
    expect(sold('period')).toEqual(['Export, Day, tier 1: 300 kWh × -0.20 = -60.00', 'Export, Day, tier 2: 444 kWh × -0.01 = -4.44', 'Export, night, tier 1: 300 kWh × -0.10 = -30.00', 'Export, night, tier 2: 72 kWh × -0.01 = -0.72']);
    expect(sold('total')).toEqual(['Export, Day, tier 1: 200 kWh × -0.20 = -40.00', 'Export, Day, tier 2: 544 kWh × -0.01 = -5.44', 'Export, night, tier 1: 100 kWh × -0.10 = -10.00', 'Export, night, tier 2: 272 kWh × -0.01 = -2.72']);
  });
});

describe('a bill', () => {
  test('has one currency, one zone and no gaps between its stretches', () => {
    const euros = tariffOf({ charges: [flatEnergy('1')] });
    const first = stretch(euros, steady({ to: '2026-07-11' }));
    const then = (document: typeof euros, from = '2026-07-11') => stretch(document, steady({ from }));
    expect(() => billFor([])).toThrow(RangeError);
    expect(() => billFor([first, then({ ...euros, currency: 'CHF' })])).toThrow(/one currency/);
    expect(() => billFor([first, then({ ...euros, zone: 'Europe/Zurich' })])).toThrow(/one time zone/);
    expect(() => billFor([first, then(euros, '2026-07-12')])).toThrow(/follow each other/);
    expect(() => billFor([stretch(euros, steady({ to: '2026-08-02' }))])).toThrow(/one month/);
  });

  test('says of each line how it comes about', () => {
    const document = tariffOf({ charges: [flatEnergy('0.0137'), { kind: 'minimum', name: 'Least', price: '12', per: 'month' }, { kind: 'tax', name: 'VAT', percent: '19' }] });
    const { bill } = billFor([stretch(document, steady())]);
    expect(bill.lines.map((line) => explainLine(line, bill.currency))).toEqual([
      'Energy: 744 kWh × 0.0137 EUR/kWh = 10.1928, rounded 10.19 EUR, for 2026-07-01 to 2026-07-31 (t version 1).',
      'Least: what the charges that it covers are short of it, 1.81 EUR, for 2026-07-01 to 2026-07-31 (t version 1).',
      'VAT 19 %: 19 % of 12 EUR = 2.28 EUR, for 2026-07-01 to 2026-07-31 (t version 1).',
    ]);
    expect(explainLine({ ...bill.lines[2], to: '2026-07-02' }, 'EUR')).toMatch(/for 2026-07-01 \(t/);
    const credited = billFor([stretch(tariffOf({ metering: { method: 'netMetering', creditPeriods: 'together' }, charges: [flatEnergy('0.1')] }), steady())], { carried: { ...NOTHING_CARRIED, creditKwh: { 'any/*': '44' } } });
    expect(explainLine(credited.bill.lines[0], 'EUR')).toBe('Energy credit, taken off what was used: 44 kWh that are not charged, for 2026-07-01 to 2026-07-31 (t version 1).');
  });
});
