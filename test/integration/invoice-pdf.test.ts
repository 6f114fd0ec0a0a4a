import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEFAULT_ISSUER, issuerSchema } from '../../src/actors/tariffs/papers/issuer.ts';
import { invoicePdf } from '../../src/actors/tariffs/papers/invoice-pdf.ts';
import { loadPaperFonts } from '../../src/actors/tariffs/papers/paper-fonts.ts';
import type { PaperLanguage } from '../../src/actors/tariffs/papers/paper-words.ts';
import type { Invoice } from '../../src/model/billing.ts';
import { exampleDays, exampleInvoice, exampleLines, EXAMPLE_ISSUER, HOME_LINES } from '../support/example-invoices.ts';
import { pdfInfo, pdfPages, pdfText, pdfWords, popplerAvailable, POPPLER_HOW_TO } from '../support/pdf-text.ts';
import { suite } from '../support/required-suites.ts';

/** Bills read back by a program that did not make them. */

const PAGE = { width: 595.28, height: 841.89 };

suite('printed invoices', popplerAvailable(), POPPLER_HOW_TO, () => {
  const fonts = loadPaperFonts();
  const print = (changes: Partial<Invoice> = {}, language: PaperLanguage = 'en', issuer = EXAMPLE_ISSUER, numbers = {}) => invoicePdf(exampleInvoice(changes), { language, issuer, fonts, numbers });
  const textOf = async (...of: Parameters<typeof print>): Promise<string> => pdfText(await print(...of));

  test('have on the first page whose they are, what is to be paid until when, and how to pay it', async () => {
    const [front] = pdfPages(await print());
    for (const text of ['Elektrizitätswerk Limmattal AG', 'Zoë Müller-Łukasiewicz', '8002 Zürich', 'INV-2026-000042', '3 August 2026', '1 – 31 July 2026', 'CH1018601234500000000000000011642', 'Please pay by 24 August 2026']) expect(front).toContain(text);
    expect(front).toMatch(/CHF\s121\.40/);
    expect(front).toMatch(/Payment slip[^]*CH93 0076 2011 6238 5295 7[^]*RF\d\d INV2 0260 0004 2/);
    expect(await textOf()).toMatch(/Energy 108\.78 Fixed charges 12\.91 Credit for energy fed in −7\.89 Surcharges and rebates −1\.50 Total before tax 112\.30 Taxes 9\.10 Total 121\.40/);
    expect(await textOf()).toContain('Taken from the grid 412.3 kWh Fed into the grid 96.3 kWh On an average day');
  });

  test('have every line with its days, quantity, price and amount, and what they come to', async () => {
    const [, details] = pdfPages(await print());
    expect(details).toMatch(/Tariff home-tou, version 3 · 1 – 31 July 2026\s+E·M/);
    expect(details).toMatch(/1\s+Energy · peak\s+1 – 31 Jul\s+128\.412 kWh\s+0\.3125\s+40\.13/);
    expect(details).toMatch(/9\s+VAT 8\.1 %\s+1 – 31 Jul\s+112\.30 CHF\s+8\.1 %\s+9\.10/);
    expect(details).toMatch(/Highest demand 5\.28 kW on 19 July 2026 at 19:45/);
    expect(details).toMatch(/Total before tax\s+CHF\s112\.30[^]*Total\s+CHF\s121\.40/);
    for (const [i, { text }] of HOME_LINES.entries()) expect(details).toMatch(new RegExp(`${i + 1}\\s+${text.replace(/[.]/g, '\\.')}`));
  });

  test('say what was estimated and what is missing', async () => {
    expect(await textOf()).toContain('Of 2,976 quarter-hours 2,940 were measured, 30 estimated and 6 are missing. E: within these days');
    const measured = await textOf({ quality: { measured: 2_976, estimated: 0, missing: 0 } });
    expect(measured).toContain('All 2,976 quarter-hours were measured.');
    expect(measured).not.toContain('E: within');
  });

  test('are in German, too', async () => {
    const text = await textOf({}, 'de');
    for (const said of ['Stromrechnung', 'Zu zahlen CHF 121,40', '1.–31. Juli 2026', 'Einspeisevergütung −7,89', 'Seite 1 von 2', 'Von 2.976 Viertelstunden']) expect(text).toContain(said);
  });

  test('go over as many pages as they have lines, each with a head and its number', async () => {
    const lines = exampleLines(Array.from({ length: 120 }, (_, i) => ({ ...HOME_LINES[i % 8], text: `Charge number ${i + 1}${i % 7 === 0 ? ' of the schedule for medium general service with a second tier above 200 kW' : ''}` })));
    const pages = pdfPages(await print({ lines }));
    expect(pages.length).toBeGreaterThan(3);
    for (const [i, page] of pages.entries()) {
      expect(page).toContain(`INV-2026-000042 · Page ${i + 1} of ${pages.length}`);
      if (i > 0) expect(page).toMatch(/Charge\s+Days\s+Quantity\s+Price\s+Amount CHF/);
    }
    const text = pages.join(' ');
    for (let i = 1; i <= 120; i++) expect(text).toContain(`Charge number ${i}`);
  });

  test('say what state they are in', async () => {
    expect(await textOf({ state: 'overdue' })).toContain('Overdue: it was to be paid by 24 August 2026');
    const paid = await textOf({ state: 'paid', paid: '121.40', outstanding: '0' });
    expect(paid).toContain('Paid in full');
    expect(paid).not.toContain('Payment slip');
    const draft = await textOf({ number: null, state: 'draft', issuedAt: null, dueDate: null });
    expect(draft).toContain('This is a draft');
    expect(draft).not.toContain('Payment slip');
    expect(await textOf({ state: 'disputed' })).toContain('Under dispute');
    expect(await textOf({ total: '-5.00', outstanding: '-5.00' })).toContain('In your favour CHF');
    expect(await textOf({ paid: '100.00', outstanding: '21.40' })).toMatch(/Paid 100\.00 Amount due 21\.40/);
  });

  test('of a credit note name the invoice by its number, and what has changed', async () => {
    const differences = [{ text: 'Energy · peak: 12 quarter-hours came later', before: '40.13', after: '38.90' }, { text: 'Metering', before: null, after: '3.41' }];
    const text = await textOf({ kind: 'creditNote', number: 'CN-2026-000007', corrects: 'i-77', dueDate: null, total: '-121.40', outstanding: '0', differences }, 'en', EXAMPLE_ISSUER, { 'i-77': 'INV-2026-000041' });
    expect(text).toMatch(/Amount credited.*CHF\s121\.40/);
    expect(text).toContain('takes back invoice INV-2026-000041');
    expect(text).toContain('What has changed Before Now Energy · peak: 12 quarter-hours came later 40.13 38.90 Metering – 3.41');
    expect(text).not.toContain('Payment slip');
  });

  test('have credits in kWh that go on', async () => expect(await textOf({ creditKwh: { peak: '12.5', offpeak: '0' } })).toContain('go on to your next bill peak: 12.5 kWh'));

  test('are the same bytes whenever they are printed, and nobody\'s clock is in them', async () => {
    expect(Buffer.from(await print()).equals(await print())).toBe(true);
    expect(pdfInfo(await print())).toMatchObject({ Title: 'Electricity bill INV-2026-000042', Author: 'Elektrizitätswerk Limmattal AG', JavaScript: 'no', Pages: '2', 'Page size': expect.stringContaining('A4') });
  });

  test('do without whatever an issuer has not set, and with all that one can set', async () => {
    expect(await textOf({}, 'en', DEFAULT_ISSUER)).toContain('Payable to Smart Energy Grid');
    const long = 'W'.repeat(100);
    const issuer = issuerSchema.parse({ ...EXAMPLE_ISSUER, name: long, address: Array(6).fill(long), phone: long, email: long, website: long, taxId: long, legalLines: Array(4).fill(long), faultsPhone: long, account: { holder: long, bank: long, number: long, bic: long } });
    expectOnPaper(await print({}, 'en', issuer));
  });

  test('a stranger\'s text is text, cut to its place', async () => {
    const evil = '‮evil\u0000\n<script>alert(1)</script> ) Tj ET (endstream endobj /JavaScript (app.alert) ';
    const pdf = await print({
      customer: { name: evil + 'W'.repeat(5_000), address: ['محمد بن سلمان', 'שלום עולם 12', '王小明 東京', 'ქართული', 'x'.repeat(300), '6', '7', '8'], email: null, taxId: '='.repeat(500) },
      meterId: 'm'.repeat(64),
      agreementId: 'a'.repeat(200),
      region: 'Ω'.repeat(64),
      lines: exampleLines([{ ...HOME_LINES[0], text: 'x'.repeat(200), quantity: '9999.123456', unitPrice: '999999999.99999999' }]),
    });
    expect(pdfInfo(pdf)).toMatchObject({ JavaScript: 'no', Pages: '2', Form: 'none' });
    expectOnPaper(pdf);
    const [front, details] = pdfPages(pdf);
    expect(front).toContain('evil <script>alert(1)</script> ) Tj ET');
    expect(front).toContain('محمد');
    // Figures become small, and are never cut.
    expect(details).toContain('999,999,999.99999999');
    expect(details).toContain('9,999,123,456,000.00');
  });

  test('whatever is on them stays on the paper', async () => {
    const text = fc.string({ unit: 'binary', maxLength: 120 });
    const bills = fc.record({
      customer: fc.record({ name: text, address: fc.array(text, { maxLength: 8 }), email: fc.constant(null), taxId: fc.option(text) }),
      meterId: text,
      agreementId: text,
      lines: fc.array(text, { maxLength: 40 }).map((texts) => exampleLines(texts.map((said, i) => ({ ...HOME_LINES[i % HOME_LINES.length], text: said })))),
      dailyKwh: fc.integer({ min: 0, max: 366 }).map((days) => exampleDays('2026-01-01', days)),
      differences: fc.array(fc.record({ text, before: fc.option(fc.constant('1.00')), after: fc.option(text) }), { maxLength: 5 }),
      currency: fc.constantFrom('CHF', 'JPY', 'XXX', 'KWD'),
    });
    await fc.assert(
      fc.asyncProperty(bills, fc.constantFrom('en', 'de'), async (changes, language) => {
        const pdf = await print(changes, language as PaperLanguage);
        expect(pdfInfo(pdf).JavaScript).toBe('no');
        expectOnPaper(pdf);
      }),
      { numRuns: 25 },
    );
  });
});

function expectOnPaper(pdf: Uint8Array): void {
  const off = pdfWords(pdf).filter(({ xMin, xMax, yMin, yMax }) => xMin < 40 || xMax > PAGE.width - 50 || yMin < 0 || yMax > PAGE.height - 10);
  expect(off).toEqual([]);
}
