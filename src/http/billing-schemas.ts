import { z } from 'zod';
import { COMPARISON_STATES } from '../actors/tariffs/comparison.ts';
import { tariffSchema } from '../actors/tariffs/tariff-document.ts';
import { DISPUTE_OUTCOMES, INVOICE_KINDS, INVOICE_STATES, RUN_STATES } from '../model/billing.ts';
import { faultSchema } from './alert-schemas.ts';
import { count, idText, timeOrNull, timeText } from './wire-schemas.ts';

/** What billing-shapes.ts gives, as the API's document says it. */

const money = z.string().describe('A decimal number as text, as "12.30".');
const day = z.iso.date();

/** With all defaults filled in. */
const document = tariffSchema.register(z.globalRegistry, { id: 'Tariff' });
const versionFields = { id: idText, version: count, storedAt: timeText, by: z.string() };
const tariffVersion = z.strictObject({ ...versionFields, document });
export const tariffVersionSchema = tariffVersion.meta({ id: 'TariffVersion' });
export const meterTariffSchema = z.strictObject({ ...tariffVersion.shape, agreementId: idText.nullable() }).meta({ id: 'MeterTariff' });
const { name, currency, zone, effectiveFrom, effectiveTo, appliesTo } = tariffSchema.shape;
export const tariffSummarySchema = z.strictObject({ ...versionFields, name, currency, zone, effectiveFrom, effectiveTo, appliesTo }).meta({ id: 'TariffSummary' });
export const tariffCheckSchema = z.strictObject({ valid: z.boolean(), faults: z.array(faultSchema), document: document.nullable() });

const customer = z.strictObject({ name: z.string(), address: z.array(z.string()), email: z.string().nullable(), taxId: z.string().nullable() }).meta({ id: 'Customer' });
export const agreementSchema = z
  .strictObject({ id: idText, version: count, meterId: idText, customer, customerClass: z.string(), tariffId: z.string().nullable(), movedIn: day, movedOut: day.nullable() })
  .meta({ id: 'Agreement' });

const quality = z.strictObject({ measured: count, estimated: count, missing: count }).describe('Quarter-hours.');
const invoiceLine = z
  .strictObject({
    number: count,
    kind: z.enum(['energy', 'export', 'fixed', 'minimum', 'demand', 'adder', 'surcharge', 'rebate', 'tax', 'carriedOver', 'rounding']),
    charge: z.string(),
    text: z.string(),
    tariffId: z.string(),
    tariffVersion: count,
    from: day,
    to: day,
    period: z.string().nullable(),
    tier: count.nullable(),
    quantity: z.string(),
    unit: z.enum(['kWh', 'kW', 'day', 'month', 'year', '%', 'once']),
    unitPrice: money,
    amount: money,
  })
  .meta({ id: 'InvoiceLine' });
const billPart = z.strictObject({ tariffId: z.string(), tariffVersion: count, from: day, to: day, quality, digest: z.number(), peakKw: z.string().nullable(), peakAt: timeOrNull }).meta({ id: 'BillPart' });

const billSummary = z.strictObject({
  agreementId: idText,
  meterId: idText,
  region: z.string().nullable(),
  currency: z.string(),
  zone: z.string(),
  from: day,
  to: day,
  net: money,
  tax: money,
  total: money,
  importKwh: z.string(),
  exportKwh: z.string(),
  quality,
});
const bill = z.strictObject({
  ...billSummary.shape,
  parts: z.array(billPart),
  lines: z.array(invoiceLine),
  dailyKwh: z.array(z.strictObject({ date: day, importKwh: z.string(), exportKwh: z.string() })),
  creditKwh: z.record(z.string(), z.string()),
});
export const billSchema = bill.meta({ id: 'Bill' });

const invoiceFields = {
  number: z.string().nullable().describe('null: a draft.'),
  id: idText,
  version: count,
  kind: z.enum(INVOICE_KINDS),
  state: z.enum(INVOICE_STATES),
  customer,
  issuedAt: timeOrNull,
  dueDate: day.nullable(),
  paid: money,
  outstanding: money,
  corrects: z.string().nullable(),
  correctedBy: z.array(idText),
  run: z.string().nullable(),
};
const difference = z.strictObject({ text: z.string(), before: z.string().nullable(), after: z.string().nullable() });
export const invoiceSchema = z.strictObject({ ...bill.shape, ...invoiceFields, differences: z.array(difference) }).meta({ id: 'Invoice' });
/** Without what is most of an invoice. */
export const invoiceSummarySchema = z.strictObject({ ...billSummary.shape, ...invoiceFields }).meta({ id: 'InvoiceSummary' });

