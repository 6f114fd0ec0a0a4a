import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { describe, expect, test } from 'vitest';
import { inSpan, nextChange } from '../../src/actors/people/local-spans.ts';
import { evenStretch, instantOf } from '../../src/actors/people/local-time.ts';
import { onCallTurns, onDuty } from '../../src/actors/people/on-call.ts';
import { WEEKDAYS, type LocalSpan, type Schedule, type ScheduleLayer } from '../../src/model/contact.ts';

/** Against oracles that ask Temporal for the clock on the wall, minute by minute, over days on which clocks change. */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const SEED = 20261127;

/** Zones, and times around which their clocks change: by an hour, by half of one, at midnight, by a whole day, not at all. */
const CHANGES: readonly (readonly [zone: string, at: string])[] = [
  ['Europe/Berlin', '2026-03-29T01:00:00Z'],
  ['Europe/Berlin', '2026-10-25T01:00:00Z'],
  ['America/New_York', '2026-03-08T07:00:00Z'],
  ['America/New_York', '2026-11-01T06:00:00Z'],
  ['Australia/Lord_Howe', '2026-04-04T15:00:00Z'],
  ['Australia/Lord_Howe', '2026-10-03T15:30:00Z'],
  ['Africa/Cairo', '2026-04-23T22:00:00Z'],
  ['Africa/Cairo', '2026-10-29T21:00:00Z'],
  ['America/St_Johns', '2006-10-29T02:31:00Z'],
  ['Pacific/Apia', '2011-12-30T10:00:00Z'],
  ['Asia/Kathmandu', '2026-06-01T00:00:00Z'],
  ['UTC', '2026-06-01T00:00:00Z'],
];

const change = fc.constantFrom(...CHANGES);
const timeOfDay = fc.oneof(
  fc.tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 })).map(([hour, minute]) => `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`),
  // Where clocks change.
  fc.constantFrom('00:00', '01:00', '01:30', '01:59', '02:00', '02:15', '02:30', '03:00', '23:00', '23:30'),
);
const span: fc.Arbitrary<LocalSpan> = fc.record({ days: fc.subarray([...WEEKDAYS]), from: timeOfDay, to: timeOfDay });
const spans = fc.array(span, { maxLength: 3 });

function wallOf(zone: string, ms: number) {
  const wall = Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(zone);
  return { date: wall.toPlainDate(), weekday: WEEKDAYS[wall.dayOfWeek - 1], before: WEEKDAYS[(wall.dayOfWeek + 5) % 7], time: wall.toPlainTime().toString().slice(0, 5) };
}

/** Texts compare as times do. */
function isInByTheWall(spans: readonly LocalSpan[], zone: string, ms: number): boolean {
  const { weekday, before, time } = wallOf(zone, ms);
  const isOn = (days: readonly string[], day: string) => days.length === 0 || days.includes(day);
  return spans.some(({ days, from, to }) => {
    if (from < to) return isOn(days, weekday) && time >= from && time < to;
    return (isOn(days, weekday) && time >= from) || (isOn(days, before) && time < to);
  });
}

