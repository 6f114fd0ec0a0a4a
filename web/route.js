// @ts-check
import { useEffect, useState } from './ui.js';

/**
 * What is looked at stands in the address, so that a link leads there and Back goes back. A place of the grid begins with a slash, `#/region/meter`; other pages
 * have names, `#bills/ID`; with either goes an opened alert, as in messages: `#alert=ID`, `#/region/meter&alert=ID`.
 *
 * @typedef {{ page: string, id: string | null, region: string | null, meterId: string | null, alertId: string | null }} Route
 *   `page`: GRID, or the name of another; `id`: what is opened on that one
 */

/** The page of an address that names none. */
export const GRID = 'grid';
/** Stands in the place of an entry of the registry, before the id of one that is to be made; no id begins so. */
export const NEW_ENTRY = '*';

/** @param {string} hash with its `#` @returns {Route} */
export function parseRoute(hash) {
  const parts = hash.slice(1).split('&');
  const [, region, meterId] = (parts.find((part) => part.startsWith('/')) ?? '').split('/').map(decoded);
  const alert = parts.find((part) => part.startsWith('alert='));
  const [page = GRID, id] = (parts.find((part) => /^[a-z]/.test(part) && !part.includes('=')) ?? GRID).split('/').map(decoded);
  return { page, id: id || null, region: region || null, meterId: meterId || null, alertId: alert ? decoded(alert.slice('alert='.length)) || null : null };
}

/** @param {Pick<Route, 'region' | 'meterId' | 'alertId'>} route of the grid */
export function routeHash({ region, meterId, alertId }) {
  const place = region === null ? [] : ['', region, ...(meterId === null ? [] : [meterId])];
  return `#${[...(place.length === 0 ? [] : [place.map(encodeURIComponent).join('/')]), ...(alertId === null ? [] : [`alert=${encodeURIComponent(alertId)}`])].join('&')}`;
}

/** `#bills/INV-1` @param {string} page @param {string | null} [id] */
export function pageHash(page, id = null) {
  return `#${page}${id === null ? '' : `/${encodeURIComponent(id)}`}`;
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

/** Leads to another page. @param {string} page @param {string | null} [id] */
export function goToPage(page, id = null) {
  location.hash = pageHash(page, id);
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
