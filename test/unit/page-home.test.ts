import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { drawn, valuesOf } from '../support/small-charts.ts';
import { SmallPage, pageOf, refusal, type Answers } from '../support/small-page.ts';

vi.mock('uplot', () => import('../support/small-charts.ts'));

/** What a household is shown. The pages are JavaScript without declarations, hence the dynamic imports. */
const web = (file: string) => import(new URL(`../../web/${file}`, import.meta.url).href);
const { html } = await web('ui.js');
const { HomePage } = await web('home/home-page.js');
const { HomeCost } = await web('home/home-cost.js');
const { HomeUse } = await web('home/home-use.js');
const { HomeComparison } = await web('home/home-comparison.js');
const { HomeMonths } = await web('home/home-months.js');

const NOW = new Date(2026, 6, 15, 12, 7).getTime();
const QUARTER_MS = 900_000;
let page: SmallPage;
beforeEach(() => {
  page = new SmallPage();
});
afterEach(() => (vi.unstubAllEnvs(), page.close()));

const bill = (over: object = {}) => ({ from: '2026-07-01', to: '2026-07-15', currency: 'EUR', total: '71.42', importKwh: '318.4', exportKwh: '0', dailyKwh: [], lines: [], net: '60.00', tax: '11.42', zone: 'Europe/Berlin', ...over });
const window = (startMs: number, avgPowerKw: number, over: object = {}) => ({ granularity: '15m', windowStart: new Date(startMs).toISOString(), avgPowerKw, energyKwhSum: avgPowerKw / 4, ...over });

