import type { Schedule, TariffDocument } from '../tariff-document.ts';
import type { UrdbHours } from './urdb-rate.ts';

/** Twelve months of 24 hours, of weekdays and of weekends, as seasons, rules and spans. */

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
/** February has all its days: seasons are of leap years too. */
const MONTH_DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const HOURS = 24;

export interface UrdbSchedule {
  name: string;
  weekday: UrdbHours;
  weekend: UrdbHours;
}

export interface UrdbCalendar {
  seasons: TariffDocument['seasons'];
  schedules: Schedule[];
}

/** Holidays are what weekends are: URDB knows no others. */
export function urdbCalendar(schedules: readonly UrdbSchedule[]): UrdbCalendar {
  const seasons = monthRuns(schedules);
  return {
    seasons: seasons.length === 1 ? [] : seasons.map(({ first, last }) => ({ name: seasonName(first, last), from: monthDay(first, 1), to: monthDay(last, MONTH_DAYS[last]) })),
    schedules: schedules.map((schedule) => ({
      name: schedule.name,
      periods: usedPeriods(schedule).map((index) => ({ name: periodName(index), title: `Period ${index + 1}` })),
      rules: rulesOf(schedule, seasons),
    })),
  };
}

export function periodName(index: number): string {
  return `p${index + 1}`;
}

/** Indexes of the periods that are ever on. */
export function usedPeriods({ weekday, weekend }: UrdbSchedule): number[] {
  return [...new Set([...weekday, ...weekend].flat())].sort((a, b) => a - b);
}

interface MonthRun {
  first: number;
  last: number;
}

/** Months that follow each other and are alike in all schedules; one may go over the turn of the year. */
function monthRuns(schedules: readonly UrdbSchedule[]): MonthRun[] {
  const looks = MONTHS.map((_, month) => JSON.stringify(schedules.map(({ weekday, weekend }) => [weekday[month], weekend[month]])));
  const firsts = MONTHS.flatMap((_, month) => (looks[month] === looks[(month + 11) % 12] ? [] : [month]));
  if (firsts.length === 0) return [{ first: 0, last: 11 }];
  return firsts.map((first, index) => ({ first, last: (firsts[(index + 1) % firsts.length] + 11) % 12 }));
}

function rulesOf({ weekday, weekend }: UrdbSchedule, seasons: readonly MonthRun[]): Schedule['rules'] {
  const rules = new Map<string, Schedule['rules'][number]>();
  const add = (season: MonthRun, days: Schedule['rules'][number]['days'], hours: readonly number[]): void => {
    const spans = spansOf(hours);
    const key = JSON.stringify([days, spans]);
    const rule = rules.get(key) ?? { seasons: [], days, spans };
    rule.seasons.push(seasonName(season.first, season.last));
    rules.set(key, rule);
  };
  for (const season of seasons) {
    const [weekdayHours, weekendHours] = [weekday[season.first], weekend[season.first]];
    if (weekdayHours.every((period, hour) => period === weekendHours[hour])) add(season, ['weekday', 'weekend', 'holiday'], weekdayHours);
    else {
      add(season, ['weekday'], weekdayHours);
      add(season, ['weekend', 'holiday'], weekendHours);
    }
  }
  return [...rules.values()].map((rule) => (rule.seasons.length === seasons.length ? { ...rule, seasons: [] } : rule));
}

function spansOf(hours: readonly number[]): Schedule['rules'][number]['spans'] {
  const edges = hours.flatMap((period, hour) => (hour > 0 && hours[hour - 1] === period ? [] : [hour]));
  return edges.map((hour, index) => ({ from: clock(hour), to: clock(edges[index + 1] ?? HOURS), period: periodName(hours[hour]) }));
}

function clock(hour: number): string {
  return `${String(hour).padStart(2, '0')}:00`;
}

function seasonName(first: number, last: number): string {
  return first === last ? MONTHS[first] : `${MONTHS[first]}-${MONTHS[last]}`;
}

function monthDay(month: number, day: number): string {
  return `${String(month + 1).padStart(2, '0')}-${String(day).padStart(2, '0')}`;
}
