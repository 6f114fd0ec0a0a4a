import type { Invoice, InvoiceLine, Payment } from '../../../model/billing.ts';
import type { BillingEvent } from '../../tariffs/protocol.ts';
import type { BinaryCopy } from './binary-copy.ts';
import { insert, upsert, withoutNul, withoutNulOrNull, type Column, type RowSet } from './row-sets.ts';

/** How invoices, their lines and payments become rows. Money and energy are exact decimals there, too. */

const INVOICE_COLUMNS: readonly Column[] = [
  ['id', 'text'],
  ['version', 'integer'],
  ['number', 'text'],
  ['kind', 'text'],
  ['state', 'text'],
  ['agreement_id', 'text'],
  ['meter_id', 'text'],
  ['region', 'text'],
  ['customer_name', 'text'],
  ['currency', 'text'],
  ['zone', 'text'],
  ['period_from', 'date'],
  ['period_to', 'date'],
  ['net', 'numeric'],
  ['tax', 'numeric'],
  ['total', 'numeric'],
  ['paid', 'numeric'],
  ['outstanding', 'numeric'],
  ['import_kwh', 'numeric'],
  ['export_kwh', 'numeric'],
  ['intervals_measured', 'integer'],
  ['intervals_estimated', 'integer'],
  ['intervals_missing', 'integer'],
  ['issued_at', 'timestamptz'],
  ['due_date', 'date'],
  ['corrects', 'text'],
  ['run', 'text'],
];

const LINE_COLUMNS: readonly Column[] = [
  ['invoice_id', 'text'],
  ['number', 'integer'],
  ['kind', 'text'],
  ['charge', 'text'],
  ['text', 'text'],
  ['tariff_id', 'text'],
  ['tariff_version', 'integer'],
  ['period_from', 'date'],
  ['period_to', 'date'],
  ['period', 'text'],
  ['tier', 'integer'],
  ['quantity', 'numeric'],
  ['unit', 'text'],
  ['unit_price', 'numeric'],
  ['amount', 'numeric'],
];

const PAYMENT_COLUMNS: readonly Column[] = [
  ['id', 'text'],
  ['invoice_id', 'text'],
  ['amount', 'numeric'],
  ['currency', 'text'],
  ['received_at', 'timestamptz'],
  ['method', 'text'],
  ['reference', 'text'],
];

/** Staging tables. */
export const BILLING_STAGES: Readonly<Record<string, readonly Column[]>> = {
  seg_stage_invoices: INVOICE_COLUMNS,
  seg_stage_invoice_lines: LINE_COLUMNS,
  seg_stage_payments: PAYMENT_COLUMNS,
};

const INVOICE_UPSERT = `${upsert('invoices', INVOICE_COLUMNS, ['id'], 'seg_stage_invoices')} WHERE excluded.version > t.version`;
const LINE_INSERT = insert('invoice_lines', LINE_COLUMNS, ['invoice_id', 'number'], 'seg_stage_invoice_lines');
const PAYMENT_INSERT = insert('payments', PAYMENT_COLUMNS, ['id'], 'seg_stage_payments');

type IssuedInvoice = Invoice & { number: string; issuedAt: number };
type MadePayment = Payment & { currency: string };

/** Drafts, prices and disputes have no tables: they become nothing. */
export function billingRows(events: readonly BillingEvent[]): RowSet[] {
  const invoices: IssuedInvoice[] = [];
  const payments: MadePayment[] = [];
  for (const event of events) {
    if (event.topic === 'billing_updates' && isIssued(event.invoice)) invoices.push(event.invoice);
    if (event.topic === 'payment_updates') payments.push({ ...event.payment, currency: event.invoice.currency });
  }
  return [invoiceRows(invoices), lineRows(invoices), paymentRows(payments)];
}

function isIssued(invoice: Invoice): invoice is IssuedInvoice {
  return invoice.number !== null && invoice.issuedAt !== null;
}

