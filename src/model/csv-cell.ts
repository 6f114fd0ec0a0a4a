/**
 * A cell of a table that programs and spreadsheets read (RFC 4180). Text that a spreadsheet would take for a formula gets an apostrophe before it, which it does not show (OWASP, CSV injection); numbers, also as text, are none and stay.
 * Who wants every byte as it is has JSON. Where another sign than the comma parts cells, text with it is in quotation marks as well.
 */
export function csvCell(value: string | number | boolean | null): string {
  if (value === null) return '';
  if (typeof value !== 'string') return String(value);
  const text = FORMULA.test(value) && !DECIMAL.test(value) ? `'${value}` : value;
  return /[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** As Excel, LibreOffice and Google Sheets begin one; wide letters where those are what is typed. */
const FORMULA = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;
const DECIMAL = /^-?\d+(\.\d+)?$/;
