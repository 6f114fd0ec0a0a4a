import { accessSync, constants } from 'node:fs';
import { chromium, type Browser, type Page } from 'playwright-core';

/** A headless Chromium of this machine, for tests, benchmarks and pictures. */

const CHROMIUM = process.env.SEG_TEST_CHROMIUM ?? '/usr/bin/chromium';
const CHROMIUM_ARGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const CHROMIUM_HOW_TO = 'Install it with `apt-get install chromium`, or name one with SEG_TEST_CHROMIUM=/path/to/chromium.';

export function chromiumAvailable(): boolean {
  return isExecutable(CHROMIUM);
}

/** The caller closes it. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS });
}

/**
 * What the page complains about from now on: console errors and warnings, uncaught exceptions, requests that failed. The list grows.
 * A question that the page itself gave up, as it does when the reader turns to something else before the answer is there, is none.
 */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error.stack)));
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText;
    if (why !== 'net::ERR_ABORTED') complaints.push(`request failed: ${request.url()} ${why}`);
  });
  return complaints;
}

/** By how many pixels the document is wider than the window. */
export function sidewaysOverflow(page: Page): Promise<number> {
  return page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
}

/** What reaches beyond its panel, where the panel beside it covers it, and tables that have other columns in their head than below. */
export function layoutFaults(page: Page): Promise<string[]> {
  return page.evaluate(`(() => {
    const isSeen = (element) => element.getClientRects().length > 0;
    const faults = [];
    for (const panel of document.querySelectorAll('.panel')) {
      for (const element of panel.querySelectorAll('table, dl, ul, ol, form, p, h2, h3, select, button, td, dd')) {
        if (!isSeen(element) || element.closest('.scroll, .hidden, pre') !== null) continue;
        if (element.getBoundingClientRect().right > panel.getBoundingClientRect().right + 1) faults.push(element.localName + '.' + element.className + ' sticks out of ' + (panel.querySelector('h2')?.textContent ?? ''));
      }
    }
    for (const table of document.querySelectorAll('table')) {
      const cells = (row) => (row === null ? 0 : [...row.cells].filter((cell) => getComputedStyle(cell).display !== 'none').reduce((sum, cell) => sum + cell.colSpan, 0));
      const [head, body] = [cells(table.querySelector('thead tr')), cells(table.querySelector('tbody tr'))];
      if (isSeen(table) && head > 0 && body > 0 && head !== body) faults.push('table.' + table.className + ' has ' + head + ' heads and ' + body + ' cells');
    }
    return [...new Set(faults)];
  })()`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
