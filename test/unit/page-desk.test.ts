import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { drawn } from '../support/small-charts.ts';
import { pageOf, refusal, SmallPage } from '../support/small-page.ts';

vi.mock('uplot', () => import('../support/small-charts.ts'));

/** Alerts, prices, the engine's parts and the account, as whoever sits at the desk reads them. The pages are JavaScript without declarations, hence the dynamic imports. */
const web = (file: string) => import(new URL(`../../web/${file}`, import.meta.url).href);
const { html } = await web('ui.js');
const { AlertItems } = await web('alert-items.js');
const { AlertDetail } = await web('alert-detail.js');
const { AlertPanel } = await web('alert-panel.js');
const { figureText, metersText } = await web('alert-words.js');
const { PricesPage } = await web('prices/prices-page.js');
const { EnginePage } = await web('engine/engine-page.js');
const { AccountPage } = await web('account/account-page.js');
const { emptyState } = await web('grid-state.js');
const { formatDecimal, formatMoment } = await web('format.js');

const NOW = new Date(2026, 6, 15, 12, 7, 30).getTime();
const MINUTE_MS = 60_000;
const ago = (minutes: number) => new Date(NOW - minutes * MINUTE_MS).toISOString();
let page: SmallPage;
beforeEach(() => {
  page = new SmallPage();
});
afterEach(() => page.close());

const alert = (over: object = {}) => ({
  id: 'a1', version: 2, type: 'REGIONAL_OVERLOAD', kind: 'regional_load', severity: 'CRITICAL', state: 'open', rule: 'regional-overload', title: 'Region r8 is full', description: 'It was above 95 %.', region: 'r8', meterId: null, component: null,
  value: 97, threshold: 95, unit: '%', startedAt: ago(26), openedAt: ago(25), acknowledged: null, resolved: null, affectedMeters: 0, occurrences: 1, isFlapping: false, suppression: null, ...over,
});

