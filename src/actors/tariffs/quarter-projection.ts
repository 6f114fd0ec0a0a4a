import { QUARTER_MS, type EnergyQuarter } from '../../model/energy.ts';
import { localTime } from '../people/local-time.ts';
import { TariffCalendar } from './calendar.ts';
import type { TariffDocument } from './tariff-document.ts';

/** Quarter-hours of a local day. */
const DAY_QUARTERS = 96;

/**
 * What is known of `from` ≤ quarter < `to`, and of those that are not, what the same time of day of the same kind of day (weekday, weekend, holiday) took on average; where there was none of the kind, of any day. In whole
 * microKwh, rounded to the nearest.
 */
export function projectQuarters(document: TariffDocument, known: readonly EnergyQuarter[], from: number, to: number): EnergyQuarter[] {
  const calendar = new TariffCalendar(document);
  const placeOf = (quarter: number): { kind: string; time: number } => {
    const { day, timeMs } = localTime(document.zone, quarter * QUARTER_MS);
    const type = calendar.dayTypeOf(day);
    return { kind: type === 'holiday' ? type : type === 'sat' || type === 'sun' ? 'weekend' : 'weekday', time: Math.floor(timeMs / QUARTER_MS) % DAY_QUARTERS };
  };
  const means = new QuarterMeans();
  const all = new Map<number, EnergyQuarter>();
  for (const quarter of known) {
    all.set(quarter.quarter, quarter);
    if (quarter.quality !== 'missing') means.add(placeOf(quarter.quarter), quarter.microKwh);
  }
  for (let quarter = from; quarter < to; quarter++) {
    if (!all.has(quarter)) all.set(quarter, { quarter, microKwh: means.of(placeOf(quarter)), quality: 'estimated' });
  }
  return [...all.values()].sort((a, b) => a.quarter - b.quarter);
}

class QuarterMeans {
  readonly #sums = new Map<string, { sum: number; count: number }>();

  add({ kind, time }: { kind: string; time: number }, microKwh: number): void {
    for (const key of [`${kind} ${time}`, `any ${time}`, 'any']) {
      const known = this.#sums.get(key) ?? { sum: 0, count: 0 };
      this.#sums.set(key, { sum: known.sum + microKwh, count: known.count + 1 });
    }
  }

  of({ kind, time }: { kind: string; time: number }): number {
    const found = this.#sums.get(`${kind} ${time}`) ?? this.#sums.get(`any ${time}`) ?? this.#sums.get('any');
    return found === undefined ? 0 : Math.round(found.sum / found.count);
  }
}
