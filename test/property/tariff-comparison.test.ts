import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ComparedCustomer, NewComparison, TariffComparison } from '../../src/actors/tariffs/comparison.ts';
import { amountOf, amountText } from '../../src/actors/tariffs/money.ts';
import type { TariffDocument } from '../../src/actors/tariffs/tariff-document.ts';
import { QUARTER_MS } from '../../src/model/energy.ts';
import { agreementOf, flatTariff, TariffsWorld } from '../support/tariffs-world.ts';
import { assertUntilSeen } from '../support/until-seen.ts';

/** A comparison of many is held against asking for each customer's months by themselves, over tariffs of all kinds, with moves, versions, crashes and shards that are away. */

const FIRST_QUARTER = Date.parse('2026-03-30T00:00:00Z') / QUARTER_MS;
const LAST_QUARTER = Date.parse('2026-07-02T00:00:00Z') / QUARTER_MS;
/** Until then there is more sun than use by day, and June uses what May left. */
const CLOUDS = Date.parse('2026-06-01T00:00:00Z') / QUARTER_MS;
const PEAK = Date.parse('2026-06-17T16:15:00Z') / QUARTER_MS;
const TARIFFS = ['flat', 'tou', 'demand', 'sun', 'coins'];

const DAY_AND_NIGHT = { name: 'tou', periods: [{ name: 'day' }, { name: 'night' }], rules: [{ days: ['weekday'], spans: [{ from: '00:00', to: '07:10', period: 'night' }, { from: '07:10', to: '22:00', period: 'day' }, { from: '22:00', to: '24:00', period: 'night' }] }, { days: ['weekend', 'holiday'], spans: [{ from: '00:00', to: '24:00', period: 'night' }] }] };
const ALL = { name: 'all', periods: [{ name: 'any' }], rules: [{ days: ['weekday', 'weekend', 'holiday'], spans: [{ from: '00:00', to: '24:00', period: 'any' }] }] };
const energy = (schedule: string, prices: Record<string, string>) => ({ kind: 'energy', name: 'Energy', schedule, rates: Object.entries(prices).map(([period, price]) => ({ period, tiers: [{ price, upTo: { value: '150', unit: 'kWh' } }, { price: '0.41' }] })) });

const documents: TariffDocument[] = [
  flatTariff(),
  flatTariff({ id: 'tou', appliesTo: { regions: ['south'], priority: 3 }, schedules: [DAY_AND_NIGHT], charges: [energy('tou', { day: '0.31', night: '0.14' }), { kind: 'fixed', name: 'Base', price: '9.90', per: 'month' }] }),
  flatTariff({
    ...{ id: 'demand', appliesTo: null, zone: 'Europe/London', schedules: [ALL, DAY_AND_NIGHT] },
    charges: [
      energy('all', { any: '0.12' }),
      { kind: 'demand', name: 'Ratchet', measure: 'max', rates: [{ period: '*', tiers: [{ price: '2.5' }] }], ratchet: { percent: '80', lookbackMonths: 2 } },
      { kind: 'demand', name: 'Coincident', measure: 'coincident', rates: [{ period: '*', tiers: [{ price: '1.1' }] }] },
      { kind: 'demand', name: 'By day', measure: 'periods', schedule: 'tou', rates: [{ period: 'day', tiers: [{ price: '0.5' }] }, { period: 'night', tiers: [{ price: '0.1' }] }] },
    ],
  }),
  flatTariff({ id: 'sun', appliesTo: null, schedules: [DAY_AND_NIGHT], metering: { method: 'netMetering', carryOver: true, yearEndPrice: '0.05' }, charges: [energy('tou', { day: '0.29', night: '0.19' }), { kind: 'minimum', name: 'Least', price: '4', per: 'month' }] }),
  flatTariff({ id: 'coins', appliesTo: null, rounding: { digits: 2, mode: 'halfUp', totalStep: '0.05' } }),
];
/** From the middle of May on. */
const dearer = flatTariff({ effectiveFrom: '2026-05-15' }, '0.30');

