import { describe, expect, test } from 'vitest';
import { COMPARISONS_KEPT_MAX } from '../../src/actors/tariffs/comparison-book.ts';
import type { NewComparison } from '../../src/actors/tariffs/comparison.ts';
import { agreementOf, flatTariff, TariffsWorld } from '../support/tariffs-world.ts';

const FLAT = { id: 'flat', version: null };
const DEAR = { id: 'dear', version: null };
const JULY = { fromMonth: '2026-07', toMonth: '2026-07' };
const EVERYBODY: NewComparison = { tariffs: [FLAT, DEAR], ...JULY, of: { kind: 'agreements' } };

/** Meters with an agreement, of which each took 0.01 kWh in each quarter-hour of July times its number. */
async function july(meters: number, pieceMeters?: number): Promise<TariffsWorld> {
  const world = await TariffsWorld.start();
  world.pieceMeters = pieceMeters;
  await world.restart('kept');
  await world.putTariff(flatTariff());
  await world.putTariff(flatTariff({ id: 'dear', appliesTo: null, charges: [{ kind: 'energy', name: 'Energy', schedule: 'all', rates: [{ period: 'any', tiers: [{ price: '0.50' }] }] }] }));
  for (let i = 1; i <= meters; i++) {
    world.addMeter(`m${i}`, 10_000 * i, '2026-06-30T22:00:00Z', '2026-07-31T22:00:00Z', i % 2 === 0 ? 'south' : 'north');
    await world.makeAgreement(agreementOf(`m${i}`));
  }
  return world;
}

/** Bills that are worked out before others have the thread. */
const BILLS_PER_TURN = 256;

/** How often others have been given the thread from now on. */
function countWaysGiven({ time }: TariffsWorld): () => number {
  let given = 0;
  const after = time.after.bind(time);
  time.after = (ms, fn) => {
    if (ms === 0) given++;
    return after(ms, fn);
  };
  return () => given;
}