/** A higher version wins; the same one again changes nothing. */
function invoiceRows(invoices: readonly IssuedInvoice[]): RowSet {
  return {
    count: invoices.length,
    stage: 'seg_stage_invoices',
    encode: (copy, i) => encodeInvoice(copy, invoices[i]),
    upserts: [INVOICE_UPSERT],
    describe: (i) => `invoice ${invoices[i].number}`,
    payload: (i) => invoices[i],
  };
}

function encodeInvoice(copy: BinaryCopy, row: IssuedInvoice): void {
  copy.row(INVOICE_COLUMNS.length);
  copy.text(row.id);
  copy.int4(row.version, 'version');
  copy.text(row.number);
  copy.text(row.kind);
  copy.text(row.state);
  copy.text(row.agreementId);
  copy.text(row.meterId);
  copy.textOrNull(row.region);
  copy.text(withoutNul(row.customer.name));
  copy.text(row.currency);
  copy.text(row.zone);
  copy.date(row.from, 'period_from');
  copy.date(row.to, 'period_to');
  copy.numeric(row.net, 'net');
  copy.numeric(row.tax, 'tax');
  copy.numeric(row.total, 'total');
  copy.numeric(row.paid, 'paid');
  copy.numeric(row.outstanding, 'outstanding');
  copy.numeric(row.importKwh, 'import_kwh');
  copy.numeric(row.exportKwh, 'export_kwh');
  copy.int4(row.quality.measured, 'intervals_measured');
  copy.int4(row.quality.estimated, 'intervals_estimated');
  copy.int4(row.quality.missing, 'intervals_missing');
  copy.timestamptz(row.issuedAt, 'issued_at');
  copy.dateOrNull(row.dueDate, 'due_date');
  copy.textOrNull(row.corrects);
  copy.textOrNull(row.run);
}

/** Lines of an invoice that was issued stay as they are. */
function lineRows(invoices: readonly IssuedInvoice[]): RowSet {
  const rows = invoices.flatMap(({ id, number, lines }) => lines.map((line) => ({ invoiceId: id, invoiceNumber: number, line })));
  return {
    count: rows.length,
    stage: 'seg_stage_invoice_lines',
    encode: (copy, i) => encodeLine(copy, rows[i].invoiceId, rows[i].line),
    upserts: [LINE_INSERT],
    describe: (i) => `line ${rows[i].line.number} of invoice ${rows[i].invoiceNumber}`,
    payload: (i) => rows[i],
  };
}

function encodeLine(copy: BinaryCopy, invoiceId: string, row: InvoiceLine): void {
  copy.row(LINE_COLUMNS.length);
  copy.text(invoiceId);
  copy.int4(row.number, 'number');
  copy.text(row.kind);
  copy.text(withoutNul(row.charge));
  copy.text(withoutNul(row.text));
  copy.text(row.tariffId);
  copy.int4(row.tariffVersion, 'tariff_version');
  copy.date(row.from, 'period_from');
  copy.date(row.to, 'period_to');
  copy.textOrNull(withoutNulOrNull(row.period));
  copy.int4OrNull(row.tier, 'tier');
  copy.numeric(row.quantity, 'quantity');
  copy.text(row.unit);
  copy.numeric(row.unitPrice, 'unit_price');
  copy.numeric(row.amount, 'amount');
}

function paymentRows(payments: readonly MadePayment[]): RowSet {
  return {
    count: payments.length,
    stage: 'seg_stage_payments',
    encode: (copy, i) => encodePayment(copy, payments[i]),
    upserts: [PAYMENT_INSERT],
    describe: (i) => `payment ${payments[i].id}`,
    payload: (i) => payments[i],
  };
}

function encodePayment(copy: BinaryCopy, row: MadePayment): void {
  copy.row(PAYMENT_COLUMNS.length);
  copy.text(row.id);
  copy.text(row.invoiceId);
  copy.numeric(row.amount, 'amount');
  copy.text(row.currency);
  copy.timestamptz(row.receivedAt, 'received_at');
  copy.text(withoutNul(row.method));
  copy.text(withoutNul(row.reference));
}
