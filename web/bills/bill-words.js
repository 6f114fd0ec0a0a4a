// @ts-check
import { missingText } from '../home/home-months.js';

/** Words for what bills' parts name by codes. */

/** @type {Record<import('./bill-types.js').InvoiceState, { word: string, level: string }>} */
export const STATES = {
  draft: { word: 'Draft', level: 'calm' },
  issued: { word: 'To be paid', level: 'calm' },
  paid: { word: 'Paid', level: 'good' },
  overdue: { word: 'Overdue', level: 'bad' },
  disputed: { word: 'Disputed', level: 'warn' },
  credited: { word: 'Credited', level: 'calm' },
};

/**
 * What share of a bill was not measured; null: less than a hundredth, which its own note says, or it only takes a bill back.
 * @param {Pick<import('./bill-types.js').InvoiceSummary, 'kind' | 'quality'>} invoice
 */
export function missingTag({ kind, quality }) {
  const { measured, estimated, missing } = quality;
  const all = measured + estimated + missing;
  if (kind !== 'invoice' || missing === 0 || missing * 100 < all) return null;
  return { word: missingText(quality), level: missing * 10 > all ? 'bad' : 'warn' };
}

/** @param {{ kind: string, number: string | null }} invoice */
export function invoiceName({ kind, number }) {
  return number ?? (kind === 'creditNote' ? 'Draft of a credit note' : 'Draft');
}
