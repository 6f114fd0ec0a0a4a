/** What a payer writes on a payment, so that it finds its invoice: a creditor reference by ISO 11649, whose two check digits catch every wrong digit and every two that were swapped. */

/** Characters after `RF` and the check digits. */
const BODY_MAX = 21;
/** Printed in groups, as it is read and typed. */
const GROUP = 4;

/** `INV-2026-000001` → `RF13INV2026000001`. null: there is nothing in it that a reference may hold, or too much. */
export function paymentReference(invoiceNumber: string): string | null {
  const body = invoiceNumber.toUpperCase().replace(/[^0-9A-Z]/g, '');
  if (body === '' || body.length > BODY_MAX) return null;
  return `RF${String(98 - remainder(`${body}RF00`)).padStart(2, '0')}${body}`;
}

export function isPaymentReference(text: string): boolean {
  const compact = text.replace(/\s/g, '').toUpperCase();
  return /^RF\d\d[0-9A-Z]{1,21}$/.test(compact) && remainder(compact.slice(4) + compact.slice(0, 4)) === 1;
}

export function groupedReference(reference: string): string {
  return reference.replace(new RegExp(`.{${GROUP}}(?=.)`, 'g'), '$& ');
}

/** Of the number that the text is when A is 10 and Z is 35, modulo 97 (ISO 7064). */
function remainder(text: string): number {
  let rest = 0;
  for (const character of text) for (const digit of parseInt(character, 36).toString()) rest = (rest * 10 + Number(digit)) % 97;
  return rest;
}
