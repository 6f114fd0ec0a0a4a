import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { drawn, valuesOf } from '../support/small-charts.ts';
import { SmallPage } from '../support/small-page.ts';

vi.mock('uplot', () => import('../support/small-charts.ts'));

/** What an operator reads of the grid. The pages are JavaScript without declarations, hence the dynamic imports. */
const web = (file: string) => import(new URL(`../../web/${file}`, import.meta.url).href);
const { html } = await web('ui.js');
const { RegionBoard } = await web('region-board.js');
const { GridLoad } = await web('grid-load.js');
const { ForecastCurve, RegionForecast } = await web('forecast-panel.js');
const { EngineStrip, StaleBanner } = await web('engine-strip.js');
const { AnomalyItems, AnomalyList } = await web('anomaly-list.js');
const { emptyState, withMessage } = await web('grid-state.js');
const { PageNav } = await web('page-nav.js');
const { formatDecimal, formatPercent, formatPower } = await web('format.js');

const NOW = new Date(2026, 6, 15, 12, 7, 30).getTime();
const MINUTE_MS = 60_000;
const THIS_MINUTE = Math.floor(NOW / MINUTE_MS) * MINUTE_MS;
let page: SmallPage;
beforeEach(() => {
  page = new SmallPage();
});
afterEach(() => (vi.unstubAllEnvs(), page.close()));

const region = (name: string, over: object = {}) => ({ region: name, meters: 10, metersReporting: 10, metersSilent: 0, loadKw: 5, capacityKw: 10, loadPercent: 50, openAnomalies: 0, ...over });
const minute = (name: string, ago: number, sumPowerKw: number) => ({ region: name, windowStart: new Date(THIS_MINUTE - ago * MINUTE_MS).toISOString(), metersReporting: 10, sumPowerKw, loadPercent: null, final: true });
const grid = (regions: object[], windows: object[] = [], prices: object[] = []) => {
  const state = withMessage(emptyState, { type: 'snapshot', channel: 'regions', seq: 1, data: { regions, windows } }, NOW);
  return prices.length === 0 ? state : withMessage(state, { type: 'snapshot', channel: 'prices', seq: 1, data: { prices } }, NOW);
};
const quarter = (hour: number, powerKw: number, over: object = {}) => ({ startMs: new Date(2026, 6, 15, hour).getTime(), powerKw, lowKw: powerKw - 1, highKw: powerKw + 2, ...over });
const forecast = (quarters: any[], over: object = {}) => ({ quarters, peak: quarters.reduce((best, one) => (one.powerKw > best.powerKw ? one : best), quarters[0] ?? null), basis: 'weeks', missing: null, backtest: null, ...over });

