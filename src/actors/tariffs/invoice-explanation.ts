import type { Bill, Invoice, InvoiceLine } from '../../model/billing.ts';
import { explainLine } from './bill-line-text.ts';
import { negated } from './money.ts';
import type { ExplainedInvoice } from './protocol.ts';

/** An invoice beside what its intervals come to now, line by line. `original`: the invoice itself, or the one that it takes back. */
export function explainInvoice(invoice: Invoice, original: Invoice, recomputed: Bill): ExplainedInvoice {
  const isNote = invoice.kind === 'creditNote';
  const wanted = isNote ? original.lines.map(takenBack) : recomputed.lines;
  // A credit for a part has lines of its own, which no interval says.
  const isPart = isNote && invoice.total !== negated(original.total);
  const lines = invoice.lines.map((line) => {
    const now = isPart ? line : wanted.find(({ number }) => number === line.number);
    const agrees = now !== undefined && isSameLine(line, now);
    return { number: line.number, text: line.text, how: explainLine(line, invoice.currency), amount: line.amount, recomputed: isPart ? null : (now?.amount ?? null), agrees };
  });
  const total = isNote ? (isPart ? invoice.total : negated(original.total)) : recomputed.total;
  const agrees = lines.every((line) => line.agrees) && (isPart || wanted.length === invoice.lines.length) && total === invoice.total;
  return { invoice, recomputed, agrees, lines };
}

function takenBack(line: InvoiceLine): InvoiceLine {
  return { ...line, quantity: negated(line.quantity), amount: negated(line.amount) };
}

function isSameLine(line: InvoiceLine, other: InvoiceLine): boolean {
  return JSON.stringify(line) === JSON.stringify({ ...line, ...other });
}
