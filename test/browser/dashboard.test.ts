import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { AlertDesk } from '../support/alert-desk.ts';
import { axeFindings } from '../support/axe-findings.ts';
import { complaintsOf, launchChromium, sidewaysOverflow } from '../support/chromium-browser.ts';
import { chromiumSuite } from '../support/chromium.ts';
import { drawnLine, highest } from '../support/drawn-line.ts';
import { startDashboard, type DashboardServer } from '../support/dashboard-server.ts';
import { freePort } from '../support/engine-process.ts';
import { exampleAnomaly, FakeGrid } from '../support/fake-grid.ts';

chromiumSuite(() => {
  let browser: Browser;
  let grid: FakeGrid;
  let server: DashboardServer;
  let page: Page;
  /** What the page complained about: console errors and warnings, uncaught exceptions. */
  let complaints: string[];
  const shotDir = mkdtempSync(join(tmpdir(), 'seg-dashboard-'));

  beforeAll(async () => {
    browser = await launchChromium();
    console.info(`screenshots are in ${shotDir}`);
  });
  afterAll(() => browser?.close());

  beforeEach(async () => {
    grid = new FakeGrid(Date.now());
    server = await startDashboard(grid);
  });
  afterEach(async () => {
    await page?.close();
    await server.close();
  });

  async function openPage(path = '', options: { width?: number; height?: number; colorScheme?: 'dark' | 'light'; timezoneId?: string } = {}): Promise<void> {
    const { width = 1440, height = 900, colorScheme = 'dark', timezoneId = 'Europe/Berlin' } = options;
    page = await browser.newPage({ viewport: { width, height }, colorScheme, timezoneId, locale: 'en-GB' });
    complaints = complaintsOf(page);
    await page.goto(`http://127.0.0.1:${server.port}/${path}`);
    await page.getByText('Live', { exact: true }).waitFor();
  }

  /** The row of the region board. */
  const regionRow = (region: string) => page.locator('.regions tbody tr', { hasText: region });
  const headingOfDetail = () => page.locator('#detail-title');

  test('shows the regions, the load curves, the engine and the anomalies, open ones first', async () => {
    await openPage();
    await regionRow('region-10').waitFor();
    expect(await page.locator('.regions tbody tr').count()).toBe(10);
    expect(await page.locator('.area-load canvas').count()).toBeGreaterThan(0);
    await page.getByText('Engine ready').waitFor();
    await page.getByText('98 of 100 meters reporting').waitFor();
    const anomalies = await page.locator('.area-anomalies .anomaly').allInnerTexts();
    expect(anomalies).toHaveLength(6);
    expect(anomalies[0]).toMatch(/Critical[\s\S]*meter-0807[\s\S]*since/);
    expect(anomalies[5]).toContain('now usual');
    // Other panels wait for REST; the picture should have them.
    await page.locator('.meters tbody tr').first().waitFor();
    await page.screenshot({ path: join(shotDir, 'dark.png') });
    expect(complaints).toEqual([]);
  });

  test('asks nobody but its own server', async () => {
    const hosts = new Set<string>();
    browser.contexts().forEach((context) => context.on('request', (request) => hosts.add(new URL(request.url()).host)));
    await openPage();
    page.on('request', (request) => hosts.add(new URL(request.url()).host));
    await page.reload();
    await page.getByText('Live', { exact: true }).waitFor();
    expect([...hosts]).toEqual([`127.0.0.1:${server.port}`]);
  });

  test('follows loads, states and anomalies without a reload', async () => {
    await openPage();
    await page.evaluate(() => Object.assign(globalThis, { sameDocument: true }));
    grid.setLoad('region-02', 23.4);
    await regionRow('region-02').getByText('98 %').waitFor();
    expect(await regionRow('region-02').innerText()).toContain('Critical');
    expect(await page.locator('.over').count()).toBe(0);
    grid.setLoad('region-02', 27.7);
    await page.getByText('meters reporting, 2 silent, region-02 over capacity').waitFor();
    grid.setLoad('region-02', 19.9);
    await regionRow('region-02').getByText('83 %').waitFor();
    expect(await regionRow('region-02').innerText()).toContain('High');

    grid.tellAnomaly(exampleAnomaly({ meterId: 'meter-0903', startedAt: Date.now() - 5_000, severity: 'CRITICAL', message: 'Power is 9 kW, where 1 kW is usual.' }));
    await page.locator('.area-anomalies .anomaly').first().getByText('meter-0903').waitFor();
    // Screen readers are told of a new critical episode, not of those that were there.
    await expect.poll(() => page.locator('[role=alert]').innerText()).toBe('Critical: Spike at meter-0903, region-09. Power is 9 kW, where 1 kW is usual.');

    grid.tellEngine({ state: 'degraded' });
    await page.getByText('Engine degraded').waitFor();
    grid.tellEngine({ sinks: [{ sink: 'timescale', state: 'waiting', lagMs: 61_500, setAside: 2, problem: 'the database db:5432/grid is away' }, { sink: 'kafka', state: 'running', lagMs: 300, setAside: 0, problem: null }] });
    await page.getByText('away, 1 min behind, 2 set aside').waitFor();
    await page.getByText('up to date', { exact: true }).waitFor();
    expect(await page.locator('.facts .alarm', { hasText: 'TimescaleDB' }).getAttribute('title')).toBe('the database db:5432/grid is away');
    await page.screenshot({ path: join(shotDir, 'sinks.png') });
    expect(await page.evaluate(() => 'sameDocument' in globalThis)).toBe(true);
    expect(complaints).toEqual([]);
  });

  test('a region leads to its meters and a meter to its panel; Back goes back', async () => {
    await openPage();
    await regionRow('region-08').click();
    await page.locator('.meters').getByRole('button', { name: 'meter-0807' }).waitFor();
    await page.locator('.meters').getByRole('button', { name: 'meter-0807' }).click();
    await page.getByText('Today, by the minute').waitFor();
    await page.locator('.area-detail').getByText('1.21 ± 0.16 kW').waitFor();
    expect(await page.locator('.area-detail .anomaly').innerText()).toContain('Critical');
    // Power and voltage.
    expect(await page.locator('.area-detail canvas').count()).toBe(2);
    await page.screenshot({ path: join(shotDir, 'meter.png') });

    grid.answerMeter = async (meterId) => {
      const now = grid.meterNow(meterId)!;
      return { ...now, meter: { ...now.meter, lastReading: { ...now.meter.lastReading, powerKw: 7.77 } } };
    };
    await page.locator('.area-detail').getByText('7.77 kW').waitFor();

    await page.goBack();
    await page.locator('.meters').waitFor();
    expect(await headingOfDetail().innerText()).toBe('region-08');
    expect(complaints).toEqual([]);
  });

  test('a reading that arrives is drawn: on the curve of its meter, and a load on that of the grid', async () => {
    await openPage('#/region-08/meter-0801');
    await page.getByText('Today, by the minute').waitFor();
    const ofMeter = () => drawnLine(page.locator('.area-detail .curve canvas').first(), '--accent');
    await expect.poll(async () => highest(await ofMeter(), 0, 1)).not.toBeNull();
    // An ordinary day fills its scale.
    expect(highest(await ofMeter(), 0, 0.85)).toBeGreaterThan(0.5);
    grid.answerMeter = async (meterId) => {
      const now = grid.meterNow(meterId)!;
      // The minute before: of the one that has just begun the middle may lie ahead, where nothing is drawn.
      const windowStart = Math.floor(Date.now() / 60_000) * 60_000 - 60_000;
      const open = { ...grid.meterWindows(meterId, windowStart - 60_000, windowStart)[0], windowStart, windowEnd: windowStart + 60_000, avgPowerKw: 80, final: false };
      return { ...now, meter: { ...now.meter, lastReading: { ...now.meter.lastReading, powerKw: 80 } }, openWindows: [open] };
    };
    // A minute of 80 kW is where the line ends, far above the rest of it, which the scale has pressed flat.
    await expect.poll(async () => highest(await ofMeter(), 0, 0.85)).toBeLessThan(0.35);
    expect(highest(await ofMeter(), 0.9, 1)).toBeGreaterThan(0.7);
    await page.locator('.area-detail').getByText('80.00 kW').first().waitFor();

    const ofGrid = () => drawnLine(page.locator('.area-load .curve canvas').first(), '--accent');
    expect(highest(await ofGrid(), 0.2, 0.8)).toBeGreaterThan(0.5);
    grid.setLoad('region-01', 5_000);
    await expect.poll(async () => highest(await ofGrid(), 0.2, 0.8)).toBeLessThan(0.35);
    expect(highest(await ofGrid(), 0.9, 1)).toBeGreaterThan(0.7);
    expect(complaints).toEqual([]);
  });

  test('a region without history has no forecast, and it says why', async () => {
    await openPage('#/region-02');
    await page.getByText('No forecast yet: it goes by the same hours of the days before, and there is no day of history.').waitFor();
    expect(await page.locator('.ahead').count()).toBe(0);
  });

  test('what regions will probably draw is dashed, with its band and the capacity, and said in words', async () => {
    grid.historyMs = 36 * 86_400_000;
    await openPage('#/region-02');
    const curve = page.locator('.area-detail').getByRole('img', { name: /^Forecast of region-02 for the next 24 hours: peak .* at \d\d:\d\d, .* % of the capacity of / });
    await curve.waitFor();
    const line = await drawnLine(curve.locator('canvas'), '--forecast');
    const drawn = line.slice(Math.floor(0.15 * line.length), Math.floor(0.95 * line.length));
    const share = drawn.filter((height) => height !== null).length / drawn.length;
    // Dashes, and gaps between them.
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.9);
    expect(highest(await drawnLine(curve.locator('canvas'), '--muted'), 0.2, 0.9)).not.toBeNull();
    await page.locator('.area-detail').getByText('Eight of ten such forecasts of the last days lay within the band').waitFor();
    await page.locator('.area-detail').getByText(/A day ahead they were [\d.]+ % off in the mean/).waitFor();
    await page.locator('.area-detail summary', { hasText: 'Forecast of region-02' }).click();
    const table = page.getByRole('region', { name: 'Forecast of region-02' });
    expect(await table.locator('tbody tr').first().innerText()).toMatch(/\d\d:\d\d\s+[\d.]+ kW\s+[\d.]+ kW\s+[\d.]+ kW\s+\d+ %/);
    // All together, in the overview.
    await page.locator('.area-load').getByRole('img', { name: /^Forecast of all regions for the next 24 hours: peak/ }).waitFor();
    await regionRow('region-02').locator('.ahead').getByText(/\d+ %/).waitFor();
    expect(complaints).toEqual([]);
  });

  test('hears of all its modules at once', async () => {
    await openPage();
    const { linked, late } = (await page.evaluate(`(() => {
      const scripts = performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('.js'));
      const app = scripts.find(({ name }) => name.endsWith('/app.js'));
      return { linked: document.querySelectorAll('link[rel=modulepreload]').length, late: scripts.filter(({ startTime }) => startTime > app.responseEnd).map(({ name }) => name) };
    })()`)) as { linked: number; late: string[] };
    expect(linked).toBeGreaterThan(70);
    // None only when another had been read.
    expect(late).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test('pages through the meters of a large region', async () => {
    const meters = grid.meterSummaries('region-01');
    grid.meterSummaries = () => Array.from({ length: 30 }, (_, i) => ({ ...meters[0], meterId: `big-${String(i).padStart(2, '0')}` }));
    await openPage('#/region-01');
    await page.getByRole('button', { name: 'big-00' }).waitFor();
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByRole('button', { name: 'big-12' }).waitFor();
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByRole('button', { name: 'big-29' }).waitFor();
    expect(await page.getByRole('button', { name: 'Next' }).isDisabled()).toBe(true);
    await page.getByRole('button', { name: 'Previous' }).click();
    await page.getByRole('button', { name: 'big-12' }).waitFor();
  });

  test('says that it lost the engine, and is live again by itself after a restart', async () => {
    // A number of ours, as in a real installation: Linux does not let a port that it chose itself be bound again soon.
    await server.close();
    const port = await freePort();
    server = await startDashboard(grid, port);
    await openPage();
    await regionRow('region-01').waitFor();
    await server.close();
    await page.getByText('Reconnecting', { exact: true }).waitFor();
    await page.getByText('No connection. This is the picture of').waitFor();
    // The last picture stays.
    expect(await page.locator('.regions tbody tr').count()).toBe(10);

    grid = new FakeGrid(Date.now());
    grid.setLoad('region-01', 1.8);
    server = await startDashboard(grid, port);
    await page.getByText('Live', { exact: true }).waitFor({ timeout: 20_000 });
    await regionRow('region-01').getByText('10 %').waitFor();
    grid.setLoad('region-01', 9);
    await regionRow('region-01').getByText('50 %').waitFor();
    expect(await page.getByText('No connection.').count()).toBe(0);
    const unexpected = complaints.filter((text) => !/WebSocket connection to|request failed|ERR_CONNECTION_REFUSED/.test(text));
    expect(unexpected).toEqual([]);
  });

  test('in front of an empty grid it says how to send the first reading, and drops that when one came', async () => {
    await server.close();
    grid = new FakeGrid(Date.now(), { empty: true, ingestUrl: 'http://127.0.0.1:4001/ingest' });
    server = await startDashboard(grid);
    await openPage();
    await page.getByText('No readings yet. Send one:').waitFor();
    expect(await page.locator('pre').innerText()).toContain('curl -X POST http://127.0.0.1:4001/ingest');
    await page.screenshot({ path: join(shotDir, 'empty.png') });
    const region = { ...grid.regionsNow[0], meters: 1, metersReporting: 1, loadKw: 1.2 };
    grid.regionsNow = [region, ...grid.regionsNow.slice(1)];
    grid.regionListeners.tell({ regions: [region], windows: [] });
    await page.getByText('No readings yet').waitFor({ state: 'detached' });
    expect(complaints).toEqual([]);
  });

  test('an error of the gateway is shown with what it said, and a way to try again', async () => {
    const { meterSummaries } = grid;
    grid.meterSummaries = () => {
      throw new Error('broken on purpose');
    };
    await openPage('#/region-01');
    const tryAgain = page.locator('.area-detail').getByRole('button', { name: 'Try again' });
    await tryAgain.waitFor();
    grid.meterSummaries = meterSummaries;
    await tryAgain.click();
    await page.locator('.meters').getByRole('button', { name: 'meter-0101' }).waitFor();
  });

  test('a meter that nobody knows is an error, not an endless wait', async () => {
    await openPage('#/region-01/nobody');
    await page.getByText('no meter is called nobody').waitFor();
  });

  test.each([
    ['', 'phone.png'],
    ['#/region-08/meter-0807', 'phone-meter.png'],
  ])('fits a phone 360 px wide, with the largest words and figures too (%s)', async (path, file) => {
    grid.setLoad('region-02', 27.7);
    grid.setLoad('region-05', 20.1);
    grid.tellAnomaly(exampleAnomaly({ meterId: 'meter-0202', startedAt: Date.now(), kind: 'voltage_band' }));
    grid.regionsNow = grid.regionsNow.map((region) =>
      region.region === 'region-04' ? { ...region, capacityKw: 12_500, loadKw: 8_712.4, loadPercent: 69.7, meters: 10_000, metersReporting: 9_990, metersSilent: 10 } : region,
    );
    await openPage(path, { width: 360, height: 740, colorScheme: 'light' });
    await page.locator(path === '' ? '.meters' : '.area-detail canvas').first().waitFor();
    // What matters most is on the first screen, though the regions are further down.
    expect((await page.locator('.over').boundingBox())?.y).toBeLessThan(400);
    expect(await sidewaysOverflow(page)).toBe(0);
    await page.screenshot({ path: join(shotDir, file), fullPage: true });
    expect(complaints).toEqual([]);
  });

  describe('alerts', () => {
    let desk: AlertDesk;

    beforeEach(async () => {
      await server.close();
      desk = new AlertDesk(grid);
      server = await startDashboard(grid, 0, desk);
    });

    const overload = (region: string) => ({ rule: 'regional-overload', type: 'REGIONAL_OVERLOAD', kind: 'regional_load', severity: 'CRITICAL', region, title: `Region ${region} is at 97 % of its capacity`, description: 'It was above 95 % for 2 min.', value: 97, threshold: 95, unit: '%', affectedMeters: 0 }) as const;
    const outage = (meterId: string) => ({ region: `region-${meterId.slice(6, 8)}`, meterId, title: `Meter ${meterId} has no power`, description: 'No reading for 6 min.' });
    const rows = () => page.locator('.area-alerts .alert');
    const row = (text: string) => rows().filter({ hasText: text });
    const detail = () => page.locator('.alert-detail');
    const focused = () => page.evaluate('document.activeElement.textContent || document.activeElement.name');
    const tabTo = async (text: string) => {
      for (let i = 0; i < 40 && (await focused()) !== text; i++) await page.keyboard.press('Tab');
      expect(await focused()).toBe(text);
    };

    test('one appears live, is acknowledged with the keyboard alone, and shows its history and why who was told', async () => {
      await openPage();
      await page.getByText('No alert is open.').waitFor();
      const [alert] = desk.raise(overload('region-08'));
      desk.raise(outage('meter-0502'));
      await row('region-08').waitFor();
      await row('meter-0502').waitFor();
      expect(await rows().allInnerTexts()).toEqual([expect.stringMatching(/Critical[\s\S]*region-08[\s\S]*open[\s\S]*since \d\d:\d\d · 1 min/), expect.stringMatching(/Warning[\s\S]*meter-0502[\s\S]*1 meter/)]);
      await expect.poll(() => page.title()).toBe('(2, 1 critical) Smart Energy Grid');
      await page.getByRole('button', { name: '2 open alerts, 1 critical' }).waitFor();
      // What was there when the page opened is not told; this is news.
      await expect.poll(() => page.locator('.area-alerts [aria-live=assertive]').innerText()).toContain('Region region-08 is at 97 %');

      await tabTo('Region region-08 is at 97 % of its capacity');
      await page.keyboard.press('Enter');
      await detail().getByText('It was above 95 % for 2 min.').waitFor();
      expect(await focused()).toBe('Region region-08 is at 97 % of its capacity');
      for (const colorScheme of ['dark', 'light'] as const) {
        await page.emulateMedia({ colorScheme });
        await expect.poll(() => page.evaluate('document.documentElement.dataset.theme')).toBe(colorScheme);
        expect([colorScheme, await axeFindings(page)]).toEqual([colorScheme, []]);
      }
      await tabTo('Acknowledge');
      await page.keyboard.press('Enter');
      await detail().getByText('Say who you are').waitFor();
      expect(await focused()).toBe('by');
      await page.keyboard.type('Ada');
      await page.keyboard.press('Tab');
      await page.keyboard.type('on my way');
      await page.keyboard.press('Enter');
      await row('region-08').getByText('Ada has it').waitFor();
      await detail().getByText('Acknowledged: it is not repeated').waitFor();
      // The button is gone; the keyboard goes on where it was.
      await expect.poll(() => detail().locator('.said:focus').count()).toBe(1);
      await detail().locator('.account li', { hasText: 'Acknowledged by Ada' }).waitFor();
      await expect.poll(() => page.title()).toBe('(1) Region region-08 is at 97 % of its capacity · Smart Energy Grid');

      desk.deliveryDecisions = [
        { at: Date.now() + 1, step: 'quiet_hours', outcome: 'held', reason: 'Bob sleeps until 06:00.', contactId: 'c-bob' },
        { at: Date.now() + 2, step: 'delivery', outcome: 'passed', reason: 'Sent by SMS.', contactId: 'c-ada' },
      ];
      await tabTo('Why was I paged, or not?');
      await page.keyboard.press('Enter');
      await detail().getByText('Bob sleeps until 06:00.').waitFor();
      expect(await detail().locator('.account li').allInnerTexts()).toEqual(expect.arrayContaining([expect.stringMatching(/Acknowledgement[\s\S]*Ends here[\s\S]*Ada has it: on my way/), expect.stringMatching(/Quiet hours[\s\S]*Waits[\s\S]*c-bob/)]));
      await detail().getByLabel('Whose decisions').selectOption('c-ada');
      expect(await detail().getByText('Bob sleeps').count()).toBe(0);
      await page.screenshot({ path: join(shotDir, 'alert.png') });

      await page.keyboard.press('Escape');
      await detail().waitFor({ state: 'detached' });
      expect(await focused()).toBe('Region region-08 is at 97 % of its capacity');
      desk.clear(alert);
      await row('region-08').waitFor({ state: 'detached' });
      expect(complaints).toEqual([]);
    });

    test('a link of a message leads to one, the name is remembered, resolving takes a reason, and a refusal is shown in its words', async () => {
      const [alert] = desk.raise(overload('region-08'));
      await openPage(`#alert=${alert.id}`);
      await detail().getByLabel('Your name').fill('Ada');
      await detail().getByRole('button', { name: 'Acknowledge' }).click();
      await row('region-08').getByText('Ada has it').waitFor();
      await page.reload();
      expect(await detail().getByLabel('Your name').inputValue()).toBe('Ada');
      await detail().getByRole('button', { name: 'Resolve' }).click();
      await detail().getByText('Say why it is over').waitFor();
      await detail().getByLabel('Reason').fill('the feeder was switched');
      // Somebody changes it in the moment before: the page has not heard of it yet.
      await page.route('**/resolve', async (route) => {
        desk.raise({ ...overload('region-08'), startedAt: alert.startedAt, value: 99 });
        await route.continue();
      }, { times: 1 });
      await detail().getByRole('button', { name: 'Resolve' }).click();
      await detail().locator('.said.error').getByText('Read it again and decide anew.').waitFor();
      await detail().getByText('99.0 %').waitFor();
      await detail().getByRole('button', { name: 'Resolve' }).click();
      await detail().getByText('by Ada: the feeder was switched').first().waitFor();
      await page.getByText('No alert is open.').waitFor();
      // Region and meter of an alert lead to their panels, and it stays open.
      await detail().getByRole('button', { name: 'region-08' }).click();
      await expect.poll(() => headingOfDetail().innerText()).toBe('region-08');
      expect(await detail().count()).toBe(1);
      expect(complaints.filter((text) => !/409|request failed/.test(text))).toEqual([]);
    });

    test('nobody acknowledges what has become something else meanwhile without seeing it', async () => {
      const [alert] = desk.raise(overload('region-08'));
      await openPage(`#alert=${alert.id}`);
      await detail().getByLabel('Your name').fill('Ada');
      await page.route('**/acknowledge', async (route) => {
        desk.raise({ ...overload('region-08'), startedAt: alert.startedAt, value: 99 });
        await route.continue();
      }, { times: 1 });
      await detail().getByRole('button', { name: 'Acknowledge' }).click();
      await detail().locator('.said.error').getByText('Read it again and decide anew.').waitFor();
      await detail().getByText('99.0 %').waitFor();
      expect(await row('region-08').getByText('Ada has it').count()).toBe(0);
      await detail().getByRole('button', { name: 'Acknowledge' }).click();
      await row('region-08').getByText('Ada has it').waitFor();
      expect(complaints.filter((text) => !/409|request failed/.test(text))).toEqual([]);
    });

    test('a silence made from one folds it, with the reason', async () => {
      desk.raise(overload('region-08'), overload('region-03'));
      await openPage();
      await row('region-08').click();
      await detail().getByLabel('Your name').fill('Ada');
      await detail().getByLabel('Reason').fill('works on the line');
      const [asked] = await Promise.all([page.waitForRequest('**/api/v1/silences'), detail().getByRole('button', { name: '4 h' }).click()]);
      const silence = asked.postDataJSON();
      await page.getByText('1 held back: 1 silenced').waitFor();
      await detail().getByText(/until .*, by Ada: works on the line/).waitFor();
      expect(silence).toMatchObject({ match: { regions: ['region-08'] }, comment: 'works on the line', by: 'Ada' });
      expect(Math.abs(Date.parse(silence.endsAt) - Date.now() - 4 * 3_600_000)).toBeLessThan(60_000);
      expect(await page.locator('.alert-lists > .scroll .alert').allInnerTexts()).toEqual([expect.stringContaining('region-03')]);
      await page.getByText('1 held back: 1 silenced').click();
      await page.locator('.held-back').getByText('silenced', { exact: true }).waitFor();
      await expect.poll(() => page.title()).toBe('(1, 1 critical) Region region-08 is at 97 % of its capacity · Smart Energy Grid');
      await page.screenshot({ path: join(shotDir, 'alert-silenced.png') });
      expect(complaints).toEqual([]);
    });

    test('a thousand are there, a page of them drawn, and filters narrow them', async () => {
      desk.raise(overload('region-03'));
      desk.raise(...Array.from({ length: 999 }, (_, i) => outage(`meter-${i % 2 === 0 ? '05' : '06'}${String(i).padStart(3, '0')}`)));
      await openPage();
      await page.getByText('1–20 of 1,000').waitFor();
      expect(await rows().count()).toBe(20);
      expect(await rows().first().innerText()).toContain('region-03');
      await page.getByLabel('Region of alerts').selectOption('region-06');
      await page.getByText('1–20 of 499').waitFor();
      await page.getByLabel('Severity of alerts').selectOption('CRITICAL');
      await page.getByText('No alert matches the filter.').waitFor();
      await page.getByLabel('Region of alerts').selectOption('');
      expect(await rows().count()).toBe(1);
      expect(complaints).toEqual([]);
    });

    test('says when they are off, when their thread is away, and when the stream is', async () => {
      desk.raise(overload('region-03'));
      await openPage();
      await row('region-03').waitFor();
      grid.tellEngine({ alerts: { state: 'restarting', problem: 'Its disk is full.', active: null, channels: [] } });
      await page.getByText('nobody is told of new ones until then. Its disk is full.').waitFor();
      grid.tellEngine({ alerts: null });
      await page.getByText('This engine raises no alerts').waitFor();
      grid.tellEngine({ alerts: { state: 'up', problem: null, active: null, channels: [] } });
      await row('region-03').waitFor();
      await server.close();
      await page.getByText('The stream is away: these are the alerts of').waitFor();
      expect(await row('region-03').count()).toBe(1);
      await expect.poll(() => page.title()).toBe('No connection · Smart Energy Grid');
    });

    test.each(['dark', 'light'] as const)('fit a phone 360 px wide and a desk, %s', async (colorScheme) => {
      const long = 'x'.repeat(64);
      const [alert] = desk.raise(overload('region-08'), { ...outage('meter-0502'), affectedMeters: 4_000 }, { region: long, meterId: 'm'.repeat(64), title: `Meter ${'m'.repeat(64)} has no power` });
      desk.raise({ ...outage('meter-0101'), severity: 'INFO' });
      for (const path of ['', `#alert=${alert.id}`]) {
        await openPage(path, { width: 360, height: 740, colorScheme });
        await (path === '' ? rows().nth(3) : detail().locator('.account li').first()).waitFor();
        await page.locator('.meters').waitFor();
        // A link leads to the alert, past the list.
        if (path !== '') await expect.poll(() => detail().evaluate((element) => Math.round(element.getBoundingClientRect().top))).toBeLessThan(60);
        for (const [width, height] of [[360, 740], [820, 1180], [1440, 900]]) {
          await page.setViewportSize({ width, height });
          expect([width, path, await sidewaysOverflow(page)]).toEqual([width, path, 0]);
          await page.screenshot({ path: join(shotDir, `alerts-${colorScheme}-${width}${path === '' ? '' : '-detail'}.png`) });
        }
        expect(complaints).toEqual([]);
        await page.close();
      }
    });
  });

  test('long names do not break the layout', async () => {
    const long = 'x'.repeat(64);
    grid.regionsNow = [{ ...grid.regionsNow[0], region: long, loadPercent: 120 }];
    grid.tellAnomaly(exampleAnomaly({ meterId: 'm'.repeat(64), region: long, startedAt: Date.now() }));
    await openPage('', { width: 360, height: 740 });
    await page.locator('.meters, .note').first().waitFor();
    expect(await sidewaysOverflow(page)).toBe(0);
  });

  test('text from meters is text', async () => {
    grid.tellAnomaly(exampleAnomaly({ meterId: 'meter-0101', startedAt: Date.now(), message: '<img src=x onerror="document.title=1"> & so on' }));
    await openPage();
    await page.getByText('<img src=x onerror="document.title=1"> & so on').waitFor();
    expect(await page.title()).toBe('Smart Energy Grid');
  });

  test('can be used with the keyboard alone', async () => {
    await openPage();
    await regionRow('region-01').waitFor();
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content');
    await regionRow('region-04').getByRole('button').focus();
    await page.keyboard.press('Enter');
    await page.locator('.meters').getByRole('button', { name: 'meter-0401' }).waitFor();
    expect(await headingOfDetail().innerText()).toBe('region-04');
    const outline = await page.evaluate('getComputedStyle(document.activeElement).outlineStyle');
    expect(outline).toBe('solid');
  });

  test('times are local and name their zone', async () => {
    await openPage('', { timezoneId: 'Asia/Kolkata' });
    const expected = new Intl.DateTimeFormat('en-GB', { timeZone: 'Asia/Kolkata', hour: '2-digit', minute: '2-digit' }).format(grid.anomalyList[0].startedAt);
    await page.locator('.area-anomalies .anomaly').first().getByText(`since ${expected}`).waitFor();
    expect(await page.locator('.clock').innerText()).toContain('GMT+5:30');
  });

  test('light when the system is', async () => {
    await openPage('', { colorScheme: 'light' });
    await page.locator('.meters').waitFor();
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(238, 241, 243)');
    await page.screenshot({ path: join(shotDir, 'light.png') });
  });
});
