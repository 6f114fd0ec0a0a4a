// @ts-check
import { useEffect, useState } from './ui.js';
import { getJson } from './api.js';
import { zoneId } from './format.js';

/**
 * What regions will probably draw, as the engine forecasts it (GET /regions/…/forecast).
 *
 * @typedef {{ startMs: number, powerKw: number, lowKw: number | null, highKw: number | null }} Quarter
 * @typedef {{ from: string, to: string, forecasts: number, quarters: number, mapePercent: number | null, persistenceMapePercent: number | null }} Backtest
 * @typedef {{ region: string, asOf: string, capacityKw: number | null, basis: 'weeks' | 'day' | null, missing: 'no_history' | 'silent' | null, level: number | null,
 *   data: { windowStart: string, powerKw: number, lowKw: number | null, highKw: number | null }[], backtest: Backtest | null }} ForecastAnswer
 * @typedef {{ quarters: Quarter[], peak: Quarter | null, basis: 'weeks' | 'day' | 'both' | null, missing: 'no_history' | 'silent' | null, backtest: Backtest | null }} Forecast `basis`: `both` of several regions
 */

/** The next evening's peak is in it, whenever one looks. */
export const FORECAST_HOURS = 24;
/** Regions of the board that are forecast; each is a question. Of more there is no sum. */
const REGIONS_MAX = 100;
const AT_ONCE = 3;
/** There is another each quarter-hour. */
export const REFRESH_MS = 300_000;

/** @param {ForecastAnswer} answer @returns {Forecast} */
export function forecastOf({ data, basis, missing, backtest }) {
  return withPeak(data.map(({ windowStart, powerKw, lowKw, highKw }) => ({ startMs: Date.parse(windowStart), powerKw, lowKw, highKw })), { basis, missing, backtest });
}

/** @param {Quarter[]} quarters @param {Omit<Forecast, 'quarters' | 'peak'>} more @returns {Forecast} */
function withPeak(quarters, more) {
  return { quarters, peak: quarters.length === 0 ? null : quarters.reduce((best, quarter) => (quarter.powerKw > best.powerKw ? quarter : best)), ...more };
}

/**
 * All of them together, in the quarter-hours that each of them has; null where one is not known. Their bands are added up: it is wider than it will be, as not all of them err the same way.
 * @param {(Forecast | null | undefined)[]} forecasts
 * @returns {Forecast | null}
 */
export function forecastOfAll(forecasts) {
  /** @type {Map<number, { count: number, powerKw: number, lowKw: number | null, highKw: number | null }>} */
  const sums = new Map();
  for (const forecast of forecasts) {
    if (!forecast || forecast.quarters.length === 0) return null;
    for (const { startMs, powerKw, lowKw, highKw } of forecast.quarters) {
      const sum = sums.get(startMs) ?? { count: 0, powerKw: 0, lowKw: 0, highKw: 0 };
      sums.set(startMs, {
        count: sum.count + 1,
        powerKw: sum.powerKw + powerKw,
        lowKw: sum.lowKw === null || lowKw === null ? null : sum.lowKw + lowKw,
        highKw: sum.highKw === null || highKw === null ? null : sum.highKw + highKw,
      });
    }
  }
  const whole = [...sums].filter(([, { count }]) => count === forecasts.length).sort(([a], [b]) => a - b);
  const bases = new Set(forecasts.map((forecast) => forecast?.basis));
  const basis = bases.size > 1 ? 'both' : bases.has('day') ? 'day' : 'weeks';
  return whole.length === 0 ? null : withPeak(whole.map(([startMs, { powerKw, lowKw, highKw }]) => ({ startMs, powerKw, lowKw, highKw })), { basis, missing: null, backtest: null });
}

/** What is alike on a day is so by the clock of who looks. @param {string} region @param {AbortSignal} signal @returns {Promise<Forecast>} */
export async function loadForecast(region, signal) {
  return forecastOf(await getJson(`/regions/${encodeURIComponent(region)}/forecast`, { hours: String(FORECAST_HOURS), zone: zoneId() }, signal));
}

/**
 * Forecasts of the first regions, as they come.
 * @param {string[]} names
 * @returns {ReadonlyMap<string, Forecast>}
 */
export function useForecasts(names) {
  const [forecasts, setForecasts] = useState(/** @type {ReadonlyMap<string, Forecast>} */ (new Map()));
  const asked = names.slice(0, REGIONS_MAX);
  useEffect(() => {
    const controller = new AbortController();
    const run = async () => {
      const queue = [...asked];
      const worker = async () => {
        for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
          const region = name;
          // The board is there without them, and where one fails the next would, too.
          const forecast = await loadForecast(region, controller.signal).catch(() => undefined);
          if (forecast === undefined || controller.signal.aborted) return;
          setForecasts((before) => new Map(before).set(region, forecast));
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
    };
    void run();
    const timer = setInterval(() => document.visibilityState === 'visible' && void run(), REFRESH_MS);
    return () => {
      controller.abort();
      clearInterval(timer);
    };
  }, [asked.join()]);
  return forecasts;
}
