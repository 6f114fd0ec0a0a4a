import type { InvoiceLine } from '../../../model/billing.ts';

/** What stands on papers, in each language. */

export const PAPER_LANGUAGES = ['en', 'de'] as const;
export type PaperLanguage = (typeof PAPER_LANGUAGES)[number];

/** What lines are summed up under on the first page. */
export const LINE_GROUPS = ['energy', 'demand', 'fixed', 'export', 'other', 'tax'] as const;
export type LineGroup = (typeof LINE_GROUPS)[number];

export const GROUP_OF_KIND: Readonly<Record<InvoiceLine['kind'], LineGroup>> = {
  energy: 'energy',
  adder: 'energy',
  demand: 'demand',
  fixed: 'fixed',
  minimum: 'fixed',
  export: 'export',
  surcharge: 'other',
  rebate: 'other',
  carriedOver: 'other',
  rounding: 'other',
  tax: 'tax',
};

export interface PaperWords {
  /** BCP 47, for month names and the document's own language. */
  locale: string;
  decimalPoint: string;
  thousands: string;
  titles: { invoice: string; creditNote: string; draft: string };
  invoiceNumber: string;
  creditNoteNumber: string;
  draftNumber: string;
  date: string;
  billingPeriod: string;
  agreement: string;
  meter: string;
  region: string;
  dueDate: string;
  customerTaxId: string;
  corrects: string;
  takesBack: string;
  correctedBy: string;
  /** What is to be done, in large letters. */
  amountDue: string;
  amountCredited: string;
  yourCredit: string;
  nothingDue: string;
  dueBy(date: string): string;
  paidInFull: string;
  creditSettled: string;
  overdueSince(date: string): string;
  disputed: string;
  credited: string;
  draftNote: string;
  creditNoteNote(invoice: string): string;
  groups: Readonly<Record<LineGroup, string>>;
  net: string;
  total: string;
  paid: string;
  takenBack: string;
  outstanding: string;
  yourUse: string;
  imported: string;
  exported: string;
  averageDay: string;
  highestDay: string;
  chartTitle: string;
  chartAverage: string;
  chartLegend: { import: string; weekend: string; export: string };
  noUse: string;
  quality: { allMeasured(intervals: string): string; some(measured: string, estimated: string, missing: string, all: string): string; estimatedMark: string; missingMark: string };
  details: string;
  columns: { text: string; period: string; quantity: string; price: string; amount: string };
  part(tariff: string, version: number, period: string): string;
  peak(kw: string, at: string): string;
  continued: string;
  units: Readonly<Record<InvoiceLine['unit'], (isOne: boolean) => string>>;
  creditKwh: string;
  /** Of a credit that is for no period alone. */
  anyPeriod: string;
  creditKwhOf(period: string, kwh: string): string;
  differences: string;
  before: string;
  after: string;
  slip: string;
  slipCut: string;
  payableTo: string;
  account: string;
  bank: string;
  bic: string;
  reference: string;
  referenceNote: string;
  amount: string;
  payer: string;
  faults(phone: string): string;
  questions(phone: string): string;
  page(page: number, pages: number): string;
  rounding: string;
}

const plural = (one: string, many: string) => (isOne: boolean) => (isOne ? one : many);
const same = (text: string) => () => text;