describe('what the month costs', () => {
  test('so far and at its end, and what was given', async () => {
    page.answers = { '/meters/m/cycle': { bill: bill({ exportKwh: '12.5' }), projectedTotal: '88.15', currency: 'EUR' } };
    const shown = await page.show(html`<${HomeCost} meterId="m" />`);
    expect(shown.all('.big-amount').map((amount: any) => amount.words)).toEqual([expect.stringMatching(/71\.42.*so far/), expect.stringMatching(/88\.15.*at the month's end/)]);
    expect([shown.one('h2').words, shown.one('.note').words]).toEqual(['July 2026', expect.stringMatching(/^318 kWh used, 12\.5 kWh given to the grid\.$/)]);
  });

  test('is not known where the engine cannot say, and may be asked for again', async () => {
    page.answers = { '/meters/m/cycle': refusal(409, 'no_tariff', 'No tariff counts for this meter.') };
    const shown = await page.show(html`<${HomeCost} meterId="m" />`);
    expect([shown.one('h2').words, shown.words]).toEqual(['This month', expect.stringContaining('is not known: No tariff counts for this meter.')]);
    page.answers = { '/meters/m/cycle': { bill: bill(), projectedTotal: '88.15', currency: 'EUR' } };
    await shown.button('Try again').press();
    expect(shown.words).toMatch(/88\.15/);
    expect(shown.words).not.toMatch(/given/);
  });
});

describe('the use of today', () => {
  const midnight = new Date(2026, 6, 15).getTime();

  test('is the sum of its quarter-hours, the one under way as it is now, and nothing of yesterday', async () => {
    page.answers = { '/meters/m/aggregates': pageOf(window(midnight - QUARTER_MS, 99), window(midnight + QUARTER_MS, 4), window(midnight, 2)) };
    const shown = await page.show(html`<${HomeUse} meterId="m" openWindows=${[window(midnight + QUARTER_MS, 6), window(midnight, 50, { granularity: '1m' })]} nowMs=${NOW} />`);
    expect(page.asked[0].query).toMatchObject({ granularity: '15m', from: new Date(midnight).toISOString() });
    expect(shown.one('.load-figures').words).toMatch(/^Today 2 kWh so far$/);
    expect(drawn[0].data).toEqual([[midnight / 1000 + 450, midnight / 1000 + 1_350], [2, 6]]);
    expect(drawn[0].options.scales.x.range()).toEqual([midnight / 1000, NOW / 1000]);
    drawn[0].options.hooks.setCursor[0]({ cursor: { idx: 1 } });
    await shown.fire('none');
    expect(shown.one('.figure-end').words).toMatch(/^00:15 6\.00 kW$/);
    await shown.one('details').fire('toggle', { currentTarget: { open: true } });
    expect(shown.all('tbody tr').map((row: any) => row.words)).toEqual([expect.stringMatching(/^00:15 6\.00 kW 1\.5 kWh$/), expect.stringMatching(/^00:00 2\.00 kW 0\.5 kWh$/)]);
  });
});

describe('the comparison', () => {
  const answers = (used: string, before: string): Answers => ({
    '/meters/m/cycle': { bill: bill({ importKwh: used }) },
    '/meters/m/estimate': bill({ importKwh: before, total: '79.00', from: '2026-06-01', to: '2026-06-15' }),
    '/meters/m/tariff': { id: 'own', document: { currency: 'EUR', zone: 'Europe/Berlin' } },
    '/tariffs': pageOf({ id: 'own', name: 'Ours', currency: 'EUR', zone: 'Europe/Berlin' }, { id: 'flat', name: 'Flat', currency: 'EUR', zone: 'Europe/Berlin' }, { id: 'gb', name: 'GB', currency: 'GBP', zone: 'Europe/Berlin' }, { id: 'far', name: 'Far', currency: 'EUR', zone: 'UTC' }),
    '/meters/m/compare': pageOf({ tariffId: 'flat', total: '98.72', currency: 'EUR', difference: '-5.38' }, { tariffId: 'own', total: '104.10', currency: 'EUR', difference: '0.00' }, { tariffId: 'other', total: '110.00', currency: 'EUR', difference: '5.90' }),
  });

  test.each([
    ['110', '100', /^10 % more than in/],
    ['90', '100', /^10 % less than in/],
    ['100', '100', /^As much as in/],
    ['90', '0', /^There was no use/],
  ])('of %s kWh with %s before', async (used, before, words) => {
    page.answers = answers(used, before);
    const shown = await page.show(html`<${HomeComparison} meterId="m" />`);
    expect(shown.one('p').words).toMatch(words);
    expect(page.asked.find(({ path }) => path.endsWith('/estimate'))!.query).toEqual({ from: '2026-06-01', to: '2026-06-15' });
  });

  test('draws both to one scale, this month first', async () => {
    page.answers = answers('60', '120');
    const shown = await page.show(html`<${HomeComparison} meterId="m" />`);
    expect(shown.all('.versus .bar-fill').map((bar: any) => bar.style.width)).toEqual(['50%', '100%']);
    expect(shown.all('.versus tbody tr').map((row: any) => row.words)).toEqual([expect.stringMatching(/60 kWh .*71\.42$/), expect.stringMatching(/120 kWh .*79\.00$/)]);
  });

  test('with other tariffs is with those of the same money and clock, and says what is dearer', async () => {
    page.answers = answers('60', '120');
    const shown = await page.show(html`<${HomeComparison} meterId="m" />`);
    expect(page.asked.find(({ path }) => path.endsWith('/compare'))!.query.tariffs).toBe('own,flat');
    expect(shown.all('table tbody tr').slice(2).map((row: any) => row.words)).toEqual([expect.stringMatching(/^Flat .*98\.72 -.?5\.38$/), expect.stringMatching(/^Ours ?yours .*104\.10 –$/), expect.stringMatching(/^other .*110\.00 \+.?5\.90$/)]);
  });
});

describe('use by the month', () => {
  const month = (name: string, importKwh: number, over: object = {}) => {
    const [year, number] = name.split('-').map(Number);
    return { month: name, from: new Date(year, number - 1, 1).toISOString(), to: new Date(year, number, 1).toISOString(), isOver: true, importKwh, exportKwh: 0, quarters: { measured: 2_976, estimated: 0, missing: 0 }, ...over };
  };
  const spans = [{ fromMs: new Date(2024, 2, 1).getTime(), untilMs: Infinity }];

  test('has the newest first, leaves out what nothing is known of, and says where it is not all', async () => {
    page.answers = { '/meters/m/monthly': pageOf(month('2026-05', 5, { quarters: { measured: 0, estimated: 0, missing: 2_976 } }), month('2026-06', 200, { quarters: { measured: 75, estimated: 0, missing: 25 } }), month('2026-07', 100, { isOver: false })) };
    const shown = await page.show(html`<${HomeMonths} meterId="m" spans=${spans} nowMs=${NOW} />`);
    expect(page.asked[0].query).toMatchObject({ from: '2025-08', to: '2026-08' });
    expect(shown.all('tbody tr').map((row: any) => row.words)).toEqual(['July 2026 so far 100 kWh', 'June 2026 200 kWh 25 % not measured']);
    expect(shown.all('.bar-fill').map((bar: any) => bar.style.width)).toEqual(['50%', '100%']);
  });

  test('shows the days of a month that somebody opens', async () => {
    page.answers = { '/meters/m/monthly': pageOf(month('2026-06', 200, { exportKwh: 3 })), '/meters/m/daily': pageOf({ date: '2026-06-01', importKwh: 4, exportKwh: 0, quarters: { measured: 96, estimated: 0, missing: 0 } }, { date: '2026-06-02', importKwh: 0, exportKwh: 0, quarters: { measured: 0, estimated: 0, missing: 96 } }) };
    const shown = await page.show(html`<${HomeMonths} meterId="m" spans=${spans} nowMs=${NOW} />`);
    expect(shown.one('tbody tr').words).toBe('June 2026 200 kWh 3 kWh');
    await shown.button('June 2026').press();
    expect(page.asked.at(-1)!.query).toMatchObject({ from: '2026-06-01', to: '2026-07-01' });
    expect(shown.all('rect.use')).toHaveLength(1);
    await shown.button('June 2026').press();
    expect(shown.all('rect.use')).toHaveLength(0);
  });

  test('is by the clock of who looks, its days as well', async () => {
    vi.stubEnv('TZ', 'Asia/Tokyo');
    page.answers = { '/meters/m/monthly': pageOf(month('2026-06', 200, { quarters: { measured: 0, estimated: 2_976, missing: 0 } })), '/meters/m/daily': pageOf() };
    const shown = await page.show(html`<${HomeMonths} meterId="m" spans=${spans} nowMs=${NOW} />`);
    await shown.button('June 2026').press();
    expect(page.asked.map(({ query }) => query.zone)).toEqual(['Asia/Tokyo', 'Asia/Tokyo']);
  });

  test('goes back to the month in which it began, and no further', async () => {
    page.answers = { '/meters/m/monthly': pageOf(month('2026-06', 200)) };
    const shown = await page.show(html`<${HomeMonths} meterId="m" spans=${spans} nowMs=${NOW} />`);
    expect(shown.button('Later').hasAttribute('disabled')).toBe(true);
    await shown.button('Earlier').press();
    expect(page.asked.at(-1)!.query).toMatchObject({ from: '2024-08', to: '2025-08' });
    await shown.button('Earlier').press();
    expect(page.asked.at(-1)!.query).toMatchObject({ from: '2024-03', to: '2024-08' });
    expect(shown.button('Earlier').hasAttribute('disabled')).toBe(true);
    await shown.button('Later').press();
    expect(page.asked.at(-1)!.query).toMatchObject({ from: '2024-08', to: '2025-08' });
  });
});

describe('the home of a consumer', () => {
  const view = (over: object = {}, reading: object = {}) => ({ meterId: 'm', error: null, now: { meter: { health: 'reporting', lastReading: { timestamp: new Date(NOW - 5_000).toISOString(), powerKw: 1.25, ...reading }, baseline: { warm: true, meanKw: 0.8 }, ...over }, openWindows: [] } });
  const me = (assignments: object[]) => ({ role: 'consumer', assignments });
  const own = (meterId: string, from: string | null = null, until: string | null = null) => ({ meterId, from, until });
  /** By the clock of who looks, wherever the tests run. */
  const noon = (year: number, month: number, day: number) => new Date(year, month - 1, day, 12).toISOString();
  const open = (meterId: string | null, assignments: object[], seen: object | null = view()) => page.show(html`<${HomePage} meterId=${meterId} me=${me(assignments)} view=${seen} nowMs=${NOW} />`);

  test('says what is drawn, given, or that nothing comes', async () => {
    expect((await open('m', [own('m')])).one('.area-now .big-amount').words).toMatch(/^1\.25 kW ?drawn, 5 s ago$/);
    expect((await open('m', [own('m')], view({}, { powerKw: -2 }))).one('.area-now .big-amount').words).toMatch(/^-2\.00 kW ?given to the grid, 5 s ago$/);
    expect((await open('m', [own('m')], view({ health: 'silent' }))).one('.area-now .big-amount').words).toMatch(/silent, last heard 5 s ago$/);
    expect((await open('m', [own('m')])).words).toMatch(/Usual for you: 0\.80 kW/);
    expect((await open('m', [own('m')], view({ baseline: { warm: false, meanKw: 0 } }))).words).not.toContain('Usual');
  });

  test('of a meter that they left has what was theirs and asks for nothing of now', async () => {
    const shown = await open('m', [own('other'), own('m', noon(2025, 1, 2), noon(2026, 3, 1))], null);
    expect([shown.one('h2').words, shown.one('.held').words]).toEqual(['Your home before', expect.stringMatching(/^Yours from 2 Jan 2025, 12:00 to 1 Mar 2026, 12:00\./)]);
    expect(page.asked.map(({ path }) => path).sort()).toEqual(['/invoices', '/me/meters', '/meters/m/monthly']);
    expect(shown.all('optgroup option').map((option: any) => option.words)).toEqual(['m, until 1 Mar 2026']);
    await shown.one('select').choose('other');
    expect((globalThis as unknown as { location: { hash: string } }).location.hash).toBe('#home/other');
  });

  test('of a meter that is theirs since a day says since when; always is not worth a word', async () => {
    expect((await open('m', [own('m', noon(2026, 6, 1))])).one('.held').words).toMatch(/^Yours since 1 Jun 2026, 12:00\./);
    expect((await open('m', [own('m')])).all('.held')).toEqual([]);
  });

  test('without a meter says who gives one, or when one comes', async () => {
    expect((await open(null, [], null)).words).toContain('No meter belongs to your account yet');
    expect((await open(null, [own('later', '2027-01-01T12:00:00Z'), own('soon', '2026-09-01T12:00:00Z')], null)).words).toMatch(/Meter soon will be yours from .*2026/);
  });

  test('draws the power of now in its colour', async () => {
    const midnight = new Date(2026, 6, 15).getTime();
    page.answers = { '/meters/m/aggregates': pageOf(window(midnight, 2)) };
    await open('m', [own('m')]);
    expect(valuesOf(drawn.at(-1)!, '--accent')).toEqual([2]);
  });
});
