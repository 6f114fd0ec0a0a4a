import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { axeFindings } from '../support/axe-findings.ts';
import { complaintsOf, launchChromium } from '../support/chromium-browser.ts';
import { chromiumSuite } from '../support/chromium.ts';
import { EngineProcess } from '../support/engine-process.ts';
import { AUDIENCE, CLIENT, FakeIssuer } from '../support/fake-issuer.ts';

/** A real engine at localhost and an issuer at an address, which are two sites to a browser: whether it keeps and sends the cookies of one that comes back from the other, it alone can say. */

const START_TIMEOUT_MS = 60_000;

chromiumSuite(() => {
  let browser: Browser;
  let issuer: FakeIssuer;
  let engine: EngineProcess;
  let context: BrowserContext;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    issuer = await FakeIssuer.start();
    const settings = { AUTH: 'on', SHARDS: '1', OIDC_ISSUER: issuer.url, OIDC_AUDIENCE: AUDIENCE, OIDC_CLIENT_ID: CLIENT.id, OIDC_CLIENT_SECRET: CLIENT.secret };
    [browser, engine] = await Promise.all([launchChromium(), EngineProcess.start({ settings })]);
  }, START_TIMEOUT_MS);
  beforeEach(async () => {
    issuer.reset();
    context = await browser.newContext({ locale: 'en-GB' });
    page = await context.newPage();
    complaints = complaintsOf(page);
    await page.goto(`http://localhost:${engine.ports.http}/#account`);
    await page.getByRole('button', { name: 'Sign in with' }).waitFor();
  });
  afterEach(() => context?.close());
  afterAll(async () => {
    await Promise.all([browser?.close(), engine?.dispose()]);
    await issuer.close();
  });

  test('a key leads to the issuer and back to where one was; a reload stays in, and signing out leads out', async () => {
    issuer.claims = { ...issuer.claims, roles: ['operator'], regions: ['north'] };
    expect(await axeFindings(page)).toEqual([]);
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'I am Ada' }).click();
    await page.getByRole('heading', { name: 'Ada' }).waitFor();
    await page.getByText(`Operator of north. So says ${new URL(issuer.url).host}, where you sign in.`).waitFor();
    expect(page.url()).toBe(`http://localhost:${engine.ports.http}/#account`);
    expect(await page.evaluate('JSON.stringify([localStorage, sessionStorage, document.cookie])')).not.toMatch(/eyJ|segr_|refresh-/);
    expect((await context.cookies(`http://localhost:${engine.ports.http}/api/v1/auth/oidc/callback`)).map(({ name, httpOnly, sameSite }) => [name, httpOnly, sameSite])).toEqual([['seg_refresh', true, 'Strict']]);
    await page.reload();
    await page.getByRole('heading', { name: 'Ada' }).waitFor();
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.getByRole('button', { name: 'Sign in with' }).waitFor();
    expect(complaints).toEqual([]);
  });

  test('who does not sign in there is told so here, once, and may try again', async () => {
    await page.getByRole('button', { name: 'Sign in with' }).click();
    await page.getByRole('link', { name: 'Nobody' }).click();
    await page.getByText('did not let you in, or you did not go on there. Start again.').waitFor();
    expect([page.url(), await page.evaluate('document.activeElement.textContent')]).toEqual([`http://localhost:${engine.ports.http}/#account`, `Sign in with ${new URL(issuer.url).host}`]);
    expect(await axeFindings(page)).toEqual([]);
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'I am Ada' }).click();
    await page.getByRole('heading', { name: 'Ada' }).waitFor();
    // The one question of who had not come back yet.
    expect(complaints.filter((text) => !/401/.test(text))).toEqual([]);
  });
});
