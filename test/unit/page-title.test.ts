import { expect, test } from 'vitest';

/** What tabs, bookmarks and screen readers call what is looked at. The page is JavaScript without declarations, hence the dynamic imports. */
const web = (file: string) => import(new URL(`../../web/${file}`, import.meta.url).href);
const { pageTitle, placeTitle } = await web('page-title.js');
const { parseRoute } = await web('route.js');

const alerts = new Map([['a/1', { id: 'a/1', title: 'Region r8 is full' }]]);
const titleAt = (hash: string, isConsumer = false): string | null => placeTitle(parseRoute(hash), isConsumer, alerts);

test.each([
  ['', null],
  ['#/', null],
  ['#no-such-page', null],
  ['#/region-08', 'Region region-08'],
  ['#/region-08/SE-0123', 'Meter SE-0123'],
  ['#/region-08/SE-0123&alert=a%2F1', 'Region r8 is full'],
  ['#alert=gone', 'Alert'],
  ['#meters', 'Meters'],
  ['#silent', 'Silent meters'],
  ['#registry', 'Registry'],
  ['#registry/SE-0123', 'Registry: SE-0123'],
  ['#registry/*', 'Registry: new entry'],
  ['#registry/*SE-0123', 'Registry: new entry'],
  ['#tariffs', 'Tariffs'],
  ['#tariffs/night', 'Tariff night'],
  ['#bills', 'Bills'],
  ['#bills/INV%2F1', 'Bill INV/1'],
  ['#prices', 'Prices'],
  ['#engine', 'Engine'],
  ['#account', 'Settings'],
])('of an operator at %s: %s', (hash, title) => {
  expect(titleAt(hash)).toBe(title);
});

test.each([
  ['#home', 'Home'],
  ['#home/SE-0123', 'Meter SE-0123'],
  ['#bills/INV%2F1', 'Bill INV/1'],
  ['#account', 'Account'],
])('of a consumer at %s: %s', (hash, title) => {
  expect(titleAt(hash, true)).toBe(title);
});

test.each([
  [null, { open: 0, critical: 0 }, false, 'Smart Energy Grid'],
  ['Bills', { open: 0, critical: 0 }, false, 'Bills · Smart Energy Grid'],
  [null, { open: 3, critical: 0 }, false, '(3) Smart Energy Grid'],
  ['Bills', { open: 3, critical: 2 }, false, '(3, 2 critical) Bills · Smart Energy Grid'],
  [null, { open: 3, critical: 2 }, true, 'No connection · Smart Energy Grid'],
  ['Bills', { open: 3, critical: 2 }, true, 'No connection · Bills · Smart Energy Grid'],
])('%s with alerts %j, connection lost: %j', (place, counts, isLost, title) => {
  expect(pageTitle(place, counts, isLost)).toBe(title);
});
