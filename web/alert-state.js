// @ts-check
/**
 * The alerts that the page knows, as a value. Pure. What is resolved is left out; a newer version of an alert is never replaced by an
 * older one, whichever way they come.
 *
 * @typedef {import('./wire-types.js').Alert} Alert
 * @typedef {ReadonlyMap<string, Alert>} Alerts active ones, by id
 * @typedef {{ severity: 'INFO' | 'WARN' | 'CRITICAL', region: string | null }} AlertFilter
 *   `severity`: the least that is shown. `region`: null for all, ENGINE for what is in none.
 * @typedef {{ open: number, critical: number, acknowledged: number, heldBack: number }} AlertCounts
 *   `open`: nobody has acknowledged them. `critical`: of these. What is held back is in its own figure alone.
 */

/** A snapshot of the live stream has so many at most, the newest: where it is full there may be older ones, which REST has. */
export const ALERTS_IN_SNAPSHOT = 200;
/** More than anybody reads in a night; of a larger storm the worst are kept. 2 MB. */
export const ALERTS_MAX = 2_000;
/** In place of a region's name: it is longer than any. */
export const ENGINE = '-'.repeat(65);

const RANKS = { CRITICAL: 0, WARN: 1, INFO: 2 };

/**
 * @param {Alerts | null} known
 * @param {Alert[]} changed whole, as they have become
 * @param {boolean} fresh of a snapshot
 * @returns {Alerts}
 */
export function withAlerts(known, changed, fresh) {
  const alerts = new Map(fresh ? olderThanSnapshot(known, changed) : known);
  for (const alert of changed) {
    if (!fresh && isOlder(alert, alerts)) continue;
    if (alert.state === 'resolved') alerts.delete(alert.id);
    else alerts.set(alert.id, alert);
  }
  return bounded(alerts);
}

/** A full snapshot says nothing of alerts older than its oldest. @param {Alerts | null} known @param {Alert[]} snapshot */
function olderThanSnapshot(known, snapshot) {
  if (known === null || snapshot.length < ALERTS_IN_SNAPSHOT) return [];
  const oldest = snapshot.reduce((least, { openedAt }) => (openedAt < least ? openedAt : least), snapshot[0].openedAt);
  return [...known].filter(([, { openedAt }]) => openedAt < oldest);
}

/**
 * All active alerts as REST has them, asked for when `before` was known. What the stream said meanwhile is newer, also that one is over.
 * @param {Alerts} known @param {Alert[]} fetched @param {Alerts} before @returns {Alerts}
 */
export function withFetchedAlerts(known, fetched, before) {
  const alerts = new Map([...known].filter(([id, alert]) => before.get(id) !== alert));
  for (const alert of fetched) {
    const isOver = before.has(alert.id) && !known.has(alert.id);
    if (!isOver) alerts.set(alert.id, isOlder(alert, known) ? /** @type {Alert} */ (known.get(alert.id)) : alert);
  }
  return bounded(alerts);
}

/** @param {Alert} alert @param {Alerts} known */
function isOlder(alert, known) {
  const other = known.get(alert.id);
  return other !== undefined && other.version > alert.version;
}

/** @param {Map<string, Alert>} alerts @returns {Alerts} */
function bounded(alerts) {
  if (alerts.size <= ALERTS_MAX) return alerts;
  return new Map(sortedAlerts(alerts.values()).slice(0, ALERTS_MAX).map((alert) => [alert.id, alert]));
}

/** Worst first, then newest. @param {Iterable<Alert>} alerts */
export function sortedAlerts(alerts) {
  return [...alerts].sort((a, b) => RANKS[a.severity] - RANKS[b.severity] || textOrder(b.startedAt, a.startedAt) || textOrder(a.id, b.id));
}

/** ISO times and ids sort as they are; localeCompare takes ten times as long. @param {string} a @param {string} b */
export function textOrder(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * What a list shows: those that people are told of, and those that are held back.
 * @param {Alerts} alerts @param {AlertFilter} filter
 */
export function filteredAlerts(alerts, { severity, region }) {
  const matching = [...alerts.values()].filter((alert) => RANKS[alert.severity] <= RANKS[severity] && (region === null || (alert.region ?? ENGINE) === region));
  const sorted = sortedAlerts(matching);
  return { shown: sorted.filter(({ suppression }) => suppression === null), heldBack: sorted.filter(({ suppression }) => suppression !== null) };
}

/** Where alerts are, in the order a person counts; ENGINE last. @param {Alerts} alerts */
export function alertRegions(alerts) {
  const regions = new Set([...alerts.values()].map(({ region }) => region ?? ENGINE));
  return [...regions].sort((a, b) => Number(a === ENGINE) - Number(b === ENGINE) || a.localeCompare(b, 'en', { numeric: true }));
}

/** @param {Alerts | null} alerts @returns {AlertCounts} */
export function alertCounts(alerts) {
  const counts = { open: 0, critical: 0, acknowledged: 0, heldBack: 0 };
  for (const { state, severity, suppression } of alerts?.values() ?? []) {
    if (suppression !== null) counts.heldBack++;
    else if (state === 'acknowledged') counts.acknowledged++;
    else {
      counts.open++;
      if (severity === 'CRITICAL') counts.critical++;
    }
  }
  return counts;
}

/** What keeps this alert quiet and nothing else: its rule, for its subject. @param {Alert} alert */
export function matchOf({ rule, region, meterId, component }) {
  if (meterId !== null) return { rules: [rule], meters: [meterId] };
  return component === null ? { rules: [rule], regions: [region] } : { rules: [rule], components: [component] };
}