const en: PaperWords = {
  locale: 'en-GB',
  decimalPoint: '.',
  thousands: ',',
  titles: { invoice: 'Electricity bill', creditNote: 'Credit note', draft: 'Electricity bill (draft)' },
  invoiceNumber: 'Invoice number',
  creditNoteNumber: 'Credit note number',
  draftNumber: 'Draft',
  date: 'Date of issue',
  billingPeriod: 'Billing period',
  agreement: 'Agreement',
  meter: 'Meter',
  region: 'Supply area',
  dueDate: 'Due date',
  customerTaxId: 'Your tax number',
  corrects: 'In place of',
  takesBack: 'Takes back',
  correctedBy: 'Corrected by',
  amountDue: 'Amount due',
  amountCredited: 'Amount credited',
  yourCredit: 'In your favour',
  nothingDue: 'Nothing to pay',
  dueBy: (date) => `Please pay by ${date}`,
  paidInFull: 'Paid in full. Thank you.',
  creditSettled: 'It is set off against what you owe, or paid back.',
  overdueSince: (date) => `Overdue: it was to be paid by ${date}`,
  disputed: 'Under dispute: you need not pay until it is resolved.',
  credited: 'Taken back by a credit note: there is nothing to pay.',
  draftNote: 'This is a draft. It has no number, may still change and is no demand for payment.',
  creditNoteNote: (invoice) => `This credit note takes back invoice ${invoice}, in whole or in part. There is nothing to pay.`,
  groups: { energy: 'Energy', demand: 'Demand', fixed: 'Fixed charges', export: 'Credit for energy fed in', other: 'Surcharges and rebates', tax: 'Taxes' },
  net: 'Total before tax',
  total: 'Total',
  paid: 'Paid',
  takenBack: 'Taken off by credit notes',
  outstanding: 'Amount due',
  yourUse: 'Your electricity',
  imported: 'Taken from the grid',
  exported: 'Fed into the grid',
  averageDay: 'On an average day',
  highestDay: 'On the highest day',
  chartTitle: 'Daily use, kWh',
  chartAverage: 'average',
  chartLegend: { import: 'weekday', weekend: 'weekend', export: 'fed in' },
  noUse: 'No use was metered.',
  quality: {
    allMeasured: (intervals) => `All ${intervals} quarter-hours were measured.`,
    some: (measured, estimated, missing, all) => `Of ${all} quarter-hours ${measured} were measured, ${estimated} estimated and ${missing} are missing.`,
    estimatedMark: 'E: within these days quarter-hours were estimated. The energy is known, but not exactly when it flowed; readings that come later correct the bill.',
    missingMark: 'M: within these days quarter-hours are missing. They count as no use; readings that come later correct the bill.',
  },
  details: 'How your bill is made up',
  columns: { text: 'Charge', period: 'Days', quantity: 'Quantity', price: 'Price', amount: 'Amount' },
  part: (tariff, version, period) => `Tariff ${tariff}, version ${version} · ${period}`,
  peak: (kw, at) => `Highest demand ${kw} kW on ${at}`,
  continued: 'continued',
  units: { kWh: same('kWh'), kW: same('kW'), day: plural('day', 'days'), month: plural('month', 'months'), year: plural('year', 'years'), '%': same('%'), once: same('') },
  creditKwh: 'Energy credits that go on to your next bill',
  anyPeriod: 'For any time',
  creditKwhOf: (period, kwh) => `${period}: ${kwh} kWh`,
  differences: 'What has changed',
  before: 'Before',
  after: 'Now',
  slip: 'Payment slip',
  slipCut: 'Please cut off here',
  payableTo: 'Payable to',
  account: 'Account',
  bank: 'Bank',
  bic: 'BIC',
  reference: 'Reference',
  referenceNote: 'Please give the reference, so that your payment finds this bill.',
  amount: 'Amount',
  payer: 'Payer',
  faults: (phone) => `No power? ${phone}, at any hour`,
  questions: (phone) => `Questions? ${phone}`,
  page: (page, pages) => `Page ${page} of ${pages}`,
  rounding: 'Amounts of lines are rounded; their sum is the total.',
};

