import { expect, test } from 'vitest';
import { utcText } from '../../src/model/utc-text.ts';

test('a time in a sentence is to the second, in UTC, and what is no date is a number', () => {
  expect([utcText(Date.UTC(2026, 10, 27, 10, 34, 17, 999)), utcText(0), utcText(Infinity), utcText(9e15), utcText(NaN)]).toEqual(['2026-11-27 10:34:17 UTC', '1970-01-01 00:00:00 UTC', 'Infinity', '9000000000000000', 'NaN']);
});
