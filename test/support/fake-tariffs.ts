import { tariffSchema } from '../../src/actors/tariffs/tariff-document.ts';
import type { TariffAnswers, TariffQuestion, TariffVersion } from '../../src/actors/tariffs/protocol.ts';
import type { ComparedCustomer, TariffComparison } from '../../src/actors/tariffs/comparison.ts';
import type { TariffsPort } from '../../src/http/tariffs-port.ts';
import type { Agreement, Bill, BillingRun, Dispute, DynamicPrice, Invoice, Payment, PriceOverride } from '../../src/model/billing.ts';
import { AT } from './fake-engine.ts';

/** A tariff supervisor of one thing of each kind, that notes what it is asked. Replace an answer to make it fail. */

/** As a client sends it: what has a default is left out. */
export const TARIFF = {
  format: 'seg-tariff/1', id: 'flat', name: 'Flat', currency: 'AUD', zone: 'Australia/Sydney', effectiveFrom: '2026-01-01',
  schedules: [{ name: 's', periods: [{ name: 'all' }], rules: [{ days: ['weekday', 'weekend', 'holiday'], spans: [{ from: '00:00', to: '24:00', period: 'all' }] }] }],
  charges: [{ kind: 'energy', name: 'Energy', schedule: 's', rates: [{ period: 'all', tiers: [{ price: '0.25' }] }] }],
};
export const VERSION: TariffVersion = { id: 'flat', version: 3, document: tariffSchema.parse(TARIFF), storedAt: AT, by: 'Ada' };

export const AGREEMENT: Agreement = {
  id: 'a1', version: 2, meterId: 'meter:1', customer: { name: 'Zoë Ångström', address: ['1 High Street'], email: null, taxId: null }, customerClass: 'residential', tariffId: null, movedIn: '2025-07-01', movedOut: null,
};

export const BILL: Bill = {
  agreementId: 'a1', meterId: 'meter:1', region: 'north', currency: 'AUD', zone: 'Australia/Sydney', from: '2025-12-01', to: '2026-01-01',
  parts: [{ tariffId: 'flat', tariffVersion: 3, from: '2025-12-01', to: '2026-01-01', quality: { measured: 2_976, estimated: 0, missing: 0 }, digest: 7, peakKw: '4.2', peakAt: AT }],
  lines: [{ number: 1, kind: 'energy', charge: 'Energy', text: 'Energy', tariffId: 'flat', tariffVersion: 3, from: '2025-12-01', to: '2026-01-01', period: 'all', tier: 1, quantity: '100', unit: 'kWh', unitPrice: '0.25', amount: '25.00' }],
  net: '25.00', tax: '0.00', total: '25.00', importKwh: '100', exportKwh: '0', dailyKwh: [{ date: '2025-12-01', importKwh: '3.2', exportKwh: '0' }],
  quality: { measured: 2_976, estimated: 0, missing: 0 }, creditKwh: {},
};

export const INVOICE: Invoice = {
  ...BILL, number: 'INV-2026-000001', id: 'i/1', version: 5, kind: 'invoice', state: 'issued', customer: AGREEMENT.customer, issuedAt: AT, dueDate: '2026-02-05',
  paid: '0.00', outstanding: '25.00', corrects: null, correctedBy: [], differences: [], run: 'r1',
};

export const PAYMENT: Payment = { id: 'p1', invoiceId: 'i/1', amount: '25.00', receivedAt: AT, method: 'bank', reference: 'REF 1' };
export const DISPUTE: Dispute = { id: 'd1', invoiceId: 'i/1', openedAt: AT, openedBy: 'Ada', reason: 'too much', lines: [1], resolvedAt: null, resolvedBy: null, outcome: null, resolution: null };
export const RUN: BillingRun = { id: 'r1', month: '2025-12', state: 'running', startedAt: AT, startedBy: 'Ada', endedAt: null, agreements: 10, done: 4, issued: 3, incomplete: { bills: 2, aboveTenth: 1 }, faults: [], failed: 1, after: 'a1' };
export const COMPARISON: TariffComparison = {
  id: 'cmp-000001', state: 'running', startedAt: AT, startedBy: 'Ada', endedAt: null, fromMonth: '2025-11', toMonth: '2025-12', of: { kind: 'meters', meterIds: ['meter:1', 'meter:2'] },
  all: 2, done: 1, rated: 1, failed: 0, failures: [], currency: 'AUD', tariffs: [{ tariffId: 'flat', version: 3, total: '25.00', bestFor: 0 }, { tariffId: 'tou', version: 1, total: '24.00', bestFor: 1 }],
  present: { customers: 1, total: '25.00' }, saving: { customers: 1, total: '1.00' },
};
export const COMPARED: ComparedCustomer = { meterId: 'meter:1', agreementId: 'a1', from: '2025-11-01', to: '2026-01-01', present: '25.00', costs: ['25.00', '24.00'], best: 1, saving: '1.00' };
export const PRICE: DynamicPrice = { region: 'north', price: '0.25', currency: 'AUD', multiplier: '1.00', loadPercent: 60, override: null, since: AT };
export const OVERRIDE: PriceOverride = { id: 'o1', region: 'north', price: '0.40', from: AT, until: AT + 3_600_000, by: 'Ada', reason: 'works', endedAt: null, endedBy: null, endReason: null };

