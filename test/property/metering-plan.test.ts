import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { demandSchedules, energySchedules, measuresDemand, tariffPlan } from '../../src/actors/tariffs/metering-plan.ts';
import type { TariffDocument } from '../../src/actors/tariffs/tariff-document.ts';
import { NO_BUCKET, QUARTER_MS, type MeteringPlan } from '../../src/model/energy.ts';
import { tariffDocuments } from '../support/tariff-calendars.ts';

/** Against an oracle that asks Intl, minute by minute, what the clock on the wall shows, over days on which clocks change. */

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const SEED = 20261127;

/** Zones, and days about which their clocks change: by an hour, by half of one, at midnight, over midnight and back, by a whole day, not at all, and never by quarter-hours. */
const CHANGES: readonly (readonly [zone: string, day: string])[] = [
  ['Europe/Berlin', '2026-03-29'],
  ['Europe/Berlin', '2026-10-25'],
  ['America/New_York', '2026-11-01'],
  ['Australia/Lord_Howe', '2026-04-05'],
  ['Australia/Lord_Howe', '2026-10-04'],
  ['Africa/Cairo', '2026-04-24'],
  ['Africa/Cairo', '2026-10-29'],
  ['America/Havana', '2026-03-08'],
  ['America/Havana', '2026-11-01'],
  ['America/St_Johns', '2006-10-29'],
  ['America/Toronto', '1919-03-31'],
  ['Pacific/Apia', '2011-12-30'],
  ['Asia/Kathmandu', '2024-02-29'],
  ['+05:07', '2024-02-29'],
  ['UTC', '2026-12-31'],
];

interface WallMinute {
  atMs: number;
  date: string;
  minute: number;
  weekday: string;
}

/** What the clock shows from two days before the day to three after it. */
const wallMinutes = new Map<string, WallMinute[]>();
function wallOf(zone: string, day: string): WallMinute[] {
  const key = `${zone} ${day}`;
  let minutes = wallMinutes.get(key);
  if (minutes === undefined) {
    const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', weekday: 'short' });
    minutes = [];
    for (let atMs = Date.parse(day) - 3 * DAY_MS; atMs < Date.parse(day) + 4 * DAY_MS; atMs += MINUTE_MS) {
      const parts = Object.fromEntries(format.formatToParts(atMs).map(({ type, value }) => [type, value]));
      minutes.push({ atMs, date: `${parts.year}-${parts.month}-${parts.day}`, minute: Number(parts.hour) * 60 + Number(parts.minute), weekday: parts.weekday.toLowerCase() });
    }
    wallMinutes.set(key, minutes);
  }
  return minutes;
}

