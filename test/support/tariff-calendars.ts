import fc from 'fast-check';
import { DAY_KINDS, tariffSchema, type TariffDocument } from '../../src/actors/tariffs/tariff-document.ts';

/** Tariff documents with calendars of every kind that is allowed. */

const PERIODS = ['off', 'shoulder', 'peak', 'super'];

const pad = (value: number): string => String(value).padStart(2, '0');
const timeText = (minute: number): string => `${pad(Math.floor(minute / 60))}:${pad(minute % 60)}`;

/** Spans that cover a day once, with edges at any minute, and some where clocks change. */
const daySpans = fc
  .uniqueArray(fc.oneof(fc.integer({ min: 1, max: 1_439 }), fc.constantFrom(60, 90, 119, 120, 150, 180, 1_380, 1_410), fc.integer({ min: 1, max: 95 }).map((quarter) => quarter * 15)), { maxLength: 5 })
  .chain((edges) => {
    const cuts = [0, ...edges.sort((a, b) => a - b), 1_440];
    return fc.array(fc.constantFrom(...PERIODS), { minLength: cuts.length - 1, maxLength: cuts.length - 1 }).map((periods) => periods.map((period, index) => ({ from: timeText(cuts[index]), to: timeText(cuts[index + 1]), period })));
  });

/** Ways to tell days from each other that have each kind once. */
const DAY_GROUPS: readonly (readonly (typeof DAY_KINDS)[number][][])[] = [
  [['weekday', 'weekend', 'holiday']],
  [['weekday'], ['weekend', 'holiday']],
  [['mon', 'tue', 'wed', 'thu', 'fri'], ['sat'], ['sun', 'holiday']],
  [['mon', 'wed'], ['tue', 'thu', 'fri', 'holiday'], ['weekend']],
  [['weekday'], ['sat'], ['sun'], ['holiday']],
];

/** Seasons from the days on which they begin; the last goes over the turn of the year where the first does not begin with it. */
const SEASONS: readonly TariffDocument['seasons'][] = [
  [],
  [{ name: 'year', from: '01-01', to: '12-31' }],
  [
    { name: 'summer', from: '04-01', to: '09-30' },
    { name: 'winter', from: '10-01', to: '03-31' },
  ],
  [
    { name: 'a', from: '03-29', to: '10-25' },
    { name: 'b', from: '10-26', to: '02-28' },
    { name: 'c', from: '02-29', to: '03-28' },
  ],
];

const seasonalRules = (seasons: TariffDocument['seasons']) => {
  const groups = seasons.length === 0 ? [[] as string[]] : seasons.map(({ name }) => [name]);
  return fc
    .tuple(...groups.map((names) => fc.constantFrom(...DAY_GROUPS).chain((kinds) => fc.tuple(...kinds.map((days) => daySpans.map((spans) => ({ seasons: names, days, spans })))))))
    .map((rules) => rules.flat());
};

export interface CalendarOptions {
  zone: string;
  /** Days that may be holidays. */
  holidays: readonly string[];
}

export function tariffDocuments({ zone, holidays }: CalendarOptions): fc.Arbitrary<TariffDocument> {
  return fc
    .record({
      seasons: fc.constantFrom(...SEASONS),
      holidays: fc.subarray([...holidays]),
      demandMinutes: fc.constantFrom(15 as const, 30 as const, 60 as const),
      kinds: fc.subarray(['import', 'export', 'demand', 'max'] as const),
    })
    .chain(({ seasons, holidays: days, demandMinutes, kinds }) =>
      fc.tuple(seasonalRules(seasons), seasonalRules(seasons)).map(([first, second]) => {
        const charges: unknown[] = [{ kind: 'fixed', name: 'Daily', price: '0.30', per: 'day' }];
        const rates = PERIODS.map((period) => ({ period, tiers: [{ price: '0.10' }] }));
        if (kinds.includes('import')) charges.push({ kind: 'energy', name: 'Energy', schedule: 'first', rates });
        if (kinds.includes('export')) charges.push({ kind: 'export', name: 'Export', schedule: 'second', rates });
        if (kinds.includes('demand')) charges.push({ kind: 'demand', name: 'Demand', measure: 'periods', schedule: 'second', rates: PERIODS.map((period) => ({ period, tiers: [{ price: '5' }] })) });
        if (kinds.includes('max')) charges.push({ kind: 'demand', name: 'Highest', measure: 'max', rates: [{ period: '*', tiers: [{ price: '5' }] }] });
        const periods = PERIODS.map((name) => ({ name }));
        return tariffSchema.parse({
          format: 'seg-tariff/1',
          id: 'any',
          name: 'Any',
          currency: 'EUR',
          zone,
          effectiveFrom: '2000-01-01',
          seasons,
          holidays: days.map((date) => ({ date, name: 'Holiday' })),
          schedules: [
            { name: 'first', periods, rules: first },
            { name: 'second', periods, rules: second },
          ],
          charges,
          demandMinutes,
        });
      }),
    );
}