const de: PaperWords = {
  locale: 'de-DE',
  decimalPoint: ',',
  thousands: '.',
  titles: { invoice: 'Stromrechnung', creditNote: 'Gutschrift', draft: 'Stromrechnung (Entwurf)' },
  invoiceNumber: 'Rechnungsnummer',
  creditNoteNumber: 'Gutschriftnummer',
  draftNumber: 'Entwurf',
  date: 'Datum',
  billingPeriod: 'Abrechnungszeitraum',
  agreement: 'Vertrag',
  meter: 'Zähler',
  region: 'Versorgungsgebiet',
  dueDate: 'Zahlbar bis',
  customerTaxId: 'Ihre Steuernummer',
  corrects: 'Ersetzt',
  takesBack: 'Nimmt zurück',
  correctedBy: 'Korrigiert durch',
  amountDue: 'Zu zahlen',
  amountCredited: 'Gutgeschrieben',
  yourCredit: 'Zu Ihren Gunsten',
  nothingDue: 'Nichts zu zahlen',
  dueBy: (date) => `Bitte zahlen Sie bis ${date}`,
  paidInFull: 'Vollständig bezahlt. Vielen Dank.',
  creditSettled: 'Der Betrag wird verrechnet oder ausgezahlt.',
  overdueSince: (date) => `Überfällig: zahlbar war bis ${date}`,
  disputed: 'Beanstandet: bis zur Klärung müssen Sie nicht zahlen.',
  credited: 'Durch eine Gutschrift zurückgenommen: es ist nichts zu zahlen.',
  draftNote: 'Dies ist ein Entwurf. Er hat keine Nummer, kann sich noch ändern und ist keine Zahlungsaufforderung.',
  creditNoteNote: (invoice) => `Diese Gutschrift nimmt die Rechnung ${invoice} ganz oder teilweise zurück. Es ist nichts zu zahlen.`,
  groups: { energy: 'Energie', demand: 'Leistung', fixed: 'Grundpreise', export: 'Einspeisevergütung', other: 'Zu- und Abschläge', tax: 'Steuern' },
  net: 'Summe netto',
  total: 'Gesamtbetrag',
  paid: 'Bezahlt',
  takenBack: 'Durch Gutschriften verrechnet',
  outstanding: 'Zu zahlen',
  yourUse: 'Ihr Strom',
  imported: 'Aus dem Netz bezogen',
  exported: 'Ins Netz eingespeist',
  averageDay: 'An einem mittleren Tag',
  highestDay: 'Am höchsten Tag',
  chartTitle: 'Täglicher Verbrauch, kWh',
  chartAverage: 'Mittel',
  chartLegend: { import: 'Werktag', weekend: 'Wochenende', export: 'eingespeist' },
  noUse: 'Es wurde kein Verbrauch gemessen.',
  quality: {
    allMeasured: (intervals) => `Alle ${intervals} Viertelstunden wurden gemessen.`,
    some: (measured, estimated, missing, all) => `Von ${all} Viertelstunden wurden ${measured} gemessen und ${estimated} geschätzt, ${missing} fehlen.`,
    estimatedMark: 'E: In diesen Tagen wurden Viertelstunden geschätzt. Die Energie ist bekannt, nur nicht genau, wann sie floss; spätere Messwerte korrigieren die Rechnung.',
    missingMark: 'M: In diesen Tagen fehlen Viertelstunden. Sie zählen als kein Verbrauch; spätere Messwerte korrigieren die Rechnung.',
  },
  details: 'So setzt sich Ihre Rechnung zusammen',
  columns: { text: 'Position', period: 'Tage', quantity: 'Menge', price: 'Preis', amount: 'Betrag' },
  part: (tariff, version, period) => `Tarif ${tariff}, Fassung ${version} · ${period}`,
  peak: (kw, at) => `Höchste Leistung ${kw} kW am ${at}`,
  continued: 'Fortsetzung',
  units: { kWh: same('kWh'), kW: same('kW'), day: plural('Tag', 'Tage'), month: plural('Monat', 'Monate'), year: plural('Jahr', 'Jahre'), '%': same('%'), once: same('') },
  creditKwh: 'Energieguthaben, die auf Ihre nächste Rechnung übergehen',
  anyPeriod: 'Für jede Zeit',
  creditKwhOf: (period, kwh) => `${period}: ${kwh} kWh`,
  differences: 'Was sich geändert hat',
  before: 'Vorher',
  after: 'Jetzt',
  slip: 'Zahlschein',
  slipCut: 'Bitte hier abtrennen',
  payableTo: 'Zahlbar an',
  account: 'Konto',
  bank: 'Bank',
  bic: 'BIC',
  reference: 'Referenz',
  referenceNote: 'Bitte geben Sie die Referenz an, damit Ihre Zahlung diese Rechnung findet.',
  amount: 'Betrag',
  payer: 'Zahlungspflichtig',
  faults: (phone) => `Kein Strom? ${phone}, zu jeder Stunde`,
  questions: (phone) => `Fragen? ${phone}`,
  page: (page, pages) => `Seite ${page} von ${pages}`,
  rounding: 'Die Beträge der Positionen sind gerundet; ihre Summe ist der Gesamtbetrag.',
};

export const PAPER_WORDS: Readonly<Record<PaperLanguage, PaperWords>> = { en, de };
