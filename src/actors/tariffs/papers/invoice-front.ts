import { drawConsumption, drawLegend } from './consumption-chart.ts';
import type { InvoicePaper } from './invoice-paper.ts';
import { sumsByGroup, takenBack } from './invoice-sums.ts';
import { currencyPlaces, dayOf, dayShown, daysShown, decimalShown, isNegative, isZero, moneyShown, withoutSign } from './paper-numbers.ts';
import { CONTENT_WIDTH, FAINT, INK, MARGIN, PAGE_WIDTH, RULE, TINT, type Paper } from './paper.ts';
import { drawPaymentSlip, SLIP_TOP } from './payment-slip.ts';

/** The first page: whose bill it is, what is to be paid until when, how that comes about in a few lines, what was used, and the slip to pay with. */

const RIGHT = PAGE_WIDTH - MARGIN;
/** Where a window envelope shows it (DIN 5008 B, 20 + 45 mm). */
const ADDRESS_Y = 140;
const ADDRESS_WIDTH = 230;
const ADDRESS_LINES_MAX = 6;
const FACTS_X = 345;
const FACTS_TOP = 116;
const FACT_HEIGHT = 13.5;
const FACT_LABEL_WIDTH = 82;
const TITLE_Y = 268;
const SUMMARY_TOP = 284;
const PANEL_WIDTH = 232;
const ROW_HEIGHT = 15;
const QUALITY_HEIGHT = 11;
const USE_HEIGHT_MAX = 230;
/** Above the footer. */
const BOTTOM = 770;

const SMALL = { size: 8, colour: FAINT } as const;
const BODY = { size: 9.5 } as const;

export function drawFront(on: InvoicePaper, title: string): void {
  const { paper } = on;
  drawLetterhead(on);
  drawAddress(on);
  drawFacts(on);
  paper.text(title, MARGIN, TITLE_Y, { size: 20, bold: true });
  const y = Math.max(drawSummary(on), drawHeadline(on)) + 22;
  const hasSlip = isToBePaid(on);
  const quality = qualityLines(on);
  const bottom = Math.min((hasSlip ? SLIP_TOP : BOTTOM) - 14 - quality.length * QUALITY_HEIGHT, y + USE_HEIGHT_MAX);
  drawUse(on, y, bottom);
  for (const [i, line] of quality.entries()) paper.text(line, MARGIN, bottom + (i + 1) * QUALITY_HEIGHT, SMALL);
  if (hasSlip) drawPaymentSlip(on);
}

function drawLetterhead({ paper, issuer, words }: InvoicePaper): void {
  paper.box(0, 0, PAGE_WIDTH, 6, issuer.colour);
  drawMark(paper, MARGIN, 38, issuer.colour);
  paper.text(issuer.name, MARGIN + 36, 58, { size: 18, bold: true, colour: issuer.colour, width: 250 });
  const lines = [issuer.website, issuer.email, issuer.phone === null ? null : words.questions(issuer.phone), issuer.faultsPhone === null ? null : words.faults(issuer.faultsPhone)];
  for (const [i, line] of lines.filter((text) => text !== null).entries()) paper.text(line, FACTS_X, 46 + i * 11, { ...SMALL, width: RIGHT - FACTS_X });
}

/** A lightning in a rounded square. */
function drawMark({ pdf }: Paper, x: number, y: number, colour: string): void {
  pdf.roundedRect(x, y, 28, 28, 6).fill(colour);
  pdf.polygon([x + 16.5, y + 4.5], [x + 8, y + 16], [x + 13.4, y + 16], [x + 11.5, y + 23.5], [x + 20, y + 12], [x + 14.6, y + 12]).fill('#ffffff');
}

function drawAddress({ paper, issuer, invoice: { customer } }: InvoicePaper): void {
  const sender = [issuer.name, ...issuer.address].join(' · ');
  paper.text(sender, MARGIN, ADDRESS_Y - 18, { size: 6.5, colour: FAINT, width: ADDRESS_WIDTH });
  paper.rule(MARGIN, ADDRESS_Y - 14, ADDRESS_WIDTH);
  const name = paper.wrapped(customer.name, ADDRESS_WIDTH, { size: 11, bold: true }, 2);
  const address = customer.address.slice(0, ADDRESS_LINES_MAX);
  for (const [i, line] of name.entries()) paper.text(line, MARGIN, ADDRESS_Y + i * 14, { size: 11, bold: true, width: ADDRESS_WIDTH });
  for (const [i, line] of address.entries()) paper.text(line, MARGIN, ADDRESS_Y + (name.length + i) * 14, { size: 11, width: ADDRESS_WIDTH });
}

