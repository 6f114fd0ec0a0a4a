import { describe, expect, test, vi } from 'vitest';
import LeftOutSuites from '../support/left-out-suites.ts';
import { missingSuite } from '../support/required-suites.ts';

describe('a suite whose program is missing', () => {
  test('says that it did not run and how to run it', () => {
    expect(missingSuite('Unobtainium', 'Mine some.', false)).toMatch(/Unobtainium did not run.*Mine some\./);
  });

  test('fails when all suites are required', () => {
    expect(() => missingSuite('Unobtainium', 'Mine some.', true)).toThrow(/Unobtainium.*Mine some.*SEG_REQUIRE_ALL_SUITES/);
  });

  test('is named once more at the end of the run, once with others that need the same', () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    try {
      const reporter = new LeftOutSuites();
      reporter.onTestRunEnd();
      expect(warn).not.toHaveBeenCalled();
      for (const name of ['the drill', 'the pick', 'the drill']) reporter.onUserConsoleLog({ content: `\n${missingSuite(name, 'Mine some.', false)}\n`, type: 'stderr', time: 0, size: 1 });
      reporter.onTestRunEnd();
      expect(warn.mock.calls).toEqual([['NOT EVERYTHING WAS TESTED. These suites did not run:\n  the drill\n  the pick\n    Mine some.\n']]);
    } finally {
      warn.mockRestore();
    }
  });
});