describe('alerts', () => {
  test('in a list say where, unless the title does, how many are concerned, who has it, and since when', async () => {
    const all = [alert(), alert({ id: 'a2', title: 'No power', meterId: 'm1', affectedMeters: 12, state: 'acknowledged', acknowledged: { by: 'Ada', at: ago(1), why: null }, occurrences: 3 }), alert({ id: 'a3', severity: 'INFO', isFlapping: true }), alert({ id: 'a4', isFlapping: true, suppression: { by: 'silence', id: 's' } })];
    const shown = await page.show(html`<${AlertItems} label="Alerts" alerts=${all} alertId="a2" nowMs=${NOW} onOpen=${() => undefined} />`);
    expect(shown.all('li').map((row) => [row.one('.where').words, row.one('.meters-affected').words, row.one('.alert-state').words, row.one('.when').words])).toEqual([
      ['', '', 'open', 'since 11:41 · 26 min'], ['r8 m1', '12 meters', 'Ada has it, 3 times', 'since 11:41 · 26 min'], ['', '', 'flapping', 'since 11:41 · 26 min'], ['', '', 'silenced', 'since 11:41 · 26 min'],
    ]);
    expect(shown.all('li').map((row) => row.getAttribute('aria-current'))).toEqual([null, 'true', null, null]);
  });

  test('come twenty at once, numbered on', async () => {
    const shown = await page.show(html`<${AlertItems} label="Alerts" alerts=${Array.from({ length: 45 }, (_, i) => alert({ id: `a${i}` }))} alertId=${null} nowMs=${NOW} onOpen=${() => undefined} />`);
    await shown.button('Next').press();
    await shown.button('Next').press();
    expect([shown.all('li').length, shown.one('ol').getAttribute('start'), shown.one('nav span').words, shown.button('Next').hasAttribute('disabled')]).toEqual([5, '41', '41–45 of 45', true]);
  });

  test.each([
    [{ value: 97, threshold: 95, unit: '%' }, `${formatDecimal(97, 1)} %, limit ${formatDecimal(95, 1)} %`],
    [{ value: 1.234, threshold: null, unit: 'kW' }, `${formatDecimal(1.234, 2)} kW`],
    [{ value: 12, threshold: 10, unit: 'meters' }, '12 meters, limit 10 meters'],
    [{ value: null, threshold: 95, unit: '%' }, '–'],
  ])('say what was measured: %j', (of, words) => {
    expect(figureText(of)).toBe(words);
    expect([metersText(0), metersText(1), metersText(2)]).toEqual(['', '1 meter', '2 meters']);
  });

  test('opened say what there is to know, the newest of their history first', async () => {
    const resolved = alert({ state: 'resolved', resolved: { at: ago(6), by: null, why: 'the load fell' }, acknowledged: { at: ago(20), by: 'Ada', why: 'on my way' }, occurrences: 3, affectedMeters: 2 });
    page.answers = { '/alerts/a1': { ...resolved, history: [{ sequence: 1, kind: 'opened', at: ago(25), by: null, text: 'first' }, { sequence: 2, kind: 'acknowledged', at: ago(20), by: 'Ada', text: '' }] } };
    const shown = await page.show(html`<${AlertDetail} alertId="a1" isPlaced nowMs=${NOW} onOpen=${() => undefined} onPlace=${() => undefined} onChanged=${() => undefined} />`);
    const facts = Object.fromEntries(shown.all('dl div').map((fact) => [fact.one('dt').words, fact.one('dd').words]));
    expect(facts).toMatchObject({ What: 'Regional overload', Region: 'r8', Measured: figureText({ value: 97, threshold: 95, unit: '%' }), Affected: '2 meters', Since: '11:41 for 20 min', Raised: '11:42 by regional-overload', 'Came back': '2 times', Acknowledged: '11:47 by Ada: on my way', Resolved: '12:01 by the engine: the load fell' });
    expect(shown.all('.account li').map((line) => line.words)).toEqual([expect.stringMatching(/^11:47 ?Acknowledged by Ada/), expect.stringMatching(/^11:42 ?Opened first/)]);
    expect(shown.all('form')).toEqual([]);
  });

  test('that nobody is told of say until when and by whom', async () => {
    page.answers = { '/alerts/a1': { ...alert({ suppression: { by: 'maintenance', id: 'w1' } }), history: [] }, '/maintenance-windows/w1': { id: 'w1', endsAt: new Date(NOW + 60 * MINUTE_MS).toISOString(), createdBy: 'Ada', comment: 'works' } };
    const shown = await page.show(html`<${AlertDetail} alertId="a1" isPlaced nowMs=${NOW} onOpen=${() => undefined} onPlace=${() => undefined} onChanged=${() => undefined} />`);
    expect(shown.words).toContain('Nobody is told: it is in maintenance until 13:07, by Ada: works.');
  });

  test('are acknowledged under a name, at the version that was seen, and silenced as long as the button says', async () => {
    page.answers = { '/alerts/a1': { ...alert(), history: [] }, 'POST /alerts/a1/acknowledge': alert({ version: 3, state: 'acknowledged' }), 'POST /silences': ({ body }) => body as object };
    const changed: any[] = [];
    const shown = await page.show(html`<${AlertDetail} alertId="a1" live=${alert()} isPlaced nowMs=${NOW} onOpen=${() => undefined} onPlace=${() => undefined} onChanged=${(one: object) => changed.push(one)} />`);
    await shown.one('form').fire('submit');
    expect(shown.one('.said').words).toMatch(/^Say who you are/);
    await shown.one('[name=by]').enter('Ada');
    await shown.one('form').fire('submit');
    expect(page.asked.at(-1)).toMatchObject({ method: 'POST', path: '/alerts/a1/acknowledge', body: { by: 'Ada', why: null }, headers: { 'if-match': '"2"' } });
    expect(changed).toMatchObject([{ version: 3 }]);
    await shown.button('Resolve').press();
    expect(shown.one('.said').words).toMatch(/^Say why it is over/);
    await shown.button('4 h').press();
    expect(page.asked.at(-1)).toMatchObject({ path: '/silences', body: { match: { rules: ['regional-overload'], regions: ['r8'] }, endsAt: new Date(NOW + 240 * MINUTE_MS).toISOString(), by: 'Ada', comment: 'Region r8 is full' } });
    expect(shown.one('.said').words).toBe('Silenced until 16:07.');
  });

  test('are silenced once, however often the button is pressed until there is an answer, and as long as its first press said', async () => {
    let isAway = true;
    page.answers = { '/alerts/a1': { ...alert(), history: [] }, 'POST /silences': ({ body }) => (isAway ? refusal(503, 'unavailable', 'Later.') : (body as object)) };
    const show = (nowMs: number) => page.show(html`<${AlertDetail} alertId="a1" live=${alert()} isPlaced nowMs=${nowMs} onOpen=${() => undefined} onPlace=${() => undefined} onChanged=${() => undefined} />`);
    const shown = await show(NOW);
    await shown.one('[name=by]').enter('Ada');
    await shown.button('4 h').press();
    expect(shown.one('.said').words).toBe('Later.');
    await show(NOW + 5 * MINUTE_MS);
    isAway = false;
    await shown.button('4 h').press();
    await shown.button('4 h').press();
    await shown.button('1 h').press();
    const sent = page.asked.filter(({ path }) => path === '/silences');
    expect(sent.map(({ body }) => (Date.parse((body as { endsAt: string }).endsAt) - NOW) / MINUTE_MS)).toEqual([240, 240, 245, 65]);
    expect(sent.map(({ headers }) => sent.findIndex((one) => one.headers['idempotency-key'] === headers['idempotency-key']))).toEqual([0, 0, 2, 3]);
    expect(shown.one('.said').words).toBe('Silenced until 13:12.');
  });

  test('are counted, and what is held back is told apart with its reason', async () => {
    const alerts = new Map([alert(), alert({ id: 'a2', suppression: { by: 'silence', id: 's' } }), alert({ id: 'a3', severity: 'WARN', state: 'acknowledged', acknowledged: { by: null, at: ago(1), why: null } })].map((one) => [one.id, one]));
    const panel = (more: object = {}) => page.show(html`<${AlertPanel} state=${{ ...emptyState, alerts, engine: { alerts: { state: 'up', problem: null, channels: [], active: null } }, ...more }} isLive pictureMs=${NOW} alertId=${null} nowMs=${NOW} onOpen=${() => undefined} onPlace=${() => undefined} onChanged=${() => undefined} />`);
    const shown = await panel();
    expect(shown.one('.reporting').words).toBe('1 open, 1 critical · 1 acknowledged · 1 held back');
    expect(shown.one('.held-back summary').words).toBe('1 held back: 1 silenced');
    await shown.all('select')[0].choose('CRITICAL');
    expect(shown.all('.alerts li').map((row) => row.one('.what').words)).toEqual(['Region r8 is full', 'Region r8 is full']);
    expect((await panel({ engine: { alerts: null } })).words).toContain('This engine raises no alerts');
    expect((await panel({ engine: { alerts: { state: 'restarting', problem: 'It ended.', channels: [], active: null } } })).words).toMatch(/nobody is told of new ones until then\. It ended\./);
  });
});