describe('the board of regions', () => {
  const board = async (state: object, forecasts = new Map()) => {
    const shown = await page.show(html`<${RegionBoard} state=${state} selected="b" nowMs=${NOW} forecasts=${forecasts} onSelect=${(name: string) => chosen.push(name)} />`);
    return shown.all('tbody tr');
  };
  let chosen: string[] = [];
  beforeEach(() => {
    chosen = [];
  });

  test('says of each its load, how full that is, who is silent and what is open', async () => {
    const rows = await board(grid([region('a', { loadPercent: 95, loadKw: 9.5, metersReporting: 8, metersSilent: 2, openAnomalies: 1 }), region('b', { capacityKw: null, loadPercent: null, loadKw: -2.25 })]));
    expect(rows.map((row) => row.words)).toEqual([expect.stringMatching(/^a ?1 open anomaly 95 % ?◆ Critical 9\.5 \/ 10 82 silent$/), expect.stringMatching(/^b – -2\.[23] 10$/)]);
    expect(rows.map((row) => [row.classes.includes('level-critical'), row.getAttribute('aria-current'), row.one('.bar-fill').style.width])).toEqual([[true, null, '95%'], [false, 'true', '0%']]);
    await rows[0].button('a').press();
    expect(chosen[0]).toBe('a');
  });

  test('a bar ends at the capacity, and before nothing', async () => {
    const rows = await board(grid([region('a', { loadPercent: 180 }), region('b', { loadPercent: -40 })]));
    expect(rows.map((row) => row.one('.bar-fill').style.width)).toEqual(['100%', '0%']);
  });

  test('says what a kWh costs and what was set by hand, and what the next hours bring, against the capacity where there is one', async () => {
    const prices = [{ region: 'a', price: '0.40', currency: 'EUR', multiplier: '1.1', override: 'o1' }, { region: 'b', price: '0.20', currency: 'EUR', multiplier: '1.0', override: null }];
    const forecasts = new Map([['a', forecast([quarter(19, 9.6), quarter(20, 3)])], ['b', forecast([quarter(18, 4.25)])]]);
    const rows = await board(grid([region('a'), region('b', { capacityKw: null }), region('c')], [], prices), forecasts);
    expect(rows.map((row) => row.one('.ahead-cell').words)).toEqual(['96 %at 19:00', expect.stringMatching(/^4\.[23]at 18:00$/), '–']);
    expect(rows[0].one('.ahead').classes).toContain('level-critical');
    expect(rows.map((row) => row.one('.price-cell').words)).toEqual([expect.stringMatching(/0\.40set by hand$/), expect.stringMatching(/0\.20$/), '–']);
    expect(rows[0].one('.price-cell').getAttribute('title')).toBe('1.1 times the usual price');
  });

  test('has a small curve from the capacity down to nothing, or below where a region gives', async () => {
    const path = async (windows: object[], over: object = {}) => {
      const [row] = await board(grid([region('a', { loadKw: 5, ...over })], windows));
      return row.all('path').map((one) => one.getAttribute('d')!);
    };
    // 10 kW are the top, 1 px below the edge; 0 the bottom, 1 px above it.
    expect((await path([minute('a', 2, 10), minute('a', 1, 0)]))[1]).toMatch(/^M[\d.]+ 1\.0L[\d.]+ 21\.0L84\.0 11\.0$/);
    expect((await path([minute('a', 2, 10), minute('a', 1, -10)]))[1]).toMatch(/^M[\d.]+ 1\.0L[\d.]+ 21\.0L84\.0 6\.0$/);
    // A hole is not drawn over.
    expect((await path([minute('a', 5, 10), minute('a', 3, 10)]))[1].match(/M/g)).toHaveLength(2);
  });
});

describe('the load of regions', () => {
  const show = (state: object, names = ['a']) => page.show(html`<${GridLoad} state=${state} names=${names} of="all regions" nowMs=${NOW} height=${100} />`);

  test('now, of what they can take, and its peak', async () => {
    const shown = await show(grid([region('a', { loadKw: 5, capacityKw: 10 })], [minute('a', 3, 4), minute('a', 2, 8), minute('a', 1, 8)]));
    expect(shown.all('.figure').map((one) => one.words)).toEqual([`${formatPower(5)} now`, `50 % of ${formatPower(10)}`, `peak ${formatPower(8)} at 12:05`]);
    expect(valuesOf(drawn.at(-1)!, '--muted').at(-1)).toBe(10);
    expect(drawn.at(-1)!.options.scales.x.range()).toEqual([NOW / 1000 - 3_600, NOW / 1000]);
    expect(shown.one('.curve').getAttribute('aria-label')).toBe(`Load of all regions, last hour: now ${formatPower(5)}, peak ${formatPower(8)}`);
    drawn.at(-1)!.options.hooks.setCursor[0]({ cursor: { idx: drawn.at(-1)!.data[0].length - 4 } });
    await shown.fire('none');
    expect(shown.one('.figure-end').words).toMatch(new RegExp(`^12:04 ${formatPower(4).replace('.', '\\.')}$`));
  });

  test('a capacity far above the curve is named and not drawn', async () => {
    const shown = await show(grid([region('a', { loadKw: 5, capacityKw: 13 })], [minute('a', 1, 5)]));
    expect(shown.words).toContain(formatPower(13));
    expect(drawn.at(-1)!.options.series.some(({ dash }) => dash !== undefined)).toBe(false);
  });

  test('nobody knows it while no meter reports', async () => {
    const shown = await show(grid([region('a', { loadKw: 0, metersReporting: 0 })]));
    expect(shown.all('.figure').map((one) => one.words)).toEqual(['– now', `– of ${formatPower(10)}`, 'no minute complete yet']);
  });

  test('the scale begins at nothing, or below where they give, and ends above the peak', async () => {
    await show(grid([region('a')], [minute('a', 1, 5)]));
    const { range } = drawn.at(-1)!.options.scales.y;
    expect(range(null, 2, 10)[0]).toBe(0);
    expect(range(null, -4, 10)[0]).toBe(-4);
    expect(range(null, 2, 10)[1]).toBeCloseTo(10.8);
    const { values } = drawn.at(-1)!.options.axes[1];
    expect(values(null, [0, 5, 10])).toEqual(['0', '5', '10 kW']);
    expect(values(null, [0, 500, 1_500])).toEqual(['0', '0.5', '1.5 MW']);
  });
});

