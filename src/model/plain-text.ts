/**
 * What texts of people may hold, so that each is the same wherever it goes: on a page, a paper, a terminal, in a line of the log, a mail, a table of a database. Not allowed are control characters (no database keeps NUL, and ESC steers
 * a terminal), separators of lines and paragraphs, what turns the direction of the text around it (U+202A–202E, U+2066–2069), and U+FEFF. As patterns that every reader of the API's document has, so without classes of Unicode.
 * Halves of a surrogate never come so far (json-intake.ts).
 */

/** One line. */
export const ONE_LINE = /^[^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff]*$/u;
/** Lines, with tabs in them. */
export const LINES = /^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff]*$/u;
export const FAULT_LINE = 'expected one line of text, without control characters and what turns its direction around';
export const FAULT_LINES = 'expected text without control characters and what turns its direction around';
/** Something to read. */
export const NOT_BLANK = /\S/;
