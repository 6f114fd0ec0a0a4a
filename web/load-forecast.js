// @ts-check
import { useEffect, useState } from './ui.js';
import { getJson } from './api.js';

/**
 * What a region will probably draw: the same hours of a week ago, or of yesterday while there is no week of history, at the level of the last hour. That is the seasonal naive forecast, which
 * short-term forecasts of load are measured against (Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 5.2), with its level corrected. The engine itself forecasts no regions.
 *
 * @typedef {{ startMs: number, powerKw: number }} Quarter
 * @typedef {{ quarters: Quarter[], peak: Quarter, basis: 'week' | 'day' }} Forecast
 * @typedef {{ windowStart: string, sumPowerKw: number, metersReporting: number }} RegionWindow
 */

const QUARTER_MS = 900_000;
const DAY_MS = 86_400_000;
/** Hours ahead: an evening peak is seen from noon. */
export const FORECAST_MS = 6 * 3_600_000;
/** Of which the level is taken. */
const LEVEL_MS = 3_600_000;
/** A region that draws three times of what it drew is another region. */
const LEVEL_MAX = 3;
/** Regions of the board that are forecast; each is a question or three. */
const REGIONS_MAX = 40;
const AT_ONCE = 3;
/** As long as a quarter-hour goes on there is nothing new. */
const REFRESH_MS = 300_000;

/**
 * Pure; null when the history does not cover the hours ahead.
 * @param {RegionWindow[]} recent of the last hour @param {RegionWindow[]} past of the hour before and the hours after the same time, `agoMs` earlier
 * @param {number} agoMs @param {number} nowMs
 * @returns {{ quarters: Quarter[], peak: Quarter } | null}
 */
export function forecastOf(recent, past, agoMs, nowMs) {
  const first = Math.floor(nowMs / QUARTER_MS) * QUARTER_MS;
  const then = new Map(past.map(({ windowStart, sumPowerKw }) => [Date.parse(windowStart) + agoMs, sumPowerKw]));
  const ahead = Array.from({ length: FORECAST_MS / QUARTER_MS }, (_, i) => first + i * QUARTER_MS).filter((startMs) => then.has(startMs));
  if (ahead.length < FORECAST_MS / QUARTER_MS / 2) return null;
  let now = 0;
  let before = 0;
  for (const { windowStart, sumPowerKw } of recent) {
    const same = then.get(Date.parse(windowStart));
    if (same === undefined || Date.parse(windowStart) >= first) continue;
    now += sumPowerKw;
    before += same;
  }
  const level = before > 0 && now > 0 ? Math.min(LEVEL_MAX, Math.max(1 / LEVEL_MAX, now / before)) : 1;
  const quarters = ahead.map((startMs) => ({ startMs, powerKw: (then.get(startMs) ?? 0) * level }));
  return { quarters, peak: quarters.reduce((best, quarter) => (quarter.powerKw > best.powerKw ? quarter : best)) };
}

/** @param {string} region @param {number} fromMs @param {number} toMs @param {AbortSignal} signal @returns {Promise<RegionWindow[]>} */
async function windowsOf(region, fromMs, toMs, signal) {
  const query = { granularity: '15m', from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString(), limit: '100' };
  const page = /** @type {import('./wire-types.js').Page<RegionWindow>} */ (await getJson(`/regions/${encodeURIComponent(region)}/aggregates`, query, signal));
  return page.data;
}

/** Null: there is no history to go by. @param {string} region @param {number} nowMs @param {AbortSignal} signal @returns {Promise<Forecast | null>} */
export async function loadForecast(region, nowMs, signal) {
  const recent = await windowsOf(region, nowMs - LEVEL_MS - QUARTER_MS, nowMs, signal);
  for (const [basis, agoMs] of /** @type {const} */ ([['week', 7 * DAY_MS], ['day', DAY_MS]])) {
    const past = await windowsOf(region, nowMs - agoMs - LEVEL_MS - QUARTER_MS, nowMs - agoMs + FORECAST_MS, signal);
    const forecast = forecastOf(recent, past, agoMs, nowMs);
    if (forecast !== null) return { ...forecast, basis };
  }
  return null;
}

/**
 * Forecasts of the regions of a board, as they come; of a region without history null.
 * @param {string[]} names
 * @returns {ReadonlyMap<string, Forecast | null>}
 */
export function useForecasts(names) {
  const [forecasts, setForecasts] = useState(/** @type {ReadonlyMap<string, Forecast | null>} */ (new Map()));
  const asked = names.slice(0, REGIONS_MAX);
  useEffect(() => {
    const controller = new AbortController();
    const run = async () => {
      const queue = [...asked];
      const worker = async () => {
        for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
          const region = name;
          // The board is there without them, and where one fails the next would, too.
          const forecast = await loadForecast(region, Date.now(), controller.signal).catch(() => undefined);
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