function drawFacts({ paper, invoice, words, numberOf }: InvoicePaper): void {
  const { number, kind, issuedAt, zone, from, to, dueDate, agreementId, meterId, region, customer, corrects, correctedBy } = invoice;
  const facts: [string, string | null][] = [
    [kind === 'creditNote' ? words.creditNoteNumber : words.invoiceNumber, number ?? words.draftNumber],
    [words.date, issuedAt === null ? null : dayOf(issuedAt, zone, words)],
    [words.billingPeriod, daysShown(from, to, words)],
    [words.dueDate, dueDate === null ? null : dayShown(dueDate, words)],
    [words.agreement, agreementId],
    [words.meter, meterId],
    [words.region, region],
    [words.customerTaxId, customer.taxId],
    [kind === 'creditNote' ? words.takesBack : words.corrects, corrects === null ? null : numberOf(corrects)],
    [words.correctedBy, correctedBy.length === 0 ? null : correctedBy.map(numberOf).join(', ')],
  ];
  const shown = facts.filter((fact): fact is [string, string] => fact[1] !== null);
  for (const [i, [label, value]] of shown.entries()) {
    const y = FACTS_TOP + i * FACT_HEIGHT;
    paper.text(label, FACTS_X, y, { ...SMALL, width: FACT_LABEL_WIDTH - 4 });
    paper.figure(value, FACTS_X + FACT_LABEL_WIDTH, y, { size: 8.5, bold: i === 0, width: RIGHT - FACTS_X - FACT_LABEL_WIDTH }, [8.5, 7.5, 6.5, 5.5]);
  }
}

/** The panel on the left: what is to be done. Gives where it ends. */
function drawHeadline(on: InvoicePaper): number {
  const { paper, invoice, issuer, words } = on;
  const { label, amount, note, isUrgent } = headlineOf(on);
  const noteLines = paper.wrapped(note, PANEL_WIDTH - 28, BODY, 4);
  const height = 66 + noteLines.length * 13;
  paper.box(MARGIN, SUMMARY_TOP, PANEL_WIDTH, height, TINT, 6);
  paper.box(MARGIN, SUMMARY_TOP + 8, 3, height - 16, isUrgent ? '#b3261e' : issuer.colour);
  paper.text(label, MARGIN + 14, SUMMARY_TOP + 20, { size: 9.5, colour: FAINT });
  paper.figure(moneyShown(amount, invoice.currency, words), MARGIN + 14, SUMMARY_TOP + 46, { size: 24, bold: true, width: PANEL_WIDTH - 24 }, [24, 20, 16, 12, 9]);
  for (const [i, line] of noteLines.entries()) paper.text(line, MARGIN + 14, SUMMARY_TOP + 65 + i * 13, { ...BODY, colour: isUrgent ? '#b3261e' : INK });
  return SUMMARY_TOP + height;
}

function headlineOf({ invoice, words, numberOf }: InvoicePaper): { label: string; amount: string; note: string; isUrgent: boolean } {
  const { kind, number, state, total, outstanding, dueDate, corrects } = invoice;
  const calm = { isUrgent: false };
  if (number === null) return { label: words.total, amount: total, note: words.draftNote, ...calm };
  if (kind === 'creditNote') return { label: words.amountCredited, amount: withoutSign(total), note: words.creditNoteNote(corrects === null ? '–' : numberOf(corrects)), ...calm };
  if (state === 'credited') return { label: words.total, amount: total, note: words.credited, ...calm };
  if (isNegative(outstanding)) return { label: words.yourCredit, amount: withoutSign(outstanding), note: words.creditSettled, ...calm };
  if (isZero(outstanding)) return { label: words.nothingDue, amount: outstanding, note: isZero(total) ? '' : words.paidInFull, ...calm };
  if (state === 'disputed') return { label: words.amountDue, amount: outstanding, note: words.disputed, ...calm };
  const date = dueDate === null ? '' : dayShown(dueDate, words);
  return state === 'overdue'
    ? { label: words.amountDue, amount: outstanding, note: words.overdueSince(date), isUrgent: true }
    : { label: words.amountDue, amount: outstanding, note: words.dueBy(date), ...calm };
}

/** Whether there is something to pay with a slip. */
function isToBePaid({ invoice: { kind, number, state, outstanding } }: InvoicePaper): boolean {
  return kind === 'invoice' && number !== null && state !== 'credited' && !isZero(outstanding) && !isNegative(outstanding);
}