describe('local spans', () => {
  test('are where the clock on the wall says, every minute around a clock change', () => {
    fc.assert(
      fc.property(change, spans, ([zone, at], wanted) => {
        const from = Date.parse(at) - 26 * HOUR_MS;
        for (let ms = from; ms < from + 52 * HOUR_MS; ms += 7 * MINUTE_MS) expect(inSpan(wanted, zone, ms), new Date(ms).toISOString()).toBe(isInByTheWall(wanted, zone, ms));
        for (let ms = Date.parse(at) - 90 * MINUTE_MS; ms < Date.parse(at) + 90 * MINUTE_MS; ms += MINUTE_MS) {
          expect(inSpan(wanted, zone, ms), new Date(ms).toISOString()).toBe(isInByTheWall(wanted, zone, ms));
        }
      }),
      { numRuns: 60, seed: SEED },
    );
  });

  test('change at the times that nextChange gives, and at no other', () => {
    fc.assert(
      fc.property(change, spans, fc.integer({ min: 0, max: 40 * 60 }), ([zone, at], wanted, before) => {
        const from = Date.parse(at) - before * MINUTE_MS;
        const next = nextChange(wanted, zone, from);
        expect(next).toBeGreaterThan(from);
        // What the schedules of a week can do shows within nine days, or never did (a span that a clock change swallows comes the week after).
        const end = Math.min(next, from + 9 * DAY_MS);
        for (let ms = from; ms < end; ms += 5 * MINUTE_MS) expect(inSpan(wanted, zone, ms)).toBe(inSpan(wanted, zone, from));
        if (next === Infinity) return;
        expect(inSpan(wanted, zone, next - 1)).toBe(inSpan(wanted, zone, from));
        expect(inSpan(wanted, zone, next)).not.toBe(inSpan(wanted, zone, from));
      }),
      { numRuns: 300, seed: SEED },
    );
  });

  test('one that only a swallowed hour has begins a week later', () => {
    const only: LocalSpan[] = [{ days: ['sun'], from: '02:10', to: '02:50' }];
    expect(new Date(nextChange(only, 'Europe/Berlin', Date.parse('2026-03-28T12:00:00Z'))).toISOString()).toBe('2026-04-05T00:10:00.000Z');
  });

  test('none are never, and one that is always on never changes', () => {
    expect(inSpan([], 'UTC', 0)).toBe(false);
    expect(nextChange([], 'UTC', 0)).toBe(Infinity);
    const always: LocalSpan[] = [{ days: [], from: '08:00', to: '08:00' }];
    expect(inSpan(always, 'Europe/Berlin', 0)).toBe(true);
    expect(nextChange(always, 'Europe/Berlin', Date.parse('2026-03-28T12:00:00Z'))).toBe(Infinity);
  });
});

test('a stretch of even time begins with the clock change, whichever of its times is asked for first', () => {
  // A zone that no other test asks for.
  const changeMs = Date.parse('2026-10-25T01:00:00Z');
  const HOUR = 3_600_000;
  expect(evenStretch('Europe/Paris', changeMs)).toMatchObject({ from: changeMs, offsetMs: HOUR });
  expect(evenStretch('Europe/Paris', changeMs - 1)).toMatchObject({ to: changeMs, offsetMs: 2 * HOUR });
});

test('a local time is the instant that Temporal finds', () => {
  fc.assert(
    fc.property(change, fc.integer({ min: -3 * 24 * 60, max: 3 * 24 * 60 }), ([zone, at], minutes) => {
      const wall = Temporal.Instant.fromEpochMilliseconds(Date.parse(at) + minutes * MINUTE_MS).toZonedDateTimeISO('UTC').toPlainDateTime();
      const localMs = wall.toZonedDateTime('UTC').epochMilliseconds;
      const day = Math.floor(localMs / DAY_MS);
      expect(instantOf(zone, { day, timeMs: localMs - day * DAY_MS })).toBe(wall.toZonedDateTime(zone, { disambiguation: 'compatible' }).epochMilliseconds);
    }),
    { numRuns: 2_000, seed: SEED },
  );
});

const PEOPLE = ['ada', 'ben', 'cleo'];
const layer = (start: string): fc.Arbitrary<ScheduleLayer> =>
  fc.record({
    name: fc.constantFrom('days', 'nights', 'spare'),
    people: fc.array(fc.constantFrom(...PEOPLE), { minLength: 1, maxLength: 3 }),
    startsOn: fc.integer({ min: -20, max: 1 }).map((days) => Temporal.PlainDate.from(start.slice(0, 10)).add({ days }).toString()),
    handoffAt: timeOfDay,
    turnDays: fc.integer({ min: 1, max: 8 }),
    restrictions: spans,
  });
const world = change.chain(([zone, at]) =>
  fc.record({
    zone: fc.constant(zone),
    at: fc.constant(Date.parse(at)),
    layers: fc.array(layer(at), { minLength: 1, maxLength: 3 }),
    overrides: fc.array(
      fc.record({ contactId: fc.constantFrom(...PEOPLE, 'dora'), start: fc.integer({ min: -1_500, max: 1_500 }), minutes: fc.integer({ min: 1, max: 900 }) }),
      { maxLength: 3 },
    ),
  }),
);

/** Counts handoffs one by one from the first. */
function onDutyByTheWall(schedule: Schedule, ms: number): string | null {
  for (const { contactId, from, to } of schedule.overrides.toReversed()) if (ms >= from && ms < to) return contactId;
  for (const layer of schedule.layers.toReversed()) {
    if (layer.restrictions.length > 0 && !isInByTheWall(layer.restrictions, schedule.zone, ms)) continue;
    let turn = -1;
    const time = Temporal.PlainTime.from(layer.handoffAt);
    for (let date = Temporal.PlainDate.from(layer.startsOn); ; date = date.add({ days: layer.turnDays })) {
      if (date.toZonedDateTime({ timeZone: schedule.zone, plainTime: time }).epochMilliseconds > ms) break;
      turn++;
    }
    if (turn >= 0) return layer.people[turn % layer.people.length];
  }
  return null;
}

