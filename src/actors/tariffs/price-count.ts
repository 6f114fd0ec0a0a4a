import { DAY_TYPES, inSeason, minuteOf, type DayType } from './calendar.ts';
import type { ChargeOf, TariffDocument } from './tariff-document.ts';

/**
 * How many prices each minute has, counted out: every minute of every day that a year can have, as every kind of day that it can be. Of a document as it is written, by
 * other steps than those of tariff-check and of the calendar by which bills are made: where these err, this does not err with them.
 */
export interface PriceCount {
  charge: string;
  /** Minutes looked at. */
  minutes: number;
  /** Prices of the minute with the fewest, and with the most. */
  least: number;
  most: number;
}

type TimedCharge = ChargeOf<'energy'> | ChargeOf<'export'> | ChargeOf<'demand'>;

const DAY_MINUTES = 1_440;
/** Of a leap year. */
const YEAR_DAYS: readonly string[] = Array.from({ length: 366 }, (_, day) => new Date(Date.UTC(2024, 0, 1 + day)).toISOString().slice(5, 10));

/** Of each charge whose price depends on the time. Days of the same seasons are alike, and counted out once. */
export function countPrices(document: TariffDocument): PriceCount[] {
  const types = document.holidays.length > 0 ? DAY_TYPES : DAY_TYPES.filter((type) => type !== 'holiday');
  const daysOf = new Map<string, { seasons: string[]; days: number }>();
  for (const day of YEAR_DAYS) {
    const seasons = document.seasons.length === 0 ? ['all'] : document.seasons.filter((season) => inSeason(season, day)).map(({ name }) => name);
    const alike = daysOf.get(seasons.join(' ')) ?? { seasons, days: 0 };
    alike.days++;
    daysOf.set(seasons.join(' '), alike);
  }
  return document.charges.filter(isTimed).map((charge) => {
    const count: PriceCount = { charge: charge.name, minutes: 0, least: Infinity, most: 0 };
    for (const { seasons, days } of daysOf.values()) {
      for (const type of types) {
        count.minutes += days * DAY_MINUTES;
        for (const found of pricesByMinute(document, charge, seasons, type)) {
          count.least = Math.min(count.least, found);
          count.most = Math.max(count.most, found);
        }
      }
    }
    return count;
  });
}

function isTimed(charge: TariffDocument['charges'][number]): charge is TimedCharge {
  return charge.kind === 'energy' || charge.kind === 'export' || (charge.kind === 'demand' && charge.measure === 'periods');
}

function pricesByMinute({ schedules }: TariffDocument, charge: TimedCharge, seasons: readonly string[], type: DayType): Uint16Array {
  const prices = new Uint16Array(DAY_MINUTES);
  const kinds: readonly string[] = type === 'holiday' ? [type] : [type, type === 'sat' || type === 'sun' ? 'weekend' : 'weekday'];
  for (const schedule of schedules.filter(({ name }) => name === charge.schedule)) {
    for (const season of seasons) {
      for (const rule of schedule.rules) {
        if (!rule.days.some((kind) => kinds.includes(kind)) || (rule.seasons.length > 0 && !rule.seasons.includes(season))) continue;
        for (const { from, to, period } of rule.spans) {
          const ofPeriod = charge.rates.filter((rate) => rate.period === period).length;
          for (let minute = minuteOf(from); minute < minuteOf(to); minute++) prices[minute] += ofPeriod;
        }
      }
    }
  }
  return prices;
}
