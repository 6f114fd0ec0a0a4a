// @ts-check
import { ALERTS_IN_SNAPSHOT, textOrder, withAlerts, withFetchedAlerts } from './alert-state.js';

/**
 * What the page knows, as a value: each message of the live stream makes the next one. Pure; unchanged parts keep their
 * identity.
 *
 * @typedef {import('./wire-types.js').LiveMessage} LiveMessage
 * @typedef {object} GridState
 * @property {ReadonlyMap<string, import('./wire-types.js').Region> | null} regions null until the first snapshot
 * @property {ReadonlyMap<string, ReadonlyMap<number, CurvePoint>>} curves by region, then by start of the minute (epoch ms)
 * @property {ReadonlyMap<string, import('./wire-types.js').Anomaly> | null} anomalies by id; null until the first snapshot
 * @property {import('./alert-state.js').Alerts | null} alerts null until the first snapshot
 * @property {boolean} hasOlderAlerts the stream left out older ones than it sent
 * @property {ReadonlyMap<string, import('./bills/bill-types.js').Price> | null} prices by region; null until the first snapshot
 * @property {import('./wire-types.js').Engine | null} engine
 * @property {number} clockOffsetMs the engine's clock minus this machine's
 * @property {MeterView | null} meter the meter that is being watched
 * @typedef {{ sumPowerKw: number, metersReporting: number }} CurvePoint
 * @typedef {{ meterId: string, now: { meter: import('./wire-types.js').Meter, openWindows: import('./wire-types.js').MeterWindow[] } | null, error: string | null }} MeterView
 */

/** Minutes of curve that are kept: the last hour and the minute that is under way. */
export const CURVE_MINUTES = 60;
/** Episodes kept: those of a snapshot (200) and what comes while the page is open; the oldest ended ones go first. */
export const ANOMALIES_MAX = 500;

const MINUTE_MS = 60_000;
/** As people count. Made once: localeCompare makes one for each pair, ten times as slow. */
const names = new Intl.Collator('en', { numeric: true });
/** Windows close one by one after their minute: the engine waits a minute at most for late readings, and some more for meters that fell silent. */
const CLOSING_MS = 120_000;

/** @type {GridState} */
export const emptyState = { regions: null, curves: new Map(), anomalies: null, alerts: null, hasOlderAlerts: false, prices: null, engine: null, clockOffsetMs: 0, meter: null };

/**
 * @param {GridState} state
 * @param {LiveMessage} message
 * @param {number} nowMs this machine's clock
 * @returns {GridState}
 */
export function withMessage(state, message, nowMs) {
  const channel = message.channel ?? '';
  if (message.type === 'error') return withError(state, channel, message.message ?? '');
  if (message.type !== 'snapshot' && message.type !== 'update') return state;
  const fresh = message.type === 'snapshot';
  if (channel === 'regions') return withRegions(state, message.data, fresh);
  if (channel === 'anomalies') return withAnomalies(state, message.data.anomalies, fresh);
  if (channel === 'alerts') return withAlertMessage(state, message.data.alerts, fresh);
  if (channel === 'prices') return withPrices(state, message.data.prices, fresh);
  if (channel === 'engine') return { ...state, engine: message.data, clockOffsetMs: Date.parse(message.data.now) - nowMs };
  if (channel === `meter:${state.meter?.meterId}`) {
    return { ...state, meter: { meterId: channel.slice('meter:'.length), now: message.data, error: null } };
  }
  return state;
}

/** @param {GridState} state @param {string | null} meterId @returns {GridState} */
export function withMeter(state, meterId) {
  if (meterId === (state.meter?.meterId ?? null)) return state;
  return { ...state, meter: meterId === null ? null : { meterId, now: null, error: null } };
}

/** @param {GridState} state @param {string} channel @param {string} text @returns {GridState} */
function withError(state, channel, text) {
  if (!state.meter || channel !== `meter:${state.meter.meterId}`) return state;
  return { ...state, meter: { ...state.meter, error: text } };
}

/**
 * @param {GridState} state
 * @param {{ regions: import('./wire-types.js').Region[], windows: import('./wire-types.js').CurveWindow[] }} data
 * @param {boolean} fresh
 * @returns {GridState}
 */
function withRegions(state, data, fresh) {
  const regions = new Map(fresh ? [] : state.regions);
  for (const region of data.regions) regions.set(region.region, region);
  const sorted = new Map([...regions].sort(([a], [b]) => names.compare(a, b)));
  if (!fresh && data.windows.length === 0) return { ...state, regions: sorted };

  /** @type {Map<string, Map<number, CurvePoint>>} */
  const curves = new Map();
  if (!fresh) for (const [region, curve] of state.curves) curves.set(region, new Map(curve));
  for (const window of data.windows) {
    let curve = curves.get(window.region);
    if (!curve) curves.set(window.region, (curve = new Map()));
    curve.set(Date.parse(window.windowStart), { sumPowerKw: window.sumPowerKw, metersReporting: window.metersReporting });
  }
  dropOldMinutes(curves);
  return { ...state, regions: sorted, curves };
}

/** @param {Map<string, Map<number, CurvePoint>>} curves */
function dropOldMinutes(curves) {
  const oldest = newestMinute(curves) - CURVE_MINUTES * MINUTE_MS;
  for (const curve of curves.values()) {
    for (const start of curve.keys()) if (start < oldest) curve.delete(start);
  }
}

/** @param {ReadonlyMap<string, ReadonlyMap<number, CurvePoint>>} curves */
function newestMinute(curves) {
  let newest = 0;
  for (const curve of curves.values()) for (const start of curve.keys()) newest = Math.max(newest, start);
  return newest;
}