type Answers = { [Kind in TariffQuestion['kind']]: (question: Extract<TariffQuestion, { kind: Kind }>) => TariffAnswers[Kind] };

export interface FakeTariffs extends TariffsPort {
  asked: TariffQuestion[];
  answers: Answers;
}

const page = <Row>(row: Row) => ({ data: [row], nextCursor: 'next' });

export function fakeTariffs(): FakeTariffs {
  const asked: TariffQuestion[] = [];
  const answers: Answers = {
    tariffs: () => page(VERSION),
    tariff: ({ version }) => ({ ...VERSION, version: version ?? 3 }),
    tariffVersions: () => [VERSION],
    putTariff: ({ document, by }) => ({ id: document.id, version: 4, document, storedAt: AT, by }),
    tariffOf: () => ({ ...VERSION, agreementId: 'a1' }),
    tariffsOfRegion: () => [VERSION],
    agreements: () => page(AGREEMENT),
    agreement: () => AGREEMENT,
    makeAgreement: ({ agreement }) => ({ ...agreement, id: 'a/2', version: 1 }),
    changeAgreement: ({ customer, tariffId, movedOut }) => ({ ...AGREEMENT, version: 3, customer: customer ?? AGREEMENT.customer, tariffId: tariffId === undefined ? null : tariffId, movedOut: movedOut === undefined ? null : movedOut }),
    estimate: () => BILL,
    cycle: () => ({ bill: BILL, projected: { ...BILL, total: '31.00' } }),
    compare: () => [{ tariffId: 'flat', version: 3, total: '25.00', currency: 'AUD', difference: '0.00', monthly: [{ month: '2025-12', total: '25.00' }] }],
    invoices: () => page(INVOICE),
    invoice: () => INVOICE,
    draft: () => ({ ...INVOICE, number: null, state: 'draft', issuedAt: null, dueDate: null }),
    explainInvoice: () => ({ invoice: INVOICE, recomputed: BILL, agrees: true, lines: [{ number: 1, text: 'Energy', how: '100 kWh at 0.25', amount: '25.00', recomputed: '25.00', agrees: true }] }),
    pay: () => ({ payment: PAYMENT, invoice: { ...INVOICE, state: 'paid' } }),
    payments: () => [PAYMENT],
    dispute: () => DISPUTE,
    resolveDispute: ({ outcome }) => ({ ...DISPUTE, outcome, resolvedAt: AT }),
    disputes: () => page(DISPUTE),
    startRun: () => RUN,
    run: () => RUN,
    runs: () => page(RUN),
    startComparison: () => COMPARISON,
    comparison: () => COMPARISON,
    comparisons: () => page(COMPARISON),
    comparedCustomers: () => page(COMPARED),
    endComparison: () => ({ ...COMPARISON, state: 'cancelled', endedAt: AT }),
    prices: () => [PRICE],
    priceHistory: () => page(PRICE),
    overrides: () => page(OVERRIDE),
    makeOverride: ({ region, price, from, until }) => ({ ...OVERRIDE, id: 'o/2', region, price, from, until }),
    endOverride: () => ({ ...OVERRIDE, endedAt: AT }),
  };
  return {
    asked,
    answers,
    async ask(question) {
      asked.push(question);
      return (answers[question.kind] as (question: TariffQuestion) => never)(question);
    },
    print: async (invoice, language, numbers) => Buffer.from(['%PDF', invoice.number, language, ...Object.entries(numbers).flat()].join(' ')),
  };
}