function oraclePeriod(document: TariffDocument, name: string, { date, minute, weekday }: WallMinute): string {
  const kinds = document.holidays.some((holiday) => holiday.date === date) ? ['holiday'] : [weekday, weekday === 'sat' || weekday === 'sun' ? 'weekend' : 'weekday'];
  const monthDay = date.slice(5);
  const season = document.seasons.find(({ from, to }) => (from <= to ? from <= monthDay && monthDay <= to : monthDay >= from || monthDay <= to))?.name ?? 'all';
  const clock = `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
  const found = document.schedules
    .find((schedule) => schedule.name === name)!
    .rules.filter((rule) => (rule.seasons.length === 0 || rule.seasons.includes(season)) && rule.days.some((kind) => kinds.includes(kind)))
    .flatMap(({ spans }) => spans)
    .filter(({ from, to }) => from <= clock && clock < to);
  if (found.length !== 1) throw new Error(`${date} ${clock} is in ${found.length} spans`);
  return found[0].period;
}

/** Of each minute of the plan its bucket, from where the plan begins. */
function energyMinutes(plan: MeteringPlan): number[] {
  const minutes = [...plan.energyBuckets].flatMap((bucket) => Array<number>(15).fill(bucket));
  for (const { index, shares } of plan.splits) {
    const buckets = shares.flatMap(({ bucket, minutes: length }) => Array<number>(length).fill(bucket));
    expect(buckets).toHaveLength(15);
    expect(plan.energyBuckets[index]).toBe(buckets[0]);
    minutes.splice(index * 15, 15, ...buckets);
  }
  return minutes;
}

const shown = (periods: Readonly<Record<string, string>>[], bucket: number): string =>
  bucket === NO_BUCKET
    ? 'none'
    : Object.entries(periods[bucket])
        .map(([name, period]) => `${name}=${period}`)
        .join(' ');

/** Equal neighbours as one, with their number. */
function runs(values: readonly string[]): string[] {
  const found: [value: string, count: number][] = [];
  for (const value of values) {
    const last = found.at(-1);
    if (last?.[0] === value) last[1]++;
    else found.push([value, 1]);
  }
  return found.map(([value, count]) => `${count} × ${value}`);
}

const addDays = (date: string, days: number): string => new Date(Date.parse(date) + days * DAY_MS).toISOString().slice(0, 10);

const scene = fc.constantFrom(...CHANGES).chain(([zone, day]) =>
  fc.record({
    zone: fc.constant(zone),
    day: fc.constant(day),
    first: fc.integer({ min: -1, max: 1 }),
    days: fc.integer({ min: 1, max: 2 }),
    document: tariffDocuments({ zone, holidays: [addDays(day, -1), day, addDays(day, 1)] }),
  }),
);

describe('metering plans', () => {
  test('have each minute where the clock on the wall has it', () => {
    fc.assert(
      fc.property(scene, ({ zone, day, first, days, document }) => {
        const wall = wallOf(zone, day);
        const from = addDays(day, first);
        const to = addDays(from, days);
        const startOf = (date: string): number => wall.find((minute) => minute.date >= date)!.atMs;
        fc.pre(startOf(from) < startOf(to));
        const { plan, energyPeriods, demandPeriods, days: planDays } = tariffPlan(document, from, to);

        const planMs = plan.firstQuarter * QUARTER_MS;
        const [fromMs, toMs] = [startOf(from), startOf(to)];
        const inPlan = ({ atMs }: WallMinute): boolean => atMs >= fromMs && atMs < toMs;
        const minutes = wall.filter(({ atMs }) => atMs >= planMs && atMs < planMs + plan.energyBuckets.length * QUARTER_MS);
        expect(minutes.filter(inPlan)).toHaveLength((toMs - fromMs) / MINUTE_MS);
        expect(planDays).toBe(days);
        expect(plan.dayStarts).toEqual(Array.from({ length: days }, (_, index) => Math.floor((startOf(addDays(from, index)) - planMs) / QUARTER_MS)));

        const used = energySchedules(document);
        expect(energyPeriods).toHaveLength(plan.energyBucketCount);
        expect(runs(energyMinutes(plan).map((bucket) => shown(energyPeriods, bucket)))).toEqual(
          runs(minutes.map((minute) => (inPlan(minute) ? used.map((name) => `${name}=${oraclePeriod(document, name, minute)}`).join(' ') : 'none'))),
        );

        const peaks = demandSchedules(document);
        const intervalMs = plan.demandQuarters * QUARTER_MS;
        expect(intervalMs).toBe(document.demandMinutes * MINUTE_MS);
        expect(demandPeriods).toHaveLength(plan.demandBucketCount);
        expect(runs([...plan.demandBuckets].map((bucket) => shown(demandPeriods, bucket)))).toEqual(
          runs(
            [...plan.demandBuckets].map((_, index) => {
              const atMs = Math.floor((planMs + index * QUARTER_MS) / intervalMs) * intervalMs;
              const begin = wall[(atMs - wall[0].atMs) / MINUTE_MS];
              return measuresDemand(document) && inPlan(begin) ? peaks.map((name) => `${name}=${oraclePeriod(document, name, begin)}`).join(' ') : 'none';
            }),
          ),
        );
      }),
      { seed: SEED, numRuns: 150 },
    );
  });

  test('share out a quarter-hour between two of them as one over both would', () => {
    fc.assert(
      fc.property(scene, fc.integer({ min: -1_000_000, max: 1_000_000 }), ({ day, document }, microKwh) => {
        const [a, b, c] = [addDays(day, -1), day, addDays(day, 1)];
        fc.pre(tariffLength(document, a, b) > 0 && tariffLength(document, b, c) > 0);
        const whole = energyByQuarter(document, a, c, microKwh);
        const parts = energyByQuarter(document, a, b, microKwh);
        for (const [quarter, energy] of energyByQuarter(document, b, c, microKwh)) parts.set(quarter, (parts.get(quarter) ?? 0) + energy);
        expect([...parts].sort()).toEqual([...whole].sort());
      }),
      { seed: SEED, numRuns: 60 },
    );
  });
});

function tariffLength(document: TariffDocument, from: string, to: string): number {
  try {
    return tariffPlan(document, from, to).plan.energyBuckets.length;
  } catch {
    return 0;
  }
}

/** What a plan counts of each quarter-hour, each having the same energy, with the shares as MeteringPlan says: whole units, the rest to the last. */
function energyByQuarter(document: TariffDocument, from: string, to: string, microKwh: number): Map<number, number> {
  const { plan } = tariffPlan(document, from, to);
  const shares = new Map(plan.splits.map((split) => [split.index, split.shares]));
  return new Map(
    [...plan.energyBuckets].map((bucket, index) => {
      let rest = microKwh;
      let counted = 0;
      const ofQuarter = shares.get(index) ?? [{ bucket, minutes: 15 }];
      ofQuarter.forEach((share, at) => {
        const part = at === ofQuarter.length - 1 ? rest : Math.trunc((microKwh * share.minutes) / 15);
        rest -= part;
        if (share.bucket !== NO_BUCKET) counted += part;
      });
      return [plan.firstQuarter + index, counted];
    }),
  );
}
