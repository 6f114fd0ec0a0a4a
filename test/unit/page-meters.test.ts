import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { drawn, valuesOf } from '../support/small-charts.ts';
import { pageOf, SmallPage } from '../support/small-page.ts';

vi.mock('uplot', () => import('../support/small-charts.ts'));

/** What an operator reads of meters. The pages are JavaScript without declarations, hence the dynamic imports. */
const web = (file: string) => import(new URL(`../../web/${file}`, import.meta.url).href);
const { html } = await web('ui.js');
const { dayCurve, MeterPanel } = await web('meter-panel.js');
const { MeterList } = await web('meter-list.js');
const { MeterVoltage } = await web('meters/meter-voltage.js');
const { MeterCorrections } = await web('meters/meter-corrections.js');
const { MetersPage } = await web('meters/meters-page.js');
const { SilentPage } = await web('meters/silent-page.js');
const { emptyState, withMessage } = await web('grid-state.js');
const { formatDecimal, formatPower } = await web('format.js');

const NOW = new Date(2026, 6, 15, 12, 7, 30).getTime();
const MIDNIGHT = new Date(2026, 6, 15).getTime();
const MINUTE_MS = 60_000;
let page: SmallPage;
beforeEach(() => {
  page = new SmallPage();
});
afterEach(() => page.close());

const window = (startMs: number, over: object = {}) => ({ granularity: '1m', windowStart: new Date(startMs).toISOString(), avgPowerKw: 1, minPowerKw: 0.5, maxPowerKw: 2, count: 60, energyKwhSum: 0.0167, voltageAvg: null, voltageMin: null, voltageMax: null, revision: 0, final: true, ...over });
const baseline = (over: object = {}) => ({ meanKw: 1, deviationKw: 0.25, windows: 100, warm: true, hourOfWeek: [], ...over });

describe('the day of a meter', () => {
  test('is its closed and open minutes in order, one point for each, with a hole where some are missing', () => {
    const curve = dayCurve([window(MIDNIGHT + 3 * MINUTE_MS), window(MIDNIGHT), window(MIDNIGHT, { granularity: '15m', avgPowerKw: 9 })], [window(MIDNIGHT + 3 * MINUTE_MS, { avgPowerKw: 5 })], baseline());
    expect(curve.powerKw).toEqual([1, null, 5]);
    expect(curve.seconds).toEqual([30, 90, 210].map((s) => MIDNIGHT / 1000 + s));
    expect(dayCurve([window(MIDNIGHT), window(MIDNIGHT + 2 * MINUTE_MS), window(MIDNIGHT + 3 * MINUTE_MS)], [], baseline()).powerKw).toEqual([1, null, 1, 1]);
  });

  test('lies in a band of two deviations around what is usual at that hour of the week, of UTC', () => {
    const monday3 = Date.UTC(2026, 6, 13, 3);
    const { usualLow, usualHigh } = dayCurve([window(monday3), window(monday3 + 60 * MINUTE_MS)], [], baseline({ hourOfWeek: [{ hour: 3, meanKw: 4, deviationKw: 0.5 }] }));
    expect([usualLow[0], usualHigh[0]]).toEqual([3, 5]);
    expect([usualLow.at(-1), usualHigh.at(-1)]).toEqual([0.5, 1.5]);
    const sunday23 = dayCurve([window(Date.UTC(2026, 6, 19, 23))], [], baseline({ hourOfWeek: [{ hour: 167, meanKw: 4, deviationKw: 0.5 }] }));
    expect(sunday23.usualHigh).toEqual([5]);
  });
});

