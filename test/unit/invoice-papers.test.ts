import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decimalShown, daysShown, moneyShown, shortDaysShown } from '../../src/actors/tariffs/papers/paper-numbers.ts';
import { INVOICE_CSV_HEAD, invoiceCsvRows } from '../../src/actors/tariffs/papers/invoice-csv.ts';
import { sectionsOf, sumsByGroup, takenBack } from '../../src/actors/tariffs/papers/invoice-sums.ts';
import { loadPaperFonts } from '../../src/actors/tariffs/papers/paper-fonts.ts';
import { PAPER_WORDS } from '../../src/actors/tariffs/papers/paper-words.ts';
import { groupedReference, isPaymentReference, paymentReference } from '../../src/actors/tariffs/papers/payment-reference.ts';
import { paperLine, textRuns } from '../../src/actors/tariffs/papers/paper-text.ts';
import { exampleInvoice, exampleLines, HOME_LINES } from '../support/example-invoices.ts';
import { parse } from 'csv-parse/sync';

const { en, de } = PAPER_WORDS;

describe('decimals on paper', () => {
  it('are the same digits, grouped as the language has it', () => {
    expect(decimalShown('1234567.5', 2, en)).toBe('1,234,567.50');
    expect(decimalShown('-1234.5', 2, de)).toBe('−1.234,50');
    expect(decimalShown('0.27350000', 2, en)).toBe('0.2735');
    expect(decimalShown('12', 0, en)).toBe('12');
    expect(moneyShown('1234', 'JPY', en)).toBe('JPY 1,234');
    expect(moneyShown('1.5', 'KWD', de)).toBe('KWD 1,500');
  });

  it('never lose or change a digit', () => {
    const decimals = fc.tuple(fc.constantFrom('', '-'), fc.bigInt({ min: 0n, max: 10n ** 18n }), fc.string({ unit: fc.constantFrom(...'0123456789'), maxLength: 14 }));
    fc.assert(
      fc.property(decimals, fc.constantFrom(en, de), ([sign, whole, fraction], words) => {
        const shown = decimalShown(`${sign}${whole}${fraction === '' ? '' : `.${fraction}`}`, 2, words);
        const back = shown.replaceAll(words.thousands, '').replace(words.decimalPoint, '.').replace('−', '-');
        expect(back).toBe(`${sign}${whole}.${fraction.replace(/0+$/, '').padEnd(2, '0')}`);
      }),
    );
  });

  it('leave alone what is no decimal', () => expect(decimalShown('a lot', 2, en)).toBe('a lot'));
});

describe('days on paper', () => {
  it('end the day before the end', () => {
    expect(daysShown('2026-07-01', '2026-08-01', en)).toBe('1 – 31 July 2026');
    expect(daysShown('2026-12-15', '2027-01-15', de)).toBe('15. Dezember 2026 – 14. Januar 2027');
    expect(shortDaysShown('2026-02-01', '2026-03-01', en)).toBe('1 – 28 Feb');
    expect(daysShown('soon', 'later', en)).toBe('soon – later');
  });
});

describe('the payment reference', () => {
  it('is that of ISO 11649', () => {
    // The standard's own example.
    expect(isPaymentReference('RF18 5390 0754 7034')).toBe(true);
    expect(paymentReference('539007547034')).toBe('RF18539007547034');
    expect(groupedReference(paymentReference('INV-2026-000042')!)).toMatch(/^RF\d\d INV2 0260 0004 2$/);
    expect(paymentReference('–')).toBeNull();
    expect(paymentReference('x'.repeat(22))).toBeNull();
  });

  it('does not pass with a wrong digit or two that were swapped', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 999_999 }), fc.nat(), fc.integer({ min: 1, max: 9 }), (number, place, step) => {
        const reference = paymentReference(`INV-2026-${String(number).padStart(6, '0')}`)!;
        expect(isPaymentReference(reference)).toBe(true);
        const digits = [...reference];
        const at = 7 + (place % (reference.length - 8));
        const wrong = digits.with(at, String((Number(digits[at]) + step) % 10)).join('');
        expect(isPaymentReference(wrong)).toBe(false);
        const swapped = digits.with(at, digits[at + 1]).with(at + 1, digits[at]).join('');
        expect(isPaymentReference(swapped)).toBe(swapped === reference);
      }),
    );
  });
});