const meterCase = fc.record({
  region: fc.constantFrom('north', 'south'),
  seed: fc.integer({ min: 1, max: 1_000_000 }),
  hasSun: fc.boolean(),
  agreements: fc.constantFrom<[string, string | null][]>([['2026-01-01', null]], [['2026-01-01', null]], [['2026-05-20', null]], [['2026-01-01', '2026-05-11']], [['2026-01-01', '2026-05-11'], ['2026-05-12', null]], [['2026-08-01', null]], []),
  agreed: fc.constantFrom(null, null, 'sun', 'demand'),
  isKnown: fc.constantFrom(true, true, true, true, false),
});
type MeterCase = typeof meterCase extends fc.Arbitrary<infer T> ? T : never;

const anyCase = fc.record({
  meters: fc.array(meterCase, { minLength: 1, maxLength: 8 }),
  tariffs: fc.shuffledSubarray(TARIFFS, { minLength: 1, maxLength: 3 }),
  months: fc.constantFrom(['2026-05', '2026-05'], ['2026-06', '2026-06'], ['2026-05', '2026-06']),
  of: fc.constantFrom<'agreements' | 'region' | 'meters'>('agreements', 'region', 'meters'),
  pieceMeters: fc.constantFrom(1, 1, 2, 4),
  /** Passes of time before each, and how long a commit takes until then. */
  crashes: fc.array(fc.tuple(fc.integer({ min: 2, max: 10 }), fc.constantFrom<'lost' | 'kept'>('lost', 'kept'), fc.constantFrom(0, 1, 3)), { maxLength: 2 }),
  away: fc.constantFrom(0, 0, 0, 1, 2),
});

async function worldOf(meters: readonly MeterCase[]): Promise<TariffsWorld> {
  const world = await TariffsWorld.start();
  for (const document of [...documents, dearer]) await world.putTariff(document);
  for (const [i, { region, seed, hasSun, agreements, agreed, isKnown }] of meters.entries()) {
    if (isKnown) {
      world.fleet.add(`m${i}`, region);
      for (let quarter = FIRST_QUARTER; quarter < LAST_QUARTER; quarter++) {
        const noise = (Math.imul(seed ^ quarter, 0x9e3779b1) >>> 8) % 200_000;
        if (noise > 500) world.fleet.count(`m${i}`, quarter, hasSun && quarter % 96 > 36 && quarter % 96 < 64 ? (quarter < CLOUDS ? -3 : -1) * noise : noise, noise % 3 === 0 ? 'estimated' : 'measured');
      }
    }
    for (const [movedIn, movedOut] of agreements) await world.makeAgreement(agreementOf(`m${i}`, { movedIn, movedOut, tariffId: agreed }));
  }
  world.fleet.setPeak('north', PEAK);
  return world;
}

/** Sums of rows, worked out anew. */
function sumsOf(rows: readonly ComparedCustomer[], { tariffs }: TariffComparison): Pick<TariffComparison, 'tariffs' | 'present' | 'saving'> {
  const sum = (texts: readonly string[]): string => amountText(texts.reduce((total, text) => total + amountOf(text), 0n), '0.00');
  const having = rows.filter(({ present }) => present !== null);
  const better = having.filter(({ saving }) => amountOf(saving!) > 0n);
  return {
    tariffs: tariffs.map((tariff, i) => ({ ...tariff, total: sum(rows.map(({ costs }) => costs[i])), bestFor: rows.filter(({ best }) => best === i).length })),
    present: { customers: having.length, total: sum(having.map(({ present }) => present!)) },
    saving: { customers: better.length, total: sum(better.map(({ saving }) => saving!)) },
  };
}

