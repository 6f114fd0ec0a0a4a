import { describe, expect, test } from 'vitest';
import { missingSuite } from '../support/required-suites.ts';

describe('a suite whose program is missing', () => {
  test('says that it did not run and how to run it', () => {
    expect(missingSuite('Unobtainium', 'Mine some.', false)).toMatch(/Unobtainium suite did not run.*Mine some\./);
  });

  test('fails when all suites are required', () => {
    expect(() => missingSuite('Unobtainium', 'Mine some.', true)).toThrow(/Unobtainium.*Mine some.*SEG_REQUIRE_ALL_SUITES/);
  });
});