describe('the forecast', () => {
  test('says its peak, when, in which band, and of how much', async () => {
    const shown = await page.show(html`<${ForecastCurve} of="region a" forecast=${forecast([quarter(18, 8), quarter(19, 12)], { backtest: { mapePercent: 8.31, persistenceMapePercent: 12.06 } })} capacityKw=${10} height=${100} />`);
    expect(shown.all('.figure').map((one) => one.words)).toEqual([`peak ${formatPower(12)} at 19:00 ${formatPower(11)} to ${formatPower(14)}`, '120 % of the capacity, more than there is']);
    expect(shown.all('.figure .over')).toHaveLength(1);
    expect(shown.one('.note').words).toMatch(/last weeks, four at most.*Eight of ten.*they were 8\.3 % off in the mean.*was 12\.1 %\.$/);
    const [chart] = drawn;
    expect(chart.data[0]).toEqual([quarter(18, 0).startMs / 1000 + 450, quarter(19, 0).startMs / 1000 + 450]);
    expect(chart.data.slice(1)).toEqual([[10, 10], [8, 12], [7, 11], [10, 14]]);
    // Between the last two: from the highest down to the lowest.
    expect(chart.options.bands).toEqual([{ series: [4, 3], fill: '--forecast-wash' }]);
    await shown.one('details').fire('toggle', { currentTarget: { open: true } });
    expect(shown.all('tbody tr').map((row) => row.words)).toEqual([`18:00 ${formatPower(8)} ${formatPower(7)} ${formatPower(10)} 80 %`, `19:00 ${formatPower(12)} ${formatPower(11)} ${formatPower(14)} 120 %`]);
  });

  test.each([
    ['weeks', /same weekday in the last weeks, four at most/, /day before|less than a week/],
    ['day', /the day before.*as there is less than a week of history/, /weeks|last week /],
    ['both', /the last weeks, and of the day before in regions with less than a week of history/, /four|last week /],
  ])('says what it goes by, and no more: %s', async (basis, words, others) => {
    const shown = await page.show(html`<${ForecastCurve} of="a" forecast=${forecast([quarter(18, 8)], { basis })} capacityKw=${10} height=${100} />`);
    const note = shown.one('.note').words;
    expect(note).toMatch(words);
    expect(note).not.toMatch(others);
    // Of three days of history there is no week of forecasts.
    expect(note).toContain('Eight of ten such forecasts of the last days lay within the band.');
  });

  test('below the capacity says nothing of too little, and without a band nothing of one', async () => {
    const shown = await page.show(html`<${ForecastCurve} of="a" forecast=${forecast([quarter(18, 8, { lowKw: null, highKw: null })], { basis: 'day' })} capacityKw=${10} height=${100} />`);
    expect(shown.all('.over')).toEqual([]);
    expect([shown.words.includes('more than there is'), shown.words.includes('Eight of ten'), /less than a week of history/.test(shown.words)]).toEqual([false, false, true]);
  });

  test.each([
    ['silent', /nothing has come from this region/],
    ['no_history', /there is no day of history/],
  ])('that is missing says why: %s', async (missing, words) => {
    vi.stubEnv('TZ', 'Asia/Tokyo');
    page.answers = { '/regions/a/forecast': { basis: null, missing, data: [], backtest: null } };
    expect((await page.show(html`<${RegionForecast} region="a" capacityKw=${null} />`)).words).toMatch(words);
    // By the clock of who looks.
    expect(page.asked[0].query).toEqual({ hours: '24', zone: 'Asia/Tokyo' });
  });
});

