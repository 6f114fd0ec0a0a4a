import type { z } from 'zod';
import type { ComparedCustomer, TariffComparison } from '../actors/tariffs/comparison.ts';
import type { ComparedTariff, CycleCost, ExplainedInvoice, TariffVersion } from '../actors/tariffs/protocol.ts';
import type { Bill, BillingRun, Dispute, DynamicPrice, Invoice, Payment, PriceOverride } from '../model/billing.ts';
import type { billSchema, billingRunSchema, comparedCustomerSchema, comparedTariffSchema, comparisonSchema, cycleSchema, disputeSchema, explainedInvoiceSchema, invoiceSchema, invoiceSummarySchema, paymentSchema, priceOverrideSchema, priceSchema, tariffSummarySchema, tariffVersionSchema } from './billing-schemas.ts';
import { loadPercentShape } from './energy-shapes.ts';
import { isoTime, isoTimeOrNull } from './wire-shapes.ts';

/** Tariffs, bills and what becomes of them, as it goes over the wire. Money and energy stay decimal text. */

export function tariffVersionShape(tariff: TariffVersion): z.output<typeof tariffVersionSchema> {
  return { ...tariff, storedAt: isoTime(tariff.storedAt) };
}

/** Without the document, for lists. */
export function tariffSummaryShape({ id, version, document, storedAt, by }: TariffVersion): z.output<typeof tariffSummarySchema> {
  const { name, currency, zone, effectiveFrom, effectiveTo, appliesTo } = document;
  return { id, version, name, currency, zone, effectiveFrom, effectiveTo, appliesTo, storedAt: isoTime(storedAt), by };
}

export function billShape<Shown extends Bill>(bill: Shown): Omit<Shown, 'parts'> & Pick<z.output<typeof billSchema>, 'parts'> {
  return { ...bill, parts: bill.parts.map((part) => ({ ...part, peakAt: isoTimeOrNull(part.peakAt) })) };
}

export function invoiceShape(invoice: Invoice): z.output<typeof invoiceSchema> {
  return { ...billShape(invoice), issuedAt: isoTimeOrNull(invoice.issuedAt) };
}

/** For lists: without lines, days and differences, which are most of an invoice. */
export function invoiceSummaryShape(invoice: Invoice): z.output<typeof invoiceSummarySchema> {
  const { lines: _lines, dailyKwh: _days, parts: _parts, differences: _differences, creditKwh: _credits, ...summary } = invoice;
  return { ...summary, issuedAt: isoTimeOrNull(invoice.issuedAt) };
}

export function cycleShape({ bill, projected }: CycleCost): z.output<typeof cycleSchema> {
  return { bill: billShape(bill), projectedTotal: projected.total, currency: bill.currency };
}

export function explainedShape({ invoice, recomputed, agrees, lines }: ExplainedInvoice): z.output<typeof explainedInvoiceSchema> {
  return { invoice: invoiceShape(invoice), recomputed: billShape(recomputed), agrees, lines };
}

export function comparedShape(tariffs: readonly ComparedTariff[]): { data: readonly z.output<typeof comparedTariffSchema>[]; nextCursor: null } {
  return { data: tariffs, nextCursor: null };
}

/** Meters that were named are as many as there are of a body, and whoever named them knows them. */
export function comparisonShape({ of, ...comparison }: TariffComparison): z.output<typeof comparisonSchema> {
  const shown = of.kind === 'meters' ? { kind: of.kind, meters: of.meterIds.length } : of;
  return { ...comparison, of: shown, startedAt: isoTime(comparison.startedAt), endedAt: isoTimeOrNull(comparison.endedAt) };
}

export function comparedCustomerShape({ tariffs }: TariffComparison, { costs, best, ...customer }: ComparedCustomer): z.output<typeof comparedCustomerSchema> {
  return { ...customer, costs: costs.map((total, i) => ({ tariffId: tariffs[i].tariffId, version: tariffs[i].version, total })), best: tariffs[best].tariffId };
}

export function paymentShape(payment: Payment): z.output<typeof paymentSchema> {
  return { ...payment, receivedAt: isoTime(payment.receivedAt) };
}

export function disputeShape(dispute: Dispute): z.output<typeof disputeSchema> {
  return { ...dispute, openedAt: isoTime(dispute.openedAt), resolvedAt: isoTimeOrNull(dispute.resolvedAt) };
}

export function runShape(run: BillingRun): z.output<typeof billingRunSchema> {
  return { ...run, startedAt: isoTime(run.startedAt), endedAt: isoTimeOrNull(run.endedAt) };
}

export function priceShape(price: DynamicPrice): z.output<typeof priceSchema> {
  return { ...price, loadPercent: loadPercentShape(price.loadPercent), since: isoTime(price.since) };
}

export function priceOverrideShape(override: PriceOverride): z.output<typeof priceOverrideSchema> {
  return { ...override, from: isoTime(override.from), until: isoTime(override.until), endedAt: isoTimeOrNull(override.endedAt) };
}
