/** What a region will probably draw (actors/region/load-forecast.ts). Quarters are quarter-hours since 1970-01-01T00:00Z. */

/** A quarter-hour of a region that is over. */
export interface QuarterLoad {
  quarter: number;
  powerKw: number;
}

/** `weeks`: there is a week of history or more, and up to four count. `day`: the day before. */
export type ForecastBasis = 'weeks' | 'day';

export interface ForecastQuarter extends QuarterLoad {
  /** Eight of ten errors of the last week lay within; null while too few are known. */
  lowKw: number | null;
  highKw: number | null;
}

/** What the same forecasts would have been worth in the last week, up to a day ahead. `from` and `to` are quarters. */
export interface ForecastBacktest {
  from: number;
  to: number;
  forecasts: number;
  quarters: number;
  /** Mean absolute error in percent of the load; null where no load is far enough from zero. */
  mapePercent: number | null;
  /** The same of saying that all stays as it was last. */
  persistenceMapePercent: number | null;
}

export interface LoadForecast {
  basis: ForecastBasis | null;
  /** Why there is none; null where there is one. */
  missing: 'no_history' | 'silent' | null;
  /** Of the last hours against the same ones before; null without a forecast. */
  level: number | null;
  quarters: ForecastQuarter[];
  /** null while nothing of the last week could be forecast. */
  backtest: ForecastBacktest | null;
}

/** `asOf` is epoch milliseconds. */
export interface RegionForecast extends LoadForecast {
  region: string;
  zone: string;
  /** Begin of the first quarter that is forecast. */
  asOf: number;
}