describe('the header', () => {
  const engine = (over: object = {}) => ({ state: 'ready', shards: [{ state: 'up' }, { state: 'restarting' }], sinks: [], alerts: { state: 'up', problem: null, channels: [] }, acceptedPerSecond: 1_250, rejectedPerSecond: 0, ackLatencyP99Ms: 4.21, startedAt: new Date(NOW - 7_500_000).toISOString(), ...over });
  const strip = (of: object, connection: object = { status: 'live' }, incidents: object = { open: 0, critical: 0 }) => page.show(html`<${EngineStrip} engine=${of} incidents=${incidents} connection=${connection} nowMs=${NOW} />`);

  test('says how the engine is', async () => {
    const shown = await strip(engine());
    expect(shown.words).toMatch(/Engine ready.*Shards up 1 of 2 .*Accepted 1.?250 readings\/s .*Rejected 0 readings\/s .*p99 4\.2 ms .*Running for 2 h 5 min/);
    expect(shown.all('.alarm')).toEqual([]);
    expect((await strip(engine({ rejectedPerSecond: 3 }))).one('.alarm').words).toMatch(/^Rejected/);
    expect((await strip(engine({ state: 'degraded' }), { status: 'waiting' })).words).toMatch(/Engine was degraded.*Reconnecting/);
  });

  test.each([
    [{ state: 'running', lagMs: 2_000, setAside: 0 }, 'up to date', false],
    [{ state: 'running', lagMs: 125_000, setAside: 0 }, '2 min behind', false],
    [{ state: 'waiting', lagMs: 125_000, setAside: 4 }, 'away, 2 min behind, 4 set aside', true],
    [{ state: 'running', lagMs: null, setAside: 4 }, 'up to date, 4 set aside', true],
  ])('a system beside it: %j', async (sink, words, isAlarm) => {
    const shown = await strip(engine({ sinks: [{ sink: 'kafka', problem: null, ...sink }] }));
    const [fact] = shown.all('dl div').filter((one) => one.words.startsWith('Kafka'));
    expect([fact.one('dd').words, fact.classes.includes('alarm')]).toEqual([words, isAlarm]);
  });

  test('people who are not told of alerts are told so', async () => {
    const alerts = { state: 'up', problem: null, channels: [{ channel: 'sms', state: 'failing' }, { channel: 'email', state: 'on' }] };
    expect((await strip(engine({ alerts }))).words).toContain('SMS fails');
    expect((await strip(engine({ alerts: { ...alerts, state: 'restarting' } }))).words).toMatch(/Notifications restarting/);
    expect((await strip(engine())).words).not.toContain('Notifications');
  });

  test.each([
    [{ open: 0, critical: 0 }, 'No open alerts', 'level-normal'],
    [{ open: 1, critical: 0 }, '▲ 1 open alert', 'level-high'],
    [{ open: 3, critical: 2 }, '◆ 3 open alerts, 2 critical', 'level-critical'],
  ])('counts open alerts: %j', async (counts, words, level) => {
    const button = (await strip(engine(), { status: 'live' }, counts)).one('.incidents');
    expect([button.words, button.classes.includes(level)]).toEqual([words, true]);
  });

  test('says how old the picture is once the stream is away, and when the next try comes', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: NOW });
    onTestFinished(() => void vi.useRealTimers());
    const banner = (connection: object, pictureMs: number | null) => page.show(html`<${StaleBanner} connection=${connection} pictureMs=${pictureMs} onRetry=${() => undefined} />`);
    expect((await banner({ status: 'waiting', retryAtMs: NOW + 4_500 }, NOW)).words).toMatch(/picture of 12:07:30\. Next try in 5 s\./);
    expect((await banner({ status: 'connecting' }, NOW)).words).toMatch(/Trying…/);
    expect((await banner({ status: 'waiting', retryAtMs: 0 }, null)).words).toMatch(/does not answer.*Next try in 0 s/);
    expect([(await banner({ status: 'live' }, NOW)).words, (await banner({ status: 'connecting' }, null)).words]).toEqual(['', '']);
  });

  test('leads operators and consumers to their pages and no others', async () => {
    const nav = async (name: string, isConsumer: boolean) => (await page.show(html`<${PageNav} page=${name} isConsumer=${isConsumer} silent=${2} />`)).all('a').map((link) => link.getAttribute('href')! + (link.getAttribute('aria-current') === 'page' ? '*' : ''));
    expect(await nav('grid', false)).toEqual(['#/*', '#meters', '#silent', '#registry', '#tariffs', '#bills', '#prices', '#engine', '#account']);
    expect(await nav('bills', true)).toEqual(['#home*', '#account']);
  });
});