test('gives each customer what asking for their months by themselves gives, whatever happens meanwhile', { timeout: 120_000 }, async () => {
  /** Crashes in the middle, by what became of a commit that was under way. */
  const seen = { lost: 0, kept: 0 };
  await assertUntilSeen(
    fc.asyncProperty(anyCase, async ({ meters, tariffs, months: [fromMonth, toMonth], of, pieceMeters, crashes, away }) => {
      const world = await worldOf(meters);
      world.pieceMeters = pieceMeters;
      await world.restart('kept');
      world.fleet.away = away;
      const scope: NewComparison['of'] = of === 'agreements' ? { kind: of } : of === 'region' ? { kind: of, region: 'north' } : { kind: of, meterIds: meters.map((_, i) => `m${i}`) };
      // One answer at a time.
      let last = Promise.resolve();
      world.fleet.wait = () => (last = last.then(() => new Promise((resolve) => void world.time.after(1, resolve))));
      const { id } = await world.settled(world.ask({ kind: 'startComparison', comparison: { tariffs: tariffs.map((tariffId) => ({ id: tariffId, version: null })), fromMonth, toMonth, of: scope }, by: 'Ada' }));
      for (const [passes, underWay, commitMs] of crashes) {
        if (commitMs > 0) world.takeCommit = () => new Promise((resolve) => void world.time.after(commitMs, resolve));
        for (let i = 0; i < passes; i++) await world.pass(1);
        world.takeCommit = async () => {};
        await world.restart(underWay);
        const { state, done } = await world.settled(world.ask({ kind: 'comparison', id }));
        if (state === 'running' && done > 0) seen[underWay]++;
      }
      world.fleet.wait = async () => {};
      const comparison = await world.compared(id);
      const rows = await world.comparedCustomers(id, 2);
      expect(comparison).toMatchObject({ state: 'done', done: comparison.all, rated: rows.length });
      expect(comparison).toMatchObject(sumsOf(rows, comparison));
      // Who is in it.
      const whole = { from: `${fromMonth}-01`, to: toMonth === '2026-05' ? '2026-06-01' : '2026-07-01' };
      const expected = meters.flatMap(({ region, agreements, isKnown }, i) => {
        if (!isKnown || (of === 'region' && region !== 'north')) return [];
        const within = agreements.map(([from, to]) => ({ from: from > whole.from ? from : whole.from, to: to !== null && to < whole.to ? to : whole.to })).filter((days) => days.from < days.to);
        return (within.length > 0 ? within : of === 'agreements' ? [] : [whole]).map((days) => ({ meterId: `m${i}`, ...days }));
      });
      expect(rows.map(({ meterId, from, to }) => ({ meterId, from, to }))).toEqual(expected);
      const unknown = of === 'region' ? 0 : meters.filter(({ isKnown }) => !isKnown).reduce((sum, { agreements }) => sum + (of === 'agreements' ? agreements.length : 1), 0);
      expect([comparison.failed, comparison.failures.map(({ code, count }) => [code, count])]).toEqual([unknown, unknown > 0 ? [['unknown_meter', unknown]] : []]);
      // What each costs.
      for (const { meterId, from, to, costs, present, best, saving } of rows) {
        const alone = await world.settled(world.ask({ kind: 'compare', meterId, from, to, tariffIds: tariffs }));
        const byId = new Map(alone.map((tariff) => [tariff.tariffId, tariff]));
        expect(costs).toEqual(tariffs.map((tariffId) => byId.get(tariffId)!.total));
        expect(amountOf(costs[best])).toBe(amountOf(alone[0].total));
        expect(present).not.toBeNull();
        for (const [i, tariffId] of tariffs.entries()) expect(amountOf(byId.get(tariffId)!.difference)).toBe(amountOf(costs[i]) - amountOf(present!));
        expect(amountOf(saving!)).toBe(amountOf(present!) - amountOf(costs[best]));
        if (fromMonth !== toMonth) continue;
        for (const [i, tariffId] of [...tariffs, null].entries()) {
          const { total } = await world.settled(world.ask({ kind: 'estimate', meterId, from, to, tariffId }));
          expect(total).toBe(tariffId === null ? present : costs[i]);
        }
      }
      expect(world.failures).toEqual([]);
    }),
    { numRuns: 80 },
    seen,
  );
});