/** The lines on the right: how the sum comes about. Gives where they end. */
function drawSummary({ paper, invoice, words }: InvoicePaper): number {
  const x = MARGIN + PANEL_WIDTH + 24;
  const width = RIGHT - x;
  const amountShown = (amount: string) => decimalShown(amount, currencyPlaces(invoice.currency), words);
  let y = SUMMARY_TOP + 10;
  const row = (text: string, amount: string, bold = false) => {
    paper.text(text, x, y, { ...BODY, bold, width: width - 90 });
    paper.text(amountShown(amount), x, y, { ...BODY, bold, align: 'right', width });
    y += ROW_HEIGHT;
  };
  const line = (colour = RULE) => {
    paper.rule(x, y - 10.5, width, { colour, weight: 0.7 });
    y += 2;
  };
  paper.text(invoice.currency, x, y - 12, { size: 7, colour: FAINT, align: 'right', width });
  const sums = sumsByGroup(invoice.lines);
  for (const { group, amount } of sums) if (group !== 'tax') row(words.groups[group], amount);
  const tax = sums.find(({ group }) => group === 'tax');
  if (tax !== undefined) {
    line();
    row(words.net, invoice.net);
    row(words.groups.tax, invoice.tax);
  }
  line(INK);
  row(words.total, invoice.total, true);
  const off = takenBack(invoice);
  if (invoice.kind === 'invoice' && (!isZero(invoice.paid) || !isZero(off))) {
    if (!isZero(invoice.paid)) row(words.paid, invoice.paid);
    if (!isZero(off)) row(words.takenBack, off);
    line(INK);
    row(words.outstanding, invoice.outstanding, true);
  }
  return y - ROW_HEIGHT + 4;
}

/** What was used, in figures and as a picture. */
function drawUse({ paper, invoice, issuer, words }: InvoicePaper, top: number, bottom: number): void {
  const { importKwh, exportKwh, dailyKwh } = invoice;
  paper.text(words.yourUse, MARGIN, top + 6, { size: 12, bold: true });
  const figures: [string, string][] = [[words.imported, `${decimalShown(rounded(importKwh, 1), 0, words)} kWh`]];
  if (!isZero(exportKwh)) figures.push([words.exported, `${decimalShown(rounded(exportKwh, 1), 0, words)} kWh`]);
  if (dailyKwh.length > 0) {
    const days = dailyKwh.map((day) => Number(day.importKwh));
    figures.push([words.averageDay, `${decimalShown((days.reduce((sum, kwh) => sum + kwh, 0) / days.length).toFixed(1), 0, words)} kWh`]);
    figures.push([words.highestDay, `${decimalShown(Math.max(...days).toFixed(1), 0, words)} kWh`]);
  }
  for (const [i, [label, value]] of figures.entries()) {
    const x = MARGIN + i * (CONTENT_WIDTH / 4);
    paper.text(label, x, top + 22, { ...SMALL, width: CONTENT_WIDTH / 4 - 8 });
    paper.text(value, x, top + 36, { size: 11, bold: true, width: CONTENT_WIDTH / 4 - 8 });
  }
  const chartTop = top + 52;
  if (bottom - chartTop < 60) return;
  paper.text(words.chartTitle, MARGIN, chartTop + 4, SMALL);
  drawLegend(paper, invoice, RIGHT, chartTop + 4, issuer.colour, words);
  drawConsumption(paper, invoice, { x: MARGIN, y: chartTop + 14, width: CONTENT_WIDTH, height: bottom - chartTop - 22, colour: issuer.colour }, words);
}

/** To so many places, halves up: of figures beside the bill's lines, which are as they are. */
function rounded(decimal: string, places: number): string {
  const value = Number(decimal);
  return Number.isFinite(value) && Math.abs(value) < 1e15 ? value.toFixed(places) : decimal;
}

function qualityLines({ paper, invoice: { quality }, words }: InvoicePaper): string[] {
  const { measured, estimated, missing } = quality;
  const all = measured + estimated + missing;
  const count = (value: number) => decimalShown(String(value), 0, words);
  if (estimated + missing === 0) return all === 0 ? [] : [words.quality.allMeasured(count(all))];
  const said = [
    words.quality.some(count(measured), count(estimated), count(missing), count(all)),
    ...(estimated > 0 ? [words.quality.estimatedMark] : []),
    ...(missing > 0 ? [words.quality.missingMark] : []),
  ];
  return said.flatMap((text) => paper.wrapped(text, CONTENT_WIDTH, SMALL, 2));
}
