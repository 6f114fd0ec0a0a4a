import { expect, test } from 'vitest';
import { quartersWithin } from '../../src/http/own-time.ts';

/** What somebody sees of a meter that was theirs for a time. */

const QUARTER_MS = 15 * 60_000;

test.each([
  ['whole quarter-hours', 2, 5, [{ from: 2, to: 5 }]],
  ['what lies within its edges', 2.5, 4.5, [{ from: 3, to: 4 }]],
  ['nothing between two edges of one quarter-hour', 3.2, 3.8, []],
  ['nothing where its edges lie on both sides of one', 2.5, 3.5, []],
])('of quarter-hours 1 to 9 a held time gives %s', (_, from, until, expected) => {
  expect(quartersWithin({ from: 1, to: 9 }, [{ from: from * QUARTER_MS, until: until * QUARTER_MS }])).toEqual(expected);
});
