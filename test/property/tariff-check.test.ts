import fc from 'fast-check';
import { expect, test } from 'vitest';
import { countPrices } from '../../src/actors/tariffs/price-count.ts';
import { checkTariff } from '../../src/actors/tariffs/tariff-check.ts';
import type { TariffDocument } from '../../src/actors/tariffs/tariff-document.ts';
import { tariffDocuments } from '../support/tariff-calendars.ts';

/** The check against counting: calendars that somebody changed in one place, some of which are still whole. */

const SEED = 20261127;

type Change = (document: TariffDocument) => void;

const clock = (minute: number): string => `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
const anyIndex = fc.nat({ max: 1_000 });
const at = <T>(list: readonly T[], index: number): T => list[index % list.length];

const change: fc.Arbitrary<Change> = fc.oneof(
  // A span that begins or ends at another minute.
  fc.tuple(anyIndex, anyIndex, anyIndex, fc.integer({ min: 0, max: 1_440 }), fc.boolean()).map(([schedule, rule, span, minute, isFrom]) => (document: TariffDocument) => {
    const changed = at(at(at(document.schedules, schedule).rules, rule).spans, span);
    if (isFrom && clock(minute) < changed.to) changed.from = clock(minute);
    if (!isFrom && clock(minute) > changed.from) changed.to = clock(minute);
  }),
  // A rule that is gone, or there twice.
  fc.tuple(anyIndex, anyIndex, fc.boolean()).map(([schedule, rule, isGone]) => (document: TariffDocument) => {
    const { rules } = at(document.schedules, schedule);
    if (rules.length > 1 && isGone) rules.splice(rule % rules.length, 1);
    else rules.push(structuredClone(at(rules, rule)));
  }),
  // A rule of other days or of the whole year.
  fc.tuple(anyIndex, anyIndex, fc.constantFrom('mon' as const, 'sun' as const, 'weekday' as const, 'holiday' as const)).map(([schedule, rule, day]) => (document: TariffDocument) => {
    at(at(document.schedules, schedule).rules, rule).days = [day];
  }),
  fc.tuple(anyIndex, anyIndex).map(([schedule, rule]) => (document: TariffDocument) => {
    at(at(document.schedules, schedule).rules, rule).seasons = [];
  }),
  // A season that is a day shorter or longer.
  fc.tuple(anyIndex, fc.constantFrom('02-27', '02-28', '02-29', '03-30', '03-31', '09-29', '10-01', '10-26')).map(([season, day]) => (document: TariffDocument) => {
    if (document.seasons.length > 0) at(document.seasons, season).to = day;
  }),
  // A period that has no price, or two.
  fc.tuple(anyIndex, fc.boolean()).map(([rate, isGone]) => (document: TariffDocument) => {
    const charge = document.charges.find(({ kind }) => kind === 'energy');
    if (charge?.kind !== 'energy') return;
    if (isGone) charge.rates.splice(rate % charge.rates.length, 1);
    else charge.rates.push(at(charge.rates, rate));
  }),
);

/** All periods are there somewhere, so that one without a price is missed by counting too. */
function usesAllPeriods(document: TariffDocument): boolean {
  const first = document.schedules[0];
  return first.periods.every(({ name }) => first.rules.some(({ spans }) => spans.some(({ period }) => period === name)));
}

test('a tariff is refused exactly when some minute has not one price for each charge', () => {
  let refused = 0;
  const documents = tariffDocuments({ zone: 'Europe/Berlin', holidays: ['2026-12-25'] }).filter(
    (document) => document.holidays.length > 0 && usesAllPeriods(document) && document.charges.some(({ kind }) => kind === 'energy') && document.charges.some(({ kind }) => kind === 'export'),
  );
  fc.assert(
    fc.property(documents, fc.array(change, { maxLength: 2 }), (document, changes) => {
      for (const apply of changes) apply(document);
      const { faults } = checkTariff(document);
      const isOne = countPrices(document).every(({ least, most }) => least === 1 && most === 1);
      if (faults.length > 0) refused++;
      expect({ isGood: faults.length === 0, faults }).toEqual({ isGood: isOne, faults });
    }),
    { seed: SEED, numRuns: 100 },
  );
  expect(refused).toBeGreaterThan(20);
  expect(refused).toBeLessThan(90);
});
