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
  const message = `The ${name} suite did not run: ${name} is not available here. ${howTo}`;
  if (process.env.SEG_REQUIRE_ALL_SUITES === '1') throw new Error(`${message} (SEG_REQUIRE_ALL_SUITES=1 lets no suite be left out.)`);
  console.warn(`\n*** ${message}\n`);
  describe.skip(`${name} (not available)`, body);
}
