import { setPriority } from 'node:os';
import { move } from 'piscina';
import { invoicePdf } from '../actors/tariffs/papers/invoice-pdf.ts';
import type { Issuer } from '../actors/tariffs/papers/issuer.ts';
import { loadPaperFonts } from '../actors/tariffs/papers/paper-fonts.ts';
import type { PaperLanguage } from '../actors/tariffs/papers/paper-words.ts';
import type { Invoice } from '../model/billing.ts';

/** A thread of the InvoicePrinter. */

export interface PrintTask {
  invoice: Invoice;
  language: PaperLanguage;
  numbers: Readonly<Record<string, string>>;
  issuer: Issuer;
}

/** Readings and questions go first where cores are few, but somebody waits for the bill: a third of an equal share. Linux has a priority for each thread; elsewhere it would be the whole process's. */
const NICENESS = 5;
if (process.platform === 'linux') setPriority(NICENESS);

const fonts = loadPaperFonts();

export default async function print({ invoice, language, numbers, issuer }: PrintTask): Promise<Uint8Array> {
  return move(await invoicePdf(invoice, { language, issuer, fonts, numbers })) as Uint8Array;
}