describe('who is on call', () => {
  const scheduleOf = ({ zone, at, layers, overrides }: typeof world extends fc.Arbitrary<infer World> ? World : never): Schedule => ({
    id: 's',
    version: 1,
    name: 'grid',
    zone,
    layers,
    overrides: overrides.map(({ contactId, start, minutes }, i) => ({ id: `o${i}`, contactId, from: at + start * MINUTE_MS, to: at + (start + minutes) * MINUTE_MS, by: 'test', why: '' })),
    createdAt: 0,
    changedAt: 0,
  });

  test('is whom the last handoff named, every quarter of an hour around a clock change', () => {
    fc.assert(
      fc.property(world, (drawn) => {
        const schedule = scheduleOf(drawn);
        for (let ms = drawn.at - 30 * HOUR_MS; ms < drawn.at + 30 * HOUR_MS; ms += 15 * MINUTE_MS) {
          expect(onDuty(schedule, ms)?.contactId ?? null, new Date(ms).toISOString()).toBe(onDutyByTheWall(schedule, ms));
        }
      }),
      { numRuns: 60, seed: SEED },
    );
  });

  test('turns say the same without gaps, and neighbours differ', () => {
    fc.assert(
      fc.property(world, (drawn) => {
        const schedule = scheduleOf(drawn);
        const from = drawn.at - 30 * HOUR_MS;
        const to = drawn.at + 9 * DAY_MS;
        const turns = onCallTurns(schedule, from, to);
        expect(turns[0].from).toBe(from);
        expect(turns.at(-1)!.to).toBe(to);
        for (const [i, turn] of turns.entries()) {
          expect(turn.to).toBeGreaterThan(turn.from);
          if (i > 0) {
            expect(turn.from).toBe(turns[i - 1].to);
            expect([turn.contactId, turn.source]).not.toEqual([turns[i - 1].contactId, turns[i - 1].source]);
          }
          const step = Math.max(MINUTE_MS, Math.floor((turn.to - turn.from) / 50));
          for (let ms = turn.from; ms < turn.to; ms += step) expect(onDuty(schedule, ms)?.contactId ?? null).toBe(turn.contactId);
          expect(onDuty(schedule, turn.to - 1)?.source ?? null).toBe(turn.source);
        }
      }),
      { numRuns: 200, seed: SEED },
    );
  });

  test('a handoff that has come stays so when the clock goes back over midnight', () => {
    const schedule: Schedule = {
      id: 's',
      version: 1,
      name: 'daily',
      zone: 'America/St_Johns',
      layers: [{ name: 'all', people: ['ada', 'ben'], startsOn: '2006-10-28', handoffAt: '00:00', turnDays: 1, restrictions: [] }],
      overrides: [],
      createdAt: 0,
      changedAt: 0,
    };
    // At 00:01 on the 29th it was 23:01 on the 28th.
    const backMs = Date.parse('2006-10-29T02:31:00Z');
    expect([-2, -1, 0, 30, 90].map((minutes) => onDuty(schedule, backMs + minutes * MINUTE_MS)?.contactId)).toEqual(['ada', 'ben', 'ben', 'ben', 'ben']);
  });

  test('a turn over a clock change is 23 or 25 hours long', () => {
    const daily: Schedule = {
      id: 's',
      version: 1,
      name: 'daily',
      zone: 'Europe/Berlin',
      layers: [{ name: 'all', people: ['ada', 'ben'], startsOn: '2026-03-27', handoffAt: '08:00', turnDays: 1, restrictions: [] }],
      overrides: [],
      createdAt: 0,
      changedAt: 0,
    };
    const hours = (from: string) => onCallTurns(daily, Date.parse(from), Date.parse(from) + 4 * DAY_MS).map((turn) => (turn.to - turn.from) / HOUR_MS);
    expect(hours('2026-03-27T07:00:00Z').slice(0, 3)).toEqual([24, 23, 24]);
    expect(hours('2026-10-23T06:00:00Z').slice(0, 3)).toEqual([24, 25, 24]);
  });
});
