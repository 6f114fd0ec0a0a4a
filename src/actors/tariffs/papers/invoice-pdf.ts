import type { Invoice } from '../../../model/billing.ts';
import { drawDetails } from './invoice-details.ts';
import { drawFront } from './invoice-front.ts';
import type { InvoicePaper } from './invoice-paper.ts';
import type { Issuer } from './issuer.ts';
import type { PaperFonts } from './paper-fonts.ts';
import { daysShown } from './paper-numbers.ts';
import { PAPER_WORDS, type PaperLanguage, type PaperWords } from './paper-words.ts';
import { CONTENT_WIDTH, FAINT, MARGIN, PAGE_HEIGHT, Paper } from './paper.ts';

/** A bill, a credit note or a draft as a PDF. */

export interface InvoicePdfOptions {
  language: PaperLanguage;
  issuer: Issuer;
  fonts: PaperFonts;
  /** Numbers of the invoices and credit notes that it names by id; one that is not in it is printed as its id. */
  numbers?: Readonly<Record<string, string>>;
}

const FOOTER_Y = PAGE_HEIGHT - 40;
const FOOTER = { size: 7, colour: FAINT } as const;
/** Height of letters across a page that say that it is no bill, or that it was paid. */
const STAMP_SIZE = 110;
const STAMP_OPACITY = 0.07;

/** The same bytes for the same invoice, whenever it is printed. Text of customers and tariffs may be whatever it is: it is cut to its place and cannot become anything else than text. */
export async function invoicePdf(invoice: Invoice, { language, issuer, fonts, numbers = {} }: InvoicePdfOptions): Promise<Uint8Array<ArrayBuffer>> {
  const words = PAPER_WORDS[language];
  const title = titleOf(invoice, words);
  const paper = new Paper(fonts, {
    title: `${title} ${invoice.number ?? ''}`.trim(),
    author: issuer.name,
    subject: `${words.billingPeriod}: ${daysShown(invoice.from, invoice.to, words)}`,
    language,
    madeAt: invoice.issuedAt ?? Date.parse(`${invoice.to}T00:00:00Z`),
  });
  const on: InvoicePaper = { paper, invoice, issuer, words, numberOf: (other) => numbers[other] ?? other };
  drawFront(on, title);
  drawDetails(on);
  paper.onEachPage((page, pages) => {
    if (invoice.number === null) drawStamp(paper, words.draftNumber);
    drawFooter(on, page, pages);
  });
  return paper.finish();
}

function titleOf({ number, kind }: Invoice, { titles }: PaperWords): string {
  if (number === null) return titles.draft;
  return kind === 'creditNote' ? titles.creditNote : titles.invoice;
}

function drawFooter({ paper, issuer, invoice, words }: InvoicePaper, page: number, pages: number): void {
  paper.rule(MARGIN, FOOTER_Y - 10, CONTENT_WIDTH);
  const legal = [issuer.name, ...issuer.address, issuer.taxId, ...issuer.legalLines].filter((text) => text !== null).join(' · ');
  const right = [invoice.number, words.page(page, pages)].filter((text) => text !== null).join(' · ');
  paper.text(right, MARGIN, FOOTER_Y, { ...FOOTER, align: 'right', width: CONTENT_WIDTH });
  const lines = paper.wrapped(legal, CONTENT_WIDTH - paper.width(right, FOOTER) - 20, FOOTER, 2);
  for (const [i, line] of lines.entries()) paper.text(line, MARGIN, FOOTER_Y + i * 9, FOOTER);
}

function drawStamp({ pdf }: Paper, text: string): void {
  pdf.save().rotate(-35, { origin: [297, 421] }).fillOpacity(STAMP_OPACITY).fillColor('#000000');
  pdf.font('bold', STAMP_SIZE).text(text.toUpperCase(), 297 - pdf.widthOfString(text.toUpperCase()) / 2, 440, { lineBreak: false, baseline: 'alphabetic' });
  pdf.restore();
}
