import type { BillingEvent } from '../../src/actors/tariffs/protocol.ts';
import type { Dispute, DynamicPrice, Invoice, InvoiceLine, Payment } from '../../src/model/billing.ts';

/** Bills and what becomes of them, with plausible figures; `over` overrides. */

const ISSUED_AT = Date.UTC(2026, 7, 3, 6);

export function exampleLine(over: Partial<InvoiceLine> = {}): InvoiceLine {
  return {
    number: 1, kind: 'energy', charge: 'Energy', text: 'Energy, peak, tier 1', tariffId: 'home', tariffVersion: 2, from: '2026-07-01', to: '2026-08-01', period: 'peak', tier: 1,
    quantity: '120.5', unit: 'kWh', unitPrice: '0.2735', amount: '32.96', ...over,
  };
}

export function exampleInvoice(over: Partial<Invoice> = {}): Invoice {
  const lines = [exampleLine(), exampleLine({ number: 2, kind: 'tax', charge: 'VAT', text: 'VAT, 20 %', period: null, tier: null, quantity: '32.96', unit: '%', unitPrice: '20', amount: '6.59' })];
  return {
    id: 'invoice-1', version: 1, number: 'INV-2026-000001', kind: 'invoice', state: 'issued',
    agreementId: 'agreement-1', meterId: 'meter-1', region: 'north', customer: { name: 'Ada Lovelace', address: ['12 St James’s Square', 'London'], email: null, taxId: null },
    currency: 'GBP', zone: 'Europe/London', from: '2026-07-01', to: '2026-08-01',
    parts: [{ tariffId: 'home', tariffVersion: 2, from: '2026-07-01', to: '2026-08-01', quality: { measured: 2_970, estimated: 4, missing: 2 }, digest: 7, peakKw: '3.25', peakAt: Date.UTC(2026, 6, 9, 18) }],
    lines, net: '32.96', tax: '6.59', total: '39.55', importKwh: '120.5', exportKwh: '0', dailyKwh: [{ date: '2026-07-01', importKwh: '3.9', exportKwh: '0' }],
    quality: { measured: 2_970, estimated: 4, missing: 2 }, creditKwh: {}, issuedAt: ISSUED_AT, dueDate: '2026-08-24', paid: '0', outstanding: '39.55',
    corrects: null, correctedBy: [], differences: [], run: '2026-07', ...over,
  };
}

export function examplePayment(over: Partial<Payment> = {}): Payment {
  return { id: 'payment-1', invoiceId: 'invoice-1', amount: '20.00', receivedAt: ISSUED_AT + 86_400_000, method: 'transfer', reference: 'A-77', ...over };
}

export function exampleDispute(over: Partial<Dispute> = {}): Dispute {
  return { id: 'dispute-1', invoiceId: 'invoice-1', openedAt: ISSUED_AT + 3_600_000, openedBy: 'Ada', reason: 'the meter is not mine', lines: [1], resolvedAt: null, resolvedBy: null, outcome: null, resolution: null, ...over };
}

export function examplePrice(over: Partial<DynamicPrice> = {}): DynamicPrice {
  return { region: 'north', price: '0.25', currency: 'GBP', multiplier: '1.25', loadPercent: 93.5, override: null, since: ISSUED_AT, ...over };
}

export function priceEvent(price: DynamicPrice, id = `price-${price.region}-1`): BillingEvent {
  return { topic: 'tariff_updates', id, at: price.since, price };
}

export function invoiceEvent(invoice: Invoice): BillingEvent {
  return { topic: 'billing_updates', id: invoice.id, at: invoice.issuedAt ?? ISSUED_AT, invoice };
}

export function paymentEvent(payment: Payment, invoice: Invoice): BillingEvent {
  return { topic: 'payment_updates', id: payment.id, at: payment.receivedAt, payment, invoice };
}

export function disputeEvent(dispute: Dispute): BillingEvent {
  return { topic: 'dispute_updates', id: dispute.id, at: dispute.resolvedAt ?? dispute.openedAt, dispute };
}
