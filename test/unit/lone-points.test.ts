import { expect, test } from 'vitest';

/** The page is JavaScript without declarations, hence the dynamic import. */
const { lonePoints } = await import(new URL('../../web/load-curve.js', import.meta.url).href);

test('figures without a neighbour are drawn as points, since no line goes through them', () => {
  expect(lonePoints([])).toEqual([]);
  expect(lonePoints([5])).toEqual([0]);
  expect(lonePoints([1, 2, null, 3, null, null, 4, undefined, 0])).toEqual([3, 6, 8]);
  expect(lonePoints([null, null])).toEqual([]);
});