describe('why who was told of an alert', () => {
  test('is told of everybody or of one, with what was decided for all', async () => {
    const decision = (contactId: string | null, step: string, outcome = 'passed') => ({ at: ago(5), step, outcome, reason: `because of ${step}`, contactId });
    page.answers = { '/alerts/a1': { ...alert(), history: [] }, '/alerts/a1/explain': { decisions: [decision(null, 'rule'), decision('ada', 'delivery'), decision('bob', 'quiet_hours', 'held')] } };
    const shown = await page.show(html`<${AlertDetail} alertId="a1" isPlaced nowMs=${NOW} onOpen=${() => undefined} onPlace=${() => undefined} onChanged=${() => undefined} />`);
    await shown.button('Why was I paged, or not?').press();
    const lines = () => shown.all('.account li').map((line) => line.words);
    expect(lines()).toEqual([expect.stringMatching(/^12:02 ?Rule → Goes on because of rule$/), expect.stringMatching(/Delivery → Goes on · ada/), expect.stringMatching(/Quiet hours ◷ Waits · bob/)]);
    await shown.one('.contact-choice').choose('bob');
    expect(lines()).toEqual([expect.stringMatching(/Rule/), expect.stringMatching(/bob/)]);
  });

  test('an alert is as the stream has it where that is newer, and is asked for again', async () => {
    page.answers = { '/alerts/a1': { ...alert({ title: 'as asked' }), history: [] } };
    const show = (live: object) => page.show(html`<${AlertDetail} alertId="a1" live=${live} isPlaced nowMs=${NOW} onOpen=${() => undefined} onPlace=${() => undefined} onChanged=${() => undefined} />`);
    expect((await show(alert({ version: 1, title: 'older' }))).one('h3').words).toBe('as asked');
    const before = page.asked.length;
    expect((await show(alert({ version: 3, title: 'newer' }))).one('h3').words).toBe('newer');
    expect(page.asked.length).toBe(before + 1);
  });

  test('of more than a page keeps the worst are listed, and that is said', async () => {
    const panel = (active: number, more: object = {}) => page.show(html`<${AlertPanel} state=${{ ...emptyState, alerts: new Map([['a1', alert()]]), engine: { alerts: { state: 'up', problem: null, channels: [], active: { bySeverity: { CRITICAL: active, WARN: 0, INFO: 0 } } } } }} isLive pictureMs=${NOW} alertId=${null} nowMs=${NOW} onOpen=${() => undefined} onPlace=${() => undefined} onChanged=${() => undefined} ...${more} />`);
    expect((await panel(3_000)).words).toMatch(/The worst 1 of 3.?000 are listed/);
    expect((await panel(2)).words).not.toContain('The worst');
    expect((await panel(2)).words).not.toContain('The stream is away');
    expect((await panel(2, { isLive: false })).words).toContain('these are the alerts of 12:07:30');
  });
});

