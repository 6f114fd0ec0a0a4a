// @ts-check
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

/** @param {{ kind: string, number: string | null }} invoice */
export function invoiceName({ kind, number }) {
  return number ?? (kind === 'creditNote' ? 'Draft of a credit note' : 'Draft');
}
