// @ts-check
/** Words for what the registry of meters says by codes, and addresses as people write them. */

/** @type {Record<import('./registry-types.js').MeterStatus, { word: string, level: string }>} */
export const STATUSES = {
  installed: { word: 'Installed', level: 'good' },
  planned: { word: 'Planned', level: 'calm' },
  removed: { word: 'Removed', level: 'warn' },
};

/** `Hauptstraße 1, 50667 Köln, DE`; empty when nothing is known. @param {import('./registry-types.js').MeterAddress} address */
export function addressText({ street, postalCode, city, country }) {
  const place = [postalCode, city].filter((part) => part !== null).join(' ');
  return [street, place, country].filter((part) => part !== null && part !== '').join(', ');
}