describe('prices', () => {
  const price = (region: string, over: object = {}) => ({ region, price: '0.25', currency: 'EUR', multiplier: '1.25', loadPercent: 93.46, override: null, since: ago(60), ...over });
  const override = { id: 'o1', region: 'r10', price: '0.40', from: ago(60), until: new Date(NOW + 60 * MINUTE_MS).toISOString(), by: 'Ada', reason: 'works', endedAt: null, endedBy: null, endReason: null };
  const answers = { '/prices': pageOf(price('r10'), price('r9', { multiplier: '1.00' })), '/price-overrides': pageOf(override), '/prices/r9/history': pageOf(price('r9', { price: '0.20', since: ago(120), loadPercent: null })), '/prices/r10/history': pageOf() };
  const show = (me: object | null = null, prices = new Map()) => page.show(html`<${PricesPage} state=${{ ...emptyState, prices }} me=${me} nowMs=${NOW} />`);

  test('of each region, as people count, the newest from the stream, and dearer than usual stands out', async () => {
    page.answers = answers;
    const shown = await show(null, new Map([['r10', price('r10', { price: '0.31', override: 'o1', loadPercent: null })]]));
    expect(shown.all('.prices tbody tr').map((row) => row.words)).toEqual([expect.stringMatching(/^r9 .?0\.25 × 1\.00 93 % 11:07$/), expect.stringMatching(/^r10 ?set by hand .?0\.31 × 1\.25 – 11:07$/)]);
    expect(shown.all('.prices tbody tr').map((row) => row.all('.silent').length)).toEqual([0, 1]);
    expect(shown.one('.rows li').words).toMatch(/^r10 .?0\.40 per kWh ?11:07 – 13:07, Ada: works/);
  });

  test('over a day are steps that end now', async () => {
    page.answers = answers;
    const shown = await show();
    const [chart] = drawn;
    expect(chart.data).toEqual([[NOW - 120 * MINUTE_MS, NOW - 60 * MINUTE_MS - 1, NOW - 60 * MINUTE_MS, NOW].map((ms) => ms / 1000), [0.2, 0.2, 0.25, 0.25]]);
    expect(chart.options.scales.x.range()).toEqual([NOW / 1000 - 86_400, NOW / 1000]);
    expect(page.asked.find(({ path }) => path.endsWith('/history'))!.query.from).toBe(new Date(NOW - 86_400_000).toISOString());
    await shown.one('details').fire('toggle', { currentTarget: { open: true } });
    expect(shown.one('.curve-table tbody tr').words).toMatch(new RegExp(`^${formatMoment(NOW - 120 * MINUTE_MS, NOW)} .?0\.20 set by hand$`));
  });

  test('are set for some hours with a reason, a comma being a point', async () => {
    page.answers = { ...answers, 'POST /price-overrides': override };
    const shown = await show();
    for (const [name, value] of Object.entries({ price: '0,31', hours: '4', by: 'Bob', reason: 'a line is down' })) shown.one(`[name=${name}]`).value = value;
    vi.useFakeTimers({ toFake: ['Date'], now: NOW });
    onTestFinished(() => void vi.useRealTimers());
    await shown.one('.override-form form').fire('submit');
    const made = page.asked.find(({ method }) => method === 'POST')!.body;
    expect(made).toMatchObject({ region: 'r9', price: '0.31', by: 'Bob', reason: 'a line is down', until: new Date(NOW + 4 * 3_600_000).toISOString() });
  });

  test('are set once, however often the form is sent until there is an answer, and until when its first try said', async () => {
    let isAway = true;
    page.answers = { ...answers, 'POST /price-overrides': ({ body }) => (isAway ? refusal(503, 'unavailable', 'Later.') : { ...override, ...(body as object) }) };
    const shown = await show();
    for (const [name, value] of Object.entries({ price: '0.31', hours: '4', by: 'Bob', reason: 'a line is down' })) shown.one(`[name=${name}]`).value = value;
    vi.useFakeTimers({ toFake: ['Date'], now: NOW });
    onTestFinished(() => void vi.useRealTimers());
    await shown.one('.override-form form').fire('submit');
    vi.setSystemTime(NOW + 5 * MINUTE_MS);
    isAway = false;
    await shown.one('.override-form form').fire('submit');
    const [first, second] = page.asked.filter(({ method }) => method === 'POST');
    expect([second.body, second.headers['idempotency-key']]).toEqual([first.body, expect.any(String)]);
    expect(second.headers['idempotency-key']).toBe(first.headers['idempotency-key']);
    expect(shown.one('.override-form .said').words).toBe('Set until 16:07.');
  });

  test('that were set by hand can be ended while they hold, with a reason; those that are over are shown when wished', async () => {
    page.answers = { ...answers, '/price-overrides': pageOf(override, { ...override, id: 'o2', until: ago(1) }, { ...override, id: 'o3', endedAt: ago(30), endedBy: 'Bob', endReason: 'mended' }), 'DELETE /price-overrides/o1': {} };
    const shown = await show();
    const list = () => shown.all('.rows li');
    expect(list().map((row) => [row.classes.includes('past'), row.all('button').length])).toEqual([[false, 1], [true, 0], [true, 0]]);
    expect(list()[2].words).toMatch(/11:07 – 11:37, Ada: works; ended by Bob: mended/);
    expect(page.asked.find(({ path }) => path === '/price-overrides')!.query.ended).toBe('false');
    await shown.one('.check input').fire('change', { target: { checked: true } });
    expect(page.asked.at(-1)!.query.ended).toBe('true');
    await list()[0].button('End').press();
    list()[0].one('[name=by]').value = 'Bob';
    list()[0].one('[name=reason]').value = 'done';
    await list()[0].one('form').fire('submit');
    expect(page.asked.find(({ method }) => method === 'DELETE')).toMatchObject({ path: '/price-overrides/o1', query: { reason: 'done', by: 'Bob' } });
  });

  test('are for a consumer to read', async () => {
    page.answers = answers;
    expect((await show({ role: 'consumer' })).all('.override-form')).toEqual([]);
    expect((await show({ role: 'operator' })).all('.override-form')).toHaveLength(1);
  });
});

