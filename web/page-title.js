// @ts-check
import { pageWords } from './page-nav.js';
import { NEW_ENTRY } from './route.js';

/** What tabs, bookmarks and screen readers call what is looked at. Pure. */

export const NAME = 'Smart Energy Grid';
/** Pages whose link says less than a title has to, as the others stand beside it. @type {Record<string, string>} */
const LONGER_WORDS = { silent: 'Silent meters' };
/** What is opened on a page. @type {Record<string, (id: string) => string>} */
const OPENED = {
  home: (id) => `Meter ${id}`,
  bills: (id) => `Bill ${id}`,
  tariffs: (id) => `Tariff ${id}`,
  registry: (id) => `Registry: ${id.startsWith(NEW_ENTRY) ? 'new entry' : id}`,
};

/**
 * Null: the grid as a whole, which is what the name says.
 * @param {import('./route.js').Route} route
 * @param {boolean} isConsumer
 * @param {import('./alert-state.js').Alerts | null} alerts
 */
export function placeTitle({ page, id, region, meterId, alertId }, isConsumer, alerts) {
  const words = pageWords(page, isConsumer);
  if (words !== null) return (id === null ? undefined : OPENED[page]?.(id)) ?? LONGER_WORDS[page] ?? words;
  if (alertId !== null) return alerts?.get(alertId)?.title ?? 'Alert';
  if (meterId !== null) return `Meter ${meterId}`;
  return region === null ? null : `Region ${region}`;
}

/** The place before the name of all, as the end is cut off. @param {string | null} place */
export function titleOf(place) {
  return place === null ? NAME : `${place} · ${NAME}`;
}

/** What a tab says beyond that comes first. @param {string | null} place @param {Pick<import('./alert-state.js').AlertCounts, 'open' | 'critical'>} counts @param {boolean} isLost */
export function pageTitle(place, { open, critical }, isLost) {
  if (isLost) return `No connection · ${titleOf(place)}`;
  if (open === 0) return titleOf(place);
  return `(${open}${critical === 0 ? '' : `, ${critical} critical`}) ${titleOf(place)}`;
}
