import type { Browser, Page } from 'playwright-core';
import type { MeterSummary } from '../../src/model/queries.ts';
import { launchChromium } from '../../test/support/chromium-browser.ts';
import { startDashboard } from '../../test/support/dashboard-server.ts';
import { FakeGrid } from '../../test/support/fake-grid.ts';
import { hashOf, rowOf, type BenchReport } from '../bench-report.ts';

/** The dashboard in front of a large fleet: when there is a picture, and how long frames take while lists are scrolled and the stream goes on. */

export interface DashboardFleetOptions {
  meters: number;
  regions: number;
  /** Pages that are opened, each anew. */
  rounds: number;
  /** Turns of the wheel through the list of meters, one a frame. */
  turns: number;
}

export const DASHBOARD_FLEET_FULL: DashboardFleetOptions = { meters: 100_000, regions: 50, rounds: 5, turns: 300 };

/** As the engine tells of loads. */
const UPDATE_MS = 200;
/** Of a mouse: some rows. */
const WHEEL_PX = 480;

export async function run({ meters, regions, rounds, turns }: DashboardFleetOptions): Promise<BenchReport> {
  const grid = fleetOf(meters, regions);
  const server = await startDashboard(grid);
  const browser = await launchChromium();
  const timer = setInterval(() => tellLoads(grid), UPDATE_MS);
  try {
    const pictures: number[] = [];
    const frames: number[] = [];
    const worst: number[] = [];
    const nodes: number[] = [];
    let drawn = '';
    for (let round = 0; round < rounds; round++) {
      pictures.push(await firstPicture(browser, server.port));
      const seen = await scrolled(browser, server.port, turns);
      frames.push(seen.p50);
      worst.push(seen.p99);
      nodes.push(seen.nodes);
      drawn = seen.heading;
    }
    const of = `${meters} meters in ${regions} regions`;
    return {
      name: 'dashboard-fleet',
      leavesOut: 'The engine: answers and the stream come from a fake one in a process beside the browser, without a network between.',
      rows: [
        rowOf('from the address to the regions with their loads', 'ms', pictures, of, hashOf(String(regions))),
        rowOf('frames while the list of meters is scrolled, middle', 'ms', frames, `${turns} turns of the wheel, loads told every ${UPDATE_MS} ms`, ''),
        rowOf('the same, 99th of 100', 'ms', worst, '', ''),
        rowOf('elements of the page after it', 'elements', nodes, drawn, ''),
      ],
    };
  } finally {
    clearInterval(timer);
    await browser.close();
    await server.close();
  }
}

async function firstPicture(browser: Browser, port: number): Promise<number> {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  await page.goto(`http://127.0.0.1:${port}/`, { waitUntil: 'commit' });
  await page.locator('.regions tbody tr').first().waitFor();
  // When the browser shows it, by its own clock since the navigation.
  const shownMs = (await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))')) as number;
  await page.close();
  return shownMs;
}

async function scrolled(browser: Browser, port: number, turns: number): Promise<{ p50: number; p99: number; nodes: number; heading: string }> {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  await page.goto(`http://127.0.0.1:${port}/#meters`);
  await page.locator('.meter-sheet .meter-line').first().waitFor();
  const times = (await page.evaluate(`(${wheel.toString()})(${turns}, ${WHEEL_PX})`)) as number[];
  times.sort((a, b) => a - b);
  const nodes = (await page.evaluate('document.querySelectorAll("*").length')) as number;
  const heading = `${await loadedText(page)}; counts verified: ${await rowsInPlace(page)} rows drawn, each the meter of its place`;
  await page.close();
  return { p50: times[times.length >> 1], p99: times[Math.floor(times.length * 0.99)], nodes, heading };
}

function loadedText(page: Page): Promise<string> {
  return page.locator('.of-meters .note').innerText();
}

/** How many rows are drawn; throws where one is not the meter that belongs there. */
async function rowsInPlace(page: Page): Promise<number> {
  const rows = (await page.evaluate('[...document.querySelectorAll("[data-row]")].map((row) => [Number(row.dataset.row), row.querySelector("a").textContent])')) as [number, string][];
  for (const [row, meterId] of rows) if (meterId !== meterOf(row)) throw new Error(`row ${row} shows ${meterId}`);
  if (rows.length === 0) throw new Error('no row is drawn');
  return rows.length;
}

function meterOf(row: number): string {
  return `meter-${String(row).padStart(7, '0')}`;
}

/** Runs in the page: scrolls once a frame, and gives how long each took. */
async function wheel(turns: number, px: number): Promise<number[]> {
  const { document, requestAnimationFrame } = globalThis as any;
  const box = document.querySelector('.meter-scroll');
  const times: number[] = [];
  let before: number = await new Promise(requestAnimationFrame);
  for (let turn = 0; turn < turns; turn++) {
    box.scrollTop += px;
    const now: number = await new Promise(requestAnimationFrame);
    times.push(now - before);
    before = now;
  }
  return times;
}

function fleetOf(meters: number, regions: number): FakeGrid {
  const grid = new FakeGrid(Date.now());
  const [region] = grid.regionsNow;
  const [meter] = grid.meterSummaries(region.region);
  const name = (i: number): string => `region-${String(i + 1).padStart(3, '0')}`;
  grid.regionsNow = Array.from({ length: regions }, (_, i) => ({ ...region, region: name(i), meters: meters / regions, metersReporting: meters / regions, capacityKw: 4_000, loadKw: 2_000 + i, loadPercent: 50 }));
  const { windows } = grid;
  const minutes = windows.filter((window) => window.region === windows[0].region);
  grid.windows = grid.regionsNow.flatMap((one) => minutes.map((window) => ({ ...window, region: one.region, sumPowerKw: window.sumPowerKw * 180, metersReporting: one.meters })));
  const all: MeterSummary[] = Array.from({ length: meters }, (_, i) => ({ ...meter, meterId: meterOf(i), region: name(i % regions), lastPowerKw: 1 + (i % 100) / 100 }));
  const byRegion = new Map(grid.regionsNow.map(({ region: one }) => [one, all.filter((each) => each.region === one)]));
  grid.meterSummaries = (one) => (one === null ? all : (byRegion.get(one) ?? []));
  return grid;
}

/** Every region's load, a little different. */
function tellLoads(grid: FakeGrid): void {
  grid.regionsNow = grid.regionsNow.map((region) => {
    const loadKw = region.loadKw * (0.99 + Math.random() * 0.02);
    return { ...region, loadKw, loadPercent: (loadKw / (region.capacityKw ?? loadKw)) * 100 };
  });
  grid.regionListeners.tell({ regions: grid.regionsNow, windows: [] });
}