describe('the engine', () => {
  const engine = (over: object = {}) => ({
    state: 'ready', version: '0.1.0', startedAt: ago(300), acceptedPerSecond: 1_250, rejectedPerSecond: 0, ackLatencyP99Ms: 4.21, meters: 100_000, readingsAccepted: 184_213, log: 'lmdb', partitions: 64, sinks: [], alerts: null, billing: null, cluster: null,
    shards: [{ shard: 0, state: 'up', restarts: 0, meters: 50_000, journalLagRecords: 12, checkpointAgeMs: 180_000 }, { shard: 1, state: 'restarting', restarts: 2, meters: null, journalLagRecords: null, checkpointAgeMs: 180_001 }, { shard: 2, state: 'up', restarts: 0, meters: 1, journalLagRecords: 0, checkpointAgeMs: null }],
    queues: [{ part: 'kafka', work: 'effects', waiting: 1_250, waitingMax: null, refused: null }, { part: 'alerts', work: 'messages', waiting: 0, waitingMax: 2, refused: 4 }], ...over,
  });
  const show = (of: object) => {
    page.answers = { '/engine': of, '/dead-letters': pageOf({ id: 'd', receivedAt: ago(1), code: 'invalid_timestamp', message: 'no time', meterId: 'm1' }) };
    return page.show(html`<${EnginePage} state=${emptyState} nowMs=${NOW} />`);
  };

  test('says what each shard and queue is like, and marks an old snapshot and what was refused', async () => {
    const shown = await show(engine());
    expect(shown.one('.reporting').words).toBe('version 0.1.0, running for 5 h');
    const [shards, queues] = shown.all('table').map((table) => table.all('tbody tr'));
    expect(shards.map((row) => row.words)).toEqual([expect.stringMatching(/^0 up 50.?000 12 records 3 min ago$/), '1 restarting 2 restarts – – 3 min ago', '2 up 1 0 records none yet']);
    expect(shards.map((row) => row.all('.silent').length)).toEqual([0, 1, 0]);
    expect(shards.map((row) => row.all('.tag-bad').length)).toEqual([0, 1, 0]);
    expect(queues.map((row) => row.words)).toEqual([expect.stringMatching(/^Kafka questions of what is beside the engine 1.?250 – –$/), 'alerts messages 0 2 4']);
    expect(queues.map((row) => row.all('.silent').length)).toEqual([0, 1]);
    expect(shown.all('.area-opened .rows').at(-1)!.words).toMatch(/^invalid timestamp m1 ?no time ?12:06$/);
    expect(shown.words).toMatch(/Log LMDB, 64 partitions/);
  });

  test('draws what it takes in since the page was opened, five minutes at most', async () => {
    const rate = (second: number, acceptedPerSecond: number) => ({ ...engine({ acceptedPerSecond, rejectedPerSecond: 1 }), now: new Date(NOW + second * 1_000).toISOString() });
    const open = (second: number, accepted: number) => {
      page.answers = { '/engine': engine(), '/dead-letters': pageOf() };
      return page.show(html`<${EnginePage} state=${{ ...emptyState, engine: rate(second, accepted) }} nowMs=${NOW} />`);
    };
    await open(0, 10);
    for (const [second, accepted] of [[1, 20], [200, 30], [301, 40]]) await open(second, accepted);
    const [chart] = drawn;
    expect(chart.data).toEqual([[NOW / 1000 + 200, NOW / 1000 + 301], [1, 1], [30, 40]]);
    expect(chart.options.scales.x.range()).toEqual([NOW / 1000 + 1, NOW / 1000 + 301]);
  });

  test('says how what is beside it is', async () => {
    const shown = await show(engine({ sinks: [{ sink: 'timescale', state: 'running', lagMs: 900, setAside: 0, problem: null }, { sink: 'kafka', state: 'failed', lagMs: 61_000, setAside: 3, problem: 'no such topic' }], alerts: { state: 'up', problem: null, channels: [{ channel: 'sms', state: 'failing' }, { channel: 'email', state: 'off' }] }, billing: { state: 'idle', problem: null, runsUnderWay: 2 }, cluster: { nodes: [{ nodeId: 'n2', url: 'http://x', partitions: 32, answers: false }] } }));
    const parts = shown.all('.parts li');
    expect(parts.map((part) => part.words.replace(/\s+/g, ' '))).toEqual(['TimescaleDBup to date under 1 s behind', 'Kafkarefuses 1 min behind, 3 set asideno such topic', 'Alertsup', 'Messages by SMSfailing', 'Messages by e-mailoff', 'Tariffs and billsidle 2 runs under way', 'Engine n2silent 32 partitions, http://x']);
    expect(parts.map((part) => part.one('.tag').classes[1])).toEqual(['tag-good', 'tag-bad', 'tag-good', 'tag-bad', 'tag-calm', 'tag-calm', 'tag-bad']);
  });
});

