import type { InvoicePaper } from './invoice-paper.ts';
import { dayShown, moneyShown } from './paper-numbers.ts';
import { CONTENT_WIDTH, FAINT, MARGIN, PAGE_HEIGHT, PAGE_WIDTH, TINT } from './paper.ts';
import { groupedReference, paymentReference } from './payment-reference.ts';

/** What is cut off the first page and paid with. */

const HEIGHT = 172;
const FOOTER_ROOM = 58;
export const SLIP_TOP = PAGE_HEIGHT - HEIGHT - FOOTER_ROOM;
const LABEL = { size: 7.5, colour: FAINT } as const;
const VALUE = { size: 10 } as const;
const RIGHT_X = MARGIN + 290;

export function drawPaymentSlip({ paper, invoice, issuer, words }: InvoicePaper): void {
  const { account } = issuer;
  paper.rule(0, SLIP_TOP, PAGE_WIDTH, { colour: FAINT, weight: 0.6, dash: 3 });
  paper.text(words.slipCut, MARGIN, SLIP_TOP - 3, { size: 6.5, colour: FAINT, align: 'right', width: CONTENT_WIDTH });
  paper.text(words.slip, MARGIN, SLIP_TOP + 24, { size: 13, bold: true });
  const field = (label: string, lines: readonly string[], x: number, y: number, width: number, bold = false) => {
    paper.text(label, x, y, LABEL);
    for (const [i, line] of lines.entries()) paper.text(line, x, y + 12 + i * 12, { ...VALUE, bold, width });
  };
  field(words.payableTo, [account?.holder ?? issuer.name, ...issuer.address.slice(0, 2)], MARGIN, SLIP_TOP + 42, 270);
  if (account !== null) {
    field(words.account, [groupedAccount(account.number)], MARGIN, SLIP_TOP + 98, 270, true);
    const bank = [account.bank, account.bic === null ? null : `${words.bic} ${account.bic}`].filter((text) => text !== null).join(' · ');
    if (bank !== '') paper.text(bank, MARGIN, SLIP_TOP + 122, { ...LABEL, width: 270 });
  }
  field(words.payer, [invoice.customer.name], MARGIN, SLIP_TOP + 138, 270);

  paper.box(RIGHT_X - 14, SLIP_TOP + 14, PAGE_WIDTH - MARGIN - RIGHT_X + 14, HEIGHT - 24, TINT, 6);
  const width = PAGE_WIDTH - MARGIN - RIGHT_X - 10;
  field(words.amount, [], RIGHT_X, SLIP_TOP + 32, width);
  paper.figure(moneyShown(invoice.outstanding, invoice.currency, words), RIGHT_X, SLIP_TOP + 52, { size: 17, bold: true, width }, [17, 14, 11, 8]);
  if (invoice.dueDate !== null) field(words.dueDate, [dayShown(invoice.dueDate, words)], RIGHT_X, SLIP_TOP + 72, width);
  const reference = paymentReference(invoice.number!);
  field(words.reference, [reference === null ? invoice.number! : groupedReference(reference)], RIGHT_X, SLIP_TOP + 102, width, true);
  for (const [i, line] of paper.wrapped(words.referenceNote, width, LABEL, 2).entries()) paper.text(line, RIGHT_X, SLIP_TOP + 130 + i * 9.5, LABEL);
}

/** An IBAN in groups of four; other numbers as they are. */
function groupedAccount(number: string): string {
  const compact = number.replace(/ /g, '');
  return /^[A-Z]{2}\d{2}[A-Z0-9]{8,30}$/.test(compact) ? groupedReference(compact) : number;
}
