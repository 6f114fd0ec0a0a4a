import { localTime } from '../people/local-time.ts';
import { QUARTER_MS } from '../../model/energy.ts';
import type { ForecastBacktest, ForecastBasis, ForecastQuarter, LoadForecast, QuarterLoad } from '../../model/region-forecast.ts';

/**
 * What a region will probably draw, by quarter-hours: the mean of the same local time of the same weekday in the last weeks, the newer the more, at the level that the last hours had against theirs.
 * Seasonal naive forecasts are what others have to be better than (Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., 5.2), smoothed exponentially over seasons (8.1); the band is of the errors that
 * the same way of forecasting made in the last week (5.5). Pure: quarters are numbers since 1970-01-01T00:00Z, and a forecast from `origin` knows quarters before it alone.
 */

const QUARTERS_A_DAY = 96;
const QUARTERS_A_WEEK = 7 * QUARTERS_A_DAY;
/** Of the same time in the last week, the one before, …: load follows the year within a month. */
const WEEK_WEIGHTS = [1, 0.6, 0.36, 0.216] as const;
/** The same time of so many days back at most, where there is none of a week ago: two days ahead have their own yesterday two days ago. */
const DAYS_BACK_MAX = 3;
/** The level is of the last three hours, the newer the more. */
const LEVEL_QUARTERS = 12;
const LEVEL_FADING = 0.8;
/** A region that draws three times of what it drew is another region. */
const LEVEL_MAX = 3;
/** After so many quarter-hours half of a level's difference is left: weather passes. Chosen with the two fleets of bench/RESULTS.md. */
const LEVEL_HALF_LIFE = 24;
const LEVEL_STAYS = 0.5 ** (1 / LEVEL_HALF_LIFE);

export const FORECAST_QUARTERS = 2 * QUARTERS_A_DAY;
/** What is looked at before `origin`: the four weeks before the week that was forecast for the errors, and the level's hours. */
export const HISTORY_QUARTERS = (WEEK_WEIGHTS.length + 1) * QUARTERS_A_WEEK + QUARTERS_A_DAY;
/** From one forecast of the past to the next: 56 in a week. */
const BACKTEST_STEP = 12;
/** Leads whose errors are taken together, up to: an hour, six, a day, two. */
const LEAD_GROUPS = [4, 24, QUARTERS_A_DAY, FORECAST_QUARTERS] as const;
/** Of fewer errors a tenth says nothing. */
const ERRORS_MIN = 20;
const LOW = 0.1;
const HIGH = 0.9;
/** Percentages are of loads that are so much of the mean one at least: of a region that exports as much as it draws the rest would say nothing. */
const PERCENT_OF_MEAN_MIN = 0.01;

/** A region's past by quarter and by local time. */
export class LoadHistory {
  readonly firstQuarter: number;
  readonly #zone: string;
  readonly #loads = new Map<number, number>();
  /** By local quarter: of a day on which the clock is set back two quarters share one. */
  readonly #local = new Map<number, { sumKw: number; count: number; last: number }>();
  /** What weeks say of a quarter: forecasts of the past ask for the same ones again and again. */
  readonly #byWeeks = new Map<number, number>();

  constructor(zone: string, loads: readonly QuarterLoad[]) {
    this.#zone = zone;
    this.firstQuarter = loads.reduce((first, { quarter }) => Math.min(first, quarter), Infinity);
    for (const { quarter, powerKw } of loads) {
      this.#loads.set(quarter, powerKw);
      const local = this.#localQuarter(quarter);
      const known = this.#local.get(local);
      if (known === undefined) this.#local.set(local, { sumKw: powerKw, count: 1, last: quarter });
      else {
        known.sumKw += powerKw;
        known.count++;
        known.last = Math.max(known.last, quarter);
      }
    }
  }

  /** NaN: not known. */
  at(quarter: number): number {
    return this.#loads.get(quarter) ?? NaN;
  }

  /** What is usual at the quarter, which is two days after `origin` at most, as far as that is known before `origin`; NaN: nothing is. */
  seasonal(quarter: number, origin: number): number {
    let powerKw = this.#byWeeks.get(quarter);
    if (powerKw === undefined) this.#byWeeks.set(quarter, (powerKw = this.#seasonalByWeeks(quarter)));
    if (!Number.isNaN(powerKw)) return powerKw;
    const local = this.#localQuarter(quarter);
    for (let days = 1; days <= DAYS_BACK_MAX; days++) {
      const known = this.#local.get(local - days * QUARTERS_A_DAY);
      if (known !== undefined && known.last < origin) return known.sumKw / known.count;
    }
    return NaN;
  }

