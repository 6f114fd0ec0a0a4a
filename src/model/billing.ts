import type { IntervalQuality } from './energy.ts';

/**
 * Agreements, invoices and what becomes of them. Money is a decimal number as text in the invoice's currency ("12.30"), times are epoch milliseconds, dates are days of the tariff's zone
 * (2026-07-01), of a stretch of time the first included and the last not.
 */

/** Who is billed for a meter. A meter has one at a time at most. */
export interface Agreement {
  id: string;
  version: number;
  meterId: string;
  customer: Customer;
  /** Chooses the tariff where none is agreed. */
  customerClass: string;
  /** Of the tariff that was agreed; null: the one that applies to the region, class or meter. */
  tariffId: string | null;
  movedIn: string;
  /** null: still there. */
  movedOut: string | null;
}

export interface Customer {
  name: string;
  /** Lines of the address. */
  address: string[];
  email: string | null;
  /** VAT, GST or company number, if any. */
  taxId: string | null;
}

export type NewAgreement = Omit<Agreement, 'id' | 'version'>;

/** A line of a bill. `amount` = `quantity` × `unitPrice`, rounded as the tariff says. */
export interface InvoiceLine {
  number: number;
  kind: 'energy' | 'export' | 'fixed' | 'minimum' | 'demand' | 'adder' | 'surcharge' | 'rebate' | 'tax' | 'carriedOver' | 'rounding';
  /** Name of the charge. */
  charge: string;
  /** As printed: charge, period, tier. */
  text: string;
  tariffId: string;
  tariffVersion: number;
  /** Days that it is for. */
  from: string;
  to: string;
  /** Period of the schedule; null where there is none. */
  period: string | null;
  /** From 1; null where there is none. */
  tier: number | null;
  quantity: string;
  unit: 'kWh' | 'kW' | 'day' | 'month' | 'year' | '%' | 'once';
  /** Of `%` the percentage. */
  unitPrice: string;
  amount: string;
}

/** What a stretch of a bill under one version of one tariff comes to. */
export interface BillPart {
  tariffId: string;
  tariffVersion: number;
  from: string;
  to: string;
  quality: IntervalQuality;
  /** See Determinants.digest. */
  digest: number;
  /** Highest demand and when; null where no demand is measured. */
  peakKw: string | null;
  peakAt: number | null;
}

/** A bill before it has a number. */
export interface Bill {
  agreementId: string;
  meterId: string;
  region: string | null;
  currency: string;
  zone: string;
  from: string;
  to: string;
  parts: BillPart[];
  lines: InvoiceLine[];
  /** Sum of the lines that are no taxes. */
  net: string;
  tax: string;
  total: string;
  importKwh: string;
  exportKwh: string;
  /** By local day, import in kWh, for the chart. */
  dailyKwh: { date: string; importKwh: string; exportKwh: string }[];
  quality: IntervalQuality;
  /** Credits in kWh that go on to the next bill, by period. */
  creditKwh: Record<string, string>;
}

export const INVOICE_KINDS = ['invoice', 'creditNote'] as const;
export const INVOICE_STATES = ['draft', 'issued', 'paid', 'overdue', 'disputed', 'credited'] as const;
export type InvoiceState = (typeof INVOICE_STATES)[number];

export interface Invoice extends Bill {
  /** `INV-2026-000001`, `CN-2026-000001`: without gaps in the order of issue. null: a draft. */
  number: string | null;
  id: string;
  version: number;
  kind: (typeof INVOICE_KINDS)[number];
  state: InvoiceState;
  customer: Customer;
  issuedAt: number | null;
  /** Day by which it is to be paid; null: a draft or a credit note. */
  dueDate: string | null;
  paid: string;
  /** total − paid − what credit notes took off. */
  outstanding: string;
  /** Of a credit note the invoice it takes back, of a new bill after a correction the one in whose place it is. */
  corrects: string | null;
  /** The credit note and the new bill that came of a correction, by id. */
  correctedBy: string[];
  /** Why there was a correction, line by line. */
  differences: BillDifference[];
  run: string | null;
}

export interface BillDifference {
  text: string;
  before: string | null;
  after: string | null;
}

export interface Payment {
  id: string;
  invoiceId: string;
  amount: string;
  receivedAt: number;
  method: string;
  /** The payer's or the bank's; the same reference of an invoice counts once. */
  reference: string;
}

export const DISPUTE_OUTCOMES = ['upheld', 'rejected', 'withdrawn'] as const;

export interface Dispute {
  id: string;
  invoiceId: string;
  openedAt: number;
  openedBy: string;
  reason: string;
  /** Number of the lines meant; empty: the whole invoice. */
  lines: number[];
  resolvedAt: number | null;
  resolvedBy: string | null;
  outcome: (typeof DISPUTE_OUTCOMES)[number] | null;
  resolution: string | null;
}

export const RUN_STATES = ['running', 'paused', 'done', 'failed'] as const;

/** Bills with quarter-hours of which nothing is known, and those of them where these are more than a tenth: somebody should look at them before they are sent. */
export interface IncompleteBills {
  bills: number;
  aboveTenth: number;
}

/** A monthly run. */
export interface BillingRun {
  id: string;
  /** `2026-07`. */
  month: string;
  state: (typeof RUN_STATES)[number];
  startedAt: number;
  startedBy: string;
  endedAt: number | null;
  /** Agreements in all, those that are done, and those of them that have an invoice of this run. */
  agreements: number;
  done: number;
  issued: number;
  /** Of the issued, as they were issued; null: they were not counted when this run began. */
  incomplete: IncompleteBills | null;
  /** Of those that could not be billed, the first RUN_FAULTS_MAX. */
  faults: { agreementId: string; code: string; message: string }[];
  failed: number;
  /** Agreement after which it goes on after a restart. */
  after: string | null;
}

/** What a kWh costs in a region now by its load. */
export interface DynamicPrice {
  region: string;
  /** Currency per kWh. */
  price: string;
  currency: string;
  multiplier: string;
  /** null: an operator's. */
  loadPercent: number | null;
  /** Id of the override in force, if any. */
  override: string | null;
  since: number;
}

/** A price that an operator set; it is never changed or removed, only ended. */
export interface PriceOverride {
  id: string;
  region: string;
  price: string;
  from: number;
  until: number;
  by: string;
  reason: string;
  /** Ended before its time. */
  endedAt: number | null;
  endedBy: string | null;
  endReason: string | null;
}
