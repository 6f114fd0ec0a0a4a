import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Fleet } from '../../src/cli/simulate/fleet.ts';
import { DEMO_SIMULATION } from '../../src/engine/demo-command.ts';
import { complaintsOf, launchChromium, sidewaysOverflow } from '../support/chromium-browser.ts';
import { chromiumSuite } from '../support/chromium.ts';
import { DemoProcess } from '../support/demo-process.ts';
import { allRows, meterWindows, scrape, type WireWindow } from '../support/engine-api.ts';
import { eventually, freePort, removeDirectory, temporaryDirectory } from '../support/engine-process.ts';

/** What somebody sees who runs `npm run demo` and opens the address it prints. */

const MINUTE_MS = 60_000;
/** Filling in two hours takes four seconds on a quiet machine. */
const CAUGHT_UP_TIMEOUT_MS = 40_000;
/** `seg simulate --help`: trouble begins 20 min after the start. */
const ONSET_MS = 20 * MINUTE_MS;
/** Past a minute's end, after which its window must be there: the default lateness, and ticks. */
const CLOSED_AFTER_MS = 45_000;
/** Over its capacity when the demo opens, at any hour of the year; and the first of its meters. */
const REGION = 'region-01';
const METER = 'meter-000001';
const REGIONS = Array.from({ length: 10 }, (_, i) => `region-${String(i + 1).padStart(2, '0')}`);
const METERS = Array.from({ length: 100 }, (_, i) => `meter-${String(i + 1).padStart(6, '0')}`);
/** About noon there, so that the day of a meter's panel holds the whole history. */
const TIME_ZONE = zoneAtNoon();

interface Anomaly {
  meterId: string;
  message: string;
}

interface Region {
  region: string;
  meters: number;
  metersReporting: number;
  metersSilent: number;
  loadKw: number;
}

interface LiveMessage {
  type: string;
  channel?: string;
  data?: { regions?: Region[] };
}

