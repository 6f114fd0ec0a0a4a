// @ts-check
import { useEffect, useState } from './ui.js';

/**
 * What is selected stands in the address, so that a link leads there and Back goes back: `#/region/meter`, `#alert=ID` as in
 * messages, or both, `#/region/meter&alert=ID`.
 *
 * @typedef {{ region: string | null, meterId: string | null, alertId: string | null }} Route
 */

/** @param {string} hash with its `#` @returns {Route} */
export function parseRoute(hash) {
  const parts = hash.slice(1).split('&');
  const [, region, meterId] = (parts.find((part) => part.startsWith('/')) ?? '').split('/').map(decoded);
  const alert = parts.find((part) => part.startsWith('alert='));
  return { region: region || null, meterId: meterId || null, alertId: alert ? decoded(alert.slice('alert='.length)) || null : null };
}

/** @param {Route} route */
export function routeHash({ region, meterId, alertId }) {
  const place = region === null ? [] : ['', region, ...(meterId === null ? [] : [meterId])];
  return `#${[...(place.length === 0 ? [] : [place.map(encodeURIComponent).join('/')]), ...(alertId === null ? [] : [`alert=${encodeURIComponent(alertId)}`])].join('&')}`;
}

/** An address that somebody cut short is read as it stands. @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Leads to a region or a meter in it; what else is selected stays. @param {string} region @param {string} [meterId] */
export function goTo(region, meterId) {
  location.hash = routeHash({ ...parseRoute(location.hash), region, meterId: meterId ?? null });
}

/** Opens an alert, or closes it. @param {string | null} alertId */
export function openAlert(alertId) {
  location.hash = routeHash({ ...parseRoute(location.hash), alertId });
}

export function useRoute() {
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  useEffect(() => {
    const changed = () => setRoute(parseRoute(location.hash));
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return route;
}
