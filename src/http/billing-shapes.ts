import type { ComparedTariff, CycleCost, ExplainedInvoice, TariffVersion } from '../actors/tariffs/protocol.ts';
import type { Bill, BillingRun, Dispute, DynamicPrice, Invoice, Payment, PriceOverride } from '../model/billing.ts';
import { isoTime, isoTimeOrNull } from './wire-shapes.ts';

/** Tariffs, bills and what becomes of them, as it goes over the wire. Money and energy stay decimal text. */

export function tariffVersionShape(tariff: TariffVersion): object {
  return { ...tariff, storedAt: isoTime(tariff.storedAt) };
}

/** Without the document, for lists. */
export function tariffSummaryShape({ id, version, document, storedAt, by }: TariffVersion): object {
  const { name, currency, zone, effectiveFrom, effectiveTo, appliesTo } = document;
  return { id, version, name, currency, zone, effectiveFrom, effectiveTo, appliesTo, storedAt: isoTime(storedAt), by };
}

export function billShape<Shown extends Bill>(bill: Shown): object {
  return { ...bill, parts: bill.parts.map((part) => ({ ...part, peakAt: isoTimeOrNull(part.peakAt) })) };
}

export function invoiceShape(invoice: Invoice): object {
  return { ...billShape(invoice), issuedAt: isoTimeOrNull(invoice.issuedAt) };
}

/** For lists: without lines, days and differences, which are most of an invoice. */
export function invoiceSummaryShape(invoice: Invoice): object {
  const { lines: _lines, dailyKwh: _days, parts: _parts, differences: _differences, creditKwh: _credits, ...summary } = invoice;
  return { ...summary, issuedAt: isoTimeOrNull(invoice.issuedAt) };
}

export function cycleShape({ bill, projected }: CycleCost): object {
  return { bill: billShape(bill), projectedTotal: projected.total, currency: bill.currency };
}

export function explainedShape({ invoice, recomputed, agrees, lines }: ExplainedInvoice): object {
  return { invoice: invoiceShape(invoice), recomputed: billShape(recomputed), agrees, lines };
}

export function comparedShape(tariffs: readonly ComparedTariff[]): object {
  return { data: tariffs, nextCursor: null };
}

export function paymentShape(payment: Payment): object {
  return { ...payment, receivedAt: isoTime(payment.receivedAt) };
}

export function disputeShape(dispute: Dispute): object {
  return { ...dispute, openedAt: isoTime(dispute.openedAt), resolvedAt: isoTimeOrNull(dispute.resolvedAt) };
}

export function runShape(run: BillingRun): object {
  return { ...run, startedAt: isoTime(run.startedAt), endedAt: isoTimeOrNull(run.endedAt) };
}

export function priceShape(price: DynamicPrice): object {
  return { ...price, since: isoTime(price.since) };
}

export function priceOverrideShape(override: PriceOverride): object {
  return { ...override, from: isoTime(override.from), until: isoTime(override.until), endedAt: isoTimeOrNull(override.endedAt) };
}