chromiumSuite(() => {
  let settings: Record<string, string>;
  let demo: DemoProcess;
  let browser: Browser;
  let page: Page;
  let complaints: string[];
  /** What came over the page's WebSocket. */
  let messages: LiveMessage[];
  const shotDir = mkdtempSync(join(tmpdir(), 'seg-demo-page-'));

  beforeAll(async () => {
    settings = {
      DATA_DIR: temporaryDirectory(),
      INGEST_PORT: String(await freePort()),
      HTTP_PORT: String(await freePort()),
      OPS_PORT: String(await freePort()),
      LOG_PRETTY: 'off',
    };
    console.info(`screenshots are in ${shotDir}`);
    [demo, browser] = await Promise.all([DemoProcess.start(settings), launchChromium()]);
    await caughtUp();
  });
  afterAll(async () => {
    await Promise.all([browser?.close(), demo?.kill9()]);
    removeDirectory(settings.DATA_DIR);
  });
  afterEach(() => page?.close());

  /** Resolves when the simulation is at the clock. */
  async function caughtUp(): Promise<void> {
    const newest = async () => {
      const response = await fetch(demo.apiUrl(`/api/v1/meters/${METER}`));
      return response.ok ? Date.parse(((await response.json()) as { newestTimestamp: string }).newestTimestamp) : 0;
    };
    await eventually(newest, (newestMs) => newestMs > Date.now() - 5_000, CAUGHT_UP_TIMEOUT_MS);
  }

  async function openPage(path = '', options: { width?: number; height?: number; colorScheme?: 'dark' | 'light' } = {}): Promise<void> {
    const { width = 1440, height = 900, colorScheme = 'dark' } = options;
    page = await browser.newPage({ viewport: { width, height }, colorScheme, timezoneId: TIME_ZONE, locale: 'en-GB' });
    complaints = complaintsOf(page);
    messages = [];
    page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => messages.push(JSON.parse(String(payload)) as LiveMessage)));
    await page.goto(demo.dashboard + path);
    await page.getByText('Live', { exact: true }).waitFor();
    await page.getByText('Engine ready').waitFor();
    if (!path.startsWith('#bills')) await page.locator('.regions tbody tr').first().waitFor();
  }

  /** The regions as the WebSocket last told them, in order of name. */
  function regionsTold(): Region[] {
    const told = new Map<string, Region>();
    for (const { channel, data } of messages) if (channel === 'regions') for (const region of data?.regions ?? []) told.set(region.region, region);
    return [...told.values()].sort((a, b) => (a.region < b.region ? -1 : 1));
  }

  const updatesTold = (channel: string) => messages.filter((message) => message.type === 'update' && message.channel === channel).length;

  /** Load in kW of each region, as text, as the board shows it. */
  const loadsShown = async () => (await page.locator('.regions tbody td:nth-child(4)').allInnerTexts()).map((text) => text.split('/')[0].trim());

  /** Waits until the board shows what came last. */
  async function expectShownAsTold(): Promise<void> {
    const both = async () => [await loadsShown(), regionsTold().map(({ loadKw }) => decimalText(loadKw, 1))];
    await expect.poll(both).toSatisfy(([shown, told]: string[][]) => shown.length === 10 && shown.join() === told.join());
  }

  test('opens on ten regions with their curves and a hundred meters, and nothing goes wrong', async () => {
    await openPage();
    const rows = page.locator('.regions tbody tr');
    expect(await rows.locator('th button').allInnerTexts()).toEqual(REGIONS);
    await expectShownAsTold();
    // Minutes without readings are holes: power fails here and there. Half an hour of curve is left in any case.
    const curves = await rows.locator('.spark path:not(.spark-area)').evaluateAll((paths) => paths.map((path) => path.getAttribute('d')!));
    for (const curve of curves) expect(curve.match(/[ML]/g)!.length).toBeGreaterThan(30);
    expect(new Set(curves).size).toBe(10);
    expect(await page.locator('.area-load .curve').getAttribute('aria-label')).toMatch(/^Load of all regions, last hour: now \d+\.\d kW, peak \d+\.\d kW$/);
    const { share, right } = await page.locator('.area-load canvas').evaluate(drawnColumns);
    expect(share).toBeGreaterThan(0.8);
    // The curve ends at this moment, also while the minute before is still being closed.
    expect(right).toBeGreaterThan(0.96);

    expect(regionsTold().map(({ meters }) => meters)).toEqual(REGIONS.map(() => 10));
    await page.getByText(/^(100|9\d) of 100 meters reporting/).waitFor();
    expect((await allRows<{ meterId: string }>(demo, '/api/v1/meters')).map(({ meterId }) => meterId)).toEqual(METERS);
    await page.getByRole('button', { name: 'region-07' }).click();
    await page.locator('.meters').getByRole('button', { name: 'meter-000007' }).waitFor();
    expect(await page.locator('.meters tbody th').allInnerTexts()).toEqual(METERS.filter((_, i) => i % 10 === 6));
    // What goes on in the region that is over its capacity began before the demo went live.
    expect(await rows.first().innerText()).toContain('Over capacity');
    await page.screenshot({ path: join(shotDir, 'demo.png') });
    expect(complaints).toEqual([]);
  });

  test('moves without a reload, by what the WebSocket tells', async () => {
    await openPage();
    await page.evaluate(() => Object.assign(globalThis, { sameDocument: true }));
    const before = await loadsShown();
    await expect.poll(() => Math.min(updatesTold('regions'), updatesTold('engine')), { timeout: 10_000 }).toBeGreaterThanOrEqual(3);
    const after = await loadsShown();
    expect(after.filter((load, i) => load !== before[i]).length).toBeGreaterThanOrEqual(5);
    await expectShownAsTold();
    // Fifty, give or take what a busy machine and an outage do to a mean of a few seconds.
    await expect.poll(() => page.locator('.facts').first().innerText(), { timeout: 10_000 }).toMatch(/Accepted\s+[3-6]\d readings\/s\s+Rejected\s+0 readings\/s/);
    expect(await page.evaluate(() => 'sameDocument' in globalThis)).toBe(true);
    expect(complaints).toEqual([]);
  });

  test('lists the anomalies that the API knows, those of the overloaded region open', async () => {
    await openPage();
    const items = page.locator('.area-anomalies .anomaly');
    const shown = () => items.evaluateAll((all) => all.map((item) => `${item.querySelector('button')!.innerText}: ${item.querySelector('p')!.innerText}`).sort());
    const known = async (query = {}) => (await allRows<Anomaly>(demo, '/api/v1/anomalies', { from: '0', ...query })).map(({ meterId, message }) => `${meterId}: ${message}`).sort();
    const bothLists = async (query?: object) => ({ page: await shown(), api: await known(query) });
    const same = (atLeast: number) => (lists: Record<string, string[]>) => lists.api.length >= atLeast && lists.page.join() === lists.api.join();
    await expect.poll(() => bothLists()).toSatisfy(same(10));
    await page.getByRole('button', { name: /^Open/ }).click();
    await expect.poll(() => bothLists({ open: 'true' })).toSatisfy(same(3));
    expect((await known({ open: 'true', region: REGION })).length).toBeGreaterThanOrEqual(3);
    expect(complaints).toEqual([]);
  });

  test('draws in a meter’s panel the windows that the API has', async () => {
    const [{ meterId }] = await allRows<Anomaly>(demo, '/api/v1/anomalies', { open: 'true', region: REGION, kind: 'spike' });
    const now = Date.now();
    const closed = (await meterWindows(demo, meterId, '1m', { from: now - 24 * 60 * MINUTE_MS, to: now })).filter(({ final }) => final);
    expect(closed.length).toBeGreaterThan(90);
    await openPage(`#/${REGION}/${meterId}`);
    const panel = page.locator('.area-detail');
    await panel.locator('canvas').first().waitFor();
    expect((await panel.locator('canvas').first().evaluate(drawnColumns)).share).toBeGreaterThan(0.6);
    const shown = await figuresAlongCurve();
    expect(closed.map(({ windowStart }) => shown.get(minuteText(windowStart)))).toEqual(closed.map(figureText));

    const readings = async () => Number(/^([\d,]+), every 2\.0 s$/.exec(await panel.locator('dt:text-is("Readings") + dd').innerText())?.[1].replaceAll(',', ''));
    const before = await readings();
    expect(before).toBeGreaterThan(3_000);
    await expect.poll(readings, { timeout: 5_000 }).toBeGreaterThan(before);
    await expect.poll(async () => (await panel.locator('.anomaly p').allInnerTexts()).some((text) => / kW where .* kW is usual for this meter$/.test(text))).toBe(true);
    await page.screenshot({ path: join(shotDir, 'meter.png') });
    expect(complaints).toEqual([]);
  });

  /** What the panel says of each minute when the pointer is over its point, by the minute's time of day. */
  async function figuresAlongCurve(): Promise<Map<string, string>> {
    const curve = (await page.locator('.area-detail .u-over').first().boundingBox())!;
    const figure = page.locator('.area-detail .load-figures .figure-end').first();
    const shown = new Map<string, string>();
    // Two hours on 500 px and more: no step of 3 px leaves a minute out.
    for (let x = 1; x < curve.width; x += 3) {
      await page.mouse.move(curve.x + x, curve.y + curve.height / 2);
      const text = await figure.innerText();
      shown.set(text.slice(0, 5), text.slice(6));
    }
    return shown;
  }

  test.each(['dark', 'light'] as const)('fits a phone, a tablet and a desk, %s', async (colorScheme) => {
    for (const path of ['', `#/${REGION}/${METER}`]) {
      await openPage(path, { width: 360, height: 740, colorScheme });
      expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe(colorScheme === 'dark' ? 'rgb(13, 19, 23)' : 'rgb(238, 241, 243)');
      await page.locator(path === '' ? '.meters tbody tr' : '.area-detail canvas').first().waitFor();
      for (const [width, height] of [[360, 740], [820, 1180], [1440, 900]]) {
        await page.setViewportSize({ width, height });
        expect([width, path, await sidewaysOverflow(page), await stickingOut(page)]).toEqual([width, path, 0, []]);
        await page.screenshot({ path: join(shotDir, `${colorScheme}-${width}${path === '' ? '' : '-meter'}.png`) });
      }
      expect(complaints).toEqual([]);
      await page.close();
    }
  });

  test('on a phone a tap on a meter leads to its panel, and so does a link', async () => {
    await openPage('', { width: 360, height: 740 });
    const panelTop = () => page.locator('#detail-title').evaluate((title) => Math.round(title.getBoundingClientRect().top));
    await page.locator('.anomaly button').first().click();
    await page.locator('.area-detail canvas').first().waitFor();
    await expect.poll(panelTop).toBeLessThan(60);
    expect(await page.locator('#detail-title').innerText()).toMatch(/^meter-/);
    expect(complaints).toEqual([]);
    await page.close();
    await openPage(`#/${REGION}/${METER}`, { width: 360, height: 740 });
    await page.locator('.area-detail canvas').first().waitFor();
    await expect.poll(panelTop).toBeLessThan(60);
    expect(complaints).toEqual([]);
  });

  test('says when there are tariffs and bills, which the page has', async () => {
    await expect.poll(() => demo.stdout, { timeout: CAUGHT_UP_TIMEOUT_MS }).toMatch(/^There are 100 registry entries, a tariff, 10 agreements, the bills of \d{4}-\d\d: http:\S+#bills$/m);
    await openPage('#bills');
    await page.locator('.bills tbody tr').first().waitFor();
    expect(complaints).toEqual([]);
  });

  test('shows one simulation from its beginning to now', async () => {
    const windows = await windowsOfAll();
    expect(windows[0].windowStart < new Date(Date.now() - 119 * MINUTE_MS).toISOString()).toBe(true);
    expectOneSimulation(windows);
  });

  test('says that the engine stopped, is live again by itself when it is back, and the simulation goes on', { timeout: 60_000 }, async () => {
    await openPage();
    await page.evaluate(() => Object.assign(globalThis, { sameDocument: true }));
    const before = (await windowsOfAll()).filter(({ final }) => final);
    const stopped = demo;
    expect([await stopped.stop(), stopped.stderr]).toEqual([0, '']);
    await page.getByText('Reconnecting', { exact: true }).waitFor();
    await page.getByText('No connection. This is the picture of').waitFor();
    await page.getByText('Engine was ready').waitFor();
    expect(await page.locator('.regions tbody tr').count()).toBe(10);
    await page.screenshot({ path: join(shotDir, 'stopped.png') });

    const firstNew = messages.length;
    demo = await DemoProcess.start(settings);
    expect(demo.dashboard).toBe(stopped.dashboard);
    await page.getByText('Live', { exact: true }).waitFor({ timeout: 20_000 });
    await page.getByText('Engine ready').waitFor();
    await caughtUp();
    messages = messages.slice(firstNew);
    await expect.poll(() => updatesTold('regions'), { timeout: 10_000 }).toBeGreaterThanOrEqual(2);
    await expectShownAsTold();
    expect(await page.getByText('No connection.').count()).toBe(0);
    expect(await page.evaluate(() => 'sameDocument' in globalThis)).toBe(true);
    expect(complaints.filter((text) => !/WebSocket connection to|request failed|ERR_CONNECTION_REFUSED/.test(text))).toEqual([]);

    const after = await windowsOfAll();
    const byKey = new Map(after.map((window) => [`${window.meterId} ${window.windowStart}`, window]));
    expect(before.map((window) => byKey.get(`${window.meterId} ${window.windowStart}`))).toEqual(before);
    expectOneSimulation(after);
    const metrics = await scrape(demo);
    expect([metrics.get('seg_readings_total{outcome="rejected"}'), metrics.get('seg_windows_corrected_total')]).toEqual([0, 0]);
  });

  /** One-minute windows of all meters since the simulation began, in order of meter and time. Some meters have a past of before, which the first has not. */
  async function windowsOfAll(): Promise<WireWindow[]> {
    const now = Date.now();
    const all = (await Promise.all(METERS.map((meterId) => meterWindows(demo, meterId, '1m', { from: now - 24 * 60 * MINUTE_MS, to: now + MINUTE_MS })))).flat();
    return all.filter(({ windowStart }) => windowStart >= all[0].windowStart);
  }
});