describe('a comparison', () => {
  test('says what all would pay, for whom which is the best, and what that saves', async () => {
    const world = await july(3);
    const { id, ...comparison } = await world.compare(EVERYBODY);
    // 29.76 kWh at 0.25 and 31 days of 0.30 with 20 % on both, against 0.50 for the kWh without: the base makes the first one dear for who uses little.
    expect(comparison).toMatchObject({ state: 'done', all: 3, done: 3, rated: 3, failed: 0, currency: 'EUR', tariffs: [{ tariffId: 'flat', version: 1, total: '87.05', bestFor: 2 }, { tariffId: 'dear', version: 1, total: '89.28', bestFor: 1 }] });
    expect(comparison).toMatchObject({ present: { customers: 3, total: '87.05' }, saving: { customers: 1, total: '5.21' } });
    const rows = await world.comparedCustomers(id);
    expect(rows[0]).toEqual({ meterId: 'm1', agreementId: 'AG-00000001', from: '2026-07-01', to: '2026-08-01', present: '20.09', costs: ['20.09', '14.88'], best: 1, saving: '5.21' });
    expect((await world.ask({ kind: 'comparisons', limit: 10, cursor: null })).data.map((one) => one.id)).toEqual([id]);
  });

  test('takes a version for all days, whenever that is in force, and what is put meanwhile does not count', async () => {
    const world = await july(1);
    await world.putTariff(flatTariff({ effectiveFrom: '2027-01-01' }, '1.00'));
    await world.putTariff(flatTariff({ id: 'later', appliesTo: null, effectiveFrom: '2027-01-01' }));
    const later = await world.compare({ ...EVERYBODY, tariffs: [{ id: 'later', version: 1 }, FLAT, { id: 'flat', version: 2 }] });
    expect(later.tariffs.map(({ tariffId, version, total }) => [tariffId, version, total])).toEqual([['later', 1, '20.09'], ['flat', 1, '20.09'], ['flat', 2, '46.87']]);
    await expect(world.ask({ kind: 'startComparison', comparison: { ...EVERYBODY, tariffs: [{ id: 'later', version: null }] }, by: 'Ada' })).rejects.toMatchObject({ code: 'tariff_not_in_force' });
    world.fleet.wait = () => new Promise((resolve) => void world.time.after(1, resolve));
    const { id } = await world.settled(world.ask({ kind: 'startComparison', comparison: EVERYBODY, by: 'Ada' }));
    await world.settled(world.putTariff(flatTariff({}, '9.00')));
    expect((await world.compared(id)).tariffs[0]).toMatchObject({ version: 1, total: '20.09' });
  });

  test('is refused for what cannot be compared', async () => {
    const world = await july(1);
    await world.putTariff(flatTariff({ id: 'pounds', currency: 'GBP' }));
    const refused = (change: Partial<NewComparison>) => world.ask({ kind: 'startComparison', comparison: { ...EVERYBODY, ...change }, by: 'Ada' }).then(() => 'taken', ({ code }: { code: string }) => code);
    expect(await refused({ tariffs: [FLAT, { id: 'pounds', version: null }] })).toBe('mixed_tariffs');
    expect(await refused({ tariffs: [{ id: 'none', version: null }] })).toBe('unknown_tariff');
    expect(await refused({ tariffs: [{ id: 'flat', version: 7 }] })).toBe('unknown_tariff');
    expect(await refused({ tariffs: [] })).toBe('bad_span');
    expect(await refused({ fromMonth: '2026-13' })).toBe('bad_month');
    expect(await refused({ fromMonth: '2026-08' })).toBe('bad_span');
    expect(await refused({ fromMonth: '2025-06' })).toBe('period_too_long');
    expect(await refused({ of: { kind: 'meters', meterIds: [] } })).toBe('bad_span');
    expect((await world.ask({ kind: 'comparisons', limit: 10, cursor: null })).data).toEqual([]);
  });

  test('is one at a time; cancelled it stops, keeps what it had, and the next one begins', async () => {
    const world = await july(12, 1);
    world.fleet.wait = () => new Promise((resolve) => void world.time.after(10, resolve));
    const start = () => world.settled(world.ask({ kind: 'startComparison', comparison: EVERYBODY, by: 'Ada' }));
    const { id } = await start();
    await expect(start()).rejects.toMatchObject({ code: 'comparison_under_way' });
    await world.pass(65);
    const cancelled = await world.settled(world.ask({ kind: 'endComparison', id }));
    expect(cancelled.state).toBe('cancelled');
    expect(cancelled.done).toBeGreaterThan(0);
    expect(cancelled.done).toBeLessThan(12);
    await world.pass(1_000);
    const asked = world.fleet.questions;
    await world.pass(10_000);
    expect(world.fleet.questions).toBe(asked);
    expect(await world.ask({ kind: 'comparison', id })).toEqual(cancelled);
    expect(await world.comparedCustomers(id)).toHaveLength(cancelled.done);
    const next = await start();
    expect(await world.compared(next.id)).toMatchObject({ state: 'done', done: 12 });
    // A second time it goes for good, and after a restart it is still gone.
    await world.settled(world.ask({ kind: 'endComparison', id }));
    await world.restart('lost');
    await expect(world.ask({ kind: 'comparison', id })).rejects.toMatchObject({ code: 'unknown_comparison' });
    await expect(world.ask({ kind: 'comparedCustomers', id, limit: 1, cursor: null })).rejects.toMatchObject({ code: 'unknown_comparison' });
    expect(await world.ask({ kind: 'comparison', id: next.id })).toMatchObject({ state: 'done' });
  });

  test('is kept until there are too many, and takes its rows along', async () => {
    const world = await july(2, 1);
    const ids: string[] = [];
    for (let i = 0; i < COMPARISONS_KEPT_MAX + 2; i++) ids.push((await world.compare(EVERYBODY)).id);
    expect((await world.ask({ kind: 'comparisons', limit: 10, cursor: null })).data.map(({ id }) => id)).toEqual(ids.slice(2).reverse());
    expect(await world.ask({ kind: 'comparisons', limit: 2, cursor: ids[4] })).toMatchObject({ data: [{ id: ids[3] }, { id: ids[2] }], nextCursor: null });
    expect([world.store.table('comparisons').count(), world.store.table('comparison-rows').count()]).toEqual([COMPARISONS_KEPT_MAX, COMPARISONS_KEPT_MAX * 2]);
    await expect(world.ask({ kind: 'comparisons', limit: 2, cursor: 'junk' })).rejects.toMatchObject({ code: 'bad_cursor' });
    await expect(world.ask({ kind: 'comparedCustomers', id: ids[3], limit: 2, cursor: 'junk' })).rejects.toMatchObject({ code: 'bad_cursor' });
  });

  test('waits while a shard is away, and goes on', async () => {
    const world = await july(3, 1);
    world.fleet.away = 2;
    const { id } = await world.settled(world.ask({ kind: 'startComparison', comparison: EVERYBODY, by: 'Ada' }));
    expect(await world.settled(world.ask({ kind: 'comparison', id }))).toMatchObject({ state: 'paused', done: 0 });
    expect(await world.compared(id)).toMatchObject({ state: 'done', done: 3, tariffs: [{ total: '87.05' }, {}] });
  });

  test('rates a piece while the one before is written, and no further', async () => {
    const world = await july(0, BILLS_PER_TURN);
    for (let i = 0; i < 3 * BILLS_PER_TURN; i++) {
      world.fleet.add(`m${i}`);
      await world.makeAgreement(agreementOf(`m${i}`));
    }
    const waysGiven = countWaysGiven(world);
    const writes: (() => void)[] = [];
    const { id } = await world.ask({ kind: 'startComparison', comparison: EVERYBODY, by: 'Ada' });
    world.takeCommit = () => new Promise((resolve) => writes.push(resolve));
    for (const rated of [2, 3]) {
      for (let i = 0; i < 10; i++) await world.pass(0);
      // Two bills for each customer, a turn for half of a piece: all of it but its commit is done.
      expect([waysGiven(), writes.length]).toEqual([2 * rated, 1]);
      writes.shift()!();
    }
    for (let i = 0; i < 10; i++) await world.pass(0);
    writes.shift()!();
    world.takeCommit = async () => {};
    expect(await world.compared(id)).toMatchObject({ state: 'done', done: 3 * BILLS_PER_TURN });
    expect((await world.comparedCustomers(id)).map(({ meterId }) => meterId)).toEqual(Array.from({ length: 3 * BILLS_PER_TURN }, (_, i) => `m${i}`));
  });

  test('is rated no further once the supervisor has ended', async () => {
    const world = await july(0);
    for (let i = 0; i < 2 * BILLS_PER_TURN; i++) {
      world.fleet.add(`m${i}`);
      await world.makeAgreement(agreementOf(`m${i}`));
    }
    const waysGiven = countWaysGiven(world);
    await world.ask({ kind: 'startComparison', comparison: EVERYBODY, by: 'Ada' });
    while (waysGiven() === 0) await Promise.resolve();
    await world.actor.stop();
    await world.pass(1_000);
    expect(waysGiven()).toBe(1);
  });

  test('leaves turns to others: no turn has more than some of its meters, and no stretch of thought more than some bills', async () => {
    const meters = 600;
    const world = await TariffsWorld.start();
    await world.putTariff(flatTariff());
    for (let i = 0; i < meters; i++) {
      world.fleet.add(`m${i}`);
      await world.makeAgreement(agreementOf(`m${i}`));
    }
    // Whoever lets others have the thread waits until the test says so.
    const waiting: (() => void)[] = [];
    const { time } = world;
    const after = time.after.bind(time);
    time.after = (ms, fn) => {
      if (ms > 0) return after(ms, fn);
      waiting.push(fn);
      return { cancel: () => {} };
    };
    const before = world.actor.metrics().turns;
    const { id } = await world.ask({ kind: 'startComparison', comparison: { ...EVERYBODY, tariffs: [FLAT] }, by: 'Ada' });
    let answered = 0;
    for (await world.pass(0); waiting.length > 0; await world.pass(0)) {
      expect(await world.ask({ kind: 'comparison', id })).toMatchObject({ state: 'running', done: 0 });
      expect((await world.ask({ kind: 'tariffs', limit: 1, cursor: null })).data).toHaveLength(1);
      answered++;
      waiting.shift()!();
    }
    expect(await world.ask({ kind: 'comparison', id })).toMatchObject({ state: 'done', done: meters });
    // 600 bills in three stretches, and 600 agreements looked up in three turns.
    expect(answered).toBe(2);
    expect(world.actor.metrics().turns - before).toBeGreaterThanOrEqual(1 + 3 + 2 * answered);
  });
});
