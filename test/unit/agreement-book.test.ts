import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AgreementBook } from '../../src/actors/tariffs/agreements.ts';
import { Sequences } from '../../src/actors/tariffs/sequences.ts';
import type { Agreement } from '../../src/model/billing.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { StagedStore } from '../../src/runtime/staged-store.ts';
import { agreementOf } from '../support/tariffs-world.ts';

/** Books over one store; every turn is committed. */
class World {
  readonly store = new MemoryStore();
  staged!: StagedStore;
  book!: AgreementBook;

  constructor() {
    this.restart();
  }

  restart(): void {
    this.staged = new StagedStore(this.store);
    this.book = new AgreementBook(this.staged, new Sequences(this.staged));
    this.book.load();
  }

  async turn<T>(run: (book: AgreementBook) => T): Promise<T> {
    const result = run(this.book);
    this.staged.flush();
    await this.store.commit();
    this.staged.settle();
    return result;
  }

  /** As an engine left it that kept no terms. */
  async makeOlder(): Promise<void> {
    const byMeter = this.staged.table<true>('agreements-by-meter');
    const terms = this.staged.table('agreement-terms');
    for (const { id, meterId } of this.book.page(null, 1_000, null).data) {
      byMeter.put(`${meterId}!${id}`, true);
      terms.remove(meterId);
    }
    await this.turn(() => {});
    this.restart();
  }
}

const METERS = ['m1', 'm2', 'm10'];
const day = (number: number): string => `2026-01-${String(number).padStart(2, '0')}`;
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant<'make'>('make'), meter: fc.nat({ max: METERS.length - 1 }), from: fc.integer({ min: 1, max: 28 }), days: fc.option(fc.integer({ min: 1, max: 9 })), tariffId: fc.constantFrom(null, 'flat') }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant<'change'>('change'), which: fc.nat({ max: 9 }), movedOut: fc.option(fc.integer({ min: 2, max: 30 })), tariffId: fc.constantFrom(undefined, null, 'sun') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom<'restart' | 'older'>('restart', 'older') }) },
);

test('what was agreed about a meter is what its agreements say, also where an older engine kept no list of it', async () => {
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      const world = new World();
      let older = 0;
      for (const one of steps) {
        const all = (): Agreement[] => world.book.page(null, 1_000, null).data;
        try {
          if (one.kind === 'make') await world.turn((book) => book.make(agreementOf(METERS[one.meter], { movedIn: day(one.from), movedOut: one.days === null ? null : day(one.from + one.days), tariffId: one.tariffId })));
          else if (one.kind === 'change' && one.which < all().length) await world.turn((book) => book.change(all()[one.which].id, null, { tariffId: one.tariffId, customer: undefined, movedOut: one.movedOut === null ? null : day(one.movedOut) }));
          else if (one.kind === 'restart') world.restart();
          // An engine of before does not open what this one has made its own.
          else if (one.kind === 'older' && older++ === 0) await world.makeOlder();
        } catch {
          refused++;
        }
        for (const meterId of METERS) {
          const expected = all().filter((agreement) => agreement.meterId === meterId);
          expect(world.book.ofMeter(meterId)).toEqual(expected);
          expect(world.book.termsOf(meterId)).toMatchObject(expected.map(({ id, customerClass, tariffId, movedIn, movedOut }) => ({ id, customerClass, tariffId, movedIn, movedOut })));
          for (const date of [day(5), day(15)]) expect(world.book.ofMeterOn(meterId, date)?.id ?? null).toBe(expected.find(({ movedIn, movedOut }) => movedIn <= date && (movedOut === null || movedOut > date))?.id ?? null);
          // None overlaps another.
          for (const { movedIn } of expected) expect(expected.filter((other) => other.movedIn <= movedIn && (other.movedOut === null || other.movedOut > movedIn))).toHaveLength(1);
        }
        expect(world.book.termsOf('m')).toEqual([]);
      }
    }),
    { numRuns: 100 },
  );
  // Some 65 in a hundred runs, with a deviation of 9.
  expect(refused).toBeGreaterThan(10);
});