/** Holds every window of the demo against the readings of one fleet that begins with the first window and goes on to this moment. */
function expectOneSimulation(windows: readonly WireWindow[]): void {
  const startMs = Date.parse(windows[0].windowStart);
  const now = Date.now();
  const { seed, regions, meters, intervalMs, modes } = DEMO_SIMULATION;
  const fleet = new Fleet({ seed, regions, meters, intervalMs, startMs, endMs: now, onsetMs: ONSET_MS, modes: new Set(modes) });
  const powers = new Map<string, number[]>();
  while (fleet.nextTimeMs < Infinity) {
    const reading = fleet.step();
    if (reading === null) continue;
    const key = `${reading.meterId} ${new Date(reading.timestamp).toISOString().slice(0, 16)}`;
    const minute = powers.get(key);
    if (minute === undefined) powers.set(key, [reading.powerKw]);
    else minute.push(reading.powerKw);
  }
  const wrong: unknown[] = [];
  for (const { meterId, windowStart, count, avgPowerKw, final } of windows) {
    const key = `${meterId} ${windowStart.slice(0, 16)}`;
    const expected = powers.get(key) ?? [];
    powers.delete(key);
    const counted = expected.slice(0, count);
    const mean = counted.reduce((sum, power) => sum + power, 0) / counted.length;
    const whole = count === expected.length || (!final && count < expected.length);
    // The mean is kept in whole billionths.
    if (!whole || !(Math.abs(avgPowerKw - mean) < 2e-9)) wrong.push({ key, count, of: expected.length, avgPowerKw, mean, final });
  }
  const missing = [...powers.keys()].filter((key) => Date.parse(`${key.split(' ')[1]}Z`) + MINUTE_MS + CLOSED_AFTER_MS < now);
  expect([wrong.slice(0, 5), missing.slice(0, 5)]).toEqual([[], []]);
  expect(windows.length).toBeGreaterThan(11_000);
}

