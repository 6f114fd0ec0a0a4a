import { BUCKETS_MAX } from '../../model/energy.ts';
import { nearestName } from '../../runtime/nearest-name.ts';
import { DAY_MS, dayNumber, evenStretch } from '../people/local-time.ts';
import { ALL_YEAR, DAY_MINUTES, DAY_TYPES, dateOf, daySpans, dayStart, inSeason, minuteOf, MINUTE_MS, type DaySpan, type DayType } from './calendar.ts';
import { demandSchedules, energySchedules, measuresDemand } from './metering-plan.ts';
import type { Schedule, TariffDocument, TariffFault } from './tariff-document.ts';

/** What is wrong with a tariff's seasons, holidays and schedules: every day of the year is in one season, and every minute of every kind of day in one span. */

/** A year that has all days there can be. */
const LEAP_YEAR_START = dayNumber('2024-01-01');
const LEAP_YEAR_DAYS = 366;
/** How far clock changes are looked for where a tariff has no end: in this time every one that goes by the year has been. */
const ZONE_AHEAD_MS = 3 * 366 * DAY_MS;
/** Kinds of day that are named in a fault; more are counted. */
const NAMED_DAYS_MAX = 3;

export function calendarFaults(document: TariffDocument): TariffFault[] {
  const seasonal = seasonFaults(document);
  const faults = [...seasonal, ...holidayFaults(document), ...demandIntervalFaults(document)];
  const names = new Map<string, number>();
  document.schedules.forEach((schedule, index) => {
    const path = `schedules.${index}`;
    if (names.has(schedule.name)) faults.push({ path: `${path}.name`, message: `there is another schedule "${schedule.name}"` });
    names.set(schedule.name, index);
    faults.push(...scheduleFaults(document, schedule, path));
  });
  return faults.length > 0 ? faults : bucketFaults(document);
}

function seasonFaults({ seasons }: TariffDocument): TariffFault[] {
  if (seasons.length === 0) return [];
  const faults: TariffFault[] = [];
  seasons.forEach(({ name, from, to }, index) => {
    if (seasons.findIndex((other) => other.name === name) < index) faults.push({ path: `seasons.${index}.name`, message: `there is another season "${name}"` });
    for (const [field, day] of Object.entries({ from, to })) if (!isDayOfYear(day)) faults.push({ path: `seasons.${index}.${field}`, message: `there is no ${day}` });
  });
  if (faults.length > 0) return faults;
  const days = Array.from({ length: LEAP_YEAR_DAYS }, (_, day) => dateOf(LEAP_YEAR_START + day).slice(5));
  const without = runsOf(days, (day) => !seasons.some((season) => inSeason(season, day)));
  faults.push(...without.map(({ from, to }) => ({ path: 'seasons', message: `no season has ${from === to ? from : `${from} to ${to}`}` })));
  seasons.forEach((season, index) => {
    for (const other of seasons.slice(0, index)) {
      for (const { from, to } of runsOf(days, (day) => inSeason(season, day) && inSeason(other, day))) faults.push({ path: `seasons.${index}`, message: `season "${other.name}" has ${from === to ? from : `${from} to ${to}`} too` });
    }
  });
  return faults;
}

/** First and last of neighbours that have it. */
function runsOf(days: readonly string[], has: (day: string) => boolean): { from: string; to: string }[] {
  const runs: { from: string; to: string }[] = [];
  days.forEach((day, index) => {
    if (!has(day)) return;
    if (index > 0 && has(days[index - 1])) runs[runs.length - 1].to = day;
    else runs.push({ from: day, to: day });
  });
  return runs;
}

function isDayOfYear(monthDay: string): boolean {
  return !Number.isNaN(Date.parse(`2024-${monthDay}T00:00:00Z`)) && dateOf(dayNumber(`2024-${monthDay}`)).endsWith(monthDay);
}

function holidayFaults({ holidays }: TariffDocument): TariffFault[] {
  const seen = new Set<string>();
  return holidays.flatMap(({ date }, index) => {
    const isTwice = seen.has(date);
    seen.add(date);
    return isTwice ? [{ path: `holidays.${index}.date`, message: `${date} is a holiday already` }] : [];
  });
}

/** Demand intervals are those of UTC; one that a day's end cuts would be in two bills, or in none. */
function demandIntervalFaults(document: TariffDocument): TariffFault[] {
  const { zone, demandMinutes, effectiveFrom, effectiveTo } = document;
  if (!measuresDemand(document) || demandMinutes === 15) return [];
  const fromMs = dayStart(zone, effectiveFrom);
  const toMs = effectiveTo === null ? fromMs + ZONE_AHEAD_MS : dayStart(zone, effectiveTo);
  for (let atMs = fromMs; atMs < toMs; ) {
    const { to, offsetMs } = evenStretch(zone, atMs);
    const offset = offsetMs / MINUTE_MS;
    if (offset % demandMinutes !== 0) return [{ path: 'demandMinutes', message: `local days of ${zone} begin within an interval of ${demandMinutes} minutes: expected ${offset % 30 === 0 ? '30 or 15' : '15'}` }];
    atMs = to;
  }
  return [];
}