describe('anomalies', () => {
  const anomaly = (id: string, over: object = {}) => ({ id, meterId: `m-${id}`, region: 'a', kind: 'spike', severity: 'CRITICAL', startedAt: new Date(NOW - 13 * MINUTE_MS).toISOString(), endedAt: null, endReason: null, message: 'Power is high.', ...over });

  test('say since when they go on, or how they ended', async () => {
    const endedAt = new Date(NOW - MINUTE_MS).toISOString();
    const shown = await page.show(html`<${AnomalyItems} anomalies=${[anomaly('1'), anomaly('2', { endedAt, endReason: 'adapted' }), anomaly('3', { endedAt, endReason: 'recovered' })]} nowMs=${NOW} />`);
    expect(shown.all('.when').map((one) => one.words)).toEqual(['since 11:54 · 13 min', '11:54 – 12:06, now usual', '11:54 – 12:06, over']);
  });

  test('are all or the open ones, each with its count; new critical ones are spoken, and those that were there are not', async () => {
    const list = (...all: any[]) => page.show(html`<${AnomalyList} anomalies=${new Map(all.map((one) => [one.id, one]))} nowMs=${NOW} onSelect=${() => undefined} />`);
    const ended = anomaly('2', { endedAt: new Date(NOW).toISOString(), endReason: 'recovered' });
    const shown = await list(anomaly('1'), ended);
    expect(shown.all('.toggle button').map((one) => one.words)).toEqual(['All 2', 'Open 1']);
    await shown.button('Open 1').press();
    expect(shown.all('.anomaly')).toHaveLength(1);
    expect(shown.one('[role=alert]').words).toBe('');
    await list(anomaly('1'), ended, anomaly('3'), anomaly('4', { severity: 'WARN' }));
    expect(shown.one('[role=alert]').words).toBe('Critical: Spike at m-3, a. Power is high.');
  });
});

test('a power of a thousand kW and more is in MW, whichever way it goes', () => {
  expect([formatPower(999.9), formatPower(1_000), formatPower(-2_500), formatPower(1.234, 2)]).toEqual([`${formatDecimal(999.9, 1)} kW`, `${formatDecimal(1, 2)} MW`, `${formatDecimal(-2.5, 2)} MW`, `${formatDecimal(1.234, 2)} kW`]);
  expect([formatPercent(null), formatPercent(165.94000000000003)]).toEqual(['–', '166 %']);
});
