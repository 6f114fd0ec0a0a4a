import { AMOUNT_DIGITS, decimalText, divideRounded, parseDecimal } from '../../src/model/decimal.ts';
import type { Invoice, InvoiceLine } from '../../src/model/billing.ts';
import { issuerSchema } from '../../src/actors/tariffs/papers/issuer.ts';

/** Invoices that look like real ones, for tests and benchmarks of papers. */

export const EXAMPLE_ISSUER = issuerSchema.parse({
  name: 'Elektrizitätswerk Limmattal AG',
  address: ['Uferstrasse 12', '8953 Dietikon', 'Switzerland'],
  phone: '+41 44 555 01 20',
  email: 'service@ew-limmattal.example',
  website: 'www.ew-limmattal.example',
  taxId: 'CHE-123.456.788 MWST',
  legalLines: ['Commercial register Zürich'],
  faultsPhone: '0800 555 112',
  account: { bank: 'Zürcher Kantonalbank', number: 'CH93 0076 2011 6238 5295 7', bic: 'ZKBKCHZZ80A' },
});

const DAY_MS = 86_400_000;

type LineSeed = Pick<InvoiceLine, 'kind' | 'text' | 'quantity' | 'unit' | 'unitPrice'> & Partial<InvoiceLine>;

/** Lines whose amounts follow from quantities and prices, in hundredths. */
export function exampleLines(seeds: readonly LineSeed[], of: { from: string; to: string } = { from: '2026-07-01', to: '2026-08-01' }): InvoiceLine[] {
  return seeds.map((seed, i) => ({ number: i + 1, charge: seed.text, tariffId: 'home-tou', tariffVersion: 3, period: null, tier: null, ...of, amount: amountOf(seed), ...seed }));
}

export function exampleInvoice(changes: Partial<Invoice> = {}): Invoice {
  const lines = changes.lines ?? exampleLines(HOME_LINES);
  const net = sum(lines.filter(({ kind }) => kind !== 'tax'));
  const tax = sum(lines.filter(({ kind }) => kind === 'tax'));
  const total = sum(lines);
  return {
    id: 'i-0001',
    number: 'INV-2026-000042',
    version: 1,
    kind: 'invoice',
    state: 'issued',
    agreementId: 'ag-10042',
    meterId: 'CH1018601234500000000000000011642',
    region: 'region-03',
    customer: { name: 'Zoë Müller-Łukasiewicz', address: ['Seestrasse 114', '8002 Zürich'], email: 'zoe@example.org', taxId: null },
    currency: 'CHF',
    zone: 'Europe/Zurich',
    from: '2026-07-01',
    to: '2026-08-01',
    issuedAt: Date.parse('2026-08-03T07:12:00Z'),
    dueDate: '2026-08-24',
    parts: [{ tariffId: 'home-tou', tariffVersion: 3, from: '2026-07-01', to: '2026-08-01', quality: { measured: 2_940, estimated: 30, missing: 6 }, digest: 1, peakKw: '5.28', peakAt: Date.parse('2026-07-19T17:45:00Z') }],
    lines,
    net,
    tax,
    total,
    paid: '0',
    outstanding: total,
    importKwh: '412.318',
    exportKwh: '96.25',
    dailyKwh: exampleDays('2026-07-01', 31),
    quality: { measured: 2_940, estimated: 30, missing: 6 },
    creditKwh: {},
    corrects: null,
    correctedBy: [],
    differences: [],
    run: 'run-2026-07',
    ...changes,
  };
}

export const HOME_LINES: readonly LineSeed[] = [
  { kind: 'energy', text: 'Energy · peak', period: 'peak', quantity: '128.412', unit: 'kWh', unitPrice: '0.3125' },
  { kind: 'energy', text: 'Energy · shoulder', period: 'shoulder', quantity: '171.006', unit: 'kWh', unitPrice: '0.2480' },
  { kind: 'energy', text: 'Energy · off-peak', period: 'offpeak', quantity: '112.9', unit: 'kWh', unitPrice: '0.1875' },
  { kind: 'adder', text: 'Grid levy', quantity: '412.318', unit: 'kWh', unitPrice: '0.0123' },
  { kind: 'fixed', text: 'Basic charge', quantity: '1', unit: 'month', unitPrice: '9.50' },
  { kind: 'fixed', text: 'Metering', quantity: '31', unit: 'day', unitPrice: '0.11' },
  { kind: 'export', text: 'Solar feed-in', quantity: '96.25', unit: 'kWh', unitPrice: '-0.0820' },
  { kind: 'rebate', text: 'Paperless rebate', quantity: '1', unit: 'month', unitPrice: '-1.50' },
  { kind: 'tax', text: 'VAT 8.1 %', quantity: '112.30', unit: '%', unitPrice: '8.1' },
];

export function exampleDays(from: string, days: number): Invoice['dailyKwh'] {
  return Array.from({ length: days }, (_, i) => {
    const date = new Date(Date.parse(`${from}T00:00:00Z`) + i * DAY_MS);
    const weekend = date.getUTCDay() % 6 === 0 ? 4.5 : 0;
    const use = 11 + weekend + 3 * Math.sin(i / 2.3) + ((i * 7_919) % 17) / 8;
    return { date: date.toISOString().slice(0, 10), importKwh: use.toFixed(3), exportKwh: Math.max(0, 3.2 + 2.6 * Math.cos(i / 3.1)).toFixed(3) };
  });
}

function amountOf({ quantity, unit, unitPrice }: LineSeed): string {
  const product = parseDecimal(quantity, 6) * parseDecimal(unitPrice, 8);
  const hundredths = divideRounded(product, 10n ** 12n * (unit === '%' ? 100n : 1n), 'halfUp');
  return decimalText(hundredths, 2, 2);
}

function sum(lines: readonly InvoiceLine[]): string {
  return decimalText(lines.reduce((all, { amount }) => all + parseDecimal(amount, AMOUNT_DIGITS), 0n), AMOUNT_DIGITS, 2);
}