/** @param {GridState} state @param {import('./wire-types.js').Anomaly[]} changed @param {boolean} fresh @returns {GridState} */
function withAnomalies(state, changed, fresh) {
  const anomalies = new Map(fresh ? [] : state.anomalies);
  for (const anomaly of changed) anomalies.set(anomaly.id, anomaly);
  if (anomalies.size > ANOMALIES_MAX) {
    const kept = sortedAnomalies(anomalies.values()).slice(0, ANOMALIES_MAX);
    return { ...state, anomalies: new Map(kept.map((anomaly) => [anomaly.id, anomaly])) };
  }
  return { ...state, anomalies };
}

/** @param {GridState} state @param {import('./wire-types.js').Alert[]} changed @param {boolean} fresh @returns {GridState} */
function withAlertMessage(state, changed, fresh) {
  return { ...state, alerts: withAlerts(state.alerts, changed, fresh), hasOlderAlerts: fresh ? changed.length >= ALERTS_IN_SNAPSHOT : state.hasOlderAlerts };
}

/** @param {GridState} state @param {import('./bills/bill-types.js').Price[]} changed @param {boolean} fresh @returns {GridState} */
function withPrices(state, changed, fresh) {
  const prices = new Map(fresh ? [] : state.prices);
  for (const price of changed) prices.set(price.region, price);
  return { ...state, prices };
}

/** An alert as the gateway answered with it. @param {GridState} state @param {import('./wire-types.js').Alert} alert @returns {GridState} */
export function withAlert(state, alert) {
  return state.alerts === null ? state : { ...state, alerts: withAlerts(state.alerts, [alert], false) };
}

/**
 * @param {GridState} state
 * @param {import('./wire-types.js').Alert[]} fetched all that are active
 * @param {import('./alert-state.js').Alerts} before what was known when they were asked for
 * @returns {GridState}
 */
export function withAllAlerts(state, fetched, before) {
  return state.alerts === null ? state : { ...state, alerts: withFetchedAlerts(state.alerts, fetched, before) };
}

/** Those that go on first, then newest first. @param {Iterable<import('./wire-types.js').Anomaly>} anomalies */
export function sortedAnomalies(anomalies) {
  return [...anomalies].sort((a, b) => {
    if ((a.endedAt === null) !== (b.endedAt === null)) return a.endedAt === null ? -1 : 1;
    return textOrder(b.startedAt, a.startedAt) || textOrder(a.id, b.id);
  });
}

/**
 * The load curve of some regions together: one point in the middle of each minute of the last hour that is over, null
 * where nothing was measured, and the load now as the last point. The minute under way is left out, and so are the ones
 * right before it whose windows are still being closed: not all of their meters are counted yet, so they would look like a drop.
 *
 * @param {GridState} state
 * @param {string[]} names regions to add up
 * @param {number} nowMs the engine's clock
 * @returns {{ seconds: number[], powerKw: (number | null)[] }} times in epoch seconds
 */
export function loadCurve(state, names, nowMs) {
  const total = totals(state, names);
  const thisMinute = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS;
  let end = thisMinute;
  while (end > nowMs - CLOSING_MS && minuteSum(state, names, end - MINUTE_MS).metersReporting < total.metersReporting) end -= MINUTE_MS;
  const seconds = [];
  const powerKw = [];
  for (let start = thisMinute - CURVE_MINUTES * MINUTE_MS; start < end; start += MINUTE_MS) {
    seconds.push((start + MINUTE_MS / 2) / 1000);
    powerKw.push(minuteSum(state, names, start).sumPowerKw);
  }
  seconds.push(nowMs / 1000);
  powerKw.push(total.metersReporting > 0 ? total.loadKw : null);
  return { seconds, powerKw };
}

/**
 * One minute of some regions together; `sumPowerKw` is null when nothing was measured.
 * @param {GridState} state @param {string[]} names @param {number} start epoch ms
 */
function minuteSum(state, names, start) {
  const sum = { sumPowerKw: /** @type {number | null} */ (null), metersReporting: 0 };
  for (const name of names) {
    const point = state.curves.get(name)?.get(start);
    if (!point) continue;
    sum.sumPowerKw = (sum.sumPowerKw ?? 0) + point.sumPowerKw;
    sum.metersReporting += point.metersReporting;
  }
  return sum;
}

/**
 * Sums over regions. `capacityKw` is null when none of them has a capacity.
 * @param {GridState} state @param {string[]} names
 */
export function totals(state, names) {
  const sum = { loadKw: 0, meters: 0, metersReporting: 0, metersSilent: 0, capacityKw: /** @type {number | null} */ (null) };
  for (const name of names) {
    const region = state.regions?.get(name);
    if (!region) continue;
    sum.loadKw += region.loadKw;
    sum.meters += region.meters;
    sum.metersReporting += region.metersReporting;
    sum.metersSilent += region.metersSilent;
    if (region.capacityKw !== null) sum.capacityKw = (sum.capacityKw ?? 0) + region.capacityKw;
  }
  return sum;
}

/**
 * Regions that take more than their capacity, the worst first.
 * @param {GridState} state @returns {import('./wire-types.js').Region[]}
 */
export function overloaded(state) {
  const over = [...(state.regions?.values() ?? [])].filter(({ loadPercent }) => loadPercent !== null && loadPercent > 100);
  return over.sort((a, b) => (b.loadPercent ?? 0) - (a.loadPercent ?? 0));
}
