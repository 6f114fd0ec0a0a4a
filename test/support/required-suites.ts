import { describe } from 'vitest';

/**
 * Suites that need a program which is not everywhere: a browser, a database, a broker. Without it they do not run, and say so;
 * with SEG_REQUIRE_ALL_SUITES=1, as in CI, they fail instead.
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
  console.warn(`\n*** ${missingSuite(name, howTo, process.env.SEG_REQUIRE_ALL_SUITES === '1')}\n`);
  describe.skip(`${name} (not available)`, body);
}

/** What to say of a suite that cannot run; throws it when all suites are required. */
export function missingSuite(name: string, howTo: string, allRequired: boolean): string {
  const message = `The ${name} suite did not run: ${name} is not available here. ${howTo}`;
  if (allRequired) throw new Error(`${message} (SEG_REQUIRE_ALL_SUITES=1 lets no suite be left out.)`);
  return message;
}
