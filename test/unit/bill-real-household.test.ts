import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { tariffPlan } from '../../src/actors/tariffs/metering-plan.ts';
import { addUp, QUARTER_QUALITY } from '../../src/model/determinants.ts';
import { REPOSITORY } from '../support/engine-process.ts';
import { billFor, flatEnergy, tariffOf } from '../support/rated-tariff.ts';
import { suite } from '../support/required-suites.ts';

/**
 * A household of the Low Carbon London trial in 2013, at the flat price of those who did not take part and at the three prices of those who did. Those were set from day to day, and so are no schedule: the plan is made of
 * the file. Stamps are taken as they are.
 */
const DATA = resolve(REPOSITORY, '../shared/data/lcl_dtou');
/** Pounds for a kWh. */
const PRICES = { Low: '0.0399', Normal: '0.1176', High: '0.672' };
const FLAT = '0.14228';
const NAMES = Object.keys(PRICES) as (keyof typeof PRICES)[];

function rowsOf(file: string): [string, string][] {
  return gunzipSync(readFileSync(join(DATA, file))).toString('utf8').trim().split('\n').slice(1).map((line) => line.trim().split(',') as [string, string]);
}

suite('bills of a household of the Low Carbon London trial', existsSync(DATA), `It reads ${DATA}.`, () => {
  test('come to what its half hours cost one by one', () => {
    const periodAt = new Map(rowsOf('lcl_dtou_tariffs_2013.csv.gz').map(([stamp, period]) => [stamp.slice(0, 16), period as keyof typeof PRICES]));
    const wattHours = new Map(rowsOf('MAC000060_halfhourly.csv.gz').map(([stamp, kwh]) => [stamp.slice(0, 16), Math.round(Number(kwh) * 1_000)]));
    const schedule = { name: 'trial', periods: NAMES.map((name) => ({ name })), rules: [{ days: ['weekday', 'weekend', 'holiday'], spans: [{ from: '00:00', to: '24:00', period: 'Normal' }] }] };
    const trial = tariffOf({ schedules: [schedule], rounding: { digits: 2 }, charges: [{ kind: 'energy', name: 'Energy', schedule: 'trial', rates: NAMES.map((period) => ({ period, tiers: [{ price: PRICES[period] }] })) }] });
    const flat = tariffOf({ charges: [flatEnergy(FLAT)] });

    let [paid, paidFlat, used] = [0, 0, 0];
    for (let month = 1; month <= 12; month++) {
      const from = `2013-${String(month).padStart(2, '0')}-01`;
      const to = month === 12 ? '2014-01-01' : `2013-${String(month + 1).padStart(2, '0')}-01`;
      const plan = tariffPlan(trial, from, to);
      const count = plan.plan.energyBuckets.length;
      const stampOf = (index: number) => new Date((plan.plan.firstQuarter + index - (index % 2)) * 900_000).toISOString().slice(0, 16).replace('T', ' ');
      const quarters = Float64Array.from({ length: count }, (_, index) => (wattHours.get(stampOf(index)) ?? 0) * 500);
      const ofTrial = {
        ...plan,
        energyPeriods: NAMES.map((trialPeriod) => ({ trial: trialPeriod })),
        plan: { ...plan.plan, energyBucketCount: NAMES.length, energyBuckets: Uint8Array.from({ length: count }, (_, index) => NAMES.indexOf(periodAt.get(stampOf(index))!)) },
      };
      const quality = new Uint8Array(count).fill(QUARTER_QUALITY.measured);
      const bills = [
        billFor([{ tariff: { id: 't', version: 1, document: trial }, plan: ofTrial, determinants: addUp(ofTrial.plan, quarters, quality), pastDemand: [] }]),
        billFor([{ tariff: { id: 't', version: 1, document: flat }, plan: tariffPlan(flat, from, to), determinants: addUp(tariffPlan(flat, from, to).plan, quarters, quality), pastDemand: [] }]),
      ];
      // In whole Wh times ten-thousandths of a penny; each line is rounded to the penny by itself.
      const naive = { Low: 0, Normal: 0, High: 0 };
      for (let index = 0; index < count; index += 2) naive[periodAt.get(stampOf(index))!] += wattHours.get(stampOf(index)) ?? 0;
      const cost = NAMES.reduce((sum, name) => sum + Math.round((naive[name] * Math.round(Number(PRICES[name]) * 1e6)) / 1e7), 0);
      const total = naive.Low + naive.Normal + naive.High;
      expect(Math.round(Number(bills[0].bill.total) * 100)).toBe(cost);
      expect(Math.round(Number(bills[1].bill.total) * 100)).toBe(Math.round((total * 142_280) / 1e7));
      expect(Number(bills[0].bill.importKwh) * 1_000).toBeCloseTo(total, 3);
      paid += cost;
      paidFlat += Math.round((total * 142_280) / 1e7);
      used += total;
    }
    // The household used some 3,000 kWh in the year; the trial's prices were made to come to much the same as the flat one.
    expect(used / 1_000).toBeGreaterThan(500);
    expect(paid / paidFlat).toBeGreaterThan(0.7);
    expect(paid / paidFlat).toBeLessThan(1.1);
  });
});
