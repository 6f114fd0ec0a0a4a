import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkTariff } from '../../src/actors/tariffs/tariff-check.ts';
import { pageOf, SmallPage } from '../support/small-page.ts';

/** What the pages say of tariffs. The pages are JavaScript without declarations, hence the dynamic imports. */
const web = (file: string) => import(new URL(`../../web/${file}`, import.meta.url).href);
const { html } = await web('ui.js');
const { TariffsPage } = await web('tariffs/tariffs-page.js');
const { appliesText, priceText } = await web('tariffs/tariff-words.js');

let page: SmallPage;
beforeEach(() => {
  page = new SmallPage();
});
afterEach(() => page.close());

const documentOf = (file: string) => JSON.parse(JSON.stringify(checkTariff(JSON.parse(readFileSync(new URL(`../../docs/tariffs/${file}`, import.meta.url), 'utf8'))).document));
const plain = (words: string) => words.replace(/[€$£]/g, '').replace(/ /g, ' ');

describe('the price of a charge', () => {
  const rates = [{ period: 'day', tiers: [{ price: '0.2110', upTo: { value: '250', unit: 'kWh' } }, { price: '0.2290' }] }, { period: '*', tiers: [{ price: '3', upToKw: '10' }, { price: '4', upToKw: null }] }];
  test.each([
    [{ kind: 'energy', rates: rates.slice(0, 1) }, 'Tag 0.211 up to 250 kWh, then 0.229, per kWh'],
    [{ kind: 'demand', rates: rates.slice(1) }, '3.00 up to 10 kW, then 4.00, per kW'],
    [{ kind: 'export', rates: [{ period: 'any', tiers: [{ price: '0.0675' }] }] }, 'any 0.0675, per kWh, given back'],
    [{ kind: 'fixed', price: '3.90', per: 'month' }, '3.90 per month'],
    [{ kind: 'adder', price: '0.00481' }, '0.0048 per kWh'],
    [{ kind: 'rebate', amount: '1.50', per: 'month' }, '1.50 per month, given back'],
    [{ kind: 'minimum', price: '10', per: 'month' }, 'at least 10.00 per month'],
    [{ kind: 'surcharge', percent: '6', of: ['A', 'B'] }, '6 % of A, B'],
    [{ kind: 'tax', percent: '20', of: [] }, '20 %'],
  ])('%j', (charge, words) => {
    expect(plain(priceText(charge, 'EUR', new Map([['day', 'Tag']]))).replace(/,(?=\d)/g, '.')).toBe(words);
  });
});

test.each([
  [null, 'whoever agrees to it'],
  [{}, 'whoever agrees to it'],
  [{ regions: ['a', 'b'], customerClasses: ['residential'] }, 'regions a, b; residential'],
  [{ meters: ['m'] }, 'meters m'],
])('a tariff is for %j', (appliesTo, words) => {
  expect(appliesText(appliesTo)).toBe(words);
});

test('a tariff shows its calendar with the dearest the strongest, and the charges by the names of its periods', async () => {
  const document = documentOf('time-of-use.json');
  page.answers = { '/tariffs': pageOf({ id: document.id, name: document.name, version: 3, effectiveFrom: document.effectiveFrom, appliesTo: document.appliesTo }), [`/tariffs/${document.id}`]: { id: document.id, version: 3, document, storedAt: '2026-06-05T12:24:00Z', by: 'Ada' } };
  const shown = await page.show(html`<${TariffsPage} tariffId=${null} />`);
  expect(shown.all('.legend-list li').slice(0, 3).map((one: any) => [one.one('strong').words, one.one('.shade').classes[1]])).toEqual([['Nacht', 'shade-0'], ['Tag', 'shade-3'], ['Spitze', 'shade-6']]);
  const [first] = shown.all('.calendar-row');
  expect(first.words).toMatch(/^winter mon–fri ?00:00 to 06:00 Nacht, 06:00 to/);
  const spans = first.all('.span').map((span: any) => [parseFloat(String(span.style.left)), parseFloat(String(span.style.width))]);
  expect(spans[0]).toEqual([0, 25]);
  for (const [i, [left]] of spans.slice(1).entries()) expect(left).toBeCloseTo(spans[i][0] + spans[i][1]);
  expect(shown.all('.charges tbody tr').map((row: any) => plain(row.words))).toEqual(expect.arrayContaining([expect.stringMatching(/^Arbeitspreis energy Nacht 0\.142.* Spitze .*per kWh$/), expect.stringMatching(/^Online-Bonus rebate 1\.50 per month, given back$/)]));
  expect(shown.one('.facts dd').words).toMatch(/1 .*2026 – .*31.* 2027|Jan 1, 2026 – Dec 31, 2027/);
  expect(shown.one('.facts').words).toMatch(/Clock Europe\/Vienna Version 3 by Ada/);
});

test('a tariff without an end is in force from a day on', async () => {
  const document = { ...documentOf('time-of-use.json'), effectiveTo: null };
  page.answers = { '/tariffs': pageOf(), '/tariffs/t': { id: 't', version: 1, document, storedAt: '2026-06-05T12:24:00Z', by: 'Ada' } };
  expect((await page.show(html`<${TariffsPage} tariffId="t" />`)).one('.facts dd').words).toMatch(/^from .*2026$/);
});
