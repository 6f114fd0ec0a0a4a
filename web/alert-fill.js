// @ts-check
import { getJson } from './api.js';
import { ALERTS_MAX } from './alert-state.js';
import { useRemote } from './remote-data.js';

/** Where the stream's snapshot is full, what it left out is asked for so often: an alert that ends is known at once, also without. */
const REFRESH_MS = 30_000;
/** The most that the API gives at once. */
const PAGE_ROWS = '1000';

/**
 * All active alerts over REST, the worst first and ALERTS_MAX at most, where the stream has the newest only.
 *
 * @param {boolean} wanted
 * @param {() => import('./alert-state.js').Alerts | null} known as the stream has them now
 * @param {(fetched: import('./wire-types.js').Alert[], before: import('./alert-state.js').Alerts) => void} onFetched `before`: what was known when it was asked
 */
export function useAllAlerts(wanted, known, onFetched) {
  useRemote(
    String(wanted),
    async (signal) => {
      const before = known();
      if (wanted && before !== null) onFetched(await fetchActive(signal), before);
      return null;
    },
    wanted ? REFRESH_MS : null,
  );
}

/** @param {AbortSignal} signal */
async function fetchActive(signal) {
  /** @type {import('./wire-types.js').Alert[]} */
  const alerts = [];
  for (const severity of ['CRITICAL', 'WARN', 'INFO']) {
    /** @type {string | null} */
    let cursor = null;
    do {
      /** @type {import('./wire-types.js').Page<import('./wire-types.js').Alert>} */
      const page = await getJson('/alerts/active', { severity, limit: PAGE_ROWS, cursor }, signal);
      alerts.push(...page.data);
      cursor = page.nextCursor;
    } while (cursor !== null && alerts.length < ALERTS_MAX);
    if (alerts.length >= ALERTS_MAX) break;
  }
  return alerts;
}
