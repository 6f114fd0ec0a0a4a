import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { complaintsOf, launchChromium } from '../support/chromium-browser.ts';
import { chromiumSuite } from '../support/chromium.ts';
import { EngineProcess, removeDirectory, temporaryDirectory } from '../support/engine-process.ts';

/** The page in front of a real engine with accounts: nothing of it is a fake. */

const PASSWORD = 'three green kettles';
const START_TIMEOUT_MS = 60_000;

chromiumSuite(() => {
  let browser: Browser;
  let engine: EngineProcess;
  let dataDir: string;
  let context: BrowserContext;
  let page: Page;
  let complaints: string[];
  let token: string;

  beforeAll(async () => {
    dataDir = temporaryDirectory();
    [browser, engine] = await Promise.all([launchChromium(), EngineProcess.start({ dataDir, settings: { AUTH: 'on', SHARDS: '1' }, quickPasswordHashes: true })]);
  }, START_TIMEOUT_MS);
  afterAll(async () => {
    await Promise.all([browser?.close(), engine?.kill9()]);
    removeDirectory(dataDir);
  });
  beforeEach(async () => {
    context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    page = await context.newPage();
    complaints = complaintsOf(page);
  });
  afterEach(() => context.close());

  async function post(path: string, body: object, bearer?: string): Promise<Record<string, any>> {
    const headers = { 'content-type': 'application/json', ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }) };
    const answer = await fetch(engine.apiUrl(path), { method: 'POST', headers, body: JSON.stringify(body) });
    expect(answer.status, path).toBeLessThan(300);
    return (await answer.json()) as Record<string, any>;
  }

  async function signIn(email: string, password: string): Promise<void> {
    await page.goto(engine.apiUrl());
    await page.getByLabel('E-mail').first().fill(email);
    await page.getByLabel('Password').fill(password);
    await page.keyboard.press('Enter');
  }

  async function replacePassword(given: string): Promise<void> {
    await page.getByLabel('Password until now').fill(given);
    await page.getByLabel('New password').fill(PASSWORD);
    await page.getByLabel('Once more').fill(PASSWORD);
    await page.keyboard.press('Enter');
  }

  test('the first admin replaces the password that the start has shown, and stays in over a reload', async () => {
    const given = /password {2}(\S+)/.exec(engine.stderr)![1];
    await signIn('admin@localhost', given);
    await replacePassword(given);
    await page.getByRole('heading', { name: 'Regions' }).waitFor();
    await page.getByText('Live', { exact: true }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Regions' }).waitFor();
    token = (await post('/api/v1/auth/login', { email: 'admin@localhost', password: PASSWORD })).accessToken;
    // What a page is refused before somebody is in shows in a browser's console: the password that has to be replaced.
    expect(complaints.filter((complaint) => !/403/.test(complaint))).toEqual([]);
  });

  test('a consumer sees their meter alone, and its readings as they arrive', async () => {
    const { key } = await post('/api/v1/device-keys', { name: 'north', scope: { regions: ['north'] } }, token);
    const send = (powerKw: number) =>
      fetch(`${engine.ingestUrl()}/ingest`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
        body: JSON.stringify(['m-mine', 'm-other'].map((meterId) => ({ meterId, region: 'north', timestamp: Date.now(), powerKw }))),
      });
    expect((await send(1.25)).status).toBe(202);
    const made = await post('/api/v1/users', { email: 'ada@example.org', name: 'Ada', role: 'consumer', meters: ['m-mine'] }, token);
    await signIn('ada@example.org', made.oneTimePassword);
    await replacePassword(made.oneTimePassword);
    await page.getByText('1.25 kW').waitFor();
    expect((await send(2.75)).status).toBe(202);
    await page.getByText('2.75 kW').waitFor();
    expect(await page.getByText('m-mine').count()).toBeGreaterThan(0);
    await page.goto(`${engine.apiUrl()}#home/m-other`);
    await page.reload();
    await page.getByText('2.75 kW').or(page.getByText(/no meter|not found|There is no/i)).first().waitFor();
    expect(await page.getByRole('link', { name: 'Meters' }).count()).toBe(0);
  });

  test('a consumer who has moved out finds what they used in their time, and nothing of whoever came after', async () => {
    const { key } = await post('/api/v1/device-keys', { name: 'south', scope: { meters: ['m-left'] } }, token);
    // A quarter-hour of 4 kW in their time, one of 8 kW before and one of 8 kW after: 1 kWh is theirs.
    const [movedIn, movedOut] = ['2026-03-10T00:00:00Z', '2026-05-20T00:00:00Z'];
    const quarters = [['2026-03-09T12:00:00Z', 8], ['2026-04-15T12:00:00Z', 4], ['2026-05-20T12:00:00Z', 8]] as const;
    const readings = quarters.flatMap(([begin, powerKw]) => Array.from({ length: 15 }, (_, minute) => ({ meterId: 'm-left', region: 'south', timestamp: Date.parse(begin) + minute * 60_000, powerKw })));
    const sent = await fetch(`${engine.ingestUrl()}/ingest`, { method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` }, body: JSON.stringify(readings) });
    expect(sent.status).toBe(202);
    const email = `bob-${Date.now()}@example.org`;
    const made = await post('/api/v1/users', { email, name: 'Bob', role: 'consumer', meters: [{ meterId: 'm-left', from: movedIn, until: movedOut }] }, token);
    await signIn(email, made.oneTimePassword);
    await replacePassword(made.oneTimePassword);
    await page.getByRole('heading', { name: 'Your home before' }).waitFor();
    await page.getByText(/^Yours from .*10.* to .*19.*2026/).waitFor();
    const months = page.locator('.area-months tbody tr');
    await months.first().waitFor();
    expect((await months.allInnerTexts()).map((text) => text.replace(/\s+/g, ' ').trim())).toEqual([expect.stringMatching(/^April 2026 [\d.]+ kWh \d+ % not measured$/)]);
    const kwh = Number(/([\d.]+) kWh/.exec(await months.first().innerText())![1]);
    expect(kwh).toBeGreaterThan(0.9);
    expect(kwh).toBeLessThan(1.2);
    await page.getByText('There is no bill of that time.').waitFor();
    expect(complaints.filter((complaint) => !/403/.test(complaint))).toEqual([]);
  });
});
