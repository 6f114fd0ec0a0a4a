import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { launchChromium } from '../support/chromium-browser.ts';
import { chromiumSuite } from '../support/chromium.ts';
import { formula, hostile, startHostileEngine, type HostileEngine } from '../support/hostile-engine.ts';

/** Every page over a real engine in which all that somebody may choose is markup and a script: it is shown as it was written, nothing of it runs, and nothing is asked of anybody else. */

const PASSWORD = 'three green kettles';
const START_TIMEOUT_MS = 180_000;
const WALK_TIMEOUT_MS = 90_000;
/** What is not there is said soon. */
const SETTLE_MS = 150;

chromiumSuite(() => {
  let browser: Browser;
  let grid: HostileEngine;
  let context: BrowserContext;
  let page: Page;
  /** What must not happen. */
  let incidents: string[];

  beforeAll(async () => {
    [browser, grid] = await Promise.all([launchChromium(), startHostileEngine()]);
  }, START_TIMEOUT_MS);
  afterAll(() => Promise.all([browser?.close(), grid?.people.engine.dispose()]));

  beforeEach(async () => {
    incidents = [];
    context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    await context.exposeFunction('__violated', (what: string) => incidents.push(`policy: ${what}`));
    await context.addInitScript(`
      Object.defineProperty(window, '__hit', { get: () => undefined, set: () => window.__violated('a script ran') });
      addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => window.__violated(violatedDirective + ' ' + blockedURI));
    `);
    page = await context.newPage();
    page.on('dialog', (dialog) => void incidents.push(`dialog: ${dialog.message()}`));
    page.on('pageerror', (error) => void incidents.push(`error: ${error.stack}`));
    page.on('request', (request) => {
      const { hostname } = new URL(request.url());
      if (hostname !== '127.0.0.1' && !request.url().startsWith('data:')) incidents.push(`request: ${request.url()}`);
    });
  });
  afterEach(() => context.close());

  async function signIn(email: string): Promise<void> {
    await page.goto(grid.people.engine.apiUrl());
    await page.getByLabel('E-mail').first().fill(email);
    await page.getByLabel('Password').fill(PASSWORD);
    await page.keyboard.press('Enter');
    await page.getByText('Live', { exact: true }).waitFor();
  }

  /** Opens a place, all that is folded in it as well, and gives all text of the page. */
  async function textAt(hash: string): Promise<string> {
    await page.goto(`${grid.people.engine.apiUrl('/')}${hash}`);
    await page.locator('.panel').first().waitFor();
    const settled = (): Promise<void> => expect.poll(() => page.locator('.loading, .note:text-matches("^(Loading|Comparing|Looking)")').count(), { timeout: 10_000 }).toBe(0);
    await settled();
    for (const folded = page.locator('details:not([open]) > summary'); (await folded.count()) > 0; ) await folded.first().click();
    await settled();
    expect(await page.locator('[onerror], [onload], [onfocus], iframe, base, object, embed, img:not([src="/favicon.svg"]), a[href^="javascript:"], a[href^="data:"]').count(), hash).toBe(0);
    expect(incidents, hash).toEqual([]);
    return (await page.locator('body').textContent()) ?? '';
  }

  /** Which of these a page shows, to the letter; what a reading was rejected for as the JSON that came. */
  const shown = (text: string, places: readonly string[]): string[] => places.filter((place) => text.includes(hostile(place)) || text.includes(JSON.stringify(hostile(place)).slice(1, -1)));

  test('an admin sees what was written, on every page and in every detail', async () => {
    const { meterId, region, tariffId, invoiceId, alertId, resolvedAlertId } = grid;
    await signIn('admin@localhost');
    const expected: [hash: string, places: string[]][] = [
      ['#/', []],
      [`#/${region}`, []],
      [`#/${region}/${meterId}`, []],
      [`#/hot&alert=${encodeURIComponent(alertId)}`, ['acknowledged']],
      [`#/warm&alert=${encodeURIComponent(resolvedAlertId)}`, ['resolved']],
      ['#meters', []],
      ['#silent', []],
      ['#registry', ['city']],
      [`#registry/${meterId}`, ['maker', 'model', 'street', 'city', 'note']],
      ['#tariffs', ['tariff']],
      [`#tariffs/${tariffId}`, ['tariff', 'period', 'charge', 'holiday']],
      ['#bills', []],
      [`#bills/${encodeURIComponent(invoiceId)}`, ['charge', 'payment']],
      ['#prices', ['override']],
      ['#engine', []],
      ['#account', ['admin']],
      [`#home/${meterId}`, []],
    ];
    for (const [hash, places] of expected) expect([hash, shown(await textAt(hash), places)]).toEqual([hash, places]);
    expect(await textAt('#bills')).toContain(formula('customer'));
  }, WALK_TIMEOUT_MS);

  test('a household sees its own', async () => {
    const { meterId, invoiceId } = grid;
    await signIn('consumer@example.org');
    for (const [hash, places] of [[`#home/${meterId}`, []], [`#bills/${encodeURIComponent(invoiceId)}`, ['charge']], ['#account', ['consumer', 'agent']]] as const) expect([hash, shown(await textAt(hash), places)]).toEqual([hash, places]);
  }, WALK_TIMEOUT_MS);

  test('an address that somebody was sent runs nothing, before and after they log in', async () => {
    const text = encodeURIComponent(hostile('address'));
    const places = [`#/${text}/${text}`, `#bills/${text}`, `#tariffs/${text}`, `#home/${text}`, `#prices/${text}`, `#${text}`, `#/north&alert=${text}`, `#alert=javascript:__hit=1`, `#verify/${text}`, `#reset/${text}`, `?${text}`];
    for (const place of places) {
      await page.goto('about:blank');
      await page.goto(`${grid.people.engine.apiUrl('/')}${place}`);
      await page.locator('main, form').first().waitFor();
      expect(incidents, place).toEqual([]);
    }
    await signIn('admin@localhost');
    for (const place of places) {
      await page.goto(`${grid.people.engine.apiUrl('/')}${place}`);
      await page.locator('.panel').first().waitFor();
      await page.waitForTimeout(SETTLE_MS);
      expect(incidents, place).toEqual([]);
    }
    for (const path of [`/docs?url=${text}`, `/docs#${text}`, `/unsubscribe?token=${text}`, `/${text}`, `/api/v1/meters/${text}`]) {
      await page.goto(grid.people.engine.apiUrl(path)).catch(() => null);
      await page.waitForTimeout(SETTLE_MS);
      expect(incidents, path).toEqual([]);
    }
  }, WALK_TIMEOUT_MS);
});
