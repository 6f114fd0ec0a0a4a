import { afterEach, describe, expect, test, vi } from 'vitest';
import { suite } from '../support/required-suites.ts';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

describe('a suite whose program is missing', () => {
  // Declared while tests are collected, as a test file would.
  const warned = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const required = process.env.SEG_REQUIRE_ALL_SUITES;
  delete process.env.SEG_REQUIRE_ALL_SUITES;
  let ran = false;
  suite('Unobtainium', false, 'Mine some.', () => {
    test('never runs', () => {
      ran = true;
    });
  });
  const warnings = warned.mock.calls.flat().join('\n');
  warned.mockRestore();
  if (required !== undefined) process.env.SEG_REQUIRE_ALL_SUITES = required;

  test('does not run, and says how to run it', () => {
    expect(ran).toBe(false);
    expect(warnings).toContain('The Unobtainium suite did not run');
    expect(warnings).toContain('Mine some.');
  });

  test('fails when all suites are required', () => {
    vi.stubEnv('SEG_REQUIRE_ALL_SUITES', '1');
    expect(() => suite('Unobtainium', false, 'Mine some.', () => {})).toThrow(/Unobtainium.*Mine some/);
  });
});
