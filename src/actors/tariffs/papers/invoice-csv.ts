import type { Invoice, InvoiceLine } from '../../../model/billing.ts';
import { csvCell } from '../../../model/csv-cell.ts';

/** Invoices as a table: one row for each line, with what is of the whole invoice beside it, so that a spreadsheet can sum up by either. RFC 4180, numbers as on the bill with a decimal point. */

/** In this order, for good; new ones go to the end. */
const INVOICE_COLUMNS = {
  invoice: ({ number, id }) => number ?? id,
  kind: ({ kind }) => kind,
  state: ({ state }) => state,
  issuedAt: ({ issuedAt }) => (issuedAt === null ? null : new Date(issuedAt).toISOString()),
  dueDate: ({ dueDate }) => dueDate,
  agreementId: ({ agreementId }) => agreementId,
  meterId: ({ meterId }) => meterId,
  region: ({ region }) => region,
  customer: ({ customer }) => customer.name,
  from: ({ from }) => from,
  to: ({ to }) => to,
  currency: ({ currency }) => currency,
  net: ({ net }) => net,
  tax: ({ tax }) => tax,
  total: ({ total }) => total,
  paid: ({ paid }) => paid,
  outstanding: ({ outstanding }) => outstanding,
  importKwh: ({ importKwh }) => importKwh,
  exportKwh: ({ exportKwh }) => exportKwh,
  measured: ({ quality }) => String(quality.measured),
  estimated: ({ quality }) => String(quality.estimated),
  missing: ({ quality }) => String(quality.missing),
  corrects: ({ corrects }) => corrects,
} as const satisfies Record<string, (invoice: Invoice) => string | null>;

const LINE_COLUMNS = {
  line: ({ number }) => String(number),
  lineKind: ({ kind }) => kind,
  charge: ({ charge }) => charge,
  text: ({ text }) => text,
  tariffId: ({ tariffId }) => tariffId,
  tariffVersion: ({ tariffVersion }) => String(tariffVersion),
  lineFrom: ({ from }) => from,
  lineTo: ({ to }) => to,
  period: ({ period }) => period,
  tier: ({ tier }) => (tier === null ? null : String(tier)),
  quantity: ({ quantity }) => quantity,
  unit: ({ unit }) => unit,
  unitPrice: ({ unitPrice }) => unitPrice,
  amount: ({ amount }) => amount,
} as const satisfies Record<string, (line: InvoiceLine) => string | null>;

/** Names of the columns, with its line end. */
export const INVOICE_CSV_HEAD = `${[...Object.keys(INVOICE_COLUMNS), ...Object.keys(LINE_COLUMNS)].join(',')}\r\n`;

/** The rows of an invoice, each with its line end; one row with empty cells where it has no lines. */
export function invoiceCsvRows(invoice: Invoice): string {
  const head = Object.values(INVOICE_COLUMNS).map((of) => csvCell(of(invoice)));
  const rows = invoice.lines.length === 0 ? [Object.keys(LINE_COLUMNS).map(() => '')] : invoice.lines.map((line) => Object.values(LINE_COLUMNS).map((of) => csvCell(of(line))));
  return rows.map((row) => `${[...head, ...row].join(',')}\r\n`).join('');
}
