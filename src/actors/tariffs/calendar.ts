import { invariant } from '../../runtime/errors.ts';
import { DAY_MS, dayNumber, evenStretch, instantOf, weekdayOf } from '../people/local-time.ts';
import { WEEKDAYS, type Schedule, type TariffDocument } from './tariff-document.ts';

/**
 * When which period of a schedule is, by the clock on the wall in the tariff's zone: an hour that comes twice is twice what it is, and one that never comes is nothing. Of documents that
 * tariff-check has passed; what it has to look at of others is `daySpans`.
 */

export const MINUTE_MS = 60_000;
export const DAY_MINUTES = 1_440;

/** What a day can be for a schedule. */
export const DAY_TYPES = [...WEEKDAYS, 'holiday'] as const;
export type DayType = (typeof DAY_TYPES)[number];

/** The season of a document that names none. */
export const ALL_YEAR = 'all';

export type CalendarDocument = Pick<TariffDocument, 'zone' | 'seasons' | 'holidays' | 'schedules'>;

/** Minutes `from` ≤ minute < `to` of a local day. `rule` is the index of the rule that it is of, `span` its index there. */
export interface DaySpan {
  from: number;
  to: number;
  period: string;
  rule: number;
  span: number;
}

/** A stretch of time in which the period of every schedule asked for stays as it is. */
export interface CalendarSegment {
  from: number;
  to: number;
  /** By schedule, in the order in which they were asked for. */
  periods: string[];
}

export class TariffCalendar {
  readonly zone: string;
  readonly #seasons: CalendarDocument['seasons'];
  readonly #holidays: Map<number, string>;
  readonly #schedules: Map<string, Schedule>;
  readonly #spans = new Map<string, DaySpan[]>();

  constructor(document: CalendarDocument) {
    this.zone = document.zone;
    this.#seasons = document.seasons;
    this.#holidays = new Map(document.holidays.map(({ date, name }) => [dayNumber(date), name]));
    this.#schedules = new Map(document.schedules.map((schedule) => [schedule.name, schedule]));
  }

  /** `day`: days since 1970-01-01, as in local-time.ts. */
  seasonOf(day: number): string {
    if (this.#seasons.length === 0) return ALL_YEAR;
    const date = dateOf(day).slice(5);
    const season = this.#seasons.find((candidate) => inSeason(candidate, date));
    invariant(season !== undefined, `no season has ${date}`);
    return season.name;
  }

  dayTypeOf(day: number): DayType {
    return this.#holidays.has(day) ? 'holiday' : WEEKDAYS[weekdayOf(day)];
  }

  /** Name of the holiday that the day is; null: none. */
  holidayOf(day: number): string | null {
    return this.#holidays.get(day) ?? null;
  }

  /** The spans of a day, from its first minute to its last. */
  spansOf(schedule: string, day: number): readonly DaySpan[] {
    const season = this.seasonOf(day);
    const type = this.dayTypeOf(day);
    const key = `${schedule} ${season} ${type}`;
    let spans = this.#spans.get(key);
    if (spans === undefined) {
      const found = this.#schedules.get(schedule);
      invariant(found !== undefined, `no schedule ${schedule}`);
      this.#spans.set(key, (spans = daySpans(found, season, type)));
    }
    return spans;
  }

  /** The period that the clock on the wall shows at a time. */
  periodAt(schedule: string, atMs: number): string {
    return this.segments([schedule], atMs, atMs + 1)[0].periods[0];
  }

  /** The time from `fromMs` to `toMs` cut where the period of one of the schedules changes; without schedules it is one segment. */
  segments(schedules: readonly string[], fromMs: number, toMs: number): CalendarSegment[] {
    const segments: CalendarSegment[] = [];
    const add = (from: number, to: number, periods: string[]): void => {
      const last = segments.at(-1);
      if (last !== undefined && last.periods.every((period, index) => period === periods[index])) last.to = to;
      else segments.push({ from, to, periods });
    };
    for (const { day, from, to, minute } of localDayPieces(this.zone, fromMs, toMs)) {
      const ofSchedules = schedules.map((schedule) => this.spansOf(schedule, day));
      for (let at = from; at < to; ) {
        const atMinute = minute + (at - from) / MINUTE_MS;
        const spans = ofSchedules.map((daily) => daily.find((span) => atMinute < span.to));
        const next = Math.min(to, ...spans.map((span) => at + ((span?.to ?? DAY_MINUTES) - atMinute) * MINUTE_MS));
        add(
          at,
          next,
          spans.map((span, index) => {
            invariant(span !== undefined && span.from <= atMinute, `schedule ${schedules[index]} has no period on ${dateOf(day)} at minute ${atMinute}`);
            return span.period;
          }),
        );
        at = next;
      }
    }
    return segments;
  }
}

/** The spans of a kind of day in a season, in order of their beginning; of a document that is not checked they may overlap and leave gaps. */
export function daySpans(schedule: Schedule, season: string, type: DayType): DaySpan[] {
  const spans: DaySpan[] = [];
  schedule.rules.forEach((rule, ruleIndex) => {
    if (!rule.days.some((kind) => isOfKind(type, kind)) || (rule.seasons.length > 0 && !rule.seasons.includes(season))) return;
    rule.spans.forEach((span, spanIndex) => spans.push({ from: minuteOf(span.from), to: minuteOf(span.to), period: span.period, rule: ruleIndex, span: spanIndex }));
  });
  return spans.sort((a, b) => a.from - b.from || a.to - b.to);
}

function isOfKind(type: DayType, kind: Schedule['rules'][number]['days'][number]): boolean {
  if (kind === 'weekday') return type !== 'holiday' && WEEKDAYS.indexOf(type) < 5;
  if (kind === 'weekend') return type === 'sat' || type === 'sun';
  return type === kind;
}

/** Whether a season has the day `MM-DD`. */
export function inSeason({ from, to }: { from: string; to: string }, date: string): boolean {
  return from <= to ? date >= from && date <= to : date >= from || date <= to;
}

/** `HH:MM` in minutes since midnight. */
export function minuteOf(time: string): number {
  return Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5));
}

export function dateOf(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

/** When a local day begins: when the clock first shows a time of it. That of a day which the zone left out is that of the next. */
export function dayStart(zone: string, date: string): number {
  const day = dayNumber(date);
  const midnight = instantOf(zone, { day, timeMs: 0 });
  // Where the clock was put forward past midnight, the day begins with that.
  const stretch = evenStretch(zone, midnight);
  return stretch.from + stretch.offsetMs >= day * DAY_MS ? Math.min(midnight, stretch.from) : midnight;
}

/** A part of a local day in which the clock runs even. */
interface DayPiece {
  day: number;
  from: number;
  to: number;
  /** Minutes since midnight that the clock shows at `from`. */
  minute: number;
}

function* localDayPieces(zone: string, fromMs: number, toMs: number): Generator<DayPiece> {
  for (let from = fromMs; from < toMs; ) {
    const stretch = evenStretch(zone, from);
    const day = Math.floor((from + stretch.offsetMs) / DAY_MS);
    const midnight = day * DAY_MS - stretch.offsetMs;
    const to = Math.min(toMs, stretch.to, midnight + DAY_MS);
    yield { day, from, to, minute: (from - midnight) / MINUTE_MS };
    from = to;
  }
}