interface Canvas {
  width: number;
  height: number;
  getContext(kind: '2d'): { getImageData(x: number, y: number, width: number, height: number): { data: Uint8ClampedArray } };
}

/** Where a canvas shows a curve in the dark scheme's --accent: share of its columns, and the rightmost of them as a share of its width. Runs in the page. */
function drawnColumns(canvas: unknown): { share: number; right: number } {
  const { width, height } = canvas as Canvas;
  const pixels = (canvas as Canvas).getContext('2d').getImageData(0, 0, width, height).data;
  const isAccent = (at: number) => [92, 196, 214, 255].every((level, i) => Math.abs(pixels[at + i] - level) < 24);
  const columns: number[] = [];
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      if (!isAccent((y * width + x) * 4)) continue;
      columns.push(x);
      break;
    }
  }
  return { share: columns.length / width, right: columns.at(-1)! / width };
}

/** Elements whose content sticks out of them sideways, but for what scrolls or is for screen readers alone. */
function stickingOut(page: Page): Promise<string[]> {
  return page
    .locator('body *:not(.hidden, .hidden *, .curve *, pre, .page-nav)')
    .evaluateAll((elements) => {
      const wide = elements.filter(({ clientWidth, scrollWidth }) => clientWidth > 0 && scrollWidth > clientWidth);
      return wide.map(({ className, textContent }) => `${className}: ${textContent}`);
    });
}

/** `Etc/GMT-5` is five hours ahead of UTC. */
function zoneAtNoon(): string {
  const aheadH = 12 - new Date().getUTCHours();
  return `Etc/GMT${aheadH > 0 ? '-' : '+'}${Math.abs(aheadH)}`;
}

function minuteText(windowStart: string): string {
  return new Intl.DateTimeFormat('en-GB', { timeZone: TIME_ZONE, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(Date.parse(windowStart));
}

function decimalText(value: number, digits: number): string {
  return new Intl.NumberFormat('en-GB', { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

function figureText({ avgPowerKw, minPowerKw, maxPowerKw }: WireWindow): string {
  const [mean, min, max] = [avgPowerKw, minPowerKw, maxPowerKw].map((powerKw) => decimalText(powerKw, 2));
  return `${mean} kW (${min} to ${max})`;
}
