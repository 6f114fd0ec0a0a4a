import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { exampleInvoice } from '../support/example-bills.ts';
import { SmallPage, pageOf, refusal } from '../support/small-page.ts';

/** What the pages say of bills. The pages are JavaScript without declarations, hence the dynamic imports. */
const web = (file: string) => import(new URL(`../../web/${file}`, import.meta.url).href);
const { html } = await web('ui.js');
const { BillDetail } = await web('bills/bill-detail.js');
const { BillList } = await web('bills/bill-list.js');
const { BillsPage } = await web('bills/bills-page.js');
const { BillingRuns } = await web('bills/billing-runs.js');
const { DayBars } = await web('bills/day-bars.js');
const { BillLines } = await web('bills/bill-lines.js');

let page: SmallPage;
beforeEach(() => {
  page = new SmallPage();
});
afterEach(() => page.close());

const wire = (over: object = {}) => ({ ...exampleInvoice(), issuedAt: '2026-08-03T06:00:00Z', ...over });
const factsOf = (shown: any) => Object.fromEntries(shown.all('dl div').map((fact: any) => [fact.one('dt').words, fact.one('dd').words]));

describe('a bill', () => {
  const open = async (invoice: object, more: object = {}) => {
    page.answers = { '/invoices/invoice-1': invoice, '/invoices/invoice-1/payments': pageOf(), ...more };
    return page.show(html`<${BillDetail} invoiceId="invoice-1" me=${null} back=${(meterId: string | null) => `#home/${meterId}`} />`);
  };

  test('says what it comes to, for which days, what was used and given, and what is still to be paid', async () => {
    const shown = await open(wire({ total: '39.55', outstanding: '19.55', exportKwh: '7.25', quality: { measured: 2_000, estimated: 0, missing: 0 } }));
    expect(shown.one('.big-amount').words).toMatch(/39\.55.*To be paid/);
    const facts = factsOf(shown);
    expect(facts.For).toMatch(/1\b.*\b31\b/);
    expect(facts).toMatchObject({ Customer: 'Ada Lovelace', Meter: 'meter-1', Used: expect.stringMatching(/^121 kWh, given 7\.25 kWh$/), 'Still open': expect.stringMatching(/19\.55/), 'To be paid by': expect.stringMatching(/24/) });
    expect([shown.words.includes('were estimated'), shown.all('.callout').length, shown.one('a.back').getAttribute('href')]).toEqual([false, 0, '#home/meter-1']);
  });

  test('of which nothing was given says nothing of that', async () => {
    expect(factsOf(await open(wire())).Used).toBe('121 kWh');
  });

  test('says how many of its quarter-hours were estimated, and how many are missing', async () => {
    expect((await open(wire({ quality: { measured: 2_970, estimated: 4, missing: 2 } }))).words).toMatch(/Of 2.?976 quarter-hours 4 were estimated and 2 are missing\./);
    await page.close();
    page = new SmallPage();
    expect((await open(wire({ quality: { measured: 10, estimated: 4, missing: 0 } }))).words).toMatch(/Of 14 quarter-hours 4 were estimated\./);
  });

  test('of which much is missing says so beside what it comes to', async () => {
    const shown = await open(wire({ quality: { measured: 1_216, estimated: 4, missing: 1_756 } }));
    expect(shown.all('.big-amount .tag').map((tag: any) => tag.words)).toEqual(['To be paid', '59 % not measured']);
  });

  test('in the place of another says what is different, before and now', async () => {
    const shown = await open(wire({ corrects: 'invoice-0', differences: [{ text: 'Energy', before: '30.00', after: '32.96' }, { text: 'Fee', before: null, after: '1.00' }] }));
    expect(shown.one('.callout a').getAttribute('href')).toBe('#bills/invoice-0');
    expect(shown.all('.callout tbody tr').map((row: any) => row.words.replace(/[^\w.,–\s]/g, ''))).toEqual(['Energy 30.00 32.96', 'Fee – 1.00']);
  });

  test('that was corrected leads to what came of it: first the credit note', async () => {
    const shown = await open(wire({ correctedBy: ['c-1', 'i-2'] }));
    expect(shown.all('.callout a').map((link: any) => [link.words, link.getAttribute('href')])).toEqual([['a credit note', '#bills/c-1'], ['a new bill', '#bills/i-2']]);
  });

  test('is computed anew when somebody asks, and where lines differ that is said', async () => {
    const lines = [{ number: 1, text: 'Energy', how: '120.5 kWh × 0.2735', amount: '32.96', recomputed: '33.10', agrees: false }, { number: 2, text: 'VAT', how: '20 %', amount: '6.59', recomputed: '6.59', agrees: true }];
    const shown = await open(wire(), { '/invoices/invoice-1/explain': { agrees: false, lines } });
    expect(page.asked.some(({ path }) => path.endsWith('/explain'))).toBe(false);
    await shown.one('details.explained').fire('toggle', { currentTarget: { open: true } });
    expect(shown.one('.explained [role=status]').words).toMatch(/not all lines come to the same/);
    expect(shown.all('.explained li').map((line: any) => line.words)).toEqual([expect.stringMatching(/32\.96 billed, .?33\.10 now$/), expect.stringMatching(/6\.59$/)]);
  });

  test('that is a credit note is not computed anew', async () => {
    expect((await open(wire({ kind: 'creditNote' }))).all('.explained')).toEqual([]);
  });

  test('has its payments', async () => {
    const shown = await open(wire(), { '/invoices/invoice-1/payments': pageOf({ id: 'p', amount: '20.00', receivedAt: '2026-08-04T06:00:00Z', method: 'transfer', reference: 'A-77' }) });
    expect(shown.all('.rows li').map((row: any) => row.words)).toEqual([expect.stringMatching(/20\.00.*transfer, A-77/)]);
  });

  test('has lines that add up to what stands below them', async () => {
    const shown = await page.show(html`<${BillLines} bill=${wire()} />`);
    expect(shown.all('tbody tr').map((row: any) => row.words)).toEqual([expect.stringMatching(/peak.* 120\.5 kWh 0\.2735 .*32\.96$/), expect.stringMatching(/^VAT, 20 %.*6\.59$/)]);
    expect(shown.all('tfoot tr').map((row: any) => row.words)).toEqual([expect.stringMatching(/^Before tax .*32\.96$/), expect.stringMatching(/^Tax .*6\.59$/), expect.stringMatching(/^Total .*39\.55$/)]);
  });
});

test('a line of some days of a bill says which, and its figures have no noughts at their end', async () => {
  const [line] = wire().lines;
  const lines = [{ ...line, to: '2026-07-11', quantity: '120.500', unitPrice: '0.2700' }, { ...line, number: 2, quantity: '31.000', unit: 'day' }, { ...line, number: 3, quantity: '1.0', unit: 'month', unitPrice: '10' }, { ...line, number: 4, unit: 'once' }];
  const shown = await page.show(html`<${BillLines} bill=${wire({ lines })} />`);
  expect(shown.all('tbody tr').map((row: any) => row.words.replace(/^Energy, peak, tier 1 ?/, ''))).toEqual([expect.stringMatching(/^.*1 – 10.* 120\.5 kWh 0\.27 /), expect.stringMatching(/^31 days /), expect.stringMatching(/^1 month 10 /), expect.stringMatching(/^0\.2735 /)]);
});

describe('the list of bills', () => {
  const bills = [wire({ id: 'i-1', state: 'issued' }), wire({ id: 'i-2', number: null, state: 'overdue', kind: 'creditNote' }), wire({ id: 'i-3', number: 'INV-3', state: 'paid' })];

  test('says of each its month, its state, what it comes to, and until when one has to pay that is due', async () => {
    page.answers = { '/invoices': pageOf(...bills) };
    const shown = await page.show(html`<${BillList} state="overdue" meterId="meter-1" invoiceId="i-3" hasCustomers />`);
    expect(page.asked[0].query).toEqual({ state: 'overdue', meterId: 'meter-1', limit: '25' });
    const rows = shown.all('tbody tr');
    expect(rows.map((row: any) => row.words)).toEqual([expect.stringMatching(/^INV-2026-000001 July 2026 Ada Lovelace meter-1 To be paid by .*24.* .?39\.55$/), expect.stringMatching(/^Draft of a credit note July 2026 .* Overdue .?39\.55$/), expect.stringMatching(/^INV-3 .*Paid .?39\.55$/)]);
    expect(rows.map((row: any) => row.getAttribute('aria-current'))).toEqual([null, null, 'true']);
  });

  test('says what share of a bill was not measured, and more loudly where it is more than a tenth', async () => {
    const list = [
      wire({ id: 'i-1', quality: { measured: 1_220, estimated: 0, missing: 1_756 } }),
      wire({ id: 'i-2', quality: { measured: 2_678, estimated: 0, missing: 298 } }),
      wire({ id: 'i-3', quality: { measured: 2_679, estimated: 0, missing: 297 } }),
      wire({ id: 'i-4', quality: { measured: 0, estimated: 2_976, missing: 0 } }),
      wire({ id: 'i-6', quality: { measured: 2_947, estimated: 0, missing: 29 } }),
      wire({ id: 'i-5', kind: 'creditNote', quality: { measured: 1_220, estimated: 0, missing: 1_756 } }),
    ];
    page.answers = { '/invoices': pageOf(...list) };
    const shown = await page.show(html`<${BillList} state=${null} meterId=${null} invoiceId=${null} hasCustomers />`);
    const tags = shown.all('tbody tr').map((row: any) => row.all('.under .tag').map((tag: any) => [tag.words, tag.getAttribute('class')]));
    expect(tags).toEqual([[['59 % not measured', 'tag tag-bad']], [['10 % not measured', 'tag tag-bad']], [['10 % not measured', 'tag tag-warn']], [], [], []]);
  });

  test('is walked page by page, there and back', async () => {
    page.answers = { '/invoices': ({ query }) => ({ data: [bills[query.cursor === undefined ? 0 : 2]], nextCursor: query.cursor === undefined ? 'c1' : null }) };
    const shown = await page.show(html`<${BillList} state=${null} meterId=${null} invoiceId=${null} />`);
    expect(shown.button('Previous').hasAttribute('disabled')).toBe(true);
    await shown.button('Next').press();
    expect([shown.one('tbody th').words, shown.button('Next').hasAttribute('disabled'), shown.one('nav span').words]).toEqual(['INV-3 July 2026', true, 'Page 2']);
    await shown.button('Previous').press();
    expect(shown.one('tbody th').words).toMatch(/^INV-2026-000001/);
  });

  test.each([
    [{ state: null, meterId: 'm' }, /^No bill yet/],
    [{ state: null, meterId: 'm', hasEnded: true }, /of that time/],
    [{ state: 'paid', meterId: 'm' }, /in this state/],
    [{ state: null, meterId: 'INV-9', hasCustomers: true }, /no bill INV-9, and none of a meter/],
  ])('that is empty says why: %j', async (props, words) => {
    page.answers = { '/invoices': pageOf() };
    expect((await page.show(html`<${BillList} invoiceId=${null} ...${props} />`)).words).toMatch(words);
  });

  test('leads to a bill by its number, and else looks for a meter of that id', async () => {
    page.answers = { '/invoices': pageOf(...bills), '/billing-runs': pageOf(), '/invoices/INV-7': { ...wire(), id: 'i-7' }, '/invoices/meter-9': refusal(404, 'not_found', 'none') };
    const shown = await page.show(html`<${BillsPage} invoiceId=${null} me=${null} />`);
    const find = async (text: string) => {
      shown.one('[name=asked]').value = text;
      await shown.one('form').fire('submit');
    };
    await find('INV-7');
    expect(location().hash).toBe('#bills/i-7');
    await find('meter-9');
    expect(page.asked.at(-1)).toMatchObject({ path: '/invoices', query: { meterId: 'meter-9' } });
    await find('');
    expect(page.asked.at(-1)!.query).toEqual({ limit: '25' });
  });

  const operatorOf = (...regions: string[]) => ({ role: 'operator', regions, preferences: {} });

  test('of somebody with some regions is of one of them, the first until they choose', async () => {
    page.answers = { '/invoices': pageOf(...bills), '/invoices/export': refusal(503, 'unavailable', 'Later.'), '/invoices/meter-7': refusal(404, 'unknown_invoice', 'There is no such bill.') };
    const shown = await page.show(html`<${BillsPage} invoiceId=${null} me=${operatorOf('south', 'north')} />`);
    const choice = shown.all('select').find((select: any) => select.getAttribute('aria-label') === 'Region of bills')!;
    expect([choice.all('option').map((option: any) => option.words), page.asked.at(-1)!.query]).toEqual([['north', 'south'], { region: 'north', limit: '25' }]);
    await choice.choose('south');
    expect(page.asked.at(-1)!.query).toEqual({ region: 'south', limit: '25' });
    await shown.button('Export').press();
    expect(page.asked.at(-1)).toMatchObject({ path: '/invoices/export', query: { format: 'csv', region: 'south', limit: '200' } });
    // A meter may be in any of theirs.
    shown.one('[name=asked]').value = 'meter-7';
    await shown.one('form').fire('submit');
    expect(page.asked.at(-1)).toMatchObject({ path: '/invoices', query: { meterId: 'meter-7', limit: '25' } });
    expect(page.asked.at(-1)!.query).not.toHaveProperty('region');
    await choice.choose('north');
    expect(page.asked.at(-1)!.query).toEqual({ region: 'north', limit: '25' });
  });

  test('of somebody with one region leaves them no choice, and of somebody with none there is none', async () => {
    page.answers = { '/invoices': pageOf(...bills) };
    const shown = await page.show(html`<${BillsPage} invoiceId=${null} me=${operatorOf('north')} />`);
    expect([shown.all('select').length, page.asked.at(-1)!.query, shown.button('Export').hasAttribute('disabled')]).toEqual([1, { region: 'north', limit: '25' }, false]);
    await page.close();
    page = new SmallPage();
    const none = await page.show(html`<${BillsPage} invoiceId=${null} me=${operatorOf()} />`);
    expect([none.words.includes('No region is yours yet.'), page.asked, none.button('Export').hasAttribute('disabled')]).toEqual([true, [], true]);
  });

  test('goes on after a page without a bill, as where few of many are of a region', async () => {
    page.answers = { '/invoices': ({ query }) => (query.cursor === undefined ? { data: [], nextCursor: 'c1' } : query.cursor === 'c1' ? { data: [bills[2]], nextCursor: 'c2' } : { data: [], nextCursor: null }) };
    const shown = await page.show(html`<${BillList} state=${null} meterId=${null} region="north" invoiceId=${null} />`);
    expect([shown.words, shown.button('Next').hasAttribute('disabled')]).toEqual([expect.stringMatching(/There is no such bill on this page/), false]);
    await shown.button('Next').press();
    expect(shown.one('tbody th').words).toMatch(/^INV-3/);
    await shown.button('Next').press();
    expect([shown.words.includes('There is no such bill on this page'), shown.button('Next').hasAttribute('disabled'), shown.button('Previous').hasAttribute('disabled')]).toEqual([true, true, false]);
  });

  test('of somebody with some regions comes without the months of all, which are not theirs', async () => {
    page.answers = { '/invoices': pageOf() };
    expect((await page.show(html`<${BillsPage} invoiceId=${null} me=${operatorOf('north')} />`)).all('.area-opened')).toEqual([]);
    for (const me of [null, { role: 'admin', regions: [], preferences: {} }, { role: 'operator', regions: 'all', preferences: {} }]) {
      await page.close();
      page = new SmallPage();
      page.answers = { '/invoices': pageOf(), '/billing-runs': pageOf() };
      expect((await page.show(html`<${BillsPage} invoiceId=${null} me=${me} />`)).all('.area-opened')).toHaveLength(1);
    }
  });

  test('is exported as it is filtered', async () => {
    page.answers = { '/invoices': pageOf(...bills), '/billing-runs': pageOf(), '/invoices/export': refusal(503, 'unavailable', 'Later.') };
    const shown = await page.show(html`<${BillsPage} invoiceId=${null} me=${null} />`);
    await shown.one('select').choose('overdue');
    await shown.button('Export').press();
    expect(page.asked.find(({ path }) => path === '/invoices/export')!.query).toEqual({ format: 'csv', state: 'overdue', limit: '200' });
    expect(shown.one('.said').words).toBe('Later.');
    // An operator has the list beside a bill.
    page.answers['/invoices/i-1'] = bills[0];
    expect((await page.show(html`<${BillsPage} invoiceId="i-1" me=${operatorOf('north')} />`)).all('.area-list')).toHaveLength(1);
  });

  test('of a consumer is on their home page: a bill leads back to that of its meter', async () => {
    page.answers = { '/invoices/invoice-1': wire(), '/invoices/invoice-1/payments': pageOf() };
    const shown = await page.show(html`<${BillsPage} invoiceId="invoice-1" me=${{ role: 'consumer', preferences: { locale: 'de' } }} />`);
    expect([shown.one('a.back').getAttribute('href'), shown.all('.area-list').length]).toEqual(['#home/meter-1', 0]);
  });
});

test('monthly runs say how far they are, how many could not be billed, and of how many bills quarter-hours are missing', async () => {
  const run = { id: 'r', month: '2026-07', state: 'running', startedAt: '2026-08-01T06:00:00Z', startedBy: 'Ada', agreements: 100, done: 40, issued: 38, incomplete: { bills: 7, aboveTenth: 2 }, failed: 2 };
  const done = { ...run, state: 'done', done: 100, issued: 100, failed: 0 };
  page.answers = {
    '/billing-runs': pageOf(
      run,
      { ...done, id: 'r2', month: '2026-06', incomplete: { bills: 1, aboveTenth: 0 } },
      { ...done, id: 'r3', month: '2026-05', incomplete: { bills: 0, aboveTenth: 0 } },
      { ...done, id: 'r4', month: '2026-04', incomplete: null },
    ),
  };
  const shown = await page.show(html`<${BillingRuns} />`);
  expect(shown.all('.runs li').map((row: any) => row.words)).toEqual([
    expect.stringMatching(/^July 2026 under way .*by Ada.*40 of 100, 38 issued, 7 with quarter-hours missing, 2 of them more than a tenth, 2 could not be billed$/),
    expect.stringMatching(/^June 2026 done .*100 of 100, 100 issued, 1 with quarter-hours missing$/),
    expect.stringMatching(/^May 2026 done .*100 of 100, 100 issued$/),
    expect.stringMatching(/^April 2026 done .*100 of 100, 100 issued$/),
  ]);
  expect([shown.one('progress').getAttribute('max'), shown.one('progress').value || shown.one('progress').getAttribute('value')]).toEqual(['100', 40]);
});

describe('bars by day', () => {
  const days = [{ date: '2026-07-01', importKwh: '10', exportKwh: '0' }, { date: '2026-07-02', importKwh: '2', exportKwh: '5' }, { date: '2026-07-03', importKwh: '0', exportKwh: '0' }];

  test('say the mean and the most, and what was given goes down from the line', async () => {
    const shown = await page.show(html`<${DayBars} days=${days} caption="Use" />`);
    expect(shown.one('.load-figures').words).toBe('a day 4 kWh on average at most 10 kWh');
    expect(shown.one('svg').getAttribute('aria-label')).toBe('Use: 4 kWh a day on average, 10 kWh at most');
    const [first, second] = shown.all('rect.use').map((bar: any) => ({ y: Number(bar.getAttribute('y')), height: Number(bar.getAttribute('height')) }));
    expect(first.height).toBeCloseTo(5 * second.height);
    // They stand on one line.
    expect(first.y + first.height).toBeCloseTo(second.y + second.height);
    const [given] = shown.all('rect.given');
    expect(Number(given.getAttribute('y'))).toBeGreaterThan(second.y + second.height);
    expect(Number(given.getAttribute('height'))).toBeCloseTo(second.height * 2.5);
    expect(Number(given.getAttribute('y')) + Number(given.getAttribute('height'))).toBeLessThan(120);
    expect(shown.all('title').map((title: any) => title.words)).toEqual([expect.stringMatching(/: 10 kWh$/), expect.stringMatching(/: 2 kWh, given 5 kWh$/), expect.stringMatching(/: 0 kWh$/)]);
  });
});

function location(): { hash: string } {
  return (globalThis as unknown as { location: { hash: string } }).location;
}
