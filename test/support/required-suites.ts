import { describe } from 'vitest';
import { leftOutLine } from './left-out-suites.ts';

/**
 * Suites that need a program which is not everywhere: a browser, a database, a broker. Without it they do not run, and say so at once and, by
 * left-out-suites.ts, at the end; with SEG_REQUIRE_ALL_SUITES=1, as in CI, they fail instead. Those of a database or a broker are declared
 * by test/services/service-suites.ts, which finds or starts it.
 */

/**
 * Declares a suite that needs `name`.
 *
 * @param available whether it was found
 * @param howTo how to make it available, as a sentence for whoever reads the warning
 */
export function suite(name: string, available: boolean, howTo: string, body: () => void): void {
  if (available) {
    describe(name, body);
    return;
  }
  console.warn(`\n${missingSuite(name, howTo, process.env.SEG_REQUIRE_ALL_SUITES === '1')}\n`);
  describe.skip(`${name} (not available)`, body);
}

/**
 * Declares a suite that needs what CI cannot install, so that it is not required there either: without it there is a warning and no
 * test. A file needs another suite beside it, or vitest takes it for empty.
 */
export function suiteWherePossible(name: string, available: boolean, howTo: string, body: () => void): void {
  if (available) describe(name, body);
  else console.warn(`\n${missingSuite(name, howTo, false)}\n`);
}

/** What to say of a suite that cannot run; throws it when all suites are required. */
export function missingSuite(name: string, howTo: string, allRequired: boolean): string {
  const line = leftOutLine(name, howTo);
  if (allRequired) throw new Error(`${line} (SEG_REQUIRE_ALL_SUITES=1 lets no suite be left out.)`);
  return line;
}
