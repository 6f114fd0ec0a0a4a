import type { BillPart, InvoiceLine } from '../../../model/billing.ts';
import type { InvoicePaper } from './invoice-paper.ts';
import { sectionsOf, type LineSection } from './invoice-sums.ts';
import { currencyPlaces, daysShown, decimalShown, isZero, moneyShown, shortDaysShown, timeShown } from './paper-numbers.ts';
import { CONTENT_WIDTH, FAINT, INK, MARGIN, PAGE_HEIGHT, RULE, TINT } from './paper.ts';

/** The pages after the first: every line of the bill, by the tariff version that it is of, and what has changed where it stands for another. */

const TOP = 62;
const BOTTOM = PAGE_HEIGHT - 74;
const LINE_HEIGHT = 11;
const CELL = { size: 8.5 } as const;
/** Of figures: rather small than cut. */
const CELL_SIZES = [8.5, 7, 5.5, 4] as const;
const CELL_GAP = 4;
const HEAD = { size: 7.5, colour: FAINT } as const;
/** Of one charge's text; tariffs' texts have 200 characters at most. */
const TEXT_LINES_MAX = 4;
const DIFFERENCE_LINES_MAX = 4;

const COLUMNS = { number: 16, text: 192, period: 74, quantity: 78, price: 62, amount: 60 } as const;
const X = columnStarts();

/** Where the next thing goes, and what is done where a page is full. */
class Cursor {
  y = TOP;
  private readonly on: InvoicePaper;
  private readonly head: string;

  constructor(on: InvoicePaper, head: string) {
    this.on = on;
    this.head = head;
    this.page(false);
  }

  /** Begins a page where there is less room than `height`; true when it did. */
  room(height: number): boolean {
    if (this.y + height <= BOTTOM) return false;
    this.page(true);
    return true;
  }

  private page(isContinued: boolean): void {
    const { paper, issuer, words } = this.on;
    paper.newPage();
    paper.box(0, 0, 595.28, 6, issuer.colour);
    paper.text(isContinued ? `${this.head} (${words.continued})` : this.head, MARGIN, TOP, { size: 14, bold: true });
    this.y = TOP + 24;
  }
}

export function drawDetails(on: InvoicePaper): void {
  const { paper, invoice, words } = on;
  const cursor = new Cursor(on, words.details);
  for (const section of sectionsOf(invoice.lines)) drawSection(on, cursor, section);
  drawTotals(on, cursor);
  paper.text(words.rounding, MARGIN, (cursor.y += 4), HEAD);
  cursor.y += 20;
  drawCredits(on, cursor);
  drawDifferences(on, cursor);
}

function drawSection(on: InvoicePaper, cursor: Cursor, section: LineSection): void {
  const { paper, invoice, words } = on;
  const parts = invoice.parts.filter(({ tariffId, tariffVersion }) => tariffId === section.tariffId && tariffVersion === section.tariffVersion);
  cursor.room(70);
  paper.box(MARGIN, cursor.y - 11, CONTENT_WIDTH, 16, TINT, 3);
  paper.text(words.part(section.tariffId, section.tariffVersion, daysShown(section.from, section.to, words)), MARGIN + 6, cursor.y, { size: 9, bold: true, width: CONTENT_WIDTH - 60 });
  paper.text(marksOf(parts), MARGIN, cursor.y, { size: 9, bold: true, align: 'right', width: CONTENT_WIDTH - 6 });
  cursor.y += 16;
  for (const { peakKw, peakAt } of parts) {
    if (peakKw === null || peakAt === null || isZero(peakKw)) continue;
    paper.text(words.peak(decimalShown(peakKw, 0, words), timeShown(peakAt, invoice.zone, words)), MARGIN + 6, cursor.y, HEAD);
    cursor.y += LINE_HEIGHT;
  }
  drawHead(on, cursor);
  for (const line of section.lines) drawLine(on, cursor, line);
  cursor.y += 10;
}

/** Whether quarter-hours of it were estimated or are missing; the first page says what the letters mean. */
function marksOf(parts: readonly BillPart[]): string {
  return [parts.some(({ quality }) => quality.estimated > 0) ? 'E' : '', parts.some(({ quality }) => quality.missing > 0) ? 'M' : ''].filter((mark) => mark !== '').join(' · ');
}

function drawHead({ paper, invoice, words: { columns } }: InvoicePaper, cursor: Cursor): void {
  paper.text(columns.text, X.text, cursor.y, HEAD);
  paper.text(columns.period, X.period, cursor.y, HEAD);
  for (const name of ['quantity', 'price'] as const) paper.text(columns[name], X[name], cursor.y, { ...HEAD, align: 'right', width: COLUMNS[name] });
  paper.text(`${columns.amount} ${invoice.currency}`, X.amount, cursor.y, { ...HEAD, align: 'right', width: COLUMNS.amount });
  paper.rule(MARGIN, cursor.y + 4, CONTENT_WIDTH, { colour: INK, weight: 0.6 });
  cursor.y += 15;
}