describe('a meter', () => {
  const meter = (over: object = {}, reading: object = {}) => ({
    meterId: 'm', region: 'a', health: 'reporting', newestTimestamp: new Date(NOW).toISOString(), openAnomalies: [], readings: 18_412, cadenceMs: 1_000, baseline: baseline(),
    lastReading: { timestamp: new Date(NOW - 5_000).toISOString(), powerKw: 3.69, voltage: 231.44, current: 5.307, frequency: 50.012, powerFactor: 0.973, status: 'OK', ...reading }, ...over,
  });
  const open = (of: object, openWindows: object[] = []) => page.show(html`<${MeterPanel} view=${{ meterId: 'm', now: { meter: of, openWindows }, error: null }} anomalies=${null} nowMs=${NOW} />`);
  const factsOf = (shown: any) => Object.fromEntries(shown.all('dl div').map((fact: any) => [fact.one('dt').words, fact.one('dd').words]));

  beforeEach(() => {
    page.answers = { '/meters/m/aggregates': pageOf(window(MIDNIGHT), window(MIDNIGHT + MINUTE_MS, { revision: 2, avgPowerKw: 2 })), '/anomalies': pageOf() };
  });

  test('has its figures with their units', async () => {
    expect(factsOf(await open(meter()))).toMatchObject({
      Power: formatPower(3.69, 2), 'Last reading': '12:07:25 5 s ago', Usual: `${formatDecimal(1, 2)} ± ${formatDecimal(0.25, 2)} kW`, Voltage: `${formatDecimal(231.44, 1)} V`, Current: `${formatDecimal(5.307, 2)} A`,
      Frequency: `${formatDecimal(50.012, 2)} Hz`, 'Power factor': formatDecimal(0.973, 2), Readings: expect.stringMatching(/^18.?412, every 1\.0 s$/),
    });
  });

  test('says what it does not know', async () => {
    const facts = factsOf(await open(meter({ readings: null, cadenceMs: 900_000, baseline: baseline({ windows: 0, warm: false }) }, { voltage: null, current: null, frequency: null, powerFactor: null })));
    expect(facts).toMatchObject({ Usual: '– learning', Voltage: '–', Current: '–', Frequency: '–', 'Power factor': '–', Readings: '–, every 15 min' });
    expect(drawn.at(-1)!.options.bands).toBeUndefined();
  });

  test.each([
    [{ health: 'silent' }, {}, /Silent: it should have reported by now/],
    [{ health: 'historical' }, {}, /old ones that were imported/],
    [{}, { status: 'ERROR' }, /reports an error of the meter/],
  ])('says what is wrong with it: %j %j', async (over, reading, words) => {
    expect((await open(meter(over, reading))).words).toMatch(words);
    expect((await open(meter())).words).not.toMatch(words);
  });

  test('asks for the minutes of today, draws them up to now, and lists what was corrected', async () => {
    const shown = await open(meter(), [window(NOW - 30_000, { avgPowerKw: 7 })]);
    expect(page.asked.find(({ path }) => path.endsWith('/aggregates'))!.query).toEqual({ granularity: '1m', from: new Date(MIDNIGHT).toISOString(), limit: '1600' });
    expect(valuesOf(drawn[0], '--accent')).toEqual([1, 2, null, 7]);
    expect(drawn[0].options.scales.x.range()).toEqual([MIDNIGHT / 1000, NOW / 1000]);
    expect(drawn[0].options.bands).toEqual([{ series: [3, 2], fill: '--band' }]);
    // The edges of the band are no curves of their own.
    expect(drawn[0].options.series.map(({ stroke }) => stroke)).toEqual([undefined, '--accent', 'transparent', 'transparent']);
    expect(shown.one('.corrections').words).toMatch(/^00:01 ?2\.00 kW of 60 readings ?corrected 2 times$/);
    expect(shown.words).toContain('3 minutes');
  });

  test('has its anomalies, those of the stream newer than those that were asked for', async () => {
    const anomaly = { id: '1', meterId: 'm', region: 'a', kind: 'drop', severity: 'WARN', startedAt: new Date(NOW).toISOString(), endedAt: null, endReason: null, message: 'before' };
    page.answers = { ...page.answers, '/anomalies': pageOf(anomaly) };
    const shown = await page.show(html`<${MeterPanel} view=${{ meterId: 'm', now: { meter: meter(), openWindows: [] }, error: null }} anomalies=${new Map([['1', { ...anomaly, message: 'now' }], ['2', { ...anomaly, id: '2', meterId: 'other' }]])} nowMs=${NOW} />`);
    expect(shown.all('.anomaly p').map((one) => one.words)).toEqual(['now']);
    expect(page.asked.find(({ path }) => path === '/anomalies')!.query.meterId).toBe('m');
  });

  test('has of the stream the anomalies of the last day, and those that go on', async () => {
    const ago = (hours: number, over: { id: string; message: string; endedAt?: null; endReason?: null }) => ({ meterId: 'm', region: 'a', kind: 'drop', severity: 'WARN', startedAt: new Date(NOW - hours * 60 * MINUTE_MS).toISOString(), endedAt: new Date(NOW).toISOString(), endReason: 'recovered', ...over });
    const live = [ago(23, { id: '1', message: 'of today' }), ago(25, { id: '2', message: 'of yesterday' }), ago(900, { id: '3', message: 'going on', endedAt: null, endReason: null })];
    const shown = await page.show(html`<${MeterPanel} view=${{ meterId: 'm', now: { meter: meter(), openWindows: [] }, error: null }} anomalies=${new Map(live.map((anomaly) => [anomaly.id, anomaly]))} nowMs=${NOW} />`);
    expect(shown.all('.anomaly p').map((one) => one.words)).toEqual(['going on', 'of today']);
  });
});

