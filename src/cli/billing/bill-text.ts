import { shortDaysShown } from '../../actors/tariffs/papers/paper-numbers.ts';
import { PAPER_WORDS } from '../../actors/tariffs/papers/paper-words.ts';
import { plainLine } from '../../actors/notifications/templates/plain-line.ts';
import type { BillPart, Invoice, InvoiceLine } from '../../model/billing.ts';
import { textTable } from '../text-table.ts';

/** Invoices as text for a terminal. */

/** As the API shows it: times are ISO texts. */
export type WireInvoice = Omit<Invoice, 'issuedAt' | 'parts'> & { issuedAt: string | null; parts: (Omit<BillPart, 'peakAt'> & { peakAt: string | null })[] };
/** Of a list: without lines and days. */
export type WireInvoiceSummary = Omit<WireInvoice, 'parts' | 'lines' | 'dailyKwh' | 'differences' | 'creditKwh'>;

/** Of `GET /api/v1/invoices/…/explain`. */
export interface WireExplanation {
  invoice: WireInvoice;
  agrees: boolean;
  lines: { number: number; text: string; how: string; amount: string; recomputed: string | null; agrees: boolean }[];
  recomputed: { total: string };
}

export function invoiceTable(invoices: readonly WireInvoiceSummary[]): string {
  return textTable(
    [{ title: 'number' }, { title: 'state' }, { title: 'days' }, { title: 'meter' }, { title: 'customer' }, { title: 'total', align: 'right' }, { title: 'to pay', align: 'right' }, { title: '' }, { title: 'due' }],
    invoices.map(({ number, id, state, kind, from, to, meterId, customer, total, outstanding, currency, dueDate }) => [
      number ?? `(draft ${id})`,
      kind === 'creditNote' ? 'credit note' : state,
      `${from}..${to}`,
      meterId,
      customer.name,
      total,
      outstanding,
      currency,
      dueDate ?? '',
    ]),
  );
}

export function invoiceText(invoice: WireInvoice): string {
  const { number, id, kind, state, customer, meterId, agreementId, from, to, zone, currency, dueDate, issuedAt, quality, lines, net, tax, total, paid, outstanding, corrects, correctedBy, differences } = invoice;
  const facts: [string, string | null][] = [
    [kind === 'creditNote' ? 'Credit note' : 'Invoice', `${number ?? `draft ${id}`} (${state})`],
    ['Customer', [customer.name, ...customer.address].join(', ')],
    ['Meter', `${meterId}, agreement ${agreementId}`],
    ['Days', `${from} to ${to} (not included), ${zone}`],
    ['Issued', issuedAt],
    ['Due', dueDate],
    ['Quarter-hours', `${quality.measured} measured, ${quality.estimated} estimated, ${quality.missing} missing`],
    [kind === 'creditNote' ? 'Takes back' : 'In place of', corrects],
    ['Corrected by', correctedBy.length === 0 ? null : correctedBy.join(', ')],
  ];
  const sums: [string, string][] = [['Before tax', net], ['Tax', tax], ['Total', total], ['Paid', paid], ['To pay', outstanding]];
  const width = Math.max(...sums.map(([, amount]) => amount.length));
  return [
    ...facts.filter((fact): fact is [string, string] => fact[1] !== null).map(([label, value]) => `${label.padEnd(13)}  ${plainLine(value)}\n`),
    '\n',
    linesTable(lines),
    '\n',
    ...sums.map(([label, amount]) => `${label.padEnd(13)}  ${amount.padStart(width)} ${currency}\n`),
    ...(differences.length === 0 ? [] : ['\nWhat has changed\n', ...differences.map(({ text, before, after }) => `  ${plainLine(text)}: ${before ?? '–'} → ${after ?? '–'}\n`)]),
  ].join('');
}

function linesTable(lines: readonly InvoiceLine[]): string {
  return textTable(
    [{ title: '#', align: 'right' }, { title: 'charge' }, { title: 'days' }, { title: 'quantity', align: 'right' }, { title: '' }, { title: 'price', align: 'right' }, { title: 'amount', align: 'right' }, { title: 'tariff' }],
    lines.map(({ number, text, from, to, quantity, unit, unitPrice, amount, tariffId, tariffVersion }) => [
      String(number),
      text,
      shortDaysShown(from, to, PAPER_WORDS.en),
      quantity,
      unit === '%' ? 'of it' : unit,
      unit === '%' ? `${unitPrice} %` : unitPrice,
      amount,
      `${tariffId} v${tariffVersion}`,
    ]),
  );
}

/** Each line with how it comes about; one that does not agree says what it would be now. */
export function explanationText({ invoice, agrees, lines, recomputed }: WireExplanation): string {
  const name = invoice.number ?? `draft ${invoice.id}`;
  const body = lines.map(({ number, text, how, amount, recomputed: now, agrees: isRight }) => {
    const verdict = isRight ? 'agrees' : now === null ? 'DIFFERS: there is no such line now' : `DIFFERS: it would be ${now} now`;
    return `${String(number).padStart(3)}  ${plainLine(text)}: ${amount}  (${verdict})\n     ${plainLine(how)}\n`;
  });
  const end = agrees
    ? `${name} agrees with its intervals to the last unit: ${invoice.total} ${invoice.currency}\n`
    : `${name} DIFFERS from its intervals: it is ${invoice.total} ${invoice.currency}, and would be ${recomputed.total} now. The engine corrects issued invoices by itself, with a credit note and a new one.\n`;
  return `${body.join('')}\n${plainLine(end)}\n`;
}
