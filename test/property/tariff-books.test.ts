import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { StagedStore } from '../../src/runtime/staged-store.ts';
import { TariffBook, type TariffSubject } from '../../src/actors/tariffs/tariff-book.ts';
import type { TariffDocument } from '../../src/actors/tariffs/tariff-document.ts';
import { dateOf } from '../../src/actors/tariffs/calendar.ts';
import { dayNumber } from '../../src/actors/people/local-time.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { flatTariff } from '../support/tariffs-world.ts';

const FIRST = dayNumber('2026-01-01');
const DAYS = 20;
const day = fc.integer({ min: 0, max: DAYS }).map((days) => dateOf(FIRST + days));

const applies = fc.record({
  regions: fc.constantFrom([], ['north'], ['so*']),
  customerClasses: fc.constantFrom([], ['home'], ['shop', 'home']),
  meters: fc.constantFrom([], ['m1'], ['m*']),
  priority: fc.constantFrom(0, 0, 3),
});
const put = fc.record({ id: fc.constantFrom('a', 'b', 'c'), effectiveFrom: day, effectiveTo: fc.option(day), appliesTo: fc.option(applies) });
const subject: fc.Arbitrary<TariffSubject> = fc.record({
  meterId: fc.constantFrom('m1', 'm2', 'x'),
  region: fc.constantFrom('north', 'south'),
  customerClass: fc.constantFrom(null, 'home', 'shop'),
  tariffId: fc.constantFrom(null, null, 'a'),
});
type Put = typeof put extends fc.Arbitrary<infer T> ? T : never;

/** The version of a day, looked for among all. */
function naive(puts: readonly Put[], { meterId, region, customerClass, tariffId }: TariffSubject, date: string): string | null {
  const versions = puts.map((one, i) => ({ ...one, version: puts.slice(0, i + 1).filter(({ id }) => id === one.id).length }));
  const inForce = ['a', 'b', 'c'].flatMap((id) => versions.filter((one) => one.id === id && one.effectiveFrom <= date && (one.effectiveTo === null || date < one.effectiveTo)).slice(-1));
  if (tariffId !== null) return inForce.filter(({ id }) => id === tariffId).map(({ id, version }) => `${id}/${version}`)[0] ?? null;
  const matches = inForce.filter(({ appliesTo }) => {
    if (appliesTo === null) return false;
    const fits = (patterns: readonly string[], name: string | null): boolean => patterns.length === 0 || (name !== null && patterns.some((pattern) => new RegExp(`^${pattern.replace('*', '.*')}$`).test(name)));
    return fits(appliesTo.regions, region) && fits(appliesTo.customerClasses, customerClass) && fits(appliesTo.meters, meterId);
  });
  const rank = ({ appliesTo }: Put): number => appliesTo!.priority * 10 + (appliesTo!.meters.length > 0 ? 4 : 0) + (appliesTo!.customerClasses.length > 0 ? 2 : 0) + (appliesTo!.regions.length > 0 ? 1 : 0);
  matches.sort((a, b) => rank(b) - rank(a) || (a.id < b.id ? -1 : 1));
  return matches.length === 0 ? null : `${matches[0].id}/${matches[0].version}`;
}

describe('the book of tariffs', () => {
  test('has documents that were stored before with what they did not know', async () => {
    const store = new MemoryStore({ takeCommit: async () => {} });
    const staged = new StagedStore(store);
    const { metering: { creditPays: _pays, creditPeriods: _periods, yearEndEnergy: _energy, ...metering }, ...rest } = flatTariff();
    new TariffBook(staged).put({ ...rest, metering } as TariffDocument, null, 'Ada', 0);
    staged.flush();
    await store.commit();
    const again = new TariffBook(new StagedStore(store));
    again.load();
    expect(again.find('flat', 1).document).toEqual(flatTariff());
  });

  test('says for each day of a stretch what looking at all versions says, before and after a restart', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(put, { maxLength: 8 }), fc.array(subject, { minLength: 1, maxLength: 4 }), day, day, async (raw, subjects, a, b) => {
        const puts = raw.map((one) => ({ ...one, effectiveTo: one.effectiveTo !== null && one.effectiveTo > one.effectiveFrom ? one.effectiveTo : null }));
        const store = new MemoryStore({ takeCommit: async () => {} });
        const staged = new StagedStore(store);
        const book = new TariffBook(staged);
        for (const [i, one] of puts.entries()) {
          book.put(flatTariff({ ...one }), null, 'Ada', 0);
          // What was asked before must not stay as it was.
          if (i % 2 === 0) for (const asked of subjects) textOf(book, asked, a < b ? a : b, dateOf(FIRST + DAYS + 1));
        }
        staged.flush();
        await store.commit();
        const again = new TariffBook(new StagedStore(store));
        again.load();
        const from = a < b ? a : b;
        const to = dateOf(dayNumber(a < b ? b : a) + 1);
        for (const asked of subjects) {
          const days = Array.from({ length: dayNumber(to) - dayNumber(from) }, (_, i) => naive(puts, asked, dateOf(dayNumber(from) + i)));
          const wanted = days.includes(null) ? 'no_tariff' : days.join(' ');
          for (const one of [book, again]) {
            const found = textOf(one, asked, from, to);
            if (found !== wanted) throw new Error(`${JSON.stringify(asked)} has ${found}, not ${wanted}`);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});

function textOf(book: TariffBook, subject: TariffSubject, from: string, to: string): string {
  try {
    const stretches = book.stretches(subject, from, to);
    return stretches.flatMap((stretch) => Array.from({ length: dayNumber(stretch.to) - dayNumber(stretch.from) }, () => `${stretch.tariff.id}/${stretch.tariff.version}`)).join(' ');
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

describe('a staged table', () => {
  const key = fc.constantFrom('a', 'ab', 'b', 'b!', 'c', 'd');
  const step = fc.oneof(fc.record({ kind: fc.constant('put' as const), key, value: fc.nat(9) }), fc.record({ kind: fc.constant('remove' as const), key }), fc.constant({ kind: 'commit' as const }));

  test('reads as a map does, between commits and after', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), key, key, fc.boolean(), async (steps, from, to, reverse) => {
        const store = new MemoryStore({ takeCommit: async () => {} });
        const staged = new StagedStore(store);
        const table = staged.table<number>('t');
        const wanted = new Map<string, number>();
        for (const one of steps) {
          if (one.kind === 'put') {
            table.put(one.key, one.value);
            wanted.set(one.key, one.value);
          } else if (one.kind === 'remove') {
            table.remove(one.key);
            wanted.delete(one.key);
          } else {
            staged.flush();
            await store.commit();
            staged.settle();
          }
          const rows = [...wanted].filter(([name]) => name >= from && name < to).sort(([x], [y]) => (x < y ? -1 : 1));
          if (reverse) rows.reverse();
          const found = Array.from(table.range({ from, to, reverse }), ({ key: name, record }) => [name, record]);
          if (JSON.stringify(found) !== JSON.stringify(rows)) throw new Error(`${JSON.stringify(found)}, not ${JSON.stringify(rows)}`);
          for (const name of ['a', 'b!', 'd']) if (table.get(name) !== (wanted.get(name) ?? null)) throw new Error(`${name} is ${table.get(name)}`);
        }
      }),
      { numRuns: 300 },
    );
  });
});