describe('the voltage of a day', () => {
  const show = (windows: (object | null)[]) => page.show(html`<${MeterVoltage} meterId="m" windows=${windows} range=${[0, 1]} />`);

  test('is drawn within a tenth around the supply voltage that it is nearest to', async () => {
    const shown = await show([window(MIDNIGHT, { voltageAvg: 121, voltageMin: 118.24, voltageMax: 123.96 }), null, window(MIDNIGHT + 2 * MINUTE_MS, { voltageAvg: 119, voltageMin: 117.5, voltageMax: 121 })]);
    expect(shown.one('.figure-end').words).toBe(`${formatDecimal(117.5, 1)} to ${formatDecimal(123.96, 1)} V`);
    expect(drawn[0].data[1]).toEqual([121, null, 119]);
    expect([drawn[0].data[2][0], drawn[0].data[3][0]]).toEqual([108, 132]);
    expect(drawn[0].data.slice(4)).toEqual([[118.24, null, 117.5], [123.96, null, 121]]);
    expect(drawn[0].data[0][1]).toBe(MIDNIGHT / 1000 + 90);
    const { range } = drawn[0].options.scales.y;
    expect(range(null, 117, 124).map((volts) => Math.round(volts * 10) / 10)).toEqual([105.6, 134.4]);
    expect(range(null, 90, 140)).toEqual([90, 140]);
    expect(drawn[0].options.axes[1].values(null, [100, 120.00001])).toEqual(['100', '120 V']);
  });

  test('is not there where no reading carried one', async () => {
    expect((await show([window(MIDNIGHT), null])).words).toBe('');
  });
});

test('of corrections the newest are listed, and those beyond counted', async () => {
  const windows = Array.from({ length: 15 }, (_, i) => window(MIDNIGHT + i * MINUTE_MS, { revision: 1 }));
  const shown = await page.show(html`<${MeterCorrections} windows=${[null, ...windows]} />`);
  expect(shown.all('li')).toHaveLength(12);
  expect([shown.all('li')[0].words, shown.words]).toEqual([expect.stringMatching(/^00:14.*corrected once$/), expect.stringMatching(/3 more\.$/)]);
  expect((await page.show(html`<${MeterCorrections} windows=${[window(MIDNIGHT)]} />`)).words).toMatch(/None: every reading came in time/);
});

describe('lists of meters', () => {
  const summary = (meterId: string, over: object = {}) => ({ meterId, region: 'a', health: 'reporting', newestTimestamp: new Date(NOW - 5_000).toISOString(), lastPowerKw: 1.234, openAnomalies: [], ...over });
  const state = withMessage(emptyState, { type: 'snapshot', channel: 'regions', seq: 1, data: { regions: ['a', 'b'].map((region, i) => ({ region, meters: 10, metersReporting: 9, metersSilent: i, loadKw: 5, capacityKw: 10, loadPercent: 50, openAnomalies: 0 })), windows: [] } }, NOW);

  test('say how each is, and when it was heard last', async () => {
    page.answers = { '/meters': pageOf(summary('m1'), summary('m2', { health: 'silent', newestTimestamp: new Date(NOW - 26 * MINUTE_MS).toISOString(), openAnomalies: ['outage'] }), summary('m3', { health: 'historical' })) };
    const shown = await page.show(html`<${MeterList} region="a" nowMs=${NOW} onSelect=${() => undefined} />`);
    expect(shown.all('tbody tr').map((row) => row.words)).toEqual([expect.stringMatching(/^m1 Reporting 1\.23 12:07:25$/), expect.stringMatching(/^m2 Silent ?Outage 1\.23 26 min ago$/), expect.stringMatching(/^m3 Imported 1\.23 12:07:25$/)]);
    expect(page.asked[0].query).toEqual({ region: 'a', limit: '12' });
    const long = await page.show(html`<${MetersPage} state=${state} nowMs=${NOW} />`);
    expect(long.all('[data-row]').map((row) => row.words)).toEqual([expect.stringMatching(/^m1a ?Reporting1\.2312:07:25$/), expect.stringMatching(/^m2aSilent ?Outage1\.2326 min ago$/), expect.stringMatching(/^m3aImported/)]);
    expect([long.one('.reporting').words, long.one('[role=status]').words]).toEqual(['20', '']);
  });

  test('a region alone is asked for by its name', async () => {
    page.answers = { '/meters': pageOf(summary('m1')) };
    const shown = await page.show(html`<${MetersPage} state=${state} nowMs=${NOW} />`);
    await shown.one('select').choose('b');
    expect([page.asked.at(-1)!.query, shown.one('.reporting').words]).toEqual([{ region: 'b', limit: '200' }, '10 in b']);
  });

  test('silent ones come with their reason, for how long, and how many there are by region', async () => {
    const outage = { id: '1', meterId: 'm2', region: 'b', kind: 'outage', severity: 'CRITICAL', startedAt: new Date(NOW - 26 * MINUTE_MS).toISOString(), endedAt: null, message: 'No reading for 26 min.' };
    page.answers = { '/anomalies': pageOf(outage) };
    const shown = await page.show(html`<${SilentPage} state=${state} nowMs=${NOW} />`);
    expect(page.asked[0].query).toEqual({ kind: 'outage', open: 'true', limit: '50' });
    expect(shown.one('.reporting').words).toBe('1 of 20, in 1 region');
    expect(shown.one('tbody tr').words).toMatch(/^m2 b ◆ Critical No reading for 26 min\. 11:41, 26 min$/);
    expect(shown.all('option').map((one) => one.words)).toEqual(['All regions', 'a', 'b (1)']);
    await shown.one('select').choose('a');
    expect([page.asked.at(-1)!.query.region, shown.one('.reporting').words]).toEqual(['a', '0 of 10']);
  });
});