function scheduleFaults(document: TariffDocument, schedule: Schedule, path: string): TariffFault[] {
  const faults: TariffFault[] = [];
  const periods = schedule.periods.map(({ name }) => name);
  const seasons = document.seasons.length === 0 ? [ALL_YEAR] : document.seasons.map(({ name }) => name);
  periods.forEach((name, index) => {
    if (periods.indexOf(name) < index) faults.push({ path: `${path}.periods.${index}.name`, message: `there is another period "${name}"` });
  });
  schedule.rules.forEach((rule, ruleIndex) => {
    const rulePath = `${path}.rules.${ruleIndex}`;
    rule.seasons.forEach((name, index) => {
      if (!seasons.includes(name)) faults.push({ path: `${rulePath}.seasons.${index}`, message: unknownName('season', name, seasons) });
    });
    rule.spans.forEach(({ from, to, period }, index) => {
      const spanPath = `${rulePath}.spans.${index}`;
      if (minuteOf(to) <= minuteOf(from)) faults.push({ path: `${spanPath}.to`, message: `has to be after ${from}; what goes on after midnight is two spans, of which the first ends at 24:00` });
      if (!periods.includes(period)) faults.push({ path: `${spanPath}.period`, message: unknownName('period', period, periods) });
    });
  });
  return faults.length > 0 ? faults : minuteFaults(document, schedule, seasons, path);
}

export function unknownName(what: string, name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known);
  return `there is no ${what} "${name}"${nearest === null ? '' : `; did you mean "${nearest}"?`}`;
}

/** Minutes that are in no span or in several, each fault once with the kinds of day that have it. */
function minuteFaults(document: TariffDocument, schedule: Schedule, seasons: readonly string[], path: string): TariffFault[] {
  const found = new Map<string, { fault: TariffFault; days: { season: string; type: DayType }[] }>();
  const types = dayTypes(document, schedule);
  for (const season of seasons) {
    for (const type of types) {
      for (const fault of dayFaults(daySpans(schedule, season, type), path)) {
        const key = `${fault.path} ${fault.message}`;
        const entry = found.get(key) ?? { fault, days: [] };
        entry.days.push({ season, type });
        found.set(key, entry);
      }
    }
  }
  return [...found.values()].map(({ fault, days }) => ({ path: fault.path, message: `${fault.message}, ${dayWords(days, seasons, types)}` }));
}

/** Holidays count where there are any, now or in the rules. */
function dayTypes({ holidays }: TariffDocument, { rules }: Schedule): readonly DayType[] {
  return holidays.length > 0 || rules.some(({ days }) => days.includes('holiday')) ? DAY_TYPES : DAY_TYPES.filter((type) => type !== 'holiday');
}

function dayFaults(spans: readonly DaySpan[], path: string): TariffFault[] {
  const faults: TariffFault[] = [];
  let until: Pick<DaySpan, 'to'> & Partial<DaySpan> = { to: 0 };
  for (const span of spans) {
    if (span.from > until.to) faults.push(gap(path, until.to, span.from));
    if (span.from < until.to) {
      const to = Math.min(span.to, until.to);
      faults.push({ path: `${path}.rules.${span.rule}.spans.${span.span}`, message: `${clock(span.from)}–${clock(to)} is in rules.${until.rule}.spans.${until.span} too` });
    }
    if (span.to > until.to) until = span;
  }
  if (until.to < DAY_MINUTES) faults.push(gap(path, until.to, DAY_MINUTES));
  return faults;
}

function gap(path: string, from: number, to: number): TariffFault {
  return { path, message: `no period has ${clock(from)}–${clock(to)}` };
}

function dayWords(days: readonly { season: string; type: DayType }[], seasons: readonly string[], types: readonly DayType[]): string {
  if (days.length === seasons.length * types.length) return 'on every day';
  const words = days.map(({ season, type }) => (seasons.length === 1 ? type : `${type} in ${season}`));
  return `on ${words.slice(0, NAMED_DAYS_MAX).join(', ')}${words.length > NAMED_DAYS_MAX ? ` and ${words.length - NAMED_DAYS_MAX} more kinds of day` : ''}`;
}

export function clock(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
}

/** Periods of several schedules at the same time are one bucket, of which there may not be more than a byte can tell apart. */
function bucketFaults(document: TariffDocument): TariffFault[] {
  const sets = { 'energy and export': energySchedules(document), demand: demandSchedules(document) };
  return Object.entries(sets).flatMap(([what, names]) => {
    const count = combinations(document, names);
    return count > BUCKETS_MAX ? [{ path: 'schedules', message: `the periods of the schedules for ${what} meet in ${count} ways: expected ${BUCKETS_MAX} at most` }] : [];
  });
}

function combinations(document: TariffDocument, names: readonly string[]): number {
  const schedules = document.schedules.filter(({ name }) => names.includes(name));
  const met = new Set<string>();
  for (const season of document.seasons.length === 0 ? [ALL_YEAR] : document.seasons.map(({ name }) => name)) {
    for (const type of DAY_TYPES) {
      const daily = schedules.map((schedule) => daySpans(schedule, season, type));
      for (const edge of new Set(daily.flat().map(({ from }) => from))) met.add(daily.map((spans) => spans.find(({ to }) => edge < to)?.period ?? '').join(' '));
    }
  }
  return met.size;
}