function drawLine(on: InvoicePaper, cursor: Cursor, line: InvoiceLine): void {
  const { paper, invoice, words } = on;
  const texts = paper.wrapped(line.text === '' ? line.charge : line.text, COLUMNS.text - 8, CELL, TEXT_LINES_MAX);
  if (cursor.room(texts.length * LINE_HEIGHT + 4)) drawHead(on, cursor);
  const { y } = cursor;
  const places = currencyPlaces(invoice.currency);
  paper.text(String(line.number), MARGIN, y, { ...HEAD, width: COLUMNS.number });
  for (const [i, text] of texts.entries()) paper.text(text, X.text, y + i * LINE_HEIGHT, CELL);
  paper.text(shortDaysShown(line.from, line.to, words), X.period, y, { size: 8, colour: FAINT, width: COLUMNS.period - 4 });
  const right = (name: 'quantity' | 'price' | 'amount', text: string) => paper.figure(text, X[name] + CELL_GAP, y, { ...CELL, align: 'right', width: COLUMNS[name] - CELL_GAP }, CELL_SIZES);
  if (line.unit === '%') {
    right('quantity', `${decimalShown(line.quantity, places, words)} ${invoice.currency}`);
    right('price', `${decimalShown(line.unitPrice, 0, words)} %`);
  } else {
    const unit = words.units[line.unit](/^1(\.0*)?$/.test(line.quantity));
    if (line.unit !== 'once') right('quantity', `${decimalShown(line.quantity, 0, words)} ${unit}`);
    if (line.unit !== 'once') right('price', decimalShown(line.unitPrice, places, words));
  }
  right('amount', decimalShown(line.amount, places, words));
  cursor.y += Math.max(texts.length, 1) * LINE_HEIGHT + 4;
  paper.rule(MARGIN, cursor.y - LINE_HEIGHT + 1, CONTENT_WIDTH, { weight: 0.3 });
}

function drawTotals(on: InvoicePaper, cursor: Cursor): void {
  const { paper, invoice, words } = on;
  cursor.room(60);
  const rows: [string, string, boolean][] = [
    [words.net, invoice.net, false],
    [words.groups.tax, invoice.tax, false],
    [words.total, invoice.total, true],
  ];
  for (const [label, amount, bold] of rows) {
    if (bold) paper.rule(X.quantity, cursor.y - 10, MARGIN + CONTENT_WIDTH - X.quantity, { colour: INK, weight: 0.8 });
    paper.text(label, X.quantity, cursor.y, { size: 9.5, bold, width: 110 });
    paper.text(moneyShown(amount, invoice.currency, words), MARGIN, cursor.y, { size: 9.5, bold, align: 'right', width: CONTENT_WIDTH });
    cursor.y += 15;
  }
}

function drawCredits(on: InvoicePaper, cursor: Cursor): void {
  const { paper, invoice, words } = on;
  const credits = Object.entries(invoice.creditKwh).filter(([, kwh]) => !isZero(kwh));
  if (credits.length === 0) return;
  cursor.room(18 + credits.length * 12);
  paper.text(words.creditKwh, MARGIN, cursor.y, { size: 10, bold: true, width: CONTENT_WIDTH });
  cursor.y += 14;
  for (const [period, kwh] of credits) {
    cursor.room(12);
    paper.text(words.creditKwhOf(period.endsWith('/*') ? words.anyPeriod : period, decimalShown(kwh, 0, words)), MARGIN, cursor.y, { ...CELL, width: CONTENT_WIDTH });
    cursor.y += 12;
  }
  cursor.y += 10;
}

function drawDifferences(on: InvoicePaper, cursor: Cursor): void {
  const { paper, invoice: { differences, currency }, words } = on;
  if (differences.length === 0) return;
  const places = currencyPlaces(currency);
  const column = 84;
  const beforeX = MARGIN + CONTENT_WIDTH - 2 * column;
  const head = () => {
    paper.text(words.before, beforeX, cursor.y, { ...HEAD, align: 'right', width: column - 8 });
    paper.text(words.after, beforeX + column, cursor.y, { ...HEAD, align: 'right', width: column });
    paper.rule(MARGIN, cursor.y + 4, CONTENT_WIDTH, { colour: INK, weight: 0.6 });
    cursor.y += 15;
  };
  cursor.room(50);
  paper.text(words.differences, MARGIN, cursor.y, { size: 10, bold: true });
  head();
  for (const { text, before, after } of differences) {
    const lines = paper.wrapped(text, CONTENT_WIDTH - 2 * column - 10, CELL, DIFFERENCE_LINES_MAX);
    if (cursor.room(lines.length * LINE_HEIGHT + 4)) head();
    for (const [i, line] of lines.entries()) paper.text(line, MARGIN, cursor.y + i * LINE_HEIGHT, CELL);
    paper.text(before === null ? '–' : decimalShown(before, places, words), beforeX, cursor.y, { ...CELL, align: 'right', width: column - 8 });
    paper.text(after === null ? '–' : decimalShown(after, places, words), beforeX + column, cursor.y, { ...CELL, align: 'right', width: column });
    cursor.y += Math.max(lines.length, 1) * LINE_HEIGHT + 4;
    paper.rule(MARGIN, cursor.y - LINE_HEIGHT + 1, CONTENT_WIDTH, { colour: RULE, weight: 0.3 });
  }
}

function columnStarts(): Record<keyof typeof COLUMNS, number> {
  let x = MARGIN;
  return Object.fromEntries(Object.entries(COLUMNS).map(([name, width]) => [name, (x += width) - width])) as Record<keyof typeof COLUMNS, number>;
}