describe('the account', () => {
  test.each([
    [{ role: 'consumer', meters: ['m1', 'm2'], regions: [] }, 'Consumer of 2 meters.'],
    [{ role: 'consumer', meters: ['m1'], regions: [] }, 'Consumer of 1 meter.'],
    [{ role: 'operator', meters: [], regions: ['a', 'b'] }, 'Operator of a, b.'],
    [{ role: 'operator', meters: [], regions: [] }, 'Operator of no region yet.'],
    [{ role: 'operator', meters: [], regions: 'all' }, 'Operator of all regions.'],
    [{ role: 'admin', meters: [], regions: 'all' }, 'Administrator: everything.'],
  ])('says what somebody may see: %j', async (me, words) => {
    page.answers = { '/auth/sessions': pageOf() };
    expect((await page.show(html`<${AccountPage} me=${{ id: 'u', email: 'a@b.c', name: 'Ada', preferences: {}, ...me }} />`)).one('.note').words).toBe(words);
  });

  test('has a password here, unless another issuer vouches for who it is, which is named', async () => {
    page.answers = { '/auth/sessions': pageOf() };
    const shown = async (issuer: string | null) => {
      const root = await page.show(html`<${AccountPage} me=${{ id: 'u', email: 'a@b.c', name: 'Ada', role: 'admin', meters: [], regions: 'all', preferences: {}, issuer }} />`);
      return [root.one('.note').words, root.all('h2').map(({ words }) => words)];
    };
    expect(await shown(null)).toEqual(['Administrator: everything.', ['Ada', 'Password', 'Where you are signed in']]);
    expect(await shown('https://id.example.org/realms/grid')).toEqual(['Administrator: everything. So says id.example.org, where you sign in.', ['Ada', 'Where you are signed in']]);
  });

  test('has no password, language or session where there are no accounts', async () => {
    const shown = await page.show(html`<${AccountPage} me=${null} />`);
    expect([shown.all('section').length, shown.all('select').length, shown.one('h2').words]).toEqual([1, 1, 'Settings']);
  });

  test('ends another session, never by mistake this one, and says when that is refused', async () => {
    page.answers = { '/auth/sessions': pageOf({ id: 's1', userAgent: 'Here', current: true, lastUsedAt: ago(1) }, { id: 's2', userAgent: 'There', address: '192.0.2.1', current: false, lastUsedAt: ago(2) }), 'DELETE /auth/sessions/s2': refusal(409, 'x', 'Not now.') };
    const shown = await page.show(html`<${AccountPage} me=${{ id: 'u', email: null, name: 'Ada', role: 'admin', meters: [], regions: 'all', preferences: {} }} />`);
    expect(shown.all('section').map((section) => section.one('h2').words)).toEqual(['Ada', 'Where you are signed in']);
    expect(shown.all('.rows li').map((row) => row.all('button').length)).toEqual([0, 1]);
    await shown.button('End').press();
    expect(page.asked.at(-1)).toMatchObject({ method: 'DELETE', path: '/auth/sessions/s2' });
    expect(shown.words).toContain('Not now.');
  });
});
