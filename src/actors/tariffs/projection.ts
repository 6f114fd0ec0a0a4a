import { QUARTER_QUALITY } from '../../model/determinants.ts';
import { QUARTER_MS, type EnergyQuarter, type MeteringPlan } from '../../model/energy.ts';
import { DAY_MS, dayNumber, evenStretch, weekdayOf } from '../people/local-time.ts';
import type { TariffDocument } from './tariff-document.ts';

/** Quarter-hours of a plan, as `addUp` takes them. */
export interface ProjectedQuarters {
  quarters: Float64Array;
  quality: Uint8Array;
}

const DAY_SLOTS = DAY_MS / QUARTER_MS;
const WEEKDAY = 0;
const WEEKEND = 1;
/** Of which people are at home as on a weekend, and tariffs as often not: a kind of its own, as long as there is one to go by. */
const HOLIDAY = 2;
const KINDS = 3;

/**
 * The whole of a plan at the use so far: quarter-hours from number `until` on take what the same time of day of the same kind of day (weekday, weekend, holiday) took on average. Of a kind that has not been
 * yet, the same time of all days counts; of a time that has not been, the average of all. `known` may begin before the plan, which makes the averages better; those that are missing count for none.
 */
export function projectQuarters(document: Pick<TariffDocument, 'zone' | 'holidays'>, plan: Pick<MeteringPlan, 'firstQuarter' | 'energyBuckets'>, known: readonly EnergyQuarter[], until: number): ProjectedQuarters {
  const count = plan.energyBuckets.length;
  const quarters = new Float64Array(count);
  const quality = new Uint8Array(count);
  const slots = new DaySlots(document);
  const averages = new Averages();
  for (const { quarter, microKwh, quality: how } of known) {
    if (quarter >= until) continue;
    if (how !== 'missing') averages.add(slots.of(quarter), microKwh);
    const index = quarter - plan.firstQuarter;
    if (index < 0 || index >= count) continue;
    quarters[index] = microKwh;
    quality[index] = QUARTER_QUALITY[how];
  }
  for (let index = Math.max(0, until - plan.firstQuarter); index < count; index++) {
    quarters[index] = averages.at(slots.of(plan.firstQuarter + index));
    quality[index] = QUARTER_QUALITY.estimated;
  }
  return { quarters, quality };
}

interface DaySlot {
  kind: number;
  /** Quarter-hour of the local day. */
  slot: number;
}

/** Kind of day and time of day by the clock on the wall. */
class DaySlots {
  readonly #zone: string;
  readonly #holidays: ReadonlySet<number>;
  #stretch = { from: 0, to: 0, offsetMs: 0 };

  constructor({ zone, holidays }: Pick<TariffDocument, 'zone' | 'holidays'>) {
    this.#zone = zone;
    this.#holidays = new Set(holidays.map(({ date }) => dayNumber(date)));
  }

  of(quarter: number): DaySlot {
    const atMs = quarter * QUARTER_MS;
    if (atMs < this.#stretch.from || atMs >= this.#stretch.to) this.#stretch = evenStretch(this.#zone, atMs);
    const localMs = atMs + this.#stretch.offsetMs;
    const day = Math.floor(localMs / DAY_MS);
    const kind = this.#holidays.has(day) ? HOLIDAY : weekdayOf(day) < 5 ? WEEKDAY : WEEKEND;
    return { kind, slot: Math.floor((localMs - day * DAY_MS) / QUARTER_MS) };
  }
}

class Averages {
  /** By kind and time of day; then by time of day; then all. */
  readonly #sums = new Float64Array((KINDS + 1) * DAY_SLOTS + 1);
  readonly #counts = new Float64Array(this.#sums.length);

  add({ kind, slot }: DaySlot, microKwh: number): void {
    for (const index of indexesOf(kind, slot)) {
      this.#sums[index] += microKwh;
      this.#counts[index]++;
    }
  }

  /** Whole microKwh; 0 when nothing is known. */
  at({ kind, slot }: DaySlot): number {
    const index = indexesOf(kind, slot).find((candidate) => this.#counts[candidate] > 0);
    return index === undefined ? 0 : Math.round(this.#sums[index] / this.#counts[index]);
  }
}

/** From the narrowest average to the widest. */
function indexesOf(kind: number, slot: number): number[] {
  return [kind * DAY_SLOTS + slot, KINDS * DAY_SLOTS + slot, (KINDS + 1) * DAY_SLOTS];
}