describe('sums of a bill', () => {
  it('are exact, by what lines are for', () => {
    expect(sumsByGroup(exampleLines(HOME_LINES))).toEqual([
      { group: 'energy', amount: '108.78' },
      { group: 'fixed', amount: '12.91' },
      { group: 'export', amount: '-7.89' },
      { group: 'other', amount: '-1.5' },
      { group: 'tax', amount: '9.1' },
    ]);
  });

  it('say what credit notes took off', () => expect(takenBack(exampleInvoice({ paid: '100', outstanding: '1.4' }))).toBe('20'));

  it('keep lines of a version together, over the days of all of them', () => {
    const lines = [...exampleLines(HOME_LINES.slice(0, 2), { from: '2026-07-01', to: '2026-07-11' }), ...exampleLines(HOME_LINES.slice(2, 4), { from: '2026-07-11', to: '2026-08-01' })];
    expect(sectionsOf(lines).map(({ from, to, lines: own }) => [from, to, own.length])).toEqual([['2026-07-01', '2026-08-01', 4]]);
    lines[3].tariffVersion = 4;
    expect(sectionsOf(lines).map(({ tariffVersion, from, lines: own }) => [tariffVersion, from, own.length])).toEqual([[3, '2026-07-01', 3], [4, '2026-07-11', 1]]);
  });
});

describe('text of strangers', () => {
  const fonts = loadPaperFonts();

  it('is one line without control, direction and private characters', () => {
    expect(paperLine(' a\u0000b\r\nc\u202Eevil\u2066\u200Fd\uE000\uD800e\u2028f ')).toBe('a b c evil d e f');
    expect(paperLine('e\u0301')).toBe('é');
    expect(paperLine('x'.repeat(10_000))).toHaveLength(600);
  });

  it('is printed in the font that has its letters', () => {
    expect(textRuns('Łukasz Ωμέγα Жук', false, fonts)).toEqual([{ font: 'regular', text: 'Łukasz Ωμέγα Жук' }]);
    expect(textRuns('Dr. שלום עולם', true, fonts)).toEqual([{ font: 'bold', text: 'Dr. ' }, { font: 'otherBold', text: 'שלום עולם' }]);
    // Nothing has them: boxes, and no fault.
    expect(textRuns('王', false, fonts)).toEqual([{ font: 'regular', text: '王' }]);
  });

  it('keeps every character, whatever it is', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 60 }), fc.boolean(), (text, bold) => {
      expect(textRuns(paperLine(text), bold, fonts).map((run) => run.text).join('')).toBe(paperLine(text));
    }));
  });
});

describe('invoices as CSV', () => {
  const rowsOf = (csv: string): Record<string, string>[] => parse(csv, { columns: true });

  it('have a row for each line, with the whole invoice beside it', () => {
    const rows = rowsOf(INVOICE_CSV_HEAD + invoiceCsvRows(exampleInvoice()) + invoiceCsvRows(exampleInvoice({ number: null, lines: [], issuedAt: null })));
    expect(rows).toHaveLength(10);
    expect(rows[0]).toMatchObject({ invoice: 'INV-2026-000042', customer: 'Zoë Müller-Łukasiewicz', total: '121.40', line: '1', period: 'peak', quantity: '128.412', unitPrice: '0.3125', amount: '40.13', issuedAt: '2026-08-03T07:12:00.000Z' });
    expect(rows[6]).toMatchObject({ lineKind: 'export', unitPrice: '-0.0820', amount: '-7.89' });
    expect(rows[9]).toMatchObject({ invoice: 'i-0001', line: '', amount: '', issuedAt: '' });
  });

  it('hold no formula and no row of a stranger', () => {
    const name = '=HYPERLINK("http://x","a")\r\nINV,2';
    const [row] = rowsOf(INVOICE_CSV_HEAD + invoiceCsvRows(exampleInvoice({ customer: { name, address: [], email: null, taxId: null }, lines: [] })));
    expect(row.customer).toBe(`'${name}`);
    for (const text of ['+1', '-1+1', '@x', '\tx']) expect(rowsOf(INVOICE_CSV_HEAD + invoiceCsvRows(exampleInvoice({ meterId: text, lines: [] })))[0].meterId).toBe(text === '+1' ? "'+1" : `'${text}`);
  });
});
