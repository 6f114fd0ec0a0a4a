import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Browser } from 'playwright-core';
import { startGateway, type Gateway } from '../../src/http/gateway.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { complaintsOf, launchChromium } from '../support/chromium-browser.ts';
import { chromiumSuite } from '../support/chromium.ts';
import { fakeEngine } from '../support/fake-engine.ts';

chromiumSuite(() => {
  let browser: Browser;
  let gateway: Gateway;
  beforeAll(async () => {
    browser = await launchChromium();
    gateway = await startGateway({ host: '127.0.0.1', port: 0, queriesInFlightMax: 4, requestIdPrefix: 't' }, { engine: fakeEngine(), clock: systemClock, timers: systemTimers, log: nullLog });
  });
  afterAll(() => Promise.all([browser.close(), gateway.close(1_000)]));

  it('shows the API under its own policy, from this engine alone, and asks it what somebody tries', async () => {
    const page = await browser.newPage();
    const complaints = complaintsOf(page);
    const elsewhere: string[] = [];
    const base = `http://127.0.0.1:${gateway.port}`;
    page.on('request', (request) => !request.url().startsWith(base) && !request.url().startsWith('data:') && elsewhere.push(request.url()));
    await page.goto(`${base}/docs`);
    // Of more than a hundred operations the page makes those that are seen.
    await page.locator('.operation-filter-input').fill('Meters');
    const operation = page.locator('#operations-Meters-getMeter');
    await operation.waitFor();
    await operation.locator('button.opblock-summary-control').click();
    await operation.getByRole('button', { name: 'Try it out' }).click();
    await operation.locator('input[placeholder="meterId"]').fill('meter:1');
    await operation.getByRole('button', { name: 'Execute' }).click();
    await operation.locator('.live-responses-table .response-col_status').filter({ hasText: '200' }).first().waitFor();
    expect({ complaints, elsewhere }).toEqual({ complaints: [], elsewhere: [] });
  });
});
