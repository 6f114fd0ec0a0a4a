import { parseDecimal, PRICE_DIGITS } from '../../model/decimal.ts';
import { dayNumber } from '../people/local-time.ts';
import { DAY_TYPES, dateOf, daySpans, ALL_YEAR, type DaySpan, type DayType } from './calendar.ts';
import type { Schedule, TariffDocument } from './tariff-document.ts';

/** What a picture of a schedule shows, in a terminal or drawn. */

export interface ViewedPeriod {
  name: string;
  title: string;
  /** Of each charge that goes by the schedule: `Energy 0.2735`, of several tiers `0.30 … 0.40`. */
  prices: string[];
  /** 0 the cheapest, 1 the dearest; 0.5 where all cost the same. */
  heat: number;
}

export interface ViewedDays {
  season: string;
  /** `mon–fri`, `sat, holiday` */
  days: string;
  spans: readonly DaySpan[];
}

/** Periods by their price, the cheapest first: that of the first charge by the schedule, in its first tier. */
export function viewedPeriods({ charges }: TariffDocument, schedule: Schedule): ViewedPeriod[] {
  const using = charges.filter((charge) => 'schedule' in charge && charge.schedule === schedule.name && 'rates' in charge);
  const periods = schedule.periods.map(({ name, title }) => {
    const tiersOf = using.map((charge) => ({ charge: charge.name, tiers: ('rates' in charge ? charge.rates : []).find((rate) => rate.period === name)?.tiers ?? [] }));
    return {
      name,
      title: title ?? name,
      prices: tiersOf.map(({ charge, tiers }) => `${charge} ${tiers.map(({ price }) => price).join(' … ')}`),
      price: parseDecimal(tiersOf[0]?.tiers[0]?.price ?? '0', PRICE_DIGITS),
    };
  });
  const levels = [...new Set(periods.map(({ price }) => price))].sort((a, b) => (a < b ? -1 : 1));
  return periods
    .sort((a, b) => (a.price < b.price ? -1 : a.price > b.price ? 1 : 0))
    .map(({ price, ...period }) => ({ ...period, heat: levels.length === 1 ? 0.5 : levels.indexOf(price) / (levels.length - 1) }));
}

/** Every season and kind of day, those with the same spans together. */
export function viewedDays({ seasons, holidays }: TariffDocument, schedule: Schedule): ViewedDays[] {
  const types = DAY_TYPES.filter((type) => type !== 'holiday' || holidays.length > 0);
  const rows: ViewedDays[] = [];
  for (const season of seasons.length === 0 ? [ALL_YEAR] : seasons.map(({ name }) => name)) {
    const alike = new Map<string, { types: DayType[]; spans: DaySpan[] }>();
    for (const type of types) {
      const spans = daySpans(schedule, season, type);
      const key = JSON.stringify(spans.map(({ from, to, period }) => [from, to, period]));
      const entry = alike.get(key) ?? { types: [], spans };
      entry.types.push(type);
      alike.set(key, entry);
    }
    for (const { types: ofRow, spans } of alike.values()) rows.push({ season, days: ofRow.length === types.length ? 'every day' : typeWords(ofRow), spans });
  }
  return rows;
}

/** Neighbours as a range. */
function typeWords(types: readonly DayType[]): string {
  const runs: DayType[][] = [];
  for (const type of types) {
    const last = runs.at(-1);
    if (type !== 'holiday' && last !== undefined && DAY_TYPES.indexOf(last[last.length - 1]) === DAY_TYPES.indexOf(type) - 1) last.push(type);
    else runs.push([type]);
  }
  return runs.map((run) => (run.length > 2 ? `${run[0]}–${run[run.length - 1]}` : run.join(', '))).join(', ');
}

/** When the tariff holds, as words. */
export function effectiveWords({ effectiveFrom, effectiveTo }: TariffDocument): string {
  return effectiveTo === null ? `from ${effectiveFrom}` : `${effectiveFrom} to ${dateOf(dayNumber(effectiveTo) - 1)}`;
}
