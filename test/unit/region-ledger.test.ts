import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emptyPart, RegionLedger, type Contribution, type LedgerPart } from '../../src/actors/shard/region-ledger.ts';

const MINUTE_MS = 60_000;

const contribution: fc.Arbitrary<Contribution> = fc.record({
  region: fc.nat(2),
  powerUnits: fc.integer({ min: -1e15, max: 1e15 }),
  energyUnits: fc.integer({ min: -1e15, max: 1e15 }),
  minPowerKw: fc.integer({ min: -100, max: 0 }),
  maxPowerKw: fc.integer({ min: 0, max: 100 }),
});
const booking = fc.record({ granularity: fc.nat(1), window: fc.nat(3), contribution, isTakenBack: fc.boolean() });

function ledger(load: (region: number, granularity: number, startMs: number) => LedgerPart | undefined = () => undefined): RegionLedger {
  const made = new RegionLedger(3, load);
  for (const name of ['a', 'b', 'c']) made.intern(name);
  return made;
}

const startOf = (granularity: number, window: number) => window * (granularity === 0 ? MINUTE_MS : 15 * MINUTE_MS);
const units = (high: number, low: number) => BigInt(high) * 2n ** 24n + BigInt(low);

describe('the ledger of regions', () => {
  it('holds for each window the sum of what was added and not taken back', () => {
    fc.assert(
      fc.property(fc.array(booking, { maxLength: 40 }), (bookings) => {
        const books = ledger();
        for (const { granularity, window, contribution } of bookings) books.add(granularity, startOf(granularity, window), contribution);
        for (const { granularity, window, contribution, isTakenBack } of bookings) if (isTakenBack) books.remove(granularity, startOf(granularity, window), contribution);
        const left = bookings.filter(({ isTakenBack }) => !isTakenBack);
        for (const part of books.partsInMemory()) {
          const own = left.filter(({ granularity, window, contribution }) => granularity === part.granularity && startOf(granularity, window) === part.windowStartMs && contribution.region === part.region);
          expect([part.meters, units(part.powerHigh, part.powerLow), units(part.energyHigh, part.energyLow)]).toEqual([
            own.length,
            own.reduce((sum, { contribution }) => sum + BigInt(contribution.powerUnits), 0n),
            own.reduce((sum, { contribution }) => sum + BigInt(contribution.energyUnits), 0n),
          ]);
          for (const { contribution } of own) {
            expect(part.minPowerKw).toBeLessThanOrEqual(contribution.minPowerKw);
            expect(part.maxPowerKw).toBeGreaterThanOrEqual(contribution.maxPowerKw);
          }
        }
      }),
    );
  });

  const one: Contribution = { region: 1, powerUnits: 5, energyUnits: 7, minPowerKw: -1, maxPowerKw: 2 };

  it('gives out once what changed, to be written and to be reported', () => {
    const books = ledger();
    books.add(0, 0, one);
    books.add(0, 0, one);
    books.add(1, 0, one);
    expect([books.hasUnsaved, books.takeUnsaved().length, books.hasUnsaved, books.takeUnsaved().length]).toEqual([true, 2, false, 0]);
    expect([books.takeUnreported(1).length, books.takeUnreported(10).length, books.takeUnreported(10).length]).toEqual([1, 1, 0]);
    books.remove(0, 0, one);
    expect(books.takeUnsaved()).toMatchObject([{ granularity: 0, meters: 1 }]);
    expect(books.takeUnreported(10)).toMatchObject([{ region: 'b', granularity: '1m', meters: 1 }]);
  });

  it('counts the changes of a part, whatever they are, over those that the store knows of', () => {
    const books = ledger((region, granularity, windowStartMs) => ({ ...emptyPart(region, granularity, windowStartMs), meters: 3, changes: 40 }));
    const changes = () => books.partNow(1, 0, 0)!.changes;
    books.add(0, 0, one);
    expect(changes()).toBe(41);
    books.remove(0, 0, one);
    expect(changes()).toBe(42);
    books.replaceExtremes(1, 0, 0, 0, 1);
    expect([changes(), books.toReport(books.partNow(1, 0, 0)!).changes]).toEqual([43, 43]);
  });

  it('gives out again what could not be written, as it is by then', () => {
    const books = ledger();
    books.add(0, 0, one);
    const taken = books.takeUnsaved();
    books.add(0, 0, one);
    books.markUnsaved(taken);
    expect(books.takeUnsaved()).toMatchObject([{ meters: 2, powerLow: 10 }]);
  });

  it('goes on from what is in the store, and forgets only what is there', () => {
    const stored = new Map<string, LedgerPart>();
    const books = ledger((region, granularity, startMs) => stored.get(`${region}/${granularity}/${startMs}`));
    const save = () => books.takeUnsaved().forEach((part) => stored.set(`${part.region}/${part.granularity}/${part.windowStartMs}`, { ...part, unreported: false }));
    for (let window = 0; window < 6_000; window++) books.add(0, startOf(0, window), one);
    books.evict();
    expect([...books.partsInMemory()].length).toBe(6_000);
    save();
    books.evict();
    expect([...books.partsInMemory()].length).toBe(6_000);
    books.takeUnreported(Infinity);
    books.evict();
    expect([...books.partsInMemory()].length).toBe(4_096);
    books.add(0, 0, one);
    expect(books.takeUnsaved()).toMatchObject([{ windowStartMs: 0, meters: 2, powerLow: 10, energyLow: 14 }]);
  });

  it('keeps what nobody has written, also when it was reported', () => {
    const books = ledger();
    for (let window = 0; window < 5_000; window++) books.add(0, startOf(0, window), one);
    books.takeUnreported(Infinity);
    books.evict();
    expect([...books.partsInMemory()].length).toBe(5_000);
  });

  it('knows no more regions than it is allowed, and names new ones once', () => {
    const books = ledger();
    expect([books.intern('d'), books.intern('b'), books.find('d'), books.regionCount]).toEqual([-1, 1, -1, 3]);
    expect(books.unsavedNames.map((region) => books.nameOf(region))).toEqual(['a', 'b', 'c']);
  });

  it('counts loads exactly, however often meters come and go', () => {
    const books = ledger();
    for (let i = 0; i < 1_000; i++) books.shiftLoad(0, 0.1 + i * 1e-9, 1, 1);
    for (let i = 0; i < 1_000; i++) books.shiftLoad(0, 0.1 + i * 1e-9, 1, -1);
    books.shiftLoad(0, -0.3, 0, 1);
    const [live] = books.liveParts();
    expect([units(live.loadHigh, live.loadLow), live.reporting, live.powered]).toEqual([-300_000_000n, 1, 0]);
  });
});
