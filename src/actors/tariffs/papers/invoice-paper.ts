import type { Invoice } from '../../../model/billing.ts';
import type { Issuer } from './issuer.ts';
import type { PaperWords } from './paper-words.ts';
import type { Paper } from './paper.ts';

/** What the drawing of all parts needs. */
export interface InvoicePaper {
  paper: Paper;
  invoice: Invoice;
  issuer: Issuer;
  words: PaperWords;
  /** Of the id of another invoice what stands on it. */
  numberOf(id: string): string;
}
