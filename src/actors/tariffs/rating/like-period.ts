import { ALL_YEAR, daySpans, TariffCalendar } from '../calendar.ts';
import { dayNumber } from '../../people/local-time.ts';
import { WEEKDAYS, type TariffDocument } from '../tariff-document.ts';

/**
 * The period of another season that is at the same times of day as one which that season does not have: of those that `day` can have the one with which it shares most minutes of a week. Null where it shares
 * none, as when the schedule does not know the period.
 */
export function likePeriod(document: TariffDocument, scheduleName: string, period: string, day: string, among: ReadonlySet<string>): string | null {
  const schedule = document.schedules.find(({ name }) => name === scheduleName);
  if (schedule === undefined) return null;
  const season = new TariffCalendar(document).seasonOf(dayNumber(day));
  const seasons = document.seasons.length === 0 ? [ALL_YEAR] : document.seasons.map(({ name }) => name);
  const shared = new Map<string, number>();
  for (const type of WEEKDAYS) {
    const ofDay = daySpans(schedule, season, type).filter((span) => among.has(span.period));
    const ofPeriod = seasons.flatMap((other) => daySpans(schedule, other, type)).filter((span) => span.period === period);
    for (const a of ofPeriod) {
      for (const b of ofDay) {
        const minutes = Math.min(a.to, b.to) - Math.max(a.from, b.from);
        if (minutes > 0) shared.set(b.period, (shared.get(b.period) ?? 0) + minutes);
      }
    }
  }
  let like: string | null = null;
  for (const { name } of schedule.periods) if ((shared.get(name) ?? 0) > (like === null ? 0 : shared.get(like)!)) like = name;
  return like;
}