  /** Of days that were over long before any origin that a forecast of the quarter has. */
  #seasonalByWeeks(quarter: number): number {
    const local = this.#localQuarter(quarter);
    let sum = 0;
    let weights = 0;
    for (let i = 0; i < WEEK_WEIGHTS.length; i++) {
      const known = this.#local.get(local - (i + 1) * QUARTERS_A_WEEK);
      if (known === undefined) continue;
      sum += (WEEK_WEIGHTS[i] * known.sumKw) / known.count;
      weights += WEEK_WEIGHTS[i];
    }
    return weights === 0 ? NaN : sum / weights;
  }

  /** How the last hours were against what is usual; 1 where that is not known, or either is not above zero. */
  level(origin: number): number {
    let actual = 0;
    let usual = 0;
    for (let back = 1, weight = 1; back <= LEVEL_QUARTERS; back++, weight *= LEVEL_FADING) {
      const quarter = origin - back;
      const [isKw, wasKw] = [this.at(quarter), this.seasonal(quarter, quarter)];
      if (Number.isNaN(isKw) || Number.isNaN(wasKw)) continue;
      actual += weight * isKw;
      usual += weight * wasKw;
    }
    if (actual <= 0 || usual <= 0) return 1;
    return Math.min(LEVEL_MAX, Math.max(1 / LEVEL_MAX, actual / usual));
  }

  /** Of so many quarters from `origin` on; NaN where nothing is known to go by. */
  expect(origin: number, quarters: number): Float64Array {
    const level = this.level(origin);
    const expected = new Float64Array(quarters);
    for (let lead = 0, above = level - 1; lead < quarters; lead++, above *= LEVEL_STAYS) expected[lead] = this.seasonal(origin + lead, origin) * (1 + above);
    return expected;
  }

  basisAt(origin: number): ForecastBasis | null {
    if (this.firstQuarter <= origin - QUARTERS_A_WEEK) return 'weeks';
    return this.firstQuarter <= origin - QUARTERS_A_DAY ? 'day' : null;
  }

  #localQuarter(quarter: number): number {
    const { day, timeMs } = localTime(this.#zone, quarter * QUARTER_MS);
    return day * QUARTERS_A_DAY + Math.floor(timeMs / QUARTER_MS);
  }
}

/** Loads are those of HISTORY_QUARTERS before `origin`, each quarter once, in any order. Throws RangeError for a zone that is unknown. */
export function forecastLoad(zone: string, loads: readonly QuarterLoad[], origin: number): LoadForecast {
  const history = new LoadHistory(zone, loads);
  const basis = history.basisAt(origin);
  const missing = basis === null ? 'no_history' : isSilent(history, origin) ? 'silent' : null;
  if (basis === null || missing !== null) return { basis: null, missing, level: null, quarters: [], backtest: null };
  const { errors, backtest } = backtestLoad(history, origin, basis);
  const bands = errors.map(bandOf);
  const quarters: ForecastQuarter[] = [];
  history.expect(origin, FORECAST_QUARTERS).forEach((powerKw, lead) => {
    if (Number.isNaN(powerKw)) return;
    const band = bands[groupOf(lead)];
    // Errors that are all on one side move the band away from the curve: it is drawn around it all the same.
    quarters.push({ quarter: origin + lead, powerKw, lowKw: band === null ? null : powerKw + Math.min(0, band.low), highKw: band === null ? null : powerKw + Math.max(0, band.high) });
  });
  return { basis, missing: null, level: history.level(origin), quarters, backtest };
}

function isSilent(history: LoadHistory, origin: number): boolean {
  for (let back = 1; back <= QUARTERS_A_DAY; back++) if (!Number.isNaN(history.at(origin - back))) return false;
  return true;
}

/** Forecasts of the last week from what was known then, on the same basis. Errors are actual less forecast, kW, by group of leads. */
function backtestLoad(history: LoadHistory, origin: number, basis: ForecastBasis): { errors: number[][]; backtest: ForecastBacktest | null } {
  const errors: number[][] = LEAD_GROUPS.map(() => []);
  const pairs: { actual: number; expected: number; last: number }[] = [];
  let forecasts = 0;
  let from = Infinity;
  for (let then = origin - QUARTERS_A_WEEK; then < origin; then += BACKTEST_STEP) {
    if (history.basisAt(then) !== basis || isSilent(history, then)) continue;
    const known = pairs.length;
    const last = history.at(then - 1);
    const expectations = history.expect(then, Math.min(FORECAST_QUARTERS, origin - then));
    for (let lead = 0; lead < expectations.length; lead++) {
      const actual = history.at(then + lead);
      const expected = expectations[lead];
      if (Number.isNaN(actual) || Number.isNaN(expected)) continue;
      errors[groupOf(lead)].push(actual - expected);
      if (lead < QUARTERS_A_DAY && !Number.isNaN(last)) pairs.push({ actual, expected, last });
    }
    if (pairs.length === known) continue;
    forecasts++;
    from = Math.min(from, then);
  }
  if (pairs.length === 0) return { errors, backtest: null };
  const meanKw = pairs.reduce((sum, { actual }) => sum + Math.abs(actual), 0) / pairs.length;
  const telling = pairs.filter(({ actual }) => actual !== 0 && Math.abs(actual) >= PERCENT_OF_MEAN_MIN * meanKw);
  const mape = (of: (pair: (typeof pairs)[number]) => number): number | null =>
    telling.length === 0 ? null : (100 * telling.reduce((sum, pair) => sum + Math.abs((pair.actual - of(pair)) / pair.actual), 0)) / telling.length;
  return { errors, backtest: { from, to: origin, forecasts, quarters: telling.length, mapePercent: mape(({ expected }) => expected), persistenceMapePercent: mape(({ last }) => last) } };
}

function groupOf(lead: number): number {
  let group = 0;
  while (lead >= LEAD_GROUPS[group]) group++;
  return group;
}

function bandOf(errors: readonly number[]): { low: number; high: number } | null {
  if (errors.length < ERRORS_MIN) return null;
  const sorted = Float64Array.from(errors).sort();
  return { low: quantile(sorted, LOW), high: quantile(sorted, HIGH) };
}

/** Between the two nearest of them. */
function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low] + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]);
}
