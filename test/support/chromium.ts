import { chromiumAvailable, CHROMIUM_HOW_TO } from './chromium-browser.ts';
import { suite } from './required-suites.ts';

/** Declares a suite that needs Chromium (see required-suites.ts). */
export function chromiumSuite(body: () => void): void {
  suite('Chromium', chromiumAvailable(), CHROMIUM_HOW_TO, body);
}