export const cycleSchema = z.strictObject({ bill: billSchema, projectedTotal: money, currency: z.string() }).meta({ id: 'Cycle' });
const explainedLine = z.strictObject({ number: count, text: z.string(), how: z.string(), amount: money, recomputed: money.nullable(), agrees: z.boolean() });
export const explainedInvoiceSchema = z.strictObject({ invoice: invoiceSchema, recomputed: billSchema, agrees: z.boolean(), lines: z.array(explainedLine) }).meta({ id: 'ExplainedInvoice' });
export const comparedTariffSchema = z
  .strictObject({ tariffId: z.string(), version: count, total: money, currency: z.string(), difference: money, monthly: z.array(z.strictObject({ month: z.string(), total: money })) })
  .meta({ id: 'ComparedTariff' });

const comparisonSum = z.strictObject({ tariffId: z.string(), version: count, total: money, bestFor: count });
const customersAndTotal = z.strictObject({ customers: count, total: money });
export const comparisonSchema = z
  .strictObject({
    id: idText,
    state: z.enum(COMPARISON_STATES),
    startedAt: timeText,
    startedBy: z.string(),
    endedAt: timeOrNull,
    fromMonth: z.string(),
    toMonth: z.string(),
    of: z.union([z.strictObject({ kind: z.literal('meters'), meters: count }), z.strictObject({ kind: z.literal('region'), region: idText }), z.strictObject({ kind: z.literal('agreements') })]),
    all: count.nullable().describe('Agreements, or meters where some or a region are named; null: not counted yet.'),
    done: count.describe('Of `all`, those that were looked at.'),
    rated: count.describe('Customers whose days were rated.'),
    failed: count,
    failures: z.array(z.strictObject({ code: z.string(), count, meterId: idText.nullable(), message: z.string() })).describe('By reason, with the first one of each.'),
    currency: z.string(),
    tariffs: z.array(comparisonSum),
    present: customersAndTotal.describe('What those pay now for whom a tariff in the same currency counts.'),
    saving: customersAndTotal.describe('Those of them for whom another tariff is cheaper, and by how much.'),
  })
  .meta({ id: 'TariffComparison' });
export const comparedCustomerSchema = z
  .strictObject({
    meterId: idText,
    agreementId: idText.nullable(),
    from: day,
    to: day,
    present: money.nullable(),
    costs: z.array(z.strictObject({ tariffId: z.string(), version: count, total: money })),
    best: z.string(),
    saving: money.nullable(),
  })
  .meta({ id: 'ComparedCustomer' });

export const paymentSchema = z.strictObject({ id: idText, invoiceId: idText, amount: money, receivedAt: timeText, method: z.string(), reference: z.string() }).meta({ id: 'Payment' });
export const paidSchema = z.strictObject({ payment: paymentSchema, invoice: invoiceSchema });
export const disputeSchema = z
  .strictObject({
    id: idText,
    invoiceId: idText,
    openedAt: timeText,
    openedBy: z.string(),
    reason: z.string(),
    lines: z.array(count).describe('Empty: the whole invoice.'),
    resolvedAt: timeOrNull,
    resolvedBy: z.string().nullable(),
    outcome: z.enum(DISPUTE_OUTCOMES).nullable(),
    resolution: z.string().nullable(),
  })
  .meta({ id: 'Dispute' });
export const billingRunSchema = z
  .strictObject({
    id: idText,
    month: z.string(),
    state: z.enum(RUN_STATES),
    startedAt: timeText,
    startedBy: z.string(),
    endedAt: timeOrNull,
    agreements: count,
    done: count,
    issued: count,
    incomplete: z
      .strictObject({ bills: count.describe('With quarter-hours of which nothing is known.'), aboveTenth: count.describe('Of them those where these are more than a tenth.') })
      .nullable()
      .describe('Of the issued, as they were issued; null: they were not counted when this run began.'),
    faults: z.array(z.strictObject({ agreementId: idText, code: z.string(), message: z.string() })),
    failed: count,
    after: z.string().nullable(),
  })
  .meta({ id: 'BillingRun' });
export const priceSchema = z
  .strictObject({ region: idText, price: money, currency: z.string(), multiplier: z.string(), loadPercent: z.number().nullable(), override: idText.nullable(), since: timeText })
  .meta({ id: 'Price' });
export const priceOverrideSchema = z
  .strictObject({ id: idText, region: idText, price: money, from: timeText, until: timeText, by: z.string(), reason: z.string(), endedAt: timeOrNull, endedBy: z.string().nullable(), endReason: z.string().nullable() })
  .meta({ id: 'PriceOverride' });
