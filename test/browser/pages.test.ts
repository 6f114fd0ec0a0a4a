import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { axeFindings } from '../support/axe-findings.ts';
import { complaintsOf, launchChromium, layoutFaults, sidewaysOverflow } from '../support/chromium-browser.ts';
import { chromiumSuite } from '../support/chromium.ts';
import { HOME_METER, startShowcase, type Showcase } from '../support/dashboard-showcase.ts';
import { drawnLine, highest } from '../support/drawn-line.ts';

/** The pages beside the grid, each with something on it. */

/** Of some thirty steps, each with an answer of the gateway. */
const LONG_MS = 60_000;

const PAGES = ['', '#/region-08/meter-0807', '#meters', '#silent', '#registry', '#registry/meter-0104', '#tariffs', '#tariffs/low-normal-high', '#bills', '#bills/i-0', '#bills/i-2', '#prices', '#engine', '#account', `#home/${HOME_METER}`];

chromiumSuite(() => {
  let browser: Browser;
  let showcase: Showcase;
  let context: BrowserContext;
  let page: Page;
  let complaints: string[];
  const shotDir = mkdtempSync(join(tmpdir(), 'seg-pages-'));

  beforeAll(async () => {
    [browser, showcase] = await Promise.all([launchChromium(), startShowcase(Date.now())]);
    console.info(`screenshots are in ${shotDir}`);
  });
  afterAll(async () => {
    await Promise.all([browser?.close(), showcase?.server.close()]);
  });
  afterEach(() => context?.close());

  async function openPage(path: string, options: { width?: number; height?: number; colorScheme?: 'dark' | 'light'; timezoneId?: string } = {}): Promise<void> {
    const { width = 1440, height = 900, colorScheme = 'dark', timezoneId = 'Europe/Berlin' } = options;
    context = await browser.newContext({ viewport: { width, height }, colorScheme, timezoneId, locale: 'en-GB' });
    page = await context.newPage();
    complaints = complaintsOf(page);
    await page.goto(`http://127.0.0.1:${showcase.server.port}/${path}`);
    await page.getByText('Live', { exact: true }).waitFor();
    await settled();
  }

  /** Nothing is being loaded any more. */
  async function settled(): Promise<void> {
    await page.locator('.panel').first().waitFor();
    await expect.poll(() => page.locator('.loading, .note:text-matches("^(Loading|Comparing|Looking)")').count()).toBe(0);
  }

  // The page follows the system's colours while it is open: each is loaded once, and looked at in both.
  test.each(PAGES)('axe finds nothing on %j, dark and light, and it fits a phone, a tablet and a desk', { timeout: 60_000 }, async (path) => {
    await openPage(path);
    // What is folded is looked at, too.
    for (const folded = page.locator('details:not([open]) > summary'); (await folded.count()) > 0; ) await folded.first().click();
    await settled();
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme });
      await expect.poll(() => page.evaluate('document.documentElement.dataset.theme')).toBe(colorScheme);
      for (const [width, height] of [[1440, 900], [1280, 800], [1100, 800], [820, 1180], [360, 740]]) {
        await page.setViewportSize({ width, height });
        expect([colorScheme, width, await sidewaysOverflow(page), await layoutFaults(page)]).toEqual([colorScheme, width, 0, []]);
        if (width === 1440 || width === 360) expect([colorScheme, width, await axeFindings(page)]).toEqual([colorScheme, width, []]);
      }
    }
    expect(complaints).toEqual([]);
  });

  test('tabs lead through the pages, and whoever turns to one goes on in it', async () => {
    await openPage('');
    for (const name of ['Meters', 'Silent 2 meters', 'Registry', 'Tariffs', 'Bills', 'Prices', 'Engine', 'Settings']) {
      await page.getByRole('link', { name, exact: true }).click();
      await expect.poll(() => page.evaluate('document.activeElement.id')).toBe('main');
      expect((await page.locator('.page-nav [aria-current=page]').textContent())?.replace(/\s+/g, ' ').trim()).toBe(name);
    }
    await page.goBack();
    await page.getByRole('heading', { name: 'Engine' }).waitFor();
    expect(complaints).toEqual([]);
  });

  test('the button of open alerts leads to them from another page', async () => {
    await openPage('#bills');
    await page.getByRole('button', { name: /open alerts/ }).click();
    await expect.poll(() => page.evaluate('document.activeElement.id')).toBe('alerts-title');
  });

  test('silent meters are listed with the reason', async () => {
    await openPage('#silent');
    const rows = page.locator('.outages tbody tr');
    expect(await rows.allInnerTexts()).toEqual([expect.stringMatching(/meter-0502[\s\S]*Critical No reading for 26 min[\s\S]*, [23]\d min$/), expect.stringMatching(/meter-0501[\s\S]*Warning/)]);
    await page.getByLabel('Region of silent meters').selectOption('region-01');
    await page.getByText('Every meter that should report does.').waitFor();
    await page.getByLabel('Region of silent meters').selectOption('region-05 (2)');
    await rows.first().getByRole('button').click();
    await page.locator('#detail-title', { hasText: 'meter-0502' }).waitFor();
    expect(complaints).toEqual([]);
  });

  test('the registry is searched by what people type, page by page, and an entry leads to what its meter measures', async () => {
    await openPage('#registry');
    const rows = page.locator('.registry tbody tr');
    expect(await rows.count()).toBe(50);
    await page.getByRole('button', { name: 'Next' }).click();
    await expect.poll(async () => (await rows.first().innerText()).split(/\s/)[0]).toBe('meter-0503');
    await page.getByLabel(/Beginning of an id/).fill('KOLN');
    await page.keyboard.press('Enter');
    await page.getByLabel('Status of meters').selectOption('Planned');
    await expect.poll(() => rows.count()).toBe(8);
    await page.getByLabel('Region of the registry').selectOption('region-04');
    await expect.poll(() => rows.count()).toBe(2);
    await page.getByLabel('Status of meters').selectOption('Any status');
    await page.getByRole('link', { name: 'meter-0404' }).click();
    await page.getByRole('heading', { name: 'meter-0404' }).waitFor();
    await settled();
    expect(await page.locator('.area-opened').innerText()).toMatch(/Installed[\s\S]*LG-4303[\s\S]*Landis\+Gyr E450[\s\S]*Hauptstraße 4, 50663 Köln, DE[\s\S]*14\.5 kW[\s\S]*every 15 min/);
    await page.screenshot({ path: join(shotDir, 'registry.png') });
    await page.getByRole('link', { name: 'What it measures' }).click();
    await page.locator('#detail-title', { hasText: 'meter-0404' }).waitFor();
    await page.locator('.registry-brief', { hasText: 'LG-4303' }).waitFor();
    await page.locator('.registry-brief').getByRole('link').click();
    await page.getByRole('heading', { name: 'meter-0404' }).waitFor();
    expect(complaints).toEqual([]);
  });

  test('an entry of the registry is changed: what cannot be stands at its field, and nobody’s change is lost', async () => {
    await openPage('#registry/meter-0204');
    await page.getByRole('button', { name: 'Edit' }).click();
    await expect.poll(() => page.evaluate('document.activeElement.name')).toBe('serial');
    const save = page.getByRole('button', { name: 'Save' });
    await page.getByLabel('Rated power (kW)').fill('viel');
    await save.click();
    await page.getByText('expected a number').waitFor();
    expect(await page.evaluate('document.activeElement.name')).toBe('ratedPowerKw');
    await page.getByLabel('Rated power (kW)').fill('17,3');
    await page.getByLabel('Country (as DE)').fill('de');
    await page.getByLabel('Region').and(page.locator('input')).fill('nowhere');
    await save.click();
    await page.getByText('Say who you are').waitFor();
    await page.getByLabel('Your name').fill('Otto');
    await save.click();
    await page.getByText('expected a country of ISO 3166-1').waitFor();
    expect([await page.evaluate('document.activeElement.name'), await page.getByLabel('Country (as DE)').getAttribute('aria-invalid')]).toEqual(['address.country', 'true']);
    await page.getByLabel('Country (as DE)').fill('AT');
    await save.click();
    // What only the registry as a whole can know.
    await page.locator('#hint-region').waitFor();
    await page.getByLabel('Region').and(page.locator('input')).fill('region-02');
    await page.getByLabel('Serial number', { exact: true }).fill('lg-4303');
    await save.click();
    await page.locator('#hint-serial').waitFor();
    await page.getByLabel('Serial number', { exact: true }).fill('LG-NEW');

    // Somebody else was quicker, with one field of these and one that was left alone.
    const path = `http://127.0.0.1:${showcase.server.port}/api/v1/registry/meters/meter-0204`;
    const quicker = await fetch(`${path}?by=Ada`, { method: 'PATCH', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ ratedPowerKw: 20, model: 'E350' }) });
    expect(quicker.status).toBe(200);
    await save.click();
    await page.getByText(/Ada has changed this entry meanwhile \(version 2\)/).waitFor();
    await page.getByText('Now 20.').waitFor();
    expect([await page.getByLabel('Model').inputValue(), await page.getByLabel('Serial number', { exact: true }).inputValue(), await page.getByLabel('Rated power (kW)').inputValue()]).toEqual(['E350', 'LG-NEW', '17,3']);
    expect(await axeFindings(page)).toEqual([]);
    await page.setViewportSize({ width: 360, height: 740 });
    expect(await sidewaysOverflow(page)).toBe(0);
    await save.click();
    await page.getByText('Saved as version 3.').waitFor();
    expect(await (await fetch(path)).json()).toMatchObject({ serial: 'LG-NEW', ratedPowerKw: 17.3, model: 'E350', address: { street: 'Hauptstraße 4', country: 'AT' }, region: 'region-02', version: 3, updatedBy: 'Otto' });
    await page.locator('.registry', { hasText: 'LG-NEW' }).waitFor();
    // Keyboard: Escape leaves it as it is.
    await page.getByRole('button', { name: 'Edit' }).click();
    await page.getByLabel('Note').fill('never mind');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Edit' }).waitFor();
    expect(await page.getByText('never mind').count()).toBe(0);
    // What the gateway refuses is noted by a browser's console.
    expect(complaints.filter((text) => !/409|422/.test(text))).toEqual([]);
  }, LONG_MS);

  test('a bill is read: its lines, how they came about, its files', async () => {
    await openPage('#bills');
    await page.getByRole('link', { name: 'INV-2026-000042' }).click();
    await page.getByRole('heading', { name: 'INV-2026-000042' }).waitFor();
    const lines = page.locator('.lines tbody tr');
    expect(await lines.count()).toBe(9);
    expect(await lines.first().innerText()).toMatch(/Energy · peak\s+128\.412 kWh\s+0\.3125\s+€40\.13/);
    expect((await page.locator('.lines tfoot tr').allInnerTexts()).map((text) => text.replace(/\s+/g, ' '))).toEqual([expect.stringMatching(/^Before tax €\d+\.\d\d$/), expect.stringMatching(/^Tax €\d+\.\d\d$/), 'Total €121.40']);
    const [net, tax, total] = (await page.locator('.lines tfoot tr td:last-child').allInnerTexts()).map((text) => Math.round(100 * Number(text.slice(1))));
    expect(net + tax).toBe(total);
    await page.getByText('How was this computed?').click();
    await page.getByText('each line comes to the same').waitFor();
    await page.getByText('128.412 kWh × 0.3125').waitFor();
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'PDF' }).click()]);
    expect(file.suggestedFilename()).toBe('INV-2026-000042.pdf');
    expect(readFileSync((await file.path())!, 'utf8')).toContain('%PDF INV-2026-000042 en');
    await page.screenshot({ path: join(shotDir, 'bill.png') });
    expect(complaints).toEqual([]);
  });

  test('bills are found by state, by meter and by number, and walked with the arrow keys', async () => {
    await openPage('#bills');
    await page.getByLabel('State of bills').selectOption('Overdue');
    await expect.poll(() => page.locator('.bills tbody tr').count()).toBe(1);
    await page.getByLabel('State of bills').selectOption('All');
    await page.getByLabel(/Number of a bill/).fill('INV-2026-000041');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'INV-2026-000041' }).waitFor();
    await page.getByText('transfer, A-77').waitFor();
    await page.getByRole('link', { name: 'INV-2026-000042' }).focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'INV-2026-000040' }).waitFor();
    expect(complaints).toEqual([]);
  });

  test('a tariff is a calendar: by season and kind of day, for the eye and for who does not see it', async () => {
    await openPage('#tariffs/time-of-use');
    const rows = page.locator('.calendar').first().locator('.calendar-row');
    expect(await rows.allInnerTexts()).toEqual(expect.arrayContaining([expect.stringMatching(/winter mon–fri[\s\S]*00:00 to 06:00 Nacht/)]));
    expect(await rows.first().locator('.span').count()).toBeGreaterThan(4);
    await page.getByText('20 % of Arbeitspreis').waitFor();
    await page.screenshot({ path: join(shotDir, 'tariff.png') });
  });

  test('a price is set by hand and shows', async () => {
    await openPage('#prices');
    await page.getByRole('button', { name: 'region-03' }).click();
    await page.getByText('Set the price by hand').click();
    await page.getByLabel('per kWh').fill('0,31');
    await page.getByLabel('Your name').fill('Bob');
    await page.getByLabel('Reason').fill('a line is down');
    await page.getByRole('button', { name: 'Set', exact: true }).click();
    await page.getByText(/Bob: a line is down/).waitFor();
    const [made] = ((await (await fetch(`http://127.0.0.1:${showcase.server.port}/api/v1/price-overrides`)).json()) as any).data;
    expect(made).toMatchObject({ region: 'region-03', price: '0.31', by: 'Bob', reason: 'a line is down' });
    expect(Math.abs(Date.parse(made.until) - Date.now() - 3_600_000)).toBeLessThan(60_000);
    expect(complaints).toEqual([]);
  });

  test('a household sees its use, what it costs so far and will, how that compares, and its bills', async () => {
    // Soon after midnight a day's line has no part before its end.
    await openPage(`#home/${HOME_METER}`, { timezoneId: zoneOfAfternoon(Date.now()) });
    await page.getByText('Hauptstraße 4, 50660 Köln, DE · meter no. LG-4003').waitFor();
    await page.getByText('€71.42').first().waitFor();
    expect(await page.locator('.area-cost').innerText()).toMatch(/€71\.42\s*so far,[\s\S]*€88\.15\s+at the month's end/);
    expect(await page.locator('.area-compare').innerText()).toMatch(/10 % less than in the same days of the month before/);
    expect(await page.locator('.area-compare').innerText()).toMatch(/Home Flat\s+€98\.72\s+-€5\.38/);
    expect(await page.locator('.area-bills tbody tr').count()).toBe(5);
    // A reading arrives.
    const { grid } = showcase;
    const answered = grid.answerMeter;
    grid.answerMeter = async (meterId) => {
      const now = grid.meterNow(meterId)!;
      const windowStart = Math.floor(Date.now() / 900_000) * 900_000;
      const open = { ...grid.meterWindows(meterId, windowStart - 60_000, windowStart)[0], granularity: '15m' as const, windowStart, windowEnd: windowStart + 900_000, avgPowerKw: 90, final: false };
      return { ...now, meter: { ...now.meter, lastReading: { ...now.meter.lastReading, powerKw: 7.77 } }, openWindows: [open] };
    };
    await page.locator('.area-now').getByText('7.77 kW').waitFor();
    // Its quarter-hour is drawn at the end of the day's line, and presses the rest of it flat.
    const drawn = () => drawnLine(page.locator('.area-now .curve canvas'), '--accent');
    await expect.poll(async () => highest(await drawn(), 0.85, 1)).toBeGreaterThan(0.7);
    expect(highest(await drawn(), 0, 0.5) ?? 0).toBeLessThan(0.35);
    grid.answerMeter = answered;
    await page.screenshot({ path: join(shotDir, 'home.png') });
    expect(complaints).toEqual([]);
  });

  test('the engine’s page says what waits in its parts', async () => {
    await openPage('#engine');
    const rows = page.locator('.queues tbody tr');
    await rows.first().waitFor();
    expect((await rows.allInnerTexts()).map((text) => text.replace(/\s+/g, ' '))).toEqual(['ingest-0 readings to be sent to shards 1,250 – –', 'shard-0 batches to be written to the log 3 8 0', 'alerts messages 0 2 4']);
    expect(complaints).toEqual([]);
  });

  test('the colours are those that somebody chose, also after a reload', async () => {
    await openPage('#account', { colorScheme: 'dark' });
    const ground = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
    expect(await ground()).toBe('rgb(13, 19, 23)');
    await page.getByLabel('Colours').selectOption('Light');
    expect(await ground()).toBe('rgb(238, 241, 243)');
    await page.reload();
    await page.getByText('Live', { exact: true }).waitFor();
    expect(await ground()).toBe('rgb(238, 241, 243)');
  });

  test('what the gateway refuses is shown in its words, with a way to try again', async () => {
    const { answers } = showcase.tariffs;
    const { invoices } = answers;
    answers.invoices = () => {
      throw Object.assign(new Error('broken on purpose'), { code: 'x' });
    };
    await openPage('#bills');
    const tryAgain = page.locator('.area-list').getByRole('button', { name: 'Try again' });
    await tryAgain.waitFor();
    answers.invoices = invoices;
    await tryAgain.click();
    await page.getByRole('link', { name: 'INV-2026-000042' }).waitFor();
  });
});

/** A time zone in which it is past two in the afternoon. */
function zoneOfAfternoon(nowMs: number): string {
  const offset = 14 - new Date(nowMs).getUTCHours();
  // Signs are turned round in these names.
  return `Etc/GMT${offset < 0 ? '+' : '-'}${Math.abs(offset)}`;
}
